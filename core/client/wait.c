/* A blocked caller (request, next, flush, a wait for many) that finds nobody reading takes the reading right,
 * polls the socket itself, and feeds the engine until its own completion or deadline; then the I/O thread
 * waits for the socket again. So a round trip that waits alone costs no hop between threads. Whoever finds
 * the right taken sleeps on its object's condition.
 *
 * Locks: waitable.mu is below the engine lock, so it is released before that is taken. The reader polls
 * without a lock; a completion by somebody else and a close meanwhile, and a hang-up, raise the connection's
 * nudge descriptor. */
#include "client/wait.h"

#include "base/clock.h"
#include "client/driver.h"

#include <poll.h>

#define STREAM_NS (2 * NKI_NS_PER_MS) /* for which a set reads on when no more of a stream comes */

/* What the reader waits for. */
struct reading {
    struct nki_waitable *waitable; /* one of these two; nobody is woken for whoever feeds it himself */
    struct nki_waitset *set;
    struct nki_transport *transport; /* a reference */
    int fd;
    short events;
    bool buffered; /* there is something to read, whatever the descriptor says */
    bool fed;      /* the set */
};

/* With the engine lock, as the reader. */
static void look(const struct nki_conn *conn, struct reading *reading)
{
    const struct nki_stream *stream = reading->transport->stream;
    reading->fd = stream->fd;
    reading->events =
        (short)((nki_driver_before_filter(conn) ? 0 : POLLIN) | (stream->wants_write ? POLLOUT : 0));
    reading->buffered = conn->unread;
}

/* Takes the reading right; with no lock held. False if there is no transport or somebody reads. */
static bool take_reading(struct nki_conn *conn, struct reading *reading)
{
    if (!nki_conn_try_lock(conn)) {
        if (!nki_lease_is_there(conn)) {
            return false; /* somebody reads right now, and will complete this caller if it is its turn */
        }
        nki_conn_lock(conn);
    }
    struct nki_transport *transport = conn->transport;
    bool free_to_take = transport != NULL && conn->engine.stream != NULL && conn->reader != NKI_READER_CALLER;
    if (free_to_take && conn->nudge_fd < 0) {
        conn->nudge_fd = nki_wake_open();
        free_to_take = conn->nudge_fd >= 0;
    }
    if (!free_to_take) {
        nki_lease_end(conn); /* who may not have it sleeps, and the I/O thread has to read */
    }
    if (free_to_take) {
        nki_lease_take(conn);
        atomic_fetch_add_explicit(&transport->refs, 1, memory_order_relaxed);
        reading->transport = transport;
        look(conn, reading);
    }
    nki_conn_unlock(conn);
    return free_to_take;
}

/* `again`: this caller has read, and may come again soon. */
static void give_reading_back(struct nki_conn *conn, struct nki_transport *transport, bool again)
{
    nki_conn_lock(conn);
    bool kept = again && conn->transport == transport && nki_lease_keep(conn, nki_clock_now_ns());
    if (!kept && conn->transport == transport) {
        conn->reader = NKI_READER_LOOP;
        nki_driver_interest(conn);
        if (conn->unread) {
            nki_loop_post(conn); /* no poll of the descriptor would tell */
        }
    }
    nki_conn_unlock(conn);
    nki_transport_release(transport);
}

/* With the engine lock: what this caller makes ready it looks at next, before it waits. */
static void begin_feeding(struct reading *reading)
{
    if (reading->set != NULL) {
        nki_waitset_feed(reading->set);
        reading->fed = true;
        return;
    }
    pthread_mutex_lock(&reading->waitable->mu);
    reading->waitable->nudge_fd = NKI_NUDGE_FEEDING;
    pthread_mutex_unlock(&reading->waitable->mu);
}

/* Waits until there may be something to read. False if nothing is. */
static bool wait_for_bytes(struct nki_conn *conn, struct reading *reading, int64_t deadline_ns)
{
    struct pollfd fds[3] = {
        {.fd = reading->fd, .events = reading->events},
        {.fd = conn->nudge_fd, .events = POLLIN},
        {.fd = reading->set != NULL ? nki_waitset_wake_fd(reading->set) : -1, .events = POLLIN}};
    bool buffered = reading->buffered;
    int count = poll(fds, 3, buffered ? 0 : nki_deadline_poll_ms(nki_clock_now_ns(), deadline_ns));
    if (count > 0 && fds[1].revents != 0) {
        nki_wake_clear(conn->nudge_fd);
    }
    return buffered || (count > 0 && fds[0].revents != 0);
}

/* Waits for bytes and feeds them. False when the transport is gone. */
static bool read_once(struct nki_conn *conn, struct reading *reading, uint8_t *buffer, int64_t deadline_ns)
{
    struct nki_transport *transport = reading->transport;
    bool bytes = wait_for_bytes(conn, reading, deadline_ns);
    nki_conn_lock_in_turn(conn);
    bool mine = conn->transport == transport && conn->engine.stream != NULL;
    if (mine && bytes) {
        begin_feeding(reading);
        nki_driver_read(conn, buffer);
        mine = conn->engine.stream != NULL;
    }
    if (mine) {
        look(conn, reading);
    }
    bool right = nki_driver_settle(conn);
    nki_conn_unlock(conn);
    if (right) {
        nki_driver_transmit(conn);
    }
    return mine;
}

/* Reads until `ready` or the deadline; false if this caller may not read. With waitable->mu held before and
 * after. */
static bool drive(struct nki_conn *conn, struct nki_waitable *waitable, bool (*ready)(struct nki_waitable *),
                  int64_t deadline_ns)
{
    if (waitable->nudge_fd != NKI_NUDGE_NOBODY) {
        return false; /* another caller reads for this object */
    }
    pthread_mutex_unlock(&waitable->mu);
    uint8_t *buffer = NULL;
    struct reading reading = {.waitable = waitable};
    bool taken = take_reading(conn, &reading);
    if (taken) {
        buffer = nki_driver_buffer_take();
    }
    pthread_mutex_lock(&waitable->mu);
    bool go_on = buffer != NULL && waitable->nudge_fd == NKI_NUDGE_NOBODY;
    bool drove = go_on;
    while (go_on && !ready(waitable) && nki_clock_now_ns() < deadline_ns) {
        waitable->nudge_fd = conn->nudge_fd;
        pthread_mutex_unlock(&waitable->mu);
        go_on = read_once(conn, &reading, buffer, deadline_ns);
        pthread_mutex_lock(&waitable->mu);
    }
    if (drove) {
        waitable->nudge_fd = NKI_NUDGE_NOBODY;
    }
    if (taken) {
        pthread_mutex_unlock(&waitable->mu);
        give_reading_back(conn, reading.transport, drove);
        nki_driver_buffer_give(buffer);
        pthread_mutex_lock(&waitable->mu);
    }
    return drove;
}

/* Until somebody else has made it ready, perhaps; not at all if the right is to be had after all. */
static void sleep_locked(struct nki_conn *conn, struct nki_waitable *waitable, int64_t deadline_ns)
{
    if (nki_lease_may_sleep(conn, waitable)) {
        waitable->waiters++;
        nki_small_cond_wait(&waitable->cond, &waitable->mu, deadline_ns);
        waitable->waiters--;
    }
}

int32_t nki_wait_locked(struct nki_conn *conn, struct nki_waitable *waitable,
                        bool (*ready)(struct nki_waitable *), int64_t deadline_ns)
{
    if (ready(waitable)) {
        return NKI_OK;
    }
    /* While this caller sleeps or reads, the object may not go away: the caller holds a reference of it. */
    pthread_mutex_unlock(&waitable->mu);
    nki_driver_before_wait(conn);
    pthread_mutex_lock(&waitable->mu);
    atomic_fetch_add(&conn->waiting, 1);
    bool in_time = true;
    while (!ready(waitable) && (in_time = nki_clock_now_ns() < deadline_ns)) {
        if (!drive(conn, waitable, ready, deadline_ns) && !ready(waitable)) {
            sleep_locked(conn, waitable, deadline_ns);
        }
    }
    atomic_fetch_sub(&conn->waiting, 1);
    return in_time ? NKI_OK : NKI_TIMEOUT;
}

static bool op_ready(struct nki_waitable *waitable)
{
    return nki_op_ready_locked(NKI_CONTAINER_OF(waitable, struct nki_op, wait));
}

/* Counted as waiting. */
static int32_t wait_reading(struct nki_conn *conn, struct nki_waitset *set, struct nki_wait_record *records,
                            size_t cap, bool again, int64_t deadline_ns, size_t *count)
{
    struct reading reading = {.set = set};
    if (!take_reading(conn, &reading)) {
        return NKI_WOULD_BLOCK;
    }
    uint8_t *buffer = nki_driver_buffer_take();
    bool go_on = buffer != NULL;
    int32_t status = nki_waitset_wait(set, records, cap, 0, count); /* it may have come meanwhile */
    while (status == NKI_WOULD_BLOCK && go_on && nki_clock_now_ns() < deadline_ns) {
        (void)nki_waitset_answer(set); /* meant for a loop, and can wait */
        go_on = read_once(conn, &reading, buffer, deadline_ns);
        status = nki_waitset_wait(set, records, cap, 0, count);
        if (reading.fed) {
            nki_waitset_fed(set);
            reading.fed = false;
        }
    }
    give_reading_back(conn, reading.transport, again && *count > 0);
    nki_driver_buffer_give(buffer);
    return status;
}

int32_t nki_conn_wait_set(struct nki_conn *conn, struct nki_waitset *set, struct nki_wait_record *records,
                          size_t cap, bool again, int64_t deadline_ns, size_t *count)
{
    atomic_fetch_add(&conn->waiting, 1);
    int32_t status = wait_reading(conn, set, records, cap, again, deadline_ns, count);
    atomic_fetch_sub(&conn->waiting, 1);
    return status;
}

int32_t nki_conn_wait_stream(struct nki_conn *conn, struct nki_waitset *set, struct nki_wait_record *records,
                             size_t cap, bool again, int64_t deadline_ns, size_t *count)
{
    int32_t status = NKI_WOULD_BLOCK;
    atomic_fetch_add(&conn->waiting, 1);
    while (status == NKI_WOULD_BLOCK) {
        if (nki_lease_is_there(conn)) {
            int64_t until_ns = nki_clock_now_ns() + STREAM_NS;
            until_ns = until_ns < deadline_ns ? until_ns : deadline_ns;
            status = wait_reading(conn, set, records, cap, again, until_ns, count);
        }
        if (status == NKI_WOULD_BLOCK && nki_lease_may_sleep(conn, again ? set : NULL)) {
            status = nki_waitset_wait(set, records, cap, deadline_ns, count);
        }
    }
    atomic_fetch_sub(&conn->waiting, 1);
    return status;
}

static void will_wait(struct nki_conn *conn)
{
    if (!atomic_load_explicit(&conn->waits, memory_order_relaxed)) {
        atomic_store_explicit(&conn->waits, true, memory_order_relaxed);
    }
}

void nki_conn_before_wait(struct nki_conn *conn)
{
    will_wait(conn);
    nki_driver_before_wait(conn);
}

void nki_conn_write_parked(struct nki_conn *conn)
{
    nki_driver_before_wait(conn);
}

int32_t nki_conn_wait_op(struct nki_conn *conn, struct nki_op *op, int64_t deadline_ns)
{
    pthread_mutex_lock(&op->wait.mu);
    int32_t status = NKI_OK;
    if (!op_ready(&op->wait)) {
        status = NKI_WOULD_BLOCK;
        if (deadline_ns != 0) {
            will_wait(conn);
            status = nki_wait_locked(conn, &op->wait, op_ready, deadline_ns);
        }
    }
    if (op->wait.closed) {
        status = NKI_CLOSED;
    }
    pthread_mutex_unlock(&op->wait.mu);
    return status;
}
