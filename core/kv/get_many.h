/* The last entries of several keys, all of one moment. */
#ifndef NKI_KV_GET_MANY_H
#define NKI_KV_GET_MANY_H

#include "kv/bucket.h"

#define NKI_KV_MANY_MAX 65536 /* keys */

struct nki_kv_many_params {
    const struct nki_str *keys; /* or patterns, at least one and at most NKI_KV_MANY_MAX; checked here */
    size_t key_count;
    bool ignore_deletes;
    int64_t answer_ms; /* time for each message of the answer */
};

/* A subscription that yields messages of kind NKI_MSG_KV in the order of their revisions, none for a key
 * without an entry, and ends with NKI_MAX_REACHED once all have come, or as an exact snapshot of
 * nki_direct_open, or, where the server gives none, as nki_ordered_open. NKI_INVALID (a key), NKI_NO_MEMORY.
 */
int32_t nki_kv_get_many(struct nki_kv *kv, const struct nki_kv_many_params *params, struct nki_sub **out,
                        struct nki_error *err);

#endif
