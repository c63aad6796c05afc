/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of nats.c's program share. */
#ifndef BENCH_NATS_C_H
#define BENCH_NATS_C_H

#include "measure.h"

#include <nats/nats.h>

#define WAIT_MS 60000

static inline void check(natsStatus status, const char *what)
{
    if (status != NATS_OK) {
        const char *more = nats_GetLastError(NULL);
        bench_die(what, more != NULL ? more : natsStatus_GetText(status));
    }
}

/* Runs a case js_... or kv_...: how many messages were seen, or negative if there is no such case. */
long jetstream(const struct bench *b, natsConnection *conn);

#endif
