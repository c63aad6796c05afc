/* Acks of messages that a JetStream consumer delivered, and what the server tells of the delivery. Any
 * thread.
 *
 * natskit_msg_ack is a hot way out, like natskit_publish: it checks, pins the connection that the message
 * came from, and hands the ack over; nothing is allocated. */
#include "jetstream/ack.h"
#include "capi/guard.h"
#include "jetstream/ack_subject.h"
#include "wire/subject.h"

#include <inttypes.h>
#include <stdio.h>

#define ACK NKI_STR("+ACK")

static inline struct nki_msg *inner_of(const natskit_msg *msg)
{
    return (struct nki_msg *)(uintptr_t)msg;
}

/* Whether acks can be sent to its reply subject. */
static inline bool may_ack(const struct nki_msg *msg)
{
    struct nki_str reply = nki_msg_reply(msg);
    return msg->kind == NKI_MSG_MESSAGE && nki_ack_subject_is(reply) &&
           nki_subject_publish_fault(reply) == NULL;
}

/* Checks the message and pins the connection that it came from. */
static inline int32_t begin(const natskit_msg *msg, struct nki_handle **conn)
{
    if (NKI_UNLIKELY(msg == NULL)) {
        return NATSKIT_INVALID;
    }
    if (NKI_UNLIKELY(!may_ack(inner_of(msg)))) {
        return NATSKIT_NOT_JS_MESSAGE;
    }
    return nki_handle_pin(inner_of(msg)->origin, NATSKIT_KIND_CONN, conn);
}

typedef int32_t sender(struct nki_conn *conn, struct nki_msg *msg, struct nki_str body);

static inline int32_t send_ack(natskit_msg *msg, struct nki_str body, sender *send)
{
    struct nki_handle *conn;
    int32_t status = begin(msg, &conn);
    if (NKI_UNLIKELY(status != NATSKIT_OK)) {
        return status;
    }
    status = send(conn->object, inner_of(msg), body);
    nki_handle_unpin(conn);
    return status;
}

natskit_status natskit_msg_ack(natskit_msg *msg)
{
    return send_ack(msg, ACK, nki_ack_send);
}

natskit_status natskit_msg_nak(natskit_msg *msg, int64_t delay_ms)
{
    char body[64] = "-NAK";
    if (delay_ms < 0 || delay_ms > INT64_MAX / NKI_NS_PER_MS) {
        return NATSKIT_INVALID;
    }
    if (delay_ms > 0) {
        (void)snprintf(body, sizeof body, "-NAK {\"delay\":%" PRId64 "}", delay_ms * NKI_NS_PER_MS);
    }
    return send_ack(msg, nki_str_z(body), nki_ack_send);
}

natskit_status natskit_msg_in_progress(natskit_msg *msg)
{
    return send_ack(msg, NKI_STR("+WPI"), nki_ack_send_progress);
}

/* One line of text: it goes into an advisory, and on to people. */
static bool is_line(struct nki_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((uint8_t)text.ptr[i] < 0x20 || text.ptr[i] == 0x7F) {
            return false;
        }
    }
    return nki_str_utf8_valid(text);
}

natskit_status natskit_msg_term(natskit_msg *msg, const char *reason, size_t reason_len)
{
    struct nki_str text;
    if (!nki_capi_str(reason, reason_len, &text) || !is_line(text)) {
        return NATSKIT_INVALID;
    }
    if (text.len == 0) {
        return send_ack(msg, NKI_STR("+TERM"), nki_ack_send);
    }
    if (text.len > NKI_CAPI_DATA_MAX) {
        return NATSKIT_TOO_LARGE;
    }
    struct nki_buf body = {0};
    int32_t status = NATSKIT_NO_MEMORY;
    if (nki_buf_append(&body, "+TERM ", 6) && nki_buf_append(&body, text.ptr, text.len)) {
        status = send_ack(msg, nki_str_make((const char *)body.data, body.len), nki_ack_send);
    }
    nki_buf_free(&body);
    return status;
}

/* -- batches --------------------------------------------------------------------------------------------- */

/* Acks the next messages that came from one connection; `*acked` grows. What cannot be acked ends the step,
 * and is complained of by the next one, which begins with it. */
static int32_t batch_step(natskit_msg *const *msgs, size_t count, size_t *acked)
{
    struct nki_msg *step[NKI_ACK_BATCH] NKI_UNINIT;
    struct nki_handle *conn;
    int32_t status = begin(msgs[0], &conn);
    if (status != NATSKIT_OK) {
        return status;
    }
    size_t len = 1;
    step[0] = inner_of(msgs[0]);
    while (len < count && len < NKI_ACK_BATCH && msgs[len] != NULL &&
           inner_of(msgs[len])->origin == step[0]->origin && may_ack(inner_of(msgs[len]))) {
        step[len] = inner_of(msgs[len]);
        len++;
    }
    size_t sent;
    status = nki_ack_send_batch(conn->object, step, len, ACK, &sent);
    nki_handle_unpin(conn);
    *acked += sent;
    return status;
}

natskit_status natskit_ack_batch(natskit_msg *const *msgs, size_t count, size_t *acked)
{
    if (acked == NULL) {
        return NATSKIT_INVALID;
    }
    *acked = 0;
    if (msgs == NULL && count > 0) {
        return NATSKIT_INVALID;
    }
    int32_t status = NATSKIT_OK;
    size_t done = 0;
    while (status == NATSKIT_OK && done < count) {
        status = batch_step(msgs + done, count - done, &done);
    }
    *acked = done;
    return status;
}

/* -- confirmed acks -------------------------------------------------------------------------------------- */

/* As begin, and claims the message. */
static int32_t begin_confirm(const natskit_msg *msg, int64_t timeout_ms, struct nki_handle **conn,
                             natskit_error *err)
{
    if (msg == NULL) {
        nki_capi_invalid(err, "msg: the pointer is NULL");
        return NATSKIT_INVALID;
    }
    if (!nki_capi_timeout_ok(timeout_ms)) {
        nki_capi_invalid(err, "timeout_ms is less than -1");
        return NATSKIT_INVALID;
    }
    int32_t status = begin(msg, conn);
    if (status != NATSKIT_OK) {
        const char *what = status == NATSKIT_NOT_JS_MESSAGE ? "" : "connection: ";
        nki_error_set(nki_capi_err(err), status, "%s%s", what, nki_status_row(status)->text);
        return status;
    }
    status = nki_ack_claim(inner_of(msg));
    if (status != NATSKIT_OK) {
        nki_handle_unpin(*conn);
        nki_error_set(nki_capi_err(err), status, NULL);
        return status;
    }
    return NATSKIT_OK;
}

static struct nki_outgoing_msg confirm_request(const natskit_msg *msg)
{
    return (struct nki_outgoing_msg){.subject = nki_msg_reply(inner_of(msg)),
                                     .reply = NKI_STR(""),
                                     .header_block = NKI_STR(""),
                                     .data = ACK};
}

natskit_status natskit_msg_ack_confirm(natskit_msg *msg, int64_t timeout_ms, natskit_error *err)
{
    struct nki_handle *conn;
    int32_t status = begin_confirm(msg, timeout_ms, &conn, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    const struct nki_outgoing_msg out = confirm_request(msg);
    int64_t deadline_ns = nki_capi_deadline(timeout_ms);
    struct nki_op *op;
    status = nki_conn_request(conn->object, &out, deadline_ns, false, true, &op, nki_capi_err(err));
    if (status == NATSKIT_OK) {
        status = nki_capi_finish_op(conn->object, op, deadline_ns, NULL, err);
        if (status == NATSKIT_TIMEOUT) {
            nki_error_set(nki_capi_err(err), status, "the ack was not confirmed within %" PRId64 " ms",
                          timeout_ms);
        }
    }
    nki_ack_end(inner_of(msg), status == NATSKIT_OK);
    nki_handle_unpin(conn);
    return status;
}

natskit_status natskit_msg_ack_confirm_start(natskit_msg *msg, natskit_options options, int64_t timeout_ms,
                                             natskit_op *op, natskit_error *err)
{
    if (op == NULL) {
        return nki_capi_invalid(err, "op: the pointer is NULL");
    }
    op->id = 0;
    struct nki_handle *conn;
    int32_t status = nki_capi_options_check(options, NATSKIT_OPTIONS_REQUEST, err);
    if (status == NATSKIT_OK) {
        status = begin_confirm(msg, timeout_ms, &conn, err);
    }
    if (status != NATSKIT_OK) {
        return status;
    }
    uint64_t id;
    struct nki_handle *handle;
    struct nki_op *inner = NULL;
    status = nki_handle_reserve(NATSKIT_KIND_OP, &id, &handle);
    if (status != NATSKIT_OK) {
        nki_error_set(nki_capi_err(err), status, NULL);
    } else {
        const struct nki_outgoing_msg out = confirm_request(msg);
        status = nki_capi_request_begin(conn->object, &out, options, timeout_ms, &inner, err);
        if (status != NATSKIT_OK) {
            nki_handle_cancel(handle);
        }
    }
    if (status != NATSKIT_OK) {
        nki_ack_end(inner_of(msg), false);
    } else {
        nki_op_retain(inner);
        nki_ack_end_by(inner_of(msg), inner);
        nki_capi_publish_op(conn->object, handle, inner);
        op->id = id;
    }
    nki_handle_unpin(conn);
    return status;
}

/* -- what the server tells ------------------------------------------------------------------------------- */

/* A child after fork must not look at the operations of its parent, whose threads may have held them. */
static bool is_acked(struct nki_msg *msg)
{
    struct nki_handle *conn;
    int32_t status = nki_handle_pin(msg->origin, NATSKIT_KIND_CONN, &conn);
    if (status == NATSKIT_OK) {
        nki_handle_unpin(conn);
    }
    return status != NATSKIT_FORKED && nki_ack_state(msg) == NKI_MSG_ACK_FINAL;
}

natskit_status natskit_msg_delivery(const natskit_msg *msg, natskit_delivery_view *view, size_t view_size)
{
    if (msg == NULL || view == NULL || view_size == 0) {
        return NATSKIT_INVALID;
    }
    struct nki_msg *inner = inner_of(msg);
    struct nki_ack_subject parts;
    if (inner->kind != NKI_MSG_MESSAGE || !nki_ack_subject_parse(nki_msg_reply(inner), &parts)) {
        return NATSKIT_NOT_JS_MESSAGE;
    }
    natskit_delivery_view filled = {
        .stream = parts.stream.ptr,
        .stream_len = parts.stream.len,
        .consumer = parts.consumer.ptr,
        .consumer_len = parts.consumer.len,
        .domain = parts.domain.ptr,
        .domain_len = parts.domain.len,
        .account = parts.account.ptr,
        .account_len = parts.account.len,
        .delivered = parts.delivered,
        .stream_seq = parts.stream_seq,
        .consumer_seq = parts.consumer_seq,
        .pending = parts.pending,
        .time_ns = parts.time_ns,
        .redelivered = parts.delivered > 1,
        .acked = is_acked(inner),
    };
    return nki_capi_give(view, view_size, &filled, sizeof filled);
}
