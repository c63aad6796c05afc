/* The load of the chaos: publishers of numbers, subscribers of all of them, requesters and responders, each
 * with a connection of its own, and a watcher that writes down what the connections tell of their lives. */
#include "chaos.h"

#include "support/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define Z NATSKIT_ZLEN
#define NO_OPTIONS ((natskit_options){0})
#define NO_HEADERS ((natskit_headers){0})

enum {
    CONNECT_MS = 20000,
    PUBLISH_MS = 30000,
    REQUEST_MS = 10000, /* longer than it takes to find out that a server was stopped */
    SLICE_MS = 50,
    PER_SECOND = 1000,
    FAILURES = 100000
};
enum { FIRST_SUB = PUBS, FIRST_REQ = PUBS + SUBS, FIRST_RESP = PUBS + SUBS + REQS };

static pthread_t threads[CONNS + 1];

static void set_int(natskit_options options, const char *name, int64_t value)
{
    CHAOS_CHECK(natskit_options_set_int(options, name, Z, value, NULL) == NATSKIT_OK, "option %s", name);
}

/* The policy: what is silent is noticed within 3 s, and a server that does not answer costs 2 s more. */
static natskit_options policy(void)
{
    natskit_options options;
    CHAOS_CHECK(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options) == NATSKIT_OK, "options");
    set_int(options, "ping_interval_ms", 1000);
    set_int(options, "max_pings_out", 2);
    set_int(options, "attempt_timeout_ms", 2000);
    set_int(options, "reconnect_wait_ms", 50);
    set_int(options, "reconnect_wait_max_ms", 1000);
    return options;
}

/* -- lives ------------------------------------------------------------------------------------------------
 */

static int
    ports[TS_LEDGER_NODES]; /* kept, since a node that is started anew writes its own while others read */

/* The node whose port stands at the end of the url. */
static int node_of(const char *url, size_t len)
{
    char text[300];
    snprintf(text, sizeof text, "%.*s", (int)len, url);
    const char *colon = strrchr(text, ':');
    int port = colon != NULL ? atoi(colon + 1) : 0;
    for (int i = 0; i < TS_LEDGER_NODES; i++) {
        if (ports[i] == port) {
            return i;
        }
    }
    chaos_fail("a server that is none of the cluster: %s", text);
}

static void note_event(struct chaos_conn *conn, const natskit_event_view *event)
{
    static const char moving[] = "moving to another server";
    switch (event->type) {
    case NATSKIT_EVENT_DISCONNECTED:
        ts_ledger_note_life(&conn->life, -1, event->time_ns);
        atomic_store(&conn->since_ns, 0);
        if (memmem(event->text, event->text_len, moving, sizeof moving - 1) != NULL) {
            atomic_fetch_add(&conn->moves, 1);
        }
        break;
    case NATSKIT_EVENT_RECONNECTED:
        ts_ledger_note_life(&conn->life, node_of(event->server, event->server_len), event->time_ns);
        atomic_store(&conn->since_ns, event->time_ns);
        break;
    case NATSKIT_EVENT_LAME_DUCK:
        atomic_fetch_add(&conn->lame_ducks, 1);
        break;
    case NATSKIT_EVENT_SLOW_CONSUMER:
        chaos_fail("a slow consumer");
    case NATSKIT_EVENT_CLOSED:
        CHAOS_CHECK(atomic_load(&chaos.stop), "a connection has ended: %.*s", (int)event->text_len,
                    event->text);
        break;
    default:
        break;
    }
}

static void take_events(struct chaos_conn *conn)
{
    natskit_msg *msg;
    while (natskit_sub_next(conn->events, 0, &msg) == NATSKIT_OK) {
        natskit_event_view event;
        CHAOS_CHECK(natskit_msg_event(msg, &event, sizeof event) == NATSKIT_OK, "an event");
        note_event(conn, &event);
        natskit_msg_release(msg);
    }
}

static void *watch(void *unused)
{
    (void)unused;
    natskit_waitset waitset;
    CHAOS_CHECK(natskit_waitset_open(&waitset) == NATSKIT_OK, "waitset");
    for (uint64_t i = 0; i < CONNS; i++) {
        CHAOS_CHECK(natskit_waitset_add(waitset, chaos.conns[i].events.id, i) == NATSKIT_OK, "waitset_add");
    }
    while (!atomic_load(&chaos.stop)) {
        natskit_ready ready[CONNS];
        size_t count = 0;
        (void)natskit_waitset_wait(waitset, ready, sizeof ready[0], CONNS, SLICE_MS, &count);
        for (size_t i = 0; i < count; i++) {
            take_events(&chaos.conns[ready[i].tag]);
        }
    }
    natskit_waitset_close(waitset);
    return NULL;
}

/* -- work -------------------------------------------------------------------------------------------------
 */

static void *publish(void *index)
{
    size_t me = (size_t)(uintptr_t)index;
    struct chaos_conn *conn = &chaos.conns[me];
    char subject[16];
    uint64_t number;
    int len = snprintf(subject, sizeof subject, "n.%zu", me);
    while (!atomic_load(&chaos.stop_publishing) && ts_ledger_begin(&chaos.streams[me], &number)) {
        natskit_status status = natskit_publish(conn->conn, subject, (size_t)len, NULL, 0, NO_HEADERS,
                                                &number, sizeof number, PUBLISH_MS);
        CHAOS_CHECK(status == NATSKIT_OK, "publish: %d", status);
        ts_ledger_accepted(&chaos.streams[me]);
        ts_pause_ms(1);
    }
    return NULL;
}

static void take_number(struct ts_ledger_view *views, const natskit_msg *msg)
{
    natskit_message_view view;
    uint64_t number;
    CHAOS_CHECK(natskit_msg_view(msg, &view, sizeof view) == NATSKIT_OK, "a message");
    CHAOS_CHECK(view.subject_len == 3 && view.data_len == sizeof number, "a message of somebody else");
    memcpy(&number, view.data, sizeof number);
    size_t stream = (size_t)(view.subject[2] - '0');
    CHAOS_CHECK(stream < PUBS, "a message of somebody else");
    CHAOS_CHECK(ts_ledger_note(&views[stream], number), "number %" PRIu64 " of publisher %zu is none", number,
                stream);
}

static void *subscribe(void *index)
{
    size_t me = (size_t)(uintptr_t)index;
    struct chaos_conn *conn = &chaos.conns[FIRST_SUB + me];
    while (!atomic_load(&chaos.stop)) {
        natskit_msg *msgs[64];
        size_t count = 0;
        (void)natskit_sub_next_batch(conn->sub, msgs, 64, SLICE_MS, &count);
        for (size_t i = 0; i < count; i++) {
            take_number(chaos.views[me], msgs[i]);
            natskit_msg_release(msgs[i]);
        }
    }
    return NULL;
}

static void note_failure(struct chaos_asker *asker, int64_t begin_ns, natskit_status status)
{
    CHAOS_CHECK(asker->failure_count < FAILURES, "too many requests fail, the last with %d", status);
    asker->failures[asker->failure_count++] = (struct chaos_failure){begin_ns, ts_ledger_now_ns(), status};
}

static void *ask(void *index)
{
    size_t me = (size_t)(uintptr_t)index;
    struct chaos_conn *conn = &chaos.conns[FIRST_REQ + me];
    struct chaos_asker *asker = &chaos.askers[me];
    for (uint64_t number = 0; !atomic_load(&chaos.stop); number++) {
        natskit_msg *msg;
        int64_t begin_ns = ts_ledger_now_ns();
        natskit_status status =
            natskit_request(conn->conn, "ask", Z, NO_HEADERS, &number, sizeof number, REQUEST_MS, &msg, NULL);
        atomic_fetch_add(&asker->asked, 1);
        if (status == NATSKIT_OK) {
            natskit_message_view view;
            CHAOS_CHECK(natskit_msg_view(msg, &view, sizeof view) == NATSKIT_OK, "a reply");
            CHAOS_CHECK(view.data_len == sizeof number && memcmp(view.data, &number, sizeof number) == 0,
                        "a reply to another request");
            natskit_msg_release(msg);
            atomic_fetch_add(&asker->answered, 1);
        } else {
            note_failure(asker, begin_ns, status);
        }
        ts_pause_ms(5);
    }
    return NULL;
}

static void *respond(void *index)
{
    size_t me = (size_t)(uintptr_t)index;
    struct chaos_conn *conn = &chaos.conns[FIRST_RESP + me];
    while (!atomic_load(&chaos.stop)) {
        natskit_msg *msg;
        natskit_message_view view;
        if (natskit_sub_next(conn->sub, SLICE_MS, &msg) != NATSKIT_OK) {
            continue;
        }
        CHAOS_CHECK(natskit_msg_view(msg, &view, sizeof view) == NATSKIT_OK, "a request");
        natskit_status status = natskit_msg_respond(msg, NO_HEADERS, view.data, view.data_len, PUBLISH_MS);
        CHAOS_CHECK(status == NATSKIT_OK, "respond: %d", status);
        natskit_msg_release(msg);
    }
    return NULL;
}

/* -- begin and end ----------------------------------------------------------------------------------------
 */

static void connect_one(struct chaos_conn *conn, const char *urls, natskit_options options)
{
    natskit_error err;
    ts_ledger_note_life(&conn->life, -1, ts_ledger_now_ns());
    CHAOS_CHECK(natskit_connect(urls, Z, options, CONNECT_MS, &conn->conn, &err) == NATSKIT_OK, "connect: %s",
                err.text);
    CHAOS_CHECK(natskit_conn_events(conn->conn, NO_OPTIONS, &conn->events, NULL) == NATSKIT_OK, "events");
}

/* It has subscribed; as after a reconnect nobody knows when that has come to the other servers. */
static void begin_life(struct chaos_conn *conn)
{
    natskit_conn_info info;
    CHAOS_CHECK(natskit_conn_info_get(conn->conn, &info, sizeof info) == NATSKIT_OK, "info");
    int64_t now_ns = ts_ledger_now_ns();
    ts_ledger_note_life(&conn->life, node_of(info.url, strlen(info.url)), now_ns);
    atomic_store(&conn->since_ns, now_ns);
}

static void subscribe_one(struct chaos_conn *conn, const char *subject, const char *queue)
{
    natskit_error err;
    CHAOS_CHECK(natskit_subscribe(conn->conn, subject, Z, queue, Z, NO_OPTIONS, &conn->sub, &err) ==
                    NATSKIT_OK,
                "subscribe: %s", err.text);
}

static void prepare(int64_t seconds)
{
    char urls[300] = "";
    natskit_options options = policy();
    for (int i = 0; i < TS_LEDGER_NODES; i++) {
        snprintf(urls + strlen(urls), sizeof urls - strlen(urls), "%s%s", i > 0 ? "," : "",
                 ts_server_url(ts_cluster_node(chaos.cluster, i)));
    }
    for (size_t i = 0; i < CONNS; i++) {
        connect_one(&chaos.conns[i], urls, options);
    }
    natskit_options_close(options);
    for (size_t i = 0; i < PUBS; i++) {
        ts_ledger_stream_init(&chaos.streams[i], &chaos.conns[i].life, (size_t)(seconds + 120) * PER_SECOND);
    }
    for (size_t i = 0; i < SUBS; i++) {
        subscribe_one(&chaos.conns[FIRST_SUB + i], "n.*", "");
        for (size_t k = 0; k < PUBS; k++) {
            ts_ledger_view_init(&chaos.views[i][k], &chaos.streams[k], &chaos.conns[FIRST_SUB + i].life);
        }
    }
    for (size_t i = 0; i < RESPS; i++) {
        subscribe_one(&chaos.conns[FIRST_RESP + i], "ask", "responders");
    }
    for (size_t i = 0; i < CONNS; i++) {
        begin_life(&chaos.conns[i]);
    }
    for (size_t i = 0; i < REQS; i++) {
        chaos.askers[i].failures = ts_alloc(FAILURES * sizeof(struct chaos_failure));
    }
}

void chaos_load_begin(int64_t seconds)
{
    static void *(*const work[CONNS])(void *) = {publish,   publish, publish, subscribe, subscribe,
                                                 subscribe, ask,     ask,     respond,   respond};
    static const size_t first[] = {0, FIRST_SUB, FIRST_REQ, FIRST_RESP, CONNS};
    for (int i = 0; i < TS_LEDGER_NODES; i++) {
        ports[i] = ts_server_port(ts_cluster_node(chaos.cluster, i));
    }
    prepare(seconds);
    CHAOS_CHECK(pthread_create(&threads[CONNS], NULL, watch, NULL) == 0, "no thread");
    for (size_t kind = 0; kind < 4; kind++) {
        for (size_t i = first[kind]; i < first[kind + 1]; i++) {
            void *index = (void *)(uintptr_t)(i - first[kind]);
            CHAOS_CHECK(pthread_create(&threads[i], NULL, work[i], index) == 0, "no thread");
        }
    }
}

void chaos_load_stop_publishing(void)
{
    atomic_store(&chaos.stop_publishing, true);
    for (size_t i = 0; i < PUBS; i++) {
        pthread_join(threads[i], NULL);
        CHAOS_CHECK(natskit_flush(chaos.conns[i].conn, CONNECT_MS) == NATSKIT_OK, "the last flush");
    }
}

void chaos_load_end(void)
{
    atomic_store(&chaos.stop, true);
    for (size_t i = PUBS; i <= CONNS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (size_t i = 0; i < CONNS; i++) {
        natskit_sub_close(chaos.conns[i].events);
        if (chaos.conns[i].sub.id != 0) {
            natskit_sub_close(chaos.conns[i].sub);
        }
        natskit_conn_close(chaos.conns[i].conn, 1000);
    }
}
