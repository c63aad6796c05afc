/* The TLS filter: see tls.h.
 *
 * Encrypted bytes are collected in memory and written at once. TLS takes plain text for good as
 * soon as it encrypts it, but what the outbox believes to be written must be with the system: so write
 * reports the plain text of those records only that went out whole (the server cannot read a part of one),
 * and remembers what else it has encrypted, which the next write is given again.
 *
 * Lock: mu, a leaf; every call of OpenSSL is under it. */
#include "net/tls.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "net/tls_config_inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#define RECORD_MAX ((size_t)16 * NKI_KIB) /* plain text in one record */
#define RECORDS 8                         /* that are encrypted for one write */

struct record {
    size_t plain; /* bytes of plain text */
    size_t end;   /* of its cipher text, in `out` */
};

/* Of names in certificates: whole labels alone, and no common name. */
#define NAME_FLAGS (X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT)

struct tls {
    struct nki_stream stream;
    struct nki_stream *below;
    struct nki_tls_config *config;
    char peer[NKI_TLS_PEER_MAX];
    char host[256];

    pthread_mutex_t mu;
    /* guarded by mu */
    SSL *ssl;
    struct nki_buf out;             /* cipher text */
    size_t out_at;                  /* of which so much is written */
    struct record records[RECORDS]; /* application data in it, in order */
    size_t record_count;
    ptrdiff_t below_result; /* of the last read or write below */
    bool done;              /* the handshake */
    bool no_memory;         /* for cipher text */
    bool ended;             /* the other side has said good-bye, or its stream has ended */
    struct nki_error error; /* status 0: none yet */
};

static struct tls *of(struct nki_stream *stream)
{
    return NKI_CONTAINER_OF(stream, struct tls, stream);
}

/* -- what OpenSSL reads from and writes to -----------------------------------------------------------------
 */

static int bio_read(BIO *bio, char *out, int len)
{
    struct tls *tls = BIO_get_data(bio);
    struct iovec iov = {out, (size_t)len};
    BIO_clear_retry_flags(bio);
    tls->below_result = nki_stream_read(tls->below, &iov, 1);
    if (tls->below_result > 0) {
        return (int)tls->below_result;
    }
    if (tls->below_result == NKI_STREAM_AGAIN) {
        BIO_set_retry_read(bio);
        return -1;
    }
    return tls->below_result == NKI_STREAM_EOF ? 0 : -1;
}

static int bio_write(BIO *bio, const char *data, int len)
{
    struct tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    tls->no_memory = !nki_buf_append(&tls->out, data, (size_t)len);
    return tls->no_memory ? -1 : len;
}

static long bio_ctrl(BIO *bio, int command, long number, void *arg)
{
    const struct tls *tls = BIO_get_data(bio);
    (void)number;
    (void)arg;
    return command == BIO_CTRL_FLUSH || (command == BIO_CTRL_EOF && tls->below_result == NKI_STREAM_EOF);
}

BIO_METHOD *nki_tls_bio_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "natskit");
    if (method != NULL) {
        BIO_meth_set_read(method, bio_read);
        BIO_meth_set_write(method, bio_write);
        BIO_meth_set_ctrl(method, bio_ctrl);
    }
    return method;
}

/* Writes cipher text until there is none or the stream below takes no more; false for an error. */
static bool flush_out(struct tls *tls)
{
    while (tls->out_at < tls->out.len) {
        struct iovec iov = {tls->out.data + tls->out_at, tls->out.len - tls->out_at};
        tls->below_result = nki_stream_write(tls->below, &iov, 1);
        if (tls->below_result <= 0) {
            return tls->below_result == NKI_STREAM_AGAIN;
        }
        tls->out_at += (size_t)tls->below_result;
    }
    tls->out.len = 0;
    tls->out_at = 0;
    return true;
}

/* -- errors ------------------------------------------------------------------------------------------------
 */

/* The certificate's fault, in OpenSSL's words. */
static int32_t certificate_error(struct tls *tls, long verdict)
{
    bool name = verdict == X509_V_ERR_HOSTNAME_MISMATCH || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH;
    if (name) {
        return nki_error_set(&tls->error, NKI_TLS_CERTIFICATE, "the server's certificate is not for %s",
                             tls->host);
    }
    return nki_error_set(&tls->error, NKI_TLS_CERTIFICATE, "the server's certificate is not accepted: %s",
                         X509_verify_cert_error_string(verdict));
}

static int32_t protocol_error(struct tls *tls)
{
    unsigned long code = 0;
    const char *reason = nki_tls_reason(&code);
    int number = ERR_GET_REASON(code);
    if (tls->no_memory || number == ERR_R_MALLOC_FAILURE) {
        return nki_error_set(&tls->error, NKI_NO_MEMORY, "no memory for TLS");
    }
    if (number == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        return nki_error_set(&tls->error, NKI_DISCONNECTED, "the server closed the connection%s",
                             tls->done ? "" : " during the TLS handshake");
    }
    if (!tls->done && (number == SSL_R_WRONG_VERSION_NUMBER || number == SSL_R_PACKET_LENGTH_TOO_LONG ||
                       number == SSL_R_RECORD_LENGTH_MISMATCH || number == SSL_R_HTTP_REQUEST)) {
        return nki_error_set(
            &tls->error, NKI_TLS,
            "what the server sends is not TLS (%s); option tls_first, and TLS with WebSocket, are for "
            "servers that begin with it",
            reason);
    }
    return nki_error_set(&tls->error, NKI_TLS,
                         tls->done ? "TLS: %s" : "the TLS handshake did not succeed: %s", reason);
}

/* After a call that returned `result`: AGAIN, EOF, or an error, which stays. With mu held. */
static ptrdiff_t outcome(struct tls *tls, int result)
{
    int kind = SSL_get_error(tls->ssl, result);
    if (kind == SSL_ERROR_WANT_READ && tls->below_result == NKI_STREAM_AGAIN) {
        return NKI_STREAM_AGAIN;
    }
    long verdict = tls->done ? X509_V_OK : SSL_get_verify_result(tls->ssl);
    if (kind == SSL_ERROR_ZERO_RETURN) {
        tls->ended = true;
        return NKI_STREAM_EOF;
    }
    int sys_errno = atomic_load(&tls->below->sys_errno);
    if (verdict != X509_V_OK && verdict != X509_V_ERR_OUT_OF_MEM && !tls->config->insecure) {
        certificate_error(tls, verdict);
    } else if (tls->below_result == NKI_STREAM_ERROR) {
        nki_error_set_errno(&tls->error, NKI_IO, sys_errno, "%s", tls->done ? "TLS" : "TLS handshake");
    } else {
        protocol_error(tls);
    }
    ERR_clear_error();
    atomic_store(&tls->stream.sys_errno, tls->below_result == NKI_STREAM_ERROR ? sys_errno : EPROTO);
    if (tls->done && tls->error.status == NKI_DISCONNECTED) {
        tls->ended = true; /* not every server says good-bye */
        return NKI_STREAM_EOF;
    }
    return NKI_STREAM_ERROR;
}

static void tls_explain(struct nki_stream *stream, struct nki_error *err)
{
    struct tls *tls = of(stream);
    pthread_mutex_lock(&tls->mu);
    *err = tls->error;
    pthread_mutex_unlock(&tls->mu);
}

/* -- reading -----------------------------------------------------------------------------------------------
 */

/* Fills one piece as far as it goes: bytes, or what stopped it before the first. */
static ptrdiff_t read_piece(struct tls *tls, uint8_t *out, size_t len, bool *stopped)
{
    size_t total = 0;
    while (total < len) {
        size_t got = 0;
        int result = SSL_read_ex(tls->ssl, out + total, len - total, &got);
        if (result != 1) {
            *stopped = true;
            ptrdiff_t why = outcome(tls, result);
            return total > 0 ? (ptrdiff_t)total : why;
        }
        total += got;
    }
    return (ptrdiff_t)total;
}

static ptrdiff_t tls_read(struct nki_stream *stream, const struct iovec *iov, int count)
{
    struct tls *tls = of(stream);
    ptrdiff_t total = 0;
    bool stopped = false;
    pthread_mutex_lock(&tls->mu);
    assert(tls->done);
    if (tls->error.status != 0 || tls->ended) {
        pthread_mutex_unlock(&tls->mu);
        return tls->ended ? NKI_STREAM_EOF : NKI_STREAM_ERROR;
    }
    ERR_clear_error();
    for (int i = 0; i < count && !stopped; i++) {
        ptrdiff_t got = read_piece(tls, iov[i].iov_base, iov[i].iov_len, &stopped);
        total = got > 0 ? total + got : total > 0 ? total : got;
    }
    /* After an error the next call tells it, so there must be one. */
    stream->buffered = !stopped || (total > 0 && (tls->ended || tls->error.status != 0));
    /* Answers to what the server asks of TLS itself. Records of the outbox are the writer's to send: they
     * would be with the server, and the outbox would not know it when the connection is lost next. */
    if (tls->record_count == 0 && !flush_out(tls)) {
        stream->buffered = stream->buffered || total > 0;
    }
    pthread_mutex_unlock(&tls->mu);
    return total;
}

/* -- writing -----------------------------------------------------------------------------------------------
 */

/* Where in the pieces of a write one is. */
struct place {
    const struct iovec *iov;
    int count;
    size_t at; /* in the first of them */
};

static void skip(struct place *place, size_t len)
{
    while (place->count > 0 && len > 0) {
        size_t left = place->iov->iov_len - place->at;
        size_t step = len < left ? len : left;
        place->at += step;
        len -= step;
        if (place->at == place->iov->iov_len) {
            place->iov++;
            place->count--;
            place->at = 0;
        }
    }
}

/* The next plain text of one record: in its place if one piece has enough or is the last, else copied to
 * `copy`. */
static struct iovec next_plain(struct place *place, uint8_t *copy)
{
    while (place->count > 0 && place->iov->iov_len == place->at) {
        skip(place, 0);
        place->iov++;
        place->count--;
        place->at = 0;
    }
    if (place->count == 0) {
        return (struct iovec){NULL, 0};
    }
    uint8_t *begin = (uint8_t *)place->iov->iov_base + place->at;
    size_t left = place->iov->iov_len - place->at;
    if (left >= RECORD_MAX || place->count == 1) {
        size_t len = left < RECORD_MAX ? left : RECORD_MAX;
        skip(place, len);
        return (struct iovec){begin, len};
    }
    size_t len = 0;
    while (len < RECORD_MAX && place->count > 0) {
        left = place->iov->iov_len - place->at;
        size_t step = left < RECORD_MAX - len ? left : RECORD_MAX - len;
        memcpy(copy + len, (uint8_t *)place->iov->iov_base + place->at, step);
        len += step;
        skip(place, step);
        if (step == 0) { /* an empty piece */
            place->iov++;
            place->count--;
        }
    }
    return (struct iovec){copy, len};
}

/* Encrypts until there is enough for one write; false for an error. */
static bool encrypt(struct tls *tls, struct place *place)
{
    uint8_t copy[RECORD_MAX] NKI_UNINIT;
    /* In the middle of what the server says of TLS itself (a session that takes several records) OpenSSL
     * would go on reading to be able to write, and hide from the reader what it finds. */
    while (tls->record_count < RECORDS && SSL_in_init(tls->ssl) == 0) {
        struct iovec plain = next_plain(place, copy);
        if (plain.iov_len == 0) {
            return true;
        }
        size_t taken = 0;
        int result = SSL_write_ex(tls->ssl, plain.iov_base, plain.iov_len, &taken);
        if (result != 1 || taken != plain.iov_len) {
            (void)outcome(tls, result);
            return false;
        }
        tls->records[tls->record_count++] = (struct record){plain.iov_len, tls->out.len};
    }
    return true;
}

/* Plain text of the records that have gone out whole, which are forgotten. */
static size_t settle(struct tls *tls, bool all)
{
    size_t plain = 0;
    size_t gone = 0;
    while (gone < tls->record_count && (all || tls->records[gone].end <= tls->out_at)) {
        plain += tls->records[gone++].plain;
    }
    tls->record_count -= gone;
    memmove(tls->records, tls->records + gone, tls->record_count * sizeof tls->records[0]);
    return plain;
}

static ptrdiff_t write_all(struct tls *tls, struct place place)
{
    size_t accepted = 0;
    size_t encrypted = 0; /* of what is given here, before */
    for (size_t i = 0; i < tls->record_count; i++) {
        encrypted += tls->records[i].plain;
    }
    skip(&place, encrypted);
    for (;;) {
        if (!encrypt(tls, &place)) {
            return accepted > 0 ? (ptrdiff_t)accepted : NKI_STREAM_ERROR;
        }
        if (tls->record_count == 0) {
            return (ptrdiff_t)accepted; /* all, or 0 while nothing can be encrypted */
        }
        bool ok = flush_out(tls);
        accepted += settle(tls, tls->out.len == 0);
        if (!ok) {
            atomic_store(&tls->stream.sys_errno, atomic_load(&tls->below->sys_errno));
            return accepted > 0 ? (ptrdiff_t)accepted : tls->below_result;
        }
        if (tls->out.len > 0) {
            return accepted > 0 ? (ptrdiff_t)accepted : NKI_STREAM_AGAIN;
        }
    }
}

static ptrdiff_t tls_write(struct nki_stream *stream, const struct iovec *iov, int count)
{
    struct tls *tls = of(stream);
    pthread_mutex_lock(&tls->mu);
    assert(tls->done);
    ptrdiff_t result = NKI_STREAM_ERROR;
    if (tls->error.status == 0) {
        ERR_clear_error();
        result = write_all(tls, (struct place){iov, count, 0});
        stream->begun = tls->record_count > 0;
    }
    pthread_mutex_unlock(&tls->mu);
    return result;
}

/* -- life --------------------------------------------------------------------------------------------------
 */

static void tls_shutdown(struct nki_stream *stream)
{
    struct tls *tls = of(stream);
    pthread_mutex_lock(&tls->mu);
    /* A good-bye behind what was cut off in the middle would be nonsense to the server. */
    if (tls->done && tls->error.status == 0 && tls->out.len == 0) {
        ERR_clear_error();
        (void)SSL_shutdown(tls->ssl);
        (void)flush_out(tls);
        ERR_clear_error();
    }
    pthread_mutex_unlock(&tls->mu);
    nki_stream_shutdown(tls->below);
}

static void tls_free(struct nki_stream *stream)
{
    struct tls *tls = of(stream);
    if (tls->done && tls->error.status != NKI_TLS) {
        /* A session is resumed although its connection was lost without a good-bye. */
        SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    }
    SSL_free(tls->ssl);
    nki_stream_free(tls->below);
    nki_buf_free(&tls->out);
    nki_tls_config_release(tls->config);
    pthread_mutex_destroy(&tls->mu);
    nki_free(tls);
}

static const struct nki_stream_ops tls_ops = {tls_read, tls_write, tls_shutdown, tls_free, tls_explain};

static bool is_address(const char *host)
{
    struct in6_addr addr;
    return inet_pton(AF_INET, host, &addr) == 1 || inet_pton(AF_INET6, host, &addr) == 1;
}

/* Name or address that the certificate must be for, and what the server is told of it. */
static bool set_host(struct tls *tls)
{
    if (is_address(tls->host)) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls->ssl), tls->host) == 1;
    }
    SSL_set_hostflags(tls->ssl, NAME_FLAGS);
    return SSL_set1_host(tls->ssl, tls->host) == 1 && SSL_set_tlsext_host_name(tls->ssl, tls->host) == 1;
}

static void resume(struct tls *tls)
{
    pthread_mutex_lock(&tls->config->mu);
    if (tls->config->session != NULL && strcmp(tls->config->peer, tls->peer) == 0) {
        (void)SSL_set_session(tls->ssl, tls->config->session); /* without it the handshake is a whole one */
    }
    pthread_mutex_unlock(&tls->config->mu);
}

static bool set_up(struct tls *tls)
{
    tls->ssl = SSL_new(tls->config->ctx);
    BIO *bio = tls->ssl != NULL ? BIO_new(tls->config->method) : NULL;
    if (bio == NULL) {
        return false;
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_connect_state(tls->ssl);
    if (SSL_set_app_data(tls->ssl, tls->peer) != 1) {
        return false;
    }
    resume(tls);
    return set_host(tls);
}

struct nki_stream *nki_tls_open(struct nki_stream *below, struct nki_tls_config *config, const char *host,
                                const char *peer, struct nki_error *err)
{
    struct tls *tls = nki_calloc(1, sizeof *tls);
    if (tls == NULL || pthread_mutex_init(&tls->mu, NULL) != 0) {
        nki_free(tls);
        nki_error_set(err, NKI_NO_MEMORY, NULL);
        return NULL;
    }
    nki_tls_config_retain(config);
    tls->config = config;
    tls->stream.ops = &tls_ops;
    tls->stream.fd = below->fd;
    nki_str_copy(tls->host, sizeof tls->host, nki_str_z(host));
    nki_str_copy(tls->peer, sizeof tls->peer, nki_str_z(peer));
    ERR_clear_error();
    if (!set_up(tls)) {
        nki_error_set(err, NKI_NO_MEMORY, "TLS cannot begin: %s", nki_tls_reason(NULL));
        tls_free(&tls->stream);
        return NULL;
    }
    tls->below = below;
    return &tls->stream;
}

/* The last part of the handshake cannot be sent. A server that refuses us has often said why before it
 * closed. With mu held. */
static void lost_in_handshake(struct tls *tls, bool finished)
{
    int sys_errno = atomic_load(&tls->below->sys_errno);
    char byte;
    size_t got = 0;
    if (finished && SSL_peek_ex(tls->ssl, &byte, 1, &got) != 1) {
        (void)outcome(tls, -1);
    }
    if (tls->error.status != NKI_TLS) {
        nki_error_set_errno(&tls->error, NKI_IO, sys_errno, "TLS handshake");
    }
}

/* OpenSSL has compared the name already, unless it had no memory to copy it for that: then it lets every name
 * pass and says nothing (3.0, X509_VERIFY_PARAM_set1 in ssl_verify_cert_chain). With mu held; an error if it
 * is not right. */
static void check_host(struct tls *tls)
{
    X509 *cert = SSL_get0_peer_certificate(tls->ssl);
    bool address = is_address(tls->host);
    int right = -1;
    if (cert != NULL) {
        right = address ? X509_check_ip_asc(cert, tls->host, 0)
                        : X509_check_host(cert, tls->host, 0, NAME_FLAGS, NULL);
    }
    if (right == 0) {
        certificate_error(tls, address ? X509_V_ERR_IP_ADDRESS_MISMATCH : X509_V_ERR_HOSTNAME_MISMATCH);
    } else if (right != 1) {
        nki_error_set(&tls->error, NKI_NO_MEMORY, "no memory for TLS");
    }
    ERR_clear_error();
}

int32_t nki_tls_handshake(struct nki_stream *stream, struct nki_error *err)
{
    struct tls *tls = of(stream);
    pthread_mutex_lock(&tls->mu);
    ERR_clear_error();
    int32_t status = tls->error.status;
    if (status == 0 && !tls->done) {
        int result = SSL_do_handshake(tls->ssl);
        ptrdiff_t why = result == 1 ? 1 : outcome(tls, result);
        bool written = flush_out(tls); /* also the alert that tells the server what is wrong */
        if (result == 1 && !tls->config->insecure) {
            check_host(tls);
        }
        if (why == NKI_STREAM_EOF) {
            nki_error_set(&tls->error, NKI_DISCONNECTED,
                          "the server closed the connection during the TLS handshake");
        } else if (!written && tls->error.status == 0) {
            lost_in_handshake(tls, result == 1);
        }
        tls->done = result == 1 && tls->error.status == 0 &&
                    tls->out.len == 0; /* a server that waits for the rest says nothing */
        status = tls->error.status != 0 ? tls->error.status : tls->done ? NKI_OK : NKI_PENDING;
    }
    stream->wants_write = tls->out.len > 0;
    stream->buffered = status == NKI_OK;
    if (status != NKI_OK && status != NKI_PENDING) {
        *err = tls->error;
    }
    pthread_mutex_unlock(&tls->mu);
    return status;
}

void nki_tls_describe(struct nki_stream *stream, struct nki_tls_state *out)
{
    struct tls *tls = of(stream);
    pthread_mutex_lock(&tls->mu);
    nki_str_copy(out->version, sizeof out->version, nki_str_z(SSL_get_version(tls->ssl)));
    nki_str_copy(out->cipher, sizeof out->cipher, nki_str_z(SSL_get_cipher_name(tls->ssl)));
    out->resumed = SSL_session_reused(tls->ssl) != 0;
    out->insecure = tls->config->insecure;
    pthread_mutex_unlock(&tls->mu);
}
