/* Object stores: what objects are, and changing that. Any thread. */
#include "capi/guard.h"
#include "object/change.h"
#include "object/config.h"
#include "object/find.h"
#include "object/info.h"
#include "object/watch.h"
#include "options/options.h"

#include <inttypes.h>

_Static_assert(NATSKIT_OBJECT_DELETED_TOO == NKI_OBJECT_DELETED_TOO &&
                   NATSKIT_OBJECT_FOLLOW == NKI_OBJECT_FOLLOW,
               "flags are numbered alike");

static void store_close(struct nki_handle *handle)
{
    (void)handle; /* what was begun goes on: it ends with its time or the connection */
}

static void store_destroy(struct nki_handle *handle)
{
    nki_object_store_release(handle->object);
}

static const struct nki_handle_ops store_ops = {store_close, store_destroy};

/* `how`: the store's name. */
static int32_t open_store(void *js, const void *how, natskit_options options, void **out, natskit_error *err)
{
    (void)options;
    struct nki_object_store *store;
    int32_t status = nki_object_store_open(js, *(const struct nki_str *)how, &store, nki_capi_err(err));
    *out = status == NATSKIT_OK ? store : NULL;
    return status;
}

natskit_status natskit_object_store_open(natskit_js js, const char *bucket, size_t bucket_len,
                                         natskit_object_store *out, natskit_error *err)
{
    static const struct nki_capi_opening opening = {NATSKIT_KIND_JS, "JetStream context",
                                                    NATSKIT_KIND_OBJECT_STORE, &store_ops, open_store};
    struct nki_str name;
    if (out == NULL) {
        return nki_capi_invalid(err, "out: the pointer is NULL");
    }
    out->id = 0;
    if (!nki_capi_str(bucket, bucket_len, &name)) {
        return nki_capi_invalid(err, "bucket: the pointer is NULL");
    }
    return nki_capi_open_on(&opening, js.id, &name, (natskit_options){0}, &out->id, err);
}

natskit_status natskit_object_store_close(natskit_object_store store)
{
    return nki_handle_close(store.id, NATSKIT_KIND_OBJECT_STORE);
}

natskit_status natskit_object_store_config(natskit_json bucket, natskit_json *out, natskit_error *err)
{
    if (out == NULL) {
        return nki_capi_invalid(err, "out: the pointer is NULL");
    }
    out->id = 0;
    struct nki_capi_json use;
    struct nki_doc doc;
    int32_t status = nki_capi_json_use(bucket, &use, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    if (use.doc == NULL) {
        return nki_capi_invalid(err, "bucket: no document was given");
    }
    status = nki_object_config(use.doc, &doc, nki_capi_err(err));
    nki_capi_json_done(&use);
    return status == NATSKIT_OK ? nki_capi_json_give(&doc, out, err) : status;
}

/* -- calls about one object ------------------------------------------------------------------------------ */

/* A call that was checked, and how it begins. */
struct call {
    int32_t (*begin)(struct nki_object_store *store, struct call *call, const struct nki_js_begin *begin,
                     struct nki_op **op, struct nki_error *err);
    struct nki_str name;
    uint32_t flags;        /* info */
    natskit_json meta;     /* update */
    struct nki_str bucket; /* link */
    struct nki_str target;
};

static int32_t begin_info(struct nki_object_store *store, struct call *call, const struct nki_js_begin *begin,
                          struct nki_op **op, struct nki_error *err)
{
    return nki_object_find(store, call->name, call->flags, begin, op, err);
}

static int32_t begin_delete(struct nki_object_store *store, struct call *call,
                            const struct nki_js_begin *begin, struct nki_op **op, struct nki_error *err)
{
    return nki_object_delete(store, call->name, begin, op, err);
}

static int32_t begin_update(struct nki_object_store *store, struct call *call,
                            const struct nki_js_begin *begin, struct nki_op **op, struct nki_error *err)
{
    struct nki_object_meta meta;
    struct nki_capi_json use;
    int32_t status = nki_capi_json_use(call->meta, &use, (natskit_error *)(void *)err);
    if (status != NATSKIT_OK) {
        return status;
    }
    status = nki_object_meta_read(use.doc, true, &meta, err);
    nki_capi_json_done(&use);
    if (status == NATSKIT_OK) {
        status = nki_object_update(store, call->name, &meta, begin, op, err);
    }
    nki_object_meta_free(&meta);
    return status;
}

static int32_t begin_link(struct nki_object_store *store, struct call *call, const struct nki_js_begin *begin,
                          struct nki_op **op, struct nki_error *err)
{
    return nki_object_link(store, call->name, call->bucket, call->target, begin, op, err);
}

static int32_t check_call(const char *name, size_t name_len, int64_t timeout_ms, struct call *call,
                          natskit_error *err)
{
    if (!nki_capi_str(name, name_len, &call->name)) {
        return nki_capi_invalid(err, "name: the pointer is NULL");
    }
    return nki_capi_timeout_ok(timeout_ms) ? NATSKIT_OK : nki_capi_invalid(err, "timeout_ms is less than -1");
}

/* Makes the call and waits for it. */
static int32_t run(natskit_object_store store, struct call *call, int64_t timeout_ms, natskit_msg **info,
                   natskit_error *err)
{
    struct nki_handle *handle;
    int32_t status = nki_capi_pin(store.id, NATSKIT_KIND_OBJECT_STORE, "object store", &handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_object_store *inner = handle->object;
    const struct nki_js_begin begin = {.deadline_ns = nki_capi_deadline(timeout_ms), .wait_room = true};
    struct nki_op *op;
    status = call->begin(inner, call, &begin, &op, nki_capi_err(err));
    if (status == NATSKIT_OK) {
        status =
            nki_capi_finish_op(inner->js->conn, op, begin.deadline_ns, (struct nki_msg **)(void *)info, err);
        if (status == NATSKIT_TIMEOUT) {
            nki_error_set(nki_capi_err(err), status, "object \"%.*s\": no answer within %" PRId64 " ms",
                          (int)(call->name.len < 80 ? call->name.len : 80), call->name.ptr, timeout_ms);
        }
    }
    nki_handle_unpin(handle);
    return status;
}

/* Begins the call under a handle of its own. */
static int32_t start(natskit_object_store store, struct call *call, natskit_options options,
                     int64_t timeout_ms, natskit_op *op, natskit_error *err)
{
    uint64_t id;
    struct nki_handle *store_handle;
    struct nki_handle *handle;
    int32_t status = nki_capi_options_check(options, NATSKIT_OPTIONS_REQUEST, err);
    if (status == NATSKIT_OK) {
        status = nki_capi_pin(store.id, NATSKIT_KIND_OBJECT_STORE, "object store", &store_handle, err);
    }
    if (status != NATSKIT_OK) {
        return status;
    }
    status = nki_handle_reserve(NATSKIT_KIND_OP, &id, &handle);
    if (status != NATSKIT_OK) {
        nki_error_set(nki_capi_err(err), status, NULL);
    } else {
        struct nki_object_store *inner = store_handle->object;
        const struct nki_js_begin begin = {.deadline_ns = nki_deadline_ns(nki_clock_now_ns(), timeout_ms),
                                           .timed = true};
        struct nki_op *begun;
        status = call->begin(inner, call, &begin, &begun, nki_capi_err(err));
        if (status == NATSKIT_OK) {
            nki_capi_publish_op(inner->js->conn, handle, begun);
            op->id = id;
        } else {
            nki_handle_cancel(handle);
        }
    }
    nki_handle_unpin(store_handle);
    return status;
}

static int32_t check_op(natskit_op *op, natskit_error *err)
{
    if (op == NULL) {
        return nki_capi_invalid(err, "op: the pointer is NULL");
    }
    op->id = 0;
    return NATSKIT_OK;
}

static void forget(natskit_msg **info)
{
    if (info != NULL) {
        *info = NULL;
    }
}

static int32_t check_info(const char *name, size_t name_len, uint32_t flags, int64_t timeout_ms,
                          struct call *call, natskit_error *err)
{
    *call = (struct call){.begin = begin_info, .flags = flags};
    return (flags & ~(NATSKIT_OBJECT_DELETED_TOO | NATSKIT_OBJECT_FOLLOW)) == 0
               ? check_call(name, name_len, timeout_ms, call, err)
               : nki_capi_invalid(err, "flags: not some of NATSKIT_OBJECT_*");
}

natskit_status natskit_object_info(natskit_object_store store, const char *name, size_t name_len,
                                   uint32_t flags, int64_t timeout_ms, natskit_msg **info, natskit_error *err)
{
    struct call call;
    if (info == NULL) {
        return nki_capi_invalid(err, "info: the pointer is NULL");
    }
    forget(info);
    int32_t status = check_info(name, name_len, flags, timeout_ms, &call, err);
    return status == NATSKIT_OK ? run(store, &call, timeout_ms, info, err) : status;
}

natskit_status natskit_object_info_start(natskit_object_store store, const char *name, size_t name_len,
                                         uint32_t flags, natskit_options options, int64_t timeout_ms,
                                         natskit_op *op, natskit_error *err)
{
    struct call call;
    int32_t status = check_op(op, err);
    status = status == NATSKIT_OK ? check_info(name, name_len, flags, timeout_ms, &call, err) : status;
    return status == NATSKIT_OK ? start(store, &call, options, timeout_ms, op, err) : status;
}

natskit_status natskit_object_delete(natskit_object_store store, const char *name, size_t name_len,
                                     int64_t timeout_ms, natskit_msg **info, natskit_error *err)
{
    struct call call = {.begin = begin_delete};
    forget(info);
    int32_t status = check_call(name, name_len, timeout_ms, &call, err);
    return status == NATSKIT_OK ? run(store, &call, timeout_ms, info, err) : status;
}

natskit_status natskit_object_delete_start(natskit_object_store store, const char *name, size_t name_len,
                                           natskit_options options, int64_t timeout_ms, natskit_op *op,
                                           natskit_error *err)
{
    struct call call = {.begin = begin_delete};
    int32_t status = check_op(op, err);
    status = status == NATSKIT_OK ? check_call(name, name_len, timeout_ms, &call, err) : status;
    return status == NATSKIT_OK ? start(store, &call, options, timeout_ms, op, err) : status;
}

natskit_status natskit_object_update(natskit_object_store store, const char *name, size_t name_len,
                                     natskit_json meta, int64_t timeout_ms, natskit_msg **info,
                                     natskit_error *err)
{
    struct call call = {.begin = begin_update, .meta = meta};
    forget(info);
    int32_t status = check_call(name, name_len, timeout_ms, &call, err);
    return status == NATSKIT_OK ? run(store, &call, timeout_ms, info, err) : status;
}

natskit_status natskit_object_update_start(natskit_object_store store, const char *name, size_t name_len,
                                           natskit_json meta, natskit_options options, int64_t timeout_ms,
                                           natskit_op *op, natskit_error *err)
{
    struct call call = {.begin = begin_update, .meta = meta};
    int32_t status = check_op(op, err);
    status = status == NATSKIT_OK ? check_call(name, name_len, timeout_ms, &call, err) : status;
    return status == NATSKIT_OK ? start(store, &call, options, timeout_ms, op, err) : status;
}

static int32_t check_link(const char *bucket, size_t bucket_len, const char *target, size_t target_len,
                          struct call *call, natskit_error *err)
{
    if (!nki_capi_str(bucket, bucket_len, &call->bucket)) {
        return nki_capi_invalid(err, "bucket: the pointer is NULL");
    }
    return nki_capi_str(target, target_len, &call->target)
               ? NATSKIT_OK
               : nki_capi_invalid(err, "target: the pointer is NULL");
}

natskit_status natskit_object_link(natskit_object_store store, const char *name, size_t name_len,
                                   const char *bucket, size_t bucket_len, const char *target,
                                   size_t target_len, int64_t timeout_ms, natskit_msg **info,
                                   natskit_error *err)
{
    struct call call = {.begin = begin_link};
    forget(info);
    int32_t status = check_call(name, name_len, timeout_ms, &call, err);
    status = status == NATSKIT_OK ? check_link(bucket, bucket_len, target, target_len, &call, err) : status;
    return status == NATSKIT_OK ? run(store, &call, timeout_ms, info, err) : status;
}

natskit_status natskit_object_link_start(natskit_object_store store, const char *name, size_t name_len,
                                         const char *bucket, size_t bucket_len, const char *target,
                                         size_t target_len, natskit_options options, int64_t timeout_ms,
                                         natskit_op *op, natskit_error *err)
{
    struct call call = {.begin = begin_link};
    int32_t status = check_op(op, err);
    status = status == NATSKIT_OK ? check_call(name, name_len, timeout_ms, &call, err) : status;
    status = status == NATSKIT_OK ? check_link(bucket, bucket_len, target, target_len, &call, err) : status;
    return status == NATSKIT_OK ? start(store, &call, options, timeout_ms, op, err) : status;
}

/* -- watching -------------------------------------------------------------------------------------------- */

static int32_t watch(void *store, const void *how, natskit_options options, void **out, natskit_error *err)
{
    (void)how;
    struct nki_capi_options use;
    struct nki_sub *sub;
    int32_t status = nki_capi_options_use(options, NATSKIT_OPTIONS_OBJECT_WATCH, &use, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_object_watch_params params = {.marks = true};
    if (use.options != NULL) {
        params = (struct nki_object_watch_params){
            .history = nki_options_bool(use.options, NKI_OPT_OBJECT_WATCH_history),
            .updates_only = nki_options_bool(use.options, NKI_OPT_OBJECT_WATCH_updates_only),
            .ignore_deletes = nki_options_bool(use.options, NKI_OPT_OBJECT_WATCH_ignore_deletes),
            .marks = nki_options_bool(use.options, NKI_OPT_OBJECT_WATCH_marker),
            .ends = nki_options_bool(use.options, NKI_OPT_OBJECT_WATCH_ends),
        };
    }
    status = nki_object_watch(store, &params, &sub, nki_capi_err(err));
    *out = status == NATSKIT_OK ? sub : NULL;
    nki_capi_options_done(&use);
    return status;
}

natskit_status natskit_object_watch(natskit_object_store store, natskit_options options, natskit_sub *out,
                                    natskit_error *err)
{
    static const struct nki_capi_opening opening = {NATSKIT_KIND_OBJECT_STORE, "object store",
                                                    NATSKIT_KIND_SUB, &nki_capi_sub_ops, watch};
    return nki_capi_open_on(&opening, store.id, NULL, options, out != NULL ? &out->id : NULL, err);
}

/* -- views ----------------------------------------------------------------------------------------------- */

natskit_status natskit_msg_object(const natskit_msg *msg, natskit_object_view *view, size_t view_size)
{
    const struct nki_msg *inner = (const struct nki_msg *)(const void *)msg;
    if (msg == NULL || view == NULL || view_size == 0 || inner->kind != NKI_MSG_OBJECT) {
        return NATSKIT_INVALID;
    }
    const struct nki_object_info *info = nki_object_info_of(inner);
    natskit_object_view filled = {
        .bucket = info->bucket.ptr,
        .bucket_len = info->bucket.len,
        .name = info->name.ptr,
        .name_len = info->name.len,
        .description = info->description.ptr,
        .description_len = info->description.len,
        .headers = info->headers.ptr,
        .headers_len = info->headers.len,
        .metadata = info->metadata.ptr,
        .metadata_len = info->metadata.len,
        .nuid = info->nuid.ptr,
        .nuid_len = info->nuid.len,
        .digest = info->digest.ptr,
        .digest_len = info->digest.len,
        .link_bucket = info->link_bucket.ptr,
        .link_bucket_len = info->link_bucket.len,
        .link_name = info->link_name.ptr,
        .link_name_len = info->link_name.len,
        .size = info->size,
        .chunks = info->chunks,
        .max_chunk_size = info->max_chunk_size,
        .revision = info->revision,
        .time_ns = info->time_ns,
        .deleted = info->deleted,
    };
    return nki_capi_give(view, view_size, &filled, sizeof filled);
}
