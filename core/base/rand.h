/* Random numbers from the system; tests may seed a generator instead. */
#ifndef NKI_BASE_RAND_H
#define NKI_BASE_RAND_H

#include "base/defs.h"

/* A fast generator (xoshiro256**), not shared between threads. */
struct nki_rand {
    uint64_t state[4];
};

/* Fills from the operating system's generator; aborts only if it has none at all. */
void nki_rand_system(void *out, size_t len);
void nki_rand_seed(struct nki_rand *rand, uint64_t seed);
void nki_rand_seed_system(struct nki_rand *rand);
uint64_t nki_rand_u64(struct nki_rand *rand);
/* 0 to limit - 1 without bias; limit > 0. */
uint64_t nki_rand_below(struct nki_rand *rand, uint64_t limit);

#endif
