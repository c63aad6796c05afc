/* Times as they are written: read again they are the same. */
#include "base/rfc3339.h"

#include "cmocka_all.h"

#include <string.h>

static void expect(int64_t ns, const char *text)
{
    char out[NKI_RFC3339_CAP];
    int64_t again = 1;
    nki_rfc3339_write(ns, out);
    assert_string_equal(out, text);
    assert_true(nki_rfc3339_read(nki_str_z(out), &again));
    assert_true(again == ns);
}

static void test_rows(void **state)
{
    (void)state;
    expect(0, "1970-01-01T00:00:00.000000000Z");
    expect(1, "1970-01-01T00:00:00.000000001Z");
    expect(-1, "1969-12-31T23:59:59.999999999Z");
    expect(INT64_C(1709251199999999999), "2024-02-29T23:59:59.999999999Z");
    expect(INT64_C(1709251200000000000), "2024-03-01T00:00:00.000000000Z");
    expect(INT64_C(951782400000000000), "2000-02-29T00:00:00.000000000Z");
    expect(INT64_C(-2208988800000000000), "1900-01-01T00:00:00.000000000Z");
    expect(INT64_C(9223372035000000000), "2262-04-11T23:47:15.000000000Z");
    expect(INT64_C(-9223372035000000000), "1677-09-21T00:12:45.000000000Z");
}

/* Steps that meet every day, at other times of it. */
static void test_range(void **state)
{
    (void)state;
    const int64_t step = INT64_C(86399999999999);
    for (int64_t ns = INT64_C(-9223372035000000000); ns < INT64_C(9223372035000000000) - step; ns += step) {
        char out[NKI_RFC3339_CAP];
        int64_t again = ns + 1;
        nki_rfc3339_write(ns, out);
        assert_true(nki_rfc3339_read(nki_str_z(out), &again));
        assert_true(again == ns);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
