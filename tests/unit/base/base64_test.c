/* Base64: RFC 4648's table in both alphabets, what is malformed, and every length there and back. */
#include "base/base64.h"

#include "base/rand.h"
#include "cmocka_all.h"

static void expect(enum nki_base64 kind, const char *plain, const char *text)
{
    char out[64];
    size_t len = strlen(plain);
    size_t wrote = nki_base64_encode(kind, plain, len, out);
    assert_int_equal(wrote, strlen(text));
    assert_memory_equal(out, text, wrote);
    assert_int_equal(nki_base64_decode(kind, nki_str_z(text), out, len), (ptrdiff_t)len);
    assert_memory_equal(out, plain, len);
    if (len > 0) {
        assert_int_equal(nki_base64_decode(kind, nki_str_z(text), out, len - 1), -1);
    }
}

static void test_vectors(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"", "", ""},
        {"f", "Zg==", "Zg"},
        {"fo", "Zm8=", "Zm8"},
        {"foo", "Zm9v", "Zm9v"},
        {"foob", "Zm9vYg==", "Zm9vYg"},
        {"fooba", "Zm9vYmE=", "Zm9vYmE"},
        {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
        {"\xff\xef\xbe", "/+++", "_---"},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        expect(NKI_BASE64_PADDED, rows[i][0], rows[i][1]);
        expect(NKI_BASE64_URL, rows[i][0], rows[i][2]);
    }
}

static void test_malformed(void **state)
{
    (void)state;
    static const char *const padded[] = {"Z",      "Zg",   "Zg=",      "Zg===", "====",
                                         "=",      "Zh==", "Zm9=",     "Zm-v",  "Zm 9v",
                                         "Zm9v\n", "Z=g=", "Zg==Zg==", "_---",  "\xc3\xa4=="};
    static const char *const url[] = {"Z", "Zg==", "Zh", "Zm9", "/+++", "Zm9vY", "Zm9v=", "a.b", "Zm9v "};
    char out[64];
    for (size_t i = 0; i < NKI_ARRAY_LEN(padded); i++) {
        assert_int_equal(nki_base64_decode(NKI_BASE64_PADDED, nki_str_z(padded[i]), out, sizeof out), -1);
    }
    for (size_t i = 0; i < NKI_ARRAY_LEN(url); i++) {
        assert_int_equal(nki_base64_decode(NKI_BASE64_URL, nki_str_z(url[i]), out, sizeof out), -1);
    }
}

static void test_every_length(void **state)
{
    (void)state;
    uint8_t bytes[100];
    uint8_t back[100];
    char text[NKI_BASE64_LEN(sizeof bytes)];
    nki_rand_system(bytes, sizeof bytes);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        for (int kind = NKI_BASE64_PADDED; kind <= NKI_BASE64_URL; kind++) {
            size_t wrote = nki_base64_encode((enum nki_base64)kind, bytes, len, text);
            assert_true(wrote <= NKI_BASE64_LEN(len));
            assert_true(kind == NKI_BASE64_URL || wrote == NKI_BASE64_LEN(len));
            assert_int_equal(nki_base64_decode((enum nki_base64)kind, nki_str_make(text, wrote), back, len),
                             (ptrdiff_t)len);
            assert_memory_equal(back, bytes, len);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_every_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
