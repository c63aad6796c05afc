/* Waitsets: one-shot interest, arming, the descriptor, closing, and many threads on one set. With a real
 * server for what arrives; threads where a test says so. */
#include "fixture.h"

#include "support/text.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static natskit_waitset open_set(void)
{
    natskit_waitset set;
    assert_ok(natskit_waitset_open(&set));
    return set;
}

static natskit_sub subscribe(natskit_conn conn, const char *subject)
{
    natskit_sub sub;
    assert_ok(natskit_subscribe(conn, subject, Z, NULL, 0, NO_OPTIONS, &sub, NULL));
    return sub;
}

/* Publishes `count` messages that are all in the queue when it returns. */
static void publish(natskit_conn conn, natskit_sub sub, uint64_t count)
{
    natskit_sub_stats stats;
    assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
    for (uint64_t i = 0; i < count; i++) {
        assert_ok(natskit_publish(conn, "w", Z, NULL, 0, NO_HEADERS, "x", 1, 0));
    }
    fx_wait_received(sub, stats.received + count);
}

static void expect_ready(natskit_waitset set, int64_t timeout_ms, uint64_t object, uint64_t tag, int32_t kind)
{
    natskit_ready record = {0};
    size_t count = 0;
    assert_ok(natskit_waitset_wait(set, &record, sizeof record, 1, timeout_ms, &count));
    assert_int_equal(count, 1);
    assert_int_equal(record.object, object);
    assert_int_equal(record.tag, tag);
    assert_int_equal(record.kind, kind);
}

static void expect_nothing(natskit_waitset set)
{
    natskit_ready record;
    size_t count = 7;
    assert_status(natskit_waitset_wait(set, &record, sizeof record, 1, 0, &count), NATSKIT_WOULD_BLOCK);
    assert_int_equal(count, 0);
}

static bool readable(natskit_waitset set)
{
    int32_t fd;
    assert_ok(natskit_waitset_fd(set, &fd));
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    assert_true(poll(&pfd, 1, 0) >= 0);
    return (pfd.revents & POLLIN) != 0;
}

static void take(natskit_sub sub, int count)
{
    natskit_msg *msg;
    for (int i = 0; i < count; i++) {
        assert_ok(natskit_sub_next(sub, 0, &msg));
        assert_ok(natskit_msg_release(msg));
    }
}

static void test_one_shot(void **state)
{
    (void)state;
    natskit_conn conn = fx_connect();
    natskit_waitset set = open_set();
    natskit_sub sub = subscribe(conn, "w");
    assert_ok(natskit_waitset_add(set, sub.id, 42));
    expect_nothing(set);
    assert_false(readable(set));
    publish(conn, sub, 3);
    assert_true(readable(set));
    expect_ready(set, 0, sub.id, 42, NATSKIT_KIND_SUB);
    assert_false(readable(set));
    publish(conn, sub, 1);
    expect_nothing(set); /* disarmed until the queue is empty */
    take(sub, 3);
    expect_nothing(set);
    take(sub, 1);
    expect_nothing(set); /* armed, and nothing there */
    publish(conn, sub, 1);
    expect_ready(set, 0, sub.id, 42, NATSKIT_KIND_SUB);
    assert_ok(natskit_waitset_arm(set, sub.id)); /* not empty: listed at once */
    assert_true(readable(set));
    expect_ready(set, 0, sub.id, 42, NATSKIT_KIND_SUB);
    assert_ok(natskit_sub_unsubscribe(sub, 0));
    take(sub, 1); /* empties the queue of an ended subscription: the end is an occasion, too */
    expect_ready(set, 0, sub.id, 42, NATSKIT_KIND_SUB);
    natskit_msg *msg;
    assert_status(natskit_sub_next(sub, 0, &msg), NATSKIT_END);
}

static void test_adding(void **state)
{
    (void)state;
    natskit_conn conn = fx_connect();
    natskit_waitset set = open_set();
    natskit_waitset other = open_set();
    natskit_sub sub = subscribe(conn, "w");
    assert_status(natskit_waitset_arm(set, sub.id), NATSKIT_NOT_FOUND);
    assert_status(natskit_waitset_remove(set, sub.id), NATSKIT_NOT_FOUND);
    publish(conn, sub, 1);
    assert_ok(natskit_waitset_add(set, sub.id, 1)); /* ready already: listed */
    assert_true(readable(set));
    assert_ok(natskit_waitset_add(set, sub.id, 2)); /* the tag is replaced */
    assert_status(natskit_waitset_add(other, sub.id, 3), NATSKIT_BUSY);
    expect_ready(set, 0, sub.id, 2, NATSKIT_KIND_SUB);
    assert_ok(natskit_waitset_arm(set, sub.id));
    assert_ok(natskit_waitset_remove(set, sub.id)); /* also takes it off the list */
    assert_false(readable(set));
    expect_nothing(set);
    assert_ok(natskit_waitset_add(other, sub.id, 3));
    expect_ready(other, 0, sub.id, 3, NATSKIT_KIND_SUB);
    assert_ok(natskit_waitset_close(other));
    assert_ok(natskit_waitset_add(set, sub.id, 4)); /* the other one is closed: free again */
    expect_ready(set, 0, sub.id, 4, NATSKIT_KIND_SUB);
    assert_status(natskit_waitset_add(set, conn.id, 1), NATSKIT_BAD_HANDLE);
    assert_status(natskit_waitset_add(set, set.id, 1), NATSKIT_BAD_HANDLE);
    assert_status(natskit_waitset_add(set, 0, 1), NATSKIT_BAD_HANDLE);
    assert_status(natskit_waitset_add(other, sub.id, 1), NATSKIT_CLOSED);
}

/* After close has returned, no wait that begins later reports the object. */
static void test_closed_objects(void **state)
{
    (void)state;
    natskit_conn conn = fx_connect();
    natskit_waitset set = open_set();
    natskit_sub sub = subscribe(conn, "w");
    natskit_op op;
    assert_ok(natskit_waitset_add(set, sub.id, 1));
    publish(conn, sub, 1);
    assert_true(readable(set));
    assert_ok(natskit_sub_close(sub));
    assert_false(readable(set));
    expect_nothing(set);
    assert_status(natskit_waitset_add(set, sub.id, 1), NATSKIT_CLOSED);
    assert_ok(natskit_flush_start(conn, NO_OPTIONS, 10 * SECONDS, &op, NULL));
    assert_ok(natskit_op_wait(op, 10 * SECONDS));
    assert_ok(natskit_waitset_add(set, op.id, 2));
    assert_true(readable(set));
    assert_ok(natskit_op_close(op));
    assert_false(readable(set));
    expect_nothing(set);
    int32_t fd;
    assert_ok(natskit_waitset_close(set));
    assert_status(natskit_waitset_fd(set, &fd), NATSKIT_CLOSED);
}

static void test_operations(void **state)
{
    (void)state;
    enum { OPS = 100 };
    natskit_conn conn = fx_connect();
    natskit_waitset set = open_set();
    natskit_op ops[OPS];
    bool seen[OPS] = {false};
    for (size_t i = 0; i < OPS; i++) {
        assert_ok(natskit_request_start(conn, "nobody", Z, NO_HEADERS, NULL, 0, NO_OPTIONS, 10 * SECONDS,
                                        &ops[i], NULL));
        assert_ok(natskit_waitset_add(set, ops[i].id, i));
    }
    size_t got = 0;
    while (got < OPS) {
        natskit_ready records[7];
        size_t count;
        assert_ok(natskit_waitset_wait(set, records, sizeof records[0], 7, 10 * SECONDS, &count));
        assert_in_range(count, 1, 7);
        for (size_t i = 0; i < count; i++) {
            assert_true(records[i].tag < OPS && !seen[records[i].tag]);
            assert_int_equal(records[i].object, ops[records[i].tag].id);
            assert_int_equal(records[i].kind, NATSKIT_KIND_OP);
            assert_int_equal(records[i].reserved, 0);
            assert_status(natskit_op_result(ops[records[i].tag], NULL, NULL), NATSKIT_NO_RESPONDERS);
            assert_ok(natskit_op_close(ops[records[i].tag]));
            seen[records[i].tag] = true;
        }
        got += count;
    }
    expect_nothing(set);
}

/* Records of another size than this library's. */
static void test_record_sizes(void **state)
{
    (void)state;
    enum { SUBS = 100, STRIDE = sizeof(natskit_ready) + 8 };
    natskit_conn conn = fx_silent_conn(NULL);
    natskit_waitset set = open_set();
    static unsigned char room[SUBS * STRIDE];
    for (size_t i = 0; i < SUBS; i++) {
        natskit_sub sub = subscribe(conn, "w");
        assert_ok(natskit_sub_unsubscribe(sub, 0)); /* ended: ready */
        assert_ok(natskit_waitset_add(set, sub.id, i));
    }
    memset(room, 0xa5, sizeof room);
    size_t got = 0;
    while (got < SUBS) {
        size_t count;
        assert_ok(natskit_waitset_wait(set, (natskit_ready *)(void *)(room + got * STRIDE), STRIDE,
                                       SUBS - got, 0, &count));
        got += count;
    }
    for (size_t i = 0; i < SUBS; i++) {
        natskit_ready record;
        memcpy(&record, room + i * STRIDE, sizeof record);
        assert_int_equal(record.tag, i);
        assert_int_equal(room[i * STRIDE + sizeof record], 0xa5);
    }
}

static void test_timeouts(void **state)
{
    (void)state;
    natskit_waitset set = open_set();
    natskit_ready record;
    size_t count = 9;
    int64_t begin = ts_now_ms();
    assert_status(natskit_waitset_wait(set, &record, sizeof record, 1, 30, &count), NATSKIT_TIMEOUT);
    assert_int_equal(count, 0);
    assert_in_range(ts_now_ms() - begin, 29, 5000);
}

/* -- many threads ---------------------------------------------------------------------------------------- */

enum { SUBS = 16, ROUNDS = 2000 };

struct shared {
    natskit_waitset set;
    natskit_sub subs[SUBS];
    atomic_int busy[SUBS]; /* how many threads handle the object now */
    atomic_int overlaps;
    atomic_int taken;
    atomic_int faults;
};

/* Collects, empties what was reported, until the set is closed. */
static void *collect(void *arg)
{
    struct shared *shared = arg;
    natskit_ready records[4];
    size_t count;
    while (natskit_waitset_wait(shared->set, records, sizeof records[0], 4, -1, &count) == NATSKIT_OK) {
        for (size_t i = 0; i < count; i++) {
            uint64_t tag = records[i].tag;
            natskit_msg *msg;
            if (atomic_fetch_add(&shared->busy[tag], 1) != 0) {
                atomic_fetch_add(&shared->overlaps, 1);
            }
            if (natskit_sub_next(shared->subs[tag], 0, &msg) == NATSKIT_OK) {
                (void)natskit_msg_release(msg);
                atomic_fetch_add(&shared->taken, 1);
            } else {
                atomic_fetch_add(&shared->faults, 1); /* it was reported: something must be there */
            }
            atomic_fetch_sub(&shared->busy[tag], 1);
            (void)natskit_waitset_arm(shared->set, records[i].object);
        }
    }
    return NULL;
}

/* Each object is reported to one thread at a time; nothing is lost, and no report is empty. */
static void test_threads(void **state)
{
    (void)state;
    static struct shared shared;
    pthread_t threads[4];
    natskit_conn conn = fx_connect();
    memset(&shared, 0, sizeof shared);
    shared.set = open_set();
    for (size_t i = 0; i < SUBS; i++) {
        char subject[16];
        (void)snprintf(subject, sizeof subject, "t.%zu", i);
        shared.subs[i] = subscribe(conn, subject);
        assert_ok(natskit_waitset_add(shared.set, shared.subs[i].id, i));
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, collect, &shared), 0);
    }
    for (int i = 0; i < ROUNDS; i++) {
        char subject[16];
        (void)snprintf(subject, sizeof subject, "t.%d", i * 7 % SUBS);
        assert_ok(natskit_publish(conn, subject, Z, NULL, 0, NO_HEADERS, "x", 1, 1000));
    }
    int64_t deadline = ts_now_ms() + 20 * SECONDS;
    while (atomic_load(&shared.taken) < ROUNDS && ts_now_ms() < deadline) {
        ts_pause_ms(1);
    }
    assert_int_equal(atomic_load(&shared.taken), ROUNDS);
    assert_ok(natskit_waitset_close(shared.set));
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&shared.faults), 0);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, fx_mark, fx_check_clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_shot),     TEST(test_adding),   TEST(test_closed_objects), TEST(test_operations),
        TEST(test_record_sizes), TEST(test_timeouts), TEST(test_threads),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fx_server_end();
    return failed;
}
