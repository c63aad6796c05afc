/* A stored message as the leader of a stream gives it (JSON with base64), in the form of the answer to a
 * direct get: headers and data of the publisher, with Nats-Stream, Nats-Subject, Nats-Sequence and
 * Nats-Time-Stamp behind them. */
#ifndef NKI_JETSTREAM_STORED_H
#define NKI_JETSTREAM_STORED_H

#include "base/json.h"
#include "delivery/msg.h"

/* `answer`: of STREAM.MSG.GET, checked. NKI_OK with a message that the caller gets, NKI_PROTOCOL,
 * NKI_NO_MEMORY. */
int32_t nki_stored_msg(const struct nki_json_value *answer, struct nki_str stream, struct nki_msg **out);

#endif
