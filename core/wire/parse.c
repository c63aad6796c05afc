/* The incremental parser of what a server sends. Runs under the connection's engine lock; pure.
 *
 * Two paths. A message that lies complete in the input and is written as the server writes it is taken by
 * fast_message() in one scan over its head. Everything else (a cut line, another operation, tabs, faults)
 * goes line by line through take_line(), which is the only place that refuses: the fast path never reports an
 * error, it just declines. */
#include "wire/parse.h"

#include "wire/swar.h"

#include <inttypes.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    STATE_LINE = 0, /* at the begin of a frame */
    STATE_HELD = 1, /* within a control line, the begin of which is held */
    STATE_BODY = 2  /* behind NKI_PARSE_BEGIN; a negative state is the status of an error */
};

#define HELD_KEEP 4096     /* a held line's memory up to this size is kept for the next one */
#define FAST_MIN 16        /* bytes that the fast path wants to see before it looks at an operation */
#define EXCERPT_MAX 32     /* bytes of an unknown operation that are shown */
#define MESSAGE_ARGS_MAX 5 /* HMSG subject sid reply header_len body_len */

enum op_kind { OP_MSG, OP_HMSG, OP_PING, OP_PONG, OP_OK, OP_ERR, OP_INFO };

static const struct op {
    struct nki_str name;
    enum op_kind kind;
} ops[] = {
    {{"MSG", 3}, OP_MSG}, {{"HMSG", 4}, OP_HMSG}, {{"PING", 4}, OP_PING}, {{"PONG", 4}, OP_PONG},
    {{"+OK", 3}, OP_OK},  {{"-ERR", 4}, OP_ERR},  {{"INFO", 4}, OP_INFO},
};

void nki_parser_init(struct nki_parser *parser, const struct nki_parser_limits *limits)
{
    assert(parser != NULL && limits != NULL);
    assert(limits->body_max <= UINT32_MAX && limits->header_max <= UINT32_MAX);
    *parser = (struct nki_parser){.limits = *limits};
}

void nki_parser_free(struct nki_parser *parser)
{
    assert(parser != NULL);
    nki_buf_free(&parser->held);
}

void nki_parser_reset(struct nki_parser *parser)
{
    assert(parser != NULL);
    struct nki_parser_limits limits = parser->limits;
    nki_buf_free(&parser->held);
    nki_parser_init(parser, &limits);
}

static int fail(struct nki_parser *parser, struct nki_error *err, uint64_t offset, const char *what)
{
    parser->state = NKI_PROTOCOL;
    return nki_error_set(err, NKI_PROTOCOL, "%s (at byte %" PRIu64 " of the stream)", what, offset);
}

/* -- fast path ------------------------------------------------------------------------------------------ */

/* The first blank, control character or DEL at or behind `at`, or `end`. */
static inline const uint8_t *word_end(const uint8_t *at, const uint8_t *end)
{
#ifdef __SSE2__
    while (end - at >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(' ')), bytes);
        __m128i breaks = _mm_or_si128(low, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)));
        unsigned mask = (unsigned)_mm_movemask_epi8(breaks);
        if (mask != 0) {
            return at + __builtin_ctz(mask);
        }
        at += 16;
    }
#endif
    while (end - at >= 8) {
        uint64_t breaks = nki_swar_breaks(nki_swar_load(at));
        if (breaks != 0) {
            return at + nki_swar_first(breaks);
        }
        at += 8;
    }
    for (; at < end; at++) {
        if (*at <= ' ' || *at == 0x7f) {
            break;
        }
    }
    return at;
}

/* Reads a canonical decimal number of at most `digits_max` digits (<= 19, so that it cannot overflow) that is
 * followed by another byte of the input. Returns its end, or NULL. */
static inline const uint8_t *fast_number(const uint8_t *at, const uint8_t *end, ptrdiff_t digits_max,
                                         uint64_t *out)
{
    const uint8_t *stop = end - at > digits_max ? at + digits_max : end;
    const uint8_t *digits = at;
    uint64_t value = 0;
    while (at < stop && (uint8_t)(*at - '0') <= 9) {
        value = value * 10 + (uint8_t)(*at - '0');
        at++;
    }
    *out = value;
    if (NKI_UNLIKELY(at == digits || at == end || (*digits == '0' && at - digits > 1))) {
        return NULL;
    }
    return at;
}

/* The sizes at the end of a head: "body_len CR" or "header_len blank body_len CR". Returns CR's place. */
static inline const uint8_t *fast_sizes(const uint8_t *at, const uint8_t *end, bool has_header,
                                        uint64_t *header_len, uint64_t *body_len)
{
    *header_len = 0;
    if (has_header) {
        at = fast_number(at, end, 9, header_len);
        if (at == NULL || *at != ' ') {
            return NULL;
        }
        at++;
    }
    at = fast_number(at, end, 9, body_len);
    return at != NULL && *at == '\r' ? at : NULL;
}

/* Takes a complete message in its usual form. False, with nothing changed, for anything else. */
static inline bool fast_message(struct nki_parser *parser, struct nki_cursor *in, struct nki_frame *frame)
{
    const uint8_t *begin = in->at;
    const uint8_t *end = in->end;
    if (NKI_UNLIKELY(end - begin < FAST_MIN)) {
        return false;
    }
    bool has_header = begin[0] == 'H';
    const uint8_t *at = begin + has_header;
    if (NKI_UNLIKELY(memcmp(at, "MSG ", 4) != 0)) {
        return false;
    }
    const uint8_t *subject = at + 4;
    const uint8_t *subject_end = word_end(subject, end);
    if (NKI_UNLIKELY(subject_end == subject || subject_end == end || *subject_end != ' ')) {
        return false;
    }
    uint64_t sid;
    at = fast_number(subject_end + 1, end, 19, &sid);
    if (NKI_UNLIKELY(at == NULL || *at != ' ' || sid == 0)) {
        return false;
    }
    at++;
    const uint8_t *reply = at;
    const uint8_t *reply_end = at;
    uint64_t header_len;
    uint64_t body_len;
    at = fast_sizes(reply, end, has_header, &header_len, &body_len);
    if (at == NULL) { /* then the argument is a reply subject */
        reply_end = word_end(reply, end);
        if (NKI_UNLIKELY(reply_end == reply || reply_end == end || *reply_end != ' ')) {
            return false;
        }
        at = fast_sizes(reply_end + 1, end, has_header, &header_len, &body_len);
        if (NKI_UNLIKELY(at == NULL)) {
            return false;
        }
    }
    size_t left = (size_t)(end - at); /* from CR on */
    if (NKI_UNLIKELY((size_t)(at - begin) > parser->limits.line_max || body_len > parser->limits.body_max ||
                     left < 4 || body_len > left - 4)) {
        return false;
    }
    const uint8_t *body = at + 2;
    const uint8_t *tail = body + body_len;
    if (NKI_UNLIKELY(at[1] != '\n' || tail[0] != '\r' || tail[1] != '\n')) {
        return false;
    }
    if (has_header && (header_len > body_len || header_len > parser->limits.header_max)) {
        return false;
    }
    frame->kind = NKI_FRAME_MSG;
    frame->subject = nki_str_make((const char *)subject, (size_t)(subject_end - subject));
    frame->reply = nki_str_make((const char *)reply, (size_t)(reply_end - reply));
    frame->sid = sid;
    frame->header_len = (uint32_t)header_len;
    frame->body_len = (uint32_t)body_len;
    frame->body = body;
    frame->text = nki_str_make("", 0);
    in->at = tail + 2;
    parser->offset += (uint64_t)(tail + 2 - begin);
    return true;
}

/* -- control lines -------------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Which operation a line, or the begin of one, is or can still become; NULL for none. */
static const struct op *op_of(const char *line, size_t len)
{
    for (size_t i = 0; i < NKI_ARRAY_LEN(ops); i++) {
        size_t op_len = ops[i].name.len;
        if (memcmp(line, ops[i].name.ptr, len < op_len ? len : op_len) != 0) {
            continue;
        }
        if (len <= op_len || is_blank(line[op_len]) || line[op_len] == '\r' || line[op_len] == '\n') {
            return &ops[i];
        }
    }
    return NULL;
}

static int fail_op(struct nki_parser *parser, struct nki_error *err, uint64_t offset, const char *line,
                   size_t len)
{
    char what[EXCERPT_MAX + 32] = "unknown operation '";
    char *out = what + strlen(what);
    for (size_t i = 0; i < len && i < EXCERPT_MAX && line[i] != '\r' && line[i] != '\n'; i++) {
        *out++ = line[i] >= ' ' && line[i] <= '~' ? line[i] : '?';
    }
    memcpy(out, "'", 2);
    return fail(parser, err, offset, what);
}

static size_t line_limit(const struct nki_parser *parser, const struct op *op)
{
    return op->kind == OP_INFO ? parser->limits.info_max : parser->limits.line_max;
}

/* Adds a piece of a control line to what is held of it; refuses it as soon as it can be known that the line
 * will not do. A piece may end with the line's CRLF, or with its CR. */
static int hold(struct nki_parser *parser, const uint8_t *piece, size_t len, struct nki_error *err)
{
    size_t held = parser->state == STATE_HELD ? parser->held.len : 0;
    uint64_t begin = parser->offset - held;
    char head[EXCERPT_MAX];
    size_t head_len = held < sizeof head ? held : sizeof head;
    if (head_len > 0) {
        memcpy(head, parser->held.data, head_len);
    }
    size_t more = len < sizeof head - head_len ? len : sizeof head - head_len;
    memcpy(head + head_len, piece, more);
    const struct op *op = op_of(head, head_len + more);
    if (op == NULL) {
        return fail_op(parser, err, begin, head, head_len + more);
    }
    uint8_t last = piece[len - 1];
    size_t limit = line_limit(parser, op) + (last == '\n' ? 2 : last == '\r' ? 1 : 0);
    if (held > limit || len > limit - held) {
        return fail(parser, err, begin, "control line too long");
    }
    if (held == 0) {
        parser->held.len = 0;
        if (parser->held.cap > HELD_KEEP) {
            nki_buf_free(&parser->held);
        }
    }
    if (!nki_buf_append(&parser->held, piece, len)) {
        parser->state = NKI_NO_MEMORY;
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    parser->state = STATE_HELD;
    return NKI_OK;
}

/* Finds the next line and consumes it; `line` is without CRLF. NKI_PARSE_FRAME when there is one. */
static int take_line(struct nki_parser *parser, struct nki_cursor *in, struct nki_str *line,
                     const struct op **op, struct nki_error *err)
{
    size_t len = nki_cursor_left(in);
    if (len == 0) {
        return NKI_PARSE_MORE;
    }
    const uint8_t *newline = memchr(in->at, '\n', len);
    if (newline != NULL) {
        len = (size_t)(newline - in->at) + 1;
    }
    *line = nki_str_make((const char *)in->at, len);
    if (newline == NULL || parser->state == STATE_HELD) {
        int32_t status = hold(parser, in->at, len, err);
        if (status != NKI_OK) {
            return status;
        }
        *line = nki_str_make((const char *)parser->held.data, parser->held.len);
    }
    in->at += len;
    parser->offset += len;
    if (newline == NULL) {
        return NKI_PARSE_MORE;
    }
    parser->state = STATE_LINE; /* a held line's bytes stay where they are until the next one is held */
    uint64_t begin = parser->offset - line->len;
    *op = op_of(line->ptr, line->len);
    if (*op == NULL) {
        return fail_op(parser, err, begin, line->ptr, line->len);
    }
    if (line->len < 2 || line->ptr[line->len - 2] != '\r') {
        return fail(parser, err, begin, "control line ends without CR");
    }
    line->len -= 2;
    if (line->len > line_limit(parser, *op)) {
        return fail(parser, err, begin, "control line too long");
    }
    return NKI_PARSE_FRAME;
}

/* -- messages ------------------------------------------------------------------------------------------- */

/* Splits at blanks and tabs into at most `max` words; returns their number, or max + 1 if there are more. */
static size_t split(struct nki_str text, struct nki_str *words, size_t max)
{
    size_t count = 0;
    size_t at = 0;
    for (;;) {
        while (at < text.len && is_blank(text.ptr[at])) {
            at++;
        }
        if (at == text.len) {
            return count;
        }
        if (count == max) {
            return max + 1;
        }
        size_t begin = at;
        while (at < text.len && !is_blank(text.ptr[at])) {
            at++;
        }
        words[count++] = nki_str_make(text.ptr + begin, at - begin);
    }
}

/* Reads the arguments behind MSG or HMSG; NULL or what is wrong with them. */
static const char *read_message(const struct nki_parser *parser, struct nki_str args, bool has_header,
                                struct nki_frame *frame)
{
    struct nki_str words[MESSAGE_ARGS_MAX];
    size_t least = has_header ? 4 : 3;
    size_t count = split(args, words, least + 1);
    if (count < least) {
        return "message with too few arguments";
    }
    if (count > least + 1) {
        return "message with too many arguments";
    }
    uint64_t header_len = 0;
    uint64_t body_len;
    frame->kind = NKI_FRAME_MSG;
    frame->subject = words[0];
    frame->reply = count > least ? words[2] : nki_str_make(words[1].ptr, 0);
    if (!nki_str_u64(words[1], &frame->sid) || frame->sid == 0) {
        return "message with a malformed subscription id";
    }
    if (!nki_str_u64(words[count - 1], &body_len)) {
        return "message with a malformed size";
    }
    if (body_len > parser->limits.body_max) {
        return "message larger than allowed";
    }
    if (has_header) {
        if (!nki_str_u64(words[count - 2], &header_len)) {
            return "message with a malformed header size";
        }
        if (header_len > body_len) {
            return "message with a header size that does not fit";
        }
        if (header_len > parser->limits.header_max) {
            return "message with headers larger than allowed";
        }
    }
    frame->header_len = (uint32_t)header_len;
    frame->body_len = (uint32_t)body_len;
    return NULL;
}

/* Behind the head of a message: the body in the input, or the begin of one. */
static int take_body(struct nki_parser *parser, struct nki_cursor *in, struct nki_frame *frame,
                     struct nki_error *err)
{
    size_t left = nki_cursor_left(in);
    if (left < 2 || frame->body_len > left - 2) {
        parser->state = STATE_BODY;
        parser->body_left = frame->body_len;
        parser->crlf_left = 2;
        return NKI_PARSE_BEGIN;
    }
    const uint8_t *tail = in->at + frame->body_len;
    if (tail[0] != '\r' || tail[1] != '\n') {
        return fail(parser, err, parser->offset + frame->body_len, "payload not followed by CRLF");
    }
    frame->body = in->at;
    in->at = tail + 2;
    parser->offset += (uint64_t)frame->body_len + 2;
    return NKI_PARSE_FRAME;
}

/* The CRLF behind a body that came in pieces. */
static int end_body(struct nki_parser *parser, struct nki_cursor *in, struct nki_error *err)
{
    assert(parser->body_left == 0);
    while (parser->crlf_left > 0) {
        if (in->at == in->end) {
            return NKI_PARSE_MORE;
        }
        if (*in->at != (parser->crlf_left == 2 ? '\r' : '\n')) {
            return fail(parser, err, parser->offset - (2 - parser->crlf_left),
                        "payload not followed by CRLF");
        }
        in->at++;
        parser->offset++;
        parser->crlf_left--;
    }
    parser->state = STATE_LINE;
    return NKI_PARSE_END;
}

/* -- all frames ----------------------------------------------------------------------------------------- */

/* The text of an error without the quotes around it. */
static struct nki_str unquote(struct nki_str text)
{
    if (text.len >= 2 && text.ptr[0] == '\'' && text.ptr[text.len - 1] == '\'') {
        return nki_str_make(text.ptr + 1, text.len - 2);
    }
    return text;
}

static int take_frame(struct nki_parser *parser, struct nki_cursor *in, struct nki_frame *frame,
                      struct nki_error *err)
{
    struct nki_str line;
    const struct op *op = NULL;
    int got = take_line(parser, in, &line, &op, err);
    if (got != NKI_PARSE_FRAME) {
        return got;
    }
    uint64_t begin = parser->offset - line.len - 2;
    assert(op != NULL);
    size_t op_len = op->name.len;
    assert(line.len >= op_len); /* no operation's name holds CR or LF */
    struct nki_str args = nki_str_make(line.ptr + op_len, line.len - op_len);
    if (args.len > 0 && !is_blank(args.ptr[0])) { /* a CR within the line */
        return fail_op(parser, err, begin, line.ptr, line.len);
    }
    *frame = (struct nki_frame){.text = {"", 0}, .subject = {"", 0}, .reply = {"", 0}};
    if (op->kind == OP_MSG || op->kind == OP_HMSG) {
        const char *fault = read_message(parser, args, op->kind == OP_HMSG, frame);
        return fault != NULL ? fail(parser, err, begin, fault) : take_body(parser, in, frame, err);
    }
    args = nki_str_trim(args);
    switch (op->kind) {
    case OP_INFO:
        frame->kind = NKI_FRAME_INFO;
        frame->text = args;
        return NKI_PARSE_FRAME;
    case OP_ERR:
        frame->kind = NKI_FRAME_ERR;
        frame->text = unquote(args);
        return NKI_PARSE_FRAME;
    default:
        frame->kind = op->kind == OP_PING   ? NKI_FRAME_PING
                      : op->kind == OP_PONG ? NKI_FRAME_PONG
                                            : NKI_FRAME_OK;
        if (args.len > 0) {
            return fail(parser, err, begin, "arguments where none belong");
        }
        return NKI_PARSE_FRAME;
    }
}

static __attribute__((noinline)) int next_slow(struct nki_parser *parser, struct nki_cursor *in,
                                               struct nki_frame *frame, struct nki_error *err)
{
    if (parser->state < 0) {
        return nki_error_set(err, parser->state, "the stream was given up after an error");
    }
    if (parser->state == STATE_BODY) {
        return end_body(parser, in, err);
    }
    return take_frame(parser, in, frame, err);
}

int nki_parser_next(struct nki_parser *parser, struct nki_cursor *in, struct nki_frame *frame,
                    struct nki_error *err)
{
    assert(parser != NULL && in != NULL && frame != NULL);
    assert(in->at <= in->end);
    if (NKI_LIKELY(parser->state == STATE_LINE) && NKI_LIKELY(fast_message(parser, in, frame))) {
        return NKI_PARSE_FRAME;
    }
    return next_slow(parser, in, frame, err);
}

size_t nki_parser_body(struct nki_parser *parser, struct nki_cursor *in, uint8_t *out)
{
    assert(parser != NULL && in != NULL);
    size_t len = nki_cursor_left(in);
    if (len > parser->body_left) {
        len = parser->body_left;
    }
    if (len > 0) {
        assert(out != NULL);
        memcpy(out, in->at, len);
        in->at += len;
        nki_parser_body_skip(parser, len);
    }
    return len;
}

void nki_parser_body_skip(struct nki_parser *parser, size_t len)
{
    assert(parser != NULL && parser->state == STATE_BODY && len <= parser->body_left);
    parser->body_left -= (uint32_t)len;
    parser->offset += len;
}
