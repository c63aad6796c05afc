/* Versions and names of services. What configurations are refused: tests/integration/service_test.c. */
#include "service/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four headers above it */
#include <cmocka.h>

/* The examples of semver.org's own expression. */
static void test_versions(void **state)
{
    (void)state;
    static const char *const good[] = {"0.0.4",
                                       "1.2.3",
                                       "10.20.30",
                                       "1.1.2-prerelease+meta",
                                       "1.1.2+meta",
                                       "1.1.2+meta-valid",
                                       "1.0.0-alpha",
                                       "1.0.0-beta",
                                       "1.0.0-alpha.beta",
                                       "1.0.0-alpha.beta.1",
                                       "1.0.0-alpha.1",
                                       "1.0.0-alpha0.valid",
                                       "1.0.0-alpha.0valid",
                                       "1.0.0-alpha-a.b-c-somethinglong+build.1-aef.1-its-okay",
                                       "1.0.0-rc.1+build.1",
                                       "2.0.0-rc.1+build.123",
                                       "1.2.3-beta",
                                       "10.2.3-DEV-SNAPSHOT",
                                       "1.2.3-SNAPSHOT-123",
                                       "1.0.0",
                                       "2.0.0",
                                       "1.1.7",
                                       "2.0.0+build.1848",
                                       "2.0.1-alpha.1227",
                                       "1.0.0-alpha+beta",
                                       "1.2.3----RC-SNAPSHOT.12.9.1--.12+788",
                                       "1.2.3----R-S.12.9.1--.12+meta",
                                       "1.2.3----RC-SNAPSHOT.12.9.1--.12",
                                       "1.0.0+0.build.1-rc.10000aaa-kk-0.1",
                                       "99999999999999999999999.999999999999999999.99999999999999999",
                                       "1.0.0-0A.is.legal"};
    static const char *const bad[] = {"",
                                      "1",
                                      "1.2",
                                      "1.2.3-0123",
                                      "1.2.3-0123.0123",
                                      "1.1.2+.123",
                                      "+invalid",
                                      "-invalid",
                                      "-invalid+invalid",
                                      "-invalid.01",
                                      "alpha",
                                      "alpha.beta",
                                      "alpha.beta.1",
                                      "alpha.1",
                                      "alpha+beta",
                                      "alpha_beta",
                                      "alpha.",
                                      "alpha..",
                                      "beta",
                                      "1.0.0-alpha_beta",
                                      "-alpha.",
                                      "1.0.0-alpha..",
                                      "1.0.0-alpha..1",
                                      "1.0.0-alpha...1",
                                      "01.1.1",
                                      "1.01.1",
                                      "1.1.01",
                                      "1.2.3.DEV",
                                      "1.2-SNAPSHOT",
                                      "1.2.31.2.3----RC-SNAPSHOT.12.09.1--..12+788",
                                      "1.2-RC-SNAPSHOT",
                                      "-1.0.3-gamma+b7718",
                                      "+justmeta",
                                      "9.8.7+meta+meta",
                                      "9.8.7-whatever+meta+meta",
                                      "1.2.3 ",
                                      " 1.2.3",
                                      "1.2.3\n",
                                      "1..3",
                                      "1.2.",
                                      ".1.2",
                                      "1.2.3-",
                                      "1.2.3+",
                                      "a.b.c",
                                      "1.2.x"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (!nki_service_version_ok(nki_str_z(good[i]))) {
            fail_msg("%s is a version", good[i]);
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (nki_service_version_ok(nki_str_z(bad[i]))) {
            fail_msg("%s is no version", bad[i]);
        }
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_true(nki_service_name_ok(NKI_STR("aZ09-_")));
    static const char *const bad[] = {"", "a.b", "a b", "a*", ">", "\xc3\xa4", "a\n", "$SRV"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(nki_service_name_ok(nki_str_z(bad[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_versions), cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
