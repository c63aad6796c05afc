/* Ordered consumers: reading streams in their order, and what such a subscription or a watch says of itself.
 * Any thread. */
#include "capi/guard.h"
#include "jetstream/ordered_open.h"

static natskit_status open_sub(struct nki_js *js, struct nki_str stream, const struct nki_options *options,
                               natskit_sub *out, natskit_error *err)
{
    uint64_t id;
    struct nki_handle *handle;
    struct nki_sub *sub;
    natskit_status status = nki_handle_reserve(NATSKIT_KIND_SUB, &id, &handle);
    if (status != NATSKIT_OK) {
        return nki_error_set(nki_capi_err(err), status, NULL);
    }
    status = nki_js_ordered(js, stream, options, &sub, nki_capi_err(err));
    if (status != NATSKIT_OK) {
        nki_handle_cancel(handle);
        return status;
    }
    nki_handle_publish(handle, &nki_capi_sub_ops, sub, NULL);
    out->id = id;
    return NATSKIT_OK;
}

natskit_status natskit_js_ordered(natskit_js js, const char *stream, size_t stream_len,
                                  natskit_options options, natskit_sub *out, natskit_error *err)
{
    if (out == NULL) {
        return nki_capi_invalid(err, "out: the pointer is NULL");
    }
    out->id = 0;
    struct nki_str name;
    if (!nki_capi_str(stream, stream_len, &name)) {
        return nki_capi_invalid(err, "stream: the pointer is NULL");
    }
    const char *fault = nki_js_name_fault(name);
    if (fault != NULL) {
        return nki_capi_fault(err, "stream", name, fault);
    }
    struct nki_handle *js_handle;
    natskit_status status = nki_capi_pin(js.id, NATSKIT_KIND_JS, "context", &js_handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_capi_options use;
    status = nki_capi_options_use(options, NATSKIT_OPTIONS_ORDERED, &use, err);
    if (status == NATSKIT_OK) {
        status = open_sub(js_handle->object, name, use.options, out, err);
        nki_capi_options_done(&use);
    }
    nki_handle_unpin(js_handle);
    return status;
}

natskit_status natskit_sub_watch_info(natskit_sub sub, natskit_watch_info *info, size_t info_size)
{
    if (info == NULL || info_size == 0) {
        return NATSKIT_INVALID;
    }
    struct nki_handle *handle;
    int32_t status = nki_handle_pin(sub.id, NATSKIT_KIND_SUB, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_ordered_info state;
    status = nki_ordered_info_get(handle->object, &state);
    nki_handle_unpin(handle);
    if (status != NATSKIT_OK) {
        return NATSKIT_NOT_FOUND;
    }
    natskit_watch_info filled = {.resets = state.resets,
                                 .last_seq = state.last_seq,
                                 .passed = state.stale_msgs,
                                 .rewinds = state.rewinds,
                                 .live = state.live,
                                 .initial_done = state.initial_done};
    return nki_capi_give(info, info_size, &filled, sizeof filled);
}
