/* Requests against a real server: many replies and how they end, subscriptions of their own, refused inboxes
 * and subjects, transports that are lost, messages that are published once more, headers byte for byte. */
#include "bench.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHORT_MS (WAIT_MS / 4) /* what comes at once has come by then, though its time-out is WAIT_MS */

static natskit_options make_options(int32_t scope, const char *const *pairs)
{
    natskit_options options;
    assert_ok(natskit_options_open(scope, &options));
    for (; pairs[0] != NULL; pairs += 2) {
        assert_ok(natskit_options_set(options, pairs[0], Z, pairs[1], Z, NULL));
    }
    return options;
}

#define OPTIONS(scope, ...) make_options(NATSKIT_OPTIONS_##scope, (const char *const[]){__VA_ARGS__, NULL})

/* Takes over the options. */
static natskit_sub ask_many(natskit_conn conn, const char *subject, natskit_options options)
{
    natskit_sub sub;
    assert_ok(natskit_request_many(conn, subject, Z, NO_HEADERS, "?", 1, options, &sub, NULL));
    assert_ok(natskit_options_close(options));
    return sub;
}

static natskit_op ask(natskit_conn conn, const char *subject, natskit_options options)
{
    natskit_op op;
    assert_ok(natskit_request_start(conn, subject, Z, NO_HEADERS, "?", 1, options, WAIT_MS, &op, NULL));
    assert_ok(natskit_options_close(options));
    return op;
}

/* It ends, at the server too, and nothing more was queued. */
static void expect_end(natskit_sub sub, natskit_status reason)
{
    natskit_msg *msg;
    natskit_sub_stats stats;
    assert_status(natskit_sub_next(sub, WAIT_MS, &msg), NATSKIT_END);
    assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
    assert_status(stats.reason, reason);
    assert_ok(natskit_sub_close(sub));
}

static void expect_reply(natskit_op op, const char *text)
{
    natskit_msg *msg;
    natskit_message_view view;
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_take_msg(op, &msg));
    assert_ok(natskit_msg_view(msg, &view, sizeof view));
    assert_int_equal(view.data_len, strlen(text));
    assert_memory_equal(view.data, text, view.data_len);
    assert_ok(natskit_msg_release(msg));
    assert_ok(natskit_op_close(op));
}

static natskit_msg *next(natskit_sub sub)
{
    natskit_msg *msg;
    assert_ok(natskit_sub_next(sub, WAIT_MS, &msg));
    return msg;
}

/* Answers the next request with each of the texts. */
static void answer(natskit_sub service, const char *const *texts, size_t count)
{
    natskit_msg *request = next(service);
    for (size_t i = 0; i < count; i++) {
        assert_ok(natskit_msg_respond(request, NO_HEADERS, texts[i], strlen(texts[i]), WAIT_MS));
    }
    assert_ok(natskit_msg_release(request));
}

#define ANSWER(service, ...)                                                                                 \
    answer(service, (const char *const[]){__VA_ARGS__},                                                      \
           sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

/* The server itself counts: it ends by itself what has had its number of messages. */
static void wait_server_subs(unsigned long wanted)
{
    static const char key[] = "\"subscriptions\":";
    int64_t end_ms = ts_now_ms() + WAIT_MS;
    unsigned long sum = ULONG_MAX;
    while (sum != wanted) {
        assert_true(ts_now_ms() < end_ms);
        char *json = ts_server_monitor(bench.server, "/connz");
        assert_non_null(json);
        sum = 0;
        for (const char *at = strstr(json, key); at != NULL; at = strstr(at + 1, key)) {
            sum += strtoul(at + strlen(key), NULL, 10);
        }
        free(json);
    }
}

struct pair {
    natskit_conn asker;
    natskit_conn answerer;
    natskit_sub service;
};

static struct pair open_pair(const char *subject)
{
    struct pair pair = {.asker = bench_connect(), .answerer = bench_connect()};
    pair.service = bench_subscribe(pair.answerer, subject, NULL);
    assert_ok(natskit_flush(pair.answerer, WAIT_MS));
    return pair;
}

static void close_pair(struct pair pair)
{
    natskit_conn_stats stats;
    assert_ok(natskit_conn_stats_get(pair.asker, &stats, sizeof stats));
    assert_int_equal(stats.requests, 0);
    assert_ok(natskit_sub_close(pair.service));
    assert_ok(natskit_conn_close(pair.answerer, WAIT_MS));
    assert_ok(natskit_conn_close(pair.asker, WAIT_MS));
}

/* -- how the answer ends --------------------------------------------------------------------------------- */

static void test_strategies(void **state)
{
    (void)state;
    struct pair pair = open_pair("many");
    /* Time. */
    int64_t begin_ms = ts_now_ms();
    natskit_sub sub = ask_many(pair.asker, "many", OPTIONS(REQUEST_MANY, "max_wait_ms", "2000"));
    ANSWER(pair.service, "1", "", "3");
    bench_expect(sub, "1");
    bench_expect(sub, "");
    bench_expect(sub, "3");
    expect_end(sub, NATSKIT_TIMEOUT);
    assert_true(ts_now_ms() - begin_ms >= 1999);
    /* Number; further ones never reach it. */
    sub = ask_many(pair.asker, "many", OPTIONS(REQUEST_MANY, "max_msgs", "2", "max_wait_ms", "20000"));
    ANSWER(pair.service, "1", "2", "3");
    bench_expect(sub, "1");
    bench_expect(sub, "2");
    expect_end(sub, NATSKIT_MAX_REACHED);
    /* Stall. */
    begin_ms = ts_now_ms();
    sub = ask_many(pair.asker, "many", OPTIONS(REQUEST_MANY, "stall_ms", "1000", "max_wait_ms", "20000"));
    ANSWER(pair.service, "1", "2");
    bench_expect(sub, "1");
    bench_expect(sub, "2");
    expect_end(sub, NATSKIT_STALLED);
    assert_in_range(ts_now_ms() - begin_ms, 999, WAIT_MS / 2);
    /* Sentinel. */
    sub = ask_many(pair.asker, "many", OPTIONS(REQUEST_MANY, "sentinel", "true", "max_wait_ms", "20000"));
    ANSWER(pair.service, "1", "2", "", "3");
    bench_expect(sub, "1");
    bench_expect(sub, "2");
    expect_end(sub, NATSKIT_SENTINEL);
    /* Without options for a second. */
    bool answered = false;
    for (int tries = 0; !answered && tries < 20; tries++) { /* a busy machine may be late with the answer */
        natskit_msg *msg;
        begin_ms = ts_now_ms();
        assert_ok(natskit_request_many(pair.asker, "many", Z, NO_HEADERS, NULL, 0, NO_OPTIONS, &sub, NULL));
        ANSWER(pair.service, "1");
        answered = natskit_sub_next(sub, WAIT_MS, &msg) == NATSKIT_OK;
        if (answered) {
            assert_ok(natskit_msg_release(msg));
        }
        expect_end(sub, NATSKIT_TIMEOUT);
        assert_true(ts_now_ms() - begin_ms >= 999);
    }
    assert_true(answered);
    /* The server knows of the service alone. */
    wait_server_subs(1);
    close_pair(pair);
}

static void test_nobody_at_once(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    natskit_msg *msg;
    int64_t begin_ms = ts_now_ms();
    natskit_sub sub =
        ask_many(conn, "nobody", OPTIONS(REQUEST_MANY, "max_wait_ms", "20000", "sentinel", "true"));
    expect_end(sub, NATSKIT_NO_RESPONDERS);
    natskit_op op = ask(conn, "nobody", OPTIONS(REQUEST, "own_sub", "true"));
    int32_t outcome;
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_status(natskit_op_result(op, &outcome, NULL), NATSKIT_NO_RESPONDERS);
    assert_int_equal(outcome, NATSKIT_OUTCOME_REJECTED);
    assert_ok(natskit_op_close(op));
    assert_status(natskit_request(conn, "nobody", Z, NO_HEADERS, NULL, 0, WAIT_MS, &msg, NULL),
                  NATSKIT_NO_RESPONDERS);
    assert_true(ts_now_ms() - begin_ms < SHORT_MS);
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

static void test_own_reply_subject(void **state)
{
    (void)state;
    struct pair pair = open_pair("own");
    natskit_message_view view;
    natskit_op op = ask(pair.asker, "own", OPTIONS(REQUEST, "reply", "My.Own.Reply"));
    natskit_msg *request = next(pair.service);
    assert_ok(natskit_msg_view(request, &view, sizeof view));
    assert_int_equal(view.reply_len, strlen("My.Own.Reply"));
    assert_memory_equal(view.reply, "My.Own.Reply", view.reply_len);
    assert_ok(natskit_msg_respond(request, NO_HEADERS, "yes", 3, WAIT_MS));
    assert_ok(natskit_msg_respond(request, NO_HEADERS, "again", 5, WAIT_MS));
    assert_ok(natskit_msg_release(request));
    expect_reply(op, "yes");
    natskit_sub sub =
        ask_many(pair.asker, "own", OPTIONS(REQUEST_MANY, "reply", "My.Other", "max_msgs", "1"));
    request = next(pair.service);
    assert_ok(natskit_msg_view(request, &view, sizeof view));
    assert_memory_equal(view.reply, "My.Other", view.reply_len);
    assert_ok(natskit_msg_release(request));
    bench_publish(pair.answerer, "My.Other", "from anybody");
    bench_expect(sub, "from anybody");
    expect_end(sub, NATSKIT_MAX_REACHED);
    /* Each with its own of the library's making. */
    natskit_op ops[2];
    for (size_t i = 0; i < 2; i++) {
        ops[i] = ask(pair.asker, "own", OPTIONS(REQUEST, "own_sub", "true"));
    }
    ANSWER(pair.service, "first");
    ANSWER(pair.service, "second");
    expect_reply(ops[1], "second");
    expect_reply(ops[0], "first");
    wait_server_subs(1);
    close_pair(pair);
}

enum { CROWD = 64, EACH = 5 };

/* Each gets its own answer, whatever the order. */
static void test_many_at_once(void **state)
{
    (void)state;
    struct pair pair = open_pair("crowd");
    natskit_sub subs[CROWD];
    char text[32];
    for (int i = 0; i < CROWD; i++) {
        natskit_options options = OPTIONS(REQUEST_MANY, "max_wait_ms", "20000", "sentinel", "true");
        int len = snprintf(text, sizeof text, "%d", i);
        assert_ok(natskit_request_many(pair.asker, "crowd", Z, NO_HEADERS, text, (size_t)len, options,
                                       &subs[i], NULL));
        assert_ok(natskit_options_close(options));
    }
    natskit_msg *requests[CROWD];
    for (int i = 0; i < CROWD; i++) {
        requests[i] = next(pair.service);
    }
    for (int k = 0; k <= EACH; k++) {
        for (int i = 0; i < CROWD; i++) {
            natskit_message_view view;
            assert_ok(natskit_msg_view(requests[i], &view, sizeof view));
            int len = snprintf(text, sizeof text, "%.*s.%d", (int)view.data_len, (const char *)view.data, k);
            assert_ok(
                natskit_msg_respond(requests[i], NO_HEADERS, text, k < EACH ? (size_t)len : 0, WAIT_MS));
        }
    }
    for (int i = CROWD - 1; i >= 0; i--) {
        for (int k = 0; k < EACH; k++) {
            (void)snprintf(text, sizeof text, "%d.%d", i, k);
            bench_expect(subs[i], text);
        }
        expect_end(subs[i], NATSKIT_SENTINEL);
        assert_ok(natskit_msg_release(requests[i]));
    }
    wait_server_subs(1);
    close_pair(pair);
}

/* A drain waits for requests in flight, and for what they have got to be taken, however they end. */
static void test_drain(void **state)
{
    (void)state;
    for (int unsubscribed = 0; unsubscribed < 2; unsubscribed++) {
        struct pair pair = open_pair("drained");
        natskit_op op;
        natskit_msg *msg;
        int64_t begin_ms = ts_now_ms();
        natskit_op one = ask(pair.asker, "drained", OPTIONS(REQUEST, "own_sub", "true"));
        natskit_sub sub = ask_many(pair.asker, "drained",
                                   OPTIONS(REQUEST_MANY, "max_wait_ms", "20000", "sentinel", "true"));
        assert_ok(natskit_conn_drain_start(pair.asker, NO_OPTIONS, WAIT_MS, &op, NULL));
        ANSWER(pair.service, "one");
        natskit_msg *request = next(pair.service);
        assert_ok(natskit_msg_respond(request, NO_HEADERS, "1", 1, WAIT_MS));
        assert_ok(natskit_msg_respond(request, NO_HEADERS, "2", 1, WAIT_MS));
        expect_reply(one, "one");
        bench_expect(sub, "1");
        assert_ok(natskit_flush(pair.asker, WAIT_MS)); /* the second has come, too */
        if (unsubscribed != 0) {
            assert_ok(natskit_sub_unsubscribe(sub, 0));
        } else {
            assert_ok(natskit_msg_respond(request, NO_HEADERS, NULL, 0, WAIT_MS));
        }
        assert_ok(natskit_flush(pair.asker, WAIT_MS));
        bench_publish(pair.asker, "elsewhere", "still accepted");
        assert_status(natskit_op_result(op, NULL, NULL), NATSKIT_PENDING);
        bench_expect(sub, "2");
        assert_status(natskit_sub_next(sub, WAIT_MS, &msg), NATSKIT_END);
        assert_ok(natskit_op_wait(op, WAIT_MS));
        assert_ok(natskit_op_result(op, NULL, NULL));
        assert_true(ts_now_ms() - begin_ms < SHORT_MS);
        assert_ok(natskit_op_close(op));
        assert_ok(natskit_sub_close(sub));
        assert_ok(natskit_msg_release(request));
        close_pair(pair);
    }
}

/* The last request is given up, and nothing else happens that would move the drain on. */
static void test_drain_of_nothing_more(void **state)
{
    (void)state;
    struct pair pair = open_pair("drained");
    natskit_op op;
    natskit_sub sub = ask_many(pair.asker, "drained", OPTIONS(REQUEST_MANY, "max_wait_ms", "20000"));
    assert_ok(natskit_conn_drain_start(pair.asker, NO_OPTIONS, WAIT_MS, &op, NULL));
    assert_ok(natskit_flush(pair.asker, WAIT_MS));
    assert_status(natskit_op_result(op, NULL, NULL), NATSKIT_PENDING);
    assert_ok(natskit_sub_unsubscribe(sub, 0));
    assert_ok(natskit_op_wait(op, SHORT_MS));
    assert_ok(natskit_op_result(op, NULL, NULL));
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_sub_close(sub));
    close_pair(pair);
}

/* -- the transport is lost ------------------------------------------------------------------------------- */

static void test_wait_reconnect(void **state)
{
    (void)state;
    /* The answerer is not behind the tap, so that it is not cut. */
    struct pair pair = {.asker = {0}};
    natskit_options options = OPTIONS(CONNECT, "reconnect_wait_ms", "10");
    pair.asker = bench_connect_with(options);
    assert_ok(natskit_options_close(options));
    assert_ok(natskit_connect(ts_server_url(bench.server), Z, NO_OPTIONS, WAIT_MS, &pair.answerer, NULL));
    pair.service = bench_subscribe(pair.answerer, "slow", NULL);
    assert_ok(natskit_flush(pair.answerer, WAIT_MS));
    natskit_sub events;
    assert_ok(natskit_conn_events(pair.asker, NO_OPTIONS, &events, NULL));

    natskit_op kept[] = {ask(pair.asker, "slow", OPTIONS(REQUEST, "wait_reconnect", "true")),
                         ask(pair.asker, "slow", OPTIONS(REQUEST, "wait_reconnect", "true", "own_sub", "1"))};
    natskit_sub many =
        ask_many(pair.asker, "slow",
                 OPTIONS(REQUEST_MANY, "wait_reconnect", "true", "max_wait_ms", "20000", "max_msgs", "3"));
    natskit_op lost[] = {ask(pair.asker, "slow", OPTIONS(REQUEST, "own_sub", "false")),
                         ask(pair.asker, "slow", OPTIONS(REQUEST, "own_sub", "true"))};
    natskit_sub lost_many = ask_many(pair.asker, "slow", OPTIONS(REQUEST_MANY, "max_wait_ms", "20000"));
    natskit_msg *requests[6];
    for (size_t i = 0; i < 6; i++) {
        requests[i] = next(pair.service);
    }
    assert_ok(natskit_msg_respond(requests[2], NO_HEADERS, "before", 6, WAIT_MS));
    bench_expect(many, "before");
    assert_true(ts_tap_command(bench.tap, "cut"));
    for (size_t i = 0; i < 2; i++) {
        assert_ok(natskit_op_wait(lost[i], WAIT_MS));
        assert_status(natskit_op_result(lost[i], NULL, NULL), NATSKIT_DISCONNECTED);
        assert_ok(natskit_op_close(lost[i]));
    }
    expect_end(lost_many, NATSKIT_DISCONNECTED);
    bench_expect_event(events, NATSKIT_EVENT_RECONNECTED);
    assert_ok(natskit_flush(pair.asker, WAIT_MS)); /* what was subscribed is there again */
    for (size_t i = 0; i < 6; i++) {
        assert_ok(natskit_msg_respond(requests[i], NO_HEADERS, "after", 5, WAIT_MS));
    }
    assert_ok(natskit_msg_respond(requests[2], NO_HEADERS, "last", 4, WAIT_MS));
    assert_ok(natskit_msg_respond(requests[2], NO_HEADERS, "one more", 8, WAIT_MS));
    expect_reply(kept[0], "after");
    expect_reply(kept[1], "after");
    bench_expect(many, "after");
    bench_expect(many, "last");
    expect_end(many, NATSKIT_MAX_REACHED);
    natskit_msg *twice;
    assert_ok(natskit_flush(pair.asker, WAIT_MS));
    assert_ok(natskit_flush(pair.answerer, WAIT_MS));
    assert_status(natskit_sub_next(pair.service, 0, &twice), NATSKIT_WOULD_BLOCK); /* none was sent again */
    assert_ok(natskit_msg_release_batch(requests, 6));
    assert_ok(natskit_sub_close(events));
    close_pair(pair);
}

/* -- permissions ----------------------------------------------------------------------------------------- */

static const char permissions[] = "authorization { users = [ { user: u, password: p, permissions: {"
                                  " publish: { deny: [\"Denied.>\"] },"
                                  " subscribe: { deny: [\"Denied.>\"] } } } ] }\n";

static void expect_denied(natskit_op op, const char *words)
{
    int32_t outcome;
    natskit_error err = {0};
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_status(natskit_op_result(op, &outcome, &err), NATSKIT_PERMISSION);
    assert_int_equal(outcome, NATSKIT_OUTCOME_REJECTED);
    if (strstr(err.text, words) == NULL) {
        fail_msg("%s", err.text);
    }
    assert_ok(natskit_op_close(op));
}

/* One that is denied ends with the server's words. */
static void expect_denied_many(natskit_sub answers, const char *words)
{
    natskit_msg *msg;
    natskit_error err = {0};
    assert_status(natskit_sub_next(answers, WAIT_MS, &msg), NATSKIT_END);
    assert_status(natskit_sub_reason(answers, &err), NATSKIT_PERMISSION);
    assert_int_equal(err.status, NATSKIT_PERMISSION);
    assert_non_null(strstr(err.text, words));
    expect_end(answers, NATSKIT_PERMISSION);
}

static void denied_subjects(natskit_conn conn)
{
    static const char words[] = "Permissions Violation for Publish to \"Denied.Ask.Me\"";
    natskit_sub service = bench_subscribe(conn, "Allowed.Me", NULL);
    natskit_msg *msg;
    natskit_error err = {0};
    natskit_op other = ask(conn, "Allowed.Me", OPTIONS(REQUEST, "own_sub", "true"));
    natskit_op other_mux = ask(conn, "Allowed.Me", OPTIONS(REQUEST, "own_sub", "false"));
    assert_status(natskit_request(conn, "Denied.Ask.Me", Z, NO_HEADERS, NULL, 0, WAIT_MS, &msg, &err),
                  NATSKIT_PERMISSION);
    assert_int_equal(err.status, NATSKIT_PERMISSION);
    assert_non_null(strstr(err.text, words));
    expect_denied(ask(conn, "Denied.Ask.Me", OPTIONS(REQUEST, "own_sub", "false")), words);
    expect_denied(ask(conn, "Denied.Ask.Me", OPTIONS(REQUEST, "own_sub", "true")), words);
    natskit_sub living = ask_many(conn, "Allowed.Me", OPTIONS(REQUEST_MANY, "max_wait_ms", "20000"));
    assert_status(natskit_sub_reason(living, &err), NATSKIT_PENDING);
    assert_ok(natskit_sub_close(living));
    expect_denied_many(ask_many(conn, "Denied.Ask.Me", OPTIONS(REQUEST_MANY, "max_wait_ms", "20000")), words);
    ANSWER(service, "yes");
    ANSWER(service, "yes");
    ANSWER(service, "yes");
    expect_reply(other, "yes");
    expect_reply(other_mux, "yes");
    assert_ok(natskit_sub_close(service));
}

static void denied_inboxes(natskit_conn conn, natskit_conn bad_inbox)
{
    static const char reply[] = "Permissions Violation for Subscription to \"Denied.Reply.Here\"";
    natskit_msg *msg;
    natskit_error err = {0};
    expect_denied(ask(conn, "Allowed", OPTIONS(REQUEST, "reply", "Denied.Reply.Here")), reply);
    expect_denied_many(
        ask_many(conn, "Allowed", OPTIONS(REQUEST_MANY, "reply", "Denied.Reply", "max_wait_ms", "20000")),
        "Permissions Violation for Subscription to \"Denied.Reply\"");
    for (int i = 0; i < 3; i++) { /* later ones as soon as the first */
        assert_status(natskit_request(bad_inbox, "Allowed", Z, NO_HEADERS, NULL, 0, WAIT_MS, &msg, &err),
                      NATSKIT_PERMISSION);
        assert_non_null(strstr(err.text, "Subscription to \"Denied.InBox."));
        expect_denied(ask(bad_inbox, "Allowed", OPTIONS(REQUEST, "own_sub", "true")), "\"Denied.InBox.");
        expect_end(ask_many(bad_inbox, "Allowed", OPTIONS(REQUEST_MANY, "max_wait_ms", "20000")),
                   NATSKIT_PERMISSION);
    }
    /* With an inbox that is allowed this connection can ask, too. */
    natskit_sub service = bench_subscribe(bad_inbox, "Allowed", NULL);
    natskit_op op = ask(bad_inbox, "Allowed", OPTIONS(REQUEST, "reply", "Good.Inbox"));
    ANSWER(service, "yes");
    expect_reply(op, "yes");
    assert_ok(natskit_sub_close(service));
}

static void test_denied_at_once(void **state)
{
    (void)state;
    struct bench saved = bench;
    bench.server = ts_server_start(&(struct ts_server_opts){.extra = permissions, .no_jetstream = true});
    assert_non_null(bench.server);
    bench.tap = ts_tap_start(ts_server_url(bench.server));
    assert_non_null(bench.tap);
    natskit_options options = OPTIONS(CONNECT, "user", "u", "password", "p");
    natskit_conn conn = bench_connect_with(options);
    assert_ok(natskit_options_set(options, "inbox_prefix", Z, "Denied.InBox", Z, NULL));
    natskit_conn bad_inbox = bench_connect_with(options);
    assert_ok(natskit_options_close(options));
    int64_t begin_ms = ts_now_ms();
    denied_subjects(conn);
    denied_inboxes(conn, bad_inbox);
    assert_true(ts_now_ms() - begin_ms < SHORT_MS);
    natskit_conn_stats stats;
    assert_ok(natskit_conn_stats_get(conn, &stats, sizeof stats));
    assert_int_equal(stats.reconnects, 0);
    assert_int_equal(stats.requests, 0);
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_conn_close(bad_inbox, WAIT_MS));
    assert_int_equal(ts_tap_stop(bench.tap), 0);
    ts_server_free(bench.server);
    bench = saved;
}

/* -- messages and headers -------------------------------------------------------------------------------- */

/* The blocks of two messages are the same, byte for byte, and so are their data. */
static void expect_same(const natskit_msg *a, const natskit_msg *b)
{
    natskit_message_view one;
    natskit_message_view other;
    assert_ok(natskit_msg_view(a, &one, sizeof one));
    assert_ok(natskit_msg_view(b, &other, sizeof other));
    assert_int_equal(one.header_block_len, other.header_block_len);
    assert_true(one.header_block_len == 0 ||
                memcmp(one.header_block, other.header_block, one.header_block_len) == 0);
    assert_int_equal(one.data_len, other.data_len);
    assert_true(one.data_len == 0 || memcmp(one.data, other.data, one.data_len) == 0);
}

static void expect_addressed(const natskit_msg *msg, const char *subject, const char *reply)
{
    natskit_message_view view;
    assert_ok(natskit_msg_view(msg, &view, sizeof view));
    assert_int_equal(view.subject_len, strlen(subject));
    assert_memory_equal(view.subject, subject, view.subject_len);
    assert_int_equal(view.reply_len, strlen(reply));
    assert_true(view.reply_len == 0 || memcmp(view.reply, reply, view.reply_len) == 0);
}

static void test_republish(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    natskit_sub first = bench_subscribe(conn, "first", NULL);
    natskit_sub second = bench_subscribe(conn, "second", NULL);
    natskit_headers headers;
    assert_ok(natskit_headers_open(&headers));
    for (int round = 0; round < 3; round++) {
        assert_ok(natskit_publish(conn, "first", Z, "old.reply", Z, round > 0 ? headers : NO_HEADERS, "data",
                                  round > 1 ? 0 : 4, WAIT_MS));
        natskit_msg *msg = next(first);
        assert_ok(natskit_msg_republish(conn, msg, "second", Z, "new.reply", Z, WAIT_MS));
        natskit_msg *copy = next(second);
        expect_same(msg, copy);
        expect_addressed(copy, "second", "new.reply");
        assert_ok(natskit_msg_release(copy));
        assert_ok(natskit_msg_republish(conn, msg, "", Z, NULL, 0, WAIT_MS)); /* to its own subject */
        copy = next(first);
        expect_same(msg, copy);
        expect_addressed(copy, "first", "");
        assert_ok(natskit_msg_release(copy));
        assert_ok(natskit_msg_release(msg));
        assert_ok(natskit_headers_add(headers, "K", Z, "1", Z, NULL));
        assert_ok(natskit_headers_add(headers, "k", Z, "", Z, NULL));
        assert_ok(natskit_headers_add(headers, "K", Z, "a, b", Z, NULL));
        assert_ok(natskit_headers_add(headers, "Status", Z, "503", Z, NULL));
    }
    assert_ok(natskit_headers_close(headers));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_sub_close(first));
    assert_ok(natskit_sub_close(second));
}

/* What other clients write: statuses are left out, what is folded becomes one line, bytes are kept. */
static void test_republish_foreign(void **state)
{
    (void)state;
    static const struct {
        const char *block;
        size_t len;
        const char *wanted; /* NULL: NATSKIT_INVALID */
    } rows[] = {
        {"NATS/1.0 100 Idle Heartbeat\r\nA:b\r\n\r\n", 36, "NATS/1.0\r\nA: b\r\n\r\n"},
        {"NATS/1.0 404 Not Found\r\n\r\n", 26, ""},
        {"NATS/1.0\r\nA: b\r\n c\r\nB:  \xff\xfe \r\n\r\n", 32,
         "NATS/1.0\r\nA: b   c\r\nB: \xff\xfe\r\n\r\n"},
        {"NATS/1.0\r\nA: b\0c\r\n\r\n", 20, NULL},
        {"NATS/1.0\r\nA b: c\r\n\r\n", 20, NULL},
    };
    natskit_conn conn = bench_connect();
    natskit_sub from = bench_subscribe(conn, "foreign", NULL);
    natskit_sub to = bench_subscribe(conn, "to", NULL);
    assert_ok(natskit_flush(conn, WAIT_MS));
    int fd = ts_connect_raw(ts_server_port(bench.server), WAIT_MS);
    assert_true(fd >= 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[256];
        int len = snprintf(text, sizeof text, "%sHPUB foreign %zu %zu\r\n",
                           i == 0 ? "CONNECT {\"verbose\":false,\"headers\":true}\r\n" : "", rows[i].len,
                           rows[i].len + 1);
        memcpy(text + len, rows[i].block, rows[i].len);
        memcpy(text + len + rows[i].len, "x\r\n", 3);
        size_t total = (size_t)len + rows[i].len + 3;
        assert_int_equal(write(fd, text, total), total);
        natskit_msg *msg = next(from);
        natskit_status status = natskit_msg_republish(conn, msg, "to", Z, NULL, 0, WAIT_MS);
        assert_status(status, rows[i].wanted != NULL ? NATSKIT_OK : NATSKIT_INVALID);
        assert_ok(natskit_msg_release(msg));
        if (rows[i].wanted != NULL) {
            natskit_message_view view;
            msg = next(to);
            assert_ok(natskit_msg_view(msg, &view, sizeof view));
            assert_int_equal(view.header_block_len, strlen(rows[i].wanted));
            assert_true(view.header_block_len == 0 ||
                        memcmp(view.header_block, rows[i].wanted, view.header_block_len) == 0);
            assert_ok(natskit_msg_release(msg));
        }
    }
    close(fd);
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_sub_close(from));
    assert_ok(natskit_sub_close(to));
}

/* A block of just 64 KiB goes with a request, and comes back with the reply, as it was. */
static void test_headers_exact(void **state)
{
    (void)state;
    static char expected[65536 + 64];
    static char value[65536];
    natskit_headers headers;
    size_t len = (size_t)snprintf(expected, sizeof expected, "NATS/1.0\r\n");
    assert_ok(natskit_headers_open(&headers));
    static const char *const rows[][2] = {{"Key", "one"},     {"key", "two"},          {"Key", ""},
                                          {"KEY", "a: b, c"}, {"Key", "\xe2\x82\xac"}, {"!#$%&'", "\""}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_ok(natskit_headers_add(headers, rows[i][0], Z, rows[i][1], Z, NULL));
        len += (size_t)snprintf(expected + len, sizeof expected - len, "%s: %s\r\n", rows[i][0], rows[i][1]);
    }
    size_t left = 65536 - len - strlen("Big: \r\n\r\n");
    memset(value, 'v', sizeof value);
    assert_status(natskit_headers_set(headers, "Big", Z, value, left + 1, NATSKIT_MATCH_EXACT, NULL),
                  NATSKIT_LIMIT);
    assert_ok(natskit_headers_set(headers, "Big", Z, value, left, NATSKIT_MATCH_EXACT, NULL));
    len += (size_t)snprintf(expected + len, sizeof expected - len, "Big: %.*s\r\n\r\n", (int)left, value);
    assert_int_equal(len, 65536);
    struct pair pair = open_pair("exact");
    natskit_options options = OPTIONS(REQUEST_MANY, "max_msgs", "1", "max_wait_ms", "20000");
    natskit_sub sub;
    assert_ok(natskit_request_many(pair.asker, "exact", Z, headers, "body", 4, options, &sub, NULL));
    assert_ok(natskit_options_close(options));
    natskit_msg *request = next(pair.service);
    natskit_headers back;
    assert_ok(natskit_headers_open(&back));
    assert_ok(natskit_headers_add_all(back, request, NULL));
    assert_ok(natskit_msg_respond(request, back, "body", 4, WAIT_MS));
    natskit_msg *reply = next(sub);
    natskit_message_view view;
    assert_ok(natskit_msg_view(request, &view, sizeof view));
    assert_int_equal(view.header_block_len, len);
    assert_memory_equal(view.header_block, expected, len);
    expect_same(request, reply);
    assert_ok(natskit_msg_release(request));
    assert_ok(natskit_msg_release(reply));
    expect_end(sub, NATSKIT_MAX_REACHED);
    assert_ok(natskit_headers_close(headers));
    assert_ok(natskit_headers_close(back));
    close_pair(pair);
}

/* -- nothing is smuggled in ------------------------------------------------------------------------------ */

static void try_all(natskit_conn conn, const natskit_msg *msg, const char *evil)
{
    natskit_sub sub;
    natskit_op op;
    natskit_options many = OPTIONS(REQUEST_MANY, "max_wait_ms", "20000");
    natskit_options one = OPTIONS(REQUEST, "own_sub", "true");
    natskit_headers headers;
    assert_ok(natskit_headers_open(&headers));
    assert_int_not_equal(natskit_request_many(conn, evil, Z, NO_HEADERS, NULL, 0, many, &sub, NULL),
                         NATSKIT_OK);
    assert_int_not_equal(natskit_request_start(conn, evil, Z, NO_HEADERS, NULL, 0, one, 0, &op, NULL),
                         NATSKIT_OK);
    assert_status(natskit_msg_republish(conn, msg, evil, Z, NULL, 0, 0), NATSKIT_INVALID);
    assert_status(natskit_msg_republish(conn, msg, NULL, 0, evil, Z, 0), NATSKIT_INVALID);
    assert_status(natskit_subscribe(conn, "a", Z, evil, Z, NO_OPTIONS, &sub, NULL), NATSKIT_INVALID);
    if (natskit_options_set(many, "reply", Z, evil, Z, NULL) == NATSKIT_OK) {
        assert_status(natskit_request_many(conn, "a", Z, NO_HEADERS, NULL, 0, many, &sub, NULL),
                      NATSKIT_INVALID);
    }
    if (natskit_options_set(one, "reply", Z, evil, Z, NULL) == NATSKIT_OK) {
        assert_status(natskit_request_start(conn, "a", Z, NO_HEADERS, NULL, 0, one, 0, &op, NULL),
                      NATSKIT_INVALID);
    }
    for (int32_t match = NATSKIT_MATCH_EXACT; match <= NATSKIT_MATCH_CANONICAL; match++) {
        assert_status(natskit_headers_set(headers, evil, Z, "v", Z, match, NULL), NATSKIT_INVALID);
        if (strpbrk(evil, "\r\n") != NULL) {
            assert_status(natskit_headers_set(headers, "k", Z, evil, Z, match, NULL), NATSKIT_INVALID);
        }
    }
    assert_ok(natskit_options_close(many));
    assert_ok(natskit_options_close(one));
    assert_ok(natskit_headers_close(headers));
}

static void test_injection(void **state)
{
    (void)state;
    static const char *const evils[] = {"a b",           "a\r\nPUB b 0\r\n\r\n", "a\nb",     "a\r",
                                        "a\r\n\r\nPING", "a 5\r\nEvil: 1",       "\r\nPING", "a\tb"};
    if (bench_scheme_is("wss")) {
        skip(); /* what TLS makes of a flush is no fixed number of bytes */
    }
    natskit_conn conn = bench_connect();
    natskit_sub sub = bench_subscribe(conn, "source", NULL);
    bench_publish(conn, "source", "data");
    natskit_msg *msg = next(sub);
    assert_ok(natskit_flush(conn, WAIT_MS));
    uint64_t before = ts_tap_stat(bench.tap, "bytes_up");
    for (size_t i = 0; i < sizeof evils / sizeof evils[0]; i++) {
        try_all(conn, msg, evils[i]);
    }
    /* A flush is six bytes (in a frame of WebSocket with a head of six), and there is nothing before it. */
    assert_ok(natskit_flush(conn, WAIT_MS));
    assert_int_equal(ts_tap_stat(bench.tap, "bytes_up"),
                     before + strlen("PING\r\n") + (bench_scheme_is("ws") ? 6 : 0));
    assert_null(ts_tap_check(bench.tap));
    assert_ok(natskit_msg_release(msg));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_sub_close(sub));
}

enum { TOGETHER = 64 };

static void start_many(natskit_conn conn, natskit_op *ops, natskit_waitset waitset)
{
    for (int i = 0; i < TOGETHER; i++) {
        assert_ok(natskit_request_start(conn, "nobody.is.here", Z, NO_HEADERS, "?", 1, NO_OPTIONS, WAIT_MS,
                                        &ops[i], NULL));
        if (waitset.id != 0) {
            assert_ok(natskit_waitset_add(waitset, ops[i].id, ops[i].id));
        }
    }
}

static void close_many(natskit_op *ops)
{
    for (int i = 0; i < TOGETHER; i++) {
        assert_ok(natskit_op_wait(ops[i], WAIT_MS));
        assert_status(natskit_op_result(ops[i], NULL, NULL), NATSKIT_NO_RESPONDERS);
        assert_ok(natskit_op_close(ops[i]));
    }
}

static void collect_all(natskit_waitset waitset, int count)
{
    natskit_ready ready[16];
    while (count > 0) {
        size_t got;
        assert_ok(natskit_waitset_wait(waitset, ready, sizeof ready[0], 16, WAIT_MS, &got));
        count -= (int)got;
        assert_true(count >= 0);
    }
}

/* Requests gather until somebody waits, by whatever means; and if nobody does they go all the same. */
static void test_requests_that_gather(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    natskit_conn other = bench_connect();
    natskit_op ops[TOGETHER];
    natskit_op others[TOGETHER];
    natskit_waitset waitset;
    assert_ok(natskit_waitset_open(&waitset));
    for (int round = 0; round < 20; round++) {
        start_many(conn, ops, (natskit_waitset){0});
        close_many(ops); /* each is waited for */
        start_many(conn, ops, waitset);
        collect_all(waitset, TOGETHER);
        close_many(ops);
        start_many(conn, ops, waitset); /* two connections: the last one is written by who waits */
        start_many(other, others, waitset);
        collect_all(waitset, 2 * TOGETHER);
        close_many(ops);
        close_many(others);
        start_many(conn, ops, (natskit_waitset){0}); /* nobody waits */
        int64_t end_ms = ts_now_ms() + WAIT_MS;
        while (natskit_op_wait(ops[TOGETHER - 1], 0) == NATSKIT_WOULD_BLOCK) {
            assert_true(ts_now_ms() < end_ms);
        }
        close_many(ops);
    }
    /* A connection that is gone is no obstacle to waiting. */
    start_many(other, others, waitset);
    assert_ok(natskit_conn_close(other, WAIT_MS));
    collect_all(waitset, TOGETHER);
    for (int i = 0; i < TOGETHER; i++) {
        assert_ok(natskit_op_close(others[i]));
    }
    start_many(conn, ops, (natskit_waitset){0});
    close_many(ops);
    assert_ok(natskit_waitset_close(waitset));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

/* A request that finds no room beside what a stream of messages left to gather makes that be written, and
 * waits. */
static void test_room_beside_a_stream(void **state)
{
    (void)state;
    static char payload[60000];
    natskit_options options = OPTIONS(CONNECT, "outbox_bytes", "65536");
    natskit_conn conn;
    natskit_error err = {0};
    assert_ok(natskit_connect(ts_tap_url(bench.tap), Z, options, WAIT_MS, &conn, &err));
    assert_ok(natskit_options_close(options));
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 40; i++) {
            assert_ok(natskit_publish(conn, "room.stream", Z, NULL, 0, NO_HEADERS, payload, 200, WAIT_MS));
        }
        natskit_msg *msg = NULL;
        assert_status(
            natskit_request(conn, "room.nobody", Z, NO_HEADERS, payload, sizeof payload, WAIT_MS, &msg, &err),
            NATSKIT_NO_RESPONDERS);
    }
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strategies),
        cmocka_unit_test(test_nobody_at_once),
        cmocka_unit_test(test_own_reply_subject),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_drain_of_nothing_more),
        cmocka_unit_test(test_wait_reconnect),
        cmocka_unit_test(test_denied_at_once),
        cmocka_unit_test(test_republish),
        cmocka_unit_test(test_republish_foreign),
        cmocka_unit_test(test_headers_exact),
        cmocka_unit_test(test_injection),
        cmocka_unit_test(test_requests_that_gather),
        cmocka_unit_test(test_room_beside_a_stream),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
