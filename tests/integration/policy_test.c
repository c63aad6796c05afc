/* What the options of a connection's life decide, against a real server: the first connect, pauses, outages,
 * refused credentials, full outboxes; and what the application may order and ask: forced reconnects, delays,
 * delivery levels, round trips, the reason of the end. */
#include "bench.h"

#include <stdio.h>
#include <string.h>

struct setting {
    const char *name;
    const char *value;
};

static natskit_options make_options(int32_t scope, const struct setting *settings, size_t count)
{
    natskit_options options;
    assert_ok(natskit_options_open(scope, &options));
    for (size_t i = 0; i < count; i++) {
        natskit_error err = {0};
        natskit_status status = natskit_options_set(options, settings[i].name, Z, settings[i].value, Z, &err);
        if (status != NATSKIT_OK) {
            print_error("%s\n", err.text);
        }
        assert_ok(status);
    }
    return options;
}

#define CONNECT_OPTIONS(...)                                                                                 \
    make_options(NATSKIT_OPTIONS_CONNECT, (const struct setting[]){__VA_ARGS__},                             \
                 sizeof((const struct setting[]){__VA_ARGS__}) / sizeof(struct setting))
#define EVENT_OPTIONS(...)                                                                                   \
    make_options(NATSKIT_OPTIONS_EVENTS, (const struct setting[]){__VA_ARGS__},                              \
                 sizeof((const struct setting[]){__VA_ARGS__}) / sizeof(struct setting))

/* A connection with options that are closed again. */
static natskit_conn connect_with(natskit_options options)
{
    natskit_conn conn = bench_connect_with(options);
    assert_ok(natskit_options_close(options));
    return conn;
}

static natskit_sub open_events(natskit_conn conn)
{
    natskit_sub events;
    assert_ok(natskit_conn_events(conn, NO_OPTIONS, &events, NULL));
    return events;
}

/* The next event of a type, of which the caller releases the message. */
static natskit_msg *next_event(natskit_sub events, int32_t type, natskit_event_view *view)
{
    for (;;) {
        natskit_msg *msg;
        assert_ok(natskit_sub_next(events, WAIT_MS, &msg));
        assert_ok(natskit_msg_event(msg, view, sizeof *view));
        if (view->type == type) {
            return msg;
        }
        assert_ok(natskit_msg_release(msg));
    }
}

static int32_t state_of(natskit_conn conn)
{
    natskit_conn_info info;
    assert_ok(natskit_conn_info_get(conn, &info, sizeof info));
    return info.state;
}

static void take_down(natskit_sub events)
{
    ts_server_kill(bench.server);
    bench_expect_event(events, NATSKIT_EVENT_DISCONNECTED);
}

/* -- the first connect ----------------------------------------------------------------------------------- */

static void test_first_connect_retries(void **state)
{
    (void)state;
    natskit_options options = CONNECT_OPTIONS({"first_connect", "retry"}, {"reconnect_wait_ms", "20"});
    natskit_conn conn;
    natskit_op op;
    ts_server_kill(bench.server);
    assert_ok(natskit_connect_start(ts_tap_url(bench.tap), Z, options, WAIT_MS, &conn, &op, NULL));
    natskit_sub events = open_events(conn);
    bench_expect_event(events, NATSKIT_EVENT_ASYNC_ERROR); /* one attempt has failed */
    bench_expect_event(events, NATSKIT_EVENT_RECONNECTING);
    assert_int_equal(state_of(conn), NATSKIT_STATE_CONNECTING);
    assert_status(natskit_op_result(op, NULL, NULL), NATSKIT_PENDING);
    assert_true(ts_server_restart(bench.server));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_result(op, NULL, NULL));
    bench_expect_event(events, NATSKIT_EVENT_CONNECTED);
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_sub_close(events));
    assert_ok(natskit_op_close(op));
    /* Until the deadline, and not longer. */
    ts_server_kill(bench.server);
    natskit_error err = {0};
    int64_t begin = ts_now_ms();
    assert_status(natskit_connect(ts_tap_url(bench.tap), Z, options, 200, &conn, &err), NATSKIT_TIMEOUT);
    assert_true(ts_now_ms() - begin >= 199);
    assert_non_null(strstr(err.text, "no connection"));
    assert_ok(natskit_options_close(options));
    assert_true(ts_server_restart(bench.server));
}

static void test_first_connect_in_the_background(void **state)
{
    (void)state;
    natskit_conn conn;
    ts_server_kill(bench.server);
    natskit_options options = CONNECT_OPTIONS({"first_connect", "background"}, {"reconnect_wait_ms", "20"});
    assert_ok(natskit_connect(ts_tap_url(bench.tap), Z, options, 0, &conn, NULL));
    assert_ok(natskit_options_close(options));
    assert_int_equal(state_of(conn), NATSKIT_STATE_CONNECTING);
    natskit_sub sub = bench_subscribe(conn, "policy.background", NULL);
    bench_publish(conn, "policy.background", "early");
    assert_status(natskit_flush(conn, 0), NATSKIT_DISCONNECTED);
    assert_true(ts_server_restart(bench.server));
    bench_expect(sub, "early");
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_sub_close(sub));
}

/* -- the end --------------------------------------------------------------------------------------------- */

static void test_an_outage_too_long(void **state)
{
    (void)state;
    natskit_conn conn = connect_with(CONNECT_OPTIONS({"max_outage_ms", "150"}, {"reconnect_wait_ms", "10"}));
    natskit_sub events = open_events(conn);
    natskit_op closed;
    assert_ok(natskit_conn_closed_start(conn, NO_OPTIONS, -1, &closed, NULL));
    assert_status(natskit_conn_closed(conn, 0, NULL), NATSKIT_PENDING);
    assert_status(natskit_conn_closed(conn, 20, NULL), NATSKIT_PENDING);
    take_down(events);
    bench_expect_event(events, NATSKIT_EVENT_CLOSED);
    assert_ok(natskit_op_wait(closed, WAIT_MS));
    natskit_error err = {0};
    assert_status(natskit_op_result(closed, NULL, &err), NATSKIT_TIMEOUT);
    assert_non_null(strstr(err.text, "no connection for 150 ms"));
    assert_status(natskit_conn_closed(conn, WAIT_MS, &err), NATSKIT_TIMEOUT);
    assert_ok(natskit_op_close(closed));
    assert_ok(natskit_sub_close(events));
    assert_ok(natskit_conn_close(conn, 0));
    assert_true(ts_server_restart(bench.server));
}

static void test_without_reconnects(void **state)
{
    (void)state;
    natskit_conn conn = connect_with(CONNECT_OPTIONS({"reconnect", "false"}));
    natskit_sub events = open_events(conn);
    take_down(events);
    natskit_error err = {0};
    assert_status(natskit_conn_closed(conn, WAIT_MS, &err), NATSKIT_DISCONNECTED);
    assert_non_null(strstr(err.text, "closed the connection"));
    assert_ok(natskit_sub_close(events));
    assert_ok(natskit_conn_close(conn, 0));
    assert_true(ts_server_restart(bench.server));
    /* What the application forces is no loss. */
    conn = connect_with(CONNECT_OPTIONS({"reconnect", "false"}));
    events = open_events(conn);
    assert_ok(natskit_conn_reconnect(conn, NULL));
    bench_expect_event(events, NATSKIT_EVENT_RECONNECTED);
    natskit_op closed;
    assert_ok(natskit_conn_closed_start(conn, NO_OPTIONS, -1, &closed, NULL));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_op_wait(closed, WAIT_MS)); /* which outlives the handle */
    assert_ok(natskit_op_result(closed, NULL, NULL));
    assert_ok(natskit_op_close(closed));
    assert_ok(natskit_sub_close(events));
}

static void test_refused_credentials(void **state)
{
    (void)state;
    struct ts_server_opts opts = {.extra = "authorization { user: a, password: b }\n"};
    struct ts_server *server = ts_server_start(&opts);
    assert_non_null(server);
    natskit_options options = CONNECT_OPTIONS({"user", "a"}, {"password", "wrong"},
                                              {"first_connect", "retry"}, {"reconnect_wait_max_ms", "10"},
                                              {"reconnect_wait_ms", "10"}, {"max_auth_failures", "3"});
    natskit_conn conn;
    natskit_op op;
    assert_ok(natskit_connect_start(ts_server_url(server), Z, options, WAIT_MS, &conn, &op, NULL));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    natskit_error err = {0};
    assert_status(natskit_op_result(op, NULL, &err), NATSKIT_AUTH);
    assert_int_equal(state_of(conn), NATSKIT_STATE_CLOSED);
    natskit_conn_info info;
    assert_ok(natskit_conn_info_get(conn, &info, sizeof info));
    assert_int_equal(info.epoch, 3); /* so many transports */
    assert_null(strstr(err.text, "wrong"));
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_conn_close(conn, 0));
    assert_ok(natskit_options_close(options));
    ts_server_free(server);
}

/* -- the outbox ------------------------------------------------------------------------------------------ */

static natskit_status publish_bytes(natskit_conn conn, size_t len, int64_t timeout_ms)
{
    static const char data[8192];
    return natskit_publish(conn, "policy.bytes", Z, NULL, 0, NO_HEADERS, data, len, timeout_ms);
}

static void test_nothing_is_buffered(void **state)
{
    (void)state;
    natskit_conn conn = connect_with(CONNECT_OPTIONS({"reconnect_buffer_bytes", "0"}));
    natskit_sub events = open_events(conn);
    natskit_msg *msg;
    assert_ok(publish_bytes(conn, 10, 0));
    take_down(events);
    assert_status(publish_bytes(conn, 10, WAIT_MS), NATSKIT_DISCONNECTED);
    assert_status(natskit_request(conn, "a", Z, NO_HEADERS, NULL, 0, WAIT_MS, &msg, NULL),
                  NATSKIT_DISCONNECTED);
    natskit_op room;
    assert_ok(natskit_room_start(conn, NO_OPTIONS, 10, WAIT_MS, &room, NULL));
    assert_status(natskit_op_result(room, NULL, NULL), NATSKIT_PENDING);
    assert_true(ts_server_restart(bench.server));
    assert_ok(natskit_op_wait(room, WAIT_MS)); /* there is room as soon as there is a connection */
    assert_ok(natskit_op_result(room, NULL, NULL));
    assert_ok(publish_bytes(conn, 10, 0));
    assert_ok(natskit_flush(conn, WAIT_MS));
    assert_ok(natskit_op_close(room));
    assert_ok(natskit_sub_close(events));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

static void test_a_small_reconnect_buffer(void **state)
{
    (void)state;
    static const char *const policies[] = {"wait", "fail"};
    for (int fails = 0; fails < 2; fails++) {
        natskit_conn conn = connect_with(
            CONNECT_OPTIONS({"reconnect_buffer_bytes", "20000"}, {"outbox_full", policies[fails]}));
        natskit_sub events = open_events(conn);
        natskit_sub sub = bench_subscribe(conn, "policy.bytes", NULL);
        take_down(events);
        int accepted = 0;
        while (publish_bytes(conn, 4096, 0) == NATSKIT_OK) {
            accepted++;
        }
        assert_int_equal(accepted, 4);
        int64_t begin = ts_now_ms();
        assert_status(publish_bytes(conn, 4096, 100), fails ? NATSKIT_WOULD_BLOCK : NATSKIT_TIMEOUT);
        assert_true(fails || ts_now_ms() - begin >= 99);
        assert_true(ts_server_restart(bench.server));
        for (int i = 0; i < accepted; i++) {
            natskit_msg *msg;
            assert_ok(natskit_sub_next(sub, WAIT_MS, &msg));
            assert_ok(natskit_msg_release(msg));
        }
        assert_ok(natskit_sub_close(sub));
        assert_ok(natskit_sub_close(events));
        assert_ok(natskit_conn_close(conn, WAIT_MS));
    }
}

/* The next server would cut the connection for each message that is too large for it: none is sent. */
static void test_a_server_that_takes_less(void **state)
{
    (void)state;
    static const char large[2000];
    natskit_conn conn = bench_connect();
    natskit_sub events = open_events(conn);
    natskit_sub sub = bench_subscribe(conn, "policy.>", NULL);
    take_down(events);
    bench_publish(conn, "policy.small", "fits");
    for (int i = 0; i < 3; i++) {
        assert_ok(natskit_publish(conn, "policy.large", Z, NULL, 0, NO_HEADERS, large, sizeof large, 0));
    }
    natskit_op op;
    assert_ok(natskit_request_start(conn, "policy.ask", Z, NO_HEADERS, large, sizeof large, NO_OPTIONS,
                                    WAIT_MS, &op, NULL));
    bench_publish(conn, "policy.small", "fits, too");
    struct ts_server *next =
        ts_server_start(&(struct ts_server_opts){.extra = "max_payload: 1000", .no_jetstream = true});
    assert_non_null(next);
    assert_ok(natskit_conn_servers_set(conn, ts_server_url(next), Z, NULL));
    natskit_event_view view;
    natskit_msg *msg = next_event(events, NATSKIT_EVENT_ASYNC_ERROR, &view);
    while (view.status != NATSKIT_TOO_LARGE) { /* of attempts at the one that is gone */
        assert_ok(natskit_msg_release(msg));
        msg = next_event(events, NATSKIT_EVENT_ASYNC_ERROR, &view);
    }
    assert_int_equal(view.count, 3);
    assert_int_equal(view.subject_len, strlen("policy.large"));
    assert_ok(natskit_msg_release(msg));
    bench_expect_event(events, NATSKIT_EVENT_RECONNECTED);
    bench_expect(sub, "fits");
    bench_expect(sub, "fits, too");
    natskit_error err = {0};
    int32_t outcome;
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_status(natskit_op_result(op, &outcome, &err), NATSKIT_TOO_LARGE);
    assert_int_equal(outcome, NATSKIT_OUTCOME_NOT_SENT);
    assert_non_null(strstr(err.text, "2000 bytes to \"policy.ask\""));
    assert_ok(natskit_flush(conn, WAIT_MS));
    natskit_conn_stats stats;
    assert_ok(natskit_conn_stats_get(conn, &stats, sizeof stats));
    assert_int_equal(stats.reconnects, 1);
    assert_int_equal(stats.unsent, 4);
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_sub_close(events));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    ts_server_free(next);
    assert_true(ts_server_restart(bench.server));
}

static void test_levels_of_delivery(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    natskit_sub events = open_events(conn);
    assert_ok(natskit_written(conn, 0, NULL)); /* nothing waits */
    bench_publish(conn, "policy.level", "a");
    assert_ok(natskit_written(conn, WAIT_MS, NULL));
    assert_ok(natskit_flush(conn, WAIT_MS));
    take_down(events);
    bench_publish(conn, "policy.level", "b");
    natskit_op written;
    natskit_op never;
    assert_ok(natskit_written_start(conn, NO_OPTIONS, WAIT_MS, &written, NULL));
    assert_ok(natskit_written_start(conn, NO_OPTIONS, 30, &never, NULL));
    assert_ok(natskit_op_wait(never, WAIT_MS));
    assert_status(natskit_op_result(never, NULL, NULL), NATSKIT_TIMEOUT);
    assert_status(natskit_op_result(written, NULL, NULL), NATSKIT_PENDING);
    assert_status(natskit_written(conn, 0, NULL), NATSKIT_WOULD_BLOCK);
    assert_true(ts_server_restart(bench.server));
    assert_ok(natskit_op_wait(written, WAIT_MS));
    assert_ok(natskit_op_result(written, NULL, NULL));
    int64_t ns = 0;
    assert_ok(natskit_op_duration(written, &ns));
    assert_true(ns >= 30 * 1000000); /* the other one ran into its deadline meanwhile */
    int64_t again = 0;
    assert_ok(natskit_op_duration(written, &again));
    assert_true(ns == again); /* it has ended */
    assert_ok(natskit_op_close(written));
    assert_ok(natskit_op_close(never));
    take_down(events);
    bench_publish(conn, "policy.level", "c");
    assert_ok(natskit_written_start(conn, NO_OPTIONS, WAIT_MS, &written, NULL));
    assert_ok(natskit_conn_close(conn, 0));
    int32_t outcome;
    assert_status(natskit_op_result(written, &outcome, NULL), NATSKIT_CLOSED);
    assert_int_equal(outcome, NATSKIT_OUTCOME_NOT_SENT);
    assert_ok(natskit_op_close(written));
    assert_ok(natskit_sub_close(events));
    assert_true(ts_server_restart(bench.server));
}

static bool has_events(natskit_sub events)
{
    natskit_sub_stats stats;
    assert_ok(natskit_sub_stats_get(events, &stats, sizeof stats));
    return stats.pending_msgs > 0;
}

/* A server that takes no bytes is given up, though nobody has waited for an answer. */
static void test_a_write_that_stalls(void **state)
{
    (void)state;
    natskit_conn conn = connect_with(CONNECT_OPTIONS({"write_stall_ms", "200"}));
    natskit_sub events = open_events(conn);
    assert_ok(natskit_flush(conn, WAIT_MS));
    assert_true(ts_tap_command(bench.tap, "live up stall on"));
    /* Until the socket takes no more, too; or until it was given up for one that does. */
    while (!has_events(events) && publish_bytes(conn, 8192, 100) == NATSKIT_OK) {
    }
    natskit_event_view view;
    assert_ok(natskit_msg_release(next_event(events, NATSKIT_EVENT_STALE, &view)));
    assert_ok(natskit_msg_release(next_event(events, NATSKIT_EVENT_DISCONNECTED, &view)));
    assert_int_equal(view.status, NATSKIT_STALE);
    bench_expect_event(events, NATSKIT_EVENT_RECONNECTED);
    assert_ok(natskit_flush(conn, WAIT_MS));
    natskit_conn_stats stats;
    assert_ok(natskit_conn_stats_get(conn, &stats, sizeof stats));
    assert_true(stats.unconfirmed > 0); /* what the dead socket had taken */
    assert_ok(natskit_sub_close(events));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

/* The same while it goes on sending. */
static void test_a_write_that_stalls_beside_reads(void **state)
{
    (void)state;
    natskit_conn other;
    natskit_conn conn =
        connect_with(CONNECT_OPTIONS({"write_stall_ms", "300"}, {"ping_interval_ms", "3600000"}));
    assert_ok(natskit_connect(ts_server_url(bench.server), Z, NO_OPTIONS, WAIT_MS, &other, NULL));
    natskit_sub events = open_events(conn);
    natskit_sub sub = bench_subscribe(conn, "policy.noise", NULL);
    assert_ok(natskit_flush(conn, WAIT_MS));
    assert_true(ts_tap_command(bench.tap, "live up stall on"));
    int64_t deadline_ms = ts_now_ms() + WAIT_MS;
    while (!has_events(events) && ts_now_ms() < deadline_ms) {
        (void)publish_bytes(conn, 8192, 0);
        bench_publish(other, "policy.noise", "x");
        ts_pause_ms(1);
    }
    natskit_event_view view;
    assert_true(has_events(events));
    assert_ok(natskit_msg_release(next_event(events, NATSKIT_EVENT_STALE, &view)));
    bench_expect_event(events, NATSKIT_EVENT_RECONNECTED);
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_sub_close(events));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_conn_close(other, WAIT_MS));
}

/* -- orders and questions -------------------------------------------------------------------------------- */

static void test_forced_reconnect(void **state)
{
    (void)state;
    natskit_conn conn =
        connect_with(CONNECT_OPTIONS({"reconnect_wait_ms", "3600000"}, {"reconnect_wait_max_ms", "3600000"}));
    natskit_sub events = open_events(conn);
    natskit_sub sub = bench_subscribe(conn, "policy.forced", NULL);
    assert_ok(natskit_flush(conn, WAIT_MS));
    assert_ok(natskit_conn_reconnect(conn, NULL));
    bench_expect_event(events, NATSKIT_EVENT_FORCED_RECONNECT);
    bench_expect_event(events, NATSKIT_EVENT_DISCONNECTED);
    bench_expect_event(events, NATSKIT_EVENT_RECONNECTED);
    bench_publish(conn, "policy.forced", "again");
    bench_expect(sub, "again");
    /* In a pause of an hour it ends the pause. */
    take_down(events);
    bench_expect_event(events, NATSKIT_EVENT_ASYNC_ERROR);
    assert_true(ts_server_restart(bench.server));
    assert_ok(natskit_conn_reconnect(conn, NULL));
    bench_expect_event(events, NATSKIT_EVENT_FORCED_RECONNECT);
    bench_expect_event(events, NATSKIT_EVENT_RECONNECTED);
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_sub_close(events));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

static void test_delays_of_the_application(void **state)
{
    (void)state;
    natskit_conn conn =
        connect_with(CONNECT_OPTIONS({"reconnect_wait_ms", "3600000"}, {"reconnect_wait_max_ms", "3600000"},
                                     {"reconnect_jitter_ms", "0"}, {"reconnect_jitter_tls_ms", "0"}));
    natskit_options answers = EVENT_OPTIONS({"answers", "true"});
    natskit_sub events;
    natskit_sub second;
    assert_ok(natskit_conn_events(conn, answers, &events, NULL));
    assert_status(natskit_conn_events(conn, answers, &second, NULL), NATSKIT_BUSY);
    natskit_sub deaf = open_events(conn);
    take_down(events);
    natskit_event_view view;
    uint64_t last = 0;
    for (int i = 0; i < 3; i++) {
        natskit_msg *msg = next_event(events, NATSKIT_EVENT_DELAY_NEEDED, &view);
        assert_true(view.request > last);
        assert_int_equal(view.delay_ms, 3600000);
        assert_int_equal(view.count, i + 1);
        last = view.request;
        assert_status(natskit_conn_answer_delay(conn, last + 1, 0, NULL), NATSKIT_NOT_FOUND);
        if (i == 2) {
            assert_true(ts_server_restart(bench.server));
        }
        assert_ok(natskit_conn_answer_delay(conn, last, 20, NULL));
        assert_status(natskit_conn_answer_delay(conn, last, 20, NULL), NATSKIT_NOT_FOUND);
        assert_ok(natskit_msg_release(msg));
    }
    bench_expect_event(events, NATSKIT_EVENT_RECONNECTED);
    assert_ok(natskit_sub_close(events));
    assert_ok(natskit_conn_events(conn, answers, &second, NULL)); /* the place is free again */
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    /* Nobody else was asked. */
    natskit_msg *msg;
    while (natskit_sub_next(deaf, 0, &msg) == NATSKIT_OK) {
        assert_ok(natskit_msg_event(msg, &view, sizeof view));
        assert_int_not_equal(view.type, NATSKIT_EVENT_DELAY_NEEDED);
        assert_int_equal(view.request, 0);
        assert_ok(natskit_msg_release(msg));
    }
    assert_ok(natskit_sub_close(deaf));
    assert_ok(natskit_sub_close(second));
    assert_ok(natskit_options_close(answers));
}

/* An application that does not answer is not waited for longer than its time. */
static void test_no_answer(void **state)
{
    (void)state;
    natskit_conn conn =
        connect_with(CONNECT_OPTIONS({"reconnect_wait_ms", "10"}, {"answer_timeout_ms", "50"}));
    natskit_options answers = EVENT_OPTIONS({"answers", "true"});
    natskit_sub events;
    assert_ok(natskit_conn_events(conn, answers, &events, NULL));
    assert_ok(natskit_options_close(answers));
    take_down(events);
    bench_expect_event(events, NATSKIT_EVENT_DELAY_NEEDED);
    bench_expect_event(events, NATSKIT_EVENT_DELAY_NEEDED);
    assert_true(ts_server_restart(bench.server));
    bench_expect_event(events, NATSKIT_EVENT_RECONNECTED);
    assert_ok(natskit_sub_close(events));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

static void test_round_trips_and_pings(void **state)
{
    (void)state;
    natskit_conn conn = connect_with(CONNECT_OPTIONS({"ping_interval_ms", "30"}, {"max_pings_out", "1000"}));
    natskit_options debug = EVENT_OPTIONS({"debug", "true"});
    natskit_sub events;
    natskit_sub plain = open_events(conn);
    assert_ok(natskit_conn_events(conn, debug, &events, NULL));
    assert_ok(natskit_options_close(debug));
    int64_t rtt_ns = 0;
    assert_ok(natskit_conn_rtt(conn, WAIT_MS, &rtt_ns, NULL));
    assert_true(rtt_ns > 0 && rtt_ns < WAIT_MS * 1000000);
    natskit_event_view view;
    for (int i = 0; i < 3; i++) {
        assert_ok(natskit_msg_release(next_event(events, NATSKIT_EVENT_PING, &view)));
        assert_true(view.count >= 1);
    }
    natskit_msg *msg;
    assert_status(natskit_sub_next(plain, 0, &msg), NATSKIT_WOULD_BLOCK);
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_status(natskit_conn_rtt(conn, 0, &rtt_ns, NULL), NATSKIT_CLOSED);
    assert_ok(natskit_sub_close(plain));
    assert_ok(natskit_sub_close(events));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_connect_retries),
        cmocka_unit_test(test_first_connect_in_the_background),
        cmocka_unit_test(test_an_outage_too_long),
        cmocka_unit_test(test_without_reconnects),
        cmocka_unit_test(test_refused_credentials),
        cmocka_unit_test(test_nothing_is_buffered),
        cmocka_unit_test(test_a_small_reconnect_buffer),
        cmocka_unit_test(test_a_server_that_takes_less),
        cmocka_unit_test(test_levels_of_delivery),
        cmocka_unit_test(test_a_write_that_stalls),
        cmocka_unit_test(test_a_write_that_stalls_beside_reads),
        cmocka_unit_test(test_forced_reconnect),
        cmocka_unit_test(test_delays_of_the_application),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_round_trips_and_pings),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
