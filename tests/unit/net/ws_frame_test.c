/* Frames of WebSocket and the upgrade, as bytes: every form of a head, in pieces of every size; what a server
 * must not send; requests and answers. */
#include "net/ws_frame.h"
#include "net/ws_upgrade.h"

#include "../base/cmocka_all.h"
#include "base/status.h"

#include <stdlib.h>
#include <string.h>

#define OUT_MAX ((size_t)80000)

/* What a decoder has told. */
struct told {
    uint8_t data[OUT_MAX];
    size_t len;
    char log[64]; /* 'p' ping, 'c' close, '!' malformed; a digit per ping: the length of its content */
};

static void add_log(struct told *told, char what)
{
    size_t len = strlen(told->log);
    assert_true(len + 1 < sizeof told->log);
    told->log[len] = what;
}

/* Feeds bytes in pieces of `piece`. */
static void feed(struct nki_ws_decoder *decoder, const uint8_t *data, size_t len, size_t piece,
                 struct told *told)
{
    memset(told, 0, sizeof *told);
    for (size_t at = 0; at < len; at += piece) {
        size_t end = at + piece < len ? at + piece : len;
        for (size_t from = at; from < end;) {
            size_t used;
            size_t content;
            enum nki_ws_item item = nki_ws_decode(decoder, data + from, end - from, &used, &content);
            assert_true(used <= end - from && content <= used);
            from += used;
            if (item == NKI_WS_DATA) {
                assert_true(content > 0 && told->len + content <= OUT_MAX);
                memcpy(told->data + told->len, data + from - content, content);
                told->len += content;
            } else if (item == NKI_WS_GOT_PING) {
                add_log(told, 'p');
                add_log(told, (char)('0' + decoder->control_len % 10));
            } else if (item == NKI_WS_GOT_CLOSE) {
                add_log(told, 'c');
            } else if (item == NKI_WS_MALFORMED) {
                add_log(told, '!');
                return;
            } else {
                assert_int_equal(from, end);
            }
        }
    }
}

/* A frame as a server sends it; its length. */
static size_t frame(uint8_t *out, uint8_t first, const uint8_t *content, size_t len)
{
    size_t at = 0;
    out[at++] = first;
    if (len < 126) {
        out[at++] = (uint8_t)len;
    } else if (len <= UINT16_MAX) {
        out[at++] = 126;
        out[at++] = (uint8_t)(len >> 8);
        out[at++] = (uint8_t)len;
    } else {
        out[at++] = 127;
        for (int shift = 56; shift >= 0; shift -= 8) {
            out[at++] = (uint8_t)((uint64_t)len >> shift);
        }
    }
    memcpy(out + at, content, len);
    return at + len;
}

static const uint8_t *pattern(void)
{
    static uint8_t data[OUT_MAX];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 13 + i / 256);
    }
    return data;
}

static void test_every_length(void **state)
{
    (void)state;
    static const size_t lens[] = {0, 1, 2, 124, 125, 126, 127, 128, 65534, 65535, 65536, 65537};
    static const size_t pieces[] = {1, 2, 3, 11, 4096, 1000000};
    const uint8_t *data = pattern();
    uint8_t *bytes = malloc(OUT_MAX);
    struct told *told = malloc(sizeof *told);
    for (size_t l = 0; l < NKI_ARRAY_LEN(lens); l++) {
        for (size_t p = 0; p < NKI_ARRAY_LEN(pieces); p++) {
            struct nki_ws_decoder decoder = {0};
            size_t len = frame(bytes, 0x82, data, lens[l]);
            len += frame(bytes + len, 0x82, data, 3);
            feed(&decoder, bytes, len, pieces[p], told);
            assert_int_equal(told->len, lens[l] + 3);
            assert_memory_equal(told->data, data, lens[l]);
            assert_memory_equal(told->data + lens[l], data, 3);
            assert_string_equal(told->log, "");
        }
    }
    free(bytes);
    free(told);
}

/* A message in pieces, with control frames before, between and behind them. */
static void test_control_frames_in_between(void **state)
{
    (void)state;
    const uint8_t *data = pattern();
    uint8_t bytes[1000];
    struct told *told = malloc(sizeof *told);
    for (size_t piece = 1; piece < 40; piece++) {
        struct nki_ws_decoder decoder = {0};
        size_t len = frame(bytes, 0x89, data, 4);
        len += frame(bytes + len, 0x02, data, 10); /* begins */
        len += frame(bytes + len, 0x89, data, 0);
        len += frame(bytes + len, 0x8a, data, 125); /* an answer that nobody asked for */
        len += frame(bytes + len, 0x00, data + 10, 0);
        len += frame(bytes + len, 0x00, data + 10, 20);
        len += frame(bytes + len, 0x89, data, 125);
        len += frame(bytes + len, 0x80, data + 30, 1); /* ends */
        len += frame(bytes + len, 0x82, data + 31, 1);
        len += frame(bytes + len, 0x88,
                     (const uint8_t *)"\x03\xe8"
                                      "bye",
                     5);
        feed(&decoder, bytes, len, piece, told);
        assert_int_equal(told->len, 32);
        assert_memory_equal(told->data, data, 32);
        assert_string_equal(told->log, "p4p0p5c");
        assert_int_equal(decoder.code, 1000);
        assert_int_equal(decoder.control_len, 3);
        assert_memory_equal(decoder.control, "bye", 3);
    }
    free(told);
}

static void test_close_without_a_code(void **state)
{
    (void)state;
    struct nki_ws_decoder decoder = {0};
    struct told *told = calloc(1, sizeof *told);
    feed(&decoder, (const uint8_t *)"\x88\x00", 2, 1, told);
    assert_string_equal(told->log, "c");
    assert_int_equal(decoder.code, NKI_WS_CODE_NONE);
    free(told);
}

#define BYTES(text) text, sizeof(text) - 1

static void test_what_a_server_must_not_send(void **state)
{
    (void)state;
    static const struct row {
        const char *bytes;
        size_t len;
        uint16_t code;
        const char *fault;
    } rows[] = {
        {BYTES("\x82\x81"), 1002, "masked"},
        {BYTES("\x89\x80"), 1002, "masked"},
        {BYTES("\xc2\x01"), 1002, "extension"},
        {BYTES("\xa2\x01"), 1002, "extension"},
        {BYTES("\x92\x01"), 1002, "extension"},
        {BYTES("\x83\x01"), 1002, "opcode"},
        {BYTES("\x87\x01"), 1002, "opcode"},
        {BYTES("\x8b\x01"), 1002, "opcode"},
        {BYTES("\x8f\x01"), 1002, "opcode"},
        {BYTES("\x81\x01"), 1003, "text"},
        {BYTES("\x01\x01"), 1003, "text"},
        {BYTES("\x80\x01"), 1002, "not begun"},
        {BYTES("\x00\x01"), 1002, "not begun"},
        {BYTES("\x02\x00\x82\x00"), 1002, "within another"},
        {BYTES("\x02\x00\x80\x00\x80\x00"), 1002, "not begun"},
        {BYTES("\x09\x00"), 1002, "in pieces"},
        {BYTES("\x08\x00"), 1002, "in pieces"},
        {BYTES("\x89\x7e"), 1002, "longer than 125"},
        {BYTES("\x88\x7f"), 1002, "longer than 125"},
        {BYTES("\x88\x01\x03"), 1002, "half a code"},
        {BYTES("\x82\x7e\x00\x7d"), 1002, "shortest"},
        {BYTES("\x82\x7f\0\0\0\0\0\0\xff\xff"), 1002, "shortest"},
        {BYTES("\x82\x7f\0\0\0\0\x40\0\0\x01"), 1009, "1 GiB"},
        {BYTES("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"), 1009, "1 GiB"},
        {BYTES("\x82\x7f\x80\0\0\0\0\0\0\0"), 1009, "1 GiB"},
    };
    struct told *told = malloc(sizeof *told);
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        for (size_t piece = 1; piece <= rows[i].len; piece++) {
            struct nki_ws_decoder decoder = {0};
            feed(&decoder, (const uint8_t *)rows[i].bytes, rows[i].len, piece, told);
            if (strcmp(told->log, "!") != 0 || strstr(decoder.fault, rows[i].fault) == NULL ||
                decoder.code != rows[i].code) {
                fail_msg("row %zu in pieces of %zu: '%s', %u %s", i, piece, told->log, decoder.code,
                         decoder.fault != NULL ? decoder.fault : "");
            }
        }
    }
    /* The greatest that is let in. */
    struct nki_ws_decoder decoder = {0};
    feed(&decoder, (const uint8_t *)"\x82\x7f\0\0\0\0\x40\0\0\0x", 11, 1, told);
    assert_int_equal(told->len, 1);
    free(told);
}

static void test_heads_and_masks(void **state)
{
    (void)state;
    static const struct row {
        uint64_t len;
        const char *head;
        size_t head_len;
    } rows[] = {
        {0, BYTES("\x82\x80mask")},
        {125, BYTES("\x82\xfdmask")},
        {126, BYTES("\x82\xfe\x00\x7emask")},
        {65535, BYTES("\x82\xfe\xff\xffmask")},
        {65536, BYTES("\x82\xff\0\0\0\0\0\x01\0\0mask")},
    };
    uint8_t head[NKI_WS_HEAD_MAX];
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        assert_int_equal(nki_ws_head(head, NKI_WS_BINARY, rows[i].len, (const uint8_t *)"mask"),
                         rows[i].head_len);
        assert_memory_equal(head, rows[i].head, rows[i].head_len);
    }
    const uint8_t *data = pattern();
    static const uint8_t mask[4] = {1, 0x80, 7, 0xff};
    uint8_t whole[100];
    nki_ws_mask(whole, data, sizeof whole, mask, 0);
    for (size_t i = 0; i < sizeof whole; i++) {
        assert_int_equal(whole[i], data[i] ^ mask[i % 4]);
    }
    for (size_t cut = 0; cut <= sizeof whole; cut++) {
        uint8_t parts[sizeof whole];
        nki_ws_mask(parts, data, cut, mask, 0);
        nki_ws_mask(parts + cut, data + cut, sizeof whole - cut, mask, cut);
        assert_memory_equal(parts, whole, sizeof whole);
    }
}

/* -- the upgrade -------------------------------------------------------------------------------------------
 */

#define KEY "dGhlIHNhbXBsZSBub25jZQ==" /* RFC 6455, 1.3 */
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define OK_HEAD                                                                                              \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                      \
    "Sec-WebSocket-Accept: " ACCEPT "\r\n"

static void test_keys(void **state)
{
    (void)state;
    char accept[NKI_WS_ACCEPT_LEN + 1];
    char one[NKI_WS_KEY_LEN + 1];
    char other[NKI_WS_KEY_LEN + 1];
    assert_true(nki_ws_accept(KEY, accept));
    assert_string_equal(accept, ACCEPT);
    nki_ws_key(one);
    nki_ws_key(other);
    assert_int_equal(strlen(one), NKI_WS_KEY_LEN);
    assert_string_not_equal(one, other);
}

static void test_request(void **state)
{
    (void)state;
    struct nki_buf out = {0};
    const struct nki_ws_request request = {"[::1]:8080", "/nats?a=b", NKI_STR("X-A: 1\r\nX-B: 2\r\n")};
    assert_true(nki_ws_request_emit(&out, &request, KEY));
    assert_true(nki_buf_append(&out, "", 1));
    assert_string_equal((const char *)out.data,
                        "GET /nats?a=b HTTP/1.1\r\nHost: [::1]:8080\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY
                        "\r\nX-A: 1\r\nX-B: 2\r\n\r\n");
    nki_buf_free(&out);
}

static void test_answers(void **state)
{
    (void)state;
    static const struct row {
        const char *answer;
        int32_t status;
        int32_t code;
        const char *text;
    } rows[] = {
        {OK_HEAD "\r\n", NKI_OK, 0, ""},
        {OK_HEAD "Server: x\r\nX:\r\n\r\nframes", NKI_OK, 0, ""},
        {"HTTP/1.1 101\r\nupgrade:WebSocket\r\nconnection: keep-alive, Upgrade\r\n"
         "sec-websocket-accept:\t" ACCEPT "  \r\n\r\n",
         NKI_OK, 0, ""},
        {"HTTP/1.1 403 Forbidden\r\n\r\n", NKI_WS_REFUSED, 403, "403 Forbidden"},
        {"HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nno good\nat all", NKI_WS_REFUSED, 400,
         "400 Bad Request: no good"},
        {"HTTP/1.0 404 Not Found\r\n\r\n<html>", NKI_WS_REFUSED, 404, "404 Not Found"},
        {"HTTP/1.1 200 OK\r\n\r\n\x01\x02", NKI_WS_REFUSED, 200, "200 OK: ??"},
        {"INFO {}\r\n", NKI_WEBSOCKET, 0, "INFO"},
        {"+OK\r\n", NKI_WEBSOCKET, 0, "not HTTP"},
        {"HTTP/2 101\r\n\r\n", NKI_WEBSOCKET, 0, "not HTTP"},
        {"HTTP/1.1 1x1 no\r\n\r\n", NKI_WEBSOCKET, 0, "status line"},
        {"HTTP/1.1 1012 no\r\n\r\n", NKI_WEBSOCKET, 0, "status line"},
        {"HTTP/1.1\r\n\r\n", NKI_WEBSOCKET, 0, "status line"},
        {"HTTP/1.1 101 x\r\nno colon\r\n\r\n", NKI_WEBSOCKET, 0, "header line"},
        {"HTTP/1.1 101 x\r\n folded: x\r\n\r\n", NKI_WEBSOCKET, 0, "header line"},
        {"HTTP/1.1 101 x\r\n\r\n", NKI_WEBSOCKET, 0, "lacks Upgrade"},
        {"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: close\r\n\r\n", NKI_WEBSOCKET, 0,
         "lacks Upgrade"},
        {"HTTP/1.1 101 x\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", NKI_WEBSOCKET, 0, "lacks Upgrade"},
        {"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", NKI_WEBSOCKET, 0,
         "lacks Sec-WebSocket-Accept"},
        {OK_HEAD "Sec-WebSocket-Accept: other\r\n\r\n", NKI_WEBSOCKET, 0, "does not fit"},
        {OK_HEAD "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", NKI_WEBSOCKET, 0, "extension"},
        {OK_HEAD "Sec-WebSocket-Protocol: mqtt\r\n\r\n", NKI_WEBSOCKET, 0, "protocol"},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        size_t total = strlen(rows[i].answer);
        int32_t status = NKI_PENDING;
        struct nki_error err = {0};
        size_t head_len = 0;
        size_t len = 0;
        while (len <= total && status == NKI_PENDING) { /* as it comes, byte by byte */
            status = nki_ws_answer_read(nki_str_make(rows[i].answer, len++), ACCEPT, &head_len, &err);
        }
        if (status == NKI_WS_REFUSED) { /* with all that has come, too */
            status = nki_ws_answer_read(nki_str_z(rows[i].answer), ACCEPT, &head_len, &err);
        }
        if (status != rows[i].status || err.server_code != rows[i].code ||
            strstr(err.text, rows[i].text) == NULL) {
            fail_msg("row %zu: %d, %d, %s", i, status, err.server_code, err.text);
        }
        assert_true(status != NKI_OK || memcmp(rows[i].answer + head_len - 4, "\r\n\r\n", 4) == 0);
    }
}

static void test_an_answer_without_end(void **state)
{
    (void)state;
    char *answer = malloc(NKI_WS_ANSWER_MAX);
    struct nki_error err = {0};
    size_t head_len;
    memset(answer, 'a', NKI_WS_ANSWER_MAX);
    memcpy(answer, "HTTP/1.1 101 x\r\n", 16);
    assert_int_equal(nki_ws_answer_read(nki_str_make(answer, NKI_WS_ANSWER_MAX - 1), ACCEPT, &head_len, &err),
                     NKI_PENDING);
    assert_int_equal(nki_ws_answer_read(nki_str_make(answer, NKI_WS_ANSWER_MAX), ACCEPT, &head_len, &err),
                     NKI_WEBSOCKET);
    free(answer);
}

static void test_header_lines(void **state)
{
    (void)state;
    static const char *const good[] = {"A: b", "Authorization: Basic eA==", "X-Y:", "Cookie:a=b; c=d",
                                       "A:\tb"};
    static const char *const bad[] = {"",
                                      "A",
                                      ": b",
                                      "A b: c",
                                      "A: b\r\nC: d",
                                      "A\n: b",
                                      "Host: a",
                                      "host: ",
                                      "Upgrade: h2c",
                                      "connection: x",
                                      "Sec-WebSocket-Key: x",
                                      "sec-websocket-Protocol: x",
                                      "Content-Length: 4",
                                      "Transfer-Encoding: chunked",
                                      "A: b\x01"};
    struct nki_error err;
    for (size_t i = 0; i < NKI_ARRAY_LEN(good); i++) {
        assert_int_equal(nki_ws_header_check(nki_str_z(good[i]), &err), NKI_OK);
    }
    for (size_t i = 0; i < NKI_ARRAY_LEN(bad); i++) {
        if (nki_ws_header_check(nki_str_z(bad[i]), &err) != NKI_INVALID) {
            fail_msg("'%s' was let through", bad[i]);
        }
    }
    (void)nki_ws_header_check(NKI_STR("Token: secret\n"), &err);
    assert_null(strstr(err.text, "secret"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_control_frames_in_between),
        cmocka_unit_test(test_close_without_a_code),
        cmocka_unit_test(test_what_a_server_must_not_send),
        cmocka_unit_test(test_heads_and_masks),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_an_answer_without_end),
        cmocka_unit_test(test_header_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
