/* Deadlines: bounds, rounding, saturation. */
#include "base/clock.h"

#include "cmocka_all.h"

#include <limits.h>
#include <time.h>

static void test_clocks_run(void **state)
{
    (void)state;
    int64_t first = nki_clock_now_ns();
    int64_t second = nki_clock_now_ns();
    assert_true(first > 0 && second >= first);
    struct timespec wall;
    assert_int_equal(clock_gettime(CLOCK_REALTIME, &wall), 0);
    int64_t off = nki_clock_wall_ns() / 1000000000 - (int64_t)wall.tv_sec;
    assert_true(off >= 0 && off < 60);
}

static void test_deadlines(void **state)
{
    (void)state;
    static const struct {
        int64_t now_ns, timeout_ms, deadline_ns;
    } rows[] = {
        {5, 0, 5},
        {5, 1, 1000005},
        {0, 86400000, INT64_C(86400000000000)},
        {5, -1, NKI_NEVER},
        {5, INT64_MAX, NKI_NEVER},
        {5, INT64_MAX / 1000000 + 1, NKI_NEVER},
        {INT64_MAX - 1000000, 1, NKI_NEVER},
        {INT64_MAX - 1000001, 1, INT64_MAX - 1},
        {INT64_MAX - 999999, 1, NKI_NEVER},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        int64_t got = nki_deadline_ns(rows[i].now_ns, rows[i].timeout_ms);
        assert_true(got == rows[i].deadline_ns);
    }
}

static void test_poll_timeouts(void **state)
{
    (void)state;
    static const struct {
        int64_t now_ns, deadline_ns;
        int ms;
    } rows[] = {
        {10, NKI_NEVER, -1},
        {10, 10, 0},
        {10, 9, 0},
        {10, INT64_MIN, 0},
        {10, 11, 1},
        {10, 1000010, 1},
        {10, 1000011, 2},
        {0, INT64_C(1000000) * INT_MAX, INT_MAX},
        {0, INT64_C(1000000) * INT_MAX + 1, INT_MAX},
        {0, NKI_NEVER - 1, INT_MAX},
        {-10, NKI_NEVER - 1, INT_MAX},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        assert_int_equal(nki_deadline_poll_ms(rows[i].now_ns, rows[i].deadline_ns), rows[i].ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clocks_run),
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_poll_timeouts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
