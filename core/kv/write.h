/* Changing a key of a bucket. */
#ifndef NKI_KV_WRITE_H
#define NKI_KV_WRITE_H

#include "jetstream/batch.h"
#include "jetstream/publish.h"
#include "kv/bucket.h"

/* Numbers never change; natskit.h has the same. The first three are what entries say, too. */
enum nki_kv_action {
    NKI_KV_DO_PUT = 1,
    NKI_KV_DO_DELETE,
    NKI_KV_DO_PURGE,
    NKI_KV_DO_CREATE,
    NKI_KV_DO_UPDATE
};

struct nki_kv_write {
    enum nki_kv_action action;
    struct nki_str key;
    struct nki_str value; /* PUT, CREATE, UPDATE */
    uint64_t revision;    /* that the last entry must have; 0: not asked for. UPDATE: of none there is */
    int64_t ttl_ms;       /* CREATE, PURGE: after which the entry goes; 0: never */
};

/* Finishes with a message of kind NKI_MSG_PUB_ACK, whose sequence is the revision; NKI_KEY_EXISTS (CREATE),
 * NKI_WRONG_LAST, and as nki_js_publish. NKI_INVALID: key, or time to live. What a key was that is created
 * over a delete, purge or marker, the stream's leader is asked. */
int32_t nki_kv_write(struct nki_kv *kv, const struct nki_kv_write *write, const struct nki_js_begin *begin,
                     struct nki_op **op, struct nki_error *err);

/* Adds it to a batch of the same connection. CREATE there is for a key that never had an entry: nobody is
 * asked what a last one is. NKI_INVALID, NKI_READ_ONLY, and as nki_batch_add. */
int32_t nki_kv_batch_add(struct nki_kv *kv, struct nki_batch *batch, const struct nki_kv_write *write,
                         struct nki_error *err);

#endif
