/* Random lives of a connection. NATSKIT_SEEDS=n runs n of them, from NATSKIT_FIRST_SEED=s on (1),
 * NATSKIT_SEED=s the one that failed. */
#include "sim.h"

#include <setjmp.h>

#include <cmocka.h>
#include <stdlib.h>

#if defined(__SANITIZE_THREAD__)
#define SEEDS 30 /* slow, and there is one thread */
#elif defined(__SANITIZE_ADDRESS__)
#define SEEDS 6000
#else
#define SEEDS 10000
#endif
#define STEPS 1500

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    uint64_t value;
    return text != NULL && ts_parse_size(text, &value) ? value : otherwise;
}

static void test_random_lives(void **state)
{
    (void)state;
    uint64_t only = number_from("NATSKIT_SEED", 0);
    uint64_t first = only > 0 ? only : number_from("NATSKIT_FIRST_SEED", 1);
    uint64_t count = only > 0 ? 1 : number_from("NATSKIT_SEEDS", SEEDS);
    for (uint64_t seed = first; seed < first + count; seed++) {
        struct sim_options options = {.seed = seed, .steps = STEPS, .faultless = seed % 10 == 0};
        assert_int_equal(sim_run(&options), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_lives)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
