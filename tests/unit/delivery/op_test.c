/* Operations: they finish once, whoever is first; what comes too late is freed. */
#include "delivery/op.h"

#include "../base/cmocka_all.h"
#include "../base/refuse.h"

static uint64_t msgs_before;
static uint64_t bytes_before;

static int begin(void **state)
{
    (void)state;
    msgs_before = nki_msg_count();
    bytes_before = nki_alloc_bytes();
    return 0;
}

static int end(void **state)
{
    (void)state;
    return nki_msg_count() == msgs_before && nki_alloc_bytes() == bytes_before ? 0 : -1;
}

static struct nki_msg *new_msg(void)
{
    return nki_msg_new(NULL, NKI_STR("s"), NKI_STR(""), 0, 1);
}

static void test_finishes_once(void **state)
{
    (void)state;
    struct nki_op *op = nki_op_new();
    struct nki_msg *msg;
    int32_t outcome;
    assert_int_equal(nki_op_result(op, &outcome, NULL), NKI_PENDING);
    assert_int_equal(outcome, NKI_OUTCOME_PENDING);
    assert_int_equal(nki_op_take_msg(op, &msg), NKI_PENDING);
    assert_null(msg);
    assert_true(nki_op_finish(op, NKI_OK, NKI_OUTCOME_DONE, new_msg(), NULL));
    assert_false(nki_op_finish(op, NKI_TIMEOUT, NKI_OUTCOME_UNKNOWN, new_msg(), NULL));
    assert_int_equal(nki_op_result(op, &outcome, NULL), NKI_OK);
    assert_int_equal(outcome, NKI_OUTCOME_DONE);
    assert_int_equal(nki_op_take_msg(op, &msg), NKI_OK);
    assert_non_null(msg);
    nki_msg_release(msg);
    assert_int_equal(nki_op_take_msg(op, &msg), NKI_NOT_FOUND);
    assert_null(msg);
    nki_op_release(op);
    nki_op_release(NULL);
}

static void test_errors(void **state)
{
    (void)state;
    struct nki_error error;
    struct nki_error got;
    struct nki_msg *msg;
    nki_error_set(&error, NKI_DISCONNECTED, "it is %s", "gone");
    struct nki_op *op = nki_op_new();
    assert_true(nki_op_finish(op, NKI_DISCONNECTED, NKI_OUTCOME_UNKNOWN, NULL, &error));
    assert_int_equal(nki_op_result(op, NULL, &got), NKI_DISCONNECTED);
    assert_string_equal(got.text, "it is gone");
    assert_int_equal(nki_op_take_msg(op, &msg), NKI_DISCONNECTED);
    nki_op_release(op);
    op = nki_op_new();
    assert_true(nki_op_finish(op, NKI_TIMEOUT, NKI_OUTCOME_UNKNOWN, NULL, NULL));
    assert_int_equal(nki_op_result(op, NULL, &got), NKI_TIMEOUT);
    assert_int_equal(got.status, NKI_TIMEOUT);
    assert_true(got.text[0] != '\0');
    nki_op_release(op);
    /* Finishing never fails: without memory the text is left out. */
    op = nki_op_new();
    refuse_begin(1);
    assert_true(nki_op_finish(op, NKI_DISCONNECTED, NKI_OUTCOME_UNKNOWN, NULL, &error));
    refuse_end();
    assert_int_equal(nki_op_result(op, NULL, &got), NKI_DISCONNECTED);
    nki_op_release(op);
    refuse_begin(1);
    assert_null(nki_op_new());
    refuse_end();
}

static void test_closing(void **state)
{
    (void)state;
    struct nki_msg *msg;
    struct nki_op *op = nki_op_new();
    nki_op_retain(op);
    nki_op_close(op);
    nki_op_close(op);
    assert_true(nki_op_finish(op, NKI_OK, NKI_OUTCOME_DONE, new_msg(), NULL)); /* the message is freed */
    assert_int_equal(nki_msg_count(), msgs_before);
    assert_int_equal(nki_op_take_msg(op, &msg), NKI_NOT_FOUND);
    nki_op_release(op);
    nki_op_release(op);
    op = nki_op_new();
    assert_true(nki_op_finish(op, NKI_OK, NKI_OUTCOME_DONE, new_msg(), NULL));
    nki_op_close(op);
    assert_int_equal(nki_msg_count(), msgs_before);
    nki_op_release(op);
    op = nki_op_new();
    assert_true(nki_op_finish(op, NKI_OK, NKI_OUTCOME_DONE, new_msg(), NULL));
    nki_op_release(op); /* with its message */
}

static void test_in_a_waitset(void **state)
{
    (void)state;
    struct nki_waitset *set = nki_waitset_new(NULL);
    struct nki_op *op = nki_op_new();
    struct nki_wait_record record;
    size_t count;
    pthread_mutex_lock(&op->wait.mu);
    assert_int_equal(nki_link_add(&op->wait.link, set, 1, 2, 3), NKI_OK);
    nki_link_arm(&op->wait.link, nki_op_ready_locked(op));
    pthread_mutex_unlock(&op->wait.mu);
    assert_int_equal(nki_waitset_wait(set, &record, 1, 0, &count), NKI_WOULD_BLOCK);
    nki_op_finish(op, NKI_OK, NKI_OUTCOME_DONE, NULL, NULL);
    assert_int_equal(nki_waitset_wait(set, &record, 1, 0, &count), NKI_OK);
    assert_int_equal(record.tag, 3);
    nki_op_finish(op, NKI_OK, NKI_OUTCOME_DONE, NULL, NULL);
    assert_int_equal(nki_waitset_wait(set, &record, 1, 0, &count), NKI_WOULD_BLOCK);
    pthread_mutex_lock(&op->wait.mu);
    nki_link_arm(&op->wait.link, nki_op_ready_locked(op));
    pthread_mutex_unlock(&op->wait.mu);
    nki_op_close(op); /* removes it, listed as it is */
    assert_int_equal(nki_waitset_wait(set, &record, 1, 0, &count), NKI_WOULD_BLOCK);
    nki_op_release(op);
    nki_waitset_release(set);
}

/* -- races ---------------------------------------------------------------------------------------------- */

struct race {
    struct nki_op *op;
    pthread_barrier_t barrier;
    atomic_int finished;
    atomic_int woken;
};

static void *run_finish(void *arg)
{
    struct race *race = arg;
    struct nki_msg *msg = new_msg();
    pthread_barrier_wait(&race->barrier);
    if (nki_op_finish(race->op, NKI_OK, NKI_OUTCOME_DONE, msg, NULL)) {
        atomic_fetch_add(&race->finished, 1);
    }
    nki_op_release(race->op);
    return NULL;
}

static void *run_wait(void *arg)
{
    struct race *race = arg;
    struct nki_op *op = race->op;
    pthread_barrier_wait(&race->barrier);
    pthread_mutex_lock(&op->wait.mu);
    while (!nki_op_ready_locked(op)) {
        op->wait.waiters++;
        nki_small_cond_wait(&op->wait.cond, &op->wait.mu, NKI_NEVER);
        op->wait.waiters--;
    }
    pthread_mutex_unlock(&op->wait.mu);
    struct nki_msg *msg;
    if (nki_op_take_msg(op, &msg) == NKI_OK) {
        nki_msg_release(msg);
    }
    atomic_fetch_add(&race->woken, 1);
    nki_op_release(op);
    return NULL;
}

static void *run_close(void *arg)
{
    struct race *race = arg;
    pthread_barrier_wait(&race->barrier);
    nki_op_close(race->op);
    nki_op_release(race->op);
    return NULL;
}

static void test_races_of_finish_close_and_wait(void **state)
{
    (void)state;
    static void *(*const runs[])(void *) = {run_finish, run_finish, run_wait, run_wait, run_close};
    enum { RUNS = NKI_ARRAY_LEN(runs) };
    for (int round = 0; round < 300; round++) {
        struct race race;
        pthread_t threads[RUNS];
        size_t count = round % 3 == 0 ? RUNS : RUNS - 1; /* with and without a close */
        race.op = nki_op_new();
        atomic_init(&race.finished, 0);
        atomic_init(&race.woken, 0);
        pthread_barrier_init(&race.barrier, NULL, (unsigned)count);
        for (size_t i = 0; i < count; i++) {
            nki_op_retain(race.op);
            assert_int_equal(pthread_create(&threads[i], NULL, runs[i], &race), 0);
        }
        nki_op_release(race.op);
        for (size_t i = 0; i < count; i++) {
            pthread_join(threads[i], NULL);
        }
        assert_int_equal(atomic_load(&race.finished), 1);
        assert_int_equal(atomic_load(&race.woken), 2);
        pthread_barrier_destroy(&race.barrier);
        assert_int_equal(nki_msg_count(), msgs_before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_finishes_once, begin, end),
        cmocka_unit_test_setup_teardown(test_errors, begin, end),
        cmocka_unit_test_setup_teardown(test_closing, begin, end),
        cmocka_unit_test_setup_teardown(test_in_a_waitset, begin, end),
        cmocka_unit_test_setup_teardown(test_races_of_finish_close_and_wait, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
