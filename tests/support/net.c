/* SPDX-License-Identifier: Apache-2.0
 *
 * Plain blocking TCP with deadlines for the harness and its own tests.
 * No shared state; one descriptor from one thread at a time.
 */
#include "net.h"

#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* poll() for one descriptor until the deadline; true when it is ready. */
static bool wait_ready(int fd, short events, int64_t deadline)
{
    for (;;) {
        struct pollfd p = {.fd = fd, .events = events};
        int64_t left = deadline - ts_now_ms();
        int rc = poll(&p, 1, left > 0 ? (int)left : 0);
        if (rc > 0) {
            return true;
        }
        if (rc == 0 || errno != EINTR) {
            return false;
        }
    }
}

static struct addrinfo *resolve(const char *host, uint16_t port, int flags)
{
    char service[8];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    snprintf(service, sizeof service, "%u", port);
    return getaddrinfo(host, service, &hints, &list) == 0 ? list : NULL;
}

int ts_connect_host(const char *host, uint16_t port, int64_t timeout_ms)
{
    int64_t deadline = ts_now_ms() + timeout_ms;
    struct addrinfo *list = resolve(host, port, 0);
    int fd = -1;
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        int error = 0;
        socklen_t size = sizeof error;
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0) {
            continue;
        }
        if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
            error = errno;
        }
        if (error == EINPROGRESS && wait_ready(fd, POLLOUT, deadline)) {
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
        }
        if (error) {
            close(fd);
            fd = -1;
        }
    }
    if (list) {
        freeaddrinfo(list);
    }
    if (fd >= 0) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    return fd;
}

int ts_connect_raw(uint16_t port, int64_t timeout_ms)
{
    return ts_connect_host("127.0.0.1", port, timeout_ms);
}

bool ts_send_all(int fd, const void *bytes, size_t len, int64_t timeout_ms)
{
    int64_t deadline = ts_now_ms() + timeout_ms;
    const char *at = bytes;
    while (len) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            at += sent;
            len -= (size_t)sent;
        } else if (errno == EAGAIN) {
            if (!wait_ready(fd, POLLOUT, deadline)) {
                return false;
            }
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

bool ts_send_text(int fd, const char *text)
{
    return ts_send_all(fd, text, strlen(text), 10000);
}

long ts_receive(int fd, void *bytes, size_t cap, int64_t timeout_ms)
{
    int64_t deadline = ts_now_ms() + timeout_ms;
    for (;;) {
        ssize_t got = recv(fd, bytes, cap, MSG_DONTWAIT);
        if (got >= 0) {
            return got;
        }
        if (errno == EAGAIN) {
            if (!wait_ready(fd, POLLIN, deadline)) {
                return -2;
            }
        } else if (errno != EINTR) {
            return -1;
        }
    }
}

bool ts_receive_until(int fd, const char *text, char *got, size_t cap, int64_t timeout_ms)
{
    int64_t deadline = ts_now_ms() + timeout_ms;
    size_t used = 0;
    got[0] = '\0';
    while (!memmem(got, used, text, strlen(text))) {
        long n = used + 1 < cap ? ts_receive(fd, got + used, cap - 1 - used, deadline - ts_now_ms()) : 0;
        if (n <= 0) {
            return false;
        }
        used += (size_t)n;
        got[used] = '\0';
    }
    return true;
}

bool ts_wait_closed(int fd, int64_t timeout_ms)
{
    int64_t deadline = ts_now_ms() + timeout_ms;
    char waste[4096];
    for (;;) {
        long n = ts_receive(fd, waste, sizeof waste, deadline - ts_now_ms());
        if (n <= 0) {
            return n != -2;
        }
    }
}

int ts_listen(const char *host, uint16_t *port)
{
    struct addrinfo *list = resolve(host, *port, AI_PASSIVE);
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof bound;
    int on = 1;
    if (!list) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                bind(fd, list->ai_addr, list->ai_addrlen) == 0 && listen(fd, 1024) == 0 &&
                getsockname(fd, (struct sockaddr *)&bound, &size) == 0;
    int error = errno;
    freeaddrinfo(list);
    if (!good) {
        if (fd >= 0) {
            close(fd);
        }
        errno = error;
        return -1;
    }
    if (bound.ss_family == AF_INET6) {
        *port = ntohs(((struct sockaddr_in6 *)&bound)->sin6_port);
    } else {
        *port = ntohs(((struct sockaddr_in *)&bound)->sin_port);
    }
    return fd;
}

uint16_t ts_free_port(void)
{
    uint16_t port = 0;
    int fd = ts_listen("127.0.0.1", &port);
    if (fd >= 0) {
        close(fd);
    }
    return port;
}

void ts_close_reset(int fd)
{
    struct linger linger = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(fd);
}

char *ts_http_get(uint16_t port, const char *path, int64_t timeout_ms)
{
    int64_t deadline = ts_now_ms() + timeout_ms;
    struct ts_buf text = {0};
    char chunk[8192];
    long got = -1;
    int fd = ts_connect_raw(port, timeout_ms);
    if (fd < 0) {
        return NULL;
    }
    /* HTTP/1.0: the answer comes in one piece and ends with the connection */
    ts_buf_printf(&text, "GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n", path);
    if (ts_send_all(fd, text.at, text.len, timeout_ms)) {
        text.len = 0;
        while ((got = ts_receive(fd, chunk, sizeof chunk, deadline - ts_now_ms())) > 0) {
            ts_buf_add(&text, chunk, (size_t)got);
        }
    }
    close(fd);
    char *body =
        got == 0 && text.len > 12 && memcmp(text.at + 8, " 200", 4) == 0 ? strstr(text.at, "\r\n\r\n") : NULL;
    char *copy = body ? ts_strdup(body + 4) : NULL;
    ts_buf_free(&text);
    return copy;
}
