/* SPDX-License-Identifier: Apache-2.0
 *
 * Nkeys and JWTs for tests (nkeys, JWT version 2). Keys come from a label, and are the same in each run.
 * Pure, any thread.
 */
#ifndef TS_WALLET_KEYS_H
#define TS_WALLET_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ts_nkey {
    unsigned char raw[32];
    char seed[64]; /* "SU..." */
    char id[64];   /* "U...", the public key */
};

/* `role` is one of U, A, O, N, C. */
void ts_nkey_make(struct ts_nkey *key, char role, const char *label);

/* A JWT, signed by `issuer`, about `subject`: `nats` is the JSON object of that name. `expires` is in seconds
 * since the epoch, 0: never. free() it. */
char *ts_jwt_make(const struct ts_nkey *issuer, const char *subject, const char *name, const char *nats,
                  int64_t expires);

#endif
