/* All memory of the library comes from here: counted, and refusable by tests. Any thread. */
#ifndef NKI_BASE_ALLOC_H
#define NKI_BASE_ALLOC_H

#include "base/defs.h"

/* Each returns NULL when there is no memory. nki_free takes NULL. */
void *nki_alloc(size_t size) __attribute__((malloc, warn_unused_result));
void *nki_calloc(size_t count, size_t size) __attribute__((malloc, warn_unused_result));
void *nki_realloc(void *ptr, size_t size) __attribute__((warn_unused_result));
void nki_free(void *ptr);
/* Wipes `size` bytes in a way that is not optimised away, then frees. */
void nki_free_secret(void *ptr, size_t size);
/* A NUL-terminated copy. */
char *nki_strndup(const char *ptr, size_t len) __attribute__((malloc, warn_unused_result));

/* Pages from the system, beginning at a multiple of `align` (a power of two, at least a page); size a
 * multiple of the page. Given back with the same size. */
void *nki_pages_alloc(size_t size, size_t align) __attribute__((malloc, warn_unused_result));
void nki_pages_free(void *ptr, size_t size);

/* Bytes held now: nki_alloc's (as the heap rounds them) and pages. */
uint64_t nki_alloc_bytes(void);

/* Tests: called before each allocation with its size; false refuses it. NULL (the default) allows all. */
void nki_alloc_gate_set(bool (*gate)(size_t size));

#endif
