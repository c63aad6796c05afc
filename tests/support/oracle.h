/* SPDX-License-Identifier: Apache-2.0
 *
 * The wire oracle: a strict, incremental parser of what a NATS client writes. It is written from the
 * protocol's description alone and shares no code with the client, so that both can not be wrong in the same
 * way. Where the server is lenient (lower-case ops, runs of blanks, missing CR) the oracle is not: our client
 * has one way to write each frame.
 *
 * One oracle watches one connection; it has no lock: feed it from one thread at a time.
 */
#ifndef TS_ORACLE_H
#define TS_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ts_oracle;

enum ts_op {
    TS_OP_CONNECT,
    TS_OP_PUB,
    TS_OP_HPUB,
    TS_OP_SUB,
    TS_OP_UNSUB,
    TS_OP_PING,
    TS_OP_PONG,
    TS_OP_COUNT
};

/* 0 and false are the defaults, so that {0} is the strictest useful setting. */
struct ts_oracle_limits {
    uint64_t max_payload;    /* headers + payload of one message; default 1048576 */
    size_t max_control_line; /* bytes of arguments, as the server counts them; default 4096 */
    size_t max_connect;      /* bytes of the CONNECT JSON; default 65536 */
    bool headers_optional; /* the server said headers:false: CONNECT may say so too, HPUB is then an error */
    bool any_connect_member; /* allow members of CONNECT that are not in the protocol's list */
};

struct ts_oracle_counts {
    uint64_t bytes; /* all bytes fed */
    uint64_t ops[TS_OP_COUNT];
    uint64_t pub_bytes; /* headers + payload of PUB and HPUB */
    uint64_t subs_live; /* SUBs without a plain UNSUB; those with a maximum stay counted */
};

struct ts_slice {
    const char *at; /* NULL when absent */
    size_t len;
};

/* One whole frame. The slices live until the callback returns. */
struct ts_frame {
    enum ts_op op;
    uint64_t offset;      /* of the first byte of the frame in the connection */
    struct ts_slice line; /* the control line without CRLF */
    struct ts_slice subject;
    struct ts_slice reply;
    struct ts_slice queue;
    struct ts_slice header;  /* the whole header block */
    struct ts_slice payload; /* of CONNECT: the JSON */
    uint64_t sid;
    uint64_t max; /* UNSUB; 0 when absent */
};

typedef void ts_frame_fn(void *ctx, const struct ts_frame *frame);

struct ts_oracle *ts_oracle_new(const struct ts_oracle_limits *limits);
void ts_oracle_free(struct ts_oracle *oracle);

/* With a callback payloads are collected; without one they are skipped and cost nothing. Set it before
 * feeding. */
void ts_oracle_on_frame(struct ts_oracle *oracle, ts_frame_fn *fn, void *ctx);

/* 0 or, from the first violation on, -1. */
int ts_oracle_feed(struct ts_oracle *oracle, const void *bytes, size_t len);

/* The connection ended. A started frame is a violation unless allow_partial (the transport was cut). */
int ts_oracle_finish(struct ts_oracle *oracle, bool allow_partial);

/* NULL, or what was wrong, where, with an excerpt. */
const char *ts_oracle_error(const struct ts_oracle *oracle);

const struct ts_oracle_counts *ts_oracle_counts(const struct ts_oracle *oracle);

/* What a later INFO of the server said. */
void ts_oracle_set_max_payload(struct ts_oracle *oracle, uint64_t max_payload);
void ts_oracle_set_headers_optional(struct ts_oracle *oracle);

/* True between two frames. */
bool ts_oracle_at_boundary(const struct ts_oracle *oracle);

/* Bytes of headers, payload and final CRLF that are still to come for the current PUB or HPUB, else 0. */
uint64_t ts_oracle_body_left(const struct ts_oracle *oracle);

const char *ts_op_name(enum ts_op op);

#endif
