/* The property that all of the client stands on: the same frames come out of the parser for every way of
 * cutting the stream. A stream of all kinds of frames is parsed whole, cut at every position, byte by byte
 * and in random pieces, and each frame is compared with what was put in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/parse.h"

#define FRAMES_MAX 80
#define BIG_LEN 65536
#define RANDOM_RUNS 1000

struct expected {
    enum nki_frame_kind kind;
    char subject[160];
    char reply[160];
    uint64_t sid;
    uint32_t header_len;
    size_t body_at; /* place of the body in the stream */
    uint32_t body_len;
    const char *text;
    size_t end; /* place of the first byte behind the frame */
};

static struct {
    uint8_t bytes[2 * BIG_LEN];
    size_t len;
    struct expected frames[FRAMES_MAX];
    size_t count;
} stream;

static void put(const void *data, size_t len)
{
    assert_true(len <= sizeof stream.bytes - stream.len);
    memcpy(stream.bytes + stream.len, data, len);
    stream.len += len;
}

static struct expected *begin_frame(enum nki_frame_kind kind)
{
    assert_true(stream.count < FRAMES_MAX);
    struct expected *frame = &stream.frames[stream.count++];
    frame->kind = kind;
    frame->text = "";
    return frame;
}

/* A message whose head is written by hand, so that blanks can be varied. */
static void add_message(const char *head, const char *subject, uint64_t sid, const char *reply,
                        const char *header, const void *payload, size_t payload_len)
{
    struct expected *frame = begin_frame(NKI_FRAME_MSG);
    snprintf(frame->subject, sizeof frame->subject, "%s", subject);
    snprintf(frame->reply, sizeof frame->reply, "%s", reply);
    frame->sid = sid;
    frame->header_len = (uint32_t)strlen(header);
    frame->body_len = (uint32_t)(frame->header_len + payload_len);
    put(head, strlen(head));
    put("\r\n", 2);
    frame->body_at = stream.len;
    put(header, frame->header_len);
    put(payload, payload_len);
    put("\r\n", 2);
    frame->end = stream.len;
}

/* The head as the server writes it. */
static void add_usual(const char *subject, uint64_t sid, const char *reply, const char *header,
                      const void *payload, size_t payload_len)
{
    char head[512];
    char header_len[32] = "";
    if (header[0] != '\0') {
        snprintf(header_len, sizeof header_len, "%zu ", strlen(header));
    }
    snprintf(head, sizeof head, "%s %s %llu %s%s%s%zu", header[0] != '\0' ? "HMSG" : "MSG", subject,
             (unsigned long long)sid, reply, reply[0] != '\0' ? " " : "", header_len,
             strlen(header) + payload_len);
    add_message(head, subject, sid, reply, header, payload, payload_len);
}

static void add_line(enum nki_frame_kind kind, const char *line, const char *text)
{
    struct expected *frame = begin_frame(kind);
    put(line, strlen(line));
    put("\r\n", 2);
    frame->text = text;
    frame->end = stream.len;
}

static void add_messages(void)
{
    static const char crlfs[] = "\r\n\r\nMSG a 1 5\r\nPING\r\n\r\r\n\n";
    static const char status[] = "NATS/1.0 503\r\nNats-Subject: a\r\n\r\n";
    add_usual("a", 1, "", "", "", 0);
    add_usual("foo.bar", 9, "", "", "hello", 5);
    add_usual("foo", 18446744073709551615u, "", "", "x", 1);
    add_usual("foo", 9999999999999999999u, "_INBOX.abcdefgh.1", "", "x", 1);
    add_usual("foo.bar", 2, "_INBOX.kXbYqWnZ5fJ0aBcDeFgHiJ.42", "", "payload", 7);
    add_usual("foo", 3, "12", "", "reply that is a number", 22);
    add_usual("foo", 3, "12x", "", "reply that begins with one", 26);
    add_usual("foo", 3, "$JS.ACK.S.C.1.2.3.1700000000000000000.0", "", "js", 2);
    add_usual("crlf", 4, "", "", crlfs, sizeof crlfs - 1);
    add_usual("2_x", 5, "2_y", "", "\0\0\0", 3);
    add_usual("caf\xc3\xa9", 6, "\xff\xfe", "", "not UTF-8 in the reply", 22);
    add_usual("h", 7, "", "NATS/1.0\r\n\r\n", "", 0);
    add_usual("h", 7, "", "NATS/1.0\r\n\r\n", "p", 1);
    add_usual("h", 7, "r", "NATS/1.0\r\nA: b\r\nA: c\r\n\r\n", "payload", 7);
    add_usual("h", 7, "123", "NATS/1.0\r\nA: b\r\n\r\n", "payload", 7);
    add_usual("_INBOX.x", 8, "", status, "", 0);
    add_message("MSG\tt.a\t1\t3", "t.a", 1, "", "", "abc", 3);
    add_message("MSG   t.b  \t 12 \t  r \t 3  ", "t.b", 12, "r", "", "abc", 3);
    add_message("HMSG  t.c 12  12\t13 ", "t.c", 12, "", "NATS/1.0\r\n\r\n", "a", 1);
    add_message("HMSG t.c 12 r 12 12\t", "t.c", 12, "r", "NATS/1.0\r\n\r\n", "", 0);
}

static void build_stream(void)
{
    static uint8_t big[BIG_LEN];
    char subject[160];
    for (size_t i = 0; i < sizeof big; i++) {
        big[i] = (uint8_t)(i * 2654435761u >> 13);
    }
    memset(&stream, 0, sizeof stream);
    add_line(NKI_FRAME_INFO, "INFO {\"server_id\":\"X\",\"max_payload\":1048576} ",
             "{\"server_id\":\"X\",\"max_payload\":1048576}");
    add_line(NKI_FRAME_PONG, "PONG", "");
    add_line(NKI_FRAME_INFO, "INFO\t {}", "{}");
    add_line(NKI_FRAME_OK, "+OK", "");
    add_messages();
    add_line(NKI_FRAME_PING, "PING", "");
    add_line(NKI_FRAME_PING, "PING  ", "");
    add_line(NKI_FRAME_OK, "+OK\t", "");
    add_line(NKI_FRAME_ERR, "-ERR 'Authorization Violation'", "Authorization Violation");
    add_line(NKI_FRAME_ERR, "-ERR ''", "");
    add_line(NKI_FRAME_ERR, "-ERR", "");
    add_line(NKI_FRAME_ERR, "-ERR  bare text ", "bare text");
    add_line(NKI_FRAME_ERR, "-ERR '", "'");
    add_line(NKI_FRAME_ERR, "-ERR 'Permissions Violation for Publish to \"it's\"'",
             "Permissions Violation for Publish to \"it's\"");
    add_line(NKI_FRAME_ERR, "-ERR '\xff\xc3'", "\xff\xc3");
    add_line(NKI_FRAME_INFO, "INFO", "");
    add_usual("big", 77, "answer.here", "", big, sizeof big);
    for (size_t i = 0; i < 24; i++) { /* all lengths around the eight bytes of a word */
        memset(subject, 'a' + (int)i, i + 1);
        subject[i + 1] = '\0';
        add_usual(subject, i + 1, i % 3 == 0 ? "re.ply" : "", i % 2 == 0 ? "NATS/1.0\r\nK: v\r\n\r\n" : "",
                  big, i * 7);
    }
    memset(subject, 's', 150);
    subject[150] = '\0';
    add_usual(subject, 1, "", "", "end", 3);
    add_line(NKI_FRAME_PONG, "PONG", "");
}

struct reader {
    struct nki_parser parser;
    struct nki_error err;
    size_t count;     /* frames seen */
    size_t body_fill; /* bytes of the begun body that are there */
    bool in_body;     /* between BEGIN and END */
    uint8_t body[BIG_LEN];
};

static void reader_init(struct reader *reader)
{
    static const struct nki_parser_limits limits = {NKI_PARSE_LINE_MAX, NKI_PARSE_INFO_MAX, NKI_MIB, NKI_MIB};
    nki_parser_init(&reader->parser, &limits);
    reader->count = 0;
    reader->body_fill = 0;
    reader->in_body = false;
}

static void check_text(struct nki_str have, const char *want)
{
    assert_non_null(have.ptr);
    assert_int_equal(have.len, strlen(want));
    assert_memory_equal(have.ptr, want, have.len);
}

static void check_frame(struct reader *reader, const struct nki_frame *frame, int got)
{
    assert_true(reader->count < stream.count);
    const struct expected *want = &stream.frames[reader->count];
    assert_int_equal(frame->kind, want->kind);
    check_text(frame->subject, want->subject);
    check_text(frame->reply, want->reply);
    check_text(frame->text, want->text);
    assert_true(frame->sid == want->sid);
    assert_int_equal(frame->header_len, want->header_len);
    assert_int_equal(frame->body_len, want->body_len);
    if (got == NKI_PARSE_BEGIN) {
        assert_null(frame->body);
        return;
    }
    if (want->kind == NKI_FRAME_MSG) {
        assert_non_null(frame->body);
        assert_memory_equal(frame->body, stream.bytes + want->body_at, want->body_len);
    }
    assert_true(reader->parser.offset == want->end);
    reader->count++;
}

static void check_end(struct reader *reader)
{
    const struct expected *want = &stream.frames[reader->count];
    assert_int_equal(reader->body_fill, want->body_len);
    assert_memory_equal(reader->body, stream.bytes + want->body_at, want->body_len);
    assert_true(reader->parser.offset == want->end);
    reader->in_body = false;
    reader->count++;
}

/* Hands over one piece, in a block of its own size so that a sanitizer sees reads beyond its end. */
static void feed(struct reader *reader, const uint8_t *data, size_t len)
{
    uint8_t *piece = malloc(len > 0 ? len : 1);
    assert_non_null(piece);
    memcpy(piece, data, len);
    struct nki_cursor in = nki_cursor_make(piece, len);
    for (;;) {
        if (reader->in_body && reader->parser.body_left > 0) {
            reader->body_fill += nki_parser_body(&reader->parser, &in, reader->body + reader->body_fill);
            if (reader->parser.body_left > 0) {
                assert_int_equal(nki_cursor_left(&in), 0);
                break;
            }
        }
        struct nki_frame frame;
        int got = nki_parser_next(&reader->parser, &in, &frame, &reader->err);
        if (got == NKI_PARSE_MORE) {
            assert_int_equal(nki_cursor_left(&in), 0);
            break;
        }
        if (got < 0) {
            fail_msg("frame %zu: %s", reader->count, reader->err.text);
        }
        if (got == NKI_PARSE_END) {
            check_end(reader);
            continue;
        }
        check_frame(reader, &frame, got);
        if (got == NKI_PARSE_BEGIN) {
            reader->in_body = true;
            reader->body_fill = 0;
        }
    }
    free(piece);
}

static void finish(struct reader *reader)
{
    assert_int_equal(reader->count, stream.count);
    assert_true(reader->parser.offset == stream.len);
    nki_parser_free(&reader->parser);
}

static struct reader shared; /* too great for some stacks */

static void test_whole(void **state)
{
    (void)state;
    reader_init(&shared);
    feed(&shared, stream.bytes, stream.len);
    finish(&shared);
}

/* The frames before the one that is cut come out as in the whole stream, and so do those behind it: it is
 * enough to begin one frame before the cut and to end one behind it. */
static void test_every_cut(void **state)
{
    (void)state;
    size_t frame = 0;
    for (size_t cut = 0; cut <= stream.len; cut++) {
        while (frame < stream.count && stream.frames[frame].end < cut) {
            frame++;
        }
        size_t first = frame > 1 ? frame - 1 : 0;
        size_t last = frame + 1 < stream.count ? frame + 1 : stream.count - 1;
        size_t from = first > 0 ? stream.frames[first - 1].end : 0;
        size_t to = stream.frames[last].end;
        reader_init(&shared);
        shared.count = first;
        shared.parser.offset = from;
        feed(&shared, stream.bytes + from, cut - from);
        feed(&shared, stream.bytes + cut, to - cut);
        assert_int_equal(shared.count, last + 1);
        nki_parser_free(&shared.parser);
    }
}

static void test_every_cut_of_all(void **state)
{
    (void)state;
    for (size_t cut = 0; cut <= stream.len; cut += cut < 4096 || stream.len - cut < 8192 ? 1 : 997) {
        reader_init(&shared);
        feed(&shared, stream.bytes, cut);
        feed(&shared, stream.bytes + cut, stream.len - cut);
        finish(&shared);
    }
}

static void test_byte_by_byte(void **state)
{
    (void)state;
    for (size_t size = 1; size < 20; size++) {
        reader_init(&shared);
        for (size_t at = 0; at < stream.len; at += size) {
            feed(&shared, stream.bytes + at, stream.len - at < size ? stream.len - at : size);
            feed(&shared, stream.bytes + at, 0); /* a read of nothing changes nothing */
        }
        finish(&shared);
    }
}

static uint32_t random_state = 1;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)random_state * limit >> 32);
}

static void test_random_cuts(void **state)
{
    (void)state;
    for (size_t run = 0; run < RANDOM_RUNS; run++) {
        reader_init(&shared);
        uint32_t longest = 1u << (1 + random_below(15));
        for (size_t at = 0; at < stream.len;) {
            size_t len = random_below(longest) + 1;
            len = len < stream.len - at ? len : stream.len - at;
            feed(&shared, stream.bytes + at, len);
            at += len;
        }
        finish(&shared);
    }
}

/* A caller that reads the rest of a body to its place by itself. */
static void test_skipped_bodies(void **state)
{
    (void)state;
    static const char head[] = "MSG foo 1 bar 10\r\n01234";
    reader_init(&shared);
    struct nki_cursor in = nki_cursor_make(head, sizeof head - 1);
    struct nki_frame frame;
    uint8_t body[10];
    assert_int_equal(nki_parser_next(&shared.parser, &in, &frame, NULL), NKI_PARSE_BEGIN);
    check_text(frame.subject, "foo");
    check_text(frame.reply, "bar");
    assert_int_equal(nki_parser_body(&shared.parser, &in, body), 5);
    assert_int_equal(shared.parser.body_left, 5);
    nki_parser_body_skip(&shared.parser, 3);
    nki_parser_body_skip(&shared.parser, 2);
    assert_int_equal(shared.parser.body_left, 0);
    in = nki_cursor_make("\r", 1);
    assert_int_equal(nki_parser_next(&shared.parser, &in, &frame, NULL), NKI_PARSE_MORE);
    in = nki_cursor_make("\nPING\r\n", 7);
    assert_int_equal(nki_parser_next(&shared.parser, &in, &frame, NULL), NKI_PARSE_END);
    assert_int_equal(shared.parser.offset, sizeof head - 1 + 5 + 2);
    assert_int_equal(nki_parser_next(&shared.parser, &in, &frame, NULL), NKI_PARSE_FRAME);
    assert_int_equal(frame.kind, NKI_FRAME_PING);
    nki_parser_free(&shared.parser);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_every_cut_of_all),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_random_cuts),
        cmocka_unit_test(test_skipped_bodies),
    };
    build_stream();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
