/* Atomic batches on a real server: stored together and in order, or not at all; what is refused; lost
 * connections, lost acks. */
#include "js_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static natskit_conn conn;
static natskit_js js;

static int open_js(void **state)
{
    (void)state;
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    assert_ok(natskit_options_set(options, "reconnect_wait_ms", Z, "20", Z, NULL));
    assert_ok(natskit_options_set(options, "reconnect_jitter_ms", Z, "0", Z, NULL));
    conn = bench_connect_with(options);
    assert_ok(natskit_options_close(options));
    js = jb_open(conn);
    jb_do(js, "stream.create",
          "{'config':{'name':'B','subjects':['b.>'],'storage':'memory','allow_atomic':true,"
          "'allow_msg_ttl':true}}");
    return 0;
}

static int close_js(void **state)
{
    (void)state;
    jb_do(js, "stream.delete", "{'stream':'B'}");
    assert_ok(natskit_js_close(js));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    return 0;
}

static uint64_t stored(const char *stream)
{
    natskit_json info = jb_call(js, "stream.info", "{'stream':'%s'}", stream);
    uint64_t count = jb_number(info, "/state/messages");
    assert_ok(natskit_json_close(info));
    return count;
}

static natskit_batch open_batch(void)
{
    natskit_batch batch;
    assert_ok(natskit_batch_open(js, NO_OPTIONS, &batch, NULL));
    return batch;
}

/* With a header, or none. */
static natskit_status add(natskit_batch batch, const char *subject, const char *name, const char *value)
{
    natskit_headers headers = NO_HEADERS;
    if (name != NULL) {
        assert_ok(natskit_headers_open(&headers));
        assert_ok(natskit_headers_add(headers, name, Z, value, Z, NULL));
    }
    natskit_status status = natskit_batch_add(batch, subject, Z, headers, "x", 1, NULL);
    if (name != NULL) {
        assert_ok(natskit_headers_close(headers));
    }
    return status;
}

static void fill(natskit_batch batch, const char *subject, int count)
{
    for (int i = 0; i < count; i++) {
        assert_ok(add(batch, subject, NULL, NULL));
    }
}

static void expect_ack(natskit_msg *msg, uint64_t seq, uint64_t count)
{
    natskit_pub_ack ack;
    assert_ok(natskit_msg_pub_ack(msg, &ack, sizeof ack));
    assert_int_equal(ack.seq, seq);
    assert_int_equal(ack.count, count);
    assert_int_equal(ack.batch_len, 22);
    assert_true(ack.stream_len == 1 && ack.stream[0] == 'B');
    assert_ok(natskit_msg_release(msg));
}

static natskit_status commit(natskit_batch batch, natskit_msg **msg, int32_t *outcome)
{
    natskit_error err;
    natskit_status status = natskit_batch_commit(batch, WAIT_MS, msg, outcome, &err);
    assert_ok(natskit_batch_close(batch));
    return status;
}

static void test_sizes(void **state)
{
    (void)state;
    static const int counts[] = {1, 2, 3, 101, 102, 250, 1000};
    uint64_t total = stored("B");
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        natskit_msg *msg;
        int32_t outcome;
        natskit_batch batch = open_batch();
        fill(batch, "b.sizes", counts[i]);
        assert_int_equal(stored("B"), total); /* nothing was sent */
        assert_ok(commit(batch, &msg, &outcome));
        assert_int_equal(outcome, NATSKIT_OUTCOME_DONE);
        total += (uint64_t)counts[i];
        expect_ack(msg, total, (uint64_t)counts[i]);
        assert_int_equal(stored("B"), total);
    }
}

/* More bytes than the outbox takes at once. */
static void test_large(void **state)
{
    (void)state;
    enum { SIZE = 500 * 1000, COUNT = 60 };
    char *data = calloc(1, SIZE);
    natskit_op op;
    natskit_msg *msg;
    natskit_batch_info info;
    uint64_t before = stored("B");
    natskit_batch batch = open_batch();
    for (int i = 0; i < COUNT; i++) {
        assert_ok(natskit_batch_add(batch, "b.large", Z, NO_HEADERS, data, SIZE, NULL));
    }
    free(data);
    assert_ok(natskit_batch_info_get(batch, &info, sizeof info));
    assert_true(info.msgs == COUNT && info.bytes > (uint64_t)SIZE * COUNT && info.committed == 0);
    assert_ok(natskit_batch_commit_start(batch, NO_OPTIONS, WAIT_MS, &op, NULL));
    assert_ok(natskit_batch_info_get(batch, &info, sizeof info));
    assert_int_equal(info.committed, 1);
    assert_ok(natskit_batch_close(batch)); /* the commit goes on */
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_result(op, NULL, NULL));
    assert_ok(natskit_op_take_msg(op, &msg));
    expect_ack(msg, before + COUNT, COUNT);
    assert_ok(natskit_op_close(op));
    jb_do(js, "stream.purge", "{'stream':'B','filter':'b.large'}");
}

/* What the server checks with the commit: nothing of it is stored. */
static void test_refused(void **state)
{
    (void)state;
    uint64_t before = stored("B");
    natskit_msg *msg;
    int32_t outcome;
    natskit_batch batch = open_batch();
    fill(batch, "b.a", 3);
    assert_ok(add(batch, "b.other", "Nats-Expected-Last-Subject-Sequence", "77"));
    assert_status(commit(batch, &msg, &outcome), NATSKIT_WRONG_LAST);
    assert_int_equal(outcome, NATSKIT_OUTCOME_REJECTED);
    batch = open_batch();
    assert_ok(add(batch, "b.a", "Nats-Expected-Last-Sequence", "1000000"));
    fill(batch, "b.a", 3);
    assert_status(commit(batch, &msg, &outcome), NATSKIT_WRONG_LAST);
    assert_int_equal(outcome, NATSKIT_OUTCOME_REJECTED);
    batch = open_batch();
    fill(batch, "b.a", 2);
    assert_ok(add(batch, "b.a", "Nats-TTL", "1ms"));
    assert_status(commit(batch, &msg, &outcome), NATSKIT_TTL_REFUSED);
    batch = open_batch();
    fill(batch, "nobody.there", 2);
    natskit_js hasty = jb_open_with(conn, "publish_retries", "0");
    natskit_batch none;
    assert_ok(natskit_batch_open(hasty, NO_OPTIONS, &none, NULL));
    assert_ok(add(none, "nobody.there", NULL, NULL));
    assert_status(commit(none, &msg, &outcome), NATSKIT_NO_STREAM);
    assert_int_equal(outcome, NATSKIT_OUTCOME_REJECTED);
    assert_ok(natskit_js_close(hasty));
    assert_ok(natskit_batch_close(batch));
    assert_int_equal(stored("B"), before);
}

static void test_not_allowed(void **state)
{
    (void)state;
    natskit_msg *msg;
    int32_t outcome;
    jb_do(js, "stream.create", "{'config':{'name':'PLAIN','subjects':['plain.>'],'storage':'memory'}}");
    natskit_batch batch = open_batch();
    fill(batch, "plain.a", 2);
    assert_status(commit(batch, &msg, &outcome), NATSKIT_BATCH_NOT_ALLOWED);
    assert_int_equal(outcome, NATSKIT_OUTCOME_REJECTED);
    assert_int_equal(stored("PLAIN"), 0);
    jb_do(js, "stream.delete", "{'stream':'PLAIN'}");
}

/* Ids of messages: one that the stream knows refuses the whole. */
static void test_ids(void **state)
{
    (void)state;
    natskit_msg *msg;
    int32_t outcome;
    natskit_batch batch = open_batch();
    assert_ok(add(batch, "b.ids", "Nats-Msg-Id", "one"));
    assert_status(add(batch, "b.ids", "Nats-Msg-Id", "one"), NATSKIT_INVALID);
    assert_ok(add(batch, "b.ids", "Nats-Msg-Id", "two"));
    assert_ok(commit(batch, &msg, &outcome));
    assert_ok(natskit_msg_release(msg));
    uint64_t before = stored("B");
    batch = open_batch();
    assert_ok(add(batch, "b.ids", "Nats-Msg-Id", "three"));
    assert_ok(add(batch, "b.ids", "Nats-Msg-Id", "two"));
    assert_status(commit(batch, &msg, &outcome), NATSKIT_BATCH_REFUSED);
    assert_int_equal(outcome, NATSKIT_OUTCOME_REJECTED);
    assert_int_equal(stored("B"), before);
}

struct look {
    natskit_js js; /* of a connection that goes straight to the server */
    uint64_t wanted;
};

static bool has_stored(void *arg)
{
    const struct look *look = arg;
    natskit_json info = jb_call(look->js, "stream.info", "{'stream':'B'}");
    uint64_t count = jb_number(info, "/state/messages");
    assert_ok(natskit_json_close(info));
    return count >= look->wanted;
}

/* The server's answers are held up: after the commit was sent nobody knows, and before that nothing is there.
 */
static void test_lost_ack(void **state)
{
    (void)state;
    natskit_conn straight;
    natskit_sub events;
    natskit_op op;
    int32_t outcome;
    natskit_msg *msg;
    assert_ok(natskit_connect(ts_server_url(bench.server), Z, NO_OPTIONS, WAIT_MS, &straight, NULL));
    struct look look = {jb_open(straight), 2};
    natskit_batch batch = open_batch();
    fill(batch, "b.cut", 1);
    assert_ok(commit(batch, &msg, &outcome)); /* from now on the server's level is known */
    expect_ack(msg, 1, 1);
    assert_ok(natskit_conn_events(conn, NO_OPTIONS, &events, NULL));
    batch = open_batch();
    fill(batch, "b.cut", 1); /* the commit is the first frame */
    assert_true(ts_tap_command(bench.tap, "down stall on"));
    assert_ok(natskit_batch_commit_start(batch, NO_OPTIONS, WAIT_MS, &op, NULL));
    jb_wait(has_stored, &look); /* and its answer is held up */
    assert_true(ts_tap_command(bench.tap, "cut"));
    assert_true(ts_tap_command(bench.tap, "down stall off"));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_status(natskit_op_result(op, &outcome, NULL), NATSKIT_DISCONNECTED);
    assert_int_equal(outcome, NATSKIT_OUTCOME_UNKNOWN);
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_batch_close(batch));
    bench_expect_event(events, NATSKIT_EVENT_RECONNECTED);
    uint64_t before = stored("B");
    assert_int_equal(before, 2);
    batch = open_batch();
    fill(batch, "b.cut", 50); /* the first is asked for alone */
    assert_true(ts_tap_command(bench.tap, "down stall on"));
    assert_ok(natskit_batch_commit_start(batch, NO_OPTIONS, WAIT_MS, &op, NULL));
    assert_ok(natskit_written(conn, WAIT_MS, NULL));
    assert_true(ts_tap_command(bench.tap, "cut"));
    assert_true(ts_tap_command(bench.tap, "down stall off"));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_result(op, &outcome, NULL));
    assert_int_equal(outcome, NATSKIT_OUTCOME_DONE);
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_batch_close(batch));
    assert_int_equal(stored("B"), before + 50);
    assert_ok(natskit_sub_close(events));
    assert_ok(natskit_js_close(look.js));
    assert_ok(natskit_conn_close(straight, WAIT_MS));
}

/* Its time is over before the commit could be sent. */
static void test_late(void **state)
{
    (void)state;
    int32_t outcome;
    natskit_msg *msg;
    uint64_t before = stored("B");
    natskit_batch batch = open_batch();
    fill(batch, "b.late", 5);
    assert_true(ts_tap_command(bench.tap, "down stall on"));
    assert_status(natskit_batch_commit(batch, 100, &msg, &outcome, NULL), NATSKIT_TIMEOUT);
    assert_int_equal(outcome, NATSKIT_OUTCOME_NOT_SENT);
    assert_true(ts_tap_command(bench.tap, "down stall off"));
    assert_status(natskit_batch_commit(batch, WAIT_MS, &msg, &outcome, NULL), NATSKIT_CLOSED);
    assert_ok(natskit_batch_close(batch));
    assert_int_equal(stored("B"), before);
}

/* Discarded, or the context is closed before. */
static void test_closed(void **state)
{
    (void)state;
    natskit_msg *msg;
    int32_t outcome;
    uint64_t before = stored("B");
    natskit_batch batch = open_batch();
    assert_status(natskit_batch_commit(batch, WAIT_MS, &msg, &outcome, NULL), NATSKIT_INVALID);
    fill(batch, "b.gone", 3);
    assert_ok(natskit_batch_close(batch));
    assert_status(natskit_batch_commit(batch, WAIT_MS, &msg, &outcome, NULL), NATSKIT_CLOSED);
    natskit_js other = jb_open(conn);
    assert_ok(natskit_batch_open(other, NO_OPTIONS, &batch, NULL));
    assert_ok(natskit_js_close(other));
    fill(batch, "b.kept", 3); /* it has the context as long as it lives */
    assert_ok(commit(batch, &msg, &outcome));
    expect_ack(msg, before + 3, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sizes, open_js, close_js),
        cmocka_unit_test_setup_teardown(test_large, open_js, close_js),
        cmocka_unit_test_setup_teardown(test_refused, open_js, close_js),
        cmocka_unit_test_setup_teardown(test_not_allowed, open_js, close_js),
        cmocka_unit_test_setup_teardown(test_ids, open_js, close_js),
        cmocka_unit_test_setup_teardown(test_lost_ack, open_js, close_js),
        cmocka_unit_test_setup_teardown(test_late, open_js, close_js),
        cmocka_unit_test_setup_teardown(test_closed, open_js, close_js),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
