/* Direct gets of several messages: see direct.h. Everything but the opening runs under the engine lock.
 *
 * Each request has a reply subject of its own, "<inbox>.<serial>", so that what comes late of one that was
 * given up is told from the present one. Its answer are messages, each of which names the one before it, and
 * a status behind them (204 EOB) that tells how many more there are. Replicas and mirrors answer in turn; one
 * that lags seems to have less, so the end is believed only after some tries if more is known to be there. */
#include "jetstream/direct.h"

#include "base/alloc.h"
#include "base/map.h"
#include "jetstream/msg_get.h"
#include "jetstream/stored.h"
#include "wire/header.h"

#include <inttypes.h>
#include <stdio.h>

#define PAUSE_NS (100 * NKI_NS_PER_MS) /* before another try; it doubles */
#define PAUSE_MAX_NS (2000 * NKI_NS_PER_MS)
#define TRIES_MAX 6 /* in a row that brought nothing */
#define SHORT_MAX 3 /* answers in a row that end although more is known to be there */
#define BODY_MAX ((size_t)256 * NKI_KIB)
#define BODY_REST 512 /* of a request besides its subjects */

enum state {
    DOWN,    /* no transport */
    WAITING, /* until enough was taken */
    ASKED,   /* an answer is under way */
    PAUSING  /* the next try waits */
};

struct direct {
    struct nki_feed feed;
    struct nki_js *js; /* a reference */
    enum state state;

    /* what is asked for */
    bool snapshot;
    uint64_t msgs_left;
    uint64_t bytes_left;
    uint64_t page_msgs;
    uint64_t page_bytes;
    uint64_t last_seq; /* of a run: nothing behind it; 0: no limit */
    int64_t answer_ns;
    bool exact;
    struct nki_direct_other *other; /* or NULL */
    int32_t (*map)(struct nki_msg **msg, uint32_t flags);
    uint32_t flags;
    struct nki_buf api_subject;
    struct nki_buf next_by_subj; /* as JSON; empty: none */
    struct nki_buf start_time;
    struct nki_buf up_to_time;
    struct nki_buf subjects; /* of a snapshot: as JSON, a comma behind each */
    size_t *ends;            /* of each of them */
    size_t count;

    /* how far it is */
    uint64_t next_seq;   /* 0: as asked for */
    uint64_t up_to_seq;  /* of the snapshot; 0: not known */
    size_t from;         /* the subjects that are asked for together ... */
    size_t width;        /* ... and how many */
    bool probing;        /* for the sequence of the snapshot */
    bool split;          /* they are not asked for all together */
    struct nki_map seen; /* sequences that have come, if so */
    uint64_t left;       /* messages that are known to come, */
    bool left_known;     /* if it is so */
    uint64_t missing;
    bool answered;     /* once */
    unsigned failures; /* in a row */
    unsigned short_answers;
    struct nki_msg *held; /* of an exact snapshot, until its sequence is known: linked by `next` */
    struct nki_msg **held_end;

    /* the answer under way */
    uint64_t serial;
    uint64_t page_last; /* sequence of its last message; 0: none has come */
    uint64_t page_got;
    uint64_t got_before; /* of the last answer that brought something */
    int64_t heard_ns;

    char subject[NKI_JS_INBOX_MAX]; /* "<inbox>.<serial>" */
    size_t subject_len;
    size_t base_len; /* of the inbox, with the dot behind it */
};

static struct direct *of(struct nki_feed *feed)
{
    return NKI_CONTAINER_OF(feed, struct direct, feed);
}

static void destroy(struct direct *direct)
{
    nki_buf_free(&direct->api_subject);
    nki_buf_free(&direct->next_by_subj);
    nki_buf_free(&direct->start_time);
    nki_buf_free(&direct->up_to_time);
    nki_buf_free(&direct->subjects);
    nki_free(direct->ends);
    nki_map_free(&direct->seen);
    nki_msg_release_chain(direct->held);
    if (direct->other != NULL) {
        direct->other->free(direct->other);
    }
    nki_js_release(direct->js);
    nki_free(direct);
}

static struct nki_str str_of(const struct nki_buf *buf)
{
    return nki_str_make((const char *)buf->data, buf->len);
}

/* -- asking ---------------------------------------------------------------------------------------------- */

static void pause_now(struct direct *direct, int64_t now_ns, unsigned before)
{
    int64_t pause_ns = PAUSE_NS;
    for (unsigned i = 1; i < before && pause_ns < PAUSE_MAX_NS; i++) {
        pause_ns *= 2;
    }
    direct->state = PAUSING;
    nki_feed_arm(&direct->feed, now_ns + (pause_ns < PAUSE_MAX_NS ? pause_ns : PAUSE_MAX_NS));
}

static size_t begin_of(const struct direct *direct, size_t index)
{
    return index > 0 ? direct->ends[index - 1] : 0;
}

/* An exact snapshot is a mix of two if another answer goes on with what has come before it is known of when.
 */
static bool is_loose(const struct direct *direct)
{
    return direct->exact && direct->up_to_seq == 0;
}

static void begin_again(struct direct *direct)
{
    nki_msg_release_chain(direct->held);
    direct->held = NULL;
    direct->held_end = &direct->held;
    direct->next_seq = 0;
}

/* As many as fit into one request. The first alone always does: a subject's length has a bound. */
static size_t width_at(const struct direct *direct, size_t from)
{
    uint64_t payload =
        (uint64_t)atomic_load_explicit(&direct->feed.engine->max_payload, memory_order_relaxed);
    size_t max = payload < BODY_MAX || direct->exact ? (size_t)payload : BODY_MAX;
    size_t width = 1;
    while (from + width < direct->count &&
           direct->ends[from + width] - begin_of(direct, from) + BODY_REST <= max) {
        width++;
    }
    return width;
}

/* The server gives no such answer. May end the subscription. */
static void give_up(struct direct *direct, int32_t status, const struct nki_error *error, int64_t now_ns)
{
    struct nki_direct_other *other = direct->other;
    if (other == NULL || !is_loose(direct) || direct->feed.sub->drain != NKI_DRAIN_NONE) {
        nki_feed_finish(&direct->feed, status, error);
        return;
    }
    direct->other = NULL;
    struct nki_feed *next = other->make(other, direct->feed.engine);
    if (next != NULL) {
        nki_feed_replace(&direct->feed, next, now_ns);
    } else {
        nki_feed_finish(&direct->feed, NKI_NO_MEMORY, NULL);
    }
}

static bool append_u64_member(struct nki_buf *out, struct nki_str begin, uint64_t value)
{
    return nki_buf_append_str(out, begin) && nki_buf_append_u64(out, value);
}

static bool append_snapshot(const struct direct *direct, struct nki_buf *out)
{
    size_t begin = begin_of(direct, direct->from);
    size_t end = direct->ends[direct->from + direct->width - 1] - 1;
    bool ok = nki_buf_append_str(out, NKI_STR(",\"multi_last\":[")) &&
              nki_buf_append(out, direct->subjects.data + begin, end - begin) && nki_buf_append(out, "]", 1);
    if (direct->next_seq > 0) {
        ok = ok && append_u64_member(out, NKI_STR(",\"seq\":"), direct->next_seq);
    }
    if (direct->up_to_seq > 0) {
        ok = ok && append_u64_member(out, NKI_STR(",\"up_to_seq\":"), direct->up_to_seq);
    } else if (direct->up_to_time.len > 0) {
        ok = ok && nki_buf_append_str(out, NKI_STR(",\"up_to_time\":")) &&
             nki_buf_append_str(out, str_of(&direct->up_to_time));
    }
    return ok;
}

/* Always with a begin: a number of messages alone is no request (408). */
static bool append_run(const struct direct *direct, struct nki_buf *out)
{
    bool ok = true;
    if (direct->next_by_subj.len > 0) {
        ok = nki_buf_append_str(out, NKI_STR(",\"next_by_subj\":")) &&
             nki_buf_append_str(out, str_of(&direct->next_by_subj));
    }
    if (direct->next_seq == 0 && direct->start_time.len > 0) {
        return ok && nki_buf_append_str(out, NKI_STR(",\"start_time\":")) &&
               nki_buf_append_str(out, str_of(&direct->start_time));
    }
    return ok && append_u64_member(out, NKI_STR(",\"seq\":"), direct->next_seq > 0 ? direct->next_seq : 1);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static bool append_request(const struct direct *direct, struct nki_buf *out)
{
    if (direct->probing) {
        return nki_buf_append_str(out, NKI_STR("{\"last_by_subj\":\">\"}"));
    }
    uint64_t msgs = least(direct->msgs_left, direct->page_msgs);
    uint64_t bytes = least(direct->bytes_left, direct->page_bytes);
    if (direct->last_seq > 0 && direct->next_seq > 0) {
        msgs = least(msgs, direct->last_seq - direct->next_seq + 1);
    }
    return append_u64_member(out, NKI_STR("{\"batch\":"), msgs) &&
           append_u64_member(out, NKI_STR(",\"max_bytes\":"), bytes) &&
           (direct->snapshot ? append_snapshot(direct, out) : append_run(direct, out)) &&
           nki_buf_append(out, "}", 1);
}

static bool send_request(struct direct *direct)
{
    struct nki_buf body = {0};
    bool ok = append_request(direct, &body);
    if (ok) {
        struct nki_outgoing_msg msg = {.subject = str_of(&direct->api_subject),
                                       .reply = nki_str_make(direct->subject, direct->subject_len),
                                       .header_block = NKI_STR(""),
                                       .data = str_of(&body)};
        ok = nki_feed_send(&direct->feed, &msg);
    }
    nki_buf_free(&body);
    return ok;
}

static void number(struct direct *direct)
{
    direct->serial++;
    int len = snprintf(direct->subject + direct->base_len, sizeof direct->subject - direct->base_len,
                       "%" PRIu64, direct->serial);
    direct->subject_len = direct->base_len + (size_t)len;
}

/* May end the subscription. */
static void ask(struct direct *direct, int64_t now_ns)
{
    struct nki_error error;
    if (direct->feed.sub->drain != NKI_DRAIN_NONE) {
        direct->state = WAITING; /* nobody listens any more */
        return;
    }
    if (direct->snapshot && direct->width == 0) {
        direct->width = width_at(direct, direct->from);
        if (direct->exact && direct->width < direct->count) {
            nki_error_set(&error, NKI_TOO_LARGE, "%zu subjects are more than one request holds",
                          direct->count);
            give_up(direct, NKI_TOO_LARGE, &error, now_ns);
            return;
        }
        direct->split = direct->split || direct->width < direct->count;
        direct->probing = direct->split && direct->up_to_seq == 0 && direct->up_to_time.len == 0;
    }
    if (direct->snapshot && direct->up_to_seq == 0) {
        direct->left_known = false; /* it will be another snapshot */
    }
    if (is_loose(direct)) {
        begin_again(direct);
    }
    number(direct);
    direct->got_before = direct->page_got > 0 ? direct->page_got : direct->got_before;
    direct->page_last = 0;
    direct->page_got = 0;
    direct->heard_ns = now_ns;
    if (send_request(direct)) {
        direct->state = ASKED;
        nki_feed_arm(&direct->feed, now_ns + direct->answer_ns);
    } else {
        pause_now(direct, now_ns, ++direct->failures);
    }
}

/* As soon as half of what the last answer brought was taken. May end the subscription. */
static void ask_with_room(struct direct *direct, int64_t now_ns)
{
    uint64_t bytes;
    uint64_t half = (direct->page_got > 0 ? direct->page_got : direct->got_before) / 2;
    direct->state = WAITING;
    nki_feed_arm(&direct->feed, NKI_NEVER);
    if (nki_inlet_tell_at(&direct->feed.sub->inlet, 0, half, &bytes) <= half) {
        ask(direct, now_ns);
    }
}

/* The answer brought nothing: again, after a pause. May end the subscription. */
static void retry(struct direct *direct, int64_t now_ns, const struct nki_error *error)
{
    if (++direct->failures >= TRIES_MAX) {
        nki_feed_finish(&direct->feed, error->status, error);
    } else {
        pause_now(direct, now_ns, direct->failures);
    }
}

/* Something of the answer was lost: the rest of it is asked for again. */
static void ask_rest(struct direct *direct, int64_t now_ns)
{
    struct nki_error error;
    if (direct->page_got > 0 && !is_loose(direct)) {
        ask_with_room(direct, now_ns);
    } else {
        nki_error_set(&error, NKI_TIMEOUT, "answers to the direct get do not come whole");
        retry(direct, now_ns, &error);
    }
}

/* -- what comes ------------------------------------------------------------------------------------------ */

static void finish(struct direct *direct)
{
    struct nki_error error;
    if (direct->missing > 0) {
        nki_error_set(&error, NKI_SNAPSHOT_CHANGED,
                      "%" PRIu64 " messages of the snapshot at %" PRIu64
                      " were removed or replaced while it was read",
                      direct->missing, direct->up_to_seq);
        nki_feed_finish(&direct->feed, NKI_SNAPSHOT_CHANGED, &error);
    } else {
        nki_feed_finish(&direct->feed, NKI_MAX_REACHED, NULL);
    }
}

/* To the application, or kept back until what it belongs to is known. */
static void give(struct direct *direct, struct nki_msg *msg)
{
    if (is_loose(direct)) {
        msg->next = NULL;
        *direct->held_end = msg;
        direct->held_end = &msg->next;
    } else {
        nki_feed_stage(&direct->feed, msg);
    }
}

static void give_held(struct direct *direct)
{
    struct nki_msg *msg = direct->held;
    direct->held = NULL;
    direct->held_end = &direct->held;
    while (msg != NULL) {
        struct nki_msg *next = msg->next;
        nki_feed_stage(&direct->feed, msg);
        msg = next;
    }
}

/* The answer says that there is nothing more of what was asked for. May end the subscription. */
static void no_more(struct direct *direct, int64_t now_ns)
{
    if (direct->left_known && direct->left > 0) {
        if (++direct->short_answers <= SHORT_MAX) {
            pause_now(direct, now_ns, direct->short_answers); /* of a replica that lags? */
            return;
        }
        direct->missing += direct->snapshot ? direct->left : 0; /* a run may lose what is old */
    }
    direct->left_known = false;
    direct->short_answers = 0;
    give_held(direct); /* one whole answer is of one sequence, whichever that is */
    if (direct->snapshot && direct->from + direct->width < direct->count) {
        direct->from += direct->width;
        direct->width = 0;
        direct->next_seq = 0;
        ask_with_room(direct, now_ns);
    } else {
        finish(direct);
    }
}

/* Whether it was not given before, by another part of the list. */
static bool is_new(struct direct *direct, uint64_t seq, bool *ok)
{
    if (!direct->split) {
        return true;
    }
    bool before = nki_map_get(&direct->seen, seq) != NULL;
    *ok = before || nki_map_put(&direct->seen, seq, direct);
    return !before;
}

/* May end the subscription. */
static void deliver(struct direct *direct, struct nki_msg *msg, const struct nki_stored *stored)
{
    uint64_t size = (uint64_t)stored->subject.len + msg->header_len + msg->data_len;
    bool ok = true;
    if (!is_new(direct, stored->seq, &ok) || !ok) {
        nki_msg_release(msg);
        if (!ok) {
            nki_feed_finish(&direct->feed, NKI_NO_MEMORY, NULL);
        }
        return;
    }
    direct->msgs_left -= direct->msgs_left < UINT64_MAX;
    direct->bytes_left -= direct->bytes_left < UINT64_MAX ? least(size, direct->bytes_left) : 0;
    bool last = direct->last_seq > 0 && stored->seq >= direct->last_seq;
    msg->kind = NKI_MSG_STORED;
    int32_t status = direct->map != NULL ? direct->map(&msg, direct->flags) : NKI_OK;
    if (status != NKI_OK) {
        nki_feed_finish(&direct->feed, status, NULL);
        return;
    }
    if (msg != NULL) {
        give(direct, msg);
    }
    if (last || direct->msgs_left == 0 || direct->bytes_left == 0) {
        finish(direct);
    }
}

/* Counts it, or finds out that it is none of this answer. */
static bool place(struct direct *direct, const struct nki_stored *stored)
{
    bool follows = stored->last_seq == direct->page_last; /* else one was lost on the way */
    if (!follows || stored->seq < direct->next_seq || stored->seq <= direct->page_last ||
        stored->seq == UINT64_MAX) { /* nothing is behind that */
        return false;
    }
    uint64_t left = direct->left_known && direct->left > 0 ? direct->left - 1 : 0;
    direct->left = stored->pending > left ? stored->pending : left;
    direct->left_known = true;
    direct->page_last = stored->seq;
    direct->page_got++;
    direct->next_seq = stored->seq + 1;
    direct->failures = is_loose(direct) ? direct->failures : 0; /* it may still come to nothing */
    direct->short_answers = is_loose(direct) ? direct->short_answers : 0;
    direct->answered = true;
    return true;
}

/* A message. May end the subscription. */
static void take(struct direct *direct, struct nki_msg *msg, int64_t now_ns)
{
    struct nki_stored stored;
    struct nki_error error;
    if (!nki_stored_read(msg, &stored)) {
        nki_error_set(&error, NKI_PROTOCOL,
                      "the answer to a direct get does not say where a message is stored");
        nki_feed_finish(&direct->feed, NKI_PROTOCOL, &error);
    } else if (direct->probing) {
        direct->probing = false;
        direct->up_to_seq = stored.seq;
        ask(direct, now_ns);
    } else if (!stored.paged) {
        give_up(direct, NKI_NO_BATCH, NULL, now_ns);
    } else if (!place(direct, &stored)) {
        nki_msg_release(msg);
        ask_rest(direct, now_ns);
        return;
    } else if (direct->last_seq > 0 && stored.seq > direct->last_seq) {
        finish(direct);
    } else {
        deliver(direct, msg, &stored);
        return;
    }
    nki_msg_release(msg);
}

static uint64_t number_of(struct nki_str block, struct nki_str name)
{
    struct nki_str value;
    uint64_t found = 0;
    return nki_header_find(block, name, NKI_MATCH_EXACT, 0, &value) && nki_str_u64(value, &found) ? found : 0;
}

/* 204 EOB. */
static void end_of_batch(struct direct *direct, struct nki_str block, int64_t now_ns)
{
    uint64_t last = number_of(block, NKI_STR("Nats-Last-Sequence"));
    uint64_t pending = number_of(block, NKI_STR("Nats-Num-Pending"));
    if (direct->snapshot && direct->up_to_seq == 0) {
        direct->up_to_seq = number_of(block, NKI_STR("Nats-UpTo-Sequence"));
        if (!is_loose(direct)) {
            give_held(direct);
        }
    }
    bool whole = last == direct->page_last; /* else its last ones were lost on the way */
    uint64_t left = pending + !whole;
    direct->answered = true;
    direct->left = direct->left_known && direct->left > left ? direct->left : left;
    direct->left_known = true;
    if (whole && pending == 0) {
        no_more(direct, now_ns);
    } else {
        ask_rest(direct, now_ns);
    }
}

/* More subjects match than one answer may hold: they are asked for in parts. False if that cannot be. */
static bool halve(struct direct *direct, int64_t now_ns)
{
    if (!direct->snapshot || direct->exact || direct->width <= 1) {
        return false;
    }
    direct->width = (direct->width + 1) / 2;
    direct->split = true;
    direct->probing = direct->up_to_seq == 0 && direct->up_to_time.len == 0;
    ask(direct, now_ns);
    return true;
}

static bool may_pass(const struct direct *direct, int32_t code)
{
    return code == 429 || (code == 503 && direct->answered) || (code == 500 && direct->answered);
}

/* A status that is no end of an answer. May end the subscription. */
static void refused(struct direct *direct, int32_t code, struct nki_str text, int64_t now_ns)
{
    struct nki_error error;
    nki_direct_error(code, text, &error);
    if (code == 404 && direct->page_got > 0) {
        ask_rest(direct, now_ns); /* it was removed under the server's hands */
    } else if (code == 404) {
        direct->answered = true;
        if (direct->probing) {
            finish(direct); /* the stream is empty */
        } else {
            no_more(direct, now_ns);
        }
    } else if (code == 413 && halve(direct, now_ns)) {
        direct->answered = true;
    } else if (code == 413) {
        nki_error_set(&error, NKI_JS_LIMIT,
                      "more than 1024 subjects match: an ordered consumer with deliver_policy "
                      "last_per_subject reads them");
        error.server_code = code;
        give_up(direct, NKI_JS_LIMIT, &error, now_ns);
    } else if (code == 408 && nki_str_eq(text, NKI_STR("Empty Request"))) {
        give_up(direct, NKI_NO_BATCH, NULL, now_ns); /* it does not know what it holds */
    } else if (may_pass(direct, code)) {
        retry(direct, now_ns, &error);
    } else if (error.status == NKI_NO_DIRECT) {
        give_up(direct, error.status, code == 503 ? NULL : &error, now_ns);
    } else {
        nki_feed_finish(&direct->feed, error.status, code == 503 ? NULL : &error);
    }
}

static void message(struct nki_feed *feed, struct nki_msg *msg, int64_t now_ns)
{
    struct direct *direct = of(feed);
    struct nki_str present = nki_str_make(direct->subject, direct->subject_len);
    if (direct->state != ASKED || !nki_str_eq(nki_msg_subject(msg), present)) {
        nki_msg_release(msg); /* of an answer that was given up */
        return;
    }
    struct nki_str block = nki_msg_header_block(msg);
    struct nki_str text;
    int32_t code = block.len > 0 ? nki_header_status(block, &text) : 0;
    direct->heard_ns = now_ns;
    if (code == 0) {
        take(direct, msg, now_ns);
        return;
    }
    if (code == 204) {
        end_of_batch(direct, block, now_ns);
    } else {
        refused(direct, code, text, now_ns);
    }
    nki_msg_release(msg);
}

/* -- time and transports --------------------------------------------------------------------------------- */

static void tick(struct nki_feed *feed, int64_t now_ns)
{
    struct direct *direct = of(feed);
    struct nki_error error;
    if (direct->state == PAUSING) {
        ask(direct, now_ns);
    } else if (direct->state == ASKED && now_ns - direct->heard_ns < direct->answer_ns) {
        nki_feed_arm(feed, direct->heard_ns + direct->answer_ns);
    } else if (direct->state == ASKED) {
        nki_error_set(&error, NKI_TIMEOUT, "no answer to the direct get in time, %u times in a row",
                      direct->failures + 1);
        if (direct->page_got > 0) {
            ask_rest(direct, now_ns);
        } else {
            retry(direct, now_ns, &error);
        }
    }
}

static void taken(struct nki_feed *feed, int64_t now_ns)
{
    struct direct *direct = of(feed);
    if (direct->state == WAITING) {
        ask_with_room(direct, now_ns);
    }
}

static void up(struct nki_feed *feed, int64_t now_ns)
{
    struct direct *direct = of(feed);
    direct->failures = 0;
    ask_with_room(direct, now_ns);
}

static void down(struct nki_feed *feed, int64_t now_ns)
{
    struct direct *direct = of(feed);
    (void)now_ns;
    direct->state = DOWN;
    nki_feed_arm(feed, NKI_NEVER);
}

static void end(struct nki_feed *feed, int32_t reason)
{
    (void)reason;
    destroy(of(feed));
}

static const struct nki_feed_ops ops = {
    .up = up, .down = down, .message = message, .tick = tick, .taken = taken, .end = end};

/* -- opening --------------------------------------------------------------------------------------------- */

static bool keep_subjects(struct direct *direct, const struct nki_direct_params *params)
{
    if (params->subject_count == 0) {
        return true;
    }
    direct->ends = nki_alloc(params->subject_count * sizeof *direct->ends);
    bool ok = direct->ends != NULL;
    for (size_t i = 0; i < params->subject_count && ok; i++) {
        ok = nki_buf_append_json(&direct->subjects, params->subjects[i]) &&
             nki_buf_append(&direct->subjects, ",", 1);
        direct->ends[i] = direct->subjects.len;
    }
    direct->count = params->subject_count;
    return ok;
}

static bool keep_text(struct nki_buf *out, struct nki_str text)
{
    return text.len == 0 || nki_buf_append_json(out, text);
}

static bool keep_texts(struct direct *direct, const struct nki_direct_params *params)
{
    struct nki_buf *subject = &direct->api_subject;
    return nki_buf_append_str(subject, nki_js_prefix(direct->js)) &&
           nki_buf_append_str(subject, NKI_STR(".DIRECT.GET.")) &&
           nki_buf_append_str(subject, params->stream) &&
           keep_text(&direct->next_by_subj, params->next_by_subj) &&
           keep_text(&direct->start_time, params->start_time) &&
           keep_text(&direct->up_to_time, params->up_to_time) && keep_subjects(direct, params);
}

static uint64_t or_none(uint64_t limit)
{
    return limit > 0 ? limit : UINT64_MAX;
}

static struct direct *make(struct nki_js *js, const struct nki_direct_params *params, struct nki_str inbox)
{
    struct direct *direct = nki_alloc(sizeof *direct);
    if (direct == NULL) {
        if (params->other != NULL) {
            params->other->free(params->other);
        }
        return NULL;
    }
    memset(direct, 0, sizeof *direct);
    direct->feed.ops = &ops;
    direct->js = js;
    nki_js_retain(js);
    direct->snapshot = params->subject_count > 0;
    direct->msgs_left = or_none(params->max_msgs);
    direct->bytes_left = or_none(params->max_bytes);
    direct->page_msgs = params->page_msgs;
    direct->page_bytes = params->page_bytes;
    direct->answer_ns = params->answer_ms * NKI_NS_PER_MS;
    direct->exact = params->exact;
    direct->other = params->other;
    direct->held_end = &direct->held;
    direct->map = params->map;
    direct->flags = params->flags;
    direct->next_seq = params->seq;
    direct->last_seq = direct->snapshot ? 0 : params->up_to_seq;
    direct->up_to_seq = direct->snapshot ? params->up_to_seq : 0;
    direct->base_len = inbox.len + 1;
    memcpy(direct->subject, inbox.ptr, inbox.len);
    direct->subject[inbox.len] = '.';
    number(direct);
    if (!keep_texts(direct, params)) {
        destroy(direct);
        return NULL;
    }
    direct->feed.asked = nki_str_hash(str_of(&direct->api_subject));
    return direct;
}

int32_t nki_direct_open(struct nki_js *js, const struct nki_direct_params *params, struct nki_sub **out,
                        struct nki_error *err)
{
    char inbox[NKI_JS_INBOX_MAX - 24];
    size_t len = nki_conn_new_inbox(js->conn, inbox, sizeof inbox - 2);
    assert(len <= sizeof inbox - 2 && params->page_msgs > 0 && params->page_bytes > 0);
    assert(params->up_to_seq == 0 || params->seq <= params->up_to_seq);
    struct direct *direct = make(js, params, nki_str_make(inbox, len));
    if (direct == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    inbox[len] = '.';
    inbox[len + 1] = '*';
    /* Two answers at most wait: nothing may be dropped. */
    struct nki_sub_params sub = {.subject = nki_str_make(inbox, len + 2),
                                 .queue = NKI_STR(""),
                                 .limits = {.msgs = UINT32_MAX, .bytes = UINT64_MAX / 2}};
    return nki_conn_subscribe_feed(js->conn, &sub, &direct->feed, out, err);
}
