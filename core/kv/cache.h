/* The entries of a bucket at hand: a table of the last ones, which a watch keeps up to date under the engine
 * lock. Looking up takes the bucket's own lock alone, and no round trip. */
#ifndef NKI_KV_CACHE_H
#define NKI_KV_CACHE_H

#include "kv/watch.h"

struct nki_kv_cache_info {
    uint64_t entries;
    uint64_t bytes;         /* of memory that they take */
    uint64_t last_revision; /* the highest that has come */
    bool complete;          /* all that there was at the begin has come */
    int32_t reason;         /* why it has ended; NKI_PENDING: it has not */
};

/* Begins to keep what the patterns match; `headers_only` without the values. The subscription yields the
 * status message that it is complete (again after the stream was made anew), and no entries; when it is
 * closed or ends the cache does. NKI_BUSY: the bucket has one already; else as nki_kv_watch. */
int32_t nki_kv_cache_open(struct nki_kv *kv, const struct nki_str *patterns, size_t pattern_count,
                          bool headers_only, struct nki_sub **out, struct nki_error *err);
/* A reference to the key's entry. NKI_KEY_NOT_FOUND, NKI_PENDING before it is complete, NKI_NOT_FOUND without
 * a cache, NKI_INVALID (the key), or the reason for which it has ended. */
int32_t nki_kv_cached(struct nki_kv *kv, struct nki_str key, struct nki_msg **out);
/* References to as many entries as there is room for, in no order; `*count`: how many there are. As above. */
int32_t nki_kv_cached_all(struct nki_kv *kv, struct nki_msg **out, size_t cap, size_t *count);
/* False without a cache. */
bool nki_kv_cache_info_get(struct nki_kv *kv, struct nki_kv_cache_info *out);
/* NULL is allowed. */
void nki_kv_cache_release(struct nki_kv_cache *cache);

#endif
