/* Fuzzes what is read of credentials files, seeds, keys and JWTs: what is taken is well formed and can be
 * written and read again, what is refused leaves no trace, and no error text holds a piece of a seed. One
 * thread. */
#include "auth/credentials.h"
#include "auth/nkey.h"
#include "base/alloc.h"
#include "base/base64.h"

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_refusal(int32_t status, const struct nki_error *err)
{
    CHECK(status == NKI_CREDENTIALS && err->status == status);
    CHECK(nki_str_utf8_valid(nki_str_z(err->text)) && err->text[0] != '\0');
}

static void check_seed(const struct nki_credentials *creds)
{
    struct nki_nkey key;
    char text[NKI_NKEY_SEED_LEN];
    char signature[NKI_SIGNATURE_TEXT_CAP];
    CHECK(nki_nkey_read_seed(nki_secret_str(&creds->seed), &key, NULL) == NKI_OK && key.role == 'U');
    nki_nkey_write_seed(&key, text);
    CHECK(nki_str_eq(nki_secret_str(&creds->seed), nki_str_make(text, sizeof text)));
    CHECK(nki_nkey_read_public(nki_secret_str(&creds->nkey), &key, NULL) == NKI_OK && key.role == 'U');
    CHECK(nki_credentials_sign(creds, NKI_STR("nonce"), signature, NULL) == NKI_OK);
    CHECK(strlen(signature) == NKI_SIGNATURE_TEXT_CAP - 1);
}

static void fuzz_creds(struct nki_str text)
{
    struct nki_credentials creds = {0};
    struct nki_credentials again = {0};
    struct nki_error err;
    int32_t status = nki_credentials_from_creds(text, &creds, &err);
    if (status != NKI_OK) {
        check_refusal(status, &err);
        CHECK(creds.jwt.ptr == NULL && creds.seed.ptr == NULL && creds.nkey.ptr == NULL);
        return;
    }
    check_seed(&creds);
    size_t cap = nki_creds_format(nki_secret_str(&creds.jwt), nki_secret_str(&creds.seed), NULL, 0);
    char *file = malloc(cap);
    CHECK(file != NULL);
    CHECK(nki_creds_format(nki_secret_str(&creds.jwt), nki_secret_str(&creds.seed), file, cap) == cap);
    CHECK(cap > NKI_CREDENTIALS_TEXT_MAX ||
          nki_credentials_from_creds(nki_str_make(file, cap), &again, NULL) == NKI_OK);
    CHECK(cap > NKI_CREDENTIALS_TEXT_MAX ||
          nki_str_eq(nki_secret_str(&creds.jwt), nki_secret_str(&again.jwt)));
    free(file);
    nki_credentials_free(&creds);
    nki_credentials_free(&again);
}

static void fuzz_seed(struct nki_str text)
{
    struct nki_credentials creds = {0};
    struct nki_error err;
    int32_t status = nki_credentials_from_seed(text, &creds, &err);
    if (status != NKI_OK) {
        check_refusal(status, &err);
        CHECK(creds.seed.ptr == NULL && creds.nkey.ptr == NULL);
        return;
    }
    check_seed(&creds);
    nki_credentials_free(&creds);
}

static void fuzz_public(struct nki_str text)
{
    struct nki_nkey key;
    struct nki_error err;
    char again[NKI_NKEY_PUBLIC_LEN];
    int32_t status = nki_nkey_read_public(text, &key, &err);
    if (status != NKI_OK) {
        check_refusal(status, &err);
        return;
    }
    nki_nkey_write_public(&key, again);
    CHECK(nki_str_eq(text, nki_str_make(again, sizeof again)));
}

static void fuzz_jwt(struct nki_str text)
{
    struct nki_error err;
    int64_t expires = -1;
    int32_t status = nki_jwt_expiry(text, &expires, &err);
    if (status != NKI_OK) {
        check_refusal(status, &err);
        return;
    }
    CHECK(expires >= 0 && nki_jwt_shape_ok(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nki_str text = {(const char *)data, size};
    fuzz_creds(text);
    fuzz_seed(text);
    fuzz_public(text);
    fuzz_jwt(text);
    CHECK(nki_alloc_bytes() == 0);
    return 0;
}
