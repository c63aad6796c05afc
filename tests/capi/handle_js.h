/* What handle_rows.c needs for JetStream; a part of that file alone, as handle_json.h. */
#ifndef TESTS_CAPI_HANDLE_JS_H
#define TESTS_CAPI_HANDLE_JS_H

#define H_JS ((natskit_js){id})
#define NO_ARGS ((natskit_json){0})

static natskit_js new_js;
static natskit_json new_json;
static natskit_js_call_info call_info;
static natskit_js_field_info field_info;
static natskit_status_view status_view;

static natskit_status sub_pull_info(uint64_t id)
{
    natskit_pull_info pull_info;
    return natskit_sub_pull_info(H_SUB, &pull_info, sizeof pull_info);
}

static natskit_status sub_push_info(uint64_t id)
{
    natskit_push_info push_info;
    return natskit_sub_push_info(H_SUB, &push_info, sizeof push_info);
}

CALL(js_open, natskit_js_open(H_CONN, NO_OPTIONS, &new_js, &error))
CALL(js_open_options, natskit_js_open(conn, H_OPTIONS, &new_js, &error))
CALL(js_call, natskit_js_call(H_JS, "account.info", Z, NO_ARGS, 0, &new_json, &error))
CALL(js_call_args, natskit_js_call(js, "account.info", Z, H_JSON, 0, &new_json, &error))
CALL(js_call_start, natskit_js_call_start(H_JS, "account.info", Z, NO_ARGS, NO_OPTIONS, 0, &new_op, &error))
CALL(js_call_start_args, natskit_js_call_start(js, "account.info", Z, H_JSON, NO_OPTIONS, 0, &new_op, &error))
CALL(op_json, natskit_op_json(H_OP, &new_json, &error))
CALL(js_fetch, natskit_js_fetch(H_JS, "S", Z, "c", Z, NO_OPTIONS, &new_sub, &error))
CALL(js_fetch_options, natskit_js_fetch(js, "S", Z, "c", Z, H_OPTIONS, &new_sub, &error))
CALL(js_consume, natskit_js_consume(H_JS, "S", Z, "c", Z, NO_OPTIONS, &new_sub, &error))
CALL(js_consume_options, natskit_js_consume(js, "S", Z, "c", Z, H_OPTIONS, &new_sub, &error))
CALL(js_next_with, natskit_js_next_with(H_JS, "S", Z, "c", Z, NO_OPTIONS, 0, &msg, &error))
CALL(js_next_options, natskit_js_next_with(js, "S", Z, "c", Z, H_OPTIONS, 0, &msg, &error))
CALL(js_next, natskit_js_next(H_JS, "S", Z, "c", Z, 0, &msg, &error))
CALL(js_ordered, natskit_js_ordered(H_JS, "S", Z, NO_OPTIONS, &new_sub, &error))
CALL(js_ordered_options, natskit_js_ordered(js, "S", Z, H_OPTIONS, &new_sub, &error))
CALL(js_subscribe, natskit_js_subscribe(H_JS, "s", Z, NO_OPTIONS, 0, &new_sub, &error))
CALL(js_subscribe_options, natskit_js_subscribe(js, "s", Z, H_OPTIONS, 0, &new_sub, &error))
CALL(js_subscribe_start, natskit_js_subscribe_start(H_JS, "s", Z, NO_OPTIONS, 0, &new_sub, &new_op, &error))
CALL(js_subscribe_start_options,
     natskit_js_subscribe_start(js, "s", Z, H_OPTIONS, 0, &new_sub, &new_op, &error))
CALL(restore_chunk, natskit_js_restore_chunk(H_JS, "a", Z, "x", 1, 0, &new_json, &error))
CALL(restore_start, natskit_js_restore_chunk_start(H_JS, "a", Z, "x", 1, NO_OPTIONS, 0, &new_op, &error))
CALL(restore_options, natskit_js_restore_chunk_start(js, "a", Z, "x", 1, H_OPTIONS, 0, &new_op, &error))
CALL(js_snapshot, natskit_js_snapshot(H_JS, NO_ARGS, 0, &new_sub, &new_json, &error))
CALL(js_snapshot_args, natskit_js_snapshot(js, H_JSON, 0, &new_sub, &new_json, &error))
CALL(js_snapshot_start, natskit_js_snapshot_start(H_JS, NO_ARGS, 0, &new_sub, &new_op, &error))
CALL(js_snapshot_start_args, natskit_js_snapshot_start(js, H_JSON, 0, &new_sub, &new_op, &error))
CALL(trace_tree, natskit_trace_tree(H_JSON, &new_json, &error))
CALL(js_close, natskit_js_close(H_JS))

#define JS_ROWS                                                                                              \
    ROW(natskit_js_open, CONN, js_open), ROW_OPTIONAL(natskit_js_open, OPTIONS, js_open_options),            \
        ROW(natskit_js_call, JS, js_call), ROW_OPTIONAL(natskit_js_call, JSON, js_call_args),                \
        ROW(natskit_js_call_start, JS, js_call_start),                                                       \
        ROW_OPTIONAL(natskit_js_call_start, JSON, js_call_start_args), ROW(natskit_op_json, OP, op_json),    \
        ROW(natskit_js_fetch, JS, js_fetch), ROW_OPTIONAL(natskit_js_fetch, OPTIONS, js_fetch_options),      \
        ROW(natskit_js_consume, JS, js_consume),                                                             \
        ROW_OPTIONAL(natskit_js_consume, OPTIONS, js_consume_options), ROW(natskit_js_next, JS, js_next),    \
        ROW(natskit_js_next_with, JS, js_next_with),                                                         \
        ROW_OPTIONAL(natskit_js_next_with, OPTIONS, js_next_options),                                        \
        ROW(natskit_js_ordered, JS, js_ordered),                                                             \
        ROW_OPTIONAL(natskit_js_ordered, OPTIONS, js_ordered_options),                                       \
        ROW(natskit_js_restore_chunk, JS, restore_chunk),                                                    \
        ROW(natskit_js_restore_chunk_start, JS, restore_start),                                              \
        ROW_OPTIONAL(natskit_js_restore_chunk_start, OPTIONS, restore_options),                              \
        ROW(natskit_trace_tree, JSON, trace_tree), ROW(natskit_js_snapshot, JS, js_snapshot),                \
        ROW_OPTIONAL(natskit_js_snapshot, JSON, js_snapshot_args),                                           \
        ROW(natskit_js_snapshot_start, JS, js_snapshot_start),                                               \
        ROW_OPTIONAL(natskit_js_snapshot_start, JSON, js_snapshot_start_args),                               \
        ROW(natskit_js_subscribe, JS, js_subscribe),                                                         \
        ROW_OPTIONAL(natskit_js_subscribe, OPTIONS, js_subscribe_options),                                   \
        ROW(natskit_js_subscribe_start, JS, js_subscribe_start),                                             \
        ROW_OPTIONAL(natskit_js_subscribe_start, OPTIONS, js_subscribe_start_options),                       \
        ROW(natskit_sub_push_info, SUB, sub_push_info), ROW(natskit_sub_pull_info, SUB, sub_pull_info),      \
        ROW(natskit_js_close, JS, js_close)

BAD(js_open_out, natskit_js_open(conn, NO_OPTIONS, NULL, &error))
BAD(js_call_at_null, natskit_js_call_at(0, NULL, sizeof call_info))
BAD(js_call_at_size, natskit_js_call_at(0, &call_info, 0))
BAD(js_field_at_null, natskit_js_field_at(0, NULL, sizeof field_info))
BAD(js_field_at_size, natskit_js_field_at(0, &field_info, 0))
BAD(js_call_name, natskit_js_call(js, NULL, 1, NO_ARGS, 0, &new_json, &error))
BAD(js_call_timeout, natskit_js_call(js, "account.info", Z, NO_ARGS, -2, &new_json, &error))
BAD(js_call_start_op, natskit_js_call_start(js, "account.info", Z, NO_ARGS, NO_OPTIONS, 0, NULL, &error))
BAD(op_json_out, natskit_op_json(op, NULL, &error))
BAD(js_fetch_out, natskit_js_fetch(js, "S", Z, "c", Z, NO_OPTIONS, NULL, &error))
BAD(js_fetch_stream, natskit_js_fetch(js, "S.T", Z, "c", Z, NO_OPTIONS, &new_sub, &error))
BAD(js_fetch_stream_null, natskit_js_fetch(js, NULL, 1, "c", Z, NO_OPTIONS, &new_sub, &error))
BAD(js_fetch_consumer, natskit_js_fetch(js, "S", Z, "c*", Z, NO_OPTIONS, &new_sub, &error))
BAD(js_fetch_consumer_null, natskit_js_fetch(js, "S", Z, NULL, 1, NO_OPTIONS, &new_sub, &error))
BAD(js_consume_out, natskit_js_consume(js, "S", Z, "c", Z, NO_OPTIONS, NULL, &error))
BAD(js_consume_stream, natskit_js_consume(js, "", 0, "c", Z, NO_OPTIONS, &new_sub, &error))
BAD(js_consume_consumer, natskit_js_consume(js, "S", Z, "a b", Z, NO_OPTIONS, &new_sub, &error))
BAD(js_ordered_out, natskit_js_ordered(js, "S", Z, NO_OPTIONS, NULL, &error))
BAD(js_ordered_null, natskit_js_ordered(js, NULL, 1, NO_OPTIONS, &new_sub, &error))
BAD(js_ordered_stream, natskit_js_ordered(js, "S T", Z, NO_OPTIONS, &new_sub, &error))
BAD(js_ordered_scope, natskit_js_ordered(js, "S", Z, options, &new_sub, &error))
BAD(js_next_with_msg, natskit_js_next_with(js, "S", Z, "c", Z, NO_OPTIONS, 0, NULL, &error))
BAD(js_next_with_consumer, natskit_js_next_with(js, "S", Z, "a b", Z, NO_OPTIONS, 0, &msg, &error))
BAD(js_next_msg, natskit_js_next(js, "S", Z, "c", Z, 0, NULL, &error))
BAD(js_next_stream, natskit_js_next(js, ">", Z, "c", Z, 0, &msg, &error))
BAD(js_next_timeout, natskit_js_next(js, "S", Z, "c", Z, -2, &msg, &error))
BAD(pull_info_null, natskit_sub_pull_info(sub, NULL, sizeof(natskit_pull_info)))
BAD(pull_info_size, natskit_sub_pull_info(sub, &(natskit_pull_info){0}, 0))
BAD(js_subscribe_out, natskit_js_subscribe(js, "s", Z, NO_OPTIONS, 0, NULL, &error))
BAD(js_subscribe_null, natskit_js_subscribe(js, NULL, 1, NO_OPTIONS, 0, &new_sub, &error))
BAD(js_subscribe_subject, natskit_js_subscribe(js, "s..t", Z, NO_OPTIONS, 0, &new_sub, &error))
BAD(js_subscribe_nothing, natskit_js_subscribe(js, "", Z, NO_OPTIONS, 0, &new_sub, &error))
BAD(js_subscribe_timeout, natskit_js_subscribe(js, "s", Z, NO_OPTIONS, -2, &new_sub, &error))
BAD(js_subscribe_scope, natskit_js_subscribe(js, "s", Z, options, 0, &new_sub, &error))
BAD(js_subscribe_start_out, natskit_js_subscribe_start(js, "s", Z, NO_OPTIONS, 0, NULL, &new_op, &error))
BAD(js_subscribe_start_op, natskit_js_subscribe_start(js, "s", Z, NO_OPTIONS, 0, &new_sub, NULL, &error))
BAD(restore_subject, natskit_js_restore_chunk(js, "a.*", Z, "x", 1, 0, &new_json, &error))
BAD(restore_data, natskit_js_restore_chunk(js, "a", Z, NULL, 1, 0, &new_json, &error))
BAD(restore_timeout, natskit_js_restore_chunk(js, "a", Z, "x", 1, -2, &new_json, &error))
BAD(restore_start_op, natskit_js_restore_chunk_start(js, "a", Z, "x", 1, NO_OPTIONS, 0, NULL, &error))
BAD(restore_start_subject,
    natskit_js_restore_chunk_start(js, NULL, 1, "x", 1, NO_OPTIONS, 0, &new_op, &error))
BAD(js_snapshot_out, natskit_js_snapshot(js, NO_ARGS, 0, NULL, &new_json, &error))
BAD(js_snapshot_answer, natskit_js_snapshot(js, NO_ARGS, 0, &new_sub, NULL, &error))
BAD(js_snapshot_args_none, natskit_js_snapshot(js, NO_ARGS, 0, &new_sub, &new_json, &error))
BAD(js_snapshot_timeout, natskit_js_snapshot(js, NO_ARGS, -2, &new_sub, &new_json, &error))
BAD(js_snapshot_start_out, natskit_js_snapshot_start(js, NO_ARGS, 0, NULL, &new_op, &error))
BAD(js_snapshot_start_op, natskit_js_snapshot_start(js, NO_ARGS, 0, &new_sub, NULL, &error))
BAD(trace_tree_out, natskit_trace_tree(NO_ARGS, NULL, &error))
BAD(push_info_null, natskit_sub_push_info(sub, NULL, sizeof(natskit_push_info)))
BAD(push_info_size, natskit_sub_push_info(sub, &(natskit_push_info){0}, 0))
BAD(msg_status_msg, natskit_msg_status(NULL, &status_view, sizeof status_view))
BAD(msg_status_kind, natskit_msg_status(received, &status_view, sizeof status_view))

#define JS_BAD_ROWS                                                                                          \
    BAD_ROW(natskit_js_open, js_open_out), BAD_ROW(natskit_js_call_at, js_call_at_null),                     \
        BAD_ROW(natskit_js_call_at, js_call_at_size), BAD_ROW(natskit_js_field_at, js_field_at_null),        \
        BAD_ROW(natskit_js_field_at, js_field_at_size), BAD_ROW(natskit_js_call, js_call_name),              \
        BAD_ROW(natskit_js_call, js_call_timeout), BAD_ROW(natskit_js_call_start, js_call_start_op),         \
        BAD_ROW(natskit_op_json, op_json_out), BAD_ROW(natskit_js_fetch, js_fetch_out),                      \
        BAD_ROW(natskit_js_fetch, js_fetch_stream), BAD_ROW(natskit_js_fetch, js_fetch_stream_null),         \
        BAD_ROW(natskit_js_fetch, js_fetch_consumer), BAD_ROW(natskit_js_fetch, js_fetch_consumer_null),     \
        BAD_ROW(natskit_js_consume, js_consume_out), BAD_ROW(natskit_js_consume, js_consume_stream),         \
        BAD_ROW(natskit_js_consume, js_consume_consumer), BAD_ROW(natskit_js_next, js_next_msg),             \
        BAD_ROW(natskit_js_restore_chunk, restore_subject), BAD_ROW(natskit_js_restore_chunk, restore_data), \
        BAD_ROW(natskit_js_restore_chunk, restore_timeout),                                                  \
        BAD_ROW(natskit_js_restore_chunk_start, restore_start_op),                                           \
        BAD_ROW(natskit_js_restore_chunk_start, restore_start_subject),                                      \
        BAD_ROW(natskit_js_next_with, js_next_with_msg),                                                     \
        BAD_ROW(natskit_js_next_with, js_next_with_consumer), BAD_ROW(natskit_js_next, js_next_stream),      \
        BAD_ROW(natskit_js_next, js_next_timeout), BAD_ROW(natskit_js_ordered, js_ordered_out),              \
        BAD_ROW(natskit_js_ordered, js_ordered_null), BAD_ROW(natskit_js_ordered, js_ordered_stream),        \
        BAD_ROW(natskit_js_ordered, js_ordered_scope), BAD_ROW(natskit_sub_pull_info, pull_info_null),       \
        BAD_ROW(natskit_sub_pull_info, pull_info_size), BAD_ROW(natskit_js_subscribe, js_subscribe_out),     \
        BAD_ROW(natskit_js_subscribe, js_subscribe_null),                                                    \
        BAD_ROW(natskit_js_subscribe, js_subscribe_subject),                                                 \
        BAD_ROW(natskit_js_subscribe, js_subscribe_nothing),                                                 \
        BAD_ROW(natskit_js_subscribe, js_subscribe_timeout),                                                 \
        BAD_ROW(natskit_js_subscribe, js_subscribe_scope),                                                   \
        BAD_ROW(natskit_js_subscribe_start, js_subscribe_start_out),                                         \
        BAD_ROW(natskit_js_subscribe_start, js_subscribe_start_op),                                          \
        BAD_ROW(natskit_trace_tree, trace_tree_out), BAD_ROW(natskit_js_snapshot, js_snapshot_out),          \
        BAD_ROW(natskit_js_snapshot, js_snapshot_answer),                                                    \
        BAD_ROW(natskit_js_snapshot, js_snapshot_args_none),                                                 \
        BAD_ROW(natskit_js_snapshot, js_snapshot_timeout),                                                   \
        BAD_ROW(natskit_js_snapshot_start, js_snapshot_start_out),                                           \
        BAD_ROW(natskit_js_snapshot_start, js_snapshot_start_op),                                            \
        BAD_ROW(natskit_sub_push_info, push_info_null), BAD_ROW(natskit_sub_push_info, push_info_size),      \
        BAD_ROW(natskit_msg_status, msg_status_msg), BAD_ROW(natskit_msg_status, msg_status_kind)

#endif
