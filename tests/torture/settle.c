/* After a scenario: what is left open has to work or to say why not, and has to go away completely. */
#include "registry.h"
#include "runner.h"

#include "support/text.h"

#include <stdio.h>
#include <string.h>

#define SETTLE_MS INT64_C(15000) /* for what takes some milliseconds on an idle machine */

/* One try: whether the connection has shown that it works or that it has ended. */
static bool conn_settled(natskit_conn conn)
{
    static int serial;
    char subject[48];
    natskit_conn_info info = {0};
    natskit_sub sub;
    natskit_msg *msg = NULL;
    if (natskit_conn_info_get(conn, &info, sizeof info) != NATSKIT_OK) {
        tt_fail("an open connection has no info");
        return true;
    }
    if (info.state == NATSKIT_STATE_CLOSED) {
        if (info.reason == NATSKIT_OK || info.reason_text[0] == '\0') {
            tt_fail("a connection has ended and does not say why");
        }
        return true;
    }
    if (info.state != NATSKIT_STATE_CONNECTED || natskit_flush(conn, SETTLE_MS) != NATSKIT_OK) {
        return false;
    }
    (void)snprintf(subject, sizeof subject, "probe.%d", serial++);
    if (natskit_subscribe(conn, subject, Z, "", 0, NO_OPTIONS, &sub, NULL) != NATSKIT_OK) {
        return false;
    }
    bool works = natskit_publish(conn, subject, Z, "", 0, NO_HEADERS, "probe", 5, SETTLE_MS) == NATSKIT_OK &&
                 natskit_flush(conn, SETTLE_MS) == NATSKIT_OK && natskit_sub_next(sub, 0, &msg) == NATSKIT_OK;
    (void)natskit_msg_release(msg);
    (void)natskit_sub_close(sub);
    return works;
}

static void settle_conn(natskit_conn conn)
{
    int64_t deadline_ms = ts_now_ms() + SETTLE_MS;
    bool settled = conn_settled(conn);
    while (!settled && ts_now_ms() < deadline_ms) {
        ts_pause_ms(1);
        settled = conn_settled(conn);
    }
    if (!settled) {
        natskit_conn_info info = {0};
        (void)natskit_conn_info_get(conn, &info, sizeof info);
        tt_fail("a connection neither works nor says that it has ended: state %d, %s", info.state,
                info.reason_text);
    }
}

/* A subscription that has not ended gets what is published to it. */
static void settle_sub(const struct tt_thing *thing)
{
    natskit_conn_info info = {0};
    natskit_sub sub = {thing->id};
    natskit_conn conn = {thing->conn};
    tt_check_counts(sub);
    if (natskit_conn_info_get(conn, &info, sizeof info) != NATSKIT_OK) {
        return; /* its connection's handle is gone */
    }
    natskit_sub_stats before = {0};
    natskit_sub_stats after = {0};
    (void)natskit_sub_stats_get(sub, &before, sizeof before);
    if (info.state == NATSKIT_STATE_CLOSED) {
        if (before.reason == NATSKIT_OK) {
            tt_fail("a subscription lives on without its connection");
        }
        return;
    }
    if (before.reason != NATSKIT_OK || thing->subject[0] == '\0') {
        return;
    }
    uint64_t epoch = info.epoch;
    bool sent =
        natskit_publish(conn, thing->subject, Z, "", 0, NO_HEADERS, "probe", 5, SETTLE_MS) == NATSKIT_OK &&
        natskit_flush(conn, SETTLE_MS) == NATSKIT_OK;
    (void)natskit_conn_info_get(conn, &info, sizeof info);
    (void)natskit_sub_stats_get(sub, &after, sizeof after);
    if (sent && info.epoch == epoch && after.received != before.received + 1) {
        tt_fail("a subscription to %s claims to live and got nothing", thing->subject);
    }
}

/* The events of a connection tell one story: nothing that is lost twice, nothing after the end. */
static void settle_events(const struct tt_thing *thing)
{
    natskit_sub sub = {thing->id};
    natskit_sub_stats stats = {0};
    natskit_msg *msg = NULL;
    bool connected = false;
    bool known = false;
    bool closed = false;
    (void)natskit_sub_stats_get(sub, &stats, sizeof stats);
    bool all = stats.taken == 0 && stats.dropped_msgs == 0;
    while (natskit_sub_next(sub, 0, &msg) == NATSKIT_OK) {
        natskit_event_view view = {0};
        (void)natskit_msg_event(msg, &view, sizeof view);
        bool up = view.type == NATSKIT_EVENT_CONNECTED || view.type == NATSKIT_EVENT_RECONNECTED;
        bool down = view.type == NATSKIT_EVENT_DISCONNECTED;
        if (stats.dropped_msgs == 0 && (closed || (known && (up || down) && up == connected))) {
            tt_fail("an event of type %d does not fit to those before it", view.type);
        }
        if ((down || view.type == NATSKIT_EVENT_CLOSED) &&
            (view.status == NATSKIT_OK || view.text_len == 0)) {
            tt_fail("an event of type %d does not say why", view.type);
        }
        connected = up || (connected && !down);
        known = known || up || down;
        closed = closed || view.type == NATSKIT_EVENT_CLOSED;
        (void)natskit_msg_release(msg);
    }
    (void)natskit_sub_stats_get(sub, &stats, sizeof stats);
    if (all && stats.reason != NATSKIT_OK && stats.taken > 0 && !closed) {
        tt_fail("the events have ended without the event CLOSED");
    }
}

static void settle_op(uint64_t id)
{
    natskit_op op = {id};
    natskit_status got = natskit_op_wait(op, SETTLE_MS);
    if (got != NATSKIT_OK || natskit_op_result(op, NULL, NULL) == NATSKIT_PENDING) {
        tt_fail("an operation has not finished by its deadline");
    }
}

void tt_probe(void)
{
    for (int i = 0; i < tt_registry.count; i++) {
        const struct tt_thing *thing = &tt_registry.things[i];
        if (thing->kind == NATSKIT_KIND_CONN) {
            settle_conn((natskit_conn){thing->id});
        }
    }
    for (int i = 0; i < tt_registry.count; i++) {
        const struct tt_thing *thing = &tt_registry.things[i];
        if (thing->kind == NATSKIT_KIND_OP) {
            settle_op(thing->id);
        } else if (thing->kind == NATSKIT_KIND_SUB && thing->events) {
            settle_events(thing);
        } else if (thing->kind == NATSKIT_KIND_SUB) {
            settle_sub(thing);
        }
    }
}

static void close_thing(struct tt_thing thing, unsigned turn)
{
    switch (thing.kind) {
    case NATSKIT_KIND_OPTIONS:
        TT(natskit_options_close, (natskit_options){thing.id});
        break;
    case NATSKIT_KIND_HEADERS:
        TT(natskit_headers_close, (natskit_headers){thing.id});
        break;
    case NATSKIT_KIND_CONN:
        TT(natskit_conn_close, (natskit_conn){thing.id}, turn % 3 == 0 ? 0 : tt_life.wait_ms);
        break;
    case NATSKIT_KIND_SUB:
        tt_check_counts((natskit_sub){thing.id});
        TT(natskit_sub_close, (natskit_sub){thing.id});
        break;
    case NATSKIT_KIND_OP:
        TT(natskit_op_close, (natskit_op){thing.id});
        break;
    case NATSKIT_KIND_JSON:
        TT(natskit_json_close, (natskit_json){thing.id});
        break;
    case NATSKIT_KIND_JS:
        TT(natskit_js_close, (natskit_js){thing.id});
        break;
    case NATSKIT_KIND_KV:
        TT(natskit_kv_close, (natskit_kv){thing.id});
        break;
    case NATSKIT_KIND_OBJECT_STORE:
        TT(natskit_object_store_close, (natskit_object_store){thing.id});
        break;
    case NATSKIT_KIND_OBJECT_WRITER:
        TT(natskit_object_writer_close, (natskit_object_writer){thing.id});
        break;
    case NATSKIT_KIND_OBJECT_READER:
        TT(natskit_object_reader_close, (natskit_object_reader){thing.id});
        break;
    case NATSKIT_KIND_SERVICE:
        TT(natskit_service_close, (natskit_service){thing.id});
        break;
    case NATSKIT_KIND_PUBLISHER:
        TT(natskit_publisher_close, (natskit_publisher){thing.id});
        break;
    case NATSKIT_KIND_INGEST:
        TT(natskit_ingest_close, (natskit_ingest){thing.id});
        break;
    case NATSKIT_KIND_BATCH:
        TT(natskit_batch_close, (natskit_batch){thing.id});
        break;
    case NATSKIT_KIND_WAITSET:
        TT(natskit_waitset_close, (natskit_waitset){thing.id});
        break;
    default:
        TT(natskit_msg_release, (natskit_msg *)(uintptr_t)thing.id);
        break;
    }
}

void tt_close_all(unsigned turn)
{
    bool newest_first = turn % 2 == 0;
    for (int i = 0; i < tt_registry.count; i++) {
        close_thing(tt_registry.things[newest_first ? tt_registry.count - 1 - i : i], turn);
    }
    tt_registry_clear();
    TT(natskit_shutdown, SETTLE_MS);
}
