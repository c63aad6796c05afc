/* Digests: see digest.h. */
#include "object/digest.h"

#include "base/base64.h"
#include "base/openssl.h"

#include <openssl/evp.h>

#define PREFIX_LEN 8
#define BASE64_LEN 43 /* of 32 bytes, without padding */
#define HEX_LEN 64

/* The context of OpenSSL, under a name of ours. */
static EVP_MD_CTX *context_of(struct nki_digest *digest)
{
    return (EVP_MD_CTX *)(void *)digest;
}

struct nki_digest *nki_digest_new(void)
{
    nki_openssl_begin();
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context != NULL && EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(context);
        context = NULL;
    }
    return (struct nki_digest *)(void *)context;
}

void nki_digest_free(struct nki_digest *digest)
{
    EVP_MD_CTX_free(context_of(digest));
}

bool nki_digest_add(struct nki_digest *digest, const void *data, size_t len)
{
    return len == 0 || EVP_DigestUpdate(context_of(digest), data, len) == 1;
}

bool nki_digest_end(struct nki_digest *digest, uint8_t out[NKI_DIGEST_BYTES])
{
    return EVP_DigestFinal_ex(context_of(digest), out, NULL) == 1;
}

void nki_digest_write(const uint8_t digest[NKI_DIGEST_BYTES], char out[NKI_DIGEST_TEXT])
{
    memcpy(out, "SHA-256=", PREFIX_LEN);
    (void)nki_base64_encode(NKI_BASE64_URL, digest, NKI_DIGEST_BYTES, out + PREFIX_LEN);
    out[NKI_DIGEST_TEXT - 1] = '=';
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool read_hex(struct nki_str text, uint8_t out[NKI_DIGEST_BYTES])
{
    for (size_t i = 0; i < NKI_DIGEST_BYTES; i++) {
        int high = hex_value(text.ptr[2 * i]);
        int low = hex_value(text.ptr[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool nki_digest_read(struct nki_str text, uint8_t out[NKI_DIGEST_BYTES])
{
    char plain[BASE64_LEN];
    if (text.len < PREFIX_LEN ||
        !nki_str_eq_nocase(nki_str_make(text.ptr, PREFIX_LEN), NKI_STR("SHA-256="))) {
        return false;
    }
    struct nki_str rest = nki_str_make(text.ptr + PREFIX_LEN, text.len - PREFIX_LEN);
    if (rest.len == HEX_LEN) {
        return read_hex(rest, out);
    }
    bool padded = rest.len == BASE64_LEN + 1 && rest.ptr[BASE64_LEN] == '=';
    if (rest.len != BASE64_LEN && !padded) {
        return false;
    }
    for (size_t i = 0; i < BASE64_LEN; i++) {
        char c = rest.ptr[i];
        plain[i] = c == '+' ? '-' : c == '/' ? '_' : c;
    }
    return nki_base64_decode(NKI_BASE64_URL, nki_str_make(plain, BASE64_LEN), out, NKI_DIGEST_BYTES) ==
           NKI_DIGEST_BYTES;
}
