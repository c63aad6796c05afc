/* Page caches: what is kept, what goes back, release and forget, lack of memory, many threads. */
#include "base/page_cache.h"

#include "base/alloc.h"
#include "cmocka_all.h"
#include "refuse.h"

#include <string.h>

#define PIECE (64 * NKI_KIB)

static void test_keeps_so_many_and_no_more(void **state)
{
    (void)state;
    struct nki_page_cache cache = NKI_PAGE_CACHE(PIECE, PIECE, 2);
    uint64_t before = nki_alloc_bytes();
    void *pieces[4];
    for (size_t i = 0; i < 4; i++) {
        pieces[i] = nki_page_cache_take(&cache);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % PIECE, 0);
        memset(pieces[i], 1, PIECE);
    }
    assert_int_equal(nki_alloc_bytes() - before, 4 * PIECE);
    for (size_t i = 0; i < 4; i++) {
        nki_page_cache_give(&cache, pieces[i]);
    }
    nki_page_cache_give(&cache, NULL);
    assert_int_equal(nki_alloc_bytes() - before, 2 * PIECE);
    refuse_begin(1); /* what is kept needs no memory */
    void *a = nki_page_cache_take(&cache);
    void *b = nki_page_cache_take(&cache);
    assert_true(a != b && (a == pieces[0] || a == pieces[1]) && (b == pieces[0] || b == pieces[1]));
    assert_null(nki_page_cache_take(&cache));
    refuse_end();
    nki_page_cache_give(&cache, a);
    nki_page_cache_give(&cache, b);
    nki_page_cache_release(&cache);
    nki_page_cache_release(&cache);
    assert_int_equal(nki_alloc_bytes(), before);
}

static void test_forget_leaves_pieces_to_the_parent(void **state)
{
    (void)state;
    struct nki_page_cache cache = NKI_PAGE_CACHE(PIECE, PIECE, 2);
    void *kept = nki_page_cache_take(&cache);
    nki_page_cache_give(&cache, kept);
    struct nki_page_cache child = cache;
    nki_page_cache_forget(&child);
    void *other = nki_page_cache_take(&child);
    assert_non_null(other);
    assert_ptr_not_equal(other, kept);
    nki_page_cache_give(&child, other);
    nki_page_cache_release(&child);
    nki_page_cache_release(&cache);
}

static void *churn(void *arg)
{
    for (int i = 0; i < 500; i++) {
        unsigned char *a = nki_page_cache_take(arg);
        unsigned char *b = nki_page_cache_take(arg);
        if (a == NULL || b == NULL || a == b) {
            return arg;
        }
        *a = *b = (unsigned char)i; /* the sanitizer sees it, if another thread has the same piece */
        nki_page_cache_give(arg, a);
        nki_page_cache_give(arg, b);
    }
    return NULL;
}

static void test_many_threads(void **state)
{
    (void)state;
    struct nki_page_cache cache = NKI_PAGE_CACHE(PIECE, PIECE, 3);
    uint64_t before = nki_alloc_bytes();
    pthread_t threads[4];
    for (size_t i = 0; i < NKI_ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, churn, &cache), 0);
    }
    for (size_t i = 0; i < NKI_ARRAY_LEN(threads); i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_in_range(cache.count, 1, 3);
    nki_page_cache_release(&cache);
    assert_int_equal(nki_alloc_bytes(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keeps_so_many_and_no_more),
        cmocka_unit_test(test_forget_leaves_pieces_to_the_parent),
        cmocka_unit_test(test_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
