/* Draining: ends a subscription, or all of them and then the connection, so that nothing that has come is
 * lost.
 *
 * A subscription: UNSUB and PING go out; what comes before the PONG is queued as ever; then the subscription
 * ends, and takers take the rest (inlet.h: watched). All: the same with one PING for all; once everything was
 * taken and no request waits, the outbox is sealed and the connection closes as after a linger. Without a
 * transport nothing more comes, so subscriptions end at once. Under the engine lock. */
#include "base/alloc.h"
#include "client/feed.h"
#include "client/lame_duck.h"
#include "wire/emit.h"

#include <inttypes.h>

/* The drain of one subscription has ended, in whatever way. */
static void sub_done(struct nki_engine *engine, struct nki_sub *sub, int32_t status)
{
    if (sub->drain == NKI_DRAIN_NONE || sub->drain == NKI_DRAIN_DONE) {
        return;
    }
    sub->drain = NKI_DRAIN_DONE;
    engine->drains--;
    struct nki_op *op = sub->drain_op;
    sub->drain_op = NULL;
    if (op != NULL) {
        op->draining = NULL;
        nki_engine_untimer(engine, op);
        nki_engine_finish_own(&op, status, NULL);
    }
    nki_sub_release(sub);
}

static void begin(struct nki_engine *engine, struct nki_sub *sub)
{
    sub->drain = NKI_DRAIN_ASKED;
    engine->drains++;
    nki_sub_retain(sub);
}

/* Nothing more comes: the subscription ends, and what has come is taken. */
static void end_sub(struct nki_engine *engine, struct nki_sub *sub)
{
    if (sub->drain != NKI_DRAIN_ASKED) {
        return;
    }
    sub->drain = NKI_DRAIN_TAKING;
    nki_inlet_watch(&sub->inlet);
    nki_subs_remove(&engine->subs, sub, NKI_UNSUBSCRIBED);
    if (nki_inlet_drained(&sub->inlet)) {
        sub_done(engine, sub, NKI_OK);
    }
}

static void end_all(struct nki_engine *engine)
{
    struct nki_map *by_sid = &engine->subs.by_sid;
    struct nki_sub *sub;
    nki_engine_hand_over(engine);
    while (by_sid->len > engine->subs.request_count) { /* requests wait for their answer */
        size_t at = 0;
        while ((sub = nki_map_next(by_sid, &at)) != NULL) {
            if (!nki_sub_is_request(sub)) {
                nki_subs_remove(&engine->subs, sub, NKI_UNSUBSCRIBED);
                at--; /* a later entry was moved into the gap */
            }
        }
    }
    struct nki_list *ended = &engine->subs.ended;
    for (struct nki_list *at = ended->next; at != ended; at = at->next) {
        end_sub(engine, NKI_CONTAINER_OF(at, struct nki_sub, node)); /* which stays in the list */
    }
    engine->subs_ended = true;
}

void nki_engine_drain_pong(struct nki_engine *engine, const struct nki_ping *ping)
{
    if (ping->kind == NKI_PING_DRAINS_SUB) {
        nki_engine_hand_over(engine);
        end_sub(engine, ping->sub);
    } else if (ping->kind == NKI_PING_DRAINS_ALL) {
        end_all(engine);
    }
}

/* UNSUB and PING for one subscription that is live at the server. */
static int32_t ask_sub(struct nki_engine *engine, struct nki_sub *sub)
{
    struct nki_feed *feed = sub->collect != NULL ? sub->collect->feed : NULL;
    struct nki_buf lines = {0};
    bool ok = feed == NULL || feed->ops->leave == NULL || feed->ops->leave(feed, &lines);
    ok = ok && nki_buf_reserve(&lines, NKI_EMIT_UNSUB_MAX + 6);
    if (ok && nki_sub_on_wire(sub)) {
        lines.len = (size_t)(nki_emit_unsub(lines.data + lines.len, sub->sid, 0) - lines.data);
    }
    ok = ok && nki_buf_append(&lines, "PING\r\n", 6);
    struct nki_ping ping = {.kind = NKI_PING_DRAINS_SUB, .sub = sub};
    int32_t status =
        ok ? nki_engine_ping(engine, ping, nki_str_make((const char *)lines.data, lines.len)) : NKI_NO_MEMORY;
    nki_buf_free(&lines);
    return status;
}

static void attach(struct nki_sub *sub, struct nki_op *op)
{
    nki_op_retain(op);
    op->draining = sub;
    sub->drain_op = op;
}

/* A drain was begun before, by that of the connection or by a caller who waits no more: this one waits. */
static int32_t join(struct nki_sub *sub, struct nki_op *op)
{
    if (sub->drain == NKI_DRAIN_DONE) {
        nki_op_finish(op, NKI_OK, NKI_OUTCOME_DONE, NULL, NULL);
    } else if (sub->drain_op != NULL) {
        return NKI_DRAINING;
    } else {
        attach(sub, op);
    }
    return NKI_OK;
}

/* Begins the drain of one: asks the server, or, without one that knows of it, ends it at once. */
static int32_t begin_one(struct nki_engine *engine, struct nki_sub *sub, struct nki_op *op)
{
    bool ask = sub->live && sub->sid != 0 && engine->state == NKI_ENGINE_CONNECTED;
    int32_t status = ask ? ask_sub(engine, sub) : NKI_OK;
    if (status == NKI_OK) {
        begin(engine, sub);
        attach(sub, op);
        if (!ask) {
            nki_engine_hand_over(engine);
            end_sub(engine, sub);
        }
    }
    return status;
}

int32_t nki_engine_drain_sub(struct nki_engine *engine, struct nki_sub *sub, struct nki_op *op,
                             int64_t deadline_ns, int64_t now_ns)
{
    if (engine->state == NKI_ENGINE_CLOSED || sub->closed) { /* perhaps since the caller looked */
        return NKI_CLOSED;
    }
    if (!nki_engine_timer(engine, op, deadline_ns)) {
        return NKI_NO_MEMORY;
    }
    int32_t status = sub->drain == NKI_DRAIN_NONE ? begin_one(engine, sub, op) : join(sub, op);
    if (sub->drain_op != op) {
        nki_engine_untimer(engine, op); /* refused, or done already */
    }
    nki_engine_drain_step(engine, now_ns);
    return status;
}

/* UNSUB for all, and a PING. */
static int32_t ask_all(struct nki_engine *engine)
{
    struct nki_buf lines = {0};
    size_t at = 0;
    struct nki_sub *sub;
    bool ok = true;
    while (ok && (sub = nki_map_next(&engine->subs.by_sid, &at)) != NULL) {
        ok = nki_buf_reserve(&lines, NKI_EMIT_UNSUB_MAX);
        if (ok && nki_sub_on_wire(sub) && sub->drain == NKI_DRAIN_NONE && !nki_sub_is_request(sub)) {
            lines.len = (size_t)(nki_emit_unsub(lines.data + lines.len, sub->sid, 0) - lines.data);
        }
    }
    ok = ok && nki_buf_append(&lines, "PING\r\n", 6);
    int32_t status = NKI_NO_MEMORY;
    if (ok) {
        struct nki_ping ping = {.kind = NKI_PING_DRAINS_ALL};
        status = nki_engine_ping(engine, ping, nki_str_make((const char *)lines.data, lines.len));
    }
    nki_buf_free(&lines);
    return status;
}

int32_t nki_engine_drain(struct nki_engine *engine, struct nki_op *op, int64_t deadline_ns, int64_t now_ns)
{
    if (engine->state == NKI_ENGINE_CLOSED || engine->closing) {
        return engine->draining && engine->state != NKI_ENGINE_CLOSED ? NKI_DRAINING : NKI_CLOSED;
    }
    if (engine->draining) {
        return NKI_DRAINING;
    }
    bool connected = engine->state == NKI_ENGINE_CONNECTED;
    nki_engine_move_cancel(engine);
    int32_t status = connected ? ask_all(engine) : NKI_OK;
    if (status != NKI_OK) {
        return status;
    }
    nki_op_retain(op);
    engine->drain_op = op;
    engine->draining = true;
    engine->drain_deadline_ns = deadline_ns;
    size_t at = 0;
    struct nki_sub *sub;
    while ((sub = nki_map_next(&engine->subs.by_sid, &at)) != NULL) {
        if (sub->drain == NKI_DRAIN_NONE && !nki_sub_is_request(sub) && !sub->left) {
            begin(engine, sub);
        }
    }
    struct nki_list *ended = &engine->subs.ended;
    for (struct nki_list *node = ended->next; node != ended; node = node->next) {
        sub = NKI_CONTAINER_OF(node, struct nki_sub, node);
        if (sub->drain == NKI_DRAIN_NONE) {
            begin(engine, sub);
            end_sub(engine, sub);
        }
    }
    nki_engine_feeds_drain(engine, now_ns);
    if (!connected) {
        end_all(engine);
    }
    nki_engine_drain_step(engine, now_ns);
    return NKI_OK;
}

void nki_engine_drain_ended(struct nki_engine *engine, struct nki_sub *sub)
{
    if (engine->draining && sub->drain == NKI_DRAIN_NONE && sub->sid != 0 && !sub->closed && !sub->left) {
        begin(engine, sub);
        end_sub(engine, sub);
    }
}

void nki_engine_drain_step(struct nki_engine *engine, int64_t now_ns)
{
    if (!engine->subs_ended || engine->closing || engine->drains > 0 || engine->replies.used > 0 ||
        engine->pauses.len > 0 || engine->subs.request_count > 0 || engine->state == NKI_ENGINE_CLOSED) {
        return;
    }
    if (now_ns >= engine->drain_deadline_ns) { /* before the tick that would have said so */
        nki_engine_drain_late(engine, now_ns);
        return;
    }
    engine->all_taken = true;
    nki_engine_close_linger(engine, NULL, engine->drain_deadline_ns, now_ns);
}

void nki_engine_taken(struct nki_engine *engine, struct nki_sub *sub, bool enough, int64_t now_ns)
{
    if (enough && sub->live && sub->collect != NULL && sub->collect->feed != NULL &&
        sub->drain == NKI_DRAIN_NONE) {
        sub->collect->feed->ops->taken(sub->collect->feed, now_ns);
    }
    if (sub->drain == NKI_DRAIN_TAKING && nki_inlet_drained(&sub->inlet)) {
        sub_done(engine, sub, NKI_OK);
        nki_engine_drain_step(engine, now_ns);
    }
}

void nki_engine_close_sub(struct nki_engine *engine, struct nki_sub *sub, int64_t now_ns)
{
    sub->closed = true;
    if (nki_engine_unsubscribe(engine, sub, 0) != NKI_OK) {
        nki_subs_remove(&engine->subs, sub, NKI_UNSUBSCRIBED); /* the server's messages are orphans then */
    }
    nki_subs_forget(sub);
    sub_done(engine, sub, NKI_CLOSED);
    nki_engine_drain_step(engine, now_ns);
}

static uint64_t pending_msgs(struct nki_sub *sub)
{
    struct nki_inlet_stats stats;
    nki_inlet_stats_get(&sub->inlet, &stats);
    return stats.pending_msgs;
}

void nki_engine_drain_unwait(struct nki_op *op)
{
    struct nki_sub *sub = op->draining;
    if (sub != NULL) {
        op->draining = NULL;
        sub->drain_op = NULL;
        nki_op_release(op);
    }
}

void nki_engine_drain_sub_late(struct nki_op *op)
{
    struct nki_sub *sub = op->draining;
    if (sub == NULL) {
        return;
    }
    struct nki_error error;
    nki_error_set(&error, NKI_TIMEOUT,
                  "drain: %" PRIu64 " messages were not taken, %" PRIu64 " loops hold it", pending_msgs(sub),
                  nki_inlet_holds(&sub->inlet));
    nki_op_finish(op, NKI_TIMEOUT, NKI_OUTCOME_NOT_SENT, NULL, &error);
}

uint64_t nki_engine_drain_left(struct nki_engine *engine, uint64_t *busy)
{
    uint64_t msgs = 0;
    size_t at = 0;
    struct nki_sub *sub;
    *busy = 0;
    while ((sub = nki_map_next(&engine->subs.by_sid, &at)) != NULL) {
        msgs += pending_msgs(sub);
        *busy += 1;
    }
    struct nki_list *ended = &engine->subs.ended;
    for (struct nki_list *node = ended->next; node != ended; node = node->next) {
        sub = NKI_CONTAINER_OF(node, struct nki_sub, node);
        msgs += pending_msgs(sub);
        *busy += sub->drain == NKI_DRAIN_TAKING;
    }
    return msgs;
}

void nki_engine_drain_late(struct nki_engine *engine, int64_t now_ns)
{
    uint64_t busy;
    uint64_t msgs = nki_engine_drain_left(engine, &busy);
    struct nki_error error;
    nki_error_set(
        &error, NKI_TIMEOUT,
        "drain: %" PRIu64 " messages were not taken, %" PRIu64 " subscriptions and %u requests are not done",
        msgs, busy, engine->replies.used + (uint32_t)(engine->pauses.len + engine->subs.request_count));
    nki_engine_close(engine, &error, now_ns);
}

void nki_engine_drain_end(struct nki_engine *engine)
{
    struct nki_list *ended = &engine->subs.ended;
    while (!nki_list_empty(ended)) {
        struct nki_sub *sub = NKI_CONTAINER_OF(ended->next, struct nki_sub, node);
        nki_sub_retain(sub);
        nki_subs_forget(sub);
        sub_done(engine, sub, NKI_CLOSED);
        nki_sub_release(sub);
    }
}
