/* Snapshots of streams. Any thread; natskit_js_snapshot blocks. */
#include "jetstream/snapshot.h"
#include "capi/guard.h"
#include "jetstream/restore.h"
#include "json/doc.h"

/* Begins one on a pinned context, with a copy of the caller's arguments. */
static int32_t begin_snapshot(struct nki_js *js, natskit_json args, const struct nki_js_begin *begin,
                              struct nki_sub **sub, struct nki_op **op, natskit_error *err)
{
    struct nki_capi_json use;
    struct nki_doc copy;
    int32_t status = nki_capi_json_use(args, &use, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    if (use.doc == NULL || use.doc->root->type != NKI_DOC_OBJECT) {
        nki_capi_json_done(&use);
        return nki_capi_invalid(err, "stream.snapshot: the arguments are no object");
    }
    status = nki_doc_init(&copy, NKI_DOC_OBJECT);
    if (status != NATSKIT_OK) {
        nki_capi_json_done(&use);
        return nki_error_set(nki_capi_err(err), status, NULL);
    }
    status = nki_doc_set_copy(&copy, nki_str_make("", 0), use.doc->root, nki_capi_err(err));
    nki_capi_json_done(&use);
    if (status == NATSKIT_OK) {
        status = nki_js_snapshot(js, &copy, begin, sub, op, nki_capi_err(err));
    }
    nki_doc_free(&copy);
    return status;
}

static int32_t check(natskit_sub *out, bool whole, int64_t timeout_ms, natskit_error *err)
{
    if (out == NULL || !whole) {
        return nki_capi_invalid(err,
                                out == NULL ? "out: the pointer is NULL" : "answer: the pointer is NULL");
    }
    out->id = 0;
    return nki_capi_timeout_ok(timeout_ms) ? NATSKIT_OK : nki_capi_invalid(err, "timeout_ms is less than -1");
}

/* Waits for the answer, and gives it. */
static int32_t finish(struct nki_js *js, struct nki_sub *sub, struct nki_op *op, int64_t deadline_ns,
                      natskit_json *answer, natskit_error *err)
{
    struct nki_msg *reply = NULL;
    int32_t status = nki_capi_finish_op(js->conn, op, deadline_ns, &reply, err);
    if (status == NATSKIT_OK) {
        status = nki_capi_json_read(nki_msg_data(reply), answer, err);
        nki_msg_release(reply);
    }
    if (status != NATSKIT_OK) {
        nki_sub_close(sub);
        nki_sub_release(sub);
    }
    return status;
}

natskit_status natskit_js_snapshot(natskit_js js, natskit_json args, int64_t timeout_ms, natskit_sub *out,
                                   natskit_json *answer, natskit_error *err)
{
    int32_t status = check(out, answer != NULL, timeout_ms, err);
    struct nki_handle *js_handle;
    if (status != NATSKIT_OK) {
        return status;
    }
    answer->id = 0;
    status = nki_capi_pin(js.id, NATSKIT_KIND_JS, "context", &js_handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    uint64_t id;
    struct nki_handle *handle;
    status = nki_handle_reserve(NATSKIT_KIND_SUB, &id, &handle);
    if (status != NATSKIT_OK) {
        nki_error_set(nki_capi_err(err), status, NULL);
    } else {
        const struct nki_js_begin begin = {.deadline_ns = nki_capi_deadline(timeout_ms), .wait_room = true};
        struct nki_sub *sub;
        struct nki_op *op;
        status = begin_snapshot(js_handle->object, args, &begin, &sub, &op, err);
        if (status == NATSKIT_OK) {
            status = finish(js_handle->object, sub, op, begin.deadline_ns, answer, err);
        }
        if (status == NATSKIT_OK) {
            nki_handle_publish(handle, &nki_capi_sub_ops, sub, NULL);
            out->id = id;
        } else {
            nki_handle_cancel(handle);
        }
    }
    nki_handle_unpin(js_handle);
    return status;
}

/* Both handles at once, or none. */
static int32_t start(struct nki_js *js, natskit_json args, int64_t timeout_ms, natskit_sub *out,
                     natskit_op *op, natskit_error *err)
{
    uint64_t sub_id;
    uint64_t op_id;
    struct nki_handle *sub_handle;
    struct nki_handle *op_handle;
    struct nki_sub *sub;
    struct nki_op *inner;
    const struct nki_js_begin begin = {.deadline_ns = nki_deadline_ns(nki_clock_now_ns(), timeout_ms),
                                       .timed = true};
    int32_t status = nki_handle_reserve(NATSKIT_KIND_SUB, &sub_id, &sub_handle);
    if (status != NATSKIT_OK) {
        return nki_error_set(nki_capi_err(err), status, NULL);
    }
    status = nki_handle_reserve(NATSKIT_KIND_OP, &op_id, &op_handle);
    if (status != NATSKIT_OK) {
        nki_handle_cancel(sub_handle);
        return nki_error_set(nki_capi_err(err), status, NULL);
    }
    status = begin_snapshot(js, args, &begin, &sub, &inner, err);
    if (status != NATSKIT_OK) {
        nki_handle_cancel(sub_handle);
        nki_handle_cancel(op_handle);
        return status;
    }
    nki_capi_publish_op(js->conn, op_handle, inner);
    nki_handle_publish(sub_handle, &nki_capi_sub_ops, sub, NULL);
    out->id = sub_id;
    op->id = op_id;
    return NATSKIT_OK;
}

natskit_status natskit_js_snapshot_start(natskit_js js, natskit_json args, int64_t timeout_ms,
                                         natskit_sub *out, natskit_op *op, natskit_error *err)
{
    if (op == NULL) {
        return nki_capi_invalid(err, "op: the pointer is NULL");
    }
    op->id = 0;
    int32_t status = check(out, true, timeout_ms, err);
    struct nki_handle *js_handle;
    if (status == NATSKIT_OK) {
        status = nki_capi_pin(js.id, NATSKIT_KIND_JS, "context", &js_handle, err);
    }
    if (status != NATSKIT_OK) {
        return status;
    }
    status = start(js_handle->object, args, timeout_ms, out, op, err);
    nki_handle_unpin(js_handle);
    return status;
}

/* -- restoring ------------------------------------------------------------------------------------------- */

/* Checks the arguments, and pins the context. */
static int32_t begin_restore(natskit_js js, const char *subject, size_t subject_len, const void *data,
                             size_t data_len, int64_t timeout_ms, struct nki_outgoing_msg *msg,
                             struct nki_handle **handle, natskit_error *err)
{
    int32_t status = nki_capi_timeout_ok(timeout_ms)
                         ? nki_capi_check_published(subject, subject_len, data, data_len, msg, err)
                         : nki_capi_invalid(err, "timeout_ms is less than -1");
    return status == NATSKIT_OK ? nki_capi_pin(js.id, NATSKIT_KIND_JS, "context", handle, err) : status;
}

natskit_status natskit_js_restore_chunk(natskit_js js, const char *subject, size_t subject_len,
                                        const void *data, size_t data_len, int64_t timeout_ms,
                                        natskit_json *info, natskit_error *err)
{
    struct nki_outgoing_msg msg;
    struct nki_handle *handle;
    if (info != NULL) {
        info->id = 0;
    }
    int32_t status = begin_restore(js, subject, subject_len, data, data_len, timeout_ms, &msg, &handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_js *inner = handle->object;
    struct nki_op *op;
    struct nki_msg *reply = NULL;
    const struct nki_js_begin begin = {.deadline_ns = nki_capi_deadline(timeout_ms), .wait_room = true};
    status = nki_js_restore_chunk(inner, msg.subject, msg.data, &begin, &op, nki_capi_err(err));
    if (status == NATSKIT_OK) {
        status = nki_capi_finish_op(inner->conn, op, begin.deadline_ns, &reply, err);
    }
    nki_handle_unpin(handle);
    if (status == NATSKIT_OK && info != NULL && msg.data.len == 0) {
        status = nki_capi_json_read(nki_msg_data(reply), info, err);
    }
    nki_msg_release(reply);
    return status;
}

natskit_status natskit_js_restore_chunk_start(natskit_js js, const char *subject, size_t subject_len,
                                              const void *data, size_t data_len, natskit_options options,
                                              int64_t timeout_ms, natskit_op *op, natskit_error *err)
{
    if (op == NULL) {
        return nki_capi_invalid(err, "op: the pointer is NULL");
    }
    op->id = 0;
    struct nki_outgoing_msg msg;
    struct nki_handle *handle;
    struct nki_handle *op_handle;
    struct nki_op *inner;
    uint64_t id;
    int32_t status = nki_capi_options_check(options, NATSKIT_OPTIONS_REQUEST, err);
    if (status == NATSKIT_OK) {
        status = begin_restore(js, subject, subject_len, data, data_len, timeout_ms, &msg, &handle, err);
    }
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_js *context = handle->object;
    const struct nki_js_begin begin = {.deadline_ns = nki_deadline_ns(nki_clock_now_ns(), timeout_ms),
                                       .timed = true};
    status = nki_handle_reserve(NATSKIT_KIND_OP, &id, &op_handle);
    if (status != NATSKIT_OK) {
        nki_error_set(nki_capi_err(err), status, NULL);
    } else {
        status = nki_js_restore_chunk(context, msg.subject, msg.data, &begin, &inner, nki_capi_err(err));
        if (status == NATSKIT_OK) {
            nki_capi_publish_op(context->conn, op_handle, inner);
            op->id = id;
        } else {
            nki_handle_cancel(op_handle);
        }
    }
    nki_handle_unpin(handle);
    return status;
}
