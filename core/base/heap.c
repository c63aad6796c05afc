/* Binary min-heap of deadlines. Whoever owns the heap locks. */
#include "base/heap.h"

#include "base/alloc.h"

#define CAP_MIN 16

/* Places count from 1, so that index 0 means "not in" and the parent of `place` is place / 2. */
static void set(struct nki_heap *heap, size_t place, struct nki_heap_node *node)
{
    heap->nodes[place - 1] = node;
    node->index = place;
}

static struct nki_heap_node *at(const struct nki_heap *heap, size_t place)
{
    return heap->nodes[place - 1];
}

/* Finds the place for a node whose slot `place` is free, and puts it there. */
static void settle(struct nki_heap *heap, size_t place, struct nki_heap_node *node)
{
    while (place > 1 && at(heap, place / 2)->at_ns > node->at_ns) {
        set(heap, place, at(heap, place / 2));
        place /= 2;
    }
    for (size_t child = place * 2; child <= heap->len; child = place * 2) {
        if (child < heap->len && at(heap, child + 1)->at_ns < at(heap, child)->at_ns) {
            child++;
        }
        if (at(heap, child)->at_ns >= node->at_ns) {
            break;
        }
        set(heap, place, at(heap, child));
        place = child;
    }
    set(heap, place, node);
}

void nki_heap_free(struct nki_heap *heap)
{
    nki_free(heap->nodes);
    *heap = (struct nki_heap){0};
}

bool nki_heap_reserve(struct nki_heap *heap, size_t count)
{
    if (count <= heap->cap) {
        return true;
    }
    size_t cap = heap->cap > SIZE_MAX / 2 ? SIZE_MAX : heap->cap * 2;
    if (cap < count) {
        cap = count;
    }
    if (cap < CAP_MIN) {
        cap = CAP_MIN;
    }
    size_t size;
    if (__builtin_mul_overflow(cap, sizeof *heap->nodes, &size)) {
        return false;
    }
    struct nki_heap_node **nodes = nki_realloc(heap->nodes, size);
    if (nodes == NULL) {
        return false;
    }
    heap->nodes = nodes;
    heap->cap = cap;
    return true;
}

bool nki_heap_put(struct nki_heap *heap, struct nki_heap_node *node, int64_t at_ns)
{
    if (node->index == 0) {
        if (!nki_heap_reserve(heap, heap->len + 1)) {
            return false;
        }
        node->index = ++heap->len;
    }
    assert(node->index <= heap->len);
    node->at_ns = at_ns;
    settle(heap, node->index, node);
    return true;
}

void nki_heap_remove(struct nki_heap *heap, struct nki_heap_node *node)
{
    size_t place = node->index;
    if (place == 0) {
        return;
    }
    assert(place <= heap->len && at(heap, place) == node);
    struct nki_heap_node *last = at(heap, heap->len);
    heap->len--;
    node->index = 0;
    if (last != node) {
        settle(heap, place, last);
    }
}

struct nki_heap_node *nki_heap_top(const struct nki_heap *heap)
{
    return heap->len > 0 ? at(heap, 1) : NULL;
}

int64_t nki_heap_top_ns(const struct nki_heap *heap)
{
    return heap->len > 0 ? at(heap, 1)->at_ns : NKI_NEVER;
}
