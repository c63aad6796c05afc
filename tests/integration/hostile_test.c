/* The handshake against a server that cuts, stalls or sends garbage at each byte of it, over real sockets:
 * connecting ends with an error by its deadline, and nothing is left behind. Beside it a few things that a
 * broken server does to a connection that stands. The scripted server's own oracle reads what we write. */
#include "bench.h"

#include "support/scripted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char info[] =
    "INFO "
    "{\"server_id\":\"A\",\"version\":\"2.15.1\",\"max_payload\":1048576,\"proto\":1,\"headers\":true}\r\n";
static const char pong[] = "PONG\r\n";

enum fault { CUT, GARBAGE, STALL };

static void append_hex(char *script, size_t cap, const char *bytes, size_t len)
{
    size_t at = strlen(script);
    at += (size_t)snprintf(script + at, cap - at, ">hex");
    for (size_t i = 0; i < len; i++) {
        at += (size_t)snprintf(script + at, cap - at, " %02x", (uint8_t)bytes[i]);
    }
    snprintf(script + at, cap - at, "\n");
}

/* A script that sends the greeting up to byte `at` and then does wrong. */
static void write_script(char *script, size_t cap, size_t at, enum fault fault)
{
    const size_t info_len = sizeof info - 1;
    snprintf(script, cap, "accept\n");
    if (at < info_len) {
        if (at > 0) {
            append_hex(script, cap, info, at);
        }
    } else {
        append_hex(script, cap, info, info_len);
        strncat(script, "< CONNECT\n< PING\n", cap - strlen(script) - 1);
        if (at > info_len) {
            append_hex(script, cap, pong, at - info_len);
        }
    }
    const char *end = fault == CUT       ? "cut\n"
                      : fault == GARBAGE ? ">hex 00 ff 0d 0a\nwait-close\n"
                                         : "wait-close\n";
    strncat(script, end, cap - strlen(script) - 1);
}

static void try_handshake(size_t at, enum fault fault)
{
    char script[2048];
    natskit_conn conn;
    natskit_error err = {0};
    write_script(script, sizeof script, at, fault);
    struct ts_scripted *server = ts_scripted_start(script);
    assert_non_null(server);
    int64_t timeout_ms = fault == STALL ? 30 : WAIT_MS;
    int64_t begin = ts_now_ms();
    natskit_status status = natskit_connect(ts_scripted_url(server), Z, NO_OPTIONS, timeout_ms, &conn, &err);
    int64_t took = ts_now_ms() - begin;
    bool right = fault == STALL
                     ? status == NATSKIT_TIMEOUT
                     : status == NATSKIT_DISCONNECTED || status == NATSKIT_PROTOCOL || status == NATSKIT_IO;
    if (!right || took > timeout_ms + 10000 || err.text[0] == '\0') {
        fail_msg("byte %zu, fault %d: status %d after %lld ms: %s", at, (int)fault, (int)status,
                 (long long)took, err.text);
    }
    assert_int_equal(conn.id, 0);
    (void)ts_scripted_stop(server);
}

static void test_cut_at_each_byte(void **state)
{
    (void)state;
    for (size_t at = 0; at < sizeof info - 1 + sizeof pong - 1; at++) {
        try_handshake(at, CUT);
    }
}

static void test_garbage_at_each_byte(void **state)
{
    (void)state;
    for (size_t at = 0; at < sizeof info - 1 + sizeof pong - 1; at++) {
        try_handshake(at, GARBAGE);
    }
}

static void test_stall_at_each_byte(void **state)
{
    (void)state;
    for (size_t at = 0; at < sizeof info - 1 + sizeof pong - 1; at++) {
        try_handshake(at, STALL);
    }
}

/* A frame that is not the protocol costs the transport, not the connection: it is made anew. */
static void test_garbage_on_a_live_connection(void **state)
{
    (void)state;
    struct ts_scripted *server =
        ts_scripted_start("handshake\n< SUB x\n> MSG x 1 nonsense\nwait-close\n"
                          "handshake\n< SUB x\n> MSG x 1 5\n> again\nserve until ctl\n");
    assert_non_null(server);
    natskit_conn conn;
    natskit_sub events;
    assert_ok(natskit_connect(ts_scripted_url(server), Z, NO_OPTIONS, WAIT_MS, &conn, NULL));
    assert_ok(natskit_conn_events(conn, NO_OPTIONS, &events, NULL));
    natskit_sub sub = bench_subscribe(conn, "x", NULL);
    bench_expect_event(events, NATSKIT_EVENT_DISCONNECTED);
    bench_expect_event(events, NATSKIT_EVENT_RECONNECTED);
    bench_expect(sub, "again");
    natskit_conn_info told;
    assert_ok(natskit_conn_info_get(conn, &told, sizeof told));
    assert_int_equal(told.reason, NATSKIT_PROTOCOL);
    assert_int_equal(told.epoch, 2);
    ts_scripted_proceed(server);
    assert_true(ts_scripted_wait(server, WAIT_MS));
    assert_ok(natskit_conn_close(conn, 0));
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_sub_close(events));
    assert_true(ts_scripted_stop(server));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_at_each_byte),
        cmocka_unit_test(test_garbage_at_each_byte),
        cmocka_unit_test(test_stall_at_each_byte),
        cmocka_unit_test(test_garbage_on_a_live_connection),
    };
    return cmocka_run_group_tests(tests, NULL, bench_check_clean);
}
