/* What a watch of a bucket survives, without an entry lost, repeated or out of order: restarts of the server,
 * consumers that are deleted behind its back, connections that are cut and stalled, slow taking, buckets that
 * are made anew or lose their end; and what ends it. */
#include "kv_bench.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static natskit_conn conn;   /* of the watches, through the tap */
static natskit_conn writer; /* straight to the server */
static natskit_js js;
static natskit_js writer_js;
static char bucket[16]; /* another one for each test */

static natskit_conn connect_fast(const char *url)
{
    natskit_conn made;
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    assert_ok(natskit_options_set(options, "reconnect_wait_ms", Z, "20", Z, NULL));
    assert_ok(natskit_options_set(options, "reconnect_wait_max_ms", Z, "100", Z, NULL));
    assert_ok(natskit_connect(url, Z, options, WAIT_MS, &made, NULL));
    assert_ok(natskit_options_close(options));
    return made;
}

static int begin(void **state)
{
    (void)state;
    static int count;
    (void)snprintf(bucket, sizeof bucket, "W%d", ++count);
    conn = connect_fast(ts_tap_url(bench.tap));
    writer = connect_fast(ts_server_url(bench.server));
    js = jb_open(conn);
    writer_js = jb_open(writer);
    return 0;
}

static int end(void **state)
{
    (void)state;
    assert_true(ts_tap_command(bench.tap, "clear"));
    assert_ok(natskit_js_close(js));
    assert_ok(natskit_js_close(writer_js));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_conn_close(writer, WAIT_MS));
    return 0;
}

static natskit_watch_info info_of(natskit_sub watch)
{
    natskit_watch_info info = {0};
    assert_ok(natskit_sub_watch_info(watch, &info, sizeof info));
    return info;
}

static uint64_t last_revision(void)
{
    natskit_json info = jb_call(writer_js, "stream.info", "{'stream':'KV_%s'}", bucket);
    uint64_t last = jb_number(info, "/state/last_seq");
    assert_ok(natskit_json_close(info));
    return last;
}

/* -- writing --------------------------------------------------------------------------------------------- */

/* Writes keys "k.<n>" without end, on a thread of its own, and goes on whatever happens. What is written
 * twice, because its ack was lost, is an entry more. */
struct writing {
    pthread_t thread;
    natskit_kv kv;
    atomic_bool stop;
    _Atomic uint64_t stored;
    int64_t pause_ms;
};

static void *write_on(void *arg)
{
    struct writing *writing = arg;
    for (unsigned n = 0; !atomic_load(&writing->stop); n++) {
        char key[24];
        natskit_status status = NATSKIT_TIMEOUT;
        (void)snprintf(key, sizeof key, "k.%u", n);
        while (status != NATSKIT_OK && !atomic_load(&writing->stop)) {
            status = natskit_kv_write(writing->kv, NATSKIT_KV_PUT, key, Z, key, Z, 0, 0, 1000, NULL, NULL);
            ts_pause_ms(status == NATSKIT_OK ? writing->pause_ms : 5);
        }
        atomic_fetch_add(&writing->stored, status == NATSKIT_OK);
    }
    return NULL;
}

static void start_writing(struct writing *writing, natskit_kv kv)
{
    *writing = (struct writing){.kv = kv, .pause_ms = 1};
    assert_int_equal(pthread_create(&writing->thread, NULL, write_on, writing), 0);
}

static void stop_writing(struct writing *writing)
{
    atomic_store(&writing->stop, true);
    pthread_join(writing->thread, NULL);
}

/* Waits until `more` further entries are stored. */
static void wait_stored(struct writing *writing, uint64_t more)
{
    uint64_t wanted = atomic_load(&writing->stored) + more;
    int64_t end_ms = ts_now_ms() + 2 * WAIT_MS;
    while (atomic_load(&writing->stored) < wanted && ts_now_ms() < end_ms) {
        ts_pause_ms(1);
    }
    assert_true(atomic_load(&writing->stored) >= wanted);
}

/* Stores `count` values of `size` bytes quickly: keys "<prefix>.<n>". */
static void store_many(const char *prefix, unsigned count, size_t size)
{
    enum { AT_ONCE = 500 };
    static char subjects[AT_ONCE][48];
    static natskit_outgoing msgs[AT_ONCE];
    char *data = calloc(1, size + 1);
    assert_non_null(data);
    memset(data, 'v', size);
    uint64_t wanted = last_revision() + count;
    for (unsigned i = 0; i < count; i += AT_ONCE) {
        unsigned now = count - i < AT_ONCE ? count - i : AT_ONCE;
        size_t sent;
        for (unsigned k = 0; k < now; k++) {
            int len = snprintf(subjects[k], sizeof subjects[k], "$KV.%s.%s.%u", bucket, prefix, i + k);
            msgs[k] = (natskit_outgoing){
                .subject = subjects[k], .subject_len = (size_t)len, .data = data, .data_len = size};
        }
        assert_ok(natskit_publish_batch(writer, msgs, sizeof msgs[0], now, WAIT_MS, &sent));
    }
    free(data);
    int64_t end_ms = ts_now_ms() + 3 * WAIT_MS;
    while (last_revision() < wanted && ts_now_ms() < end_ms) {
        ts_pause_ms(5);
    }
    assert_int_equal(last_revision(), wanted);
}

/* -- taking ---------------------------------------------------------------------------------------------- */

/* A watch, and a thread that takes all of it. Revisions have to come one after the other without a gap from
 * `next` on; the first fault is kept. */
struct taking {
    pthread_t thread;
    natskit_sub watch;
    _Atomic uint64_t next;
    atomic_int dones;
    _Atomic uint64_t early; /* entries before INITIAL_DONE */
    atomic_bool ended;
    char fault[160];
};

static void note(struct taking *taking, const natskit_msg *msg)
{
    natskit_kv_view view = {0};
    natskit_status_view status = {0};
    if (natskit_msg_status(msg, &status, sizeof status) == NATSKIT_OK) {
        atomic_fetch_add(&taking->dones, 1);
        if (status.type != NATSKIT_STATUS_INITIAL_DONE && taking->fault[0] == '\0') {
            (void)snprintf(taking->fault, sizeof taking->fault, "status %d", status.type);
        }
        return;
    }
    uint64_t next = atomic_load(&taking->next);
    if (natskit_msg_kv(msg, &view, sizeof view) != NATSKIT_OK || view.revision != next) {
        if (taking->fault[0] == '\0') {
            (void)snprintf(taking->fault, sizeof taking->fault, "revision %" PRIu64 " instead of %" PRIu64,
                           view.revision, next);
        }
    }
    atomic_fetch_add(&taking->early, atomic_load(&taking->dones) == 0);
    atomic_store(&taking->next, view.revision + 1);
}

static void *take_on(void *arg)
{
    struct taking *taking = arg;
    for (;;) {
        natskit_msg *msgs[64];
        size_t count;
        if (natskit_sub_next_batch(taking->watch, msgs, 64, -1, &count) != NATSKIT_OK) {
            atomic_store(&taking->ended, true);
            return NULL;
        }
        for (size_t i = 0; i < count; i++) {
            note(taking, msgs[i]);
        }
        (void)natskit_msg_release_batch(msgs, count);
    }
}

static void start_taking(struct taking *taking, natskit_sub watch, uint64_t next)
{
    memset(taking, 0, sizeof *taking);
    taking->watch = watch;
    atomic_store(&taking->next, next);
    assert_int_equal(pthread_create(&taking->thread, NULL, take_on, taking), 0);
}

static bool is_done(void *arg)
{
    return atomic_load(&((struct taking *)arg)->dones) > 0;
}

static void wait_taken(struct taking *taking, uint64_t revision)
{
    int64_t end_ms = ts_now_ms() + 3 * WAIT_MS;
    while (atomic_load(&taking->next) <= revision && ts_now_ms() < end_ms && !atomic_load(&taking->ended)) {
        ts_pause_ms(5);
    }
    if (atomic_load(&taking->next) != revision + 1) {
        natskit_watch_info info = {0};
        (void)natskit_sub_watch_info(taking->watch, &info, sizeof info);
        fail_msg("taken up to %" PRIu64 " of %" PRIu64 ": %s; %" PRIu64 " resets, live %d, ended %d",
                 atomic_load(&taking->next) - 1, revision, taking->fault, info.resets, info.live,
                 atomic_load(&taking->ended));
    }
}

/* All up to `revision` has come, once each and in order, and the initial data had one end. */
static void stop_taking(struct taking *taking, uint64_t revision)
{
    wait_taken(taking, revision);
    assert_ok(natskit_sub_close(taking->watch));
    pthread_join(taking->thread, NULL);
    if (taking->fault[0] != '\0') {
        fail_msg("%s", taking->fault);
    }
    assert_int_equal(atomic_load(&taking->dones), 1);
}

/* -- what happens to the watches ------------------------------------------------------------------------- */

enum { WATCHES = 4 };

struct all {
    natskit_kv kv; /* the watches' */
    natskit_kv write_kv;
    struct writing writing;
    struct taking taking[WATCHES];
};

/* A bucket that keeps everything, a writer, and watches of several kinds that have their initial data. */
static void start_all(struct all *all, const char *storage)
{
    static const char *const kinds[WATCHES][3] = {{"history", "false", NULL},
                                                  {"history", "true", NULL},
                                                  {"updates_only", "true", NULL},
                                                  {"keys", "k.*,z", NULL}};
    char more[64];
    (void)snprintf(more, sizeof more, ",'history':64,'storage':'%s'", storage);
    all->write_kv = kb_make(writer_js, bucket, more);
    all->kv = kb_open(js, bucket);
    for (size_t i = 0; i < WATCHES; i++) {
        start_taking(&all->taking[i], kb_watch(all->kv, kinds[i]), 1);
        jb_wait(is_done, &all->taking[i]);
    }
    start_writing(&all->writing, all->write_kv);
    wait_stored(&all->writing, 50);
}

static void stop_all(struct all *all)
{
    wait_stored(&all->writing, 50);
    stop_writing(&all->writing);
    uint64_t last = last_revision();
    for (size_t i = 0; i < WATCHES; i++) {
        stop_taking(&all->taking[i], last);
    }
    assert_true(last >= 100);
    assert_ok(natskit_kv_close(all->kv));
    assert_ok(natskit_kv_close(all->write_kv));
}

/* Waits until each watch has a new consumer since `before` and it is live. */
static void wait_resets(struct all *all, const uint64_t before[WATCHES])
{
    int64_t end_ms = ts_now_ms() + 2 * WAIT_MS;
    for (size_t i = 0; i < WATCHES; i++) {
        natskit_watch_info info = info_of(all->taking[i].watch);
        while ((info.resets <= before[i] || !info.live) && ts_now_ms() < end_ms) {
            ts_pause_ms(10);
            info = info_of(all->taking[i].watch);
        }
        if (info.resets <= before[i] || !info.live) {
            natskit_health health = {0};
            (void)natskit_sub_health(all->taking[i].watch, &health, sizeof health);
            fail_msg("watch %zu: %" PRIu64 " resets after %" PRIu64 ", live %d: %s", i, info.resets,
                     before[i], info.live, health.text);
        }
    }
}

static void count_resets(struct all *all, uint64_t resets[WATCHES])
{
    for (size_t i = 0; i < WATCHES; i++) {
        resets[i] = info_of(all->taking[i].watch).resets;
    }
}

static void test_cuts(void **state)
{
    (void)state;
    struct all all;
    uint64_t before[WATCHES];
    start_all(&all, "memory");
    static const char *const cuts[] = {"live cut",
                                       "live reset",
                                       "live down cut-after 1000",
                                       "live down cut-in-msg",
                                       "live up cut-after 100",
                                       "new down cut-after 5000"};
    for (size_t i = 0; i < 18; i++) {
        count_resets(&all, before);
        assert_true(ts_tap_command(bench.tap, "%s", cuts[i % 6]));
        if (i % 6 == 5) {
            assert_true(ts_tap_command(bench.tap, "live cut"));
            uint64_t connections = ts_tap_stat(bench.tap, "connections");
            assert_true(ts_tap_wait_stat(bench.tap, "connections", connections + 5, WAIT_MS));
            assert_true(ts_tap_command(bench.tap, "clear"));
        }
        if (i % 3 == 0) {
            wait_resets(&all, before); /* otherwise within the recovery from the cut before */
        }
    }
    stop_all(&all);
}

static void test_restarts(void **state)
{
    (void)state;
    struct all all;
    start_all(&all, "file");
    for (int i = 0; i < 3; i++) {
        uint64_t before[WATCHES];
        count_resets(&all, before);
        if (i == 1) {
            ts_server_kill(bench.server); /* what the disk has not is lost: nothing, of a process alone */
        }
        assert_true(ts_server_restart(bench.server));
        jb_wait_ready(writer_js);
        wait_resets(&all, before);
        wait_stored(&all.writing, 50);
    }
    stop_all(&all);
}

/* A deleted consumer is missed after two heartbeats; what was written meanwhile comes then. */
static void test_consumers_deleted(void **state)
{
    (void)state;
    struct all all;
    uint64_t before[WATCHES];
    start_all(&all, "memory");
    count_resets(&all, before);
    natskit_json names = jb_call(writer_js, "consumer.names", "{'stream':'KV_%s'}", bucket);
    assert_int_equal(jb_size(names, "/consumers"), WATCHES);
    for (size_t i = 0; i < WATCHES; i++) {
        char path[32];
        (void)snprintf(path, sizeof path, "/consumers/%zu", i);
        jb_do(writer_js, "consumer.delete", "{'stream':'KV_%s','consumer':%s}", bucket, jb_at(names, path));
    }
    assert_ok(natskit_json_close(names));
    int64_t begin_ms = ts_now_ms();
    wait_resets(&all, before);
    assert_true(ts_now_ms() - begin_ms < 20000); /* 10 s, and what a busy machine adds */
    stop_all(&all);
    /* The watches took their consumers along. */
    for (int64_t end_ms = ts_now_ms() + WAIT_MS;;) {
        names = jb_call(writer_js, "consumer.names", "{'stream':'KV_%s'}", bucket);
        uint64_t left = jb_number(names, "/total");
        assert_ok(natskit_json_close(names));
        if (left == 0) {
            break;
        }
        assert_true(ts_now_ms() < end_ms);
        ts_pause_ms(10);
    }
}

/* Nothing comes through for longer than two heartbeats, while the connection stays. */
static void test_stall(void **state)
{
    (void)state;
    struct all all;
    uint64_t before[WATCHES];
    start_all(&all, "memory");
    count_resets(&all, before);
    assert_true(ts_tap_command(bench.tap, "live down stall on"));
    int64_t end_ms = ts_now_ms() + 2 * WAIT_MS;
    for (size_t i = 0; i < WATCHES; i++) {
        while (info_of(all.taking[i].watch).resets <= before[i]) {
            assert_true(ts_now_ms() < end_ms);
            ts_pause_ms(10);
        }
    }
    assert_true(ts_tap_command(bench.tap, "live down stall off"));
    stop_all(&all);
}

/* Initial data of many entries, while the connection is cut again and again. */
static void test_cuts_within_initial_data(void **state)
{
    enum { COUNT = 20000 };
    (void)state;
    natskit_kv write_kv = kb_make(writer_js, bucket, ",'storage':'memory'");
    natskit_kv kv = kb_open(js, bucket);
    store_many("k", COUNT, 100);
    struct taking taking[2];
    assert_true(ts_tap_command(bench.tap, "new down cut-after 700k"));
    assert_true(ts_tap_command(bench.tap, "live cut"));
    start_taking(&taking[0], KB_WATCH(kv, "keys", "k.>"), 1);
    start_taking(&taking[1], KB_WATCH(kv, "history", "true"), 1);
    uint64_t connections = ts_tap_stat(bench.tap, "connections");
    assert_true(ts_tap_wait_stat(bench.tap, "connections", connections + 3, 2 * WAIT_MS));
    assert_true(ts_tap_command(bench.tap, "clear"));
    for (size_t i = 0; i < 2; i++) {
        jb_wait(is_done, &taking[i]);
        assert_int_equal(atomic_load(&taking[i].early), COUNT);
    }
    assert_int_equal(kb_put(write_kv, "k.last", "x"), COUNT + 1);
    stop_taking(&taking[0], COUNT + 1);
    stop_taking(&taking[1], COUNT + 1);
    assert_ok(natskit_kv_close(kv));
    assert_ok(natskit_kv_close(write_kv));
}

static uint64_t allocated(void)
{
    natskit_counters now = {0};
    assert_ok(natskit_counters_get(&now, sizeof now));
    return now.allocated_bytes;
}

/* Who takes slowly holds the server up: what waits here stays bounded, and nothing is lost. */
static void test_slow_taking(void **state)
{
    enum { COUNT = 50000, SIZE = 1024, BOUND = 24 << 20 };
    (void)state;
    natskit_kv write_kv = kb_make(writer_js, bucket, ",'storage':'memory'");
    natskit_kv kv = kb_open(js, bucket);
    natskit_sub watch = KB_WATCH(kv, "keys", ">");
    struct taking taking;
    kb_done(watch);
    uint64_t before = allocated();
    store_many("k", COUNT, SIZE);
    natskit_sub_stats stats = {0};
    jb_wait_stalled(conn, watch, COUNT);
    assert_true(allocated() < before + BOUND); /* nothing was taken: there has not been more */
    assert_ok(natskit_sub_stats_get(watch, &stats, sizeof stats));
    assert_int_equal(stats.dropped_msgs, 0);
    start_taking(&taking, watch, 1);
    atomic_store(&taking.dones, 1);
    stop_taking(&taking, COUNT);
    assert_ok(natskit_kv_close(kv));
    assert_ok(natskit_kv_close(write_kv));
}

/* -- buckets that are not the same any more -------------------------------------------------------------- */

/* The bucket is deleted and made anew: the watch goes on with all that the new one holds. */
static void test_bucket_made_anew(void **state)
{
    (void)state;
    natskit_kv kv = kb_make(js, bucket, ",'storage':'memory','history':10");
    const natskit_sub watches[] = {KB_WATCH(kv, "history", "true"), KB_WATCH(kv, "updates_only", "true"),
                                   KB_WATCH(kv, "keys", ">")};
    for (size_t i = 0; i < 3; i++) {
        kb_done(watches[i]);
    }
    for (unsigned n = 1; n <= 10; n++) {
        assert_int_equal(kb_put(kv, "old", "x"), n);
    }
    for (size_t i = 0; i < 3; i++) {
        for (unsigned n = 1; n <= 10; n++) {
            kb_next(watches[i], "old", "x", n);
        }
    }
    jb_do(writer_js, "stream.delete", "{'stream':'KV_%s'}", bucket);
    assert_ok(natskit_kv_close(kb_make(writer_js, bucket, ",'storage':'memory','history':10")));
    assert_int_equal(kb_put(kv, "a", "1"), 1); /* before the watch knows of it */
    assert_int_equal(kb_put(kv, "b", "2"), 2);
    for (size_t i = 0; i < 3; i++) {
        kb_next(watches[i], "a", "1", 1);
        kb_next(watches[i], "b", "2", 2);
    }
    assert_int_equal(kb_put(kv, "c", "3"), 3);
    for (size_t i = 0; i < 3; i++) {
        kb_next(watches[i], "c", "3", 3);
        assert_int_equal(info_of(watches[i]).rewinds, 1);
        kb_nothing(conn, watches[i]);
        assert_ok(natskit_sub_close(watches[i]));
    }
    assert_ok(natskit_kv_close(kv));
}

/* A server comes back with an older state of its store: what is written from then on comes, what was there
 * does not come again. */
static void test_lost_end(void **state)
{
    (void)state;
    char command[512];
    struct ts_server *server = ts_server_start(NULL);
    assert_non_null(server);
    natskit_conn own = connect_fast(ts_server_url(server));
    natskit_js own_js = jb_open(own);
    natskit_kv kv = kb_make(own_js, bucket, ",'history':5");
    natskit_sub watch = KB_WATCH(kv, "history", "true");
    kb_done(watch);
    for (unsigned n = 1; n <= 5; n++) {
        kb_put(kv, "a", "x");
        kb_next(watch, "a", "x", n);
    }
    ts_server_stop(server);
    (void)snprintf(command, sizeof command, "cp -r '%s/store' '%s/kept'", ts_server_dir(server),
                   ts_server_dir(server));
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
    assert_true(ts_server_restart(server));
    jb_wait_ready(own_js);
    for (unsigned n = 6; n <= 9; n++) {
        assert_int_equal(kb_put(kv, "a", "lost"), n);
        kb_next(watch, "a", "lost", n);
    }
    ts_server_stop(server);
    (void)snprintf(command, sizeof command, "cd '%s' && rm -r store && mv kept store", ts_server_dir(server));
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
    assert_true(ts_server_restart(server));
    jb_wait_ready(own_js);
    assert_int_equal(kb_put(kv, "a", "anew"), 6);
    kb_next(watch, "a", "anew", 6);
    assert_int_equal(kb_put(kv, "a", "more"), 7);
    kb_next(watch, "a", "more", 7);
    assert_int_equal(info_of(watch).rewinds, 1);
    kb_nothing(own, watch);
    assert_ok(natskit_sub_close(watch));
    assert_ok(natskit_kv_close(kv));
    assert_ok(natskit_js_close(own_js));
    assert_ok(natskit_conn_close(own, WAIT_MS));
    ts_server_free(server);
}

/* -- ends ------------------------------------------------------------------------------------------------ */

static bool has_one(void *arg)
{
    natskit_sub_stats stats = {0};
    assert_ok(natskit_sub_stats_get(*(natskit_sub *)arg, &stats, sizeof stats));
    return stats.pending_msgs == 1;
}

static void test_bucket_deleted(void **state)
{
    (void)state;
    natskit_kv kv = kb_make(js, bucket, ",'storage':'memory'");
    natskit_sub watch = KB_WATCH(kv, "history", "true");
    kb_done(watch);
    kb_put(kv, "a", "1");
    jb_wait(has_one, &watch); /* what has come is taken before the end */
    jb_do(js, "stream.delete", "{'stream':'KV_%s'}", bucket);
    kb_next(watch, "a", "1", 1);
    natskit_msg *msg;
    assert_status(natskit_sub_next(watch, 2 * WAIT_MS, &msg), NATSKIT_END);
    natskit_error err = kb_ends(watch, NATSKIT_STREAM_NOT_FOUND);
    assert_int_equal(err.err_code, 10059);
    assert_ok(natskit_kv_close(kv));
}

static natskit_conn connect_as(struct ts_server *server, const char *user)
{
    natskit_conn made;
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    assert_ok(natskit_options_set(options, "user", Z, user, Z, NULL));
    assert_ok(natskit_options_set(options, "password", Z, "pw", Z, NULL));
    assert_ok(natskit_connect(ts_server_url(server), Z, options, WAIT_MS, &made, NULL));
    assert_ok(natskit_options_close(options));
    return made;
}

#define DENIED(subject) "permissions: { publish: { deny: \"" subject "\" } }"

/* Who may make no consumers has no watch; who may not ask for the stream has one that recovers all the same.
 */
static void test_permission(void **state)
{
    (void)state;
    static const char users[] = "authorization { users: [ { user: all, password: pw },\n"
                                "{ user: none, password: pw, " DENIED(
                                    "$JS.API.CONSUMER.CREATE.>") " },\n"
                                                                 "{ user: some, password: pw, " DENIED(
                                                                     "$JS.API.STREAM.INFO.>") " } ] }\n";
    static const char *const names[] = {"all", "none", "some"};
    struct ts_server *server = ts_server_start(&(struct ts_server_opts){.extra = users});
    natskit_conn conns[3];
    natskit_js contexts[3];
    assert_non_null(server);
    for (size_t i = 0; i < 3; i++) {
        conns[i] = connect_as(server, names[i]);
        contexts[i] = jb_open(conns[i]);
    }
    natskit_kv kv = kb_make(contexts[0], bucket, ",'history':5");
    natskit_kv none = kb_open(contexts[1], bucket);
    natskit_kv some = kb_open(contexts[2], bucket);
    natskit_error err = kb_ends(KB_WATCH(none, "history", "true"), NATSKIT_PERMISSION);
    assert_non_null(strstr(err.text, "CONSUMER.CREATE"));
    (void)kb_ends(KB_WATCH(none, "keys", "a,b"), NATSKIT_PERMISSION);
    natskit_sub watch = KB_WATCH(some, "history", "true");
    kb_done(watch);
    for (unsigned n = 1; n <= 3; n++) {
        kb_put(kv, "a", "x");
        kb_next(watch, "a", "x", n);
        assert_ok(natskit_conn_reconnect(conns[2], NULL));
    }
    kb_put(kv, "a", "y");
    kb_next(watch, "a", "y", 4);
    assert_ok(natskit_sub_close(watch));
    assert_ok(natskit_kv_close(none));
    assert_ok(natskit_kv_close(some));
    assert_ok(natskit_kv_close(kv));
    for (size_t i = 0; i < 3; i++) {
        assert_ok(natskit_js_close(contexts[i]));
        assert_ok(natskit_conn_close(conns[i], WAIT_MS));
    }
    ts_server_free(server);
}

/* Closing the connection, the watch, or its parents. */
static void test_closes(void **state)
{
    (void)state;
    natskit_conn own = connect_fast(ts_tap_url(bench.tap));
    natskit_js own_js = jb_open(own);
    natskit_kv kv = kb_make(own_js, bucket, ",'storage':'memory'");
    natskit_sub first = KB_WATCH(kv, "history", "true");
    natskit_sub second = KB_WATCH(kv, "history", "true");
    kb_put(kv, "a", "1");
    assert_ok(natskit_kv_close(kv)); /* watches live on */
    assert_ok(natskit_js_close(own_js));
    natskit_msg *msg;
    assert_ok(natskit_sub_next(first, WAIT_MS, &msg));
    assert_ok(natskit_msg_release(msg));
    assert_ok(natskit_sub_unsubscribe(second, 0));
    assert_ok(natskit_sub_close(first));
    assert_ok(natskit_conn_close(own, WAIT_MS));
    natskit_status status = NATSKIT_OK;
    while (status == NATSKIT_OK) {
        status = natskit_sub_next(second, WAIT_MS, &msg);
        assert_ok(natskit_msg_release(msg));
    }
    assert_status(status, NATSKIT_END);
    assert_status(natskit_sub_reason(second, NULL), NATSKIT_UNSUBSCRIBED);
    natskit_watch_info info;
    assert_status(natskit_sub_watch_info(second, &info, sizeof info), NATSKIT_NOT_FOUND);
    assert_ok(natskit_sub_close(second));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_cuts),
        TEST(test_restarts),
        TEST(test_consumers_deleted),
        TEST(test_stall),
        TEST(test_cuts_within_initial_data),
        TEST(test_slow_taking),
        TEST(test_bucket_made_anew),
        TEST(test_lost_end),
        TEST(test_bucket_deleted),
        TEST(test_permission),
        TEST(test_closes),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
