/* What a look at a connection, a subscription and a consumer tells, on the engine with a virtual clock: above
 * all that silence is found without anybody having noticed it before, and when each state began. */
#include "ordered_peer.h"

#include "ask.h"
#include "jetstream/puller.h"
#include "jetstream/push.h"

#include <stdio.h>

#define PING_MS 10000
#define BEAT_MS 1000

static struct nki_health of_conn(const struct rig *rig, int64_t later_ms)
{
    struct nki_health health;
    nki_engine_health(&rig->engine, rig->now_ns + RIG_MS(later_ms), &health);
    return health;
}

static struct nki_health of_sub(const struct rig *rig, struct nki_sub *sub, int64_t later_ms)
{
    struct nki_health health;
    nki_engine_sub_health(&rig->engine, sub, rig->now_ns + RIG_MS(later_ms), &health);
    return health;
}

#define expect(health, wanted_state, wanted_reason, wanted_since_ns)                                         \
    do {                                                                                                     \
        struct nki_health now = (health);                                                                    \
        assert_int_equal(now.state, (wanted_state));                                                         \
        assert_int_equal(now.reason, (wanted_reason));                                                       \
        assert_int_equal(now.since_ns, (wanted_since_ns));                                                   \
        assert_true((now.reason == NKI_OK) == (now.text[0] == '\0') || now.state == NKI_HEALTH_STARTING);    \
    } while (0)

/* -- connections ------------------------------------------------------------------------------------------
 */

static struct rig *pinging(void)
{
    static const char *const settings[] = {"ping_interval_ms", "10000", "reconnect_wait_ms", "1", NULL};
    return rig_new(ONE_SERVER, settings, 5000);
}

static void test_connection(void **state)
{
    (void)state;
    struct rig *rig = pinging();
    expect(of_conn(rig, 0), NKI_HEALTH_STARTING, NKI_OK, rig->now_ns);
    assert_int_equal(of_conn(rig, 0).beat_ns, NKI_NEVER);
    rig_hello(rig);
    int64_t connected_ns = rig->now_ns;
    expect(of_conn(rig, 0), NKI_HEALTH_OK, NKI_OK, connected_ns);
    assert_int_equal(of_conn(rig, 0).beat_ns, connected_ns);
    rig_pass(rig, PING_MS);
    int64_t asked_ns = rig->now_ns;
    expect(of_conn(rig, PING_MS / 2), NKI_HEALTH_OK, NKI_OK, connected_ns);
    expect(of_conn(rig, PING_MS / 2 + 1), NKI_HEALTH_SILENT, NKI_STALE, asked_ns);
    rig_pass(rig, PING_MS);
    expect(of_conn(rig, 0), NKI_HEALTH_SILENT, NKI_STALE, asked_ns);
    rig_say(rig, RIG_PONG);
    expect(of_conn(rig, PING_MS), NKI_HEALTH_OK, NKI_OK, connected_ns);
    assert_int_equal(of_conn(rig, 0).beat_ns, rig->now_ns);
    assert_int_equal(of_conn(rig, 0).activity_ns, rig->now_ns);
    rig_say(rig, RIG_PONG);
    rig_pass(rig, 10);
    rig->silent = true;
    rig_eof(rig);
    int64_t lost_ns = rig->now_ns;
    rig_pass(rig, 100);
    expect(of_conn(rig, 0), NKI_HEALTH_DOWN, of_conn(rig, 0).reason, lost_ns);
    assert_int_not_equal(of_conn(rig, 0).reason, NKI_OK);
    nki_engine_close(&rig->engine, NULL, rig->now_ns);
    expect(of_conn(rig, 5), NKI_HEALTH_ENDED, NKI_CLOSED, rig->now_ns);
    rig_settle(rig);
    rig_free(rig);
}

/* It works, but not for long, or not well. */
static void test_degraded(void **state)
{
    (void)state;
    struct rig *rig = pinging();
    rig_hello(rig);
    rig_pass(rig, 5);
    nki_engine_writing(&rig->engine, true, rig->now_ns);
    expect(of_conn(rig, 1000), NKI_HEALTH_OK, NKI_OK, rig->engine.connected_ns);
    expect(of_conn(rig, 1001), NKI_HEALTH_DEGRADED, NKI_STALE, rig->now_ns);
    nki_engine_writing(&rig->engine, false, rig->now_ns);
    expect(of_conn(rig, 1001), NKI_HEALTH_OK, NKI_OK, rig->engine.connected_ns);
    rig_say(rig, "INFO {\"ldm\":true}\r\n");
    expect(of_conn(rig, 1), NKI_HEALTH_DEGRADED, NKI_DISCONNECTED, rig->now_ns);
    struct nki_op *op = nki_op_new();
    assert_non_null(op);
    struct nki_sub *sub = rig_subscribe(rig, "a", 0);
    assert_int_equal(nki_engine_drain(&rig->engine, op, NKI_NEVER, rig->now_ns), NKI_OK);
    expect(of_conn(rig, 1), NKI_HEALTH_DEGRADED, NKI_DRAINING, op->begin_ns);
    expect(of_sub(rig, sub, 1), NKI_HEALTH_DEGRADED, NKI_DRAINING, op->begin_ns);
    nki_engine_close(&rig->engine, NULL, rig->now_ns);
    rig_settle(rig);
    nki_op_release(op);
    nki_sub_release(sub);
    rig_free(rig);
}

/* -- subscriptions ----------------------------------------------------------------------------------------
 */

static void test_subscription(void **state)
{
    (void)state;
    char data[16];
    struct rig *rig = pinging();
    rig_hello(rig);
    struct nki_sub *sub = rig_subscribe(rig, "a", 0);
    expect(of_sub(rig, sub, 0), NKI_HEALTH_OK, NKI_OK, rig->engine.connected_ns);
    assert_int_equal(of_sub(rig, sub, 0).activity_ns, NKI_NEVER);
    rig_pass(rig, 7);
    say_msg(rig, sub->sid, "1");
    assert_int_equal(of_sub(rig, sub, 0).activity_ns, rig->now_ns);
    nki_inlet_limit(&sub->inlet, (struct nki_inlet_limits){2, 1000000});
    say_msg(rig, sub->sid, "2");
    say_msg(rig, sub->sid, "3");
    assert_int_equal(of_sub(rig, sub, 0).state, NKI_HEALTH_DEGRADED);
    assert_int_equal(of_sub(rig, sub, 0).reason, NKI_SLOW_CONSUMER);
    assert_non_null(strstr(of_sub(rig, sub, 0).text, "2 messages wait in the queue, 1 were dropped"));
    assert_true(rig_take(sub, data, sizeof data));
    assert_int_equal(of_sub(rig, sub, 0).state, NKI_HEALTH_OK);
    rig_pass(rig, PING_MS);
    assert_int_equal(of_sub(rig, sub, PING_MS).state, NKI_HEALTH_SILENT); /* as its connection */
    rig_say(rig, RIG_PONG);
    rig->silent = true;
    rig_eof(rig);
    assert_int_equal(of_sub(rig, sub, 0).state, NKI_HEALTH_DOWN);
    assert_int_equal(of_sub(rig, rig->events_sub, 0).state, NKI_HEALTH_OK); /* which tells of that */
    nki_engine_close(&rig->engine, NULL, rig->now_ns);
    rig_settle(rig);
    assert_int_equal(of_sub(rig, sub, 0).state, NKI_HEALTH_ENDED);
    assert_int_equal(of_sub(rig, sub, 0).reason, NKI_CLOSED);
    nki_sub_release(sub);
    rig_free(rig);
}

/* Each subscription that is denied says so, with the server's words. */
static void test_denied(void **state)
{
    (void)state;
    struct rig *rig = pinging();
    rig_hello(rig);
    struct nki_sub *sub = rig_subscribe(rig, "secret", 0);
    rig_say(rig, "-ERR 'Permissions Violation for Subscription to \"secret\"'\r\n");
    assert_int_equal(of_sub(rig, sub, 0).state, NKI_HEALTH_ENDED);
    assert_int_equal(of_sub(rig, sub, 0).reason, NKI_PERMISSION);
    assert_non_null(strstr(of_sub(rig, sub, 0).text, "secret"));
    nki_sub_release(sub);
    rig_free(rig);
}

/* -- pull consumers ---------------------------------------------------------------------------------------
 */

static struct nki_sub *open_consume(struct rig *rig, int64_t beat_ms)
{
    const struct nki_pull_params params = {.api_prefix = NKI_STR("$JS.API"),
                                           .stream = NKI_STR("S"),
                                           .consumer = NKI_STR("C"),
                                           .inbox = NKI_STR("in"),
                                           .endless = true,
                                           .max_msgs = 10,
                                           .threshold = 5,
                                           .expires_ns = RIG_MS(30000),
                                           .beat_ns = RIG_MS(beat_ms),
                                           .group = NKI_STR(""),
                                           .pin = NKI_STR("")};
    const struct nki_sub_params of_it = {
        .subject = NKI_STR("in.*"), .queue = NKI_STR(""), .limits = {1000, 1000000}};
    struct nki_sub *sub;
    struct nki_feed *feed = nki_puller_new(&params);
    assert_non_null(feed);
    assert_int_equal(steps_feed(rig, &of_it, feed, &sub), NKI_OK);
    return sub;
}

static void say_status(struct rig *rig, const struct nki_sub *sub, const char *line)
{
    char subject[32];
    char block[128];
    uint64_t serial = nki_puller_of(sub->collect->feed)->pulls.next - 1;
    *nki_base62_emit(subject + sprintf(subject, "in."), serial) = '\0';
    snprintf(block, sizeof block, "NATS/1.0 %s\r\n\r\n", line);
    say_hmsg(rig, subject, sub->sid, block, "");
}

static struct rig *quiet(void)
{
    static const char *const settings[] = {"ping_interval_ms", "3600000", NULL};
    struct rig *rig = rig_new(ONE_SERVER, settings, 5000);
    rig_hello(rig);
    return rig;
}

static void done(struct rig *rig, struct nki_sub *sub)
{
    nki_engine_close_sub(&rig->engine, sub, rig->now_ns);
    nki_sub_release(sub);
    rig_free(rig);
}

static void test_pull_silence(void **state)
{
    (void)state;
    struct rig *rig = quiet();
    int64_t begin_ns = rig->now_ns;
    struct nki_sub *sub = open_consume(rig, BEAT_MS);
    expect(of_sub(rig, sub, 2 * BEAT_MS - 1), NKI_HEALTH_OK, NKI_OK, begin_ns);
    expect(of_sub(rig, sub, 2 * BEAT_MS), NKI_HEALTH_SILENT, NKI_HEARTBEATS_MISSED, begin_ns);
    rig_pass(rig, BEAT_MS);
    say_status(rig, sub, "100 Idle Heartbeat");
    int64_t beat_ns = rig->now_ns;
    assert_int_equal(of_sub(rig, sub, 5).beat_ns, beat_ns);
    rig_pass(rig, 7 * BEAT_MS); /* it is looked after meanwhile, and stays what it is */
    expect(of_sub(rig, sub, 0), NKI_HEALTH_SILENT, NKI_HEARTBEATS_MISSED, beat_ns);
    assert_non_null(strstr(of_sub(rig, sub, 0).text, "S C: "));
    say_status(rig, sub, "100 Idle Heartbeat");
    expect(of_sub(rig, sub, 0), NKI_HEALTH_OK, NKI_OK, rig->now_ns);
    done(rig, sub);
}

/* Without heartbeats a request that is not ended in time is the sign. */
static void test_pull_without_heartbeats(void **state)
{
    (void)state;
    struct rig *rig = quiet();
    int64_t begin_ns = rig->now_ns;
    struct nki_sub *sub = open_consume(rig, 0);
    expect(of_sub(rig, sub, 31999), NKI_HEALTH_OK, NKI_OK, begin_ns);
    expect(of_sub(rig, sub, 32000), NKI_HEALTH_SILENT, NKI_HEARTBEATS_MISSED, begin_ns);
    rig_pass(rig, 33000);
    expect(of_sub(rig, sub, 0), NKI_HEALTH_SILENT, NKI_HEARTBEATS_MISSED, begin_ns);
    say_status(rig, sub, "408 Request Timeout");
    expect(of_sub(rig, sub, 0), NKI_HEALTH_OK, NKI_OK, rig->now_ns);
    done(rig, sub);
}

static void test_pull_trouble(void **state)
{
    (void)state;
    struct rig *rig = quiet();
    struct nki_sub *sub = open_consume(rig, BEAT_MS);
    rig_pass(rig, 10);
    say_status(rig, sub, "409 Leadership Change");
    expect(of_sub(rig, sub, 0), NKI_HEALTH_DEGRADED, NKI_NO_RESPONDERS, rig->now_ns);
    assert_non_null(strstr(of_sub(rig, sub, 0).text, "Leadership Change"));
    rig_pass(rig, 500);
    say_status(rig, sub, "100 Idle Heartbeat");
    expect(of_sub(rig, sub, 0), NKI_HEALTH_OK, NKI_OK, rig->now_ns);
    say_status(rig, sub, "409 Consumer Deleted");
    expect(of_sub(rig, sub, 0), NKI_HEALTH_DOWN, NKI_CONSUMER_DELETED, rig->now_ns);
    int64_t gone_ns = rig->now_ns;
    rig_pass(rig, 20000);
    expect(of_sub(rig, sub, 0), NKI_HEALTH_DOWN, NKI_CONSUMER_DELETED, gone_ns);
    rig_eof(rig); /* and what was amiss with the server that is left is forgotten */
    rig_hello(rig);
    expect(of_sub(rig, sub, 0), NKI_HEALTH_OK, NKI_OK, rig->now_ns);
    done(rig, sub);
}

/* -- push and ordered consumers ---------------------------------------------------------------------------
 */

#define PUSH_INFO                                                                                            \
    "{\"stream_name\":\"S\",\"name\":\"d\",\"config\":{\"deliver_subject\":\"to.us\",\"ack_policy\":"        \
    "\"explicit\",\"ack_wait\":30000000000,\"idle_heartbeat\":1000000000}}"

static void answer_push(struct peer *peer)
{
    struct peer_pub pub;
    peer_expect(peer, "$JS.API.CONSUMER.INFO.S.d", &pub);
    assert_true(peer_send(peer, pub.reply, pub.reply, "", "", PUSH_INFO));
}

static void test_push(void **state)
{
    (void)state;
    char data[16];
    struct nki_sub *sub;
    struct nki_op *op;
    struct peer *peer = peer_new();
    struct rig *rig = peer->rig;
    const struct nki_push_params params = {.stream = NKI_STR("S"),
                                           .consumer = NKI_STR("d"),
                                           .bind = true,
                                           .wanted = NKI_STR("{}"),
                                           .config = NKI_STR("{}"),
                                           .limits = {1000, 1000000},
                                           .deadline_ns = NKI_NEVER};
    assert_int_equal(nki_push_open(peer->js, &params, &sub, &op, NULL), NKI_OK);
    assert_int_equal(of_sub(rig, sub, 0).state, NKI_HEALTH_STARTING);
    answer_push(peer);
    int64_t live_ns = rig->now_ns;
    assert_int_equal(of_sub(rig, sub, 0).state, NKI_HEALTH_OK);
    expect(of_sub(rig, sub, 2 * BEAT_MS), NKI_HEALTH_SILENT, NKI_HEARTBEATS_MISSED, live_ns);
    peer_pass(peer, 2 * BEAT_MS);
    answer_push(peer); /* that it is there says nothing of what it delivers */
    expect(of_sub(rig, sub, 0), NKI_HEALTH_SILENT, NKI_HEARTBEATS_MISSED, live_ns);
    assert_true(peer_send(peer, "to.us", "to.us", "", "NATS/1.0 100 Idle Heartbeat\r\n\r\n", ""));
    expect(of_sub(rig, sub, 0), NKI_HEALTH_OK, NKI_OK, rig->now_ns);
    assert_int_equal(of_sub(rig, sub, 0).beat_ns, rig->now_ns);
    nki_inlet_limit(&sub->inlet, (struct nki_inlet_limits){1, 1000000});
    for (int i = 0; i < 2; i++) {
        assert_true(peer_send(peer, "to.us", "data", "$JS.ACK.S.d.1.1.1.1.0", "", "x"));
    }
    assert_int_equal(of_sub(rig, sub, 0).reason, NKI_SLOW_CONSUMER);
    int64_t heard_ns = rig->now_ns;
    peer_pass(peer, BEAT_MS);
    assert_true(rig_take(sub, data, sizeof data)); /* by the clock of the process, which is far ahead */
    expect(of_sub(rig, sub, 2 * BEAT_MS), NKI_HEALTH_SILENT, NKI_HEARTBEATS_MISSED, heard_ns);
    assert_true(of_sub(rig, sub, 0).since_ns > heard_ns);
    assert_true(peer_send(peer, "to.us", "to.us", "", "NATS/1.0 409 Leadership Change\r\n\r\n", ""));
    expect(of_sub(rig, sub, 0), NKI_HEALTH_DEGRADED, NKI_NO_RESPONDERS, rig->now_ns);
    peer_cut(peer);
    assert_int_equal(of_sub(rig, sub, 0).state, NKI_HEALTH_STARTING);
    nki_engine_close_sub(&rig->engine, sub, rig->now_ns);
    nki_sub_release(sub);
    nki_op_release(op);
    peer_free(peer);
}

static void test_ordered(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct peer *peer = peer_new();
    struct rig *rig = peer->rig;
    open_with(peer, (struct nki_ordered_params){.deliver = NKI_DELIVER_ALL}, &sub);
    expect_create(peer, &asked, "\"deliver_policy\":\"all\"");
    assert_int_equal(of_sub(rig, sub, 0).state, NKI_HEALTH_STARTING);
    say_made(peer, &asked, 0, 1);
    say(peer, &asked, 1, 1, 0);
    int64_t life_ns = rig->now_ns;
    assert_int_equal(of_sub(rig, sub, 2 * HEARTBEAT_MS - 1).state, NKI_HEALTH_OK);
    expect(of_sub(rig, sub, 2 * HEARTBEAT_MS), NKI_HEALTH_SILENT, NKI_HEARTBEATS_MISSED, life_ns);
    peer_pass(peer, 2 * HEARTBEAT_MS);
    expect_next(peer, &asked, "\"opt_start_seq\":2");
    expect(of_sub(rig, sub, 0), NKI_HEALTH_SILENT, NKI_HEARTBEATS_MISSED, life_ns);
    say_made(peer, &asked, 1, 0);
    expect(of_sub(rig, sub, 0), NKI_HEALTH_SILENT, NKI_HEARTBEATS_MISSED, life_ns);
    peer_pass(peer, 10);
    say_heartbeat(peer, &asked, 0);
    expect(of_sub(rig, sub, 0), NKI_HEALTH_OK, NKI_OK, rig->now_ns);
    assert_int_equal(of_sub(rig, sub, 0).beat_ns, rig->now_ns);
    assert_int_equal(of_sub(rig, sub, 0).activity_ns, rig->now_ns);
    ordered_close(peer, sub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connection),   cmocka_unit_test(test_degraded),
        cmocka_unit_test(test_subscription), cmocka_unit_test(test_denied),
        cmocka_unit_test(test_pull_silence), cmocka_unit_test(test_pull_without_heartbeats),
        cmocka_unit_test(test_pull_trouble), cmocka_unit_test(test_push),
        cmocka_unit_test(test_ordered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
