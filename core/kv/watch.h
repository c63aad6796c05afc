/* Watching a bucket: its entries in the order of their revisions, none left out and none twice, over an
 * ordered consumer. */
#ifndef NKI_KV_WATCH_H
#define NKI_KV_WATCH_H

#include "jetstream/ordered.h"
#include "kv/bucket.h"

struct nki_kv_watch_params {
    const struct nki_str *patterns; /* of keys, checked here; none: all */
    size_t pattern_count;
    bool history; /* all that is kept of each key, not the last entry alone */
    bool updates_only;
    uint64_t from_revision; /* 0: not asked for */
    bool ignore_deletes;
    bool headers_only;
    bool raw;   /* keys and values stay as they are stored, whatever the codecs */
    bool marks; /* a status message says that what there was at the begin has come, */
    bool ends;  /* or it ends then */
    /* Who gets the entries instead of the queue, or NULL: as of nki_ordered_params. It is told the end in any
     * case, also if this fails. */
    const struct nki_ordered_sink *sink;
    void *sink_context;
};

#define NKI_KV_PATTERNS_MAX 64 /* of one watch */

/* A subscription that yields messages of kind NKI_MSG_KV. NKI_INVALID, NKI_LIMIT (patterns), or as
 * nki_ordered_open. */
int32_t nki_kv_watch(struct nki_kv *kv, const struct nki_kv_watch_params *params, struct nki_sub **out,
                     struct nki_error *err);

#endif
