/* Host name to addresses. A literal address is answered at once; names go to the helper thread
 * (base/worker.h), since getaddrinfo blocks and cannot be cancelled. Any thread. */
#ifndef NKI_NET_RESOLVE_H
#define NKI_NET_RESOLVE_H

#include "base/rand.h"
#include "base/status.h"
#include "base/str.h"

#include <netinet/in.h>
#include <sys/socket.h>

#define NKI_ADDRS_MAX 16 /* further addresses of a name are not tried */

struct nki_addr {
    struct sockaddr_storage addr;
    socklen_t len;
};

struct nki_addrs {
    struct nki_addr list[NKI_ADDRS_MAX]; /* IPv6 and IPv4 in turn, as getaddrinfo prefers them (RFC 8305) */
    size_t count;
};

/* In random order, but each family at its places. */
void nki_addrs_shuffle(struct nki_addrs *addrs, struct nki_rand *rand);

struct nki_resolve; /* one question */

/* Asks; NULL with `err` if there is no memory or no thread. `notify_fd` (see base/wake.h) is raised when the
 * answer has come, unless it was there at once; it must stay open until the question was freed or
 * nki_resolve_done said true. */
struct nki_resolve *nki_resolve_start(const char *host, uint16_t port, int notify_fd, struct nki_error *err);
/* Whether the answer is there: then `*status` is 0 and `addrs` filled, or a status with `err`. */
bool nki_resolve_done(struct nki_resolve *resolve, int32_t *status, struct nki_addrs *addrs,
                      struct nki_error *err);
/* Forgets the question; an answer that comes later is dropped and notify_fd is not touched any more. NULL
 * allowed. */
void nki_resolve_free(struct nki_resolve *resolve);

#endif
