/* Publishing to streams with an ack, and reading acks. Any thread. */
#include "capi/guard.h"
#include "jetstream/counter.h"
#include "jetstream/publish.h"

int32_t nki_capi_check_published(const char *subject, size_t subject_len, const void *data, size_t data_len,
                                 struct nki_outgoing_msg *out, natskit_error *err)
{
    int32_t status = nki_capi_check_outgoing(subject, subject_len, NULL, 0, data, data_len, out);
    if (status == NATSKIT_OK) {
        return status;
    }
    if (status != NATSKIT_INVALID) {
        return nki_error_set(nki_capi_err(err), status, NULL);
    }
    if (!nki_capi_str(subject, subject_len, &out->subject)) {
        return nki_capi_invalid(err, "subject: the pointer is NULL");
    }
    const char *fault = nki_subject_publish_fault(out->subject);
    return fault != NULL ? nki_capi_fault(err, "subject", out->subject, fault)
                         : nki_capi_invalid(err, "data: the pointer is NULL");
}

static int32_t check(const char *subject, size_t subject_len, const void *data, size_t data_len,
                     int64_t timeout_ms, struct nki_outgoing_msg *out, natskit_error *err)
{
    return nki_capi_timeout_ok(timeout_ms)
               ? nki_capi_check_published(subject, subject_len, data, data_len, out, err)
               : nki_capi_invalid(err, "timeout_ms is less than -1");
}

/* Pins the context and takes the header block. */
static int32_t begin(natskit_js js, natskit_headers headers, struct nki_outgoing_msg *msg,
                     struct nki_handle **handle, struct nki_capi_block **block, natskit_error *err)
{
    int32_t status = nki_capi_pin(js.id, NATSKIT_KIND_JS, "JetStream context", handle, err);
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

natskit_status natskit_js_publish(natskit_js js, const char *subject, size_t subject_len,
                                  natskit_headers headers, const void *data, size_t data_len,
                                  int64_t timeout_ms, natskit_msg **ack, int32_t *outcome, natskit_error *err)
{
    int32_t ignored;
    int32_t *known = outcome != NULL ? outcome : &ignored;
    *known = NATSKIT_OUTCOME_NOT_SENT;
    if (ack != NULL) {
        *ack = NULL;
    }
    struct nki_outgoing_msg msg;
    struct nki_handle *handle;
    struct nki_capi_block *block;
    int32_t status = check(subject, subject_len, data, data_len, timeout_ms, &msg, err);
    if (status == NATSKIT_OK) {
        status = begin(js, headers, &msg, &handle, &block, err);
    }
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_msg *given = NULL;
    status =
        nki_js_publish(handle->object, &msg, nki_capi_deadline(timeout_ms), &given, known, nki_capi_err(err));
    nki_capi_block_release(block);
    nki_handle_unpin(handle);
    if (status == NATSKIT_OK && ack != NULL) {
        *ack = (natskit_msg *)(void *)given;
    } else {
        nki_msg_release(given);
    }
    return status;
}

/* `by`: what is added to a counter; NULL for any other message. */
static int32_t start(struct nki_js *js, const struct nki_outgoing_msg *msg, const struct nki_str *by,
                     int64_t timeout_ms, natskit_op *op, natskit_error *err)
{
    uint64_t id;
    struct nki_handle *handle;
    int32_t status = nki_handle_reserve(NATSKIT_KIND_OP, &id, &handle);
    if (status != NATSKIT_OK) {
        return nki_error_set(nki_capi_err(err), status, NULL);
    }
    struct nki_op *inner;
    const struct nki_js_begin begun = {.deadline_ns = nki_deadline_ns(nki_clock_now_ns(), timeout_ms),
                                       .timed = true};
    status = by == NULL ? nki_js_publish_begin(js, msg, &begun, &inner, nki_capi_err(err))
                        : nki_js_increment_begin(js, msg, *by, &begun, &inner, nki_capi_err(err));
    if (status == NATSKIT_OK) {
        nki_capi_publish_op(js->conn, handle, inner);
        op->id = id;
    } else {
        nki_handle_cancel(handle);
    }
    return status;
}

natskit_status natskit_js_publish_start(natskit_js js, const char *subject, size_t subject_len,
                                        natskit_headers headers, const void *data, size_t data_len,
                                        natskit_options options, int64_t timeout_ms, natskit_op *op,
                                        natskit_error *err)
{
    if (op == NULL) {
        return nki_capi_invalid(err, "op: the pointer is NULL");
    }
    op->id = 0;
    struct nki_outgoing_msg msg;
    struct nki_handle *handle;
    struct nki_capi_block *block;
    int32_t status = check(subject, subject_len, data, data_len, timeout_ms, &msg, err);
    if (status == NATSKIT_OK) {
        status = nki_capi_options_check(options, NATSKIT_OPTIONS_REQUEST, err);
    }
    if (status == NATSKIT_OK) {
        status = begin(js, headers, &msg, &handle, &block, err);
    }
    if (status != NATSKIT_OK) {
        return status;
    }
    status = start(handle->object, &msg, NULL, timeout_ms, op, err);
    nki_capi_block_release(block);
    nki_handle_unpin(handle);
    return status;
}

/* -- counters -------------------------------------------------------------------------------------------- */

static int32_t check_by(const char *by, size_t by_len, struct nki_str *out, natskit_error *err)
{
    if (!nki_capi_str(by, by_len, out)) {
        return nki_capi_invalid(err, "by: the pointer is NULL");
    }
    const char *fault = nki_counter_fault(*out);
    return fault != NULL ? nki_capi_fault(err, "by", *out, fault) : NATSKIT_OK;
}

natskit_status natskit_js_increment(natskit_js js, const char *subject, size_t subject_len, const char *by,
                                    size_t by_len, natskit_headers headers, int64_t timeout_ms,
                                    natskit_msg **ack, int32_t *outcome, natskit_error *err)
{
    int32_t ignored;
    int32_t *known = outcome != NULL ? outcome : &ignored;
    *known = NATSKIT_OUTCOME_NOT_SENT;
    if (ack != NULL) {
        *ack = NULL;
    }
    struct nki_outgoing_msg msg;
    struct nki_handle *handle;
    struct nki_capi_block *block;
    struct nki_str number;
    int32_t status = check(subject, subject_len, NULL, 0, timeout_ms, &msg, err);
    if (status == NATSKIT_OK) {
        status = check_by(by, by_len, &number, err);
    }
    if (status == NATSKIT_OK) {
        status = begin(js, headers, &msg, &handle, &block, err);
    }
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_msg *given = NULL;
    status = nki_js_increment(handle->object, &msg, number, nki_capi_deadline(timeout_ms), &given, known,
                              nki_capi_err(err));
    nki_capi_block_release(block);
    nki_handle_unpin(handle);
    if (status == NATSKIT_OK && ack != NULL) {
        *ack = (natskit_msg *)(void *)given;
    } else {
        nki_msg_release(given);
    }
    return status;
}

natskit_status natskit_js_increment_start(natskit_js js, const char *subject, size_t subject_len,
                                          const char *by, size_t by_len, natskit_headers headers,
                                          natskit_options options, int64_t timeout_ms, natskit_op *op,
                                          natskit_error *err)
{
    if (op == NULL) {
        return nki_capi_invalid(err, "op: the pointer is NULL");
    }
    op->id = 0;
    struct nki_outgoing_msg msg;
    struct nki_handle *handle;
    struct nki_capi_block *block;
    struct nki_str number;
    int32_t status = check(subject, subject_len, NULL, 0, timeout_ms, &msg, err);
    if (status == NATSKIT_OK) {
        status = check_by(by, by_len, &number, err);
    }
    if (status == NATSKIT_OK) {
        status = nki_capi_options_check(options, NATSKIT_OPTIONS_REQUEST, err);
    }
    if (status == NATSKIT_OK) {
        status = begin(js, headers, &msg, &handle, &block, err);
    }
    if (status != NATSKIT_OK) {
        return status;
    }
    status = start(handle->object, &msg, &number, timeout_ms, op, err);
    nki_capi_block_release(block);
    nki_handle_unpin(handle);
    return status;
}

natskit_status natskit_counter_int(const char *digits, size_t digits_len, int64_t *out)
{
    struct nki_str text;
    if (out == NULL || !nki_capi_str(digits, digits_len, &text) || nki_counter_fault(text) != NULL) {
        return NATSKIT_INVALID;
    }
    return nki_counter_i64(text, out) ? NATSKIT_OK : NATSKIT_LIMIT;
}

natskit_status natskit_msg_pub_ack(const natskit_msg *msg, natskit_pub_ack *view, size_t view_size)
{
    const struct nki_msg *inner = (const struct nki_msg *)(const void *)msg;
    if (msg == NULL || view == NULL || view_size == 0 || inner->kind != NKI_MSG_PUB_ACK) {
        return NATSKIT_INVALID;
    }
    struct nki_pub_ack ack NKI_UNINIT;
    nki_pub_ack_of(inner, &ack);
    natskit_pub_ack filled = {
        .id = ack.id,
        .seq = ack.seq,
        .status = ack.status,
        .outcome = ack.outcome,
        .server_code = ack.server_code,
        .err_code = ack.err_code,
        .duplicate = ack.duplicate,
        .stream = ack.stream.ptr,
        .stream_len = ack.stream.len,
        .domain = ack.domain.ptr,
        .domain_len = ack.domain.len,
        .text = ack.text.ptr,
        .text_len = ack.text.len,
        .count = ack.count,
        .batch = ack.batch.ptr,
        .batch_len = ack.batch.len,
        .value = ack.value.ptr,
        .value_len = ack.value.len,
    };
    return nki_capi_give(view, view_size, &filled, sizeof filled);
}
