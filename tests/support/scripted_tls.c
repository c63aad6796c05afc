/* SPDX-License-Identifier: Apache-2.0
 *
 * The scripted server's TLS: the handshake, whole or broken off where the script wants it, and what only TLS
 * can do wrong. Runs on the script's thread.
 */
#include "scripted_inside.h"

#include "wallet.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Where a handshake is broken off. */
enum stop {
    STOP_NOWHERE,
    STOP_HALF,   /* half of the server's first flight is sent */
    STOP_FLIGHT, /* all of it is sent */
    STOP_LAST    /* the client's answer is read; what the server answers to that is not sent */
};

struct plan {
    struct ts_tls_opts opts;
    enum stop stop;
    bool fails;   /* because of the client */
    bool resumed; /* has to be */
    const char *host;
    const char *subject;
    int64_t chop, record;
};

static bool send_out(struct ts_scripted *s, struct peer *peer)
{
    struct ts_buf out = {0};
    ts_tls_take_out(peer->tls, &out);
    bool good = out.len == 0 || ts_scripted_send_wire(s, peer, out.at, out.len);
    ts_buf_free(&out);
    return good;
}

bool ts_scripted_send_tls(struct ts_scripted *s, struct peer *peer, const char *bytes, size_t len)
{
    bool good = true;
    while (good && len > 0) {
        size_t part = peer->record && (size_t)peer->record < len ? (size_t)peer->record : len;
        if (!ts_tls_write(peer->tls, bytes, part)) {
            return ts_scripted_fail(s, "TLS: %s", ts_tls_error(peer->tls));
        }
        bytes += part;
        len -= part;
        good = send_out(s, peer);
    }
    return good;
}

static bool take_inside(struct ts_scripted *s, struct peer *peer)
{
    char bytes[16384];
    int n;
    while ((n = ts_tls_read(peer->tls, bytes, sizeof bytes)) > 0) {
        if (!ts_scripted_take(s, peer, bytes, (size_t)n)) {
            return false;
        }
    }
    bool loose = s->loose;
    s->loose = true; /* alerts and key updates: the client may be gone */
    bool good = send_out(s, peer);
    s->loose = loose;
    return good && (n == 0 || ts_scripted_ended(s, peer, false));
}

bool ts_scripted_take_tls(struct ts_scripted *s, struct peer *peer, const char *bytes, size_t len)
{
    char shown[200];
    size_t plain = ts_tls_scan(&peer->scan, bytes, len);
    s->plain += plain;
    if (plain > 0) {
        return ts_scripted_fail(s, "the client wrote outside of TLS: \"%s\"",
                                ts_printable(shown, sizeof shown, bytes, len));
    }
    if (peer->tls) {
        ts_tls_feed(peer->tls, bytes, len);
    }
    return !peer->tls_open || take_inside(s, peer);
}

/* -- the options of `tls` ---------------------------------------------------------------------------------
 */

static int version(const char *text)
{
    return strncmp(text, "1.", 2) == 0 && text[2] >= '1' && text[2] <= '3' ? 10 + text[2] - '0' : 0;
}

static bool take_stop(struct plan *plan, const char *where)
{
    static const char *const names[] = {"", "half", "flight", "last"};
    for (int i = STOP_HALF; i <= STOP_LAST; i++) {
        if (strcmp(names[i], where) == 0) {
            plan->stop = (enum stop)i;
        }
    }
    return plan->stop != STOP_NOWHERE;
}

static bool take_option(struct plan *plan, const char *name, const char *value)
{
    bool good = true;
    if (strcmp(name, "cert") == 0) {
        plan->opts.cert = value;
    } else if (strcmp(name, "client") == 0) {
        plan->opts.authority = value;
    } else if (strcmp(name, "max") == 0) {
        good = (plan->opts.max = version(value)) > 0;
    } else if (strcmp(name, "min") == 0) {
        good = (plan->opts.min = version(value)) > 0;
    } else if (strcmp(name, "stop") == 0) {
        good = take_stop(plan, value);
    } else if (strcmp(name, "host") == 0) {
        plan->host = value;
    } else if (strcmp(name, "subject") == 0) {
        plan->subject = value;
    } else if (strcmp(name, "chop") == 0) {
        good = (plan->chop = strtoll(value, NULL, 10)) > 0;
    } else if (strcmp(name, "record") == 0) {
        good = (plan->record = strtoll(value, NULL, 10)) > 0;
    } else {
        good = false;
    }
    return good;
}

/* Words of the line, which is cut into pieces. */
static bool take_options(struct ts_scripted *s, struct plan *plan, char *line)
{
    plan->opts = (struct ts_tls_opts){.dir = ts_wallet(), .cert = "server"};
    for (char *name; (name = strsep(&line, " ")) != NULL;) {
        if (strcmp(name, "fails") == 0) {
            plan->fails = true;
        } else if (strcmp(name, "resumed") == 0) {
            plan->resumed = true;
        } else if (*name != '\0') {
            const char *value = strsep(&line, " ");
            if (!value || !take_option(plan, name, value)) {
                return ts_scripted_fail(s, "tls: %s %s", name, value ? value : "wants a value");
            }
        }
    }
    return plan->opts.dir || ts_scripted_fail(s, "there is no wallet");
}

/* -- the handshake ----------------------------------------------------------------------------------------
 */

/* Something more of the client's wire, or its end; false at the deadline. */
static bool read_wire(struct ts_scripted *s, struct peer *peer, int64_t deadline)
{
    char bytes[16384];
    while (!ts_scripted_wait_fd(s, peer->fd, POLLIN, deadline)) {
        if (ts_scripted_stopped(s) || ts_now_ms() >= deadline) {
            return ts_scripted_fail(s, "TLS: nothing came within %lld ms", (long long)s->timeout_ms);
        }
    }
    ssize_t n = recv(peer->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return true;
    }
    if (n <= 0) {
        peer->ended = true;
        return true;
    }
    return ts_scripted_take_tls(s, peer, bytes, (size_t)n);
}

/* The client is to blame, as expected: it gets our alert, and closes. */
static bool end_failed(struct ts_scripted *s, struct peer *peer)
{
    bool good = true;
    peer->was_cut = true;
    if (!peer->ended) {
        ts_tls_free(peer->tls);
        peer->tls = NULL;
        shutdown(peer->fd, SHUT_WR);
        good = ts_scripted_serve_until_closed(s, peer);
    }
    ts_scripted_close_peer(peer, false);
    s->current = -1;
    return good;
}

static bool check(struct ts_scripted *s, struct peer *peer, const struct plan *plan)
{
    char name[100];
    if (plan->host && strcmp(plan->host, ts_tls_server_name(peer->tls)) != 0) {
        return ts_scripted_fail(s, "TLS: the client asked for %s", ts_tls_server_name(peer->tls));
    }
    if (plan->subject && strcmp(plan->subject, ts_tls_peer_name(peer->tls, name, sizeof name)) != 0) {
        return ts_scripted_fail(s, "TLS: the client is %s", name);
    }
    if (plan->resumed && !ts_tls_resumed(peer->tls)) {
        return ts_scripted_fail(s, "TLS: the session was not resumed");
    }
    peer->tls_open = true;
    peer->record = plan->record;
    return take_inside(s, peer); /* what came right after the handshake */
}

/* Sends what the step gave, or as much of it as the plan wants; true in *stopped when it ends there. */
static bool send_step(struct ts_scripted *s, struct peer *peer, const struct plan *plan, int rc,
                      bool *stopped)
{
    struct ts_buf out = {0};
    ts_tls_take_out(peer->tls, &out);
    size_t len = out.len;
    bool flight = rc == 0 && len > 0;
    if (plan->stop == STOP_HALF && flight) {
        len /= 2;
        *stopped = true;
    } else if (plan->stop == STOP_FLIGHT && flight) {
        *stopped = true;
    } else if (plan->stop == STOP_LAST && rc == 1) {
        len = 0;
        *stopped = true;
    }
    bool loose = s->loose;
    s->loose = loose || rc < 0;
    bool good = len == 0 || ts_scripted_send_wire(s, peer, out.at, len);
    s->loose = loose;
    ts_buf_free(&out);
    return good;
}

static bool shake_hands(struct ts_scripted *s, struct peer *peer, const struct plan *plan)
{
    int64_t deadline = ts_now_ms() + s->timeout_ms;
    for (;;) {
        bool stopped = false;
        int rc = ts_tls_handshake(peer->tls);
        if (!send_step(s, peer, plan, rc, &stopped)) {
            return false;
        }
        if (stopped) {
            return true;
        }
        if (rc < 0 || peer->ended) {
            return plan->fails ? end_failed(s, peer)
                               : ts_scripted_fail(s, "TLS: %s",
                                                  rc < 0 ? ts_tls_error(peer->tls) : "the client closed");
        }
        if (rc == 1) {
            return plan->fails ? ts_scripted_fail(s, "TLS: the handshake succeeded") : check(s, peer, plan);
        }
        if (!read_wire(s, peer, deadline)) {
            return false;
        }
    }
}

static bool do_tls(struct ts_scripted *s, struct peer *peer, const char *text)
{
    struct plan plan = {0};
    char *line = ts_strdup(text);
    bool good = take_options(s, &plan, line);
    if (good && peer->tls) {
        good = ts_scripted_fail(s, "TLS twice on one connection");
    }
    if (good) {
        const struct ts_tls *before = plan.resumed && s->current > 0 ? s->peers[s->current - 1].tls : NULL;
        peer->tls = before ? ts_tls_server_like(before) : ts_tls_server(&plan.opts);
        peer->secure = true;
        peer->chop = plan.chop;
        good = peer->tls ? shake_hands(s, peer, &plan) : ts_scripted_fail(s, "TLS: see above");
    }
    free(line);
    return good;
}

/* The client's first record, a handshake's; from here on it has to speak TLS. */
static bool do_hello(struct ts_scripted *s, struct peer *peer)
{
    int64_t deadline = ts_now_ms() + s->timeout_ms;
    peer->secure = true;
    while (peer->scan.records == 0) {
        if (peer->ended) {
            return ts_scripted_fail(s, "expected a TLS handshake, but the client closed");
        }
        if (!read_wire(s, peer, deadline)) {
            return false;
        }
    }
    return peer->scan.type == 22 ||
           ts_scripted_fail(s, "expected a TLS handshake, got a record %d", peer->scan.type);
}

static bool do_half(struct ts_scripted *s, struct peer *peer, const char *text, size_t len)
{
    struct ts_buf out = {0};
    bool good = ts_tls_write(peer->tls, text, len);
    ts_tls_take_out(peer->tls, &out);
    good = good && ts_scripted_send_wire(s, peer, out.at, out.len / 2);
    ts_buf_free(&out);
    return good;
}

bool ts_scripted_do_tls(struct ts_scripted *s, const struct ts_directive *d, const char *text, size_t len)
{
    bool good = true;
    if (d->kind == TS_DO_PLAIN) {
        return s->plain == (uint64_t)d->number ||
               ts_scripted_fail(s, "clients wrote %llu bytes outside of TLS", (unsigned long long)s->plain);
    }
    struct peer *peer = ts_scripted_peer(s);
    if (!peer) {
        return false;
    }
    switch (d->kind) {
    case TS_DO_TLS:
        return do_tls(s, peer, text);
    case TS_DO_HELLO:
        return do_hello(s, peer);
    case TS_DO_WIRE:
        return ts_scripted_send_wire(s, peer, text, len);
    default:
        break;
    }
    if (!peer->tls_open) {
        return ts_scripted_fail(s, "there is no TLS yet");
    }
    if (d->kind == TS_DO_HALF) {
        return do_half(s, peer, text, len);
    }
    good = d->kind == TS_DO_NOTIFY       ? ts_tls_close_notify(peer->tls)
           : d->kind == TS_DO_KEY_UPDATE ? ts_tls_key_update(peer->tls)
                                         : ts_tls_renegotiate(peer->tls);
    return good ? send_out(s, peer) : ts_scripted_fail(s, "TLS: %s", ts_tls_error(peer->tls));
}
