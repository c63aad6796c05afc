/* Acks: see ack.h. Any thread. */
#include "jetstream/ack.h"

#include "base/sync.h"

/* Guards nki_msg.confirmation and the way out of NKI_MSG_ACK_CONFIRMING. Below it: the operation's. */
static pthread_mutex_t confirm_mu = PTHREAD_MUTEX_INITIALIZER;

static inline enum nki_msg_ack load(const struct nki_msg *msg)
{
    return (enum nki_msg_ack)atomic_load_explicit(&msg->ack, memory_order_acquire);
}

static inline void store(struct nki_msg *msg, enum nki_msg_ack state)
{
    atomic_store_explicit(&msg->ack, (unsigned char)state, memory_order_release);
}

/* What has become of a confirmation. One that was cancelled may have reached the server or not. */
static enum nki_msg_ack result_of(struct nki_op *op)
{
    pthread_mutex_lock(&op->wait.mu);
    bool runs = !op->done && !op->wait.closed;
    bool confirmed = op->done && op->status == NKI_OK;
    pthread_mutex_unlock(&op->wait.mu);
    if (runs) {
        return NKI_MSG_ACK_CONFIRMING;
    }
    return confirmed ? NKI_MSG_ACK_FINAL : NKI_MSG_ACK_NONE;
}

enum nki_msg_ack nki_ack_state(struct nki_msg *msg)
{
    enum nki_msg_ack state = load(msg);
    if (state != NKI_MSG_ACK_CONFIRMING) {
        return state;
    }
    struct nki_op *ended = NULL;
    pthread_mutex_lock(&confirm_mu);
    state = load(msg); /* another thread may have looked, too */
    if (state == NKI_MSG_ACK_CONFIRMING) {
        state = result_of(msg->confirmation);
        if (state != NKI_MSG_ACK_CONFIRMING) {
            ended = msg->confirmation;
            store(msg, state);
        }
    }
    pthread_mutex_unlock(&confirm_mu);
    nki_op_release(ended);
    return state;
}

int32_t nki_ack_claim(struct nki_msg *msg)
{
    unsigned char seen = NKI_MSG_ACK_NONE;
    while (NKI_UNLIKELY(!atomic_compare_exchange_strong_explicit(
        &msg->ack, &seen, NKI_MSG_ACK_SENDING, memory_order_acq_rel, memory_order_acquire))) {
        if (seen != NKI_MSG_ACK_CONFIRMING || nki_ack_state(msg) != NKI_MSG_ACK_NONE) {
            return NKI_ALREADY_ACKED;
        }
        seen = NKI_MSG_ACK_NONE;
    }
    return NKI_OK;
}

void nki_ack_end(struct nki_msg *msg, bool acked)
{
    assert(load(msg) == NKI_MSG_ACK_SENDING);
    store(msg, acked ? NKI_MSG_ACK_FINAL : NKI_MSG_ACK_NONE);
}

void nki_ack_end_by(struct nki_msg *msg, struct nki_op *op)
{
    assert(load(msg) == NKI_MSG_ACK_SENDING);
    msg->confirmation = op; /* nobody else looks at it before the state says so */
    store(msg, NKI_MSG_ACK_CONFIRMING);
}

static inline struct nki_outgoing_msg outgoing(const struct nki_msg *msg, struct nki_str body)
{
    return (struct nki_outgoing_msg){
        .subject = nki_msg_reply(msg), .reply = NKI_STR(""), .header_block = NKI_STR(""), .data = body};
}

int32_t nki_ack_send(struct nki_conn *conn, struct nki_msg *msg, struct nki_str body)
{
    int32_t status = nki_ack_claim(msg);
    if (NKI_UNLIKELY(status != NKI_OK)) {
        return status;
    }
    const struct nki_outgoing_msg out = outgoing(msg, body);
    status = nki_conn_publish(conn, &out, 0);
    nki_ack_end(msg, status == NKI_OK);
    return status;
}

int32_t nki_ack_send_progress(struct nki_conn *conn, struct nki_msg *msg, struct nki_str body)
{
    if (nki_ack_state(msg) != NKI_MSG_ACK_NONE) {
        return NKI_ALREADY_ACKED;
    }
    const struct nki_outgoing_msg out = outgoing(msg, body);
    return nki_conn_publish(conn, &out, 0);
}

int32_t nki_ack_send_batch(struct nki_conn *conn, struct nki_msg *const *msgs, size_t count,
                           struct nki_str body, size_t *acked)
{
    struct nki_outgoing_msg out[NKI_ACK_BATCH] NKI_UNINIT;
    assert(count <= NKI_ACK_BATCH);
    int32_t fault = NKI_OK;
    size_t claimed = 0;
    while (claimed < count && (fault = nki_ack_claim(msgs[claimed])) == NKI_OK) {
        out[claimed] = outgoing(msgs[claimed], body);
        claimed++;
    }
    *acked = 0;
    int32_t status = claimed > 0 ? nki_conn_publish_batch(conn, out, claimed, 0, acked) : NKI_OK;
    for (size_t i = 0; i < claimed; i++) {
        nki_ack_end(msgs[i], i < *acked);
    }
    return status != NKI_OK ? status : fault;
}

void nki_ack_forget(void)
{
    confirm_mu = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}
