/* SPDX-License-Identifier: Apache-2.0
 *
 * nk-tap: the relayed connections: accept, connect to the server, read, filter, queue, write, end. One
 * thread.
 */
#include "nk_tap.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { READS_PER_TURN = 4, WRITES_PER_TURN = 64 };

static struct source *reading_side(struct conn *conn, int dir)
{
    return dir == UP ? &conn->client : &conn->server;
}

static struct source *writing_side(struct conn *conn, int dir)
{
    return dir == UP ? &conn->server : &conn->client;
}

static void close_side(struct tap *tap, struct source *source, bool reset)
{
    struct linger linger = {.l_onoff = 1};
    if (source->fd < 0) {
        return;
    }
    if (reset) {
        setsockopt(source->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    }
    tap_watch(tap, source, 0);
    close(source->fd);
    source->fd = -1;
}

static void note_violation(struct conn *conn, const char *what)
{
    struct tap *tap = conn->tap;
    fprintf(stderr, "nk-tap: violation on connection %llu: %s\n", (unsigned long long)conn->id, what);
    if (tap->violations++ == 0) {
        ts_buf_printf(&tap->violation, "connection %llu: %s", (unsigned long long)conn->id, what);
    }
}

/*
 * The end of the client's stream. A frame may stay incomplete when the transport was cut: by us, by the
 * server, by RST, or when the way to the server was stuck so that a client with a deadline had to give up.
 */
static void finish_oracle(struct conn *conn)
{
    const struct pipe *up = &conn->pipes[UP], *down = &conn->pipes[DOWN];
    if (!conn->oracle || conn->finished) {
        return;
    }
    conn->finished = true;
    bool had_error = ts_oracle_error(conn->oracle) != NULL;
    bool partial = conn->was_cut || conn->tap->allow_partial || up->reset || up->broken || up->was_blocked ||
                   up->was_faulty || down->ended || down->broken;
    if (ts_oracle_finish(conn->oracle, partial) != 0 && !had_error) {
        note_violation(conn, ts_oracle_error(conn->oracle));
    }
}

static void add_counts(struct ts_oracle_counts *sum, const struct ts_oracle_counts *one)
{
    sum->bytes += one->bytes;
    sum->pub_bytes += one->pub_bytes;
    for (int i = 0; i < TS_OP_COUNT; i++) {
        sum->ops[i] += one->ops[i];
    }
}

static void end_conn(struct conn *conn, bool reset)
{
    if (conn->dead) {
        return;
    }
    finish_oracle(conn);
    close_side(conn->tap, &conn->client, reset);
    close_side(conn->tap, &conn->server, reset);
    conn->dead = true;
    conn->tap->closed++;
}

void relay_cut(struct conn *conn, bool reset)
{
    conn->was_cut = true;
    end_conn(conn, reset);
}

/* The reading side said end or RST and all of it was written: tell the writing side the same. */
static void pass_end(struct conn *conn, int dir)
{
    struct pipe *pipe = &conn->pipes[dir];
    if (pipe->passed_end || pipe->head < pipe->queue.len || (!pipe->ended && !pipe->reset)) {
        return;
    }
    if (pipe->faults.stall || pipe->faults.blackhole) {
        return; /* the end is one of the things that do not arrive */
    }
    pipe->passed_end = true;
    if (pipe->reset) {
        end_conn(conn, true);
    } else {
        shutdown(writing_side(conn, dir)->fd, SHUT_WR);
        if (conn->pipes[!dir].passed_end) {
            end_conn(conn, false);
        }
    }
}

/* send() as much as goes; the number of bytes or 0. A dead writing side makes the pipe swallow the rest. */
static size_t send_some(struct conn *conn, int dir, const char *bytes, size_t len)
{
    struct pipe *pipe = &conn->pipes[dir];
    ssize_t n = send(writing_side(conn, dir)->fd, bytes, len, MSG_NOSIGNAL);
    if (n > 0) {
        pipe->sent += (uint64_t)n;
        conn->tap->bytes[dir] += (uint64_t)n;
        return (size_t)n;
    }
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        pipe->broken = true;
    }
    return 0;
}

static void drop_queue(struct pipe *pipe)
{
    pipe->queue.len = 0;
    pipe->head = 0;
    pipe->due_count = 0;
    pipe->due_total = 0;
}

/* Writes what the faults allow. */
static void drain(struct conn *conn, int dir)
{
    struct pipe *pipe = &conn->pipes[dir];
    for (int turn = 0; !conn->dead && !(dir == UP && conn->connecting); turn++) {
        int64_t now = ts_now_ns();
        if (pipe->broken) {
            drop_queue(pipe);
        }
        if (pipe->cut_at != NEVER_CUT && (int64_t)pipe->sent >= pipe->cut_at) {
            relay_cut(conn, false);
            return;
        }
        size_t allowed = faults_allow(pipe, now);
        if (allowed && turn == WRITES_PER_TURN) {
            pipe->wake_ns = now; /* others have their turn first */
            return;
        }
        size_t n = allowed ? send_some(conn, dir, pipe->queue.at + pipe->head, allowed) : 0;
        if (n == 0) {
            break;
        }
        pipe->head += n;
        faults_sent(pipe, n, now);
        if (pipe->head == pipe->queue.len) {
            pipe->queue.len = 0;
            pipe->head = 0;
        } else if (pipe->head > CHUNK) {
            ts_buf_drop_front(&pipe->queue, pipe->head);
            pipe->head = 0;
        }
    }
    if (!conn->dead) {
        pass_end(conn, dir);
    }
}

void relay_write(struct conn *conn, int dir, const char *bytes, size_t len)
{
    struct pipe *pipe = &conn->pipes[dir];
    if (len == 0 || conn->dead || pipe->broken || pipe->faults.blackhole) {
        return;
    }
    pipe->queued += len;
    if (faults_plain(pipe) && !(dir == UP && conn->connecting)) {
        size_t n = send_some(conn, dir, bytes, len);
        bytes += n;
        len -= n;
        if (len == 0) {
            return;
        }
        pipe->was_blocked = true;
    }
    ts_buf_add(&pipe->queue, bytes, len);
    faults_queued(pipe, len, ts_now_ns());
}

static void look_at_first_bytes(struct conn *conn, const char *bytes, size_t len)
{
    conn->typed = true;
    if (len >= 4 && memcmp(bytes, "GET ", 4) == 0) {
        conn->unwrap.on = true; /* WebSocket: the server's side of it is not followed */
        conn->scan.lost = true;
    } else if (bytes[0] == 0x16) {
        conn->opaque = true; /* TLS: nothing to read for us */
        conn->scan.lost = true;
        conn->tap->opaque++;
        ts_oracle_free(conn->oracle);
        conn->oracle = NULL;
    }
}

static void check_up(struct conn *conn, const char *bytes, size_t len)
{
    struct unwrap *unwrap = &conn->unwrap;
    if (unwrap->on) {
        unwrap->out.len = 0;
        const char *fault = unwrap->broken ? NULL : unwrap_up(unwrap, bytes, len, &unwrap->out);
        if (fault) {
            unwrap->broken = true;
            note_violation(conn, fault);
        }
        bytes = unwrap->out.at;
        len = unwrap->out.len;
    }
    if (len == 0) {
        return;
    }
    bool had_error = ts_oracle_error(conn->oracle) != NULL;
    if (ts_oracle_feed(conn->oracle, bytes, len) != 0 && !had_error) {
        note_violation(conn, ts_oracle_error(conn->oracle));
    }
}

void relay_cut_blind(struct conn *conn, int dir, size_t len)
{
    struct pipe *pipe = &conn->pipes[dir];
    if (pipe->faults.cut_in_msg && len > 1) {
        pipe->faults.cut_in_msg = false;
        pipe->cut_at = (int64_t)(pipe->queued + len / 2);
    }
}

static void filter_up(struct conn *conn, const char *bytes, size_t len)
{
    struct pipe *pipe = &conn->pipes[UP];
    if (!conn->typed) {
        look_at_first_bytes(conn, bytes, len);
    }
    size_t done = 0;
    while (conn->oracle && pipe->faults.cut_in_msg && done < len) {
        /* byte by byte up to the first body: where it begins only the oracle knows */
        check_up(conn, bytes + done, 1);
        relay_write(conn, UP, bytes + done++, 1);
        uint64_t left = ts_oracle_body_left(conn->oracle);
        if (left > 2) {
            pipe->faults.cut_in_msg = false;
            pipe->cut_at = (int64_t)(pipe->queued + left / 2);
        }
    }
    if (conn->oracle && done < len) {
        check_up(conn, bytes + done, len - done);
    }
    if (!conn->oracle) {
        relay_cut_blind(conn, UP, len - done);
    }
    relay_write(conn, UP, bytes + done, len - done);
}

static bool wants_more(const struct conn *conn, int dir)
{
    const struct pipe *pipe = &conn->pipes[dir];
    size_t most = pipe->faults.delay_ns ? DELAYED_BACKLOG : CHUNK;
    /* behind a stall nothing is read, so that the writer feels it as soon as the kernel's buffers are full */
    bool held = pipe->faults.stall && !pipe->broken;
    return !pipe->ended && !pipe->reset && !held && pipe->queue.len - pipe->head < most &&
           !(conn->connecting && dir == DOWN);
}

static void fill(struct conn *conn, int dir)
{
    struct pipe *pipe = &conn->pipes[dir];
    for (int i = 0; i < READS_PER_TURN && !conn->dead && wants_more(conn, dir); i++) {
        ssize_t n = recv(reading_side(conn, dir)->fd, conn->tap->chunk, CHUNK, 0);
        if (n > 0) {
            pipe->received += (uint64_t)n;
            if (dir == UP) {
                filter_up(conn, conn->tap->chunk, (size_t)n);
            } else {
                scan_down(conn, conn->tap->chunk, (size_t)n);
            }
            if (n < CHUNK) {
                return;
            }
        } else if (n == 0) {
            pipe->ended = true;
            if (dir == UP) {
                finish_oracle(conn); /* now: what the server does after it is no excuse */
            }
        } else {
            pipe->reset = errno != EAGAIN && errno != EINTR;
            return;
        }
    }
}

static void watch_side(struct conn *conn, int dir)
{
    /* the side that `dir` reads from is the one that the other direction writes to */
    const struct pipe *out = &conn->pipes[!dir];
    struct source *side = reading_side(conn, dir);
    uint32_t events = wants_more(conn, dir) ? EPOLLIN : 0;
    bool blocked = out->head < out->queue.len && out->wake_ns == 0 && !out->faults.stall && !out->broken;
    if (blocked || (dir == DOWN && conn->connecting)) {
        events |= EPOLLOUT;
    }
    tap_watch(conn->tap, side, events);
}

void relay_update(struct conn *conn)
{
    drain(conn, UP);
    drain(conn, DOWN);
    if (conn->dead) {
        return;
    }
    watch_side(conn, UP);
    watch_side(conn, DOWN);
    conn->tap->timed = conn->tap->timed || conn->pipes[UP].wake_ns || conn->pipes[DOWN].wake_ns;
}

static void connected(struct conn *conn)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(conn->server.fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error) {
        conn->tap->failed++;
        relay_cut(conn, true);
        return;
    }
    conn->connecting = false;
}

void relay_event(struct conn *conn, struct source *source, uint32_t events)
{
    int dir = source == &conn->client ? UP : DOWN;
    if (conn->dead) {
        return;
    }
    if (dir == DOWN && conn->connecting) {
        connected(conn);
        if (conn->dead) {
            return;
        }
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        bool wanted = wants_more(conn, dir);
        fill(conn, dir);
        if (!wanted && (events & EPOLLERR)) {
            conn->pipes[!dir].broken = true; /* it is gone, whatever we hold for it */
        }
        if (!wanted && (events & (EPOLLHUP | EPOLLERR))) {
            tap_watch(conn->tap, source, 0); /* these two are reported for ever otherwise */
        }
    }
    relay_update(conn);
}

void relay_half_close(struct conn *conn, int dir)
{
    struct pipe *pipe = &conn->pipes[dir];
    pipe->was_faulty = true;
    shutdown(writing_side(conn, dir)->fd, SHUT_WR);
    pipe->broken = true; /* what comes later can not be written any more */
    pipe->passed_end = true;
    drop_queue(pipe);
    relay_update(conn);
}

static bool start_server_side(struct conn *conn)
{
    struct tap *tap = conn->tap;
    int on = 1;
    conn->server.fd = socket(tap->target.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->server.fd < 0) {
        return false;
    }
    setsockopt(conn->server.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(conn->client.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    conn->connecting = true;
    return connect(conn->server.fd, (const struct sockaddr *)&tap->target, tap->target_len) == 0 ||
           errno == EINPROGRESS;
}

static void new_conn(struct tap *tap, int fd)
{
    struct conn *conn = ts_alloc(sizeof *conn);
    memset(conn, 0, sizeof *conn);
    conn->tap = tap;
    conn->id = ++tap->accepted;
    conn->client = (struct source){.kind = SOURCE_CLIENT, .fd = fd, .owner = conn};
    conn->server = (struct source){.kind = SOURCE_SERVER, .fd = -1, .owner = conn};
    conn->drop_pongs = tap->fresh_drop_pongs;
    conn->scan.lost = tap->no_oracle;
    if (!tap->no_oracle) {
        conn->oracle = ts_oracle_new(&tap->limits);
    }
    for (int dir = UP; dir <= DOWN; dir++) {
        conn->pipes[dir].cut_at = NEVER_CUT;
        faults_apply(conn, dir, &tap->fresh[dir]);
    }
    conn->next = tap->conns;
    tap->conns = conn;
    if (!start_server_side(conn)) {
        tap->failed++;
        relay_cut(conn, true);
        return;
    }
    relay_update(conn);
}

void relay_accept(struct tap *tap)
{
    for (;;) {
        int fd = accept4(tap->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            new_conn(tap, fd);
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

int64_t relay_next_wake(const struct tap *tap)
{
    int64_t first = 0;
    for (const struct conn *conn = tap->timed ? tap->conns : NULL; conn; conn = conn->next) {
        for (int dir = UP; dir <= DOWN; dir++) {
            int64_t at = conn->dead ? 0 : conn->pipes[dir].wake_ns;
            first = at && (!first || at < first) ? at : first;
        }
    }
    return first;
}

void relay_wake(struct tap *tap)
{
    int64_t now = ts_now_ns();
    if (!tap->timed) {
        return;
    }
    tap->timed = false;
    for (struct conn *conn = tap->conns; conn; conn = conn->next) {
        int64_t up = conn->pipes[UP].wake_ns, down = conn->pipes[DOWN].wake_ns;
        if (conn->dead || (!up && !down)) {
            continue;
        }
        tap->timed = true;
        if ((up && up <= now) || (down && down <= now)) {
            relay_update(conn);
        }
    }
}

static void free_conn(struct conn *conn)
{
    if (conn->oracle) {
        add_counts(&conn->tap->past, ts_oracle_counts(conn->oracle));
    }
    ts_oracle_free(conn->oracle);
    for (int dir = UP; dir <= DOWN; dir++) {
        ts_buf_free(&conn->pipes[dir].queue);
        free(conn->pipes[dir].dues);
    }
    ts_buf_free(&conn->scan.line);
    ts_buf_free(&conn->unwrap.out);
    ts_buf_free(&conn->inject);
    free(conn);
}

void relay_reap(struct tap *tap)
{
    for (struct conn **at = &tap->conns; *at;) {
        struct conn *conn = *at;
        if (conn->dead) {
            *at = conn->next;
            free_conn(conn);
        } else {
            at = &conn->next;
        }
    }
}

void relay_finish_all(struct tap *tap)
{
    for (struct conn *conn = tap->conns; conn; conn = conn->next) {
        relay_cut(conn, false);
    }
}
