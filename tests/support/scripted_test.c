/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of the scripted server with a raw TCP client: each directive, what it says when a client does
 * something else, and faulty scripts. The script runs on its own thread, the client on the main one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four headers above it */
#include <cmocka.h>

#include "net.h"
#include "scripted.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECT_LINE                                                                                         \
    "CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":false,\"lang\":\"c\",\"version\":\"0\"," \
    "\"protocol\":1,\"headers\":true,\"no_responders\":true}\r\n"
#define START CONNECT_LINE "PING\r\n"

enum { WAIT_MS = 10000 };

static int client_of(struct ts_scripted *s)
{
    int fd = ts_connect_raw(ts_scripted_port(s), WAIT_MS);
    assert_true(fd >= 0);
    return fd;
}

static void expect(int fd, const char *text)
{
    char got[4096];
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

static int connected(struct ts_scripted *s)
{
    char got[2048];
    int fd = client_of(s);
    assert_true(ts_send_text(fd, START));
    assert_true(ts_receive_until(fd, "PONG\r\n", got, sizeof got, WAIT_MS));
    assert_memory_equal(got, "INFO {", 6);
    return fd;
}

static void assert_get(struct ts_scripted *s, const char *name, const char *value)
{
    char *got = ts_scripted_get(s, name, NULL);
    assert_non_null(got);
    assert_string_equal(got, value);
    free(got);
}

static void test_messages_and_captures(void **state)
{
    (void)state;
    struct ts_scripted *s = ts_scripted_start("# a whole conversation\n"
                                              "handshake\n"
                                              "< SUB foo.* workers as sub\n"
                                              "< PUB foo.bar @_INBOX.* =hello as pub\n"
                                              "> MSG foo.bar ${sub.sid} ${pub.reply} ${len}\\r\\n${payload}\n"
                                              "< HPUB x ~A:b =c d\n"
                                              "< UNSUB ${sub.sid} 5\n"
                                              "> -ERR 'x'\\\n"
                                              ">hex 0d 0A\n"
                                              "wait-close\n");
    assert_non_null(s);
    int fd = connected(s);
    assert_true(ts_send_text(fd, "SUB foo.* workers 17\r\nPUB foo.bar _INBOX.q.1 5\r\nhello\r\n"));
    expect(fd, "MSG foo.bar 17 _INBOX.q.1 5\r\nhello\r\n");
    assert_get(s, "sub.queue", "workers");
    assert_get(s, "pub.subject", "foo.bar");
    assert_null(ts_scripted_get(s, "nothing.sid", NULL));
    assert_true(ts_send_text(fd, "HPUB x 17 20\r\nNATS/1.0\r\nA:b\r\n\r\nc d\r\nUNSUB 17 5\r\n"));
    expect(fd, "-ERR 'x'\r\n");
    assert_get(s, "max", "5");
    close(fd);
    assert_true(ts_scripted_wait(s, WAIT_MS));
    assert_int_equal(ts_scripted_line(s), 0);
    assert_int_equal(ts_scripted_connections(s), 1);
    assert_true(ts_scripted_stop(s));
}

static void test_info(void **state)
{
    (void)state;
    char got[2048], part[64];
    struct ts_scripted *s = ts_scripted_start("info {\"max_payload\":10,\"nonce\":\"n\"}\n"
                                              "< CONNECT \"lang\":\"c\"\n"
                                              "< PING\n> PONG\n"
                                              "< PUB a\n"
                                              "wait-close\n");
    assert_non_null(s);
    int fd = client_of(s);
    assert_true(ts_receive_until(fd, "\r\n", got, sizeof got, WAIT_MS));
    snprintf(part, sizeof part, "\"port\":%u,", ts_scripted_port(s));
    assert_non_null(strstr(got, part));
    assert_non_null(strstr(got, "\"max_payload\":10,"));
    assert_non_null(strstr(got, "\"nonce\":\"n\"}"));
    assert_true(ts_send_text(fd, START "PUB a 11\r\nhello world\r\n"));
    assert_false(ts_scripted_wait(s, WAIT_MS));
    assert_non_null(strstr(ts_scripted_error(s), "max_payload 10"));
    close(fd);
    assert_false(ts_scripted_stop(s));
}

static void test_pong_auto_and_none(void **state)
{
    (void)state;
    struct ts_scripted *s = ts_scripted_start("handshake\npong-auto on\nexpect-none 100\n< PUB a\n<~ SUB b\n"
                                              "serve until ctl\nwait-close");
    assert_non_null(s);
    int fd = connected(s);
    for (int i = 0; i < 3; i++) {
        assert_true(ts_send_text(fd, "PING\r\n"));
        expect(fd, "PONG\r\n");
    }
    while (ts_scripted_line(s) < 4) {
        ts_pause_ms(2);
    }
    assert_true(ts_send_text(fd, "PUB a 0\r\n\r\nPUB b 0\r\n\r\nPING\r\nSUB a 1\r\nSUB b 2\r\n"));
    expect(fd, "PONG\r\n");
    assert_true(ts_send_text(fd, "PUB c 0\r\n\r\nPING\r\n"));
    expect(fd, "PONG\r\n");
    ts_scripted_proceed(s);
    close(fd);
    assert_true(ts_scripted_wait(s, WAIT_MS));
    assert_true(ts_scripted_stop(s));
}

static void test_ends_and_reconnects(void **state)
{
    (void)state;
    char got[64];
    struct ts_scripted *s = ts_scripted_start("repeat 3\n  handshake\n  cut\nend\n"
                                              "handshake\nrst\n"
                                              "handshake\nrefuse\nhalfclose\n< PUB a\nlisten\nwait-close\n"
                                              "repeat 0\n  rst\nend\n"
                                              "accept\naccept\nuse 6\n> PING\nuse 7\n> PONG\n");
    assert_non_null(s);
    for (int i = 0; i < 4; i++) {
        int fd = connected(s);
        assert_int_equal(ts_receive(fd, got, sizeof got, WAIT_MS), i < 3 ? 0 : -1);
        close(fd);
    }
    int fd = connected(s);
    assert_int_equal(ts_receive(fd, got, sizeof got, WAIT_MS), 0);
    assert_int_equal(ts_connect_raw(ts_scripted_port(s), 1000), -1);
    assert_true(ts_send_text(fd, "PUB a 0\r\n\r\n"));
    while (ts_scripted_line(s) < 12) {
        ts_pause_ms(2);
    }
    close(fd);
    int first = client_of(s);
    while (ts_scripted_connections(s) < 6) {
        ts_pause_ms(2);
    }
    int second = client_of(s);
    expect(first, "PING\r\n");
    expect(second, "PONG\r\n");
    assert_true(ts_scripted_wait(s, WAIT_MS));
    close(first);
    close(second);
    assert_true(ts_scripted_stop(s));
}

static void test_time(void **state)
{
    (void)state;
    char got[64];
    struct ts_scripted *s = ts_scripted_start("accept\nstall until ctl\nstall 60\ndribble 2 5 PONG\n");
    assert_non_null(s);
    int fd = client_of(s);
    assert_int_equal(ts_receive(fd, got, sizeof got, 50), -2);
    int64_t start = ts_now_ms();
    ts_scripted_proceed(s);
    expect(fd, "PONG\r\n");
    assert_true(ts_now_ms() - start >= 70);
    assert_true(ts_scripted_wait(s, WAIT_MS));
    close(fd);
    assert_true(ts_scripted_stop(s));
}

static void test_raw(void **state)
{
    (void)state;
    struct ts_scripted *s =
        ts_scripted_start("oracle off\naccept\n<raw GET / HTTP/1.1\n> HTTP/1.1 400\n<raw \\x16\\\n");
    assert_non_null(s);
    int fd = client_of(s);
    assert_true(ts_send_text(fd, "GET / HTTP/1.1\r\n"));
    expect(fd, "HTTP/1.1 400\r\n");
    assert_true(ts_send_text(fd, "\x16"));
    assert_true(ts_scripted_wait(s, WAIT_MS));
    close(fd);
    assert_true(ts_scripted_stop(s));
}

struct failing {
    const char *script;
    const char *client; /* what it sends after the handshake; NULL closes */
    const char *says;
};

/* A script that fails names the line, and the client is let go at once. */
static void test_failures(void **state)
{
    (void)state;
    static const struct failing rows[] = {
        {"handshake\n\n< PUB a", "PUB b 2\r\nhi\r\n", "line 3: expected PUB a, got \"PUB b 2\" with \"hi\""},
        {"handshake\n< PUB a =x", "PUB a 2\r\nhi\r\n", "line 2: expected PUB a =x"},
        {"handshake\n< PUB a @-", "PUB a r 0\r\n\r\n", "line 2: expected PUB a @-"},
        {"handshake\n< SUB a q", "SUB a 1\r\n", "line 2: expected SUB a q, got \"SUB a 1\""},
        {"handshake\n< PUB a", "PING\r\n", "line 2: expected PUB a, got \"PING\""},
        {"handshake\n< PUB a", NULL, "line 2: expected PUB a, but the client closed"},
        {"handshake\ntimeout 50\n< PUB a", "", "line 3: expected PUB a, nothing came within 50 ms"},
        {"handshake\nexpect-none 5000", "PING\r\n", "line 2: expected nothing, got \"PING\""},
        {"handshake\nwait-close 50", "", "line 2: the client did not close within 50 ms"},
        {"handshake\n> ${sub.sid}", "", "line 2: nothing was captured as ${sub.sid}"},
        {"handshake\nwait-close", "PUB a..b 0\r\n\r\n", "line 2: the client broke the protocol: byte"},
        {"handshake\nuse 5", "", "line 2: there is no open connection 5"},
        {"handshake\ninfo [1]", "", "line 2: not a JSON object"},
        {"handshake\n<raw x", "", "line 2: <raw needs"},
        {"handshake\ntimeout 50\naccept", "", "line 3: no client connected within 50 ms"},
    };
    print_message("(failing scripts follow: they are expected)\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ts_scripted *s = ts_scripted_start(rows[i].script);
        assert_non_null(s);
        int fd = connected(s);
        if (rows[i].client) {
            assert_true(ts_send_text(fd, rows[i].client));
        } else {
            close(fd);
        }
        assert_false(ts_scripted_wait(s, WAIT_MS));
        const char *error = ts_scripted_error(s);
        if (!error || strncmp(error, rows[i].says, strlen(rows[i].says)) != 0) {
            print_error("expected \"%s\", got \"%s\"\n", rows[i].says, error ? error : "no error");
            fail();
        }
        if (rows[i].client) {
            assert_true(ts_wait_closed(fd, WAIT_MS));
            close(fd);
        }
        assert_false(ts_scripted_stop(s));
    }
}

/* The oracle goes on after the last directive. */
static void test_violation_after_the_end(void **state)
{
    (void)state;
    struct ts_scripted *s = ts_scripted_start("handshake\n");
    assert_non_null(s);
    int fd = connected(s);
    assert_true(ts_scripted_wait(s, WAIT_MS));
    assert_true(ts_send_text(fd, "PUB a b c 0\r\n"));
    int64_t deadline = ts_now_ms() + WAIT_MS;
    while (!ts_scripted_error(s) && ts_now_ms() < deadline) {
        ts_pause_ms(2);
    }
    close(fd);
    assert_false(ts_scripted_stop(s));
    s = ts_scripted_start("handshake\nwait-close\n");
    assert_non_null(s);
    assert_false(ts_scripted_stop(s)); /* never played: not a success */
}

static void test_faulty_scripts(void **state)
{
    (void)state;
    static const char *const scripts[] = {
        "howdy",        "< FOO",         "> \\q",       ">hex 0",  "repeat x\nend", "repeat 2",
        "end",          "stall soon",    "stall until", "cut now", "use",           "pong-auto",
        "oracle maybe", "dribble 0 1 x", "dribble 1",   "timeout", "expect-none x"};
    print_message("(faulty scripts follow: they are expected)\n");
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        assert_null(ts_scripted_start(scripts[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_and_captures),
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_pong_auto_and_none),
        cmocka_unit_test(test_ends_and_reconnects),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_violation_after_the_end),
        cmocka_unit_test(test_faulty_scripts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
