/* Base64 as RFC 4648 has it. Pure. */
#ifndef NKI_BASE_BASE64_H
#define NKI_BASE_BASE64_H

#include "base/str.h"

enum nki_base64 {
    NKI_BASE64_PADDED, /* '+' and '/', filled up with '=' */
    NKI_BASE64_URL     /* '-' and '_', without padding */
};

/* Characters that `len` bytes take at most. */
#define NKI_BASE64_LEN(len) (((len) + 2) / 3 * 4)

/* Writes NKI_BASE64_LEN(len) characters at most, without a NUL; how many. */
size_t nki_base64_encode(enum nki_base64 kind, const void *data, size_t len, char *out);
/* Reads strictly: no other character, the right padding, no bits left over. How many bytes, or -1 if it is
 * malformed or they are more than `cap`. */
ptrdiff_t nki_base64_decode(enum nki_base64 kind, struct nki_str text, void *out, size_t cap);

#endif
