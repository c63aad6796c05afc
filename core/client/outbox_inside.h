/* The outbox between its files: outbox.c, what callers and the holder of the transmit right do, and
 * outbox_transport.c, what the engine does when a transport comes and goes. See outbox.h; everything with mu
 * held. */
#ifndef NKI_CLIENT_OUTBOX_INSIDE_H
#define NKI_CLIENT_OUTBOX_INSIDE_H

#include "client/outbox.h"

#define NKI_SEGMENT_HEAD ((size_t)4096)

struct nki_outbox_segment {
    struct nki_outbox_segment *next;
    size_t cap;  /* of data */
    size_t len;  /* bytes in it */
    size_t sent; /* of those, accepted by the socket */
};

static inline uint8_t *nki_outbox_segment_data(struct nki_outbox_segment *segment)
{
    return (uint8_t *)segment + NKI_SEGMENT_HEAD;
}

/* outbox.c */

/* With room for so many bytes; NULL if there is no memory. Without locks, too. */
struct nki_outbox_segment *nki_outbox_segment_new(size_t room);
void nki_outbox_segment_free(struct nki_outbox_segment *segment);
void nki_outbox_drop_segments(struct nki_outbox *outbox);
/* Takes the transmit right if nobody has it (`urgent`: or it is parked) and there may be something to write.
 */
bool nki_outbox_take_right(struct nki_outbox *outbox, bool urgent);
/* Tells those who wait for room, once half of the outbox is free again. */
void nki_outbox_tell_room(struct nki_outbox *outbox);
/* Finishes the operations that wait for room, those whose room is there or (not NKI_OK) all. */
void nki_outbox_finish_room_ops(struct nki_outbox *outbox, int32_t status);
/* Finishes the operations before which all is written, or (not NKI_OK) all. */
void nki_outbox_finish_written_ops(struct nki_outbox *outbox, int32_t status);

/* outbox_transport.c */

/* Messages accepted that are neither confirmed, nor given up, nor taken out. */
uint64_t nki_outbox_in_doubt(const struct nki_outbox *outbox);
/* CONNECT holds secrets: nothing of it stays in memory once it was sent, or given up. */
void nki_outbox_wipe_handshake(struct nki_outbox *outbox);

#endif
