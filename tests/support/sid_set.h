/* SPDX-License-Identifier: Apache-2.0
 *
 * The subscription ids of one connection: which were used, which live. A hash table with open addressing,
 * because a test may use millions of ids. No locks: one thread at a time.
 */
#ifndef TS_SID_SET_H
#define TS_SID_SET_H

#include <stdbool.h>
#include <stdint.h>

enum ts_sid_state { TS_SID_UNKNOWN, TS_SID_LIVE, TS_SID_ENDED };

struct ts_sid_set;

struct ts_sid_set *ts_sid_set_new(void);
void ts_sid_set_free(struct ts_sid_set *set);

/* Makes the sid live; false when it is live already. The sid is never 0. */
bool ts_sid_set_add(struct ts_sid_set *set, uint64_t sid);
void ts_sid_set_end(struct ts_sid_set *set, uint64_t sid);
enum ts_sid_state ts_sid_set_get(const struct ts_sid_set *set, uint64_t sid);

#endif
