/* What puts and gets of objects survive: restarts of the server, leaders that step down, nodes of a cluster
 * that are killed. Each ends complete and right, or with an error; an object is never half there. And how
 * much memory large ones take. */
#include "object_bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    SIZE = 8 * 1024 * 1024,
    PAGED_SIZE = 32 * 1024 * 1024,
    NODES = 3,
    LARGE_MIB = 256,
    GROWTH_MAX_KIB = 32 * 1024
};

static natskit_conn connect_fast(const char *urls)
{
    natskit_conn made;
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    assert_ok(natskit_options_set(options, "reconnect_wait_ms", Z, "20", Z, NULL));
    assert_ok(natskit_options_set(options, "reconnect_wait_max_ms", Z, "100", Z, NULL));
    assert_ok(natskit_connect(urls, Z, options, WAIT_MS, &made, NULL));
    assert_ok(natskit_options_close(options));
    return made;
}

/* -- a thread that puts and gets all the time ------------------------------------------------------------ */

struct work {
    natskit_object_store store;
    bool puts;
    const uint8_t *data[2]; /* the two contents that the object has in turn */
    atomic_bool stop;
    atomic_uint good;
    atomic_uint failed;
    atomic_uint wrong; /* what must not be */
    pthread_t thread;
};

static void pause_ms(long ms)
{
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static void note(struct work *work, natskit_status status, const natskit_error *err)
{
    if (status == NATSKIT_OK) {
        atomic_fetch_add(&work->good, 1);
        return;
    }
    atomic_fetch_add(&work->failed, 1);
    /* damage would have to have come from a put that left something half done */
    if (status == NATSKIT_OBJECT_CORRUPT || status == NATSKIT_PROTOCOL || err->text[0] == '\0') {
        print_error("status %d: %s\n", status, err->text);
        atomic_fetch_add(&work->wrong, 1);
    }
}

static void put_once(struct work *work, unsigned turn)
{
    natskit_error err = {0};
    natskit_options options;
    (void)natskit_options_open(NATSKIT_OPTIONS_OBJECT_PUT, &options);
    (void)natskit_options_set(options, "ack_wait_ms", Z, "3000", Z, NULL);
    natskit_status status = natskit_object_put(work->store, "name", Z, NO_META, work->data[turn % 2], SIZE,
                                               options, WAIT_MS, NULL, &err);
    (void)natskit_options_close(options);
    note(work, status, &err);
}

/* An object that is replaced while it is read is incomplete; read whole, it is one of the two. */
static void get_once(struct work *work)
{
    natskit_error err = {0};
    natskit_msg *info = NULL;
    natskit_object_reader reader = {0};
    uint8_t *got = malloc(SIZE + 1);
    size_t len = 0;
    natskit_status status = natskit_object_info(work->store, "name", Z, 0, 5000, &info, &err);
    if (status == NATSKIT_OK) {
        status = natskit_object_reader_open(work->store, info, &reader, &err);
    }
    while (status == NATSKIT_OK && got != NULL) {
        size_t part;
        status = natskit_object_reader_read(reader, got + len, SIZE + 1 - len, 15000, &part, &err);
        len += part;
    }
    if (status == NATSKIT_END) {
        bool right =
            len == SIZE && (memcmp(got, work->data[0], SIZE) == 0 || memcmp(got, work->data[1], SIZE) == 0);
        atomic_fetch_add(&work->wrong, !right);
        status = NATSKIT_OK;
    }
    note(work, status, &err);
    (void)natskit_object_reader_close(reader);
    (void)natskit_msg_release(info);
    free(got);
}

static void *run(void *arg)
{
    struct work *work = arg;
    for (unsigned turn = 1; !atomic_load(&work->stop); turn++) {
        if (work->puts) {
            put_once(work, turn);
        } else {
            get_once(work);
        }
    }
    return NULL;
}

static void start(struct work *work, natskit_object_store store, bool puts, uint8_t *const *data)
{
    *work = (struct work){.store = store, .puts = puts, .data = {data[0], data[1]}};
    assert_int_equal(pthread_create(&work->thread, NULL, run, work), 0);
}

/* More of it have come to a good end. */
struct more {
    struct work *work;
    unsigned than;
};

static bool got_more(void *arg)
{
    const struct more *more = arg;
    return atomic_load(&more->work->good) > more->than;
}

/* Longer than jb_wait: each is of megabytes, and a leader may have to be elected before. */
static void wait_for_good(struct work *work, unsigned count)
{
    struct more more = {work, atomic_load(&work->good) + count - 1};
    int64_t end_ms = ts_now_ms() + 6 * WAIT_MS;
    while (!got_more(&more) && ts_now_ms() < end_ms) {
        pause_ms(5);
    }
    assert_true(got_more(&more));
}

static void stop(struct work *work)
{
    atomic_store(&work->stop, true);
    pthread_join(work->thread, NULL);
    assert_int_equal(atomic_load(&work->wrong), 0);
    assert_true(atomic_load(&work->good) > 0);
}

/* At the end the object is whole, and nothing else has chunks. */
struct one {
    natskit_js js;
    const char *bucket;
};

static bool one_object(void *arg)
{
    const struct one *one = arg;
    return ob_chunks(one->js, one->bucket) == SIZE / (128 * 1024);
}

static void check_whole(natskit_js js, natskit_object_store store, const char *bucket, uint8_t *const *data)
{
    uint8_t *got;
    size_t len;
    natskit_error err;
    ob_put(store, "name", data[0], SIZE);
    assert_ok(ob_get(store, "name", &got, &len, &err));
    assert_int_equal(len, SIZE);
    assert_memory_equal(got, data[0], SIZE);
    free(got);
    struct one one = {js, bucket};
    jb_wait(one_object, &one);
}

/* -- one server ------------------------------------------------------------------------------------------ */

static void test_restarts(void **state)
{
    (void)state;
    natskit_conn conn = connect_fast(ts_tap_url(bench.tap));
    natskit_js js = jb_open_with(conn, "api_retries", "20");
    natskit_object_store store = ob_make(js, "R", "");
    uint8_t *data[2] = {ob_bytes(SIZE, 1), ob_bytes(SIZE, 2)};
    struct work putting;
    struct work getting;
    ob_put(store, "name", data[0], SIZE);
    start(&putting, store, true, data);
    start(&getting, store, false, data);
    for (int i = 0; i < 3; i++) {
        wait_for_good(&putting, 2);
        assert_true(ts_server_restart(bench.server));
    }
    wait_for_good(&putting, 2);
    stop(&putting);
    wait_for_good(&getting, 1); /* with nobody who replaces it */
    stop(&getting);
    check_whole(js, store, "R", data);
    free(data[0]);
    free(data[1]);
    jb_do(js, "stream.delete", "{'stream':'OBJ_R'}");
    assert_ok(natskit_object_store_close(store));
    assert_ok(natskit_js_close(js));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

/* A reader whose connection is lost goes on where it was; one whose object is deleted ends. */
static void test_reading_goes_on(void **state)
{
    (void)state;
    natskit_conn conn = connect_fast(ts_tap_url(bench.tap));
    natskit_js js = jb_open_with(conn, "api_retries", "20");
    natskit_object_store store = ob_make(js, "G", "");
    uint8_t *data = ob_bytes(PAGED_SIZE, 3);
    uint8_t *got = malloc(PAGED_SIZE + 1);
    assert_non_null(got);
    ob_put(store, "name", data, PAGED_SIZE);
    for (int deleted = 0; deleted < 2; deleted++) {
        natskit_object_view view;
        natskit_object_reader reader;
        natskit_error err = {0};
        natskit_status status;
        size_t len;
        natskit_msg *info = ob_info(store, "name", 0, &view);
        assert_ok(natskit_object_reader_open(store, info, &reader, NULL));
        assert_ok(natskit_msg_release(info));
        assert_ok(natskit_object_reader_read(reader, got, 1, WAIT_MS, &len, NULL));
        /* of pages of 8 MiB most is still to come */
        if (deleted) {
            assert_ok(natskit_object_delete(store, "name", Z, WAIT_MS, NULL, NULL));
        } else {
            assert_true(ts_server_restart(bench.server));
        }
        do {
            size_t part;
            status =
                natskit_object_reader_read(reader, got + len, PAGED_SIZE + 1 - len, WAIT_MS, &part, &err);
            len += part;
        } while (status == NATSKIT_OK);
        assert_status(status, deleted ? NATSKIT_OBJECT_INCOMPLETE : NATSKIT_END);
        assert_true(deleted ? len < PAGED_SIZE : len == PAGED_SIZE);
        assert_memory_equal(got, data, len);
        assert_ok(natskit_object_reader_close(reader));
    }
    free(data);
    free(got);
    jb_do(js, "stream.delete", "{'stream':'OBJ_G'}");
    assert_ok(natskit_object_store_close(store));
    assert_ok(natskit_js_close(js));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

/* Closing a writer or a reader wakes who waits in it. */
static void *write_blocked(void *arg)
{
    const natskit_object_writer *writer = arg;
    static uint8_t piece[1024 * 1024];
    natskit_status status = NATSKIT_OK;
    while (status == NATSKIT_OK) {
        status = natskit_object_writer_write(*writer, piece, sizeof piece, -1, NULL, NULL);
    }
    return (void *)(intptr_t)status;
}

static void test_closing_wakes(void **state)
{
    (void)state;
    natskit_conn conn = connect_fast(ts_tap_url(bench.tap));
    natskit_js js = jb_open_with(conn, "api_retries", "20");
    natskit_object_store store = ob_make(js, "W", "");
    natskit_object_writer writer;
    natskit_object_progress progress = {0};
    pthread_t thread;
    void *result;
    assert_ok(natskit_object_writer_open(store, "name", Z, NO_META, NO_OPTIONS, &writer, NULL));
    assert_true(ts_server_pause(bench.server));
    assert_int_equal(pthread_create(&thread, NULL, write_blocked, &writer), 0);
    for (uint64_t before = 0; progress.bytes == 0 || progress.bytes > before;) { /* until it waits */
        before = progress.bytes;
        pause_ms(50);
        assert_ok(natskit_object_writer_progress(writer, &progress, sizeof progress));
    }
    assert_true(progress.bytes < 64 * 1024 * 1024); /* the window has held it up */
    assert_ok(natskit_object_writer_close(writer));
    pthread_join(thread, &result);
    assert_int_equal((int)(intptr_t)result, NATSKIT_CLOSED);
    assert_true(ts_server_resume(bench.server));
    for (int i = 0; i < 400 && ob_chunks(js, "W") > 0; i++) {
        pause_ms(50);
    }
    assert_int_equal(ob_chunks(js, "W"), 0);
    jb_do(js, "stream.delete", "{'stream':'OBJ_W'}");
    assert_ok(natskit_object_store_close(store));
    assert_ok(natskit_js_close(js));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

/* An abort whose request could not be sent has not given the chunks away: the next one purges them. */
static void test_an_abort_is_done_again(void **state)
{
    (void)state;
    natskit_conn conn;
    natskit_options options;
    natskit_op op;
    uint8_t *data = ob_bytes(SIZE / 8, 1);
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    assert_ok(natskit_options_set(options, "reconnect_wait_ms", Z, "20", Z, NULL));
    assert_ok(natskit_options_set(options, "reconnect_wait_max_ms", Z, "100", Z, NULL));
    assert_ok(natskit_options_set(options, "reconnect_buffer_bytes", Z, "0", Z, NULL));
    assert_ok(natskit_connect(ts_tap_url(bench.tap), Z, options, WAIT_MS, &conn, NULL));
    assert_ok(natskit_options_close(options));
    natskit_js js = jb_open_with(conn, "api_retries", "20");
    natskit_object_store store = ob_make(js, "A", "");
    natskit_object_writer writer;
    assert_ok(natskit_object_writer_open(store, "name", Z, NO_META, NO_OPTIONS, &writer, NULL));
    assert_ok(natskit_object_writer_write(writer, data, SIZE / 8, WAIT_MS, NULL, NULL));
    assert_ok(natskit_object_writer_done_start(writer, NO_OPTIONS, WAIT_MS, &op, NULL));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_close(op));
    assert_true(ob_chunks(js, "A") > 0);
    ts_server_kill(bench.server);
    while (natskit_flush(conn, 0) == NATSKIT_TIMEOUT) { /* until the connection is known to be lost */
        pause_ms(10);
    }
    assert_int_not_equal(natskit_object_writer_abort(writer, 100, NULL), NATSKIT_OK);
    assert_true(ts_server_restart(bench.server));
    while (natskit_flush(conn, WAIT_MS) == NATSKIT_DISCONNECTED) {
        pause_ms(10);
    }
    assert_ok(natskit_object_writer_abort(writer, WAIT_MS, NULL));
    assert_int_equal(ob_chunks(js, "A"), 0);
    assert_ok(natskit_object_writer_abort(writer, 0, NULL)); /* there are none any more */
    assert_ok(natskit_object_writer_close(writer));
    free(data);
    jb_do(js, "stream.delete", "{'stream':'OBJ_A'}");
    assert_ok(natskit_object_store_close(store));
    assert_ok(natskit_js_close(js));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

/* -- memory ---------------------------------------------------------------------------------------------- */

static long status_kib(const char *field)
{
    char line[256];
    long value = 0;
    FILE *file = fopen("/proc/self/status", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, field, strlen(field)) == 0) {
            value = strtol(line + strlen(field) + 1, NULL, 10);
        }
    }
    fclose(file);
    return value;
}

/* The most that the process has had counts from now on. */
static void forget_peak(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "w");
    assert_non_null(file);
    assert_true(fputs("5", file) > 0);
    assert_int_equal(fclose(file), 0);
}

static void check_growth(const char *what, long idle)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    print_message("%s of %d MiB: %ld KiB more than idle\n", what, LARGE_MIB, status_kib("VmHWM:") - idle);
    assert_true(status_kib("VmHWM:") - idle < GROWTH_MAX_KIB);
    forget_peak();
#else
    (void)what;
    (void)idle;
#endif
}

static void test_memory(void **state)
{
    (void)state;
    natskit_conn conn = connect_fast(ts_server_url(bench.server));
    natskit_js js = jb_open(conn);
    natskit_object_store store = ob_make(js, "M", "");
    natskit_object_writer writer;
    natskit_object_reader reader;
    natskit_msg *info;
    size_t part;
    size_t total = 0;
    uint8_t *piece = ob_bytes(1024 * 1024, 1);
    forget_peak();
    long idle = status_kib("VmRSS:");
    assert_ok(natskit_object_writer_open(store, "large", Z, NO_META, NO_OPTIONS, &writer, NULL));
    for (int i = 0; i < LARGE_MIB; i++) {
        assert_ok(natskit_object_writer_write(writer, piece, 1024 * 1024, WAIT_MS, NULL, NULL));
    }
    assert_ok(natskit_object_writer_finish(writer, WAIT_MS, &info, NULL));
    assert_ok(natskit_object_writer_close(writer));
    check_growth("put", idle);
    assert_ok(natskit_object_reader_open(store, info, &reader, NULL));
    assert_ok(natskit_msg_release(info));
    natskit_status status;
    while ((status = natskit_object_reader_read(reader, piece, 1024 * 1024, WAIT_MS, &part, NULL)) ==
           NATSKIT_OK) {
        total += part;
    }
    assert_status(status, NATSKIT_END);
    assert_int_equal(total, (size_t)LARGE_MIB * 1024 * 1024);
    assert_ok(natskit_object_reader_close(reader));
    check_growth("get", idle);
    free(piece);
    jb_do(js, "stream.delete", "{'stream':'OBJ_M'}");
    assert_ok(natskit_object_store_close(store));
    assert_ok(natskit_js_close(js));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

/* -- a cluster ------------------------------------------------------------------------------------------- */

static void step_down(natskit_js js)
{
    natskit_json args = jb_json("{'stream':'OBJ_C'}");
    natskit_json answer;
    natskit_error err;
    /* it may have no leader just now */
    if (natskit_js_call(js, "stream.leader_stepdown", Z, args, 2000, &answer, &err) == NATSKIT_OK) {
        (void)natskit_json_close(answer);
    }
    assert_ok(natskit_json_close(args));
}

static void test_cluster(void **state)
{
    (void)state;
    struct ts_cluster *cluster = ts_cluster_start(NODES);
    assert_non_null(cluster);
    struct ts_buf urls = {0};
    for (int i = 0; i < NODES; i++) {
        ts_buf_printf(&urls, "%s%s", i > 0 ? "," : "", ts_server_url(ts_cluster_node(cluster, i)));
    }
    natskit_conn conn = connect_fast(urls.at);
    natskit_js js = jb_open_with(conn, "api_retries", "40");
    natskit_object_store store = ob_make(js, "C", ",'num_replicas':3");
    uint8_t *data[2] = {ob_bytes(SIZE, 1), ob_bytes(SIZE, 2)};
    struct work putting;
    struct work getting;
    ob_put(store, "name", data[0], SIZE);
    start(&putting, store, true, data);
    start(&getting, store, false, data);
    for (int i = 0; i < 3; i++) {
        wait_for_good(&putting, 1);
        step_down(js);
    }
    for (int i = 0; i < 2; i++) {
        wait_for_good(&putting, 1);
        ts_server_kill(ts_cluster_node(cluster, i));
        wait_for_good(&putting, 1);
        assert_true(ts_server_restart(ts_cluster_node(cluster, i)));
        assert_true(ts_cluster_wait_ready(cluster, 30000));
    }
    wait_for_good(&putting, 1);
    stop(&putting);
    wait_for_good(&getting, 1);
    stop(&getting);
    print_message("puts: %u good, %u with an error; gets: %u and %u\n", atomic_load(&putting.good),
                  atomic_load(&putting.failed), atomic_load(&getting.good), atomic_load(&getting.failed));
    check_whole(js, store, "C", data);
    free(data[0]);
    free(data[1]);
    assert_ok(natskit_object_store_close(store));
    assert_ok(natskit_js_close(js));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    ts_cluster_free(cluster);
    ts_buf_free(&urls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory), /* first: nothing that others have left is used again */
        cmocka_unit_test(test_reading_goes_on),
        cmocka_unit_test(test_restarts),
        cmocka_unit_test(test_closing_wakes),
        cmocka_unit_test(test_cluster),
        cmocka_unit_test(test_an_abort_is_done_again),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
