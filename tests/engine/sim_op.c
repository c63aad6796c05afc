/* The operations that the application of the simulator waits for: when each must end, and with what. */
#include "sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

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
        enum sim_op_kind kind = sim->ops[i].kind;
        if (kind != SIM_OP_CLOSE && kind != SIM_OP_DRAIN && sim->ops[i].seen != NKI_PENDING) {
            nki_op_close(sim->ops[i].op);
            nki_op_release(sim->ops[i].op);
            sim->ops[i].op = NULL;
            freed = i;
        }
    }
    return freed;
}

int sim_op_begin(struct sim *sim, enum sim_op_kind kind, int64_t deadline_ns)
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

void sim_op_drop(struct sim *sim, int i)
{
    nki_op_release(sim->ops[i].op);
    sim->ops[i].op = NULL;
}

int64_t sim_op_deadline(struct sim *sim)
{
    int64_t wait_ns = (int64_t)sim_below(sim, 3000) * NKI_NS_PER_MS;
    /* One that has passed is the caller's to see. */
    return sim_chance(sim, 20) ? NKI_NEVER : sim->now_ns + (wait_ns > 0 ? wait_ns : 1);
}

bool sim_op_timed(enum sim_op_kind kind)
{
    return kind != SIM_OP_CONNECT && kind != SIM_OP_CLOSE && kind != SIM_OP_DRAIN;
}

void sim_op_expect(struct sim_op *op, int32_t status)
{
    if (op->op != NULL && op->expected == NKI_PENDING && !op->any) {
        op->expected = status;
    }
}

void sim_op_expire(struct sim *sim)
{
    for (int i = 0; i < SIM_OPS_MAX; i++) {
        struct sim_op *op = &sim->ops[i];
        if (op->op != NULL && sim_op_timed(op->kind) && sim->now_ns >= op->deadline_ns &&
            op->expected == NKI_PENDING && !op->any) {
            op->expected = NKI_TIMEOUT;
            if (op->kind == SIM_OP_DRAIN_SUB) {
                sim->subs[op->sub].drain_op = -1; /* the drain goes on */
            }
        }
    }
}

uint32_t sim_op_requests(const struct sim *sim)
{
    uint32_t count = 0;
    for (int i = 0; i < SIM_OPS_MAX; i++) {
        const struct sim_op *op = &sim->ops[i];
        count += op->op != NULL && op->kind == SIM_OP_REQUEST && op->expected == NKI_PENDING && !op->any;
    }
    return count;
}

/* -- the end of one ------------------------------------------------------------------------------------- */

static void check_request(struct sim *sim, const struct sim_op *op, int32_t status)
{
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

static void check_arrived(struct sim *sim, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        SIM_CHECK(sim, sim->pubs[i].arrived || sim->pubs[i].lost,
                  "message %" PRIu64 " was flushed and has not arrived", i);
    }
}

static void check_success(struct sim *sim, const struct sim_op *op)
{
    const struct nki_outbox *outbox = &sim->engine.outbox;
    switch (op->kind) {
    case SIM_OP_FLUSH:
    case SIM_OP_CLOSE:
        check_arrived(sim, op->mark);
        break;
    case SIM_OP_ROOM:
        /* Not outbox->limit, which is 0 if a drain has ended in the same call. */
        SIM_CHECK(sim, outbox->bytes == 0 || outbox->bytes + op->need <= sim_app_limit(sim),
                  "room for %" PRIu64 " bytes was promised, %" PRIu64 " wait", op->need, outbox->bytes);
        break;
    case SIM_OP_WRITTEN:
        SIM_CHECK(sim, sim->socket_count >= op->mark,
                  "written: %" PRIu64 " of the %" PRIu64 " messages before it", sim->socket_count, op->mark);
        break;
    case SIM_OP_DRAIN:
        check_arrived(sim, sim->pub_count); /* nothing was accepted after its last PING */
        sim_drain_check_done(sim);
        break;
    default:
        break;
    }
}

/* Why it may end with TIMEOUT. */
static bool is_late(const struct sim *sim, const struct sim_op *op)
{
    switch (op->kind) {
    case SIM_OP_CONNECT: /* also by the timeout of its only attempt */
        return true;
    case SIM_OP_CLOSED: /* also the reason of the end */
        return sim->closed || sim->now_ns >= op->deadline_ns;
    case SIM_OP_CLOSE:
    case SIM_OP_DRAIN: /* who closes during a drain ends it, and the other way round */
        return (sim->closing && sim->now_ns >= sim->close_deadline_ns) ||
               (sim->draining && sim->now_ns >= sim->drain_deadline_ns);
    default:
        return sim->now_ns >= op->deadline_ns;
    }
}

static void check_end(struct sim *sim, struct sim_op *op, int32_t status)
{
    SIM_CHECK(sim, status != NKI_TIMEOUT || is_late(sim, op), "a timeout before the deadline, kind %d",
              op->kind);
    bool by_handle = op->kind == SIM_OP_DRAIN_SUB && sim->subs[op->sub].released;
    bool refused = sim->closed || by_handle || (sim->closing && op->kind == SIM_OP_ROOM);
    SIM_CHECK(sim, status != NKI_CLOSED || refused, "closed before the connection is");
    bool sealed = sim->draining && sim->closing && op->kind == SIM_OP_ROOM;
    SIM_CHECK(sim, status != NKI_DRAINING || sealed, "kind %d ends with DRAINING", op->kind);
    if (op->kind == SIM_OP_REQUEST) {
        check_request(sim, op, status);
    } else if (status == NKI_OK) {
        check_success(sim, op);
    }
    if (op->kind == SIM_OP_DRAIN || op->kind == SIM_OP_CLOSE) {
        bool well = sim->engine.last_error.status == NKI_CLOSED;
        SIM_CHECK(sim, sim->closed, "a close or drain ends, the connection does not");
        SIM_CHECK(sim, (status == NKI_OK || status == NKI_CLOSED) == well,
                  "kind %d ends with %d, the reason is %d", op->kind, status, sim->engine.last_error.status);
        SIM_CHECK(sim,
                  op->kind == SIM_OP_CLOSE || !well || (status == NKI_OK) == (sim->all_taken && !sim->ending),
                  "the drain ends with %d", status);
    }
}

void sim_op_check(struct sim *sim, struct sim_op *op)
{
    int32_t outcome;
    int32_t status = nki_op_result(op->op, &outcome, NULL);
    SIM_CHECK(sim, op->seen == NKI_PENDING || op->seen == status, "an operation ended with %d, and now %d",
              op->seen, status);
    SIM_CHECK(sim, (status == NKI_PENDING) == (outcome == NKI_OUTCOME_PENDING),
              "status and outcome disagree");
    SIM_CHECK(sim,
              status != NKI_PENDING || !sim_op_timed(op->kind) || sim->overdue ||
                  sim->now_ns < op->deadline_ns,
              "an operation outlives its timer");
    SIM_CHECK(sim, status != NKI_PENDING || !sim->closed, "an operation of kind %d outlives the connection",
              op->kind);
    SIM_CHECK(sim, status != NKI_PENDING || op->kind != SIM_OP_WRITTEN || sim->engine.outbox.bytes > 0,
              "all is written, who waits for that is not told");
    bool by_outbox = op->kind == SIM_OP_ROOM || op->kind == SIM_OP_WRITTEN;
    SIM_CHECK(sim, status == NKI_PENDING || by_outbox || op->op->timer.index == 0,
              "an operation has ended, its timer has not");
    bool exact = !op->any && !by_outbox && op->kind != SIM_OP_CLOSE && op->kind != SIM_OP_DRAIN &&
                 !sim->options.lenient;
    SIM_CHECK(sim, !exact || status == op->expected, "an operation of kind %d has status %d instead of %d",
              op->kind, status, op->expected);
    if (op->seen == NKI_PENDING && status != NKI_PENDING) {
        check_end(sim, op, status);
    }
    op->seen = status;
}
