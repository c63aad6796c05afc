/* Publishing to a stream: see publish.h. A chain of as many requests as it takes. */
#include "jetstream/publish.h"

#include "base/alloc.h"
#include "client/chain.h"
#include "jetstream/pub_ack.h"
#include "wire/header.h"

struct publishing {
    struct nki_chain chain;
    int64_t retries; /* left; -1: without end */
    bool idempotent; /* it has a message id */
    char bytes[];    /* subject, header block, data */
};

static void free_publishing(struct nki_op_part *part)
{
    nki_free(NKI_CONTAINER_OF(part, struct publishing, chain.part));
}

/* The ack stays a message, which its taker reads again: it has to be read here to know whether it is one. */
static enum nki_chain_next answered(struct nki_msg *msg, struct nki_chain_end *end)
{
    struct nki_pub_ack ack;
    end->status = nki_pub_ack_read(nki_msg_data(msg), &ack, &end->error);
    if (end->status == NKI_OK) {
        msg->kind = NKI_MSG_PUB_ACK;
        end->msg = msg;
    } else {
        end->outcome = end->status == NKI_INVALID_ACK ? NKI_OUTCOME_UNKNOWN : NKI_OUTCOME_REJECTED;
        nki_msg_release(msg);
    }
    return NKI_CHAIN_ENDS;
}

static enum nki_chain_next reply(struct nki_chain *chain, int32_t status, struct nki_msg *msg,
                                 struct nki_chain_end *end)
{
    struct publishing *publishing = NKI_CONTAINER_OF(chain, struct publishing, chain);
    if (status == NKI_OK) {
        return answered(msg, end);
    }
    if (status == NKI_DISCONNECTED) {
        end->status = status;
        end->outcome = NKI_OUTCOME_UNKNOWN;
        nki_error_set(&end->error, status, NULL);
        return publishing->idempotent ? NKI_CHAIN_ASKS : NKI_CHAIN_ENDS;
    }
    if (publishing->retries != 0) {
        publishing->retries -= publishing->retries > 0;
        return NKI_CHAIN_WAITS;
    }
    end->status = NKI_NO_STREAM;
    end->outcome = NKI_OUTCOME_REJECTED;
    int shown = chain->out.subject.len < 200 ? (int)chain->out.subject.len : 200;
    nki_error_set(&end->error, NKI_NO_STREAM, "subject \"%.*s\": no stream answers for it", shown,
                  chain->out.subject.ptr);
    return NKI_CHAIN_ENDS;
}

static const struct nki_chain_ops ops = {.reply = reply};

static struct nki_str copy(char **at, struct nki_str text)
{
    struct nki_str own = nki_str_make(*at, text.len);
    if (text.len > 0) {
        memcpy(*at, text.ptr, text.len);
    }
    *at += text.len;
    return own;
}

int32_t nki_js_publish(struct nki_js *js, const struct nki_outgoing_msg *msg,
                       const struct nki_js_begin *begin, struct nki_op **op, struct nki_error *err)
{
    struct publishing *publishing =
        nki_alloc(sizeof *publishing + msg->subject.len + msg->header_block.len + msg->data.len);
    if (publishing == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    struct nki_str id;
    char *at = publishing->bytes;
    memset(publishing, 0, sizeof *publishing);
    publishing->chain.ops = &ops;
    publishing->chain.part.free = free_publishing;
    publishing->chain.out.subject = copy(&at, msg->subject);
    publishing->chain.out.reply = NKI_STR("");
    publishing->chain.out.header_block = copy(&at, msg->header_block);
    publishing->chain.out.data = copy(&at, msg->data);
    publishing->chain.wait_ms = js->publish_retry_wait_ms;
    publishing->retries = js->publish_retries;
    publishing->idempotent = nki_header_find(publishing->chain.out.header_block, NKI_STR("Nats-Msg-Id"),
                                             NKI_MATCH_IGNORE_CASE, 0, &id);
    return nki_conn_chain(js->conn, &publishing->chain, begin->deadline_ns, begin->timed, begin->wait_room,
                          op, err);
}
