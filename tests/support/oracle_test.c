/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of the wire oracle: valid streams cut at each byte, and a table of violations that each have to be
 * found, whether they come at once or byte by byte. One thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four headers above it */
#include <cmocka.h>

#include "oracle.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

#define CONNECT_BODY                                                                                         \
    "\"verbose\":false,\"pedantic\":false,\"tls_required\":false,\"name\":\"t \\u00e9\",\"lang\":\"c\","     \
    "\"version\":\"0.1.0\",\"protocol\":1,\"echo\":true,\"headers\":true,\"no_responders\":true"
#define CONNECT_LINE "CONNECT {" CONNECT_BODY "}\r\n"
#define START CONNECT_LINE "PING\r\n"
#define BAD_CONNECT(body) "CONNECT " body "\r\n"

struct text {
    const char *at;
    size_t len;
};
#define TEXT(s)                                                                                              \
    {                                                                                                        \
        s, sizeof(s) - 1                                                                                     \
    }

static const struct text valid[] = {
    TEXT(START),
    TEXT(CONNECT_LINE "PONG\r\nPING\r\n"),
    TEXT("CONNECT { \"a\" : null, " CONNECT_BODY " }\r\nPING\r\n"),
    TEXT(START "SUB foo 1\r\nSUB foo.*.bar q 2\r\nSUB > 3\r\nSUB *.> a.b>c* 18446744073709551615\r\n"),
    TEXT(START "SUB a 1\r\nUNSUB 1 5\r\nUNSUB 1\r\nUNSUB 1\r\nSUB a 1\r\nUNSUB 1\r\n"),
    TEXT(START "PUB foo 0\r\n\r\nPUB foo.bar re.ply 5\r\nhello\r\nPUB \xC3\xA9.x 2\r\n\r\n\r\n"),
    TEXT(START
         "PUB $JS.API.CONSUMER.CREATE.S.c.a.* 0\r\n\r\nPUB $JS.d.API.CONSUMER.CREATE.S.c.> r 0\r\n\r\n"),
    TEXT(START "HPUB foo 12 12\r\nNATS/1.0\r\n\r\n\r\nPING\r\nPONG\r\n"),
    TEXT(START "HPUB a.b c.d 34 39\r\nNATS/1.0\r\nA: b\r\nA:\r\nCafe: \xFF :x\r\n\r\nPUB a\r\n"),
};

/* A member named "a" is not in the protocol's list; the third stream is there for blanks inside the JSON. */
static const struct ts_oracle_limits lenient = {.any_connect_member = true};

static int feed_pieces(struct ts_oracle *o, const char *at, size_t len, size_t piece)
{
    int rc = 0;
    for (size_t done = 0; done < len && rc == 0; done += piece) {
        rc = ts_oracle_feed(o, at + done, len - done < piece ? len - done : piece);
    }
    return rc;
}

static void record(void *ctx, const struct ts_frame *f)
{
    struct ts_buf *log = ctx;
    ts_buf_printf(log, "%s %.*s|%.*s|%.*s|%llu|%llu|%zu:%zu;", ts_op_name(f->op), (int)f->subject.len,
                  f->subject.at ? f->subject.at : "", (int)f->reply.len, f->reply.at ? f->reply.at : "",
                  (int)f->queue.len, f->queue.at ? f->queue.at : "", (unsigned long long)f->sid,
                  (unsigned long long)f->max, f->header.len, f->payload.len);
    ts_buf_add(log, f->line.at, f->line.len);
    ts_buf_add(log, f->header.at, f->header.len);
    ts_buf_add(log, f->payload.at, f->payload.len);
}

/* Each stream cut once at each byte gives the same frames as uncut. */
static void test_valid_streams_cut_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++) {
        struct ts_buf whole = {0};
        struct ts_oracle_counts counts = {0};
        for (size_t cut = 0; cut <= valid[i].len; cut++) {
            struct ts_buf log = {0};
            struct ts_oracle *o = ts_oracle_new(&lenient);
            ts_oracle_on_frame(o, record, &log);
            int rc = ts_oracle_feed(o, valid[i].at, cut);
            rc = rc ? rc : ts_oracle_feed(o, valid[i].at + cut, valid[i].len - cut);
            rc = rc ? rc : ts_oracle_finish(o, false);
            if (rc) {
                print_error("stream %zu cut at %zu: %s\n", i, cut, ts_oracle_error(o));
            }
            assert_int_equal(rc, 0);
            if (cut == 0) {
                whole = log;
                counts = *ts_oracle_counts(o);
            } else {
                assert_int_equal(log.len, whole.len);
                assert_memory_equal(log.at, whole.at, whole.len);
                assert_memory_equal(&counts, ts_oracle_counts(o), sizeof counts);
                ts_buf_free(&log);
            }
            ts_oracle_free(o);
        }
        ts_buf_free(&whole);
    }
}

/* Pieces of every size, without a callback: the path that skips payloads. */
static void test_valid_streams_in_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++) {
        for (size_t piece = 1; piece <= 40; piece++) {
            struct ts_oracle *o = ts_oracle_new(&lenient);
            assert_int_equal(feed_pieces(o, valid[i].at, valid[i].len, piece), 0);
            assert_int_equal(ts_oracle_finish(o, false), 0);
            assert_int_equal(ts_oracle_counts(o)->bytes, valid[i].len);
            ts_oracle_free(o);
        }
    }
}

struct row {
    const char *name;
    struct text stream;
    const char *says;
};

static const struct row connect_rows[] = {
    {"first op", TEXT("PING\r\n"), "before CONNECT"},
    {"pub first", TEXT("PUB a 0\r\n\r\n"), "before CONNECT"},
    {"no ping", TEXT(CONNECT_LINE "SUB a 1\r\n"), "before the PING"},
    {"no ping, pub", TEXT(CONNECT_LINE "PUB a 0\r\n\r\n"), "before the PING"},
    {"twice", TEXT(START CONNECT_LINE), "a second CONNECT"},
    {"lower case", TEXT("connect {}\r\n"), "does not know"},
    {"LF only", TEXT("CONNECT {" CONNECT_BODY "}\n"), "end with CRLF"},
    {"CR CR LF", TEXT("CONNECT {" CONNECT_BODY "}\r\r\n"), "CR or NUL"},
    {"two blanks", TEXT("CONNECT  {" CONNECT_BODY "}\r\n"), "object was expected"},
    {"blank at the end", TEXT("CONNECT {" CONNECT_BODY "} \r\n"), "does not end the line"},
    {"tab", TEXT("CONNECT\t{" CONNECT_BODY "}\r\n"), "does not know"},
    {"nothing", TEXT("CONNECT\r\n"), "no arguments"},
    {"empty", TEXT("CONNECT \r\n"), "does not end the line"},
    {"empty object", TEXT("CONNECT {}\r\n"), "verbose is missing"},
    {"array", TEXT(BAD_CONNECT("[]")), "does not end the line"},
    {"two objects", TEXT(BAD_CONNECT("{" CONNECT_BODY "}{}")), "after the end"},
    {"no protocol",
     TEXT(BAD_CONNECT("{\"verbose\":false,\"pedantic\":false,\"tls_required\":false,\"lang\":\"c\","
                      "\"version\":\"1\",\"headers\":true,\"no_responders\":true}")),
     "protocol is missing"},
    {"protocol 0", TEXT(BAD_CONNECT("{\"protocol\":0}")), "other than 1"},
    {"protocol 1.0", TEXT(BAD_CONNECT("{\"protocol\":1.0}")), "other than 1"},
    {"protocol text", TEXT(BAD_CONNECT("{\"protocol\":\"1\"}")), "other than 1"},
    {"headers false",
     TEXT(BAD_CONNECT("{\"verbose\":false,\"pedantic\":false,\"tls_required\":false,\"lang\":\"c\","
                      "\"version\":\"1\",\"protocol\":1,\"headers\":false,\"no_responders\":true}")),
     "have to be true"},
    {"headers 1", TEXT(BAD_CONNECT("{\"headers\":1}")), "true or false"},
    {"verbose text", TEXT(BAD_CONNECT("{\"verbose\":\"false\"}")), "true or false"},
    {"lang number", TEXT(BAD_CONNECT("{\"lang\":1}")), "to be a string"},
    {"name null", TEXT(BAD_CONNECT("{\"name\":null}")), "to be a string"},
    {"unknown member", TEXT(BAD_CONNECT("{\"key_file\":\"x\"}")), "does not know"},
    {"duplicate", TEXT(BAD_CONNECT("{\"lang\":\"c\",\"l\\u0061ng\":\"c\"}")), "occurs twice"},
    {"trailing comma", TEXT(BAD_CONNECT("{\"lang\":\"c\",}")), "string was expected"},
    {"single quotes", TEXT(BAD_CONNECT("{'lang':\"c\"}")), "string was expected"},
    {"bad escape", TEXT(BAD_CONNECT("{\"lang\":\"\\q\"}")), "escape"},
    {"short \\u", TEXT(BAD_CONNECT("{\"lang\":\"\\u00g0\"}")), "hexadecimal"},
    {"lone surrogate", TEXT(BAD_CONNECT("{\"lang\":\"\\ud800\"}")), "surrogate"},
    {"low surrogate", TEXT(BAD_CONNECT("{\"lang\":\"\\udc00\"}")), "surrogate"},
    {"not UTF-8", TEXT(BAD_CONNECT("{\"name\":\"\xFF\"}")), "UTF-8"},
    {"overlong UTF-8", TEXT(BAD_CONNECT("{\"name\":\"\xC0\x80\"}")), "UTF-8"},
    {"control in string", TEXT(BAD_CONNECT("{\"name\":\"a\001b\"}")), "control character"},
    {"NUL", TEXT(BAD_CONNECT("{\"name\":\"a\0b\"}")), "CR or NUL"},
    {"leading zero", TEXT(BAD_CONNECT("{\"protocol\":01}")), "leading zero"},
    {"word", TEXT(BAD_CONNECT("{\"verbose\":False}")), "value was expected"},
    {"no colon", TEXT(BAD_CONNECT("{\"verbose\" false}")), "colon"},
    {"open string", TEXT(BAD_CONNECT("{\"verbose}")), "closing quote"},
    {"raw quote in name", TEXT(BAD_CONNECT("{\"name\":\"a\"b\"}")), "comma or the end"},
};

static const struct row rows[] = {
    {"unknown op", TEXT("HELLO\r\n"), "does not know"},
    {"lower case", TEXT("ping\r\n"), "does not know"},
    {"empty line", TEXT("\r\n"), "does not know"},
    {"server's op", TEXT("+OK\r\n"), "does not know"},
    {"PING with text", TEXT("PING x\r\n"), "arguments where"},
    {"PING with blank", TEXT("PING \r\n"), "arguments where"},
    {"PONG LF", TEXT("PONG\n"), "CRLF"},
    {"leading blank", TEXT(" PING\r\n"), "does not know"},
    {"PUB bare", TEXT("PUB\r\n"), "no arguments"},
    {"PUB no size", TEXT("PUB a\r\n"), "wrong number"},
    {"PUB five", TEXT("PUB a b c 0\r\n\r\n"), "wrong number"},
    {"PUB many", TEXT("PUB a b c d e 0\r\n\r\n"), "too many"},
    {"PUB two blanks", TEXT("PUB a  0\r\n\r\n"), "empty argument"},
    {"PUB blank at end", TEXT("PUB a 0 \r\n\r\n"), "empty argument"},
    {"PUB tab", TEXT("PUB a\t0\r\n\r\n"), "wrong number"},
    {"PUB tab in subject", TEXT("PUB a\tb 0\r\n\r\n"), "blank or control"},
    {"PUB DEL", TEXT("PUB a\x7F 0\r\n\r\n"), "blank or control"},
    {"PUB NUL", TEXT("PUB a\0b 0\r\n\r\n"), "NUL"},
    {"PUB CR in subject", TEXT("PUB a\rb 0\r\n\r\n"), "CR or NUL"},
    {"PUB subject not UTF-8", TEXT("PUB a\xE9 0\r\n\r\n"), "UTF-8"},
    {"PUB empty token", TEXT("PUB a..b 0\r\n\r\n"), "empty token"},
    {"PUB leading dot", TEXT("PUB .a 0\r\n\r\n"), "empty token"},
    {"PUB trailing dot", TEXT("PUB a. 0\r\n\r\n"), "empty token"},
    {"PUB star", TEXT("PUB a.* 0\r\n\r\n"), "wildcard"},
    {"PUB tail", TEXT("PUB a.> 0\r\n\r\n"), "wildcard"},
    {"PUB filter elsewhere", TEXT("PUB $JS.API.STREAM.CREATE.S.> 0\r\n\r\n"), "wildcard"},
    {"PUB filter, not JetStream's", TEXT("PUB a.$JS.API.CONSUMER.CREATE.S.> 0\r\n\r\n"), "wildcard"},
    {"PUB filter malformed", TEXT("PUB $JS.API.CONSUMER.CREATE.S.c.>.a 0\r\n\r\n"), "last token"},
    {"PUB reply wildcard", TEXT("PUB a b.> 0\r\n\r\n"), "wildcard"},
    {"PUB reply empty token", TEXT("PUB a b..c 0\r\n\r\n"), "empty token"},
    {"PUB size sign", TEXT("PUB a +1\r\nx\r\n"), "canonical"},
    {"PUB size minus", TEXT("PUB a -1\r\nx\r\n"), "canonical"},
    {"PUB size zero", TEXT("PUB a 01\r\nx\r\n"), "canonical"},
    {"PUB size hex", TEXT("PUB a 0x1\r\nx\r\n"), "canonical"},
    {"PUB size 2^64", TEXT("PUB a 18446744073709551616\r\n"), "canonical"},
    {"PUB size of 30 digits", TEXT("PUB a 100000000000000000000000000000\r\n"), "canonical"},
    {"PUB over max_payload", TEXT("PUB a 1048577\r\n"), "max_payload 1048576"},
    {"PUB payload long", TEXT("PUB a 1\r\nxy\r\n"), "not followed by CRLF"},
    {"PUB payload short", TEXT("PUB a 3\r\nx\r\nPING\r\n"), "not followed by CRLF"},
    {"PUB payload LF", TEXT("PUB a 1\r\nx\n"), "not followed by CRLF"},
    {"HPUB header over total", TEXT("HPUB a 13 12\r\n"), "exceeds the total"},
    {"HPUB no header", TEXT("HPUB a 0 5\r\nhello\r\n"), "too small"},
    {"HPUB small", TEXT("HPUB a 11 11\r\nNATS/1.0\r\n\r\r\n"), "too small"},
    {"HPUB one number", TEXT("HPUB a 12\r\n"), "wrong number"},
    {"HPUB header size sign", TEXT("HPUB a +12 12\r\n"), "canonical"},
    {"HPUB over max_payload", TEXT("HPUB a 12 1048577\r\n"), "max_payload"},
    {"HPUB version", TEXT("HPUB a 12 12\r\nNATS/1.1\r\n\r\n\r\n"), "begin with NATS/1.0"},
    {"HPUB status", TEXT("HPUB a 16 16\r\nNATS/1.0 503\r\n\r\n\r\n"), "begin with NATS/1.0"},
    {"HPUB no colon", TEXT("HPUB a 15 15\r\nNATS/1.0\r\nA\r\n\r\n\r\n"), "without a colon"},
    {"HPUB no name", TEXT("HPUB a 16 16\r\nNATS/1.0\r\n:b\r\n\r\n\r\n"), "without a name"},
    {"HPUB blank in name", TEXT("HPUB a 19 19\r\nNATS/1.0\r\nA b:c\r\n\r\n\r\n"), "header name"},
    {"HPUB blank before colon", TEXT("HPUB a 18 18\r\nNATS/1.0\r\nA :c\r\n\r\n\r\n"), "header name"},
    {"HPUB folded", TEXT("HPUB a 22 22\r\nNATS/1.0\r\nA:b\r\n c:\r\n\r\n\r\n"), "header name"},
    {"HPUB name not ASCII", TEXT("HPUB a 18 18\r\nNATS/1.0\r\n\xC3\xA9:c\r\n\r\n\r\n"), "header name"},
    {"HPUB LF in value", TEXT("HPUB a 19 19\r\nNATS/1.0\r\nA:b\nc\r\n\r\n\r\n"), "inside a header value"},
    {"HPUB CR in value", TEXT("HPUB a 19 19\r\nNATS/1.0\r\nA:b\rc\r\n\r\n\r\n"), "inside a header value"},
    {"HPUB NUL in value", TEXT("HPUB a 19 19\r\nNATS/1.0\r\nA:b\0c\r\n\r\n\r\n"), "NUL"},
    {"HPUB no empty line", TEXT("HPUB a 15 15\r\nNATS/1.0\r\nA:b\r\n\r\n"), "empty line"},
    {"HPUB early end", TEXT("HPUB a 17 17\r\nNATS/1.0\r\n\r\nA:b\r\n\r\n"), "after the empty line"},
    {"SUB bare", TEXT("SUB\r\n"), "no arguments"},
    {"SUB no sid", TEXT("SUB a\r\n"), "wrong number"},
    {"SUB sid 0", TEXT("SUB a 0\r\n"), "positive"},
    {"SUB sid text", TEXT("SUB a x1\r\n"), "positive"},
    {"SUB sid zeros", TEXT("SUB a 007\r\n"), "positive"},
    {"SUB in use", TEXT("SUB a 1\r\nSUB b 1\r\n"), "in use"},
    {"SUB in use with max", TEXT("SUB a 1\r\nUNSUB 1 5\r\nSUB b 1\r\n"), "in use"},
    {"SUB empty token", TEXT("SUB a..b 1\r\n"), "empty token"},
    {"SUB tail first", TEXT("SUB >.a 1\r\n"), "not the last"},
    {"SUB tail in token", TEXT("SUB a.b> 1\r\n"), "beside"},
    {"SUB star in token", TEXT("SUB a*.b 1\r\n"), "beside"},
    {"SUB two stars", TEXT("SUB ** 1\r\n"), "beside"},
    {"SUB queue tab", TEXT("SUB a q\tr 1\r\n"), "queue name"},
    {"SUB queue two words", TEXT("SUB a q r 1\r\n"), "wrong number"},
    {"SUB queue not UTF-8", TEXT("SUB a \xF5 1\r\n"), "UTF-8"},
    {"UNSUB never", TEXT("UNSUB 1\r\n"), "never subscribed"},
    {"UNSUB bare", TEXT("UNSUB\r\n"), "no arguments"},
    {"UNSUB sid", TEXT("UNSUB a\r\n"), "positive"},
    {"UNSUB max 0", TEXT("SUB a 1\r\nUNSUB 1 0\r\n"), "maximum"},
    {"UNSUB max sign", TEXT("SUB a 1\r\nUNSUB 1 -1\r\n"), "maximum"},
    {"UNSUB three", TEXT("SUB a 1\r\nUNSUB 1 2 3\r\n"), "wrong number"},
};

static void expect_violation(const struct row *row, const char *start, size_t piece)
{
    struct ts_oracle *o = ts_oracle_new(NULL);
    assert_int_equal(ts_oracle_feed(o, start, strlen(start)), 0);
    int rc = feed_pieces(o, row->stream.at, row->stream.len, piece);
    const char *error = ts_oracle_error(o);
    if (rc != -1 || !error || !strstr(error, row->says)) {
        print_error("%s (pieces of %zu): got %d, \"%s\", expected \"%s\"\n", row->name, piece, rc,
                    error ? error : "no error", row->says);
        fail();
    }
    assert_int_equal(ts_oracle_feed(o, "PING\r\n", 6), -1);
    assert_string_equal(ts_oracle_error(o), error);
    assert_int_equal(ts_oracle_finish(o, true), -1);
    ts_oracle_free(o);
}

static void test_violations(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 2, 3, 7, 100000};
    for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++) {
        for (size_t i = 0; i < sizeof connect_rows / sizeof *connect_rows; i++) {
            expect_violation(&connect_rows[i], "", pieces[p]);
        }
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            expect_violation(&rows[i], START, pieces[p]);
        }
    }
    print_message("%zu violations\n", (sizeof connect_rows + sizeof rows) / sizeof *rows);
}

/* Ends of the connection inside a frame: an error unless the transport was cut. */
static void test_partial_frames(void **state)
{
    (void)state;
    static const char stream[] = START "SUB a 1\r\nHPUB a 16 20\r\nNATS/1.0\r\nA:\r\n\r\nbody\r\n";
    static const char *const whole[] = {CONNECT_LINE, START, START "SUB a 1\r\n", stream};
    for (size_t cut = 0; cut < sizeof stream; cut++) {
        bool boundary = cut == 0;
        for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
            boundary = boundary || strlen(whole[i]) == cut;
        }
        for (int allow = 0; allow < 2; allow++) {
            struct ts_oracle *o = ts_oracle_new(NULL);
            assert_int_equal(ts_oracle_feed(o, stream, cut), 0);
            assert_int_equal(ts_oracle_at_boundary(o), boundary);
            assert_int_equal(ts_oracle_finish(o, allow), boundary || allow ? 0 : -1);
            assert_int_equal(ts_oracle_feed(o, "P", 1), -1);
            ts_oracle_free(o);
        }
    }
}

static int feed_long_line(struct ts_oracle *o, const char *op, size_t args, size_t piece)
{
    struct ts_buf line = {0};
    ts_buf_printf(&line, "%s ", op);
    size_t fixed = line.len;
    while (line.len - fixed < args - 2) {
        ts_buf_add(&line, "a", 1);
    }
    ts_buf_add(&line, " 1\r\n", 4);
    int rc = feed_pieces(o, line.at, line.len, piece);
    ts_buf_free(&line);
    return rc;
}

/* Every limit at its value and one over it. */
static void test_limits(void **state)
{
    (void)state;
    static const struct ts_oracle_limits limits = {.max_payload = 20, .max_control_line = 64};
    for (size_t piece = 1; piece < 200; piece += 50) {
        struct ts_oracle *o = ts_oracle_new(&limits);
        assert_int_equal(ts_oracle_feed(o, START, strlen(START)), 0);
        assert_int_equal(feed_long_line(o, "SUB", 64, piece), 0);
        assert_int_equal(feed_long_line(o, "SUB", 65, piece), -1);
        assert_non_null(strstr(ts_oracle_error(o), "control line"));
        ts_oracle_free(o);
    }
    struct ts_oracle *o = ts_oracle_new(&limits);
    static const char at_limit[] = START "PUB a 20\r\n12345678901234567890\r\n";
    assert_int_equal(ts_oracle_feed(o, at_limit, sizeof at_limit - 1), 0);
    ts_oracle_set_max_payload(o, 21);
    assert_int_equal(ts_oracle_feed(o, "PUB a 21\r\n", 10), 0);
    assert_int_equal(ts_oracle_body_left(o), 23);
    assert_int_equal(ts_oracle_feed(o, "123456789012345678901\r\nPUB a 22\r\n", 33), -1);
    ts_oracle_free(o);
    /* a line without end must not be collected for ever */
    o = ts_oracle_new(NULL);
    assert_int_equal(ts_oracle_feed(o, START, strlen(START)), 0);
    size_t fed = 0;
    while (ts_oracle_feed(o, "SUB aaaaaaaaaaaaaaaaaaaa", 24) == 0) {
        fed += 24;
        assert_true(fed < 5000);
    }
    ts_oracle_free(o);
}

/* A server without headers: CONNECT may say so, and then no HPUB may follow. */
static void test_headers_optional(void **state)
{
    (void)state;
    static const char start[] =
        "CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":false,\"lang\":\"c\","
        "\"version\":\"1\",\"protocol\":1,\"headers\":false,\"no_responders\":false}\r\n"
        "PING\r\n";
    struct ts_oracle *o = ts_oracle_new(&(struct ts_oracle_limits){.headers_optional = true});
    assert_int_equal(ts_oracle_feed(o, start, sizeof start - 1), 0);
    assert_int_equal(ts_oracle_feed(o, "HPUB a 12 12\r\n", 14), -1);
    assert_non_null(strstr(ts_oracle_error(o), "headers:false"));
    ts_oracle_free(o);
}

static void test_counts_and_many_sids(void **state)
{
    (void)state;
    struct ts_oracle *o = ts_oracle_new(NULL);
    char line[64];
    assert_int_equal(ts_oracle_feed(o, START, strlen(START)), 0);
    for (int i = 1; i <= 100000; i++) {
        int len = snprintf(line, sizeof line, "SUB a.%d %d\r\n", i, i);
        assert_int_equal(ts_oracle_feed(o, line, (size_t)len), 0);
        if (i % 2) {
            len = snprintf(line, sizeof line, "UNSUB %d\r\nPUB a 3\r\nabc\r\n", i);
            assert_int_equal(ts_oracle_feed(o, line, (size_t)len), 0);
        }
    }
    const struct ts_oracle_counts *counts = ts_oracle_counts(o);
    assert_int_equal(counts->subs_live, 50000);
    assert_int_equal(counts->ops[TS_OP_SUB], 100000);
    assert_int_equal(counts->ops[TS_OP_UNSUB], 50000);
    assert_int_equal(counts->ops[TS_OP_CONNECT], 1);
    assert_int_equal(counts->pub_bytes, 150000);
    assert_int_equal(ts_oracle_feed(o, "SUB a 4\r\n", 9), -1);
    ts_oracle_free(o);
}

/* The message must carry the offset and a printable excerpt. */
static void test_error_text(void **state)
{
    (void)state;
    struct ts_oracle *o = ts_oracle_new(NULL);
    assert_int_equal(ts_oracle_feed(o, START, strlen(START)), 0);
    assert_int_equal(ts_oracle_feed(o, "PUB a\x01 0\r\n", 10), -1);
    char expected[200];
    snprintf(expected, sizeof expected,
             "byte %zu: PUB: a blank or control character in a subject (\"a\\x01\"): \"PUB a\\x01 0\"",
             strlen(START));
    assert_string_equal(ts_oracle_error(o), expected);
    ts_oracle_free(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_streams_cut_anywhere),
        cmocka_unit_test(test_valid_streams_in_pieces),
        cmocka_unit_test(test_violations),
        cmocka_unit_test(test_partial_frames),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_headers_optional),
        cmocka_unit_test(test_counts_and_many_sids),
        cmocka_unit_test(test_error_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
