/* Requests with a subscription of their own: for one reply, or for many. Any thread. */
#include "client/driver.h"

#include "base/alloc.h"
#include "base/probe.h"

/* Sends a request whose answer comes to `sub`, which is made for it and not added yet. */
static int32_t ask(struct nki_conn *conn, const struct nki_outgoing_msg *msg, struct nki_sub *sub,
                   struct nki_op *op, int64_t timer_ns, struct nki_error *err)
{
    nki_conn_lock(conn);
    int32_t status = nki_engine_subscribe(&conn->engine, sub);
    if (status == NKI_OK && op != NULL) {
        op->own_sub = sub;
        status = nki_engine_timer(&conn->engine, op, timer_ns) ? NKI_OK : NKI_NO_MEMORY;
    }
    bool right = nki_driver_settle(conn);
    nki_conn_unlock(conn);
    if (status == NKI_OK) {
        struct nki_outgoing_msg with_reply = *msg;
        size_t published;
        bool kick;
        with_reply.reply = nki_sub_subject(sub);
        status = nki_outbox_append(&conn->engine.outbox, &with_reply, 1, 0, &published, &kick);
        right = right || kick;
    }
    if (right) {
        nki_driver_transmit(conn);
    }
    if (status != NKI_OK) {
        nki_sub_close(sub);
    }
    return status == NKI_OK ? NKI_OK : nki_error_set(err, status, NULL);
}

/* The subscription of a request; NULL without memory, and the reference of `collect.op` is the caller's. */
static struct nki_sub *request_sub(struct nki_conn *conn, const struct nki_sub_params *params,
                                   const struct nki_collect *collect)
{
    char inbox[NKI_INBOX_MAX];
    struct nki_sub_params own = *params;
    if (own.subject.len == 0) {
        own.subject = nki_str_make(inbox, nki_conn_new_inbox(conn, inbox, sizeof inbox));
        assert(own.subject.len <= sizeof inbox);
    }
    struct nki_sub *sub = nki_sub_new(&own);
    if (sub == NULL) {
        return NULL;
    }
    sub->conn = conn;
    nki_conn_retain(conn);
    if (!nki_sub_collect(sub, collect)) {
        nki_sub_release(sub);
        return NULL;
    }
    return sub;
}

int32_t nki_conn_ask(struct nki_conn *conn, const struct nki_outgoing_msg *msg,
                     const struct nki_request_params *params, int64_t deadline_ns, struct nki_op **out,
                     struct nki_error *err)
{
    int32_t status = nki_conn_check_size(conn, msg);
    struct nki_op *op = status == NKI_OK ? nki_op_new() : NULL;
    if (op == NULL) {
        return nki_error_set(err, status == NKI_OK ? NKI_NO_MEMORY : status, NULL);
    }
    struct nki_sub_params own = {
        .subject = params->reply, .queue = NKI_STR(""), .limits = {1, UINT64_MAX / 2}, .max = 1};
    struct nki_collect collect = {.op = op,
                                  .request = true,
                                  .keep = params->keep,
                                  .deadline_ns = NKI_NEVER, /* the operation has a timer of its own */
                                  .asked = nki_str_hash(msg->subject)};
    struct nki_sub *sub = request_sub(conn, &own, &collect);
    if (sub == NULL) {
        nki_op_release(op);
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    op->asks = true;
    NKI_PROBE(request__begin, conn->engine.origin, op, msg->subject.ptr, msg->subject.len);
    nki_op_retain(op); /* the subscription has the other one */
    status = ask(conn, msg, sub, op, deadline_ns, err);
    nki_sub_release(sub);
    if (status != NKI_OK) {
        nki_conn_cancel(conn, op);
        nki_op_release(op);
        return status;
    }
    *out = op;
    return NKI_OK;
}

int32_t nki_conn_request_many(struct nki_conn *conn, const struct nki_outgoing_msg *msg,
                              const struct nki_many_params *params, struct nki_sub **out,
                              struct nki_error *err)
{
    int32_t status = nki_conn_check_size(conn, msg);
    if (status != NKI_OK) {
        return nki_error_set(err, status, NULL);
    }
    struct nki_sub_params own = {
        .subject = params->reply, .queue = NKI_STR(""), .limits = params->limits, .max = params->max};
    struct nki_collect collect = {.request = true,
                                  .keep = params->keep,
                                  .sentinel = params->sentinel,
                                  .deadline_ns = params->deadline_ns,
                                  .stall_ns = params->stall_ns,
                                  .asked = nki_str_hash(msg->subject)};
    struct nki_sub *sub = request_sub(conn, &own, &collect);
    if (sub == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    status = ask(conn, msg, sub, NULL, NKI_NEVER, err);
    if (status != NKI_OK) {
        nki_sub_release(sub);
        return status;
    }
    *out = sub;
    return NKI_OK;
}
