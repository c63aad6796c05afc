/* Keys as text: pairs that other implementations of nkeys have published, every role, every damaged
 * character, and roles that are none. */
#include "auth/nkey.h"

#include "../base/cmocka_all.h"
#include "auth/base32.h"

static const char *const pairs[][2] = {
    {"SUAMLK2ZNL35WSMW37E7UD4VZ7ELPKW7DHC3BWBSD2GCZ7IUQQXZIORRBU",
     "UCK5N7N66OBOINFXAYC2ACJQYFSOD4VYNU6APEJTAVFZB2SVHLKGEW7L"},
    {"SUAMK2FG4MI6UE3ACF3FK3OIQBCEIEZV7NSWFFEW63UXMRLFM2XLAXK4GY",
     "UAT6BWCSCWLUKJT6K6MBJJOEOTXZ5AJDOYKNEVRFC7VNO6OA43N4TRNO"},
    {"SOAELH6NJCEK4HST5644G4HK7TOAFZGRRJHNM4EUKUY7PPNDLIKO5IH4JM",
     "ODPWIBQJVIQ42462QAFI2RKJC4RZHCQSIVPRDDHWFCJAP52NRZK6Z2YC"},
    {"SAAASUPRY3ONU4GJR7J5RUVYRUFZXG56F4WEXELLLORQ65AEPSMIFTOJGE",
     "AAPQJQUPKVXGW5CZH5G2HFJULYSKDELAZRVWJA26VDZO7WSBUNIYRFNQ"},
};

static void test_published_pairs(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(pairs); i++) {
        struct nki_nkey seed;
        struct nki_nkey key;
        char text[NKI_NKEY_PUBLIC_LEN];
        char back[NKI_NKEY_SEED_LEN];
        assert_int_equal(nki_nkey_read_seed(nki_str_z(pairs[i][0]), &seed, NULL), NKI_OK);
        assert_int_equal(seed.role, pairs[i][0][1]);
        assert_int_equal(nki_nkey_public(&seed, text, NULL), NKI_OK);
        assert_memory_equal(text, pairs[i][1], sizeof text);
        nki_nkey_write_seed(&seed, back);
        assert_memory_equal(back, pairs[i][0], sizeof back);
        assert_int_equal(nki_nkey_read_public(nki_str_z(pairs[i][1]), &key, NULL), NKI_OK);
        assert_int_equal(key.role, pairs[i][1][0]);
        nki_nkey_wipe(&seed);
        assert_int_equal(seed.role, 0);
        assert_int_equal(seed.bytes[31], 0);
    }
}

static void test_roles(void **state)
{
    (void)state;
    static const char roles[] = "UAONC";
    for (const char *role = roles; *role != '\0'; role++) {
        char text[NKI_NKEY_SEED_LEN];
        char other[NKI_NKEY_SEED_LEN];
        char public[NKI_NKEY_PUBLIC_LEN];
        struct nki_nkey key;
        nki_nkey_create(*role, text);
        nki_nkey_create(*role, other);
        assert_memory_not_equal(text, other, sizeof text);
        assert_int_equal(text[0], 'S');
        assert_int_equal(text[1], *role);
        assert_int_equal(nki_nkey_read_seed(nki_str_make(text, sizeof text), &key, NULL), NKI_OK);
        assert_int_equal(key.role, *role);
        assert_int_equal(nki_nkey_public(&key, public, NULL), NKI_OK);
        assert_int_equal(public[0], *role);
        assert_int_equal(nki_nkey_read_public(nki_str_make(public, sizeof public), &key, NULL), NKI_OK);
        assert_true(strlen(nki_nkey_role_name(*role)) > 5);
    }
    for (int32_t role = -1; role < 256; role++) {
        assert_int_equal(nki_nkey_role_ok(role), role > 0 && strchr(roles, role) != NULL);
    }
}

static void expect_bad(struct nki_str text, bool seed)
{
    struct nki_nkey key;
    struct nki_error err = {0};
    int32_t status = seed ? nki_nkey_read_seed(text, &key, &err) : nki_nkey_read_public(text, &key, &err);
    assert_int_equal(status, NKI_CREDENTIALS);
    assert_int_equal(err.status, NKI_CREDENTIALS);
    assert_true(text.len < 8 || memmem(err.text, strlen(err.text), text.ptr, 8) == NULL);
    assert_int_equal(key.role, 0);
}

/* A checksum of 16 bits finds each burst of at most 16 bits, so each changed character. */
static void test_every_damage(void **state)
{
    (void)state;
    for (int seed = 0; seed <= 1; seed++) {
        const char *good = pairs[0][seed ? 0 : 1];
        size_t len = strlen(good);
        char text[64];
        for (size_t at = 0; at < len; at++) {
            for (int c = 1; c < 256; c++) {
                memcpy(text, good, len + 1);
                text[at] = (char)c;
                if (text[at] != good[at]) {
                    expect_bad(nki_str_make(text, len), seed == 1);
                }
            }
            memcpy(text, good, len + 1);
            expect_bad(nki_str_make(text, at), seed == 1);
        }
        memcpy(text, good, len);
        text[len] = 'A';
        text[len + 1] = '\0';
        expect_bad(nki_str_make(text, len + 1), seed == 1);
    }
}

/* Texts with a right checksum whose first bytes are no role, or of a kind that is not ours. */
static void test_strange_prefixes(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned second = 0; second < 256; second += first == 0x95 || first == 0x90 ? 1 : 51) {
            struct nki_nkey model = {.role = 'U', .bytes = {7}};
            struct nki_nkey key;
            char text[NKI_NKEY_SEED_LEN];
            uint8_t raw[36];
            nki_nkey_write_seed(&model, text);
            assert_int_equal(nki_base32_decode(nki_str_make(text, sizeof text), raw, sizeof raw), 36);
            uint32_t crc = 0;
            raw[0] = (uint8_t)first;
            raw[1] = (uint8_t)second;
            for (size_t i = 0; i < 34; i++) {
                crc ^= (uint32_t)raw[i] << 8;
                for (int bit = 0; bit < 8; bit++) {
                    crc = (crc << 1 ^ ((crc & 0x8000) != 0 ? 0x1021 : 0)) & 0xFFFF;
                }
            }
            raw[34] = (uint8_t)crc;
            raw[35] = (uint8_t)(crc >> 8);
            nki_base32_encode(raw, sizeof raw, text);
            bool known = nki_nkey_role_ok(text[1]) && text[0] == 'S' && (raw[1] & 7) == 0 &&
                         ((raw[0] & 7) << 5 | raw[1] >> 3) == (text[1] - 'A') << 3;
            int32_t status = nki_nkey_read_seed(nki_str_make(text, sizeof text), &key, NULL);
            assert_int_equal(status, known ? NKI_OK : NKI_CREDENTIALS);
        }
    }
}

static void test_seed_for_public(void **state)
{
    (void)state;
    struct nki_nkey key;
    struct nki_error err;
    assert_int_equal(nki_nkey_read_public(nki_str_z(pairs[0][0]), &key, &err), NKI_CREDENTIALS);
    assert_non_null(strstr(err.text, "seed"));
    assert_null(strstr(err.text, "SUAM"));
    assert_int_equal(nki_nkey_read_seed(nki_str_make("", 0), &key, &err), NKI_CREDENTIALS);
    assert_int_equal(nki_nkey_read_public(nki_str_make("", 0), &key, &err), NKI_CREDENTIALS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_pairs), cmocka_unit_test(test_roles),
        cmocka_unit_test(test_every_damage),    cmocka_unit_test(test_strange_prefixes),
        cmocka_unit_test(test_seed_for_public),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
