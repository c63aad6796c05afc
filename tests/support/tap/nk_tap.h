/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of nk-tap, the fault proxy with the wire oracle. Everything runs on one thread around one epoll;
 * nothing here is shared with another program.
 *
 * Each relayed connection has two pipes: UP from client to server, DOWN from server to client. Bytes go from
 * the reading side through a filter (UP: the oracle, DOWN: the scanner that edits and injects) to the pipe's
 * queue, and from there to the writing side as the pipe's faults allow. Without faults the queue stays empty.
 */
#ifndef NK_TAP_H
#define NK_TAP_H

#include "../oracle.h"
#include "../text.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { UP, DOWN };
enum { CHUNK = 262144, DELAYED_BACKLOG = 4194304, NEVER_CUT = -1 };

struct tap;
struct conn;

enum source_kind {
    SOURCE_LISTEN,
    SOURCE_CONTROL_LISTEN,
    SOURCE_CONTROL,
    SOURCE_CLIENT,
    SOURCE_SERVER,
    SOURCE_SIGNAL,
    SOURCE_STDOUT
};

/* What epoll gives back. */
struct source {
    enum source_kind kind;
    int fd;
    uint32_t wanted; /* events that are registered; 0: not in epoll */
    void *owner;
};

/* Faults of one direction. All zero except cut_after: none. */
struct faults {
    uint64_t split;       /* bytes of one write */
    int64_t split_gap_ns; /* pause between two of them */
    int64_t delay_ns;
    uint64_t rate; /* bytes per second */
    int64_t cut_after;
    bool stall;
    bool blackhole;
    bool cut_in_msg;
};

/* Bytes that may go out from a certain time on. */
struct due {
    int64_t at;
    size_t len;
};

struct pipe {
    struct faults faults;
    struct ts_buf queue;
    size_t head; /* of the queue: what is before it was sent */
    struct due *dues;
    size_t due_head, due_count, due_cap;
    size_t due_total; /* bytes of all entries */
    uint64_t received;
    uint64_t queued;
    uint64_t sent;
    int64_t cut_at;   /* value of `sent` at which the connection is cut, or NEVER_CUT */
    int64_t next_ns;  /* no write before */
    int64_t wake_ns;  /* when the loop has to look again; 0: not needed */
    bool ended;       /* the reading side said end */
    bool reset;       /* ... by RST */
    bool passed_end;  /* and so did we to the writing side */
    bool broken;      /* the writing side takes nothing any more: what comes is thrown away */
    bool was_blocked; /* the writing side was too slow at least once */
    bool was_faulty;  /* a fault that loses or holds bytes was active at least once */
};

/* Follows the frames of the server: where one ends, INFO, PONG, MSG. */
struct scan {
    struct ts_buf line; /* a control line that is not complete */
    uint64_t body_left;
    bool held; /* its bytes were not passed on yet */
    bool lost; /* TLS, WebSocket or no NATS at all: everything passes */
};

/* Takes apart what a client of WebSocket writes: its upgrade, then frames. */
struct unwrap {
    bool on;
    bool broken;    /* it broke a rule for frames: no more is read */
    bool binary;    /* the frame is one of data */
    bool closed;    /* a close frame has come */
    bool masked;    /* there was a mask before */
    size_t matched; /* bytes of the blank line that ends the upgrade */
    unsigned char head[14];
    size_t head_len;
    unsigned char mask[4];
    uint64_t left; /* of the frame's content */
    uint64_t at;
    struct ts_buf out;
};

struct conn {
    struct tap *tap;
    uint64_t id;
    struct source client;
    struct source server;
    bool connecting; /* to the server */
    bool dead;       /* closed; freed at the end of the turn */
    bool was_cut;    /* by us */
    bool opaque;     /* no NATS text: the oracle is off */
    bool typed;      /* the client's first byte was looked at */
    bool info_seen;
    bool finished;        /* the oracle was told that the client's stream ended */
    uint64_t max_payload; /* the largest announced */
    uint64_t drop_pongs;  /* how many PONGs are still to be dropped */
    struct pipe pipes[2];
    struct scan scan;
    struct ts_buf inject; /* waits for the end of the server's current frame */
    struct ts_oracle *oracle;
    struct unwrap unwrap;
    struct conn *next;
};

struct edit {
    char *name;
    char *value; /* NULL removes the member */
    struct edit *next;
};

struct control {
    struct source source;
    struct ts_buf in;
    bool dead;
    struct control *next;
};

struct server_counts {
    uint64_t info, msg, hmsg, ping, pong, err, ok;
};

struct tap {
    int epoll;
    struct source listener;
    struct source control_listener;
    struct source signals;
    struct source out;
    char listen_host[256];
    uint16_t listen_port;
    struct sockaddr_storage target;
    socklen_t target_len;
    char *chunk; /* the one read buffer */
    struct conn *conns;
    struct control *controls;
    struct faults fresh[2]; /* what new connections get */
    uint64_t fresh_drop_pongs;
    struct edit *edits;
    struct ts_oracle_limits limits;
    bool allow_partial;
    bool no_oracle;
    bool quit;
    bool timed; /* some pipe has wake_ns */
    uint64_t accepted, failed, closed, opaque;
    uint64_t bytes[2];
    struct ts_oracle_counts past; /* sums of the connections that are gone */
    struct server_counts server;
    uint64_t violations;
    struct ts_buf violation; /* the first one */
};

/* nk_tap.c */
bool tap_watch(struct tap *tap, struct source *source, uint32_t events);
bool tap_open_listener(struct tap *tap);
void tap_close_listener(struct tap *tap);
bool tap_set_target(struct tap *tap, const char *text);

/* relay.c */
void relay_accept(struct tap *tap);
void relay_event(struct conn *conn, struct source *source, uint32_t events);
void relay_update(struct conn *conn);
void relay_wake(struct tap *tap);
int64_t relay_next_wake(const struct tap *tap);
void relay_write(struct conn *conn, int dir, const char *bytes, size_t len);
void relay_cut(struct conn *conn, bool reset);
/* cut-in-msg where messages cannot be seen: in the middle of these bytes, which are relayed next */
void relay_cut_blind(struct conn *conn, int dir, size_t len);
void relay_half_close(struct conn *conn, int dir);
void relay_reap(struct tap *tap);
void relay_finish_all(struct tap *tap);

/* scan.c: the server's bytes, edited as asked, go to relay_write */
void scan_down(struct conn *conn, const char *bytes, size_t len);
void scan_inject(struct conn *conn, const char *bytes, size_t len);

/* unwrap.c: adds the content of frames to `out`; NULL or the rule that the client broke */
const char *unwrap_up(struct unwrap *u, const char *bytes, size_t len, struct ts_buf *out);

/* faults.c */
struct faults faults_none(void);
bool faults_plain(const struct pipe *pipe);
void faults_apply(struct conn *conn, int dir, const struct faults *faults);
/* How many bytes may be written now; 0 with pipe->wake_ns set or not. */
size_t faults_allow(struct pipe *pipe, int64_t now);
void faults_queued(struct pipe *pipe, size_t len, int64_t now);
void faults_sent(struct pipe *pipe, size_t len, int64_t now);

/* control.c */
void control_accept(struct tap *tap);
void control_event(struct tap *tap, struct control *control);
void control_reap(struct tap *tap);

#endif
