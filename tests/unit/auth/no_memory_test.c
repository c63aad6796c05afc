/* Every allocation of ours fails once, then every one of OpenSSL: nothing is lost, nothing of a secret stays
 * behind half, and the error is that there is no memory. OpenSSL's allocator is replaced for this program,
 * which works only before its first use. */
#include "../base/cmocka_all.h"
#include "../base/refuse.h"
#include "auth/credentials.h"
#include "auth/nkey.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#define SEED "SUAMLK2ZNL35WSMW37E7UD4VZ7ELPKW7DHC3BWBSD2GCZ7IUQQXZIORRBU"
#define OTHER_SEED "SUAMK2FG4MI6UE3ACF3FK3OIQBCEIEZV7NSWFFEW63UXMRLFM2XLAXK4GY"
#define PUBLIC "UCK5N7N66OBOINFXAYC2ACJQYFSOD4VYNU6APEJTAVFZB2SVHLKGEW7L"
#define ACCOUNT_SEED "SAAASUPRY3ONU4GJR7J5RUVYRUFZXG56F4WEXELLLORQ65AEPSMIFTOJGE"
#define CREDS                                                                                                \
    "---BEGIN NATS USER JWT---\neyJ0eXAiOiJKV1QifQ.eyJzdWIiOiJVIn0.c2ln\n---END NATS USER JWT---\n"          \
    "---BEGIN USER NKEY SEED---\n" SEED "\n---END USER NKEY SEED---\n"

static struct nki_credentials creds;
static struct nki_buf out;

static int32_t read_creds(void)
{
    return nki_credentials_from_creds(NKI_STR(CREDS), &creds, NULL);
}

static int32_t read_seed(void)
{
    return nki_credentials_from_seed(NKI_STR(SEED), &creds, NULL);
}

static int32_t sign(void)
{
    char text[NKI_SIGNATURE_TEXT_CAP];
    return nki_credentials_sign(&creds, NKI_STR("nonce"), text, NULL);
}

static int32_t issue(void)
{
    static const struct nki_str tag = {"tag", 3};
    const struct nki_jwt_user user = {.user = NKI_STR(PUBLIC), .tags = &tag, .tag_count = 1};
    return nki_jwt_issue_user(&out, NKI_STR(ACCOUNT_SEED), &user, NULL);
}

static int32_t expiry(void)
{
    int64_t expires;
    return nki_jwt_expiry(NKI_STR("e30.e30.c2ln"), &expires, NULL);
}

static int32_t verify(void)
{
    struct nki_nkey seed;
    struct nki_nkey key;
    uint8_t signature[NKI_ED25519_SIGNATURE];
    char text[NKI_NKEY_PUBLIC_LEN];
    int32_t status = nki_nkey_read_seed(NKI_STR(SEED), &seed, NULL);
    if (status == NKI_OK) {
        status = nki_nkey_public(&seed, text, NULL);
    }
    if (status == NKI_OK) {
        status = nki_nkey_read_public(nki_str_make(text, sizeof text), &key, NULL);
    }
    if (status == NKI_OK) {
        status = nki_ed25519_sign(seed.bytes, NKI_STR("x"), signature, NULL);
    }
    return status == NKI_OK ? nki_ed25519_verify(key.bytes, NKI_STR("x"), signature, NULL) : status;
}

static int32_t (*const calls[])(void) = {read_creds, read_seed, sign, issue, expiry, verify};

static void prepare(void)
{
    nki_credentials_free(&creds);
    nki_buf_free(&out);
    assert_int_equal(nki_credentials_from_seed(NKI_STR(OTHER_SEED), &creds, NULL), NKI_OK);
}

static void expect_untouched(void)
{
    assert_string_equal(creds.seed.ptr, OTHER_SEED);
    assert_null(creds.jwt.ptr);
}

static void test_ours(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(calls); i++) {
        bool going = true;
        for (long nth = 1; going; nth++) {
            prepare();
            refuse_end();
            atomic_store(&refuse_left, nth);
            nki_alloc_gate_set(refuse_gate);
            int32_t status = calls[i]();
            going = refuse_happened();
            refuse_end();
            assert_int_equal(status, going ? NKI_NO_MEMORY : NKI_OK);
            if (going) {
                expect_untouched();
            }
            assert_true(nth < 50);
        }
    }
    nki_credentials_free(&creds);
    nki_buf_free(&out);
    assert_int_equal(nki_alloc_bytes(), 0);
}

/* -- OpenSSL's ------------------------------------------------------------------------------------------- */

static long theirs_left;

static bool theirs_refused(void)
{
    return theirs_left > 0 && --theirs_left == 0;
}

static void *their_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return theirs_refused() ? NULL : malloc(size);
}

static void *their_realloc(void *ptr, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return theirs_refused() ? NULL : realloc(ptr, size);
}

static void their_free(void *ptr, const char *file, int line)
{
    (void)file;
    (void)line;
    free(ptr);
}

static void test_theirs(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(calls); i++) {
        bool going = true;
        for (long nth = 1; going; nth++) {
            prepare();
            theirs_left = nth;
            int32_t status = calls[i]();
            going = theirs_left == 0;
            theirs_left = 0;
            /* OpenSSL does not tell each time why it gives up, and does without some of its memory. */
            assert_true(status == NKI_OK || (going && (status == NKI_NO_MEMORY || status == NKI_INTERNAL ||
                                                       status == NKI_SIGNATURE)));
            if (status != NKI_OK) {
                expect_untouched();
            }
            assert_true(nth < 500);
        }
    }
    nki_credentials_free(&creds);
    nki_buf_free(&out);
    assert_int_equal(nki_alloc_bytes(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ours),
        cmocka_unit_test(test_theirs),
    };
    if (CRYPTO_set_mem_functions(their_malloc, their_realloc, their_free) != 1) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
