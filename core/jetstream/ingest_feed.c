/* The feed of a fast ingest: what the stream answers, pings, the commit, and the end; see ingest_inside.h.
 * Under the engine lock of the connection, by whoever reads it. */
#include "jetstream/ingest_inside.h"

#include "base/clock.h"
#include "base/json.h"
#include "jetstream/api_error.h"
#include "wire/header.h"

#include <inttypes.h>

#define TICK_NS (2000 * NKI_NS_PER_MS)    /* a stream gives up a batch of which nothing came for 10 s */
#define ANSWER_MAX ((size_t)16 * NKI_KIB) /* one of more bytes is none of a stream */
#define UNKNOWN_BATCH 10208
#define SHOWN_MAX 80

static struct nki_ingest *ingest_of(struct nki_feed *feed)
{
    return NKI_CONTAINER_OF(feed, struct nki_ingest, feed);
}

/* -- those who wait -------------------------------------------------------------------------------------- */

void nki_ingest_tell(struct nki_ingest *ingest, struct nki_slab *slab, struct nki_op *op)
{
    struct nki_msg *msg = NULL;
    int32_t status = ingest->done ? ingest->reason : ingest->reason != 0 ? ingest->reason : NKI_CLOSED;
    if (status == NKI_OK) {
        msg = nki_pub_ack_msg(slab, &ingest->ack);
        status = msg != NULL ? NKI_OK : NKI_NO_MEMORY;
    }
    int32_t outcome = status == NKI_OK ? NKI_OUTCOME_DONE : ingest->outcome;
    nki_op_finish(op, status, outcome, msg,
                  status != NKI_OK && ingest->error.status == status ? &ingest->error : NULL);
}

/* With window.mu: those who wait for room look again. */
static void tell_room(struct nki_ingest *ingest)
{
    int32_t status = nki_ingest_may_publish(ingest);
    if (status == NKI_WOULD_BLOCK) {
        return;
    }
    nki_waitable_signal(&ingest->window, true);
    while (!nki_list_empty(&ingest->room_ops)) {
        struct nki_op *op = NKI_CONTAINER_OF(ingest->room_ops.next, struct nki_op, engine_node);
        nki_list_remove(&op->engine_node);
        nki_engine_untimer(ingest->feed.engine, op);
        nki_engine_finish_own(&op, status, NULL);
    }
}

/* With window.mu. */
static void tell_commits(struct nki_ingest *ingest)
{
    while (!nki_list_empty(&ingest->commit_ops)) {
        struct nki_op *op = NKI_CONTAINER_OF(ingest->commit_ops.next, struct nki_op, engine_node);
        nki_list_remove(&op->engine_node);
        nki_engine_untimer(ingest->feed.engine, op);
        nki_ingest_tell(ingest, &ingest->feed.engine->slab, op);
        nki_op_release(op);
    }
}

/* -- sending --------------------------------------------------------------------------------------------- */

/* With window.mu. What finds no room now is tried again with the next tick. */
static void send_own(struct nki_ingest *ingest, enum nki_ingest_op op, uint64_t seq, int64_t now_ns,
                     bool *sent)
{
    struct nki_engine *engine = ingest->feed.engine;
    bool kick = false;
    *sent = nki_ingest_send(ingest, op, seq, NULL, &kick) == NKI_OK;
    engine->want |= kick ? NKI_WANT_KICK : 0;
    if (*sent && ingest->asked_ns == 0) {
        ingest->asked_ns = now_ns;
    }
}

/* With window.mu: asks how far the stream has come; behind the last message, so that it sees what is missing.
 */
static void ping(struct nki_ingest *ingest, int64_t now_ns)
{
    bool sent;
    if (ingest->feed.up && ingest->ended == 0 && ingest->issued > 0 && !ingest->commit_sent) {
        send_own(ingest, NKI_INGEST_PING, ingest->issued, now_ns, &sent);
        ingest->pings += sent;
    }
}

/* With window.mu: the commit, once the stream has taken the first message. */
static void send_commit(struct nki_ingest *ingest, int64_t now_ns)
{
    bool due = ingest->committing && !ingest->commit_sent && ingest->each > 0 && ingest->ended == 0;
    if (due && ingest->feed.up) {
        send_own(ingest, NKI_INGEST_COMMIT, ingest->issued + 1, now_ns, &ingest->commit_sent);
    }
}

void nki_ingest_see_to_commit(struct nki_ingest *ingest, int64_t now_ns)
{
    pthread_mutex_lock(&ingest->window.mu);
    send_commit(ingest, now_ns);
    tell_room(ingest);
    pthread_mutex_unlock(&ingest->window.mu);
}

/* -- the end --------------------------------------------------------------------------------------------- */

/* With window.mu: the first failure is what counts. */
static void note(struct nki_ingest *ingest, const struct nki_error *error)
{
    if (ingest->error.status == 0) {
        ingest->error = *error;
    }
}

/* With window.mu, which is released: it ends with this, or with the first failure. */
static void end_with(struct nki_ingest *ingest, const struct nki_error *error, int32_t outcome)
{
    note(ingest, error);
    struct nki_error reason = ingest->error;
    ingest->reason = ingest->ended = reason.status;
    ingest->outcome = outcome;
    pthread_mutex_unlock(&ingest->window.mu);
    nki_feed_finish(&ingest->feed, reason.status, &reason);
}

static void end_late(struct nki_ingest *ingest)
{
    struct nki_error error;
    struct nki_str subject = nki_str_make((const char *)ingest->subject.data, ingest->subject.len);
    int shown = (int)(subject.len < SHOWN_MAX ? subject.len : SHOWN_MAX);
    if (ingest->nobody) {
        nki_error_set(&error, NKI_NO_STREAM, "no stream takes \"%.*s\", or it has no leader", shown,
                      subject.ptr);
    } else {
        nki_error_set(&error, NKI_TIMEOUT, "the stream of \"%.*s\" has not answered for %" PRId64 " ms",
                      shown, subject.ptr, ingest->ack_wait_ns / NKI_NS_PER_MS);
    }
    end_with(ingest, &error, NKI_OUTCOME_UNKNOWN);
}

/* Keeps the final ack, whose texts lie in a message. */
static void keep_ack(struct nki_ingest *ingest, const struct nki_pub_ack *ack)
{
    struct nki_str *const texts[] = {&ingest->ack.stream, &ingest->ack.domain, &ingest->ack.batch};
    ingest->ack = *ack;
    ingest->ack.text = ingest->ack.value = NKI_STR("");
    char *at = ingest->ack_texts;
    for (size_t i = 0; i < NKI_ARRAY_LEN(texts); i++) {
        size_t len = texts[i]->len;
        if (len > 0) {
            memcpy(at, texts[i]->ptr, len);
        }
        *texts[i] = nki_str_make(at, len);
        at += len;
    }
    ingest->done = true;
}

/* With window.mu, which is released: the stream has ended the batch. */
static void ended_by_stream(struct nki_ingest *ingest, const struct nki_pub_ack *ack)
{
    struct nki_error error;
    struct nki_str id = nki_str_make(ingest->prefix + ingest->id_at, ingest->id_len);
    if (!nki_str_eq(ack->batch, id)) {
        nki_error_set(&error, NKI_INVALID_ACK,
                      "stream %.*s has stored a message of the batch for itself, as sequence %" PRIu64,
                      (int)(ack->stream.len < SHOWN_MAX ? ack->stream.len : SHOWN_MAX), ack->stream.ptr,
                      ack->seq);
        end_with(ingest, &error, NKI_OUTCOME_UNKNOWN);
        return;
    }
    keep_ack(ingest, ack);
    ingest->acked = ack->count > ingest->acked ? ack->count : ingest->acked;
    if (ingest->committing && (!ingest->fails || ack->count == ingest->issued)) {
        ingest->ended = NKI_CLOSED;
        pthread_mutex_unlock(&ingest->window.mu);
        nki_feed_finish(&ingest->feed, NKI_UNSUBSCRIBED, NULL);
        return;
    }
    nki_error_set(&error, NKI_BATCH_INCOMPLETE,
                  "the stream has ended the batch behind message %" PRIu64 " of %" PRIu64, ack->count,
                  ingest->issued);
    end_with(ingest, &error, NKI_OUTCOME_REJECTED);
}

/* With window.mu, which is released: an error that is not that of one message. */
static void refused_by_stream(struct nki_ingest *ingest, const struct nki_pub_ack *ack)
{
    struct nki_error error;
    bool forgotten = ack->err_code == UNKNOWN_BATCH;
    if (forgotten && ingest->was_down && ingest->each == 0) {
        nki_error_set(&error, NKI_DISCONNECTED,
                      "the connection was lost before the first message was answered");
    } else {
        nki_error_set(&error, ack->status, ack->text.len > 0 ? "%.*s" : NULL, (int)ack->text.len,
                      ack->text.ptr);
        error.server_code = ack->server_code;
        error.err_code = ack->err_code;
    }
    end_with(ingest, &error, forgotten ? NKI_OUTCOME_UNKNOWN : NKI_OUTCOME_REJECTED);
}

/* -- answers --------------------------------------------------------------------------------------------- */

static uint64_t number_of(const struct nki_json_value *object, struct nki_str name)
{
    struct nki_json_value value;
    uint64_t number = 0;
    return nki_json_member(object, name, &value) && nki_json_u64(&value, &number) ? number : 0;
}

/* With window.mu: tells of messages that are not stored. */
static void tell_failure(struct nki_ingest *ingest, uint64_t seq, uint64_t count,
                         const struct nki_error *error)
{
    struct nki_pub_ack ack = {.id = seq,
                              .status = error->status,
                              .outcome = NKI_OUTCOME_REJECTED,
                              .server_code = error->server_code,
                              .err_code = error->err_code,
                              .count = count < UINT32_MAX ? count : UINT32_MAX,
                              .text = nki_str_z(error->text)};
    note(ingest, error);
    struct nki_msg *msg = nki_pub_ack_msg(&ingest->feed.engine->slab, &ack);
    if (msg != NULL) { /* else the counters tell */
        nki_feed_stage(&ingest->feed, msg);
    }
}

/* With window.mu. Numbers that nobody has given out are not believed. */
static void acked(struct nki_ingest *ingest, const struct nki_json_value *answer)
{
    uint64_t seq = number_of(answer, NKI_STR("seq"));
    uint64_t each = number_of(answer, NKI_STR("msgs"));
    if (seq > ingest->issued) {
        return;
    }
    ingest->acked = seq > ingest->acked ? seq : ingest->acked;
    ingest->each = each == 0 ? 1 : each < UINT32_MAX ? each : UINT32_MAX;
}

/* With window.mu. */
static void missed(struct nki_ingest *ingest, const struct nki_json_value *answer)
{
    struct nki_error error;
    uint64_t first = number_of(answer, NKI_STR("last_seq"));
    uint64_t next = number_of(answer, NKI_STR("seq"));
    if (first == 0 || next <= first || next > ingest->issued + 1) {
        return;
    }
    ingest->lost += next - first;
    nki_error_set(&error, NKI_BATCH_INCOMPLETE,
                  "messages %" PRIu64 " to %" PRIu64 " have not come to the stream", first, next - 1);
    tell_failure(ingest, first, next - first, &error);
}

/* With window.mu. */
static void refused(struct nki_ingest *ingest, const struct nki_json_value *answer)
{
    struct nki_json_value part;
    struct nki_error error;
    uint64_t seq = number_of(answer, NKI_STR("seq"));
    if (seq == 0 || seq > ingest->issued || !nki_json_member(answer, NKI_STR("error"), &part)) {
        return;
    }
    (void)nki_js_read_error(&part, &error);
    ingest->refused++;
    tell_failure(ingest, seq, 1, &error);
}

/* With window.mu, which is released: nobody has got a frame. That of a message leaves a gap. */
static void got_nobody(struct nki_ingest *ingest, struct nki_str subject, int64_t now_ns)
{
    struct nki_error error;
    struct nki_str end = NKI_STR(".1.$FI");
    bool message =
        subject.len > end.len && memcmp(subject.ptr + subject.len - end.len, end.ptr, end.len) == 0;
    ingest->nobody = true;
    if (ingest->each == 0) {
        end_late(ingest);
        return;
    }
    if (message) {
        nki_error_set(&error, NKI_NO_STREAM, "no stream takes a message of the batch, or it has no leader");
        note(ingest, &error);
        ping(ingest, now_ns);
    }
    ingest->commit_sent = false; /* it is sent with the next tick */
    pthread_mutex_unlock(&ingest->window.mu);
}

/* With window.mu, which is released. */
static void answered(struct nki_ingest *ingest, struct nki_msg *msg, int64_t now_ns)
{
    struct nki_json_value answer;
    struct nki_json_value type;
    struct nki_str data = nki_msg_data(msg);
    struct nki_pub_ack ack;
    char name[8] = "";
    bool typed = data.len <= ANSWER_MAX && nki_json_check(data, &answer) && answer.type == NKI_JSON_OBJECT &&
                 nki_json_member(&answer, NKI_STR("type"), &type) && type.type == NKI_JSON_STRING &&
                 nki_json_text(&type, name, sizeof name) > 0;
    struct nki_str what = nki_str_z(name);
    if (typed && nki_str_eq(what, NKI_STR("ack"))) {
        acked(ingest, &answer);
    } else if (typed && nki_str_eq(what, NKI_STR("gap"))) {
        missed(ingest, &answer);
    } else if (typed && nki_str_eq(what, NKI_STR("err"))) {
        refused(ingest, &answer);
    } else if (nki_pub_ack_read((char *)nki_msg_body(msg) + msg->header_len, msg->data_len, &ack) == NKI_OK) {
        ended_by_stream(ingest, &ack);
        return;
    } else {
        refused_by_stream(ingest, &ack);
        return;
    }
    send_commit(ingest, now_ns);
    tell_room(ingest);
    pthread_mutex_unlock(&ingest->window.mu);
}

static void on_message(struct nki_feed *feed, struct nki_msg *msg, int64_t now_ns)
{
    struct nki_ingest *ingest = ingest_of(feed);
    bool nobody = nki_engine_says_nobody(msg);
    nki_ingest_retain(ingest); /* it may end here */
    pthread_mutex_lock(&ingest->window.mu);
    if (ingest->ended != 0) {
        pthread_mutex_unlock(&ingest->window.mu);
    } else if (nobody) {
        got_nobody(ingest, nki_msg_subject(msg), now_ns);
    } else {
        ingest->heard = true;
        ingest->nobody = false;
        ingest->asked_ns = ingest->commit_sent ? ingest->asked_ns : 0;
        answered(ingest, msg, now_ns);
    }
    nki_ingest_release(ingest);
    nki_msg_release(msg);
}

/* -- the connection -------------------------------------------------------------------------------------- */

static void on_up(struct nki_feed *feed, int64_t now_ns)
{
    struct nki_ingest *ingest = ingest_of(feed);
    pthread_mutex_lock(&ingest->window.mu);
    if (ingest->was_down) {
        ping(ingest, now_ns); /* what was lost on the way shows */
    }
    send_commit(ingest, now_ns);
    pthread_mutex_unlock(&ingest->window.mu);
    nki_feed_arm(feed, now_ns + TICK_NS);
}

static void on_down(struct nki_feed *feed, int64_t now_ns)
{
    (void)now_ns;
    struct nki_ingest *ingest = ingest_of(feed);
    pthread_mutex_lock(&ingest->window.mu);
    ingest->was_down = true;
    ingest->asked_ns = 0;
    ingest->commit_sent = false;
    pthread_mutex_unlock(&ingest->window.mu);
    nki_feed_arm(feed, NKI_NEVER);
}

static void on_tick(struct nki_feed *feed, int64_t now_ns)
{
    struct nki_ingest *ingest = ingest_of(feed);
    nki_feed_arm(feed, now_ns + TICK_NS);
    pthread_mutex_lock(&ingest->window.mu);
    if (ingest->asked_ns != 0 && now_ns - ingest->asked_ns > ingest->ack_wait_ns) {
        end_late(ingest);
        return;
    }
    send_commit(ingest, now_ns);
    if (!ingest->heard && ingest->each > 0) {
        ping(ingest, now_ns);
    }
    ingest->heard = false;
    pthread_mutex_unlock(&ingest->window.mu);
}

static void on_taken(struct nki_feed *feed, int64_t now_ns)
{
    (void)feed;
    (void)now_ns;
}

/* Whether it is its own message cannot be told of a subject that is not the first one's; then the stream sees
 * the gap. */
static void on_denied(struct nki_feed *feed, struct nki_str subject, const struct nki_error *error)
{
    struct nki_ingest *ingest = ingest_of(feed);
    pthread_mutex_lock(&ingest->window.mu);
    struct nki_str own = nki_str_make((const char *)ingest->subject.data, ingest->subject.len);
    if (ingest->ended == 0 && ingest->issued > 0 && nki_str_eq(own, subject)) {
        end_with(ingest, error, NKI_OUTCOME_UNKNOWN);
    } else {
        ping(ingest, nki_clock_now_ns());
        pthread_mutex_unlock(&ingest->window.mu);
    }
}

/* The stream sees the gap; this is why there is one. */
static bool on_unsent(struct nki_feed *feed, struct nki_str reply, const struct nki_error *error)
{
    struct nki_ingest *ingest = ingest_of(feed);
    bool ours = reply.len > ingest->prefix_len && memcmp(reply.ptr, ingest->prefix, ingest->prefix_len) == 0;
    if (ours) {
        pthread_mutex_lock(&ingest->window.mu);
        note(ingest, error);
        pthread_mutex_unlock(&ingest->window.mu);
    }
    return ours;
}

/* What was published is committed, as far as there is time. */
static void on_drain(struct nki_feed *feed, int64_t now_ns)
{
    struct nki_ingest *ingest = ingest_of(feed);
    pthread_mutex_lock(&ingest->window.mu);
    bool empty = ingest->issued == 0 || ingest->ended != 0;
    ingest->committing = true;
    send_commit(ingest, now_ns);
    tell_room(ingest);
    pthread_mutex_unlock(&ingest->window.mu);
    if (empty) {
        nki_feed_finish(feed, NKI_UNSUBSCRIBED, NULL);
    }
}

static bool on_waits(const struct nki_feed *feed, uint64_t sent)
{
    (void)sent;
    struct nki_ingest *ingest = ingest_of((struct nki_feed *)(uintptr_t)feed);
    pthread_mutex_lock(&ingest->window.mu);
    bool waits = ingest->asked_ns != 0;
    pthread_mutex_unlock(&ingest->window.mu);
    return waits;
}

static void on_end(struct nki_feed *feed, int32_t reason)
{
    struct nki_ingest *ingest = ingest_of(feed);
    pthread_mutex_lock(&ingest->window.mu);
    if (ingest->ended == 0) {
        if (feed->engine != NULL && feed->up && ingest->issued > 0 && !ingest->commit_sent) {
            bool sent; /* nobody looks at the answer, but it is no burden to the stream any more */
            send_own(ingest, NKI_INGEST_COMMIT, ingest->issued + 1, 0, &sent);
        }
        ingest->ended = ingest->reason = reason == NKI_UNSUBSCRIBED ? NKI_CLOSED : reason;
        ingest->outcome = NKI_OUTCOME_UNKNOWN;
    }
    if (feed->engine != NULL) {
        tell_room(ingest);
        tell_commits(ingest);
    }
    pthread_mutex_unlock(&ingest->window.mu);
    nki_ingest_release(ingest);
}

const struct nki_feed_ops nki_ingest_feed_ops = {
    .up = on_up,
    .down = on_down,
    .message = on_message,
    .tick = on_tick,
    .taken = on_taken,
    .denied = on_denied,
    .unsent = on_unsent,
    .drain = on_drain,
    .waits = on_waits,
    .end = on_end,
};
