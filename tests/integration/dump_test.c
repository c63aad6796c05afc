/* What natskit_dump tells of live objects, against a real server: valid JSON at any moment, each kind with
 * its facts, no secret, nothing of what was closed; also while other threads open and close. */
#include "bench.h"

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 300, MANY = 70000 };

/* The text, for free(); it is one JSON document. */
static char *dump(void)
{
    size_t cap = 64;
    for (;;) {
        char *text = malloc(cap + 1);
        size_t len = 0;
        natskit_status status = natskit_dump(text, cap, &len);
        if (status == NATSKIT_OK) {
            natskit_json json;
            assert_ok(natskit_json_parse(text, len, &json, NULL));
            assert_ok(natskit_json_close(json));
            text[len] = '\0';
            return text;
        }
        assert_status(status, NATSKIT_LIMIT);
        assert_true(len > cap);
        free(text);
        cap = len;
    }
}

static void expect(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void expect(const char *format, ...)
{
    char part[300];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(part, sizeof part, format, args);
    va_end(args);
    char *text = dump();
    if (strstr(text, part) == NULL) {
        fail_msg("'%s' is not in %s", part, text);
    }
    free(text);
}

/* In the object whose text holds `which`, the number behind `key` is this, or, if `low` is 0, any from then
 * on. */
static void expect_ms(const char *which, const char *key, int64_t low)
{
    char *text = dump();
    const char *at = strstr(text, which);
    at = at != NULL ? strstr(at, key) : NULL;
    if (at == NULL) {
        fail_msg("%s of %s is not in %s", key, which, text);
        return;
    }
    int64_t value = strtoll(at + strlen(key), NULL, 10);
    assert_true(low < 0 ? value == low : value >= low);
    free(text);
}

static void test_objects(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    natskit_sub sub = bench_subscribe(conn, "dump.>", "group");
    natskit_op op;
    bench_publish(conn, "dump.a", "12345");
    bench_publish(conn, "dump.b", "12345");
    assert_ok(natskit_flush(conn, WAIT_MS));
    assert_ok(natskit_request_start(conn, "dump.me", Z, NO_HEADERS, "", 0, NO_OPTIONS, WAIT_MS, &op, NULL));
    assert_ok(natskit_flush(conn, WAIT_MS));
    expect("{\"handle\":%" PRIu64 ",\"kind\":\"connection\",\"state\":\"connected\",\"connected_ms\":",
           conn.id);
    expect("\"url\":\"%s\"", ts_tap_url(bench.tap));
    expect("\"last_error\":null");
    expect("{\"handle\":%" PRIu64 ",\"kind\":\"subscription\",\"connection\":%" PRIu64
           ",\"subject\":\"dump.>\",\"queue\":\"group\",\"live\":true",
           sub.id, conn.id);
    expect("\"received\":3,\"taken\":0,\"pending_msgs\":3"); /* the request, too */
    expect_ms("\"subject\":\"dump.>\"", "\"since_ms\":", 0);
    expect_ms("\"subject\":\"dump.>\"", "\"activity_ms\":", 0);
    expect_ms("\"subject\":\"dump.>\"", "\"beat_ms\":", -1); /* no consumer feeds it */
    expect_ms("\"kind\":\"connection\"", "\"activity_ms\":", 0);
    expect_ms("\"kind\":\"connection\"", "\"beat_ms\":", 0);
    expect("{\"handle\":%" PRIu64 ",\"kind\":\"operation\",\"connection\":%" PRIu64
           ",\"done\":false,\"error\":null",
           op.id, conn.id);
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    expect("\"live\":false,\"draining\":false,\"ended_by\":\"CLOSED\"");
    assert_ok(natskit_sub_close(sub));
    char *text = dump();
    assert_non_null(strstr(text, "\"objects\":[],\"left_out\":0}"));
    free(text);
}

static void test_no_secret(void **state)
{
    (void)state;
    natskit_options options;
    natskit_conn conn;
    natskit_op op;
    char url[128];
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    assert_ok(natskit_options_set(options, "token", Z, "tk-Marker-91c4", Z, NULL));
    (void)snprintf(url, sizeof url, "nats://joe:pw-Marker-7f3a@127.0.0.1:%u", ts_free_port());
    assert_ok(natskit_connect_start(url, Z, options, WAIT_MS, &conn, &op, NULL));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    expect("\"state\":\"closed\",\"connected_ms\":-1,\"silent_ms\":-1");
    expect("\"last_error\":\"CONNECT_REFUSED\"");
    char *text = dump();
    assert_null(strstr(text, "Marker"));
    free(text);
    assert_ok(natskit_options_close(options));
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_conn_close(conn, 0));
}

static atomic_bool over;

static void *open_and_close(void *arg)
{
    natskit_conn conn = *(natskit_conn *)arg;
    while (!atomic_load(&over)) {
        natskit_sub sub = {0};
        natskit_headers headers = {0};
        natskit_op op = {0};
        (void)natskit_subscribe(conn, "dump.busy", Z, NULL, 0, NO_OPTIONS, &sub, NULL);
        (void)natskit_headers_open(&headers);
        (void)natskit_flush_start(conn, NO_OPTIONS, WAIT_MS, &op, NULL);
        (void)natskit_op_close(op);
        (void)natskit_headers_close(headers);
        (void)natskit_sub_close(sub);
    }
    return NULL;
}

static void test_while_all_changes(void **state)
{
    (void)state;
    pthread_t threads[2];
    natskit_conn conn = bench_connect();
    atomic_store(&over, false);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, &conn), 0);
    }
    for (int i = 0; i < ROUNDS; i++) {
        free(dump());
    }
    atomic_store(&over, true);
    for (size_t i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

static void test_more_than_is_shown(void **state)
{
    (void)state;
    natskit_headers *all = calloc(MANY, sizeof *all);
    for (size_t i = 0; i < MANY; i++) {
        assert_ok(natskit_headers_open(&all[i]));
    }
    expect("],\"left_out\":%d}", MANY - 65536);
    for (size_t i = 0; i < MANY; i++) {
        assert_ok(natskit_headers_close(all[i]));
    }
    free(all);
}

/* Threads of the process by name, as top -H shows them. */
static int threads_named(const char *name)
{
    int found = 0;
    DIR *dir = opendir("/proc/self/task");
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[300];
        char text[32] = "";
        (void)snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = fopen(path, "r");
        found += file != NULL && fgets(text, sizeof text, file) != NULL && strcmp(text, name) == 0;
        if (file != NULL) {
            fclose(file);
        }
    }
    closedir(dir);
    return found;
}

static void test_thread_name(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    assert_int_equal(threads_named("natskit-io\n"), 1); /* that of the helper is in tests/unit/base */
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_objects),           cmocka_unit_test(test_no_secret),
        cmocka_unit_test(test_while_all_changes), cmocka_unit_test(test_more_than_is_shown),
        cmocka_unit_test(test_thread_name),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
