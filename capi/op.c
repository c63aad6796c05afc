/* Operations, and the calls that begin one: flushes and room. Any thread. The handle of an operation keeps a
 * reference of its connection, which is asked for waiting and cancelling. */
#include "capi/guard.h"
#include "jetstream/ingest.h"
#include "jetstream/publisher.h"
#include "object/get.h"
#include "object/put.h"

_Static_assert(NATSKIT_OUTCOME_PENDING == (int)NKI_OUTCOME_PENDING &&
                   NATSKIT_OUTCOME_DONE == (int)NKI_OUTCOME_DONE &&
                   NATSKIT_OUTCOME_NOT_SENT == (int)NKI_OUTCOME_NOT_SENT &&
                   NATSKIT_OUTCOME_UNKNOWN == (int)NKI_OUTCOME_UNKNOWN &&
                   NATSKIT_OUTCOME_REJECTED == (int)NKI_OUTCOME_REJECTED,
               "outcomes are numbered alike");

static void op_close(struct nki_handle *handle)
{
    nki_conn_cancel(handle->parent, handle->object);
}

static void op_destroy(struct nki_handle *handle)
{
    nki_op_release(handle->object);
    nki_conn_release(handle->parent);
}

const struct nki_handle_ops nki_capi_op_ops = {op_close, op_destroy};

int32_t nki_capi_finish_op(struct nki_conn *conn, struct nki_op *op, int64_t deadline_ns,
                           struct nki_msg **reply, natskit_error *err)
{
    int32_t status = nki_conn_wait_op(conn, op, deadline_ns);
    if (status == NATSKIT_OK) {
        status = nki_op_result(op, NULL, nki_capi_err(err));
        if (status == NATSKIT_OK && reply != NULL) {
            status = nki_op_take_msg(op, reply);
        }
    } else {
        nki_error_set(nki_capi_err(err), status, NULL);
        nki_conn_cancel(conn, op);
    }
    nki_op_release(op);
    return status;
}

void nki_capi_publish_op(struct nki_conn *conn, struct nki_handle *handle, struct nki_op *op)
{
    nki_conn_retain(conn);
    nki_handle_publish(handle, &nki_capi_op_ops, op, conn);
}

/* -- flushes --------------------------------------------------------------------------------------------- */

natskit_status natskit_flush(natskit_conn conn, int64_t timeout_ms)
{
    if (!nki_capi_timeout_ok(timeout_ms)) {
        return NATSKIT_INVALID;
    }
    struct nki_handle *handle;
    natskit_status status = nki_handle_pin(conn.id, NATSKIT_KIND_CONN, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    int64_t deadline_ns = nki_capi_deadline(timeout_ms);
    struct nki_op *op;
    status = nki_conn_flush(handle->object, deadline_ns, false, &op, NULL);
    if (status == NATSKIT_OK) {
        status = nki_capi_finish_op(handle->object, op, deadline_ns, NULL, NULL);
    }
    nki_handle_unpin(handle);
    return status;
}

/* The connection that an object belongs to. */
static struct nki_conn *conn_of(int32_t kind, void *object)
{
    switch (kind) {
    case NATSKIT_KIND_SUB:
        return nki_sub_conn(object);
    case NATSKIT_KIND_PUBLISHER:
        return nki_publisher_conn(object);
    case NATSKIT_KIND_INGEST:
        return nki_ingest_conn(object);
    case NATSKIT_KIND_OBJECT_WRITER:
        return nki_object_put_conn(object);
    case NATSKIT_KIND_OBJECT_READER:
        return nki_object_get_conn(object);
    default:
        return object;
    }
}

natskit_status nki_capi_pin_start(const struct nki_capi_start *start, uint64_t object,
                                  struct nki_handle **pinned, struct nki_conn **conn, natskit_error *err)
{
    static const struct {
        int32_t kind;
        const char *what;
    } names[] = {{NATSKIT_KIND_SUB, "subscription"},
                 {NATSKIT_KIND_PUBLISHER, "publisher"},
                 {NATSKIT_KIND_INGEST, "ingest"},
                 {NATSKIT_KIND_OBJECT_WRITER, "writer"},
                 {NATSKIT_KIND_OBJECT_READER, "reader"}};
    const char *what = "connection";
    for (size_t i = 0; i < NKI_ARRAY_LEN(names); i++) {
        what = names[i].kind == start->kind ? names[i].what : what;
    }
    natskit_status status = nki_capi_pin(object, start->kind, what, pinned, err);
    if (status == NATSKIT_OK) {
        *conn = conn_of(start->kind, (*pinned)->object);
    }
    return status;
}

natskit_status nki_capi_start(const struct nki_capi_start *start, uint64_t object, natskit_options options,
                              int64_t timeout_ms, natskit_op *op, natskit_error *err)
{
    if (op == NULL) {
        return nki_capi_invalid(err, "op: the pointer is NULL");
    }
    op->id = 0;
    if (!nki_capi_timeout_ok(timeout_ms)) {
        return nki_capi_invalid(err, "timeout_ms is less than -1");
    }
    int32_t status = nki_capi_options_check(options, NATSKIT_OPTIONS_REQUEST, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_handle *pinned;
    struct nki_conn *conn;
    status = nki_capi_pin_start(start, object, &pinned, &conn, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    uint64_t id;
    struct nki_handle *handle;
    status = nki_handle_reserve(NATSKIT_KIND_OP, &id, &handle);
    if (status != NATSKIT_OK) {
        nki_error_set(nki_capi_err(err), status, NULL);
    } else {
        struct nki_op *inner;
        int64_t deadline_ns = nki_deadline_ns(nki_clock_now_ns(), timeout_ms);
        status = start->begin(pinned->object, start->bytes, deadline_ns, &inner, nki_capi_err(err));
        if (status == NATSKIT_OK) {
            nki_capi_publish_op(conn, handle, inner);
            op->id = id;
        } else {
            nki_handle_cancel(handle);
        }
    }
    nki_handle_unpin(pinned);
    return status;
}

static int32_t begin_flush(void *conn, uint64_t bytes, int64_t deadline_ns, struct nki_op **op,
                           struct nki_error *err)
{
    (void)bytes;
    return nki_conn_flush(conn, deadline_ns, true, op, err);
}

static int32_t begin_room(void *conn, uint64_t bytes, int64_t deadline_ns, struct nki_op **op,
                          struct nki_error *err)
{
    return nki_conn_room(conn, bytes, deadline_ns, op, err);
}

natskit_status natskit_flush_start(natskit_conn conn, natskit_options options, int64_t timeout_ms,
                                   natskit_op *op, natskit_error *err)
{
    const struct nki_capi_start start = {NATSKIT_KIND_CONN, begin_flush, 0};
    return nki_capi_start(&start, conn.id, options, timeout_ms, op, err);
}

natskit_status natskit_room_start(natskit_conn conn, natskit_options options, uint64_t bytes,
                                  int64_t timeout_ms, natskit_op *op, natskit_error *err)
{
    const struct nki_capi_start start = {NATSKIT_KIND_CONN, begin_room, bytes};
    return nki_capi_start(&start, conn.id, options, timeout_ms, op, err);
}

/* -- operations ------------------------------------------------------------------------------------------ */

natskit_status natskit_op_wait(natskit_op op, int64_t timeout_ms)
{
    if (!nki_capi_timeout_ok(timeout_ms)) {
        return NATSKIT_INVALID;
    }
    struct nki_handle *handle;
    natskit_status status = nki_handle_pin(op.id, NATSKIT_KIND_OP, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    status = nki_conn_wait_op(handle->parent, handle->object, nki_capi_deadline(timeout_ms));
    nki_handle_unpin(handle);
    return status;
}

natskit_status natskit_op_result(natskit_op op, int32_t *outcome, natskit_error *err)
{
    struct nki_handle *handle;
    natskit_status status = nki_capi_pin(op.id, NATSKIT_KIND_OP, "operation", &handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    status = nki_op_result(handle->object, outcome, nki_capi_err(err));
    nki_handle_unpin(handle);
    return status;
}

natskit_status natskit_op_duration(natskit_op op, int64_t *ns)
{
    if (ns == NULL) {
        return NATSKIT_INVALID;
    }
    struct nki_handle *handle;
    natskit_status status = nki_handle_pin(op.id, NATSKIT_KIND_OP, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    *ns = nki_op_duration_ns(handle->object);
    nki_handle_unpin(handle);
    return NATSKIT_OK;
}

natskit_status natskit_op_take_msg(natskit_op op, natskit_msg **out)
{
    if (out == NULL) {
        return NATSKIT_INVALID;
    }
    *out = NULL;
    struct nki_handle *handle;
    natskit_status status = nki_handle_pin(op.id, NATSKIT_KIND_OP, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    status = nki_op_take_msg(handle->object, (struct nki_msg **)(void *)out);
    nki_handle_unpin(handle);
    return status;
}

natskit_status natskit_op_json(natskit_op op, natskit_json *out, natskit_error *err)
{
    if (out == NULL) {
        return nki_capi_invalid(err, "out: the pointer is NULL");
    }
    out->id = 0;
    struct nki_handle *handle;
    struct nki_msg *msg = NULL;
    natskit_status status = nki_capi_pin(op.id, NATSKIT_KIND_OP, "operation", &handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    status = nki_op_take_msg(handle->object, &msg);
    if (status == NATSKIT_OK) {
        status = nki_capi_json_read(nki_msg_data(msg), out, err);
        nki_msg_release(msg);
    } else if (nki_op_result(handle->object, NULL, nki_capi_err(err)) == NATSKIT_OK) {
        nki_error_set(nki_capi_err(err), status, NULL);
    }
    nki_handle_unpin(handle);
    return status;
}

natskit_status natskit_op_close(natskit_op op)
{
    return nki_handle_close(op.id, NATSKIT_KIND_OP);
}
