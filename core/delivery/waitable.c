/* The common part of inlets and operations. */
#include "delivery/waitable.h"

int nki_waitable_init(struct nki_waitable *waitable)
{
    int code = pthread_mutex_init(&waitable->mu, NULL);
    if (code != 0) {
        return code;
    }
    waitable->cond = (struct nki_small_cond)NKI_SMALL_COND;
    waitable->waiters = 0;
    waitable->nudge_fd = NKI_NUDGE_NOBODY;
    waitable->closed = false;
    waitable->link = (struct nki_wait_link){.set = NULL};
    return 0;
}

void nki_waitable_destroy(struct nki_waitable *waitable)
{
    assert(waitable->waiters == 0);
    nki_link_remove(&waitable->link);
    pthread_mutex_destroy(&waitable->mu);
}
