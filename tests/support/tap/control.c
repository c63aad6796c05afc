/* SPDX-License-Identifier: Apache-2.0
 *
 * nk-tap: the control port. A line is a command, each gets one line as answer: "ok ..." or "err ...".
 *
 *   [all|new|live|conn ID] [up|down|both] COMMAND ARGUMENTS
 *
 * Without a scope a fault holds for the connections that are open and for all later ones, in both directions.
 * up is from client to server, down from server to client. What can only be done to an open connection
 * (reset, cut, halfclose, inject) ignores later ones. One thread.
 */
#include "nk_tap.h"

#include "../json_check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { LONGEST_COMMAND = 1048576 };

struct command {
    struct tap *tap;
    struct ts_buf *answer;
    bool live;   /* open connections */
    bool fresh;  /* later ones */
    uint64_t id; /* one connection only, or 0 */
    bool dirs[2];
    bool dirs_given;
    char *name;
    char *rest; /* everything after the name */
};

/* Fills in what a command changes in one direction's faults; NULL or what is wrong with its arguments. */
typedef const char *setter_fn(const char *rest, struct faults *faults);

static const char *set_number(const char *rest, uint64_t *value)
{
    return ts_parse_size(rest, value) ? NULL : "wants a number";
}

static const char *set_switch(const char *rest, bool *value)
{
    if (strcmp(rest, "on") != 0 && strcmp(rest, "off") != 0 && *rest) {
        return "wants on or off";
    }
    *value = strcmp(rest, "off") != 0;
    return NULL;
}

static const char *set_split(const char *rest, struct faults *faults)
{
    char first[32] = "";
    const char *blank = strchr(rest, ' ');
    uint64_t gap = 0;
    snprintf(first, sizeof first, "%.*s", (int)(blank ? blank - rest : (long)strlen(rest)), rest);
    if (!ts_parse_size(first, &faults->split) || (blank && !ts_parse_size(blank + 1, &gap)) ||
        gap > 60000000) {
        return "wants the bytes of one write (0: off) and perhaps a pause in microseconds";
    }
    faults->split_gap_ns = (int64_t)gap * 1000;
    return NULL;
}

static const char *set_delay(const char *rest, struct faults *faults)
{
    uint64_t ms = 0;
    if (!ts_parse_size(rest, &ms) || ms > 3600000) {
        return "wants milliseconds up to 3600000";
    }
    faults->delay_ns = (int64_t)ms * 1000000;
    return NULL;
}

static const char *set_throttle(const char *rest, struct faults *faults)
{
    return set_number(rest, &faults->rate);
}

static const char *set_stall(const char *rest, struct faults *faults)
{
    return set_switch(rest, &faults->stall);
}

static const char *set_blackhole(const char *rest, struct faults *faults)
{
    return set_switch(rest, &faults->blackhole);
}

static const char *set_cut_after(const char *rest, struct faults *faults)
{
    uint64_t bytes = 0;
    if (!ts_parse_size(rest, &bytes) || bytes > INT64_MAX / 2) {
        return "wants a number of bytes";
    }
    faults->cut_after = (int64_t)bytes;
    return NULL;
}

static const char *set_cut_in_msg(const char *rest, struct faults *faults)
{
    return set_switch(rest, &faults->cut_in_msg);
}

static void answer_error(struct command *c, const char *why)
{
    ts_buf_printf(c->answer, "err %s %s%s%s", c->name, why, *c->rest ? ", not " : "", c->rest);
}

static bool in_scope(const struct command *c, const struct conn *conn)
{
    return c->live && !conn->dead && (!c->id || c->id == conn->id);
}

static void apply_setter(struct command *c, setter_fn *set)
{
    struct faults probe = faults_none();
    const char *why = set(c->rest, &probe);
    int count = 0;
    if (why) {
        answer_error(c, why);
        return;
    }
    for (int dir = UP; dir <= DOWN; dir++) {
        if (c->fresh && c->dirs[dir]) {
            set(c->rest, &c->tap->fresh[dir]);
        }
    }
    for (struct conn *conn = c->tap->conns; conn; conn = conn->next) {
        for (int dir = UP; in_scope(c, conn) && dir <= DOWN; dir++) {
            if (c->dirs[dir]) {
                struct faults faults = conn->pipes[dir].faults;
                set(c->rest, &faults);
                faults_apply(conn, dir, &faults);
            }
        }
        if (in_scope(c, conn)) {
            count++;
            relay_update(conn);
        }
    }
    ts_buf_printf(c->answer, "ok %d", count);
}

static void do_clear(struct command *c)
{
    for (int dir = UP; dir <= DOWN; dir++) {
        c->tap->fresh[dir] = faults_none();
    }
    c->tap->fresh_drop_pongs = 0;
    while (c->tap->edits) {
        struct edit *edit = c->tap->edits;
        c->tap->edits = edit->next;
        free(edit->name);
        free(edit->value);
        free(edit);
    }
    for (struct conn *conn = c->tap->conns; conn; conn = conn->next) {
        struct faults none = faults_none();
        conn->drop_pongs = 0;
        for (int dir = UP; dir <= DOWN; dir++) {
            conn->pipes[dir].cut_at = NEVER_CUT;
            faults_apply(conn, dir, &none);
            /* what was delayed goes at once */
            conn->pipes[dir].due_count = 0;
            conn->pipes[dir].due_total = 0;
        }
        relay_update(conn);
    }
    ts_buf_printf(c->answer, "ok");
}

static void do_cut(struct command *c, bool reset)
{
    int count = 0;
    for (struct conn *conn = c->tap->conns; conn; conn = conn->next) {
        if (in_scope(c, conn)) {
            relay_cut(conn, reset);
            count++;
        }
    }
    ts_buf_printf(c->answer, "ok %d", count);
}

static void do_reset(struct command *c)
{
    do_cut(c, true);
}

static void do_plain_cut(struct command *c)
{
    do_cut(c, false);
}

static void do_half_close(struct command *c)
{
    int dir = c->dirs_given && c->dirs[UP] ? UP : DOWN; /* the usual case is the server that half-closes */
    int count = 0;
    for (struct conn *conn = c->tap->conns; conn; conn = conn->next) {
        if (in_scope(c, conn)) {
            relay_half_close(conn, dir);
            count++;
        }
    }
    ts_buf_printf(c->answer, "ok %d", count);
}

static void do_refuse(struct command *c)
{
    bool on = true;
    const char *why = set_switch(c->rest, &on);
    if (why) {
        answer_error(c, why);
    } else if (on) {
        tap_close_listener(c->tap);
        ts_buf_printf(c->answer, "ok");
    } else if (tap_open_listener(c->tap)) {
        ts_buf_printf(c->answer, "ok");
    } else {
        ts_buf_printf(c->answer, "err refuse off: can not listen on port %u again: %s", c->tap->listen_port,
                      strerror(errno));
    }
}

static void do_drop_pong(struct command *c)
{
    uint64_t count = UINT64_MAX;
    bool on = true;
    if (set_switch(c->rest, &on) == NULL) {
        count = on ? UINT64_MAX : 0;
    } else if (!ts_parse_size(c->rest, &count)) {
        answer_error(c, "wants on, off or how many");
        return;
    }
    c->tap->fresh_drop_pongs = c->fresh ? count : c->tap->fresh_drop_pongs;
    for (struct conn *conn = c->tap->conns; conn; conn = conn->next) {
        if (in_scope(c, conn)) {
            conn->drop_pongs = count;
        }
    }
    ts_buf_printf(c->answer, "ok");
}

static void do_edit_info(struct command *c)
{
    char *value = strchr(c->rest, ' ');
    size_t offset = 0;
    if (value) {
        *value++ = '\0';
    }
    if (!*c->rest) {
        ts_buf_printf(c->answer,
                      "err edit-info wants the name of a member and a JSON value (none removes it)");
        return;
    }
    const char *why = value ? ts_json_check_value(value, strlen(value), &offset) : NULL;
    if (why) {
        ts_buf_printf(c->answer, "err edit-info %s: the value is not JSON at byte %zu: %s: %s", c->rest,
                      offset, why, value);
        return;
    }
    struct edit *edit = ts_alloc(sizeof *edit);
    *edit = (struct edit){.name = ts_strdup(c->rest), .value = value ? ts_strdup(value) : NULL};
    struct edit **at = &c->tap->edits;
    while (*at) {
        at = &(*at)->next;
    }
    *at = edit;
    ts_buf_printf(c->answer, "ok");
}

static void do_inject(struct command *c)
{
    size_t len = strlen(c->rest);
    char *bytes = ts_alloc(len + 1);
    const char *why = NULL;
    long n = ts_unescape(c->rest, len, bytes, &why);
    int count = 0;
    if (n < 0) {
        answer_error(c, why);
    } else if (c->dirs_given && c->dirs[UP]) {
        ts_buf_printf(c->answer, "err inject goes to the client (down) only");
    } else {
        for (struct conn *conn = c->tap->conns; conn; conn = conn->next) {
            if (in_scope(c, conn)) {
                scan_inject(conn, bytes, (size_t)n);
                relay_update(conn);
                count++;
            }
        }
        ts_buf_printf(c->answer, "ok %d", count);
    }
    free(bytes);
}

static void do_target(struct command *c)
{
    if (tap_set_target(c->tap, c->rest)) {
        ts_buf_printf(c->answer, "ok");
    } else {
        answer_error(c, "wants HOST:PORT");
    }
}

static void do_allow_partial(struct command *c)
{
    const char *why = set_switch(c->rest, &c->tap->allow_partial);
    if (why) {
        answer_error(c, why);
    } else {
        ts_buf_printf(c->answer, "ok");
    }
}

static void do_check(struct command *c)
{
    if (c->tap->violations) {
        ts_buf_printf(c->answer, "err %llu violation(s), the first: %s",
                      (unsigned long long)c->tap->violations, c->tap->violation.at);
    } else {
        ts_buf_printf(c->answer, "ok");
    }
}

static void do_forgive(struct command *c)
{
    ts_buf_printf(c->answer, "ok %llu", (unsigned long long)c->tap->violations);
    c->tap->violations = 0;
    c->tap->violation.len = 0;
}

static void add_stat(struct ts_buf *answer, const char *name, uint64_t value)
{
    ts_buf_printf(answer, " %s %llu", name, (unsigned long long)value);
}

static void do_stats(struct command *c)
{
    static const char *const names[] = {"connect", "pub", "hpub", "sub", "unsub", "ping", "pong"};
    const struct tap *tap = c->tap;
    struct ts_oracle_counts sum = tap->past;
    uint64_t open = 0, subs = 0;
    for (const struct conn *conn = tap->conns; conn; conn = conn->next) {
        open += !conn->dead;
        if (!conn->oracle) {
            continue;
        }
        const struct ts_oracle_counts *one = ts_oracle_counts(conn->oracle);
        sum.pub_bytes += one->pub_bytes;
        subs += conn->dead ? 0 : one->subs_live;
        for (int i = 0; i < TS_OP_COUNT; i++) {
            sum.ops[i] += one->ops[i];
        }
    }
    ts_buf_printf(c->answer, "ok");
    add_stat(c->answer, "connections", tap->accepted);
    add_stat(c->answer, "open", open);
    add_stat(c->answer, "failed", tap->failed);
    add_stat(c->answer, "opaque", tap->opaque);
    add_stat(c->answer, "violations", tap->violations);
    add_stat(c->answer, "bytes_up", tap->bytes[UP]);
    add_stat(c->answer, "bytes_down", tap->bytes[DOWN]);
    for (int i = 0; i < TS_OP_COUNT; i++) {
        add_stat(c->answer, names[i], sum.ops[i]);
    }
    add_stat(c->answer, "pub_bytes", sum.pub_bytes);
    add_stat(c->answer, "subs_live", subs);
    add_stat(c->answer, "server_info", tap->server.info);
    add_stat(c->answer, "server_msg", tap->server.msg);
    add_stat(c->answer, "server_hmsg", tap->server.hmsg);
    add_stat(c->answer, "server_ping", tap->server.ping);
    add_stat(c->answer, "server_pong", tap->server.pong);
    add_stat(c->answer, "server_err", tap->server.err);
}

/* "ok ID:received up:received down ..." of the open connections, oldest last. */
static void do_list(struct command *c)
{
    ts_buf_printf(c->answer, "ok");
    for (const struct conn *conn = c->tap->conns; conn; conn = conn->next) {
        if (!conn->dead) {
            ts_buf_printf(c->answer, " %llu:%llu:%llu", (unsigned long long)conn->id,
                          (unsigned long long)conn->pipes[UP].received,
                          (unsigned long long)conn->pipes[DOWN].received);
        }
    }
}

static void do_quit(struct command *c)
{
    relay_finish_all(c->tap); /* before the answer: what the ends show belongs to it */
    do_check(c);
    c->tap->quit = true;
}

static const struct {
    const char *name;
    setter_fn *set;
    void (*run)(struct command *);
} commands[] = {
    {"split", set_split, NULL},
    {"delay", set_delay, NULL},
    {"throttle", set_throttle, NULL},
    {"stall", set_stall, NULL},
    {"blackhole", set_blackhole, NULL},
    {"cut-after", set_cut_after, NULL},
    {"cut-in-msg", set_cut_in_msg, NULL},
    {"cut", NULL, do_plain_cut},
    {"reset", NULL, do_reset},
    {"halfclose", NULL, do_half_close},
    {"refuse", NULL, do_refuse},
    {"drop-pong", NULL, do_drop_pong},
    {"edit-info", NULL, do_edit_info},
    {"inject", NULL, do_inject},
    {"target", NULL, do_target},
    {"allow-partial", NULL, do_allow_partial},
    {"stats", NULL, do_stats},
    {"list", NULL, do_list},
    {"check", NULL, do_check},
    {"forgive", NULL, do_forgive},
    {"clear", NULL, do_clear},
    {"quit", NULL, do_quit},
};

/* Cuts the next word off the front of the line. */
static char *next_word(char **line)
{
    char *word = *line + strspn(*line, " ");
    char *end = word + strcspn(word, " ");
    *line = *end ? end + 1 : end;
    *end = '\0';
    return word;
}

/* Takes the scope words; the first other word is the command. False when a connection's number is wrong. */
static bool take_scope(struct command *c, char *line)
{
    for (;;) {
        c->name = next_word(&line);
        c->rest = line;
        if (strcmp(c->name, "new") == 0 || strcmp(c->name, "live") == 0 || strcmp(c->name, "all") == 0) {
            c->live = c->name[0] != 'n';
            c->fresh = c->name[0] != 'l';
        } else if (strcmp(c->name, "up") == 0 || strcmp(c->name, "down") == 0 ||
                   strcmp(c->name, "both") == 0) {
            c->dirs[UP] = c->name[0] != 'd';
            c->dirs[DOWN] = c->name[0] != 'u';
            c->dirs_given = true;
        } else if (strcmp(c->name, "conn") == 0) {
            const char *id = next_word(&line);
            c->fresh = false;
            if (!ts_parse_u64(id, strlen(id), UINT64_MAX, &c->id) || c->id == 0) {
                ts_buf_printf(c->answer, "err conn wants the number of a connection, not %s", id);
                return false;
            }
        } else {
            return true;
        }
    }
}

static void execute(struct tap *tap, char *line, struct ts_buf *answer)
{
    struct command c = {.tap = tap, .answer = answer, .live = true, .fresh = true, .dirs = {true, true}};
    if (!take_scope(&c, line)) {
        return;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].name, c.name) != 0) {
            continue;
        }
        if (commands[i].set) {
            apply_setter(&c, commands[i].set);
        } else {
            commands[i].run(&c);
        }
        return;
    }
    ts_buf_printf(answer, "err unknown command \"%s\"", c.name);
}

static void close_control(struct tap *tap, struct control *control)
{
    tap_watch(tap, &control->source, 0);
    close(control->source.fd);
    control->source.fd = -1;
    control->dead = true;
}

/* Answers are short and their reader waits for them: a blocking send can not hang for long. */
static void send_answer(struct control *control, struct ts_buf *answer)
{
    ts_buf_add(answer, "\n", 1);
    for (size_t done = 0; done < answer->len;) {
        ssize_t n = send(control->source.fd, answer->at + done, answer->len - done, MSG_NOSIGNAL);
        if (n <= 0) {
            return;
        }
        done += (size_t)n;
    }
}

void control_event(struct tap *tap, struct control *control)
{
    char bytes[4096];
    if (control->dead) {
        return;
    }
    ssize_t n = recv(control->source.fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) || control->in.len > LONGEST_COMMAND) {
        close_control(tap, control);
        return;
    }
    ts_buf_add(&control->in, bytes, n > 0 ? (size_t)n : 0);
    for (;;) {
        char *lf = memchr(control->in.at, '\n', control->in.len);
        struct ts_buf answer = {0};
        if (!lf) {
            return;
        }
        size_t used = (size_t)(lf - control->in.at) + 1;
        *lf = '\0';
        if (lf > control->in.at && lf[-1] == '\r') {
            lf[-1] = '\0';
        }
        execute(tap, control->in.at, &answer);
        ts_buf_drop_front(&control->in, used);
        send_answer(control, &answer);
        ts_buf_free(&answer);
    }
}

void control_accept(struct tap *tap)
{
    int fd = accept4(tap->control_listener.fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) {
        return;
    }
    struct control *control = ts_alloc(sizeof *control);
    *control = (struct control){.source = {.kind = SOURCE_CONTROL, .fd = fd}};
    control->source.owner = control;
    control->next = tap->controls;
    tap->controls = control;
    tap_watch(tap, &control->source, EPOLLIN);
}

void control_reap(struct tap *tap)
{
    for (struct control **at = &tap->controls; *at;) {
        struct control *control = *at;
        if (control->dead) {
            *at = control->next;
            ts_buf_free(&control->in);
            free(control);
        } else {
            at = &control->next;
        }
    }
}
