/* Changing all keys that match: what there is is listed by an ordered consumer, then so many requests are
 * under way at a time as were asked for. One operation, carried out by the engine. */
#ifndef NKI_KV_SWEEP_H
#define NKI_KV_SWEEP_H

#include "kv/watch.h"

enum nki_kv_sweep_action {
    NKI_KV_SWEEP_DELETE = 2,
    NKI_KV_SWEEP_PURGE = 3,
    NKI_KV_SWEEP_DELETES = 6 /* takes away what deletes and purges have left behind */
};

struct nki_kv_sweep_params {
    enum nki_kv_sweep_action action;
    const struct nki_str *patterns; /* none: all keys */
    size_t pattern_count;
    int64_t older_than_ms; /* DELETES: younger marks stay, without what was before them; -1: none do */
    size_t in_flight;
};

/* Finishes with a message that holds {"keys": n}: so many were changed. A key that was written meanwhile is
 * left as it is. When it fails, or its time ends, some may have been changed. NKI_INVALID, NKI_READ_ONLY. */
int32_t nki_kv_sweep(struct nki_kv *kv, const struct nki_kv_sweep_params *params, int64_t deadline_ns,
                     bool timed, struct nki_op **out, struct nki_error *err);

#endif
