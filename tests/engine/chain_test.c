/* Chains of requests: the next one after a reply, pauses, lost transports, deadlines, cancelling, the end of
 * the connection, drains, no room and no memory. */
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>

/* Asks `steps` times; words of replies decide: "wait" pauses, "end" ends early. */
struct chain {
    struct nki_chain chain;
    int asked;
    int steps;
    bool again;   /* after a lost transport */
    int32_t seen; /* the last status */
    int *freed;
    char subject[32];
};

#define PAUSE_MS 250

static enum nki_chain_next ask_next(struct chain *chain)
{
    snprintf(chain->subject, sizeof chain->subject, "step.%d", ++chain->asked);
    chain->chain.out.subject = nki_str_z(chain->subject);
    return NKI_CHAIN_ASKS;
}

static enum nki_chain_next reply(struct nki_chain *base, int32_t status, struct nki_msg *msg,
                                 struct nki_chain_end *end)
{
    struct chain *chain = NKI_CONTAINER_OF(base, struct chain, chain);
    chain->seen = status;
    assert_int_equal(msg != NULL, status == NKI_OK);
    if (status == NKI_OK && nki_str_eq(nki_msg_data(msg), NKI_STR("next")) && chain->asked < chain->steps) {
        nki_msg_release(msg);
        return ask_next(chain);
    }
    if (status == NKI_NO_RESPONDERS) {
        chain->chain.wait_ms = PAUSE_MS;
        return NKI_CHAIN_WAITS;
    }
    if (status == NKI_DISCONNECTED && chain->again) {
        return NKI_CHAIN_ASKS;
    }
    end->status = status;
    end->outcome = status == NKI_OK ? NKI_OUTCOME_DONE : NKI_OUTCOME_UNKNOWN;
    end->msg = msg;
    nki_error_set(&end->error, status, NULL);
    return NKI_CHAIN_ENDS;
}

static const struct nki_chain_ops chain_ops = {.reply = reply};

static void free_chain(struct nki_op_part *part)
{
    struct chain *chain = NKI_CONTAINER_OF(part, struct chain, chain.part);
    ++*chain->freed;
    free(chain);
}

static int freed;

static struct chain *make(int steps, bool again)
{
    struct chain *chain = ts_alloc(sizeof *chain);
    memset(chain, 0, sizeof *chain);
    chain->chain.ops = &chain_ops;
    chain->chain.part.free = free_chain;
    chain->steps = steps;
    chain->again = again;
    chain->freed = &freed;
    chain->chain.out = (struct nki_outgoing_msg){
        .reply = NKI_STR(""), .header_block = NKI_STR(""), .data = NKI_STR("question")};
    ask_next(chain);
    freed = 0;
    return chain;
}

static struct nki_op *begin(struct peer *peer, struct chain *chain, int64_t timeout_ms)
{
    struct nki_op *op;
    int64_t deadline_ns = timeout_ms < 0 ? NKI_NEVER : peer->rig->now_ns + RIG_MS(timeout_ms);
    assert_int_equal(steps_chain(peer->rig, &chain->chain, deadline_ns, &op), NKI_OK);
    return op;
}

static void expect_asked(struct peer *peer, const char *subject, struct peer_pub *pub)
{
    peer_expect(peer, subject, pub);
    assert_string_equal(pub->subject, subject);
    assert_string_equal(pub->data, "question");
}

static void answer(struct peer *peer, const struct peer_pub *pub, const char *data)
{
    assert_true(peer_send(peer, pub->reply, pub->reply, "", "", data));
}

static void answer_nobody(struct peer *peer, const struct peer_pub *pub)
{
    assert_true(peer_send(peer, pub->reply, pub->reply, "", "NATS/1.0 503\r\n\r\n", ""));
}

/* It has ended so, and nothing of it is left. */
static void expect_end(struct peer *peer, struct nki_op *op, int32_t status, int32_t outcome)
{
    int32_t have;
    struct nki_engine *engine = &peer->rig->engine;
    assert_int_equal(nki_op_result(op, &have, NULL), status);
    assert_int_equal(have, outcome);
    assert_int_equal(engine->replies.used, 0);
    assert_int_equal(engine->pauses.len, 0);
    assert_true(nki_heap_top_ns(&engine->timers) == NKI_NEVER);
    nki_op_release(op);
    assert_int_equal(freed, 1);
}

static void test_next(void **state)
{
    (void)state;
    struct peer_pub pub;
    struct nki_msg *msg;
    char before[320];
    struct peer *peer = peer_new();
    struct nki_op *op = begin(peer, make(3, false), 1000);
    expect_asked(peer, "step.1", &pub);
    peer_expect_none(peer);
    snprintf(before, sizeof before, "%s", pub.reply);
    answer(peer, &pub, "next");
    expect_asked(peer, "step.2", &pub);
    assert_string_not_equal(pub.reply, before); /* a late reply to the first is none to the second */
    assert_true(peer_send(peer, before, before, "", "", "next"));
    peer_expect_none(peer);
    answer(peer, &pub, "next");
    expect_asked(peer, "step.3", &pub);
    assert_int_equal(nki_op_result(op, NULL, NULL), NKI_PENDING);
    answer(peer, &pub, "last");
    assert_int_equal(nki_op_take_msg(op, &msg), NKI_OK);
    assert_true(nki_str_eq(nki_msg_data(msg), NKI_STR("last")));
    nki_msg_release(msg);
    expect_end(peer, op, NKI_OK, NKI_OUTCOME_DONE);
    peer_expect_none(peer);
    peer_free(peer);
}

static void test_pause(void **state)
{
    (void)state;
    struct peer_pub pub;
    struct peer *peer = peer_new();
    struct nki_op *op = begin(peer, make(1, false), 10000);
    for (int i = 0; i < 5; i++) {
        expect_asked(peer, "step.1", &pub);
        answer_nobody(peer, &pub);
        peer_pass(peer, PAUSE_MS - 1);
        peer_expect_none(peer);
        assert_int_equal(nki_op_result(op, NULL, NULL), NKI_PENDING);
        peer_pass(peer, 1);
    }
    expect_asked(peer, "step.1", &pub);
    answer(peer, &pub, "done");
    expect_end(peer, op, NKI_OK, NKI_OUTCOME_DONE);
    peer_free(peer);
}

static void test_asked_again(void **state)
{
    (void)state;
    struct peer_pub pub;
    struct peer *peer = peer_new();
    struct nki_op *op = begin(peer, make(2, true), 60000);
    expect_asked(peer, "step.1", &pub);
    peer_cut(peer);
    peer_pass(peer, 1);
    expect_asked(peer, "step.1", &pub);
    peer_expect_none(peer); /* once */
    answer(peer, &pub, "next");
    expect_asked(peer, "step.2", &pub);
    peer_cut(peer);
    peer_pass(peer, 10000); /* a pause, since it was lost at once again */
    expect_asked(peer, "step.2", &pub);
    answer(peer, &pub, "done");
    expect_end(peer, op, NKI_OK, NKI_OUTCOME_DONE);
    peer_free(peer);
}

/* Without a transport it waits in the outbox, and its deadline goes on. */
static void test_asked_again_too_late(void **state)
{
    (void)state;
    struct peer_pub pub;
    struct peer *peer = peer_new();
    struct nki_op *op = begin(peer, make(1, true), 1000);
    expect_asked(peer, "step.1", &pub);
    peer->rig->silent = true;
    rig_eof(peer->rig);
    rig_pass(peer->rig, 999);
    assert_int_equal(nki_op_result(op, NULL, NULL), NKI_PENDING);
    rig_pass(peer->rig, 1);
    expect_end(peer, op, NKI_TIMEOUT, NKI_OUTCOME_UNKNOWN);
    peer_free(peer);
}

static void test_ends_with_transport(void **state)
{
    (void)state;
    struct peer_pub pub;
    struct peer *peer = peer_new();
    struct nki_op *op = begin(peer, make(1, false), -1);
    expect_asked(peer, "step.1", &pub);
    peer_cut(peer);
    expect_end(peer, op, NKI_DISCONNECTED, NKI_OUTCOME_UNKNOWN);
    peer_pass(peer, 10000);
    peer_expect_none(peer);
    peer_free(peer);
}

/* A pause does not mind that the transport is lost meanwhile. */
static void test_paused_while_lost(void **state)
{
    (void)state;
    struct peer_pub pub;
    struct peer *peer = peer_new();
    struct nki_op *op = begin(peer, make(1, false), 10000);
    expect_asked(peer, "step.1", &pub);
    answer_nobody(peer, &pub);
    peer_cut(peer);
    assert_int_equal(nki_op_result(op, NULL, NULL), NKI_PENDING);
    peer_pass(peer, PAUSE_MS);
    expect_asked(peer, "step.1", &pub);
    answer(peer, &pub, "done");
    expect_end(peer, op, NKI_OK, NKI_OUTCOME_DONE);
    peer_free(peer);
}

static void test_paused_too_long(void **state)
{
    (void)state;
    struct peer_pub pub;
    struct peer *peer = peer_new();
    struct nki_op *op = begin(peer, make(1, false), PAUSE_MS / 2);
    expect_asked(peer, "step.1", &pub);
    answer_nobody(peer, &pub);
    peer_pass(peer, PAUSE_MS / 2 - 1);
    assert_int_equal(nki_op_result(op, NULL, NULL), NKI_PENDING);
    peer_pass(peer, 1);
    expect_end(peer, op, NKI_TIMEOUT, NKI_OUTCOME_UNKNOWN);
    peer_pass(peer, PAUSE_MS);
    peer_expect_none(peer);
    peer_free(peer);
}

static void test_cancelled(void **state)
{
    (void)state;
    struct peer_pub pub;
    struct peer *peer = peer_new();
    for (int paused = 0; paused < 2; paused++) {
        struct nki_op *op = begin(peer, make(1, false), 5000);
        expect_asked(peer, "step.1", &pub);
        if (paused) {
            answer_nobody(peer, &pub);
        }
        steps_cancel(peer->rig, op);
        assert_int_equal(peer->rig->engine.replies.used + peer->rig->engine.pauses.len, 0);
        nki_op_release(op);
        assert_int_equal(freed, 1);
        peer_pass(peer, 5000);
        peer_expect_none(peer);
        assert_true(peer_send(peer, pub.reply, pub.reply, "", "", "late")); /* harmless */
    }
    peer_free(peer);
}

static void test_closed(void **state)
{
    (void)state;
    struct peer_pub pub;
    for (int paused = 0; paused < 2; paused++) {
        struct peer *peer = peer_new();
        struct nki_op *op = begin(peer, make(1, true), 5000);
        expect_asked(peer, "step.1", &pub);
        if (paused) {
            answer_nobody(peer, &pub);
        }
        nki_engine_close(&peer->rig->engine, NULL, peer->rig->now_ns);
        rig_settle(peer->rig);
        expect_end(peer, op, NKI_CLOSED, NKI_OUTCOME_UNKNOWN);
        peer_free(peer);
    }
}

/* A drain of the connection waits for a chain: while it is asked, and while it pauses. */
static void test_drained(void **state)
{
    (void)state;
    struct peer_pub pub;
    struct peer *peer = peer_new();
    struct nki_op *op = begin(peer, make(1, false), 60000);
    struct nki_op *drain = nki_op_new();
    expect_asked(peer, "step.1", &pub);
    assert_int_equal(nki_engine_drain(&peer->rig->engine, drain, NKI_NEVER, peer->rig->now_ns), NKI_OK);
    rig_settle(peer->rig);
    rig_say(peer->rig, RIG_PONG);
    assert_int_equal(nki_op_result(drain, NULL, NULL), NKI_PENDING);
    answer_nobody(peer, &pub);
    assert_int_equal(nki_op_result(drain, NULL, NULL), NKI_PENDING); /* it pauses */
    peer_pass(peer, PAUSE_MS);
    expect_asked(peer, "step.1", &pub);
    assert_int_equal(nki_op_result(drain, NULL, NULL), NKI_PENDING);
    answer(peer, &pub, "done");
    assert_int_equal(nki_op_result(op, NULL, NULL), NKI_OK);
    rig_say(peer->rig, RIG_PONG); /* of the last ping */
    assert_int_equal(nki_op_result(drain, NULL, NULL), NKI_OK);
    nki_op_release(op);
    nki_op_release(drain);
    peer_free(peer);
}

static void test_denied(void **state)
{
    (void)state;
    struct peer_pub pub;
    struct peer *peer = peer_new();
    struct nki_op *op = begin(peer, make(2, false), 5000);
    expect_asked(peer, "step.1", &pub);
    answer(peer, &pub, "next");
    expect_asked(peer, "step.2", &pub);
    rig_say(peer->rig, "-ERR 'Permissions Violation for Publish to \"step.1\"'\r\n");
    assert_int_equal(nki_op_result(op, NULL, NULL), NKI_PENDING); /* that is over */
    rig_say(peer->rig, "-ERR 'Permissions Violation for Publish to \"step.2\"'\r\n");
    expect_end(peer, op, NKI_PERMISSION, NKI_OUTCOME_REJECTED);
    peer_free(peer);
}

/* A later request is refused where the one before may have had its effect. */
static void test_denied_in_doubt(void **state)
{
    (void)state;
    struct peer_pub pub;
    struct peer *peer = peer_new();
    struct chain *chain = make(2, false);
    struct nki_op *op = begin(peer, chain, 5000);
    expect_asked(peer, "step.1", &pub);
    chain->chain.idle_outcome = NKI_OUTCOME_UNKNOWN;
    answer(peer, &pub, "next");
    expect_asked(peer, "step.2", &pub);
    rig_say(peer->rig, "-ERR 'Permissions Violation for Publish to \"step.2\"'\r\n");
    expect_end(peer, op, NKI_PERMISSION, NKI_OUTCOME_UNKNOWN);
    peer_free(peer);
}

/* A later request is more than the server takes: it is not sent, and the connection lives. */
static void test_too_large(void **state)
{
    (void)state;
    struct peer_pub pub;
    struct peer *peer = peer_new();
    for (int i = 0; i < 2; i++) {
        struct chain *chain = make(2, false);
        struct nki_op *op = begin(peer, chain, 5000);
        expect_asked(peer, "step.1", &pub);
        chain->chain.out.data = nki_str_make("", (size_t)peer->rig->engine.max_payload + 1);
        chain->chain.idle_outcome = i == 0 ? NKI_OUTCOME_PENDING : NKI_OUTCOME_UNKNOWN;
        answer(peer, &pub, "next");
        peer_expect_none(peer);
        expect_end(peer, op, NKI_TOO_LARGE, i == 0 ? NKI_OUTCOME_NOT_SENT : NKI_OUTCOME_UNKNOWN);
    }
    peer_free(peer);
}

/* Fills the outbox to the last byte with messages of this length. */
static void fill(struct rig *rig, const char *data)
{
    struct nki_outgoing_msg msg = {.subject = NKI_STR("fill"), .data = nki_str_z(data)};
    size_t done = 1;
    while (done > 0) {
        bool kick = false;
        (void)nki_outbox_append(&rig->engine.outbox, &msg, 1, 0, &done, &kick);
        rig->right = rig->right || kick;
    }
}

/* No room in the outbox: it is sent as soon as there is some. */
static void test_full(void **state)
{
    (void)state;
    static const char *const settings[] = {
        "outbox_bytes", "65536", "write_stall_ms", "-1", "ping_interval_ms", "3600000", NULL};
    static char filler[60000];
    char inbox[100];
    char text[200];
    struct nki_op *op;
    memset(filler, 'x', sizeof filler - 1);
    struct rig *rig = rig_new("nats://a:4222", settings, 5000);
    rig_hello(rig);
    struct chain *chain = make(2, false);
    assert_int_equal(steps_chain(rig, &chain->chain, rig->now_ns + RIG_MS(60000), &op), NKI_OK);
    const char *line = memmem(rig->written.at, rig->written.len, "PUB step.1 ", 11);
    assert_non_null(line);
    assert_int_equal(sscanf(line, "PUB step.1 %99s", inbox), 1);
    rig->deaf = true;
    fill(rig, filler);
    fill(rig, "0123456789");
    snprintf(text, sizeof text, "MSG %s %llu 4\r\nnext\r\n", inbox,
             (unsigned long long)rig->engine.replies.sid);
    rig_say(rig, text);
    assert_int_equal(rig->engine.pauses.len, 1);
    rig_pass(rig, 100);
    assert_int_equal(nki_op_result(op, NULL, NULL), NKI_PENDING);
    rig->deaf = false;
    rig_settle(rig);
    rig_pass(rig, 20);
    assert_true(rig_wrote(rig, "PUB step.2 "));
    rig_pass(rig, 60000);
    assert_int_equal(rig_op_status(op), NKI_TIMEOUT);
    assert_int_equal(freed, 1);
    rig_free(rig);
}

/* Whatever allocation fails, it ends, with all that is its own freed. */
static bool live_without(struct peer *peer, long nth)
{
    struct peer_pub pub;
    struct nki_op *op = NULL;
    bool over = false;
    struct chain *chain = make(2, true);
    bool more = steps_refuse(nth);
    int64_t deadline_ns = peer->rig->now_ns + RIG_MS(60000);
    int32_t status = more ? steps_chain(peer->rig, &chain->chain, deadline_ns, &op) : NKI_END;
    if (status != NKI_OK) {
        if (!more) {
            free(chain);
        } else {
            assert_int_equal(status, NKI_NO_MEMORY);
        }
        steps_refuse_no_more();
        return more;
    }
    for (int i = 0; i < 40 && !over; i++) {
        if (peer_next(peer, &pub)) {
            i == 0 ? answer_nobody(peer, &pub) : answer(peer, &pub, i < 3 ? "next" : "done");
        } else if (i == 2) {
            peer_cut(peer);
        }
        peer_pass(peer, 2500);
        over = nki_op_result(op, NULL, NULL) != NKI_PENDING;
    }
    steps_refuse_no_more();
    status = nki_op_result(op, NULL, NULL);
    assert_true(status == NKI_OK || status == NKI_NO_MEMORY || status == NKI_DISCONNECTED);
    assert_int_equal(peer->rig->engine.replies.used + peer->rig->engine.pauses.len, 0);
    nki_op_release(op);
    assert_int_equal(freed, 1);
    return true;
}

static void test_no_memory(void **state)
{
    (void)state;
    bool more = true;
    for (long nth = 1; more; nth++) {
        struct peer *peer = peer_new();
        more = live_without(peer, nth);
        peer_free(peer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_next),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_asked_again),
        cmocka_unit_test(test_asked_again_too_late),
        cmocka_unit_test(test_ends_with_transport),
        cmocka_unit_test(test_paused_while_lost),
        cmocka_unit_test(test_paused_too_long),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_closed),
        cmocka_unit_test(test_drained),
        cmocka_unit_test(test_denied),
        cmocka_unit_test(test_denied_in_doubt),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
