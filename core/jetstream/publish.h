/* Publishing to a stream: a request that the stream answers for. */
#ifndef NKI_JETSTREAM_PUBLISH_H
#define NKI_JETSTREAM_PUBLISH_H

#include "jetstream/context.h"

/* How an operation is begun: see nki_conn_request. */
struct nki_js_begin {
    int64_t deadline_ns;
    bool timed;
    bool wait_room;
};

/* Finishes with a message of kind NKI_MSG_PUB_ACK, which nki_pub_ack_read reads, or with what the stream
 * refuses it for. One that nobody answers for is published again as the context says, then it is
 * NKI_NO_STREAM. When the connection is lost meanwhile one with a message id (header Nats-Msg-Id) is
 * published again, and any other is NKI_DISCONNECTED, of which nobody knows whether it was stored. `msg` was
 * checked and has no reply; it is copied. */
int32_t nki_js_publish(struct nki_js *js, const struct nki_outgoing_msg *msg,
                       const struct nki_js_begin *begin, struct nki_op **op, struct nki_error *err);

#endif
