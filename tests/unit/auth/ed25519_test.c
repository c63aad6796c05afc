/* Ed25519 and SHA-256: RFC 8032's tests 1 to 3 and "SHA(abc)", FIPS 180's "abc", what does not verify, and
 * that OpenSSL's queue of errors stays the host's. */
#include "auth/ed25519.h"

#include "../base/cmocka_all.h"

#include <openssl/err.h>
#include <stdlib.h>

struct vector {
    const char *seed;
    const char *key;
    const char *message;
    const char *signature;
};

static const struct vector vectors[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f"
     "0595b"
     "be24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2ea"
     "eb430"
     "2aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e"
     "9716e"
     "d28dc027beceea1ec40a"},
    {"833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
     "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d442"
     "3643c"
     "e80e2a9ac94fa54ca49f",
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179"
     "c138a"
     "c17ad9bef1177331a704"},
};

static size_t unhex(const char *text, uint8_t *out)
{
    size_t len = strlen(text) / 2;
    for (size_t i = 0; i < len; i++) {
        char pair[3] = {text[2 * i], text[2 * i + 1], '\0'};
        out[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return len;
}

static void test_rfc8032(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(vectors); i++) {
        uint8_t seed[32];
        uint8_t key[32];
        uint8_t wanted[64];
        uint8_t got[64];
        uint8_t message[64];
        unhex(vectors[i].seed, seed);
        unhex(vectors[i].key, wanted);
        struct nki_str data = nki_str_make((const char *)message, unhex(vectors[i].message, message));
        assert_int_equal(nki_ed25519_public(seed, key, NULL), NKI_OK);
        assert_memory_equal(key, wanted, sizeof key);
        unhex(vectors[i].signature, wanted);
        assert_int_equal(nki_ed25519_sign(seed, data, got, NULL), NKI_OK);
        assert_memory_equal(got, wanted, sizeof got);
        assert_int_equal(nki_ed25519_verify(key, data, got, NULL), NKI_OK);
        for (int bit = 0; bit < 512; bit += 37) {
            got[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_equal(nki_ed25519_verify(key, data, got, NULL), NKI_SIGNATURE);
            got[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        assert_int_equal(nki_ed25519_verify(key, NKI_STR("another message"), got, NULL), NKI_SIGNATURE);
    }
}

static void test_no_point(void **state)
{
    (void)state;
    uint8_t key[32];
    uint8_t signature[64] = {0};
    struct nki_error err;
    memset(key, 0xFF, sizeof key);
    assert_int_equal(nki_ed25519_verify(key, NKI_STR("x"), signature, &err), NKI_SIGNATURE);
    assert_int_equal(err.status, NKI_SIGNATURE);
}

static void test_sha256(void **state)
{
    (void)state;
    uint8_t got[32];
    uint8_t wanted[32];
    unhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", wanted);
    assert_int_equal(nki_sha256(NKI_STR("abc"), got, NULL), NKI_OK);
    assert_memory_equal(got, wanted, sizeof got);
    unhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", wanted);
    assert_int_equal(nki_sha256(nki_str_make("", 0), got, NULL), NKI_OK);
    assert_memory_equal(got, wanted, sizeof got);
}

static void test_queue_of_errors(void **state)
{
    (void)state;
    uint8_t key[32] = {1};
    uint8_t signature[64];
    memset(signature, 0xFF, sizeof signature);
    ERR_clear_error();
    ERR_raise(ERR_LIB_USER, 42); /* the host's */
    assert_int_equal(nki_ed25519_verify(key, NKI_STR("x"), signature, NULL), NKI_SIGNATURE);
    assert_int_equal(nki_ed25519_sign(key, NKI_STR("x"), signature, NULL), NKI_OK);
    assert_int_equal(ERR_GET_REASON(ERR_get_error()), 42);
    assert_int_equal(ERR_get_error(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc8032),
        cmocka_unit_test(test_no_point),
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_queue_of_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
