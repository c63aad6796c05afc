/* The application of the simulator, with a model of all that it must see. */
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

/* -- operations ----------------------------------------------------------------------------------------- */

/* A free entry; finished ones are given up when there is none. -1: all are in use. */
static int op_entry(struct sim *sim)
{
    for (int i = 0; i < SIM_OPS_MAX; i++) {
        if (sim->ops[i].op == NULL) {
            return i;
        }
    }
    int freed = -1;
    for (int i = 0; i < SIM_OPS_MAX; i++) {
        if (sim->ops[i].kind != SIM_OP_CLOSE && sim->ops[i].seen != NKI_PENDING) {
            nki_op_close(sim->ops[i].op);
            nki_op_release(sim->ops[i].op);
            sim->ops[i].op = NULL;
            freed = i;
        }
    }
    return freed;
}

/* A new operation in a free entry; -1 if there is no memory or no entry. */
static int op_begin(struct sim *sim, enum sim_op_kind kind, int64_t deadline_ns)
{
    int i = op_entry(sim);
    struct nki_op *op = i >= 0 ? nki_op_new() : NULL;
    if (op == NULL) {
        sim->no_memory += i >= 0;
        return -1;
    }
    sim->ops[i] = (struct sim_op){.op = op,
                                  .kind = kind,
                                  .deadline_ns = deadline_ns,
                                  .mark = sim->pub_count,
                                  .expected = NKI_PENDING,
                                  .seen = NKI_PENDING};
    return i;
}

static void op_drop(struct sim *sim, int i)
{
    nki_op_release(sim->ops[i].op);
    sim->ops[i].op = NULL;
}

static int64_t some_deadline(struct sim *sim)
{
    return sim_chance(sim, 20) ? NKI_NEVER : sim->now_ns + (int64_t)sim_below(sim, 3000) * NKI_NS_PER_MS;
}

int sim_app_flush(struct sim *sim, int64_t timeout_ms)
{
    int64_t deadline_ns = timeout_ms > 0 ? sim->now_ns + timeout_ms * NKI_NS_PER_MS : some_deadline(sim);
    deadline_ns += deadline_ns == sim->now_ns; /* a deadline that has passed is the caller's to see */
    int i = op_begin(sim, SIM_OP_FLUSH, deadline_ns);
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
        op_drop(sim, i);
        return -1;
    }
    sim->ops[i].ping = sim->link->pongs + sim->engine.pings.count - 1;
    return i;
}

static void check_end(struct sim *sim, struct sim_op *op, int32_t status)
{
    /* A connect may also end by the timeout of its only attempt. */
    bool late = sim->now_ns >= op->deadline_ns || op->kind == SIM_OP_CONNECT;
    const struct nki_outbox *outbox = &sim->engine.outbox;
    SIM_CHECK(sim, status != NKI_TIMEOUT || late, "a timeout before the deadline");
    bool refused = sim->closed || (sim->closing && op->kind == SIM_OP_ROOM);
    SIM_CHECK(sim, status != NKI_CLOSED || refused, "closed before the connection is");
    if (status == NKI_OK && (op->kind == SIM_OP_FLUSH || op->kind == SIM_OP_CLOSE)) {
        for (uint64_t i = 0; i < op->mark; i++) {
            SIM_CHECK(sim, sim->pubs[i].arrived || sim->pubs[i].lost,
                      "message %" PRIu64 " was flushed and has not arrived", i);
        }
    } else if (status == NKI_OK && op->kind == SIM_OP_ROOM) {
        SIM_CHECK(sim, outbox->bytes == 0 || outbox->bytes + op->need <= outbox->limit,
                  "room for %" PRIu64 " bytes was promised, %" PRIu64 " wait", op->need, outbox->bytes);
    } else if (op->kind == SIM_OP_REQUEST) {
        struct nki_msg *msg = NULL;
        int32_t taken = nki_op_take_msg(op->op, &msg);
        SIM_CHECK(sim, taken == status && (msg != NULL) == (status == NKI_OK),
                  "a reply without success, or none");
        if (msg != NULL) {
            char wanted[32];
            snprintf(wanted, sizeof wanted, "r%" PRIu64, op->mark);
            SIM_CHECK(sim, nki_str_eq(nki_msg_data(msg), nki_str_z(wanted)), "another request's reply");
            nki_msg_release(msg);
        }
    }
}

static void check_op(struct sim *sim, struct sim_op *op)
{
    int32_t outcome;
    int32_t status = nki_op_result(op->op, &outcome, NULL);
    SIM_CHECK(sim, op->seen == NKI_PENDING || op->seen == status, "an operation ended with %d, and now %d",
              op->seen, status);
    SIM_CHECK(sim, (status == NKI_PENDING) == (outcome == NKI_OUTCOME_PENDING),
              "status and outcome disagree");
    if (op->kind == SIM_OP_REQUEST || op->kind == SIM_OP_FLUSH || op->kind == SIM_OP_ROOM) {
        if (op->expected == NKI_PENDING && !op->any && sim->now_ns >= op->deadline_ns) {
            op->expected = NKI_TIMEOUT;
        }
        SIM_CHECK(sim, status != NKI_PENDING || sim->now_ns < op->deadline_ns,
                  "an operation outlives its timer");
    }
    SIM_CHECK(sim, status != NKI_PENDING || !sim->closed, "an operation outlives the connection");
    SIM_CHECK(sim, status == NKI_PENDING || op->kind == SIM_OP_ROOM || op->op->timer.index == 0,
              "an operation has ended, its timer has not");
    bool exact = !op->any && op->kind != SIM_OP_ROOM && op->kind != SIM_OP_CLOSE && !sim->options.lenient;
    SIM_CHECK(sim, !exact || status == op->expected, "an operation of kind %d has status %d instead of %d",
              op->kind, status, op->expected);
    if (op->seen == NKI_PENDING && status != NKI_PENDING) {
        check_end(sim, op, status);
    }
    op->seen = status;
}

static void expect(struct sim_op *op, int32_t status)
{
    if (op->op != NULL && op->expected == NKI_PENDING && !op->any) {
        op->expected = status;
    }
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
    uint64_t confirmed = link->pings[mark->number + 1];
    sim->confirmed = confirmed > sim->confirmed ? confirmed : sim->confirmed;
    for (int i = 0; i < SIM_OPS_MAX; i++) {
        if (sim->ops[i].kind == SIM_OP_FLUSH && sim->ops[i].ping == mark->number) {
            expect(&sim->ops[i], NKI_OK); /* those of earlier transports have ended */
        }
    }
}

static void saw_denial(struct sim *sim, const struct sim_mark *mark)
{
    struct sim_sub *sub = sim_app_sub(sim, mark->sid);
    if (mark->kind == SIM_MARK_DENY_INBOX) {
        for (int i = 0; i < SIM_OPS_MAX; i++) {
            if (sim->ops[i].kind == SIM_OP_REQUEST) {
                expect(&sim->ops[i], NKI_PERMISSION);
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
    case SIM_MARK_HELLO:
        sim->connects++;
        for (size_t i = 0; i < sim->sub_count; i++) {
            sim->link->sid_floor = sim->subs[i].sid;
        }
        for (int i = 0; i < SIM_OPS_MAX; i++) {
            if (sim->ops[i].kind == SIM_OP_CONNECT) {
                expect(&sim->ops[i], NKI_OK);
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
    for (int i = 0; i < SIM_OPS_MAX; i++) {
        struct sim_op *op = &sim->ops[i];
        if (op->kind != SIM_OP_REQUEST && op->kind != SIM_OP_FLUSH) {
            continue;
        }
        if (sim->engine.state == NKI_ENGINE_CLOSED) {
            op->any = op->any || op->expected == NKI_PENDING;
        } else if (sim->link->hello) {
            expect(op, NKI_DISCONNECTED);
        }
    }
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
    int32_t status = nki_outbox_append(&sim->engine.outbox, &msg, 1, 0, &done, &kick);
    sim_take_right(sim, kick);
    SIM_CHECK(sim, (status == NKI_OK) == (done == 1), "append: status %d, %zu done", status, done);
    if (status == NKI_OK) {
        publish_record(sim, len, header_len, op);
    }
    sim->no_memory += status == NKI_NO_MEMORY;
    SIM_CHECK(sim,
              status == NKI_OK || (status == NKI_WOULD_BLOCK && sim->engine.outbox.bytes > 0) ||
                  (status == NKI_CLOSED && (sim->closed || sim->closing)) ||
                  (status == NKI_NO_MEMORY && sim->options.lenient),
              "publishing gives %d", status);
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
    int64_t deadline_ns = some_deadline(sim);
    deadline_ns += deadline_ns == sim->now_ns;
    int i = op_begin(sim, SIM_OP_REQUEST, deadline_ns);
    if (i < 0) {
        return;
    }
    struct nki_op *op = sim->ops[i].op;
    int32_t status = nki_engine_request(&sim->engine, op, deadline_ns, reply, &reply_len);
    sim_take_right(sim, (sim->engine.want & NKI_WANT_KICK) != 0);
    sim->engine.want &= ~NKI_WANT_KICK;
    SIM_CHECK(sim,
              status == NKI_OK || (status == NKI_CLOSED && (sim->closed || sim->closing)) ||
                  (status == NKI_NO_MEMORY && sim->options.lenient),
              "a request is refused: %d", status);
    sim->no_memory += status == NKI_NO_MEMORY;
    if (status == NKI_OK) {
        status = publish(sim, (size_t)sim_below(sim, 300), nki_str_make(reply, reply_len), i);
        if (status != NKI_OK) {
            nki_engine_cancel(&sim->engine, op);
        }
    }
    if (status != NKI_OK) {
        op_drop(sim, i);
    }
}

static void act_room(struct sim *sim)
{
    int64_t deadline_ns = some_deadline(sim);
    deadline_ns += deadline_ns == sim->now_ns;
    int i = op_begin(sim, SIM_OP_ROOM, deadline_ns);
    if (i < 0) {
        return;
    }
    sim->ops[i].need = sim_below(sim, 60000);
    if (sim->closed || !nki_engine_timer(&sim->engine, sim->ops[i].op, deadline_ns)) {
        sim->no_memory++;
        op_drop(sim, i);
        return;
    }
    nki_outbox_room(&sim->engine.outbox, sim->ops[i].op, sim->ops[i].need);
}

static void act_subscribe(struct sim *sim)
{
    if (sim->sub_count == SIM_SUBS_MAX) {
        return;
    }
    struct sim_sub *model = &sim->subs[sim->sub_count];
    char subject[32];
    snprintf(subject, sizeof subject, "sub.%zu.>", sim->sub_count);
    *model = (struct sim_sub){.limit = sim_chance(sim, 50) ? 4 : 1000, .live = true};
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
    SIM_CHECK(sim,
              status == NKI_OK || (status == NKI_CLOSED && (sim->closed || sim->closing)) ||
                  (status == NKI_NO_MEMORY && sim->options.lenient),
              "subscribing gives %d", status);
    sim->no_memory += status == NKI_NO_MEMORY;
    if (status == NKI_OK) {
        model->sid = nki_sub_sid(model->sub);
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

static void take(struct sim *sim, struct sim_sub *model, size_t cap)
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
}

static void act_take(struct sim *sim)
{
    if (sim->sub_count > 0) {
        struct sim_sub *model = &sim->subs[sim_below(sim, sim->sub_count)];
        if (!model->released) {
            take(sim, model, 1 + (size_t)sim_below(sim, 10));
        }
    }
}

static void act_cancel(struct sim *sim)
{
    struct sim_op *op = &sim->ops[sim_below(sim, SIM_OPS_MAX)];
    if (op->op != NULL &&
        (op->kind == SIM_OP_REQUEST || op->kind == SIM_OP_ROOM || op->kind == SIM_OP_FLUSH)) {
        nki_engine_cancel(&sim->engine, op->op);
        nki_op_close(op->op);
        nki_op_release(op->op);
        op->op = NULL;
    }
}

static void act_close(struct sim *sim)
{
    int64_t deadline_ns = sim->now_ns + (1 + (int64_t)sim_below(sim, 3000)) * NKI_NS_PER_MS;
    int i = sim->closing ? -1 : op_begin(sim, SIM_OP_CLOSE, deadline_ns);
    if (i < 0) {
        return;
    }
    nki_op_retain(sim->ops[i].op);
    sim->closing = true;
    nki_engine_close_linger(&sim->engine, sim->ops[i].op, deadline_ns, sim->now_ns);
}

void sim_app_act(struct sim *sim)
{
    uint64_t dice = sim_below(sim, 1000);
    struct sim_sub *sub = sim->sub_count > 0 ? &sim->subs[sim_below(sim, sim->sub_count)] : NULL;
    if (dice < 350) {
        sim_app_publish(sim, (size_t)sim_below(sim, sim_chance(sim, 80) ? 100 : 9000));
    } else if (dice < 450) {
        act_request(sim);
    } else if (dice < 550) {
        sim_app_flush(sim, 0);
    } else if (dice < 620) {
        act_subscribe(sim);
    } else if (dice < 660 && sub != NULL && !sub->released) {
        act_unsubscribe(sim, sub);
    } else if (dice < 675 && sub != NULL && !sub->released) {
        act_close_sub(sim, sub);
    } else if (dice < 900) {
        act_take(sim);
    } else if (dice < 940) {
        act_cancel(sim);
    } else if (dice < 980) {
        act_room(sim);
    } else if (dice < 981) {
        act_close(sim);
    }
}

void sim_app_start(struct sim *sim)
{
    struct nki_sub_params params = {.subject = NKI_STR(""), .limits = {SIM_EVENTS_LIMIT, UINT64_MAX / 2}};
    sim->events = nki_sub_new(&params);
    if (sim->events != NULL) {
        nki_subs_add_events(&sim->engine.subs, sim->events);
    }
    int64_t deadline_ns = sim->now_ns + 10000 * NKI_NS_PER_MS;
    int i = op_begin(sim, SIM_OP_CONNECT, deadline_ns);
    if (i >= 0) {
        nki_op_retain(sim->ops[i].op);
    }
    nki_engine_start(&sim->engine, i >= 0 ? sim->ops[i].op : NULL, deadline_ns, sim->now_ns);
}

/* -- checks --------------------------------------------------------------------------------------------- */

static void check_event(struct sim *sim, const struct nki_event *event)
{
    SIM_CHECK(sim, !sim->event_closed, "event %d after CLOSED", event->type);
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
    bool incomplete = sim->options.lenient && sim->events->inlet.stats.dropped_msgs > 0;
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
    SIM_CHECK(sim, stats.pending_msgs > 0 || stats.pending_bytes == 0, "no messages, but bytes");
}

static void now_closed(struct sim *sim)
{
    sim->closed = true;
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
    if (!sim->closed && sim->engine.state == NKI_ENGINE_CLOSED) {
        now_closed(sim);
    }
    for (int i = 0; i < SIM_OPS_MAX; i++) {
        if (sim->ops[i].op != NULL) {
            check_op(sim, &sim->ops[i]);
        }
    }
    for (size_t i = 0; i < sim->sub_count; i++) {
        if (!sim->subs[i].released) {
            check_sub(sim, &sim->subs[i]);
        }
    }
    check_events(sim);
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
            pending = model->sub->inlet.stats.pending_msgs;
            take(sim, model, 64);
        } while (pending > 0);
        SIM_CHECK(sim, sim->options.lenient || model->expected_at == model->expected_count,
                  "messages are missing");
        free(model->expected);
        nki_sub_release(model->sub);
    }
    for (int i = 0; i < SIM_OPS_MAX; i++) {
        if (sim->ops[i].op != NULL) {
            op_drop(sim, i);
        }
    }
    if (sim->events != NULL) {
        nki_sub_release(sim->events);
    }
}
