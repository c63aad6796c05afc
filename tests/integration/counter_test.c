/* Counters on a real server: adding, sums of any size, repeated messages, reading them and what they have of
 * other streams, streams that count nothing. */
#include "js_bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static natskit_conn conn;
static natskit_js js;

static int begin(void **state)
{
    (void)state;
    conn = bench_connect();
    js = jb_open(conn);
    jb_do(js, "stream.create",
          "{'config':{'name':'A','subjects':['n.>'],'storage':'memory','allow_msg_counter':true,"
          "'allow_direct':true}}");
    return 0;
}

static int end(void **state)
{
    (void)state;
    jb_do(js, "stream.delete", "{'stream':'A'}");
    assert_ok(natskit_js_close(js));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    return 0;
}

static void expect_sum(natskit_msg *ack, const char *digits)
{
    natskit_pub_ack view;
    assert_ok(natskit_msg_pub_ack(ack, &view, sizeof view));
    assert_int_equal(view.value_len, strlen(digits));
    assert_memory_equal(view.value, digits, view.value_len);
    assert_ok(natskit_msg_release(ack));
}

static void add(const char *subject, const char *by, const char *sum)
{
    natskit_msg *ack;
    natskit_error err = {0};
    int32_t outcome;
    natskit_status status =
        natskit_js_increment(js, subject, Z, by, Z, NO_HEADERS, WAIT_MS, &ack, &outcome, &err);
    if (status != NATSKIT_OK) {
        print_error("%s\n", err.text);
    }
    assert_ok(status);
    assert_int_equal(outcome, NATSKIT_OUTCOME_DONE);
    expect_sum(ack, sum);
}

static void test_sums(void **state)
{
    (void)state;
    add("n.a", "5", "5");
    add("n.a", "+2", "7");
    add("n.a", "-10", "-3");
    add("n.a", "0", "-3");
    add("n.b", "1", "1");
    add("n.a", "100000000000000000000000000000000000", "99999999999999999999999999999999997");
    natskit_op op;
    natskit_msg *ack;
    assert_ok(natskit_js_increment_start(js, "n.b", Z, "41", Z, NO_HEADERS, NO_OPTIONS, WAIT_MS, &op, NULL));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_take_msg(op, &ack));
    expect_sum(ack, "42");
    assert_ok(natskit_op_close(op));
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *digits;
        int64_t number;
    } rows[] = {{"0", 0},
                {"-0", 0},
                {"+17", 17},
                {"-17", -17},
                {"0000000000000000000000000000005", 5},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775807", -INT64_MAX},
                {"-9223372036854775808", INT64_MIN}};
    static const char *const greater[] = {"9223372036854775808", "-9223372036854775809",
                                          "18446744073709551616", "100000000000000000000000000000000000"};
    int64_t number;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_ok(natskit_counter_int(rows[i].digits, Z, &number));
        assert_true(number == rows[i].number);
    }
    for (size_t i = 0; i < sizeof greater / sizeof greater[0]; i++) {
        assert_status(natskit_counter_int(greater[i], Z, &number), NATSKIT_LIMIT);
    }
}

/* With an id it is counted once. */
static void test_repeated(void **state)
{
    (void)state;
    natskit_headers headers;
    natskit_msg *ack;
    natskit_pub_ack view;
    assert_ok(natskit_headers_open(&headers));
    assert_ok(natskit_headers_add(headers, "Nats-Msg-Id", Z, "once", Z, NULL));
    for (int i = 0; i < 2; i++) {
        assert_ok(natskit_js_increment(js, "n.a", Z, "5", Z, headers, WAIT_MS, &ack, NULL, NULL));
        assert_ok(natskit_msg_pub_ack(ack, &view, sizeof view));
        assert_int_equal(view.duplicate, i);
        expect_sum(ack, "5");
    }
    add("n.a", "1", "6");
    assert_ok(natskit_js_increment(js, "n.a", Z, "5", Z, headers, WAIT_MS, &ack, NULL, NULL));
    expect_sum(ack, "6"); /* as it is by now */
    natskit_error err = {0};
    assert_ok(natskit_headers_add(headers, NATSKIT_HEADER_INCREMENT, Z, "+1", Z, NULL));
    assert_status(natskit_js_increment(js, "n.a", Z, "5", Z, headers, WAIT_MS, &ack, NULL, &err),
                  NATSKIT_INVALID);
    assert_non_null(strstr(err.text, "Nats-Incr"));
    assert_ok(natskit_headers_close(headers));
}

static uint64_t copied;

static bool is_copied(void *unused)
{
    (void)unused;
    natskit_json info = jb_call(js, "stream.info", "{'stream':'SUM'}");
    uint64_t count = jb_number(info, "/state/last_seq");
    assert_ok(natskit_json_close(info));
    return count >= copied;
}

/* The value and what it has of which stream, of a stored message and of a delivered one. */
static void expect_read(natskit_msg *msg, const char *value, const char *sources)
{
    const char *digits;
    size_t len;
    natskit_json json;
    assert_ok(natskit_msg_counter(msg, &digits, &len));
    assert_int_equal(len, strlen(value));
    assert_memory_equal(digits, value, len);
    if (sources == NULL) {
        natskit_error err;
        assert_status(natskit_msg_counter_sources(msg, &json, &err), NATSKIT_NOT_FOUND);
        assert_int_equal(json.id, 0);
    } else {
        assert_ok(natskit_msg_counter_sources(msg, &json, NULL));
        assert_at(json, "", sources);
        assert_ok(natskit_json_close(json));
    }
    assert_ok(natskit_msg_release(msg));
}

static natskit_msg *last_of(const char *stream, uint32_t flags)
{
    natskit_msg *msg;
    assert_ok(natskit_js_get_msg(js, stream, Z, 0, "n.a", Z, 0, flags, WAIT_MS, &msg, NULL));
    return msg;
}

static void test_sources(void **state)
{
    (void)state;
    jb_do(js, "stream.create",
          "{'config':{'name':'SUM','sources':[{'name':'A'}],'storage':'memory','allow_msg_counter':true,"
          "'allow_direct':true}}");
    add("n.a", "5", "5");
    add("n.a", "-8", "-3");
    copied = 2;
    jb_wait(is_copied, NULL);
    for (uint32_t flags = 0; flags <= NATSKIT_GET_BY_LEADER; flags += NATSKIT_GET_BY_LEADER) {
        expect_read(last_of("A", flags), "-3", NULL);
        expect_read(last_of("SUM", flags), "-3", "{'A':{'n.a':'-3'}}");
    }
    natskit_sub sub;
    natskit_msg *msg;
    assert_ok(natskit_js_ordered(js, "SUM", Z, NO_OPTIONS, &sub, NULL));
    assert_ok(natskit_sub_next(sub, WAIT_MS, &msg));
    expect_read(msg, "5", "{'A':{'n.a':'5'}}");
    assert_ok(natskit_sub_close(sub));
    jb_do(js, "stream.delete", "{'stream':'SUM'}");
}

/* A stream of a server that knows no counters stores it as any other message. */
static void test_no_counter(void **state)
{
    (void)state;
    natskit_error err = {0};
    int32_t outcome;
    natskit_sub old;
    natskit_op op;
    natskit_msg *msg;
    static const char ack[] = "{\"stream\":\"OLD\",\"seq\":7}";
    jb_do(js, "stream.create", "{'config':{'name':'PLAIN','subjects':['p'],'storage':'memory'}}");
    assert_status(natskit_js_increment(js, "p", Z, "5", Z, NO_HEADERS, WAIT_MS, NULL, &outcome, &err),
                  NATSKIT_COUNTER_REFUSED);
    assert_int_equal(err.err_code, 10168);
    assert_int_equal(outcome, NATSKIT_OUTCOME_REJECTED);
    jb_do(js, "stream.delete", "{'stream':'PLAIN'}");
    assert_ok(natskit_subscribe(conn, "old", Z, "", 0, NO_OPTIONS, &old, NULL));
    assert_ok(natskit_js_increment_start(js, "old", Z, "5", Z, NO_HEADERS, NO_OPTIONS, WAIT_MS, &op, NULL));
    assert_ok(natskit_sub_next(old, WAIT_MS, &msg));
    assert_ok(natskit_msg_respond(msg, NO_HEADERS, ack, sizeof ack - 1, WAIT_MS));
    assert_ok(natskit_msg_release(msg));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_status(natskit_op_result(op, &outcome, &err), NATSKIT_INVALID_ACK);
    assert_int_equal(outcome, NATSKIT_OUTCOME_UNKNOWN);
    assert_non_null(strstr(err.text, "stream OLD has stored it as sequence 7"));
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_sub_close(old));
}

/* Whoever answers first may name any stream: what is no name of one goes into no subject. */
static void test_answered_by_a_stranger(void **state)
{
    (void)state;
    natskit_error err = {0};
    int32_t outcome;
    natskit_sub sub;
    natskit_op op;
    natskit_msg *msg;
    static const char *const streams[] = {"A B", "X 0\\r\\n\\r\\nPUB victim 2\\r\\nhi\\r\\nPUB y", "A.>"};
    assert_ok(natskit_subscribe(conn, "strange", Z, "", 0, NO_OPTIONS, &sub, NULL));
    for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
        char ack[128];
        int len = snprintf(ack, sizeof ack, "{\"stream\":\"%s\",\"seq\":1,\"duplicate\":true}", streams[i]);
        assert_ok(
            natskit_js_increment_start(js, "strange", Z, "5", Z, NO_HEADERS, NO_OPTIONS, WAIT_MS, &op, NULL));
        assert_ok(natskit_sub_next(sub, WAIT_MS, &msg));
        assert_ok(natskit_msg_respond(msg, NO_HEADERS, ack, (size_t)len, WAIT_MS));
        assert_ok(natskit_msg_release(msg));
        assert_ok(natskit_op_wait(op, WAIT_MS));
        assert_status(natskit_op_result(op, &outcome, &err), NATSKIT_INVALID_ACK);
        assert_non_null(strstr(err.text, "name of a stream"));
        assert_int_equal(outcome, NATSKIT_OUTCOME_UNKNOWN);
        assert_ok(natskit_op_close(op));
    }
    assert_ok(natskit_sub_close(sub));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_sums),    TEST(test_numbers),    TEST(test_repeated),
        TEST(test_sources), TEST(test_no_counter), TEST(test_answered_by_a_stranger),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
