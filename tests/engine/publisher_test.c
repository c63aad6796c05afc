/* The publisher's window on the rig, where the test is the stream: answers, retries, time-outs, lost
 * transports, the end. What is published takes the way of nki_publisher_publish without its waiting. */
#include "ask.h"

#include "base/alloc.h"
#include "jetstream/publisher_inside.h"

#include <stdio.h>

#define INBOX "_INBOX.AAAAAAAAAAAAAAAAAAAAAA"
#define NOBODY "NATS/1.0 503\r\n\r\n"

struct bench {
    struct rig *rig;
    struct nki_publisher *publisher;
    struct nki_sub *sub;
};

static struct bench begin(const char *const *settings, bool connected)
{
    struct bench bench = {.rig = rig_new(ONE_SERVER, NULL, -1)};
    if (connected) {
        rig_hello(bench.rig);
    }
    struct nki_options *options = nki_options_new(NKI_SCOPE_PUBLISHER);
    for (; settings != NULL && settings[0] != NULL; settings += 2) {
        assert_int_equal(nki_options_set(options, nki_str_z(settings[0]), nki_str_z(settings[1]), NULL),
                         NKI_OK);
    }
    struct nki_publisher *publisher = nki_publisher_new(options, NKI_STR(INBOX), &nki_publisher_feed_ops);
    nki_options_free(options);
    assert_non_null(publisher);
    struct nki_sub_params params = {
        .subject = NKI_STR(INBOX ".*"), .queue = NKI_STR(""), .limits = {UINT32_MAX, UINT64_MAX / 2}};
    struct nki_collect collect = {
        .deadline_ns = NKI_NEVER, .feed = &publisher->feed, .request = true, .keep = true};
    struct nki_sub *sub = nki_sub_new(&params);
    assert_true(nki_sub_collect(sub, &collect));
    nki_feed_attach(&publisher->feed, &bench.rig->engine, sub);
    publisher->feed.up = connected;
    publisher->sub = sub;
    nki_sub_retain(sub);
    assert_int_equal(nki_engine_subscribe(&bench.rig->engine, sub), NKI_OK);
    rig_settle(bench.rig);
    bench.publisher = publisher;
    bench.sub = sub;
    return bench;
}

static void end(struct bench *bench)
{
    if (bench->sub->live) {
        nki_engine_close_sub(&bench->rig->engine, bench->sub, bench->rig->now_ns);
    }
    rig_settle(bench->rig);
    nki_sub_release(bench->sub);
    nki_publisher_release(bench->publisher);
    rig_free(bench->rig);
}

static int32_t try_publish(struct bench *bench, const char *subject, const char *headers, const char *data,
                           uint64_t *id)
{
    struct nki_publisher *publisher = bench->publisher;
    struct nki_outgoing_msg msg = {
        .subject = nki_str_z(subject), .header_block = nki_str_z(headers), .data = nki_str_z(data)};
    size_t done;
    bool kick = false;
    bool full;
    pthread_mutex_lock(&publisher->window.mu);
    int32_t status = nki_publisher_put(publisher, &msg, 1, bench->rig->now_ns, id, &done, &kick, &full);
    pthread_mutex_unlock(&publisher->window.mu);
    assert_int_equal(done, status == NKI_OK);
    bench->rig->right = bench->rig->right || kick;
    if (!atomic_load(&publisher->armed) && bench->sub->live) {
        nki_publisher_arm(publisher);
    }
    rig_settle(bench->rig);
    return status;
}

static uint64_t publish(struct bench *bench, const char *data)
{
    uint64_t id;
    assert_int_equal(try_publish(bench, "s", "", data, &id), NKI_OK);
    return id;
}

static uint64_t publish_with_id(struct bench *bench, const char *data)
{
    uint64_t id;
    assert_int_equal(try_publish(bench, "s", "NATS/1.0\r\nNats-Msg-Id: x\r\n\r\n", data, &id), NKI_OK);
    return id;
}

/* The answer to a message: of a stream, or any text. */
static void answer(struct bench *bench, const char *token, const char *data)
{
    char text[512];
    snprintf(text, sizeof text, "MSG " INBOX ".%s %llu %zu\r\n%s\r\n", token,
             (unsigned long long)bench->sub->sid, strlen(data), data);
    rig_say(bench->rig, text);
}

static void ack(struct bench *bench, const char *token, uint64_t seq)
{
    char data[64];
    snprintf(data, sizeof data, "{\"stream\":\"S\", \"seq\":%llu}", (unsigned long long)seq);
    answer(bench, token, data);
}

static void answer_nobody(struct bench *bench, const char *token)
{
    char subject[64];
    snprintf(subject, sizeof subject, INBOX ".%s", token);
    say_hmsg(bench->rig, subject, bench->sub->sid, NOBODY, "");
}

static void expect(struct bench *bench, uint64_t id, int32_t status, int32_t outcome)
{
    struct nki_msg *msg;
    struct nki_pub_ack got;
    size_t count;
    pthread_mutex_lock(&bench->sub->inlet.wait.mu);
    int32_t taken = nki_inlet_take_locked(&bench->sub->inlet, &msg, 1, &count);
    pthread_mutex_unlock(&bench->sub->inlet.wait.mu);
    assert_int_equal(taken, NKI_OK);
    nki_pub_ack_of(msg, &got);
    assert_int_equal(got.id, id);
    assert_int_equal(got.status, status);
    assert_int_equal(got.outcome, outcome);
    nki_msg_release(msg);
}

static void expect_none(struct bench *bench)
{
    struct nki_inlet_stats stats;
    nki_inlet_stats_get(&bench->sub->inlet, &stats);
    assert_int_equal(stats.pending_msgs, 0);
}

#define SETTINGS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* -- answers --------------------------------------------------------------------------------------------- */

static void test_acks(void **state)
{
    (void)state;
    struct bench bench = begin(NULL, true);
    assert_int_equal(publish(&bench, "a"), 1);
    assert_int_equal(publish(&bench, "b"), 2);
    assert_true(rig_wrote(bench.rig, "PUB s " INBOX ".1 1\r\na\r\nPUB s " INBOX ".2 1\r\nb\r\n"));
    ack(&bench, "2", 2); /* in any order */
    expect(&bench, 2, NKI_OK, NKI_OUTCOME_DONE);
    assert_int_equal(atomic_load(&bench.publisher->oldest), 1);
    ack(&bench, "1", 1);
    expect(&bench, 1, NKI_OK, NKI_OUTCOME_DONE);
    assert_int_equal(atomic_load(&bench.publisher->oldest), 3);
    assert_int_equal(publish(&bench, "c"), 3);
    answer(&bench, "3",
           "{\"error\":{\"code\":400,\"err_code\":10071,\"description\":\"wrong last sequence: 2\"},"
           "\"stream\":\"S\",\"seq\":0}");
    expect(&bench, 3, NKI_WRONG_LAST, NKI_OUTCOME_REJECTED);
    assert_int_equal(publish(&bench, "d"), 4);
    answer(&bench, "4", "+OK");
    expect(&bench, 4, NKI_INVALID_ACK, NKI_OUTCOME_UNKNOWN);
    assert_int_equal(bench.publisher->acked, 2);
    assert_int_equal(bench.publisher->failed, 2);
    end(&bench);
}

/* Of messages that there are none of, or not any more. */
static void test_late_and_forged(void **state)
{
    (void)state;
    struct bench bench = begin(NULL, true);
    static const char *const tokens[] = {"0",           "2", "01", "-", "1.1", "zzzzzzzzzzz", "zzzzzzzzzzzz",
                                         "LygHa16AHYF", "3"};
    assert_int_equal(publish(&bench, "a"), 1);
    for (size_t i = 0; i < NKI_ARRAY_LEN(tokens); i++) {
        ack(&bench, tokens[i], 1);
        answer_nobody(&bench, tokens[i]);
    }
    expect_none(&bench);
    assert_int_equal(bench.publisher->late, 2 * NKI_ARRAY_LEN(tokens));
    ack(&bench, "1", 1);
    ack(&bench, "1", 1);
    expect(&bench, 1, NKI_OK, NKI_OUTCOME_DONE);
    expect_none(&bench);
    end(&bench);
}

static void test_failures_only(void **state)
{
    (void)state;
    struct bench bench = begin(SETTINGS("acks", "failures", "retries", "0"), true);
    assert_int_equal(publish(&bench, "a"), 1);
    assert_int_equal(publish(&bench, "b"), 2);
    ack(&bench, "1", 1);
    expect_none(&bench);
    answer_nobody(&bench, "2");
    expect(&bench, 2, NKI_NO_STREAM, NKI_OUTCOME_REJECTED);
    assert_int_equal(bench.publisher->acked, 1);
    end(&bench);
}

/* -- retries and time-outs ------------------------------------------------------------------------------- */

static void test_retries(void **state)
{
    (void)state;
    struct bench bench = begin(SETTINGS("retries", "2", "retry_wait_ms", "250"), true);
    publish(&bench, "a");
    answer_nobody(&bench, "1");
    expect_none(&bench);
    rig_pass(bench.rig, 249);
    assert_int_equal(count_written(bench.rig, "PUB s " INBOX ".1 1\r\na\r\n"), 1);
    rig_pass(bench.rig, 1);
    assert_int_equal(count_written(bench.rig, "PUB s " INBOX ".1 1\r\na\r\n"), 2);
    answer_nobody(&bench, "1");
    answer_nobody(&bench, "1"); /* that is one too many */
    rig_pass(bench.rig, 250);
    assert_int_equal(count_written(bench.rig, "PUB s " INBOX ".1 1\r\na\r\n"), 3);
    ack(&bench, "1", 1);
    expect(&bench, 1, NKI_OK, NKI_OUTCOME_DONE);
    publish(&bench, "b");
    for (int i = 0; i < 3; i++) {
        answer_nobody(&bench, "2");
        rig_pass(bench.rig, 250);
    }
    expect(&bench, 2, NKI_NO_STREAM, NKI_OUTCOME_REJECTED);
    assert_int_equal(bench.publisher->retried, 4);
    end(&bench);
}

static void test_time_out(void **state)
{
    (void)state;
    struct bench bench =
        begin(SETTINGS("ack_wait_ms", "1000", "retries", "-1", "retry_wait_ms", "400"), true);
    publish(&bench, "a");
    rig_pass(bench.rig, 500);
    publish(&bench, "b");
    rig_pass(bench.rig, 499);
    expect_none(&bench);
    rig_pass(bench.rig, 1);
    expect(&bench, 1, NKI_TIMEOUT, NKI_OUTCOME_UNKNOWN);
    ack(&bench, "1", 1); /* too late */
    expect_none(&bench);
    assert_int_equal(bench.publisher->late, 1);
    rig_pass(bench.rig, 500);
    expect(&bench, 2, NKI_TIMEOUT, NKI_OUTCOME_UNKNOWN);
    /* Nobody has got any of it: that is known at its end. */
    publish(&bench, "c");
    for (int i = 0; i < 3; i++) {
        answer_nobody(&bench, "3");
        rig_pass(bench.rig, i < 2 ? 400 : 200);
    }
    expect(&bench, 3, NKI_TIMEOUT, NKI_OUTCOME_REJECTED);
    /* Nothing is pending: no timer wakes anybody. */
    rig_pass(bench.rig, 1000);
    assert_false(atomic_load(&bench.publisher->armed));
    end(&bench);
}

/* -- lost transports ------------------------------------------------------------------------------------- */

static void test_reconnect(void **state)
{
    (void)state;
    struct bench bench = begin(NULL, true);
    publish(&bench, "plain");
    publish_with_id(&bench, "known");
    publish_with_id(&bench, "known too");
    ack(&bench, "3", 1);
    expect(&bench, 3, NKI_OK, NKI_OUTCOME_DONE);
    bench.rig->deaf = true; /* from here on nothing is written */
    publish(&bench, "unwritten");
    publish_with_id(&bench, "unwritten, known");
    bench.rig->deaf = false;
    bench.rig->silent = true;
    rig_eof(bench.rig);
    expect(&bench, 1, NKI_DISCONNECTED, NKI_OUTCOME_UNKNOWN);
    expect_none(&bench);
    publish(&bench, "offline");
    bench.rig->silent = false;
    rig_pass(bench.rig, 6000 - 1500); /* the dial that nobody answers is given up */
    rig_pass(bench.rig, 1000);
    rig_hello(bench.rig);
    assert_int_equal(count_written(bench.rig, "plain"), 0);
    end(&bench);
}

static void test_sent_again(void **state)
{
    (void)state;
    struct bench bench = begin(SETTINGS("ack_wait_ms", "60000"), true);
    publish(&bench, "plain");
    publish_with_id(&bench, "known");
    bench.rig->deaf = true;
    publish(&bench, "unwritten");
    rig_eof(bench.rig); /* the next dial is answered at once */
    bench.rig->deaf = false;
    rig_hello(bench.rig);
    expect(&bench, 1, NKI_DISCONNECTED, NKI_OUTCOME_UNKNOWN);
    expect_none(&bench);
    assert_int_equal(count_written(bench.rig, "plain"), 0);
    assert_int_equal(count_written(bench.rig, "known"), 1);
    assert_int_equal(count_written(bench.rig, "unwritten"), 1);
    ack(&bench, "2", 2);
    expect(&bench, 2, NKI_OK, NKI_OUTCOME_DONE);
    ack(&bench, "3", 1);
    expect(&bench, 3, NKI_OK, NKI_OUTCOME_DONE);
    assert_int_equal(bench.publisher->resent, 1);
    end(&bench);
}

static const char *written_at(const struct rig *rig, const char *text)
{
    return rig->written.len > 0 ? memmem(rig->written.at, rig->written.len, text, strlen(text)) : NULL;
}

/* What was written and may be lost comes before what was not written, so that the stream gets them in their
 * order; if that transport is lost as well, they come again. */
static void test_order_is_kept(void **state)
{
    (void)state;
    static const char *const names[] = {"first", "second", "third", "fourth", "fifth"};
    struct bench bench = begin(SETTINGS("ack_wait_ms", "60000"), true);
    publish_with_id(&bench, names[0]);
    publish_with_id(&bench, names[1]);
    publish_with_id(&bench, names[2]);
    ack(&bench, "2", 1);
    expect(&bench, 2, NKI_OK, NKI_OUTCOME_DONE);
    bench.rig->deaf = true;
    publish_with_id(&bench, names[3]);
    publish_with_id(&bench, names[4]);
    for (int round = 0; round < 3; round++) {
        rig_eof(bench.rig);
        rig_pass(bench.rig, round > 0 ? 1000 : 0);
        bench.rig->deaf = round == 1; /* of this transport nothing is accepted */
        rig_hello(bench.rig);
        if (round == 1) {
            continue;
        }
        const char *at[5];
        for (size_t i = 0; i < NKI_ARRAY_LEN(names); i++) {
            at[i] = written_at(bench.rig, names[i]);
            assert_int_equal(at[i] != NULL, i != 1);
        }
        assert_true(at[0] < at[2] && at[2] < at[3] && at[3] < at[4]);
        assert_int_equal(bench.publisher->resent, round == 0 ? 2 : 10);
    }
    const char *const ids[] = {"1", "3", "4", "5"};
    for (size_t i = 0; i < NKI_ARRAY_LEN(ids); i++) {
        ack(&bench, ids[i], 2 + i);
        expect(&bench, (uint64_t)(ids[i][0] - '0'), NKI_OK, NKI_OUTCOME_DONE);
    }
    end(&bench);
}

/* The next server takes less than the one before: what is too large for it ends, and the others go on. */
static void test_outgrown(void **state)
{
    (void)state;
    struct bench bench = begin(SETTINGS("ack_wait_ms", "60000"), true);
    publish_with_id(&bench, "much too large for the next one");
    publish_with_id(&bench, "small");
    rig_eof(bench.rig);
    rig_settle(bench.rig);
    rig_say(bench.rig, "INFO {\"server_id\":\"B\",\"version\":\"2.10.0\",\"proto\":1,\"headers\":true,"
                       "\"max_payload\":40}\r\n" RIG_PONG);
    expect(&bench, 1, NKI_TOO_LARGE, NKI_OUTCOME_UNKNOWN);
    assert_int_equal(count_written(bench.rig, "much too large"), 0);
    assert_int_equal(count_written(bench.rig, "small"), 1);
    ack(&bench, "2", 2);
    expect(&bench, 2, NKI_OK, NKI_OUTCOME_DONE);
    end(&bench);
}

/* The same for what waited in the outbox: nobody has got it. */
static void test_outgrown_in_the_outbox(void **state)
{
    (void)state;
    struct bench bench = begin(SETTINGS("ack_wait_ms", "60000"), true);
    publish(&bench, "small, and written");
    rig_eof(bench.rig);
    expect(&bench, 1, NKI_DISCONNECTED, NKI_OUTCOME_UNKNOWN);
    publish(&bench, "small");
    publish_with_id(&bench, "much too large for the next one");
    publish(&bench, "small as well");
    rig_settle(bench.rig);
    rig_say(bench.rig, "INFO {\"server_id\":\"B\",\"version\":\"2.10.0\",\"proto\":1,\"headers\":true,"
                       "\"max_payload\":40}\r\n" RIG_PONG);
    expect(&bench, 3, NKI_TOO_LARGE, NKI_OUTCOME_NOT_SENT);
    assert_int_equal(count_written(bench.rig, "much too large"), 0);
    assert_int_equal(count_written(bench.rig, "PUB "), 2);
    assert_int_equal(rig_event_count(bench.rig, NKI_EVENT_ASYNC_ERROR), 0); /* who published it is told */
    ack(&bench, "2", 2);
    expect(&bench, 2, NKI_OK, NKI_OUTCOME_DONE);
    /* The numbers of the others are right: both were written, and one of them has its ack. */
    rig_eof(bench.rig);
    expect(&bench, 4, NKI_DISCONNECTED, NKI_OUTCOME_UNKNOWN);
    end(&bench);
}

/* A pause after 503 that ends without a transport; then one whose first frame is in doubt. */
static void test_pause_and_reconnect(void **state)
{
    (void)state;
    struct bench bench =
        begin(SETTINGS("ack_wait_ms", "60000", "retries", "1", "retry_wait_ms", "100"), true);
    publish(&bench, "a");
    answer_nobody(&bench, "1");
    rig_eof(bench.rig);
    rig_pass(bench.rig, 200);
    expect_none(&bench);
    rig_hello(bench.rig);
    assert_int_equal(count_written(bench.rig, "PUB s " INBOX ".1 1\r\na\r\n"), 1);
    ack(&bench, "1", 1);
    expect(&bench, 1, NKI_OK, NKI_OUTCOME_DONE);
    publish_with_id(&bench, "b");
    rig_eof(bench.rig);
    rig_pass(bench.rig, 1000);
    rig_hello(bench.rig);
    answer_nobody(&bench, "2");
    rig_pass(bench.rig, 100);
    answer_nobody(&bench, "2");
    expect(&bench, 2, NKI_NO_STREAM, NKI_OUTCOME_UNKNOWN);
    /* A refusal of what was sent again says nothing of the first frame. */
    publish_with_id(&bench, "c");
    rig_eof(bench.rig);
    rig_pass(bench.rig, 1000);
    rig_hello(bench.rig);
    answer(&bench, "3", "{\"error\":{\"code\":400,\"err_code\":10002,\"description\":\"account\"}}");
    expect(&bench, 3, NKI_JS_LIMIT, NKI_OUTCOME_UNKNOWN);
    end(&bench);
}

#define IN_PROCESS                                                                                           \
    "{\"error\":{\"code\":409,\"err_code\":10158,\"description\":\"duplicate message id is in process\"}}"

/* What was sent again meets itself: the stream does not know yet what becomes of the first frame. */
static void test_in_process(void **state)
{
    (void)state;
    struct bench bench = begin(
        SETTINGS("ack_wait_ms", "2000", "retries", "0", "retry_wait_ms", "100", "max_pending", "8"), true);
    publish_with_id(&bench, "a");
    rig_eof(bench.rig);
    rig_pass(bench.rig, 500);
    rig_hello(bench.rig);
    for (int i = 0; i < 3; i++) { /* more often than 503 would be asked again after */
        answer(&bench, "1", IN_PROCESS);
        answer(&bench, "1", IN_PROCESS); /* to a frame before, perhaps */
        expect_none(&bench);
        rig_pass(bench.rig, 100);
    }
    assert_int_equal(bench.publisher->retried, 3);
    answer(&bench, "1", "{\"stream\":\"S\",\"seq\":7,\"duplicate\":true}");
    expect(&bench, 1, NKI_OK, NKI_OUTCOME_DONE);
    /* The ack of the first frame comes during the pause. */
    publish_with_id(&bench, "b");
    answer(&bench, "2", IN_PROCESS);
    ack(&bench, "2", 8);
    expect(&bench, 2, NKI_OK, NKI_OUTCOME_DONE);
    /* Neither the end of its time nor that nobody takes it any more says that it is not stored. */
    publish_with_id(&bench, "c");
    publish_with_id(&bench, "d");
    answer(&bench, "3", IN_PROCESS);
    answer(&bench, "4", IN_PROCESS);
    rig_pass(bench.rig, 100);
    answer_nobody(&bench, "3");
    expect(&bench, 3, NKI_NO_STREAM, NKI_OUTCOME_UNKNOWN);
    answer(&bench, "4", IN_PROCESS);
    for (int i = 0; i < 19; i++) {
        rig_pass(bench.rig, 100);
        answer(&bench, "4", IN_PROCESS);
    }
    expect(&bench, 4, NKI_TIMEOUT, NKI_OUTCOME_UNKNOWN);
    /* Without an id it is an error as any other. */
    publish(&bench, "e");
    answer(&bench, "5", IN_PROCESS);
    expect(&bench, 5, NKI_JS_REFUSED, NKI_OUTCOME_REJECTED);
    end(&bench);
}

/* -- the window ------------------------------------------------------------------------------------------ */

static void test_full(void **state)
{
    (void)state;
    struct bench bench = begin(SETTINGS("max_pending", "3", "max_pending_bytes", "1024"), true);
    uint64_t id;
    for (int i = 0; i < 3; i++) {
        publish(&bench, "a");
    }
    assert_int_equal(try_publish(&bench, "s", "", "a", &id), NKI_WOULD_BLOCK);
    ack(&bench, "2", 1);
    assert_int_equal(publish(&bench, "a"), 4);
    assert_int_equal(try_publish(&bench, "s", "", "a", &id), NKI_WOULD_BLOCK);
    ack(&bench, "1", 2);
    ack(&bench, "3", 3);
    ack(&bench, "4", 4);
    /* Bytes: one message may always wait, whatever its size. */
    char large[2000];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    assert_int_equal(publish(&bench, large), 5);
    assert_int_equal(try_publish(&bench, "s", "", "", &id), NKI_WOULD_BLOCK);
    ack(&bench, "5", 5);
    large[1000] = '\0';
    assert_int_equal(publish(&bench, large), 6);
    assert_int_equal(try_publish(&bench, "s", "", large, &id), NKI_WOULD_BLOCK);
    assert_int_equal(publish(&bench, "0123456789"), 7);
    end(&bench);
}

/* Outcomes that nobody takes fill the window, too. */
static void test_untaken(void **state)
{
    (void)state;
    struct bench bench = begin(SETTINGS("max_untaken", "2"), true);
    uint64_t id;
    publish(&bench, "a");
    publish(&bench, "b");
    ack(&bench, "1", 1);
    ack(&bench, "2", 2);
    assert_int_equal(try_publish(&bench, "s", "", "c", &id), NKI_WOULD_BLOCK);
    expect(&bench, 1, NKI_OK, NKI_OUTCOME_DONE);
    assert_int_equal(publish(&bench, "c"), 3);
    assert_int_equal(try_publish(&bench, "s", "", "d", &id), NKI_WOULD_BLOCK);
    end(&bench);
}

/* Round and round in a small ring, with one that is never answered until its time is over. */
static void test_ring(void **state)
{
    (void)state;
    struct bench bench = begin(SETTINGS("max_pending", "4", "ack_wait_ms", "1000"), true);
    uint64_t id;
    int accepted = 0;
    publish(&bench, "stuck");
    while (try_publish(&bench, "s", "", "a", &id) == NKI_OK) {
        char token[NKI_NUID_LEN + 1] = "";
        *nki_base62_emit(token, id) = '\0';
        ack(&bench, token, id);
        expect(&bench, id, NKI_OK, NKI_OUTCOME_DONE);
        accepted++;
    }
    assert_int_equal(accepted, 7); /* a ring of eight */
    rig_pass(bench.rig, 1000);
    expect(&bench, 1, NKI_TIMEOUT, NKI_OUTCOME_UNKNOWN);
    for (int i = 0; i < 1000; i++) {
        char token[NKI_NUID_LEN + 1] = "";
        id = publish(&bench, "b");
        *nki_base62_emit(token, id) = '\0';
        ack(&bench, token, id);
        expect(&bench, id, NKI_OK, NKI_OUTCOME_DONE);
    }
    end(&bench);
}

/* -- the end --------------------------------------------------------------------------------------------- */

static void test_close(void **state)
{
    (void)state;
    struct bench bench = begin(SETTINGS("retry_wait_ms", "1000"), true);
    uint64_t id;
    publish(&bench, "written");
    publish(&bench, "refused");
    answer_nobody(&bench, "2");
    bench.rig->deaf = true;
    publish(&bench, "unwritten");
    nki_engine_close(&bench.rig->engine, NULL, bench.rig->now_ns);
    rig_settle(bench.rig);
    expect(&bench, 1, NKI_CLOSED, NKI_OUTCOME_UNKNOWN);
    expect(&bench, 2, NKI_CLOSED, NKI_OUTCOME_REJECTED);
    expect(&bench, 3, NKI_CLOSED, NKI_OUTCOME_NOT_SENT);
    expect_none(&bench);
    assert_int_equal(rig_end_reason(bench.sub), NKI_CLOSED);
    assert_int_equal(try_publish(&bench, "s", "", "a", &id), NKI_CLOSED);
    end(&bench);
}

static void test_unsubscribe(void **state)
{
    (void)state;
    struct bench bench = begin(NULL, true);
    uint64_t id;
    publish(&bench, "a");
    assert_int_equal(nki_engine_unsubscribe(&bench.rig->engine, bench.sub, 0), NKI_OK);
    rig_settle(bench.rig);
    expect(&bench, 1, NKI_CLOSED, NKI_OUTCOME_UNKNOWN);
    assert_int_equal(try_publish(&bench, "s", "", "a", &id), NKI_CLOSED);
    end(&bench);
}

static void test_drain(void **state)
{
    (void)state;
    struct bench bench = begin(NULL, true);
    uint64_t id;
    publish(&bench, "a");
    struct nki_op *op = nki_op_new();
    assert_int_equal(nki_engine_drain(&bench.rig->engine, op, NKI_NEVER, bench.rig->now_ns), NKI_OK);
    rig_settle(bench.rig);
    assert_int_equal(unsubs(bench.rig, bench.sub->sid), 0);
    rig_say(bench.rig, RIG_PONG);
    assert_int_equal(try_publish(&bench, "s", "", "b", &id), NKI_DRAINING);
    assert_int_equal(nki_op_result(op, NULL, NULL), NKI_PENDING);
    ack(&bench, "1", 1);
    assert_int_equal(unsubs(bench.rig, bench.sub->sid), 1);
    assert_int_equal(nki_op_result(op, NULL, NULL), NKI_PENDING); /* until it was taken */
    expect(&bench, 1, NKI_OK, NKI_OUTCOME_DONE);
    nki_engine_taken(&bench.rig->engine, bench.sub, true, bench.rig->now_ns);
    rig_settle(bench.rig);
    rig_say(bench.rig, RIG_PONG);
    assert_int_equal(rig_op_status(op), NKI_OK);
    end(&bench);
}

static void test_denied(void **state)
{
    (void)state;
    struct bench bench = begin(NULL, true);
    uint64_t id;
    assert_int_equal(try_publish(&bench, "no.way", "", "a", &id), NKI_OK);
    publish(&bench, "b");
    rig_say(bench.rig, "-ERR 'Permissions Violation for Publish to \"no.way\"'\r\n");
    expect(&bench, 1, NKI_PERMISSION, NKI_OUTCOME_REJECTED);
    expect_none(&bench);
    rig_say(bench.rig, "-ERR 'Permissions Violation for Subscription to \"" INBOX ".*\"'\r\n");
    expect(&bench, 2, NKI_PERMISSION, NKI_OUTCOME_UNKNOWN);
    assert_int_equal(try_publish(&bench, "s", "", "c", &id), NKI_PERMISSION);
    end(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_acks),
        cmocka_unit_test(test_late_and_forged),
        cmocka_unit_test(test_failures_only),
        cmocka_unit_test(test_retries),
        cmocka_unit_test(test_time_out),
        cmocka_unit_test(test_reconnect),
        cmocka_unit_test(test_outgrown),
        cmocka_unit_test(test_outgrown_in_the_outbox),
        cmocka_unit_test(test_sent_again),
        cmocka_unit_test(test_order_is_kept),
        cmocka_unit_test(test_pause_and_reconnect),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_untaken),
        cmocka_unit_test(test_ring),
        cmocka_unit_test(test_close),
        cmocka_unit_test(test_unsubscribe),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_denied),
        cmocka_unit_test(test_in_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
