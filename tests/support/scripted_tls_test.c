/* SPDX-License-Identifier: Apache-2.0
 *
 * The scripted server's TLS and the wallet, tried with a client of a hundred lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four headers above it */
#include <cmocka.h>

#include "net.h"
#include "scripted.h"
#include "text.h"
#include "tls.h"
#include "wallet.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_MS = 10000 };

#define CONNECT                                                                                              \
    "CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":true,\"lang\":\"c\",\"version\":\"1\","  \
    "\"protocol\":1,\"headers\":true,\"no_responders\":true}\r\nPING\r\n"

struct client {
    struct ts_scripted *server;
    struct ts_tls *tls;
    int fd;
    char got[65536];
    size_t len;
};

static void begin(struct client *c, const char *script, const struct ts_tls_opts *given)
{
    struct ts_tls_opts opts = {.dir = ts_wallet(), .authority = "ca", .host = "localhost"};
    memset(c, 0, sizeof *c);
    assert_non_null(opts.dir);
    c->server = ts_scripted_start(script);
    assert_non_null(c->server);
    c->fd = ts_connect_raw(ts_scripted_port(c->server), WAIT_MS);
    assert_true(c->fd >= 0);
    c->tls = ts_tls_client(given ? given : &opts);
    assert_non_null(c->tls);
}

static void end(struct client *c, bool good)
{
    if (c->fd >= 0) {
        close(c->fd);
    }
    assert_int_equal(ts_scripted_wait(c->server, WAIT_MS), good);
    assert_int_equal(ts_scripted_stop(c->server), good);
    ts_tls_free(c->tls);
}

static bool send_out(struct client *c)
{
    struct ts_buf out = {0};
    ts_tls_take_out(c->tls, &out);
    bool good = out.len == 0 || ts_send_all(c->fd, out.at, out.len, WAIT_MS);
    ts_buf_free(&out);
    return good;
}

/* Bytes from the wire; false at its end. */
static bool read_wire(struct client *c)
{
    char bytes[4096];
    long n = ts_receive(c->fd, bytes, sizeof bytes, WAIT_MS);
    if (n > 0) {
        ts_tls_feed(c->tls, bytes, (size_t)n);
    }
    return n > 0;
}

/* 1: done, -1: failed or the other side closed. */
static int shake_hands(struct client *c)
{
    int rc;
    while ((rc = ts_tls_handshake(c->tls)) == 0) {
        if (!send_out(c) || !read_wire(c)) {
            return -1;
        }
    }
    (void)send_out(c);
    return rc;
}

static bool say(struct client *c, const char *text)
{
    return ts_tls_write(c->tls, text, strlen(text)) && send_out(c);
}

/* Reads inside TLS until the text has come. */
static bool hear(struct client *c, const char *text)
{
    for (;;) {
        int n = ts_tls_read(c->tls, c->got + c->len, sizeof c->got - c->len - 1);
        c->len += n > 0 ? (size_t)n : 0;
        c->got[c->len] = '\0';
        if (strstr(c->got, text) != NULL) {
            return send_out(c);
        }
        if (n < 0 || (n == 0 && (!send_out(c) || !read_wire(c)))) {
            return false;
        }
    }
}

static bool hear_plain(const struct client *c, const char *text)
{
    char got[4096];
    return ts_receive_until(c->fd, text, got, sizeof got, WAIT_MS);
}

/* After INFO; the oracle reads inside, also when the wire comes in single bytes and records are small. */
static void test_upgrade(void **state)
{
    static const char *const options[] = {"host localhost", "chop 1",  "record 1",
                                          "max 1.2",        "min 1.3", "record 3 chop 2"};
    struct client c;
    (void)state;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        struct ts_buf script = {0};
        ts_buf_printf(&script,
                      "accept\ninfo {\"tls_required\":true}\ntls %s\n< CONNECT\n< PING\n> PONG\n"
                      "< PUB a =hi\n> -ERR 'x'\nplain 0",
                      options[i]);
        begin(&c, script.at, NULL);
        assert_true(hear_plain(&c, "\r\n"));
        assert_int_equal(shake_hands(&c), 1);
        assert_true(say(&c, CONNECT));
        assert_true(hear(&c, "PONG\r\n"));
        assert_true(say(&c, "PUB a 2\r\nhi\r\n"));
        assert_true(hear(&c, "-ERR 'x'\r\n"));
        end(&c, true);
        ts_buf_free(&script);
    }
}

static void test_first_and_the_end(void **state)
{
    struct client c;
    (void)state;
    begin(&c, "accept\ntls\ninfo\n< CONNECT\n< PING\n> PONG\nnotify\nwait-close", NULL);
    assert_int_equal(shake_hands(&c), 1);
    assert_true(hear(&c, "INFO {"));
    assert_true(say(&c, CONNECT));
    assert_true(hear(&c, "PONG\r\n"));
    assert_false(hear(&c, "more"));
    assert_string_equal(ts_tls_error(c.tls), "close_notify");
    end(&c, true);

    begin(&c, "accept\ntls\nhalf PONG\ncut", NULL);
    assert_int_equal(shake_hands(&c), 1);
    assert_false(hear(&c, "PONG"));
    assert_string_not_equal(ts_tls_error(c.tls), "close_notify");
    end(&c, true);
}

static void test_new_keys(void **state)
{
    struct client c;
    (void)state;
    begin(&c, "accept\ntls min 1.3\nkey-update\n> PONG\n< CONNECT\n< PING\n> PONG twice", NULL);
    assert_int_equal(shake_hands(&c), 1);
    assert_true(hear(&c, "PONG\r\n"));
    assert_true(say(&c, CONNECT));
    assert_true(hear(&c, "twice"));
    end(&c, true);

    begin(&c, "accept\ntls max 1.2\nrenegotiate\n< CONNECT\n< PING\n> PONG", NULL);
    assert_int_equal(shake_hands(&c), 1);
    assert_true(say(&c, CONNECT));
    assert_true(hear(&c, "PONG\r\n"));
    end(&c, true);
}

/* A second connection that goes on with the session of the first, and one that does not. */
static void test_resumed(void **state)
{
    static const char *const versions[] = {"max 1.2", "min 1.3"};
    struct ts_tls_opts opts = {.dir = ts_wallet(), .authority = "ca", .host = "localhost"};
    struct client c;
    char script[200];
    (void)state;
    for (int i = 0; i < 4; i++) {
        snprintf(script, sizeof script, "accept\ntls %s\n> PONG\naccept\ntls %s resumed\n> PONG",
                 versions[i / 2], versions[i / 2]);
        begin(&c, script, NULL);
        assert_int_equal(shake_hands(&c), 1);
        assert_true(hear(&c, "PONG"));
        struct ts_tls *first = c.tls;
        close(c.fd);
        c.fd = ts_connect_raw(ts_scripted_port(c.server), WAIT_MS);
        c.tls = ts_tls_client(&opts);
        c.len = 0;
        if (i % 2 == 0) {
            ts_tls_offer(c.tls, first);
        }
        (void)shake_hands(&c);
        assert_int_equal(hear(&c, "PONG"), i % 2 == 0);
        end(&c, i % 2 == 0);
        ts_tls_free(first);
    }
}

/* What the client thinks of the server's certificate; its own certificate as the server sees it. */
static void test_certificates(void **state)
{
    static const struct {
        const char *cert;
        bool good;
    } rows[] = {{"server", true},     {"direct", true},   {"expired", false},
                {"future", false},    {"self", false},    {"other", false},
                {"elsewhere", false}, {"purpose", false}, {"headless", false}};
    struct client c;
    char script[200];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(script, sizeof script, "accept\ntls cert %s %s\nplain 0", rows[i].cert,
                 rows[i].good ? "" : "fails");
        begin(&c, script, NULL);
        assert_int_equal(shake_hands(&c), rows[i].good ? 1 : -1);
        end(&c, true);
    }
    struct ts_tls_opts opts = {.dir = ts_wallet(), .cert = "client", .authority = "ca", .host = "localhost"};
    begin(&c, "accept\ntls client ca subject tester\n< CONNECT", &opts);
    assert_int_equal(shake_hands(&c), 1);
    assert_true(say(&c, CONNECT));
    end(&c, true);
    opts.cert = "client-other";
    begin(&c, "accept\ntls max 1.2 client ca fails", &opts);
    assert_int_equal(shake_hands(&c), -1);
    end(&c, true);
    opts.cert = NULL;
    begin(&c, "accept\ntls min 1.3 client ca fails", &opts);
    assert_int_equal(shake_hands(&c), 1); /* of 1.3 the client learns afterwards */
    assert_false(hear(&c, "more"));
    end(&c, true);
    opts.min = 12;
    begin(&c, "accept\ntls max 1.1 fails", &opts);
    assert_int_equal(shake_hands(&c), -1);
    end(&c, true);
}

static void test_broken_off(void **state)
{
    static const char *const options[] = {"stop half", "stop flight", "stop half min 1.3",
                                          "stop flight min 1.3", "stop last max 1.2"};
    struct client c;
    char script[200];
    (void)state;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        snprintf(script, sizeof script, "accept\ntls %s\nwire garbage\ncut\nplain 0", options[i]);
        begin(&c, script, NULL);
        int rc = shake_hands(&c);
        assert_true(rc == -1 || !hear(&c, "PONG"));
        end(&c, true);
    }
    begin(&c, "accept\nhello\nrst\nplain 0", NULL);
    assert_int_equal(shake_hands(&c), -1);
    end(&c, true);
}

/* A secret on the wrong wire is seen, before TLS, instead of it, in the middle, and after it. */
static void test_plain_bytes(void **state)
{
    struct client c;
    (void)state;
    begin(&c, "accept\n< CONNECT\n< PING\nplain 144\nplain 0", NULL);
    assert_true(ts_send_text(c.fd, CONNECT));
    end(&c, false);
    begin(&c, "accept\nhello", NULL);
    assert_true(ts_send_text(c.fd, CONNECT));
    end(&c, false);
    begin(&c, "accept\ntls", NULL);
    assert_true(ts_send_text(c.fd, CONNECT));
    end(&c, false);
    begin(&c, "accept\nhello\nwait-close", NULL);
    (void)ts_tls_handshake(c.tls);
    assert_true(send_out(&c) && ts_send_text(c.fd, CONNECT));
    end(&c, false);
    begin(&c, "accept\ntls\n> PONG\nwait-close", NULL);
    assert_int_equal(shake_hands(&c), 1);
    assert_true(hear(&c, "PONG") && ts_send_text(c.fd, CONNECT));
    end(&c, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_upgrade),    cmocka_unit_test(test_first_and_the_end),
        cmocka_unit_test(test_new_keys),   cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_broken_off), cmocka_unit_test(test_plain_bytes),
        cmocka_unit_test(test_resumed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
