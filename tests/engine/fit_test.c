/* A server that takes less than the one before: what waited and is too large for it, or has headers that it
 * does not take, is not sent, since it would cut the connection for each; and somebody is told. What the
 * client writes is read by the oracle with the limits of the present server. */
#include "ask.h"

#include "client/feed.h"

#include "base/alloc.h"

#include <stdio.h>

#define SMALL 40
#define LARGE "a text of more than the forty bytes of small"
#define BLOCK "NATS/1.0\r\nA: b\r\n\r\n"

static void say_info(struct rig *rig, uint64_t max_payload, bool headers)
{
    char info[160];
    snprintf(info, sizeof info,
             "INFO {\"server_id\":\"B\",\"version\":\"2.10.0\",\"proto\":1,\"headers\":%s,"
             "\"max_payload\":%llu}\r\n",
             headers ? "true" : "false", (unsigned long long)max_payload);
    rig_say(rig, info);
}

/* The next server. */
static void hello(struct rig *rig, uint64_t max_payload, bool headers)
{
    rig_settle(rig);
    ts_oracle_set_max_payload(rig->oracle, max_payload);
    say_info(rig, max_payload, headers);
    rig_say(rig, RIG_PONG);
    assert_true(rig_connected(rig));
}

/* Connected to one that takes more, and lost it. */
static struct rig *begin(void)
{
    struct rig *rig = rig_new(ONE_SERVER, NULL, 5000);
    rig_hello(rig);
    rig_eof(rig);
    return rig;
}

static void put_headers(struct rig *rig, const char *subject)
{
    struct nki_outgoing_msg msg = {
        .subject = nki_str_z(subject), .header_block = NKI_STR(BLOCK), .data = NKI_STR("d")};
    size_t done;
    bool kick;
    assert_int_equal(nki_outbox_append(&rig->engine.outbox, &msg, 1, 0, &done, &kick), NKI_OK);
    rig->right = rig->right || kick;
    rig_settle(rig);
}

static void expect_too_large(struct nki_op *op)
{
    struct nki_error error;
    int32_t told;
    assert_int_equal(nki_op_result(op, &told, &error), NKI_TOO_LARGE);
    assert_int_equal(told, NKI_OUTCOME_NOT_SENT);
    assert_non_null(strstr(error.text, "44 bytes to \"ask\", since"));
    assert_non_null(strstr(error.text, "takes 40"));
    nki_op_release(op);
}

static void test_publishes(void **state)
{
    (void)state;
    struct rig *rig = begin();
    rig_publish(rig, "first", "fits");
    rig_publish(rig, "one", LARGE);
    rig_publish(rig, "two", LARGE "!");
    rig_publish(rig, "last", "fits, too");
    hello(rig, SMALL, true);
    assert_true(rig_wrote(rig, "PUB first 4\r\nfits\r\nPUB last 9\r\nfits, too\r\n"));
    assert_int_equal(count_written(rig, "PUB "), 2);
    assert_int_equal(rig_event_count(rig, NKI_EVENT_ASYNC_ERROR), 1);
    const struct rig_event *event = rig_event(rig, NKI_EVENT_ASYNC_ERROR);
    assert_int_equal(event->status, NKI_TOO_LARGE);
    assert_int_equal(event->count, 2);
    assert_string_equal(event->subject, "one");
    assert_non_null(strstr(event->text, "44 bytes to \"one\", since"));
    assert_int_equal(rig->engine.counts.unsent, 2);
    /* What was taken out is neither waited for nor counted as written. */
    assert_int_equal(nki_outbox_unconfirmed(&rig->engine.outbox), 2);
    struct nki_op *flush = rig_flush(rig, 1000);
    rig_say(rig, RIG_PONG);
    assert_int_equal(rig_op_status(flush), NKI_OK);
    assert_int_equal(nki_outbox_unconfirmed(&rig->engine.outbox), 0);
    rig_eof(rig);
    assert_int_equal(rig->engine.counts.unconfirmed, 0);
    rig_pass(rig, 5000);
    hello(rig, SMALL, true);
    assert_int_equal(count_written(rig, "PUB "), 0);
    rig_free(rig);
}

static void test_requests(void **state)
{
    (void)state;
    char reply[ASK_REPLY_MAX];
    char other[ASK_REPLY_MAX];
    uint64_t sid;
    uint64_t fits_sid;
    struct rig *rig = begin();
    struct ask ask = {.wait_ns = RIG_MS(60000), .data = LARGE};
    struct ask small = {.wait_ns = RIG_MS(60000), .reply = "fits"};
    struct nki_op *of_mux = ask_mux(rig, ask, reply);
    struct nki_op *fits = ask_mux(rig, small, other);
    ask.keep = true;
    struct nki_op *of_own = ask_own(rig, ask, &sid);
    struct nki_op *fits_own = ask_own(rig, small, &fits_sid);
    ask.reply = "many";
    struct nki_sub *many = ask_many(rig, ask);
    hello(rig, SMALL, true);
    expect_too_large(of_mux);
    expect_too_large(of_own);
    assert_int_equal(rig_end_reason(many), NKI_TOO_LARGE);
    assert_non_null(many->end_error);
    assert_int_equal(many->end_error->status, NKI_TOO_LARGE);
    close_sub(rig, many);
    /* They are not subscribed to, either, and no event tells of them. */
    assert_int_equal(count_written(rig, "SUB in.box "), 0);
    assert_int_equal(count_written(rig, "SUB many "), 0);
    assert_int_equal(rig_event_count(rig, NKI_EVENT_ASYNC_ERROR), 0);
    assert_int_equal(rig->engine.counts.unsent, 3);
    assert_int_equal(rig->engine.replies.late, 0);
    say_hmsg(rig, other, rig->engine.replies.sid, "NATS/1.0\r\n\r\n", "yes");
    say_msg(rig, fits_sid, "yes");
    assert_int_equal(rig_op_status(fits), NKI_OK);
    assert_int_equal(rig_op_status(fits_own), NKI_OK);
    expect_over(rig);
    rig_free(rig);
}

static void put_reply(struct rig *rig, const char *reply)
{
    struct nki_outgoing_msg msg = {
        .subject = NKI_STR("large"), .reply = nki_str_z(reply), .data = NKI_STR(LARGE)};
    size_t done;
    bool kick;
    assert_int_equal(nki_outbox_append(&rig->engine.outbox, &msg, 1, 0, &done, &kick), NKI_OK);
    rig->right = rig->right || kick;
    rig_settle(rig);
}

static int feed_asked;

static bool feed_unsent(struct nki_feed *feed, struct nki_str reply, const struct nki_error *error)
{
    (void)feed;
    assert_int_equal(error->status, NKI_TOO_LARGE);
    feed_asked++;
    return nki_str_eq(reply, NKI_STR("_INBOX.feed.1"));
}

/* Nobody looks for who waits for a reply that this connection has not made: the event counts them. */
static void test_foreign_replies(void **state)
{
    (void)state;
    static const struct nki_feed_ops ops = {.unsent = feed_unsent};
    struct nki_feed feed = {.ops = &ops};
    uint64_t sid;
    struct rig *rig = rig_new(ONE_SERVER, NULL, 5000);
    rig_hello(rig);
    struct nki_op *op = ask_own(rig, (struct ask){.wait_ns = RIG_MS(60000), .reply = "mine"}, &sid);
    rig->deaf = true;
    put_reply(rig, "min");
    put_reply(rig, "mine.1");
    put_reply(rig, "_INBOXES.feed.1");
    put_reply(rig, "_INBOX");
    put_reply(rig, "_INBOX.feed.1");
    put_reply(rig, "_INBOX.feed.2");
    nki_list_append(&rig->engine.subs.feeds, &feed.node);
    feed_asked = 0;
    ts_oracle_set_max_payload(rig->oracle, SMALL);
    say_info(rig, SMALL, true);
    nki_list_remove(&feed.node);
    assert_int_equal(feed_asked, 2);
    assert_int_equal(rig_event(rig, NKI_EVENT_ASYNC_ERROR)->count, 5);
    assert_int_equal(rig->engine.counts.unsent, 6);
    rig->deaf = false;
    nki_engine_writing(&rig->engine, false, rig->now_ns);
    rig_settle(rig);
    say_msg(rig, sid, "yes");
    assert_int_equal(rig_op_status(op), NKI_OK);
    rig_free(rig);
}

/* Each line ends one request of its reply, in the order in which they were made. */
static void test_many_own(void **state)
{
    (void)state;
    char replies[20][16];
    struct nki_sub *subs[20];
    struct rig *rig = begin();
    for (int i = 0; i < 20; i++) {
        struct ask ask = {.wait_ns = RIG_MS(60000), .keep = true, .reply = replies[i]};
        (void)snprintf(replies[i], sizeof replies[i], "many.%d", i % 8);
        ask.data = i < 8 || i >= 16 ? LARGE : "fits";
        subs[i] = ask_many(rig, ask);
    }
    hello(rig, SMALL, true);
    for (int i = 0; i < 20; i++) { /* the last four end those that were made before them */
        bool ended = i < 12;
        assert_int_equal(rig_end_reason(subs[i]), ended ? NKI_TOO_LARGE : 0);
        close_sub(rig, subs[i]);
    }
    assert_int_equal(rig_event_count(rig, NKI_EVENT_ASYNC_ERROR), 0);
    rig_free(rig);
}

/* Its request was given up before: nobody waits for the reply, so an event tells. */
static void test_nobody_waits_any_more(void **state)
{
    (void)state;
    char reply[ASK_REPLY_MAX];
    struct rig *rig = begin();
    struct nki_op *op = ask_mux(rig, (struct ask){.data = LARGE}, reply);
    rig_pass(rig, 2000);
    assert_int_equal(rig_op_status(op), NKI_TIMEOUT);
    hello(rig, SMALL, true);
    assert_int_equal(rig_event_count(rig, NKI_EVENT_ASYNC_ERROR), 1);
    assert_int_equal(rig_event(rig, NKI_EVENT_ASYNC_ERROR)->count, 1);
    assert_int_equal(rig->engine.replies.late, 0);
    rig_free(rig);
}

static void test_no_headers(void **state)
{
    (void)state;
    struct rig *rig = begin();
    put_headers(rig, "with");
    rig_publish(rig, "without", "d");
    hello(rig, NKI_MIB, false);
    assert_int_equal(count_written(rig, "HPUB "), 0);
    assert_int_equal(count_written(rig, "PUB without 1\r\nd\r\n"), 1);
    const struct rig_event *event = rig_event(rig, NKI_EVENT_ASYNC_ERROR);
    assert_non_null(event);
    assert_int_equal(event->status, NKI_NO_HEADERS);
    assert_string_equal(event->subject, "with");
    rig_free(rig);
}

/* Its limits change while it is connected: what was accepted before goes by the new ones, and so does who has
 * looked at the old ones and waited for room. */
static void test_changes_its_mind(void **state)
{
    (void)state;
    struct rig *rig = rig_new(ONE_SERVER, NULL, 5000);
    rig_hello(rig);
    rig->deaf = true;
    rig_publish(rig, "small", "fits");
    rig_publish(rig, "large", LARGE);
    rig_publish(rig, "more", "fits");
    say_info(rig, SMALL, true);
    ts_oracle_set_max_payload(rig->oracle, SMALL);
    rig->deaf = false;
    nki_engine_writing(&rig->engine, false, rig->now_ns);
    rig_publish(rig, "end", "");
    assert_true(rig_wrote(rig, "PUB small 4\r\nfits\r\nPUB more 4\r\nfits\r\nPUB end 0\r\n\r\n"));
    assert_int_equal(rig_event_count(rig, NKI_EVENT_ASYNC_ERROR), 1);
    assert_int_equal(rig->engine.counts.unsent, 1);
    struct nki_outgoing_msg msg = {.subject = NKI_STR("s"), .data = NKI_STR(LARGE)};
    size_t done;
    bool kick;
    assert_int_equal(nki_outbox_append(&rig->engine.outbox, &msg, 1, 0, &done, &kick), NKI_TOO_LARGE);
    assert_false(nki_outbox_append_soon(&rig->engine.outbox, &msg, &kick));
    say_info(rig, NKI_MIB, true);
    ts_oracle_set_max_payload(rig->oracle, NKI_MIB);
    rig_publish(rig, "s", LARGE);
    assert_int_equal(count_written(rig, LARGE), 1);
    rig_free(rig);
}

/* The first server takes less than the 1 MiB that is assumed before. */
static void test_before_the_first_server(void **state)
{
    (void)state;
    static const char *const settings[] = {"first_connect", "background", NULL};
    struct rig *rig = rig_new(ONE_SERVER, settings, -1);
    rig_publish(rig, "one", LARGE);
    rig_publish(rig, "two", "fits");
    hello(rig, SMALL, true);
    assert_int_equal(count_written(rig, "PUB "), 1);
    assert_int_equal(rig_event_count(rig, NKI_EVENT_ASYNC_ERROR), 1);
    rig_free(rig);
}

static _Atomic long allocations_left;

static bool refuse_one(size_t size)
{
    (void)size;
    return atomic_fetch_sub(&allocations_left, 1) != 1;
}

/* Without memory at any point of it nothing too large is sent: the attempt fails, and the next one goes on.
 */
static void test_without_memory(void **state)
{
    (void)state;
    long points = 0;
    int failed = 0;
    for (bool refused = true; refused; points++) {
        struct rig *rig = begin();
        struct nki_sub *many =
            ask_many(rig, (struct ask){.wait_ns = NKI_NEVER, .keep = true, .reply = "many"});
        rig_publish(rig, "one", LARGE);
        rig_settle(rig);
        ts_oracle_set_max_payload(rig->oracle, SMALL);
        say_info(rig, SMALL, true);
        atomic_store(&allocations_left, points + 1);
        nki_alloc_gate_set(refuse_one);
        rig_say(rig, RIG_PONG);
        nki_alloc_gate_set(NULL);
        refused = atomic_load(&allocations_left) <= 0;
        if (!rig_connected(rig)) {
            failed++;
            rig_pass(rig, 5000);
            hello(rig, SMALL, true);
        }
        close_sub(rig, many);
        assert_int_equal(count_written(rig, "PUB "), 1);
        assert_int_equal(rig->engine.counts.unsent, 1);
        rig_free(rig);
    }
    assert_true(failed >= 4); /* for the lines, for the numbers, and for the requests */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_publishes),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_foreign_replies),
        cmocka_unit_test(test_many_own),
        cmocka_unit_test(test_nobody_waits_any_more),
        cmocka_unit_test(test_no_headers),
        cmocka_unit_test(test_changes_its_mind),
        cmocka_unit_test(test_before_the_first_server),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
