/* An event loop that polls a waitset's descriptor, collects without waiting, and so is lent the connection's
 * reading right: it is when results come one after the other, which shows by the descriptor, readable without
 * a record when a message for somebody else comes. Then everything goes on whatever the loop does: it stops
 * collecting, another thread waits, the connection is lost or closed, the waitset is closed, a stream comes.
 */
#include "bench.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The loop, with a connection that also gets noise from the other one, which the loop does not wait for. */
struct loop {
    natskit_conn conn;
    natskit_sub noise;
    natskit_waitset waitset;
    int32_t fd;
    long noisy;    /* messages of noise so far */
    long spurious; /* times that the descriptor was readable and there was no record */
};

static void loop_open(struct loop *loop)
{
    *loop = (struct loop){.conn = bench_connect()};
    loop->noise = bench_subscribe(loop->conn, "noise", NULL);
    assert_ok(natskit_flush(loop->conn, WAIT_MS));
    assert_ok(natskit_waitset_open(&loop->waitset));
    assert_ok(natskit_waitset_fd(loop->waitset, &loop->fd));
}

static void loop_close(struct loop *loop)
{
    assert_ok(natskit_waitset_close(loop->waitset));
    assert_ok(natskit_sub_close(loop->noise));
    assert_ok(natskit_conn_close(loop->conn, WAIT_MS));
}

static natskit_op ask(struct loop *loop)
{
    natskit_op op;
    assert_ok(
        natskit_request_start(loop->conn, "echo", Z, NO_HEADERS, "?", 1, NO_OPTIONS, WAIT_MS, &op, NULL));
    assert_ok(natskit_waitset_add(loop->waitset, op.id, 1));
    return op;
}

/* Runs until a record comes. */
static natskit_ready turn(struct loop *loop)
{
    natskit_ready ready;
    size_t count = 0;
    while (count == 0) {
        struct pollfd pfd = {.fd = loop->fd, .events = POLLIN};
        assert_int_equal(poll(&pfd, 1, (int)WAIT_MS), 1);
        natskit_status status = natskit_waitset_wait(loop->waitset, &ready, sizeof ready, 1, 0, &count);
        assert_true(status == NATSKIT_OK || status == NATSKIT_WOULD_BLOCK);
        loop->spurious += count == 0;
    }
    return ready;
}

static void asked(struct loop *loop, natskit_op op, natskit_status wanted)
{
    natskit_msg *reply;
    assert_int_equal(turn(loop).object, op.id);
    natskit_status status = natskit_op_take_msg(op, &reply);
    assert_status(status, wanted);
    if (status == NATSKIT_OK) {
        assert_ok(natskit_msg_release(reply));
    }
    assert_ok(natskit_op_close(op));
}

/* Asks until the loop reads by itself. */
static void until_lent(struct loop *loop, struct bench_echo *echo)
{
    int64_t end_ms = ts_now_ms() + WAIT_MS;
    long before = loop->spurious;
    while (loop->spurious == before) {
        assert_true(ts_now_ms() < end_ms);
        for (int i = 0; i < 5; i++) {
            asked(loop, ask(loop), NATSKIT_OK);
        }
        natskit_op op = ask(loop);
        bench_publish(echo->conn, "noise", "n");
        loop->noisy++;
        asked(loop, op, NATSKIT_OK);
    }
}

static void wait_for_noise(struct loop *loop)
{
    natskit_sub_stats stats = {0};
    int64_t end_ms = ts_now_ms() + WAIT_MS;
    while (stats.received < (uint64_t)loop->noisy) { /* asking reads nothing */
        assert_true(ts_now_ms() < end_ms);
        ts_pause_ms(1);
        assert_ok(natskit_sub_stats_get(loop->noise, &stats, sizeof stats));
    }
    assert_int_equal(stats.received, loop->noisy);
}

/* The I/O thread reads again soon; so does another thread that waits. */
static void test_the_loop_does_something_else(void **state)
{
    (void)state;
    struct bench_echo echo;
    struct loop loop;
    bench_echo_start(&echo, ts_tap_url(bench.tap));
    loop_open(&loop);
    for (int round = 0; round < 5; round++) {
        until_lent(&loop, &echo);
        bench_publish(echo.conn, "noise", "n");
        loop.noisy++;
        wait_for_noise(&loop);
        until_lent(&loop, &echo);
        natskit_msg *reply;
        assert_ok(natskit_request(loop.conn, "echo", Z, NO_HEADERS, "?", 1, WAIT_MS, &reply, NULL));
        assert_ok(natskit_msg_release(reply));
        assert_ok(natskit_flush(loop.conn, WAIT_MS));
    }
    wait_for_noise(&loop);
    loop_close(&loop);
    bench_echo_stop(&echo);
}

/* More than a loop should read by itself. */
static void test_a_stream_comes(void **state)
{
    (void)state;
    static char large[32 * 1024];
    struct bench_echo echo;
    struct loop loop;
    bench_echo_start(&echo, ts_tap_url(bench.tap));
    loop_open(&loop);
    until_lent(&loop, &echo);
    for (int i = 0; i < 400; i++) {
        natskit_op op = ask(&loop);
        assert_ok(natskit_publish(echo.conn, "noise", Z, NULL, 0, NO_HEADERS, large, sizeof large, WAIT_MS));
        loop.noisy++;
        asked(&loop, op, NATSKIT_OK);
    }
    wait_for_noise(&loop);
    loop_close(&loop);
    bench_echo_stop(&echo);
}

/* Many in flight: their requests gather, and the loop that reads writes them before it waits again. */
static void test_many_in_flight(void **state)
{
    (void)state;
    struct bench_echo echo;
    struct loop loop;
    natskit_op ops[64];
    bench_echo_start(&echo, ts_tap_url(bench.tap));
    loop_open(&loop);
    until_lent(&loop, &echo);
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 64; i++) {
            ops[i] = ask(&loop);
        }
        for (int i = 0; i < 64; i++) {
            natskit_ready ready = turn(&loop);
            natskit_msg *reply;
            assert_ok(natskit_op_take_msg((natskit_op){ready.object}, &reply));
            assert_ok(natskit_msg_release(reply));
        }
        for (int i = 0; i < 64; i++) {
            assert_ok(natskit_op_close(ops[i]));
        }
        if (round % 50 == 49) { /* nobody collects while they are asked: they go out nevertheless */
            natskit_op op = ask(&loop);
            natskit_op other = ask(&loop);
            assert_ok(natskit_op_wait(op, WAIT_MS));
            assert_ok(natskit_op_wait(other, WAIT_MS));
            assert_ok(natskit_op_close(op));
            assert_ok(natskit_op_close(other));
        }
    }
    loop_close(&loop);
    bench_echo_stop(&echo);
}

/* Collects until all noise has been read, so that no bytes are left. */
static void collect_noise(struct loop *loop)
{
    natskit_sub_stats stats = {0};
    int64_t end_ms = ts_now_ms() + WAIT_MS;
    while (stats.received < (uint64_t)loop->noisy) {
        natskit_ready ready;
        size_t count;
        assert_true(ts_now_ms() < end_ms);
        assert_status(natskit_waitset_wait(loop->waitset, &ready, sizeof ready, 1, 0, &count),
                      NATSKIT_WOULD_BLOCK);
        assert_ok(natskit_sub_stats_get(loop->noise, &stats, sizeof stats));
    }
}

/* Requests that nobody answers, asked faster than one by one: then no bytes come, and still the descriptor is
 * readable, for the loop is to write them. */
static void test_the_loop_is_called(void **state)
{
    (void)state;
    struct bench_echo echo;
    struct loop loop;
    natskit_op ops[8];
    bench_echo_start(&echo, ts_tap_url(bench.tap));
    natskit_sub silent = bench_subscribe(echo.conn, "silent", NULL);
    assert_ok(natskit_flush(echo.conn, WAIT_MS));
    loop_open(&loop);
    uint64_t asked = 0;
    bool called = false;
    for (int64_t end_ms = ts_now_ms() + WAIT_MS; !called; asked += 8) {
        assert_true(ts_now_ms() < end_ms);
        until_lent(&loop, &echo);
        collect_noise(&loop);
        for (int i = 0; i < 8; i++) {
            assert_ok(natskit_request_start(loop.conn, "silent", Z, NO_HEADERS, "?", 1, NO_OPTIONS, WAIT_MS,
                                            &ops[i], NULL));
        }
        struct pollfd pfd = {.fd = loop.fd, .events = POLLIN};
        called = poll(&pfd, 1, 0) == 1;
        if (called) {
            natskit_ready ready;
            size_t count;
            assert_status(natskit_waitset_wait(loop.waitset, &ready, sizeof ready, 1, 0, &count),
                          NATSKIT_WOULD_BLOCK);
            assert_int_equal(poll(&pfd, 1, 0), 0);
        }
        for (int i = 0; i < 8; i++) {
            assert_ok(natskit_op_close(ops[i]));
        }
    }
    natskit_msg *request;
    for (uint64_t i = 0; i < asked; i++) {
        assert_ok(natskit_sub_next(silent, WAIT_MS, &request));
        assert_ok(natskit_msg_release(request));
    }
    assert_ok(natskit_sub_close(silent));
    loop_close(&loop);
    bench_echo_stop(&echo);
}

static void test_the_connection_is_lost(void **state)
{
    (void)state;
    struct bench_echo echo;
    struct loop loop;
    bench_echo_start(&echo, ts_tap_url(bench.tap));
    loop_open(&loop);
    natskit_sub events;
    assert_ok(natskit_conn_events(loop.conn, NO_OPTIONS, &events, NULL));
    for (int round = 0; round < 3; round++) {
        until_lent(&loop, &echo);
        assert_ok(natskit_conn_reconnect(loop.conn, NULL));
        bench_expect_event(events, NATSKIT_EVENT_RECONNECTED);
        until_lent(&loop, &echo);
    }
    assert_ok(natskit_sub_close(events));
    loop_close(&loop);
    bench_echo_stop(&echo);
}

/* Each of them first, and the flush of the close is confirmed in time. */
static void test_closing(void **state)
{
    (void)state;
    struct bench_echo echo;
    struct loop loop;
    bench_echo_start(&echo, ts_tap_url(bench.tap));
    for (int first = 0; first < 3; first++) {
        loop_open(&loop);
        until_lent(&loop, &echo);
        natskit_op op;
        if (first == 0) {
            assert_ok(natskit_conn_close_start(loop.conn, WAIT_MS, &op, NULL));
            assert_ok(natskit_waitset_add(loop.waitset, op.id, 2));
            assert_int_equal(turn(&loop).tag, 2);
            assert_ok(natskit_op_close(op));
            assert_ok(natskit_waitset_close(loop.waitset));
        } else if (first == 1) {
            assert_ok(natskit_waitset_close(loop.waitset));
            wait_for_noise(&loop);
            assert_ok(natskit_conn_close(loop.conn, WAIT_MS));
        } else {
            assert_ok(natskit_conn_close(loop.conn, 0));
            assert_ok(natskit_waitset_close(loop.waitset));
        }
        assert_ok(natskit_sub_close(loop.noise));
        (void)natskit_conn_close(loop.conn, 0);
    }
    bench_echo_stop(&echo);
}

/* One connection, two loops: the right is lent to one of them, and the other gets its results. */
static void test_two_loops(void **state)
{
    (void)state;
    struct bench_echo echo;
    struct loop one;
    bench_echo_start(&echo, ts_tap_url(bench.tap));
    loop_open(&one);
    struct loop other = {.conn = one.conn};
    assert_ok(natskit_waitset_open(&other.waitset));
    assert_ok(natskit_waitset_fd(other.waitset, &other.fd));
    for (int round = 0; round < 200; round++) {
        natskit_op first = ask(&one);
        natskit_op second = ask(&other);
        asked(round % 2 == 0 ? &one : &other, round % 2 == 0 ? first : second, NATSKIT_OK);
        asked(round % 2 != 0 ? &one : &other, round % 2 != 0 ? first : second, NATSKIT_OK);
    }
    assert_ok(natskit_waitset_close(other.waitset));
    loop_close(&one);
    bench_echo_stop(&echo);
}

/* -- a blocking wait reads, too ---------------------------------------------------------------------------
 */

static void *run_close(void *arg)
{
    ts_pause_ms(30);
    assert_ok(natskit_waitset_close(*(natskit_waitset *)arg));
    return NULL;
}

static void test_a_wait_reads(void **state)
{
    (void)state;
    struct bench_echo echo;
    struct loop loop;
    natskit_ready ready;
    size_t count;
    bench_echo_start(&echo, ts_tap_url(bench.tap));
    loop_open(&loop);
    for (int i = 0; i < 500; i++) {
        natskit_op op = ask(&loop);
        assert_ok(natskit_waitset_wait(loop.waitset, &ready, sizeof ready, 1, WAIT_MS, &count));
        assert_int_equal(ready.object, op.id);
        assert_ok(natskit_op_close(op));
    }
    assert_ok(natskit_waitset_add(loop.waitset, loop.noise.id, 3));
    assert_status(natskit_waitset_wait(loop.waitset, &ready, sizeof ready, 1, 20, &count), NATSKIT_TIMEOUT);
    bench_publish(echo.conn, "noise", "n");
    assert_ok(natskit_waitset_wait(loop.waitset, &ready, sizeof ready, 1, WAIT_MS, &count));
    assert_int_equal(ready.tag, 3);
    bench_expect(loop.noise, "n");
    /* an object of another connection, which the I/O thread reads for */
    natskit_sub other = bench_subscribe(echo.conn, "other", NULL);
    assert_ok(natskit_flush(echo.conn, WAIT_MS));
    assert_ok(natskit_waitset_add(loop.waitset, other.id, 4));
    assert_ok(natskit_waitset_add(loop.waitset, loop.noise.id, 3));
    bench_publish(loop.conn, "other", "o");
    assert_ok(natskit_waitset_wait(loop.waitset, &ready, sizeof ready, 1, WAIT_MS, &count));
    assert_int_equal(ready.tag, 4);
    assert_ok(natskit_sub_close(other));
    /* the connection is lost meanwhile, and then the set closed */
    assert_ok(natskit_conn_reconnect(loop.conn, NULL));
    pthread_t closer;
    assert_int_equal(pthread_create(&closer, NULL, run_close, &loop.waitset), 0);
    assert_status(natskit_waitset_wait(loop.waitset, &ready, sizeof ready, 1, WAIT_MS, &count),
                  NATSKIT_CLOSED);
    pthread_join(closer, NULL);
    assert_ok(natskit_sub_close(loop.noise));
    assert_ok(natskit_conn_close(loop.conn, WAIT_MS));
    bench_echo_stop(&echo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_loop_does_something_else),
        cmocka_unit_test(test_a_stream_comes),
        cmocka_unit_test(test_many_in_flight),
        cmocka_unit_test(test_the_loop_is_called),
        cmocka_unit_test(test_the_connection_is_lost),
        cmocka_unit_test(test_closing),
        cmocka_unit_test(test_two_loops),
        cmocka_unit_test(test_a_wait_reads),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
