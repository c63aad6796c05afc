/* The common part of inlets and operations. */
#include "delivery/waitable.h"

#include "base/alloc.h"

#include <time.h>

int nki_waitable_init(struct nki_waitable *waitable)
{
    int code = pthread_mutex_init(&waitable->mu, NULL);
    if (code != 0) {
        return code;
    }
    waitable->cond = NULL;
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
    if (waitable->cond != NULL) {
        pthread_cond_destroy(waitable->cond);
        nki_free(waitable->cond);
    }
    pthread_mutex_destroy(&waitable->mu);
}

static bool make_cond(struct nki_waitable *waitable)
{
    pthread_cond_t *cond = nki_alloc(sizeof *cond);
    if (cond == NULL || nki_cond_init(cond) != 0) {
        nki_free(cond);
        return false;
    }
    waitable->cond = cond;
    return true;
}

void nki_waitable_sleep(struct nki_waitable *waitable, int64_t deadline_ns)
{
    if (waitable->cond == NULL && !make_cond(waitable)) {
        const struct timespec pause = {.tv_nsec = NKI_NS_PER_MS}; /* who waits is not to fail for that */
        pthread_mutex_unlock(&waitable->mu);
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&waitable->mu);
        return;
    }
    waitable->waiters++;
    nki_cond_wait(waitable->cond, &waitable->mu, deadline_ns);
    waitable->waiters--;
}
