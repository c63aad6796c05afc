/* SPDX-License-Identifier: Apache-2.0
 *
 * What the C programs of the benchmark share: arguments "CASE N SIZE URL", measuring, and the one line of
 * JSON. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stddef.h>
#include <stdint.h>

#define BENCH_SUBJECT "bench.test"
#define BENCH_ECHO "bench.echo"
#define BENCH_IN_FLIGHT 64
#define BENCH_WARM_UP 200 /* requests before the clock starts */

/* What the harness has made for the cases js_..., kv_... and obj_... */
#define BENCH_STREAM "BENCH"
#define BENCH_STREAM_SUBJECT "bench.js"
#define BENCH_CONSUMER "bench" /* durable, pulled */
#define BENCH_BUCKET "bench"   /* with the keys BENCH_KEY, numbered from 0 */
#define BENCH_KEY "key.%ld"
#define BENCH_KEYS 1000         /* of kv_get and kv_put, taken in turn */
#define BENCH_OBJECT "object"   /* of obj_get, in the store BENCH_BUCKET */
#define BENCH_OBJECTS "put.%ld" /* that obj_put puts */
#define BENCH_WINDOW 4000       /* publishes without an ack */
#define BENCH_FETCH 1000

struct bench {
    const char *name; /* the case without what follows */
    int headers;      /* "_hdr" or "_read": two headers */
    int read;         /* "_read": one of them is read */
    int ack;          /* "_ack": each message is acknowledged */
    long n;
    size_t size;
    const char *url;
    char *payload;
    char start[96]; /* subject that makes the other side send */
};

/* Reads the arguments; ends the program if they are not right. */
void bench_open(struct bench *b, int argc, char **argv);

/* Ends the program with a message. */
_Noreturn void bench_die(const char *what, const char *why);

uint64_t bench_now(void);

void bench_begin(void);
void bench_end(void);

/* One duration, for the percentiles. */
void bench_latency(uint64_t ns);

/* KiB of memory in use. */
long bench_resident(void);

/* Prints the line: `got` messages were seen; `each_bytes` is the memory of each idle object, or negative. */
void bench_report(const struct bench *b, long got, double each_bytes, const char *version);

#endif
