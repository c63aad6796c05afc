/* The protocol of a connection as a state machine without I/O: bytes, time and commands in; frames into the
 * outbox, messages, completions and events out. Who drives it (client/conn.c under the engine lock, or a test
 * with its own clock) is not its concern: it knows no socket, thread or clock.
 *
 *   IDLE -> DIALING -> WAIT_INFO -> WAIT_TLS -> WAIT_AUTH -> WAIT_PONG -> CONNECTED
 *              ^            |           |           |            |            |
 *              |            v           v           v            v            v
 *              +--------- BACKOFF <-----+-----------+------------+------------+
 *   any -> CLOSED
 *
 * Without TLS, or without a question to the application, those states are passed over; with TLS before INFO
 * WAIT_TLS comes first; with WebSocket WAIT_UPGRADE comes before WAIT_INFO, behind the TLS of wss://. When a
 * transport is lost or refused, the next server of the round is tried, or there is a pause when all were.
 *
 * Every function is called with the engine lock held, and with the time now in ns of a monotonic clock. After
 * each call the driver looks at `want`, clears what it has done, and asks nki_engine_deadline_ns when to call
 * nki_engine_tick. */
#ifndef NKI_CLIENT_ENGINE_H
#define NKI_CLIENT_ENGINE_H

#include "auth/credentials.h"
#include "base/heap.h"
#include "client/outbox.h"
#include "client/replies.h"
#include "client/servers.h"
#include "client/subs.h"
#include "net/resolve.h"
#include "wire/parse.h"

#include <stdatomic.h>

enum nki_engine_state {
    NKI_ENGINE_IDLE,
    NKI_ENGINE_DIALING,
    NKI_ENGINE_WAIT_INFO,
    NKI_ENGINE_WAIT_TLS,
    NKI_ENGINE_WAIT_UPGRADE,
    NKI_ENGINE_WAIT_AUTH,
    NKI_ENGINE_WAIT_PONG,
    NKI_ENGINE_CONNECTED,
    NKI_ENGINE_BACKOFF,
    NKI_ENGINE_CLOSED
};

/* What the engine asks of its driver. */
#define NKI_WANT_DIAL 1u     /* connect to servers.current, then nki_engine_connected or nki_engine_lost */
#define NKI_WANT_HANGUP 2u   /* shut the transport down and let go of it (before dialing again) */
#define NKI_WANT_KICK 4u     /* the engine holds the transmit right of the outbox: take it over */
#define NKI_WANT_TLS 8u      /* secure the transport, then nki_engine_secured or nki_engine_lost */
#define NKI_WANT_UPGRADE 16u /* upgrade it to WebSocket, then nki_engine_upgraded or nki_engine_lost */

#define NKI_PINGS_MAX 4096 /* pings (flushes) that wait for their PONG */

/* Words of option tls. */
enum { NKI_TLS_AUTO, NKI_TLS_REQUIRE, NKI_TLS_OFF };

enum nki_ping_kind {
    NKI_PING_PLAIN,      /* of a flush, or of the liveness check */
    NKI_PING_CLOSES,     /* the last one of a close that lingers */
    NKI_PING_DRAINS_SUB, /* behind the UNSUB of one subscription */
    NKI_PING_DRAINS_ALL, /* behind the UNSUBs of all */
    NKI_PING_MOVES       /* the last one before a move to another server; goes before all that is held */
};

struct nki_ping {
    enum nki_ping_kind kind;
    struct nki_op *op;   /* of a flush: a reference; NULL: of the liveness check */
    struct nki_sub *sub; /* of one that is drained: a reference */
    uint64_t mark;       /* messages accepted before it */
};

struct nki_pings {
    struct nki_ping *ring;
    uint32_t cap; /* power of two, or 0 */
    uint32_t head;
    uint32_t count;
    uint32_t unanswered; /* of the liveness check */
    int64_t asked_ns;    /* the first of those */
};

/* Moving away from a server that will leave: lame_duck.c. */
enum nki_move_phase {
    NKI_MOVE_NONE,
    NKI_MOVE_LATER,
    NKI_MOVE_QUIET,
    NKI_MOVE_SETTLE, /* from here on the outbox is held */
    NKI_MOVE_LEAVE
};

struct nki_move {
    enum nki_move_phase phase;
    bool going;           /* the transport is being given up for it */
    int64_t at_ns;        /* end of the phase; NKI_NEVER */
    uint64_t held_serial; /* of the first request that was begun in the hold, */
    uint64_t held_sid;    /* of the first subscription, */
    uint64_t mark;        /* messages accepted before it, */
    uint32_t held_pings;  /* pings since */
};

struct nki_engine_counts {
    uint64_t in_msgs;
    uint64_t in_bytes;
    uint64_t dropped_msgs;
    uint64_t orphan_msgs;
    uint64_t unconfirmed;
    uint64_t unsent;
    uint64_t reconnects;
    uint64_t abandoned_msgs;
};

/* Who the user is, at the attempt that runs. */
struct nki_login {
    struct nki_credentials credentials; /* of seeds and credentials files; names are the options' */
    uint64_t request;                   /* to the application; 0: none */
    int64_t deadline_ns;                /* for its answer */
    struct nki_credentials answer;
    struct nki_secret signature; /* that the application made itself */
};

/* What the application answers. */
struct nki_answer {
    struct nki_credentials credentials;
    struct nki_secret signature;
};

/* The pause that the application was asked about. */
struct nki_delay {
    uint64_t request; /* 0: none is asked for */
    int64_t asked_ns;
};

struct nki_engine {
    struct nki_options *options; /* scope CONNECT */
    uint64_t origin;             /* number that messages carry */
    struct nki_outbox outbox;    /* has its own lock */
    struct nki_slab slab;
    struct nki_parser parser;
    struct nki_rand rand;
    struct nki_nuid nuid;
    struct nki_servers servers;
    struct nki_subs subs;
    struct nki_replies replies;
    struct nki_pings pings;
    struct nki_heap timers; /* of operations */
    struct nki_heap pauses; /* of chains (chain.h) that wait before their next request */

    enum nki_engine_state state;
    uint32_t want;
    uint64_t epoch;
    uint32_t rounds;    /* without success, in a row */
    uint32_t brief;     /* connections in a row that were lost as soon as they were made */
    bool was_connected; /* the first connect has succeeded */
    bool auth_refused;  /* in this round: the next pause is the longest */
    bool forced;        /* the application gives up the transport */
    uint64_t requests;  /* to the application, so far */
    struct nki_delay delay;
    struct nki_login login;
    struct nki_move move;
    struct nki_error last_error;
    struct nki_stream *stream; /* of the present transport; the driver's */
    bool secured;              /* ... which is TLS */

    int64_t first_deadline_ns;   /* of the first connect */
    int64_t attempt_deadline_ns; /* of the attempt that runs */
    int64_t backoff_ns;          /* end of the pause */
    int64_t ping_ns;             /* next ping */
    int64_t connected_ns;        /* when the present connection was made */
    int64_t heard_ns;            /* when the server's last bytes came on it; NKI_NEVER */
    int64_t pong_ns;             /* when the last PONG came on any; NKI_NEVER */
    int64_t lame_duck_ns;        /* when the server said that it will leave */
    int64_t lost_ns;             /* when there began to be no connection */
    int64_t stall_ns;            /* when the socket has taken nothing for too long */
    int64_t outage_ns;           /* when there was no connection for too long */
    int64_t drain_deadline_ns;   /* of a drain of all */
    int64_t close_deadline_ns;   /* of a close that lingers */
    struct nki_op *connect_op;   /* a reference, until the first connect has ended */
    struct nki_op *drain_op;     /* a reference, while all is drained */
    struct nki_op *close_op;     /* a reference, while a close lingers */
    struct nki_list closed_ops;  /* wait for the end, a reference each */
    bool draining;               /* all is drained: no new subscriptions */
    bool subs_ended;             /* ... and those that there were have ended */
    bool all_taken;              /* ... and was taken, and no request waits: it is closing for that */
    uint64_t drains;             /* subscriptions that are being drained */
    bool closing;
    bool by_application; /* it was closed or drained by it, in time */
    bool confirmed;      /* ... and the server has confirmed what it had to */

    struct nki_info info;
    bool info_told; /* by this transport */
    struct nki_buf info_json;

    /* what publishing has to know of it without the engine lock; written before an event tells of the
     * connection */
    _Atomic int64_t max_payload;
    atomic_bool headers;

    struct nki_sub *incoming_sub; /* of a message whose body is not complete: a reference, or NULL */
    struct nki_msg *incoming;     /* NULL: its body is passed over */
    uint32_t incoming_got;
    bool incoming_reply; /* for the reply router */

    struct nki_engine_counts counts;
};

/* NKI_OK, NKI_INVALID, NKI_LIMIT or NKI_NO_MEMORY. Takes over `options` in any case. */
int32_t nki_engine_init(struct nki_engine *engine, struct nki_options *options, struct nki_str urls,
                        struct nki_error *err);
/* It was closed before. */
void nki_engine_free(struct nki_engine *engine);

/* Begins with the first server. `connect_op`: a reference is taken over; may be NULL. */
void nki_engine_start(struct nki_engine *engine, struct nki_op *connect_op, int64_t deadline_ns,
                      int64_t now_ns);
/* Driver: what files and seeds say of the user, before the transport is there. Takes them over. */
void nki_engine_set_credentials(struct nki_engine *engine, struct nki_credentials *credentials);
/* Whether TLS was asked for with the present server: then nothing is sent without it. */
bool nki_engine_tls_intent(const struct nki_engine *engine);
/* The transport that was wanted is there. */
void nki_engine_connected(struct nki_engine *engine, struct nki_stream *stream, int64_t now_ns);
/* The filter that is to secure or upgrade it is there; nothing but its handshake goes through it yet. */
void nki_engine_filtered(struct nki_engine *engine, struct nki_stream *stream);
/* Its handshake is done. */
void nki_engine_secured(struct nki_engine *engine, int64_t now_ns);
void nki_engine_upgraded(struct nki_engine *engine);
/* Whether a filter's handshake comes before anything else that is read. */
static inline bool nki_engine_before_filter(const struct nki_engine *engine)
{
    return engine->state == NKI_ENGINE_WAIT_TLS || engine->state == NKI_ENGINE_WAIT_UPGRADE;
}
/* The attempt or the transport has failed; `error` says how. Harmless if there is none. */
void nki_engine_lost(struct nki_engine *engine, const struct nki_error *error, int64_t now_ns);
/* Bytes of the server. */
void nki_engine_feed(struct nki_engine *engine, const uint8_t *data, size_t len, int64_t now_ns);
/* Where the next bytes of a large message's body belong, so that they can be read to their place: their
 * number, at least `min`, or 0. The driver then calls nki_engine_fed_body with how many it has read there. */
size_t nki_engine_body_room(const struct nki_engine *engine, size_t min, uint8_t **out);
void nki_engine_fed_body(struct nki_engine *engine, size_t len);
void nki_engine_tick(struct nki_engine *engine, int64_t now_ns);
/* The socket has taken something, or (`blocked`) takes no more now. */
void nki_engine_writing(struct nki_engine *engine, bool blocked, int64_t now_ns);
int64_t nki_engine_deadline_ns(const struct nki_engine *engine);
/* Ends everything: subscriptions, operations, events. `reason` 0: the application asked. */
void nki_engine_close(struct nki_engine *engine, const struct nki_error *reason, int64_t now_ns);
/* Ends it once what was published is confirmed, or at the deadline; `op` (a reference is taken over) finishes
 * then. */
void nki_engine_close_linger(struct nki_engine *engine, struct nki_op *op, int64_t deadline_ns,
                             int64_t now_ns);

/* pool.c: the servers that a connection begins with. NKI_OK, NKI_INVALID, NKI_LIMIT, NKI_NO_MEMORY. */
int32_t nki_engine_servers_init(struct nki_engine *engine, struct nki_str urls, struct nki_error *err);
/* The addresses of a server as they are to be tried. */
void nki_engine_arrange(struct nki_engine *engine, struct nki_addrs *addrs);
/* Replaces the servers that the application gave by those of `urls`, several cut at commas; those that the
 * cluster told of stay, as does the present connection. NKI_OK, NKI_INVALID, NKI_LIMIT, NKI_NO_MEMORY,
 * NKI_CLOSED. */
int32_t nki_engine_servers_set(struct nki_engine *engine, struct nki_str urls, struct nki_error *err,
                               int64_t now_ns);
/* What the attempt that runs waits for, as a text for when its time is over; empty if none runs. Static. */
const char *nki_engine_late(const struct nki_engine *engine);
/* Gives up the transport, or the pause, for the application. NKI_OK, NKI_DRAINING, NKI_CLOSED. */
int32_t nki_engine_reconnect(struct nki_engine *engine, int64_t now_ns);
/* The application's answer on how long the pause is. NKI_OK, NKI_NOT_FOUND. */
int32_t nki_engine_answer_delay(struct nki_engine *engine, uint64_t request, int64_t delay_ms,
                                int64_t now_ns);
/* The application's answer on who the user is; it is taken over unless it comes too late. NKI_OK,
 * NKI_NOT_FOUND. */
int32_t nki_engine_answer_auth(struct nki_engine *engine, uint64_t request, struct nki_answer *answer,
                               int64_t now_ns);
/* Reads an answer from options of scope AUTH. Any thread. NKI_CREDENTIALS, NKI_NO_MEMORY, with `answer`
 * empty. */
int32_t nki_answer_read(struct nki_answer *answer, const struct nki_options *options, struct nki_error *err);
void nki_answer_free(struct nki_answer *answer);
/* Asks once more if an answer is waited for: who answers has come later than the question. */
void nki_engine_ask_auth(struct nki_engine *engine);
/* The operation finishes when the connection has ended. False if there is no memory. */
bool nki_engine_closed_op(struct nki_engine *engine, struct nki_op *op, int64_t deadline_ns);

/* Drains one subscription, or all and then the connection: `op` finishes then (a reference is taken). NKI_OK,
 * NKI_DRAINING, NKI_CLOSED, NKI_NO_MEMORY, NKI_LIMIT; then nothing has changed. */
int32_t nki_engine_drain_sub(struct nki_engine *engine, struct nki_sub *sub, struct nki_op *op,
                             int64_t deadline_ns, int64_t now_ns);
int32_t nki_engine_drain(struct nki_engine *engine, struct nki_op *op, int64_t deadline_ns, int64_t now_ns);
/* Its queue was emptied, or a hold was given up; or `enough` was taken for its feed. */
void nki_engine_taken(struct nki_engine *engine, struct nki_sub *sub, bool enough, int64_t now_ns);
/* Its handle was closed: ends it, and forgets it. */
void nki_engine_close_sub(struct nki_engine *engine, struct nki_sub *sub, int64_t now_ns);

/* Subscribes: in the table, and SUB to the outbox if it is live. NKI_DRAINING, NKI_CLOSED, NKI_NO_MEMORY. */
int32_t nki_engine_subscribe(struct nki_engine *engine, struct nki_sub *sub);
/* At once (`max` 0), or after `max` messages in all; a `max` above one given before changes nothing. NKI_OK,
 * NKI_NO_MEMORY (then nothing has changed). */
int32_t nki_engine_unsubscribe(struct nki_engine *engine, struct nki_sub *sub, uint64_t max);
/* Registers a request (op.asked and op.keep are set) and writes its reply subject (at least
 * replies.prefix_len + NKI_REPLIES_TOKEN_MAX bytes) to `reply`. `deadline_ns` other than NKI_NEVER makes it
 * time out by itself. NKI_CLOSED, NKI_NO_MEMORY, NKI_LIMIT. */
int32_t nki_engine_request(struct nki_engine *engine, struct nki_op *op, int64_t deadline_ns, char *reply,
                           size_t *reply_len);
/* A PING whose PONG finishes `op`. NKI_CLOSED, NKI_DISCONNECTED, NKI_NO_MEMORY, NKI_LIMIT. */
int32_t nki_engine_flush(struct nki_engine *engine, struct nki_op *op, int64_t deadline_ns);
/* A timer for an operation that is finished by others. False if there is no memory. */
bool nki_engine_timer(struct nki_engine *engine, struct nki_op *op, int64_t deadline_ns);
void nki_engine_untimer(struct nki_engine *engine, struct nki_op *op);
/* Forgets token, timer, and what the operation waits for. */
void nki_engine_cancel(struct nki_engine *engine, struct nki_op *op);

/* Any thread, without the lock: whether the server takes a message of that size: NKI_OK, NKI_TOO_LARGE,
 * NKI_NO_HEADERS. */
static inline int32_t nki_engine_check_size(const struct nki_engine *engine,
                                            const struct nki_outgoing_msg *msg)
{
    size_t size = msg->header_block.len + msg->data.len;
    if (NKI_UNLIKELY(size > (size_t)atomic_load_explicit(&engine->max_payload, memory_order_relaxed))) {
        return NKI_TOO_LARGE;
    }
    if (msg->header_block.len > 0 && !atomic_load_explicit(&engine->headers, memory_order_relaxed)) {
        return NKI_NO_HEADERS;
    }
    return NKI_OK;
}

/* Tells the event subscriptions. Fields epoch, server and time are filled in. */
void nki_engine_emit(struct nki_engine *engine, struct nki_event *event);

/* Between the files of the engine. */

/* Whether a reply is the server's word that nobody listens. */
bool nki_engine_says_nobody(const struct nki_msg *msg);
/* A message for a subscription that waits for more than a queue: takes over its reference. */
void nki_engine_collect(struct nki_engine *engine, struct nki_sub *sub, struct nki_msg *msg, int64_t now_ns);
/* Ends a subscription from this side, or because enough has come; the server is told of it if `unsub`. The
 * caller holds a reference. */
void nki_engine_end_sub(struct nki_engine *engine, struct nki_sub *sub, int32_t reason, bool unsub);
/* The time of subscriptions is over. */
void nki_engine_expire_subs(struct nki_engine *engine, int64_t now_ns);
/* Ends requests with a subscription of their own that do not outlive their transport. */
void nki_engine_end_requests(struct nki_engine *engine, int32_t reason);
/* The server denies publishing to a subject: ends the requests that were published to it. */
void nki_engine_deny_requests(struct nki_engine *engine, struct nki_str subject,
                              const struct nki_error *error);
/* A subscription that ends while all is drained is waited for, too. */
void nki_engine_drain_ended(struct nki_engine *engine, struct nki_sub *sub);
/* Appends a control line; a failure for lack of memory costs the transport, so that nothing is out of step.
 */
void nki_engine_control(struct nki_engine *engine, const void *line, size_t len, int64_t now_ns);
static inline int64_t nki_engine_option_ns(const struct nki_engine *engine, enum nki_option_id id)
{
    return nki_options_int(engine->options, id) * NKI_NS_PER_MS;
}
/* The present attempt is lost, with a message that names its server. */
void nki_engine_attempt_failed(struct nki_engine *engine, int32_t status, const char *fault, int64_t now_ns);
/* The pause is over: the next round begins. */
void nki_engine_end_pause(struct nki_engine *engine, int64_t now_ns);
/* A PING, with the lines before it (empty, or lines that end with the PING). The references of `ping` are
 * retained; its mark is filled in. NKI_OK, NKI_LIMIT, NKI_NO_MEMORY. */
int32_t nki_engine_ping(struct nki_engine *engine, struct nki_ping ping, struct nki_str lines);
/* The answer to the PING of a drain has come, or will never come. */
void nki_engine_drain_pong(struct nki_engine *engine, const struct nki_ping *ping);
/* Closes the connection if all is drained. */
void nki_engine_drain_step(struct nki_engine *engine, int64_t now_ns);
/* The operation waits no more for the drain of a subscription, which goes on; harmless if it does not. */
void nki_engine_drain_unwait(struct nki_op *op);
/* The deadline of a drain has passed: of one subscription, of all. */
void nki_engine_drain_sub_late(struct nki_op *op);
void nki_engine_drain_late(struct nki_engine *engine, int64_t now_ns);
/* Messages that nobody has taken yet; *busy: subscriptions that are not done. */
uint64_t nki_engine_drain_left(struct nki_engine *engine, uint64_t *busy);
/* The connection ends: no drain goes on, and no ended subscription is kept. */
void nki_engine_drain_end(struct nki_engine *engine);
void nki_engine_pong(struct nki_engine *engine, int64_t now_ns);
/* Finishes all operations that wait for this transport. */
void nki_engine_fail_ops(struct nki_engine *engine, int32_t status);
/* Finishes those that cannot be carried over to the next transport, and keeps the others. False from the next
 * one: no memory to ask its server what is left of them. */
void nki_engine_keep_ops(struct nki_engine *engine);
bool nki_engine_resume_ops(struct nki_engine *engine);
/* What a text of -ERR means. */
void nki_engine_server_error(struct nki_engine *engine, struct nki_str text, int64_t now_ns);
/* Login: begins with asking the application, or with CONNECT; no answer came in time; its end, with whatever
 * is known of the user. */
void nki_engine_begin_login(struct nki_engine *engine, int64_t now_ns);
void nki_engine_login_late(struct nki_engine *engine, int64_t now_ns);
void nki_engine_end_login(struct nki_engine *engine);
/* Handshake: the first step on a new transport; INFO, PONG. */
void nki_engine_begin_handshake(struct nki_engine *engine, int64_t now_ns);
void nki_engine_got_info(struct nki_engine *engine, struct nki_str json, int64_t now_ns);
void nki_engine_got_handshake_pong(struct nki_engine *engine, int64_t now_ns);
/* What waits is held to the limits of the server as its INFO tells them (fit.c). False if there is no memory.
 */
bool nki_engine_fit(struct nki_engine *engine);
/* Stops the transport and keeps what was not sent; the state is the caller's to change. */
void nki_engine_drop_transport(struct nki_engine *engine);
/* Finishes an operation of the connection's own, if there is one, and drops its reference. */
void nki_engine_finish_own(struct nki_op **op, int32_t status, const struct nki_error *error);
/* Hands over what one read has brought. */
void nki_engine_hand_over(struct nki_engine *engine);

/* A fresh subject for replies: its length; nothing is written if that is more than `cap`. */
size_t nki_engine_new_inbox(struct nki_engine *engine, char *out, size_t cap);

#endif
