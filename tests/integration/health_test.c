/* What natskit_conn_health and natskit_sub_health tell of real servers: of one that stands still, while the
 * connection looks alive; that comes back; that is gone; of consumers and watches that are deleted. A look
 * never waits. */
#include "kv_bench.h"

#include <stdio.h>
#include <string.h>

static natskit_conn connect_with(const char *name, int64_t value)
{
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    assert_ok(natskit_options_set_int(options, name, Z, value, NULL));
    natskit_conn conn = bench_connect_with(options);
    assert_ok(natskit_options_close(options));
    return conn;
}

static natskit_health of_conn(natskit_conn conn)
{
    natskit_health health;
    assert_ok(natskit_conn_health(conn, &health, sizeof health));
    return health;
}

static natskit_health of_sub(natskit_sub sub)
{
    natskit_health health;
    assert_ok(natskit_sub_health(sub, &health, sizeof health));
    return health;
}

static void wait_conn(natskit_conn conn, int32_t state)
{
    for (int64_t end_ms = ts_now_ms() + WAIT_MS; of_conn(conn).state != state;) {
        if (ts_now_ms() > end_ms) {
            fail_msg("still %d: %s", of_conn(conn).state, of_conn(conn).text);
        }
        ts_pause_ms(5);
    }
}

static void wait_sub(natskit_sub sub, int32_t state)
{
    for (int64_t end_ms = ts_now_ms() + WAIT_MS; of_sub(sub).state != state;) {
        if (ts_now_ms() > end_ms) {
            fail_msg("still %d: %s", of_sub(sub).state, of_sub(sub).text);
        }
        ts_pause_ms(5);
    }
}

/* It stands still: silence is seen before the connection is given up, and everything comes back. */
static void test_stopped_server(void **state)
{
    (void)state;
    natskit_conn conn = connect_with("ping_interval_ms", 1000);
    natskit_sub sub = bench_subscribe(conn, "health.a", "");
    natskit_sub events;
    assert_ok(natskit_conn_events(conn, NO_OPTIONS, &events, NULL));
    wait_conn(conn, NATSKIT_HEALTH_OK);
    assert_true(of_conn(conn).since_ms >= 0 && of_conn(conn).beat_ms >= 0 && of_conn(conn).activity_ms >= 0);
    assert_int_equal(of_sub(sub).state, NATSKIT_HEALTH_OK);
    assert_int_equal(of_sub(sub).activity_ms, -1);
    bench_publish(conn, "health.a", "1");
    bench_expect(sub, "1");
    assert_true(of_sub(sub).activity_ms >= 0);
    assert_true(ts_server_pause(bench.server));
    wait_conn(conn, NATSKIT_HEALTH_SILENT);
    natskit_health now = of_sub(sub);
    assert_true(now.state == NATSKIT_HEALTH_SILENT || now.state == NATSKIT_HEALTH_DOWN);
    wait_conn(conn, NATSKIT_HEALTH_DOWN);
    assert_status(of_conn(conn).reason, NATSKIT_STALE);
    now = of_sub(sub);
    assert_int_equal(now.state, NATSKIT_HEALTH_DOWN);
    assert_non_null(strstr(now.text, "pings were not answered"));
    assert_int_equal(of_sub(events).state, NATSKIT_HEALTH_OK);
    assert_true(ts_server_resume(bench.server));
    wait_conn(conn, NATSKIT_HEALTH_OK);
    wait_sub(sub, NATSKIT_HEALTH_OK);
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    natskit_health gone;
    assert_status(natskit_conn_health(conn, &gone, sizeof gone), NATSKIT_CLOSED);
    assert_int_equal(of_sub(sub).state, NATSKIT_HEALTH_ENDED); /* readable until it is closed itself */
    assert_status(of_sub(sub).reason, NATSKIT_CLOSED);
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_sub_close(events));
}

/* A connection that is begun and finds nobody. */
static void test_nobody(void **state)
{
    (void)state;
    natskit_options options;
    natskit_conn conn;
    natskit_op op;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    assert_ok(natskit_options_set(options, "first_connect", Z, "background", Z, NULL));
    assert_ok(natskit_connect_start("nats://127.0.0.1:1", Z, options, WAIT_MS, &conn, &op, NULL));
    assert_ok(natskit_options_close(options));
    assert_int_equal(of_conn(conn).state, NATSKIT_HEALTH_STARTING);
    natskit_sub sub = bench_subscribe(conn, "health.a", "");
    assert_int_equal(of_sub(sub).state, NATSKIT_HEALTH_STARTING);
    for (int64_t end_ms = ts_now_ms() + WAIT_MS; of_conn(conn).reason != NATSKIT_CONNECT_REFUSED;) {
        assert_true(ts_now_ms() < end_ms);
        ts_pause_ms(5);
    }
    assert_non_null(strstr(of_sub(sub).text, "127.0.0.1:1"));
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_conn_close(conn, 0));
    assert_ok(natskit_sub_close(sub));
}

static void test_slow(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    natskit_options options;
    natskit_sub sub;
    natskit_msg *msg;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_SUBSCRIBE, &options));
    assert_ok(natskit_options_set_int(options, "pending_msgs_limit", Z, 2, NULL));
    assert_ok(natskit_subscribe(conn, "health.slow", Z, "", 0, options, &sub, NULL));
    assert_ok(natskit_options_close(options));
    for (int i = 0; i < 5; i++) {
        bench_publish(conn, "health.slow", "x");
    }
    assert_ok(natskit_flush(conn, WAIT_MS));
    assert_int_equal(of_sub(sub).state, NATSKIT_HEALTH_DEGRADED);
    assert_status(of_sub(sub).reason, NATSKIT_SLOW_CONSUMER);
    assert_ok(natskit_sub_next(sub, WAIT_MS, &msg));
    assert_ok(natskit_msg_release(msg));
    assert_int_equal(of_sub(sub).state, NATSKIT_HEALTH_OK);
    assert_ok(natskit_sub_unsubscribe(sub, 0));
    assert_int_equal(of_sub(sub).state, NATSKIT_HEALTH_ENDED);
    assert_status(of_sub(sub).reason, NATSKIT_UNSUBSCRIBED);
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

/* A consumer is deleted under who consumes: nothing can come, and the look says so, until it is there again.
 */
static void test_consumer_deleted(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    natskit_js js = jb_open(conn);
    natskit_sub sub;
    jb_do(js, "stream.create", "{'config':{'name':'HEALTH','subjects':['health.js'],'storage':'memory'}}");
    jb_do(js, "consumer.create", "{'stream':'HEALTH','config':{'durable_name':'c','ack_policy':'none'}}");
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONSUME, &options));
    assert_ok(natskit_options_set_int(options, "expires_ms", Z, 2000, NULL));
    assert_ok(natskit_js_consume(js, "HEALTH", Z, "c", Z, options, &sub, NULL));
    assert_ok(natskit_options_close(options));
    wait_sub(sub, NATSKIT_HEALTH_OK);
    for (int64_t end_ms = ts_now_ms() + WAIT_MS; of_sub(sub).beat_ms < 0;) {
        assert_true(ts_now_ms() < end_ms);
        ts_pause_ms(5);
    }
    jb_do(js, "consumer.delete", "{'stream':'HEALTH','consumer':'c'}");
    wait_sub(sub, NATSKIT_HEALTH_DOWN);
    assert_status(of_sub(sub).reason, NATSKIT_CONSUMER_DELETED);
    assert_non_null(strstr(of_sub(sub).text, "HEALTH c"));
    assert_int_equal(of_conn(conn).state, NATSKIT_HEALTH_OK);
    jb_do(js, "consumer.create", "{'stream':'HEALTH','config':{'durable_name':'c','ack_policy':'none'}}");
    wait_sub(sub, NATSKIT_HEALTH_OK);
    assert_ok(natskit_sub_close(sub));
    jb_do(js, "stream.delete", "{'stream':'HEALTH'}");
    assert_ok(natskit_js_close(js));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

/* The consumer behind a watch, and that of an ordered reading, are deleted: heartbeats stop, and nothing else
 * tells of it. */
static void test_watch_silent(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    natskit_js js = jb_open(conn);
    natskit_kv kv = kb_make(js, "HB", ",'storage':'memory'");
    natskit_sub watch = KB_WATCH(kv, "updates_only", "true");
    natskit_sub ordered;
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_ORDERED, &options));
    assert_ok(natskit_options_set_int(options, "heartbeat_ms", Z, 500, NULL));
    assert_ok(natskit_js_ordered(js, "KV_HB", Z, options, &ordered, NULL));
    assert_ok(natskit_options_close(options));
    wait_sub(watch, NATSKIT_HEALTH_OK);
    for (int64_t end_ms = ts_now_ms() + WAIT_MS; of_sub(ordered).beat_ms < 0;) {
        assert_true(ts_now_ms() < end_ms);
        ts_pause_ms(5);
    }
    natskit_json names = jb_call(js, "consumer.names", "{'stream':'KV_HB'}");
    assert_int_equal(jb_size(names, "/consumers"), 2);
    for (size_t i = 0; i < 2; i++) {
        char path[32];
        (void)snprintf(path, sizeof path, "/consumers/%zu", i);
        jb_do(js, "consumer.delete", "{'stream':'KV_HB','consumer':%s}", jb_at(names, path));
    }
    assert_ok(natskit_json_close(names));
    wait_sub(ordered, NATSKIT_HEALTH_SILENT);
    assert_status(of_sub(ordered).reason, NATSKIT_HEARTBEATS_MISSED);
    wait_sub(ordered, NATSKIT_HEALTH_OK); /* it was made anew */
    wait_sub(watch, NATSKIT_HEALTH_SILENT);
    assert_true(of_conn(conn).state == NATSKIT_HEALTH_OK);
    kb_put(kv, "k", "v");
    wait_sub(watch, NATSKIT_HEALTH_OK);
    assert_ok(natskit_sub_close(ordered));
    assert_ok(natskit_sub_close(watch));
    assert_ok(natskit_kv_close(kv));
    jb_do(js, "stream.delete", "{'stream':'KV_HB'}");
    assert_ok(natskit_js_close(js));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stopped_server), cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_slow),           cmocka_unit_test(test_consumer_deleted),
        cmocka_unit_test(test_watch_silent),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
