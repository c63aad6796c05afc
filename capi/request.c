/* Requests: for one reply, blocking or as an operation, and for many. Any thread. */
#include "capi/guard.h"
#include "options/options.h"
#include "wire/subject.h"

#include <inttypes.h>

static int32_t check_request(const char *subject, size_t subject_len, const void *data, size_t data_len,
                             int64_t timeout_ms, struct nki_outgoing_msg *out, natskit_error *err)
{
    if (!nki_capi_str(subject, subject_len, &out->subject)) {
        return nki_capi_invalid(err, "subject: the pointer is NULL");
    }
    if (!nki_capi_str(data, data_len, &out->data)) {
        return nki_capi_invalid(err, "data: the pointer is NULL");
    }
    if (!nki_capi_timeout_ok(timeout_ms)) {
        return nki_capi_invalid(err, "timeout_ms is less than -1");
    }
    const char *fault = nki_subject_publish_fault(out->subject);
    if (fault != NULL) {
        return nki_capi_fault(err, "subject", out->subject, fault);
    }
    if (out->data.len > NKI_CAPI_DATA_MAX) {
        return nki_error_set(nki_capi_err(err), NATSKIT_TOO_LARGE, NULL);
    }
    out->reply = nki_str_make("", 0);
    out->header_block = nki_str_make("", 0);
    return NATSKIT_OK;
}

/* Pins the connection and takes the header block. */
static int32_t begin_request(natskit_conn conn, natskit_headers headers, struct nki_outgoing_msg *msg,
                             struct nki_handle **handle, struct nki_capi_block **block, natskit_error *err)
{
    int32_t status = nki_capi_pin(conn.id, NATSKIT_KIND_CONN, "connection", handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    status = nki_capi_headers_take(headers, block);
    if (status != NATSKIT_OK) {
        nki_handle_unpin(*handle);
        return nki_error_set(nki_capi_err(err), status, "headers: %s", nki_status_row(status)->text);
    }
    msg->header_block = nki_capi_block_str(*block);
    return NATSKIT_OK;
}

natskit_status natskit_request(natskit_conn conn, const char *subject, size_t subject_len,
                               natskit_headers headers, const void *data, size_t data_len, int64_t timeout_ms,
                               natskit_msg **reply, natskit_error *err)
{
    if (reply == NULL) {
        return nki_capi_invalid(err, "reply: the pointer is NULL");
    }
    *reply = NULL;
    struct nki_outgoing_msg msg;
    int32_t status = check_request(subject, subject_len, data, data_len, timeout_ms, &msg, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_handle *handle;
    struct nki_capi_block *block;
    status = begin_request(conn, headers, &msg, &handle, &block, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    int64_t deadline_ns = nki_capi_deadline(timeout_ms);
    struct nki_op *op;
    status = nki_conn_request(handle->object, &msg, deadline_ns, false, true, &op, nki_capi_err(err));
    nki_capi_block_release(block);
    if (status == NATSKIT_OK) {
        status = nki_capi_finish_op(handle->object, op, deadline_ns, (struct nki_msg **)(void *)reply, err);
        if (status == NATSKIT_TIMEOUT) {
            nki_error_set(nki_capi_err(err), status, "no reply on \"%.*s\" within %" PRId64 " ms",
                          (int)(msg.subject.len < 80 ? msg.subject.len : 80), msg.subject.ptr, timeout_ms);
        }
    }
    nki_handle_unpin(handle);
    return status;
}

/* A subject for the reply, given as an option. */
static int32_t check_reply(struct nki_str reply, natskit_error *err)
{
    const char *fault = reply.len > 0 ? nki_subject_publish_fault(reply) : NULL;
    return fault != NULL ? nki_capi_fault(err, "option reply:", reply, fault) : NATSKIT_OK;
}

int32_t nki_capi_request_begin(struct nki_conn *conn, const struct nki_outgoing_msg *msg,
                               natskit_options options, int64_t timeout_ms, struct nki_op **op,
                               natskit_error *err)
{
    int64_t deadline_ns = nki_deadline_ns(nki_clock_now_ns(), timeout_ms);
    struct nki_capi_options use;
    int32_t status = nki_capi_options_use(options, NATSKIT_OPTIONS_REQUEST, &use, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_request_params params = {.reply = NKI_STR("")};
    if (use.options != NULL) {
        params.reply = nki_options_str(use.options, NKI_OPT_REQUEST_reply);
        params.own_sub = params.reply.len > 0 || nki_options_bool(use.options, NKI_OPT_REQUEST_own_sub);
        params.keep = nki_options_bool(use.options, NKI_OPT_REQUEST_wait_reconnect);
    }
    status = check_reply(params.reply, err);
    if (status == NATSKIT_OK) {
        status = nki_conn_request_with(conn, msg, &params, deadline_ns, op, nki_capi_err(err));
    }
    nki_capi_options_done(&use);
    return status;
}

static int32_t start(struct nki_conn *conn, const struct nki_outgoing_msg *msg, natskit_options options,
                     int64_t timeout_ms, natskit_op *op, natskit_error *err)
{
    uint64_t id;
    struct nki_handle *handle;
    int32_t status = nki_handle_reserve(NATSKIT_KIND_OP, &id, &handle);
    if (status != NATSKIT_OK) {
        return nki_error_set(nki_capi_err(err), status, NULL);
    }
    struct nki_op *inner;
    status = nki_capi_request_begin(conn, msg, options, timeout_ms, &inner, err);
    if (status == NATSKIT_OK) {
        nki_capi_publish_op(conn, handle, inner);
        op->id = id;
    } else {
        nki_handle_cancel(handle);
    }
    return status;
}

natskit_status natskit_request_start(natskit_conn conn, const char *subject, size_t subject_len,
                                     natskit_headers headers, const void *data, size_t data_len,
                                     natskit_options options, int64_t timeout_ms, natskit_op *op,
                                     natskit_error *err)
{
    if (op == NULL) {
        return nki_capi_invalid(err, "op: the pointer is NULL");
    }
    op->id = 0;
    struct nki_outgoing_msg msg;
    int32_t status = check_request(subject, subject_len, data, data_len, timeout_ms, &msg, err);
    struct nki_handle *conn_handle;
    struct nki_capi_block *block;
    if (status == NATSKIT_OK) {
        status = begin_request(conn, headers, &msg, &conn_handle, &block, err);
    }
    if (status != NATSKIT_OK) {
        return status;
    }
    status = start(conn_handle->object, &msg, options, timeout_ms, op, err);
    nki_capi_block_release(block);
    nki_handle_unpin(conn_handle);
    return status;
}

/* -- many replies ----------------------------------------------------------------------------------------
 */

static void read_many(const struct nki_options *values, struct nki_many_params *out)
{
    int64_t stall_ms = nki_options_int(values, NKI_OPT_REQUEST_MANY_stall_ms);
    *out = (struct nki_many_params){
        .reply = nki_options_str(values, NKI_OPT_REQUEST_MANY_reply),
        .limits.msgs = (uint64_t)nki_options_int(values, NKI_OPT_REQUEST_MANY_pending_msgs_limit),
        .limits.bytes = (uint64_t)nki_options_int(values, NKI_OPT_REQUEST_MANY_pending_bytes_limit),
        .max = (uint64_t)nki_options_int(values, NKI_OPT_REQUEST_MANY_max_msgs),
        .deadline_ns =
            nki_deadline_ns(nki_clock_now_ns(), nki_options_int(values, NKI_OPT_REQUEST_MANY_max_wait_ms)),
        .stall_ns = stall_ms > 0 ? stall_ms * NKI_NS_PER_MS : 0,
        .sentinel = nki_options_bool(values, NKI_OPT_REQUEST_MANY_sentinel),
        .keep = nki_options_bool(values, NKI_OPT_REQUEST_MANY_wait_reconnect),
    };
}

int32_t nki_capi_many(natskit_options options,
                      int32_t (*begin)(void *what, const struct nki_many_params *params), void *what,
                      natskit_error *err)
{
    struct nki_capi_options use;
    int32_t status = nki_capi_options_use(options, NATSKIT_OPTIONS_REQUEST_MANY, &use, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_options *defaults =
        use.options == NULL ? nki_options_new((enum nki_scope)NATSKIT_OPTIONS_REQUEST_MANY) : NULL;
    const struct nki_options *values = use.options != NULL ? use.options : defaults;
    if (values == NULL) {
        nki_error_set(nki_capi_err(err), NATSKIT_NO_MEMORY, NULL);
        return NATSKIT_NO_MEMORY;
    }
    struct nki_many_params params;
    read_many(values, &params);
    status = check_reply(params.reply, err);
    if (status == NATSKIT_OK) {
        status = begin(what, &params);
    }
    nki_options_free(defaults);
    nki_capi_options_done(&use);
    return status;
}

struct many {
    struct nki_conn *conn;
    const struct nki_outgoing_msg *msg;
    struct nki_sub *sub;
    natskit_error *err;
};

static int32_t begin_many(void *what, const struct nki_many_params *params)
{
    struct many *many = what;
    return nki_conn_request_many(many->conn, many->msg, params, &many->sub, nki_capi_err(many->err));
}

natskit_status natskit_request_many(natskit_conn conn, const char *subject, size_t subject_len,
                                    natskit_headers headers, const void *data, size_t data_len,
                                    natskit_options options, natskit_sub *out, natskit_error *err)
{
    if (out == NULL) {
        return nki_capi_invalid(err, "out: the pointer is NULL");
    }
    out->id = 0;
    struct nki_outgoing_msg msg;
    int32_t status = check_request(subject, subject_len, data, data_len, 0, &msg, err);
    struct nki_handle *conn_handle;
    struct nki_capi_block *block;
    if (status == NATSKIT_OK) {
        status = begin_request(conn, headers, &msg, &conn_handle, &block, err);
    }
    if (status != NATSKIT_OK) {
        return status;
    }
    uint64_t id;
    struct nki_handle *handle;
    status = nki_handle_reserve(NATSKIT_KIND_SUB, &id, &handle);
    if (status != NATSKIT_OK) {
        nki_error_set(nki_capi_err(err), status, NULL);
    } else {
        struct many many = {.conn = conn_handle->object, .msg = &msg, .err = err};
        status = nki_capi_many(options, begin_many, &many, err);
        if (status == NATSKIT_OK) {
            nki_handle_publish(handle, &nki_capi_sub_ops, many.sub, NULL);
            out->id = id;
        } else {
            nki_handle_cancel(handle);
        }
    }
    nki_capi_block_release(block);
    nki_handle_unpin(conn_handle);
    return status;
}
