/* Publishing many messages to streams with their acks outstanding: a window of messages that were sent and
 * kept until each has its outcome. Every accepted message gets exactly one.
 *
 * Any thread publishes; the outcomes come in a subscription, as messages of kind NKI_MSG_PUB_ACK. A message
 * that nobody has got (503) is sent again after a pause; one with a message id is sent again after a
 * reconnect, too. */
#ifndef NKI_JETSTREAM_PUBLISHER_H
#define NKI_JETSTREAM_PUBLISHER_H

#include "jetstream/context.h"
#include "jetstream/pub_ack.h"

struct nki_publisher;

struct nki_publisher_info {
    uint64_t published; /* accepted so far: the last id */
    uint64_t pending;   /* of those, without an outcome */
    uint64_t pending_bytes;
    uint64_t acked;
    uint64_t duplicates; /* of those, in the stream before */
    uint64_t failed;
    uint64_t retried; /* sends after a 503, or while the stream has the id under way */
    uint64_t resent;  /* sends after a reconnect */
    uint64_t late;    /* answers that came after the outcome */
    uint64_t untaken; /* outcomes in the queue */
    int32_t reason;   /* 0 while it lives */
};

/* `options` of scope PUBLISHER, or NULL. One reference of each for the caller. Closing the subscription of
 * outcomes ends the publisher. */
int32_t nki_publisher_open(struct nki_js *js, const struct nki_options *options, struct nki_publisher **out,
                           struct nki_sub **acks, struct nki_error *err);
void nki_publisher_retain(struct nki_publisher *publisher);
void nki_publisher_release(struct nki_publisher *publisher);
/* Lives as long as it. */
struct nki_conn *nki_publisher_conn(const struct nki_publisher *publisher);

/* Publishes up to `count` messages (their replies are not used), waiting for room until the deadline (0: not
 * at all).
 * `*published` were accepted, with the ids that go to `ids` (may be NULL). NKI_OK if it was all;
 * NKI_WOULD_BLOCK, NKI_TIMEOUT, NKI_TOO_LARGE, NKI_NO_HEADERS, NKI_DISCONNECTED, NKI_DRAINING, NKI_CLOSED,
 * NKI_PERMISSION, NKI_NO_MEMORY: of the first that was not accepted nothing was or will be sent. */
int32_t nki_publisher_publish(struct nki_publisher *publisher, const struct nki_outgoing_msg *msgs,
                              size_t count, int64_t deadline_ns, uint64_t *ids, size_t *published);

/* An operation that finishes when all that was published before has its outcome in the queue. */
int32_t nki_publisher_done(struct nki_publisher *publisher, int64_t deadline_ns, bool timed,
                           struct nki_op **op, struct nki_error *err);
/* An operation that finishes when there is room for a message of so many bytes. */
int32_t nki_publisher_room(struct nki_publisher *publisher, uint64_t bytes, int64_t deadline_ns,
                           struct nki_op **op, struct nki_error *err);
void nki_publisher_info_get(struct nki_publisher *publisher, struct nki_publisher_info *out);
/* Ends it: what has no outcome gets NKI_CLOSED. */
void nki_publisher_close(struct nki_publisher *publisher);

#endif
