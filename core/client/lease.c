/* The reading right lent to a waitset whose descriptor an event loop polls: the descriptor then is readable
 * when bytes have come, too, and whoever collects reads them first. So a reply costs no hop from the I/O
 * thread to the loop, which is most of what it costs.
 *
 * Lent while the loop collects results one after the other and no stream of messages comes, which two threads
 * handle better. A loop may stop any time to do something else; so the I/O thread looks every LEASE_NS
 * whether anybody has collected since, and otherwise reads itself again. A blocked caller takes the right
 * away at once (wait.c). */
#include "base/clock.h"
#include "client/driver.h"

#define LEASE_NS (2 * NKI_NS_PER_MS)
#define STREAM_BYTES ((size_t)64 * NKI_KIB) /* from one read */
#define PAUSE_NS (100 * NKI_NS_PER_MS)      /* after a stream */

void nki_lease_end(struct nki_conn *conn)
{
    if (conn->lessee == NULL) {
        return;
    }
    nki_waitset_unwatch(conn->lessee, conn->transport->stream->fd);
    nki_waitset_release(conn->lessee);
    conn->lessee = NULL;
    conn->lease_ns = NKI_NEVER;
    conn->reader = NKI_READER_LOOP;
    nki_driver_interest(conn);
    if (conn->unread) {
        nki_loop_post(conn); /* no poll of the descriptor would tell */
    }
}

/* With the engine lock. */
static void begin(struct nki_conn *conn, struct nki_waitset *set, int64_t now_ns)
{
    if (!nki_waitset_watch(set, conn->transport->stream->fd, conn->engine.origin)) {
        return; /* nobody polls it, or it reads for another connection */
    }
    nki_waitset_retain(set);
    conn->lessee = set;
    conn->reader = NKI_READER_SET;
    conn->lease_used = true;
    conn->lease_ns = now_ns + LEASE_NS;
    nki_driver_interest(conn);
    nki_loop_post(conn); /* to look after it */
}

void nki_lease_offer(struct nki_conn *conn, struct nki_waitset *set)
{
    if (!nki_conn_try_lock(conn)) {
        return;
    }
    int64_t now_ns = nki_clock_now_ns();
    int64_t since_ns = now_ns - conn->offered_ns;
    bool free_to_lend = conn->transport != NULL && conn->reader == NKI_READER_LOOP && !conn->unread &&
                        conn->engine.state == NKI_ENGINE_CONNECTED;
    if (since_ns >= 0) {
        conn->offered_ns = now_ns;
        if (free_to_lend && since_ns < LEASE_NS) {
            begin(conn, set, now_ns);
        }
    }
    nki_conn_unlock(conn);
}

/* With the engine lock: reads for the set as long as that is well. */
static void read_lent(struct nki_conn *conn)
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
    if (stream) {
        conn->offered_ns = nki_clock_now_ns() + PAUSE_NS;
    }
    if (stream || conn->unread || conn->engine.stream == NULL || conn->transport->stream->wants_write) {
        nki_lease_end(conn);
    }
}

void nki_lease_read(struct nki_conn *conn, struct nki_waitset *set)
{
    if (!nki_conn_try_lock(conn)) {
        return; /* somebody is at it; the descriptor stays readable if something is left */
    }
    bool right = false;
    if (conn->lessee == set) {
        read_lent(conn);
        right = nki_driver_settle(conn);
    }
    nki_conn_unlock(conn);
    if (right) {
        nki_driver_transmit(conn);
    }
}

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
