/* The outbox: frames whole and in order through a socket that takes them in bits, cuts at every byte, room,
 * and the transmit right. Every byte passes the strict oracle. */
#include "outbox_rig.h"

#include "../base/refuse.h"
#include "base/clock.h"
#include "base/rand.h"

#include <sched.h>

static void test_frames_through_a_narrow_socket(void **state)
{
    (void)state;
    static const size_t mosts[] = {1, 2, 3, 7, 100, 4096, 70000, 1000000};
    struct nki_rand rand;
    nki_rand_seed(&rand, 3);
    for (size_t i = 0; i < NKI_ARRAY_LEN(mosts); i++) {
        uint64_t before = nki_alloc_bytes();
        struct nki_outbox outbox;
        struct fake fake;
        init(&outbox, 64 * NKI_MIB);
        fake_init(&fake, mosts[i], (unsigned)i % 3 == 0 ? 3 : 0, SIZE_MAX);
        uint64_t number = 0;
        bool kick;
        for (; number < 5; number++) { /* before there is a transport */
            assert_int_equal(publish(&outbox, number, number, number % 2 == 0, 0, &kick), NKI_OK);
            assert_false(kick);
        }
        connect_to(&outbox, &fake);
        assert_int_equal(fake.seen_count, 0); /* not live: the handshake alone */
        bool right = go_live(&outbox);
        assert_true(right);
        size_t large = mosts[i] < 100 ? 300 : 300000;
        for (; number < 200; number++) {
            size_t len = (size_t)nki_rand_below(&rand, nki_rand_below(&rand, 10) == 0 ? large : 50);
            assert_int_equal(publish(&outbox, number, len, number % 3 == 0, 0, &kick), NKI_OK);
            assert_false(kick && right);
            right = right || kick;
            if (right && nki_rand_below(&rand, 3) == 0) {
                enum nki_outbox_result result =
                    nki_outbox_transmit(&outbox, 1 + (size_t)nki_rand_below(&rand, 5000));
                right = result != NKI_OUTBOX_EMPTY;
                assert_int_not_equal(result, NKI_OUTBOX_BROKEN);
            }
        }
        if (right) {
            assert_int_equal(drain(&outbox, 100000), NKI_OUTBOX_EMPTY);
        }
        uint64_t msgs;
        uint64_t bytes;
        uint64_t pending;
        nki_outbox_counts_get(&outbox, &msgs, &bytes, &pending);
        assert_int_equal(msgs, number);
        assert_int_equal(pending, 0);
        assert_int_equal(bytes + sizeof hello - 1 + sizeof replay - 1, fake.taken);
        assert_int_equal(fake.seen_count, number);
        assert_int_equal(fake.ops[TS_OP_SUB], 1);
        for (uint64_t k = 0; k < number; k++) {
            assert_int_equal(fake.seen[k], k);
        }
        nki_outbox_confirm(&outbox, 150);
        assert_int_equal(nki_outbox_detach(&outbox), 50);
        assert_int_equal(nki_outbox_close(&outbox), 0);
        nki_outbox_destroy(&outbox);
        fake_free(&fake);
        nki_outbox_release_cache();
        assert_int_equal(nki_alloc_bytes(), before);
    }
}

/* -- cuts ----------------------------------------------------------------------------------------------- */

/* One of a mixed stream of frames: messages 0, 1, ... between control lines. */
struct frame {
    const char *control; /* NULL: a message */
    size_t len;
    bool headers;
};

static void put_frames(struct nki_outbox *outbox, const struct frame *frames, size_t count, size_t *ends,
                       size_t *end_count)
{
    uint64_t number = 0;
    bool kick;
    *end_count = 0;
    size_t base = sizeof replay - 1;
    for (size_t i = 0; i < count; i++) {
        if (frames[i].control != NULL) {
            assert_true(nki_outbox_control(outbox, frames[i].control, strlen(frames[i].control), &kick));
        } else {
            assert_int_equal(publish(outbox, number, frames[i].len, frames[i].headers, 0, &kick), NKI_OK);
            ends[(*end_count)++] = base + outbox->accepted_bytes;
            number++;
        }
        assert_false(kick); /* the test has the right */
    }
}

/* The socket takes `cut` bytes behind the handshake and breaks; all goes on with another one. */
static void cut_at(const struct frame *frames, size_t count, size_t cut, uint64_t confirmed, size_t *total)
{
    struct nki_outbox outbox;
    struct fake first;
    struct fake second;
    size_t ends[32];
    size_t messages;
    init(&outbox, 64 * NKI_MIB);
    fake_init(&first, 1000000, 0, sizeof hello - 1 + cut);
    connect_to(&outbox, &first);
    assert_true(go_live(&outbox));
    put_frames(&outbox, frames, count, ends, &messages);
    *total = (size_t)outbox.bytes;
    enum nki_outbox_result result = drain(&outbox, 1000000);
    assert_int_equal(result, cut < *total ? NKI_OUTBOX_BROKEN : NKI_OUTBOX_EMPTY);
    assert_int_equal(first.shut, cut < *total); /* so that the reader finds out */
    assert_int_equal(outbox.bytes, cut < *total ? *total - cut : 0);
    size_t written = 0;
    while (written < messages && ends[written] <= cut) {
        written++;
    }
    confirmed = confirmed < written ? confirmed : written;
    nki_outbox_confirm(&outbox, confirmed);
    assert_int_equal(nki_outbox_detach(&outbox), written - confirmed);
    assert_int_equal(first.seen_count, written);
    assert_int_equal(nki_outbox_detach(&outbox), 0); /* twice is harmless */
    fake_init(&second, 1000, 0, SIZE_MAX);
    connect_to(&outbox, &second);
    assert_true(go_live(&outbox));
    assert_int_equal(drain(&outbox, 1000000), NKI_OUTBOX_EMPTY);
    assert_int_equal(second.seen_count, messages - written);
    for (size_t i = written; i < messages; i++) {
        assert_int_equal(second.seen[i - written], i);
    }
    assert_int_equal(second.ops[TS_OP_SUB], 1); /* the replayed one; other lines are gone */
    assert_int_equal(second.ops[TS_OP_PING], 1);
    assert_int_equal(second.ops[TS_OP_UNSUB] + second.ops[TS_OP_PONG], 0);
    assert_int_equal(nki_outbox_detach(&outbox), messages - written);
    assert_int_equal(nki_outbox_close(&outbox), 0);
    nki_outbox_destroy(&outbox);
    fake_free(&first);
    fake_free(&second);
}

static void test_cuts_at_every_byte(void **state)
{
    (void)state;
    static const struct frame frames[] = {
        {"SUB a.* q 1\r\n", 0, false},
        {NULL, 10, false},
        {"PING\r\n", 0, false},
        {NULL, 0, false},
        {NULL, 5, true},
        {"UNSUB 1 20\r\n", 0, false},
        {NULL, 120, true},
        {"PONG\r\n", 0, false},
        {"UNSUB 1\r\n", 0, false},
        {NULL, 1, false},
        {NULL, 0, true},
        {"SUB b 2\r\n", 0, false},
    };
    uint64_t before = nki_alloc_bytes();
    size_t total = 1;
    for (size_t cut = 0; cut <= total; cut++) {
        for (uint64_t confirmed = 0; confirmed < 3; confirmed++) {
            cut_at(frames, NKI_ARRAY_LEN(frames), cut, confirmed, &total);
        }
    }
    assert_true(total > 300);
    nki_outbox_release_cache();
    assert_int_equal(nki_alloc_bytes(), before);
}

static void test_cuts_of_several_segments(void **state)
{
    (void)state;
    static const struct frame frames[] = {
        {NULL, 200000, false}, {"PING\r\n", 0, false}, {NULL, 100000, true},  {NULL, 0, false},
        {NULL, 300000, false}, {NULL, 200000, false},  {"PONG\r\n", 0, false}};
    uint64_t before = nki_alloc_bytes();
    struct nki_rand rand;
    nki_rand_seed(&rand, 4);
    size_t total = 800000;
    for (int i = 0; i < 60; i++) {
        cut_at(frames, NKI_ARRAY_LEN(frames), (size_t)nki_rand_below(&rand, total + 1), i % 3 == 0 ? 1 : 0,
               &total);
    }
    nki_outbox_release_cache();
    assert_int_equal(nki_alloc_bytes(), before);
}

/* Kept frames are kept again and again, also those that were appended meanwhile. */
static void test_cuts_again_and_again(void **state)
{
    (void)state;
    struct nki_outbox outbox;
    struct nki_rand rand;
    nki_rand_seed(&rand, 5);
    init(&outbox, 64 * NKI_MIB);
    uint64_t number = 0;
    uint64_t next = 0; /* that a socket must take */
    uint64_t unconfirmed = 0;
    for (int round = 0; round < 300; round++) {
        bool kick;
        for (uint64_t n = nki_rand_below(&rand, 6); n > 0; n--) {
            assert_int_equal(
                publish(&outbox, number++, (size_t)nki_rand_below(&rand, 2000), n % 2 == 0, 0, &kick),
                NKI_OK);
            assert_false(kick);
        }
        struct fake fake;
        fake_init(&fake, 700, 0, sizeof hello - 1 + (size_t)nki_rand_below(&rand, 6000));
        connect_to(&outbox, &fake);
        assert_true(go_live(&outbox));
        for (uint64_t n = nki_rand_below(&rand, 4); n > 0; n--) {
            assert_int_equal(publish(&outbox, number++, (size_t)nki_rand_below(&rand, 2000), false, 0, &kick),
                             NKI_OK);
        }
        drain(&outbox, 5000);
        for (size_t i = 0; i < fake.seen_count; i++) {
            assert_int_equal(fake.seen[i], next++);
        }
        unconfirmed += nki_outbox_detach(&outbox);
        assert_int_equal(unconfirmed, next);
        fake_free(&fake);
    }
    assert_int_equal(nki_outbox_close(&outbox), number - next);
    nki_outbox_destroy(&outbox);
    nki_outbox_release_cache();
}

static void test_a_cut_handshake_leaves_nothing(void **state)
{
    (void)state;
    for (size_t cut = 0; cut < sizeof hello - 1; cut++) {
        struct nki_outbox outbox;
        struct fake fake;
        bool kick;
        init(&outbox, NKI_MIB);
        fake_init(&fake, 10, 0, cut);
        nki_outbox_set_stream(&outbox, &fake.stream);
        assert_true(nki_outbox_handshake(&outbox, hello, sizeof hello - 1, &kick));
        assert_int_equal(drain(&outbox, 1000), NKI_OUTBOX_BROKEN);
        assert_int_equal(publish(&outbox, 0, 3, false, 0, &kick), NKI_OK);
        if (kick) { /* there is still a rest of the handshake to be written */
            assert_int_equal(drain(&outbox, 1000), NKI_OUTBOX_BROKEN);
        }
        assert_int_equal(nki_outbox_detach(&outbox), 0);
        fake_free(&fake);
        fake_init(&fake, 10, 0, SIZE_MAX);
        connect_to(&outbox, &fake);
        assert_true(go_live(&outbox));
        drain(&outbox, 1000);
        assert_int_equal(fake.seen_count, 1);
        end(&outbox);
        fake_free(&fake);
    }
}

static bool holds_secret(const struct nki_outbox *outbox)
{
    return outbox->handshake.data != NULL &&
           memmem(outbox->handshake.data, outbox->handshake.cap, "protocol", 8) != NULL;
}

static void test_nothing_of_the_handshake_stays_in_memory(void **state)
{
    (void)state;
    struct nki_outbox outbox;
    struct fake fake;
    bool kick;
    init(&outbox, NKI_MIB);
    fake_init(&fake, 50, 0, SIZE_MAX);
    connect_to(&outbox, &fake);
    assert_false(holds_secret(&outbox)); /* sent */
    nki_outbox_detach(&outbox);
    fake_free(&fake);
    fake_init(&fake, 50, 0, 20);
    nki_outbox_set_stream(&outbox, &fake.stream);
    assert_true(nki_outbox_handshake(&outbox, hello, sizeof hello - 1, &kick));
    assert_int_equal(drain(&outbox, 1000), NKI_OUTBOX_BROKEN);
    assert_true(holds_secret(&outbox));
    nki_outbox_detach(&outbox);
    assert_false(holds_secret(&outbox)); /* given up */
    end(&outbox);
    fake_free(&fake);
}

/* -- room ----------------------------------------------------------------------------------------------- */

static void test_the_limit(void **state)
{
    (void)state;
    struct nki_outbox outbox;
    bool kick;
    init(&outbox, 1000);
    assert_int_equal(publish(&outbox, 0, 5000, false, 0, &kick),
                     NKI_OK); /* larger than all: alone it is let in */
    assert_int_equal(publish(&outbox, 1, 0, false, 0, &kick), NKI_WOULD_BLOCK);
    assert_int_equal(publish(&outbox, 1, 0, false, 1, &kick), NKI_TIMEOUT);
    end(&outbox);
    init(&outbox, 1000);
    uint64_t number = 0;
    while (publish(&outbox, number, 20, false, 0, &kick) == NKI_OK) {
        number++;
        assert_true(outbox.bytes <= 1000);
    }
    assert_true(number > 10 && outbox.bytes > 800);
    nki_outbox_detach(&outbox);
    assert_int_equal(nki_outbox_close(&outbox), number);
    assert_int_equal(publish(&outbox, 0, 0, false, 0, &kick), NKI_CLOSED);
    assert_int_equal(publish(&outbox, 0, 0, false, NKI_NEVER, &kick), NKI_CLOSED);
    nki_outbox_destroy(&outbox);
    nki_outbox_release_cache();
}

static int32_t status_of(struct nki_op *op)
{
    return nki_op_result(op, NULL, NULL);
}

static void test_operations_that_wait_for_room(void **state)
{
    (void)state;
    uint64_t before = nki_alloc_bytes();
    struct nki_outbox outbox;
    struct fake fake;
    bool kick;
    init(&outbox, 1000);
    fake_init(&fake, 100, 2, SIZE_MAX);
    connect_to(&outbox, &fake);
    bool right = go_live(&outbox);
    assert_true(right);
    while (publish(&outbox, outbox.accepted_msgs, 60, false, 0, &kick) == NKI_OK) {
    }
    enum { SMALL, LARGE, HUGE, FORGOTTEN, OPS };
    static const uint64_t needs[OPS] = {100, 900, 5000, 100};
    struct nki_op *ops[OPS];
    for (size_t i = 0; i < OPS; i++) {
        ops[i] = nki_op_new();
        nki_outbox_room(&outbox, ops[i], needs[i]);
        assert_int_equal(status_of(ops[i]), NKI_PENDING);
    }
    nki_outbox_forget_op(&outbox, ops[FORGOTTEN]);
    nki_outbox_forget_op(&outbox, ops[FORGOTTEN]);
    bool seen_small_alone = false;
    while (right) {
        enum nki_outbox_result result = nki_outbox_transmit(&outbox, 1);
        right = result != NKI_OUTBOX_EMPTY;
        for (size_t i = 0; i < FORGOTTEN; i++) {
            if (status_of(ops[i]) == NKI_OK) {
                assert_true(outbox.bytes == 0 || outbox.bytes + needs[i] <= 1000);
            } else {
                assert_true(outbox.bytes > 500 || outbox.bytes + needs[i] > 1000);
            }
        }
        seen_small_alone =
            seen_small_alone || (status_of(ops[SMALL]) == NKI_OK && status_of(ops[LARGE]) == NKI_PENDING);
    }
    assert_true(seen_small_alone);
    assert_int_equal(status_of(ops[LARGE]), NKI_OK);
    assert_int_equal(status_of(ops[HUGE]), NKI_OK);
    assert_int_equal(status_of(ops[FORGOTTEN]), NKI_PENDING);
    for (size_t i = 0; i < OPS; i++) {
        nki_op_release(ops[i]);
    }
    struct nki_op *op = nki_op_new();
    nki_outbox_room(&outbox, op, 1000);
    assert_int_equal(status_of(op), NKI_OK); /* there is room now */
    nki_op_release(op);
    publish(&outbox, 0, 900, false, 0, &kick);
    op = nki_op_new();
    nki_outbox_room(&outbox, op, 500);
    nki_outbox_detach(&outbox);
    assert_int_equal(status_of(op), NKI_PENDING); /* it was kept */
    nki_outbox_close(&outbox);
    assert_int_equal(status_of(op), NKI_CLOSED);
    nki_op_release(op);
    op = nki_op_new();
    nki_outbox_room(&outbox, op, 1);
    assert_int_equal(status_of(op), NKI_CLOSED);
    nki_op_release(op);
    nki_outbox_destroy(&outbox);
    fake_free(&fake);
    nki_outbox_release_cache();
    assert_int_equal(nki_alloc_bytes(), before);
}

static void test_a_batch_larger_than_the_outbox(void **state)
{
    (void)state;
    enum { COUNT = 400 };
    struct nki_outbox outbox;
    struct fake fake;
    struct nki_outgoing_msg msgs[COUNT];
    char subjects[COUNT][16];
    init(&outbox, 1000);
    fake_init(&fake, 1000000, 0, SIZE_MAX);
    connect_to(&outbox, &fake);
    assert_true(go_live(&outbox));
    drain(&outbox, 1000);
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(subjects[i], sizeof subjects[i], "m.%zu", i);
        msgs[i] = (struct nki_outgoing_msg){.subject = nki_str_z(subjects[i])};
    }
    size_t sent = 0;
    int rounds = 0;
    int32_t status = NKI_WOULD_BLOCK;
    while (status == NKI_WOULD_BLOCK) {
        size_t done;
        bool kick;
        /* Nobody else writes: a call that waited for room would wait for ever. */
        status = nki_outbox_append(&outbox, msgs + sent, COUNT - sent, NKI_NEVER, &done, &kick);
        sent += done;
        rounds++;
        assert_true(kick && done > 0);
        drain(&outbox, 100000);
    }
    assert_int_equal(status, NKI_OK);
    assert_int_equal(sent, COUNT);
    assert_true(rounds > 2);
    assert_int_equal(fake.seen_count, COUNT);
    end(&outbox);
    fake_free(&fake);
}

static void test_without_memory(void **state)
{
    (void)state;
    uint64_t before = nki_alloc_bytes();
    struct nki_outbox outbox;
    struct fake fake;
    bool kick;
    init(&outbox, 64 * NKI_MIB);
    fake_init(&fake, 1000000, 0, SIZE_MAX);
    refuse_begin(1);
    assert_int_equal(publish(&outbox, 0, 5, false, 0, &kick), NKI_NO_MEMORY);
    refuse_end();
    assert_int_equal(publish(&outbox, 0, 5, false, 0, &kick), NKI_OK);
    nki_outbox_set_stream(&outbox, &fake.stream);
    refuse_begin(1);
    assert_false(nki_outbox_handshake(&outbox, hello, sizeof hello - 1, &kick));
    assert_false(kick);
    refuse_end();
    nki_outbox_detach(&outbox);
    connect_to(&outbox, &fake);
    nki_outbox_release_cache();
    refuse_begin(1);
    assert_false(nki_outbox_attach(&outbox, replay, sizeof replay - 1, &kick));
    assert_false(kick);
    refuse_end();
    assert_true(go_live(&outbox));
    /* A batch of which the second one finds none: the first is on its way. */
    struct nki_outgoing_msg msgs[2] = {{.subject = NKI_STR("m.1")}, {.subject = NKI_STR("m.2")}};
    uint8_t *body = body_of(2, 300000);
    msgs[1].data = nki_str_make((char *)body, 300000);
    size_t done;
    refuse_begin(1);
    assert_int_equal(nki_outbox_append(&outbox, msgs, 2, 0, &done, &kick), NKI_NO_MEMORY);
    refuse_end();
    assert_int_equal(done, 1);
    free(body);
    drain(&outbox, 1000000);
    assert_int_equal(fake.seen_count, 2);
    end(&outbox);
    fake_free(&fake);
    assert_int_equal(nki_alloc_bytes(), before);
}

/* -- threads -------------------------------------------------------------------------------------------- */

enum { THREADS = 4, EACH = 800 };

struct crowd {
    struct nki_outbox outbox;
    struct fake fake; /* checks that no two write at once */
    atomic_bool owed; /* the right waits for the writer */
    atomic_int running;
    atomic_int faults;
};

static void use_right(struct crowd *crowd, size_t budget)
{
    enum nki_outbox_result result = nki_outbox_transmit_stream(&crowd->outbox, budget);
    if (result == NKI_OUTBOX_MORE || result == NKI_OUTBOX_AGAIN) {
        atomic_store(&crowd->owed, true);
    } else if (result == NKI_OUTBOX_BROKEN) {
        atomic_fetch_add(&crowd->faults, 1);
    }
}

struct publisher {
    struct crowd *crowd;
    uint64_t number;
};

static void *run_publisher(void *arg)
{
    struct publisher *self = arg;
    struct crowd *crowd = self->crowd;
    for (uint64_t i = 0; i < EACH; i++) {
        bool kick;
        /* The outbox is small: they wait for each other's messages to be written. */
        int32_t status;
        do { /* with the right in its hands a publisher writes what is to make room, and tries again */
            status = publish(&crowd->outbox, self->number * EACH + i, 40, i % 2 == 0, NKI_NEVER, &kick);
            if (kick) {
                use_right(crowd, 1);
            }
        } while (status == NKI_WOULD_BLOCK && kick);
        if (status != NKI_OK) {
            atomic_fetch_add(&crowd->faults, 1);
        }
    }
    atomic_fetch_sub(&crowd->running, 1);
    return NULL;
}

static void *run_writer(void *arg)
{
    struct crowd *crowd = arg;
    uint64_t msgs;
    uint64_t bytes;
    uint64_t pending = 1;
    uint32_t seen = 0;
    bool moves;
    while (atomic_load(&crowd->running) > 0 || pending > 0) {
        if (atomic_exchange(&crowd->owed, false) || nki_outbox_unpark_old(&crowd->outbox, &seen, &moves)) {
            use_right(crowd, 500);
        } else {
            sched_yield();
        }
        nki_outbox_counts_get(&crowd->outbox, &msgs, &bytes, &pending);
    }
    return NULL;
}

static void many_publishers(uint64_t limit, size_t most)
{
    struct crowd crowd;
    struct publisher publishers[THREADS];
    pthread_t threads[THREADS + 1];
    init(&crowd.outbox, limit);
    fake_init(&crowd.fake, most, 5, SIZE_MAX);
    connect_to(&crowd.outbox, &crowd.fake);
    atomic_init(&crowd.owed, go_live(&crowd.outbox));
    atomic_init(&crowd.running, THREADS);
    atomic_init(&crowd.faults, 0);
    assert_int_equal(pthread_create(&threads[THREADS], NULL, run_writer, &crowd), 0);
    for (uint64_t i = 0; i < THREADS; i++) {
        publishers[i] = (struct publisher){&crowd, i};
        assert_int_equal(pthread_create(&threads[i], NULL, run_publisher, &publishers[i]), 0);
    }
    for (size_t i = 0; i <= THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&crowd.faults), 0);
    assert_false(crowd.outbox.right_taken);
    assert_int_equal(crowd.outbox.bytes, 0);
    assert_int_equal(crowd.fake.seen_count, THREADS * EACH);
    uint64_t next[THREADS] = {0};
    for (size_t i = 0; i < crowd.fake.seen_count; i++) {
        uint64_t who = crowd.fake.seen[i] / EACH;
        assert_int_equal(crowd.fake.seen[i] % EACH, next[who]++);
    }
    end(&crowd.outbox);
    fake_free(&crowd.fake);
}

static void test_many_publishers_and_one_right(void **state)
{
    (void)state;
    many_publishers(2000, 333);
    many_publishers(NKI_MIB, 5000); /* there is always room: the right is parked now and then */
}

/* A socket whose write does not return until it is shut down. */
struct stuck {
    struct nki_stream stream;
    pthread_mutex_t mu;
    pthread_cond_t cond;
    bool inside;
    bool shut;
};

static ptrdiff_t stuck_write(struct nki_stream *stream, const struct iovec *iov, int count)
{
    struct stuck *stuck = NKI_CONTAINER_OF(stream, struct stuck, stream);
    (void)count;
    pthread_mutex_lock(&stuck->mu);
    stuck->inside = true;
    pthread_cond_broadcast(&stuck->cond);
    while (!stuck->shut) {
        pthread_cond_wait(&stuck->cond, &stuck->mu);
    }
    stuck->inside = false;
    pthread_mutex_unlock(&stuck->mu);
    return (ptrdiff_t)iov[0].iov_len - 1; /* all but the last byte went out in time */
}

static const struct nki_stream_ops stuck_ops = {.write = stuck_write};

static void *run_transmit(void *arg)
{
    nki_outbox_transmit(arg, 1000000);
    return NULL;
}

static void test_detaching_waits_for_the_writer(void **state)
{
    (void)state;
    struct nki_outbox outbox;
    struct fake fake;
    struct stuck stuck = {
        .stream.ops = &stuck_ops, .mu = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    bool kick;
    init(&outbox, NKI_MIB);
    nki_outbox_set_stream(&outbox, &stuck.stream);
    assert_int_equal(publish(&outbox, 0, 10, false, 0, &kick), NKI_OK);
    assert_int_equal(publish(&outbox, 1, 10, false, 0, &kick), NKI_OK);
    assert_true(nki_outbox_attach(&outbox, NULL, 0, &kick));
    assert_true(kick);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_transmit, &outbox), 0);
    pthread_mutex_lock(&stuck.mu);
    while (!stuck.inside) {
        pthread_cond_wait(&stuck.cond, &stuck.mu);
    }
    stuck.shut = true;
    pthread_cond_broadcast(&stuck.cond);
    pthread_mutex_unlock(&stuck.mu);
    assert_int_equal(nki_outbox_detach(&outbox), 1);
    assert_false(outbox.writing);
    pthread_join(thread, NULL);
    /* The writer still holds the right, as the one who polls would; the driver has it given back. */
    if (outbox.right_taken) {
        assert_int_equal(nki_outbox_transmit(&outbox, 1), NKI_OUTBOX_EMPTY);
    }
    fake_init(&fake, 1000, 0, SIZE_MAX);
    connect_to(&outbox, &fake);
    assert_true(go_live(&outbox));
    drain(&outbox, 1000);
    assert_int_equal(fake.seen_count, 1);
    assert_int_equal(fake.seen[0], 1);
    end(&outbox);
    fake_free(&fake);
}

static void *run_blocked(void *arg)
{
    bool kick;
    return publish(arg, 9, 10, false, NKI_NEVER, &kick) == NKI_CLOSED ? arg : NULL;
}

static void test_closing_wakes_who_waits_for_room(void **state)
{
    (void)state;
    struct nki_outbox outbox;
    bool kick;
    pthread_t thread;
    init(&outbox, 100);
    assert_int_equal(publish(&outbox, 0, 90, false, 0, &kick), NKI_OK);
    assert_int_equal(pthread_create(&thread, NULL, run_blocked, &outbox), 0);
    bool waits = false;
    while (!waits) {
        pthread_mutex_lock(&outbox.mu);
        waits = outbox.room_waiters == 1;
        pthread_mutex_unlock(&outbox.mu);
        sched_yield();
    }
    assert_int_equal(nki_outbox_close(&outbox), 1);
    void *closed;
    pthread_join(thread, &closed);
    assert_non_null(closed);
    nki_outbox_destroy(&outbox);
    nki_outbox_release_cache();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_through_a_narrow_socket),
        cmocka_unit_test(test_cuts_at_every_byte),
        cmocka_unit_test(test_cuts_of_several_segments),
        cmocka_unit_test(test_cuts_again_and_again),
        cmocka_unit_test(test_a_cut_handshake_leaves_nothing),
        cmocka_unit_test(test_nothing_of_the_handshake_stays_in_memory),
        cmocka_unit_test(test_the_limit),
        cmocka_unit_test(test_operations_that_wait_for_room),
        cmocka_unit_test(test_a_batch_larger_than_the_outbox),
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_many_publishers_and_one_right),
        cmocka_unit_test(test_detaching_waits_for_the_writer),
        cmocka_unit_test(test_closing_wakes_who_waits_for_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
