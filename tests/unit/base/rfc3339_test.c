/* Times against a table: fractions, zones, the form of old servers, leap years, bounds, and what is no time.
 * One thread. */
#include "base/rfc3339.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define S INT64_C(1000000000)

static bool read_exactly(const char *text, int64_t *ns)
{
    size_t len = strlen(text);
    char *copy = malloc(len > 0 ? len : 1); /* of just this size: a read past its end is seen */
    assert_non_null(copy);
    memcpy(copy, text, len);
    bool ok = nki_rfc3339_read(nki_str_make(copy, len), ns);
    free(copy);
    return ok;
}

static const struct good_row {
    const char *text;
    int64_t ns;
} good_rows[] = {
    {"1970-01-01T00:00:00Z", 0},
    {"2024-02-03T04:05:06Z", 1706933106 * S},
    {"2024-02-03t04:05:06z", 1706933106 * S},
    {"2024-02-03 04:05:06Z", 1706933106 * S},
    /* fractions */
    {"1970-01-01T00:00:00.5Z", 500000000},
    {"1970-01-01T00:00:00.25Z", 250000000},
    {"1970-01-01T00:00:00.000Z", 0},
    {"1970-01-01T00:00:00.125Z", 125000000},
    {"1970-01-01T00:00:00.0001Z", 100000},
    {"1970-01-01T00:00:00.00001Z", 10000},
    {"1970-01-01T00:00:00.000001Z", 1000},
    {"1970-01-01T00:00:00.0000001Z", 100},
    {"1970-01-01T00:00:00.00000001Z", 10},
    {"1970-01-01T00:00:00.123456789Z", 123456789},
    {"1970-01-01T00:00:00.1234567899Z", 123456789}, /* nothing is rounded up */
    {"1970-01-01T00:00:00.99999999999999999999999999Z", 999999999},
    {"1969-12-31T23:59:59.999999999Z", -1},
    {"1969-12-31T23:59:59.5Z", -500000000},
    /* zones */
    {"2024-02-03T05:05:06+01:00", 1706933106 * S},
    {"2024-02-02T22:35:06.5-05:30", 1706933106 * S + 500000000},
    {"2024-02-03T04:05:06+00:00", 1706933106 * S},
    {"2024-02-03T04:05:06-00:00", 1706933106 * S},
    {"2024-02-04T04:04:06+23:59", 1706933106 * S},
    {"1970-01-01T00:00:00+00:01", -60 * S},
    /* as servers before 2.11 write it */
    {"2024-02-03 04:05:06.999 +0000 UTC", 1706933106 * S + 999000000},
    {"2024-02-03 04:05:06 +0000 UTC", 1706933106 * S},
    {"2024-02-03 04:05:06.123456789 +0000 UTC", 1706933106 * S + 123456789},
    /* leap years and seconds */
    {"2000-02-29T00:00:00Z", 951782400 * S},
    {"2024-02-29T23:59:59Z", 1709251199 * S},
    {"1900-03-01T00:00:00Z", -2203891200 * S},
    {"2016-12-31T23:59:60Z", 1483228800 * S},
    /* none, and the bounds */
    {"0001-01-01T00:00:00Z", 0},
    {"0001-01-01 00:00:00 +0000 UTC", 0},
    {"2262-04-11T23:47:15.999999999Z", 9223372035 * S + 999999999},
    {"2262-04-11T23:47:16Z", 9223372036 * S},
    {"2262-04-11T23:47:16.854775807Z", INT64_MAX},
    {"2262-04-12T00:47:16.854775807+01:00", INT64_MAX},
    {"1677-09-21T00:12:45Z", -9223372035 * S},
    {"1677-09-21T00:12:44Z", -9223372036 * S},
    {"1677-09-21T00:12:43.145224193Z", INT64_MIN + 1},
    {"1677-09-21T00:12:43.145224192Z", INT64_MIN},
};

static void test_times(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(good_rows); i++) {
        const struct good_row *row = &good_rows[i];
        int64_t ns = 77;
        if (!read_exactly(row->text, &ns) || ns != row->ns) {
            fail_msg("%s: %lld", row->text, (long long)ns);
        }
    }
}

static const char *const bad_rows[] = {
    "",
    "Z",
    "2024",
    "2024-02-03",
    "2024-02-03T",
    "2024-02-03T04:05:06", /* no zone */
    "2024-02-03T04:05Z",
    "2024-02-03T04:05:06.Z", /* a point and no digit */
    "2024-02-03T04:05:06,5Z",
    "2024-02-03T04:05:06.5",
    "2024-02-03T04:05:06.5.5Z",
    "2024-02-03T04:05:06Zx",
    "2024-02-03T04:05:06Z ",
    " 2024-02-03T04:05:06Z",
    "2024-02-03T04:05:06ZZ",
    "2024-00-03T04:05:06Z", /* parts out of their bounds */
    "2024-13-03T04:05:06Z",
    "2024-02-00T04:05:06Z",
    "2024-02-30T04:05:06Z",
    "2023-02-29T04:05:06Z",
    "1900-02-29T00:00:00Z",
    "2100-02-29T00:00:00Z",
    "2024-04-31T00:00:00Z",
    "2024-06-31T00:00:00Z",
    "2024-01-32T00:00:00Z",
    "2024-02-03T24:00:00Z",
    "2024-02-03T04:60:06Z",
    "2024-02-03T04:05:61Z",
    "24-02-03T04:05:06Z", /* parts of another length */
    "02024-02-03T04:05:06Z",
    "2024-2-03T04:05:06Z",
    "2024-02-3T04:05:06Z",
    "2024-02-03T4:05:06Z",
    "2024-02-03T04:05:6Z",
    "2024-02-03T04:05:006Z",
    "-024-02-03T04:05:06Z",
    "+2024-02-03T04:05:06Z",
    "2024/02/03T04:05:06Z",
    "2024-02-03T04.05.06Z",
    "2024-02-03_04:05:06Z",
    "2024-02-03T04:05:06+24:00", /* zones */
    "2024-02-03T04:05:06+00:60",
    "2024-02-03T04:05:06+0100",
    "2024-02-03T04:05:06+1:00",
    "2024-02-03T04:05:06+01",
    "2024-02-03T04:05:06+",
    "2024-02-03T04:05:06 UTC",
    "2024-02-03 04:05:06 +0000 UTCX",
    "2024-02-03 04:05:06 +0000 UT",
    "2024-02-03 04:05:06  +0000 UTC",
    "2262-04-11T23:47:16.854775808Z", /* one nanosecond too late, too early */
    "2262-04-11T23:47:17Z",
    "1677-09-21T00:12:43.145224191Z",
    "1677-09-21T00:12:43Z",
    "1677-09-21T00:12:42.999999999Z",
    "0000-01-01T00:00:00Z",
    "0002-01-01T00:00:00Z",
    "1677-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "soon",
    "1706933106",
    "\xff\xff\xff\xff-02-03T04:05:06Z",
};

static void test_others(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(bad_rows); i++) {
        int64_t ns;
        if (read_exactly(bad_rows[i], &ns)) {
            fail_msg("\"%s\" is read as %lld", bad_rows[i], (long long)ns);
        }
    }
}

static void test_nul(void **state)
{
    (void)state;
    int64_t ns;
    char text[] = "2024-02-03T04:05:06Z";
    for (size_t i = 0; i + 1 < sizeof text; i++) { /* a NUL is no part of any of them */
        char kept = text[i];
        text[i] = '\0';
        assert_false(nki_rfc3339_read(nki_str_make(text, sizeof text - 1), &ns));
        text[i] = kept;
    }
    for (size_t len = 0; len + 1 < sizeof text; len++) {
        assert_false(nki_rfc3339_read(nki_str_make(text, len), &ns));
    }
    assert_true(nki_rfc3339_read(nki_str_make(text, sizeof text - 1), &ns));
}

/* Every day of the whole range, against the system's calendar. */
static void test_days(void **state)
{
    (void)state;
    for (int64_t day = -106751; day <= 106750; day++) {
        time_t seconds = (time_t)(day * 86400 + 3661);
        struct tm parts;
        char text[64];
        int64_t ns;
        assert_non_null(gmtime_r(&seconds, &parts));
        assert_true(strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts) > 0);
        if (!nki_rfc3339_read(nki_str_z(text), &ns) || ns != (int64_t)seconds * S) {
            fail_msg("%s: %lld", text, (long long)ns);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_days),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
