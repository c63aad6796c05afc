/* SHA-256 of an object's content, as it grows, and as it is written in ADR-20. One user at a time. */
#ifndef NKI_OBJECT_DIGEST_H
#define NKI_OBJECT_DIGEST_H

#include "base/str.h"

#define NKI_DIGEST_BYTES 32
#define NKI_DIGEST_TEXT 52 /* "SHA-256=" and base64 with padding, without a NUL */

struct nki_digest; /* OpenSSL's */

/* NULL if there is no memory. */
struct nki_digest *nki_digest_new(void);
void nki_digest_free(struct nki_digest *digest); /* NULL is allowed */
/* False if OpenSSL refuses. */
bool nki_digest_add(struct nki_digest *digest, const void *data, size_t len)
    __attribute__((warn_unused_result));
/* The last that is asked of it. */
bool nki_digest_end(struct nki_digest *digest, uint8_t out[NKI_DIGEST_BYTES])
    __attribute__((warn_unused_result));

void nki_digest_write(const uint8_t digest[NKI_DIGEST_BYTES], char out[NKI_DIGEST_TEXT]);
/* Reads what clients write: the prefix in any case, base64 of either alphabet with or without padding, or
 * hexadecimal. False if it is none of these. */
bool nki_digest_read(struct nki_str text, uint8_t out[NKI_DIGEST_BYTES]);

#endif
