/* Publishing with an ack: see publish.h. A chain (client/chain.h) of the same request, which is made again
 * where that cannot store the message twice: nobody has got it (503), or it has an id, and the connection was
 * lost, or the stream has a message of that id under way. The reply runs under the engine lock, the rest in
 * the caller's thread. */
#include "jetstream/publish.h"

#include "base/alloc.h"
#include "client/chain.h"
#include "client/driver.h"
#include "wire/header.h"

#include <inttypes.h>

#define SHOWN_MAX 80 /* of a subject in an error */

struct publish {
    struct nki_chain chain;
    int64_t retries; /* left; -1: no limit */
    uint64_t attempts;
    bool idempotent;
    bool doubt;   /* an attempt may have come although nobody has confirmed it */
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
    nki_free(publish_of(NKI_CONTAINER_OF(part, struct nki_chain, part)));
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

static enum nki_chain_next reply(struct nki_chain *chain, int32_t status, struct nki_msg *msg,
                                 struct nki_chain_end *end)
{
    struct publish *publish = publish_of(chain);
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
        nki_js_end_published(msg, &ack, end);
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

int32_t nki_js_publish_begin(struct nki_js *js, const struct nki_outgoing_msg *msg,
                             const struct nki_js_begin *begin, struct nki_op **op, struct nki_error *err)
{
    struct publish *publish = new_publish(js, msg, true);
    if (publish == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    return nki_conn_chain(js->conn, &publish->chain, begin->deadline_ns, begin->timed, begin->wait_room, op,
                          err);
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

int32_t nki_js_publish(struct nki_js *js, const struct nki_outgoing_msg *msg, int64_t deadline_ns,
                       struct nki_msg **ack, int32_t *outcome, struct nki_error *err)
{
    *outcome = NKI_OUTCOME_NOT_SENT;
    struct publish *publish =
        new_publish(js, msg, false); /* the caller waits, and the engine forgets it before */
    if (publish == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    struct nki_op *op;
    int32_t status = nki_conn_chain(js->conn, &publish->chain, deadline_ns, false, true, &op, err);
    return status == NKI_OK ? nki_js_await(js, op, deadline_ns, msg->subject, ack, outcome, err) : status;
}
