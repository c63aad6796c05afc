/* The generators against published vectors, bounds without bias, and a system that answers in pieces or not.
 */
#include "base/rand.h"

#include "cmocka_all.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

ssize_t __wrap_getrandom(void *out, size_t len, unsigned flags);
ssize_t __real_getrandom(void *out, size_t len, unsigned flags);

static enum { WHOLE, PIECES, MISSING } mode;
static unsigned calls;

ssize_t __wrap_getrandom(void *out, size_t len, unsigned flags)
{
    calls++;
    if (mode == MISSING) {
        errno = ENOSYS;
        return -1;
    }
    if (mode == PIECES && calls % 2 == 1) {
        errno = EINTR;
        return -1;
    }
    return __real_getrandom(out, mode == PIECES && len > 5 ? 5 : len, flags);
}

static void test_seeding_is_splitmix64(void **state)
{
    (void)state;
    static const uint64_t expected[4] = {UINT64_C(0xE220A8397B1DCDAF), UINT64_C(0x6E789E6AA1B965F4),
                                         UINT64_C(0x06C45D188009454F), UINT64_C(0xF88BB8A8724C81EC)};
    struct nki_rand rand;
    nki_rand_seed(&rand, 0);
    assert_memory_equal(rand.state, expected, sizeof expected);
}

static void test_generator_is_xoshiro256starstar(void **state)
{
    (void)state;
    static const uint64_t expected[] = {UINT64_C(11520),
                                        UINT64_C(0),
                                        UINT64_C(1509978240),
                                        UINT64_C(1215971899390074240),
                                        UINT64_C(1216172134540287360),
                                        UINT64_C(607988272756665600),
                                        UINT64_C(16172922978634559625),
                                        UINT64_C(8476171486693032832),
                                        UINT64_C(10595114339597558777),
                                        UINT64_C(2904607092377533576)};
    struct nki_rand rand = {{1, 2, 3, 4}};
    for (size_t i = 0; i < NKI_ARRAY_LEN(expected); i++) {
        assert_true(nki_rand_u64(&rand) == expected[i]);
    }
}

static void test_below_keeps_its_limit(void **state)
{
    (void)state;
    static const uint64_t limits[] = {1,         2, 3, 10, 1000, UINT64_C(1) << 63, (UINT64_C(1) << 63) + 1,
                                      UINT64_MAX};
    struct nki_rand rand;
    nki_rand_seed(&rand, 7);
    for (size_t i = 0; i < NKI_ARRAY_LEN(limits); i++) {
        for (int round = 0; round < 1000; round++) {
            assert_true(nki_rand_below(&rand, limits[i]) < limits[i]);
        }
    }
}

static void test_below_has_no_bias(void **state)
{
    (void)state;
    /* Of three quarters of the range, a plain remainder would hit the lowest third half of the time. */
    uint64_t third = UINT64_C(1) << 62;
    struct nki_rand rand;
    unsigned low = 0;
    nki_rand_seed(&rand, 8);
    for (int i = 0; i < 30000; i++) {
        low += nki_rand_below(&rand, 3 * third) < third;
    }
    assert_in_range(low, 9700, 10300);
}

static bool all_zero(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

static void test_system_fills_all_in_every_mode(void **state)
{
    (void)state;
    for (mode = WHOLE; mode <= MISSING; mode++) {
        uint8_t bytes[256 + 16] = {0};
        calls = 0;
        nki_rand_system(bytes, 256);
        /* A window of 16 zeros comes once in 2^128. */
        for (size_t i = 0; i < 256; i += 16) {
            assert_false(all_zero(bytes + i, 16));
        }
        assert_true(all_zero(bytes + 256, 16));
        assert_true(mode == PIECES ? calls >= 100 : calls == 1);
        nki_rand_system(bytes, 0);
    }
    mode = WHOLE;
}

static void test_system_seeds_differ(void **state)
{
    (void)state;
    struct nki_rand a, b;
    nki_rand_seed_system(&a);
    nki_rand_seed_system(&b);
    assert_true(memcmp(&a, &b, sizeof a) != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seeding_is_splitmix64),
        cmocka_unit_test(test_generator_is_xoshiro256starstar),
        cmocka_unit_test(test_below_keeps_its_limit),
        cmocka_unit_test(test_below_has_no_bias),
        cmocka_unit_test(test_system_fills_all_in_every_mode),
        cmocka_unit_test(test_system_seeds_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
