/* Publishing with an ack: see publish.h. A chain (client/chain.h) of the same request, which is made again
 * where that cannot store the message twice: nobody has got it (503), or it has an id, and the connection was
 * lost, or the stream has a message of that id under way. The reply runs under the engine lock, the rest in
 * the caller's thread. */
#include "jetstream/publish.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"
#include "client/chain.h"
#include "client/driver.h"
#include "jetstream/api_error.h"
#include "jetstream/origin.h"
#include "jetstream/stored.h"
#include "wire/header.h"

#include <inttypes.h>

#define SHOWN_MAX 80 /* of a subject in an error */

struct publish {
    struct nki_chain chain;
    int64_t retries; /* left; -1: no limit */
    uint64_t attempts;
    bool idempotent;
    bool doubt; /* an attempt may have come although nobody has confirmed it */
    /* Of an increment alone, whose ack has to have a value: */
    bool counts;
    bool reads;          /* it was counted before, and the sum is asked for */
    uint64_t seq;        /* then: where it was stored */
    struct nki_js *js;   /* a reference */
    struct nki_buf text; /* subject of the request, its data, stream */
    size_t data_at;
    size_t stream_at;
    char bytes[]; /* what is published, if it is a copy */
};

bool nki_js_idempotent(struct nki_str header_block)
{
    struct nki_str id;
    return header_block.len > 0 &&
           nki_header_find(header_block, NKI_STR("Nats-Msg-Id"), NKI_MATCH_EXACT, 0, &id) && id.len > 0;
}

static struct publish *publish_of(struct nki_chain *chain)
{
    return NKI_CONTAINER_OF(chain, struct publish, chain);
}

static void free_publish(struct nki_op_part *part)
{
    struct publish *publish = publish_of(NKI_CONTAINER_OF(part, struct nki_chain, part));
    if (publish->counts) {
        nki_buf_free(&publish->text);
        nki_js_release(publish->js);
    }
    nki_free(publish);
}

/* Nobody has got it. */
static enum nki_chain_next no_stream(struct publish *publish, struct nki_chain_end *end)
{
    int32_t outcome = publish->doubt ? NKI_OUTCOME_UNKNOWN : NKI_OUTCOME_REJECTED;
    publish->attempts++;
    if (publish->retries != 0) {
        publish->retries -= publish->retries > 0;
        publish->chain.idle_outcome = outcome;
        return NKI_CHAIN_WAITS;
    }
    struct nki_str subject = publish->chain.out.subject;
    end->outcome = outcome;
    end->status = nki_error_set(
        &end->error, NKI_NO_STREAM, "no stream takes \"%.*s\", or it has no leader (%" PRIu64 " attempts)",
        (int)(subject.len < SHOWN_MAX ? subject.len : SHOWN_MAX), subject.ptr, publish->attempts);
    return NKI_CHAIN_ENDS;
}

void nki_js_end_published(struct nki_msg *msg, struct nki_pub_ack *ack, struct nki_chain_end *end)
{
    end->status = ack->status;
    end->outcome = ack->outcome;
    if (end->status == NKI_OK) {
        ack->id = 0;
        nki_pub_ack_turn(msg, ack);
        end->msg = msg;
        return;
    }
    bool told = ack->text.len > 0;
    nki_error_set(&end->error, end->status, told ? "%.*s" : NULL, (int)ack->text.len, ack->text.ptr);
    end->error.server_code = ack->server_code;
    end->error.err_code = ack->err_code;
    nki_msg_release(msg);
}

static void read_ack(struct nki_msg *msg, struct nki_pub_ack *ack)
{
    (void)nki_pub_ack_read((char *)nki_msg_body(msg) + msg->header_len, msg->data_len, ack);
}

void nki_js_published(struct nki_msg *msg, struct nki_chain_end *end)
{
    struct nki_pub_ack ack;
    read_ack(msg, &ack);
    nki_js_end_published(msg, &ack, end);
}

/* A stream that does not count has stored an increment as any message: so do servers before 2.12. */
static void not_counted(struct nki_msg *msg, const struct nki_pub_ack *ack, struct nki_chain_end *end)
{
    end->outcome = NKI_OUTCOME_UNKNOWN;
    end->status = nki_error_set(&end->error, NKI_INVALID_ACK,
                                "stream %.*s has stored it as sequence %" PRIu64
                                ", but tells no sum: it is no counter, or one of too many digits",
                                (int)(ack->stream.len < SHOWN_MAX ? ack->stream.len : SHOWN_MAX),
                                ack->stream.ptr, ack->seq);
    nki_msg_release(msg);
}

/* The ack of a message that was stored before tells no sum: the stream's leader is asked for the last of the
 * subject. Gives up the message. */
static enum nki_chain_next read_sum(struct publish *publish, struct nki_msg *msg,
                                    const struct nki_pub_ack *ack, struct nki_chain_end *end)
{
    struct nki_buf *text = &publish->text;
    struct nki_str subject = publish->chain.out.subject;
    const char *fault = nki_js_name_fault(ack->stream);
    if (fault != NULL) { /* whoever answered chose it, and it becomes a part of a subject */
        end->outcome = NKI_OUTCOME_UNKNOWN;
        end->status = nki_error_set(&end->error, NKI_INVALID_ACK, "the ack's name of a stream %s", fault);
        nki_msg_release(msg);
        return NKI_CHAIN_ENDS;
    }
    bool ok = nki_buf_append_str(text, nki_js_prefix(publish->js)) &&
              nki_buf_append_str(text, NKI_STR(".STREAM.MSG.GET.")) && nki_buf_append_str(text, ack->stream);
    publish->data_at = text->len;
    ok = ok && nki_buf_append_str(text, NKI_STR("{\"last_by_subj\":")) &&
         nki_buf_append_json(text, subject) && nki_buf_append(text, "}", 1);
    publish->stream_at = text->len;
    ok = ok && nki_buf_append_str(text, ack->stream);
    publish->seq = ack->seq;
    nki_msg_release(msg);
    if (!ok) {
        end->outcome = NKI_OUTCOME_UNKNOWN;
        end->status = nki_error_set(&end->error, NKI_NO_MEMORY, NULL);
        return NKI_CHAIN_ENDS;
    }
    const char *at = (const char *)text->data;
    publish->reads = true;
    publish->chain.out = (struct nki_outgoing_msg){
        .subject = nki_str_make(at, publish->data_at),
        .header_block = NKI_STR(""),
        .data = nki_str_make(at + publish->data_at, publish->stream_at - publish->data_at)};
    publish->chain.idle_outcome = NKI_OUTCOME_UNKNOWN;
    return NKI_CHAIN_ASKS;
}

/* What the leader says of the last message: an ack with its value. Keeps the message. */
static int32_t sum_of(const struct publish *publish, const struct nki_msg *msg, struct nki_msg **out,
                      struct nki_error *error)
{
    struct nki_json_value answer;
    struct nki_json_value part;
    struct nki_msg *stored;
    struct nki_str value = NKI_STR("");
    struct nki_str stream = nki_str_make((const char *)publish->text.data + publish->stream_at,
                                         publish->text.len - publish->stream_at);
    if (!nki_json_check(nki_msg_data(msg), &answer) || answer.type != NKI_JSON_OBJECT) {
        return nki_error_set(error, NKI_PROTOCOL, "the answer to the question for the sum is no JSON object");
    }
    if (nki_json_member(&answer, NKI_STR("error"), &part)) {
        return nki_js_read_error(&part, error);
    }
    int32_t status = nki_stored_msg(&answer, stream, &stored);
    if (status != NKI_OK) {
        return nki_error_set(error, status, NULL);
    }
    if (nki_counter_read(nki_msg_data(stored), &value) && value.len <= NKI_PUB_ACK_VALUE_MAX) {
        struct nki_pub_ack ack = {.status = NKI_OK,
                                  .outcome = NKI_OUTCOME_DONE,
                                  .seq = publish->seq,
                                  .duplicate = true,
                                  .stream = stream,
                                  .value = value};
        *out = nki_pub_ack_msg(NULL, &ack);
        status = *out != NULL ? NKI_OK : nki_error_set(error, NKI_NO_MEMORY, NULL);
    } else {
        status = nki_error_set(error, NKI_INVALID_ACK, "the last message of the subject holds no sum");
    }
    nki_msg_release(stored);
    return status;
}

/* The answer to that. */
static enum nki_chain_next sum_read(const struct publish *publish, int32_t status, struct nki_msg *msg,
                                    struct nki_chain_end *end)
{
    if (status == NKI_OK) {
        end->status = sum_of(publish, msg, &end->msg, &end->error);
        nki_msg_release(msg);
    } else if (status != NKI_NO_RESPONDERS) {
        return NKI_CHAIN_ASKS; /* the connection was lost */
    } else {
        end->status = nki_error_set(&end->error, NKI_JS_NOT_ENABLED, NULL);
    }
    end->outcome = end->status == NKI_OK ? NKI_OUTCOME_DONE : NKI_OUTCOME_UNKNOWN;
    return NKI_CHAIN_ENDS;
}

static enum nki_chain_next reply(struct nki_chain *chain, int32_t status, struct nki_msg *msg,
                                 struct nki_chain_end *end)
{
    struct publish *publish = publish_of(chain);
    if (publish->reads) {
        return sum_read(publish, status, msg, end);
    }
    if (status == NKI_OK) {
        struct nki_pub_ack ack;
        read_ack(msg, &ack);
        if (nki_pub_ack_in_process(&ack) && publish->idempotent) {
            nki_msg_release(msg);
            publish->attempts++;
            publish->doubt = true;
            chain->idle_outcome = NKI_OUTCOME_UNKNOWN;
            return NKI_CHAIN_WAITS;
        }
        if (publish->counts && ack.duplicate && ack.status == NKI_OK && ack.value.len == 0) {
            return read_sum(publish, msg, &ack, end);
        }
        if (publish->counts && ack.status == NKI_OK && ack.value.len == 0) {
            not_counted(msg, &ack, end);
        } else {
            ack.outcome = nki_pub_ack_outcome(&ack, publish->doubt);
            nki_js_end_published(msg, &ack, end);
        }
        return NKI_CHAIN_ENDS;
    }
    if (status == NKI_NO_RESPONDERS) {
        return no_stream(publish, end);
    }
    publish->attempts++;
    publish->doubt = true;
    chain->idle_outcome = NKI_OUTCOME_UNKNOWN;
    if (publish->idempotent) {
        return NKI_CHAIN_ASKS;
    }
    end->outcome = NKI_OUTCOME_UNKNOWN;
    end->status = nki_error_set(&end->error, status, NULL);
    return NKI_CHAIN_ENDS;
}

static const struct nki_chain_ops publish_ops = {reply};

static struct nki_str copy_part(char **at, struct nki_str part)
{
    struct nki_str copy = nki_str_make(*at, part.len);
    if (part.len > 0) {
        memcpy(*at, part.ptr, part.len);
        *at += part.len;
    }
    return copy;
}

/* Its chain; with `copy` one that needs nothing of the caller. NULL if there is no memory. */
static struct publish *new_publish(const struct nki_js *js, const struct nki_outgoing_msg *msg, bool copy)
{
    size_t len = copy ? msg->subject.len + msg->header_block.len + msg->data.len : 0;
    struct publish *publish = nki_alloc(sizeof *publish + len);
    if (publish == NULL) {
        return NULL;
    }
    *publish = (struct publish){
        .chain = {.part = {free_publish},
                  .ops = &publish_ops,
                  .out = *msg,
                  .wait_ms = js->publish_retry_wait_ms},
        .retries = js->publish_retries,
        .idempotent = nki_js_idempotent(msg->header_block),
    };
    if (copy) {
        char *at = publish->bytes;
        publish->chain.out.subject = copy_part(&at, msg->subject);
        publish->chain.out.header_block = copy_part(&at, msg->header_block);
        publish->chain.out.data = copy_part(&at, msg->data);
    }
    return publish;
}

static void set_counts(struct publish *publish, struct nki_js *js, bool counts)
{
    publish->counts = counts;
    if (counts) {
        publish->js = js;
        nki_js_retain(js);
    }
}

static int32_t begin_publish(struct nki_js *js, const struct nki_outgoing_msg *msg, bool counts,
                             const struct nki_js_begin *begin, struct nki_op **op, struct nki_error *err)
{
    struct publish *publish = new_publish(js, msg, true);
    if (publish == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    set_counts(publish, js, counts);
    return nki_conn_chain(js->conn, &publish->chain, begin->deadline_ns, begin->timed, begin->wait_room, op,
                          err);
}

int32_t nki_js_publish_begin(struct nki_js *js, const struct nki_outgoing_msg *msg,
                             const struct nki_js_begin *begin, struct nki_op **op, struct nki_error *err)
{
    return begin_publish(js, msg, false, begin, op, err);
}

int32_t nki_js_count_begin(struct nki_js *js, const struct nki_outgoing_msg *msg,
                           const struct nki_js_begin *begin, struct nki_op **op, struct nki_error *err)
{
    return begin_publish(js, msg, true, begin, op, err);
}

int32_t nki_js_publish_start(struct nki_js *js, const struct nki_outgoing_msg *msg, int64_t deadline_ns,
                             struct nki_op **op, struct nki_error *err)
{
    const struct nki_js_begin begin = {.deadline_ns = deadline_ns, .timed = true};
    return nki_js_publish_begin(js, msg, &begin, op, err);
}

int32_t nki_js_await(struct nki_js *js, struct nki_op *op, int64_t deadline_ns, struct nki_str what,
                     struct nki_msg **ack, int32_t *outcome, struct nki_error *err)
{
    int32_t status = nki_conn_wait_op(js->conn, op, deadline_ns);
    if (status == NKI_OK) {
        status = nki_op_result(op, outcome, err);
        status = status == NKI_OK ? nki_op_take_msg(op, ack) : status;
    } else {
        nki_conn_cancel(js->conn, op);
        *outcome = nki_op_late_outcome(op);
        nki_error_set(err, status, status == NKI_TIMEOUT ? "no ack for \"%.*s\" in time" : NULL,
                      (int)(what.len < SHOWN_MAX ? what.len : SHOWN_MAX), what.ptr);
    }
    nki_op_release(op);
    return status;
}

static int32_t publish_now(struct nki_js *js, const struct nki_outgoing_msg *msg, bool counts,
                           int64_t deadline_ns, struct nki_msg **ack, int32_t *outcome, struct nki_error *err)
{
    *outcome = NKI_OUTCOME_NOT_SENT;
    struct publish *publish =
        new_publish(js, msg, false); /* the caller waits, and the engine forgets it before */
    if (publish == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    set_counts(publish, js, counts);
    struct nki_op *op;
    int32_t status = nki_conn_chain(js->conn, &publish->chain, deadline_ns, false, true, &op, err);
    return status == NKI_OK ? nki_js_await(js, op, deadline_ns, msg->subject, ack, outcome, err) : status;
}

int32_t nki_js_publish(struct nki_js *js, const struct nki_outgoing_msg *msg, int64_t deadline_ns,
                       struct nki_msg **ack, int32_t *outcome, struct nki_error *err)
{
    return publish_now(js, msg, false, deadline_ns, ack, outcome, err);
}

int32_t nki_js_count(struct nki_js *js, const struct nki_outgoing_msg *msg, int64_t deadline_ns,
                     struct nki_msg **ack, int32_t *outcome, struct nki_error *err)
{
    return publish_now(js, msg, true, deadline_ns, ack, outcome, err);
}
