/* SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PAGE 4096
#define BEFORE ((size_t)128 * 1024) /* room for what is unfinished: a frame of the responder, a line */
#define ROOM ((size_t)256 * 1024)

#define HEADERS "NATS/1.0\r\nBench-One: first value\r\nBench-Two: second value\r\n\r\n"

void wire_die(const char *what)
{
    fprintf(stderr, "bench server: %s\n", what);
    exit(1);
}

char *wire_pages(size_t size)
{
    void *memory = NULL;
    if (posix_memalign(&memory, PAGE, size) != 0) {
        wire_die("no memory");
    }
    return memory;
}

void wire_in_open(struct wire_in *in, int fd)
{
    in->fd = fd;
    in->area = wire_pages(BEFORE + ROOM);
    in->page = in->area + BEFORE;
    in->at = in->page;
    in->end = in->page;
}

void wire_in_close(struct wire_in *in)
{
    free(in->area);
}

int wire_in_more(struct wire_in *in)
{
    size_t left = (size_t)(in->end - in->at);
    if (left > BEFORE) {
        wire_die("a frame is too long");
    }
    memmove(in->page - left, in->at, left);
    in->at = in->page - left;
    ssize_t got;
    do {
        got = recv(in->fd, in->page, ROOM, 0);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) {
        return 0;
    }
    in->end = in->page + got;
    return 1;
}

int wire_write(int fd, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t put = send(fd, at, len, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            return 0;
        }
        at += put;
        len -= (size_t)put;
    }
    return 1;
}

uint64_t wire_last_number(const char *line, const char *end)
{
    while (end > line && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' ')) {
        end--;
    }
    const char *at = end;
    while (at > line && at[-1] >= '0' && at[-1] <= '9') {
        at--;
    }
    uint64_t number = 0;
    for (; at < end; at++) {
        number = number * 10 + (uint64_t)(*at - '0');
    }
    return number;
}

static size_t frame(char *out, size_t cap, const char *sid, size_t size, int headers)
{
    size_t block = headers ? sizeof HEADERS - 1 : 0;
    char verb[32];
    char counts[64];
    if (sid == NULL) {
        snprintf(verb, sizeof verb, "%s", headers ? "HPUB" : "PUB");
    } else {
        snprintf(verb, sizeof verb, "%s", headers ? "HMSG" : "MSG");
    }
    if (headers) {
        snprintf(counts, sizeof counts, "%zu %zu", block, block + size);
    } else {
        snprintf(counts, sizeof counts, "%zu", size);
    }
    int len;
    if (sid == NULL) {
        len = snprintf(out, cap, "%s " WIRE_SUBJECT " %s\r\n", verb, counts);
    } else {
        len = snprintf(out, cap, "%s " WIRE_SUBJECT " %s %s\r\n", verb, sid, counts);
    }
    memcpy(out + len, HEADERS, block);
    memset(out + (size_t)len + block, 'x', size);
    memcpy(out + (size_t)len + block + size, "\r\n", 2);
    return (size_t)len + block + size + 2;
}

int wire_stream(int fd, const char *sid, uint64_t n, size_t size, int headers, size_t write_size)
{
    size_t cap = size + 512;
    size_t room = write_size + cap;
    char *block = wire_pages(room);
    size_t one = frame(block, cap, sid, size, headers);
    size_t count = 1;
    while ((count + 1) * one <= write_size && count < n) {
        memcpy(block + count * one, block, one);
        count++;
    }
    int alive = 1;
    while (n > 0 && alive) {
        size_t now = n < count ? (size_t)n : count;
        alive = wire_write(fd, block, now * one);
        n -= now;
    }
    free(block);
    return alive;
}

void wire_start_read(const char *text, uint64_t *n, size_t *size, int *headers)
{
    char *at;
    *n = strtoull(text, &at, 10);
    *size = strtoull(at + (*at == '.'), &at, 10);
    *headers = (int)strtol(at + (*at == '.'), NULL, 10);
}
