/* The engine's frame: making, feeding, handing over, time, end. See engine.h; everything under the engine
 * lock. */
#include "client/engine.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/probe.h"
#include "client/chain.h"
#include "client/feed.h"
#include "client/lame_duck.h"
#include "net/ws_upgrade.h"
#include "wire/subject.h"

/* Above what a server may announce as max_payload, so that the bound holds before the first INFO too
 * (server 2.15 refuses to start with more than 64 MiB). */
#define BODY_MAX ((size_t)64 * NKI_MIB)
#define PONGS_OVER ((uint64_t)64 * NKI_KIB) /* bytes over the outbox's limit that answers may take */

int32_t nki_engine_init(struct nki_engine *engine, struct nki_options *options, struct nki_str urls,
                        struct nki_error *err)
{
    memset(engine, 0, sizeof *engine);
    engine->options = options;
    nki_slab_init(&engine->slab);
    nki_subs_init(&engine->subs);
    nki_servers_init(&engine->servers);
    nki_info_init(&engine->info);
    atomic_init(&engine->max_payload, engine->info.max_payload);
    atomic_init(&engine->headers, true);
    struct nki_parser_limits limits = {NKI_PARSE_LINE_MAX, NKI_PARSE_INFO_MAX, BODY_MAX, BODY_MAX};
    nki_parser_init(&engine->parser, &limits);
    nki_rand_seed_system(&engine->rand);
    nki_nuid_init(&engine->nuid);
    engine->first_deadline_ns = engine->attempt_deadline_ns = NKI_NEVER;
    engine->backoff_ns = engine->ping_ns = engine->close_deadline_ns = NKI_NEVER;
    engine->heard_ns = engine->pong_ns = NKI_NEVER;
    engine->stall_ns = engine->outage_ns = engine->drain_deadline_ns = NKI_NEVER;
    engine->login.deadline_ns = engine->move.at_ns = NKI_NEVER;
    nki_list_init(&engine->closed_ops);
    struct nki_outbox_limits room = {
        .live = (uint64_t)nki_options_int(options, NKI_OPT_CONNECT_outbox_bytes),
        .offline = (uint64_t)nki_options_int(options, NKI_OPT_CONNECT_reconnect_buffer_bytes),
        .fail_fast = nki_options_choice(options, NKI_OPT_CONNECT_outbox_full) != 0,
    };
    int code = nki_outbox_init(&engine->outbox, room);
    if (code != 0) {
        return nki_error_set_errno(err, NKI_SYSTEM, code, "no lock for a connection");
    }
    size_t lines = (size_t)nki_options_int(options, NKI_OPT_CONNECT_trace_lines);
    if (lines > 0 && (engine->outbox.trace = nki_trace_new(lines)) == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    struct nki_str prefix = nki_options_str(options, NKI_OPT_CONNECT_inbox_prefix);
    const char *fault = nki_subject_publish_fault(prefix);
    if (fault != NULL) {
        return nki_error_set(err, NKI_INVALID, "option inbox_prefix: \"%.*s\" %s", (int)prefix.len,
                             prefix.ptr, fault);
    }
    if (!nki_replies_init(&engine->replies, prefix, &engine->nuid)) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    for (size_t i = 0; i < nki_options_list_len(options, NKI_OPT_CONNECT_ws_headers); i++) {
        if (nki_ws_header_check(nki_options_list_at(options, NKI_OPT_CONNECT_ws_headers, i), err) != NKI_OK) {
            return NKI_INVALID;
        }
    }
    return nki_engine_servers_init(engine, urls, err);
}

void nki_engine_free(struct nki_engine *engine)
{
    nki_engine_end_login(engine);
    nki_subs_free(&engine->subs);
    nki_replies_free(&engine->replies);
    nki_heap_free(&engine->timers);
    nki_heap_free(&engine->pauses);
    nki_free(engine->pings.ring);
    nki_servers_free(&engine->servers);
    nki_parser_free(&engine->parser);
    nki_buf_free(&engine->info_json);
    nki_outbox_destroy(&engine->outbox);
    nki_trace_free(engine->outbox.trace);
    nki_slab_abandon(&engine->slab);
    nki_options_free(engine->options);
}

static bool concerns(const struct nki_sub *sub, const struct nki_event *event)
{
    return event->type == NKI_EVENT_PING ? sub->debug : event->request == 0 || sub->answers;
}

void nki_engine_emit(struct nki_engine *engine, struct nki_event *event)
{
    if (nki_list_empty(&engine->subs.events)) {
        return;
    }
    event->epoch = engine->epoch;
    event->time_ns = nki_clock_wall_ns();
    if (engine->servers.current != NULL) {
        event->server = nki_str_z(engine->servers.current->text);
    }
    struct nki_list *events = &engine->subs.events;
    for (struct nki_list *at = events->next, *next; at != events; at = next) {
        next = at->next;
        struct nki_sub *sub = NKI_CONTAINER_OF(at, struct nki_sub, node);
        if (!concerns(sub, event)) {
            continue;
        }
        struct nki_msg *msg = nki_event_msg(event);
        if (msg == NULL) {
            (void)nki_inlet_missed(&sub->inlet, 1);
        } else {
            struct nki_inlet_handed handed;
            nki_inlet_stage(&sub->inlet, msg);
            nki_inlet_flush(&sub->inlet, 0, &handed);
        }
        sub->arrived++;
        if (sub->max > 0 && sub->arrived >= sub->max) {
            nki_subs_remove(&engine->subs, sub, NKI_MAX_REACHED);
        }
    }
}

void nki_engine_control(struct nki_engine *engine, const void *line, size_t len, int64_t now_ns)
{
    bool kick;
    bool ok = nki_outbox_control(&engine->outbox, line, len, &kick);
    engine->want |= kick ? NKI_WANT_KICK : 0;
    if (!ok) {
        struct nki_error error;
        nki_error_set(&error, NKI_NO_MEMORY, "no memory for a control line");
        nki_engine_lost(engine, &error, now_ns);
    }
}

/* Tells of a new episode of drops. */
static void emit_slow(struct nki_engine *engine, struct nki_sub *sub, uint64_t drops)
{
    struct nki_inlet_stats stats;
    nki_inlet_stats_get(&sub->inlet, &stats);
    NKI_PROBE(slow__consumer, engine->origin, sub->sid, stats.pending_msgs, stats.pending_bytes);
    struct nki_event event = {.type = NKI_EVENT_SLOW_CONSUMER,
                              .status = NKI_SLOW_CONSUMER,
                              .sid = sub->sid,
                              .count = drops,
                              .pending = stats.pending_msgs,
                              .subject = nki_sub_subject(sub)};
    nki_engine_emit(engine, &event);
}

void nki_engine_hand_over(struct nki_engine *engine)
{
    nki_engine_feeds_settle(engine);
    nki_msg_count_made(&engine->slab);
    struct nki_subs *subs = &engine->subs;
    struct nki_list *dirty = &subs->dirty;
    while (!nki_list_empty(dirty)) {
        struct nki_sub *sub = NKI_CONTAINER_OF(dirty->next, struct nki_sub, dirty);
        nki_list_remove(&sub->dirty);
        struct nki_inlet_handed handed;
        sub->arrived_ns = sub->inlet.staged_msgs > 0 ? engine->heard_ns : sub->arrived_ns;
        unsigned sleeps = atomic_load(&subs->sleeps);
        uint64_t drops = nki_inlet_flush(&sub->inlet, 0, &handed);
        if (handed.woken != NULL) {
            subs->woken = handed.woken;
            subs->woken_after = sleeps;
        }
        engine->counts.dropped_msgs += drops;
        if (NKI_UNLIKELY(drops > 0)) {
            NKI_PROBE(drop, engine->origin, sub->sid, drops);
        }
        if (handed.episode) {
            emit_slow(engine, sub, drops);
        }
        if (sub->max > 0 && sub->arrived >= sub->max && sub->live) {
            nki_sub_retain(sub);
            nki_engine_end_sub(engine, sub, NKI_MAX_REACHED, false);
            nki_sub_release(sub);
        }
    }
}

/* A complete reply: finishes its request. Takes over the reference. */
static void deliver_reply(struct nki_engine *engine, struct nki_msg *msg, int64_t now_ns)
{
    struct nki_op *op = nki_replies_take(&engine->replies, nki_msg_subject(msg));
    if (op == NULL) {
        NKI_PROBE(reply__late, engine->origin);
        nki_msg_release(msg);
        return;
    }
    nki_engine_untimer(engine, op);
    nki_engine_hand_over(engine); /* what came before the reply is in its queue when the request ends */
    bool nobody = nki_engine_says_nobody(msg);
    if (op->part != NULL) {
        if (nobody) {
            nki_msg_release(msg);
            msg = NULL;
        }
        nki_engine_chain_reply(engine, op, nobody ? NKI_NO_RESPONDERS : NKI_OK, msg, now_ns);
    } else if (nobody) {
        nki_msg_release(msg);
        nki_op_finish(op, NKI_NO_RESPONDERS, NKI_OUTCOME_REJECTED, NULL, NULL);
    } else {
        nki_op_finish(op, NKI_OK, NKI_OUTCOME_DONE, msg, NULL);
    }
    nki_op_release(op);
}

/* A reply that there is no memory for: nothing else comes, so its request does not wait for its deadline. */
static void lose_reply(struct nki_engine *engine, struct nki_str subject)
{
    struct nki_op *op = nki_replies_take(&engine->replies, subject);
    if (op != NULL) {
        nki_engine_untimer(engine, op);
        nki_engine_hand_over(engine);
        nki_op_finish(op, NKI_NO_MEMORY, nki_op_late_outcome(op), NULL, NULL);
        nki_op_release(op);
    }
}

/* The begin of a message: whose it is, and memory for it in `incoming` (NULL: nobody's, or no memory). */
static void begin_message(struct nki_engine *engine, const struct nki_frame *frame)
{
    engine->counts.in_msgs++;
    engine->incoming = NULL;
    engine->incoming_sub = NULL;
    engine->incoming_got = 0;
    engine->incoming_reply = frame->sid == engine->replies.sid && frame->sid != 0;
    struct nki_sub *sub = NULL;
    if (!engine->incoming_reply) {
        sub = nki_subs_get(&engine->subs, frame->sid);
        if (sub == NULL || (sub->max > 0 && sub->arrived >= sub->max)) {
            engine->counts.orphan_msgs++;
            return;
        }
    }
    bool tailed = sub != NULL && sub->tails;
    struct nki_msg *msg = (tailed ? nki_msg_new_tailed : nki_msg_new)(
        &engine->slab, frame->subject, frame->reply, frame->header_len, frame->body_len);
    if (msg == NULL) {
        engine->counts.dropped_msgs++;
        if (sub != NULL) {
            sub->arrived++;
            nki_subs_touch(&engine->subs, sub);
            if (nki_inlet_missed(&sub->inlet, 1)) {
                emit_slow(engine, sub, 1);
            }
        } else {
            lose_reply(engine, frame->subject);
        }
        return;
    }
    msg->origin = engine->origin;
    msg->sid = frame->sid;
    engine->incoming = msg;
    engine->incoming_sub = sub;
    NKI_PROBE(msg__in, engine->origin, frame->sid, frame->subject.ptr, frame->subject.len, frame->body_len);
    if (sub != NULL && frame->body == NULL) { /* else its end follows at once */
        nki_sub_retain(sub);
    }
}

/* The body of `incoming` is complete. Whatever its headers look like it is delivered: the server passes on
 * what any publisher wrote, who must not be able to cut this connection (docs/decisions/0007). */
static void end_message(struct nki_engine *engine, bool whole, int64_t now_ns)
{
    struct nki_msg *msg = engine->incoming;
    struct nki_sub *sub = engine->incoming_sub;
    engine->incoming = NULL;
    engine->incoming_sub = NULL;
    if (msg == NULL) {
        return;
    }
    if (sub == NULL) {
        deliver_reply(engine, msg, now_ns);
        return;
    }
    /* Counted as arrived not before: one that is cut off comes to nobody. */
    if (NKI_UNLIKELY(!sub->live || sub->sid != msg->sid)) {
        engine->counts.orphan_msgs++; /* it ended, or was moved, while the body was coming */
        nki_msg_release(msg);
    } else if (NKI_UNLIKELY(sub->collect != NULL)) {
        nki_engine_collect(engine, sub, msg, now_ns);
    } else {
        sub->arrived++;
        nki_subs_stage(&engine->subs, sub, msg);
    }
    if (!whole) {
        nki_sub_release(sub);
    }
}

/* The way of nearly all messages: whole, and for a subscription that just queues. False: nothing happened. */
static inline bool deliver_soon(struct nki_engine *engine, const struct nki_frame *frame)
{
    if (frame->body == NULL || frame->sid == engine->replies.sid) {
        return false;
    }
    struct nki_sub *sub = nki_subs_get(&engine->subs, frame->sid);
    if (NKI_UNLIKELY(sub == NULL || sub->max > 0 || sub->collect != NULL)) {
        return false;
    }
    struct nki_msg *msg =
        nki_msg_new(&engine->slab, frame->subject, frame->reply, frame->header_len, frame->body_len);
    if (NKI_UNLIKELY(msg == NULL)) {
        return false; /* asked for again there, where its loss is told */
    }
    msg->origin = engine->origin;
    msg->sid = frame->sid;
    memcpy(nki_msg_body(msg), frame->body, frame->body_len);
    engine->counts.in_msgs++;
    sub->arrived++;
    nki_subs_stage(&engine->subs, sub, msg);
    return true;
}

static void drop_incoming(struct nki_engine *engine)
{
    nki_msg_release(engine->incoming);
    if (engine->incoming_sub != NULL) {
        nki_sub_release(engine->incoming_sub);
    }
    engine->incoming = NULL;
    engine->incoming_sub = NULL;
}

static void lost_by_protocol(struct nki_engine *engine, const char *fault, int64_t now_ns)
{
    struct nki_error error;
    nki_error_set(&error, NKI_PROTOCOL, "byte %llu of the server: %s",
                  (unsigned long long)engine->parser.offset, fault);
    nki_engine_lost(engine, &error, now_ns);
}

/* A server that asks and asks but does not read is not answered without end. */
static void answer_ping(struct nki_engine *engine, int64_t now_ns)
{
    uint64_t msgs;
    uint64_t bytes;
    uint64_t pending;
    nki_outbox_counts_get(&engine->outbox, &msgs, &bytes, &pending);
    if (pending <= engine->outbox.limits.live + PONGS_OVER) {
        nki_engine_control(engine, "PONG\r\n", 6, now_ns);
    }
}

/* A frame other than a message, or a complete message. */
static void got_frame(struct nki_engine *engine, const struct nki_frame *frame, int64_t now_ns)
{
    bool connected = engine->state == NKI_ENGINE_CONNECTED;
    if (engine->state == NKI_ENGINE_WAIT_INFO && frame->kind != NKI_FRAME_INFO &&
        frame->kind != NKI_FRAME_ERR) {
        lost_by_protocol(engine, "something else came before INFO", now_ns);
        return;
    }
    switch (frame->kind) {
    case NKI_FRAME_MSG:
        if (!connected) {
            lost_by_protocol(engine, "a message came before the handshake was done", now_ns);
            return;
        }
        if (NKI_LIKELY(deliver_soon(engine, frame))) {
            return;
        }
        begin_message(engine, frame);
        if (frame->body != NULL) {
            if (engine->incoming != NULL) {
                memcpy(nki_msg_body(engine->incoming), frame->body, frame->body_len);
            }
            end_message(engine, true, now_ns);
        }
        break;
    case NKI_FRAME_PING:
        if (connected) {
            answer_ping(engine, now_ns);
        }
        break;
    case NKI_FRAME_PONG:
        if (connected) {
            nki_engine_pong(engine, now_ns);
        } else {
            nki_engine_got_handshake_pong(engine, now_ns);
        }
        break;
    case NKI_FRAME_OK:
        break;
    case NKI_FRAME_ERR:
        nki_engine_server_error(engine, frame->text, now_ns);
        break;
    case NKI_FRAME_INFO:
        nki_engine_got_info(engine, frame->text, now_ns);
        break;
    }
}

static bool has_transport(const struct nki_engine *engine)
{
    return engine->state == NKI_ENGINE_WAIT_INFO || engine->state == NKI_ENGINE_WAIT_AUTH ||
           engine->state == NKI_ENGINE_WAIT_PONG || engine->state == NKI_ENGINE_CONNECTED;
}

void nki_engine_feed(struct nki_engine *engine, const uint8_t *data, size_t len, int64_t now_ns)
{
    struct nki_cursor in = nki_cursor_make(data, len);
    engine->counts.in_bytes += len;
    engine->heard_ns = now_ns;
    while (has_transport(engine)) {
        if (engine->parser.body_left > 0) {
            if (engine->incoming != NULL) {
                uint8_t *body = nki_msg_body(engine->incoming) + engine->incoming_got;
                engine->incoming_got += (uint32_t)nki_parser_body(&engine->parser, &in, body);
            } else {
                size_t left = nki_cursor_left(&in);
                size_t skip = left < engine->parser.body_left ? left : engine->parser.body_left;
                in.at += skip;
                nki_parser_body_skip(&engine->parser, skip);
            }
            if (engine->parser.body_left > 0) {
                break;
            }
        }
        struct nki_frame frame NKI_UNINIT;
        struct nki_error error NKI_UNINIT;
        int result = nki_parser_next(&engine->parser, &in, &frame, &error);
        if (result == NKI_PARSE_MORE) {
            break;
        }
        if (result < 0) {
            nki_engine_lost(engine, &error, now_ns);
        } else if (result == NKI_PARSE_END) {
            end_message(engine, false, now_ns);
        } else {
            got_frame(engine, &frame, now_ns);
        }
    }
    if (engine->state == NKI_ENGINE_WAIT_TLS && nki_cursor_left(&in) > 0) {
        lost_by_protocol(engine, "it stands in plain text behind INFO, where TLS begins", now_ns);
    }
    nki_engine_hand_over(engine);
    nki_engine_move_step(engine, now_ns);
    nki_engine_drain_step(engine, now_ns);
}

size_t nki_engine_body_room(const struct nki_engine *engine, size_t min, uint8_t **out)
{
    if (engine->incoming == NULL || engine->parser.body_left < min) {
        return 0;
    }
    *out = nki_msg_body(engine->incoming) + engine->incoming_got;
    return engine->parser.body_left;
}

void nki_engine_fed_body(struct nki_engine *engine, size_t len)
{
    engine->counts.in_bytes += len;
    engine->incoming_got += (uint32_t)len;
    nki_parser_body_skip(&engine->parser, len);
}

/* The transport is of no use any more: keeps what was not sent. */
void nki_engine_drop_transport(struct nki_engine *engine)
{
    drop_incoming(engine);
    nki_engine_hand_over(engine);
    nki_parser_reset(&engine->parser);
    if (engine->stream != NULL) {
        engine->counts.unconfirmed += nki_outbox_detach(&engine->outbox);
        engine->stream = NULL;
    }
    engine->want |= NKI_WANT_HANGUP;
    engine->want &= ~(NKI_WANT_DIAL | NKI_WANT_TLS | NKI_WANT_UPGRADE);
    engine->secured = false;
    nki_engine_end_login(engine);
    nki_engine_move_reset(engine);
    engine->ping_ns = NKI_NEVER;
    engine->stall_ns = NKI_NEVER;
    engine->attempt_deadline_ns = NKI_NEVER;
}

static void end_subs(struct nki_engine *engine)
{
    struct nki_map *by_sid = &engine->subs.by_sid;
    struct nki_sub *sub;
    while (by_sid->len > 0) {
        /* Removing moves a later entry into the gap, so the same place is looked at again. */
        for (size_t at = 0; (sub = nki_map_next(by_sid, &at)) != NULL; at--) {
            nki_subs_remove(&engine->subs, sub, NKI_CLOSED);
        }
    }
    while (!nki_list_empty(&engine->subs.events)) {
        sub = NKI_CONTAINER_OF(engine->subs.events.next, struct nki_sub, node);
        nki_subs_remove(&engine->subs, sub, NKI_CLOSED);
    }
}

void nki_engine_finish_own(struct nki_op **op, int32_t status, const struct nki_error *error)
{
    if (*op != NULL) {
        nki_op_finish(*op, status, status == NKI_OK ? NKI_OUTCOME_DONE : NKI_OUTCOME_NOT_SENT, NULL, error);
        nki_op_release(*op);
        *op = NULL;
    }
}

/* The operations that the end itself finishes. */
static void finish_last(struct nki_engine *engine, const struct nki_error *reason, bool late)
{
    bool drained = engine->all_taken && engine->confirmed; /* not closed in the middle of it */
    int32_t closed = reason == NULL ? NKI_OK : late ? NKI_TIMEOUT : NKI_DISCONNECTED;
    nki_engine_finish_own(&engine->connect_op, engine->last_error.status, &engine->last_error);
    nki_engine_finish_own(&engine->close_op, closed, reason);
    nki_engine_finish_own(&engine->drain_op, closed == NKI_OK && !drained ? NKI_CLOSED : closed, reason);
    while (!nki_list_empty(&engine->closed_ops)) {
        struct nki_op *op = NKI_CONTAINER_OF(engine->closed_ops.next, struct nki_op, engine_node);
        nki_list_remove(&op->engine_node);
        nki_engine_finish_own(&op, reason == NULL ? NKI_OK : engine->last_error.status, reason);
    }
}

void nki_engine_close(struct nki_engine *engine, const struct nki_error *reason, int64_t now_ns)
{
    if (engine->state == NKI_ENGINE_CLOSED) {
        return;
    }
    bool late = now_ns >= engine->close_deadline_ns || now_ns >= engine->drain_deadline_ns;
    bool connected = engine->state == NKI_ENGINE_CONNECTED;
    nki_engine_drop_transport(engine);
    engine->state = NKI_ENGINE_CLOSED;
    engine->lost_ns = now_ns;
    NKI_PROBE(closed, engine->origin, reason != NULL ? reason->status : NKI_OK,
              reason != NULL ? reason->text : "");
    if (engine->draining && !engine->all_taken && now_ns >= engine->drain_deadline_ns) {
        uint64_t busy;
        engine->counts.abandoned_msgs += nki_engine_drain_left(engine, &busy);
    }
    if (reason != NULL) {
        engine->last_error = *reason;
    } else {
        engine->by_application = true;
        nki_error_set(&engine->last_error, NKI_CLOSED, "closed by the application");
    }
    nki_engine_fail_ops(engine, NKI_CLOSED);
    struct nki_heap_node *node;
    while ((node = nki_heap_top(&engine->pauses)) != NULL) {
        struct nki_chain *chain = NKI_CONTAINER_OF(node, struct nki_chain, pause);
        struct nki_op *op = chain->op;
        bool known = chain->idle_outcome != NKI_OUTCOME_PENDING;
        nki_op_finish(op, NKI_CLOSED, known ? chain->idle_outcome : NKI_OUTCOME_UNKNOWN, NULL, NULL);
        nki_engine_untimer(engine, op);
        nki_engine_chain_forget(engine, op);
    }
    while ((node = nki_heap_top(&engine->timers)) != NULL) {
        nki_engine_untimer(engine, NKI_CONTAINER_OF(node, struct nki_op, timer));
    }
    engine->counts.unsent += nki_outbox_close(&engine->outbox);
    struct nki_event event = {.type = NKI_EVENT_CLOSED,
                              .status = engine->last_error.status,
                              .text = nki_str_z(engine->last_error.text)};
    if (connected) {
        struct nki_event gone = {.type = NKI_EVENT_DISCONNECTED, .status = event.status, .text = event.text};
        nki_engine_emit(engine, &gone);
    }
    nki_engine_emit(engine, &event);
    end_subs(engine);
    nki_engine_drain_end(engine);
    engine->first_deadline_ns = engine->backoff_ns = engine->close_deadline_ns = NKI_NEVER;
    engine->outage_ns = engine->drain_deadline_ns = NKI_NEVER;
    finish_last(engine, reason, late);
}

size_t nki_engine_new_inbox(struct nki_engine *engine, char *out, size_t cap)
{
    struct nki_str prefix = nki_options_str(engine->options, NKI_OPT_CONNECT_inbox_prefix);
    size_t len = prefix.len + 1 + NKI_NUID_LEN;
    if (len <= cap) {
        memcpy(out, prefix.ptr, prefix.len);
        out[prefix.len] = '.';
        nki_nuid_next(&engine->nuid, out + prefix.len + 1);
    }
    return len;
}
