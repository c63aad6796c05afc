/* An operation of several requests, one after the other: each reply decides on the next. The engine sends and
 * waits; what is asked, and what the replies mean, is the chain's own. Under the engine lock. */
#ifndef NKI_CLIENT_CHAIN_H
#define NKI_CLIENT_CHAIN_H

#include "client/engine.h"

struct nki_chain;

enum nki_chain_next {
    NKI_CHAIN_ENDS, /* the operation finishes with `end` */
    NKI_CHAIN_ASKS, /* `out` is sent now, or as soon as there is room or a transport */
    NKI_CHAIN_WAITS /* `out` is sent after `wait_ms` */
};

struct nki_chain_end {
    int32_t status;
    int32_t outcome;
    struct nki_msg *msg; /* a reference that is given away, or NULL */
    struct nki_error error;
};

struct nki_chain_ops {
    /* What a request came to: NKI_OK with a message, of which the reference is taken over, or
     * NKI_NO_RESPONDERS or NKI_DISCONNECTED (which nothing waits after), without. Linear in the reply's
     * length, since the reader of the connection waits. */
    enum nki_chain_next (*reply)(struct nki_chain *chain, int32_t status, struct nki_msg *msg,
                                 struct nki_chain_end *end);
};

/* To be embedded; part.free, ops and out are set by whoever makes it, wait_ms and the outcomes by `reply`. */
struct nki_chain {
    struct nki_op_part part;
    const struct nki_chain_ops *ops;
    struct nki_outgoing_msg out; /* subject, header block and data, all the chain's; no reply */
    /* Published before `out`, in their order and without replies, as there is room: the chain's, too. They
     * are moved on as they are sent. Not with the first request. */
    const struct nki_outgoing_msg *ahead;
    size_t ahead_count;
    int64_t wait_ms;
    int64_t now_ns;             /* for `reply`; 0 with NKI_DISCONNECTED */
    int32_t idle_outcome;       /* of an operation that is given up while no request of it is under way,
                                   NKI_OUTCOME_PENDING: it is       unknown */
    int32_t asked_outcome;      /* the same while one is; NKI_OUTCOME_PENDING: it is unknown */
    bool idle;                  /* it was given up while none was */
    struct nki_op *op;          /* that owns it; NULL: it was never begun */
    struct nki_heap_node pause; /* in engine.pauses, with a reference of the operation's */
    int64_t deadline_ns;        /* of the operation's timer; NKI_NEVER: none */
};

/* NULL: it is of one request. */
static inline struct nki_chain *nki_op_chain(const struct nki_op *op)
{
    return op->part != NULL ? NKI_CONTAINER_OF(op->part, struct nki_chain, part) : NULL;
}

/* Makes it the operation's. */
static inline void nki_chain_attach(struct nki_chain *chain, struct nki_op *op, int64_t deadline_ns)
{
    op->part = &chain->part;
    chain->op = op;
    chain->pause.index = 0;
    chain->idle = false;
    chain->idle_outcome = NKI_OUTCOME_PENDING;
    chain->deadline_ns = deadline_ns;
}

/* Any thread, without locks: begins it with `out`. The chain is taken over in any case; otherwise as
 * nki_conn_request. */
int32_t nki_conn_chain(struct nki_conn *conn, struct nki_chain *chain, int64_t deadline_ns, bool timed,
                       bool wait_room, struct nki_op **op, struct nki_error *err);

/* Any thread, without locks: an operation that others finish, by the deadline if it is `timed`. One reference
 * for the caller. NKI_CLOSED, NKI_NO_MEMORY. */
int32_t nki_conn_promise(struct nki_conn *conn, int64_t deadline_ns, bool timed, struct nki_op **out,
                         struct nki_error *err);
/* Under the engine lock: begins it with `out`; one reference of an operation, which may have finished, for
 * the caller. NKI_NEVER: whoever begins it cancels it (nki_engine_cancel). NULL if there is no memory. The
 * chain is taken over in any case; `part.free` sees in `op` whether it was begun. */
struct nki_op *nki_engine_chain_open(struct nki_engine *engine, struct nki_chain *chain, int64_t deadline_ns,
                                     int64_t now_ns);

/* Between the files of the engine. */

/* What a request of the operation's chain came to; it is out of the table of replies. */
void nki_engine_chain_reply(struct nki_engine *engine, struct nki_op *op, int32_t status, struct nki_msg *msg,
                            int64_t now_ns);
/* Sends what has waited. */
void nki_engine_chains_resume(struct nki_engine *engine, int64_t now_ns);
/* It is not to be sent any more; harmless if it does not wait. */
void nki_engine_chain_forget(struct nki_engine *engine, struct nki_op *op);
/* What is known of a request that was forgotten before it had an answer. */
int32_t nki_op_late_outcome(const struct nki_op *op);
/* Of an operation whose last request was not sent: NOT_SENT, unless one before may have had its effect. */
int32_t nki_op_unsent_outcome(const struct nki_op *op);
/* Of an operation whose last request was refused by the server: REJECTED, unless one before may have had its
 * effect. */
int32_t nki_op_refused_outcome(const struct nki_op *op);

#endif
