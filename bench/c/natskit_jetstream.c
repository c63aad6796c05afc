/* SPDX-License-Identifier: Apache-2.0
 *
 * natskit's JetStream and KV in the benchmark. The harness has made what they work on (harness/jetstream.py).
 */
#include "natskit_case.h"

#include <stdio.h>
#include <string.h>

static const natskit_options defaults;
static const natskit_headers none;

static natskit_options options_of(int32_t scope)
{
    natskit_options options;
    check(natskit_options_open(scope, &options), "options");
    return options;
}

static void limit(natskit_options options, const char *name, int64_t value)
{
    check(natskit_options_set_int(options, name, NATSKIT_ZLEN, value, NULL), name);
}

static natskit_js context(natskit_conn conn)
{
    natskit_js js;
    check(natskit_js_open(conn, defaults, &js, NULL), "context");
    return js;
}

/* ---------------------------------------------------------------------------------------------- publishing
 */

static natskit_publisher publisher(natskit_conn conn, const char *acks, natskit_sub *sub)
{
    natskit_publisher made;
    natskit_options options = options_of(NATSKIT_OPTIONS_PUBLISHER);
    limit(options, "max_pending", BENCH_WINDOW);
    limit(options, "ack_wait_ms", WAIT_MS);
    check(natskit_options_set(options, "acks", NATSKIT_ZLEN, acks, NATSKIT_ZLEN, NULL), "acks");
    check(natskit_publisher_open(context(conn), options, &made, sub, NULL), "publisher");
    natskit_options_close(options);
    return made;
}

static void publish_one(const struct bench *b, natskit_publisher pub)
{
    check(natskit_publisher_publish(pub, BENCH_STREAM_SUBJECT, sizeof BENCH_STREAM_SUBJECT - 1, none,
                                    b->payload, b->size, WAIT_MS, NULL),
          "publish");
}

/* Takes the acks that are there. */
static long acks_known(natskit_sub acks)
{
    natskit_msg *msgs[BATCH];
    natskit_pub_ack ack;
    size_t count;
    long got = 0;
    while (natskit_sub_next_batch(acks, msgs, BATCH, 0, &count) == NATSKIT_OK) {
        for (size_t i = 0; i < count; i++) {
            check(natskit_msg_pub_ack(msgs[i], &ack, sizeof ack), "ack");
            check(ack.status, "ack");
        }
        natskit_msg_release_batch(msgs, count);
        got += (long)count;
    }
    return got;
}

/* Every ack is looked at, in between. */
static long publish(const struct bench *b, natskit_conn conn)
{
    natskit_sub acks;
    natskit_publisher pub = publisher(conn, "all", &acks);
    long got = 0;
    bench_begin();
    for (long i = 0; i < b->n; i++) {
        publish_one(b, pub);
        if (i % BATCH == BATCH - 1) {
            got += acks_known(acks);
        }
    }
    check(natskit_publisher_done(pub, WAIT_MS, NULL), "done");
    got += acks_known(acks);
    bench_end();
    return got;
}

/* Only failures are told, as to nats.c's handler of errors. */
static long publish_failures(const struct bench *b, natskit_conn conn)
{
    natskit_sub acks;
    natskit_publisher_info info;
    natskit_publisher pub = publisher(conn, "failures", &acks);
    bench_begin();
    for (long i = 0; i < b->n; i++) {
        publish_one(b, pub);
    }
    check(natskit_publisher_done(pub, WAIT_MS, NULL), "done");
    acks_known(acks);
    bench_end();
    check(natskit_publisher_info_get(pub, &info, sizeof info), "info");
    return (long)info.acked;
}

/* ----------------------------------------------------------------------------------------------- consuming
 */

static void look(const struct bench *b, const natskit_msg *msg)
{
    natskit_message_view view;
    check(natskit_msg_view(msg, &view, sizeof view), "view");
    if (view.data_len != b->size) {
        bench_die("receive", "a message of another size");
    }
}

/* Takes up to `left` messages, one call for some of them; 0 at the end of the subscription. */
static long take(const struct bench *b, natskit_sub sub, long left)
{
    natskit_msg *msgs[BATCH];
    size_t count;
    size_t acked;
    natskit_status status =
        natskit_sub_next_batch(sub, msgs, left < BATCH ? (size_t)left : BATCH, WAIT_MS, &count);
    if (status == NATSKIT_END) {
        return 0;
    }
    check(status, "next_batch");
    for (size_t i = 0; i < count; i++) {
        look(b, msgs[i]);
    }
    if (b->ack) {
        check(natskit_ack_batch(msgs, count, &acked), "ack_batch");
    }
    natskit_msg_release_batch(msgs, count);
    return (long)count;
}

/* Acks are written before the clock stops. */
static void finish(const struct bench *b, natskit_conn conn)
{
    if (b->ack) {
        check(natskit_flush(conn, WAIT_MS), "flush");
    }
    bench_end();
}

static natskit_sub consumed(natskit_js js)
{
    natskit_sub sub;
    natskit_options options = options_of(NATSKIT_OPTIONS_CONSUME);
    limit(options, "max_msgs", BENCH_FETCH);
    check(
        natskit_js_consume(js, BENCH_STREAM, NATSKIT_ZLEN, BENCH_CONSUMER, NATSKIT_ZLEN, options, &sub, NULL),
        "consume");
    natskit_options_close(options);
    return sub;
}

static long consume_batches(const struct bench *b, natskit_conn conn)
{
    natskit_js js = context(conn);
    long got = 0;
    bench_begin();
    natskit_sub sub = consumed(js);
    while (got < b->n) {
        long some = take(b, sub, b->n - got);
        if (some == 0) {
            break;
        }
        got += some;
    }
    finish(b, conn);
    return got;
}

static long consume(const struct bench *b, natskit_conn conn)
{
    natskit_js js = context(conn);
    long got = 0;
    bench_begin();
    natskit_sub sub = consumed(js);
    while (got < b->n) {
        natskit_msg *msg;
        check(natskit_sub_next(sub, WAIT_MS, &msg), "next");
        look(b, msg);
        if (b->ack) {
            check(natskit_msg_ack(msg), "ack");
        }
        natskit_msg_release(msg);
        got++;
    }
    finish(b, conn);
    return got;
}

static long fetch(const struct bench *b, natskit_conn conn)
{
    natskit_js js = context(conn);
    natskit_options options = options_of(NATSKIT_OPTIONS_FETCH);
    long got = 0;
    bench_begin();
    while (got < b->n) {
        natskit_sub sub;
        long left = b->n - got < BENCH_FETCH ? b->n - got : BENCH_FETCH;
        limit(options, "max_msgs", left);
        check(natskit_js_fetch(js, BENCH_STREAM, NATSKIT_ZLEN, BENCH_CONSUMER, NATSKIT_ZLEN, options, &sub,
                               NULL),
              "fetch");
        for (long some; left > 0 && (some = take(b, sub, left)) > 0; left -= some) {
            got += some;
        }
        natskit_sub_close(sub);
    }
    finish(b, conn);
    return got;
}

/* ----------------------------------------------------------------------------------------------- key-value
 */

static natskit_kv bucket(natskit_conn conn)
{
    natskit_kv kv;
    check(natskit_kv_open(context(conn), BENCH_BUCKET, NATSKIT_ZLEN, &kv, NULL), "bucket");
    return kv;
}

static void look_at_entry(const struct bench *b, const natskit_msg *entry)
{
    natskit_kv_view view;
    check(natskit_msg_kv(entry, &view, sizeof view), "entry");
    if (view.value_len != b->size) {
        bench_die("entry", "a value of another size");
    }
}

static long watch(const struct bench *b, natskit_conn conn)
{
    natskit_kv kv = bucket(conn);
    natskit_sub watcher;
    natskit_status_view status;
    long got = 0;
    int done = 0;
    bench_begin();
    check(natskit_kv_watch(kv, defaults, &watcher, NULL), "watch");
    while (!done) {
        natskit_msg *entries[BATCH];
        size_t count;
        check(natskit_sub_next_batch(watcher, entries, BATCH, WAIT_MS, &count), "next_batch");
        for (size_t i = 0; i < count; i++) {
            if (natskit_msg_status(entries[i], &status, sizeof status) == NATSKIT_OK) {
                done = status.type == NATSKIT_STATUS_INITIAL_DONE;
            } else {
                look_at_entry(b, entries[i]);
                got++;
            }
        }
        natskit_msg_release_batch(entries, count);
    }
    bench_end();
    return got;
}

static void get_one(const struct bench *b, natskit_kv kv, long i)
{
    char key[32];
    natskit_msg *entry;
    int len = snprintf(key, sizeof key, BENCH_KEY, i % (b->n < BENCH_KEYS ? b->n : BENCH_KEYS));
    check(natskit_kv_get(kv, key, (size_t)len, 0, WAIT_MS, &entry, NULL), "get");
    look_at_entry(b, entry);
    natskit_msg_release(entry);
}

static long get(const struct bench *b, natskit_conn conn)
{
    natskit_kv kv = bucket(conn);
    for (long i = 0; i < BENCH_WARM_UP; i++) {
        get_one(b, kv, i);
    }
    bench_begin();
    for (long i = 0; i < b->n; i++) {
        uint64_t begin = bench_now();
        get_one(b, kv, i);
        bench_latency(bench_now() - begin);
    }
    bench_end();
    return b->n;
}

/* Gets in flight, whichever is answered first is replaced: by a waitset. */
static long get_many(const struct bench *b, natskit_conn conn)
{
    natskit_kv kv = bucket(conn);
    natskit_waitset waitset;
    natskit_ready ready[BENCH_IN_FLIGHT];
    long sent = 0;
    long got = 0;
    long keys = b->n < BENCH_KEYS ? b->n : BENCH_KEYS;
    check(natskit_waitset_open(&waitset), "waitset");
    bench_begin();
    while (got < b->n) {
        size_t count = 0;
        for (; sent < b->n && sent - got < BENCH_IN_FLIGHT; sent++) {
            char key[32];
            natskit_op op;
            int len = snprintf(key, sizeof key, BENCH_KEY, sent % keys);
            check(natskit_kv_get_start(kv, key, (size_t)len, 0, defaults, WAIT_MS, &op, NULL), "get_start");
            check(natskit_waitset_add(waitset, op.id, 0), "waitset_add");
        }
        check(natskit_waitset_wait(waitset, ready, sizeof ready[0], BENCH_IN_FLIGHT, WAIT_MS, &count),
              "waitset_wait");
        for (size_t i = 0; i < count; i++) {
            natskit_msg *entry;
            natskit_op op = {ready[i].object};
            check(natskit_op_take_msg(op, &entry), "take_msg");
            look_at_entry(b, entry);
            natskit_msg_release(entry);
            natskit_op_close(op);
        }
        got += (long)count;
    }
    bench_end();
    return got;
}

/* The keys of a bucket, as a list of them is made. */
static long list_keys(const struct bench *b, natskit_conn conn)
{
    natskit_kv kv = bucket(conn);
    natskit_sub list;
    natskit_status status;
    natskit_options options;
    natskit_kv_view view;
    long got = 0;
    (void)b;
    check(natskit_options_open(NATSKIT_OPTIONS_KV_WATCH, &options), "options");
    check(natskit_options_set(options, "ends", NATSKIT_ZLEN, "true", 4, NULL), "ends");
    check(natskit_options_set(options, "ignore_deletes", NATSKIT_ZLEN, "true", 4, NULL), "ignore_deletes");
    check(natskit_options_set(options, "headers_only", NATSKIT_ZLEN, "true", 4, NULL), "headers_only");
    bench_begin();
    check(natskit_kv_watch(kv, options, &list, NULL), "watch");
    natskit_msg *entries[BATCH];
    size_t count;
    while ((status = natskit_sub_next_batch(list, entries, BATCH, WAIT_MS, &count)) == NATSKIT_OK) {
        for (size_t i = 0; i < count; i++) {
            check(natskit_msg_kv(entries[i], &view, sizeof view), "entry");
            got += view.key_len > 0;
        }
        natskit_msg_release_batch(entries, count);
    }
    if (status != NATSKIT_END) {
        check(status, "next_batch");
    }
    bench_end();
    return got;
}

/* Out of the cache, without a round trip. */
static long cached(const struct bench *b, natskit_conn conn)
{
    natskit_kv kv = bucket(conn);
    natskit_sub cache;
    natskit_msg *entry;
    long keys = b->n < BENCH_KEYS ? b->n : BENCH_KEYS;
    check(natskit_kv_cache(kv, defaults, &cache, NULL), "cache");
    check(natskit_sub_next(cache, WAIT_MS, &entry), "what there is");
    natskit_msg_release(entry);
    bench_begin();
    for (long i = 0; i < b->n; i++) {
        char key[32];
        int len = snprintf(key, sizeof key, BENCH_KEY, i % keys);
        check(natskit_kv_cached(kv, key, (size_t)len, &entry), "cached");
        look_at_entry(b, entry);
        natskit_msg_release(entry);
    }
    bench_end();
    return b->n;
}

static long put(const struct bench *b, natskit_conn conn)
{
    natskit_kv kv = bucket(conn);
    uint64_t revision = 0;
    bench_begin();
    for (long i = 0; i < b->n; i++) {
        char key[32];
        uint64_t begin = bench_now();
        int len = snprintf(key, sizeof key, BENCH_KEY, i % BENCH_KEYS);
        check(natskit_kv_write(kv, NATSKIT_KV_PUT, key, (size_t)len, b->payload, b->size, 0, 0, WAIT_MS,
                               &revision, NULL),
              "put");
        bench_latency(bench_now() - begin);
    }
    bench_end();
    return (long)revision;
}

/* -- objects --------------------------------------------------------------------------------------------- */

static natskit_object_store object_store(natskit_conn conn)
{
    natskit_object_store store;
    check(natskit_object_store_open(context(conn), BENCH_BUCKET, NATSKIT_ZLEN, &store, NULL), "store");
    return store;
}

static long put_objects(const struct bench *b, natskit_conn conn)
{
    natskit_object_store store = object_store(conn);
    bench_begin();
    for (long i = 0; i < b->n; i++) {
        char name[32];
        uint64_t begin = bench_now();
        int len = snprintf(name, sizeof name, BENCH_OBJECTS, i);
        check(natskit_object_put(store, name, (size_t)len, (natskit_json){0}, b->payload, b->size,
                                 (natskit_options){0}, WAIT_MS, NULL, NULL),
              "put");
        bench_latency(bench_now() - begin);
    }
    bench_end();
    return b->n;
}

static void get_object(const struct bench *b, natskit_object_store store, char *piece, size_t cap)
{
    natskit_msg *info;
    natskit_object_reader reader;
    natskit_status status;
    size_t total = 0;
    size_t len;
    check(natskit_object_info(store, BENCH_OBJECT, NATSKIT_ZLEN, NATSKIT_OBJECT_FOLLOW, WAIT_MS, &info, NULL),
          "info");
    check(natskit_object_reader_open(store, info, &reader, NULL), "reader");
    natskit_msg_release(info);
    while ((status = natskit_object_reader_read(reader, piece, cap, WAIT_MS, &len, NULL)) == NATSKIT_OK) {
        total += len;
    }
    if (status != NATSKIT_END || total != b->size) {
        bench_die("get", "not the whole object");
    }
    check(natskit_object_reader_close(reader), "close");
}

static long get_objects(const struct bench *b, natskit_conn conn)
{
    static char piece[1024 * 1024];
    natskit_object_store store = object_store(conn);
    bench_begin();
    for (long i = 0; i < b->n; i++) {
        uint64_t begin = bench_now();
        get_object(b, store, piece, sizeof piece);
        bench_latency(bench_now() - begin);
    }
    bench_end();
    return b->n;
}

long jetstream(const struct bench *b, natskit_conn conn)
{
    static const struct {
        const char *name;
        long (*run)(const struct bench *b, natskit_conn conn);
    } cases[] = {{"js_pub", publish},
                 {"js_pub_failures", publish_failures},
                 {"js_consume_batch", consume_batches},
                 {"js_consume_next", consume},
                 {"js_fetch", fetch},
                 {"kv_watch", watch},
                 {"kv_get", get},
                 {"kv_get64", get_many},
                 {"kv_keys", list_keys},
                 {"kv_cached", cached},
                 {"kv_put", put},
                 {"obj_put", put_objects},
                 {"obj_get", get_objects}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (strcmp(b->name, cases[i].name) == 0) {
            return cases[i].run(b, conn);
        }
    }
    return -1;
}
