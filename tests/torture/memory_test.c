/* Every scenario with the n-th allocation failing, and with all from the n-th on, for each n. */
#include "runner.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
/* cmocka.h needs headers above it */
#include <cmocka.h>

static void sweep_all(bool all_after)
{
    const struct tt_plan plan = {.kind = TT_ALLOC, .code = ENOMEM, .all_after = all_after};
    for (size_t i = 0; i < tt_scenario_count; i++) {
        if (tt_chosen(&tt_scenarios[i])) {
            tt_count(&tt_scenarios[i]);
            tt_sweep(&tt_scenarios[i], &plan, TT_MEMORY);
        }
    }
}

static void test_each_allocation_fails_once(void **state)
{
    (void)state;
    sweep_all(false);
    tt_report("one allocation fails");
}

static void test_all_allocations_fail_from_one_on(void **state)
{
    (void)state;
    sweep_all(true);
    tt_report("all allocations fail from one on");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_allocation_fails_once),
        cmocka_unit_test(test_all_allocations_fail_from_one_on),
    };
    return cmocka_run_group_tests(tests, tt_begin, tt_end);
}
