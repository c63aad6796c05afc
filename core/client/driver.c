/* Driving one connection: reading and feeding, writing, dialing, hanging up. See driver.h for who does what.
 */
#include "client/driver.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/page_cache.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#define TURNSTILE_NS (2 * NKI_NS_PER_MS)   /* for which a reader lets callers go first */
#define GATHER_NS (100 * INT64_C(1000))    /* for which frames of a stream gather */
#define GATHER_MAX_NS (4 * GATHER_NS)      /* ... of callers who write them when they wait for answers */
#define DIRECT_BODY ((size_t)32 * NKI_KIB) /* from here on a body is read to its place without a copy */

void nki_conn_lock_in_turn(struct nki_conn *conn)
{
    bool in_turn = pthread_mutex_trylock(&conn->turn_mu) == 0;
    if (NKI_UNLIKELY(!in_turn)) {
        /* By the clock of pthread_mutex_timedlock. */
        struct timespec until = nki_clock_timespec(nki_clock_wall_ns() + TURNSTILE_NS);
        in_turn = pthread_mutex_timedlock(&conn->turn_mu, &until) == 0;
    }
    pthread_mutex_lock(&conn->engine_mu);
    if (in_turn) {
        pthread_mutex_unlock(&conn->turn_mu);
    }
}

void nki_transport_release(struct nki_transport *transport)
{
    if (transport != NULL && atomic_fetch_sub_explicit(&transport->refs, 1, memory_order_acq_rel) == 1) {
        nki_stream_free(transport->stream);
        nki_free(transport);
    }
}

/* One for the I/O thread and one for each caller that reads: more than a few at a time are rare. */
static struct nki_page_cache buffers = NKI_PAGE_CACHE(NKI_TURN_BYTES, 4096, 4);

uint8_t *nki_driver_buffer_take(void)
{
    return nki_page_cache_take(&buffers);
}

void nki_driver_buffer_give(uint8_t *buffer)
{
    nki_page_cache_give(&buffers, buffer);
}

void nki_driver_release_cache(void)
{
    nki_page_cache_release(&buffers);
}

void nki_driver_forget(void)
{
    nki_page_cache_forget(&buffers);
}

/* The end of the stream, or its error. */
static void lost_by_read(struct nki_conn *conn, ptrdiff_t result, int64_t now_ns)
{
    struct nki_engine *engine = &conn->engine;
    struct nki_error error;
    const char *server = engine->servers.current->text;
    int code = conn->transport->stream->sys_errno;
    bool ended = result == NKI_STREAM_EOF;
    struct nki_stream *stream = conn->transport->stream;
    if (!ended && stream->ops->explain != NULL) {
        stream->ops->explain(stream, &error);
        nki_driver_name_error(conn, &error);
    } else if (ended && (code == 0 || code == EPIPE || code == ECONNRESET || code == EPROTO)) {
        nki_error_set(&error, NKI_DISCONNECTED, "%s: the server closed the connection%s", server,
                      engine->state == NKI_ENGINE_WAIT_INFO
                          ? " before INFO; one that begins with TLS wants option tls_first"
                          : "");
    } else {
        /* An end after a write that failed is the outbox's doing. */
        nki_error_set_errno(&error, code == ENOMEM ? NKI_NO_MEMORY : NKI_IO, code,
                            ended ? "%s: writing" : "%s: reading", server);
    }
    nki_engine_lost(engine, &error, now_ns);
}

void nki_driver_read(struct nki_conn *conn, uint8_t *buffer)
{
    struct nki_engine *engine = &conn->engine;
    int64_t now_ns = nki_clock_now_ns();
    size_t total = 0;
    bool more = true;
    conn->unread = false;
    if (nki_engine_before_filter(engine)) {
        nki_driver_step_filter(conn, now_ns);
        more = !nki_engine_before_filter(engine);
    }
    while (more && total < NKI_TURN_BYTES && engine->stream != NULL) {
        struct iovec iov[2];
        uint8_t *body = NULL;
        size_t room = nki_engine_body_room(engine, DIRECT_BODY, &body);
        int count = 0;
        if (room > 0) {
            iov[count++] = (struct iovec){body, room};
        }
        iov[count++] = (struct iovec){buffer, NKI_TURN_BYTES};
        ptrdiff_t got = nki_stream_read(engine->stream, iov, count);
        if (got == NKI_STREAM_AGAIN) {
            conn->emptied = true;
            break;
        }
        if (got < 0) {
            lost_by_read(conn, got, now_ns);
            break;
        }
        if (NKI_UNLIKELY(engine->outbox.trace != NULL)) {
            nki_trace_bytes(engine->outbox.trace, NKI_TRACE_IN, iov, (size_t)got);
        }
        size_t direct = (size_t)got < room ? (size_t)got : room;
        if (direct > 0) {
            nki_engine_fed_body(engine, direct);
        }
        nki_engine_feed(engine, buffer, (size_t)got - direct, now_ns);
        total += (size_t)got;
        /* Less than asked for: the socket is empty. TLS may begin between two reads. */
        bool all = (size_t)got < room + NKI_TURN_BYTES;
        conn->emptied = conn->emptied || all;
        more = !all && !nki_engine_before_filter(engine);
    }
    conn->unread = engine->stream != NULL && !nki_engine_before_filter(engine) && engine->stream->buffered;
}

void nki_driver_interest(struct nki_conn *conn)
{
    if (conn->transport == NULL) {
        return;
    }
    bool reads = conn->reader == NKI_READER_LOOP;
    bool writes = conn->tx_waiting || (reads && conn->filtering && conn->transport->stream->wants_write);
    uint32_t wanted = (reads && !nki_driver_before_filter(conn) ? (uint32_t)EPOLLIN : 0) |
                      (writes ? (uint32_t)EPOLLOUT : 0);
    if (wanted != conn->interest) {
        conn->interest = wanted;
        nki_loop_change(conn, conn->transport->stream->fd, wanted);
    }
}

void nki_driver_pass_right(struct nki_conn *conn)
{
    atomic_store_explicit(&conn->tx_owed, true, memory_order_release);
    nki_loop_post(conn);
}

/* After parking: whoever clears the flag looks for a parked right then. */
static void look_after_right(struct nki_conn *conn)
{
    if (!atomic_exchange_explicit(&conn->gathering, true, memory_order_acq_rel)) {
        nki_loop_post(conn);
    }
}

void nki_driver_park_right(struct nki_conn *conn)
{
    if (nki_outbox_park(&conn->engine.outbox)) {
        look_after_right(conn);
    } else {
        nki_driver_transmit(conn);
    }
}

void nki_driver_before_wait(struct nki_conn *conn)
{
    if (nki_outbox_hurry(&conn->engine.outbox)) {
        nki_driver_transmit(conn);
    }
}

/* I/O thread: takes a right that has been parked for a while. As long as there was one since the last look it
 * keeps looking, so that a stream of messages does not wake it again and again; while the publishers write
 * themselves it leaves it to them. */
static bool end_gathering(struct nki_conn *conn, int64_t now_ns)
{
    if (!atomic_load_explicit(&conn->gathering, memory_order_acquire)) {
        return false;
    }
    if (conn->gather_ns == NKI_NEVER) {
        conn->gather_step_ns = GATHER_NS;
        conn->gather_ns = now_ns + GATHER_NS;
    }
    if (now_ns < conn->gather_ns) {
        return false;
    }
    bool moves;
    bool right = nki_outbox_unpark_old(&conn->engine.outbox, &conn->gather_seen, &moves);
    if (right) {
        atomic_store_explicit(&conn->waits, false, memory_order_relaxed); /* nobody has come for it */
    }
    int64_t longer_ns = 2 * conn->gather_step_ns;
    bool waits = atomic_load_explicit(&conn->waits, memory_order_relaxed);
    conn->gather_step_ns = !waits ? GATHER_NS : longer_ns < GATHER_MAX_NS ? longer_ns : GATHER_MAX_NS;
    conn->gather_ns = right || moves ? now_ns + conn->gather_step_ns : NKI_NEVER;
    if (!right && !moves) {
        atomic_store_explicit(&conn->gathering, false, memory_order_release);
        right = nki_outbox_unpark(&conn->engine.outbox); /* parked before the flag was cleared */
    }
    return right;
}

void nki_driver_transmit(struct nki_conn *conn)
{
    enum nki_outbox_result result = nki_outbox_transmit_stream(&conn->engine.outbox, NKI_OUTBOX_PARKED_BYTES);
    if (result == NKI_OUTBOX_MORE || result == NKI_OUTBOX_AGAIN) {
        nki_driver_pass_right(conn);
    } else if (result == NKI_OUTBOX_PARKED) {
        look_after_right(conn);
    }
}

static void stop_resolving(struct nki_conn *conn)
{
    if (conn->resolve != NULL) {
        nki_resolve_free(conn->resolve);
        conn->resolve = NULL;
        nki_loop_asking(conn, -1);
    }
}

/* Lets go of the transport or of the attempt to get one. */
static void hang_up(struct nki_conn *conn)
{
    if (conn->dial != NULL) {
        int fds[NKI_ADDRS_MAX];
        size_t count = nki_tcp_dial_fds(conn->dial, fds);
        for (size_t i = 0; i < count; i++) {
            nki_loop_unwatch(conn, fds[i]);
        }
        nki_tcp_dial_free(conn->dial);
        conn->dial = NULL;
    }
    stop_resolving(conn);
    nki_driver_stop_preparing(conn);
    conn->tls_prepared = false;
    conn->filtering = false;
    conn->unread = false;
    if (conn->transport != NULL) {
        nki_lease_end(conn);
        nki_loop_unwatch(conn, conn->transport->stream->fd); /* its end is not for the poller */
        nki_stream_shutdown(conn->transport->stream);
        nki_transport_release(conn->transport);
        conn->transport = NULL;
        conn->reader = NKI_READER_LOOP;
        if (conn->nudge_fd >= 0 && atomic_load(&conn->waiting) > 0) {
            nki_wake_raise(conn->nudge_fd); /* a caller that reads finds out at once */
        }
    }
    if (conn->tx_waiting) {
        conn->tx_waiting = false;
        nki_outbox_transmit(&conn->engine.outbox, 1); /* there is no stream: gives the right back */
    }
}

void nki_driver_start_resolving(struct nki_conn *conn, int64_t now_ns)
{
    const struct nki_url *url = &conn->engine.servers.current->url;
    struct nki_error error;
    nki_loop_asking(conn, +1);
    conn->resolve = nki_resolve_start(url->host, url->port, nki_loop_wake_fd(), &error);
    if (conn->resolve == NULL) {
        nki_loop_asking(conn, -1);
        nki_engine_lost(&conn->engine, &error, now_ns);
    }
}

void nki_driver_name_error(struct nki_conn *conn, struct nki_error *error)
{
    struct nki_error plain = *error;
    nki_error_set(error, plain.status, "%s: %s", conn->engine.servers.current->text, plain.text);
    error->sys_errno = plain.sys_errno;
    error->server_code = plain.server_code;
}

static void adopt_stream(struct nki_conn *conn, struct nki_stream *stream, int64_t now_ns)
{
    struct nki_transport *transport = nki_alloc(sizeof *transport);
    if (transport == NULL) {
        struct nki_error error;
        nki_stream_free(stream);
        nki_error_set(&error, NKI_NO_MEMORY, "no memory for a transport");
        nki_engine_lost(&conn->engine, &error, now_ns);
        return;
    }
    atomic_init(&transport->refs, 1);
    transport->stream = stream;
    conn->transport = transport;
    conn->reader = NKI_READER_LOOP;
    conn->interest = EPOLLIN;
    struct nki_error error;
    if (nki_loop_watch(conn, stream->fd, EPOLLIN, &error)) {
        nki_engine_connected(&conn->engine, stream, now_ns);
    } else {
        nki_driver_name_error(conn, &error);
        nki_engine_lost(&conn->engine, &error, now_ns);
    }
}

static void step_resolve(struct nki_conn *conn, int64_t now_ns)
{
    int32_t status;
    struct nki_addrs addrs;
    struct nki_error error;
    if (!nki_resolve_done(conn->resolve, &status, &addrs, &error)) {
        return;
    }
    stop_resolving(conn);
    if (status == NKI_OK) {
        nki_engine_arrange(&conn->engine, &addrs);
        conn->dial = nki_tcp_dial_start(&addrs, now_ns, &error);
    }
    if (conn->dial == NULL) {
        nki_driver_name_error(conn, &error);
        nki_engine_lost(&conn->engine, &error, now_ns);
    }
}

static void step_dial(struct nki_conn *conn, int64_t now_ns)
{
    int fds[NKI_ADDRS_MAX];
    struct nki_stream *stream = NULL;
    struct nki_error error;
    /* Sockets that the step closes must have left the poller before: a copy in a forked child would keep them
     * in. */
    size_t count = nki_tcp_dial_fds(conn->dial, fds);
    for (size_t i = 0; i < count; i++) {
        nki_loop_unwatch(conn, fds[i]);
    }
    int32_t status = nki_tcp_dial_step(conn->dial, now_ns, &stream, &error);
    if (status == NKI_PENDING) {
        count = nki_tcp_dial_fds(conn->dial, fds);
        for (size_t i = 0; i < count; i++) {
            if (!nki_loop_watch(conn, fds[i], EPOLLOUT, &error)) {
                nki_driver_name_error(conn, &error);
                nki_engine_lost(&conn->engine, &error, now_ns); /* hangs up */
                break;
            }
        }
        return;
    }
    nki_tcp_dial_free(conn->dial);
    conn->dial = NULL;
    if (status == NKI_OK) {
        adopt_stream(conn, stream, now_ns);
    } else {
        nki_driver_name_error(conn, &error);
        nki_engine_lost(&conn->engine, &error, now_ns);
    }
}

/* What is to be read of files comes before the name: a server is not to be kept waiting for it. */
static void begin_attempt(struct nki_conn *conn, int64_t now_ns)
{
    uint32_t what = nki_prepare_needed(conn->engine.options, nki_engine_tls_intent(&conn->engine));
    if (what != 0) {
        nki_driver_prepare(conn, what, now_ns);
    } else {
        nki_driver_start_resolving(conn, now_ns);
    }
}

/* Does what the engine wants until it wants nothing more of the transport. */
static void carry_out(struct nki_conn *conn, int64_t now_ns)
{
    struct nki_engine *engine = &conn->engine;
    while ((engine->want & (NKI_WANT_HANGUP | NKI_WANT_DIAL | NKI_WANT_TLS | NKI_WANT_UPGRADE)) != 0) {
        if ((engine->want & NKI_WANT_HANGUP) != 0) {
            engine->want &= ~NKI_WANT_HANGUP;
            hang_up(conn);
        } else if ((engine->want & NKI_WANT_DIAL) != 0) {
            engine->want &= ~NKI_WANT_DIAL;
            begin_attempt(conn, now_ns);
        } else if ((engine->want & NKI_WANT_TLS) != 0) {
            engine->want &= ~NKI_WANT_TLS;
            nki_driver_begin_tls(conn, now_ns);
        } else {
            engine->want &= ~NKI_WANT_UPGRADE;
            nki_driver_begin_upgrade(conn, now_ns);
        }
        if (conn->resolve != NULL) {
            step_resolve(conn, now_ns); /* a literal address is answered at once */
        }
        if (conn->dial != NULL) {
            step_dial(conn, now_ns);
        }
    }
}

/* -- timers and ends ------------------------------------------------------------------------------------- */

/* With the engine lock: when the I/O thread has to look at the connection at the latest. */
static int64_t next_look_ns(const struct nki_conn *conn)
{
    int64_t at = nki_engine_deadline_ns(&conn->engine);
    if (conn->dial != NULL && nki_tcp_dial_deadline_ns(conn->dial) < at) {
        at = nki_tcp_dial_deadline_ns(conn->dial);
    }
    if (conn->lease_ns < at) {
        at = conn->lease_ns;
    }
    return conn->gather_ns < at ? conn->gather_ns : at;
}

static void arm(struct nki_conn *conn, int64_t at_ns)
{
    conn->armed_ns = at_ns;
    nki_loop_arm(conn, at_ns);
}

void nki_driver_arm(struct nki_conn *conn)
{
    int64_t at_ns = next_look_ns(conn);
    if (at_ns < conn->armed_ns) {
        arm(conn, at_ns);
    }
}

/* The connection is closed: whoever did that hangs up. The I/O thread drops it when it looks next. */
static void end(struct nki_conn *conn)
{
    if (!conn->ended) {
        conn->ended = true;
        conn->engine.want = 0;
        hang_up(conn);
        conn->armed_ns = NKI_NEVER;
        nki_loop_retire(conn, nki_clock_now_ns());
    }
    if (conn->nudge_fd >= 0 && atomic_load(&conn->waiting) == 0) { /* else when it is dropped */
        (void)close(conn->nudge_fd);
        conn->nudge_fd = -1;
    }
}

bool nki_driver_settle(struct nki_conn *conn)
{
    struct nki_engine *engine = &conn->engine;
    bool kick = (engine->want & NKI_WANT_KICK) != 0;
    engine->want &= ~NKI_WANT_KICK;
    if (NKI_UNLIKELY(engine->state == NKI_ENGINE_CLOSED)) {
        end(conn);
    } else if (NKI_UNLIKELY(engine->want != 0)) {
        nki_loop_post(conn);
    } else {
        nki_driver_arm(conn);
    }
    return kick;
}

/* What the I/O thread is to do with the transport from here on. */
static void poll_on(struct nki_conn *conn)
{
    nki_driver_interest(conn);
    if (conn->unread && conn->reader == NKI_READER_LOOP) {
        nki_loop_post(conn); /* no poll would tell; other connections have their turn before */
    }
}

void nki_driver_begin(struct nki_conn *conn)
{
    nki_conn_lock(conn);
    carry_out(conn, nki_clock_now_ns());
    poll_on(conn);
    bool right = nki_driver_settle(conn);
    nki_conn_unlock(conn);
    if (right) {
        nki_driver_transmit(conn);
    }
}

/* -- the I/O thread -------------------------------------------------------------------------------------- */

/* One turn of writing with the transmit right; whatever is left waits for the poller or the next turn. */
static void transmit_turn(struct nki_conn *conn)
{
    enum nki_outbox_result result = nki_outbox_transmit_stream(&conn->engine.outbox, NKI_TURN_BYTES);
    if (result == NKI_OUTBOX_MORE) {
        nki_driver_pass_right(conn);
    } else if (result == NKI_OUTBOX_PARKED) {
        look_after_right(conn);
    } else if (result == NKI_OUTBOX_AGAIN) {
        nki_conn_lock_in_turn(conn);
        int64_t at = conn->armed_ns;
        if (conn->transport == NULL || conn->engine.stream == NULL) {
            nki_driver_pass_right(conn); /* lost meanwhile: the next turn gives the right back */
        } else {
            conn->tx_waiting = true;
            nki_engine_writing(&conn->engine, true, nki_clock_now_ns());
            nki_driver_interest(conn);
            at = next_look_ns(conn);
        }
        arm(conn, at);
        nki_conn_unlock(conn);
    }
}

bool nki_driver_service(struct nki_conn *conn)
{
    struct nki_engine *engine = &conn->engine;
    nki_conn_lock_in_turn(conn);
    int64_t now_ns = nki_clock_now_ns();
    bool ready = conn->io_ready;
    bool writable = conn->io_writable;
    conn->io_ready = false;
    conn->io_writable = false;
    nki_lease_look(conn, now_ns);
    if (conn->prepare != NULL && (engine->want & NKI_WANT_HANGUP) == 0) {
        nki_driver_step_prepare(conn, now_ns);
    }
    if (conn->resolve != NULL) {
        step_resolve(conn, now_ns);
    }
    if (conn->dial != NULL && engine->want == 0) {
        step_dial(conn, now_ns);
    }
    bool right = atomic_exchange_explicit(&conn->tx_owed, false, memory_order_acq_rel);
    right = end_gathering(conn, now_ns) || right;
    if (writable && conn->tx_waiting) { /* bytes that come are no sign that the server takes any */
        conn->tx_waiting = false;
        nki_engine_writing(engine, false, now_ns);
        right = true;
    }
    if (ready && conn->reader == NKI_READER_KEPT) {
        nki_lease_end(conn); /* what is not polled for bytes tells of its end */
    }
    if ((ready || conn->unread) && conn->transport != NULL && conn->reader == NKI_READER_LOOP) {
        nki_lease_before_read(conn);
        nki_driver_read(conn, nki_loop_buffer());
        nki_lease_after_read(conn, now_ns);
    }
    if (now_ns >= nki_engine_deadline_ns(engine)) {
        nki_engine_tick(engine, now_ns);
    }
    carry_out(conn, now_ns);
    right = right || (engine->want & NKI_WANT_KICK) != 0;
    engine->want &= ~NKI_WANT_KICK;
    poll_on(conn);
    int64_t at = next_look_ns(conn);
    bool ended = engine->state == NKI_ENGINE_CLOSED;
    arm(conn, ended ? NKI_NEVER : at);
    nki_conn_unlock(conn);
    if (right) {
        transmit_turn(conn);
    }
    return !ended;
}
