/* Subscriptions as callers use them. Any thread. */
#include "base/alloc.h"
#include "base/clock.h"
#include "client/driver.h"
#include "client/feed.h"
#include "client/wait.h"

void nki_sub_retain(struct nki_sub *sub)
{
    atomic_fetch_add_explicit(&sub->refs, 1, memory_order_relaxed);
}

void nki_sub_release(struct nki_sub *sub)
{
    if (atomic_fetch_sub_explicit(&sub->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    struct nki_conn *conn = sub->conn;
    if (sub->collect != NULL) { /* it was never added */
        if (sub->collect->feed != NULL) {
            sub->collect->feed->ops->end(sub->collect->feed, NKI_CLOSED);
        }
        nki_op_release(sub->collect->op);
        nki_free(sub->collect);
    }
    nki_free(sub->end_error);
    nki_inlet_destroy(&sub->inlet);
    nki_free(sub);
    if (conn != NULL) {
        nki_conn_release(conn);
    }
}

/* Unlocks after an engine call; what it put into the outbox is gathered by the I/O thread. */
static void leave(struct nki_conn *conn)
{
    bool right = nki_driver_settle(conn);
    nki_conn_unlock(conn);
    if (right) {
        nki_driver_pass_right(conn);
    }
}

static struct nki_sub *new_sub(struct nki_conn *conn, const struct nki_sub_params *params,
                               struct nki_error *err)
{
    struct nki_sub *sub = nki_sub_new(params);
    if (sub == NULL) {
        nki_error_set(err, NKI_NO_MEMORY, NULL);
        return NULL;
    }
    sub->conn = conn;
    sub->inlet.since_ns = nki_clock_now_ns();
    nki_conn_retain(conn);
    struct nki_collect first = {.deadline_ns = nki_clock_now_ns() + params->first_ns};
    if (params->first_ns > 0 && !nki_sub_collect(sub, &first)) {
        nki_sub_release(sub);
        nki_error_set(err, NKI_NO_MEMORY, NULL);
        return NULL;
    }
    return sub;
}

int32_t nki_conn_subscribe(struct nki_conn *conn, const struct nki_sub_params *params, struct nki_sub **out,
                           struct nki_error *err)
{
    struct nki_sub *sub = new_sub(conn, params, err);
    if (sub == NULL) {
        return NKI_NO_MEMORY;
    }
    nki_conn_lock(conn);
    int32_t status = nki_engine_subscribe(&conn->engine, sub);
    leave(conn);
    if (status != NKI_OK) {
        nki_sub_release(sub);
        return nki_error_set(err, status, NULL);
    }
    *out = sub;
    return NKI_OK;
}

int32_t nki_conn_events(struct nki_conn *conn, const struct nki_events_params *params, struct nki_sub **out,
                        struct nki_error *err)
{
    struct nki_sub_params plain = {.subject = NKI_STR(""), .limits = params->limits};
    struct nki_sub *sub = new_sub(conn, &plain, err);
    if (sub == NULL) {
        return NKI_NO_MEMORY;
    }
    sub->debug = params->debug;
    sub->answers = params->answers;
    nki_conn_lock(conn);
    int32_t status = NKI_OK;
    if (conn->engine.state == NKI_ENGINE_CLOSED) {
        status = nki_error_set(err, NKI_CLOSED, NULL);
    } else if (params->answers && nki_subs_answering(&conn->engine.subs) != NULL) {
        status =
            nki_error_set(err, NKI_BUSY, "option answers: another subscription of the connection answers");
    } else {
        nki_subs_add_events(&conn->engine.subs, sub);
        if (params->answers) {
            nki_engine_ask_auth(&conn->engine); /* the question may have come first */
        }
    }
    nki_conn_unlock(conn);
    if (status != NKI_OK) {
        nki_sub_release(sub);
        return status;
    }
    *out = sub;
    return NKI_OK;
}

struct nki_inlet *nki_sub_inlet(struct nki_sub *sub)
{
    return &sub->inlet;
}

uint64_t nki_sub_sid(const struct nki_sub *sub)
{
    nki_conn_lock(sub->conn);
    uint64_t sid = sub->sid;
    nki_conn_unlock(sub->conn);
    return sid;
}

uint64_t nki_sub_max(struct nki_sub *sub)
{
    nki_conn_lock(sub->conn);
    uint64_t max = sub->max;
    nki_conn_unlock(sub->conn);
    return max;
}

struct nki_str nki_sub_subject_of(const struct nki_sub *sub)
{
    return nki_sub_subject(sub);
}

struct nki_str nki_sub_queue_of(const struct nki_sub *sub)
{
    return nki_sub_queue(sub);
}

struct nki_conn *nki_sub_conn(const struct nki_sub *sub)
{
    return sub->conn;
}

int32_t nki_sub_reason(struct nki_sub *sub, struct nki_error *err)
{
    struct nki_inlet_stats stats;
    nki_inlet_stats_get(&sub->inlet, &stats);
    if (stats.end_reason == NKI_OK) {
        return NKI_PENDING;
    }
    nki_conn_lock(sub->conn);
    bool told = sub->end_error != NULL && sub->end_error->status == stats.end_reason;
    if (told && err != NULL) {
        *err = *sub->end_error; /* with the server's code */
    } else if (!told) {
        nki_error_set(err, stats.end_reason, NULL);
    }
    nki_conn_unlock(sub->conn);
    return stats.end_reason;
}

bool nki_sub_draining(struct nki_sub *sub)
{
    nki_conn_lock(sub->conn);
    bool draining = sub->drain != NKI_DRAIN_NONE;
    nki_conn_unlock(sub->conn);
    return draining;
}

/* All was taken, or a hold was given up: a drain may have waited for that. `enough`: as many were taken as
 * the feed has asked to be told of. */
static void tell_taken(struct nki_sub *sub, bool enough)
{
    struct nki_conn *conn = sub->conn;
    nki_conn_lock(conn);
    nki_engine_taken(&conn->engine, sub, enough, nki_clock_now_ns());
    bool right = nki_driver_settle(conn);
    nki_conn_unlock(conn);
    if (right) {
        nki_driver_transmit(
            conn); /* a feed asks for more: waking another thread for it costs as much as a write */
    }
}

bool nki_sub_hold(struct nki_sub *sub, bool on)
{
    bool ok = nki_inlet_hold(&sub->inlet, on);
    /* Only then: the engine lock is the reader's for most of the time when messages stream in. */
    if (ok && !on && nki_inlet_drained(&sub->inlet)) {
        tell_taken(sub, false);
    }
    return ok;
}

int32_t nki_sub_drain(struct nki_sub *sub, int64_t deadline_ns, struct nki_op **out, struct nki_error *err)
{
    struct nki_conn *conn = sub->conn;
    struct nki_op *op = nki_op_new();
    if (op == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    nki_conn_lock(conn);
    int32_t status = nki_engine_drain_sub(&conn->engine, sub, op, deadline_ns, nki_clock_now_ns());
    leave(conn);
    if (status != NKI_OK) {
        nki_op_release(op);
        return nki_error_set(err, status, NULL);
    }
    *out = op;
    return NKI_OK;
}

static bool inlet_ready(struct nki_waitable *waitable)
{
    return nki_inlet_ready_locked(NKI_CONTAINER_OF(waitable, struct nki_inlet, wait));
}

/* `*taken` gets how many of them count as taken. */
static int32_t take_locked(struct nki_inlet *inlet, struct nki_msg **out, size_t cap, bool ahead,
                           size_t *count, size_t *taken)
{
    if (ahead) {
        cap = nki_inlet_cap_ahead_locked(inlet, cap);
    }
    int32_t status = nki_inlet_take_locked(inlet, out, cap, count);
    *taken = ahead ? *count - nki_inlet_ahead_locked(inlet, out, *count) : *count;
    return status;
}

/* With inlet->wait.mu, which is given up meanwhile: who takes again has handed out what it took ahead. */
static void hand_out(struct nki_sub *sub)
{
    struct nki_inlet *inlet = &sub->inlet;
    if (nki_inlet_tells_locked(inlet, nki_inlet_handed_locked(inlet))) {
        pthread_mutex_unlock(&inlet->wait.mu);
        tell_taken(sub, true);
        pthread_mutex_lock(&inlet->wait.mu);
    }
}

static void tell_tails(struct nki_msg *const *msgs, size_t count)
{
    int64_t now_ns = nki_clock_now_ns();
    for (size_t i = 0; i < count; i++) {
        nki_msg_tail(msgs[i])->taken_ns = now_ns;
    }
}

int32_t nki_sub_take(struct nki_sub *sub, struct nki_msg **out, size_t cap, bool ahead, int64_t deadline_ns,
                     size_t *count)
{
    struct nki_inlet *inlet = &sub->inlet;
    pthread_mutex_lock(&inlet->wait.mu);
    if (NKI_UNLIKELY(inlet->ahead_msgs > 0)) {
        hand_out(sub);
    }
    size_t taken;
    int32_t status = take_locked(inlet, out, cap, ahead, count, &taken);
    while (status == NKI_WOULD_BLOCK && deadline_ns != 0) {
        int32_t waited = nki_wait_locked(sub->conn, &inlet->wait, inlet_ready, deadline_ns);
        status = take_locked(inlet, out, cap, ahead, count, &taken); /* another taker may have been faster */
        if (waited == NKI_TIMEOUT && status == NKI_WOULD_BLOCK) {
            status = NKI_TIMEOUT;
        }
    }
    bool enough = nki_inlet_tells_locked(inlet, taken);
    bool tells = enough || nki_inlet_drained_locked(inlet);
    pthread_mutex_unlock(&inlet->wait.mu);
    if (NKI_UNLIKELY(sub->tails) && *count > 0) {
        tell_tails(out, *count);
    }
    if (NKI_UNLIKELY(tells) && status == NKI_OK) {
        tell_taken(sub, enough); /* this caller has taken the last one, or enough for a feed */
    }
    return status;
}

int32_t nki_sub_unsubscribe(struct nki_sub *sub, uint64_t max)
{
    struct nki_conn *conn = sub->conn;
    nki_conn_lock(conn);
    bool fed = max > 0 && sub->live && sub->collect != NULL && sub->collect->feed != NULL;
    /* What a server counts for a feed are not the messages that it hands over. */
    int32_t status = fed ? NKI_INVALID : nki_engine_unsubscribe(&conn->engine, sub, max);
    nki_engine_drain_step(&conn->engine, nki_clock_now_ns()); /* which may have waited for the request */
    leave(conn);
    return status;
}

void nki_sub_end(struct nki_sub *sub)
{
    struct nki_conn *conn = sub->conn;
    nki_conn_lock(conn);
    if (nki_engine_unsubscribe(&conn->engine, sub, 0) != NKI_OK) {
        nki_subs_remove(&conn->engine.subs, sub, NKI_UNSUBSCRIBED);
    }
    nki_engine_drain_step(&conn->engine, nki_clock_now_ns());
    leave(conn);
}

void nki_sub_close(struct nki_sub *sub)
{
    /* Closed first, so that nothing is queued any more, whatever the unsubscribing comes to. */
    nki_inlet_close(&sub->inlet);
    struct nki_conn *conn = sub->conn;
    nki_conn_lock(conn);
    nki_engine_close_sub(&conn->engine, sub, nki_clock_now_ns());
    leave(conn);
}

void nki_sub_leave(struct nki_sub *sub)
{
    struct nki_conn *conn = sub->conn;
    nki_conn_lock(conn);
    if (sub->live && sub->drain == NKI_DRAIN_NONE) {
        sub->left = true;
    } else {
        nki_engine_close_sub(&conn->engine, sub, nki_clock_now_ns());
    }
    leave(conn);
    nki_sub_release(sub);
}
