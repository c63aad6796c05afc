/* Key-value buckets. Any thread. */
#include "capi/guard.h"
#include "kv/entry.h"
#include "kv/get.h"
#include "kv/watch.h"
#include "options/options.h"

#include <inttypes.h>

_Static_assert(NATSKIT_KV_PUT == (int)NKI_KV_PUT && NATSKIT_KV_DELETE == (int)NKI_KV_DELETE &&
                   NATSKIT_KV_PURGE == (int)NKI_KV_PURGE,
               "operations are numbered alike");

static void kv_close(struct nki_handle *handle)
{
    (void)handle; /* what was begun goes on: it ends with its time or the connection */
}

static void kv_destroy(struct nki_handle *handle)
{
    nki_kv_release(handle->object);
}

static const struct nki_handle_ops kv_ops = {kv_close, kv_destroy};

/* Opens it under a handle of its own. */
static int32_t open_bucket(struct nki_js *js, struct nki_str name, const struct nki_options *options,
                           natskit_kv *out, natskit_error *err)
{
    uint64_t id;
    struct nki_handle *handle;
    struct nki_kv *kv;
    int32_t status = nki_handle_reserve(NATSKIT_KIND_KV, &id, &handle);
    if (status != NATSKIT_OK) {
        return nki_error_set(nki_capi_err(err), status, NULL);
    }
    status = nki_kv_open(js, name, options, &kv, nki_capi_err(err));
    if (status == NATSKIT_OK) {
        nki_handle_publish(handle, &kv_ops, kv, NULL);
        out->id = id;
    } else {
        nki_handle_cancel(handle);
    }
    return status;
}

natskit_status natskit_kv_open(natskit_js js, const char *bucket, size_t bucket_len, natskit_kv *out,
                               natskit_error *err)
{
    return natskit_kv_open_with(js, bucket, bucket_len, (natskit_options){0}, out, err);
}

natskit_status natskit_kv_open_with(natskit_js js, const char *bucket, size_t bucket_len,
                                    natskit_options options, natskit_kv *out, natskit_error *err)
{
    if (out == NULL) {
        return nki_capi_invalid(err, "out: the pointer is NULL");
    }
    out->id = 0;
    struct nki_str name;
    if (!nki_capi_str(bucket, bucket_len, &name)) {
        return nki_capi_invalid(err, "bucket: the pointer is NULL");
    }
    struct nki_handle *js_handle;
    int32_t status = nki_capi_pin(js.id, NATSKIT_KIND_JS, "JetStream context", &js_handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_capi_options use;
    status = nki_capi_options_use(options, NATSKIT_OPTIONS_KV, &use, err);
    if (status == NATSKIT_OK) {
        status = open_bucket(js_handle->object, name, use.options, out, err);
        nki_capi_options_done(&use);
    }
    nki_handle_unpin(js_handle);
    return status;
}

natskit_status natskit_kv_close(natskit_kv kv)
{
    return nki_handle_close(kv.id, NATSKIT_KIND_KV);
}

static int32_t check_key(const char *key, size_t key_len, int64_t timeout_ms, struct nki_str *name,
                         natskit_error *err)
{
    if (!nki_capi_str(key, key_len, name)) {
        return nki_capi_invalid(err, "key: the pointer is NULL");
    }
    return nki_capi_timeout_ok(timeout_ms) ? NATSKIT_OK : nki_capi_invalid(err, "timeout_ms is less than -1");
}

natskit_status natskit_kv_get(natskit_kv kv, const char *key, size_t key_len, uint64_t revision,
                              int64_t timeout_ms, natskit_msg **entry, natskit_error *err)
{
    if (entry == NULL) {
        return nki_capi_invalid(err, "entry: the pointer is NULL");
    }
    *entry = NULL;
    struct nki_str name;
    struct nki_handle *handle;
    int32_t status = check_key(key, key_len, timeout_ms, &name, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    status = nki_capi_pin(kv.id, NATSKIT_KIND_KV, "bucket", &handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_kv *bucket = handle->object;
    struct nki_js_begin begin = {.deadline_ns = nki_capi_deadline(timeout_ms), .wait_room = true};
    struct nki_op *op;
    status = nki_kv_get(bucket, name, revision, &begin, &op, nki_capi_err(err));
    if (status == NATSKIT_OK) {
        status = nki_capi_finish_op(bucket->js->conn, op, begin.deadline_ns, (struct nki_msg **)(void *)entry,
                                    err);
        if (status == NATSKIT_TIMEOUT) {
            nki_error_set(nki_capi_err(err), status, "key \"%.*s\": no answer within %" PRId64 " ms",
                          (int)(name.len < 80 ? name.len : 80), name.ptr, timeout_ms);
        }
    }
    nki_handle_unpin(handle);
    return status;
}

/* Begins a get under a handle of its own. */
static int32_t start_get(struct nki_kv *bucket, struct nki_str name, uint64_t revision, int64_t timeout_ms,
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
    status = nki_kv_get(bucket, name, revision, &begin, &inner, nki_capi_err(err));
    if (status == NATSKIT_OK) {
        nki_capi_publish_op(bucket->js->conn, handle, inner);
        op->id = id;
    } else {
        nki_handle_cancel(handle);
    }
    return status;
}

natskit_status natskit_kv_get_start(natskit_kv kv, const char *key, size_t key_len, uint64_t revision,
                                    natskit_options options, int64_t timeout_ms, natskit_op *op,
                                    natskit_error *err)
{
    if (op == NULL) {
        return nki_capi_invalid(err, "op: the pointer is NULL");
    }
    op->id = 0;
    int32_t status = nki_capi_options_check(options, NATSKIT_OPTIONS_REQUEST, err);
    struct nki_str name;
    struct nki_handle *handle;
    if (status == NATSKIT_OK) {
        status = check_key(key, key_len, timeout_ms, &name, err);
    }
    if (status == NATSKIT_OK) {
        status = nki_capi_pin(kv.id, NATSKIT_KIND_KV, "bucket", &handle, err);
    }
    if (status == NATSKIT_OK) {
        status = start_get(handle->object, name, revision, timeout_ms, op, err);
        nki_handle_unpin(handle);
    }
    return status;
}

/* -- watching -------------------------------------------------------------------------------------------- */

static int32_t watch_with(struct nki_kv *kv, const struct nki_options *options, struct nki_sub **sub,
                          natskit_error *err)
{
    struct nki_str patterns[NKI_KV_PATTERNS_MAX];
    struct nki_kv_watch_params params = {
        .patterns = patterns,
        .pattern_count = nki_options_list_len(options, NKI_OPT_KV_WATCH_keys),
        .history = nki_options_bool(options, NKI_OPT_KV_WATCH_history),
        .updates_only = nki_options_bool(options, NKI_OPT_KV_WATCH_updates_only),
        .from_revision = (uint64_t)nki_options_int(options, NKI_OPT_KV_WATCH_from_revision),
        .ignore_deletes = nki_options_bool(options, NKI_OPT_KV_WATCH_ignore_deletes),
        .headers_only = nki_options_bool(options, NKI_OPT_KV_WATCH_headers_only),
        .marks = nki_options_bool(options, NKI_OPT_KV_WATCH_marker),
        .ends = nki_options_bool(options, NKI_OPT_KV_WATCH_ends),
    };
    for (size_t i = 0; i < params.pattern_count; i++) { /* the table bounds their number */
        patterns[i] = nki_options_list_at(options, NKI_OPT_KV_WATCH_keys, i);
    }
    return nki_kv_watch(kv, &params, sub, nki_capi_err(err));
}

static int32_t watch(void *kv, const void *how, natskit_options options, void **out, natskit_error *err)
{
    (void)how;
    struct nki_capi_options use;
    struct nki_sub *sub;
    int32_t status = nki_capi_options_use(options, NATSKIT_OPTIONS_KV_WATCH, &use, err);
    if (status == NATSKIT_OK) {
        const struct nki_kv_watch_params all = {.marks = true};
        status = use.options != NULL ? watch_with(kv, use.options, &sub, err)
                                     : nki_kv_watch(kv, &all, &sub, nki_capi_err(err));
        *out = status == NATSKIT_OK ? sub : NULL;
        nki_capi_options_done(&use);
    }
    return status;
}

natskit_status natskit_kv_watch(natskit_kv kv, natskit_options options, natskit_sub *out, natskit_error *err)
{
    static const struct nki_capi_opening opening = {NATSKIT_KIND_KV, "bucket", NATSKIT_KIND_SUB,
                                                    &nki_capi_sub_ops, watch};
    return nki_capi_open_on(&opening, kv.id, NULL, options, out != NULL ? &out->id : NULL, err);
}

/* -- views ----------------------------------------------------------------------------------------------- */

natskit_status natskit_msg_kv(const natskit_msg *msg, natskit_kv_view *view, size_t view_size)
{
    const struct nki_msg *inner = (const struct nki_msg *)(const void *)msg;
    struct nki_kv_entry entry;
    if (msg == NULL || view == NULL || view_size == 0 || inner->kind != NKI_MSG_KV ||
        !nki_kv_entry_read(inner, &entry)) {
        return NATSKIT_INVALID;
    }
    natskit_kv_view filled = {
        .bucket = entry.bucket.ptr,
        .bucket_len = entry.bucket.len,
        .key = entry.key.ptr,
        .key_len = entry.key.len,
        .value = entry.value.ptr,
        .value_len = entry.value.len,
        .revision = entry.revision,
        .delta = entry.delta,
        .time_ns = entry.time_ns,
        .value_bytes = entry.value_len,
        .operation = (int32_t)entry.operation,
    };
    return nki_capi_give(view, view_size, &filled, sizeof filled);
}
