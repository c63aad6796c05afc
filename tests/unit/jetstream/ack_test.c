/* Who may ack a message, without a connection: claims, how they end, and confirmations whose operation ends
 * in each way. One thread, but for the race. */
#include "base/alloc.h"
#include "jetstream/ack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct nki_msg *message(void)
{
    struct nki_msg *msg = nki_msg_new(NULL, NKI_STR("s"), NKI_STR("$JS.ACK.s.c.1.1.1.1.0"), 0, 0);
    assert_non_null(msg);
    return msg;
}

/* A message whose confirmation runs; the caller's reference of the operation. */
static struct nki_op *confirm(struct nki_msg *msg)
{
    struct nki_op *op = nki_op_new();
    assert_non_null(op);
    assert_int_equal(nki_ack_claim(msg), NKI_OK);
    nki_op_retain(op);
    nki_ack_end_by(msg, op);
    assert_int_equal(nki_ack_state(msg), NKI_MSG_ACK_CONFIRMING);
    assert_int_equal(nki_ack_claim(msg), NKI_ALREADY_ACKED);
    return op;
}

static void test_claim(void **state)
{
    (void)state;
    struct nki_msg *msg = message();
    assert_int_equal(nki_ack_state(msg), NKI_MSG_ACK_NONE);
    assert_int_equal(nki_ack_claim(msg), NKI_OK);
    assert_int_equal(nki_ack_claim(msg), NKI_ALREADY_ACKED);
    nki_ack_end(msg, false);
    assert_int_equal(nki_ack_state(msg), NKI_MSG_ACK_NONE);
    assert_int_equal(nki_ack_claim(msg), NKI_OK);
    nki_ack_end(msg, true);
    assert_int_equal(nki_ack_state(msg), NKI_MSG_ACK_FINAL);
    assert_int_equal(nki_ack_claim(msg), NKI_ALREADY_ACKED);
    nki_msg_release(msg);
}

static void test_confirmed(void **state)
{
    (void)state;
    struct nki_msg *msg = message();
    struct nki_op *op = confirm(msg);
    assert_true(nki_op_finish(op, NKI_OK, NKI_OUTCOME_DONE, message(), NULL));
    assert_int_equal(nki_ack_claim(msg), NKI_ALREADY_ACKED);
    assert_int_equal(nki_ack_state(msg), NKI_MSG_ACK_FINAL);
    nki_op_close(op); /* too late to change anything */
    nki_op_release(op);
    assert_int_equal(nki_ack_claim(msg), NKI_ALREADY_ACKED);
    nki_msg_release(msg);
}

static void test_not_confirmed(void **state)
{
    (void)state;
    static const int32_t ends[] = {NKI_TIMEOUT, NKI_DISCONNECTED, NKI_NO_RESPONDERS, NKI_PERMISSION, NKI_OK};
    for (size_t i = 0; i < NKI_ARRAY_LEN(ends); i++) {
        struct nki_msg *msg = message();
        struct nki_op *op = confirm(msg);
        if (ends[i] != NKI_OK) {
            assert_true(nki_op_finish(op, ends[i], NKI_OUTCOME_UNKNOWN, NULL, NULL));
        } else {
            nki_op_close(op); /* cancelled */
        }
        nki_op_release(op);
        op = confirm(msg); /* once more, and now well */
        assert_true(nki_op_finish(op, NKI_OK, NKI_OUTCOME_DONE, NULL, NULL));
        assert_int_equal(nki_ack_claim(msg), NKI_ALREADY_ACKED);
        nki_op_release(op);
        nki_msg_release(msg);
    }
}

/* A message that nobody wants any more gives its confirmation back, whatever that does; so do many at once.
 */
static void test_released(void **state)
{
    (void)state;
    uint64_t before = nki_alloc_bytes();
    uint64_t msgs = nki_msg_count();
    struct nki_msg *some[3];
    struct nki_op *ops[4];
    for (size_t i = 0; i < 3; i++) {
        some[i] = message();
        ops[i] = confirm(some[i]);
    }
    struct nki_msg *alone = message();
    ops[3] = confirm(alone);
    nki_msg_release_batch(some, 3);
    nki_msg_release(alone);
    for (size_t i = 0; i < 4; i++) {
        assert_true(nki_op_finish(ops[i], NKI_OK, NKI_OUTCOME_DONE, message(), NULL));
        nki_op_release(ops[i]);
    }
    assert_int_equal(nki_msg_count(), msgs);
    assert_int_equal(nki_alloc_bytes(), before);
}

/* -- a race ---------------------------------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 2000 };

struct race {
    pthread_barrier_t begin;
    struct nki_msg *msg;
    atomic_uint won;
};

static void *run(void *arg)
{
    struct race *race = arg;
    for (int i = 0; i < ROUNDS; i++) {
        pthread_barrier_wait(&race->begin);
        (void)nki_ack_state(race->msg);
        if (nki_ack_claim(race->msg) == NKI_OK) {
            atomic_fetch_add(&race->won, 1);
            nki_ack_end(race->msg, true);
        }
        pthread_barrier_wait(&race->begin);
    }
    return NULL;
}

/* Threads that find a failed confirmation at the same time: one of them gets the message, and nobody looks at
 * the operation that another gave back. */
static void test_race(void **state)
{
    (void)state;
    struct race race = {0};
    pthread_t threads[THREADS];
    assert_int_equal(pthread_barrier_init(&race.begin, NULL, THREADS + 1), 0);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run, &race), 0);
    }
    for (int i = 0; i < ROUNDS; i++) {
        race.msg = message();
        if (i % 2 == 0) {
            struct nki_op *op = confirm(race.msg);
            assert_true(nki_op_finish(op, NKI_TIMEOUT, NKI_OUTCOME_UNKNOWN, NULL, NULL));
            nki_op_release(op);
        }
        pthread_barrier_wait(&race.begin);
        pthread_barrier_wait(&race.begin);
        assert_int_equal(atomic_load(&race.won), i + 1);
        nki_msg_release(race.msg);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    pthread_barrier_destroy(&race.begin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_claim),         cmocka_unit_test(test_confirmed),
        cmocka_unit_test(test_not_confirmed), cmocka_unit_test(test_released),
        cmocka_unit_test(test_race),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
