/* Direct gets of several messages against a server that a test plays by hand, in virtual time: each thing
 * that can be amiss, and what is asked of the server then. */
#include "peer.h"

#include "../unit/base/refuse.h"

#include "jetstream/direct.h"
#include "jetstream/stored.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MS 1000
#define API "$JS.API.DIRECT.GET.S"
#define NONE "NATS/1.0 404 Message Not Found\r\n\r\n"

/* A request as the client has made it. */
struct asked {
    char reply[320];
    char data[1600];
};

static struct nki_direct_params a_run(void)
{
    return (struct nki_direct_params){.stream = NKI_STR("S"),
                                      .start_time = NKI_STR(""),
                                      .next_by_subj = NKI_STR(""),
                                      .up_to_time = NKI_STR(""),
                                      .page_msgs = 4,
                                      .page_bytes = 1000,
                                      .answer_ms = ANSWER_MS};
}

static struct nki_direct_params a_snapshot(const struct nki_str *subjects, size_t count)
{
    struct nki_direct_params params = a_run();
    params.subjects = subjects;
    params.subject_count = count;
    return params;
}

static struct peer *begin(const struct nki_direct_params *params, struct nki_sub **sub)
{
    struct peer *peer = peer_new();
    assert_int_equal(nki_direct_open(peer->js, params, sub, NULL), NKI_OK);
    return peer;
}

static void finish(struct peer *peer, struct nki_sub *sub)
{
    nki_engine_close_sub(&peer->rig->engine, sub, peer->rig->now_ns);
    rig_settle(peer->rig);
    nki_sub_release(sub);
    peer_free(peer);
}

static void expect_asked(struct peer *peer, struct asked *out, const char *data)
{
    struct peer_pub pub;
    peer_expect(peer, API, &pub);
    assert_string_equal(pub.subject, API);
    snprintf(out->reply, sizeof out->reply, "%s", pub.reply);
    snprintf(out->data, sizeof out->data, "%s", pub.data);
    if (data != NULL) {
        assert_string_equal(pub.data, data);
    }
}

/* After a pause. */
static void expect_asked_later(struct peer *peer, struct asked *out, const char *data)
{
    struct peer_pub pub;
    for (int passed = 0; !peer_next(peer, &pub); passed += 10) {
        assert_true(passed < 5000);
        peer_pass(peer, 10);
    }
    assert_string_equal(pub.subject, API);
    assert_string_equal(pub.data, data);
    snprintf(out->reply, sizeof out->reply, "%s", pub.reply);
}

/* The one subscription listens with a wildcard. */
static bool send_block(struct peer *peer, const struct asked *asked, const char *block, const char *data)
{
    char listens[330];
    snprintf(listens, sizeof listens, "%s", asked->reply);
    strcpy(strrchr(listens, '.'), ".*");
    return peer_send(peer, listens, asked->reply, "", block, data);
}

static void say(struct peer *peer, const struct asked *asked, int seq, int last, int pending)
{
    char block[300];
    char data[20];
    snprintf(block, sizeof block,
             "NATS/1.0\r\nNats-Stream: M\r\nNats-Subject: a.%d\r\nNats-Sequence: %d\r\nNats-Time-Stamp: "
             "2026-01-02T03:04:05.678Z\r\nNats-Num-Pending: %d\r\nNats-Last-Sequence: %d\r\n\r\n",
             seq, seq, pending, last);
    snprintf(data, sizeof data, "%d", seq);
    send_block(peer, asked, block, data);
}

static void say_end(struct peer *peer, const struct asked *asked, int last, int pending, int up_to)
{
    char block[200];
    char more[60] = "";
    if (up_to > 0) {
        snprintf(more, sizeof more, "Nats-UpTo-Sequence: %d\r\n", up_to);
    }
    snprintf(block, sizeof block,
             "NATS/1.0 204 EOB\r\nNats-Num-Pending: %d\r\nNats-Last-Sequence: %d\r\n%s\r\n", pending, last,
             more);
    send_block(peer, asked, block, "");
}

static void take(struct peer *peer, struct nki_sub *sub, uint64_t seq)
{
    struct nki_stored stored;
    struct nki_msg *msg = steps_take(peer->rig, sub);
    assert_non_null(msg);
    assert_int_equal(msg->kind, NKI_MSG_STORED);
    assert_true(nki_stored_read(msg, &stored));
    assert_int_equal(stored.seq, seq);
    nki_msg_release(msg);
}

static void expect_end(struct peer *peer, struct nki_sub *sub, int32_t reason)
{
    assert_null(steps_take(peer->rig, sub));
    assert_int_equal(rig_end_reason(sub), reason);
    peer_expect_none(peer);
}

static void expect_words(const struct nki_sub *sub, const char *text)
{
    if (text == NULL) {
        assert_null(sub->end_error);
        return;
    }
    assert_non_null(sub->end_error);
    assert_string_equal(sub->end_error->text, text);
}

/* -- a run ----------------------------------------------------------------------------------------------- */

/* The next page is asked for when half of the last was taken. */
static void test_pages(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct nki_direct_params params = a_run();
    struct peer *peer = begin(&params, &sub);
    expect_asked(peer, &asked, "{\"batch\":4,\"max_bytes\":1000,\"seq\":1}");
    for (int i = 1; i <= 4; i++) {
        say(peer, &asked, 2 * i, 2 * i - 2, 6 - i);
    }
    say_end(peer, &asked, 8, 2, 0);
    peer_expect_none(peer);
    take(peer, sub, 2);
    peer_expect_none(peer);
    take(peer, sub, 4);
    expect_asked(peer, &asked, "{\"batch\":4,\"max_bytes\":1000,\"seq\":9}");
    say(peer, &asked, 10, 0, 1); /* the first of a page names none before it */
    say(peer, &asked, 12, 10, 0);
    assert_int_equal(rig_end_reason(sub), 0);
    say_end(peer, &asked, 12, 0, 0);
    for (uint64_t seq = 6; seq <= 12; seq += 2) {
        take(peer, sub, seq);
    }
    expect_end(peer, sub, NKI_MAX_REACHED);
    finish(peer, sub);
}

static void test_limits(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct nki_direct_params params = a_run();
    params.seq = 3;
    params.max_msgs = 5;
    params.next_by_subj = NKI_STR("a.\"");
    struct peer *peer = begin(&params, &sub);
    expect_asked(peer, &asked, "{\"batch\":4,\"max_bytes\":1000,\"next_by_subj\":\"a.\\\"\",\"seq\":3}");
    for (int i = 3; i < 7; i++) {
        say(peer, &asked, i, i == 3 ? 0 : i - 1, 20 - i);
        take(peer, sub, (uint64_t)i);
    }
    say_end(peer, &asked, 6, 14, 0);
    expect_asked(peer, &asked, "{\"batch\":1,\"max_bytes\":1000,\"next_by_subj\":\"a.\\\"\",\"seq\":7}");
    say(peer, &asked, 9, 0, 10);
    take(peer, sub, 9);
    expect_end(peer, sub, NKI_MAX_REACHED);
    finish(peer, sub);

    params = a_run();
    params.up_to_seq = 5;
    params.max_bytes = 100000;
    peer = begin(&params, &sub);
    expect_asked(peer, &asked, "{\"batch\":4,\"max_bytes\":1000,\"seq\":1}");
    say(peer, &asked, 3, 0, 9);
    say_end(peer, &asked, 3, 9, 0);
    take(peer, sub, 3);
    expect_asked(peer, &asked, "{\"batch\":2,\"max_bytes\":1000,\"seq\":4}");
    say(peer, &asked, 6, 0, 8); /* behind it */
    expect_end(peer, sub, NKI_MAX_REACHED);
    finish(peer, sub);
}

static void test_max_bytes(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct nki_direct_params params = a_run();
    params.max_bytes = 200; /* a message has about 165 */
    struct peer *peer = begin(&params, &sub);
    expect_asked(peer, &asked, "{\"batch\":4,\"max_bytes\":200,\"seq\":1}");
    say(peer, &asked, 1, 0, 9);
    say_end(peer, &asked, 1, 9, 0);
    take(peer, sub, 1);
    struct asked again;
    expect_asked(peer, &again, NULL);
    assert_memory_equal(again.data, "{\"batch\":4,\"max_bytes\":", strlen("{\"batch\":4,\"max_bytes\":"));
    assert_in_range(atoi(again.data + strlen("{\"batch\":4,\"max_bytes\":")), 1, 60);
    say(peer, &again, 2, 0, 8);
    take(peer, sub, 2);
    expect_end(peer, sub, NKI_MAX_REACHED);
    finish(peer, sub);
}

/* A time is for the first request: with a sequence it would be refused. */
static void test_start_time(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct nki_direct_params params = a_run();
    params.start_time = NKI_STR("2026-01-02T03:04:05Z");
    struct peer *peer = begin(&params, &sub);
    expect_asked(peer, &asked, "{\"batch\":4,\"max_bytes\":1000,\"start_time\":\"2026-01-02T03:04:05Z\"}");
    say(peer, &asked, 7, 0, 1);
    take(peer, sub, 7);
    say_end(peer, &asked, 7, 1, 0);
    expect_asked(peer, &asked, "{\"batch\":4,\"max_bytes\":1000,\"seq\":8}");
    send_block(peer, &asked, NONE, "");
    expect_asked_later(peer, &asked, "{\"batch\":4,\"max_bytes\":1000,\"seq\":8}"); /* one was known */
    say(peer, &asked, 8, 0, 0);
    say_end(peer, &asked, 8, 0, 0);
    take(peer, sub, 8);
    expect_end(peer, sub, NKI_MAX_REACHED);
    finish(peer, sub);
}

static void test_nothing(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct nki_direct_params params = a_run();
    struct peer *peer = begin(&params, &sub);
    expect_asked(peer, &asked, NULL);
    send_block(peer, &asked, NONE, "");
    expect_end(peer, sub, NKI_MAX_REACHED);
    finish(peer, sub);
}

/* A replica that lags seems to have less than was known: the end is believed after some tries. */
static void test_short_answers(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct nki_direct_params params = a_run();
    struct peer *peer = begin(&params, &sub);
    expect_asked(peer, &asked, NULL);
    say(peer, &asked, 1, 0, 3);
    say_end(peer, &asked, 1, 3, 0);
    take(peer, sub, 1);
    expect_asked(peer, &asked, NULL);
    say(peer, &asked, 2, 0, 0);
    say_end(peer, &asked, 2, 0, 0);
    for (int i = 0; i < 3; i++) {
        expect_asked_later(peer, &asked, "{\"batch\":4,\"max_bytes\":1000,\"seq\":3}");
        send_block(peer, &asked, NONE, "");
    }
    take(peer, sub, 2);
    expect_end(peer, sub, NKI_MAX_REACHED);
    finish(peer, sub);
}

/* -- what goes wrong ------------------------------------------------------------------------------------- */

static void test_lost_on_the_way(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct asked before;
    struct nki_direct_params params = a_run();
    struct peer *peer = begin(&params, &sub);
    expect_asked(peer, &asked, NULL);
    say(peer, &asked, 1, 0, 3);
    say(peer, &asked, 3, 2, 1); /* 2 is missing */
    take(peer, sub, 1);
    before = asked;
    expect_asked(peer, &asked, "{\"batch\":4,\"max_bytes\":1000,\"seq\":2}");
    say(peer, &before, 4, 3, 0); /* of the answer that was given up */
    say_end(peer, &before, 4, 0, 0);
    peer_expect_none(peer);
    say(peer, &asked, 2, 0, 2);
    say_end(peer, &asked, 3, 1, 0); /* 3 is missing */
    take(peer, sub, 2);
    expect_asked(peer, &asked, "{\"batch\":4,\"max_bytes\":1000,\"seq\":3}");
    say(peer, &asked, 3, 0, 1);
    take(peer, sub, 3);
    peer_pass(peer, ANSWER_MS - 10);
    peer_expect_none(peer);
    peer_pass(peer, 20); /* the end is missing */
    expect_asked(peer, &asked, "{\"batch\":4,\"max_bytes\":1000,\"seq\":4}");
    say(peer, &asked, 4, 0, 0);
    say(peer, &asked, 4, 0, 0); /* twice */
    take(peer, sub, 4);
    expect_asked_later(peer, &asked, "{\"batch\":4,\"max_bytes\":1000,\"seq\":5}");
    send_block(peer, &asked, NONE, "");
    expect_end(peer, sub, NKI_MAX_REACHED);
    finish(peer, sub);
}

static void test_no_answer(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct nki_direct_params params = a_run();
    struct peer *peer = begin(&params, &sub);
    struct peer_pub pub;
    int asked = 0;
    for (int passed = 0; rig_end_reason(sub) == 0; passed += 50) {
        assert_true(passed < 30000);
        asked += peer_next(peer, &pub) ? 1 : 0;
        peer_pass(peer, 50);
    }
    assert_int_equal(asked, 6);
    assert_int_equal(rig_end_reason(sub), NKI_TIMEOUT);
    expect_words(sub, "no answer to the direct get in time, 6 times in a row");
    finish(peer, sub);
}

static void test_reconnect(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct nki_direct_params params = a_run();
    struct peer *peer = begin(&params, &sub);
    expect_asked(peer, &asked, NULL);
    peer_cut(peer);
    expect_asked(peer, &asked, "{\"batch\":4,\"max_bytes\":1000,\"seq\":1}");
    say(peer, &asked, 1, 0, 4);
    say(peer, &asked, 2, 1, 3);
    peer_cut(peer);
    peer_pass(peer, 5000);
    peer_expect_none(peer); /* two wait */
    take(peer, sub, 1);
    expect_asked(peer, &asked, "{\"batch\":4,\"max_bytes\":1000,\"seq\":3}");
    say(peer, &asked, 3, 0, 2);
    say(peer, &asked, 4, 3, 1);
    say_end(peer, &asked, 4, 1, 0); /* three wait: nothing is asked for */
    peer_cut(peer);
    peer_pass(peer, 5000);
    peer_expect_none(peer);
    for (uint64_t seq = 2; seq <= 3; seq++) {
        take(peer, sub, seq);
    }
    expect_asked(peer, &asked, "{\"batch\":4,\"max_bytes\":1000,\"seq\":5}");
    say(peer, &asked, 5, 0, 0);
    say_end(peer, &asked, 5, 0, 0);
    take(peer, sub, 4);
    take(peer, sub, 5);
    expect_end(peer, sub, NKI_MAX_REACHED);
    finish(peer, sub);
}

static const struct refusal {
    const char *block;
    const char *data;
    int32_t reason;
    const char *text; /* NULL: that of the reason */
} refusals[] = {
    {"NATS/1.0 503\r\n\r\n", "", NKI_NO_DIRECT, NULL},
    {"NATS/1.0 408 Empty Request\r\n\r\n", "", NKI_NO_BATCH, NULL},
    {"NATS/1.0 408 Bad Request\r\n\r\n", "", NKI_JS_REFUSED, "408 Bad Request"},
    {"NATS/1.0 412 Required Api Level\r\n\r\n", "", NKI_API_LEVEL, "412 Required Api Level"},
    {"NATS/1.0 413 Too Many Results\r\n\r\n", "", NKI_JS_LIMIT,
     "more than 1024 subjects match: an ordered consumer with deliver_policy last_per_subject reads them"},
    {"NATS/1.0 500 disk\r\n\r\n", "", NKI_JS_REFUSED, "500 disk"},
    {"NATS/1.0\r\nNats-Stream: S\r\nNats-Subject: a\r\nNats-Sequence: 1\r\nNats-Time-Stamp: 2026-01-02 "
     "03:04:05.999 +0000 UTC\r\n\r\n",
     "x", NKI_NO_BATCH, NULL},
    {"NATS/1.0\r\nNats-Stream: S\r\n\r\n", "x", NKI_PROTOCOL,
     "the answer to a direct get does not say where a message is stored"},
    {"", "x", NKI_PROTOCOL, "the answer to a direct get does not say where a message is stored"},
};

static void test_refusals(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(refusals); i++) {
        struct nki_sub *sub;
        struct asked asked;
        struct nki_direct_params params = a_run();
        struct peer *peer = begin(&params, &sub);
        expect_asked(peer, &asked, NULL);
        send_block(peer, &asked, refusals[i].block, refusals[i].data);
        expect_end(peer, sub, refusals[i].reason);
        expect_words(sub, refusals[i].text);
        finish(peer, sub);
    }
}

/* Once it has worked, nobody to answer may be the matter of a moment. */
static void test_transient(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct nki_direct_params params = a_run();
    struct peer *peer = begin(&params, &sub);
    expect_asked(peer, &asked, NULL);
    send_block(peer, &asked, "NATS/1.0 429 Too Many Requests\r\n\r\n", "");
    expect_asked_later(peer, &asked, "{\"batch\":4,\"max_bytes\":1000,\"seq\":1}");
    say(peer, &asked, 1, 0, 1);
    say_end(peer, &asked, 1, 1, 0);
    take(peer, sub, 1);
    expect_asked(peer, &asked, NULL);
    for (int i = 0; i < 5; i++) {
        send_block(peer, &asked, "NATS/1.0 503\r\n\r\n", "");
        expect_asked_later(peer, &asked, "{\"batch\":4,\"max_bytes\":1000,\"seq\":2}");
    }
    send_block(peer, &asked, "NATS/1.0 503\r\n\r\n", "");
    expect_end(peer, sub, NKI_NO_DIRECT);
    finish(peer, sub);
}

static void test_denied(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct nki_direct_params params = a_run();
    struct peer *peer = begin(&params, &sub);
    expect_asked(peer, &asked, NULL);
    rig_say(peer->rig, "-ERR 'Permissions Violation for Publish to \"" API "\"'\r\n");
    assert_int_equal(rig_end_reason(sub), NKI_PERMISSION);
    finish(peer, sub);
}

/* What is asked for while it is drained would be answered to nobody. */
static void test_drained(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct nki_direct_params params = a_run();
    struct peer *peer = begin(&params, &sub);
    struct nki_op *drain = nki_op_new();
    assert_non_null(drain);
    expect_asked(peer, &asked, NULL);
    for (int i = 1; i <= 4; i++) {
        say(peer, &asked, i, i - 1, 9 - i);
    }
    say_end(peer, &asked, 4, 5, 0);
    assert_int_equal(nki_engine_drain_sub(&peer->rig->engine, sub, drain, NKI_NEVER, peer->rig->now_ns),
                     NKI_OK);
    rig_settle(peer->rig);
    for (uint64_t seq = 1; seq <= 4; seq++) {
        take(peer, sub, seq);
    }
    rig_say(peer->rig, RIG_PONG);
    peer_pass(peer, 10 * ANSWER_MS);
    peer_expect_none(peer);
    assert_int_equal(rig_end_reason(sub), NKI_UNSUBSCRIBED);
    assert_int_equal(rig_op_status(drain), NKI_OK);
    finish(peer, sub);
}

/* -- snapshots ------------------------------------------------------------------------------------------- */

static void test_snapshot(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    const struct nki_str subjects[] = {NKI_STR("a.*"), NKI_STR("b.>")};
    struct nki_direct_params params = a_snapshot(subjects, 2);
    params.page_msgs = 2;
    struct peer *peer = begin(&params, &sub);
    expect_asked(peer, &asked, "{\"batch\":2,\"max_bytes\":1000,\"multi_last\":[\"a.*\",\"b.>\"]}");
    say(peer, &asked, 3, 0, 2);
    say(peer, &asked, 5, 3, 1);
    say_end(peer, &asked, 5, 1, 20);
    take(peer, sub, 3);
    peer_cut(peer);
    expect_asked(
        peer, &asked,
        "{\"batch\":2,\"max_bytes\":1000,\"multi_last\":[\"a.*\",\"b.>\"],\"seq\":6,\"up_to_seq\":20}");
    say(peer, &asked, 9, 0, 0);
    say_end(peer, &asked, 9, 0, 20);
    take(peer, sub, 5);
    take(peer, sub, 9);
    expect_end(peer, sub, NKI_MAX_REACHED);
    finish(peer, sub);
}

static void test_snapshot_up_to(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    const struct nki_str subject = NKI_STR(">");
    struct nki_direct_params params = a_snapshot(&subject, 1);
    params.up_to_seq = 7;
    struct peer *peer = begin(&params, &sub);
    expect_asked(peer, &asked, "{\"batch\":4,\"max_bytes\":1000,\"multi_last\":[\">\"],\"up_to_seq\":7}");
    send_block(peer, &asked, "NATS/1.0 404 No Results\r\n\r\n", "");
    expect_end(peer, sub, NKI_MAX_REACHED);
    finish(peer, sub);

    params.up_to_seq = 0;
    params.up_to_time = NKI_STR("2026-01-02T03:04:05Z");
    peer = begin(&params, &sub);
    expect_asked(
        peer, &asked,
        "{\"batch\":4,\"max_bytes\":1000,\"multi_last\":[\">\"],\"up_to_time\":\"2026-01-02T03:04:05Z\"}");
    finish(peer, sub);
}

/* What was replaced before its page was read cannot be read any more: the end says so. */
static void test_snapshot_changed(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    const struct nki_str subject = NKI_STR(">");
    struct nki_direct_params params = a_snapshot(&subject, 1);
    struct peer *peer = begin(&params, &sub);
    expect_asked(peer, &asked, NULL);
    say(peer, &asked, 1, 0, 3);
    say_end(peer, &asked, 1, 3, 10);
    take(peer, sub, 1);
    expect_asked(peer, &asked, NULL);
    say(peer, &asked, 4, 0, 0);
    say_end(peer, &asked, 4, 0, 10);
    take(peer, sub, 4);
    for (int i = 0; i < 3; i++) {
        expect_asked_later(
            peer, &asked,
            "{\"batch\":4,\"max_bytes\":1000,\"multi_last\":[\">\"],\"seq\":5,\"up_to_seq\":10}");
        say_end(peer, &asked, 0, 0, 10);
    }
    expect_end(peer, sub, NKI_SNAPSHOT_CHANGED);
    expect_words(sub, "2 messages of the snapshot at 10 were removed or replaced while it was read");
    finish(peer, sub);
}

/* It was removed while the server read the answer's messages. */
static void test_removed_meanwhile(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    const struct nki_str subject = NKI_STR(">");
    struct nki_direct_params params = a_snapshot(&subject, 1);
    struct peer *peer = begin(&params, &sub);
    expect_asked(peer, &asked, NULL);
    say(peer, &asked, 1, 0, 3);
    take(peer, sub, 1);
    send_block(peer, &asked, NONE, "");
    expect_asked(peer, &asked, "{\"batch\":4,\"max_bytes\":1000,\"multi_last\":[\">\"],\"seq\":2}");
    say(peer, &asked, 6, 0, 0);
    say_end(peer, &asked, 6, 0, 10);
    take(peer, sub, 6);
    expect_end(peer, sub, NKI_MAX_REACHED);
    finish(peer, sub);
}

/* More match than one answer may hold: in parts, of one snapshot, and what several parts match comes once. */
static void test_split(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    const struct nki_str subjects[] = {NKI_STR("a"), NKI_STR("b"), NKI_STR("*")};
    struct nki_direct_params params = a_snapshot(subjects, 3);
    struct peer *peer = begin(&params, &sub);
    expect_asked(peer, &asked, "{\"batch\":4,\"max_bytes\":1000,\"multi_last\":[\"a\",\"b\",\"*\"]}");
    send_block(peer, &asked, "NATS/1.0 413 Too Many Results\r\n\r\n", "");
    expect_asked(peer, &asked, "{\"last_by_subj\":\">\"}");
    send_block(peer, &asked,
               "NATS/1.0\r\nNats-Stream: S\r\nNats-Subject: c\r\nNats-Sequence: 40\r\nNats-Time-Stamp: "
               "2026-01-02T03:04:05.678Z\r\n\r\n",
               "x");
    expect_asked(peer, &asked,
                 "{\"batch\":4,\"max_bytes\":1000,\"multi_last\":[\"a\",\"b\"],\"up_to_seq\":40}");
    say(peer, &asked, 10, 0, 1);
    say(peer, &asked, 20, 10, 0);
    say_end(peer, &asked, 20, 0, 40);
    take(peer, sub, 10);
    expect_asked(peer, &asked, "{\"batch\":4,\"max_bytes\":1000,\"multi_last\":[\"*\"],\"up_to_seq\":40}");
    say(peer, &asked, 10, 0, 2);
    say(peer, &asked, 20, 10, 1);
    say(peer, &asked, 30, 20, 0);
    say_end(peer, &asked, 30, 0, 40);
    take(peer, sub, 20);
    take(peer, sub, 30);
    expect_end(peer, sub, NKI_MAX_REACHED);
    finish(peer, sub);
}

/* A list that no request holds. */
static void test_long_list(void **state)
{
    (void)state;
    enum { COUNT = 200 };
    static char texts[COUNT][1500];
    struct nki_str subjects[COUNT];
    struct nki_sub *sub;
    for (int i = 0; i < COUNT; i++) {
        memset(texts[i], 'x', sizeof texts[i]);
        subjects[i] = nki_str_make(texts[i], sizeof texts[i]);
    }
    struct nki_direct_params params = a_snapshot(subjects, COUNT);
    struct peer *peer = begin(&params, &sub);
    struct asked asked;
    expect_asked(peer, &asked, "{\"last_by_subj\":\">\"}");
    send_block(peer, &asked, NONE, "");
    expect_end(peer, sub, NKI_MAX_REACHED); /* the stream is empty */
    finish(peer, sub);
}

/* -- exact snapshots ------------------------------------------------------------------------------------- */

#define EXACT "{\"batch\":4,\"max_bytes\":1000,\"multi_last\":[\"a\",\"b\",\"c\"]}"

static struct peer *begin_exact(struct nki_sub **sub, struct asked *asked)
{
    const struct nki_str subjects[] = {NKI_STR("a"), NKI_STR("b"), NKI_STR("c")};
    struct nki_direct_params params = a_snapshot(subjects, 3);
    params.exact = true;
    struct peer *peer = begin(&params, sub);
    expect_asked(peer, asked, EXACT);
    return peer;
}

/* Nothing comes before the answer is whole; what another answer begins is no part of it. */
static void test_exact(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct peer *peer = begin_exact(&sub, &asked);
    say(peer, &asked, 1, 0, 2);
    say(peer, &asked, 2, 1, 1);
    assert_null(steps_take(peer->rig, sub));
    peer_cut(peer);
    expect_asked(peer, &asked, EXACT);
    say(peer, &asked, 2, 0, 2);
    peer_pass(peer, ANSWER_MS);
    expect_asked_later(peer, &asked, EXACT);
    say(peer, &asked, 2, 0, 2);
    say(peer, &asked, 4, 3, 0); /* 3 was lost on the way */
    expect_asked_later(peer, &asked, EXACT);
    say(peer, &asked, 2, 0, 2);
    send_block(peer, &asked, NONE, ""); /* it was removed while the server read it */
    expect_asked_later(peer, &asked, EXACT);
    say(peer, &asked, 2, 0, 1);
    say(peer, &asked, 5, 2, 0);
    assert_null(steps_take(peer->rig, sub));
    say_end(peer, &asked, 5, 0, 9);
    take(peer, sub, 2);
    take(peer, sub, 5);
    expect_end(peer, sub, NKI_MAX_REACHED);
    finish(peer, sub);
}

/* From the second page on its sequence is known: the connection may be lost, and nothing comes twice. */
static void test_exact_pages(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct peer *peer = begin_exact(&sub, &asked);
    say(peer, &asked, 1, 0, 2);
    say_end(peer, &asked, 1, 2, 9);
    take(peer, sub, 1);
    static const char rest[] = "{\"batch\":4,\"max_bytes\":1000,\"multi_last\":[\"a\",\"b\",\"c\"],"
                               "\"seq\":%d,\"up_to_seq\":9}";
    char body[160];
    snprintf(body, sizeof body, rest, 2);
    expect_asked(peer, &asked, body);
    say(peer, &asked, 3, 0, 1);
    peer_cut(peer);
    take(peer, sub, 3);
    snprintf(body, sizeof body, rest, 4);
    for (int i = 0; i < 4; i++) { /* the last one has been replaced since */
        expect_asked_later(peer, &asked, body);
        say_end(peer, &asked, 0, 0, 9);
    }
    expect_end(peer, sub, NKI_SNAPSHOT_CHANGED);
    finish(peer, sub);
}

/* It is never made of parts, and does not ask for ever. */
static void test_exact_ends(void **state)
{
    (void)state;
    enum { COUNT = 1000 };
    static char texts[COUNT][1500];
    static struct nki_str subjects[COUNT];
    struct nki_sub *sub;
    struct asked asked;
    struct peer *peer = begin_exact(&sub, &asked);
    send_block(peer, &asked, "NATS/1.0 413 Too Many Results\r\n\r\n", "");
    expect_end(peer, sub, NKI_JS_LIMIT);
    finish(peer, sub);
    for (int i = 0; i < COUNT; i++) {
        memset(texts[i], 'x', sizeof texts[i]);
        subjects[i] = nki_str_make(texts[i], sizeof texts[i]);
    }
    struct nki_direct_params params = a_snapshot(subjects, COUNT);
    params.exact = true;
    peer = begin(&params, &sub);
    expect_end(peer, sub, NKI_TOO_LARGE);
    expect_words(sub, "1000 subjects are more than one request holds");
    finish(peer, sub);
    peer = begin_exact(&sub, &asked);
    for (int i = 1; i < 6; i++) { /* begun, and never ended */
        say(peer, &asked, 1, 0, 2);
        peer_pass(peer, ANSWER_MS);
        expect_asked_later(peer, &asked, EXACT);
    }
    peer_pass(peer, ANSWER_MS);
    expect_end(peer, sub, NKI_TIMEOUT);
    finish(peer, sub);
}

/* A server that does not say of which sequence it is: one whole answer is of one. */
static void test_exact_unnamed(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct peer *peer = begin_exact(&sub, &asked);
    say(peer, &asked, 1, 0, 1);
    say(peer, &asked, 2, 1, 0);
    say_end(peer, &asked, 2, 0, 0);
    take(peer, sub, 1);
    take(peer, sub, 2);
    expect_end(peer, sub, NKI_MAX_REACHED);
    finish(peer, sub);
}

/* -- no memory ------------------------------------------------------------------------------------------- */

/* The server of a snapshot of five messages, in pages of two, whose messages are taken at once. */
static void step_server(struct peer *peer, struct nki_sub *sub, uint64_t *next)
{
    struct peer_pub pub;
    struct nki_msg *msg;
    while (peer_next(peer, &pub)) {
        struct asked asked;
        const char *seq = strstr(pub.data, "\"seq\":");
        int from = seq != NULL ? atoi(seq + 6) : 1;
        int last = 0;
        snprintf(asked.reply, sizeof asked.reply, "%s", pub.reply);
        for (int at = from; at <= 5 && at < from + 2; at++) {
            say(peer, &asked, at, last, 5 - at);
            last = at;
        }
        say_end(peer, &asked, last, last > 0 ? 5 - last : 0, 9);
    }
    while ((msg = steps_take(peer->rig, sub)) != NULL) { /* each once */
        struct nki_stored stored;
        assert_true(nki_stored_read(msg, &stored));
        assert_int_equal(stored.seq, *next);
        (*next)++;
        nki_msg_release(msg);
    }
    peer_pass(peer, 50);
}

static void without_memory(bool exact)
{
    bool more = true;
    for (long nth = 1; more; nth++) {
        struct nki_sub *sub = NULL;
        const struct nki_str subject = NKI_STR("a.*");
        struct nki_direct_params params = a_snapshot(&subject, 1);
        params.exact = exact;
        struct peer *peer = peer_new();
        more = refuse_begin(nth);
        int32_t status = nki_direct_open(peer->js, &params, &sub, NULL);
        assert_true(status == NKI_OK || (more && status == NKI_NO_MEMORY));
        if (status == NKI_OK) {
            uint64_t next = 1;
            int32_t reason = NKI_OK;
            for (int i = 0; i < 100 && (reason = rig_end_reason(sub)) == 0; i++) {
                if (i == 3) {
                    refuse_end();
                }
                step_server(peer, sub, &next);
            }
            refuse_end();
            assert_true(reason == NKI_MAX_REACHED || (more && reason == NKI_NO_MEMORY));
            assert_true(reason == NKI_NO_MEMORY || next == 6);
            nki_engine_close_sub(&peer->rig->engine, sub, peer->rig->now_ns);
            rig_settle(peer->rig);
            nki_sub_release(sub);
        }
        refuse_end();
        peer_free(peer);
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    without_memory(false);
    without_memory(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_max_bytes),
        cmocka_unit_test(test_start_time),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_short_answers),
        cmocka_unit_test(test_lost_on_the_way),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_reconnect),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_transient),
        cmocka_unit_test(test_denied),
        cmocka_unit_test(test_drained),
        cmocka_unit_test(test_snapshot),
        cmocka_unit_test(test_snapshot_up_to),
        cmocka_unit_test(test_snapshot_changed),
        cmocka_unit_test(test_removed_meanwhile),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_long_list),
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_exact_pages),
        cmocka_unit_test(test_exact_ends),
        cmocka_unit_test(test_exact_unnamed),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
