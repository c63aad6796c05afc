/* The promise of the handles, tried out: a million random calls from four threads, with live, closed, stale,
 * forged and wrong-kind handles of every kind, on connections to a real server through the tap, which cuts
 * some of them meanwhile. Every call gives a status, closed handles say so, and in the end all is given back
 * and nothing that was sent was outside the protocol. NATSKIT_SEED replays the choices of a run (the order
 * between the threads stays the machine's), NATSKIT_CALLS sets their number. Pools of ids are shared. */
#include "battery.h"

#include "support/nats_server.h"
#include "support/net.h"
#include "support/tap.h"
#include "support/text.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct pool pools[KINDS];
_Atomic(natskit_msg *) messages[MESSAGES];
static bool is_status[-STATUS_MIN + 1];
static char tap_url[64];
static char server_url[64];
static char silent_url[64];
char payload[70000];
static atomic_int running;

/* -- choices --------------------------------------------------------------------------------------------- */

static uint64_t random_u64(struct worker *me)
{
    me->random += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    uint64_t x = me->random;
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

unsigned below(struct worker *me, unsigned limit)
{
    return (unsigned)(random_u64(me) >> 33) % limit;
}

/* Mostly 0, so that a million calls end soon. */
int64_t some_timeout(struct worker *me)
{
    unsigned dice = below(me, 100);
    return dice < 95 ? 0 : dice < 99 ? 1 : 2;
}

const char *some_subject(struct worker *me, char room[16], bool pattern)
{
    if (pattern && below(me, 10) == 0) {
        return below(me, 2) == 0 ? "bt.*" : "bt.>";
    }
    (void)snprintf(room, 16, "bt.%u", below(me, SUBJECTS));
    return room;
}

static size_t some_size(struct worker *me)
{
    unsigned dice = below(me, 1000);
    return dice < 900 ? below(me, 200) : dice < 998 ? below(me, 4000) : below(me, sizeof payload);
}

uint64_t pick(struct worker *me, int32_t kind, enum sort *sort)
{
    unsigned dice = below(me, 100);
    uint64_t id = 0;
    *sort = LIVE;
    if (dice < 80) {
        id = atomic_load(&pools[kind].live[below(me, pools[kind].size)]);
    } else if (dice < 87) {
        *sort = DEAD;
        id = atomic_load(&pools[kind].dead[below(me, POOL)]);
    } else if (dice < 91) {
        *sort = FOREIGN;
        unsigned other = ((unsigned)kind + below(me, KINDS - 2)) % (KINDS - 1) + 1;
        id = atomic_load(&pools[other].live[below(me, pools[other].size)]);
    } else if (dice < 94) {
        *sort = FORGED;
        id = (random_u64(me) & 0xffffff000000) | below(me, 600) | (uint64_t)kind << 48;
    } else if (dice < 97) {
        *sort = FORGED;
        id = random_u64(me);
    }
    if (id == 0) {
        *sort = ZERO;
    }
    return id;
}

/* -- checks ---------------------------------------------------------------------------------------------- */

void fault(struct worker *me, const char *call, uint64_t id, natskit_status status, const char *why)
{
    if (me->fault[0] == '\0') {
        (void)snprintf(me->fault, sizeof me->fault, "call %llu, %s, id %#llx: status %d: %s",
                       (unsigned long long)me->calls, call, (unsigned long long)id, status, why);
    }
}

natskit_status gave(struct worker *me, const char *call, natskit_status status)
{
    me->calls++;
    if (status > 0 || status < STATUS_MIN || !is_status[-status]) {
        fault(me, call, 0, status, "not a status");
        return status;
    }
    me->seen[-status]++;
    if (status == NATSKIT_INTERNAL || status == NATSKIT_FORKED) {
        fault(me, call, 0, status, "not expected here");
    }
    return status;
}

natskit_status gave_for(struct worker *me, const char *call, uint64_t id, enum sort sort,
                        natskit_status status)
{
    gave(me, call, status);
    if (sort == DEAD && status != NATSKIT_CLOSED) {
        fault(me, call, id, status, "the handle was closed");
    }
    if ((sort == FOREIGN || sort == ZERO) && status != NATSKIT_BAD_HANDLE) {
        fault(me, call, id, status, "the handle is of another kind");
    }
    if (sort == FORGED && status != NATSKIT_BAD_HANDLE && status != NATSKIT_CLOSED) {
        fault(me, call, id, status, "the handle was never given");
    }
    return status;
}

/* -- opening and closing --------------------------------------------------------------------------------- */

static natskit_status close_id(struct worker *me, int32_t kind, uint64_t id)
{
    natskit_op op = {0};
    switch (kind) {
    case NATSKIT_KIND_OPTIONS:
        return natskit_options_close((natskit_options){id});
    case NATSKIT_KIND_HEADERS:
        return natskit_headers_close((natskit_headers){id});
    case NATSKIT_KIND_CONN:
        if (below(me, 4) > 0) {
            return natskit_conn_close((natskit_conn){id}, some_timeout(me));
        }
        natskit_status status = natskit_conn_close_start((natskit_conn){id}, 20, &op, NULL);
        (void)natskit_op_close(op);
        return status;
    case NATSKIT_KIND_SUB:
        return natskit_sub_close((natskit_sub){id});
    case NATSKIT_KIND_OP:
        return natskit_op_close((natskit_op){id});
    case NATSKIT_KIND_JSON:
        return natskit_json_close((natskit_json){id});
    case NATSKIT_KIND_PUBLISHER:
        return natskit_publisher_close((natskit_publisher){id});
    case NATSKIT_KIND_OBJECT_READER:
        return natskit_object_reader_close((natskit_object_reader){id});
    case NATSKIT_KIND_INGEST:
        return natskit_ingest_close((natskit_ingest){id});
    case NATSKIT_KIND_BATCH:
        return natskit_batch_close((natskit_batch){id});
    case NATSKIT_KIND_JS:
        return natskit_js_close((natskit_js){id});
    case NATSKIT_KIND_KV:
        return natskit_kv_close((natskit_kv){id});
    case NATSKIT_KIND_SERVICE:
        return natskit_service_close((natskit_service){id});
    case NATSKIT_KIND_OBJECT_STORE:
        return natskit_object_store_close((natskit_object_store){id});
    case NATSKIT_KIND_OBJECT_WRITER:
        return natskit_object_writer_close((natskit_object_writer){id});
    default:
        return natskit_waitset_close((natskit_waitset){id});
    }
}

static void bury(struct worker *me, int32_t kind, uint64_t id)
{
    atomic_store(&pools[kind].dead[below(me, POOL)], id);
}

/* Puts a new id into the pool; what had its place is closed. */
void keep(struct worker *me, int32_t kind, uint64_t id)
{
    uint64_t before = atomic_exchange(&pools[kind].live[below(me, pools[kind].size)], id);
    if (before != 0) {
        (void)gave(me, "replace", close_id(me, kind, before));
        bury(me, kind, before);
    }
}

static void step_close(struct worker *me)
{
    enum sort sort;
    int32_t kind = (int32_t)below(me, KINDS - 1) + 1;
    if (kind == NATSKIT_KIND_CONN && below(me, 50) > 0) {
        return;
    }
    uint64_t id = pick(me, kind, &sort);
    natskit_status status = gave_for(me, "close", id, sort, close_id(me, kind, id));
    if (sort == LIVE && status != NATSKIT_BAD_HANDLE) {
        bury(me, kind, id);
    }
}

static const char *some_url(struct worker *me)
{
    unsigned dice = below(me, 100);
    return dice < 80 ? tap_url : dice < 90 ? server_url : dice < 95 ? silent_url : "127.0.0.1:1";
}

static void step_connect(struct worker *me)
{
    natskit_conn conn;
    natskit_op op;
    natskit_error err;
    enum sort sort;
    natskit_options options = {below(me, 3) == 0 ? pick(me, NATSKIT_KIND_OPTIONS, &sort) : 0};
    natskit_status status;
    if (below(me, 8) == 0) {
        status = natskit_connect(some_url(me), Z, options, 20, &conn, &err);
        op.id = 0;
    } else {
        status = natskit_connect_start(some_url(me), Z, options, 5000, &conn, &op, &err);
    }
    if (gave(me, "connect", status) != NATSKIT_OK) {
        if (conn.id != 0 || err.status != status || err.text[0] == '\0') {
            fault(me, "connect", conn.id, status, "a failed connect leaves no handle and tells why");
        }
        return;
    }
    keep(me, NATSKIT_KIND_CONN, conn.id);
    if (op.id != 0) {
        keep(me, NATSKIT_KIND_OP, op.id);
    }
}

static void step_open(struct worker *me)
{
    natskit_options options;
    natskit_headers headers;
    natskit_waitset waitset;
    switch (below(me, 3)) {
    case 0:
        if (gave(me, "options_open",
                 natskit_options_open((int32_t)below(me, NATSKIT_OPTIONS_KV_MANY + 1), &options)) ==
            NATSKIT_OK) {
            keep(me, NATSKIT_KIND_OPTIONS, options.id);
        }
        break;
    case 1:
        if (gave(me, "headers_open", natskit_headers_open(&headers)) == NATSKIT_OK) {
            keep(me, NATSKIT_KIND_HEADERS, headers.id);
        }
        break;
    default:
        if (gave(me, "waitset_open", natskit_waitset_open(&waitset)) == NATSKIT_OK) {
            keep(me, NATSKIT_KIND_WAITSET, waitset.id);
        }
    }
}

/* -- options and headers --------------------------------------------------------------------------------- */

static void step_options(struct worker *me)
{
    static const char *const names[] = {
        "name",          "servers",       "reconnect",          "verbos",  "reconnect_wait_ms",
        "first_connect", "max_outage_ms", "pending_msgs_limit", "pedantic"};
    enum sort sort;
    natskit_error err;
    natskit_options options = {pick(me, NATSKIT_KIND_OPTIONS, &sort)};
    const char *name = names[below(me, sizeof names / sizeof names[0])];
    switch (below(me, 3)) {
    case 0:
        gave_for(me, "options_set", options.id, sort, natskit_options_set(options, name, Z, "5", Z, &err));
        break;
    case 1:
        gave_for(me, "options_set_int", options.id, sort,
                 natskit_options_set_int(options, name, Z, (int64_t)below(me, 100) - 10, &err));
        break;
    default:
        gave_for(me, "options_add", options.id, sort,
                 natskit_options_add(options, name, Z, server_url, Z, &err));
    }
}

static void step_headers(struct worker *me)
{
    enum sort sort;
    natskit_headers headers = {pick(me, NATSKIT_KIND_HEADERS, &sort)};
    if (below(me, 4) == 0) {
        gave_for(me, "headers_clear", headers.id, sort, natskit_headers_clear(headers));
        return;
    }
    const char *name = below(me, 20) == 0 ? "not valid" : "Name";
    gave_for(me, "headers_add", headers.id, sort,
             natskit_headers_add(headers, name, Z, payload, below(me, 100), NULL));
}

/* -- drains, levels, orders ------------------------------------------------------------------------------ */

static natskit_status start_life(struct worker *me, uint64_t id, natskit_op *op, natskit_error *err)
{
    natskit_conn conn = {id};
    unsigned dice = below(me, 32);
    if (dice == 0) {
        return natskit_conn_drain_start(conn, NO_OPTIONS, below(me, 50), op, err);
    }
    return dice < 12 ? natskit_conn_closed_start(conn, NO_OPTIONS, below(me, 200), op, err)
                     : natskit_written_start(conn, NO_OPTIONS, below(me, 100), op, err);
}

static void step_life(struct worker *me)
{
    enum sort sort;
    bool on_sub = below(me, 8) == 0;
    uint64_t id = pick(me, on_sub ? NATSKIT_KIND_SUB : NATSKIT_KIND_CONN, &sort);
    natskit_error err;
    natskit_op op;
    natskit_status status = on_sub ? natskit_sub_drain_start((natskit_sub){id}, NO_OPTIONS, 20, &op, &err)
                                   : start_life(me, id, &op, &err);
    if (gave_for(me, "life", id, sort, status) == NATSKIT_OK) {
        keep(me, NATSKIT_KIND_OP, op.id);
    } else if (op.id != 0 || err.status != status) {
        fault(me, "life", id, status, "a failed start leaves no handle and tells why");
    }
}

static void step_order(struct worker *me)
{
    enum sort sort;
    int64_t ns;
    natskit_sub sub;
    natskit_op op;
    natskit_conn conn = {pick(me, NATSKIT_KIND_CONN, &sort)};
    switch (below(me, 13)) {
    case 0:
        gave_for(me, "reconnect", conn.id, sort, natskit_conn_reconnect(conn, NULL));
        break;
    case 1:
        gave_for(me, "rtt", conn.id, sort, natskit_conn_rtt(conn, some_timeout(me), &ns, NULL));
        break;
    case 2:
        gave_for(me, "answer", conn.id, sort,
                 natskit_conn_answer_delay(conn, below(me, 5), below(me, 5), NULL));
        break;
    case 12:
        gave_for(me, "answer_auth", conn.id, sort,
                 natskit_conn_answer_auth(conn, below(me, 5), NO_OPTIONS, NULL));
        break;
    case 3:
        gave_for(me, "closed", conn.id, sort, natskit_conn_closed(conn, some_timeout(me), NULL));
        break;
    case 4:
        gave_for(me, "written", conn.id, sort, natskit_written(conn, some_timeout(me), NULL));
        break;
    case 5:
    case 6:
    case 7:
        sub.id = pick(me, NATSKIT_KIND_SUB, &sort);
        gave_for(me, "sub_hold", sub.id, sort, natskit_sub_hold(sub, (int32_t)below(me, 2)));
        break;
    case 8:
        sub.id = pick(me, NATSKIT_KIND_SUB, &sort);
        gave_for(me, "sub_drain", sub.id, sort, natskit_sub_drain(sub, 1, NULL));
        break;
    default:
        op.id = pick(me, NATSKIT_KIND_OP, &sort);
        gave_for(me, "op_duration", op.id, sort, natskit_op_duration(op, &ns));
    }
}

/* -- messages out ---------------------------------------------------------------------------------------- */

natskit_headers some_headers(struct worker *me)
{
    enum sort sort;
    return (natskit_headers){below(me, 4) == 0 ? pick(me, NATSKIT_KIND_HEADERS, &sort) : 0};
}

static void step_publish(struct worker *me)
{
    char room[16];
    enum sort sort;
    natskit_conn conn = {pick(me, NATSKIT_KIND_CONN, &sort)};
    natskit_headers headers = some_headers(me);
    const char *reply = below(me, 4) == 0 ? "bt.0" : "";
    natskit_status status = natskit_publish(conn, some_subject(me, room, false), Z, reply, Z, headers,
                                            payload, some_size(me), some_timeout(me));
    if (headers.id == 0) {
        gave_for(me, "publish", conn.id, sort, status);
    } else {
        gave(me, "publish", status);
    }
}

static void step_publish_batch(struct worker *me)
{
    char rooms[8][16];
    natskit_outgoing out[8];
    enum sort sort;
    size_t published = 99;
    size_t count = below(me, 9);
    natskit_conn conn = {pick(me, NATSKIT_KIND_CONN, &sort)};
    for (size_t i = 0; i < count; i++) {
        out[i] = (natskit_outgoing){.subject = some_subject(me, rooms[i], below(me, 50) == 0),
                                    .subject_len = Z,
                                    .headers = some_headers(me),
                                    .data = payload,
                                    .data_len = below(me, 300)};
    }
    natskit_status status =
        natskit_publish_batch(conn, out, sizeof out[0], count, some_timeout(me), &published);
    gave(me, "publish_batch", status);
    if (published > count || (status == NATSKIT_OK && published != count)) {
        fault(me, "publish_batch", conn.id, status, "published does not fit");
    }
}

static void step_request(struct worker *me)
{
    char room[16];
    enum sort sort;
    natskit_conn conn = {pick(me, NATSKIT_KIND_CONN, &sort)};
    natskit_error err;
    natskit_msg *reply = NULL;
    natskit_op op;
    natskit_status status;
    unsigned dice = below(me, 20);
    if (dice == 0) {
        status = natskit_request(conn, some_subject(me, room, false), Z, NO_HEADERS, payload, below(me, 50),
                                 some_timeout(me), &reply, &err);
        gave_for(me, "request", conn.id, sort, status);
        (void)natskit_msg_release(reply);
        return;
    }
    if (dice < 4) {
        status = natskit_flush_start(conn, NO_OPTIONS, below(me, 100), &op, &err);
    } else if (dice == 4) {
        uint64_t bytes = (uint64_t)below(me, 100) * below(me, 100000);
        status = natskit_room_start(conn, NO_OPTIONS, bytes, below(me, 100), &op, &err);
    } else {
        const char *subject = below(me, 5) == 0 ? "nobody" : some_subject(me, room, false);
        status = natskit_request_start(conn, subject, Z, some_headers(me), payload, below(me, 50), NO_OPTIONS,
                                       below(me, 100), &op, &err);
    }
    if (gave(me, "start", status) == NATSKIT_OK) {
        keep(me, NATSKIT_KIND_OP, op.id);
    } else if (op.id != 0 || err.status != status) {
        fault(me, "start", conn.id, status, "a failed start leaves no handle and tells why");
    }
}

static void step_flush(struct worker *me)
{
    enum sort sort;
    natskit_conn conn = {pick(me, NATSKIT_KIND_CONN, &sort)};
    gave_for(me, "flush", conn.id, sort, natskit_flush(conn, some_timeout(me)));
}

static void step_conn(struct worker *me)
{
    enum sort sort;
    natskit_conn conn = {pick(me, NATSKIT_KIND_CONN, &sort)};
    natskit_conn_info info;
    natskit_conn_stats stats;
    char buf[2048];
    size_t len = 0;
    switch (below(me, 6)) {
    case 0:
        gave_for(me, "conn_info", conn.id, sort, natskit_conn_info_get(conn, &info, sizeof info));
        break;
    case 1:
        gave_for(me, "conn_stats", conn.id, sort, natskit_conn_stats_get(conn, &stats, sizeof stats));
        break;
    case 2:
        gave_for(me, "server_info", conn.id, sort, natskit_conn_server_info(conn, buf, sizeof buf, &len));
        break;
    case 3:
        gave_for(me, "servers", conn.id, sort, natskit_conn_servers(conn, buf, sizeof buf, &len));
        break;
    case 4:
        gave_for(me, "servers_set", conn.id, sort, natskit_conn_servers_set(conn, tap_url, Z, NULL));
        break;
    default:
        gave_for(me, "new_inbox", conn.id, sort, natskit_conn_new_inbox(conn, buf, sizeof buf, &len));
    }
}

/* -- messages in ----------------------------------------------------------------------------------------- */

void keep_message(struct worker *me, natskit_msg *msg)
{
    me->received++;
    (void)natskit_msg_release(atomic_exchange(&messages[below(me, MESSAGES)], msg));
}

static void step_subscribe(struct worker *me)
{
    char room[16];
    enum sort sort;
    natskit_conn conn = {pick(me, NATSKIT_KIND_CONN, &sort)};
    natskit_sub sub;
    natskit_status status;
    if (below(me, 6) == 0) {
        status = natskit_conn_events(conn, NO_OPTIONS, &sub, NULL);
    } else {
        const char *queue = below(me, 5) == 0 ? "group" : "";
        status = natskit_subscribe(conn, some_subject(me, room, true), Z, queue, Z, NO_OPTIONS, &sub, NULL);
    }
    if (gave_for(me, "subscribe", conn.id, sort, status) == NATSKIT_OK) {
        keep(me, NATSKIT_KIND_SUB, sub.id);
    }
}

static void step_next(struct worker *me)
{
    enum sort sort;
    natskit_sub sub = {pick(me, NATSKIT_KIND_SUB, &sort)};
    natskit_msg *msg;
    natskit_status status =
        gave_for(me, "sub_next", sub.id, sort, natskit_sub_next(sub, some_timeout(me), &msg));
    if ((status == NATSKIT_OK) != (msg != NULL)) {
        fault(me, "sub_next", sub.id, status, "a message comes with success alone");
    }
    if (msg != NULL) {
        keep_message(me, msg);
    }
}

static void step_next_batch(struct worker *me)
{
    enum sort sort;
    natskit_sub sub = {pick(me, NATSKIT_KIND_SUB, &sort)};
    natskit_msg *msgs[256];
    size_t count;
    natskit_status status = natskit_sub_next_batch(sub, msgs, below(me, 256) + 1, some_timeout(me), &count);
    gave_for(me, "sub_next_batch", sub.id, sort, status);
    if ((status == NATSKIT_OK) != (count > 0)) {
        fault(me, "sub_next_batch", sub.id, status, "messages come with success alone");
    }
    if (count > 0) {
        keep_message(me, msgs[--count]);
        me->received += count;
        gave(me, "release_batch", natskit_msg_release_batch(msgs, count));
    }
}

static void step_sub(struct worker *me)
{
    enum sort sort;
    natskit_sub sub = {pick(me, NATSKIT_KIND_SUB, &sort)};
    natskit_sub_stats stats;
    if (below(me, 8) == 0) {
        gave_for(me, "unsubscribe", sub.id, sort, natskit_sub_unsubscribe(sub, below(me, 3) * 100));
        return;
    }
    if (gave_for(me, "sub_stats", sub.id, sort, natskit_sub_stats_get(sub, &stats, sizeof stats)) ==
            NATSKIT_OK &&
        stats.received != stats.taken + stats.pending_msgs + stats.dropped_msgs) {
        fault(me, "sub_stats", sub.id, 0, "the counters do not add up");
    }
}

static void read_message(struct worker *me, natskit_msg *msg)
{
    natskit_message_view view;
    natskit_event_view event;
    const char *name;
    const char *value;
    size_t name_len;
    size_t value_len;
    gave(me, "msg_view", natskit_msg_view(msg, &view, sizeof view));
    gave(me, "msg_event", natskit_msg_event(msg, &event, sizeof event));
    gave(me, "header_at", natskit_msg_header_at(msg, below(me, 4), &name, &name_len, &value, &value_len));
    gave(me, "header", natskit_msg_header(msg, "name", Z, (int32_t)below(me, 4), 0, &value, &value_len));
    if (view.kind == NATSKIT_MSG_MESSAGE && (view.subject_len == 0 || view.data == NULL)) {
        fault(me, "msg_view", 0, 0, "a message has a subject");
    }
    if (view.reply_len > 0 || below(me, 20) == 0) {
        gave(me, "respond", natskit_msg_respond(msg, some_headers(me), payload, below(me, 100), 0));
        ack_some(me, msg);
    }
}

/* Takes a message out of the pool, whoever received it, and puts it back or gives it up. */
static void step_message(struct worker *me)
{
    natskit_msg *msg = atomic_exchange(&messages[below(me, MESSAGES)], NULL);
    if (msg == NULL) {
        gave(me, "release", natskit_msg_release(NULL));
        return;
    }
    read_message(me, msg);
    if (below(me, 3) == 0) {
        gave(me, "retain", natskit_msg_retain(msg));
        keep_message(me, msg);
        gave(me, "release", natskit_msg_release(msg));
        return;
    }
    gave(me, "release", natskit_msg_release(msg));
}

/* -- the rest -------------------------------------------------------------------------------------------- */

static void step_library(struct worker *me)
{
    natskit_status_info status_info;
    natskit_option_info option_info;
    natskit_counters counters;
    const char *text;
    char room[16];
    switch (below(me, 5)) {
    case 0:
        gave(me, "subject_check",
             natskit_subject_check(some_subject(me, room, true), Z, (int32_t)below(me, 2), NULL));
        break;
    case 1:
        gave(me, "status_at", natskit_status_at(below(me, 60), &status_info, below(me, 40)));
        break;
    case 2:
        gave(me, "option_at",
             natskit_option_at((int32_t)below(me, 7), below(me, 30), &option_info, sizeof option_info));
        break;
    case 3:
        gave(me, "counters", natskit_counters_get(&counters, sizeof counters));
        break;
    default:
        gave(me, "version", natskit_version(NULL, NULL, &text));
    }
}

/* Arguments that are refused whatever the handle is. */
static void step_invalid(struct worker *me)
{
    enum sort sort;
    uint64_t id = pick(me, NATSKIT_KIND_CONN + (int32_t)below(me, 4), &sort);
    natskit_status status;
    size_t count;
    switch (below(me, 8)) {
    case 0:
        status = natskit_publish((natskit_conn){id}, "a b", Z, NULL, 0, NO_HEADERS, NULL, 0, 0);
        break;
    case 1:
        status = natskit_sub_next((natskit_sub){id}, 0, NULL);
        break;
    case 2:
        status = natskit_op_wait((natskit_op){id}, -2);
        break;
    case 3:
        status = natskit_waitset_wait((natskit_waitset){id}, NULL, 24, 1, 0, &count);
        break;
    case 4:
        status =
            natskit_subscribe((natskit_conn){id}, "a..b", Z, NULL, 0, NO_OPTIONS, &(natskit_sub){0}, NULL);
        break;
    case 5:
        status = natskit_conn_info_get((natskit_conn){id}, NULL, 8);
        break;
    case 6:
        status = natskit_publish_batch((natskit_conn){id}, NULL, 56, 3, 0, &count);
        break;
    default:
        status = natskit_flush((natskit_conn){id}, INT64_MIN);
    }
    if (gave(me, "invalid", status) != NATSKIT_INVALID) {
        fault(me, "invalid", id, status, "the argument is not valid");
    }
}

static const struct {
    void (*step)(struct worker *me);
    unsigned weight;
} steps[] = {
    {step_publish, 220}, {step_publish_batch, 20}, {step_next, 200},   {step_next_batch, 60},
    {step_message, 120}, {step_request, 60},       {step_op, 80},      {step_waitset, 100},
    {step_sub, 40},      {step_subscribe, 24},     {step_conn, 30},    {step_headers, 60},
    {step_options, 30},  {step_open, 20},          {step_close, 20},   {step_library, 20},
    {step_invalid, 20},  {step_flush, 4},          {step_connect, 2},  {step_life, 10},
    {step_order, 20},    {step_many, 30},          {step_own, 20},     {step_edit, 40},
    {step_add_all, 10},  {step_republish, 10},     {step_names, 30},   {step_first, 5},
    {step_json, 40},     {step_contexts, 10},      {step_calls, 15},   {step_keys, 40},
    {step_batches, 15},  {step_watch, 4},          {step_entry, 30},   {step_service, 20},
    {step_discover, 6},  {step_objects, 20},       {step_ingests, 20},
};

static void *work(void *arg)
{
    struct worker *me = arg;
    unsigned total = 0;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        total += steps[i].weight;
    }
    while (me->calls < me->limit && me->fault[0] == '\0') {
        unsigned dice = below(me, total);
        size_t i = 0;
        while (dice >= steps[i].weight) {
            dice -= steps[i].weight;
            i++;
        }
        steps[i].step(me);
    }
    atomic_fetch_sub(&running, 1);
    return NULL;
}

/* -- the run --------------------------------------------------------------------------------------------- */

static uint64_t from_environment(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    return text != NULL && *text != '\0' ? strtoull(text, NULL, 0) : fallback;
}

static void prepare(void)
{
    natskit_status_info info;
    for (size_t i = 0; natskit_status_at(i, &info, sizeof info) == NATSKIT_OK; i++) {
        is_status[-info.status] = true;
    }
    for (size_t kind = 0; kind < KINDS; kind++) {
        pools[kind].size = kind == NATSKIT_KIND_CONN ? 6 : POOL;
    }
    memset(payload, 'p', sizeof payload);
}

/* Connections that go on when the workers begin; with them nearly every call finds something. */
static void first_connections(void)
{
    for (size_t i = 0; i < pools[NATSKIT_KIND_CONN].size; i++) {
        natskit_conn conn;
        assert_ok(natskit_connect(tap_url, Z, NO_OPTIONS, 20 * SECONDS, &conn, NULL));
        atomic_store(&pools[NATSKIT_KIND_CONN].live[i], conn.id);
    }
}

static void run_workers(struct worker *workers, uint64_t seed, uint64_t calls, struct ts_tap *tap)
{
    atomic_store(&running, THREADS);
    for (size_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.random = seed * 1000003 + i, .limit = calls / THREADS};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    while (atomic_load(&running) > 0) {
        ts_pause_ms(100);
        assert_true(ts_tap_command(tap, "live cut"));
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
    }
}

static void report(const struct worker *workers, int64_t took_ms)
{
    uint64_t calls = 0;
    uint64_t received = 0;
    for (size_t i = 0; i < THREADS; i++) {
        calls += workers[i].calls;
        received += workers[i].received;
    }
    print_message("%llu calls in %lld ms, %llu messages received\n", (unsigned long long)calls,
                  (long long)took_ms, (unsigned long long)received);
    for (int status = 0; status >= STATUS_MIN; status--) {
        uint64_t seen = 0;
        for (size_t i = 0; i < THREADS; i++) {
            seen += workers[i].seen[-status];
        }
        if (seen > 0) {
            print_message("  %-16s %llu\n", fx_status_name(status), (unsigned long long)seen);
        }
    }
}

static void test_battery(void **state)
{
    static struct worker workers[THREADS];
    uint64_t seed = from_environment("NATSKIT_SEED", (uint64_t)ts_now_ns());
    uint64_t calls = from_environment("NATSKIT_CALLS", DEFAULT_CALLS);
    uint16_t silent_port = 0;
    (void)snprintf(server_url, sizeof server_url, "%s", fx_server_url());
    int silent = ts_listen("127.0.0.1", &silent_port);
    struct ts_tap *tap = ts_tap_start(server_url);
    assert_non_null(tap);
    /* A connection that is closed without lingering, or cut, may end within a frame. */
    assert_true(ts_tap_command(tap, "allow-partial on"));
    (void)snprintf(tap_url, sizeof tap_url, "%s", ts_tap_url(tap));
    (void)snprintf(silent_url, sizeof silent_url, "127.0.0.1:%u", silent_port);
    print_message("NATSKIT_SEED=%llu NATSKIT_CALLS=%llu\n", (unsigned long long)seed,
                  (unsigned long long)calls);

    (void)fx_mark(state);
    natskit_conn conn = fx_connect();
    fx_deliver(conn, "BT", "bt.3", "bt.4"); /* messages that can be acked */
    fx_bucket(conn, "BTKV");
    begin_ingests(conn);
    begin_readers(conn);
    assert_ok(natskit_conn_close(conn, 0));
    prepare();
    first_connections();
    int64_t begin = ts_now_ms();
    run_workers(workers, seed, calls, tap);
    report(workers, ts_now_ms() - begin);
    for (size_t i = 0; i < THREADS; i++) {
        if (workers[i].fault[0] != '\0') {
            print_error("thread %zu: %s\n", i, workers[i].fault);
        }
        assert_true(workers[i].fault[0] == '\0');
    }
    for (size_t i = 0; i < MESSAGES; i++) {
        assert_ok(natskit_msg_release(atomic_exchange(&messages[i], NULL)));
    }
    end_readers();
    (void)fx_check_clean(state);
    const char *violation = ts_tap_check(tap);
    if (violation != NULL) {
        print_error("outside the protocol: %s\n", violation);
    }
    assert_null(violation);
    assert_int_equal(ts_tap_stop(tap), 0);
    close(silent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_battery)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fx_server_end();
    return failed;
}
