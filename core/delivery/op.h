/* Something that finishes once: a request, a flush, a connect. It owns its result's place from the start, so
 * finishing cannot fail. Reference counted: one for whoever waits (the handle), one for whoever will finish
 * it. */
#ifndef NKI_DELIVERY_OP_H
#define NKI_DELIVERY_OP_H

#include "base/heap.h"
#include "base/status.h"
#include "delivery/msg.h"
#include "delivery/waitable.h"

enum nki_outcome {
    NKI_OUTCOME_PENDING,
    NKI_OUTCOME_DONE,
    NKI_OUTCOME_NOT_SENT,
    NKI_OUTCOME_UNKNOWN,
    NKI_OUTCOME_REJECTED
};

struct nki_sub;

/* What belongs to an operation besides, and is freed with it. */
struct nki_op_part {
    void (*free)(struct nki_op_part *part);
};

struct nki_op {
    struct nki_waitable wait;
    atomic_uint refs;
    /* guarded by wait.mu */
    bool done;
    int32_t status;
    int32_t outcome;
    struct nki_msg *msg;
    struct nki_error *error; /* NULL: nothing but the status */
    int64_t begin_ns;        /* monotonic */
    int64_t end_ns;

    /* guarded by the engine lock of the connection it belongs to */
    struct nki_heap_node timer;  /* its deadline, if somebody else than a blocked caller watches it */
    uint64_t token;              /* requests: what the reply is found by; 0: not registered */
    struct nki_list engine_node; /* in a list of the engine's; else alone */
    struct nki_sub *draining;    /* drains: the subscription, which points back, or NULL */
    struct nki_sub *own_sub;     /* requests: the subscription of its own, which points back, or NULL */
    uint64_t asked;              /* requests: hash of the subject that it was published to */
    uint64_t place;              /* of a publisher: the message up to which it waits */
    struct nki_op_part *part;    /* requests: of several steps (client/chain.h), or NULL; constant */
    bool asks;                   /* it is a request, for probes; constant */
    bool keep;                   /* requests: it outlives its transport */

    /* guarded by the outbox's mutex of that connection */
    struct nki_list outbox_node; /* waits for room, or for writing ... */
    uint64_t outbox_bytes;       /* ... of so many bytes, or up to this place */
};

/* One reference; NULL if there is no memory. */
struct nki_op *nki_op_new(void);
void nki_op_retain(struct nki_op *op);
void nki_op_release(struct nki_op *op);

/* Finishes it, if it has not finished: takes over the reference of `msg` in any case (a message that comes
 * too late is freed). `error` may be NULL. Returns whether this call finished it. Any thread. */
bool nki_op_finish(struct nki_op *op, int32_t status, int32_t outcome, struct nki_msg *msg,
                   const struct nki_error *error);
/* The handle was closed: blocked callers get NKI_CLOSED, a message is freed. Any thread. */
void nki_op_close(struct nki_op *op);
/* Its status (NKI_PENDING while it runs), outcome and error text (both may be NULL). */
int32_t nki_op_result(struct nki_op *op, int32_t *outcome, struct nki_error *error);
/* From its making to its end, or until now. */
int64_t nki_op_duration_ns(struct nki_op *op);
/* NKI_OK, NKI_PENDING, NKI_NOT_FOUND if there is none (any more), or its own status if it failed. */
int32_t nki_op_take_msg(struct nki_op *op, struct nki_msg **out);
static inline bool nki_op_ready_locked(const struct nki_op *op)
{
    return op->done || op->wait.closed;
}

#endif
