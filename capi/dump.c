/* Every live object as one JSON text, for whoever wants to know what a program does right now. Any thread;
 * takes the locks of one object at a time, for as long as its counters take to read. */
#include "base/buf.h"
#include "base/clock.h"
#include "capi/guard.h"
#include "client/health.h"
#include "delivery/op.h"
#include "service/service.h"

#include <inttypes.h>
#include <stdio.h>

#define OBJECTS_MAX 65536 /* that are shown; others are counted */

static const char *const kinds[] = {
    [NATSKIT_KIND_OPTIONS] = "options",
    [NATSKIT_KIND_HEADERS] = "headers",
    [NATSKIT_KIND_CONN] = "connection",
    [NATSKIT_KIND_SUB] = "subscription",
    [NATSKIT_KIND_OP] = "operation",
    [NATSKIT_KIND_WAITSET] = "waitset",
    [NATSKIT_KIND_JSON] = "json",
    [NATSKIT_KIND_JS] = "jetstream",
    [NATSKIT_KIND_PUBLISHER] = "publisher",
    [NATSKIT_KIND_KV] = "kv",
    [NATSKIT_KIND_BATCH] = "batch",
    [NATSKIT_KIND_SERVICE] = "service",
    [NATSKIT_KIND_OBJECT_STORE] = "object_store",
    [NATSKIT_KIND_OBJECT_WRITER] = "object_writer",
    [NATSKIT_KIND_OBJECT_READER] = "object_reader",
    [NATSKIT_KIND_INGEST] = "ingest",
};

/* A JSON text that grows; once there was no memory nothing more is added. */
struct out {
    struct nki_buf text;
    bool ok;
};

static void add(struct out *out, struct nki_str text)
{
    out->ok = out->ok && nki_buf_append_str(&out->text, text);
}

static void add_key(struct out *out, const char *key)
{
    char last = out->text.len > 0 ? (char)out->text.data[out->text.len - 1] : '{';
    add(out, last == '{' || last == '[' ? NKI_STR("\"") : NKI_STR(",\""));
    add(out, nki_str_z(key));
    add(out, NKI_STR("\":"));
}

static void add_text(struct out *out, const char *key, struct nki_str text)
{
    add_key(out, key);
    out->ok = out->ok && nki_buf_append_json(&out->text, nki_str_utf8_valid(text) ? text : NKI_STR("?"));
}

static void add_number(struct out *out, const char *key, int64_t number)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRId64, number);
    add_key(out, key);
    add(out, nki_str_make(digits, (size_t)len));
}

static void add_flag(struct out *out, const char *key, bool flag)
{
    add_key(out, key);
    add(out, flag ? NKI_STR("true") : NKI_STR("false"));
}

/* A status by its name; null for none. */
static void add_status(struct out *out, const char *key, int32_t status)
{
    const struct nki_status_row *row = nki_status_row(status);
    if (status == NATSKIT_OK || row == NULL) {
        add_key(out, key);
        add(out, NKI_STR("null"));
    } else {
        add_text(out, key, nki_str_z(row->name));
    }
}

static void add_health(struct out *out, const struct nki_health *health, int64_t now_ns)
{
    static const char *const states[] = {
        [NKI_HEALTH_OK] = "ok",
        [NKI_HEALTH_DEGRADED] = "degraded",
        [NKI_HEALTH_STARTING] = "starting",
        [NKI_HEALTH_SILENT] = "silent",
        [NKI_HEALTH_DOWN] = "down",
        [NKI_HEALTH_ENDED] = "ended",
    };
    add_text(out, "health", nki_str_z(states[health->state]));
    add_text(out, "health_text", nki_str_z(health->text));
    add_number(out, "since_ms", nki_health_ms(health->since_ns, now_ns));
    add_number(out, "activity_ms", nki_health_ms(health->activity_ns, now_ns));
    add_number(out, "beat_ms", nki_health_ms(health->beat_ns, now_ns));
}

struct number {
    const char *key;
    uint64_t value;
};

static void add_numbers(struct out *out, const struct number *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        add_number(out, numbers[i].key, (int64_t)numbers[i].value);
    }
}

#define ADD_NUMBERS(out, ...)                                                                                \
    add_numbers(out, (const struct number[]){__VA_ARGS__},                                                   \
                sizeof((const struct number[]){__VA_ARGS__}) / sizeof(struct number))

/* -- kinds -------------------------------------------------------------------------------------------------
 */

static void add_conn(struct out *out, struct nki_conn *conn)
{
    static const char *const states[] = {
        [NKI_STATE_CONNECTING] = "connecting",
        [NKI_STATE_CONNECTED] = "connected",
        [NKI_STATE_RECONNECTING] = "reconnecting",
        [NKI_STATE_CLOSED] = "closed",
    };
    struct nki_conn_status now;
    struct nki_conn_counts counts;
    nki_conn_status_get(conn, &now);
    nki_conn_counts_get(conn, &counts);
    add_text(out, "state", nki_str_z(states[now.state]));
    add_number(out, "connected_ms", now.connected_ms);
    add_number(out, "silent_ms", now.silent_ms);
    add_text(out, "url", nki_str_z(now.url));
    add_text(out, "server_name", nki_str_z(now.info.server_name));
    add_text(out, "server_version", nki_str_z(now.info.version));
    add_flag(out, "tls", now.secured);
    add_flag(out, "draining", now.draining);
    add_flag(out, "lame_duck", now.info.lame_duck);
    add_status(out, "last_error", now.reason);
    add_text(out, "last_error_text", nki_str_z(now.reason_text));
    struct nki_health health;
    int64_t now_ns = nki_conn_health(conn, &health);
    add_health(out, &health, now_ns);
    add_text(out, "waits_for", nki_str_z(now.late));
    ADD_NUMBERS(out, {"transports", now.epoch}, {"reconnects", counts.reconnects}, {"subs", counts.subs},
                {"requests", counts.requests}, {"in_msgs", counts.in_msgs}, {"in_bytes", counts.in_bytes},
                {"out_msgs", counts.out_msgs}, {"out_bytes", counts.out_bytes},
                {"pending_out_bytes", counts.pending_out_bytes}, {"dropped_msgs", counts.dropped_msgs},
                {"orphan_msgs", counts.orphan_msgs}, {"late_replies", counts.late_replies},
                {"unconfirmed", counts.unconfirmed}, {"unsent", counts.unsent},
                {"abandoned_msgs", counts.abandoned_msgs});
    add_key(out, "servers");
    out->ok = out->ok && nki_conn_servers(conn, &out->text) == NKI_OK;
}

static void add_pulls(struct out *out, natskit_sub sub)
{
    natskit_pull_info info;
    if (natskit_sub_pull_info(sub, &info, sizeof info) != NATSKIT_OK) {
        return;
    }
    add_key(out, "pull");
    add(out, NKI_STR("{"));
    ADD_NUMBERS(out, {"open_pulls", info.open_pulls}, {"ahead_msgs", info.ahead_msgs},
                {"ahead_bytes", info.ahead_bytes}, {"pulls", info.pulls}, {"heartbeats", info.heartbeats},
                {"missed", info.missed}, {"given_up", info.given_up});
    add_flag(out, "missing", info.missing != 0);
    add_flag(out, "paused", info.paused != 0);
    add_number(out, "last_code", info.last_code);
    add_text(out, "last_text", nki_str_z(info.last_text));
    add(out, NKI_STR("}"));
}

static void add_sub(struct out *out, uint64_t id, struct nki_sub *sub)
{
    struct nki_inlet_stats now;
    struct nki_error error = {0};
    nki_inlet_stats_get(nki_sub_inlet(sub), &now);
    int32_t reason = nki_sub_reason(sub, &error);
    add_number(out, "connection", (int64_t)nki_conn_origin(nki_sub_conn(sub)));
    add_text(out, "subject", nki_sub_subject_of(sub));
    add_text(out, "queue", nki_sub_queue_of(sub));
    add_flag(out, "live", reason == NKI_PENDING);
    add_flag(out, "draining", nki_sub_draining(sub));
    add_status(out, "ended_by", reason == NKI_PENDING ? NKI_OK : reason);
    add_text(out, "ended_by_text", reason == NKI_PENDING ? NKI_STR("") : nki_str_z(error.text));
    struct nki_health health;
    int64_t now_ns = nki_sub_health(sub, &health);
    add_health(out, &health, now_ns);
    ADD_NUMBERS(out, {"sid", nki_sub_sid(sub)}, {"received", now.received}, {"taken", now.taken},
                {"pending_msgs", now.pending_msgs}, {"pending_bytes", now.pending_bytes},
                {"high_msgs", now.high_msgs}, {"high_bytes", now.high_bytes},
                {"dropped_msgs", now.dropped_msgs}, {"dropped_bytes", now.dropped_bytes},
                {"limit_msgs", now.limits.msgs}, {"limit_bytes", now.limits.bytes}, {"max", nki_sub_max(sub)},
                {"holds", nki_inlet_holds(nki_sub_inlet(sub))});
    add_pulls(out, (natskit_sub){id});
}

static void add_op(struct out *out, const struct nki_handle *handle)
{
    struct nki_error error = {0};
    int32_t status = nki_op_result(handle->object, NULL, &error);
    if (handle->parent != NULL) {
        add_number(out, "connection", (int64_t)nki_conn_origin(handle->parent));
    }
    add_flag(out, "done", status != NKI_PENDING);
    add_status(out, "error", status == NKI_PENDING ? NKI_OK : status);
    add_text(out, "error_text",
             status == NKI_PENDING || status == NKI_OK ? NKI_STR("") : nki_str_z(error.text));
    add_number(out, "duration_ms", nki_op_duration_ns(handle->object) / NKI_NS_PER_MS);
}

static void add_publisher(struct out *out, uint64_t id)
{
    natskit_publisher_info info;
    if (natskit_publisher_info_get((natskit_publisher){id}, &info, sizeof info) != NATSKIT_OK) {
        return;
    }
    add_status(out, "ended_by", info.reason);
    ADD_NUMBERS(out, {"published", info.published}, {"pending", info.pending},
                {"pending_bytes", info.pending_bytes}, {"acked", info.acked}, {"duplicates", info.duplicates},
                {"failed", info.failed}, {"retried", info.retried}, {"resent", info.resent},
                {"untaken", info.untaken});
}

static void add_ingest(struct out *out, uint64_t id)
{
    natskit_ingest_info info;
    if (natskit_ingest_info_get((natskit_ingest){id}, &info, sizeof info) == NATSKIT_OK) {
        add_status(out, "ended_by", info.reason);
        ADD_NUMBERS(out, {"published", info.published}, {"acked", info.acked}, {"refused", info.refused},
                    {"lost", info.lost}, {"window", info.window}, {"pings", info.pings},
                    {"untaken", info.untaken});
    }
}

static void add_object_io(struct out *out, int32_t kind, uint64_t id)
{
    natskit_object_progress now = {0};
    natskit_status status =
        kind == NATSKIT_KIND_OBJECT_WRITER
            ? natskit_object_writer_progress((natskit_object_writer){id}, &now, sizeof now)
            : natskit_object_reader_progress((natskit_object_reader){id}, &now, sizeof now);
    if (status == NATSKIT_OK) {
        ADD_NUMBERS(out, {"bytes", now.bytes}, {"stored", now.stored}, {"total", now.total},
                    {"chunks", now.chunks});
    }
}

/* -- the whole ---------------------------------------------------------------------------------------------
 */

/* False: it was closed meanwhile. */
static bool add_object(struct out *out, uint64_t id)
{
    struct nki_handle *handle;
    int32_t kind = nki_handle_kind(id);
    if (nki_handle_pin(id, kind, &handle) != NATSKIT_OK) {
        return false;
    }
    add(out, out->text.data[out->text.len - 1] == '[' ? NKI_STR("{") : NKI_STR(",{"));
    add_number(out, "handle", (int64_t)id);
    bool known = (size_t)kind < sizeof kinds / sizeof kinds[0] && kinds[kind] != NULL;
    add_text(out, "kind", nki_str_z(known ? kinds[kind] : "other"));
    if (kind == NATSKIT_KIND_CONN) {
        add_conn(out, handle->object);
    } else if (kind == NATSKIT_KIND_SUB) {
        add_sub(out, id, handle->object);
    } else if (kind == NATSKIT_KIND_OP) {
        add_op(out, handle);
    } else if (kind == NATSKIT_KIND_PUBLISHER) {
        add_publisher(out, id);
    } else if (kind == NATSKIT_KIND_INGEST) {
        add_ingest(out, id);
    } else if (kind == NATSKIT_KIND_SERVICE) {
        const struct nki_service *service = handle->object;
        add_key(out, "stats");
        out->ok = out->ok && nki_ledger_write(service->ledger, NKI_SERVICE_STATS, &out->text);
    } else if (kind == NATSKIT_KIND_OBJECT_WRITER || kind == NATSKIT_KIND_OBJECT_READER) {
        add_object_io(out, kind, id);
    }
    add(out, NKI_STR("}"));
    nki_handle_unpin(handle);
    return true;
}

static void add_all(struct out *out)
{
    natskit_counters counters = {0};
    uint64_t shown = 0;
    uint64_t left_out = 0;
    (void)natskit_counters_get(&counters, sizeof counters);
    add(out, NKI_STR("{"));
    add_text(out, "version", NKI_STR(NKI_VERSION));
    ADD_NUMBERS(out, {"msgs", counters.msgs}, {"allocated_bytes", counters.allocated_bytes},
                {"threads", counters.threads});
    add_key(out, "objects");
    add(out, NKI_STR("["));
    uint64_t id;
    for (uint32_t index = 0; out->ok && nki_handle_next(&index, &id);) {
        if (shown == OBJECTS_MAX) {
            left_out++;
        } else {
            shown += add_object(out, id);
        }
    }
    add(out, NKI_STR("]"));
    add_number(out, "left_out", (int64_t)left_out);
    add(out, NKI_STR("}"));
}

natskit_status natskit_dump(char *buf, size_t cap, size_t *len)
{
    if (len == NULL || (buf == NULL && cap > 0)) {
        return NATSKIT_INVALID;
    }
    struct out out = {.ok = true};
    add_all(&out);
    natskit_status status = !out.ok ? NATSKIT_NO_MEMORY : out.text.len <= cap ? NATSKIT_OK : NATSKIT_LIMIT;
    if (out.ok) {
        *len = out.text.len;
    }
    if (status == NATSKIT_OK) {
        memcpy(buf, out.text.data, out.text.len);
    }
    nki_buf_free(&out.text);
    return status;
}
