/* Waiting for the queue of a feed without blocking: see ready.h. */
#include "client/ready.h"

void nki_ready_tell(struct nki_ready *ready, struct nki_engine *engine)
{
    while (!nki_list_empty(&ready->ops)) {
        struct nki_op *op = NKI_CONTAINER_OF(ready->ops.next, struct nki_op, engine_node);
        nki_list_remove(&op->engine_node);
        nki_engine_untimer(engine, op);
        nki_op_finish(op, NKI_OK, NKI_OUTCOME_DONE, NULL, NULL);
        nki_op_release(op);
    }
}

/* With the engine lock. */
static int32_t wait_for(struct nki_sub *sub, struct nki_feed *feed, struct nki_ready *ready,
                        int64_t deadline_ns, struct nki_op *op)
{
    struct nki_inlet_stats stats;
    if (ready == NULL) {
        return NKI_INVALID;
    }
    nki_inlet_stats_get(nki_sub_inlet(sub), &stats);
    if (stats.pending_msgs > 0) {
        nki_op_finish(op, NKI_OK, NKI_OUTCOME_DONE, NULL, NULL);
    } else if (!nki_engine_timer(feed->engine, op, deadline_ns)) {
        return NKI_NO_MEMORY;
    } else {
        nki_op_retain(op);
        nki_list_append(&ready->ops, &op->engine_node);
    }
    return NKI_OK;
}

int32_t nki_ready_begin(struct nki_sub *sub, struct nki_ready *(*of)(struct nki_feed *feed),
                        int64_t deadline_ns, struct nki_op **out, struct nki_error *err)
{
    struct nki_op *op = nki_op_new();
    if (op == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    struct nki_feed *feed = nki_sub_feed_lock(sub);
    int32_t status = NKI_OK;
    if (feed != NULL) {
        status = wait_for(sub, feed, of(feed), deadline_ns, op);
        nki_sub_feed_unlock(sub);
    } else {
        nki_op_finish(op, NKI_OK, NKI_OUTCOME_DONE, NULL, NULL); /* it has ended */
    }
    if (status != NKI_OK) {
        nki_op_release(op);
        return nki_error_set(err, status, NULL);
    }
    *out = op;
    return NKI_OK;
}
