/* See steps.h. */
#include "steps.h"

#include "base/alloc.h"
#include "client/driver.h"

#include <stdatomic.h>

int32_t steps_feed(struct rig *rig, const struct nki_sub_params *params, struct nki_feed *feed,
                   struct nki_sub **out)
{
    struct nki_sub *sub = nki_sub_new(params);
    bool waits = feed->ops->drain != NULL;
    struct nki_collect collect = {.deadline_ns = NKI_NEVER, .feed = feed, .request = waits, .keep = waits};
    if (sub == NULL || !nki_sub_collect(sub, &collect)) {
        if (sub != NULL) {
            nki_sub_release(sub);
        }
        feed->ops->end(feed, NKI_NO_MEMORY);
        return NKI_NO_MEMORY;
    }
    nki_feed_attach(feed, &rig->engine, sub);
    int32_t status = nki_engine_subscribe(&rig->engine, sub);
    if (status != NKI_OK) {
        nki_sub_release(sub);
        return status;
    }
    nki_engine_feed_begin(&rig->engine, feed, rig->now_ns);
    rig_settle(rig);
    *out = sub;
    return NKI_OK;
}

int32_t steps_chain(struct rig *rig, struct nki_chain *chain, int64_t deadline_ns, struct nki_op **out)
{
    char reply[NKI_INBOX_MAX];
    size_t reply_len = 0;
    size_t done;
    bool kick;
    struct nki_op *op = nki_op_new();
    if (op == NULL) {
        chain->part.free(&chain->part);
        return NKI_NO_MEMORY;
    }
    op->part = &chain->part;
    op->asked = nki_str_hash(chain->out.subject);
    chain->op = op;
    chain->pause.index = 0;
    chain->deadline_ns = deadline_ns;
    int32_t status = nki_engine_request(&rig->engine, op, deadline_ns, reply, &reply_len);
    rig_settle(rig);
    if (status == NKI_OK) {
        struct nki_outgoing_msg msg = chain->out;
        msg.reply = nki_str_make(reply, reply_len);
        status = nki_outbox_append(&rig->engine.outbox, &msg, 1, 0, &done, &kick);
        rig->right = rig->right || kick;
        rig_settle(rig);
    }
    if (status != NKI_OK) {
        steps_cancel(rig, op);
        nki_op_release(op);
        return status;
    }
    *out = op;
    return NKI_OK;
}

void steps_cancel(struct rig *rig, struct nki_op *op)
{
    nki_engine_cancel(&rig->engine, op);
    nki_op_close(op);
    nki_engine_drain_step(&rig->engine, rig->now_ns);
    rig_settle(rig);
}

struct nki_msg *steps_take(struct rig *rig, struct nki_sub *sub)
{
    struct nki_inlet *inlet = &sub->inlet;
    struct nki_msg *msg;
    size_t count;
    pthread_mutex_lock(&inlet->wait.mu);
    int32_t status = nki_inlet_take_locked(inlet, &msg, 1, &count);
    bool enough = nki_inlet_tells_locked(inlet, count);
    bool tells = enough || nki_inlet_drained_locked(inlet);
    pthread_mutex_unlock(&inlet->wait.mu);
    if (status != NKI_OK) {
        return NULL;
    }
    if (tells) {
        nki_engine_taken(&rig->engine, sub, enough, rig->now_ns);
        rig_settle(rig);
    }
    return msg;
}

static _Atomic long refuse_left;

static bool gate(size_t size)
{
    (void)size;
    return atomic_fetch_sub(&refuse_left, 1) != 1;
}

bool steps_refused(void)
{
    return atomic_load(&refuse_left) <= 0;
}

void steps_refuse_no_more(void)
{
    nki_alloc_gate_set(NULL);
}

bool steps_refuse(long nth)
{
    steps_refuse_no_more();
    if (nth > 1 && !steps_refused()) {
        return false;
    }
    atomic_store(&refuse_left, nth);
    nki_alloc_gate_set(gate);
    return true;
}
