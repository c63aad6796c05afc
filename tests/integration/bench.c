/* Server, tap and connection of the integration tests. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bench bench;

void bench_status(natskit_status got, natskit_status wanted, const char *file, int line)
{
    if (got == wanted) {
        return;
    }
    natskit_status_info one = {0};
    natskit_status_info other = {0};
    (void)natskit_status_describe(got, &one, sizeof one);
    (void)natskit_status_describe(wanted, &other, sizeof other);
    print_error("status %s instead of %s\n", one.name, other.name);
    _fail(file, line);
}

int bench_begin(void **state)
{
    (void)state;
    if (ts_server_program() == NULL) {
        puts("there is no nats-server: skipped");
        exit(77);
    }
    bench.server = ts_server_start(NULL);
    if (bench.server == NULL) {
        return 1;
    }
    bench.tap = ts_tap_start(ts_server_url(bench.server));
    return bench.tap != NULL ? 0 : 1;
}

int bench_check_clean(void **state)
{
    (void)state;
    natskit_counters left;
    bool clean = natskit_shutdown(WAIT_MS) == NATSKIT_OK;
    clean = natskit_counters_get(&left, sizeof left) == NATSKIT_OK && clean;
    uint64_t objects = left.conns + left.subs + left.ops + left.waitsets + left.options + left.headers +
                       left.msgs + left.jsons + left.contexts + left.publishers + left.kvs +
                       left.object_stores + left.object_writers + left.object_readers;
    if (!clean || objects + left.threads != 0) {
        print_error("left behind: %llu objects, %llu threads\n", (unsigned long long)objects,
                    (unsigned long long)left.threads);
        clean = false;
    }
    return clean ? 0 : 1;
}

int bench_end(void **state)
{
    bool clean = bench_check_clean(state) == 0;
    clean = ts_tap_stop(bench.tap) == 0 && clean;
    ts_server_free(bench.server);
    return clean ? 0 : 1;
}

bool bench_scheme_is(const char *scheme)
{
    const char *given = getenv("NATSKIT_TEST_SCHEME");
    return strcmp(given != NULL && given[0] != '\0' ? given : "nats", scheme) == 0;
}

natskit_conn bench_connect_with(natskit_options options)
{
    natskit_conn conn;
    natskit_error err = {0};
    natskit_status status = natskit_connect(ts_tap_url(bench.tap), Z, options, WAIT_MS, &conn, &err);
    if (status != NATSKIT_OK) {
        print_error("connect: %s\n", err.text);
    }
    assert_ok(status);
    return conn;
}

natskit_conn bench_connect(void)
{
    return bench_connect_with(NO_OPTIONS);
}

natskit_sub bench_subscribe(natskit_conn conn, const char *subject, const char *queue)
{
    natskit_sub sub;
    assert_ok(natskit_subscribe(conn, subject, Z, queue, queue != NULL ? Z : 0, NO_OPTIONS, &sub, NULL));
    return sub;
}

void bench_publish(natskit_conn conn, const char *subject, const char *text)
{
    assert_ok(natskit_publish(conn, subject, Z, NULL, 0, NO_HEADERS, text, strlen(text), WAIT_MS));
}

void bench_expect(natskit_sub sub, const char *text)
{
    natskit_msg *msg;
    natskit_message_view view;
    assert_ok(natskit_sub_next(sub, WAIT_MS, &msg));
    assert_ok(natskit_msg_view(msg, &view, sizeof view));
    assert_int_equal(view.data_len, strlen(text));
    assert_memory_equal(view.data, text, view.data_len);
    assert_ok(natskit_msg_release(msg));
}

void bench_expect_event(natskit_sub events, int32_t type)
{
    natskit_event_view view = {0};
    while (view.type != type) {
        natskit_msg *msg;
        assert_ok(natskit_sub_next(events, WAIT_MS, &msg));
        assert_ok(natskit_msg_event(msg, &view, sizeof view));
        assert_ok(natskit_msg_release(msg));
    }
}

static void *run_echo(void *arg)
{
    struct bench_echo *echo = arg;
    natskit_msg *request;
    while (natskit_sub_next(echo->sub, -1, &request) == NATSKIT_OK) {
        (void)natskit_msg_respond(request, NO_HEADERS, "!", 1, WAIT_MS);
        (void)natskit_msg_release(request);
    }
    return NULL;
}

void bench_echo_start(struct bench_echo *echo, const char *url)
{
    assert_ok(natskit_connect(url, Z, NO_OPTIONS, WAIT_MS, &echo->conn, NULL));
    echo->sub = bench_subscribe(echo->conn, "echo", NULL);
    assert_ok(natskit_flush(echo->conn, WAIT_MS));
    assert_int_equal(pthread_create(&echo->thread, NULL, run_echo, echo), 0);
}

void bench_echo_stop(struct bench_echo *echo)
{
    assert_ok(natskit_sub_close(echo->sub));
    pthread_join(echo->thread, NULL);
    assert_ok(natskit_conn_close(echo->conn, WAIT_MS));
}
