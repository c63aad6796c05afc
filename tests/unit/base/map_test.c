/* The map: random operations against a plain table, clusters that wrap around, and lack of memory. */
#include "base/map.h"

#include "base/rand.h"
#include "cmocka_all.h"
#include "refuse.h"

#define KEYS 500

static int values[KEYS];

static void compare(const struct nki_map *map, const uint64_t *keys, int *const *model)
{
    size_t len = 0;
    for (size_t i = 0; i < KEYS; i++) {
        assert_ptr_equal(nki_map_get(map, keys[i]), model[i]);
        len += model[i] != NULL;
    }
    assert_int_equal(map->len, len);
    bool seen[KEYS] = {false};
    size_t at = 0;
    size_t walked = 0;
    int *value;
    while ((value = nki_map_next(map, &at)) != NULL) {
        assert_false(seen[value - values]);
        seen[value - values] = true;
        walked++;
    }
    assert_int_equal(walked, len);
}

static void run_against_model(const uint64_t *keys, uint64_t seed)
{
    int *model[KEYS] = {NULL};
    bool used[KEYS] = {false};
    struct nki_map map = {0};
    struct nki_rand rand;
    nki_rand_seed(&rand, seed);
    for (int round = 0; round < 30000; round++) {
        size_t which = (size_t)nki_rand_below(&rand, KEYS);
        if (nki_rand_below(&rand, 10) < (round / 3000 % 2 == 0 ? 7u : 3u)) {
            size_t value = which; /* values are distinct as long as each key has its own */
            assert_true(nki_map_put(&map, keys[which], &values[value]));
            model[which] = &values[value];
            used[which] = true;
        } else {
            assert_ptr_equal(nki_map_remove(&map, keys[which]), model[which]);
            model[which] = NULL;
        }
        if (round % 100 == 0) {
            compare(&map, keys, model);
        }
    }
    compare(&map, keys, model);
    for (size_t i = 0; i < KEYS; i++) {
        assert_true(used[i]);
        assert_ptr_equal(nki_map_remove(&map, keys[i]), model[i]);
    }
    assert_int_equal(map.len, 0);
    nki_map_free(&map);
    assert_null(map.slots);
}

static void test_random_keys(void **state)
{
    (void)state;
    uint64_t keys[KEYS];
    struct nki_rand rand;
    nki_rand_seed(&rand, 3);
    for (size_t i = 0; i < KEYS; i++) {
        keys[i] = nki_rand_u64(&rand) | 1;
    }
    run_against_model(keys, 4);
}

static void test_consecutive_keys(void **state)
{
    (void)state;
    uint64_t keys[KEYS];
    for (size_t i = 0; i < KEYS; i++) {
        keys[i] = i + 1;
    }
    run_against_model(keys, 5);
}

static void test_keys_that_differ_in_high_bits_alone(void **state)
{
    (void)state;
    uint64_t keys[KEYS];
    for (size_t i = 0; i < KEYS; i++) {
        keys[i] = (uint64_t)(i + 1) << 48;
    }
    run_against_model(keys, 6);
}

static void test_empty_map(void **state)
{
    (void)state;
    struct nki_map map = {0};
    size_t at = 0;
    assert_null(nki_map_get(&map, 1));
    assert_null(nki_map_remove(&map, UINT64_MAX));
    assert_null(nki_map_next(&map, &at));
    nki_map_free(&map);
}

static void test_put_replaces(void **state)
{
    (void)state;
    struct nki_map map = {0};
    assert_true(nki_map_put(&map, 7, &values[0]));
    assert_true(nki_map_put(&map, 7, &values[1]));
    assert_int_equal(map.len, 1);
    assert_ptr_equal(nki_map_remove(&map, 7), &values[1]);
    assert_null(nki_map_get(&map, 7));
    nki_map_free(&map);
}

static void test_without_memory_the_map_stays(void **state)
{
    (void)state;
    uint64_t before = nki_alloc_bytes();
    struct nki_map map = {0};
    size_t refused = 0;
    for (size_t i = 0; i < 100; i++) {
        refuse_begin(1);
        if (!nki_map_put(&map, i + 1, &values[i])) {
            refused++;
            assert_int_equal(map.len, i);
            assert_null(nki_map_get(&map, i + 1));
            if (i > 0) {
                /* Replacing needs no room. */
                assert_true(nki_map_put(&map, 1, &values[0]));
            }
            refuse_end();
            assert_true(nki_map_put(&map, i + 1, &values[i]));
        }
        refuse_end();
    }
    assert_true(refused >= 3);
    for (size_t i = 0; i < 100; i++) {
        assert_ptr_equal(nki_map_get(&map, i + 1), &values[i]);
    }
    nki_map_free(&map);
    assert_int_equal(nki_alloc_bytes(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_keys),
        cmocka_unit_test(test_consecutive_keys),
        cmocka_unit_test(test_keys_that_differ_in_high_bits_alone),
        cmocka_unit_test(test_empty_map),
        cmocka_unit_test(test_put_replaces),
        cmocka_unit_test(test_without_memory_the_map_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
