/* Messages against a real server: order, wildcards, queue groups, headers, requests, limits, ends. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void test_wildcards(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    natskit_sub star = bench_subscribe(conn, "w.*.c", NULL);
    natskit_sub tail = bench_subscribe(conn, "w.>", NULL);
    bench_publish(conn, "w.b.c", "both");
    bench_publish(conn, "w.b", "tail only");
    bench_publish(conn, "w.x.c", "both again");
    bench_expect(star, "both");
    bench_expect(star, "both again");
    bench_expect(tail, "both");
    bench_expect(tail, "tail only");
    bench_expect(tail, "both again");
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_sub_close(star));
    assert_ok(natskit_sub_close(tail));
}

static void test_order_of_many(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    natskit_conn conn = bench_connect();
    natskit_sub sub = bench_subscribe(conn, "many", NULL);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_ok(natskit_publish(conn, "many", 4, NULL, 0, NO_HEADERS, &i, sizeof i, WAIT_MS));
    }
    for (uint32_t next = 0; next < COUNT;) {
        natskit_msg *msgs[100];
        size_t count;
        assert_ok(natskit_sub_next_batch(sub, msgs, 100, WAIT_MS, &count));
        for (size_t i = 0; i < count; i++, next++) {
            natskit_message_view view;
            assert_ok(natskit_msg_view(msgs[i], &view, sizeof view));
            assert_int_equal(view.data_len, sizeof next);
            assert_memory_equal(view.data, &next, sizeof next);
        }
        assert_ok(natskit_msg_release_batch(msgs, count));
    }
    natskit_msg *msg;
    assert_status(natskit_sub_next(sub, 0, &msg), NATSKIT_WOULD_BLOCK);
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_sub_close(sub));
}

/* Without pacing: what is not delivered is counted as dropped, exactly. */
static void test_slow_consumer_counts(void **state)
{
    (void)state;
    enum { COUNT = 20000, LIMIT = 1000 };
    natskit_options options;
    natskit_sub sub, events;
    natskit_conn conn = bench_connect();
    assert_ok(natskit_conn_events(conn, NO_OPTIONS, &events, NULL));
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_SUBSCRIBE, &options));
    assert_ok(natskit_options_set_int(options, "pending_msgs_limit", Z, LIMIT, NULL));
    assert_ok(natskit_subscribe(conn, "slow", Z, NULL, 0, options, &sub, NULL));
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_ok(natskit_publish(conn, "slow", 4, NULL, 0, NO_HEADERS, &i, sizeof i, WAIT_MS));
    }
    assert_ok(natskit_flush(conn, WAIT_MS));
    natskit_sub_stats stats;
    assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
    assert_int_equal(stats.received, COUNT);
    assert_int_equal(stats.pending_msgs, LIMIT);
    assert_int_equal(stats.dropped_msgs, COUNT - LIMIT);
    bench_expect_event(events, NATSKIT_EVENT_SLOW_CONSUMER);
    for (uint32_t i = 0; i < LIMIT; i++) { /* the oldest were kept */
        natskit_msg *msg;
        natskit_message_view view;
        assert_ok(natskit_sub_next(sub, 0, &msg));
        assert_ok(natskit_msg_view(msg, &view, sizeof view));
        assert_memory_equal(view.data, &i, sizeof i);
        assert_ok(natskit_msg_release(msg));
    }
    assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
    assert_int_equal(stats.received, stats.taken + stats.pending_msgs + stats.dropped_msgs);
    assert_ok(natskit_options_close(options));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_sub_close(events));
}

static void test_headers(void **state)
{
    (void)state;
    static const char *const names[] = {"Key", "key", "Key", "Empty"};
    static const char *const values[] = {"one", "other case", "two", ""};
    natskit_conn conn = bench_connect();
    natskit_sub sub = bench_subscribe(conn, "h", NULL);
    natskit_headers headers;
    natskit_msg *msg;
    const char *name, *value;
    size_t name_len, value_len;
    assert_ok(natskit_headers_open(&headers));
    for (size_t i = 0; i < 4; i++) {
        assert_ok(natskit_headers_add(headers, names[i], Z, values[i], Z, NULL));
    }
    assert_ok(natskit_publish(conn, "h", Z, "reply.to", Z, headers, "data", 4, WAIT_MS));
    assert_ok(natskit_sub_next(sub, WAIT_MS, &msg));
    for (size_t i = 0; i < 4; i++) {
        assert_ok(natskit_msg_header_at(msg, i, &name, &name_len, &value, &value_len));
        assert_int_equal(name_len, strlen(names[i]));
        assert_memory_equal(name, names[i], name_len);
        assert_int_equal(value_len, strlen(values[i]));
        assert_memory_equal(value, values[i], value_len);
    }
    assert_status(natskit_msg_header_at(msg, 4, &name, &name_len, &value, &value_len), NATSKIT_NOT_FOUND);
    assert_ok(natskit_msg_header(msg, "Key", Z, NATSKIT_MATCH_EXACT, 1, &value, &value_len));
    assert_memory_equal(value, "two", 3);
    assert_ok(natskit_msg_header(msg, "KEY", Z, NATSKIT_MATCH_IGNORE_CASE, 1, &value, &value_len));
    assert_memory_equal(value, "other case", 10);
    natskit_message_view view;
    assert_ok(natskit_msg_view(msg, &view, sizeof view));
    assert_memory_equal(view.reply, "reply.to", 8);
    assert_ok(natskit_msg_release(msg));
    assert_ok(natskit_headers_close(headers));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_sub_close(sub));
}

static void test_no_responders_and_timeout(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    natskit_sub deaf = bench_subscribe(conn, "deaf", NULL);
    natskit_msg *msg;
    natskit_error err;
    assert_status(natskit_request(conn, "nobody", Z, NO_HEADERS, NULL, 0, WAIT_MS, &msg, &err),
                  NATSKIT_NO_RESPONDERS);
    assert_null(msg);
    assert_status(natskit_request(conn, "deaf", Z, NO_HEADERS, NULL, 0, 20, &msg, &err), NATSKIT_TIMEOUT);
    /* The late reply finds nobody and is counted. */
    natskit_msg *request;
    natskit_conn_stats stats = {0};
    assert_ok(natskit_sub_next(deaf, WAIT_MS, &request));
    assert_ok(natskit_msg_respond(request, NO_HEADERS, "late", 4, WAIT_MS));
    assert_ok(natskit_msg_release(request));
    assert_ok(natskit_flush(conn, WAIT_MS));
    assert_ok(natskit_conn_stats_get(conn, &stats, sizeof stats));
    assert_int_equal(stats.late_replies, 1);
    assert_int_equal(stats.requests, 0);
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_sub_close(deaf));
}

/* Many requests in flight on one connection, answered by another: each gets its own reply. */
static void test_requests_in_flight(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    natskit_conn asker = bench_connect();
    natskit_conn answerer = bench_connect();
    natskit_sub service = bench_subscribe(answerer, "echo", NULL);
    natskit_op ops[COUNT];
    assert_ok(natskit_flush(answerer, WAIT_MS));
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_ok(natskit_request_start(asker, "echo", Z, NO_HEADERS, &i, sizeof i, NO_OPTIONS, WAIT_MS,
                                        &ops[i], NULL));
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        natskit_msg *msg;
        natskit_message_view view;
        assert_ok(natskit_sub_next(service, WAIT_MS, &msg));
        assert_ok(natskit_msg_view(msg, &view, sizeof view));
        assert_ok(natskit_msg_respond(msg, NO_HEADERS, view.data, view.data_len, WAIT_MS));
        assert_ok(natskit_msg_release(msg));
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        natskit_msg *msg;
        natskit_message_view view;
        assert_ok(natskit_op_wait(ops[i], WAIT_MS));
        assert_ok(natskit_op_take_msg(ops[i], &msg));
        assert_ok(natskit_msg_view(msg, &view, sizeof view));
        assert_memory_equal(view.data, &i, sizeof i);
        assert_ok(natskit_msg_release(msg));
        assert_ok(natskit_op_close(ops[i]));
    }
    assert_ok(natskit_sub_close(service));
    assert_ok(natskit_conn_close(asker, WAIT_MS));
    assert_ok(natskit_conn_close(answerer, WAIT_MS));
}

static void test_sizes(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    natskit_sub sub = bench_subscribe(conn, "size", NULL);
    natskit_conn_info info;
    assert_ok(natskit_conn_info_get(conn, &info, sizeof info));
    size_t max = (size_t)info.max_payload;
    char *data = malloc(max + 1);
    assert_non_null(data);
    for (size_t i = 0; i <= max; i++) {
        data[i] = (char)(i * 31 + i / 251);
    }
    const size_t sizes[] = {0, 1, 127, 4096, 16384 - 60, 16385, 32768, 65536, 300001, max};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        natskit_msg *msg;
        natskit_message_view view;
        assert_ok(natskit_publish(conn, "size", Z, NULL, 0, NO_HEADERS, data, sizes[i], WAIT_MS));
        assert_ok(natskit_sub_next(sub, WAIT_MS, &msg));
        assert_ok(natskit_msg_view(msg, &view, sizeof view));
        assert_int_equal(view.data_len, sizes[i]);
        assert_true(sizes[i] == 0 || memcmp(view.data, data, sizes[i]) == 0);
        assert_ok(natskit_msg_release(msg));
    }
    assert_status(natskit_publish(conn, "size", Z, NULL, 0, NO_HEADERS, data, max + 1, WAIT_MS),
                  NATSKIT_TOO_LARGE);
    free(data);
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_sub_close(sub));
}

static void test_unsubscribe_after_max(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    natskit_sub sub = bench_subscribe(conn, "max", NULL);
    natskit_msg *msg;
    natskit_sub_stats stats;
    assert_ok(natskit_sub_unsubscribe(sub, 3));
    for (int i = 0; i < 5; i++) {
        bench_publish(conn, "max", "m");
    }
    assert_ok(natskit_flush(conn, WAIT_MS));
    for (int i = 0; i < 3; i++) {
        bench_expect(sub, "m");
    }
    assert_status(natskit_sub_next(sub, WAIT_MS, &msg), NATSKIT_END);
    assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
    assert_int_equal(stats.reason, NATSKIT_MAX_REACHED);
    assert_int_equal(stats.received, 3);
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_sub_close(sub));
}

/* What is queued, counters and the reason stay readable after the parent was closed. */
static void test_child_after_parent(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    natskit_sub sub = bench_subscribe(conn, "child", NULL);
    natskit_msg *msg;
    bench_publish(conn, "child", "kept");
    assert_ok(natskit_flush(conn, WAIT_MS));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    bench_expect(sub, "kept");
    assert_status(natskit_sub_next(sub, WAIT_MS, &msg), NATSKIT_END);
    natskit_sub_stats stats;
    assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
    assert_int_equal(stats.reason, NATSKIT_CLOSED);
    assert_status(natskit_publish(conn, "child", Z, NULL, 0, NO_HEADERS, NULL, 0, 0), NATSKIT_CLOSED);
    assert_ok(natskit_sub_close(sub));
    assert_status(natskit_sub_close(sub), NATSKIT_CLOSED);
}

/* Another client that writes nonsense cannot cut this one's connection: decision 0007. */
static void test_odd_publisher(void **state)
{
    (void)state;
    static const char odd[] =
        "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true,\"protocol\":1}\r\n"
        "PUB odd.\x01 1\r\n1\r\nPUB odd.a\rb 1\r\n2\r\nPUB odd.x \x02 1\r\n3\r\n"
        "HPUB odd.h 3 4\r\nabc4\r\nHPUB odd.h 12 13\r\nGARBAGE12345"
        "5\r\nPING\r\n";
    natskit_conn conn = bench_connect();
    natskit_sub sub = bench_subscribe(conn, "odd.>", NULL);
    assert_ok(natskit_flush(conn, WAIT_MS));
    int fd = ts_connect_raw(ts_server_port(bench.server), WAIT_MS);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, odd, sizeof odd - 1), sizeof odd - 1);
    for (char data[2] = "1"; data[0] <= '5'; data[0]++) {
        bench_expect(sub, data);
    }
    close(fd);
    natskit_conn_stats stats;
    assert_ok(natskit_flush(conn, WAIT_MS));
    assert_ok(natskit_conn_stats_get(conn, &stats, sizeof stats));
    assert_int_equal(stats.reconnects, 0);
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_sub_close(sub));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wildcards),
        cmocka_unit_test(test_order_of_many),
        cmocka_unit_test(test_slow_consumer_counts),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_no_responders_and_timeout),
        cmocka_unit_test(test_requests_in_flight),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_unsubscribe_after_max),
        cmocka_unit_test(test_child_after_parent),
        cmocka_unit_test(test_odd_publisher),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
