/* What a client proves to a server who it is with. No sockets, no files; not shared between threads. No error
 * text holds any of it. */
#ifndef NKI_AUTH_CREDENTIALS_H
#define NKI_AUTH_CREDENTIALS_H

#include "auth/creds_file.h"
#include "auth/jwt.h"
#include "auth/secret.h"

/* Of the nonce in an INFO; servers send 11 to 22 characters. */
#define NKI_NONCE_MAX ((size_t)1024)
/* Base64 of a signature, with its padding and a NUL. */
#define NKI_SIGNATURE_TEXT_CAP ((size_t)89)

/* All texts are owned. Zeroed: no credentials. */
struct nki_credentials {
    struct nki_secret user;
    struct nki_secret password;
    struct nki_secret token;
    struct nki_secret jwt;
    struct nki_secret nkey; /* the public key of `seed` ("U...") */
    struct nki_secret seed; /* signs the nonce; never sent */
};

/* Puts JWT, seed and public key of a credentials file's text in place of those in `out`; user, password and
 * token stay. Strict: one block "NATS USER JWT", then one "USER NKEY SEED", each between two lines with three
 * or more dashes on either side; lines end with LF or CRLF; at most NKI_CREDENTIALS_TEXT_MAX bytes; the seed
 * is a user's. NKI_CREDENTIALS (the text tells what is wrong, never with a piece of the file), NKI_NO_MEMORY;
 * then `out` stays as it was. */
int32_t nki_credentials_from_creds(struct nki_str text, struct nki_credentials *out, struct nki_error *err);

/* Puts a user's seed and its public key in place of those in `out`; the rest stays. `text` is a seed, with
 * white space around it allowed, or a file with a block "USER NKEY SEED" as above. Errors as above. */
int32_t nki_credentials_from_seed(struct nki_str text, struct nki_credentials *out, struct nki_error *err);

/* Signs a server's nonce with the seed: base64 with padding, NUL-terminated, 88 characters. NKI_CREDENTIALS
 * (there is no seed), NKI_PROTOCOL (the nonce is empty or over NKI_NONCE_MAX), NKI_NO_MEMORY, NKI_INTERNAL.
 */
int32_t nki_credentials_sign(const struct nki_credentials *creds, struct nki_str nonce,
                             char out[NKI_SIGNATURE_TEXT_CAP], struct nki_error *err);

/* Wipes and frees all; `creds` is empty then and may be used again. */
void nki_credentials_free(struct nki_credentials *creds);

#endif
