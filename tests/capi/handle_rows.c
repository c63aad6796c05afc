/* See handle_rows.h. */
#include "handle_rows.h"

natskit_options options;
natskit_headers headers;
natskit_conn conn;
natskit_sub sub;
natskit_conn drained;
natskit_op op;
natskit_waitset waitset;
natskit_json json;
natskit_js js;
natskit_kv kv;
natskit_service service;
natskit_object_store store;
natskit_object_writer writer;
natskit_publisher publisher;
natskit_batch batch;
natskit_ingest ingest;
natskit_msg *received;

natskit_error error;
natskit_sub new_sub;
natskit_op new_op;
natskit_conn new_conn;
static natskit_msg *msg;
static size_t count;
static char room[4096];
static int64_t duration;
static int32_t yes;
static const natskit_outgoing outgoing = {.subject = "a", .subject_len = 1};

/* -- one call for each handle parameter; all else is valid ----------------------------------------------- */

#define H_OPTIONS ((natskit_options){id})
#define H_HEADERS ((natskit_headers){id})
#define H_CONN ((natskit_conn){id})
#define H_SUB ((natskit_sub){id})
#define H_OP ((natskit_op){id})
#define H_WAITSET ((natskit_waitset){id})

#define CALL(name, expression)                                                                               \
    static natskit_status name(uint64_t id)                                                                  \
    {                                                                                                        \
        return expression;                                                                                   \
    }

CALL(options_set, natskit_options_set(H_OPTIONS, "name", Z, "x", Z, &error))
CALL(options_set_int, natskit_options_set_int(H_OPTIONS, "verbose", Z, 1, &error))
CALL(options_add, natskit_options_add(H_OPTIONS, "servers", Z, "x", Z, &error))
CALL(options_close, natskit_options_close(H_OPTIONS))
CALL(connect_options, natskit_connect("127.0.0.1:1", Z, H_OPTIONS, 0, &new_conn, &error))
CALL(connect_start_options, natskit_connect_start("127.0.0.1:1", Z, H_OPTIONS, 0, &new_conn, &new_op, &error))
CALL(subscribe_options, natskit_subscribe(conn, "a", Z, NULL, 0, H_OPTIONS, &new_sub, &error))
CALL(events_options, natskit_conn_events(conn, H_OPTIONS, &new_sub, &error))
CALL(request_start_options,
     natskit_request_start(conn, "a", Z, NO_HEADERS, NULL, 0, H_OPTIONS, 0, &new_op, &error))
CALL(closed_start_options, natskit_conn_closed_start(conn, H_OPTIONS, 0, &new_op, &error))
CALL(drain_start_options, natskit_conn_drain_start(drained, H_OPTIONS, 0, &new_op, &error))
CALL(written_start_options, natskit_written_start(conn, H_OPTIONS, 0, &new_op, &error))
CALL(sub_drain_start_options, natskit_sub_drain_start(sub, H_OPTIONS, 0, &new_op, &error))
CALL(room_start_options, natskit_room_start(conn, H_OPTIONS, 1, 0, &new_op, &error))
CALL(flush_start_options, natskit_flush_start(conn, H_OPTIONS, 0, &new_op, &error))
CALL(confirm_start_options, natskit_msg_ack_confirm_start(received, H_OPTIONS, 0, &new_op, &error))

CALL(headers_add, natskit_headers_add(H_HEADERS, "a", Z, "b", Z, &error))
CALL(headers_clear, natskit_headers_clear(H_HEADERS))
CALL(headers_set, natskit_headers_set(H_HEADERS, "a", Z, "b", Z, NATSKIT_MATCH_EXACT, &error))
CALL(headers_delete, natskit_headers_delete(H_HEADERS, "a", Z, NATSKIT_MATCH_EXACT))
CALL(headers_add_all, natskit_headers_add_all(H_HEADERS, received, &error))
CALL(headers_get, natskit_headers_get(H_HEADERS, "a", Z, NATSKIT_MATCH_EXACT, 0, room, sizeof room, &count))
CALL(headers_at, natskit_headers_at(H_HEADERS, 0, room, 100, &count, room + 100, 100, &(size_t){0}))
CALL(many_headers, natskit_request_many(conn, "a", Z, H_HEADERS, NULL, 0, NO_OPTIONS, &new_sub, &error))
CALL(many_options, natskit_request_many(conn, "a", Z, NO_HEADERS, NULL, 0, H_OPTIONS, &new_sub, &error))
CALL(headers_close, natskit_headers_close(H_HEADERS))
CALL(publish_headers, natskit_publish(conn, "a", Z, NULL, 0, H_HEADERS, NULL, 0, 0))
CALL(request_headers, natskit_request(conn, "a", Z, H_HEADERS, NULL, 0, 0, &msg, &error))
CALL(request_start_headers,
     natskit_request_start(conn, "a", Z, H_HEADERS, NULL, 0, NO_OPTIONS, 0, &new_op, &error))

static natskit_status publish_batch_headers(uint64_t id)
{
    const natskit_outgoing one = {.subject = "a", .subject_len = 1, .headers = H_HEADERS};
    return natskit_publish_batch(conn, &one, sizeof one, 1, 0, &count);
}

static natskit_status conn_info(uint64_t id)
{
    natskit_conn_info info;
    return natskit_conn_info_get(H_CONN, &info, sizeof info);
}

static natskit_status conn_stats(uint64_t id)
{
    natskit_conn_stats stats;
    return natskit_conn_stats_get(H_CONN, &stats, sizeof stats);
}

static natskit_status conn_health(uint64_t id)
{
    natskit_health health;
    return natskit_conn_health(H_CONN, &health, sizeof health);
}

static natskit_status publish_batch(uint64_t id)
{
    const natskit_outgoing one = {.subject = "a", .subject_len = 1};
    return natskit_publish_batch(H_CONN, &one, sizeof one, 1, 0, &count);
}

CALL(conn_server_info, natskit_conn_server_info(H_CONN, room, sizeof room, &count))
CALL(conn_trace, natskit_conn_trace(H_CONN, room, sizeof room, &count))
CALL(conn_servers, natskit_conn_servers(H_CONN, room, sizeof room, &count))
CALL(conn_servers_set, natskit_conn_servers_set(H_CONN, "127.0.0.1:1", Z, &error))
CALL(conn_new_inbox, natskit_conn_new_inbox(H_CONN, room, sizeof room, &count))
CALL(server_at_least, natskit_conn_server_at_least(H_CONN, 2, 0, 0, &yes))
CALL(sub_reason, natskit_sub_reason(H_SUB, &error))
CALL(republish, natskit_msg_republish(H_CONN, received, NULL, 0, NULL, 0, 0))
CALL(request_many, natskit_request_many(H_CONN, "a", Z, NO_HEADERS, NULL, 0, NO_OPTIONS, &new_sub, &error))
CALL(conn_events, natskit_conn_events(H_CONN, NO_OPTIONS, &new_sub, &error))
CALL(conn_close, natskit_conn_close(H_CONN, 0))
CALL(conn_close_start, natskit_conn_close_start(H_CONN, 0, &new_op, &error))
CALL(publish, natskit_publish(H_CONN, "a", Z, NULL, 0, NO_HEADERS, NULL, 0, 0))
CALL(flush, natskit_flush(H_CONN, 0))
CALL(conn_closed, natskit_conn_closed(H_CONN, 0, &error))
CALL(conn_closed_start, natskit_conn_closed_start(H_CONN, NO_OPTIONS, 0, &new_op, &error))
CALL(conn_drain, natskit_conn_drain(H_CONN, 0, &error))
CALL(conn_drain_start, natskit_conn_drain_start(H_CONN, NO_OPTIONS, 0, &new_op, &error))
CALL(conn_reconnect, natskit_conn_reconnect(H_CONN, &error))
CALL(conn_rtt, natskit_conn_rtt(H_CONN, 0, &duration, &error))
CALL(conn_answer_auth, natskit_conn_answer_auth(H_CONN, 1, NO_OPTIONS, &error))
CALL(conn_answer_auth_options, natskit_conn_answer_auth(conn, 1, H_OPTIONS, &error))
CALL(conn_answer_delay, natskit_conn_answer_delay(H_CONN, 1, 0, &error))
CALL(written, natskit_written(H_CONN, 0, &error))
CALL(written_start, natskit_written_start(H_CONN, NO_OPTIONS, 0, &new_op, &error))
CALL(room_start, natskit_room_start(H_CONN, NO_OPTIONS, 1, 0, &new_op, &error))
CALL(flush_start, natskit_flush_start(H_CONN, NO_OPTIONS, 0, &new_op, &error))
CALL(subscribe, natskit_subscribe(H_CONN, "a", Z, NULL, 0, NO_OPTIONS, &new_sub, &error))
CALL(request, natskit_request(H_CONN, "a", Z, NO_HEADERS, NULL, 0, 0, &msg, &error))
CALL(request_start,
     natskit_request_start(H_CONN, "a", Z, NO_HEADERS, NULL, 0, NO_OPTIONS, 0, &new_op, &error))

static natskit_status sub_stats(uint64_t id)
{
    natskit_sub_stats stats;
    return natskit_sub_stats_get(H_SUB, &stats, sizeof stats);
}

static natskit_status sub_health(uint64_t id)
{
    natskit_health health;
    return natskit_sub_health(H_SUB, &health, sizeof health);
}

CALL(sub_next, natskit_sub_next(H_SUB, 0, &msg))
CALL(sub_subject, natskit_sub_subject(H_SUB, room, sizeof room, &count))
CALL(sub_queue, natskit_sub_queue(H_SUB, room, sizeof room, &count))
CALL(sub_next_batch, natskit_sub_next_batch(H_SUB, &msg, 1, 0, &count))
CALL(sub_next_ahead, natskit_sub_next_ahead(H_SUB, &msg, 1, 0, &count))
CALL(sub_unsubscribe, natskit_sub_unsubscribe(H_SUB, 1000))
CALL(sub_drain, natskit_sub_drain(H_SUB, 0, &error))
CALL(sub_drain_start, natskit_sub_drain_start(H_SUB, NO_OPTIONS, 0, &new_op, &error))

static natskit_status sub_hold(uint64_t id)
{
    natskit_status status = natskit_sub_hold(H_SUB, 1);
    return status == NATSKIT_OK ? natskit_sub_hold(H_SUB, 0) : status;
}

CALL(sub_close, natskit_sub_close(H_SUB))
CALL(add_sub, natskit_waitset_add(waitset, id, 1))
CALL(arm_sub, natskit_waitset_arm(waitset, id))
CALL(remove_sub, natskit_waitset_remove(waitset, id))

CALL(op_wait, natskit_op_wait(H_OP, 0))
CALL(op_result, natskit_op_result(H_OP, NULL, &error))
CALL(op_duration, natskit_op_duration(H_OP, &duration))
CALL(op_take_msg, natskit_op_take_msg(H_OP, &msg))
CALL(op_close, natskit_op_close(H_OP))
CALL(add_op, natskit_waitset_add(waitset, id, 1))
CALL(arm_op, natskit_waitset_arm(waitset, id))
CALL(remove_op, natskit_waitset_remove(waitset, id))

static natskit_status waitset_wait(uint64_t id)
{
    natskit_ready record;
    return natskit_waitset_wait(H_WAITSET, &record, sizeof record, 1, 0, &count);
}

static natskit_status waitset_fd(uint64_t id)
{
    int32_t fd;
    return natskit_waitset_fd(H_WAITSET, &fd);
}

CALL(waitset_add, natskit_waitset_add(H_WAITSET, sub.id, 1))
CALL(waitset_arm, natskit_waitset_arm(H_WAITSET, sub.id))
CALL(waitset_remove, natskit_waitset_remove(H_WAITSET, sub.id))
CALL(waitset_close, natskit_waitset_close(H_WAITSET))

#define BAD(name, expression)                                                                                \
    static natskit_status bad_##name(void)                                                                   \
    {                                                                                                        \
        return expression;                                                                                   \
    }

#include "handle_auth.h"
#include "handle_json.h"
/* uses what that defines */
#include "handle_js.h"
/* and that */
#include "handle_kv.h"

#include "handle_direct.h"
#include "handle_object.h"

#include "handle_service.h"
/* as well as */
#include "handle_publish.h"
/* and behind that */
#include "handle_batch.h"
#include "handle_ingest.h"

#define ROW(name, kind, call)                                                                                \
    {                                                                                                        \
#name, NATSKIT_KIND_##kind, call, false, false                                                       \
    }
#define ROW_OPTIONAL(name, kind, call)                                                                       \
    {                                                                                                        \
#name, NATSKIT_KIND_##kind, call, true, false                                                        \
    }
#define ROW_EITHER(name, kind, call)                                                                         \
    {                                                                                                        \
#name, NATSKIT_KIND_##kind, call, false, true                                                        \
    }

const struct row rows[] = {
    ROW(natskit_options_set, OPTIONS, options_set),
    ROW(natskit_options_set_int, OPTIONS, options_set_int),
    ROW(natskit_options_add, OPTIONS, options_add),
    ROW_OPTIONAL(natskit_connect, OPTIONS, connect_options),
    ROW_OPTIONAL(natskit_connect_start, OPTIONS, connect_start_options),
    ROW_OPTIONAL(natskit_subscribe, OPTIONS, subscribe_options),
    ROW_OPTIONAL(natskit_conn_events, OPTIONS, events_options),
    ROW_OPTIONAL(natskit_request_start, OPTIONS, request_start_options),
    ROW_OPTIONAL(natskit_flush_start, OPTIONS, flush_start_options),
    ROW_OPTIONAL(natskit_msg_ack_confirm_start, OPTIONS, confirm_start_options),
    ROW_OPTIONAL(natskit_room_start, OPTIONS, room_start_options),
    ROW_OPTIONAL(natskit_conn_closed_start, OPTIONS, closed_start_options),
    ROW_OPTIONAL(natskit_conn_drain_start, OPTIONS, drain_start_options),
    ROW_OPTIONAL(natskit_written_start, OPTIONS, written_start_options),
    ROW_OPTIONAL(natskit_sub_drain_start, OPTIONS, sub_drain_start_options),
    ROW(natskit_options_close, OPTIONS, options_close),
    ROW(natskit_headers_add, HEADERS, headers_add),
    ROW(natskit_headers_clear, HEADERS, headers_clear),
    ROW(natskit_headers_set, HEADERS, headers_set),
    ROW(natskit_headers_delete, HEADERS, headers_delete),
    ROW(natskit_headers_add_all, HEADERS, headers_add_all),
    ROW_OPTIONAL(natskit_headers_get, HEADERS, headers_get),
    ROW_OPTIONAL(natskit_headers_at, HEADERS, headers_at),
    ROW_OPTIONAL(natskit_request_many, HEADERS, many_headers),
    ROW_OPTIONAL(natskit_request_many, OPTIONS, many_options),
    ROW_OPTIONAL(natskit_publish, HEADERS, publish_headers),
    ROW_OPTIONAL(natskit_publish_batch, HEADERS, publish_batch_headers),
    ROW_OPTIONAL(natskit_request, HEADERS, request_headers),
    ROW_OPTIONAL(natskit_request_start, HEADERS, request_start_headers),
    ROW(natskit_headers_close, HEADERS, headers_close),
    ROW(natskit_conn_info_get, CONN, conn_info),
    ROW(natskit_conn_stats_get, CONN, conn_stats),
    ROW(natskit_conn_health, CONN, conn_health),
    ROW(natskit_conn_server_info, CONN, conn_server_info),
    ROW(natskit_conn_trace, CONN, conn_trace),
    ROW(natskit_conn_servers, CONN, conn_servers),
    ROW(natskit_conn_servers_set, CONN, conn_servers_set),
    ROW(natskit_conn_new_inbox, CONN, conn_new_inbox),
    ROW(natskit_conn_server_at_least, CONN, server_at_least),
    ROW(natskit_msg_republish, CONN, republish),
    ROW(natskit_request_many, CONN, request_many),
    ROW(natskit_conn_events, CONN, conn_events),
    ROW(natskit_publish, CONN, publish),
    ROW(natskit_publish_batch, CONN, publish_batch),
    ROW(natskit_flush, CONN, flush),
    ROW(natskit_flush_start, CONN, flush_start),
    ROW(natskit_room_start, CONN, room_start),
    ROW(natskit_subscribe, CONN, subscribe),
    ROW(natskit_request, CONN, request),
    ROW(natskit_request_start, CONN, request_start),
    ROW(natskit_conn_answer_auth, CONN, conn_answer_auth),
    ROW_OPTIONAL(natskit_conn_answer_auth, OPTIONS, conn_answer_auth_options),
    ROW(natskit_conn_answer_delay, CONN, conn_answer_delay),
    ROW(natskit_conn_closed, CONN, conn_closed),
    ROW(natskit_conn_closed_start, CONN, conn_closed_start),
    ROW(natskit_conn_reconnect, CONN, conn_reconnect),
    ROW(natskit_conn_rtt, CONN, conn_rtt),
    ROW(natskit_written, CONN, written),
    ROW(natskit_written_start, CONN, written_start),
    ROW(natskit_conn_drain, CONN, conn_drain),
    ROW(natskit_conn_drain_start, CONN, conn_drain_start),
    ROW(natskit_conn_close_start, CONN, conn_close_start),
    ROW(natskit_conn_close, CONN, conn_close),
    ROW(natskit_sub_next, SUB, sub_next),
    ROW(natskit_sub_next_batch, SUB, sub_next_batch),
    ROW(natskit_sub_next_ahead, SUB, sub_next_ahead),
    ROW(natskit_sub_subject, SUB, sub_subject),
    ROW(natskit_sub_queue, SUB, sub_queue),
    ROW(natskit_sub_unsubscribe, SUB, sub_unsubscribe),
    ROW(natskit_sub_stats_get, SUB, sub_stats),
    ROW(natskit_sub_health, SUB, sub_health),
    ROW(natskit_sub_reason, SUB, sub_reason),
    ROW(natskit_sub_hold, SUB, sub_hold),
    ROW(natskit_sub_drain, SUB, sub_drain),
    ROW(natskit_sub_drain_start, SUB, sub_drain_start),
    ROW_EITHER(natskit_waitset_add, SUB, add_sub),
    ROW_EITHER(natskit_waitset_arm, SUB, arm_sub),
    ROW_EITHER(natskit_waitset_remove, SUB, remove_sub),
    ROW(natskit_sub_close, SUB, sub_close),
    ROW(natskit_op_wait, OP, op_wait),
    ROW(natskit_op_result, OP, op_result),
    ROW(natskit_op_duration, OP, op_duration),
    ROW(natskit_op_take_msg, OP, op_take_msg),
    ROW_EITHER(natskit_waitset_add, OP, add_op),
    ROW_EITHER(natskit_waitset_arm, OP, arm_op),
    ROW_EITHER(natskit_waitset_remove, OP, remove_op),
    ROW(natskit_op_close, OP, op_close),
    ROW(natskit_waitset_wait, WAITSET, waitset_wait),
    ROW(natskit_waitset_fd, WAITSET, waitset_fd),
    ROW(natskit_waitset_add, WAITSET, waitset_add),
    ROW(natskit_waitset_arm, WAITSET, waitset_arm),
    ROW(natskit_waitset_remove, WAITSET, waitset_remove),
    ROW(natskit_waitset_close, WAITSET, waitset_close),
    JSON_ROWS,
    JS_ROWS,
    KV_ROWS,
    DIRECT_ROWS,
    SERVICE_ROWS,
    OBJECT_ROWS,
    JS_PUBLISH_ROWS,
    BATCH_ROWS,
    INGEST_ROWS,
    AUTH_ROWS,
};

const size_t row_count = sizeof rows / sizeof rows[0];

/* -- one call for each bad argument; all must give NATSKIT_INVALID --------------------------------------- */

static natskit_status_info status_info;
static natskit_counters counters;
static natskit_option_info option_info;
static natskit_conn_info info;
static natskit_conn_stats stats;
static natskit_sub_stats substats;
static natskit_ready ready;

BAD(status_at_null, natskit_status_at(0, NULL, sizeof status_info))
BAD(status_at_size, natskit_status_at(0, &status_info, 0))
BAD(describe_null, natskit_status_describe(0, NULL, sizeof status_info))
BAD(describe_size, natskit_status_describe(0, &status_info, 0))
BAD(dump_len, natskit_dump(room, sizeof room, NULL))
BAD(dump_buf, natskit_dump(NULL, 1, &count))
BAD(counters_null, natskit_counters_get(NULL, sizeof counters))
BAD(counters_size, natskit_counters_get(&counters, 0))
BAD(shutdown_timeout, natskit_shutdown(-2))
BAD(option_at_null, natskit_option_at(1, 0, NULL, sizeof option_info))
BAD(option_at_size, natskit_option_at(1, 0, &option_info, 0))
BAD(option_at_scope, natskit_option_at(99, 0, &option_info, sizeof option_info))
BAD(options_open_null, natskit_options_open(1, NULL))
BAD(options_open_scope, natskit_options_open(0, &(natskit_options){1}))
BAD(options_set_name, natskit_options_set(options, NULL, 1, "x", Z, &error))
BAD(options_set_value, natskit_options_set(options, "name", Z, NULL, Z, &error))
BAD(options_set_int_name, natskit_options_set_int(options, NULL, Z, 1, &error))
BAD(options_add_name, natskit_options_add(options, NULL, Z, "x", Z, &error))
BAD(options_add_value, natskit_options_add(options, "servers", Z, NULL, 1, &error))
BAD(headers_open_null, natskit_headers_open(NULL))
BAD(headers_add_name, natskit_headers_add(headers, NULL, 1, "x", Z, &error))
BAD(headers_add_value, natskit_headers_add(headers, "x", Z, NULL, 1, &error))
BAD(nuid_len, natskit_nuid(room, sizeof room, NULL))
BAD(nuid_buf, natskit_nuid(NULL, 22, &count))
BAD(headers_set_name, natskit_headers_set(headers, NULL, 1, "x", Z, 0, &error))
BAD(headers_set_empty, natskit_headers_set(headers, "", 0, "x", Z, 0, &error))
BAD(headers_set_value, natskit_headers_set(headers, "x", Z, NULL, 1, 0, &error))
BAD(headers_set_crlf, natskit_headers_set(headers, "x", Z, "a\r\nb: c", Z, 2, &error))
BAD(headers_set_match, natskit_headers_set(headers, "x", Z, "y", Z, 3, &error))
BAD(headers_set_below, natskit_headers_set(headers, "x", Z, "y", Z, -1, &error))
BAD(headers_delete_name, natskit_headers_delete(headers, NULL, Z, 0))
BAD(headers_delete_match, natskit_headers_delete(headers, "x", Z, 3))
BAD(headers_add_all_msg, natskit_headers_add_all(headers, NULL, &error))
BAD(headers_get_name, natskit_headers_get(headers, NULL, 1, 0, 0, room, 1, &count))
BAD(headers_get_match, natskit_headers_get(headers, "x", Z, 3, 0, room, 1, &count))
BAD(headers_get_buf, natskit_headers_get(headers, "x", Z, 0, 0, NULL, 1, &count))
BAD(headers_get_len, natskit_headers_get(headers, "x", Z, 0, 0, room, 1, NULL))
BAD(headers_at_name, natskit_headers_at(headers, 0, NULL, 1, &count, room, 1, &count))
BAD(headers_at_value, natskit_headers_at(headers, 0, room, 1, &count, NULL, 1, &count))
BAD(headers_at_name_len, natskit_headers_at(headers, 0, room, 1, NULL, room, 1, &count))
BAD(headers_at_value_len, natskit_headers_at(headers, 0, room, 1, &count, room, 1, NULL))
BAD(at_least_out, natskit_conn_server_at_least(conn, 2, 0, 0, NULL))
BAD(republish_msg, natskit_msg_republish(conn, NULL, "a", Z, NULL, 0, 0))
BAD(republish_subject, natskit_msg_republish(conn, received, "a b", Z, NULL, 0, 0))
BAD(republish_null, natskit_msg_republish(conn, received, NULL, 1, NULL, 0, 0))
BAD(republish_wildcard, natskit_msg_republish(conn, received, "a.>", Z, NULL, 0, 0))
BAD(republish_reply, natskit_msg_republish(conn, received, NULL, 0, "a\r\n", Z, 0))
BAD(republish_reply_null, natskit_msg_republish(conn, received, NULL, 0, NULL, 3, 0))
BAD(republish_timeout, natskit_msg_republish(conn, received, NULL, 0, NULL, 0, -2))
BAD(sub_subject_len, natskit_sub_subject(sub, room, 1, NULL))
BAD(sub_subject_buf, natskit_sub_subject(sub, NULL, 1, &count))
BAD(sub_queue_len, natskit_sub_queue(sub, room, 1, NULL))
BAD(sub_queue_buf, natskit_sub_queue(sub, NULL, 1, &count))
BAD(many_out, natskit_request_many(conn, "a", Z, NO_HEADERS, NULL, 0, NO_OPTIONS, NULL, &error))
BAD(many_subject, natskit_request_many(conn, "a.*", Z, NO_HEADERS, NULL, 0, NO_OPTIONS, &new_sub, &error))
BAD(many_null, natskit_request_many(conn, NULL, Z, NO_HEADERS, NULL, 0, NO_OPTIONS, &new_sub, &error))
BAD(many_data, natskit_request_many(conn, "a", Z, NO_HEADERS, NULL, 5, NO_OPTIONS, &new_sub, &error))
BAD(connect_out, natskit_connect("a", Z, NO_OPTIONS, 0, NULL, &error))
BAD(connect_url, natskit_connect(NULL, 1, NO_OPTIONS, 0, &new_conn, &error))
BAD(connect_url_text, natskit_connect("a b:c", Z, NO_OPTIONS, 0, &new_conn, &error))
BAD(connect_timeout, natskit_connect("a", Z, NO_OPTIONS, -2, &new_conn, &error))
BAD(connect_start_out, natskit_connect_start("a", Z, NO_OPTIONS, 0, NULL, &new_op, &error))
BAD(connect_start_op, natskit_connect_start("a", Z, NO_OPTIONS, 0, &new_conn, NULL, &error))
BAD(connect_start_url, natskit_connect_start(NULL, Z, NO_OPTIONS, 0, &new_conn, &new_op, &error))
BAD(connect_start_timeout, natskit_connect_start("a", Z, NO_OPTIONS, -5, &new_conn, &new_op, &error))
BAD(conn_info_null, natskit_conn_info_get(conn, NULL, sizeof info))
BAD(conn_info_size, natskit_conn_info_get(conn, &info, 0))
BAD(conn_stats_null, natskit_conn_stats_get(conn, NULL, sizeof stats))
BAD(conn_health_null, natskit_conn_health(conn, NULL, sizeof(natskit_health)))
BAD(conn_health_size, natskit_conn_health(conn, &(natskit_health){0}, 0))
BAD(conn_stats_size, natskit_conn_stats_get(conn, &stats, 0))
BAD(trace_len, natskit_conn_trace(conn, room, sizeof room, NULL))
BAD(trace_buf, natskit_conn_trace(conn, NULL, 1, &count))
BAD(server_info_len, natskit_conn_server_info(conn, room, sizeof room, NULL))
BAD(server_info_buf, natskit_conn_server_info(conn, NULL, 1, &count))
BAD(servers_len, natskit_conn_servers(conn, room, sizeof room, NULL))
BAD(servers_buf, natskit_conn_servers(conn, NULL, 1, &count))
BAD(servers_set_urls, natskit_conn_servers_set(conn, NULL, 1, &error))
BAD(servers_set_empty, natskit_conn_servers_set(conn, "", 0, &error))
BAD(servers_set_url, natskit_conn_servers_set(conn, "a,b:x", Z, &error))
BAD(new_inbox_len, natskit_conn_new_inbox(conn, room, sizeof room, NULL))
BAD(new_inbox_buf, natskit_conn_new_inbox(conn, NULL, 1, &count))
BAD(events_out, natskit_conn_events(conn, NO_OPTIONS, NULL, &error))
BAD(conn_close_linger, natskit_conn_close(conn, -2))
BAD(close_start_op, natskit_conn_close_start(conn, 0, NULL, &error))
BAD(close_start_linger, natskit_conn_close_start(conn, -2, &new_op, &error))
BAD(publish_subject, natskit_publish(conn, NULL, 1, NULL, 0, NO_HEADERS, NULL, 0, 0))
BAD(publish_empty, natskit_publish(conn, "", 0, NULL, 0, NO_HEADERS, NULL, 0, 0))
BAD(publish_wildcard, natskit_publish(conn, "a.*", Z, NULL, 0, NO_HEADERS, NULL, 0, 0))
BAD(publish_blank, natskit_publish(conn, "a b", Z, NULL, 0, NO_HEADERS, NULL, 0, 0))
BAD(publish_crlf, natskit_publish(conn, "a\r\nPUB b 0", Z, NULL, 0, NO_HEADERS, NULL, 0, 0))
BAD(publish_nul, natskit_publish(conn, "a\0b", 3, NULL, 0, NO_HEADERS, NULL, 0, 0))
BAD(publish_reply, natskit_publish(conn, "a", Z, NULL, 1, NO_HEADERS, NULL, 0, 0))
BAD(publish_reply_text, natskit_publish(conn, "a", Z, "b.", Z, NO_HEADERS, NULL, 0, 0))
BAD(publish_data, natskit_publish(conn, "a", Z, NULL, 0, NO_HEADERS, NULL, 1, 0))
BAD(publish_timeout, natskit_publish(conn, "a", Z, NULL, 0, NO_HEADERS, NULL, 0, INT64_MIN))
BAD(batch_out, natskit_publish_batch(conn, &outgoing, sizeof outgoing, 1, 0, NULL))
BAD(batch_msgs, natskit_publish_batch(conn, NULL, sizeof outgoing, 1, 0, &count))
BAD(batch_size, natskit_publish_batch(conn, &outgoing, 0, 1, 0, &count))
BAD(batch_timeout, natskit_publish_batch(conn, &outgoing, sizeof outgoing, 1, -2, &count))
BAD(flush_timeout, natskit_flush(conn, -2))
BAD(flush_start_op, natskit_flush_start(conn, NO_OPTIONS, 0, NULL, &error))
BAD(flush_start_timeout, natskit_flush_start(conn, NO_OPTIONS, -2, &new_op, &error))
BAD(closed_timeout, natskit_conn_closed(conn, -2, &error))
BAD(closed_start_op, natskit_conn_closed_start(conn, NO_OPTIONS, 0, NULL, &error))
BAD(closed_start_timeout, natskit_conn_closed_start(conn, NO_OPTIONS, -2, &new_op, &error))
BAD(drain_timeout, natskit_conn_drain(conn, -2, &error))
BAD(drain_start_op, natskit_conn_drain_start(conn, NO_OPTIONS, 0, NULL, &error))
BAD(drain_start_timeout, natskit_conn_drain_start(conn, NO_OPTIONS, -2, &new_op, &error))
BAD(rtt_timeout, natskit_conn_rtt(conn, -2, &duration, &error))
BAD(rtt_out, natskit_conn_rtt(conn, 0, NULL, &error))
BAD(answer_negative, natskit_conn_answer_delay(conn, 1, -1, &error))
BAD(answer_long, natskit_conn_answer_delay(conn, 1, 86400001, &error))
BAD(written_timeout, natskit_written(conn, -2, &error))
BAD(written_start_op, natskit_written_start(conn, NO_OPTIONS, 0, NULL, &error))
BAD(written_start_timeout, natskit_written_start(conn, NO_OPTIONS, -2, &new_op, &error))
BAD(sub_drain_timeout, natskit_sub_drain(sub, -2, &error))
BAD(sub_drain_start_op, natskit_sub_drain_start(sub, NO_OPTIONS, 0, NULL, &error))
BAD(sub_drain_start_timeout, natskit_sub_drain_start(sub, NO_OPTIONS, -2, &new_op, &error))
BAD(sub_hold_none, natskit_sub_hold(sub, 0))
BAD(op_duration_out, natskit_op_duration(op, NULL))
BAD(room_start_op, natskit_room_start(conn, NO_OPTIONS, 1, 0, NULL, &error))
BAD(room_start_timeout, natskit_room_start(conn, NO_OPTIONS, 1, -2, &new_op, &error))
BAD(subject_check_null, natskit_subject_check(NULL, 1, 0, &error))
BAD(subject_check_empty, natskit_subject_check("", 0, 1, &error))
BAD(subject_check_wildcard, natskit_subject_check("a.*", Z, 0, &error))
BAD(subject_check_place, natskit_subject_check("a.>.b", Z, 1, &error))
BAD(subscribe_out, natskit_subscribe(conn, "a", Z, NULL, 0, NO_OPTIONS, NULL, &error))
BAD(subscribe_subject, natskit_subscribe(conn, NULL, Z, NULL, 0, NO_OPTIONS, &new_sub, &error))
BAD(subscribe_text, natskit_subscribe(conn, "a.>.b", Z, NULL, 0, NO_OPTIONS, &new_sub, &error))
BAD(subscribe_queue, natskit_subscribe(conn, "a", Z, NULL, 1, NO_OPTIONS, &new_sub, &error))
BAD(subscribe_queue_text, natskit_subscribe(conn, "a", Z, "b c", Z, NO_OPTIONS, &new_sub, &error))
BAD(next_out, natskit_sub_next(sub, 0, NULL))
BAD(next_timeout, natskit_sub_next(sub, -2, &msg))
BAD(next_batch_out, natskit_sub_next_batch(sub, NULL, 1, 0, &count))
BAD(next_ahead_out, natskit_sub_next_ahead(sub, NULL, 1, 0, &count))
BAD(next_batch_cap, natskit_sub_next_batch(sub, &msg, 0, 0, &count))
BAD(next_ahead_cap, natskit_sub_next_ahead(sub, &msg, 0, 0, &count))
BAD(next_batch_count, natskit_sub_next_batch(sub, &msg, 1, 0, NULL))
BAD(next_ahead_count, natskit_sub_next_ahead(sub, &msg, 1, 0, NULL))
BAD(next_batch_timeout, natskit_sub_next_batch(sub, &msg, 1, -2, &count))
BAD(next_ahead_timeout, natskit_sub_next_ahead(sub, &msg, 1, -2, &count))
BAD(sub_stats_null, natskit_sub_stats_get(sub, NULL, sizeof substats))
BAD(sub_health_null, natskit_sub_health(sub, NULL, sizeof(natskit_health)))
BAD(sub_health_size, natskit_sub_health(sub, &(natskit_health){0}, 0))
BAD(sub_stats_size, natskit_sub_stats_get(sub, &substats, 0))
BAD(request_out, natskit_request(conn, "a", Z, NO_HEADERS, NULL, 0, 0, NULL, &error))
BAD(request_subject, natskit_request(conn, "a.*", Z, NO_HEADERS, NULL, 0, 0, &msg, &error))
BAD(request_data, natskit_request(conn, "a", Z, NO_HEADERS, NULL, 5, 0, &msg, &error))
BAD(request_timeout, natskit_request(conn, "a", Z, NO_HEADERS, NULL, 0, -2, &msg, &error))
BAD(request_start_op, natskit_request_start(conn, "a", Z, NO_HEADERS, NULL, 0, NO_OPTIONS, 0, NULL, &error))
BAD(request_start_subject,
    natskit_request_start(conn, "", Z, NO_HEADERS, NULL, 0, NO_OPTIONS, 0, &new_op, &error))
BAD(request_start_timeout,
    natskit_request_start(conn, "a", Z, NO_HEADERS, NULL, 0, NO_OPTIONS, -2, &new_op, &error))
BAD(respond_msg, natskit_msg_respond(NULL, NO_HEADERS, NULL, 0, 0))
BAD(delivery_msg, natskit_msg_delivery(NULL, &(natskit_delivery_view){0}, sizeof(natskit_delivery_view)))
BAD(delivery_view, natskit_msg_delivery(received, NULL, sizeof(natskit_delivery_view)))
BAD(delivery_size, natskit_msg_delivery(received, &(natskit_delivery_view){0}, 0))
BAD(ack_msg, natskit_msg_ack(NULL))
BAD(nak_msg, natskit_msg_nak(NULL, 0))
BAD(nak_negative, natskit_msg_nak(received, -1))
BAD(nak_beyond, natskit_msg_nak(received, INT64_MAX))
BAD(in_progress_msg, natskit_msg_in_progress(NULL))
BAD(term_msg, natskit_msg_term(NULL, NULL, 0))
BAD(term_null, natskit_msg_term(received, NULL, 3))
BAD(term_lines, natskit_msg_term(received, "a\nb", Z))
BAD(term_nul, natskit_msg_term(received, "a\0b", 3))
BAD(term_utf8, natskit_msg_term(received, "\xff", Z))
BAD(ack_batch_null, natskit_ack_batch(NULL, 1, &count))
BAD(ack_batch_msg, natskit_ack_batch(&(natskit_msg *){NULL}, 1, &count))
BAD(ack_batch_acked, natskit_ack_batch(&received, 1, NULL))
BAD(confirm_msg, natskit_msg_ack_confirm(NULL, 0, &error))
BAD(confirm_timeout, natskit_msg_ack_confirm(received, -2, &error))
BAD(confirm_start_msg, natskit_msg_ack_confirm_start(NULL, NO_OPTIONS, 0, &new_op, &error))
BAD(confirm_start_op, natskit_msg_ack_confirm_start(received, NO_OPTIONS, 0, NULL, &error))
BAD(confirm_start_timeout, natskit_msg_ack_confirm_start(received, NO_OPTIONS, -2, &new_op, &error))
BAD(op_wait_timeout, natskit_op_wait(op, -2))
BAD(op_take_null, natskit_op_take_msg(op, NULL))
BAD(view_msg, natskit_msg_view(NULL, &(natskit_message_view){0}, sizeof(natskit_message_view)))
BAD(header_msg, natskit_msg_header(NULL, "a", Z, 0, 0, &(const char *){0}, &count))
BAD(header_at_msg, natskit_msg_header_at(NULL, 0, &(const char *){0}, &count, &(const char *){0}, &count))
BAD(event_msg, natskit_msg_event(NULL, &(natskit_event_view){0}, sizeof(natskit_event_view)))
BAD(retain_msg, natskit_msg_retain(NULL))
BAD(release_batch_null, natskit_msg_release_batch(NULL, 1))
BAD(waitset_open_null, natskit_waitset_open(NULL))
BAD(waitset_fd_null, natskit_waitset_fd(waitset, NULL))
BAD(waitset_records, natskit_waitset_wait(waitset, NULL, sizeof ready, 1, 0, &count))
BAD(waitset_size, natskit_waitset_wait(waitset, &ready, 0, 1, 0, &count))
BAD(waitset_cap, natskit_waitset_wait(waitset, &ready, sizeof ready, 0, 0, &count))
BAD(waitset_count, natskit_waitset_wait(waitset, &ready, sizeof ready, 1, 0, NULL))
BAD(waitset_timeout, natskit_waitset_wait(waitset, &ready, sizeof ready, 1, -2, &count))

#define BAD_ROW(name, number)                                                                                \
    {                                                                                                        \
#name, bad_##number                                                                                  \
    }

const struct bad bads[] = {
    AUTH_BADS,
    BAD_ROW(natskit_status_at, status_at_null),
    BAD_ROW(natskit_status_at, status_at_size),
    BAD_ROW(natskit_status_describe, describe_null),
    BAD_ROW(natskit_status_describe, describe_size),
    BAD_ROW(natskit_dump, dump_len),
    BAD_ROW(natskit_dump, dump_buf),
    BAD_ROW(natskit_counters_get, counters_null),
    BAD_ROW(natskit_counters_get, counters_size),
    BAD_ROW(natskit_shutdown, shutdown_timeout),
    BAD_ROW(natskit_option_at, option_at_null),
    BAD_ROW(natskit_option_at, option_at_size),
    BAD_ROW(natskit_option_at, option_at_scope),
    BAD_ROW(natskit_options_open, options_open_null),
    BAD_ROW(natskit_options_open, options_open_scope),
    BAD_ROW(natskit_options_set, options_set_name),
    BAD_ROW(natskit_options_set, options_set_value),
    BAD_ROW(natskit_options_set_int, options_set_int_name),
    BAD_ROW(natskit_options_add, options_add_name),
    BAD_ROW(natskit_options_add, options_add_value),
    BAD_ROW(natskit_headers_open, headers_open_null),
    BAD_ROW(natskit_headers_add, headers_add_name),
    BAD_ROW(natskit_headers_add, headers_add_value),
    BAD_ROW(natskit_nuid, nuid_len),
    BAD_ROW(natskit_nuid, nuid_buf),
    BAD_ROW(natskit_headers_set, headers_set_name),
    BAD_ROW(natskit_headers_set, headers_set_empty),
    BAD_ROW(natskit_headers_set, headers_set_value),
    BAD_ROW(natskit_headers_set, headers_set_crlf),
    BAD_ROW(natskit_headers_set, headers_set_match),
    BAD_ROW(natskit_headers_set, headers_set_below),
    BAD_ROW(natskit_headers_delete, headers_delete_name),
    BAD_ROW(natskit_headers_delete, headers_delete_match),
    BAD_ROW(natskit_headers_add_all, headers_add_all_msg),
    BAD_ROW(natskit_headers_get, headers_get_name),
    BAD_ROW(natskit_headers_get, headers_get_match),
    BAD_ROW(natskit_headers_get, headers_get_buf),
    BAD_ROW(natskit_headers_get, headers_get_len),
    BAD_ROW(natskit_headers_at, headers_at_name),
    BAD_ROW(natskit_headers_at, headers_at_value),
    BAD_ROW(natskit_headers_at, headers_at_name_len),
    BAD_ROW(natskit_headers_at, headers_at_value_len),
    BAD_ROW(natskit_conn_server_at_least, at_least_out),
    BAD_ROW(natskit_msg_republish, republish_msg),
    BAD_ROW(natskit_msg_republish, republish_subject),
    BAD_ROW(natskit_msg_republish, republish_null),
    BAD_ROW(natskit_msg_republish, republish_wildcard),
    BAD_ROW(natskit_msg_republish, republish_reply),
    BAD_ROW(natskit_msg_republish, republish_reply_null),
    BAD_ROW(natskit_msg_republish, republish_timeout),
    BAD_ROW(natskit_sub_subject, sub_subject_len),
    BAD_ROW(natskit_sub_subject, sub_subject_buf),
    BAD_ROW(natskit_sub_queue, sub_queue_len),
    BAD_ROW(natskit_sub_queue, sub_queue_buf),
    BAD_ROW(natskit_request_many, many_out),
    BAD_ROW(natskit_request_many, many_subject),
    BAD_ROW(natskit_request_many, many_null),
    BAD_ROW(natskit_request_many, many_data),
    BAD_ROW(natskit_connect, connect_out),
    BAD_ROW(natskit_connect, connect_url),
    BAD_ROW(natskit_connect, connect_url_text),
    BAD_ROW(natskit_connect, connect_timeout),
    BAD_ROW(natskit_connect_start, connect_start_out),
    BAD_ROW(natskit_connect_start, connect_start_op),
    BAD_ROW(natskit_connect_start, connect_start_url),
    BAD_ROW(natskit_connect_start, connect_start_timeout),
    BAD_ROW(natskit_conn_info_get, conn_info_null),
    BAD_ROW(natskit_conn_info_get, conn_info_size),
    BAD_ROW(natskit_conn_stats_get, conn_stats_null),
    BAD_ROW(natskit_conn_stats_get, conn_stats_size),
    BAD_ROW(natskit_conn_health, conn_health_null),
    BAD_ROW(natskit_conn_health, conn_health_size),
    BAD_ROW(natskit_conn_server_info, server_info_len),
    BAD_ROW(natskit_conn_trace, trace_len),
    BAD_ROW(natskit_conn_trace, trace_buf),
    BAD_ROW(natskit_conn_server_info, server_info_buf),
    BAD_ROW(natskit_conn_servers, servers_len),
    BAD_ROW(natskit_conn_servers, servers_buf),
    BAD_ROW(natskit_conn_servers_set, servers_set_urls),
    BAD_ROW(natskit_conn_servers_set, servers_set_empty),
    BAD_ROW(natskit_conn_servers_set, servers_set_url),
    BAD_ROW(natskit_conn_new_inbox, new_inbox_len),
    BAD_ROW(natskit_conn_new_inbox, new_inbox_buf),
    BAD_ROW(natskit_conn_events, events_out),
    BAD_ROW(natskit_conn_close, conn_close_linger),
    BAD_ROW(natskit_conn_close_start, close_start_op),
    BAD_ROW(natskit_conn_close_start, close_start_linger),
    BAD_ROW(natskit_publish, publish_subject),
    BAD_ROW(natskit_publish, publish_empty),
    BAD_ROW(natskit_publish, publish_wildcard),
    BAD_ROW(natskit_publish, publish_blank),
    BAD_ROW(natskit_publish, publish_crlf),
    BAD_ROW(natskit_publish, publish_nul),
    BAD_ROW(natskit_publish, publish_reply),
    BAD_ROW(natskit_publish, publish_reply_text),
    BAD_ROW(natskit_publish, publish_data),
    BAD_ROW(natskit_publish, publish_timeout),
    BAD_ROW(natskit_publish_batch, batch_out),
    BAD_ROW(natskit_publish_batch, batch_msgs),
    BAD_ROW(natskit_publish_batch, batch_size),
    BAD_ROW(natskit_publish_batch, batch_timeout),
    BAD_ROW(natskit_flush, flush_timeout),
    BAD_ROW(natskit_flush_start, flush_start_op),
    BAD_ROW(natskit_flush_start, flush_start_timeout),
    BAD_ROW(natskit_conn_closed, closed_timeout),
    BAD_ROW(natskit_conn_closed_start, closed_start_op),
    BAD_ROW(natskit_conn_closed_start, closed_start_timeout),
    BAD_ROW(natskit_conn_drain, drain_timeout),
    BAD_ROW(natskit_conn_drain_start, drain_start_op),
    BAD_ROW(natskit_conn_drain_start, drain_start_timeout),
    BAD_ROW(natskit_conn_rtt, rtt_timeout),
    BAD_ROW(natskit_conn_rtt, rtt_out),
    BAD_ROW(natskit_conn_answer_delay, answer_negative),
    BAD_ROW(natskit_conn_answer_delay, answer_long),
    BAD_ROW(natskit_written, written_timeout),
    BAD_ROW(natskit_written_start, written_start_op),
    BAD_ROW(natskit_written_start, written_start_timeout),
    BAD_ROW(natskit_sub_drain, sub_drain_timeout),
    BAD_ROW(natskit_sub_drain_start, sub_drain_start_op),
    BAD_ROW(natskit_sub_drain_start, sub_drain_start_timeout),
    BAD_ROW(natskit_sub_hold, sub_hold_none),
    BAD_ROW(natskit_op_duration, op_duration_out),
    BAD_ROW(natskit_room_start, room_start_op),
    BAD_ROW(natskit_room_start, room_start_timeout),
    BAD_ROW(natskit_subject_check, subject_check_null),
    BAD_ROW(natskit_subject_check, subject_check_empty),
    BAD_ROW(natskit_subject_check, subject_check_wildcard),
    BAD_ROW(natskit_subject_check, subject_check_place),
    BAD_ROW(natskit_subscribe, subscribe_out),
    BAD_ROW(natskit_subscribe, subscribe_subject),
    BAD_ROW(natskit_subscribe, subscribe_text),
    BAD_ROW(natskit_subscribe, subscribe_queue),
    BAD_ROW(natskit_subscribe, subscribe_queue_text),
    BAD_ROW(natskit_sub_next, next_out),
    BAD_ROW(natskit_sub_next, next_timeout),
    BAD_ROW(natskit_sub_next_batch, next_batch_out),
    BAD_ROW(natskit_sub_next_ahead, next_ahead_out),
    BAD_ROW(natskit_sub_next_batch, next_batch_cap),
    BAD_ROW(natskit_sub_next_ahead, next_ahead_cap),
    BAD_ROW(natskit_sub_next_batch, next_batch_count),
    BAD_ROW(natskit_sub_next_ahead, next_ahead_count),
    BAD_ROW(natskit_sub_next_batch, next_batch_timeout),
    BAD_ROW(natskit_sub_next_ahead, next_ahead_timeout),
    BAD_ROW(natskit_sub_stats_get, sub_stats_null),
    BAD_ROW(natskit_sub_stats_get, sub_stats_size),
    BAD_ROW(natskit_sub_health, sub_health_null),
    BAD_ROW(natskit_sub_health, sub_health_size),
    BAD_ROW(natskit_request, request_out),
    BAD_ROW(natskit_request, request_subject),
    BAD_ROW(natskit_request, request_data),
    BAD_ROW(natskit_request, request_timeout),
    BAD_ROW(natskit_request_start, request_start_op),
    BAD_ROW(natskit_request_start, request_start_subject),
    BAD_ROW(natskit_request_start, request_start_timeout),
    BAD_ROW(natskit_msg_respond, respond_msg),
    BAD_ROW(natskit_msg_delivery, delivery_msg),
    BAD_ROW(natskit_msg_delivery, delivery_view),
    BAD_ROW(natskit_msg_delivery, delivery_size),
    BAD_ROW(natskit_msg_ack, ack_msg),
    BAD_ROW(natskit_msg_nak, nak_msg),
    BAD_ROW(natskit_msg_nak, nak_negative),
    BAD_ROW(natskit_msg_nak, nak_beyond),
    BAD_ROW(natskit_msg_in_progress, in_progress_msg),
    BAD_ROW(natskit_msg_term, term_msg),
    BAD_ROW(natskit_msg_term, term_null),
    BAD_ROW(natskit_msg_term, term_lines),
    BAD_ROW(natskit_msg_term, term_nul),
    BAD_ROW(natskit_msg_term, term_utf8),
    BAD_ROW(natskit_ack_batch, ack_batch_null),
    BAD_ROW(natskit_ack_batch, ack_batch_msg),
    BAD_ROW(natskit_ack_batch, ack_batch_acked),
    BAD_ROW(natskit_msg_ack_confirm, confirm_msg),
    BAD_ROW(natskit_msg_ack_confirm, confirm_timeout),
    BAD_ROW(natskit_msg_ack_confirm_start, confirm_start_msg),
    BAD_ROW(natskit_msg_ack_confirm_start, confirm_start_op),
    BAD_ROW(natskit_msg_ack_confirm_start, confirm_start_timeout),
    BAD_ROW(natskit_op_wait, op_wait_timeout),
    BAD_ROW(natskit_op_take_msg, op_take_null),
    BAD_ROW(natskit_msg_view, view_msg),
    BAD_ROW(natskit_msg_header, header_msg),
    BAD_ROW(natskit_msg_header_at, header_at_msg),
    BAD_ROW(natskit_msg_event, event_msg),
    BAD_ROW(natskit_msg_retain, retain_msg),
    BAD_ROW(natskit_msg_release_batch, release_batch_null),
    BAD_ROW(natskit_waitset_open, waitset_open_null),
    BAD_ROW(natskit_waitset_fd, waitset_fd_null),
    BAD_ROW(natskit_waitset_wait, waitset_records),
    BAD_ROW(natskit_waitset_wait, waitset_size),
    BAD_ROW(natskit_waitset_wait, waitset_cap),
    BAD_ROW(natskit_waitset_wait, waitset_count),
    BAD_ROW(natskit_waitset_wait, waitset_timeout),
    JSON_BAD_ROWS,
    JS_BAD_ROWS,
    KV_BAD_ROWS,
    DIRECT_BAD_ROWS,
    SERVICE_BAD_ROWS,
    OBJECT_BAD_ROWS,
    JS_PUBLISH_BAD_ROWS,
    BATCH_BAD_ROWS,
    INGEST_BAD_ROWS,
};

const size_t bad_count = sizeof bads / sizeof bads[0];
