/* Handles and arguments of every public function: two tables hold one call for each handle parameter, and one
 * call for each way to pass a bad argument; a test compares the tables with the list of public symbols. Needs
 * no server. One thread. */
#include "fixture.h"

#include "support/proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the calls below are made with, apart from the handle in question. */
static natskit_options options;
static natskit_headers headers;
static natskit_conn conn;
static natskit_sub sub;
static natskit_conn drained;
static natskit_op op;
static natskit_waitset waitset;

static natskit_error error;
static natskit_sub new_sub;
static natskit_op new_op;
static natskit_conn new_conn;
static natskit_msg *msg;
static size_t count;
static char room[4096];
static int64_t duration;

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

CALL(headers_add, natskit_headers_add(H_HEADERS, "a", Z, "b", Z, &error))
CALL(headers_clear, natskit_headers_clear(H_HEADERS))
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

static natskit_status publish_batch(uint64_t id)
{
    const natskit_outgoing one = {.subject = "a", .subject_len = 1};
    return natskit_publish_batch(H_CONN, &one, sizeof one, 1, 0, &count);
}

CALL(conn_server_info, natskit_conn_server_info(H_CONN, room, sizeof room, &count))
CALL(conn_new_inbox, natskit_conn_new_inbox(H_CONN, room, sizeof room, &count))
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

CALL(sub_next, natskit_sub_next(H_SUB, 0, &msg))
CALL(sub_next_batch, natskit_sub_next_batch(H_SUB, &msg, 1, 0, &count))
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

#include "handle_json.h"

struct row {
    const char *name; /* of the public function */
    int32_t kind;
    natskit_status (*call)(uint64_t id);
    bool optional; /* {0} means none */
    bool either;   /* takes ids of subscriptions and of operations */
};

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

static const struct row rows[] = {
    ROW(natskit_options_set, OPTIONS, options_set),
    ROW(natskit_options_set_int, OPTIONS, options_set_int),
    ROW(natskit_options_add, OPTIONS, options_add),
    ROW_OPTIONAL(natskit_connect, OPTIONS, connect_options),
    ROW_OPTIONAL(natskit_connect_start, OPTIONS, connect_start_options),
    ROW_OPTIONAL(natskit_subscribe, OPTIONS, subscribe_options),
    ROW_OPTIONAL(natskit_conn_events, OPTIONS, events_options),
    ROW_OPTIONAL(natskit_request_start, OPTIONS, request_start_options),
    ROW_OPTIONAL(natskit_flush_start, OPTIONS, flush_start_options),
    ROW_OPTIONAL(natskit_room_start, OPTIONS, room_start_options),
    ROW_OPTIONAL(natskit_conn_closed_start, OPTIONS, closed_start_options),
    ROW_OPTIONAL(natskit_conn_drain_start, OPTIONS, drain_start_options),
    ROW_OPTIONAL(natskit_written_start, OPTIONS, written_start_options),
    ROW_OPTIONAL(natskit_sub_drain_start, OPTIONS, sub_drain_start_options),
    ROW(natskit_options_close, OPTIONS, options_close),
    ROW(natskit_headers_add, HEADERS, headers_add),
    ROW(natskit_headers_clear, HEADERS, headers_clear),
    ROW_OPTIONAL(natskit_publish, HEADERS, publish_headers),
    ROW_OPTIONAL(natskit_publish_batch, HEADERS, publish_batch_headers),
    ROW_OPTIONAL(natskit_request, HEADERS, request_headers),
    ROW_OPTIONAL(natskit_request_start, HEADERS, request_start_headers),
    ROW(natskit_headers_close, HEADERS, headers_close),
    ROW(natskit_conn_info_get, CONN, conn_info),
    ROW(natskit_conn_stats_get, CONN, conn_stats),
    ROW(natskit_conn_server_info, CONN, conn_server_info),
    ROW(natskit_conn_new_inbox, CONN, conn_new_inbox),
    ROW(natskit_conn_events, CONN, conn_events),
    ROW(natskit_publish, CONN, publish),
    ROW(natskit_publish_batch, CONN, publish_batch),
    ROW(natskit_flush, CONN, flush),
    ROW(natskit_flush_start, CONN, flush_start),
    ROW(natskit_room_start, CONN, room_start),
    ROW(natskit_subscribe, CONN, subscribe),
    ROW(natskit_request, CONN, request),
    ROW(natskit_request_start, CONN, request_start),
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
    ROW(natskit_sub_unsubscribe, SUB, sub_unsubscribe),
    ROW(natskit_sub_stats_get, SUB, sub_stats),
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
};

#define ROWS (sizeof rows / sizeof rows[0])

/* -- one call for each bad argument; all must give NATSKIT_INVALID --------------------------------------- */

struct bad {
    const char *name;
    natskit_status (*call)(void);
};

static natskit_status_info status_info;
static natskit_counters counters;
static natskit_option_info option_info;
static natskit_conn_info info;
static natskit_conn_stats stats;
static natskit_sub_stats substats;
static natskit_ready ready;
static natskit_msg *const no_msgs[1];
static const natskit_outgoing outgoing = {.subject = "a", .subject_len = 1};

BAD(status_at_null, natskit_status_at(0, NULL, sizeof status_info))
BAD(status_at_size, natskit_status_at(0, &status_info, 0))
BAD(describe_null, natskit_status_describe(0, NULL, sizeof status_info))
BAD(describe_size, natskit_status_describe(0, &status_info, 0))
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
BAD(conn_stats_size, natskit_conn_stats_get(conn, &stats, 0))
BAD(server_info_len, natskit_conn_server_info(conn, room, sizeof room, NULL))
BAD(server_info_buf, natskit_conn_server_info(conn, NULL, 1, &count))
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
BAD(next_batch_cap, natskit_sub_next_batch(sub, &msg, 0, 0, &count))
BAD(next_batch_count, natskit_sub_next_batch(sub, &msg, 1, 0, NULL))
BAD(next_batch_timeout, natskit_sub_next_batch(sub, &msg, 1, -2, &count))
BAD(sub_stats_null, natskit_sub_stats_get(sub, NULL, sizeof substats))
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

static const struct bad bads[] = {
    BAD_ROW(natskit_status_at, status_at_null),
    BAD_ROW(natskit_status_at, status_at_size),
    BAD_ROW(natskit_status_describe, describe_null),
    BAD_ROW(natskit_status_describe, describe_size),
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
    BAD_ROW(natskit_conn_server_info, server_info_len),
    BAD_ROW(natskit_conn_server_info, server_info_buf),
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
    BAD_ROW(natskit_sub_next_batch, next_batch_cap),
    BAD_ROW(natskit_sub_next_batch, next_batch_count),
    BAD_ROW(natskit_sub_next_batch, next_batch_timeout),
    BAD_ROW(natskit_sub_stats_get, sub_stats_null),
    BAD_ROW(natskit_sub_stats_get, sub_stats_size),
    BAD_ROW(natskit_request, request_out),
    BAD_ROW(natskit_request, request_subject),
    BAD_ROW(natskit_request, request_data),
    BAD_ROW(natskit_request, request_timeout),
    BAD_ROW(natskit_request_start, request_start_op),
    BAD_ROW(natskit_request_start, request_start_subject),
    BAD_ROW(natskit_request_start, request_start_timeout),
    BAD_ROW(natskit_msg_respond, respond_msg),
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
};

#define BADS (sizeof bads / sizeof bads[0])

/* -- the tests ------------------------------------------------------------------------------------------- */

static int open_all(void **state)
{
    (void)fx_mark(state);
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    assert_ok(natskit_headers_open(&headers));
    conn = fx_silent_conn(&op);
    drained = fx_silent_conn(NULL);
    assert_ok(natskit_subscribe(conn, "a", Z, NULL, 0, NO_OPTIONS, &sub, NULL));
    assert_ok(natskit_waitset_open(&waitset));
    assert_ok(natskit_json_parse("{\"a\":1}", Z, &json, NULL));
    return 0;
}

static uint64_t id_of(int32_t kind)
{
    const uint64_t ids[] = {0, options.id, headers.id, conn.id, sub.id, op.id, waitset.id, json.id};
    return ids[kind];
}

static void expect(const struct row *row, uint64_t id, natskit_status wanted)
{
    memset(&error, 0, sizeof error);
    natskit_status got = row->call(id);
    if (got != wanted) {
        print_error("%s with handle %#llx of kind %d\n", row->name, (unsigned long long)id, row->kind);
    }
    assert_status(got, wanted);
    assert_true(error.status == 0 || error.status == got);
    assert_true(error.status == 0 || error.text[0] != '\0');
}

/* A new object of a kind, beside those of open_all. */
static uint64_t open_another(int32_t kind)
{
    natskit_options o = {0};
    natskit_headers h = {0};
    natskit_op p = {0};
    natskit_sub s = {0};
    natskit_waitset w = {0};
    natskit_json j = {0};
    switch (kind) {
    case NATSKIT_KIND_JSON:
        assert_ok(natskit_json_open(NATSKIT_JSON_OBJECT, &j));
        return j.id;
    case NATSKIT_KIND_OPTIONS:
        assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &o));
        return o.id;
    case NATSKIT_KIND_HEADERS:
        assert_ok(natskit_headers_open(&h));
        return h.id;
    case NATSKIT_KIND_CONN:
        return fx_silent_conn(NULL).id;
    case NATSKIT_KIND_SUB:
        assert_ok(natskit_conn_events(conn, NO_OPTIONS, &s, NULL));
        return s.id;
    case NATSKIT_KIND_OP:
        assert_ok(natskit_conn_close(fx_silent_conn(&p), 0));
        return p.id;
    default:
        assert_ok(natskit_waitset_open(&w));
        return w.id;
    }
}

static void close_one(int32_t kind, uint64_t id, natskit_status wanted)
{
    static natskit_status (*const closes[])(uint64_t) = {NULL,      options_close, headers_close, conn_close,
                                                         sub_close, op_close,      waitset_close, json_close};
    assert_status(closes[kind](id), wanted);
}

/* Every public symbol stands in one of the tables, or needs neither. */
static void test_tables_are_complete(void **state)
{
    (void)state;
    static const char *const neither[] = {"natskit_version", "natskit_msg_release", "natskit_headers_open"};
    size_t len;
    size_t symbols = 0;
    char *text = ts_read_file(NKI_TEST_DIR "/../capi/natskit.syms", &len);
    assert_non_null(text);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        char name[128];
        if (line[0] == '#' || sscanf(line, "%127s", name) != 1) {
            continue;
        }
        bool found = false;
        for (size_t i = 0; i < sizeof neither / sizeof neither[0]; i++) {
            found = found || strcmp(name, neither[i]) == 0;
        }
        for (size_t i = 0; i < ROWS; i++) {
            found = found || strcmp(name, rows[i].name) == 0;
        }
        for (size_t i = 0; i < BADS; i++) {
            found = found || strcmp(name, bads[i].name) == 0;
        }
        if (!found) {
            print_error("%s stands in no table of this test\n", name);
        }
        assert_true(found);
        symbols++;
    }
    assert_true(symbols > 50);
    free(text);
}

static void test_zero_and_forged(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        const struct row *row = &rows[i];
        uint64_t live = id_of(row->kind);
        if (!row->optional) {
            expect(row, 0, NATSKIT_BAD_HANDLE);
        }
        expect(row, UINT64_MAX, NATSKIT_BAD_HANDLE);
        expect(row, 1, NATSKIT_BAD_HANDLE);
        expect(row, live & 0xffffffffffff, NATSKIT_BAD_HANDLE);    /* no kind */
        expect(row, live | UINT64_C(1) << 53, NATSKIT_BAD_HANDLE); /* beyond 53 bits */
        expect(row, live | UINT64_C(1) << 63, NATSKIT_BAD_HANDLE);
        expect(row, live & ~UINT64_C(0xffffff), NATSKIT_BAD_HANDLE); /* index 0 */
        expect(row, live | 0xffffff, NATSKIT_BAD_HANDLE);            /* an index that was never used */
        expect(row, live + 0x10000, NATSKIT_BAD_HANDLE);
        expect(row, live & ~(UINT64_C(0xffffff) << 24), NATSKIT_BAD_HANDLE); /* generation 0 */
        expect(row, live + (UINT64_C(1) << 24), NATSKIT_BAD_HANDLE);         /* one that is yet to come */
        for (uint64_t kind = 0; kind < 32; kind++) {
            bool fits = kind == (uint64_t)row->kind;
            if (row->either) {
                fits = kind == NATSKIT_KIND_SUB || kind == NATSKIT_KIND_OP;
            }
            if (!fits) {
                expect(row, (live & 0xffffffffffff) | kind << 48, NATSKIT_BAD_HANDLE);
            }
        }
    }
}

static void test_wrong_kind(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        for (int32_t kind = 1; kind <= NATSKIT_KIND_JSON; kind++) {
            bool fits = kind == rows[i].kind ||
                        (rows[i].either && (kind == NATSKIT_KIND_SUB || kind == NATSKIT_KIND_OP));
            if (!fits) {
                expect(&rows[i], id_of(kind), NATSKIT_BAD_HANDLE);
            }
        }
    }
}

static void test_random(void **state)
{
    (void)state;
    uint64_t random = 88172645463325252u;
    for (int turn = 0; turn < 20000; turn++) {
        const struct row *row = &rows[(size_t)turn % ROWS];
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        uint64_t id = turn % 3 == 0 ? random : (random & 0xffffffffffff) | (uint64_t)row->kind << 48;
        if (id == 0 || id == id_of(row->kind)) {
            continue;
        }
        natskit_status got = row->call(id);
        assert_true(got == NATSKIT_BAD_HANDLE || got == NATSKIT_CLOSED);
    }
}

/* Closed handles, with the slot free, and with the slot used again by any kind. */
static void test_closed_and_stale(void **state)
{
    enum { LATER = 4096 };
    static natskit_headers later[LATER];
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        const struct row *row = &rows[i];
        uint64_t id = open_another(row->kind);
        close_one(row->kind, id, NATSKIT_OK);
        expect(row, id, NATSKIT_CLOSED);
        close_one(row->kind, id, NATSKIT_CLOSED);
        /* Slots are used again oldest first: this one's turn comes when all that were free are taken. */
        size_t opened = 0;
        bool reused = false;
        while (!reused && opened < LATER) {
            assert_ok(natskit_headers_open(&later[opened]));
            reused = (later[opened].id & 0xffffff) == (id & 0xffffff);
            opened++;
        }
        assert_true(reused);
        expect(row, id, NATSKIT_CLOSED);
        for (size_t k = 0; k < opened; k++) {
            assert_ok(natskit_headers_close(later[k]));
        }
    }
}

/* A live handle is what these calls are for: none says anything of the handle. */
static void test_live(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        const char *name = rows[i].name;
        size_t len = strlen(name);
        if (len > 6 && (strcmp(name + len - 6, "_close") == 0 || strstr(name, "close_start") != NULL ||
                        strstr(name, "conn_drain") != NULL)) {
            continue;
        }
        natskit_status got = rows[i].call(id_of(rows[i].kind));
        if (got == NATSKIT_BAD_HANDLE || got == NATSKIT_CLOSED || got == NATSKIT_FORKED) {
            print_error("%s: %s\n", name, fx_status_name(got));
        }
        assert_int_not_equal(got, NATSKIT_BAD_HANDLE);
        assert_int_not_equal(got, NATSKIT_CLOSED);
        assert_int_not_equal(got, NATSKIT_FORKED);
    }
}

static void test_bad_arguments(void **state)
{
    (void)state;
    for (size_t i = 0; i < BADS; i++) {
        memset(&error, 0, sizeof error);
        new_conn.id = 1;
        new_op.id = 1;
        new_sub.id = 1;
        natskit_status got = bads[i].call();
        if (got != NATSKIT_INVALID) {
            print_error("row %zu, %s: %s\n", i, bads[i].name, fx_status_name(got));
        }
        assert_status(got, NATSKIT_INVALID);
        if (error.status != 0) {
            assert_int_equal(error.status, NATSKIT_INVALID);
            assert_true(error.text[0] != '\0');
        }
    }
    assert_ok(natskit_msg_release(NULL));
    assert_ok(natskit_msg_release_batch(no_msgs, 1));
    assert_ok(natskit_msg_release_batch(NULL, 0));
    assert_ok(natskit_publish_batch(conn, NULL, sizeof outgoing, 0, 0, &count));
}

/* The out-parameter of a call that fails is zero. */
static void test_outs_are_zeroed(void **state)
{
    (void)state;
    natskit_conn out = {7};
    natskit_op p = {7};
    natskit_sub s = {7};
    natskit_msg *m = (natskit_msg *)(void *)room;
    assert_status(natskit_connect_start("a b", Z, NO_OPTIONS, 0, &out, &p, NULL), NATSKIT_INVALID);
    assert_true(out.id == 0 && p.id == 0);
    out.id = 7;
    p.id = 7;
    assert_status(natskit_connect_start("a", Z, NO_OPTIONS, 0, &out, NULL, NULL), NATSKIT_INVALID);
    assert_true(out.id == 0);
    assert_status(natskit_subscribe(conn, "", 0, NULL, 0, NO_OPTIONS, &s, NULL), NATSKIT_INVALID);
    assert_true(s.id == 0);
    assert_status(natskit_sub_next(sub, 0, &m), NATSKIT_WOULD_BLOCK);
    assert_null(m);
    m = (natskit_msg *)(void *)room;
    assert_status(natskit_op_take_msg(op, &m), NATSKIT_PENDING);
    assert_null(m);
    count = 7;
    assert_status(natskit_sub_next_batch(sub, &m, 1, 0, &count), NATSKIT_WOULD_BLOCK);
    assert_int_equal(count, 0);
}

/* Error texts name the argument, show its value cut short, and never a control character. */
static void test_error_texts(void **state)
{
    (void)state;
    char longer[5000];
    memset(longer, 'x', sizeof longer);
    longer[10] = '\n';
    assert_status(natskit_subscribe(conn, "a..b", Z, NULL, 0, NO_OPTIONS, &new_sub, &error), NATSKIT_INVALID);
    assert_non_null(strstr(error.text, "\"a..b\""));
    assert_non_null(strstr(error.text, "subject"));
    assert_status(natskit_subscribe(conn, longer, sizeof longer, NULL, 0, NO_OPTIONS, &new_sub, &error),
                  NATSKIT_INVALID);
    assert_true(strlen(error.text) < 200);
    assert_null(strchr(error.text, '\n'));
    assert_status(natskit_subscribe(conn, "a", Z, "q\x7f", Z, NO_OPTIONS, &new_sub, &error), NATSKIT_INVALID);
    assert_non_null(strstr(error.text, "queue"));
    assert_status(natskit_subscribe((natskit_conn){0}, "a", Z, NULL, 0, NO_OPTIONS, &new_sub, &error),
                  NATSKIT_BAD_HANDLE);
    assert_non_null(strstr(error.text, "connection"));
}

/* More handles than one chunk of the table holds, closed in another order. */
static void test_many(void **state)
{
    (void)state;
    enum { MANY = 5000 };
    static natskit_headers many[MANY];
    natskit_counters now;
    for (size_t i = 0; i < MANY; i++) {
        assert_ok(natskit_headers_open(&many[i]));
        assert_true(many[i].id < UINT64_C(1) << 53);
        assert_int_equal(many[i].id >> 48, NATSKIT_KIND_HEADERS);
    }
    assert_ok(natskit_counters_get(&now, sizeof now));
    assert_int_equal(now.headers, MANY + 1);
    for (size_t i = 0; i < MANY; i++) {
        size_t k = i * 7 % MANY;
        assert_ok(natskit_headers_close(many[k]));
        assert_status(natskit_headers_close(many[k]), NATSKIT_CLOSED);
    }
    for (size_t i = 0; i < MANY; i++) {
        assert_status(natskit_headers_clear(many[i]), NATSKIT_CLOSED);
    }
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, open_all, fx_check_clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_are_complete),
        TEST(test_zero_and_forged),
        TEST(test_wrong_kind),
        TEST(test_random),
        TEST(test_closed_and_stale),
        TEST(test_live),
        TEST(test_bad_arguments),
        TEST(test_outs_are_zeroed),
        TEST(test_error_texts),
        TEST(test_many),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fx_server_end();
    return failed;
}
