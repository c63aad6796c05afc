/* Messages: see msg.h. */
#include "delivery/msg.h"

#include "base/alloc.h"
#include "delivery/op.h"
#include "wire/header.h"

/* Who makes messages and who releases them are different threads: a line of its own for each. */
static _Alignas(64) atomic_uint_fast64_t made_count;
static _Alignas(64) atomic_uint_fast64_t freed_count;

static struct nki_msg *msg_alloc(struct nki_slab *slab, size_t size)
{
    struct nki_msg *msg;
    uint32_t slot_bytes = (uint32_t)size;
    bool in_slab = slab != NULL && size <= NKI_SLAB_SLOT_MAX;
    msg = in_slab ? nki_slab_alloc(slab, size, &slot_bytes) : nki_alloc(size);
    if (msg == NULL) {
        return NULL;
    }
    atomic_init(&msg->refs, 1);
    atomic_init(&msg->walked, 0);
    atomic_init(&msg->ack, NKI_MSG_ACK_NONE);
    msg->in_slab = in_slab;
    msg->slot_bytes = slot_bytes;
    msg->next = NULL;
    msg->origin = 0;
    msg->sid = 0;
    if (slab != NULL) {
        slab->uncounted++;
    } else {
        atomic_fetch_add_explicit(&made_count, 1, memory_order_relaxed);
    }
    return msg;
}

void nki_msg_count_made(struct nki_slab *slab)
{
    if (slab->uncounted > 0) {
        atomic_fetch_add_explicit(&made_count, slab->uncounted, memory_order_relaxed);
        slab->uncounted = 0;
    }
}

struct nki_msg *nki_msg_new(struct nki_slab *slab, struct nki_str subject, struct nki_str reply,
                            uint32_t header_len, uint32_t body_len)
{
    assert(header_len <= body_len);
    struct nki_msg *msg = msg_alloc(slab, sizeof *msg + subject.len + reply.len + body_len);
    if (msg == NULL) {
        return NULL;
    }
    msg->kind = NKI_MSG_MESSAGE;
    msg->subject_len = (uint32_t)subject.len;
    msg->reply_len = (uint32_t)reply.len;
    msg->header_len = header_len;
    msg->data_len = body_len - header_len;
    memcpy(msg->bytes, subject.ptr, subject.len);
    if (reply.len > 0) {
        memcpy(msg->bytes + subject.len, reply.ptr, reply.len);
    }
    return msg;
}

struct nki_msg *nki_msg_new_tailed(struct nki_slab *slab, struct nki_str subject, struct nki_str reply,
                                   uint32_t header_len, uint32_t body_len)
{
    uint32_t room = sizeof(struct nki_msg_tail) + _Alignof(struct nki_msg_tail) - 1;
    struct nki_msg *msg = nki_msg_new(slab, subject, reply, header_len, body_len + room);
    if (msg != NULL) {
        msg->data_len -= room;
    }
    return msg;
}

struct nki_msg *nki_msg_new_event(size_t len)
{
    struct nki_msg *msg = msg_alloc(NULL, sizeof *msg + len);
    if (msg == NULL) {
        return NULL;
    }
    msg->kind = NKI_MSG_EVENT;
    msg->origin = 0;
    msg->sid = 0;
    msg->subject_len = 0;
    msg->reply_len = 0;
    msg->header_len = 0;
    msg->data_len = 0;
    return msg;
}

bool nki_msg_header_at(const struct nki_msg *msg, size_t index, struct nki_str *name, struct nki_str *value)
{
    atomic_uint_fast64_t *walked = &((struct nki_msg *)(uintptr_t)msg)->walked; /* no part of the content */
    uint64_t last = atomic_load_explicit(walked, memory_order_relaxed);
    struct nki_str block = nki_msg_header_block(msg);
    size_t count = (size_t)(last >> 32);
    size_t at = (size_t)(last & UINT32_MAX);
    if (count > index) {
        count = 0;
        at = 0;
    }
    for (; count <= index; count++) {
        if (block.len == 0 || !nki_header_next(block, &at, name, value)) {
            return false;
        }
    }
    atomic_store_explicit(walked, (uint64_t)count << 32 | at, memory_order_relaxed);
    return true;
}

void nki_msg_retain(struct nki_msg *msg)
{
    unsigned before = atomic_fetch_add_explicit(&msg->refs, 1, memory_order_relaxed);
    assert(before > 0);
    (void)before;
}

/* Gives up a reference; true if it was the last. Who has the only one need not write it back. */
static inline bool give_up(struct nki_msg *msg)
{
    if (NKI_LIKELY(atomic_load_explicit(&msg->refs, memory_order_acquire) == 1)) {
        atomic_store_explicit(&msg->refs, 0, memory_order_relaxed); /* for the check below */
        return true;
    }
    unsigned before = atomic_fetch_sub_explicit(&msg->refs, 1, memory_order_acq_rel);
    assert(before > 0 && "message released more often than retained");
    return before == 1;
}

/* Nobody refers to it any more: what it referred to. */
static inline void let_go(struct nki_msg *msg)
{
    if (NKI_UNLIKELY(atomic_load_explicit(&msg->ack, memory_order_relaxed) == NKI_MSG_ACK_CONFIRMING)) {
        nki_op_release(msg->confirmation);
    }
    if (NKI_UNLIKELY(msg->kind == NKI_MSG_SERVICE)) {
        struct nki_msg_tail *tail = nki_msg_tail(msg);
        tail->let_go(tail);
    }
}

void nki_msg_release(struct nki_msg *msg)
{
    if (msg == NULL || !give_up(msg)) {
        return;
    }
    let_go(msg);
    atomic_fetch_add_explicit(&freed_count, 1, memory_order_release);
    if (msg->in_slab) {
        nki_slab_free(msg);
    } else {
        nki_free(msg);
    }
}

/* Many are given back by each block, and counted, at once. */
struct release {
    struct nki_slab_bundle bundle;
    uint64_t freed;
};

static inline void release_soon(struct release *release, struct nki_msg *msg)
{
    if (msg == NULL || !give_up(msg)) {
        return;
    }
    let_go(msg);
    release->freed++;
    if (msg->in_slab) {
        nki_slab_free_soon(&release->bundle, msg);
    } else {
        nki_free(msg);
    }
}

static void release_end(struct release *release)
{
    if (release->freed > 0) {
        atomic_fetch_add_explicit(&freed_count, release->freed, memory_order_release);
        nki_slab_free_end(&release->bundle);
    }
}

void nki_msg_release_chain(struct nki_msg *head)
{
    struct release release = {.freed = 0};
    while (head != NULL) {
        struct nki_msg *next = head->next;
        release_soon(&release, head);
        head = next;
    }
    release_end(&release);
}

void nki_msg_release_batch(struct nki_msg *const *msgs, size_t count)
{
    struct release release = {.freed = 0};
    for (size_t i = 0; i < count; i++) {
        release_soon(&release, msgs[i]);
    }
    release_end(&release);
}

uint64_t nki_msg_count(void)
{
    uint64_t freed =
        atomic_load_explicit(&freed_count, memory_order_acquire); /* first: seldom more than made */
    uint64_t made = atomic_load_explicit(&made_count, memory_order_relaxed);
    return made > freed ? made - freed : 0; /* some are freed before they are counted */
}
