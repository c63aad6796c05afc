/* Ordered consumers against a server that a test plays by hand, in virtual time: each thing that can be
 * amiss, and what is asked of the server then. */
#include "peer.h"

#include "delivery/notice.h"
#include "jetstream/ordered.h"

#include <stdio.h>
#include <stdlib.h>

#define HEARTBEAT_MS 1000
#define MISSING "{\"error\":{\"code\":404,\"err_code\":10059,\"description\":\"stream not found\"}}"
#define REFUSED                                                                                              \
    "{\"error\":{\"code\":400,\"err_code\":10026,\"description\":\"maximum consumers limit reached\"}}"
#define NOBODY "NATS/1.0 503\r\n\r\n"

/* A consumer as the client has asked for it. */
struct asked {
    char name[64];
    char deliver[320];
    char data[1600];
};

static void open_with(struct peer *peer, struct nki_ordered_params params, struct nki_sub **sub)
{
    params.stream = NKI_STR("S");
    params.start_time = NKI_STR("");
    params.heartbeat_ms = HEARTBEAT_MS;
    assert_int_equal(nki_ordered_open(peer->js, &params, sub, NULL), NKI_OK);
}

/* The request to make a consumer. Before a further one it is asked what the stream is: long, and never made
 * anew. */
static void next_create(struct peer *peer, struct peer_pub *pub)
{
    assert_true(peer_next(peer, pub));
    if (strcmp(pub->subject, "$JS.API.STREAM.INFO.S") == 0) {
        assert_true(peer_send(peer, pub->reply, pub->reply, "", "",
                              "{\"created\":\"1970-01-01T00:00:00Z\",\"state\":{\"last_seq\":1000000}}"));
        assert_true(peer_next(peer, pub));
    }
    assert_int_equal(strncmp(pub->subject, "$JS.API.CONSUMER.CREATE.S.", 26), 0);
}

static void expect_create(struct peer *peer, struct asked *out, const char *policy)
{
    struct peer_pub pub;
    next_create(peer, &pub);
    snprintf(out->name, sizeof out->name, "%.63s", pub.subject + strlen("$JS.API.CONSUMER.CREATE.S."));
    snprintf(out->deliver, sizeof out->deliver, "%s", pub.reply);
    snprintf(out->data, sizeof out->data, "%s", pub.data);
    if (strstr(pub.data, policy) == NULL) {
        fail_msg("%s is not in %s", policy, pub.data);
    }
    assert_int_not_equal(peer_sid(peer, pub.reply), 0); /* who waits for the answer listens */
}

static void expect_delete(struct peer *peer, const struct asked *asked)
{
    struct peer_pub pub;
    peer_expect(peer, "$JS.API.CONSUMER.DELETE.S.", &pub);
    assert_string_equal(pub.subject + strlen("$JS.API.CONSUMER.DELETE.S."), asked->name);
}

/* The one is given up, and the next one asked for. */
static void expect_next(struct peer *peer, struct asked *asked, const char *policy)
{
    struct asked before = *asked;
    expect_delete(peer, asked);
    expect_create(peer, asked, policy);
    assert_string_not_equal(before.name, asked->name);
    assert_string_not_equal(before.deliver, asked->deliver);
    assert_int_equal(peer_sid(peer, before.deliver), 0);
}

static void say_answer(struct peer *peer, const struct asked *asked, const char *text)
{
    assert_true(peer_send(peer, asked->deliver, asked->deliver, "", "", text));
}

/* It is made: begins behind `before`, with so many to come. */
static void say_made(struct peer *peer, const struct asked *asked, int before, int pending)
{
    char text[200];
    snprintf(text, sizeof text, "{\"delivered\":{\"consumer_seq\":0,\"stream_seq\":%d},\"num_pending\":%d}",
             before, pending);
    say_answer(peer, asked, text);
}

static void say_block(struct peer *peer, const struct asked *asked, const char *reply, const char *block)
{
    assert_true(peer_send(peer, asked->deliver, asked->deliver, reply, block, ""));
}

static void say_heartbeat(struct peer *peer, const struct asked *asked, int last)
{
    char block[200];
    snprintf(block, sizeof block, "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: %d\r\n\r\n", last);
    say_block(peer, asked, "", block);
}

/* The message `seq` of the stream, of a consumer of this name, to where `asked` delivers. */
static void say_of(struct peer *peer, const struct asked *asked, const char *name, int seq, int consumer_seq,
                   int pending)
{
    char reply[200];
    char data[20];
    snprintf(reply, sizeof reply, "$JS.ACK.S.%s.1.%d.%d.1.%d", name, seq, consumer_seq, pending);
    snprintf(data, sizeof data, "%d", seq);
    assert_true(peer_send(peer, asked->deliver, "a.b", reply, "", data));
}

static void say(struct peer *peer, const struct asked *asked, int seq, int consumer_seq, int pending)
{
    say_of(peer, asked, asked->name, seq, consumer_seq, pending);
}

static void expect_take(struct peer *peer, struct nki_sub *sub, const char *data)
{
    struct nki_msg *msg = steps_take(peer->rig, sub);
    assert_non_null(msg);
    assert_int_equal(msg->kind, NKI_MSG_MESSAGE);
    assert_true(nki_str_eq(nki_msg_data(msg), nki_str_z(data)));
    nki_msg_release(msg);
}

static void expect_mark(struct peer *peer, struct nki_sub *sub)
{
    struct nki_msg *msg = steps_take(peer->rig, sub);
    assert_non_null(msg);
    assert_int_equal(msg->kind, NKI_MSG_STATUS);
    assert_int_equal(nki_notice_of(msg).type, NKI_NOTICE_INITIAL_DONE);
    nki_msg_release(msg);
}

static void expect_empty(struct peer *peer, struct nki_sub *sub)
{
    assert_null(steps_take(peer->rig, sub));
}

static struct nki_ordered_info info_of(struct nki_sub *sub)
{
    struct nki_ordered_info info;
    assert_int_equal(nki_ordered_info_get(sub, &info), NKI_OK);
    return info;
}

static void close_sub(struct peer *peer, struct nki_sub *sub)
{
    nki_engine_close_sub(&peer->rig->engine, sub, peer->rig->now_ns);
    rig_settle(peer->rig);
    nki_sub_release(sub);
    peer_free(peer);
}

/* One that lives, and has got messages 1 and 2 of the stream. */
static struct peer *lively(struct nki_sub **sub, struct asked *asked)
{
    struct peer *peer = peer_new();
    open_with(peer, (struct nki_ordered_params){.deliver = NKI_DELIVER_ALL}, sub);
    expect_create(peer, asked, "\"deliver_policy\":\"all\"");
    say_made(peer, asked, 0, 2);
    say(peer, asked, 1, 1, 1);
    say(peer, asked, 2, 2, 0);
    expect_take(peer, *sub, "1");
    expect_take(peer, *sub, "2");
    peer_expect_none(peer);
    return peer;
}

/* -- its life -------------------------------------------------------------------------------------------- */

static void test_creation(void **state)
{
    (void)state;
    static const char *const wanted[] = {"\"stream_name\":\"S\"",
                                         "\"action\":\"create\"",
                                         "\"flow_control\":true",
                                         "\"idle_heartbeat\":1000000000",
                                         "\"ack_policy\":\"none\"",
                                         "\"mem_storage\":true",
                                         "\"num_replicas\":1",
                                         "\"headers_only\":true",
                                         "\"filter_subjects\":[\"a.*\",\"b.>\"]"};
    struct nki_sub *sub;
    struct asked asked;
    struct nki_str filters[] = {NKI_STR("a.*"), NKI_STR("b.>")};
    struct peer *peer = peer_new();
    open_with(peer, (struct nki_ordered_params){.filters = filters, .filter_count = 2, .headers_only = true},
              &sub);
    expect_create(peer, &asked, "\"deliver_policy\":\"all\"");
    for (size_t i = 0; i < NKI_ARRAY_LEN(wanted); i++) {
        assert_non_null(strstr(asked.data, wanted[i]));
    }
    assert_false(info_of(sub).live);
    say_made(peer, &asked, 0, 1);
    assert_true(info_of(sub).live);
    assert_false(info_of(sub).initial_done);
    say(peer, &asked, 7, 1, 0);
    assert_true(info_of(sub).initial_done);
    assert_int_equal(info_of(sub).last_seq, 7);
    expect_take(peer, sub, "7");
    expect_empty(peer, sub); /* no mark was asked for */
    nki_engine_close_sub(&peer->rig->engine, sub, peer->rig->now_ns);
    rig_settle(peer->rig);
    expect_delete(peer, &asked);
    assert_int_equal(peer_sid(peer, asked.deliver), 0);
    struct nki_ordered_info info;
    assert_int_equal(nki_ordered_info_get(sub, &info), NKI_CLOSED);
    nki_sub_release(sub);
    peer_free(peer);
}

/* One filter goes into the subject, so that permissions can tell; all subjects do not. */
static void test_filter(void **state)
{
    (void)state;
    static const char *const filters[] = {"a.*", ">"};
    for (size_t i = 0; i < 2; i++) {
        struct nki_sub *sub;
        struct peer_pub pub;
        struct nki_str filter = nki_str_z(filters[i]);
        struct peer *peer = peer_new();
        open_with(peer, (struct nki_ordered_params){.filters = &filter, .filter_count = 1}, &sub);
        next_create(peer, &pub);
        assert_non_null(strstr(pub.data, i == 0 ? "\"filter_subject\":\"a.*\"" : "\"filter_subject\":\">\""));
        assert_int_equal(strstr(pub.subject, ".a.*") != NULL, i == 0);
        assert_null(strchr(pub.subject, '>'));
        close_sub(peer, sub);
    }
}

static void test_before_the_answer(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct peer *peer = peer_new();
    open_with(peer, (struct nki_ordered_params){.deliver = NKI_DELIVER_ALL, .marks_done = true}, &sub);
    expect_create(peer, &asked, "all");
    say(peer, &asked, 1, 1, 2);
    say_heartbeat(peer, &asked, 1);
    say(peer, &asked, 2, 2, 1);
    say_answer(peer, &asked, "{\"delivered\":{\"consumer_seq\":2,\"stream_seq\":2},\"num_pending\":1}");
    say(peer, &asked, 3, 3, 5); /* more have come, but that is all that there was */
    say(peer, &asked, 4, 4, 0);
    expect_take(peer, sub, "1");
    expect_take(peer, sub, "2");
    expect_take(peer, sub, "3");
    expect_mark(peer, sub);
    expect_take(peer, sub, "4");
    expect_empty(peer, sub);
    assert_int_equal(info_of(sub).resets, 0);
    peer_expect_none(peer);
    close_sub(peer, sub);
}

static void test_mark_of_nothing(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct peer *peer = peer_new();
    open_with(peer, (struct nki_ordered_params){.deliver = NKI_DELIVER_LAST_PER_SUBJECT, .marks_done = true},
              &sub);
    expect_create(peer, &asked, "last_per_subject");
    say_made(peer, &asked, 9, 0);
    expect_mark(peer, sub);
    say(peer, &asked, 10, 1, 0);
    expect_take(peer, sub, "10");
    peer_cut(peer);
    expect_delete(peer, &asked);
    expect_create(peer, &asked, "\"opt_start_seq\":11");
    say_made(peer, &asked, 10, 0);
    expect_empty(peer, sub); /* once */
    close_sub(peer, sub);
}

static void test_ends_done(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    for (int pending = 0; pending < 3; pending++) {
        struct peer *peer = peer_new();
        open_with(peer, (struct nki_ordered_params){.deliver = NKI_DELIVER_ALL, .ends_done = true}, &sub);
        expect_create(peer, &asked, "all");
        say_made(peer, &asked, 0, pending);
        for (int i = 1; i <= pending; i++) {
            assert_int_equal(rig_end_reason(sub), 0);
            say(peer, &asked, i, i, pending - i);
        }
        assert_int_equal(rig_end_reason(sub), NKI_MAX_REACHED);
        expect_delete(peer, &asked);
        for (int i = 1; i <= pending; i++) {
            char data[20];
            snprintf(data, sizeof data, "%d", i);
            expect_take(peer, sub, data);
        }
        expect_empty(peer, sub);
        close_sub(peer, sub);
    }
}

/* -- what is amiss --------------------------------------------------------------------------------------- */

static void test_gap(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct peer *peer = lively(&sub, &asked);
    struct asked old = asked;
    uint64_t old_sid = sub->sid;
    say(peer, &asked, 4, 4, 0);
    expect_next(peer, &asked, "\"opt_start_seq\":3");
    assert_int_not_equal(sub->sid, old_sid);
    uint64_t orphans = peer->rig->engine.counts.orphan_msgs;
    peer_send_sid(peer, old_sid, "a.b", "$JS.ACK.S.c.1.5.3.1.0", "", "5");
    assert_int_equal(peer->rig->engine.counts.orphan_msgs, orphans + 1);
    say_of(peer, &asked, old.name, 3, 3, 0); /* in whatever way it comes */
    say_of(peer, &asked, "other", 3, 1, 0);
    assert_int_equal(info_of(sub).stale_msgs, 2);
    say_made(peer, &asked, 2, 2);
    say(peer, &asked, 3, 1, 1);
    say(peer, &asked, 4, 2, 0);
    expect_take(peer, sub, "3");
    expect_take(peer, sub, "4");
    expect_empty(peer, sub);
    assert_int_equal(info_of(sub).resets, 1);
    peer_expect_none(peer);
    close_sub(peer, sub);
}

/* The first time at once; if that does not help, after a pause. */
static void test_gaps(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct peer *peer = lively(&sub, &asked);
    say(peer, &asked, 4, 4, 0);
    expect_next(peer, &asked, "\"opt_start_seq\":3");
    say(peer, &asked, 4, 2, 0);
    expect_delete(peer, &asked);
    peer_pass(peer, 249);
    peer_expect_none(peer);
    say(peer, &asked, 3, 1, 0); /* it was given up */
    expect_empty(peer, sub);
    peer_pass(peer, 251);
    expect_create(peer, &asked, "\"opt_start_seq\":3");
    say_made(peer, &asked, 2, 1);
    say(peer, &asked, 3, 1, 0);
    expect_take(peer, sub, "3");
    close_sub(peer, sub);
}

static void test_heartbeats(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct peer *peer = lively(&sub, &asked);
    for (int i = 0; i < 5; i++) {
        peer_pass(peer, 2 * HEARTBEAT_MS - 1);
        say_heartbeat(peer, &asked, 2);
    }
    peer_expect_none(peer);
    say_heartbeat(peer, &asked, 3); /* one was lost on the way */
    expect_next(peer, &asked, "\"opt_start_seq\":3");
    say_made(peer, &asked, 2, 0);
    say_heartbeat(peer, &asked, 0); /* all is well again */
    peer_pass(peer, 2 * HEARTBEAT_MS - 1);
    peer_expect_none(peer);
    peer_pass(peer, 1); /* two are missing */
    expect_next(peer, &asked, "\"opt_start_seq\":3");
    say_made(peer, &asked, 2, 1);
    peer_pass(peer, 2 * HEARTBEAT_MS - 1);
    say(peer, &asked, 3, 1, 0); /* a message is a sign of life, too */
    peer_pass(peer, 2 * HEARTBEAT_MS - 1);
    peer_expect_none(peer);
    expect_take(peer, sub, "3");
    close_sub(peer, sub);
}

static void test_statuses(void **state)
{
    (void)state;
    static const char *const blocks[] = {
        "NATS/1.0 409 Consumer Deleted\r\n\r\n", "NATS/1.0 409 Leadership Change\r\n\r\n",
        "NATS/1.0 409 Server Shutdown\r\n\r\n", "NATS/1.0 408 Something Else\r\n\r\n",
        "NATS/1.0 409 Consumer is push based\r\nA: b\r\n\r\n"};
    for (size_t i = 0; i < NKI_ARRAY_LEN(blocks); i++) {
        struct nki_sub *sub;
        struct asked asked;
        struct peer *peer = lively(&sub, &asked);
        say_block(peer, &asked, "", blocks[i]);
        expect_next(peer, &asked, "\"opt_start_seq\":3");
        say_block(peer, &asked, "", blocks[i]); /* before the answer */
        expect_delete(peer, &asked);
        peer_pass(peer, 500);
        expect_create(peer, &asked, "\"opt_start_seq\":3");
        say_made(peer, &asked, 2, 1);
        say(peer, &asked, 3, 1, 0);
        expect_take(peer, sub, "3");
        close_sub(peer, sub);
    }
}

static void test_no_answer(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct peer *peer = peer_new();
    open_with(peer, (struct nki_ordered_params){.deliver = NKI_DELIVER_NEW}, &sub);
    expect_create(peer, &asked, "\"deliver_policy\":\"new\"");
    peer_pass(peer, 4999);
    peer_expect_none(peer);
    peer_pass(peer, 1);
    expect_next(peer, &asked, "\"deliver_policy\":\"new\"");
    say_made(peer, &asked, 41, 0);
    peer_cut(peer); /* nothing has come, but where it began is known */
    expect_delete(peer, &asked);
    expect_create(peer, &asked, "\"opt_start_seq\":42");
    close_sub(peer, sub);
}

/* The last one is still to come, when the consumer is lost: it is that one, whatever was stored since. */
static void test_last_is_known(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct peer *peer = peer_new();
    open_with(peer, (struct nki_ordered_params){.deliver = NKI_DELIVER_LAST}, &sub);
    expect_create(peer, &asked, "\"deliver_policy\":\"last\"");
    say_made(peer, &asked, 6, 1);
    peer_cut(peer);
    expect_delete(peer, &asked);
    expect_create(peer, &asked, "\"opt_start_seq\":7");
    close_sub(peer, sub);
}

/* -- flow control ---------------------------------------------------------------------------------------- */

static void expect_flow(struct peer *peer, const char *subject)
{
    struct peer_pub pub;
    peer_expect(peer, "$JS.FC.", &pub);
    assert_string_equal(pub.subject, subject);
    assert_string_equal(pub.data, "");
}

static void test_flow(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct peer *peer = lively(&sub, &asked);
    say_block(peer, &asked, "$JS.FC.S.c.1", "NATS/1.0 100 FlowControl Request\r\n\r\n");
    expect_flow(peer, "$JS.FC.S.c.1"); /* all was taken */
    say(peer, &asked, 3, 3, 1);
    say(peer, &asked, 4, 4, 0);
    say_block(peer, &asked, "$JS.FC.S.c.2", "NATS/1.0 100 FlowControl Request\r\n\r\n");
    say(peer, &asked, 5, 5, 0); /* behind it */
    peer_expect_none(peer);
    expect_take(peer, sub, "3");
    peer_expect_none(peer);
    expect_take(peer, sub, "4");
    expect_flow(peer, "$JS.FC.S.c.2");
    expect_take(peer, sub, "5");
    peer_expect_none(peer);
    close_sub(peer, sub);
}

static void test_stalled(void **state)
{
    (void)state;
    static const char stalled[] = "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 3\r\n"
                                  "Nats-Consumer-Stalled: $JS.FC.S.c.7\r\n\r\n";
    struct nki_sub *sub;
    struct asked asked;
    struct peer *peer = lively(&sub, &asked);
    say(peer, &asked, 3, 3, 0);
    say_block(peer, &asked, "", stalled); /* the request itself was lost */
    say_block(peer, &asked, "", stalled);
    peer_expect_none(peer);
    expect_take(peer, sub, "3");
    expect_flow(peer, "$JS.FC.S.c.7");
    peer_expect_none(peer);
    say_block(peer, &asked, "", stalled); /* that answer was lost, too */
    expect_flow(peer, "$JS.FC.S.c.7");
    peer_expect_none(peer);
    close_sub(peer, sub);
}

/* What the consumer before has asked for is not answered to the present one. */
static void test_flow_of_old(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct peer *peer = lively(&sub, &asked);
    say(peer, &asked, 3, 3, 0);
    say_block(peer, &asked, "$JS.FC.S.c.1", "NATS/1.0 100 FlowControl Request\r\n\r\n");
    peer_cut(peer);
    expect_delete(peer, &asked);
    expect_create(peer, &asked, "\"opt_start_seq\":4");
    expect_take(peer, sub, "3");
    peer_expect_none(peer);
    close_sub(peer, sub);
}

/* -- creation errors ------------------------------------------------------------------------------------- */

static void test_first_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int32_t reason;
    } rows[] = {{MISSING, NKI_STREAM_NOT_FOUND},
                {REFUSED, NKI_JS_LIMIT},
                {"{\"error\":{\"code\":400,\"err_code\":10094,\"description\":\"wrong\"}}", NKI_JS_REFUSED},
                {"hello", NKI_PROTOCOL},
                {"[]", NKI_PROTOCOL},
                {"", NKI_PROTOCOL}};
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_sub *sub;
        struct asked asked;
        struct peer *peer = peer_new();
        open_with(peer, (struct nki_ordered_params){.deliver = NKI_DELIVER_ALL}, &sub);
        expect_create(peer, &asked, "all");
        say_answer(peer, &asked, rows[i].text);
        assert_int_equal(rig_end_reason(sub), rows[i].reason);
        assert_non_null(sub->end_error);
        assert_int_equal(sub->end_error->status, rows[i].reason);
        assert_int_equal(peer_sid(peer, asked.deliver), 0);
        close_sub(peer, sub);
    }
}

/* JetStream that does not answer is waited for, longer and longer. */
static void test_pauses(void **state)
{
    (void)state;
    static const int64_t pauses[] = {250, 500, 1000, 2000, 4000, 5000, 5000, 5000};
    struct nki_sub *sub;
    struct asked asked;
    struct peer *peer = peer_new();
    open_with(peer, (struct nki_ordered_params){.deliver = NKI_DELIVER_ALL}, &sub);
    for (size_t i = 0; i < NKI_ARRAY_LEN(pauses); i++) {
        expect_create(peer, &asked, "all");
        if (i % 2 == 0) {
            say_block(peer, &asked, "", NOBODY);
        } else {
            say_answer(peer, &asked,
                       "{\"error\":{\"code\":503,\"err_code\":10008,\"description\":\"later\"}}");
        }
        peer_pass(peer, pauses[i] - 1);
        peer_expect_none(peer);
        peer_pass(peer, 1);
    }
    expect_create(peer, &asked, "all");
    say_made(peer, &asked, 0, 0);
    assert_true(info_of(sub).live);
    close_sub(peer, sub);
}

/* Later nothing ends it but a stream that stays away. */
static void test_later_errors(void **state)
{
    (void)state;
    static const char *const texts[] = {REFUSED, MISSING, MISSING, MISSING,
                                        REFUSED, MISSING, MISSING, MISSING};
    struct nki_sub *sub;
    struct asked asked;
    struct peer *peer = lively(&sub, &asked);
    say_block(peer, &asked, "", "NATS/1.0 409 Consumer Deleted\r\n\r\n");
    expect_next(peer, &asked, "\"opt_start_seq\":3");
    for (size_t i = 0; i < NKI_ARRAY_LEN(texts); i++) {
        say_answer(peer, &asked, texts[i]);
        assert_int_equal(rig_end_reason(sub), 0);
        peer_pass(peer, 5000);
        expect_create(peer, &asked, "\"opt_start_seq\":3");
    }
    say_answer(peer, &asked, MISSING);
    assert_int_equal(rig_end_reason(sub), NKI_STREAM_NOT_FOUND);
    assert_int_equal(sub->end_error->err_code, 10059);
    close_sub(peer, sub);
}

static void test_denied(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    char text[200];
    struct peer *peer = peer_new();
    open_with(peer, (struct nki_ordered_params){.deliver = NKI_DELIVER_ALL}, &sub);
    expect_create(peer, &asked, "all");
    snprintf(text, sizeof text,
             "-ERR 'Permissions Violation for Publish to \"$JS.API.CONSUMER.CREATE.S.%s\"'\r\n", asked.name);
    rig_say(peer->rig, text);
    assert_int_equal(rig_end_reason(sub), NKI_PERMISSION);
    close_sub(peer, sub);
}

/* -- transports ------------------------------------------------------------------------------------------ */

static void test_reconnect(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct peer *peer = lively(&sub, &asked);
    struct asked old = asked;
    uint64_t old_sid = sub->sid;
    say(peer, &asked, 3, 3, 0);
    peer_cut(peer);
    assert_int_equal(peer_sid(peer, old.deliver), 0); /* the old one may live on, and deliver */
    assert_int_not_equal(sub->sid, old_sid);
    expect_delete(peer, &old);
    expect_create(peer, &asked, "\"opt_start_seq\":4");
    peer_expect_none(peer);
    say_made(peer, &asked, 3, 1);
    say(peer, &asked, 4, 1, 0);
    expect_take(peer, sub, "3");
    expect_take(peer, sub, "4");
    expect_empty(peer, sub);
    close_sub(peer, sub);
}

static void pass_until_asked(struct peer *peer)
{
    for (int i = 0; i < 1000 && peer->pub_count == 0; i++) {
        peer_pass(peer, 100);
    }
}

/* Begun without a transport, or lost while it pauses: it is asked for once there is one. */
static void test_begun_without(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct peer *peer = peer_new();
    peer->rig->silent = true;
    rig_eof(peer->rig);
    open_with(peer, (struct nki_ordered_params){.deliver = NKI_DELIVER_ALL}, &sub);
    peer->rig->silent = false;
    pass_until_asked(peer); /* the attempt that was under way is given up before */
    expect_create(peer, &asked, "all");
    peer_expect_none(peer);
    say_block(peer, &asked, "", NOBODY);
    peer_cut(peer);
    pass_until_asked(peer);
    expect_create(peer, &asked, "all");
    say_made(peer, &asked, 0, 1);
    say(peer, &asked, 1, 1, 0);
    expect_take(peer, sub, "1");
    close_sub(peer, sub);
}

/* While it is drained the server was told that nobody listens any more: nothing may be asked for anew. */
static void test_drained(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct peer *peer = lively(&sub, &asked);
    struct nki_op *drain = nki_op_new();
    uint64_t sid = sub->sid;
    assert_int_equal(nki_engine_drain_sub(&peer->rig->engine, sub, drain, NKI_NEVER, peer->rig->now_ns),
                     NKI_OK);
    rig_settle(peer->rig);
    peer_read(peer);
    peer_send_sid(peer, sid, "a.b", "$JS.ACK.S.c.1.9.9.1.0", "", "stale");
    char reply[200];
    snprintf(reply, sizeof reply, "$JS.ACK.S.%s.1.4.4.1.0", asked.name);
    peer_send_sid(peer, sid, "a.b", reply, "", "4"); /* a gap */
    rig_settle(peer->rig);
    peer_read(peer);
    assert_int_equal(peer->sub_count, 0);
    rig_say(peer->rig, RIG_PONG);
    peer_read(peer);
    assert_int_equal(peer->sub_count, 0);
    assert_int_equal(rig_end_reason(sub), NKI_UNSUBSCRIBED);
    assert_int_equal(rig_op_status(drain), NKI_OK);
    close_sub(peer, sub);
}

/* -- a stream that went back ----------------------------------------------------------------------------- */

static void test_rewind(void **state)
{
    (void)state;
    for (int early = 0; early < 2; early++) {
        struct nki_sub *sub;
        struct asked asked;
        struct peer *peer = lively(&sub, &asked);
        say(peer, &asked, 30, 3, 0);
        say_block(peer, &asked, "", "NATS/1.0 409 Consumer Deleted\r\n\r\n");
        expect_next(peer, &asked, "\"opt_start_seq\":31");
        if (early) { /* the first message comes before the answer */
            say(peer, &asked, 6, 1, 0);
            say_answer(peer, &asked,
                       "{\"delivered\":{\"consumer_seq\":1,\"stream_seq\":6},\"num_pending\":0}");
        } else {
            say_made(peer, &asked, 5, 0);
            say(peer, &asked, 6, 1, 0);
        }
        expect_take(peer, sub, "30");
        expect_take(peer, sub, "6");
        expect_empty(peer, sub);
        assert_int_equal(info_of(sub).rewinds, 1);
        assert_int_equal(info_of(sub).last_seq, 6);
        close_sub(peer, sub);
    }
}

/* An answer that does not tell where the consumer stands changes nothing. */
static void test_answer_without_place(void **state)
{
    (void)state;
    static const char *const texts[] = {"{\"num_pending\":0}", "{\"delivered\":null,\"num_pending\":0}",
                                        "{\"delivered\":7}", "{}"};
    for (size_t i = 0; i < NKI_ARRAY_LEN(texts); i++) {
        struct nki_sub *sub;
        struct asked asked;
        struct peer *peer = lively(&sub, &asked);
        say_block(peer, &asked, "", "NATS/1.0 409 Consumer Deleted\r\n\r\n");
        expect_next(peer, &asked, "\"opt_start_seq\":3");
        say_answer(peer, &asked, texts[i]);
        assert_int_equal(info_of(sub).rewinds, 0);
        assert_int_equal(info_of(sub).last_seq, 2);
        close_sub(peer, sub);
    }
}

/* -- no memory ------------------------------------------------------------------------------------------- */

/* Plays the server until messages up to 5 have come, or it has ended. */
static void serve_five(struct peer *peer, struct nki_sub *sub)
{
    struct peer_pub pub;
    for (int rounds = 0; rounds < 60 && rig_end_reason(sub) == 0; rounds++) {
        while (peer_next(peer, &pub)) {
            struct asked asked = {.name = ""};
            if (strncmp(pub.subject, "$JS.API.CONSUMER.CREATE.", 24) != 0 || peer_sid(peer, pub.reply) == 0) {
                continue;
            }
            snprintf(asked.name, sizeof asked.name, "%.63s",
                     pub.subject + strlen("$JS.API.CONSUMER.CREATE.S."));
            snprintf(asked.deliver, sizeof asked.deliver, "%s", pub.reply);
            const char *seq = strstr(pub.data, "\"opt_start_seq\":");
            int first = seq != NULL ? (int)strtol(seq + 16, NULL, 10) : 1;
            say_made(peer, &asked, first - 1, 6 - first);
            for (int i = first; i <= 5 && peer_sid(peer, asked.deliver) != 0; i++) {
                say(peer, &asked, i, i - first + 1, 5 - i);
            }
            if (peer_sid(peer, asked.deliver) != 0 && first <= 5) {
                say_heartbeat(peer, &asked, 6 - first);
            }
        }
        peer_pass(peer, 1000);
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    bool more = true;
    for (long nth = 1; more; nth++) {
        struct nki_sub *sub = NULL;
        struct peer *peer = peer_new();
        struct nki_ordered_params params = {.stream = NKI_STR("S"),
                                            .start_time = NKI_STR(""),
                                            .marks_done = true,
                                            .heartbeat_ms = HEARTBEAT_MS};
        more = steps_refuse(nth);
        int32_t status = nki_ordered_open(peer->js, &params, &sub, NULL);
        assert_true(status == NKI_OK || (more && status == NKI_NO_MEMORY));
        if (status == NKI_OK) {
            serve_five(peer, sub);
            steps_refuse_no_more();
            serve_five(peer, sub);
            int32_t reason = rig_end_reason(sub);
            assert_true(reason == 0 || (more && reason == NKI_NO_MEMORY));
            for (int i = 1; i <= 5; i++) { /* each once, or the end */
                char data[20];
                snprintf(data, sizeof data, "%d", i);
                expect_take(peer, sub, data);
            }
            if (reason == 0) {
                expect_mark(peer, sub);
            }
            expect_empty(peer, sub);
            nki_engine_close_sub(&peer->rig->engine, sub, peer->rig->now_ns);
            rig_settle(peer->rig);
            nki_sub_release(sub);
        }
        steps_refuse_no_more();
        peer_free(peer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_creation),
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_before_the_answer),
        cmocka_unit_test(test_mark_of_nothing),
        cmocka_unit_test(test_ends_done),
        cmocka_unit_test(test_gap),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_heartbeats),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_last_is_known),
        cmocka_unit_test(test_flow),
        cmocka_unit_test(test_stalled),
        cmocka_unit_test(test_flow_of_old),
        cmocka_unit_test(test_first_errors),
        cmocka_unit_test(test_pauses),
        cmocka_unit_test(test_later_errors),
        cmocka_unit_test(test_denied),
        cmocka_unit_test(test_reconnect),
        cmocka_unit_test(test_begun_without),
        cmocka_unit_test(test_drained),
        cmocka_unit_test(test_rewind),
        cmocka_unit_test(test_answer_without_place),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
