/* Acks against consumers of a real server: each kind does there what it says, known by CONSUMER.INFO, by what
 * is delivered again, and by the server's advisories. The ack wait of the consumers is longer than a test,
 * but where a test says otherwise: so what comes again comes because of an ack. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STREAM "S"
#define SHORT_ACK_WAIT "2000000000"
#define LONG_ACK_WAIT "600000000000"

/* -- the API, by plain requests -------------------------------------------------------------------------- */

/* The answer of a call; to be closed. */
static natskit_json call(natskit_conn conn, const char *subject, const char *body)
{
    natskit_msg *reply;
    natskit_message_view view;
    natskit_json json;
    natskit_error err;
    natskit_status status = natskit_request(conn, subject, Z, NO_HEADERS, body, Z, WAIT_MS, &reply, &err);
    if (status != NATSKIT_OK) {
        print_error("%s: %s\n", subject, err.text);
    }
    assert_ok(status);
    assert_ok(natskit_msg_view(reply, &view, sizeof view));
    assert_ok(natskit_json_parse(view.data, view.data_len, &json, NULL));
    assert_ok(natskit_msg_release(reply));
    return json;
}

static void must(natskit_conn conn, const char *subject, const char *body)
{
    natskit_json json = call(conn, subject, body);
    int32_t type;
    if (natskit_json_type(json, "/error", Z, &type, NULL) == NATSKIT_OK) {
        char text[1000];
        size_t len = 0;
        (void)natskit_json_text(json, "/error", Z, text, sizeof text, &len, NULL);
        print_error("%s: %.*s\n", subject, (int)len, text);
        fail();
    }
    assert_ok(natskit_json_close(json));
}

static uint64_t info(natskit_conn conn, const char *path)
{
    natskit_json json = call(conn, "$JS.API.CONSUMER.INFO." STREAM ".c", "");
    uint64_t value;
    assert_ok(natskit_json_get_uint(json, path, Z, &value, NULL));
    assert_ok(natskit_json_close(json));
    return value;
}

/* Waits until the consumer says so: what an ack does there follows after it has come. */
static void until_info(natskit_conn conn, const char *path, uint64_t wanted)
{
    int64_t deadline = ts_now_ms() + WAIT_MS;
    uint64_t got = info(conn, path);
    while (got != wanted && ts_now_ms() < deadline) {
        ts_pause_ms(5);
        got = info(conn, path);
    }
    assert_int_equal(got, wanted);
}

/* A new stream with these numbers as its messages, and a consumer "c" of it. In memory: the files of a stream
 * that was deleted may still be there when the next one of that name is made. */
static void make_in(natskit_conn conn, const char *storage, int messages, const char *ack_wait)
{
    char body[300];
    assert_ok(natskit_json_close(call(conn, "$JS.API.STREAM.DELETE." STREAM, "")));
    (void)snprintf(body, sizeof body, "{\"name\":\"" STREAM "\",\"subjects\":[\"s\"],\"storage\":\"%s\"}",
                   storage);
    must(conn, "$JS.API.STREAM.CREATE." STREAM, body);
    (void)snprintf(body, sizeof body,
                   "{\"stream_name\":\"" STREAM
                   "\",\"config\":{\"durable_name\":\"c\",\"ack_policy\":\"explicit\","
                   "\"ack_wait\":%s}}",
                   ack_wait);
    must(conn, "$JS.API.CONSUMER.DURABLE.CREATE." STREAM ".c", body);
    for (int i = 1; i <= messages; i++) {
        (void)snprintf(body, sizeof body, "%d", i);
        must(conn, "s", body);
    }
    until_info(conn, "/num_pending", (uint64_t)messages); /* the consumer learns of them a little later */
}

static void make(natskit_conn conn, int messages, const char *ack_wait)
{
    make_in(conn, "memory", messages, ack_wait);
}

/* Asks the consumer for its next message, on an inbox of its own: it comes with the subject that it was
 * published to, not with that of the inbox. */
static natskit_op ask(natskit_conn conn, const char *body)
{
    natskit_op op;
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_REQUEST, &options));
    assert_ok(natskit_options_set_int(options, "own_sub", Z, 1, NULL));
    assert_ok(natskit_request_start(conn, "$JS.API.CONSUMER.MSG.NEXT." STREAM ".c", Z, NO_HEADERS, body, Z,
                                    options, WAIT_MS, &op, NULL));
    assert_ok(natskit_options_close(options));
    return op;
}

static natskit_msg *answer(natskit_op op)
{
    natskit_msg *msg;
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_take_msg(op, &msg));
    assert_ok(natskit_op_close(op));
    return msg;
}

static natskit_msg *fetch(natskit_conn conn)
{
    return answer(ask(conn, "{\"batch\":1,\"expires\":20000000000}"));
}

/* There is none at present. */
static void expect_none(natskit_conn conn)
{
    natskit_msg *msg = answer(ask(conn, "{\"batch\":1,\"no_wait\":true}"));
    natskit_message_view view;
    assert_ok(natskit_msg_view(msg, &view, sizeof view));
    assert_int_equal(view.status_code, 404);
    natskit_delivery_view delivery;
    assert_status(natskit_msg_delivery(msg, &delivery, sizeof delivery), NATSKIT_NOT_JS_MESSAGE);
    assert_status(natskit_msg_ack(msg), NATSKIT_NOT_JS_MESSAGE);
    assert_ok(natskit_msg_release(msg));
}

static natskit_delivery_view delivery_of(const natskit_msg *msg)
{
    natskit_delivery_view view;
    assert_ok(natskit_msg_delivery(msg, &view, sizeof view));
    return view;
}

static void expect_delivery(const natskit_msg *msg, uint64_t stream_seq, uint64_t delivered)
{
    natskit_delivery_view view = delivery_of(msg);
    assert_int_equal(view.stream_len, 1);
    assert_memory_equal(view.stream, STREAM, 1);
    assert_memory_equal(view.consumer, "c", view.consumer_len);
    assert_int_equal(view.stream_seq, stream_seq);
    assert_int_equal(view.delivered, delivered);
    assert_int_equal(view.redelivered, delivered > 1);
}

static void release(natskit_msg *msg)
{
    assert_ok(natskit_msg_release(msg));
}

/* -- each kind ------------------------------------------------------------------------------------------- */

static void test_ack(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    make(conn, 3, LONG_ACK_WAIT);
    natskit_msg *first = fetch(conn);
    natskit_msg *second = fetch(conn);
    expect_delivery(first, 1, 1);
    expect_delivery(second, 2, 1);
    assert_int_equal(delivery_of(second).pending, 1);
    assert_int_equal(delivery_of(second).consumer_seq, 2);
    assert_true(delivery_of(second).time_ns >= delivery_of(first).time_ns);
    assert_int_equal(info(conn, "/num_ack_pending"), 2);
    assert_ok(natskit_msg_ack(first));
    assert_status(natskit_msg_ack(first), NATSKIT_ALREADY_ACKED);
    assert_status(natskit_msg_nak(first, 0), NATSKIT_ALREADY_ACKED);
    until_info(conn, "/num_ack_pending", 1);
    until_info(conn, "/ack_floor/stream_seq", 1);
    assert_ok(natskit_msg_ack(second));
    until_info(conn, "/ack_floor/stream_seq", 2);
    release(first);
    release(second);
    natskit_msg *third = fetch(conn);
    expect_delivery(third, 3, 1); /* and not the first once more: its nak was not sent */
    assert_ok(natskit_msg_ack(third));
    until_info(conn, "/num_ack_pending", 0);
    expect_none(conn);
    release(third);
    assert_ok(natskit_conn_close(conn, 1000));
}

static void test_nak(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    make(conn, 2, LONG_ACK_WAIT);
    natskit_msg *msg = fetch(conn);
    assert_ok(natskit_msg_nak(msg, 0));
    release(msg);
    msg = fetch(conn);
    natskit_msg *other = fetch(conn);
    uint64_t of_first = delivery_of(msg).stream_seq;
    assert_int_equal(of_first + delivery_of(other).stream_seq, 3);
    expect_delivery(of_first == 1 ? msg : other, 1, 2);
    expect_delivery(of_first == 1 ? other : msg, 2, 1);
    assert_int_equal(info(conn, "/num_redelivered"), 1);
    assert_ok(natskit_msg_ack(msg));
    assert_ok(natskit_msg_ack(other));
    until_info(conn, "/num_ack_pending", 0);
    release(msg);
    release(other);
    assert_ok(natskit_conn_close(conn, 1000));
}

static void test_nak_with_delay(void **state)
{
    (void)state;
    enum { DELAY_MS = 400 };
    natskit_conn conn = bench_connect();
    make(conn, 1, LONG_ACK_WAIT);
    natskit_msg *msg = fetch(conn);
    int64_t begin = ts_now_ms();
    assert_ok(natskit_msg_nak(msg, DELAY_MS));
    release(msg);
    msg = fetch(conn);
    assert_true(ts_now_ms() - begin >= DELAY_MS - 20); /* the clocks of two processes */
    expect_delivery(msg, 1, 2);
    assert_ok(natskit_msg_ack(msg));
    until_info(conn, "/ack_floor/stream_seq", 1);
    release(msg);
    assert_ok(natskit_conn_close(conn, 1000));
}

/* Two messages of which the first is told to be in progress, and the second is not: that comes again, and the
 * first does not, although it was delivered before. */
static void test_in_progress(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    make(conn, 2, SHORT_ACK_WAIT);
    natskit_msg *first = fetch(conn);
    natskit_msg *second = fetch(conn);
    natskit_op op = ask(conn, "{\"batch\":1,\"expires\":20000000000}");
    natskit_status status;
    do {
        assert_ok(natskit_msg_in_progress(first));
        status = natskit_op_wait(op, 50);
    } while (status == NATSKIT_TIMEOUT);
    assert_ok(status);
    natskit_msg *again = answer(op);
    expect_delivery(again, 2, 2);
    assert_ok(natskit_msg_ack(first));
    assert_ok(natskit_msg_ack(again));
    until_info(conn, "/num_ack_pending", 0);
    release(first);
    release(second);
    release(again);
    assert_ok(natskit_conn_close(conn, 1000));
}

static void test_term(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    natskit_sub advisories =
        bench_subscribe(conn, "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED." STREAM ".c", "");
    make(conn, 2, LONG_ACK_WAIT);
    static const char *const reasons[] = {"", "no such \xc3\xa4rticle: 12"};
    for (size_t i = 0; i < 2; i++) {
        natskit_msg *msg = fetch(conn);
        natskit_msg *advisory;
        natskit_message_view view;
        natskit_json json;
        char text[100];
        size_t len = 0;
        uint64_t seq;
        assert_ok(natskit_msg_term(msg, reasons[i], Z));
        assert_status(natskit_msg_ack(msg), NATSKIT_ALREADY_ACKED);
        assert_ok(natskit_sub_next(advisories, WAIT_MS, &advisory));
        assert_ok(natskit_msg_view(advisory, &view, sizeof view));
        assert_ok(natskit_json_parse(view.data, view.data_len, &json, NULL));
        assert_ok(natskit_json_get_uint(json, "/stream_seq", Z, &seq, NULL));
        assert_int_equal(seq, i + 1);
        natskit_status found = natskit_json_get_string(json, "/reason", Z, text, sizeof text, &len, NULL);
        assert_status(found, i == 0 ? NATSKIT_NOT_FOUND : NATSKIT_OK);
        assert_int_equal(len, strlen(reasons[i]));
        assert_memory_equal(text, reasons[i], len);
        assert_ok(natskit_json_close(json));
        release(advisory);
        release(msg);
        until_info(conn, "/ack_floor/stream_seq", i + 1);
    }
    expect_none(conn);
    assert_ok(natskit_conn_close(conn, 1000));
}

/* When a confirmed ack has returned, the server has it: nothing is to be waited for. */
static void test_confirmed(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    make(conn, 2, LONG_ACK_WAIT);
    natskit_msg *msg = fetch(conn);
    assert_ok(natskit_msg_ack_confirm(msg, WAIT_MS, NULL));
    assert_int_equal(info(conn, "/ack_floor/stream_seq"), 1);
    assert_int_equal(delivery_of(msg).acked, 1);
    assert_status(natskit_msg_ack_confirm(msg, WAIT_MS, NULL), NATSKIT_ALREADY_ACKED);
    release(msg);

    natskit_op op;
    natskit_msg *reply;
    natskit_message_view view;
    msg = fetch(conn);
    assert_ok(natskit_msg_ack_confirm_start(msg, NO_OPTIONS, WAIT_MS, &op, NULL));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_take_msg(op, &reply));
    assert_ok(natskit_msg_view(reply, &view, sizeof view));
    assert_int_equal(view.data_len, 0);
    assert_int_equal(info(conn, "/ack_floor/stream_seq"), 2);
    assert_status(natskit_msg_ack(msg), NATSKIT_ALREADY_ACKED);
    assert_ok(natskit_op_close(op));
    release(reply);
    release(msg);
    assert_ok(natskit_conn_close(conn, 1000));
}

/* By a push consumer, whose messages come to a plain subscription. */
static void test_batch_of_push_consumer(void **state)
{
    (void)state;
    enum { COUNT = 100 };
    natskit_conn conn = bench_connect();
    natskit_msg *msgs[COUNT];
    size_t got = 0;
    size_t acked;
    natskit_sub sub = bench_subscribe(conn, "delivered", "");
    make(conn, COUNT, LONG_ACK_WAIT);
    must(conn, "$JS.API.CONSUMER.DELETE." STREAM ".c", "");
    must(conn, "$JS.API.CONSUMER.DURABLE.CREATE." STREAM ".c",
         "{\"stream_name\":\"" STREAM "\",\"config\":{\"durable_name\":\"c\",\"ack_policy\":\"explicit\","
         "\"deliver_subject\":\"delivered\",\"ack_wait\":" LONG_ACK_WAIT "}}");
    while (got < COUNT) {
        size_t count;
        assert_ok(natskit_sub_next_batch(sub, msgs + got, COUNT - got, WAIT_MS, &count));
        got += count;
    }
    for (size_t i = 0; i < COUNT; i++) {
        expect_delivery(msgs[i], i + 1, 1);
    }
    assert_int_equal(info(conn, "/num_ack_pending"), COUNT);
    assert_ok(natskit_ack_batch(msgs, COUNT, &acked));
    assert_int_equal(acked, COUNT);
    until_info(conn, "/num_ack_pending", 0);
    assert_int_equal(info(conn, "/ack_floor/stream_seq"), COUNT);
    assert_ok(natskit_msg_release_batch(msgs, COUNT));
    assert_ok(natskit_conn_close(conn, 1000));
}

static natskit_conn connect_to(const struct ts_server *server, natskit_options options)
{
    natskit_conn conn;
    assert_ok(natskit_connect(ts_server_url(server), Z, options, WAIT_MS, &conn, NULL));
    return conn;
}

/* -- without a connection -------------------------------------------------------------------------------- */

/* Waits until the API knows the consumer again after a restart. */
static void until_api(natskit_conn conn)
{
    int64_t deadline = ts_now_ms() + WAIT_MS;
    bool there = false;
    while (!there && ts_now_ms() < deadline) {
        natskit_msg *reply;
        natskit_message_view view;
        natskit_status status = natskit_request(conn, "$JS.API.CONSUMER.INFO." STREAM ".c", Z, NO_HEADERS, "",
                                                0, 1000, &reply, NULL);
        if (status == NATSKIT_OK) {
            assert_ok(natskit_msg_view(reply, &view, sizeof view));
            there = memmem(view.data, view.data_len, "\"error\":", 8) == NULL;
            release(reply);
        }
        if (!there) {
            ts_pause_ms(5);
        }
    }
    assert_true(there);
}

/* Acks that are sent while the connection is lost wait in the outbox; one that may not wait does not count,
 * and neither does one that was to be confirmed. */
static void test_while_disconnected(void **state)
{
    (void)state;
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    assert_ok(natskit_options_set_int(options, "reconnect_buffer_bytes", Z, 0, NULL));
    struct ts_server *server = ts_server_start(NULL); /* its own, on which no stream was deleted */
    assert_non_null(server);
    natskit_conn conn = connect_to(server, NO_OPTIONS);
    natskit_conn strict = connect_to(server, options);
    natskit_sub events;
    natskit_sub strict_events;
    natskit_error err;
    assert_ok(natskit_options_close(options));
    assert_ok(natskit_conn_events(conn, NO_OPTIONS, &events, NULL));
    assert_ok(natskit_conn_events(strict, NO_OPTIONS, &strict_events, NULL));
    make_in(conn, "file", 3, LONG_ACK_WAIT);
    natskit_msg *kept = fetch(conn);
    natskit_msg *asked = fetch(conn);
    natskit_msg *refused = fetch(strict);
    ts_server_stop(server);
    bench_expect_event(events, NATSKIT_EVENT_DISCONNECTED);
    bench_expect_event(strict_events, NATSKIT_EVENT_DISCONNECTED);
    assert_ok(natskit_msg_ack(kept));
    assert_status(natskit_msg_ack(kept), NATSKIT_ALREADY_ACKED);
    assert_status(natskit_msg_ack(refused), NATSKIT_DISCONNECTED);
    assert_int_equal(delivery_of(refused).acked, 0);
    assert_true(natskit_msg_ack_confirm(asked, 1, &err) != NATSKIT_OK);
    assert_int_equal(delivery_of(asked).acked, 0);
    assert_true(ts_server_restart(server));
    bench_expect_event(events, NATSKIT_EVENT_RECONNECTED);
    bench_expect_event(strict_events, NATSKIT_EVENT_RECONNECTED);
    until_api(conn);
    until_api(strict);
    assert_ok(natskit_msg_ack(refused));
    assert_ok(natskit_msg_ack_confirm(asked, WAIT_MS, &err));
    until_info(conn, "/num_ack_pending", 0);
    assert_int_equal(info(conn, "/ack_floor/stream_seq"), 3);
    release(kept);
    release(asked);
    release(refused);
    assert_ok(natskit_conn_close(strict, 1000));
    assert_ok(natskit_conn_close(conn, 1000));
    ts_server_free(server);
}

/* -- subjects that tell more ----------------------------------------------------------------------------- */

static void test_long_subjects(void **state)
{
    (void)state;
    const struct ts_server_opts opts = {.extra = "feature_flags { js_ack_fc_v2: true }\n"};
    struct ts_server *server = ts_server_start(&opts);
    assert_non_null(server);
    natskit_conn conn = connect_to(server, NO_OPTIONS);
    make(conn, 4, LONG_ACK_WAIT);
    natskit_msg *msgs[4];
    for (size_t i = 0; i < 4; i++) {
        msgs[i] = fetch(conn);
        expect_delivery(msgs[i], i + 1, 1);
        natskit_delivery_view view = delivery_of(msgs[i]);
        assert_true(view.account_len > 0);
        assert_int_equal(view.domain_len, 0);
        assert_int_equal(view.pending, 3 - i);
    }
    size_t acked;
    assert_ok(natskit_msg_ack(msgs[0]));
    assert_ok(natskit_msg_ack_confirm(msgs[1], WAIT_MS, NULL));
    assert_ok(natskit_ack_batch(msgs + 2, 1, &acked));
    until_info(conn, "/ack_floor/stream_seq", 3);
    assert_ok(natskit_msg_nak(msgs[3], 0));
    natskit_msg *again = fetch(conn);
    expect_delivery(again, 4, 2);
    assert_ok(natskit_msg_term(again, "enough", Z));
    until_info(conn, "/num_ack_pending", 0);
    release(again);
    assert_ok(natskit_msg_release_batch(msgs, 4));
    assert_ok(natskit_conn_close(conn, 1000));
    ts_server_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ack),
        cmocka_unit_test(test_nak),
        cmocka_unit_test(test_nak_with_delay),
        cmocka_unit_test(test_in_progress),
        cmocka_unit_test(test_term),
        cmocka_unit_test(test_confirmed),
        cmocka_unit_test(test_batch_of_push_consumer),
        cmocka_unit_test(test_while_disconnected),
        cmocka_unit_test(test_long_subjects),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
