/* Options of a connection's life and drains, to the nanosecond of a virtual clock. */
#include "rig.h"

#include <string.h>

static const char one_server[] = "nats://a:4222";

static struct nki_op *drain_all(struct rig *rig, int64_t timeout_ms)
{
    struct nki_op *op = nki_op_new();
    assert_int_equal(nki_engine_drain(&rig->engine, op, rig->now_ns + RIG_MS(timeout_ms), rig->now_ns),
                     NKI_OK);
    rig_settle(rig);
    return op;
}

static struct nki_op *drain_sub(struct rig *rig, struct nki_sub *sub, int64_t timeout_ms)
{
    struct nki_op *op = nki_op_new();
    assert_int_equal(
        nki_engine_drain_sub(&rig->engine, sub, op, rig->now_ns + RIG_MS(timeout_ms), rig->now_ns), NKI_OK);
    rig_settle(rig);
    return op;
}

static void take(struct rig *rig, struct nki_sub *sub, const char *data)
{
    char got[32];
    assert_true(rig_take(sub, got, sizeof got));
    assert_string_equal(got, data);
    nki_engine_taken(&rig->engine, sub, true, rig->now_ns);
    rig_settle(rig);
}

static int32_t peek(struct nki_op *op)
{
    return nki_op_result(op, NULL, NULL);
}

/* -- the first connect ----------------------------------------------------------------------------------- */

static void test_the_first_connect_is_tried_again(void **state)
{
    (void)state;
    static const char *const settings[] = {
        "first_connect", "retry", "max_reconnect_attempts", "1", "reconnect_jitter_ms", "0", NULL};
    struct rig *rig = rig_new("a:1,b:1", settings, 10000);
    rig->refuse = true;
    rig_settle(rig);
    assert_int_equal(rig->dials, 2); /* both at once, and none is given up before there was a connection */
    rig_pass(rig, 250 + 500 + 1000);
    assert_int_equal(rig->dials, 8);
    assert_int_equal(rig_connect_status(rig), NKI_PENDING);
    rig->refuse = false;
    rig_pass(rig, 2000);
    rig_hello(rig);
    assert_int_equal(rig_connect_status(rig), NKI_OK);
    assert_int_equal(rig_event_count(rig, NKI_EVENT_CONNECTED), 1);
    rig_free(rig);

    rig = rig_new("a:1,b:1", settings, 600);
    rig->refuse = true;
    rig_settle(rig);
    rig_pass(rig, 599);
    assert_int_equal(rig_connect_status(rig), NKI_PENDING);
    rig_pass(rig, 1);
    assert_int_equal(rig_connect_status(rig), NKI_TIMEOUT);
    assert_int_equal(rig->engine.state, NKI_ENGINE_CLOSED);
    rig_free(rig);
}

static void test_the_first_connect_in_the_background(void **state)
{
    (void)state;
    static const char *const settings[] = {
        "first_connect", "background", "max_outage_ms", "60000", "reconnect_jitter_ms", "0", NULL};
    struct rig *rig = rig_new(one_server, settings, 5);
    assert_int_equal(rig_connect_status(rig), NKI_OK);
    rig->refuse = true;
    rig_settle(rig);
    rig_publish(rig, "a", "early");
    rig_pass(rig, 59999);
    assert_int_not_equal(rig->engine.state, NKI_ENGINE_CLOSED);
    rig->refuse = false;
    rig_pass(rig, 1);
    assert_int_equal(rig->engine.state, NKI_ENGINE_CLOSED); /* out of time, though it was being tried */
    assert_int_equal(rig_event(rig, NKI_EVENT_CLOSED)->status, NKI_TIMEOUT);
    assert_int_equal(rig->engine.counts.unsent, 1);
    rig_free(rig);
}

/* -- pauses ---------------------------------------------------------------------------------------------- */

static void test_the_application_says_how_long(void **state)
{
    (void)state;
    static const char *const settings[] = {"reconnect_jitter_ms", "0", "answer_timeout_ms", "700", NULL};
    struct rig *rig = rig_new(one_server, settings, 5000);
    rig->events_sub->answers = true;
    rig_hello(rig);
    rig->refuse = true;
    rig_eof(rig);
    const struct rig_event *event = rig_event(rig, NKI_EVENT_DELAY_NEEDED);
    assert_non_null(event);
    assert_int_equal(event->delay_ms, 250);
    assert_int_equal(event->count, 1);
    assert_int_equal(event->status, NKI_CONNECT_REFUSED);
    /* Nobody answers: the default is 250 ms, and there was time until 700. */
    int64_t begin_ns = rig->now_ns;
    int dials = rig->dials;
    rig_until(rig, begin_ns + RIG_MS(700) - 1);
    assert_int_equal(rig->dials, dials);
    rig_until(rig, begin_ns + RIG_MS(700));
    assert_int_equal(rig->dials, dials + 1);
    /* Answered after 100 ms: 300 ms from the question. */
    event = rig_event(rig, NKI_EVENT_DELAY_NEEDED);
    assert_int_equal(event->delay_ms, 500);
    begin_ns = rig->now_ns;
    rig_pass(rig, 100);
    struct nki_engine *engine = &rig->engine;
    assert_int_equal(nki_engine_answer_delay(engine, event->request - 1, 0, rig->now_ns), NKI_NOT_FOUND);
    assert_int_equal(nki_engine_answer_delay(engine, event->request, 300, rig->now_ns), NKI_OK);
    assert_int_equal(nki_engine_answer_delay(engine, event->request, 0, rig->now_ns), NKI_NOT_FOUND);
    rig_until(rig, begin_ns + RIG_MS(300) - 1);
    assert_int_equal(rig->dials, dials + 1);
    rig_until(rig, begin_ns + RIG_MS(300));
    assert_int_equal(rig->dials, dials + 2);
    /* A delay that has passed already: at once. */
    rig_pass(rig, 100);
    event = rig_event(rig, NKI_EVENT_DELAY_NEEDED);
    assert_int_equal(nki_engine_answer_delay(engine, event->request, 50, rig->now_ns), NKI_OK);
    rig_pass(rig, 0);
    assert_int_equal(rig->dials, dials + 3);
    rig_free(rig);
}

static void test_jitter_of_tls(void **state)
{
    (void)state;
    static const char *const settings[] = {"reconnect_jitter_ms", "0", "reconnect_jitter_tls_ms", "50", NULL};
    bool jittered = false;
    for (int i = 0; i < 20; i++) {
        struct rig *rig = rig_new(one_server, settings, 5000);
        rig_hello(rig);
        rig->engine.servers.current->url.scheme = NKI_SCHEME_TLS; /* nothing else looks at it here */
        rig->refuse = true;
        rig_eof(rig);
        int64_t wait_ns = nki_engine_deadline_ns(&rig->engine) - rig->now_ns;
        assert_true(wait_ns >= RIG_MS(250) && wait_ns <= RIG_MS(300));
        jittered = jittered || wait_ns != RIG_MS(250);
        rig_free(rig);
    }
    assert_true(jittered);
}

static void test_refused_credentials_in_a_row(void **state)
{
    (void)state;
    static const char *const settings[] = {"max_auth_failures", "2", "reconnect_wait_max_ms", "250", NULL};
    struct rig *rig = rig_new(one_server, settings, 5000);
    rig_hello(rig);
    rig_eof(rig);
    rig_say(rig, RIG_INFO "-ERR 'Authorization Violation'\r\n");
    rig_pass(rig, 400);
    rig_say(rig, "HELLO\r\n"); /* something else between: they are not in a row */
    rig_pass(rig, 400);
    rig_say(rig, RIG_INFO "-ERR 'Authorization Violation'\r\n");
    assert_int_equal(rig->engine.state, NKI_ENGINE_BACKOFF);
    rig_pass(rig, 400);
    rig_say(rig, RIG_INFO "-ERR 'User Authentication Expired'\r\n");
    assert_int_equal(rig->engine.state, NKI_ENGINE_CLOSED);
    assert_int_equal(rig_event(rig, NKI_EVENT_CLOSED)->status, NKI_AUTH_EXPIRED);
    rig_free(rig);
}

static void test_forced_reconnect(void **state)
{
    (void)state;
    struct rig *rig = rig_new("a:1,b:1", NULL, 5000);
    rig_hello(rig);
    char first[64];
    strcpy(first, rig->dialed[0]);
    struct nki_op *flush = rig_flush(rig, 1000);
    assert_int_equal(nki_engine_reconnect(&rig->engine, rig->now_ns), NKI_OK);
    rig_settle(rig);
    assert_int_equal(rig_op_status(flush), NKI_DISCONNECTED);
    assert_int_equal(rig->dials, 2);
    assert_string_not_equal(rig->dialed[1], first); /* another one, at once */
    assert_int_equal(nki_engine_reconnect(&rig->engine, rig->now_ns), NKI_OK);
    rig_settle(rig);
    assert_int_equal(rig->dials, 2); /* nothing happens while one is tried */
    rig_hello(rig);
    assert_int_equal(rig_event_count(rig, NKI_EVENT_FORCED_RECONNECT), 1);
    assert_int_equal(rig_event_count(rig, NKI_EVENT_RECONNECTED), 1);
    nki_engine_close(&rig->engine, NULL, rig->now_ns);
    rig_settle(rig);
    assert_int_equal(nki_engine_reconnect(&rig->engine, rig->now_ns), NKI_CLOSED);
    rig_free(rig);
}

/* -- liveness -------------------------------------------------------------------------------------------- */

static void test_a_write_that_stalls(void **state)
{
    (void)state;
    static const char *const settings[] = {"write_stall_ms", "5000", "ping_interval_ms", "3600000", NULL};
    struct rig *rig = rig_new(one_server, settings, 5000);
    rig_hello(rig);
    nki_engine_writing(&rig->engine, true, rig->now_ns);
    rig_pass(rig, 4999);
    nki_engine_writing(&rig->engine, false, rig->now_ns); /* something was taken, and then nothing again */
    nki_engine_writing(&rig->engine, true, rig->now_ns);
    rig_pass(rig, 4999);
    assert_true(rig_connected(rig));
    rig_pass(rig, 1);
    assert_int_equal(rig_event_count(rig, NKI_EVENT_STALE), 1);
    assert_int_equal(rig_event(rig, NKI_EVENT_DISCONNECTED)->status, NKI_STALE);
    rig_hello(rig); /* and nothing of it is left for the next transport */
    rig_pass(rig, 10000);
    assert_true(rig_connected(rig));
    rig_free(rig);

    static const char *const never[] = {"write_stall_ms", "-1", "ping_interval_ms", "3600000", NULL};
    rig = rig_new(one_server, never, 5000);
    rig_hello(rig);
    nki_engine_writing(&rig->engine, true, rig->now_ns);
    rig_pass(rig, 600000);
    assert_true(rig_connected(rig));
    rig_free(rig);
}

static void test_pings_are_told_of(void **state)
{
    (void)state;
    struct rig *rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    rig_pass(rig, 10000);
    assert_int_equal(rig_event_count(rig, NKI_EVENT_PING), 0);
    rig->events_sub->debug = true;
    rig_pass(rig, 10000);
    assert_int_equal(rig_event_count(rig, NKI_EVENT_PING), 1);
    assert_int_equal(rig_event(rig, NKI_EVENT_PING)->count, 2);
    rig_free(rig);
}

static void test_an_outage_ends_with_the_connection(void **state)
{
    (void)state;
    static const char *const settings[] = {"max_outage_ms", "1000", NULL};
    struct rig *rig = rig_new(one_server, settings, 5000);
    rig_hello(rig);
    rig_pass(rig, 5000);
    rig_eof(rig);
    rig_pass(rig, 900);
    rig_hello(rig);
    rig_pass(rig, 5000);
    assert_true(rig_connected(rig));
    rig->silent = true;
    rig_eof(rig);
    rig_pass(rig, 999);
    assert_int_not_equal(rig->engine.state, NKI_ENGINE_CLOSED);
    rig_pass(rig, 1);
    assert_int_equal(rig->engine.state, NKI_ENGINE_CLOSED);
    rig_free(rig);
}

/* -- drains ---------------------------------------------------------------------------------------------- */

static void test_a_drain_byte_by_byte(void **state)
{
    (void)state;
    struct rig *rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    struct nki_sub *sub = rig_subscribe(rig, "s", 0);
    rig_say(rig, "MSG s 1 1\r\n1\r\n");
    struct nki_op *op = drain_all(rig, 1000);
    assert_true(rig_wrote(rig, "UNSUB 1\r\nPING\r\n"));
    rig_say(rig, "MSG s 1 1\r\n2\r\nMSG s 1 1\r\n3\r\nPONG\r\n"); /* was under way */
    assert_int_equal(rig_end_reason(sub), NKI_UNSUBSCRIBED);
    take(rig, sub, "1");
    rig_publish(rig, "a", "x");
    take(rig, sub, "2");
    assert_int_equal(peek(op), NKI_PENDING);
    ts_buf_drop_front(&rig->written, rig->written.len);
    take(rig, sub, "3");
    assert_true(rig_wrote(rig, "PING\r\n")); /* the last one */
    assert_int_equal(peek(op), NKI_PENDING);
    rig_say(rig, "PONG\r\n");
    assert_int_equal(rig_op_status(op), NKI_OK);
    assert_int_equal(rig->engine.state, NKI_ENGINE_CLOSED);
    assert_true(rig->engine.by_application);
    nki_sub_release(sub);
    rig_free(rig);
}

/* The transport goes while the PONG is awaited: nothing more comes, so the drain goes on without it. */
static void test_a_drain_loses_its_transport(void **state)
{
    (void)state;
    struct rig *rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    struct nki_sub *sub = rig_subscribe(rig, "s", 0);
    struct nki_sub *stays = rig_subscribe(rig, "t", 0);
    rig_say(rig, "MSG s 1 1\r\n1\r\n");
    struct nki_op *op = drain_sub(rig, sub, 1000);
    rig_say(rig, "MSG s 1 1\r\n2\r\nMSG s 1 9\r\ncut");
    rig_eof(rig);
    assert_int_equal(rig_end_reason(sub), NKI_UNSUBSCRIBED);
    take(rig, sub, "1");
    take(rig, sub, "2");
    assert_int_equal(rig_op_status(op), NKI_OK);
    rig_hello(rig);
    assert_true(rig_wrote(rig, "SUB t 2\r\n"));
    assert_false(rig_wrote(rig, "SUB s")); /* not asked for again */
    /* The same with all of it: it ends as soon as nothing is left to be sent. */
    op = drain_all(rig, 1000);
    rig->refuse = true;
    rig_eof(rig);
    assert_int_equal(rig_op_status(op), NKI_OK);
    assert_int_equal(rig->engine.state, NKI_ENGINE_CLOSED);
    nki_sub_release(sub);
    nki_sub_release(stays);
    rig_free(rig);
}

static void test_a_drain_waits_for_requests(void **state)
{
    (void)state;
    struct rig *rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    char reply[400];
    struct nki_op *request = rig_request(rig, 300, reply, sizeof reply);
    struct nki_op *op = drain_all(rig, 1000);
    rig_say(rig, "PONG\r\n");
    assert_int_equal(peek(op), NKI_PENDING);
    rig_pass(rig, 300);
    assert_int_equal(rig_op_status(request), NKI_TIMEOUT);
    rig_say(rig, "PONG\r\n");
    assert_int_equal(rig_op_status(op), NKI_OK);
    rig_free(rig);
}

static void test_a_drain_keeps_its_deadline(void **state)
{
    (void)state;
    struct rig *rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    struct nki_sub *sub = rig_subscribe(rig, "s", 0);
    rig_say(rig, "MSG s 1 1\r\n1\r\n");
    struct nki_op *one = drain_sub(rig, sub, 400);
    struct nki_op *all = drain_all(rig, 1000);
    rig_pass(rig, 399);
    assert_int_equal(peek(one), NKI_PENDING);
    rig_pass(rig, 1);
    assert_int_equal(rig_op_status(one), NKI_TIMEOUT);
    rig_pass(rig, 599);
    assert_int_equal(peek(all), NKI_PENDING);
    rig_pass(rig, 1);
    assert_int_equal(rig_op_status(all), NKI_TIMEOUT);
    assert_int_equal(rig->engine.state, NKI_ENGINE_CLOSED);
    assert_int_equal(rig->engine.counts.abandoned_msgs, 1);
    assert_false(rig->engine.by_application);
    nki_sub_release(sub);
    rig_free(rig);
}

/* Closing with a linger in the middle of a drain: what nobody took was not drained, whatever is confirmed. */
static void test_who_waits_for_a_drain_may_give_up(void **state)
{
    (void)state;
    struct rig *rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    struct nki_sub *sub = rig_subscribe(rig, "a", 0);
    struct nki_op *first = drain_sub(rig, sub, 5000);
    struct nki_op *second = nki_op_new();
    int64_t deadline_ns = rig->now_ns + RIG_MS(3000);
    assert_int_equal(nki_engine_drain_sub(&rig->engine, sub, second, deadline_ns, rig->now_ns), NKI_DRAINING);
    nki_engine_cancel(&rig->engine, first);
    nki_op_close(first);
    nki_op_release(first);
    /* The drain goes on, and another may wait for it. */
    assert_int_equal(nki_engine_drain_sub(&rig->engine, sub, second, deadline_ns, rig->now_ns), NKI_OK);
    assert_int_equal(peek(second), NKI_PENDING);
    rig_say(rig, RIG_PONG);
    assert_int_equal(peek(second), NKI_OK);
    nki_op_release(second);
    nki_sub_release(sub);
    rig_free(rig);
}

static void test_a_close_cuts_a_drain_short(void **state)
{
    (void)state;
    struct rig *rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    struct nki_sub *sub = rig_subscribe(rig, "s", 0);
    rig_say(rig, "MSG s 1 1\r\n1\r\n");
    struct nki_op *drain = drain_all(rig, 1000);
    rig_say(rig, "PONG\r\n");
    struct nki_op *close = nki_op_new();
    nki_op_retain(close);
    nki_engine_close_linger(&rig->engine, close, rig->now_ns + RIG_MS(500), rig->now_ns);
    rig_settle(rig);
    rig_say(rig, "PONG\r\n");
    assert_int_equal(rig_op_status(close), NKI_OK);
    assert_int_equal(rig_op_status(drain), NKI_CLOSED);
    nki_sub_release(sub);
    rig_free(rig);
}

/* A caller that still has the handle drains what another one has just closed, with a hold that nobody gives
 * up; and events, of which no server knows, until the connection ends. */
static void test_a_drain_that_nobody_finishes(void **state)
{
    (void)state;
    struct rig *rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    struct nki_sub *sub = rig_subscribe(rig, "s", 0);
    assert_true(nki_inlet_hold(&sub->inlet, true));
    nki_inlet_close(&sub->inlet);
    nki_engine_close_sub(&rig->engine, sub, rig->now_ns);
    struct nki_op *op = nki_op_new();
    assert_int_equal(nki_engine_drain_sub(&rig->engine, sub, op, NKI_NEVER, rig->now_ns), NKI_CLOSED);
    assert_int_equal(rig->engine.drains, 0);
    nki_op_release(op);
    nki_sub_release(sub);
    struct nki_sub_params params = {.subject = NKI_STR(""), .limits = {10, UINT64_MAX / 2}};
    struct nki_sub *events = nki_sub_new(&params);
    nki_subs_add_events(&rig->engine.subs, events);
    assert_true(nki_inlet_hold(&events->inlet, true));
    op = drain_sub(rig, events, 60000);
    nki_engine_close(&rig->engine, NULL, rig->now_ns);
    rig_settle(rig);
    assert_int_equal(rig_op_status(op), NKI_CLOSED);
    nki_sub_release(events);
    rig_free(rig); /* nothing is left */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_connect_is_tried_again),
        cmocka_unit_test(test_the_first_connect_in_the_background),
        cmocka_unit_test(test_the_application_says_how_long),
        cmocka_unit_test(test_jitter_of_tls),
        cmocka_unit_test(test_refused_credentials_in_a_row),
        cmocka_unit_test(test_forced_reconnect),
        cmocka_unit_test(test_a_write_that_stalls),
        cmocka_unit_test(test_pings_are_told_of),
        cmocka_unit_test(test_an_outage_ends_with_the_connection),
        cmocka_unit_test(test_a_drain_byte_by_byte),
        cmocka_unit_test(test_a_drain_loses_its_transport),
        cmocka_unit_test(test_a_drain_waits_for_requests),
        cmocka_unit_test(test_a_drain_keeps_its_deadline),
        cmocka_unit_test(test_who_waits_for_a_drain_may_give_up),
        cmocka_unit_test(test_a_close_cuts_a_drain_short),
        cmocka_unit_test(test_a_drain_that_nobody_finishes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
