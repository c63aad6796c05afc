/* Memory: accounting, refusal, wiping, alignment of pages and what happens when the system refuses. */
#include "base/alloc.h"
#include "cmocka_all.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void __wrap_free(void *ptr);
void __real_free(void *ptr);
void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset);
void *__real_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset);
int __wrap_munmap(void *at, size_t size);
int __real_munmap(void *at, size_t size);

static void *watched; /* a block of which free looks at the content */
static size_t watched_size;
static bool watched_is_zero;
static size_t mapped_bytes; /* by the library, now */
static bool refuse_mmap;
static int refuse_munmap; /* the how-manieth munmap fails */
static size_t misalign;   /* makes mmap answer this far behind a multiple of a MiB */

void __wrap_free(void *ptr)
{
    if (ptr != NULL && ptr == watched) {
        watched_is_zero = true;
        for (size_t i = 0; i < watched_size; i++) {
            watched_is_zero = watched_is_zero && ((unsigned char *)ptr)[i] == 0;
        }
    }
    __real_free(ptr);
}

void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
    if (refuse_mmap) {
        return MAP_FAILED;
    }
    if (misalign != 0) {
        uint8_t *wide = __real_mmap(NULL, size + 2 * NKI_MIB, prot, flags, fd, offset);
        uint8_t *start = (uint8_t *)(((uintptr_t)wide | (NKI_MIB - 1)) + 1) + misalign;
        assert_int_equal(__real_munmap(wide, (size_t)(start - wide)), 0);
        assert_int_equal(__real_munmap(start + size, (size_t)(wide + 2 * NKI_MIB - start)), 0);
        mapped_bytes += size;
        return start;
    }
    void *ptr = __real_mmap(at, size, prot, flags, fd, offset);
    mapped_bytes += ptr != MAP_FAILED ? size : 0;
    return ptr;
}

int __wrap_munmap(void *at, size_t size)
{
    if (refuse_munmap > 0 && --refuse_munmap == 0) {
        return -1;
    }
    mapped_bytes -= size;
    return __real_munmap(at, size);
}

static void test_counts_what_is_held(void **state)
{
    (void)state;
    uint64_t before = nki_alloc_bytes();
    char *a = nki_alloc(1000);
    char *b = nki_calloc(10, 100);
    assert_non_null(a);
    assert_non_null(b);
    assert_in_range(nki_alloc_bytes() - before, 2000, 2200);
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(b[i], 0);
    }
    memset(a, 'x', 1000);
    a = nki_realloc(a, 100000);
    assert_non_null(a);
    assert_int_equal(a[999], 'x');
    assert_in_range(nki_alloc_bytes() - before, 101000, 110000);
    nki_free(a);
    nki_free(b);
    nki_free(NULL);
    assert_int_equal(nki_alloc_bytes(), before);
}

static void test_nothing_is_a_block_too(void **state)
{
    (void)state;
    void *a = nki_alloc(0);
    void *b = nki_calloc(0, 8);
    void *c = nki_realloc(NULL, 0);
    assert_non_null(a);
    assert_non_null(b);
    assert_non_null(c);
    c = nki_realloc(c, 0); /* shrinks, never frees */
    assert_non_null(c);
    nki_free(a);
    nki_free(b);
    nki_free(c);
}

static void test_refuses_sizes_that_overflow(void **state)
{
    (void)state;
    volatile size_t huge = SIZE_MAX; /* volatile: the compiler shall not warn of what is tested */
    uint64_t before = nki_alloc_bytes();
    assert_null(nki_calloc(huge / 2, 3));
    assert_null(nki_calloc(huge, huge));
    assert_null(nki_strndup("x", huge));
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    assert_null(nki_pages_alloc(huge - page + 1, 2 * page));
    assert_int_equal(nki_alloc_bytes(), before);
}

static void test_copies_text(void **state)
{
    (void)state;
    char *copy = nki_strndup("a\0bcd", 4);
    assert_memory_equal(copy, "a\0bc\0", 5);
    nki_free(copy);
    copy = nki_strndup(NULL, 0);
    assert_string_equal(copy, "");
    nki_free(copy);
}

static void test_wipes_secrets(void **state)
{
    (void)state;
    char *secret = nki_strndup("swordfish", 9);
    watched = secret;
    watched_size = 9;
    watched_is_zero = false;
    nki_free_secret(secret, 9);
    watched = NULL;
    assert_true(watched_is_zero);
    nki_free_secret(NULL, 9);
}

static size_t asked;

static bool note_size(size_t size)
{
    asked = size;
    return false;
}

static void test_gate_refuses_each_kind(void **state)
{
    (void)state;
    uint64_t before = nki_alloc_bytes();
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *kept = nki_strndup("kept", 4);
    nki_alloc_gate_set(note_size);
    assert_null(nki_alloc(11));
    assert_int_equal(asked, 11);
    assert_null(nki_calloc(3, 4));
    assert_int_equal(asked, 12);
    assert_null(nki_realloc(NULL, 13));
    assert_int_equal(asked, 13);
    assert_null(nki_realloc(kept, 14));
    assert_int_equal(asked, 14);
    assert_null(nki_strndup("four", 4));
    assert_int_equal(asked, 5);
    assert_null(nki_pages_alloc(page, page));
    assert_int_equal(asked, page);
    nki_alloc_gate_set(NULL);
    assert_string_equal(kept, "kept");
    nki_free(kept);
    assert_int_equal(nki_alloc_bytes(), before);
}

static void test_pages_are_aligned_and_zero(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint64_t before = nki_alloc_bytes();
    for (size_t align = page; align <= 4 * NKI_MIB; align *= 4) {
        for (size_t count = 1; count <= 40; count += 13) {
            size_t held_before = mapped_bytes;
            unsigned char *pages = nki_pages_alloc(count * page, align);
            assert_non_null(pages);
            assert_int_equal((uintptr_t)pages % align, 0);
            assert_int_equal(nki_alloc_bytes() - before, count * page);
            assert_int_equal(mapped_bytes - held_before, count * page);
            assert_int_equal(pages[0] | pages[count * page - 1], 0);
            memset(pages, 1, count * page);
            nki_pages_free(pages, count * page);
            assert_int_equal(mapped_bytes, held_before);
        }
    }
    assert_int_equal(nki_alloc_bytes(), before);
    nki_pages_free(NULL, page);
    assert_int_equal(nki_alloc_bytes(), before);
}

static void test_pages_survive_refusals_of_the_system(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint64_t before = nki_alloc_bytes();
    size_t mapped_before = mapped_bytes;
    refuse_mmap = true;
    assert_null(nki_pages_alloc(page, page));
    refuse_mmap = false;
    misalign = 5 * page; /* so that both ends have to be cut off */
    for (int nth = 1; nth <= 2; nth++) {
        refuse_munmap = nth;
        assert_null(nki_pages_alloc(2 * page, 8 * page));
        assert_int_equal(refuse_munmap, 0);
        assert_int_equal(mapped_bytes, mapped_before);
    }
    void *pages = nki_pages_alloc(2 * page, 8 * page);
    assert_int_equal((uintptr_t)pages % (8 * page), 0);
    nki_pages_free(pages, 2 * page);
    misalign = 0;
    assert_int_equal(mapped_bytes, mapped_before);
    assert_int_equal(nki_alloc_bytes(), before);
}

static void *churn(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < 2000; i++) {
        void *block = nki_alloc(i % 700);
        block = nki_realloc(block, i % 1900);
        nki_free(block);
    }
    return NULL;
}

static void test_counts_from_many_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    uint64_t before = nki_alloc_bytes();
    for (size_t i = 0; i < NKI_ARRAY_LEN(threads); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, churn, NULL), 0);
    }
    for (size_t i = 0; i < NKI_ARRAY_LEN(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(nki_alloc_bytes(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_what_is_held),
        cmocka_unit_test(test_nothing_is_a_block_too),
        cmocka_unit_test(test_refuses_sizes_that_overflow),
        cmocka_unit_test(test_copies_text),
        cmocka_unit_test(test_wipes_secrets),
        cmocka_unit_test(test_gate_refuses_each_kind),
        cmocka_unit_test(test_pages_are_aligned_and_zero),
        cmocka_unit_test(test_pages_survive_refusals_of_the_system),
        cmocka_unit_test(test_counts_from_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
