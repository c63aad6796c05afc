/* SPDX-License-Identifier: Apache-2.0
 *
 * nk-tap: follows the server's frames on the way to the client, so that INFO can be edited, PONGs dropped,
 * text injected between two frames and a connection cut inside a message. Payloads are jumped over. One
 * thread.
 */
#include "nk_tap.h"

#include "../json_check.h"

#include <stdlib.h>
#include <string.h>

enum { LONGEST_LINE = 4194304 };

static bool begins(const char *line, size_t len, const char *op)
{
    size_t n = strlen(op);
    return len >= n && memcmp(line, op, n) == 0;
}

/* What the client will believe from now on is what the oracle has to hold it to. */
static void learn_info(struct conn *conn, const char *json, size_t len)
{
    struct ts_json_member m;
    uint64_t value = 0;
    if (!conn->oracle) {
        return;
    }
    if (ts_json_find(json, len, "max_payload", &m) && ts_parse_u64(m.raw, m.raw_len, INT64_MAX, &value) &&
        value) {
        /* a lower limit may cross with messages on their way, so that only a higher one counts later */
        if (!conn->info_seen || value > conn->max_payload) {
            conn->max_payload = value;
            ts_oracle_set_max_payload(conn->oracle, value);
        }
    }
    if (!ts_json_find(json, len, "headers", &m) || m.type != TS_JSON_TRUE) {
        ts_oracle_set_headers_optional(conn->oracle);
    }
    conn->info_seen = true;
}

/* The INFO line with the edits applied, for free(), or NULL when it stays as it is. Learns from the result.
 */
static char *edit_info(struct conn *conn, const char *line, size_t len, size_t *new_len)
{
    const char *json = memchr(line, '{', len);
    const char *end = json ? memrchr(line, '}', len) : NULL;
    if (!end || end < json) {
        return NULL;
    }
    struct ts_buf out = {0};
    char *text = NULL;
    size_t text_len = (size_t)(end - json) + 1;
    for (struct edit *e = conn->tap->edits; e; e = e->next) {
        size_t edited_len = 0;
        char *edited = ts_json_edit(text ? text : json, text_len, e->name, e->value, &edited_len);
        if (edited) {
            free(text);
            text = edited;
            text_len = edited_len;
        }
    }
    learn_info(conn, text ? text : json, text_len);
    if (!text) {
        return NULL;
    }
    ts_buf_add(&out, line, (size_t)(json - line));
    ts_buf_add(&out, text, text_len);
    ts_buf_add(&out, end + 1, (size_t)(line + len - end - 1));
    free(text);
    *new_len = out.len;
    return out.at;
}

/* The size at the end of MSG and HMSG. */
static uint64_t body_size(const char *line, size_t len)
{
    uint64_t size = 0;
    while (len && (line[len - 1] == '\n' || line[len - 1] == '\r')) {
        len--;
    }
    const char *blank = memrchr(line, ' ', len);
    return blank && ts_parse_u64(blank + 1, (size_t)(line + len - blank - 1), INT64_MAX, &size) ? size : 0;
}

enum verdict { PASS, REPLACED, DROPPED };

/* One whole control line with its LF. Sets body_left. */
static enum verdict judge(struct conn *conn, const char *line, size_t len, char **replaced,
                          size_t *replaced_len)
{
    struct server_counts *counts = &conn->tap->server;
    if (begins(line, len, "MSG ") || begins(line, len, "HMSG ")) {
        *(line[0] == 'M' ? &counts->msg : &counts->hmsg) += 1;
        conn->scan.body_left = body_size(line, len) + 2;
        return PASS;
    }
    if (begins(line, len, "INFO ")) {
        counts->info++;
        *replaced = edit_info(conn, line, len, replaced_len);
        return *replaced ? REPLACED : PASS;
    }
    if (begins(line, len, "PONG")) {
        counts->pong++;
        if (conn->drop_pongs) {
            conn->drop_pongs--;
            return DROPPED;
        }
    } else if (begins(line, len, "PING")) {
        counts->ping++;
    } else if (begins(line, len, "-ERR")) {
        counts->err++;
    } else if (begins(line, len, "+OK")) {
        counts->ok++;
    } else {
        conn->scan.lost = true; /* a scripted server may send anything */
    }
    return PASS;
}

/* A started line is kept back only when it may have to change: other partial lines are what a test wants to
 * see. */
static bool must_hold(const struct conn *conn, const char *line, size_t len)
{
    size_t n = len < 4 ? len : 4;
    return (conn->tap->edits && memcmp(line, "INFO", n) == 0) ||
           (conn->drop_pongs && memcmp(line, "PONG", n) == 0);
}

static bool at_boundary(const struct conn *conn)
{
    return conn->scan.lost || (conn->scan.line.len == 0 && conn->scan.body_left == 0);
}

static void flush_inject(struct conn *conn)
{
    struct ts_buf inject = conn->inject;
    conn->inject = (struct ts_buf){0};
    relay_write(conn, DOWN, inject.at, inject.len);
    ts_buf_free(&inject);
}

void scan_inject(struct conn *conn, const char *bytes, size_t len)
{
    ts_buf_add(&conn->inject, bytes, len);
    if (at_boundary(conn)) {
        flush_inject(conn);
    }
}

/* Where the cut of cut-in-msg has to be: in the middle of the body that begins at the end of what is queued.
 */
static void arm_cut(struct conn *conn)
{
    struct pipe *pipe = &conn->pipes[DOWN];
    if (pipe->faults.cut_in_msg && conn->scan.body_left > 2) {
        pipe->faults.cut_in_msg = false;
        pipe->cut_at = (int64_t)(pipe->queued + conn->scan.body_left / 2);
    }
}

/* Takes one control line or the part of it that is there. *run is what was passed but not yet written. */
static const char *scan_line(struct conn *conn, const char *at, const char *end, const char **run)
{
    struct scan *s = &conn->scan;
    const char *lf = memchr(at, '\n', (size_t)(end - at));
    const char *next = lf ? lf + 1 : end;
    const char *line = at;
    size_t len = (size_t)(next - at);
    char *replaced = NULL;
    size_t replaced_len = 0;
    if (!lf || s->line.len) {
        bool first = s->line.len == 0;
        ts_buf_add(&s->line, at, len);
        line = s->line.at;
        len = s->line.len;
        if (first) {
            s->held = must_hold(conn, line, len);
        }
    }
    if (s->held) {
        relay_write(conn, DOWN, *run, (size_t)(at - *run));
        *run = next;
    }
    if (!lf) {
        if (s->line.len > LONGEST_LINE) {
            s->lost = true;
            relay_write(conn, DOWN, s->line.at, s->held ? s->line.len : 0);
        }
        return next;
    }
    enum verdict verdict = judge(conn, line, len, &replaced, &replaced_len);
    bool was_partial = s->line.len != 0;
    if (verdict != PASS && (s->held || !was_partial)) {
        relay_write(conn, DOWN, *run, s->held ? 0 : (size_t)(at - *run));
        relay_write(conn, DOWN, replaced, replaced_len);
        *run = next;
    } else if (s->held) {
        relay_write(conn, DOWN, line, len);
    }
    free(replaced);
    s->held = false;
    s->line.len = 0;
    if (conn->pipes[DOWN].faults.cut_in_msg && s->body_left) {
        relay_write(conn, DOWN, *run, (size_t)(next - *run));
        *run = next;
        arm_cut(conn);
    }
    return next;
}

void scan_down(struct conn *conn, const char *bytes, size_t len)
{
    struct scan *s = &conn->scan;
    const char *at = bytes, *end = bytes + len, *run = bytes;
    while (at < end && !s->lost && !conn->dead) {
        if (s->body_left) {
            size_t take = (uint64_t)(end - at) < s->body_left ? (size_t)(end - at) : (size_t)s->body_left;
            at += take;
            s->body_left -= take;
        } else {
            at = scan_line(conn, at, end, &run);
        }
        if (conn->inject.len && at_boundary(conn)) {
            relay_write(conn, DOWN, run, (size_t)(at - run));
            run = at;
            flush_inject(conn);
        }
    }
    if (s->lost) {
        relay_cut_blind(conn, DOWN, (size_t)(end - run));
    }
    relay_write(conn, DOWN, run, (size_t)(end - run));
}
