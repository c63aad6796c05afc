/* Fast ingest (ADR-50, server 2.14): many messages to one stream, in their order, whose storing the stream
 * acks by and by and not one by one. It says how many may be under way, and each message has a number by
 * which it sees what did not come.
 *
 * Any thread publishes. What was refused, or did not come, is told in a subscription, as messages of kind
 * NKI_MSG_PUB_ACK; the commit ends it all and tells up to which message the stream has it. Nothing is sent
 * twice: a lost connection shows as a gap, or as none. */
#ifndef NKI_JETSTREAM_INGEST_H
#define NKI_JETSTREAM_INGEST_H

#include "jetstream/context.h"
#include "jetstream/pub_ack.h"

struct nki_ingest;

struct nki_ingest_info {
    uint64_t published; /* accepted so far: the number of the last message */
    uint64_t acked;     /* all up to it have come to the stream, but those of gaps and refused ones */
    uint64_t refused;   /* messages that the stream has refused */
    uint64_t lost;      /* messages of gaps */
    uint64_t window;    /* messages that may be under way at present */
    uint64_t pings;     /* how often the stream was asked, since it had said nothing */
    uint64_t untaken;   /* in the subscription */
    int32_t reason;     /* 0 while it lives, and after a commit */
    bool committed;     /* a commit was begun */
};

/* `options` of scope INGEST, or NULL. One reference of each for the caller. Closing the subscription ends the
 * ingest. */
int32_t nki_ingest_open(struct nki_js *js, const struct nki_options *options, struct nki_ingest **out,
                        struct nki_sub **failures, struct nki_error *err);
void nki_ingest_retain(struct nki_ingest *ingest);
void nki_ingest_release(struct nki_ingest *ingest);
/* Lives as long as it. */
struct nki_conn *nki_ingest_conn(const struct nki_ingest *ingest);

/* Publishes a message (its reply is not used), waiting for room until the deadline (0: not at all); `*seq`
 * (may be NULL) gets its number, from 1 on. NKI_WOULD_BLOCK, NKI_TIMEOUT, NKI_TOO_LARGE, NKI_NO_HEADERS,
 * NKI_DRAINING, NKI_NO_MEMORY; NKI_CLOSED once a commit was begun; or what the ingest has ended with. Nothing
 * of the message is sent then. */
int32_t nki_ingest_publish(struct nki_ingest *ingest, const struct nki_outgoing_msg *msg, int64_t deadline_ns,
                           uint64_t *seq);

/* An operation that finishes when there is room for a message in the window, or with what it has ended with.
 */
int32_t nki_ingest_room(struct nki_ingest *ingest, int64_t deadline_ns, struct nki_op **op,
                        struct nki_error *err);
/* An operation that ends the batch of messages and finishes with the stream's ack, whose `count` is the
 * number of the last message that it has looked at; or with the first failure, if it was to end with that. It
 * may be asked for again. NKI_INVALID: nothing was published. */
int32_t nki_ingest_commit_begin(struct nki_ingest *ingest, const struct nki_js_begin *begin,
                                struct nki_op **op, struct nki_error *err);
/* The same, waiting for it. `*outcome` is always set. */
int32_t nki_ingest_commit(struct nki_ingest *ingest, int64_t deadline_ns, struct nki_msg **ack,
                          int32_t *outcome, struct nki_error *err);
void nki_ingest_info_get(struct nki_ingest *ingest, struct nki_ingest_info *out);
/* Ends it without a commit: what was published may be stored or not. */
void nki_ingest_close(struct nki_ingest *ingest);

#endif
