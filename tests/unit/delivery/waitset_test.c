/* Waitsets: one-shot interest against a model, the descriptor after each step, threads, closing. */
#include "delivery/waitset.h"

#include "../base/cmocka_all.h"
#include "../base/refuse.h"
#include "base/clock.h"
#include "base/rand.h"
#include "base/wake.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

static bool readable(struct nki_waitset *set)
{
    struct pollfd pfd = {.fd = nki_waitset_fd(set), .events = POLLIN};
    return poll(&pfd, 1, 0) == 1;
}

static void test_one_shot(void **state)
{
    (void)state;
    uint64_t before = nki_alloc_bytes();
    struct nki_waitset *set = nki_waitset_new(NULL);
    struct nki_wait_link link = {.set = NULL};
    struct nki_wait_record records[2];
    size_t count = 9;
    assert_int_equal(nki_waitset_wait(set, records, 2, 0, &count), NKI_WOULD_BLOCK);
    assert_int_equal(count, 0);
    assert_int_equal(nki_waitset_wait(set, records, 2, 1, &count), NKI_TIMEOUT);
    assert_int_equal(nki_link_add(&link, set, 11, 3, 22), NKI_OK);
    nki_link_ready(&link); /* not armed */
    assert_false(readable(set));
    nki_link_arm(&link, false);
    assert_false(readable(set));
    nki_link_ready(&link);
    nki_link_ready(&link);
    assert_true(readable(set));
    assert_int_equal(nki_waitset_wait(set, records, 2, 0, &count), NKI_OK);
    assert_int_equal(count, 1);
    assert_true(records[0].object == 11 && records[0].kind == 3 && records[0].tag == 22);
    assert_false(readable(set));
    nki_link_ready(&link); /* disarmed */
    assert_false(readable(set));
    nki_link_arm(&link, true); /* ready: listed at once */
    assert_true(readable(set));
    assert_int_equal(nki_link_add(&link, set, 11, 3, 23), NKI_OK); /* another tag */
    assert_int_equal(nki_waitset_wait(set, records, 2, 0, &count), NKI_OK);
    assert_int_equal(records[0].tag, 23);
    nki_link_arm(&link, true);
    nki_link_arm(&link, false); /* emptied before it was collected */
    assert_false(readable(set));
    nki_link_ready(&link);
    assert_true(readable(set));
    nki_link_remove(&link);
    assert_false(readable(set));
    nki_link_remove(&link);
    nki_link_arm(&link, true); /* in no set: no effect */
    nki_link_ready(&link);
    assert_int_equal(nki_waitset_wait(set, records, 2, 0, &count), NKI_WOULD_BLOCK);
    nki_waitset_release(set);
    assert_int_equal(nki_alloc_bytes(), before);
}

static void test_two_sets(void **state)
{
    (void)state;
    uint64_t before = nki_alloc_bytes();
    struct nki_waitset *first = nki_waitset_new(NULL);
    struct nki_waitset *second = nki_waitset_new(NULL);
    struct nki_wait_link link = {.set = NULL};
    struct nki_wait_record record;
    size_t count;
    assert_int_equal(nki_link_add(&link, first, 1, 1, 1), NKI_OK);
    assert_int_equal(nki_link_add(&link, second, 1, 1, 2), NKI_BUSY);
    nki_link_arm(&link, true);
    nki_waitset_close(first);
    nki_waitset_close(first);
    assert_int_equal(nki_waitset_wait(first, &record, 1, 0, &count), NKI_CLOSED);
    assert_int_equal(nki_waitset_wait(first, &record, 1, NKI_NEVER, &count), NKI_CLOSED);
    nki_link_ready(&link);
    nki_waitset_release(first); /* the link still holds it */
    assert_int_equal(nki_link_add(&link, second, 1, 1, 2), NKI_OK);
    nki_link_arm(&link, true);
    assert_int_equal(nki_waitset_wait(second, &record, 1, 0, &count), NKI_OK);
    assert_int_equal(record.tag, 2);
    nki_link_remove(&link);
    nki_waitset_release(second);
    assert_int_equal(nki_alloc_bytes(), before);
}

/* Who feeds and then collects is not woken by himself; others are, for what he leaves. */
static void test_feeding(void **state)
{
    (void)state;
    uint64_t before = nki_alloc_bytes();
    struct nki_waitset *set = nki_waitset_new(NULL);
    struct nki_wait_link links[2] = {{.set = NULL}, {.set = NULL}};
    struct nki_wait_record records[2];
    size_t count;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(nki_link_add(&links[i], set, i + 1, 3, i), NKI_OK);
        nki_link_arm(&links[i], false);
    }
    nki_waitset_feed(set);
    nki_link_ready(&links[0]);
    nki_link_ready(&links[1]);
    assert_false(readable(set));
    assert_int_equal(nki_waitset_wait(set, records, 1, 0, &count), NKI_OK);
    assert_false(readable(set));
    nki_waitset_fed(set);
    assert_true(readable(set)); /* one is left */
    nki_waitset_feed(set);
    nki_link_arm(&links[0], true);
    assert_true(readable(set)); /* it was before */
    assert_int_equal(nki_waitset_wait(set, records, 2, 0, &count), NKI_OK);
    assert_int_equal(count, 2);
    assert_false(readable(set));
    nki_waitset_feed(set); /* a second thread, for another connection */
    nki_link_arm(&links[0], true);
    nki_waitset_fed(set);
    assert_false(readable(set));
    nki_waitset_fed(set);
    assert_true(readable(set));
    nki_waitset_feed(set);
    nki_waitset_close(set);
    assert_true(readable(set));
    nki_link_remove(&links[0]);
    nki_link_remove(&links[1]);
    nki_waitset_fed(set);
    assert_true(readable(set));
    nki_waitset_release(set);
    assert_int_equal(nki_alloc_bytes(), before);
}

/* The descriptor to be polled tells of what the set watches, too; the other one does not. */
static void test_watching(void **state)
{
    (void)state;
    struct nki_waitset *set = nki_waitset_new(NULL);
    struct nki_wait_link link = {.set = NULL};
    struct nki_wait_record record;
    size_t count;
    int other = nki_wake_open();
    assert_true(other >= 0);
    assert_false(nki_waitset_watch(set, other, 7)); /* nobody polls it */
    int fd = nki_waitset_fd(set);
    assert_int_equal(nki_waitset_fd(set), fd);
    assert_true(nki_waitset_watch(set, other, 7));
    assert_false(nki_waitset_watch(set, fd, 8));
    assert_int_equal(nki_waitset_reads(set), 7);
    assert_false(readable(set));
    nki_wake_raise(other);
    assert_true(readable(set));
    assert_int_equal(nki_waitset_wait(set, &record, 1, 0, &count), NKI_WOULD_BLOCK);
    assert_int_equal(nki_waitset_wait(set, &record, 1, 1, &count), NKI_TIMEOUT);
    nki_waitset_unwatch(set, other);
    assert_int_equal(nki_waitset_reads(set), 0);
    assert_false(readable(set));
    assert_int_equal(nki_link_add(&link, set, 1, 1, 1), NKI_OK);
    nki_link_arm(&link, true);
    assert_true(readable(set));
    nki_link_remove(&link);
    nki_waitset_close(set);
    assert_true(readable(set));
    assert_false(nki_waitset_watch(set, other, 7));
    nki_waitset_release(set);
    close(other);
}

static void test_of_one_connection(void **state)
{
    (void)state;
    struct nki_waitset *set = nki_waitset_new(NULL);
    assert_int_equal(nki_waitset_only(set), 0);
    nki_waitset_add_of(set, 7);
    nki_waitset_add_of(set, 7);
    assert_int_equal(nki_waitset_only(set), 7);
    nki_waitset_add_of(set, 8);
    assert_int_equal(nki_waitset_only(set), 0);
    nki_waitset_add_of(set, 8);
    assert_int_equal(nki_waitset_only(set), 0);
    nki_waitset_release(set);
}

/* A set that is called is readable until whoever polls it answers, and a caller that waits does not mind. */
static void test_calling(void **state)
{
    (void)state;
    struct nki_waitset *set = nki_waitset_new(NULL);
    struct nki_wait_link link = {.set = NULL};
    struct nki_wait_record record;
    size_t count;
    assert_int_equal(nki_waitset_answer(set), 0);
    nki_waitset_call(set, 7);
    nki_waitset_call(set, 8);
    assert_true(readable(set));
    assert_int_equal(nki_waitset_wait(set, &record, 1, 0, &count), NKI_WOULD_BLOCK);
    assert_true(readable(set));
    assert_int_equal(nki_waitset_answer(set), 8);
    assert_false(readable(set));
    assert_int_equal(nki_waitset_answer(set), 0);
    /* beside a record */
    assert_int_equal(nki_link_add(&link, set, 1, 1, 5), NKI_OK);
    nki_link_arm(&link, true);
    nki_waitset_call(set, 9);
    assert_int_equal(nki_waitset_wait(set, &record, 1, 0, &count), NKI_OK);
    assert_true(readable(set));
    assert_int_equal(nki_waitset_answer(set), 9);
    assert_false(readable(set));
    nki_link_arm(&link, true);
    nki_waitset_call(set, 9);
    assert_int_equal(nki_waitset_answer(set), 9);
    assert_true(readable(set));
    nki_link_remove(&link);
    assert_false(readable(set));
    /* who waits does not spin until the loop answers */
    nki_waitset_call(set, 9);
    assert_int_equal(nki_waitset_wait(set, &record, 1, nki_clock_now_ns() + NKI_NS_PER_MS, &count),
                     NKI_TIMEOUT);
    assert_false(readable(set));
    nki_waitset_close(set);
    nki_waitset_call(set, 9);
    assert_int_equal(nki_waitset_answer(set), 9);
    assert_true(readable(set));
    nki_waitset_release(set);
}

static void test_without_memory_or_descriptors(void **state)
{
    (void)state;
    struct nki_error err;
    refuse_begin(1);
    assert_null(nki_waitset_new(&err));
    refuse_end();
    assert_int_equal(err.status, NKI_NO_MEMORY);
}

/* -- a model -------------------------------------------------------------------------------------------- */

enum { OBJECTS = 40 };

struct model {
    struct nki_wait_link link;
    bool in;
    uint64_t tag;
    int state;
};

static size_t listed(const struct model *objects)
{
    size_t count = 0;
    for (size_t i = 0; i < OBJECTS; i++) {
        count += objects[i].state == NKI_LINK_LISTED;
    }
    return count;
}

static void random_step(struct nki_waitset *set, struct model *objects, struct nki_rand *rand)
{
    struct model *at = &objects[nki_rand_below(rand, OBJECTS)];
    bool ready = nki_rand_below(rand, 2) == 0;
    switch (nki_rand_below(rand, 8)) {
    case 0:
    case 1:
        at->tag = nki_rand_u64(rand);
        assert_int_equal(nki_link_add(&at->link, set, (uint64_t)(at - objects), 1, at->tag), NKI_OK);
        at->in = true;
        break;
    case 2:
    case 3:
        nki_link_arm(&at->link, ready);
        at->state = !at->in ? at->state : ready ? NKI_LINK_LISTED : NKI_LINK_ARMED;
        break;
    case 4:
    case 5:
        nki_link_ready(&at->link);
        at->state = at->state == NKI_LINK_ARMED ? NKI_LINK_LISTED : at->state;
        break;
    case 6:
        nki_link_remove(&at->link);
        at->in = false;
        at->state = NKI_LINK_DISARMED;
        break;
    default: {
        struct nki_wait_record records[5];
        size_t count;
        size_t cap = 1 + (size_t)nki_rand_below(rand, 5);
        size_t wanted = listed(objects) < cap ? listed(objects) : cap;
        assert_int_equal(nki_waitset_wait(set, records, cap, 0, &count),
                         wanted > 0 ? NKI_OK : NKI_WOULD_BLOCK);
        assert_int_equal(count, wanted);
        for (size_t i = 0; i < count; i++) {
            struct model *got = &objects[records[i].object];
            assert_int_equal(got->state, NKI_LINK_LISTED);
            assert_true(got->tag == records[i].tag);
            got->state = NKI_LINK_DISARMED;
        }
        break;
    }
    }
}

static void test_random_against_a_model(void **state)
{
    (void)state;
    static struct model objects[OBJECTS];
    struct nki_rand rand;
    struct nki_waitset *set = nki_waitset_new(NULL);
    nki_rand_seed(&rand, 30);
    for (int round = 0; round < 50000; round++) {
        random_step(set, objects, &rand);
        assert_int_equal(readable(set), listed(objects) > 0);
    }
    for (size_t i = 0; i < OBJECTS; i++) {
        nki_link_remove(&objects[i].link);
    }
    assert_false(readable(set));
    nki_waitset_release(set);
}

/* -- threads -------------------------------------------------------------------------------------------- */

enum { THINGS = 24, PRODUCERS = 2, COLLECTORS = 3, EACH = 15000 };

struct thing {
    pthread_mutex_t mu;
    struct nki_wait_link link;
    uint64_t queued;
    atomic_int collected; /* by one thread at a time */
};

struct hall {
    struct nki_waitset *set;
    struct thing things[THINGS];
    atomic_uint_fast64_t taken;
    atomic_int faults;
};

struct producer {
    struct hall *hall;
    uint64_t seed;
};

static void take(struct hall *hall, const struct nki_wait_record *records, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct thing *thing = &hall->things[records[i].object];
        if (atomic_fetch_add(&thing->collected, 1) != 0) {
            atomic_fetch_add(&hall->faults, 1);
        }
        pthread_mutex_lock(&thing->mu);
        uint64_t some = thing->queued > 1 ? thing->queued / 2 : thing->queued;
        thing->queued -= some;
        atomic_fetch_add(&hall->taken, some);
        atomic_fetch_sub(&thing->collected, 1);
        nki_link_arm(&thing->link, thing->queued > 0);
        pthread_mutex_unlock(&thing->mu);
    }
}

static void produce(struct hall *hall, struct nki_rand *rand)
{
    struct thing *thing = &hall->things[nki_rand_below(rand, THINGS)];
    pthread_mutex_lock(&thing->mu);
    thing->queued++;
    nki_link_ready(&thing->link);
    pthread_mutex_unlock(&thing->mu);
}

/* Now and then as one who feeds, and collects a part of what is ready before he lets others be woken. */
static void *run_producer(void *arg)
{
    struct producer *self = arg;
    struct hall *hall = self->hall;
    struct nki_rand rand;
    nki_rand_seed(&rand, self->seed);
    for (int i = 0; i < EACH; i++) {
        bool feeds = nki_rand_below(&rand, 4) == 0;
        if (feeds) {
            nki_waitset_feed(hall->set);
        }
        produce(hall, &rand);
        if (feeds) {
            struct nki_wait_record record;
            size_t count;
            if (nki_waitset_wait(hall->set, &record, 1, 0, &count) == NKI_OK) {
                take(hall, &record, count);
            }
            nki_waitset_fed(hall->set);
        }
    }
    return NULL;
}

static void *run_collector(void *arg)
{
    struct hall *hall = arg;
    struct nki_wait_record records[4];
    size_t count;
    /* With NKI_NEVER: a wake-up that gets lost would hang here. */
    while (nki_waitset_wait(hall->set, records, 4, NKI_NEVER, &count) == NKI_OK) {
        take(hall, records, count);
    }
    return NULL;
}

static void hall_open(struct hall *hall)
{
    hall->set = nki_waitset_new(NULL);
    atomic_init(&hall->taken, 0);
    atomic_init(&hall->faults, 0);
    for (size_t i = 0; i < THINGS; i++) {
        struct thing *thing = &hall->things[i];
        *thing = (struct thing){.link = {.set = NULL}};
        pthread_mutex_init(&thing->mu, NULL);
        assert_int_equal(nki_link_add(&thing->link, hall->set, i, 1, i), NKI_OK);
        nki_link_arm(&thing->link, false);
    }
}

static void test_no_wake_up_is_lost(void **state)
{
    (void)state;
    static struct hall hall;
    pthread_t producers[PRODUCERS];
    pthread_t collectors[COLLECTORS];
    struct producer args[PRODUCERS];
    hall_open(&hall);
    for (size_t i = 0; i < COLLECTORS; i++) {
        assert_int_equal(pthread_create(&collectors[i], NULL, run_collector, &hall), 0);
    }
    for (size_t i = 0; i < PRODUCERS; i++) {
        args[i] = (struct producer){&hall, 40 + i};
        assert_int_equal(pthread_create(&producers[i], NULL, run_producer, &args[i]), 0);
    }
    for (size_t i = 0; i < PRODUCERS; i++) {
        pthread_join(producers[i], NULL);
    }
    while (atomic_load(&hall.taken) < (uint64_t)PRODUCERS * EACH) {
        sched_yield();
    }
    nki_waitset_close(hall.set);
    for (size_t i = 0; i < COLLECTORS; i++) {
        pthread_join(collectors[i], NULL);
    }
    assert_int_equal(atomic_load(&hall.faults), 0);
    assert_int_equal(atomic_load(&hall.taken), PRODUCERS * EACH);
    for (size_t i = 0; i < THINGS; i++) {
        nki_link_remove(&hall.things[i].link);
        pthread_mutex_destroy(&hall.things[i].mu);
    }
    nki_waitset_release(hall.set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_shot),
        cmocka_unit_test(test_two_sets),
        cmocka_unit_test(test_without_memory_or_descriptors),
        cmocka_unit_test(test_feeding),
        cmocka_unit_test(test_watching),
        cmocka_unit_test(test_of_one_connection),
        cmocka_unit_test(test_calling),
        cmocka_unit_test(test_random_against_a_model),
        cmocka_unit_test(test_no_wake_up_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
