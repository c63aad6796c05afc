/* SPDX-License-Identifier: Apache-2.0
 *
 * A scripted server. The script runs on its own thread; what other threads look at (line, error, captures,
 * count of connections, proceed) is under `lock`, everything else belongs to that thread.
 */
#include "scripted.h"

#include "net.h"
#include "scripted_inside.h"
#include "wallet.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TIMEOUT_MS = 10000, CHUNK = 65536 };

bool ts_scripted_fail(struct ts_scripted *s, const char *format, ...)
{
    char what[1400];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    ts_wallet_redact(what); /* the output of test runs is searched for secrets of the library's */
    pthread_mutex_lock(&s->lock);
    if (!s->error[0] && !s->stop) {
        snprintf(s->error, sizeof s->error, "line %d: %s", s->line, what);
    }
    pthread_mutex_unlock(&s->lock);
    return false;
}

bool ts_scripted_stopped(struct ts_scripted *s)
{
    pthread_mutex_lock(&s->lock);
    bool stop = s->stop;
    pthread_mutex_unlock(&s->lock);
    return stop;
}

static bool take_proceed(struct ts_scripted *s)
{
    pthread_mutex_lock(&s->lock);
    bool taken = s->proceeds > 0;
    s->proceeds -= taken;
    pthread_mutex_unlock(&s->lock);
    return taken;
}

bool ts_scripted_wait_fd(struct ts_scripted *s, int fd, short events, int64_t deadline)
{
    struct pollfd polls[2] = {{.fd = s->wake, .events = POLLIN}, {.fd = fd, .events = events}};
    int64_t left = deadline - ts_now_ms();
    uint64_t count;
    if (poll(polls, fd < 0 ? 1 : 2, left > 0 ? (int)(left < 60000 ? left : 60000) : 0) <= 0) {
        return false;
    }
    if (polls[0].revents && read(s->wake, &count, sizeof count) < 0) {
        return false;
    }
    return fd >= 0 && polls[1].revents != 0;
}

static void on_frame(void *ctx, const struct ts_frame *frame)
{
    struct peer *peer = ctx;
    *peer->last = ts_captured_copy(frame);
    peer->last = &(*peer->last)->next;
}

void ts_scripted_close_peer(struct peer *peer, bool reset)
{
    if (peer->fd >= 0) {
        if (reset) {
            ts_close_reset(peer->fd);
        } else {
            close(peer->fd);
        }
        peer->fd = -1;
    }
}

static struct ts_captured *pop_frame(struct peer *peer)
{
    struct ts_captured *frame = peer->first;
    if (frame) {
        peer->first = frame->next;
        frame->next = NULL;
        if (!peer->first) {
            peer->last = &peer->first;
        }
    }
    return frame;
}

static void free_peer(struct peer *peer)
{
    ts_scripted_close_peer(peer, false);
    for (struct ts_captured *frame; (frame = pop_frame(peer)) != NULL;) {
        ts_captured_free(frame);
    }
    ts_oracle_free(peer->oracle);
    ts_tls_free(peer->tls);
    ts_buf_free(&peer->raw);
}

static bool do_accept(struct ts_scripted *s)
{
    int64_t deadline = ts_now_ms() + s->timeout_ms;
    if (s->listener < 0) {
        return ts_scripted_fail(s, "can not accept after refuse");
    }
    if (s->peer_count == MAX_CONNS) {
        return ts_scripted_fail(s, "more than %d connections", MAX_CONNS);
    }
    while (!ts_scripted_wait_fd(s, s->listener, POLLIN, deadline)) {
        if (ts_scripted_stopped(s) || ts_now_ms() >= deadline) {
            return ts_scripted_fail(s, "no client connected within %lld ms", (long long)s->timeout_ms);
        }
    }
    struct peer *peer = &s->peers[s->peer_count];
    *peer = (struct peer){.fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC)};
    if (peer->fd < 0) {
        return ts_scripted_fail(s, "accept: %s", strerror(errno));
    }
    const int on = 1; /* what is sent in pieces is to arrive in pieces */
    (void)setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    peer->last = &peer->first;
    peer->oracle = ts_oracle_new(NULL);
    ts_oracle_on_frame(peer->oracle, on_frame, peer);
    s->current = s->peer_count++;
    pthread_mutex_lock(&s->lock);
    s->connections++;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    return true;
}

struct peer *ts_scripted_peer(struct ts_scripted *s)
{
    if (s->current < 0 && !do_accept(s)) {
        return NULL;
    }
    return &s->peers[s->current];
}

bool ts_scripted_send_wire(struct ts_scripted *s, struct peer *peer, const char *bytes, size_t len)
{
    int64_t deadline = ts_now_ms() + s->timeout_ms;
    while (len && !(s->loose && peer->ended)) {
        size_t part = peer->chop && (size_t)peer->chop < len ? (size_t)peer->chop : len;
        ssize_t n = send(peer->fd, bytes, part, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            bytes += n;
            len -= (size_t)n;
        } else if (errno != EAGAIN && errno != EINTR && s->loose) {
            peer->ended = true;
        } else if (errno != EAGAIN && errno != EINTR) {
            return ts_scripted_fail(s, "the client is gone: %s", strerror(errno));
        } else if (!ts_scripted_wait_fd(s, peer->fd, POLLOUT, deadline) &&
                   (ts_scripted_stopped(s) || ts_now_ms() >= deadline)) {
            return ts_scripted_fail(s, "the client read nothing for %lld ms", (long long)s->timeout_ms);
        }
    }
    return true;
}

bool ts_scripted_send(struct ts_scripted *s, struct peer *peer, const char *bytes, size_t len)
{
    return peer->tls_open ? ts_scripted_send_tls(s, peer, bytes, len)
                          : ts_scripted_send_wire(s, peer, bytes, len);
}

/* Appends the field that ${NAME} or ${NAME.FIELD} stands for. Under the lock when other threads run. */
static bool add_field(const struct ts_scripted *s, const char *name, size_t len, struct ts_buf *out)
{
    const char *dot = memchr(name, '.', len);
    const struct ts_captured *frame = s->captures;
    if (dot) {
        size_t prefix = (size_t)(dot - name);
        while (frame &&
               (!frame->name || strlen(frame->name) != prefix || memcmp(frame->name, name, prefix) != 0)) {
            frame = frame->next;
        }
        len -= prefix + 1;
        name = dot + 1;
    }
    return frame && ts_captured_field(frame, name, len, out);
}

static bool substitute(struct ts_scripted *s, const char *text, size_t len, struct ts_buf *out)
{
    const char *at = text, *end = text + len;
    ts_buf_add(out, "", 0);
    while (at < end) {
        const char *mark = memmem(at, (size_t)(end - at), "${", 2);
        const char *close = mark ? memchr(mark, '}', (size_t)(end - mark)) : NULL;
        if (!close) {
            ts_buf_add(out, at, (size_t)(end - at));
            return true;
        }
        ts_buf_add(out, at, (size_t)(mark - at));
        size_t name_len = (size_t)(close - mark - 2);
        if (name_len == 4 && memcmp(mark + 2, "port", 4) == 0) {
            ts_buf_printf(out, "%u", s->port);
        } else if (name_len == 4 && memcmp(mark + 2, "next", 4) == 0) {
            ts_buf_printf(out, "%lld", (long long)++s->number);
        } else if (!add_field(s, mark + 2, name_len, out)) {
            return ts_scripted_fail(s, "nothing was captured as %.*s", (int)(close + 1 - mark), mark);
        }
        at = close + 1;
    }
    return true;
}

static bool do_send(struct ts_scripted *s, const struct ts_directive *d)
{
    struct ts_buf text = {0};
    struct peer *peer = ts_scripted_peer(s);
    bool good = peer && substitute(s, d->text, d->len, &text);
    if (good) {
        ts_scripted_learn(peer, text.at, text.len);
        good = ts_scripted_send(s, peer, text.at, text.len);
    }
    ts_buf_free(&text);
    return good;
}

bool ts_scripted_ended(struct ts_scripted *s, struct peer *peer, bool reset)
{
    peer->ended = true;
    if (s->oracle_on && ts_oracle_finish(peer->oracle, peer->was_cut || reset) != 0) {
        return ts_scripted_fail(s, "the client broke the protocol: %s", ts_oracle_error(peer->oracle));
    }
    return true;
}

bool ts_scripted_take(struct ts_scripted *s, struct peer *peer, const char *bytes, size_t len)
{
    if (!s->oracle_on) {
        ts_buf_add(&peer->raw, bytes, len);
        return true;
    }
    if (ts_oracle_feed(peer->oracle, bytes, len) != 0) {
        return ts_scripted_fail(s, "the client broke the protocol: %s", ts_oracle_error(peer->oracle));
    }
    return true;
}

/* Reads once when something is there; false when the client broke the protocol. */
static bool read_some(struct ts_scripted *s, struct peer *peer, int64_t deadline)
{
    char bytes[65536];
    if (peer->ended || !ts_scripted_wait_fd(s, peer->fd, POLLIN, deadline)) {
        return true;
    }
    ssize_t n = recv(peer->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return true;
    }
    if (n <= 0) {
        return ts_scripted_ended(s, peer, n < 0);
    }
    if (peer->secure) {
        return ts_scripted_take_tls(s, peer, bytes, (size_t)n);
    }
    s->plain += (uint64_t)n;
    return ts_scripted_take(s, peer, bytes, (size_t)n);
}

/* True when it was a PING that pong-auto answers; the frame is then gone. */
static bool auto_pong(struct ts_scripted *s, struct peer *peer, struct ts_captured *frame)
{
    if (!s->pong_auto || frame->op != TS_OP_PING) {
        return false;
    }
    ts_captured_free(frame);
    if (peer->tls_open) {
        bool loose = s->loose;
        s->loose = true; /* the client may be about to leave */
        (void)ts_scripted_send_tls(s, peer, "PONG\r\n", 6);
        s->loose = loose;
    } else {
        send(peer->fd, "PONG\r\n", 6, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    return true;
}

/* Keeps the matched frame as "the last one" and perhaps under a name. */
static void keep(struct ts_scripted *s, struct ts_captured *frame, const char *name)
{
    pthread_mutex_lock(&s->lock);
    struct ts_captured *old = s->captures;
    if (old && !old->name) {
        s->captures = old->next;
        ts_captured_free(old);
    }
    for (struct ts_captured **at = &s->captures; name && *at;) {
        if ((*at)->name && strcmp((*at)->name, name) == 0) {
            struct ts_captured *same = *at;
            *at = same->next;
            ts_captured_free(same);
        } else {
            at = &(*at)->next;
        }
    }
    frame->name = name ? ts_strdup(name) : NULL;
    frame->next = s->captures;
    s->captures = frame;
    pthread_mutex_unlock(&s->lock);
}

static bool mismatch(struct ts_scripted *s, const struct ts_directive *d, const char *pattern,
                     const struct ts_captured *got)
{
    char line[300], payload[300];
    return ts_scripted_fail(
        s, "expected %s %s, got \"%s\"%s%s%s", ts_op_name(d->op), pattern,
        ts_printable(line, sizeof line, got->line.at, got->line.len), got->payload.len ? " with \"" : "",
        got->op == TS_OP_CONNECT ? ""
                                 : ts_printable(payload, sizeof payload, got->payload.at, got->payload.len),
        got->payload.len ? "\"" : "");
}

static bool expect_frame(struct ts_scripted *s, const struct ts_directive *d, struct peer *peer,
                         const char *pattern)
{
    int64_t deadline = ts_now_ms() + s->timeout_ms;
    for (;;) {
        struct ts_captured *frame = pop_frame(peer);
        if (!frame) {
            if (peer->ended) {
                return ts_scripted_fail(s, "expected %s %s, but the client closed", ts_op_name(d->op),
                                        pattern);
            }
            if (ts_scripted_stopped(s) || ts_now_ms() >= deadline) {
                return ts_scripted_fail(s, "expected %s %s, nothing came within %lld ms", ts_op_name(d->op),
                                        pattern, (long long)s->timeout_ms);
            }
            if (!read_some(s, peer, deadline)) {
                return false;
            }
            continue;
        }
        if (ts_captured_matches(frame, d->op, pattern)) {
            keep(s, frame, d->name);
            return true;
        }
        if (auto_pong(s, peer, frame)) {
            continue;
        }
        bool go_on = d->skip || mismatch(s, d, pattern, frame);
        ts_captured_free(frame);
        if (!go_on) {
            return false;
        }
    }
}

static bool do_expect(struct ts_scripted *s, const struct ts_directive *d)
{
    struct ts_buf pattern = {0};
    struct peer *peer = ts_scripted_peer(s);
    bool good = peer && substitute(s, d->text, d->len, &pattern) && expect_frame(s, d, peer, pattern.at);
    ts_buf_free(&pattern);
    return good;
}

static bool do_expect_raw(struct ts_scripted *s, const struct ts_directive *d)
{
    char wanted[400], got[400];
    struct peer *peer = ts_scripted_peer(s);
    int64_t deadline = ts_now_ms() + s->timeout_ms;
    if (!peer || s->oracle_on) {
        return peer && ts_scripted_fail(s, "<raw needs \"oracle off\" before the connection's first byte");
    }
    while (peer->raw.len < d->len && !peer->ended && !ts_scripted_stopped(s) && ts_now_ms() < deadline) {
        read_some(s, peer, deadline);
    }
    if (peer->raw.len < d->len || memcmp(peer->raw.at, d->text, d->len) != 0) {
        return ts_scripted_fail(
            s, "expected \"%s\", got \"%s\"", ts_printable(wanted, sizeof wanted, d->text, d->len),
            ts_printable(got, sizeof got, peer->raw.at ? peer->raw.at : "", peer->raw.len));
    }
    ts_buf_drop_front(&peer->raw, d->len);
    return true;
}

/* Reads for a while. With `strict` any frame but an answered PING is a failure. ms -1: until proceed. */
static bool serve(struct ts_scripted *s, struct peer *peer, int64_t ms, bool strict, bool until_close)
{
    int64_t deadline = ts_now_ms() + (ms < 0 ? INT64_MAX / 2 : ms);
    for (;;) {
        for (struct ts_captured *frame; (frame = pop_frame(peer)) != NULL;) {
            char line[300];
            if (auto_pong(s, peer, frame)) {
                continue;
            }
            bool good =
                !strict || ts_scripted_fail(s, "expected nothing, got \"%s\"",
                                            ts_printable(line, sizeof line, frame->line.at, frame->line.len));
            ts_captured_free(frame);
            if (!good) {
                return false;
            }
        }
        if (strict && peer->raw.len) {
            char shown[300];
            return ts_scripted_fail(s, "expected nothing, got \"%s\"",
                                    ts_printable(shown, sizeof shown, peer->raw.at, peer->raw.len));
        }
        if (ts_scripted_stopped(s) || (ms < 0 && take_proceed(s)) || (until_close && peer->ended)) {
            return true;
        }
        if (ts_now_ms() >= deadline) {
            return !until_close ||
                   ts_scripted_fail(s, "the client did not close within %lld ms", (long long)ms);
        }
        if (peer->ended) {
            ts_scripted_wait_fd(s, -1, 0, deadline);
        } else if (!read_some(s, peer, deadline)) {
            return false;
        }
    }
}

static bool do_stall(struct ts_scripted *s, int64_t ms)
{
    int64_t deadline = ts_now_ms() + (ms < 0 ? INT64_MAX / 2 : ms);
    while (!ts_scripted_stopped(s) && ts_now_ms() < deadline && !(ms < 0 && take_proceed(s))) {
        ts_scripted_wait_fd(s, -1, 0, deadline);
    }
    return true;
}

static bool do_dribble(struct ts_scripted *s, const struct ts_directive *d)
{
    struct ts_buf text = {0};
    struct peer *peer = ts_scripted_peer(s);
    bool good = peer && substitute(s, d->text, d->len, &text);
    if (good) {
        ts_scripted_learn(peer, text.at, text.len);
    }
    for (size_t at = 0; good && at < text.len && !ts_scripted_stopped(s) && !peer->ended;
         at += (size_t)d->number) {
        size_t left = text.len - at;
        good = ts_scripted_send(s, peer, text.at + at, left < (size_t)d->number ? left : (size_t)d->number);
        do_stall(s, d->second);
    }
    ts_buf_free(&text);
    return good;
}

/* Copies of a text, gathered to chunks; with ${..} in it each copy is made anew. */
static bool do_times(struct ts_scripted *s, const struct ts_directive *d)
{
    struct ts_buf text = {0};
    struct peer *peer = ts_scripted_peer(s);
    bool same = memmem(d->text, d->len, "${", 2) == NULL;
    bool good = peer != NULL;
    int64_t in_chunk = 0;
    for (int64_t sent = 0; good && sent < d->number && !ts_scripted_stopped(s) && !peer->ended;
         sent += in_chunk) {
        if (!same || sent == 0 || in_chunk > d->number - sent) {
            text.len = 0;
            for (in_chunk = 0; good && in_chunk < d->number - sent && text.len < CHUNK; in_chunk++) {
                good = substitute(s, d->text, d->len, &text);
            }
        }
        good = good && ts_scripted_send(s, peer, text.at, text.len);
    }
    ts_buf_free(&text);
    return good;
}

/* accept, info, CONNECT, PING, PONG: what most scripts begin with. */
static bool do_handshake(struct ts_scripted *s)
{
    static char none[] = "";
    struct ts_directive connect = {.kind = TS_DO_EXPECT, .op = TS_OP_CONNECT, .text = none};
    struct ts_directive ping = {.kind = TS_DO_EXPECT, .op = TS_OP_PING, .text = none};
    return do_accept(s) && ts_scripted_info(s, "") && do_expect(s, &connect) && do_expect(s, &ping) &&
           ts_scripted_send(s, &s->peers[s->current], "PONG\r\n", 6);
}

static bool do_end_of_connection(struct ts_scripted *s, enum ts_directive_kind kind)
{
    struct peer *peer = ts_scripted_peer(s);
    if (!peer) {
        return false;
    }
    peer->was_cut = true;
    if (kind == TS_DO_HALFCLOSE) {
        shutdown(peer->fd, SHUT_WR);
    } else {
        ts_scripted_close_peer(peer, kind == TS_DO_RST);
        s->current = -1;
    }
    return true;
}

static bool do_refuse(struct ts_scripted *s)
{
    if (s->listener >= 0) {
        close(s->listener);
        s->listener = -1;
    }
    return true;
}

/* Again, or anew on each address of this machine. */
static bool do_listen(struct ts_scripted *s, bool all)
{
    if (s->listener < 0) {
        s->listener = ts_listen(all ? "0.0.0.0" : "127.0.0.1", &s->port);
    }
    return s->listener >= 0 ||
           ts_scripted_fail(s, "can not listen on port %u again: %s", s->port, strerror(errno));
}

static bool expect_nobody(struct ts_scripted *s, int64_t ms)
{
    int64_t deadline = ts_now_ms() + ms;
    while (!ts_scripted_stopped(s) && ts_now_ms() < deadline) {
        if (ts_scripted_wait_fd(s, s->listener, POLLIN, deadline)) {
            return ts_scripted_fail(s, "somebody connects");
        }
    }
    return true;
}

static bool do_use(struct ts_scripted *s, int64_t number)
{
    if (number < 1 || number > s->peer_count || s->peers[number - 1].fd < 0) {
        return ts_scripted_fail(s, "there is no open connection %lld", (long long)number);
    }
    s->current = (int)number - 1;
    return true;
}

static bool do_wait_close(struct ts_scripted *s, int64_t ms)
{
    struct peer *peer = ts_scripted_peer(s);
    bool good = peer && serve(s, peer, ms ? ms : s->timeout_ms, false, true);
    if (good) {
        ts_scripted_close_peer(peer, false);
        s->current = -1;
    }
    return good;
}

bool ts_scripted_serve_until_closed(struct ts_scripted *s, struct peer *peer)
{
    return serve(s, peer, s->timeout_ms, false, true);
}

static bool do_tls(struct ts_scripted *s, const struct ts_directive *d)
{
    struct ts_buf text = {0};
    bool good = substitute(s, d->text, d->len, &text) && ts_scripted_do_tls(s, d, text.at, text.len);
    ts_buf_free(&text);
    return good;
}

/* Where to go on after a repeat or end. */
static int jump(struct ts_scripted *s, int at)
{
    const struct ts_directive *d = &s->script.at[at];
    if (d->kind == TS_DO_REPEAT) {
        s->rounds[at] = d->number;
        return d->number ? at + 1 : d->target + 1;
    }
    return --s->rounds[d->target] > 0 ? d->target + 1 : at + 1;
}

static bool play(struct ts_scripted *s, const struct ts_directive *d)
{
    struct peer *peer;
    switch (d->kind) {
    case TS_DO_SEND:
        return do_send(s, d);
    case TS_DO_INFO:
        return ts_scripted_info(s, d->text);
    case TS_DO_EXPECT:
        return do_expect(s, d);
    case TS_DO_EXPECT_RAW:
        return do_expect_raw(s, d);
    case TS_DO_EXPECT_NONE:
        return (peer = ts_scripted_peer(s)) != NULL && serve(s, peer, d->number, true, false);
    case TS_DO_SERVE:
        return (peer = ts_scripted_peer(s)) != NULL && serve(s, peer, d->number, false, false);
    case TS_DO_ACCEPT:
        return do_accept(s);
    case TS_DO_HANDSHAKE:
        return do_handshake(s);
    case TS_DO_USE:
        return do_use(s, d->number);
    case TS_DO_WAIT_CLOSE:
        return do_wait_close(s, d->number);
    case TS_DO_CUT:
    case TS_DO_RST:
    case TS_DO_HALFCLOSE:
        return do_end_of_connection(s, d->kind);
    case TS_DO_STALL:
        return do_stall(s, d->number);
    case TS_DO_DRIBBLE:
        return do_dribble(s, d);
    case TS_DO_TIMES:
        return do_times(s, d);
    case TS_DO_LOOSE:
        s->loose = d->number;
        return true;
    case TS_DO_PONG_AUTO:
        s->pong_auto = d->number;
        return true;
    case TS_DO_ORACLE:
        s->oracle_on = d->number;
        return true;
    case TS_DO_REFUSE:
        return do_refuse(s);
    case TS_DO_LISTEN:
        return do_listen(s, d->number);
    case TS_DO_EXPECT_NOBODY:
        return expect_nobody(s, d->number);
    case TS_DO_TIMEOUT:
        s->timeout_ms = d->number;
        return true;
    case TS_DO_REPEAT:
    case TS_DO_END:
        break;
    default:
        return do_tls(s, d);
    }
    return true;
}

static void show(struct ts_scripted *s, int line, bool done)
{
    s->line = line ? line : s->line;
    pthread_mutex_lock(&s->lock);
    s->shown_line = line;
    s->done = done;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void *run(void *arg)
{
    struct ts_scripted *s = arg;
    bool good = true;
    int at = 0;
    while (good && at < s->script.count && !ts_scripted_stopped(s)) {
        const struct ts_directive *d = &s->script.at[at];
        show(s, d->line, false);
        if (d->kind == TS_DO_REPEAT || d->kind == TS_DO_END) {
            at = jump(s, at);
        } else {
            good = play(s, d);
            at++;
        }
    }
    if (!good) {
        /* nobody may wait for a server that has given up */
        do_refuse(s);
        for (int i = 0; i < s->peer_count; i++) {
            ts_scripted_close_peer(&s->peers[i], false);
        }
    }
    bool ended = !ts_scripted_stopped(s);
    show(s, ended ? 0 : s->line, true);
    if (good && ended) {
        /* the script is over: go on reading (and checking) so that the client can end in peace */
        if (s->current >= 0) {
            serve(s, &s->peers[s->current], -1, false, false);
        }
        while (!ts_scripted_stopped(s)) {
            ts_scripted_wait_fd(s, -1, 0, ts_now_ms() + 60000);
        }
    }
    return NULL;
}

struct ts_scripted *ts_scripted_start(const char *script)
{
    return ts_scripted_start_at(script, 0);
}

struct ts_scripted *ts_scripted_start_at(const char *script, uint16_t port)
{
    char error[600];
    pthread_condattr_t attr;
    struct ts_scripted *s = ts_alloc(sizeof *s);
    memset(s, 0, sizeof *s);
    s->current = -1;
    s->timeout_ms = TIMEOUT_MS;
    s->oracle_on = true;
    s->port = port;
    if (!ts_script_parse(&s->script, script, error, sizeof error)) {
        fprintf(stderr, "scripted server: %s\n", error);
        free(s);
        return NULL;
    }
    s->rounds = ts_alloc((size_t)s->script.count * sizeof *s->rounds);
    bool all = s->script.count > 0 && s->script.at[0].kind == TS_DO_LISTEN && s->script.at[0].number;
    s->listener = ts_listen(all ? "0.0.0.0" : "127.0.0.1", &s->port);
    s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    snprintf(s->url, sizeof s->url, "nats://127.0.0.1:%u", s->port);
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &attr);
    pthread_condattr_destroy(&attr);
    if (s->listener < 0 || s->wake < 0 || pthread_create(&s->thread, NULL, run, s) != 0) {
        fprintf(stderr, "scripted server: can not start on port %u: %s\n", port, strerror(errno));
        abort(); /* a test machine without ports, descriptors or threads */
    }
    return s;
}

const char *ts_scripted_url(const struct ts_scripted *s)
{
    return s->url;
}

uint16_t ts_scripted_port(const struct ts_scripted *s)
{
    return s->port;
}

bool ts_scripted_wait(struct ts_scripted *s, int64_t timeout_ms)
{
    int64_t end = ts_now_ns() + timeout_ms * 1000000;
    struct timespec deadline = {.tv_sec = end / 1000000000, .tv_nsec = end % 1000000000};
    pthread_mutex_lock(&s->lock);
    int rc = 0;
    while (!s->done && rc == 0) {
        rc = pthread_cond_timedwait(&s->changed, &s->lock, &deadline);
    }
    bool good = s->done && !s->error[0];
    if (!good) {
        fprintf(stderr, "scripted server: %s\n", s->error[0] ? s->error : "the script has not ended in time");
        if (!s->error[0]) {
            fprintf(stderr, "scripted server: it is at line %d\n", s->shown_line);
        }
    }
    pthread_mutex_unlock(&s->lock);
    return good;
}

const char *ts_scripted_error(struct ts_scripted *s)
{
    pthread_mutex_lock(&s->lock);
    const char *error = s->error[0] ? s->error : NULL; /* written once: stays as it is */
    pthread_mutex_unlock(&s->lock);
    return error;
}

int ts_scripted_line(struct ts_scripted *s)
{
    pthread_mutex_lock(&s->lock);
    int line = s->shown_line;
    pthread_mutex_unlock(&s->lock);
    return line;
}

int ts_scripted_connections(struct ts_scripted *s)
{
    pthread_mutex_lock(&s->lock);
    int count = s->connections;
    pthread_mutex_unlock(&s->lock);
    return count;
}

static void wake_up(const struct ts_scripted *s)
{
    uint64_t one = 1;
    if (write(s->wake, &one, sizeof one) < 0) {
        perror("scripted server: eventfd");
    }
}

void ts_scripted_proceed(struct ts_scripted *s)
{
    pthread_mutex_lock(&s->lock);
    s->proceeds++;
    pthread_mutex_unlock(&s->lock);
    wake_up(s);
}

char *ts_scripted_get(struct ts_scripted *s, const char *name, size_t *len)
{
    struct ts_buf value = {0};
    ts_buf_add(&value, "", 0);
    pthread_mutex_lock(&s->lock);
    bool found = add_field(s, name, strlen(name), &value);
    pthread_mutex_unlock(&s->lock);
    if (!found) {
        ts_buf_free(&value);
        return NULL;
    }
    if (len) {
        *len = value.len;
    }
    return value.at;
}

bool ts_scripted_stop(struct ts_scripted *s)
{
    if (!s) {
        return false;
    }
    pthread_mutex_lock(&s->lock);
    bool was_done = s->done;
    s->stop = true;
    pthread_mutex_unlock(&s->lock);
    wake_up(s);
    pthread_join(s->thread, NULL);
    bool good = was_done && !s->error[0];
    if (s->error[0]) {
        fprintf(stderr, "scripted server: %s\n", s->error);
    } else if (!was_done) {
        fprintf(stderr, "scripted server: stopped at line %d, before the script's end\n", s->line);
    }
    for (int i = 0; i < s->peer_count; i++) {
        free_peer(&s->peers[i]);
    }
    while (s->captures) {
        struct ts_captured *next = s->captures->next;
        ts_captured_free(s->captures);
        s->captures = next;
    }
    do_refuse(s);
    close(s->wake);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s->rounds);
    ts_script_free(&s->script);
    free(s);
    return good;
}
