/* Checked calls: see life.h. */
#include "checked.h"

#include "life.h"
#include "registry.h"

#include "support/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tt_life tt_life;

/* -- what a fault may lead to ------------------------------------------------------------------------------
 */

#define MEM 1u   /* NO_MEMORY */
#define SYS 2u   /* SYSTEM */
#define NET 4u   /* of an attempt to connect, or what ended the connection */
#define ENDED 8u /* the connection or its transport went away */
#define LATE 16u /* what was waited for did not come */
#define ABSENT 32u
#define KEYS 64u    /* a seed or a signature that OpenSSL has to work on */
#define UNDONE 256u /* what was to be there is not, for a call before it has failed */
#define GAPS 512u   /* messages that went with the connection: the stream ends a fast ingest before them */
#define BARE 128u   /* a document that is missing for a fault is none that was given */

struct row {
    const char *function;
    unsigned may;
};

/* Functions that are not listed here never fail. A message or handle that is not there because of an earlier
 * fault gives BAD_HANDLE besides. */
static const struct row rows[] = {
    {"natskit_options_open", MEM},
    {"natskit_options_set", MEM},
    {"natskit_options_set_int", MEM},
    {"natskit_options_add", MEM},
    {"natskit_options_context", MEM | SYS},
    {"natskit_nkey_create", MEM | KEYS},
    {"natskit_nkey_public", MEM | KEYS},
    {"natskit_nkey_sign", MEM | KEYS},
    {"natskit_nkey_verify", MEM | KEYS},
    {"natskit_creds_format", MEM | KEYS},
    {"natskit_jwt_issue_user", MEM | KEYS},
    {"natskit_jwt_expiry", MEM},
    {"natskit_headers_open", MEM},
    {"natskit_headers_add", MEM},
    {"natskit_headers_set", MEM},
    {"natskit_headers_delete", MEM | ABSENT},
    {"natskit_headers_add_all", MEM},
    {"natskit_headers_get", ABSENT},
    {"natskit_headers_at", ABSENT},
    {"natskit_connect", MEM | SYS | NET | ENDED | LATE},
    {"natskit_connect_start", MEM | SYS},
    {"natskit_conn_server_info", ABSENT},
    {"natskit_conn_trace", MEM},
    {"natskit_conn_server_at_least", ABSENT},
    {"natskit_conn_servers", MEM},
    {"natskit_conn_servers_set", MEM | ENDED},
    {"natskit_conn_events", MEM | ENDED},
    {"natskit_conn_close", MEM | ENDED | LATE},
    {"natskit_conn_close_start", MEM},
    {"natskit_conn_closed", MEM | SYS | NET | ENDED | LATE},
    {"natskit_conn_closed_start", MEM},
    {"natskit_conn_drain", MEM | ENDED | LATE},
    {"natskit_conn_drain_start", MEM | ENDED},
    {"natskit_conn_reconnect", ENDED},
    {"natskit_dump", MEM},
    {"natskit_conn_rtt", MEM | ENDED | LATE},
    {"natskit_conn_answer_delay", ABSENT},
    {"natskit_conn_answer_auth", MEM | ABSENT | KEYS},
    {"natskit_publish", MEM | ENDED | LATE},
    {"natskit_publish_batch", MEM | ENDED | LATE},
    {"natskit_msg_republish", MEM | ENDED | LATE},
    {"natskit_msg_respond", MEM | ENDED | LATE},
    {"natskit_msg_ack", MEM | ENDED | LATE},
    {"natskit_msg_nak", MEM | ENDED | LATE},
    {"natskit_msg_in_progress", MEM | ENDED | LATE},
    {"natskit_msg_term", MEM | ENDED | LATE},
    {"natskit_ack_batch", MEM | ENDED | LATE},
    {"natskit_msg_ack_confirm", MEM | ENDED | LATE | ABSENT},
    {"natskit_msg_ack_confirm_start", MEM | ENDED | LATE},
    {"natskit_flush", MEM | ENDED | LATE},
    {"natskit_flush_start", MEM | ENDED},
    {"natskit_written", MEM | ENDED | LATE},
    {"natskit_written_start", MEM | ENDED},
    {"natskit_room_start", MEM | ENDED},
    {"natskit_subscribe", MEM | ENDED},
    {"natskit_sub_next", ENDED | LATE},
    {"natskit_sub_next_ahead", ENDED | LATE},
    {"natskit_sub_next_batch", ENDED | LATE},
    {"natskit_sub_unsubscribe", MEM},
    {"natskit_sub_reason", ENDED},
    {"natskit_sub_drain", MEM | ENDED | LATE},
    {"natskit_sub_drain_start", MEM | ENDED},
    {"natskit_request", MEM | ENDED | LATE | ABSENT},
    {"natskit_request_start", MEM | ENDED | LATE},
    {"natskit_request_many", MEM | ENDED | LATE},
    {"natskit_op_wait", LATE},
    {"natskit_op_result", MEM | SYS | NET | ENDED | LATE | ABSENT | UNDONE | GAPS},
    {"natskit_op_take_msg", MEM | SYS | NET | ENDED | LATE | ABSENT | GAPS},
    {"natskit_msg_header", MEM | ABSENT},
    {"natskit_msg_header_at", MEM | ABSENT},
    {"natskit_waitset_open", MEM | SYS},
    {"natskit_json_parse", MEM},
    {"natskit_json_open", MEM},
    {"natskit_json_set_string", MEM},
    {"natskit_json_set_int", MEM},
    {"natskit_json_set_uint", MEM},
    {"natskit_json_set_double", MEM},
    {"natskit_json_set_bool", MEM},
    {"natskit_json_set_null", MEM},
    {"natskit_json_set_text", MEM},
    {"natskit_json_set_json", MEM | ABSENT},
    {"natskit_json_feed", MEM},
    {"natskit_json_remove", ABSENT},
    {"natskit_json_type", ABSENT},
    {"natskit_json_size", ABSENT},
    {"natskit_json_key_at", ABSENT},
    {"natskit_json_get_string", ABSENT},
    {"natskit_json_get_int", ABSENT},
    {"natskit_json_get_uint", ABSENT},
    {"natskit_json_get_double", ABSENT},
    {"natskit_json_get_bool", ABSENT},
    {"natskit_json_text", ABSENT},
    {"natskit_js_open", MEM | ENDED},
    {"natskit_js_publish", MEM | ENDED | LATE},
    {"natskit_js_publish_start", MEM | ENDED | LATE},
    {"natskit_js_increment", MEM | ENDED | LATE},
    {"natskit_js_increment_start", MEM | ENDED | LATE},
    {"natskit_msg_counter_sources", MEM | ABSENT},
    {"natskit_batch_open", MEM | ENDED},
    {"natskit_batch_add", MEM | ENDED},
    {"natskit_batch_commit", MEM | ENDED | LATE},
    {"natskit_batch_commit_start", MEM | ENDED | LATE},
    {"natskit_ingest_open", MEM | ENDED},
    {"natskit_ingest_publish", MEM | ENDED | LATE | GAPS},
    {"natskit_ingest_room_start", MEM | ENDED | LATE | GAPS},
    {"natskit_ingest_commit", MEM | ENDED | LATE | GAPS},
    {"natskit_ingest_commit_start", MEM | ENDED | LATE},
    {"natskit_js_call", MEM | ENDED | LATE | BARE},
    {"natskit_js_call_start", MEM | ENDED | LATE | BARE},
    {"natskit_js_get_msg", MEM | ENDED | LATE},
    {"natskit_js_get_msg_start", MEM | ENDED | LATE},
    {"natskit_js_get_batch", MEM | ENDED},
    {"natskit_js_get_last", MEM | ENDED},
    {"natskit_op_json", MEM | LATE | ABSENT},
    {"natskit_kv_open", MEM | ENDED},
    {"natskit_kv_open_with", MEM | ENDED},
    {"natskit_kv_status", MEM | ENDED | LATE},
    {"natskit_kv_status_start", MEM | ENDED | LATE},
    {"natskit_kv_sweep", MEM | ENDED | LATE},
    {"natskit_kv_sweep_start", MEM | ENDED | LATE},
    {"natskit_kv_get_many", MEM | ENDED},
    {"natskit_kv_batch_add", MEM | ENDED},
    {"natskit_kv_cache", MEM | ENDED},
    {"natskit_kv_cached", MEM | ENDED | LATE | ABSENT},
    {"natskit_kv_cached_all", MEM | ENDED | LATE | ABSENT},
    {"natskit_kv_cache_stats", ABSENT},
    {"natskit_kv_config", MEM | BARE},
    {"natskit_kv_get", MEM | ENDED | LATE},
    {"natskit_kv_get_start", MEM | ENDED | LATE},
    {"natskit_kv_write", MEM | ENDED | LATE},
    {"natskit_kv_write_start", MEM | ENDED | LATE},
    {"natskit_kv_watch", MEM | ENDED},
    {"natskit_object_store_open", MEM | ENDED},
    {"natskit_object_store_config", MEM | BARE},
    {"natskit_object_info", MEM | ENDED | LATE | UNDONE},
    {"natskit_object_info_start", MEM | ENDED | LATE},
    {"natskit_object_delete", MEM | ENDED | LATE | UNDONE},
    {"natskit_object_delete_start", MEM | ENDED | LATE},
    {"natskit_object_update", MEM | ENDED | LATE | UNDONE | BARE},
    {"natskit_object_update_start", MEM | ENDED | LATE | BARE},
    {"natskit_object_link", MEM | ENDED | LATE | UNDONE},
    {"natskit_object_link_start", MEM | ENDED | LATE},
    {"natskit_object_put", MEM | ENDED | LATE | BARE},
    {"natskit_object_writer_open", MEM | ENDED},
    {"natskit_object_writer_write", MEM | ENDED | LATE},
    {"natskit_object_writer_room_start", MEM | ENDED},
    {"natskit_object_writer_done_start", MEM | ENDED | LATE},
    {"natskit_object_writer_finish", MEM | ENDED | LATE},
    {"natskit_object_writer_finish_start", MEM | ENDED | LATE | UNDONE},
    {"natskit_object_writer_abort", MEM | ENDED | LATE},
    {"natskit_object_writer_abort_start", MEM | ENDED | LATE | UNDONE},
    {"natskit_object_reader_open", MEM | ENDED},
    {"natskit_object_reader_read", MEM | ENDED | LATE},
    {"natskit_object_reader_ready_start", MEM | ENDED},
    {"natskit_object_watch", MEM | ENDED},
    {"natskit_js_fetch", MEM | ENDED},
    {"natskit_js_next_with", MEM | ENDED | LATE},
    {"natskit_js_next", MEM | ENDED | LATE},
    {"natskit_js_consume", MEM | ENDED},
    {"natskit_js_ordered", MEM | ENDED},
    {"natskit_js_subscribe", MEM | ENDED | LATE},
    {"natskit_js_subscribe_start", MEM | ENDED},
    {"natskit_sub_push_info", ENDED | ABSENT},
    {"natskit_js_restore_chunk", MEM | ENDED | LATE | ABSENT},
    {"natskit_js_restore_chunk_start", MEM | ENDED | LATE},
    {"natskit_js_snapshot", MEM | ENDED | LATE | BARE},
    {"natskit_js_snapshot_start", MEM | ENDED | LATE | BARE},
    {"natskit_trace_tree", MEM},
    {"natskit_sub_pull_info", ENDED | ABSENT},
    {"natskit_sub_watch_info", ENDED | ABSENT},
    {"natskit_publisher_open", MEM | ENDED},
    {"natskit_publisher_publish", MEM | ENDED | LATE},
    {"natskit_publisher_publish_batch", MEM | ENDED | LATE},
    {"natskit_publisher_done", MEM | ENDED | LATE},
    {"natskit_publisher_done_start", MEM | ENDED},
    {"natskit_publisher_room_start", MEM | ENDED},
    {"natskit_service_open", MEM | ENDED | BARE},
    {"natskit_service_group_add", MEM | BARE},
    {"natskit_service_endpoint_add", MEM | ENDED | BARE},
    {"natskit_service_endpoint_data", MEM | ABSENT},
    {"natskit_service_report", MEM},
    {"natskit_service_stop", MEM},
    {"natskit_service_discover", MEM | ENDED | LATE},
    {"natskit_msg_respond_error", MEM | ENDED | LATE},
    {"natskit_waitset_add", MEM},
    {"natskit_waitset_arm", ABSENT},
    {"natskit_waitset_remove", ABSENT},
    {"natskit_waitset_wait", LATE},
};

static unsigned may_of(const char *function)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].function, function) == 0) {
            return rows[i].may;
        }
    }
    return 0;
}

static bool allowed(const char *function, natskit_status got)
{
    unsigned may = may_of(function);
    bool system = (tt_life.may_lack & TT_MAY_LACK_SYSTEM) != 0;
    bool tls = (tt_life.may_lack & TT_MAY_LACK_TLS) != 0;
    switch (got) {
    case NATSKIT_BAD_HANDLE:
        return tt_registry.missing > 0;
    case NATSKIT_INVALID:
        return (may & BARE) != 0 && tt_registry.missing > 0;
    case NATSKIT_NO_MEMORY:
        return (may & MEM) != 0 && (tt_life.may_lack & (TT_MAY_LACK_MEMORY | TT_MAY_LACK_TLS)) != 0;
    case NATSKIT_TLS_CERTIFICATE: /* without memory OpenSSL finds other faults than that, but lets none pass
                                   */
    case NATSKIT_INTERNAL:
        return (may & (NET | KEYS)) != 0 && tls;
    case NATSKIT_SIGNATURE: /* OpenSSL does not tell of all memory that it lacks when it verifies */
        return (may & KEYS) != 0 && tls;
    case NATSKIT_TLS:
        return (may & NET) != 0 && (system || tls);
    case NATSKIT_CREDENTIALS: /* a file that cannot be read, or a text that cannot be understood for lack of
                                 memory */
        return (may & (NET | KEYS)) != 0 && (system || tls);
    case NATSKIT_SYSTEM:
        return (may & (SYS | NET)) != 0 && system;
    case NATSKIT_IO:
    case NATSKIT_RESOLVE:
    case NATSKIT_CONNECT_REFUSED:
        return (may & NET) != 0 && system;
    case NATSKIT_NO_SERVERS:
    case NATSKIT_STALE:
        return (may & NET) != 0;
    case NATSKIT_DISCONNECTED:
    case NATSKIT_CLOSED:
    case NATSKIT_END:
        return (may & ENDED) != 0;
    case NATSKIT_TIMEOUT:
    case NATSKIT_WOULD_BLOCK:
    case NATSKIT_PENDING:
        return (may & LATE) != 0;
    case NATSKIT_BUSY: /* a writer whose chunks are not all stored, or of which nobody knows */
    case NATSKIT_OBJECT_NOT_FOUND:
    case NATSKIT_OBJECT_DELETED:
    case NATSKIT_OBJECT_EXISTS:
        return (may & UNDONE) != 0;
    case NATSKIT_BATCH_INCOMPLETE:
        return (may & GAPS) != 0;
    case NATSKIT_NOT_FOUND:
    case NATSKIT_NO_RESPONDERS: /* the responder is not there */
    case NATSKIT_NO_STREAM:
        return (may & ABSENT) != 0;
    default:
        return false;
    }
}

static const char *status_name(natskit_status status)
{
    natskit_status_info info = {0};
    return natskit_status_describe(status, &info, sizeof info) == NATSKIT_OK ? info.name : "not a status";
}

natskit_status tt_check(const char *function, natskit_status got, natskit_status also)
{
    tt_called(function);
    if (got != NATSKIT_OK && got != also && !(tt_life.hurt && allowed(function, got))) {
        tt_fail("%s gave %s", function, status_name(got));
    }
    return got;
}

natskit_status tt_check_error(const char *function, natskit_status got, natskit_status also,
                              const natskit_error *err)
{
    bool fine = got == NATSKIT_OK || got == also || (tt_life.hurt && allowed(function, got));
    if (!fine) {
        tt_fail("%s: %s", status_name(got), err->text);
    }
    if (got != NATSKIT_OK && (err->status != got || err->text[0] == '\0' || strchr(err->text, '\n') != NULL ||
                              memchr(err->text, '\0', sizeof err->text) == NULL)) {
        tt_fail("%s gave %s, but an error of status %s, \"%.80s\"", function, status_name(got),
                status_name(err->status), err->text);
    }
    tt_called(function);
    return got;
}

void tt_want(bool holds, const char *what)
{
    if (!holds && !tt_life.hurt) {
        tt_fail("%s", what);
    }
}

uint64_t tt_given(const char *function, natskit_status got, int32_t kind, uint64_t id, uint64_t conn,
                  const char *subject)
{
    if (got != NATSKIT_OK && id != 0) {
        tt_fail("%s gave %s, and all the same something", function, status_name(got));
    }
    if (got == NATSKIT_OK && id == 0) {
        tt_fail("%s gave nothing, but OK", function);
    }
    if (got == NATSKIT_OK) {
        tt_registry_add(kind, id, conn, subject);
    } else if (kind != TT_KIND_MSG) {
        tt_registry_miss();
    }
    return got == NATSKIT_OK ? id : 0;
}

/* -- options, headers --------------------------------------------------------------------------------------
 */

natskit_options tt_options(int32_t scope)
{
    natskit_options options = {UINT64_MAX};
    natskit_status got = TT(natskit_options_open, scope, &options);
    return (natskit_options){
        tt_given("natskit_options_open", got, NATSKIT_KIND_OPTIONS, options.id, 0, NULL)};
}

void tt_set(natskit_options options, const char *name, int64_t value)
{
    natskit_error err = {0};
    natskit_status got = natskit_options_set_int(options, name, Z, value, &err);
    tt_check_error("natskit_options_set_int", got, NATSKIT_OK, &err);
}

natskit_options tt_connect_options(void)
{
    natskit_options options = tt_options(NATSKIT_OPTIONS_CONNECT);
    tt_set(options, "reconnect_wait_ms", 1);
    tt_set(options, "reconnect_wait_max_ms", 5);
    tt_set(options, "reconnect_jitter_ms", 0);
    tt_set(options, "attempt_timeout_ms", tt_life.hurt ? 1000 : 20000);
    tt_set(options, "ping_interval_ms", tt_life.hurt ? 500 : 20000);
    return options;
}

natskit_headers tt_headers(const char *name, const char *value)
{
    natskit_error err = {0};
    natskit_headers headers = {UINT64_MAX};
    natskit_status got = TT(natskit_headers_open, &headers);
    headers.id = tt_given("natskit_headers_open", got, NATSKIT_KIND_HEADERS, headers.id, 0, NULL);
    got = natskit_headers_add(headers, name, Z, value, Z, &err);
    tt_check_error("natskit_headers_add", got, NATSKIT_OK, &err);
    return headers;
}

natskit_json tt_json(const char *text)
{
    natskit_error err = {0};
    natskit_json json = {UINT64_MAX};
    natskit_status got = natskit_json_parse(text, Z, &json, &err);
    tt_check_error("natskit_json_parse", got, NATSKIT_OK, &err);
    return (natskit_json){tt_given("natskit_json_parse", got, NATSKIT_KIND_JSON, json.id, 0, NULL)};
}

natskit_json tt_json_open(int32_t type)
{
    natskit_json json = {UINT64_MAX};
    natskit_status got = TT(natskit_json_open, type, &json);
    return (natskit_json){tt_given("natskit_json_open", got, NATSKIT_KIND_JSON, json.id, 0, NULL)};
}

/* -- connections -------------------------------------------------------------------------------------------
 */

natskit_conn tt_connect_to(const char *url, natskit_options options, natskit_status also)
{
    natskit_error err = {0};
    natskit_conn conn = {UINT64_MAX};
    int64_t timeout_ms = tt_life.hurt ? 2000 : 20000;
    natskit_status got = natskit_connect(url, Z, options, timeout_ms, &conn, &err);
    tt_check_error("natskit_connect", got, also, &err);
    return (natskit_conn){tt_given("natskit_connect", got, NATSKIT_KIND_CONN, conn.id, 0, NULL)};
}

natskit_conn tt_connect(void)
{
    return tt_connect_to(tt_life.url, tt_connect_options(), NATSKIT_OK);
}

natskit_conn tt_connect_start(const char *url, natskit_options options, natskit_op *op)
{
    natskit_error err = {0};
    natskit_conn conn = {UINT64_MAX};
    op->id = UINT64_MAX;
    int64_t timeout_ms = tt_life.hurt ? 2000 : 20000;
    natskit_status got = natskit_connect_start(url, Z, options, timeout_ms, &conn, op, &err);
    tt_check_error("natskit_connect_start", got, NATSKIT_OK, &err);
    conn.id = tt_given("natskit_connect_start", got, NATSKIT_KIND_CONN, conn.id, 0, NULL);
    op->id = tt_given("natskit_connect_start", got, NATSKIT_KIND_OP, op->id, conn.id, NULL);
    return conn;
}

void tt_conn_close(natskit_conn conn, int64_t linger_ms)
{
    TT(natskit_conn_close, conn, linger_ms);
    tt_registry_remove(NATSKIT_KIND_CONN, conn.id);
}

natskit_op tt_conn_close_start(natskit_conn conn, int64_t linger_ms)
{
    natskit_error err = {0};
    natskit_op op = {UINT64_MAX};
    natskit_status got = natskit_conn_close_start(conn, linger_ms, &op, &err);
    tt_check_error("natskit_conn_close_start", got, NATSKIT_OK, &err);
    natskit_conn_info info;
    /* Without memory for the operation it ends at once, or the handle is still the caller's. */
    if (natskit_conn_info_get(conn, &info, sizeof info) != NATSKIT_OK) {
        tt_registry_remove(NATSKIT_KIND_CONN, conn.id);
    }
    return (natskit_op){tt_given("natskit_conn_close_start", got, NATSKIT_KIND_OP, op.id, 0, NULL)};
}

bool tt_wait_state(natskit_conn conn, int32_t state)
{
    natskit_conn_info info = {0};
    int64_t deadline_ms = ts_now_ms() + tt_life.wait_ms;
    while (TT(natskit_conn_info_get, conn, &info, sizeof info) == NATSKIT_OK && info.state != state &&
           ts_now_ms() < deadline_ms) {
        ts_pause_ms(1);
    }
    tt_want(info.state == state, "the connection did not come to a state");
    return info.state == state;
}

uint64_t tt_epoch(natskit_conn conn)
{
    natskit_conn_info info = {0};
    TT(natskit_conn_info_get, conn, &info, sizeof info);
    return info.epoch;
}

/* -- subscriptions -----------------------------------------------------------------------------------------
 */

natskit_sub tt_subscribe(natskit_conn conn, const char *subject, const char *queue, natskit_options options)
{
    natskit_error err = {0};
    natskit_sub sub = {UINT64_MAX};
    natskit_status got = natskit_subscribe(conn, subject, Z, queue, Z, options, &sub, &err);
    tt_check_error("natskit_subscribe", got, NATSKIT_OK, &err);
    const char *plain = strpbrk(subject, "*>") == NULL ? subject : "";
    return (natskit_sub){tt_given("natskit_subscribe", got, NATSKIT_KIND_SUB, sub.id, conn.id, plain)};
}

static natskit_sub events(natskit_conn conn, natskit_options options)
{
    natskit_error err = {0};
    natskit_sub sub = {UINT64_MAX};
    natskit_status got = natskit_conn_events(conn, options, &sub, &err);
    tt_check_error("natskit_conn_events", got, NATSKIT_OK, &err);
    return (natskit_sub){tt_given("natskit_conn_events", got, NATSKIT_KIND_SUB, sub.id, conn.id, NULL)};
}

natskit_sub tt_events(natskit_conn conn)
{
    return events(conn, NO_OPTIONS);
}

natskit_sub tt_answering(natskit_conn conn)
{
    natskit_options options = tt_options(NATSKIT_OPTIONS_EVENTS);
    tt_set(options, "answers", 1);
    return events(conn, options);
}

natskit_msg *tt_next(natskit_sub sub, int64_t timeout_ms, natskit_status also)
{
    natskit_msg *msg = (natskit_msg *)(uintptr_t)1;
    natskit_status got = TT_OR(also, natskit_sub_next, sub, timeout_ms, &msg);
    (void)tt_given("natskit_sub_next", got, TT_KIND_MSG, (uint64_t)(uintptr_t)msg, 0, NULL);
    return got == NATSKIT_OK ? msg : NULL;
}

size_t tt_next_batch(natskit_sub sub, natskit_msg **msgs, size_t cap, int64_t timeout_ms, natskit_status also)
{
    size_t count = SIZE_MAX;
    natskit_status got = TT_OR(also, natskit_sub_next_batch, sub, msgs, cap, timeout_ms, &count);
    if (count > cap || (got == NATSKIT_OK) != (count > 0)) {
        tt_fail("natskit_sub_next_batch gave %s and %zu messages", status_name(got), count);
        count = 0;
    }
    for (size_t i = 0; i < count; i++) {
        tt_registry_add(TT_KIND_MSG, (uint64_t)(uintptr_t)msgs[i], 0, NULL);
    }
    return count;
}

void tt_sub_close(natskit_sub sub)
{
    TT(natskit_sub_close, sub);
    tt_registry_remove(NATSKIT_KIND_SUB, sub.id);
}

bool tt_wait_event(natskit_sub events, int32_t type)
{
    int64_t deadline_ms = ts_now_ms() + tt_life.wait_ms;
    natskit_event_view view = {0};
    natskit_msg *msg;
    while (view.type != type && ts_now_ms() < deadline_ms &&
           (msg = tt_next(events, tt_life.wait_ms, NATSKIT_OK)) != NULL) {
        TT(natskit_msg_event, msg, &view, sizeof view);
        tt_release(msg);
    }
    tt_want(view.type == type, "an event did not come");
    return view.type == type;
}

uint64_t tt_wait_request(natskit_sub events)
{
    int64_t deadline_ms = ts_now_ms() + tt_life.wait_ms;
    natskit_event_view view = {0};
    natskit_msg *msg;
    while (view.request == 0 && ts_now_ms() < deadline_ms &&
           (msg = tt_next(events, tt_life.wait_ms, NATSKIT_OK)) != NULL) {
        TT(natskit_msg_event, msg, &view, sizeof view);
        tt_release(msg);
    }
    tt_want(view.request != 0, "the application was not asked");
    return view.request;
}

/* -- operations --------------------------------------------------------------------------------------------
 */

int64_t tt_op_ms(void)
{
    return tt_life.hurt ? tt_life.wait_ms : 20000;
}

natskit_op tt_given_op(const char *function, natskit_status got, natskit_op op, natskit_conn conn,
                       const natskit_error *err)
{
    tt_check_error(function, got, NATSKIT_OK, err);
    return (natskit_op){tt_given(function, got, NATSKIT_KIND_OP, op.id, conn.id, NULL)};
}

natskit_op tt_flush_start(natskit_conn conn)
{
    natskit_error err = {0};
    natskit_op op = {UINT64_MAX};
    natskit_status got = natskit_flush_start(conn, NO_OPTIONS, tt_op_ms(), &op, &err);
    return tt_given_op("natskit_flush_start", got, op, conn, &err);
}

natskit_op tt_written_start(natskit_conn conn)
{
    natskit_error err = {0};
    natskit_op op = {UINT64_MAX};
    natskit_status got = natskit_written_start(conn, NO_OPTIONS, tt_op_ms(), &op, &err);
    return tt_given_op("natskit_written_start", got, op, conn, &err);
}

natskit_op tt_closed_start(natskit_conn conn)
{
    natskit_error err = {0};
    natskit_op op = {UINT64_MAX};
    natskit_status got = natskit_conn_closed_start(conn, NO_OPTIONS, tt_op_ms(), &op, &err);
    return tt_given_op("natskit_conn_closed_start", got, op, conn, &err);
}

natskit_op tt_conn_drain_start(natskit_conn conn)
{
    natskit_error err = {0};
    natskit_op op = {UINT64_MAX};
    natskit_status got = natskit_conn_drain_start(conn, NO_OPTIONS, tt_op_ms(), &op, &err);
    return tt_given_op("natskit_conn_drain_start", got, op, conn, &err);
}

natskit_op tt_sub_drain_start(natskit_conn conn, natskit_sub sub)
{
    natskit_error err = {0};
    natskit_op op = {UINT64_MAX};
    natskit_status got = natskit_sub_drain_start(sub, NO_OPTIONS, tt_op_ms(), &op, &err);
    return tt_given_op("natskit_sub_drain_start", got, op, conn, &err);
}

natskit_op tt_room_start(natskit_conn conn, uint64_t bytes)
{
    natskit_error err = {0};
    natskit_op op = {UINT64_MAX};
    natskit_status got = natskit_room_start(conn, NO_OPTIONS, bytes, tt_op_ms(), &op, &err);
    return tt_given_op("natskit_room_start", got, op, conn, &err);
}

static natskit_op request_start(natskit_conn conn, const char *subject, natskit_headers headers,
                                natskit_options options)
{
    natskit_error err = {0};
    natskit_op op = {UINT64_MAX};
    natskit_status got =
        natskit_request_start(conn, subject, Z, headers, "ask", 3, options, tt_op_ms(), &op, &err);
    return tt_given_op("natskit_request_start", got, op, conn, &err);
}

natskit_op tt_request_start(natskit_conn conn, const char *subject, natskit_headers headers)
{
    return request_start(conn, subject, headers, NO_OPTIONS);
}

natskit_op tt_request_with(natskit_conn conn, const char *subject, natskit_options options)
{
    return request_start(conn, subject, NO_HEADERS, options);
}

natskit_op tt_ack_confirm_start(natskit_conn conn, natskit_msg *msg)
{
    natskit_error err = {0};
    natskit_op op = {UINT64_MAX};
    natskit_status got = natskit_msg_ack_confirm_start(msg, NO_OPTIONS, tt_op_ms(), &op, &err);
    return tt_given_op("natskit_msg_ack_confirm_start", got, op, conn, &err);
}

natskit_sub tt_request_many(natskit_conn conn, const char *subject, natskit_headers headers,
                            natskit_options options)
{
    natskit_error err = {0};
    natskit_sub sub = {UINT64_MAX};
    tt_set(options, "max_wait_ms", tt_op_ms());
    natskit_status got = natskit_request_many(conn, subject, Z, headers, "ask", 3, options, &sub, &err);
    tt_check_error("natskit_request_many", got, NATSKIT_OK, &err);
    return (natskit_sub){tt_given("natskit_request_many", got, NATSKIT_KIND_SUB, sub.id, conn.id, "")};
}

natskit_msg *tt_request(natskit_conn conn, const char *subject, natskit_status also)
{
    natskit_error err = {0};
    natskit_msg *msg = (natskit_msg *)(uintptr_t)1;
    natskit_status got = natskit_request(conn, subject, Z, NO_HEADERS, "ask", 3, tt_op_ms(), &msg, &err);
    tt_check_error("natskit_request", got, also, &err);
    (void)tt_given("natskit_request", got, TT_KIND_MSG, (uint64_t)(uintptr_t)msg, 0, NULL);
    return got == NATSKIT_OK ? msg : NULL;
}

natskit_msg *tt_take_msg(natskit_op op, natskit_status also)
{
    natskit_msg *msg = (natskit_msg *)(uintptr_t)1;
    natskit_status got = TT_OR(also, natskit_op_take_msg, op, &msg);
    (void)tt_given("natskit_op_take_msg", got, TT_KIND_MSG, (uint64_t)(uintptr_t)msg, 0, NULL);
    return got == NATSKIT_OK ? msg : NULL;
}

natskit_status tt_finish(natskit_op op, natskit_status also)
{
    natskit_error err = {0};
    int32_t outcome = -1;
    if (TT(natskit_op_wait, op, tt_life.hurt ? 2 * tt_life.wait_ms : 40000) != NATSKIT_OK) {
        return NATSKIT_PENDING;
    }
    natskit_status got = natskit_op_result(op, &outcome, &err);
    tt_check_error("natskit_op_result", got, also, &err);
    bool done = outcome == NATSKIT_OUTCOME_DONE;
    if (got == NATSKIT_PENDING || (got == NATSKIT_OK) != done) {
        tt_fail("an operation has finished with %s and outcome %d", status_name(got), outcome);
    }
    return got;
}

void tt_op_close(natskit_op op)
{
    TT(natskit_op_close, op);
    tt_registry_remove(NATSKIT_KIND_OP, op.id);
}

/* -- waitsets ----------------------------------------------------------------------------------------------
 */

natskit_waitset tt_waitset(void)
{
    natskit_waitset waitset = {UINT64_MAX};
    natskit_status got = TT(natskit_waitset_open, &waitset);
    return (natskit_waitset){
        tt_given("natskit_waitset_open", got, NATSKIT_KIND_WAITSET, waitset.id, 0, NULL)};
}

size_t tt_waitset_wait(natskit_waitset waitset, natskit_ready *records, size_t cap, int64_t timeout_ms,
                       natskit_status also)
{
    size_t count = SIZE_MAX;
    natskit_status got =
        TT_OR(also, natskit_waitset_wait, waitset, records, sizeof *records, cap, timeout_ms, &count);
    if (count > cap || (got == NATSKIT_OK) != (count > 0)) {
        tt_fail("natskit_waitset_wait gave %s and %zu records", status_name(got), count);
        return 0;
    }
    return count;
}

/* -- messages ----------------------------------------------------------------------------------------------
 */

void tt_release(natskit_msg *msg)
{
    TT(natskit_msg_release, msg);
    tt_registry_remove(TT_KIND_MSG, (uint64_t)(uintptr_t)msg);
}

static uint8_t pattern(uint32_t number, size_t at)
{
    return (uint8_t)(number * 31 + at * 7 + (at >> 8));
}

#define NUMBER_BYTES sizeof(uint32_t)

static uint8_t *numbered(uint32_t number, size_t size)
{
    uint8_t *bytes = malloc(size);
    if (bytes == NULL) {
        abort();
    }
    memcpy(bytes, &number, NUMBER_BYTES);
    for (size_t i = NUMBER_BYTES; i < size; i++) {
        bytes[i] = pattern(number, i);
    }
    return bytes;
}

bool tt_send(natskit_conn conn, const char *subject, uint32_t number, size_t size)
{
    uint8_t *bytes = numbered(number, size);
    natskit_status got =
        TT(natskit_publish, conn, subject, Z, "", 0, NO_HEADERS, bytes, size, tt_life.wait_ms);
    free(bytes);
    return got == NATSKIT_OK;
}

size_t tt_send_batch(natskit_conn conn, const char *subject, uint32_t number, size_t count, size_t size)
{
    natskit_outgoing msgs[16] = {{0}};
    uint8_t *bytes[16];
    size_t published = SIZE_MAX;
    count = count < 16 ? count : 16;
    for (size_t i = 0; i < count; i++) {
        bytes[i] = numbered(number + (uint32_t)i, size);
        msgs[i] = (natskit_outgoing){subject, Z, "", 0, NO_HEADERS, bytes[i], size};
    }
    natskit_status got =
        TT(natskit_publish_batch, conn, msgs, sizeof msgs[0], count, tt_life.wait_ms, &published);
    for (size_t i = 0; i < count; i++) {
        free(bytes[i]);
    }
    if (published > count || (got == NATSKIT_OK) != (published == count)) {
        tt_fail("natskit_publish_batch gave %s and %zu of %zu", status_name(got), published, count);
        return 0;
    }
    return published;
}

void tt_check_numbered(natskit_sub sub, const natskit_msg *msg)
{
    natskit_message_view view = {0};
    uint32_t number = 0;
    TT(natskit_msg_view, msg, &view, sizeof view);
    if (view.kind != NATSKIT_MSG_MESSAGE || view.data_len < NUMBER_BYTES) {
        tt_fail("a message of kind %d and %zu bytes", view.kind, view.data_len);
        return;
    }
    const uint8_t *bytes = view.data;
    memcpy(&number, bytes, NUMBER_BYTES);
    for (size_t i = NUMBER_BYTES; i < view.data_len; i++) {
        if (bytes[i] != pattern(number, i)) {
            tt_fail("message %u of %zu bytes: byte %zu is wrong", number, view.data_len, i);
            return;
        }
    }
    uint32_t before = tt_registry_number(sub.id, number);
    /* Order is that of one transport: of a lost one the server may read the rest behind what the next brings.
     */
    if (number >= TT_NUMBERS || number == before || (number < before && !tt_life.hurt)) {
        tt_fail("message %u came after message %u", number, before);
    }
}

size_t tt_take_all(natskit_sub sub)
{
    size_t count = 0;
    natskit_msg *msg;
    while ((msg = tt_next(sub, 0, NATSKIT_WOULD_BLOCK)) != NULL) {
        tt_check_numbered(sub, msg);
        tt_release(msg);
        count++;
    }
    return count;
}

void tt_check_counts(natskit_sub sub)
{
    natskit_sub_stats stats = {0};
    if (TT(natskit_sub_stats_get, sub, &stats, sizeof stats) != NATSKIT_OK) {
        return;
    }
    if (stats.received != stats.taken + stats.pending_msgs + stats.dropped_msgs) {
        tt_fail("a subscription received %llu messages: %llu taken, %llu queued, %llu dropped",
                (unsigned long long)stats.received, (unsigned long long)stats.taken,
                (unsigned long long)stats.pending_msgs, (unsigned long long)stats.dropped_msgs);
    }
}

void tt_expect_all(natskit_conn conn, natskit_sub sub, uint64_t sent, uint64_t epoch)
{
    natskit_sub_stats stats = {0};
    bool flushed = TT(natskit_flush, conn, tt_life.wait_ms) == NATSKIT_OK;
    if (natskit_sub_stats_get(sub, &stats, sizeof stats) != NATSKIT_OK) {
        return;
    }
    bool same = flushed && tt_epoch(conn) == epoch;
    tt_check_counts(sub);
    if (same && stats.reason == 0 && stats.received != sent) {
        tt_fail("%llu messages were sent and flushed, %llu came", (unsigned long long)sent,
                (unsigned long long)stats.received);
    }
    tt_want(same && stats.dropped_msgs == 0, "messages were dropped, or the transport was lost");
}
