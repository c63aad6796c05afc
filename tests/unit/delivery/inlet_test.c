/* Inlets: limits and exact counters against a model, ends, closing, blocked takers, the waitset. */
#include "delivery/inlet.h"

#include "../base/cmocka_all.h"
#include "base/clock.h"
#include "base/rand.h"

#include <poll.h>
#include <stdlib.h>

#define UNLIMITED                                                                                            \
    (struct nki_inlet_limits)                                                                                \
    {                                                                                                        \
        UINT64_MAX / 2, UINT64_MAX / 2                                                                       \
    }

static uint64_t msgs_before;

static int begin(void **state)
{
    (void)state;
    msgs_before = nki_msg_count();
    return 0;
}

static int end(void **state)
{
    (void)state;
    return nki_msg_count() == msgs_before ? 0 : -1;
}

static void init(struct nki_inlet *inlet, struct nki_inlet_limits limits)
{
    assert_int_equal(nki_inlet_init(inlet, limits), 0);
}

static struct nki_msg *new_msg(uint64_t number, uint32_t len)
{
    struct nki_msg *msg = nki_msg_new(NULL, NKI_STR("s"), NKI_STR(""), 0, len);
    msg->sid = number;
    return msg;
}

static void stage(struct nki_inlet *inlet, uint64_t number)
{
    nki_inlet_stage(inlet, new_msg(number, 1));
}

static uint64_t flush(struct nki_inlet *inlet)
{
    struct nki_inlet_handed handed;
    return nki_inlet_flush(inlet, 0, &handed);
}

static int32_t take(struct nki_inlet *inlet, struct nki_msg **out, size_t cap, size_t *count)
{
    pthread_mutex_lock(&inlet->wait.mu);
    int32_t status = nki_inlet_take_locked(inlet, out, cap, count);
    pthread_mutex_unlock(&inlet->wait.mu);
    return status;
}

/* Takes one; its number, or the status. */
static int64_t take_one(struct nki_inlet *inlet)
{
    struct nki_msg *msg;
    size_t count;
    int32_t status = take(inlet, &msg, 1, &count);
    assert_int_equal(count, status == NKI_OK);
    if (status != NKI_OK) {
        return status;
    }
    int64_t number = (int64_t)msg->sid;
    nki_msg_release(msg);
    return number;
}

static struct nki_inlet_stats stats_of(struct nki_inlet *inlet)
{
    struct nki_inlet_stats stats;
    nki_inlet_stats_get(inlet, &stats);
    assert_int_equal(stats.received, stats.taken + stats.pending_msgs + stats.dropped_msgs);
    assert_true(stats.high_msgs >= stats.pending_msgs && stats.high_bytes >= stats.pending_bytes);
    return stats;
}

static void test_in_order(void **state)
{
    (void)state;
    struct nki_inlet inlet;
    init(&inlet, UNLIMITED);
    assert_int_equal(take_one(&inlet), NKI_WOULD_BLOCK);
    stage(&inlet, 1);
    assert_int_equal(take_one(&inlet), NKI_WOULD_BLOCK); /* staged is not handed over */
    assert_int_equal(flush(&inlet), 0);
    stage(&inlet, 2);
    stage(&inlet, 3);
    assert_int_equal(flush(&inlet), 0);
    assert_int_equal(flush(&inlet), 0);
    for (int64_t i = 1; i <= 3; i++) {
        assert_int_equal(take_one(&inlet), i);
    }
    assert_int_equal(take_one(&inlet), NKI_WOULD_BLOCK);
    struct nki_inlet_stats stats = stats_of(&inlet);
    assert_int_equal(stats.received, 3);
    assert_int_equal(stats.high_msgs, 3);
    assert_int_equal(stats.pending_bytes, 0);
    stage(&inlet, 4);
    flush(&inlet);
    stage(&inlet, 5);
    nki_inlet_destroy(&inlet); /* with what is queued and what is staged */
}

struct model {
    struct nki_inlet_limits limits;
    uint64_t queue[2000];
    uint32_t sizes[2000];
    size_t at;
    size_t count;
    uint64_t bytes;
    uint64_t dropped;
    uint64_t dropped_bytes;
    uint64_t taken;
    uint64_t missed;
    bool slow;
};

static void model_flush(struct model *model, const uint64_t *numbers, const uint32_t *sizes, size_t count,
                        uint64_t *drops, bool *episode)
{
    *drops = 0;
    for (size_t i = 0; i < count; i++) {
        if (model->count - model->at < model->limits.msgs && model->bytes + sizes[i] <= model->limits.bytes) {
            model->queue[model->count] = numbers[i];
            model->sizes[model->count++] = sizes[i];
            model->bytes += sizes[i];
        } else {
            (*drops)++;
            model->dropped_bytes += sizes[i];
        }
    }
    model->dropped += *drops;
    *episode = *drops > 0 && !model->slow;
    model->slow = model->slow || *episode;
}

static void random_flush(struct nki_inlet *inlet, struct model *model, struct nki_rand *rand,
                         uint64_t *number)
{
    uint64_t numbers[8];
    uint32_t sizes[8];
    size_t count = (size_t)nki_rand_below(rand, 9);
    for (size_t i = 0; i < count; i++) {
        struct nki_msg *msg = new_msg(++*number, (uint32_t)nki_rand_below(rand, 400));
        numbers[i] = *number;
        sizes[i] = msg->slot_bytes;
        nki_inlet_stage(inlet, msg);
    }
    uint64_t drops;
    struct nki_inlet_handed handed;
    bool expected;
    model_flush(model, numbers, sizes, count, &drops, &expected);
    assert_int_equal(nki_inlet_flush(inlet, 0, &handed), drops);
    assert_int_equal(handed.episode, expected);
    assert_null(handed.woken);
}

static void random_take(struct nki_inlet *inlet, struct model *model, struct nki_rand *rand)
{
    struct nki_msg *msgs[12];
    size_t count;
    size_t cap = 1 + (size_t)nki_rand_below(rand, 12);
    size_t wanted = model->count - model->at < cap ? model->count - model->at : cap;
    assert_int_equal(take(inlet, msgs, cap, &count), wanted > 0 ? NKI_OK : NKI_WOULD_BLOCK);
    assert_int_equal(count, wanted);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(msgs[i]->sid, model->queue[model->at]);
        model->bytes -= model->sizes[model->at++];
        nki_msg_release(msgs[i]);
    }
    model->taken += count;
    if (count > 0 && model->count - model->at <= model->limits.msgs / 2 &&
        model->bytes <= model->limits.bytes / 2) {
        model->slow = false;
    }
}

static void test_limits_against_a_model(void **state)
{
    (void)state;
    static const struct nki_inlet_limits limits[] = {
        {10, UINT64_MAX / 2}, {UINT64_MAX / 2, 3000}, {7, 2000}, {1, 1000}};
    for (size_t row = 0; row < NKI_ARRAY_LEN(limits); row++) {
        static struct model model;
        struct nki_inlet inlet;
        struct nki_rand rand;
        uint64_t number = 0;
        model = (struct model){.limits = limits[row]};
        init(&inlet, limits[row]);
        nki_rand_seed(&rand, row + 10);
        for (int round = 0; round < 500; round++) {
            if (nki_rand_below(&rand, 2) == 0) {
                random_flush(&inlet, &model, &rand, &number);
            } else if (nki_rand_below(&rand, 10) > 0) {
                random_take(&inlet, &model, &rand);
            } else {
                uint64_t missed = nki_rand_below(&rand, 3);
                assert_int_equal(nki_inlet_missed(&inlet, missed), missed > 0 && !model.slow);
                model.slow = model.slow || missed > 0;
                model.missed += missed;
            }
            struct nki_inlet_stats stats = stats_of(&inlet);
            assert_int_equal(stats.received, number + model.missed);
            assert_int_equal(stats.dropped_msgs, model.dropped + model.missed);
            assert_int_equal(stats.dropped_bytes, model.dropped_bytes);
            assert_int_equal(stats.pending_msgs, model.count - model.at);
            assert_int_equal(stats.pending_bytes, model.bytes);
            assert_int_equal(stats.taken, model.taken);
            assert_true(stats.high_msgs <= limits[row].msgs && stats.high_bytes <= limits[row].bytes);
        }
        assert_true(model.dropped > 50 && model.taken > 50);
        nki_inlet_destroy(&inlet);
    }
}

static void test_ends(void **state)
{
    (void)state;
    struct nki_inlet inlet;
    struct nki_inlet_handed handed;
    init(&inlet, UNLIMITED);
    stage(&inlet, 1);
    stage(&inlet, 2);
    assert_int_equal(nki_inlet_flush(&inlet, NKI_MAX_REACHED, &handed), 0);
    nki_inlet_end(&inlet, NKI_CLOSED); /* the first reason stays */
    assert_int_equal(stats_of(&inlet).end_reason, NKI_MAX_REACHED);
    assert_int_equal(take_one(&inlet), 1);
    assert_int_equal(take_one(&inlet), 2);
    assert_int_equal(take_one(&inlet), NKI_END);
    assert_int_equal(take_one(&inlet), NKI_END);
    nki_inlet_destroy(&inlet);
    init(&inlet, UNLIMITED);
    nki_inlet_end(&inlet, NKI_UNSUBSCRIBED);
    assert_int_equal(nki_inlet_flush(&inlet, NKI_CLOSED, &handed), 0);
    assert_int_equal(stats_of(&inlet).end_reason, NKI_UNSUBSCRIBED);
    nki_inlet_destroy(&inlet);
}

/* Since when it is as it is: the end of one that was slow stays when the queue is emptied after it. */
static void test_since_when(void **state)
{
    (void)state;
    struct nki_inlet inlet;
    init(&inlet, (struct nki_inlet_limits){1, 1000000});
    assert_int_equal(stats_of(&inlet).since_ns, 0);
    stage(&inlet, 1);
    stage(&inlet, 2);
    assert_int_equal(flush(&inlet), 1);
    int64_t slow_ns = stats_of(&inlet).since_ns;
    assert_true(stats_of(&inlet).slow && slow_ns > 0);
    while (nki_clock_now_ns() == slow_ns) {
    }
    nki_inlet_end(&inlet, NKI_UNSUBSCRIBED);
    int64_t end_ns = stats_of(&inlet).since_ns;
    assert_true(end_ns > slow_ns);
    assert_int_equal(take_one(&inlet), 1);
    assert_false(stats_of(&inlet).slow);
    assert_int_equal(stats_of(&inlet).since_ns, end_ns);
    nki_inlet_destroy(&inlet);
}

static const void *woken_by(struct nki_inlet *inlet, uint64_t number)
{
    struct nki_inlet_handed handed;
    stage(inlet, number);
    assert_int_equal(nki_inlet_flush(inlet, 0, &handed), 0);
    return handed.woken;
}

/* Who sleeps for the messages themselves, or with a set in which the queue is armed. */
static void test_tells_who_is_woken(void **state)
{
    (void)state;
    struct nki_inlet inlet;
    struct nki_waitset *set = nki_waitset_new(NULL);
    init(&inlet, UNLIMITED);
    assert_null(woken_by(&inlet, 1));
    inlet.wait.waiters = 1;
    assert_ptr_equal(woken_by(&inlet, 2), &inlet.wait);
    inlet.wait.waiters = 0;
    assert_int_equal(nki_link_add(&inlet.wait.link, set, 1, 1, 1), NKI_OK);
    nki_link_arm(&inlet.wait.link, false);
    assert_ptr_equal(woken_by(&inlet, 3), set);
    assert_null(woken_by(&inlet, 4)); /* it is listed, and he knows */
    nki_inlet_destroy(&inlet);
    nki_waitset_close(set);
    nki_waitset_release(set);
}

static void test_closing_drops_and_counts(void **state)
{
    (void)state;
    struct nki_inlet inlet;
    struct nki_inlet_handed handed;
    init(&inlet, (struct nki_inlet_limits){2, 100000});
    stage(&inlet, 1);
    stage(&inlet, 2);
    stage(&inlet, 3);
    assert_int_equal(nki_inlet_flush(&inlet, 0, &handed), 1);
    assert_true(handed.episode);
    assert_int_equal(take_one(&inlet), 1);
    nki_inlet_close(&inlet);
    nki_inlet_close(&inlet);
    assert_int_equal(take_one(&inlet), NKI_CLOSED);
    stage(&inlet, 4);
    assert_int_equal(nki_inlet_flush(&inlet, NKI_CLOSED, &handed), 1);
    assert_false(handed.episode); /* nobody is slow who has gone */
    assert_int_equal(take_one(&inlet), NKI_CLOSED);
    struct nki_inlet_stats stats = stats_of(&inlet);
    assert_int_equal(stats.received, 4);
    assert_int_equal(stats.taken, 1);
    assert_int_equal(stats.dropped_msgs, 3);
    assert_int_equal(stats.pending_bytes, 0);
    nki_inlet_destroy(&inlet);
}

/* -- blocked takers ------------------------------------------------------------------------------------- */

struct takers {
    struct nki_inlet inlet;
    atomic_uint_fast64_t count;
    atomic_uint_fast64_t sum;
};

/* As client/wait.c waits. */
static int32_t take_waiting(struct nki_inlet *inlet, struct nki_msg **out, size_t cap, size_t *count)
{
    pthread_mutex_lock(&inlet->wait.mu);
    while (!nki_inlet_ready_locked(inlet)) {
        inlet->wait.waiters++;
        nki_small_cond_wait(&inlet->wait.cond, &inlet->wait.mu, NKI_NEVER);
        inlet->wait.waiters--;
    }
    int32_t status = nki_inlet_take_locked(inlet, out, cap, count);
    pthread_mutex_unlock(&inlet->wait.mu);
    return status;
}

static void *run_taker(void *arg)
{
    struct takers *takers = arg;
    struct nki_msg *msgs[3];
    size_t count;
    while (take_waiting(&takers->inlet, msgs, 3, &count) == NKI_OK) {
        uint64_t last = 0;
        for (size_t i = 0; i < count; i++) {
            if (msgs[i]->sid <= last) {
                abort(); /* out of order; cmocka's checks are for its own thread */
            }
            last = msgs[i]->sid;
            atomic_fetch_add(&takers->sum, msgs[i]->sid);
            nki_msg_release(msgs[i]);
        }
        atomic_fetch_add(&takers->count, count);
    }
    return NULL;
}

static void test_takers_of_many_threads(void **state)
{
    (void)state;
    enum { TAKERS = 4, MESSAGES = 30000 };
    for (int close = 0; close < 2; close++) {
        struct takers takers;
        struct nki_rand rand;
        pthread_t threads[TAKERS];
        uint64_t number = 0;
        init(&takers.inlet, UNLIMITED);
        atomic_init(&takers.count, 0);
        atomic_init(&takers.sum, 0);
        nki_rand_seed(&rand, 20);
        for (size_t i = 0; i < TAKERS; i++) {
            assert_int_equal(pthread_create(&threads[i], NULL, run_taker, &takers), 0);
        }
        while (number < MESSAGES) {
            for (uint64_t n = nki_rand_below(&rand, 4); n > 0; n--) {
                stage(&takers.inlet, ++number);
            }
            flush(&takers.inlet);
        }
        if (close) {
            nki_inlet_close(&takers.inlet);
        } else {
            nki_inlet_end(&takers.inlet, NKI_UNSUBSCRIBED);
        }
        for (size_t i = 0; i < TAKERS; i++) {
            pthread_join(threads[i], NULL);
        }
        struct nki_inlet_stats stats = stats_of(&takers.inlet);
        assert_int_equal(stats.taken, atomic_load(&takers.count));
        assert_int_equal(stats.received, number);
        if (!close) {
            assert_int_equal(stats.taken, number);
            assert_true(atomic_load(&takers.sum) == number * (number + 1) / 2);
        }
        nki_inlet_destroy(&takers.inlet);
    }
}

/* -- in a waitset --------------------------------------------------------------------------------------- */

static bool reported(struct nki_waitset *set)
{
    struct nki_wait_record record;
    size_t count;
    int32_t status = nki_waitset_wait(set, &record, 1, 0, &count);
    assert_true(status == NKI_OK || status == NKI_WOULD_BLOCK);
    assert_true(status != NKI_OK || (record.tag == 5 && record.object == 6 && record.kind == 7));
    return status == NKI_OK;
}

/* What was taken ahead waits, for who asks, until it was handed out. */
static void test_taken_ahead(void **state)
{
    (void)state;
    struct nki_inlet inlet;
    struct nki_msg *msgs[20];
    uint64_t bytes;
    size_t count;
    init(&inlet, UNLIMITED);
    for (uint64_t i = 0; i < 20; i++) {
        stage(&inlet, i);
    }
    flush(&inlet);
    assert_int_equal(nki_inlet_cap_ahead_locked(&inlet, 64), 64); /* nobody has asked */
    assert_int_equal(nki_inlet_ahead_locked(&inlet, msgs, 20), 0);
    assert_int_equal(nki_inlet_tell_at(&inlet, 5, 10, &bytes), 20);
    assert_int_equal(inlet.tell_after, 15);
    uint64_t all = bytes;

    assert_int_equal(nki_inlet_cap_ahead_locked(&inlet, 64), 10);
    assert_int_equal(nki_inlet_cap_ahead_locked(&inlet, 3), 3);
    assert_int_equal(take(&inlet, msgs, 10, &count), NKI_OK);
    assert_int_equal(nki_inlet_ahead_locked(&inlet, msgs, count), 9); /* the first is handed out */
    assert_false(nki_inlet_tells_locked(&inlet, 1));
    assert_int_equal(inlet.tell_after, 14);
    assert_int_equal(nki_inlet_tell_at(&inlet, 5, 10, &bytes), 19);
    assert_int_equal(bytes, all / 20 * 19);

    assert_int_equal(nki_inlet_handed_locked(&inlet), 9);
    assert_int_equal(nki_inlet_handed_locked(&inlet), 0);
    assert_int_equal(nki_inlet_tell_at(&inlet, 5, 10, &bytes), 10);
    assert_int_equal(bytes, all / 2);
    nki_msg_release_batch(msgs, count);

    nki_inlet_close(&inlet);
    assert_int_equal(nki_inlet_cap_ahead_locked(&inlet, 64), 64);
    nki_inlet_destroy(&inlet);
}

static void test_in_a_waitset(void **state)
{
    (void)state;
    struct nki_inlet inlet;
    struct nki_waitset *set = nki_waitset_new(NULL);
    init(&inlet, UNLIMITED);
    pthread_mutex_lock(&inlet.wait.mu);
    assert_int_equal(nki_link_add(&inlet.wait.link, set, 6, 7, 5), NKI_OK);
    nki_link_arm(&inlet.wait.link, nki_inlet_ready_locked(&inlet));
    pthread_mutex_unlock(&inlet.wait.mu);
    assert_false(reported(set));
    stage(&inlet, 1);
    assert_false(reported(set));
    stage(&inlet, 2);
    flush(&inlet);
    assert_true(reported(set));
    assert_false(reported(set)); /* once */
    stage(&inlet, 3);
    flush(&inlet);
    assert_false(reported(set));
    assert_int_equal(take_one(&inlet), 1); /* not empty: not armed */
    stage(&inlet, 4);
    flush(&inlet);
    assert_false(reported(set));
    for (int64_t i = 2; i <= 4; i++) {
        assert_int_equal(take_one(&inlet), i);
    }
    assert_false(reported(set)); /* armed, but nothing there */
    stage(&inlet, 5);
    flush(&inlet);
    assert_int_equal(take_one(&inlet), 5); /* taken before it was collected */
    struct pollfd pfd = {.fd = nki_waitset_fd(set), .events = POLLIN};
    assert_int_equal(poll(&pfd, 1, 0), 0);
    assert_false(reported(set));
    stage(&inlet, 6);
    struct nki_inlet_handed handed;
    nki_inlet_flush(&inlet, NKI_MAX_REACHED, &handed);
    assert_true(reported(set));
    assert_int_equal(take_one(&inlet), 6);
    assert_true(reported(set)); /* emptied, and it has ended: that is news */
    assert_int_equal(take_one(&inlet), NKI_END);
    assert_false(reported(set));
    nki_inlet_close(&inlet);
    assert_false(reported(set));
    assert_null(inlet.wait.link.set);
    nki_inlet_destroy(&inlet);
    nki_waitset_release(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_in_order, begin, end),
        cmocka_unit_test_setup_teardown(test_limits_against_a_model, begin, end),
        cmocka_unit_test_setup_teardown(test_ends, begin, end),
        cmocka_unit_test_setup_teardown(test_since_when, begin, end),
        cmocka_unit_test_setup_teardown(test_tells_who_is_woken, begin, end),
        cmocka_unit_test_setup_teardown(test_closing_drops_and_counts, begin, end),
        cmocka_unit_test_setup_teardown(test_takers_of_many_threads, begin, end),
        cmocka_unit_test_setup_teardown(test_taken_ahead, begin, end),
        cmocka_unit_test_setup_teardown(test_in_a_waitset, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
