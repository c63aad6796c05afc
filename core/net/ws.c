/* The WebSocket filter: see ws.h.
 *
 * What is read goes to the reader's own place and is stripped of its frames there: nothing of it is kept here
 * but the head of a frame or a control frame that has not all come. What is written goes out in frames of up
 * to FRAME_MAX, masked in memory. The server reads the content of a frame as it comes, so write reports just
 * those bytes that the stream below has taken; the rest of their frame is kept, and the next write is given
 * the same bytes again.
 *
 * Lock: mu, above that of the stream below; every write below is under it. */
#include "net/ws.h"

#include "base/alloc.h"
#include "base/rand.h"
#include "net/ws_frame.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#define FRAME_MAX ((size_t)128 * NKI_KIB) /* with its head: whole records of TLS, and a write that pays */
#define CONTROL_MAX ((size_t)4 * NKI_KIB) /* of answers that wait; a server that only asks gets no more */
#define MASKS 32                          /* fetched from the system at a time */

struct ws {
    struct nki_stream stream;
    struct nki_stream *below;

    pthread_mutex_t mu;
    /* guarded by mu */
    struct nki_buf out; /* what goes out next: control frames, a frame of data, control frames */
    size_t out_at;      /* of which so much is written */
    size_t data_at;     /* where in it the content of the frame of data begins, */
    size_t data_end;    /* and ends; 0: there is none */
    uint8_t masks[MASKS][4];
    size_t mask_count; /* that were not used yet */
    bool done;         /* the upgrade */
    bool closing;      /* a close frame is in `out`, or was: nothing may follow it */

    /* the reader's */
    struct nki_ws_decoder decoder;
    uint8_t *early; /* of the upgrade's answer, and what came with it; NULL when it is used up */
    size_t early_at;
    size_t early_len;
    bool ended; /* the server has closed */
    bool owes;  /* answers of the reader wait */
    char accept[NKI_WS_ACCEPT_LEN + 1];
    struct nki_error error; /* status 0: none yet */
};

static struct ws *of(struct nki_stream *stream)
{
    return NKI_CONTAINER_OF(stream, struct ws, stream);
}

/* What the stream below says of its own error; it says nothing of a write that failed. */
static bool explained_below(const struct ws *ws, struct nki_error *err)
{
    err->status = NKI_OK;
    if (ws->below->ops->explain != NULL) {
        ws->below->ops->explain(ws->below, err);
    }
    return err->status != NKI_OK;
}

/* Its number is this one's, too. */
static void take_errno(struct ws *ws, ptrdiff_t result)
{
    if (result == NKI_STREAM_ERROR) {
        atomic_store(&ws->stream.sys_errno, atomic_load(&ws->below->sys_errno));
    }
}

/* -- what goes out; with mu held ---------------------------------------------------------------------------
 */

/* Writes until there is nothing, or the stream below takes no more: what it said last. */
static ptrdiff_t flush(struct ws *ws)
{
    while (ws->out_at < ws->out.len) {
        struct iovec iov = {ws->out.data + ws->out_at, ws->out.len - ws->out_at};
        ptrdiff_t sent = nki_stream_write(ws->below, &iov, 1);
        if (sent <= 0) {
            take_errno(ws, sent);
            return sent;
        }
        ws->out_at += (size_t)sent;
    }
    ws->out.len = ws->out_at = ws->data_at = ws->data_end = 0;
    return 1;
}

/* Bytes of the frame of data that were not told to be written. */
static size_t untold(const struct ws *ws)
{
    size_t from = ws->out_at > ws->data_at ? ws->out_at : ws->data_at;
    return ws->data_end > from ? ws->data_end - from : 0;
}

/* A mask that nobody can foresee: what stands in between must not be made to see requests of the writer's
 * choice. */
static const uint8_t *next_mask(struct ws *ws)
{
    if (ws->mask_count == 0) {
        nki_rand_system(ws->masks, sizeof ws->masks);
        ws->mask_count = MASKS;
    }
    return ws->masks[--ws->mask_count];
}

/* Appends a frame of a few bytes behind all that is there; without room, or memory, it is left out. */
static void add_control(struct ws *ws, enum nki_ws_opcode opcode, const uint8_t *content, size_t len)
{
    uint8_t frame[NKI_WS_HEAD_MAX + NKI_WS_CONTROL_MAX];
    size_t data = ws->data_end > 0 ? ws->data_end - ws->data_at : 0;
    assert(len <= NKI_WS_CONTROL_MAX);
    if (ws->closing || ws->out.len - data > CONTROL_MAX) {
        return;
    }
    const uint8_t *mask = next_mask(ws);
    size_t head = nki_ws_head(frame, opcode, len, mask);
    nki_ws_mask(frame + head, content, len, mask, 0);
    ws->closing = nki_buf_append(&ws->out, frame, head + len) && opcode == NKI_WS_CLOSE;
}

static void add_close(struct ws *ws, uint16_t code)
{
    uint8_t content[2] = {(uint8_t)(code >> 8), (uint8_t)code};
    add_control(ws, NKI_WS_CLOSE, content, code == NKI_WS_CODE_NONE ? 0 : sizeof content);
}

/* Sends answers of the reader. Data are the writer's to send: they would be with the server, and the outbox
 * would not know it when the connection is lost next. */
static void flush_control(struct ws *ws)
{
    if (untold(ws) == 0) {
        (void)flush(ws);
    }
    ws->owes = ws->out.len > 0;
}

/* -- reading -----------------------------------------------------------------------------------------------
 */

/* A place in pieces of memory. */
struct place {
    const struct iovec *iov;
    int count;
    size_t at; /* in the first of them */
};

/* Copies to the place, which is not behind the bytes if they stand in the same pieces. */
static void put(struct place *to, const uint8_t *from, size_t len)
{
    while (len > 0) {
        assert(to->count > 0);
        size_t room = to->iov->iov_len - to->at;
        size_t step = len < room ? len : room;
        if (step > 0) {
            memmove((uint8_t *)to->iov->iov_base + to->at, from, step);
        }
        from += step;
        len -= step;
        to->at += step;
        if (to->at == to->iov->iov_len) {
            to->iov++;
            to->count--;
            to->at = 0;
        }
    }
}

/* The server's close frame, which is answered. One that gives a reason is an error that says it. */
static void got_close(struct ws *ws)
{
    const struct nki_ws_decoder *decoder = &ws->decoder;
    struct nki_str reason = nki_str_make((const char *)decoder->control, decoder->control_len);
    ws->ended = true;
    if (decoder->code != NKI_WS_CODE_NORMAL && decoder->code != NKI_WS_CODE_GOING_AWAY &&
        decoder->code != NKI_WS_CODE_NONE) {
        nki_error_set(&ws->error, NKI_DISCONNECTED, "the server closed the WebSocket: %u%s%.*s",
                      (unsigned)decoder->code, reason.len > 0 ? " " : "", (int)reason.len,
                      reason.len > 0 ? reason.ptr : "");
        atomic_store(&ws->stream.sys_errno, EPROTO);
    }
    pthread_mutex_lock(&ws->mu);
    add_close(ws, decoder->code);
    flush_control(ws);
    pthread_mutex_unlock(&ws->mu);
}

static void got_malformed(struct ws *ws)
{
    nki_error_set(&ws->error, NKI_WEBSOCKET, "WebSocket: %s", ws->decoder.fault);
    atomic_store(&ws->stream.sys_errno, EPROTO);
    pthread_mutex_lock(&ws->mu);
    add_close(ws, ws->decoder.code);
    flush_control(ws);
    pthread_mutex_unlock(&ws->mu);
}

/* Takes the frames off bytes that were read, and moves their content to `to`; how much that is. */
static size_t strip(struct ws *ws, const uint8_t *data, size_t len, struct place *to)
{
    size_t total = 0;
    for (size_t at = 0; at < len && !ws->ended && ws->error.status == 0;) {
        size_t used;
        size_t content;
        enum nki_ws_item item = nki_ws_decode(&ws->decoder, data + at, len - at, &used, &content);
        at += used;
        switch (item) {
        case NKI_WS_DATA:
            put(to, data + at - content, content);
            total += content;
            break;
        case NKI_WS_GOT_PING:
            pthread_mutex_lock(&ws->mu);
            add_control(ws, NKI_WS_PONG, ws->decoder.control, ws->decoder.control_len);
            pthread_mutex_unlock(&ws->mu);
            ws->owes = true;
            break;
        case NKI_WS_GOT_CLOSE:
            got_close(ws);
            break;
        case NKI_WS_MALFORMED:
            got_malformed(ws);
            break;
        case NKI_WS_MORE:
            break;
        }
    }
    return total;
}

/* What came with the upgrade's answer, up to so many bytes. */
static size_t strip_early(struct ws *ws, size_t asked, struct place *to)
{
    size_t len = ws->early_len - ws->early_at;
    len = len < asked ? len : asked;
    size_t total = strip(ws, ws->early + ws->early_at, len, to);
    ws->early_at += len;
    if (ws->early_at == ws->early_len) {
        nki_free(ws->early);
        ws->early = NULL;
    }
    return total;
}

/* Nothing more comes: what the reader is told. */
static ptrdiff_t no_more(const struct ws *ws)
{
    return ws->error.status != 0 ? NKI_STREAM_ERROR : NKI_STREAM_EOF;
}

static ptrdiff_t ws_read(struct nki_stream *stream, const struct iovec *iov, int count)
{
    struct ws *ws = of(stream);
    struct place to = {iov, count, 0};
    size_t asked = 0;
    size_t total = 0;
    assert(ws->done);
    if (ws->ended || ws->error.status != 0) {
        return no_more(ws);
    }
    for (int i = 0; i < count; i++) {
        asked += iov[i].iov_len;
    }
    bool filled = ws->early != NULL;
    if (ws->early != NULL) {
        total = strip_early(ws, asked, &to);
    } else {
        ptrdiff_t got = nki_stream_read(ws->below, iov, count);
        if (got < 0) {
            take_errno(ws, got);
            stream->buffered = false;
            return got;
        }
        filled = (size_t)got == asked;
        for (int i = 0; i < count && got > 0; i++) {
            size_t len = (size_t)got < iov[i].iov_len ? (size_t)got : iov[i].iov_len;
            total += strip(ws, iov[i].iov_base, len, &to);
            got -= (ptrdiff_t)len;
        }
    }
    if (ws->owes) {
        pthread_mutex_lock(&ws->mu);
        flush_control(ws);
        pthread_mutex_unlock(&ws->mu);
    }
    bool over = ws->ended || ws->error.status != 0;
    /* Frames without content may hide that there is more; an end is told by the next call. */
    stream->buffered = over ? total > 0 : filled || ws->below->buffered;
    return total > 0 ? (ptrdiff_t)total : over ? no_more(ws) : NKI_STREAM_AGAIN;
}

/* -- writing -----------------------------------------------------------------------------------------------
 */

static size_t left_in(const struct place *place)
{
    size_t total = 0;
    for (int i = 0; i < place->count; i++) {
        total += place->iov[i].iov_len;
    }
    return total - place->at;
}

/* Masks up to `len` bytes of the place to `to`, or passes them over if that is NULL. */
static void take(struct place *place, uint8_t *to, size_t len, const uint8_t *mask)
{
    for (size_t done = 0; done < len;) {
        assert(place->count > 0);
        size_t left = place->iov->iov_len - place->at;
        size_t step = len - done < left ? len - done : left;
        if (to != NULL && step > 0) {
            nki_ws_mask(to + done, (uint8_t *)place->iov->iov_base + place->at, step, mask, done);
        }
        done += step;
        place->at += step;
        if (place->at == place->iov->iov_len) {
            place->iov++;
            place->count--;
            place->at = 0;
        }
    }
}

/* Puts the next frame of data into `out`, which has none. False if there is no memory. */
static bool add_data(struct ws *ws, struct place *place)
{
    size_t len = left_in(place);
    len = len < FRAME_MAX - NKI_WS_HEAD_MAX ? len : FRAME_MAX - NKI_WS_HEAD_MAX;
    if (!nki_buf_reserve(&ws->out, NKI_WS_HEAD_MAX + len)) {
        return false;
    }
    const uint8_t *mask = next_mask(ws);
    ws->data_at = ws->out.len + nki_ws_head(ws->out.data + ws->out.len, NKI_WS_BINARY, len, mask);
    ws->data_end = ws->data_at + len;
    ws->out.len = ws->data_end;
    take(place, ws->out.data + ws->data_at, len, mask);
    return true;
}

static ptrdiff_t write_all(struct ws *ws, struct place place)
{
    size_t accepted = 0;
    take(&place, NULL, untold(ws), NULL);
    for (;;) {
        if (ws->data_end == 0 && left_in(&place) > 0 && !add_data(ws, &place)) {
            atomic_store(&ws->stream.sys_errno, ENOMEM);
            return accepted > 0 ? (ptrdiff_t)accepted : NKI_STREAM_ERROR;
        }
        size_t before = untold(ws);
        ptrdiff_t result = flush(ws);
        accepted += before - untold(ws);
        if (result <= 0) {
            return accepted > 0 ? (ptrdiff_t)accepted : result;
        }
        if (left_in(&place) == 0) {
            return (ptrdiff_t)accepted;
        }
    }
}

static ptrdiff_t ws_write(struct nki_stream *stream, const struct iovec *iov, int count)
{
    struct ws *ws = of(stream);
    ptrdiff_t result = NKI_STREAM_ERROR;
    pthread_mutex_lock(&ws->mu);
    assert(ws->done);
    if (ws->closing) {
        atomic_store(&stream->sys_errno, EPIPE);
    } else {
        result = write_all(ws, (struct place){iov, count, 0});
        stream->begun = untold(ws) > 0;
    }
    pthread_mutex_unlock(&ws->mu);
    return result;
}

/* -- the upgrade -------------------------------------------------------------------------------------------
 */

/* Reads of the answer what is there. True: something has come, or there is no more. */
static bool read_answer(struct ws *ws, ptrdiff_t *result)
{
    struct iovec iov = {ws->early + ws->early_len, NKI_WS_ANSWER_MAX - ws->early_len};
    *result = nki_stream_read(ws->below, &iov, 1);
    ws->early_len += *result > 0 ? (size_t)*result : 0;
    return *result != NKI_STREAM_AGAIN;
}

/* The connection ends before the answer is complete. */
static int32_t lost(struct ws *ws, ptrdiff_t result)
{
    int sys_errno = atomic_load(&ws->below->sys_errno);
    if (result == NKI_STREAM_EOF) {
        return nki_error_set(&ws->error, NKI_DISCONNECTED,
                             "the server closed the connection during the upgrade to WebSocket");
    }
    return explained_below(ws, &ws->error)
               ? ws->error.status
               : nki_error_set_errno(&ws->error, NKI_IO, sys_errno, "the upgrade to WebSocket");
}

/* The head of the answer ends at `head_len`; what follows are frames. */
static void upgraded(struct ws *ws, size_t head_len)
{
    ws->early_at = head_len;
    if (ws->early_at == ws->early_len) {
        nki_free(ws->early);
        ws->early = NULL;
    }
    pthread_mutex_lock(&ws->mu);
    ws->done = true;
    pthread_mutex_unlock(&ws->mu);
}

static int32_t step_upgrade(struct ws *ws)
{
    pthread_mutex_lock(&ws->mu);
    ptrdiff_t sent = flush(ws);
    ws->stream.wants_write = ws->out.len > 0 && sent == NKI_STREAM_AGAIN;
    pthread_mutex_unlock(&ws->mu);
    ptrdiff_t result = NKI_STREAM_AGAIN;
    /* A server that refuses need not read all of the request. */
    while (read_answer(ws, &result)) {
        if (result < 0) {
            return lost(ws, result);
        }
        size_t head_len = 0;
        int32_t status = nki_ws_answer_read(nki_str_make((const char *)ws->early, ws->early_len), ws->accept,
                                            &head_len, &ws->error);
        if (status == NKI_OK) {
            upgraded(ws, head_len);
        }
        if (status != NKI_PENDING) {
            return status;
        }
    }
    return sent < 0 ? lost(ws, sent) : NKI_PENDING;
}

int32_t nki_ws_upgrade(struct nki_stream *stream, struct nki_error *err)
{
    struct ws *ws = of(stream);
    int32_t status = ws->error.status;
    if (status == 0 && !ws->done) {
        status = step_upgrade(ws);
    }
    stream->buffered = status == NKI_OK && (ws->early != NULL || ws->below->buffered);
    if (status != NKI_OK && status != NKI_PENDING) {
        *err = ws->error;
    }
    return status;
}

/* -- life --------------------------------------------------------------------------------------------------
 */

static void ws_shutdown(struct nki_stream *stream)
{
    struct ws *ws = of(stream);
    pthread_mutex_lock(&ws->mu);
    /* A good-bye in the middle of a frame would be taken for data. */
    if (ws->done && untold(ws) == 0) {
        add_close(ws, NKI_WS_CODE_NORMAL);
        (void)flush(ws);
    }
    ws->closing = true;
    pthread_mutex_unlock(&ws->mu);
    nki_stream_shutdown(ws->below);
}

static void ws_free(struct nki_stream *stream)
{
    struct ws *ws = of(stream);
    nki_stream_free(ws->below);
    if (ws->out.data != NULL) {
        explicit_bzero(ws->out.data, ws->out.cap); /* header lines and CONNECT have been in it */
    }
    nki_buf_free(&ws->out);
    nki_free(ws->early);
    pthread_mutex_destroy(&ws->mu);
    nki_free(ws);
}

static void ws_explain(struct nki_stream *stream, struct nki_error *err)
{
    struct ws *ws = of(stream);
    if (ws->error.status != 0) {
        *err = ws->error;
    } else if (!explained_below(ws, err)) {
        nki_error_set_errno(err, NKI_IO, atomic_load(&stream->sys_errno), "WebSocket");
    }
}

static const struct nki_stream_ops ws_ops = {ws_read, ws_write, ws_shutdown, ws_free, ws_explain};

struct nki_stream *nki_ws_open(struct nki_stream *below, const struct nki_ws_request *request,
                               struct nki_error *err)
{
    char key[NKI_WS_KEY_LEN + 1];
    struct ws *ws = nki_calloc(1, sizeof *ws);
    if (ws == NULL || pthread_mutex_init(&ws->mu, NULL) != 0) {
        nki_free(ws);
        nki_error_set(err, NKI_NO_MEMORY, NULL);
        return NULL;
    }
    ws->stream.ops = &ws_ops;
    ws->stream.fd = below->fd;
    ws->early = nki_alloc(NKI_WS_ANSWER_MAX);
    nki_ws_key(key);
    if (ws->early == NULL || !nki_ws_accept(key, ws->accept) ||
        !nki_ws_request_emit(&ws->out, request, key)) {
        ws_free(&ws->stream);
        nki_error_set(err, NKI_NO_MEMORY, "no memory for WebSocket");
        return NULL;
    }
    ws->below = below;
    return &ws->stream;
}
