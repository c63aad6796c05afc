/* Securing a connection's transport, and what an attempt reads of files before. Under the engine lock; see
 * driver.h for which thread does what. */
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
    conn->prepare =
        nki_prepare_start(conn->engine.options, what, conn->tls_config, nki_loop_wake_fd(), &error);
    if (conn->prepare == NULL) {
        nki_tls_config_release(conn->tls_config);
        nki_driver_name_error(conn, &error);
        nki_engine_lost(&conn->engine, &error, now_ns);
        return;
    }
    nki_loop_resolving(+1);
}

void nki_driver_stop_preparing(struct nki_conn *conn)
{
    if (conn->prepare != NULL) {
        nki_prepare_free(conn->prepare);
        conn->prepare = NULL;
        nki_loop_resolving(-1);
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
    conn->transport->stream = stream;
    conn->filtering = true;
    nki_engine_filtered(&conn->engine, stream);
    nki_driver_step_tls(conn, now_ns);
    conn->unread = conn->engine.stream != NULL && stream->buffered;
    if (conn->reader == NKI_READER_CALLER) {
        nki_wake_raise(conn->nudge_fd); /* what it waits for has changed */
    }
}

/* While files are read the socket is not, but its end is told again and again until somebody takes notice. */
static void lost_before_tls(struct nki_conn *conn, int64_t now_ns)
{
    struct pollfd fd = {.fd = conn->transport->stream->fd};
    if (poll(&fd, 1, 0) == 1 && (fd.revents & (POLLHUP | POLLERR)) != 0) {
        nki_engine_attempt_failed(&conn->engine, NKI_DISCONNECTED,
                                  "the server closed the connection before the TLS handshake", now_ns);
    }
}

void nki_driver_step_tls(struct nki_conn *conn, int64_t now_ns)
{
    struct nki_error error;
    if (!conn->filtering) {
        lost_before_tls(conn, now_ns);
        return;
    }
    int32_t status = nki_tls_handshake(conn->transport->stream, &error);
    if (status == NKI_PENDING) {
        return;
    }
    conn->filtering = false;
    if (status != NKI_OK) {
        nki_driver_name_error(conn, &error);
        nki_engine_lost(&conn->engine, &error, now_ns);
        return;
    }
    nki_tls_describe(conn->transport->stream, &conn->tls);
    nki_engine_secured(&conn->engine, now_ns);
}
