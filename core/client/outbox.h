/* What waits to be sent: whole frames in call order, appended by callers of any thread, written by whoever
 * holds the transmit right.
 *
 * Exactly one party holds the transmit right while there is something to write. It is given to the caller
 * that made an idle outbox non-empty (`kick`), which either writes itself, or passes the right to the I/O
 * thread, or parks it: then frames gather, until somebody takes the right because there are enough of them,
 * because something urgent is among them (a control line), or because of the time (the I/O thread). Whoever
 * writes while a stream of messages comes in parks the right when little is left: else it would chase the
 * publishers with small writes, and fight with them for the lock and for the end of the queue. While the
 * connection is lost (not live) frames stay, up to a limit of its own; handshake bytes are written first, and
 * alone until the outbox is live.
 *
 * Lock: mu, below the engine lock. No lock is held while the socket is written. */
#ifndef NKI_CLIENT_OUTBOX_H
#define NKI_CLIENT_OUTBOX_H

#include "base/buf.h"
#include "base/probe.h"
#include "base/sync.h"
#include "client/conn.h"
#include "client/trace.h"
#include "net/stream.h"

/* With so much the right does not stay parked: a write that pays. */
#define NKI_OUTBOX_PARKED_BYTES ((size_t)110 * NKI_KIB)

struct nki_outbox_segment;

struct nki_outbox_limits {
    uint64_t live;    /* bytes of frames */
    uint64_t offline; /* the same while it is not live; 0: nothing is accepted then */
    bool fail_fast;   /* over the limit nobody waits */
};

struct nki_outbox {
    uint64_t origin; /* the connection's number; constant once it is used */
    pthread_mutex_t mu;
    pthread_cond_t room; /* callers that wait for room */
    pthread_cond_t idle; /* nki_outbox_detach waits until nobody writes */

    /* guarded by mu */
    struct nki_outbox_segment *head;
    struct nki_outbox_segment *tail;
    struct nki_buf handshake;
    struct nki_stream *stream;       /* NULL: no transport */
    struct nki_outbox_limits limits; /* constant */
    struct nki_trace *trace;         /* constant once it is used; NULL: nobody wants one. The engine's */
    uint64_t limit;                  /* up to which messages are accepted at present; 0: look closer */
    uint64_t bytes;                  /* of frames not yet accepted by the socket */
    uint64_t appended_bytes;         /* in all: where the end is */
    uint32_t room_waiters;
    struct nki_list room_ops;        /* operations that wait for room, a reference each */
    struct nki_list written_ops;     /* that wait until all before them is written, a reference each */
    bool live;                       /* frames may be written */
    bool held;                       /* ... but only up to `last`, and what is appended comes after it */
    struct nki_outbox_segment *last; /* NULL: of what is there nothing may be written */
    bool right_taken;                /* somebody holds the transmit right, or it is parked */
    bool parked;                     /* ... and may be taken */
    bool urgent;                     /* somebody waits for what was appended while another held the right */
    bool writing;                    /* the holder is in a system call */
    bool begun;                      /* as the stream says: see there */
    int32_t sealed;                  /* what messages are refused with; 0: they are accepted */
    bool closed;
    uint64_t accepted_msgs;
    uint64_t accepted_bytes;
    uint64_t confirmed_msgs; /* of those, known to be at the server, or given up as unconfirmed */
    struct nki_buf gone; /* numbers (uint64_t, rising) of messages that were taken out before the others */
    uint64_t max_body;   /* what the server takes of one message: headers and data, */
    uint64_t max_header; /* and headers alone; 0: none */
    uint32_t parkings;   /* how often the right was parked */
    uint64_t burst_msgs; /* accepted_msgs when the outbox last became non-empty */
    int64_t burst_ns;    /* and when that was */
};

/* 0 or an errno. */
int nki_outbox_init(struct nki_outbox *outbox, struct nki_outbox_limits limits);
void nki_outbox_destroy(struct nki_outbox *outbox);

/* Appends `count` messages (one that is large and alone and finds the outbox empty is written at once, from
 * where it is, and only what the socket does not take is kept), waiting for room until the deadline (0: not
 * at all). NKI_OK, NKI_WOULD_BLOCK, NKI_TIMEOUT, NKI_DISCONNECTED (nothing is accepted offline),
 * NKI_DRAINING, NKI_CLOSED, NKI_TOO_LARGE, NKI_NO_HEADERS, NKI_NO_MEMORY; *done tells how many were appended.
 * *kick: the caller now holds the transmit right. NKI_WOULD_BLOCK in spite of a deadline: nobody is to wait
 * (fail_fast), or there is no room until what was appended here, or left to gather, is written, so the caller
 * uses the right and calls again for the rest. */
int32_t nki_outbox_append(struct nki_outbox *outbox, const struct nki_outgoing_msg *msgs, size_t count,
                          int64_t deadline_ns, size_t *done, bool *kick);
/* The same for one message that is not large, if there is room at once and in the segment that is being
 * filled: the way of nearly all. False: nothing has happened. */
bool nki_outbox_append_soon(struct nki_outbox *outbox, const struct nki_outgoing_msg *msg, bool *kick);
/* Is told that the first `done` messages were appended, the last of them as number `last` of all, those
 * before it with the numbers before: with mu held, so before anything of them can be sent. */
struct nki_outbox_told {
    void (*accepted)(void *arg, size_t done, uint64_t last);
    void *arg;
};
/* Appends without waiting; nothing is written meanwhile. *kick as above; `told` may be NULL. */
int32_t nki_outbox_append_marked(struct nki_outbox *outbox, const struct nki_outgoing_msg *msgs, size_t count,
                                 const struct nki_outbox_told *told, bool *kick);
/* Appends a control line (SUB, UNSUB, PING, PONG), without a limit, if the outbox is live; otherwise nothing
 * happens, since the handshake of the next transport replays what is needed. False if there is no memory. */
bool nki_outbox_control(struct nki_outbox *outbox, const void *line, size_t len, bool *kick);
/* The operation finishes as soon as there is room for `bytes` bytes (a reference is taken until then). */
void nki_outbox_room(struct nki_outbox *outbox, struct nki_op *op, uint64_t bytes);
/* The operation finishes as soon as all that was appended before is written (a reference is taken until
 * then).
 */
void nki_outbox_written(struct nki_outbox *outbox, struct nki_op *op);
/* Engine: no message is accepted any more: NKI_DRAINING or NKI_CLOSED, the first one counts. What is there is
 * still sent. */
void nki_outbox_seal(struct nki_outbox *outbox, int32_t status);
/* The operation waits no more for room or writing; harmless if it does not. */
void nki_outbox_forget_op(struct nki_outbox *outbox, struct nki_op *op);
/* Messages accepted and not known to be at the server, nor given up as unconfirmed, nor taken out. */
uint64_t nki_outbox_unconfirmed(struct nki_outbox *outbox);
/* Of the messages accepted so far, those known to be at the server or given up: after a disconnect, all that
 * were written. */
uint64_t nki_outbox_confirmed(struct nki_outbox *outbox);
/* Messages accepted so far. */
uint64_t nki_outbox_accepted(struct nki_outbox *outbox);
/* Messages and bytes accepted so far, and bytes that wait. */
void nki_outbox_counts_get(struct nki_outbox *outbox, uint64_t *msgs, uint64_t *bytes, uint64_t *pending);
/* The server has confirmed the first `accepted` messages. */
void nki_outbox_confirm(struct nki_outbox *outbox, uint64_t accepted);

/* Engine: a transport is there; handshake bytes may be written. */
void nki_outbox_set_stream(struct nki_outbox *outbox, struct nki_stream *stream);
/* Engine: bytes of the handshake. False if there is no memory. */
bool nki_outbox_handshake(struct nki_outbox *outbox, const void *data, size_t len, bool *kick);
/* Engine: the server takes bodies (headers and data) of up to `max_body` bytes, and headers or not. It would
 * cut the connection for any other message, so none is accepted from now on, and those that wait are taken
 * out: their control lines are appended to `lines`. Not one of which a part is written; and, of a server that
 * changes its mind, none while a write is under way, or while the stream is to be given the same bytes again.
 * False if there is no memory: then nothing was taken out. */
bool nki_outbox_fit(struct nki_outbox *outbox, uint64_t max_body, bool headers, struct nki_buf *lines);
/* Engine: the handshake is done: `replay` goes before all that waited, and the outbox is live. False if there
 * is no memory. */
bool nki_outbox_attach(struct nki_outbox *outbox, const void *replay, size_t len, bool *kick);
/* Engine: what is appended from now on is not written to this transport: it waits for the next one, or for
 * nki_outbox_release. Returns the number of messages accepted before. */
uint64_t nki_outbox_hold(struct nki_outbox *outbox);
/* Engine: control lines before all that is held. False if there is no memory. */
bool nki_outbox_ahead(struct nki_outbox *outbox, const void *lines, size_t len, bool *kick);
/* Engine: nothing is held any more. */
void nki_outbox_release(struct nki_outbox *outbox, bool *kick);
/* Engine: the transport is gone (it was shut down before): waits until nobody writes, keeps the PUB frames
 * that were not wholly accepted by the socket, drops other frames. Returns the number of messages that were
 * written and never confirmed. */
uint64_t nki_outbox_detach(struct nki_outbox *outbox);
/* Engine: nothing is accepted any more. Drops what is there and returns the number of messages in it. */
uint64_t nki_outbox_close(struct nki_outbox *outbox);

enum nki_outbox_result {
    NKI_OUTBOX_EMPTY,  /* all was written, or nothing may be: the right was given back */
    NKI_OUTBOX_MORE,   /* the budget is used up: the caller still holds the right */
    NKI_OUTBOX_AGAIN,  /* the socket takes no more now: the caller still holds the right */
    NKI_OUTBOX_PARKED, /* messages stream in, and few are there: the right was parked */
    NKI_OUTBOX_BROKEN  /* the socket is broken: the right was given back; the reader will find out why */
};

/* With the transmit right: writes at most about `budget` bytes without blocking. */
enum nki_outbox_result nki_outbox_transmit(struct nki_outbox *outbox, size_t budget);
/* The same, but the right may be parked (never NKI_OUTBOX_PARKED above). */
enum nki_outbox_result nki_outbox_transmit_stream(struct nki_outbox *outbox, size_t budget);

/* With the transmit right: parks it; false, and the caller keeps it, if somebody waits for what is there.
 * Takes it back: false if it was not parked (any more). */
bool nki_outbox_park(struct nki_outbox *outbox) __attribute__((warn_unused_result));
bool nki_outbox_unpark(struct nki_outbox *outbox);
/* Somebody waits for what was appended: true if the right was parked and is now the caller's; else whoever
 * holds it will not park it before all of this is written. */
bool nki_outbox_hurry(struct nki_outbox *outbox);
/* For who looks after a parked right from time to time: takes it if it has been parked since the last look,
 * of which *seen is the mark. *moves: it was parked since then, so another look is due. */
bool nki_outbox_unpark_old(struct nki_outbox *outbox, uint32_t *seen, bool *moves);

/* Segments kept for reuse, given back to the system. */
void nki_outbox_release_cache(void);
/* In a child after fork: the cache is the parent's. Lock-free. */
void nki_outbox_forget(void);

#endif
