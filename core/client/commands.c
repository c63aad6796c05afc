/* What callers ask of the engine, and what the server says of it: subscriptions, requests, flushes, pings,
 * errors. Under the engine lock. */
#include "client/chain.h"
#include "client/lame_duck.h"

#include "base/alloc.h"
#include "base/probe.h"
#include "wire/emit.h"
#include "wire/subject.h"

#include <strings.h>

int32_t nki_engine_subscribe(struct nki_engine *engine, struct nki_sub *sub)
{
    bool refused = engine->closing || !nki_sub_is_request(sub); /* as nki_engine_request does */
    if (engine->draining && engine->state != NKI_ENGINE_CLOSED && refused) {
        return NKI_DRAINING;
    }
    if (engine->state == NKI_ENGINE_CLOSED || engine->closing) {
        return NKI_CLOSED;
    }
    uint8_t line[NKI_EMIT_SUB_MAX(NKI_SUBJECT_MAX, NKI_SUBJECT_MAX) + NKI_EMIT_UNSUB_MAX];
    if (!nki_subs_add(&engine->subs, sub)) {
        return NKI_NO_MEMORY;
    }
    if (!nki_sub_on_wire(sub)) {
        return NKI_OK;
    }
    uint8_t *end = nki_emit_sub(line, nki_sub_subject(sub), nki_sub_queue(sub), sub->sid);
    if (sub->max > 0) {
        end = nki_emit_unsub(end, sub->sid, sub->max);
    }
    bool kick;
    bool ok = nki_outbox_control(&engine->outbox, line, (size_t)(end - line), &kick);
    engine->want |= kick ? NKI_WANT_KICK : 0;
    if (!ok) {
        nki_subs_remove(&engine->subs, sub, NKI_NO_MEMORY);
        return NKI_NO_MEMORY;
    }
    return NKI_OK;
}

int32_t nki_engine_unsubscribe(struct nki_engine *engine, struct nki_sub *sub, uint64_t max)
{
    /* A limit is never raised: the server may have ended the subscription at the old one already. */
    if (!sub->live || (sub->max > 0 && max > sub->max)) {
        return NKI_OK;
    }
    bool at_once = max == 0 || sub->arrived >= max;
    if (nki_sub_on_wire(sub) && sub->drain == NKI_DRAIN_NONE) { /* else the server was told already */
        uint8_t line[NKI_EMIT_UNSUB_MAX];
        /* The server counts from the SUB of this transport; what it does not know of is taken off here. */
        uint8_t *end = nki_emit_unsub(line, sub->sid, at_once ? 0 : max - sub->arrived_before);
        bool kick;
        bool ok = nki_outbox_control(&engine->outbox, line, (size_t)(end - line), &kick);
        engine->want |= kick ? NKI_WANT_KICK : 0;
        if (!ok) {
            return NKI_NO_MEMORY;
        }
    }
    if (at_once) {
        nki_subs_remove(&engine->subs, sub, max == 0 ? NKI_UNSUBSCRIBED : NKI_MAX_REACHED);
        nki_engine_drain_ended(engine, sub); /* a request, which the drain of all waits for */
    } else {
        sub->max = max;
    }
    return NKI_OK;
}

/* The inbox of all replies is subscribed with the first request. */
static int32_t subscribe_inbox(struct nki_engine *engine)
{
    engine->replies.sid = engine->subs.next_sid++;
    struct nki_buf line = {0};
    bool kick = false;
    bool ok = nki_replies_emit_sub(&engine->replies, &line) &&
              nki_outbox_control(&engine->outbox, line.data, line.len, &kick);
    engine->want |= kick ? NKI_WANT_KICK : 0;
    nki_buf_free(&line);
    if (!ok) {
        engine->replies.sid = 0;
    }
    return ok ? NKI_OK : NKI_NO_MEMORY;
}

int32_t nki_engine_request(struct nki_engine *engine, struct nki_op *op, int64_t deadline_ns, char *reply,
                           size_t *reply_len)
{
    if (engine->state == NKI_ENGINE_CLOSED || engine->closing) {
        bool drains = engine->draining && engine->state != NKI_ENGINE_CLOSED;
        return drains ? NKI_DRAINING : NKI_CLOSED;
    }
    if (engine->replies.sid == 0) {
        int32_t status = subscribe_inbox(engine);
        if (status != NKI_OK) {
            return status;
        }
    }
    *reply_len = nki_replies_add(&engine->replies, op, reply);
    if (*reply_len == 0) {
        return engine->replies.used == NKI_REPLIES_MAX ? NKI_LIMIT : NKI_NO_MEMORY;
    }
    if (!nki_engine_timer(engine, op, deadline_ns)) {
        nki_replies_remove(&engine->replies, op);
        return NKI_NO_MEMORY;
    }
    return NKI_OK;
}

bool nki_engine_timer(struct nki_engine *engine, struct nki_op *op, int64_t deadline_ns)
{
    if (deadline_ns == NKI_NEVER) {
        return true;
    }
    if (!nki_heap_put(&engine->timers, &op->timer, deadline_ns)) {
        return false;
    }
    nki_op_retain(op);
    return true;
}

void nki_engine_untimer(struct nki_engine *engine, struct nki_op *op)
{
    if (op->timer.index != 0) {
        nki_heap_remove(&engine->timers, &op->timer);
        nki_op_release(op);
    }
}

void nki_engine_cancel(struct nki_engine *engine, struct nki_op *op)
{
    nki_outbox_forget_op(&engine->outbox, op);
    nki_replies_remove(&engine->replies, op);
    nki_engine_drain_unwait(op);
    nki_engine_untimer(engine, op);
    nki_engine_chain_forget(engine, op);
    if (op->own_sub != NULL) {
        struct nki_sub *sub = op->own_sub;
        nki_sub_retain(sub);
        nki_engine_end_sub(engine, sub, NKI_UNSUBSCRIBED, true);
        nki_sub_release(sub);
    }
    if (!nki_list_empty(&op->engine_node)) {
        nki_list_remove(&op->engine_node);
        nki_op_release(op);
    }
}

bool nki_engine_closed_op(struct nki_engine *engine, struct nki_op *op, int64_t deadline_ns)
{
    if (engine->state != NKI_ENGINE_CLOSED) {
        if (!nki_engine_timer(engine, op, deadline_ns)) {
            return false;
        }
        nki_op_retain(op);
        nki_list_append(&engine->closed_ops, &op->engine_node);
        return true;
    }
    bool asked = engine->by_application;
    nki_op_finish(op, asked ? NKI_OK : engine->last_error.status,
                  asked ? NKI_OUTCOME_DONE : NKI_OUTCOME_NOT_SENT, NULL, asked ? NULL : &engine->last_error);
    return true;
}

static bool pings_reserve(struct nki_pings *pings)
{
    if (pings->count < pings->cap) {
        return true;
    }
    uint32_t cap = pings->cap == 0 ? 8 : pings->cap * 2;
    struct nki_ping *ring = nki_alloc(cap * sizeof *ring);
    if (ring == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < pings->count; i++) {
        ring[i] = pings->ring[(pings->head + i) & (pings->cap - 1)];
    }
    nki_free(pings->ring);
    pings->ring = ring;
    pings->cap = cap;
    pings->head = 0;
    return true;
}

/* In the order in which their PONGs come: one that goes before what is held stands before the pings that are.
 */
static void put_ping(struct nki_engine *engine, struct nki_ping ping)
{
    struct nki_pings *pings = &engine->pings;
    uint32_t at = pings->count++;
    if (ping.kind == NKI_PING_MOVES) {
        ping.mark = engine->move.mark;
        for (uint32_t i = 0; i < engine->move.held_pings; i++, at--) {
            pings->ring[(pings->head + at) & (pings->cap - 1)] =
                pings->ring[(pings->head + at - 1) & (pings->cap - 1)];
        }
    } else if (engine->move.phase >= NKI_MOVE_SETTLE) {
        engine->move.held_pings++;
    }
    pings->ring[(pings->head + at) & (pings->cap - 1)] = ping;
}

int32_t nki_engine_ping(struct nki_engine *engine, struct nki_ping ping, struct nki_str lines)
{
    struct nki_pings *pings = &engine->pings;
    if (pings->count == NKI_PINGS_MAX) {
        return NKI_LIMIT;
    }
    if (!pings_reserve(pings)) {
        return NKI_NO_MEMORY;
    }
    bool kick;
    ping.mark = nki_outbox_accepted(&engine->outbox);
    if (lines.len == 0) {
        lines = NKI_STR("PING\r\n");
    }
    bool moves = ping.kind == NKI_PING_MOVES;
    bool ok = moves ? nki_outbox_ahead(&engine->outbox, lines.ptr, lines.len, &kick)
                    : nki_outbox_control(&engine->outbox, lines.ptr, lines.len, &kick);
    engine->want |= kick ? NKI_WANT_KICK : 0;
    if (!ok) {
        return NKI_NO_MEMORY;
    }
    put_ping(engine, ping);
    if (ping.op != NULL) {
        nki_op_retain(ping.op);
    }
    if (ping.sub != NULL) {
        nki_sub_retain(ping.sub);
    }
    return NKI_OK;
}

static struct nki_ping take_ping(struct nki_pings *pings)
{
    struct nki_ping ping = pings->ring[pings->head];
    pings->head = (pings->head + 1) & (pings->cap - 1);
    pings->count--;
    return ping;
}

static void finish_ping(struct nki_engine *engine, struct nki_ping ping, int32_t status)
{
    if (ping.op != NULL) {
        nki_engine_untimer(engine, ping.op);
        nki_op_finish(ping.op, status, status == NKI_OK ? NKI_OUTCOME_DONE : NKI_OUTCOME_UNKNOWN, NULL, NULL);
        nki_op_release(ping.op);
    }
    nki_engine_drain_pong(engine, &ping);
    if (ping.sub != NULL) {
        nki_sub_release(ping.sub);
    }
}

void nki_engine_pong(struct nki_engine *engine, int64_t now_ns)
{
    engine->pings.unanswered = 0;
    engine->pong_ns = now_ns;
    NKI_PROBE(pong, engine->origin, engine->pings.count);
    uint32_t held = engine->move.phase >= NKI_MOVE_SETTLE ? engine->move.held_pings : 0;
    if (engine->pings.count <= held) {
        return; /* nobody asked, or not yet: ignored */
    }
    struct nki_ping ping = take_ping(&engine->pings);
    nki_outbox_confirm(&engine->outbox, ping.mark);
    nki_engine_hand_over(engine); /* what came before the PONG is in its queue when the flush ends */
    finish_ping(engine, ping, NKI_OK);
    if (ping.kind == NKI_PING_CLOSES) {
        engine->confirmed = true;
        nki_engine_close(engine, NULL, now_ns);
    } else if (ping.kind == NKI_PING_MOVES) {
        nki_engine_move_go(engine, now_ns);
    }
}

int32_t nki_engine_flush(struct nki_engine *engine, struct nki_op *op, int64_t deadline_ns)
{
    if (engine->state == NKI_ENGINE_CLOSED) {
        return NKI_CLOSED;
    }
    if (engine->state != NKI_ENGINE_CONNECTED) {
        return NKI_DISCONNECTED;
    }
    if (!nki_engine_timer(engine, op, deadline_ns)) {
        return NKI_NO_MEMORY;
    }
    struct nki_ping ping = {.op = op};
    int32_t status = nki_engine_ping(engine, ping, NKI_STR(""));
    if (status != NKI_OK) {
        nki_engine_untimer(engine, op);
    }
    return status;
}

/* Requests over the common inbox; with NKI_DISCONNECTED only those that do not outlive their transport. */
static void fail_requests(struct nki_engine *engine, int32_t status, const struct nki_error *error)
{
    struct nki_op *op;
    uint32_t at = 0;
    while ((op = nki_replies_next(&engine->replies, &at)) != NULL) {
        if (status == NKI_DISCONNECTED && op->keep) {
            continue;
        }
        nki_op_retain(op);
        nki_replies_remove(&engine->replies, op);
        nki_engine_untimer(engine, op);
        if (status == NKI_DISCONNECTED && op->part != NULL) {
            nki_engine_chain_reply(engine, op, status, NULL, 0);
        } else {
            int32_t outcome = status == NKI_PERMISSION ? NKI_OUTCOME_REJECTED : nki_op_late_outcome(op);
            nki_op_finish(op, status, outcome, NULL, error);
        }
        nki_op_release(op);
    }
}

void nki_engine_fail_ops(struct nki_engine *engine, int32_t status)
{
    fail_requests(engine, status, NULL);
    nki_engine_end_requests(engine, status);
    while (engine->pings.count > 0) {
        finish_ping(engine, take_ping(&engine->pings), status);
    }
    engine->pings.unanswered = 0;
}

/* Flushes are asked for again, requests keep their inbox; drains end, as without a transport. */
void nki_engine_keep_ops(struct nki_engine *engine)
{
    struct nki_pings *pings = &engine->pings;
    for (uint32_t left = pings->count; left > 0; left--) {
        struct nki_ping ping = take_ping(pings);
        if (ping.kind == NKI_PING_PLAIN && ping.op != NULL) {
            pings->ring[(pings->head + pings->count++) & (pings->cap - 1)] = ping;
        } else {
            finish_ping(engine, ping, NKI_DISCONNECTED);
        }
    }
    pings->unanswered = 0;
}

bool nki_engine_resume_ops(struct nki_engine *engine)
{
    bool ok = true;
    for (uint32_t i = 0; i < engine->pings.count && ok; i++) {
        bool kick;
        ok = nki_outbox_control(&engine->outbox, "PING\r\n", 6, &kick);
        engine->want |= kick ? NKI_WANT_KICK : 0;
    }
    return ok;
}

void nki_engine_close_linger(struct nki_engine *engine, struct nki_op *op, int64_t deadline_ns,
                             int64_t now_ns)
{
    if (op != NULL) {
        nki_engine_finish_own(&engine->close_op, NKI_CLOSED, NULL); /* closed twice: the later one counts */
        engine->close_op = op;
    }
    if (engine->state == NKI_ENGINE_CLOSED) {
        nki_engine_finish_own(&engine->close_op, NKI_OK, NULL);
        return;
    }
    engine->closing = true;
    engine->close_deadline_ns = deadline_ns;
    nki_engine_move_cancel(engine);
    bool connected = engine->state == NKI_ENGINE_CONNECTED;
    struct nki_ping ping = {.kind = NKI_PING_CLOSES};
    /* Before the look and the last ping: a publish under way in another thread is confirmed by it, or
     * refused. */
    nki_outbox_seal(&engine->outbox, engine->draining ? NKI_DRAINING : NKI_CLOSED);
    /* What a PONG has confirmed needs no other one. Without a connection what was sent over the last one is
     * in doubt for good: only what was not sent counts. */
    bool something = nki_outbox_unconfirmed(&engine->outbox) > 0;
    if (now_ns >= deadline_ns || !something) {
        engine->confirmed = !something;
        nki_engine_close(engine, NULL, now_ns);
    } else if (connected && nki_engine_ping(engine, ping, NKI_STR("")) != NKI_OK) {
        struct nki_error error;
        nki_error_set(&error, NKI_DISCONNECTED,
                      "closed by the application; no ping could be sent to confirm");
        nki_engine_close(engine, &error, now_ns);
    }
}

struct error_text {
    const char *begin;
    int32_t status; /* with which the transport is given up; 0: it stays */
};

/* Texts of server 2.15, compared without regard to case; the server closes after those that are not marked 0.
 */
static const struct error_text error_texts[] = {
    {"permissions violation", 0},
    {"maximum subscriptions exceeded", 0},
    {"invalid subject", 0},
    {"invalid publish subject", 0},
    {"authorization violation", NKI_AUTH},
    {"authentication timeout", NKI_AUTH},
    {"user authentication expired", NKI_AUTH_EXPIRED},
    {"user authentication revoked", NKI_AUTH_REVOKED},
    {"account authentication expired", NKI_AUTH_EXPIRED},
    {"secure connection - tls required", NKI_TLS_REQUIRED},
    {"stale connection", NKI_STALE},
    {"maximum connections exceeded", NKI_SERVER_LIMIT},
    {"maximum account active connections exceeded", NKI_SERVER_LIMIT},
    {"connection throttling is active", NKI_SERVER_LIMIT},
};

static bool begins(struct nki_str text, const char *begin)
{
    size_t len = strlen(begin);
    return text.len >= len && strncasecmp(text.ptr, begin, len) == 0;
}

static int32_t error_status(struct nki_str text)
{
    for (size_t i = 0; i < NKI_ARRAY_LEN(error_texts); i++) {
        if (begins(text, error_texts[i].begin)) {
            return error_texts[i].status;
        }
    }
    return NKI_SERVER_ERROR;
}

/* The text between the first pair of double quotes behind `word`; empty if there is none. */
static struct nki_str quoted_after(struct nki_str text, const char *word)
{
    size_t len = strlen(word);
    for (size_t at = 0; at + len <= text.len; at++) {
        if (strncasecmp(text.ptr + at, word, len) == 0) {
            struct nki_str rest = nki_str_make(text.ptr + at + len, text.len - at - len);
            nki_str_cut(&rest, '"');
            return rest.ptr == NULL ? NKI_STR("") : nki_str_cut(&rest, '"');
        }
    }
    return NKI_STR("");
}

/* The server denies a subscription: it ends, and so do the requests if it is the inbox. */
static void deny_subscription(struct nki_engine *engine, struct nki_str subject, struct nki_str queue,
                              const struct nki_error *error)
{
    const struct nki_replies *replies = &engine->replies;
    if (replies->sid != 0 && subject.len == replies->prefix_len + 1 &&
        memcmp(subject.ptr, replies->prefix, replies->prefix_len) == 0) {
        engine->replies.sid = 0;                      /* asked for again with the next request */
        fail_requests(engine, NKI_PERMISSION, error); /* not the pings: their PONGs are still to come */
        return;
    }
    nki_engine_hand_over(engine); /* so that removing drops nothing unnoticed */
    size_t at = 0;
    struct nki_sub *sub;
    while ((sub = nki_map_next(&engine->subs.by_sid, &at)) != NULL) {
        if (nki_str_eq(nki_sub_wire_subject(sub), subject) && nki_str_eq(nki_sub_wire_queue(sub), queue)) {
            nki_subs_refused(sub, error, NKI_OUTCOME_REJECTED);
            nki_sub_retain(sub);
            nki_engine_end_sub(engine, sub, NKI_PERMISSION, false);
            nki_sub_release(sub);
            return; /* one error for each offence */
        }
    }
}

void nki_engine_server_error(struct nki_engine *engine, struct nki_str text, int64_t now_ns)
{
    int32_t status = error_status(text);
    struct nki_error error;
    int shown = text.len < 400 ? (int)text.len : 400;
    if (status != 0 || engine->state != NKI_ENGINE_CONNECTED) {
        nki_error_set(&error, status != 0 ? status : NKI_SERVER_ERROR, "%s: the server says: %.*s",
                      engine->servers.current->text, shown, text.len > 0 ? text.ptr : "");
        nki_engine_lost(engine, &error, now_ns);
        return;
    }
    nki_error_set(&error, NKI_PERMISSION, "%.*s", shown, text.ptr); /* cut and cleaned for showing */
    struct nki_str subject = quoted_after(text, " to ");
    bool permission = begins(text, "permissions violation");
    if (permission && quoted_after(text, "for subscription to ").len > 0) {
        deny_subscription(engine, subject, quoted_after(text, "using queue "), &error);
    } else if (permission) {
        nki_engine_deny_requests(engine, subject, &error);
    }
    struct nki_event event = {.type = NKI_EVENT_ASYNC_ERROR,
                              .status = permission ? NKI_PERMISSION : NKI_SERVER_ERROR,
                              .subject = subject,
                              .text = nki_str_z(error.text)};
    nki_engine_emit(engine, &event);
}
