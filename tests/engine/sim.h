/* The simulator: one engine with a virtual clock, a fake transport and model servers, all driven by one seed.
 *
 * sim.c drives the engine as its driver does (wants, transmit right, time); sim_server.c is the other side of
 * the wire, which reads every byte through the strict oracle; sim_app.c is the application with a model of
 * what it must see. Everything is checked after each step. One thread, no sockets, no clock of the system.
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
#define SIM_SUBS_MAX 48
#define SIM_OPS_MAX 96
#define SIM_EVENTS_LIMIT 100000

/* What a server has written, at which byte of its stream it ends, and what the client must make of it. */
enum sim_mark_kind {
    SIM_MARK_INFO,
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
};

enum sim_op_kind { SIM_OP_CONNECT, SIM_OP_FLUSH, SIM_OP_REQUEST, SIM_OP_ROOM, SIM_OP_CLOSE };

struct sim_op {
    struct nki_op *op; /* NULL: the entry is free */
    enum sim_op_kind kind;
    int64_t deadline_ns;
    uint64_t mark;    /* flush, close: messages published before it; request: the message */
    uint64_t ping;    /* flush: which PING of its transport */
    uint64_t need;    /* room */
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
    uint64_t dials;

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
    bool closing;
    bool closed;
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

/* sim_app.c */
void sim_app_start(struct sim *sim);
void sim_app_act(struct sim *sim);
bool sim_app_publish(struct sim *sim, size_t len);
int sim_app_flush(struct sim *sim, int64_t timeout_ms);
void sim_app_drain(struct sim *sim);
void sim_app_check(struct sim *sim);
/* The client has read up to here. */
void sim_app_saw(struct sim *sim, const struct sim_mark *mark);
/* The transport is gone. */
void sim_app_lost(struct sim *sim);
void sim_app_closed(struct sim *sim);
void sim_app_end(struct sim *sim);
struct sim_sub *sim_app_sub(struct sim *sim, uint64_t sid);
void sim_app_check_limit(struct sim *sim, const struct sim_server_sub *sub);

#endif
