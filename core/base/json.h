/* A bounded pull scanner over JSON text for what is hot or needs exact integers: INFO, acks, states. It
 * builds no tree and allocates nothing. Pure. */
#ifndef NKI_BASE_JSON_H
#define NKI_BASE_JSON_H

#include "base/str.h"

#define NKI_JSON_DEPTH_MAX 64

enum nki_json_type {
    NKI_JSON_NULL,
    NKI_JSON_FALSE,
    NKI_JSON_TRUE,
    NKI_JSON_NUMBER,
    NKI_JSON_STRING,
    NKI_JSON_ARRAY,
    NKI_JSON_OBJECT
};

/* A value in the text: `raw` spans it whole (a string with its quotes, an object with its braces). */
struct nki_json_value {
    enum nki_json_type type;
    struct nki_str raw;
};

/* Checks that `text` is exactly one JSON value (white space around it allowed): strict grammar, valid UTF-8,
 * at most NKI_JSON_DEPTH_MAX levels, numbers of at most 40 characters. Linear time. */
bool nki_json_check(struct nki_str text, struct nki_json_value *out);

/* Iterates over the members of a checked object or the elements of a checked array. Begin with *at = 0; false
 * at the end. `key` (raw, without its quotes, escapes not resolved) is empty for arrays. */
bool nki_json_next(const struct nki_json_value *parent, size_t *at, struct nki_str *key,
                   struct nki_json_value *out);

/* The last member of that name (names are compared with escapes resolved); false if there is none. */
bool nki_json_member(const struct nki_json_value *object, struct nki_str name, struct nki_json_value *out);

/* Exact integers; false if it is not an integer number or out of range (1.0 and 1e3 are not integers). */
bool nki_json_i64(const struct nki_json_value *value, int64_t *out);
bool nki_json_u64(const struct nki_json_value *value, uint64_t *out);
bool nki_json_bool(const struct nki_json_value *value, bool *out);
/* Resolves the escapes of a string into `out` (NUL-terminated, `cap` bytes): its length, or -1 if it is not a
 * string, does not fit, or holds \u0000. */
ptrdiff_t nki_json_text(const struct nki_json_value *value, char *out, size_t cap);

#endif
