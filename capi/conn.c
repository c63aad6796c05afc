/* Connections. Any thread; natskit_connect and natskit_conn_close block. */
#include "capi/guard.h"

#include <inttypes.h>
#include <string.h>

_Static_assert(NATSKIT_STATE_CONNECTING == (int)NKI_STATE_CONNECTING &&
                   NATSKIT_STATE_CONNECTED == (int)NKI_STATE_CONNECTED &&
                   NATSKIT_STATE_RECONNECTING == (int)NKI_STATE_RECONNECTING &&
                   NATSKIT_STATE_CLOSED == (int)NKI_STATE_CLOSED,
               "states are numbered alike");

static void conn_close(struct nki_handle *handle)
{
    (void)nki_conn_close(handle->object, 0);
}

static void conn_destroy(struct nki_handle *handle)
{
    nki_conn_release(handle->object);
}

static const struct nki_handle_ops conn_ops = {conn_close, conn_destroy};

/* Opens a connection under a published handle. The caller gets one reference of the connection and of the
 * operation, beside the handle's own. */
static int32_t open_conn(struct nki_str urls, natskit_options options, int64_t timeout_ms, uint64_t *id,
                         struct nki_conn **conn, struct nki_op **op, natskit_error *err)
{
    struct nki_capi_options use;
    int32_t status = nki_capi_options_use(options, NATSKIT_OPTIONS_CONNECT, &use, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_handle *handle;
    status = nki_handle_reserve(NATSKIT_KIND_CONN, id, &handle);
    if (status != NATSKIT_OK) {
        nki_capi_options_done(&use);
        return nki_error_set(nki_capi_err(err), status, NULL);
    }
    const struct nki_conn_params params = {
        .urls = urls,
        .options = use.options,
        .origin = *id,
        .deadline_ns = nki_deadline_ns(nki_clock_now_ns(), timeout_ms),
    };
    status = nki_conn_open(&params, conn, op, nki_capi_err(err));
    nki_capi_options_done(&use);
    if (status != NATSKIT_OK) {
        nki_handle_cancel(handle);
        return status;
    }
    nki_conn_retain(*conn);
    nki_handle_publish(handle, &conn_ops, *conn, NULL);
    return NATSKIT_OK;
}

/* Why a connect has not succeeded: the operation's own words, or, if the wait ended first, the connection's.
 */
static int32_t connect_fault(struct nki_conn *conn, struct nki_op *op, int32_t waited, int64_t timeout_ms,
                             natskit_error *err)
{
    int32_t status = nki_op_result(op, NULL, nki_capi_err(err));
    if (status != NATSKIT_PENDING && status != NATSKIT_OK) {
        return status;
    }
    if (waited != NATSKIT_TIMEOUT && waited != NATSKIT_WOULD_BLOCK) {
        return nki_error_set(nki_capi_err(err), waited, NULL);
    }
    struct nki_conn_status now;
    nki_conn_status_get(conn, &now);
    const char *why = now.reason_text[0] != '\0' ? now.reason_text : now.late;
    return nki_error_set(nki_capi_err(err), waited, "no connection after %" PRId64 " ms%s%s", timeout_ms,
                         why[0] != '\0' ? ": " : "", why);
}

natskit_status natskit_connect(const char *url, size_t url_len, natskit_options options, int64_t timeout_ms,
                               natskit_conn *out, natskit_error *err)
{
    struct nki_str urls;
    if (out == NULL) {
        return nki_capi_invalid(err, "out: the pointer is NULL");
    }
    out->id = 0;
    if (!nki_capi_str(url, url_len, &urls)) {
        return nki_capi_invalid(err, "url: the pointer is NULL");
    }
    if (!nki_capi_timeout_ok(timeout_ms)) {
        return nki_capi_invalid(err, "timeout_ms is less than -1");
    }
    uint64_t id = 0;
    struct nki_conn *conn = NULL;
    struct nki_op *op = NULL;
    /* The handle is published before the wait, so that natskit_shutdown finds the connection. */
    int32_t status = open_conn(urls, options, timeout_ms, &id, &conn, &op, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    status = nki_conn_wait_op(conn, op, nki_capi_deadline(timeout_ms));
    if (status != NATSKIT_OK || nki_op_result(op, NULL, NULL) != NATSKIT_OK) {
        status = connect_fault(conn, op, status, timeout_ms, err);
        nki_conn_cancel(conn, op);
        (void)nki_handle_close(id, NATSKIT_KIND_CONN);
    } else {
        out->id = id;
    }
    nki_op_release(op);
    nki_conn_release(conn);
    return status;
}

/* The connection's own handle exists already: `id`. */
static int32_t give_connect_op(uint64_t id, struct nki_conn *conn, struct nki_op *op, uint64_t *op_id)
{
    struct nki_handle *handle;
    int32_t status = nki_handle_reserve(NATSKIT_KIND_OP, op_id, &handle);
    if (status != NATSKIT_OK) {
        nki_conn_cancel(conn, op);
        (void)nki_handle_close(id, NATSKIT_KIND_CONN);
        nki_op_release(op);
        nki_conn_release(conn);
        return status;
    }
    nki_handle_publish(handle, &nki_capi_op_ops, op, conn);
    return NATSKIT_OK;
}

natskit_status natskit_connect_start(const char *url, size_t url_len, natskit_options options,
                                     int64_t timeout_ms, natskit_conn *out, natskit_op *op,
                                     natskit_error *err)
{
    struct nki_str urls;
    if (out != NULL) {
        out->id = 0;
    }
    if (op != NULL) {
        op->id = 0;
    }
    if (out == NULL || op == NULL) {
        return nki_capi_invalid(err, "out or op: the pointer is NULL");
    }
    if (!nki_capi_str(url, url_len, &urls)) {
        return nki_capi_invalid(err, "url: the pointer is NULL");
    }
    if (!nki_capi_timeout_ok(timeout_ms)) {
        return nki_capi_invalid(err, "timeout_ms is less than -1");
    }
    uint64_t conn_id = 0;
    uint64_t op_id = 0;
    struct nki_conn *conn = NULL;
    struct nki_op *inner = NULL;
    int32_t status = open_conn(urls, options, timeout_ms, &conn_id, &conn, &inner, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    status = give_connect_op(conn_id, conn, inner, &op_id);
    if (status != NATSKIT_OK) {
        return nki_error_set(nki_capi_err(err), status, NULL);
    }
    out->id = conn_id;
    op->id = op_id;
    return NATSKIT_OK;
}

natskit_status natskit_conn_close(natskit_conn conn, int64_t linger_ms)
{
    if (!nki_capi_timeout_ok(linger_ms)) {
        return NATSKIT_INVALID;
    }
    struct nki_handle *handle;
    natskit_status status = nki_handle_begin_close(conn.id, NATSKIT_KIND_CONN, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    status = nki_conn_close(handle->object, nki_capi_deadline(linger_ms));
    nki_handle_unpin(handle);
    return status;
}

/* Cancelling a close that lingers ends the linger, not the close: no connection lives on without a handle
 * that natskit_shutdown finds. */
static void close_op_close(struct nki_handle *handle)
{
    nki_capi_op_ops.close(handle);
    (void)nki_conn_close(handle->parent, 0);
}

static void close_op_destroy(struct nki_handle *handle)
{
    nki_capi_op_ops.destroy(handle);
}

static const struct nki_handle_ops close_op_ops = {close_op_close, close_op_destroy};

natskit_status natskit_conn_close_start(natskit_conn conn, int64_t linger_ms, natskit_op *op,
                                        natskit_error *err)
{
    if (op == NULL) {
        return nki_capi_invalid(err, "op: the pointer is NULL");
    }
    op->id = 0;
    if (!nki_capi_timeout_ok(linger_ms)) {
        return nki_capi_invalid(err, "linger_ms is less than -1");
    }
    uint64_t id;
    struct nki_handle *handle;
    natskit_status status = nki_handle_reserve(NATSKIT_KIND_OP, &id, &handle);
    if (status != NATSKIT_OK) {
        return nki_error_set(nki_capi_err(err), status, NULL);
    }
    struct nki_handle *conn_handle;
    status = nki_handle_begin_close(conn.id, NATSKIT_KIND_CONN, &conn_handle);
    if (status != NATSKIT_OK) {
        nki_handle_cancel(handle);
        return nki_error_set(nki_capi_err(err), status, "connection: %s", nki_status_row(status)->text);
    }
    struct nki_conn *inner = conn_handle->object;
    struct nki_op *closing;
    int64_t deadline_ns = nki_deadline_ns(nki_clock_now_ns(), linger_ms);
    status = nki_conn_close_start(inner, deadline_ns, &closing, nki_capi_err(err));
    if (status == NATSKIT_OK) {
        nki_conn_retain(inner);
        nki_handle_publish(handle, &close_op_ops, closing, inner);
        op->id = id;
    } else {
        /* Its handle is gone already: it ends at once rather than never. */
        (void)nki_conn_close(inner, 0);
        nki_handle_cancel(handle);
    }
    nki_handle_unpin(conn_handle);
    return status;
}

/* -- what a connection tells of itself ------------------------------------------------------------------- */

natskit_status natskit_conn_info_get(natskit_conn conn, natskit_conn_info *info, size_t info_size)
{
    if (info == NULL || info_size == 0) {
        return NATSKIT_INVALID;
    }
    struct nki_handle *handle;
    natskit_status status = nki_handle_pin(conn.id, NATSKIT_KIND_CONN, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_conn_status now;
    nki_conn_status_get(handle->object, &now);
    nki_handle_unpin(handle);
    natskit_conn_info filled = {
        .state = (int32_t)now.state,
        .reason = now.reason,
        .epoch = now.epoch,
        .client_id = now.info.client_id,
        .max_payload = now.info.max_payload,
        .headers = now.info.headers,
        .lame_duck = now.info.lame_duck,
        .draining = now.draining,
        .tls = now.secured,
        .tls_insecure = now.secured && now.tls_insecure,
        .tls_resumed = now.secured && now.tls_resumed,
    };
    nki_str_copy(filled.url, sizeof filled.url, nki_str_z(now.url));
    nki_str_copy(filled.server_name, sizeof filled.server_name, nki_str_z(now.info.server_name));
    nki_str_copy(filled.server_id, sizeof filled.server_id, nki_str_z(now.info.server_id));
    nki_str_copy(filled.version, sizeof filled.version, nki_str_z(now.info.version));
    nki_str_copy(filled.client_ip, sizeof filled.client_ip, nki_str_z(now.info.client_ip));
    if (now.secured) {
        nki_str_copy(filled.tls_version, sizeof filled.tls_version, nki_str_z(now.tls_version));
        nki_str_copy(filled.tls_cipher, sizeof filled.tls_cipher, nki_str_z(now.tls_cipher));
    }
    nki_str_copy(filled.reason_text, sizeof filled.reason_text, nki_str_z(now.reason_text));
    return nki_capi_give(info, info_size, &filled, sizeof filled);
}

natskit_status natskit_conn_stats_get(natskit_conn conn, natskit_conn_stats *stats, size_t stats_size)
{
    if (stats == NULL || stats_size == 0) {
        return NATSKIT_INVALID;
    }
    struct nki_handle *handle;
    natskit_status status = nki_handle_pin(conn.id, NATSKIT_KIND_CONN, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_conn_counts now;
    nki_conn_counts_get(handle->object, &now);
    nki_handle_unpin(handle);
    natskit_conn_stats filled = {
        .in_msgs = now.in_msgs,
        .in_bytes = now.in_bytes,
        .out_msgs = now.out_msgs,
        .out_bytes = now.out_bytes,
        .pending_out_bytes = now.pending_out_bytes,
        .dropped_msgs = now.dropped_msgs,
        .orphan_msgs = now.orphan_msgs,
        .late_replies = now.late_replies,
        .unconfirmed = now.unconfirmed,
        .unsent = now.unsent,
        .reconnects = now.reconnects,
        .subs = now.subs,
        .requests = now.requests,
        .abandoned_msgs = now.abandoned_msgs,
    };
    return nki_capi_give(stats, stats_size, &filled, sizeof filled);
}

typedef size_t text_getter(struct nki_conn *conn, char *out, size_t cap);

/* Copies a text of the connection whole or not at all; its length is told in both cases. */
static natskit_status give_text(natskit_conn conn, char *buf, size_t cap, size_t *len, text_getter *get)
{
    if (len == NULL || (buf == NULL && cap > 0)) {
        return NATSKIT_INVALID;
    }
    struct nki_handle *handle;
    natskit_status status = nki_handle_pin(conn.id, NATSKIT_KIND_CONN, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    size_t needed = get(handle->object, buf, cap);
    nki_handle_unpin(handle);
    if (needed == 0) {
        return NATSKIT_NOT_FOUND;
    }
    *len = needed;
    return needed <= cap ? NATSKIT_OK : NATSKIT_LIMIT;
}

natskit_status natskit_conn_server_info(natskit_conn conn, char *buf, size_t cap, size_t *len)
{
    return give_text(conn, buf, cap, len, nki_conn_server_info);
}

natskit_status natskit_conn_trace(natskit_conn conn, char *buf, size_t cap, size_t *len)
{
    if (len == NULL || (buf == NULL && cap > 0)) {
        return NATSKIT_INVALID;
    }
    struct nki_handle *handle;
    natskit_status status = nki_handle_pin(conn.id, NATSKIT_KIND_CONN, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_buf text = {0};
    bool ok = nki_conn_trace(handle->object, &text);
    nki_handle_unpin(handle);
    status = !ok ? NATSKIT_NO_MEMORY : text.len <= cap ? NATSKIT_OK : NATSKIT_LIMIT;
    if (ok) {
        *len = text.len;
    }
    if (status == NATSKIT_OK && text.len > 0) {
        memcpy(buf, text.data, text.len);
    }
    nki_buf_free(&text);
    return status;
}

natskit_status natskit_conn_new_inbox(natskit_conn conn, char *buf, size_t cap, size_t *len)
{
    return give_text(conn, buf, cap, len, nki_conn_new_inbox);
}

/* "2.11.0-RC.1": the numbers; what follows them does not count. */
static void read_version(const char *text, int32_t numbers[3])
{
    for (int i = 0; i < 3; i++) {
        numbers[i] = 0;
        while (*text >= '0' && *text <= '9' && numbers[i] < 100000) {
            numbers[i] = numbers[i] * 10 + (*text++ - '0');
        }
        if (*text != '.') {
            text = "";
        } else {
            text++;
        }
    }
}

natskit_status natskit_conn_server_at_least(natskit_conn conn, int32_t major, int32_t minor, int32_t patch,
                                            int32_t *yes)
{
    if (yes == NULL) {
        return NATSKIT_INVALID;
    }
    *yes = 0;
    natskit_conn_info info;
    natskit_status status = natskit_conn_info_get(conn, &info, sizeof info);
    if (status != NATSKIT_OK) {
        return status;
    }
    if (info.version[0] == '\0') {
        return NATSKIT_NOT_FOUND;
    }
    const int32_t wanted[3] = {major, minor, patch};
    int32_t has[3];
    int at = 0;
    read_version(info.version, has);
    while (at < 2 && has[at] == wanted[at]) {
        at++;
    }
    *yes = has[at] >= wanted[at];
    return NATSKIT_OK;
}
