/* A life of a connection in which the n-th allocation fails, for each n; and one in which all after the n-th
 * fail until the end. Nothing may crash, leak or lie; once there is memory again the connection works, or it
 * said that it has ended. */
#include "sim.h"

#include "base/alloc.h"

#include <setjmp.h>
#include <stdatomic.h>

#include <cmocka.h>

#if defined(__SANITIZE_THREAD__)
#define SEEDS 1 /* slow, and there is one thread */
#else
#define SEEDS 12
#endif

static _Atomic long left;
static bool all_after;

static bool gate(size_t size)
{
    (void)size;
    long now = atomic_fetch_sub(&left, 1);
    return now > 1 || (now < 1 && !all_after);
}

static long sweep(uint64_t seed, int steps, bool after)
{
    long nth = 0;
    do {
        nth++;
        all_after = after;
        atomic_store(&left, nth);
        nki_alloc_gate_set(gate);
        struct sim_options options = {
            .seed = seed, .steps = steps, .lenient = true, .faultless = seed % 2 == 0, .nth = nth};
        sim_run(&options);
        nki_alloc_gate_set(NULL);
    } while (atomic_load(&left) <= 0);
    return nth - 1;
}

static void test_each_allocation_fails_once(void **state)
{
    (void)state;
    long points = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        points += sweep(seed, 500, false);
    }
    assert_true(points > 20 * SEEDS); /* or nothing was tried */
}

static void test_all_allocations_fail_from_one_on(void **state)
{
    (void)state;
    long points = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        points += sweep(seed, 500, true);
    }
    assert_true(points > 20 * SEEDS); /* or nothing was tried */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_allocation_fails_once),
        cmocka_unit_test(test_all_allocations_fail_from_one_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
