/* Fast ingest: many messages to one stream, acked by and by. Any thread. */
#include "jetstream/ingest.h"
#include "capi/guard.h"

static void ingest_close(struct nki_handle *handle)
{
    nki_ingest_close(handle->object);
}

static void ingest_destroy(struct nki_handle *handle)
{
    nki_ingest_release(handle->object);
}

static const struct nki_handle_ops ingest_ops = {ingest_close, ingest_destroy};

/* With both handles reserved. */
static int32_t open_both(struct nki_js *js, natskit_options options, struct nki_handle *handle,
                         struct nki_handle *failures_handle, natskit_error *err)
{
    struct nki_ingest *ingest;
    struct nki_sub *sub;
    struct nki_capi_options use;
    int32_t status = nki_capi_options_use(options, NATSKIT_OPTIONS_INGEST, &use, err);
    if (status == NATSKIT_OK) {
        status = nki_ingest_open(js, use.options, &ingest, &sub, nki_capi_err(err));
        nki_capi_options_done(&use);
    }
    if (status == NATSKIT_OK) {
        nki_handle_publish(handle, &ingest_ops, ingest, NULL);
        nki_handle_publish(failures_handle, &nki_capi_sub_ops, sub, NULL);
    } else {
        nki_handle_cancel(handle);
        nki_handle_cancel(failures_handle);
    }
    return status;
}

natskit_status natskit_ingest_open(natskit_js js, natskit_options options, natskit_ingest *out,
                                   natskit_sub *failures, natskit_error *err)
{
    if (out == NULL || failures == NULL) {
        return nki_capi_invalid(err,
                                out == NULL ? "out: the pointer is NULL" : "failures: the pointer is NULL");
    }
    out->id = 0;
    failures->id = 0;
    struct nki_handle *js_handle;
    int32_t status = nki_capi_pin(js.id, NATSKIT_KIND_JS, "JetStream context", &js_handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    uint64_t id;
    uint64_t failures_id;
    struct nki_handle *handle;
    struct nki_handle *failures_handle;
    status = nki_handle_reserve(NATSKIT_KIND_INGEST, &id, &handle);
    if (status == NATSKIT_OK) {
        status = nki_handle_reserve(NATSKIT_KIND_SUB, &failures_id, &failures_handle);
        if (status != NATSKIT_OK) {
            nki_handle_cancel(handle);
        }
    }
    if (status != NATSKIT_OK) {
        nki_error_set(nki_capi_err(err), status, NULL);
    } else {
        status = open_both(js_handle->object, options, handle, failures_handle, err);
    }
    if (status == NATSKIT_OK) {
        out->id = id;
        failures->id = failures_id;
    }
    nki_handle_unpin(js_handle);
    return status;
}

natskit_status natskit_ingest_close(natskit_ingest ingest)
{
    return nki_handle_close(ingest.id, NATSKIT_KIND_INGEST);
}

natskit_status natskit_ingest_publish(natskit_ingest ingest, const char *subject, size_t subject_len,
                                      natskit_headers headers, const void *data, size_t data_len,
                                      int64_t timeout_ms, uint64_t *seq)
{
    struct nki_outgoing_msg msg NKI_UNINIT;
    int32_t status = nki_capi_check_outgoing(subject, subject_len, NULL, 0, data, data_len, &msg);
    if (status != NATSKIT_OK) {
        return status;
    }
    if (!nki_capi_timeout_ok(timeout_ms)) {
        return NATSKIT_INVALID;
    }
    struct nki_handle *handle;
    status = nki_handle_pin(ingest.id, NATSKIT_KIND_INGEST, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_capi_block *block = NULL;
    if (headers.id != 0) {
        status = nki_capi_headers_take(headers, &block);
        msg.header_block = nki_capi_block_str(block);
    }
    if (status == NATSKIT_OK) {
        status = nki_ingest_publish(handle->object, &msg, 0, seq);
        if (status == NATSKIT_WOULD_BLOCK && timeout_ms != 0) {
            status = nki_ingest_publish(handle->object, &msg, nki_capi_deadline(timeout_ms), seq);
        }
    }
    if (block != NULL) {
        nki_capi_block_release(block);
    }
    nki_handle_unpin(handle);
    return status;
}

static int32_t begin_room(void *ingest, uint64_t unused, int64_t deadline_ns, struct nki_op **op,
                          struct nki_error *err)
{
    (void)unused;
    return nki_ingest_room(ingest, deadline_ns, op, err);
}

natskit_status natskit_ingest_room_start(natskit_ingest ingest, natskit_options options, int64_t timeout_ms,
                                         natskit_op *op, natskit_error *err)
{
    const struct nki_capi_start start = {NATSKIT_KIND_INGEST, begin_room, 0};
    return nki_capi_start(&start, ingest.id, options, timeout_ms, op, err);
}

natskit_status natskit_ingest_commit(natskit_ingest ingest, int64_t timeout_ms, natskit_msg **ack,
                                     int32_t *outcome, natskit_error *err)
{
    int32_t ignored;
    int32_t *known = outcome != NULL ? outcome : &ignored;
    *known = NATSKIT_OUTCOME_NOT_SENT;
    if (ack != NULL) {
        *ack = NULL;
    }
    if (!nki_capi_timeout_ok(timeout_ms)) {
        return nki_capi_invalid(err, "timeout_ms is less than -1");
    }
    struct nki_handle *handle;
    int32_t status = nki_capi_pin(ingest.id, NATSKIT_KIND_INGEST, "ingest", &handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_msg *given = NULL;
    status =
        nki_ingest_commit(handle->object, nki_capi_deadline(timeout_ms), &given, known, nki_capi_err(err));
    nki_handle_unpin(handle);
    if (status == NATSKIT_OK && ack != NULL) {
        *ack = (natskit_msg *)(void *)given;
    } else {
        nki_msg_release(given);
    }
    return status;
}

static int32_t begin_commit(void *ingest, uint64_t unused, int64_t deadline_ns, struct nki_op **op,
                            struct nki_error *err)
{
    (void)unused;
    const struct nki_js_begin begin = {.deadline_ns = deadline_ns, .timed = true};
    return nki_ingest_commit_begin(ingest, &begin, op, err);
}

natskit_status natskit_ingest_commit_start(natskit_ingest ingest, natskit_options options, int64_t timeout_ms,
                                           natskit_op *op, natskit_error *err)
{
    const struct nki_capi_start start = {NATSKIT_KIND_INGEST, begin_commit, 0};
    return nki_capi_start(&start, ingest.id, options, timeout_ms, op, err);
}

natskit_status natskit_ingest_info_get(natskit_ingest ingest, natskit_ingest_info *info, size_t info_size)
{
    if (info == NULL || info_size == 0) {
        return NATSKIT_INVALID;
    }
    struct nki_handle *handle;
    int32_t status = nki_handle_pin(ingest.id, NATSKIT_KIND_INGEST, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_ingest_info now;
    nki_ingest_info_get(handle->object, &now);
    nki_handle_unpin(handle);
    const natskit_ingest_info filled = {
        .published = now.published,
        .acked = now.acked,
        .refused = now.refused,
        .lost = now.lost,
        .window = now.window,
        .pings = now.pings,
        .untaken = now.untaken,
        .reason = now.reason,
        .committed = now.committed,
    };
    return nki_capi_give(info, info_size, &filled, sizeof filled);
}
