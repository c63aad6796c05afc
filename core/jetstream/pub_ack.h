/* The answer to a published message: reading it, and the form in which it is given to the application, a
 * message of kind NKI_MSG_PUB_ACK. Pure. */
#ifndef NKI_JETSTREAM_PUB_ACK_H
#define NKI_JETSTREAM_PUB_ACK_H

#include "base/status.h"
#include "delivery/msg.h"
#include "delivery/op.h"

#define NKI_PUB_ACK_NAME_MAX 255   /* bytes of a stream's or domain's name, or a batch's id */
#define NKI_PUB_ACK_VALUE_MAX 4096 /* characters of a counter's value; of a longer one none is told */

struct nki_pub_ack {
    uint64_t id; /* of the publisher's message; 0: of an operation */
    uint64_t seq;
    int32_t status;
    int32_t outcome; /* enum nki_outcome */
    int32_t server_code;
    int32_t err_code;
    bool duplicate;
    struct nki_str stream;
    struct nki_str domain;
    struct nki_str text;  /* of an error; empty: the status's own */
    struct nki_str batch; /* id of the batch that was stored; empty: it was none */
    uint64_t count;       /* of its messages */
    struct nki_str value; /* of a counter, after the message */
};

/* Reads an answer: all but id, with NKI_OK and outcome DONE; or the error that it tells of, with outcome
 * REJECTED; or NKI_INVALID_ACK with outcome UNKNOWN, since whoever gave that answer is no stream, which does
 * not say that none has got the message. Names and texts lie in `data`, in which escapes are resolved in
 * place. Returns the status. */
int32_t nki_pub_ack_read(char *data, size_t len, struct nki_pub_ack *out);

/* Whether the stream has a message with this id under way, and does not know yet what becomes of it: that may
 * be this very message, sent on the connection before. So it says nothing but to ask again. */
#define NKI_PUB_ACK_IN_PROCESS 10158
static inline bool nki_pub_ack_in_process(const struct nki_pub_ack *ack)
{
    return ack->err_code == NKI_PUB_ACK_IN_PROCESS;
}

/* What an answer tells of a message of which an earlier frame may have come, too: a refusal says nothing of
 * that one, since a replicated stream looks at its limits before it looks for duplicates. */
static inline int32_t nki_pub_ack_outcome(const struct nki_pub_ack *ack, bool doubt)
{
    return doubt && ack->outcome == NKI_OUTCOME_REJECTED ? NKI_OUTCOME_UNKNOWN : ack->outcome;
}

/* Makes a message of what was received as an answer and read with nki_pub_ack_read, in its place: it has the
 * kind from then on, and nothing of a message. It has one reference, and a subject of at least
 * NKI_PUB_ACK_SUBJECT_MIN bytes. */
void nki_pub_ack_turn(struct nki_msg *msg, const struct nki_pub_ack *ack);
#define NKI_PUB_ACK_SUBJECT_MIN 26 /* "i.<nuid>.0" */
/* Makes one without an answer; NULL if there is no memory. */
struct nki_msg *nki_pub_ack_msg(struct nki_slab *slab, const struct nki_pub_ack *ack);
/* What such a message holds. */
void nki_pub_ack_of(const struct nki_msg *msg, struct nki_pub_ack *out);

#endif
