/* See fixture.h. */
#include "fixture.h"

#include "support/nats_server.h"
#include "support/net.h"
#include "support/text.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct ts_server *server;
static int silent_fd = -1;
static uint16_t silent_port;
static int threads_before;
static int descriptors_before;
static uint64_t bytes_before;

const char *fx_status_name(natskit_status status)
{
    natskit_status_info info;
    if (natskit_status_describe(status, &info, sizeof info) != NATSKIT_OK) {
        return "not a status";
    }
    return info.name;
}

void fx_status(natskit_status got, natskit_status wanted, const char *file, int line)
{
    if (got != wanted) {
        print_error("%s:%d: status %s (%d), wanted %s (%d)\n", file, line, fx_status_name(got), got,
                    fx_status_name(wanted), wanted);
        _fail(file, line);
    }
}

natskit_conn fx_silent_conn(natskit_op *op)
{
    if (silent_fd < 0) {
        silent_port = 0;
        silent_fd = ts_listen("127.0.0.1", &silent_port);
        assert_true(silent_fd >= 0);
        descriptors_before++; /* it stays open for the following tests */
    }
    char url[64];
    natskit_conn conn;
    natskit_op connecting;
    (void)snprintf(url, sizeof url, "127.0.0.1:%u", silent_port);
    assert_ok(natskit_connect_start(url, Z, NO_OPTIONS, 60 * SECONDS, &conn, &connecting, NULL));
    if (op != NULL) {
        *op = connecting;
    } else {
        assert_ok(natskit_op_close(connecting));
    }
    return conn;
}

struct ts_server *fx_server(void)
{
    if (server == NULL) {
        if (ts_server_program() == NULL) {
            skip();
        }
        server = ts_server_start(NULL);
        assert_non_null(server);
        descriptors_before = fx_descriptors();
    }
    return server;
}

const char *fx_server_url(void)
{
    return ts_server_url(fx_server());
}

natskit_conn fx_connect(void)
{
    natskit_conn conn;
    natskit_error err;
    natskit_status status = natskit_connect(fx_server_url(), Z, NO_OPTIONS, 10 * SECONDS, &conn, &err);
    if (status != NATSKIT_OK) {
        print_error("connect: %s\n", err.text);
    }
    assert_ok(status);
    return conn;
}

/* An API call that may be answered with an error. */
static bool api(natskit_conn conn, const char *call, const char *stream, const char *body)
{
    char subject[100];
    natskit_msg *reply;
    natskit_message_view view;
    (void)snprintf(subject, sizeof subject, "$JS.API.%s.%s", call, stream);
    assert_ok(natskit_request(conn, subject, Z, NO_HEADERS, body, Z, 10 * SECONDS, &reply, NULL));
    assert_ok(natskit_msg_view(reply, &view, sizeof view));
    bool fine = memmem(view.data, view.data_len, "\"error\":", 8) == NULL;
    assert_ok(natskit_msg_release(reply));
    return fine;
}

void fx_deliver(natskit_conn conn, const char *stream, const char *subject, const char *deliver)
{
    char body[400];
    (void)api(conn, "STREAM.DELETE", stream, "");
    (void)snprintf(body, sizeof body, "{\"name\":\"%s\",\"subjects\":[\"%s\"],\"storage\":\"memory\"}",
                   stream, subject);
    assert_true(api(conn, "STREAM.CREATE", stream, body));
    (void)snprintf(body, sizeof body,
                   "{\"stream_name\":\"%s\",\"config\":{\"deliver_subject\":\"%s\",\"ack_policy\":\"none\","
                   "\"inactive_threshold\":3600000000000}}",
                   stream, deliver);
    assert_true(api(conn, "CONSUMER.CREATE", stream, body));
}

void fx_bucket(natskit_conn conn, const char *bucket)
{
    char stream[64];
    char body[400];
    (void)snprintf(stream, sizeof stream, "KV_%s", bucket);
    (void)snprintf(body, sizeof body,
                   "{\"name\":\"%s\",\"subjects\":[\"$KV.%s.>\"],\"storage\":\"memory\",\"discard\":\"new\","
                   "\"max_msgs_per_subject\":5,\"allow_rollup_hdrs\":true,\"deny_delete\":true,"
                   "\"allow_direct\":true}",
                   stream, bucket);
    assert_true(api(conn, "STREAM.CREATE", stream, body));
}

void fx_stream(natskit_conn conn, const char *stream, const char *config)
{
    assert_true(api(conn, "STREAM.CREATE", stream, config));
}

void fx_server_end(void)
{
    ts_server_free(server);
    server = NULL;
    if (silent_fd >= 0) {
        close(silent_fd);
        silent_fd = -1;
    }
}

void fx_wait_received(natskit_sub sub, uint64_t count)
{
    natskit_sub_stats stats;
    int64_t deadline = ts_now_ms() + 20 * SECONDS;
    assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
    while (stats.received < count && ts_now_ms() < deadline) {
        ts_pause_ms(1);
        assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
    }
    assert_int_equal(stats.received, count);
}

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

int fx_threads(void)
{
    return count_entries("/proc/self/task");
}

int fx_descriptors(void)
{
    return count_entries("/proc/self/fd");
}

#if defined(__SANITIZE_THREAD__)
static void *nothing(void *arg)
{
    return arg;
}

/* The thread sanitizer starts a thread of its own beside the first one of the program; it is to be there
 * before threads are counted. */
static void start_sanitizer(void)
{
    static bool done;
    pthread_t thread;
    if (!done) {
        assert_int_equal(pthread_create(&thread, NULL, nothing, NULL), 0);
        pthread_join(thread, NULL);
        ts_pause_ms(50); /* the kernel removes a joined thread's entry a moment later */
        done = true;
    }
}
#else
static void start_sanitizer(void) {}
#endif

int fx_mark(void **state)
{
    (void)state;
    natskit_counters counters;
    start_sanitizer();
    assert_ok(natskit_counters_get(&counters, sizeof counters));
    bytes_before = counters.allocated_bytes;
    threads_before = fx_threads();
    descriptors_before = fx_descriptors();
    return 0;
}

/* The kernel removes a joined thread's entry a moment later. */
static int threads_settled(void)
{
    int64_t deadline = ts_now_ms() + 5 * SECONDS;
    while (fx_threads() != threads_before && ts_now_ms() < deadline) {
        ts_pause_ms(1);
    }
    return fx_threads();
}

int fx_check_clean(void **state)
{
    (void)state;
    natskit_counters counters;
    assert_ok(natskit_shutdown(10 * SECONDS));
    assert_ok(natskit_counters_get(&counters, sizeof counters));
    assert_int_equal(counters.options, 0);
    assert_int_equal(counters.headers, 0);
    assert_int_equal(counters.conns, 0);
    assert_int_equal(counters.subs, 0);
    assert_int_equal(counters.ops, 0);
    assert_int_equal(counters.waitsets, 0);
    assert_int_equal(counters.jsons, 0);
    assert_int_equal(counters.contexts, 0);
    assert_int_equal(counters.publishers, 0);
    assert_int_equal(counters.kvs, 0);
    assert_int_equal(counters.batches, 0);
    assert_int_equal(counters.ingests, 0);
    assert_int_equal(counters.object_stores, 0);
    assert_int_equal(counters.object_writers, 0);
    assert_int_equal(counters.object_readers, 0);
    assert_int_equal(counters.msgs, 0);
    assert_int_equal(counters.threads, 0);
    assert_int_equal(counters.allocated_bytes, bytes_before);
    assert_int_equal(threads_settled(), threads_before);
    assert_int_equal(fx_descriptors(), descriptors_before);
    return 0;
}

bool fx_is(const void *at, size_t len, const char *text)
{
    return len == strlen(text) && (len == 0 || memcmp(at, text, len) == 0);
}
