/* SPDX-License-Identifier: Apache-2.0
 *
 * Seeded random choices for tests. NATSKIT_SEED replays the choices of a run (the order between threads stays
 * the machine's). One generator belongs to one thread.
 */
#ifndef TS_CHANCE_H
#define TS_CHANCE_H

#include "support/text.h"

#include <stdint.h>
#include <stdlib.h>

struct ts_chance {
    uint64_t state;
};

/* The seed of this run: NATSKIT_SEED, else one that differs from run to run. */
static inline uint64_t ts_chance_seed(void)
{
    uint64_t seed;
    const char *text = getenv("NATSKIT_SEED");
    return text != NULL && ts_parse_size(text, &seed) ? seed : (uint64_t)ts_now_ns() % 1000000007;
}

static inline uint64_t ts_chance_u64(struct ts_chance *chance)
{
    chance->state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    uint64_t x = chance->state;
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* 0 to limit - 1; `limit` is not 0. */
static inline uint32_t ts_chance_below(struct ts_chance *chance, uint32_t limit)
{
    return (uint32_t)(ts_chance_u64(chance) >> 33) % limit;
}

/* A generator of its own for the `number`-th user of a seed. */
static inline struct ts_chance ts_chance_of(uint64_t seed, uint64_t number)
{
    struct ts_chance chance = {seed * 1000003 + number};
    (void)ts_chance_u64(&chance);
    return chance;
}

#endif
