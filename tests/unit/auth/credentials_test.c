/* Credentials: files as the tools write them and as they must not be, seeds, signatures, what is kept when
 * something fails, and that no error text holds a secret. */
#include "auth/credentials.h"

#include "../base/cmocka_all.h"
#include "auth/nkey.h"
#include "base/alloc.h"
#include "base/base64.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#define JWT "eyJ0eXAiOiJKV1QifQ.eyJzdWIiOiJVIn0.c2lnbmF0dXJl"
#define SEED "SUAMLK2ZNL35WSMW37E7UD4VZ7ELPKW7DHC3BWBSD2GCZ7IUQQXZIORRBU"
#define PUBLIC "UCK5N7N66OBOINFXAYC2ACJQYFSOD4VYNU6APEJTAVFZB2SVHLKGEW7L"
#define OTHER_SEED "SUAMK2FG4MI6UE3ACF3FK3OIQBCEIEZV7NSWFFEW63UXMRLFM2XLAXK4GY"
#define ACCOUNT_SEED "SAAASUPRY3ONU4GJR7J5RUVYRUFZXG56F4WEXELLLORQ65AEPSMIFTOJGE"

#define BEGIN_JWT "-----BEGIN NATS USER JWT-----\n"
#define END_JWT "------END NATS USER JWT------\n"
#define BEGIN_SEED "-----BEGIN USER NKEY SEED-----\n"
#define END_SEED "------END USER NKEY SEED------\n"

void __wrap_free(void *ptr);
void __real_free(void *ptr);

static uint8_t seed_bytes[2][NKI_ED25519_KEY];
static unsigned leaks; /* blocks of ours that were freed with a seed in them, as text or as bytes */

static bool holds(const void *block, size_t size, const void *what, size_t len)
{
    return memmem(block, size, what, len) != NULL;
}

void __wrap_free(void *ptr)
{
    size_t size = ptr != NULL ? malloc_usable_size(ptr) : 0;
    if (size >= NKI_ED25519_KEY &&
        (holds(ptr, size, SEED, 20) || holds(ptr, size, OTHER_SEED, 20) || holds(ptr, size, JWT, 20) ||
         holds(ptr, size, seed_bytes[0], NKI_ED25519_KEY) ||
         holds(ptr, size, seed_bytes[1], NKI_ED25519_KEY))) {
        leaks++;
    }
    __real_free(ptr);
}

/* The test's own copies go this way. */
static void free_copy(char *copy, size_t len)
{
    explicit_bzero(copy, len);
    free(copy);
}

static int read_seeds(void **state)
{
    (void)state;
    static const char *const seeds[] = {SEED, OTHER_SEED};
    for (size_t i = 0; i < 2; i++) {
        struct nki_nkey key;
        if (nki_nkey_read_seed(nki_str_z(seeds[i]), &key, NULL) != NKI_OK) {
            return -1;
        }
        memcpy(seed_bytes[i], key.bytes, sizeof key.bytes);
    }
    return 0;
}

/* Runs last: nothing of all that the tests before have done was left in freed memory. */
static void test_freed_memory(void **state)
{
    (void)state;
    assert_int_equal(leaks, 0);
    char *block = malloc(200);
    memcpy(block, SEED, sizeof SEED);
    __wrap_free(block); /* by this name: what is written just before a free is left out by the compiler */
    assert_int_equal(leaks, 1);
}

static void expect_secret(const struct nki_secret *secret, const char *text)
{
    assert_int_equal(nki_secret_str(secret).len, strlen(text));
    assert_string_equal(nki_secret_str(secret).ptr, text);
}

/* From a block of its own size, so that a sanitizer sees a byte read behind it. */
static int32_t from_creds(const char *text, size_t len, struct nki_credentials *creds, struct nki_error *err)
{
    char *copy = malloc(len > 0 ? len : 1);
    memcpy(copy, text, len);
    int32_t status = nki_credentials_from_creds(nki_str_make(copy, len), creds, err);
    free_copy(copy, len);
    return status;
}

static void test_good_files(void **state)
{
    (void)state;
    static const char *const rows[] = {
        BEGIN_JWT JWT "\n" END_JWT "\n" BEGIN_SEED SEED "\n" END_SEED,
        "---BEGIN NATS USER JWT---\n" JWT "\n---END NATS USER JWT---\n---BEGIN USER NKEY SEED---\n" SEED
        "\n---END USER NKEY SEED---",
        "----------BEGIN NATS USER JWT---\r\n" JWT "\r\n---END NATS USER JWT--------\r\n\r\n"
        "-----BEGIN USER NKEY SEED-----\r\n" SEED "\r\n------END USER NKEY SEED------\r\n",
        "any words\n\n" BEGIN_JWT "\n  " JWT " \t\n\n" END_JWT "****\nNKEYs are --- sensitive\n" BEGIN_SEED
        "\n" SEED "\n\n" END_SEED "more\n---- of ----\n",
        "  " BEGIN_JWT JWT "\n\t" END_JWT BEGIN_SEED SEED "\n" END_SEED "\n",
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_credentials creds = {0};
        uint64_t before = nki_alloc_bytes();
        struct nki_error err = {0};
        if (from_creds(rows[i], strlen(rows[i]), &creds, &err) != NKI_OK) {
            fail_msg("file %zu: %s", i, err.text);
        }
        expect_secret(&creds.jwt, JWT);
        expect_secret(&creds.seed, SEED);
        expect_secret(&creds.nkey, PUBLIC);
        assert_null(creds.user.ptr);
        nki_credentials_free(&creds);
        assert_int_equal(nki_alloc_bytes(), before);
    }
}

static void test_bad_files(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *says;
    } rows[] = {
        {"", "no block \"NATS USER JWT\""},
        {JWT "\n" SEED "\n", "no block"},
        {BEGIN_JWT JWT "\n" END_JWT, "no block \"USER NKEY SEED\""},
        {BEGIN_SEED SEED "\n" END_SEED, "no block \"NATS USER JWT\""},
        {BEGIN_SEED SEED "\n" END_SEED BEGIN_JWT JWT "\n" END_JWT, "no block \"USER NKEY SEED\""},
        {BEGIN_JWT END_JWT BEGIN_SEED SEED "\n" END_SEED, "nothing stands in block"},
        {BEGIN_JWT JWT "\n", "no end line"},
        {BEGIN_JWT JWT "\n" END_JWT BEGIN_SEED SEED, "no end line"},
        {BEGIN_JWT JWT "\n" BEGIN_SEED SEED "\n" END_SEED, "another block"},
        {BEGIN_JWT JWT "\n" JWT "\n" END_JWT BEGIN_SEED SEED "\n" END_SEED, "two lines"},
        {BEGIN_JWT "a.b\n" END_JWT BEGIN_SEED SEED "\n" END_SEED, "JWT"},
        {BEGIN_JWT "a..b\n" END_JWT BEGIN_SEED SEED "\n" END_SEED, "JWT"},
        {BEGIN_JWT "a.b.c.d\n" END_JWT BEGIN_SEED SEED "\n" END_SEED, "JWT"},
        {BEGIN_JWT "a.b\".c\n" END_JWT BEGIN_SEED SEED "\n" END_SEED, "JWT"},
        {BEGIN_JWT "a.b.c d\n" END_JWT BEGIN_SEED SEED "\n" END_SEED, "JWT"},
        {BEGIN_JWT JWT "\n" END_JWT BEGIN_SEED SEED "A\n" END_SEED, "malformed"},
        {BEGIN_JWT JWT "\n" END_JWT BEGIN_SEED PUBLIC "\n" END_SEED, "does not begin with S"},
        {BEGIN_JWT JWT "\n" END_JWT BEGIN_SEED ACCOUNT_SEED "\n" END_SEED, "an account's"},
        {"--BEGIN NATS USER JWT--\n" JWT "\n" END_JWT BEGIN_SEED SEED "\n" END_SEED, "no block"},
        {"-----begin nats user jwt-----\n" JWT "\n" END_JWT BEGIN_SEED SEED "\n" END_SEED, "no block"},
        {"-----BEGIN NATS USER JWT-----" JWT "\n" END_JWT BEGIN_SEED SEED "\n" END_SEED, "no block"},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_credentials creds = {0};
        struct nki_error err = {0};
        assert_int_equal(from_creds(rows[i].text, strlen(rows[i].text), &creds, &err), NKI_CREDENTIALS);
        if (strstr(err.text, rows[i].says) == NULL) {
            fail_msg("file %zu: %s", i, err.text);
        }
        assert_null(strstr(err.text, "eyJ0"));
        assert_null(strstr(err.text, "SUAM"));
        assert_null(creds.jwt.ptr);
        assert_null(creds.seed.ptr);
    }
}

static void test_size(void **state)
{
    (void)state;
    static const char tail[] = "\n" BEGIN_JWT JWT "\n" END_JWT BEGIN_SEED SEED "\n" END_SEED;
    size_t len = NKI_CREDENTIALS_TEXT_MAX + 1;
    char *text = malloc(len);
    struct nki_credentials creds = {0};
    struct nki_error err;
    memset(text, '-', len);
    memcpy(text + len - (sizeof tail - 1), tail, sizeof tail - 1);
    assert_int_equal(from_creds(text + 1, len - 1, &creds, &err), NKI_OK);
    assert_int_equal(from_creds(text, len, &creds, &err), NKI_CREDENTIALS);
    assert_int_equal(nki_credentials_from_seed(nki_str_make(text, len), &creds, &err), NKI_CREDENTIALS);
    nki_credentials_free(&creds);
    free_copy(text, len);
}

static void test_seeds(void **state)
{
    (void)state;
    static const char *const good[] = {
        SEED,
        SEED "\n",
        " \r\n\t" SEED " \r\n",
        BEGIN_SEED SEED "\n" END_SEED,
        BEGIN_JWT JWT "\n" END_JWT BEGIN_SEED SEED "\n" END_SEED,
    };
    static const char *const bad[] = {"",           " \n", PUBLIC,         SEED SEED, SEED "\n" SEED,
                                      ACCOUNT_SEED, "SU",  BEGIN_SEED SEED};
    struct nki_credentials creds = {0};
    for (size_t i = 0; i < NKI_ARRAY_LEN(good); i++) {
        assert_int_equal(nki_credentials_from_seed(nki_str_z(good[i]), &creds, NULL), NKI_OK);
        expect_secret(&creds.seed, SEED);
        expect_secret(&creds.nkey, PUBLIC);
        assert_null(creds.jwt.ptr);
        nki_credentials_free(&creds);
    }
    for (size_t i = 0; i < NKI_ARRAY_LEN(bad); i++) {
        struct nki_error err;
        assert_int_equal(nki_credentials_from_seed(nki_str_z(bad[i]), &creds, &err), NKI_CREDENTIALS);
        assert_null(creds.seed.ptr);
        assert_null(strstr(err.text, "SUAM"));
    }
}

static void test_merging(void **state)
{
    (void)state;
    struct nki_credentials creds = {0};
    assert_true(nki_secret_set(&creds.user, NKI_STR("derek")));
    assert_int_equal(nki_credentials_from_seed(nki_str_z(OTHER_SEED), &creds, NULL), NKI_OK);
    expect_secret(&creds.user, "derek");
    assert_int_equal(nki_credentials_from_creds(NKI_STR("nonsense"), &creds, NULL), NKI_CREDENTIALS);
    expect_secret(&creds.seed, OTHER_SEED);
    assert_int_equal(nki_credentials_from_creds(
                         NKI_STR(BEGIN_JWT JWT "\n" END_JWT BEGIN_SEED SEED "\n" END_SEED), &creds, NULL),
                     NKI_OK);
    expect_secret(&creds.seed, SEED);
    expect_secret(&creds.jwt, JWT);
    assert_int_equal(nki_credentials_from_seed(nki_str_z(OTHER_SEED), &creds, NULL), NKI_OK);
    expect_secret(&creds.jwt, JWT);
    expect_secret(&creds.user, "derek");
    /* A part of itself. */
    assert_true(nki_secret_set(&creds.user, nki_str_make(creds.user.ptr + 1, 3)));
    expect_secret(&creds.user, "ere");
    assert_true(nki_secret_set(&creds.user, nki_str_make(NULL, 0)));
    assert_null(creds.user.ptr);
    nki_credentials_free(&creds);
    nki_credentials_free(&creds);
}

/* Signatures that another implementation has published. */
static void test_signing(void **state)
{
    (void)state;
    struct nki_credentials creds = {0};
    struct nki_error err;
    char out[NKI_SIGNATURE_TEXT_CAP];
    char long_nonce[NKI_NONCE_MAX + 1];
    assert_int_equal(nki_credentials_sign(&creds, NKI_STR("nonce"), out, &err), NKI_CREDENTIALS);
    assert_string_equal(out, "");
    assert_int_equal(nki_credentials_from_seed(nki_str_z(SEED), &creds, NULL), NKI_OK);
    assert_int_equal(nki_credentials_sign(&creds, NKI_STR("PXoWU7zWAMt75FY"), out, &err), NKI_OK);
    assert_string_equal(
        out, "ZaAiVDgB5CeYoXoQ7cBCmq+ZllzUnGUoDVb8C7PilWvCs8XKfUchAUhz2P4BYAF++Dg3w05CqyQFRDiGL6LrDw==");
    assert_int_equal(nki_credentials_sign(&creds, NKI_STR(""), out, &err), NKI_PROTOCOL);
    assert_string_equal(out, "");
    memset(long_nonce, 'n', sizeof long_nonce);
    assert_int_equal(nki_credentials_sign(&creds, nki_str_make(long_nonce, NKI_NONCE_MAX), out, &err),
                     NKI_OK);
    assert_int_equal(nki_credentials_sign(&creds, nki_str_make(long_nonce, sizeof long_nonce), out, &err),
                     NKI_PROTOCOL);
    assert_int_equal(nki_credentials_from_seed(nki_str_z(OTHER_SEED), &creds, NULL), NKI_OK);
    assert_int_equal(nki_credentials_sign(&creds, NKI_STR("nonce"), out, &err), NKI_OK);
    assert_string_equal(
        out, "m50It12aTgfbJwsQhucujqhXbsq7tLM+Mf/hSjBQsG/4onm8y2Vkw6JG1bbcDkdxXe+Ng0K+7X9ov4rZ4wFcDg==");
    nki_credentials_free(&creds);
}

static void test_format(void **state)
{
    (void)state;
    struct nki_credentials creds = {0};
    char out[1024];
    size_t len = nki_creds_format(nki_str_z(JWT), nki_str_z(SEED), out, sizeof out);
    assert_true(len < sizeof out);
    assert_int_equal(from_creds(out, len, &creds, NULL), NKI_OK);
    expect_secret(&creds.jwt, JWT);
    expect_secret(&creds.seed, SEED);
    nki_credentials_free(&creds);
    out[0] = 'x';
    assert_int_equal(nki_creds_format(nki_str_z(JWT), nki_str_z(SEED), out, len - 1), len);
    assert_int_equal(out[0], 'x');
    assert_int_equal(nki_creds_format(nki_str_z(JWT), nki_str_z(SEED), NULL, 0), len);
    assert_int_equal(nki_creds_format(nki_str_z(JWT), nki_str_z(SEED), out, len), len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_files), cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_size),       cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_merging),    cmocka_unit_test(test_signing),
        cmocka_unit_test(test_format),     cmocka_unit_test(test_freed_memory),
    };
    return cmocka_run_group_tests(tests, read_seeds, NULL);
}
