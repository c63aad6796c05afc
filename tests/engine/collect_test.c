/* Requests for many replies, requests with a subscription of their own, and first messages that have a
 * deadline: when they end, why, and what the server is told. */
#include "ask.h"

#include <stdio.h>

/* -- time ------------------------------------------------------------------------------------------------ */

#define TIMES 4

static const struct time_row {
    const char *name;
    int64_t wait_ns;
    int64_t stall_ns;
    int64_t msgs_ns[TIMES]; /* -1: no more */
    int64_t end_ns;
    int32_t reason;
} time_rows[] = {
    {"nothing comes", RIG_MS(1000), 0, {-1}, RIG_MS(1000), NKI_TIMEOUT},
    {"the first wait is the whole one", RIG_MS(1000), RIG_MS(100), {-1}, RIG_MS(1000), NKI_TIMEOUT},
    {"one message does not end it", RIG_MS(1000), 0, {RIG_MS(10), -1}, RIG_MS(1000), NKI_TIMEOUT},
    {"none after the first", RIG_MS(1000), RIG_MS(100), {0, -1}, RIG_MS(100), NKI_STALLED},
    {"each message begins anew",
     RIG_MS(1000),
     RIG_MS(100),
     {RIG_MS(500), RIG_MS(600) - 1, RIG_MS(700) - 2, -1},
     RIG_MS(800) - 2,
     NKI_STALLED},
    {"no longer than the whole", RIG_MS(1000), RIG_MS(100), {RIG_MS(950), -1}, RIG_MS(1000), NKI_TIMEOUT},
    {"both at once", RIG_MS(1000), RIG_MS(100), {RIG_MS(900), -1}, RIG_MS(1000), NKI_TIMEOUT},
    {"a nanosecond before the whole",
     RIG_MS(1000),
     RIG_MS(100),
     {RIG_MS(900) - 1, -1},
     RIG_MS(1000) - 1,
     NKI_STALLED},
    {"a stall as long as the whole",
     RIG_MS(1000),
     RIG_MS(1000),
     {0, RIG_MS(1), -1},
     RIG_MS(1000),
     NKI_TIMEOUT},
    {"a stall longer than the whole", RIG_MS(50), RIG_MS(9999), {RIG_MS(49), -1}, RIG_MS(50), NKI_TIMEOUT},
    {"a nanosecond in all", 1, 1, {-1}, 1, NKI_TIMEOUT},
};

static void test_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(time_rows); i++) {
        const struct time_row *row = &time_rows[i];
        struct rig *rig = rig_new(ONE_SERVER, NULL, 5000);
        rig_hello(rig);
        int64_t begin_ns = rig->now_ns;
        struct nki_sub *sub = ask_many(rig, (struct ask){.wait_ns = row->wait_ns, .stall_ns = row->stall_ns});
        size_t said = 0;
        for (; row->msgs_ns[said] >= 0; said++) {
            rig_until(rig, begin_ns + row->msgs_ns[said]);
            say_msg(rig, sub->sid, "m");
        }
        rig_until(rig, begin_ns + row->end_ns - 1);
        if (rig_end_reason(sub) != 0) {
            fail_msg("%s: ended early", row->name);
        }
        assert_int_equal(unsubs(rig, sub->sid), 0);
        rig_until(rig, begin_ns + row->end_ns);
        if (rig_end_reason(sub) != row->reason) {
            fail_msg("%s: reason %d", row->name, rig_end_reason(sub));
        }
        assert_int_equal(unsubs(rig, sub->sid), 1);
        for (size_t k = 0; k < said; k++) {
            expect_take(sub, "m"); /* what has come is not lost */
        }
        expect_nothing(sub);
        expect_orphan(rig, sub->sid);
        expect_over(rig);
        close_sub(rig, sub);
        rig_free(rig);
    }
}

/* A message that was read at the very moment, before the tick, still counts. */
static void test_a_message_in_the_last_moment(void **state)
{
    (void)state;
    struct rig *rig = rig_new(ONE_SERVER, NULL, 5000);
    rig_hello(rig);
    struct nki_sub *sub = ask_many(rig, (struct ask){.max = 0});
    rig_until(rig, rig->now_ns + RIG_MS(1000) - 1);
    rig->now_ns++;
    say_msg(rig, sub->sid, "last");
    expect_take(sub, "last");
    assert_int_equal(rig_end_reason(sub), 0);
    rig_until(rig, rig->now_ns);
    assert_int_equal(rig_end_reason(sub), NKI_TIMEOUT);
    close_sub(rig, sub);
    rig_free(rig);
}

static void test_own_time(void **state)
{
    (void)state;
    uint64_t sid;
    struct rig *rig = rig_new(ONE_SERVER, NULL, 5000);
    rig_hello(rig);
    int64_t begin_ns = rig->now_ns;
    struct nki_op *op = ask_own(rig, (struct ask){.wait_ns = RIG_MS(300)}, &sid);
    rig_until(rig, begin_ns + RIG_MS(300) - 1);
    assert_int_equal(nki_op_result(op, NULL, NULL), NKI_PENDING);
    rig_until(rig, begin_ns + RIG_MS(300));
    int32_t outcome;
    assert_int_equal(nki_op_result(op, &outcome, NULL), NKI_TIMEOUT);
    assert_int_equal(outcome, NKI_OUTCOME_UNKNOWN);
    nki_op_release(op);
    assert_int_equal(unsubs(rig, sid), 1);
    expect_over(rig);
    expect_orphan(rig, sid);
    rig_free(rig);
}

/* -- what ends it otherwise ------------------------------------------------------------------------------ */

static void test_own_reply(void **state)
{
    (void)state;
    uint64_t sid;
    struct nki_msg *msg;
    struct rig *rig = rig_new(ONE_SERVER, NULL, 5000);
    rig_hello(rig);
    struct nki_op *op = ask_own(rig, (struct ask){.reply = "My.Own.Reply"}, &sid);
    assert_true(rig_wrote(rig, "SUB My.Own.Reply 1\r\nUNSUB 1 1\r\nPUB ask My.Own.Reply 1\r\n?\r\n"));
    say_msg(rig, sid, "yes");
    assert_int_equal(nki_op_result(op, NULL, NULL), NKI_OK);
    assert_int_equal(nki_op_take_msg(op, &msg), NKI_OK);
    assert_memory_equal(nki_msg_data(msg).ptr, "yes", 3);
    nki_msg_release(msg);
    assert_int_equal(unsubs(rig, sid), 0); /* the server knows: one message */
    expect_over(rig);                      /* no timer holds the operation and its reply */
    expect_orphan(rig, sid);
    nki_op_release(op);
    rig_free(rig);
}

static void test_count(void **state)
{
    (void)state;
    static const size_t steps[] = {1, 3, 1000};
    for (size_t i = 0; i < NKI_ARRAY_LEN(steps); i++) {
        static const char three[] = "MSG b 1 1\r\n1\r\nMSG b 1 0\r\n\r\nMSG b 1 1\r\n3\r\nMSG b 1 1\r\n4\r\n";
        struct rig *rig = rig_new(ONE_SERVER, NULL, 5000);
        rig_hello(rig);
        struct nki_sub *sub = ask_many(rig, (struct ask){.max = 3, .stall_ns = RIG_MS(10)});
        assert_true(rig_wrote(rig, "SUB in.box 1\r\nUNSUB 1 3\r\nPUB ask in.box 1\r\n"));
        rig_say_bytes(rig, three, sizeof three - 1, steps[i]);
        assert_int_equal(rig_end_reason(sub), NKI_MAX_REACHED);
        expect_take(sub, "1");
        expect_take(sub, ""); /* without option sentinel a message like any other */
        expect_take(sub, "3");
        expect_nothing(sub);
        assert_int_equal(rig->engine.counts.orphan_msgs, 1);
        assert_int_equal(unsubs(rig, 1), 0);
        expect_over(rig);
        close_sub(rig, sub);
        rig_free(rig);
    }
}

static void test_sentinel(void **state)
{
    (void)state;
    static const char *const ends[] = {"MSG b 1 0\r\n\r\n", "HMSG b 1 18 18\r\nNATS/1.0\r\nA: b\r\n\r\n\r\n",
                                       "HMSG b 1 16 16\r\nNATS/1.0 404\r\n\r\n\r\n"};
    for (size_t i = 0; i < NKI_ARRAY_LEN(ends); i++) {
        struct rig *rig = rig_new(ONE_SERVER, NULL, 5000);
        rig_hello(rig);
        struct nki_sub *sub = ask_many(rig, (struct ask){.sentinel = true, .max = 9});
        ts_buf_free(&rig->written);
        char text[256];
        snprintf(text, sizeof text, "MSG b 1 1\r\n1\r\nMSG b 1 1\r\n2\r\n%sMSG b 1 1\r\n3\r\n", ends[i]);
        rig_say(rig, text);
        assert_int_equal(rig_end_reason(sub), NKI_SENTINEL);
        expect_take(sub, "1");
        expect_take(sub, "2");
        expect_nothing(sub);
        assert_int_equal(rig->engine.counts.orphan_msgs, 1);
        assert_int_equal(unsubs(rig, 1), 1);
        expect_over(rig);
        close_sub(rig, sub);
        rig_free(rig);
    }
}

static const struct reply_row {
    const char *block;
    const char *data;
    bool nobody;
} reply_rows[] = {
    {"NATS/1.0 503\r\n\r\n", "", true},
    {"NATS/1.0 503\r\nNats-Subject: ask\r\n\r\n", "", true},
    {"NATS/1.0 503 No Responders\r\n\r\n", "", true},
    {"NATS/1.0 503\r\n\r\n", "a body", false},
    {"NATS/1.0\r\nStatus: 503\r\n\r\n", "", false},
    {"NATS/1.0\r\nStatus: 503\r\n\r\n", "x", false},
    {"NATS/1.0 404 No Messages\r\n\r\n", "", false},
    {"NATS/1.0 5030\r\n\r\n", "", false},
    {"NATS/1.0\r\n\r\n", "", false},
};

static void check_op(struct nki_op *op, const struct reply_row *row)
{
    int32_t outcome;
    struct nki_msg *msg = NULL;
    assert_int_equal(nki_op_result(op, &outcome, NULL), row->nobody ? NKI_NO_RESPONDERS : NKI_OK);
    assert_int_equal(outcome, row->nobody ? NKI_OUTCOME_REJECTED : NKI_OUTCOME_DONE);
    if (!row->nobody) {
        assert_int_equal(nki_op_take_msg(op, &msg), NKI_OK);
        assert_int_equal(nki_msg_data(msg).len, strlen(row->data));
        assert_int_equal(msg->header_len, strlen(row->block));
        nki_msg_release(msg);
    }
    nki_op_release(op);
}

static void test_nobody(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(reply_rows); i++) {
        const struct reply_row *row = &reply_rows[i];
        char reply[ASK_REPLY_MAX];
        uint64_t sid;
        struct rig *rig = rig_new(ONE_SERVER, NULL, 5000);
        rig_hello(rig);
        struct nki_op *of_mux = ask_mux(rig, (struct ask){0}, reply);
        struct nki_op *of_own = ask_own(rig, (struct ask){.reply = "own"}, &sid);
        struct nki_sub *sub = ask_many(rig, (struct ask){.sentinel = row->data[0] != '\0'});
        say_hmsg(rig, reply, rig->engine.replies.sid, row->block, row->data);
        say_hmsg(rig, "own", sid, row->block, row->data);
        say_msg(rig, sub->sid, "before");
        say_hmsg(rig, "in.box", sub->sid, row->block, row->data);
        check_op(of_mux, row);
        check_op(of_own, row);
        assert_int_equal(rig_end_reason(sub), row->nobody ? NKI_NO_RESPONDERS : 0);
        expect_take(sub, "before");
        assert_int_equal(unsubs(rig, sub->sid), row->nobody);
        if (!row->nobody) {
            expect_take(sub, row->data);
        }
        expect_nothing(sub);
        close_sub(rig, sub);
        assert_int_equal(unsubs(rig, 3), 1);
        expect_over(rig);
        rig_free(rig);
    }
}

/* -- denied ---------------------------------------------------------------------------------------------- */

static void expect_denied(struct nki_op *op, const char *words)
{
    int32_t outcome;
    struct nki_error error;
    assert_int_equal(nki_op_result(op, &outcome, &error), NKI_PERMISSION);
    assert_int_equal(outcome, NKI_OUTCOME_REJECTED);
    assert_non_null(strstr(error.text, words));
    nki_op_release(op);
}

static void test_denied_own_inbox(void **state)
{
    (void)state;
    uint64_t sid[2];
    struct rig *rig = rig_new(ONE_SERVER, NULL, 5000);
    rig_hello(rig);
    struct nki_op *denied = ask_own(rig, (struct ask){.reply = "Own.One"}, &sid[0]);
    struct nki_op *other = ask_own(rig, (struct ask){.reply = "own.one"}, &sid[1]);
    struct nki_sub *gone = ask_many(rig, (struct ask){.reply = "Many.One"});
    struct nki_sub *stays = ask_many(rig, (struct ask){.reply = "many.one"});
    rig_say(rig, "-ERR 'Permissions Violation for Subscription to \"Own.One\"'\r\n");
    expect_denied(denied, "\"Own.One\"");
    rig_say(rig, "-ERR 'Permissions Violation for Subscription to \"Many.One\"'\r\n");
    assert_int_equal(rig_end_reason(gone), NKI_PERMISSION);
    assert_non_null(strstr(rig_event(rig, NKI_EVENT_ASYNC_ERROR)->text, "\"Many.One\""));
    assert_int_equal(rig_event_count(rig, NKI_EVENT_ASYNC_ERROR), 2);
    assert_int_equal(nki_op_result(other, NULL, NULL), NKI_PENDING);
    assert_int_equal(rig_end_reason(stays), 0);
    say_msg(rig, sid[1], "yes");
    assert_int_equal(rig_op_status(other), NKI_OK);
    close_sub(rig, gone);
    close_sub(rig, stays);
    expect_over(rig);
    rig_free(rig);
}

static void test_denied_common_inbox(void **state)
{
    (void)state;
    char reply[2][ASK_REPLY_MAX];
    char text[256];
    uint64_t sid;
    struct rig *rig = rig_new(ONE_SERVER, NULL, 5000);
    rig_hello(rig);
    struct nki_op *first = ask_mux(rig, (struct ask){0}, reply[0]);
    struct nki_op *kept = ask_mux(rig, (struct ask){.keep = true, .subject = "b"}, reply[1]);
    struct nki_op *of_own = ask_own(rig, (struct ask){.reply = "own"}, &sid);
    struct nki_sub *sub = ask_many(rig, (struct ask){.max = 0});
    int prefix = (int)rig->engine.replies.prefix_len;
    snprintf(text, sizeof text, "-ERR 'Permissions Violation for Subscription to \"%.*s*\"'\r\n", prefix,
             reply[0]);
    rig_say(rig, text);
    expect_denied(first, "\"_INBOX.");
    expect_denied(kept, "\"_INBOX.");
    assert_int_equal(nki_op_result(of_own, NULL, NULL), NKI_PENDING);
    assert_int_equal(rig_end_reason(sub), 0);
    /* The next one asks for the inbox again, and fails as soon. */
    struct nki_op *later = ask_mux(rig, (struct ask){0}, reply[0]);
    assert_int_equal(count_written(rig, "SUB _INBOX."), 2);
    rig_say(rig, text);
    expect_denied(later, "\"_INBOX.");
    say_msg(rig, sid, "yes");
    assert_int_equal(rig_op_status(of_own), NKI_OK);
    close_sub(rig, sub);
    expect_over(rig);
    rig_free(rig);
}

static void test_denied_subject(void **state)
{
    (void)state;
    char reply[3][ASK_REPLY_MAX];
    uint64_t sid[3];
    struct rig *rig = rig_new(ONE_SERVER, NULL, 5000);
    rig_hello(rig);
    struct nki_op *denied[] = {ask_mux(rig, (struct ask){.subject = "Ask.Me"}, reply[0]),
                               ask_mux(rig, (struct ask){.subject = "Ask.Me", .keep = true}, reply[1]),
                               ask_own(rig, (struct ask){.subject = "Ask.Me", .reply = "o1"}, &sid[0])};
    struct nki_op *of_mux = ask_mux(rig, (struct ask){.subject = "ask.me"}, reply[2]);
    struct nki_op *of_own = ask_own(rig, (struct ask){.subject = "Ask.Me.Too", .reply = "o2"}, &sid[1]);
    struct nki_sub *gone = ask_many(rig, (struct ask){.subject = "Ask.Me", .reply = "m1"});
    struct nki_sub *stays = ask_many(rig, (struct ask){.subject = "ask.Me", .reply = "m2"});
    struct nki_sub *plain = rig_subscribe(rig, "Ask.Me", 0); /* may be subscribed to, though */
    say_msg(rig, gone->sid, "before");
    rig_say(rig, "-ERR 'Permissions Violation for Publish to \"Ask.Me\"'\r\n");
    for (size_t i = 0; i < NKI_ARRAY_LEN(denied); i++) {
        expect_denied(denied[i], "Permissions Violation for Publish to \"Ask.Me\"");
    }
    assert_int_equal(rig_end_reason(gone), NKI_PERMISSION);
    expect_take(gone, "before");
    assert_int_equal(unsubs(rig, sid[0]), 1);
    assert_int_equal(unsubs(rig, gone->sid), 1);
    assert_string_equal(rig_event(rig, NKI_EVENT_ASYNC_ERROR)->subject, "Ask.Me");
    assert_int_equal(nki_op_result(of_mux, NULL, NULL), NKI_PENDING);
    assert_int_equal(nki_op_result(of_own, NULL, NULL), NKI_PENDING);
    assert_int_equal(rig_end_reason(stays), 0);
    assert_int_equal(rig_end_reason(plain), 0);
    assert_true(rig_connected(rig));
    say_msg(rig, sid[1], "yes");
    assert_int_equal(rig_op_status(of_own), NKI_OK);
    say_hmsg(rig, reply[2], rig->engine.replies.sid, "NATS/1.0\r\n\r\n", "yes");
    assert_int_equal(rig_op_status(of_mux), NKI_OK);
    close_sub(rig, gone);
    close_sub(rig, stays);
    close_sub(rig, plain);
    expect_over(rig);
    rig_free(rig);
}

/* What came before the refusal in the same read, and found the queue full, is counted and told of. */
static void test_denied_with_a_full_queue(void **state)
{
    (void)state;
    struct rig *rig = rig_new(ONE_SERVER, NULL, 5000);
    rig_hello(rig);
    struct nki_sub *sub = ask_many(rig, (struct ask){.limit = 1});
    rig_say(rig,
            "MSG b 1 1\r\n1\r\nMSG b 1 1\r\n2\r\n-ERR 'Permissions Violation for Publish to \"ask\"'\r\n");
    assert_int_equal(rig_end_reason(sub), NKI_PERMISSION);
    expect_take(sub, "1");
    expect_nothing(sub);
    assert_int_equal(rig->engine.counts.dropped_msgs, 1);
    assert_int_equal(rig_event_count(rig, NKI_EVENT_SLOW_CONSUMER), 1);
    close_sub(rig, sub);
    rig_free(rig);
}

/* -- the transport is lost ------------------------------------------------------------------------------- */

static void test_disconnect(void **state)
{
    (void)state;
    char reply[ASK_REPLY_MAX];
    uint64_t sid;
    int32_t outcome;
    struct rig *rig = rig_new(ONE_SERVER, NULL, 5000);
    rig_hello(rig);
    struct nki_op *of_mux = ask_mux(rig, (struct ask){0}, reply);
    struct nki_op *of_own = ask_own(rig, (struct ask){.reply = "own"}, &sid);
    struct nki_sub *sub = ask_many(rig, (struct ask){.max = 5});
    say_msg(rig, sub->sid, "before");
    rig_eof(rig);
    assert_int_equal(nki_op_result(of_own, &outcome, NULL), NKI_DISCONNECTED);
    assert_int_equal(outcome, NKI_OUTCOME_UNKNOWN);
    nki_op_release(of_own);
    assert_int_equal(rig_op_status(of_mux), NKI_DISCONNECTED);
    assert_int_equal(rig_end_reason(sub), NKI_DISCONNECTED);
    expect_take(sub, "before");
    expect_over(rig);
    rig_hello(rig);
    assert_int_equal(count_written(rig, "SUB "),
                     1); /* the common inbox alone; and no UNSUB of what is unknown */
    assert_int_equal(count_written(rig, "UNSUB "), 0);
    assert_int_equal(count_written(rig, "PUB "), 0);
    expect_orphan(rig, sid);
    close_sub(rig, sub);
    rig_free(rig);
}

static void test_wait_reconnect(void **state)
{
    (void)state;
    char reply[ASK_REPLY_MAX];
    char text[64];
    uint64_t sid;
    struct rig *rig = rig_new(ONE_SERVER, NULL, 5000);
    rig_hello(rig);
    struct ask ask = {.keep = true, .wait_ns = RIG_MS(60000)};
    struct nki_op *of_mux = ask_mux(rig, ask, reply);
    ask.reply = "own";
    struct nki_op *of_own = ask_own(rig, ask, &sid);
    ask.reply = "m1";
    ask.max = 5;
    struct nki_sub *counted = ask_many(rig, ask);
    ask.reply = "m2";
    ask.max = 0;
    struct nki_sub *free_one = ask_many(rig, ask);
    say_msg(rig, counted->sid, "1");
    say_msg(rig, counted->sid, "2");
    for (int round = 0; round < 2; round++) { /* a transport that dies without a message changes nothing */
        rig_eof(rig);
        assert_int_equal(nki_op_result(of_mux, NULL, NULL), NKI_PENDING);
        assert_int_equal(nki_op_result(of_own, NULL, NULL), NKI_PENDING);
        assert_int_equal(rig_end_reason(counted), 0);
        rig_pass(rig, 20000);
        rig_hello(rig);
        assert_int_equal(count_written(rig, "PUB "), 0); /* it is not sent again */
        snprintf(text, sizeof text, "SUB own %llu\r\nUNSUB %llu 1\r\n", (unsigned long long)sid,
                 (unsigned long long)sid);
        assert_true(rig_wrote(rig, text));
        snprintf(text, sizeof text, "SUB m1 %llu\r\nUNSUB %llu 3\r\n", (unsigned long long)counted->sid,
                 (unsigned long long)counted->sid);
        assert_true(rig_wrote(rig, text));
        snprintf(text, sizeof text, "UNSUB %llu", (unsigned long long)free_one->sid);
        assert_false(rig_wrote(rig, text));
    }
    say_hmsg(rig, reply, rig->engine.replies.sid, "NATS/1.0\r\n\r\n", "yes");
    assert_int_equal(rig_op_status(of_mux), NKI_OK);
    say_msg(rig, sid, "yes");
    assert_int_equal(rig_op_status(of_own), NKI_OK);
    for (int i = 3; i <= 5; i++) {
        assert_int_equal(rig_end_reason(counted), 0);
        say_msg(rig, counted->sid, "more");
    }
    assert_int_equal(rig_end_reason(counted), NKI_MAX_REACHED);
    close_sub(rig, counted);
    close_sub(rig, free_one);
    expect_over(rig);
    rig_free(rig);
}

/* Time goes on while there is no connection. */
static void test_time_without_a_transport(void **state)
{
    (void)state;
    char reply[ASK_REPLY_MAX];
    uint64_t sid;
    struct rig *rig = rig_new(ONE_SERVER, NULL, 5000);
    rig_hello(rig);
    struct nki_op *of_mux = ask_mux(rig, (struct ask){.keep = true}, reply);
    struct nki_op *of_own = ask_own(rig, (struct ask){.keep = true, .reply = "own"}, &sid);
    struct nki_sub *sub = ask_many(rig, (struct ask){.keep = true});
    struct nki_sub *stalls = ask_many(rig, (struct ask){.keep = true, .stall_ns = RIG_MS(400)});
    say_msg(rig, stalls->sid, "1");
    int64_t begin_ns = rig->now_ns;
    rig->silent = true;
    rig_eof(rig);
    rig_until(rig, begin_ns + RIG_MS(400) - 1);
    assert_int_equal(rig_end_reason(stalls), 0);
    rig_until(rig, begin_ns + RIG_MS(400));
    assert_int_equal(rig_end_reason(stalls), NKI_STALLED);
    rig_until(rig, begin_ns + RIG_MS(1000) - 1);
    assert_int_equal(nki_op_result(of_mux, NULL, NULL), NKI_PENDING);
    assert_int_equal(nki_op_result(of_own, NULL, NULL), NKI_PENDING);
    assert_int_equal(rig_end_reason(sub), 0);
    rig_until(rig, begin_ns + RIG_MS(1000));
    assert_int_equal(rig_op_status(of_mux), NKI_TIMEOUT);
    assert_int_equal(rig_op_status(of_own), NKI_TIMEOUT);
    assert_int_equal(rig_end_reason(sub), NKI_TIMEOUT);
    expect_over(rig);
    rig->silent = false;
    rig_eof(rig);
    rig_pass(rig, 20000);
    rig_hello(rig);
    assert_int_equal(count_written(rig, "SUB "), 1);
    close_sub(rig, sub);
    close_sub(rig, stalls);
    rig_free(rig);
}

/* -- the application ends it ----------------------------------------------------------------------------- */

static void test_cancelled(void **state)
{
    (void)state;
    uint64_t sid;
    struct rig *rig = rig_new(ONE_SERVER, NULL, 5000);
    rig_hello(rig);
    struct nki_op *op = ask_own(rig, (struct ask){0}, &sid);
    nki_engine_cancel(&rig->engine, op);
    rig_settle(rig);
    assert_int_equal(unsubs(rig, sid), 1);
    assert_int_equal(nki_op_result(op, NULL, NULL), NKI_PENDING); /* who waits for it is told by its close */
    expect_over(rig);
    expect_orphan(rig, sid);
    nki_engine_cancel(&rig->engine, op);
    rig_settle(rig);
    assert_int_equal(unsubs(rig, sid), 1);
    nki_op_release(op);
    struct nki_sub *sub = ask_many(rig, (struct ask){.max = 2, .stall_ns = RIG_MS(10)});
    sid = sub->sid;
    say_msg(rig, sid, "1");
    close_sub(rig, sub);
    assert_int_equal(unsubs(rig, sid), 1);
    expect_over(rig);
    expect_orphan(rig, sid);
    sub = ask_many(rig, (struct ask){0});
    assert_int_equal(nki_engine_unsubscribe(&rig->engine, sub, 0), NKI_OK);
    rig_settle(rig);
    assert_int_equal(rig_end_reason(sub), NKI_UNSUBSCRIBED);
    expect_over(rig);
    close_sub(rig, sub);
    rig_free(rig);
}

/* The connection ends while requests of every kind wait. */
static void test_closed(void **state)
{
    (void)state;
    char reply[ASK_REPLY_MAX];
    uint64_t sid;
    struct rig *rig = rig_new(ONE_SERVER, NULL, 5000);
    rig_hello(rig);
    struct nki_op *of_mux = ask_mux(rig, (struct ask){.keep = true}, reply);
    struct nki_op *of_own = ask_own(rig, (struct ask){.keep = true}, &sid);
    struct nki_sub *sub = ask_many(rig, (struct ask){.keep = true});
    say_msg(rig, sub->sid, "before");
    nki_engine_close(&rig->engine, NULL, rig->now_ns);
    rig_settle(rig);
    assert_int_equal(rig_op_status(of_mux), NKI_CLOSED);
    assert_int_equal(rig_op_status(of_own), NKI_CLOSED);
    assert_int_equal(rig_end_reason(sub), NKI_CLOSED);
    expect_take(sub, "before");
    expect_over(rig);
    nki_sub_release(sub);
    rig_free(rig);
}

/* -- the first message of a plain subscription ----------------------------------------------------------- */

static struct nki_sub *first_sub(struct rig *rig, uint64_t max)
{
    struct nki_sub_params params = {
        .subject = NKI_STR("s"), .queue = NKI_STR("q"), .limits = {1000, UINT64_MAX / 2}, .max = max};
    struct nki_collect first = {.deadline_ns = rig->now_ns + RIG_MS(700)};
    struct nki_sub *sub = nki_sub_new(&params);
    assert_true(nki_sub_collect(sub, &first));
    assert_int_equal(nki_engine_subscribe(&rig->engine, sub), NKI_OK);
    rig_settle(rig);
    return sub;
}

static void test_first_message(void **state)
{
    (void)state;
    struct rig *rig = rig_new(ONE_SERVER, NULL, 5000);
    rig_hello(rig);
    int64_t begin_ns = rig->now_ns;
    struct nki_sub *none = first_sub(rig, 0);
    struct nki_sub *some = first_sub(rig, 0);
    struct nki_sub *two = first_sub(rig, 2);
    assert_int_equal(rig->engine.subs.request_count, 0); /* it is no request */
    rig_until(rig, begin_ns + RIG_MS(700) - 1);
    /* Not even an empty message, or what a server says of nobody, ends it. */
    say_hmsg(rig, "s", some->sid, "NATS/1.0 503\r\n\r\n", "");
    say_msg(rig, two->sid, "");
    assert_int_equal(rig_end_reason(none), 0);
    rig_until(rig, begin_ns + RIG_MS(700));
    assert_int_equal(rig_end_reason(none), NKI_TIMEOUT);
    assert_int_equal(unsubs(rig, none->sid), 1);
    expect_orphan(rig, none->sid);
    rig_pass(rig, 10000);
    assert_int_equal(rig_end_reason(some), 0);
    assert_int_equal(unsubs(rig, some->sid), 0);
    expect_take(some, "");
    expect_take(two, "");
    say_msg(rig, two->sid, "b");
    assert_int_equal(rig_end_reason(two), NKI_MAX_REACHED);
    /* It outlives its transport, and its time goes on meanwhile. */
    struct nki_sub *late = first_sub(rig, 0);
    begin_ns = rig->now_ns;
    rig_eof(rig);
    rig_pass(rig, 300);
    rig_hello(rig);
    assert_int_equal(rig_end_reason(late), 0);
    assert_int_equal(rig_end_reason(some), 0);
    assert_int_equal(count_written(rig, "SUB s q "), 2);
    rig_until(rig, begin_ns + RIG_MS(700));
    assert_int_equal(rig_end_reason(late), NKI_TIMEOUT);
    expect_over(rig);
    close_sub(rig, none);
    close_sub(rig, some);
    close_sub(rig, two);
    close_sub(rig, late);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_a_message_in_the_last_moment),
        cmocka_unit_test(test_own_time),
        cmocka_unit_test(test_own_reply),
        cmocka_unit_test(test_count),
        cmocka_unit_test(test_sentinel),
        cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_denied_own_inbox),
        cmocka_unit_test(test_denied_common_inbox),
        cmocka_unit_test(test_denied_subject),
        cmocka_unit_test(test_denied_with_a_full_queue),
        cmocka_unit_test(test_disconnect),
        cmocka_unit_test(test_wait_reconnect),
        cmocka_unit_test(test_time_without_a_transport),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_closed),
        cmocka_unit_test(test_first_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
