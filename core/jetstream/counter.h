/* Counters (ADR-49, server 2.12): messages that add a whole number of any size to the sum of their subject,
 * in streams with allow_msg_counter. */
#ifndef NKI_JETSTREAM_COUNTER_H
#define NKI_JETSTREAM_COUNTER_H

#include "jetstream/context.h"

/* Why a text is nothing that can be added: digits, perhaps behind a sign; NULL if it can. */
const char *nki_counter_fault(struct nki_str by);
/* The number that such a text is; false if it does not fit. */
bool nki_counter_i64(struct nki_str digits, int64_t *out);

/* Any thread. Adds `by` (checked) to the counter of msg->subject: as nki_js_publish_begin of a message with
 * the headers of `msg` and without data, whose ack has a value. NKI_INVALID_ACK with an unknown outcome: the
 * stream has stored it, but counts nothing. NKI_INVALID: `msg` says itself what is added. */
int32_t nki_js_increment_begin(struct nki_js *js, const struct nki_outgoing_msg *msg, struct nki_str by,
                               const struct nki_js_begin *begin, struct nki_op **op, struct nki_error *err);
/* The same, waiting for it. `*ack` gets a message on success; `*outcome` is always set. */
int32_t nki_js_increment(struct nki_js *js, const struct nki_outgoing_msg *msg, struct nki_str by,
                         int64_t deadline_ns, struct nki_msg **ack, int32_t *outcome, struct nki_error *err);

#endif
