/* Credentials files: a user's JWT and the seed of its key, each between a begin and an end line. Pure. */
#ifndef NKI_AUTH_CREDS_FILE_H
#define NKI_AUTH_CREDS_FILE_H

#include "base/status.h"
#include "base/str.h"

#define NKI_CREDENTIALS_TEXT_MAX ((size_t)64 * NKI_KIB) /* of such a file, and of one with a seed alone */

/* Finds JWT and seed, which are parts of `text`: NKI_OK or NKI_CREDENTIALS. The JWT has the shape of one and
 * the seed is one line; neither is checked further. */
int32_t nki_creds_find(struct nki_str text, struct nki_str *jwt, struct nki_str *seed, struct nki_error *err);
/* Finds the seed alone: in a block of its own, or as all that the text holds but white space. */
int32_t nki_creds_find_seed(struct nki_str text, struct nki_str *seed, struct nki_error *err);

/* Writes the text of a credentials file, without a NUL, if `cap` holds it all; its length. */
size_t nki_creds_format(struct nki_str jwt, struct nki_str seed, char *out, size_t cap);

#endif
