/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of the soak share: soak.c (the main thread: faults, quiet points, counters), episodes.c
 * (what the workers do), rough.c (a server that breaks off each handshake).
 */
#ifndef TESTS_SOAK_SOAK_H
#define TESTS_SOAK_SOAK_H

#include <natskit.h>

#include "support/chance.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define Z NATSKIT_ZLEN
#define NO_OPTIONS ((natskit_options){0})
#define NO_HEADERS ((natskit_headers){0})

enum { WORKERS = 6, SHARED = 2, HELD = 32 };

/* What is counted for the summary. */
enum tally {
    CONNECTS,
    FAILED_CONNECTS,
    PUBLISHED,
    REFUSED, /* publishes that found no room in time, or no connection */
    TAKEN,
    DROPPED,
    REQUESTS,
    REPLIES,
    CANCELLED,
    TIMEOUTS,
    EVENTS,
    DRAINS,
    TALLIES
};

struct soak {
    uint64_t seed;
    atomic_bool quiet; /* workers give everything back and meet the main thread at `barrier`, twice */
    atomic_bool stop;  /* after the second meeting they end */
    pthread_barrier_t barrier;
    _Atomic uint64_t
        shared[SHARED]; /* connections that all use, and that the main thread closes at any time */
    char tap_url[64];
    char rough_url[64];
    char refused_url[64];
    _Atomic uint64_t tallies[TALLIES];
};
extern struct soak soak;

/* Ends the program, which tells the seed. Any thread. */
void soak_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
#define SOAK_CHECK(condition, ...)                                                                           \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            soak_fail(__VA_ARGS__);                                                                          \
        }                                                                                                    \
    } while (0)

static inline void soak_count(enum tally tally, uint64_t number)
{
    atomic_fetch_add_explicit(&soak.tallies[tally], number, memory_order_relaxed);
}

/* A connection through the tap that finds back soon; id 0 if there was none within `timeout_ms`. */
natskit_conn soak_connect(const char *url, int64_t timeout_ms);

/* Threads: a worker (its argument is its number), the one that answers requests, the rough server. All meet
 * the main thread at the barrier. */
void *soak_worker(void *number);
void *soak_echo(void *unused);
void *soak_rough(void *listener);

#endif
