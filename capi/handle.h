/* Handles: 64-bit numbers for the objects of the C ABI. Any thread.
 *
 *   id:  kind 5 bits (48-52) | generation 24 (24-47) | index 24 (0-23)
 *
 * The index names a slot of the table, the generation tells whose turn the slot has. Pinning compares both
 * and counts the caller in, with one compare-and-swap; an object is destroyed by the last unpin after its
 * close. See handle.c. */
#ifndef NKI_CAPI_HANDLE_H
#define NKI_CAPI_HANDLE_H

#include "base/status.h"

#include <natskit.h>
#include <stdatomic.h>
#include <stdbool.h>

struct nki_handle;

/* What a kind of object does at its end. */
struct nki_handle_ops {
    /* The handle was closed: wakes blocked callers, must not wait. With the handle pinned; once, but for a
     * connection, whose linger is ended by a second call. */
    void (*close)(struct nki_handle *handle);
    /* Nobody uses the object any more: drops the references. */
    void (*destroy)(struct nki_handle *handle);
};

/* A slot of the table; a cache line of its own, because every call on the object writes to it. */
struct nki_handle {
    _Alignas(64) _Atomic uint64_t word; /* state, see handle.c */
    /* set before the handle is published, constant until it is destroyed */
    void *object;
    void *parent; /* the connection of an operation, else NULL */
    const struct nki_handle_ops *ops;
    /* guarded by the table's mutex */
    uint32_t index;
    uint32_t next_free;
};

/* Reserves an id, which is not valid before it is published: NATSKIT_OK, NATSKIT_LIMIT, NATSKIT_NO_MEMORY,
 * NATSKIT_SHUTDOWN. Each is followed by one publish or cancel, without waiting in between. */
int32_t nki_handle_reserve(int32_t kind, uint64_t *id, struct nki_handle **handle);
/* Makes the id valid; the table takes over the references that `ops->destroy` drops. */
void nki_handle_publish(struct nki_handle *handle, const struct nki_handle_ops *ops, void *object,
                        void *parent);
void nki_handle_cancel(struct nki_handle *handle);

/* NATSKIT_OK, NATSKIT_BAD_HANDLE, NATSKIT_CLOSED or NATSKIT_FORKED. What is pinned lives until the unpin. */
int32_t nki_handle_pin(uint64_t id, int32_t kind, struct nki_handle **out);
void nki_handle_unpin(struct nki_handle *handle);
/* By who has pinned it: false if somebody else has, too. What the caller stored before (in the one order of
 * all, memory_order_seq_cst) is seen by whoever pins it later. */
bool nki_handle_is_alone(const struct nki_handle *handle);

/* Invalidates the id; exactly one caller gets NATSKIT_OK, and with it the pin that kept the object alive, to
 * be given back with nki_handle_unpin. */
int32_t nki_handle_begin_close(uint64_t id, int32_t kind, struct nki_handle **out);
/* The same with the kind's own close and the unpin. */
int32_t nki_handle_close(uint64_t id, int32_t kind);

/* The kind that an id claims to be; 0 if it cannot be one. */
static inline int32_t nki_handle_kind(uint64_t id)
{
    return id >> 53 == 0 ? (int32_t)(id >> 48) : 0;
}

/* For natskit_shutdown: from now on nothing is opened; closes everything that is open, waiting until the
 * deadline for calls that are just opening something. */
void nki_handle_close_all(int64_t deadline_ns);
/* Things may be opened again. */
void nki_handle_reopen(void);

uint64_t nki_handle_live(int32_t kind);
/* The ids that are valid now, one by one: the next one behind the slot *index, which begins with 0. False: no
 * more. It may be closed before it is used. */
bool nki_handle_next(uint32_t *index, uint64_t *id);
/* Pages that the table holds; they are never given back. */
uint64_t nki_handle_table_bytes(void);

/* In a child after fork: every id of before is the parent's. Lock-free. */
void nki_handle_forget(void);

#endif
