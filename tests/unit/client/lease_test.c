/* The rules by which the reading right is kept for a caller who comes again: a connection made by hand, with
 * times of the test's own; no thread. */
#include "client/driver.h"
#include "client/subs.h"

#include "../base/cmocka_all.h"

#define MS NKI_NS_PER_MS
#define START_NS (1000 * MS)

struct rig {
    struct nki_conn *conn;
    struct nki_stream stream;
    struct nki_transport transport;
    struct nki_inlet inlet;
    int64_t now_ns;
};

static void begin(struct rig *rig)
{
    *rig = (struct rig){.conn = test_calloc(1, sizeof *rig->conn), .now_ns = START_NS};
    struct nki_conn *conn = rig->conn;
    assert_int_equal(pthread_mutex_init(&conn->engine_mu, NULL), 0);
    assert_int_equal(pthread_mutex_init(&conn->turn_mu, NULL), 0);
    nki_list_init(&conn->live_node); /* no I/O thread */
    rig->stream.fd = -1;
    rig->transport.stream = &rig->stream;
    conn->transport = &rig->transport;
    conn->engine.stream = &rig->stream;
    conn->engine.state = NKI_ENGINE_CONNECTED;
    conn->lease_ns = NKI_NEVER;
    conn->armed_ns = INT64_MIN; /* the I/O thread looks soon enough */
    atomic_store(&conn->waiting, 1);
}

static void end(struct rig *rig)
{
    assert_int_equal(pthread_mutex_destroy(&rig->conn->engine_mu), 0);
    assert_int_equal(pthread_mutex_destroy(&rig->conn->turn_mu), 0);
    test_free(rig->conn);
}

/* A caller reads all that there is and gives the right back, `later_ns` after the last time. */
static bool read_again(struct rig *rig, int64_t later_ns)
{
    rig->now_ns += later_ns;
    rig->conn->reader = NKI_READER_CALLER;
    atomic_store(&rig->conn->kept, false);
    bool kept = nki_lease_keep(rig->conn, rig->now_ns);
    assert_int_equal(rig->conn->reader, kept ? NKI_READER_KEPT : NKI_READER_CALLER);
    assert_int_equal(atomic_load(&rig->conn->kept), kept);
    return kept;
}

static void test_who_comes_soon(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig);
    assert_false(read_again(&rig, 0));
    assert_true(read_again(&rig, 2 * MS - 1));
    assert_int_equal(rig.conn->lease_ns, rig.now_ns + 2 * MS);
    assert_true(read_again(&rig, MS));
    assert_false(read_again(&rig, 2 * MS));
    assert_true(read_again(&rig, MS));
    end(&rig);
}

static void test_who_is_alone(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig);
    (void)read_again(&rig, 0);
    atomic_store(&rig.conn->waiting, 2);
    assert_false(read_again(&rig, MS));
    atomic_store(&rig.conn->waiting, 1);
    assert_true(read_again(&rig, MS));
    end(&rig);
}

/* What the I/O thread has to see to itself. */
static void test_what_can_wait(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig);
    struct nki_conn *conn = rig.conn;
    (void)read_again(&rig, 0);
    conn->unread = true;
    assert_false(read_again(&rig, MS));
    conn->unread = false;
    rig.stream.wants_write = true;
    assert_false(read_again(&rig, MS));
    rig.stream.wants_write = false;
    conn->engine.state = NKI_ENGINE_WAIT_PONG;
    assert_false(read_again(&rig, MS));
    conn->engine.state = NKI_ENGINE_CONNECTED;
    conn->engine.stream = NULL;
    assert_false(read_again(&rig, MS));
    conn->engine.stream = &rig.stream;
    assert_true(read_again(&rig, MS));
    end(&rig);
}

static void test_the_look(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig);
    struct nki_conn *conn = rig.conn;
    (void)read_again(&rig, 0);
    assert_true(read_again(&rig, MS));
    int64_t due_ns = conn->lease_ns;
    nki_lease_look(conn, due_ns - 1);
    assert_int_equal(conn->lease_ns, due_ns);
    nki_lease_look(conn, due_ns); /* it was used before */
    assert_int_equal(conn->reader, NKI_READER_KEPT);
    assert_int_equal(conn->lease_ns, due_ns + 2 * MS);
    nki_lease_look(conn, due_ns + 2 * MS); /* and not since */
    assert_int_equal(conn->reader, NKI_READER_LOOP);
    assert_false(atomic_load(&conn->kept));
    assert_int_equal(conn->lease_ns, NKI_NEVER);
    assert_int_equal(conn->interest, 1); /* EPOLLIN */
    /* A caller that blocks for long is left alone, and nobody looks after it. */
    assert_true(read_again(&rig, MS));
    conn->reader = NKI_READER_CALLER;
    due_ns = conn->lease_ns;
    nki_lease_look(conn, due_ns);
    nki_lease_look(conn, due_ns + 2 * MS);
    assert_int_equal(conn->reader, NKI_READER_CALLER);
    assert_int_equal(conn->lease_ns, NKI_NEVER);
    end(&rig);
}

/* Reads a full turn every millisecond: for how many milliseconds the right is kept, up to a second. */
static int keeps_for_ms(struct rig *rig, uint64_t msgs, uint64_t bytes, int empties_every)
{
    (void)read_again(rig, 10 * MS);
    for (int ms = 1; ms <= 1000; ms++) {
        rig->conn->engine.counts.in_msgs += msgs;
        rig->conn->engine.counts.in_bytes += bytes;
        rig->conn->emptied = empties_every > 0 && ms % empties_every == 0;
        if (!read_again(rig, MS)) {
            return ms;
        }
    }
    return 1000;
}

static void test_who_keeps_up(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig);
    assert_int_equal(keeps_for_ms(&rig, 3000, 400000, 0), 250);
    assert_int_equal(keeps_for_ms(&rig, 3000, 400000, 200), 1000);
    assert_int_equal(keeps_for_ms(&rig, 4000, 0, 0), 1000);
    assert_int_equal(keeps_for_ms(&rig, 0, 2000000, 0), 1000);
    assert_int_equal(keeps_for_ms(&rig, 3999, 1999999, 0), 250);
    /* Then the I/O thread has one read; who waits for what that brings may go on. */
    assert_int_equal(keeps_for_ms(&rig, 3000, 400000, 0), 250);
    assert_true(read_again(&rig, MS));
    end(&rig);
}

/* By the I/O thread: a read wakes `woken`, and meanwhile others begin to sleep, `more` times, the last for
 * `asleep`. Whether the right is kept. */
static bool read_for(struct rig *rig, const void *woken, const void *asleep, unsigned more)
{
    struct nki_conn *conn = rig->conn;
    struct nki_subs *subs = &conn->engine.subs;
    rig->now_ns += MS;
    conn->reader = NKI_READER_LOOP;
    conn->interest = 1;
    atomic_store(&conn->kept, false);
    nki_lease_before_read(conn);
    assert_null(subs->woken);
    (void)nki_lease_may_sleep(conn, asleep);
    subs->woken = woken;
    subs->woken_after = atomic_load(&subs->sleeps);
    for (unsigned i = 0; i < more; i++) {
        (void)nki_lease_may_sleep(conn, asleep);
    }
    nki_lease_after_read(conn, rig->now_ns);
    bool kept = conn->reader == NKI_READER_KEPT;
    assert_int_equal(atomic_load(&conn->kept), kept);
    assert_int_equal(conn->interest, !kept);
    return kept;
}

static void test_for_a_sleeper(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig);
    struct nki_conn *conn = rig.conn;
    const void *mine = &rig.inlet.wait;
    const void *other = &rig;
    assert_false(read_for(&rig, mine, mine, 0)); /* for the first time */
    assert_true(read_for(&rig, mine, mine, 0));
    assert_false(read_for(&rig, NULL, mine, 0)); /* what came was for others */
    assert_false(read_for(&rig, other, mine, 0));
    assert_false(read_for(&rig, mine, mine, 1)); /* he was woken, and sleeps again already */
    assert_true(read_for(&rig, mine, mine, 0));
    atomic_store(&conn->waiting, 0);
    assert_false(read_for(&rig, mine, mine, 0)); /* he has gone already */
    atomic_store(&conn->waiting, 2);
    assert_false(read_for(&rig, mine, mine, 0));
    end(&rig);
}

static void test_who_may_sleep(void **state)
{
    (void)state;
    struct rig rig;
    begin(&rig);
    assert_true(nki_lease_may_sleep(rig.conn, &rig));
    assert_ptr_equal(atomic_load(&rig.conn->engine.subs.asleep), &rig);
    assert_int_equal(atomic_load(&rig.conn->engine.subs.sleeps), 1);
    atomic_store(&rig.conn->kept, true);
    assert_false(nki_lease_may_sleep(rig.conn, &rig));
    atomic_store(&rig.conn->kept, false);
    atomic_store(&rig.conn->lent, true);
    assert_false(nki_lease_may_sleep(rig.conn, &rig));
    end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_comes_soon), cmocka_unit_test(test_who_is_alone),
        cmocka_unit_test(test_what_can_wait),  cmocka_unit_test(test_the_look),
        cmocka_unit_test(test_who_keeps_up),   cmocka_unit_test(test_for_a_sleeper),
        cmocka_unit_test(test_who_may_sleep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
