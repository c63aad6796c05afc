/* Many lives, one after another, in one process: connections that come and go, connects that fail in every
 * way, subscriptions. After natskit_shutdown objects, bytes, threads and descriptors are back at their start,
 * and from the middle to the end of each kind resident memory does not grow (plain build: sanitizers keep
 * what was freed).
 *
 * NATSKIT_LIVES=n multiplies the rounds. */
#include "bench.h"

#include "support/net.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { SCALE = 10, CHECK_MEMORY = 0 };
#else
enum { SCALE = 1, CHECK_MEMORY = 1 };
#endif

enum {
    CONNECTS = 1000 / SCALE,
    FAILURES = 200 / SCALE,
    SUBSCRIBES = 2000 / SCALE,
    GROWTH_KIB = 1024,
    ALLOWED_BYTES = 2048 * 1024, /* for caches; a connection has 12 KiB */
    ENDED_BYTES = 768 * 1024,    /* of connections that have ended, at a time: below GROWTH_KIB */
    SILENT_MS = 10
};

static uint64_t times = 1;

struct resources {
    uint64_t bytes;
    int threads;
    int descriptors;
};

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

static long resident_kib(void)
{
    long total;
    long resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld %ld", &total, &resident), 2);
    fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static struct resources resources(void)
{
    natskit_counters now;
    assert_ok(natskit_counters_get(&now, sizeof now));
    assert_int_equal(now.conns + now.subs + now.ops + now.waitsets + now.options + now.headers + now.msgs, 0);
    return (struct resources){now.allocated_bytes, count_entries("/proc/self/task"),
                              count_entries("/proc/self/fd")};
}

static uint64_t allocated_bytes(void)
{
    natskit_counters now;
    assert_ok(natskit_counters_get(&now, sizeof now));
    return now.allocated_bytes;
}

/* What has ended is freed by the I/O thread: it gets its turn, on busy processors too. */
static void wait_until_freed(uint64_t enough)
{
    int64_t deadline_ms = ts_now_ms() + WAIT_MS;
    while (allocated_bytes() > enough && ts_now_ms() < deadline_ms) {
        ts_pause_ms(1);
    }
    assert_in_range(allocated_bytes(), 0, enough);
}

/* Runs `life` that often, and looks at what it has left. */
static void many(const char *name, uint64_t count, void (*life)(void *arg), void *arg)
{
    life(arg); /* what a process has from then on is not the library's: the tap's control, a sanitizer's
                  thread */
    assert_ok(natskit_shutdown(WAIT_MS));
    struct resources start = resources();
    long middle_kib = 0;
    int64_t begin_ms = ts_now_ms();
    count *= times;
    life(arg);
    uint64_t enough = allocated_bytes() + ENDED_BYTES;
    for (uint64_t i = 0; i < count; i++) {
        middle_kib = i == count / 2 ? resident_kib() : middle_kib;
        life(arg);
        wait_until_freed(enough);
    }
    long grown_kib = resident_kib() - middle_kib;
    assert_ok(natskit_shutdown(WAIT_MS));
    struct resources end = resources();
    int64_t deadline_ms = ts_now_ms() + WAIT_MS;
    while ((end.threads > start.threads || end.descriptors > start.descriptors) &&
           ts_now_ms() < deadline_ms) {
        ts_pause_ms(1); /* a joined thread's entry, and the descriptor of a host of ours, go a moment later */
        end = resources();
    }
    print_message("%s: %llu in %lld ms, %+ld KiB resident from the middle on\n", name,
                  (unsigned long long)count, (long long)(ts_now_ms() - begin_ms), grown_kib);
    assert_int_equal(end.bytes, start.bytes);
    assert_true(end.threads <= start.threads && end.descriptors <= start.descriptors);
    assert_true(!CHECK_MEMORY || grown_kib < GROWTH_KIB);
}

/* -- lives ----------------------------------------------------------------------------------------------- */

static void open_and_close(void *arg)
{
    natskit_conn conn;
    uint64_t *turn = arg;
    assert_ok(natskit_connect(ts_tap_url(bench.tap), Z, NO_OPTIONS, WAIT_MS, &conn, NULL));
    natskit_sub sub = bench_subscribe(conn, "lives", NULL);
    bench_publish(conn, "lives", "x");
    if (*turn % 2 == 0) {
        bench_expect(sub, "x");
    }
    assert_ok(natskit_conn_close(conn, *turn % 3 == 0 ? 0 : WAIT_MS));
    assert_ok(natskit_sub_close(sub));
    *turn += 1;
}

/* Over 63 characters: the resolver says no by itself, and no packet that is lost makes the test slow. */
#define LONG_LABEL "a-label-that-is-longer-than-the-domain-name-system-allows-one-to-be-at-all"

struct failure {
    const char *name;
    const char *url;
    int64_t timeout_ms;
    natskit_status status;
};

static void fail_to_connect(void *arg)
{
    const struct failure *failure = arg;
    natskit_conn conn = {1};
    natskit_error err = {0};
    natskit_status status = natskit_connect(failure->url, Z, NO_OPTIONS, failure->timeout_ms, &conn, &err);
    if (status != failure->status) {
        print_error("%s: %s\n", failure->name, err.text);
    }
    assert_status(status, failure->status);
    assert_int_equal(conn.id, 0);
    assert_true(err.text[0] != '\0');
}

static void subscribe_and_end(void *arg)
{
    const natskit_conn *conn = arg;
    natskit_sub sub = bench_subscribe(*conn, "lives.sub", NULL);
    bench_publish(*conn, "lives.sub", "x");
    assert_ok(natskit_sub_unsubscribe(sub, 1));
    bench_expect(sub, "x");
    assert_ok(natskit_sub_close(sub));
}

/* -- the tests ------------------------------------------------------------------------------------------- */

static void test_connections(void **state)
{
    (void)state;
    uint64_t turn = 0;
    many("connections", CONNECTS, open_and_close, &turn);
}

/* Whoever closes a connection has closed its socket when the call returns; its memory goes soon after, while
 * others live on. */
static void test_closed_at_once(void **state)
{
    (void)state;
    natskit_conn other = bench_connect();
    int descriptors = count_entries("/proc/self/fd");
    uint64_t turn = 0;
    open_and_close(&turn);
    uint64_t enough = allocated_bytes() + ALLOWED_BYTES;
    while (turn < CONNECTS) {
        open_and_close(&turn);
        assert_in_range(count_entries("/proc/self/fd"), 0, descriptors);
    }
    wait_until_freed(enough);
    assert_ok(natskit_conn_close(other, WAIT_MS));
}

static void test_subscriptions(void **state)
{
    (void)state;
    natskit_conn_stats stats;
    natskit_counters before;
    natskit_counters after;
    natskit_conn conn = bench_connect();
    subscribe_and_end(&conn);
    assert_ok(natskit_flush(conn, WAIT_MS));
    assert_ok(natskit_counters_get(&before, sizeof before));
    long middle_kib = 0;
    uint64_t count = SUBSCRIBES * times;
    for (uint64_t i = 0; i < count; i++) {
        middle_kib = i == count / 2 ? resident_kib() : middle_kib;
        subscribe_and_end(&conn);
    }
    assert_ok(natskit_flush(conn, WAIT_MS));
    long grown_kib = resident_kib() - middle_kib;
    assert_ok(natskit_conn_stats_get(conn, &stats, sizeof stats));
    assert_ok(natskit_counters_get(&after, sizeof after));
    print_message("subscriptions: %llu, %+ld KiB resident from the middle on\n", (unsigned long long)count,
                  grown_kib);
    assert_int_equal(stats.subs, 0);
    assert_int_equal(stats.in_msgs, count + 1);
    assert_int_equal(after.subs + after.msgs, 0);
    assert_true(!CHECK_MEMORY || grown_kib < GROWTH_KIB);
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

/* A server that says something, or nothing, to each client, and waits until it hangs up. */
struct host {
    pthread_t thread;
    int listener;
    const char *greeting;
    char url[64];
};

static void *be_host(void *arg)
{
    const struct host *host = arg;
    int fd;
    while ((fd = accept(host->listener, NULL, NULL)) >= 0) {
        if (host->greeting[0] == '\0' || ts_send_text(fd, host->greeting)) {
            (void)ts_wait_closed(fd, WAIT_MS);
        }
        close(fd);
    }
    return NULL;
}

static void start_host(struct host *host, const char *greeting)
{
    uint16_t port = 0;
    host->greeting = greeting;
    host->listener = ts_listen("127.0.0.1", &port);
    assert_true(host->listener >= 0);
    (void)snprintf(host->url, sizeof host->url, "nats://127.0.0.1:%u", port);
    assert_int_equal(pthread_create(&host->thread, NULL, be_host, host), 0);
}

static void stop_host(struct host *host)
{
    (void)shutdown(host->listener, SHUT_RDWR); /* ends the accept */
    assert_int_equal(pthread_join(host->thread, NULL), 0);
    close(host->listener);
}

static void test_failed_connects(void **state)
{
    (void)state;
    char refused[64];
    struct host silent;
    struct host garbage;
    struct ts_server *strict = ts_server_start(
        &(struct ts_server_opts){.extra = "authorization { user: a, password: b }\n", .no_jetstream = true});
    assert_non_null(strict);
    struct ts_tap *tap = ts_tap_start(ts_server_url(strict));
    assert_non_null(tap);
    (void)snprintf(refused, sizeof refused, "nats://127.0.0.1:%u", ts_free_port());
    start_host(&silent, "");
    start_host(&garbage, "HTTP/1.1 400 Bad Request\r\n\r\n");
    struct failure failures[] = {
        {"refused", refused, WAIT_MS, NATSKIT_CONNECT_REFUSED},
        {"unresolvable", "nats://" LONG_LABEL ".invalid:4222", WAIT_MS, NATSKIT_RESOLVE},
        {"silent", silent.url, SILENT_MS, NATSKIT_TIMEOUT},
        {"garbage", garbage.url, WAIT_MS, NATSKIT_PROTOCOL},
        {"credentials refused", ts_tap_url(tap), WAIT_MS, NATSKIT_AUTH},
    };
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        many(failures[i].name, FAILURES, fail_to_connect, &failures[i]);
    }
    stop_host(&silent);
    stop_host(&garbage);
    assert_int_equal(ts_tap_stop(tap), 0);
    ts_server_free(strict);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connections),
        cmocka_unit_test(test_closed_at_once),
        cmocka_unit_test(test_subscriptions),
        cmocka_unit_test(test_failed_connects),
    };
    const char *text = getenv("NATSKIT_LIVES");
    if (text != NULL && (!ts_parse_size(text, &times) || times == 0)) {
        fprintf(stderr, "NATSKIT_LIVES: %s is not a number\n", text);
        return 1;
    }
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
