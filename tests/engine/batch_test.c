/* Atomic batches on the rig: what is sent when, lost signs of the server, lost connections, forgotten
 * batches, refusals, deadlines, servers that know none. */
#include "peer.h"

#include "jetstream/batch.h"
#include "jetstream/publish.h"
#include "wire/header.h"

#include <stdio.h>
#include <stdlib.h>

int32_t __wrap_nki_conn_check_size(const struct nki_conn *conn, const struct nki_outgoing_msg *msg);

int32_t __wrap_nki_conn_check_size(const struct nki_conn *conn, const struct nki_outgoing_msg *msg)
{
    (void)conn;
    return msg->data.len > NKI_MIB ? NKI_TOO_LARGE : NKI_OK;
}

#define WAIT_MS 5000
#define LEVEL_2 "{\"api\":{\"level\":2,\"total\":1}}"
#define INCOMPLETE                                                                                           \
    "{\"error\":{\"code\":400,\"err_code\":10176,\"description\":\"atomic publish batch is incomplete\"}}"

static struct nki_batch *batch_of(struct peer *peer, size_t count)
{
    struct nki_batch *batch;
    assert_int_equal(nki_batch_open(peer->js, NULL, &batch, NULL), NKI_OK);
    for (size_t i = 0; i < count; i++) {
        char subject[40];
        snprintf(subject, sizeof subject, "s.%zu", i + 1);
        const struct nki_outgoing_msg msg = {
            .subject = nki_str_z(subject), .header_block = NKI_STR(""), .data = NKI_STR("x")};
        assert_int_equal(nki_batch_add(batch, &msg, NULL), NKI_OK);
    }
    return batch;
}

/* Of a batch that nobody else holds. */
static struct nki_op *commit(struct peer *peer, size_t count, int64_t timeout_ms)
{
    struct nki_batch *batch = batch_of(peer, count);
    const struct nki_js_begin begin = {.deadline_ns = peer->rig->now_ns + RIG_MS(timeout_ms), .timed = true};
    struct nki_op *op;
    assert_int_equal(nki_batch_commit_begin(batch, &begin, &op, NULL), NKI_OK);
    nki_batch_release(batch);
    return op;
}

static void answer(struct peer *peer, const struct peer_pub *pub, const char *data)
{
    assert_true(peer_send(peer, pub->reply, pub->reply, "", "", data));
}

static void tell_level(struct peer *peer)
{
    struct peer_pub pub;
    peer_expect(peer, "$JS.API.INFO", &pub);
    answer(peer, &pub, LEVEL_2);
}

/* The n-th message, of this id ("": whichever, which is written there), with a commit or without. */
static void expect_msg(struct peer *peer, size_t n, char id[40], bool commits, bool asks,
                       struct peer_pub *pub)
{
    char subject[40];
    char line[80];
    snprintf(subject, sizeof subject, "s.%zu", n);
    peer_expect(peer, subject, pub);
    assert_string_equal(pub->subject, subject);
    const char *at = strstr(pub->block, "Nats-Batch-Id: ");
    assert_non_null(at);
    at += strlen("Nats-Batch-Id: ");
    if (id[0] == '\0') {
        snprintf(id, 40, "%.*s", (int)strcspn(at, "\r"), at);
    }
    assert_memory_equal(at, id, strlen(id));
    snprintf(line, sizeof line, "\r\nNats-Batch-Sequence: %zu\r\n", n);
    assert_non_null(strstr(pub->block, line));
    assert_int_equal(strstr(pub->block, "Nats-Batch-Commit: 1\r\n") != NULL, commits);
    assert_int_equal(pub->reply[0] != '\0', asks);
}

static void ack(struct peer *peer, const struct peer_pub *pub, const char *id, size_t count)
{
    char text[200];
    snprintf(text, sizeof text, "{\"stream\":\"S\",\"seq\":%zu,\"batch\":\"%s\",\"count\":%zu}", count, id,
             count);
    answer(peer, pub, text);
}

static void expect_end(struct peer *peer, struct nki_op *op, int32_t status, int32_t outcome)
{
    int32_t have;
    struct nki_engine *engine = &peer->rig->engine;
    assert_int_equal(nki_op_result(op, &have, NULL), status);
    assert_int_equal(have, outcome);
    assert_int_equal(engine->replies.used, 0);
    assert_int_equal(engine->pauses.len, 0);
    nki_op_release(op);
}

static void expect_stored(struct peer *peer, struct nki_op *op, const char *id, size_t count)
{
    struct nki_msg *msg;
    struct nki_pub_ack got;
    assert_int_equal(nki_op_take_msg(op, &msg), NKI_OK);
    nki_pub_ack_of(msg, &got);
    assert_int_equal(got.count, count);
    assert_true(nki_str_eq(got.batch, nki_str_z(id)));
    assert_int_equal(got.seq, count);
    nki_msg_release(msg);
    expect_end(peer, op, NKI_OK, NKI_OUTCOME_DONE);
}

static void test_one(void **state)
{
    (void)state;
    struct peer *peer = peer_new();
    for (int round = 0; round < 2; round++) {
        struct peer_pub pub;
        char id[40] = "";
        struct nki_op *op = commit(peer, 1, WAIT_MS);
        if (round == 0) {
            tell_level(peer); /* once */
        }
        expect_msg(peer, 1, id, true, true, &pub);
        ack(peer, &pub, id, 1);
        expect_stored(peer, op, id, 1);
        peer_expect_none(peer);
    }
    peer_free(peer);
}

/* The first alone, then as many as a step has, of which the last asks for a sign. */
static void test_steps(void **state)
{
    (void)state;
    struct peer *peer = peer_new();
    struct peer_pub pub;
    char id[40] = "";
    struct nki_op *op = commit(peer, 130, WAIT_MS);
    tell_level(peer);
    expect_msg(peer, 1, id, false, true, &pub);
    peer_expect_none(peer);
    struct nki_engine *engine = &peer->rig->engine;
    assert_int_equal(engine->pauses.len, 0);
    assert_true(peer_send(peer, pub.reply, pub.reply, "", "", ""));
    for (size_t n = 2; n <= 101; n++) {
        expect_msg(peer, n, id, false, n == 101, &pub);
    }
    peer_expect_none(peer);
    assert_int_equal(nki_op_result(op, NULL, NULL), NKI_PENDING);
    answer(peer, &pub, "");
    for (size_t n = 102; n <= 130; n++) {
        expect_msg(peer, n, id, n == 130, n == 130, &pub);
    }
    ack(peer, &pub, id, 130);
    expect_stored(peer, op, id, 130);
    peer_free(peer);
}

/* Before the commit it is begun anew with another id; behind it nobody knows. */
static void test_lost(void **state)
{
    (void)state;
    struct peer *peer = peer_new();
    struct peer_pub pub;
    char id[40] = "";
    char second[40] = "";
    struct nki_op *op = commit(peer, 3, WAIT_MS);
    peer_expect(peer, "$JS.API.INFO", &pub);
    peer_cut(peer);
    peer_pass(peer, 1);
    tell_level(peer);
    expect_msg(peer, 1, id, false, true, &pub);
    peer_cut(peer);
    peer_pass(peer, WAIT_MS / 5);
    expect_msg(peer, 1, second, false, true, &pub);
    assert_string_not_equal(id, second);
    answer(peer, &pub, "");
    expect_msg(peer, 2, second, false, false, &pub);
    expect_msg(peer, 3, second, true, true, &pub);
    peer_cut(peer);
    expect_end(peer, op, NKI_DISCONNECTED, NKI_OUTCOME_UNKNOWN);
    peer_pass(peer, WAIT_MS);
    peer_expect_none(peer);
    peer_free(peer);
}

/* Without a sign of the server it is not stored until the commit was sent. */
static void test_late(void **state)
{
    (void)state;
    struct peer *peer = peer_new();
    struct peer_pub pub;
    char id[40] = "";
    struct nki_op *op = commit(peer, 2, WAIT_MS);
    peer_expect(peer, "$JS.API.INFO", &pub);
    peer_pass(peer, WAIT_MS);
    expect_end(peer, op, NKI_TIMEOUT, NKI_OUTCOME_NOT_SENT);
    op = commit(peer, 2, WAIT_MS);
    tell_level(peer);
    expect_msg(peer, 1, id, false, true, &pub);
    peer_pass(peer, WAIT_MS);
    expect_end(peer, op, NKI_TIMEOUT, NKI_OUTCOME_NOT_SENT);
    id[0] = '\0';
    op = commit(peer, 2, WAIT_MS);
    expect_msg(peer, 1, id, false, true, &pub);
    answer(peer, &pub, "");
    expect_msg(peer, 2, id, true, true, &pub);
    peer_pass(peer, WAIT_MS);
    expect_end(peer, op, NKI_TIMEOUT, NKI_OUTCOME_UNKNOWN);
    peer_free(peer);
}

/* A stream whose leader has changed knows nothing of it: it is sent again, as often as is asked for. */
static void test_forgotten(void **state)
{
    (void)state;
    struct peer *peer = peer_new();
    struct peer_pub pub;
    char id[40] = "";
    struct nki_op *op = commit(peer, 2, WAIT_MS);
    tell_level(peer);
    for (int round = 0; round < 2; round++) {
        id[0] = '\0';
        expect_msg(peer, 1, id, false, true, &pub);
        answer(peer, &pub, round == 0 ? "" : INCOMPLETE);
        if (round == 0) {
            expect_msg(peer, 2, id, true, true, &pub);
            answer(peer, &pub, INCOMPLETE);
        }
        peer_expect_none(peer);
        peer_pass(peer, peer->js->publish_retry_wait_ms);
    }
    id[0] = '\0';
    expect_msg(peer, 1, id, false, true, &pub);
    answer(peer, &pub, INCOMPLETE);
    expect_end(peer, op, NKI_BATCH_INCOMPLETE, NKI_OUTCOME_REJECTED);
    peer_free(peer);
}

static void test_nobody(void **state)
{
    (void)state;
    struct peer *peer = peer_new();
    struct peer_pub pub;
    char id[40] = "";
    struct nki_op *op = commit(peer, 2, WAIT_MS);
    tell_level(peer);
    for (int round = 0; round < 3; round++) {
        id[0] = '\0';
        expect_msg(peer, 1, id, false, true, &pub);
        assert_true(peer_send(peer, pub.reply, pub.reply, "", "NATS/1.0 503\r\n\r\n", ""));
        peer_pass(peer, peer->js->publish_retry_wait_ms);
    }
    expect_end(peer, op, NKI_NO_STREAM, NKI_OUTCOME_REJECTED);
    peer_expect_none(peer);
    peer_free(peer);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        int32_t status;
    } cases[] = {
        {"{\"error\":{\"code\":400,\"err_code\":10174,\"description\":\"d\"}}", NKI_BATCH_NOT_ALLOWED},
        {"{\"error\":{\"code\":400,\"err_code\":10201,\"description\":\"d\"}}", NKI_BATCH_REFUSED},
        {"{\"error\":{\"code\":429,\"err_code\":10210,\"description\":\"d\"}}", NKI_BATCH_LIMIT},
        {"{\"error\":{\"code\":400,\"err_code\":10071,\"description\":\"d\"}}", NKI_WRONG_LAST},
    };
    struct peer *peer = peer_new();
    for (size_t i = 0; i < NKI_ARRAY_LEN(cases); i++) {
        struct peer_pub pub;
        char id[40] = "";
        struct nki_op *op = commit(peer, 2, WAIT_MS);
        if (i == 0) {
            tell_level(peer);
        }
        expect_msg(peer, 1, id, false, true, &pub);
        answer(peer, &pub, cases[i].answer);
        expect_end(peer, op, cases[i].status, NKI_OUTCOME_REJECTED);
        peer_expect_none(peer);
    }
    peer_free(peer);
}

/* What answers is no server that knows batches, or it speaks of something else. */
static void test_strange_answers(void **state)
{
    (void)state;
    struct peer *peer = peer_new();
    struct peer_pub pub;
    char id[40] = "";
    static const char *const olds[] = {"{\"api\":{\"level\":1}}", "{\"api\":{}}", "{}", "[1]", "no JSON"};
    for (size_t i = 0; i < NKI_ARRAY_LEN(olds); i++) {
        struct nki_op *op = commit(peer, 2, WAIT_MS);
        peer_expect(peer, "$JS.API.INFO", &pub);
        answer(peer, &pub, olds[i]);
        expect_end(peer, op, NKI_API_LEVEL, NKI_OUTCOME_NOT_SENT);
        peer_expect_none(peer);
    }
    struct nki_op *op = commit(peer, 2, WAIT_MS);
    tell_level(peer);
    expect_msg(peer, 1, id, false, true, &pub);
    answer(peer, &pub, "{\"stream\":\"S\",\"seq\":7}");
    expect_end(peer, op, NKI_INVALID_ACK, NKI_OUTCOME_UNKNOWN);
    static const char *const wrong[] = {"{\"stream\":\"S\",\"seq\":7}", "what?",
                                        "{\"stream\":\"S\",\"seq\":7,\"batch\":\"other\",\"count\":2}"};
    for (size_t i = 0; i < NKI_ARRAY_LEN(wrong); i++) {
        id[0] = '\0';
        op = commit(peer, 2, WAIT_MS);
        expect_msg(peer, 1, id, false, true, &pub);
        answer(peer, &pub, "");
        expect_msg(peer, 2, id, true, true, &pub);
        answer(peer, &pub, wrong[i]);
        expect_end(peer, op, NKI_INVALID_ACK, NKI_OUTCOME_UNKNOWN);
    }
    op = commit(peer, 2, WAIT_MS);
    id[0] = '\0';
    expect_msg(peer, 1, id, false, true, &pub);
    answer(peer, &pub, "");
    expect_msg(peer, 2, id, true, true, &pub);
    ack(peer, &pub, id, 1); /* not all of it */
    expect_end(peer, op, NKI_INVALID_ACK, NKI_OUTCOME_UNKNOWN);
    peer_free(peer);
}

static struct nki_buf block_of(const char *name, const char *value)
{
    struct nki_buf block = {0};
    assert_int_equal(nki_header_append(&block, nki_str_z(name), nki_str_z(value), NULL), NKI_OK);
    return block;
}

static int32_t add(struct nki_batch *batch, const char *subject, const char *name, const char *value)
{
    struct nki_buf block = block_of(name, value);
    const struct nki_outgoing_msg msg = {.subject = nki_str_z(subject),
                                         .header_block = nki_str_make((char *)block.data, block.len),
                                         .data = NKI_STR("x")};
    int32_t status = nki_batch_add(batch, &msg, NULL);
    nki_buf_free(&block);
    return status;
}

static void test_headers(void **state)
{
    (void)state;
    struct peer *peer = peer_new();
    struct nki_batch *batch = batch_of(peer, 0);
    struct nki_batch_info info;
    assert_int_equal(add(batch, "a", "Nats-Batch-Id", "mine"), NKI_INVALID);
    assert_int_equal(add(batch, "a", "nats-batch-commit", "1"), NKI_INVALID);
    assert_int_equal(add(batch, "a", "Nats-Expected-Last-Msg-Id", "m"), NKI_INVALID);
    assert_int_equal(add(batch, "a", "Nats-Expected-Last-Sequence", "5"), NKI_OK);
    assert_int_equal(add(batch, "b", "Nats-Expected-Last-Sequence", "5"), NKI_INVALID);
    assert_int_equal(add(batch, "b", "Nats-Expected-Last-Subject-Sequence", "5"), NKI_OK);
    assert_int_equal(add(batch, "b", "Nats-Expected-Last-Subject-Sequence", "5"), NKI_INVALID);
    assert_int_equal(add(batch, "c", "Nats-Msg-Id", "one"), NKI_OK);
    assert_int_equal(add(batch, "d", "Nats-Msg-Id", "one"), NKI_INVALID);
    assert_int_equal(add(batch, "d", "Nats-Msg-Id", "two"), NKI_OK);
    nki_batch_info_get(batch, &info);
    assert_int_equal(info.msgs, 4);
    assert_false(info.committed);
    nki_batch_release(batch);
    peer_free(peer);
}

static void test_limits(void **state)
{
    (void)state;
    struct peer *peer = peer_new();
    struct nki_batch *batch = batch_of(peer, NKI_BATCH_MSGS_MAX);
    assert_int_equal(add(batch, "one.more", "A", "b"), NKI_LIMIT);
    nki_batch_release(batch);
    struct nki_options *options = nki_options_new(NKI_SCOPE_BATCH);
    assert_int_equal(nki_options_set_int(options, NKI_STR("max_bytes"), 1024, NULL), NKI_OK);
    assert_int_equal(nki_batch_open(peer->js, options, &batch, NULL), NKI_OK);
    int added = 0;
    while (add(batch, "s", "A", "b") == NKI_OK) {
        added++;
    }
    struct nki_batch_info info;
    nki_batch_info_get(batch, &info);
    assert_true(added > 5 && info.bytes <= 1024 && info.bytes > 900);
    const struct nki_js_begin begin = {.deadline_ns = NKI_NEVER};
    struct nki_op *op;
    assert_int_equal(nki_batch_commit_begin(batch, &begin, &op, NULL), NKI_OK);
    assert_int_equal(add(batch, "s", "A", "b"), NKI_CLOSED);
    struct nki_op *again;
    assert_int_equal(nki_batch_commit_begin(batch, &begin, &again, NULL), NKI_CLOSED);
    nki_batch_release(batch); /* the commit goes on */
    struct peer_pub pub;
    peer_expect(peer, "$JS.API.INFO", &pub);
    nki_engine_close(&peer->rig->engine, NULL, peer->rig->now_ns);
    rig_settle(peer->rig);
    int32_t outcome;
    assert_int_equal(nki_op_result(op, &outcome, NULL), NKI_CLOSED);
    assert_int_equal(outcome, NKI_OUTCOME_NOT_SENT);
    nki_op_release(op);
    nki_options_free(options);
    batch = batch_of(peer, 0);
    assert_int_equal(nki_batch_commit_begin(batch, &begin, &op, NULL), NKI_INVALID);
    nki_batch_release(batch);
    peer_free(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one),       cmocka_unit_test(test_steps),
        cmocka_unit_test(test_lost),      cmocka_unit_test(test_late),
        cmocka_unit_test(test_forgotten), cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_refused),   cmocka_unit_test(test_strange_answers),
        cmocka_unit_test(test_headers),   cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
