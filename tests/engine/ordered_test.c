/* Ordered consumers against a server that a test plays by hand, in virtual time: each thing that can be
 * amiss, and what is asked of the server then. */
#include "ordered_peer.h"

#include "../unit/base/refuse.h"

#include <stdio.h>
#include <stdlib.h>

#define MISSING "{\"error\":{\"code\":404,\"err_code\":10059,\"description\":\"stream not found\"}}"
#define REFUSED                                                                                              \
    "{\"error\":{\"code\":400,\"err_code\":10026,\"description\":\"maximum consumers limit reached\"}}"
#define NOBODY "NATS/1.0 503\r\n\r\n"

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
    ordered_take(peer, sub, "7");
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
        peer_expect(peer, "$JS.API.CONSUMER.CREATE.S.", &pub);
        assert_non_null(strstr(pub.data, i == 0 ? "\"filter_subject\":\"a.*\"" : "\"filter_subject\":\">\""));
        assert_int_equal(strstr(pub.subject, ".a.*") != NULL, i == 0);
        assert_null(strchr(pub.subject, '>'));
        ordered_close(peer, sub);
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
    ordered_take(peer, sub, "1");
    ordered_take(peer, sub, "2");
    ordered_take(peer, sub, "3");
    expect_mark(peer, sub);
    ordered_take(peer, sub, "4");
    expect_empty(peer, sub);
    assert_int_equal(info_of(sub).resets, 0);
    peer_expect_none(peer);
    ordered_close(peer, sub);
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
    ordered_take(peer, sub, "10");
    peer_cut(peer);
    expect_delete(peer, &asked);
    expect_create(peer, &asked, "\"opt_start_seq\":11");
    say_made(peer, &asked, 10, 0);
    expect_empty(peer, sub); /* once */
    ordered_close(peer, sub);
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
            ordered_take(peer, sub, data);
        }
        expect_empty(peer, sub);
        ordered_close(peer, sub);
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
    ordered_take(peer, sub, "3");
    ordered_take(peer, sub, "4");
    expect_empty(peer, sub);
    assert_int_equal(info_of(sub).resets, 1);
    peer_expect_none(peer);
    ordered_close(peer, sub);
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
    ordered_take(peer, sub, "3");
    ordered_close(peer, sub);
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
    ordered_take(peer, sub, "3");
    ordered_close(peer, sub);
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
        ordered_take(peer, sub, "3");
        ordered_close(peer, sub);
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
    ordered_close(peer, sub);
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
    ordered_close(peer, sub);
}

/* -- flow control ---------------------------------------------------------------------------------------- */

static void expect_flow(struct peer *peer, const char *subject)
{
    struct peer_pub pub;
    peer_expect(peer, "$JS.FC.", &pub);
    assert_string_equal(pub.subject, subject);
    assert_string_equal(pub.data, "");
}

/* What tells of a consumer that does not begin where it was said: a message, or a heartbeat if there is none.
 */
static struct peer *remade(enum nki_deliver deliver, bool by_message, struct nki_sub **sub,
                           struct asked *asked)
{
    struct peer *peer = peer_new();
    open_with(peer, (struct nki_ordered_params){.deliver = deliver}, sub);
    expect_create(peer, asked,
                  deliver == NKI_DELIVER_NEW ? "\"deliver_policy\":\"new\"" : "\"deliver_policy\":\"last\"");
    say_made(peer, asked, 6, 0);
    if (by_message) {
        say(peer, asked, 9, 1, 0);
    } else {
        say_place(peer, asked, 0, 8);
    }
    expect_next(peer, asked, "\"opt_start_seq\":7");
    expect_empty(peer, *sub);
    return peer;
}

/* A server that was killed makes the consumer anew, as it was asked for: what that passes over is read from
 * where the first one began. */
static void test_made_anew_by_the_server(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct nki_sub *sub;
        struct asked asked;
        struct peer *peer = remade(i % 2 == 0 ? NKI_DELIVER_NEW : NKI_DELIVER_LAST, i < 2, &sub, &asked);
        say_made(peer, &asked, 6, 2);
        say(peer, &asked, 8, 1, 1); /* 7 is gone: nothing to begin anew for */
        ordered_take(peer, sub, "8");
        say(peer, &asked, 9, 2, 0);
        ordered_take(peer, sub, "9");
        expect_empty(peer, sub);
        assert_int_equal(info_of(sub).resets, 0);
        ordered_close(peer, sub);
    }
}

/* The message that told it is not lost though the stream has it no more. */
static void test_message_that_told(void **state)
{
    (void)state;
    for (int how = 0; how < 4; how++) {
        struct nki_sub *sub;
        struct asked asked;
        struct peer *peer = remade(NKI_DELIVER_NEW, true, &sub, &asked);
        if (how == 3) {
            ordered_close(peer, sub);
            continue;
        }
        say_made(peer, &asked, 6, 1);
        say(peer, &asked, 8, 1, 0);
        ordered_take(peer, sub, "8");
        say_place(peer, &asked, 1, 8); /* a server that has not got it yet */
        expect_empty(peer, sub);
        if (how == 0) {
            say(peer, &asked, 12, 2, 0);
            ordered_take(peer, sub, "9");
            ordered_take(peer, sub, "12");
        } else if (how == 1) {
            say_place(peer, &asked, 1, 9);
            ordered_take(peer, sub, "9");
        } else { /* the next consumer tells */
            peer_cut(peer);
            expect_delete(peer, &asked);
            expect_create(peer, &asked, "\"opt_start_seq\":9");
            say_made(peer, &asked, 8, 0);
            say_place(peer, &asked, 0, 9);
            ordered_take(peer, sub, "9");
        }
        expect_empty(peer, sub);
        say_place(peer, &asked, how == 0 ? 2 : how == 1 ? 1 : 0, 12);
        peer_expect_none(peer);
        ordered_close(peer, sub);
    }
}

/* With filters a place further on says nothing, unless the stream keeps what it has delivered. */
static void test_filtered_place(void **state)
{
    (void)state;
    const struct nki_str filters[] = {NKI_STR("a.b"), NKI_STR("c")};
    for (int keeps = 0; keeps < 2; keeps++) {
        struct nki_sub *sub;
        struct asked asked;
        struct peer *peer = peer_new();
        open_with(peer,
                  (struct nki_ordered_params){
                      .deliver = NKI_DELIVER_NEW, .filters = filters, .filter_count = 2, .keeps = keeps != 0},
                  &sub);
        expect_create(peer, &asked, "\"deliver_policy\":\"new\"");
        say_made(peer, &asked, 6, 0);
        say(peer, &asked, 9, 1, 0);
        if (keeps) {
            expect_next(peer, &asked, "\"opt_start_seq\":7");
            say_made(peer, &asked, 6, 1);
            say(peer, &asked, 9, 1, 0);
        }
        ordered_take(peer, sub, "9");
        expect_empty(peer, sub);
        ordered_close(peer, sub);
    }
}

/* What is told in time begins nothing anew. */
static void test_begun_in_place(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct peer *peer = peer_new();
    open_with(peer, (struct nki_ordered_params){.deliver = NKI_DELIVER_NEW}, &sub);
    expect_create(peer, &asked, "\"deliver_policy\":\"new\"");
    say_made(peer, &asked, 6, 0);
    say_place(peer, &asked, 0, 6);
    say(peer, &asked, 7, 1, 0);
    ordered_take(peer, sub, "7");
    say(peer, &asked, 20, 2, 0);
    ordered_take(peer, sub, "20");
    peer_expect_none(peer);
    ordered_close(peer, sub);
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
    ordered_take(peer, sub, "3");
    peer_expect_none(peer);
    nki_engine_taken(&peer->rig->engine, sub, false, peer->rig->now_ns); /* a hold was given up */
    peer_expect_none(peer);
    ordered_take(peer, sub, "4");
    expect_flow(peer, "$JS.FC.S.c.2");
    ordered_take(peer, sub, "5");
    peer_expect_none(peer);
    ordered_close(peer, sub);
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
    ordered_take(peer, sub, "3");
    expect_flow(peer, "$JS.FC.S.c.7");
    peer_expect_none(peer);
    say_block(peer, &asked, "", stalled); /* that answer was lost, too */
    expect_flow(peer, "$JS.FC.S.c.7");
    peer_expect_none(peer);
    ordered_close(peer, sub);
}

/* Messages that there were at the begin are purged before they were sent. */
static void test_mark_without_the_rest(void **state)
{
    (void)state;
    static const char stalled[] = "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 1\r\n"
                                  "Nats-Consumer-Stalled: $JS.FC.S.c.7\r\n\r\n";
    struct nki_sub *sub;
    struct asked asked;
    struct peer *peer = peer_new();
    open_with(peer, (struct nki_ordered_params){.deliver = NKI_DELIVER_ALL, .marks_done = true}, &sub);
    expect_create(peer, &asked, "all");
    say_made(peer, &asked, 0, 5);
    say(peer, &asked, 1, 1, 4);
    ordered_take(peer, sub, "1");
    say_heartbeat(peer, &asked, 1); /* messages may wait behind it */
    say_block(peer, &asked, "", stalled);
    expect_flow(peer, "$JS.FC.S.c.7");
    say_heartbeat(peer, &asked, 1);
    expect_empty(peer, sub);
    say(peer, &asked, 2, 2, 3);
    ordered_take(peer, sub, "2");
    say_heartbeat(peer, &asked, 2);
    expect_empty(peer, sub);
    say_heartbeat(peer, &asked, 2);
    expect_mark(peer, sub);
    peer_expect_none(peer);
    ordered_close(peer, sub);
}

/* Whoever may publish to the inbox can write any subject there. */
static void test_flow_to_nowhere(void **state)
{
    (void)state;
    static const char *const subjects[] = {"", "a b", "a.*", ".a", ">"};
    struct nki_sub *sub;
    struct asked asked;
    struct peer *peer = lively(&sub, &asked);
    for (size_t i = 0; i < NKI_ARRAY_LEN(subjects); i++) {
        char block[200];
        snprintf(block, sizeof block,
                 "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 2\r\nNats-Consumer-Stalled: %s\r\n\r\n",
                 subjects[i]);
        say_block(peer, &asked, "", block);
        peer_expect_none(peer);
    }
    ordered_close(peer, sub);
}

/* Opened where there is no JetStream: it ends, at once if a server says so. */
static void test_not_enabled(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"error\":{\"code\":503,\"err_code\":10039,\"description\":\"not enabled for account\"}}",
        "{\"error\":{\"code\":503,\"err_code\":10076,\"description\":\"not enabled\"}}", NULL};
    for (size_t i = 0; i < NKI_ARRAY_LEN(texts); i++) {
        struct nki_sub *sub;
        struct asked asked;
        struct peer *peer = peer_new();
        open_with(peer, (struct nki_ordered_params){.deliver = NKI_DELIVER_ALL, .ends_done = true}, &sub);
        for (int tries = texts[i] != NULL ? 1 : 5; tries > 0; tries--) {
            assert_int_equal(rig_end_reason(sub), 0);
            expect_create_later(peer, &asked, "all");
            if (texts[i] != NULL) {
                say_answer(peer, &asked, texts[i]);
            } else {
                say_block(peer, &asked, "", NOBODY);
            }
        }
        assert_int_equal(rig_end_reason(sub), NKI_JS_NOT_ENABLED);
        ordered_close(peer, sub);
    }
}

/* The answer to the making of the first one was lost, but something has come of it: so there was JetStream,
 * and it is waited for. */
static void test_not_enabled_later(void **state)
{
    (void)state;
    struct nki_sub *sub;
    struct asked asked;
    struct peer *peer = peer_new();
    open_with(peer, (struct nki_ordered_params){.deliver = NKI_DELIVER_ALL}, &sub);
    expect_create(peer, &asked, "all");
    say(peer, &asked, 1, 1, 5);
    say_block(peer, &asked, "", "NATS/1.0 409 Leadership Change\r\n\r\n");
    expect_delete(peer, &asked);
    for (int tries = 0; tries < 7; tries++) {
        expect_create_later(peer, &asked, "\"opt_start_seq\":2");
        say_block(peer, &asked, "", NOBODY);
        assert_int_equal(rig_end_reason(sub), 0);
    }
    expect_create_later(peer, &asked, "\"opt_start_seq\":2");
    say_made(peer, &asked, 1, 1);
    say(peer, &asked, 2, 1, 0);
    ordered_take(peer, sub, "1");
    ordered_take(peer, sub, "2");
    ordered_close(peer, sub);
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
    ordered_take(peer, sub, "3");
    peer_expect_none(peer);
    ordered_close(peer, sub);
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
        ordered_close(peer, sub);
    }
}

/* JetStream that does not answer is waited for, longer and longer; and a stream that is just being closed,
 * too: the server knows next whether it is still there. */
static void test_pauses(void **state)
{
    (void)state;
    static const int64_t pauses[] = {250, 500, 1000, 2000, 4000, 5000, 5000, 5000};
    static const char *const texts[] = {
        "{\"error\":{\"code\":503,\"err_code\":10008,\"description\":\"later\"}}",
        "{\"error\":{\"code\":500,\"err_code\":10096,\"description\":\"stream not valid\"}}"};
    struct nki_sub *sub;
    struct asked asked;
    struct peer *peer = peer_new();
    open_with(peer, (struct nki_ordered_params){.deliver = NKI_DELIVER_ALL}, &sub);
    for (size_t i = 0; i < NKI_ARRAY_LEN(pauses); i++) {
        expect_create(peer, &asked, "all");
        if (i % 3 == 2) {
            say_block(peer, &asked, "", NOBODY);
        } else {
            say_answer(peer, &asked, texts[i % 3]);
        }
        peer_pass(peer, pauses[i] - 1);
        peer_expect_none(peer);
        peer_pass(peer, 1);
    }
    expect_create(peer, &asked, "all");
    say_made(peer, &asked, 0, 0);
    assert_true(info_of(sub).live);
    ordered_close(peer, sub);
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
        expect_create_later(peer, &asked, "\"opt_start_seq\":3");
    }
    say_answer(peer, &asked, MISSING);
    assert_int_equal(rig_end_reason(sub), NKI_STREAM_NOT_FOUND);
    assert_int_equal(sub->end_error->err_code, 10059);
    ordered_close(peer, sub);
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
    ordered_close(peer, sub);
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
    ordered_take(peer, sub, "3");
    ordered_take(peer, sub, "4");
    expect_empty(peer, sub);
    ordered_close(peer, sub);
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
    ordered_take(peer, sub, "1");
    ordered_close(peer, sub);
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
    ordered_close(peer, sub);
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
        ordered_close(peer, sub);
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
        more = refuse_begin(nth);
        int32_t status = nki_ordered_open(peer->js, &params, &sub, NULL);
        assert_true(status == NKI_OK || (more && status == NKI_NO_MEMORY));
        if (status == NKI_OK) {
            serve_five(peer, sub);
            refuse_end();
            serve_five(peer, sub);
            int32_t reason = rig_end_reason(sub);
            assert_true(reason == 0 || (more && reason == NKI_NO_MEMORY));
            for (int i = 1; i <= 5; i++) { /* each once, or the end */
                char data[20];
                snprintf(data, sizeof data, "%d", i);
                ordered_take(peer, sub, data);
            }
            if (reason == 0) {
                expect_mark(peer, sub);
            }
            expect_empty(peer, sub);
            nki_engine_close_sub(&peer->rig->engine, sub, peer->rig->now_ns);
            rig_settle(peer->rig);
            nki_sub_release(sub);
        }
        refuse_end();
        peer_free(peer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_creation),
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_before_the_answer),
        cmocka_unit_test(test_mark_without_the_rest),
        cmocka_unit_test(test_mark_of_nothing),
        cmocka_unit_test(test_ends_done),
        cmocka_unit_test(test_gap),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_heartbeats),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_last_is_known),
        cmocka_unit_test(test_made_anew_by_the_server),
        cmocka_unit_test(test_message_that_told),
        cmocka_unit_test(test_filtered_place),
        cmocka_unit_test(test_begun_in_place),
        cmocka_unit_test(test_flow),
        cmocka_unit_test(test_stalled),
        cmocka_unit_test(test_flow_to_nowhere),
        cmocka_unit_test(test_not_enabled),
        cmocka_unit_test(test_not_enabled_later),
        cmocka_unit_test(test_flow_of_old),
        cmocka_unit_test(test_first_errors),
        cmocka_unit_test(test_pauses),
        cmocka_unit_test(test_later_errors),
        cmocka_unit_test(test_denied),
        cmocka_unit_test(test_reconnect),
        cmocka_unit_test(test_begun_without),
        cmocka_unit_test(test_drained),
        cmocka_unit_test(test_answer_without_place),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
