/* SPDX-License-Identifier: Apache-2.0
 *
 * nk-tap: the fault proxy with the wire oracle, for tests in every language.
 *
 *   nk-tap --listen 127.0.0.1:0 --to HOST:PORT --control 127.0.0.1:0 [--tied] [--no-oracle] [--max-payload N]
 *          [--max-control-line N]
 *
 * Prints "listen PORT control PORT" and relays until `quit`, SIGTERM, or, with --tied, until nobody reads its
 * standard output any more (the test that started it ended). Exit code: 0 clean, 1 the client violated the
 * protocol, 2 wrong usage. Commands: see control.c and tests/README.md. One thread.
 */
#include "nk_tap.h"

#include "../net.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

bool tap_watch(struct tap *tap, struct source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data = {.ptr = source}};
    int op = source->wanted ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (events == source->wanted) {
        return true;
    }
    if (!events) {
        op = EPOLL_CTL_DEL;
    }
    source->wanted = events;
    return epoll_ctl(tap->epoll, op, source->fd, &event) == 0;
}

bool tap_open_listener(struct tap *tap)
{
    if (tap->listener.fd >= 0) {
        return true;
    }
    tap->listener = (struct source){.kind = SOURCE_LISTEN};
    tap->listener.fd = ts_listen(tap->listen_host, &tap->listen_port);
    if (tap->listener.fd < 0) {
        return false;
    }
    fcntl(tap->listener.fd, F_SETFL, O_NONBLOCK);
    return tap_watch(tap, &tap->listener, EPOLLIN);
}

void tap_close_listener(struct tap *tap)
{
    if (tap->listener.fd >= 0) {
        tap_watch(tap, &tap->listener, 0);
        close(tap->listener.fd);
        tap->listener.fd = -1;
    }
}

bool tap_set_target(struct tap *tap, const char *text)
{
    char host[256], service[8];
    uint16_t port = 0;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    if (!ts_split_host_port(text, host, sizeof host, &port)) {
        return false;
    }
    snprintf(service, sizeof service, "%u", port);
    if (getaddrinfo(host, service, &hints, &list) != 0) {
        return false;
    }
    memcpy(&tap->target, list->ai_addr, list->ai_addrlen);
    tap->target_len = list->ai_addrlen;
    freeaddrinfo(list);
    return true;
}

static void fail(const char *what, const char *value)
{
    fprintf(stderr, "nk-tap: %s: %s\n", what, value);
    exit(2);
}

static void take_size(const char *text, const char *name, uint64_t *value)
{
    if (!ts_parse_size(text, value) || *value == 0) {
        fprintf(stderr, "nk-tap: %s wants a positive number, not \"%s\"\n", name, text);
        exit(2);
    }
}

static void parse_arguments(struct tap *tap, int argc, char **argv, const char **control, bool *tied)
{
    const char *to = NULL, *listen = "127.0.0.1:0";
    uint64_t number = 0;
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--tied") == 0) {
            *tied = true;
            continue;
        }
        if (strcmp(name, "--no-oracle") == 0) {
            tap->no_oracle = true;
            continue;
        }
        if (i + 1 == argc) {
            fail("unknown option, or one without its value", name);
        }
        const char *value = argv[++i];
        if (strcmp(name, "--listen") == 0) {
            listen = value;
        } else if (strcmp(name, "--to") == 0) {
            to = value;
        } else if (strcmp(name, "--control") == 0) {
            *control = value;
        } else if (strcmp(name, "--max-payload") == 0) {
            take_size(value, name, &tap->limits.max_payload);
        } else if (strcmp(name, "--max-control-line") == 0) {
            take_size(value, name, &number);
            tap->limits.max_control_line = (size_t)number;
        } else {
            fail("unknown option", name);
        }
    }
    if (!to || !tap_set_target(tap, to)) {
        fail("--to wants HOST:PORT of the server", to ? to : "nothing was given");
    }
    if (!ts_split_host_port(listen, tap->listen_host, sizeof tap->listen_host, &tap->listen_port)) {
        fail("--listen wants HOST:PORT", listen);
    }
}

static void open_control(struct tap *tap, const char *address)
{
    char host[256];
    uint16_t port = 0;
    if (!ts_split_host_port(address, host, sizeof host, &port)) {
        fail("--control wants HOST:PORT", address);
    }
    tap->control_listener = (struct source){.kind = SOURCE_CONTROL_LISTEN};
    tap->control_listener.fd = ts_listen(host, &port);
    if (tap->control_listener.fd < 0) {
        fail("can not listen on the control address", address);
    }
    fcntl(tap->control_listener.fd, F_SETFL, O_NONBLOCK);
    tap_watch(tap, &tap->control_listener, EPOLLIN);
    printf("listen %u control %u\n", tap->listen_port, port);
    fflush(stdout);
}

static void open_signals(struct tap *tap, bool tied)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    tap->signals =
        (struct source){.kind = SOURCE_SIGNAL, .fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)};
    tap_watch(tap, &tap->signals, EPOLLIN);
    if (tied) {
        /* the write end of a pipe reports an error as soon as its last reader is gone */
        struct epoll_event event = {.events = 0, .data = {.ptr = &tap->out}};
        tap->out = (struct source){.kind = SOURCE_STDOUT, .fd = STDOUT_FILENO};
        if (epoll_ctl(tap->epoll, EPOLL_CTL_ADD, STDOUT_FILENO, &event) != 0) {
            fail("--tied wants a pipe as standard output", strerror(errno));
        }
    }
}

static void dispatch(struct tap *tap, struct source *source, uint32_t events)
{
    switch (source->kind) {
    case SOURCE_LISTEN:
        relay_accept(tap);
        break;
    case SOURCE_CONTROL_LISTEN:
        control_accept(tap);
        break;
    case SOURCE_CONTROL:
        control_event(tap, source->owner);
        break;
    case SOURCE_CLIENT:
    case SOURCE_SERVER:
        relay_event(source->owner, source, events);
        break;
    case SOURCE_SIGNAL:
    case SOURCE_STDOUT:
        tap->quit = true;
        break;
    }
}

static int wait_ms(const struct tap *tap)
{
    int64_t wake = relay_next_wake(tap);
    if (!wake) {
        return -1;
    }
    int64_t left = wake - ts_now_ns();
    return left <= 0 ? 0 : (int)(left / 1000000 + 1 > 60000 ? 60000 : left / 1000000 + 1);
}

/* Gaps below a millisecond are waited for exactly; only `split N US` asks for them. */
static int wait_events(struct tap *tap, struct epoll_event *events, int most)
{
    int64_t wake = relay_next_wake(tap);
    int64_t left = wake ? wake - ts_now_ns() : 0;
    if (left > 0 && left < 2000000) {
        struct timespec time = {.tv_nsec = left};
        int n = epoll_pwait2(tap->epoll, events, most, &time, NULL);
        if (n >= 0 || errno != ENOSYS) {
            return n;
        }
    }
    return epoll_wait(tap->epoll, events, most, wait_ms(tap));
}

static void run(struct tap *tap)
{
    struct epoll_event events[64];
    while (!tap->quit) {
        int n = wait_events(tap, events, 64);
        if (n < 0 && errno != EINTR) {
            fail("epoll_wait", strerror(errno));
        }
        for (int i = 0; i < n; i++) {
            dispatch(tap, events[i].data.ptr, events[i].events);
        }
        relay_wake(tap);
        relay_reap(tap);
        control_reap(tap);
    }
}

int main(int argc, char **argv)
{
    static struct tap tap;
    const char *control = "127.0.0.1:0";
    bool tied = false;
    tap.listener.fd = -1;
    tap.fresh[UP] = faults_none();
    tap.fresh[DOWN] = faults_none();
    tap.epoll = epoll_create1(EPOLL_CLOEXEC);
    tap.chunk = ts_alloc(CHUNK);
    parse_arguments(&tap, argc, argv, &control, &tied);
    if (!tap_open_listener(&tap)) {
        fail("can not listen", strerror(errno));
    }
    open_signals(&tap, tied);
    open_control(&tap, control);
    run(&tap);
    relay_finish_all(&tap);
    relay_reap(&tap);
    if (tap.violations) {
        fprintf(stderr, "nk-tap: %llu violation(s), the first: %s\n", (unsigned long long)tap.violations,
                tap.violation.at);
    }
    return tap.violations ? 1 : 0;
}
