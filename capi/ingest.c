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

static int32_t open_both(struct nki_js *js, natskit_options options, void **object, struct nki_sub **failures,
                         natskit_error *err)
{
    struct nki_ingest *ingest;
    struct nki_capi_options use;
    int32_t status = nki_capi_options_use(options, NATSKIT_OPTIONS_INGEST, &use, err);
    if (status == NATSKIT_OK) {
        status = nki_ingest_open(js, use.options, &ingest, failures, nki_capi_err(err));
        nki_capi_options_done(&use);
    }
    if (status == NATSKIT_OK) {
        *object = ingest;
    }
    return status;
}

natskit_status natskit_ingest_open(natskit_js js, natskit_options options, natskit_ingest *out,
                                   natskit_sub *failures, natskit_error *err)
{
    static const struct nki_capi_pair pair = {NATSKIT_KIND_INGEST, &ingest_ops, "failures", open_both};
    return nki_capi_open_pair(&pair, js, options, out != NULL ? &out->id : NULL,
                              failures != NULL ? &failures->id : NULL, err);
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

static int32_t commit(void *ingest, int64_t deadline_ns, struct nki_msg **ack, int32_t *outcome,
                      struct nki_error *err)
{
    return nki_ingest_commit(ingest, deadline_ns, ack, outcome, err);
}

natskit_status natskit_ingest_commit(natskit_ingest ingest, int64_t timeout_ms, natskit_msg **ack,
                                     int32_t *outcome, natskit_error *err)
{
    static const struct nki_capi_commit call = {NATSKIT_KIND_INGEST, "ingest", commit};
    return nki_capi_commit(&call, ingest.id, timeout_ms, ack, outcome, err);
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
