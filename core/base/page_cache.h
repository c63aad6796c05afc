/* A few pieces of page-aligned memory of one size, kept for reuse: taking them from the system anew each time
 * costs system calls and page faults. Any thread. */
#ifndef NKI_BASE_PAGE_CACHE_H
#define NKI_BASE_PAGE_CACHE_H

#include "base/defs.h"

#include <pthread.h>

#define NKI_PAGE_CACHE_MAX 32

struct nki_page_cache {
    pthread_mutex_t mu;
    size_t size;  /* of a piece: a multiple of the page */
    size_t align; /* power of two, at least a page */
    size_t keep;  /* at most so many, up to NKI_PAGE_CACHE_MAX */
    size_t count;
    void *pieces[NKI_PAGE_CACHE_MAX];
};

#define NKI_PAGE_CACHE(piece_size, piece_align, keep_max)                                                    \
    {                                                                                                        \
        .mu = PTHREAD_MUTEX_INITIALIZER, .size = (piece_size), .align = (piece_align), .keep = (keep_max)    \
    }

/* A piece with unknown content; NULL if there is no memory. */
void *nki_page_cache_take(struct nki_page_cache *cache) __attribute__((warn_unused_result));
/* NULL is allowed. */
void nki_page_cache_give(struct nki_page_cache *cache, void *piece);
/* Gives what is kept back to the system. */
void nki_page_cache_release(struct nki_page_cache *cache);
/* In a child after fork: what is kept is the parent's, and so may be the mutex. Lock-free. */
void nki_page_cache_forget(struct nki_page_cache *cache);

#endif
