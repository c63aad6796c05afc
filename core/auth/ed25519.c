/* The cryptography that NATS needs, through OpenSSL's EVP. Any thread. */
#include "auth/ed25519.h"

#include "base/openssl.h"

#include <openssl/err.h>
#include <openssl/evp.h>

/* Whatever OpenSSL writes to this thread's queue of errors between begin and end is taken away again. */
static void begin(void)
{
    nki_openssl_begin();
    ERR_set_mark();
}

/* What a call that failed means. Before end(). Where memory lacks, OpenSSL often says that it does not know
 * the algorithm; it knows it everywhere but where an administrator has forbidden it. */
static int32_t tell(const char *what, struct nki_error *err)
{
    return nki_error_set(err, NKI_NO_MEMORY,
                         "OpenSSL has no memory for %s, or does not offer it on this system", what);
}

static int32_t end(int32_t status)
{
    ERR_pop_to_mark();
    return status;
}

int32_t nki_ed25519_public(const uint8_t seed[NKI_ED25519_KEY], uint8_t out[NKI_ED25519_KEY],
                           struct nki_error *err)
{
    size_t len = NKI_ED25519_KEY;
    begin();
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, NKI_ED25519_KEY);
    bool done = key != NULL && EVP_PKEY_get_raw_public_key(key, out, &len) == 1 && len == NKI_ED25519_KEY;
    int32_t status = done ? NKI_OK : tell("Ed25519", err);
    EVP_PKEY_free(key); /* wipes the private half */
    return end(status);
}

int32_t nki_ed25519_sign(const uint8_t seed[NKI_ED25519_KEY], struct nki_str data,
                         uint8_t out[NKI_ED25519_SIGNATURE], struct nki_error *err)
{
    size_t len = NKI_ED25519_SIGNATURE;
    begin();
    EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, NKI_ED25519_KEY);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool done = key != NULL && context != NULL && EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
                EVP_DigestSign(context, out, &len, (const uint8_t *)data.ptr, data.len) == 1 &&
                len == NKI_ED25519_SIGNATURE;
    int32_t status = done ? NKI_OK : tell("Ed25519", err);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return end(status);
}

int32_t nki_ed25519_verify(const uint8_t key[NKI_ED25519_KEY], struct nki_str data,
                           const uint8_t signature[NKI_ED25519_SIGNATURE], struct nki_error *err)
{
    int32_t status = NKI_OK;
    begin();
    EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, NKI_ED25519_KEY);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (pkey == NULL || context == NULL || EVP_DigestVerifyInit(context, NULL, NULL, NULL, pkey) != 1) {
        status = tell("Ed25519", err);
    } else if (EVP_DigestVerify(context, signature, NKI_ED25519_SIGNATURE, (const uint8_t *)data.ptr,
                                data.len) != 1) {
        /* A key that is no point of the curve comes here, too: nothing can be signed with it. */
        bool memory = ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE;
        status = nki_error_set(err, memory ? NKI_NO_MEMORY : NKI_SIGNATURE, NULL);
    }
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(pkey);
    return end(status);
}

int32_t nki_sha256(struct nki_str data, uint8_t out[NKI_SHA256_BYTES], struct nki_error *err)
{
    unsigned len = 0;
    begin();
    bool done = EVP_Digest(data.ptr, data.len, out, &len, EVP_sha256(), NULL) == 1 && len == NKI_SHA256_BYTES;
    return end(done ? NKI_OK : tell("SHA-256", err));
}
