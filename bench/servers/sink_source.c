/* SPDX-License-Identifier: Apache-2.0
 *
 * sink_source: a server that is faster than any client. What is published to it is counted and dropped; who
 * has subscribed and publishes to "bench.start.N.SIZE.HEADERS" is sent that many messages, prebuilt, about 1
 * MiB a write.
 *
 * It prints its port, and for each connection that ends what it got: the runner compares that with what the
 * client says. One thread for each connection.
 */
#include "wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct client {
    struct wire_in in;
    uint64_t skip; /* bytes of payload still to come */
    char sid[64];  /* as the client wrote it: some take more than a number */
    uint64_t msgs;
    uint64_t bytes; /* headers included */
    uint64_t with_headers;
};

static int started(struct client *c, const char *subject)
{
    uint64_t n;
    size_t size;
    int headers;
    wire_start_read(subject + sizeof WIRE_START - 1, &n, &size, &headers);
    return wire_stream(c->in.fd, c->sid, n, size, headers, (size_t)1 << 20);
}

static int published(struct client *c, const char *line, const char *end, int headers)
{
    const char *subject = line + (headers ? 5 : 4);
    uint64_t size = wire_last_number(line, end);
    c->skip = size + 2;
    if ((size_t)(end - subject) >= sizeof WIRE_START &&
        memcmp(subject, WIRE_START, sizeof WIRE_START - 1) == 0) {
        return started(c, subject);
    }
    c->msgs++;
    c->bytes += size;
    c->with_headers += (uint64_t)headers;
    return 1;
}

/* One line, without its payload; 0 if the connection has ended. */
static int line_read(struct client *c, const char *line, const char *end)
{
    if (end - line < 4) {
        return 1;
    }
    if (memcmp(line, "PUB ", 4) == 0) {
        return published(c, line, end, 0);
    }
    if (memcmp(line, "HPUB", 4) == 0) {
        return published(c, line, end, 1);
    }
    if (memcmp(line, "PING", 4) == 0) {
        return wire_write(c->in.fd, "PONG\r\n", 6);
    }
    if (memcmp(line, "SUB ", 4) == 0) {
        const char *stop = end;
        while (stop > line && (stop[-1] == '\r' || stop[-1] == ' ')) {
            stop--;
        }
        const char *sid = stop;
        while (sid > line && sid[-1] != ' ') {
            sid--;
        }
        snprintf(c->sid, sizeof c->sid, "%.*s", (int)(stop - sid), sid);
    }
    return 1;
}

static int lines_read(struct client *c)
{
    struct wire_in *in = &c->in;
    while (in->at < in->end) {
        if (c->skip > 0) {
            size_t here = (size_t)(in->end - in->at);
            size_t now = c->skip < here ? (size_t)c->skip : here;
            in->at += now;
            c->skip -= now;
            continue;
        }
        char *end = memchr(in->at, '\n', (size_t)(in->end - in->at));
        if (end == NULL) {
            return 1;
        }
        if (!line_read(c, in->at, end)) {
            return 0;
        }
        in->at = end + 1;
    }
    return 1;
}

static void *serve(void *arg)
{
    static const char info[] =
        "INFO {\"server_id\":\"BENCH\",\"server_name\":\"bench\",\"version\":\"2.11.0\",\"proto\":1,"
        "\"host\":\"127.0.0.1\",\"port\":4222,\"headers\":true,\"max_payload\":8388608,"
        "\"client_id\":1} \r\n";
    struct client *c = arg;
    if (wire_write(c->in.fd, info, sizeof info - 1)) {
        while (wire_in_more(&c->in) && lines_read(c)) {
        }
    }
    flockfile(stdout);
    printf("{\"msgs\": %llu, \"bytes\": %llu, \"with_headers\": %llu}\n", (unsigned long long)c->msgs,
           (unsigned long long)c->bytes, (unsigned long long)c->with_headers);
    fflush(stdout);
    funlockfile(stdout);
    close(c->in.fd);
    wire_in_close(&c->in);
    free(c);
    return NULL;
}

static int listening(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof here;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&here, len) != 0 || listen(fd, 256) != 0 ||
        getsockname(fd, (struct sockaddr *)&here, &len) != 0) {
        wire_die("cannot listen");
    }
    printf("%d\n", ntohs(here.sin_port));
    fflush(stdout);
    return fd;
}

int main(void)
{
    int fd = listening();
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        int one = 1;
        pthread_t thread;
        int peer = accept(fd, NULL, NULL);
        if (peer < 0) {
            continue;
        }
        setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct client *c = calloc(1, sizeof *c);
        if (c == NULL) {
            wire_die("no memory");
        }
        wire_in_open(&c->in, peer);
        if (pthread_create(&thread, NULL, serve, c) != 0) {
            wire_die("no thread");
        }
        pthread_detach(thread);
    }
}
