/* Publishing to streams, one message at a time: an operation that ends with the stream's ack. */
#ifndef NKI_JETSTREAM_PUBLISH_H
#define NKI_JETSTREAM_PUBLISH_H

#include "client/chain.h"
#include "jetstream/context.h"
#include "jetstream/pub_ack.h"

/* Whether a message may be sent again although the first one may have come: it has an id that streams know it
 * by. */
bool nki_js_idempotent(struct nki_str header_block);

/* Under the engine lock: what a reply to a published message comes to: fills `end` with its ack, or the
 * error. Takes over the reference. */
void nki_js_published(struct nki_msg *msg, struct nki_chain_end *end);

/* The same of an answer that was read already. */
void nki_js_end_published(struct nki_msg *msg, struct nki_pub_ack *ack, struct nki_chain_end *end);
/* Waits for such an operation, and gives up the reference: as nki_js_publish; `what` is what it waits for. */
int32_t nki_js_await(struct nki_js *js, struct nki_op *op, int64_t deadline_ns, struct nki_str what,
                     struct nki_msg **ack, int32_t *outcome, struct nki_error *err);

/* Any thread. Publishes a copy of `msg` (its reply is not used); the operation, one reference for the caller,
 * finishes by the deadline with the ack as its message (pub_ack.h) or with the error. Does not wait for room:
 * NKI_WOULD_BLOCK. */
int32_t nki_js_publish_start(struct nki_js *js, const struct nki_outgoing_msg *msg, int64_t deadline_ns,
                             struct nki_op **op, struct nki_error *err);
/* The same, begun as it is said. */
int32_t nki_js_publish_begin(struct nki_js *js, const struct nki_outgoing_msg *msg,
                             const struct nki_js_begin *begin, struct nki_op **op, struct nki_error *err);
/* The same, waiting for it. `*ack` gets a message on success; `*outcome` is always set. */
int32_t nki_js_publish(struct nki_js *js, const struct nki_outgoing_msg *msg, int64_t deadline_ns,
                       struct nki_msg **ack, int32_t *outcome, struct nki_error *err);
/* The same of a message that is added to a counter (counter.h): an ack without a value is NKI_INVALID_ACK. */
int32_t nki_js_count_begin(struct nki_js *js, const struct nki_outgoing_msg *msg,
                           const struct nki_js_begin *begin, struct nki_op **op, struct nki_error *err);
int32_t nki_js_count(struct nki_js *js, const struct nki_outgoing_msg *msg, int64_t deadline_ns,
                     struct nki_msg **ack, int32_t *outcome, struct nki_error *err);

#endif
