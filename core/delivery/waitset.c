/* Waitsets: see waitset.h. The wake descriptor is raised when the list of ready objects becomes non-empty and
 * cleared when it becomes empty, both under the set's mutex, so that it is readable if and only if records
 * wait (or the set is closed, or called). Only while somebody feeds, who collects next, it is not raised: for
 * himself that would cost two system calls. */
#include "delivery/waitset.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/sync.h"
#include "base/wake.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <unistd.h>

#define MIXED UINT64_MAX

struct nki_waitset {
    atomic_uint refs;
    int fd;
    atomic_uint_fast64_t hint;
    atomic_uint_fast64_t reads;  /* for whom; written with mu held */
    atomic_uint_fast64_t only;   /* connection of all objects; 0: there was none, MIXED: they are several */
    atomic_uint_fast64_t called; /* by whom, 0: by nobody; written with mu held */
    pthread_mutex_t mu;
    /* guarded by mu */
    struct nki_list ready;
    int poll_fd;      /* with `fd` in it, and what is watched; -1: not asked for. `fd`: there was no other */
    uint32_t feeding; /* how many do */
    bool raised;      /* `fd` is */
    bool closed;
};

struct nki_waitset *nki_waitset_new(struct nki_error *err)
{
    struct nki_waitset *set = nki_alloc(sizeof *set);
    if (set == NULL) {
        nki_error_set(err, NKI_NO_MEMORY, NULL);
        return NULL;
    }
    set->fd = nki_wake_open();
    if (set->fd < 0) {
        nki_error_set_errno(err, NKI_SYSTEM, errno, "no descriptor for a waitset");
        nki_free(set);
        return NULL;
    }
    atomic_init(&set->refs, 1);
    atomic_init(&set->hint, 0);
    atomic_init(&set->reads, 0);
    atomic_init(&set->only, 0);
    atomic_init(&set->called, 0);
    set->poll_fd = -1;
    pthread_mutex_init(&set->mu, NULL);
    nki_list_init(&set->ready);
    set->feeding = 0;
    set->raised = false;
    set->closed = false;
    return set;
}

void nki_waitset_retain(struct nki_waitset *set)
{
    atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
}

void nki_waitset_release(struct nki_waitset *set)
{
    if (atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    assert(nki_list_empty(&set->ready));
    if (set->poll_fd >= 0 && set->poll_fd != set->fd) {
        close(set->poll_fd);
    }
    close(set->fd);
    pthread_mutex_destroy(&set->mu);
    nki_free(set);
}

void nki_waitset_close(struct nki_waitset *set)
{
    pthread_mutex_lock(&set->mu);
    if (!set->closed) {
        set->closed = true;
        nki_wake_raise(set->fd);
    }
    pthread_mutex_unlock(&set->mu);
}

static bool is_called(const struct nki_waitset *set)
{
    return atomic_load_explicit(&set->called, memory_order_relaxed) != 0;
}

/* With mu held: after a change of the list, or of `called`. */
static void tell(struct nki_waitset *set)
{
    bool raised = !nki_list_empty(&set->ready) || is_called(set);
    if (raised == set->raised || set->closed || (raised && set->feeding > 0)) {
        return;
    }
    set->raised = raised;
    if (raised) {
        nki_wake_raise(set->fd);
    } else {
        nki_wake_clear(set->fd);
    }
}

void nki_waitset_call(struct nki_waitset *set, uint64_t by)
{
    pthread_mutex_lock(&set->mu);
    atomic_store_explicit(&set->called, by, memory_order_relaxed);
    tell(set);
    pthread_mutex_unlock(&set->mu);
}

uint64_t nki_waitset_answer(struct nki_waitset *set)
{
    if (NKI_LIKELY(!is_called(set))) {
        return 0;
    }
    pthread_mutex_lock(&set->mu);
    uint64_t by = atomic_exchange_explicit(&set->called, 0, memory_order_relaxed);
    tell(set);
    pthread_mutex_unlock(&set->mu);
    return by;
}

void nki_waitset_feed(struct nki_waitset *set)
{
    pthread_mutex_lock(&set->mu);
    set->feeding++;
    pthread_mutex_unlock(&set->mu);
}

void nki_waitset_fed(struct nki_waitset *set)
{
    pthread_mutex_lock(&set->mu);
    assert(set->feeding > 0);
    set->feeding--;
    tell(set);
    pthread_mutex_unlock(&set->mu);
}

void nki_waitset_set_hint(struct nki_waitset *set, uint64_t hint)
{
    if (atomic_load_explicit(&set->hint, memory_order_relaxed) != hint) {
        atomic_store_explicit(&set->hint, hint, memory_order_relaxed);
    }
}

uint64_t nki_waitset_hint(struct nki_waitset *set)
{
    return atomic_load_explicit(&set->hint, memory_order_relaxed);
}

void nki_waitset_add_of(struct nki_waitset *set, uint64_t conn)
{
    uint64_t only = 0;
    if (!atomic_compare_exchange_strong_explicit(&set->only, &only, conn, memory_order_relaxed,
                                                 memory_order_relaxed) &&
        only != conn) {
        atomic_store_explicit(&set->only, MIXED, memory_order_relaxed);
    }
}

uint64_t nki_waitset_only(struct nki_waitset *set)
{
    uint64_t only = atomic_load_explicit(&set->only, memory_order_relaxed);
    return only != MIXED ? only : 0;
}

int nki_waitset_wake_fd(const struct nki_waitset *set)
{
    return set->fd;
}

/* A descriptor that polls others; without one the caller gets what there is, and nothing is watched. */
static int open_poll_fd(int fd)
{
    int poll_fd = nki_wake_any_open();
    if (poll_fd < 0 || nki_wake_any_add(poll_fd, fd)) {
        return poll_fd < 0 ? fd : poll_fd;
    }
    close(poll_fd);
    return fd;
}

int nki_waitset_fd(struct nki_waitset *set)
{
    pthread_mutex_lock(&set->mu);
    if (set->poll_fd < 0) {
        set->poll_fd = open_poll_fd(set->fd);
    }
    int fd = set->poll_fd;
    pthread_mutex_unlock(&set->mu);
    return fd;
}

bool nki_waitset_watch(struct nki_waitset *set, int fd, uint64_t by)
{
    pthread_mutex_lock(&set->mu);
    bool able = set->poll_fd >= 0 && set->poll_fd != set->fd && !set->closed &&
                atomic_load_explicit(&set->reads, memory_order_relaxed) == 0 &&
                nki_wake_any_add(set->poll_fd, fd);
    if (able) {
        atomic_store_explicit(&set->reads, by, memory_order_relaxed);
    }
    pthread_mutex_unlock(&set->mu);
    return able;
}

void nki_waitset_unwatch(struct nki_waitset *set, int fd)
{
    pthread_mutex_lock(&set->mu);
    nki_wake_any_remove(set->poll_fd, fd);
    atomic_store_explicit(&set->reads, 0, memory_order_relaxed);
    pthread_mutex_unlock(&set->mu);
}

uint64_t nki_waitset_reads(struct nki_waitset *set)
{
    return atomic_load_explicit(&set->reads, memory_order_relaxed);
}

/* Moves up to `cap` ready objects into records; with mu held. */
static size_t collect(struct nki_waitset *set, struct nki_wait_record *records, size_t cap)
{
    size_t count = 0;
    while (count < cap && !nki_list_empty(&set->ready)) {
        struct nki_wait_link *link = NKI_CONTAINER_OF(set->ready.next, struct nki_wait_link, node);
        nki_list_remove(&link->node);
        link->state = NKI_LINK_DISARMED;
        records[count++] = (struct nki_wait_record){link->object, link->tag, link->kind, 0};
    }
    tell(set);
    return count;
}

int32_t nki_waitset_wait(struct nki_waitset *set, struct nki_wait_record *records, size_t cap,
                         int64_t deadline_ns, size_t *count)
{
    *count = 0;
    for (;;) {
        pthread_mutex_lock(&set->mu);
        bool closed = set->closed;
        *count = closed ? 0 : collect(set, records, cap);
        pthread_mutex_unlock(&set->mu);
        if (closed) {
            return NKI_CLOSED;
        }
        if (*count > 0) {
            return NKI_OK;
        }
        if (deadline_ns == 0) {
            return NKI_WOULD_BLOCK;
        }
        int64_t now = nki_clock_now_ns();
        if (now >= deadline_ns) {
            return NKI_TIMEOUT;
        }
        (void)nki_waitset_answer(set); /* was meant for a loop that polls it as well, and can wait */
        struct pollfd pfd = {.fd = set->fd, .events = POLLIN};
        poll(&pfd, 1, nki_deadline_poll_ms(now, deadline_ns)); /* EINTR: looked at again */
    }
}

/* The three states of a link change under the set's mutex only. */

static void list_locked(struct nki_wait_link *link)
{
    nki_list_append(&link->set->ready, &link->node);
    link->state = NKI_LINK_LISTED;
    tell(link->set);
}

static void unlist_locked(struct nki_wait_link *link)
{
    nki_list_remove(&link->node);
    tell(link->set);
}

int32_t nki_link_add(struct nki_wait_link *link, struct nki_waitset *set, uint64_t object, int32_t kind,
                     uint64_t tag)
{
    if (link->set != NULL && link->set != set) {
        pthread_mutex_lock(&link->set->mu);
        bool closed = link->set->closed;
        pthread_mutex_unlock(&link->set->mu);
        if (!closed) {
            return NKI_BUSY;
        }
        nki_link_remove(link);
    }
    if (link->set == NULL) {
        nki_list_init(&link->node);
        link->state = NKI_LINK_DISARMED;
        link->set = set;
        nki_waitset_retain(set);
    }
    pthread_mutex_lock(&set->mu);
    link->object = object;
    link->kind = kind;
    link->tag = tag;
    pthread_mutex_unlock(&set->mu);
    return NKI_OK;
}

void nki_link_remove(struct nki_wait_link *link)
{
    struct nki_waitset *set = link->set;
    if (set == NULL) {
        return;
    }
    pthread_mutex_lock(&set->mu);
    if (link->state == NKI_LINK_LISTED) {
        unlist_locked(link);
    }
    link->state = NKI_LINK_DISARMED;
    pthread_mutex_unlock(&set->mu);
    link->set = NULL;
    nki_waitset_release(set);
}

void nki_link_arm(struct nki_wait_link *link, bool ready)
{
    struct nki_waitset *set = link->set;
    if (set == NULL) {
        return;
    }
    pthread_mutex_lock(&set->mu);
    if (ready && link->state != NKI_LINK_LISTED) {
        list_locked(link);
    } else if (!ready && link->state == NKI_LINK_LISTED) {
        unlist_locked(link);
        link->state = NKI_LINK_ARMED;
    } else if (!ready) {
        link->state = NKI_LINK_ARMED;
    }
    pthread_mutex_unlock(&set->mu);
}

bool nki_link_ready_slow(struct nki_wait_link *link)
{
    pthread_mutex_lock(&link->set->mu);
    bool armed = link->state == NKI_LINK_ARMED;
    if (armed) {
        list_locked(link);
    }
    pthread_mutex_unlock(&link->set->mu);
    return armed;
}
