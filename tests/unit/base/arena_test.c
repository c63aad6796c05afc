/* Arenas: alignment, great and small pieces, copies, and that all is given back, also when memory lacks. */
#include "base/arena.h"

#include "base/alloc.h"
#include "cmocka_all.h"

#include <stdint.h>

static int allowed_left;

static bool gate(size_t size)
{
    (void)size;
    return allowed_left-- > 0;
}

static void test_pieces(void **state)
{
    (void)state;
    uint64_t before = nki_alloc_bytes();
    struct nki_arena arena = {0};
    char *pieces[200];
    for (size_t i = 0; i < 200; i++) {
        size_t size = i * i % 977;
        pieces[i] = nki_arena_take(&arena, size);
        assert_non_null(pieces[i]);
        assert_true((uintptr_t)pieces[i] % _Alignof(max_align_t) == 0);
        memset(pieces[i], (int)i, size);
    }
    for (size_t i = 0; i < 200; i++) {
        for (size_t k = 0; k < i * i % 977; k++) {
            assert_int_equal((unsigned char)pieces[i][k], (unsigned char)i);
        }
    }
    assert_non_null(nki_arena_take(&arena, 5000000));
    assert_true(arena.held >= 5000000 && nki_alloc_bytes() - before >= arena.held);
    struct nki_str copy = nki_arena_copy(&arena, NKI_STR("text"));
    assert_string_equal(copy.ptr, "text");
    assert_string_equal(nki_arena_copy(&arena, nki_str_make(NULL, 0)).ptr, "");
    nki_arena_free(&arena);
    nki_arena_free(&arena);
    assert_true(nki_alloc_bytes() == before);
}

static void test_no_memory(void **state)
{
    (void)state;
    struct nki_arena arena = {0};
    assert_null(nki_arena_take(&arena, SIZE_MAX));
    assert_null(nki_arena_take(&arena, SIZE_MAX - 64));
    nki_alloc_gate_set(gate);
    allowed_left = 1;
    char *kept = nki_arena_take(&arena, 100);
    assert_non_null(kept);
    assert_null(nki_arena_take(&arena, 1000000));
    assert_null(nki_arena_copy(&arena, nki_str_make("x", 1000000 - 1)).ptr);
    assert_false(nki_arena_reserve(&arena, 10));
    assert_non_null(nki_arena_take(&arena, 100)); /* what is there still serves */
    nki_alloc_gate_set(NULL);
    nki_arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
