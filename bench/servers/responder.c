/* SPDX-License-Identifier: Apache-2.0
 *
 * responder PORT: a client of the real server that is faster than any other, in one thread. It answers
 * requests on "bench.echo" with their payload, all that one recv() brought in one send(); and after a message
 * on "bench.start.N.SIZE.HEADERS" it publishes that many, prebuilt, in large writes.
 */
#include "wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define OUT ((size_t)1 << 20)

struct responder {
    struct wire_in in;
    char *out;
    size_t used;
};

static int flushed(struct responder *r)
{
    size_t used = r->used;
    r->used = 0;
    return wire_write(r->in.fd, r->out, used);
}

static int add(struct responder *r, const char *data, size_t len)
{
    if (r->used + len > OUT && !flushed(r)) {
        return 0;
    }
    memcpy(r->out + r->used, data, len);
    r->used += len;
    return 1;
}

/* "MSG subject sid [reply] size" with its payload behind it. */
static int message(struct responder *r, const char *line, const char *end, const char *payload, size_t size)
{
    const char *subject = line + 4;
    if (memcmp(subject, WIRE_START, sizeof WIRE_START - 1) == 0) {
        uint64_t n;
        size_t each;
        int headers;
        wire_start_read(subject + sizeof WIRE_START - 1, &n, &each, &headers);
        return flushed(r) && wire_stream(r->in.fd, NULL, n, each, headers, (size_t)256 * 1024);
    }
    const char *sid = (char *)memchr(subject, ' ', (size_t)(end - subject)) + 1;
    const char *reply = (char *)memchr(sid, ' ', (size_t)(end - sid)) + 1;
    /* What is left, "reply size", is just what a PUB needs. */
    return add(r, "PUB ", 4) && add(r, reply, (size_t)(end - reply)) && add(r, "\n", 1) &&
           add(r, payload, size + 2);
}

static int frames_read(struct responder *r)
{
    struct wire_in *in = &r->in;
    while (in->at < in->end) {
        char *end = memchr(in->at, '\n', (size_t)(in->end - in->at));
        if (end == NULL) {
            break;
        }
        if (memcmp(in->at, "MSG ", 4) == 0) {
            size_t size = wire_last_number(in->at, end);
            if ((size_t)(in->end - end - 1) < size + 2) {
                break;
            }
            if (!message(r, in->at, end, end + 1, size)) {
                return 0;
            }
            in->at = end + 1 + size + 2;
            continue;
        }
        if (memcmp(in->at, "HMSG", 4) == 0 || memcmp(in->at, "-ERR", 4) == 0) {
            wire_die("the server sent what was not expected");
        }
        if (memcmp(in->at, "PING", 4) == 0 && !add(r, "PONG\r\n", 6)) {
            return 0;
        }
        if (memcmp(in->at, "PONG", 4) == 0) {
            puts("ready");
            fflush(stdout);
        }
        in->at = end + 1;
    }
    return flushed(r);
}

int main(int argc, char **argv)
{
    static const char hello[] =
        "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"lang\":\"c\","
        "\"version\":\"1\",\"name\":\"responder\"}\r\n"
        "SUB bench.echo 1\r\nSUB bench.start.> 2\r\nPING\r\n";
    if (argc != 2) {
        wire_die("usage: responder PORT");
    }
    int one = 1;
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    there.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&there, sizeof there) != 0) {
        wire_die("cannot connect");
    }
    signal(SIGPIPE, SIG_IGN);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct responder r = {.out = wire_pages(OUT)};
    wire_in_open(&r.in, fd);
    if (!wire_write(fd, hello, sizeof hello - 1)) {
        wire_die("cannot write");
    }
    while (wire_in_more(&r.in) && frames_read(&r)) {
    }
    return 0;
}
