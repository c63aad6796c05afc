/* A server that stands still (SIGSTOP) under a loop that publishes: memory stays within the outbox's limit,
 * each call returns by its deadline, what waits can be cancelled, and after SIGCONT all that was accepted
 * arrives, once and in order. */
#include "bench.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OUTBOX = 1 << 20,
    PAYLOAD = 8192,
    SLACK = 2 << 20, /* buffers for reading, bookkeeping, what the outbox keeps over its frames */
    LATE_MS = 5000,  /* a generous bound for a busy machine; tests of deadlines proper are in life_test.c */
    PUBLISHERS = 3
};

static natskit_conn connect_small(void)
{
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    assert_ok(natskit_options_set_int(options, "outbox_bytes", Z, OUTBOX, NULL));
    assert_ok(natskit_options_set_int(options, "ping_interval_ms", Z, 600000, NULL)); /* it may stand still */
    natskit_conn conn = bench_connect_with(options);
    assert_ok(natskit_options_close(options));
    return conn;
}

static uint64_t allocated(void)
{
    natskit_counters now;
    assert_ok(natskit_counters_get(&now, sizeof now));
    return now.allocated_bytes;
}

static natskit_status publish_number(natskit_conn conn, uint32_t number, int64_t timeout_ms)
{
    char data[PAYLOAD] = {0};
    memcpy(data, &number, sizeof number);
    return natskit_publish(conn, "stopped", Z, NULL, 0, NO_HEADERS, data, sizeof data, timeout_ms);
}

/* Publishes until neither the sockets nor the outbox take more; the number of messages accepted. */
static uint32_t fill(natskit_conn conn, uint32_t next)
{
    natskit_status status;
    do {
        status = publish_number(conn, next, 200);
        if (status == NATSKIT_TIMEOUT) {
            status = publish_number(conn, next, 0); /* the sockets may have taken more meanwhile */
        }
        next += status == NATSKIT_OK;
    } while (status == NATSKIT_OK && next < 1000000);
    assert_status(status, NATSKIT_WOULD_BLOCK);
    return next;
}

static void expect_numbers(natskit_sub sub, uint32_t count)
{
    for (uint32_t next = 0; next < count; next++) {
        natskit_msg *msg;
        natskit_message_view view;
        uint32_t number;
        assert_ok(natskit_sub_next(sub, WAIT_MS, &msg));
        assert_ok(natskit_msg_view(msg, &view, sizeof view));
        assert_int_equal(view.data_len, PAYLOAD);
        memcpy(&number, view.data, sizeof number);
        assert_int_equal(number, next);
        assert_ok(natskit_msg_release(msg));
    }
}

static void returns_in_time(int64_t begin_ms, int64_t timeout_ms)
{
    int64_t took = ts_now_ms() - begin_ms;
    assert_true(took >= timeout_ms - 1 && took < timeout_ms + LATE_MS);
}

/* Publishes once more to a full outbox. The sockets may take some bytes late: each probe of a closed window
 * may find room. */
static bool is_accepted(natskit_conn conn, uint32_t number, int64_t timeout_ms, natskit_status refused)
{
    natskit_status status = publish_number(conn, number, timeout_ms);
    if (status != NATSKIT_OK) {
        assert_status(status, refused);
    }
    return status == NATSKIT_OK;
}

static void test_publish_loop(void **state)
{
    (void)state;
    natskit_conn conn = connect_small();
    natskit_conn other = bench_connect();
    natskit_sub sub = bench_subscribe(other, "stopped", NULL);
    assert_ok(natskit_flush(other, WAIT_MS));
    uint64_t before = allocated();
    assert_true(ts_server_pause(bench.server));
    uint32_t accepted = fill(conn, 0);
    for (int timeouts = 0; timeouts < 20;) { /* a loop that does not give up */
        int64_t begin = ts_now_ms();
        if (is_accepted(conn, accepted, 20, NATSKIT_TIMEOUT)) {
            accepted++;
            continue;
        }
        returns_in_time(begin, 20);
        accepted += is_accepted(conn, accepted, 0, NATSKIT_WOULD_BLOCK);
        timeouts++;
    }
    natskit_conn_stats stats;
    assert_ok(natskit_conn_stats_get(conn, &stats, sizeof stats));
    assert_int_equal(stats.out_msgs, accepted);
    assert_true(stats.pending_out_bytes <= OUTBOX);
    print_message("%u messages accepted, %llu bytes wait, memory grew by %llu bytes\n", accepted,
                  (unsigned long long)stats.pending_out_bytes, (unsigned long long)(allocated() - before));
    assert_true(allocated() - before <= OUTBOX + SLACK);

    natskit_msg *msg;
    int64_t begin = ts_now_ms();
    assert_status(natskit_request(conn, "unheard", Z, NO_HEADERS, NULL, 0, 50, &msg, NULL), NATSKIT_TIMEOUT);
    returns_in_time(begin, 50);
    begin = ts_now_ms();
    assert_status(natskit_flush(conn, 50), NATSKIT_TIMEOUT);
    returns_in_time(begin, 50);
    begin = ts_now_ms();
    assert_status(natskit_sub_next(sub, 50, &msg), NATSKIT_TIMEOUT);
    returns_in_time(begin, 50);

    assert_true(ts_server_resume(bench.server));
    accepted = accepted + (publish_number(conn, accepted, WAIT_MS) == NATSKIT_OK); /* there is room again */
    assert_ok(natskit_flush(conn, WAIT_MS));
    expect_numbers(sub, accepted);
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_conn_close(other, WAIT_MS));
    natskit_sub_stats end;
    assert_ok(natskit_sub_stats_get(sub, &end, sizeof end));
    assert_int_equal(end.received, accepted);
    assert_ok(natskit_sub_close(sub));
}

struct blocked {
    pthread_t thread;
    natskit_conn conn;
    natskit_op op;
    natskit_status end;
};

static void *run_publisher(void *arg)
{
    struct blocked *me = arg;
    do { /* the sockets may take some bytes late */
        me->end = publish_number(me->conn, 0, -1);
    } while (me->end == NATSKIT_OK);
    return NULL;
}

static void *run_waiter(void *arg)
{
    struct blocked *me = arg;
    me->end = natskit_op_wait(me->op, -1);
    return NULL;
}

static void start(struct blocked *blocked, void *(*run)(void *))
{
    assert_int_equal(pthread_create(&blocked->thread, NULL, run, blocked), 0);
}

static void expect_end(struct blocked *blocked)
{
    pthread_join(blocked->thread, NULL);
    assert_status(blocked->end, NATSKIT_CLOSED);
}

/* Waits without a deadline end as soon as another thread closes what they wait for. */
static void test_cancelled_by_another_thread(void **state)
{
    (void)state;
    natskit_conn conn = connect_small();
    assert_true(ts_server_pause(bench.server));
    (void)fill(conn, 0);
    struct blocked room = {.conn = conn};
    struct blocked flush = {.conn = conn};
    struct blocked publishers[PUBLISHERS];
    assert_ok(natskit_room_start(conn, NO_OPTIONS, OUTBOX, -1, &room.op, NULL));
    assert_ok(natskit_flush_start(conn, NO_OPTIONS, -1, &flush.op, NULL));
    start(&room, run_waiter);
    start(&flush, run_waiter);
    for (int i = 0; i < PUBLISHERS; i++) {
        publishers[i] = (struct blocked){.conn = conn};
        start(&publishers[i], run_publisher);
    }
    int64_t begin = ts_now_ms();
    assert_status(natskit_op_wait(room.op, 30), NATSKIT_TIMEOUT); /* none of them is over by itself */
    assert_ok(natskit_op_close(room.op));
    expect_end(&room);
    assert_ok(natskit_op_close(flush.op));
    expect_end(&flush);

    natskit_op connecting;
    natskit_conn never;
    assert_ok(natskit_connect_start(ts_tap_url(bench.tap), Z, NO_OPTIONS, -1, &never, &connecting, NULL));
    assert_status(natskit_op_wait(connecting, 30), NATSKIT_TIMEOUT);
    assert_ok(natskit_op_close(connecting));
    assert_ok(natskit_conn_close(never, 0));

    natskit_op closing;
    assert_ok(natskit_conn_close_start(conn, -1, &closing, NULL));
    for (int i = 0; i < PUBLISHERS;
         i++) { /* the closed connection takes nothing more, also while it lingers */
        expect_end(&publishers[i]);
    }
    struct blocked close = {.op = closing};
    start(&close, run_waiter);
    assert_status(natskit_op_wait(closing, 30), NATSKIT_TIMEOUT);
    assert_ok(natskit_op_close(closing));
    expect_end(&close);
    assert_true(ts_now_ms() - begin < LATE_MS);

    assert_true(ts_server_resume(bench.server));
}

static void test_close_ends_its_linger(void **state)
{
    (void)state;
    natskit_conn conn = connect_small();
    assert_true(ts_server_pause(bench.server));
    assert_ok(publish_number(conn, 0, 0));
    int64_t begin = ts_now_ms();
    assert_status(natskit_conn_close(conn, 50), NATSKIT_TIMEOUT);
    returns_in_time(begin, 50);
    assert_true(ts_server_resume(bench.server));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_publish_loop),
        cmocka_unit_test(test_cancelled_by_another_thread),
        cmocka_unit_test(test_close_ends_its_linger),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
