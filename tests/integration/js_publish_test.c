/* Publishing to streams of a real server: acks and refusals of one message, and windows of many through lost
 * connections, restarts, streams that go or are full. Streams are made by plain requests. */
#include "bench.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANY 100000u
#define CROWD_EACH 1500

static natskit_conn conn;
static natskit_js js;

/* -- streams --------------------------------------------------------------------------------------------- */

/* A plain call of the API; whether it has succeeded. */
static bool api(const char *subject, const char *body, char *answer, size_t cap)
{
    natskit_msg *msg;
    natskit_message_view view;
    natskit_status status;
    char text[4096];
    int64_t end_ms = ts_now_ms() + WAIT_MS;
    /* While the server starts, nobody answers. */
    do {
        status = natskit_request(conn, subject, Z, NO_HEADERS, body, strlen(body), WAIT_MS, &msg, NULL);
    } while (status != NATSKIT_OK && ts_now_ms() < end_ms);
    assert_ok(status);
    assert_ok(natskit_msg_view(msg, &view, sizeof view));
    snprintf(text, sizeof text, "%.*s", (int)view.data_len, (const char *)view.data);
    assert_ok(natskit_msg_release(msg));
    if (answer != NULL) {
        snprintf(answer, cap, "%s", text);
    }
    return strstr(text, "\"error\"") == NULL;
}

/* `more`: members of the configuration behind name and subjects. */
static void make_stream(const char *name, const char *more)
{
    char subject[100];
    char body[500];
    char answer[1000];
    snprintf(subject, sizeof subject, "$JS.API.STREAM.CREATE.%s", name);
    snprintf(body, sizeof body, "{\"name\":\"%s\",\"subjects\":[\"%s.>\"]%s%s}", name, name,
             more[0] != '\0' ? "," : "", more);
    if (!api(subject, body, answer, sizeof answer)) {
        fail_msg("%s", answer);
    }
}

static void delete_stream(const char *name)
{
    char subject[100];
    snprintf(subject, sizeof subject, "$JS.API.STREAM.DELETE.%s", name);
    assert_true(api(subject, "", NULL, 0));
}

static uint64_t number_in(const char *json, const char *name)
{
    char key[50];
    snprintf(key, sizeof key, "\"%s\":", name);
    const char *at = strstr(json, key);
    return at != NULL ? strtoull(at + strlen(key), NULL, 10) : UINT64_MAX;
}

static uint64_t stored(const char *name)
{
    char subject[100];
    char answer[4096];
    snprintf(subject, sizeof subject, "$JS.API.STREAM.INFO.%s", name);
    assert_true(api(subject, "", answer, sizeof answer));
    return number_in(answer, "messages");
}

static natskit_options options_of(int32_t scope, const char *const *pairs)
{
    natskit_options options;
    assert_ok(natskit_options_open(scope, &options));
    for (; pairs[0] != NULL; pairs += 2) {
        assert_ok(natskit_options_set(options, pairs[0], Z, pairs[1], Z, NULL));
    }
    return options;
}

#define OPTIONS(scope, ...) options_of(NATSKIT_OPTIONS_##scope, (const char *const[]){__VA_ARGS__, NULL})

static natskit_headers headers_of(const char *name, const char *value)
{
    natskit_headers headers;
    assert_ok(natskit_headers_open(&headers));
    assert_ok(natskit_headers_add(headers, name, Z, value, Z, NULL));
    return headers;
}

static int open_js(void **state)
{
    (void)state;
    natskit_options options = OPTIONS(CONNECT, "reconnect_wait_ms", "20", "reconnect_jitter_ms", "0");
    conn = bench_connect_with(options);
    assert_ok(natskit_options_close(options));
    assert_ok(natskit_js_open(conn, NO_OPTIONS, &js, NULL));
    return 0;
}

static int close_js(void **state)
{
    (void)state;
    assert_ok(natskit_js_close(js));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    return 0;
}

/* -- one message ----------------------------------------------------------------------------------------- */

struct got {
    natskit_status status;
    int32_t outcome;
    uint64_t seq;
    int32_t duplicate;
    natskit_error error;
};

/* With one header, or none. */
static struct got publish(const char *subject, const char *name, const char *value)
{
    struct got got = {.seq = 0};
    natskit_headers headers = name != NULL ? headers_of(name, value) : NO_HEADERS;
    natskit_msg *msg;
    got.status = natskit_js_publish(js, subject, Z, headers, "x", 1, WAIT_MS, &msg, &got.outcome, &got.error);
    if (got.status == NATSKIT_OK) {
        natskit_pub_ack ack;
        assert_ok(natskit_msg_pub_ack(msg, &ack, sizeof ack));
        assert_int_equal(ack.id, 0);
        assert_ok(ack.status);
        assert_int_equal(ack.stream_len, strcspn(subject, "."));
        assert_memory_equal(ack.stream, subject, ack.stream_len);
        got.seq = ack.seq;
        got.duplicate = ack.duplicate;
        assert_ok(natskit_msg_release(msg));
    } else {
        assert_null(msg);
        assert_true(got.error.text[0] != '\0');
    }
    if (name != NULL) {
        assert_ok(natskit_headers_close(headers));
    }
    return got;
}

static void expect(struct got got, natskit_status status, int32_t err_code)
{
    if (got.status != status) {
        print_error("%s\n", got.error.text);
    }
    assert_status(got.status, status);
    assert_int_equal(got.outcome, status == NATSKIT_OK ? NATSKIT_OUTCOME_DONE : NATSKIT_OUTCOME_REJECTED);
    if (status != NATSKIT_OK) {
        assert_int_equal(got.error.err_code, err_code);
    }
}

static void test_expectations(void **state)
{
    (void)state;
    make_stream("ONE", "\"storage\":\"memory\"");
    struct got got = publish("ONE.a", NULL, NULL);
    expect(got, NATSKIT_OK, 0);
    assert_int_equal(got.seq, 1);
    expect(publish("ONE.a", "Nats-Expected-Last-Sequence", "1"), NATSKIT_OK, 0);
    expect(publish("ONE.a", "Nats-Expected-Last-Sequence", "1"), NATSKIT_WRONG_LAST, 10071);
    expect(publish("ONE.a", "Nats-Expected-Last-Subject-Sequence", "2"), NATSKIT_OK, 0);
    expect(publish("ONE.b", "Nats-Expected-Last-Subject-Sequence", "0"), NATSKIT_OK, 0);
    got = publish("ONE.b", "Nats-Expected-Last-Subject-Sequence", "0");
    assert_status(got.status, NATSKIT_WRONG_LAST);
    expect(publish("ONE.b", "Nats-Expected-Stream", "ONE"), NATSKIT_OK, 0);
    expect(publish("ONE.b", "Nats-Expected-Stream", "TWO"), NATSKIT_JS_REFUSED, 10060);
    expect(publish("ONE.b", "Nats-Expected-Last-Msg-Id", "no"), NATSKIT_WRONG_LAST, 10070);
    expect(publish("ONE.b", "Nats-TTL", "1h"), NATSKIT_TTL_REFUSED, 10166);
    got = publish("ONE.c", "Nats-Msg-Id", "id 1");
    expect(got, NATSKIT_OK, 0);
    assert_false(got.duplicate);
    uint64_t seq = got.seq;
    got = publish("ONE.c", "Nats-Msg-Id", "id 1");
    expect(got, NATSKIT_OK, 0);
    assert_true(got.duplicate);
    assert_int_equal(got.seq, seq);
    assert_int_equal(stored("ONE"), seq);
    delete_stream("ONE");
}

static void test_limits(void **state)
{
    (void)state;
    make_stream("LIM", "\"storage\":\"memory\",\"max_msgs\":2,\"discard\":\"new\",\"max_msg_size\":100,"
                       "\"allow_msg_ttl\":true");
    natskit_error error;
    int32_t outcome;
    char large[200] = {0};
    expect(publish("LIM.a", "Nats-TTL", "1h"), NATSKIT_OK, 0);
    expect(publish("LIM.a", "Nats-TTL", "10ms"), NATSKIT_TTL_REFUSED, 10165);
    assert_status(
        natskit_js_publish(js, "LIM.a", Z, NO_HEADERS, large, sizeof large, WAIT_MS, NULL, &outcome, &error),
        NATSKIT_JS_LIMIT);
    assert_int_equal(error.err_code, 10054);
    expect(publish("LIM.a", NULL, NULL), NATSKIT_OK, 0);
    expect(publish("LIM.a", NULL, NULL), NATSKIT_JS_LIMIT, 10077);
    assert_true(api("$JS.API.STREAM.UPDATE.LIM",
                    "{\"name\":\"LIM\",\"subjects\":[\"LIM.>\"],\"storage\":\"memory\",\"max_msgs\":2,"
                    "\"discard\":\"new\","
                    "\"max_msg_size\":100,\"allow_msg_ttl\":true,\"sealed\":true}",
                    NULL, 0));
    expect(publish("LIM.a", NULL, NULL), NATSKIT_SEALED, 10109);
    /* What the server would cut the connection for is not sent at all. */
    natskit_conn_info info;
    assert_ok(natskit_conn_info_get(conn, &info, sizeof info));
    char *huge = calloc(1, (size_t)info.max_payload + 1);
    assert_status(natskit_js_publish(js, "LIM.a", Z, NO_HEADERS, huge, (size_t)info.max_payload + 1, WAIT_MS,
                                     NULL, &outcome, &error),
                  NATSKIT_TOO_LARGE);
    assert_int_equal(outcome, NATSKIT_OUTCOME_NOT_SENT);
    free(huge);
    delete_stream("LIM");
}

/* No stream: asked again as often as was said; one that comes meanwhile takes it. */
static void test_no_stream(void **state)
{
    (void)state;
    natskit_options options = OPTIONS(JETSTREAM, "publish_retries", "-1", "publish_retry_wait_ms", "5");
    natskit_js stubborn;
    natskit_op op;
    natskit_msg *msg;
    natskit_pub_ack ack;
    int32_t outcome;
    natskit_error error;
    int64_t begin_ms = ts_now_ms();
    struct got got = publish("NONE.a", NULL, NULL);
    expect(got, NATSKIT_NO_STREAM, 0);
    assert_string_equal(got.error.text, "no stream takes \"NONE.a\", or it has no leader (3 attempts)");
    assert_true(ts_now_ms() - begin_ms >= 500);
    assert_ok(natskit_js_open(conn, options, &stubborn, NULL));
    assert_ok(natskit_options_close(options));
    assert_status(natskit_js_publish(stubborn, "NONE.a", Z, NO_HEADERS, "x", 1, 50, NULL, &outcome, &error),
                  NATSKIT_TIMEOUT);
    assert_ok(natskit_js_publish_start(stubborn, "NONE.a", Z, NO_HEADERS, "x", 1, NO_OPTIONS, 50, &op, NULL));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_status(natskit_op_result(op, &outcome, &error), NATSKIT_TIMEOUT);
    assert_status(natskit_op_take_msg(op, &msg), NATSKIT_TIMEOUT);
    assert_ok(natskit_op_close(op));
    assert_ok(
        natskit_js_publish_start(stubborn, "NONE.a", Z, NO_HEADERS, "x", 1, NO_OPTIONS, WAIT_MS, &op, NULL));
    make_stream("NONE", "\"storage\":\"memory\"");
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_result(op, &outcome, &error));
    assert_int_equal(outcome, NATSKIT_OUTCOME_DONE);
    assert_ok(natskit_op_take_msg(op, &msg));
    assert_ok(natskit_msg_pub_ack(msg, &ack, sizeof ack));
    assert_true(ack.seq == 1);
    assert_ok(natskit_msg_release(msg));
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_js_close(stubborn));
    delete_stream("NONE");
}

/* Whoever listens on the subject and answers is no stream. */
static void test_invalid_ack(void **state)
{
    (void)state;
    natskit_sub sub = bench_subscribe(conn, "plain", NULL);
    natskit_op op;
    natskit_msg *msg;
    int32_t outcome;
    assert_ok(natskit_js_publish_start(js, "plain", Z, NO_HEADERS, "x", 1, NO_OPTIONS, WAIT_MS, &op, NULL));
    assert_ok(natskit_sub_next(sub, WAIT_MS, &msg));
    assert_ok(natskit_msg_respond(msg, NO_HEADERS, "{}", 2, WAIT_MS));
    assert_ok(natskit_msg_release(msg));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_status(natskit_op_result(op, &outcome, NULL), NATSKIT_INVALID_ACK);
    assert_int_equal(outcome, NATSKIT_OUTCOME_UNKNOWN);
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_sub_close(sub));
}

/* What a stream says that has a message of this id under way: it is asked again, more often than after 503,
 * until it tells what became of it. */
static void test_in_process(void **state)
{
    (void)state;
    static const char busy[] = "{\"error\":{\"code\":409,\"err_code\":10158,\"description\":"
                               "\"duplicate message id is in process\"}}";
    static const char stored_before[] = "{\"stream\":\"S\",\"seq\":7,\"duplicate\":true}";
    natskit_options options = OPTIONS(JETSTREAM, "publish_retries", "0", "publish_retry_wait_ms", "5");
    natskit_headers headers = headers_of("Nats-Msg-Id", "only");
    natskit_sub sub = bench_subscribe(conn, "plain", NULL);
    natskit_js hasty;
    natskit_op op;
    natskit_msg *msg;
    natskit_pub_ack ack;
    int32_t outcome;
    assert_ok(natskit_js_open(conn, options, &hasty, NULL));
    for (int with_id = 0; with_id < 2; with_id++) {
        assert_ok(natskit_js_publish_start(hasty, "plain", Z, with_id ? headers : NO_HEADERS, "x", 1,
                                           NO_OPTIONS, WAIT_MS, &op, NULL));
        for (int i = 0; i < (with_id ? 4 : 1); i++) {
            const char *answer = i < 3 ? busy : stored_before;
            assert_ok(natskit_sub_next(sub, WAIT_MS, &msg));
            assert_ok(natskit_msg_respond(msg, NO_HEADERS, answer, strlen(answer), WAIT_MS));
            assert_ok(natskit_msg_release(msg));
        }
        assert_ok(natskit_op_wait(op, WAIT_MS));
        assert_status(natskit_op_result(op, &outcome, NULL), with_id ? NATSKIT_OK : NATSKIT_JS_REFUSED);
        assert_int_equal(outcome, with_id ? NATSKIT_OUTCOME_DONE : NATSKIT_OUTCOME_REJECTED);
        if (with_id) {
            assert_ok(natskit_op_take_msg(op, &msg));
            assert_ok(natskit_msg_pub_ack(msg, &ack, sizeof ack));
            assert_true(ack.seq == 7 && ack.duplicate == 1);
            assert_ok(natskit_msg_release(msg));
        }
        assert_ok(natskit_op_close(op));
    }
    assert_ok(natskit_js_close(hasty));
    assert_ok(natskit_options_close(options));
    assert_ok(natskit_headers_close(headers));
    assert_ok(natskit_sub_close(sub));
}

/* The connection goes before the ack: with an id it is published again, and is there once. */
static void test_one_lost(void **state)
{
    (void)state;
    make_stream("CUT", "\"storage\":\"memory\"");
    natskit_sub events;
    natskit_op op;
    int32_t outcome;
    natskit_headers headers = headers_of("Nats-Msg-Id", "only");
    assert_ok(natskit_conn_events(conn, NO_OPTIONS, &events, NULL));
    for (int with_id = 0; with_id < 2; with_id++) {
        assert_true(ts_tap_command(bench.tap, "down stall on"));
        assert_ok(natskit_js_publish_start(js, "CUT.a", Z, with_id ? headers : NO_HEADERS, "x", 1, NO_OPTIONS,
                                           WAIT_MS, &op, NULL));
        assert_ok(natskit_written(conn, WAIT_MS, NULL));
        assert_true(ts_tap_command(bench.tap, "cut"));
        assert_true(ts_tap_command(bench.tap, "down stall off"));
        assert_ok(natskit_op_wait(op, WAIT_MS));
        assert_status(natskit_op_result(op, &outcome, NULL), with_id ? NATSKIT_OK : NATSKIT_DISCONNECTED);
        assert_int_equal(outcome, with_id ? NATSKIT_OUTCOME_DONE : NATSKIT_OUTCOME_UNKNOWN);
        assert_ok(natskit_op_close(op));
        bench_expect_event(events, NATSKIT_EVENT_RECONNECTED);
    }
    assert_true(stored("CUT") <= 2);
    assert_ok(natskit_headers_close(headers));
    assert_ok(natskit_sub_close(events));
    delete_stream("CUT");
}

/* -- windows --------------------------------------------------------------------------------------------- */

struct window {
    natskit_publisher publisher;
    natskit_sub acks;
    uint8_t *seen; /* outcomes of each id */
    uint64_t cap;
    uint64_t total;
    uint64_t ok;
    uint64_t duplicates;
    uint64_t unknown;
    uint64_t rejected;
    uint64_t not_sent;
    natskit_status last; /* of those that are not OK */
};

static struct window open_window(natskit_options options, uint64_t cap)
{
    struct window window = {.seen = calloc(cap + 1, 1), .cap = cap};
    assert_ok(natskit_publisher_open(js, options, &window.publisher, &window.acks, NULL));
    if (options.id != 0) {
        assert_ok(natskit_options_close(options));
    }
    return window;
}

static void count_one(struct window *window, natskit_msg *msg)
{
    natskit_pub_ack ack;
    natskit_message_view view;
    assert_ok(natskit_msg_view(msg, &view, sizeof view));
    assert_int_equal(view.kind, NATSKIT_MSG_PUB_ACK);
    assert_ok(natskit_msg_pub_ack(msg, &ack, sizeof ack));
    assert_true(ack.id >= 1 && ack.id <= window->cap);
    assert_int_equal(window->seen[ack.id]++, 0);
    window->total++;
    window->ok += ack.status == NATSKIT_OK;
    window->duplicates += ack.duplicate != 0;
    window->unknown += ack.outcome == NATSKIT_OUTCOME_UNKNOWN;
    window->rejected += ack.outcome == NATSKIT_OUTCOME_REJECTED;
    window->not_sent += ack.outcome == NATSKIT_OUTCOME_NOT_SENT;
    window->last = ack.status != NATSKIT_OK ? ack.status : window->last;
}

/* Takes what is there. */
static void take(struct window *window)
{
    natskit_msg *msgs[256];
    size_t count;
    while (natskit_sub_next_batch(window->acks, msgs, 256, 0, &count) == NATSKIT_OK) {
        for (size_t i = 0; i < count; i++) {
            count_one(window, msgs[i]);
        }
        assert_ok(natskit_msg_release_batch(msgs, count));
    }
}

static uint64_t put(struct window *window, const char *subject, natskit_headers headers)
{
    uint64_t id;
    char data[128] = "data";
    assert_ok(
        natskit_publisher_publish(window->publisher, subject, Z, headers, data, sizeof data, WAIT_MS, &id));
    return id;
}

/* With an id of its own, by which it is known. */
static void put_known(struct window *window, const char *subject, uint64_t number)
{
    char text[32];
    snprintf(text, sizeof text, "m%" PRIu64, number);
    natskit_headers headers = headers_of("Nats-Msg-Id", text);
    assert_int_equal(put(window, subject, headers), number);
    assert_ok(natskit_headers_close(headers));
}

static natskit_publisher_info info_of(const struct window *window)
{
    natskit_publisher_info info;
    assert_ok(natskit_publisher_info_get(window->publisher, &info, sizeof info));
    return info;
}

/* All have had their outcome, and nothing else comes. */
static void close_window(struct window *window, uint64_t published)
{
    natskit_sub_stats stats;
    take(window);
    assert_int_equal(window->total, published);
    assert_ok(natskit_sub_stats_get(window->acks, &stats, sizeof stats));
    assert_int_equal(stats.dropped_msgs, 0);
    (void)natskit_publisher_close(window->publisher);
    natskit_msg *msg;
    assert_status(natskit_sub_next(window->acks, WAIT_MS, &msg), NATSKIT_END);
    assert_ok(natskit_sub_close(window->acks));
    free(window->seen);
}

static void test_many(void **state)
{
    (void)state;
    make_stream("MANY", "\"storage\":\"memory\"");
    struct window window = open_window(NO_OPTIONS, MANY);
    for (uint64_t i = 1; i <= MANY; i++) {
        assert_int_equal(put(&window, "MANY.a", NO_HEADERS), i);
        if (i % 1000 == 0) {
            take(&window);
        }
    }
    assert_ok(natskit_publisher_done(window.publisher, WAIT_MS, NULL));
    natskit_publisher_info info = info_of(&window);
    assert_int_equal(info.pending, 0);
    assert_int_equal(info.pending_bytes, 0);
    assert_int_equal(info.acked, MANY);
    assert_int_equal(info.published, MANY);
    take(&window);
    assert_int_equal(window.ok, MANY);
    assert_int_equal(stored("MANY"), MANY);
    close_window(&window, MANY);
    delete_stream("MANY");
}

/* Batches, and a window that is full for who does not wait. */
static void test_batch_and_room(void **state)
{
    (void)state;
    make_stream("BAT", "\"storage\":\"memory\"");
    struct window window = open_window(OPTIONS(PUBLISHER, "max_pending", "10"), 1000);
    natskit_outgoing msgs[200];
    uint64_t ids[200];
    size_t published;
    natskit_op op;
    memset(msgs, 0, sizeof msgs);
    for (size_t i = 0; i < 200; i++) {
        msgs[i] = (natskit_outgoing){.subject = "BAT.a", .subject_len = 5, .data = "x", .data_len = 1};
    }
    assert_ok(natskit_publisher_publish_batch(window.publisher, msgs, sizeof msgs[0], 200, WAIT_MS, ids,
                                              &published));
    assert_int_equal(published, 200);
    for (size_t i = 0; i < 200; i++) {
        assert_int_equal(ids[i], i + 1);
    }
    assert_ok(natskit_publisher_done(window.publisher, WAIT_MS, NULL));
    assert_true(ts_tap_command(bench.tap, "down stall on"));
    assert_status(
        natskit_publisher_publish_batch(window.publisher, msgs, sizeof msgs[0], 200, 0, ids, &published),
        NATSKIT_WOULD_BLOCK);
    assert_int_equal(published, 10);
    assert_status(natskit_publisher_publish(window.publisher, "BAT.a", Z, NO_HEADERS, "x", 1, 10, NULL),
                  NATSKIT_TIMEOUT);
    assert_status(natskit_publisher_done(window.publisher, 10, NULL), NATSKIT_TIMEOUT);
    assert_ok(natskit_publisher_room_start(window.publisher, NO_OPTIONS, 6, WAIT_MS, &op, NULL));
    assert_status(natskit_op_result(op, NULL, NULL), NATSKIT_PENDING);
    assert_true(ts_tap_command(bench.tap, "down stall off"));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_result(op, NULL, NULL));
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_publisher_done_start(window.publisher, NO_OPTIONS, WAIT_MS, &op, NULL));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_result(op, NULL, NULL));
    assert_ok(natskit_op_close(op));
    msgs[1].subject = "a b";
    msgs[1].subject_len = 3;
    assert_status(
        natskit_publisher_publish_batch(window.publisher, msgs, sizeof msgs[0], 3, WAIT_MS, ids, &published),
        NATSKIT_INVALID);
    assert_int_equal(published, 1);
    assert_ok(natskit_publisher_done(window.publisher, WAIT_MS, NULL));
    close_window(&window, 211);
    delete_stream("BAT");
}

struct crowd {
    struct window *window;
    const char *subject;
    atomic_int failed;
};

static void *publish_many(void *arg)
{
    struct crowd *crowd = arg;
    for (int i = 0; i < CROWD_EACH; i++) {
        natskit_status got = natskit_publisher_publish(crowd->window->publisher, crowd->subject, Z,
                                                       NO_HEADERS, "x", 1, WAIT_MS, NULL);
        if (got != NATSKIT_OK) {
            atomic_fetch_add(&crowd->failed, 1);
        }
    }
    return NULL;
}

/* Threads that wait for each other's acks in a small window, then for somebody to take outcomes. */
static void run_crowd(const char *option, const char *value)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    make_stream("CROWD", "\"storage\":\"memory\"");
    struct window window = open_window(OPTIONS(PUBLISHER, option, value), (uint64_t)THREADS * CROWD_EACH);
    struct crowd crowd = {.window = &window, .subject = "CROWD.a"};
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, publish_many, &crowd), 0);
    }
    while (window.total < (uint64_t)THREADS * CROWD_EACH) {
        natskit_msg *msg;
        assert_ok(natskit_sub_next(window.acks, WAIT_MS, &msg));
        count_one(&window, msg);
        assert_ok(natskit_msg_release(msg));
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(atomic_load(&crowd.failed), 0);
    assert_int_equal(window.ok, (uint64_t)THREADS * CROWD_EACH);
    close_window(&window, (uint64_t)THREADS * CROWD_EACH);
    delete_stream("CROWD");
}

static void test_crowd(void **state)
{
    (void)state;
    run_crowd("max_pending", "3");
    run_crowd("max_pending_bytes", "1024");
    run_crowd("max_untaken", "10");
}

static void test_refused(void **state)
{
    (void)state;
    make_stream("FULL", "\"storage\":\"memory\",\"max_msgs\":10,\"discard\":\"new\"");
    struct window window =
        open_window(OPTIONS(PUBLISHER, "acks", "failures", "retries", "1", "retry_wait_ms", "20"), 100);
    for (uint64_t i = 1; i <= 15; i++) {
        put(&window, "FULL.a", NO_HEADERS);
    }
    assert_ok(natskit_publisher_done(window.publisher, WAIT_MS, NULL));
    take(&window);
    assert_int_equal(window.rejected, 5);
    assert_status(window.last, NATSKIT_JS_LIMIT);
    put(&window, "nobody", NO_HEADERS);
    assert_ok(natskit_publisher_done(window.publisher, WAIT_MS, NULL));
    take(&window);
    assert_status(window.last, NATSKIT_NO_STREAM);
    assert_int_equal(info_of(&window).retried, 1);
    assert_int_equal(info_of(&window).acked, 10);
    delete_stream("FULL"); /* in the middle: from now on nobody answers */
    put(&window, "FULL.a", NO_HEADERS);
    assert_ok(natskit_publisher_done(window.publisher, WAIT_MS, NULL));
    take(&window);
    assert_status(window.last, NATSKIT_NO_STREAM);
    assert_int_equal(window.rejected, 7);
    close_window(&window, 7);
}

/* The tap cuts the connection again and again. */
static void cut_in_the_middle(const char *stream, bool known)
{
    enum { COUNT = 5000 };
    char subject[32];
    snprintf(subject, sizeof subject, "%s.a", stream);
    make_stream(stream, "\"storage\":\"memory\"");
    struct window window = open_window(OPTIONS(PUBLISHER, "ack_wait_ms", "60000"), COUNT);
    for (uint64_t i = 1; i <= COUNT; i++) {
        if (known) {
            put_known(&window, subject, i);
        } else {
            put(&window, subject, NO_HEADERS);
        }
        if (i % 1500 == 0) {
            assert_true(ts_tap_command(bench.tap, i % 1000 == 0 ? "cut" : "reset"));
        }
        take(&window);
    }
    assert_ok(natskit_publisher_done(window.publisher, 3 * WAIT_MS, NULL));
    take(&window);
    uint64_t in_stream = stored(stream);
    if (known) {
        assert_int_equal(window.ok, COUNT);
        assert_int_equal(in_stream, COUNT);
    } else {
        assert_int_equal(window.ok + window.unknown, COUNT);
        assert_true(in_stream >= window.ok && in_stream <= COUNT);
    }
    close_window(&window, COUNT);
    delete_stream(stream);
}

static void test_cut(void **state)
{
    (void)state;
    cut_in_the_middle("CUTP", false);
    cut_in_the_middle("CUTK", true);
}

/* A server that is killed, and comes back with what it has stored. */
static void test_restart(void **state)
{
    (void)state;
    enum { COUNT = 4000 };
    make_stream("FILE", "\"storage\":\"file\"");
    struct window window = open_window(
        OPTIONS(PUBLISHER, "ack_wait_ms", "120000", "retries", "-1", "retry_wait_ms", "50"), COUNT);
    for (uint64_t i = 1; i <= COUNT; i++) {
        put_known(&window, "FILE.a", i);
        if (i == COUNT / 2) {
            ts_server_stop(bench.server);
            assert_true(ts_server_restart(bench.server));
        }
        take(&window);
    }
    assert_ok(natskit_publisher_done(window.publisher, 4 * WAIT_MS, NULL));
    take(&window);
    assert_int_equal(window.ok, COUNT);
    assert_int_equal(stored("FILE"), COUNT);
    close_window(&window, COUNT);
    delete_stream("FILE");
}

/* Closing the publisher, the queue of outcomes, or the connection while messages are under way. */
static void test_close(void **state)
{
    (void)state;
    make_stream("END", "\"storage\":\"memory\"");
    for (int what = 0; what < 3; what++) {
        natskit_conn own = bench_connect();
        natskit_js before = js;
        assert_ok(natskit_js_open(own, NO_OPTIONS, &js, NULL));
        struct window window = open_window(NO_OPTIONS, 2000);
        for (int i = 0; i < 2000; i++) {
            put(&window, "END.a", NO_HEADERS);
        }
        if (what == 0) {
            assert_ok(natskit_publisher_close(window.publisher));
        } else if (what == 1) {
            assert_ok(natskit_conn_close(own, 0));
            assert_status(
                natskit_publisher_publish(window.publisher, "END.a", Z, NO_HEADERS, "x", 1, WAIT_MS, NULL),
                NATSKIT_CLOSED);
            assert_ok(natskit_publisher_done(window.publisher, WAIT_MS, NULL));
            natskit_publisher_info info = info_of(&window);
            assert_int_equal(info.acked + info.failed, 2000);
            assert_status(info.reason, NATSKIT_CLOSED);
        } else {
            assert_ok(natskit_sub_close(window.acks));
            assert_status(
                natskit_publisher_publish(window.publisher, "END.a", Z, NO_HEADERS, "x", 1, WAIT_MS, NULL),
                NATSKIT_CLOSED);
        }
        if (what < 2) {
            close_window(&window, 2000);
            assert_int_equal(window.ok + window.unknown + window.not_sent, 2000);
        } else {
            assert_ok(natskit_publisher_close(window.publisher));
            free(window.seen);
        }
        assert_ok(natskit_js_close(js));
        js = before;
        (void)natskit_conn_close(own, WAIT_MS);
    }
    delete_stream("END");
}

/* A drain waits for the acks. */
static void test_drain(void **state)
{
    (void)state;
    make_stream("DRAIN", "\"storage\":\"memory\"");
    natskit_conn own = bench_connect();
    natskit_js before = js;
    natskit_op op;
    assert_ok(natskit_js_open(own, NO_OPTIONS, &js, NULL));
    struct window window = open_window(NO_OPTIONS, 2000);
    for (int i = 0; i < 2000; i++) {
        put(&window, "DRAIN.a", NO_HEADERS);
    }
    assert_ok(natskit_conn_drain_start(own, NO_OPTIONS, WAIT_MS, &op, NULL));
    assert_status(
        natskit_publisher_publish(window.publisher, "DRAIN.a", Z, NO_HEADERS, "x", 1, WAIT_MS, NULL),
        NATSKIT_DRAINING);
    natskit_msg *msg;
    while (natskit_sub_next(window.acks, WAIT_MS, &msg) == NATSKIT_OK) {
        count_one(&window, msg);
        assert_ok(natskit_msg_release(msg));
    }
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_result(op, NULL, NULL));
    assert_ok(natskit_op_close(op));
    assert_int_equal(window.ok, 2000);
    close_window(&window, 2000);
    assert_ok(natskit_js_close(js));
    js = before;
    assert_ok(natskit_conn_close(own, WAIT_MS));
    delete_stream("DRAIN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_expectations, open_js, close_js),
        cmocka_unit_test_setup_teardown(test_limits, open_js, close_js),
        cmocka_unit_test_setup_teardown(test_no_stream, open_js, close_js),
        cmocka_unit_test_setup_teardown(test_invalid_ack, open_js, close_js),
        cmocka_unit_test_setup_teardown(test_in_process, open_js, close_js),
        cmocka_unit_test_setup_teardown(test_one_lost, open_js, close_js),
        cmocka_unit_test_setup_teardown(test_many, open_js, close_js),
        cmocka_unit_test_setup_teardown(test_batch_and_room, open_js, close_js),
        cmocka_unit_test_setup_teardown(test_crowd, open_js, close_js),
        cmocka_unit_test_setup_teardown(test_refused, open_js, close_js),
        cmocka_unit_test_setup_teardown(test_cut, open_js, close_js),
        cmocka_unit_test_setup_teardown(test_restart, open_js, close_js),
        cmocka_unit_test_setup_teardown(test_close, open_js, close_js),
        cmocka_unit_test_setup_teardown(test_drain, open_js, close_js),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
