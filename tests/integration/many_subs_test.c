/* Ten thousand subscriptions that nobody takes from, with small limits, beside one fast request loop on the
 * same connection: the loop goes on, the library has its one or two threads, each counter is exact, and
 * memory stays within the limits. */
#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_THREAD__)
enum { SUBS = 1000, LOOPS = 50 };
#elif defined(__SANITIZE_ADDRESS__)
enum { SUBS = 2000, LOOPS = 500 };
#else
enum { SUBS = 10000, LOOPS = 3000 };
#endif

enum { STILL_US = 5000000, LIMIT = 4, EACH = 20, PAYLOAD = 100, SLOT_MOST = 1024 };

static natskit_sub slow[SUBS];

static natskit_counters counters(void)
{
    natskit_counters now;
    assert_ok(natskit_counters_get(&now, sizeof now));
    return now;
}

/* -- the other side -------------------------------------------------------------------------------------- */

struct echo {
    pthread_t thread;
    natskit_sub sub;
    natskit_status end;
};

static void *run_echo(void *arg)
{
    struct echo *me = arg;
    natskit_msg *msg;
    while ((me->end = natskit_sub_next(me->sub, -1, &msg)) == NATSKIT_OK) {
        natskit_message_view view;
        (void)natskit_msg_view(msg, &view, sizeof view);
        (void)natskit_msg_respond(msg, NO_HEADERS, view.data, view.data_len, WAIT_MS);
        (void)natskit_msg_release(msg);
    }
    return NULL;
}

/* Publishes to the slow ones again and again. */
struct flood {
    pthread_t thread;
    natskit_conn conn;
    atomic_bool stop;
    uint64_t sent; /* to each subscription */
    bool failed;
};

static void *run_flood(void *arg)
{
    struct flood *me = arg;
    char subject[32];
    char data[PAYLOAD] = {0};
    while (!atomic_load(&me->stop) || me->sent < EACH) {
        for (int i = 0; i < SUBS; i++) {
            (void)snprintf(subject, sizeof subject, "slow.%d", i);
            me->failed |= natskit_publish(me->conn, subject, Z, NULL, 0, NO_HEADERS, data, sizeof data,
                                          WAIT_MS) != NATSKIT_OK;
        }
        me->sent++;
        me->failed |= natskit_flush(me->conn, WAIT_MS) != NATSKIT_OK;
    }
    return NULL;
}

/* -- the loop -------------------------------------------------------------------------------------------- */

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Median and 99th percentile of a request, in microseconds. */
struct latency {
    int64_t median;
    int64_t worst;
};

static struct latency request_loop(natskit_conn conn)
{
    static int64_t times[LOOPS];
    for (uint32_t i = 0; i < LOOPS; i++) {
        natskit_msg *reply;
        natskit_message_view view;
        int64_t begin = ts_now_ns();
        assert_ok(natskit_request(conn, "fast", Z, NO_HEADERS, &i, sizeof i, WAIT_MS, &reply, NULL));
        times[i] = ts_now_ns() - begin;
        assert_ok(natskit_msg_view(reply, &view, sizeof view));
        assert_int_equal(view.data_len, sizeof i);
        assert_memory_equal(view.data, &i, sizeof i);
        assert_ok(natskit_msg_release(reply));
    }
    qsort(times, LOOPS, sizeof times[0], by_time);
    return (struct latency){times[LOOPS / 2] / 1000, times[LOOPS * 99 / 100] / 1000};
}

static void subscribe_slow(natskit_conn conn)
{
    natskit_options options;
    char subject[32];
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_SUBSCRIBE, &options));
    assert_ok(natskit_options_set_int(options, "pending_msgs_limit", Z, LIMIT, NULL));
    for (int i = 0; i < SUBS; i++) {
        (void)snprintf(subject, sizeof subject, "slow.%d", i);
        assert_ok(natskit_subscribe(conn, subject, Z, NULL, 0, options, &slow[i], NULL));
    }
    assert_ok(natskit_options_close(options));
    assert_ok(natskit_flush(conn, WAIT_MS));
}

/* Everything that was sent to each is in its queue or counted as dropped, there and for the connection. */
static void check_counts(natskit_conn conn, uint64_t sent)
{
    natskit_conn_stats stats;
    assert_ok(natskit_conn_stats_get(conn, &stats, sizeof stats));
    assert_int_equal(stats.dropped_msgs, (sent - LIMIT) * SUBS);
    assert_int_equal(stats.in_msgs, sent * SUBS + (uint64_t)LOOPS * 2);
    assert_int_equal(stats.orphan_msgs, 0);
    for (int i = 0; i < SUBS; i++) {
        natskit_sub_stats one;
        assert_ok(natskit_sub_stats_get(slow[i], &one, sizeof one));
        assert_int_equal(one.received, sent);
        assert_int_equal(one.pending_msgs, LIMIT);
        assert_int_equal(one.dropped_msgs, sent - LIMIT);
        assert_int_equal(one.high_msgs, LIMIT);
    }
    assert_int_equal(counters().msgs, (uint64_t)LIMIT * SUBS);
}

static void test_slow_beside_fast(void **state)
{
    (void)state;
    natskit_conn other = bench_connect();
    natskit_conn conn = bench_connect();
    struct echo echo = {.sub = bench_subscribe(other, "fast", NULL)};
    struct flood flood = {.conn = bench_connect()};
    assert_ok(natskit_flush(other, WAIT_MS));
    assert_int_equal(pthread_create(&echo.thread, NULL, run_echo, &echo), 0);
    struct latency alone = request_loop(conn);

    subscribe_slow(conn);
    uint64_t before = counters().allocated_bytes;
    assert_int_equal(pthread_create(&flood.thread, NULL, run_flood, &flood), 0);
    struct latency beside = request_loop(conn);
    assert_true(counters().threads <= 2);
    atomic_store(&flood.stop, true);
    pthread_join(flood.thread, NULL);
    assert_false(flood.failed);
    assert_ok(natskit_flush(conn, WAIT_MS));
    check_counts(conn, flood.sent);
    uint64_t grown = counters().allocated_bytes - before;
    print_message("request alone: median %lld us, 99%% %lld us; beside %d slow subscriptions that got %llu "
                  "messages each: median %lld us, 99%% %lld us; %llu bytes a kept message\n",
                  (long long)alone.median, (long long)alone.worst, SUBS, (unsigned long long)flood.sent,
                  (long long)beside.median, (long long)beside.worst,
                  (unsigned long long)(grown / (LIMIT * SUBS)));
    assert_true(grown < (uint64_t)LIMIT * SUBS * SLOT_MOST);
    /* The machine is saturated by the flood on both sides of a real server: a bound for "it goes on", far
     * below what the flood takes as a whole. */
    assert_true(beside.median < STILL_US);

    for (int i = 0; i < SUBS; i++) {
        assert_ok(natskit_sub_close(slow[i]));
    }
    assert_ok(natskit_sub_close(echo.sub));
    pthread_join(echo.thread, NULL);
    assert_int_equal(echo.end, NATSKIT_CLOSED);
    assert_int_equal(counters().msgs, 0);
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_conn_close(other, WAIT_MS));
    assert_ok(natskit_conn_close(flood.conn, WAIT_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_slow_beside_fast)};
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
