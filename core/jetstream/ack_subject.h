/* The reply subject of a message that a JetStream consumer delivered: where its ack goes, and what the server
 * tells of the delivery. Pure; any thread. */
#ifndef NKI_JETSTREAM_ACK_SUBJECT_H
#define NKI_JETSTREAM_ACK_SUBJECT_H

#include "base/str.h"

/* Texts point into the subject. */
struct nki_ack_subject {
    struct nki_str domain;  /* empty: none, or the server does not tell */
    struct nki_str account; /* its hash; empty: the server does not tell */
    struct nki_str stream;
    struct nki_str consumer;
    uint64_t delivered; /* how often, this time included */
    uint64_t stream_seq;
    uint64_t consumer_seq;
    uint64_t pending; /* messages that the consumer has still to deliver */
    int64_t time_ns;  /* when the stream stored it; ns since 1970 */
};

#define NKI_ACK_PREFIX "$JS.ACK."
#define NKI_ACK_PREFIX_LEN (sizeof NKI_ACK_PREFIX - 1)

/* Whether an ack may be sent there at all. */
static inline bool nki_ack_subject_is(struct nki_str reply)
{
    return reply.len >= NKI_ACK_PREFIX_LEN && memcmp(reply.ptr, NKI_ACK_PREFIX, NKI_ACK_PREFIX_LEN) == 0;
}

/* False if it is not such a subject: nine tokens, or with domain and account eleven or more, of which those
 * past the eleventh mean nothing yet. */
bool nki_ack_subject_parse(struct nki_str reply, struct nki_ack_subject *out);

#endif
