/* SPDX-License-Identifier: Apache-2.0
 *
 * What the servers of the benchmark share: sockets, a receive buffer, and frames built once and written many
 * times. */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stddef.h>
#include <stdint.h>

/* A client that gets this publishes, or is sent, so many messages: "bench.start.N.SIZE.HEADERS". */
#define WIRE_START "bench.start."
#define WIRE_SUBJECT "bench.test"

/* Received bytes [at, end). recv() always writes at a page boundary: what is unfinished is kept before it,
 * because copies to 1 to 16 bytes behind a boundary are many times slower on some processors. */
struct wire_in {
    int fd;
    char *area;
    char *page;
    char *at;
    char *end;
};

/* Ends the program with a message. */
_Noreturn void wire_die(const char *what);

/* Memory that begins at a page boundary. */
char *wire_pages(size_t size);

void wire_in_open(struct wire_in *in, int fd);
void wire_in_close(struct wire_in *in);

/* Waits for more bytes; 0 at the end of the connection. */
int wire_in_more(struct wire_in *in);

/* 0 if the connection has ended. */
int wire_write(int fd, const void *data, size_t len);

/* The number at the end of a line, behind its last blank. */
uint64_t wire_last_number(const char *line, const char *end);

/* Writes `n` frames of `size` bytes of payload, with two headers if asked for; without `sid` as a client
 * (PUB, HPUB), else as a server (MSG, HMSG). 0 if the connection has ended. */
int wire_stream(int fd, const char *sid, uint64_t n, size_t size, int headers, size_t write_size);

/* Reads "N.SIZE.HEADERS" behind WIRE_START. */
void wire_start_read(const char *text, uint64_t *n, size_t *size, int *headers);

#endif
