/* The servers a connection may use: order, rounds, what the cluster tells. Under the connection's engine
 * lock. */
#ifndef NKI_CLIENT_SERVERS_H
#define NKI_CLIENT_SERVERS_H

#include "base/buf.h"
#include "base/rand.h"
#include "wire/info.h"
#include "wire/url.h"

#define NKI_SERVERS_MAX 64

struct nki_server {
    struct nki_url url;
    char text[NKI_URL_TEXT_MAX];     /* without user and password */
    char tls_name[NKI_URL_HOST_MAX]; /* that its certificate must be for; empty: the host of its url */
    uint32_t failures;               /* in a row */
    uint32_t auth_failures;          /* of those, refusals of the credentials in a row */
    bool discovered;
    bool speaks_tls; /* at the last time */
    bool tried;      /* in this round */
    bool gone;       /* not in the pool any more; it is the current one, and goes when another one is */
};

struct nki_servers {
    struct nki_server *list[NKI_SERVERS_MAX + 1]; /* one more may be gone */
    size_t count;
    struct nki_server *current; /* the one that is tried or used */
};

void nki_servers_init(struct nki_servers *servers);
void nki_servers_free(struct nki_servers *servers);
/* Adds what `text` (a url, or several cut at commas) names; NKI_INVALID (also for a mixture of WebSocket and
 * other servers), NKI_LIMIT, NKI_NO_MEMORY. Duplicates are passed over. */
int32_t nki_servers_add(struct nki_servers *servers, struct nki_str text, struct nki_error *err);
void nki_servers_shuffle(struct nki_servers *servers, struct nki_rand *rand);
/* A new round: every server may be tried again, the current one last. */
void nki_servers_begin_round(struct nki_servers *servers);
/* The next one of the round becomes the current; NULL when all were tried. */
struct nki_server *nki_servers_next(struct nki_servers *servers);
/* Removes the current one. */
void nki_servers_remove_current(struct nki_servers *servers);
/* Those of the pool. Whether there is another one than the current. */
size_t nki_servers_known(const struct nki_servers *servers);
bool nki_servers_other(const struct nki_servers *servers);
/* Whether one of them is given as tls:// or wss://: then all are spoken to by TLS. */
bool nki_servers_secure(const struct nki_servers *servers);
/* `fresh` (used up) takes the place of the servers that were not discovered. What is known of a server that
 * stays is kept; if the current one is in neither it is gone. Discovered ones beyond the limit are dropped.
 */
void nki_servers_replace(struct nki_servers *servers, struct nki_servers *fresh);
/* Appends the pool as a JSON array of {url, discovered, failures, current}; false if there is no memory. */
bool nki_servers_emit(const struct nki_servers *servers, struct nki_buf *out)
    __attribute__((warn_unused_result));
/* What a server told (host:port each): adds new ones, with the scheme of the current one, and removes
 * discovered ones that are not told any more, except the current. Returns whether anything changed. */
bool nki_servers_merge(struct nki_servers *servers, const struct nki_info_urls *urls);

#endif
