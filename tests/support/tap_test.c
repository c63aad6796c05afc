/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of nk-tap by its C client, in front of a small echo peer on a second thread that plays the server:
 * relaying, each fault, edits of INFO, the oracle's verdict. No nats-server is needed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four headers above it */
#include <cmocka.h>

#include "net.h"
#include "tap.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_LINE                                                                                         \
    "CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":false,\"lang\":\"c\",\"version\":\"0\"," \
    "\"protocol\":1,\"headers\":true,\"no_responders\":true}\r\n"
#define START CONNECT_LINE "PING\r\n"
#define INFO_LINE "INFO {\"server_id\":\"x\",\"max_payload\":1000,\"headers\":true} \r\n"

enum { WAIT_MS = 10000 };

/* One relayed connection: the test is client and server in turn. */
struct pair {
    int listener;
    uint16_t port;
    struct ts_tap *tap;
    int client;
    int server;
};

static void open_pair(struct pair *p)
{
    p->client = ts_connect_raw(ts_tap_port(p->tap), WAIT_MS);
    assert_true(p->client >= 0);
    p->server = accept(p->listener, NULL, NULL);
    assert_true(p->server >= 0);
    assert_true(ts_tap_wait_stat(p->tap, "open", 1, WAIT_MS));
}

static void close_pair(struct pair *p)
{
    close(p->client);
    close(p->server);
    assert_true(ts_tap_wait_stat_is(p->tap, "open", 0, WAIT_MS));
}

static int setup(void **state)
{
    char url[64];
    struct pair *p = ts_alloc(sizeof *p);
    *p = (struct pair){.client = -1, .server = -1};
    p->listener = ts_listen("127.0.0.1", &p->port);
    snprintf(url, sizeof url, "nats://127.0.0.1:%u", p->port);
    p->tap = ts_tap_start(url);
    *state = p;
    return p->listener >= 0 && p->tap ? 0 : -1;
}

static int teardown(void **state)
{
    struct pair *p = *state;
    close(p->listener);
    ts_tap_stop(p->tap);
    free(p);
    return 0;
}

static void expect(int fd, const char *text)
{
    char got[8192];
    size_t len = strlen(text), used = 0;
    while (used < len) {
        long n = ts_receive(fd, got + used, len - used, WAIT_MS);
        if (n <= 0) {
            print_error("expected \"%s\", got %ld after \"%.*s\"\n", text, n, (int)used, got);
            fail();
        }
        used += (size_t)n;
    }
    assert_memory_equal(got, text, len);
}

static void relay(int from, int to, const char *text)
{
    assert_true(ts_send_text(from, text));
    expect(to, text);
}

static void test_relay_and_stats(void **state)
{
    struct pair *p = *state;
    open_pair(p);
    relay(p->server, p->client, INFO_LINE);
    relay(p->client, p->server,
          START "SUB a.> q 1\r\nPUB a.b 5\r\nhello\r\nHPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n");
    relay(p->server, p->client, "PONG\r\nMSG a.b 1 5\r\nhello\r\nMSG a.b 1 6\r\nPONG\r\n\r\nPING\r\n");
    relay(p->client, p->server, "PONG\r\nUNSUB 1\r\n");
    assert_int_equal(ts_tap_stat(p->tap, "connections"), 1);
    assert_int_equal(ts_tap_stat(p->tap, "pub"), 1);
    assert_int_equal(ts_tap_stat(p->tap, "hpub"), 1);
    assert_int_equal(ts_tap_stat(p->tap, "pub_bytes"), 19);
    assert_int_equal(ts_tap_stat(p->tap, "sub"), 1);
    assert_int_equal(ts_tap_stat(p->tap, "subs_live"), 0);
    assert_int_equal(ts_tap_stat(p->tap, "server_msg"), 2);
    assert_int_equal(ts_tap_stat(p->tap, "server_pong"), 1);
    close_pair(p);
    assert_int_equal(ts_tap_stat(p->tap, "pong"), 1);
    assert_null(ts_tap_check(p->tap));
    assert_int_equal(ts_tap_stop(p->tap), 0);
    p->tap = NULL;
}

static void test_violation_is_reported(void **state)
{
    struct pair *p = *state;
    open_pair(p);
    print_message("(violations follow on standard error: they are expected)\n");
    relay(p->client, p->server, START "PUB a..b 0\r\n\r\n");
    const char *error = ts_tap_check(p->tap);
    assert_non_null(error);
    assert_non_null(strstr(error, "connection 1: byte"));
    assert_non_null(strstr(error, "an empty token"));
    close_pair(p);
    assert_int_equal(ts_tap_stop(p->tap), 1);
    p->tap = NULL;
}

/* max_payload as the client saw it, after the edit. */
static void test_edit_info(void **state)
{
    struct pair *p = *state;
    assert_true(ts_tap_command(p->tap, "edit-info max_payload 100"));
    assert_true(ts_tap_command(p->tap, "edit-info connect_urls [\"a:1\", \"b:2\"]"));
    assert_true(ts_tap_command(p->tap, "edit-info server_id"));
    assert_false(ts_tap_command(p->tap, "edit-info ldm tru"));
    for (size_t cut = 0; cut < sizeof INFO_LINE - 1; cut += 7) {
        open_pair(p);
        assert_true(ts_send_all(p->server, INFO_LINE, cut, WAIT_MS));
        assert_true(ts_send_all(p->server, &INFO_LINE[cut], sizeof INFO_LINE - 1 - cut, WAIT_MS));
        expect(p->client,
               "INFO {\"max_payload\":100,\"headers\":true,\"connect_urls\":[\"a:1\", \"b:2\"]} \r\n");
        relay(p->client, p->server, START);
        relay(p->server, p->client, "MSG INFO 1 8\r\nINFO {}\r\r\n");
        close_pair(p);
    }
    assert_null(ts_tap_check(p->tap));
    open_pair(p);
    relay(p->server, p->client, "-ERR 'x'\r\n");
    assert_true(ts_send_text(p->server, INFO_LINE));
    expect(p->client, "INFO {\"max_payload\":100");
    relay(p->client, p->server, START "PUB a 101\r\n");
    assert_non_null(strstr(ts_tap_check(p->tap), "max_payload 100"));
    close_pair(p);
}

/* Injected text waits for the end of the frame that is on its way. */
static void test_inject(void **state)
{
    struct pair *p = *state;
    open_pair(p);
    relay(p->server, p->client, INFO_LINE);
    assert_true(ts_tap_command(p->tap, "inject -ERR 'x'\\r\\n"));
    expect(p->client, "-ERR 'x'\r\n");
    relay(p->server, p->client, "MSG a 1 10\r\n01234");
    assert_true(ts_tap_command(p->tap, "inject PING\\r\\n"));
    assert_true(ts_send_text(p->server, "56789\r\nMSG b 1 0\r\n\r\n"));
    expect(p->client, "56789\r\nPING\r\nMSG b 1 0\r\n\r\n");
    relay(p->server, p->client, "MSG a");
    assert_true(ts_tap_command(p->tap, "inject \\x2bOK\\r\\n"));
    assert_true(ts_send_text(p->server, " 1 1\r\nx\r\n"));
    expect(p->client, " 1 1\r\nx\r\n+OK\r\n");
    assert_false(ts_tap_command(p->tap, "inject \\q"));
    close_pair(p);
}

static void test_drop_pong(void **state)
{
    struct pair *p = *state;
    open_pair(p);
    relay(p->server, p->client, INFO_LINE);
    assert_true(ts_tap_command(p->tap, "drop-pong 2"));
    assert_true(ts_send_text(p->server, "PONG\r\nPING\r\nPO"));
    expect(p->client, "PING\r\n");
    assert_true(ts_send_text(p->server, "NG\r\n+OK\r\nPONG\r\n"));
    expect(p->client, "+OK\r\nPONG\r\n");
    close_pair(p);
}

static void test_split_and_delay(void **state)
{
    struct pair *p = *state;
    char got[64];
    open_pair(p);
    assert_true(ts_tap_command(p->tap, "down split 1 2000"));
    assert_true(ts_send_text(p->server, "INFO {}\r\n"));
    size_t reads = 0;
    for (size_t used = 0; used < 9; reads++) {
        long n = ts_receive(p->client, got, sizeof got, WAIT_MS);
        assert_true(n > 0);
        used += (size_t)n;
    }
    assert_true(reads > 2); /* nine writes, 2 ms apart: a slow reader may find some together */
    assert_true(ts_tap_command(p->tap, "clear"));
    assert_true(ts_tap_command(p->tap, "split 3"));
    relay(p->client, p->server, START);
    assert_true(ts_tap_command(p->tap, "clear"));
    assert_true(ts_tap_command(p->tap, "up delay 200"));
    int64_t start = ts_now_ms();
    relay(p->server, p->client, "PONG\r\n");
    relay(p->client, p->server, "PING\r\n");
    assert_true(ts_now_ms() - start >= 199);
    assert_true(ts_tap_command(p->tap, "up delay 60000"));
    assert_true(ts_send_text(p->client, "PING\r\n"));
    assert_int_equal(ts_receive(p->server, got, sizeof got, 50), -2);
    assert_true(ts_tap_command(p->tap, "clear"));
    expect(p->server, "PING\r\n");
    close_pair(p);
    assert_null(ts_tap_check(p->tap));
}

static void test_throttle(void **state)
{
    struct pair *p = *state;
    struct ts_buf text = {0};
    open_pair(p);
    assert_true(ts_tap_command(p->tap, "down throttle 20k"));
    ts_buf_printf(&text, "MSG a 1 4000\r\n%04000d\r\n", 7);
    int64_t start = ts_now_ms();
    relay(p->server, p->client, text.at);
    int64_t took = ts_now_ms() - start;
    if (took < 150 || took > 5000) {
        print_error("4 KB at 20 KB/s took %lld ms\n", (long long)took);
        fail();
    }
    ts_buf_free(&text);
    close_pair(p);
}

static void test_stall_and_blackhole(void **state)
{
    struct pair *p = *state;
    char got[64];
    assert_true(ts_tap_command(p->tap, "new down stall on"));
    open_pair(p);
    assert_true(ts_send_text(p->server, "INFO {}\r\n"));
    relay(p->client, p->server, START);
    assert_int_equal(ts_receive(p->client, got, sizeof got, 50), -2);
    assert_true(ts_tap_command(p->tap, "down stall off"));
    expect(p->client, "INFO {}\r\n");
    assert_true(ts_tap_command(p->tap, "live up blackhole on"));
    relay(p->server, p->client, "PING\r\n");
    assert_true(ts_send_text(p->client, "PONG\r\n"));
    assert_true(ts_tap_wait_stat(p->tap, "pong", 1, WAIT_MS));
    assert_int_equal(ts_receive(p->server, got, sizeof got, 50), -2);
    assert_true(ts_tap_command(p->tap, "up blackhole off"));
    relay(p->client, p->server, "PING\r\n");
    close_pair(p);
}

/* A stalled direction makes the writer feel it. */
static void test_stall_pushes_back(void **state)
{
    struct pair *p = *state;
    static const char block[65536];
    open_pair(p);
    relay(p->server, p->client, INFO_LINE);
    relay(p->client, p->server, START);
    assert_true(ts_tap_command(p->tap, "up stall on"));
    assert_true(ts_send_text(p->client, "PUB a 1000\r\n"));
    bool taken = true;
    for (int i = 0; taken && i < 1000; i++) {
        taken = ts_send_all(p->client, block, sizeof block, 200);
    }
    assert_false(taken);
    close(p->client); /* RST or FIN behind a stall: no violation, whatever was started */
    assert_true(ts_tap_command(p->tap, "cut"));
    close(p->server);
    assert_null(ts_tap_check(p->tap));
}

static void test_cuts(void **state)
{
    struct pair *p = *state;
    char got[4096];
    assert_true(ts_tap_command(p->tap, "new down cut-after 9"));
    open_pair(p);
    assert_true(ts_send_text(p->server, "INFO {}\r\nPING\r\n"));
    assert_false(ts_receive_until(p->client, "PING", got, sizeof got, WAIT_MS));
    assert_string_equal(got, "INFO {}\r\n");
    assert_true(ts_wait_closed(p->server, WAIT_MS));
    close_pair(p);
    assert_true(ts_tap_command(p->tap, "clear"));

    open_pair(p);
    relay(p->server, p->client, "INFO {}\r\n");
    assert_true(ts_tap_command(p->tap, "down cut-in-msg"));
    assert_true(ts_send_text(p->server, "PING\r\nMSG a 1 0\r\n\r\nMSG a 1 10\r\n0123456789\r\n"));
    assert_false(ts_receive_until(p->client, "9\r\n", got, sizeof got, WAIT_MS));
    assert_string_equal(got, "PING\r\nMSG a 1 0\r\n\r\nMSG a 1 10\r\n012345");
    close_pair(p);

    open_pair(p);
    relay(p->client, p->server, START);
    assert_true(ts_tap_command(p->tap, "up cut-in-msg"));
    assert_true(ts_send_text(p->client, "SUB a 1\r\nPUB a 0\r\n\r\nPUB a 10\r\n0123456789\r\n"));
    assert_false(ts_receive_until(p->server, "9\r\n", got, sizeof got, WAIT_MS));
    assert_string_equal(got, "SUB a 1\r\nPUB a 0\r\n\r\nPUB a 10\r\n012345");
    close_pair(p);

    assert_true(ts_tap_command(p->tap, "clear")); /* or it counts for new connections, too */
    open_pair(p);                                 /* TLS: in the middle of whatever comes */
    relay(p->client, p->server, "\x16\x03\x01 hello");
    assert_true(ts_tap_command(p->tap, "down cut-in-msg"));
    assert_true(ts_send_text(p->server, "0123456789"));
    assert_false(ts_receive_until(p->client, "9", got, sizeof got, WAIT_MS));
    assert_string_equal(got, "01234");
    close_pair(p);
    assert_null(ts_tap_check(p->tap));
}

static void test_reset_halfclose(void **state)
{
    struct pair *p = *state;
    char got[64];
    open_pair(p);
    relay(p->client, p->server, START "PUB a 10\r\n01");
    assert_true(ts_tap_command(p->tap, "reset"));
    assert_int_equal(ts_receive(p->client, got, sizeof got, WAIT_MS), -1);
    assert_int_equal(ts_receive(p->server, got, sizeof got, WAIT_MS), -1);
    close_pair(p);
    open_pair(p);
    assert_true(ts_tap_command(p->tap, "halfclose"));
    assert_int_equal(ts_receive(p->client, got, sizeof got, WAIT_MS), 0);
    relay(p->client, p->server, START);
    close_pair(p);
    assert_null(ts_tap_check(p->tap));
}

/* What one side does by itself has to reach the other side in the same way. */
static void test_ends_are_passed_on(void **state)
{
    struct pair *p = *state;
    char got[64];
    open_pair(p);
    assert_true(ts_send_text(p->client, START));
    shutdown(p->client, SHUT_WR);
    expect(p->server, START);
    assert_int_equal(ts_receive(p->server, got, sizeof got, WAIT_MS), 0);
    relay(p->server, p->client, "PONG\r\n");
    close(p->server);
    assert_int_equal(ts_receive(p->client, got, sizeof got, WAIT_MS), 0);
    close(p->client);
    assert_true(ts_tap_wait_stat_is(p->tap, "open", 0, WAIT_MS));
    open_pair(p);
    ts_close_reset(p->server);
    assert_int_equal(ts_receive(p->client, got, sizeof got, WAIT_MS), -1);
    close(p->client);
    assert_null(ts_tap_check(p->tap));
    /* a client that ends inside a frame by itself is wrong */
    open_pair(p);
    relay(p->client, p->server, START "PUB a 10\r\n01");
    close(p->client);
    assert_int_equal(ts_receive(p->server, got, sizeof got, WAIT_MS), 0);
    close(p->server);
    assert_non_null(strstr(ts_tap_check(p->tap), "ended inside a PUB"));
    assert_true(ts_tap_command(p->tap, "forgive"));
    assert_true(ts_tap_command(p->tap, "allow-partial on"));
    open_pair(p);
    relay(p->client, p->server, START "PUB a 10\r\n01");
    close(p->client);
    assert_int_equal(ts_receive(p->server, got, sizeof got, WAIT_MS), 0);
    close(p->server);
    assert_null(ts_tap_check(p->tap));
}

static void test_refuse_and_target(void **state)
{
    struct pair *p = *state;
    uint16_t other = 0;
    int second = ts_listen("127.0.0.1", &other);
    open_pair(p);
    assert_true(ts_tap_command(p->tap, "refuse on"));
    assert_int_equal(ts_connect_raw(ts_tap_port(p->tap), 1000), -1);
    relay(p->client, p->server, START); /* open connections stay */
    assert_true(ts_tap_command(p->tap, "refuse off"));
    assert_true(ts_tap_command(p->tap, "target 127.0.0.1:%u", other));
    int fd = ts_connect_raw(ts_tap_port(p->tap), WAIT_MS);
    int peer = accept(second, NULL, NULL);
    relay(peer, fd, "INFO {}\r\n");
    close(fd);
    close(peer);
    close(second);
    /* nobody listens there any more: the client is reset */
    fd = ts_connect_raw(ts_tap_port(p->tap), WAIT_MS);
    assert_true(ts_wait_closed(fd, WAIT_MS));
    close(fd);
    assert_true(ts_tap_wait_stat(p->tap, "failed", 1, WAIT_MS));
    close_pair(p);
}

static void test_opaque_streams(void **state)
{
    struct pair *p = *state;
    static const char hello[] = "\x16\x03\x01\x02";
    open_pair(p);
    relay(p->server, p->client, INFO_LINE);
    relay(p->client, p->server, hello);
    relay(p->server, p->client, "\x15no nats\nMSG a 1 99\r\n");
    close_pair(p);
    assert_int_equal(ts_tap_stat(p->tap, "opaque"), 1);
    assert_null(ts_tap_check(p->tap));
}

/* A frame with a mask of `mask` four times. */
static void relay_frame(struct pair *p, char first, char mask, const char *content)
{
    char frame[200];
    size_t len = strlen(content);
    frame[0] = first;
    frame[1] = (char)(0x80 | (char)len);
    memset(frame + 2, mask, 4);
    for (size_t i = 0; i < len; i++) {
        frame[6 + i] = (char)(content[i] ^ mask);
    }
    frame[6 + len] = '\0'; /* no byte before it is one */
    relay(p->client, p->server, frame);
}

/* What is in the frames is held to the protocol, and the frames to theirs. */
static void test_websocket(void **state)
{
    struct pair *p = *state;
    open_pair(p);
    relay(p->client, p->server, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    relay(p->server, p->client, "HTTP/1.1 101 x\r\n\r\n\x82\x07+OK...");
    char half[sizeof START] = START;
    half[100] = '\0';
    relay_frame(p, '\x82', 1, half);
    relay_frame(p, '\x8a', 2, "pong");
    relay_frame(p, '\x82', 3, &START[100]);
    assert_null(ts_tap_check(p->tap));
    assert_int_equal(ts_tap_stat(p->tap, "ping"), 1);
    relay_frame(p, '\x82', 3, "PING\r\n");
    assert_non_null(strstr(ts_tap_check(p->tap), "the same mask"));
    close_pair(p);
}

static void test_websocket_content(void **state)
{
    struct pair *p = *state;
    open_pair(p);
    relay(p->client, p->server, "GET / HTTP/1.1\r\n\r\n");
    relay_frame(p, '\x82', 1, "HELLO\r\n");
    assert_non_null(ts_tap_check(p->tap));
    close_pair(p);
}

static void test_wrong_commands(void **state)
{
    struct pair *p = *state;
    static const char *const wrong[] = {"nonsense",
                                        "split",
                                        "split x",
                                        "delay -1",
                                        "up",
                                        "conn 0 cut",
                                        "target x",
                                        "throttle",
                                        "stall maybe",
                                        "cut-after many",
                                        "refuse 5",
                                        "drop-pong x",
                                        "edit-info",
                                        "up inject x",
                                        "all new",
                                        "target 127.0.0.1:99999",
                                        ""};
    print_message("(refused commands follow: they are expected)\n");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(ts_tap_command(p->tap, "%s", wrong[i]));
    }
    assert_true(ts_tap_command(p->tap, "list"));
    assert_string_equal(ts_tap_answer(p->tap), "ok");
}

#define WITH_TAP(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TAP(test_relay_and_stats),   WITH_TAP(test_violation_is_reported),
        WITH_TAP(test_edit_info),         WITH_TAP(test_inject),
        WITH_TAP(test_drop_pong),         WITH_TAP(test_split_and_delay),
        WITH_TAP(test_throttle),          WITH_TAP(test_stall_and_blackhole),
        WITH_TAP(test_stall_pushes_back), WITH_TAP(test_cuts),
        WITH_TAP(test_reset_halfclose),   WITH_TAP(test_ends_are_passed_on),
        WITH_TAP(test_refuse_and_target), WITH_TAP(test_opaque_streams),
        WITH_TAP(test_websocket),         WITH_TAP(test_websocket_content),
        WITH_TAP(test_wrong_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
