/* The heap of deadlines: random operations against a plain table, and lack of memory. */
#include "base/heap.h"

#include "base/rand.h"
#include "cmocka_all.h"
#include "refuse.h"

#define NODES 300

static void check_order(const struct nki_heap *heap)
{
    for (size_t place = 1; place <= heap->len; place++) {
        assert_int_equal(heap->nodes[place - 1]->index, place);
        if (place > 1) {
            assert_true(heap->nodes[place / 2 - 1]->at_ns <= heap->nodes[place - 1]->at_ns);
        }
    }
}

static void test_random_operations_against_a_table(void **state)
{
    (void)state;
    struct nki_heap_node nodes[NODES] = {{0}};
    int64_t model[NODES]; /* the node's time, -1: not in */
    struct nki_heap heap = {0};
    struct nki_rand rand;
    nki_rand_seed(&rand, 2);
    for (size_t i = 0; i < NODES; i++) {
        model[i] = -1;
    }
    for (int round = 0; round < 20000; round++) {
        size_t which = (size_t)nki_rand_below(&rand, NODES);
        /* Phases that fill and phases that empty it; few distinct times, so that many are equal. */
        if (nki_rand_below(&rand, 10) < (round / 2000 % 2 == 0 ? 7u : 3u)) {
            model[which] = (int64_t)nki_rand_below(&rand, 50);
            assert_true(nki_heap_put(&heap, &nodes[which], model[which]));
        } else {
            model[which] = -1;
            nki_heap_remove(&heap, &nodes[which]);
        }
        size_t len = 0;
        int64_t least = NKI_NEVER;
        for (size_t i = 0; i < NODES; i++) {
            len += model[i] >= 0;
            least = model[i] >= 0 && model[i] < least ? model[i] : least;
            assert_int_equal(nodes[i].index != 0, model[i] >= 0);
        }
        assert_int_equal(heap.len, len);
        assert_true(nki_heap_top_ns(&heap) == least);
        assert_int_equal(nki_heap_top(&heap) != NULL, len > 0);
        check_order(&heap);
    }
    nki_heap_free(&heap);
    assert_null(heap.nodes);
}

static void test_gives_back_in_order(void **state)
{
    (void)state;
    static const int64_t times[] = {5, 3, NKI_NEVER, 9, 3, 0, -7, 5};
    struct nki_heap_node nodes[NKI_ARRAY_LEN(times)] = {{0}};
    struct nki_heap heap = {0};
    for (size_t i = 0; i < NKI_ARRAY_LEN(times); i++) {
        assert_true(nki_heap_put(&heap, &nodes[i], times[i]));
    }
    int64_t last = INT64_MIN;
    for (size_t i = 0; i < NKI_ARRAY_LEN(times); i++) {
        struct nki_heap_node *top = nki_heap_top(&heap);
        assert_true(top->at_ns >= last);
        last = top->at_ns;
        nki_heap_remove(&heap, top);
        assert_int_equal(top->index, 0);
    }
    assert_null(nki_heap_top(&heap));
    nki_heap_remove(&heap, &nodes[0]); /* not in: no effect */
    nki_heap_free(&heap);
}

static void test_reserved_room_needs_no_memory(void **state)
{
    (void)state;
    struct nki_heap_node nodes[100] = {{0}};
    struct nki_heap heap = {0};
    assert_true(nki_heap_reserve(&heap, 100));
    refuse_begin(1);
    for (size_t i = 0; i < 100; i++) {
        assert_true(nki_heap_put(&heap, &nodes[i], (int64_t)i));
    }
    refuse_end();
    assert_false(nki_heap_reserve(&heap, SIZE_MAX));
    assert_false(nki_heap_reserve(&heap, SIZE_MAX / sizeof(void *) + 1));
    assert_int_equal(heap.len, 100);
    nki_heap_free(&heap);
}

static void test_without_memory_the_heap_stays(void **state)
{
    (void)state;
    uint64_t before = nki_alloc_bytes();
    struct nki_heap_node nodes[60] = {{0}};
    struct nki_heap heap = {0};
    size_t refused = 0;
    for (size_t i = 0; i < NKI_ARRAY_LEN(nodes); i++) {
        refuse_begin(1);
        if (!nki_heap_put(&heap, &nodes[i], 100 - (int64_t)i)) {
            refused++;
            assert_int_equal(nodes[i].index, 0);
            assert_int_equal(heap.len, i);
            refuse_end();
            assert_true(nki_heap_put(&heap, &nodes[i], 100 - (int64_t)i));
        }
        refuse_end();
        check_order(&heap);
    }
    assert_int_equal(refused, 3); /* to 16, 32 and 64 */
    nki_heap_free(&heap);
    assert_int_equal(nki_alloc_bytes(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_operations_against_a_table),
        cmocka_unit_test(test_gives_back_in_order),
        cmocka_unit_test(test_reserved_room_needs_no_memory),
        cmocka_unit_test(test_without_memory_the_heap_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
