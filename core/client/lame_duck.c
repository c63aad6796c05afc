/* Lame duck: the server will leave, and the connection goes to another one before it is cut off, without
 * losing anything.
 *
 *   LATER    a random time, so that the clients of a server do not all come to the next one at once
 *   QUIET    until no request is in flight: nothing is held up meanwhile
 *   SETTLE   what is published from here on is held for the next server (outbox.h); the requests that were
 *            sent before may still be answered
 *   LEAVE    UNSUB for all, and a PING; its PONG says that the server has all that was written, and that all
 *            it had for us has come. Then the transport is given up, and the next one is dialed.
 *
 * The three times together stay below the server's grace (lame_duck_grace_period, 10 s by default), in which
 * it cuts nobody off. The wait for the PONG has no limit of its own: leaving without it would lose what the
 * server can still confirm, and a server that does not answer is given up for that by others. Requests
 * outlive the move, as their inbox does. Under the engine lock. */
#include "client/lame_duck.h"

#include "client/feed.h"
#include "wire/emit.h"

#define SPREAD_NS (4000 * NKI_NS_PER_MS)
#define QUIET_NS (3000 * NKI_NS_PER_MS)
#define SETTLE_NS (1000 * NKI_NS_PER_MS)

static bool ends(const struct nki_engine *engine)
{
    return engine->draining || engine->closing;
}

void nki_engine_move_plan(struct nki_engine *engine, int64_t now_ns)
{
    struct nki_move *move = &engine->move;
    if (engine->state == NKI_ENGINE_CONNECTED && engine->info.lame_duck && move->phase == NKI_MOVE_NONE &&
        !ends(engine) && nki_options_bool(engine->options, NKI_OPT_CONNECT_move_on_lame_duck) &&
        nki_servers_other(&engine->servers)) {
        move->phase = NKI_MOVE_LATER;
        move->at_ns = now_ns + (int64_t)nki_rand_below(&engine->rand, SPREAD_NS);
    }
}

void nki_engine_lame_duck(struct nki_engine *engine, int64_t now_ns)
{
    struct nki_event event = {.type = NKI_EVENT_LAME_DUCK};
    engine->lame_duck_ns = now_ns;
    nki_engine_emit(engine, &event);
    nki_engine_move_plan(engine, now_ns);
}

void nki_engine_move_reset(struct nki_engine *engine)
{
    engine->move.phase = NKI_MOVE_NONE;
    engine->move.at_ns = NKI_NEVER;
    engine->move.held_pings = 0;
}

void nki_engine_move_cancel(struct nki_engine *engine)
{
    if (engine->move.phase >= NKI_MOVE_SETTLE) {
        bool kick;
        nki_outbox_release(&engine->outbox, &kick);
        engine->want |= kick ? NKI_WANT_KICK : 0;
    }
    nki_engine_move_reset(engine);
}

/* Whether a request with a subscription of its own, or a feed, waits for an answer to something of before. */
static bool waits_by_sub(struct nki_engine *engine, uint64_t before_sid, uint64_t accepted)
{
    struct nki_list *requests = &engine->subs.requests;
    for (struct nki_list *node = requests->next; node != requests; node = node->next) {
        const struct nki_collect *collect = NKI_CONTAINER_OF(node, struct nki_collect, node);
        const struct nki_feed *feed = collect->feed;
        if (feed != NULL ? feed->ops->waits(feed, accepted) : collect->sub->sid < before_sid) {
            return true;
        }
    }
    return false;
}

/* Requests that were begun before the hold and are not answered. */
static bool waits_for_replies(struct nki_engine *engine)
{
    const struct nki_move *move = &engine->move;
    const struct nki_op *op;
    uint32_t at = 0;
    while ((op = nki_replies_next(&engine->replies, &at)) != NULL) {
        if (op->token >> NKI_REPLIES_INDEX_BITS < move->held_serial) {
            return true;
        }
    }
    return waits_by_sub(engine, move->held_sid, move->mark);
}

static void hold(struct nki_engine *engine, int64_t now_ns)
{
    struct nki_move *move = &engine->move;
    move->phase = NKI_MOVE_SETTLE;
    move->at_ns = now_ns + SETTLE_NS;
    move->held_serial = engine->replies.serial;
    move->held_sid = engine->subs.next_sid;
    move->mark = nki_outbox_hold(&engine->outbox);
}

/* UNSUB for what the server knows of, and PING, before all that is held. */
static bool say_unsubs(struct nki_engine *engine, struct nki_buf *lines)
{
    size_t at = 0;
    const struct nki_sub *sub;
    bool ok = nki_buf_reserve(lines, NKI_EMIT_UNSUB_MAX);
    uint64_t inbox = engine->replies.sid;
    if (ok && inbox != 0 && inbox < engine->move.held_sid) {
        lines->len = (size_t)(nki_emit_unsub(lines->data, inbox, 0) - lines->data);
    }
    while (ok && (sub = nki_map_next(&engine->subs.by_sid, &at)) != NULL) {
        ok = nki_buf_reserve(lines, NKI_EMIT_UNSUB_MAX);
        bool known = nki_sub_on_wire(sub) && sub->sid < engine->move.held_sid;
        if (ok && known && sub->drain == NKI_DRAIN_NONE) {
            lines->len = (size_t)(nki_emit_unsub(lines->data + lines->len, sub->sid, 0) - lines->data);
        }
    }
    return ok && nki_buf_append_str(lines, NKI_STR("PING\r\n"));
}

static void leave(struct nki_engine *engine)
{
    struct nki_buf lines = {0};
    struct nki_ping ping = {.kind = NKI_PING_MOVES};
    bool ok = say_unsubs(engine, &lines) &&
              nki_engine_ping(engine, ping, nki_str_make((const char *)lines.data, lines.len)) == NKI_OK;
    nki_buf_free(&lines);
    if (ok) {
        engine->move.phase = NKI_MOVE_LEAVE;
        engine->move.at_ns = NKI_NEVER;
    } else {
        nki_engine_move_cancel(
            engine); /* without memory, or thousands of pings: it stays until it is cut off */
    }
}

static bool begin_quiet(struct nki_engine *engine, int64_t now_ns)
{
    if (!nki_servers_other(&engine->servers)) {
        nki_engine_move_reset(engine);
        return false;
    }
    engine->move.phase = NKI_MOVE_QUIET;
    engine->move.at_ns = now_ns + QUIET_NS;
    return true;
}

void nki_engine_move_step(struct nki_engine *engine, int64_t now_ns)
{
    struct nki_move *move = &engine->move;
    if (move->phase == NKI_MOVE_LATER && (now_ns < move->at_ns || !begin_quiet(engine, now_ns))) {
        return;
    }
    if (move->phase == NKI_MOVE_QUIET) {
        if (now_ns < move->at_ns &&
            (engine->replies.used > 0 || waits_by_sub(engine, UINT64_MAX, UINT64_MAX))) {
            return;
        }
        hold(engine, now_ns);
    }
    if (move->phase == NKI_MOVE_SETTLE && (now_ns >= move->at_ns || !waits_for_replies(engine))) {
        leave(engine);
    }
}

void nki_engine_move_go(struct nki_engine *engine, int64_t now_ns)
{
    if (engine->move.phase != NKI_MOVE_LEAVE) {
        return; /* it was given up meanwhile */
    }
    struct nki_error error;
    nki_error_set(&error, NKI_DISCONNECTED, "%s: moving to another server before this one leaves",
                  engine->servers.current->text);
    engine->forced = true;
    engine->move.going = true;
    nki_engine_lost(engine, &error, now_ns);
    engine->move.going = false;
    engine->forced = false;
}
