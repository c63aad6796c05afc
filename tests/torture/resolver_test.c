/* A resolver that does not answer: deadlines hold, everything else goes on, and the end of the library says
 * that it has to wait. getaddrinfo is held (faults.h) for as long as a test wants it, not for a time. */
#include "faults.h"
#include "integration/bench.h"
#include "support/scripted.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

enum { SHORT_MS = 100, TRIES = 5, TRIES_MAX = 40, LATE_MS = 10000, BEST_LATE_MS = 50 };

static char named_url[64];

static int count_entries(const char *path)
{
    int count = 0;
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        count += entry->d_name[0] != '.';
    }
    closedir(dir);
    return count;
}

/* Checks that a call that began then has ended by its deadline, and keeps the best and the worst. */
struct lateness {
    int64_t best_ms;
    int64_t worst_ms;
};

static void note(struct lateness *late, int64_t begin_ms, int64_t timeout_ms)
{
    int64_t ms = ts_now_ms() - begin_ms - timeout_ms;
    assert_true(ms >= -1 && ms < LATE_MS);
    late->best_ms = ms < late->best_ms ? ms : late->best_ms;
    late->worst_ms = ms > late->worst_ms ? ms : late->worst_ms;
}

/* Enough tries: the best of them counts, since the machine may be busy with something else. */
static bool is_judged(const struct lateness *late, int tries)
{
    return tries >= TRIES_MAX || (tries >= TRIES && late->best_ms <= BEST_LATE_MS);
}

static void wait_until_asked(void)
{
    int64_t deadline_ms = ts_now_ms() + WAIT_MS;
    while (tt_resolver_waiting() == 0 && ts_now_ms() < deadline_ms) {
        ts_pause_ms(1);
    }
    assert_int_equal(tt_resolver_waiting(), 1);
}

/* Connecting by name ends at its deadline; other connections do not notice. */
static void test_deadlines(void **state)
{
    (void)state;
    struct lateness late = {LATE_MS, 0};
    natskit_conn other = bench_connect();
    natskit_sub sub = bench_subscribe(other, "beside", NULL);
    tt_resolver_hold(true);
    for (int i = 0; !is_judged(&late, i); i++) {
        natskit_conn conn = {1};
        natskit_error err = {0};
        int64_t begin_ms = ts_now_ms();
        assert_status(natskit_connect(named_url, Z, NO_OPTIONS, SHORT_MS, &conn, &err), NATSKIT_TIMEOUT);
        note(&late, begin_ms, SHORT_MS);
        assert_int_equal(conn.id, 0);
        assert_true(err.text[0] != '\0');
        bench_publish(other, "beside", "as ever");
        bench_expect(sub, "as ever");
    }
    assert_int_equal(tt_resolver_waiting(), 1); /* one thread, and it is still there */
    natskit_conn conn = bench_connect();        /* a number needs no resolver */
    bench_publish(conn, "beside", "a new one");
    bench_expect(sub, "a new one");
    tt_resolver_hold(false);
    natskit_conn named = {0};
    assert_ok(natskit_connect(named_url, Z, NO_OPTIONS, WAIT_MS, &named, NULL));
    print_message("connect by name: at most %d ms late, at best %d\n", (int)late.worst_ms, (int)late.best_ms);
    assert_true(late.best_ms <= BEST_LATE_MS);
    assert_ok(natskit_conn_close(named, WAIT_MS));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_conn_close(other, WAIT_MS));
    assert_ok(natskit_sub_close(sub));
}

/* What is begun and given up before the answer leaves nothing; the answer that comes then is dropped. */
static void test_given_up(void **state)
{
    (void)state;
    tt_resolver_hold(true);
    natskit_conn conn;
    natskit_op op;
    assert_ok(natskit_connect_start(named_url, Z, NO_OPTIONS, WAIT_MS, &conn, &op, NULL));
    wait_until_asked();
    assert_status(natskit_op_result(op, NULL, NULL), NATSKIT_PENDING);
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_conn_close(conn, 0));
    assert_int_equal(tt_resolver_waiting(), 1);
    tt_resolver_hold(false);
}

/* A server that wants TLS and goes while the files that TLS needs wait behind the resolver: noticed at once,
 * not at the deadline. */
static void test_a_server_that_goes(void **state)
{
    (void)state;
    tt_resolver_hold(true);
    natskit_conn named;
    natskit_op op;
    assert_ok(natskit_connect_start(named_url, Z, NO_OPTIONS, WAIT_MS, &named, &op, NULL));
    wait_until_asked();
    struct ts_scripted *server =
        ts_scripted_start("accept\ninfo {\"tls_required\":true}\nstall until ctl\nrst\n");
    assert_non_null(server);
    natskit_options options;
    natskit_conn conn;
    natskit_op other;
    natskit_error err = {0};
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    assert_ok(natskit_options_set_int(options, "attempt_timeout_ms", Z, 600000, &err));
    assert_ok(natskit_connect_start(ts_scripted_url(server), Z, options, -1, &conn, &other, &err));
    int64_t deadline_ms = ts_now_ms() + WAIT_MS;
    char buf[4096];
    size_t len = 0;
    while (natskit_conn_server_info(conn, buf, sizeof buf, &len) == NATSKIT_NOT_FOUND &&
           ts_now_ms() < deadline_ms) {
        ts_pause_ms(1);
    }
    ts_scripted_proceed(server);
    assert_ok(natskit_op_wait(other, WAIT_MS));
    assert_status(natskit_op_result(other, NULL, &err), NATSKIT_DISCONNECTED);
    assert_int_equal(tt_resolver_waiting(), 1); /* it was not waited for */
    assert_true(ts_scripted_wait(server, WAIT_MS));
    assert_true(ts_scripted_stop(server));
    assert_ok(natskit_op_close(other));
    assert_ok(natskit_conn_close(conn, 0));
    assert_ok(natskit_options_close(options));
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_conn_close(named, 0));
    tt_resolver_hold(false);
}

/* natskit_shutdown waits for the resolver until its deadline and says so; later it ends well. */
static void test_shutdown(void **state)
{
    (void)state;
    assert_ok(natskit_shutdown(WAIT_MS));
    int threads = count_entries("/proc/self/task");
    int descriptors = count_entries("/proc/self/fd");
    struct lateness late = {LATE_MS, 0};
    natskit_conn conn = {0};
    natskit_op op = {0};
    tt_resolver_hold(true);
    assert_ok(natskit_connect_start(named_url, Z, NO_OPTIONS, WAIT_MS, &conn, &op, NULL));
    wait_until_asked();
    for (int i = 0; !is_judged(&late, i); i++) {
        int64_t timeout_ms = i == 0 ? 0 : SHORT_MS;
        int64_t begin_ms = ts_now_ms();
        assert_status(natskit_shutdown(timeout_ms), NATSKIT_TIMEOUT);
        note(&late, begin_ms, timeout_ms);
        assert_status(natskit_op_result(op, NULL, NULL), NATSKIT_CLOSED);
    }
    natskit_counters left;
    assert_ok(natskit_counters_get(&left, sizeof left));
    assert_int_equal(left.conns + left.ops, 0);
    assert_int_equal(left.threads, 1);    /* the one in the resolver */
    natskit_conn again = bench_connect(); /* the library works on */
    assert_ok(natskit_flush(again, WAIT_MS));
    assert_status(natskit_shutdown(0), NATSKIT_TIMEOUT);
    tt_resolver_hold(false);
    assert_ok(natskit_shutdown(WAIT_MS));
    assert_ok(natskit_counters_get(&left, sizeof left));
    assert_int_equal(left.threads + left.allocated_bytes, 0);
    int64_t deadline_ms = ts_now_ms() + WAIT_MS;
    while (count_entries("/proc/self/task") != threads && ts_now_ms() < deadline_ms) {
        ts_pause_ms(1); /* the kernel removes a joined thread's entry a moment later */
    }
    assert_int_equal(count_entries("/proc/self/task"), threads);
    assert_int_equal(count_entries("/proc/self/fd"), descriptors);
    print_message("shutdown beside the resolver: at most %d ms late, at best %d\n", (int)late.worst_ms,
                  (int)late.best_ms);
    assert_true(late.best_ms <= BEST_LATE_MS);
}

static int begin(void **state)
{
    int failed = bench_begin(state);
    if (failed == 0) {
        (void)snprintf(named_url, sizeof named_url, "nats://localhost:%u", ts_tap_port(bench.tap));
    }
    return failed;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_a_server_that_goes),
        cmocka_unit_test(test_shutdown),
    };
    return cmocka_run_group_tests(tests, begin, bench_end);
}
