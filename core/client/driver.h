/* The connection as its driver sees it: the engine, the transport, and who reads and writes. Shared by the
 * files that drive it (conn.c, sub.c, wait.c, driver.c, loop.c).
 *
 * Rights. Reading: whoever holds the engine lock and is `reader` reads. Normally that is the I/O thread; a
 * blocked caller takes the right over (wait.c), polls the socket without a lock, and gives it back; to a
 * waitset it is lent (lease.c). Writing:
 * the transmit right of the outbox (outbox.h), wherever it is: at a caller, with the I/O thread (`tx_waiting`
 * or `tx_owed`), or nobody. Dialing, hanging up and timers are the I/O thread's; but who opens a connection
 * begins to dial himself, and who closes it hangs up. */
#ifndef NKI_CLIENT_DRIVER_H
#define NKI_CLIENT_DRIVER_H

#include "client/engine.h"
#include "client/prepare.h"
#include "net/tcp.h"
#include "net/tls.h"
#include "net/ws.h"

/* A stream that lives as long as somebody may poll its descriptor. */
struct nki_transport {
    atomic_uint refs;
    struct nki_stream *stream;
};

enum nki_reader {
    NKI_READER_LOOP,   /* the I/O thread */
    NKI_READER_CALLER, /* a blocked caller */
    NKI_READER_SET,    /* who collects from a waitset */
    NKI_READER_KEPT    /* nobody just now: the caller who has read is about to come again */
};

struct nki_conn {
    atomic_uint refs;
    pthread_mutex_t engine_mu; /* the engine lock; taken by the functions below */
    pthread_mutex_t turn_mu;   /* held by the one who waits for it; the others wait for that */

    /* guarded by engine_mu */
    struct nki_engine engine;
    struct nki_transport *transport; /* NULL: none, or hanging up */
    enum nki_reader reader;
    int nudge_fd;             /* wakes the caller that reads; -1 until one did, not closed while one waits */
    bool unread;              /* bytes wait in the stream itself */
    bool ended;               /* closed, and hung up by who did that */
    bool filtering;           /* a filter (TLS, WebSocket) is there, its handshake under way */
    struct nki_tls_state tls; /* of a transport that is secured */
    struct nki_waitset *lessee; /* to whom the reading right is lent: a reference, or NULL */
    int64_t lease_ns;           /* when the I/O thread looks whether the right is used; NKI_NEVER */
    int64_t used_ns;            /* when it last could have been lent or kept; later than now: not before */
    bool lease_used;            /* since its last look */
    struct nki_sub *streaming;  /* to whom a lent read has brought a stream; no reference, may be gone */
    uint64_t streamed;          /* messages that were taken of that when the loop last looked */
    bool emptied;               /* a read found less than it asked for, since `full_ns` was set */
    int64_t full_ns;            /* since when those who have it have not emptied the socket */
    uint64_t full_bytes;        /* what had come until then */
    uint64_t full_msgs;
    uint32_t interest; /* of the transport's descriptor, as the I/O thread waits for it */
    bool tx_waiting;   /* the I/O thread holds the transmit right and waits until the socket takes more */
    int64_t armed_ns;  /* when the I/O thread looks at this connection at the latest */

    /* the transmit right's holder's */
    int64_t last_msg_ns; /* when a publish last found the outbox idle */
    uint64_t last_msgs;  /* and how many had been accepted then */
    uint64_t last_bytes;

    atomic_uint waiting; /* callers that wait for something to come, reading or asleep */
    atomic_bool kept;    /* the reader is NKI_READER_KEPT */
    atomic_bool lent;    /* ... or NKI_READER_SET */

    atomic_bool tx_owed;   /* the transmit right was passed to the I/O thread */
    atomic_bool waits;     /* callers ask and then wait: until they wait their requests may gather */
    atomic_bool gathering; /* it looks after a right that is parked (outbox.h), or is about to */

    /* guarded by engine_mu: the attempt to get a transport, and a look after a parked right */
    struct nki_prepare *prepare;
    struct nki_tls_config *tls_config; /* of the last attempt that had one */
    bool tls_prepared;                 /* ... which is this one */
    struct nki_resolve *resolve;
    struct nki_tcp_dial *dial;
    int64_t gather_ns;      /* when the I/O thread looks after a parked right; NKI_NEVER */
    int64_t gather_step_ns; /* to the next look after that */
    uint32_t gather_seen;   /* its mark of the last look (outbox.h) */

    /* the I/O thread's own */
    struct nki_list run_node; /* in the list of those to be looked at now */
    bool io_ready;
    bool io_writable; /* or its end has come */

    /* guarded by the loop's mutex */
    struct nki_list post_node;
    struct nki_list live_node;  /* in the list of those that have not ended */
    struct nki_list timer_node; /* in the list of deadlines, earliest first */
    int64_t timer_ns;
    bool posted;
    int asking; /* questions to the helper thread that are open */
};

/* The engine lock. A reader has it for most of the time when messages stream in, and lets go of it for some
 * nanoseconds between two turns: too short for a thread that sleeps until it is free. So who finds it taken
 * stands at the turnstile, and a reader goes through there each time, behind the one who waits; but a thread
 * that does not get a processor then may not keep the I/O thread from all other connections, so the reader
 * waits for a limited time. Among callers the first to come gets it, as always. */
static inline void nki_conn_lock(struct nki_conn *conn)
{
    if (NKI_UNLIKELY(pthread_mutex_trylock(&conn->engine_mu) != 0)) {
        pthread_mutex_lock(&conn->turn_mu);
        pthread_mutex_lock(&conn->engine_mu);
        pthread_mutex_unlock(&conn->turn_mu);
    }
}

/* By the I/O thread, and by a caller that reads. */
void nki_conn_lock_in_turn(struct nki_conn *conn);

static inline void nki_conn_unlock(struct nki_conn *conn)
{
    pthread_mutex_unlock(&conn->engine_mu);
}

/* False if it is taken, or somebody is at the turnstile. */
static inline bool nki_conn_try_lock(struct nki_conn *conn)
{
    if (pthread_mutex_trylock(&conn->turn_mu) != 0) {
        return false;
    }
    bool taken = pthread_mutex_trylock(&conn->engine_mu) == 0;
    pthread_mutex_unlock(&conn->turn_mu);
    return taken;
}

/* With the engine lock: TLS or WebSocket is to begin and its filter is not there yet. Nothing may be read
 * then; what waits would wake its reader again and again. */
static inline bool nki_driver_before_filter(const struct nki_conn *conn)
{
    return nki_engine_before_filter(&conn->engine) && !conn->filtering;
}

#define NKI_INBOX_MAX 320 /* of a reply subject: prefix option, nuid, token */
#define NKI_TURN_BYTES                                                                                       \
    ((size_t)256 * NKI_KIB) /* read or written for one connection before the next has its turn */

/* conn.c: NKI_OK, NKI_TOO_LARGE, NKI_NO_HEADERS. ask.c: nki_conn_request_with for one with its own
 * subscription. */
int32_t nki_conn_check_size(const struct nki_conn *conn, const struct nki_outgoing_msg *msg);
/* The caller got the transmit right with a message of a stream that it appended; `at_once`: it waits for
 * room. */
void nki_conn_use_right(struct nki_conn *conn, bool at_once);
int32_t nki_conn_ask(struct nki_conn *conn, const struct nki_outgoing_msg *msg,
                     const struct nki_request_params *params, int64_t deadline_ns, struct nki_op **out,
                     struct nki_error *err);

/* A receive buffer of NKI_TURN_BYTES that begins on a page; NULL if there is no memory. */
uint8_t *nki_driver_buffer_take(void);
void nki_driver_buffer_give(uint8_t *buffer);
/* Those kept for reuse: given back to the system; or forgotten in a child after fork. */
void nki_driver_release_cache(void);
void nki_driver_forget(void);

/* With the engine lock, by whoever has the reading right: reads and feeds at most one turn, or takes a step
 * of a filter's handshake. */
void nki_driver_read(struct nki_conn *conn, uint8_t *buffer);
/* With the engine lock: tells the I/O thread's poller what to wait for. */
void nki_driver_interest(struct nki_conn *conn);
/* By who opens it, without locks: begins to dial. What takes longer than a system call, such as the name of a
 * server, goes on in the I/O thread. */
void nki_driver_begin(struct nki_conn *conn);
/* With the engine lock: sees to it that the I/O thread looks at the connection when the next thing is due. */
void nki_driver_arm(struct nki_conn *conn);
/* After an engine call by any thread, with the engine lock: hangs up a connection that is closed, and hands
 * to the I/O thread what else is to be done. Returns whether the caller now holds the transmit right, to be
 * used by nki_driver_transmit after unlocking.
 */
bool nki_driver_settle(struct nki_conn *conn);
/* With the transmit right, without locks: writes once, and passes the right on if something is left. */
void nki_driver_transmit(struct nki_conn *conn);
/* The same without writing now. */
void nki_driver_pass_right(struct nki_conn *conn);
/* With the transmit right: lets frames gather for a short time, in which whoever needs the right takes it. */
void nki_driver_park_right(struct nki_conn *conn);
/* By a caller that is about to wait, without locks: writes what has gathered. */
void nki_driver_before_wait(struct nki_conn *conn);
/* By the I/O thread: does all that is due for the connection. Returns false when it has ended and nothing is
 * left to do. */
bool nki_driver_service(struct nki_conn *conn);

/* secure.c, with the engine lock. Who dials: begins the TLS handshake that the engine wants, once what
 * it needs is prepared; begins the upgrade to WebSocket. The reader: a step of either. */
void nki_driver_begin_tls(struct nki_conn *conn, int64_t now_ns);
void nki_driver_begin_upgrade(struct nki_conn *conn, int64_t now_ns);
void nki_driver_step_filter(struct nki_conn *conn, int64_t now_ns);
/* Has read what an attempt needs of files, then goes on with it. */
void nki_driver_prepare(struct nki_conn *conn, uint32_t what, int64_t now_ns);
void nki_driver_step_prepare(struct nki_conn *conn, int64_t now_ns);
void nki_driver_stop_preparing(struct nki_conn *conn);
/* driver.c: resolves the name of the server, and goes on. */
void nki_driver_start_resolving(struct nki_conn *conn, int64_t now_ns);
/* Puts the server's name before the text. */
void nki_driver_name_error(struct nki_conn *conn, struct nki_error *error);

/* lease.c. With the engine lock: gives the right that is lent or kept back to the I/O thread, harmless if it
 * is neither; the I/O thread, when it is due: does so if nobody uses it. */
void nki_lease_end(struct nki_conn *conn);
void nki_lease_look(struct nki_conn *conn, int64_t now_ns);
/* With the engine lock, by a caller: he is the reader from now on, whoever was. */
void nki_lease_take(struct nki_conn *conn);
/* Whether it is lent or kept, so that a caller who wants it need not wait for a read. Any thread, no lock. */
bool nki_lease_is_there(const struct nki_conn *conn);
/* With the engine lock. By a caller that has read, and counts as waiting: keeps the right for the next time,
 * or returns false, and the reader is as before or the I/O thread. */
bool nki_lease_keep(struct nki_conn *conn, int64_t now_ns);
/* By the I/O thread around a read: keeps it for a caller who slept until what that has brought. */
void nki_lease_before_read(struct nki_conn *conn);
void nki_lease_after_read(struct nki_conn *conn, int64_t now_ns);
/* With no lock held, by who counts as waiting: that he sleeps for this now, a waitable or a waitset, or NULL
 * for something of which others need not know. False: he need not, since the right is to be had. */
bool nki_lease_may_sleep(struct nki_conn *conn, const void *what);
/* With no lock held, by the holder of the transmit right, who has requests that need not be written each for
 * itself: parks the right for the event loop to which reading is lent, which is made to collect before it
 * waits again. False: there is none. */
bool nki_lease_call(struct nki_conn *conn);

void nki_transport_release(struct nki_transport *transport);

/* loop.c: the I/O thread. */

/* Gives the connection to the I/O thread, which is started on need; it does not look at it yet. */
int32_t nki_loop_add(struct nki_conn *conn, struct nki_error *err);
/* Has the I/O thread look at the connection: now, or at this time, which takes the place of the one before.
 * Any thread. */
void nki_loop_post(struct nki_conn *conn);
void nki_loop_arm(struct nki_conn *conn, int64_t at_ns);
/* The connection has ended, and is to be dropped soon. */
void nki_loop_retire(struct nki_conn *conn, int64_t now_ns);
/* With the engine lock. */
bool nki_loop_watch(struct nki_conn *conn, int fd, uint32_t events, struct nki_error *err);
void nki_loop_change(struct nki_conn *conn, int fd, uint32_t events);
void nki_loop_unwatch(struct nki_conn *conn, int fd);
/* The descriptor that the helper thread raises; and, before it is asked, one question more, or one less. */
int nki_loop_wake_fd(void);
void nki_loop_asking(struct nki_conn *conn, int more);
/* The I/O thread's own. */
uint8_t *nki_loop_buffer(void);

#endif
