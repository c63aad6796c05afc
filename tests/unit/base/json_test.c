/* The JSON scanner: tables of good and bad texts, walking, exact integers, escapes, and random texts against
 * an independent checker. */
#include "base/json.h"

#include "base/rand.h"
#include "cmocka_all.h"
#include "support/json_check.h"

#include <stdio.h>
#include <stdlib.h>

/* In a block of its own size, so that a sanitizer sees a byte read behind it. */
static bool check(const char *text, size_t len, struct nki_json_value *out)
{
    char *copy = malloc(len > 0 ? len : 1);
    memcpy(copy, text, len);
    bool good = nki_json_check(nki_str_make(copy, len), out);
    if (good) {
        out->raw.ptr = text + (out->raw.ptr - copy);
    }
    free(copy);
    return good;
}

static struct nki_json_value parse(const char *text)
{
    struct nki_json_value value;
    if (!check(text, strlen(text), &value)) {
        fail_msg("refused: %s", text);
    }
    return value;
}

static void test_good_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum nki_json_type type;
        const char *raw;
    } rows[] = {
        {"null", NKI_JSON_NULL, "null"},
        {" true ", NKI_JSON_TRUE, "true"},
        {"\t\r\n false\n", NKI_JSON_FALSE, "false"},
        {"0", NKI_JSON_NUMBER, "0"},
        {"-0", NKI_JSON_NUMBER, "-0"},
        {"-12.5e+7", NKI_JSON_NUMBER, "-12.5e+7"},
        {"0.0E-0", NKI_JSON_NUMBER, "0.0E-0"},
        {"1e999", NKI_JSON_NUMBER, "1e999"},
        {"1234567890123456789012345678901234567890", NKI_JSON_NUMBER,
         "1234567890123456789012345678901234567890"},
        {"\"\"", NKI_JSON_STRING, "\"\""},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\"", NKI_JSON_STRING, "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\""},
        {"\"\\ud83d\\uDE00\\u0000\"", NKI_JSON_STRING, "\"\\ud83d\\uDE00\\u0000\""},
        {"\"\xc3\xa4\xf0\x9f\x98\x80\x7f\"", NKI_JSON_STRING, "\"\xc3\xa4\xf0\x9f\x98\x80\x7f\""},
        {"[]", NKI_JSON_ARRAY, "[]"},
        {" [ ] ", NKI_JSON_ARRAY, "[ ]"},
        {"[1,[2,[]],{}]", NKI_JSON_ARRAY, "[1,[2,[]],{}]"},
        {"{}", NKI_JSON_OBJECT, "{}"},
        {"{ \"a\" : [ null , { \"b\" : 1 } ] , \"\" : \"}\" } ", NKI_JSON_OBJECT,
         "{ \"a\" : [ null , { \"b\" : 1 } ] , \"\" : \"}\" }"},
        {"{\"a\":1,\"a\":2}", NKI_JSON_OBJECT, "{\"a\":1,\"a\":2}"},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_json_value value = parse(rows[i].text);
        assert_int_equal(value.type, rows[i].type);
        assert_true(nki_str_eq(value.raw, nki_str_z(rows[i].raw)));
    }
}

static const char *const bad_texts[] = {
    "",
    " ",
    "nul",
    "nulll",
    "True",
    "tru",
    "falsee",
    "NaN",
    "Infinity",
    "-",
    "+1",
    "01",
    "-01",
    "00",
    ".5",
    "5.",
    "1e",
    "1e+",
    "1.e1",
    "0x10",
    "1 2",
    "12345678901234567890123456789012345678901",
    "1e00000000000000000000000000000000000000000001",
    "\"",
    "\"a",
    "\"\\\"",
    "\"\\x\"",
    "\"\\u12\"",
    "\"\\u12g4\"",
    "\"\\ud83d\"",
    "\"\\ud83dx\"",
    "\"\\ud83d\\n\"",
    "\"\\ud83d\\u0041\"",
    "\"\\ud83d\\ud83d\"",
    "\"\\ude00\"",
    "\"\\ud83d\\u\"",
    "\"\\udc00\\ud800\"",
    "\"a\nb\"",
    "\"\x01\"",
    "\"\xff\"",
    "\"\xc3\"",
    "\"\xed\xa0\x80\"",
    "\"\xc0\x80\"",
    "'a'",
    "\"\\",
    "\"\\u",
    "\"\\ud83d\\",
    "[",
    "]",
    "[1",
    "[1,",
    "[1,]",
    "[,1]",
    "[,]",
    "[1 2]",
    "[1;2]",
    "[1}",
    "[]]",
    "[[]",
    "[\"a\":1]",
    "{",
    "}",
    "{]",
    "{,}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{\"a\":1",
    "{\"a\" 1}",
    "{a:1}",
    "{1:1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":1,,\"b\":2}",
    "{null:1}",
    "{\"a\":1]",
    "{\"a\"::1}",
    "{\"a\":1}}",
    "{\"\xff\":1}",
    "[1]//",
    "/* */1",
    "\xef\xbb\xbf[]",
    "\xc2\xa0[]",
    "[1,\xc2\xa0,2]",
    "\f1",
    "1\v",
    "nullnull",
    "{}{}",
    "[] []",
    "#",
};

static void test_bad_texts(void **state)
{
    (void)state;
    struct nki_json_value value;
    for (size_t i = 0; i < NKI_ARRAY_LEN(bad_texts); i++) {
        if (check(bad_texts[i], strlen(bad_texts[i]), &value)) {
            fail_msg("accepted: %s", bad_texts[i]);
        }
    }
    assert_false(check("1\0", 2, &value));
    assert_false(check("\"\0\"", 3, &value));
    assert_false(check("[1,\0 2]", 7, &value));
}

static void test_every_cut_text_is_refused(void **state)
{
    (void)state;
    static const char text[] =
        "{\"a\":[1,{\"b\\u00e4\\ud83d\\ude00\":\"\xe2\x82\xac\"},true,false,null],\"c\":{}}";
    struct nki_json_value value;
    assert_true(check(text, sizeof text - 1, &value));
    for (size_t len = 0; len < sizeof text - 1; len++) {
        assert_false(check(text, len, &value));
    }
}

static void test_depth(void **state)
{
    (void)state;
    char text[2 * 66 + 1];
    struct nki_json_value value;
    for (size_t depth = 1; depth <= 66; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        assert_int_equal(check(text, 2 * depth, &value), depth <= NKI_JSON_DEPTH_MAX);
    }
    /* Depth counts what is open, not what was. */
    char *wide = malloc(4096 + 1);
    size_t len = 0;
    wide[len++] = '[';
    while (len < 4000) {
        memcpy(wide + len, "[[{}]],", 7);
        len += 7;
    }
    wide[len - 1] = ']';
    assert_true(check(wide, len, &value));
    free(wide);
}

static void test_walks_an_object(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        enum nki_json_type type;
        const char *raw;
    } members[] = {
        {"a", NKI_JSON_NUMBER, "1"},
        {"", NKI_JSON_STRING, "\"}\\\"],\""},
        {"c\\\"d", NKI_JSON_ARRAY, "[ {\"x\":\"]\"}, [] ]"},
        {"e", NKI_JSON_OBJECT, "{\"f\":{}}"},
        {"g", NKI_JSON_NULL, "null"},
        {"h", NKI_JSON_TRUE, "true"},
    };
    struct nki_json_value object = parse(" { \"a\" : 1 , \"\":\"}\\\"],\", \"c\\\"d\":[ {\"x\":\"]\"}, [] ],"
                                         "\"e\":{\"f\":{}},\"g\":null\n,\t\"h\":true } ");
    struct nki_json_value value;
    struct nki_str key;
    size_t at = 0;
    for (size_t i = 0; i < NKI_ARRAY_LEN(members); i++) {
        assert_true(nki_json_next(&object, &at, &key, &value));
        assert_true(nki_str_eq(key, nki_str_z(members[i].key)));
        assert_int_equal(value.type, members[i].type);
        assert_true(nki_str_eq(value.raw, nki_str_z(members[i].raw)));
    }
    assert_false(nki_json_next(&object, &at, &key, &value));
    assert_false(nki_json_next(&object, &at, &key, &value)); /* and again */
}

static void test_walks_arrays(void **state)
{
    (void)state;
    struct nki_json_value value;
    struct nki_str key;
    static const char *const empties[] = {"[]", "[ ]", "{}", "{ \n}"};
    for (size_t i = 0; i < NKI_ARRAY_LEN(empties); i++) {
        struct nki_json_value empty = parse(empties[i]);
        size_t at = 0;
        assert_false(nki_json_next(&empty, &at, &key, &value));
        assert_false(nki_json_next(&empty, &at, &key, &value));
    }
    struct nki_json_value array = parse("[10, 20,[30,40] ,50 ]");
    static const char *const raws[] = {"10", "20", "[30,40]", "50"};
    size_t at = 0;
    for (size_t i = 0; i < NKI_ARRAY_LEN(raws); i++) {
        assert_true(nki_json_next(&array, &at, i == 1 ? NULL : &key, &value));
        assert_true(nki_str_eq(value.raw, nki_str_z(raws[i])));
        assert_int_equal(key.len, 0);
    }
    assert_false(nki_json_next(&array, &at, NULL, &value));
}

static void test_members_by_name(void **state)
{
    (void)state;
    struct nki_json_value object = parse("{\"a\":1,\"b\":{\"a\":2},\"\\u0061\\u0062\":3,\"a\":4,\"x\\/"
                                         "y\":5,\"\\ud83d\\ude00\":6,\"n\\u0000\":7,"
                                         "\"tab\\t\":8}");
    static const struct {
        struct nki_str name;
        int64_t value;
    } rows[] = {
        {{"a", 1}, 4}, /* the last one */
        {{"ab", 2}, 3}, {{"x/y", 3}, 5}, {{"\xf0\x9f\x98\x80", 4}, 6}, {{"n\0", 2}, 7}, {{"tab\t", 4}, 8},
    };
    static const char *const missing[] = {"", "A", "abc", "x\\/y", "n", "\\u0061b", "tab", "tab\t\t"};
    struct nki_json_value value;
    int64_t number;
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        assert_true(nki_json_member(&object, rows[i].name, &value));
        assert_true(nki_json_i64(&value, &number));
        assert_int_equal(number, rows[i].value);
    }
    for (size_t i = 0; i < NKI_ARRAY_LEN(missing); i++) {
        assert_false(nki_json_member(&object, nki_str_z(missing[i]), &value));
    }
}

static void test_exact_integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_i64, is_u64;
        int64_t i64;
        uint64_t u64;
    } rows[] = {
        {"0", true, true, 0, 0},
        {"-0", true, false, 0, 0},
        {"9007199254740993", true, true, INT64_C(9007199254740993), UINT64_C(9007199254740993)},
        {"9223372036854775807", true, true, INT64_MAX, INT64_MAX},
        {"9223372036854775808", false, true, 0, UINT64_C(9223372036854775808)},
        {"-9223372036854775808", true, false, INT64_MIN, 0},
        {"-9223372036854775809", false, false, 0, 0},
        {"18446744073709551615", false, true, 0, UINT64_MAX},
        {"18446744073709551616", false, false, 0, 0},
        {"1.0", false, false, 0, 0},
        {"1e3", false, false, 0, 0},
        {"\"1\"", false, false, 0, 0},
        {"true", false, false, 0, 0},
        {"null", false, false, 0, 0},
        {"[1]", false, false, 0, 0},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_json_value value = parse(rows[i].text);
        int64_t i64 = 0;
        uint64_t u64 = 0;
        bool truth;
        assert_int_equal(nki_json_i64(&value, &i64), rows[i].is_i64);
        assert_int_equal(nki_json_u64(&value, &u64), rows[i].is_u64);
        assert_true(i64 == rows[i].i64 && u64 == rows[i].u64);
        assert_int_equal(nki_json_bool(&value, &truth), value.type == NKI_JSON_TRUE);
    }
    bool truth = true;
    struct nki_json_value value = parse("false");
    assert_true(nki_json_bool(&value, &truth));
    assert_false(truth);
}

static void test_texts(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        ptrdiff_t len;
        const char *text;
    } rows[] = {
        {"\"\"", 0, ""},
        {"\"abc\"", 3, "abc"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", 8, "\"\\/\b\f\n\r\t"},
        {"\"\\u007f\\u0080\\u07ff\\u0800\\uffff\"", 11, "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf"},
        {"\"\\ud800\\udc00\\uDBFF\\uDFFF\"", 8, "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"},
        {"\"\xc3\xa4\\u00e4\"", 4, "\xc3\xa4\xc3\xa4"},
        {"\"a\\u0000b\"", -1, NULL},
        {"12", -1, NULL},
        {"null", -1, NULL},
        {"[\"a\"]", -1, NULL},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_json_value value = parse(rows[i].json);
        char out[32];
        assert_int_equal(nki_json_text(&value, out, sizeof out), rows[i].len);
        if (rows[i].len >= 0) {
            assert_string_equal(out, rows[i].text);
            memset(out, '#', sizeof out);
            assert_int_equal(nki_json_text(&value, out, (size_t)rows[i].len + 1), rows[i].len);
            assert_int_equal(out[rows[i].len + 1], '#');
        }
        for (size_t cap = 1; (ptrdiff_t)cap <= rows[i].len; cap++) {
            memset(out, '#', sizeof out);
            assert_int_equal(nki_json_text(&value, out, cap), -1);
            assert_int_equal(out[cap], '#');
        }
    }
}

static size_t random_text(struct nki_rand *rand, char *out)
{
    static const char *const pieces[] = {
        "{",      "}",           "[",    "]",  ",",   ":",     "\"",        "\"a\"",
        "\"b\":", "\"\\u0041\"", "\\",   "u",  "\\u", "d83d",  "de00",      "\\ud83d\\ude00",
        "0",      "1",           "-",    ".",  "e",   "E+",    "null",      "true",
        "false",  "nul",         " ",    "\n", "\t",  "\r",    "\x01",      "\xc3",
        "\xa4",   "\xc3\xa4",    "\xff", "[]", "{}",  "[1,2]", "{\"k\":0}", "12345678901234567890",
        "x"};
    size_t len = 0;
    size_t count = (size_t)nki_rand_below(rand, 9) + 1;
    for (size_t i = 0; i < count; i++) {
        const char *piece = pieces[nki_rand_below(rand, NKI_ARRAY_LEN(pieces))];
        memcpy(out + len, piece, strlen(piece));
        len += strlen(piece);
    }
    return len;
}

static void test_random_texts_against_another_checker(void **state)
{
    (void)state;
    static const char valid[] =
        "{\"a\":[1,-2.5e3,\"\\u00e4\\ud83d\\ude00\"],\"b\":{\"c\":null,\"d\":[true,false]},\"\":\"x\"}";
    struct nki_rand rand;
    size_t accepted = 0;
    nki_rand_seed(&rand, 9);
    for (int round = 0; round < 200000; round++) {
        char text[256];
        size_t len;
        if (round % 2 == 0) {
            len = random_text(&rand, text);
        } else {
            len = sizeof valid - 1;
            memcpy(text, valid, len);
            text[nki_rand_below(&rand, len)] = (char)nki_rand_below(&rand, 256);
        }
        /* The other one takes blanks before the value, but none behind it. */
        size_t end = len;
        while (end > 0 && memchr(" \t\r\n", text[end - 1], 4) != NULL) {
            end--;
        }
        struct nki_json_value value;
        bool expected = ts_json_check_value(text, end, NULL) == NULL;
        bool got = check(text, len, &value);
        if (got != expected) {
            fail_msg("%.*s: %d, expected %d", (int)len, text, got, expected);
        }
        accepted += got;
    }
    assert_true(accepted > 5000);
}

static void test_long_texts_take_linear_time(void **state)
{
    (void)state;
    /* A megabyte of members, looked up by name a few times: quadratic work would exceed the test's timeout.
     */
    size_t cap = NKI_MIB;
    char *text = malloc(cap);
    size_t len = 0;
    text[len++] = '{';
    for (unsigned i = 0; len + 64 < cap; i++) {
        len += (size_t)snprintf(text + len, cap - len, "\"member%u\":[[[\"%u\"]]],", i, i);
    }
    len += (size_t)snprintf(text + len, cap - len, "\"last\":true}");
    struct nki_json_value object, value;
    for (int i = 0; i < 10; i++) {
        assert_true(nki_json_check(nki_str_make(text, len), &object));
        assert_true(nki_json_member(&object, NKI_STR("last"), &value));
        assert_int_equal(value.type, NKI_JSON_TRUE);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_texts),
        cmocka_unit_test(test_bad_texts),
        cmocka_unit_test(test_every_cut_text_is_refused),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_walks_an_object),
        cmocka_unit_test(test_walks_arrays),
        cmocka_unit_test(test_members_by_name),
        cmocka_unit_test(test_exact_integers),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_random_texts_against_another_checker),
        cmocka_unit_test(test_long_texts_take_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
