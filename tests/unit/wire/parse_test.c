/* What the parser refuses, with which words, and what it bounds. Every row is read whole, cut at every
 * position and byte by byte: the outcome must not depend on how the bytes arrive. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "wire/parse.h"

#define LINE_MAX 100
#define INFO_MAX 300
#define HEADER_MAX 64
#define BODY_MAX 1000

static const struct nki_parser_limits limits = {LINE_MAX, INFO_MAX, HEADER_MAX, BODY_MAX};

struct outcome {
    int status; /* the last that was not NKI_PARSE_MORE; else that */
    size_t frames;
    struct nki_frame last;
    struct nki_error err;
};

static void feed(struct nki_parser *parser, const char *data, size_t len, struct outcome *outcome)
{
    static uint8_t body[BODY_MAX];
    char *piece = malloc(len > 0 ? len : 1);
    assert_non_null(piece);
    memcpy(piece, data, len);
    struct nki_cursor in = nki_cursor_make(piece, len);
    for (;;) {
        if (parser->body_left > 0) {
            nki_parser_body(parser, &in, body);
            if (parser->body_left > 0) {
                break;
            }
        }
        int got = nki_parser_next(parser, &in, &outcome->last, &outcome->err);
        if (got == NKI_PARSE_MORE) {
            break;
        }
        outcome->status = got;
        if (got < 0) {
            break;
        }
        outcome->frames += got == NKI_PARSE_FRAME || got == NKI_PARSE_END;
    }
    free(piece);
}

static struct outcome parse_cut(const char *data, size_t len, size_t cut)
{
    struct outcome outcome = {.status = NKI_PARSE_MORE};
    struct nki_parser parser;
    nki_parser_init(&parser, &limits);
    feed(&parser, data, cut, &outcome);
    if (outcome.status >= 0) {
        feed(&parser, data + cut, len - cut, &outcome);
    }
    nki_parser_free(&parser);
    return outcome;
}

static struct outcome parse_bytes(const char *data, size_t len)
{
    struct outcome outcome = {.status = NKI_PARSE_MORE};
    struct nki_parser parser;
    nki_parser_init(&parser, &limits);
    for (size_t i = 0; i < len && outcome.status >= 0; i++) {
        feed(&parser, data + i, 1, &outcome);
    }
    nki_parser_free(&parser);
    return outcome;
}

#define ROW(wire, text)                                                                                      \
    {                                                                                                        \
        wire, sizeof(wire) - 1, text                                                                         \
    }
#define TEN "0123456789"
#define HEADS "NATS/1.0\r\nA: 0123456789012345678901234567890123456789012345\r\n\r\n" /* 62 bytes */

static const struct bad_row {
    const char *wire;
    size_t len;
    const char *text;
} bad_rows[] = {
    /* B1 to B5: sizes */
    ROW("MSG a 1 -5\r\n", "malformed size"),
    ROW("MSG a 1 18446744073709551616\r\n", "malformed size"),
    ROW("MSG a 1 99999999999999999999999\r\n", "malformed size"),
    ROW("MSG a 1 2147483647\r\n", "larger than allowed"),
    ROW("MSG a 1 1001\r\n", "larger than allowed"),
    ROW("MSG a 1 1073741824\r\n", "larger than allowed"),
    ROW("MSG a 1 4294967301\r\nhello\r\n", "larger than allowed"),
    ROW("MSG a 1 18446744073709551615\r\n", "larger than allowed"),
    ROW("MSG a 1 r 4294967296\r\n\r\n", "larger than allowed"),
    /* B6, B8, B9: subscription ids */
    ROW("MSG a 18446744073709551616 1\r\nx\r\n", "malformed subscription id"),
    ROW("MSG a 99999999999999999999 1\r\nx\r\n", "malformed subscription id"),
    ROW("MSG 2_x 0 1\r\nx\r\n", "malformed subscription id"),
    ROW("MSG a x 1\r\nx\r\n", "malformed subscription id"),
    ROW("MSG a 1x 1\r\nx\r\n", "malformed subscription id"),
    ROW("MSG a +1 1\r\nx\r\n", "malformed subscription id"),
    ROW("MSG a 01 1\r\nx\r\n", "malformed subscription id"),
    ROW("MSG a -1 1\r\nx\r\n", "malformed subscription id"),
    ROW("MSG a 1.0 1\r\nx\r\n", "malformed subscription id"),
    /* B10, B11: arguments */
    ROW("MSG\r\n", "too few arguments"),
    ROW("MSG \r\n", "too few arguments"),
    ROW("MSG a\r\n", "too few arguments"),
    ROW("MSG a 1\r\nx\r\n", "too few arguments"),
    ROW("MSG  1 5\r\nhello\r\n", "too few arguments"),
    ROW("HMSG\r\n", "too few arguments"),
    ROW("HMSG a 1 12\r\nNATS/1.0\r\n\r\n\r\n", "too few arguments"),
    ROW("MSG a 1 r 5 6\r\nhello\r\n", "too many arguments"),
    ROW("MSG a b 1 r 5\r\nhello\r\n", "too many arguments"),
    ROW("HMSG a 1 r s 12 12\r\nNATS/1.0\r\n\r\n\r\n", "too many arguments"),
    /* B12, B13: what follows the payload */
    ROW("MSG a 1 5\r\nhellohello\r\n", "not followed by CRLF"),
    ROW("MSG a 1 5\r\nhello", NULL),
    ROW("MSG a 1 5\r\nhelloPING\r\n", "not followed by CRLF"),
    ROW("MSG a 1 5\r\nhello\nPING\r\n", "not followed by CRLF"),
    ROW("MSG a 1 5\r\nhello\r\rPING\r\n", "not followed by CRLF"),
    ROW("MSG a 1 5\r\nhello\n\rPING\r\n", "not followed by CRLF"),
    ROW("MSG a 1 0\r\nPING\r\nPING\r\n", "not followed by CRLF"),
    ROW("MSG a 1 10\r\nhello\r\nPING\r\nPING\r\n", "not followed by CRLF"),
    /* B15: arguments on the next line */
    ROW("MSG\r\na 1 5\r\nhello\r\n", "too few arguments"),
    /* B16: numbers in other forms */
    ROW("MSG a 1 +5\r\nhello\r\n", "malformed size"),
    ROW("MSG a 1 5x\r\nhello\r\n", "malformed size"),
    ROW("MSG a 1 0x5\r\nhello\r\n", "malformed size"),
    ROW("MSG a 1 05\r\nhello\r\n", "malformed size"),
    ROW("MSG a 1 00\r\n\r\n", "malformed size"),
    ROW("MSG a 1 5.0\r\nhello\r\n", "malformed size"),
    ROW("MSG a 1 r x\r\nhello\r\n", "malformed size"),
    /* B17, B25, A3, A16: unknown operations */
    ROW("FOO\r\n", "unknown operation 'F"),
    ROW("HTTP/1.1 400 Bad Request\r\n", "unknown operation 'H"),
    ROW("msg a 1 5\r\nhello\r\n", "unknown operation 'm"),
    ROW("ping\r\n", "unknown operation 'p"),
    ROW("Info {}\r\n", "unknown operation 'I"),
    ROW("MSGa 1 5\r\nhello\r\n", "unknown operation 'MSGa"),
    ROW("PINGS\r\n", "unknown operation 'PINGS"),
    ROW("INFO{}\r\n", "unknown operation 'INFO{"),
    ROW("-ERRX\r\n", "unknown operation '-ERRX"),
    ROW("+OKAY\r\n", "unknown operation '+OKA"),
    ROW("PIN\r\n", "unknown operation 'PIN"),
    ROW("\r\n", "unknown operation ''"),
    ROW("\n", "unknown operation ''"),
    ROW(" PING\r\n", "unknown operation ' "),
    ROW("\x16\x03\x01\x02", "unknown operation '?"),
    ROW("\xff\xfe\r\n", "unknown operation '?"),
    ROW("SUB a 1\r\n", "unknown operation 'S"),
    ROW("PUB a 1\r\n", "unknown operation 'PU"),
    ROW("CONNECT {}\r\n", "unknown operation 'C"),
    ROW("MSG\ra 1 5\r\nhello\r\n", "unknown operation 'MSG"),
    ROW("PING\r \r\n", "unknown operation 'PING"),
    ROW("PING x\r\n", "arguments where none belong"),
    ROW("PONG x\r\n", "arguments where none belong"),
    ROW("+OK x\r\n", "arguments where none belong"),
    /* A14: LF alone */
    ROW("PING\n", "without CR"),
    ROW("INFO {}\n", "without CR"),
    ROW("MSG a 1 5\nhello\r\n", "without CR"),
    ROW("-ERR\n", "without CR"),
    ROW("MSG a 1\n 5\r\n", "without CR"),
    ROW("MSG a 1\0 5\r\nhello\r\n", "malformed subscription id"),
    ROW("MSG a 1 5\0\r\nhello\r\n", "malformed size"),
    /* C1 to C3, C10: header sizes */
    ROW("HMSG a 1 13 12\r\nNATS/1.0\r\n\r\n\r\n", "does not fit"),
    ROW("HMSG a 1 -12 12\r\nNATS/1.0\r\n\r\n\r\n", "malformed header size"),
    ROW("HMSG a 1 012 12\r\nNATS/1.0\r\n\r\n\r\n", "malformed header size"),
    ROW("HMSG a 1 x 12\r\nNATS/1.0\r\n\r\n\r\n", "malformed header size"),
    ROW("HMSG a 1 18446744073709551628 12\r\nNATS/1.0\r\n\r\n\r\n", "malformed header size"),
    ROW("HMSG a 1 4294967308 12\r\nNATS/1.0\r\n\r\n\r\n", "does not fit"),
    ROW("HMSG a 1 65 66\r\n" HEADS "0123\r\n", "headers larger than allowed"),
    ROW("HMSG a 1 12 1001\r\nNATS/1.0\r\n\r\n", "larger than allowed"),
    /* B19, B20: lines over the limit of 100 */
    ROW("MSG " TEN TEN TEN TEN TEN TEN TEN TEN TEN "0 1 5\r\nhello\r\n", NULL),
    ROW("MSG " TEN TEN TEN TEN TEN TEN TEN TEN TEN "01 1 5\r\nhello\r\n", NULL),
    ROW("MSG " TEN TEN TEN TEN TEN TEN TEN TEN TEN "012 1 5\r\nhello\r\n", "too long"),
    ROW("MSG " TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN, "too long"),
    ROW("-ERR '" TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "'\r\n", "too long"),
    ROW("PING"
        "                                                                                                 "
        "\r\n",
        "too long"),
};

static void check_outcome(const struct bad_row *row, const struct outcome *outcome, const char *how,
                          size_t cut)
{
    if (row->text == NULL) { /* a good one among them, for contrast */
        if (outcome->status < 0) {
            fail_msg("%s: %s %zu: %s", row->wire, how, cut, outcome->err.text);
        }
        return;
    }
    /* an unknown operation can be told from its first bytes, before the others have come */
    bool same = strncmp(row->text, "unknown", 7) == 0 ? strncmp(outcome->err.text, row->text, 18) == 0
                                                      : strstr(outcome->err.text, row->text) != NULL;
    if (outcome->status != NKI_PROTOCOL || outcome->frames != 0 || !same ||
        strstr(outcome->err.text, "at byte ") == NULL) {
        fail_msg("%s: %s %zu: status %d, %zu frames, %s", row->wire, how, cut, outcome->status,
                 outcome->frames, outcome->err.text);
    }
}

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(bad_rows); i++) {
        const struct bad_row *row = &bad_rows[i];
        struct outcome outcome = parse_cut(row->wire, row->len, 0);
        check_outcome(row, &outcome, "whole", 0);
        if (row->text != NULL && strstr(outcome.err.text, row->text) == NULL) {
            fail_msg("%s: %s", row->wire, outcome.err.text);
        }
        for (size_t cut = 1; cut < row->len; cut++) {
            outcome = parse_cut(row->wire, row->len, cut);
            check_outcome(row, &outcome, "cut at", cut);
        }
        outcome = parse_bytes(row->wire, row->len);
        check_outcome(row, &outcome, "bytes", 0);
    }
}

/* The place that an error names does not depend on the cuts either. */
/* What a server passes on from another client, however odd, is a message (decision 0007). */
static void test_odd_but_framed(void **state)
{
    (void)state;
    static const struct {
        struct nki_str input, subject, reply;
        uint32_t header_len;
    } rows[] = {
        {NKI_STR("MSG a\0b 1 5\r\nhello\r\n"), NKI_STR("a\0b"), NKI_STR(""), 0},
        {NKI_STR("MSG a\x01 1 5\r\nhello\r\n"), NKI_STR("a\x01"), NKI_STR(""), 0},
        {NKI_STR("MSG \x7f\xff 1 5\r\nhello\r\n"), NKI_STR("\x7f\xff"), NKI_STR(""), 0},
        {NKI_STR("MSG a\rb 1 r\v 5\r\nhello\r\n"), NKI_STR("a\rb"), NKI_STR("r\v"), 0},
        {NKI_STR("HMSG a 1 3 5\r\nhello\r\n"), NKI_STR("a"), NKI_STR(""), 3},
        {NKI_STR("HMSG a 1 0 5\r\nhello\r\n"), NKI_STR("a"), NKI_STR(""), 0},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_parser parser;
        struct nki_frame frame;
        struct nki_error err;
        nki_parser_init(&parser, &limits);
        struct nki_cursor in = nki_cursor_make(rows[i].input.ptr, rows[i].input.len);
        assert_int_equal(nki_parser_next(&parser, &in, &frame, &err), NKI_PARSE_FRAME);
        assert_int_equal(nki_cursor_left(&in), 0);
        assert_true(nki_str_eq(frame.subject, rows[i].subject));
        assert_true(nki_str_eq(frame.reply, rows[i].reply));
        assert_int_equal(frame.header_len, rows[i].header_len);
        assert_int_equal(frame.body_len, 5);
        nki_parser_free(&parser);
    }
}

static void test_offsets(void **state)
{
    (void)state;
    static const struct {
        const char *wire;
        const char *text;
    } rows[] = {
        {"PING\r\nMSG a 1 2\r\nxx\r\nMSG a 1 x\r\n", "at byte 21 "},
        {"PING\r\nMSG a 1 2\r\nxx\r\nMSG a 1 2\r\nyyPONG\r\n", "at byte 34 "},
        {"MSG a 1 2\r\nxx\rPONG\r\n", "at byte 13 "},
        {"PING\r\nPING\n", "at byte 6 "},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        size_t len = strlen(rows[i].wire);
        for (size_t cut = 0; cut <= len; cut++) {
            struct outcome outcome = parse_cut(rows[i].wire, len, cut);
            assert_int_equal(outcome.status, NKI_PROTOCOL);
            assert_non_null(strstr(outcome.err.text, rows[i].text));
        }
        struct outcome outcome = parse_bytes(rows[i].wire, len);
        assert_non_null(strstr(outcome.err.text, rows[i].text));
    }
}

/* Lines of exactly the limit pass, one byte more is refused, however they are cut. */
static void test_line_limits(void **state)
{
    (void)state;
    static const struct {
        const char *op;
        size_t limit;
    } rows[] = {{"-ERR ", LINE_MAX}, {"INFO ", INFO_MAX}};
    char line[INFO_MAX + 8];
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        for (size_t len = rows[i].limit - 1; len <= rows[i].limit + 1; len++) {
            memset(line, 'x', sizeof line);
            memcpy(line, rows[i].op, 5);
            memcpy(line + len, "\r\n", 2);
            for (size_t cut = 0; cut <= len + 2; cut++) {
                struct outcome outcome = parse_cut(line, len + 2, cut);
                assert_int_equal(outcome.status, len <= rows[i].limit ? NKI_PARSE_FRAME : NKI_PROTOCOL);
            }
            struct outcome outcome = parse_bytes(line, len + 2);
            assert_int_equal(outcome.status, len <= rows[i].limit ? NKI_PARSE_FRAME : NKI_PROTOCOL);
        }
    }
}

/* A10, A17, B18, B19: a line without end is refused as soon as it is over its limit, with bounded memory. */
static void test_endless_lines(void **state)
{
    (void)state;
    static const struct nki_parser_limits real = {NKI_PARSE_LINE_MAX, NKI_PARSE_INFO_MAX, NKI_MIB, NKI_MIB};
    static const struct {
        const char *begin;
        size_t limit;
    } rows[] = {{"MSG ", NKI_PARSE_LINE_MAX},   {"HMSG ", NKI_PARSE_LINE_MAX}, {"INFO {", NKI_PARSE_INFO_MAX},
                {"-ERR '", NKI_PARSE_LINE_MAX}, {"PING ", NKI_PARSE_LINE_MAX}, {"XYZ", 0}};
    static char filler[4096];
    memset(filler, 'x', sizeof filler);
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        for (size_t piece = 1; piece <= sizeof filler; piece *= 64) {
            struct nki_parser parser;
            struct nki_frame frame;
            struct nki_error err;
            nki_parser_init(&parser, &real);
            uint64_t before = nki_alloc_bytes();
            struct nki_cursor in = nki_cursor_make(rows[i].begin, strlen(rows[i].begin));
            size_t fed = strlen(rows[i].begin);
            int got = nki_parser_next(&parser, &in, &frame, &err);
            while (got == NKI_PARSE_MORE) {
                assert_true(fed <= rows[i].limit);
                in = nki_cursor_make(filler, piece);
                got = nki_parser_next(&parser, &in, &frame, &err);
                fed += piece;
                assert_true(nki_alloc_bytes() - before <= 2 * NKI_PARSE_INFO_MAX);
            }
            assert_int_equal(got, NKI_PROTOCOL);
            assert_true(fed <= rows[i].limit + piece + 4);
            nki_parser_free(&parser);
        }
    }
}

/* The memory of a great INFO is given back when the next line is held. */
static void test_held_shrinks(void **state)
{
    (void)state;
    static const struct nki_parser_limits real = {NKI_PARSE_LINE_MAX, NKI_PARSE_INFO_MAX, NKI_MIB, NKI_MIB};
    static char filler[100000];
    struct nki_parser parser;
    struct nki_frame frame;
    memset(filler, 'x', sizeof filler);
    nki_parser_init(&parser, &real);
    struct nki_cursor in = nki_cursor_make("INFO ", 5);
    assert_int_equal(nki_parser_next(&parser, &in, &frame, NULL), NKI_PARSE_MORE);
    in = nki_cursor_make(filler, sizeof filler);
    assert_int_equal(nki_parser_next(&parser, &in, &frame, NULL), NKI_PARSE_MORE);
    in = nki_cursor_make("\r\nPI", 4);
    assert_int_equal(nki_parser_next(&parser, &in, &frame, NULL), NKI_PARSE_FRAME);
    assert_int_equal(frame.text.len, sizeof filler);
    assert_true(parser.held.cap >= sizeof filler);
    assert_int_equal(nki_parser_next(&parser, &in, &frame, NULL), NKI_PARSE_MORE);
    assert_true(parser.held.cap <= 4096);
    nki_parser_free(&parser);
}

static void test_excerpt(void **state)
{
    (void)state;
    static const char line[] = "HTTP/1.1 \x01\xff 400 Bad Request, and a good deal more of that\r\n";
    struct outcome outcome = parse_cut(line, sizeof line - 1, 0);
    assert_string_equal(outcome.err.text,
                        "unknown operation 'HTTP/1.1 ?? 400 Bad Request, and' (at byte 0 of the stream)");
    assert_int_equal(outcome.err.status, NKI_PROTOCOL);
}

/* An error stays until reset, which also forgets the held line and the offset, but not the limits. */
static void test_final_until_reset(void **state)
{
    (void)state;
    struct nki_parser parser;
    struct nki_frame frame;
    struct nki_error err;
    nki_parser_init(&parser, &limits);
    struct nki_cursor in = nki_cursor_make("FOO\r\n", 5);
    assert_int_equal(nki_parser_next(&parser, &in, &frame, &err), NKI_PROTOCOL);
    in = nki_cursor_make("PING\r\n", 6);
    assert_int_equal(nki_parser_next(&parser, &in, &frame, &err), NKI_PROTOCOL);
    in = nki_cursor_make("", 0);
    assert_int_equal(nki_parser_next(&parser, &in, &frame, NULL), NKI_PROTOCOL);
    nki_parser_reset(&parser);
    in = nki_cursor_make("PI", 2);
    assert_int_equal(nki_parser_next(&parser, &in, &frame, &err), NKI_PARSE_MORE);
    nki_parser_reset(&parser);
    assert_int_equal(parser.offset, 0);
    in = nki_cursor_make("PONG\r\n", 6);
    assert_int_equal(nki_parser_next(&parser, &in, &frame, &err), NKI_PARSE_FRAME);
    assert_int_equal(frame.kind, NKI_FRAME_PONG);
    in = nki_cursor_make("MSG a 1 1001\r\n", 14);
    assert_int_equal(nki_parser_next(&parser, &in, &frame, &err), NKI_PROTOCOL);
    nki_parser_reset(&parser);
    in = nki_cursor_make("MSG a 1 10\r\n", 12);
    assert_int_equal(nki_parser_next(&parser, &in, &frame, &err), NKI_PARSE_BEGIN);
    nki_parser_reset(&parser);
    in = nki_cursor_make("PING\r\n", 6);
    assert_int_equal(nki_parser_next(&parser, &in, &frame, &err), NKI_PARSE_FRAME);
    nki_parser_free(&parser);
}

static size_t allocations_left;

static bool gate(size_t size)
{
    (void)size;
    return allocations_left > 0 && allocations_left-- > 0;
}

static void test_no_memory(void **state)
{
    (void)state;
    static const char wire[] =
        "INFO {\"a\":\"0123456789012345678901234567890123456789012345678901234567890123"
        "4567890123456789012345678901234567890123456789\"}\r\nPING\r\n";
    size_t failed = 0;
    for (size_t allowed = 0;; allowed++) {
        allocations_left = allowed;
        nki_alloc_gate_set(gate);
        struct outcome outcome = parse_bytes(wire, sizeof wire - 1);
        nki_alloc_gate_set(NULL);
        if (outcome.status >= 0) {
            assert_int_equal(outcome.frames, 2);
            break;
        }
        assert_int_equal(outcome.status, NKI_NO_MEMORY);
        assert_int_equal(outcome.err.status, NKI_NO_MEMORY);
        assert_int_equal(outcome.frames, 0);
        failed++;
    }
    assert_true(failed > 0);
    /* what is not cut needs none */
    allocations_left = 0;
    nki_alloc_gate_set(gate);
    struct outcome outcome = parse_cut(wire, sizeof wire - 1, 0);
    nki_alloc_gate_set(NULL);
    assert_int_equal(outcome.frames, 2);
}

/* B26: many PINGs in a row are many frames, nothing else. */
static void test_many_pings(void **state)
{
    (void)state;
    static char wire[6 * 10000];
    for (size_t i = 0; i < sizeof wire; i += 6) {
        memcpy(wire + i, "PING\r\n", 6);
    }
    struct outcome outcome = parse_cut(wire, sizeof wire, 4097);
    assert_int_equal(outcome.frames, 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_odd_but_framed),
        cmocka_unit_test(test_offsets),       cmocka_unit_test(test_line_limits),
        cmocka_unit_test(test_endless_lines), cmocka_unit_test(test_held_shrinks),
        cmocka_unit_test(test_excerpt),       cmocka_unit_test(test_final_until_reset),
        cmocka_unit_test(test_no_memory),     cmocka_unit_test(test_many_pings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
