/* The scenarios without faults, and that they call every public function. */
#include "faults.h"
#include "registry.h"
#include "runner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka.h needs headers above it */
#include <cmocka.h>

static void test_each_scenario_goes_well(void **state)
{
    (void)state;
    for (size_t i = 0; i < tt_scenario_count; i++) {
        for (int again = 0; again < 3 && tt_chosen(&tt_scenarios[i]); again++) {
            tt_count(&tt_scenarios[i]);
        }
    }
    tt_report("without faults");
}

static void test_each_public_function_is_called(void **state)
{
    (void)state;
    char line[256];
    char name[128];
    int seen = 0;
    int missed = 0;
    FILE *list = fopen(NKI_SYMBOLS, "r");
    assert_non_null(list);
    while (fgets(line, sizeof line, list) != NULL) {
        if (sscanf(line, "%127s", name) != 1 || name[0] == '#') {
            continue;
        }
        seen++;
        if (!tt_was_called(name)) {
            print_error("%s is called by no scenario\n", name);
            missed++;
        }
    }
    (void)fclose(list);
    assert_true(seen > 50);
    assert_int_equal(missed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_scenario_goes_well),
        cmocka_unit_test(test_each_public_function_is_called),
    };
    tt_faults_begin();
    return cmocka_run_group_tests(tests, tt_begin, tt_end);
}
