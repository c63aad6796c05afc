/* Subscriptions, to subjects and to a connection's events. Any thread; next and next_batch block. */
#include "capi/guard.h"
#include "wire/subject.h"

/* Memory that one queued event may take at most: the queue of events is bounded by their number. */
#define EVENT_BYTES_MAX 4096u

static void sub_close(struct nki_handle *handle)
{
    nki_sub_close(handle->object);
}

static void sub_destroy(struct nki_handle *handle)
{
    nki_sub_release(handle->object);
}

const struct nki_handle_ops nki_capi_sub_ops = {sub_close, sub_destroy};

struct sub_options {
    struct nki_sub_params sub;
    struct nki_events_params events;
};

/* Options of a subscription, from the handle or the table's defaults. */
static int32_t read_options(natskit_options options, int32_t scope, struct sub_options *out,
                            natskit_error *err)
{
    struct nki_capi_options use;
    int32_t status = nki_capi_options_use(options, scope, &use, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_options *defaults = NULL;
    const struct nki_options *values = use.options;
    if (values == NULL) {
        defaults = nki_options_new((enum nki_scope)scope);
        values = defaults;
    }
    if (values == NULL) {
        return nki_error_set(nki_capi_err(err), NATSKIT_NO_MEMORY, NULL);
    }
    if (scope == NATSKIT_OPTIONS_EVENTS) {
        struct nki_events_params *events = &out->events;
        events->limits.msgs = (uint64_t)nki_options_int(values, NKI_OPT_EVENTS_pending_msgs_limit);
        events->limits.bytes = events->limits.msgs * EVENT_BYTES_MAX;
        events->debug = nki_options_bool(values, NKI_OPT_EVENTS_debug);
        events->answers = nki_options_bool(values, NKI_OPT_EVENTS_answers);
    } else {
        struct nki_sub_params *sub = &out->sub;
        sub->limits.msgs = (uint64_t)nki_options_int(values, NKI_OPT_SUBSCRIBE_pending_msgs_limit);
        sub->limits.bytes = (uint64_t)nki_options_int(values, NKI_OPT_SUBSCRIBE_pending_bytes_limit);
        sub->max = (uint64_t)nki_options_int(values, NKI_OPT_SUBSCRIBE_max_msgs);
        int64_t first_ms = nki_options_int(values, NKI_OPT_SUBSCRIBE_first_msg_timeout_ms);
        sub->first_ns = first_ms < 0 ? 0 : first_ms == 0 ? 1 : first_ms * NKI_NS_PER_MS;
    }
    nki_options_free(defaults);
    nki_capi_options_done(&use);
    return NATSKIT_OK;
}

/* Subscribes on a connection by id; `sub` NULL means to its events. */
static natskit_status open_sub(natskit_conn conn, const struct nki_sub_params *sub_params,
                               const struct nki_events_params *events, natskit_sub *out, natskit_error *err)
{
    struct nki_handle *conn_handle;
    natskit_status status = nki_capi_pin(conn.id, NATSKIT_KIND_CONN, "connection", &conn_handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    uint64_t id;
    struct nki_handle *handle;
    status = nki_handle_reserve(NATSKIT_KIND_SUB, &id, &handle);
    if (status != NATSKIT_OK) {
        nki_handle_unpin(conn_handle);
        return nki_error_set(nki_capi_err(err), status, NULL);
    }
    struct nki_sub *sub;
    if (sub_params != NULL) {
        status = nki_conn_subscribe(conn_handle->object, sub_params, &sub, nki_capi_err(err));
    } else {
        status = nki_conn_events(conn_handle->object, events, &sub, nki_capi_err(err));
    }
    if (status == NATSKIT_OK) {
        nki_handle_publish(handle, &nki_capi_sub_ops, sub, NULL);
        out->id = id;
    } else {
        nki_handle_cancel(handle);
    }
    nki_handle_unpin(conn_handle);
    return status;
}

natskit_status natskit_subscribe(natskit_conn conn, const char *subject, size_t subject_len,
                                 const char *queue, size_t queue_len, natskit_options options,
                                 natskit_sub *out, natskit_error *err)
{
    if (out == NULL) {
        return nki_capi_invalid(err, "out: the pointer is NULL");
    }
    out->id = 0;
    struct sub_options read = {.sub = {.max = 0}};
    struct nki_sub_params *params = &read.sub;
    if (!nki_capi_str(subject, subject_len, &params->subject)) {
        return nki_capi_invalid(err, "subject: the pointer is NULL");
    }
    if (!nki_capi_str(queue, queue_len, &params->queue)) {
        return nki_capi_invalid(err, "queue: the pointer is NULL");
    }
    const char *fault = nki_subject_subscribe_fault(params->subject);
    if (fault != NULL) {
        return nki_capi_fault(err, "subject", params->subject, fault);
    }
    fault = params->queue.len > 0 ? nki_subject_queue_fault(params->queue) : NULL;
    if (fault != NULL) {
        return nki_capi_fault(err, "queue", params->queue, fault);
    }
    int32_t status = read_options(options, NATSKIT_OPTIONS_SUBSCRIBE, &read, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    return open_sub(conn, params, NULL, out, err);
}

natskit_status natskit_conn_events(natskit_conn conn, natskit_options options, natskit_sub *out,
                                   natskit_error *err)
{
    if (out == NULL) {
        return nki_capi_invalid(err, "out: the pointer is NULL");
    }
    out->id = 0;
    struct sub_options read = {.events = {.debug = false}};
    int32_t status = read_options(options, NATSKIT_OPTIONS_EVENTS, &read, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    return open_sub(conn, NULL, &read.events, out, err);
}

/* -- taking ---------------------------------------------------------------------------------------------- */

/* Asks without a deadline first: what is queued is taken without reading the clock. */
static inline natskit_status take(natskit_sub sub, natskit_msg **out, size_t cap, bool ahead,
                                  int64_t timeout_ms, size_t *count)
{
    struct nki_handle *handle;
    natskit_status status = nki_handle_pin(sub.id, NATSKIT_KIND_SUB, &handle);
    if (NKI_UNLIKELY(status != NATSKIT_OK)) {
        return status;
    }
    struct nki_msg **inner = (struct nki_msg **)(void *)out;
    status = nki_sub_take(handle->object, inner, cap, ahead, 0, count);
    if (status == NATSKIT_WOULD_BLOCK && timeout_ms != 0) {
        status = nki_sub_take(handle->object, inner, cap, ahead, nki_capi_deadline(timeout_ms), count);
    }
    nki_handle_unpin(handle);
    return status;
}

natskit_status natskit_sub_next(natskit_sub sub, int64_t timeout_ms, natskit_msg **out)
{
    if (NKI_UNLIKELY(out == NULL)) {
        return NATSKIT_INVALID;
    }
    *out = NULL;
    if (NKI_UNLIKELY(!nki_capi_timeout_ok(timeout_ms))) {
        return NATSKIT_INVALID;
    }
    size_t count = 0;
    return take(sub, out, 1, false, timeout_ms, &count);
}

static natskit_status take_batch(natskit_sub sub, natskit_msg **out, size_t cap, bool ahead,
                                 int64_t timeout_ms, size_t *count)
{
    if (count == NULL) {
        return NATSKIT_INVALID;
    }
    *count = 0;
    if (out == NULL || cap == 0 || !nki_capi_timeout_ok(timeout_ms)) {
        return NATSKIT_INVALID;
    }
    return take(sub, out, cap, ahead, timeout_ms, count);
}

natskit_status natskit_sub_next_batch(natskit_sub sub, natskit_msg **out, size_t cap, int64_t timeout_ms,
                                      size_t *count)
{
    return take_batch(sub, out, cap, false, timeout_ms, count);
}

natskit_status natskit_sub_next_ahead(natskit_sub sub, natskit_msg **out, size_t cap, int64_t timeout_ms,
                                      size_t *count)
{
    return take_batch(sub, out, cap, true, timeout_ms, count);
}

/* -- the rest -------------------------------------------------------------------------------------------- */

natskit_status natskit_sub_unsubscribe(natskit_sub sub, uint64_t max)
{
    struct nki_handle *handle;
    natskit_status status = nki_handle_pin(sub.id, NATSKIT_KIND_SUB, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    status = nki_sub_unsubscribe(handle->object, max);
    nki_handle_unpin(handle);
    return status;
}

natskit_status natskit_sub_hold(natskit_sub sub, int32_t on)
{
    struct nki_handle *handle;
    natskit_status status = nki_handle_pin(sub.id, NATSKIT_KIND_SUB, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    status = nki_sub_hold(handle->object, on != 0) ? NATSKIT_OK : NATSKIT_INVALID;
    nki_handle_unpin(handle);
    return status;
}

natskit_status natskit_sub_stats_get(natskit_sub sub, natskit_sub_stats *stats, size_t stats_size)
{
    if (stats == NULL || stats_size == 0) {
        return NATSKIT_INVALID;
    }
    struct nki_handle *handle;
    natskit_status status = nki_handle_pin(sub.id, NATSKIT_KIND_SUB, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_inlet_stats now;
    nki_inlet_stats_get(nki_sub_inlet(handle->object), &now);
    natskit_sub_stats filled = {
        .sid = nki_sub_sid(handle->object),
        .received = now.received,
        .taken = now.taken,
        .pending_msgs = now.pending_msgs,
        .pending_bytes = now.pending_bytes,
        .high_msgs = now.high_msgs,
        .high_bytes = now.high_bytes,
        .dropped_msgs = now.dropped_msgs,
        .dropped_bytes = now.dropped_bytes,
        .limit_msgs = now.limits.msgs,
        .limit_bytes = now.limits.bytes,
        .max = nki_sub_max(handle->object),
        .reason = now.end_reason,
        .draining = nki_sub_draining(handle->object),
        .holds = nki_inlet_holds(nki_sub_inlet(handle->object)),
    };
    nki_handle_unpin(handle);
    return nki_capi_give(stats, stats_size, &filled, sizeof filled);
}

natskit_status natskit_sub_reason(natskit_sub sub, natskit_error *err)
{
    struct nki_handle *handle;
    natskit_status status = nki_capi_pin(sub.id, NATSKIT_KIND_SUB, "subscription", &handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    status = nki_sub_reason(handle->object, nki_capi_err(err));
    nki_handle_unpin(handle);
    return status;
}

static natskit_status give_name(natskit_sub sub, char *buf, size_t cap, size_t *len,
                                struct nki_str (*get)(const struct nki_sub *sub))
{
    if (len == NULL || (buf == NULL && cap > 0)) {
        return NATSKIT_INVALID;
    }
    struct nki_handle *handle;
    natskit_status status = nki_handle_pin(sub.id, NATSKIT_KIND_SUB, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_str name = get(handle->object);
    *len = name.len;
    if (name.len <= cap && name.len > 0) {
        memcpy(buf, name.ptr, name.len);
    }
    nki_handle_unpin(handle);
    return name.len == 0 ? NATSKIT_NOT_FOUND : name.len <= cap ? NATSKIT_OK : NATSKIT_LIMIT;
}

natskit_status natskit_sub_subject(natskit_sub sub, char *buf, size_t cap, size_t *len)
{
    return give_name(sub, buf, cap, len, nki_sub_subject_of);
}

natskit_status natskit_sub_queue(natskit_sub sub, char *buf, size_t cap, size_t *len)
{
    return give_name(sub, buf, cap, len, nki_sub_queue_of);
}

natskit_status natskit_sub_close(natskit_sub sub)
{
    return nki_handle_close(sub.id, NATSKIT_KIND_SUB);
}

natskit_status natskit_subject_check(const char *subject, size_t subject_len, int32_t wildcards,
                                     natskit_error *err)
{
    struct nki_str text;
    if (!nki_capi_str(subject, subject_len, &text)) {
        return nki_capi_invalid(err, "subject: the pointer is NULL");
    }
    const char *fault = wildcards != 0 ? nki_subject_subscribe_fault(text) : nki_subject_publish_fault(text);
    return fault == NULL ? NATSKIT_OK : nki_capi_fault(err, "subject", text, fault);
}
