/* Page caches: see page_cache.h. Any thread. */
#include "base/page_cache.h"

#include "base/alloc.h"

#include <string.h>

void *nki_page_cache_take(struct nki_page_cache *cache)
{
    void *piece = NULL;
    pthread_mutex_lock(&cache->mu);
    if (cache->count > 0) {
        piece = cache->pieces[--cache->count];
    }
    pthread_mutex_unlock(&cache->mu);
    return piece != NULL ? piece : nki_pages_alloc(cache->size, cache->align);
}

void nki_page_cache_give(struct nki_page_cache *cache, void *piece)
{
    if (piece == NULL) {
        return;
    }
    pthread_mutex_lock(&cache->mu);
    bool kept = cache->count < cache->keep;
    if (kept) {
        cache->pieces[cache->count++] = piece;
    }
    pthread_mutex_unlock(&cache->mu);
    if (!kept) {
        nki_pages_free(piece, cache->size);
    }
}

void nki_page_cache_release(struct nki_page_cache *cache)
{
    pthread_mutex_lock(&cache->mu);
    while (cache->count > 0) {
        nki_pages_free(cache->pieces[--cache->count], cache->size);
    }
    pthread_mutex_unlock(&cache->mu);
}

void nki_page_cache_forget(struct nki_page_cache *cache)
{
    pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
    memcpy(&cache->mu, &fresh, sizeof fresh);
    cache->count = 0;
}
