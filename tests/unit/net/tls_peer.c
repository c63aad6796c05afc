/* See tls_peer.h. */
#include "tls_peer.h"

#include "../base/cmocka_all.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define DAY_S (24L * 60 * 60)

/* -- certificates ------------------------------------------------------------------------------------------
 */

static const char *const names[] = {"good", "expired", "early", "self"};
static char *certs[NKI_ARRAY_LEN(names)];
static char *ca_pem;
static char *other_ca_pem;
static char *key_pem;
static char *other_key_pem;

static char *text_of(BIO *bio)
{
    char *data = NULL;
    long len = BIO_get_mem_data(bio, &data);
    char *copy = malloc((size_t)len + 1);
    assert_non_null(copy);
    memcpy(copy, data, (size_t)len);
    copy[len] = '\0';
    BIO_free(bio);
    return copy;
}

static char *cert_text(X509 *cert)
{
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
    return text_of(bio);
}

static char *key_text(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
    return text_of(bio);
}

static void extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
}

/* A certificate for `key`, valid from `from_s` to `to_s` from now; its own issuer if that is NULL. */
static X509 *make(const char *name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key, long from_s, long to_s)
{
    static long serial = 1;
    X509 *cert = X509_new();
    assert_non_null(cert);
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(cert), from_s);
    X509_gmtime_adj(X509_getm_notAfter(cert), to_s);
    X509_set_pubkey(cert, key);
    X509_NAME *subject = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, issuer != NULL ? X509_get_subject_name(issuer) : subject);
    bool server = strcmp(name, "server") == 0;
    extend(cert, issuer != NULL ? issuer : cert, NID_basic_constraints,
           server ? "CA:FALSE" : "critical,CA:TRUE");
    if (server) {
        extend(cert, issuer != NULL ? issuer : cert, NID_subject_alt_name,
               "DNS:server.test,IP:127.0.0.1,IP:::1");
    }
    assert_true(X509_sign(cert, issuer_key, EVP_sha256()) > 0);
    return cert;
}

void peer_make_certificates(void)
{
    EVP_PKEY *ca_key = EVP_EC_gen("P-256");
    EVP_PKEY *other_key = EVP_EC_gen("P-256");
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *ca = make("ca", ca_key, NULL, ca_key, -DAY_S, DAY_S);
    X509 *other = make("other", other_key, NULL, other_key, -DAY_S, DAY_S);
    X509 *all[] = {
        make("server", key, ca, ca_key, -DAY_S, DAY_S), make("server", key, ca, ca_key, -2 * DAY_S, -DAY_S),
        make("server", key, ca, ca_key, DAY_S, 2 * DAY_S), make("server", key, NULL, key, -DAY_S, DAY_S)};
    ca_pem = cert_text(ca);
    other_ca_pem = cert_text(other);
    key_pem = key_text(key);
    other_key_pem = key_text(other_key);
    for (size_t i = 0; i < NKI_ARRAY_LEN(all); i++) {
        certs[i] = cert_text(all[i]);
        X509_free(all[i]);
    }
    X509_free(ca);
    X509_free(other);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(other_key);
    EVP_PKEY_free(key);
}

void peer_forget_certificates(void)
{
    for (size_t i = 0; i < NKI_ARRAY_LEN(certs); i++) {
        free(certs[i]);
    }
    free(ca_pem);
    free(other_ca_pem);
    free(key_pem);
    free(other_key_pem);
}

const char *peer_ca(void)
{
    return ca_pem;
}

const char *peer_other_ca(void)
{
    return other_ca_pem;
}

const char *peer_cert(void)
{
    return certs[0];
}

const char *peer_cert_of(const char *name)
{
    for (size_t i = 0; i < NKI_ARRAY_LEN(names); i++) {
        if (strcmp(names[i], name) == 0) {
            return certs[i];
        }
    }
    fail_msg("no certificate %s", name);
    return NULL;
}

const char *peer_key(void)
{
    return key_pem;
}

const char *peer_other_key(void)
{
    return other_key_pem;
}

/* -- the server --------------------------------------------------------------------------------------------
 */

struct peer {
    struct nki_stream *stream;
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in;
    BIO *out;
    uint8_t *waiting; /* bytes for the stream that it did not take yet */
    size_t waiting_len;
};

static bool sharing;
static size_t ticket_bytes;

static X509 *read_cert(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(cert);
    return cert;
}

static EVP_PKEY *read_key(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(key);
    return key;
}

/* Puts something into a session, so that it is as large as one with a client's chain of certificates. */
static int enlarge(SSL *ssl, void *arg)
{
    static const uint8_t filler[8192];
    (void)arg;
    return SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), filler, ticket_bytes);
}

static SSL_TICKET_RETURN accept_large(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
                                      size_t name_len, SSL_TICKET_STATUS status, void *arg)
{
    (void)ssl;
    (void)session;
    (void)name;
    (void)name_len;
    (void)arg;
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_IGNORE;
}

struct peer *peer_new(struct nki_stream *stream, const char *cert_pem, const char *key)
{
    struct peer *peer = calloc(1, sizeof *peer);
    assert_non_null(peer);
    peer->stream = stream;
    peer->ctx = SSL_CTX_new(TLS_server_method());
    X509 *cert = read_cert(cert_pem);
    EVP_PKEY *private_key = read_key(key);
    assert_int_equal(SSL_CTX_use_certificate(peer->ctx, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(peer->ctx, private_key), 1);
    X509_free(cert);
    EVP_PKEY_free(private_key);
    static unsigned char ticket_keys[80]; /* of length as OpenSSL wants it; the value is of no matter */
    if (sharing) {
        assert_int_equal(SSL_CTX_set_tlsext_ticket_keys(peer->ctx, ticket_keys, sizeof ticket_keys), 1);
    }
    if (ticket_bytes > 0) {
        assert_int_equal(SSL_CTX_set_session_ticket_cb(peer->ctx, enlarge, accept_large, NULL), 1);
        assert_int_equal(SSL_CTX_set_max_send_fragment(peer->ctx, 512), 1);
    }
    peer->ssl = SSL_new(peer->ctx);
    peer->in = BIO_new(BIO_s_mem());
    peer->out = BIO_new(BIO_s_mem());
    SSL_set_bio(peer->ssl, peer->in, peer->out);
    SSL_set_accept_state(peer->ssl);
    return peer;
}

void peer_free(struct peer *peer)
{
    SSL_free(peer->ssl);
    SSL_CTX_free(peer->ctx);
    nki_stream_free(peer->stream);
    free(peer->waiting);
    free(peer);
}

void peer_share_tickets(bool share)
{
    sharing = share;
}

void peer_large_tickets(size_t bytes)
{
    ticket_bytes = bytes;
}

/* Gives OpenSSL what has come. */
static void pull(struct peer *peer)
{
    uint8_t bytes[4096];
    struct iovec iov = {bytes, sizeof bytes};
    ptrdiff_t got;
    while ((got = nki_stream_read(peer->stream, &iov, 1)) > 0) {
        assert_int_equal(BIO_write(peer->in, bytes, (int)got), got);
    }
}

static void push_bytes(struct peer *peer, const void *data, size_t len)
{
    peer->waiting = realloc(peer->waiting, peer->waiting_len + len + 1);
    assert_non_null(peer->waiting);
    memcpy(peer->waiting + peer->waiting_len, data, len);
    peer->waiting_len += len;
}

/* Sends what OpenSSL wants sent, as far as it goes. */
static void push(struct peer *peer)
{
    uint8_t bytes[4096];
    int got;
    while ((got = BIO_read(peer->out, bytes, sizeof bytes)) > 0) {
        push_bytes(peer, bytes, (size_t)got);
    }
    if (peer->waiting_len > 0) {
        struct iovec iov = {peer->waiting, peer->waiting_len};
        ptrdiff_t sent = nki_stream_write(peer->stream, &iov, 1);
        if (sent > 0) {
            peer->waiting_len -= (size_t)sent;
            memmove(peer->waiting, peer->waiting + sent, peer->waiting_len);
        }
    }
}

void peer_step(struct peer *peer)
{
    pull(peer);
    ERR_clear_error();
    (void)SSL_do_handshake(peer->ssl);
    push(peer);
}

bool peer_is_done(const struct peer *peer)
{
    return SSL_is_init_finished(peer->ssl) == 1;
}

size_t peer_read(struct peer *peer, void *out, size_t len)
{
    size_t total = 0;
    size_t got = 1;
    pull(peer);
    ERR_clear_error();
    while (total < len && SSL_read_ex(peer->ssl, (uint8_t *)out + total, len - total, &got) == 1) {
        total += got;
    }
    push(peer);
    return total;
}

size_t peer_write(struct peer *peer, const void *data, size_t len)
{
    size_t done = 0;
    push(peer);
    if (peer->waiting_len == 0 && len > 0) {
        size_t step = len < 20000 ? len : 20000;
        assert_int_equal(SSL_write_ex(peer->ssl, data, step, &done), 1);
    }
    push(peer);
    return done;
}

void peer_raw(struct peer *peer, const void *data, size_t len)
{
    push_bytes(peer, data, len);
    push(peer);
}

void peer_say_goodbye(struct peer *peer)
{
    (void)SSL_shutdown(peer->ssl);
    push(peer);
}

bool peer_heard_goodbye(const struct peer *peer)
{
    return (SSL_get_shutdown(peer->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
}

void peer_cut(struct peer *peer)
{
    nki_stream_shutdown(peer->stream);
}
