/* Makes the n-th allocation from now on fail, so that a test can sweep over all of a function's failures:
 *
 *   for (long nth = 1; refuse_begin(nth); nth++) { ... expect failure if refuse_happened(), else success ...
 * }
 *
 * The sweep ends after the first round in which nothing had to be refused. Any thread may allocate. */
#ifndef UNIT_REFUSE_H
#define UNIT_REFUSE_H

#include "base/alloc.h"

#include <stdatomic.h>

static _Atomic long refuse_left;

static inline bool refuse_gate(size_t size)
{
    (void)size;
    return atomic_fetch_sub(&refuse_left, 1) != 1;
}

static inline bool refuse_happened(void)
{
    return atomic_load(&refuse_left) <= 0;
}

static inline void refuse_end(void)
{
    nki_alloc_gate_set(NULL);
}

static inline bool refuse_begin(long nth)
{
    refuse_end();
    if (nth > 1 && !refuse_happened()) {
        return false;
    }
    atomic_store(&refuse_left, nth);
    nki_alloc_gate_set(refuse_gate);
    return true;
}

#endif
