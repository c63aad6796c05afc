/* A borrowed piece of text or bytes: pointer and length, not NUL-terminated. Pure. */
#ifndef NKI_BASE_STR_H
#define NKI_BASE_STR_H

#include "base/defs.h"

#include <string.h>

struct nki_str {
    const char *ptr;
    size_t len;
};

#define NKI_STR(literal) ((struct nki_str){"" literal, sizeof(literal) - 1})

static inline struct nki_str nki_str_make(const char *ptr, size_t len)
{
    return (struct nki_str){ptr, len};
}

/* FNV-1a, for comparing with texts of which no copy is kept. */
static inline uint64_t nki_str_hash(struct nki_str text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < text.len; i++) {
        hash = (hash ^ (uint8_t)text.ptr[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static inline struct nki_str nki_str_z(const char *text)
{
    return (struct nki_str){text, strlen(text)};
}

static inline bool nki_str_eq(struct nki_str a, struct nki_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* ASCII letters compare equal in both cases. */
bool nki_str_eq_nocase(struct nki_str a, struct nki_str b);
bool nki_str_starts(struct nki_str text, struct nki_str prefix);
/* Without blanks and tabs at both ends. */
struct nki_str nki_str_trim(struct nki_str text);
/* Cuts `*rest` at the first `separator`: returns what stands before it and moves `*rest` behind it (to empty
 * with ptr NULL when there was none). */
struct nki_str nki_str_cut(struct nki_str *rest, char separator);
/* Decimal digits only, no sign, no leading zeros but "0" itself; false if malformed or too great. */
bool nki_str_u64(struct nki_str text, uint64_t *out);
/* The same with an optional leading '-'. */
bool nki_str_i64(struct nki_str text, int64_t *out);
bool nki_str_utf8_valid(struct nki_str text);
/* Length of the UTF-8 sequence that `text` begins with; 0 if it is empty or begins with none. */
size_t nki_str_utf8_len(struct nki_str text);
/* Copies to a NUL-terminated array of `cap` bytes, cut to what fits without breaking a UTF-8 sequence. */
void nki_str_copy(char *out, size_t cap, struct nki_str text);
/* Number of single-character edits between two short names, for suggestions; at most `limit` + 1. */
size_t nki_str_distance(struct nki_str a, struct nki_str b, size_t limit);

#endif
