/* Publishers: many messages with their acks outstanding. Any thread.
 *
 * Each call asks without a deadline first, as publishing without acks does. */
#include "jetstream/publisher.h"
#include "capi/guard.h"

static void publisher_close(struct nki_handle *handle)
{
    nki_publisher_close(handle->object);
}

static void publisher_destroy(struct nki_handle *handle)
{
    nki_publisher_release(handle->object);
}

static const struct nki_handle_ops publisher_ops = {publisher_close, publisher_destroy};

static int32_t open_it(struct nki_js *js, natskit_options options, struct nki_publisher **out,
                       struct nki_sub **acks, natskit_error *err)
{
    struct nki_capi_options use;
    int32_t status = nki_capi_options_use(options, NATSKIT_OPTIONS_PUBLISHER, &use, err);
    if (status == NATSKIT_OK) {
        status = nki_publisher_open(js, use.options, out, acks, nki_capi_err(err));
        nki_capi_options_done(&use);
    }
    return status;
}

static int32_t open_both(struct nki_js *js, natskit_options options, void **object, struct nki_sub **acks,
                         natskit_error *err)
{
    struct nki_publisher *publisher;
    int32_t status = open_it(js, options, &publisher, acks, err);
    if (status == NATSKIT_OK) {
        *object = publisher;
    }
    return status;
}

natskit_status natskit_publisher_open(natskit_js js, natskit_options options, natskit_publisher *out,
                                      natskit_sub *acks, natskit_error *err)
{
    static const struct nki_capi_pair pair = {NATSKIT_KIND_PUBLISHER, &publisher_ops, "acks", open_both};
    return nki_capi_open_pair(&pair, js, options, out != NULL ? &out->id : NULL,
                              acks != NULL ? &acks->id : NULL, err);
}

natskit_status natskit_publisher_close(natskit_publisher publisher)
{
    return nki_handle_close(publisher.id, NATSKIT_KIND_PUBLISHER);
}

/* -- publishing ------------------------------------------------------------------------------------------ */

/* `*deadline_ns` is made of the time-out when it is first needed. */
static int32_t send(struct nki_publisher *publisher, const struct nki_outgoing_msg *msgs, size_t count,
                    int64_t timeout_ms, int64_t *deadline_ns, uint64_t *ids, size_t *published)
{
    size_t done;
    int32_t status = nki_publisher_publish(publisher, msgs, count, 0, ids, &done);
    *published = done;
    if (NKI_LIKELY(status != NATSKIT_WOULD_BLOCK || timeout_ms == 0)) {
        return status;
    }
    if (*deadline_ns == 0) {
        *deadline_ns = nki_capi_deadline(timeout_ms);
    }
    status = nki_publisher_publish(publisher, msgs + done, count - done, *deadline_ns,
                                   ids != NULL ? ids + done : NULL, &done);
    *published += done;
    return status;
}

natskit_status natskit_publisher_publish(natskit_publisher publisher, const char *subject, size_t subject_len,
                                         natskit_headers headers, const void *data, size_t data_len,
                                         int64_t timeout_ms, uint64_t *id)
{
    struct nki_outgoing_msg msg NKI_UNINIT;
    int32_t status = nki_capi_check_outgoing(subject, subject_len, NULL, 0, data, data_len, &msg);
    if (NKI_UNLIKELY(status != NATSKIT_OK)) {
        return status;
    }
    if (NKI_UNLIKELY(!nki_capi_timeout_ok(timeout_ms))) {
        return NATSKIT_INVALID;
    }
    struct nki_handle *handle;
    status = nki_handle_pin(publisher.id, NATSKIT_KIND_PUBLISHER, &handle);
    if (NKI_UNLIKELY(status != NATSKIT_OK)) {
        return status;
    }
    struct nki_capi_block *block = NULL;
    if (headers.id != 0) {
        status = nki_capi_headers_take(headers, &block);
        msg.header_block = nki_capi_block_str(block);
    }
    if (status == NATSKIT_OK) {
        int64_t deadline_ns = 0;
        size_t published;
        status = send(handle->object, &msg, 1, timeout_ms, &deadline_ns, id, &published);
    }
    if (block != NULL) {
        nki_capi_block_release(block);
    }
    nki_handle_unpin(handle);
    return status;
}

/* A publisher's messages have replies of its own. */
static bool no_replies(const struct nki_capi_batch *batch)
{
    for (size_t i = 0; i < batch->len; i++) {
        if (batch->msgs[i].reply.len > 0) {
            return false;
        }
    }
    return true;
}

natskit_status natskit_publisher_publish_batch(natskit_publisher publisher, const natskit_outgoing *msgs,
                                               size_t msg_size, size_t count, int64_t timeout_ms,
                                               uint64_t *ids, size_t *published)
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
    natskit_status status = nki_handle_pin(publisher.id, NATSKIT_KIND_PUBLISHER, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    int64_t deadline_ns = 0;
    while (status == NATSKIT_OK && *published < count) {
        struct nki_capi_batch batch NKI_UNINIT;
        size_t done = 0;
        int32_t fault = nki_capi_batch_fill(&batch, (const char *)msgs + *published * msg_size, msg_size,
                                            count - *published);
        if (!no_replies(&batch)) {
            status = NATSKIT_INVALID;
        } else if (batch.len > 0) {
            uint64_t *to = ids != NULL ? ids + *published : NULL;
            status = send(handle->object, batch.msgs, batch.len, timeout_ms, &deadline_ns, to, &done);
        }
        *published += done;
        nki_capi_batch_drop(&batch);
        status = status == NATSKIT_OK ? fault : status;
    }
    nki_handle_unpin(handle);
    return status;
}

/* -- the rest -------------------------------------------------------------------------------------------- */

natskit_status natskit_publisher_done(natskit_publisher publisher, int64_t timeout_ms, natskit_error *err)
{
    if (!nki_capi_timeout_ok(timeout_ms)) {
        return nki_capi_invalid(err, "timeout_ms is less than -1");
    }
    struct nki_handle *handle;
    natskit_status status = nki_capi_pin(publisher.id, NATSKIT_KIND_PUBLISHER, "publisher", &handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    int64_t deadline_ns = nki_capi_deadline(timeout_ms);
    struct nki_op *op;
    status = nki_publisher_done(handle->object, deadline_ns, false, &op, nki_capi_err(err));
    if (status == NATSKIT_OK) {
        struct nki_conn *conn = nki_publisher_conn(handle->object);
        status = nki_capi_finish_op(conn, op, deadline_ns, NULL, err);
    }
    nki_handle_unpin(handle);
    return status;
}

static int32_t begin_done(void *publisher, uint64_t bytes, int64_t deadline_ns, struct nki_op **op,
                          struct nki_error *err)
{
    (void)bytes;
    return nki_publisher_done(publisher, deadline_ns, true, op, err);
}

static int32_t begin_room(void *publisher, uint64_t bytes, int64_t deadline_ns, struct nki_op **op,
                          struct nki_error *err)
{
    return nki_publisher_room(publisher, bytes, deadline_ns, op, err);
}

natskit_status natskit_publisher_done_start(natskit_publisher publisher, natskit_options options,
                                            int64_t timeout_ms, natskit_op *op, natskit_error *err)
{
    const struct nki_capi_start start = {NATSKIT_KIND_PUBLISHER, begin_done, 0};
    return nki_capi_start(&start, publisher.id, options, timeout_ms, op, err);
}

natskit_status natskit_publisher_room_start(natskit_publisher publisher, natskit_options options,
                                            uint64_t bytes, int64_t timeout_ms, natskit_op *op,
                                            natskit_error *err)
{
    const struct nki_capi_start start = {NATSKIT_KIND_PUBLISHER, begin_room, bytes};
    return nki_capi_start(&start, publisher.id, options, timeout_ms, op, err);
}

natskit_status natskit_publisher_info_get(natskit_publisher publisher, natskit_publisher_info *info,
                                          size_t info_size)
{
    if (info == NULL || info_size == 0) {
        return NATSKIT_INVALID;
    }
    struct nki_handle *handle;
    natskit_status status = nki_handle_pin(publisher.id, NATSKIT_KIND_PUBLISHER, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_publisher_info now;
    nki_publisher_info_get(handle->object, &now);
    natskit_publisher_info filled = {
        .published = now.published,
        .pending = now.pending,
        .pending_bytes = now.pending_bytes,
        .acked = now.acked,
        .duplicates = now.duplicates,
        .failed = now.failed,
        .retried = now.retried,
        .resent = now.resent,
        .late = now.late,
        .untaken = now.untaken,
        .reason = now.reason,
    };
    nki_handle_unpin(handle);
    return nki_capi_give(info, info_size, &filled, sizeof filled);
}
