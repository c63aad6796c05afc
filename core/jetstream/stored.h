/* Stored messages, in the form of the answer to a direct get: headers and data of the publisher, with
 * Nats-Stream, Nats-Subject, Nats-Sequence and Nats-Time-Stamp behind them. Pure. */
#ifndef NKI_JETSTREAM_STORED_H
#define NKI_JETSTREAM_STORED_H

#include "base/json.h"
#include "delivery/msg.h"

/* Texts point into the message. */
struct nki_stored {
    struct nki_str stream; /* that answered: a mirror's name may differ from the one that was asked for */
    struct nki_str subject;
    uint64_t seq;
    int64_t time_ns;
    bool paged; /* one of several, and then: */
    uint64_t pending;
    uint64_t last_seq; /* of the message before it in the same answer; 0: none */
};

/* Reads where a message was stored; false if it does not say. What the server tells stands behind the
 * publisher's headers, so the last value of a name counts. */
bool nki_stored_read(const struct nki_msg *msg, struct nki_stored *out);

/* The header block without what the server has put behind the publisher's headers, and so without its last,
 * empty line; of another kind of message the whole. */
struct nki_str nki_stored_own_block(const struct nki_msg *msg);

/* A message as the leader of a stream gives it (JSON with base64), in that form. `answer`: of STREAM.MSG.GET,
 * checked. NKI_OK with a message that the caller gets, NKI_PROTOCOL, NKI_NO_MEMORY. */
int32_t nki_stored_msg(const struct nki_json_value *answer, struct nki_str stream, struct nki_msg **out);

#endif
