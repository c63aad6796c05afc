/* Base32: RFC 4648's table without its padding, what is malformed, and every length there and back. */
#include "auth/base32.h"

#include "../base/cmocka_all.h"
#include "base/rand.h"

static void test_vectors(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"", ""},
        {"f", "MY"},
        {"fo", "MZXQ"},
        {"foo", "MZXW6"},
        {"foob", "MZXW6YQ"},
        {"fooba", "MZXW6YTB"},
        {"foobar", "MZXW6YTBOI"},
    };
    char out[64];
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        size_t len = strlen(rows[i][0]);
        size_t wrote = nki_base32_encode(rows[i][0], len, out);
        assert_int_equal(wrote, NKI_BASE32_LEN(len));
        assert_int_equal(wrote, strlen(rows[i][1]));
        assert_memory_equal(out, rows[i][1], wrote);
        assert_int_equal(nki_base32_decode(nki_str_z(rows[i][1]), out, len), (ptrdiff_t)len);
        assert_memory_equal(out, rows[i][0], len);
        if (len > 0) {
            assert_int_equal(nki_base32_decode(nki_str_z(rows[i][1]), out, len - 1), -1);
        }
    }
}

static void test_malformed(void **state)
{
    (void)state;
    static const char *const rows[] = {"M",  "MZX",  "MZXW6Y", "my",       "MY======", "M1",
                                       "M0", "M8",   "M9",     "MZ",       "MZXR",     "MZXW6YR",
                                       "M ", "MY\n", "M\xc3",  "MZXW6YTBM"};
    char out[64];
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        assert_int_equal(nki_base32_decode(nki_str_z(rows[i]), out, sizeof out), -1);
    }
}

static void test_every_length(void **state)
{
    (void)state;
    uint8_t bytes[64];
    uint8_t back[64];
    char text[NKI_BASE32_LEN(sizeof bytes)];
    nki_rand_system(bytes, sizeof bytes);
    for (size_t len = 0; len <= sizeof bytes; len++) {
        size_t wrote = nki_base32_encode(bytes, len, text);
        assert_int_equal(wrote, NKI_BASE32_LEN(len));
        assert_int_equal(nki_base32_decode(nki_str_make(text, wrote), back, len), (ptrdiff_t)len);
        assert_memory_equal(back, bytes, len);
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
