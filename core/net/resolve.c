/* Host name to addresses. Callers on any thread put questions into a queue under `state.lock`; one helper
 * thread, which lives while there are questions, answers them by getaddrinfo without holding the lock.
 *
 * The lock is held for a few instructions only, and around raising a question's descriptor, so that nobody
 * can close that in between. A child after fork begins with an empty state of its own: questions of the
 * parent carry an older epoch and are left alone. */
#include "net/resolve.h"

#include "base/alloc.h"
#include "base/list.h"
#include "base/sync.h"
#include "base/wake.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdatomic.h>

enum phase { PHASE_QUEUED, PHASE_RUNNING, PHASE_DONE };

struct nki_resolve {
    uint64_t epoch;
    /* under state.lock */
    struct nki_list link; /* in state.queue */
    enum phase phase;
    bool forgotten; /* nobody waits any more; the helper frees it */
    int32_t status;
    struct nki_error err;
    struct nki_addrs addrs;
    /* constant */
    int notify_fd;
    uint16_t port;
    char host[];
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t ended; /* made when the first helper is started */
    struct nki_list queue;
    bool ready;   /* `ended` and `queue` are made */
    bool running; /* the helper will look into the queue again */
    bool exists;  /* the helper was started and not joined */
    pthread_t helper;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Atomic uint64_t epoch;

/* -- answering ---------------------------------------------------------------------------------------------
 */

static bool add_addr(struct nki_addrs *addrs, const struct sockaddr *addr, socklen_t len, uint16_t port)
{
    struct nki_addr *slot = &addrs->list[addrs->count];
    if (addrs->count == NKI_ADDRS_MAX || len > sizeof slot->addr) {
        return false;
    }
    memset(slot, 0, sizeof *slot);
    memcpy(&slot->addr, addr, len);
    slot->len = len;
    if (addr->sa_family == AF_INET6) {
        ((struct sockaddr_in6 *)&slot->addr)->sin6_port = htons(port);
    } else {
        ((struct sockaddr_in *)&slot->addr)->sin_port = htons(port);
    }
    for (size_t i = 0; i < addrs->count; i++) {
        if (addrs->list[i].len == len && memcmp(&addrs->list[i].addr, &slot->addr, len) == 0) {
            return true; /* files of hosts may name one twice */
        }
    }
    addrs->count++;
    return true;
}

static const struct addrinfo *of_family(const struct addrinfo *at, int family)
{
    while (at != NULL && at->ai_family != family) {
        at = at->ai_next;
    }
    return at;
}

/* Takes both families in turn, beginning with that of the system's first choice, so that one that leads
 * nowhere costs one stagger and not one for each of its addresses. */
static void interleave(struct nki_addrs *addrs, const struct addrinfo *list, uint16_t port)
{
    const struct addrinfo *at[2] = {of_family(list, AF_INET6), of_family(list, AF_INET)};
    size_t turn = list->ai_family == AF_INET6 ? 0 : 1;
    while (at[0] != NULL || at[1] != NULL) {
        if (at[turn] != NULL) {
            if (!add_addr(addrs, at[turn]->ai_addr, at[turn]->ai_addrlen, port)) {
                return;
            }
            at[turn] = of_family(at[turn]->ai_next, at[turn]->ai_family);
        }
        turn = 1 - turn;
    }
}

/* The answer to a name, in the helper: fills `addrs` or `err`, which are the helper's own. */
static int32_t look_up(const struct nki_resolve *resolve, struct nki_addrs *addrs, struct nki_error *err)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int failed = getaddrinfo(resolve->host, NULL, &hints, &list);
    int sys_errno = errno;
    addrs->count = 0;
    if (failed == EAI_MEMORY) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    if (failed == EAI_SYSTEM) {
        return nki_error_set_errno(err, NKI_RESOLVE, sys_errno, "cannot resolve \"%.255s\"", resolve->host);
    }
    if (failed != 0) {
        return nki_error_set(err, NKI_RESOLVE, "cannot resolve \"%.255s\": %s", resolve->host,
                             gai_strerror(failed));
    }
    if (list != NULL) {
        interleave(addrs, list, resolve->port);
        freeaddrinfo(list);
    }
    if (addrs->count == 0) {
        return nki_error_set(err, NKI_RESOLVE, "\"%.255s\" has no address of IPv6 or IPv4", resolve->host);
    }
    return NKI_OK;
}

/* With the lock held. */
static void finish(struct nki_resolve *resolve, int32_t status, const struct nki_addrs *addrs,
                   const struct nki_error *err)
{
    resolve->phase = PHASE_DONE;
    resolve->status = status;
    if (status == NKI_OK) {
        resolve->addrs = *addrs;
    } else {
        resolve->err = *err;
    }
    nki_wake_raise(resolve->notify_fd);
}

static void *answer_all(void *arg)
{
    struct nki_addrs addrs;
    struct nki_error err;
    (void)arg;
    pthread_mutex_lock(&state.lock);
    while (!nki_list_empty(&state.queue)) {
        struct nki_resolve *resolve = NKI_CONTAINER_OF(state.queue.next, struct nki_resolve, link);
        nki_list_remove(&resolve->link);
        resolve->phase = PHASE_RUNNING;
        pthread_mutex_unlock(&state.lock);
        int32_t status = look_up(resolve, &addrs, &err);
        pthread_mutex_lock(&state.lock);
        if (resolve->forgotten) {
            nki_free(resolve);
        } else {
            finish(resolve, status, &addrs, &err);
        }
    }
    state.running = false;
    pthread_cond_broadcast(&state.ended);
    pthread_mutex_unlock(&state.lock);
    return NULL;
}

/* -- asking ------------------------------------------------------------------------------------------------
 */

/* Whether the host is an address itself: then the answer is there. */
static bool is_literal(const char *host, uint16_t port, struct nki_addrs *addrs)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    addrs->count = 0;
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        return add_addr(addrs, (const struct sockaddr *)&v4, sizeof v4, port);
    }
    if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
        return add_addr(addrs, (const struct sockaddr *)&v6, sizeof v6, port);
    }
    return false;
}

/* A helper that answers what is in the queue, with the lock held; 0 or an errno. */
static int ensure_helper(void)
{
    if (state.running) {
        return 0;
    }
    if (state.exists) {
        /* It has let the lock go for the last time and is about to return. */
        pthread_join(state.helper, NULL);
        state.exists = false;
    }
    int failed = nki_thread_start(&state.helper, "natskit-dns", answer_all, NULL);
    if (failed == 0) {
        state.exists = true;
        state.running = true;
    }
    return failed;
}

/* With the lock held; 0 or an errno. */
static int enqueue(struct nki_resolve *resolve)
{
    if (!state.ready) {
        int failed = nki_cond_init(&state.ended);
        if (failed != 0) {
            return failed;
        }
        nki_list_init(&state.queue);
        state.ready = true;
    }
    nki_list_append(&state.queue, &resolve->link);
    int failed = ensure_helper();
    if (failed != 0) {
        nki_list_remove(&resolve->link);
    }
    return failed;
}

struct nki_resolve *nki_resolve_start(const char *host, uint16_t port, int notify_fd, struct nki_error *err)
{
    assert(host[0] != '\0' && notify_fd >= 0);
    size_t len = strlen(host);
    struct nki_resolve *resolve = nki_calloc(1, sizeof *resolve + len + 1);
    if (resolve == NULL) {
        nki_error_set(err, NKI_NO_MEMORY, NULL);
        return NULL;
    }
    memcpy(resolve->host, host, len);
    resolve->epoch = atomic_load(&epoch);
    resolve->port = port;
    resolve->notify_fd = notify_fd;
    if (is_literal(host, port, &resolve->addrs)) {
        resolve->phase = PHASE_DONE;
        nki_wake_raise(notify_fd);
        return resolve;
    }
    pthread_mutex_lock(&state.lock);
    int failed = enqueue(resolve);
    pthread_mutex_unlock(&state.lock);
    if (failed != 0) {
        nki_free(resolve);
        nki_error_set_errno(err, failed == ENOMEM ? NKI_NO_MEMORY : NKI_SYSTEM, failed,
                            "cannot start the thread that resolves names");
        return NULL;
    }
    return resolve;
}

bool nki_resolve_done(struct nki_resolve *resolve, int32_t *status, struct nki_addrs *addrs,
                      struct nki_error *err)
{
    assert(resolve->epoch == atomic_load(&epoch));
    pthread_mutex_lock(&state.lock);
    bool done = resolve->phase == PHASE_DONE;
    if (done) {
        *status = resolve->status;
        if (resolve->status == NKI_OK) {
            *addrs = resolve->addrs;
        } else if (err != NULL) {
            *err = resolve->err;
        }
    }
    pthread_mutex_unlock(&state.lock);
    return done;
}

void nki_resolve_free(struct nki_resolve *resolve)
{
    if (resolve == NULL || resolve->epoch != atomic_load(&epoch)) {
        return; /* the parent's: its list is not ours to touch */
    }
    pthread_mutex_lock(&state.lock);
    bool running = resolve->phase == PHASE_RUNNING;
    if (running) {
        resolve->forgotten = true;
    } else if (resolve->phase == PHASE_QUEUED) {
        nki_list_remove(&resolve->link);
    }
    pthread_mutex_unlock(&state.lock);
    if (!running) {
        nki_free(resolve);
    }
}

bool nki_resolve_join(int64_t deadline_ns)
{
    bool in_time = true;
    pthread_mutex_lock(&state.lock);
    while (state.running && in_time) {
        in_time = nki_cond_wait(&state.ended, &state.lock, deadline_ns);
    }
    bool ended = !state.running;
    if (ended && state.exists) {
        pthread_join(state.helper, NULL);
        state.exists = false;
    }
    pthread_mutex_unlock(&state.lock);
    return ended;
}

void nki_resolve_forget(void)
{
    /* The parent's threads may have held the lock or waited on the condition at the fork, so both begin anew;
     * nobody else runs in the child yet. */
    atomic_fetch_add(&epoch, 1);
    state.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    state.ready = false;
    state.running = false;
    state.exists = false;
}
