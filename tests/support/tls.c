/* SPDX-License-Identifier: Apache-2.0
 *
 * One side of a TLS connection over memory BIOs.
 */
#include "tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RECORD = 16384 + 2048 };

struct ts_tls {
    SSL_CTX *ctx; /* counted: others may have it too */
    SSL *ssl;
    BIO *in;
    BIO *out;
    char error[256];
};

static void *give_up(SSL_CTX *ctx, const char *what)
{
    fprintf(stderr, "test support: TLS: %s\n", what);
    ERR_print_errors_fp(stderr);
    SSL_CTX_free(ctx);
    return NULL;
}

static int version_of(int number)
{
    return number == 11 ? TLS1_1_VERSION : number == 12 ? TLS1_2_VERSION : number == 13 ? TLS1_3_VERSION : 0;
}

static bool load(SSL_CTX *ctx, const struct ts_tls_opts *opts)
{
    char cert[512], key[512], authority[512];
    snprintf(cert, sizeof cert, "%s/%s.pem", opts->dir, opts->cert);
    snprintf(key, sizeof key, "%s/%s.key", opts->dir, opts->cert);
    snprintf(authority, sizeof authority, "%s/%s.pem", opts->dir, opts->authority);
    return (!opts->cert || (SSL_CTX_use_certificate_chain_file(ctx, cert) == 1 &&
                            SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) == 1)) &&
           (!opts->authority || SSL_CTX_load_verify_locations(ctx, authority, NULL) == 1);
}

static SSL_CTX *new_context(const struct ts_tls_opts *opts, bool server)
{
    SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    int verify = SSL_VERIFY_PEER | (server ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
    if (!ctx) {
        return give_up(ctx, "no context");
    }
    SSL_CTX_set_security_level(ctx, 0); /* TLS 1.1 is one of the things to be shown */
    if (!load(ctx, opts)) {
        return give_up(ctx, opts->cert ? opts->cert : opts->authority);
    }
    SSL_CTX_set_min_proto_version(ctx, opts->min ? version_of(opts->min) : TLS1_VERSION);
    SSL_CTX_set_max_proto_version(ctx, version_of(opts->max));
    SSL_CTX_set_verify(ctx, opts->authority ? verify : SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"test", 4);
    return ctx;
}

static struct ts_tls *wrap(SSL_CTX *ctx)
{
    struct ts_tls *tls = ts_alloc(sizeof *tls);
    *tls = (struct ts_tls){
        .ctx = ctx, .ssl = SSL_new(ctx), .in = BIO_new(BIO_s_mem()), .out = BIO_new(BIO_s_mem())};
    BIO_set_mem_eof_return(tls->in, -1); /* an empty buffer is no end */
    SSL_set_bio(tls->ssl, tls->in, tls->out);
    return tls;
}

struct ts_tls *ts_tls_server(const struct ts_tls_opts *opts)
{
    SSL_CTX *ctx = new_context(opts, true);
    struct ts_tls *tls = ctx ? wrap(ctx) : NULL;
    if (tls) {
        SSL_set_accept_state(tls->ssl);
    }
    return tls;
}

struct ts_tls *ts_tls_server_like(const struct ts_tls *other)
{
    SSL_CTX_up_ref(other->ctx);
    struct ts_tls *tls = wrap(other->ctx);
    SSL_set_accept_state(tls->ssl);
    return tls;
}

struct ts_tls *ts_tls_client(const struct ts_tls_opts *opts)
{
    SSL_CTX *ctx = new_context(opts, false);
    struct ts_tls *tls = ctx ? wrap(ctx) : NULL;
    if (tls && opts->host) {
        SSL_set_tlsext_host_name(tls->ssl, opts->host);
        SSL_set1_host(tls->ssl, opts->host);
    }
    if (tls) {
        SSL_set_connect_state(tls->ssl);
    }
    return tls;
}

void ts_tls_offer(struct ts_tls *tls, const struct ts_tls *other)
{
    SSL_SESSION *session = SSL_get1_session(other->ssl);
    SSL_set_session(tls->ssl, session);
    SSL_SESSION_free(session);
}

void ts_tls_free(struct ts_tls *tls)
{
    if (tls) {
        SSL_free(tls->ssl);
        SSL_CTX_free(tls->ctx);
        free(tls);
    }
}

void ts_tls_feed(struct ts_tls *tls, const void *bytes, size_t len)
{
    BIO_write(tls->in, bytes, (int)len);
}

void ts_tls_take_out(struct ts_tls *tls, struct ts_buf *out)
{
    char bytes[4096];
    for (int n; (n = BIO_read(tls->out, bytes, sizeof bytes)) > 0;) {
        ts_buf_add(out, bytes, (size_t)n);
    }
}

/* True when the call only wants more bytes; else the reason is kept. */
static bool wants_more(struct ts_tls *tls, int rc)
{
    int why = SSL_get_error(tls->ssl, rc);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
        ERR_clear_error();
        return true;
    }
    unsigned long code = ERR_get_error();
    if (why == SSL_ERROR_ZERO_RETURN) {
        snprintf(tls->error, sizeof tls->error, "close_notify");
    } else if (code) {
        ERR_error_string_n(code, tls->error, sizeof tls->error);
    } else {
        snprintf(tls->error, sizeof tls->error, "the stream ended");
    }
    ERR_clear_error();
    return false;
}

int ts_tls_handshake(struct ts_tls *tls)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(tls->ssl);
    return rc == 1 ? 1 : wants_more(tls, rc) ? 0 : -1;
}

int ts_tls_read(struct ts_tls *tls, char *bytes, size_t cap)
{
    ERR_clear_error();
    int n = SSL_read(tls->ssl, bytes, (int)cap);
    return n > 0 ? n : wants_more(tls, n) ? 0 : -1;
}

bool ts_tls_write(struct ts_tls *tls, const char *bytes, size_t len)
{
    ERR_clear_error();
    int n = len ? SSL_write(tls->ssl, bytes, (int)len) : 1;
    return n > 0 || wants_more(tls, n);
}

bool ts_tls_close_notify(struct ts_tls *tls)
{
    ERR_clear_error();
    return SSL_shutdown(tls->ssl) >= 0;
}

bool ts_tls_key_update(struct ts_tls *tls)
{
    ERR_clear_error();
    return SSL_key_update(tls->ssl, SSL_KEY_UPDATE_REQUESTED) == 1 && ts_tls_handshake(tls) >= 0;
}

bool ts_tls_renegotiate(struct ts_tls *tls)
{
    ERR_clear_error();
    return SSL_renegotiate(tls->ssl) == 1 && ts_tls_handshake(tls) >= 0;
}

bool ts_tls_resumed(struct ts_tls *tls)
{
    return SSL_session_reused(tls->ssl) == 1;
}

const char *ts_tls_error(const struct ts_tls *tls)
{
    return tls->error;
}

const char *ts_tls_server_name(struct ts_tls *tls)
{
    const char *name = SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name);
    return name ? name : "-";
}

const char *ts_tls_peer_name(struct ts_tls *tls, char *name, size_t cap)
{
    X509 *cert = SSL_get1_peer_certificate(tls->ssl);
    snprintf(name, cap, "-");
    if (cert) {
        X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name, (int)cap);
        X509_free(cert);
    }
    return name;
}

/* Change cipher spec, alert, handshake, data, heartbeat. */
static bool is_record(const unsigned char head[5])
{
    return head[0] >= 20 && head[0] <= 24 && head[1] == 3 && head[2] <= 4 &&
           (head[3] << 8 | head[4]) <= MAX_RECORD;
}

size_t ts_tls_scan(struct ts_tls_scan *scan, const char *bytes, size_t len)
{
    for (size_t at = 0; at < len && !scan->lost;) {
        if (scan->left > 0) {
            size_t part = len - at < scan->left ? len - at : scan->left;
            scan->left -= part;
            scan->records += scan->left == 0;
            at += part;
            continue;
        }
        scan->head[scan->head_len++] = (unsigned char)bytes[at++];
        if (scan->head_len == 1 && (scan->head[0] < 20 || scan->head[0] > 24)) {
            scan->lost = true;
            return len - at + 1;
        }
        if (scan->head_len == sizeof scan->head) {
            scan->lost = !is_record(scan->head);
            if (scan->lost) {
                return len - at + sizeof scan->head;
            }
            scan->type = scan->records == 0 ? scan->head[0] : scan->type;
            scan->left = (size_t)(scan->head[3] << 8 | scan->head[4]);
            scan->head_len = 0;
        }
    }
    return scan->lost ? len : 0;
}
