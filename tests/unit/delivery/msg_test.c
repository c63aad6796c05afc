/* Messages: their parts, references, where their memory is. */
#include "delivery/msg.h"

#include "../base/cmocka_all.h"
#include "../base/refuse.h"

#include <pthread.h>

static bool is(struct nki_str text, const char *wanted)
{
    return nki_str_eq(text, nki_str_z(wanted));
}

static void test_parts(void **state)
{
    (void)state;
    static const char *const replies[] = {"", "re.ply"};
    static const char *const headers[] = {"", "NATS/1.0\r\nA: b\r\n\r\n"};
    static const char *const bodies[] = {"", "body"};
    struct nki_slab slab;
    nki_slab_init(&slab);
    uint64_t count = nki_msg_count();
    for (int i = 0; i < 16; i++) {
        const char *reply = replies[i & 1];
        const char *header = headers[i >> 1 & 1];
        const char *body = bodies[i >> 2 & 1];
        uint32_t header_len = (uint32_t)strlen(header);
        uint32_t len = header_len + (uint32_t)strlen(body);
        struct nki_msg *msg =
            nki_msg_new(i < 8 ? &slab : NULL, NKI_STR("sub.ject"), nki_str_z(reply), header_len, len);
        assert_non_null(msg);
        nki_msg_count_made(&slab);
        assert_int_equal(nki_msg_count(), count + 1);
        assert_int_equal(msg->kind, NKI_MSG_MESSAGE);
        assert_int_equal(msg->in_slab, i < 8);
        assert_true(msg->slot_bytes >= sizeof *msg + 8 + strlen(reply) + len);
        memcpy(nki_msg_body(msg), header, header_len);
        memcpy(nki_msg_body(msg) + header_len, body, len - header_len);
        assert_true(is(nki_msg_subject(msg), "sub.ject"));
        assert_true(is(nki_msg_reply(msg), reply));
        assert_true(is(nki_msg_header_block(msg), header));
        assert_true(is(nki_msg_data(msg), body));
        nki_msg_release(msg);
        assert_int_equal(nki_msg_count(), count);
    }
    nki_slab_abandon(&slab);
}

/* The place of the last look-up is kept: in any order, and past the end, the same comes out. */
static void test_headers_in_any_order(void **state)
{
    (void)state;
    static const char block[] = "NATS/1.0\r\nA: 0\r\nB: 1\r\nA: 2\r\nC: 3\r\n\r\n";
    static const size_t order[] = {0, 1, 2, 3, 4, 4, 0, 3, 1, 9, 2, 2, 0, 1, 4, 3};
    uint32_t len = sizeof block - 1;
    struct nki_msg *msg = nki_msg_new(NULL, NKI_STR("s"), NKI_STR(""), len, len);
    struct nki_str name;
    struct nki_str value;
    memcpy(nki_msg_body(msg), block, len);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        assert_int_equal(nki_msg_header_at(msg, order[i], &name, &value), order[i] < 4);
        if (order[i] < 4) {
            assert_int_equal(*value.ptr, '0' + (int)order[i]);
        }
    }
    nki_msg_release(msg);
    msg = nki_msg_new(NULL, NKI_STR("s"), NKI_STR(""), 0, 0);
    assert_false(nki_msg_header_at(msg, 0, &name, &value));
    nki_msg_release(msg);
}

/* A million headers are walked at once: with a look-up from the begin each time it would take hours. */
static void test_many_headers_take_linear_time(void **state)
{
    (void)state;
    static const char begin[] = "NATS/1.0\r\n";
    const uint32_t count = 1000000;
    uint32_t len = (uint32_t)sizeof begin - 1 + count * 4 + 2;
    struct nki_msg *msg = nki_msg_new(NULL, NKI_STR("s"), NKI_STR(""), len, len);
    assert_non_null(msg);
    uint8_t *at = nki_msg_body(msg);
    memcpy(at, begin, sizeof begin - 1);
    for (uint32_t i = 0; i < count; i++) {
        memcpy(at + sizeof begin - 1 + (size_t)i * 4, "A:\r\n", 4);
    }
    memcpy(at + len - 2, "\r\n", 2);
    struct nki_str name;
    struct nki_str value;
    uint32_t found = 0;
    while (nki_msg_header_at(msg, found, &name, &value)) {
        found++;
    }
    assert_int_equal(found, count);
    nki_msg_release(msg);
}

static void test_large_ones_are_on_the_heap(void **state)
{
    (void)state;
    struct nki_slab slab;
    nki_slab_init(&slab);
    uint32_t edge = NKI_SLAB_SLOT_MAX - sizeof(struct nki_msg) - 1;
    for (uint32_t len = edge - 2; len <= edge + 2; len++) {
        struct nki_msg *msg = nki_msg_new(&slab, NKI_STR("s"), NKI_STR(""), 0, len);
        assert_int_equal(msg->in_slab, len <= edge);
        memset(nki_msg_body(msg), 1, len);
        nki_msg_release(msg);
    }
    nki_msg_count_made(&slab);
    nki_slab_abandon(&slab);
}

static void test_references(void **state)
{
    (void)state;
    uint64_t count = nki_msg_count();
    nki_msg_release(NULL);
    nki_msg_release_chain(NULL);
    struct nki_msg *msg = nki_msg_new(NULL, NKI_STR("s"), NKI_STR(""), 0, 1);
    nki_msg_retain(msg);
    nki_msg_retain(msg);
    nki_msg_release(msg);
    nki_msg_release(msg);
    assert_int_equal(nki_msg_count(), count + 1);
    nki_msg_release(msg);
    struct nki_msg *head = NULL;
    for (int i = 0; i < 5; i++) {
        msg = nki_msg_new(NULL, NKI_STR("s"), NKI_STR(""), 0, 1);
        msg->next = head;
        head = msg;
    }
    nki_msg_retain(msg); /* the first of the chain outlives it */
    nki_msg_release_chain(head);
    assert_int_equal(nki_msg_count(), count + 1);
    nki_msg_release(msg);
    assert_int_equal(nki_msg_count(), count);
}

/* From slots of several blocks and the heap, some of which somebody keeps. */
static void test_a_batch_is_released(void **state)
{
    (void)state;
    enum { MANY = 2000 };
    static struct nki_msg *msgs[MANY];
    nki_slab_release_cache();
    uint64_t before = nki_alloc_bytes();
    uint64_t count = nki_msg_count();
    struct nki_slab slab;
    nki_slab_init(&slab);
    for (int round = 0; round < 3; round++) {
        uint64_t kept = 0;
        for (uint32_t i = 0; i < MANY; i++) {
            uint32_t len = i % 100 == 7 ? 20000 : i / 10 % 7 * 60;
            msgs[i] = i % 50 == 3
                          ? NULL
                          : nki_msg_new(i % 30 == 4 ? NULL : &slab, NKI_STR("s"), NKI_STR(""), 0, len);
            if (msgs[i] != NULL && i % 40 == 5) {
                nki_msg_retain(msgs[i]);
                kept++;
            }
        }
        nki_msg_count_made(&slab);
        assert_int_equal(nki_msg_count(), count + MANY - MANY / 50);
        nki_msg_release_batch(msgs, MANY);
        assert_int_equal(nki_msg_count(), count + kept);
        if (round == 2) {
            nki_slab_abandon(&slab); /* the rest outlives it */
        }
        for (uint32_t i = 0; i < MANY; i++) {
            msgs[i] = i % 40 == 5 && i % 50 != 3 ? msgs[i] : NULL;
        }
        nki_msg_release_batch(msgs, MANY);
        assert_int_equal(nki_msg_count(), count);
    }
    nki_msg_release_batch(msgs, 0);
    nki_slab_release_cache();
    assert_int_equal(nki_alloc_bytes(), before);
}

/* Those not counted yet are no negative number when they are freed. */
static void test_freed_before_counted(void **state)
{
    (void)state;
    uint64_t count = nki_msg_count();
    struct nki_slab slab;
    nki_slab_init(&slab);
    for (uint64_t i = 0; i < count + 3; i++) {
        nki_msg_release(nki_msg_new(&slab, NKI_STR("s"), NKI_STR(""), 0, 1));
    }
    assert_int_equal(nki_msg_count(), 0);
    nki_msg_count_made(&slab);
    nki_msg_count_made(&slab);
    assert_int_equal(nki_msg_count(), count);
    nki_slab_abandon(&slab);
}

static void test_a_message_outlives_its_slab(void **state)
{
    (void)state;
    nki_slab_release_cache();
    uint64_t before = nki_alloc_bytes();
    struct nki_slab slab;
    nki_slab_init(&slab);
    struct nki_msg *msg = nki_msg_new(&slab, NKI_STR("s"), NKI_STR("r"), 0, 4);
    memcpy(nki_msg_body(msg), "data", 4);
    nki_msg_count_made(&slab);
    nki_slab_abandon(&slab);
    assert_true(is(nki_msg_data(msg), "data"));
    nki_msg_release(msg);
    nki_slab_release_cache();
    assert_int_equal(nki_alloc_bytes(), before);
}

static void test_without_memory(void **state)
{
    (void)state;
    uint64_t count = nki_msg_count();
    struct nki_slab slab;
    nki_slab_init(&slab);
    nki_slab_release_cache();
    atomic_store(&refuse_left, 1);
    for (int i = 0; i < 3; i++) {
        refuse_begin(1);
        assert_null(i == 2 ? nki_msg_new_event(10)
                           : nki_msg_new(i == 0 ? &slab : NULL, NKI_STR("s"), NKI_STR(""), 0, 1));
        refuse_end();
    }
    assert_int_equal(nki_msg_count(), count);
    nki_slab_abandon(&slab);
}

static int let_go_count;

static void note_let_go(struct nki_msg_tail *tail)
{
    assert_ptr_equal(tail->owner, &let_go_count);
    let_go_count++;
}

/* A tail stands behind the payload, wherever that ends, and is told once when nobody refers to it any more;
 * one that was not filled in is not. */
static void test_tails(void **state)
{
    (void)state;
    static const char text[] = "0123456789abcdef0123456789abcdef";
    struct nki_slab slab;
    nki_slab_init(&slab);
    for (uint32_t len = 0; len < sizeof text; len++) {
        struct nki_msg *msg =
            nki_msg_new_tailed(len % 2 == 0 ? &slab : NULL, NKI_STR("s"), NKI_STR("r"), 0, len);
        assert_non_null(msg);
        memcpy(nki_msg_body(msg), text, len);
        let_go_count = 0;
        if (len % 3 != 0) {
            *nki_msg_tail(msg) = (struct nki_msg_tail){.let_go = note_let_go, .owner = &let_go_count};
            msg->kind = NKI_MSG_SERVICE;
        }
        assert_int_equal(nki_msg_data(msg).len, len);
        assert_memory_equal(nki_msg_data(msg).ptr, text, len);
        assert_int_equal((uintptr_t)nki_msg_tail(msg) % _Alignof(struct nki_msg_tail), 0);
        nki_msg_retain(msg);
        nki_msg_release(msg);
        assert_int_equal(let_go_count, 0);
        struct nki_msg *batch[] = {msg};
        nki_msg_release_batch(batch, 1);
        assert_int_equal(let_go_count, len % 3 != 0);
    }
    nki_slab_abandon(&slab);
}

static void *run_references(void *arg)
{
    struct nki_msg *msg = arg;
    for (int i = 0; i < 20000; i++) {
        nki_msg_retain(msg);
        assert(nki_msg_data(msg).len == 1);
        nki_msg_release(msg);
    }
    nki_msg_release(msg);
    return NULL;
}

static void test_references_of_many_threads(void **state)
{
    (void)state;
    uint64_t count = nki_msg_count();
    struct nki_slab slab;
    pthread_t threads[4];
    nki_slab_init(&slab);
    struct nki_msg *msg = nki_msg_new(&slab, NKI_STR("s"), NKI_STR(""), 0, 1);
    nki_msg_count_made(&slab);
    for (size_t i = 0; i < 4; i++) {
        nki_msg_retain(msg);
        assert_int_equal(pthread_create(&threads[i], NULL, run_references, msg), 0);
    }
    nki_msg_release(msg);
    nki_slab_abandon(&slab);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(nki_msg_count(), count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers_in_any_order),
        cmocka_unit_test(test_many_headers_take_linear_time),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_large_ones_are_on_the_heap),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_a_batch_is_released),
        cmocka_unit_test(test_freed_before_counted),
        cmocka_unit_test(test_a_message_outlives_its_slab),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_tails),
        cmocka_unit_test(test_references_of_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
