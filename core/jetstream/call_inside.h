/* A call under way: between call.c, which makes it, and answer.c, which goes on with it. */
#ifndef NKI_JETSTREAM_CALL_INSIDE_H
#define NKI_JETSTREAM_CALL_INSIDE_H

#include "base/buf.h"
#include "client/chain.h"
#include "jetstream/call.h"

struct nki_js_call {
    struct nki_chain chain;
    const struct nki_js_call_row *row;
    struct nki_buf subject;
    struct nki_buf header_block;
    struct nki_buf body;
    int64_t retries; /* left; -1: without end */
    unsigned tries;
    bool reads;            /* the request that is under way changes nothing */
    enum nki_js_then then; /* what follows its answer */

    /* Updates: what is sent in the second step. */
    struct nki_buf config; /* of the caller: an object */
    struct nki_buf next_subject;
    struct nki_buf stream; /* of a consumer: its stream's name, as JSON */

    /* Pages: what has come. */
    struct nki_buf items;
    uint64_t offset;
};

/* With `out` filled from the buffers. */
void nki_js_call_show(struct nki_js_call *call);

/* answer.c: the operations of a call's chain. */
extern const struct nki_chain_ops nki_js_call_ops;

#endif
