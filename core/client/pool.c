/* The pool of servers as the application sees and changes it at run time. Under the engine lock, but for
 * nki_conn_servers_set and nki_conn_servers, which are for any thread. */
#include "base/buf.h"
#include "base/clock.h"
#include "client/driver.h"
#include "client/lame_duck.h"

#include <inttypes.h>
#include <stdio.h>

#define DEFAULT_PORT 4222

/* TLS can't be asked for and be off. */
static int32_t check_tls_off(const struct nki_engine *engine, const struct nki_servers *servers,
                             struct nki_error *err)
{
    bool off = nki_options_choice(engine->options, NKI_OPT_CONNECT_tls) == NKI_TLS_OFF;
    if (off && nki_options_bool(engine->options, NKI_OPT_CONNECT_tls_first)) {
        return nki_error_set(err, NKI_INVALID, "option tls is off, and tls_first is true");
    }
    for (size_t i = 0; off && i < servers->count; i++) {
        enum nki_scheme scheme = servers->list[i]->url.scheme;
        if (scheme == NKI_SCHEME_TLS || scheme == NKI_SCHEME_WSS) {
            return nki_error_set(err, NKI_INVALID, "option tls is off, and the url is %s",
                                 servers->list[i]->text);
        }
    }
    return NKI_OK;
}

/* What the cluster tells of is for the transport that it was told by. */
static int32_t check_transport(const struct nki_engine *engine, const struct nki_servers *fresh,
                               struct nki_error *err)
{
    const struct nki_servers *now = &engine->servers;
    if (now->count > 0 && nki_url_is_ws(&now->list[0]->url) != nki_url_is_ws(&fresh->list[0]->url)) {
        return nki_error_set(err, NKI_INVALID, "url %s: this connection's servers are spoken to by %s",
                             fresh->list[0]->text,
                             nki_url_is_ws(&now->list[0]->url) ? "WebSocket" : "nats:// and tls://");
    }
    return NKI_OK;
}

int32_t nki_engine_servers_set(struct nki_engine *engine, struct nki_str urls, struct nki_error *err,
                               int64_t now_ns)
{
    if (engine->state == NKI_ENGINE_CLOSED) {
        return nki_error_set(err, NKI_CLOSED, NULL);
    }
    struct nki_servers fresh;
    nki_servers_init(&fresh);
    int32_t status = urls.len > 0 ? nki_servers_add(&fresh, urls, err)
                                  : nki_error_set(err, NKI_INVALID, "urls: at least one server");
    if (status == NKI_OK) {
        status = check_tls_off(engine, &fresh, err);
    }
    if (status == NKI_OK) {
        status = check_transport(engine, &fresh, err);
    }
    if (status != NKI_OK) {
        nki_servers_free(&fresh);
        return status;
    }
    if (nki_options_bool(engine->options, NKI_OPT_CONNECT_randomize)) {
        nki_servers_shuffle(&fresh, &engine->rand);
    }
    nki_servers_replace(&engine->servers, &fresh);
    struct nki_event event = {.type = NKI_EVENT_SERVERS, .count = nki_servers_known(&engine->servers)};
    nki_engine_emit(engine, &event);
    if (engine->state == NKI_ENGINE_BACKOFF) {
        /* The pause was for the servers that there were. */
        engine->delay.request = 0;
        engine->backoff_ns = now_ns;
    }
    nki_engine_move_plan(engine, now_ns);
    return NKI_OK;
}

void nki_engine_arrange(struct nki_engine *engine, struct nki_addrs *addrs)
{
    if (!nki_options_bool(engine->options, NKI_OPT_CONNECT_resolve)) {
        addrs->count = addrs->count > 0 ? 1 : 0;
    } else if (nki_options_bool(engine->options, NKI_OPT_CONNECT_randomize)) {
        nki_addrs_shuffle(addrs, &engine->rand);
    }
}

int32_t nki_engine_servers_init(struct nki_engine *engine, struct nki_str urls, struct nki_error *err)
{
    struct nki_servers *servers = &engine->servers;
    struct nki_options *options = engine->options;
    int64_t port = nki_options_int(options, NKI_OPT_CONNECT_port);
    size_t listed = nki_options_list_len(options, NKI_OPT_CONNECT_servers);
    if (port != 0 && (urls.len > 0 || listed > 0)) {
        return nki_error_set(err, NKI_INVALID, "option port: not together with urls of servers");
    }
    char local[40];
    int len = snprintf(local, sizeof local, "nats://127.0.0.1:%" PRId64, port != 0 ? port : DEFAULT_PORT);
    int32_t status = NKI_OK;
    if (urls.len > 0) {
        status = nki_servers_add(servers, urls, err);
    } else if (listed == 0) {
        status = nki_servers_add(servers, nki_str_make(local, (size_t)len), err);
    }
    for (size_t i = 0; urls.len == 0 && i < listed && status == NKI_OK; i++) {
        status = nki_servers_add(servers, nki_options_list_at(options, NKI_OPT_CONNECT_servers, i), err);
    }
    if (status == NKI_OK) {
        status = check_tls_off(engine, servers, err);
    }
    if (nki_options_bool(options, NKI_OPT_CONNECT_randomize)) {
        nki_servers_shuffle(servers, &engine->rand);
    }
    return status;
}

static bool add_server(struct nki_buf *out, const struct nki_servers *servers,
                       const struct nki_server *server)
{
    char rest[96];
    int len = snprintf(rest, sizeof rest, ",\"discovered\":%s,\"failures\":%" PRIu32 ",\"current\":%s}",
                       server->discovered ? "true" : "false", server->failures,
                       server == servers->current ? "true" : "false");
    bool first = out->data[out->len - 1] == '[';
    return nki_buf_append_str(out, first ? NKI_STR("{\"url\":") : NKI_STR(",{\"url\":")) &&
           nki_buf_append_json(out, nki_str_z(server->text)) && nki_buf_append(out, rest, (size_t)len);
}

bool nki_servers_emit(const struct nki_servers *servers, struct nki_buf *out)
{
    bool ok = nki_buf_append(out, "[", 1);
    for (size_t i = 0; i < servers->count && ok; i++) {
        ok = servers->list[i]->gone || add_server(out, servers, servers->list[i]);
    }
    return ok && nki_buf_append(out, "]", 1);
}

int32_t nki_conn_servers_set(struct nki_conn *conn, struct nki_str urls, struct nki_error *err)
{
    nki_conn_lock(conn);
    int32_t status = nki_engine_servers_set(&conn->engine, urls, err, nki_clock_now_ns());
    bool right = nki_driver_settle(conn);
    nki_conn_unlock(conn);
    if (right) {
        nki_driver_transmit(conn);
    }
    return status;
}

int32_t nki_conn_servers(struct nki_conn *conn, struct nki_buf *out)
{
    nki_conn_lock(conn);
    bool ok = nki_servers_emit(&conn->engine.servers, out);
    nki_conn_unlock(conn);
    return ok ? NKI_OK : NKI_NO_MEMORY;
}
