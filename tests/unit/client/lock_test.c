/* The engine lock: who waits for it gets it, although a reader takes it again and again. */
#include "client/driver.h"

#include "../base/cmocka_all.h"
#include "base/clock.h"

#include <sched.h>

#define TURN_NS (INT64_C(200) * 1000) /* about what a full turn of reading takes */
#define BUSY 4
#define TIMES 50
/* With the turnstile one each, without it four to thirty. */
#define TURNS_MAX (3 * TIMES)

struct crowd {
    struct nki_conn *conn;
    atomic_bool stop;
    atomic_long turns;
};

static void setup_conn(struct crowd *crowd)
{
    crowd->conn = test_calloc(1, sizeof *crowd->conn);
    assert_int_equal(pthread_mutex_init(&crowd->conn->engine_mu, NULL), 0);
    assert_int_equal(pthread_mutex_init(&crowd->conn->turn_mu, NULL), 0);
}

static void free_conn(struct crowd *crowd)
{
    assert_int_equal(pthread_mutex_destroy(&crowd->conn->engine_mu), 0);
    assert_int_equal(pthread_mutex_destroy(&crowd->conn->turn_mu), 0);
    test_free(crowd->conn);
}

/* As the I/O thread while messages stream in. */
static void *read_on(void *arg)
{
    struct crowd *crowd = arg;
    while (!atomic_load(&crowd->stop)) {
        nki_conn_lock_in_turn(crowd->conn);
        for (int64_t end_ns = nki_clock_now_ns() + TURN_NS; nki_clock_now_ns() < end_ns;) {
        }
        atomic_fetch_add(&crowd->turns, 1);
        nki_conn_unlock(crowd->conn);
    }
    return NULL;
}

/* The processors are busy, so that who is woken does not run at once: the lock is taken again until then. */
static void *compute(void *arg)
{
    struct crowd *crowd = arg;
    while (!atomic_load(&crowd->stop)) {
    }
    return NULL;
}

static void test_a_reader_does_not_starve_callers(void **state)
{
    (void)state;
    struct crowd crowd = {.stop = false};
    pthread_t reader;
    pthread_t busy[BUSY];
    setup_conn(&crowd);
    assert_int_equal(pthread_create(&reader, NULL, read_on, &crowd), 0);
    for (int i = 0; i < BUSY; i++) {
        assert_int_equal(pthread_create(&busy[i], NULL, compute, &crowd), 0);
    }
    while (atomic_load(&crowd.turns) == 0) {
        sched_yield();
    }
    long waited = 0;
    for (int i = 0; i < TIMES; i++) {
        long before = atomic_load(&crowd.turns);
        nki_conn_lock(crowd.conn);
        long after = atomic_load(&crowd.turns);
        waited += after - before;
        nki_conn_unlock(crowd.conn);
        while (atomic_load(&crowd.turns) == after) { /* until the reader has it again */
            sched_yield();
        }
    }
    atomic_store(&crowd.stop, true);
    assert_int_equal(pthread_join(reader, NULL), 0);
    for (int i = 0; i < BUSY; i++) {
        assert_int_equal(pthread_join(busy[i], NULL), 0);
    }
    assert_in_range(waited, 0, TURNS_MAX);
    free_conn(&crowd);
}

static void *lock_once(void *arg)
{
    struct crowd *crowd = arg;
    nki_conn_lock(crowd->conn);
    atomic_fetch_add(&crowd->turns, 1);
    nki_conn_unlock(crowd->conn);
    return NULL;
}

/* Who only tries does not push in. */
static void test_trying(void **state)
{
    (void)state;
    struct crowd crowd = {.stop = false};
    pthread_t caller;
    setup_conn(&crowd);
    assert_true(nki_conn_try_lock(crowd.conn));
    assert_false(nki_conn_try_lock(crowd.conn));
    assert_int_equal(pthread_create(&caller, NULL, lock_once, &crowd), 0);
    while (pthread_mutex_trylock(&crowd.conn->turn_mu) == 0) { /* until it waits */
        pthread_mutex_unlock(&crowd.conn->turn_mu);
        sched_yield();
    }
    assert_false(nki_conn_try_lock(crowd.conn));
    assert_int_equal(atomic_load(&crowd.turns), 0);
    nki_conn_unlock(crowd.conn);
    assert_int_equal(pthread_join(caller, NULL), 0);
    assert_int_equal(atomic_load(&crowd.turns), 1);
    assert_true(nki_conn_try_lock(crowd.conn));
    nki_conn_unlock(crowd.conn);
    free_conn(&crowd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_reader_does_not_starve_callers),
        cmocka_unit_test(test_trying),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
