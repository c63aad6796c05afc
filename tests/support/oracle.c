/* SPDX-License-Identifier: Apache-2.0
 *
 * The wire oracle: a strict, incremental parser of what a NATS client writes.
 * No locks: one thread at a time. Control lines are looked at byte by byte, payloads are jumped over.
 */
#include "oracle.h"

#include "json_check.h"
#include "sid_set.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ARGS = 4, LINE_SLACK = 8 };

enum state { AT_LINE, IN_HEADER, IN_PAYLOAD, IN_TAIL };

struct ts_oracle {
    struct ts_oracle_limits limits;
    struct ts_oracle_counts counts;
    ts_frame_fn *fn;
    void *ctx;
    enum state state;
    struct ts_buf line;   /* a control line that began in an earlier feed */
    struct ts_buf header; /* the header block, when it is not whole in one feed or is kept for the callback */
    struct ts_buf body;   /* the payload, kept for the callback only */
    struct ts_frame frame;
    uint64_t frame_start;
    uint64_t header_left;
    uint64_t payload_left;
    size_t tail_seen; /* bytes of the CRLF after the payload */
    bool connected;   /* CONNECT was seen */
    bool pinged;      /* PING was seen after it */
    bool headers;     /* CONNECT said headers:true */
    bool finished;
    struct ts_sid_set *sids;
    char error[1024];
};

const char *ts_op_name(enum ts_op op)
{
    static const char *const names[] = {"CONNECT", "PUB", "HPUB", "SUB", "UNSUB", "PING", "PONG"};
    return op < TS_OP_COUNT ? names[op] : "?";
}

struct ts_oracle *ts_oracle_new(const struct ts_oracle_limits *limits)
{
    struct ts_oracle *o = ts_alloc(sizeof *o);
    memset(o, 0, sizeof *o);
    if (limits) {
        o->limits = *limits;
    }
    o->limits.max_payload = o->limits.max_payload ? o->limits.max_payload : 1048576;
    o->limits.max_control_line = o->limits.max_control_line ? o->limits.max_control_line : 4096;
    o->limits.max_connect = o->limits.max_connect ? o->limits.max_connect : 65536;
    o->sids = ts_sid_set_new();
    return o;
}

void ts_oracle_free(struct ts_oracle *o)
{
    if (!o) {
        return;
    }
    ts_buf_free(&o->line);
    ts_buf_free(&o->header);
    ts_buf_free(&o->body);
    ts_sid_set_free(o->sids);
    free(o);
}

void ts_oracle_on_frame(struct ts_oracle *o, ts_frame_fn *fn, void *ctx)
{
    o->fn = fn;
    o->ctx = ctx;
}

const char *ts_oracle_error(const struct ts_oracle *o)
{
    return o->error[0] ? o->error : NULL;
}

const struct ts_oracle_counts *ts_oracle_counts(const struct ts_oracle *o)
{
    return &o->counts;
}

void ts_oracle_set_max_payload(struct ts_oracle *o, uint64_t max_payload)
{
    o->limits.max_payload = max_payload;
}

void ts_oracle_set_headers_optional(struct ts_oracle *o)
{
    o->limits.headers_optional = true;
}

bool ts_oracle_at_boundary(const struct ts_oracle *o)
{
    return o->state == AT_LINE && o->line.len == 0;
}

uint64_t ts_oracle_body_left(const struct ts_oracle *o)
{
    return o->state == AT_LINE ? 0 : o->header_left + o->payload_left + 2 - o->tail_seen;
}

/* Remembers the first violation. `bytes` is what the excerpt shows. */
static int violation(struct ts_oracle *o, uint64_t offset, struct ts_slice bytes, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static int violation(struct ts_oracle *o, uint64_t offset, struct ts_slice bytes, const char *format, ...)
{
    char what[400], shown[300];
    va_list args;
    if (o->error[0]) {
        return -1;
    }
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    snprintf(o->error, sizeof o->error, "byte %llu: %s: \"%s\"", (unsigned long long)offset, what,
             ts_printable(shown, sizeof shown, bytes.at ? bytes.at : "", bytes.len));
    return -1;
}

static int line_violation(struct ts_oracle *o, const char *what, struct ts_slice part)
{
    char shown[160];
    return violation(o, o->frame_start, o->frame.line, "%s: %s (\"%s\")", ts_op_name(o->frame.op), what,
                     ts_printable(shown, sizeof shown, part.at ? part.at : "", part.len));
}

/* NULL or why the text is not a subject. Wildcards are allowed only to subscribe. */
static const char *subject_fault(struct ts_slice s, bool wildcards)
{
    size_t token = 0; /* length of the current token */
    bool high = false, star = false, tail = false;
    for (size_t i = 0; i <= s.len; i++) {
        unsigned char c = i < s.len ? (unsigned char)s.at[i] : '.';
        if (c == '.') {
            if (token == 0) {
                return "an empty token in a subject";
            }
            if ((star || tail) && token > 1) {
                return "a wildcard beside other characters in a token";
            }
            if (tail && i < s.len) {
                return "a > that is not the last token";
            }
            token = 0;
            star = false;
            continue;
        }
        token++;
        if (c > '>' && c < 0x7F) {
            continue; /* letters: nearly everything */
        }
        if (c <= 0x20 || c == 0x7F) {
            return "a blank or control character in a subject";
        }
        if ((c == '*' || c == '>') && !wildcards) {
            return "a wildcard where none is allowed";
        }
        star = star || c == '*';
        tail = tail || c == '>';
        high = high || c >= 0x80;
    }
    return high && !ts_utf8_valid(s.at, s.len) ? "a subject that is not UTF-8" : NULL;
}

/* Whether it asks JetStream for a consumer: the filter that its subject ends with is a pattern. */
static bool names_filter(struct ts_slice s)
{
    static const char verb[] = ".API.CONSUMER.CREATE.";
    return s.len > 4 && memcmp(s.at, "$JS.", 4) == 0 && memmem(s.at, s.len, verb, sizeof verb - 1) != NULL;
}

static const char *queue_fault(struct ts_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        if (c <= 0x20 || c == 0x7F) {
            return "a blank or control character in a queue name";
        }
    }
    return ts_utf8_valid(s.at, s.len) ? NULL : "a queue name that is not UTF-8";
}

/* Splits at single blanks. Returns the number of arguments, or -1 for empty ones and -2 for too many. */
static int split(struct ts_slice text, struct ts_slice *args)
{
    const char *at = text.at, *end = text.at + text.len;
    int count = 0;
    for (;;) {
        const char *blank = memchr(at, ' ', (size_t)(end - at));
        const char *stop = blank ? blank : end;
        if (stop == at) {
            return -1;
        }
        if (count == MAX_ARGS) {
            return -2;
        }
        args[count++] = (struct ts_slice){at, (size_t)(stop - at)};
        if (!blank) {
            return count;
        }
        at = blank + 1;
    }
}

static bool number(struct ts_slice s, uint64_t *value)
{
    return ts_parse_u64(s.at, s.len, UINT64_MAX, value);
}

/* PUB and HPUB; leaves the oracle in the state that takes the body. */
static int on_pub(struct ts_oracle *o, const struct ts_slice *args, int count)
{
    bool with_header = o->frame.op == TS_OP_HPUB;
    int numbers = with_header ? 2 : 1;
    uint64_t header = 0, total = 0;
    if (count != numbers + 1 && count != numbers + 2) {
        return line_violation(o, "wrong number of arguments", (struct ts_slice){0});
    }
    const char *fault = subject_fault(args[0], names_filter(args[0]));
    if (fault) {
        return line_violation(o, fault, args[0]);
    }
    o->frame.subject = args[0];
    if (count == numbers + 2) {
        fault = subject_fault(args[1], false);
        if (fault) {
            return line_violation(o, fault, args[1]);
        }
        o->frame.reply = args[1];
    }
    if (!number(args[count - 1], &total)) {
        return line_violation(o, "the size is not a canonical decimal number", args[count - 1]);
    }
    if (with_header) {
        if (!number(args[count - 2], &header)) {
            return line_violation(o, "the header size is not a canonical decimal number", args[count - 2]);
        }
        if (header > total) {
            return line_violation(o, "the header size exceeds the total size", args[count - 2]);
        }
        if (header < 12) {
            return line_violation(o, "the header size is too small for NATS/1.0 and an empty line",
                                  args[count - 2]);
        }
        if (!o->headers) {
            return line_violation(o, "headers, but CONNECT said headers:false", args[0]);
        }
    }
    if (total > o->limits.max_payload) {
        char what[96];
        snprintf(what, sizeof what, "the size exceeds max_payload %llu",
                 (unsigned long long)o->limits.max_payload);
        return line_violation(o, what, args[count - 1]);
    }
    o->header_left = header;
    o->payload_left = total - header;
    o->counts.pub_bytes += total;
    return 0;
}

static int on_sub(struct ts_oracle *o, const struct ts_slice *args, int count)
{
    if (count != 2 && count != 3) {
        return line_violation(o, "wrong number of arguments", (struct ts_slice){0});
    }
    const char *fault = subject_fault(args[0], true);
    if (fault) {
        return line_violation(o, fault, args[0]);
    }
    o->frame.subject = args[0];
    if (count == 3) {
        fault = queue_fault(args[1]);
        if (fault) {
            return line_violation(o, fault, args[1]);
        }
        o->frame.queue = args[1];
    }
    if (!number(args[count - 1], &o->frame.sid) || o->frame.sid == 0) {
        return line_violation(o, "the sid is not a positive canonical decimal number", args[count - 1]);
    }
    if (!ts_sid_set_add(o->sids, o->frame.sid)) {
        return line_violation(o, "the sid is in use", args[count - 1]);
    }
    o->counts.subs_live++;
    return 0;
}

static int on_unsub(struct ts_oracle *o, const struct ts_slice *args, int count)
{
    if (count != 1 && count != 2) {
        return line_violation(o, "wrong number of arguments", (struct ts_slice){0});
    }
    if (!number(args[0], &o->frame.sid) || o->frame.sid == 0) {
        return line_violation(o, "the sid is not a positive canonical decimal number", args[0]);
    }
    if (count == 2 && (!number(args[1], &o->frame.max) || o->frame.max == 0)) {
        return line_violation(o, "the maximum is not a positive canonical decimal number", args[1]);
    }
    enum ts_sid_state state = ts_sid_set_get(o->sids, o->frame.sid);
    if (state == TS_SID_UNKNOWN) {
        return line_violation(o, "the sid was never subscribed", args[0]);
    }
    if (count == 1 && state == TS_SID_LIVE) {
        ts_sid_set_end(o->sids, o->frame.sid);
        o->counts.subs_live--;
    }
    return 0;
}

/* The members of CONNECT that the protocol knows; a client that sends others leaks what is not the server's
 * business. */
static const char *const connect_texts[] = {"auth_token", "user", "pass",    "nkey",      "sig", "jwt",
                                            "name",       "lang", "version", "proxy_sig", NULL};
static const char *const connect_bools[] = {"verbose",       "pedantic", "tls_required", "echo", "headers",
                                            "no_responders", NULL};
static const char *const connect_needs[] = {"verbose",  "pedantic", "tls_required",  "lang", "version",
                                            "protocol", "headers",  "no_responders", NULL};

struct connect {
    struct ts_oracle *oracle;
    unsigned seen; /* bits of connect_needs */
    bool headers;
    bool no_responders;
};

static int in_list(const char *const *list, const struct ts_json_member *m)
{
    for (int i = 0; list[i]; i++) {
        if (strlen(list[i]) == m->name_len && memcmp(list[i], m->name, m->name_len) == 0) {
            return i;
        }
    }
    return -1;
}

static const char *connect_member(void *ctx, const struct ts_json_member *m)
{
    struct connect *c = ctx;
    int needed = in_list(connect_needs, m);
    if (needed >= 0) {
        c->seen |= 1U << needed;
    }
    if (in_list(connect_bools, m) >= 0) {
        if (m->type != TS_JSON_TRUE && m->type != TS_JSON_FALSE) {
            return "a member that has to be true or false";
        }
        c->headers = c->headers || (needed == 6 && m->type == TS_JSON_TRUE);
        c->no_responders = c->no_responders || (needed == 7 && m->type == TS_JSON_TRUE);
        return NULL;
    }
    if (in_list(connect_texts, m) >= 0) {
        return m->type == TS_JSON_STRING ? NULL : "a member that has to be a string";
    }
    if (needed == 5) {
        return m->raw_len == 1 && *m->raw == '1' ? NULL : "a protocol other than 1";
    }
    return c->oracle->limits.any_connect_member ? NULL : "a member that the protocol does not know";
}

static int on_connect(struct ts_oracle *o, struct ts_slice json)
{
    struct connect c = {.oracle = o};
    size_t at = 0;
    if (o->connected) {
        return line_violation(o, "a second CONNECT", (struct ts_slice){0});
    }
    if (json.len > o->limits.max_connect) {
        return line_violation(o, "more bytes than a CONNECT may have", (struct ts_slice){0});
    }
    if (json.len == 0 || json.at[json.len - 1] != '}') {
        return line_violation(o, "the JSON object does not end the line", (struct ts_slice){0});
    }
    const char *why = ts_json_check_object(json.at, json.len, connect_member, &c, &at);
    if (why) {
        size_t from = at > 24 ? at - 24 : 0;
        size_t rest = json.len - from;
        return line_violation(o, why, (struct ts_slice){json.at + from, rest < 48 ? rest : 48});
    }
    for (int i = 0; connect_needs[i]; i++) {
        if (!(c.seen & (1U << i))) {
            char what[64];
            snprintf(what, sizeof what, "the member %s is missing", connect_needs[i]);
            return line_violation(o, what, (struct ts_slice){0});
        }
    }
    if (!o->limits.headers_optional && (!c.headers || !c.no_responders)) {
        return line_violation(o, "headers and no_responders have to be true", (struct ts_slice){0});
    }
    if (c.no_responders && !c.headers) {
        return line_violation(o, "no_responders without headers", (struct ts_slice){0});
    }
    o->frame.payload = json;
    o->headers = c.headers;
    o->connected = true;
    return 0;
}

/* What has to come first on a connection. */
static int check_order(struct ts_oracle *o)
{
    enum ts_op op = o->frame.op;
    if (!o->connected && op != TS_OP_CONNECT) {
        return line_violation(o, "before CONNECT", (struct ts_slice){0});
    }
    if (op == TS_OP_PING) {
        o->pinged = true;
    } else if (!o->pinged && op != TS_OP_CONNECT && op != TS_OP_PONG) {
        return line_violation(o, "before the PING that has to follow CONNECT", (struct ts_slice){0});
    }
    return 0;
}

/* The one op that begins with these two letters; the whole name is compared afterwards. */
static enum ts_op guess_op(const char *line)
{
    switch (line[0]) {
    case 'P':
        return line[1] == 'U' ? TS_OP_PUB : line[1] == 'I' ? TS_OP_PING : TS_OP_PONG;
    case 'H':
        return TS_OP_HPUB;
    case 'S':
        return TS_OP_SUB;
    case 'U':
        return TS_OP_UNSUB;
    default:
        return TS_OP_CONNECT;
    }
}

static bool find_op(struct ts_slice line, enum ts_op *op, struct ts_slice *args)
{
    static const unsigned char lengths[] = {7, 3, 4, 3, 5, 4, 4};
    if (line.len < 3) {
        return false;
    }
    *op = guess_op(line.at);
    size_t len = lengths[*op];
    bool publishes = *op == TS_OP_PUB || *op == TS_OP_HPUB; /* a tab marks those for one transport alone */
    if (line.len < len || memcmp(line.at, ts_op_name(*op), len) != 0 ||
        (line.len > len && line.at[len] != ' ' && !(publishes && line.at[len] == '\t'))) {
        return false;
    }
    *args = line.len > len ? (struct ts_slice){line.at + len + 1, line.len - len - 1} : (struct ts_slice){0};
    return true;
}

static void frame_done(struct ts_oracle *o)
{
    o->counts.ops[o->frame.op]++;
    if (o->fn) {
        o->fn(o->ctx, &o->frame);
    }
    o->state = AT_LINE;
    o->line.len = 0;
    o->header.len = 0;
    o->body.len = 0;
    o->tail_seen = 0;
    o->frame = (struct ts_frame){0};
}

static int on_arguments(struct ts_oracle *o, struct ts_slice rest)
{
    struct ts_slice args[MAX_ARGS];
    enum ts_op op = o->frame.op;
    if (op == TS_OP_PING || op == TS_OP_PONG) {
        return rest.at ? line_violation(o, "arguments where there are none", rest) : 0;
    }
    if (!rest.at) {
        return line_violation(o, "no arguments", rest);
    }
    if (op == TS_OP_CONNECT) {
        return on_connect(o, rest);
    }
    if (rest.len > o->limits.max_control_line) {
        return line_violation(o, "more bytes of arguments than the control line may have",
                              (struct ts_slice){0});
    }
    int count = split(rest, args);
    if (count < 0) {
        return line_violation(
            o, count == -1 ? "an empty argument: blanks that are not single" : "too many arguments", rest);
    }
    if (op == TS_OP_SUB) {
        return on_sub(o, args, count);
    }
    return op == TS_OP_UNSUB ? on_unsub(o, args, count) : on_pub(o, args, count);
}

/* A whole control line including its LF. */
static int on_line(struct ts_oracle *o, struct ts_slice line)
{
    struct ts_slice rest;
    if (line.len < 2 || line.at[line.len - 2] != '\r') {
        return violation(o, o->frame_start, line, "a line that does not end with CRLF");
    }
    line.len -= 2;
    if (memchr(line.at, '\r', line.len) || memchr(line.at, '\0', line.len)) {
        return violation(o, o->frame_start, line, "a CR or NUL inside a control line");
    }
    o->frame.line = line;
    o->frame.offset = o->frame_start;
    if (!find_op(line, &o->frame.op, &rest)) {
        return violation(o, o->frame_start, line, "an operation that the protocol does not know");
    }
    if (check_order(o) != 0 || on_arguments(o, rest) != 0) {
        return -1;
    }
    if (o->frame.op == TS_OP_PUB || o->frame.op == TS_OP_HPUB) {
        o->state = o->frame.op == TS_OP_HPUB ? IN_HEADER : IN_PAYLOAD;
        return 0;
    }
    frame_done(o);
    return 0;
}

static const char *header_line_fault(struct ts_slice line)
{
    const char *colon = memchr(line.at, ':', line.len);
    if (!colon) {
        return "a header line without a colon";
    }
    if (colon == line.at) {
        return "a header without a name";
    }
    for (const char *p = line.at; p < colon; p++) {
        if (*p <= 0x20 || *p >= 0x7F) { /* char may be signed: bytes over 0x7F are then below 0x20 */
            return "a character that a header name may not have";
        }
    }
    size_t len = (size_t)(line.at + line.len - colon);
    if (memchr(colon, '\r', len) || memchr(colon, '\n', len)) {
        return "a CR or LF inside a header value";
    }
    return memchr(colon, '\0', len) ? "a NUL inside a header value" : NULL;
}

static int check_header(struct ts_oracle *o, struct ts_slice block, uint64_t offset)
{
    static const char first[] = "NATS/1.0\r\n";
    size_t at = sizeof first - 1;
    if (memcmp(block.at, first, at) != 0) {
        return violation(o, offset, block, "a header block that does not begin with NATS/1.0 and CRLF");
    }
    for (;;) {
        const char *line = block.at + at;
        size_t left = block.len - at;
        const char *end = memmem(line, left, "\r\n", 2);
        if (!end) {
            return violation(o, offset, block, "a header block that does not end with an empty line");
        }
        struct ts_slice one = {line, (size_t)(end - line)};
        at += one.len + 2;
        if (one.len == 0) {
            return at == block.len ? 0
                                   : violation(o, offset, block, "bytes after the empty line of the headers");
        }
        const char *fault = header_line_fault(one);
        if (fault) {
            return violation(o, offset + (uint64_t)(line - block.at), one, "%s", fault);
        }
    }
}

/* The control line must outlive the feed that brought it when the body comes later. */
static void keep_line(struct ts_oracle *o)
{
    const char *old = o->frame.line.at;
    size_t len = o->frame.line.len;
    if (!o->fn || o->state == AT_LINE || (o->line.len && old == o->line.at)) {
        return;
    }
    o->line.len = 0;
    ts_buf_add(&o->line, old, len);
    struct ts_slice *parts[] = {&o->frame.subject, &o->frame.reply, &o->frame.line};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i]->at) {
            parts[i]->at = o->line.at + (parts[i]->at - old);
        }
    }
}

static int feed_header(struct ts_oracle *o, const char **at, const char *end)
{
    size_t take = (size_t)(end - *at);
    take = take < o->header_left ? take : (size_t)o->header_left;
    bool whole = o->header.len == 0 && take == o->header_left && !o->fn;
    uint64_t offset = o->counts.bytes - o->header.len;
    struct ts_slice block = {*at, take};
    if (!whole) {
        ts_buf_add(&o->header, *at, take);
        block = (struct ts_slice){o->header.at, o->header.len};
    }
    *at += take;
    o->counts.bytes += take;
    o->header_left -= take;
    if (o->header_left) {
        return 0;
    }
    o->frame.header = block;
    o->state = IN_PAYLOAD;
    return check_header(o, block, offset);
}

static void feed_payload(struct ts_oracle *o, const char **at, const char *end)
{
    size_t take = (size_t)(end - *at);
    take = take < o->payload_left ? take : (size_t)o->payload_left;
    if (o->fn) {
        ts_buf_add(&o->body, *at, take);
    }
    *at += take;
    o->counts.bytes += take;
    o->payload_left -= take;
    if (o->payload_left == 0) {
        o->frame.payload = (struct ts_slice){o->body.at ? o->body.at : "", o->body.len};
        o->state = IN_TAIL;
    }
}

static int feed_tail(struct ts_oracle *o, const char **at)
{
    if (**at != "\r\n"[o->tail_seen]) {
        return violation(o, o->counts.bytes, (struct ts_slice){*at, 1},
                         "the payload of %s (frame at byte %llu) is not followed by CRLF",
                         ts_op_name(o->frame.op), (unsigned long long)o->frame.offset);
    }
    (*at)++;
    o->counts.bytes++;
    if (++o->tail_seen == 2) {
        frame_done(o);
    }
    return 0;
}

static int feed_line(struct ts_oracle *o, const char **at, const char *end)
{
    size_t left = (size_t)(end - *at);
    const char *lf = memchr(*at, '\n', left);
    size_t take = lf ? (size_t)(lf - *at) + 1 : left;
    struct ts_slice line = {*at, take};
    if (o->line.len == 0) {
        o->frame_start = o->counts.bytes;
    }
    if (!lf || o->line.len) {
        ts_buf_add(&o->line, *at, take);
        line = (struct ts_slice){o->line.at, o->line.len};
    }
    *at += take;
    o->counts.bytes += take;
    if (!lf) {
        size_t most = memcmp(line.at, "CONNECT ", line.len < 8 ? line.len : 8) == 0
                          ? o->limits.max_connect
                          : o->limits.max_control_line;
        return line.len > most + 2 * LINE_SLACK
                   ? violation(o, o->frame_start, line, "a control line of more than %zu bytes without end",
                               most)
                   : 0;
    }
    int rc = on_line(o, line);
    if (o->state == AT_LINE) {
        o->line.len = 0;
    } else if (rc == 0) {
        keep_line(o);
    }
    return rc;
}

int ts_oracle_feed(struct ts_oracle *o, const void *bytes, size_t len)
{
    const char *at = bytes;
    const char *end = at + len;
    int rc = o->error[0] ? -1 : 0;
    if (rc == 0 && o->finished && len) {
        rc = violation(o, o->counts.bytes, (struct ts_slice){at, len},
                       "bytes after the end of the connection");
    }
    while (rc == 0 && at < end) {
        switch (o->state) {
        case AT_LINE:
            rc = feed_line(o, &at, end);
            break;
        case IN_HEADER:
            rc = feed_header(o, &at, end);
            break;
        case IN_PAYLOAD:
            feed_payload(o, &at, end);
            break;
        case IN_TAIL:
            rc = feed_tail(o, &at);
            break;
        }
    }
    return rc;
}

int ts_oracle_finish(struct ts_oracle *o, bool allow_partial)
{
    o->finished = true;
    if (o->error[0]) {
        return -1;
    }
    if (ts_oracle_at_boundary(o) || allow_partial) {
        return 0;
    }
    if (o->state == AT_LINE) {
        struct ts_slice line = {o->line.at, o->line.len};
        return violation(o, o->frame_start, line, "the connection ended inside a control line");
    }
    return violation(o, o->frame.offset, (struct ts_slice){0},
                     "the connection ended inside a %s, %llu bytes short", ts_op_name(o->frame.op),
                     (unsigned long long)ts_oracle_body_left(o));
}
