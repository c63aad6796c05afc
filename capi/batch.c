/* Atomic batches. Any thread. */
#include "jetstream/batch.h"
#include "capi/guard.h"

static void batch_close(struct nki_handle *handle)
{
    (void)handle; /* a commit that was begun goes on, as its own operation */
}

static void batch_destroy(struct nki_handle *handle)
{
    nki_batch_release(handle->object);
}

static const struct nki_handle_ops batch_ops = {batch_close, batch_destroy};

static int32_t open_it(void *js, const void *how, natskit_options options, void **out, natskit_error *err)
{
    (void)how;
    struct nki_capi_options use;
    struct nki_batch *batch;
    int32_t status = nki_capi_options_use(options, NATSKIT_OPTIONS_BATCH, &use, err);
    if (status == NATSKIT_OK) {
        status = nki_batch_open(js, use.options, &batch, nki_capi_err(err));
        *out = status == NATSKIT_OK ? batch : NULL;
        nki_capi_options_done(&use);
    }
    return status;
}

natskit_status natskit_batch_open(natskit_js js, natskit_options options, natskit_batch *out,
                                  natskit_error *err)
{
    static const struct nki_capi_opening opening = {NATSKIT_KIND_JS, "JetStream context", NATSKIT_KIND_BATCH,
                                                    &batch_ops, open_it};
    return nki_capi_open_on(&opening, js.id, NULL, options, out != NULL ? &out->id : NULL, err);
}

natskit_status natskit_batch_close(natskit_batch batch)
{
    return nki_handle_close(batch.id, NATSKIT_KIND_BATCH);
}

natskit_status natskit_batch_add(natskit_batch batch, const char *subject, size_t subject_len,
                                 natskit_headers headers, const void *data, size_t data_len,
                                 natskit_error *err)
{
    struct nki_outgoing_msg msg;
    int32_t status = nki_capi_check_published(subject, subject_len, data, data_len, &msg, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_handle *handle;
    status = nki_capi_pin(batch.id, NATSKIT_KIND_BATCH, "batch", &handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_capi_block *block;
    status = nki_capi_headers_take(headers, &block);
    if (status == NATSKIT_OK) {
        msg.header_block = nki_capi_block_str(block);
        status = nki_batch_add(handle->object, &msg, nki_capi_err(err));
        nki_capi_block_release(block);
    } else {
        nki_error_set(nki_capi_err(err), status, "headers: %s", nki_status_row(status)->text);
    }
    nki_handle_unpin(handle);
    return status;
}

static int32_t commit(void *batch, int64_t deadline_ns, struct nki_msg **ack, int32_t *outcome,
                      struct nki_error *err)
{
    return nki_batch_commit(batch, deadline_ns, ack, outcome, err);
}

natskit_status natskit_batch_commit(natskit_batch batch, int64_t timeout_ms, natskit_msg **ack,
                                    int32_t *outcome, natskit_error *err)
{
    static const struct nki_capi_commit call = {NATSKIT_KIND_BATCH, "batch", commit};
    return nki_capi_commit(&call, batch.id, timeout_ms, ack, outcome, err);
}

/* Begins it under a handle of its own. */
static int32_t start_commit(struct nki_batch *batch, int64_t timeout_ms, natskit_op *op, natskit_error *err)
{
    uint64_t id;
    struct nki_handle *handle;
    int32_t status = nki_handle_reserve(NATSKIT_KIND_OP, &id, &handle);
    if (status != NATSKIT_OK) {
        return nki_error_set(nki_capi_err(err), status, NULL);
    }
    const struct nki_js_begin begin = {.deadline_ns = nki_deadline_ns(nki_clock_now_ns(), timeout_ms),
                                       .timed = true};
    struct nki_op *inner;
    status = nki_batch_commit_begin(batch, &begin, &inner, nki_capi_err(err));
    if (status == NATSKIT_OK) {
        nki_capi_publish_op(nki_batch_js(batch)->conn, handle, inner);
        op->id = id;
    } else {
        nki_handle_cancel(handle);
    }
    return status;
}

natskit_status natskit_batch_commit_start(natskit_batch batch, natskit_options options, int64_t timeout_ms,
                                          natskit_op *op, natskit_error *err)
{
    if (op == NULL) {
        return nki_capi_invalid(err, "op: the pointer is NULL");
    }
    op->id = 0;
    if (!nki_capi_timeout_ok(timeout_ms)) {
        return nki_capi_invalid(err, "timeout_ms is less than -1");
    }
    int32_t status = nki_capi_options_check(options, NATSKIT_OPTIONS_REQUEST, err);
    struct nki_handle *handle;
    if (status == NATSKIT_OK) {
        status = nki_capi_pin(batch.id, NATSKIT_KIND_BATCH, "batch", &handle, err);
    }
    if (status == NATSKIT_OK) {
        status = start_commit(handle->object, timeout_ms, op, err);
        nki_handle_unpin(handle);
    }
    return status;
}

natskit_status natskit_batch_info_get(natskit_batch batch, natskit_batch_info *info, size_t info_size)
{
    if (info == NULL || info_size == 0) {
        return NATSKIT_INVALID;
    }
    struct nki_handle *handle;
    int32_t status = nki_handle_pin(batch.id, NATSKIT_KIND_BATCH, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_batch_info now;
    nki_batch_info_get(handle->object, &now);
    nki_handle_unpin(handle);
    const natskit_batch_info filled = {.msgs = now.msgs, .bytes = now.bytes, .committed = now.committed};
    return nki_capi_give(info, info_size, &filled, sizeof filled);
}
