/* Publishing and responding: the hot way out. Any thread.
 *
 * Each call checks its texts, pins the connection and hands the message over. It asks without a deadline
 * first: nearly always there is room, and the clock need not be read. */
#include "capi/guard.h"
#include "service/request.h"
#include "wire/header.h"

typedef int32_t sender(struct nki_conn *conn, const struct nki_outgoing_msg *msg, int64_t deadline_ns);

/* First without a deadline. */
static inline natskit_status send_or_wait(struct nki_conn *conn, const struct nki_outgoing_msg *msg,
                                          int64_t timeout_ms, sender *send)
{
    natskit_status status = send(conn, msg, 0);
    if (NKI_UNLIKELY(status == NATSKIT_WOULD_BLOCK && timeout_ms != 0)) {
        status = send(conn, msg, nki_capi_deadline(timeout_ms));
    }
    return status;
}

/* With the headers of a handle: borrowed for a send that does not wait, taken for one that may. */
static natskit_status send_headers(struct nki_conn *conn, struct nki_outgoing_msg *msg,
                                   natskit_headers headers, int64_t timeout_ms, sender *send)
{
    struct nki_handle *lender;
    natskit_status status = nki_capi_headers_borrow(headers, &lender, &msg->header_block);
    if (NKI_UNLIKELY(status != NATSKIT_OK)) {
        return status;
    }
    if (NKI_LIKELY(lender != NULL)) {
        status = send(conn, msg, 0);
        nki_handle_unpin(lender);
        if (NKI_LIKELY(status != NATSKIT_WOULD_BLOCK || timeout_ms == 0)) {
            return status;
        }
    }
    struct nki_capi_block *block;
    status = nki_capi_headers_take(headers, &block);
    if (status == NATSKIT_OK) {
        msg->header_block = nki_capi_block_str(block);
        status = send_or_wait(conn, msg, timeout_ms, send);
    }
    nki_capi_block_release(block);
    return status;
}

/* Sends on a connection by id. */
static inline natskit_status send_on(uint64_t conn_id, struct nki_outgoing_msg *msg, natskit_headers headers,
                                     int64_t timeout_ms, sender *send)
{
    struct nki_handle *handle;
    natskit_status status = nki_handle_pin(conn_id, NATSKIT_KIND_CONN, &handle);
    if (NKI_UNLIKELY(status != NATSKIT_OK)) {
        return status;
    }
    status = headers.id == 0 ? send_or_wait(handle->object, msg, timeout_ms, send)
                             : send_headers(handle->object, msg, headers, timeout_ms, send);
    nki_handle_unpin(handle);
    return status;
}

natskit_status natskit_publish(natskit_conn conn, const char *subject, size_t subject_len, const char *reply,
                               size_t reply_len, natskit_headers headers, const void *data, size_t data_len,
                               int64_t timeout_ms)
{
    struct nki_outgoing_msg msg NKI_UNINIT;
    int32_t status = nki_capi_check_outgoing(subject, subject_len, reply, reply_len, data, data_len, &msg);
    if (NKI_UNLIKELY(status != NATSKIT_OK)) {
        return status;
    }
    if (NKI_UNLIKELY(!nki_capi_timeout_ok(timeout_ms))) {
        return NATSKIT_INVALID;
    }
    return send_on(conn.id, &msg, headers, timeout_ms, nki_conn_publish);
}

/* What a reply to `msg` is, but for headers. */
static int32_t check_reply(const struct nki_msg *inner, const void *data, size_t data_len,
                           struct nki_outgoing_msg *out)
{
    struct nki_str reply = nki_msg_reply(inner);
    bool request = inner->kind == NKI_MSG_MESSAGE || inner->kind == NKI_MSG_SERVICE;
    if (!request || reply.len == 0) {
        return NATSKIT_NO_REPLY;
    }
    return nki_capi_check_outgoing(reply.ptr, reply.len, NULL, 0, data, data_len, out);
}

natskit_status natskit_msg_respond(natskit_msg *msg, natskit_headers headers, const void *data,
                                   size_t data_len, int64_t timeout_ms)
{
    if (msg == NULL || !nki_capi_timeout_ok(timeout_ms)) {
        return NATSKIT_INVALID;
    }
    const struct nki_msg *inner = (const struct nki_msg *)(const void *)msg;
    struct nki_outgoing_msg out;
    int32_t status = check_reply(inner, data, data_len, &out);
    if (status != NATSKIT_OK) {
        return status;
    }
    if (inner->kind == NKI_MSG_SERVICE) {
        nki_request_handled(inner);
    }
    return send_on(inner->origin, &out, headers, timeout_ms, nki_conn_respond);
}

/* The caller's headers, and those of the error behind them. */
static int32_t error_block(natskit_headers headers, int32_t code, struct nki_str description,
                           struct nki_buf *out)
{
    struct nki_capi_block *block = NULL;
    int32_t status = headers.id != 0 ? nki_capi_headers_take(headers, &block) : NATSKIT_OK;
    if (status == NATSKIT_OK && !nki_buf_append_str(out, nki_capi_block_str(block))) {
        status = NATSKIT_NO_MEMORY;
    }
    nki_capi_block_release(block);
    return status == NATSKIT_OK ? nki_request_error_headers(out, code, description, NULL) : status;
}

natskit_status natskit_msg_respond_error(natskit_msg *msg, int32_t code, const char *description,
                                         size_t description_len, natskit_headers headers, const void *data,
                                         size_t data_len, int64_t timeout_ms)
{
    const struct nki_msg *inner = (const struct nki_msg *)(const void *)msg;
    struct nki_str text;
    if (msg == NULL || inner->kind != NKI_MSG_SERVICE || code < 1 || !nki_capi_timeout_ok(timeout_ms) ||
        !nki_capi_str(description, description_len, &text) || text.len == 0) {
        return NATSKIT_INVALID;
    }
    struct nki_outgoing_msg out;
    struct nki_buf block = {0};
    int32_t status = check_reply(inner, data, data_len, &out);
    if (status == NATSKIT_OK) {
        status = error_block(headers, code, text, &block);
        out.header_block = nki_str_make((const char *)block.data, block.len);
    }
    if (status == NATSKIT_OK || status == NATSKIT_NO_REPLY) {
        nki_request_failed(inner, code, text);
    }
    if (status == NATSKIT_OK) {
        status = send_on(inner->origin, &out, (natskit_headers){0}, timeout_ms, nki_conn_respond);
    }
    nki_buf_free(&block);
    return status;
}

natskit_status natskit_msg_republish(natskit_conn conn, const natskit_msg *msg, const char *subject,
                                     size_t subject_len, const char *reply, size_t reply_len,
                                     int64_t timeout_ms)
{
    const struct nki_msg *inner = (const struct nki_msg *)(const void *)msg;
    if (msg == NULL || !nki_capi_timeout_ok(timeout_ms) ||
        (inner->kind != NKI_MSG_MESSAGE && inner->kind != NKI_MSG_SERVICE)) {
        return NATSKIT_INVALID;
    }
    struct nki_str own = nki_msg_subject(inner);
    struct nki_str data = nki_msg_data(inner);
    bool empty = subject != NULL && subject_len == NATSKIT_ZLEN && subject[0] == '\0';
    if (subject_len == 0 || empty) {
        subject = own.ptr;
        subject_len = own.len;
    }
    struct nki_outgoing_msg out;
    int32_t status =
        nki_capi_check_outgoing(subject, subject_len, reply, reply_len, data.ptr, data.len, &out);
    struct nki_buf block = {0};
    if (status == NATSKIT_OK) {
        status = nki_header_append_all(&block, nki_msg_header_block(inner), NULL);
        out.header_block = nki_str_make((const char *)block.data, block.len);
    }
    if (status == NATSKIT_OK) {
        status = send_on(conn.id, &out, (natskit_headers){0}, timeout_ms, nki_conn_publish);
    }
    nki_buf_free(&block);
    return status;
}

/* -- batches --------------------------------------------------------------------------------------------- */

int32_t nki_capi_batch_fill(struct nki_capi_batch *batch, const char *at, size_t msg_size, size_t count)
{
    int32_t status = NATSKIT_OK;
    batch->len = 0;
    while (batch->len < count && batch->len < NKI_CAPI_BATCH_STEP) {
        natskit_outgoing one;
        struct nki_outgoing_msg *out = &batch->msgs[batch->len];
        memcpy(&one, at + batch->len * msg_size, sizeof one); /* callers may pack them as they like */
        status = nki_capi_check_outgoing(one.subject, one.subject_len, one.reply, one.reply_len, one.data,
                                         one.data_len, out);
        if (status == NATSKIT_OK) {
            status = nki_capi_headers_take(one.headers, &batch->blocks[batch->len]);
        }
        if (status != NATSKIT_OK) {
            break;
        }
        out->header_block = nki_capi_block_str(batch->blocks[batch->len]);
        batch->len++;
    }
    return status;
}

void nki_capi_batch_drop(struct nki_capi_batch *batch)
{
    for (size_t i = 0; i < batch->len; i++) {
        nki_capi_block_release(batch->blocks[i]);
    }
}

/* Hands one step over; `*published` grows by what was accepted. */
static int32_t batch_send(struct nki_conn *conn, const struct nki_capi_batch *batch, int64_t timeout_ms,
                          int64_t *deadline_ns, size_t *published)
{
    size_t accepted = 0;
    int32_t status = nki_conn_publish_batch(conn, batch->msgs, batch->len, 0, &accepted);
    *published += accepted;
    if (status != NATSKIT_WOULD_BLOCK || timeout_ms == 0) {
        return status;
    }
    if (*deadline_ns == 0) {
        *deadline_ns = nki_capi_deadline(timeout_ms);
    }
    size_t rest = 0;
    status = nki_conn_publish_batch(conn, batch->msgs + accepted, batch->len - accepted, *deadline_ns, &rest);
    *published += rest;
    return status;
}

natskit_status natskit_publish_batch(natskit_conn conn, const natskit_outgoing *msgs, size_t msg_size,
                                     size_t count, int64_t timeout_ms, size_t *published)
{
    if (published == NULL) {
        return NATSKIT_INVALID;
    }
    *published = 0;
    if ((msgs == NULL && count > 0) || msg_size < sizeof(natskit_outgoing) ||
        !nki_capi_timeout_ok(timeout_ms)) {
        return NATSKIT_INVALID;
    }
    struct nki_handle *handle;
    natskit_status status = nki_handle_pin(conn.id, NATSKIT_KIND_CONN, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    int64_t deadline_ns = 0;
    size_t done = 0;
    while (status == NATSKIT_OK && done < count) {
        struct nki_capi_batch batch NKI_UNINIT;
        int32_t fault =
            nki_capi_batch_fill(&batch, (const char *)msgs + done * msg_size, msg_size, count - done);
        if (batch.len > 0) {
            status = batch_send(handle->object, &batch, timeout_ms, &deadline_ns, &done);
        }
        nki_capi_batch_drop(&batch);
        if (status == NATSKIT_OK) {
            status = fault;
        }
    }
    *published = done;
    nki_handle_unpin(handle);
    return status;
}
