/* The pool of servers: see servers.h. */
#include "client/servers.h"

#include "base/alloc.h"

void nki_servers_init(struct nki_servers *servers)
{
    servers->count = 0;
    servers->current = NULL;
}

static void server_free(struct nki_server *server)
{
    nki_free_secret(server, sizeof *server);
}

void nki_servers_free(struct nki_servers *servers)
{
    for (size_t i = 0; i < servers->count; i++) {
        server_free(servers->list[i]);
    }
    nki_servers_init(servers);
}

static bool same_place(const struct nki_url *a, const struct nki_url *b)
{
    return a->port == b->port && nki_str_eq_nocase(nki_str_z(a->host), nki_str_z(b->host));
}

/* A proxy may have several servers at several paths. What a server tells of has none: NULL matches any. */
static struct nki_server *find(const struct nki_servers *servers, const struct nki_url *url, const char *path)
{
    for (size_t i = 0; i < servers->count; i++) {
        const struct nki_url *other = &servers->list[i]->url;
        if (same_place(other, url) && (path == NULL || strcmp(other->path, path) == 0)) {
            return servers->list[i];
        }
    }
    return NULL;
}

static int32_t add_url(struct nki_servers *servers, const struct nki_url *url, bool discovered,
                       struct nki_error *err)
{
    if (nki_servers_known(servers) == NKI_SERVERS_MAX) {
        return nki_error_set(err, NKI_LIMIT, "more than %d servers", NKI_SERVERS_MAX);
    }
    struct nki_server *server = nki_calloc(1, sizeof *server);
    if (server == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    server->url = *url;
    server->discovered = discovered;
    nki_url_text(url, server->text);
    servers->list[servers->count++] = server;
    return NKI_OK;
}

static int32_t add_one(struct nki_servers *servers, struct nki_str text, struct nki_error *err)
{
    struct nki_url url;
    int32_t status = nki_url_parse(text, &url, err);
    if (status == NKI_OK && servers->count > 0 &&
        nki_url_is_ws(&servers->list[0]->url) != nki_url_is_ws(&url)) {
        char shown[NKI_URL_TEXT_MAX];
        nki_url_text(&url, shown);
        status = nki_error_set(err, NKI_INVALID, "urls %s and %s: WebSocket and other servers are not mixed",
                               servers->list[0]->text, shown);
    }
    if (status == NKI_OK && find(servers, &url, url.path) == NULL) {
        status = add_url(servers, &url, false, err);
    }
    explicit_bzero(&url, sizeof url);
    return status;
}

int32_t nki_servers_add(struct nki_servers *servers, struct nki_str text, struct nki_error *err)
{
    int32_t status = NKI_OK;
    while (status == NKI_OK && text.ptr != NULL) {
        status = add_one(servers, nki_str_trim(nki_str_cut(&text, ',')), err);
    }
    return status;
}

void nki_servers_shuffle(struct nki_servers *servers, struct nki_rand *rand)
{
    for (size_t i = servers->count; i > 1; i--) {
        size_t j = (size_t)nki_rand_below(rand, i);
        struct nki_server *other = servers->list[j];
        servers->list[j] = servers->list[i - 1];
        servers->list[i - 1] = other;
    }
}

void nki_servers_begin_round(struct nki_servers *servers)
{
    size_t kept = 0;
    for (size_t i = 0; i < servers->count; i++) {
        servers->list[i]->tried = false;
        if (servers->list[i] != servers->current) {
            servers->list[kept++] = servers->list[i];
        }
    }
    if (kept < servers->count) {
        servers->list[kept] = servers->current;
    }
}

struct nki_server *nki_servers_next(struct nki_servers *servers)
{
    if (servers->current != NULL && servers->current->gone) {
        nki_servers_remove_current(servers);
    }
    for (size_t i = 0; i < servers->count; i++) {
        struct nki_server *server = servers->list[i];
        if (!server->tried) {
            server->tried = true;
            servers->current = server;
            return server;
        }
    }
    return NULL;
}

static void remove_at(struct nki_servers *servers, size_t index)
{
    server_free(servers->list[index]);
    servers->count--;
    memmove(&servers->list[index], &servers->list[index + 1],
            (servers->count - index) * sizeof(servers->list[0]));
}

void nki_servers_remove_current(struct nki_servers *servers)
{
    for (size_t i = 0; i < servers->count; i++) {
        if (servers->list[i] == servers->current) {
            remove_at(servers, i);
            break;
        }
    }
    servers->current = NULL;
}

size_t nki_servers_known(const struct nki_servers *servers)
{
    size_t known = 0;
    for (size_t i = 0; i < servers->count; i++) {
        known += !servers->list[i]->gone;
    }
    return known;
}

bool nki_servers_other(const struct nki_servers *servers)
{
    bool current = servers->current != NULL && !servers->current->gone;
    return nki_servers_known(servers) > current;
}

/* The one of `fresh`, or, if it was known before, that with what it was given now. */
static struct nki_server *renew(struct nki_servers *servers, struct nki_server *given)
{
    struct nki_server *known = find(servers, &given->url, given->url.path);
    if (known == NULL) {
        return given;
    }
    known->url = given->url;
    memcpy(known->text, given->text, sizeof known->text);
    memcpy(known->tls_name, given->tls_name, sizeof known->tls_name);
    known->discovered = false;
    server_free(given);
    return known;
}

static bool holds(const struct nki_servers *servers, const struct nki_server *server)
{
    for (size_t i = 0; i < servers->count; i++) {
        if (servers->list[i] == server) {
            return true;
        }
    }
    return false;
}

void nki_servers_replace(struct nki_servers *servers, struct nki_servers *fresh)
{
    for (size_t i = 0; i < fresh->count; i++) {
        fresh->list[i] = renew(servers, fresh->list[i]);
        fresh->list[i]->gone = false;
    }
    for (size_t i = 0; i < servers->count; i++) {
        struct nki_server *server = servers->list[i];
        if (holds(fresh, server)) {
            continue;
        }
        bool stays = server->discovered && !server->gone && nki_servers_known(fresh) < NKI_SERVERS_MAX;
        if (stays || server == servers->current) {
            server->gone = !stays;
            fresh->list[fresh->count++] = server;
        } else {
            server_free(server);
        }
    }
    fresh->current = servers->current;
    *servers = *fresh;
    nki_servers_init(fresh);
}

static bool told(const struct nki_info_urls *urls, const struct nki_server *server)
{
    for (size_t i = 0; i < urls->count; i++) {
        struct nki_url url;
        if (nki_url_parse(nki_str_z(urls->at[i]), &url, NULL) == NKI_OK && same_place(&url, &server->url)) {
            return true;
        }
    }
    return false;
}

bool nki_servers_secure(const struct nki_servers *servers)
{
    for (size_t i = 0; i < servers->count; i++) {
        enum nki_scheme scheme = servers->list[i]->url.scheme;
        if (scheme == NKI_SCHEME_TLS || scheme == NKI_SCHEME_WSS) {
            return true;
        }
    }
    return false;
}

/* An address without a name of its own has to show the certificate of the server that told of it. */
static bool add_discovered(struct nki_servers *servers, struct nki_url *url)
{
    const struct nki_server *teller = servers->current;
    url->scheme = teller != NULL ? teller->url.scheme : NKI_SCHEME_NATS;
    nki_str_copy(url->path, sizeof url->path, nki_url_is_ws(url) ? NKI_STR("/") : NKI_STR(""));
    if (add_url(servers, url, true, NULL) != NKI_OK) {
        return false;
    }
    struct nki_server *added = servers->list[servers->count - 1];
    if (teller != NULL && nki_url_is_address(url)) {
        memcpy(added->tls_name, teller->tls_name[0] != '\0' ? teller->tls_name : teller->url.host,
               sizeof added->tls_name);
    }
    return true;
}

bool nki_servers_merge(struct nki_servers *servers, const struct nki_info_urls *urls)
{
    bool changed = false;
    if (!urls->told) {
        return false;
    }
    for (size_t i = servers->count; i > 0; i--) {
        struct nki_server *server = servers->list[i - 1];
        if (server->discovered && server != servers->current && !told(urls, server)) {
            remove_at(servers, i - 1);
            changed = true;
        }
    }
    for (size_t i = 0; i < urls->count; i++) {
        struct nki_url url;
        /* Only host and port are believed: no scheme, no user. */
        if (nki_url_parse(nki_str_z(urls->at[i]), &url, NULL) != NKI_OK || url.has_user ||
            url.scheme != NKI_SCHEME_NATS) {
            continue;
        }
        struct nki_server *known = find(servers, &url, NULL);
        if (known != NULL && known->gone) {
            known->gone = false; /* the application took it out, and the cluster has it */
            known->discovered = changed = true;
        }
        if (known != NULL) {
            continue;
        }
        changed = add_discovered(servers, &url) || changed;
    }
    return changed;
}
