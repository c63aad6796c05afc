/* Binary min-heap of deadlines; nodes are embedded and can be removed from the middle. The caller locks. */
#ifndef NKI_BASE_HEAP_H
#define NKI_BASE_HEAP_H

#include "base/defs.h"

struct nki_heap_node {
    int64_t at_ns;
    size_t index; /* place in the heap plus 1; 0: not in it */
};

struct nki_heap {
    struct nki_heap_node **nodes;
    size_t len;
    size_t cap;
};

void nki_heap_free(struct nki_heap *heap);
/* Makes room for `count` nodes in all, so that later nki_heap_put cannot fail. */
bool nki_heap_reserve(struct nki_heap *heap, size_t count) __attribute__((warn_unused_result));
/* Inserts, or moves a node that is in already; false if there is no memory. */
bool nki_heap_put(struct nki_heap *heap, struct nki_heap_node *node, int64_t at_ns)
    __attribute__((warn_unused_result));
/* No effect if the node is not in. */
void nki_heap_remove(struct nki_heap *heap, struct nki_heap_node *node);
/* The earliest node, or NULL. */
struct nki_heap_node *nki_heap_top(const struct nki_heap *heap);
/* Its time, or NKI_NEVER. */
int64_t nki_heap_top_ns(const struct nki_heap *heap);

#endif
