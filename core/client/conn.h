/* A connection as callers of any thread use it: checks nothing (capi does), blocks where a deadline is given.
 *
 * Reference counted. Whoever opened it owns one reference; subscriptions and operations hold their own, so
 * every function here is safe as long as the caller holds a reference of the object it passes. */
#ifndef NKI_CLIENT_CONN_H
#define NKI_CLIENT_CONN_H

#include "base/buf.h"
#include "base/status.h"
#include "delivery/event.h"
#include "delivery/inlet.h"
#include "delivery/op.h"
#include "options/options.h"
#include "wire/info.h"

struct nki_conn;
struct nki_sub;

enum nki_conn_state {
    NKI_STATE_CONNECTING = 1,
    NKI_STATE_CONNECTED,
    NKI_STATE_RECONNECTING,
    NKI_STATE_CLOSED
};

struct nki_conn_params {
    struct nki_str urls;               /* may be empty: option `servers`, else the default */
    const struct nki_options *options; /* scope CONNECT, or NULL */
    uint64_t origin;                   /* number that its messages carry */
    int64_t deadline_ns;               /* of the first connect */
};

/* Begins to connect. `*op` (may be asked for with NULL: then nobody waits) gets an operation, with one
 * reference for the caller, that finishes with the first connect. */
int32_t nki_conn_open(const struct nki_conn_params *params, struct nki_conn **out, struct nki_op **op,
                      struct nki_error *err);
void nki_conn_retain(struct nki_conn *conn);
void nki_conn_release(struct nki_conn *conn);
/* The number that its messages carry. */
uint64_t nki_conn_origin(const struct nki_conn *conn);

/* Flushes until the deadline, then ends the connection, its subscriptions and operations. NKI_OK or
 * NKI_TIMEOUT; closing again is harmless. With a deadline of 0 it does not wait. */
int32_t nki_conn_close(struct nki_conn *conn, int64_t deadline_ns);
/* Begins that; the operation (one reference for the caller) finishes when the connection has ended, with
 * NKI_OK, NKI_TIMEOUT or NKI_DISCONNECTED. */
int32_t nki_conn_close_start(struct nki_conn *conn, int64_t deadline_ns, struct nki_op **op,
                             struct nki_error *err);

/* See nki_engine_reconnect and nki_engine_answer_delay. */
int32_t nki_conn_reconnect(struct nki_conn *conn, struct nki_error *err);
int32_t nki_conn_answer_delay(struct nki_conn *conn, uint64_t request, int64_t delay_ms);

/* See nki_engine_answer_auth; `answer` (scope AUTH) may be NULL: nothing but what is configured. */
int32_t nki_conn_answer_auth(struct nki_conn *conn, uint64_t request, const struct nki_options *answer,
                             struct nki_error *err);

/* The following begin operations, with one reference for the caller; see natskit.h for what they do. An
 * operation times out by itself at its deadline. */
int32_t nki_conn_closed(struct nki_conn *conn, int64_t deadline_ns, struct nki_op **op,
                        struct nki_error *err);
int32_t nki_conn_drain(struct nki_conn *conn, int64_t deadline_ns, struct nki_op **op, struct nki_error *err);
int32_t nki_conn_written(struct nki_conn *conn, int64_t deadline_ns, struct nki_op **op,
                         struct nki_error *err);
int32_t nki_sub_drain(struct nki_sub *sub, int64_t deadline_ns, struct nki_op **op, struct nki_error *err);

/* A message to be published; subject and reply were checked. */
struct nki_outgoing_msg {
    struct nki_str subject;
    struct nki_str reply;
    struct nki_str header_block; /* empty: none */
    struct nki_str data;
};

/* NKI_OK: accepted, in call order. NKI_TOO_LARGE, NKI_NO_HEADERS, NKI_WOULD_BLOCK (deadline 0), NKI_TIMEOUT,
 * NKI_CLOSED, NKI_NO_MEMORY: nothing of it was or will be sent. */
int32_t nki_conn_publish(struct nki_conn *conn, const struct nki_outgoing_msg *msg, int64_t deadline_ns);
/* The same for a reply, which is worth a write of its own. */
int32_t nki_conn_respond(struct nki_conn *conn, const struct nki_outgoing_msg *msg, int64_t deadline_ns);
/* Several with one hand-over; `*published` tells how many were accepted. */
int32_t nki_conn_publish_batch(struct nki_conn *conn, const struct nki_outgoing_msg *msgs, size_t count,
                               int64_t deadline_ns, size_t *published);

/* Sends a request; the caller gets one reference of `*op`. With `timed` the operation finishes with
 * NKI_TIMEOUT at its deadline by itself (otherwise the caller watches). Does not wait for room unless
 * `wait_room`. */
int32_t nki_conn_request(struct nki_conn *conn, const struct nki_outgoing_msg *msg, int64_t deadline_ns,
                         bool timed, bool wait_room, struct nki_op **op, struct nki_error *err);
/* How a request is made that is not one over the common inbox. */
struct nki_request_params {
    bool own_sub;         /* a subscription of its own */
    struct nki_str reply; /* subject of that, checked; empty: a new inbox */
    bool keep;            /* it outlives its transport */
};
/* The same with these; does not wait for room. */
int32_t nki_conn_request_with(struct nki_conn *conn, const struct nki_outgoing_msg *msg,
                              const struct nki_request_params *params, int64_t deadline_ns,
                              struct nki_op **op, struct nki_error *err);

/* Sends a PING whose PONG finishes the operation. */
int32_t nki_conn_flush(struct nki_conn *conn, int64_t deadline_ns, bool timed, struct nki_op **op,
                       struct nki_error *err);

/* An operation that finishes when the outbox has room for `bytes` bytes. */
int32_t nki_conn_room(struct nki_conn *conn, uint64_t bytes, int64_t deadline_ns, struct nki_op **op,
                      struct nki_error *err);

/* Blocks until the operation has finished or the deadline has passed, reading the socket itself when nobody
 * does: NKI_OK, NKI_TIMEOUT, NKI_WOULD_BLOCK (deadline 0), NKI_CLOSED. `conn` is the one that it belongs to.
 */
int32_t nki_conn_wait_op(struct nki_conn *conn, struct nki_op *op, int64_t deadline_ns);
/* By a caller that has asked something of the connection and is about to wait for it with a set: writes the
 * requests that have gathered. */
void nki_conn_before_wait(struct nki_conn *conn);
/* By a loop that was called for that (nki_waitset_answer). */
void nki_conn_write_parked(struct nki_conn *conn);
/* By a caller that polls a set's descriptor: after it has collected something of the connection, and (the set
 * reads for the connection: nki_waitset_reads) before it collects. */
void nki_lease_offer(struct nki_conn *conn, struct nki_waitset *set);
void nki_lease_read(struct nki_conn *conn, struct nki_waitset *set);
/* nki_waitset_wait, reading the connection's socket itself: NKI_WOULD_BLOCK if it may not, or no longer, and
 * at the deadline. The set may hold objects of others, too; `again`: it does not, so that the next wait with
 * it is for this connection as well. */
int32_t nki_conn_wait_set(struct nki_conn *conn, struct nki_waitset *set, struct nki_wait_record *records,
                          size_t cap, bool again, int64_t deadline_ns, size_t *count);
/* nki_waitset_wait with a deadline (not 0) by a caller that counts as waiting for the connection: reads
 * itself while a stream comes, else leaves that to others. */
int32_t nki_conn_wait_stream(struct nki_conn *conn, struct nki_waitset *set, struct nki_wait_record *records,
                             size_t cap, bool again, int64_t deadline_ns, size_t *count);
/* Nobody wants the operation's result any more: forgets its token and timer, and marks it closed. The caller
 * keeps its reference. */
void nki_conn_cancel(struct nki_conn *conn, struct nki_op *op);

struct nki_sub_params {
    struct nki_str subject; /* checked; empty: nothing is asked of the server, a feed brings its messages */
    struct nki_str queue;   /* checked; may be empty */
    struct nki_inlet_limits limits;
    uint64_t max;     /* messages after which it ends; 0: never */
    int64_t first_ns; /* time for the first message; 0: no limit */
    bool tails;       /* its messages have tails (delivery/msg.h), which are told when they are taken */
};

/* One reference for the caller. */
int32_t nki_conn_subscribe(struct nki_conn *conn, const struct nki_sub_params *params, struct nki_sub **out,
                           struct nki_error *err);

struct nki_many_params {
    struct nki_str reply; /* as in nki_request_params */
    struct nki_inlet_limits limits;
    uint64_t max;        /* messages; 0: no limit */
    int64_t deadline_ns; /* of the whole */
    int64_t stall_ns;    /* time for each message after the first; 0: no limit */
    bool sentinel;       /* an empty message ends it, and is not queued */
    bool keep;
};
/* Sends a request whose answer is any number of messages, which the subscription gets. Does not wait for
 * room. */
int32_t nki_conn_request_many(struct nki_conn *conn, const struct nki_outgoing_msg *msg,
                              const struct nki_many_params *params, struct nki_sub **out,
                              struct nki_error *err);

struct nki_events_params {
    struct nki_inlet_limits limits;
    bool debug;   /* pings, too */
    bool answers; /* gets the requests to the application */
};

/* A subscription to the connection's events. NKI_BUSY: another one answers. */
int32_t nki_conn_events(struct nki_conn *conn, const struct nki_events_params *params, struct nki_sub **out,
                        struct nki_error *err);

struct nki_conn_status {
    enum nki_conn_state state;
    int32_t reason;
    char reason_text[240];
    int64_t connected_ms; /* since the present connection was made; -1: there is none */
    int64_t silent_ms;    /* since the server's last byte on the present transport; -1: none has come */
    const char *late;     /* what an attempt that runs waits for; static, empty if none does */
    uint64_t epoch;
    bool draining;
    char url[272];
    struct nki_info info;
    bool secured; /* by TLS, of which the following tell */
    bool tls_insecure;
    bool tls_resumed;
    char tls_version[16];
    char tls_cipher[64];
};
void nki_conn_status_get(struct nki_conn *conn, struct nki_conn_status *out);

struct nki_conn_counts {
    uint64_t in_msgs;
    uint64_t in_bytes;
    uint64_t out_msgs;
    uint64_t out_bytes;
    uint64_t pending_out_bytes;
    uint64_t dropped_msgs;
    uint64_t orphan_msgs;
    uint64_t late_replies;
    uint64_t unconfirmed;
    uint64_t unsent;
    uint64_t reconnects;
    uint64_t subs;
    uint64_t requests;
    uint64_t abandoned_msgs;
};
void nki_conn_counts_get(struct nki_conn *conn, struct nki_conn_counts *out);

/* See nki_engine_servers_set and nki_servers_emit. */
int32_t nki_conn_servers_set(struct nki_conn *conn, struct nki_str urls, struct nki_error *err);
int32_t nki_conn_servers(struct nki_conn *conn, struct nki_buf *out);

/* Copies the last INFO: its length, or 0 if there was none; nothing is copied if it does not fit. */
size_t nki_conn_server_info(struct nki_conn *conn, char *out, size_t cap);
/* Appends the last lines of the protocol as JSON (trace.h). False without memory. */
bool nki_conn_trace(struct nki_conn *conn, struct nki_buf *out);
/* Writes a new inbox subject; its length, also if it does not fit (then nothing is written). */
size_t nki_conn_new_inbox(struct nki_conn *conn, char *out, size_t cap);

/* Subscriptions. */
void nki_sub_retain(struct nki_sub *sub);
void nki_sub_release(struct nki_sub *sub);
struct nki_inlet *nki_sub_inlet(struct nki_sub *sub);
uint64_t nki_sub_sid(const struct nki_sub *sub);
/* Why it has ended, with the server's words if there are some; NKI_PENDING while it lives. */
int32_t nki_sub_reason(struct nki_sub *sub, struct nki_error *err);
uint64_t nki_sub_max(struct nki_sub *sub);
bool nki_sub_draining(struct nki_sub *sub);
/* Empty for events. They live as long as it. */
struct nki_str nki_sub_subject_of(const struct nki_sub *sub);
struct nki_str nki_sub_queue_of(const struct nki_sub *sub);
/* The connection that it belongs to; lives as long as it. */
struct nki_conn *nki_sub_conn(const struct nki_sub *sub);
/* One more, or one less, handles what was taken. False if there is none less. */
bool nki_sub_hold(struct nki_sub *sub, bool on);
/* Takes up to `cap` messages, blocking for the first until the deadline: NKI_OK, NKI_WOULD_BLOCK,
 * NKI_TIMEOUT, NKI_END, NKI_CLOSED. `ahead`: who takes hands them out one by one, and for what asks for more
 * they wait, but the first, until somebody takes again. */
int32_t nki_sub_take(struct nki_sub *sub, struct nki_msg **out, size_t cap, bool ahead, int64_t deadline_ns,
                     size_t *count);
/* Ends it at once (max 0) or after `max` messages in all; what is queued stays. NKI_OK also if it has ended
 * before. */
int32_t nki_sub_unsubscribe(struct nki_sub *sub, uint64_t max);
/* The same at once, in any case: without memory the server is not told, and what it sends is dropped. */
void nki_sub_end(struct nki_sub *sub);
/* The handle was closed: unsubscribes and drops what is queued. */
void nki_sub_close(struct nki_sub *sub);
/* The caller's reference goes: nobody takes from it, and it ends by itself (a feed). */
void nki_sub_leave(struct nki_sub *sub);

/* The process. */

/* Ends the I/O thread and the resolver's; every connection was closed before. False if the deadline passed.
 */
bool nki_client_shutdown(int64_t deadline_ns);
/* In a child after fork: the parent's threads and connections are not ours. Lock-free. */
void nki_client_forget(void);

#endif
