/* TLS as a filter over another stream. Threads as in stream.h; a mutex inside keeps reader and writer apart.
 */
#ifndef NKI_NET_TLS_H
#define NKI_NET_TLS_H

#include "net/stream.h"
#include "net/tls_config.h"

/* A stream over `below`, which it owns from now on, to be used once the handshake is done. `host` is the name
 * (also told to the server, SNI) or address that its certificate must be for; `peer` the name under which its
 * session is kept and resumed. References: takes one of `config`. NULL with `err` (NKI_NO_MEMORY, NKI_TLS);
 * `below` is the caller's then. */
struct nki_stream *nki_tls_open(struct nki_stream *below, struct nki_tls_config *config, const char *host,
                                const char *peer, struct nki_error *err);
/* One step, by the reader: NKI_OK when it is done, NKI_PENDING (wait for the descriptor, see
 * stream.wants_write), NKI_TLS_CERTIFICATE, NKI_TLS, NKI_DISCONNECTED, NKI_IO, with `err`. */
int32_t nki_tls_handshake(struct nki_stream *stream, struct nki_error *err);

struct nki_tls_state {
    char version[16]; /* "TLSv1.3" */
    char cipher[64];
    bool resumed;
    bool insecure; /* any certificate is accepted */
};

/* Of a stream whose handshake is done. */
void nki_tls_describe(struct nki_stream *stream, struct nki_tls_state *out);

#endif
