/* Fast ingest on the rig: what is sent when, what the stream's answers do, lost connections, refusals,
 * silence, drains, no memory. One thread, in virtual time. */
#include "peer.h"

#include "jetstream/ingest.h"
#include "jetstream/publish.h"

#include <inttypes.h>
#include <stdio.h>

#define SUBJECT "f.a"
#define WAIT_MS 10000 /* ack_wait_ms by default */
#define TICK_MS 2000
#define NOBODY "NATS/1.0 503\r\n\r\n"

/* -- the rig as a connection ----------------------------------------------------------------------------- */

static struct rig *running;

void __wrap_nki_conn_use_right(struct nki_conn *conn, bool at_once);
int64_t __wrap_nki_clock_now_ns(void);

void __wrap_nki_conn_use_right(struct nki_conn *conn, bool at_once)
{
    struct rig *rig = (struct rig *)(void *)conn;
    (void)at_once;
    rig->right = true;
    rig_settle(rig);
}

int64_t __wrap_nki_clock_now_ns(void)
{
    return running != NULL ? running->now_ns : 1;
}

/* -- one ingest ------------------------------------------------------------------------------------------ */

struct fast {
    struct peer *peer;
    struct nki_ingest *ingest;
    struct nki_sub *failures;
    const char *mode; /* in its replies */
    char inbox[256];  /* "_INBOX.<id>" */
};

static const char *id_of(const struct fast *fast)
{
    return strrchr(fast->inbox, '.') + 1;
}

static uint64_t sid_of(const struct fast *fast)
{
    for (size_t i = 0; i < fast->peer->sub_count; i++) {
        const char *subject = fast->peer->subs[i].subject;
        size_t len = strlen(fast->inbox);
        if (strncmp(subject, fast->inbox, len) == 0 && strcmp(subject + len, ".>") == 0) {
            return fast->peer->subs[i].sid;
        }
    }
    return 0;
}

static int32_t try_open(struct peer *peer, const char *on_gap, struct fast *fast)
{
    memset(fast, 0, sizeof *fast);
    fast->peer = peer;
    fast->mode = strcmp(on_gap, "fail") == 0 ? "fail" : "ok";
    struct nki_options *options = nki_options_new(NKI_SCOPE_INGEST);
    int32_t status = options != NULL ? NKI_OK : NKI_NO_MEMORY;
    if (status == NKI_OK) {
        assert_int_equal(nki_options_set(options, NKI_STR("on_gap"), nki_str_z(on_gap), NULL), NKI_OK);
        assert_int_equal(nki_options_set_int(options, NKI_STR("flow"), 7, NULL), NKI_OK);
        status = nki_ingest_open(peer->js, options, &fast->ingest, &fast->failures, NULL);
    }
    nki_options_free(options);
    rig_settle(peer->rig);
    return status;
}

static struct fast begin(const char *on_gap)
{
    struct fast fast;
    struct peer *peer = peer_new();
    running = peer->rig;
    assert_int_equal(try_open(peer, on_gap, &fast), NKI_OK);
    peer_read(peer);
    const char *subject = peer->subs[peer->sub_count - 1].subject;
    snprintf(fast.inbox, sizeof fast.inbox, "%.*s", (int)(strlen(subject) - 2), subject);
    assert_int_equal(strlen(id_of(&fast)), NKI_NUID_LEN);
    return fast;
}

static void give_up(const struct fast *fast)
{
    nki_engine_close_sub(&fast->peer->rig->engine, fast->failures, fast->peer->rig->now_ns);
    rig_settle(fast->peer->rig);
    nki_sub_release(fast->failures);
    nki_ingest_release(fast->ingest);
}

static void end(const struct fast *fast)
{
    give_up(fast);
    peer_free(fast->peer);
    running = NULL;
}

static struct nki_ingest_info info_of(const struct fast *fast)
{
    struct nki_ingest_info info;
    nki_ingest_info_get(fast->ingest, &info);
    return info;
}

static int32_t put(const struct fast *fast, const char *subject)
{
    const struct nki_outgoing_msg msg = {
        .subject = nki_str_z(subject), .header_block = NKI_STR(""), .data = NKI_STR("x")};
    return nki_ingest_publish(fast->ingest, &msg, 0, NULL);
}

static void fill(const struct fast *fast, int count)
{
    for (int i = 0; i < count; i++) {
        assert_int_equal(put(fast, SUBJECT), NKI_OK);
    }
}

static void expect_frame(const struct fast *fast, uint64_t seq, char op, const char *data)
{
    struct peer_pub pub;
    char reply[320];
    snprintf(reply, sizeof reply, "%s.7.%s.%" PRIu64 ".%c.$FI", fast->inbox, fast->mode, seq, op);
    peer_expect(fast->peer, SUBJECT, &pub);
    assert_string_equal(pub.reply, reply);
    assert_string_equal(pub.data, data);
    assert_string_equal(pub.block, "");
}

static void expect_msgs(const struct fast *fast, uint64_t first, uint64_t last)
{
    for (uint64_t seq = first; seq <= last; seq++) {
        expect_frame(fast, seq, seq == 1 ? '0' : '1', "x");
    }
}

static void expect_ping(const struct fast *fast, uint64_t seq)
{
    expect_frame(fast, seq, '4', "");
}

static void expect_commit(const struct fast *fast, uint64_t seq)
{
    expect_frame(fast, seq, '3', "");
}

static void say(const struct fast *fast, const char *text)
{
    uint64_t sid = sid_of(fast);
    assert_int_not_equal(sid, 0);
    peer_send_sid(fast->peer, sid, fast->inbox, "", "", text);
}

static void say_ack(const struct fast *fast, uint64_t seq, uint64_t each)
{
    char text[100];
    snprintf(text, sizeof text, "{\"type\":\"ack\",\"seq\":%" PRIu64 ",\"msgs\":%" PRIu64 "}", seq, each);
    say(fast, text);
}

static void say_gap(const struct fast *fast, uint64_t first, uint64_t next)
{
    char text[100];
    snprintf(text, sizeof text, "{\"type\":\"gap\",\"last_seq\":%" PRIu64 ",\"seq\":%" PRIu64 "}", first,
             next);
    say(fast, text);
}

static void say_refused(const struct fast *fast, uint64_t seq)
{
    char text[200];
    snprintf(text, sizeof text,
             "{\"type\":\"err\",\"seq\":%" PRIu64 ",\"error\":{\"code\":400,\"err_code\":10071,"
             "\"description\":\"wrong last sequence\"}}",
             seq);
    say(fast, text);
}

static void say_nobody(const struct fast *fast, uint64_t seq, char op)
{
    char subject[320];
    snprintf(subject, sizeof subject, "%s.7.%s.%" PRIu64 ".%c.$FI", fast->inbox, fast->mode, seq, op);
    peer_send_sid(fast->peer, sid_of(fast), subject, "", NOBODY, "");
}

static void say_end(const struct fast *fast, uint64_t count)
{
    char text[200];
    snprintf(text, sizeof text,
             "{\"stream\":\"S\",\"seq\":%" PRIu64 ",\"batch\":\"%s\",\"count\":%" PRIu64 "}", count + 100,
             id_of(fast), count);
    say(fast, text);
}

/* As many messages as are given, of which the stream has told that they may come; nothing is left to read. */
static struct fast lively(const char *on_gap, int count)
{
    struct fast fast = begin(on_gap);
    fill(&fast, 1);
    expect_msgs(&fast, 1, 1);
    say_ack(&fast, 1, 7);
    fill(&fast, count - 1);
    expect_msgs(&fast, 2, (uint64_t)count);
    peer_expect_none(fast.peer);
    return fast;
}

static struct nki_op *commit(const struct fast *fast)
{
    const struct nki_js_begin at = {.deadline_ns = fast->peer->rig->now_ns + RIG_MS(60000), .timed = true};
    struct nki_op *op;
    assert_int_equal(nki_ingest_commit_begin(fast->ingest, &at, &op, NULL), NKI_OK);
    rig_settle(fast->peer->rig);
    return op;
}

static void expect_result(struct nki_op *op, int32_t status, int32_t outcome)
{
    int32_t have;
    assert_int_equal(nki_op_result(op, &have, NULL), status);
    assert_int_equal(have, outcome);
    nki_op_release(op);
}

static void expect_stored(struct nki_op *op, uint64_t count)
{
    struct nki_msg *msg;
    struct nki_pub_ack got;
    assert_int_equal(nki_op_result(op, NULL, NULL), NKI_OK);
    assert_int_equal(nki_op_take_msg(op, &msg), NKI_OK);
    nki_pub_ack_of(msg, &got);
    assert_int_equal(got.count, count);
    assert_int_equal(got.seq, count + 100);
    assert_true(nki_str_eq(got.stream, NKI_STR("S")));
    nki_msg_release(msg);
    expect_result(op, NKI_OK, NKI_OUTCOME_DONE);
}

static void expect_failure(const struct fast *fast, uint64_t seq, uint64_t count, int32_t status)
{
    struct nki_pub_ack ack;
    struct nki_msg *msg = steps_take(fast->peer->rig, fast->failures);
    assert_non_null(msg);
    nki_pub_ack_of(msg, &ack);
    assert_int_equal(ack.id, seq);
    assert_int_equal(ack.count, count);
    assert_int_equal(ack.status, status);
    assert_int_equal(ack.outcome, NKI_OUTCOME_REJECTED);
    assert_true(ack.text.len > 0);
    nki_msg_release(msg);
}

static void expect_no_failure(const struct fast *fast)
{
    assert_null(steps_take(fast->peer->rig, fast->failures));
}

/* Nothing goes on any more, and the server is told so. */
static void expect_over(const struct fast *fast, int32_t reason)
{
    assert_int_equal(put(fast, SUBJECT), reason == NKI_UNSUBSCRIBED ? NKI_CLOSED : reason);
    assert_int_equal(rig_end_reason(fast->failures), reason);
    peer_read(fast->peer);
    assert_int_equal(sid_of(fast), 0);
    assert_int_equal(info_of(fast).reason, reason == NKI_UNSUBSCRIBED ? 0 : reason);
}

/* -- the window ------------------------------------------------------------------------------------------ */

static void test_window(void **state)
{
    (void)state;
    struct fast fast = begin("fail");
    struct nki_op *room;
    assert_int_equal(info_of(&fast).window, 1);
    fill(&fast, 1);
    assert_int_equal(put(&fast, SUBJECT), NKI_WOULD_BLOCK); /* until the stream tells how many */
    expect_msgs(&fast, 1, 1);
    peer_expect_none(fast.peer);
    assert_int_equal(nki_ingest_room(fast.ingest, NKI_NEVER, &room, NULL), NKI_OK);
    assert_int_equal(nki_op_result(room, NULL, NULL), NKI_PENDING);
    say_ack(&fast, 1, 2);
    assert_int_equal(nki_op_result(room, NULL, NULL), NKI_OK);
    nki_op_release(room);
    assert_int_equal(info_of(&fast).window, 4);
    fill(&fast, 4);
    assert_int_equal(put(&fast, SUBJECT), NKI_WOULD_BLOCK);
    say_ack(&fast, 4, 2); /* acks of 2 and 3 are in it */
    fill(&fast, 3);
    assert_int_equal(put(&fast, SUBJECT), NKI_WOULD_BLOCK);
    say_ack(&fast, 2, 2); /* an older one takes nothing back */
    assert_int_equal(info_of(&fast).acked, 4);
    say_ack(&fast, 9, 50); /* of a number that was not given out: not believed */
    assert_true(info_of(&fast).acked == 4 && info_of(&fast).window == 4);
    say_ack(&fast, 8, 0);
    assert_true(info_of(&fast).acked == 8 && info_of(&fast).window == 2);
    expect_msgs(&fast, 2, 8);
    expect_no_failure(&fast);
    end(&fast);
}

/* Waiting for room ends with its time, or with the ingest. */
static void test_room_ends(void **state)
{
    (void)state;
    struct fast fast = begin("fail");
    struct nki_op *rooms[2];
    fill(&fast, 1);
    assert_int_equal(nki_ingest_room(fast.ingest, fast.peer->rig->now_ns + RIG_MS(50), &rooms[0], NULL),
                     NKI_OK);
    assert_int_equal(nki_ingest_room(fast.ingest, NKI_NEVER, &rooms[1], NULL), NKI_OK);
    peer_pass(fast.peer, 50);
    expect_result(rooms[0], NKI_TIMEOUT, NKI_OUTCOME_UNKNOWN);
    assert_int_equal(nki_op_result(rooms[1], NULL, NULL), NKI_PENDING);
    nki_engine_close(&fast.peer->rig->engine, NULL, fast.peer->rig->now_ns);
    rig_settle(fast.peer->rig);
    assert_int_equal(nki_op_result(rooms[1], NULL, NULL), NKI_CLOSED);
    nki_op_release(rooms[1]);
    assert_int_equal(put(&fast, SUBJECT), NKI_CLOSED);
    end(&fast);
}

/* -- the commit ------------------------------------------------------------------------------------------ */

static void test_commit(void **state)
{
    (void)state;
    struct fast fast = lively("fail", 5);
    struct nki_op *op = commit(&fast);
    struct nki_op *second = commit(&fast);
    assert_int_equal(put(&fast, SUBJECT), NKI_CLOSED);
    expect_commit(&fast, 6);
    peer_expect_none(fast.peer); /* once */
    say_ack(&fast, 5, 7);
    assert_int_equal(nki_op_result(op, NULL, NULL), NKI_PENDING);
    say_end(&fast, 5);
    expect_stored(op, 5);
    expect_stored(second, 5);
    expect_stored(commit(&fast), 5);
    expect_over(&fast, NKI_UNSUBSCRIBED);
    end(&fast);
}

/* Before the first answer nothing else may be sent. */
static void test_commit_early(void **state)
{
    (void)state;
    struct fast fast = begin("fail");
    const struct nki_js_begin at = {.deadline_ns = NKI_NEVER};
    struct nki_op *op;
    assert_int_equal(nki_ingest_commit_begin(fast.ingest, &at, &op, NULL), NKI_INVALID);
    fill(&fast, 1);
    op = commit(&fast);
    expect_msgs(&fast, 1, 1);
    peer_expect_none(fast.peer);
    say_ack(&fast, 1, 7);
    expect_commit(&fast, 2);
    say_end(&fast, 1);
    expect_stored(op, 1);
    end(&fast);
}

/* Of a commit that nobody waits for in time the batch does not end. */
static void test_commit_late(void **state)
{
    (void)state;
    struct fast fast = lively("fail", 2);
    const struct nki_js_begin at = {.deadline_ns = fast.peer->rig->now_ns + RIG_MS(100), .timed = true};
    struct nki_op *op;
    assert_int_equal(nki_ingest_commit_begin(fast.ingest, &at, &op, NULL), NKI_OK);
    rig_settle(fast.peer->rig);
    peer_pass(fast.peer, 100);
    expect_result(op, NKI_TIMEOUT, NKI_OUTCOME_UNKNOWN);
    op = commit(&fast);
    expect_commit(&fast, 3);
    peer_expect_none(fast.peer);
    say_end(&fast, 2);
    expect_stored(op, 2);
    end(&fast);
}

/* -- what is not stored ---------------------------------------------------------------------------------- */

static void test_gaps(void **state)
{
    (void)state;
    struct fast fast = lively("go_on", 9);
    static const uint64_t wrong[][2] = {{0, 3}, {4, 4}, {5, 4}, {8, 11}, {UINT64_MAX, 2}, {3, UINT64_MAX}};
    for (size_t i = 0; i < NKI_ARRAY_LEN(wrong); i++) {
        say_gap(&fast, wrong[i][0], wrong[i][1]);
    }
    expect_no_failure(&fast);
    assert_int_equal(info_of(&fast).lost, 0);
    say_gap(&fast, 3, 6);
    expect_failure(&fast, 3, 3, NKI_BATCH_INCOMPLETE);
    say_gap(&fast, 9, 10); /* told of a ping behind it */
    expect_failure(&fast, 9, 1, NKI_BATCH_INCOMPLETE);
    assert_int_equal(info_of(&fast).lost, 4);
    struct nki_op *op = commit(&fast);
    expect_commit(&fast, 10);
    say_end(&fast, 8);
    expect_stored(op, 8); /* that was wanted so */
    expect_over(&fast, NKI_UNSUBSCRIBED);
    end(&fast);
}

static void test_refused(void **state)
{
    (void)state;
    struct fast fast = lively("go_on", 4);
    say_refused(&fast, 0);
    say_refused(&fast, 5);
    say(&fast, "{\"type\":\"err\",\"seq\":2}");
    expect_no_failure(&fast);
    say_refused(&fast, 2);
    expect_failure(&fast, 2, 1, NKI_WRONG_LAST);
    assert_int_equal(info_of(&fast).refused, 1);
    fill(&fast, 1);
    expect_msgs(&fast, 5, 5);
    end(&fast);
}

/* With "fail" the stream ends it by itself: what it ends with is the first failure. */
static void test_failed(void **state)
{
    (void)state;
    struct fast fast = lively("fail", 6);
    struct nki_op *op = commit(&fast);
    expect_commit(&fast, 7);
    say_refused(&fast, 4);
    say_end(&fast, 3);
    expect_result(op, NKI_WRONG_LAST, NKI_OUTCOME_REJECTED);
    expect_failure(&fast, 4, 1, NKI_WRONG_LAST);
    expect_over(&fast, NKI_WRONG_LAST);
    assert_int_equal(info_of(&fast).acked, 3);
    end(&fast);
    fast = lively("fail", 6);
    say_end(&fast, 3); /* without a word why */
    expect_result(commit(&fast), NKI_BATCH_INCOMPLETE, NKI_OUTCOME_REJECTED);
    expect_over(&fast, NKI_BATCH_INCOMPLETE);
    end(&fast);
    fast = lively("go_on", 6);
    say_end(&fast, 6); /* nobody has asked for a commit */
    expect_over(&fast, NKI_BATCH_INCOMPLETE);
    end(&fast);
}

static void test_ended_by_stream(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        int32_t status;
        int32_t outcome;
    } rows[] = {
        {"{\"error\":{\"code\":400,\"err_code\":10205,\"description\":\"d\"}}", NKI_BATCH_NOT_ALLOWED,
         NKI_OUTCOME_REJECTED},
        {"{\"error\":{\"code\":400,\"err_code\":10206,\"description\":\"d\"}}", NKI_BATCH_REFUSED,
         NKI_OUTCOME_REJECTED},
        {"{\"error\":{\"code\":400,\"err_code\":10207,\"description\":\"d\"}}", NKI_BATCH_REFUSED,
         NKI_OUTCOME_REJECTED},
        {"{\"error\":{\"code\":400,\"err_code\":10208,\"description\":\"d\"}}", NKI_BATCH_INCOMPLETE,
         NKI_OUTCOME_UNKNOWN},
        {"{\"error\":{\"code\":429,\"err_code\":10211,\"description\":\"d\"}}", NKI_BATCH_LIMIT,
         NKI_OUTCOME_REJECTED},
        {"{\"stream\":\"S\",\"seq\":7}", NKI_INVALID_ACK, NKI_OUTCOME_UNKNOWN},
        {"{\"stream\":\"S\",\"seq\":7,\"batch\":\"other\",\"count\":1}", NKI_INVALID_ACK,
         NKI_OUTCOME_UNKNOWN},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        for (int answered = 0; answered < 2; answered++) {
            struct fast fast = begin("fail");
            fill(&fast, 1);
            if (answered) {
                say_ack(&fast, 1, 7);
            }
            struct nki_op *op = commit(&fast);
            say(&fast, rows[i].answer);
            expect_result(op, rows[i].status, rows[i].outcome);
            expect_over(&fast, rows[i].status);
            end(&fast);
        }
    }
}

/* What is no answer of a stream ends it: nobody knows what is stored. */
static void test_strange_answers(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "hello",
                                        "[]",
                                        "{}",
                                        "{\"type\":7}",
                                        "{\"type\":\"other\"}",
                                        "{\"type\":\"acknowledged\"}",
                                        "{\"type\":\"ack\",\"seq\":1,}"};
    for (size_t i = 0; i < NKI_ARRAY_LEN(texts); i++) {
        struct fast fast = lively("go_on", 3);
        struct nki_op *op = commit(&fast);
        say(&fast, texts[i]);
        int32_t outcome;
        assert_int_equal(nki_op_result(op, &outcome, NULL), NKI_INVALID_ACK);
        nki_op_release(op);
        expect_over(&fast, NKI_INVALID_ACK);
        end(&fast);
    }
}

static void test_nobody(void **state)
{
    (void)state;
    struct fast fast = begin("go_on");
    fill(&fast, 1);
    say_nobody(&fast, 1, '0');
    expect_result(commit(&fast), NKI_NO_STREAM, NKI_OUTCOME_UNKNOWN);
    expect_over(&fast, NKI_NO_STREAM);
    end(&fast);
    fast = lively("go_on", 3);
    say_nobody(&fast, 2, '1'); /* of that the stream sees a gap as soon as it gets another one */
    expect_ping(&fast, 3);
    struct nki_op *op = commit(&fast);
    expect_commit(&fast, 4);
    say_nobody(&fast, 4, '3'); /* no leader for the moment */
    peer_expect_none(fast.peer);
    peer_pass(fast.peer, TICK_MS);
    expect_commit(&fast, 4);
    say_end(&fast, 3);
    expect_stored(op, 3);
    end(&fast);
}

/* -- silence --------------------------------------------------------------------------------------------- */

static void test_no_answer(void **state)
{
    (void)state;
    struct fast fast = begin("fail");
    fill(&fast, 1);
    struct nki_op *op = commit(&fast);
    peer_pass(fast.peer, WAIT_MS - 1);
    assert_int_equal(nki_op_result(op, NULL, NULL), NKI_PENDING);
    peer_pass(fast.peer, 1 + TICK_MS);
    expect_result(op, NKI_TIMEOUT, NKI_OUTCOME_UNKNOWN);
    expect_over(&fast, NKI_TIMEOUT);
    end(&fast);
}

/* A stream that has said nothing is asked, and is not given up as long as it answers. */
static void test_pings(void **state)
{
    (void)state;
    struct fast fast = lively("fail", 3);
    peer_pass(fast.peer, TICK_MS); /* the first answer was heard before */
    for (unsigned i = 1; i <= 20; i++) {
        peer_pass(fast.peer, TICK_MS);
        expect_ping(&fast, 3);
        assert_int_equal(info_of(&fast).pings, i);
        say_ack(&fast, 3, 7);
        peer_pass(fast.peer, TICK_MS);
        peer_expect_none(fast.peer);
    }
    peer_pass(fast.peer, WAIT_MS + 2 * TICK_MS);
    expect_over(&fast, NKI_TIMEOUT);
    end(&fast);
}

static void test_ping_finds_gap(void **state)
{
    (void)state;
    struct fast fast = lively("fail", 3);
    peer_pass(fast.peer, 2 * TICK_MS);
    expect_ping(&fast, 3);
    say_gap(&fast, 2, 4);
    say_end(&fast, 1);
    expect_failure(&fast, 2, 2, NKI_BATCH_INCOMPLETE);
    expect_over(&fast, NKI_BATCH_INCOMPLETE);
    end(&fast);
}

/* The answer to the commit does not come. */
static void test_commit_unanswered(void **state)
{
    (void)state;
    struct fast fast = lively("fail", 3);
    say_ack(&fast, 3, 7);
    struct nki_op *op = commit(&fast);
    expect_commit(&fast, 4);
    for (int i = 0; i < 6; i++) {
        peer_pass(fast.peer, TICK_MS);
        peer_expect_none(fast.peer); /* a ping would begin nothing anew, but end what is committed */
    }
    expect_result(op, NKI_TIMEOUT, NKI_OUTCOME_UNKNOWN);
    expect_over(&fast, NKI_TIMEOUT);
    end(&fast);
}

/* -- connections ----------------------------------------------------------------------------------------- */

static void test_reconnect(void **state)
{
    (void)state;
    struct fast fast = lively("go_on", 5);
    peer_cut(fast.peer);
    peer_pass(fast.peer, 1);
    expect_ping(&fast, 5); /* what has come? */
    say_ack(&fast, 5, 7);
    fill(&fast, 2);
    expect_msgs(&fast, 6, 7);
    struct nki_op *op = commit(&fast);
    expect_commit(&fast, 8);
    peer_cut(fast.peer); /* with the commit, or the answer to it */
    peer_pass(fast.peer, WAIT_MS / 5);
    expect_ping(&fast, 7);
    expect_commit(&fast, 8);
    peer_expect_none(fast.peer);
    say_end(&fast, 7);
    expect_stored(op, 7);
    end(&fast);
}

/* What was committed, or given up meanwhile, is not known any more. */
static void test_forgotten(void **state)
{
    (void)state;
    static const char forgotten[] =
        "{\"error\":{\"code\":400,\"err_code\":10208,\"description\":\"unknown batch\"}}";
    struct fast fast = lively("fail", 5);
    struct nki_op *op = commit(&fast);
    peer_cut(fast.peer);
    peer_pass(fast.peer, 1);
    say(&fast, forgotten);
    expect_result(op, NKI_BATCH_INCOMPLETE, NKI_OUTCOME_UNKNOWN);
    expect_over(&fast, NKI_BATCH_INCOMPLETE);
    end(&fast);
    fast = begin("fail");
    fill(&fast, 1);
    expect_msgs(&fast, 1, 1);
    peer_cut(fast.peer);
    peer_pass(fast.peer, 1);
    expect_ping(&fast, 1);
    say(&fast, forgotten);
    expect_over(&fast, NKI_DISCONNECTED);
    end(&fast);
}

/* What is published without a connection comes to the next one, behind a question. */
static void test_offline(void **state)
{
    (void)state;
    struct fast fast = begin("fail");
    fast.peer->rig->silent = true;
    rig_eof(fast.peer->rig);
    fill(&fast, 1);
    struct nki_op *op = commit(&fast);
    peer_pass(fast.peer, 3 * WAIT_MS);
    assert_int_equal(nki_op_result(op, NULL, NULL),
                     NKI_PENDING); /* the time of an answer runs with a connection alone */
    fast.peer->rig->silent = false;
    for (int i = 0; !rig_connected(fast.peer->rig); i++) {
        assert_true(i < 100);
        peer_pass(fast.peer, 1000);
    }
    expect_msgs(&fast, 1, 1);
    say_ack(&fast, 1, 7);
    struct peer_pub pub;
    bool asked = false;
    bool committed = false;
    while (peer_next(fast.peer, &pub)) {
        asked = asked || strstr(pub.reply, ".1.4.$FI") != NULL;
        committed = committed || strstr(pub.reply, ".2.3.$FI") != NULL;
    }
    assert_true(asked && committed);
    say_end(&fast, 1);
    expect_stored(op, 1);
    end(&fast);
}

static void test_denied(void **state)
{
    (void)state;
    struct fast fast = lively("fail", 3);
    struct nki_op *op = commit(&fast);
    expect_commit(&fast, 4);
    rig_say(fast.peer->rig, "-ERR 'Permissions Violation for Publish to \"f.a\"'\r\n");
    expect_result(op, NKI_PERMISSION, NKI_OUTCOME_UNKNOWN);
    expect_over(&fast, NKI_PERMISSION);
    end(&fast);
    fast = lively("fail", 3);
    assert_int_equal(put(&fast, "f.b"), NKI_OK);
    struct peer_pub pub;
    peer_expect(fast.peer, "f.b", &pub);
    rig_say(fast.peer->rig, "-ERR 'Permissions Violation for Publish to \"f.b\"'\r\n");
    expect_ping(&fast, 4); /* behind it, so that the stream sees what is missing */
    say_gap(&fast, 4, 5);
    expect_failure(&fast, 4, 1, NKI_BATCH_INCOMPLETE);
    rig_say(fast.peer->rig, "-ERR 'Permissions Violation for Subscription to \"f.a\"'\r\n"); /* not its own */
    assert_int_equal(put(&fast, SUBJECT), NKI_OK);
    end(&fast);
}

/* -- its end --------------------------------------------------------------------------------------------- */

/* What is open is committed, and the drain waits for that. */
static void test_drained(void **state)
{
    (void)state;
    struct fast fast = lively("fail", 3);
    nki_engine_feeds_drain(&fast.peer->rig->engine, fast.peer->rig->now_ns);
    rig_settle(fast.peer->rig);
    expect_commit(&fast, 4);
    assert_int_equal(put(&fast, SUBJECT), NKI_CLOSED);
    assert_int_equal(rig_end_reason(fast.failures), 0);
    say_end(&fast, 3);
    expect_stored(commit(&fast), 3);
    end(&fast);
    fast = begin("fail"); /* nothing was published */
    nki_engine_feeds_drain(&fast.peer->rig->engine, fast.peer->rig->now_ns);
    rig_settle(fast.peer->rig);
    peer_expect_none(fast.peer);
    assert_int_equal(rig_end_reason(fast.failures), NKI_UNSUBSCRIBED);
    assert_int_equal(put(&fast, SUBJECT), NKI_CLOSED);
    assert_int_equal(info_of(&fast).reason, NKI_CLOSED); /* there is no ack */
    end(&fast);
}

/* A stream is told that one is given up. */
static void test_closed(void **state)
{
    (void)state;
    struct fast fast = lively("fail", 3);
    struct nki_op *op = commit(&fast);
    expect_commit(&fast, 4);
    nki_engine_close_sub(&fast.peer->rig->engine, fast.failures, fast.peer->rig->now_ns);
    rig_settle(fast.peer->rig);
    expect_result(op, NKI_CLOSED, NKI_OUTCOME_UNKNOWN);
    peer_expect_none(fast.peer);
    end(&fast);
    fast = lively("fail", 3);
    nki_engine_close_sub(&fast.peer->rig->engine, fast.failures, fast.peer->rig->now_ns);
    rig_settle(fast.peer->rig);
    expect_commit(&fast, 4);
    expect_result(commit(&fast), NKI_CLOSED, NKI_OUTCOME_UNKNOWN);
    end(&fast);
}

/* -- no memory ------------------------------------------------------------------------------------------- */

static struct nki_op *try_commit(const struct fast *fast, int32_t *status)
{
    const struct nki_js_begin at = {.deadline_ns = fast->peer->rig->now_ns + RIG_MS(60000), .timed = true};
    struct nki_op *op = NULL;
    *status = nki_ingest_commit_begin(fast->ingest, &at, &op, NULL);
    rig_settle(fast->peer->rig);
    return op;
}

static void say_if(const struct fast *fast, const char *text)
{
    peer_read(fast->peer);
    if (sid_of(fast) != 0 && rig_connected(fast->peer->rig)) {
        say(fast, text);
    }
}

/* A short life, of which each step may fail, but nothing else may. */
static void live_without(struct peer *peer)
{
    struct fast fast;
    char text[200];
    int32_t status = try_open(peer, "go_on", &fast);
    if (status != NKI_OK) {
        assert_int_equal(status, NKI_NO_MEMORY);
        return;
    }
    peer_read(peer);
    for (size_t i = 0; i < peer->sub_count; i++) {
        const char *subject = peer->subs[i].subject;
        size_t len = strlen(subject);
        if (len > 2 && strcmp(subject + len - 2, ".>") == 0) {
            snprintf(fast.inbox, sizeof fast.inbox, "%.*s", (int)(len - 2), subject);
        }
    }
    for (int i = 0; i < 4; i++) {
        status = put(&fast, SUBJECT);
        assert_true(status == NKI_OK || status == NKI_NO_MEMORY || status == NKI_WOULD_BLOCK);
        say_if(&fast, "{\"type\":\"ack\",\"seq\":1,\"msgs\":7}");
    }
    say_if(&fast, "{\"type\":\"gap\",\"last_seq\":2,\"seq\":3}");
    struct nki_op *room = NULL;
    status = nki_ingest_room(fast.ingest, NKI_NEVER, &room, NULL);
    assert_true(status == NKI_OK || status == NKI_NO_MEMORY);
    struct nki_op *op = try_commit(&fast, &status);
    if (status != NKI_OK) {
        assert_true(status == NKI_NO_MEMORY || status == NKI_INVALID);
    }
    peer_pass(peer, 2 * TICK_MS);
    snprintf(text, sizeof text, "{\"stream\":\"S\",\"seq\":9,\"batch\":\"%s\",\"count\":4}",
             fast.inbox[0] != '\0' ? id_of(&fast) : "");
    say_if(&fast, text);
    steps_refuse_no_more();
    struct nki_msg *msg;
    while ((msg = steps_take(peer->rig, fast.failures)) != NULL) {
        nki_msg_release(msg);
    }
    give_up(&fast);
    if (op != NULL) { /* whatever it is, it is told */
        assert_int_not_equal(nki_op_result(op, NULL, NULL), NKI_PENDING);
        nki_op_release(op);
    }
    if (room != NULL) {
        assert_int_not_equal(nki_op_result(room, NULL, NULL), NKI_PENDING);
        nki_op_release(room);
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    long nth = 1;
    for (bool more = true; more; nth++) {
        struct peer *peer = peer_new();
        running = peer->rig;
        more = steps_refuse(nth);
        if (more) {
            live_without(peer);
            steps_refuse_no_more();
        }
        peer_free(peer);
        running = NULL;
    }
    assert_true(nth > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_room_ends),
        cmocka_unit_test(test_commit),
        cmocka_unit_test(test_commit_early),
        cmocka_unit_test(test_commit_late),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_failed),
        cmocka_unit_test(test_ended_by_stream),
        cmocka_unit_test(test_strange_answers),
        cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_pings),
        cmocka_unit_test(test_ping_finds_gap),
        cmocka_unit_test(test_commit_unanswered),
        cmocka_unit_test(test_reconnect),
        cmocka_unit_test(test_forgotten),
        cmocka_unit_test(test_offline),
        cmocka_unit_test(test_denied),
        cmocka_unit_test(test_drained),
        cmocka_unit_test(test_closed),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
