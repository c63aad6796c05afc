/* An arena: chunks that grow with what was taken so far, so that a great document needs few of them and a
 * small one little memory. One thread at a time. */
#include "base/arena.h"

#include "base/alloc.h"

#define CHUNK_MIN ((size_t)512)
#define CHUNK_MAX ((size_t)256 * NKI_KIB)
#define ALIGN _Alignof(max_align_t)
#define SIZE_MOST (SIZE_MAX / 4) /* sums of this cannot wrap, and no system has it */

struct nki_arena_chunk {
    struct nki_arena_chunk *next;
    size_t used;
    size_t size;
    _Alignas(max_align_t) char bytes[];
};

bool nki_arena_reserve(struct nki_arena *arena, size_t size)
{
    size_t grown = arena->held < CHUNK_MIN ? CHUNK_MIN : arena->held < CHUNK_MAX ? arena->held : CHUNK_MAX;
    if (size > SIZE_MOST) {
        return false;
    }
    size_t room = (size + ALIGN - 1) & ~(ALIGN - 1);
    room = room > grown ? room : grown;
    struct nki_arena_chunk *chunk = nki_alloc(sizeof *chunk + room);
    if (chunk == NULL) {
        return false;
    }
    *chunk = (struct nki_arena_chunk){.next = arena->chunks, .size = room};
    arena->chunks = chunk;
    arena->held += room;
    return true;
}

void *nki_arena_take(struct nki_arena *arena, size_t size)
{
    if (size > SIZE_MOST) {
        return NULL;
    }
    size = (size + ALIGN - 1) & ~(ALIGN - 1);
    struct nki_arena_chunk *chunk = arena->chunks;
    if (chunk == NULL || chunk->size - chunk->used < size) {
        if (!nki_arena_reserve(arena, size)) {
            return NULL;
        }
        chunk = arena->chunks;
    }
    void *piece = chunk->bytes + chunk->used;
    chunk->used += size;
    return piece;
}

struct nki_str nki_arena_copy(struct nki_arena *arena, struct nki_str text)
{
    char *copy = text.len < SIZE_MAX ? nki_arena_take(arena, text.len + 1) : NULL;
    if (copy == NULL) {
        return nki_str_make(NULL, 0);
    }
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    copy[text.len] = '\0';
    return nki_str_make(copy, text.len);
}

void nki_arena_free(struct nki_arena *arena)
{
    struct nki_arena_chunk *chunk = arena->chunks;
    while (chunk != NULL) {
        struct nki_arena_chunk *next = chunk->next;
        nki_free(chunk);
        chunk = next;
    }
    *arena = (struct nki_arena){0};
}
