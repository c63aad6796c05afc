/* Every scenario with the n-th allocation failing, and with all from the n-th on, for each n. */
#include "runner.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
/* cmocka.h needs headers above it */
#include <cmocka.h>

static void sweep_all(enum tt_kind kind, bool all_after, enum tt_effect effect)
{
    const struct tt_plan plan = {.kind = kind, .code = ENOMEM, .all_after = all_after};
    for (size_t i = 0; i < tt_scenario_count; i++) {
        if (tt_chosen(&tt_scenarios[i])) {
            tt_count(&tt_scenarios[i]);
            tt_sweep(&tt_scenarios[i], &plan, effect);
        }
    }
}

static void test_each_allocation_fails_once(void **state)
{
    (void)state;
    sweep_all(TT_ALLOC, false, TT_MEMORY);
    tt_report("one allocation fails");
}

static void test_all_allocations_fail_from_one_on(void **state)
{
    (void)state;
    sweep_all(TT_ALLOC, true, TT_MEMORY);
    tt_report("all allocations fail from one on");
}

static void test_each_allocation_of_openssl_fails_once(void **state)
{
    (void)state;
    sweep_all(TT_TLS_ALLOC, false, TT_TLS_MEMORY);
    tt_report("one allocation of OpenSSL fails");
}

static void test_all_allocations_of_openssl_fail_from_one_on(void **state)
{
    (void)state;
    sweep_all(TT_TLS_ALLOC, true, TT_TLS_MEMORY);
    tt_report("all allocations of OpenSSL fail from one on");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_allocation_fails_once),
        cmocka_unit_test(test_all_allocations_fail_from_one_on),
        cmocka_unit_test(test_each_allocation_of_openssl_fails_once),
        cmocka_unit_test(test_all_allocations_of_openssl_fail_from_one_on),
    };
    tt_faults_begin();
    return cmocka_run_group_tests(tests, tt_begin, tt_end);
}
