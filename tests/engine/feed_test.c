/* Feeds: what they are told and when, moving to another subject, ending themselves in each of their
 * functions, transports, denials, drains and the close of the connection. */
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>

/* Where a feed ends itself. */
enum ends { NOWHERE, IN_BEGIN, IN_UP, IN_DOWN, IN_MESSAGE, IN_TICK, IN_TAKEN };

/* What happened, in a text: one letter each. */
static char seen[64];

struct probe {
    struct nki_feed feed;
    enum ends ends;
    bool asks; /* on each transport, on "ask.it" */
    char subjects[8][32];
    int moves;
};

static void note(char letter)
{
    size_t len = strlen(seen);
    assert_true(len + 1 < sizeof seen);
    seen[len] = letter;
    seen[len + 1] = '\0';
}

static struct probe *of(struct nki_feed *feed)
{
    return NKI_CONTAINER_OF(feed, struct probe, feed);
}

/* The feed may be gone then. */
static void maybe_end(struct nki_feed *feed, char letter, enum ends here)
{
    note(letter);
    if (of(feed)->ends == here) {
        struct nki_error error;
        nki_error_set(&error, NKI_JS_REFUSED, "the words");
        nki_feed_finish(feed, NKI_JS_REFUSED, &error);
    }
}

static void begin(struct nki_feed *feed, int64_t now_ns)
{
    (void)now_ns;
    maybe_end(feed, 'b', IN_BEGIN);
}

static void up(struct nki_feed *feed, int64_t now_ns)
{
    (void)now_ns;
    if (of(feed)->asks) {
        struct nki_outgoing_msg msg = {.subject = NKI_STR("ask.it"),
                                       .reply = NKI_STR(""),
                                       .header_block = NKI_STR(""),
                                       .data = NKI_STR("")};
        feed->asked = nki_str_hash(msg.subject);
        assert_true(nki_feed_send(feed, &msg));
    }
    maybe_end(feed, 'u', IN_UP);
}

static void down(struct nki_feed *feed, int64_t now_ns)
{
    (void)now_ns;
    maybe_end(feed, 'd', IN_DOWN);
}

static void message(struct nki_feed *feed, struct nki_msg *msg, int64_t now_ns)
{
    (void)now_ns;
    nki_feed_stage(feed, msg);
    maybe_end(feed, 'm', IN_MESSAGE);
}

static void tick(struct nki_feed *feed, int64_t now_ns)
{
    (void)now_ns;
    maybe_end(feed, 't', IN_TICK);
}

static void taken(struct nki_feed *feed, int64_t now_ns)
{
    (void)now_ns;
    maybe_end(feed, 'k', IN_TAKEN);
}

static void end(struct nki_feed *feed, int32_t reason)
{
    (void)reason;
    note('e');
    free(of(feed));
}

static const struct nki_feed_ops probe_ops = {
    .begin = begin, .up = up, .down = down, .message = message, .tick = tick, .taken = taken, .end = end};

static struct nki_sub *subscribe(struct peer *peer, enum ends ends, bool asks, struct probe **out)
{
    struct nki_sub_params params = {
        .subject = NKI_STR("first"), .queue = NKI_STR(""), .limits = {1000, UINT64_MAX / 2}};
    struct nki_sub *sub;
    struct probe *probe = ts_alloc(sizeof *probe);
    memset(probe, 0, sizeof *probe);
    probe->feed.ops = &probe_ops;
    probe->ends = ends;
    probe->asks = asks;
    seen[0] = '\0';
    assert_int_equal(steps_feed(peer->rig, &params, &probe->feed, &sub), NKI_OK);
    *out = probe;
    peer_read(peer);
    return sub;
}

static void expect_seen(const char *wanted)
{
    assert_string_equal(seen, wanted);
    seen[0] = '\0';
}

static void close_sub(struct peer *peer, struct nki_sub *sub)
{
    nki_engine_close_sub(&peer->rig->engine, sub, peer->rig->now_ns);
    rig_settle(peer->rig);
    nki_sub_release(sub);
}

static void expect_take(struct peer *peer, struct nki_sub *sub, const char *data)
{
    struct nki_msg *msg = steps_take(peer->rig, sub);
    assert_non_null(msg);
    assert_true(nki_str_eq(nki_msg_data(msg), nki_str_z(data)));
    nki_msg_release(msg);
}

static bool move(struct peer *peer, struct probe *probe, const char *subject)
{
    snprintf(probe->subjects[probe->moves], sizeof probe->subjects[0], "%s", subject);
    bool ok = nki_feed_move(&probe->feed, nki_str_z(probe->subjects[probe->moves]), NKI_STR(""));
    probe->moves++;
    rig_settle(peer->rig);
    peer_read(peer);
    return ok;
}

/* -- what it is told ------------------------------------------------------------------------------------- */

static void test_told(void **state)
{
    (void)state;
    struct probe *probe;
    struct peer *peer = peer_new();
    struct nki_sub *sub = subscribe(peer, NOWHERE, true, &probe);
    struct peer_pub pub;
    expect_seen("bu");
    peer_expect(peer, "ask.it", &pub);
    assert_true(peer_send(peer, "first", "first", "", "", "one"));
    expect_seen("m");
    expect_take(peer, sub, "one");
    peer->rig->silent = true;
    rig_eof(peer->rig);
    expect_seen("d"); /* once for a transport, whatever attempts there are */
    rig_pass(peer->rig, 20000);
    expect_seen("");
    peer->rig->silent = false;
    peer_pass(peer, 20000);
    expect_seen("u");
    peer_expect(peer, "ask.it", &pub);
    peer_expect_none(peer);
    assert_int_not_equal(peer_sid(peer, "first"), 0);
    close_sub(peer, sub);
    expect_seen("e");
    peer_free(peer);
}

static void test_without_transport(void **state)
{
    (void)state;
    struct probe *probe;
    struct peer *peer = peer_new();
    peer->rig->silent = true;
    rig_eof(peer->rig);
    struct nki_sub *sub = subscribe(peer, NOWHERE, false, &probe);
    expect_seen("b");
    peer->rig->silent = false;
    peer_pass(peer, 20000);
    expect_seen("u");
    close_sub(peer, sub);
    peer_free(peer);
}

static void test_ticks(void **state)
{
    (void)state;
    struct probe *probe;
    struct peer *peer = peer_new();
    struct nki_sub *sub = subscribe(peer, NOWHERE, false, &probe);
    expect_seen("bu");
    int64_t begin_ns = peer->rig->now_ns;
    nki_feed_arm(&probe->feed, begin_ns + RIG_MS(100));
    nki_feed_arm(&probe->feed, begin_ns + RIG_MS(300)); /* in place of that */
    rig_until(peer->rig, begin_ns + RIG_MS(300) - 1);
    expect_seen("");
    rig_until(peer->rig, begin_ns + RIG_MS(300));
    expect_seen("t");
    rig_pass(peer->rig, 1000);
    expect_seen("");
    nki_feed_arm(&probe->feed, peer->rig->now_ns + RIG_MS(100));
    nki_feed_arm(&probe->feed, NKI_NEVER);
    rig_pass(peer->rig, 1000);
    expect_seen("");
    close_sub(peer, sub);
    peer_free(peer);
}

static void test_taken(void **state)
{
    (void)state;
    struct probe *probe;
    struct peer *peer = peer_new();
    struct nki_sub *sub = subscribe(peer, NOWHERE, false, &probe);
    for (int i = 0; i < 5; i++) {
        assert_true(peer_send(peer, "first", "first", "", "", "x"));
    }
    nki_inlet_tell_after(&sub->inlet, 2);
    expect_seen("bummmmm");
    expect_take(peer, sub, "x");
    expect_seen("");
    expect_take(peer, sub, "x");
    expect_seen("k");
    expect_take(peer, sub, "x");
    expect_take(peer, sub, "x");
    expect_seen(""); /* once */
    close_sub(peer, sub);
    peer_free(peer);
}

/* -- moving ---------------------------------------------------------------------------------------------- */

static void test_move(void **state)
{
    (void)state;
    struct probe *probe;
    struct peer *peer = peer_new();
    struct nki_sub *sub = subscribe(peer, NOWHERE, false, &probe);
    uint64_t old_sid = sub->sid;
    assert_true(peer_send(peer, "first", "first", "", "", "one"));
    assert_true(move(peer, probe, "second"));
    assert_int_equal(peer_sid(peer, "first"), 0);
    assert_int_equal(peer_sid(peer, "second"), sub->sid);
    assert_int_not_equal(sub->sid, old_sid);
    uint64_t orphans = peer->rig->engine.counts.orphan_msgs;
    peer_send_sid(peer, old_sid, "first", "", "", "old");
    assert_int_equal(peer->rig->engine.counts.orphan_msgs, orphans + 1);
    assert_true(peer_send(peer, "second", "second", "", "", "two"));
    expect_take(peer, sub, "one");
    expect_take(peer, sub, "two");
    assert_null(steps_take(peer->rig, sub));
    peer_cut(peer);
    assert_int_equal(peer->sub_count, 1); /* the new one, and the new one alone */
    assert_int_equal(peer_sid(peer, "second"), sub->sid);
    close_sub(peer, sub);
    peer_read(peer);
    assert_int_equal(peer->sub_count, 0);
    peer_free(peer);
}

/* The body of a message is under way when it is moved: it comes to nobody. */
static void test_move_in_the_middle(void **state)
{
    (void)state;
    struct probe *probe;
    char text[64];
    struct peer *peer = peer_new();
    struct nki_sub *sub = subscribe(peer, NOWHERE, false, &probe);
    snprintf(text, sizeof text, "MSG first %llu 10\r\n01234", (unsigned long long)sub->sid);
    rig_say(peer->rig, text);
    assert_true(move(peer, probe, "second"));
    rig_say(peer->rig, "56789\r\n");
    assert_true(peer_send(peer, "second", "second", "", "", "two"));
    struct nki_msg *msg = steps_take(peer->rig, sub);
    assert_non_null(msg);
    assert_true(nki_str_eq(nki_msg_data(msg), NKI_STR("two")));
    nki_msg_release(msg);
    close_sub(peer, sub);
    peer_free(peer);
}

static void test_move_offline(void **state)
{
    (void)state;
    struct probe *probe;
    struct peer *peer = peer_new();
    struct nki_sub *sub = subscribe(peer, NOWHERE, false, &probe);
    peer->rig->silent = true;
    rig_eof(peer->rig);
    assert_true(move(peer, probe, "second"));
    assert_true(move(peer, probe, "third"));
    peer->rig->silent = false;
    peer_pass(peer, 20000);
    assert_int_equal(peer->sub_count, 1);
    assert_int_equal(peer_sid(peer, "third"), sub->sid);
    close_sub(peer, sub);
    peer_free(peer);
}

/* Beside so many other subscriptions, and without memory; whether it needed some. */
static bool move_without(int others)
{
    struct probe *probe;
    struct nki_sub *subs[PEER_SUBS];
    struct peer *peer = peer_new();
    struct nki_sub *sub = subscribe(peer, NOWHERE, false, &probe);
    for (int i = 0; i < others; i++) {
        subs[i] = rig_subscribe(peer->rig, "other", 0);
    }
    peer_read(peer);
    (void)steps_refuse(1);
    bool ok = move(peer, probe, "second");
    bool failed = steps_refused();
    steps_refuse_no_more();
    assert_int_equal(ok, !failed);
    if (!ok) {
        assert_true(move(peer, probe, "third"));
    }
    assert_int_equal(peer_sid(peer, ok ? "second" : "third"), sub->sid);
    assert_true(peer_send(peer, ok ? "second" : "third", "s", "", "", "x"));
    expect_take(peer, sub, "x");
    close_sub(peer, sub);
    for (int i = 0; i < others; i++) {
        close_sub(peer, subs[i]);
    }
    peer_free(peer);
    return failed;
}

static void test_move_no_memory(void **state)
{
    (void)state;
    int failed = 0;
    for (int others = 0; others < PEER_SUBS - 2; others++) {
        failed += move_without(others);
    }
    assert_true(failed > 0);
}

/* -- ends ------------------------------------------------------------------------------------------------ */

static const struct {
    enum ends ends;
    const char *seen;
} ends_rows[] = {{IN_BEGIN, "be"},     {IN_UP, "bue"},     {IN_DOWN, "bumde"},
                 {IN_MESSAGE, "bume"}, {IN_TICK, "bumte"}, {IN_TAKEN, "bumke"}};

static void test_ends_itself(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(ends_rows); i++) {
        struct probe *probe;
        char text[200];
        enum ends ends = ends_rows[i].ends;
        struct peer *peer = peer_new();
        struct nki_sub *other = rig_subscribe(peer->rig, "other", 0);
        struct nki_sub *sub = subscribe(peer, ends, false, &probe);
        struct nki_sub *after = rig_subscribe(peer->rig, "after", 0);
        snprintf(text, sizeof text,
                 "MSG first %llu 1\r\nx\r\nMSG first %llu 1\r\ny\r\nMSG other %llu 1\r\nz\r\n",
                 (unsigned long long)sub->sid, (unsigned long long)sub->sid, (unsigned long long)other->sid);
        if (ends == IN_TICK) {
            nki_feed_arm(&probe->feed, peer->rig->now_ns + RIG_MS(10));
        }
        if (ends == IN_MESSAGE) {
            rig_say(peer->rig, text); /* all in one read: the second one comes too late */
        } else if (sub->live) {
            assert_true(peer_send(peer, "first", "first", "", "", "x"));
        }
        if (ends == IN_TAKEN) {
            nki_inlet_tell_after(&sub->inlet, 1);
            expect_take(peer, sub, "x");
        }
        rig_pass(peer->rig, 10);
        if (ends == IN_DOWN) {
            peer_cut(peer);
        }
        expect_seen(ends_rows[i].seen);
        assert_int_equal(rig_end_reason(sub), NKI_JS_REFUSED);
        assert_non_null(sub->end_error);
        assert_string_equal(sub->end_error->text, "the words");
        if (ends > IN_UP && ends != IN_TAKEN) {
            expect_take(peer, sub, "x"); /* what was staged before is not lost */
        }
        assert_null(steps_take(peer->rig, sub));
        peer_read(peer);
        assert_int_equal(peer_sid(peer, "first"), 0);
        assert_int_not_equal(peer_sid(peer, "after"), 0);
        close_sub(peer, sub);
        close_sub(peer, other);
        close_sub(peer, after);
        peer_free(peer);
    }
}

static void test_denied(void **state)
{
    (void)state;
    struct probe *probe;
    struct peer *peer = peer_new();
    struct nki_sub *sub = subscribe(peer, NOWHERE, true, &probe);
    rig_say(peer->rig, "-ERR 'Permissions Violation for Publish to \"something.else\"'\r\n");
    expect_seen("bu");
    rig_say(peer->rig, "-ERR 'Permissions Violation for Publish to \"ask.it\"'\r\n");
    expect_seen("e");
    assert_int_equal(rig_end_reason(sub), NKI_PERMISSION);
    assert_non_null(sub->end_error);
    close_sub(peer, sub);
    peer_free(peer);
}

/* The subject that it was moved to is denied, by its present name. */
static void test_denied_subject(void **state)
{
    (void)state;
    struct probe *probe;
    struct peer *peer = peer_new();
    struct nki_sub *sub = subscribe(peer, NOWHERE, false, &probe);
    assert_true(move(peer, probe, "second"));
    rig_say(peer->rig, "-ERR 'Permissions Violation for Subscription to \"first\"'\r\n");
    expect_seen("bu");
    rig_say(peer->rig, "-ERR 'Permissions Violation for Subscription to \"second\"'\r\n");
    expect_seen("e");
    assert_int_equal(rig_end_reason(sub), NKI_PERMISSION);
    close_sub(peer, sub);
    peer_free(peer);
}

static void test_drained(void **state)
{
    (void)state;
    for (int all = 0; all < 2; all++) {
        struct probe *probe;
        struct peer *peer = peer_new();
        struct nki_engine *engine = &peer->rig->engine;
        struct nki_sub *sub = subscribe(peer, NOWHERE, false, &probe);
        struct nki_op *drain = nki_op_new();
        uint64_t sid = sub->sid;
        assert_int_equal(all ? nki_engine_drain(engine, drain, NKI_NEVER, peer->rig->now_ns)
                             : nki_engine_drain_sub(engine, sub, drain, NKI_NEVER, peer->rig->now_ns),
                         NKI_OK);
        rig_settle(peer->rig);
        peer_read(peer);
        assert_int_equal(peer_sid(peer, "first"), 0);
        peer_send_sid(peer, sid, "first", "", "", "late"); /* before the PONG */
        assert_false(move(peer, probe, "second"));         /* the server would not be told of its end */
        assert_int_equal(peer->sub_count, 0);
        expect_seen("bum");
        rig_say(peer->rig, RIG_PONG);
        expect_seen("e");
        assert_int_equal(nki_op_result(drain, NULL, NULL), NKI_PENDING);
        expect_take(peer, sub, "late");
        if (all) {
            rig_say(peer->rig, RIG_PONG);
        }
        assert_int_equal(rig_op_status(drain), NKI_OK);
        close_sub(peer, sub);
        peer_free(peer);
    }
}

static void test_closed(void **state)
{
    (void)state;
    struct probe *probe;
    struct peer *peer = peer_new();
    struct nki_sub *sub = subscribe(peer, NOWHERE, false, &probe);
    assert_true(peer_send(peer, "first", "first", "", "", "one"));
    nki_engine_close(&peer->rig->engine, NULL, peer->rig->now_ns);
    rig_settle(peer->rig);
    expect_seen("bume");
    expect_take(peer, sub, "one");
    assert_int_equal(rig_end_reason(sub), NKI_CLOSED);
    nki_sub_release(sub);
    peer_free(peer);
}

/* Without memory it is never begun, and freed all the same. */
static void test_no_memory(void **state)
{
    (void)state;
    long refused = 0;
    struct peer *peer = peer_new();
    for (long nth = 1; steps_refuse(nth); nth++) {
        struct nki_sub_params params = {
            .subject = NKI_STR("first"), .queue = NKI_STR(""), .limits = {1000, UINT64_MAX / 2}};
        struct nki_sub *sub;
        struct probe *probe = ts_alloc(sizeof *probe);
        memset(probe, 0, sizeof *probe);
        probe->feed.ops = &probe_ops;
        seen[0] = '\0';
        int32_t status = steps_feed(peer->rig, &params, &probe->feed, &sub);
        bool failed = steps_refused();
        steps_refuse_no_more();
        refused += failed;
        if (status != NKI_OK) {
            assert_true(failed);
            assert_int_equal(status, NKI_NO_MEMORY);
            expect_seen("e");
        } else {
            expect_seen("bu");
            close_sub(peer, sub);
        }
    }
    assert_true(refused > 0);
    peer_free(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_told),           cmocka_unit_test(test_without_transport),
        cmocka_unit_test(test_ticks),          cmocka_unit_test(test_taken),
        cmocka_unit_test(test_move),           cmocka_unit_test(test_move_in_the_middle),
        cmocka_unit_test(test_move_offline),   cmocka_unit_test(test_move_no_memory),
        cmocka_unit_test(test_ends_itself),    cmocka_unit_test(test_denied),
        cmocka_unit_test(test_denied_subject), cmocka_unit_test(test_drained),
        cmocka_unit_test(test_closed),         cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
