/* Push consumers on a real server: how they are found and made, what is delivered under load, what they
 * survive and what ends them. */
#include "js_bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static natskit_conn conn;   /* of the subscriptions, through the tap */
static natskit_conn writer; /* straight to the server */
static natskit_js js;
static natskit_js writer_js;
static char stream[16]; /* another one for each test, with subjects "<stream>.>" */
static char all[24];    /* "<stream>.>" */

static natskit_conn connect_fast(const char *url)
{
    natskit_conn made;
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    assert_ok(natskit_options_set(options, "reconnect_wait_ms", Z, "20", Z, NULL));
    assert_ok(natskit_options_set(options, "reconnect_wait_max_ms", Z, "100", Z, NULL));
    assert_ok(natskit_connect(url, Z, options, WAIT_MS, &made, NULL));
    assert_ok(natskit_options_close(options));
    return made;
}

static void make_stream(const char *storage)
{
    jb_do(writer_js, "stream.create", "{'config':{'name':'%s','subjects':['%s.>'],'storage':'%s'}}", stream,
          stream, storage);
}

static int begin(void **state)
{
    (void)state;
    static int count;
    (void)snprintf(stream, sizeof stream, "U%d", ++count);
    (void)snprintf(all, sizeof all, "%s.>", stream);
    conn = connect_fast(ts_tap_url(bench.tap));
    writer = connect_fast(ts_server_url(bench.server));
    js = jb_open(conn);
    writer_js = jb_open(writer);
    return 0;
}

static int end(void **state)
{
    (void)state;
    assert_ok(natskit_js_close(js));
    assert_ok(natskit_js_close(writer_js));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_conn_close(writer, WAIT_MS));
    return 0;
}

/* Stores `count` messages of subject "<stream>.m" with their number, from `first` on, as data. */
static void store(unsigned first, unsigned count)
{
    char subject[32];
    char data[16];
    (void)snprintf(subject, sizeof subject, "%s.m", stream);
    for (unsigned i = first; i < first + count; i++) {
        (void)snprintf(data, sizeof data, "%u", i);
        assert_ok(natskit_js_publish(writer_js, subject, Z, NO_HEADERS, data, strlen(data), WAIT_MS, NULL,
                                     NULL, NULL));
    }
}

/* -- subscribing ----------------------------------------------------------------------------------------- */

static natskit_options options_of(const char *const *pairs)
{
    natskit_options options;
    natskit_error err = {0};
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_PUSH, &options));
    for (; *pairs != NULL; pairs += 2) {
        natskit_status status = natskit_options_set(options, pairs[0], Z, pairs[1], Z, &err);
        if (status != NATSKIT_OK) {
            print_error("%s\n", err.text);
        }
        assert_ok(status);
    }
    return options;
}

static natskit_status try_with(const char *const *pairs, natskit_sub *sub, natskit_error *err)
{
    natskit_options options = options_of(pairs);
    natskit_status status = natskit_js_subscribe(js, all, Z, options, WAIT_MS, sub, err);
    assert_ok(natskit_options_close(options));
    return status;
}

static natskit_sub open_with(const char *const *pairs)
{
    natskit_sub sub;
    natskit_error err = {0};
    natskit_status status = try_with(pairs, &sub, &err);
    if (status != NATSKIT_OK) {
        print_error("subscribe: %s\n", err.text);
    }
    assert_ok(status);
    return sub;
}
#define OPEN(...) open_with((const char *const[]){__VA_ARGS__, NULL})

static void refuses(const char *const *pairs, natskit_status wanted, const char *text)
{
    natskit_sub sub;
    natskit_error err = {0};
    natskit_status status = try_with(pairs, &sub, &err);
    assert_int_equal(sub.id, 0);
    if (status != wanted || strstr(err.text, text) == NULL) {
        print_error("%d: %s\n", status, err.text);
    }
    assert_status(status, wanted);
    assert_non_null(strstr(err.text, text));
}
#define REFUSES(status, text, ...) refuses((const char *const[]){__VA_ARGS__, NULL}, status, text)

static natskit_push_info info_of(natskit_sub sub)
{
    natskit_push_info info = {0};
    assert_ok(natskit_sub_push_info(sub, &info, sizeof info));
    return info;
}

/* -- taking ---------------------------------------------------------------------------------------------- */

static natskit_msg *take(natskit_sub sub)
{
    natskit_msg *msg;
    natskit_status status = natskit_sub_next(sub, WAIT_MS, &msg);
    if (status == NATSKIT_END) {
        natskit_error err = {0};
        status = natskit_sub_reason(sub, &err);
        print_error("it has ended: %d, %s\n", status, err.text);
    }
    assert_ok(status);
    return msg;
}

static unsigned number_of(const natskit_msg *msg)
{
    natskit_message_view view = {0};
    char text[16] = "";
    assert_ok(natskit_msg_view(msg, &view, sizeof view));
    assert_int_equal(view.kind, NATSKIT_MSG_MESSAGE);
    assert_true(view.data_len < sizeof text);
    memcpy(text, view.data, view.data_len);
    return (unsigned)strtoul(text, NULL, 10);
}

/* The next message is this one; acks it. */
static void expect(natskit_sub sub, unsigned number)
{
    natskit_msg *msg = take(sub);
    assert_int_equal(number_of(msg), number);
    assert_ok(natskit_msg_ack(msg));
    assert_ok(natskit_msg_release(msg));
}

static void expect_status(natskit_sub sub, int32_t type)
{
    natskit_status_view view = {0};
    natskit_msg *msg = take(sub);
    assert_ok(natskit_msg_status(msg, &view, sizeof view));
    assert_int_equal(view.type, type);
    assert_ok(natskit_msg_release(msg));
}

static natskit_error expect_end(natskit_sub sub, natskit_status reason)
{
    natskit_msg *msg;
    natskit_error err = {0};
    assert_status(natskit_sub_next(sub, WAIT_MS, &msg), NATSKIT_END);
    natskit_status got = natskit_sub_reason(sub, &err);
    if (got != reason) {
        print_error("ended: %d, %s\n", err.err_code, err.text);
    }
    assert_status(got, reason);
    assert_ok(natskit_sub_close(sub));
    return err;
}

static uint64_t consumers(void)
{
    natskit_json info = jb_call(writer_js, "stream.info", "{'stream':'%s'}", stream);
    uint64_t count = jb_number(info, "/state/consumer_count");
    assert_ok(natskit_json_close(info));
    return count;
}

static bool no_consumers(void *arg)
{
    (void)arg;
    return consumers() == 0;
}

/* -- how it is made -------------------------------------------------------------------------------------- */

static void test_new_one(void **state)
{
    (void)state;
    natskit_sub sub;
    make_stream("memory");
    store(1, 2);
    assert_ok(natskit_js_subscribe(js, all, Z, NO_OPTIONS, WAIT_MS, &sub, NULL));
    expect(sub, 1);
    expect(sub, 2);
    store(3, 1);
    expect(sub, 3);
    natskit_push_info info = info_of(sub);
    assert_string_equal(info.stream, stream);
    assert_int_equal(info.msgs, 3);
    assert_int_equal(info.live, 1);
    assert_int_equal(info.made, 1);
    natskit_json answer =
        jb_call(writer_js, "consumer.info", "{'stream':'%s','consumer':'%s'}", stream, info.consumer);
    assert_at(answer, "/config/ack_policy", "'explicit'");
    assert_at(answer, "/config/flow_control", "true");
    assert_at(answer, "/config/idle_heartbeat", "5000000000");
    assert_ok(natskit_json_close(answer));
    assert_ok(natskit_sub_close(sub));
    jb_wait(no_consumers, NULL);
}

/* Each option arrives as the member of the configuration that it is. */
static void test_options(void **state)
{
    (void)state;
    make_stream("memory");
    store(1, 3);
    natskit_sub sub = OPEN(
        "durable", "d", "deliver_subject", "to.me", "opt_start_seq", "2", "ack_policy", "all", "ack_wait_ms",
        "5000", "max_deliver", "4", "max_ack_pending", "7", "replay_policy", "original", "rate_limit_bps",
        "1000000", "sample_percent", "30", "headers_only", "true", "heartbeat_ms", "700", "flow_control",
        "true", "inactive_threshold_ms", "90000", "num_replicas", "1", "mem_storage", "true", "description",
        "why", "config", "{\"metadata\":{\"a\":\"b\"},\"backoff\":[1000000000,2000000000]}");
    natskit_json info = jb_call(writer_js, "consumer.info", "{'stream':'%s','consumer':'d'}", stream);
    assert_at(info, "/config/durable_name", "'d'");
    assert_at(info, "/config/deliver_subject", "'to.me'");
    assert_at(info, "/config/deliver_policy", "'by_start_sequence'");
    assert_at(info, "/config/opt_start_seq", "2");
    assert_at(info, "/config/ack_policy", "'all'");
    assert_at(info, "/config/max_deliver", "4");
    assert_at(info, "/config/max_ack_pending", "7");
    assert_at(info, "/config/replay_policy", "'original'");
    assert_at(info, "/config/rate_limit_bps", "1000000");
    assert_at(info, "/config/sample_freq", "'30%'");
    assert_at(info, "/config/headers_only", "true");
    assert_at(info, "/config/idle_heartbeat", "700000000");
    assert_at(info, "/config/flow_control", "true");
    assert_at(info, "/config/inactive_threshold", "90000000000");
    assert_at(info, "/config/num_replicas", "1");
    assert_at(info, "/config/mem_storage", "true");
    assert_at(info, "/config/description", "'why'");
    assert_at(info, "/config/metadata/a", "'b'");
    assert_at(info, "/config/backoff", "[1000000000,2000000000]");
    assert_at(info, "/config/filter_subject",
              "'"
              "U2.>"
              "'");
    assert_ok(natskit_json_close(info));
    natskit_msg *msg = take(sub);
    natskit_delivery_view delivery = {0};
    assert_ok(natskit_msg_delivery(msg, &delivery, sizeof delivery));
    assert_int_equal(delivery.stream_seq, 2);
    assert_ok(natskit_msg_release(msg));
    assert_ok(natskit_sub_close(sub));
    assert_int_equal(consumers(), 1); /* durable: it stays */
}

static bool is_unbound(void *arg)
{
    (void)arg;
    natskit_json info = jb_call(writer_js, "consumer.info", "{'stream':'%s','consumer':'d'}", stream);
    bool bound = strcmp(jb_at(info, "/push_bound"), "true") == 0;
    assert_ok(natskit_json_close(info));
    return !bound;
}

/* It is used again by whoever wants it as it is, one at a time. */
static void test_durable(void **state)
{
    (void)state;
    make_stream("memory");
    REFUSES(NATSKIT_CONSUMER_NOT_FOUND, "consumer not found", "durable", "d", "bind", "true");
    natskit_sub sub = OPEN("durable", "d", "ack_wait_ms", "20000");
    store(1, 2);
    expect(sub, 1);
    REFUSES(NATSKIT_BUSY, "another subscription is bound to consumer d", "durable", "d");
    expect(sub, 2);
    assert_ok(natskit_sub_drain(sub, WAIT_MS, NULL));
    assert_ok(natskit_sub_close(sub));
    jb_wait(is_unbound, NULL);
    REFUSES(NATSKIT_ALREADY_EXISTS, "consumer d exists with another ack_wait", "durable", "d", "ack_wait_ms",
            "1000");
    REFUSES(NATSKIT_ALREADY_EXISTS, "exists with another deliver_policy", "durable", "d", "deliver_policy",
            "new");
    REFUSES(NATSKIT_ALREADY_EXISTS, "exists with another metadata", "durable", "d", "config",
            "{\"metadata\":{\"a\":\"b\"}}");
    store(3, 1);
    sub = OPEN("durable", "d", "bind", "true", "ack_wait_ms", "20000", "deliver_policy", "all");
    expect(sub, 3);
    assert_int_equal(info_of(sub).made, 0);
    assert_ok(natskit_sub_close(sub));
    assert_int_equal(consumers(), 1);
    jb_wait(is_unbound, NULL);
    sub = OPEN("durable", "d", "destroy", "always");
    assert_ok(natskit_sub_close(sub));
    jb_wait(no_consumers, NULL);
}

static void test_wrong_kind(void **state)
{
    (void)state;
    make_stream("memory");
    jb_do(writer_js, "consumer.create",
          "{'stream':'%s','config':{'durable_name':'p','ack_policy':'explicit'}}", stream);
    REFUSES(NATSKIT_ALREADY_EXISTS, "consumer p exists, and is one that is pulled from", "durable", "p");
    natskit_error err = jb_fails(js, NATSKIT_ALREADY_EXISTS, "consumer.ensure",
                                 "{'stream':'%s','config':{'name':'p'},'push':true}", stream);
    assert_non_null(strstr(err.text, "pulled from"));
    natskit_json info = jb_call(js, "consumer.ensure",
                                "{'subject':'%s.x','config':{'durable_name':'p'},'push':false}", stream);
    assert_at(info, "/name", "'p'");
    assert_ok(natskit_json_close(info));
    info = jb_call(js, "consumer.ensure",
                   "{'subject':'%s.x','config':{'durable_name':'q'},'defaults':{'ack_policy':'explicit'}}",
                   stream);
    assert_at(info, "/config/ack_policy", "'explicit'");
    assert_ok(natskit_json_close(info));
    (void)jb_fails(js, NATSKIT_STREAM_NOT_FOUND, "consumer.ensure", "{'subject':'no.where','config':{}}");
    (void)jb_fails(js, NATSKIT_INVALID, "consumer.ensure", "{'config':{}}");
    (void)jb_fails(js, NATSKIT_INVALID, "consumer.ensure", "{'stream':'%s'}", stream);
    (void)jb_fails(js, NATSKIT_INVALID, "consumer.ensure", "{'stream':'%s','config':{},'bind':true}", stream);
}

static void test_queue(void **state)
{
    enum { COUNT = 200 };
    (void)state;
    bool seen[COUNT + 1] = {0};
    unsigned shares[2] = {0, 0};
    make_stream("memory");
    natskit_sub subs[2] = {OPEN("queue", "workers"), OPEN("queue", "workers")};
    assert_string_equal(info_of(subs[1]).consumer, "workers");
    assert_int_equal(info_of(subs[0]).made, 1);
    assert_int_equal(info_of(subs[1]).made, 0);
    store(1, COUNT);
    unsigned come = 0;
    int64_t end_ms = ts_now_ms() + WAIT_MS;
    while (come < COUNT) {
        assert_true(ts_now_ms() < end_ms);
        for (size_t i = 0; i < 2; i++) {
            natskit_msg *msg;
            if (natskit_sub_next(subs[i], 20, &msg) == NATSKIT_OK) {
                unsigned number = number_of(msg);
                assert_false(seen[number]);
                seen[number] = true;
                shares[i]++;
                come++;
                assert_ok(natskit_msg_ack(msg));
                assert_ok(natskit_msg_release(msg));
            }
        }
    }
    assert_true(shares[0] > 0 && shares[1] > 0);
    assert_ok(natskit_sub_close(subs[0]));
    assert_ok(natskit_sub_close(subs[1]));
    REFUSES(NATSKIT_ALREADY_EXISTS, "exists with another deliver_group", "durable", "workers", "queue",
            "others");
}

static void test_bad_options(void **state)
{
    (void)state;
    make_stream("memory");
    REFUSES(NATSKIT_INVALID, "option queue: it excludes flow_control and heartbeats", "queue", "q",
            "flow_control", "true");
    REFUSES(NATSKIT_INVALID, "option queue: it excludes", "queue", "q", "heartbeat_ms", "1000");
    REFUSES(NATSKIT_INVALID, "option flow_control: it needs heartbeats", "flow_control", "true",
            "heartbeat_ms", "0");
    REFUSES(NATSKIT_INVALID, "option heartbeat_ms: 99 is less than 100", "heartbeat_ms", "99");
    REFUSES(NATSKIT_INVALID, "option bind: it needs durable or name", "bind", "true");
    REFUSES(NATSKIT_INVALID, "options durable and name: only one", "durable", "a", "name", "b");
    REFUSES(NATSKIT_INVALID, "option durable: \"a.b\" holds one of", "durable", "a.b");
    REFUSES(NATSKIT_INVALID, "option stream: \"a b\" holds a blank", "stream", "a b");
    REFUSES(NATSKIT_INVALID, "option deliver_subject: \"a.*\"", "deliver_subject", "a.*");
    REFUSES(NATSKIT_INVALID, "option subjects: \"a..b\" has an empty token", "subjects", "a..b");
    REFUSES(NATSKIT_INVALID, "option opt_start_time: \"noon\" is no time", "opt_start_time", "noon");
    REFUSES(NATSKIT_INVALID, "only one may be given", "opt_start_time", "2026-01-02T03:04:05Z",
            "opt_start_seq", "1");
    REFUSES(NATSKIT_INVALID, "option config: ", "config", "{");
    REFUSES(NATSKIT_INVALID, "option config is no JSON object", "config", "[]");
    REFUSES(NATSKIT_JS_REFUSED, "", "config", "{\"nonsense\":1}");
    assert_int_equal(consumers(), 0);
}

static void test_start(void **state)
{
    (void)state;
    natskit_sub sub;
    natskit_op op;
    natskit_msg *msg;
    natskit_json info;
    make_stream("memory");
    assert_ok(natskit_js_subscribe_start(js, all, Z, NO_OPTIONS, WAIT_MS, &sub, &op, NULL));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_json(op, &info, NULL));
    assert_at(info, "/config/flow_control", "true");
    assert_ok(natskit_json_close(info));
    assert_ok(natskit_op_close(op));
    store(1, 1);
    expect(sub, 1);
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_js_subscribe_start(js, "no.where", Z, NO_OPTIONS, WAIT_MS, &sub, &op, NULL));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_status(natskit_op_json(op, &info, NULL), NATSKIT_STREAM_NOT_FOUND);
    assert_ok(natskit_op_close(op));
    assert_status(natskit_sub_next(sub, WAIT_MS, &msg), NATSKIT_END);
    (void)expect_end(sub, NATSKIT_STREAM_NOT_FOUND);
}

/* -- load ------------------------------------------------------------------------------------------------ */

struct stalled {
    natskit_sub sub;
    uint64_t pending;
    uint64_t beats;
};

/* The server has stopped while nothing is taken: signs of life come, and nothing else. */
static bool has_stalled(void *arg)
{
    struct stalled *stalled = arg;
    natskit_sub_stats queue = {0};
    assert_ok(natskit_sub_stats_get(stalled->sub, &queue, sizeof queue));
    uint64_t beats = info_of(stalled->sub).heartbeats;
    if (queue.pending_msgs != stalled->pending) {
        stalled->pending = queue.pending_msgs;
        stalled->beats = beats;
    }
    return stalled->pending > 0 && beats >= stalled->beats + 2;
}

/* Far more than a server may have on its way, taken slowly at first: nothing is dropped, in order. */
static void test_flow_control(void **state)
{
    enum { COUNT = 60000, SIZE = 1024 };
    (void)state;
    char subject[32];
    char data[SIZE];
    make_stream("memory");
    memset(data, ' ', sizeof data);
    (void)snprintf(subject, sizeof subject, "%s.m", stream);
    for (unsigned i = 1; i <= COUNT; i++) {
        (void)snprintf(data, sizeof data, "%u", i);
        assert_ok(natskit_publish(writer, subject, Z, NULL, 0, NO_HEADERS, data, sizeof data, WAIT_MS));
    }
    assert_ok(natskit_flush(writer, WAIT_MS));
    natskit_sub sub = OPEN("ack_policy", "none", "heartbeat_ms", "200");
    natskit_sub_stats queue = {0};
    struct stalled stalled = {.sub = sub};
    jb_wait(has_stalled, &stalled);
    assert_ok(natskit_sub_stats_get(sub, &queue, sizeof queue));
    assert_true(queue.pending_msgs < COUNT);
    for (unsigned i = 1; i <= COUNT; i++) {
        natskit_msg *msg = take(sub);
        natskit_message_view view = {0};
        assert_ok(natskit_msg_view(msg, &view, sizeof view));
        assert_int_equal(strtoul(view.data, NULL, 10), i);
        assert_ok(natskit_msg_release(msg));
    }
    assert_ok(natskit_sub_stats_get(sub, &queue, sizeof queue));
    assert_int_equal(queue.dropped_msgs, 0);
    natskit_push_info info = info_of(sub);
    assert_true(info.flow_requests > 0);
    assert_int_equal(info.lost, 0);
    assert_int_equal(info.unknown, 0);
    assert_ok(natskit_sub_close(sub));
}

/* -- what it survives, and what ends it ------------------------------------------------------------------ */

static void test_restart(void **state)
{
    (void)state;
    make_stream("file");
    natskit_sub sub = OPEN("durable", "d", "heartbeat_ms", "500");
    store(1, 2);
    expect(sub, 1);
    expect(sub, 2);
    for (unsigned i = 0; i < 2; i++) {
        if (i == 1) {
            ts_server_kill(bench.server);
        }
        assert_true(ts_server_restart(bench.server));
        jb_wait_ready(writer_js);
        store(2 * i + 3, 2);
        for (unsigned next = 2 * i + 3; next < 2 * i + 5;) {
            natskit_msg *msg = take(sub);
            unsigned number = number_of(msg);
            assert_true(number <= next); /* an ack may have been lost with the server */
            next += number == next;
            assert_ok(natskit_msg_ack(msg));
            assert_ok(natskit_msg_release(msg));
        }
    }
    assert_int_equal(info_of(sub).recreated, 0);
    assert_ok(natskit_sub_close(sub));
}

static bool is_recreated(void *arg)
{
    natskit_push_info info = info_of(*(natskit_sub *)arg);
    return info.recreated == 1 && info.live == 1;
}

static void delete_consumer(natskit_sub sub)
{
    jb_do(writer_js, "consumer.delete", "{'stream':'%s','consumer':'%s'}", stream, info_of(sub).consumer);
}

/* It has vanished while there was no connection: a new one begins with what may not have been acked. */
static void test_vanished(void **state)
{
    (void)state;
    make_stream("memory");
    natskit_sub acked = OPEN("status_events", "true");
    natskit_sub plain = OPEN("ack_policy", "none");
    natskit_sub durable = OPEN("durable", "d");
    store(1, 3);
    for (unsigned i = 1; i <= 3; i++) {
        expect(plain, i);
        expect(durable, i);
        natskit_msg *msg = take(acked);
        assert_int_equal(number_of(msg), i);
        assert_ok(natskit_msg_release(msg));
    }
    assert_true(ts_tap_command(bench.tap, "refuse on"));
    assert_true(ts_tap_command(bench.tap, "cut"));
    delete_consumer(acked);
    delete_consumer(plain);
    jb_do(writer_js, "consumer.delete", "{'stream':'%s','consumer':'d'}", stream);
    store(4, 1);
    assert_true(ts_tap_command(bench.tap, "refuse off"));
    bool told[NATSKIT_STATUS_RECREATED + 1] = {0};
    for (unsigned next = 1; next <= 4;) {
        natskit_status_view view = {0};
        natskit_msg *msg = take(acked);
        if (natskit_msg_status(msg, &view, sizeof view) == NATSKIT_OK) {
            assert_in_range(view.type, 1, NATSKIT_STATUS_RECREATED);
            told[view.type] = true;
        } else {
            assert_int_equal(number_of(msg), next++);
            assert_ok(natskit_msg_ack(msg));
        }
        assert_ok(natskit_msg_release(msg));
    }
    assert_true(told[NATSKIT_STATUS_CONSUMER_NOT_FOUND] && told[NATSKIT_STATUS_RESUMED]);
    if (!told[NATSKIT_STATUS_RECREATED]) { /* messages may come before the answer */
        expect_status(acked, NATSKIT_STATUS_RECREATED);
    }
    expect(plain, 4);
    jb_wait(is_recreated, &acked);
    jb_wait(is_recreated, &plain);
    natskit_error err = expect_end(durable, NATSKIT_CONSUMER_NOT_FOUND);
    assert_int_equal(err.err_code, 10014);
    assert_ok(natskit_sub_close(acked));
    assert_ok(natskit_sub_close(plain));
}

/* One that has delivered nothing begins where it stood: what came meanwhile is new to it. */
static void test_vanished_before_the_first(void **state)
{
    (void)state;
    make_stream("memory");
    store(1, 3);
    natskit_sub sub = OPEN("deliver_policy", "new");
    assert_true(ts_tap_command(bench.tap, "refuse on"));
    assert_true(ts_tap_command(bench.tap, "cut"));
    delete_consumer(sub);
    store(4, 2);
    assert_true(ts_tap_command(bench.tap, "refuse off"));
    expect(sub, 4);
    expect(sub, 5);
    jb_wait(is_recreated, &sub);
    assert_int_equal(info_of(sub).lost, 0);
    assert_ok(natskit_sub_close(sub));
}

/* Deleted under a connection: the server says so, or falls silent. */
static void test_deleted(void **state)
{
    (void)state;
    make_stream("memory");
    natskit_sub sub = OPEN("durable", "d", "heartbeat_ms", "200");
    store(1, 1);
    expect(sub, 1);
    delete_consumer(sub);
    natskit_msg *msg;
    assert_status(natskit_sub_next(sub, WAIT_MS, &msg), NATSKIT_END);
    natskit_status reason = natskit_sub_reason(sub, NULL);
    assert_true(reason == NATSKIT_CONSUMER_DELETED || reason == NATSKIT_CONSUMER_NOT_FOUND);
    assert_ok(natskit_sub_close(sub));
    sub = OPEN("heartbeat_ms", "200");
    expect(sub, 1);
    jb_do(writer_js, "stream.delete", "{'stream':'%s'}", stream);
    assert_status(natskit_sub_next(sub, WAIT_MS, &msg), NATSKIT_END);
    reason = natskit_sub_reason(sub, NULL);
    assert_true(reason == NATSKIT_CONSUMER_DELETED || reason == NATSKIT_STREAM_NOT_FOUND);
    assert_ok(natskit_sub_close(sub));
}

static void test_max_msgs(void **state)
{
    (void)state;
    make_stream("memory");
    store(1, 5);
    natskit_sub sub = OPEN("max_msgs", "3");
    for (unsigned i = 1; i <= 3; i++) {
        expect(sub, i);
    }
    (void)expect_end(sub, NATSKIT_MAX_REACHED);
}

/* What is no message of a consumer is counted, and not given out. */
static void test_strangers(void **state)
{
    (void)state;
    make_stream("memory");
    natskit_sub sub = OPEN("deliver_subject", "to.strangers");
    assert_ok(natskit_publish(writer, "to.strangers", Z, NULL, 0, NO_HEADERS, "x", 1, WAIT_MS));
    assert_ok(natskit_flush(writer, WAIT_MS));
    store(1, 1);
    expect(sub, 1);
    assert_int_equal(info_of(sub).unknown, 1);
    assert_ok(natskit_sub_close(sub));
}

/* A cluster leaves the question unanswered; one server does not. */
static void test_no_snapshot(void **state)
{
    (void)state;
    natskit_sub sub;
    natskit_json answer;
    natskit_op op;
    natskit_error err = {0};
    natskit_json args = jb_json("{'stream':'NONE'}");
    assert_status(natskit_js_snapshot(js, args, WAIT_MS, &sub, &answer, &err), NATSKIT_STREAM_NOT_FOUND);
    assert_int_equal(sub.id, 0);
    assert_ok(natskit_js_snapshot_start(js, args, WAIT_MS, &sub, &op, NULL));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_status(natskit_op_json(op, &answer, NULL), NATSKIT_STREAM_NOT_FOUND);
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_json_close(args));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_new_one),
        TEST(test_options),
        TEST(test_durable),
        TEST(test_wrong_kind),
        TEST(test_queue),
        TEST(test_bad_options),
        TEST(test_start),
        TEST(test_flow_control),
        TEST(test_restart),
        TEST(test_vanished),
        TEST(test_vanished_before_the_first),
        TEST(test_deleted),
        TEST(test_max_msgs),
        TEST(test_strangers),
        TEST(test_no_snapshot),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
