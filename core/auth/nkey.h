/* NATS keys: Ed25519 keys written as text that tells their role, with a checksum. Any thread. What is
 * malformed gives NKI_CREDENTIALS with a text that holds nothing of it; NKI_NO_MEMORY as in
 * ed25519.h. */
#ifndef NKI_AUTH_NKEY_H
#define NKI_AUTH_NKEY_H

#include "auth/ed25519.h"

#define NKI_NKEY_PUBLIC_LEN 56 /* characters: "U..." */
#define NKI_NKEY_SEED_LEN 58   /* "SU..." */

/* A key that was read. Wiped by whoever has read a seed (nki_nkey_wipe). */
struct nki_nkey {
    char role; /* 'U' user, 'A' account, 'O' operator, 'N' server, 'C' cluster */
    uint8_t bytes[NKI_ED25519_KEY];
};

bool nki_nkey_role_ok(int32_t role);
/* "a user's", ...; for error texts. */
const char *nki_nkey_role_name(char role);

/* Writes a new seed, without a NUL. `role` is a valid one. */
void nki_nkey_create(char role, char out[NKI_NKEY_SEED_LEN]);
int32_t nki_nkey_read_seed(struct nki_str text, struct nki_nkey *out, struct nki_error *err);
int32_t nki_nkey_read_public(struct nki_str text, struct nki_nkey *out, struct nki_error *err);
void nki_nkey_wipe(struct nki_nkey *seed);
/* Writes the public key of a seed, without a NUL. */
int32_t nki_nkey_public(const struct nki_nkey *seed, char out[NKI_NKEY_PUBLIC_LEN], struct nki_error *err);
/* Writes a seed, and a public key, as text, without a NUL. */
void nki_nkey_write_seed(const struct nki_nkey *seed, char out[NKI_NKEY_SEED_LEN]);
void nki_nkey_write_public(const struct nki_nkey *key, char out[NKI_NKEY_PUBLIC_LEN]);

#endif
