/* A message as the application gets it: one piece of memory with subject, reply, header block and payload in
 * it, which never changes after it was delivered. Reference counted; any thread. */
#ifndef NKI_DELIVERY_MSG_H
#define NKI_DELIVERY_MSG_H

#include "base/str.h"
#include "delivery/slab.h"

#include <stdatomic.h>

struct nki_op;

enum nki_msg_kind {
    NKI_MSG_MESSAGE = 1,
    NKI_MSG_EVENT,
    NKI_MSG_STATUS,
    NKI_MSG_PUB_ACK,
    NKI_MSG_KV,
    NKI_MSG_STORED,
    NKI_MSG_SERVICE, /* has a tail */
    NKI_MSG_OBJECT
};

/* What became of a final ack (jetstream/ack.h). */
enum nki_msg_ack {
    NKI_MSG_ACK_NONE,       /* none was sent, or it was refused */
    NKI_MSG_ACK_SENDING,    /* somebody is about to */
    NKI_MSG_ACK_CONFIRMING, /* it was sent, and `confirmation` tells what the server says */
    NKI_MSG_ACK_FINAL
};

struct nki_msg {
    union {
        struct nki_msg *next; /* in the queue that holds it */
        struct nki_op
            *confirmation; /* a reference, with NKI_MSG_ACK_CONFIRMING: it is in no queue any more */
    };
    uint64_t origin; /* number of the connection, as given by whoever opened it */
    uint64_t sid;
    atomic_uint_fast64_t
        walked; /* how far the headers were walked last: their number << 32 | place behind them */
    atomic_uint refs;
    uint32_t slot_bytes; /* memory it takes: what queue limits count */
    uint32_t subject_len;
    uint32_t reply_len;
    uint32_t header_len;
    uint32_t data_len;
    uint8_t kind;
    bool in_slab;
    atomic_uchar ack; /* enum nki_msg_ack */
    uint8_t bytes[];  /* subject, reply, header block, data; an event: struct nki_event and its texts */
};

/* What stands behind the payload of a request of a service (service/request.h), in the memory of the message
 * itself, so that it costs no other. */
struct nki_msg_tail {
    void (*let_go)(struct nki_msg_tail *tail); /* the last reference of the message was given up */
    void *owner;
    int64_t taken_ns; /* by whoever took it from its queue; 0 before */
    uint32_t index;
    atomic_uint state;
};

/* Messages from a slab are counted together, as an atomic operation for each would cost more than its memory:
 * with the slab's lock, before they are handed over. */
void nki_msg_count_made(struct nki_slab *slab);
/* Makes a message with room for its parts, subject and reply copied, the body (header block and data,
 * nki_msg_body) to be filled by the caller. `slab` NULL takes the heap. NULL if there is no memory. */
struct nki_msg *nki_msg_new(struct nki_slab *slab, struct nki_str subject, struct nki_str reply,
                            uint32_t header_len, uint32_t body_len);
/* The same with room for a tail, which is there once it was filled in and the kind was set to
 * NKI_MSG_SERVICE. */
struct nki_msg *nki_msg_new_tailed(struct nki_slab *slab, struct nki_str subject, struct nki_str reply,
                                   uint32_t header_len, uint32_t body_len);
/* An event's message with `len` bytes of room. */
struct nki_msg *nki_msg_new_event(size_t len);

static inline uint8_t *nki_msg_body(struct nki_msg *msg)
{
    return msg->bytes + msg->subject_len + msg->reply_len;
}

static inline struct nki_str nki_msg_subject(const struct nki_msg *msg)
{
    return nki_str_make((const char *)msg->bytes, msg->subject_len);
}

static inline struct nki_str nki_msg_reply(const struct nki_msg *msg)
{
    return nki_str_make((const char *)msg->bytes + msg->subject_len, msg->reply_len);
}

static inline struct nki_str nki_msg_header_block(const struct nki_msg *msg)
{
    return nki_str_make((const char *)msg->bytes + msg->subject_len + msg->reply_len, msg->header_len);
}

static inline struct nki_str nki_msg_data(const struct nki_msg *msg)
{
    return nki_str_make((const char *)msg->bytes + msg->subject_len + msg->reply_len + msg->header_len,
                        msg->data_len);
}

static inline struct nki_msg_tail *nki_msg_tail(const struct nki_msg *msg)
{
    uintptr_t end =
        (uintptr_t)msg->bytes + msg->subject_len + msg->reply_len + msg->header_len + msg->data_len;
    uintptr_t align = _Alignof(struct nki_msg_tail);
    return (struct nki_msg_tail *)((end + align - 1) / align * align); /* no part of the content */
}

/* The index-th header, counting from 0; false if there are fewer. Going on from where the last call of any
 * thread was, so that a walk over a block of many headers takes linear time: anyone may have sent it. */
bool nki_msg_header_at(const struct nki_msg *msg, size_t index, struct nki_str *name, struct nki_str *value);

void nki_msg_retain(struct nki_msg *msg);
/* NULL is allowed. */
void nki_msg_release(struct nki_msg *msg);
/* A chain linked by `next`. */
void nki_msg_release_chain(struct nki_msg *head);
/* Cheaper than one by one; entries may be NULL. */
void nki_msg_release_batch(struct nki_msg *const *msgs, size_t count);
/* Messages alive in the process, but those that were not counted yet. */
uint64_t nki_msg_count(void);

#endif
