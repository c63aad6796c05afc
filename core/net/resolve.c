/* Host name to addresses: a question is a job of the helper thread (base/worker.h), which calls getaddrinfo.
 */
#include "net/resolve.h"

#include "base/alloc.h"
#include "base/worker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>

struct nki_resolve {
    struct nki_job job;
    int32_t status;
    struct nki_error err;
    struct nki_addrs addrs;
    /* constant */
    uint16_t port;
    char host[];
};

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

void nki_addrs_shuffle(struct nki_addrs *addrs, struct nki_rand *rand)
{
    for (size_t i = addrs->count; i > 1; i--) {
        struct nki_addr *last = &addrs->list[i - 1];
        size_t others = 0; /* of its family, before it */
        for (size_t k = 0; k + 1 < i; k++) {
            others += addrs->list[k].addr.ss_family == last->addr.ss_family;
        }
        size_t chosen = (size_t)nki_rand_below(rand, others + 1); /* the last of them: it stays */
        for (size_t k = 0; k + 1 < i && chosen < others; k++) {
            if (addrs->list[k].addr.ss_family == last->addr.ss_family && chosen-- == 0) {
                struct nki_addr other = addrs->list[k];
                addrs->list[k] = *last;
                *last = other;
                break;
            }
        }
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

static void answer(struct nki_job *job)
{
    struct nki_resolve *resolve = NKI_CONTAINER_OF(job, struct nki_resolve, job);
    resolve->status = look_up(resolve, &resolve->addrs, &resolve->err);
}

static void forget(struct nki_job *job)
{
    nki_free(NKI_CONTAINER_OF(job, struct nki_resolve, job));
}

static const struct nki_job_ops ops = {answer, forget};

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
    resolve->port = port;
    if (is_literal(host, port, &resolve->addrs)) {
        nki_job_start_done(&resolve->job, &ops, notify_fd);
        return resolve;
    }
    int failed = nki_job_start(&resolve->job, &ops, notify_fd);
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
    if (!nki_job_done(&resolve->job)) {
        return false;
    }
    *status = resolve->status;
    if (resolve->status == NKI_OK) {
        *addrs = resolve->addrs;
    } else if (err != NULL) {
        *err = resolve->err;
    }
    return true;
}

void nki_resolve_free(struct nki_resolve *resolve)
{
    if (resolve != NULL) {
        nki_job_free(&resolve->job);
    }
}
