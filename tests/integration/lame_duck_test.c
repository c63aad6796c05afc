/* Lame ducks under load: a connection moves away from each, NATSKIT_DUCKS times, and nothing is lost by it.
 *
 * The mover may use two of three servers of a cluster, which become lame ducks in turn; the witness is at the
 * third, which is always well. What the mover publishes is confirmed before it leaves or held for the next
 * server, so the witness gets all of it. What the witness publishes misses the mover between its UNSUB at one
 * server and its SUB at the next alone (ledger.h). Requests of the mover are answered by the witness, each of
 * them. */
#include "bench.h"

#include "support/ledger.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define DUCKS 2
#else
#define DUCKS 3
#endif

enum { WITNESS = TS_LEDGER_NODES - 1, ASKERS = 4, SLICE_MS = 20, PER_DUCK = 60000, REQUEST_MS = 20000 };

static struct ts_cluster *cluster;
static struct ts_tap *taps[TS_LEDGER_NODES];

/* The load; what is atomic is shared. */
static struct {
    natskit_conn mover;
    natskit_conn witness;
    struct ts_ledger_life mover_life;
    struct ts_ledger_life witness_life;
    struct ts_ledger_node nodes[TS_LEDGER_NODES]; /* without a fault: moving is none */
    struct ts_ledger_stream up;                   /* from the mover */
    struct ts_ledger_stream down;
    struct ts_ledger_view up_view;
    struct ts_ledger_view down_view;
    natskit_sub up_sub;
    natskit_sub down_sub;
    natskit_sub asked_sub;
    atomic_bool stop_sending;
    atomic_bool stop;
    _Atomic uint64_t answered;
    _Atomic uint64_t wrong; /* statuses that should not have been */
    _Atomic int32_t wrong_status;
} load;

static int begin(void **state)
{
    static const char config[] = "lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"10s\"\n";
    (void)state;
    if (ts_server_program() == NULL) {
        puts("there is no nats-server: skipped");
        exit(77);
    }
    cluster = ts_cluster_start_with(TS_LEDGER_NODES,
                                    &(struct ts_server_opts){.no_jetstream = true, .extra = config});
    for (int i = 0; cluster != NULL && i < TS_LEDGER_NODES; i++) {
        taps[i] = ts_tap_start(ts_server_url(ts_cluster_node(cluster, i)));
    }
    return taps[TS_LEDGER_NODES - 1] != NULL ? 0 : 1;
}

static int end(void **state)
{
    bool clean = bench_check_clean(state) == 0;
    for (int i = 0; i < TS_LEDGER_NODES; i++) {
        clean = ts_tap_stop(taps[i]) == 0 && clean;
    }
    ts_cluster_free(cluster);
    return clean ? 0 : 1;
}

static natskit_conn connect_to(const char *urls)
{
    natskit_conn conn;
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    assert_ok(natskit_options_set(options, "use_discovered", Z, "false", Z, NULL)); /* all through the taps */
    assert_ok(natskit_connect(urls, Z, options, WAIT_MS, &conn, NULL));
    assert_ok(natskit_options_close(options));
    return conn;
}

static void went_wrong(natskit_status status)
{
    atomic_store(&load.wrong_status, status);
    atomic_fetch_add(&load.wrong, 1);
}

/* -- the load ---------------------------------------------------------------------------------------------
 */

static void send_numbers(natskit_conn conn, struct ts_ledger_stream *stream, const char *subject)
{
    uint64_t number;
    while (!atomic_load(&load.stop_sending) && ts_ledger_begin(stream, &number)) {
        natskit_status status =
            natskit_publish(conn, subject, Z, NULL, 0, NO_HEADERS, &number, sizeof number, WAIT_MS);
        if (status != NATSKIT_OK) {
            went_wrong(status);
            return;
        }
        ts_ledger_accepted(stream);
        if (number % 4 == 0) {
            ts_pause_ms(1); /* the servers share the machine */
        }
    }
}

static void *send_up(void *unused)
{
    (void)unused;
    send_numbers(load.mover, &load.up, "up");
    return NULL;
}

static void *send_down(void *unused)
{
    (void)unused;
    send_numbers(load.witness, &load.down, "down");
    return NULL;
}

static void take_numbers(natskit_sub sub, struct ts_ledger_view *view)
{
    while (!atomic_load(&load.stop)) {
        natskit_msg *msg;
        natskit_message_view of;
        uint64_t number;
        if (natskit_sub_next(sub, SLICE_MS, &msg) != NATSKIT_OK) {
            continue;
        }
        bool good = natskit_msg_view(msg, &of, sizeof of) == NATSKIT_OK && of.data_len == sizeof number;
        if (good) {
            memcpy(&number, of.data, sizeof number);
            good = ts_ledger_note(view, number);
        }
        if (!good) {
            went_wrong(NATSKIT_PROTOCOL);
        }
        natskit_msg_release(msg);
    }
}

static void *take_up(void *unused)
{
    (void)unused;
    take_numbers(load.up_sub, &load.up_view);
    return NULL;
}

static void *take_down(void *unused)
{
    (void)unused;
    take_numbers(load.down_sub, &load.down_view);
    return NULL;
}

static void *ask(void *unused)
{
    (void)unused;
    while (!atomic_load(&load.stop_sending)) {
        natskit_msg *msg;
        natskit_status status =
            natskit_request(load.mover, "ask", Z, NO_HEADERS, "?", 1, REQUEST_MS, &msg, NULL);
        if (status == NATSKIT_OK) {
            natskit_msg_release(msg);
            atomic_fetch_add(&load.answered, 1);
        } else {
            went_wrong(status);
        }
        ts_pause_ms(1);
    }
    return NULL;
}

static void *answer(void *unused)
{
    (void)unused;
    while (!atomic_load(&load.stop)) {
        natskit_msg *msg;
        if (natskit_sub_next(load.asked_sub, SLICE_MS, &msg) == NATSKIT_OK) {
            natskit_status status = natskit_msg_respond(msg, NO_HEADERS, "!", 1, WAIT_MS);
            if (status != NATSKIT_OK) {
                went_wrong(status);
            }
            natskit_msg_release(msg);
        }
    }
    return NULL;
}

/* Flushes that are begun while all is held go to the next server; without a connection there are none. */
static void *flush_often(void *unused)
{
    (void)unused;
    while (!atomic_load(&load.stop_sending)) {
        natskit_status status = natskit_flush(load.mover, REQUEST_MS);
        if (status != NATSKIT_OK && status != NATSKIT_DISCONNECTED) {
            went_wrong(status);
        }
        ts_pause_ms(2);
    }
    return NULL;
}

/* -- the ducks --------------------------------------------------------------------------------------------
 */

static int node_of_mover(void)
{
    natskit_conn_info info;
    assert_ok(natskit_conn_info_get(load.mover, &info, sizeof info));
    for (int i = 0; i < TS_LEDGER_NODES; i++) {
        if (strcmp(info.url, ts_tap_url(taps[i])) == 0) {
            return i;
        }
    }
    fail_msg("the mover is at %s", info.url);
    return -1;
}

/* The next event of that type, and its time; a disconnect has to be of the mover's own will. */
static int64_t await(natskit_sub events, int32_t type)
{
    for (;;) {
        natskit_msg *msg;
        natskit_event_view view;
        char text[200];
        assert_ok(natskit_sub_next(events, WAIT_MS, &msg));
        assert_ok(natskit_msg_event(msg, &view, sizeof view));
        snprintf(text, sizeof text, "%.*s", (int)view.text_len, view.text);
        assert_ok(natskit_msg_release(msg));
        if (view.type == NATSKIT_EVENT_DISCONNECTED && strstr(text, "moving to another server") == NULL) {
            fail_msg("disconnected: %s", text);
        }
        if (view.type == type) {
            return view.time_ns;
        }
    }
}

static void one_duck(natskit_sub events, int64_t *slowest_ms)
{
    int from = node_of_mover();
    int64_t begin_ms = ts_now_ms();
    assert_true(from != WITNESS);
    assert_true(ts_server_signal(ts_cluster_node(cluster, from), SIGUSR2));
    await(events, NATSKIT_EVENT_LAME_DUCK);
    ts_ledger_note_life(&load.mover_life, -1, await(events, NATSKIT_EVENT_DISCONNECTED));
    int64_t back_ns = await(events, NATSKIT_EVENT_RECONNECTED);
    int64_t took_ms = ts_now_ms() - begin_ms;
    *slowest_ms = took_ms > *slowest_ms ? took_ms : *slowest_ms;
    int to = node_of_mover();
    assert_int_not_equal(to, from);
    ts_ledger_note_life(&load.mover_life, to, back_ns);
    ts_server_kill(ts_cluster_node(cluster, from)); /* nobody of ours is there */
    assert_true(ts_server_restart(ts_cluster_node(cluster, from)));
    assert_true(ts_cluster_wait_ready(cluster, WAIT_MS));
}

static void open_load(uint64_t ducks)
{
    char urls[200];
    size_t cap = (size_t)(ducks + 1) * PER_DUCK;
    snprintf(urls, sizeof urls, "%s,%s", ts_tap_url(taps[0]), ts_tap_url(taps[1]));
    ts_ledger_note_life(&load.mover_life, -1, ts_ledger_now_ns());
    load.witness = connect_to(ts_tap_url(taps[WITNESS]));
    load.mover = connect_to(urls);
    load.up_sub = bench_subscribe(load.witness, "up", NULL);
    load.asked_sub = bench_subscribe(load.witness, "ask", NULL);
    load.down_sub = bench_subscribe(load.mover, "down", NULL);
    assert_ok(natskit_flush(load.witness, WAIT_MS));
    assert_ok(natskit_flush(load.mover, WAIT_MS));
    /* The subscriptions of the witness are known at the mover's server: one answer, and the first number. */
    natskit_msg *msg;
    int64_t deadline_ms = ts_now_ms() + WAIT_MS;
    natskit_op op;
    assert_ok(
        natskit_request_start(load.mover, "ask", Z, NO_HEADERS, "?", 1, NO_OPTIONS, WAIT_MS, &op, NULL));
    while (natskit_sub_next(load.asked_sub, 100, &msg) != NATSKIT_OK && ts_now_ms() < deadline_ms) {
        assert_ok(natskit_op_close(op)); /* nobody listened yet */
        assert_ok(
            natskit_request_start(load.mover, "ask", Z, NO_HEADERS, "?", 1, NO_OPTIONS, WAIT_MS, &op, NULL));
    }
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_msg_release(msg));
    ts_ledger_note_life(&load.mover_life, node_of_mover(), ts_ledger_now_ns());
    ts_ledger_note_life(&load.witness_life, WITNESS, 0);
    ts_ledger_stream_init(&load.up, &load.mover_life, cap);
    ts_ledger_stream_init(&load.down, &load.witness_life, cap);
    ts_ledger_view_init(&load.up_view, &load.up, &load.witness_life);
    ts_ledger_view_init(&load.down_view, &load.down, &load.mover_life);
}

static void close_load(void)
{
    assert_ok(natskit_sub_close(load.up_sub));
    assert_ok(natskit_sub_close(load.down_sub));
    assert_ok(natskit_sub_close(load.asked_sub));
    assert_ok(natskit_conn_close(load.mover, WAIT_MS));
    assert_ok(natskit_conn_close(load.witness, WAIT_MS));
    ts_ledger_view_free(&load.up_view);
    ts_ledger_view_free(&load.down_view);
    ts_ledger_stream_free(&load.up);
    ts_ledger_stream_free(&load.down);
    ts_ledger_spans_free(&load.mover_life.spans);
    ts_ledger_spans_free(&load.witness_life.spans);
}

static void wait_for_all(const struct ts_ledger_view *view)
{
    int64_t deadline_ms = ts_now_ms() + WAIT_MS;
    uint64_t count = atomic_load(&view->stream->count);
    while (atomic_load(&view->end) < count && ts_now_ms() < deadline_ms) {
        ts_pause_ms(2);
    }
}

static void judge(uint64_t ducks, int64_t slowest_ms)
{
    struct ts_ledger_verdict up;
    struct ts_ledger_verdict down;
    natskit_conn_stats stats;
    ts_ledger_judge(&load.up_view, load.nodes, &up);
    ts_ledger_judge(&load.down_view, load.nodes, &down);
    assert_ok(natskit_conn_stats_get(load.mover, &stats, sizeof stats));
    print_message("%llu lame ducks: %llu up, %llu missing, %llu late; %llu down, %llu missing; %llu requests "
                  "answered, %llu went wrong; %llu unconfirmed; gone after %lld ms at most\n",
                  (unsigned long long)ducks, (unsigned long long)up.published, (unsigned long long)up.missing,
                  (unsigned long long)up.reordered, (unsigned long long)down.published,
                  (unsigned long long)down.missing, (unsigned long long)load.answered,
                  (unsigned long long)load.wrong, (unsigned long long)stats.unconfirmed,
                  (long long)slowest_ms);
    if (load.wrong > 0 || up.bad > 0 || down.bad > 0) {
        fail_msg("%llu went wrong, the last with status %d; up: %s; down: %s", (unsigned long long)load.wrong,
                 load.wrong_status, up.first_bad, down.first_bad);
    }
    assert_int_equal(up.missing, 0);
    assert_int_equal(down.reordered + down.repeated + up.repeated, 0);
    assert_int_equal(stats.unconfirmed, 0);
    assert_int_equal(stats.reconnects, ducks);
    assert_int_equal(stats.dropped_msgs, 0);
}

static void test_lame_ducks_under_load(void **state)
{
    (void)state;
    static void *(*const work[])(void *) = {take_up, take_down, answer, send_up, send_down, flush_often};
    enum { KINDS = sizeof work / sizeof work[0] };
    pthread_t threads[KINDS + ASKERS];
    const char *text = getenv("NATSKIT_DUCKS");
    uint64_t ducks = DUCKS;
    int64_t slowest_ms = 0;
    assert_true(text == NULL || ts_parse_size(text, &ducks));
    open_load(ducks);
    natskit_sub events;
    assert_ok(natskit_conn_events(load.mover, NO_OPTIONS, &events, NULL));
    for (size_t i = 0; i < KINDS + ASKERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, i < KINDS ? work[i] : ask, NULL), 0);
    }
    for (uint64_t i = 0; i < ducks; i++) {
        one_duck(events, &slowest_ms);
    }
    atomic_store(&load.stop_sending, true);
    for (size_t i = 3; i < KINDS + ASKERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_ok(natskit_flush(load.mover, WAIT_MS));
    wait_for_all(&load.up_view);
    wait_for_all(&load.down_view);
    atomic_store(&load.stop, true);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    judge(ducks, slowest_ms);
    assert_ok(natskit_sub_close(events));
    close_load();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lame_ducks_under_load)};
    return cmocka_run_group_tests(tests, begin, end);
}
