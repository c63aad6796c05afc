/* Acks: of the final ones a message takes one, whoever sends it. Any thread; the caller holds a reference of
 * the message and of the connection that it came from.
 *
 * Where a message stands is nki_msg.ack. Who wants to send a final ack claims the message first, so of
 * several threads one sends, and says afterwards what came of it. A confirmation that was begun leaves its
 * operation with the message, which is looked at when somebody asks: so nobody has to be called when it
 * finishes. */
#ifndef NKI_JETSTREAM_ACK_H
#define NKI_JETSTREAM_ACK_H

#include "client/conn.h"

#define NKI_ACK_BATCH 64 /* messages that nki_ack_send_batch takes at once */

/* The way of nearly all, in one: claims, publishes `body` to the reply subject (which was checked) without
 * waiting for room, and ends the claim. NKI_OK, NKI_ALREADY_ACKED, or what nki_conn_publish says. */
int32_t nki_ack_send(struct nki_conn *conn, struct nki_msg *msg, struct nki_str body);
/* The same for up to NKI_ACK_BATCH messages, with one hand-over. Stops at the first that cannot be acked;
 * `*acked` tells how many were. */
int32_t nki_ack_send_batch(struct nki_conn *conn, struct nki_msg *const *msgs, size_t count,
                           struct nki_str body, size_t *acked);
/* The same for what is not final. */
int32_t nki_ack_send_progress(struct nki_conn *conn, struct nki_msg *msg, struct nki_str body);

/* NKI_OK: nobody else acks it until the caller has ended the claim; else NKI_ALREADY_ACKED. */
int32_t nki_ack_claim(struct nki_msg *msg);
/* Ends a claim: the message is acked, or may be acked again. */
void nki_ack_end(struct nki_msg *msg, bool acked);
/* Ends a claim: it is acked if the operation (of which a reference is taken over) ends well. */
void nki_ack_end_by(struct nki_msg *msg, struct nki_op *op);
/* What state it is in now: none, sending, confirming, final. */
enum nki_msg_ack nki_ack_state(struct nki_msg *msg);

/* In a child after fork: another thread may have held the mutex. Lock-free. */
void nki_ack_forget(void);

#endif
