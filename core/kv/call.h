/* Calls about buckets by name, from the table in calls.def: calls of the JetStream API about the streams
 * behind them, whose answers are made those about buckets. */
#ifndef NKI_KV_CALL_H
#define NKI_KV_CALL_H

#include "jetstream/call.h"
#include "kv/bucket.h"

/* The index-th row, or NULL past the last. */
const struct nki_js_call_row *nki_kv_call_at(size_t index);

/* Whether the name is one of a call about buckets, or is meant as one. */
static inline bool nki_kv_call_is(struct nki_str name)
{
    return nki_str_starts(name, NKI_STR("kv."));
}

/* As nki_js_call_make. */
int32_t nki_kv_call_make(struct nki_js *js, struct nki_str name, struct nki_doc *args, struct nki_chain **out,
                         struct nki_error *err);

/* Asks for the status of a bucket, as call kv.status does, and binds it to what that says (nki_kv_bind). The
 * operation's message is the status as JSON. NKI_NOT_A_BUCKET. */
int32_t nki_kv_status_make(struct nki_kv *kv, struct nki_chain **out, struct nki_error *err);

#endif
