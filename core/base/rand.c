/* Randomness: the system's, and xoshiro256** for all that needs to be spread but not secret. A generator
 * belongs to one thread at a time; the system's is for any. */
#include "base/rand.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

/* For systems that forbid or lack getrandom (old kernels, narrow seccomp filters). */
static void fill_from_device(uint8_t *out, size_t len)
{
    int fd;
    do {
        fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    while (fd >= 0 && len > 0) {
        ssize_t got = read(fd, out, len);
        if (got > 0) {
            out += got;
            len -= (size_t)got;
        } else if (got == 0 || errno != EINTR) {
            break;
        }
    }
    if (len > 0) {
        abort(); /* going on with predictable numbers would be worse */
    }
    (void)close(fd);
}

void nki_rand_system(void *out, size_t len)
{
    uint8_t *at = out;
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        if (got > 0) {
            at += got;
            len -= (size_t)got;
        } else if (got == 0 || errno != EINTR) {
            fill_from_device(at, len);
            return;
        }
    }
}

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

void nki_rand_seed(struct nki_rand *rand, uint64_t seed)
{
    /* splitmix64, as the authors of xoshiro advise: near seeds give unrelated states, never all zeros. */
    for (size_t i = 0; i < NKI_ARRAY_LEN(rand->state); i++) {
        seed += UINT64_C(0x9E3779B97F4A7C15);
        uint64_t mixed = seed;
        mixed = (mixed ^ mixed >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
        mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94D049BB133111EB);
        rand->state[i] = mixed ^ mixed >> 31;
    }
}

void nki_rand_seed_system(struct nki_rand *rand)
{
    do {
        nki_rand_system(rand->state, sizeof rand->state);
    } while ((rand->state[0] | rand->state[1] | rand->state[2] | rand->state[3]) == 0);
}

uint64_t nki_rand_u64(struct nki_rand *rand)
{
    uint64_t *state = rand->state;
    uint64_t result = rotate(state[1] * 5, 7) * 9;
    uint64_t shifted = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = rotate(state[3], 45);
    return result;
}

uint64_t nki_rand_below(struct nki_rand *rand, uint64_t limit)
{
    assert(limit > 0);
    uint64_t skip = -limit % limit; /* 2^64 mod limit: so many numbers would favour the small results */
    uint64_t value;
    do {
        value = nki_rand_u64(rand);
    } while (value < skip);
    return value % limit;
}
