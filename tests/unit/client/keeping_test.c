/* That the reading right is kept at all, which nothing of the public interface tells: looked at from inside.
 */
#include "base/clock.h"
#include "capi/handle.h"
#include "client/driver.h"
#include <natskit.h>

#include "../base/cmocka_all.h"
#include "support/nats_server.h"
#include "support/tap.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define Z NATSKIT_ZLEN
#define NO_OPTIONS ((natskit_options){0})
#define WAIT_MS INT64_C(20000)
#define assert_ok(got) assert_int_equal((got), NATSKIT_OK)

static struct ts_server *server;
static struct ts_tap *tap;

static int begin(void **state)
{
    (void)state;
    if (ts_server_program() == NULL) {
        puts("there is no nats-server: skipped");
        exit(77);
    }
    server = ts_server_start(NULL);
    tap = server != NULL ? ts_tap_start(ts_server_url(server)) : NULL;
    return tap != NULL ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    natskit_status status = natskit_shutdown(WAIT_MS);
    int violations = ts_tap_stop(tap);
    ts_server_free(server);
    return status == NATSKIT_OK && violations == 0 ? 0 : -1;
}

static natskit_conn connected(void)
{
    natskit_conn conn;
    assert_ok(natskit_connect(ts_tap_url(tap), Z, NO_OPTIONS, WAIT_MS, &conn, NULL));
    return conn;
}

/* The library's own connection; given back with nki_handle_unpin. */
static struct nki_handle *inside(natskit_conn conn)
{
    struct nki_handle *handle;
    assert_ok(nki_handle_pin(conn.id, NATSKIT_KIND_CONN, &handle));
    return handle;
}

static enum nki_reader reader_of(const struct nki_handle *handle)
{
    struct nki_conn *conn = handle->object;
    nki_conn_lock(conn);
    enum nki_reader reader = conn->reader;
    nki_conn_unlock(conn);
    return reader;
}

static int64_t soon_ns(void)
{
    return nki_deadline_ns(nki_clock_now_ns(), WAIT_MS);
}

/* Nobody comes any more: the I/O thread reads again. */
static void wait_for_the_loop(const struct nki_handle *handle)
{
    int64_t end_ns = soon_ns();
    while (reader_of(handle) != NKI_READER_LOOP) {
        assert_true(nki_clock_now_ns() < end_ns);
        sched_yield();
    }
}

static void test_for_who_asks(void **state)
{
    (void)state;
    natskit_conn conn = connected();
    struct nki_handle *handle = inside(conn);
    for (int round = 0; round < 3; round++) {
        bool kept = false;
        for (int64_t end_ns = soon_ns(); !kept; kept = reader_of(handle) == NKI_READER_KEPT) {
            assert_true(nki_clock_now_ns() < end_ns);
            assert_ok(natskit_flush(conn, WAIT_MS));
        }
        wait_for_the_loop(handle);
    }
    nki_handle_unpin(handle);
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

/* -- streams --------------------------------------------------------------------------------------------- */

struct source {
    natskit_conn conn;
    atomic_bool stop;
    pthread_t thread;
};

static void *send_stream(void *arg)
{
    struct source *source = arg;
    static const char text[128];
    while (!atomic_load(&source->stop)) {
        assert_ok(natskit_publish(source->conn, "stream", Z, NULL, 0, (natskit_headers){0}, text, sizeof text,
                                  WAIT_MS));
    }
    return NULL;
}

/* A set of subscriptions alone does not ask for the right: it is kept for whoever slept with it. */
static void test_for_a_set(void **state)
{
    (void)state;
    struct source source = {.conn = connected()};
    natskit_conn conn = connected();
    natskit_sub sub;
    assert_ok(natskit_subscribe(conn, "stream", Z, NULL, 0, NO_OPTIONS, &sub, NULL));
    natskit_waitset waitset;
    assert_ok(natskit_flush(conn, WAIT_MS));
    assert_ok(natskit_waitset_open(&waitset));
    assert_ok(natskit_waitset_add(waitset, sub.id, 1));
    struct nki_handle *handle = inside(conn);
    assert_int_equal(pthread_create(&source.thread, NULL, send_stream, &source), 0);
    bool kept = false;
    for (int64_t end_ns = soon_ns(); !kept; kept = reader_of(handle) == NKI_READER_KEPT) {
        natskit_ready ready;
        natskit_msg *msgs[256];
        size_t count;
        assert_true(nki_clock_now_ns() < end_ns);
        assert_ok(natskit_waitset_wait(waitset, &ready, sizeof ready, 1, WAIT_MS, &count));
        while (natskit_sub_next_batch(sub, msgs, 256, 0, &count) == NATSKIT_OK) {
            assert_ok(natskit_msg_release_batch(msgs, count));
        }
        assert_ok(natskit_waitset_arm(waitset, sub.id));
    }
    atomic_store(&source.stop, true);
    pthread_join(source.thread, NULL);
    wait_for_the_loop(handle);
    nki_handle_unpin(handle);
    assert_ok(natskit_waitset_close(waitset));
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_conn_close(source.conn, WAIT_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_for_who_asks),
        cmocka_unit_test(test_for_a_set),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
