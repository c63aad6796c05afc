/* What handle_rows.c needs for key-value buckets; a part of that file alone, as handle_js.h. */
#ifndef TESTS_CAPI_HANDLE_KV_H
#define TESTS_CAPI_HANDLE_KV_H

#define H_KV ((natskit_kv){id})
#define NO_REVISION 0

static natskit_kv new_kv;
static natskit_kv_view kv_view;
static natskit_watch_info watch_info;
static natskit_kv_cache_info cache_info;
static natskit_msg *cached[2];
static size_t cached_count;
static uint64_t revision;

/* A put, with the arguments that a row is about. */
#define PUT(kv, key, key_len, value, value_len, ttl_ms, timeout_ms)                                          \
    natskit_kv_write(kv, NATSKIT_KV_PUT, key, key_len, value, value_len, NO_REVISION, ttl_ms, timeout_ms,    \
                     &revision, &error)
#define PUT_START(kv, options, key, key_len, timeout_ms, op)                                                 \
    natskit_kv_write_start(kv, NATSKIT_KV_PUT, key, key_len, "x", 1, NO_REVISION, 0, options, timeout_ms,    \
                           op, &error)
#define WRITE(action, value_len, revision_of, ttl_ms)                                                        \
    natskit_kv_write(kv, action, "k", Z, "x", value_len, revision_of, ttl_ms, 0, &revision, &error)

CALL(kv_open, natskit_kv_open(H_JS, "b", Z, &new_kv, &error))
CALL(kv_open_with, natskit_kv_open_with(H_JS, "b", Z, NO_OPTIONS, &new_kv, &error))
CALL(kv_open_with_options, natskit_kv_open_with(js, "b", Z, H_OPTIONS, &new_kv, &error))
CALL(kv_status, natskit_kv_status(H_KV, 0, &new_json, &error))
CALL(kv_status_start, natskit_kv_status_start(H_KV, NO_OPTIONS, 0, &new_op, &error))
CALL(kv_status_start_options, natskit_kv_status_start(kv, H_OPTIONS, 0, &new_op, &error))
CALL(kv_sweep, natskit_kv_sweep(H_KV, NATSKIT_KV_PURGE_DELETES, NO_OPTIONS, 0, &new_json, &error))
CALL(kv_sweep_options, natskit_kv_sweep(kv, NATSKIT_KV_PURGE_DELETES, H_OPTIONS, 0, &new_json, &error))
CALL(kv_sweep_start, natskit_kv_sweep_start(H_KV, NATSKIT_KV_PURGE_DELETES, NO_OPTIONS, 0, &new_op, &error))
CALL(kv_sweep_start_options,
     natskit_kv_sweep_start(kv, NATSKIT_KV_PURGE_DELETES, H_OPTIONS, 0, &new_op, &error))
CALL(kv_get_many, natskit_kv_get_many(H_KV, NO_OPTIONS, &new_sub, &error))
CALL(kv_cache, natskit_kv_cache(H_KV, NO_OPTIONS, &new_sub, &error))
CALL(kv_cache_options, natskit_kv_cache(kv, H_OPTIONS, &new_sub, &error))
CALL(kv_cached, natskit_kv_cached(H_KV, "k", Z, &msg))
CALL(kv_cached_all, natskit_kv_cached_all(H_KV, cached, 2, &cached_count))
CALL(kv_cache_stats, natskit_kv_cache_stats(H_KV, &cache_info, sizeof cache_info))
CALL(kv_get, natskit_kv_get(H_KV, "k", Z, NO_REVISION, 0, &msg, &error))
CALL(kv_get_start, natskit_kv_get_start(H_KV, "k", Z, NO_REVISION, NO_OPTIONS, 0, &new_op, &error))
CALL(kv_get_start_options, natskit_kv_get_start(kv, "k", Z, NO_REVISION, H_OPTIONS, 0, &new_op, &error))
CALL(kv_write, PUT(H_KV, "k", Z, "x", 1, 0, 0))
CALL(kv_write_start, PUT_START(H_KV, NO_OPTIONS, "k", Z, 0, &new_op))
CALL(kv_write_start_options, PUT_START(kv, H_OPTIONS, "k", Z, 0, &new_op))
CALL(kv_watch, natskit_kv_watch(H_KV, NO_OPTIONS, &new_sub, &error))
CALL(kv_watch_options, natskit_kv_watch(kv, H_OPTIONS, &new_sub, &error))
CALL(kv_config, natskit_kv_config(H_JSON, &new_json, &error))
CALL(sub_watch_info, natskit_sub_watch_info(H_SUB, &watch_info, sizeof watch_info))
CALL(kv_close, natskit_kv_close(H_KV))
CALL(js_call_start_options,
     natskit_js_call_start(js, "account.info", Z, NO_ARGS, H_OPTIONS, 0, &new_op, &error))

#define KV_ROWS                                                                                              \
    ROW(natskit_kv_open, JS, kv_open), ROW(natskit_kv_get, KV, kv_get),                                      \
        ROW(natskit_kv_get_start, KV, kv_get_start),                                                         \
        ROW_OPTIONAL(natskit_kv_get_start, OPTIONS, kv_get_start_options),                                   \
        ROW(natskit_kv_write, KV, kv_write), ROW(natskit_kv_write_start, KV, kv_write_start),                \
        ROW_OPTIONAL(natskit_kv_write_start, OPTIONS, kv_write_start_options),                               \
        ROW(natskit_kv_watch, KV, kv_watch), ROW_OPTIONAL(natskit_kv_watch, OPTIONS, kv_watch_options),      \
        ROW_OPTIONAL(natskit_kv_config, JSON, kv_config), ROW(natskit_sub_watch_info, SUB, sub_watch_info),  \
        ROW_OPTIONAL(natskit_js_call_start, OPTIONS, js_call_start_options),                                 \
        ROW(natskit_kv_open_with, JS, kv_open_with),                                                         \
        ROW_OPTIONAL(natskit_kv_open_with, OPTIONS, kv_open_with_options),                                   \
        ROW(natskit_kv_status, KV, kv_status), ROW(natskit_kv_status_start, KV, kv_status_start),            \
        ROW_OPTIONAL(natskit_kv_status_start, OPTIONS, kv_status_start_options),                             \
        ROW(natskit_kv_sweep, KV, kv_sweep), ROW_OPTIONAL(natskit_kv_sweep, OPTIONS, kv_sweep_options),      \
        ROW(natskit_kv_sweep_start, KV, kv_sweep_start),                                                     \
        ROW_OPTIONAL(natskit_kv_sweep_start, OPTIONS, kv_sweep_start_options),                               \
        ROW(natskit_kv_get_many, KV, kv_get_many), ROW(natskit_kv_cache, KV, kv_cache),                      \
        ROW_OPTIONAL(natskit_kv_cache, OPTIONS, kv_cache_options), ROW(natskit_kv_cached, KV, kv_cached),    \
        ROW(natskit_kv_cached_all, KV, kv_cached_all), ROW(natskit_kv_cache_stats, KV, kv_cache_stats),      \
        ROW(natskit_kv_close, KV, kv_close)

BAD(js_call_answer, natskit_js_call(js, "account.info", Z, NO_ARGS, 0, NULL, &error))
BAD(js_call_missing, natskit_js_call(js, "stream.info", Z, NO_ARGS, 0, &new_json, &error))
BAD(js_call_start_name, natskit_js_call_start(js, NULL, 1, NO_ARGS, NO_OPTIONS, 0, &new_op, &error))
BAD(js_call_start_timeout,
    natskit_js_call_start(js, "account.info", Z, NO_ARGS, NO_OPTIONS, -2, &new_op, &error))
BAD(js_call_start_missing,
    natskit_js_call_start(js, "stream.info", Z, NO_ARGS, NO_OPTIONS, 0, &new_op, &error))
BAD(kv_open_out, natskit_kv_open(js, "b", Z, NULL, &error))
BAD(kv_open_null, natskit_kv_open(js, NULL, 1, &new_kv, &error))
BAD(kv_open_empty, natskit_kv_open(js, "", 0, &new_kv, &error))
BAD(kv_open_dot, natskit_kv_open(js, "a.b", Z, &new_kv, &error))
BAD(kv_open_wildcard, natskit_kv_open(js, "*", Z, &new_kv, &error))
BAD(kv_open_nul, natskit_kv_open(js, "a\0b", 3, &new_kv, &error))
BAD(kv_get_entry, natskit_kv_get(kv, "k", Z, NO_REVISION, 0, NULL, &error))
BAD(kv_get_null, natskit_kv_get(kv, NULL, 1, NO_REVISION, 0, &msg, &error))
BAD(kv_get_key, natskit_kv_get(kv, "a..b", Z, NO_REVISION, 0, &msg, &error))
BAD(kv_get_timeout, natskit_kv_get(kv, "k", Z, NO_REVISION, -2, &msg, &error))
BAD(kv_get_start_op, natskit_kv_get_start(kv, "k", Z, NO_REVISION, NO_OPTIONS, 0, NULL, &error))
BAD(kv_get_start_null, natskit_kv_get_start(kv, NULL, 1, NO_REVISION, NO_OPTIONS, 0, &new_op, &error))
BAD(kv_get_start_key, natskit_kv_get_start(kv, "a.", Z, NO_REVISION, NO_OPTIONS, 0, &new_op, &error))
BAD(kv_get_start_timeout, natskit_kv_get_start(kv, "k", Z, NO_REVISION, NO_OPTIONS, -2, &new_op, &error))
BAD(kv_write_null, PUT(kv, NULL, 1, "x", 1, 0, 0))
BAD(kv_write_key, PUT(kv, "_kv.a", Z, "x", 1, 0, 0))
BAD(kv_write_value, PUT(kv, "k", Z, NULL, 1, 0, 0))
BAD(kv_write_timeout, PUT(kv, "k", Z, "x", 1, 0, -2))
BAD(kv_write_ttl, PUT(kv, "k", Z, "x", 1, 1000, 0))
BAD(kv_write_action, WRITE(0, 1, NO_REVISION, 0))
BAD(kv_write_action_beyond, WRITE(6, 1, NO_REVISION, 0))
BAD(kv_write_delete_value, WRITE(NATSKIT_KV_DELETE, 1, NO_REVISION, 0))
BAD(kv_write_purge_value, WRITE(NATSKIT_KV_PURGE, 1, NO_REVISION, 0))
BAD(kv_write_delete_ttl, WRITE(NATSKIT_KV_DELETE, 0, NO_REVISION, 1000))
BAD(kv_write_update_ttl, WRITE(NATSKIT_KV_UPDATE, 1, 1, 1000))
BAD(kv_write_short_ttl, WRITE(NATSKIT_KV_CREATE, 1, NO_REVISION, 999))
BAD(kv_write_negative_ttl, WRITE(NATSKIT_KV_PURGE, 0, NO_REVISION, -1))
BAD(kv_write_create_revision, WRITE(NATSKIT_KV_CREATE, 1, 1, 0))
BAD(kv_write_start_op, PUT_START(kv, NO_OPTIONS, "k", Z, 0, NULL))
BAD(kv_write_start_null, PUT_START(kv, NO_OPTIONS, NULL, 1, 0, &new_op))
BAD(kv_write_start_key, PUT_START(kv, NO_OPTIONS, ".a", Z, 0, &new_op))
BAD(kv_write_start_timeout, PUT_START(kv, NO_OPTIONS, "k", Z, -2, &new_op))
BAD(kv_watch_out, natskit_kv_watch(kv, NO_OPTIONS, NULL, &error))
BAD(kv_watch_scope, natskit_kv_watch(kv, options, &new_sub, &error))
BAD(kv_config_out, natskit_kv_config(json, NULL, &error))
BAD(kv_config_none, natskit_kv_config(NO_ARGS, &new_json, &error))
BAD(kv_config_unknown, natskit_kv_config(json, &new_json, &error))
BAD(kv_open_with_out, natskit_kv_open_with(js, "b", Z, NO_OPTIONS, NULL, &error))
BAD(kv_open_with_null, natskit_kv_open_with(js, NULL, 1, NO_OPTIONS, &new_kv, &error))
BAD(kv_open_with_dot, natskit_kv_open_with(js, "a.b", Z, NO_OPTIONS, &new_kv, &error))
BAD(kv_open_with_scope, natskit_kv_open_with(js, "b", Z, options, &new_kv, &error))
BAD(kv_status_answer, natskit_kv_status(kv, 0, NULL, &error))
BAD(kv_status_timeout, natskit_kv_status(kv, -2, &new_json, &error))
BAD(kv_status_start_op, natskit_kv_status_start(kv, NO_OPTIONS, 0, NULL, &error))
BAD(kv_status_start_timeout, natskit_kv_status_start(kv, NO_OPTIONS, -2, &new_op, &error))
BAD(kv_sweep_answer, natskit_kv_sweep(kv, NATSKIT_KV_PURGE_DELETES, NO_OPTIONS, 0, NULL, &error))
BAD(kv_sweep_action, natskit_kv_sweep(kv, NATSKIT_KV_PUT, NO_OPTIONS, 0, &new_json, &error))
BAD(kv_sweep_keys, natskit_kv_sweep(kv, NATSKIT_KV_DELETE, NO_OPTIONS, 0, &new_json, &error))
BAD(kv_sweep_timeout, natskit_kv_sweep(kv, NATSKIT_KV_PURGE_DELETES, NO_OPTIONS, -2, &new_json, &error))
BAD(kv_sweep_scope, natskit_kv_sweep(kv, NATSKIT_KV_PURGE_DELETES, options, 0, &new_json, &error))
BAD(kv_sweep_start_op, natskit_kv_sweep_start(kv, NATSKIT_KV_PURGE_DELETES, NO_OPTIONS, 0, NULL, &error))
BAD(kv_sweep_start_action, natskit_kv_sweep_start(kv, NATSKIT_KV_UPDATE, NO_OPTIONS, 0, &new_op, &error))
BAD(kv_sweep_start_timeout,
    natskit_kv_sweep_start(kv, NATSKIT_KV_PURGE_DELETES, NO_OPTIONS, -2, &new_op, &error))
BAD(kv_get_many_out, natskit_kv_get_many(kv, NO_OPTIONS, NULL, &error))
BAD(kv_get_many_none, natskit_kv_get_many(kv, NO_OPTIONS, &new_sub, &error))
BAD(kv_get_many_scope, natskit_kv_get_many(kv, options, &new_sub, &error))
BAD(kv_cache_out, natskit_kv_cache(kv, NO_OPTIONS, NULL, &error))
BAD(kv_cache_scope, natskit_kv_cache(kv, options, &new_sub, &error))
BAD(kv_cached_entry, natskit_kv_cached(kv, "k", Z, NULL))
BAD(kv_cached_null, natskit_kv_cached(kv, NULL, 1, &msg))
BAD(kv_cached_key, natskit_kv_cached(kv, "a..b", Z, &msg))
BAD(kv_cached_all_count, natskit_kv_cached_all(kv, cached, 2, NULL))
BAD(kv_cached_all_entries, natskit_kv_cached_all(kv, NULL, 2, &cached_count))
BAD(kv_cache_stats_info, natskit_kv_cache_stats(kv, NULL, sizeof cache_info))
BAD(kv_cache_stats_size, natskit_kv_cache_stats(kv, &cache_info, 0))
BAD(msg_kv_msg, natskit_msg_kv(NULL, &kv_view, sizeof kv_view))
BAD(msg_kv_view, natskit_msg_kv(received, NULL, sizeof kv_view))
BAD(msg_kv_size, natskit_msg_kv(received, &kv_view, 0))
BAD(msg_kv_kind, natskit_msg_kv(received, &kv_view, sizeof kv_view))
BAD(watch_info_null, natskit_sub_watch_info(sub, NULL, sizeof watch_info))
BAD(watch_info_size, natskit_sub_watch_info(sub, &watch_info, 0))

#define KV_BAD_ROWS                                                                                          \
    BAD_ROW(natskit_js_call, js_call_answer), BAD_ROW(natskit_js_call, js_call_missing),                     \
        BAD_ROW(natskit_js_call_start, js_call_start_name),                                                  \
        BAD_ROW(natskit_js_call_start, js_call_start_timeout),                                               \
        BAD_ROW(natskit_js_call_start, js_call_start_missing), BAD_ROW(natskit_kv_open, kv_open_out),        \
        BAD_ROW(natskit_kv_open, kv_open_null), BAD_ROW(natskit_kv_open, kv_open_empty),                     \
        BAD_ROW(natskit_kv_open, kv_open_dot), BAD_ROW(natskit_kv_open, kv_open_wildcard),                   \
        BAD_ROW(natskit_kv_open, kv_open_nul), BAD_ROW(natskit_kv_get, kv_get_entry),                        \
        BAD_ROW(natskit_kv_get, kv_get_null), BAD_ROW(natskit_kv_get, kv_get_key),                           \
        BAD_ROW(natskit_kv_get, kv_get_timeout), BAD_ROW(natskit_kv_get_start, kv_get_start_op),             \
        BAD_ROW(natskit_kv_get_start, kv_get_start_null), BAD_ROW(natskit_kv_get_start, kv_get_start_key),   \
        BAD_ROW(natskit_kv_get_start, kv_get_start_timeout), BAD_ROW(natskit_kv_write, kv_write_null),       \
        BAD_ROW(natskit_kv_write, kv_write_key), BAD_ROW(natskit_kv_write, kv_write_value),                  \
        BAD_ROW(natskit_kv_write, kv_write_timeout), BAD_ROW(natskit_kv_write, kv_write_ttl),                \
        BAD_ROW(natskit_kv_write, kv_write_action), BAD_ROW(natskit_kv_write, kv_write_action_beyond),       \
        BAD_ROW(natskit_kv_write, kv_write_delete_value), BAD_ROW(natskit_kv_write, kv_write_purge_value),   \
        BAD_ROW(natskit_kv_write, kv_write_delete_ttl), BAD_ROW(natskit_kv_write, kv_write_update_ttl),      \
        BAD_ROW(natskit_kv_write, kv_write_short_ttl), BAD_ROW(natskit_kv_write, kv_write_negative_ttl),     \
        BAD_ROW(natskit_kv_write, kv_write_create_revision),                                                 \
        BAD_ROW(natskit_kv_write_start, kv_write_start_op),                                                  \
        BAD_ROW(natskit_kv_write_start, kv_write_start_null),                                                \
        BAD_ROW(natskit_kv_write_start, kv_write_start_key),                                                 \
        BAD_ROW(natskit_kv_write_start, kv_write_start_timeout), BAD_ROW(natskit_kv_watch, kv_watch_out),    \
        BAD_ROW(natskit_kv_watch, kv_watch_scope), BAD_ROW(natskit_kv_config, kv_config_out),                \
        BAD_ROW(natskit_kv_config, kv_config_none), BAD_ROW(natskit_kv_config, kv_config_unknown),           \
        BAD_ROW(natskit_kv_open_with, kv_open_with_out), BAD_ROW(natskit_kv_open_with, kv_open_with_null),   \
        BAD_ROW(natskit_kv_open_with, kv_open_with_dot), BAD_ROW(natskit_kv_open_with, kv_open_with_scope),  \
        BAD_ROW(natskit_kv_status, kv_status_answer), BAD_ROW(natskit_kv_status, kv_status_timeout),         \
        BAD_ROW(natskit_kv_status_start, kv_status_start_op),                                                \
        BAD_ROW(natskit_kv_status_start, kv_status_start_timeout),                                           \
        BAD_ROW(natskit_kv_sweep, kv_sweep_answer), BAD_ROW(natskit_kv_sweep, kv_sweep_action),              \
        BAD_ROW(natskit_kv_sweep, kv_sweep_keys), BAD_ROW(natskit_kv_sweep, kv_sweep_timeout),               \
        BAD_ROW(natskit_kv_sweep, kv_sweep_scope), BAD_ROW(natskit_kv_sweep_start, kv_sweep_start_op),       \
        BAD_ROW(natskit_kv_sweep_start, kv_sweep_start_action),                                              \
        BAD_ROW(natskit_kv_sweep_start, kv_sweep_start_timeout),                                             \
        BAD_ROW(natskit_kv_get_many, kv_get_many_out), BAD_ROW(natskit_kv_get_many, kv_get_many_none),       \
        BAD_ROW(natskit_kv_get_many, kv_get_many_scope), BAD_ROW(natskit_kv_cache, kv_cache_out),            \
        BAD_ROW(natskit_kv_cache, kv_cache_scope), BAD_ROW(natskit_kv_cached, kv_cached_entry),              \
        BAD_ROW(natskit_kv_cached, kv_cached_null), BAD_ROW(natskit_kv_cached, kv_cached_key),               \
        BAD_ROW(natskit_kv_cached_all, kv_cached_all_count),                                                 \
        BAD_ROW(natskit_kv_cached_all, kv_cached_all_entries),                                               \
        BAD_ROW(natskit_kv_cache_stats, kv_cache_stats_info),                                                \
        BAD_ROW(natskit_kv_cache_stats, kv_cache_stats_size), BAD_ROW(natskit_msg_kv, msg_kv_msg),           \
        BAD_ROW(natskit_msg_kv, msg_kv_view), BAD_ROW(natskit_msg_kv, msg_kv_size),                          \
        BAD_ROW(natskit_msg_kv, msg_kv_kind), BAD_ROW(natskit_sub_watch_info, watch_info_null),              \
        BAD_ROW(natskit_sub_watch_info, watch_info_size)

#endif
