/* The model of what the application must see: what the client has read makes it, and after each step the
 * engine is held against it. */
#include "sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct sim_sub *sim_app_sub(struct sim *sim, uint64_t sid)
{
    for (size_t i = 0; i < sim->sub_count; i++) {
        if (sim->subs[i].sid == sid) {
            return &sim->subs[i];
        }
    }
    return NULL;
}

/* -- what the client reads ------------------------------------------------------------------------------ */

static void saw_message(struct sim *sim, const struct sim_mark *mark)
{
    struct sim_sub *sub = sim_app_sub(sim, mark->sid);
    if (sub == NULL || !sub->live) {
        sim->orphans++;
        return;
    }
    sub->arrived++;
    if (sub->expected_count - sub->expected_at < sub->limit) {
        sub->expected = ts_realloc(sub->expected, (sub->expected_count + 1) * sizeof *sub->expected);
        sub->expected[sub->expected_count++] = mark->number;
    } else {
        sub->dropped++;
        sim->drops++;
        sim->episodes += !sub->slow;
        sub->slow = true;
    }
    if (sub->max > 0 && sub->arrived == sub->max) {
        sub->live = false;
        sub->reason = NKI_MAX_REACHED;
    }
}

static void saw_reply(struct sim *sim, const struct sim_mark *mark)
{
    for (int i = 0; i < SIM_OPS_MAX; i++) {
        struct sim_op *op = &sim->ops[i];
        if (op->op != NULL && op->kind == SIM_OP_REQUEST && op->mark == mark->number &&
            op->expected == NKI_PENDING && !op->any) {
            op->expected = mark->kind == SIM_MARK_REPLY ? NKI_OK : NKI_NO_RESPONDERS;
            return;
        }
    }
    sim->late++;
}

static void saw_pong(struct sim *sim, const struct sim_mark *mark)
{
    struct sim_link *link = sim->link;
    SIM_CHECK(sim, mark->number == link->pongs, "the model has lost count of PONGs");
    link->pongs++;
    sim->answered_ns = sim->now_ns;
    sim_drain_pong(sim, mark->number);
    uint64_t confirmed = link->pings[mark->number + 1];
    sim->confirmed = confirmed > sim->confirmed ? confirmed : sim->confirmed;
    for (int i = 0; i < SIM_OPS_MAX; i++) {
        if (sim->ops[i].kind == SIM_OP_FLUSH && sim->ops[i].ping == mark->number) {
            sim_op_expect(&sim->ops[i], NKI_OK); /* those of earlier transports have ended */
        }
    }
}

static void saw_denial(struct sim *sim, const struct sim_mark *mark)
{
    struct sim_sub *sub = sim_app_sub(sim, mark->sid);
    if (mark->kind == SIM_MARK_DENY_INBOX) {
        for (int i = 0; i < SIM_OPS_MAX; i++) {
            if (sim->ops[i].kind == SIM_OP_REQUEST) {
                sim_op_expect(&sim->ops[i], NKI_PERMISSION);
            }
        }
    } else if (sub != NULL && sub->live) {
        sub->live = false;
        sub->reason = NKI_PERMISSION;
    }
}

void sim_app_saw(struct sim *sim, const struct sim_mark *mark)
{
    switch (mark->kind) {
    case SIM_MARK_INFO:
        sim->infos++;
        sim->lame += mark->number != 0 && !sim->link->lame;
        sim->link->lame = sim->link->lame || mark->number != 0;
        break;
    case SIM_MARK_HELLO:
        sim->connects++;
        sim_policy_hello(sim);
        for (size_t i = 0; i < sim->sub_count; i++) {
            sim->link->sid_floor = sim->subs[i].sid;
        }
        for (int i = 0; i < SIM_OPS_MAX; i++) {
            if (sim->ops[i].kind == SIM_OP_CONNECT) {
                sim_op_expect(&sim->ops[i], NKI_OK);
            }
        }
        break;
    case SIM_MARK_MSG:
        saw_message(sim, mark);
        break;
    case SIM_MARK_REPLY:
    case SIM_MARK_NOBODY:
        saw_reply(sim, mark);
        break;
    case SIM_MARK_PONG:
        saw_pong(sim, mark);
        break;
    case SIM_MARK_DENY:
    case SIM_MARK_DENY_INBOX:
        saw_denial(sim, mark);
        break;
    default:
        break;
    }
}

void sim_app_lost(struct sim *sim)
{
    if (sim->link->hello) {
        sim_drain_lost(sim);
    }
    for (int i = 0; i < SIM_OPS_MAX; i++) {
        struct sim_op *op = &sim->ops[i];
        if (op->kind != SIM_OP_REQUEST && op->kind != SIM_OP_FLUSH) {
            continue;
        }
        if (sim->engine.state == NKI_ENGINE_CLOSED) {
            op->any = op->any || op->expected == NKI_PENDING;
        } else if (sim->link->hello) {
            sim_op_expect(op, NKI_DISCONNECTED);
        }
    }
}

/* -- checks --------------------------------------------------------------------------------------------- */

static void check_event(struct sim *sim, const struct nki_event *event)
{
    SIM_CHECK(sim, !sim->event_closed, "event %d after CLOSED", event->type);
    sim_policy_event(sim, event);
    switch (event->type) {
    case NKI_EVENT_CONNECTED:
    case NKI_EVENT_RECONNECTED:
        SIM_CHECK(sim, !sim->up, "connected twice");
        SIM_CHECK(sim, sim->options.lenient || (event->type == NKI_EVENT_CONNECTED) == (sim->connects == 1),
                  "event %d at connect %" PRIu64, event->type, sim->connects);
        sim->up = true;
        break;
    case NKI_EVENT_DISCONNECTED:
        SIM_CHECK(sim, sim->up && event->status != NKI_OK, "disconnected without having been connected");
        sim->up = false;
        break;
    case NKI_EVENT_RECONNECTING:
        SIM_CHECK(sim, !sim->up, "reconnecting while connected");
        break;
    case NKI_EVENT_SLOW_CONSUMER:
        sim->slow_events++;
        break;
    case NKI_EVENT_CLOSED:
        SIM_CHECK(sim, !sim->up, "closed while connected");
        sim->event_closed = true;
        break;
    default:
        break;
    }
}

static void check_events(struct sim *sim)
{
    if (sim->events == NULL) {
        return;
    }
    struct nki_msg *msg;
    size_t count;
    /* Some found no memory, which was counted. */
    bool incomplete = sim->options.lenient && sim->events->inlet.dropped_msgs > 0;
    for (;;) {
        pthread_mutex_lock(&sim->events->inlet.wait.mu);
        int32_t status = nki_inlet_take_locked(&sim->events->inlet, &msg, 1, &count);
        pthread_mutex_unlock(&sim->events->inlet.wait.mu);
        if (status != NKI_OK) {
            SIM_CHECK(sim, (status == NKI_END) == (sim->engine.state == NKI_ENGINE_CLOSED),
                      "events end with %d", status);
            break;
        }
        if (!incomplete) {
            check_event(sim, nki_event_of(msg));
        }
        nki_msg_release(msg);
    }
    if (incomplete) {
        sim->up = sim->engine.state == NKI_ENGINE_CONNECTED;
        sim->event_closed = sim->closed;
        return;
    }
    SIM_CHECK(sim, sim->up == (sim->engine.state == NKI_ENGINE_CONNECTED), "events and state disagree");
    SIM_CHECK(sim, sim->event_closed == sim->closed, "CLOSED and the event of it disagree");
    SIM_CHECK(sim, sim->options.lenient || sim->slow_events == sim->episodes,
              "%" PRIu64 " episodes of drops, %" PRIu64 " events", sim->episodes, sim->slow_events);
}

/* At rest the server knows of the limit what the client knows. */
void sim_app_check_limit(struct sim *sim, const struct sim_server_sub *sub)
{
    const struct sim_sub *model = sim_app_sub(sim, sub->sid);
    if (sim->closed || sub->inbox || model == NULL) {
        return;
    }
    SIM_CHECK(sim, sub->live == model->live, "sid %" PRIu64 " lives at one end only", sub->sid);
    SIM_CHECK(sim, !sub->live || (sub->max == 0) == (model->max == 0),
              "sid %" PRIu64 ": one end knows a limit", sub->sid);
    SIM_CHECK(sim, !sub->live || sub->max == 0 || sub->max - sub->delivered == model->max - model->arrived,
              "sid %" PRIu64 " wants %" PRIu64 " more, the server has %" PRIu64, sub->sid,
              model->max - model->arrived, sub->max - sub->delivered);
}

static void check_sub(struct sim *sim, struct sim_sub *model)
{
    struct nki_inlet_stats stats;
    nki_inlet_stats_get(&model->sub->inlet, &stats);
    SIM_CHECK(sim, stats.received == stats.taken + stats.pending_msgs + stats.dropped_msgs,
              "sid %" PRIu64 ": received %" PRIu64 " is not the sum", model->sid, stats.received);
    SIM_CHECK(sim, model->sub->live == (stats.end_reason == 0),
              "ended, but no reason, or the other way round");
    if (sim->options.lenient) {
        model->live = model->sub->live;
        model->drain = model->sub->drain;
        model->arrived = model->sub->arrived;
        return;
    }
    uint64_t pending = model->expected_count - model->expected_at;
    SIM_CHECK(sim,
              stats.received == model->arrived && stats.dropped_msgs == model->dropped &&
                  stats.pending_msgs == pending && stats.taken == model->taken,
              "sid %" PRIu64 ": received %" PRIu64 " of %" PRIu64 ", dropped %" PRIu64 " of %" PRIu64
              ", pending %" PRIu64 " of %" PRIu64,
              model->sid, stats.received, model->arrived, stats.dropped_msgs, model->dropped,
              stats.pending_msgs, pending);
    SIM_CHECK(sim, stats.end_reason == model->reason, "sid %" PRIu64 " ended with %d instead of %d",
              model->sid, stats.end_reason, model->reason);
    SIM_CHECK(sim, model->sub->drain == model->drain, "sid %" PRIu64 ": state %d of its drain instead of %d",
              model->sid, model->sub->drain, model->drain);
    SIM_CHECK(sim, stats.pending_msgs > 0 || stats.pending_bytes == 0, "no messages, but bytes");
}

static void now_closed(struct sim *sim)
{
    sim->closed = true;
    sim_policy_closed(sim);
    sim_drain_closed(sim);
    int32_t reason = sim->engine.last_error.status;
    for (int i = 0; i < SIM_OPS_MAX; i++) {
        if (sim->ops[i].kind == SIM_OP_CLOSED) {
            sim_op_expect(&sim->ops[i], reason == NKI_CLOSED ? NKI_OK : reason);
        }
    }
    for (int i = 0; i < SIM_OPS_MAX; i++) {
        sim->ops[i].any = sim->ops[i].any || sim->ops[i].expected == NKI_PENDING;
    }
    for (size_t i = 0; i < sim->sub_count; i++) {
        if (sim->subs[i].live) {
            sim->subs[i].live = false;
            sim->subs[i].reason = NKI_CLOSED;
        }
    }
    const struct nki_engine_counts *counts = &sim->engine.counts;
    SIM_CHECK(sim, counts->unsent == sim->pub_count - sim->socket_count,
              "%" PRIu64 " messages were not sent, counted %" PRIu64, sim->pub_count - sim->socket_count,
              counts->unsent);
}

void sim_app_check(struct sim *sim)
{
    const struct nki_engine_counts *counts = &sim->engine.counts;
    sim_drain_check(sim);
    if (!sim->closed && sim->engine.state == NKI_ENGINE_CLOSED) {
        now_closed(sim);
    }
    for (int i = 0; i < SIM_OPS_MAX; i++) {
        if (sim->ops[i].op != NULL) {
            sim_op_check(sim, &sim->ops[i]);
        }
    }
    for (size_t i = 0; i < sim->sub_count; i++) {
        if (!sim->subs[i].released) {
            check_sub(sim, &sim->subs[i]);
        }
    }
    check_events(sim);
    sim_policy_check(sim);
    if (sim->options.lenient) {
        return;
    }
    /* An orphan counts when it begins, for the model when it ends: one on each transport may be cut between.
     */
    SIM_CHECK(sim, counts->orphan_msgs >= sim->orphans && counts->orphan_msgs <= sim->orphans + sim->dials,
              "%" PRIu64 " orphans, counted %" PRIu64, sim->orphans, counts->orphan_msgs);
    SIM_CHECK(sim, sim->engine.replies.late == sim->late, "%" PRIu64 " late replies, counted %" PRIu64,
              sim->late, sim->engine.replies.late);
    SIM_CHECK(sim, counts->dropped_msgs == sim->drops, "%" PRIu64 " drops, counted %" PRIu64, sim->drops,
              counts->dropped_msgs);
}
