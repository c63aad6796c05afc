/* The life of a connection against a real server: kill and restart, a server that stands still, many objects.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Everything published after the loss was noticed arrives once and in order after the reconnect. */
static void test_reconnect(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    natskit_conn conn = bench_connect();
    natskit_sub events;
    assert_ok(natskit_conn_events(conn, NO_OPTIONS, &events, NULL));
    natskit_sub sub = bench_subscribe(conn, "again", NULL);
    bench_publish(conn, "again", "before");
    bench_expect(sub, "before");
    ts_server_kill(bench.server);
    bench_expect_event(events, NATSKIT_EVENT_DISCONNECTED);
    for (int i = 0; i < COUNT; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        bench_publish(conn, "again", text);
    }
    natskit_conn_info info;
    assert_ok(natskit_conn_info_get(conn, &info, sizeof info));
    assert_int_equal(info.state, NATSKIT_STATE_RECONNECTING);
    assert_status(natskit_flush(conn, WAIT_MS), NATSKIT_DISCONNECTED);
    assert_true(ts_server_restart(bench.server));
    bench_expect_event(events, NATSKIT_EVENT_RECONNECTED);
    for (int i = 0; i < COUNT; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        bench_expect(sub, text);
    }
    natskit_conn_stats stats;
    assert_ok(natskit_conn_stats_get(conn, &stats, sizeof stats));
    assert_int_equal(stats.reconnects, 1);
    assert_int_equal(stats.unconfirmed <= 1, 1); /* "before" may not have been confirmed by a PONG */
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    bench_expect_event(events, NATSKIT_EVENT_CLOSED);
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_sub_close(events));
}

/* How late a call was, in ms. */
static int64_t lateness(int64_t begin_ms, int64_t timeout_ms)
{
    return ts_now_ms() - begin_ms - timeout_ms;
}

/* Each blocking call against a server that is stopped returns by its deadline. One of three tries has to be
 * within 50 ms, since the machine may be busy with something else; every one within a second. */
static void test_stopped_server(void **state)
{
    (void)state;
    enum { TIMEOUT = 150, TRIES = 3 };
    natskit_conn conn = bench_connect();
    natskit_sub sub = bench_subscribe(conn, "stopped", NULL);
    assert_ok(natskit_flush(conn, WAIT_MS));
    assert_true(ts_server_pause(bench.server));
    int64_t best[3] = {1000, 1000, 1000};
    for (int i = 0; i < TRIES; i++) {
        natskit_msg *msg;
        int64_t late[3];
        int64_t begin = ts_now_ms();
        assert_status(natskit_sub_next(sub, TIMEOUT, &msg), NATSKIT_TIMEOUT);
        late[0] = lateness(begin, TIMEOUT);
        begin = ts_now_ms();
        assert_status(natskit_request(conn, "stopped", Z, NO_HEADERS, NULL, 0, TIMEOUT, &msg, NULL),
                      NATSKIT_TIMEOUT);
        late[1] = lateness(begin, TIMEOUT);
        begin = ts_now_ms();
        assert_status(natskit_flush(conn, TIMEOUT), NATSKIT_TIMEOUT);
        late[2] = lateness(begin, TIMEOUT);
        for (int j = 0; j < 3; j++) {
            assert_true(late[j] >= -1 && late[j] < 1000);
            best[j] = late[j] < best[j] ? late[j] : best[j];
        }
    }
    natskit_conn other;
    natskit_error err;
    int64_t begin = ts_now_ms();
    assert_status(natskit_connect(ts_tap_url(bench.tap), Z, NO_OPTIONS, TIMEOUT, &other, &err),
                  NATSKIT_TIMEOUT);
    assert_true(lateness(begin, TIMEOUT) < 1000);
    for (int j = 0; j < 3; j++) {
        assert_true(best[j] <= 50);
    }
    assert_true(ts_server_resume(bench.server));
    assert_ok(natskit_flush(conn, WAIT_MS)); /* nothing was broken by it */
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_sub_close(sub));
}

/* Publishing to a server that takes nothing: memory stays bounded, calls return, nothing is lost afterwards.
 */
static void test_full_outbox(void **state)
{
    (void)state;
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    assert_ok(natskit_options_set_int(options, "outbox_bytes", Z, 1 << 20, NULL));
    natskit_conn conn = bench_connect_with(options);
    natskit_sub sub = bench_subscribe(conn, "full", NULL);
    char data[4096] = {0};
    uint32_t accepted = 0;
    assert_ok(natskit_flush(conn, WAIT_MS));
    assert_true(ts_tap_command(bench.tap, "up stall on"));
    for (;;) {
        memcpy(data, &accepted, sizeof accepted);
        /* Until not even the kernel's buffers take more. */
        natskit_status status = natskit_publish(conn, "full", 4, NULL, 0, NO_HEADERS, data, sizeof data, 200);
        if (status == NATSKIT_TIMEOUT) {
            break;
        }
        assert_ok(status);
        accepted++;
        assert_true(accepted < 100000);
    }
    assert_status(natskit_publish(conn, "full", 4, NULL, 0, NO_HEADERS, data, sizeof data, 0),
                  NATSKIT_WOULD_BLOCK);
    natskit_op room;
    assert_ok(natskit_room_start(conn, NO_OPTIONS, sizeof data, WAIT_MS, &room, NULL));
    assert_status(natskit_op_wait(room, 0), NATSKIT_WOULD_BLOCK);
    assert_true(ts_tap_command(bench.tap, "up stall off"));
    assert_ok(natskit_op_wait(room, WAIT_MS));
    assert_ok(natskit_op_result(room, NULL, NULL));
    assert_ok(natskit_op_close(room));
    for (uint32_t i = 0; i < accepted; i++) {
        natskit_msg *msg;
        natskit_message_view view;
        assert_ok(natskit_sub_next(sub, WAIT_MS, &msg));
        assert_ok(natskit_msg_view(msg, &view, sizeof view));
        assert_memory_equal(view.data, &i, sizeof i);
        assert_ok(natskit_msg_release(msg));
    }
    assert_ok(natskit_options_close(options));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_sub_close(sub));
}

static uint64_t our_threads(void)
{
    natskit_counters counters;
    assert_ok(natskit_counters_get(&counters, sizeof counters));
    return counters.threads;
}

static void test_many_subscriptions(void **state)
{
    (void)state;
    enum { COUNT = 10000 };
    natskit_conn conn = bench_connect();
    natskit_sub *subs = calloc(COUNT, sizeof *subs);
    assert_non_null(subs);
    for (int i = 0; i < COUNT; i++) {
        char subject[32];
        snprintf(subject, sizeof subject, "many.%d", i);
        subs[i] = bench_subscribe(conn, subject, NULL);
    }
    assert_true(our_threads() <= 2);
    for (int i = 0; i < COUNT; i += 997) {
        char subject[32];
        snprintf(subject, sizeof subject, "many.%d", i);
        bench_publish(conn, subject, subject);
        bench_expect(subs[i], subject);
    }
    for (int i = 0; i < COUNT; i++) {
        assert_ok(natskit_sub_close(subs[i]));
    }
    natskit_conn_stats stats;
    assert_ok(natskit_conn_stats_get(conn, &stats, sizeof stats));
    assert_int_equal(stats.subs, 0);
    free(subs);
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

static void test_many_connections(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    natskit_conn conns[COUNT];
    natskit_sub subs[COUNT];
    for (int i = 0; i < COUNT; i++) {
        conns[i] = bench_connect();
        subs[i] = bench_subscribe(conns[i], "all", NULL);
        assert_ok(natskit_flush(conns[i], WAIT_MS));
    }
    assert_true(our_threads() <= 2);
    bench_publish(conns[0], "all", "to all");
    for (int i = 0; i < COUNT; i++) {
        bench_expect(subs[i], "to all");
        assert_ok(natskit_sub_close(subs[i]));
        assert_ok(natskit_conn_close(conns[i], 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reconnect),        cmocka_unit_test(test_stopped_server),
        cmocka_unit_test(test_full_outbox),      cmocka_unit_test(test_many_subscriptions),
        cmocka_unit_test(test_many_connections),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
