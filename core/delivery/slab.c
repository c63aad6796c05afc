/* Slots for messages: see slab.h. Everything but nki_slab_free runs under the owner's lock.
 *
 * The return list of a block is one atomic word: place of the first of the freed slots and their number, or
 * the mark ABANDONED once the owner has left. A freeing thread pushes while there is an owner; after that it
 * counts down `left`, and the last one frees the block. The owner takes the whole list with one exchange, so
 * slots cannot be popped twice (no ABA). */
#include "delivery/slab.h"

#include "base/page_cache.h"

#include <stdatomic.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define CHECKED_SLOTS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CHECKED_SLOTS 1
#endif
#endif

#ifdef CHECKED_SLOTS
#include <sanitizer/asan_interface.h>
#define POISON(ptr, len) __asan_poison_memory_region(ptr, len)
#define UNPOISON(ptr, len) __asan_unpoison_memory_region(ptr, len)
#else
#define POISON(ptr, len) ((void)(ptr), (void)(len))
#define UNPOISON(ptr, len) ((void)(ptr), (void)(len))
#endif

#define BLOCK_SIZE ((size_t)64 * NKI_KIB)
#define BLOCK_HEAD 128
#define STEP 64          /* bytes between the classes up to FINE_MAX */
#define FINE_MAX 1024    /* above: four classes for each doubling */
#define CACHE_BLOCKS 32  /* empty blocks kept for the next slab that needs one: 2 MiB */
#define LOOK_AT_BLOCKS 4 /* full blocks looked at before a new one is taken */

struct nki_slab_slot {
    struct nki_slab_slot *next;
};

struct nki_slab_block {
    struct nki_list node; /* in the slab's list of full blocks, when it is not the current one */
    uint32_t slot_bytes;
    uint32_t slot_count;
    uint32_t fresh; /* slots from this one on were never used */
    uint32_t used;  /* slots out, as far as the owner knows */
    struct nki_slab_slot *free;
    _Atomic uint32_t returned; /* place of the first slot, their number << 16; or ABANDONED */
    atomic_uint left;          /* after the owner left: slots still out */
};

static_assert(sizeof(struct nki_slab_block) <= BLOCK_HEAD, "the head of a block holds its fields");

#define ABANDONED UINT32_MAX
#define PLACE 64 /* slots begin at multiples of it, counted from their block */
static_assert(BLOCK_HEAD % PLACE == 0 && STEP % PLACE == 0 && FINE_MAX / 4 % PLACE == 0, "slots have places");
static_assert(BLOCK_SIZE / PLACE < UINT16_MAX, "a place and a number of slots fit into one word");

static struct nki_page_cache cache = NKI_PAGE_CACHE(BLOCK_SIZE, BLOCK_SIZE, CACHE_BLOCKS);

static size_t class_of(size_t size)
{
    if (size <= FINE_MAX) {
        size_t index = (size + STEP - 1) / STEP;
        return index < 2 ? 0 : index - 2; /* 128 bytes is the smallest */
    }
    unsigned shift = 63 - (unsigned)__builtin_clzll((unsigned long long)size - 1);
    size_t quarter = ((size - 1) >> (shift - 2)) & 3;
    return FINE_MAX / STEP - 1 + (shift - 10) * 4 + quarter;
}

static size_t class_bytes(size_t class)
{
    if (class <= FINE_MAX / STEP - 2) {
        return (class + 2) * STEP;
    }
    size_t above = class - (FINE_MAX / STEP - 1);
    return ((size_t)FINE_MAX << (above / 4)) / 4 * (4 + above % 4 + 1);
}

static struct nki_slab_block *block_of(void *slot)
{
    return (struct nki_slab_block *)((uintptr_t)slot & ~(uintptr_t)(BLOCK_SIZE - 1));
}

static uint32_t returned_word(const struct nki_slab_block *block, const struct nki_slab_slot *first,
                              uint32_t count)
{
    return (uint32_t)((const char *)first - (const char *)block) / PLACE | count << 16;
}

static uint32_t returned_count(uint32_t word)
{
    return word >> 16;
}

static struct nki_slab_slot *returned_first(struct nki_slab_block *block, uint32_t word)
{
    char *at = (char *)block + (size_t)(word & UINT16_MAX) * PLACE;
    return word != 0 ? (struct nki_slab_slot *)(void *)at : NULL;
}

static void block_give(struct nki_slab_block *block)
{
    UNPOISON(block, BLOCK_SIZE);
    nki_page_cache_give(&cache, block);
}

void nki_slab_release_cache(void)
{
    nki_page_cache_release(&cache);
}

void nki_slab_forget(void)
{
    nki_page_cache_forget(&cache);
}

void nki_slab_init(struct nki_slab *slab)
{
    slab->uncounted = 0;
    for (size_t i = 0; i < NKI_SLAB_CLASSES; i++) {
        slab->current[i] = NULL;
        nki_list_init(&slab->full[i]);
    }
}

static struct nki_slab_block *block_new(size_t class)
{
    struct nki_slab_block *block = nki_page_cache_take(&cache);
    if (block == NULL) {
        return NULL;
    }
    nki_list_init(&block->node);
    block->slot_bytes = (uint32_t)class_bytes(class);
    block->slot_count = (uint32_t)((BLOCK_SIZE - BLOCK_HEAD) / block->slot_bytes);
    block->fresh = 0;
    block->used = 0;
    block->free = NULL;
    atomic_store_explicit(&block->returned, 0, memory_order_relaxed);
    atomic_store_explicit(&block->left, 0, memory_order_relaxed);
    POISON((char *)block + BLOCK_HEAD, BLOCK_SIZE - BLOCK_HEAD);
    return block;
}

/* Takes back what other threads have freed, if it has nothing else to give out: so the chain is taken as it
 * is, without a look at the slots, which are in other processors' caches. */
static void block_drain(struct nki_slab_block *block)
{
    if (block->free != NULL || atomic_load_explicit(&block->returned, memory_order_relaxed) == 0) {
        return;
    }
    uint32_t word = atomic_exchange_explicit(&block->returned, 0, memory_order_acquire);
    block->free = returned_first(block, word);
    block->used -= returned_count(word);
}

/* Whether no slot is out. */
static bool block_empty(struct nki_slab_block *block)
{
    return returned_count(atomic_load_explicit(&block->returned, memory_order_acquire)) == block->used;
}

static bool block_has_room(const struct nki_slab_block *block)
{
    return block->free != NULL || block->fresh < block->slot_count;
}

/* A block with room becomes the current one: an old one of which slots came back, else a new one. */
static struct nki_slab_block *block_next(struct nki_slab *slab, size_t class)
{
    struct nki_list *full = &slab->full[class];
    struct nki_slab_block *found = NULL;
    for (int i = 0; i < LOOK_AT_BLOCKS && !nki_list_empty(full); i++) {
        struct nki_slab_block *block = NKI_CONTAINER_OF(full->next, struct nki_slab_block, node);
        block_drain(block);
        nki_list_remove(&block->node);
        if (found != NULL && block_empty(block)) {
            block_give(block);
        } else if (found == NULL && block_has_room(block)) {
            found = block;
        } else {
            nki_list_append(full, &block->node);
        }
    }
    return found != NULL ? found : block_new(class);
}

void *nki_slab_alloc(struct nki_slab *slab, size_t size, uint32_t *slot_bytes)
{
    assert(size <= NKI_SLAB_SLOT_MAX);
    size_t class = class_of(size);
    struct nki_slab_block *block = slab->current[class];
    if (block == NULL || !block_has_room(block)) {
        if (block != NULL) {
            block_drain(block);
        }
        if (block == NULL || !block_has_room(block)) {
            struct nki_slab_block *next = block_next(slab, class);
            if (next == NULL) {
                return NULL;
            }
            if (block != NULL) {
                nki_list_append(&slab->full[class], &block->node);
            }
            slab->current[class] = block = next;
        }
    }
    struct nki_slab_slot *slot = block->free;
    if (slot != NULL) {
        UNPOISON(slot, block->slot_bytes);
        block->free = slot->next;
        __builtin_prefetch(slot->next, 1); /* it comes from the processor that freed it */
    } else {
        slot = (struct nki_slab_slot *)(void *)((char *)block + BLOCK_HEAD +
                                                (size_t)block->fresh++ * block->slot_bytes);
        UNPOISON(slot, block->slot_bytes);
    }
    block->used++;
    *slot_bytes = block->slot_bytes;
    return slot;
}

/* Pushes a chain of slots of one block. */
static void give_back(struct nki_slab_block *block, struct nki_slab_slot *first, struct nki_slab_slot *last,
                      uint32_t count)
{
    uint32_t head = atomic_load_explicit(&block->returned, memory_order_acquire);
    while (head != ABANDONED) {
        UNPOISON(last, sizeof *last);
        last->next = returned_first(block, head);
        /* Poisoned before it is published: the owner may reuse it at once. */
        POISON(last, block->slot_bytes);
        uint32_t now = returned_word(block, first, returned_count(head) + count);
        if (atomic_compare_exchange_weak_explicit(&block->returned, &head, now, memory_order_release,
                                                  memory_order_acquire)) {
            return;
        }
    }
    if (atomic_fetch_sub_explicit(&block->left, count, memory_order_acq_rel) == count) {
        block_give(block);
    }
}

void nki_slab_free(void *ptr)
{
    give_back(block_of(ptr), ptr, ptr, 1);
}

void nki_slab_free_soon(struct nki_slab_bundle *bundle, void *ptr)
{
    struct nki_slab_slot *slot = ptr;
    struct nki_slab_block *block = block_of(ptr);
    if (bundle->count > 0 && block_of(bundle->first) != block) {
        nki_slab_free_end(bundle);
    }
    if (bundle->count == 0) {
        bundle->first = slot;
    } else {
        UNPOISON(bundle->last, sizeof *slot);
        bundle->last->next = slot;
        POISON(bundle->last, sizeof *slot);
    }
    bundle->last = slot;
    bundle->count++;
    POISON(slot, block->slot_bytes);
}

void nki_slab_free_end(struct nki_slab_bundle *bundle)
{
    if (bundle->count > 0) {
        give_back(block_of(bundle->first), bundle->first, bundle->last, bundle->count);
        *bundle = (struct nki_slab_bundle){0};
    }
}

static void block_abandon(struct nki_slab_block *block)
{
    for (;;) {
        block->used -= returned_count(atomic_exchange_explicit(&block->returned, 0, memory_order_acquire));
        if (block->used == 0) {
            block_give(block);
            return;
        }
        atomic_store_explicit(&block->left, block->used, memory_order_relaxed);
        uint32_t none = 0;
        if (atomic_compare_exchange_strong_explicit(&block->returned, &none, ABANDONED, memory_order_acq_rel,
                                                    memory_order_acquire)) {
            return;
        }
    }
}

void nki_slab_trim(struct nki_slab *slab)
{
    for (size_t class = 0; class < NKI_SLAB_CLASSES; class ++) {
        struct nki_list *full = &slab->full[class];
        for (struct nki_list *at = full->next, *next; at != full; at = next) {
            next = at->next;
            struct nki_slab_block *block = NKI_CONTAINER_OF(at, struct nki_slab_block, node);
            if (block_empty(block)) {
                nki_list_remove(at);
                block_give(block);
            }
        }
        struct nki_slab_block *current = slab->current[class];
        if (current != NULL && block_empty(current)) {
            slab->current[class] = NULL;
            block_give(current);
        }
    }
}

void nki_slab_abandon(struct nki_slab *slab)
{
    for (size_t class = 0; class < NKI_SLAB_CLASSES; class ++) {
        struct nki_list *full = &slab->full[class];
        while (!nki_list_empty(full)) {
            struct nki_slab_block *block = NKI_CONTAINER_OF(full->next, struct nki_slab_block, node);
            nki_list_remove(&block->node);
            block_abandon(block);
        }
        if (slab->current[class] != NULL) {
            block_abandon(slab->current[class]);
            slab->current[class] = NULL;
        }
    }
}
