/* Text helpers: tables of good and bad inputs; UTF-8 against an independent checker. */
#include "base/str.h"

#include "cmocka_all.h"
#include "support/text.h"

static void test_comparing(void **state)
{
    (void)state;
    assert_true(nki_str_eq(NKI_STR("abc"), nki_str_z("abc")));
    assert_false(nki_str_eq(NKI_STR("abc"), NKI_STR("abC")));
    assert_false(nki_str_eq(NKI_STR("abc"), NKI_STR("ab")));
    assert_true(nki_str_eq(nki_str_make(NULL, 0), NKI_STR("")));
    assert_true(nki_str_eq_nocase(NKI_STR("NATS/1.0"), NKI_STR("nats/1.0")));
    assert_false(nki_str_eq_nocase(NKI_STR("@[`{"), NKI_STR("`{@["))); /* 0x20 apart, but no letters */
    assert_false(nki_str_eq_nocase(NKI_STR("ab"), NKI_STR("abc")));
    assert_false(nki_str_eq_nocase(NKI_STR("\xc3\xa4"), NKI_STR("\xc3\x84"))); /* ASCII only */
    assert_true(nki_str_starts(NKI_STR("nats://x"), NKI_STR("nats://")));
    assert_true(nki_str_starts(NKI_STR("x"), NKI_STR("")));
    assert_false(nki_str_starts(NKI_STR("nats:/"), NKI_STR("nats://")));
}

static void test_trim(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"", ""},           {" ", ""},          {" \t \t", ""}, {"a", "a"},
                                          {"  a b\t", "a b"}, {"\na\r", "\na\r"}, {"a ", "a"}};
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        assert_true(nki_str_eq(nki_str_trim(nki_str_z(rows[i][0])), nki_str_z(rows[i][1])));
    }
}

static void test_cut(void **state)
{
    (void)state;
    static const char *const pieces[] = {"a", "", "bc", ""};
    struct nki_str rest = NKI_STR("a,,bc,");
    for (size_t i = 0; i < NKI_ARRAY_LEN(pieces); i++) {
        assert_non_null(rest.ptr); /* NULL only after the last piece, so that an empty one is not lost */
        assert_true(nki_str_eq(nki_str_cut(&rest, ','), nki_str_z(pieces[i])));
    }
    assert_null(rest.ptr);
    assert_int_equal(rest.len, 0);
    assert_int_equal(nki_str_cut(&rest, ',').len, 0);
}

static void test_unsigned_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = {{"0", 0},
                {"7", 7},
                {"10", 10},
                {"9007199254740993", UINT64_C(9007199254740993)},
                {"18446744073709551615", UINT64_MAX}};
    static const char *const bad[] = {"",
                                      "00",
                                      "01",
                                      "+1",
                                      "-1",
                                      "-0",
                                      " 1",
                                      "1 ",
                                      "1.0",
                                      "1e3",
                                      "0x1",
                                      "1_000",
                                      "a",
                                      "18446744073709551616",
                                      "99999999999999999999",
                                      "184467440737095516150",
                                      "1\n",
                                      "\xd9\xa1",
                                      "-"};
    uint64_t value;
    for (size_t i = 0; i < NKI_ARRAY_LEN(good); i++) {
        assert_true(nki_str_u64(nki_str_z(good[i].text), &value));
        assert_true(value == good[i].value);
    }
    for (size_t i = 0; i < NKI_ARRAY_LEN(bad); i++) {
        value = 4711;
        assert_false(nki_str_u64(nki_str_z(bad[i]), &value));
        assert_true(value == 4711);
    }
    assert_false(nki_str_u64(nki_str_make("1\0", 2), &value));
}

static void test_signed_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0},
                {"-0", 0},
                {"-1", -1},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775807", -INT64_MAX},
                {"-9223372036854775808", INT64_MIN}};
    static const char *const bad[] = {"",
                                      "-",
                                      "--1",
                                      "- 1",
                                      "-01",
                                      "+1",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "18446744073709551615",
                                      "1-"};
    int64_t value;
    for (size_t i = 0; i < NKI_ARRAY_LEN(good); i++) {
        assert_true(nki_str_i64(nki_str_z(good[i].text), &value));
        assert_true(value == good[i].value);
    }
    for (size_t i = 0; i < NKI_ARRAY_LEN(bad); i++) {
        value = 4711;
        assert_false(nki_str_i64(nki_str_z(bad[i]), &value));
        assert_true(value == 4711);
    }
}

static void test_utf8_table(void **state)
{
    (void)state;
    static const struct {
        struct nki_str text;
        size_t len; /* of the first sequence; 0: invalid */
    } rows[] = {
        {{"a", 1}, 1},
        {{"\0", 1}, 1},
        {{"\x7f", 1}, 1},
        {{"\x80", 1}, 0},
        {{"\xc1\xbf", 2}, 0},
        {{"\xc2\x80", 2}, 2},
        {{"\xc2", 1}, 0},
        {{"\xdf\xbf", 2}, 2},
        {{"\xe0\x9f\xbf", 3}, 0},
        {{"\xe0\xa0\x80", 3}, 3},
        {{"\xed\x9f\xbf", 3}, 3},
        {{"\xed\xa0\x80", 3}, 0},
        {{"\xee\x80\x80", 3}, 3},
        {{"\xef\xbf\xbf", 3}, 3},
        {{"\xe2\x82", 2}, 0},
        {{"\xf0\x8f\xbf\xbf", 4}, 0},
        {{"\xf0\x90\x80\x80", 4}, 4},
        {{"\xf4\x8f\xbf\xbf", 4}, 4},
        {{"\xf4\x90\x80\x80", 4}, 0},
        {{"\xf5\x80\x80\x80", 4}, 0},
        {{"\xf0\x9f\x98", 3}, 0},
        {{"\xff", 1}, 0},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        assert_int_equal(nki_str_utf8_len(rows[i].text), rows[i].len);
        assert_int_equal(nki_str_utf8_valid(rows[i].text), rows[i].len > 0);
    }
    assert_true(nki_str_utf8_valid(nki_str_make(NULL, 0)));
    assert_int_equal(nki_str_utf8_len(nki_str_make(NULL, 0)), 0);
}

static void test_utf8_against_another_checker(void **state)
{
    (void)state;
    static const unsigned char tails[] = {0x00, 0x7F, 0x80, 0xBF, 0xC0, 0xFF};
    unsigned char text[4];
    for (unsigned head = 0; head < 65536; head++) {
        text[0] = (unsigned char)(head >> 8);
        text[1] = (unsigned char)head;
        for (size_t tail = 0; tail < 36; tail++) {
            text[2] = tails[tail / 6];
            text[3] = tails[tail % 6];
            const char *chars = (const char *)text;
            if (nki_str_utf8_valid(nki_str_make(chars, 4)) != ts_utf8_valid(chars, 4)) {
                fail_msg("%02x %02x %02x %02x", text[0], text[1], text[2], text[3]);
            }
        }
    }
}

static void test_utf8_beside_the_fast_path(void **state)
{
    (void)state;
    /* A broken or a good sequence at every place around the eight byte steps. */
    for (size_t len = 0; len < 40; len++) {
        for (size_t at = 0; at + 2 <= len; at++) {
            char text[40];
            memset(text, 'x', sizeof text);
            memcpy(text + at, "\xc3\xa4", 2);
            assert_true(nki_str_utf8_valid(nki_str_make(text, len)));
            text[at + 1] = 'x';
            assert_false(nki_str_utf8_valid(nki_str_make(text, len)));
        }
    }
}

static void test_copy(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t cap;
        const char *copy;
    } rows[] = {
        {"", 1, ""},
        {"abc", 4, "abc"},
        {"abc", 3, "ab"},
        {"abc", 1, ""},
        {"a\xc3\xa4", 4, "a\xc3\xa4"},
        {"a\xc3\xa4", 3, "a"},
        {"a\xe2\x82\xac", 4, "a"},
        {"a\xe2\x82\xac", 3, "a"},
        {"\xf0\x9f\x98\x80z", 5, "\xf0\x9f\x98\x80"},
        {"\xf0\x9f\x98\x80z", 4, ""},
        {"\x80\x80\x80\x80\x80\x80", 5, "\x80\x80\x80\x80"}, /* no UTF-8: cut where it is full */
        {"\x80\x80\x80", 2, "\x80"},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        char out[8];
        memset(out, '#', sizeof out);
        nki_str_copy(out, rows[i].cap, nki_str_z(rows[i].text));
        assert_string_equal(out, rows[i].copy);
        for (size_t j = rows[i].cap; j < sizeof out; j++) {
            assert_int_equal(out[j], '#');
        }
    }
}

static void test_distance(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        size_t limit, distance;
    } rows[] = {
        {"", "", 3, 0},
        {"abc", "abc", 3, 0},
        {"", "abc", 3, 3},
        {"", "abcd", 3, 4},
        {"", "abcdefgh", 3, 4},
        {"kitten", "sitting", 3, 3},
        {"ping_intervall_ms", "ping_interval_ms", 3, 1},
        {"pnig", "ping", 3, 2},
        {"user", "password", 3, 4},
        {"abc", "xyz", 0, 1},
    };
    char longer[66];
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_str a = nki_str_z(rows[i].a);
        struct nki_str b = nki_str_z(rows[i].b);
        assert_int_equal(nki_str_distance(a, b, rows[i].limit), rows[i].distance);
        assert_int_equal(nki_str_distance(b, a, rows[i].limit), rows[i].distance);
    }
    memset(longer, 'a', sizeof longer);
    assert_int_equal(nki_str_distance(nki_str_make(longer, 64), nki_str_make(longer, 63), 3), 1);
    assert_int_equal(nki_str_distance(nki_str_make(longer, 66), nki_str_make(longer, 66), 3), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comparing),
        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_unsigned_numbers),
        cmocka_unit_test(test_signed_numbers),
        cmocka_unit_test(test_utf8_table),
        cmocka_unit_test(test_utf8_against_another_checker),
        cmocka_unit_test(test_utf8_beside_the_fast_path),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_distance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
