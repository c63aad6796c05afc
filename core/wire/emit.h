/* Writes what a client sends into memory that the caller has made room for. Arguments were checked before.
 * Pure, hot. */
#ifndef NKI_WIRE_EMIT_H
#define NKI_WIRE_EMIT_H

#include "base/str.h"

/* Bytes that a control line of these arguments takes at most. */
#define NKI_EMIT_PUB_MAX(subject_len, reply_len)                                                             \
    ((size_t)(subject_len) + (size_t)(reply_len) + 5 + 2 + 2 * 21 + 2)
#define NKI_EMIT_SUB_MAX(subject_len, queue_len)                                                             \
    ((size_t)(subject_len) + (size_t)(queue_len) + 4 + 2 + 21 + 2)
#define NKI_EMIT_UNSUB_MAX (6 + 2 * 21 + 2)

/* Each returns the end of what was written. */
uint8_t *nki_emit_u64(uint8_t *out, uint64_t value);
/* "PUB subject [reply] body_len CRLF", or with header_len > 0 "HPUB subject [reply] header_len body_len
 * CRLF". The body (header block, payload, CRLF) is the caller's. */
uint8_t *nki_emit_pub(uint8_t *out, struct nki_str subject, struct nki_str reply, size_t header_len,
                      size_t body_len);
/* Marks one as NKI_OUT_ONCE: a tab behind the operation, which to the server is a blank like any other. */
static inline void nki_emit_mark_once(uint8_t *frame)
{
    frame[*frame == 'H' ? 4 : 3] = '\t';
}
uint8_t *nki_emit_sub(uint8_t *out, struct nki_str subject, struct nki_str queue, uint64_t sid);
/* `max` 0: at once. */
uint8_t *nki_emit_unsub(uint8_t *out, uint64_t sid, uint64_t max);

enum nki_out_kind {
    NKI_OUT_PUB,  /* PUB and HPUB */
    NKI_OUT_ONCE, /* the same, of no use to another server than the present one */
    NKI_OUT_SUB,
    NKI_OUT_UNSUB,
    NKI_OUT_OTHER /* PING, PONG, CONNECT */
};

/* Length in bytes of the frame (body included) that begins at `data`, which this module wrote, and its kind;
 * `len` bytes are there and hold at least its control line. Used to find frame borders after a cut; asserts
 * on anything else. */
size_t nki_emit_frame_len(const uint8_t *data, size_t len, enum nki_out_kind *kind);

/* The arguments of a PUB or HPUB line; the texts lie in it. */
struct nki_emit_pub_line {
    struct nki_str subject;
    struct nki_str reply;
    uint64_t header_len;
    uint64_t body_len; /* headers included */
    size_t len;        /* of the line itself */
};

/* Reads one, which this module wrote, back from where it begins; `len` bytes are there and hold it. */
void nki_emit_read_pub(const uint8_t *data, size_t len, struct nki_emit_pub_line *out);

#endif
