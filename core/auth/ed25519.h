/* Ed25519 and SHA-256 by OpenSSL. Nothing is kept between calls but what OpenSSL keeps itself; any thread.
 * OpenSSL's memory is its own: where it has none, NKI_NO_MEMORY. OpenSSL's queue of errors, which the host
 * may use, is left as it was. */
#ifndef NKI_AUTH_ED25519_H
#define NKI_AUTH_ED25519_H

#include "base/status.h"
#include "base/str.h"

#define NKI_ED25519_KEY 32 /* bytes of a private (seed) and of a public key */
#define NKI_ED25519_SIGNATURE 64
#define NKI_SHA256_BYTES 32

/* Each gives NKI_OK or NKI_NO_MEMORY; that, too, if OpenSSL does not offer the algorithm. */
int32_t nki_ed25519_public(const uint8_t seed[NKI_ED25519_KEY], uint8_t out[NKI_ED25519_KEY],
                           struct nki_error *err);
int32_t nki_ed25519_sign(const uint8_t seed[NKI_ED25519_KEY], struct nki_str data,
                         uint8_t out[NKI_ED25519_SIGNATURE], struct nki_error *err);
/* NKI_SIGNATURE if it is not by that key over this data. */
int32_t nki_ed25519_verify(const uint8_t key[NKI_ED25519_KEY], struct nki_str data,
                           const uint8_t signature[NKI_ED25519_SIGNATURE], struct nki_error *err);
int32_t nki_sha256(struct nki_str data, uint8_t out[NKI_SHA256_BYTES], struct nki_error *err);

#endif
