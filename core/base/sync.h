/* Conditions on the monotonic clock, and threads that block every signal. */
#ifndef NKI_BASE_SYNC_H
#define NKI_BASE_SYNC_H

#include "base/defs.h"

#include <pthread.h>
#include <stdatomic.h>

/* 0 or an errno. A condition made here waits on the monotonic clock. */
int nki_cond_init(pthread_cond_t *cond);
/* Waits with `mutex` held until signalled or the deadline; false when the deadline has passed. */
bool nki_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ns);
/* The same in 4 bytes instead of 48, for objects of which there are very many; needs no end. Woken and waited
 * for with one mutex held. It is also true when the thread was woken without cause. */
struct nki_small_cond {
    atomic_uint wakes; /* the kernel compares it with what was seen with the mutex held */
};
#define NKI_SMALL_COND                                                                                       \
    {                                                                                                        \
        0                                                                                                    \
    }
bool nki_small_cond_wait(struct nki_small_cond *cond, pthread_mutex_t *mutex, int64_t deadline_ns);
/* Wakes one of those who wait, or all. */
void nki_small_cond_wake(struct nki_small_cond *cond, bool all);
/* Starts a thread with all signals blocked and a name (at most 15 characters); 0 or an errno. Counted until
 * the thread's function returns. */
int nki_thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *arg);
/* Threads of ours that run now. */
uint64_t nki_thread_count(void);
/* In a child after fork: none of the parent's threads exist here. */
void nki_thread_forget(void);

#endif
