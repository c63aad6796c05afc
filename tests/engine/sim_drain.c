/* Drains and holds of the simulator, and the model of them.
 *
 * A subscription that is drained: what comes before the PONG of its drain is handed over as ever; then, or
 * when there is no transport (any more), it ends (TAKING). Its drain is DONE in the very call that takes the
 * last message or gives up the last hold, and only then is who waits for it told: OK. At the deadline of who
 * waits he gets TIMEOUT, and the drain goes on; CLOSED if the handle or the connection is closed before it is
 * done.
 *
 * All: every subscription so; when all are DONE and no request waits, nothing more is accepted, and the
 * connection closes like after a linger: once everything accepted has arrived, or was lost and counted. */
#include "sim.h"

#include <inttypes.h>

static bool drains(const struct sim_sub *model)
{
    return model->drain == NKI_DRAIN_ASKED || model->drain == NKI_DRAIN_TAKING;
}

static void done(struct sim *sim, struct sim_sub *model, int32_t status)
{
    if (drains(model)) {
        model->drain = NKI_DRAIN_DONE;
        if (model->drain_op >= 0) {
            sim_op_expect(&sim->ops[model->drain_op], status);
        }
        model->drain_op = -1;
    }
}

void sim_drain_taken(struct sim *sim, struct sim_sub *model)
{
    nki_engine_taken(&sim->engine, model->sub, true, sim->now_ns);
    if (model->drain == NKI_DRAIN_TAKING && sim_pending(model) == 0 && model->holds == 0) {
        done(sim, model, NKI_OK);
    }
}

/* Nothing more comes. */
static void end_sub(struct sim *sim, struct sim_sub *model)
{
    if (model->released || model->drain != NKI_DRAIN_ASKED) {
        return;
    }
    model->drain = NKI_DRAIN_TAKING;
    if (model->live) {
        model->live = false;
        model->reason = NKI_UNSUBSCRIBED;
    }
    if (sim_pending(model) == 0 && model->holds == 0) {
        done(sim, model, NKI_OK);
    }
}

static void end_all(struct sim *sim)
{
    for (size_t i = 0; i < sim->sub_count; i++) {
        end_sub(sim, &sim->subs[i]);
    }
    sim->subs_ended = true;
}

void sim_drain_pong(struct sim *sim, uint64_t number)
{
    for (size_t i = 0; i < sim->sub_count; i++) {
        if (sim->subs[i].drain_ping == number) {
            end_sub(sim, &sim->subs[i]);
        }
    }
    if (sim->draining && !sim->subs_ended && sim->drain_ping == number) {
        end_all(sim);
    }
}

void sim_drain_lost(struct sim *sim)
{
    for (size_t i = 0; i < sim->sub_count; i++) {
        end_sub(sim, &sim->subs[i]);
    }
    if (sim->draining && !sim->subs_ended) {
        end_all(sim);
    }
}

void sim_drain_released(struct sim *sim, struct sim_sub *model)
{
    done(sim, model, NKI_CLOSED);
}

void sim_drain_closed(struct sim *sim)
{
    uint64_t left = 0;
    for (size_t i = 0; i < sim->sub_count; i++) {
        left += sim->subs[i].released ? 0 : sim_pending(&sim->subs[i]);
        done(sim, &sim->subs[i], NKI_CLOSED);
    }
    if (sim->options.lenient) {
        return;
    }
    bool late = sim->draining && !sim->all_taken && sim->now_ns >= sim->drain_deadline_ns;
    uint64_t counted = sim->engine.counts.abandoned_msgs;
    bool by_close = sim->closing && sim->now_ns >= sim->close_deadline_ns; /* at the same time */
    SIM_CHECK(sim, counted == (late ? left : 0) || (by_close && counted == 0),
              "%" PRIu64 " messages were not taken, counted as abandoned %" PRIu64, left, counted);
}

/* -- actions -------------------------------------------------------------------------------------------- */

static uint64_t newest_ping(const struct sim *sim)
{
    return sim->link->pongs + sim->engine.pings.count - 1;
}

void sim_drain_act_sub(struct sim *sim, struct sim_sub *model)
{
    int64_t deadline_ns = sim_op_deadline(sim);
    int i = sim_op_begin(sim, SIM_OP_DRAIN_SUB, deadline_ns);
    if (i < 0) {
        return;
    }
    bool asks = model->live && sim->engine.state == NKI_ENGINE_CONNECTED;
    int32_t status = nki_engine_drain_sub(&sim->engine, model->sub, sim->ops[i].op, deadline_ns, sim->now_ns);
    int32_t expected = sim->closed                             ? NKI_CLOSED
                       : drains(model) && model->drain_op >= 0 ? NKI_DRAINING
                                                               : NKI_OK;
    bool lenient =
        sim->options.lenient && (status == NKI_NO_MEMORY || status == NKI_DRAINING || status == NKI_OK);
    SIM_CHECK(sim, status == expected || lenient, "draining a subscription gives %d instead of %d", status,
              expected);
    sim->no_memory += status == NKI_NO_MEMORY;
    if (status != NKI_OK) {
        sim_op_drop(sim, i);
        return;
    }
    sim->ops[i].sub = (size_t)(model - sim->subs);
    if (model->drain == NKI_DRAIN_DONE) {
        sim->ops[i].expected = NKI_OK;
        return;
    }
    model->drain_op = i;
    if (model->drain == NKI_DRAIN_NONE) {
        model->drain = NKI_DRAIN_ASKED;
        model->drain_ping = asks ? newest_ping(sim) : SIM_PING_OF_ALL;
        if (!asks) {
            end_sub(sim, model);
        }
    }
}

void sim_drain_act_all(struct sim *sim)
{
    int64_t deadline_ns = sim_op_deadline(sim);
    int i = sim_op_begin(sim, SIM_OP_DRAIN, deadline_ns);
    if (i < 0) {
        return;
    }
    bool connected = sim->engine.state == NKI_ENGINE_CONNECTED;
    int32_t status = nki_engine_drain(&sim->engine, sim->ops[i].op, deadline_ns, sim->now_ns);
    int32_t expected = sim->closed     ? NKI_CLOSED
                       : sim->draining ? NKI_DRAINING
                       : sim->closing  ? NKI_CLOSED
                                       : NKI_OK;
    SIM_CHECK(sim, status == expected || (status == NKI_NO_MEMORY && sim->options.lenient),
              "draining gives %d instead of %d", status, expected);
    sim->no_memory += status == NKI_NO_MEMORY;
    if (status != NKI_OK) {
        sim_op_drop(sim, i);
        return;
    }
    sim->draining = true;
    sim->drain_deadline_ns = deadline_ns;
    sim->drain_ping = connected ? newest_ping(sim) : SIM_PING_OF_ALL;
    for (size_t k = 0; k < sim->sub_count; k++) {
        struct sim_sub *model = &sim->subs[k];
        if (!model->released && model->drain == NKI_DRAIN_NONE) {
            model->drain = NKI_DRAIN_ASKED;
            model->drain_ping = SIM_PING_OF_ALL;
            if (!model->live) {
                end_sub(sim, model);
            }
        }
    }
    if (!connected) {
        end_all(sim);
    }
}

bool sim_drain_unhold(struct sim *sim, struct sim_sub *model)
{
    bool ok = nki_inlet_hold(&model->sub->inlet, false);
    SIM_CHECK(sim, ok == (model->holds > 0), "giving up a hold of %" PRIu64, model->holds);
    if (ok) {
        model->holds--;
        sim_drain_taken(sim, model);
    }
    return ok;
}

void sim_drain_act_hold(struct sim *sim, struct sim_sub *model)
{
    if (sim_chance(sim, 50) && model->holds < 3) {
        SIM_CHECK(sim, nki_inlet_hold(&model->sub->inlet, true), "a hold was refused");
        model->holds++;
    } else {
        sim_drain_unhold(sim, model);
    }
}

/* -- checks --------------------------------------------------------------------------------------------- */

void sim_drain_check_done(struct sim *sim)
{
    for (size_t i = 0; i < sim->sub_count; i++) {
        const struct sim_sub *model = &sim->subs[i];
        SIM_CHECK(sim,
                  model->released || sim->options.lenient ||
                      (model->drain == NKI_DRAIN_DONE && sim_pending(model) == 0),
                  "drained, and sid %" PRIu64 " has %" PRIu64 " messages", model->sid, sim_pending(model));
    }
}

void sim_drain_check(struct sim *sim)
{
    const struct nki_engine *engine = &sim->engine;
    if (sim->options.lenient) {
        sim->all_taken = engine->all_taken;
        sim->closing = engine->closing;
        sim->close_deadline_ns =
            engine->closing && !sim->closing_app ? sim->drain_deadline_ns : sim->close_deadline_ns;
        return;
    }
    bool busy = sim_op_requests(sim) > 0;
    for (size_t i = 0; i < sim->sub_count; i++) {
        const struct sim_sub *model = &sim->subs[i];
        busy = busy || (!model->released && drains(model));
    }
    bool ready = sim->draining && sim->subs_ended && !busy;
    SIM_CHECK(sim, !engine->all_taken || ready, "it closes before all is drained");
    SIM_CHECK(sim, engine->all_taken || !ready || sim->closing || engine->state == NKI_ENGINE_CLOSED,
              "all is drained, and it does not close");
    if (engine->all_taken && !sim->all_taken) {
        SIM_CHECK(sim, sim->now_ns < sim->drain_deadline_ns, "drained after the deadline");
        sim->all_taken = sim->closing = true;
        sim->close_deadline_ns = sim->drain_deadline_ns;
    }
    SIM_CHECK(sim, engine->draining == sim->draining && engine->closing == sim->closing,
              "draining %d, closing %d by the model", sim->draining, sim->closing);
    SIM_CHECK(sim, engine->state == NKI_ENGINE_CLOSED || engine->replies.used == sim_op_requests(sim),
              "%u requests wait, by the model %u", engine->replies.used, sim_op_requests(sim));
}
