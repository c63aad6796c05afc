/* Publishing, receiving, requests, operations and events, as natskit.h promises them, with a real server.
 * Main thread; a responder runs beside the requests. */
#include "fixture.h"

#include "support/nats_server.h"
#include "support/text.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static natskit_sub subscribe(natskit_conn conn, const char *subject)
{
    natskit_sub sub;
    assert_ok(natskit_subscribe(conn, subject, Z, NULL, 0, NO_OPTIONS, &sub, NULL));
    return sub;
}

static natskit_message_view view_of(const natskit_msg *msg)
{
    natskit_message_view view;
    assert_ok(natskit_msg_view(msg, &view, sizeof view));
    return view;
}

static void test_view(void **state)
{
    (void)state;
    natskit_conn conn = fx_connect();
    natskit_sub sub = subscribe(conn, "v.>");
    natskit_sub_stats stats;
    natskit_msg *msg;
    assert_ok(natskit_publish(conn, "v.a.b", Z, "answer.to", Z, NO_HEADERS, "payload\0x", 9, 0));
    assert_ok(natskit_publish(conn, "v.c", 3, NULL, 0, NO_HEADERS, "text", Z, -1));
    assert_ok(natskit_sub_next(sub, 10 * SECONDS, &msg));
    natskit_message_view view = view_of(msg);
    assert_int_equal(view.kind, NATSKIT_MSG_MESSAGE);
    assert_true(fx_is(view.subject, view.subject_len, "v.a.b"));
    assert_true(fx_is(view.reply, view.reply_len, "answer.to"));
    assert_int_equal(view.data_len, 9);
    assert_memory_equal(view.data, "payload\0x", 9);
    assert_int_equal(view.status_code, 0);
    assert_int_equal(view.header_block_len, 0);
    assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
    assert_int_equal(view.sid, stats.sid);
    natskit_event_view event;
    assert_status(natskit_msg_event(msg, &event, sizeof event), NATSKIT_INVALID);

    /* A part of the view leaves the rest of the caller's memory alone. */
    unsigned char room[sizeof view];
    memset(room, 0xa5, sizeof room);
    assert_ok(natskit_msg_view(msg, (natskit_message_view *)(void *)room, 4));
    assert_memory_equal(room, &view, 4);
    assert_int_equal(room[4], 0xa5);
    assert_status(natskit_msg_view(msg, &view, 0), NATSKIT_INVALID);
    assert_ok(natskit_msg_release(msg));

    assert_ok(natskit_sub_next(sub, 10 * SECONDS, &msg));
    view = view_of(msg);
    assert_true(fx_is(view.data, view.data_len, "text"));
    assert_int_equal(view.reply_len, 0);
    assert_status(natskit_msg_respond(msg, NO_HEADERS, NULL, 0, 0), NATSKIT_NO_REPLY);
    assert_ok(natskit_msg_release(msg));
}

/* A message outlives its subscription, its connection and the library's shutdown. */
static void test_message_outlives(void **state)
{
    (void)state;
    natskit_conn conn = fx_connect();
    natskit_sub sub = subscribe(conn, "v");
    natskit_msg *msg;
    assert_ok(natskit_publish(conn, "v", Z, "r", Z, NO_HEADERS, "kept", 4, 0));
    assert_ok(natskit_sub_next(sub, 10 * SECONDS, &msg));
    assert_ok(natskit_msg_retain(msg));
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_conn_close(conn, 1000));
    assert_status(natskit_msg_respond(msg, NO_HEADERS, NULL, 0, 0), NATSKIT_CLOSED);
    assert_ok(natskit_shutdown(10 * SECONDS));
    natskit_message_view view = view_of(msg);
    assert_true(fx_is(view.data, view.data_len, "kept"));
    natskit_counters counters;
    assert_ok(natskit_counters_get(&counters, sizeof counters));
    assert_int_equal(counters.msgs, 1);
    assert_ok(natskit_msg_release(msg));
    assert_ok(natskit_msg_release(msg));
    assert_ok(natskit_counters_get(&counters, sizeof counters));
    assert_int_equal(counters.msgs, 0);
}

static void test_batches(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static natskit_outgoing out[COUNT];
    static char texts[COUNT][8];
    static natskit_msg *msgs[COUNT];
    natskit_conn conn = fx_connect();
    natskit_sub sub = subscribe(conn, "b");
    natskit_headers headers;
    size_t published;
    assert_ok(natskit_headers_open(&headers));
    assert_ok(natskit_headers_add(headers, "K", Z, "v", Z, NULL));
    for (size_t i = 0; i < COUNT; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "%zu", i);
        out[i] = (natskit_outgoing){.subject = "b", .subject_len = 1, .data = texts[i], .data_len = Z};
        out[i].headers = i % 3 == 0 ? headers : NO_HEADERS;
    }
    assert_ok(natskit_publish_batch(conn, out, sizeof out[0], COUNT, 1000, &published));
    assert_int_equal(published, COUNT);
    size_t got = 0;
    while (got < COUNT) {
        size_t count;
        assert_ok(natskit_sub_next_batch(sub, msgs + got, COUNT - got, 10 * SECONDS, &count));
        assert_true(count >= 1 && count <= COUNT - got);
        got += count;
    }
    for (size_t i = 0; i < COUNT; i++) {
        natskit_message_view view = view_of(msgs[i]);
        assert_true(fx_is(view.data, view.data_len, texts[i]));
        assert_int_equal(view.header_block_len > 0, i % 3 == 0);
    }
    assert_ok(natskit_msg_release_batch(msgs, COUNT));

    /* It stops at the first that is refused; those before it were sent. */
    out[100].subject = "not valid";
    out[100].subject_len = Z;
    assert_status(natskit_publish_batch(conn, out, sizeof out[0], COUNT, 1000, &published), NATSKIT_INVALID);
    assert_int_equal(published, 100);
    out[100].subject = "b";
    out[100].headers = (natskit_headers){headers.id + (UINT64_C(1) << 24)};
    assert_status(natskit_publish_batch(conn, out, sizeof out[0], COUNT, 0, &published), NATSKIT_BAD_HANDLE);
    assert_int_equal(published, 100);
    fx_wait_received(sub, COUNT + 200);
    natskit_sub_stats stats;
    assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
    assert_int_equal(stats.received, stats.taken + stats.pending_msgs + stats.dropped_msgs);
}

static void test_too_large(void **state)
{
    (void)state;
    natskit_conn conn = fx_connect();
    natskit_conn_info info;
    assert_ok(natskit_conn_info_get(conn, &info, sizeof info));
    assert_int_equal(info.state, NATSKIT_STATE_CONNECTED);
    assert_int_equal(info.epoch, 1);
    assert_int_equal(info.headers, 1);
    assert_true(info.max_payload > 0 && info.client_id > 0 && info.server_id[0] != '\0');
    size_t size = (size_t)info.max_payload;
    char *big = calloc(1, size + 1);
    assert_non_null(big);
    assert_status(natskit_publish(conn, "b", Z, NULL, 0, NO_HEADERS, big, size + 1, 0), NATSKIT_TOO_LARGE);
    assert_status(natskit_publish(conn, "b", Z, NULL, 0, NO_HEADERS, big, SIZE_MAX - 1, 0),
                  NATSKIT_TOO_LARGE);
    assert_ok(natskit_publish(conn, "b", Z, NULL, 0, NO_HEADERS, big, size, 1000));
    assert_ok(natskit_flush(conn, 10 * SECONDS));
    free(big);
}

/* Room comes at once while the outbox is empty, and never if nobody takes what is in it. */
static void test_room(void **state)
{
    (void)state;
    natskit_conn conn = fx_connect();
    natskit_op op;
    int32_t outcome;
    assert_ok(natskit_room_start(conn, NO_OPTIONS, 1000, 10 * SECONDS, &op, NULL));
    assert_ok(natskit_op_wait(op, 10 * SECONDS));
    assert_ok(natskit_op_result(op, &outcome, NULL));
    assert_int_equal(outcome, NATSKIT_OUTCOME_DONE);
    natskit_conn silent = fx_silent_conn(NULL);
    static char data[100000];
    natskit_status status = NATSKIT_OK;
    for (int i = 0; i < 1000 && status == NATSKIT_OK; i++) {
        status = natskit_publish(silent, "r", Z, NULL, 0, NO_HEADERS, data, sizeof data, 0);
    }
    assert_status(status, NATSKIT_WOULD_BLOCK);
    assert_status(natskit_publish(silent, "r", Z, NULL, 0, NO_HEADERS, data, sizeof data, 20),
                  NATSKIT_TIMEOUT);
    assert_ok(natskit_room_start(silent, NO_OPTIONS, sizeof data, 20, &op, NULL));
    assert_ok(natskit_op_wait(op, 10 * SECONDS));
    assert_status(natskit_op_result(op, &outcome, NULL), NATSKIT_TIMEOUT);
    assert_ok(natskit_room_start(silent, NO_OPTIONS, sizeof data, -1, &op, NULL));
    assert_ok(natskit_conn_close(silent, 0));
    assert_ok(natskit_op_wait(op, 10 * SECONDS));
    assert_status(natskit_op_result(op, &outcome, NULL), NATSKIT_CLOSED);
}

static void test_subject_check(void **state)
{
    (void)state;
    natskit_error err;
    assert_ok(natskit_subject_check("a.b", Z, 0, &err));
    assert_ok(natskit_subject_check("a.*.>", Z, 1, &err));
    assert_status(natskit_subject_check("a.*.>", Z, 0, &err), NATSKIT_INVALID);
    assert_non_null(strstr(err.text, "a.*.>"));
    assert_status(natskit_subject_check("a b", 3, 1, NULL), NATSKIT_INVALID);
}

static void test_texts_of_a_connection(void **state)
{
    (void)state;
    natskit_conn conn = fx_connect();
    char buf[8192];
    char again[128];
    size_t len;
    size_t len_again;
    assert_status(natskit_conn_server_info(conn, NULL, 0, &len), NATSKIT_LIMIT);
    assert_true(len > 50 && len < sizeof buf);
    assert_ok(natskit_conn_server_info(conn, buf, sizeof buf, &len_again));
    assert_int_equal(len_again, len);
    assert_true(buf[0] == '{' && buf[len - 1] == '}');
    memset(buf, 'x', sizeof buf);
    assert_status(natskit_conn_server_info(conn, buf, len - 1, &len), NATSKIT_LIMIT);
    assert_int_equal(buf[0], 'x');
    assert_ok(natskit_conn_new_inbox(conn, buf, sizeof buf, &len));
    assert_ok(natskit_conn_new_inbox(conn, again, sizeof again, &len_again));
    assert_memory_equal(buf, "_INBOX.", 7);
    assert_false(len == len_again && memcmp(buf, again, len) == 0);
    natskit_conn silent = fx_silent_conn(NULL);
    assert_status(natskit_conn_server_info(silent, buf, sizeof buf, &len), NATSKIT_NOT_FOUND);
}

/* -- requests -------------------------------------------------------------------------------------------- */

struct responder {
    natskit_sub sub;
    int answered;
};

/* Answers each message with its own data until the subscription ends. */
static void *respond(void *arg)
{
    struct responder *responder = arg;
    natskit_msg *msg;
    while (natskit_sub_next(responder->sub, -1, &msg) == NATSKIT_OK) {
        natskit_message_view view;
        (void)natskit_msg_view(msg, &view, sizeof view);
        if (natskit_msg_respond(msg, NO_HEADERS, view.data, view.data_len, 1000) == NATSKIT_OK) {
            responder->answered++;
        }
        (void)natskit_msg_release(msg);
    }
    return NULL;
}

static void test_requests(void **state)
{
    (void)state;
    natskit_conn conn = fx_connect();
    natskit_conn other = fx_connect();
    struct responder responder = {.sub = subscribe(other, "q")};
    pthread_t thread;
    assert_ok(natskit_flush(other, 10 * SECONDS));
    assert_int_equal(pthread_create(&thread, NULL, respond, &responder), 0);
    natskit_msg *reply;
    for (int i = 0; i < 200; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "%d", i);
        assert_ok(natskit_request(conn, "q", Z, NO_HEADERS, text, Z, 10 * SECONDS, &reply, NULL));
        natskit_message_view view = view_of(reply);
        assert_true(fx_is(view.data, view.data_len, text));
        assert_ok(natskit_msg_release(reply));
    }
    natskit_op ops[50];
    for (size_t i = 0; i < 50; i++) {
        assert_ok(
            natskit_request_start(conn, "q", Z, NO_HEADERS, "x", 1, NO_OPTIONS, 10 * SECONDS, &ops[i], NULL));
    }
    for (size_t i = 0; i < 50; i++) {
        int32_t outcome;
        assert_ok(natskit_op_wait(ops[i], 10 * SECONDS));
        assert_ok(natskit_op_result(ops[i], &outcome, NULL));
        assert_int_equal(outcome, NATSKIT_OUTCOME_DONE);
        assert_ok(natskit_op_take_msg(ops[i], &reply));
        assert_status(natskit_op_take_msg(ops[i], &(natskit_msg *){NULL}), NATSKIT_NOT_FOUND);
        assert_ok(natskit_msg_release(reply));
        assert_ok(natskit_op_close(ops[i]));
        assert_status(natskit_op_close(ops[i]), NATSKIT_CLOSED);
    }
    assert_ok(natskit_sub_close(responder.sub));
    pthread_join(thread, NULL);
    assert_int_equal(responder.answered, 250);
}

static void test_requests_that_fail(void **state)
{
    (void)state;
    natskit_conn conn = fx_connect();
    natskit_sub mute = subscribe(conn, "mute");
    natskit_error err;
    natskit_msg *reply;
    natskit_op op;
    int32_t outcome;
    assert_status(natskit_request(conn, "nobody", Z, NO_HEADERS, NULL, 0, 10 * SECONDS, &reply, &err),
                  NATSKIT_NO_RESPONDERS);
    assert_null(reply);
    assert_int_equal(err.status, NATSKIT_NO_RESPONDERS);
    int64_t begin = ts_now_ms();
    assert_status(natskit_request(conn, "mute", Z, NO_HEADERS, NULL, 0, 50, &reply, &err), NATSKIT_TIMEOUT);
    assert_in_range(ts_now_ms() - begin, 49, 5000);
    assert_non_null(strstr(err.text, "mute"));

    assert_ok(natskit_request_start(conn, "mute", Z, NO_HEADERS, NULL, 0, NO_OPTIONS, 30, &op, NULL));
    assert_status(natskit_op_result(op, &outcome, &err), NATSKIT_PENDING);
    assert_int_equal(outcome, NATSKIT_OUTCOME_PENDING);
    assert_status(natskit_op_wait(op, 0), NATSKIT_WOULD_BLOCK);
    assert_status(natskit_op_wait(op, 1), NATSKIT_TIMEOUT);
    assert_status(natskit_op_take_msg(op, &reply), NATSKIT_PENDING);
    assert_ok(natskit_op_wait(op, 10 * SECONDS));
    assert_status(natskit_op_result(op, &outcome, &err), NATSKIT_TIMEOUT);
    assert_int_equal(outcome, NATSKIT_OUTCOME_UNKNOWN);
    assert_status(natskit_op_take_msg(op, &reply), NATSKIT_TIMEOUT);
    assert_ok(natskit_op_close(op));

    /* A cancelled request: its late reply is dropped and counted. */
    natskit_msg *msg;
    natskit_conn_stats stats;
    fx_wait_received(mute, 2);
    while (natskit_sub_next(mute, 0, &msg) == NATSKIT_OK) {
        assert_ok(natskit_msg_release(msg));
    }
    assert_ok(natskit_conn_stats_get(conn, &stats, sizeof stats));
    uint64_t late = stats.late_replies;
    assert_ok(natskit_request_start(conn, "mute", Z, NO_HEADERS, NULL, 0, NO_OPTIONS, -1, &op, NULL));
    assert_ok(natskit_sub_next(mute, 10 * SECONDS, &msg));
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_msg_respond(msg, NO_HEADERS, "late", 4, 1000));
    assert_ok(natskit_msg_release(msg));
    assert_ok(natskit_flush(conn, 10 * SECONDS)); /* its answer comes behind the reply */
    assert_ok(natskit_conn_stats_get(conn, &stats, sizeof stats));
    assert_int_equal(stats.late_replies, late + 1);
    assert_int_equal(stats.requests, 0);
}

/* -- closing wakes blocked callers ----------------------------------------------------------------------- */

struct blocked {
    natskit_conn conn;
    natskit_sub sub;
    natskit_op op;
    natskit_waitset waitset;
    int kind;
    natskit_status status;
};

static void *block(void *arg)
{
    struct blocked *blocked = arg;
    natskit_msg *msg;
    natskit_ready record;
    size_t count;
    switch (blocked->kind) {
    case NATSKIT_KIND_SUB:
        blocked->status = natskit_sub_next(blocked->sub, -1, &msg);
        break;
    case NATSKIT_KIND_OP:
        blocked->status = natskit_op_wait(blocked->op, -1);
        break;
    case NATSKIT_KIND_WAITSET:
        blocked->status = natskit_waitset_wait(blocked->waitset, &record, sizeof record, 1, -1, &count);
        break;
    default:
        blocked->status = natskit_request(blocked->conn, "mute", Z, NO_HEADERS, NULL, 0, -1, &msg, NULL);
    }
    return NULL;
}

static void expect_woken(struct blocked *blocked, int kind, natskit_status wanted)
{
    pthread_t thread;
    blocked->kind = kind;
    assert_int_equal(pthread_create(&thread, NULL, block, blocked), 0);
    ts_pause_ms(20); /* the thread most probably blocks by now; if not, the outcome is the same */
    int64_t begin = ts_now_ms();
    switch (kind) {
    case NATSKIT_KIND_SUB:
        assert_ok(natskit_sub_close(blocked->sub));
        break;
    case NATSKIT_KIND_OP:
        assert_ok(natskit_op_close(blocked->op));
        break;
    case NATSKIT_KIND_WAITSET:
        assert_ok(natskit_waitset_close(blocked->waitset));
        break;
    default:
        (void)natskit_conn_close(blocked->conn, 0);
    }
    assert_true(ts_now_ms() - begin < 2000);
    pthread_join(thread, NULL);
    assert_status(blocked->status, wanted);
}

static void test_close_wakes(void **state)
{
    (void)state;
    struct blocked blocked = {.conn = fx_connect()};
    natskit_sub mute = subscribe(blocked.conn, "mute");
    blocked.sub = subscribe(blocked.conn, "quiet");
    assert_ok(natskit_waitset_open(&blocked.waitset));
    assert_ok(natskit_request_start(blocked.conn, "mute", Z, NO_HEADERS, NULL, 0, NO_OPTIONS, -1, &blocked.op,
                                    NULL));
    expect_woken(&blocked, NATSKIT_KIND_SUB, NATSKIT_CLOSED);
    expect_woken(&blocked, NATSKIT_KIND_OP, NATSKIT_CLOSED);
    expect_woken(&blocked, NATSKIT_KIND_WAITSET, NATSKIT_CLOSED);
    expect_woken(&blocked, NATSKIT_KIND_CONN, NATSKIT_CLOSED);
    (void)mute;
}

/* What was queued stays readable after the connection was closed, then the end. */
static void test_children_outlive(void **state)
{
    (void)state;
    natskit_conn conn = fx_connect();
    natskit_sub sub = subscribe(conn, "c");
    natskit_op op;
    natskit_msg *msg;
    natskit_sub_stats stats;
    assert_ok(natskit_publish(conn, "c", Z, NULL, 0, NO_HEADERS, "1", 1, 0));
    assert_ok(natskit_publish(conn, "c", Z, NULL, 0, NO_HEADERS, "2", 1, 0));
    assert_ok(natskit_flush_start(conn, NO_OPTIONS, 10 * SECONDS, &op, NULL));
    assert_ok(natskit_op_wait(op, 10 * SECONDS));
    fx_wait_received(sub, 2);
    assert_ok(natskit_conn_close(conn, 10 * SECONDS));
    assert_status(natskit_flush(conn, 0), NATSKIT_CLOSED);
    assert_ok(natskit_op_result(op, NULL, NULL));
    assert_ok(natskit_sub_next(sub, 0, &msg));
    assert_ok(natskit_msg_release(msg));
    assert_ok(natskit_sub_next(sub, 0, &msg));
    assert_ok(natskit_msg_release(msg));
    assert_status(natskit_sub_next(sub, -1, &msg), NATSKIT_END);
    assert_status(natskit_sub_next(sub, 0, &msg), NATSKIT_END);
    assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
    assert_int_equal(stats.taken, 2);
    assert_int_not_equal(stats.reason, 0);
    assert_ok(natskit_sub_unsubscribe(sub, 0));
    assert_ok(natskit_sub_close(sub));
}

static void test_unsubscribe(void **state)
{
    (void)state;
    natskit_conn conn = fx_connect();
    natskit_sub sub = subscribe(conn, "u");
    natskit_sub at_once = subscribe(conn, "u");
    natskit_sub_stats stats;
    natskit_msg *msg;
    assert_ok(natskit_sub_unsubscribe(sub, 3));
    for (int i = 0; i < 5; i++) {
        assert_ok(natskit_publish(conn, "u", Z, NULL, 0, NO_HEADERS, NULL, 0, 0));
    }
    fx_wait_received(at_once, 5);
    for (int i = 0; i < 3; i++) {
        assert_ok(natskit_sub_next(sub, 10 * SECONDS, &msg));
        assert_ok(natskit_msg_release(msg));
    }
    assert_status(natskit_sub_next(sub, -1, &msg), NATSKIT_END);
    assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
    assert_int_equal(stats.max, 3);
    assert_status(stats.reason, NATSKIT_MAX_REACHED);
    assert_ok(natskit_sub_unsubscribe(at_once, 0));
    assert_ok(natskit_sub_stats_get(at_once, &stats, sizeof stats));
    assert_status(stats.reason, NATSKIT_UNSUBSCRIBED);
    assert_int_equal(stats.pending_msgs, 5);
}

/* -- events, connecting, closing as an operation --------------------------------------------------------- */

static void test_events(void **state)
{
    (void)state;
    natskit_conn conn;
    natskit_op op;
    natskit_sub events;
    natskit_msg *msg;
    natskit_event_view event;
    assert_ok(natskit_connect_start(fx_server_url(), Z, NO_OPTIONS, 10 * SECONDS, &conn, &op, NULL));
    assert_ok(natskit_conn_events(conn, NO_OPTIONS, &events, NULL));
    assert_ok(natskit_op_wait(op, 10 * SECONDS));
    assert_ok(natskit_op_result(op, NULL, NULL));
    assert_status(natskit_op_take_msg(op, &msg), NATSKIT_NOT_FOUND);
    assert_ok(natskit_conn_close(conn, 1000));
    bool closed = false;
    while (natskit_sub_next(events, 10 * SECONDS, &msg) == NATSKIT_OK) {
        natskit_message_view view = view_of(msg);
        assert_int_equal(view.kind, NATSKIT_MSG_EVENT);
        assert_int_equal(view.subject_len, 0);
        assert_ok(natskit_msg_event(msg, &event, sizeof event));
        assert_false(closed);
        closed = event.type == NATSKIT_EVENT_CLOSED;
        assert_true(event.time_ns > 0);
        assert_status(natskit_msg_respond(msg, NO_HEADERS, NULL, 0, 0), NATSKIT_NO_REPLY);
        const char *value;
        size_t len;
        assert_status(natskit_msg_header(msg, "a", Z, 0, 0, &value, &len), NATSKIT_NOT_FOUND);
        assert_ok(natskit_msg_release(msg));
    }
    assert_true(closed);
    assert_status(natskit_sub_next(events, 0, &msg), NATSKIT_END);
}

static void test_connect_fails(void **state)
{
    (void)state;
    natskit_conn conn;
    natskit_op op;
    natskit_error err = {0};
    natskit_conn_info info;
    natskit_status status = natskit_connect("127.0.0.1:1", Z, NO_OPTIONS, 500, &conn, &err);
    assert_int_not_equal(status, NATSKIT_OK);
    assert_int_equal(err.status, status);
    assert_true(err.text[0] != '\0');
    assert_int_equal(conn.id, 0);
    assert_ok(natskit_connect_start("127.0.0.1:1", Z, NO_OPTIONS, 300, &conn, &op, NULL));
    assert_ok(natskit_op_wait(op, 10 * SECONDS));
    assert_int_not_equal(natskit_op_result(op, NULL, &err), NATSKIT_OK);
    assert_ok(natskit_conn_info_get(conn, &info, sizeof info));
    assert_int_equal(info.state, NATSKIT_STATE_CLOSED);
    assert_int_not_equal(info.reason, 0);
    assert_status(natskit_publish(conn, "a", Z, NULL, 0, NO_HEADERS, NULL, 0, 0), NATSKIT_CLOSED);
    assert_ok(natskit_conn_close(conn, 0));
}

static void test_close_start(void **state)
{
    (void)state;
    natskit_conn conn = fx_connect();
    natskit_conn other = fx_connect();
    natskit_sub sub = subscribe(other, "k");
    natskit_op op;
    natskit_msg *msg;
    assert_ok(natskit_flush(other, 10 * SECONDS));
    assert_ok(natskit_publish(conn, "k", Z, NULL, 0, NO_HEADERS, NULL, 0, 0));
    assert_ok(natskit_conn_close_start(conn, 10 * SECONDS, &op, NULL));
    assert_status(natskit_conn_close(conn, 0), NATSKIT_CLOSED);
    assert_ok(natskit_op_wait(op, 10 * SECONDS));
    assert_ok(natskit_op_result(op, NULL, NULL));
    assert_ok(natskit_sub_next(sub, 10 * SECONDS, &msg));
    assert_ok(natskit_msg_release(msg));
}

/* A server that has stopped answering: closing lingers until it is cancelled, and a shutdown does not wait
 * for it. */
static void test_close_start_cancelled(void **state)
{
    (void)state;
    natskit_op op;
    natskit_op left;
    natskit_error err;
    natskit_conn conn = fx_connect();
    natskit_conn other = fx_connect();
    assert_true(ts_server_pause(fx_server()));
    assert_ok(natskit_publish(conn, "k", Z, NULL, 0, NO_HEADERS, NULL, 0, 0));
    assert_ok(natskit_conn_close_start(conn, -1, &op, NULL));
    assert_ok(natskit_conn_close_start(other, -1, &left, NULL));
    assert_status(natskit_op_wait(op, 20), NATSKIT_TIMEOUT);
    assert_status(natskit_op_result(op, NULL, &err), NATSKIT_PENDING);
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_shutdown(5 * SECONDS));
    assert_status(natskit_op_close(left), NATSKIT_CLOSED);
    assert_true(ts_server_resume(fx_server()));
}

/* The same while callers block in it. */
static void *close_lingering(void *arg)
{
    (void)natskit_conn_close(*(natskit_conn *)arg, -1);
    return NULL;
}

static void test_shutdown_ends_lingers(void **state)
{
    (void)state;
    pthread_t thread;
    natskit_conn conn = fx_connect();
    assert_true(ts_server_pause(fx_server()));
    assert_ok(natskit_publish(conn, "k", Z, NULL, 0, NO_HEADERS, NULL, 0, 0));
    assert_int_equal(pthread_create(&thread, NULL, close_lingering, &conn), 0);
    ts_pause_ms(20); /* most probably it lingers by now; if not, the outcome is the same */
    assert_ok(natskit_shutdown(5 * SECONDS));
    pthread_join(thread, NULL);
    assert_true(ts_server_resume(fx_server()));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, fx_mark, fx_check_clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_view),
        TEST(test_message_outlives),
        TEST(test_batches),
        TEST(test_too_large),
        TEST(test_room),
        TEST(test_subject_check),
        TEST(test_texts_of_a_connection),
        TEST(test_requests),
        TEST(test_requests_that_fail),
        TEST(test_close_wakes),
        TEST(test_children_outlive),
        TEST(test_unsubscribe),
        TEST(test_events),
        TEST(test_connect_fails),
        TEST(test_close_start),
        TEST(test_close_start_cancelled),
        TEST(test_shutdown_ends_lingers),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fx_server_end();
    return failed;
}
