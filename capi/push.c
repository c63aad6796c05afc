/* Push consumers: subscribing, and what such a subscription says of itself. Any thread;
 * natskit_js_subscribe blocks. */
#include "capi/guard.h"
#include "delivery/notice.h"
#include "jetstream/push_open.h"

#include <inttypes.h>

_Static_assert(NATSKIT_STATUS_RECREATED == (int)NKI_NOTICE_RECREATED, "status events are numbered alike");

/* What a call subscribes to. */
struct target {
    natskit_js js;
    struct nki_str subject;
    natskit_options options;
    int64_t deadline_ns;
};

static int32_t read_subject(const char *subject, size_t subject_len, int64_t timeout_ms, struct nki_str *out,
                            natskit_error *err)
{
    if (!nki_capi_str(subject, subject_len, out)) {
        return nki_capi_invalid(err, "subject: the pointer is NULL");
    }
    const char *fault = out->len > 0 ? nki_subject_subscribe_fault(*out) : NULL;
    if (fault != NULL) {
        return nki_capi_fault(err, "subject", *out, fault);
    }
    return nki_capi_timeout_ok(timeout_ms) ? NATSKIT_OK : nki_capi_invalid(err, "timeout_ms is less than -1");
}

/* Begins it on a pinned context. */
static int32_t begin(struct nki_js *js, const struct target *target, struct nki_sub **sub, struct nki_op **op,
                     natskit_error *err)
{
    struct nki_capi_options use;
    int32_t status = nki_capi_options_use(target->options, NATSKIT_OPTIONS_PUSH, &use, err);
    if (status == NATSKIT_OK) {
        status =
            nki_js_push(js, target->subject, use.options, target->deadline_ns, sub, op, nki_capi_err(err));
        nki_capi_options_done(&use);
    }
    return status;
}

static natskit_status subscribe(struct nki_js *js, const struct target *target, int64_t timeout_ms,
                                natskit_sub *out, natskit_error *err)
{
    uint64_t id;
    struct nki_handle *handle;
    struct nki_sub *sub;
    struct nki_op *op;
    natskit_status status = nki_handle_reserve(NATSKIT_KIND_SUB, &id, &handle);
    if (status != NATSKIT_OK) {
        return nki_error_set(nki_capi_err(err), status, NULL);
    }
    status = begin(js, target, &sub, &op, err);
    if (status != NATSKIT_OK) {
        nki_handle_cancel(handle);
        return status;
    }
    status = nki_capi_finish_op(js->conn, op, target->deadline_ns, NULL, err);
    if (status != NATSKIT_OK) {
        if (status == NATSKIT_TIMEOUT) {
            nki_error_set(nki_capi_err(err), status, "no consumer within %" PRId64 " ms", timeout_ms);
        }
        nki_handle_cancel(handle);
        nki_sub_close(sub);
        nki_sub_release(sub);
        return status;
    }
    nki_handle_publish(handle, &nki_capi_sub_ops, sub, NULL);
    out->id = id;
    return NATSKIT_OK;
}

natskit_status natskit_js_subscribe(natskit_js js, const char *subject, size_t subject_len,
                                    natskit_options options, int64_t timeout_ms, natskit_sub *out,
                                    natskit_error *err)
{
    if (out == NULL) {
        return nki_capi_invalid(err, "out: the pointer is NULL");
    }
    out->id = 0;
    struct target target = {.js = js, .options = options, .deadline_ns = nki_capi_deadline(timeout_ms)};
    int32_t status = read_subject(subject, subject_len, timeout_ms, &target.subject, err);
    struct nki_handle *handle;
    if (status == NATSKIT_OK) {
        status = nki_capi_pin(js.id, NATSKIT_KIND_JS, "context", &handle, err);
    }
    if (status != NATSKIT_OK) {
        return status;
    }
    status = subscribe(handle->object, &target, timeout_ms, out, err);
    nki_handle_unpin(handle);
    return status;
}

/* Both handles at once, or none. */
static natskit_status start(struct nki_js *js, const struct target *target, natskit_sub *out, natskit_op *op,
                            natskit_error *err)
{
    uint64_t sub_id;
    uint64_t op_id;
    struct nki_handle *sub_handle;
    struct nki_handle *op_handle;
    struct nki_sub *sub;
    struct nki_op *inner;
    natskit_status status = nki_handle_reserve(NATSKIT_KIND_SUB, &sub_id, &sub_handle);
    if (status != NATSKIT_OK) {
        return nki_error_set(nki_capi_err(err), status, NULL);
    }
    status = nki_handle_reserve(NATSKIT_KIND_OP, &op_id, &op_handle);
    if (status != NATSKIT_OK) {
        nki_handle_cancel(sub_handle);
        return nki_error_set(nki_capi_err(err), status, NULL);
    }
    status = begin(js, target, &sub, &inner, err);
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

natskit_status natskit_js_subscribe_start(natskit_js js, const char *subject, size_t subject_len,
                                          natskit_options options, int64_t timeout_ms, natskit_sub *out,
                                          natskit_op *op, natskit_error *err)
{
    if (out == NULL || op == NULL) {
        return nki_capi_invalid(err, out == NULL ? "out: the pointer is NULL" : "op: the pointer is NULL");
    }
    out->id = 0;
    op->id = 0;
    struct target target = {
        .js = js, .options = options, .deadline_ns = nki_deadline_ns(nki_clock_now_ns(), timeout_ms)};
    int32_t status = read_subject(subject, subject_len, timeout_ms, &target.subject, err);
    struct nki_handle *handle;
    if (status == NATSKIT_OK) {
        status = nki_capi_pin(js.id, NATSKIT_KIND_JS, "context", &handle, err);
    }
    if (status != NATSKIT_OK) {
        return status;
    }
    status = start(handle->object, &target, out, op, err);
    nki_handle_unpin(handle);
    return status;
}

natskit_status natskit_sub_push_info(natskit_sub sub, natskit_push_info *info, size_t info_size)
{
    if (info == NULL || info_size == 0) {
        return NATSKIT_INVALID;
    }
    struct nki_handle *handle;
    natskit_status status = nki_handle_pin(sub.id, NATSKIT_KIND_SUB, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_push_info state;
    status = nki_push_info_get(handle->object, &state);
    nki_handle_unpin(handle);
    if (status != NATSKIT_OK) {
        return NATSKIT_NOT_FOUND;
    }
    natskit_push_info filled = {.msgs = state.msgs,
                                .heartbeats = state.beats,
                                .flow_requests = state.flows,
                                .missed = state.missed,
                                .recreated = state.recreated,
                                .lost = state.lost,
                                .unknown = state.unknown,
                                .live = state.live,
                                .made = state.made};
    _Static_assert(sizeof filled.stream == sizeof state.stream &&
                       sizeof filled.consumer == sizeof state.consumer,
                   "names are as long");
    memcpy(filled.stream, state.stream, sizeof filled.stream);
    memcpy(filled.consumer, state.consumer, sizeof filled.consumer);
    return nki_capi_give(info, info_size, &filled, sizeof filled);
}
