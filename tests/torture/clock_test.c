/* The wall clock jumps, an hour and ten years to and fro, many times a second, while one connection does all
 * that has to do with time: nothing changes but the times that events carry. */
#include "faults.h"
#include "integration/bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { PING_MS = 50, SHORT_MS = 120, LATE_MS = 10000 };

static const int64_t hour_ns = INT64_C(3600) * 1000000000;
static const int64_t years_ns = INT64_C(10) * 365 * 86400 * 1000000000;

static atomic_bool over;
static atomic_int jumps;

static void *jump(void *unused)
{
    const int64_t shifts[] = {0, hour_ns, -hour_ns, years_ns, -years_ns, 0, -years_ns, years_ns};
    while (!atomic_load(&over)) {
        int n = atomic_fetch_add(&jumps, 1);
        tt_wall_shift(shifts[(size_t)n % (sizeof shifts / sizeof shifts[0])]);
        ts_pause_ms(3); /* several jumps in each wait */
    }
    return unused;
}

static int64_t worst_ms;

static void in_time(int64_t begin_ms, int64_t timeout_ms)
{
    int64_t late = ts_now_ms() - begin_ms - timeout_ms;
    assert_true(late >= -1 && late < LATE_MS);
    worst_ms = late > worst_ms ? late : worst_ms;
}

static natskit_conn connect_here(void)
{
    static const struct {
        const char *name;
        int64_t value;
    } settings[] = {{"ping_interval_ms", PING_MS},
                    {"max_pings_out", 1000},
                    {"reconnect_wait_ms", 20},
                    {"reconnect_jitter_ms", 5},
                    {"write_stall_ms", 5000}};
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        assert_ok(natskit_options_set_int(options, settings[i].name, Z, settings[i].value, NULL));
    }
    natskit_conn conn = bench_connect_with(options);
    assert_ok(natskit_options_close(options));
    return conn;
}

/* Each wait that nothing ends, ends by its deadline. */
static void wait_in_vain(natskit_conn conn, natskit_sub sub)
{
    natskit_msg *msg;
    natskit_waitset set;
    natskit_ready ready;
    natskit_op op;
    size_t count;
    int64_t begin_ms = ts_now_ms();
    assert_status(natskit_sub_next(sub, SHORT_MS, &msg), NATSKIT_TIMEOUT);
    in_time(begin_ms, SHORT_MS);
    natskit_sub deaf = bench_subscribe(conn, "deaf", NULL);
    begin_ms = ts_now_ms();
    assert_status(natskit_request(conn, "deaf", Z, NO_HEADERS, NULL, 0, SHORT_MS, &msg, NULL),
                  NATSKIT_TIMEOUT);
    in_time(begin_ms, SHORT_MS);
    begin_ms = ts_now_ms();
    assert_ok(natskit_request_start(conn, "deaf", Z, NO_HEADERS, NULL, 0, NO_OPTIONS, SHORT_MS, &op, NULL));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    in_time(begin_ms, SHORT_MS);
    assert_status(natskit_op_result(op, NULL, NULL), NATSKIT_TIMEOUT);
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_waitset_open(&set));
    assert_ok(natskit_waitset_add(set, sub.id, 1));
    begin_ms = ts_now_ms();
    assert_status(natskit_waitset_wait(set, &ready, sizeof ready, 1, SHORT_MS, &count), NATSKIT_TIMEOUT);
    in_time(begin_ms, SHORT_MS);
    assert_ok(natskit_waitset_close(set));
    begin_ms = ts_now_ms();
    assert_status(natskit_conn_closed(conn, SHORT_MS, NULL), NATSKIT_PENDING);
    in_time(begin_ms, SHORT_MS);
    begin_ms = ts_now_ms();
    assert_status(natskit_sub_drain(deaf, SHORT_MS, NULL), NATSKIT_TIMEOUT);
    in_time(begin_ms, SHORT_MS);
    assert_ok(natskit_sub_close(deaf));
}

/* What has an answer gets it. */
static void work(natskit_conn conn, natskit_sub sub)
{
    natskit_sub service = bench_subscribe(conn, "service", NULL);
    natskit_msg *ask;
    natskit_msg *reply;
    natskit_op op;
    bench_publish(conn, "own", "text");
    bench_expect(sub, "text");
    assert_ok(natskit_request_start(conn, "service", Z, NO_HEADERS, NULL, 0, NO_OPTIONS, WAIT_MS, &op, NULL));
    assert_ok(natskit_sub_next(service, WAIT_MS, &ask));
    assert_ok(natskit_msg_respond(ask, NO_HEADERS, "r", 1, WAIT_MS));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_take_msg(op, &reply));
    assert_ok(natskit_msg_release(ask));
    assert_ok(natskit_msg_release(reply));
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_sub_close(service));
    assert_ok(natskit_flush(conn, WAIT_MS));
}

/* The next event of this type; it carries the wall clock, wherever that stands. */
static void expect_event(natskit_sub events, int32_t type)
{
    natskit_event_view view = {0};
    while (view.type != type) {
        natskit_msg *msg;
        assert_ok(natskit_sub_next(events, WAIT_MS, &msg));
        assert_ok(natskit_msg_event(msg, &view, sizeof view));
        assert_int_not_equal(view.type, NATSKIT_EVENT_STALE);
        assert_true(view.time_ns > 0);
        assert_ok(natskit_msg_release(msg));
    }
}

static void test_jumps_change_nothing(void **state)
{
    (void)state;
    enum { ROUNDS = 4 };
    pthread_t jumper;
    assert_int_equal(pthread_create(&jumper, NULL, jump, NULL), 0);
    int64_t begin_ms = ts_now_ms();
    natskit_conn conn = connect_here();
    natskit_sub sub = bench_subscribe(conn, "own", NULL);
    natskit_sub events;
    assert_ok(natskit_conn_events(conn, NO_OPTIONS, &events, NULL));
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t pings = ts_tap_stat(bench.tap, "ping");
        int64_t quiet_ms = ts_now_ms();
        wait_in_vain(conn, sub);
        quiet_ms = ts_now_ms() - quiet_ms;
        pings = ts_tap_stat(bench.tap, "ping") - pings;
        /* One an interval, and one for the drain; on a busy machine some come late. */
        assert_true(pings >= 2 && pings <= (uint64_t)(quiet_ms / PING_MS) + 2);
        work(conn, sub);
        assert_true(ts_tap_command(bench.tap, "cut"));
        expect_event(events, NATSKIT_EVENT_DISCONNECTED);
        expect_event(events, NATSKIT_EVENT_RECONNECTED);
        work(conn, sub);
    }
    natskit_conn_stats stats;
    assert_ok(natskit_conn_stats_get(conn, &stats, sizeof stats));
    assert_int_equal(stats.reconnects, ROUNDS);
    assert_ok(natskit_conn_drain(conn, WAIT_MS, NULL));
    assert_ok(natskit_conn_close(conn, 0));
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_sub_close(events));
    atomic_store(&over, true);
    assert_int_equal(pthread_join(jumper, NULL), 0);
    print_message("%d jumps of the wall clock in %lld ms: waits at most %lld ms late\n", atomic_load(&jumps),
                  (long long)(ts_now_ms() - begin_ms), (long long)worst_ms);
    assert_true(atomic_load(&jumps) > 8 * ROUNDS);
}

/* The library does read the clock that jumps, through this program. */
static void test_the_shift_is_seen(void **state)
{
    (void)state;
    natskit_event_view view[2];
    for (int i = 0; i < 2; i++) {
        natskit_sub events;
        natskit_msg *msg;
        tt_wall_shift(i == 0 ? 0 : -years_ns);
        natskit_conn conn = bench_connect();
        assert_ok(natskit_conn_events(conn, NO_OPTIONS, &events, NULL));
        assert_ok(natskit_conn_close(conn, WAIT_MS));
        assert_ok(natskit_sub_next(events, WAIT_MS, &msg));
        assert_ok(natskit_msg_event(msg, &view[i], sizeof view[i]));
        assert_ok(natskit_msg_release(msg));
        assert_ok(natskit_sub_close(events));
    }
    assert_true(view[1].time_ns < view[0].time_ns - years_ns + hour_ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_shift_is_seen),
        cmocka_unit_test(test_jumps_change_nothing),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
