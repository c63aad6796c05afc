/* Credentials: read from texts, and used to sign. Whoever owns them locks. */
#include "auth/credentials.h"

#include "auth/nkey.h"
#include "base/base64.h"

_Static_assert(NKI_BASE64_LEN(NKI_ED25519_SIGNATURE) + 1 == NKI_SIGNATURE_TEXT_CAP, "a signature as text");

/* What is read, before it takes its place. */
struct taken {
    struct nki_secret jwt;
    struct nki_secret nkey;
    struct nki_secret seed;
};

static void drop(struct taken *taken)
{
    nki_secret_free(&taken->jwt);
    nki_secret_free(&taken->nkey);
    nki_secret_free(&taken->seed);
}

/* Checks that the seed is a user's, and copies it with its public key. */
static int32_t take_seed(struct taken *taken, struct nki_str seed, struct nki_error *err)
{
    struct nki_nkey key;
    char nkey[NKI_NKEY_PUBLIC_LEN];
    int32_t status = nki_nkey_read_seed(seed, &key, err);
    if (status == NKI_OK && key.role != 'U') {
        status = nki_error_set(err, NKI_CREDENTIALS, "the seed is %s, but users connect",
                               nki_nkey_role_name(key.role));
    }
    if (status == NKI_OK) {
        status = nki_nkey_public(&key, nkey, err);
    }
    nki_nkey_wipe(&key);
    if (status == NKI_OK && (!nki_secret_set(&taken->seed, seed) ||
                             !nki_secret_set(&taken->nkey, nki_str_make(nkey, sizeof nkey)))) {
        status = nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    return status;
}

int32_t nki_credentials_from_creds(struct nki_str text, struct nki_credentials *out, struct nki_error *err)
{
    struct nki_str jwt;
    struct nki_str seed;
    struct taken taken = {0};
    int32_t status = nki_creds_find(text, &jwt, &seed, err);
    if (status == NKI_OK) {
        status = take_seed(&taken, seed, err);
    }
    if (status == NKI_OK && !nki_secret_set(&taken.jwt, jwt)) {
        status = nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    if (status == NKI_OK) {
        nki_secret_move(&out->jwt, &taken.jwt);
        nki_secret_move(&out->nkey, &taken.nkey);
        nki_secret_move(&out->seed, &taken.seed);
    }
    drop(&taken);
    return status;
}

int32_t nki_credentials_from_seed(struct nki_str text, struct nki_credentials *out, struct nki_error *err)
{
    struct nki_str seed;
    struct taken taken = {0};
    int32_t status = nki_creds_find_seed(text, &seed, err);
    if (status == NKI_OK) {
        status = take_seed(&taken, seed, err);
    }
    if (status == NKI_OK) {
        nki_secret_move(&out->nkey, &taken.nkey);
        nki_secret_move(&out->seed, &taken.seed);
    }
    drop(&taken);
    return status;
}

int32_t nki_credentials_sign(const struct nki_credentials *creds, struct nki_str nonce,
                             char out[NKI_SIGNATURE_TEXT_CAP], struct nki_error *err)
{
    struct nki_nkey key;
    uint8_t signature[NKI_ED25519_SIGNATURE];
    out[0] = '\0';
    if (nonce.len == 0 || nonce.len > NKI_NONCE_MAX) {
        return nki_error_set(err, NKI_PROTOCOL, "the server's nonce has %zu bytes, expected are 1 to %zu",
                             nonce.len, NKI_NONCE_MAX);
    }
    int32_t status = nki_nkey_read_seed(nki_secret_str(&creds->seed), &key, err);
    if (status == NKI_OK) {
        status = nki_ed25519_sign(key.bytes, nonce, signature, err);
    }
    nki_nkey_wipe(&key);
    if (status == NKI_OK) {
        out[nki_base64_encode(NKI_BASE64_PADDED, signature, sizeof signature, out)] = '\0';
    }
    return status;
}

void nki_credentials_free(struct nki_credentials *creds)
{
    nki_secret_free(&creds->user);
    nki_secret_free(&creds->password);
    nki_secret_free(&creds->token);
    nki_secret_free(&creds->jwt);
    nki_secret_free(&creds->nkey);
    nki_secret_free(&creds->seed);
}
