/* Draining while requests of every kind are in flight, and requests for which there is no memory. */
#include "ask.h"

#include "base/alloc.h"

#include <stdio.h>

/* -- draining -------------------------------------------------------------------------------------------- */

static struct nki_op *drain(struct rig *rig, int64_t timeout_ms)
{
    struct nki_op *op = nki_op_new();
    int64_t deadline_ns = rig->now_ns + RIG_MS(timeout_ms);
    assert_int_equal(nki_engine_drain(&rig->engine, op, deadline_ns, rig->now_ns), NKI_OK);
    rig_settle(rig);
    return op;
}

static void taken(struct rig *rig, struct nki_sub *sub)
{
    nki_engine_taken(&rig->engine, sub, true, rig->now_ns);
    rig_settle(rig);
}

static void test_drain_waits_for_requests(void **state)
{
    (void)state;
    char reply[ASK_REPLY_MAX];
    uint64_t sid;
    struct rig *rig = rig_new(ONE_SERVER, NULL, 5000);
    rig_hello(rig);
    struct nki_op *of_mux = ask_mux(rig, (struct ask){0}, reply);
    struct nki_op *of_own = ask_own(rig, (struct ask){.reply = "own"}, &sid);
    struct nki_sub *ended = ask_many(rig, (struct ask){.max = 1});
    say_msg(rig, ended->sid, "old"); /* complete, not taken */
    struct nki_sub *sub = ask_many(rig, (struct ask){.stall_ns = RIG_MS(100)});
    struct nki_op *op = drain(rig, 10000);
    assert_int_equal(unsubs(rig, sub->sid), 0);
    rig_say(rig, RIG_PONG);
    say_msg(rig, sub->sid, "new"); /* still its answer */
    assert_int_equal(nki_op_result(op, NULL, NULL), NKI_PENDING);
    say_hmsg(rig, reply, rig->engine.replies.sid, "NATS/1.0\r\n\r\n", "yes");
    say_msg(rig, sid, "yes");
    assert_int_equal(rig_op_status(of_mux), NKI_OK);
    assert_int_equal(rig_op_status(of_own), NKI_OK);
    rig_pass(rig, 100);
    assert_int_equal(rig_end_reason(sub), NKI_STALLED);
    assert_int_equal(rig->engine.closing, false); /* their queues are not empty */
    expect_take(sub, "new");
    taken(rig, sub);
    assert_int_equal(rig->engine.closing, false);
    expect_take(ended, "old");
    taken(rig, ended);
    assert_int_equal(rig->engine.closing, true);
    rig_say(rig, RIG_PONG);
    assert_int_equal(rig_op_status(op), NKI_OK);
    assert_int_equal(rig->engine.counts.abandoned_msgs, 0);
    nki_sub_release(sub);
    nki_sub_release(ended);
    rig_free(rig);
}

/* As nki_sub_unsubscribe; what has come is waited for, too. */
static void unsubscribe_last(struct rig *rig, struct nki_sub *sub)
{
    say_msg(rig, sub->sid, "1");
    assert_int_equal(nki_engine_unsubscribe(&rig->engine, sub, 0), NKI_OK);
    nki_engine_drain_step(&rig->engine, rig->now_ns);
    rig_settle(rig);
    assert_false(rig->engine.closing);
    expect_take(sub, "1");
    taken(rig, sub);
}

/* Each way for the last request to end lets the drain go on. */
static void test_drain_goes_on(void **state)
{
    (void)state;
    for (int way = 0; way < 8; way++) {
        uint64_t sid;
        struct rig *rig = rig_new(ONE_SERVER, NULL, 5000);
        rig_hello(rig);
        bool is_op = way < 3;
        struct nki_op *of_own = is_op ? ask_own(rig, (struct ask){0}, &sid) : NULL;
        struct nki_sub *sub = is_op ? NULL : ask_many(rig, (struct ask){.sentinel = true});
        struct nki_op *op = drain(rig, 10000);
        rig_say(rig, RIG_PONG);
        assert_false(rig->engine.closing);
        if (way == 0) {
            nki_engine_cancel(&rig->engine, of_own); /* as nki_conn_cancel */
            nki_engine_drain_step(&rig->engine, rig->now_ns);
            rig_settle(rig);
        } else if (way == 1 || way == 3) {
            rig_pass(rig, 1000);
        } else if (way == 2 || way == 4) {
            rig_say(rig, "-ERR 'Permissions Violation for Publish to \"ask\"'\r\n");
        } else if (way == 5) {
            say_msg(rig, sub->sid, "");
        } else if (way == 6) {
            nki_engine_close_sub(&rig->engine, sub, rig->now_ns);
            rig_settle(rig);
        } else {
            unsubscribe_last(rig, sub);
        }
        assert_true(rig->engine.closing);
        rig_say(rig, RIG_PONG);
        assert_int_equal(rig_op_status(op), NKI_OK);
        nki_op_release(of_own);
        if (sub != NULL) {
            nki_sub_release(sub);
        }
        rig_free(rig);
    }
}

static void test_drain_deadline(void **state)
{
    (void)state;
    char reply[ASK_REPLY_MAX];
    uint64_t sid;
    struct nki_error error;
    struct rig *rig = rig_new(ONE_SERVER, NULL, 5000);
    rig_hello(rig);
    struct ask ask = {.wait_ns = RIG_MS(60000)};
    struct nki_op *of_mux = ask_mux(rig, ask, reply);
    struct nki_op *of_own = ask_own(rig, ask, &sid);
    struct nki_sub *sub = ask_many(rig, ask);
    say_msg(rig, sub->sid, "left");
    int64_t begin_ns = rig->now_ns;
    struct nki_op *op = drain(rig, 500);
    rig_say(rig, RIG_PONG);
    rig_until(rig, begin_ns + RIG_MS(500) - 1);
    assert_int_equal(nki_op_result(op, NULL, NULL), NKI_PENDING);
    rig_until(rig, begin_ns + RIG_MS(500));
    assert_int_equal(nki_op_result(op, NULL, &error), NKI_TIMEOUT);
    assert_non_null(strstr(error.text, "1 messages were not taken"));
    assert_non_null(strstr(error.text, "3 requests are not done"));
    nki_op_release(op);
    assert_int_equal(rig_op_status(of_mux), NKI_CLOSED);
    assert_int_equal(rig_op_status(of_own), NKI_CLOSED);
    assert_int_equal(rig_end_reason(sub), NKI_CLOSED);
    assert_int_equal(rig->engine.counts.abandoned_msgs, 1);
    expect_over(rig);
    nki_sub_release(sub);
    rig_free(rig);
}

/* natskit_conn_drain: only once everything was taken requests are refused, of whatever kind. */
static void test_requests_while_draining(void **state)
{
    (void)state;
    char reply[ASK_REPLY_MAX];
    uint64_t sid;
    struct rig *rig = rig_new(ONE_SERVER, NULL, 5000);
    rig_hello(rig);
    struct nki_sub *plain = rig_subscribe(rig, "s", 0);
    say_msg(rig, plain->sid, "work");
    struct nki_op *op = drain(rig, 10000);
    struct nki_op *of_mux = ask_mux(rig, (struct ask){0}, reply);
    rig_say(rig, RIG_PONG);
    struct nki_op *of_own = ask_own(rig, (struct ask){.reply = "own"}, &sid);
    struct nki_sub *sub = ask_many(rig, (struct ask){.max = 1});
    say_msg(rig, sid, "yes");
    say_msg(rig, sub->sid, "yes");
    say_hmsg(rig, reply, rig->engine.replies.sid, "NATS/1.0\r\n\r\n", "yes");
    assert_int_equal(rig_op_status(of_own), NKI_OK);
    assert_int_equal(rig_op_status(of_mux), NKI_OK);
    expect_take(sub, "yes");
    taken(rig, sub);
    assert_false(rig->engine.closing);
    expect_take(plain, "work");
    taken(rig, plain);
    assert_true(rig->engine.closing);
    struct ask ask = {0};
    struct nki_sub *late = ask_sub(rig, &ask, NULL);
    assert_int_equal(nki_engine_subscribe(&rig->engine, late), NKI_DRAINING);
    nki_sub_release(late);
    rig_say(rig, RIG_PONG);
    assert_int_equal(rig_op_status(op), NKI_OK);
    late = ask_sub(rig, &ask, NULL);
    assert_int_equal(nki_engine_subscribe(&rig->engine, late), NKI_CLOSED);
    nki_sub_release(late);
    nki_sub_release(plain);
    nki_sub_release(sub);
    rig_free(rig);
}

/* A subscription that is a request may itself be drained. */
static void test_drain_of_one(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct rig *rig = rig_new(ONE_SERVER, NULL, 5000);
        rig_hello(rig);
        struct nki_sub *sub = ask_many(rig, (struct ask){0});
        say_msg(rig, sub->sid, "1");
        struct nki_op *op = nki_op_new();
        assert_int_equal(nki_engine_drain_sub(&rig->engine, sub, op, NKI_NEVER, rig->now_ns), NKI_OK);
        rig_settle(rig);
        rig_pass(rig, late != 0 ? 1000 : 0); /* its time is over first */
        assert_int_equal(unsubs(rig, sub->sid), 1);
        assert_int_equal(rig_end_reason(sub), late != 0 ? NKI_TIMEOUT : 0);
        rig_say(rig, RIG_PONG);
        assert_int_equal(nki_op_result(op, NULL, NULL), NKI_PENDING);
        expect_take(sub, "1");
        taken(rig, sub);
        assert_int_equal(rig_op_status(op), NKI_OK);
        assert_int_equal(unsubs(rig, sub->sid), 1);
        expect_over(rig);
        close_sub(rig, sub);
        rig_free(rig);
    }
}

/* -- memory ---------------------------------------------------------------------------------------------- */

static size_t allocations_left;

static bool gate(size_t size)
{
    (void)size;
    return allocations_left > 0 && allocations_left-- > 0;
}

/* As nki_conn_ask does; false if there is no memory. Then nothing is left of it. */
static bool try_own(struct rig *rig)
{
    struct ask ask = {0};
    struct nki_op *op = nki_op_new();
    if (op == NULL) {
        return false;
    }
    nki_op_retain(op);
    struct nki_sub *sub = ask_sub(rig, &ask, op);
    bool ok = sub != NULL;
    if (!ok) {
        nki_op_release(op);
    } else {
        ok = nki_engine_subscribe(&rig->engine, sub) == NKI_OK;
        op->own_sub = ok ? sub : NULL;
        ok = ok && nki_engine_timer(&rig->engine, op, ask_deadline(rig, &ask));
        nki_engine_close_sub(&rig->engine, sub, rig->now_ns);
        nki_sub_release(sub);
    }
    nki_engine_cancel(&rig->engine, op);
    nki_op_release(op);
    return ok;
}

static bool try_many(struct rig *rig)
{
    struct ask ask = {.max = 3};
    struct nki_sub *sub = ask_sub(rig, &ask, NULL);
    bool ok = sub != NULL && nki_engine_subscribe(&rig->engine, sub) == NKI_OK;
    if (sub != NULL) {
        nki_engine_close_sub(&rig->engine, sub, rig->now_ns);
        nki_sub_release(sub);
    }
    return ok;
}

static void test_no_memory_to_begin(void **state)
{
    (void)state;
    static bool (*const tries[])(struct rig *) = {try_own, try_many};
    for (size_t i = 0; i < NKI_ARRAY_LEN(tries); i++) {
        bool done = false;
        for (size_t allowed = 0; !done; allowed++) {
            struct rig *rig = rig_new(ONE_SERVER, NULL, 5000); /* of its own: nothing has grown before */
            rig_hello(rig);
            allocations_left = allowed;
            nki_alloc_gate_set(gate);
            done = tries[i](rig);
            nki_alloc_gate_set(NULL);
            rig_settle(rig);
            expect_over(rig);
            assert_int_equal(rig->engine.subs.by_sid.len, 0);
            assert_true(nki_list_empty(&rig->engine.subs.ended));
            assert_true(allowed < 30);
            rig_free(rig);
        }
    }
}

/* A reply for which there is no memory. */
static void test_no_memory_for_a_reply(void **state)
{
    (void)state;
    static char big[70000];
    uint64_t sid;
    struct nki_error error;
    struct rig *rig = rig_new(ONE_SERVER, NULL, 5000);
    rig_hello(rig);
    struct nki_op *op = ask_own(rig, (struct ask){.reply = "own"}, &sid);
    struct nki_sub *sub = ask_many(rig, (struct ask){.max = 2, .stall_ns = RIG_MS(100)});
    memset(big, 'x', sizeof big);
    for (uint64_t at = sid; at <= sub->sid; at++) {
        char line[64];
        snprintf(line, sizeof line, "MSG b %llu 70000\r\n", (unsigned long long)at);
        allocations_left = 0;
        nki_alloc_gate_set(gate);
        rig_say(rig, line);
        nki_alloc_gate_set(NULL);
        rig_say_bytes(rig, big, sizeof big, sizeof big);
        rig_say(rig, "\r\n");
    }
    assert_int_equal(nki_op_result(op, NULL, &error), NKI_NO_MEMORY);
    nki_op_release(op);
    char reply[ASK_REPLY_MAX];
    char line[ASK_REPLY_MAX + 64];
    int32_t outcome;
    op = ask_mux(rig, (struct ask){0}, reply); /* over the common inbox it ends before the body has come */
    snprintf(line, sizeof line, "MSG %s %llu 70000\r\n", reply, (unsigned long long)rig->engine.replies.sid);
    allocations_left = 0;
    nki_alloc_gate_set(gate);
    rig_say(rig, line);
    nki_alloc_gate_set(NULL);
    assert_int_equal(nki_op_result(op, &outcome, NULL), NKI_NO_MEMORY);
    assert_int_equal(outcome, NKI_OUTCOME_UNKNOWN);
    nki_op_release(op);
    rig_say_bytes(rig, big, sizeof big, sizeof big);
    rig_say(rig, "\r\n");
    say_msg(rig, sub->sid, "second");
    assert_int_equal(rig_end_reason(sub), NKI_MAX_REACHED);
    expect_take(sub, "second");
    assert_int_equal(rig->engine.counts.dropped_msgs, 3);
    expect_over(rig);
    close_sub(rig, sub);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drain_waits_for_requests),
        cmocka_unit_test(test_drain_goes_on),
        cmocka_unit_test(test_drain_deadline),
        cmocka_unit_test(test_requests_while_draining),
        cmocka_unit_test(test_drain_of_one),
        cmocka_unit_test(test_no_memory_to_begin),
        cmocka_unit_test(test_no_memory_for_a_reply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
