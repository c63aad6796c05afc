/* The reading right between two reads of somebody who comes again and again: nobody else has to be woken
 * then, and what he reads he takes while it is in his processor's cache.
 *
 * *Kept* for a caller that has read, or that slept until the I/O thread had read for him, as long as he is
 * the only one that waits. Anybody who blocks meanwhile takes it.
 *
 * *Lent* to a waitset whose descriptor an event loop polls: the descriptor then is readable when bytes have
 * come, too, and whoever collects reads them first. A blocked caller takes the right away at once (wait.c).
 *
 * Either may stop any time to do something else; so the I/O thread looks every LEASE_NS whether anybody has
 * come since, and otherwise reads itself again. And so it does when they do not keep up with what comes: how
 * fast a program takes its messages is not to decide how long they wait at the server. */
#include "base/clock.h"
#include "client/driver.h"

#define LEASE_NS (2 * NKI_NS_PER_MS)
#define STREAM_BYTES ((size_t)64 * NKI_KIB) /* from one read */
#define FULL_NS (250 * NKI_NS_PER_MS)       /* for which the socket need not be emptied */
#define PAUSE_NS (100 * NKI_NS_PER_MS)      /* after that, or when a loop does not take it, of lending */
/* Who takes as much as this keeps up with a server: 4 million messages or 2 GB a second. (nats-server 2.15
 * sent 2.6 million of 16 bytes, and 1 GB in messages of 64 KiB, to one client: bench/README.md.) */
#define ENOUGH_MSGS_PER_MS 4000
#define ENOUGH_BYTES_PER_MS 2000000

/* With the engine lock, as everything below that does not say otherwise. */
static void set_kept(struct nki_conn *conn, bool kept)
{
    conn->reader = kept ? NKI_READER_KEPT : NKI_READER_LOOP;
    atomic_store(&conn->kept, kept);
    nki_driver_interest(conn);
}

void nki_lease_end(struct nki_conn *conn)
{
    conn->lease_ns = NKI_NEVER;
    if (conn->lessee != NULL) {
        nki_waitset_unwatch(conn->lessee, conn->transport->stream->fd);
        nki_waitset_release(conn->lessee);
        conn->lessee = NULL;
        atomic_store(&conn->lent, false);
    } else if (conn->reader != NKI_READER_KEPT) {
        return;
    }
    set_kept(conn, false);
    if (conn->unread) {
        nki_loop_post(conn); /* no poll of the descriptor would tell */
    }
}

void nki_lease_take(struct nki_conn *conn)
{
    if (conn->lessee != NULL) {
        nki_lease_end(conn);
    }
    conn->reader = NKI_READER_CALLER;
    atomic_store(&conn->kept, false);
    nki_driver_interest(conn);
}

bool nki_lease_is_there(const struct nki_conn *conn)
{
    return atomic_load(&conn->kept) || atomic_load(&conn->lent);
}

static void begin_full(struct nki_conn *conn, int64_t now_ns)
{
    conn->emptied = false;
    conn->full_ns = now_ns;
    conn->full_bytes = conn->engine.counts.in_bytes;
    conn->full_msgs = conn->engine.counts.in_msgs;
}

/* Somebody could get the right: true if somebody could have shortly before. */
static bool again_soon(struct nki_conn *conn, int64_t now_ns)
{
    int64_t since_ns = now_ns - conn->used_ns;
    if (since_ns < 0) {
        return false;
    }
    conn->used_ns = now_ns;
    if (since_ns >= LEASE_NS) {
        begin_full(conn, now_ns);
        return false;
    }
    return true;
}

static bool keeps_up(struct nki_conn *conn, int64_t now_ns)
{
    int64_t full_ns = now_ns - conn->full_ns;
    if (!conn->emptied && full_ns < FULL_NS) {
        return true;
    }
    uint64_t full_ms = (uint64_t)(full_ns / NKI_NS_PER_MS);
    bool enough = conn->engine.counts.in_msgs - conn->full_msgs >= full_ms * ENOUGH_MSGS_PER_MS ||
                  conn->engine.counts.in_bytes - conn->full_bytes >= full_ms * ENOUGH_BYTES_PER_MS;
    enough = enough || conn->emptied;
    begin_full(conn, now_ns);
    return enough;
}

/* Whether a read can be left to whoever comes. */
static bool can_wait(const struct nki_conn *conn)
{
    return conn->transport != NULL && conn->engine.stream != NULL && !conn->unread &&
           conn->engine.state == NKI_ENGINE_CONNECTED && !conn->transport->stream->wants_write;
}

static void begin(struct nki_conn *conn, int64_t now_ns)
{
    conn->lease_used = true;
    if (conn->lease_ns == NKI_NEVER) {
        conn->lease_ns = now_ns + LEASE_NS;
    }
    nki_driver_arm(conn);
}

/* -- kept ------------------------------------------------------------------------------------------------ */

/* `for_sleeper`: not for the caller himself. */
static bool keep(struct nki_conn *conn, bool for_sleeper, int64_t now_ns)
{
    struct nki_subs *subs = &conn->engine.subs;
    if (!again_soon(conn, now_ns) || !can_wait(conn) || !keeps_up(conn, now_ns) ||
        atomic_load(&conn->waiting) != 1) {
        return false;
    }
    set_kept(conn, true);
    /* Who began to wait, or sleeps again, and could not see this yet is seen here. */
    bool alone =
        atomic_load(&conn->waiting) == 1 && (!for_sleeper || atomic_load(&subs->sleeps) == subs->woken_after);
    if (alone) {
        begin(conn, now_ns);
    } else {
        set_kept(conn, false);
    }
    return alone;
}

bool nki_lease_keep(struct nki_conn *conn, int64_t now_ns)
{
    return keep(conn, false, now_ns);
}

void nki_lease_before_read(struct nki_conn *conn)
{
    conn->engine.subs.woken = NULL;
}

void nki_lease_after_read(struct nki_conn *conn, int64_t now_ns)
{
    const void *woken = conn->engine.subs.woken;
    if (woken != NULL && woken == atomic_load(&conn->engine.subs.asleep)) {
        (void)keep(conn, true, now_ns);
    }
}

bool nki_lease_may_sleep(struct nki_conn *conn, const void *what)
{
    atomic_store(&conn->engine.subs.asleep, what);
    atomic_fetch_add(&conn->engine.subs.sleeps, 1);
    return !nki_lease_is_there(conn);
}

/* -- lent ------------------------------------------------------------------------------------------------ */

static void lend(struct nki_conn *conn, struct nki_waitset *set, int64_t now_ns)
{
    if (!nki_waitset_watch(set, conn->transport->stream->fd, conn->engine.origin)) {
        return; /* nobody polls it, or it reads for another connection */
    }
    nki_waitset_retain(set);
    conn->lessee = set;
    atomic_store(&conn->lent, true);
    conn->reader = NKI_READER_SET;
    conn->streaming = NULL;
    nki_driver_interest(conn);
    if (atomic_load(&conn->waiting) == 0) {
        begin(conn, now_ns);
    } else {
        nki_lease_end(conn); /* who began to wait could not see it yet */
    }
}

void nki_lease_offer(struct nki_conn *conn, struct nki_waitset *set)
{
    if (!nki_conn_try_lock(conn)) {
        return;
    }
    int64_t now_ns = nki_clock_now_ns();
    if (again_soon(conn, now_ns) && conn->reader == NKI_READER_LOOP && can_wait(conn) &&
        atomic_load(&conn->waiting) == 0) {
        lend(conn, set, now_ns);
    }
    nki_conn_unlock(conn);
}

/* What the last read brought in a stream is not taken yet: more would only grow cold in the queue. If nothing
 * of it was taken since the last time, the loop does something else, and is not to look at the socket in
 * vain. */
static bool is_behind(struct nki_conn *conn, int64_t now_ns)
{
    struct nki_sub *sub = conn->streaming;
    if (sub == NULL || sub != conn->engine.subs.last) {
        return false;
    }
    pthread_mutex_lock(&sub->inlet.wait.mu);
    bool behind = sub->inlet.head != NULL;
    uint64_t taken = sub->inlet.taken;
    pthread_mutex_unlock(&sub->inlet.wait.mu);
    if (behind && taken == conn->streamed) {
        conn->used_ns = now_ns + PAUSE_NS;
        nki_lease_end(conn);
    }
    conn->streamed = taken;
    return behind;
}

/* Reads for the set as long as that is well. */
static void read_lent(struct nki_conn *conn, int64_t now_ns)
{
    uint8_t *buffer = nki_driver_buffer_take();
    if (buffer == NULL) {
        nki_lease_end(conn);
        return;
    }
    uint64_t before = conn->engine.counts.in_bytes;
    conn->lease_used = true;
    nki_driver_read(conn, buffer);
    nki_driver_buffer_give(buffer);
    bool stream = conn->engine.counts.in_bytes - before >= STREAM_BYTES;
    conn->streaming = stream ? conn->engine.subs.last : NULL;
    conn->streamed = UINT64_MAX; /* no number of taken messages */
    bool fast = keeps_up(conn, now_ns);
    if (!fast) {
        conn->used_ns = now_ns + PAUSE_NS;
    }
    if (!fast || !can_wait(conn)) {
        nki_lease_end(conn);
    }
}

void nki_lease_read(struct nki_conn *conn, struct nki_waitset *set)
{
    if (!nki_conn_try_lock(conn)) {
        return; /* somebody is at it; the descriptor stays readable if something is left */
    }
    bool right = false;
    int64_t now_ns = nki_clock_now_ns();
    if (conn->lessee == set && !is_behind(conn, now_ns)) {
        read_lent(conn, now_ns);
        right = nki_driver_settle(conn);
    }
    nki_conn_unlock(conn);
    if (right) {
        nki_driver_transmit(conn);
    }
}

bool nki_lease_call(struct nki_conn *conn)
{
    if (!atomic_load(&conn->lent)) {
        return false;
    }
    nki_driver_park_right(conn); /* before the call: it may be answered at once */
    bool called = false;
    if (nki_conn_try_lock(conn)) {
        called = conn->lessee != NULL;
        if (called) {
            nki_waitset_call(conn->lessee, conn->engine.origin);
        }
        nki_conn_unlock(conn);
    }
    return called || !nki_outbox_unpark(&conn->engine.outbox);
}

/* -- the I/O thread -------------------------------------------------------------------------------------- */

void nki_lease_look(struct nki_conn *conn, int64_t now_ns)
{
    if (now_ns < conn->lease_ns) {
        return;
    }
    if (conn->lease_used) {
        conn->lease_used = false;
        conn->lease_ns = now_ns + LEASE_NS;
    } else {
        nki_lease_end(conn);
    }
}
