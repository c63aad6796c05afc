/* Waits that are cut short at random moments while messages arrive: time-outs, operations, subscriptions,
 * waitsets and connections that another thread closes. Every message is taken once and in order or is
 * counted, no request is given the reply of another, and who waited is told why.
 *
 * Worker threads note the first thing that is wrong in `fault`; the main thread looks at it. NATSKIT_SEED
 * replays the choices of a run, NATSKIT_ROUNDS multiplies the rounds (1 by default). */
#include "bench.h"

#include "support/chance.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SCALE 1
#else
#define SCALE 5
#endif

enum {
    SUB_ROUNDS = 600 * SCALE,
    REQUEST_ROUNDS = 1000 * SCALE,
    OP_ROUNDS = 300 * SCALE,
    CLOSE_ROUNDS = 100 * SCALE,
    ASKERS = 3,
    TAKERS = 2
};

static uint64_t seed;
static unsigned times = 1;
static char fault[256];
static pthread_mutex_t fault_mu = PTHREAD_MUTEX_INITIALIZER;

static void wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void wrong(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    pthread_mutex_lock(&fault_mu);
    if (fault[0] == '\0') {
        (void)vsnprintf(fault, sizeof fault, format, args);
    }
    pthread_mutex_unlock(&fault_mu);
    va_end(args);
}

static void check_fault(unsigned round)
{
    pthread_mutex_lock(&fault_mu);
    bool found = fault[0] != '\0';
    pthread_mutex_unlock(&fault_mu);
    if (found) {
        fail_msg("seed %llu, round %u: %s", (unsigned long long)seed, round, fault);
    }
}

/* Up to `most` microseconds; often none at all. */
static void random_pause(struct ts_chance *chance, uint32_t most)
{
    uint32_t us = ts_chance_below(chance, 3) == 0 ? 0 : ts_chance_below(chance, most);
    if (us > 0) {
        struct timespec time = {.tv_nsec = (long)us * 1000};
        nanosleep(&time, NULL);
    }
}

static void start_thread(pthread_t *thread, void *(*run)(void *), void *arg)
{
    assert_int_equal(pthread_create(thread, NULL, run, arg), 0);
}

static uint32_t number_of(const natskit_msg *msg)
{
    natskit_message_view view;
    uint32_t number = UINT32_MAX;
    if (natskit_msg_view(msg, &view, sizeof view) != NATSKIT_OK || view.data_len != sizeof number) {
        wrong("a message without its number");
        return number;
    }
    memcpy(&number, view.data, sizeof number);
    return number;
}

/* -- a stream of numbers --------------------------------------------------------------------------------- */

struct sender {
    pthread_t thread;
    natskit_conn conn;
    struct ts_chance chance;
    atomic_bool stop;
    uint32_t sent;
};

static void *run_sender(void *arg)
{
    struct sender *me = arg;
    while (!atomic_load(&me->stop)) {
        for (uint32_t burst = ts_chance_below(&me->chance, 8); burst > 0; burst--, me->sent++) {
            natskit_status status = natskit_publish(me->conn, "flow", Z, NULL, 0, NO_HEADERS, &me->sent,
                                                    sizeof me->sent, WAIT_MS);
            if (status != NATSKIT_OK) {
                wrong("publish: status %d", status);
                return NULL;
            }
        }
        random_pause(&me->chance, 200);
    }
    return NULL;
}

/* -- waits for messages ---------------------------------------------------------------------------------- */

struct list {
    uint32_t *at;
    size_t count;
    size_t cap;
};

static void list_add(struct list *list, uint32_t number)
{
    if (list->count == list->cap) {
        list->cap = list->cap == 0 ? 256 : list->cap * 2;
        list->at = ts_realloc(list->at, list->cap * sizeof *list->at);
    }
    list->at[list->count++] = number;
}

struct taker {
    pthread_t thread;
    natskit_sub sub;
    natskit_waitset set;
    struct ts_chance chance;
    struct list got;
    natskit_status end;
};

static natskit_status take_some(struct taker *me, bool *set_closed)
{
    natskit_msg *msgs[8];
    size_t count = 0;
    int64_t timeout_ms = ts_chance_below(&me->chance, 2) == 0 ? WAIT_MS : ts_chance_below(&me->chance, 3);
    natskit_status status;
    uint32_t way = ts_chance_below(&me->chance, *set_closed ? 2 : 3);
    if (way == 2) {
        natskit_ready ready[2];
        status = natskit_waitset_wait(me->set, ready, sizeof ready[0], 2, timeout_ms, &count);
        *set_closed = status == NATSKIT_CLOSED;
        if (status != NATSKIT_OK) {
            return *set_closed ? NATSKIT_TIMEOUT : status;
        }
        timeout_ms = 0;
        way = 1;
    }
    if (way == 0) {
        status = natskit_sub_next(me->sub, timeout_ms, &msgs[0]);
        count = status == NATSKIT_OK;
    } else {
        status =
            natskit_sub_next_batch(me->sub, msgs, 1 + ts_chance_below(&me->chance, 8), timeout_ms, &count);
    }
    for (size_t i = 0; i < count; i++) {
        list_add(&me->got, number_of(msgs[i]));
    }
    (void)natskit_msg_release_batch(msgs, count);
    /* Who took a part leaves the object disarmed; the other waiter is to hear of the rest. */
    (void)natskit_waitset_arm(me->set, me->sub.id);
    return status;
}

static void *run_taker(void *arg)
{
    struct taker *me = arg;
    bool set_closed = false;
    natskit_status status;
    do {
        status = take_some(me, &set_closed);
    } while (status == NATSKIT_OK || status == NATSKIT_TIMEOUT || status == NATSKIT_WOULD_BLOCK);
    me->end = status;
    return NULL;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* What all takers got together is a run of numbers without a gap, each of them in order. Frees the lists. */
static size_t check_run(struct taker *takers, size_t members)
{
    struct list all = {0};
    for (size_t i = 0; i < members; i++) {
        for (size_t j = 0; j < takers[i].got.count; j++) {
            if (j > 0 && takers[i].got.at[j] <= takers[i].got.at[j - 1]) {
                wrong("%u after %u", takers[i].got.at[j], takers[i].got.at[j - 1]);
            }
            list_add(&all, takers[i].got.at[j]);
        }
        free(takers[i].got.at);
    }
    if (all.count > 1) {
        qsort(all.at, all.count, sizeof *all.at, by_number);
    }
    for (size_t i = 1; i < all.count; i++) {
        if (all.at[i] != all.at[i - 1] + 1) {
            wrong("%u comes after %u", all.at[i], all.at[i - 1]);
        }
    }
    free(all.at);
    return all.count;
}

/* How a round ends. */
enum way { CLOSE, UNSUBSCRIBE, MAX, WAYS };

static void end_sub(natskit_sub sub, enum way way, struct ts_chance *chance)
{
    natskit_sub_stats stats;
    switch (way) {
    case CLOSE:
        assert_ok(natskit_sub_close(sub));
        break;
    case UNSUBSCRIBE:
        assert_ok(natskit_sub_unsubscribe(sub, 0));
        break;
    default:
        assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
        assert_ok(natskit_sub_unsubscribe(sub, stats.received + 1 + ts_chance_below(chance, 5)));
        break;
    }
}

static uint64_t sub_round(natskit_conn conn, unsigned round, struct ts_chance *chance)
{
    struct taker takers[TAKERS];
    natskit_waitset set;
    natskit_sub sub = bench_subscribe(conn, "flow", NULL);
    enum way way = (enum way)ts_chance_below(chance, WAYS);
    assert_ok(natskit_waitset_open(&set));
    assert_ok(natskit_waitset_add(set, sub.id, round));
    for (uint64_t i = 0; i < TAKERS; i++) {
        takers[i] = (struct taker){.sub = sub, .set = set, .chance = ts_chance_of(seed, round * 8 + i)};
        start_thread(&takers[i].thread, run_taker, &takers[i]);
    }
    random_pause(chance, 2000);
    bool set_first = ts_chance_below(chance, 2) == 0;
    if (set_first) {
        assert_ok(natskit_waitset_close(set));
    }
    end_sub(sub, way, chance);
    if (!set_first) {
        random_pause(chance, 100);
        assert_ok(natskit_waitset_close(set));
    }
    for (size_t i = 0; i < TAKERS; i++) {
        pthread_join(takers[i].thread, NULL);
        if (takers[i].end != (way == CLOSE ? NATSKIT_CLOSED : NATSKIT_END)) {
            wrong("way %d: a taker ended with status %d", (int)way, takers[i].end);
        }
    }
    uint64_t taken = check_run(takers, TAKERS);
    if (way != CLOSE) {
        natskit_sub_stats stats;
        assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
        if (stats.received != taken || stats.taken != taken || stats.pending_msgs + stats.dropped_msgs != 0) {
            wrong("taken %llu, received %llu", (unsigned long long)taken, (unsigned long long)stats.received);
        }
        assert_ok(natskit_sub_close(sub));
    }
    return taken;
}

static void test_waits_for_messages(void **state)
{
    (void)state;
    struct ts_chance chance = ts_chance_of(seed, 1);
    struct sender sender = {.conn = bench_connect(), .chance = ts_chance_of(seed, 2)};
    natskit_conn conn = bench_connect();
    natskit_conn_stats stats = {0};
    uint64_t taken = 0;
    start_thread(&sender.thread, run_sender, &sender);
    for (unsigned round = 0; round < SUB_ROUNDS * times && fault[0] == '\0'; round++) {
        taken += sub_round(conn, round, &chance);
    }
    atomic_store(&sender.stop, true);
    pthread_join(sender.thread, NULL);
    check_fault(0);
    assert_ok(natskit_conn_stats_get(conn, &stats, sizeof stats));
    assert_int_equal(stats.subs, 0);
    assert_true(taken + stats.orphan_msgs + stats.dropped_msgs <= stats.in_msgs);
    print_message("%u rounds: %u sent, %llu taken, %llu orphans\n", SUB_ROUNDS * times, sender.sent,
                  (unsigned long long)taken, (unsigned long long)stats.orphan_msgs);
    assert_true(taken > SUB_ROUNDS);
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_conn_close(sender.conn, WAIT_MS));
}

/* -- requests -------------------------------------------------------------------------------------------- */

struct asking {
    natskit_conn conn;
    atomic_uint next;                 /* number of the next request */
    _Atomic uint64_t victims[ASKERS]; /* operations that the canceller may close, or 0 */
    atomic_bool stop_canceller;
    atomic_uint taken;
    atomic_uint cut;    /* operations that were closed and may have had their reply */
    atomic_uint failed; /* by time or by being closed */
};

struct asker {
    pthread_t thread;
    struct asking *shared;
    unsigned index;
    struct ts_chance chance;
};

static void take_reply(struct asking *shared, uint32_t number, natskit_msg *reply)
{
    uint32_t got = number_of(reply);
    if (got != number) {
        wrong("request %u was given the reply to %u", number, got);
    }
    atomic_fetch_add(&shared->taken, 1);
    (void)natskit_msg_release(reply);
}

/* The operation is closed by the canceller, by its time, or by the asker itself, who waited for a moment. */
static void ask_by_operation(struct asker *me, uint32_t number)
{
    struct asking *shared = me->shared;
    natskit_op op;
    natskit_msg *reply;
    bool by_other = ts_chance_below(&me->chance, 3) > 0;
    int64_t timeout_ms = ts_chance_below(&me->chance, 4) == 0 ? 1 : WAIT_MS;
    natskit_status status = natskit_request_start(shared->conn, "ask", Z, NO_HEADERS, &number, sizeof number,
                                                  NO_OPTIONS, timeout_ms, &op, NULL);
    if (status != NATSKIT_OK) {
        wrong("request_start: status %d", status);
        return;
    }
    if (by_other) {
        atomic_store(&shared->victims[me->index], op.id);
        status = natskit_op_wait(op, WAIT_MS);
    } else {
        status = natskit_op_wait(op, ts_chance_below(&me->chance, 3));
    }
    bool allowed = status == NATSKIT_OK || status == NATSKIT_CLOSED ||
                   (!by_other && (status == NATSKIT_TIMEOUT || status == NATSKIT_WOULD_BLOCK));
    if (!allowed) {
        wrong("op_wait: status %d", status);
    }
    status = natskit_op_take_msg(op, &reply);
    if (status == NATSKIT_OK) {
        take_reply(shared, number, reply);
    } else {
        atomic_fetch_add(&shared->cut, status == NATSKIT_CLOSED || status == NATSKIT_PENDING ||
                                           status == NATSKIT_NOT_FOUND);
        atomic_fetch_add(&shared->failed, 1);
    }
    atomic_store(&shared->victims[me->index], 0);
    (void)natskit_op_close(op);
}

static void *run_asker(void *arg)
{
    struct asker *me = arg;
    struct asking *shared = me->shared;
    for (unsigned i = 0; i < REQUEST_ROUNDS * times / ASKERS; i++) {
        uint32_t number = atomic_fetch_add(&shared->next, 1);
        if (ts_chance_below(&me->chance, 3) > 0) {
            ask_by_operation(me, number);
            continue;
        }
        natskit_msg *reply;
        int64_t timeout_ms = ts_chance_below(&me->chance, 4) == 0 ? WAIT_MS : ts_chance_below(&me->chance, 3);
        natskit_status status = natskit_request(shared->conn, "ask", Z, NO_HEADERS, &number, sizeof number,
                                                timeout_ms, &reply, NULL);
        if (status == NATSKIT_OK) {
            take_reply(shared, number, reply);
        } else if (status == NATSKIT_TIMEOUT || status == NATSKIT_WOULD_BLOCK) {
            atomic_fetch_add(&shared->failed, 1);
        } else {
            wrong("request: status %d", status);
        }
    }
    return NULL;
}

static void *run_canceller(void *arg)
{
    struct asking *shared = arg;
    struct ts_chance chance = ts_chance_of(seed, 77);
    while (!atomic_load(&shared->stop_canceller)) {
        for (size_t i = 0; i < ASKERS; i++) {
            uint64_t id = atomic_load(&shared->victims[i]);
            if (id != 0 && ts_chance_below(&chance, 3) == 0) {
                (void)natskit_op_close((natskit_op){id}); /* it may be gone: a number that says CLOSED */
            }
        }
        random_pause(&chance, 500);
    }
    return NULL;
}

/* Answers in any order, some at once and some late. */
struct responder {
    pthread_t thread;
    natskit_sub sub;
    struct ts_chance chance;
    uint64_t answered;
};

static void *run_responder(void *arg)
{
    struct responder *me = arg;
    natskit_msg *held[32];
    size_t count = 0;
    bool more = true;
    while (more || count > 0) {
        natskit_status status = NATSKIT_END;
        if (more && count < 32) {
            status = natskit_sub_next(me->sub, ts_chance_below(&me->chance, 2), &held[count]);
            count += status == NATSKIT_OK;
            more = status != NATSKIT_END;
        }
        if (count > 0 && (status == NATSKIT_END || ts_chance_below(&me->chance, 3) == 0)) {
            size_t which = ts_chance_below(&me->chance, (uint32_t)count);
            uint32_t number = number_of(held[which]);
            status = natskit_msg_respond(held[which], NO_HEADERS, &number, sizeof number, WAIT_MS);
            if (status != NATSKIT_OK) {
                wrong("respond: status %d", status);
            }
            me->answered++;
            (void)natskit_msg_release(held[which]);
            held[which] = held[--count];
        }
    }
    return NULL;
}

static void ask_all(struct asking *shared)
{
    struct asker askers[ASKERS];
    pthread_t canceller;
    start_thread(&canceller, run_canceller, shared);
    for (unsigned i = 0; i < ASKERS; i++) {
        askers[i] = (struct asker){.shared = shared, .index = i, .chance = ts_chance_of(seed, 50 + i)};
        start_thread(&askers[i].thread, run_asker, &askers[i]);
    }
    for (unsigned i = 0; i < ASKERS; i++) {
        pthread_join(askers[i].thread, NULL);
    }
    atomic_store(&shared->stop_canceller, true);
    pthread_join(canceller, NULL);
}

static void test_requests(void **state)
{
    (void)state;
    struct asking shared = {.conn = bench_connect()};
    struct responder responders[2];
    natskit_conn other = bench_connect();
    natskit_sub service = bench_subscribe(other, "ask", NULL);
    natskit_conn_stats stats = {0};
    assert_ok(natskit_flush(other, WAIT_MS));
    for (unsigned i = 0; i < 2; i++) {
        responders[i] = (struct responder){.sub = service, .chance = ts_chance_of(seed, 60 + i)};
        start_thread(&responders[i].thread, run_responder, &responders[i]);
    }
    ask_all(&shared);
    assert_ok(natskit_flush(shared.conn, WAIT_MS)); /* the last request has reached the responders' side */
    assert_ok(natskit_flush(other, WAIT_MS));
    assert_ok(natskit_sub_unsubscribe(service, 0));
    uint64_t answered = 0;
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(responders[i].thread, NULL);
        answered += responders[i].answered;
    }
    check_fault(0);
    assert_int_equal(answered, atomic_load(&shared.next));
    assert_ok(natskit_flush(other, WAIT_MS));
    assert_ok(natskit_flush(shared.conn, WAIT_MS));
    assert_ok(natskit_conn_stats_get(shared.conn, &stats, sizeof stats));
    uint64_t taken = atomic_load(&shared.taken);
    print_message("%u requests: %llu answered in time, %llu late, %u cut short\n", atomic_load(&shared.next),
                  (unsigned long long)taken, (unsigned long long)stats.late_replies,
                  atomic_load(&shared.failed));
    assert_int_equal(stats.requests, 0);
    assert_int_equal(stats.in_msgs, answered);
    /* A reply was taken, or came late, or was in an operation that was closed before it was looked at. */
    assert_true(taken + stats.late_replies <= answered);
    assert_true(answered - taken - stats.late_replies <= atomic_load(&shared.cut));
    assert_int_equal(taken + atomic_load(&shared.failed), answered);
    assert_true(taken > REQUEST_ROUNDS / 40 && stats.late_replies > REQUEST_ROUNDS / 40);
    assert_ok(natskit_sub_close(service));
    assert_ok(natskit_conn_close(shared.conn, WAIT_MS));
    assert_ok(natskit_conn_close(other, WAIT_MS));
}

/* -- operations of other kinds, in a waitset that a thread waits for ------------------------------------- */

struct watcher {
    pthread_t thread;
    natskit_waitset set;
    atomic_uint closed; /* operations with a tag below are closed */
    atomic_bool stop;
    uint64_t reports;
};

static void *run_watcher(void *arg)
{
    struct watcher *me = arg;
    uint64_t last = 0;
    while (!atomic_load(&me->stop)) {
        natskit_ready ready;
        size_t count;
        unsigned closed = atomic_load(&me->closed);
        natskit_status status = natskit_waitset_wait(me->set, &ready, sizeof ready, 1, WAIT_MS, &count);
        if (status == NATSKIT_CLOSED) {
            break;
        }
        if (status != NATSKIT_OK) {
            wrong("waitset_wait: status %d", status);
            break;
        }
        if (ready.tag < closed) {
            wrong("operation %llu is reported after it was closed", (unsigned long long)ready.tag);
        }
        if (ready.tag <= last) {
            wrong("operation %llu is reported twice", (unsigned long long)ready.tag);
        }
        last = ready.tag;
        me->reports++;
    }
    return NULL;
}

struct waiter {
    pthread_t thread;
    natskit_op op;
    natskit_status status;
};

static void *run_waiter(void *arg)
{
    struct waiter *me = arg;
    me->status = natskit_op_wait(me->op, WAIT_MS);
    return NULL;
}

/* One operation of a random kind, waited for in a thread and in the waitset, and closed at a random moment.
 */
static void op_round(natskit_conn conn, struct watcher *watcher, unsigned tag, struct ts_chance *chance)
{
    struct waiter waiter = {0};
    natskit_conn own = {0};
    switch (ts_chance_below(chance, 4)) {
    case 0:
        assert_ok(
            natskit_connect_start(ts_tap_url(bench.tap), Z, NO_OPTIONS, WAIT_MS, &own, &waiter.op, NULL));
        break;
    case 1:
        own = bench_connect();
        bench_publish(own, "nobody", "before the end");
        assert_ok(natskit_conn_close_start(own, WAIT_MS, &waiter.op, NULL));
        own.id = 0;
        break;
    case 2:
        assert_ok(natskit_room_start(conn, NO_OPTIONS, 100, WAIT_MS, &waiter.op, NULL));
        break;
    default:
        assert_ok(natskit_flush_start(conn, NO_OPTIONS, WAIT_MS, &waiter.op, NULL));
        break;
    }
    assert_ok(natskit_waitset_add(watcher->set, waiter.op.id, tag));
    start_thread(&waiter.thread, run_waiter, &waiter);
    random_pause(chance, 500);
    assert_ok(natskit_op_close(waiter.op));
    atomic_store(&watcher->closed, tag + 1);
    pthread_join(waiter.thread, NULL);
    if (waiter.status != NATSKIT_OK && waiter.status != NATSKIT_CLOSED) {
        wrong("op_wait: status %d", waiter.status);
    }
    if (own.id != 0) {
        assert_ok(natskit_conn_close(own, 0));
    }
}

static void test_operations(void **state)
{
    (void)state;
    struct ts_chance chance = ts_chance_of(seed, 3);
    struct watcher watcher = {0};
    natskit_conn conn = bench_connect();
    assert_ok(natskit_waitset_open(&watcher.set));
    start_thread(&watcher.thread, run_watcher, &watcher);
    for (unsigned round = 1; round <= OP_ROUNDS * times && fault[0] == '\0'; round++) {
        op_round(conn, &watcher, round, &chance);
    }
    atomic_store(&watcher.stop, true);
    assert_ok(natskit_waitset_close(watcher.set));
    pthread_join(watcher.thread, NULL);
    check_fault(0);
    print_message("%u operations: %llu were reported before they were closed\n", OP_ROUNDS * times,
                  (unsigned long long)watcher.reports);
    assert_true(watcher.reports > OP_ROUNDS / 20 && watcher.reports < OP_ROUNDS * times);
    assert_ok(natskit_flush(conn, WAIT_MS)); /* it goes on */
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

/* -- connections that are closed while others wait on them ----------------------------------------------- */

struct user {
    pthread_t thread;
    natskit_conn conn;
    natskit_sub sub;
    const char *subject;
    uint32_t accepted;
    natskit_status end;
};

static void *run_next(void *arg)
{
    struct user *me = arg;
    natskit_msg *msg;
    me->end = natskit_sub_next(me->sub, WAIT_MS, &msg);
    return NULL;
}

static void *run_request(void *arg)
{
    struct user *me = arg;
    natskit_msg *msg;
    me->end = natskit_request(me->conn, "unanswered", Z, NO_HEADERS, NULL, 0, WAIT_MS, &msg, NULL);
    return NULL;
}

static void *run_flush(void *arg)
{
    struct user *me = arg;
    do {
        me->end = natskit_flush(me->conn, WAIT_MS);
    } while (me->end == NATSKIT_OK);
    return NULL;
}

static void *run_publish(void *arg)
{
    struct user *me = arg;
    for (;;) {
        me->end = natskit_publish(me->conn, me->subject, Z, NULL, 0, NO_HEADERS, &me->accepted,
                                  sizeof me->accepted, WAIT_MS);
        if (me->end != NATSKIT_OK) {
            return NULL;
        }
        me->accepted++;
    }
}

/* What arrived is the begin of what was accepted; all of it if the close said so. */
static void check_arrived(natskit_conn conn, natskit_sub sub, uint32_t accepted, bool all)
{
    natskit_msg *msg;
    uint32_t next = 0;
    assert_ok(natskit_flush(conn, WAIT_MS));
    assert_ok(natskit_sub_unsubscribe(sub, 0));
    while (natskit_sub_next(sub, WAIT_MS, &msg) == NATSKIT_OK) {
        uint32_t number = number_of(msg);
        if (number != next) {
            wrong("message %u came instead of %u", number, next);
        }
        next = number + 1;
        (void)natskit_msg_release(msg);
    }
    if (next > accepted || (all && next != accepted)) {
        wrong("%u of %u messages arrived", next, accepted);
    }
    assert_ok(natskit_sub_close(sub));
}

static void close_round(natskit_conn observer, unsigned round, struct ts_chance *chance)
{
    static void *(*const runs[])(void *) = {run_next, run_request, run_flush, run_publish};
    struct user users[4];
    char subject[32];
    (void)snprintf(subject, sizeof subject, "closing.%u", round);
    natskit_sub seen = bench_subscribe(observer, subject, NULL);
    assert_ok(natskit_flush(observer, WAIT_MS));
    natskit_conn conn = bench_connect();
    natskit_sub sub = bench_subscribe(conn, "silent", NULL);
    for (size_t i = 0; i < 4; i++) {
        users[i] = (struct user){.conn = conn, .sub = sub, .subject = subject};
        start_thread(&users[i].thread, runs[i], &users[i]);
    }
    random_pause(chance, 1000);
    int64_t linger_ms = ts_chance_below(chance, 2) == 0 ? 0 : WAIT_MS;
    natskit_status closed = natskit_conn_close(conn, linger_ms);
    if (closed != NATSKIT_OK && closed != NATSKIT_TIMEOUT) {
        wrong("conn_close: status %d", closed);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(users[i].thread, NULL);
        natskit_status end = users[i].end;
        bool right =
            i == 0 ? end == NATSKIT_END : end == NATSKIT_CLOSED || (i < 3 && end == NATSKIT_DISCONNECTED);
        if (!right) {
            wrong("user %zu ended with status %d", i, end);
        }
    }
    check_arrived(observer, seen, users[3].accepted, linger_ms > 0 && closed == NATSKIT_OK);
    assert_ok(natskit_sub_close(sub));
}

static void test_closed_connections(void **state)
{
    (void)state;
    struct ts_chance chance = ts_chance_of(seed, 4);
    natskit_conn observer = bench_connect();
    natskit_sub unanswered = bench_subscribe(observer, "unanswered", NULL);
    for (unsigned round = 0; round < CLOSE_ROUNDS * times; round++) {
        close_round(observer, round, &chance);
        check_fault(round);
    }
    assert_ok(natskit_conn_close(observer, WAIT_MS));
    assert_ok(natskit_sub_close(unanswered));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits_for_messages),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_closed_connections),
    };
    const char *factor = getenv("NATSKIT_ROUNDS");
    uint64_t value;
    seed = ts_chance_seed();
    times =
        factor != NULL && ts_parse_size(factor, &value) && value > 0 && value <= 1000 ? (unsigned)value : 1;
    print_message("NATSKIT_SEED=%llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
