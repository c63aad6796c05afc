/* Fuzzes the TLS filter: bytes that are no server's, and a server of OpenSSL's whose bytes are spoiled on the
 * way after or during the handshake. What is read is what the server wrote, as far as it comes; the server
 * never has more than what was told to be written; an error has a status and a text, and stays.
 *
 * Input: a byte of flags, one of sizes, then bytes of a server (flag SERVER not set) or pairs of bytes: what
 * happens, and how much of it. Keys are new in each process: the same input takes the same way all the same.
 */
#include "net/tls.h"

#include "base/alloc.h"
#include "net/pair.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

enum { SERVER = 1, OLD = 2, SMALL_RECORDS = 4, SPOIL_HANDSHAKE = 8 }; /* flags */
enum { SAY, READ, WRITE, HEAR, FLIP, INJECT, STEP, END };             /* what happens */

#define STEPS 400 /* of a handshake, at most */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
    struct nki_stream *client;
    struct nki_stream *wire; /* the server's end */
    SSL *ssl;
    BIO *in;
    BIO *out;
    uint8_t held[70000]; /* on the way to the client */
    size_t held_len;
    int flip; /* the bit of the next byte on the way that is turned; -1 none */
    bool shaken;
    bool broken;
    uint64_t said;    /* bytes of plain text by the server */
    uint64_t read;    /* of which the client has read so many */
    uint64_t written; /* by the client, as it was told */
    uint64_t heard;   /* by the server */
    size_t offered;   /* what the last write did not take, and has to be given again */
};

static struct nki_tls_config *config;
static SSL_CTX *server_ctx;

static uint8_t pattern(uint64_t at)
{
    return (uint8_t)(at * 7 + at / 256);
}

static void set_up(void)
{
    const struct nki_tls_material material = {.ca_path = "", .insecure = true};
    struct nki_error err;
    CHECK(nki_tls_config_make(&material, NULL, &config, &err) == NKI_OK);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    CHECK(key != NULL && cert != NULL);
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_set_pubkey(cert, key);
    CHECK(X509_sign(cert, key, EVP_sha256()) > 0);
    server_ctx = SSL_CTX_new(TLS_server_method());
    CHECK(server_ctx != NULL && SSL_CTX_use_certificate(server_ctx, cert) == 1 &&
          SSL_CTX_use_PrivateKey(server_ctx, key) == 1);
    X509_free(cert);
    EVP_PKEY_free(key);
}

/* -- the server --------------------------------------------------------------------------------------------
 */

static void pull(struct run *run)
{
    uint8_t bytes[4096];
    struct iovec iov = {bytes, sizeof bytes};
    ptrdiff_t got;
    while ((got = nki_stream_read(run->wire, &iov, 1)) > 0) {
        CHECK(BIO_write(run->in, bytes, (int)got) == got);
    }
}

static void push(struct run *run)
{
    int got = BIO_read(run->out, run->held + run->held_len, (int)(sizeof run->held - run->held_len));
    if (got > 0) {
        if (run->flip >= 0 && (run->shaken || run->broken)) {
            run->held[run->held_len] ^= (uint8_t)(1 << run->flip % 8);
            run->flip = -1;
        }
        run->held_len += (size_t)got;
    }
    struct iovec iov = {run->held, run->held_len};
    ptrdiff_t sent = run->held_len > 0 ? nki_stream_write(run->wire, &iov, 1) : 0;
    if (sent > 0) {
        run->held_len -= (size_t)sent;
        memmove(run->held, run->held + sent, run->held_len);
    }
}

static void hear(struct run *run)
{
    uint8_t bytes[4096];
    size_t got = 0;
    pull(run);
    ERR_clear_error();
    while (SSL_read_ex(run->ssl, bytes, sizeof bytes, &got) == 1) {
        for (size_t i = 0; i < got; i++) {
            CHECK(bytes[i] == pattern(run->heard + i));
        }
        run->heard += got;
    }
    push(run);
    CHECK(run->heard <= run->written);
}

static void say(struct run *run, size_t len)
{
    uint8_t bytes[4096];
    for (size_t i = 0; i < len; i++) {
        bytes[i] = pattern(run->said + i);
    }
    size_t done = 0;
    ERR_clear_error();
    if (len > 0 && BIO_pending(run->out) < 30000 && SSL_write_ex(run->ssl, bytes, len, &done) == 1) {
        run->said += done;
    }
    push(run);
}

/* -- the client --------------------------------------------------------------------------------------------
 */

static void check_error(struct run *run)
{
    struct nki_error err = {0};
    run->client->ops->explain(run->client, &err);
    CHECK(err.status != NKI_OK && err.text[0] != '\0' &&
          strnlen(err.text, sizeof err.text) < sizeof err.text);
    run->broken = true;
}

static void shake(struct run *run)
{
    struct nki_error err = {0};
    int32_t status = nki_tls_handshake(run->client, &err);
    CHECK(status == NKI_OK || status == NKI_PENDING || status == NKI_TLS || status == NKI_DISCONNECTED ||
          status == NKI_IO);
    run->shaken = status == NKI_OK;
    if (status != NKI_OK && status != NKI_PENDING) {
        CHECK(err.text[0] != '\0' && nki_tls_handshake(run->client, &err) == status);
        run->broken = true;
    }
}

static void read_some(struct run *run, size_t len)
{
    uint8_t bytes[2 * 256];
    struct iovec iov[2] = {{bytes, len / 2}, {bytes + len / 2, len - len / 2}};
    ptrdiff_t got = nki_stream_read(run->client, iov, 2);
    CHECK(got <= (ptrdiff_t)len);
    for (ptrdiff_t i = 0; i < got; i++) {
        CHECK(bytes[i] == pattern(run->read + (uint64_t)i));
    }
    run->read += got > 0 ? (uint64_t)got : 0;
    CHECK(run->read <= run->said);
    if (got == NKI_STREAM_ERROR) {
        check_error(run);
    }
    run->broken = run->broken || got < 0;
}

static void write_some(struct run *run, size_t len)
{
    static uint8_t bytes[256 * 256];
    len = len > run->offered ? len : run->offered;
    for (size_t i = 0; i < len; i++) {
        bytes[i] = pattern(run->written + i);
    }
    struct iovec iov[3] = {{bytes, len / 8}, {bytes + len / 8, len / 2}, {bytes + len / 8 + len / 2, 0}};
    iov[2].iov_len = len - len / 8 - len / 2;
    ptrdiff_t sent = nki_stream_write(run->client, iov, 3);
    CHECK(sent <= (ptrdiff_t)len);
    run->written += sent > 0 ? (uint64_t)sent : 0;
    run->offered = sent > 0 ? len - (size_t)sent : len;
}

static void end_somehow(struct run *run, uint8_t how)
{
    switch (how % 4) {
    case 0:
        nki_stream_shutdown(run->wire);
        break;
    case 1:
        (void)SSL_shutdown(run->ssl);
        break;
    case 2:
        nki_stream_shutdown(run->client);
        break;
    default:
        (void)SSL_key_update(run->ssl, SSL_KEY_UPDATE_REQUESTED);
        (void)SSL_do_handshake(run->ssl);
        break;
    }
    push(run);
}

static void happen(struct run *run, uint8_t what, uint8_t much)
{
    switch (what % 8) {
    case SAY:
        say(run, (size_t)much * 16);
        break;
    case READ:
        read_some(run, (size_t)much * 2 + 1);
        break;
    case WRITE:
        write_some(run, (size_t)much * much);
        break;
    case HEAR:
        hear(run);
        break;
    case FLIP:
        run->flip = much;
        break;
    case INJECT:
        if (run->held_len + much < sizeof run->held) {
            memset(run->held + run->held_len, much, much);
            run->held_len += much;
        }
        push(run);
        break;
    case STEP:
        push(run);
        break;
    default:
        end_somehow(run, much);
        break;
    }
}

static void with_server(struct run *run, uint8_t flags, const uint8_t *data, size_t size)
{
    run->flip = (flags & SPOIL_HANDSHAKE) != 0 && size > 0 ? data[0] : -1;
    run->broken = run->flip >= 0; /* while it shakes hands, too */
    bool spoiled = run->broken;
    for (int i = 0; i < STEPS && !run->shaken && (spoiled || !run->broken); i++) {
        shake(run);
        pull(run);
        ERR_clear_error();
        (void)SSL_do_handshake(run->ssl);
        push(run);
    }
    CHECK(run->shaken || spoiled);
    run->broken = !run->shaken;
    for (size_t at = 0; at + 1 < size && run->shaken; at += 2) {
        happen(run, data[at], data[at + 1]);
    }
}

static void without_server(struct run *run, size_t piece, const uint8_t *data, size_t size)
{
    for (size_t at = 0; at < size && !run->broken && !run->shaken; at += piece) {
        struct iovec iov = {(void *)(uintptr_t)(data + at), piece < size - at ? piece : size - at};
        shake(run);
        (void)nki_stream_write(run->wire, &iov, 1);
        shake(run);
    }
    CHECK(!run->shaken);
    nki_stream_shutdown(run->wire);
    shake(run);
    CHECK(run->broken);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run run;
    if (config == NULL) {
        set_up();
    }
    if (size < 2) {
        return 0;
    }
    uint8_t flags = data[0];
    struct nki_stream *below = NULL;
    struct nki_error err;
    memset(&run, 0, sizeof run);
    CHECK(nki_pair_new(64 + (size_t)data[1] * 64, &below, &run.wire));
    run.client = nki_tls_open(below, config, "127.0.0.1", "peer", &err);
    CHECK(run.client != NULL);
    if ((flags & SERVER) != 0) {
        run.ssl = SSL_new(server_ctx);
        run.in = BIO_new(BIO_s_mem());
        run.out = BIO_new(BIO_s_mem());
        CHECK(run.ssl != NULL && run.in != NULL && run.out != NULL);
        SSL_set_bio(run.ssl, run.in, run.out);
        SSL_set_accept_state(run.ssl);
        (void)SSL_set_max_proto_version(run.ssl, (flags & OLD) != 0 ? TLS1_2_VERSION : TLS1_3_VERSION);
        if ((flags & SMALL_RECORDS) != 0) {
            (void)SSL_set_max_send_fragment(run.ssl, 512);
        }
        with_server(&run, flags, data + 2, size - 2);
    } else {
        without_server(&run, 1 + (size_t)data[1], data + 2, size - 2);
    }
    nki_stream_shutdown(run.client);
    nki_stream_free(run.client);
    nki_stream_free(run.wire);
    SSL_free(run.ssl);
    return 0;
}
