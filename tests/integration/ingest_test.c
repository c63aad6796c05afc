/* Fast ingest on a real server: the window, what is refused or does not come, lost connections, and the end.
 */
#include "js_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static natskit_conn conn;    /* through the tap */
static natskit_conn watcher; /* straight to the server */
static natskit_js js;
static natskit_js watcher_js;

static natskit_conn connect_fast(const char *url)
{
    natskit_options options;
    natskit_conn made;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    assert_ok(natskit_options_set(options, "reconnect_wait_ms", Z, "20", Z, NULL));
    assert_ok(natskit_options_set(options, "reconnect_jitter_ms", Z, "0", Z, NULL));
    assert_ok(natskit_connect(url, Z, options, WAIT_MS, &made, NULL));
    assert_ok(natskit_options_close(options));
    return made;
}

static int begin(void **state)
{
    (void)state;
    conn = connect_fast(ts_tap_url(bench.tap));
    watcher = connect_fast(ts_server_url(bench.server));
    js = jb_open(conn);
    watcher_js = jb_open(watcher);
    jb_do(watcher_js, "stream.create",
          "{'config':{'name':'F','subjects':['f.>'],'storage':'memory','allow_batched':true}}");
    return 0;
}

static int end(void **state)
{
    (void)state;
    jb_do(watcher_js, "stream.delete", "{'stream':'F'}");
    assert_ok(natskit_js_close(js));
    assert_ok(natskit_js_close(watcher_js));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_conn_close(watcher, WAIT_MS));
    return 0;
}

static uint64_t stored(void)
{
    natskit_json info = jb_call(watcher_js, "stream.info", "{'stream':'F'}");
    uint64_t count = jb_number(info, "/state/messages");
    assert_ok(natskit_json_close(info));
    return count;
}

static uint64_t wanted_messages;

static bool are_stored(void *unused)
{
    (void)unused;
    return stored() == wanted_messages;
}

static void wait_stored(uint64_t count)
{
    wanted_messages = count;
    jb_wait(are_stored, NULL);
}

/* An ingest with its failures. */
struct fast {
    natskit_ingest ingest;
    natskit_sub failures;
};

static struct fast open_fast(const char *const *pairs)
{
    struct fast fast;
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_INGEST, &options));
    for (; *pairs != NULL; pairs += 2) {
        assert_ok(natskit_options_set(options, pairs[0], Z, pairs[1], Z, NULL));
    }
    assert_ok(natskit_ingest_open(js, options, &fast.ingest, &fast.failures, NULL));
    assert_ok(natskit_options_close(options));
    return fast;
}
#define OPEN(...) open_fast((const char *const[]){__VA_ARGS__, NULL})

static void close_fast(const struct fast *fast)
{
    assert_ok(natskit_ingest_close(fast->ingest));
    assert_ok(natskit_sub_close(fast->failures));
}

static natskit_ingest_info info_of(const struct fast *fast)
{
    natskit_ingest_info info;
    assert_ok(natskit_ingest_info_get(fast->ingest, &info, sizeof info));
    return info;
}

/* With a header, or none; the text is the data. */
static natskit_status put(const struct fast *fast, const char *text, const char *name, const char *value)
{
    natskit_headers headers = NO_HEADERS;
    if (name != NULL) {
        assert_ok(natskit_headers_open(&headers));
        assert_ok(natskit_headers_add(headers, name, Z, value, Z, NULL));
    }
    natskit_status status =
        natskit_ingest_publish(fast->ingest, "f.a", Z, headers, text, strlen(text), WAIT_MS, NULL);
    if (name != NULL) {
        assert_ok(natskit_headers_close(headers));
    }
    return status;
}

static void fill(const struct fast *fast, int count)
{
    char text[16];
    for (int i = 0; i < count; i++) {
        uint64_t seq;
        uint64_t before = info_of(fast).published;
        int len = snprintf(text, sizeof text, "%llu", (unsigned long long)before + 1);
        assert_ok(
            natskit_ingest_publish(fast->ingest, "f.a", Z, NO_HEADERS, text, (size_t)len, WAIT_MS, &seq));
        assert_int_equal(seq, before + 1);
    }
}

static void expect_commit(const struct fast *fast, uint64_t seq, uint64_t count)
{
    natskit_msg *msg;
    natskit_pub_ack ack;
    natskit_error err = {0};
    int32_t outcome;
    natskit_status status = natskit_ingest_commit(fast->ingest, WAIT_MS, &msg, &outcome, &err);
    if (status != NATSKIT_OK) {
        print_error("commit: %s\n", err.text);
    }
    assert_ok(status);
    assert_int_equal(outcome, NATSKIT_OUTCOME_DONE);
    assert_ok(natskit_msg_pub_ack(msg, &ack, sizeof ack));
    assert_int_equal(ack.seq, seq);
    assert_int_equal(ack.count, count);
    assert_int_equal(ack.batch_len, 22);
    assert_true(ack.stream_len == 1 && ack.stream[0] == 'F');
    assert_ok(natskit_msg_release(msg));
    assert_int_equal(info_of(fast).reason, 0);
    assert_status(put(fast, "late", NULL, NULL), NATSKIT_CLOSED);
}

static natskit_error expect_no_commit(const struct fast *fast, natskit_status wanted, int32_t wanted_outcome)
{
    natskit_error err = {0};
    int32_t outcome;
    assert_status(natskit_ingest_commit(fast->ingest, WAIT_MS, NULL, &outcome, &err), wanted);
    assert_int_equal(outcome, wanted_outcome);
    assert_int_equal(err.status, wanted);
    return err;
}

static void expect_failure(const struct fast *fast, uint64_t seq, uint64_t count, natskit_status wanted)
{
    natskit_msg *msg;
    natskit_pub_ack ack;
    assert_ok(natskit_sub_next(fast->failures, WAIT_MS, &msg));
    assert_ok(natskit_msg_pub_ack(msg, &ack, sizeof ack));
    assert_int_equal(ack.id, seq);
    assert_int_equal(ack.count, count);
    assert_int_equal(ack.status, wanted);
    assert_int_equal(ack.outcome, NATSKIT_OUTCOME_REJECTED);
    assert_true(ack.text_len > 0);
    assert_ok(natskit_msg_release(msg));
}

static void expect_end(const struct fast *fast, natskit_status reason)
{
    natskit_msg *msg;
    natskit_error err = {0};
    assert_status(natskit_sub_next(fast->failures, WAIT_MS, &msg), NATSKIT_END);
    assert_status(natskit_sub_reason(fast->failures, &err), reason);
}

/* -- what is stored -------------------------------------------------------------------------------------- */

static void test_sizes(void **state)
{
    (void)state;
    static const int counts[] = {1, 2, 10, 501, 3000};
    uint64_t total = 0;
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct fast fast = OPEN("on_gap", "fail");
        fill(&fast, counts[i]);
        total += (uint64_t)counts[i];
        expect_commit(&fast, total, (uint64_t)counts[i]);
        expect_commit(&fast, total, (uint64_t)counts[i]); /* it tells the same */
        natskit_ingest_info info = info_of(&fast);
        assert_true(info.published == (uint64_t)counts[i] && info.acked == info.published);
        assert_true(info.refused == 0 && info.lost == 0 && info.committed == 1);
        expect_end(&fast, NATSKIT_UNSUBSCRIBED);
        close_fast(&fast);
        assert_int_equal(stored(), total);
    }
    natskit_json last = jb_call(watcher_js, "stream.message.get", "{'stream':'F','seq':%d}", (int)total);
    assert_at(last, "/message/data", "'MzAwMA=='"); /* "3000": in order */
    assert_ok(natskit_json_close(last));
}

/* No more is under way than the stream says: without its answers nothing goes on. */
static void test_window(void **state)
{
    (void)state;
    natskit_op op;
    struct fast fast = OPEN("flow", "10", "max_outstanding", "2");
    assert_true(ts_tap_command(bench.tap, "down stall on"));
    fill(&fast, 1); /* goes alone */
    assert_status(natskit_ingest_publish(fast.ingest, "f.a", Z, NO_HEADERS, "", 0, 0, NULL),
                  NATSKIT_WOULD_BLOCK);
    assert_status(natskit_ingest_publish(fast.ingest, "f.a", Z, NO_HEADERS, "", 0, 50, NULL),
                  NATSKIT_TIMEOUT);
    assert_ok(natskit_ingest_room_start(fast.ingest, NO_OPTIONS, WAIT_MS, &op, NULL));
    assert_status(natskit_op_result(op, NULL, NULL), NATSKIT_PENDING);
    assert_true(ts_tap_command(bench.tap, "down stall off"));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_result(op, NULL, NULL));
    assert_ok(natskit_op_close(op));
    assert_int_equal(info_of(&fast).window, 20);
    fill(&fast, 100);
    assert_ok(natskit_ingest_commit_start(fast.ingest, NO_OPTIONS, WAIT_MS, &op, NULL));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_result(op, NULL, NULL));
    assert_ok(natskit_op_close(op));
    close_fast(&fast);
    assert_int_equal(stored(), 101);
}

/* -- what is refused ------------------------------------------------------------------------------------- */

static void test_refused_fails(void **state)
{
    (void)state;
    struct fast fast = OPEN("on_gap", "fail");
    fill(&fast, 2);
    assert_ok(put(&fast, "x", "Nats-Expected-Last-Sequence", "77"));
    natskit_error err = expect_no_commit(&fast, NATSKIT_WRONG_LAST, NATSKIT_OUTCOME_REJECTED);
    assert_int_equal(err.err_code, 10071);
    expect_failure(&fast, 3, 1, NATSKIT_WRONG_LAST);
    expect_end(&fast, NATSKIT_WRONG_LAST);
    assert_status(put(&fast, "x", NULL, NULL), NATSKIT_WRONG_LAST);
    natskit_ingest_info info = info_of(&fast);
    assert_true(info.published == 3 && info.acked == 2 && info.refused == 1);
    assert_int_equal(info.reason, NATSKIT_WRONG_LAST);
    close_fast(&fast);
    assert_int_equal(stored(), 2);
}

static void test_refused_goes_on(void **state)
{
    (void)state;
    struct fast fast = OPEN("on_gap", "go_on");
    fill(&fast, 2);
    assert_ok(put(&fast, "x", "Nats-Expected-Last-Sequence", "77"));
    assert_ok(put(&fast, "x", "Nats-TTL", "1h"));
    assert_ok(put(&fast, "x", "Nats-Msg-Id", "once"));
    assert_ok(put(&fast, "x", "Nats-Msg-Id", "once"));
    expect_commit(&fast, 3, 6);
    expect_failure(&fast, 3, 1, NATSKIT_WRONG_LAST);
    expect_failure(&fast, 4, 1, NATSKIT_TTL_REFUSED);
    expect_end(&fast, NATSKIT_UNSUBSCRIBED);
    assert_int_equal(info_of(&fast).refused, 2);
    close_fast(&fast);
    assert_int_equal(stored(), 3); /* a repeated id is no failure, and is not stored */
}

static void test_not_allowed(void **state)
{
    (void)state;
    jb_do(watcher_js, "stream.create",
          "{'config':{'name':'PLAIN','subjects':['plain.>'],'storage':'memory'}}");
    struct fast fast = OPEN("on_gap", "go_on");
    assert_ok(natskit_ingest_publish(fast.ingest, "plain.a", Z, NO_HEADERS, "x", 1, WAIT_MS, NULL));
    natskit_error err = expect_no_commit(&fast, NATSKIT_BATCH_NOT_ALLOWED, NATSKIT_OUTCOME_REJECTED);
    assert_int_equal(err.err_code, 10205);
    expect_end(&fast, NATSKIT_BATCH_NOT_ALLOWED);
    close_fast(&fast);
    jb_do(watcher_js, "stream.delete", "{'stream':'PLAIN'}");
    fast = OPEN("on_gap", "fail");
    assert_ok(natskit_ingest_publish(fast.ingest, "nobody.there", Z, NO_HEADERS, "x", 1, WAIT_MS, NULL));
    (void)expect_no_commit(&fast, NATSKIT_NO_STREAM, NATSKIT_OUTCOME_UNKNOWN);
    close_fast(&fast);
}

/* A message that no stream takes leaves a gap. */
static void test_elsewhere(void **state)
{
    (void)state;
    struct fast fast = OPEN("on_gap", "go_on");
    fill(&fast, 2);
    assert_ok(natskit_ingest_publish(fast.ingest, "nobody.there", Z, NO_HEADERS, "x", 1, WAIT_MS, NULL));
    fill(&fast, 2);
    expect_commit(&fast, 4, 5);
    expect_failure(&fast, 3, 1, NATSKIT_BATCH_INCOMPLETE);
    assert_int_equal(info_of(&fast).lost, 1);
    close_fast(&fast);
    fast = OPEN("on_gap", "fail");
    fill(&fast, 2);
    assert_ok(natskit_ingest_publish(fast.ingest, "nobody.there", Z, NO_HEADERS, "x", 1, WAIT_MS, NULL));
    (void)expect_no_commit(&fast, NATSKIT_NO_STREAM, NATSKIT_OUTCOME_REJECTED);
    assert_int_equal(info_of(&fast).acked, 2);
    close_fast(&fast);
    assert_int_equal(stored(), 6);
}

/* -- lost connections ------------------------------------------------------------------------------------ */

/* `count` messages get no further than to the tap, and go with the connection. */
static void lose(const struct fast *fast, int count)
{
    natskit_sub events;
    assert_ok(natskit_conn_events(conn, NO_OPTIONS, &events, NULL));
    assert_true(ts_tap_command(bench.tap, "up stall on"));
    fill(fast, count);
    assert_ok(natskit_written(conn, WAIT_MS, NULL));
    assert_true(ts_tap_command(bench.tap, "cut"));
    assert_true(ts_tap_command(bench.tap, "up stall off"));
    bench_expect_event(events, NATSKIT_EVENT_RECONNECTED);
    assert_ok(natskit_sub_close(events));
}

static void test_lost(void **state)
{
    (void)state;
    struct fast fast = OPEN("on_gap", "fail");
    fill(&fast, 10);
    wait_stored(10);
    lose(&fast, 0); /* nothing was under way: it goes on */
    fill(&fast, 10);
    wait_stored(20);
    lose(&fast, 5);
    expect_failure(&fast, 21, 5, NATSKIT_BATCH_INCOMPLETE);
    expect_end(&fast, NATSKIT_BATCH_INCOMPLETE);
    (void)expect_no_commit(&fast, NATSKIT_BATCH_INCOMPLETE, NATSKIT_OUTCOME_REJECTED);
    natskit_ingest_info info = info_of(&fast);
    assert_true(info.published == 25 && info.acked == 20 && info.lost == 5);
    close_fast(&fast);
    assert_int_equal(stored(), 20);
}

static void test_lost_goes_on(void **state)
{
    (void)state;
    struct fast fast = OPEN("on_gap", "go_on");
    fill(&fast, 10);
    wait_stored(10);
    lose(&fast, 5);
    fill(&fast, 5);
    expect_failure(&fast, 11, 5, NATSKIT_BATCH_INCOMPLETE);
    expect_commit(&fast, 15, 20);
    assert_int_equal(info_of(&fast).lost, 5);
    close_fast(&fast);
    assert_int_equal(stored(), 15);
}

/* The answer to the commit is lost: the stream knows of no batch any more. */
static void test_lost_ack(void **state)
{
    (void)state;
    natskit_op op;
    int32_t outcome;
    struct fast fast = OPEN("on_gap", "fail");
    fill(&fast, 10);
    wait_stored(10);
    assert_true(ts_tap_command(bench.tap, "down stall on"));
    assert_ok(natskit_ingest_commit_start(fast.ingest, NO_OPTIONS, WAIT_MS, &op, NULL));
    assert_ok(natskit_written(conn, WAIT_MS, NULL));
    natskit_json info =
        jb_call(watcher_js, "stream.info", "{'stream':'F'}"); /* behind the commit at the server */
    assert_ok(natskit_json_close(info));
    assert_true(ts_tap_command(bench.tap, "cut"));
    assert_true(ts_tap_command(bench.tap, "down stall off"));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    natskit_status status = natskit_op_result(op, &outcome, NULL);
    if (status != NATSKIT_OK) { /* else the commit had not come to the server, and was sent again */
        assert_status(status, NATSKIT_BATCH_INCOMPLETE);
        assert_int_equal(outcome, NATSKIT_OUTCOME_UNKNOWN);
    }
    assert_ok(natskit_op_close(op));
    close_fast(&fast);
    assert_int_equal(stored(), 10);
}

/* -- its end --------------------------------------------------------------------------------------------- */

static bool has_pinged(void *fast)
{
    return info_of(fast).pings >= 4;
}

/* The stream gives up a batch of which it hears nothing for 10 s, so it does hear of it. */
static void test_idle(void **state)
{
    (void)state;
    struct fast fast = OPEN("on_gap", "fail");
    fill(&fast, 3);
    jb_wait(has_pinged, &fast);
    fill(&fast, 3);
    expect_commit(&fast, 6, 6);
    close_fast(&fast);
}

static void test_closed(void **state)
{
    (void)state;
    int32_t outcome;
    struct fast fast = OPEN("on_gap", "fail");
    assert_status(natskit_ingest_commit(fast.ingest, WAIT_MS, NULL, &outcome, NULL), NATSKIT_INVALID);
    fill(&fast, 3);
    assert_ok(natskit_sub_close(fast.failures));
    assert_status(put(&fast, "x", NULL, NULL), NATSKIT_CLOSED);
    assert_status(natskit_ingest_commit(fast.ingest, WAIT_MS, NULL, &outcome, NULL), NATSKIT_CLOSED);
    assert_int_equal(outcome, NATSKIT_OUTCOME_UNKNOWN);
    assert_ok(natskit_ingest_close(fast.ingest));
    wait_stored(3);
}

/* A drain commits. */
static void test_drained(void **state)
{
    (void)state;
    natskit_op op;
    struct fast fast = OPEN("on_gap", "fail");
    fill(&fast, 30);
    assert_ok(natskit_conn_drain_start(conn, NO_OPTIONS, WAIT_MS, &op, NULL));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_result(op, NULL, NULL));
    assert_ok(natskit_op_close(op));
    expect_commit(&fast, 30, 30);
    close_fast(&fast);
    assert_int_equal(stored(), 30);
}

/* Too many at once. */
static void test_limit(void **state)
{
    (void)state;
    enum { OPEN_MAX = 1001 };
    struct fast *all = calloc(OPEN_MAX, sizeof *all);
    natskit_status status = NATSKIT_OK;
    int32_t outcome;
    int count = 0;
    assert_non_null(all);
    while (count < OPEN_MAX && status == NATSKIT_OK) {
        all[count] = OPEN("on_gap", "fail");
        fill(&all[count], 1);
        status = put(&all[count], "x", NULL, NULL);
        count++;
    }
    assert_status(status, NATSKIT_BATCH_LIMIT);
    natskit_error err;
    assert_status(natskit_ingest_commit(all[count - 1].ingest, WAIT_MS, NULL, &outcome, &err),
                  NATSKIT_BATCH_LIMIT);
    assert_int_equal(err.err_code, 10211);
    for (int i = 0; i < count; i++) {
        close_fast(&all[i]);
    }
    free(all);
}

/* -- permissions ----------------------------------------------------------------------------------------- */

static natskit_conn connect_as(struct ts_server *server, const char *user)
{
    natskit_options options;
    natskit_conn made;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    assert_ok(natskit_options_set(options, "user", Z, user, Z, NULL));
    assert_ok(natskit_options_set(options, "password", Z, "pw", Z, NULL));
    assert_ok(natskit_connect(ts_server_url(server), Z, options, WAIT_MS, &made, NULL));
    assert_ok(natskit_options_close(options));
    return made;
}

static struct fast open_at(natskit_js context, const char *on_gap)
{
    struct fast fast;
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_INGEST, &options));
    assert_ok(natskit_options_set(options, "on_gap", Z, on_gap, Z, NULL));
    assert_ok(natskit_ingest_open(context, options, &fast.ingest, &fast.failures, NULL));
    assert_ok(natskit_options_close(options));
    return fast;
}

/* Who may not publish to the subject of the first message, or hears no answers, has none; one that may not
 * come later leaves a gap. */
static void test_permission(void **state)
{
    (void)state;
    static const char users[] =
        "authorization { users: [ { user: all, password: pw },\n"
        "{ user: some, password: pw, permissions: { publish: { deny: \"f.no\" } } },\n"
        "{ user: deaf, password: pw, permissions: { subscribe: \"own.>\" } } ] }\n";
    static const char *const names[] = {"all", "some", "deaf"};
    struct ts_server *server = ts_server_start(&(struct ts_server_opts){.extra = users});
    natskit_conn conns[3];
    natskit_js contexts[3];
    assert_non_null(server);
    for (size_t i = 0; i < 3; i++) {
        conns[i] = connect_as(server, names[i]);
        contexts[i] = jb_open(conns[i]);
    }
    jb_do(contexts[0], "stream.create",
          "{'config':{'name':'F','subjects':['f.>'],'storage':'memory','allow_batched':true}}");
    struct fast fast = open_at(contexts[1], "go_on");
    assert_ok(natskit_ingest_publish(fast.ingest, "f.no", Z, NO_HEADERS, "x", 1, WAIT_MS, NULL));
    natskit_error err = expect_no_commit(&fast, NATSKIT_PERMISSION, NATSKIT_OUTCOME_UNKNOWN);
    assert_non_null(strstr(err.text, "f.no"));
    expect_end(&fast, NATSKIT_PERMISSION);
    assert_status(put(&fast, "x", NULL, NULL), NATSKIT_PERMISSION);
    close_fast(&fast);

    fast = open_at(contexts[1], "go_on");
    fill(&fast, 2);
    assert_ok(natskit_ingest_publish(fast.ingest, "f.no", Z, NO_HEADERS, "x", 1, WAIT_MS, NULL));
    fill(&fast, 2);
    expect_failure(&fast, 3, 1, NATSKIT_BATCH_INCOMPLETE);
    expect_commit(&fast, 4, 5);
    close_fast(&fast);

    fast = open_at(contexts[2], "fail");
    natskit_status status;
    do { /* until the server has said so */
        status = put(&fast, "x", NULL, NULL);
    } while (status == NATSKIT_OK);
    assert_status(status, NATSKIT_PERMISSION);
    expect_end(&fast, NATSKIT_PERMISSION);
    close_fast(&fast);
    for (size_t i = 0; i < 3; i++) {
        assert_ok(natskit_js_close(contexts[i]));
        assert_ok(natskit_conn_close(conns[i], WAIT_MS));
    }
    ts_server_free(server);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_sizes),       TEST(test_window),     TEST(test_refused_fails), TEST(test_refused_goes_on),
        TEST(test_not_allowed), TEST(test_elsewhere),  TEST(test_lost),          TEST(test_lost_goes_on),
        TEST(test_lost_ack),    TEST(test_idle),       TEST(test_closed),        TEST(test_drained),
        TEST(test_limit),       TEST(test_permission),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
