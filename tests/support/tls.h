/* SPDX-License-Identifier: Apache-2.0
 *
 * One side of a TLS connection without I/O: bytes of the wire go in and come out, so that whoever uses it can
 * cut, stall and spoil them. One thread.
 */
#ifndef TS_TLS_H
#define TS_TLS_H

#include "text.h"

#include <stdbool.h>
#include <stddef.h>

struct ts_tls;

/* Files are those of a wallet (wallet.h); versions are 1.1, 1.2, 1.3 as 11, 12, 13, or 0. */
struct ts_tls_opts {
    const char *dir;
    const char *cert; /* NAME.pem and NAME.key; NULL: none (a client) */
    const char
        *authority;   /* NAME.pem: the other side has to show a certificate that it signed; NULL: anybody */
    const char *host; /* client: what it asks for and wants to see; NULL: looks at nothing */
    int min, max;
};

/* NULL with the reason printed. */
struct ts_tls *ts_tls_server(const struct ts_tls_opts *opts);
/* One that knows the sessions of another, which it is made like. */
struct ts_tls *ts_tls_server_like(const struct ts_tls *other);
struct ts_tls *ts_tls_client(const struct ts_tls_opts *opts);
/* A client offers the session of another one, which has read something already. */
void ts_tls_offer(struct ts_tls *tls, const struct ts_tls *other);
void ts_tls_free(struct ts_tls *tls);

/* Bytes that came from the wire. */
void ts_tls_feed(struct ts_tls *tls, const void *bytes, size_t len);

/* Appends the bytes that have to go to the wire. */
void ts_tls_take_out(struct ts_tls *tls, struct ts_buf *out);

/* 1: done, 0: wants more bytes, -1: failed (ts_tls_error); an alert may have to go out in each case. */
int ts_tls_handshake(struct ts_tls *tls);

/* Number of bytes, 0: none at the moment, -1: the end, by close_notify or a failure. */
int ts_tls_read(struct ts_tls *tls, char *bytes, size_t cap);
bool ts_tls_write(struct ts_tls *tls, const char *bytes, size_t len);

bool ts_tls_close_notify(struct ts_tls *tls);
bool ts_tls_key_update(struct ts_tls *tls);  /* TLS 1.3; the other side has to do the same */
bool ts_tls_renegotiate(struct ts_tls *tls); /* TLS 1.2 */

bool ts_tls_resumed(struct ts_tls *tls);
const char *ts_tls_error(const struct ts_tls *tls); /* "" if nothing went wrong */
const char *ts_tls_server_name(struct ts_tls *tls); /* what the client asked for, or "-" */
const char *ts_tls_peer_name(struct ts_tls *tls, char *name, size_t cap); /* common name, or "-" */

/* What a stream of the wire holds beside TLS. {0} at the start of it. */
struct ts_tls_scan {
    unsigned char head[5];
    size_t head_len;
    size_t left;        /* of the record */
    size_t records;     /* whole ones */
    unsigned char type; /* of the first record */
    bool lost;          /* what came is not TLS */
};

/* The number of bytes that are no part of TLS. */
size_t ts_tls_scan(struct ts_tls_scan *scan, const char *bytes, size_t len);

#endif
