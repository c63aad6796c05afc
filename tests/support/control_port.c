/* SPDX-License-Identifier: Apache-2.0
 *
 * A control port for the stand-alone helpers.
 * Runs on the helper's main thread; no locks.
 */
#include "control_port.h"

#include "net.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_PEERS = 32, FIXED = 3, LONGEST_LINE = 1048576 };

struct peer {
    int fd;
    struct ts_buf in;
};

struct ts_control_port {
    int listener;
    int signals;
    bool quit;
    int count;
    struct peer peers[MAX_PEERS];
};

struct ts_control_port *ts_control_open(uint16_t *port)
{
    struct ts_control_port *c = ts_alloc(sizeof *c);
    sigset_t set;
    *c = (struct ts_control_port){0};
    *port = 0;
    c->listener = ts_listen("127.0.0.1", port);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    c->signals = signalfd(-1, &set, SFD_CLOEXEC);
    if (c->listener < 0 || c->signals < 0) {
        ts_control_free(c);
        return NULL;
    }
    return c;
}

static void drop_peer(struct ts_control_port *c, int i)
{
    close(c->peers[i].fd);
    ts_buf_free(&c->peers[i].in);
    c->peers[i] = c->peers[--c->count];
}

/* Answers the whole lines that are there; false when the peer is gone. */
static bool serve_peer(struct ts_control_port *c, struct peer *peer, ts_control_fn *fn, void *ctx)
{
    char bytes[4096];
    long n = ts_receive(peer->fd, bytes, sizeof bytes, 0);
    if (n == -2) {
        return true;
    }
    if (n <= 0 || peer->in.len > LONGEST_LINE) {
        return false;
    }
    ts_buf_add(&peer->in, bytes, (size_t)n);
    for (char *lf; !c->quit && (lf = memchr(peer->in.at, '\n', peer->in.len)) != NULL;) {
        struct ts_buf answer = {0};
        size_t used = (size_t)(lf - peer->in.at) + 1;
        *lf = '\0';
        if (lf > peer->in.at && lf[-1] == '\r') {
            lf[-1] = '\0';
        }
        fn(ctx, peer->in.at, &answer);
        for (size_t i = 0; i < answer.len; i++) {
            answer.at[i] = answer.at[i] == '\n' || answer.at[i] == '\r' ? ' ' : answer.at[i];
        }
        ts_buf_add(&answer, "\n", 1);
        ts_buf_drop_front(&peer->in, used);
        bool sent = ts_send_all(peer->fd, answer.at, answer.len, 10000);
        ts_buf_free(&answer);
        if (!sent) {
            return false;
        }
    }
    return true;
}

void ts_control_run(struct ts_control_port *c, ts_control_fn *fn, void *ctx)
{
    while (!c->quit) {
        struct pollfd polls[FIXED + MAX_PEERS] = {
            {.fd = c->listener, .events = c->count < MAX_PEERS ? POLLIN : 0},
            {.fd = c->signals, .events = POLLIN},
            {.fd = STDOUT_FILENO}, /* POLLERR: the last reader of the pipe is gone */
        };
        int count = c->count;
        for (int i = 0; i < count; i++) {
            polls[FIXED + i] = (struct pollfd){.fd = c->peers[i].fd, .events = POLLIN};
        }
        if (poll(polls, (nfds_t)(FIXED + count), -1) < 0) {
            continue;
        }
        if (polls[1].revents || (polls[2].revents & POLLERR)) {
            return;
        }
        for (int i = count - 1; i >= 0; i--) {
            if (polls[FIXED + i].revents && !serve_peer(c, &c->peers[i], fn, ctx)) {
                drop_peer(c, i);
            }
        }
        if (polls[0].revents) {
            int fd = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC);
            if (fd >= 0) {
                c->peers[c->count++] = (struct peer){.fd = fd};
            }
        }
    }
}

void ts_control_quit(struct ts_control_port *c)
{
    c->quit = true;
}

void ts_control_free(struct ts_control_port *c)
{
    while (c->count) {
        drop_peer(c, c->count - 1);
    }
    if (c->listener >= 0) {
        close(c->listener);
    }
    if (c->signals >= 0) {
        close(c->signals);
    }
    free(c);
}
