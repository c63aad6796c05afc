/* A connected engine and a server that does not keep to the protocol, or does in unusual ways: catalogue B, C
 * and D of the faults as far as this layer decides, and what came out of the simulator. */
#include "rig.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>

static const char one_server[] = "nats://a:4222";
static const size_t steps[] = {1, 2, 5, 1000000};

enum verdict { LOST, IGNORED, DELIVERED };

/* What the server says while sid 1 is subscribed to "s", and what comes of it. */
static const struct row {
    const char *name;
    const char *text;
    enum verdict verdict;
    int32_t status;   /* LOST: of the event */
    const char *data; /* DELIVERED */
} rows[] = {
    {"size -5", "MSG s 1 -5\r\n", LOST, NKI_PROTOCOL, NULL},
    {"size over 2^64", "MSG s 1 18446744073709551617\r\n", LOST, NKI_PROTOCOL, NULL},
    {"size 2147483647", "MSG s 1 2147483647\r\n", LOST, NKI_PROTOCOL, NULL},
    {"size 2^32 + 5", "MSG s 1 4294967301\r\nhello\r\n", LOST, NKI_PROTOCOL, NULL},
    {"sid over 2^64", "MSG s 18446744073709551617 1\r\nx\r\n", LOST, NKI_PROTOCOL, NULL},
    {"unknown sid", "MSG s 77 1\r\nx\r\n", IGNORED, 0, NULL},
    {"sid 0", "MSG 2_x 0 1\r\nx\r\n", LOST, NKI_PROTOCOL, NULL},
    {"sid not a number", "MSG s one 1\r\nx\r\n", LOST, NKI_PROTOCOL, NULL},
    {"no size", "MSG s 1\r\n", LOST, NKI_PROTOCOL, NULL},
    {"no arguments", "MSG\r\n", LOST, NKI_PROTOCOL, NULL},
    {"too many arguments", "MSG s 1 r 1 1\r\nx\r\n", LOST, NKI_PROTOCOL, NULL},
    {"payload longer than declared", "MSG s 1 1\r\nxy\r\n", LOST, NKI_PROTOCOL, NULL},
    {"payload without CRLF", "MSG s 1 1\r\nx\n\r\n", LOST, NKI_PROTOCOL, NULL},
    {"empty payload", "MSG s 1 0\r\n\r\n", DELIVERED, 0, ""},
    {"arguments on the next line", "MSG\r\ns 1 1\r\nx\r\n", LOST, NKI_PROTOCOL, NULL},
    {"size +5", "MSG s 1 +5\r\nhello\r\n", LOST, NKI_PROTOCOL, NULL},
    {"size 5x", "MSG s 1 5x\r\nhello\r\n", LOST, NKI_PROTOCOL, NULL},
    {"size 0x5", "MSG s 1 0x5\r\nhello\r\n", LOST, NKI_PROTOCOL, NULL},
    {"size 05", "MSG s 1 05\r\nhello\r\n", LOST, NKI_PROTOCOL, NULL},
    {"unknown operation", "HELLO\r\n", LOST, NKI_PROTOCOL, NULL},
    {"an empty line", "\r\n", LOST, NKI_PROTOCOL, NULL},
    {"an operation of the client", "PUB s 1\r\nx\r\n", LOST, NKI_PROTOCOL, NULL},
    {"lower case", "msg s 1 1\r\nx\r\n", LOST, NKI_PROTOCOL, NULL},
    {"subject not UTF-8", "MSG s\xff\xfe 1 1\r\nx\r\n", DELIVERED, 0, "x"},
    {"a message with a reply", "MSG s 1 re.ply 2\r\nhi\r\n", DELIVERED, 0, "hi"},
    {"tabs and blanks", "MSG \ts  1\t 2\r\nhi\r\n", DELIVERED, 0, "hi"},
    {"an unsolicited PONG", "PONG\r\nPONG\r\n", IGNORED, 0, NULL},
    {"+OK", "+OK\r\n", IGNORED, 0, NULL},
    {"header size over the size", "HMSG s 1 20 12\r\nNATS/1.0\r\n\r\n\r\n", LOST, NKI_PROTOCOL, NULL},
    {"header size not a number", "HMSG s 1 a 12\r\nNATS/1.0\r\n\r\n\r\n", LOST, NKI_PROTOCOL, NULL},
    {"headers and data", "HMSG s 1 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n", DELIVERED, 0, "hi"},
    {"folded and repeated headers", "HMSG s 1 31 32\r\nNATS/1.0\r\nA: b\r\n c\r\na:d\r\nA:\r\n\r\nx\r\n",
     DELIVERED, 0, "x"},
    {"a header block of another client's making", "HMSG s 1 12 13\r\nXATS/1.0\r\n\r\ny\r\n", DELIVERED, 0,
     "y"},
    {"a broken INFO", "INFO {\r\n", IGNORED, 0, NULL},
    {"INFO is an array", "INFO []\r\n", IGNORED, 0, NULL},
    {"an empty INFO", "INFO {}\r\n", IGNORED, 0, NULL},
    {"INFO of a wrong type", "INFO {\"max_payload\":\"x\"}\r\n", IGNORED, 0, NULL},
    {"connect_urls of a wrong type", "INFO {\"connect_urls\":[1,2,{}]}\r\n", IGNORED, 0, NULL},
    {"an exponent bomb", "INFO {\"max_payload\":1e999999999}\r\n", IGNORED, 0, NULL},
    {"an error without text", "-ERR\r\n", LOST, NKI_SERVER_ERROR, NULL},
    {"an error with an empty text", "-ERR ''\r\n", LOST, NKI_SERVER_ERROR, NULL},
    {"an error not UTF-8", "-ERR '\xff\xfe'\r\n", LOST, NKI_SERVER_ERROR, NULL},
    {"a stale connection", "-ERR 'Stale Connection'\r\n", LOST, NKI_STALE, NULL},
    {"maximum payload", "-ERR 'Maximum Payload Violation'\r\n", LOST, NKI_SERVER_ERROR, NULL},
    {"authentication expired", "-ERR 'User Authentication Expired'\r\n", LOST, NKI_AUTH_EXPIRED, NULL},
    {"account expired", "-ERR 'Account Authentication Expired'\r\n", LOST, NKI_AUTH_EXPIRED, NULL},
    {"revoked", "-ERR 'User Authentication Revoked'\r\n", LOST, NKI_AUTH_REVOKED, NULL},
    {"too many connections", "-ERR 'maximum connections exceeded'\r\n", LOST, NKI_SERVER_LIMIT, NULL},
    {"publishing is denied", "-ERR 'Permissions Violation for Publish to \"p\"'\r\n", IGNORED, 0, NULL},
    {"another subscription is denied", "-ERR 'Permissions Violation for Subscription to \"q\"'\r\n", IGNORED,
     0, NULL},
    {"too many subscriptions", "-ERR 'maximum subscriptions exceeded'\r\n", IGNORED, 0, NULL},
};

/* The subscription gets what is sent for it, on this transport or, after the handshake, on the next. */
static void probe(struct rig *rig, struct nki_sub *sub)
{
    char data[64];
    if (!rig_connected(rig)) {
        rig_hello(rig);
        assert_true(rig_wrote(rig, "SUB s 1\r\n"));
    }
    rig_say(rig, "MSG s 1 5\r\nprobe\r\n");
    assert_true(rig_take(sub, data, sizeof data));
    assert_string_equal(data, "probe");
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        for (size_t j = 0; j < NKI_ARRAY_LEN(steps); j++) {
            const struct row *row = &rows[i];
            char data[64];
            struct rig *rig = rig_new(one_server, NULL, 5000);
            rig_hello(rig);
            struct nki_sub *sub = rig_subscribe(rig, "s", 0);
            rig_say_bytes(rig, row->text, strlen(row->text), steps[j]);
            bool lost = rig_event_count(rig, NKI_EVENT_DISCONNECTED) > 0;
            if (lost != (row->verdict == LOST)) {
                fail_msg("%s, in pieces of %zu: %s", row->name, steps[j], lost ? "lost" : "not lost");
            }
            assert_int_equal(lost ? rig_event(rig, NKI_EVENT_DISCONNECTED)->status : 0, row->status);
            if (row->status == NKI_PROTOCOL) {
                assert_non_null(strstr(rig_event(rig, NKI_EVENT_DISCONNECTED)->text, "byte "));
            }
            bool got = rig_take(sub, data, sizeof data);
            assert_int_equal(got, row->verdict == DELIVERED);
            if (got) {
                assert_string_equal(data, row->data);
            }
            assert_int_equal(rig_end_reason(sub), 0);
            probe(rig, sub);
            nki_sub_release(sub);
            rig_free(rig);
        }
    }
}

static void test_long_things_are_bounded(void **state)
{
    (void)state;
    static const char *const begins[] = {"MSG ", "-ERR '", "PONG ", "MSG s 1 ", "HMSG s 1 1 "};
    char piece[1024];
    memset(piece, 'y', sizeof piece);
    for (size_t i = 0; i < NKI_ARRAY_LEN(begins); i++) {
        struct rig *rig = rig_new(one_server, NULL, 5000);
        rig_hello(rig);
        struct nki_sub *sub = rig_subscribe(rig, "s", 0);
        rig_say(rig, begins[i]);
        size_t said = 0;
        while (rig->dials == 1 && said < NKI_MIB) {
            rig_say_bytes(rig, piece, sizeof piece, sizeof piece);
            said += sizeof piece;
        }
        assert_true(said <= 66 * NKI_KIB);
        probe(rig, sub);
        nki_sub_release(sub);
        rig_free(rig);
    }
}

static void test_pings_without_end(void **state)
{
    (void)state;
    struct rig *rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    rig->written.len = 0;
    for (int i = 0; i < 100000; i++) {
        rig_say(rig, "PING\r\n");
    }
    assert_int_equal(rig->written.len, 600000);
    rig_free(rig);

    /* One that asks but does not read. */
    static const char *const settings[] = {"outbox_bytes", "65536", NULL};
    rig = rig_new(one_server, settings, 5000);
    rig_hello(rig);
    rig->deaf = true;
    struct ts_buf pings = {0};
    for (int i = 0; i < 10000; i++) {
        ts_buf_printf(&pings, "PING\r\n");
    }
    for (int i = 0; i < 10; i++) {
        rig_say_bytes(rig, pings.at, pings.len, pings.len);
    }
    assert_true(rig->engine.outbox.bytes < 256 * NKI_KIB);
    ts_buf_free(&pings);
    rig_free(rig);
}

static void test_a_late_pong_ends_no_other_flush(void **state)
{
    (void)state;
    struct rig *rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    struct nki_op *first = rig_flush(rig, 1000);
    rig_pass(rig, 999);
    assert_int_equal(nki_op_result(first, NULL, NULL), NKI_PENDING);
    rig_pass(rig, 1);
    assert_int_equal(rig_op_status(first), NKI_TIMEOUT);
    struct nki_op *second = rig_flush(rig, 1000);
    rig_say(rig, "PONG\r\n");
    assert_int_equal(nki_op_result(second, NULL, NULL), NKI_PENDING);
    rig_say(rig, "PONG\r\n");
    assert_int_equal(rig_op_status(second), NKI_OK);
    rig_free(rig);
}

static void test_denied_subscriptions(void **state)
{
    (void)state;
    struct rig *rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    struct nki_sub *sub = rig_subscribe(rig, "no.way", 0);
    struct nki_sub *other = rig_subscribe(rig, "no.way.either", 0);
    rig_say(rig, "-ERR 'Permissions Violation for Subscription to \"no.way\"'\r\n");
    assert_int_equal(rig_end_reason(sub), NKI_PERMISSION);
    assert_int_equal(rig_end_reason(other), 0);
    assert_string_equal(rig_event(rig, NKI_EVENT_ASYNC_ERROR)->subject, "no.way");
    assert_int_equal(rig_event(rig, NKI_EVENT_ASYNC_ERROR)->status, NKI_PERMISSION);
    rig_eof(rig);
    rig_hello(rig);
    assert_false(rig_wrote(rig, "SUB no.way 1\r\n"));
    assert_true(rig_wrote(rig, "SUB no.way.either 2\r\n"));
    nki_sub_release(sub);
    nki_sub_release(other);
    rig_free(rig);
}

/* Denying the inbox of replies ends the requests, but a flush stands for a PONG that is still to come. */
static void test_a_denied_inbox_leaves_flushes_in_step(void **state)
{
    (void)state;
    char reply[400];
    struct rig *rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    struct nki_op *request = rig_request(rig, 1000, reply, sizeof reply);
    struct nki_op *first = rig_flush(rig, 1000);
    struct ts_buf denial = {0};
    ts_buf_printf(&denial, "-ERR 'Permissions Violation for Subscription to \"%.*s*\"'\r\n",
                  (int)rig->engine.replies.prefix_len, rig->engine.replies.prefix);
    rig_say_bytes(rig, denial.at, denial.len, denial.len);
    assert_int_equal(rig_op_status(request), NKI_PERMISSION);
    assert_int_equal(nki_op_result(first, NULL, NULL), NKI_PENDING);
    struct nki_op *second = rig_flush(rig, 1000);
    rig_say(rig, "PONG\r\n");
    assert_int_equal(rig_op_status(first), NKI_OK);
    assert_int_equal(nki_op_result(second, NULL, NULL), NKI_PENDING);
    rig_say(rig, "PONG\r\n");
    assert_int_equal(rig_op_status(second), NKI_OK);
    /* The next request asks again. */
    rig->written.len = 0;
    request = rig_request(rig, 1000, reply, sizeof reply);
    assert_true(rig_wrote(rig, "SUB _INBOX."));
    nki_engine_cancel(&rig->engine, request);
    nki_op_release(request);
    ts_buf_free(&denial);
    rig_free(rig);
}

static void test_requests(void **state)
{
    (void)state;
    char replies[4][400];
    struct nki_op *ops[4];
    struct rig *rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    for (size_t i = 0; i < 4; i++) {
        ops[i] = rig_request(rig, 1000, replies[i], sizeof replies[i]);
    }
    struct ts_buf text = {0};
    uint64_t sid = rig->engine.replies.sid;
    ts_buf_printf(&text, "MSG %s %d 1\r\nc\r\n", replies[2], (int)sid);
    ts_buf_printf(&text, "HMSG %s %d 16 16\r\nNATS/1.0 503\r\n\r\n\r\n", replies[1], (int)sid);
    ts_buf_printf(&text, "MSG %s %d 1\r\nd\r\n", replies[2], (int)sid); /* again: late */
    ts_buf_printf(&text, "MSG %sx %d 1\r\nd\r\n", replies[0], (int)sid);
    ts_buf_printf(&text, "MSG x %d 1\r\nd\r\n", (int)sid);
    rig_say_bytes(rig, text.at, text.len, 3);
    assert_int_equal(nki_op_result(ops[0], NULL, NULL), NKI_PENDING);
    assert_int_equal(rig_op_status(ops[1]), NKI_NO_RESPONDERS);
    struct nki_msg *msg;
    assert_int_equal(nki_op_take_msg(ops[2], &msg), NKI_OK);
    assert_true(nki_str_eq(nki_msg_data(msg), NKI_STR("c")));
    nki_msg_release(msg);
    assert_int_equal(nki_op_take_msg(ops[2], &msg), NKI_NOT_FOUND);
    nki_op_release(ops[2]);
    assert_int_equal(rig->engine.replies.late, 3);
    rig_pass(rig, 1000);
    assert_int_equal(rig_op_status(ops[0]), NKI_TIMEOUT);
    assert_int_equal(rig_op_status(ops[3]), NKI_TIMEOUT);
    assert_int_equal(rig->engine.replies.used, 0);
    ts_buf_free(&text);
    rig_free(rig);
}

/* A message of which only the begin arrived counts for nobody: the new server is asked for all that is
 * missing. */
static void test_a_limit_across_a_cut_message(void **state)
{
    (void)state;
    static const char message[] = "MSG s 1 5\r\nhello\r\n";
    for (size_t cut = 0; cut < sizeof message - 1; cut++) {
        char data[64];
        struct rig *rig = rig_new(one_server, NULL, 5000);
        rig_hello(rig);
        struct nki_sub *sub = rig_subscribe(rig, "s", 2);
        rig_say(rig, message);
        rig_say_bytes(rig, message, cut, 1000);
        rig_eof(rig);
        rig_hello(rig);
        assert_true(rig_wrote(rig, "SUB s 1\r\nUNSUB 1 1\r\n"));
        assert_int_equal(rig_end_reason(sub), 0);
        rig_say(rig, message);
        assert_int_equal(rig_end_reason(sub), NKI_MAX_REACHED);
        rig_say(rig, message);
        assert_true(rig_take(sub, data, sizeof data));
        assert_true(rig_take(sub, data, sizeof data));
        assert_false(rig_take(sub, data, sizeof data));
        assert_int_equal(rig->engine.counts.orphan_msgs, 1);
        nki_sub_release(sub);
        rig_free(rig);
    }
}

static void test_limits_set_while_a_message_comes(void **state)
{
    (void)state;
    char data[64];
    struct rig *rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    struct nki_sub *sub = rig_subscribe(rig, "s", 0);
    rig_say(rig, "MSG s 1 5\r\nhel");
    assert_int_equal(nki_engine_unsubscribe(&rig->engine, sub, 1), NKI_OK);
    assert_int_equal(rig_end_reason(sub), 0);
    assert_int_equal(nki_engine_unsubscribe(&rig->engine, sub, 9), NKI_OK); /* never raised */
    rig_settle(rig);
    assert_false(rig_wrote(rig, "UNSUB 1 9\r\n"));
    rig_say(rig, "lo\r\n");
    assert_true(rig_take(sub, data, sizeof data));
    assert_string_equal(data, "hello");
    assert_int_equal(rig_end_reason(sub), NKI_MAX_REACHED);
    nki_sub_release(sub);

    sub = rig_subscribe(rig, "s", 0);
    rig_say(rig, "MSG s 2 5\r\nhel");
    assert_int_equal(nki_engine_unsubscribe(&rig->engine, sub, 0), NKI_OK);
    rig_say(rig, "lo\r\n");
    assert_false(rig_take(sub, data, sizeof data));
    assert_int_equal(rig->engine.counts.orphan_msgs, 1);
    nki_sub_release(sub);
    rig_free(rig);
}

static void test_events_with_a_limit(void **state)
{
    (void)state;
    struct rig *rig = rig_new(one_server, NULL, 5000);
    struct nki_sub_params params = {.subject = NKI_STR(""), .limits = {10, UINT64_MAX / 2}};
    struct nki_sub *events = nki_sub_new(&params);
    nki_subs_add_events(&rig->engine.subs, events);
    assert_int_equal(nki_engine_unsubscribe(&rig->engine, events, 2), NKI_OK);
    rig_hello(rig);
    assert_int_equal(rig_end_reason(events), 0);
    rig_eof(rig);
    assert_int_equal(rig_end_reason(events), NKI_MAX_REACHED);
    struct nki_inlet_stats stats;
    nki_inlet_stats_get(&events->inlet, &stats);
    assert_int_equal(stats.received, 2);
    nki_sub_release(events);
    rig_free(rig);
}

/* Drops in the very read that ends a subscription are counted and told of as others are. */
static void test_drops_at_the_limit_are_told_of(void **state)
{
    (void)state;
    struct rig *rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    struct nki_sub_params params = {
        .subject = NKI_STR("s"), .queue = NKI_STR(""), .limits = {2, UINT64_MAX / 2}, .max = 5};
    struct nki_sub *sub = nki_sub_new(&params);
    assert_int_equal(nki_engine_subscribe(&rig->engine, sub), NKI_OK);
    rig_settle(rig);
    rig_say(rig,
            "MSG s 1 1\r\na\r\nMSG s 1 1\r\nb\r\nMSG s 1 1\r\nc\r\nMSG s 1 1\r\nd\r\nMSG s 1 1\r\ne\r\n");
    assert_int_equal(rig_end_reason(sub), NKI_MAX_REACHED);
    assert_int_equal(rig->engine.counts.dropped_msgs, 3);
    assert_int_equal(rig_event(rig, NKI_EVENT_SLOW_CONSUMER)->count, 3);
    nki_sub_release(sub);
    rig_free(rig);
}

static bool refuse_blocks(size_t size)
{
    return size < 64 * NKI_KIB;
}

/* Messages that find no memory are dropped, counted, and told of once for each episode. */
static void test_messages_without_memory(void **state)
{
    (void)state;
    char data[64];
    struct rig *rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    struct nki_sub *sub = rig_subscribe(rig, "s", 0);
    nki_alloc_gate_set(refuse_blocks);
    rig_say(rig, "MSG s 1 1\r\na\r\nMSG s 1 1\r\nb\r\n");
    rig_say_bytes(rig, "MSG s 1 1\r\nc\r\n", 14, 1);
    nki_alloc_gate_set(NULL);
    assert_int_equal(rig->engine.counts.dropped_msgs, 3);
    assert_int_equal(rig_event_count(rig, NKI_EVENT_SLOW_CONSUMER), 1);
    struct nki_inlet_stats stats;
    nki_inlet_stats_get(&sub->inlet, &stats);
    assert_int_equal(stats.received, 3);
    assert_int_equal(stats.dropped_msgs, 3);
    rig_say(rig, "MSG s 1 1\r\nd\r\n");
    assert_true(rig_take(sub, data, sizeof data));
    assert_string_equal(data, "d");
    nki_sub_release(sub);
    rig_free(rig);
}

static struct nki_op *linger(struct rig *rig, int64_t ms)
{
    struct nki_op *op = nki_op_new();
    nki_op_retain(op);
    nki_engine_close_linger(&rig->engine, op, rig->now_ns + RIG_MS(ms), rig->now_ns);
    rig_settle(rig);
    return op;
}

static void test_closing_waits_for_what_was_published(void **state)
{
    (void)state;
    /* Connected. */
    struct rig *rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    rig_publish(rig, "a", "1");
    struct nki_op *op = linger(rig, 1000);
    assert_int_equal(nki_op_result(op, NULL, NULL), NKI_PENDING);
    rig_say(rig, "PONG\r\n");
    assert_int_equal(rig_op_status(op), NKI_OK);
    rig_free(rig);

    /* Before the first connect. */
    rig = rig_new(one_server, NULL, 5000);
    rig_publish(rig, "a", "1");
    op = linger(rig, 1000);
    rig_hello(rig);
    assert_true(rig_wrote(rig, "PUB a 1\r\n1\r\nPING\r\n"));
    rig_say(rig, "PONG\r\n");
    assert_int_equal(rig_op_status(op), NKI_OK);
    rig_free(rig);

    /* The server does not answer. */
    rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    rig_publish(rig, "a", "1");
    op = linger(rig, 1000);
    rig_pass(rig, 999);
    assert_int_equal(nki_op_result(op, NULL, NULL), NKI_PENDING);
    rig_pass(rig, 1);
    assert_int_equal(rig_op_status(op), NKI_TIMEOUT);
    rig_free(rig);

    /* Nothing was ever published: at once, whether somebody is there or not. */
    for (int connected = 0; connected < 2; connected++) {
        rig = rig_new(one_server, NULL, 5000);
        if (connected) {
            rig_hello(rig);
        }
        op = linger(rig, 1000);
        assert_int_equal(rig_op_status(op), NKI_OK);
        rig_free(rig);
    }

    /* All was confirmed before: as well. */
    rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    rig_publish(rig, "a", "1");
    struct nki_op *flush = rig_flush(rig, 1000);
    rig_say(rig, "PONG\r\n");
    assert_int_equal(rig_op_status(flush), NKI_OK);
    op = linger(rig, 1000);
    assert_int_equal(rig_op_status(op), NKI_OK);
    rig_free(rig);
}

static void test_closing_while_reconnecting(void **state)
{
    (void)state;
    /* Attempts that fail do not end the wait. */
    struct rig *rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    rig->refuse = true;
    rig_eof(rig);
    rig_publish(rig, "a", "1");
    struct nki_op *op = linger(rig, 3000);
    rig_pass(rig, 1200);
    assert_int_equal(nki_op_result(op, NULL, NULL), NKI_PENDING);
    rig->refuse = false;
    rig_pass(rig, 1500);
    rig_hello(rig);
    assert_true(rig_wrote(rig, "PUB a 1\r\n1\r\nPING\r\n"));
    rig_say(rig, "PONG\r\n");
    assert_int_equal(rig_op_status(op), NKI_OK);
    rig_free(rig);

    rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    rig->refuse = true;
    rig_eof(rig);
    rig_publish(rig, "a", "1");
    op = linger(rig, 3000);
    rig_pass(rig, 3000);
    assert_int_equal(rig_op_status(op), NKI_TIMEOUT);
    assert_int_equal(rig->engine.counts.unsent, 1);
    rig_free(rig);

    /* Lost while waiting for the PONG: what was sent is in doubt. */
    rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    rig_publish(rig, "a", "1");
    op = linger(rig, 3000);
    rig_eof(rig);
    assert_int_equal(rig_op_status(op), NKI_DISCONNECTED);
    assert_int_equal(rig->engine.counts.unconfirmed, 1);
    rig_free(rig);
}

static void test_closing_without_a_ping(void **state)
{
    (void)state;
    struct rig *rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    struct nki_op *ops[NKI_PINGS_MAX];
    for (size_t i = 0; i < NKI_PINGS_MAX; i++) {
        ops[i] = rig_flush(rig, -1);
    }
    rig_publish(rig, "a", "1");
    struct nki_op *op = linger(rig, 3000);
    assert_int_equal(rig_op_status(op), NKI_DISCONNECTED); /* it was not confirmed */
    for (size_t i = 0; i < NKI_PINGS_MAX; i++) {
        assert_int_equal(rig_op_status(ops[i]), NKI_CLOSED);
    }
    rig_free(rig);
}

static void test_lame_duck_is_told_once(void **state)
{
    (void)state;
    struct rig *rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    rig_say(rig, "INFO {\"ldm\":true}\r\n");
    rig_say(rig, "INFO {\"ldm\":true}\r\n");
    assert_int_equal(rig_event_count(rig, NKI_EVENT_LAME_DUCK), 1);
    assert_true(rig_connected(rig));
    rig_eof(rig);
    rig_hello(rig);
    rig_say(rig, "INFO {\"ldm\":true}\r\n");
    assert_int_equal(rig_event_count(rig, NKI_EVENT_LAME_DUCK), 2);
    rig_free(rig);
}

static void test_an_info_changes_only_what_it_tells(void **state)
{
    (void)state;
    struct rig *rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    rig_say(rig, "INFO {\"max_payload\":100}\r\n");
    assert_int_equal(rig->engine.info.max_payload, 100);
    assert_true(rig->engine.info.headers);
    rig_say(rig, "INFO {\"max_payload\":\"x\",\"headers\":false}\r\n");
    assert_int_equal(rig->engine.info.max_payload, 100);
    assert_true(rig->engine.info.headers);
    /* Of another server's nothing stays. */
    rig_eof(rig);
    rig_say(rig, "INFO {}\r\n");
    assert_int_equal(rig->engine.info.max_payload, NKI_MIB);
    assert_false(rig->engine.info.headers);
    rig_free(rig);
}

static void test_many_subscriptions_and_requests_end_quickly(void **state)
{
    (void)state;
    enum { MANY = 20000 };
    char reply[400];
    struct rig *rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    struct nki_sub **subs = ts_alloc(MANY * sizeof(struct nki_sub *));
    struct nki_op **ops = ts_alloc(MANY * sizeof(struct nki_op *));
    for (size_t i = 0; i < MANY; i++) {
        subs[i] = rig_subscribe(rig, "s", 0);
        ops[i] = rig_request(rig, 1000, reply, sizeof reply);
    }
    int64_t begin_ms = ts_now_ms();
    nki_engine_close(&rig->engine, NULL, rig->now_ns);
    /* A search from the begin for each one would take seconds. */
    assert_true(ts_now_ms() - begin_ms < 1000);
    rig_settle(rig);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(rig_end_reason(subs[i]), NKI_CLOSED);
        nki_sub_release(subs[i]);
        assert_int_equal(rig_op_status(ops[i]), NKI_CLOSED);
    }
    free(subs);
    free(ops);
    rig_free(rig);
}

enum { HOUR_MS = 3600000, PING_MS = 10000 };

static int pings_written(const struct rig *rig)
{
    static const char ping[] = "PING\r\n";
    int count = 0;
    for (size_t at = 0; at + sizeof ping - 1 <= rig->written.len; at++) {
        count += memcmp(rig->written.at + at, ping, sizeof ping - 1) == 0;
    }
    return count;
}

/* The machine or its virtual processor stood still: an hour has passed at once, with `before` pings
 * unanswered. Every timer fires, once; a server that is gone is found as fast as without the hour, one that
 * is there stays. */
static void wake_up(int before, bool answers)
{
    char reply[400];
    struct rig *rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    struct nki_sub *sub = rig_subscribe(rig, "s", 0);
    struct nki_op *flush = rig_flush(rig, -1);
    rig_pass(rig, (int64_t)PING_MS * before + 1);
    struct nki_op *request = rig_request(rig, 1000, reply, sizeof reply);
    rig->written.len = 0;
    rig->now_ns += RIG_MS(HOUR_MS);
    int64_t begin_ns = rig->now_ns;
    if (answers) {
        rig_say(rig, "PONG\r\nPONG\r\nPONG\r\n");
        assert_int_equal(nki_op_result(flush, NULL, NULL), NKI_OK);
    }
    nki_engine_tick(&rig->engine, rig->now_ns); /* one is enough */
    assert_true(nki_engine_deadline_ns(&rig->engine) > rig->now_ns);
    rig_settle(rig);
    assert_int_equal(rig_op_status(request), NKI_TIMEOUT);
    if (answers) {
        assert_int_equal(pings_written(rig), 1); /* those of the hour are not made up for */
        rig_say(rig, "PONG\r\n");
        rig_pass(rig, 2 * PING_MS + 1);
        assert_int_equal(rig->dials, 1);
        assert_int_equal(pings_written(rig), 3);
    } else {
        int64_t stale_ns = begin_ns + RIG_MS(PING_MS) * (2 - before);
        if (stale_ns > begin_ns) {
            assert_int_equal(pings_written(rig), 1);
            rig_until(rig, stale_ns - 1);
            assert_int_equal(rig->dials, 1);
            rig_until(rig, stale_ns);
        }
        assert_int_equal(rig->dials, 2);
        assert_true(rig_event(rig, NKI_EVENT_STALE)->now_ns == stale_ns);
        assert_int_equal(rig_event(rig, NKI_EVENT_DISCONNECTED)->status, NKI_STALE);
        assert_int_equal(nki_op_result(flush, NULL, NULL), NKI_DISCONNECTED);
    }
    assert_int_equal(rig_event_count(rig, NKI_EVENT_STALE), !answers);
    nki_op_release(flush);
    probe(rig, sub);
    nki_sub_release(sub);
    rig_free(rig);
}

static void test_an_hour_passes_at_once(void **state)
{
    (void)state;
    for (int before = 0; before <= 2; before++) {
        wake_up(before, false);
        wake_up(before, true);
    }
    /* In a pause between two rounds: one attempt, and the pauses begin anew from there. */
    struct rig *rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    rig->refuse = true;
    rig_eof(rig);
    int dials = rig->dials;
    rig->now_ns += RIG_MS(HOUR_MS);
    nki_engine_tick(&rig->engine, rig->now_ns);
    rig_settle(rig);
    assert_int_equal(rig->dials, dials + 1);
    assert_true(nki_engine_deadline_ns(&rig->engine) > rig->now_ns);
    assert_true(nki_engine_deadline_ns(&rig->engine) <= rig->now_ns + RIG_MS(700));
    rig->refuse = false;
    rig_pass(rig, 700);
    rig_hello(rig);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_long_things_are_bounded),
        cmocka_unit_test(test_pings_without_end),
        cmocka_unit_test(test_a_late_pong_ends_no_other_flush),
        cmocka_unit_test(test_denied_subscriptions),
        cmocka_unit_test(test_a_denied_inbox_leaves_flushes_in_step),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_a_limit_across_a_cut_message),
        cmocka_unit_test(test_limits_set_while_a_message_comes),
        cmocka_unit_test(test_events_with_a_limit),
        cmocka_unit_test(test_drops_at_the_limit_are_told_of),
        cmocka_unit_test(test_messages_without_memory),
        cmocka_unit_test(test_closing_waits_for_what_was_published),
        cmocka_unit_test(test_closing_while_reconnecting),
        cmocka_unit_test(test_closing_without_a_ping),
        cmocka_unit_test(test_lame_duck_is_told_once),
        cmocka_unit_test(test_an_info_changes_only_what_it_tells),
        cmocka_unit_test(test_many_subscriptions_and_requests_end_quickly),
        cmocka_unit_test(test_an_hour_passes_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
