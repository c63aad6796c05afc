/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of the chaos share: chaos.c (the main thread: cluster, faults, verdict) and chaos_load.c
 * (connections, and the threads that use them).
 */
#ifndef TESTS_SOAK_CHAOS_H
#define TESTS_SOAK_CHAOS_H

#include "support/ledger.h"

#include <natskit.h>

#include "support/nats_server.h"

enum { PUBS = 3, SUBS = 3, REQS = 2, RESPS = 2, CONNS = PUBS + SUBS + REQS + RESPS };

/* A connection and what is known of its life. */
struct chaos_conn {
    natskit_conn conn;
    natskit_sub events;
    natskit_sub sub;            /* of subscribers and responders */
    struct ts_ledger_life life; /* noted by the watcher */
    _Atomic int64_t since_ns;   /* of the present transport; 0: there is none */
    _Atomic uint64_t lame_ducks;
    _Atomic uint64_t moves;
};

/* Requests that failed. */
struct chaos_failure {
    int64_t begin_ns;
    int64_t end_ns;
    natskit_status status;
};

struct chaos_asker {
    _Atomic uint64_t asked;
    _Atomic uint64_t answered;
    struct chaos_failure *failures;
    size_t failure_count;
};

struct chaos {
    uint64_t seed;
    struct ts_cluster *cluster;
    struct ts_ledger_node nodes[TS_LEDGER_NODES];
    struct chaos_conn conns[CONNS]; /* publishers, subscribers, requesters, responders */
    struct ts_ledger_stream streams[PUBS];
    struct ts_ledger_view views[SUBS][PUBS];
    struct chaos_asker askers[REQS];
    atomic_bool stop_publishing;
    atomic_bool stop;
};
extern struct chaos chaos;

void chaos_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
#define CHAOS_CHECK(condition, ...)                                                                          \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            chaos_fail(__VA_ARGS__);                                                                         \
        }                                                                                                    \
    } while (0)

/* Connects all and begins the load of about so many seconds. Stops the publishers and waits for what they
 * have published. Ends the rest. */
void chaos_load_begin(int64_t seconds);
void chaos_load_stop_publishing(void);
void chaos_load_end(void);

#endif
