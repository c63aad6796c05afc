/* The growable buffer against a plain array, its JSON strings against the scanner, and lack of memory. */
#include "base/buf.h"

#include "base/json.h"
#include "base/rand.h"
#include "cmocka_all.h"
#include "refuse.h"

#include <inttypes.h>
#include <stdio.h>

static void test_holds_what_was_appended(void **state)
{
    (void)state;
    static uint8_t model[200000];
    size_t len = 0;
    struct nki_buf buf = {0};
    struct nki_rand rand;
    nki_rand_seed(&rand, 1);
    for (int i = 0; i < 5000; i++) {
        uint8_t piece[64];
        size_t size = (size_t)nki_rand_below(&rand, sizeof piece + 1);
        if (nki_rand_below(&rand, 3) == 0) {
            size = size < len ? size : len;
            nki_buf_consume(&buf, size);
            memmove(model, model + size, len - size);
            len -= size;
        } else {
            memset(piece, (int)i, sizeof piece);
            assert_true(nki_buf_append(&buf, piece, size));
            memcpy(model + len, piece, size);
            len += size;
        }
        assert_int_equal(buf.len, len);
        assert_true(buf.cap >= buf.len);
    }
    assert_true(len > 0);
    assert_memory_equal(buf.data, model, len);
    nki_buf_consume(&buf, len);
    assert_int_equal(buf.len, 0);
    nki_buf_free(&buf);
    assert_null(buf.data);
    assert_int_equal(buf.cap, 0);
}

static void test_reserve_makes_appends_certain(void **state)
{
    (void)state;
    struct nki_buf buf = {0};
    assert_true(nki_buf_reserve(&buf, 0));
    assert_true(nki_buf_append(&buf, NULL, 0));
    assert_true(nki_buf_reserve(&buf, 1000));
    refuse_begin(1);
    for (int i = 0; i < 1000; i++) {
        assert_true(nki_buf_append_str(&buf, NKI_STR("x")));
    }
    refuse_end();
    assert_int_equal(buf.len, 1000);
    assert_false(nki_buf_reserve(&buf, SIZE_MAX));
    assert_false(nki_buf_reserve(&buf, SIZE_MAX - 999));
    assert_int_equal(buf.len, 1000);
    nki_buf_free(&buf);
}

static void test_numbers(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {0, 7, 10, 99, 100, 4294967296, UINT64_MAX - 1, UINT64_MAX};
    for (size_t i = 0; i < NKI_ARRAY_LEN(numbers); i++) {
        char expected[32];
        struct nki_buf buf = {0};
        int len = snprintf(expected, sizeof expected, "%" PRIu64, numbers[i]);
        assert_true(nki_buf_append_u64(&buf, numbers[i]));
        assert_int_equal(buf.len, len);
        assert_memory_equal(buf.data, expected, (size_t)len);
        nki_buf_free(&buf);
    }
}

static void test_json_strings(void **state)
{
    (void)state;
    static const struct {
        struct nki_str text;
        const char *json;
    } rows[] = {
        {{"", 0}, "\"\""},
        {{"plain", 5}, "\"plain\""},
        {{"\"\\/", 3}, "\"\\\"\\\\/\""},
        {{"\b\f\n\r\t", 5}, "\"\\b\\f\\n\\r\\t\""},
        {{"\0\x01\x1f\x7f", 4}, "\"\\u0000\\u0001\\u001f\x7f\""},
        {{"\xc3\xa4\xf0\x9f\x98\x80", 6}, "\"\xc3\xa4\xf0\x9f\x98\x80\""},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_buf buf = {0};
        assert_true(nki_buf_append_json(&buf, rows[i].text));
        assert_int_equal(buf.len, strlen(rows[i].json));
        assert_memory_equal(buf.data, rows[i].json, buf.len);
        nki_buf_free(&buf);
    }
}

static void test_json_strings_are_read_back(void **state)
{
    (void)state;
    for (unsigned c = 1; c < 128; c++) {
        char text[3] = {'<', (char)c, '>'};
        char out[8];
        struct nki_json_value value;
        struct nki_buf buf = {0};
        assert_true(nki_buf_append_json(&buf, nki_str_make(text, sizeof text)));
        assert_true(nki_json_check(nki_str_make((const char *)buf.data, buf.len), &value));
        assert_int_equal(nki_json_text(&value, out, sizeof out), 3);
        assert_memory_equal(out, text, 3);
        nki_buf_free(&buf);
    }
}

static bool fill(struct nki_buf *buf)
{
    static const char long_text[300] = "begin";
    return nki_buf_append_str(buf, NKI_STR("abc")) && nki_buf_append(buf, long_text, sizeof long_text) &&
           nki_buf_append_json(buf, nki_str_make(long_text, sizeof long_text)) &&
           nki_buf_reserve(buf, 100000) && nki_buf_append_u64(buf, 12345);
}

static void test_without_memory_the_content_stays(void **state)
{
    (void)state;
    static const size_t kept[] = {0, 3, 303}; /* bytes held when the n-th allocation fails */
    uint64_t before = nki_alloc_bytes();
    size_t failures = 0;
    for (long nth = 1; refuse_begin(nth); nth++) {
        struct nki_buf buf = {0};
        bool done = fill(&buf);
        assert_int_equal(done, !refuse_happened());
        if (!done && failures < NKI_ARRAY_LEN(kept)) {
            assert_int_equal(buf.len, kept[failures++]);
            assert_memory_equal(buf.data, "abc", buf.len < 3 ? buf.len : 3);
        }
        nki_buf_free(&buf);
    }
    assert_int_equal(failures, 3);
    assert_int_equal(nki_alloc_bytes(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holds_what_was_appended),
        cmocka_unit_test(test_reserve_makes_appends_certain),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_json_strings),
        cmocka_unit_test(test_json_strings_are_read_back),
        cmocka_unit_test(test_without_memory_the_content_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
