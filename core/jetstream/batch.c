/* Gathering the messages of a batch: see batch.h. Any thread, under the batch's mutex, below which nothing is
 * locked. */
#include "jetstream/batch_inside.h"

#include "base/alloc.h"
#include "client/chain.h"
#include "client/driver.h"
#include "jetstream/publish.h"
#include "wire/header.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#define FIRST_CAP 16
#define SHOWN_MAX 80

struct nki_batch {
    atomic_uint refs;
    struct nki_js *js; /* a reference; constant */
    uint64_t max_bytes;
    pthread_mutex_t mu;
    struct nki_batch_msgs *msgs; /* guarded by mu; a reference */
    bool committed;
};

/* -- the messages ---------------------------------------------------------------------------------------- */

void nki_batch_msgs_release(struct nki_batch_msgs *msgs)
{
    if (msgs == NULL || atomic_fetch_sub_explicit(&msgs->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < msgs->count; i++) {
        nki_free((void *)(uintptr_t)msgs->frames[i].header_block.ptr);
    }
    nki_free(msgs->frames);
    nki_free(msgs->marks);
    nki_free(msgs);
}

static struct nki_batch_msgs *msgs_new(void)
{
    struct nki_batch_msgs *msgs = nki_calloc(1, sizeof *msgs);
    if (msgs != NULL) {
        atomic_init(&msgs->refs, 1);
    }
    return msgs;
}

static bool make_room(struct nki_batch_msgs *msgs)
{
    if (msgs->count < msgs->cap) {
        return true;
    }
    size_t cap = msgs->cap > 0 ? msgs->cap * 2 : FIRST_CAP;
    struct nki_outgoing_msg *frames = nki_realloc(msgs->frames, cap * sizeof *frames);
    if (frames == NULL) {
        return false;
    }
    msgs->frames = frames;
    struct nki_batch_mark *marks = nki_realloc(msgs->marks, cap * sizeof *marks);
    if (marks == NULL) {
        return false;
    }
    msgs->marks = marks;
    msgs->cap = cap;
    return true;
}

/* -- what a batch excludes ------------------------------------------------------------------------------- */

static int32_t refuse(struct nki_error *err, const char *header, const char *why)
{
    return nki_error_set(err, NKI_INVALID, "header %s: %s", header, why);
}

static bool has(struct nki_str block, const char *name, struct nki_str *value)
{
    return block.len > 0 && nki_header_find(block, nki_str_z(name), NKI_MATCH_EXACT, 0, value);
}

static bool has_batch_header(struct nki_str block)
{
    static const char begin[] = "Nats-Batch-";
    struct nki_str name;
    struct nki_str value;
    size_t at = 0;
    while (nki_header_next(block, &at, &name, &value)) {
        if (name.len >= sizeof begin - 1 && strncasecmp(name.ptr, begin, sizeof begin - 1) == 0) {
            return true;
        }
    }
    return false;
}

static bool writes(const struct nki_batch_msgs *msgs, struct nki_str subject)
{
    uint64_t hash = nki_str_hash(subject);
    for (size_t i = 0; i < msgs->count; i++) {
        if (msgs->marks[i].subject == hash && nki_str_eq(msgs->frames[i].subject, subject)) {
            return true;
        }
    }
    return false;
}

static bool has_id(const struct nki_batch_msgs *msgs, struct nki_str id)
{
    uint64_t hash = nki_str_hash(id);
    struct nki_str other;
    for (size_t i = 0; i < msgs->count; i++) {
        if (msgs->marks[i].msg_id == hash && has(msgs->frames[i].header_block, "Nats-Msg-Id", &other) &&
            nki_str_eq(other, id)) {
            return true;
        }
    }
    return false;
}

/* Which headers a server would refuse, some of them only with the commit. */
static int32_t check_headers(const struct nki_batch_msgs *msgs, const struct nki_outgoing_msg *msg,
                             struct nki_error *err)
{
    struct nki_str block = msg->header_block;
    struct nki_str value;
    if (block.len == 0) {
        return NKI_OK;
    }
    if (has_batch_header(block)) {
        return refuse(err, "Nats-Batch-...", "the batch sets it itself");
    }
    if (has(block, "Nats-Expected-Last-Msg-Id", &value)) {
        return refuse(err, "Nats-Expected-Last-Msg-Id", "not in a batch");
    }
    if (has(block, "Nats-Expected-Last-Sequence", &value) && msgs->count > 0) {
        return refuse(err, "Nats-Expected-Last-Sequence", "only the first message of a batch may have it");
    }
    if (has(block, "Nats-Expected-Last-Subject-Sequence", &value)) {
        struct nki_str subject = msg->subject;
        (void)has(block, "Nats-Expected-Last-Subject-Sequence-Subject", &subject);
        if (writes(msgs, subject)) {
            return refuse(err, "Nats-Expected-Last-Subject-Sequence",
                          "a message before it in the batch has this subject");
        }
    }
    if (has(block, "Nats-Msg-Id", &value) && has_id(msgs, value)) {
        return refuse(err, "Nats-Msg-Id", "a message before it in the batch has this id");
    }
    return NKI_OK;
}

/* -- adding ---------------------------------------------------------------------------------------------- */

/* Its block: the batch's headers, the id left open, and its own. */
static int32_t make_block(struct nki_buf *block, size_t number, struct nki_str own, struct nki_error *err)
{
    char id[NKI_NUID_LEN];
    char digits[24];
    memset(id, '0', sizeof id);
    int len = snprintf(digits, sizeof digits, "%zu", number);
    int32_t status = nki_header_append(block, NKI_STR(NKI_BATCH_ID_NAME), nki_str_make(id, sizeof id), err);
    if (status == NKI_OK) {
        status =
            nki_header_append(block, NKI_STR("Nats-Batch-Sequence"), nki_str_make(digits, (size_t)len), err);
    }
    return status == NKI_OK && own.len > 0 ? nki_header_append_all(block, own, err) : status;
}

static int32_t check_size(const struct nki_batch *batch, const struct nki_outgoing_msg *frame,
                          struct nki_error *err)
{
    int32_t status = nki_conn_check_size(batch->js->conn, frame);
    uint64_t len = frame->subject.len + frame->header_block.len + frame->data.len;
    if (status != NKI_OK) {
        return nki_error_set(err, status, NULL);
    }
    if (batch->msgs->bytes + len > batch->max_bytes) {
        return nki_error_set(err, NKI_LIMIT, "the batch would have more than max_bytes, %" PRIu64,
                             batch->max_bytes);
    }
    return NKI_OK;
}

/* With mu: the copy of a message that was found good. `block` is taken over. */
static int32_t append(struct nki_batch *batch, const struct nki_outgoing_msg *msg, struct nki_buf *block,
                      struct nki_error *err)
{
    struct nki_batch_msgs *msgs = batch->msgs;
    size_t header_len = block->len;
    struct nki_outgoing_msg frame = *msg;
    frame.reply = NKI_STR("");
    frame.header_block = nki_str_make((const char *)block->data, header_len);
    int32_t status = check_size(batch, &frame, err);
    if (status != NKI_OK) {
        return status;
    }
    if (!make_room(msgs) || !nki_buf_append_str(block, msg->subject) ||
        !nki_buf_append_str(block, msg->data)) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    const char *bytes = (const char *)block->data;
    struct nki_str id;
    frame.header_block = nki_str_make(bytes, header_len);
    frame.subject = nki_str_make(bytes + header_len, msg->subject.len);
    frame.data = nki_str_make(bytes + header_len + msg->subject.len, msg->data.len);
    msgs->marks[msgs->count] = (struct nki_batch_mark){
        .subject = nki_str_hash(frame.subject),
        .msg_id = has(frame.header_block, "Nats-Msg-Id", &id) ? nki_str_hash(id) : 0,
    };
    msgs->frames[msgs->count++] = frame;
    msgs->bytes += block->len;
    *block = (struct nki_buf){0};
    return NKI_OK;
}

static int32_t add_locked(struct nki_batch *batch, const struct nki_outgoing_msg *msg, struct nki_error *err)
{
    if (batch->committed) {
        return nki_error_set(err, NKI_CLOSED, "the batch was committed, or is being so");
    }
    if (batch->msgs->count == NKI_BATCH_MSGS_MAX) {
        return nki_error_set(err, NKI_LIMIT, "the batch has %d messages, which is the most",
                             NKI_BATCH_MSGS_MAX);
    }
    int32_t status = check_headers(batch->msgs, msg, err);
    struct nki_buf block = {0};
    if (status == NKI_OK) {
        status = make_block(&block, batch->msgs->count + 1, msg->header_block, err);
    }
    if (status == NKI_OK) {
        status = append(batch, msg, &block, err);
    }
    nki_buf_free(&block);
    return status;
}

int32_t nki_batch_add(struct nki_batch *batch, const struct nki_outgoing_msg *msg, struct nki_error *err)
{
    pthread_mutex_lock(&batch->mu);
    int32_t status = add_locked(batch, msg, err);
    pthread_mutex_unlock(&batch->mu);
    return status;
}

/* -- committing ------------------------------------------------------------------------------------------ */

/* With mu. */
static int32_t make_chain(struct nki_batch *batch, struct nki_chain **out, struct nki_error *err)
{
    if (batch->committed) {
        return nki_error_set(err, NKI_CLOSED, "the batch was committed, or is being so");
    }
    if (batch->msgs->count == 0) {
        return nki_error_set(err, NKI_INVALID, "the batch has no message");
    }
    int32_t status = nki_batch_chain(batch->js, batch->msgs, out, err);
    batch->committed = status == NKI_OK;
    return status;
}

int32_t nki_batch_commit_begin(struct nki_batch *batch, const struct nki_js_begin *begin, struct nki_op **op,
                               struct nki_error *err)
{
    struct nki_chain *chain;
    pthread_mutex_lock(&batch->mu);
    int32_t status = make_chain(batch, &chain, err);
    pthread_mutex_unlock(&batch->mu);
    if (status != NKI_OK) {
        return status;
    }
    status =
        nki_conn_chain(batch->js->conn, chain, begin->deadline_ns, begin->timed, begin->wait_room, op, err);
    if (status != NKI_OK) { /* nothing has been sent */
        pthread_mutex_lock(&batch->mu);
        batch->committed = false;
        pthread_mutex_unlock(&batch->mu);
    }
    return status;
}

int32_t nki_batch_commit(struct nki_batch *batch, int64_t deadline_ns, struct nki_msg **ack, int32_t *outcome,
                         struct nki_error *err)
{
    const struct nki_js_begin begin = {.deadline_ns = deadline_ns, .wait_room = true};
    struct nki_op *op;
    *outcome = NKI_OUTCOME_NOT_SENT;
    int32_t status = nki_batch_commit_begin(batch, &begin, &op, err);
    if (status != NKI_OK) {
        return status;
    }
    return nki_js_await(batch->js, op, deadline_ns, NKI_STR("the batch"), ack, outcome, err);
}

void nki_batch_info_get(struct nki_batch *batch, struct nki_batch_info *out)
{
    pthread_mutex_lock(&batch->mu);
    *out = (struct nki_batch_info){
        .msgs = batch->msgs->count, .bytes = batch->msgs->bytes, .committed = batch->committed};
    pthread_mutex_unlock(&batch->mu);
}

/* -- its life -------------------------------------------------------------------------------------------- */

int32_t nki_batch_open(struct nki_js *js, const struct nki_options *options, struct nki_batch **out,
                       struct nki_error *err)
{
    struct nki_options *defaults = options == NULL ? nki_options_new(NKI_SCOPE_BATCH) : NULL;
    struct nki_batch *batch = options != NULL || defaults != NULL ? nki_calloc(1, sizeof *batch) : NULL;
    struct nki_batch_msgs *msgs = batch != NULL ? msgs_new() : NULL;
    if (msgs == NULL) {
        nki_options_free(defaults);
        nki_free(batch);
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    const struct nki_options *use = options != NULL ? options : defaults;
    batch->max_bytes = (uint64_t)nki_options_int(use, NKI_OPT_BATCH_max_bytes);
    nki_options_free(defaults);
    atomic_init(&batch->refs, 1);
    pthread_mutex_init(&batch->mu, NULL);
    batch->msgs = msgs;
    batch->js = js;
    nki_js_retain(js);
    *out = batch;
    return NKI_OK;
}

void nki_batch_retain(struct nki_batch *batch)
{
    atomic_fetch_add_explicit(&batch->refs, 1, memory_order_relaxed);
}

void nki_batch_release(struct nki_batch *batch)
{
    if (atomic_fetch_sub_explicit(&batch->refs, 1, memory_order_acq_rel) == 1) {
        nki_batch_msgs_release(batch->msgs);
        nki_js_release(batch->js);
        pthread_mutex_destroy(&batch->mu);
        nki_free(batch);
    }
}

struct nki_js *nki_batch_js(const struct nki_batch *batch)
{
    return batch->js;
}
