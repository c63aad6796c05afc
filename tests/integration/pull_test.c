/* Pull consumers of a real server: fetch, next, consume; through restarts, deletions and slow takers. Streams
 * and consumers are made by plain requests. */
#include "bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONSUMER "c"

static natskit_conn conn;
static natskit_js js;
static char
    stream[16]; /* another one for each test: a server may find messages of one that it has just deleted */

/* -- streams and consumers ------------------------------------------------------------------------------- */

/* With the stream's name in place of @. */
static void expand(char *out, size_t cap, const char *text)
{
    size_t len = 0;
    for (; *text != '\0' && len + sizeof stream < cap; text++) {
        len += *text == '@' ? (size_t)snprintf(out + len, cap - len, "%s", stream) : 1;
        out[len - 1] = *text == '@' ? out[len - 1] : *text;
    }
    out[len] = '\0';
}

/* Asks the API until it answers without an error (a server that has just started says that it is not ready).
 */
static void api(const char *verb, const char *text)
{
    char subject[128] = "$JS.API.";
    char body[512];
    char answer[512] = "no answer";
    expand(subject + strlen(subject), sizeof subject - strlen(subject), verb);
    expand(body, sizeof body, text);
    for (int64_t end_ms = ts_now_ms() + WAIT_MS; ts_now_ms() < end_ms; ts_pause_ms(20)) {
        natskit_msg *msg;
        natskit_message_view view;
        if (natskit_request(conn, subject, Z, NO_HEADERS, body, strlen(body), 2000, &msg, NULL) !=
            NATSKIT_OK) {
            continue;
        }
        assert_ok(natskit_msg_view(msg, &view, sizeof view));
        snprintf(answer, sizeof answer, "%.*s", (int)view.data_len, (const char *)view.data);
        assert_ok(natskit_msg_release(msg));
        if (strstr(answer, "\"error\"") == NULL) {
            return;
        }
    }
    fail_msg("%s: %s", verb, answer);
}

static void make_stream(void)
{
    api("STREAM.CREATE.@", "{\"name\":\"@\",\"subjects\":[\"pull.>\"],\"storage\":\"file\"}");
}

/* `more`: members of its configuration, each behind a comma. */
static void make_consumer(const char *name, const char *more)
{
    char verb[64];
    char body[512];
    snprintf(verb, sizeof verb, "CONSUMER.CREATE.@.%s", name);
    snprintf(body, sizeof body,
             "{\"stream_name\":\"@\",\"action\":\"create\",\"config\":{\"durable_name\":\"%s\","
             "\"ack_policy\":\"explicit\",\"deliver_policy\":\"all\"%s}}",
             name, more);
    api(verb, body);
}

static void publish(uint32_t from, uint32_t count, size_t size)
{
    char *data = calloc(1, size);
    assert_non_null(data);
    for (uint32_t i = from; i < from + count; i++) {
        memcpy(data, &i, sizeof i);
        if (i + 1 < from + count) {
            assert_ok(natskit_publish(conn, "pull.a", Z, NULL, 0, NO_HEADERS, data, size, WAIT_MS));
            continue;
        }
        natskit_msg *ack; /* of the last one: then all are stored */
        assert_ok(natskit_request(conn, "pull.a", Z, NO_HEADERS, data, size, WAIT_MS, &ack, NULL));
        assert_ok(natskit_msg_release(ack));
    }
    free(data);
}

static int begin(void **state)
{
    (void)state;
    static int count;
    snprintf(stream, sizeof stream, "PULL%d", count++);
    conn = bench_connect();
    assert_ok(natskit_js_open(conn, NO_OPTIONS, &js, NULL));
    make_stream();
    make_consumer(CONSUMER, "");
    return 0;
}

static int end(void **state)
{
    (void)state;
    api("STREAM.DELETE.@", "");
    assert_ok(natskit_js_close(js));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    return 0;
}

/* -- taking ---------------------------------------------------------------------------------------------- */

/* Options of a scope: pairs of name and number, NULL at the end. */
static natskit_options set(int32_t scope, const char *const *names, const int64_t *values)
{
    natskit_options options;
    assert_ok(natskit_options_open(scope, &options));
    for (; *names != NULL; names++, values++) {
        assert_ok(natskit_options_set_int(options, *names, Z, *values, NULL));
    }
    return options;
}

#define OPTIONS(scope, ...) set(NATSKIT_OPTIONS_##scope, (const char *const[]){__VA_ARGS__, NULL}, (const int64_t[])
#define VALUES(...)                                                                                          \
    {                                                                                                        \
        __VA_ARGS__                                                                                          \
    })

static natskit_sub fetch_from(const char *consumer, natskit_options options)
{
    natskit_sub sub;
    natskit_error err = {0};
    natskit_status status = natskit_js_fetch(js, stream, Z, consumer, Z, options, &sub, &err);
    if (status != NATSKIT_OK) {
        print_error("fetch: %s\n", err.text);
    }
    assert_ok(status);
    if (options.id != 0) {
        assert_ok(natskit_options_close(options));
    }
    return sub;
}

static natskit_sub consume_from(const char *consumer, natskit_options options)
{
    natskit_sub sub;
    natskit_error err = {0};
    natskit_status status = natskit_js_consume(js, stream, Z, consumer, Z, options, &sub, &err);
    if (status != NATSKIT_OK) {
        print_error("consume: %s\n", err.text);
    }
    assert_ok(status);
    if (options.id != 0) {
        assert_ok(natskit_options_close(options));
    }
    return sub;
}

static natskit_sub consume(natskit_options options)
{
    return consume_from(CONSUMER, options);
}

static uint32_t number_of(const natskit_msg *msg)
{
    natskit_message_view view;
    uint32_t number;
    assert_ok(natskit_msg_view(msg, &view, sizeof view));
    assert_int_equal(view.kind, NATSKIT_MSG_MESSAGE);
    assert_int_equal(view.status_code, 0);
    assert_true(view.data_len >= sizeof number);
    assert_memory_equal(view.subject, "pull.a", 6);
    assert_memory_equal(view.reply, "$JS.ACK.", 8);
    memcpy(&number, view.data, sizeof number);
    return number;
}

static void ack(natskit_msg *msg)
{
    assert_ok(natskit_msg_respond(msg, NO_HEADERS, "+ACK", 4, WAIT_MS));
    assert_ok(natskit_msg_release(msg));
}

/* Takes messages from `from` on in order, acks them. */
static void take(natskit_sub sub, uint32_t from, uint32_t count)
{
    for (uint32_t i = from; i < from + count; i++) {
        natskit_msg *msg;
        assert_ok(natskit_sub_next(sub, WAIT_MS, &msg));
        assert_int_equal(number_of(msg), i);
        ack(msg);
    }
}

/* It has ended and everything was taken; gives the server's words. */
static natskit_error expect_end(natskit_sub sub, natskit_status reason)
{
    natskit_msg *msg;
    natskit_error err = {0};
    assert_status(natskit_sub_next(sub, WAIT_MS, &msg), NATSKIT_END);
    natskit_status got = natskit_sub_reason(sub, &err);
    if (got != reason) {
        print_error("ended: %s\n", err.text);
    }
    assert_status(got, reason);
    natskit_sub_stats stats;
    assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
    assert_int_equal(stats.dropped_msgs, 0);
    assert_ok(natskit_sub_close(sub));
    return err;
}

static natskit_pull_info info_of(natskit_sub sub)
{
    natskit_pull_info info = {0};
    assert_ok(natskit_sub_pull_info(sub, &info, sizeof info));
    return info;
}

/* Waits until a request waits at the server. */
static void wait_open(natskit_sub sub)
{
    natskit_pull_info info = {0};
    for (int64_t end_ms = ts_now_ms() + WAIT_MS; info.open_pulls == 0 && ts_now_ms() < end_ms;
         ts_pause_ms(5)) {
        info = info_of(sub);
    }
    if (info.open_pulls == 0) {
        fail_msg("no request is open: %d %s, %d missing, %d paused, %" PRIu64 " requests, %" PRIu64 " infos",
                 info.last_code, info.last_text, info.missing, info.paused, info.pulls, info.infos);
    }
    assert_ok(natskit_flush(conn, WAIT_MS));
}

/* The next status of this type, releasing others. */
static void expect_status(natskit_sub sub, int32_t type)
{
    natskit_status_view view = {0};
    while (view.type != type) {
        natskit_msg *msg;
        assert_ok(natskit_sub_next(sub, WAIT_MS, &msg));
        assert_ok(natskit_msg_status(msg, &view, sizeof view));
        assert_ok(natskit_msg_release(msg));
    }
}

/* Takes and acks until each of `count` numbers has come, in whatever order and however often. */
static void take_all(const natskit_sub *subs, size_t sub_count, uint32_t count)
{
    bool *seen = calloc(count, sizeof *seen);
    uint32_t left = count;
    assert_non_null(seen);
    int64_t end_ms = ts_now_ms() + 3 * WAIT_MS;
    while (left > 0) {
        assert_true(ts_now_ms() < end_ms);
        for (size_t i = 0; i < sub_count; i++) {
            natskit_msg *msg;
            natskit_status status = natskit_sub_next(subs[i], sub_count > 1 ? 1 : 100, &msg);
            if (status == NATSKIT_TIMEOUT) {
                continue;
            }
            assert_ok(status);
            natskit_message_view view;
            assert_ok(natskit_msg_view(msg, &view, sizeof view));
            if (view.kind == NATSKIT_MSG_STATUS) {
                assert_ok(natskit_msg_release(msg));
                continue;
            }
            uint32_t number = number_of(msg);
            assert_true(number < count);
            left -= !seen[number];
            seen[number] = true;
            ack(msg);
        }
    }
    free(seen);
}

/* -- fetch ----------------------------------------------------------------------------------------------- */

static void test_fetch_counts(void **state)
{
    (void)state;
    static const uint32_t counts[] = {1, 100, 5000};
    uint32_t from = 0;
    for (size_t i = 0; i < 3; i++) {
        publish(from, counts[i], 16);
        natskit_sub sub = fetch_from(CONSUMER, OPTIONS(FETCH, "max_msgs") VALUES(counts[i]));
        take(sub, from, counts[i]);
        (void)expect_end(sub, NATSKIT_MAX_REACHED);
        from += counts[i];
    }
}

static void test_fetch_bytes(void **state)
{
    (void)state;
    publish(0, 10, 1000);
    natskit_sub sub = fetch_from(CONSUMER, OPTIONS(FETCH, "max_bytes") VALUES(3500));
    take(sub, 0, 3);
    (void)expect_end(sub, NATSKIT_MAX_REACHED);
    sub = fetch_from(CONSUMER, OPTIONS(FETCH, "max_bytes", "max_msgs") VALUES(100000, 2));
    take(sub, 3, 2);
    (void)expect_end(sub, NATSKIT_MAX_REACHED);
    sub = fetch_from(CONSUMER, OPTIONS(FETCH, "max_bytes") VALUES(500)); /* the first one alone is larger */
    natskit_error err = expect_end(sub, NATSKIT_PULL_REFUSED);
    assert_int_equal(err.server_code, 409);
    assert_non_null(strstr(err.text, "Message Size Exceeds MaxBytes"));
    sub = fetch_from(CONSUMER, OPTIONS(FETCH, "max_bytes", "expires_ms") VALUES(100000, 2000));
    take(sub, 5, 5);
    (void)expect_end(sub, NATSKIT_TIMEOUT);
}

static void test_fetch_no_wait(void **state)
{
    (void)state;
    natskit_sub sub = fetch_from(CONSUMER, OPTIONS(FETCH, "no_wait") VALUES(1));
    (void)expect_end(sub, NATSKIT_NOT_FOUND);
    publish(0, 3, 16);
    sub = fetch_from(CONSUMER, OPTIONS(FETCH, "no_wait", "max_msgs") VALUES(1, 10));
    take(sub, 0, 3);
    (void)expect_end(sub, NATSKIT_NOT_FOUND);
}

static void test_fetch_expires(void **state)
{
    (void)state;
    publish(0, 2, 16);
    natskit_sub sub = fetch_from(CONSUMER, OPTIONS(FETCH, "expires_ms") VALUES(2000));
    int64_t begin_ms = ts_now_ms();
    take(sub, 0, 2);
    (void)expect_end(sub, NATSKIT_TIMEOUT);
    assert_true(ts_now_ms() - begin_ms < WAIT_MS);
    sub = fetch_from(CONSUMER, OPTIONS(FETCH, "expires_ms") VALUES(50));
    (void)expect_end(sub, NATSKIT_TIMEOUT);
}

static void test_fetch_deleted(void **state)
{
    (void)state;
    natskit_sub sub = fetch_from(CONSUMER, NO_OPTIONS);
    wait_open(sub);
    api("CONSUMER.DELETE.@.c", "");
    natskit_error err = expect_end(sub, NATSKIT_CONSUMER_DELETED);
    assert_int_equal(err.server_code, 409);
    make_consumer(CONSUMER, "");
    sub = fetch_from(CONSUMER, NO_OPTIONS);
    wait_open(sub);
    api("STREAM.DELETE.@", "");
    (void)expect_end(sub, NATSKIT_CONSUMER_DELETED);
    make_stream(); /* for the teardown */
}

static void test_fetch_not_found(void **state)
{
    (void)state;
    natskit_sub sub;
    (void)expect_end(fetch_from("none", NO_OPTIONS), NATSKIT_CONSUMER_NOT_FOUND);
    (void)expect_end(fetch_from("none", OPTIONS(FETCH, "no_wait") VALUES(1)), NATSKIT_CONSUMER_NOT_FOUND);
    (void)expect_end(fetch_from("none", OPTIONS(FETCH, "bind") VALUES(1)), NATSKIT_NO_RESPONDERS);
    assert_ok(natskit_js_fetch(js, "NONE", Z, CONSUMER, Z, NO_OPTIONS, &sub, NULL));
    (void)expect_end(sub, NATSKIT_STREAM_NOT_FOUND);
    natskit_options aborts = OPTIONS(CONSUME, "abort_on_missing") VALUES(1);
    assert_ok(natskit_js_consume(js, stream, Z, "none", Z, aborts, &sub, NULL));
    (void)expect_end(sub, NATSKIT_CONSUMER_NOT_FOUND);
    assert_ok(natskit_js_consume(js, "NONE", Z, "none", Z, aborts, &sub, NULL));
    (void)expect_end(sub, NATSKIT_STREAM_NOT_FOUND);
    assert_ok(natskit_options_close(aborts));
}

static void test_refused(void **state)
{
    (void)state;
    make_consumer("push", ",\"deliver_subject\":\"to.me\"");
    make_consumer("small", ",\"max_batch\":10,\"max_expires\":2000000000,\"max_bytes\":1000");
    make_consumer("grouped", ",\"priority_groups\":[\"g\"],\"priority_policy\":\"overflow\"");
    static const struct {
        const char *consumer;
        const char *option;
        int64_t value;
        const char *text;
        int32_t code;
    } rows[] = {
        {"push", "max_msgs", 1, "push", 409},
        {"small", "max_msgs", 11, "MaxRequestBatch of 10", 409},
        {"small", "expires_ms", 4000, "MaxRequest", 409},
        {"grouped", "max_msgs", 1, "Priority Group missing", 400},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *const names[] = {rows[i].option, NULL};
        natskit_sub sub = fetch_from(rows[i].consumer, set(NATSKIT_OPTIONS_FETCH, names, &rows[i].value));
        natskit_error err = expect_end(sub, NATSKIT_PULL_REFUSED);
        if (strstr(err.text, rows[i].text) == NULL) {
            fail_msg("%s instead of %s", err.text, rows[i].text);
        }
        assert_int_equal(err.server_code, rows[i].code);
        assert_ok(natskit_js_consume(js, stream, Z, rows[i].consumer, Z, NO_OPTIONS, &sub, NULL));
        err = expect_end(sub, NATSKIT_PULL_REFUSED);
    }
    natskit_options bad = OPTIONS(FETCH, "heartbeat_ms", "expires_ms") VALUES(600, 1000);
    natskit_sub sub;
    natskit_error err;
    assert_status(natskit_js_fetch(js, stream, Z, CONSUMER, Z, bad, &sub, &err), NATSKIT_INVALID);
    assert_non_null(strstr(err.text, "heartbeat_ms"));
    assert_ok(natskit_options_close(bad));
}

static void test_max_waiting(void **state)
{
    (void)state;
    make_consumer("one", ",\"max_waiting\":1");
    natskit_sub first = fetch_from("one", NO_OPTIONS);
    wait_open(first);
    natskit_sub second = fetch_from("one", OPTIONS(FETCH, "heartbeat_ms") VALUES(0));
    natskit_error err = expect_end(second, NATSKIT_PULL_REFUSED);
    assert_non_null(strstr(err.text, "MaxWaiting"));
    natskit_options options = OPTIONS(CONSUME, "heartbeat_ms", "status_events") VALUES(0, 1);
    assert_ok(natskit_js_consume(js, stream, Z, "one", Z, options, &second, NULL));
    expect_status(second, NATSKIT_STATUS_EXCEEDED);
    assert_ok(natskit_sub_close(first));
    publish(0, 5, 16);
    for (natskit_msg *msg = NULL; msg == NULL;) { /* it goes on as soon as there is room */
        natskit_message_view view;
        assert_ok(natskit_sub_next(second, WAIT_MS, &msg));
        assert_ok(natskit_msg_view(msg, &view, sizeof view));
        assert_ok(natskit_msg_release(msg));
        msg = view.kind == NATSKIT_MSG_STATUS ? NULL : msg;
    }
    assert_ok(natskit_options_close(options));
    assert_ok(natskit_sub_close(second));
}

/* -- next ------------------------------------------------------------------------------------------------ */

static void test_next(void **state)
{
    (void)state;
    natskit_msg *msg;
    natskit_error err;
    assert_status(natskit_js_next(js, stream, Z, CONSUMER, Z, 0, &msg, &err), NATSKIT_TIMEOUT);
    assert_status(natskit_js_next(js, stream, Z, CONSUMER, Z, 30, &msg, &err), NATSKIT_TIMEOUT);
    assert_status(natskit_js_next(js, stream, Z, "none", Z, WAIT_MS, &msg, &err), NATSKIT_CONSUMER_NOT_FOUND);
    publish(0, 4, 16);
    static const int64_t timeouts[] = {0, 1, WAIT_MS, -1};
    for (uint32_t i = 0; i < 4; i++) {
        assert_ok(natskit_js_next(js, stream, Z, CONSUMER, Z, timeouts[i], &msg, &err));
        assert_int_equal(number_of(msg), i);
        ack(msg);
    }
}

/* Messages that come just as the time ends: each is given out once, although nobody gives it out again. */
static void test_next_loses_nothing(void **state)
{
    (void)state;
    enum { COUNT = 20 };
    make_consumer("slow", ",\"ack_wait\":3600000000000");
    natskit_conn other = bench_connect();
    uint32_t expected = 0;
    for (uint32_t i = 0; expected < COUNT; i++) {
        natskit_msg *msg;
        if (i < COUNT) {
            assert_ok(natskit_publish(other, "pull.a", Z, NULL, 0, NO_HEADERS, &i, sizeof i, WAIT_MS));
        }
        natskit_status status = natskit_js_next(js, stream, Z, "slow", Z, (int64_t)(i % 3), &msg, NULL);
        if (status == NATSKIT_OK) {
            assert_int_equal(number_of(msg), expected);
            expected++;
            ack(msg);
        } else {
            assert_status(status, NATSKIT_TIMEOUT);
        }
    }
    assert_ok(natskit_conn_close(other, WAIT_MS));
}

/* -- consume --------------------------------------------------------------------------------------------- */

static void test_consume(void **state)
{
    (void)state;
    static const int64_t limits[] = {1, 2, 3, 100, 5000};
    uint32_t from = 0;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        natskit_sub sub = consume(OPTIONS(CONSUME, "max_msgs") VALUES(limits[i]));
        publish(from, 1000, 16);
        take(sub, from, 1000);
        from += 1000;
        natskit_sub_stats stats;
        assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
        assert_true(stats.high_msgs <= (uint64_t)limits[i]);
        assert_int_equal(stats.dropped_msgs, 0);
        assert_true(info_of(sub).ahead_msgs <= (uint64_t)limits[i]);
        assert_int_equal(info_of(sub).msgs, 1000);
        assert_status(natskit_sub_unsubscribe(sub, 5), NATSKIT_INVALID);
        assert_ok(
            natskit_sub_drain(sub, WAIT_MS, NULL)); /* what was asked for and not come is not lost to it */
        (void)expect_end(sub, NATSKIT_UNSUBSCRIBED);
    }
}

static void test_consume_bytes(void **state)
{
    (void)state;
    enum { LIMIT = 20000, COUNT = 2000 };
    natskit_sub sub = consume(OPTIONS(CONSUME, "max_bytes") VALUES(LIMIT));
    publish(0, COUNT, 500);
    take(sub, 0, COUNT);
    natskit_sub_stats stats;
    assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
    assert_true(stats.high_msgs <= LIMIT / 500);
    publish(COUNT, 20, 9500); /* greater than what is left of a request, mostly */
    take(sub, COUNT, 20);
    publish(COUNT + 20, 1, LIMIT); /* will never fit */
    natskit_error err = expect_end(sub, NATSKIT_PULL_REFUSED);
    assert_non_null(strstr(err.text, "MaxBytes"));
}

/* Nobody takes: the queue is full, and nothing is asked for, watched or dropped. */
static void test_slow_taker(void **state)
{
    (void)state;
    enum { LIMIT = 50, COUNT = 3000 };
    natskit_sub sub =
        consume(OPTIONS(CONSUME, "max_msgs", "expires_ms", "heartbeat_ms") VALUES(LIMIT, 4000, 500));
    publish(0, COUNT, 16);
    natskit_sub_stats stats = {0};
    for (int64_t end_ms = ts_now_ms() + WAIT_MS; stats.pending_msgs < LIMIT && ts_now_ms() < end_ms;
         ts_pause_ms(5)) {
        assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
    }
    assert_int_equal(stats.pending_msgs, LIMIT);
    ts_pause_ms(2500); /* several heartbeats could be missed */
    natskit_pull_info info = info_of(sub);
    assert_int_equal(info.open_pulls, 0);
    assert_int_equal(info.ahead_msgs, 0);
    assert_int_equal(info.missed, 0);
    take(sub, 0, COUNT);
    assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
    assert_int_equal(stats.high_msgs, LIMIT);
    assert_int_equal(stats.dropped_msgs, 0);
    assert_ok(natskit_sub_close(sub));
}

static void test_idle(void **state)
{
    (void)state;
    natskit_sub sub = consume(OPTIONS(CONSUME, "expires_ms", "heartbeat_ms") VALUES(2000, 1000));
    natskit_pull_info info = {0};
    for (int64_t end_ms = ts_now_ms() + WAIT_MS; info.pulls < 3 && ts_now_ms() < end_ms; ts_pause_ms(20)) {
        info = info_of(sub); /* one after the other expires, and is made anew */
    }
    assert_true(info.pulls >= 3);
    assert_true(info.heartbeats > 0);
    assert_int_equal(info.given_up, 0);
    assert_int_equal(info.missed, 0);
    assert_int_equal(info.unknown, 0);
    assert_int_equal(info.last_code, 408);
    publish(0, 10, 16);
    take(sub, 0, 10);
    assert_ok(natskit_sub_close(sub));
}

static void test_max_ack_pending(void **state)
{
    (void)state;
    make_consumer("narrow", ",\"max_ack_pending\":10");
    natskit_sub sub;
    natskit_msg *msgs[10];
    natskit_options options = OPTIONS(CONSUME, "expires_ms", "heartbeat_ms") VALUES(6000, 1000);
    assert_ok(natskit_js_consume(js, stream, Z, "narrow", Z, options, &sub, NULL));
    assert_ok(natskit_options_close(options));
    publish(0, 100, 16);
    for (uint32_t i = 0; i < 10; i++) {
        assert_ok(natskit_sub_next(sub, WAIT_MS, &msgs[i]));
    }
    natskit_msg *msg;
    assert_status(natskit_sub_next(sub, 2500, &msg), NATSKIT_TIMEOUT); /* until they are acked */
    assert_int_equal(info_of(sub).missed, 0);
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(number_of(msgs[i]), i);
        ack(msgs[i]);
    }
    take(sub, 10, 90);
    assert_ok(natskit_sub_close(sub));
}

static void test_sharing(void **state)
{
    (void)state;
    natskit_sub subs[2];
    for (size_t i = 0; i < 2; i++) {
        subs[i] = consume(OPTIONS(CONSUME, "max_msgs") VALUES(20));
    }
    publish(0, 2000, 16);
    take_all(subs, 2, 2000);
    for (size_t i = 0; i < 2; i++) {
        assert_true(info_of(subs[i]).msgs > 0);
        assert_ok(natskit_sub_close(subs[i]));
    }
}

static void test_drain(void **state)
{
    (void)state;
    publish(0, 500, 16);
    natskit_sub sub = consume(OPTIONS(CONSUME, "max_msgs") VALUES(200));
    natskit_op op;
    natskit_sub_stats stats = {0};
    for (int64_t end_ms = ts_now_ms() + WAIT_MS; stats.pending_msgs < 200 && ts_now_ms() < end_ms;
         ts_pause_ms(5)) {
        assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
    }
    assert_ok(natskit_sub_drain_start(sub, NO_OPTIONS, WAIT_MS, &op, NULL));
    take(sub, 0, 200); /* all that was delivered, and nothing is asked for any more */
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_status(natskit_op_result(op, NULL, NULL), NATSKIT_OK);
    assert_ok(natskit_op_close(op));
    (void)expect_end(sub, NATSKIT_UNSUBSCRIBED);
    sub = consume(NO_OPTIONS);
    take(sub, 200, 300);
    assert_ok(natskit_sub_close(sub));
}

static void test_consume_deleted(void **state)
{
    (void)state;
    natskit_sub sub = consume(OPTIONS(CONSUME, "abort_on_missing") VALUES(1));
    natskit_sub stays = consume(OPTIONS(CONSUME, "status_events") VALUES(1));
    wait_open(sub);
    wait_open(stays);
    api("CONSUMER.DELETE.@.c", "");
    natskit_error err = expect_end(sub, NATSKIT_CONSUMER_DELETED);
    assert_non_null(strstr(err.text, "Consumer Deleted"));
    expect_status(stays, NATSKIT_STATUS_CONSUMER_DELETED);
    assert_int_equal(info_of(stays).missing, 1);
    make_consumer(CONSUMER, "");
    publish(0, 300, 16);
    take_all(&stays, 1, 300);
    assert_int_equal(info_of(stays).missing, 0);
    assert_ok(natskit_sub_close(stays));
}

static void test_consume_stream_deleted(void **state)
{
    (void)state;
    natskit_sub sub = consume(NO_OPTIONS);
    wait_open(sub);
    api("STREAM.DELETE.@", "");
    for (natskit_pull_info info = {0}; info.missing == 0; ts_pause_ms(5)) {
        info = info_of(sub);
    }
    make_stream();
    make_consumer(CONSUMER, "");
    publish(0, 100, 16);
    take_all(&sub, 1, 100);
    assert_ok(natskit_sub_close(sub));
}

/* -- faults ---------------------------------------------------------------------------------------------- */

static void test_restart(void **state)
{
    (void)state;
    make_consumer("again", ",\"ack_wait\":2000000000");
    natskit_sub sub = consume_from("again", OPTIONS(CONSUME, "max_msgs", "status_events") VALUES(50, 1));
    publish(0, 200, 16);
    for (int round = 0; round < 2; round++) {
        natskit_msg *msg;
        assert_ok(natskit_sub_next(sub, WAIT_MS, &msg));
        assert_ok(natskit_msg_release(msg)); /* not acked: it comes again */
        if (round == 1) {
            ts_server_kill(bench.server);
        }
        assert_true(ts_server_restart(bench.server));
        api("CONSUMER.INFO.@.again", "");
    }
    publish(200, 300, 16);
    take_all(&sub, 1, 500);
    assert_int_equal(info_of(sub).given_up, 0);
    assert_ok(natskit_sub_close(sub));
}

static void test_cut(void **state)
{
    (void)state;
    natskit_sub events;
    natskit_sub sub = consume(OPTIONS(CONSUME, "max_msgs", "status_events") VALUES(20, 1));
    natskit_sub fetch = fetch_from(CONSUMER, OPTIONS(FETCH, "max_msgs") VALUES(1));
    wait_open(sub);
    wait_open(fetch);
    assert_ok(natskit_conn_events(conn, NO_OPTIONS, &events, NULL));
    natskit_pull_info before = info_of(sub);
    assert_ok(natskit_conn_reconnect(conn, NULL));
    bench_expect_event(events, NATSKIT_EVENT_RECONNECTED);
    wait_open(sub);
    wait_open(fetch);
    natskit_pull_info after = info_of(sub);
    assert_int_equal(after.pulls, before.pulls + 1); /* at once, and without asking anything else */
    assert_int_equal(after.infos, 0);
    publish(0, 100, 16);
    const natskit_sub subs[] = {sub};
    natskit_msg *msg;
    assert_ok(natskit_sub_next(fetch, WAIT_MS, &msg));
    uint32_t number = number_of(msg);
    assert_ok(natskit_msg_respond(msg, NO_HEADERS, "-NAK", 4, WAIT_MS)); /* so that the other gets it */
    assert_ok(natskit_msg_release(msg));
    assert_true(number < 100);
    (void)expect_end(fetch, NATSKIT_MAX_REACHED);
    take_all(subs, 1, 100);
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_sub_close(events));
}

/* The server stops without a word for longer than two heartbeats. */
static void test_paused_server(void **state)
{
    (void)state;
    natskit_sub sub =
        consume(OPTIONS(CONSUME, "heartbeat_ms", "expires_ms", "status_events") VALUES(1000, 4000, 1));
    wait_open(sub);
    assert_true(ts_server_pause(bench.server));
    expect_status(sub, NATSKIT_STATUS_HEARTBEATS_MISSED);
    assert_true(ts_server_resume(bench.server));
    expect_status(sub, NATSKIT_STATUS_RESUMED);
    publish(0, 100, 16);
    take_all(&sub, 1, 100);
    assert_ok(natskit_sub_close(sub));
}

/* Takes what a fetch gives; whether some came. */
static int fetch_of_group(natskit_js of, const char *consumer, const char *const *pairs, int64_t expires_ms)
{
    natskit_options options;
    natskit_sub fetch;
    natskit_msg *msg;
    int count = 0;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_FETCH, &options));
    assert_ok(natskit_options_set(options, "group", Z, "g", Z, NULL));
    assert_ok(natskit_options_set_int(options, "max_msgs", Z, 2, NULL));
    assert_ok(natskit_options_set_int(options, "expires_ms", Z, expires_ms, NULL));
    for (; pairs[0] != NULL; pairs += 2) {
        assert_ok(natskit_options_set(options, pairs[0], Z, pairs[1], Z, NULL));
    }
    assert_ok(natskit_js_fetch(of, stream, Z, consumer, Z, options, &fetch, NULL));
    assert_ok(natskit_options_close(options));
    while (natskit_sub_next(fetch, WAIT_MS, &msg) == NATSKIT_OK) {
        assert_ok(natskit_msg_ack_confirm(msg, WAIT_MS, NULL));
        assert_ok(natskit_msg_release(msg));
        count++;
    }
    assert_ok(natskit_sub_close(fetch));
    return count;
}

/* The fetches of a context are one client: it stays pinned until somebody has it unpinned, and then the next
 * who asks is. */
static void test_pinned_fetches(void **state)
{
    (void)state;
    static const char *const none[] = {NULL};
    natskit_js other;
    make_consumer("pinned_fetch", ",\"priority_groups\":[\"g\"],\"priority_policy\":\"pinned_client\"");
    assert_ok(natskit_js_open(conn, NO_OPTIONS, &other, NULL));
    publish(0, 10, 16);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fetch_of_group(js, "pinned_fetch", none, WAIT_MS), 2);
        assert_int_equal(fetch_of_group(other, "pinned_fetch", none, 100), 0);
    }
    api("CONSUMER.UNPIN.@.pinned_fetch", "{\"group\":\"g\"}");
    assert_int_equal(fetch_of_group(other, "pinned_fetch", none, WAIT_MS), 2);
    /* The id is refused now; asked again without, it waits behind the other one. */
    assert_int_equal(fetch_of_group(js, "pinned_fetch", none, 100), 0);
    assert_int_equal(fetch_of_group(other, "pinned_fetch", none, WAIT_MS), 2);
    api("CONSUMER.UNPIN.@.pinned_fetch", "{\"group\":\"g\"}");
    assert_int_equal(fetch_of_group(js, "pinned_fetch", none, WAIT_MS), 2);
    assert_ok(natskit_js_close(other));
}

/* Overflow: only while enough waits; prioritized: the one with the lower number first. */
static void test_overflow_and_priority(void **state)
{
    (void)state;
    static const char *const many[] = {"min_pending", "20", NULL};
    static const char *const few[] = {"min_pending", "5", NULL};
    static const char *const acks[] = {"min_ack_pending", "1", NULL};
    static const char *const late[] = {"priority", "9", NULL};
    static const char *const none[] = {NULL};
    make_consumer("overflow", ",\"priority_groups\":[\"g\"],\"priority_policy\":\"overflow\"");
    publish(0, 10, 16);
    assert_int_equal(fetch_of_group(js, "overflow", many, 100), 0);
    assert_int_equal(fetch_of_group(js, "overflow", few, WAIT_MS), 2);
    assert_int_equal(fetch_of_group(js, "overflow", acks, 100), 0); /* all are acked */
    assert_int_equal(fetch_of_group(js, "overflow", none, WAIT_MS), 2);
    make_consumer("first", ",\"priority_groups\":[\"g\"],\"priority_policy\":\"prioritized\"");
    natskit_options options;
    natskit_sub first;
    natskit_msg *msg;
    assert_int_equal(fetch_of_group(js, "first", late, WAIT_MS), 2); /* nobody is before it */
    while (fetch_of_group(js, "first", none, 200) > 0) {
    }
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONSUME, &options));
    assert_ok(natskit_options_set(options, "group", Z, "g", Z, NULL));
    assert_ok(natskit_options_set(options, "priority", Z, "1", Z, NULL));
    assert_ok(natskit_js_consume(js, stream, Z, "first", Z, options, &first, NULL));
    assert_ok(natskit_options_close(options));
    wait_open(first);
    publish(0, 10, 16);
    assert_int_equal(fetch_of_group(js, "first", late, 200), 0);
    for (int i = 0; i < 10; i++) {
        assert_ok(natskit_sub_next(first, WAIT_MS, &msg));
        assert_ok(natskit_msg_ack(msg));
        assert_ok(natskit_msg_release(msg));
    }
    assert_ok(natskit_sub_close(first));
}

static void test_pinned(void **state)
{
    (void)state;
    natskit_sub subs[2];
    make_consumer("pinned", ",\"priority_groups\":[\"g\"],\"priority_policy\":\"pinned_client\"");
    natskit_options options = OPTIONS(CONSUME, "max_msgs", "status_events") VALUES(10, 1);
    assert_ok(natskit_options_set(options, "group", Z, "g", Z, NULL));
    assert_ok(natskit_js_consume(js, stream, Z, "pinned", Z, options, &subs[0], NULL));
    wait_open(subs[0]);
    publish(0, 100, 16);
    expect_status(subs[0], NATSKIT_STATUS_PINNED);
    assert_ok(natskit_js_consume(js, stream, Z, "pinned", Z, options, &subs[1], NULL));
    take_all(subs, 1, 100); /* the other one gets nothing */
    assert_int_equal(info_of(subs[1]).msgs, 0);
    api("CONSUMER.UNPIN.@.pinned", "{\"group\":\"g\"}");
    natskit_sub both[] = {subs[0], subs[1]};
    publish(0, 200, 16);
    take_all(both, 2, 200);
    assert_ok(natskit_options_close(options));
    assert_ok(natskit_sub_close(subs[0]));
    assert_ok(natskit_sub_close(subs[1]));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_fetch_counts),
        TEST(test_fetch_bytes),
        TEST(test_fetch_no_wait),
        TEST(test_fetch_expires),
        TEST(test_fetch_deleted),
        TEST(test_fetch_not_found),
        TEST(test_refused),
        TEST(test_max_waiting),
        TEST(test_next),
        TEST(test_next_loses_nothing),
        TEST(test_consume),
        TEST(test_consume_bytes),
        TEST(test_slow_taker),
        TEST(test_idle),
        TEST(test_max_ack_pending),
        TEST(test_sharing),
        TEST(test_drain),
        TEST(test_consume_deleted),
        TEST(test_consume_stream_deleted),
        TEST(test_cut),
        TEST(test_paused_server),
        TEST(test_pinned),
        TEST(test_pinned_fetches),
        TEST(test_overflow_and_priority),
        TEST(test_restart),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
