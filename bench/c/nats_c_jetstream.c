/* SPDX-License-Identifier: Apache-2.0
 *
 * nats.c's JetStream and KV in the benchmark. The harness has made what they work on (harness/jetstream.py).
 */
#include "nats_c.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void look(const struct bench *b, natsMsg *msg)
{
    if (natsMsg_GetDataLength(msg) != (int)b->size) {
        bench_die("receive", "a message of another size");
    }
}

static void refused(jsCtx *js, jsPubAckErr *error, void *closure)
{
    (void)js;
    (void)closure;
    bench_die("publish", error->ErrText);
}

static jsCtx *context(natsConnection *conn)
{
    jsOptions options;
    jsCtx *js = NULL;
    check(jsOptions_Init(&options), "options");
    options.Wait = WAIT_MS;
    options.PublishAsync.MaxPending = BENCH_WINDOW;
    options.PublishAsync.StallWait = WAIT_MS;
    options.PublishAsync.ErrHandler = refused;
    check(natsConnection_JetStream(&js, conn, &options), "context");
    return js;
}

static long publish(const struct bench *b, natsConnection *conn, jsCtx *js)
{
    (void)conn;
    bench_begin();
    for (long i = 0; i < b->n; i++) {
        check(js_PublishAsync(js, BENCH_STREAM_SUBJECT, b->payload, (int)b->size, NULL), "publish");
    }
    check(js_PublishAsyncComplete(js, NULL), "complete");
    bench_end();
    return b->n;
}

static void acknowledge(const struct bench *b, natsMsg *msg)
{
    if (b->ack) {
        check(natsMsg_Ack(msg, NULL), "ack");
    }
}

/* Acks are written before the clock stops. */
static void finish(const struct bench *b, natsConnection *conn)
{
    if (b->ack) {
        check(natsConnection_FlushTimeout(conn, WAIT_MS), "flush");
    }
    bench_end();
}

/* Also its way of consuming from a pull consumer, again and again. */
static long fetch(const struct bench *b, natsConnection *conn, jsCtx *js)
{
    jsSubOptions options;
    natsSubscription *sub = NULL;
    long got = 0;
    check(jsSubOptions_Init(&options), "options");
    options.Stream = BENCH_STREAM;
    options.Consumer = BENCH_CONSUMER;
    check(js_PullSubscribe(&sub, js, NULL, BENCH_CONSUMER, NULL, &options, NULL), "subscribe");
    bench_begin();
    while (got < b->n) {
        natsMsgList list;
        long left = b->n - got;
        check(natsSubscription_Fetch(&list, sub, left < BENCH_FETCH ? (int)left : BENCH_FETCH, WAIT_MS, NULL),
              "fetch");
        for (int i = 0; i < list.Count; i++) {
            look(b, list.Msgs[i]);
            acknowledge(b, list.Msgs[i]);
        }
        got += list.Count;
        natsMsgList_Destroy(&list);
    }
    finish(b, conn);
    return got;
}

struct consumption {
    const struct bench *b;
    long got;
    pthread_mutex_t lock;
    pthread_cond_t done;
};

static void handle(natsConnection *conn, natsSubscription *sub, natsMsg *msg, void *closure)
{
    struct consumption *c = closure;
    (void)conn;
    (void)sub;
    look(c->b, msg);
    acknowledge(c->b, msg);
    natsMsg_Destroy(msg);
    if (++c->got == c->b->n) {
        pthread_mutex_lock(&c->lock);
        pthread_cond_signal(&c->done);
        pthread_mutex_unlock(&c->lock);
    }
}

/* Its fastest way: a push consumer with a handler. */
static long consume_push(const struct bench *b, natsConnection *conn, jsCtx *js)
{
    static struct consumption c = {.lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};
    jsSubOptions options;
    natsSubscription *sub = NULL;
    c.b = b;
    check(jsSubOptions_Init(&options), "options");
    options.Stream = BENCH_STREAM;
    options.ManualAck = true;
    options.Config.AckPolicy = b->ack ? js_AckExplicit : js_AckNone;
    options.Config.MaxAckPending = b->ack ? -1 : 0;
    pthread_mutex_lock(&c.lock);
    bench_begin();
    check(js_Subscribe(&sub, js, BENCH_STREAM_SUBJECT, handle, &c, NULL, &options, NULL), "subscribe");
    pthread_cond_wait(&c.done, &c.lock);
    pthread_mutex_unlock(&c.lock);
    finish(b, conn);
    return c.got;
}

static kvStore *bucket(jsCtx *js)
{
    kvStore *kv = NULL;
    check(js_KeyValue(&kv, js, BENCH_BUCKET), "bucket");
    return kv;
}

static void look_at_entry(const struct bench *b, kvEntry *entry)
{
    if (kvEntry_ValueLen(entry) != (int)b->size) {
        bench_die("entry", "a value of another size");
    }
    kvEntry_Destroy(entry);
}

/* Until the null entry that says that all has come. */
static long watch(const struct bench *b, natsConnection *conn, jsCtx *js)
{
    kvStore *kv = bucket(js);
    kvWatcher *watcher = NULL;
    kvEntry *entry = NULL;
    long got = 0;
    (void)conn;
    bench_begin();
    check(kvStore_WatchAll(&watcher, kv, NULL), "watch");
    while (check(kvWatcher_Next(&entry, watcher, WAIT_MS), "next"), entry != NULL) {
        look_at_entry(b, entry);
        got++;
    }
    bench_end();
    return got;
}

static void get_one(const struct bench *b, kvStore *kv, long i)
{
    char key[32];
    kvEntry *entry = NULL;
    snprintf(key, sizeof key, BENCH_KEY, i % (b->n < BENCH_KEYS ? b->n : BENCH_KEYS));
    check(kvStore_Get(&entry, kv, key), "get");
    look_at_entry(b, entry);
}

static long get(const struct bench *b, natsConnection *conn, jsCtx *js)
{
    kvStore *kv = bucket(js);
    (void)conn;
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

struct getter {
    const struct bench *b;
    kvStore *kv;
    long n;
    pthread_t thread;
};

static void *get_some(void *arg)
{
    const struct getter *g = arg;
    for (long i = 0; i < g->n; i++) {
        get_one(g->b, g->kv, i);
    }
    return NULL;
}

/* 64 in flight as its interface has it: 64 threads that wait. */
static long get_threads(const struct bench *b, natsConnection *conn, jsCtx *js)
{
    struct getter getters[BENCH_IN_FLIGHT];
    kvStore *kv = bucket(js);
    (void)conn;
    bench_begin();
    for (int i = 0; i < BENCH_IN_FLIGHT; i++) {
        getters[i] = (struct getter){.b = b, .kv = kv, .n = b->n / BENCH_IN_FLIGHT};
        if (pthread_create(&getters[i].thread, NULL, get_some, &getters[i]) != 0) {
            bench_die("get", "no thread");
        }
    }
    for (int i = 0; i < BENCH_IN_FLIGHT; i++) {
        pthread_join(getters[i].thread, NULL);
    }
    bench_end();
    return b->n / BENCH_IN_FLIGHT * BENCH_IN_FLIGHT;
}

static long list_keys(const struct bench *b, natsConnection *conn, jsCtx *js)
{
    kvStore *kv = bucket(js);
    kvKeysList keys;
    (void)b;
    (void)conn;
    bench_begin();
    check(kvStore_Keys(&keys, kv, NULL), "keys");
    bench_end();
    long got = keys.Count;
    kvKeysList_Destroy(&keys);
    return got;
}

static long put(const struct bench *b, natsConnection *conn, jsCtx *js)
{
    kvStore *kv = bucket(js);
    uint64_t revision = 0;
    (void)conn;
    bench_begin();
    for (long i = 0; i < b->n; i++) {
        char key[32];
        uint64_t begin = bench_now();
        snprintf(key, sizeof key, BENCH_KEY, i % BENCH_KEYS);
        check(kvStore_Put(&revision, kv, key, b->payload, (int)b->size), "put");
        bench_latency(bench_now() - begin);
    }
    bench_end();
    return (long)revision;
}

#if NATS_VERSION_NUMBER >= 0x030b00 /* before it there are no object stores */
static objStore *object_store(jsCtx *js)
{
    objStore *store = NULL;
    check(js_ObjectStore(&store, js, BENCH_BUCKET), "store");
    return store;
}

static long put_objects(const struct bench *b, natsConnection *conn, jsCtx *js)
{
    objStore *store = object_store(js);
    (void)conn;
    bench_begin();
    for (long i = 0; i < b->n; i++) {
        char name[32];
        uint64_t begin = bench_now();
        snprintf(name, sizeof name, BENCH_OBJECTS, i);
        check(objStore_PutBytes(NULL, store, name, b->payload, (int)b->size), "put");
        bench_latency(bench_now() - begin);
    }
    bench_end();
    return b->n;
}

static long get_objects(const struct bench *b, natsConnection *conn, jsCtx *js)
{
    objStore *store = object_store(js);
    (void)conn;
    bench_begin();
    for (long i = 0; i < b->n; i++) {
        void *data = NULL;
        int len = 0;
        uint64_t begin = bench_now();
        check(objStore_GetBytes(&data, &len, store, BENCH_OBJECT, NULL), "get");
        if (len != (int)b->size) {
            bench_die("get", "not the whole object");
        }
        free(data);
        bench_latency(bench_now() - begin);
    }
    bench_end();
    return b->n;
}
#endif

long jetstream(const struct bench *b, natsConnection *conn)
{
    static const struct {
        const char *name;
        long (*run)(const struct bench *b, natsConnection *conn, jsCtx *js);
    } cases[] = {
        {"js_pub", publish},
        {"js_fetch", fetch},
        {"js_consume_fetch", fetch},
        {"js_consume_push", consume_push},
        {"kv_watch", watch},
        {"kv_get", get},
        {"kv_get64", get_threads},
        {"kv_keys", list_keys},
        {"kv_put", put},
#if NATS_VERSION_NUMBER >= 0x030b00
        {"obj_put", put_objects},
        {"obj_get", get_objects},
#endif
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (strcmp(b->name, cases[i].name) == 0) {
            return cases[i].run(b, conn, context(conn));
        }
    }
    return -1;
}
