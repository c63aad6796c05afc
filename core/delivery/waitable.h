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
    pthread_cond_t cond;
    /* guarded by mu */
    uint32_t waiters : 31;
    uint32_t closed : 1; /* the handle was closed */
    int nudge_fd; /* raised for the caller that drives the connection meanwhile, unless it is one of those */
    struct nki_wait_link link;
};

/* 0 or an errno. */
int nki_waitable_init(struct nki_waitable *waitable);
void nki_waitable_destroy(struct nki_waitable *waitable);

/* With mu held: it became ready; `all` wakes every blocked caller, otherwise one. */
static inline void nki_waitable_signal(struct nki_waitable *waitable, bool all)
{
    if (waitable->waiters > 0) {
        if (all) {
            pthread_cond_broadcast(&waitable->cond);
        } else {
            pthread_cond_signal(&waitable->cond);
        }
    }
    if (waitable->nudge_fd >= 0) {
        nki_wake_raise(waitable->nudge_fd);
    }
    nki_link_ready(&waitable->link);
}

#endif
