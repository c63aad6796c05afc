/* Subscriptions that wait for more than a queue does: for a first message by a deadline, or for the answer to
 * a request: one message that finishes an operation, or several. Under the engine lock. */
#include "client/chain.h"
#include "client/feed.h"

#include "wire/emit.h"
#include "wire/header.h"

void nki_engine_end_sub(struct nki_engine *engine, struct nki_sub *sub, int32_t reason, bool unsub)
{
    bool own = sub->collect != NULL && sub->collect->op != NULL;
    if (own) {
        nki_engine_untimer(engine, sub->collect->op); /* the subscription has another reference */
    }
    if (unsub && sub->live && nki_sub_on_wire(sub) &&
        sub->drain == NKI_DRAIN_NONE) { /* else the server was told already */
        uint8_t line[NKI_EMIT_UNSUB_MAX];
        uint8_t *end = nki_emit_unsub(line, sub->sid, 0);
        bool kick;
        /* Without memory for it what the server still sends are orphans. */
        (void)nki_outbox_control(&engine->outbox, line, (size_t)(end - line), &kick);
        engine->want |= kick ? NKI_WANT_KICK : 0;
    }
    nki_subs_remove(&engine->subs, sub, reason);
    if (own) {
        nki_subs_forget(sub); /* it has no handle */
    } else {
        nki_engine_drain_ended(engine, sub);
    }
}

bool nki_engine_says_nobody(const struct nki_msg *msg)
{
    struct nki_str description;
    return msg->data_len == 0 && msg->header_len > 0 &&
           nki_header_status(nki_msg_header_block(msg), &description) == 503;
}

static void collect_one(struct nki_engine *engine, struct nki_sub *sub, struct nki_msg *msg, int64_t now_ns)
{
    struct nki_collect *collect = sub->collect;
    bool nobody = collect->request && nki_engine_says_nobody(msg);
    if (nobody || (collect->sentinel && msg->data_len == 0)) {
        nki_msg_release(msg);
        nki_engine_hand_over(engine);
        nki_engine_end_sub(engine, sub, nobody ? NKI_NO_RESPONDERS : NKI_SENTINEL, true);
        return;
    }
    sub->arrived++;
    if (collect->op != NULL) {
        nki_engine_hand_over(engine); /* what came before the reply is in its queue when the request ends */
        nki_op_finish(collect->op, NKI_OK, NKI_OUTCOME_DONE, msg, NULL);
        nki_engine_end_sub(engine, sub, NKI_MAX_REACHED, false);
        return;
    }
    nki_subs_stage(&engine->subs, sub, msg);
    if (!collect->request) {
        nki_heap_remove(&engine->subs.timers, &collect->timer);
    } else if (collect->stall_ns > 0 && collect->timer.index != 0) {
        int64_t stall_ns = now_ns + collect->stall_ns;
        int64_t at_ns = stall_ns < collect->deadline_ns ? stall_ns : collect->deadline_ns;
        bool moved = nki_heap_put(&engine->subs.timers, &collect->timer, at_ns);
        assert(moved); /* it is in already */
        (void)moved;
    }
}

void nki_engine_collect(struct nki_engine *engine, struct nki_sub *sub, struct nki_msg *msg, int64_t now_ns)
{
    if (NKI_LIKELY(sub->collect->feed != NULL)) {
        sub->arrived++;
        sub->collect->feed->ops->message(sub->collect->feed, msg,
                                         now_ns); /* the last thing done with it here */
        return;
    }
    nki_sub_retain(sub); /* it may end by this message */
    collect_one(engine, sub, msg, now_ns);
    nki_sub_release(sub);
}

void nki_engine_expire_subs(struct nki_engine *engine, int64_t now_ns)
{
    while (nki_heap_top_ns(&engine->subs.timers) <= now_ns) {
        struct nki_collect *collect =
            NKI_CONTAINER_OF(nki_heap_top(&engine->subs.timers), struct nki_collect, timer);
        struct nki_sub *sub = collect->sub;
        if (collect->feed != NULL) {
            nki_feed_arm(collect->feed, NKI_NEVER);
            collect->feed->ops->tick(collect->feed, now_ns);
            nki_engine_hand_over(engine);
            continue;
        }
        bool stalled = collect->timer.at_ns < collect->deadline_ns;
        nki_sub_retain(sub);
        nki_engine_end_sub(engine, sub, stalled ? NKI_STALLED : NKI_TIMEOUT, true);
        nki_sub_release(sub);
    }
}

void nki_engine_end_requests(struct nki_engine *engine, int32_t reason)
{
    struct nki_list *requests = &engine->subs.requests;
    for (struct nki_list *at = requests->next, *next; at != requests; at = next) {
        struct nki_collect *collect = NKI_CONTAINER_OF(at, struct nki_collect, node);
        next = at->next;
        if (!collect->keep) {
            struct nki_sub *sub = collect->sub;
            nki_sub_retain(sub);
            nki_engine_end_sub(engine, sub, reason, true);
            nki_sub_release(sub);
        }
    }
}

void nki_engine_deny_requests(struct nki_engine *engine, struct nki_str subject,
                              const struct nki_error *error)
{
    uint64_t asked = nki_str_hash(subject);
    struct nki_op *op;
    uint32_t slot = 0;
    nki_engine_hand_over(engine); /* so that ending drops nothing unnoticed */
    while ((op = nki_replies_next(&engine->replies, &slot)) != NULL) {
        if (op->asked == asked) {
            nki_op_retain(op);
            nki_engine_cancel(engine, op);
            nki_op_finish(op, NKI_PERMISSION, nki_op_refused_outcome(op), NULL, error);
            nki_op_release(op);
        }
    }
    nki_engine_feeds_denied(engine, subject, error);
    nki_engine_hand_over(engine);
    struct nki_list *requests = &engine->subs.requests;
    for (struct nki_list *at = requests->next, *next; at != requests; at = next) {
        struct nki_collect *collect = NKI_CONTAINER_OF(at, struct nki_collect, node);
        next = at->next;
        if (collect->asked != asked || collect->feed != NULL) {
            continue;
        }
        struct nki_sub *sub = collect->sub;
        nki_sub_retain(sub);
        nki_subs_refused(sub, error, NKI_OUTCOME_REJECTED);
        nki_engine_end_sub(engine, sub, NKI_PERMISSION, true);
        nki_sub_release(sub);
    }
}
