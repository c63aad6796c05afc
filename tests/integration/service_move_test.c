/* A service in a cluster whose servers go: one after the other becomes a lame duck, and then each is started
 * anew. Requests go on meanwhile; each gets its answer in the end, and what the statistics count is what was
 * handled, exactly. Of those that reached the service none is lost. */
#include "js_bench.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NODES = 3, WORKERS = 2, SOME = 25 };

static struct ts_cluster *cluster;

static struct {
    natskit_conn conn;
    natskit_conn client;
    natskit_service handle;
    natskit_sub requests;
    pthread_t threads[WORKERS];
    _Atomic uint64_t handled;
    _Atomic uint64_t failed;
    _Atomic uint64_t faults;
} service;

static int begin(void **state)
{
    static const char config[] = "lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"10s\"\n";
    (void)state;
    if (ts_server_program() == NULL) {
        puts("there is no nats-server: skipped");
        exit(77);
    }
    cluster = ts_cluster_start_with(NODES, &(struct ts_server_opts){.no_jetstream = true, .extra = config});
    return cluster != NULL ? 0 : 1;
}

static int end(void **state)
{
    ts_cluster_free(cluster);
    return bench_check_clean(state);
}

/* To these nodes alone, and back at once. */
static natskit_conn connect_to(int first, int count)
{
    natskit_conn conn;
    natskit_options options;
    char urls[256] = "";
    for (int i = first; i < first + count; i++) {
        size_t len = strlen(urls);
        (void)snprintf(urls + len, sizeof urls - len, "%s%s", len > 0 ? "," : "",
                       ts_server_url(ts_cluster_node(cluster, i)));
    }
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    assert_ok(natskit_options_set(options, "use_discovered", Z, "false", Z, NULL));
    assert_ok(natskit_options_set(options, "randomize", Z, "false", Z, NULL));
    assert_ok(natskit_options_set_int(options, "reconnect_wait_ms", Z, 20, NULL));
    assert_ok(natskit_options_set_int(options, "reconnect_wait_max_ms", Z, 200, NULL));
    assert_ok(natskit_connect(urls, Z, options, WAIT_MS, &conn, NULL));
    assert_ok(natskit_options_close(options));
    return conn;
}

/* Answers until the service has ended; each tenth request with an error. */
static void *serve(void *unused)
{
    natskit_msg *msg;
    (void)unused;
    while (natskit_sub_next(service.requests, -1, &msg) == NATSKIT_OK) {
        natskit_message_view view = {0};
        uint32_t number = 0;
        bool good = natskit_msg_view(msg, &view, sizeof view) == NATSKIT_OK && view.data_len == sizeof number;
        memcpy(&number, good ? view.data : (const void *)&number, sizeof number);
        bool fails = number % 10 == 0;
        /* before the answer, since who has it looks at these at once */
        atomic_fetch_add(&service.handled, 1);
        atomic_fetch_add(&service.failed, fails);
        natskit_status status =
            fails ? natskit_msg_respond_error(msg, 500, "no", Z, NO_HEADERS, NULL, 0, WAIT_MS)
                  : natskit_msg_respond(msg, NO_HEADERS, &number, sizeof number, WAIT_MS);
        atomic_fetch_add(&service.faults, !good || status != NATSKIT_OK);
        (void)natskit_msg_release(msg);
    }
    (void)natskit_sub_hold(service.requests, 0);
    return NULL;
}

static void start(int first, int count)
{
    uint32_t index;
    memset(&service, 0, sizeof service);
    service.conn = connect_to(first, count);
    service.client =
        connect_to(first == 0 && count == NODES ? 0 : NODES - 1, first == 0 && count == NODES ? NODES : 1);
    natskit_json config = jb_json("{'name':'moved','version':'1.0.0'}");
    assert_ok(
        natskit_service_open(service.conn, config, NO_OPTIONS, &service.handle, &service.requests, NULL));
    assert_ok(natskit_json_close(config));
    natskit_json endpoint = jb_json("{'name':'moved'}");
    assert_ok(natskit_service_endpoint_add(service.handle, 0, endpoint, &index, NULL));
    assert_ok(natskit_json_close(endpoint));
    for (int i = 0; i < WORKERS; i++) {
        assert_ok(natskit_sub_hold(service.requests, 1));
        assert_int_equal(pthread_create(&service.threads[i], NULL, serve, NULL), 0);
    }
    assert_ok(natskit_flush(service.conn, WAIT_MS));
}

/* One request, sent again until it is answered; how often the answer did not come though it was not told that
 * nobody listens. */
static uint64_t ask(uint32_t number, int64_t timeout_ms)
{
    uint64_t lost = 0;
    for (int64_t end_ms = ts_now_ms() + 3 * WAIT_MS;;) {
        natskit_msg *reply;
        natskit_status status = natskit_request(service.client, "moved", Z, NO_HEADERS, &number,
                                                sizeof number, timeout_ms, &reply, NULL);
        if (status == NATSKIT_OK) {
            bool error = natskit_msg_service_error(reply, NULL) == NATSKIT_SERVICE_ERROR;
            assert_int_equal(error, number % 10 == 0);
            assert_ok(natskit_msg_release(reply));
            return lost;
        }
        assert_true(status == NATSKIT_TIMEOUT || status == NATSKIT_DISCONNECTED ||
                    status == NATSKIT_NO_RESPONDERS);
        assert_true(ts_now_ms() < end_ms);
        lost += status != NATSKIT_NO_RESPONDERS;
        ts_pause_ms(1);
    }
}

static uint64_t reconnects(natskit_conn conn)
{
    natskit_conn_stats stats;
    assert_ok(natskit_conn_stats_get(conn, &stats, sizeof stats));
    return stats.reconnects;
}

/* A request is counted once its message is released, which may be after its answer has arrived. */
static natskit_json settled_statistics(void)
{
    for (int64_t end_ms = ts_now_ms() + WAIT_MS;;) {
        natskit_json json;
        assert_ok(natskit_service_report(service.handle, NATSKIT_SERVICE_STATS, &json, NULL));
        if (jb_number(json, "/endpoints/0/num_requests") == atomic_load(&service.handled) ||
            ts_now_ms() > end_ms) {
            return json;
        }
        assert_ok(natskit_json_close(json));
        ts_pause_ms(1);
    }
}

/* What the service says of itself, by itself and over the wire, is what was done. */
static void expect_statistics(void)
{
    natskit_json local = settled_statistics();
    natskit_msg *msg;
    natskit_message_view view;
    natskit_json told;
    assert_ok(
        natskit_request(service.client, "$SRV.STATS.moved", Z, NO_HEADERS, NULL, 0, WAIT_MS, &msg, NULL));
    assert_ok(natskit_msg_view(msg, &view, sizeof view));
    assert_ok(natskit_json_parse(view.data, view.data_len, &told, NULL));
    assert_ok(natskit_msg_release(msg));
    const natskit_json both[] = {local, told};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(jb_number(both[i], "/endpoints/0/num_requests"), atomic_load(&service.handled));
        assert_int_equal(jb_number(both[i], "/endpoints/0/num_errors"), atomic_load(&service.failed));
        assert_ok(natskit_json_close(both[i]));
    }
}

/* Ends it with requests under way: all of them are answered. */
static void finish(void)
{
    enum { LAST = 50 };
    static natskit_op ops[LAST];
    uint64_t before = atomic_load(&service.handled);
    for (uint32_t i = 0; i < LAST; i++) {
        assert_ok(natskit_request_start(service.client, "moved", Z, NO_HEADERS, &i, sizeof i, NO_OPTIONS,
                                        WAIT_MS, &ops[i], NULL));
    }
    assert_ok(
        natskit_flush(service.client, WAIT_MS)); /* its server has passed them on, perhaps to another one, */
    assert_ok(natskit_op_wait(ops[LAST - 1], WAIT_MS)); /* where the last one has arrived */
    assert_ok(natskit_service_stop(service.handle, NULL));
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(service.threads[i], NULL);
    }
    for (uint32_t i = 0; i < LAST; i++) {
        assert_ok(natskit_op_wait(ops[i], WAIT_MS));
        assert_ok(natskit_op_close(ops[i]));
    }
    assert_int_equal(atomic_load(&service.handled), before + LAST);
    assert_int_equal(atomic_load(&service.faults), 0);
    assert_ok(natskit_sub_close(service.requests));
    assert_ok(natskit_service_close(service.handle));
    assert_ok(natskit_conn_close(service.client, WAIT_MS));
    assert_ok(natskit_conn_close(service.conn, WAIT_MS));
}

/* The client is at a server that stays. Its server may pick the old listener while the lame duck is being
 * told that it has gone; such a request the cluster drops, and says so to nobody. One after the other they
 * are at most one. */
static void test_lame_duck(void **state)
{
    (void)state;
    uint32_t number = 0;
    uint64_t lost = 0;
    start(0, NODES - 1);
    for (; number < SOME; number++) {
        assert_int_equal(ask(number, WAIT_MS), 0);
    }
    assert_true(ts_server_signal(ts_cluster_node(cluster, 0), SIGUSR2));
    for (int64_t end_ms = ts_now_ms() + 4 * WAIT_MS; reconnects(service.conn) == 0; number++) {
        lost += ask(number, WAIT_MS);
        assert_true(ts_now_ms() < end_ms);
    }
    for (uint32_t more = number + SOME; number < more; number++) {
        lost += ask(number, WAIT_MS);
    }
    assert_true(lost <= 1);
    assert_int_equal(atomic_load(&service.handled), number); /* each once */
    expect_statistics();
    finish();
    assert_true(ts_server_restart(ts_cluster_node(cluster, 0)));
}

/* Both sides are at whatever server there is. */
static void test_rolling_restart(void **state)
{
    (void)state;
    uint32_t number = 0;
    uint64_t lost = 0;
    start(0, NODES);
    for (int round = 0; round < NODES; round++) {
        for (uint32_t more = number + SOME; number < more; number++) {
            lost += ask(number, 2000);
        }
        assert_true(ts_server_restart(ts_cluster_node(cluster, round)));
    }
    for (uint32_t more = number + SOME; number < more; number++) {
        lost += ask(number, 2000);
    }
    assert_true(reconnects(service.conn) >= 1);
    uint64_t handled = atomic_load(&service.handled);
    assert_true(handled >= number && handled <= number + lost);
    expect_statistics();
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lame_duck),
        cmocka_unit_test(test_rolling_restart),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
