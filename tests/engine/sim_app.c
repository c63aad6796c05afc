/* The application of the simulator: what it does, and what it must be told at once. */
#include "sim.h"

#include "wire/emit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int sim_app_flush(struct sim *sim, int64_t timeout_ms)
{
    int64_t deadline_ns = timeout_ms > 0 ? sim->now_ns + timeout_ms * NKI_NS_PER_MS : sim_op_deadline(sim);
    int i = sim_op_begin(sim, SIM_OP_FLUSH, deadline_ns);
    if (i < 0) {
        return -1;
    }
    int32_t status = nki_engine_flush(&sim->engine, sim->ops[i].op, deadline_ns);
    bool connected = sim->engine.state == NKI_ENGINE_CONNECTED;
    SIM_CHECK(sim, status != NKI_OK || connected, "a flush began without a connection");
    SIM_CHECK(sim, status == NKI_OK || !connected || (sim->options.lenient && status == NKI_NO_MEMORY),
              "a flush was refused: %d", status);
    sim->no_memory += status == NKI_NO_MEMORY;
    if (status != NKI_OK) {
        sim_op_drop(sim, i);
        return -1;
    }
    sim->ops[i].ping = sim->link->pongs + sim->engine.pings.count - 1;
    return i;
}

/* -- actions -------------------------------------------------------------------------------------------- */

static void publish_record(struct sim *sim, size_t len, size_t header_len, int op)
{
    if ((sim->pub_count & (sim->pub_count - 1)) == 0) {
        uint64_t cap = sim->pub_count > 0 ? sim->pub_count * 2 : 16;
        sim->pubs = ts_realloc(sim->pubs, cap * sizeof *sim->pubs);
    }
    uint64_t last_sid = sim->sub_count > 0 ? sim->subs[sim->sub_count - 1].sid : 0;
    sim->pubs[sim->pub_count++] = (struct sim_pub){
        .len = (uint32_t)len, .header_len = (uint32_t)header_len, .op = op, .last_sid = last_sid};
}

int32_t sim_app_refusal(const struct sim *sim)
{
    return sim->closed ? NKI_CLOSED : !sim->closing ? NKI_OK : sim->draining ? NKI_DRAINING : NKI_CLOSED;
}

uint64_t sim_app_limit(const struct sim *sim)
{
    return sim->engine.outbox.live ? SIM_OUTBOX_BYTES : (uint64_t)sim->policy.offline_bytes;
}

/* What publishing must give now, but for a lack of memory. */
static int32_t publish_status(const struct sim *sim, const struct nki_outgoing_msg *msg)
{
    const struct nki_outbox *outbox = &sim->engine.outbox;
    if (sim_app_refusal(sim) != NKI_OK) {
        return sim_app_refusal(sim);
    }
    if (!outbox->live && sim->policy.offline_bytes == 0) {
        return NKI_DISCONNECTED;
    }
    uint64_t len =
        NKI_EMIT_PUB_MAX(msg->subject.len, msg->reply.len) + msg->header_block.len + msg->data.len + 2;
    return outbox->bytes == 0 || outbox->bytes + len <= sim_app_limit(sim) ? NKI_OK : NKI_WOULD_BLOCK;
}

/* Publishes the next message; with a reply subject for `op` if that is not -1. */
static int32_t publish(struct sim *sim, size_t len, struct nki_str reply, int op)
{
    static const char header[] = "NATS/1.0\r\nName: value\r\n\r\n";
    static char body[10000];
    size_t begin = (size_t)snprintf(body, sizeof body, "%" PRIu64 " ", sim->pub_count);
    len = len < begin ? begin : len < sizeof body ? len : sizeof body;
    memset(body + begin, 'p', len - begin);
    size_t header_len = sim_chance(sim, 30) ? sizeof header - 1 : 0;
    struct nki_outgoing_msg msg = {.subject = NKI_STR("pub.lish"),
                                   .reply = reply,
                                   .header_block = nki_str_make(header, header_len),
                                   .data = nki_str_make(body, len)};
    size_t done = 0;
    bool kick = false;
    int32_t expected = publish_status(sim, &msg);
    int64_t deadline_ns = sim->policy.fail_fast ? NKI_NEVER : 0; /* nobody waits either way */
    int32_t status = nki_outbox_append(&sim->engine.outbox, &msg, 1, deadline_ns, &done, &kick);
    sim_take_right(sim, kick);
    SIM_CHECK(sim, (status == NKI_OK) == (done == 1), "append: status %d, %zu done", status, done);
    if (status == NKI_OK) {
        publish_record(sim, len, header_len, op);
    }
    sim->no_memory += status == NKI_NO_MEMORY;
    SIM_CHECK(sim, status == expected || (status == NKI_NO_MEMORY && sim->options.lenient),
              "publishing gives %d instead of %d", status, expected);
    return status;
}

bool sim_app_publish(struct sim *sim, size_t len)
{
    return publish(sim, len, NKI_STR(""), -1) == NKI_OK;
}

static void act_request(struct sim *sim)
{
    char reply[400];
    size_t reply_len = 0;
    int64_t deadline_ns = sim_op_deadline(sim);
    int i = sim_op_begin(sim, SIM_OP_REQUEST, deadline_ns);
    if (i < 0) {
        return;
    }
    struct nki_op *op = sim->ops[i].op;
    int32_t status = nki_engine_request(&sim->engine, op, deadline_ns, reply, &reply_len);
    sim_take_right(sim, (sim->engine.want & NKI_WANT_KICK) != 0);
    sim->engine.want &= ~NKI_WANT_KICK;
    SIM_CHECK(sim, status == sim_app_refusal(sim) || (status == NKI_NO_MEMORY && sim->options.lenient),
              "a request is refused: %d", status);
    sim->no_memory += status == NKI_NO_MEMORY;
    if (status == NKI_OK) {
        status = publish(sim, (size_t)sim_below(sim, 300), nki_str_make(reply, reply_len), i);
        if (status != NKI_OK) {
            nki_engine_cancel(&sim->engine, op);
            nki_engine_drain_step(&sim->engine, sim->now_ns); /* as nki_conn_cancel */
        }
    }
    if (status != NKI_OK) {
        sim_op_drop(sim, i);
    }
}

/* For room, for writing, for the end. */
static void act_wait(struct sim *sim, enum sim_op_kind kind)
{
    int64_t deadline_ns = sim_op_deadline(sim);
    int i = sim_op_begin(sim, kind, deadline_ns);
    if (i < 0) {
        return;
    }
    struct sim_op *op = &sim->ops[i];
    op->need = sim_below(sim, 60000);
    if (kind == SIM_OP_CLOSED) {
        if (!nki_engine_closed_op(&sim->engine, op->op, deadline_ns)) {
            sim->no_memory++;
            sim_op_drop(sim, i);
        } else if (sim->closed) {
            int32_t reason = sim->engine.last_error.status;
            op->expected = reason == NKI_CLOSED ? NKI_OK : reason;
        }
    } else if (sim->closed || !nki_engine_timer(&sim->engine, op->op, deadline_ns)) {
        sim->no_memory += !sim->closed;
        sim_op_drop(sim, i);
    } else if (kind == SIM_OP_ROOM) {
        nki_outbox_room(&sim->engine.outbox, op->op, op->need);
    } else {
        nki_outbox_written(&sim->engine.outbox, op->op);
    }
}

static void act_subscribe(struct sim *sim)
{
    if (sim->sub_count == SIM_SUBS_MAX) {
        return;
    }
    struct sim_sub *model = &sim->subs[sim->sub_count];
    char subject[32];
    snprintf(subject, sizeof subject, "sub.%zu.>", sim->sub_count);
    *model = (struct sim_sub){.limit = sim_chance(sim, 50) ? 4 : 1000, .live = true, .drain_op = -1};
    model->max = sim_chance(sim, 40) ? 1 + sim_below(sim, 20) : 0;
    struct nki_sub_params params = {.subject = nki_str_z(subject),
                                    .queue = NKI_STR(""),
                                    .max = model->max,
                                    .limits = {model->limit, UINT64_MAX / 2}};
    if (sim_chance(sim, 30)) {
        params.queue = NKI_STR("workers");
    }
    model->sub = nki_sub_new(&params);
    int32_t status = model->sub == NULL ? NKI_NO_MEMORY : nki_engine_subscribe(&sim->engine, model->sub);
    int32_t expected = sim->closed || !sim->draining ? sim_app_refusal(sim) : NKI_DRAINING;
    SIM_CHECK(sim, status == expected || (status == NKI_NO_MEMORY && sim->options.lenient),
              "subscribing gives %d instead of %d", status, expected);
    sim->no_memory += status == NKI_NO_MEMORY;
    if (status == NKI_OK) {
        model->sid = model->sub->sid;
        sim->sub_count++;
    } else if (model->sub != NULL) {
        nki_sub_release(model->sub);
    }
}

static void act_unsubscribe(struct sim *sim, struct sim_sub *model)
{
    uint64_t max = sim_chance(sim, 50) ? 0 : 1 + sim_below(sim, 20);
    int32_t status = nki_engine_unsubscribe(&sim->engine, model->sub, max);
    SIM_CHECK(sim, status == NKI_OK || (status == NKI_NO_MEMORY && sim->options.lenient),
              "unsubscribing gives %d", status);
    sim->no_memory += status == NKI_NO_MEMORY;
    if (status != NKI_OK || !model->live || (model->max > 0 && max > model->max)) {
        return; /* a limit is never raised */
    }
    if (max == 0 || max <= model->arrived) {
        model->live = false;
        model->reason = max == 0 ? NKI_UNSUBSCRIBED : NKI_MAX_REACHED;
    } else {
        model->max = max;
    }
}

static void act_close_sub(struct sim *sim, struct sim_sub *model)
{
    nki_inlet_close(&model->sub->inlet);
    nki_engine_close_sub(&sim->engine, model->sub, sim->now_ns);
    nki_sub_release(model->sub);
    model->live = false;
    model->released = true;
    sim_drain_released(sim, model);
}

static uint64_t number_of(struct sim *sim, const struct nki_msg *msg)
{
    struct nki_str data = nki_msg_data(msg);
    const char *blank = data.len > 0 ? memchr(data.ptr, ' ', data.len) : NULL;
    uint64_t number = 0;
    SIM_CHECK(sim,
              blank != NULL && data.ptr[0] == 'm' &&
                  ts_parse_u64(data.ptr + 1, (size_t)(blank - data.ptr) - 1, UINT64_MAX, &number),
              "a strange message");
    for (const char *at = blank + 1; at < data.ptr + data.len; at++) {
        SIM_CHECK(sim, *at == 'x', "a message has changed");
    }
    struct nki_str reply = nki_msg_reply(msg);
    struct nki_str header = nki_msg_header_block(msg);
    SIM_CHECK(sim, reply.len == 0 || nki_str_eq(reply, NKI_STR("re.ply")), "another reply subject");
    SIM_CHECK(sim, header.len == 0 || nki_str_eq(header, NKI_STR("NATS/1.0\r\nA: b\r\nA:c\r\n\r\n")),
              "another header");
    return number;
}

void sim_app_take(struct sim *sim, struct sim_sub *model, size_t cap)
{
    struct nki_msg *msgs[64];
    size_t count;
    cap = cap < 64 ? cap : 64;
    pthread_mutex_lock(&model->sub->inlet.wait.mu);
    int32_t status = nki_inlet_take_locked(&model->sub->inlet, msgs, cap, &count);
    pthread_mutex_unlock(&model->sub->inlet.wait.mu);
    SIM_CHECK(sim, (status == NKI_OK) == (count > 0), "a take gives %d and %zu messages", status, count);
    for (size_t i = 0; i < count; i++) {
        uint64_t number = number_of(sim, msgs[i]);
        nki_msg_release(msgs[i]);
        if (sim->options.lenient) {
            SIM_CHECK(sim, number >= model->taken, "message %" PRIu64 " again, or out of order", number);
            model->taken = number + 1; /* here: the least number that may follow */
            continue;
        }
        SIM_CHECK(sim,
                  model->expected_at < model->expected_count && number == model->expected[model->expected_at],
                  "message %" PRIu64 " comes unexpected", number);
        model->expected_at++;
        model->taken++;
    }
    if (count > 0 && model->expected_count - model->expected_at <= model->limit / 2) {
        model->slow = false;
    }
    if (count > 0 && model->sub->inlet.head == NULL) {
        sim_drain_taken(sim, model); /* as nki_sub_take */
    }
}

static void act_take(struct sim *sim)
{
    if (sim->sub_count > 0) {
        struct sim_sub *model = &sim->subs[sim_below(sim, sim->sub_count)];
        if (!model->released) {
            sim_app_take(sim, model, 1 + (size_t)sim_below(sim, 10));
        }
    }
}

static void cancel(struct sim *sim, struct sim_op *op)
{
    if (op->kind == SIM_OP_DRAIN_SUB && op->seen == NKI_PENDING) {
        sim->subs[op->sub].drain_op = -1; /* the drain goes on, and another may wait for it */
    }
    nki_engine_cancel(&sim->engine, op->op);
    nki_op_close(op->op);
    nki_op_release(op->op);
    op->op = NULL;
    nki_engine_drain_step(&sim->engine, sim->now_ns); /* as nki_conn_cancel */
}

static void act_cancel(struct sim *sim)
{
    struct sim_op *op = &sim->ops[sim_below(sim, SIM_OPS_MAX)];
    if (op->op != NULL && sim_op_timed(op->kind)) {
        cancel(sim, op);
    }
}

static void act_close(struct sim *sim)
{
    int64_t deadline_ns = sim->now_ns + (1 + (int64_t)sim_below(sim, 3000)) * NKI_NS_PER_MS;
    int i = sim->closing_app ? -1 : sim_op_begin(sim, SIM_OP_CLOSE, deadline_ns);
    if (i < 0) {
        return;
    }
    nki_op_retain(sim->ops[i].op);
    if (sim->closed) {
        nki_engine_close_linger(&sim->engine, sim->ops[i].op, deadline_ns, sim->now_ns);
        SIM_CHECK(sim, nki_op_result(sim->ops[i].op, NULL, NULL) == NKI_OK, "closing what is closed");
        sim_op_drop(sim, i);
        return;
    }
    sim->closing = sim->closing_app = true;
    sim->close_deadline_ns = deadline_ns;
    nki_engine_close_linger(&sim->engine, sim->ops[i].op, deadline_ns, sim->now_ns);
}

/* Without linger; who has closed with one has no handle for it any more. */
static void act_close_now(struct sim *sim)
{
    if (!sim->closing_app) {
        sim->ending = sim->ending || !sim->closed;
        nki_engine_close(&sim->engine, NULL, sim->now_ns);
    }
}

void sim_app_finish(struct sim *sim)
{
    for (int i = 0; i < SIM_OPS_MAX; i++) {
        if (sim->ops[i].op != NULL && sim->ops[i].kind == SIM_OP_REQUEST) {
            cancel(sim, &sim->ops[i]);
        }
    }
    for (size_t i = 0; i < sim->sub_count; i++) {
        struct sim_sub *model = &sim->subs[i];
        while (!model->released && model->sub->inlet.head != NULL) {
            sim_app_take(sim, model, 64);
        }
        while (!model->released && model->holds > 0) {
            sim_drain_unhold(sim, model);
        }
    }
}

static void act_on_sub(struct sim *sim, struct sim_sub *sub, uint64_t dice)
{
    if (sub->released) {
        return;
    }
    if (dice < 35) {
        act_unsubscribe(sim, sub);
    } else if (dice < 47) {
        act_close_sub(sim, sub);
    } else if (dice < 75) {
        sim_drain_act_sub(sim, sub);
    } else {
        sim_drain_act_hold(sim, sub);
    }
}

void sim_app_act(struct sim *sim)
{
    uint64_t dice = sim_below(sim, 1000);
    struct sim_sub *sub = sim->sub_count > 0 ? &sim->subs[sim_below(sim, sim->sub_count)] : NULL;
    if (sim->pause.request != 0 && sim_chance(sim, 15)) {
        sim_policy_act_answer(sim);
    } else if (dice < 330) {
        sim_app_publish(sim, (size_t)sim_below(sim, sim_chance(sim, 80) ? 100 : 9000));
    } else if (dice < 420) {
        act_request(sim);
    } else if (dice < 500) {
        sim_app_flush(sim, 0);
    } else if (dice < 570) {
        act_subscribe(sim);
    } else if (dice < 670 && sub != NULL) {
        act_on_sub(sim, sub, dice - 570);
    } else if (dice < 880) {
        act_take(sim);
    } else if (dice < 915) {
        act_cancel(sim);
    } else if (dice < 945) {
        act_wait(sim, SIM_OP_ROOM);
    } else if (dice < 970) {
        act_wait(sim, SIM_OP_WRITTEN);
    } else if (dice < 978) {
        act_wait(sim, SIM_OP_CLOSED);
    } else if (dice < 984) {
        sim_policy_act_answer(sim);
    } else if (dice < 990) {
        sim_policy_act_reconnect(sim);
    } else if (dice < 991) {
        act_close(sim);
    } else if (dice < 993) {
        sim_drain_act_all(sim);
    } else if (dice < 994 && sim_chance(sim, sim->draining ? 100 : 20)) {
        act_close_now(sim);
    }
}

void sim_app_start(struct sim *sim)
{
    struct nki_sub_params params = {.subject = NKI_STR(""), .limits = {SIM_EVENTS_LIMIT, UINT64_MAX / 2}};
    sim->events = nki_sub_new(&params);
    sim_policy_start(sim);
    if (sim->events != NULL) {
        sim->events->answers = sim->policy.asks;
        nki_subs_add_events(&sim->engine.subs, sim->events);
    }
    int64_t deadline_ns = sim->now_ns + 10000 * NKI_NS_PER_MS;
    int i = sim_op_begin(sim, SIM_OP_CONNECT, deadline_ns);
    if (i >= 0) {
        sim->ops[i].expected = sim->policy.first_connect == SIM_BACKGROUND ? NKI_OK : NKI_PENDING;
        nki_op_retain(sim->ops[i].op);
    }
    nki_engine_start(&sim->engine, i >= 0 ? sim->ops[i].op : NULL, deadline_ns, sim->now_ns);
}

void sim_app_end(struct sim *sim)
{
    for (size_t i = 0; i < sim->sub_count; i++) {
        struct sim_sub *model = &sim->subs[i];
        free(model->expected != NULL && model->released ? model->expected : NULL);
        if (model->released) {
            continue;
        }
        uint64_t pending;
        do {
            pending = model->sub->inlet.pending_msgs;
            sim_app_take(sim, model, 64);
        } while (pending > 0);
        SIM_CHECK(sim, sim->options.lenient || model->expected_at == model->expected_count,
                  "messages are missing");
        free(model->expected);
        nki_sub_release(model->sub);
    }
    for (int i = 0; i < SIM_OPS_MAX; i++) {
        if (sim->ops[i].op != NULL) {
            sim_op_drop(sim, i);
        }
    }
    if (sim->events != NULL) {
        nki_sub_release(sim->events);
    }
}
