/* Memory for received messages: slots of size classes in 64 KiB blocks.
 *
 * A slab belongs to one connection and hands out slots under that connection's engine lock; any thread frees
 * a slot by pushing it on its block's lock-free return list, which the owner takes back when it runs short.
 * Blocks that are empty go back to the system. When the connection ends its slab is abandoned: each block
 * lives until its last slot was freed. */
#ifndef NKI_DELIVERY_SLAB_H
#define NKI_DELIVERY_SLAB_H

#include "base/list.h"

#define NKI_SLAB_SLOT_MAX (16 * NKI_KIB) /* greater sizes are the caller's business */
#define NKI_SLAB_CLASSES 33

struct nki_slab_block;
struct nki_slab_slot;

struct nki_slab {
    uint64_t uncounted; /* the messages' (delivery/msg.h) */
    struct nki_slab_block *current[NKI_SLAB_CLASSES];
    struct nki_list full[NKI_SLAB_CLASSES]; /* oldest first */
};

void nki_slab_init(struct nki_slab *slab);
/* A slot of at least `size` (at most NKI_SLAB_SLOT_MAX) bytes, 16-aligned; its true size goes to *slot_bytes.
 * NULL if there is no memory. */
void *nki_slab_alloc(struct nki_slab *slab, size_t size, uint32_t *slot_bytes);
/* Any thread. */
void nki_slab_free(void *slot);
/* The same for many: slots of one block that follow each other are given back together. Starts as {0}; what
 * was freed is given back by nki_slab_free_end at the latest. Of one thread. */
struct nki_slab_bundle {
    struct nki_slab_slot *first;
    struct nki_slab_slot *last;
    uint32_t count;
};
void nki_slab_free_soon(struct nki_slab_bundle *bundle, void *slot);
void nki_slab_free_end(struct nki_slab_bundle *bundle);
/* Gives back every block that is empty now. */
void nki_slab_trim(struct nki_slab *slab);
/* The owner leaves; slots that are still out stay valid. */
void nki_slab_abandon(struct nki_slab *slab);

/* In a child after fork: the cache of blocks is the parent's. Lock-free. */
void nki_slab_forget(void);
/* Gives the cache of blocks back to the system. */
void nki_slab_release_cache(void);

#endif
