/* Getting one stored message. By a direct get, which any server that has the stream's messages answers, a
 * mirror too; or, where the stream does not allow that or the caller does not want it, by the stream's
 * leader. A chain of one or two requests. */
#ifndef NKI_JETSTREAM_MSG_GET_H
#define NKI_JETSTREAM_MSG_GET_H

#include "base/buf.h"
#include "client/chain.h"
#include "jetstream/context.h"

/* Which one: without a subject that of `seq`, or the first that was stored at `start_ns` or later; with one
 * the last of the subject, or (next) the first of it at `seq` or `start_ns` or behind. */
struct nki_msg_get_params {
    struct nki_str stream;  /* checked */
    uint64_t seq;           /* 0: not given */
    struct nki_str subject; /* checked, wildcards allowed; empty: not given */
    bool next;
    int64_t start_ns; /* 0: not given */
    bool by_leader;   /* and not directly */
};

struct nki_msg_get;

/* Under the engine lock. */
struct nki_msg_get_ops {
    /* The message is there: takes over the reference, and fills `end`. */
    void (*got)(struct nki_msg_get *get, struct nki_msg *msg, struct nki_chain_end *end);
    /* The stream has none. */
    void (*missing)(struct nki_msg_get *get, struct nki_chain_end *end);
    void (*free)(struct nki_msg_get *get);
};

/* To be embedded; zeroed, with `ops` set. */
struct nki_msg_get {
    struct nki_chain chain;
    const struct nki_msg_get_ops *ops;
    struct nki_js *js;   /* a reference */
    bool by_leader;      /* the request under way */
    struct nki_buf text; /* stream, subject of a direct get, subject of a get by the leader, body */
    struct nki_str stream;
    struct nki_str leader;
    struct nki_str body;
};

/* Begins it: it is taken over in any case, and freed by its `free`. Otherwise as nki_conn_request. */
int32_t nki_msg_get_begin(struct nki_msg_get *get, struct nki_js *js, const struct nki_msg_get_params *params,
                          const struct nki_js_begin *begin, struct nki_op **op, struct nki_error *err);

/* Finishes with a message of kind NKI_MSG_STORED, or NKI_MSG_NOT_FOUND, NKI_STREAM_NOT_FOUND,
 * NKI_JS_NOT_ENABLED. */
int32_t nki_js_msg_get(struct nki_js *js, const struct nki_msg_get_params *params,
                       const struct nki_js_begin *begin, struct nki_op **op, struct nki_error *err);

/* What a direct get's status means that is no message: fills `out` and returns the status. */
int32_t nki_direct_error(int32_t code, struct nki_str text, struct nki_error *out);

#endif
