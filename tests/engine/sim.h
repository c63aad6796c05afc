/* The simulator: one engine with a virtual clock, a fake transport and model servers, all driven by one seed.
 *
 * sim.c drives the engine as its driver does (wants, transmit right, time); sim_server.c is the other side of
 * the wire, which reads every byte through the strict oracle; sim_app.c is the application. What it must see
 * is foretold by a model: sim_op.c of operations, sim_drain.c of drains and holds, sim_policy.c of servers,
 * pauses and the end, sim_model.c of all else. Everything is checked after each step. One thread, no sockets,
 * no clock of the system.
 *
 * The harness allocates by tests/support (aborting), so that failing allocations meet the engine alone. */
#ifndef ENGINE_SIM_H
#define ENGINE_SIM_H

#include "base/rand.h"
#include "client/engine.h"
#include "support/oracle.h"
#include "support/text.h"

#define SIM_SERVERS 4
#define SIM_PORT 4222
#define SIM_OUTBOX_BYTES 65536
#define SIM_KNOWN_MAX 16
#define SIM_SUBS_MAX 48
#define SIM_OPS_MAX 96
#define SIM_EVENTS_LIMIT 100000

/* What a server has written, at which byte of its stream it ends, and what the client must make of it. */
enum sim_mark_kind {
    SIM_MARK_INFO,  /* number: 1 if the server says that it will leave */
    SIM_MARK_HELLO, /* the PONG of the handshake */
    SIM_MARK_PONG,  /* number: which PING after the handshake it answers */
    SIM_MARK_PING,
    SIM_MARK_MSG,    /* sid, number of the message */
    SIM_MARK_REPLY,  /* number: the request's operation */
    SIM_MARK_NOBODY, /* a reply with 503 */
    SIM_MARK_DENY,   /* sid */
    SIM_MARK_DENY_INBOX,
    SIM_MARK_FATAL, /* the client must give up the transport here */
    SIM_MARK_OTHER
};

struct sim_mark {
    uint64_t end;
    enum sim_mark_kind kind;
    uint64_t sid;
    uint64_t number;
};

struct sim_server_sub {
    uint64_t sid;
    uint64_t max;
    uint64_t delivered;
    bool live;
    bool inbox;
    char subject[96];
};

enum sim_mode { /* how a server treats one connection */
                SIM_MODE_GOOD,
                SIM_MODE_MUTE,    /* says nothing at all */
                SIM_MODE_NO_PONG, /* INFO, then nothing */
                SIM_MODE_AUTH,    /* refuses the credentials */
                SIM_MODE_GARBAGE, /* garbage for INFO or PONG */
                SIM_MODE_COUNT
};

struct sim;

/* One connection as the server sees it, and the stream that the engine writes to. */
struct sim_link {
    struct nki_stream stream;
    struct sim *sim;
    int server;
    enum sim_mode mode;
    struct ts_oracle *taken;     /* sees what the socket accepts */
    struct ts_oracle *processed; /* sees what the server has read of that */
    struct ts_buf wire;          /* accepted, not read yet */
    struct ts_buf out;           /* written by the server, not read by the client yet */
    uint64_t out_begin;          /* offset of out's first byte in the server's stream */
    struct sim_mark *marks;
    size_t mark_count;
    size_t mark_at;
    struct sim_server_sub *subs;
    size_t sub_count;
    uint64_t *pings; /* messages accepted by the socket before each PING */
    size_t ping_count;
    size_t pings_read;  /* by the server, that of the handshake included */
    uint64_t pongs;     /* after the handshake, that the client has read */
    bool hello;         /* the handshake is done on the client's side */
    bool refused;       /* the client has read that its credentials are refused */
    bool lame;          /* ... that the server will leave */
    bool shut;          /* by the client */
    bool cut;           /* by the server or the network: writes fail, reads end after `out` */
    bool poisoned;      /* something fatal was written: nothing more follows */
    bool stalled;       /* the server neither reads nor writes */
    uint64_t sid_floor; /* subscriptions up to this sid had to be replayed ... */
    uint64_t replayed;  /* ... and so many were live then */
};

struct sim_pub {
    uint32_t len;
    uint32_t header_len;
    int32_t op;        /* of a request; -1 */
    uint64_t last_sid; /* the newest subscription when it was published; 0: none */
    bool arrived;
    bool lost; /* accepted by a socket that was cut before the server read it */
};

struct sim_sub {
    struct nki_sub *sub;
    uint64_t sid;
    uint64_t max;
    uint64_t limit;
    uint64_t arrived;
    uint64_t taken;
    uint64_t dropped;
    uint64_t *expected; /* numbers of the messages that wait, in order */
    size_t expected_at;
    size_t expected_count;
    int32_t reason;
    bool live;
    bool slow;
    bool released;
    enum nki_drain drain;
    uint64_t drain_ping; /* ASKED: which PING of its transport; SIM_PING_OF_ALL */
    int drain_op;        /* that waits for the drain; -1: none */
    uint64_t holds;
};

#define SIM_PING_OF_ALL UINT64_MAX

enum sim_op_kind {
    SIM_OP_CONNECT,
    SIM_OP_FLUSH,
    SIM_OP_REQUEST,
    SIM_OP_ROOM,
    SIM_OP_WRITTEN,
    SIM_OP_CLOSED,    /* waits for the end */
    SIM_OP_DRAIN_SUB, /* of one subscription */
    SIM_OP_DRAIN,     /* of all */
    SIM_OP_CLOSE      /* closes, and lingers */
};

struct sim_op {
    struct nki_op *op; /* NULL: the entry is free */
    enum sim_op_kind kind;
    int64_t deadline_ns;
    uint64_t mark;    /* flush, written, close: messages published before it; request: the message */
    uint64_t ping;    /* flush: which PING of its transport */
    uint64_t need;    /* room */
    size_t sub;       /* drain of a subscription: its index */
    int32_t expected; /* status that it must have now */
    bool any;         /* it must have finished, in one of several ways */
    int32_t seen;     /* status when it was last looked at: it never changes once it is final */
};

struct sim_options {
    uint64_t seed;
    int steps;
    bool lenient;   /* allocations fail: losses by lack of memory are allowed, lies are not */
    long nth;       /* ... which one: for the report */
    bool faultless; /* no cuts, stalls and refusals */
};

/* The options of this life that decide on pauses, limits and the end. */
struct sim_policy {
    int first_connect; /* SIM_FAIL, ... */
    int64_t max_auth_failures;
    int64_t max_attempts;
    int64_t max_outage_ms;
    int64_t offline_bytes;
    int64_t write_stall_ms;
    int64_t answer_timeout_ms;
    bool fail_fast;
    bool asks; /* the application is asked about pauses */
};

enum { SIM_FAIL, SIM_RETRY, SIM_BACKGROUND };

/* A server of the pool, with what the engine must know of its failures. */
struct sim_known {
    char text[NKI_URL_TEXT_MAX];
    uint32_t failures;
    uint32_t auth_failures;
    bool configured;
    bool given_up;
};

/* The pause between two rounds. */
struct sim_pause {
    bool active;
    int64_t end_ns;
    int64_t asked_ns;
    int64_t delay_ms;
    uint64_t request; /* 0: the application was not asked, or has answered */
};

struct sim {
    struct sim_options options;
    struct nki_rand rand;
    struct nki_engine engine;
    bool engine_ready;
    int64_t now_ns;
    int step;
    const char *what; /* the step's action: for the report */

    /* driver */
    struct sim_link *link;
    bool right;  /* the transmit right is with us */
    bool broken; /* it was given back because of an error */
    bool dialing;
    int dial_server;
    int64_t dial_ns;
    int dial_plan;
    bool healed;
    bool slow;    /* a life in which much time passes */
    bool tardy;   /* ... in which ticks come late */
    bool overdue; /* something is due that was not ticked yet */
    uint64_t dials;
    bool tx_waiting;    /* the socket took no more: not written before it is ready */
    int64_t blocked_ns; /* since when; NKI_NEVER */
    bool stalls;        /* for too long, when the transport was let go of */

    /* policies */
    struct sim_policy policy;
    struct sim_known known[SIM_KNOWN_MAX];
    size_t known_count;
    uint32_t infos;                /* that were read since the last check */
    char trying[NKI_URL_TEXT_MAX]; /* the server that was dialed last */
    bool attempt;                  /* ... and neither let us in nor failed yet */
    bool auth_limit;               /* a server has refused the credentials too often */
    bool refused;                  /* ... or once, since the last pause */
    int64_t answered_ns;           /* when the last PONG was read, while connected */
    int64_t connected_ns;
    uint32_t rounds; /* pauses since then, after all servers were tried */
    uint32_t brief;  /* connections in a row that were lost at once */
    bool hello_lost; /* one was lost, and nothing dialed yet */
    bool forcing;
    int64_t outage_ns;
    int64_t first_deadline_ns;
    struct sim_pause pause;
    uint64_t last_request; /* the newest number of a question */
    uint64_t forced;       /* reconnects that the application has forced */
    uint64_t forced_events;
    uint64_t lame;
    uint64_t lame_events;
    int64_t down_ns[SIM_SERVERS]; /* until then the server is away */

    /* servers */
    uint64_t next_number;
    uint64_t last_arrived; /* number + 1 of the newest message that a server has read */

    /* application */
    struct sim_pub *pubs;
    uint64_t pub_count;
    uint64_t socket_count; /* of those, accepted by a socket */
    uint64_t settled;      /* of those, by a transport that is gone */
    uint64_t lost;
    uint64_t confirmed;
    uint64_t unconfirmed;
    struct sim_sub subs[SIM_SUBS_MAX];
    size_t sub_count;
    struct sim_op ops[SIM_OPS_MAX];
    struct nki_sub *events;
    uint64_t orphans;
    uint64_t late;
    uint64_t drops;
    uint64_t episodes;
    uint64_t slow_events;
    uint64_t connects;
    bool up; /* by the events */
    bool event_closed;
    bool closing;     /* nothing more is accepted: an end that lingers */
    bool closing_app; /* ... asked for by a close */
    bool ending;      /* closed without linger */
    bool closed;
    bool closing_lost; /* the connection was lost while the end lingered */
    int64_t close_deadline_ns;
    bool draining;
    bool subs_ended;
    bool all_taken;
    uint64_t drain_ping; /* whose PONG ends all subscriptions */
    int64_t drain_deadline_ns;
    bool denied_inbox;
    uint64_t no_memory; /* calls that said so */
};

/* Runs the whole of a seed; what is wrong fails the test with the seed and the step. Returns how many calls
 * were refused for lack of memory. */
uint64_t sim_run(const struct sim_options *options);

/* sim.c */
void sim_fail(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define SIM_CHECK(sim, condition, ...)                                                                       \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            sim_fail(sim, __VA_ARGS__);                                                                      \
        }                                                                                                    \
    } while (0)
uint64_t sim_below(struct sim *sim, uint64_t limit);
bool sim_chance(struct sim *sim, unsigned percent);
/* After each call of the engine: does what it wants, checks what must hold. */
void sim_settle(struct sim *sim);
void sim_take_right(struct sim *sim, bool kick);

/* sim_server.c */
struct sim_link *sim_link_new(struct sim *sim, int server, enum sim_mode mode);
/* The server reads up to `max` bytes of what the client wrote. */
void sim_link_process(struct sim_link *link, size_t max);
/* The server writes something of its own accord. */
void sim_link_speak(struct sim_link *link);
void sim_link_message(struct sim_link *link, struct sim_server_sub *sub, size_t len);
/* The client has let go of the transport: settles what was lost with it. */
void sim_link_end(struct sim_link *link);

/* Whether its socket takes no more. */
bool sim_link_full(const struct sim_link *link);

/* sim_op.c */
/* A new operation in a free entry; -1 if there is no memory or no entry. */
int sim_op_begin(struct sim *sim, enum sim_op_kind kind, int64_t deadline_ns);
void sim_op_drop(struct sim *sim, int i);
/* A random one, after now. */
int64_t sim_op_deadline(struct sim *sim);
/* Whether a timer of its own ends it. */
bool sim_op_timed(enum sim_op_kind kind);
void sim_op_expect(struct sim_op *op, int32_t status);
/* A tick has come to those whose time is up. */
void sim_op_expire(struct sim *sim);
void sim_op_check(struct sim *sim, struct sim_op *op);
/* Requests that wait for their reply, by the model. */
uint32_t sim_op_requests(const struct sim *sim);

/* sim_app.c */
void sim_app_start(struct sim *sim);
void sim_app_act(struct sim *sim);
bool sim_app_publish(struct sim *sim, size_t len);
int sim_app_flush(struct sim *sim, int64_t timeout_ms);
void sim_app_take(struct sim *sim, struct sim_sub *model, size_t cap);
/* Takes everything, holds nothing, and gives up its requests. */
void sim_app_finish(struct sim *sim);
void sim_app_end(struct sim *sim);
/* What publishing and requests are refused with now; NKI_OK: they are accepted. */
int32_t sim_app_refusal(const struct sim *sim);
/* Bytes that may wait in the outbox now. */
uint64_t sim_app_limit(const struct sim *sim);

/* sim_drain.c */
void sim_drain_act_sub(struct sim *sim, struct sim_sub *model);
void sim_drain_act_all(struct sim *sim);
void sim_drain_act_hold(struct sim *sim, struct sim_sub *model);
bool sim_drain_unhold(struct sim *sim, struct sim_sub *model);
/* The application has taken the last message, or given up the last hold. */
void sim_drain_taken(struct sim *sim, struct sim_sub *model);
/* The PONG of that number was read; the transport is gone; the handle was closed; the connection has ended.
 */
void sim_drain_pong(struct sim *sim, uint64_t number);
void sim_drain_lost(struct sim *sim);
void sim_drain_released(struct sim *sim, struct sim_sub *model);
void sim_drain_closed(struct sim *sim);
void sim_drain_check(struct sim *sim);
/* What must hold when the drain of all has ended well. */
void sim_drain_check_done(struct sim *sim);

/* sim_policy.c */
/* Chooses, and sets the options; false if there is no memory. */
bool sim_policy_choose(struct sim *sim, struct nki_options *options);
void sim_policy_start(struct sim *sim);
void sim_policy_dial(struct sim *sim);
void sim_policy_hello(struct sim *sim);
/* The attempt has failed, or (`hello`) the connection is lost. */
void sim_policy_lost(struct sim *sim, bool hello, bool refused);
void sim_policy_act_reconnect(struct sim *sim);
void sim_policy_act_answer(struct sim *sim);
void sim_policy_event(struct sim *sim, const struct nki_event *event);
void sim_policy_check(struct sim *sim);
/* It has ended: that must be right. */
void sim_policy_closed(struct sim *sim);

/* sim_model.c */
struct sim_sub *sim_app_sub(struct sim *sim, uint64_t sid);
static inline uint64_t sim_pending(const struct sim_sub *model)
{
    return model->expected_count - model->expected_at;
}
void sim_app_check(struct sim *sim);
/* The client has read up to here. */
void sim_app_saw(struct sim *sim, const struct sim_mark *mark);
/* The transport is gone. */
void sim_app_lost(struct sim *sim);
void sim_app_check_limit(struct sim *sim, const struct sim_server_sub *sub);

#endif
