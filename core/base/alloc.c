/* Memory for all of the library: the heap and pages of the system, counted, with a gate for tests. Any
 * thread; the gate and the counter are the only state, both atomic. */
#include "base/alloc.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic uint64_t held;
static bool (*_Atomic gate)(size_t size);

static bool allowed(size_t size)
{
    bool (*ask)(size_t) = atomic_load_explicit(&gate, memory_order_acquire);
    return NKI_LIKELY(ask == NULL) || ask(size);
}

static void count_up(size_t bytes)
{
    atomic_fetch_add_explicit(&held, bytes, memory_order_relaxed);
}

static void count_down(size_t bytes)
{
    atomic_fetch_sub_explicit(&held, bytes, memory_order_relaxed);
}

void *nki_alloc(size_t size)
{
    if (!allowed(size)) {
        return NULL;
    }
    void *ptr = malloc(size > 0 ? size : 1); /* malloc(0) may be NULL, which means failure here */
    if (ptr != NULL) {
        count_up(malloc_usable_size(ptr));
    }
    return ptr;
}

void *nki_calloc(size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total) || !allowed(total)) {
        return NULL;
    }
    void *ptr = calloc(1, total > 0 ? total : 1);
    if (ptr != NULL) {
        count_up(malloc_usable_size(ptr));
    }
    return ptr;
}

void *nki_realloc(void *ptr, size_t size)
{
    if (ptr == NULL) {
        return nki_alloc(size);
    }
    if (!allowed(size)) {
        return NULL;
    }
    size_t before = malloc_usable_size(ptr);
    void *moved = realloc(ptr, size > 0 ? size : 1);
    if (moved != NULL) {
        count_down(before);
        count_up(malloc_usable_size(moved));
    }
    return moved;
}

void nki_free(void *ptr)
{
    if (ptr != NULL) {
        count_down(malloc_usable_size(ptr));
        free(ptr);
    }
}

void nki_free_secret(void *ptr, size_t size)
{
    if (ptr != NULL) {
        explicit_bzero(ptr, size);
        nki_free(ptr);
    }
}

char *nki_strndup(const char *ptr, size_t len)
{
    if (len == SIZE_MAX) {
        return NULL;
    }
    char *copy = nki_alloc(len + 1);
    if (copy != NULL) {
        if (len > 0) {
            memcpy(copy, ptr, len);
        }
        copy[len] = '\0';
    }
    return copy;
}

/* Cuts [ptr, ptr + mapped) down to `size` bytes at a multiple of `align`. The system limits the number of
 * mappings and may refuse to split one: then all is given back, and the result is NULL. */
static uint8_t *trim(uint8_t *ptr, size_t mapped, size_t size, size_t align)
{
    size_t head = (align - ((uintptr_t)ptr & (align - 1))) & (align - 1);
    size_t tail = mapped - size - head;
    if (head > 0 && munmap(ptr, head) != 0) {
        (void)munmap(ptr, mapped);
        return NULL;
    }
    if (tail > 0 && munmap(ptr + head + size, tail) != 0) {
        (void)munmap(ptr + head, size + tail);
        return NULL;
    }
    return ptr + head;
}

void *nki_pages_alloc(size_t size, size_t align)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t mapped;
    assert(size > 0 && size % page == 0);
    assert(align >= page && (align & (align - 1)) == 0);
    if (__builtin_add_overflow(size, align - page, &mapped) || !allowed(size)) {
        return NULL;
    }
    uint8_t *ptr =
        mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (ptr == MAP_FAILED) {
        return NULL;
    }
    uint8_t *aligned = trim(ptr, mapped, size, align);
    if (aligned != NULL) {
        count_up(size);
    }
    return aligned;
}

void nki_pages_free(void *ptr, size_t size)
{
    if (ptr != NULL) {
        count_down(size);
        (void)munmap(ptr, size);
    }
}

uint64_t nki_alloc_bytes(void)
{
    return atomic_load_explicit(&held, memory_order_relaxed);
}

void nki_alloc_gate_set(bool (*new_gate)(size_t size))
{
    atomic_store_explicit(&gate, new_gate, memory_order_release);
}
