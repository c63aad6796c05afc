/* Base32 of RFC 4648 without padding, as keys are written. Pure. */
#ifndef NKI_AUTH_BASE32_H
#define NKI_AUTH_BASE32_H

#include "base/str.h"

/* Characters that `len` bytes take. */
#define NKI_BASE32_LEN(len) (((len)*8 + 4) / 5)

/* Writes NKI_BASE32_LEN(len) characters, without a NUL; how many. */
size_t nki_base32_encode(const void *data, size_t len, char *out);
/* Reads strictly: capital letters and 2 to 7, no bits left over. How many bytes, or -1 if it is malformed or
 * they are more than `cap`. */
ptrdiff_t nki_base32_decode(struct nki_str text, void *out, size_t cap);

#endif
