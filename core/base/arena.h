/* Memory that is taken piece by piece and given back at once. Not shared between threads. */
#ifndef NKI_BASE_ARENA_H
#define NKI_BASE_ARENA_H

#include "base/str.h"

struct nki_arena_chunk;

struct nki_arena {
    struct nki_arena_chunk *chunks; /* the newest first; pieces come from it */
    size_t held;                    /* bytes of all chunks */
};

/* `size` bytes, aligned for pointers and numbers, not zeroed; NULL if there is no memory. */
void *nki_arena_take(struct nki_arena *arena, size_t size) __attribute__((warn_unused_result));
/* A NUL-terminated copy; `ptr` is NULL if there is no memory. */
struct nki_str nki_arena_copy(struct nki_arena *arena, struct nki_str text)
    __attribute__((warn_unused_result));
/* Makes one chunk for the next `size` bytes; false if there is no memory. */
bool nki_arena_reserve(struct nki_arena *arena, size_t size) __attribute__((warn_unused_result));
void nki_arena_free(struct nki_arena *arena);

#endif
