/* Documents: grammar, exact numbers, paths, changes and that they are whole or not at all, walks and feeds,
 * and use by several threads at once. Needs no server. */
#include "fixture.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static natskit_error err;
static char room[4096];
static size_t len;

static natskit_json parse(const char *text)
{
    natskit_json json;
    natskit_status status = natskit_json_parse(text, Z, &json, &err);
    if (status != NATSKIT_OK) {
        fail_msg("%s: %s", text, err.text);
    }
    return json;
}

static void expect_text(natskit_json json, const char *path, const char *wanted)
{
    natskit_status status = natskit_json_text(json, path, Z, room, sizeof room - 1, &len, &err);
    if (status != NATSKIT_OK) {
        fail_msg("path %s: %s", path, err.text);
    }
    room[len] = '\0';
    assert_string_equal(room, wanted);
}

/* Reads a text and writes it again. */
static void expect_round(const char *text, const char *wanted)
{
    natskit_json json = parse(text);
    expect_text(json, "", wanted);
    assert_ok(natskit_json_close(json));
}

/* A failure whose text says this. */
static void expect_error(natskit_status got, natskit_status wanted, const char *part)
{
    assert_status(got, wanted);
    assert_int_equal(err.status, wanted);
    if (strstr(err.text, part) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", err.text, part);
    }
    assert_null(strpbrk(err.text, "\r\n"));
}

/* -- text ------------------------------------------------------------------------------------------------ */

static void test_round_trips(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {" null ", "null"},
        {"\t\r\n true\n", "true"},
        {"false", "false"},
        {"[]", "[]"},
        {" { } ", "{}"},
        {"[ [ ] , { \"a\" : [ 1 , 2 ] } ]", "[[],{\"a\":[1,2]}]"},
        {"9007199254740993", "9007199254740993"},
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"9223372036854775808", "9223372036854775808"},
        {"18446744073709551615", "18446744073709551615"},
        {"18446744073709551616", "18446744073709551616"},
        {"-9223372036854775809", "-9223372036854775809"},
        {"1.0", "1.0"},
        {"1E+2", "1E+2"},
        {"-0", "-0"},
        {"0.1000", "0.1000"},
        {"1e-400", "1e-400"},
        {"0e99999999999", "0e99999999999"},
        {"\"\\u0041\\u00e4\\u20ac\\ud83d\\ude00\"", "\"A\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\\u007f\"",
         "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7f\""},
        {"{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}"},
        {"{\"a\":1,\"\\u0061\":{\"x\":[]}}", "{\"a\":{\"x\":[]}}"},
        {"{\"\":0,\"a\\u0000b\":1}", "{\"\":0,\"a\\u0000b\":1}"},
        {"{\"A\":1,\"a\":2}", "{\"A\":1,\"a\":2}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        expect_round(rows[i][0], rows[i][1]);
        expect_round(rows[i][1], rows[i][1]);
    }
}

static void test_bad_texts(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        " ",
        "nul",
        "nulll",
        "True",
        "+1",
        "01",
        "-",
        "-a",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x10",
        "1e999",
        "-1e309",
        "NaN",
        "Infinity",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[}",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "{a:1}",
        "{1:1}",
        "{,}",
        "{]",
        "1 2",
        "[] []",
        "\"",
        "\"a",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"\\ud800\\ud800\"",
        "\"\x01\"",
        "\"\n\"",
        "\"\xff\"",
        "\"\xc0\x80\"",
        "\"\xed\xa0\x80\"",
        "'a'",
        "// c\n1",
        "[1]x",
        "\xef\xbb\xbf{}",
        "\v1",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        natskit_json json = {7};
        memset(&err, 0, sizeof err);
        /* In a block of its own size, so that a sanitizer sees a byte read behind it. */
        size_t size = strlen(rows[i]);
        char *copy = malloc(size > 0 ? size : 1);
        memcpy(copy, rows[i], size);
        if (natskit_json_parse(copy, size, &json, &err) != NATSKIT_INVALID) {
            fail_msg("not refused: %s", rows[i]);
        }
        free(copy);
        assert_true(json.id == 0 && err.status == NATSKIT_INVALID && strstr(err.text, "text") != NULL);
    }
    natskit_json json;
    expect_error(natskit_json_parse("{\"a\":tru}", Z, &json, &err), NATSKIT_INVALID, "byte 5");
    expect_error(natskit_json_parse("1\0", 2, &json, &err), NATSKIT_INVALID, "byte 1");
    expect_error(natskit_json_parse("[1e400]", Z, &json, &err), NATSKIT_INVALID, "range of a double");
}

static void test_bounds(void **state)
{
    (void)state;
    natskit_json json;
    char deep[200];
    memset(deep, '[', 65);
    memset(deep + 65, ']', 65);
    expect_error(natskit_json_parse(deep, 130, &json, &err), NATSKIT_LIMIT, "64 levels");
    assert_ok(natskit_json_parse(deep + 1, 128, &json, &err));
    char path[200];
    for (int i = 0; i < 63; i++) {
        memcpy(path + (size_t)i * 2, "/0", 2);
    }
    assert_ok(natskit_json_size(json, path, 126, &len, &err));
    assert_int_equal(len, 0);
    memcpy(path + 126, "/-", 2);
    expect_error(natskit_json_set_text(json, path, 128, "[]", Z, &err), NATSKIT_LIMIT, "64 levels");
    assert_ok(natskit_json_set_null(json, path, 128, &err));
    memcpy(path + 126, "/0/0", 4);
    expect_error(natskit_json_set_null(json, path, 130, &err), NATSKIT_LIMIT, "64 parts");
    assert_ok(natskit_json_close(json));

    /* Objects are made on the way at most as deep as that. */
    assert_ok(natskit_json_open(NATSKIT_JSON_OBJECT, &json));
    for (int i = 0; i < 64; i++) {
        memcpy(path + (size_t)i * 2, "/a", 2);
    }
    expect_error(natskit_json_set_text(json, path, 128, "{}", Z, &err), NATSKIT_LIMIT, "64 levels");
    expect_text(json, "", "{}");
    assert_ok(natskit_json_set_int(json, path, 128, 1, &err));
    assert_ok(natskit_json_close(json));

    size_t many = 1048577;
    char *wide = malloc(2 * many + 1);
    wide[0] = '[';
    for (size_t i = 0; i < many; i++) {
        memcpy(wide + 1 + 2 * i, "0,", 2);
    }
    wide[2 * many] = ']';
    expect_error(natskit_json_parse(wide, 2 * many + 1, &json, &err), NATSKIT_LIMIT, "1048576 values");
    wide[2 * many - 4] = ']';
    assert_ok(natskit_json_parse(wide, 2 * many - 3, &json, &err));
    assert_ok(natskit_json_size(json, "", 0, &len, &err));
    assert_int_equal(len, many - 2);
    expect_error(natskit_json_set_text(json, "/0", Z, "[1]", Z, &err), NATSKIT_LIMIT, "1048576 values");
    assert_ok(natskit_json_set_null(json, "/0", Z, &err));
    assert_ok(natskit_json_close(json));
    free(wide);

    size_t large = 64u * 1024 * 1024 + 1;
    char *long_text = malloc(large);
    memset(long_text, ' ', large);
    expect_error(natskit_json_parse(long_text, large, &json, &err), NATSKIT_LIMIT, "67108864");
    free(long_text);
}

/* -- values ---------------------------------------------------------------------------------------------- */

static void test_numbers(void **state)
{
    (void)state;
    natskit_json json = parse("{\"i\":-9223372036854775808,\"u\":18446744073709551615,\"d\":1.5,\"w\":1.0,"
                              "\"big\":18446744073709551616,\"n\":-1,\"odd\":9007199254740993}");
    int64_t i64 = 0;
    uint64_t u64 = 0;
    double real = 0;
    int32_t type = 0;
    assert_ok(natskit_json_get_int(json, "/i", Z, &i64, &err));
    assert_true(i64 == INT64_MIN);
    assert_ok(natskit_json_get_int(json, "/odd", Z, &i64, &err));
    assert_true(i64 == INT64_C(9007199254740993));
    assert_ok(natskit_json_get_uint(json, "/odd", Z, &u64, &err));
    assert_true(u64 == UINT64_C(9007199254740993));
    assert_ok(natskit_json_get_uint(json, "/u", Z, &u64, &err));
    assert_true(u64 == UINT64_MAX);
    assert_ok(natskit_json_type(json, "/u", Z, &type, &err));
    assert_int_equal(type, NATSKIT_JSON_UINT);
    assert_ok(natskit_json_type(json, "/w", Z, &type, &err));
    assert_int_equal(type, NATSKIT_JSON_DOUBLE);
    assert_ok(natskit_json_type(json, "/big", Z, &type, &err));
    assert_int_equal(type, NATSKIT_JSON_DOUBLE);
    expect_error(natskit_json_get_int(json, "/u", Z, &i64, &err), NATSKIT_LIMIT, "int64_t");
    expect_error(natskit_json_get_uint(json, "/n", Z, &u64, &err), NATSKIT_LIMIT, "uint64_t");
    expect_error(natskit_json_get_int(json, "/w", Z, &i64, &err), NATSKIT_INVALID, "not an integer");
    expect_error(natskit_json_get_uint(json, "/big", Z, &u64, &err), NATSKIT_INVALID, "not an integer");
    assert_ok(natskit_json_get_double(json, "/d", Z, &real, &err));
    assert_true(real == 1.5);
    assert_ok(natskit_json_get_double(json, "/i", Z, &real, &err));
    assert_true(real == -0x1p63);
    assert_ok(natskit_json_get_double(json, "/u", Z, &real, &err));
    assert_true(real == 0x1p64);
    assert_ok(natskit_json_set_int(json, "/i", Z, INT64_MAX, &err));
    expect_text(json, "/i", "9223372036854775807");
    assert_ok(natskit_json_set_uint(json, "/i", Z, UINT64_MAX, &err));
    expect_text(json, "/i", "18446744073709551615");
    assert_ok(natskit_json_set_uint(json, "/i", Z, 5, &err));
    assert_ok(natskit_json_get_int(json, "/i", Z, &i64, &err));
    assert_int_equal(i64, 5);
    assert_ok(natskit_json_close(json));
}

static uint64_t random_bits(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void check_doubles(natskit_json json)
{
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {-1.5, "-1.5"},
        {0.1, "0.1"},
        {1e20, "100000000000000000000"},
        {1e21, "1e21"},
        {2.592e15, "2592000000000000"},
        {1e-6, "0.000001"},
        {1e-7, "1e-7"},
        {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e308"},
        {1.0 / 3, "0.3333333333333333"},
        {123456.789, "123456.789"},
        {-0.00123, "-0.00123"},
        {9007199254740992.0, "9007199254740992"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {1.25e-9, "1.25e-9"},
    };
    double back;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_ok(natskit_json_set_double(json, "/d", Z, rows[i].value, &err));
        expect_text(json, "/d", rows[i].text);
        assert_ok(natskit_json_get_double(json, "/d", Z, &back, &err));
        assert_true(back == rows[i].value);
    }
    uint64_t seed = 88172645463325252u;
    for (int i = 0; i < 3000; i++) {
        uint64_t bits = random_bits(&seed);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (i % 3 == 0) {
            value = (double)(int64_t)bits / 1000.0;
        }
        if (!isfinite(value)) {
            continue;
        }
        assert_ok(natskit_json_set_double(json, "/d", Z, value, &err));
        assert_ok(natskit_json_text(json, "/d", Z, room, sizeof room - 1, &len, &err));
        room[len] = '\0';
        assert_ok(natskit_json_set_text(json, "/e", Z, room, len, &err));
        assert_ok(natskit_json_get_double(json, "/e", Z, &back, &err));
        assert_true(back == value);
    }
    expect_error(natskit_json_set_double(json, "/d", Z, NAN, &err), NATSKIT_INVALID, "nan");
    expect_error(natskit_json_set_double(json, "/d", Z, -INFINITY, &err), NATSKIT_INVALID, "inf");
}

static void test_doubles(void **state)
{
    (void)state;
    natskit_json json = parse("{}");
    check_doubles(json);
    /* Also where a comma is the decimal point, if such a locale is there. */
    if (setlocale(LC_ALL, "de_DE.UTF-8") != NULL || setlocale(LC_ALL, "fr_FR.UTF-8") != NULL) {
        check_doubles(json);
    }
    (void)setlocale(LC_ALL, "C");
    assert_ok(natskit_json_close(json));
}

static void test_strings(void **state)
{
    (void)state;
    natskit_json json = parse("{\"a\":\"x\\u0000y\",\"b\":true}");
    int32_t truth = 7;
    assert_ok(natskit_json_get_string(json, "/a", Z, room, 3, &len, &err));
    assert_int_equal(len, 3);
    assert_memory_equal(room, "x\0y", 3);
    len = 0;
    expect_error(natskit_json_get_string(json, "/a", Z, room, 2, &len, &err), NATSKIT_LIMIT, "3 bytes");
    assert_int_equal(len, 3);
    assert_status(natskit_json_get_string(json, "/a", Z, NULL, 0, &len, NULL), NATSKIT_LIMIT);
    expect_error(natskit_json_get_string(json, "/b", Z, room, 3, &len, &err), NATSKIT_INVALID,
                 "\"/b\" is a boolean, not a string");
    assert_ok(natskit_json_get_bool(json, "/b", Z, &truth, &err));
    assert_int_equal(truth, 1);
    expect_error(natskit_json_set_string(json, "/a", Z, "\xff", 1, &err), NATSKIT_INVALID, "UTF-8");
    assert_ok(natskit_json_set_string(json, "/a", Z, NULL, 0, &err));
    expect_text(json, "/a", "\"\"");
    assert_ok(natskit_json_set_string(json, "/a", Z, "\0\x1f\"", 3, &err));
    expect_text(json, "/a", "\"\\u0000\\u001f\\\"\"");
    assert_ok(natskit_json_key_at(json, "", 0, 1, room, 1, &len, &err));
    assert_true(len == 1 && room[0] == 'b');
    expect_error(natskit_json_key_at(json, "", 0, 2, room, 9, &len, &err), NATSKIT_NOT_FOUND, "2");
    expect_error(natskit_json_key_at(json, "", 0, 1, room, 0, &len, &err), NATSKIT_LIMIT, "1 bytes");
    expect_error(natskit_json_key_at(json, "/a", Z, 1, room, 9, &len, &err), NATSKIT_INVALID, "an object");
    expect_error(natskit_json_text(json, "", 0, room, 3, &len, &err), NATSKIT_LIMIT, "the buffer 3");
    assert_ok(natskit_json_close(json));
}

/* -- paths and changes ----------------------------------------------------------------------------------- */

static void test_paths(void **state)
{
    (void)state;
    static const char *const text =
        "{\"\":0,\"a/b\":1,\"m~n\":2,\"~1\":3,\"l\":[10,[20]],\"o\":{\"\":{\"x\":4}}}";
    natskit_json json = parse(text);
    expect_text(json, "/", "0");
    expect_text(json, "/a~1b", "1");
    expect_text(json, "/m~0n", "2");
    expect_text(json, "/~01", "3");
    expect_text(json, "/l/0", "10");
    expect_text(json, "/l/1/0", "20");
    expect_text(json, "/o//x", "4");
    int32_t type = 0;
    expect_error(natskit_json_type(json, "l", Z, &type, &err), NATSKIT_INVALID, "slash");
    expect_error(natskit_json_type(json, "/~2", Z, &type, &err), NATSKIT_INVALID, "tilde");
    expect_error(natskit_json_type(json, "/a~", Z, &type, &err), NATSKIT_INVALID, "tilde");
    expect_error(natskit_json_type(json, "/\xff", Z, &type, &err), NATSKIT_INVALID, "UTF-8");
    expect_error(natskit_json_type(json, "/l/2", Z, &type, &err), NATSKIT_NOT_FOUND, "/l/2");
    expect_error(natskit_json_type(json, "/l/-", Z, &type, &err), NATSKIT_NOT_FOUND, "/l/-");
    expect_error(natskit_json_type(json, "/l/00", Z, &type, &err), NATSKIT_INVALID, "place in an array");
    expect_error(natskit_json_type(json, "/l/x", Z, &type, &err), NATSKIT_INVALID, "place in an array");
    expect_error(natskit_json_type(json, "/l/18446744073709551616", Z, &type, &err), NATSKIT_INVALID,
                 "place");
    expect_error(natskit_json_type(json, "/no/x", Z, &type, &err), NATSKIT_NOT_FOUND, "\"/no\" does not");
    expect_error(natskit_json_type(json, "/l/0/x/y", Z, &type, &err), NATSKIT_INVALID,
                 "\"/l/0\" is an integer, which has no members");
    memset(room, 'a', sizeof room);
    room[0] = '/';
    expect_error(natskit_json_type(json, room, sizeof room, &type, &err), NATSKIT_NOT_FOUND, "...");
    char longer[5000];
    memset(longer, '/', sizeof longer);
    expect_error(natskit_json_type(json, longer, sizeof longer, &type, &err), NATSKIT_LIMIT, "4096");
    expect_text(json, "", text);
    assert_ok(natskit_json_close(json));
}

static void test_changes(void **state)
{
    (void)state;
    natskit_json json = parse("{}");
    assert_ok(natskit_json_set_int(json, "/a/b~1c/-", Z, 1, &err));
    assert_ok(natskit_json_set_text(json, "/l", Z, "[]", Z, &err));
    assert_ok(natskit_json_set_bool(json, "/l/-", Z, 5, &err));
    assert_ok(natskit_json_set_null(json, "/l/-", Z, &err));
    assert_ok(natskit_json_set_string(json, "/l/-/x/y", Z, "z", Z, &err));
    expect_text(json, "", "{\"a\":{\"b/c\":{\"-\":1}},\"l\":[true,null,{\"x\":{\"y\":\"z\"}}]}");
    assert_ok(natskit_json_set_double(json, "/l/1", Z, 0.5, &err));
    expect_error(natskit_json_set_int(json, "/l/3", Z, 1, &err), NATSKIT_NOT_FOUND, "beyond the end");
    expect_error(natskit_json_set_int(json, "/l/0/x", Z, 1, &err), NATSKIT_INVALID, "is a boolean");
    assert_ok(natskit_json_remove(json, "/l/0", Z, &err));
    expect_error(natskit_json_remove(json, "/l/-", Z, &err), NATSKIT_NOT_FOUND, "/l/-");
    expect_error(natskit_json_remove(json, "/b/c", Z, &err), NATSKIT_NOT_FOUND, "\"/b\"");
    expect_error(natskit_json_remove(json, "", 0, &err), NATSKIT_INVALID, "itself");
    expect_text(json, "/l", "[0.5,{\"x\":{\"y\":\"z\"}}]");
    /* A part of itself, into itself. */
    assert_ok(natskit_json_set_json(json, "/l/1/x/copy", Z, json, "/l", Z, &err));
    expect_text(json, "/l/1/x/copy", "[0.5,{\"x\":{\"y\":\"z\"}}]");
    assert_ok(natskit_json_set_json(json, "", 0, json, "/l/1", Z, &err));
    expect_text(json, "", "{\"x\":{\"y\":\"z\",\"copy\":[0.5,{\"x\":{\"y\":\"z\"}}]}}");
    natskit_json other = parse("[{\"k\":1e2}]");
    assert_ok(natskit_json_set_json(json, "/x", Z, other, "/0", Z, &err));
    assert_ok(natskit_json_set_json(other, "/-", Z, json, "/x/k", Z, &err));
    expect_text(json, "", "{\"x\":{\"k\":1e2}}");
    expect_text(other, "", "[{\"k\":1e2},1e2]");
    expect_error(natskit_json_set_json(json, "/y", Z, other, "/7", Z, &err), NATSKIT_NOT_FOUND, "/7");
    expect_error(natskit_json_set_text(json, "/y", Z, "[1,", Z, &err), NATSKIT_INVALID, "byte 3");
    expect_text(json, "", "{\"x\":{\"k\":1e2}}");
    assert_ok(natskit_json_set_text(json, "", 0, "7", Z, &err));
    expect_text(json, "", "7");
    expect_error(natskit_json_set_int(json, "/a", Z, 1, &err), NATSKIT_INVALID, "\"\" is an integer");
    assert_ok(natskit_json_close(json));
    assert_ok(natskit_json_close(other));
}

/* Names that are found by the hash table, and memory that changes give back. */
static void test_many_members(void **state)
{
    (void)state;
    enum { MANY = 3000 };
    natskit_json json;
    int64_t value = 0;
    char path[32];
    natskit_counters before;
    natskit_counters after;
    assert_ok(natskit_json_open(NATSKIT_JSON_OBJECT, &json));
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(path, sizeof path, "/n%d", i);
        assert_ok(natskit_json_set_int(json, path, Z, i, &err));
    }
    for (int i = 0; i < MANY; i += 2) {
        (void)snprintf(path, sizeof path, "/n%d", (i * 7) % MANY / 2 * 2);
        natskit_status status = natskit_json_remove(json, path, Z, &err);
        assert_true(status == NATSKIT_OK || status == NATSKIT_NOT_FOUND);
    }
    for (int i = 1; i < MANY; i += 2) {
        (void)snprintf(path, sizeof path, "/n%d", i);
        assert_ok(natskit_json_get_int(json, path, Z, &value, &err));
        assert_int_equal(value, i);
    }
    assert_ok(natskit_counters_get(&before, sizeof before));
    assert_int_equal(before.jsons, 1);
    for (int i = 0; i < 20000; i++) {
        assert_ok(natskit_json_set_string(json, "/n1", Z, room, 100, &err));
    }
    assert_ok(natskit_counters_get(&after, sizeof after));
    assert_true(after.allocated_bytes < before.allocated_bytes + 2 * 1024 * 1024);
    assert_ok(natskit_json_close(json));
    /* Twice the same names in one text: the last ones count. */
    char *text = malloc(MANY * 24);
    size_t used = 0;
    for (int i = 0; i < MANY; i++) {
        used += (size_t)snprintf(text + used, 24, "%c\"k%d\":%d", i == 0 ? '{' : ',', i % (MANY / 2), i);
    }
    text[used++] = '}';
    assert_ok(natskit_json_parse(text, used, &json, &err));
    assert_ok(natskit_json_size(json, "", 0, &len, &err));
    assert_int_equal(len, MANY / 2);
    assert_ok(natskit_json_get_int(json, "/k7", Z, &value, &err));
    assert_int_equal(value, MANY / 2 + 7);
    assert_ok(natskit_json_close(json));
    free(text);
}

/* -- document order -------------------------------------------------------------------------------------- */

/* Copies a document through walk and feed, `step` items at a time, as a caller with items of another size. */
static void copy_by_items(natskit_json from, natskit_json to, size_t step, size_t item_size)
{
    natskit_json_cursor cursor = {0};
    char *items = calloc(step, item_size);
    size_t count = 0;
    natskit_status status;
    while ((status = natskit_json_walk(from, &cursor, (natskit_json_item *)(void *)items, item_size, step,
                                       &count)) == NATSKIT_OK) {
        assert_true(count > 0 && count <= step);
        assert_ok(
            natskit_json_feed(to, (const natskit_json_item *)(const void *)items, item_size, count, &err));
    }
    assert_status(status, NATSKIT_END);
    assert_int_equal(count, 0);
    assert_status(
        natskit_json_walk(from, &cursor, (natskit_json_item *)(void *)items, item_size, step, &count),
        NATSKIT_END);
    free(items);
}

static void test_walk_and_feed(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "null",
        "\"x\"",
        "[]",
        "{}",
        "[[[]],[],{}]",
        "{\"a\":[1,-2,{\"b\":\"\\u0000\"}],\"c\":{\"\":null}}",
        "[18446744073709551615,-9223372036854775808,0.1,1e100,true,false]",
    };
    static const size_t sizes[] = {sizeof(natskit_json_item), sizeof(natskit_json_item) - 8,
                                   sizeof(natskit_json_item) + 16};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        natskit_json from = parse(texts[i]);
        for (size_t step = 1; step < 100; step += step < 4 ? 1 : 90) {
            natskit_json to = parse("[\"old\"]");
            copy_by_items(from, to, step, sizes[(i + step) % 3]);
            expect_text(to, "", texts[i]);
            assert_ok(natskit_json_close(to));
        }
        assert_ok(natskit_json_close(from));
    }
}

static void test_walk_ends(void **state)
{
    (void)state;
    natskit_json json = parse("{\"a\":[1,2],\"b\":3}");
    natskit_json_cursor cursor = {0};
    natskit_json_item items[4];
    size_t count = 0;
    assert_ok(natskit_json_walk(json, &cursor, items, sizeof items[0], 4, &count));
    assert_int_equal(count, 4);
    assert_int_equal(items[0].type, NATSKIT_JSON_OBJECT);
    assert_int_equal(items[0].size, 2);
    assert_true(items[1].type == NATSKIT_JSON_ARRAY && fx_is(items[1].key, items[1].key_len, "a"));
    assert_true(items[2].type == NATSKIT_JSON_INT && items[2].integer == 1 && items[2].real == 1.0);
    natskit_json_cursor kept = cursor;
    /* Cursors of another document, and made-up ones. */
    for (uint32_t depth = 0; depth < 70; depth++) {
        for (uint32_t at = 0; at < 5; at++) {
            natskit_json_cursor bent = kept;
            bent.depth = depth;
            for (size_t i = 0; i < 64; i++) {
                bent.at[i] = at * (uint32_t)i;
            }
            natskit_status status = natskit_json_walk(json, &bent, items, sizeof items[0], 4, &count);
            assert_true(status == NATSKIT_OK || status == NATSKIT_INVALID);
            bent.stage = 3;
            assert_status(natskit_json_walk(json, &bent, items, sizeof items[0], 4, &count), NATSKIT_INVALID);
        }
    }
    assert_ok(natskit_json_set_int(json, "/b", Z, 4, &err));
    assert_status(natskit_json_walk(json, &cursor, items, sizeof items[0], 4, &count), NATSKIT_INVALID);
    assert_int_equal(count, 0);
    assert_ok(natskit_json_close(json));
}

static void test_feed_faults(void **state)
{
    (void)state;
    natskit_json json = parse("\"old\"");
    const natskit_json_item open = {.type = NATSKIT_JSON_OBJECT};
    const natskit_json_item end = {.type = NATSKIT_JSON_END};
    const natskit_json_item list = {.type = NATSKIT_JSON_ARRAY, .key = "l", .key_len = Z};
    static const struct {
        natskit_json_item item;
        const char *part;
    } rows[] = {
        {{.type = 0}, "type 0"},
        {{.type = 10}, "type 10"},
        {{.type = NATSKIT_JSON_STRING, .text_len = 1}, "text"},
        {{.type = NATSKIT_JSON_STRING, .text = "\xc3", .text_len = 1}, "UTF-8"},
        {{.type = NATSKIT_JSON_NULL, .key_len = 1}, "key"},
        {{.type = NATSKIT_JSON_NULL, .key = "\xff", .key_len = 1}, "UTF-8"},
        {{.type = NATSKIT_JSON_DOUBLE, .real = INFINITY}, "inf"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_ok(natskit_json_feed(json, &open, sizeof open, 1, &err));
        expect_error(natskit_json_feed(json, &rows[i].item, sizeof open, 1, &err), NATSKIT_INVALID,
                     rows[i].part);
        expect_error(natskit_json_feed(json, &end, sizeof end, 1, &err), NATSKIT_INVALID, "without a begin");
        expect_text(json, "", "\"old\"");
    }
    const natskit_json_item too_many[] = {open, end, end};
    expect_error(natskit_json_feed(json, too_many, sizeof open, 3, &err), NATSKIT_INVALID, "complete");
    assert_ok(natskit_json_feed(json, &open, sizeof open, 1, &err));
    expect_text(json, "", "\"old\"");
    assert_ok(natskit_json_feed(json, NULL, 0, 0, &err));
    for (int i = 0; i < 64; i++) {
        assert_ok(natskit_json_feed(json, &list, sizeof list, 1, &err));
    }
    expect_error(natskit_json_feed(json, &list, sizeof list, 1, &err), NATSKIT_LIMIT, "64 levels");
    const natskit_json_item whole[] = {
        open, list, {.type = NATSKIT_JSON_UINT, .natural = 7}, {.type = NATSKIT_JSON_DOUBLE, .real = 2},
        end,  end,
    };
    assert_ok(natskit_json_feed(json, whole, sizeof open, 6, &err));
    expect_text(json, "", "{\"l\":[7,2]}");
    assert_ok(natskit_json_feed(json, &open, sizeof open, 1, &err)); /* left unfinished */
    assert_ok(natskit_json_close(json));
}

/* -- threads --------------------------------------------------------------------------------------------- */

static natskit_json shared[2];

static void *use_shared(void *arg)
{
    natskit_error error;
    char text[512];
    size_t size;
    int me = *(int *)arg;
    for (int i = 0; i < 2000; i++) {
        natskit_json mine = shared[(me + i) % 2];
        natskit_json its = shared[(me + i + 1) % 2];
        (void)natskit_json_set_int(mine, "/a/b", Z, i, &error);
        (void)natskit_json_set_json(mine, "/c", Z, its, "/a", Z, &error);
        (void)natskit_json_remove(mine, "/a", Z, &error);
        if (natskit_json_text(mine, "", 0, text, sizeof text, &size, &error) != NATSKIT_OK ||
            text[0] != '{' || text[size - 1] != '}') {
            return arg; /* a text is not whole */
        }
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    int numbers[4] = {0, 1, 2, 3};
    void *fault = NULL;
    shared[0] = parse("{}");
    shared[1] = parse("{}");
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, use_shared, &numbers[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], &fault);
        assert_null(fault);
    }
    assert_ok(natskit_json_close(shared[0]));
    assert_ok(natskit_json_close(shared[1]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trips, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_bad_texts, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_bounds, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_numbers, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_doubles, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_strings, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_paths, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_changes, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_many_members, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_walk_and_feed, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_walk_ends, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_feed_faults, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_threads, fx_mark, fx_check_clean),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fx_server_end();
    return failed;
}
