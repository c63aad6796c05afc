/* The WebSocket filter over a pair of streams in memory, with a server of the test's on the other end: what
 * counts as written is what the server can read, through pipes of any size; reading in place; answers to
 * control frames; every kind of end. */
#include "net/ws.h"

#include "../base/cmocka_all.h"
#include "../base/refuse.h"
#include "net/pair.h"
#include "net/ws_frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BIG ((size_t)300 * NKI_KIB)

/* The server's end: takes the client's frames apart. */
struct server {
    struct nki_stream *wire;
    uint8_t head[NKI_WS_HEAD_MAX];
    size_t head_len;
    uint64_t left;
    uint64_t at; /* in the frame */
    uint8_t mask[4];
    uint8_t opcode;
    size_t frames;
    uint8_t control[256]; /* content of control frames, one behind the other, each after its opcode */
    size_t control_len;
    uint8_t masks[64][4];
};

struct ends {
    struct nki_stream *client;
    struct server server;
};

static ptrdiff_t raw_read(struct nki_stream *wire, void *out, size_t len)
{
    struct iovec iov = {out, len};
    return nki_stream_read(wire, &iov, 1);
}

static size_t raw_write(struct nki_stream *wire, const void *data, size_t len)
{
    struct iovec iov = {(void *)(uintptr_t)data, len};
    ptrdiff_t sent = nki_stream_write(wire, &iov, 1);
    return sent > 0 ? (size_t)sent : 0;
}

/* One byte of a head; true: it is complete. */
static bool server_head(struct server *server, uint8_t byte)
{
    server->head[server->head_len++] = byte;
    if (server->head_len < 2) {
        return false;
    }
    size_t len = server->head[1] & 0x7f;
    size_t want = 6 + (len == 126 ? 2u : len == 127 ? 8u : 0u);
    assert_true((server->head[1] & 0x80) != 0); /* masked, always */
    assert_true((server->head[0] & 0xf0) == 0x80);
    if (server->head_len < want) {
        return false;
    }
    server->left = len < 126 ? len : 0;
    for (size_t i = 2; i < want - 4; i++) {
        server->left = server->left << 8 | server->head[i];
    }
    memcpy(server->mask, server->head + want - 4, 4);
    memcpy(server->masks[server->frames % 64], server->mask, 4);
    server->opcode = server->head[0] & 0x0f;
    server->at = 0;
    server->head_len = 0;
    server->frames++;
    if (server->opcode != NKI_WS_BINARY) {
        server->control[server->control_len++] = server->opcode;
    }
    return true;
}

/* Reads all there is: bytes of data. */
static size_t server_read(struct server *server, uint8_t *out)
{
    uint8_t bytes[4096];
    ptrdiff_t got;
    size_t total = 0;
    while ((got = raw_read(server->wire, bytes, sizeof bytes)) > 0) {
        for (ptrdiff_t i = 0; i < got; i++) {
            if (server->left == 0) {
                (void)server_head(server, bytes[i]);
                continue;
            }
            uint8_t plain = bytes[i] ^ server->mask[server->at++ % 4];
            server->left--;
            if (server->opcode == NKI_WS_BINARY) {
                out[total++] = plain;
            } else {
                assert_true(server->control_len < sizeof server->control);
                server->control[server->control_len++] = plain;
            }
        }
    }
    return total;
}

static struct ends opened(size_t cap)
{
    struct ends ends = {0};
    struct nki_stream *below = NULL;
    const struct nki_ws_request request = {"server.test:8080", "/", NKI_STR("")};
    assert_true(nki_pair_new(cap, &below, &ends.server.wire));
    ends.client = nki_ws_open(below, &request, NULL);
    assert_non_null(ends.client);
    return ends;
}

/* Takes the request as it comes; the answer to it goes to `answer`. */
static void read_request(struct ends *ends, char *answer, size_t cap)
{
    char request[1024] = "";
    size_t len = 0;
    struct nki_error err;
    while (strstr(request, "\r\n\r\n") == NULL) {
        assert_int_equal(nki_ws_upgrade(ends->client, &err), NKI_PENDING);
        ptrdiff_t got = raw_read(ends->server.wire, request + len, sizeof request - 1 - len);
        len += got > 0 ? (size_t)got : 0;
        request[len] = '\0';
    }
    const char *at = strstr(request, "Sec-WebSocket-Key: ");
    assert_non_null(at);
    char key[NKI_WS_KEY_LEN + 1] = "";
    char accept[NKI_WS_ACCEPT_LEN + 1];
    memcpy(key, at + 19, NKI_WS_KEY_LEN);
    assert_true(nki_ws_accept(key, accept));
    (void)snprintf(answer, cap,
                   "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                   "Sec-WebSocket-Accept: %s\r\n\r\n",
                   accept);
}

static struct ends connected(size_t cap)
{
    struct ends ends = opened(cap);
    char answer[256];
    struct nki_error err;
    int32_t status = NKI_PENDING;
    read_request(&ends, answer, sizeof answer);
    assert_int_equal(nki_ws_upgrade(ends.client, &err), NKI_PENDING);
    assert_false(ends.client->wants_write);
    for (size_t at = 0; status == NKI_PENDING;) {
        assert_true(at < strlen(answer));
        at += raw_write(ends.server.wire, answer + at, 1);
        status = nki_ws_upgrade(ends.client, &err);
    }
    assert_int_equal(status, NKI_OK);
    assert_false(ends.client->buffered);
    return ends;
}

static void close_ends(struct ends *ends)
{
    nki_stream_free(ends->client);
    nki_stream_free(ends->server.wire);
}

static uint8_t *pattern(size_t len)
{
    uint8_t *data = malloc(len);
    assert_non_null(data);
    for (size_t i = 0; i < len; i++) {
        data[i] = (uint8_t)(i * 31 + i / 251);
    }
    return data;
}

static ptrdiff_t client_read(struct ends *ends, void *out, size_t len)
{
    struct iovec iov = {out, len};
    return nki_stream_read(ends->client, &iov, 1);
}

static ptrdiff_t client_write(struct ends *ends, const void *data, size_t len)
{
    struct iovec iov = {(void *)(uintptr_t)data, len};
    return nki_stream_write(ends->client, &iov, 1);
}

static void say(struct ends *ends, const char *bytes, size_t len)
{
    assert_int_equal(raw_write(ends->server.wire, bytes, len), len);
}

/* Whatever a pipe of any size takes: what write says is written is just what the server has been able to
 * read, content of a frame that is not complete included. */
static void test_written_is_what_the_server_can_read(void **state)
{
    (void)state;
    static const size_t caps[] = {200, 1000, 16384, 131073, 1000000};
    uint8_t *data = pattern(BIG);
    uint8_t *got = malloc(BIG);
    for (size_t c = 0; c < NKI_ARRAY_LEN(caps); c++) {
        struct ends ends = connected(caps[c]);
        size_t written = 0;
        size_t read = 0;
        while (written < BIG) {
            size_t left = BIG - written;
            size_t first = left < 30 ? left : 30;
            size_t second = left - first < 200000 ? left - first : 200000;
            struct iovec iov[4] = {{data + written, first},
                                   {data, 0},
                                   {data + written + first, second},
                                   {data + written + first + second, left - first - second > 0 ? 1 : 0}};
            ptrdiff_t sent = nki_stream_write(ends.client, iov, 4);
            assert_true(sent >= 0);
            written += (size_t)sent;
            read += server_read(&ends.server, got + read);
            assert_int_equal(read, written);
        }
        assert_memory_equal(got, data, BIG);
        assert_true(ends.server.frames >= 3); /* of 128 KiB at most */
        close_ends(&ends);
    }
    free(data);
    free(got);
}

/* One write is one frame, and no two masks are the same. */
static void test_frames_of_writes(void **state)
{
    (void)state;
    struct ends ends = connected(100000);
    uint8_t got[100];
    for (size_t i = 0; i < 50; i++) {
        assert_int_equal(client_write(&ends, "PING\r\n", 6), 6);
        assert_int_equal(server_read(&ends.server, got), 6);
        assert_int_equal(ends.server.frames, i + 1);
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(ends.server.masks[j], ends.server.masks[i], 4);
        }
    }
    close_ends(&ends);
}

/* Frames of any length through pieces of any size are read in place; `buffered` tells when the descriptor
 * would not. */
static void test_reading(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 2, 7, 130, 1000, 70000};
    static const size_t lens[] = {0, 1, 125, 126, 3, 70000, 300};
    uint8_t *data = pattern(BIG);
    uint8_t *wire = malloc(BIG);
    uint8_t *got = malloc(BIG);
    size_t total = 0;
    size_t wire_len = 0;
    for (size_t l = 0; l < NKI_ARRAY_LEN(lens); l++) {
        uint8_t head[NKI_WS_HEAD_MAX];
        size_t head_len = nki_ws_head(head, NKI_WS_BINARY, lens[l], (const uint8_t *)"\0\0\0\0") - 4;
        head[1] &= 0x7f; /* a server's has no mask */
        memcpy(wire + wire_len, head, head_len);
        memcpy(wire + wire_len + head_len, data + total, lens[l]);
        wire_len += head_len + lens[l];
        total += lens[l];
    }
    for (size_t p = 0; p < NKI_ARRAY_LEN(pieces); p++) {
        for (size_t cap = 200; cap < 200000; cap *= 10) {
            struct ends ends = connected(cap);
            size_t sent = 0;
            size_t read = 0;
            while (read < total) {
                sent += raw_write(ends.server.wire, wire + sent, wire_len - sent);
                size_t len = pieces[p] < BIG - read ? pieces[p] : BIG - read;
                struct iovec iov[2] = {{got + read, len / 3}, {got + read + len / 3, len - len / 3}};
                ptrdiff_t result = nki_stream_read(ends.client, iov, 2);
                assert_true(result >= 0);
                assert_true(result <= (ptrdiff_t)len);
                read += (size_t)result;
            }
            assert_int_equal(read, total);
            assert_memory_equal(got, data, total);
            close_ends(&ends);
        }
    }
    free(data);
    free(wire);
    free(got);
}

/* What comes in one read with the answer to the upgrade is not lost, however little is read of it at a time.
 */
static void test_what_comes_with_the_answer(void **state)
{
    (void)state;
    for (size_t piece = 1; piece < 12; piece++) {
        struct ends ends = opened(4096);
        char answer[300];
        struct nki_error err;
        char got[32] = "";
        size_t read = 0;
        read_request(&ends, answer, sizeof answer - 20);
        size_t len = strlen(answer);
        memcpy(answer + len, "\x82\x06INFO {\x89\x00\x82\x03}\r\n", 15);
        say(&ends, answer, len + 15);
        assert_int_equal(nki_ws_upgrade(ends.client, &err), NKI_OK);
        for (int i = 0; i < 40 && ends.client->buffered; i++) {
            ptrdiff_t result = client_read(&ends, got + read, piece);
            assert_true(result >= 0);
            read += (size_t)result;
        }
        assert_int_equal(client_read(&ends, got + read, piece), NKI_STREAM_AGAIN);
        assert_string_equal(got, "INFO {}\r\n");
        (void)server_read(&ends.server, (uint8_t *)got);
        assert_int_equal(ends.server.control_len, 1); /* and the ping in between was answered */
        close_ends(&ends);
    }
}

static void test_pings_are_answered(void **state)
{
    (void)state;
    struct ends ends = connected(4096);
    uint8_t got[64];
    say(&ends,
        "\x89\x05hello\x82\x03"
        "abc\x89\x00",
        14);
    assert_int_equal(client_read(&ends, got, sizeof got), 3);
    assert_memory_equal(got, "abc", 3);
    assert_int_equal(server_read(&ends.server, got), 0);
    assert_int_equal(ends.server.control_len, 7);
    assert_memory_equal(ends.server.control, "\x0ahello\x0a", 7);
    /* Frames without content are no end. */
    say(&ends, "\x82\x00", 2);
    assert_int_equal(client_read(&ends, got, sizeof got), NKI_STREAM_AGAIN);
    close_ends(&ends);
}

/* The reader sends nothing of a frame of the writer's, and no answer goes into the middle of one. */
static void test_answers_wait_for_the_end_of_a_frame(void **state)
{
    (void)state;
    uint8_t *data = pattern(1000);
    uint8_t got[1000];
    uint8_t byte[8];
    struct ends ends = connected(400);
    size_t written = (size_t)client_write(&ends, data, 1000);
    assert_in_range(written, 1, 399);
    size_t read = server_read(&ends.server, got);
    for (int i = 0; i < 4; i++) {
        say(&ends, "\x89\x02hi", 4);
        assert_int_equal(client_read(&ends, byte, sizeof byte), NKI_STREAM_AGAIN);
        assert_int_equal(server_read(&ends.server, got + read), 0);
    }
    while (written < 1000) {
        written += (size_t)client_write(&ends, data + written, 1000 - written);
        read += server_read(&ends.server, got + read);
        assert_int_equal(read, written);
    }
    (void)client_read(&ends, byte, sizeof byte); /* the reader sends the rest of what it owes */
    (void)server_read(&ends.server, got);
    assert_memory_equal(got, data, 1000);
    assert_int_equal(ends.server.control_len, 12);
    assert_memory_equal(ends.server.control, "\x0ahi\x0ahi", 6);
    close_ends(&ends);
    free(data);
}

/* A server that asks without listening costs no memory without end. */
static void test_answers_are_bounded(void **state)
{
    (void)state;
    struct ends ends = connected(300);
    uint8_t bytes[300];
    uint8_t ping[127] = {0x89, 125};
    uint8_t *data = pattern(300);
    (void)client_write(&ends, data, 300); /* the pipe is full */
    free(data);
    uint64_t before = nki_alloc_bytes();
    for (int i = 0; i < 10000; i++) {
        (void)raw_write(ends.server.wire, ping, sizeof ping);
        assert_int_equal(client_read(&ends, bytes, sizeof bytes), NKI_STREAM_AGAIN);
    }
    assert_true(nki_alloc_bytes() - before < 20000);
    close_ends(&ends);
}

struct end_row {
    const char *bytes;
    size_t len;
    int32_t status; /* 0: an orderly end */
    const char *text;
    const char *answer; /* content of the client's close frame */
    size_t answer_len;
};

#define BYTES(text) text, sizeof(text) - 1

static void test_ends(void **state)
{
    (void)state;
    static const struct end_row rows[] = {
        {BYTES("\x88\x00"), 0, "", BYTES("\x08")},
        {BYTES("\x88\x02\x03\xe8"), 0, "", BYTES("\x08\x03\xe8")},
        {BYTES("\x88\x02\x03\xe9"), 0, "", BYTES("\x08\x03\xe9")},
        {BYTES("\x88\x08\x03\xf0policy"), NKI_DISCONNECTED, "1008 policy", BYTES("\x08\x03\xf0")},
        {BYTES("\x82\x81"), NKI_WEBSOCKET, "masked", BYTES("\x08\x03\xea")},
        {BYTES("\x81\x01"), NKI_WEBSOCKET, "text", BYTES("\x08\x03\xeb")},
        {BYTES("\x82\x7f\x01\0\0\0\0\0\0\0"), NKI_WEBSOCKET, "1 GiB", BYTES("\x08\x03\xf1")},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct ends ends = connected(4096);
        uint8_t got[64];
        struct nki_error err = {0};
        say(&ends,
            "\x82\x02"
            "ab",
            4);
        say(&ends, rows[i].bytes, rows[i].len);
        say(&ends,
            "\x82\x02"
            "cd",
            4); /* nobody reads that */
        assert_int_equal(client_read(&ends, got, sizeof got), 2);
        assert_true(ends.client->buffered);
        for (int again = 0; again < 2; again++) {
            ptrdiff_t result = client_read(&ends, got, sizeof got);
            assert_int_equal(result, rows[i].status == 0 ? NKI_STREAM_EOF : NKI_STREAM_ERROR);
        }
        if (rows[i].status != 0) {
            ends.client->ops->explain(ends.client, &err);
            assert_int_equal(err.status, rows[i].status);
            assert_non_null(strstr(err.text, rows[i].text));
        }
        assert_int_equal(server_read(&ends.server, got), 0);
        assert_int_equal(ends.server.control_len, rows[i].answer_len);
        assert_memory_equal(ends.server.control, rows[i].answer, rows[i].answer_len);
        assert_int_equal(client_write(&ends, "x", 1), NKI_STREAM_ERROR); /* nothing behind a close */
        close_ends(&ends);
    }
    struct ends ends = connected(4096);
    uint8_t byte[1];
    nki_stream_shutdown(ends.server.wire);
    assert_int_equal(client_read(&ends, byte, 1), NKI_STREAM_EOF);
    close_ends(&ends);
}

static void test_shutdown_says_good_bye(void **state)
{
    (void)state;
    uint8_t got[1000];
    struct ends ends = connected(4096);
    nki_stream_shutdown(ends.client);
    (void)server_read(&ends.server, got);
    assert_int_equal(ends.server.control_len, 3);
    assert_memory_equal(ends.server.control, "\x08\x03\xe8", 3);
    assert_int_equal(client_write(&ends, "x", 1), NKI_STREAM_ERROR);
    nki_stream_shutdown(ends.client);
    close_ends(&ends);
    /* Not in the middle of a frame. */
    uint8_t *data = pattern(1000);
    ends = connected(400);
    (void)client_write(&ends, data, 1000);
    size_t room = server_read(&ends.server, got);
    nki_stream_shutdown(ends.client);
    assert_int_equal(server_read(&ends.server, got), 0);
    assert_true(room < 1000 && ends.server.control_len == 0);
    close_ends(&ends);
    free(data);
}

static void test_upgrades_that_fail(void **state)
{
    (void)state;
    static const struct row {
        const char *answer;
        bool ends;
        int32_t status;
        const char *text;
    } rows[] = {
        {"HTTP/1.1 403 Forbidden\r\n\r\nnot from there\n", false, NKI_WS_REFUSED,
         "403 Forbidden: not from there"},
        {"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: "
         "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
         false, NKI_WEBSOCKET, "does not fit"},
        {"INFO {\"a\":1}\r\n", false, NKI_WEBSOCKET, "nats://"},
        {"HTTP/1.1 10", true, NKI_DISCONNECTED, "during the upgrade"},
        {"", true, NKI_DISCONNECTED, "during the upgrade"},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct ends ends = opened(4096);
        struct nki_error err = {0};
        assert_int_equal(nki_ws_upgrade(ends.client, &err), NKI_PENDING);
        say(&ends, rows[i].answer, strlen(rows[i].answer));
        if (rows[i].ends) {
            assert_int_equal(nki_ws_upgrade(ends.client, &err), NKI_PENDING);
            nki_stream_shutdown(ends.server.wire);
        }
        for (int again = 0; again < 2; again++) {
            assert_int_equal(nki_ws_upgrade(ends.client, &err), rows[i].status);
            assert_non_null(strstr(err.text, rows[i].text));
        }
        nki_stream_shutdown(ends.client); /* no frame before the upgrade */
        close_ends(&ends);
    }
    /* A head that does not end. */
    struct ends ends = opened(4096);
    struct nki_error err = {0};
    int32_t status = NKI_PENDING;
    say(&ends, "HTTP/1.1 101 x\r\n", 16);
    for (int i = 0; i < 3000 && status == NKI_PENDING; i++) {
        say(&ends, "A: b\r\n", 6);
        status = nki_ws_upgrade(ends.client, &err);
    }
    assert_int_equal(status, NKI_WEBSOCKET);
    assert_non_null(strstr(err.text, "8 KiB"));
    close_ends(&ends);
}

static void test_memory(void **state)
{
    (void)state;
    static const struct nki_ws_request request = {"a", "/", {"X: y\r\n", 6}};
    for (long nth = 1; refuse_begin(nth); nth++) {
        struct nki_stream *below = NULL;
        struct nki_stream *other = NULL;
        if (!nki_pair_new(4096, &below, &other)) {
            continue;
        }
        struct nki_error err = {0};
        struct nki_stream *client = nki_ws_open(below, &request, &err);
        if (client == NULL) {
            assert_true(refuse_happened());
            assert_int_equal(err.status, NKI_NO_MEMORY);
            nki_stream_free(below);
        }
        nki_stream_free(client);
        nki_stream_free(other);
    }
    refuse_end();
    struct ends ends = connected(100000);
    uint8_t *data = pattern(50000);
    uint8_t *got = malloc(50000);
    assert_true(refuse_begin(1));
    assert_int_equal(client_write(&ends, data, 50000), NKI_STREAM_ERROR);
    refuse_end();
    assert_int_equal(client_write(&ends, data, 50000), 50000); /* nothing of it had gone */
    assert_int_equal(server_read(&ends.server, got), 50000);
    assert_memory_equal(got, data, 50000);
    close_ends(&ends);
    free(data);
    free(got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_is_what_the_server_can_read),
        cmocka_unit_test(test_frames_of_writes),
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_what_comes_with_the_answer),
        cmocka_unit_test(test_pings_are_answered),
        cmocka_unit_test(test_answers_wait_for_the_end_of_a_frame),
        cmocka_unit_test(test_answers_are_bounded),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_shutdown_says_good_bye),
        cmocka_unit_test(test_upgrades_that_fail),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
