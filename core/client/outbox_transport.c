/* The outbox as the engine sees it: a transport comes, takes what waited as far as its server accepts that,
 * is held, and goes. See outbox.h; with the engine lock held. */
#include "client/outbox_inside.h"

#include "wire/emit.h"

void nki_outbox_set_stream(struct nki_outbox *outbox, struct nki_stream *stream)
{
    pthread_mutex_lock(&outbox->mu);
    assert(!outbox->live && !outbox->writing &&
           outbox->handshake.len == 0); /* perhaps a filter over the one before */
    outbox->stream = stream;
    outbox->begun = false;
    pthread_mutex_unlock(&outbox->mu);
    nki_trace_restart(outbox->trace);
}

bool nki_outbox_handshake(struct nki_outbox *outbox, const void *data, size_t len, bool *kick)
{
    pthread_mutex_lock(&outbox->mu);
    bool ok = nki_buf_append(&outbox->handshake, data, len);
    *kick = nki_outbox_take_right(outbox, true);
    pthread_mutex_unlock(&outbox->mu);
    return ok;
}

/* After a change of `live`; with mu held. */
static void set_limit(struct nki_outbox *outbox)
{
    uint64_t limit = outbox->live ? outbox->limits.live : outbox->limits.offline;
    outbox->limit = outbox->sealed != 0 || outbox->closed ? 0 : limit;
}

/* What is waited for moves back by what goes before it; with mu held. */
static void move_written_ops(struct nki_outbox *outbox, size_t len)
{
    for (struct nki_list *op = outbox->written_ops.next; op != &outbox->written_ops; op = op->next) {
        NKI_CONTAINER_OF(op, struct nki_op, outbox_node)->outbox_bytes += len;
    }
}

bool nki_outbox_attach(struct nki_outbox *outbox, const void *replay, size_t len, bool *kick)
{
    struct nki_outbox_segment *first = NULL;
    if (len > 0) {
        first = nki_outbox_segment_new(len);
        if (first == NULL) {
            *kick = false;
            return false;
        }
        memcpy(nki_outbox_segment_data(first), replay, len);
        first->len = len;
    }
    pthread_mutex_lock(&outbox->mu);
    if (first != NULL) {
        first->next = outbox->head;
        outbox->head = first;
        if (outbox->tail == NULL) {
            outbox->tail = first;
        }
        outbox->bytes += len;
        outbox->appended_bytes += len;
        move_written_ops(outbox, len);
    }
    outbox->live = true;
    set_limit(outbox);
    nki_outbox_tell_room(outbox);
    *kick = nki_outbox_take_right(outbox, true);
    pthread_mutex_unlock(&outbox->mu);
    return true;
}

uint64_t nki_outbox_hold(struct nki_outbox *outbox)
{
    pthread_mutex_lock(&outbox->mu);
    assert(outbox->live && !outbox->held);
    outbox->held = true;
    outbox->last = outbox->tail;
    uint64_t accepted = outbox->accepted_msgs;
    pthread_mutex_unlock(&outbox->mu);
    return accepted;
}

bool nki_outbox_ahead(struct nki_outbox *outbox, const void *lines, size_t len, bool *kick)
{
    struct nki_outbox_segment *segment = nki_outbox_segment_new(len);
    *kick = false;
    if (segment == NULL) {
        return false;
    }
    memcpy(nki_outbox_segment_data(segment), lines, len);
    segment->len = len;
    pthread_mutex_lock(&outbox->mu);
    assert(outbox->held);
    struct nki_outbox_segment **link = outbox->last != NULL ? &outbox->last->next : &outbox->head;
    segment->next = *link;
    *link = segment;
    if (segment->next == NULL) {
        outbox->tail = segment;
    }
    outbox->last = segment;
    outbox->bytes += len;
    outbox->appended_bytes += len;
    move_written_ops(outbox, len);
    *kick = nki_outbox_take_right(outbox, true);
    pthread_mutex_unlock(&outbox->mu);
    return true;
}

void nki_outbox_release(struct nki_outbox *outbox, bool *kick)
{
    pthread_mutex_lock(&outbox->mu);
    outbox->held = false;
    outbox->last = NULL;
    *kick = nki_outbox_take_right(outbox, true);
    pthread_mutex_unlock(&outbox->mu);
}

void nki_outbox_wipe_handshake(struct nki_outbox *outbox)
{
    if (outbox->handshake.data != NULL) {
        explicit_bzero(outbox->handshake.data, outbox->handshake.cap);
    }
    outbox->handshake.len = 0;
}

/* -- messages that were taken out ------------------------------------------------------------------------ */

static size_t gone_count(const struct nki_outbox *outbox)
{
    return outbox->gone.len / sizeof(uint64_t);
}

static uint64_t gone_at(const struct nki_outbox *outbox, size_t i)
{
    uint64_t number;
    memcpy(&number, outbox->gone.data + i * sizeof number, sizeof number);
    return number;
}

/* How many of those with higher numbers were. */
static uint64_t gone_above(const struct nki_outbox *outbox, uint64_t number)
{
    size_t left = gone_count(outbox);
    while (left > 0 && gone_at(outbox, left - 1) > number) {
        left--;
    }
    return gone_count(outbox) - left;
}

uint64_t nki_outbox_in_doubt(const struct nki_outbox *outbox)
{
    uint64_t confirmed = outbox->confirmed_msgs;
    return outbox->accepted_msgs - confirmed - gone_above(outbox, confirmed);
}

/* The number before that of the first message that is still there, of `kept`. */
static uint64_t number_before(const struct nki_outbox *outbox, uint64_t kept)
{
    uint64_t number = outbox->accepted_msgs - kept;
    for (size_t left = gone_count(outbox); left > 0 && gone_at(outbox, left - 1) > number; left--) {
        number--;
    }
    return number;
}

/* -- a transport goes --------------------------------------------------------------------------------------
 */

/* Keeps of a segment the PUB frames that were not wholly sent; returns how many. */
static uint64_t keep_unsent(struct nki_outbox_segment *segment)
{
    uint8_t *data = nki_outbox_segment_data(segment);
    size_t kept = 0;
    uint64_t msgs = 0;
    for (size_t at = 0, len; at < segment->len; at += len) {
        enum nki_out_kind kind;
        len = nki_emit_frame_len(data + at, segment->len - at, &kind);
        if (kind == NKI_OUT_PUB && at + len > segment->sent) {
            memmove(data + kept, data + at, len);
            kept += len;
            msgs++;
        }
    }
    segment->len = kept;
    segment->sent = 0;
    return msgs;
}

/* What was not written has moved: those who wait for it now wait for all that is there. */
static void wait_for_all(struct nki_outbox *outbox)
{
    for (struct nki_list *op = outbox->written_ops.next; op != &outbox->written_ops; op = op->next) {
        NKI_CONTAINER_OF(op, struct nki_op, outbox_node)->outbox_bytes = outbox->appended_bytes;
    }
    nki_outbox_finish_written_ops(outbox, NKI_OK);
}

uint64_t nki_outbox_detach(struct nki_outbox *outbox)
{
    pthread_mutex_lock(&outbox->mu);
    outbox->live = false;
    set_limit(outbox);
    while (outbox->writing) {
        /* No write blocks, so the one that is under way ends at once. */
        nki_cond_wait(&outbox->idle, &outbox->mu, NKI_NEVER);
    }
    outbox->stream = NULL;
    nki_outbox_wipe_handshake(outbox);
    uint64_t kept = 0;
    outbox->bytes = 0;
    outbox->tail = NULL;
    outbox->held = false;
    outbox->last = NULL;
    for (struct nki_outbox_segment **at = &outbox->head; *at != NULL;) {
        struct nki_outbox_segment *segment = *at;
        kept += keep_unsent(segment);
        if (segment->len == 0) {
            *at = segment->next;
            nki_outbox_segment_free(segment);
        } else {
            outbox->bytes += segment->len;
            outbox->tail = segment;
            at = &segment->next;
        }
    }
    uint64_t written = number_before(outbox, kept);
    uint64_t gone = gone_above(outbox, written); /* their numbers are still among those that are there */
    uint64_t in_doubt = nki_outbox_in_doubt(outbox);
    uint64_t unconfirmed = written > outbox->confirmed_msgs ? in_doubt - kept : 0;
    nki_buf_consume(&outbox->gone, (gone_count(outbox) - gone) * sizeof(uint64_t));
    outbox->confirmed_msgs = written;
    nki_outbox_tell_room(outbox);
    if (outbox->limits.offline == 0) {
        pthread_cond_broadcast(&outbox->room); /* nobody waits for the reconnect */
    }
    wait_for_all(outbox);
    pthread_mutex_unlock(&outbox->mu);
    return unconfirmed;
}

uint64_t nki_outbox_close(struct nki_outbox *outbox)
{
    pthread_mutex_lock(&outbox->mu);
    assert(outbox->stream == NULL);
    outbox->closed = true;
    outbox->limit = 0;
    uint64_t unsent = nki_outbox_in_doubt(outbox);
    nki_outbox_drop_segments(outbox);
    pthread_cond_broadcast(&outbox->room);
    nki_outbox_finish_room_ops(outbox, NKI_CLOSED);
    nki_outbox_finish_written_ops(outbox, NKI_CLOSED);
    pthread_mutex_unlock(&outbox->mu);
    return unsent;
}

/* -- what a server does not take ------------------------------------------------------------------------- */

/* What is found by looking through the segments. */
struct misfits {
    uint64_t msgs;
    uint64_t there; /* messages that are not wholly written, these included */
    size_t lines;   /* bytes of their control lines */
};

/* Whether a frame that is not begun yet is one of them; then the length of its control line, else 0. */
static size_t misfit_line(const struct nki_outbox *outbox, const uint8_t *frame, size_t len)
{
    struct nki_emit_pub_line line;
    nki_emit_read_pub(frame, len, &line);
    return line.body_len > outbox->max_body || line.header_len > outbox->max_header ? line.len : 0;
}

static struct misfits look_through(const struct nki_outbox *outbox)
{
    struct misfits found = {0};
    for (struct nki_outbox_segment *segment = outbox->head; segment != NULL; segment = segment->next) {
        const uint8_t *data = nki_outbox_segment_data(segment);
        for (size_t at = 0, len; at < segment->len; at += len) {
            enum nki_out_kind kind;
            len = nki_emit_frame_len(data + at, segment->len - at, &kind);
            if (kind != NKI_OUT_PUB || at + len <= segment->sent) {
                continue;
            }
            size_t line = at >= segment->sent ? misfit_line(outbox, data + at, len) : 0;
            found.there++;
            found.msgs += line > 0;
            found.lines += line;
        }
    }
    return found;
}

/* Where one is among the numbers of all. */
struct numbering {
    uint64_t number;     /* of the message that is looked at */
    size_t passed;       /* so many numbers of outbox.gone are lower */
    struct nki_buf gone; /* those, and the new ones; there is room for all */
};

static void note_gone(struct numbering *numbering, uint64_t number)
{
    bool ok = nki_buf_append(&numbering->gone, &number, sizeof number);
    assert(ok);
    (void)ok;
}

/* To the next message that is there. */
static void count_on(const struct nki_outbox *outbox, struct numbering *numbering)
{
    numbering->number++;
    while (numbering->passed < gone_count(outbox) &&
           gone_at(outbox, numbering->passed) == numbering->number) {
        note_gone(numbering, numbering->number);
        numbering->passed++;
        numbering->number++;
    }
}

/* Takes them out of one segment. There is room in `lines`. */
static void take_out(struct nki_outbox *outbox, struct nki_outbox_segment *segment,
                     struct numbering *numbering, struct nki_buf *lines)
{
    uint8_t *data = nki_outbox_segment_data(segment);
    size_t kept = 0;
    for (size_t at = 0, len; at < segment->len; at += len) {
        enum nki_out_kind kind;
        len = nki_emit_frame_len(data + at, segment->len - at, &kind);
        size_t line = 0;
        if (kind == NKI_OUT_PUB && at + len > segment->sent) {
            count_on(outbox, numbering);
            line = at >= segment->sent ? misfit_line(outbox, data + at, len) : 0;
        }
        if (line > 0) {
            bool ok = nki_buf_append(lines, data + at, line);
            assert(ok);
            (void)ok;
            note_gone(numbering, numbering->number);
            continue;
        }
        if (kept < at) {
            memmove(data + kept, data + at, len);
        }
        kept += len;
    }
    outbox->bytes -= segment->len - kept;
    segment->len = kept;
}

/* Takes them out of all. */
static void take_all_out(struct nki_outbox *outbox, struct numbering *numbering, struct nki_buf *lines)
{
    struct nki_outbox_segment *before = NULL;
    for (struct nki_outbox_segment *segment = outbox->head, *next; segment != NULL; segment = next) {
        next = segment->next;
        take_out(outbox, segment, numbering, lines);
        if (segment->len > segment->sent) {
            before = segment;
            continue;
        }
        if (before != NULL) {
            before->next = next;
        } else {
            outbox->head = next;
        }
        outbox->tail = next == NULL ? before : outbox->tail;
        outbox->last = outbox->last == segment ? before : outbox->last;
        nki_outbox_segment_free(segment);
    }
    while (numbering->passed < gone_count(outbox)) {
        note_gone(numbering, gone_at(outbox, numbering->passed++));
    }
}

bool nki_outbox_fit(struct nki_outbox *outbox, uint64_t max_body, bool headers, struct nki_buf *lines)
{
    pthread_mutex_lock(&outbox->mu);
    outbox->max_body = max_body;
    outbox->max_header = headers ? max_body : 0;
    struct misfits found = {0};
    if (!outbox->live || !(outbox->writing || outbox->begun)) {
        found = look_through(outbox);
    }
    bool ok = true;
    if (found.msgs > 0) {
        uint64_t first = number_before(outbox, found.there);
        struct numbering numbering = {.number = first,
                                      .passed = gone_count(outbox) - gone_above(outbox, first)};
        size_t numbers = gone_count(outbox) + (size_t)found.msgs;
        ok = nki_buf_reserve(lines, found.lines) &&
             nki_buf_reserve(&numbering.gone, numbers * sizeof(uint64_t));
        if (ok) {
            for (size_t i = 0; i < numbering.passed; i++) {
                note_gone(&numbering, gone_at(outbox, i));
            }
            take_all_out(outbox, &numbering, lines);
            nki_buf_free(&outbox->gone);
            outbox->gone = numbering.gone;
            wait_for_all(outbox);
            nki_outbox_tell_room(outbox);
        } else {
            nki_buf_free(&numbering.gone);
        }
    }
    pthread_mutex_unlock(&outbox->mu);
    return ok;
}
