/* The rules for names of buckets, keys and patterns (ADR-8), byte by byte. One thread. */
#include "kv/bucket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

typedef const char *(*rule_of)(struct nki_str);

static bool takes(rule_of rule, const char *text)
{
    const char *fault = rule(nki_str_z(text));
    assert_true(fault == NULL || fault[0] != '\0');
    return fault == NULL;
}

static bool takes_byte(rule_of rule, char byte)
{
    char text[] = "a?b";
    text[1] = byte;
    return rule(nki_str_make(text, 3)) == NULL;
}

static bool is_word(int byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           byte == '_' || byte == '-';
}

/* Of every byte, NUL and those of UTF-8 included, whether it may stand in the middle. */
static void test_bytes(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        bool key = is_word(byte) || byte == '/' || byte == '=' || byte == '.';
        if (takes_byte(nki_kv_bucket_fault, (char)byte) != is_word(byte) ||
            takes_byte(nki_kv_key_fault, (char)byte) != key ||
            takes_byte(nki_kv_pattern_fault, (char)byte) != key) {
            fail_msg("byte %d", byte);
        }
    }
}

static void test_buckets(void **state)
{
    (void)state;
    assert_true(takes(nki_kv_bucket_fault, "b"));
    assert_true(takes(nki_kv_bucket_fault, "My_bucket-2"));
    assert_true(takes(nki_kv_bucket_fault, "_kv"));
    assert_false(takes(nki_kv_bucket_fault, ""));
    assert_false(takes(nki_kv_bucket_fault, "a.b"));
    assert_false(takes(nki_kv_bucket_fault, "a b"));
    assert_false(takes(nki_kv_bucket_fault, "a*"));
    assert_false(takes(nki_kv_bucket_fault, ">"));
    assert_false(takes(nki_kv_bucket_fault, "a/b"));
}

static const struct {
    const char *text;
    bool key;
    bool pattern;
} rows[] = {
    {"a", true, true},          {"a.b.c", true, true},    {"A-1/x=y_z.2", true, true},
    {"_", true, true},          {"=", true, true},        {"", false, false},
    {".", false, false},        {".a", false, false},     {"a.", false, false},
    {"a..b", false, false},     {"_kv", false, false}, /* reserved */
    {"_kv.a", false, false},    {"_kvx", false, false},   {"a._kv", true, true},
    {"_k", true, true},         {"*", false, true},       {">", false, true},
    {"a.*", false, true},       {"*.a", false, true},     {"a.*.c", false, true},
    {"*.*", false, true},       {"a.>", false, true},     {"*.>", false, true},
    {">.a", false, false},      {"a.>.b", false, false},  {"a*", false, false},
    {"*a", false, false},       {"a.b>", false, false},   {"**", false, false},
    {">>", false, false},       {"a.*b.c", false, false}, {"a .b", false, false},
    {"\xc3\xa9", false, false},
};

static void test_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        if (takes(nki_kv_key_fault, rows[i].text) != rows[i].key ||
            takes(nki_kv_pattern_fault, rows[i].text) != rows[i].pattern) {
            fail_msg("\"%s\"", rows[i].text);
        }
    }
}

static void test_lengths(void **state)
{
    (void)state;
    char text[NKI_KV_KEY_MAX + 1];
    memset(text, 'a', sizeof text);
    assert_null(nki_kv_bucket_fault(nki_str_make(text, NKI_KV_BUCKET_MAX)));
    assert_non_null(nki_kv_bucket_fault(nki_str_make(text, NKI_KV_BUCKET_MAX + 1)));
    assert_null(nki_kv_key_fault(nki_str_make(text, NKI_KV_KEY_MAX)));
    assert_non_null(nki_kv_key_fault(nki_str_make(text, NKI_KV_KEY_MAX + 1)));
    assert_null(nki_kv_pattern_fault(nki_str_make(text, NKI_KV_KEY_MAX)));
    assert_non_null(nki_kv_pattern_fault(nki_str_make(text, NKI_KV_KEY_MAX + 1)));
    assert_non_null(nki_kv_key_fault(nki_str_make(NULL, 0)));
    assert_non_null(nki_kv_bucket_fault(nki_str_make(NULL, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_buckets),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
