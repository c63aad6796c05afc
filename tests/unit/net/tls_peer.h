/* The other end of a TLS connection for tests: OpenSSL's own server over a stream in memory, and certificates
 * made at the start of the program. One thread. */
#ifndef UNIT_TLS_PEER_H
#define UNIT_TLS_PEER_H

#include "net/stream.h"

struct peer;

void peer_make_certificates(void);
void peer_forget_certificates(void);
/* PEM texts. Certificates: "good", "expired", "early" (not yet valid), all by peer_ca for server.test,
 * 127.0.0.1 and ::1; "self" is its own issuer. */
const char *peer_ca(void);
const char *peer_other_ca(void);
const char *peer_cert(void);
const char *peer_cert_of(const char *name);
const char *peer_key(void);
const char *peer_other_key(void);

/* A server over `stream`, which it owns. */
struct peer *peer_new(struct nki_stream *stream, const char *cert, const char *key);
void peer_free(struct peer *peer);
/* Servers made from now on know each other's sessions, or each its own. */
void peer_share_tickets(bool share);
/* Servers made from now on give sessions of so many bytes more, in records of 512; 0: as usual. */
void peer_large_tickets(size_t bytes);
/* A step of the handshake. */
void peer_step(struct peer *peer);
/* Whether it is done, for the server. */
bool peer_is_done(const struct peer *peer);
/* Reads and writes what goes. */
size_t peer_read(struct peer *peer, void *out, size_t len);
size_t peer_write(struct peer *peer, const void *data, size_t len);
/* Bytes outside TLS. */
void peer_raw(struct peer *peer, const void *data, size_t len);
void peer_say_goodbye(struct peer *peer);
bool peer_heard_goodbye(const struct peer *peer);
/* Ends the stream without a word. */
void peer_cut(struct peer *peer);

#endif
