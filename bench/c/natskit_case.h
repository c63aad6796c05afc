/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of natskit's program share. */
#ifndef BENCH_NATSKIT_CASE_H
#define BENCH_NATSKIT_CASE_H

#include "measure.h"

#include <natskit.h>

#define BATCH 256
#define WAIT_MS 60000

static inline void check(natskit_status status, const char *what)
{
    natskit_status_info info;
    if (status != NATSKIT_OK) {
        natskit_status_describe(status, &info, sizeof info);
        bench_die(what, info.text);
    }
}

/* Runs a case js_... or kv_...: how many messages were seen, or negative if there is no such case. */
long jetstream(const struct bench *b, natskit_conn conn);

#endif
