/* The reading right is kept for a caller who reads again and again, or who takes a stream: nobody else loses
 * by it. The I/O thread reads again soon after the caller stopped, and whatever he does with what has come;
 * others who wait get what is theirs at once; a connection that is lost meanwhile is found out. */
#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>

#define STREAM 400000

/* By now the right is kept, most of the time. */
static void ask_often(natskit_conn conn)
{
    for (int i = 0; i < 50; i++) {
        natskit_msg *reply;
        assert_ok(natskit_request(conn, "echo", Z, NO_HEADERS, "?", 1, WAIT_MS, &reply, NULL));
        assert_ok(natskit_msg_release(reply));
    }
}

static void wait_until_received(natskit_sub sub, uint64_t wanted)
{
    natskit_sub_stats stats = {0};
    int64_t end_ms = ts_now_ms() + WAIT_MS;
    while (stats.received < wanted) { /* asking reads nothing */
        assert_true(ts_now_ms() < end_ms);
        ts_pause_ms(1);
        assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
    }
    assert_int_equal(stats.received, wanted);
}

static void test_the_caller_does_something_else(void **state)
{
    (void)state;
    struct bench_echo peer;
    bench_echo_start(&peer, ts_server_url(bench.server));
    natskit_conn conn = bench_connect();
    natskit_sub quiet = bench_subscribe(conn, "quiet", NULL);
    for (uint64_t round = 1; round <= 20; round++) {
        ask_often(conn);
        bench_publish(peer.conn, "quiet", "q");
        wait_until_received(quiet, round);
    }
    assert_ok(natskit_sub_close(quiet));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    bench_echo_stop(&peer);
}

/* -- others that wait ------------------------------------------------------------------------------------ */

struct other {
    natskit_conn conn;
    natskit_sub sub;
    natskit_waitset waitset;
    pthread_t thread;
    atomic_long got;
};

static void *take_all(void *arg)
{
    struct other *other = arg;
    natskit_msg *msg;
    while (natskit_sub_next(other->sub, -1, &msg) == NATSKIT_OK) {
        (void)natskit_msg_release(msg);
        atomic_fetch_add(&other->got, 1);
    }
    return NULL;
}

static void *take_all_by_set(void *arg)
{
    struct other *other = arg;
    natskit_ready ready;
    natskit_msg *msg;
    size_t count;
    while (natskit_waitset_wait(other->waitset, &ready, sizeof ready, 1, -1, &count) == NATSKIT_OK) {
        while (natskit_sub_next(other->sub, 0, &msg) == NATSKIT_OK) {
            (void)natskit_msg_release(msg);
            atomic_fetch_add(&other->got, 1);
        }
        (void)natskit_waitset_arm(other->waitset, other->sub.id);
    }
    return NULL;
}

static void test_others_wait(void **state)
{
    (void)state;
    struct bench_echo peer;
    bench_echo_start(&peer, ts_server_url(bench.server));
    natskit_conn conn = bench_connect();
    struct other next = {.sub = bench_subscribe(conn, "quiet", NULL)};
    struct other set = {.sub = bench_subscribe(conn, "quiet", NULL)};
    assert_ok(natskit_waitset_open(&set.waitset));
    assert_ok(natskit_waitset_add(set.waitset, set.sub.id, 1));
    assert_int_equal(pthread_create(&next.thread, NULL, take_all, &next), 0);
    assert_int_equal(pthread_create(&set.thread, NULL, take_all_by_set, &set), 0);
    for (long round = 1; round <= 50; round++) {
        ask_often(conn);
        bench_publish(peer.conn, "quiet", "q");
        int64_t end_ms = ts_now_ms() + WAIT_MS;
        while (atomic_load(&next.got) < round || atomic_load(&set.got) < round) {
            assert_true(ts_now_ms() < end_ms);
            ts_pause_ms(1);
        }
    }
    assert_ok(natskit_waitset_close(set.waitset));
    assert_ok(natskit_sub_close(next.sub));
    pthread_join(next.thread, NULL);
    pthread_join(set.thread, NULL);
    assert_ok(natskit_sub_close(set.sub));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    bench_echo_stop(&peer);
}

static void *ask_on(void *arg)
{
    struct other *other = arg;
    natskit_msg *reply;
    while (atomic_load(&other->got) < 2000) {
        assert_ok(natskit_request(other->conn, "echo", Z, NO_HEADERS, "?", 1, WAIT_MS, &reply, NULL));
        assert_ok(natskit_msg_release(reply));
        atomic_fetch_add(&other->got, 1);
    }
    return NULL;
}

/* Callers that take the right from each other. */
static void test_many_ask(void **state)
{
    (void)state;
    struct bench_echo peer;
    bench_echo_start(&peer, ts_server_url(bench.server));
    struct other asking = {.conn = bench_connect()};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, ask_on, &asking), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_ok(natskit_conn_close(asking.conn, WAIT_MS));
    bench_echo_stop(&peer);
}

/* -- streams --------------------------------------------------------------------------------------------- */

static void *send_stream(void *arg)
{
    natskit_conn conn = *(natskit_conn *)arg;
    static const char text[128];
    for (int i = 0; i < STREAM; i++) {
        assert_ok(natskit_publish(conn, "stream", Z, NULL, 0, NO_HEADERS, text, sizeof text, WAIT_MS));
    }
    assert_ok(natskit_flush(conn, WAIT_MS));
    return NULL;
}

/* A taker of a stream reads it himself, and gets all of it; when he stops, it is read nevertheless. */
static void stream(uint64_t taken_of_it)
{
    natskit_conn from = bench_connect();
    natskit_conn conn = bench_connect();
    natskit_sub sub = bench_subscribe(conn, "stream", NULL);
    assert_ok(natskit_flush(conn, WAIT_MS));
    pthread_t sender;
    assert_int_equal(pthread_create(&sender, NULL, send_stream, &from), 0);
    natskit_msg *msgs[64];
    size_t count;
    for (uint64_t taken = 0; taken < taken_of_it; taken += count) {
        assert_ok(natskit_sub_next_batch(sub, msgs, 64, WAIT_MS, &count));
        assert_ok(natskit_msg_release_batch(msgs, count));
    }
    pthread_join(sender, NULL);
    wait_until_received(sub, STREAM);
    natskit_sub_stats stats;
    assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
    assert_int_equal(stats.dropped_msgs, 0);
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_conn_close(from, WAIT_MS));
}

static void test_a_stream_is_taken(void **state)
{
    (void)state;
    stream(STREAM);
}

/* The same by a caller that waits with a set, for which nobody asks anything else. */
static void test_a_stream_is_taken_by_a_set(void **state)
{
    (void)state;
    natskit_conn from = bench_connect();
    struct other other = {.conn = bench_connect()};
    other.sub = bench_subscribe(other.conn, "stream", NULL);
    assert_ok(natskit_flush(other.conn, WAIT_MS));
    assert_ok(natskit_waitset_open(&other.waitset));
    assert_ok(natskit_waitset_add(other.waitset, other.sub.id, 1));
    assert_int_equal(pthread_create(&other.thread, NULL, take_all_by_set, &other), 0);
    pthread_t sender;
    assert_int_equal(pthread_create(&sender, NULL, send_stream, &from), 0);
    pthread_join(sender, NULL);
    int64_t end_ms = ts_now_ms() + WAIT_MS;
    while (atomic_load(&other.got) < STREAM) {
        assert_true(ts_now_ms() < end_ms);
        ts_pause_ms(1);
    }
    /* It waits on, and others ask meanwhile. */
    natskit_msg *reply;
    natskit_sub echo = bench_subscribe(from, "echo", NULL);
    assert_ok(natskit_flush(from, WAIT_MS));
    natskit_op op;
    assert_ok(
        natskit_request_start(other.conn, "echo", Z, NO_HEADERS, "?", 1, NO_OPTIONS, WAIT_MS, &op, NULL));
    assert_ok(natskit_sub_next(echo, WAIT_MS, &reply));
    assert_ok(natskit_msg_respond(reply, NO_HEADERS, "!", 1, WAIT_MS));
    assert_ok(natskit_msg_release(reply));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_waitset_close(other.waitset));
    pthread_join(other.thread, NULL);
    assert_ok(natskit_sub_close(other.sub));
    assert_ok(natskit_conn_close(other.conn, WAIT_MS));
    assert_ok(natskit_conn_close(from, WAIT_MS));
}

static void test_a_stream_is_left(void **state)
{
    (void)state;
    stream(STREAM / 2);
    stream(1);
}

/* -- the end of the connection --------------------------------------------------------------------------- */

static void test_the_connection_is_lost(void **state)
{
    (void)state;
    struct bench_echo peer;
    bench_echo_start(&peer, ts_server_url(bench.server));
    natskit_conn conn = bench_connect();
    natskit_sub events;
    assert_ok(natskit_conn_events(conn, NO_OPTIONS, &events, NULL));
    for (int round = 0; round < 5; round++) {
        ask_often(conn);
        if (round % 2 == 0) {
            assert_ok(natskit_conn_reconnect(conn, NULL));
        } else {
            assert_true(ts_tap_command(bench.tap, "cut")); /* not that of the peer */
        }
        bench_expect_event(events, NATSKIT_EVENT_RECONNECTED);
    }
    ask_often(conn);
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_sub_close(events));
    bench_echo_stop(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_caller_does_something_else),
        cmocka_unit_test(test_others_wait),
        cmocka_unit_test(test_many_ask),
        cmocka_unit_test(test_a_stream_is_taken),
        cmocka_unit_test(test_a_stream_is_taken_by_a_set),
        cmocka_unit_test(test_a_stream_is_left),
        cmocka_unit_test(test_the_connection_is_lost),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
