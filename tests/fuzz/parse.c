/* Fuzzes the parser of the wire. The first bytes of the input choose how the rest is cut; what comes out of
 * the cut stream must be what comes out of the whole one: the same frames, and the same end. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/parse.h"

#define CUTS 8
#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Small ones, so that the fuzzer meets them. */
static const struct nki_parser_limits limits = {200, 400, 300, 2000};

struct run {
    struct nki_parser parser;
    struct nki_buf log; /* every frame, written out */
    int status;
    uint32_t body_want;
    uint32_t body_have;
    bool in_body;
};

static void log_bytes(struct run *run, const void *data, size_t len)
{
    uint64_t len64 = len;
    CHECK(nki_buf_append(&run->log, &len64, sizeof len64));
    CHECK(len == 0 || nki_buf_append(&run->log, data, len));
}

static void log_head(struct run *run, const struct nki_frame *frame)
{
    CHECK(frame->subject.ptr != NULL && frame->reply.ptr != NULL && frame->text.ptr != NULL);
    CHECK((frame->kind == NKI_FRAME_MSG) == (frame->subject.len > 0));
    CHECK((frame->kind == NKI_FRAME_MSG) == (frame->sid > 0));
    CHECK(frame->header_len <= frame->body_len && frame->header_len <= limits.header_max);
    CHECK(frame->body_len <= limits.body_max);
    CHECK(frame->subject.len <= limits.line_max && frame->text.len <= limits.info_max);
    log_bytes(run, &frame->kind, sizeof frame->kind);
    log_bytes(run, frame->subject.ptr, frame->subject.len);
    log_bytes(run, frame->reply.ptr, frame->reply.len);
    log_bytes(run, frame->text.ptr, frame->text.len);
    log_bytes(run, &frame->sid, sizeof frame->sid);
    log_bytes(run, &frame->header_len, sizeof frame->header_len);
    uint64_t body_len = frame->body_len; /* the body follows, as log_bytes would write it */
    CHECK(nki_buf_append(&run->log, &body_len, sizeof body_len));
}

/* A message that was begun and not ended is none. */
static void finish(struct run *run, size_t *mark)
{
    if (run->in_body) {
        run->log.len = *mark;
    }
    CHECK(run->parser.held.len <= limits.info_max + 2);
    nki_parser_free(&run->parser);
}

static void take(struct run *run, struct nki_cursor *in, size_t *mark)
{
    while (run->status == 0) {
        if (run->in_body && run->parser.body_left > 0) {
            uint8_t body[2000];
            size_t len = nki_parser_body(&run->parser, in, body);
            CHECK(len == 0 || nki_buf_append(&run->log, body, len));
            run->body_have += (uint32_t)len;
            if (run->parser.body_left > 0) {
                CHECK(nki_cursor_left(in) == 0);
                return;
            }
        }
        struct nki_frame frame;
        struct nki_error err;
        const uint8_t *before = in->at;
        int got = nki_parser_next(&run->parser, in, &frame, &err);
        CHECK(in->at >= before && in->at <= in->end);
        if (got == NKI_PARSE_MORE) {
            CHECK(in->at == in->end);
            return;
        }
        if (got == NKI_PARSE_END) {
            CHECK(run->in_body && run->body_have == run->body_want);
            run->in_body = false;
            continue;
        }
        if (got < 0) {
            CHECK(got == NKI_PROTOCOL && err.status == got && err.text[0] != '\0');
            run->status = got;
            return;
        }
        CHECK(!run->in_body && in->at > before);
        *mark = run->log.len;
        log_head(run, &frame);
        if (got == NKI_PARSE_BEGIN) {
            CHECK(frame.body == NULL && run->parser.body_left == frame.body_len);
            run->in_body = true;
            run->body_want = frame.body_len;
            run->body_have = 0;
        } else if (frame.body_len > 0) {
            CHECK(nki_buf_append(&run->log, frame.body, frame.body_len));
        }
    }
}

/* Parses in pieces, each in a block of its own size. `sizes` 0-terminated or CUTS long, used in turn. */
static void parse(struct run *run, const uint8_t *data, size_t size, const uint8_t *sizes)
{
    size_t mark = 0;
    memset(run, 0, sizeof *run);
    nki_parser_init(&run->parser, &limits);
    for (size_t at = 0, turn = 0; at < size && run->status == 0; turn++) {
        size_t len = sizes == NULL ? size : (size_t)sizes[turn % CUTS] + 1;
        len = len < size - at ? len : size - at;
        uint8_t *piece = malloc(len);
        CHECK(piece != NULL);
        memcpy(piece, data + at, len);
        struct nki_cursor in = nki_cursor_make(piece, len);
        take(run, &in, &mark);
        free(piece);
        at += len;
    }
    finish(run, &mark);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run whole;
    static struct run cut;
    if (size < CUTS) {
        return 0;
    }
    parse(&whole, data + CUTS, size - CUTS, NULL);
    parse(&cut, data + CUTS, size - CUTS, data);
    CHECK(whole.status == cut.status);
    CHECK(whole.log.len == cut.log.len);
    CHECK(whole.log.len == 0 || memcmp(whole.log.data, cut.log.data, whole.log.len) == 0);
    nki_buf_free(&whole.log);
    nki_buf_free(&cut.log);
    return 0;
}
