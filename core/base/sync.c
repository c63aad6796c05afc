/* Conditions on the monotonic clock, and the start of every thread of ours. Any thread; the number of threads
 * is the only state, atomic. */
#include "base/sync.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAME_MAX_LEN 15 /* the kernel's limit */

/* Where a long is narrower than the time, the call that takes the latter has a number of its own. */
#ifdef SYS_futex_time64
#define FUTEX_CALL (sizeof(time_t) > sizeof(long) ? SYS_futex_time64 : SYS_futex)
#else
#define FUTEX_CALL SYS_futex
#endif

static _Atomic uint64_t running;

struct start {
    void *(*run)(void *);
    void *arg;
    char name[NAME_MAX_LEN + 1];
};

int nki_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    int failed = pthread_condattr_init(&attr);
    if (failed != 0) {
        return failed;
    }
    failed = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (failed == 0) {
        failed = pthread_cond_init(cond, &attr);
    }
    (void)pthread_condattr_destroy(&attr);
    return failed;
}

bool nki_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ns)
{
    if (deadline_ns == NKI_NEVER) {
        int failed = pthread_cond_wait(cond, mutex);
        assert(failed == 0);
        (void)failed;
        return true;
    }
    struct timespec until = nki_clock_timespec(deadline_ns);
    int failed = pthread_cond_timedwait(cond, mutex, &until);
    assert(failed == 0 || failed == ETIMEDOUT);
    return failed == 0;
}

bool nki_small_cond_wait(struct nki_small_cond *cond, pthread_mutex_t *mutex, int64_t deadline_ns)
{
    struct timespec until = nki_clock_timespec(deadline_ns);
    unsigned seen = atomic_load_explicit(&cond->wakes, memory_order_relaxed);
    pthread_mutex_unlock(mutex);
    long failed = syscall(FUTEX_CALL, &cond->wakes, FUTEX_WAIT_BITSET_PRIVATE, seen,
                          deadline_ns != NKI_NEVER ? &until : NULL, NULL, FUTEX_BITSET_MATCH_ANY);
    bool in_time = failed == 0 || errno != ETIMEDOUT;
    pthread_mutex_lock(mutex);
    return in_time;
}

void nki_small_cond_wake(struct nki_small_cond *cond, bool all)
{
    atomic_fetch_add_explicit(&cond->wakes, 1, memory_order_relaxed);
    (void)syscall(FUTEX_CALL, &cond->wakes, FUTEX_WAKE_PRIVATE, all ? INT_MAX : 1, NULL, NULL, 0);
}

static void *trampoline(void *arg)
{
    struct start start = *(struct start *)arg;
    nki_free(arg);
    (void)pthread_setname_np(pthread_self(), start.name); /* a name helps who looks on, no more */
    void *result = start.run(start.arg);
    atomic_fetch_sub_explicit(&running, 1, memory_order_release);
    return result;
}

int nki_thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *arg)
{
    sigset_t all;
    sigset_t before;
    size_t len = strlen(name);
    assert(len <= NAME_MAX_LEN);
    struct start *start = nki_alloc(sizeof *start);
    if (start == NULL) {
        return ENOMEM;
    }
    *start = (struct start){.run = run, .arg = arg};
    memcpy(start->name, name, len);
    /* A thread inherits the mask of who creates it: signals are the host's, and go to its own threads. */
    (void)sigfillset(&all);
    int failed = pthread_sigmask(SIG_SETMASK, &all, &before);
    if (failed == 0) {
        atomic_fetch_add_explicit(&running, 1, memory_order_relaxed);
        failed = pthread_create(thread, NULL, trampoline, start);
        if (failed != 0) {
            atomic_fetch_sub_explicit(&running, 1, memory_order_relaxed);
        }
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (failed != 0) {
        nki_free(start);
    }
    return failed;
}

uint64_t nki_thread_count(void)
{
    return atomic_load_explicit(&running, memory_order_acquire);
}

void nki_thread_forget(void)
{
    atomic_store_explicit(&running, 0, memory_order_relaxed);
}
