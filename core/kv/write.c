/* Changing a key: see write.h. All but the creating is one publish; that is a chain: publish for a key that
 * is not there; if it is, ask the leader what it is; if that is no value, publish over it. */
#include "kv/write.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "client/chain.h"
#include "jetstream/api_error.h"
#include "jetstream/bucket.h"
#include "jetstream/stored.h"
#include "kv/entry.h"
#include "wire/header.h"

#include <inttypes.h>
#include <stdio.h>

#define ROUNDS_MAX 4 /* of creating: others may write meanwhile */

static struct nki_str str_of(const struct nki_buf *buf)
{
    return nki_str_make((const char *)buf->data, buf->len);
}

/* Bytes of a subject that is published to before what is stored: another domain or account takes keys behind
 * the prefix of its API (ADR-19). */
static size_t prefix_len(const struct nki_kv_place *place)
{
    struct nki_str prefix = nki_str_make(place->api, place->api_len);
    return nki_str_eq(prefix, NKI_STR("$JS.API")) ? 0 : prefix.len + 1;
}

static int32_t append_subject(struct nki_buf *out, struct nki_kv *kv, struct nki_str key,
                              struct nki_error *err)
{
    const struct nki_kv_place *place = nki_kv_place(kv);
    bool ok = prefix_len(place) == 0 ||
              (nki_buf_append(out, place->api, place->api_len) && nki_buf_append(out, ".", 1));
    return ok ? nki_kv_append_key(kv, place, key, false, out, err) : nki_error_set(err, NKI_NO_MEMORY, NULL);
}

/* -- headers --------------------------------------------------------------------------------------------- */

static int32_t append_number(struct nki_buf *block, struct nki_str name, uint64_t number, const char *unit,
                             struct nki_error *err)
{
    char text[40];
    int len = snprintf(text, sizeof text, "%" PRIu64 "%s", number, unit);
    return nki_header_append(block, name, nki_str_make(text, (size_t)len), err);
}

static int32_t append_expected(struct nki_buf *block, uint64_t revision, struct nki_error *err)
{
    return append_number(block, NKI_STR("Nats-Expected-Last-Subject-Sequence"), revision, "", err);
}

static int32_t append_ttl(struct nki_buf *block, int64_t ttl_ms, struct nki_error *err)
{
    bool seconds = ttl_ms % 1000 == 0;
    return append_number(block, NKI_STR("Nats-TTL"), (uint64_t)(seconds ? ttl_ms / 1000 : ttl_ms),
                         seconds ? "" : "ms", err);
}

static int32_t append_headers(const struct nki_kv_write *write, struct nki_buf *block, struct nki_error *err)
{
    int32_t status = NKI_OK;
    if (write->action == NKI_KV_DO_DELETE) {
        status = nki_header_append(block, NKI_STR("KV-Operation"), NKI_STR("DEL"), err);
    } else if (write->action == NKI_KV_DO_PURGE) {
        status = nki_header_append(block, NKI_STR("KV-Operation"), NKI_STR("PURGE"), err);
        status =
            status == NKI_OK ? nki_header_append(block, NKI_STR("Nats-Rollup"), NKI_STR("sub"), err) : status;
    }
    bool expects =
        write->revision > 0 || write->action == NKI_KV_DO_UPDATE || write->action == NKI_KV_DO_CREATE;
    if (status == NKI_OK && expects) {
        status = append_expected(block, write->revision, err);
    }
    if (status == NKI_OK && write->ttl_ms > 0) {
        status = append_ttl(block, write->ttl_ms, err);
    }
    return status;
}

/* -- creating -------------------------------------------------------------------------------------------- */

struct creating {
    struct nki_chain chain;
    struct nki_kv *kv;                /* a reference */
    const struct nki_kv_place *place; /* the bucket's */
    int64_t ttl_ms;
    int64_t retries;
    unsigned rounds;
    bool asks; /* what the key is */
    struct nki_buf subject;
    struct nki_buf block;
    struct nki_buf value;
    struct nki_buf question_subject;
    struct nki_buf question;
};

static void free_creating(struct nki_op_part *part)
{
    struct creating *creating = NKI_CONTAINER_OF(part, struct creating, chain.part);
    nki_buf_free(&creating->subject);
    nki_buf_free(&creating->block);
    nki_buf_free(&creating->value);
    nki_buf_free(&creating->question_subject);
    nki_buf_free(&creating->question);
    nki_kv_release(creating->kv);
    nki_free(creating);
}

static void show_publish(struct creating *creating)
{
    creating->asks = false;
    creating->chain.out = (struct nki_outgoing_msg){.subject = str_of(&creating->subject),
                                                    .reply = NKI_STR(""),
                                                    .header_block = str_of(&creating->block),
                                                    .data = str_of(&creating->value)};
}

static enum nki_chain_next end_with(struct nki_chain_end *end, int32_t status, int32_t outcome)
{
    end->status = status;
    end->outcome = outcome;
    nki_error_set(&end->error, status, NULL);
    return NKI_CHAIN_ENDS;
}

static enum nki_chain_next ask_leader(struct creating *creating, struct nki_chain_end *end)
{
    struct nki_buf *subject = &creating->question_subject;
    struct nki_buf *body = &creating->question;
    struct nki_str stored = str_of(&creating->subject);
    const struct nki_kv_place *place = creating->place;
    size_t prefix = prefix_len(place);
    stored = nki_str_make(stored.ptr + prefix, stored.len - prefix);
    subject->len = body->len = 0;
    bool ok = nki_buf_append(subject, place->api, place->api_len) &&
              nki_buf_append_str(subject, NKI_STR(".STREAM.MSG.GET.")) &&
              nki_buf_append(subject, place->stream, place->stream_len) &&
              nki_buf_append_str(body, NKI_STR("{\"last_by_subj\":")) && nki_buf_append_json(body, stored) &&
              nki_buf_append(body, "}", 1);
    if (!ok) {
        return end_with(end, NKI_NO_MEMORY, NKI_OUTCOME_REJECTED);
    }
    creating->asks = true;
    creating->chain.out = (struct nki_outgoing_msg){
        .subject = str_of(subject), .reply = NKI_STR(""), .header_block = NKI_STR(""), .data = str_of(body)};
    return NKI_CHAIN_ASKS;
}

static enum nki_chain_next published(struct creating *creating, struct nki_msg *msg,
                                     struct nki_chain_end *end)
{
    nki_js_published(msg, end);
    bool taken = end->status == NKI_WRONG_LAST && ++creating->rounds < ROUNDS_MAX;
    return taken ? ask_leader(creating, end) : NKI_CHAIN_ENDS;
}

/* Publishes again, over what has this revision. */
static enum nki_chain_next publish_over(struct creating *creating, uint64_t revision,
                                        struct nki_chain_end *end)
{
    creating->block.len = 0;
    int32_t status = append_expected(&creating->block, revision, &end->error);
    if (status == NKI_OK && creating->ttl_ms > 0) {
        status = append_ttl(&creating->block, creating->ttl_ms, &end->error);
    }
    if (status != NKI_OK) {
        return end_with(end, status, NKI_OUTCOME_REJECTED);
    }
    show_publish(creating);
    return NKI_CHAIN_ASKS;
}

static enum nki_chain_next told(struct creating *creating, struct nki_msg *msg, struct nki_chain_end *end)
{
    struct nki_json_value answer;
    struct nki_json_value error;
    struct nki_msg *stored = NULL;
    struct nki_kv_entry entry;
    enum nki_chain_next next = NKI_CHAIN_ENDS;
    end->outcome = NKI_OUTCOME_REJECTED;
    if (!nki_json_check(nki_msg_data(msg), &answer) || answer.type != NKI_JSON_OBJECT) {
        next = end_with(end, NKI_PROTOCOL, NKI_OUTCOME_REJECTED);
    } else if (nki_json_member(&answer, NKI_STR("error"), &error)) {
        end->status = nki_js_read_error(&error, &end->error);
        if (end->status == NKI_MSG_NOT_FOUND) { /* it has gone meanwhile */
            next = publish_over(creating, 0, end);
        }
    } else if ((end->status = nki_stored_msg(&answer, nki_kv_stream(creating->kv), &stored)) != NKI_OK ||
               !nki_kv_entry_read(stored, &entry)) {
        next = end_with(end, end->status != NKI_OK ? end->status : NKI_PROTOCOL, NKI_OUTCOME_REJECTED);
    } else if (entry.operation == NKI_KV_PUT) {
        next = end_with(end, NKI_KEY_EXISTS, NKI_OUTCOME_REJECTED);
    } else {
        next = publish_over(creating, entry.revision, end);
    }
    nki_msg_release(stored);
    nki_msg_release(msg);
    return next;
}

static enum nki_chain_next reply(struct nki_chain *chain, int32_t status, struct nki_msg *msg,
                                 struct nki_chain_end *end)
{
    struct creating *creating = NKI_CONTAINER_OF(chain, struct creating, chain);
    if (status == NKI_OK) {
        return creating->asks ? told(creating, msg, end) : published(creating, msg, end);
    }
    if (status == NKI_DISCONNECTED) {
        return creating->asks ? NKI_CHAIN_ASKS : end_with(end, status, NKI_OUTCOME_UNKNOWN);
    }
    if (creating->retries != 0) {
        creating->retries -= creating->retries > 0;
        return NKI_CHAIN_WAITS;
    }
    return end_with(end, creating->asks ? NKI_JS_NOT_ENABLED : NKI_NO_STREAM, NKI_OUTCOME_REJECTED);
}

static const struct nki_chain_ops ops = {.reply = reply};

/* What is published for a change. */
struct frame {
    struct nki_buf subject;
    struct nki_buf block;
    struct nki_buf value; /* if it is coded, or kept */
    struct nki_outgoing_msg msg;
};

static void free_frame(struct frame *frame)
{
    nki_buf_free(&frame->subject);
    nki_buf_free(&frame->block);
    nki_buf_free(&frame->value);
}

/* Takes over what the frame holds. */
static int32_t create(struct nki_kv *kv, const struct nki_kv_write *write, const struct nki_js_begin *begin,
                      struct frame *frame, struct nki_op **op, struct nki_error *err)
{
    struct creating *creating = nki_alloc(sizeof *creating);
    if (creating == NULL) {
        free_frame(frame);
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    memset(creating, 0, sizeof *creating);
    creating->chain.ops = &ops;
    creating->chain.part.free = free_creating;
    creating->chain.wait_ms = kv->js->publish_retry_wait_ms;
    creating->retries = kv->js->publish_retries;
    creating->ttl_ms = write->ttl_ms;
    creating->kv = kv;
    creating->place = nki_kv_place(kv);
    nki_kv_retain(kv);
    creating->subject = frame->subject;
    creating->block = frame->block;
    creating->value = frame->value;
    bool coded = kv->codecs.values != NKI_KV_VALUE_PLAIN;
    if (!coded && !nki_buf_append_str(&creating->value, write->value)) {
        free_creating(&creating->chain.part);
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    show_publish(creating);
    return nki_conn_chain(kv->js->conn, &creating->chain, begin->deadline_ns, begin->timed, begin->wait_room,
                          op, err);
}

/* -- all ------------------------------------------------------------------------------------------------- */

static int32_t check(const struct nki_kv *kv, const struct nki_kv_write *write, struct nki_error *err)
{
    if (kv->read_only) {
        return nki_error_set(err, NKI_READ_ONLY, "bucket %s was opened to be read alone", kv->stream + 3);
    }
    bool lives = write->action == NKI_KV_DO_CREATE || write->action == NKI_KV_DO_PURGE;
    if (write->ttl_ms != 0 && (write->ttl_ms < 1000 || !lives)) {
        return nki_error_set(err, NKI_INVALID,
                             lives ? "ttl_ms %" PRId64 " is less than a second"
                                   : "ttl_ms %" PRId64 ": only create and purge take one",
                             write->ttl_ms);
    }
    return NKI_OK;
}

/* What is published for it, to be freed in any case. */
static int32_t make_frame(struct nki_kv *kv, const struct nki_kv_write *write, struct frame *frame,
                          struct nki_error *err)
{
    memset(frame, 0, sizeof *frame);
    int32_t status = check(kv, write, err);
    if (status == NKI_OK) {
        status = append_subject(&frame->subject, kv, write->key, err);
    }
    if (status == NKI_OK) {
        status = append_headers(write, &frame->block, err);
    }
    bool empty = write->action == NKI_KV_DO_DELETE || write->action == NKI_KV_DO_PURGE;
    struct nki_str data = empty ? NKI_STR("") : write->value;
    if (status == NKI_OK && kv->codecs.values != NKI_KV_VALUE_PLAIN) {
        status = nki_kv_encode_value(kv->codecs.values, data, &frame->value);
        data = str_of(&frame->value);
        if (status != NKI_OK) {
            return nki_error_set(err, status, NULL);
        }
    }
    frame->msg = (struct nki_outgoing_msg){.subject = str_of(&frame->subject),
                                           .reply = NKI_STR(""),
                                           .header_block = str_of(&frame->block),
                                           .data = data};
    return status;
}

int32_t nki_kv_write(struct nki_kv *kv, const struct nki_kv_write *write, const struct nki_js_begin *begin,
                     struct nki_op **op, struct nki_error *err)
{
    struct frame frame;
    int32_t status = make_frame(kv, write, &frame, err);
    if (status == NKI_OK && write->action == NKI_KV_DO_CREATE) {
        return create(kv, write, begin, &frame, op, err);
    }
    if (status == NKI_OK) {
        status = nki_js_publish_begin(kv->js, &frame.msg, begin, op, err);
    }
    free_frame(&frame);
    return status;
}

int32_t nki_kv_batch_add(struct nki_kv *kv, struct nki_batch *batch, const struct nki_kv_write *write,
                         struct nki_error *err)
{
    struct frame frame;
    if (nki_batch_js(batch)->conn != kv->js->conn) {
        return nki_error_set(err, NKI_INVALID, "the batch is of another connection than bucket %s",
                             kv->stream + 3);
    }
    int32_t status = make_frame(kv, write, &frame, err);
    if (status == NKI_OK) {
        status = nki_batch_add(batch, &frame.msg, err);
    }
    free_frame(&frame);
    return status;
}
