/* One entry of a bucket. */
#ifndef NKI_KV_GET_H
#define NKI_KV_GET_H

#include "jetstream/publish.h"
#include "kv/bucket.h"

/* The last entry of a key, or with a `revision` other than 0 that one. Finishes with a message of kind
 * NKI_MSG_KV, or NKI_KEY_NOT_FOUND, NKI_KEY_DELETED, NKI_STREAM_NOT_FOUND. By a direct get, or, where the
 * bucket does not allow it, by the stream's leader. NKI_INVALID: the key. */
int32_t nki_kv_get(struct nki_kv *kv, struct nki_str key, uint64_t revision, const struct nki_js_begin *begin,
                   struct nki_op **op, struct nki_error *err);

#endif
