/* Messages of a pull consumer: fetching, consuming, and what it says of itself. Any thread; natskit_js_next
 * blocks. */
#include "capi/guard.h"
#include "delivery/notice.h"
#include "jetstream/pull_open.h"

_Static_assert(NATSKIT_STATUS_HEARTBEATS_MISSED == (int)NKI_NOTICE_HEARTBEATS_MISSED &&
                   NATSKIT_STATUS_CONSUMER_NOT_FOUND == (int)NKI_NOTICE_CONSUMER_NOT_FOUND &&
                   NATSKIT_STATUS_STREAM_NOT_FOUND == (int)NKI_NOTICE_STREAM_NOT_FOUND &&
                   NATSKIT_STATUS_CONSUMER_DELETED == (int)NKI_NOTICE_CONSUMER_DELETED &&
                   NATSKIT_STATUS_LEADERSHIP == (int)NKI_NOTICE_LEADERSHIP &&
                   NATSKIT_STATUS_NO_RESPONDERS == (int)NKI_NOTICE_NO_RESPONDERS &&
                   NATSKIT_STATUS_EXCEEDED == (int)NKI_NOTICE_EXCEEDED &&
                   NATSKIT_STATUS_PINNED == (int)NKI_NOTICE_PINNED &&
                   NATSKIT_STATUS_UNPINNED == (int)NKI_NOTICE_UNPINNED &&
                   NATSKIT_STATUS_UNKNOWN == (int)NKI_NOTICE_UNKNOWN &&
                   NATSKIT_STATUS_RESUMED == (int)NKI_NOTICE_RESUMED &&
                   NATSKIT_STATUS_INITIAL_DONE == (int)NKI_NOTICE_INITIAL_DONE,
               "status events are numbered alike");

typedef int32_t (*open_fn)(const struct nki_pull_target *target, const struct nki_options *options,
                           struct nki_sub **out, struct nki_error *err);

/* What a call pulls from, by the caller's texts; its context is filled in later. */
static int32_t read_target(const char *stream, size_t stream_len, const char *consumer, size_t consumer_len,
                           struct nki_pull_target *out, natskit_error *err)
{
    if (!nki_capi_str(stream, stream_len, &out->stream)) {
        return nki_capi_invalid(err, "stream: the pointer is NULL");
    }
    if (!nki_capi_str(consumer, consumer_len, &out->consumer)) {
        return nki_capi_invalid(err, "consumer: the pointer is NULL");
    }
    const char *fault = nki_js_name_fault(out->stream);
    if (fault != NULL) {
        return nki_capi_fault(err, "stream", out->stream, fault);
    }
    fault = nki_js_name_fault(out->consumer);
    return fault == NULL ? NATSKIT_OK : nki_capi_fault(err, "consumer", out->consumer, fault);
}

static natskit_status open_sub(const struct nki_pull_target *target, const struct nki_options *options,
                               open_fn open, natskit_sub *out, natskit_error *err)
{
    uint64_t id;
    struct nki_handle *handle;
    struct nki_sub *sub;
    natskit_status status = nki_handle_reserve(NATSKIT_KIND_SUB, &id, &handle);
    if (status != NATSKIT_OK) {
        return nki_error_set(nki_capi_err(err), status, NULL);
    }
    status = open(target, options, &sub, nki_capi_err(err));
    if (status != NATSKIT_OK) {
        nki_handle_cancel(handle);
        return status;
    }
    nki_handle_publish(handle, &nki_capi_sub_ops, sub, NULL);
    out->id = id;
    return NATSKIT_OK;
}

struct pull_call {
    natskit_js js;
    const char *stream;
    size_t stream_len;
    const char *consumer;
    size_t consumer_len;
    natskit_options options;
    int32_t scope;
    open_fn open;
};

static natskit_status begin(const struct pull_call *call, natskit_sub *out, natskit_error *err)
{
    if (out == NULL) {
        return nki_capi_invalid(err, "out: the pointer is NULL");
    }
    out->id = 0;
    struct nki_pull_target target;
    natskit_status status =
        read_target(call->stream, call->stream_len, call->consumer, call->consumer_len, &target, err);
    struct nki_handle *js_handle;
    if (status == NATSKIT_OK) {
        status = nki_capi_pin(call->js.id, NATSKIT_KIND_JS, "context", &js_handle, err);
    }
    if (status != NATSKIT_OK) {
        return status;
    }
    target.js = js_handle->object;
    struct nki_capi_options use;
    status = nki_capi_options_use(call->options, call->scope, &use, err);
    if (status == NATSKIT_OK) {
        status = open_sub(&target, use.options, call->open, out, err);
        nki_capi_options_done(&use);
    }
    nki_handle_unpin(js_handle);
    return status;
}

natskit_status natskit_js_fetch(natskit_js js, const char *stream, size_t stream_len, const char *consumer,
                                size_t consumer_len, natskit_options options, natskit_sub *out,
                                natskit_error *err)
{
    const struct pull_call call = {
        js, stream, stream_len, consumer, consumer_len, options, NATSKIT_OPTIONS_FETCH, nki_js_fetch};
    return begin(&call, out, err);
}

natskit_status natskit_js_consume(natskit_js js, const char *stream, size_t stream_len, const char *consumer,
                                  size_t consumer_len, natskit_options options, natskit_sub *out,
                                  natskit_error *err)
{
    const struct pull_call call = {
        js, stream, stream_len, consumer, consumer_len, options, NATSKIT_OPTIONS_CONSUME, nki_js_consume};
    return begin(&call, out, err);
}

natskit_status natskit_js_next_with(natskit_js js, const char *stream, size_t stream_len,
                                    const char *consumer, size_t consumer_len, natskit_options options,
                                    int64_t timeout_ms, natskit_msg **msg, natskit_error *err)
{
    if (msg == NULL) {
        return nki_capi_invalid(err, "msg: the pointer is NULL");
    }
    *msg = NULL;
    if (!nki_capi_timeout_ok(timeout_ms)) {
        return nki_capi_invalid(err, "timeout_ms is less than -1");
    }
    struct nki_pull_target target;
    natskit_status status = read_target(stream, stream_len, consumer, consumer_len, &target, err);
    struct nki_handle *handle;
    if (status == NATSKIT_OK) {
        status = nki_capi_pin(js.id, NATSKIT_KIND_JS, "context", &handle, err);
    }
    if (status != NATSKIT_OK) {
        return status;
    }
    target.js = handle->object;
    struct nki_capi_options use;
    struct nki_pull_whom whom;
    status = nki_capi_options_use(options, NATSKIT_OPTIONS_FETCH, &use, err);
    if (status == NATSKIT_OK) {
        status = nki_pull_whom_read(&whom, use.options, nki_capi_err(err));
        nki_capi_options_done(&use); /* not held over the wait */
    }
    if (status == NATSKIT_OK) {
        status = nki_js_next(&target, &whom, timeout_ms, (struct nki_msg **)(void *)msg, nki_capi_err(err));
    }
    nki_handle_unpin(handle);
    return status;
}

natskit_status natskit_js_next(natskit_js js, const char *stream, size_t stream_len, const char *consumer,
                               size_t consumer_len, int64_t timeout_ms, natskit_msg **msg, natskit_error *err)
{
    return natskit_js_next_with(js, stream, stream_len, consumer, consumer_len, (natskit_options){0},
                                timeout_ms, msg, err);
}

natskit_status natskit_sub_pull_info(natskit_sub sub, natskit_pull_info *info, size_t info_size)
{
    if (info == NULL || info_size == 0) {
        return NATSKIT_INVALID;
    }
    struct nki_handle *handle;
    natskit_status status = nki_handle_pin(sub.id, NATSKIT_KIND_SUB, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_pull_state state;
    status = nki_sub_pull_state(handle->object, &state);
    nki_handle_unpin(handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    natskit_pull_info filled = {
        .open_pulls = state.open,
        .ahead_msgs = state.ahead_msgs,
        .ahead_bytes = state.ahead_bytes,
        .pulls = state.counts.pulls,
        .msgs = state.counts.msgs,
        .bytes = state.counts.bytes,
        .heartbeats = state.counts.beats,
        .statuses = state.counts.statuses,
        .unknown = state.counts.unknown,
        .missed = state.counts.missed,
        .given_up = state.counts.given_up,
        .infos = state.counts.infos,
        .missing = state.missing,
        .paused = state.paused,
        .last_code = state.counts.last_code,
    };
    _Static_assert(sizeof filled.last_text == sizeof state.counts.last_text, "texts are as long");
    memcpy(filled.last_text, state.counts.last_text, sizeof filled.last_text);
    return nki_capi_give(info, info_size, &filled, sizeof filled);
}

natskit_status natskit_msg_status(const natskit_msg *msg, natskit_status_view *view, size_t view_size)
{
    const struct nki_msg *inner = (const struct nki_msg *)(const void *)msg;
    if (msg == NULL || view == NULL || view_size == 0 || inner->kind != NKI_MSG_STATUS) {
        return NATSKIT_INVALID;
    }
    const struct nki_notice notice = nki_notice_of(inner);
    natskit_status_view filled = {
        .type = notice.type,
        .code = notice.code,
        .count = notice.count,
        .text = notice.text.ptr,
        .text_len = notice.text.len,
    };
    return nki_capi_give(view, view_size, &filled, sizeof filled);
}
