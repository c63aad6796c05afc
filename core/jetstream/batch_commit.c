/* Storing a batch: see batch.h. A chain of requests (client/chain.h): what the server's API is capable of, if
 * that is not known (an older one would store each message for itself); the first message, alone, since most
 * of what can be wrong shows with it; more of them, each time as many as one round trip is worth, of which
 * the last asks for a sign; the last of all, with the commit.
 *
 * Until the commit is sent nothing of it can become visible, so it is begun anew with another id if the
 * connection is lost or the stream's leader has forgotten it. Replies run under the engine lock. */
#include "base/alloc.h"
#include "base/json.h"
#include "client/chain.h"
#include "client/driver.h"
#include "jetstream/api_error.h"
#include "jetstream/batch_inside.h"
#include "jetstream/publish.h"
#include "wire/header.h"

#include <inttypes.h>

#define LEVEL_NEEDED 2 /* server 2.12 */
#define STEP_MSGS 100
#define STEP_BYTES ((size_t)256 * NKI_KIB)
#define SHOWN_MAX 80
#define ERROR_MAX ((size_t)16 * NKI_KIB) /* an answer of more bytes is no error, nor an account's info */

enum step { ASKS_LEVEL, STAGES, COMMITS };

struct commit {
    struct nki_chain chain;
    struct nki_js *js;           /* a reference */
    struct nki_batch_msgs *msgs; /* a reference */
    struct nki_nuid nuid;
    struct nki_buf question; /* subject of the account's info */
    struct nki_buf last;     /* block of the last message, with the commit */
    enum step step;
    size_t next; /* the first message that was not sent */
    int64_t retries;
    uint64_t attempts;
};

static struct commit *commit_of(struct nki_chain *chain)
{
    return NKI_CONTAINER_OF(chain, struct commit, chain);
}

static void free_commit(struct nki_op_part *part)
{
    struct commit *commit = commit_of(NKI_CONTAINER_OF(part, struct nki_chain, part));
    nki_buf_free(&commit->question);
    nki_buf_free(&commit->last);
    nki_batch_msgs_release(commit->msgs);
    nki_js_release(commit->js);
    nki_free(commit);
}

/* -- requests -------------------------------------------------------------------------------------------- */

static void ask_level(struct commit *commit)
{
    commit->step = ASKS_LEVEL;
    commit->chain.out = (struct nki_outgoing_msg){
        .subject = nki_str_make((const char *)commit->question.data, commit->question.len),
        .reply = NKI_STR(""),
        .header_block = NKI_STR(""),
        .data = NKI_STR("")};
}

/* The message that the next step ends with: after the first one, which goes alone. */
static size_t step_end(const struct commit *commit)
{
    const struct nki_batch_msgs *msgs = commit->msgs;
    size_t end = commit->next;
    size_t bytes = 0;
    while (commit->next > 0 && end + 1 < msgs->count && end - commit->next + 1 < STEP_MSGS) {
        bytes += msgs->frames[end].header_block.len + msgs->frames[end].data.len;
        if (bytes > STEP_BYTES) {
            break;
        }
        end++;
    }
    return end;
}

static void show_step(struct commit *commit)
{
    const struct nki_batch_msgs *msgs = commit->msgs;
    size_t end = step_end(commit);
    bool last = end + 1 == msgs->count;
    commit->chain.ahead = msgs->frames + commit->next;
    commit->chain.ahead_count = end - commit->next;
    commit->chain.out = msgs->frames[end];
    if (last) {
        commit->chain.out.header_block = nki_str_make((const char *)commit->last.data, commit->last.len);
    }
    commit->step = last ? COMMITS : STAGES;
    commit->chain.asked_outcome = last ? NKI_OUTCOME_UNKNOWN : NKI_OUTCOME_NOT_SENT;
    commit->next = end + 1;
}

/* From the first message on, under an id of its own. */
static void begin_anew(struct commit *commit)
{
    char id[NKI_NUID_LEN];
    nki_nuid_next(&commit->nuid, id);
    for (size_t i = 0; i < commit->msgs->count; i++) {
        char *block = (char *)(uintptr_t)commit->msgs->frames[i].header_block.ptr;
        memcpy(block + NKI_BATCH_ID_AT, id, sizeof id);
    }
    memcpy(commit->last.data + NKI_BATCH_ID_AT, id, sizeof id);
    commit->next = 0;
    show_step(commit);
}

/* -- answers --------------------------------------------------------------------------------------------- */

static enum nki_chain_next end_with(struct nki_chain_end *end, int32_t status, int32_t outcome)
{
    end->status = status;
    end->outcome = outcome;
    return NKI_CHAIN_ENDS;
}

/* Once more after a pause, or not any more. */
static bool try_again(struct commit *commit)
{
    commit->attempts++;
    if (commit->retries == 0) {
        return false;
    }
    commit->retries -= commit->retries > 0;
    commit->chain.wait_ms = commit->js->publish_retry_wait_ms;
    if (commit->step != ASKS_LEVEL) {
        begin_anew(commit);
    }
    return true;
}

/* Takes over the message. */
static enum nki_chain_next level_told(struct commit *commit, struct nki_msg *msg, struct nki_chain_end *end)
{
    struct nki_str data = nki_msg_data(msg);
    struct nki_json_value answer;
    struct nki_json_value part;
    struct nki_json_value number;
    uint64_t level = 0;
    enum nki_chain_next next = NKI_CHAIN_ASKS;
    bool object = data.len <= ERROR_MAX && nki_json_check(data, &answer) && answer.type == NKI_JSON_OBJECT;
    if (object && nki_json_member(&answer, NKI_STR("error"), &part)) {
        next = end_with(end, nki_js_read_error(&part, &end->error), NKI_OUTCOME_NOT_SENT);
    } else {
        (void)(object && nki_json_member(&answer, NKI_STR("api"), &part) && part.type == NKI_JSON_OBJECT &&
               nki_json_member(&part, NKI_STR("level"), &number) && nki_json_u64(&number, &level));
        if (level < LEVEL_NEEDED) {
            nki_error_set(&end->error, NKI_API_LEVEL,
                          "the server's JetStream API has level %" PRIu64 ", and batches need %d", level,
                          LEVEL_NEEDED);
            next = end_with(end, NKI_API_LEVEL, NKI_OUTCOME_NOT_SENT);
        } else {
            atomic_store(&commit->js->api_level, level < INT32_MAX ? (int)level : INT32_MAX);
            begin_anew(commit);
        }
    }
    nki_msg_release(msg);
    return next;
}

/* A message is staged, or its batch is refused. Takes over the message. */
static enum nki_chain_next staged(struct commit *commit, struct nki_msg *msg, struct nki_chain_end *end)
{
    struct nki_pub_ack ack;
    if (msg->data_len == 0) {
        nki_msg_release(msg);
        show_step(commit);
        return NKI_CHAIN_ASKS;
    }
    if (nki_pub_ack_read((char *)nki_msg_body(msg) + msg->header_len, msg->data_len, &ack) == NKI_OK) {
        nki_error_set(&end->error, NKI_INVALID_ACK,
                      "stream %.*s has stored a message of the batch for itself, as sequence %" PRIu64,
                      (int)(ack.stream.len < SHOWN_MAX ? ack.stream.len : SHOWN_MAX), ack.stream.ptr,
                      ack.seq);
        nki_msg_release(msg);
        return end_with(end, NKI_INVALID_ACK, NKI_OUTCOME_UNKNOWN);
    }
    if (ack.status == NKI_BATCH_INCOMPLETE && try_again(commit)) {
        nki_msg_release(msg);
        return NKI_CHAIN_WAITS;
    }
    nki_js_end_published(msg, &ack, end);
    end->outcome = NKI_OUTCOME_REJECTED; /* nothing asks for a commit any more */
    return NKI_CHAIN_ENDS;
}

/* Whether it is the ack of this batch, whole. */
static bool is_ours(const struct commit *commit, const struct nki_pub_ack *ack)
{
    struct nki_str id = nki_str_make((const char *)commit->last.data + NKI_BATCH_ID_AT, NKI_NUID_LEN);
    return nki_str_eq(ack->batch, id) && ack->count == commit->msgs->count;
}

/* Takes over the message. */
static enum nki_chain_next committed(struct commit *commit, struct nki_msg *msg, struct nki_chain_end *end)
{
    struct nki_pub_ack ack;
    (void)nki_pub_ack_read((char *)nki_msg_body(msg) + msg->header_len, msg->data_len, &ack);
    if (ack.status == NKI_OK && !is_ours(commit, &ack)) {
        nki_error_set(&end->error, NKI_INVALID_ACK,
                      "stream %.*s acks %" PRIu64 " messages of batch \"%.*s\", and not %zu of this one",
                      (int)(ack.stream.len < SHOWN_MAX ? ack.stream.len : SHOWN_MAX), ack.stream.ptr,
                      ack.count, (int)(ack.batch.len < SHOWN_MAX ? ack.batch.len : SHOWN_MAX), ack.batch.ptr,
                      commit->msgs->count);
        nki_msg_release(msg);
        return end_with(end, NKI_INVALID_ACK, NKI_OUTCOME_UNKNOWN);
    }
    if (ack.status == NKI_BATCH_INCOMPLETE && try_again(commit)) {
        nki_msg_release(msg);
        return NKI_CHAIN_WAITS;
    }
    nki_js_end_published(msg, &ack, end);
    return NKI_CHAIN_ENDS;
}

/* Nobody has got the request. */
static enum nki_chain_next nobody(struct commit *commit, struct nki_chain_end *end)
{
    struct nki_str subject = commit->chain.out.subject;
    bool level = commit->step == ASKS_LEVEL;
    if (try_again(commit)) {
        return NKI_CHAIN_WAITS;
    }
    if (level) {
        nki_error_set(&end->error, NKI_JS_NOT_ENABLED, NULL);
        return end_with(end, NKI_JS_NOT_ENABLED, NKI_OUTCOME_NOT_SENT);
    }
    nki_error_set(&end->error, NKI_NO_STREAM,
                  "no stream takes \"%.*s\", or it has no leader (%" PRIu64 " attempts)",
                  (int)(subject.len < SHOWN_MAX ? subject.len : SHOWN_MAX), subject.ptr, commit->attempts);
    return end_with(end, NKI_NO_STREAM, NKI_OUTCOME_REJECTED);
}

static enum nki_chain_next reply(struct nki_chain *chain, int32_t status, struct nki_msg *msg,
                                 struct nki_chain_end *end)
{
    struct commit *commit = commit_of(chain);
    chain->idle_outcome = NKI_OUTCOME_NOT_SENT; /* of pauses, before which nothing is being committed */
    if (status == NKI_OK) {
        return commit->step == ASKS_LEVEL ? level_told(commit, msg, end)
               : commit->step == STAGES   ? staged(commit, msg, end)
                                          : committed(commit, msg, end);
    }
    if (status == NKI_NO_RESPONDERS) {
        return nobody(commit, end);
    }
    if (commit->step == COMMITS) {
        nki_error_set(&end->error, status, "the connection was lost before the commit was answered");
        return end_with(end, status, NKI_OUTCOME_UNKNOWN);
    }
    if (commit->step == STAGES) {
        begin_anew(commit);
    }
    return NKI_CHAIN_ASKS;
}

static const struct nki_chain_ops commit_ops = {.reply = reply};

/* -- the chain ------------------------------------------------------------------------------------------- */

static int32_t make_parts(struct commit *commit, struct nki_error *err)
{
    const struct nki_batch_msgs *msgs = commit->msgs;
    struct nki_str block = msgs->frames[msgs->count - 1].header_block;
    if (!nki_buf_append_str(&commit->last, block) ||
        !nki_buf_append_str(&commit->question, nki_js_prefix(commit->js)) ||
        !nki_buf_append_str(&commit->question, NKI_STR(".INFO"))) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    return nki_header_append(&commit->last, NKI_STR("Nats-Batch-Commit"), NKI_STR("1"), err);
}

int32_t nki_batch_chain(struct nki_js *js, struct nki_batch_msgs *msgs, struct nki_chain **out,
                        struct nki_error *err)
{
    struct commit *commit = nki_calloc(1, sizeof *commit);
    if (commit == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    commit->chain.part.free = free_commit;
    commit->chain.ops = &commit_ops;
    commit->chain.asked_outcome = NKI_OUTCOME_NOT_SENT;
    commit->js = js;
    nki_js_retain(js);
    commit->msgs = msgs;
    atomic_fetch_add_explicit(&msgs->refs, 1, memory_order_relaxed);
    commit->retries = js->publish_retries;
    nki_nuid_init(&commit->nuid);
    int32_t status = make_parts(commit, err);
    if (status != NKI_OK) {
        free_commit(&commit->chain.part);
        return status;
    }
    if (atomic_load(&js->api_level) < LEVEL_NEEDED) {
        ask_level(commit);
    } else {
        begin_anew(commit);
    }
    *out = &commit->chain;
    return NKI_OK;
}
