/* Sleeping on an object: what it takes is made when the first one does, and nobody fails without it. */
#include "delivery/waitable.h"

#include "../base/cmocka_all.h"
#include "../base/refuse.h"
#include "base/clock.h"

#include <sched.h>

struct bed {
    struct nki_waitable waitable;
    bool ready;
    atomic_int woken;
};

static void *sleep_on(void *arg)
{
    struct bed *bed = arg;
    pthread_mutex_lock(&bed->waitable.mu);
    while (!bed->ready) {
        nki_waitable_sleep(&bed->waitable, NKI_NEVER);
    }
    pthread_mutex_unlock(&bed->waitable.mu);
    atomic_fetch_add(&bed->woken, 1);
    return NULL;
}

static void wake(struct bed *bed, bool all)
{
    pthread_mutex_lock(&bed->waitable.mu);
    bed->ready = true;
    nki_waitable_signal(&bed->waitable, all);
    pthread_mutex_unlock(&bed->waitable.mu);
}

static void wait_for_sleepers(struct bed *bed, uint32_t count)
{
    for (bool there = false; !there; sched_yield()) {
        pthread_mutex_lock(&bed->waitable.mu);
        there = bed->waitable.waiters == count;
        pthread_mutex_unlock(&bed->waitable.mu);
    }
}

static void test_sleepers_are_woken(void **state)
{
    enum { SLEEPERS = 3 };
    (void)state;
    uint64_t before = nki_alloc_bytes();
    struct bed bed = {.ready = false};
    pthread_t threads[SLEEPERS];
    assert_int_equal(nki_waitable_init(&bed.waitable), 0);
    assert_int_equal(nki_alloc_bytes(), before); /* nobody has slept */
    nki_waitable_signal(&bed.waitable, true);
    for (size_t i = 0; i < SLEEPERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, sleep_on, &bed), 0);
    }
    wait_for_sleepers(&bed, SLEEPERS);
    assert_true(nki_alloc_bytes() > before);
    wake(&bed, true);
    for (size_t i = 0; i < SLEEPERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&bed.woken), SLEEPERS);
    nki_waitable_destroy(&bed.waitable);
    assert_int_equal(nki_alloc_bytes(), before);
}

static void test_the_deadline_passes(void **state)
{
    (void)state;
    struct nki_waitable waitable;
    assert_int_equal(nki_waitable_init(&waitable), 0);
    pthread_mutex_lock(&waitable.mu);
    int64_t deadline_ns = nki_clock_now_ns() + 5 * NKI_NS_PER_MS;
    while (nki_clock_now_ns() < deadline_ns) {
        nki_waitable_sleep(&waitable, deadline_ns);
    }
    assert_int_equal(waitable.waiters, 0);
    pthread_mutex_unlock(&waitable.mu);
    nki_waitable_destroy(&waitable);
}

/* Without memory for it who sleeps looks again from time to time. */
static void test_no_memory(void **state)
{
    (void)state;
    uint64_t before = nki_alloc_bytes();
    struct bed bed = {.ready = false};
    pthread_t thread;
    assert_int_equal(nki_waitable_init(&bed.waitable), 0);
    assert_true(refuse_begin(1));
    assert_int_equal(pthread_create(&thread, NULL, sleep_on, &bed), 0);
    while (!refuse_happened()) {
        sched_yield();
    }
    wake(&bed, false);
    pthread_join(thread, NULL);
    refuse_end();
    assert_int_equal(atomic_load(&bed.woken), 1);
    nki_waitable_destroy(&bed.waitable);
    assert_int_equal(nki_alloc_bytes(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sleepers_are_woken),
        cmocka_unit_test(test_the_deadline_passes),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
