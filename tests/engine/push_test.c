/* Push consumers on the engine with a virtual clock: what is asked and when, in whatever order messages and
 * answers come; flow control, silence, servers that do not answer, lost transports, and deadlines. */
#include "peer.h"

#include "delivery/notice.h"
#include "jetstream/push.h"

#include <inttypes.h>
#include <stdio.h>

#define BEAT_MS 1000
#define FINDS "$JS.API.STREAM.NAMES"
#define LOOKS "$JS.API.CONSUMER.INFO.S."
#define MAKES "$JS.API.CONSUMER.CREATE.S."
#define GONE "{\"error\":{\"code\":404,\"err_code\":10014,\"description\":\"consumer not found\"}}"

struct reader {
    struct peer *peer;
    struct nki_sub *sub;
    struct nki_op *op;
    char name[128];    /* of the consumer */
    char deliver[256]; /* where it delivers */
};

static struct reader open_reader(const struct nki_push_params *params)
{
    struct reader reader = {.peer = peer_new()};
    struct nki_push_params own = *params;
    own.wanted = own.wanted.len > 0 ? own.wanted : NKI_STR("{}");
    own.config = own.config.len > 0 ? own.config : NKI_STR("{\"ack_policy\":\"explicit\"}");
    own.limits = (struct nki_inlet_limits){1000, 1000000};
    own.deadline_ns = own.deadline_ns > 0 ? own.deadline_ns : NKI_NEVER;
    assert_int_equal(nki_push_open(reader.peer->js, &own, &reader.sub, &reader.op, NULL), NKI_OK);
    return reader;
}

static int32_t reason_of(const struct reader *reader)
{
    struct nki_inlet_stats stats;
    nki_inlet_stats_get(&reader->sub->inlet, &stats);
    return stats.end_reason;
}

static void close_reader(struct reader *reader)
{
    nki_engine_close_sub(&reader->peer->rig->engine, reader->sub, reader->peer->rig->now_ns);
    nki_sub_release(reader->sub);
    nki_op_release(reader->op);
    peer_free(reader->peer);
}

static void answer(struct reader *reader, const struct peer_pub *pub, const char *text)
{
    assert_true(peer_send(reader->peer, pub->reply, pub->reply, "", "", text));
}

/* The value of a text member in a request. */
static void value_of(const struct peer_pub *pub, const char *name, char *out, size_t cap)
{
    char begin[64];
    snprintf(begin, sizeof begin, "\"%s\":\"", name);
    const char *at = strstr(pub->data, begin);
    assert_non_null(at);
    at += strlen(begin);
    snprintf(out, cap, "%.*s", (int)strcspn(at, "\""), at);
}

static void answer_info(struct reader *reader, const struct peer_pub *pub, const char *more)
{
    char text[1024];
    snprintf(text, sizeof text,
             "{\"stream_name\":\"S\",\"name\":\"%s\",\"config\":{\"deliver_subject\":\"%s\",\"ack_policy\":"
             "\"explicit\",\"ack_wait\":30000000000,\"flow_control\":true,\"idle_heartbeat\":%d000000}%s}",
             reader->name, reader->deliver, BEAT_MS, more);
    answer(reader, pub, text);
}

/* It makes a consumer: somebody listens where that delivers before. */
static struct peer_pub expect_make(struct reader *reader)
{
    struct peer_pub pub;
    peer_expect(reader->peer, MAKES, &pub);
    value_of(&pub, "name", reader->name, sizeof reader->name);
    value_of(&pub, "deliver_subject", reader->deliver, sizeof reader->deliver);
    assert_true(peer_sid(reader->peer, reader->deliver) != 0);
    return pub;
}

static void deliver(struct reader *reader, unsigned stream_seq, unsigned consumer_seq)
{
    char reply[256];
    snprintf(reply, sizeof reply, "$JS.ACK.S.%s.1.%u.%u.1000.9", reader->name, stream_seq, consumer_seq);
    assert_true(peer_send(reader->peer, reader->deliver, "s.m", reply, "", "data"));
}

static bool say(struct reader *reader, const char *reply, const char *block)
{
    return peer_send(reader->peer, reader->deliver, reader->deliver, reply, block, "");
}

static struct nki_push_info info_of(const struct reader *reader)
{
    struct nki_push_info info;
    assert_int_equal(nki_push_info_get(reader->sub, &info), NKI_OK);
    return info;
}

/* Takes what is there; how many messages, and of these types of status in a mask. */
static int take(struct reader *reader, unsigned *types)
{
    int count = 0;
    struct nki_msg *msg;
    while ((msg = steps_take(reader->peer->rig, reader->sub)) != NULL) {
        if (msg->kind == NKI_MSG_STATUS) {
            *types |= 1u << nki_notice_of(msg).type;
        } else {
            count++;
        }
        nki_msg_release(msg);
    }
    return count;
}

/* -- how it begins --------------------------------------------------------------------------------------- */

static void test_found_and_made(void **state)
{
    (void)state;
    struct peer_pub pub;
    struct reader reader = open_reader(
        &(struct nki_push_params){.subject = NKI_STR("s.>"), .consumer = NKI_STR("d"), .durable = true});
    peer_expect(reader.peer, FINDS, &pub);
    assert_string_equal(pub.data, "{\"subject\":\"s.>\"}");
    answer(&reader, &pub, "{\"streams\":[\"S\"]}");
    peer_expect(reader.peer, LOOKS "d", &pub);
    answer(&reader, &pub, GONE);
    pub = expect_make(&reader);
    assert_int_equal(nki_op_result(reader.op, NULL, NULL), NKI_PENDING);
    deliver(&reader, 1, 1); /* before the answer */
    answer_info(&reader, &pub, "");
    assert_int_equal(nki_op_result(reader.op, NULL, NULL), NKI_OK);
    unsigned types = 0;
    assert_int_equal(take(&reader, &types), 1);
    struct nki_push_info info = info_of(&reader);
    assert_true(info.live && info.made);
    close_reader(&reader);
}

/* Somebody else makes it meanwhile: then it is looked at again. */
static void test_a_faster_one(void **state)
{
    (void)state;
    struct peer_pub pub;
    struct reader reader = open_reader(&(struct nki_push_params){
        .stream = NKI_STR("S"), .subject = NKI_STR(""), .consumer = NKI_STR("d"), .durable = true});
    peer_expect(reader.peer, LOOKS "d", &pub);
    answer(&reader, &pub, GONE);
    pub = expect_make(&reader);
    answer(&reader, &pub,
           "{\"error\":{\"code\":400,\"err_code\":10148,\"description\":\"consumer already exists\"}}");
    peer_expect(reader.peer, LOOKS "d", &pub);
    snprintf(reader.deliver, sizeof reader.deliver, "to.them");
    answer_info(&reader, &pub, "");
    assert_int_equal(nki_op_result(reader.op, NULL, NULL), NKI_OK);
    assert_true(peer_sid(reader.peer, "to.them") != 0);
    assert_false(info_of(&reader).made);
    close_reader(&reader);
}

static void expect_no_begin(const struct nki_push_params *params, const char *text, int32_t status)
{
    struct peer_pub pub;
    struct reader reader = open_reader(params);
    peer_expect(reader.peer, LOOKS "d", &pub);
    answer(&reader, &pub, text);
    assert_int_equal(nki_op_result(reader.op, NULL, NULL), status);
    assert_int_equal(reason_of(&reader), status);
    close_reader(&reader);
}

static void test_no_begin(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        int32_t status;
    } rows[] = {
        {"nonsense", NKI_PROTOCOL},
        {"[]", NKI_PROTOCOL},
        {"{}", NKI_PROTOCOL},
        {GONE, NKI_CONSUMER_NOT_FOUND},
        {"{\"error\":{\"code\":404,\"err_code\":10059}}", NKI_STREAM_NOT_FOUND},
        {"{\"stream_name\":\"S\",\"name\":\"d\",\"config\":{}}", NKI_ALREADY_EXISTS},
        {"{\"stream_name\":\"S\",\"name\":\"d\",\"config\":{\"deliver_subject\":\"a b\"}}", NKI_PROTOCOL},
        {"{\"stream_name\":\"a.b\",\"name\":\"d\",\"config\":{\"deliver_subject\":\"a\"}}", NKI_PROTOCOL},
        {"{\"stream_name\":\"S\",\"name\":\"d\",\"config\":{\"deliver_subject\":\"a\"},\"push_bound\":true}",
         NKI_BUSY},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        expect_no_begin(&(struct nki_push_params){.stream = NKI_STR("S"),
                                                  .subject = NKI_STR(""),
                                                  .consumer = NKI_STR("d"),
                                                  .durable = true,
                                                  .bind = true},
                        rows[i].answer, rows[i].status);
    }
    expect_no_begin(
        &(struct nki_push_params){.stream = NKI_STR("S"),
                                  .subject = NKI_STR(""),
                                  .consumer = NKI_STR("d"),
                                  .wanted = NKI_STR("{\"max_deliver\":3}"),
                                  .durable = true},
        "{\"stream_name\":\"S\",\"name\":\"d\",\"config\":{\"deliver_subject\":\"a\",\"max_deliver\":4}}",
        NKI_ALREADY_EXISTS);
}

static void test_deadline(void **state)
{
    (void)state;
    struct reader reader = open_reader(&(struct nki_push_params){
        .stream = NKI_STR("S"), .subject = NKI_STR(""), .deadline_ns = RIG_MS(1000000)});
    (void)expect_make(&reader);
    peer_pass(reader.peer, 1000000);
    assert_int_equal(nki_op_result(reader.op, NULL, NULL), NKI_TIMEOUT);
    assert_int_equal(reason_of(&reader), NKI_TIMEOUT);
    peer_read(reader.peer);
    assert_int_equal(peer_sid(reader.peer, reader.deliver), 0);
    close_reader(&reader);
}

/* -- what happens to it ---------------------------------------------------------------------------------- */

/* A new one without a name, live. */
static struct reader open_live(bool notices)
{
    struct peer_pub pub;
    struct reader reader = open_reader(
        &(struct nki_push_params){.stream = NKI_STR("S"), .subject = NKI_STR(""), .notices = notices});
    pub = expect_make(&reader);
    answer_info(&reader, &pub, ",\"delivered\":{\"consumer_seq\":0,\"stream_seq\":4},\"num_pending\":0");
    assert_int_equal(nki_op_result(reader.op, NULL, NULL), NKI_OK);
    return reader;
}

static void test_flow_control(void **state)
{
    (void)state;
    struct peer_pub pub;
    unsigned types = 0;
    struct reader reader = open_live(false);
    assert_true(say(&reader, "$JS.FC.1", "NATS/1.0 100 FlowControl Request\r\n\r\n"));
    peer_expect(reader.peer, "$JS.FC.1", &pub); /* nothing waits */
    deliver(&reader, 5, 1);
    assert_true(say(&reader, "$JS.FC.2", "NATS/1.0 100 FlowControl Request\r\n\r\n"));
    peer_expect_none(reader.peer);
    assert_int_equal(take(&reader, &types), 1);
    peer_expect(reader.peer, "$JS.FC.2", &pub);
    deliver(&reader, 6, 2); /* the request, or its answer, is lost: a heartbeat asks again */
    assert_true(say(&reader, "", "NATS/1.0 100 Idle Heartbeat\r\nNats-Consumer-Stalled: $JS.FC.3\r\n\r\n"));
    peer_expect_none(reader.peer);
    assert_int_equal(take(&reader, &types), 1);
    peer_expect(reader.peer, "$JS.FC.3", &pub);
    assert_true(say(&reader, "", "NATS/1.0 100 Idle Heartbeat\r\nNats-Consumer-Stalled: a b\r\n\r\n"));
    peer_expect_none(reader.peer);
    assert_int_equal(info_of(&reader).flows, 2);
    close_reader(&reader);
}

static void test_lost_and_unknown(void **state)
{
    (void)state;
    struct reader reader = open_live(false);
    deliver(&reader, 5, 1);
    assert_true(say(&reader, "", "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 4\r\n\r\n"));
    assert_true(say(&reader, "", "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 4\r\n\r\n"));
    assert_true(say(&reader, "", "NATS/1.0 777 What\r\n\r\n"));
    assert_true(peer_send(reader.peer, reader.deliver, reader.deliver, "", "", "hello"));
    struct nki_push_info info = info_of(&reader);
    assert_int_equal(info.lost, 3);
    assert_int_equal(info.unknown, 2);
    assert_int_equal(info.msgs, 1);
    close_reader(&reader);
}

/* Silence: it is asked for, and is there, does not answer, or has vanished. */
static void test_silence(void **state)
{
    (void)state;
    struct peer_pub pub;
    unsigned types = 0;
    struct reader reader = open_live(true);
    deliver(&reader, 5, 1);
    peer_pass(reader.peer, 2 * BEAT_MS);
    peer_expect(reader.peer, LOOKS, &pub);
    answer_info(&reader, &pub, "");
    assert_int_equal(info_of(&reader).missed, 1);
    assert_true(info_of(&reader).live);
    peer_pass(reader.peer, 2 * BEAT_MS);
    peer_expect(reader.peer, LOOKS, &pub);
    answer(&reader, &pub, GONE);
    pub = expect_make(&reader);
    assert_non_null(strstr(pub.data, "\"opt_start_seq\":5")); /* it may not be acked */
    answer_info(&reader, &pub, "");
    assert_int_equal(info_of(&reader).recreated, 1);
    assert_int_equal(take(&reader, &types), 1);
    assert_true((types & 1u << NKI_NOTICE_HEARTBEATS_MISSED) &&
                (types & 1u << NKI_NOTICE_CONSUMER_NOT_FOUND) && (types & 1u << NKI_NOTICE_RECREATED));
    deliver(&reader, 5, 1);
    types = 0;
    assert_int_equal(take(&reader, &types), 1);
    assert_true(types == 1u << NKI_NOTICE_RESUMED);
    close_reader(&reader);
}

/* Nobody answers for it, three times: it is made elsewhere. Nothing has come, so it begins where the first
 * stood.
 */
static void test_no_answers(void **state)
{
    (void)state;
    struct peer_pub pub;
    char before[128];
    struct reader reader = open_live(true);
    snprintf(before, sizeof before, "%s", reader.name);
    peer_pass(reader.peer, 2 * BEAT_MS);
    peer_expect(reader.peer, LOOKS, &pub);
    peer_pass(reader.peer, 5000); /* too late */
    peer_pass(reader.peer, 250);
    peer_expect(reader.peer, LOOKS, &pub);
    assert_true(peer_send(reader.peer, pub.reply, pub.reply, "", "NATS/1.0 503\r\n\r\n", ""));
    peer_pass(reader.peer, 500);
    peer_expect(reader.peer, LOOKS, &pub);
    answer(&reader, &pub, "{\"error\":{\"code\":503,\"err_code\":10008}}");
    peer_expect(reader.peer, "$JS.API.CONSUMER.DELETE.S.", &pub);
    peer_pass(reader.peer, 1000);
    pub = expect_make(&reader);
    assert_string_not_equal(reader.name, before);
    assert_non_null(strstr(pub.data, "\"opt_start_seq\":5"));
    answer_info(&reader, &pub, "");
    assert_int_equal(info_of(&reader).recreated, 1);
    close_reader(&reader);
}

/* What came within the last ack_wait comes again, and what is older does not. */
static void test_window(void **state)
{
    (void)state;
    struct peer_pub pub;
    struct reader reader = open_live(false);
    for (unsigned i = 0; i < 4; i++) { /* at 0, 25, 50 and 75 s */
        deliver(&reader, 5 + i, 1 + i);
        for (unsigned beats = 0; i < 3 && beats < 25; beats++) {
            peer_pass(reader.peer, BEAT_MS);
            assert_true(say(&reader, "", "NATS/1.0 100 Idle Heartbeat\r\n\r\n"));
        }
    }
    peer_cut(reader.peer);
    peer_expect(reader.peer, LOOKS, &pub);
    answer(&reader, &pub, GONE);
    pub = expect_make(&reader);
    assert_non_null(strstr(pub.data, "\"deliver_policy\":\"by_start_sequence\",\"opt_start_seq\":5"));
    answer_info(&reader, &pub, "");
    for (unsigned beats = 0; beats < 70; beats++) {
        peer_pass(reader.peer, BEAT_MS);
        assert_true(say(&reader, "", "NATS/1.0 100 Idle Heartbeat\r\n\r\n"));
    }
    deliver(&reader, 20, 1);
    peer_cut(reader.peer);
    peer_expect(reader.peer, LOOKS, &pub);
    answer(&reader, &pub, GONE);
    pub = expect_make(&reader);
    assert_non_null(strstr(pub.data, "\"opt_start_seq\":20"));
    close_reader(&reader);
}

static void test_deleted(void **state)
{
    (void)state;
    struct reader reader = open_live(false);
    assert_true(say(&reader, "", "NATS/1.0 409 Leadership Change\r\n\r\n"));
    assert_true(info_of(&reader).live);
    assert_true(say(&reader, "", "NATS/1.0 409 Consumer Deleted\r\n\r\n"));
    assert_int_equal(reason_of(&reader), NKI_CONSUMER_DELETED);
    close_reader(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found_and_made), cmocka_unit_test(test_a_faster_one),
        cmocka_unit_test(test_no_begin),       cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_flow_control),   cmocka_unit_test(test_lost_and_unknown),
        cmocka_unit_test(test_silence),        cmocka_unit_test(test_no_answers),
        cmocka_unit_test(test_window),         cmocka_unit_test(test_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
