/* Slots: every size, random use against a model, frees from other threads, abandoned slabs, lack of memory.
 */
#include "delivery/slab.h"

#include "../base/cmocka_all.h"
#include "../base/refuse.h"
#include "base/rand.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

static uint64_t bytes_before;

static int begin(void **state)
{
    (void)state;
    nki_slab_release_cache();
    bytes_before = nki_alloc_bytes();
    return 0;
}

static void check_nothing_held(void)
{
    nki_slab_release_cache();
    assert_int_equal(nki_alloc_bytes(), bytes_before);
}

static void test_every_size(void **state)
{
    (void)state;
    struct nki_slab slab;
    nki_slab_init(&slab);
    uint32_t before = 0;
    size_t classes = 0;
    for (size_t size = 0; size <= NKI_SLAB_SLOT_MAX; size++) {
        uint32_t slot_bytes = 0;
        uint8_t *slot = nki_slab_alloc(&slab, size, &slot_bytes);
        assert_non_null(slot);
        assert_int_equal((uintptr_t)slot % 16, 0);
        assert_true(slot_bytes >= size && slot_bytes >= before);
        /* Not more than a quarter too much, or 64 bytes. */
        assert_true(size <= 128 ? slot_bytes == 128 : slot_bytes - size < (size <= 1024 ? 64 : size / 4 + 1));
        classes += slot_bytes != before;
        before = slot_bytes;
        memset(slot, 0x5a, slot_bytes);
        nki_slab_free(slot);
    }
    assert_true(classes <= NKI_SLAB_CLASSES && before == NKI_SLAB_SLOT_MAX);
    nki_slab_trim(&slab);
    check_nothing_held();
    nki_slab_abandon(&slab);
}

/* Many slots of one class: none overlaps another, and all come from whole blocks. */
static void test_slots_do_not_overlap(void **state)
{
    (void)state;
    enum { MANY = 3000 };
    static uint8_t *slots[MANY];
    struct nki_slab slab;
    nki_slab_init(&slab);
    for (size_t size = 100; size <= NKI_SLAB_SLOT_MAX; size = size * 3 + 7) {
        size_t count = size > 2000 ? 100 : MANY;
        uint32_t slot_bytes = 0;
        for (size_t i = 0; i < count; i++) {
            slots[i] = nki_slab_alloc(&slab, size, &slot_bytes);
            memset(slots[i], (int)(i & 0xff), slot_bytes);
        }
        for (size_t i = 0; i < count; i++) {
            for (uint32_t at = 0; at < slot_bytes; at += 61) {
                assert_int_equal(slots[i][at], i & 0xff);
            }
            nki_slab_free(slots[i]);
        }
        nki_slab_trim(&slab);
        check_nothing_held();
    }
    nki_slab_abandon(&slab);
}

static void test_memory_is_reused(void **state)
{
    (void)state;
    struct nki_slab slab;
    nki_slab_init(&slab);
    uint32_t slot_bytes;
    void *slots[100];
    uint64_t most = 0;
    for (int round = 0; round < 1000; round++) {
        for (size_t i = 0; i < 100; i++) {
            slots[i] = nki_slab_alloc(&slab, 500, &slot_bytes);
        }
        for (size_t i = 0; i < 100; i++) {
            nki_slab_free(slots[i]);
        }
        uint64_t held = nki_alloc_bytes() - bytes_before;
        most = held > most ? held : most;
    }
    assert_true(most <= 2 * 64 * NKI_KIB);
    nki_slab_abandon(&slab);
    check_nothing_held();
}

/* One slot that is kept pins its block alone. */
static void test_a_kept_slot_pins_one_block(void **state)
{
    (void)state;
    struct nki_slab slab;
    nki_slab_init(&slab);
    uint32_t slot_bytes;
    void *slots[2000];
    for (size_t i = 0; i < 2000; i++) {
        slots[i] = nki_slab_alloc(&slab, 1000, &slot_bytes);
    }
    for (size_t i = 0; i < 2000; i++) {
        if (i != 777) {
            nki_slab_free(slots[i]);
        }
    }
    nki_slab_trim(&slab);
    nki_slab_release_cache();
    assert_int_equal(nki_alloc_bytes() - bytes_before, 64 * NKI_KIB);
    memset(slots[777], 1, 1000);
    nki_slab_free(slots[777]);
    nki_slab_trim(&slab);
    check_nothing_held();
    nki_slab_abandon(&slab);
}

static void test_without_memory(void **state)
{
    (void)state;
    struct nki_slab slab;
    nki_slab_init(&slab);
    uint32_t slot_bytes;
    refuse_begin(1);
    assert_null(nki_slab_alloc(&slab, 100, &slot_bytes));
    refuse_end();
    void *slots[600];
    size_t count = 0;
    slots[count++] = nki_slab_alloc(&slab, 200, &slot_bytes);
    nki_alloc_gate_set(refuse_gate);
    atomic_store(&refuse_left, 1);
    while (count < 600 && (slots[count] = nki_slab_alloc(&slab, 200, &slot_bytes)) != NULL) {
        count++;
    }
    refuse_end();
    assert_true(count > 200 && count < 600); /* the block is full */
    slots[count] = nki_slab_alloc(&slab, 200, &slot_bytes);
    assert_non_null(slots[count]);
    for (size_t i = 0; i <= count; i++) {
        nki_slab_free(slots[i]);
    }
    nki_slab_abandon(&slab);
    check_nothing_held();
}

/* -- a model, and a second thread that frees ------------------------------------------------------------ */

enum { RING = 256, ROUNDS = 60000 };

struct ring { /* from the owner to the one who frees */
    void *_Atomic slots[RING];
    atomic_bool end;
};

struct held {
    uint8_t *slot;
    size_t size;
    uint8_t fill;
};

static void *run_free(void *arg)
{
    struct ring *ring = arg;
    for (;;) {
        bool last = atomic_load(&ring->end);
        bool found = false;
        for (size_t i = 0; i < RING; i++) {
            void *slot = atomic_exchange(&ring->slots[i], NULL);
            if (slot != NULL) {
                memset(slot, 0xee, 100); /* ours until it is free */
                nki_slab_free(slot);
                found = true;
            }
        }
        if (!found && last) {
            return NULL;
        }
        if (!found) {
            sched_yield();
        }
    }
}

static void give_away(struct ring *ring, struct nki_rand *rand, void *slot)
{
    void *none = NULL;
    size_t at = (size_t)nki_rand_below(rand, RING);
    if (!atomic_compare_exchange_strong(&ring->slots[at], &none, slot)) {
        nki_slab_free(slot);
    }
}

static void random_use(struct nki_slab *slab, struct ring *ring, uint64_t seed)
{
    enum { HELD = 300 };
    struct held held[HELD] = {{0}};
    struct nki_rand rand;
    nki_rand_seed(&rand, seed);
    for (int round = 0; round < ROUNDS; round++) {
        struct held *at = &held[nki_rand_below(&rand, HELD)];
        if (at->slot != NULL) {
            for (size_t i = 0; i < at->size; i += 97) {
                assert_int_equal(at->slot[i], at->fill);
            }
            give_away(ring, &rand, at->slot);
            at->slot = NULL;
        } else {
            uint32_t slot_bytes;
            at->size = 100 + (size_t)nki_rand_below(&rand, nki_rand_below(&rand, 20) == 0 ? 16000 : 300);
            at->fill = (uint8_t)round;
            at->slot = nki_slab_alloc(slab, at->size, &slot_bytes);
            assert_non_null(at->slot);
            memset(at->slot, at->fill, at->size);
        }
        if (round % 5000 == 0) {
            nki_slab_trim(slab);
        }
    }
    for (size_t i = 0; i < HELD; i++) {
        if (held[i].slot != NULL) {
            give_away(ring, &rand, held[i].slot);
        }
    }
}

/* The slab is trimmed at the end, or abandoned while the other thread still frees. */
static void test_frees_from_another_thread(void **state)
{
    (void)state;
    for (int abandon = 0; abandon < 2; abandon++) {
        struct nki_slab slab;
        static struct ring ring;
        pthread_t thread;
        nki_slab_init(&slab);
        atomic_store(&ring.end, false);
        assert_int_equal(pthread_create(&thread, NULL, run_free, &ring), 0);
        random_use(&slab, &ring, 9 + (uint64_t)abandon);
        if (abandon) {
            nki_slab_abandon(&slab);
        }
        atomic_store(&ring.end, true);
        pthread_join(thread, NULL);
        if (!abandon) {
            nki_slab_trim(&slab);
            check_nothing_held();
            nki_slab_abandon(&slab);
        }
        check_nothing_held();
    }
}

struct share {
    void *slots[40];
    pthread_barrier_t *barrier;
};

static void *run_share(void *arg)
{
    struct share *share = arg;
    pthread_barrier_wait(share->barrier);
    for (size_t i = 0; i < NKI_ARRAY_LEN(share->slots); i++) {
        nki_slab_free(share->slots[i]);
    }
    return NULL;
}

/* The last slots are freed by several threads in the very moment in which the owner leaves. */
static void test_the_owner_leaves_while_others_free(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        struct nki_slab slab;
        struct share shares[3];
        pthread_t threads[3];
        pthread_barrier_t barrier;
        uint32_t slot_bytes;
        nki_slab_init(&slab);
        pthread_barrier_init(&barrier, NULL, 4);
        for (size_t i = 0; i < NKI_ARRAY_LEN(shares[0].slots); i++) {
            for (size_t k = 0; k < 3; k++) {
                shares[k].slots[i] = nki_slab_alloc(&slab, 1000, &slot_bytes);
            }
        }
        for (size_t k = 0; k < 3; k++) {
            shares[k].barrier = &barrier;
            assert_int_equal(pthread_create(&threads[k], NULL, run_share, &shares[k]), 0);
        }
        pthread_barrier_wait(&barrier);
        nki_slab_abandon(&slab);
        for (size_t k = 0; k < 3; k++) {
            pthread_join(threads[k], NULL);
        }
        pthread_barrier_destroy(&barrier);
        check_nothing_held();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_every_size, begin),
        cmocka_unit_test_setup(test_slots_do_not_overlap, begin),
        cmocka_unit_test_setup(test_memory_is_reused, begin),
        cmocka_unit_test_setup(test_a_kept_slot_pins_one_block, begin),
        cmocka_unit_test_setup(test_without_memory, begin),
        cmocka_unit_test_setup(test_frees_from_another_thread, begin),
        cmocka_unit_test_setup(test_the_owner_leaves_while_others_free, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
