/* Chains: see chain.h. */
#include "client/chain.h"

#include "client/driver.h"

#define ROOM_WAIT_NS (10 * NKI_NS_PER_MS) /* until it is tried again whether there is room for a request */

/* Without another request. One that was sent before may have had its effect. */
static void finish(struct nki_op *op, int32_t status)
{
    nki_op_finish(op, status, nki_op_unsent_outcome(op), NULL, NULL);
}

static void pause_until(struct nki_engine *engine, struct nki_op *op, int64_t at_ns)
{
    struct nki_chain *chain = nki_op_chain(op);
    if (!nki_heap_put(&engine->pauses, &chain->pause, at_ns)) {
        finish(op, NKI_NO_MEMORY);
        return;
    }
    nki_op_retain(op);
    if (!nki_engine_timer(engine, op, chain->deadline_ns)) {
        nki_engine_chain_forget(engine, op);
        finish(op, NKI_NO_MEMORY);
    }
}

void nki_engine_chain_forget(struct nki_engine *engine, struct nki_op *op)
{
    struct nki_chain *chain = nki_op_chain(op);
    if (chain != NULL && chain->pause.index != 0) {
        nki_heap_remove(&engine->pauses, &chain->pause);
        chain->idle = true;
        nki_op_release(op);
    }
}

int32_t nki_op_late_outcome(const struct nki_op *op)
{
    const struct nki_chain *chain = nki_op_chain(op);
    int32_t outcome = chain == NULL ? NKI_OUTCOME_PENDING
                      : chain->idle ? chain->idle_outcome
                                    : chain->asked_outcome;
    return outcome != NKI_OUTCOME_PENDING ? outcome : NKI_OUTCOME_UNKNOWN;
}

int32_t nki_op_unsent_outcome(const struct nki_op *op)
{
    const struct nki_chain *chain = nki_op_chain(op);
    int32_t before = chain != NULL ? chain->idle_outcome : NKI_OUTCOME_PENDING;
    return before != NKI_OUTCOME_PENDING ? before : NKI_OUTCOME_NOT_SENT;
}

int32_t nki_op_refused_outcome(const struct nki_op *op)
{
    const struct nki_chain *chain = nki_op_chain(op);
    bool before = chain != NULL && chain->idle_outcome == NKI_OUTCOME_UNKNOWN;
    return before ? NKI_OUTCOME_UNKNOWN : NKI_OUTCOME_REJECTED;
}

/* What goes before the request, as far as there is room. */
static int32_t send_ahead(struct nki_engine *engine, struct nki_chain *chain)
{
    int32_t status = NKI_OK;
    for (size_t i = 0; i < chain->ahead_count && status == NKI_OK; i++) {
        status = nki_engine_check_size(engine, &chain->ahead[i]);
    }
    if (status == NKI_OK && chain->ahead_count > 0) {
        size_t done;
        bool kick;
        status = nki_outbox_append(&engine->outbox, chain->ahead, chain->ahead_count, 0, &done, &kick);
        engine->want |= kick ? NKI_WANT_KICK : 0;
        chain->ahead += done;
        chain->ahead_count -= done;
    }
    return status;
}

/* Without room, or, where nothing is accepted offline, a transport: it waits. */
static void not_sent(struct nki_engine *engine, struct nki_op *op, int32_t status, int64_t now_ns)
{
    if (status == NKI_WOULD_BLOCK || status == NKI_DISCONNECTED) {
        pause_until(engine, op, now_ns + ROOM_WAIT_NS);
    } else {
        finish(op, status);
    }
}

/* Neither registered nor waiting: sends `out`, or finishes the operation. */
static void ask(struct nki_engine *engine, struct nki_op *op, int64_t now_ns)
{
    struct nki_chain *chain = nki_op_chain(op);
    char reply[NKI_INBOX_MAX];
    struct nki_outgoing_msg msg = chain->out;
    size_t reply_len = 0;
    int32_t ahead = send_ahead(engine, chain);
    if (ahead != NKI_OK) {
        not_sent(engine, op, ahead, now_ns);
        return;
    }
    /* Later requests are larger than the first, and the next server may take less than this one. */
    int32_t status = nki_engine_check_size(engine, &msg);
    if (status == NKI_OK) {
        status = nki_engine_request(engine, op, chain->deadline_ns, reply, &reply_len);
    }
    if (status != NKI_OK) {
        finish(op, status);
        return;
    }
    op->asked = nki_str_hash(msg.subject);
    msg.reply = nki_str_make(reply, reply_len);
    size_t done;
    bool kick;
    status = nki_outbox_append(&engine->outbox, &msg, 1, 0, &done, &kick);
    engine->want |= kick ? NKI_WANT_KICK : 0;
    if (status != NKI_OK) {
        nki_engine_cancel(engine, op);
        not_sent(engine, op, status, now_ns);
    }
}

struct nki_op *nki_engine_chain_open(struct nki_engine *engine, struct nki_chain *chain, int64_t deadline_ns,
                                     int64_t now_ns)
{
    struct nki_op *op = nki_op_new();
    chain->op = NULL;
    if (op == NULL) {
        chain->part.free(&chain->part);
        return NULL;
    }
    nki_chain_attach(chain, op, deadline_ns);
    ask(engine, op, now_ns);
    return op;
}

void nki_engine_chain_reply(struct nki_engine *engine, struct nki_op *op, int32_t status, struct nki_msg *msg,
                            int64_t now_ns)
{
    struct nki_chain *chain = nki_op_chain(op);
    struct nki_chain_end end = {.outcome = NKI_OUTCOME_DONE};
    chain->now_ns = now_ns;
    switch (chain->ops->reply(chain, status, msg, &end)) {
    case NKI_CHAIN_ENDS:
        nki_op_finish(op, end.status, end.outcome, end.msg, end.status != NKI_OK ? &end.error : NULL);
        break;
    case NKI_CHAIN_ASKS:
        if (status == NKI_DISCONNECTED) {
            pause_until(engine, op, now_ns); /* requests are being looked through: none may be added now */
        } else {
            ask(engine, op, now_ns);
        }
        break;
    case NKI_CHAIN_WAITS:
        pause_until(engine, op, now_ns + chain->wait_ms * NKI_NS_PER_MS);
        break;
    }
}

void nki_engine_chains_resume(struct nki_engine *engine, int64_t now_ns)
{
    while (nki_heap_top_ns(&engine->pauses) <= now_ns) {
        struct nki_chain *chain = NKI_CONTAINER_OF(nki_heap_top(&engine->pauses), struct nki_chain, pause);
        struct nki_op *op = chain->op;
        nki_heap_remove(&engine->pauses, &chain->pause); /* its reference is ours now */
        nki_engine_untimer(engine, op);
        ask(engine, op, now_ns);
        nki_op_release(op);
    }
}
