/* What a stream answers for a published message. Pure. */
#ifndef NKI_JETSTREAM_PUB_ACK_H
#define NKI_JETSTREAM_PUB_ACK_H

#include "base/status.h"
#include "base/str.h"

/* Texts point into the answer. */
struct nki_pub_ack {
    struct nki_str stream;
    struct nki_str domain; /* empty: none */
    uint64_t seq;
    bool duplicate;
};

/* NKI_OK; NKI_INVALID_ACK if it is no ack; else what the stream refuses it for, with its words. */
int32_t nki_pub_ack_read(struct nki_str answer, struct nki_pub_ack *out, struct nki_error *err);

#endif
