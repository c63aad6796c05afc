/* The outbox: see outbox.h.
 *
 * Frames lie in segments whose data begin on a page (copies at small odd offsets are many times slower on
 * some processors) and each of which begins with a whole frame. So the borders of frames need no bookkeeping
 * while sending: after a disconnect they are found again by walking the frames of the segment that was being
 * sent. */
#include "client/outbox_inside.h"

#include "base/alloc.h"
#include "base/page_cache.h"
#include "wire/emit.h"
#include "wire/subject.h"

#define SEGMENT_DATA ((size_t)256 * NKI_KIB) /* hand-over between threads wants large buffers */
#define CACHE_SEGMENTS 8                     /* kept for reuse: 2 MiB */
#define IOV_MAX_SEGMENTS 16
#define STREAM_MSGS 8                     /* so many while one write goes on are a stream */
#define DIRECT_MIN ((size_t)32 * NKI_KIB) /* from here on copying costs more than a system call */

static struct nki_page_cache cache =
    NKI_PAGE_CACHE(NKI_SEGMENT_HEAD + SEGMENT_DATA, NKI_SEGMENT_HEAD, CACHE_SEGMENTS);

struct nki_outbox_segment *nki_outbox_segment_new(size_t room)
{
    size_t cap = room <= SEGMENT_DATA ? SEGMENT_DATA
                                      : (room + NKI_SEGMENT_HEAD - 1) / NKI_SEGMENT_HEAD * NKI_SEGMENT_HEAD;
    struct nki_outbox_segment *segment = cap == SEGMENT_DATA
                                             ? nki_page_cache_take(&cache)
                                             : nki_pages_alloc(NKI_SEGMENT_HEAD + cap, NKI_SEGMENT_HEAD);
    if (segment == NULL) {
        return NULL;
    }
    segment->next = NULL;
    segment->cap = cap;
    segment->len = 0;
    segment->sent = 0;
    return segment;
}

void nki_outbox_segment_free(struct nki_outbox_segment *segment)
{
    if (segment->cap == SEGMENT_DATA) {
        nki_page_cache_give(&cache, segment);
    } else {
        nki_pages_free(segment, NKI_SEGMENT_HEAD + segment->cap);
    }
}

void nki_outbox_release_cache(void)
{
    nki_page_cache_release(&cache);
}

void nki_outbox_forget(void)
{
    nki_page_cache_forget(&cache);
}

int nki_outbox_init(struct nki_outbox *outbox, struct nki_outbox_limits limits)
{
    memset(outbox, 0, sizeof *outbox);
    outbox->limits = limits;
    outbox->limit = limits.offline;
    outbox->max_body = outbox->max_header = UINT64_MAX;
    nki_list_init(&outbox->room_ops);
    nki_list_init(&outbox->written_ops);
    int code = pthread_mutex_init(&outbox->mu, NULL);
    if (code == 0) {
        code = nki_cond_init(&outbox->room);
    }
    if (code == 0) {
        code = nki_cond_init(&outbox->idle);
    }
    return code;
}

void nki_outbox_drop_segments(struct nki_outbox *outbox)
{
    while (outbox->head != NULL) {
        struct nki_outbox_segment *next = outbox->head->next;
        nki_outbox_segment_free(outbox->head);
        outbox->head = next;
    }
    outbox->tail = NULL;
    outbox->last = NULL;
    outbox->bytes = 0;
}

void nki_outbox_destroy(struct nki_outbox *outbox)
{
    assert(!outbox->writing && outbox->room_waiters == 0);
    nki_outbox_drop_segments(outbox);
    nki_buf_free(&outbox->handshake);
    nki_buf_free(&outbox->gone);
    pthread_cond_destroy(&outbox->idle);
    pthread_cond_destroy(&outbox->room);
    pthread_mutex_destroy(&outbox->mu);
}

/* Room for `len` bytes in one piece at the end, or NULL; with mu held. */
static uint8_t *reserve(struct nki_outbox *outbox, size_t len)
{
    struct nki_outbox_segment *tail = outbox->tail;
    if (tail == NULL || tail == outbox->last || tail->cap - tail->len < len) {
        struct nki_outbox_segment *segment = nki_outbox_segment_new(len);
        if (segment == NULL) {
            return NULL;
        }
        if (tail != NULL) {
            tail->next = segment;
        } else {
            outbox->head = segment;
        }
        outbox->tail = tail = segment;
    }
    return nki_outbox_segment_data(tail) + tail->len;
}

static void commit(struct nki_outbox *outbox, size_t len)
{
    outbox->tail->len += len;
    outbox->bytes += len;
    outbox->appended_bytes += len;
    outbox->accepted_bytes += len;
}

/* Takes the transmit right if nobody has it (`urgent`: or it is parked) and there may be something to write;
 * with mu held. */
bool nki_outbox_take_right(struct nki_outbox *outbox, bool urgent)
{
    if (outbox->right_taken && !(outbox->parked && (urgent || outbox->bytes >= NKI_OUTBOX_PARKED_BYTES))) {
        outbox->urgent = outbox->urgent || urgent;
        return false;
    }
    bool frames = outbox->live && outbox->head != NULL && !(outbox->held && outbox->last == NULL);
    bool something = outbox->handshake.len > 0 || frames;
    if (outbox->stream == NULL || !something) {
        return false;
    }
    outbox->right_taken = true;
    outbox->parked = false;
    return true;
}

static void park(struct nki_outbox *outbox)
{
    assert(outbox->right_taken && !outbox->parked);
    outbox->parked = true;
    outbox->parkings++;
}

bool nki_outbox_park(struct nki_outbox *outbox)
{
    pthread_mutex_lock(&outbox->mu);
    bool parks = !outbox->urgent;
    if (parks) {
        park(outbox);
    }
    pthread_mutex_unlock(&outbox->mu);
    return parks;
}

bool nki_outbox_unpark(struct nki_outbox *outbox)
{
    pthread_mutex_lock(&outbox->mu);
    bool parked = outbox->parked;
    outbox->parked = false;
    pthread_mutex_unlock(&outbox->mu);
    return parked;
}

bool nki_outbox_hurry(struct nki_outbox *outbox)
{
    pthread_mutex_lock(&outbox->mu);
    bool parked = outbox->parked;
    outbox->parked = false;
    outbox->urgent = outbox->urgent || (outbox->right_taken && !parked);
    pthread_mutex_unlock(&outbox->mu);
    return parked;
}

bool nki_outbox_unpark_old(struct nki_outbox *outbox, uint32_t *seen, bool *moves)
{
    pthread_mutex_lock(&outbox->mu);
    *moves = outbox->parkings != *seen;
    *seen = outbox->parkings;
    bool old = outbox->parked && !*moves;
    outbox->parked = outbox->parked && !old;
    pthread_mutex_unlock(&outbox->mu);
    return old;
}

/* Writes a frame to its place; returns its end. */
static inline uint8_t *put_frame(uint8_t *at, const struct nki_outgoing_msg *msg, size_t body)
{
    at = nki_emit_pub(at, msg->subject, msg->reply, msg->header_block.len, body);
    if (msg->header_block.len > 0) {
        memcpy(at, msg->header_block.ptr, msg->header_block.len);
        at += msg->header_block.len;
    }
    if (msg->data.len > 0) {
        memcpy(at, msg->data.ptr, msg->data.len);
        at += msg->data.len;
    }
    memcpy(at, "\r\n", 2);
    return at + 2;
}

static inline void count_accepted(struct nki_outbox *outbox, const struct nki_outgoing_msg *msg, size_t body)
{
    outbox->accepted_msgs++;
    NKI_PROBE(msg__out, outbox->origin, msg->subject.ptr, msg->subject.len, body);
}

static int32_t append_one(struct nki_outbox *outbox, const struct nki_outgoing_msg *msg)
{
    size_t body = msg->header_block.len + msg->data.len;
    uint8_t *begin = reserve(outbox, NKI_EMIT_PUB_MAX(msg->subject.len, msg->reply.len) + body + 2);
    if (begin == NULL) {
        return NKI_NO_MEMORY;
    }
    commit(outbox, (size_t)(put_frame(begin, msg, body) - begin));
    count_accepted(outbox, msg, body);
    return NKI_OK;
}

/* Whether the socket is to be given a message straight from its place: nothing waits before it, and nobody
 * writes. With mu held. */
static bool can_write_direct(const struct nki_outbox *outbox, size_t len)
{
    return NKI_UNLIKELY(len >= DIRECT_MIN) && outbox->live && !outbox->held && outbox->stream != NULL &&
           outbox->head == NULL && outbox->handshake.len == 0 && (!outbox->right_taken || outbox->parked);
}

/* What the socket did not take of a frame that is written from its place is put before what was appended
 * meanwhile: all of the frame, since it may have to be sent again; with mu held. */
static void keep_frame(struct nki_outbox *outbox, struct nki_outbox_segment *segment, const struct iovec *iov,
                       int count, size_t sent)
{
    for (int i = 0; i < count; i++) {
        memcpy(nki_outbox_segment_data(segment) + segment->len, iov[i].iov_base, iov[i].iov_len);
        segment->len += iov[i].iov_len;
    }
    segment->sent = sent;
    segment->next = outbox->head;
    outbox->head = segment;
    if (outbox->tail == NULL) {
        outbox->tail = segment;
    }
    if (outbox->held && outbox->last == NULL) {
        outbox->last = segment; /* it was accepted before, and is at the socket in part */
    }
}

/* A message that counts as appended now, and is written at once; with mu held, which is released meanwhile.
 * *kick: the caller holds the right, and there is something left. */
static int32_t write_direct(struct nki_outbox *outbox, const struct nki_outgoing_msg *msg, bool *kick)
{
    uint8_t line[NKI_EMIT_PUB_MAX(NKI_SUBJECT_MAX, NKI_SUBJECT_MAX)] NKI_UNINIT;
    size_t body = msg->header_block.len + msg->data.len;
    assert(msg->subject.len <= NKI_SUBJECT_MAX && msg->reply.len <= NKI_SUBJECT_MAX);
    uint8_t *end = nki_emit_pub(line, msg->subject, msg->reply, msg->header_block.len, body);
    struct iovec iov[4];
    int count = 0;
    iov[count++] = (struct iovec){line, (size_t)(end - line)};
    if (msg->header_block.len > 0) {
        iov[count++] = (struct iovec){(void *)(uintptr_t)msg->header_block.ptr, msg->header_block.len};
    }
    iov[count++] = (struct iovec){(void *)(uintptr_t)msg->data.ptr, msg->data.len};
    iov[count++] = (struct iovec){(void *)(uintptr_t) "\r\n", 2};
    size_t len = iov[0].iov_len + body + 2;
    struct nki_outbox_segment *segment =
        nki_outbox_segment_new(len); /* before, so that nothing is lost for lack of it */
    if (segment == NULL) {
        return NKI_NO_MEMORY;
    }
    outbox->bytes += len;
    outbox->appended_bytes += len;
    outbox->accepted_bytes += len;
    count_accepted(outbox, msg, body);
    outbox->right_taken = true;
    outbox->parked = false;
    outbox->writing = true;
    struct nki_stream *stream = outbox->stream;
    pthread_mutex_unlock(&outbox->mu);
    ptrdiff_t written = nki_trace_write(outbox->trace, stream, iov, count);
    pthread_mutex_lock(&outbox->mu);
    outbox->writing = false;
    outbox->begun = stream->begun;
    size_t sent = written > 0 ? (size_t)written : 0;
    outbox->bytes -= sent;
    if (sent < len) {
        keep_frame(outbox, segment, iov, count, sent);
    } else {
        nki_outbox_segment_free(segment);
    }
    if (outbox->stream == NULL || !outbox->live) {
        pthread_cond_broadcast(&outbox->idle);
    }
    nki_outbox_tell_room(outbox);
    nki_outbox_finish_written_ops(outbox, NKI_OK);
    *kick = outbox->head != NULL;
    outbox->right_taken = *kick;
    return NKI_OK;
}

/* Whether the server takes it: NKI_OK, NKI_TOO_LARGE, NKI_NO_HEADERS; with mu held. */
static inline int32_t check_fit(const struct nki_outbox *outbox, const struct nki_outgoing_msg *msg)
{
    if (NKI_UNLIKELY(msg->header_block.len + msg->data.len > outbox->max_body)) {
        return NKI_TOO_LARGE;
    }
    return NKI_UNLIKELY(msg->header_block.len > outbox->max_header) ? NKI_NO_HEADERS : NKI_OK;
}

/* Whether a message of so many bytes is accepted now: NKI_OK, NKI_WOULD_BLOCK, or why none is; with mu held.
 * One that is greater than the whole outbox is let in when it is empty. */
static int32_t room_for(const struct nki_outbox *outbox, uint64_t bytes)
{
    if (outbox->closed) {
        return NKI_CLOSED;
    }
    if (outbox->sealed != 0) {
        return outbox->sealed;
    }
    if (!outbox->live && outbox->limits.offline == 0) {
        return NKI_DISCONNECTED;
    }
    bool fits = bytes <= outbox->limit && outbox->bytes <= outbox->limit - bytes;
    return outbox->bytes == 0 || fits ? NKI_OK : NKI_WOULD_BLOCK;
}

/* Waits until there is room; with mu held. */
static int32_t wait_for_room(struct nki_outbox *outbox, size_t len, int64_t deadline_ns)
{
    int32_t status;
    bool waits = deadline_ns != 0 && !outbox->limits.fail_fast;
    bool in_time = waits;
    while ((status = room_for(outbox, len)) == NKI_WOULD_BLOCK && in_time) {
        outbox->room_waiters++;
        in_time = nki_cond_wait(&outbox->room, &outbox->mu, deadline_ns);
        outbox->room_waiters--;
    }
    return status == NKI_WOULD_BLOCK && waits ? NKI_TIMEOUT : status;
}

static int32_t append_locked(struct nki_outbox *outbox, const struct nki_outgoing_msg *msgs, size_t count,
                             bool direct, int64_t deadline_ns, size_t *done, bool *kick)
{
    int32_t status = NKI_OK;
    size_t i = 0;
    *kick = false;
    for (; i < count && status == NKI_OK; i++) {
        const struct nki_outgoing_msg *msg = &msgs[i];
        size_t len =
            NKI_EMIT_PUB_MAX(msg->subject.len, msg->reply.len) + msg->header_block.len + msg->data.len + 2;
        if (NKI_UNLIKELY(outbox->bytes + len > outbox->limit)) {
            /* Before waiting: what was appended must be in somebody's hands, or no room comes. */
            bool mine = i > 0 || outbox->parked;
            *kick = *kick || (mine && outbox->bytes > 0 && nki_outbox_take_right(outbox, true));
            status = *kick ? NKI_WOULD_BLOCK : wait_for_room(outbox, len, deadline_ns);
        }
        if (status == NKI_OK) {
            status = check_fit(outbox, msg); /* after the wait, which another server may have ended */
        }
        if (status != NKI_OK) {
            continue; /* ends the loop */
        }
        if (direct && can_write_direct(outbox, msg->data.len)) {
            status = write_direct(outbox, msg, kick);
        } else {
            status = append_one(outbox, msg);
        }
    }
    *done = status == NKI_OK ? i : i - 1;
    *kick = *kick || nki_outbox_take_right(outbox, false);
    return status;
}

int32_t nki_outbox_append(struct nki_outbox *outbox, const struct nki_outgoing_msg *msgs, size_t count,
                          int64_t deadline_ns, size_t *done, bool *kick)
{
    pthread_mutex_lock(&outbox->mu);
    int32_t status = append_locked(outbox, msgs, count, true, deadline_ns, done, kick);
    pthread_mutex_unlock(&outbox->mu);
    return status;
}

int32_t nki_outbox_append_marked(struct nki_outbox *outbox, const struct nki_outgoing_msg *msgs, size_t count,
                                 const struct nki_outbox_told *told, bool *kick)
{
    size_t done;
    pthread_mutex_lock(&outbox->mu);
    int32_t status = append_locked(outbox, msgs, count, false, 0, &done, kick);
    if (done > 0 && told != NULL) {
        told->accepted(told->arg, done, outbox->accepted_msgs);
    }
    pthread_mutex_unlock(&outbox->mu);
    return status;
}

bool nki_outbox_append_soon(struct nki_outbox *outbox, const struct nki_outgoing_msg *msg, bool *kick)
{
    size_t body = msg->header_block.len + msg->data.len;
    size_t most = NKI_EMIT_PUB_MAX(msg->subject.len, msg->reply.len) + body + 2;
    pthread_mutex_lock(&outbox->mu);
    struct nki_outbox_segment *tail = outbox->tail;
    bool soon = tail != NULL && tail != outbox->last && tail->cap - tail->len >= most &&
                outbox->bytes + most <= outbox->limit && check_fit(outbox, msg) == NKI_OK;
    if (NKI_LIKELY(soon)) {
        uint8_t *begin = nki_outbox_segment_data(tail) + tail->len;
        commit(outbox, (size_t)(put_frame(begin, msg, body) - begin));
        count_accepted(outbox, msg, body);
        *kick = (!outbox->right_taken || outbox->bytes >= NKI_OUTBOX_PARKED_BYTES) &&
                nki_outbox_take_right(outbox, false);
    }
    pthread_mutex_unlock(&outbox->mu);
    return soon;
}

bool nki_outbox_control(struct nki_outbox *outbox, const void *line, size_t len, bool *kick)
{
    bool ok = true;
    pthread_mutex_lock(&outbox->mu);
    if (outbox->live) {
        uint8_t *at = reserve(outbox, len);
        ok = at != NULL;
        if (ok) {
            memcpy(at, line, len);
            commit(outbox, len);
        }
    }
    *kick = nki_outbox_take_right(outbox, true);
    pthread_mutex_unlock(&outbox->mu);
    return ok;
}

/* Takes an operation off its list and finishes it; with mu held. */
static void finish_op(struct nki_op *op, int32_t status)
{
    nki_list_remove(&op->outbox_node);
    nki_op_finish(op, status, status == NKI_OK ? NKI_OUTCOME_DONE : NKI_OUTCOME_NOT_SENT, NULL, NULL);
    nki_op_release(op);
}

/* Finishes the operations that wait for room, those whose room is there or (not NKI_OK) all; with mu held. */
void nki_outbox_finish_room_ops(struct nki_outbox *outbox, int32_t status)
{
    for (struct nki_list *at = outbox->room_ops.next, *next; at != &outbox->room_ops; at = next) {
        next = at->next;
        struct nki_op *op = NKI_CONTAINER_OF(at, struct nki_op, outbox_node);
        if (status != NKI_OK || room_for(outbox, op->outbox_bytes) == NKI_OK) {
            finish_op(op, status);
        }
    }
}

/* Finishes the operations before which all is written, or (not NKI_OK) all; with mu held. They are listed in
 * the order of their places. */
void nki_outbox_finish_written_ops(struct nki_outbox *outbox, int32_t status)
{
    uint64_t written = outbox->appended_bytes - outbox->bytes;
    while (!nki_list_empty(&outbox->written_ops)) {
        struct nki_op *op = NKI_CONTAINER_OF(outbox->written_ops.next, struct nki_op, outbox_node);
        if (status == NKI_OK && op->outbox_bytes > written) {
            break;
        }
        finish_op(op, status);
    }
}

void nki_outbox_room(struct nki_outbox *outbox, struct nki_op *op, uint64_t bytes)
{
    pthread_mutex_lock(&outbox->mu);
    nki_op_retain(op);
    op->outbox_bytes = bytes;
    nki_list_append(&outbox->room_ops, &op->outbox_node);
    int32_t status = room_for(outbox, bytes);
    if (status != NKI_WOULD_BLOCK && status != NKI_DISCONNECTED) {
        nki_outbox_finish_room_ops(outbox, status);
    }
    pthread_mutex_unlock(&outbox->mu);
}

void nki_outbox_written(struct nki_outbox *outbox, struct nki_op *op)
{
    pthread_mutex_lock(&outbox->mu);
    nki_op_retain(op);
    op->outbox_bytes = outbox->appended_bytes;
    nki_list_append(&outbox->written_ops, &op->outbox_node);
    nki_outbox_finish_written_ops(outbox, outbox->closed ? NKI_CLOSED : NKI_OK);
    pthread_mutex_unlock(&outbox->mu);
}

void nki_outbox_seal(struct nki_outbox *outbox, int32_t status)
{
    pthread_mutex_lock(&outbox->mu);
    outbox->sealed = outbox->sealed != 0 ? outbox->sealed : status;
    outbox->limit = 0;
    pthread_cond_broadcast(&outbox->room);
    nki_outbox_finish_room_ops(outbox, outbox->sealed);
    pthread_mutex_unlock(&outbox->mu);
}

void nki_outbox_forget_op(struct nki_outbox *outbox, struct nki_op *op)
{
    pthread_mutex_lock(&outbox->mu);
    bool waits = !nki_list_empty(&op->outbox_node);
    nki_list_remove(&op->outbox_node);
    pthread_mutex_unlock(&outbox->mu);
    if (waits) {
        nki_op_release(op);
    }
}

/* Tells those who wait for room, once half of the outbox is free again; with mu held. */
void nki_outbox_tell_room(struct nki_outbox *outbox)
{
    if (outbox->bytes > outbox->limit / 2) {
        return;
    }
    if (outbox->room_waiters > 0) {
        pthread_cond_broadcast(&outbox->room);
    }
    nki_outbox_finish_room_ops(outbox, NKI_OK);
}

uint64_t nki_outbox_unconfirmed(struct nki_outbox *outbox)
{
    pthread_mutex_lock(&outbox->mu);
    uint64_t unconfirmed = nki_outbox_in_doubt(outbox);
    pthread_mutex_unlock(&outbox->mu);
    return unconfirmed;
}

uint64_t nki_outbox_confirmed(struct nki_outbox *outbox)
{
    pthread_mutex_lock(&outbox->mu);
    uint64_t confirmed = outbox->confirmed_msgs;
    pthread_mutex_unlock(&outbox->mu);
    return confirmed;
}

uint64_t nki_outbox_accepted(struct nki_outbox *outbox)
{
    pthread_mutex_lock(&outbox->mu);
    uint64_t accepted = outbox->accepted_msgs;
    pthread_mutex_unlock(&outbox->mu);
    return accepted;
}

void nki_outbox_counts_get(struct nki_outbox *outbox, uint64_t *msgs, uint64_t *bytes, uint64_t *pending)
{
    pthread_mutex_lock(&outbox->mu);
    *msgs = outbox->accepted_msgs;
    *bytes = outbox->accepted_bytes;
    *pending = outbox->bytes;
    pthread_mutex_unlock(&outbox->mu);
}

void nki_outbox_confirm(struct nki_outbox *outbox, uint64_t accepted)
{
    pthread_mutex_lock(&outbox->mu);
    if (accepted > outbox->confirmed_msgs) {
        outbox->confirmed_msgs = accepted;
    }
    pthread_mutex_unlock(&outbox->mu);
}

/* What is to be written next; with mu held. */
static int gather(struct nki_outbox *outbox, struct iovec *iov, size_t budget, size_t *total)
{
    int count = 0;
    *total = 0;
    if (outbox->handshake.len > 0) {
        iov[count++] = (struct iovec){outbox->handshake.data, outbox->handshake.len};
        *total = outbox->handshake.len;
        return count; /* alone, so that accounting stays simple: it is rare */
    }
    if (!outbox->live || (outbox->held && outbox->last == NULL)) {
        return 0;
    }
    bool more = true;
    for (struct nki_outbox_segment *segment = outbox->head;
         segment != NULL && more && count < IOV_MAX_SEGMENTS && *total < budget; segment = segment->next) {
        size_t len = segment->len - segment->sent;
        iov[count++] = (struct iovec){nki_outbox_segment_data(segment) + segment->sent, len};
        *total += len;
        more = segment != outbox->last;
    }
    return count;
}

/* `len` bytes were accepted by the socket; with mu held. */
static void advance(struct nki_outbox *outbox, size_t len)
{
    if (outbox->handshake.len > 0) {
        nki_buf_consume(&outbox->handshake, len);
        if (outbox->handshake.len == 0) {
            nki_outbox_wipe_handshake(outbox);
        }
        return;
    }
    outbox->bytes -= len;
    while (len > 0) {
        struct nki_outbox_segment *segment = outbox->head;
        assert(segment != NULL);
        size_t step = segment->len - segment->sent;
        if (len < step) {
            segment->sent += len;
            break;
        }
        len -= step;
        outbox->head = segment->next;
        if (outbox->head == NULL) {
            outbox->tail = NULL;
        }
        if (outbox->last == segment) {
            outbox->last = NULL;
        }
        nki_outbox_segment_free(segment);
    }
    nki_outbox_tell_room(outbox);
    nki_outbox_finish_written_ops(outbox, NKI_OK);
}

/* One write of the stream; the caller holds mu, which is released meanwhile. */
static ptrdiff_t write_some(struct nki_outbox *outbox, size_t budget, size_t *total)
{
    struct iovec iov[IOV_MAX_SEGMENTS] NKI_UNINIT;
    int count = gather(outbox, iov, budget, total);
    if (count == 0) {
        return 0;
    }
    struct nki_stream *stream = outbox->stream;
    outbox->urgent = outbox->urgent && *total < outbox->bytes;
    outbox->writing = true;
    pthread_mutex_unlock(&outbox->mu);
    ptrdiff_t written = nki_trace_write(outbox->trace, stream, iov, count);
    pthread_mutex_lock(&outbox->mu);
    outbox->writing = false;
    outbox->begun = stream->begun;
    if (outbox->stream == NULL || !outbox->live) {
        pthread_cond_broadcast(&outbox->idle);
    }
    if (written > 0) {
        advance(outbox, (size_t)written);
    }
    return written;
}

/* Whether what came while one write went on, `msgs` messages, is better left to gather; with mu held. */
static bool is_stream(const struct nki_outbox *outbox, uint64_t msgs)
{
    return msgs >= STREAM_MSGS && outbox->bytes < NKI_OUTBOX_PARKED_BYTES && !outbox->urgent &&
           outbox->handshake.len == 0 && outbox->room_waiters == 0 && nki_list_empty(&outbox->room_ops) &&
           nki_list_empty(&outbox->written_ops);
}

static enum nki_outbox_result transmit(struct nki_outbox *outbox, size_t budget, bool may_park)
{
    enum nki_outbox_result result = NKI_OUTBOX_MORE;
    size_t spent = 0;
    pthread_mutex_lock(&outbox->mu);
    assert(outbox->right_taken);
    while (result == NKI_OUTBOX_MORE && spent < budget) {
        size_t total = 0;
        uint64_t msgs = outbox->accepted_msgs;
        ptrdiff_t written = outbox->stream != NULL ? write_some(outbox, budget - spent, &total) : 0;
        if (total == 0) {
            result = NKI_OUTBOX_EMPTY;
        } else if (written == NKI_STREAM_AGAIN || (written > 0 && (size_t)written < total)) {
            result = NKI_OUTBOX_AGAIN;
        } else if (written < 0) {
            result = NKI_OUTBOX_BROKEN;
            nki_stream_shutdown(
                outbox->stream); /* the socket itself may be well: the reader is to find out */
        } else {
            spent += (size_t)written;
            if (outbox->head == NULL && outbox->handshake.len == 0) {
                result = NKI_OUTBOX_EMPTY;
            } else if (may_park && is_stream(outbox, outbox->accepted_msgs - msgs)) {
                result = NKI_OUTBOX_PARKED;
            }
        }
    }
    assert(!outbox->parked);
    if (result == NKI_OUTBOX_PARKED) {
        park(outbox);
    }
    if (result == NKI_OUTBOX_EMPTY || result == NKI_OUTBOX_BROKEN) {
        outbox->right_taken = false;
    }
    pthread_mutex_unlock(&outbox->mu);
    return result;
}

enum nki_outbox_result nki_outbox_transmit(struct nki_outbox *outbox, size_t budget)
{
    return transmit(outbox, budget, false);
}

enum nki_outbox_result nki_outbox_transmit_stream(struct nki_outbox *outbox, size_t budget)
{
    return transmit(outbox, budget, true);
}
