/* Fuzzes the WebSocket filter. Bytes that are an answer to the upgrade: the same end, however they come in
 * pieces. Bytes behind a good answer: the same content and the same end, too, and no byte that no frame
 * holds; meanwhile the client writes, and the server never has more than what was told to be written, in
 * whole frames with masks.
 *
 * Input: a byte of flags, one of sizes, then what the server says. */
#include "net/ws.h"

#include "net/pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

enum { UPGRADED = 1, WRITES = 2 }; /* flags */

#define INPUT_MAX ((size_t)16384)
#define WRITE_MAX ((size_t)140000) /* more than one frame */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One way of the same bytes through the filter. */
struct run {
    struct nki_stream *client;
    struct nki_stream *wire;
    char key[NKI_WS_KEY_LEN + 1];
    uint8_t content[INPUT_MAX];
    size_t len;
    int32_t status; /* of the upgrade, or of the error that ended it */
    bool ended;
    uint64_t written; /* as the client was told */
    uint64_t heard;   /* by the server */
    size_t offered;   /* what the last write did not take, and has to be given again */
    uint64_t frame_left;
    uint8_t head[14];
    size_t head_len;
    uint8_t mask[4];
    uint64_t frame_at;
    bool data_frame;
};

static uint8_t pattern(uint64_t at)
{
    return (uint8_t)(at * 7 + at / 256);
}

static void open_run(struct run *run, size_t cap)
{
    static const struct nki_ws_request request = {"h", "/", {"A: b\r\n", 6}};
    struct nki_stream *below = NULL;
    struct nki_error err;
    char text[1024];
    memset(run, 0, sizeof *run);
    CHECK(nki_pair_new(cap, &below, &run->wire));
    run->client = nki_ws_open(below, &request, &err);
    CHECK(run->client != NULL);
    size_t len = 0;
    while (len < 4 || memcmp(text + len - 4, "\r\n\r\n", 4) != 0) {
        CHECK(nki_ws_upgrade(run->client, &err) == NKI_PENDING);
        struct iovec iov = {text + len, sizeof text - 1 - len};
        ptrdiff_t got = nki_stream_read(run->wire, &iov, 1);
        CHECK(got > 0);
        len += (size_t)got;
    }
    text[len] = '\0';
    memcpy(run->key, strstr(text, "Key: ") + 5, NKI_WS_KEY_LEN);
    run->status = NKI_PENDING;
}

static void upgrade(struct run *run)
{
    struct nki_error err = {0};
    if (run->status == NKI_PENDING) {
        run->status = nki_ws_upgrade(run->client, &err);
        CHECK(run->status == NKI_OK || run->status == NKI_PENDING ||
              (err.status == run->status && err.text[0] != '\0'));
    }
}

/* The client reads all there is, into pieces of `piece`. */
static void read_all(struct run *run, size_t piece)
{
    while (!run->ended) {
        uint8_t bytes[512];
        struct iovec iov[2] = {{bytes, piece / 2}, {bytes + piece / 2, piece - piece / 2}};
        ptrdiff_t got = nki_stream_read(run->client, iov, 2);
        CHECK(got <= (ptrdiff_t)piece);
        if (got > 0) {
            CHECK(run->len + (size_t)got <= INPUT_MAX);
            memcpy(run->content + run->len, bytes, (size_t)got);
            run->len += (size_t)got;
        } else if (got < 0) {
            struct nki_error err = {0};
            run->client->ops->explain(run->client, &err);
            run->status = got == NKI_STREAM_ERROR ? err.status : NKI_OK;
            CHECK(got != NKI_STREAM_ERROR || (err.status != 0 && err.text[0] != '\0'));
            run->ended = true;
        } else if (!run->client->buffered) {
            return;
        }
    }
}

static void hear_byte(struct run *run, uint8_t byte)
{
    if (run->frame_left > 0) {
        uint8_t plain = byte ^ run->mask[run->frame_at++ % 4];
        run->frame_left--;
        if (run->data_frame) {
            CHECK(plain == pattern(run->heard));
            run->heard++;
        }
        return;
    }
    run->head[run->head_len++] = byte;
    if (run->head_len < 2) {
        return;
    }
    size_t len = run->head[1] & 0x7f;
    size_t want = 6 + (len == 126 ? 2u : len == 127 ? 8u : 0u);
    CHECK((run->head[1] & 0x80) != 0 && (run->head[0] & 0xf0) == 0x80);
    if (run->head_len < want) {
        return;
    }
    run->frame_left = len < 126 ? len : 0;
    for (size_t i = 2; i < want - 4; i++) {
        run->frame_left = run->frame_left << 8 | run->head[i];
    }
    memcpy(run->mask, run->head + want - 4, 4);
    run->data_frame = (run->head[0] & 0x0f) == 2;
    run->frame_at = 0;
    run->head_len = 0;
}

static void hear(struct run *run)
{
    uint8_t bytes[4096];
    struct iovec iov = {bytes, sizeof bytes};
    ptrdiff_t got;
    while ((got = nki_stream_read(run->wire, &iov, 1)) > 0) {
        for (ptrdiff_t i = 0; i < got; i++) {
            hear_byte(run, bytes[i]);
        }
    }
    CHECK(run->heard == run->written);
}

static void write_some(struct run *run, size_t len)
{
    static uint8_t bytes[WRITE_MAX];
    len = len > run->offered ? len : run->offered;
    for (size_t i = 0; i < len; i++) {
        bytes[i] = pattern(run->written + i);
    }
    struct iovec iov[3] = {{bytes, len / 8}, {bytes + len / 8, len / 2}, {bytes + len / 8 + len / 2, 0}};
    iov[2].iov_len = len - len / 8 - len / 2;
    ptrdiff_t sent = nki_stream_write(run->client, iov, 3);
    CHECK(sent <= (ptrdiff_t)len);
    run->written += sent > 0 ? (uint64_t)sent : 0;
    run->offered = len - (sent > 0 ? (size_t)sent : 0);
}

/* The whole of what the server says, in pieces. */
static void say(struct run *run, const uint8_t *data, size_t size, size_t piece, size_t read, bool writes)
{
    for (size_t at = 0; at < size && !run->ended;) {
        struct iovec iov = {(void *)(uintptr_t)(data + at), piece < size - at ? piece : size - at};
        ptrdiff_t sent = nki_stream_write(run->wire, &iov, 1);
        if (sent < 0) {
            break;
        }
        at += (size_t)sent;
        upgrade(run);
        if (run->status != NKI_OK && run->status != NKI_PENDING) {
            return;
        }
        if (run->status == NKI_OK) {
            read_all(run, read);
            if (writes && !run->ended) {
                write_some(run, at * at * 37 % WRITE_MAX);
            }
            hear(run);
        }
    }
}

static void end_run(struct run *run, size_t read)
{
    nki_stream_shutdown(run->wire);
    upgrade(run);
    if (run->status == NKI_OK && !run->ended) {
        read_all(run, read);
        CHECK(run->ended);
    }
    nki_stream_shutdown(run->client);
    nki_stream_free(run->client);
    nki_stream_free(run->wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run runs[2];
    if (size < 2 || size > INPUT_MAX - 256) {
        return 0;
    }
    bool upgraded = (data[0] & UPGRADED) != 0;
    for (size_t i = 0; i < 2; i++) {
        struct run *run = &runs[i];
        size_t piece = i == 0 ? INPUT_MAX : 1 + (size_t)data[1];
        size_t read = i == 0 ? 512 : 1 + (size_t)data[1] % 97;
        open_run(run, i == 0 ? 2 * INPUT_MAX : 300 + (size_t)data[1] * 16);
        if (upgraded) {
            char accept[NKI_WS_ACCEPT_LEN + 1];
            char answer[256];
            CHECK(nki_ws_accept(run->key, accept));
            int len = snprintf(answer, sizeof answer,
                               "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
                               "Sec-WebSocket-Accept: %s\r\n\r\n",
                               accept);
            say(run, (const uint8_t *)answer, (size_t)len, INPUT_MAX, read, false);
            CHECK(run->status == NKI_OK);
        }
        say(run, data + 2, size - 2, piece, read, (data[0] & WRITES) != 0 && i == 1);
        end_run(run, read);
        CHECK(run->len <= size - 2);
    }
    /* Bytes of an answer may come before or after its verdict: only then their number matters. */
    CHECK(!upgraded || (runs[0].status == runs[1].status && runs[0].len == runs[1].len &&
                        memcmp(runs[0].content, runs[1].content, runs[0].len) == 0));
    return 0;
}
