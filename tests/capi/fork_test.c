/* fork(): inherited handles answer FORKED, the child can begin anew, inherited messages stay readable, and
 * the parent does not notice. The children leave with _exit and tell by their exit code which check failed;
 * each has only the thread that forked. */
#include "fixture.h"

#include "support/text.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The allocators of the sanitizers take no care of a fork beside other threads that allocate, and the thread
 * sanitizer has no threads in the child of a program that had some. */
#if defined(__SANITIZE_THREAD__)
#define QUIET_MS 100
#define FORKS_BESIDE_THREADS 0
#define CHILD_HAS_THREADS false
#elif defined(__SANITIZE_ADDRESS__)
#define QUIET_MS 100
#define FORKS_BESIDE_THREADS 0
#define CHILD_HAS_THREADS true
#else
#define QUIET_MS 0
#define FORKS_BESIDE_THREADS 60
#define CHILD_HAS_THREADS true
#endif

/* fork, once the I/O thread has gone to sleep where that matters. */
static pid_t fork_quietly(void)
{
    if (QUIET_MS > 0) {
        ts_pause_ms(QUIET_MS);
    }
    return fork();
}

/* In a child: a check that ends it. */
#define CHILD_CHECK(condition)                                                                               \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "child, line %d: %s\n", __LINE__, #condition);                                   \
            _exit(1);                                                                                        \
        }                                                                                                    \
    } while (0)

struct objects {
    natskit_options options;
    natskit_headers headers;
    natskit_conn conn;
    natskit_sub sub;
    natskit_op op;
    natskit_waitset waitset;
    natskit_json json;
    natskit_js js;
    natskit_kv kv;
    natskit_sub watch;
    natskit_object_store store;
    natskit_object_writer writer; /* half way */
    natskit_object_reader reader;
    natskit_sub objects;
    natskit_msg *msg;
};

static void open_store(struct objects *all)
{
    static const char config[] =
        "{\"name\":\"OBJ_FORK\",\"subjects\":[\"$O.FORK.C.>\",\"$O.FORK.M.>\"],\"storage\":\"memory\","
        "\"discard\":\"new\",\"allow_rollup_hdrs\":true,\"allow_direct\":true}";
    const natskit_json none = {0};
    natskit_msg *info;
    fx_stream(all->conn, "OBJ_FORK", config);
    assert_ok(natskit_object_store_open(all->js, "FORK", Z, &all->store, NULL));
    assert_ok(
        natskit_object_put(all->store, "o", Z, none, "inherited", 9, NO_OPTIONS, 10 * SECONDS, &info, NULL));
    assert_ok(natskit_object_reader_open(all->store, info, &all->reader, NULL));
    assert_ok(natskit_msg_release(info));
    assert_ok(natskit_object_writer_open(all->store, "w", Z, none, NO_OPTIONS, &all->writer, NULL));
    assert_ok(natskit_object_writer_write(all->writer, "x", 1, 10 * SECONDS, NULL, NULL));
    assert_ok(natskit_object_watch(all->store, NO_OPTIONS, &all->objects, NULL));
}

static struct objects open_objects(void)
{
    struct objects all;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &all.options));
    assert_ok(natskit_headers_open(&all.headers));
    all.conn = fx_connect();
    fx_deliver(all.conn, "F", "f", "delivered");
    assert_ok(natskit_subscribe(all.conn, "delivered", Z, NULL, 0, NO_OPTIONS, &all.sub, NULL));
    assert_ok(natskit_waitset_open(&all.waitset));
    fx_bucket(all.conn, "FORK");
    assert_ok(natskit_json_open(NATSKIT_JSON_OBJECT, &all.json));
    assert_ok(natskit_js_open(all.conn, NO_OPTIONS, &all.js, NULL));
    assert_ok(natskit_kv_open(all.js, "FORK", Z, &all.kv, NULL));
    assert_ok(natskit_kv_watch(all.kv, NO_OPTIONS, &all.watch, NULL));
    open_store(&all);
    assert_ok(natskit_publish(all.conn, "f", Z, NULL, 0, NO_HEADERS, "inherited", 9, 0));
    assert_ok(natskit_sub_next(all.sub, 10 * SECONDS, &all.msg));
    assert_ok(natskit_flush_start(all.conn, NO_OPTIONS, 10 * SECONDS, &all.op, NULL));
    return all;
}

static int wait_child(pid_t pid)
{
    int status = 0;
    int64_t deadline = ts_now_ms() + 30 * SECONDS;
    pid_t got = 0;
    while (got == 0 && ts_now_ms() < deadline) {
        got = waitpid(pid, &status, WNOHANG);
        if (got == 0) {
            ts_pause_ms(1);
        }
    }
    if (got == 0) {
        print_error("the child hangs\n");
        kill(pid, SIGKILL);
        (void)waitpid(pid, &status, 0);
    }
    assert_int_equal(got, pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void child_finds_forked_store(const struct objects *all)
{
    char byte;
    size_t len;
    natskit_op op;
    natskit_sub sub;
    natskit_msg *msg;
    natskit_object_store store;
    natskit_object_writer writer;
    natskit_object_progress progress;
    const natskit_status wanted = NATSKIT_FORKED;
    const natskit_json none = {0};
    CHILD_CHECK(natskit_object_store_open(all->js, "b", Z, &store, NULL) == wanted);
    CHILD_CHECK(natskit_object_info(all->store, "o", Z, 0, -1, &msg, NULL) == wanted);
    CHILD_CHECK(natskit_object_delete(all->store, "o", Z, -1, NULL, NULL) == wanted);
    CHILD_CHECK(natskit_object_update(all->store, "o", Z, none, -1, NULL, NULL) == wanted);
    CHILD_CHECK(natskit_object_link(all->store, "l", Z, "FORK", Z, "o", Z, -1, NULL, NULL) == wanted);
    CHILD_CHECK(natskit_object_put(all->store, "p", Z, none, "x", 1, NO_OPTIONS, -1, NULL, NULL) == wanted);
    CHILD_CHECK(natskit_object_watch(all->store, NO_OPTIONS, &sub, NULL) == wanted);
    CHILD_CHECK(natskit_object_writer_open(all->store, "p", Z, none, NO_OPTIONS, &writer, NULL) == wanted);
    CHILD_CHECK(natskit_object_writer_write(all->writer, "x", 1, -1, NULL, NULL) == wanted);
    CHILD_CHECK(natskit_object_writer_room_start(all->writer, NO_OPTIONS, -1, &op, NULL) == wanted);
    CHILD_CHECK(natskit_object_writer_progress(all->writer, &progress, sizeof progress) == wanted);
    CHILD_CHECK(natskit_object_writer_finish(all->writer, -1, NULL, NULL) == wanted);
    CHILD_CHECK(natskit_object_writer_abort(all->writer, -1, NULL) == wanted);
    CHILD_CHECK(natskit_object_writer_close(all->writer) == wanted);
    CHILD_CHECK(natskit_object_reader_read(all->reader, &byte, 1, -1, &len, NULL) == wanted);
    CHILD_CHECK(natskit_object_reader_ready_start(all->reader, NO_OPTIONS, -1, &op, NULL) == wanted);
    CHILD_CHECK(natskit_object_reader_progress(all->reader, &progress, sizeof progress) == wanted);
    CHILD_CHECK(natskit_object_reader_close(all->reader) == wanted);
    CHILD_CHECK(natskit_sub_next(all->objects, -1, &msg) == wanted);
    CHILD_CHECK(natskit_object_store_close(all->store) == wanted);
}

static void child_finds_forked_js(const struct objects *all)
{
    natskit_msg *msg;
    natskit_sub sub;
    natskit_op op;
    natskit_js js;
    natskit_kv kv;
    natskit_json json;
    natskit_watch_info info;
    const natskit_status wanted = NATSKIT_FORKED;
    const natskit_json none = {0};
    CHILD_CHECK(natskit_js_open(all->conn, NO_OPTIONS, &js, NULL) == wanted);
    CHILD_CHECK(natskit_js_call(all->js, "account.info", Z, none, -1, &json, NULL) == wanted);
    CHILD_CHECK(natskit_js_call_start(all->js, "account.info", Z, none, NO_OPTIONS, -1, &op, NULL) == wanted);
    CHILD_CHECK(natskit_op_json(all->op, &json, NULL) == wanted);
    CHILD_CHECK(natskit_js_ordered(all->js, "S", Z, NO_OPTIONS, &sub, NULL) == wanted);
    CHILD_CHECK(natskit_js_get_msg(all->js, "S", Z, 1, NULL, 0, 0, 0, -1, &msg, NULL) == wanted);
    CHILD_CHECK(natskit_js_get_msg_start(all->js, "S", Z, 1, NULL, 0, 0, 0, NO_OPTIONS, -1, &op, NULL) ==
                wanted);
    CHILD_CHECK(natskit_js_get_batch(all->js, "S", Z, NO_OPTIONS, &sub, NULL) == wanted);
    CHILD_CHECK(natskit_js_get_last(all->js, "S", Z, NO_OPTIONS, &sub, NULL) == wanted);
    CHILD_CHECK(natskit_js_subscribe(all->js, "s", Z, NO_OPTIONS, -1, &sub, NULL) == wanted);
    CHILD_CHECK(natskit_js_snapshot(all->js, none, -1, &sub, &json, NULL) == wanted);
    CHILD_CHECK(natskit_js_snapshot_start(all->js, none, -1, &sub, &op, NULL) == wanted);
    CHILD_CHECK(natskit_js_subscribe_start(all->js, "s", Z, NO_OPTIONS, -1, &sub, &op, NULL) == wanted);
    CHILD_CHECK(natskit_sub_push_info(all->sub, &(natskit_push_info){0}, sizeof(natskit_push_info)) ==
                wanted);
    CHILD_CHECK(natskit_kv_open(all->js, "b", Z, &kv, NULL) == wanted);
    CHILD_CHECK(natskit_kv_get(all->kv, "k", Z, 0, -1, &msg, NULL) == wanted);
    CHILD_CHECK(natskit_kv_get_start(all->kv, "k", Z, 0, NO_OPTIONS, -1, &op, NULL) == wanted);
    CHILD_CHECK(natskit_kv_write(all->kv, NATSKIT_KV_PUT, "k", Z, "x", 1, 0, 0, -1, NULL, NULL) == wanted);
    CHILD_CHECK(natskit_kv_write_start(all->kv, NATSKIT_KV_PUT, "k", Z, "x", 1, 0, 0, NO_OPTIONS, -1, &op,
                                       NULL) == wanted);
    CHILD_CHECK(natskit_kv_watch(all->kv, NO_OPTIONS, &sub, NULL) == wanted);
    CHILD_CHECK(natskit_kv_config(all->json, &json, NULL) == wanted);
    CHILD_CHECK(natskit_kv_status(all->kv, -1, &json, NULL) == wanted);
    CHILD_CHECK(natskit_kv_sweep(all->kv, NATSKIT_KV_PURGE_DELETES, NO_OPTIONS, -1, &json, NULL) == wanted);
    CHILD_CHECK(natskit_kv_cache(all->kv, NO_OPTIONS, &sub, NULL) == wanted);
    CHILD_CHECK(natskit_kv_cached(all->kv, "k", Z, &msg) == wanted);
    CHILD_CHECK(natskit_sub_watch_info(all->watch, &info, sizeof info) == wanted);
    CHILD_CHECK(natskit_sub_next(all->watch, -1, &msg) == wanted);
    CHILD_CHECK(natskit_sub_close(all->watch) == wanted);
    child_finds_forked_store(all);
    CHILD_CHECK(natskit_kv_close(all->kv) == wanted);
    CHILD_CHECK(natskit_js_close(all->js) == wanted);
    CHILD_CHECK(natskit_json_close(all->json) == wanted);
}

static void child_finds_forked(const struct objects *all)
{
    natskit_msg *msg;
    natskit_sub sub;
    natskit_op op;
    natskit_ready record;
    natskit_conn_info info;
    size_t count;
    int32_t fd;
    const natskit_status wanted = NATSKIT_FORKED;
    CHILD_CHECK(natskit_options_set(all->options, "name", Z, "x", Z, NULL) == wanted);
    CHILD_CHECK(natskit_options_close(all->options) == wanted);
    CHILD_CHECK(natskit_headers_add(all->headers, "a", Z, "b", Z, NULL) == wanted);
    CHILD_CHECK(natskit_headers_close(all->headers) == wanted);
    CHILD_CHECK(natskit_publish(all->conn, "f", Z, NULL, 0, NO_HEADERS, NULL, 0, -1) == wanted);
    CHILD_CHECK(natskit_flush(all->conn, -1) == wanted);
    CHILD_CHECK(natskit_request(all->conn, "f", Z, NO_HEADERS, NULL, 0, -1, &msg, NULL) == wanted);
    CHILD_CHECK(natskit_subscribe(all->conn, "f", Z, NULL, 0, NO_OPTIONS, &sub, NULL) == wanted);
    CHILD_CHECK(natskit_conn_info_get(all->conn, &info, sizeof info) == wanted);
    CHILD_CHECK(natskit_conn_close(all->conn, -1) == wanted);
    CHILD_CHECK(natskit_conn_close_start(all->conn, -1, &op, NULL) == wanted);
    CHILD_CHECK(natskit_sub_next(all->sub, -1, &msg) == wanted);
    CHILD_CHECK(natskit_sub_close(all->sub) == wanted);
    CHILD_CHECK(natskit_op_wait(all->op, -1) == wanted);
    CHILD_CHECK(natskit_op_close(all->op) == wanted);
    CHILD_CHECK(natskit_waitset_wait(all->waitset, &record, sizeof record, 1, -1, &count) == wanted);
    CHILD_CHECK(natskit_waitset_fd(all->waitset, &fd) == wanted);
    CHILD_CHECK(natskit_waitset_add(all->waitset, all->sub.id, 1) == wanted);
    CHILD_CHECK(natskit_waitset_close(all->waitset) == wanted);
    CHILD_CHECK(natskit_msg_respond(all->msg, NO_HEADERS, NULL, 0, -1) == wanted);
    CHILD_CHECK(natskit_msg_ack(all->msg) == wanted);
    CHILD_CHECK(natskit_msg_in_progress(all->msg) == wanted);
    CHILD_CHECK(natskit_msg_ack_confirm(all->msg, -1, NULL) == wanted);
    CHILD_CHECK(natskit_ack_batch(&all->msg, 1, &count) == wanted && count == 0);
    CHILD_CHECK(natskit_options_close((natskit_options){0}) == NATSKIT_BAD_HANDLE);
    CHILD_CHECK(natskit_options_close((natskit_options){all->sub.id}) == NATSKIT_BAD_HANDLE);
    child_finds_forked_js(all);
}

/* Any number of times; the reference stays. */
static void child_reads_message(natskit_msg *msg)
{
    natskit_message_view view;
    CHILD_CHECK(natskit_msg_view(msg, &view, sizeof view) == NATSKIT_OK);
    natskit_delivery_view delivery;
    CHILD_CHECK(natskit_msg_delivery(msg, &delivery, sizeof delivery) == NATSKIT_OK);
    CHILD_CHECK(fx_is(delivery.stream, delivery.stream_len, "F") && delivery.acked == 0);
    CHILD_CHECK(fx_is(view.data, view.data_len, "inherited"));
    CHILD_CHECK(fx_is(view.subject, view.subject_len, "f"));
    CHILD_CHECK(natskit_msg_retain(msg) == NATSKIT_OK);
    CHILD_CHECK(natskit_msg_release(msg) == NATSKIT_OK);
}

static void child_counts_nothing(void)
{
    natskit_counters counters;
    CHILD_CHECK(natskit_counters_get(&counters, sizeof counters) == NATSKIT_OK);
    CHILD_CHECK(counters.options == 0 && counters.headers == 0 && counters.conns == 0 && counters.subs == 0 &&
                counters.ops == 0 && counters.waitsets == 0 && counters.jsons == 0 && counters.threads == 0 &&
                counters.contexts == 0 && counters.publishers == 0 && counters.kvs == 0 &&
                counters.batches == 0 && counters.object_stores == 0 && counters.object_writers == 0 &&
                counters.object_readers == 0);
}

/* All of the library again, with objects of the child's own. */
static void child_begins_anew(const char *url)
{
    if (!CHILD_HAS_THREADS) {
        return;
    }
    natskit_conn conn;
    natskit_sub sub;
    natskit_waitset set;
    natskit_ready record;
    natskit_msg *msg;
    size_t count;
    natskit_error err = {0};
    natskit_status status = natskit_connect(url, Z, NO_OPTIONS, 10 * SECONDS, &conn, &err);
    if (status != NATSKIT_OK) {
        fprintf(stderr, "child: connect: %s\n", err.text);
    }
    CHILD_CHECK(status == NATSKIT_OK);
    CHILD_CHECK(natskit_subscribe(conn, "child", Z, NULL, 0, NO_OPTIONS, &sub, NULL) == NATSKIT_OK);
    CHILD_CHECK(natskit_waitset_open(&set) == NATSKIT_OK);
    CHILD_CHECK(natskit_waitset_add(set, sub.id, 5) == NATSKIT_OK);
    CHILD_CHECK(natskit_publish(conn, "child", Z, NULL, 0, NO_HEADERS, "x", 1, 0) == NATSKIT_OK);
    CHILD_CHECK(natskit_waitset_wait(set, &record, sizeof record, 1, 10 * SECONDS, &count) == NATSKIT_OK);
    CHILD_CHECK(record.tag == 5 && record.object == sub.id);
    CHILD_CHECK(natskit_sub_next(sub, 0, &msg) == NATSKIT_OK);
    CHILD_CHECK(natskit_msg_release(msg) == NATSKIT_OK);
    CHILD_CHECK(natskit_request(conn, "nobody", Z, NO_HEADERS, NULL, 0, 10 * SECONDS, &msg, NULL) ==
                NATSKIT_NO_RESPONDERS);
    CHILD_CHECK(natskit_conn_close(conn, 10 * SECONDS) == NATSKIT_OK);
    CHILD_CHECK(natskit_sub_close(sub) == NATSKIT_OK);
    CHILD_CHECK(natskit_shutdown(10 * SECONDS) == NATSKIT_OK);
    child_counts_nothing();
}

/* The watch goes on, and so does the bucket. */
static void parent_still_watches(const struct objects *all)
{
    natskit_kv_view entry = {0};
    uint64_t revision;
    assert_ok(natskit_kv_write(all->kv, NATSKIT_KV_PUT, "k", Z, "x", 1, 0, 0, 10 * SECONDS, &revision, NULL));
    while (entry.revision < revision) {
        natskit_msg *msg;
        assert_ok(natskit_sub_next(all->watch, 10 * SECONDS, &msg));
        (void)natskit_msg_kv(msg, &entry, sizeof entry);
        assert_ok(natskit_msg_release(msg));
    }
    assert_int_equal(entry.revision, revision);
}

/* What it has begun to put and to get goes on where it was. */
static void parent_still_stores(const struct objects *all)
{
    char byte;
    size_t len;
    natskit_msg *msg;
    natskit_object_view view = {0};
    natskit_object_progress before = {0};
    natskit_object_progress after = {0};
    assert_ok(natskit_object_writer_progress(all->writer, &before, sizeof before));
    assert_ok(natskit_object_writer_write(all->writer, "x", 1, 10 * SECONDS, NULL, NULL));
    assert_ok(natskit_object_writer_progress(all->writer, &after, sizeof after));
    assert_int_equal(after.bytes, before.bytes + 1);
    assert_ok(natskit_object_reader_progress(all->reader, &before, sizeof before));
    assert_ok(natskit_object_reader_read(all->reader, &byte, 1, 10 * SECONDS, &len, NULL));
    assert_int_equal(byte, "inherited"[before.bytes]);
    assert_ok(natskit_object_put(all->store, "after", Z, (natskit_json){0}, "x", 1, NO_OPTIONS, 10 * SECONDS,
                                 NULL, NULL));
    for (bool came = false; !came;) {
        assert_ok(natskit_sub_next(all->objects, 10 * SECONDS, &msg));
        came = natskit_msg_object(msg, &view, sizeof view) == NATSKIT_OK &&
               fx_is(view.name, view.name_len, "after");
        assert_ok(natskit_msg_release(msg));
    }
}

static void parent_still_works(const struct objects *all)
{
    natskit_msg *msg;
    assert_ok(natskit_op_wait(all->op, 10 * SECONDS));
    assert_ok(natskit_op_result(all->op, NULL, NULL));
    assert_ok(natskit_publish(all->conn, "f", Z, NULL, 0, NO_HEADERS, "after", 5, 0));
    assert_ok(natskit_sub_next(all->sub, 10 * SECONDS, &msg));
    natskit_message_view view;
    assert_ok(natskit_msg_view(msg, &view, sizeof view));
    assert_true(fx_is(view.data, view.data_len, "after"));
    assert_ok(natskit_msg_release(msg));
    assert_ok(natskit_msg_view(all->msg, &view, sizeof view));
    assert_true(fx_is(view.data, view.data_len, "inherited"));
    natskit_conn_info info;
    assert_ok(natskit_conn_info_get(all->conn, &info, sizeof info));
    assert_int_equal(info.epoch, 1); /* the child did not touch the parent's socket */
    assert_int_equal(info.state, NATSKIT_STATE_CONNECTED);
    parent_still_watches(all);
    parent_still_stores(all);
}

static void test_fork(void **state)
{
    (void)state;
    struct objects all = open_objects();
    const char *url = fx_server_url();
    pid_t pid = fork_quietly();
    assert_true(pid >= 0);
    if (pid == 0) {
        child_counts_nothing();
        child_finds_forked(&all);
        child_reads_message(all.msg);
        child_begins_anew(url);
        child_begins_anew(url); /* also after its shutdown */
        child_finds_forked(&all);
        child_reads_message(all.msg);
        CHILD_CHECK(natskit_msg_release(all.msg) == NATSKIT_OK);
        _exit(0);
    }
    parent_still_works(&all);
    assert_int_equal(wait_child(pid), 0);
    parent_still_works(&all);
    assert_ok(natskit_msg_release(all.msg));
}

/* A grandchild: what the child opened is the child's. */
static void test_fork_twice(void **state)
{
    (void)state;
    if (!CHILD_HAS_THREADS) {
        skip();
    }
    struct objects all = open_objects();
    const char *url = fx_server_url();
    pid_t pid = fork_quietly();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct objects mine = all;
        CHILD_CHECK(natskit_headers_open(&mine.headers) == NATSKIT_OK);
        CHILD_CHECK(natskit_connect(url, Z, NO_OPTIONS, 10 * SECONDS, &mine.conn, NULL) == NATSKIT_OK);
        pid_t inner = fork_quietly();
        if (inner == 0) {
            child_finds_forked(&all);
            CHILD_CHECK(natskit_headers_close(mine.headers) == NATSKIT_FORKED);
            CHILD_CHECK(natskit_flush(mine.conn, -1) == NATSKIT_FORKED);
            child_begins_anew(url);
            _exit(0);
        }
        int status = 1;
        CHILD_CHECK(inner > 0 && waitpid(inner, &status, 0) == inner);
        CHILD_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        CHILD_CHECK(natskit_headers_close(mine.headers) == NATSKIT_OK);
        CHILD_CHECK(natskit_flush(mine.conn, 10 * SECONDS) == NATSKIT_OK);
        CHILD_CHECK(natskit_shutdown(10 * SECONDS) == NATSKIT_OK);
        _exit(0);
    }
    assert_int_equal(wait_child(pid), 0);
    parent_still_works(&all);
    assert_ok(natskit_msg_release(all.msg));
}

/* -- while other threads are inside the library ---------------------------------------------------------- */

struct worker {
    natskit_conn conn;
    atomic_bool *stop;
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    while (!atomic_load(worker->stop)) {
        natskit_headers headers;
        natskit_sub sub;
        natskit_op op;
        if (natskit_headers_open(&headers) == NATSKIT_OK) {
            (void)natskit_headers_add(headers, "a", Z, "b", Z, NULL);
            (void)natskit_publish(worker->conn, "w", Z, NULL, 0, headers, "data", 4, 100);
            (void)natskit_headers_close(headers);
        }
        if (natskit_subscribe(worker->conn, "w", Z, NULL, 0, NO_OPTIONS, &sub, NULL) == NATSKIT_OK) {
            (void)natskit_sub_close(sub);
        }
        if (natskit_flush_start(worker->conn, NO_OPTIONS, 1000, &op, NULL) == NATSKIT_OK) {
            (void)natskit_op_wait(op, 100);
            (void)natskit_op_close(op);
        }
    }
    return NULL;
}

/* Whatever the other threads held at the moment of the fork, the child is not stuck. */
static void test_fork_beside_threads(void **state)
{
    (void)state;
    if (FORKS_BESIDE_THREADS == 0) {
        skip();
    }
    atomic_bool stop = false;
    struct objects all = open_objects();
    struct worker worker = {all.conn, &stop};
    const char *url = fx_server_url();
    pthread_t threads[3];
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, work, &worker), 0);
    }
    for (int i = 0; i < FORKS_BESIDE_THREADS; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            child_finds_forked(&all);
            child_reads_message(all.msg);
            CHILD_CHECK(natskit_msg_release(all.msg) == NATSKIT_OK);
            child_begins_anew(url);
            _exit(0);
        }
        assert_int_equal(wait_child(pid), 0);
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    parent_still_works(&all);
    assert_ok(natskit_msg_release(all.msg));
}

/* Descriptors of the library do not reach a program that the child becomes. */
static void test_close_on_exec(void **state)
{
    (void)state;
    int before = fx_descriptors();
    struct objects all = open_objects();
    assert_true(fx_descriptors() > before);
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t pid = fork_quietly();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)dup2(pipe_fds[1], STDOUT_FILENO);
        close(pipe_fds[0]);
        close(pipe_fds[1]);
        (void)execlp("sh", "sh", "-c", "ls -l /proc/self/fd", (char *)NULL);
        _exit(127);
    }
    close(pipe_fds[1]);
    char text[8192];
    size_t len = 0;
    ssize_t got;
    while ((got = read(pipe_fds[0], text + len, sizeof text - 1 - len)) > 0) {
        len += (size_t)got;
    }
    text[len] = '\0';
    close(pipe_fds[0]);
    assert_int_equal(wait_child(pid), 0);
    assert_null(strstr(text, "socket:"));
    assert_null(strstr(text, "[eventfd]"));
    assert_null(strstr(text, "[eventpoll]"));
    assert_ok(natskit_msg_release(all.msg));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, fx_mark, fx_check_clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_fork),
        TEST(test_fork_twice),
        TEST(test_fork_beside_threads),
        TEST(test_close_on_exec),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fx_server_end();
    return failed;
}
