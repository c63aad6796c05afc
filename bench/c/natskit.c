/* SPDX-License-Identifier: Apache-2.0
 *
 * natskit's C interface in the benchmark: CASE N SIZE URL. */
#include "natskit_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const natskit_options defaults;
static const natskit_headers none;

static natskit_conn connected(const struct bench *b)
{
    natskit_conn conn;
    natskit_error err;
    if (natskit_connect(b->url, NATSKIT_ZLEN, defaults, 5000, &conn, &err) != NATSKIT_OK) {
        bench_die("connect", err.text);
    }
    return conn;
}

static natskit_sub subscribed(natskit_conn conn, const char *subject)
{
    natskit_options options;
    natskit_sub sub;
    check(natskit_options_open(NATSKIT_OPTIONS_SUBSCRIBE, &options), "options");
    check(natskit_options_set_int(options, "pending_msgs_limit", NATSKIT_ZLEN, 1000000000, NULL), "limit");
    check(natskit_options_set_int(options, "pending_bytes_limit", NATSKIT_ZLEN, (int64_t)1 << 40, NULL),
          "limit");
    check(natskit_subscribe(conn, subject, NATSKIT_ZLEN, NULL, 0, options, &sub, NULL), "subscribe");
    natskit_options_close(options);
    return sub;
}

static long publish(const struct bench *b, natskit_conn conn)
{
    natskit_headers headers = none;
    if (b->headers) {
        check(natskit_headers_open(&headers), "headers");
        check(natskit_headers_add(headers, "Bench-One", 9, "first value", 11, NULL), "header");
        check(natskit_headers_add(headers, "Bench-Two", 9, "second value", 12, NULL), "header");
    }
    bench_begin();
    for (long i = 0; i < b->n; i++) {
        check(natskit_publish(conn, BENCH_SUBJECT, sizeof BENCH_SUBJECT - 1, NULL, 0, headers, b->payload,
                              b->size, WAIT_MS),
              "publish");
    }
    check(natskit_flush(conn, WAIT_MS), "flush");
    bench_end();
    return b->n;
}

static void look(const struct bench *b, const natskit_msg *msg)
{
    natskit_message_view view;
    const char *value;
    size_t len;
    check(natskit_msg_view(msg, &view, sizeof view), "view");
    if (view.data_len != b->size || (view.header_block_len > 0) != b->headers) {
        bench_die("receive", "a message of another size");
    }
    if (b->read) {
        check(natskit_msg_header(msg, "Bench-Two", 9, NATSKIT_MATCH_EXACT, 0, &value, &len), "header");
        if (len != 12) {
            bench_die("receive", "a header of another size");
        }
    }
}

static natskit_sub started(const struct bench *b, natskit_conn conn)
{
    natskit_sub sub = subscribed(conn, BENCH_SUBJECT);
    check(natskit_flush(conn, WAIT_MS), "flush");
    bench_begin();
    check(natskit_publish(conn, b->start, NATSKIT_ZLEN, NULL, 0, none, NULL, 0, WAIT_MS), "start");
    return sub;
}

static long receive(const struct bench *b, natskit_conn conn)
{
    natskit_sub sub = started(b, conn);
    long got = 0;
    while (got < b->n) {
        natskit_msg *msg;
        check(natskit_sub_next(sub, WAIT_MS, &msg), "next");
        look(b, msg);
        natskit_msg_release(msg);
        got++;
    }
    bench_end();
    return got;
}

static long receive_batches(const struct bench *b, natskit_conn conn)
{
    natskit_sub sub = started(b, conn);
    natskit_msg *msgs[BATCH];
    long got = 0;
    while (got < b->n) {
        size_t count;
        check(natskit_sub_next_batch(sub, msgs, BATCH, WAIT_MS, &count), "next_batch");
        for (size_t i = 0; i < count; i++) {
            look(b, msgs[i]);
        }
        natskit_msg_release_batch(msgs, count);
        got += (long)count;
    }
    bench_end();
    return got;
}

static void request(const struct bench *b, natskit_conn conn)
{
    natskit_msg *reply;
    natskit_error err;
    if (natskit_request(conn, BENCH_ECHO, sizeof BENCH_ECHO - 1, none, b->payload, b->size, WAIT_MS, &reply,
                        &err) != NATSKIT_OK) {
        bench_die("request", err.text);
    }
    look(b, reply);
    natskit_msg_release(reply);
}

static long requests(const struct bench *b, natskit_conn conn)
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

static natskit_op asked(const struct bench *b, natskit_conn conn)
{
    natskit_op op;
    check(natskit_request_start(conn, BENCH_ECHO, sizeof BENCH_ECHO - 1, none, b->payload, b->size, defaults,
                                WAIT_MS, &op, NULL),
          "request_start");
    return op;
}

static void answered(const struct bench *b, natskit_op op)
{
    natskit_msg *reply;
    check(natskit_op_take_msg(op, &reply), "take_msg");
    look(b, reply);
    natskit_msg_release(reply);
    natskit_op_close(op);
}

/* 64 in flight, whichever is answered first is replaced: by a waitset. */
static long requests_any(const struct bench *b, natskit_conn conn)
{
    natskit_waitset waitset;
    natskit_ready ready[BENCH_IN_FLIGHT];
    long sent = 0;
    long got = 0;
    check(natskit_waitset_open(&waitset), "waitset");
    bench_begin();
    while (got < b->n) {
        size_t count = 0;
        while (sent < b->n && sent - got < BENCH_IN_FLIGHT) {
            check(natskit_waitset_add(waitset, asked(b, conn).id, 0), "waitset_add");
            sent++;
        }
        check(natskit_waitset_wait(waitset, ready, sizeof ready[0], BENCH_IN_FLIGHT, WAIT_MS, &count),
              "waitset_wait");
        for (size_t i = 0; i < count; i++) {
            answered(b, (natskit_op){ready[i].object});
        }
        got += (long)count;
    }
    bench_end();
    return got;
}

/* 64 in flight, taken in the order in which they were asked. */
static long requests_in_order(const struct bench *b, natskit_conn conn)
{
    natskit_op ops[BENCH_IN_FLIGHT];
    long sent = 0;
    long got = 0;
    bench_begin();
    while (got < b->n) {
        for (; sent < b->n && sent - got < BENCH_IN_FLIGHT; sent++) {
            ops[sent % BENCH_IN_FLIGHT] = asked(b, conn);
        }
        natskit_op op = ops[got % BENCH_IN_FLIGHT];
        check(natskit_op_wait(op, WAIT_MS), "op_wait");
        answered(b, op);
        got++;
    }
    bench_end();
    return got;
}

/* Subscriptions that wait in a waitset, as a program with many handlers has them. */
static double idle_subs(const struct bench *b, natskit_conn conn)
{
    natskit_waitset waitset;
    natskit_sub *subs = calloc((size_t)b->n, sizeof *subs);
    check(natskit_waitset_open(&waitset), "waitset");
    check(natskit_flush(conn, WAIT_MS), "flush");
    memset(subs, 1, (size_t)b->n * sizeof *subs);
    long before = bench_resident();
    bench_begin();
    for (long i = 0; i < b->n; i++) {
        char subject[64];
        snprintf(subject, sizeof subject, "bench.idle.%ld", i);
        check(natskit_subscribe(conn, subject, NATSKIT_ZLEN, NULL, 0, defaults, &subs[i], NULL), "subscribe");
        check(natskit_waitset_add(waitset, subs[i].id, (uint64_t)i), "waitset_add");
    }
    check(natskit_flush(conn, WAIT_MS), "flush");
    bench_end();
    return (double)(bench_resident() - before) * 1024 / (double)b->n;
}

static double idle_conns(const struct bench *b)
{
    natskit_conn *conns = calloc((size_t)b->n, sizeof *conns);
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
    natskit_conn_close(connected(b), WAIT_MS);
    bench_begin();
    for (long i = 0; i < b->n; i++) {
        uint64_t begin = bench_now();
        check(natskit_conn_close(connected(b), WAIT_MS), "close");
        bench_latency(bench_now() - begin);
    }
    bench_end();
    return b->n;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        long (*run)(const struct bench *b, natskit_conn conn);
    } cases[] = {{"pub", publish},  {"sub_next", receive},   {"sub_batch", receive_batches},
                 {"req", requests}, {"req64", requests_any}, {"req64_order", requests_in_order}};
    struct bench b;
    const char *version;
    bench_open(&b, argc, argv);
    natskit_version(NULL, NULL, &version);
    if (strcmp(b.name, "connect") == 0) {
        bench_report(&b, connects(&b), -1, version);
        return 0;
    }
    if (strcmp(b.name, "idle_conns") == 0) {
        double each = idle_conns(&b);
        bench_report(&b, b.n, each, version);
        return 0;
    }
    natskit_conn conn = connected(&b);
    if (strcmp(b.name, "idle_subs") == 0) {
        double each = idle_subs(&b, conn);
        bench_report(&b, b.n, each, version);
        return 0;
    }
    size_t i = 0;
    while (i < sizeof cases / sizeof cases[0] && strcmp(b.name, cases[i].name) != 0) {
        i++;
    }
    long got = i < sizeof cases / sizeof cases[0] ? cases[i].run(&b, conn) : jetstream(&b, conn);
    if (got < 0) {
        bench_die(argv[1], "there is no such case");
    }
    bench_report(&b, got, -1, version);
    natskit_conn_close(conn, WAIT_MS);
}
