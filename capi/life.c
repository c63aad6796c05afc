/* The life of connections and subscriptions after their begin: waiting for the end, draining, connecting
 * anew, round trips. Each blocking call is the operation of the same name and the wait for it. Any thread. */
#include "capi/guard.h"

#define DELAY_MS_MAX INT64_C(86400000) /* a day */

/* -- operations ------------------------------------------------------------------------------------------ */

static int32_t begin_closed(void *conn, uint64_t bytes, int64_t deadline_ns, struct nki_op **op,
                            struct nki_error *err)
{
    (void)bytes;
    return nki_conn_closed(conn, deadline_ns, op, err);
}

static int32_t begin_drain(void *conn, uint64_t bytes, int64_t deadline_ns, struct nki_op **op,
                           struct nki_error *err)
{
    (void)bytes;
    return nki_conn_drain(conn, deadline_ns, op, err);
}

static int32_t begin_written(void *conn, uint64_t bytes, int64_t deadline_ns, struct nki_op **op,
                             struct nki_error *err)
{
    (void)bytes;
    return nki_conn_written(conn, deadline_ns, op, err);
}

static int32_t begin_sub_drain(void *sub, uint64_t bytes, int64_t deadline_ns, struct nki_op **op,
                               struct nki_error *err)
{
    (void)bytes;
    return nki_sub_drain(sub, deadline_ns, op, err);
}

static const struct nki_capi_start closed_start = {NATSKIT_KIND_CONN, begin_closed, 0};
static const struct nki_capi_start drain_start = {NATSKIT_KIND_CONN, begin_drain, 0};
static const struct nki_capi_start written_start = {NATSKIT_KIND_CONN, begin_written, 0};
static const struct nki_capi_start sub_drain_start = {NATSKIT_KIND_SUB, begin_sub_drain, 0};

natskit_status natskit_conn_closed_start(natskit_conn conn, natskit_options options, int64_t timeout_ms,
                                         natskit_op *op, natskit_error *err)
{
    return nki_capi_start(&closed_start, conn.id, options, timeout_ms, op, err);
}

natskit_status natskit_conn_drain_start(natskit_conn conn, natskit_options options, int64_t timeout_ms,
                                        natskit_op *op, natskit_error *err)
{
    return nki_capi_start(&drain_start, conn.id, options, timeout_ms, op, err);
}

natskit_status natskit_written_start(natskit_conn conn, natskit_options options, int64_t timeout_ms,
                                     natskit_op *op, natskit_error *err)
{
    return nki_capi_start(&written_start, conn.id, options, timeout_ms, op, err);
}

natskit_status natskit_sub_drain_start(natskit_sub sub, natskit_options options, int64_t timeout_ms,
                                       natskit_op *op, natskit_error *err)
{
    return nki_capi_start(&sub_drain_start, sub.id, options, timeout_ms, op, err);
}

/* -- blocking calls -------------------------------------------------------------------------------------- */

/* Begins and waits. An operation that changes nothing is given up at the deadline by its waiter; one that
 * does (`acts`) has the deadline itself, and always finishes. */
static natskit_status run(const struct nki_capi_start *start, uint64_t object, int64_t timeout_ms, bool acts,
                          natskit_error *err)
{
    if (!nki_capi_timeout_ok(timeout_ms)) {
        return nki_capi_invalid(err, "timeout_ms is less than -1");
    }
    struct nki_handle *pinned;
    struct nki_conn *conn;
    natskit_status status = nki_capi_pin_start(start, object, &pinned, &conn, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    int64_t own_ns = acts ? nki_deadline_ns(nki_clock_now_ns(), timeout_ms) : NKI_NEVER;
    struct nki_op *op;
    status = start->begin(pinned->object, 0, own_ns, &op, nki_capi_err(err));
    if (status == NATSKIT_OK) {
        int64_t deadline_ns = acts ? NKI_NEVER : nki_capi_deadline(timeout_ms);
        status = nki_capi_finish_op(conn, op, deadline_ns, NULL, err);
    }
    nki_handle_unpin(pinned);
    return status;
}

natskit_status natskit_conn_closed(natskit_conn conn, int64_t timeout_ms, natskit_error *err)
{
    /* A connection may have ended with TIMEOUT, too. */
    natskit_status status = run(&closed_start, conn.id, timeout_ms, false, err);
    bool lives = status == NATSKIT_WOULD_BLOCK;
    if (status == NATSKIT_TIMEOUT) {
        status = run(&closed_start, conn.id, 0, false, err);
        lives = status == NATSKIT_WOULD_BLOCK;
    }
    return lives ? nki_error_set(nki_capi_err(err), NATSKIT_PENDING, NULL) : status;
}

natskit_status natskit_conn_drain(natskit_conn conn, int64_t timeout_ms, natskit_error *err)
{
    return run(&drain_start, conn.id, timeout_ms, true, err);
}

natskit_status natskit_written(natskit_conn conn, int64_t timeout_ms, natskit_error *err)
{
    return run(&written_start, conn.id, timeout_ms, false, err);
}

natskit_status natskit_sub_drain(natskit_sub sub, int64_t timeout_ms, natskit_error *err)
{
    return run(&sub_drain_start, sub.id, timeout_ms, true, err);
}

natskit_status natskit_conn_rtt(natskit_conn conn, int64_t timeout_ms, int64_t *rtt_ns, natskit_error *err)
{
    if (rtt_ns == NULL) {
        return nki_capi_invalid(err, "rtt_ns: the pointer is NULL");
    }
    if (!nki_capi_timeout_ok(timeout_ms)) {
        return nki_capi_invalid(err, "timeout_ms is less than -1");
    }
    struct nki_handle *handle;
    natskit_status status = nki_capi_pin(conn.id, NATSKIT_KIND_CONN, "connection", &handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    int64_t deadline_ns = nki_capi_deadline(timeout_ms);
    struct nki_op *op;
    status = nki_conn_flush(handle->object, deadline_ns, false, &op, nki_capi_err(err));
    if (status == NATSKIT_OK) {
        nki_op_retain(op);
        status = nki_capi_finish_op(handle->object, op, deadline_ns, NULL, err);
        if (status == NATSKIT_OK) {
            *rtt_ns = nki_op_duration_ns(op);
        }
        nki_op_release(op);
    }
    nki_handle_unpin(handle);
    return status;
}

/* -- orders ---------------------------------------------------------------------------------------------- */

natskit_status natskit_conn_reconnect(natskit_conn conn, natskit_error *err)
{
    struct nki_handle *handle;
    natskit_status status = nki_capi_pin(conn.id, NATSKIT_KIND_CONN, "connection", &handle, err);
    if (status == NATSKIT_OK) {
        status = nki_conn_reconnect(handle->object, nki_capi_err(err));
        nki_handle_unpin(handle);
    }
    return status;
}

natskit_status natskit_conn_answer_auth(natskit_conn conn, uint64_t request, natskit_options answer,
                                        natskit_error *err)
{
    struct nki_capi_options use;
    natskit_status status = nki_capi_options_use(answer, NATSKIT_OPTIONS_AUTH, &use, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_handle *handle;
    status = nki_capi_pin(conn.id, NATSKIT_KIND_CONN, "connection", &handle, err);
    if (status == NATSKIT_OK) {
        status = nki_conn_answer_auth(handle->object, request, use.options, nki_capi_err(err));
        nki_handle_unpin(handle);
    }
    nki_capi_options_done(&use);
    return status;
}

natskit_status natskit_conn_answer_delay(natskit_conn conn, uint64_t request, int64_t delay_ms,
                                         natskit_error *err)
{
    if (delay_ms < 0 || delay_ms > DELAY_MS_MAX) {
        return nki_error_set(nki_capi_err(err), NATSKIT_INVALID,
                             "delay_ms: %lld is out of bounds, allowed are 0 to %lld ms", (long long)delay_ms,
                             (long long)DELAY_MS_MAX);
    }
    struct nki_handle *handle;
    natskit_status status = nki_capi_pin(conn.id, NATSKIT_KIND_CONN, "connection", &handle, err);
    if (status == NATSKIT_OK) {
        status = nki_conn_answer_delay(handle->object, request, delay_ms);
        nki_handle_unpin(handle);
        if (status != NATSKIT_OK) {
            nki_error_set(nki_capi_err(err), status, "request %llu: not open any more",
                          (unsigned long long)request);
        }
    }
    return status;
}
