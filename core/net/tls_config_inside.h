/* Shared by tls_config.c and tls.c: what a configuration holds. */
#ifndef NKI_NET_TLS_CONFIG_INSIDE_H
#define NKI_NET_TLS_CONFIG_INSIDE_H

#include "net/tls_config.h"

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

struct nki_tls_config {
    atomic_uint refs;
    uint8_t fingerprint[NKI_TLS_FINGERPRINT]; /* of what it was made of */
    bool insecure;
    SSL_CTX *ctx;
    BIO_METHOD *method; /* the way from OpenSSL to the stream below */

    pthread_mutex_t mu; /* the last of all locks */
    /* guarded by mu: the last session, to be resumed with the same peer */
    SSL_SESSION *session;
    char peer[NKI_TLS_PEER_MAX];
};

/* tls.c; NULL if there is no memory. */
BIO_METHOD *nki_tls_bio_method(void);
/* Why OpenSSL's last call did not succeed: its oldest reason, in a few words; empties the thread's list of
 * errors. */
const char *nki_tls_reason(unsigned long *code);

#endif
