/* SPDX-License-Identifier: Apache-2.0 */
#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static struct rusage usage_begin;
static struct rusage usage_end;
static uint64_t time_begin;
static uint64_t time_end;
static long threads;
static uint64_t *latencies;
static size_t latency_count;
static size_t latency_room;

void bench_die(const char *what, const char *why)
{
    fprintf(stderr, "bench: %s: %s\n", what, why);
    exit(1);
}

static int ends(char *text, const char *end)
{
    size_t len = strlen(text);
    size_t tail = strlen(end);
    if (len <= tail || strcmp(text + len - tail, end) != 0) {
        return 0;
    }
    text[len - tail] = '\0';
    return 1;
}

void bench_open(struct bench *b, int argc, char **argv)
{
    if (argc != 5) {
        bench_die(argv[0], "usage: CASE N SIZE URL");
    }
    char *name = strdup(argv[1]);
    b->n = strtol(argv[2], NULL, 10);
    b->size = strtoul(argv[3], NULL, 10);
    b->url = argv[4];
    b->payload = malloc(b->size + 1);
    if (name == NULL || b->payload == NULL) {
        bench_die(argv[0], "no memory");
    }
    b->read = ends(name, "_read");
    b->ack = ends(name, "_ack");
    b->headers = ends(name, "_hdr") || b->read;
    b->name = name;
    memset(b->payload, 'x', b->size);
    snprintf(b->start, sizeof b->start, "bench.start.%ld.%zu.%d", b->n, b->size, b->headers);
}

uint64_t bench_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A number of /proc/self/status. */
static long status(const char *name)
{
    char line[256];
    long number = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            number = strtol(line + strlen(name), NULL, 10);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return number;
}

void bench_begin(void)
{
    getrusage(RUSAGE_SELF, &usage_begin);
    time_begin = bench_now();
}

void bench_end(void)
{
    time_end = bench_now();
    getrusage(RUSAGE_SELF, &usage_end);
    threads = status("Threads:");
}

void bench_latency(uint64_t ns)
{
    if (latency_count == latency_room) {
        latency_room = latency_room ? latency_room * 2 : 65536;
        latencies = realloc(latencies, latency_room * sizeof *latencies);
        if (latencies == NULL) {
            bench_die("latencies", "no memory");
        }
    }
    latencies[latency_count++] = ns;
}

long bench_resident(void)
{
    return status("VmRSS:");
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static double seconds(struct timeval from, struct timeval to)
{
    return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_usec - from.tv_usec) / 1e6;
}

void bench_report(const struct bench *b, long got, double each_bytes, const char *version)
{
    printf("{\"n\": %ld, \"size\": %zu, \"got\": %ld, \"seconds\": %.6f, \"user\": %.6f, \"sys\": %.6f, ",
           b->n, b->size, got, (double)(time_end - time_begin) / 1e9,
           seconds(usage_begin.ru_utime, usage_end.ru_utime),
           seconds(usage_begin.ru_stime, usage_end.ru_stime));
    if (latency_count > 0) {
        qsort(latencies, latency_count, sizeof *latencies, by_size);
        printf("\"p50_us\": %.1f, \"p99_us\": %.1f, ", (double)latencies[latency_count / 2] / 1e3,
               (double)latencies[latency_count * 99 / 100] / 1e3);
    }
    if (each_bytes >= 0) {
        printf("\"each_bytes\": %.0f, ", each_bytes);
    }
    printf("\"switches\": %ld, \"threads\": %ld, \"hwm_kib\": %ld, \"version\": \"%s\"}\n",
           usage_end.ru_nvcsw - usage_begin.ru_nvcsw + usage_end.ru_nivcsw - usage_begin.ru_nivcsw, threads,
           status("VmHWM:"), version);
}
