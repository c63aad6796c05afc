/* SPDX-License-Identifier: Apache-2.0
 *
 * nats.c in the benchmark: CASE N SIZE URL. Pending limits are off: with them it drops messages here. */
#include "nats_c.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static natsConnection *connected(const struct bench *b)
{
    natsOptions *options = NULL;
    natsConnection *conn = NULL;
    check(natsOptions_Create(&options), "options");
    check(natsOptions_SetURL(options, b->url), "url");
    check(natsOptions_SetMaxPendingMsgs(options, 1000000000), "limit");
    if (strncmp(b->url, "tls://", 6) == 0) { /* it needs to be told; natskit takes both from url and system */
        const char *authorities = getenv("SSL_CERT_FILE");
        check(natsOptions_SetSecure(options, true), "secure");
        if (authorities != NULL) {
            check(natsOptions_LoadCATrustedCertificates(options, authorities), "authorities");
        }
    }
    check(natsConnection_Connect(&conn, options), "connect");
    natsOptions_Destroy(options);
    return conn;
}

static long publish(const struct bench *b, natsConnection *conn)
{
    natsMsg *msg = NULL;
    if (b->headers) {
        check(natsMsg_Create(&msg, BENCH_SUBJECT, NULL, b->payload, (int)b->size), "msg");
        check(natsMsgHeader_Set(msg, "Bench-One", "first value"), "header");
        check(natsMsgHeader_Set(msg, "Bench-Two", "second value"), "header");
    }
    bench_begin();
    for (long i = 0; i < b->n; i++) {
        if (b->headers) {
            check(natsConnection_PublishMsg(conn, msg), "publish");
        } else {
            check(natsConnection_Publish(conn, BENCH_SUBJECT, b->payload, (int)b->size), "publish");
        }
    }
    check(natsConnection_FlushTimeout(conn, WAIT_MS), "flush");
    bench_end();
    natsMsg_Destroy(msg);
    return b->n;
}

static void look(const struct bench *b, natsMsg *msg)
{
    const char *value;
    if (natsMsg_GetDataLength(msg) != (int)b->size) {
        bench_die("receive", "a message of another size");
    }
    if (b->read) {
        check(natsMsgHeader_Get(msg, "Bench-Two", &value), "header");
        if (strlen(value) != 12) {
            bench_die("receive", "a header of another size");
        }
    }
}

static void start(const struct bench *b, natsConnection *conn, natsSubscription *sub)
{
    check(natsSubscription_SetPendingLimits(sub, -1, -1), "limits");
    check(natsConnection_FlushTimeout(conn, WAIT_MS), "flush");
    bench_begin();
    check(natsConnection_Publish(conn, b->start, NULL, 0), "start");
}

static long receive(const struct bench *b, natsConnection *conn)
{
    natsSubscription *sub = NULL;
    check(natsConnection_SubscribeSync(&sub, conn, BENCH_SUBJECT), "subscribe");
    start(b, conn, sub);
    for (long got = 0; got < b->n; got++) {
        natsMsg *msg = NULL;
        check(natsSubscription_NextMsg(&msg, sub, WAIT_MS), "next");
        look(b, msg);
        natsMsg_Destroy(msg);
    }
    bench_end();
    return b->n;
}

struct callback {
    const struct bench *b;
    long got;
    pthread_mutex_t lock;
    pthread_cond_t done;
};

static void handle(natsConnection *conn, natsSubscription *sub, natsMsg *msg, void *closure)
{
    struct callback *c = closure;
    (void)conn;
    (void)sub;
    look(c->b, msg);
    natsMsg_Destroy(msg);
    if (++c->got == c->b->n) {
        pthread_mutex_lock(&c->lock);
        pthread_cond_signal(&c->done);
        pthread_mutex_unlock(&c->lock);
    }
}

static long receive_callback(const struct bench *b, natsConnection *conn)
{
    static struct callback c = {.lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};
    natsSubscription *sub = NULL;
    c.b = b;
    check(natsConnection_Subscribe(&sub, conn, BENCH_SUBJECT, handle, &c), "subscribe");
    pthread_mutex_lock(&c.lock);
    start(b, conn, sub);
    pthread_cond_wait(&c.done, &c.lock);
    pthread_mutex_unlock(&c.lock);
    bench_end();
    return c.got;
}

static void request(const struct bench *b, natsConnection *conn)
{
    natsMsg *reply = NULL;
    check(natsConnection_Request(&reply, conn, BENCH_ECHO, b->payload, (int)b->size, WAIT_MS), "request");
    look(b, reply);
    natsMsg_Destroy(reply);
}

static long requests(const struct bench *b, natsConnection *conn)
{
    for (int i = 0; i < BENCH_WARM_UP; i++) {
        request(b, conn);
    }
    bench_begin();
    for (long i = 0; i < b->n; i++) {
        uint64_t begin = bench_now();
        request(b, conn);
        bench_latency(bench_now() - begin);
    }
    bench_end();
    return b->n;
}

struct worker {
    const struct bench *b;
    natsConnection *conn;
    long n;
    pthread_t thread;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    for (long i = 0; i < w->n; i++) {
        request(w->b, w->conn);
    }
    return NULL;
}

/* 64 in flight as its interface has it: 64 threads that wait. */
static long requests_threads(const struct bench *b, natsConnection *conn)
{
    struct worker workers[BENCH_IN_FLIGHT];
    long got = 0;
    request(b, conn);
    bench_begin();
    for (int i = 0; i < BENCH_IN_FLIGHT; i++) {
        workers[i] = (struct worker){.b = b, .conn = conn, .n = (b->n + i) / BENCH_IN_FLIGHT};
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
            bench_die("request", "no thread");
        }
    }
    for (int i = 0; i < BENCH_IN_FLIGHT; i++) {
        pthread_join(workers[i].thread, NULL);
        got += workers[i].n;
    }
    bench_end();
    return got;
}

/* 64 in flight by hand: one subscription to an inbox, replies counted. */
static long requests_inbox(const struct bench *b, natsConnection *conn)
{
    natsInbox *inbox = NULL;
    natsSubscription *sub = NULL;
    char subject[128];
    long sent = 0;
    check(natsInbox_Create(&inbox), "inbox");
    snprintf(subject, sizeof subject, "%s.*", inbox);
    check(natsConnection_SubscribeSync(&sub, conn, subject), "subscribe");
    check(natsConnection_FlushTimeout(conn, WAIT_MS), "flush");
    bench_begin();
    for (long got = 0; got < b->n; got++) {
        natsMsg *reply = NULL;
        for (; sent < b->n && sent - got < BENCH_IN_FLIGHT; sent++) {
            snprintf(subject, sizeof subject, "%s.%ld", inbox, sent);
            check(natsConnection_PublishRequest(conn, BENCH_ECHO, subject, b->payload, (int)b->size),
                  "request");
        }
        check(natsSubscription_NextMsg(&reply, sub, WAIT_MS), "reply");
        look(b, reply);
        natsMsg_Destroy(reply);
    }
    bench_end();
    natsInbox_Destroy(inbox);
    return b->n;
}

static void ignore(natsConnection *conn, natsSubscription *sub, natsMsg *msg, void *closure)
{
    (void)conn;
    (void)sub;
    (void)closure;
    natsMsg_Destroy(msg);
}

static double idle_subs(const struct bench *b, natsConnection *conn, int sync)
{
    natsSubscription **subs = calloc((size_t)b->n, sizeof *subs);
    check(natsConnection_FlushTimeout(conn, WAIT_MS), "flush");
    memset(subs, 1, (size_t)b->n * sizeof *subs);
    long before = bench_resident();
    bench_begin();
    for (long i = 0; i < b->n; i++) {
        char subject[64];
        snprintf(subject, sizeof subject, "bench.idle.%ld", i);
        subs[i] = NULL;
        if (sync) {
            check(natsConnection_SubscribeSync(&subs[i], conn, subject), "subscribe");
        } else {
            check(natsConnection_Subscribe(&subs[i], conn, subject, ignore, NULL), "subscribe");
        }
    }
    check(natsConnection_FlushTimeout(conn, WAIT_MS), "flush");
    bench_end();
    return (double)(bench_resident() - before) * 1024 / (double)b->n;
}

static double idle_conns(const struct bench *b)
{
    natsConnection **conns = calloc((size_t)b->n, sizeof *conns);
    connected(b); /* what the first one brings along is not counted */
    memset(conns, 1, (size_t)b->n * sizeof *conns);
    long before = bench_resident();
    bench_begin();
    for (long i = 0; i < b->n; i++) {
        conns[i] = connected(b);
    }
    bench_end();
    return (double)(bench_resident() - before) * 1024 / (double)b->n;
}

static long connects(const struct bench *b)
{
    natsConnection_Destroy(connected(b));
    bench_begin();
    for (long i = 0; i < b->n; i++) {
        uint64_t begin = bench_now();
        natsConnection *conn = connected(b);
        natsConnection_Close(conn);
        natsConnection_Destroy(conn);
        bench_latency(bench_now() - begin);
    }
    bench_end();
    return b->n;
}

static int idle(const struct bench *b)
{
    int conns = strcmp(b->name, "idle_conns") == 0;
    int sync = strcmp(b->name, "idle_subs_sync") == 0;
    if (!conns && !sync && strcmp(b->name, "idle_subs") != 0) {
        return 0;
    }
    double each = conns ? idle_conns(b) : idle_subs(b, connected(b), sync);
    bench_report(b, b->n, each, nats_GetVersion());
    return 1;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        long (*run)(const struct bench *b, natsConnection *conn);
    } cases[] = {{"pub", publish},  {"sub_next", receive},       {"sub_cb", receive_callback},
                 {"req", requests}, {"req64", requests_threads}, {"req64_inbox", requests_inbox}};
    struct bench b;
    bench_open(&b, argc, argv);
    check(nats_Open(-1), "open");
    if (idle(&b)) {
        return 0;
    }
    if (strcmp(b.name, "connect") == 0) {
        bench_report(&b, connects(&b), -1, nats_GetVersion());
        return 0;
    }
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (strcmp(b.name, cases[i].name) == 0) {
            natsConnection *conn = connected(&b);
            long got = cases[i].run(&b, conn);
            bench_report(&b, got, -1, nats_GetVersion());
            natsConnection_Close(conn);
            return 0;
        }
    }
    natsConnection *conn = connected(&b);
    long got = jetstream(&b, conn);
    if (got < 0) {
        bench_die(argv[1], "there is no such case");
    }
    bench_report(&b, got, -1, nats_GetVersion());
    natsConnection_Close(conn);
}
