/* Buckets as a whole: their status, changing many keys, entries at hand. Any thread. */
#include "base/alloc.h"
#include "capi/guard.h"
#include "kv/cache.h"
#include "kv/call.h"
#include "kv/get_many.h"
#include "kv/sweep.h"
#include "options/options.h"

#include <inttypes.h>

_Static_assert(NATSKIT_KV_DELETE == (int)NKI_KV_SWEEP_DELETE && NATSKIT_KV_PURGE == (int)NKI_KV_SWEEP_PURGE &&
                   NATSKIT_KV_PURGE_DELETES == (int)NKI_KV_SWEEP_DELETES,
               "actions are numbered alike");

/* How an operation is begun. */
struct begin {
    int64_t deadline_ns;
    bool timed;
    bool wait_room;
};

static int32_t begin_status(struct nki_kv *kv, const struct begin *begin, struct nki_op **op,
                            natskit_error *err)
{
    struct nki_chain *chain;
    int32_t status = nki_kv_status_make(kv, &chain, nki_capi_err(err));
    return status != NATSKIT_OK ? status
                                : nki_conn_chain(kv->js->conn, chain, begin->deadline_ns, begin->timed,
                                                 begin->wait_room, op, nki_capi_err(err));
}

/* What is asked of a bucket as a whole. */
struct asked {
    const char *what;
    int32_t action; /* 0: its status */
    natskit_options options;
};

static int32_t begin_sweep_with(struct nki_kv *kv, const struct asked *asked, const struct begin *begin,
                                const struct nki_options *options, struct nki_op **op, natskit_error *err)
{
    struct nki_str patterns[NKI_KV_PATTERNS_MAX];
    struct nki_kv_sweep_params params = {
        .action = (enum nki_kv_sweep_action)asked->action,
        .patterns = patterns,
        .pattern_count = nki_options_list_len(options, NKI_OPT_KV_SWEEP_keys),
        .older_than_ms = nki_options_int(options, NKI_OPT_KV_SWEEP_older_than_ms),
        .in_flight = (size_t)nki_options_int(options, NKI_OPT_KV_SWEEP_in_flight),
    };
    for (size_t i = 0; i < params.pattern_count; i++) { /* the table bounds their number */
        patterns[i] = nki_options_list_at(options, NKI_OPT_KV_SWEEP_keys, i);
    }
    if (params.pattern_count == 0 && asked->action != NATSKIT_KV_PURGE_DELETES) {
        return nki_capi_invalid(err, "option keys: none is given; \">\" stands for all");
    }
    return nki_kv_sweep(kv, &params, begin->deadline_ns, begin->timed, op, nki_capi_err(err));
}

static int32_t begin_sweep(struct nki_kv *kv, const struct asked *asked, const struct begin *begin,
                           struct nki_op **op, natskit_error *err)
{
    struct nki_capi_options use;
    int32_t status = nki_capi_options_use(asked->options, NATSKIT_OPTIONS_KV_SWEEP, &use, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    if (use.options != NULL) {
        status = begin_sweep_with(kv, asked, begin, use.options, op, err);
        nki_capi_options_done(&use);
        return status;
    }
    struct nki_options *defaults = nki_options_new(NKI_SCOPE_KV_SWEEP);
    if (defaults == NULL) {
        return nki_error_set(nki_capi_err(err), NATSKIT_NO_MEMORY, NULL);
    }
    status = begin_sweep_with(kv, asked, begin, defaults, op, err);
    nki_options_free(defaults);
    return status;
}

static int32_t begin_any(struct nki_kv *kv, const struct asked *asked, const struct begin *begin,
                         struct nki_op **op, natskit_error *err)
{
    return asked->action == 0 ? begin_status(kv, begin, op, err) : begin_sweep(kv, asked, begin, op, err);
}

static int32_t check_action(int32_t action, natskit_error *err)
{
    bool known =
        action == NATSKIT_KV_DELETE || action == NATSKIT_KV_PURGE || action == NATSKIT_KV_PURGE_DELETES;
    return known ? NATSKIT_OK
                 : nki_capi_invalid(err, "action: not NATSKIT_KV_DELETE, NATSKIT_KV_PURGE or "
                                         "NATSKIT_KV_PURGE_DELETES");
}

static int32_t ask(natskit_kv kv, const struct asked *asked, int64_t timeout_ms, natskit_json *answer,
                   natskit_error *err)
{
    if (answer == NULL) {
        return nki_capi_invalid(err, "answer: the pointer is NULL");
    }
    answer->id = 0;
    if (!nki_capi_timeout_ok(timeout_ms)) {
        return nki_capi_invalid(err, "timeout_ms is less than -1");
    }
    struct nki_handle *handle;
    int32_t status = nki_capi_pin(kv.id, NATSKIT_KIND_KV, "bucket", &handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_kv *bucket = handle->object;
    const struct begin begin = {.deadline_ns = nki_capi_deadline(timeout_ms), .wait_room = true};
    struct nki_op *op;
    struct nki_msg *reply = NULL;
    status = begin_any(bucket, asked, &begin, &op, err);
    if (status == NATSKIT_OK) {
        status = nki_capi_finish_op(bucket->js->conn, op, begin.deadline_ns, &reply, err);
        if (status == NATSKIT_TIMEOUT) {
            nki_error_set(nki_capi_err(err), status, "%s: not done within %" PRId64 " ms", asked->what,
                          timeout_ms);
        }
    }
    if (status == NATSKIT_OK) {
        status = nki_capi_json_read(nki_msg_data(reply), answer, err);
        nki_msg_release(reply);
    }
    nki_handle_unpin(handle);
    return status;
}

/* Under a handle of its own. */
static int32_t start(struct nki_kv *bucket, const struct asked *asked, int64_t timeout_ms, natskit_op *op,
                     natskit_error *err)
{
    uint64_t id;
    struct nki_handle *handle;
    int32_t status = nki_handle_reserve(NATSKIT_KIND_OP, &id, &handle);
    if (status != NATSKIT_OK) {
        return nki_error_set(nki_capi_err(err), status, NULL);
    }
    const struct begin begin = {.deadline_ns = nki_deadline_ns(nki_clock_now_ns(), timeout_ms),
                                .timed = true};
    struct nki_op *inner;
    status = begin_any(bucket, asked, &begin, &inner, err);
    if (status == NATSKIT_OK) {
        nki_capi_publish_op(bucket->js->conn, handle, inner);
        op->id = id;
    } else {
        nki_handle_cancel(handle);
    }
    return status;
}

static int32_t ask_start(natskit_kv kv, const struct asked *asked, int64_t timeout_ms, natskit_op *op,
                         natskit_error *err)
{
    if (!nki_capi_timeout_ok(timeout_ms)) {
        return nki_capi_invalid(err, "timeout_ms is less than -1");
    }
    struct nki_handle *handle;
    int32_t status = nki_capi_pin(kv.id, NATSKIT_KIND_KV, "bucket", &handle, err);
    if (status == NATSKIT_OK) {
        status = start(handle->object, asked, timeout_ms, op, err);
        nki_handle_unpin(handle);
    }
    return status;
}

natskit_status natskit_kv_status(natskit_kv kv, int64_t timeout_ms, natskit_json *answer, natskit_error *err)
{
    const struct asked asked = {.what = "kv.status"};
    return ask(kv, &asked, timeout_ms, answer, err);
}

natskit_status natskit_kv_status_start(natskit_kv kv, natskit_options options, int64_t timeout_ms,
                                       natskit_op *op, natskit_error *err)
{
    if (op == NULL) {
        return nki_capi_invalid(err, "op: the pointer is NULL");
    }
    op->id = 0;
    int32_t status = nki_capi_options_check(options, NATSKIT_OPTIONS_REQUEST, err);
    const struct asked asked = {.what = "kv.status"};
    return status == NATSKIT_OK ? ask_start(kv, &asked, timeout_ms, op, err) : status;
}

natskit_status natskit_kv_sweep(natskit_kv kv, int32_t action, natskit_options options, int64_t timeout_ms,
                                natskit_json *answer, natskit_error *err)
{
    const struct asked asked = {.what = "kv sweep", .action = action, .options = options};
    int32_t status = check_action(action, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    return ask(kv, &asked, timeout_ms, answer, err);
}

natskit_status natskit_kv_sweep_start(natskit_kv kv, int32_t action, natskit_options options,
                                      int64_t timeout_ms, natskit_op *op, natskit_error *err)
{
    if (op == NULL) {
        return nki_capi_invalid(err, "op: the pointer is NULL");
    }
    op->id = 0;
    const struct asked asked = {.what = "kv sweep", .action = action, .options = options};
    int32_t status = check_action(action, err);
    return status == NATSKIT_OK ? ask_start(kv, &asked, timeout_ms, op, err) : status;
}

/* -- entries at hand ------------------------------------------------------------------------------------- */

static int32_t cache_with(struct nki_kv *kv, const struct nki_options *options, struct nki_sub **sub,
                          natskit_error *err)
{
    struct nki_str patterns[NKI_KV_PATTERNS_MAX];
    size_t count = nki_options_list_len(options, NKI_OPT_KV_WATCH_keys);
    bool other = nki_options_bool(options, NKI_OPT_KV_WATCH_history) ||
                 nki_options_bool(options, NKI_OPT_KV_WATCH_updates_only) ||
                 nki_options_int(options, NKI_OPT_KV_WATCH_from_revision) > 0 ||
                 nki_options_bool(options, NKI_OPT_KV_WATCH_ignore_deletes) ||
                 nki_options_bool(options, NKI_OPT_KV_WATCH_ends) ||
                 !nki_options_bool(options, NKI_OPT_KV_WATCH_marker);
    if (other) {
        return nki_capi_invalid(err, "options: of a cache only keys and headers_only may be set");
    }
    for (size_t i = 0; i < count; i++) { /* the table bounds their number */
        patterns[i] = nki_options_list_at(options, NKI_OPT_KV_WATCH_keys, i);
    }
    return nki_kv_cache_open(kv, patterns, count, nki_options_bool(options, NKI_OPT_KV_WATCH_headers_only),
                             sub, nki_capi_err(err));
}

static int32_t cache(void *kv, const void *how, natskit_options options, void **out, natskit_error *err)
{
    (void)how;
    struct nki_capi_options use;
    struct nki_sub *sub;
    int32_t status = nki_capi_options_use(options, NATSKIT_OPTIONS_KV_WATCH, &use, err);
    if (status == NATSKIT_OK) {
        status = use.options != NULL ? cache_with(kv, use.options, &sub, err)
                                     : nki_kv_cache_open(kv, NULL, 0, false, &sub, nki_capi_err(err));
        *out = status == NATSKIT_OK ? sub : NULL;
        nki_capi_options_done(&use);
    }
    return status;
}

/* -- several keys of one moment --------------------------------------------------------------------------
 */

static int32_t get_many_with(struct nki_kv *kv, const struct nki_options *options, struct nki_sub **sub,
                             natskit_error *err)
{
    size_t count = nki_options_list_len(options, NKI_OPT_KV_MANY_keys); /* the table bounds it */
    if (count == 0) {
        return nki_capi_invalid(err, "option keys: none is given; \">\" stands for all");
    }
    struct nki_str *keys = nki_alloc(count * sizeof *keys);
    if (keys == NULL) {
        return nki_error_set(nki_capi_err(err), NATSKIT_NO_MEMORY, NULL);
    }
    for (size_t i = 0; i < count; i++) {
        keys[i] = nki_options_list_at(options, NKI_OPT_KV_MANY_keys, i);
    }
    const struct nki_kv_many_params params = {
        .keys = keys,
        .key_count = count,
        .ignore_deletes = nki_options_bool(options, NKI_OPT_KV_MANY_ignore_deletes),
        .answer_ms = nki_options_int(options, NKI_OPT_KV_MANY_answer_ms),
    };
    int32_t status = nki_kv_get_many(kv, &params, sub, nki_capi_err(err));
    nki_free(keys);
    return status;
}

static int32_t get_many(void *kv, const void *how, natskit_options options, void **out, natskit_error *err)
{
    (void)how;
    struct nki_capi_options use;
    struct nki_sub *sub;
    int32_t status = nki_capi_options_use(options, NATSKIT_OPTIONS_KV_MANY, &use, err);
    if (status == NATSKIT_OK) {
        status = use.options != NULL ? get_many_with(kv, use.options, &sub, err)
                                     : nki_capi_invalid(err, "options: there are no keys in none");
        *out = status == NATSKIT_OK ? sub : NULL;
        nki_capi_options_done(&use);
    }
    return status;
}

/* -- subscriptions --------------------------------------------------------------------------------------- */

natskit_status natskit_kv_cache(natskit_kv kv, natskit_options options, natskit_sub *out, natskit_error *err)
{
    static const struct nki_capi_opening opening = {NATSKIT_KIND_KV, "bucket", NATSKIT_KIND_SUB,
                                                    &nki_capi_sub_ops, cache};
    return nki_capi_open_on(&opening, kv.id, NULL, options, out != NULL ? &out->id : NULL, err);
}

natskit_status natskit_kv_get_many(natskit_kv kv, natskit_options options, natskit_sub *out,
                                   natskit_error *err)
{
    static const struct nki_capi_opening opening = {NATSKIT_KIND_KV, "bucket", NATSKIT_KIND_SUB,
                                                    &nki_capi_sub_ops, get_many};
    return nki_capi_open_on(&opening, kv.id, NULL, options, out != NULL ? &out->id : NULL, err);
}

natskit_status natskit_kv_cached(natskit_kv kv, const char *key, size_t key_len, natskit_msg **entry)
{
    struct nki_str name;
    struct nki_handle *handle;
    if (entry == NULL) {
        return NATSKIT_INVALID;
    }
    *entry = NULL;
    if (!nki_capi_str(key, key_len, &name)) {
        return NATSKIT_INVALID;
    }
    int32_t status = nki_handle_pin(kv.id, NATSKIT_KIND_KV, &handle);
    if (status == NATSKIT_OK) {
        status = nki_kv_cached(handle->object, name, (struct nki_msg **)(void *)entry);
        nki_handle_unpin(handle);
    }
    return status;
}

natskit_status natskit_kv_cached_all(natskit_kv kv, natskit_msg **entries, size_t cap, size_t *count)
{
    struct nki_handle *handle;
    if (count == NULL || (entries == NULL && cap > 0)) {
        return NATSKIT_INVALID;
    }
    *count = 0;
    int32_t status = nki_handle_pin(kv.id, NATSKIT_KIND_KV, &handle);
    if (status == NATSKIT_OK) {
        status = nki_kv_cached_all(handle->object, (struct nki_msg **)(void *)entries, cap, count);
        nki_handle_unpin(handle);
    }
    return status;
}

natskit_status natskit_kv_cache_stats(natskit_kv kv, natskit_kv_cache_info *info, size_t info_size)
{
    struct nki_handle *handle;
    struct nki_kv_cache_info inner;
    if (info == NULL || info_size == 0) {
        return NATSKIT_INVALID;
    }
    int32_t status = nki_handle_pin(kv.id, NATSKIT_KIND_KV, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    bool has = nki_kv_cache_info_get(handle->object, &inner);
    nki_handle_unpin(handle);
    if (!has) {
        return NATSKIT_NOT_FOUND;
    }
    natskit_kv_cache_info filled = {.entries = inner.entries,
                                    .bytes = inner.bytes,
                                    .last_revision = inner.last_revision,
                                    .complete = inner.complete,
                                    .reason = inner.reason};
    return nki_capi_give(info, info_size, &filled, sizeof filled);
}
