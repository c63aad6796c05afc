/* Bytes of the worst kind cost about as much as ordinary ones: each kind is read beside an ordinary stream of
 * the same length, and beside a fourth of itself. The processor time of this thread counts, the best of
 * several tries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "wire/header.h"
#include "wire/info.h"
#include "wire/parse.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define LEN (1 << 18)
#define TIMES 100 /* instrumented, a call for each frame weighs more beside a byte that is copied */
#else
#define LEN (1 << 20)
#define TIMES 20 /* more than ordinary bytes; a generous bound, the figure is printed */
#endif

enum {
    HEADER_LEN = NKI_HEADER_BLOCK_MAX,
    INFO_LEN = NKI_PARSE_INFO_MAX - 4096,
    TRIES = 5,
    GROWTH =
        3, /* of the cost of a byte when there are four times as many; 4 if all were read again for each */
    CALLS = 200, /* the same for bytes that come one by one: a call for each of them, as there was a read */
    PIECE = 2 * 65536
};

struct stream {
    uint8_t *bytes;
    size_t len;
    size_t cap;
};

static void put(struct stream *stream, const char *text)
{
    size_t len = strlen(text);
    assert_true(len <= stream->cap - stream->len);
    memcpy(stream->bytes + stream->len, text, len);
    stream->len += len;
}

/* Repeats `unit` while there is room for it and for `end`, which comes last. */
static void fill(struct stream *stream, const char *begin, const char *unit, const char *end)
{
    size_t unit_len = strlen(unit);
    put(stream, begin);
    while (stream->cap - stream->len >= unit_len + strlen(end)) {
        put(stream, unit);
    }
    put(stream, end);
}

static uint64_t seen; /* so that nothing is left out */

static void read_frame(const struct nki_frame *frame)
{
    static struct nki_info info;
    static struct nki_info_urls urls;
    struct nki_str name;
    struct nki_str value;
    size_t at = 0;
    seen += frame->sid + frame->body_len;
    if (frame->kind == NKI_FRAME_INFO) {
        nki_info_init(&info);
        assert_int_equal(nki_info_parse(frame->text, &info, &urls, NULL), NKI_OK);
    }
    struct nki_str block = {(const char *)frame->body, frame->header_len};
    while (frame->header_len > 0 && nki_header_next(block, &at, &name, &value)) {
        seen += value.len;
    }
}

/* Reads the stream in pieces of `step` bytes. */
static void read_stream(const struct stream *stream, size_t step)
{
    static const struct nki_parser_limits limits = {NKI_PARSE_LINE_MAX, NKI_PARSE_INFO_MAX,
                                                    2 * NKI_HEADER_BLOCK_MAX, LEN};
    static uint8_t body[LEN];
    struct nki_parser parser;
    struct nki_frame frame = {0};
    struct nki_error err;
    size_t filled = 0;
    nki_parser_init(&parser, &limits);
    for (size_t at = 0; at < stream->len; at += step) {
        struct nki_cursor in =
            nki_cursor_make(stream->bytes + at, stream->len - at < step ? stream->len - at : step);
        while (nki_cursor_left(&in) > 0) {
            if (parser.body_left > 0) {
                filled += nki_parser_body(&parser, &in, body + filled);
                continue;
            }
            int got = nki_parser_next(&parser, &in, &frame, &err);
            assert_true(got >= 0);
            filled = got == NKI_PARSE_BEGIN ? 0 : filled;
            if (got == NKI_PARSE_FRAME) {
                read_frame(&frame);
            }
        }
    }
    nki_parser_free(&parser);
}

static int64_t cpu_ns(void)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Nanoseconds for each byte, the best of several tries. */
static double cost(const struct stream *stream, size_t step)
{
    int64_t best = INT64_MAX;
    for (int i = 0; i < TRIES; i++) {
        int64_t begin = cpu_ns();
        read_stream(stream, step);
        int64_t took = cpu_ns() - begin;
        best = took < best ? took : best;
    }
    return (double)best / (double)stream->len;
}

/* A header block in a message that is complete: the block is as long as the stream allows. */
static struct stream message_with(const char *unit, size_t len)
{
    char head[64];
    struct stream block = {malloc(len), 0, len};
    struct stream stream = {malloc(len + sizeof head), 0, len + sizeof head};
    assert_true(block.bytes != NULL && stream.bytes != NULL);
    fill(&block, "NATS/1.0\r\n", unit, "\r\n");
    (void)snprintf(head, sizeof head, "HMSG s 1 %zu %zu\r\n", block.len, block.len);
    put(&stream, head);
    memcpy(stream.bytes + stream.len, block.bytes, block.len);
    stream.len += block.len;
    put(&stream, "\r\n");
    free(block.bytes);
    return stream;
}

struct kind {
    const char *name;
    const char *ordinary; /* begin, unit and end, each ended by NUL */
    const char *worst;
    size_t len;
    size_t step; /* of the worst; ordinary streams come in large pieces */
};

#define MESSAGE "MSG orders.eu.1 12 16\r\n0123456789abcdef\r\n"
#define STREAM_OF(unit) "\0" unit "\0"
#define INFO_OF(unit)                                                                                        \
    "INFO {\"server_id\":\"A\",\"x\":[\0" unit "\0"                                                          \
    "1]}\r\n"
#define OPEN_15 "[[[[[[[[[[[[[[["
#define SHUT_15 "]]]]]]]]]]]]]]]"
#define DEEP OPEN_15 OPEN_15 OPEN_15 OPEN_15 SHUT_15 SHUT_15 SHUT_15 SHUT_15 ","

static const struct kind kinds[] = {
    {"cut at every byte", STREAM_OF(MESSAGE), STREAM_OF(MESSAGE), LEN, 1},
    {"empty messages", STREAM_OF(MESSAGE), STREAM_OF("MSG s 1 0\r\n\r\n"), LEN, PIECE},
    {"PONGs", STREAM_OF(MESSAGE), STREAM_OF("PONG\r\n"), LEN, PIECE},
    {"PONGs, cut at every byte", STREAM_OF(MESSAGE), STREAM_OF("PONG\r\n"), LEN, 1},
    {"empty messages, cut at every byte", STREAM_OF(MESSAGE), STREAM_OF("MSG s 1 0\r\n\r\n"), LEN, 1},
    {"deep INFO", INFO_OF("\"10.0.0.1:4222\","), INFO_OF(DEEP), INFO_LEN, PIECE},
    {"INFO cut at every byte", INFO_OF("\"10.0.0.1:4222\","), INFO_OF(DEEP), INFO_LEN, 1},
    {"INFO of escapes", INFO_OF("\"10.0.0.1:4222\","), INFO_OF("\"\\u0041\\n\\u00e9\","), INFO_LEN, PIECE},
};

static struct stream make(const char *parts, size_t len)
{
    struct stream stream = {malloc(len), 0, len};
    assert_non_null(stream.bytes);
    const char *unit = parts + strlen(parts) + 1;
    fill(&stream, parts, unit, unit + strlen(unit) + 1);
    return stream;
}

static void compare(const char *name, const struct stream *ordinary, const struct stream *worst,
                    const struct stream *quarter, size_t step)
{
    double usual = cost(ordinary, PIECE);
    double most = cost(worst, step);
    double less = cost(quarter, step);
    print_message("%s: %.1f ns a byte, %.1f times an ordinary stream, %.2f times a fourth of it\n", name,
                  most, most / usual, most / less);
    assert_true(most <= usual * (step == 1 ? CALLS : TIMES));
    assert_true(most <= less * GROWTH);
}

static void test_streams(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(kinds); i++) {
        struct stream ordinary = make(kinds[i].ordinary, kinds[i].len);
        struct stream worst = make(kinds[i].worst, kinds[i].len);
        struct stream quarter = make(kinds[i].worst, kinds[i].len / 4);
        compare(kinds[i].name, &ordinary, &worst, &quarter, kinds[i].step);
        free(ordinary.bytes);
        free(worst.bytes);
        free(quarter.bytes);
    }
}

static void test_header_blocks(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *unit;
    } rows[] = {
        {"header lines without a colon", "X\r\n"},
        {"empty names", ":\r\n"},
        {"folded lines", " \r\n"},
        {"CR alone", "\r\r\r\r"},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct stream ordinary = message_with("Content-Type: text/plain\r\n", HEADER_LEN);
        struct stream worst = message_with(rows[i].unit, HEADER_LEN);
        struct stream quarter = message_with(rows[i].unit, HEADER_LEN / 4);
        compare(rows[i].name, &ordinary, &worst, &quarter, PIECE);
        free(ordinary.bytes);
        free(worst.bytes);
        free(quarter.bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_header_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
