/* SPDX-License-Identifier: Apache-2.0
 *
 * The subscription ids of one connection: which were used, which live.
 * No locks: one thread at a time.
 */
#include "sid_set.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>

struct slot {
    uint64_t sid; /* 0: empty */
    bool live;
};

struct ts_sid_set {
    struct slot *slots;
    uint64_t cap; /* a power of two, at least twice the count */
    uint64_t count;
};

static struct slot *new_slots(uint64_t cap)
{
    struct slot *slots = ts_alloc((size_t)cap * sizeof *slots);
    memset(slots, 0, (size_t)cap * sizeof *slots);
    return slots;
}

/* The slot of the sid or the empty one where it belongs. */
static struct slot *find(struct slot *slots, uint64_t cap, uint64_t sid)
{
    uint64_t at = (sid * 0x9E3779B97F4A7C15U) >> 20;
    for (;; at++) {
        struct slot *slot = &slots[at & (cap - 1)];
        if (slot->sid == sid || slot->sid == 0) {
            return slot;
        }
    }
}

struct ts_sid_set *ts_sid_set_new(void)
{
    struct ts_sid_set *set = ts_alloc(sizeof *set);
    *set = (struct ts_sid_set){.slots = new_slots(16), .cap = 16};
    return set;
}

void ts_sid_set_free(struct ts_sid_set *set)
{
    if (set) {
        free(set->slots);
        free(set);
    }
}

static void grow(struct ts_sid_set *set)
{
    uint64_t cap = set->cap * 2;
    struct slot *slots = new_slots(cap);
    for (uint64_t i = 0; i < set->cap; i++) {
        if (set->slots[i].sid) {
            *find(slots, cap, set->slots[i].sid) = set->slots[i];
        }
    }
    free(set->slots);
    set->slots = slots;
    set->cap = cap;
}

bool ts_sid_set_add(struct ts_sid_set *set, uint64_t sid)
{
    if ((set->count + 1) * 2 > set->cap) {
        grow(set);
    }
    struct slot *slot = find(set->slots, set->cap, sid);
    if (slot->sid && slot->live) {
        return false;
    }
    set->count += slot->sid ? 0 : 1;
    *slot = (struct slot){.sid = sid, .live = true};
    return true;
}

void ts_sid_set_end(struct ts_sid_set *set, uint64_t sid)
{
    struct slot *slot = find(set->slots, set->cap, sid);
    if (slot->sid) {
        slot->live = false;
    }
}

enum ts_sid_state ts_sid_set_get(const struct ts_sid_set *set, uint64_t sid)
{
    const struct slot *slot = find(set->slots, set->cap, sid);
    if (!slot->sid) {
        return TS_SID_UNKNOWN;
    }
    return slot->live ? TS_SID_LIVE : TS_SID_ENDED;
}
