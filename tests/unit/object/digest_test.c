/* Digests as clients write them. One thread. */
#include "object/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define EMPTY "SHA-256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU="

static void test_pieces(void **state)
{
    (void)state;
    uint8_t hash[NKI_DIGEST_BYTES];
    char text[NKI_DIGEST_TEXT];
    struct nki_digest *digest = nki_digest_new();
    assert_non_null(digest);
    assert_true(nki_digest_add(digest, "", 0));
    assert_true(nki_digest_add(digest, "a", 1));
    assert_true(nki_digest_add(digest, "bc", 2));
    assert_true(nki_digest_end(digest, hash));
    nki_digest_free(digest);
    nki_digest_write(hash, text);
    assert_memory_equal(text, "SHA-256=ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0=", sizeof text);
}

static void test_read(void **state)
{
    (void)state;
    static const char *const right[] = {
        EMPTY,
        "sha-256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=",
        "Sha-256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
        "SHA-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "SHA-256=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "SHA-256=E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
    };
    static const char *const wrong[] = {
        "",
        "SHA-256=",
        "SHA-25",
        "SHA-512=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=",
        "SHA-256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFV=", /* bits left over */
        "SHA-256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFUA",
        "SHA-256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU==",
        "SHA-256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuF",
        "SHA-256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSu U=",
        "SHA-256=g3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    };
    uint8_t empty[NKI_DIGEST_BYTES];
    uint8_t hash[NKI_DIGEST_BYTES];
    assert_true(nki_digest_read(NKI_STR(EMPTY), empty));
    assert_int_equal(empty[0], 0xe3);
    assert_int_equal(empty[31], 0x55);
    for (size_t i = 0; i < NKI_ARRAY_LEN(right); i++) {
        memset(hash, 0, sizeof hash);
        assert_true(nki_digest_read(nki_str_z(right[i]), hash));
        assert_memory_equal(hash, empty, sizeof hash);
    }
    for (size_t i = 0; i < NKI_ARRAY_LEN(wrong); i++) {
        assert_false(nki_digest_read(nki_str_z(wrong[i]), hash));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pieces), cmocka_unit_test(test_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
