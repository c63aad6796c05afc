/* ws:// and wss:// against real servers: sizes around every border of a frame, both ways; headers of the
 * application's and refusals in the server's words; certificates, and TLS wherever it was asked for;
 * clusters, whose servers are told by their addresses for WebSocket; connections cut anywhere. */
#include "bench.h"

#include "support/wallet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PLAIN "websocket { listen: \"127.0.0.1:@PORT1@\", no_tls: true, same_origin: true }\n"
#define CERTIFICATE "cert_file: \"${wallet}/server.pem\", key_file: \"${wallet}/server.key\""
#define SECURED                                                                                              \
    "websocket { listen: \"127.0.0.1:@PORT1@\", tls { " CERTIFICATE                                          \
    ", ca_file: \"${wallet}/ca.pem\", verify: true } }\n"

enum { BIG = 1000000, CUTS = 30, EACH = 40 };

static struct ts_server *secured;

static char *expand(const char *text)
{
    char *config = ts_wallet() != NULL ? ts_wallet_expand(ts_wallet(), text) : NULL;
    assert_non_null(config);
    return config;
}

static struct ts_server *start(const char *extra)
{
    char *config = expand(extra);
    struct ts_server *server =
        ts_server_start(&(struct ts_server_opts){.extra = config, .no_jetstream = true});
    free(config);
    return server;
}

static int begin(void **state)
{
    (void)state;
    if (ts_server_program() == NULL) {
        puts("there is no nats-server: skipped");
        exit(77);
    }
    unsetenv("NATSKIT_TEST_SCHEME"); /* the tests choose themselves */
    bench.server = start(PLAIN);
    secured = start(SECURED);
    char url[64];
    (void)snprintf(url, sizeof url, "ws://127.0.0.1:%u", ts_server_extra_port(bench.server, 1));
    bench.tap = bench.server != NULL ? ts_tap_start(url) : NULL;
    return bench.tap != NULL && secured != NULL ? 0 : 1;
}

static int end(void **state)
{
    ts_server_free(secured);
    return bench_end(state);
}

static const char *url_of(const struct ts_server *server, const char *scheme)
{
    static char url[64];
    (void)snprintf(url, sizeof url, "%s://127.0.0.1:%u", scheme, ts_server_extra_port(server, 1));
    return url;
}

static natskit_options options_of(void)
{
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    return options;
}

static void set(natskit_options options, const char *name, const char *value)
{
    assert_ok(natskit_options_set(options, name, Z, value, Z, NULL));
}

static void set_file(natskit_options options, const char *name, const char *file)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", ts_wallet(), file);
    set(options, name, path);
}

static natskit_options secure_options(void)
{
    natskit_options options = options_of();
    set_file(options, "tls_ca_file", "ca.pem");
    set_file(options, "tls_cert_file", "client.pem");
    set_file(options, "tls_key_file", "client.key");
    set(options, "reconnect_jitter_tls_ms", "0");
    return options;
}

/* The options are closed. The connection, or the status expected, with a text. */
static natskit_conn try_connect(const char *url, natskit_options options, natskit_status wanted,
                                const char *text)
{
    natskit_conn conn = {0};
    natskit_error err = {0};
    natskit_status status = natskit_connect(url, Z, options, WAIT_MS, &conn, &err);
    if (status != wanted || strstr(err.text, text) == NULL) {
        fail_msg("connect to %s: %d %s", url, status, err.text);
    }
    if (options.id != 0) {
        assert_ok(natskit_options_close(options));
    }
    return conn;
}

static void send_sized(natskit_conn conn, const char *data, size_t len)
{
    assert_ok(natskit_publish(conn, "ws.size", Z, NULL, 0, NO_HEADERS, data, len, WAIT_MS));
}

/* Messages of every size around the borders of frames, one after the other and all at once. */
static void exchange(natskit_conn conn)
{
    static const size_t sizes[] = {0,     1,     80,    100,   104,    105,    106,    107,    108,    200,
                                   65400, 65500, 65510, 65520, 131000, 131030, 131060, 131080, 262144, BIG};
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    char *data = malloc(BIG);
    natskit_sub sub = bench_subscribe(conn, "ws.size", NULL);
    for (size_t i = 0; i < BIG; i++) {
        data[i] = (char)(i * 7 + i / 256);
    }
    for (int at_once = 0; at_once < 2; at_once++) {
        for (size_t i = 0; i < COUNT && at_once; i++) {
            send_sized(conn, data, sizes[i]);
        }
        for (size_t i = 0; i < COUNT; i++) {
            natskit_msg *msg;
            natskit_message_view view;
            if (!at_once) {
                send_sized(conn, data, sizes[i]);
            }
            assert_ok(natskit_sub_next(sub, WAIT_MS, &msg));
            assert_ok(natskit_msg_view(msg, &view, sizeof view));
            assert_int_equal(view.data_len, sizes[i]);
            assert_true(sizes[i] == 0 || memcmp(view.data, data, sizes[i]) == 0);
            assert_ok(natskit_msg_release(msg));
        }
    }
    assert_ok(natskit_sub_close(sub));
    free(data);
}

static void test_every_size(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    natskit_conn_info info;
    exchange(conn);
    assert_ok(natskit_conn_info_get(conn, &info, sizeof info));
    assert_int_equal(info.tls, 0);
    assert_memory_equal(info.url, "ws://", 5);
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

static void test_secured(void **state)
{
    (void)state;
    natskit_conn conn = try_connect(url_of(secured, "wss"), secure_options(), NATSKIT_OK, "");
    natskit_conn_info info;
    exchange(conn);
    assert_ok(natskit_conn_info_get(conn, &info, sizeof info));
    assert_int_equal(info.tls, 1);
    assert_memory_equal(info.url, "wss://", 6);
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    /* With what asks for TLS, ws:// is spoken to by it as well. */
    conn = try_connect(url_of(secured, "ws"), secure_options(), NATSKIT_OK, "");
    assert_ok(natskit_conn_info_get(conn, &info, sizeof info));
    assert_int_equal(info.tls, 1);
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    natskit_options options = secure_options();
    set(options, "tls_first", "true"); /* as it is anyway */
    conn = try_connect(url_of(secured, "wss"), options, NATSKIT_OK, "");
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

static void test_tls_that_does_not_come_about(void **state)
{
    (void)state;
    natskit_options options = options_of();
    set_file(options, "tls_ca_file", "other-ca.pem");
    try_connect(url_of(secured, "wss"), options, NATSKIT_TLS_CERTIFICATE, "not accepted");
    options = secure_options();
    set(options, "tls_server_name", "elsewhere.test");
    try_connect(url_of(secured, "wss"), options, NATSKIT_TLS_CERTIFICATE, "elsewhere.test");
    options = options_of();
    set(options, "tls", "off");
    try_connect(url_of(secured, "wss"), options, NATSKIT_INVALID, "wss://");
    options = options_of();
    set(options, "tls", "require"); /* nothing goes to a server that speaks none */
    try_connect(url_of(bench.server, "ws"), options, NATSKIT_TLS, "not TLS");
    try_connect(url_of(secured, "ws"), NO_OPTIONS, NATSKIT_WS_REFUSED, "400 Bad Request");
}

static void test_wrong_ports(void **state)
{
    (void)state;
    char url[64];
    (void)snprintf(url, sizeof url, "ws://127.0.0.1:%u", ts_server_port(bench.server));
    try_connect(url, NO_OPTIONS, NATSKIT_WEBSOCKET, "nats://");
    natskit_options options = options_of();
    set(options, "attempt_timeout_ms", "1000");
    try_connect(url_of(bench.server, "nats"), options, NATSKIT_TIMEOUT, "WebSocket");
}

/* The server says no in its own words; HTTP's number is the error's. */
static void test_headers_and_refusals(void **state)
{
    (void)state;
    natskit_options options = options_of();
    natskit_error err = {0};
    natskit_conn conn;
    assert_ok(natskit_options_add(options, "ws_headers", Z, "Origin: http://elsewhere.test", Z, NULL));
    assert_status(natskit_connect(url_of(bench.server, "ws"), Z, options, WAIT_MS, &conn, &err),
                  NATSKIT_WS_REFUSED);
    assert_int_equal(err.server_code, 403);
    assert_non_null(strstr(err.text, "403 Forbidden"));
    assert_ok(natskit_options_close(options));
    options = options_of();
    char origin[64];
    (void)snprintf(origin, sizeof origin, "Origin: http://127.0.0.1:%u",
                   ts_server_extra_port(bench.server, 1));
    assert_ok(natskit_options_add(options, "ws_headers", Z, "X-One: 1, 2", Z, NULL));
    assert_ok(natskit_options_add(options, "ws_headers", Z, origin, Z, NULL));
    conn = try_connect(url_of(bench.server, "ws"), options, NATSKIT_OK, "");
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    options = options_of();
    assert_ok(natskit_options_add(options, "ws_headers", Z, "Host: a", Z, NULL));
    try_connect(url_of(bench.server, "ws"), options, NATSKIT_INVALID, "Host");
}

/* What a proxy would see: path, headers, and nothing else of the url. */
static void test_request_of_the_upgrade(void **state)
{
    (void)state;
    char url[128];
    uint16_t port = 0;
    int listener = ts_listen("127.0.0.1", &port);
    natskit_conn conn;
    natskit_op op;
    natskit_options options = options_of();
    assert_ok(natskit_options_add(options, "ws_headers", Z, "Authorization: Bearer abc", Z, NULL));
    (void)snprintf(url, sizeof url, "ws://joe:pass@127.0.0.1:%u/nats/one?a=%%20", port);
    assert_ok(natskit_connect_start(url, Z, options, WAIT_MS, &conn, &op, NULL));
    int fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    char request[1024] = "";
    size_t len = 0;
    while (strstr(request, "\r\n\r\n") == NULL) {
        long got = ts_receive(fd, request + len, sizeof request - 1 - len, WAIT_MS);
        assert_true(got > 0);
        len += (size_t)got;
    }
    char host[64];
    (void)snprintf(host, sizeof host, "\r\nHost: 127.0.0.1:%u\r\n", port);
    assert_memory_equal(request, "GET /nats/one?a=%20 HTTP/1.1\r\n", 30);
    assert_non_null(strstr(request, host));
    assert_non_null(strstr(request, "\r\nAuthorization: Bearer abc\r\n"));
    assert_null(strstr(request, "joe"));
    static const char answer[] = "HTTP/1.1 502 Bad Gateway\r\n\r\n<html>";
    assert_true(ts_send_all(fd, answer, sizeof answer - 1, WAIT_MS));
    natskit_error err = {0};
    natskit_conn_info info;
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_status(natskit_op_result(op, NULL, &err), NATSKIT_WS_REFUSED);
    assert_int_equal(err.server_code, 502);
    assert_ok(natskit_conn_info_get(conn, &info, sizeof info));
    assert_null(strstr(info.url, "nats/one")); /* a path may hold a secret */
    (void)close(fd);
    (void)close(listener);
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_conn_close(conn, 0));
    assert_ok(natskit_options_close(options));
}

static void test_no_mixture(void **state)
{
    (void)state;
    try_connect("ws://a,nats://b", NO_OPTIONS, NATSKIT_INVALID, "not mixed");
    try_connect("a,wss://b", NO_OPTIONS, NATSKIT_INVALID, "not mixed");
    natskit_error err = {0};
    natskit_conn conn = bench_connect();
    assert_status(natskit_conn_servers_set(conn, "nats://a", Z, &err), NATSKIT_INVALID);
    assert_non_null(strstr(err.text, "WebSocket"));
    assert_ok(natskit_conn_servers_set(conn, "ws://127.0.0.1:1/x,ws://127.0.0.1:1/y", Z, NULL));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

/* Servers are told of by their addresses for WebSocket, which are used when the own one goes. */
static void test_cluster(void **state)
{
    (void)state;
    struct ts_cluster *cluster =
        ts_cluster_start_with(2, &(struct ts_server_opts){.extra = PLAIN, .no_jetstream = true});
    assert_non_null(cluster);
    struct ts_server *first = ts_cluster_node(cluster, 0);
    struct ts_server *second = ts_cluster_node(cluster, 1);
    char other[64];
    char pool[1000];
    size_t len;
    (void)snprintf(other, sizeof other, "%s", url_of(second, "ws"));
    natskit_conn conn = try_connect(url_of(first, "ws"), NO_OPTIONS, NATSKIT_OK, "");
    natskit_sub events;
    assert_ok(natskit_conn_events(conn, NO_OPTIONS, &events, NULL));
    int64_t deadline = ts_now_ms() + WAIT_MS;
    do {
        assert_ok(natskit_conn_servers(conn, pool, sizeof pool, &len));
        assert_true(ts_now_ms() < deadline);
        ts_pause_ms(2);
    } while (strstr(pool, other) == NULL);
    assert_null(strstr(pool, "nats://"));
    natskit_sub sub = bench_subscribe(conn, "ws.moved", NULL);
    ts_server_kill(first);
    bench_expect_event(events, NATSKIT_EVENT_RECONNECTED);
    bench_publish(conn, "ws.moved", "here");
    bench_expect(sub, "here");
    natskit_conn_info info;
    assert_ok(natskit_conn_info_get(conn, &info, sizeof info));
    assert_string_equal(info.url, other);
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_sub_close(events));
    ts_cluster_free(cluster);
}

/* What has come of the messages between two cuts. They went over two connections, and a server that reads
 * what is left of the first one late delivers it among that of the second: the order of each is what there
 * is. */
struct between {
    uint32_t next; /* of those that came in order */
    uint32_t late; /* the same of those that came behind later ones */
};

static void note_order(struct between *between, uint32_t number)
{
    uint32_t *next = number >= between->next ? &between->next : &between->late;
    assert_true(number >= *next); /* nothing comes twice, either */
    *next = number + 1;
}

/* Cut in the middle of what is being written, again and again: nothing comes twice, order stays, and what is
 * missing is told. */
static void test_cuts(void **state)
{
    (void)state;
    natskit_options options = options_of();
    set(options, "reconnect_wait_ms", "1");
    set(options, "reconnect_wait_max_ms", "5");
    set(options, "reconnect_jitter_ms", "0");
    natskit_conn conn = bench_connect_with(options);
    natskit_conn taker = try_connect(url_of(bench.server, "ws"), options, NATSKIT_OK, "");
    natskit_sub sub = bench_subscribe(taker, "ws.cut", NULL);
    static char data[3000];
    uint32_t sent = 0;
    assert_ok(natskit_flush(taker, WAIT_MS));
    for (int cut = 0; cut < CUTS; cut++) {
        assert_true(ts_tap_command(bench.tap, "live up cut-after %d", 1 + cut * 977 % 20000));
        for (int i = 0; i < EACH; i++, sent++) {
            memcpy(data, &sent, sizeof sent);
            assert_ok(natskit_publish(conn, "ws.cut", Z, NULL, 0, NO_HEADERS, data,
                                      sizeof sent + (size_t)(i * 71 % 2900), WAIT_MS));
        }
        int64_t deadline = ts_now_ms() + WAIT_MS;
        while (natskit_flush(conn, WAIT_MS) != NATSKIT_OK) {
            assert_true(ts_now_ms() < deadline);
        }
    }
    assert_true(ts_tap_command(bench.tap, "clear"));
    assert_ok(natskit_flush(taker, WAIT_MS));
    uint32_t got = 0;
    struct between between[CUTS] = {0};
    natskit_msg *msg;
    while (natskit_sub_next(sub, 0, &msg) == NATSKIT_OK) {
        natskit_message_view view;
        uint32_t number;
        assert_ok(natskit_msg_view(msg, &view, sizeof view));
        memcpy(&number, view.data, sizeof number);
        assert_true(number < sent);
        note_order(&between[number / EACH], number);
        got++;
        assert_ok(natskit_msg_release(msg));
    }
    natskit_conn_stats counts;
    assert_ok(natskit_conn_stats_get(conn, &counts, sizeof counts));
    assert_true(counts.reconnects > CUTS / 3);
    assert_true(sent - got <= counts.unconfirmed);
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_conn_close(taker, WAIT_MS));
    assert_ok(natskit_sub_close(sub));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_size),
        cmocka_unit_test(test_secured),
        cmocka_unit_test(test_tls_that_does_not_come_about),
        cmocka_unit_test(test_wrong_ports),
        cmocka_unit_test(test_headers_and_refusals),
        cmocka_unit_test(test_request_of_the_upgrade),
        cmocka_unit_test(test_no_mixture),
        cmocka_unit_test(test_cluster),
        cmocka_unit_test(test_cuts),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
