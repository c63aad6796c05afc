/* Stored messages without a consumer: one, a run, or the last of each subject. Any thread; natskit_js_get_msg
 * blocks. */
#include "capi/guard.h"
#include "jetstream/direct_open.h"
#include "jetstream/msg_get.h"
#include "jetstream/stored.h"

#include <inttypes.h>

/* -- one message ----------------------------------------------------------------------------------------- */

struct get_call {
    const char *stream;
    size_t stream_len;
    uint64_t seq;
    const char *subject;
    size_t subject_len;
    int64_t start_time_ns;
    uint32_t flags;
    int64_t timeout_ms;
};

/* What fits together: see natskit_js_get_msg. */
static int32_t check_target(const struct nki_msg_get_params *params, natskit_error *err)
{
    bool has_seq = params->seq > 0;
    bool has_time = params->start_ns != 0;
    if (has_seq && has_time) {
        return nki_capi_invalid(err, "seq and start_time_ns: only one may be given");
    }
    if (params->subject.len == 0) {
        return params->next          ? nki_capi_invalid(err, "flags: the next message is one of a subject")
               : has_seq || has_time ? NATSKIT_OK
                                     : nki_capi_invalid(err, "no seq, subject or start_time_ns is given");
    }
    const char *fault = nki_subject_subscribe_fault(params->subject);
    if (fault != NULL) {
        return nki_capi_fault(err, "subject", params->subject, fault);
    }
    return (has_seq || has_time) && !params->next
               ? nki_capi_invalid(err,
                                  "the last message of a subject has no seq or start_time_ns to begin with")
               : NATSKIT_OK;
}

static int32_t read_call(const struct get_call *call, struct nki_msg_get_params *out, natskit_error *err)
{
    *out = (struct nki_msg_get_params){.seq = call->seq,
                                       .start_ns = call->start_time_ns,
                                       .next = (call->flags & NATSKIT_GET_NEXT) != 0,
                                       .by_leader = (call->flags & NATSKIT_GET_BY_LEADER) != 0};
    if (!nki_capi_str(call->stream, call->stream_len, &out->stream)) {
        return nki_capi_invalid(err, "stream: the pointer is NULL");
    }
    if (!nki_capi_str(call->subject, call->subject_len, &out->subject)) {
        return nki_capi_invalid(err, "subject: the pointer is NULL");
    }
    if ((call->flags & ~(NATSKIT_GET_NEXT | NATSKIT_GET_BY_LEADER)) != 0) {
        return nki_capi_invalid(err, "flags: an unknown one is set");
    }
    if (!nki_capi_timeout_ok(call->timeout_ms)) {
        return nki_capi_invalid(err, "timeout_ms is less than -1");
    }
    const char *fault = nki_js_name_fault(out->stream);
    return fault == NULL ? check_target(out, err) : nki_capi_fault(err, "stream", out->stream, fault);
}

natskit_status natskit_js_get_msg(natskit_js js, const char *stream, size_t stream_len, uint64_t seq,
                                  const char *subject, size_t subject_len, int64_t start_time_ns,
                                  uint32_t flags, int64_t timeout_ms, natskit_msg **msg, natskit_error *err)
{
    if (msg == NULL) {
        return nki_capi_invalid(err, "msg: the pointer is NULL");
    }
    *msg = NULL;
    const struct get_call call = {stream,      stream_len,    seq,   subject,
                                  subject_len, start_time_ns, flags, timeout_ms};
    struct nki_msg_get_params params;
    struct nki_handle *handle;
    int32_t status = read_call(&call, &params, err);
    if (status == NATSKIT_OK) {
        status = nki_capi_pin(js.id, NATSKIT_KIND_JS, "context", &handle, err);
    }
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_js *context = handle->object;
    struct nki_js_begin begin = {.deadline_ns = nki_capi_deadline(timeout_ms), .wait_room = true};
    struct nki_op *op;
    status = nki_js_msg_get(context, &params, &begin, &op, nki_capi_err(err));
    if (status == NATSKIT_OK) {
        status =
            nki_capi_finish_op(context->conn, op, begin.deadline_ns, (struct nki_msg **)(void *)msg, err);
        if (status == NATSKIT_TIMEOUT) {
            nki_error_set(nki_capi_err(err), status, "stream %.*s: no answer within %" PRId64 " ms",
                          (int)params.stream.len, params.stream.ptr, timeout_ms);
        }
    }
    nki_handle_unpin(handle);
    return status;
}

/* Begins a get under a handle of its own. */
static int32_t start_get(struct nki_js *js, const struct nki_msg_get_params *params, int64_t timeout_ms,
                         natskit_op *op, natskit_error *err)
{
    uint64_t id;
    struct nki_handle *handle;
    int32_t status = nki_handle_reserve(NATSKIT_KIND_OP, &id, &handle);
    if (status != NATSKIT_OK) {
        return nki_error_set(nki_capi_err(err), status, NULL);
    }
    struct nki_js_begin begin = {.deadline_ns = nki_deadline_ns(nki_clock_now_ns(), timeout_ms),
                                 .timed = true};
    struct nki_op *inner;
    status = nki_js_msg_get(js, params, &begin, &inner, nki_capi_err(err));
    if (status == NATSKIT_OK) {
        nki_capi_publish_op(js->conn, handle, inner);
        op->id = id;
    } else {
        nki_handle_cancel(handle);
    }
    return status;
}

natskit_status natskit_js_get_msg_start(natskit_js js, const char *stream, size_t stream_len, uint64_t seq,
                                        const char *subject, size_t subject_len, int64_t start_time_ns,
                                        uint32_t flags, natskit_options options, int64_t timeout_ms,
                                        natskit_op *op, natskit_error *err)
{
    if (op == NULL) {
        return nki_capi_invalid(err, "op: the pointer is NULL");
    }
    op->id = 0;
    const struct get_call call = {stream,      stream_len,    seq,   subject,
                                  subject_len, start_time_ns, flags, timeout_ms};
    struct nki_msg_get_params params;
    struct nki_handle *handle;
    int32_t status = nki_capi_options_check(options, NATSKIT_OPTIONS_REQUEST, err);
    if (status == NATSKIT_OK) {
        status = read_call(&call, &params, err);
    }
    if (status == NATSKIT_OK) {
        status = nki_capi_pin(js.id, NATSKIT_KIND_JS, "context", &handle, err);
    }
    if (status == NATSKIT_OK) {
        status = start_get(handle->object, &params, timeout_ms, op, err);
        nki_handle_unpin(handle);
    }
    return status;
}

/* -- several --------------------------------------------------------------------------------------------- */

typedef int32_t (*open_fn)(struct nki_js *js, struct nki_str stream, const struct nki_options *options,
                           struct nki_sub **out, struct nki_error *err);

static natskit_status open_sub(struct nki_js *js, struct nki_str stream, const struct nki_options *options,
                               open_fn open, natskit_sub *out, natskit_error *err)
{
    uint64_t id;
    struct nki_handle *handle;
    struct nki_sub *sub;
    natskit_status status = nki_handle_reserve(NATSKIT_KIND_SUB, &id, &handle);
    if (status != NATSKIT_OK) {
        return nki_error_set(nki_capi_err(err), status, NULL);
    }
    status = open(js, stream, options, &sub, nki_capi_err(err));
    if (status != NATSKIT_OK) {
        nki_handle_cancel(handle);
        return status;
    }
    nki_handle_publish(handle, &nki_capi_sub_ops, sub, NULL);
    out->id = id;
    return NATSKIT_OK;
}

static natskit_status begin(natskit_js js, struct nki_str stream, natskit_options options, int32_t scope,
                            open_fn open, natskit_sub *out, natskit_error *err)
{
    const char *fault = nki_js_name_fault(stream);
    if (fault != NULL) {
        return nki_capi_fault(err, "stream", stream, fault);
    }
    struct nki_handle *js_handle;
    natskit_status status = nki_capi_pin(js.id, NATSKIT_KIND_JS, "context", &js_handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_capi_options use;
    status = nki_capi_options_use(options, scope, &use, err);
    if (status == NATSKIT_OK) {
        status = open_sub(js_handle->object, stream, use.options, open, out, err);
        nki_capi_options_done(&use);
    }
    nki_handle_unpin(js_handle);
    return status;
}

natskit_status natskit_js_get_batch(natskit_js js, const char *stream, size_t stream_len,
                                    natskit_options options, natskit_sub *out, natskit_error *err)
{
    struct nki_str name;
    if (out == NULL) {
        return nki_capi_invalid(err, "out: the pointer is NULL");
    }
    out->id = 0;
    return nki_capi_str(stream, stream_len, &name)
               ? begin(js, name, options, NATSKIT_OPTIONS_GET_BATCH, nki_js_get_batch, out, err)
               : nki_capi_invalid(err, "stream: the pointer is NULL");
}

natskit_status natskit_js_get_last(natskit_js js, const char *stream, size_t stream_len,
                                   natskit_options options, natskit_sub *out, natskit_error *err)
{
    struct nki_str name;
    if (out == NULL) {
        return nki_capi_invalid(err, "out: the pointer is NULL");
    }
    out->id = 0;
    return nki_capi_str(stream, stream_len, &name)
               ? begin(js, name, options, NATSKIT_OPTIONS_GET_LAST, nki_js_get_last, out, err)
               : nki_capi_invalid(err, "stream: the pointer is NULL");
}

natskit_status natskit_msg_stored(const natskit_msg *msg, natskit_stored_view *view, size_t view_size)
{
    const struct nki_msg *inner = (const struct nki_msg *)(const void *)msg;
    struct nki_stored stored;
    if (msg == NULL || view == NULL || view_size == 0 || inner->kind != NKI_MSG_STORED ||
        !nki_stored_read(inner, &stored)) {
        return NATSKIT_INVALID;
    }
    struct nki_str data = nki_msg_data(inner);
    struct nki_str block = nki_stored_own_block(inner);
    bool has_headers = block.len > sizeof "NATS/1.0\r\n" - 1;
    natskit_stored_view filled = {
        .stream = stored.stream.ptr,
        .stream_len = stored.stream.len,
        .subject = stored.subject.ptr,
        .subject_len = stored.subject.len,
        .data = data.ptr,
        .data_len = data.len,
        .header_block = has_headers ? block.ptr : NULL,
        .header_block_len = has_headers ? block.len : 0,
        .seq = stored.seq,
        .time_ns = stored.time_ns,
        .pending = stored.paged ? stored.pending : 0,
    };
    return nki_capi_give(view, view_size, &filled, sizeof filled);
}
