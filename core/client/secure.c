/* The filters of a connection's transport, TLS and WebSocket, and what an attempt reads of files before.
 * Under the engine lock; see driver.h for which thread does what. */
#include "client/driver.h"

#include "base/wake.h"

#include <poll.h>
#include <stdio.h>

void nki_driver_prepare(struct nki_conn *conn, uint32_t what, int64_t now_ns)
{
    struct nki_error error;
    if (conn->tls_config != NULL) {
        nki_tls_config_retain(conn->tls_config);
    }
    nki_loop_asking(conn, +1);
    conn->prepare =
        nki_prepare_start(conn->engine.options, what, conn->tls_config, nki_loop_wake_fd(), &error);
    if (conn->prepare == NULL) {
        nki_loop_asking(conn, -1);
        nki_tls_config_release(conn->tls_config);
        nki_driver_name_error(conn, &error);
        nki_engine_lost(&conn->engine, &error, now_ns);
    }
}

void nki_driver_stop_preparing(struct nki_conn *conn)
{
    if (conn->prepare != NULL) {
        nki_prepare_free(conn->prepare);
        conn->prepare = NULL;
        nki_loop_asking(conn, -1);
    }
}

static void keep_config(struct nki_conn *conn, struct nki_tls_config *config)
{
    nki_tls_config_release(conn->tls_config);
    conn->tls_config = config;
    conn->tls_prepared = true;
}

void nki_driver_step_prepare(struct nki_conn *conn, int64_t now_ns)
{
    struct nki_prepared result;
    if (!nki_prepare_done(conn->prepare, &result)) {
        return;
    }
    nki_driver_stop_preparing(conn);
    if (result.tls != NULL) {
        keep_config(conn, result.tls);
    }
    if (result.status != NKI_OK) {
        nki_credentials_free(&result.credentials);
        nki_driver_name_error(conn, &result.error);
        nki_engine_lost(&conn->engine, &result.error, now_ns);
    } else if (conn->engine.state == NKI_ENGINE_WAIT_TLS) {
        nki_credentials_free(&result.credentials); /* asked for TLS alone: there are none */
        nki_driver_begin_tls(conn, now_ns);
    } else {
        nki_engine_set_credentials(&conn->engine, &result.credentials);
        nki_driver_start_resolving(conn, now_ns);
    }
}

/* The filter takes the place of the stream that it stands on. */
static void adopt_filter(struct nki_conn *conn, struct nki_stream *stream, int64_t now_ns)
{
    conn->transport->stream = stream;
    conn->filtering = true;
    nki_engine_filtered(&conn->engine, stream);
    nki_driver_step_filter(conn, now_ns);
    conn->unread =
        conn->engine.stream != NULL && !nki_driver_before_filter(conn) && conn->transport->stream->buffered;
    if (conn->reader == NKI_READER_CALLER) {
        nki_wake_raise(conn->nudge_fd); /* what it waits for has changed */
    }
}

/* The name that the server's certificate must be for. */
static const char *peer_host(const struct nki_conn *conn)
{
    struct nki_str name = nki_options_str(conn->engine.options, NKI_OPT_CONNECT_tls_server_name);
    const struct nki_server *server = conn->engine.servers.current;
    if (name.len > 0) {
        return name.ptr;
    }
    return server->tls_name[0] != '\0' ? server->tls_name : server->url.host;
}

void nki_driver_begin_tls(struct nki_conn *conn, int64_t now_ns)
{
    if (!conn->tls_prepared) {
        nki_driver_prepare(conn, NKI_PREPARE_TLS, now_ns);
        return;
    }
    struct nki_error error;
    char peer[NKI_TLS_PEER_MAX];
    const char *host = peer_host(conn);
    (void)snprintf(peer, sizeof peer, "%s %s", conn->engine.servers.current->text, host);
    struct nki_stream *stream = nki_tls_open(conn->transport->stream, conn->tls_config, host, peer, &error);
    if (stream == NULL) {
        nki_driver_name_error(conn, &error);
        nki_engine_lost(&conn->engine, &error, now_ns);
        return;
    }
    adopt_filter(conn, stream, now_ns);
}

/* -- WebSocket ---------------------------------------------------------------------------------------------
 */

/* The server as the Host header names it. */
static void host_header(const struct nki_url *url, char *out, size_t cap)
{
    bool bracket = strchr(url->host, ':') != NULL;
    char port[8] = "";
    if (!nki_url_default_port(url)) {
        (void)snprintf(port, sizeof port, ":%u", (unsigned)url->port);
    }
    (void)snprintf(out, cap, "%s%.255s%s%s", bracket ? "[" : "", url->host, bracket ? "]" : "", port);
}

static bool header_lines(const struct nki_options *options, struct nki_buf *out)
{
    bool ok = true;
    size_t count = nki_options_list_len(options, NKI_OPT_CONNECT_ws_headers);
    for (size_t i = 0; i < count && ok; i++) {
        ok = nki_buf_append_str(out, nki_options_list_at(options, NKI_OPT_CONNECT_ws_headers, i)) &&
             nki_buf_append(out, "\r\n", 2);
    }
    return ok;
}

void nki_driver_begin_upgrade(struct nki_conn *conn, int64_t now_ns)
{
    const struct nki_url *url = &conn->engine.servers.current->url;
    char host[NKI_URL_HOST_MAX + 16];
    struct nki_buf headers = {0};
    struct nki_error error;
    struct nki_stream *stream = NULL;
    host_header(url, host, sizeof host);
    if (!header_lines(conn->engine.options, &headers)) {
        nki_error_set(&error, NKI_NO_MEMORY, "no memory for WebSocket");
    } else {
        const struct nki_ws_request request = {host, url->path, {(const char *)headers.data, headers.len}};
        stream = nki_ws_open(conn->transport->stream, &request, &error);
    }
    if (headers.data != NULL) {
        explicit_bzero(headers.data, headers.len);
    }
    nki_buf_free(&headers);
    if (stream == NULL) {
        nki_driver_name_error(conn, &error);
        nki_engine_lost(&conn->engine, &error, now_ns);
        return;
    }
    adopt_filter(conn, stream, now_ns);
}

/* -- either ------------------------------------------------------------------------------------------------
 */

/* While files are read the socket is not, but its end is told again and again until somebody takes notice. */
static void lost_before_filter(struct nki_conn *conn, int64_t now_ns)
{
    struct pollfd fd = {.fd = conn->transport->stream->fd};
    if (poll(&fd, 1, 0) == 1 && (fd.revents & (POLLHUP | POLLERR)) != 0) {
        bool tls = conn->engine.state == NKI_ENGINE_WAIT_TLS;
        nki_engine_attempt_failed(&conn->engine, NKI_DISCONNECTED,
                                  tls ? "the server closed the connection before the TLS handshake"
                                      : "the server closed the connection before the upgrade to WebSocket",
                                  now_ns);
    }
}

void nki_driver_step_filter(struct nki_conn *conn, int64_t now_ns)
{
    struct nki_error error;
    struct nki_stream *stream = conn->transport->stream;
    bool tls = conn->engine.state == NKI_ENGINE_WAIT_TLS;
    if (!conn->filtering) {
        lost_before_filter(conn, now_ns);
        return;
    }
    int32_t status = tls ? nki_tls_handshake(stream, &error) : nki_ws_upgrade(stream, &error);
    if (status == NKI_PENDING) {
        return;
    }
    conn->filtering = false;
    if (status != NKI_OK) {
        nki_driver_name_error(conn, &error);
        nki_engine_lost(&conn->engine, &error, now_ns);
    } else if (tls) {
        nki_tls_describe(stream, &conn->tls);
        nki_engine_secured(&conn->engine, now_ns);
    } else {
        nki_engine_upgraded(&conn->engine);
    }
}
