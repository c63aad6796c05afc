/* What a subscription's inlet and an operation have in common: a mutex, callers that block on it, a place in
 * a waitset, and the descriptor of a caller that reads the socket by itself while it waits (see
 * client/wait.c). */
#ifndef NKI_DELIVERY_WAITABLE_H
#define NKI_DELIVERY_WAITABLE_H

#include "base/sync.h"
#include "base/wake.h"
#include "delivery/waitset.h"

#define NKI_NUDGE_NOBODY (-1)  /* nobody drives it */
#define NKI_NUDGE_FEEDING (-2) /* who drives it feeds, and looks again before he sleeps */

struct nki_waitable {
    pthread_mutex_t mu;
    struct nki_small_cond cond;
    /* guarded by mu */
    uint32_t waiters : 31;
    uint32_t closed : 1; /* the handle was closed */
    int nudge_fd; /* raised for the caller that drives the connection meanwhile, unless it is one of those */
    struct nki_wait_link link;
};

/* 0 or an errno. */
int nki_waitable_init(struct nki_waitable *waitable);
void nki_waitable_destroy(struct nki_waitable *waitable);

/* With mu held: it became ready; `all` wakes every blocked caller, otherwise one. Gives who slept for it: the
 * waitable, or the waitset in which it was listed just now, or NULL. */
static inline const void *nki_waitable_signal(struct nki_waitable *waitable, bool all)
{
    const void *woken = waitable->waiters > 0 ? waitable : NULL;
    if (waitable->waiters > 0) {
        nki_small_cond_wake(&waitable->cond, all);
    }
    if (waitable->nudge_fd >= 0) {
        nki_wake_raise(waitable->nudge_fd);
    }
    bool listed = nki_link_ready(&waitable->link);
    return listed && woken == NULL ? waitable->link.set : woken;
}

#endif
