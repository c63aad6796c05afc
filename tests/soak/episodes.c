/* What a worker of the soak does: short episodes of everything that the interface offers, on a connection of
 * its own, on shared ones that may be closed at any moment, and on such that never come about. Nearly every
 * status is allowed here; what is checked is that messages come in order and at most once, that a reply is
 * for its own request, and that no wait is longer than it may be. */
#include "soak.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    NUMBERS = 1 << 16, /* to one's own stream, in one life; it has far fewer */
    LATE_MS = 20000
}; /* over a deadline: a bound for a busy machine that stops the server now and then */

struct worker {
    unsigned number;
    struct ts_chance chance;
    natskit_conn own;
    natskit_sub stream; /* of `own` */
    char subject[40];
    uint32_t life;
    uint64_t epoch;   /* of `own` when it began */
    uint32_t next;    /* number of the next message to the stream */
    uint32_t last;    /* last one taken from the stream */
    uint32_t request; /* of the next request */
    uint8_t seen[NUMBERS / 8];
    natskit_msg *held[HELD];
};

static uint32_t below(struct worker *me, uint32_t limit)
{
    return ts_chance_below(&me->chance, limit);
}

static void random_pause(struct worker *me, uint32_t most_us)
{
    struct timespec time = {.tv_nsec = (long)below(me, most_us) * 1000};
    nanosleep(&time, NULL);
}

static natskit_conn some_shared(struct worker *me)
{
    return (natskit_conn){atomic_load(&soak.shared[below(me, SHARED)])};
}

static void in_time(int64_t begin_ms, int64_t timeout_ms, const char *call)
{
    int64_t took = ts_now_ms() - begin_ms;
    SOAK_CHECK(took <= timeout_ms + LATE_MS, "%s took %lld ms instead of %lld", call, (long long)took,
               (long long)timeout_ms);
}

natskit_conn soak_connect(const char *url, int64_t timeout_ms)
{
    natskit_options options;
    natskit_conn conn = {0};
    natskit_error err = {0};
    int64_t begin = ts_now_ms();
    SOAK_CHECK(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options) == NATSKIT_OK, "options_open");
    static const struct {
        const char *name;
        int64_t value;
    } wanted[] = {{"reconnect_wait_ms", 5},    {"reconnect_wait_max_ms", 50}, {"reconnect_jitter_ms", 5},
                  {"ping_interval_ms", 300},   {"max_pings_out", 2},          {"outbox_bytes", 1 << 18},
                  {"attempt_timeout_ms", 1000}};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        natskit_status status = natskit_options_set_int(options, wanted[i].name, Z, wanted[i].value, &err);
        SOAK_CHECK(status == NATSKIT_OK, "option: %s", err.text);
    }
    natskit_status status = natskit_connect(url, Z, options, timeout_ms, &conn, &err);
    SOAK_CHECK(status == NATSKIT_OK || err.text[0] != '\0', "connect fails with %d and without a text",
               status);
    soak_count(status == NATSKIT_OK ? CONNECTS : FAILED_CONNECTS, 1);
    (void)natskit_options_close(options);
    in_time(begin, timeout_ms, "connect");
    return conn;
}

static bool publish(natskit_conn conn, const char *subject, const void *data, size_t len, int64_t timeout_ms)
{
    int64_t begin = ts_now_ms();
    natskit_status status = natskit_publish(conn, subject, Z, NULL, 0, NO_HEADERS, data, len, timeout_ms);
    in_time(begin, timeout_ms, "publish");
    soak_count(status == NATSKIT_OK ? PUBLISHED : REFUSED, 1);
    return status == NATSKIT_OK;
}

static uint32_t number_of(const natskit_msg *msg)
{
    natskit_message_view view;
    uint32_t number = 0;
    SOAK_CHECK(natskit_msg_view(msg, &view, sizeof view) == NATSKIT_OK, "msg_view");
    if (view.data_len >= sizeof number) {
        memcpy(&number, view.data, sizeof number);
    }
    return number;
}

/* Keeps the reference for a while, also beyond the end of its connection, or gives it back. */
static void keep(struct worker *me, natskit_msg *msg)
{
    natskit_msg **place = &me->held[below(me, HELD)];
    if (*place != NULL) {
        (void)number_of(*place);
        (void)natskit_msg_release(*place);
    }
    *place = msg;
}

/* -- episodes -------------------------------------------------------------------------------------------- */

static uint64_t epoch_of(natskit_conn conn)
{
    natskit_conn_info info = {0};
    (void)natskit_conn_info_get(conn, &info, sizeof info);
    return info.epoch;
}

/* Each number comes at most once; and in order, unless the connection was lost: what was under way to the
 * server then may come to it after what was written to the next transport. */
static void check_number(struct worker *me, uint32_t number)
{
    SOAK_CHECK(number > 0 && number < NUMBERS, "worker %u: message %u", me->number, number);
    uint8_t bit = (uint8_t)(1 << number % 8);
    SOAK_CHECK((me->seen[number / 8] & bit) == 0, "worker %u: message %u comes again", me->number, number);
    me->seen[number / 8] |= bit;
    SOAK_CHECK(number > me->last || epoch_of(me->own) != me->epoch, "worker %u: message %u after %u",
               me->number, number, me->last);
    me->last = number;
}

/* Numbers to oneself. */
static void stream(struct worker *me)
{
    natskit_msg *msgs[16];
    size_t count = 0;
    for (uint32_t burst = below(me, 40); burst > 0; burst--) {
        (void)publish(me->own, me->subject, &me->next, sizeof me->next, below(me, 20));
        me->next++; /* also of one that was refused: there may be gaps */
    }
    for (uint32_t i = below(me, 20); i > 0; i--) {
        natskit_status status =
            natskit_sub_next_batch(me->stream, msgs, 1 + below(me, 16), below(me, 5), &count);
        soak_count(TIMEOUTS, status == NATSKIT_TIMEOUT);
        for (size_t j = 0; j < count; j++) {
            check_number(me, number_of(msgs[j]));
            keep(me, msgs[j]);
        }
        soak_count(TAKEN, count);
    }
}

/* A small queue on a shared connection, taken from or not, closed as it is. */
static void drops(struct worker *me)
{
    natskit_options options;
    natskit_sub sub;
    natskit_sub_stats stats = {0};
    char subject[32];
    (void)snprintf(subject, sizeof subject, "drops.%u", me->number);
    natskit_conn conn = some_shared(me);
    SOAK_CHECK(natskit_options_open(NATSKIT_OPTIONS_SUBSCRIBE, &options) == NATSKIT_OK, "options_open");
    (void)natskit_options_set_int(options, "pending_msgs_limit", Z, 5, NULL);
    natskit_status status = natskit_subscribe(conn, subject, Z, NULL, 0, options, &sub, NULL);
    (void)natskit_options_close(options);
    if (status != NATSKIT_OK) {
        return;
    }
    for (uint32_t i = 0; i < 30; i++) {
        (void)publish(conn, subject, &i, sizeof i, 0);
    }
    natskit_msg *msg;
    if (natskit_sub_next(sub, below(me, 10), &msg) == NATSKIT_OK) {
        keep(me, msg);
        soak_count(TAKEN, 1);
    }
    if (below(me, 2) == 0) {
        (void)natskit_sub_unsubscribe(sub, below(me, 3));
    }
    (void)natskit_sub_stats_get(sub, &stats, sizeof stats);
    SOAK_CHECK(stats.received == stats.taken + stats.pending_msgs + stats.dropped_msgs, "counts of a queue");
    soak_count(DROPPED, stats.dropped_msgs);
    (void)natskit_sub_close(sub);
}

static void take_reply(uint32_t number, natskit_msg *reply)
{
    uint32_t got = number_of(reply);
    SOAK_CHECK(got == number, "request %u was given the reply to %u", number, got);
    soak_count(REPLIES, 1);
    (void)natskit_msg_release(reply);
}

/* Requests that are answered, too late, or given up. */
static void requests(struct worker *me)
{
    natskit_conn conn = below(me, 2) == 0 ? me->own : some_shared(me);
    natskit_msg *reply;
    for (uint32_t i = 0; i < 5; i++) {
        uint32_t number = me->number << 28 | me->request++;
        int64_t timeout_ms = below(me, 30);
        int64_t begin = ts_now_ms();
        soak_count(REQUESTS, 1);
        if (below(me, 2) == 0) {
            natskit_status status = natskit_request(conn, "echo", Z, NO_HEADERS, &number, sizeof number,
                                                    timeout_ms, &reply, NULL);
            if (status == NATSKIT_OK) {
                take_reply(number, reply);
            }
            soak_count(TIMEOUTS, status == NATSKIT_TIMEOUT);
            in_time(begin, timeout_ms, "request");
            continue;
        }
        natskit_op op;
        if (natskit_request_start(conn, "echo", Z, NO_HEADERS, &number, sizeof number, NO_OPTIONS, timeout_ms,
                                  &op, NULL) == NATSKIT_OK) {
            (void)natskit_op_wait(op, below(me, 5));
            if (natskit_op_take_msg(op, &reply) == NATSKIT_OK) {
                take_reply(number, reply);
            } else {
                soak_count(CANCELLED, 1);
            }
            (void)natskit_op_close(op);
        }
    }
}

static void flushes(struct worker *me)
{
    natskit_conn conn = below(me, 2) == 0 ? me->own : some_shared(me);
    int64_t timeout_ms = below(me, 50);
    int64_t begin = ts_now_ms();
    natskit_op op;
    soak_count(TIMEOUTS, natskit_flush(conn, timeout_ms) == NATSKIT_TIMEOUT);
    in_time(begin, timeout_ms, "flush");
    if (natskit_flush_start(conn, NO_OPTIONS, 100, &op, NULL) == NATSKIT_OK) {
        random_pause(me, 500);
        soak_count(CANCELLED, natskit_op_result(op, NULL, NULL) == NATSKIT_PENDING);
        (void)natskit_op_close(op);
    }
    if (natskit_room_start(conn, NO_OPTIONS, 1 << 18, 5, &op, NULL) == NATSKIT_OK) {
        (void)natskit_op_wait(op, 2);
        (void)natskit_op_close(op);
    }
}

/* Connections that live for a moment. */
static void short_life(struct worker *me)
{
    natskit_conn conn = soak_connect(soak.tap_url, 1 + below(me, 200));
    natskit_sub sub;
    if (conn.id == 0) {
        return;
    }
    if (natskit_subscribe(conn, "short.*", Z, "group", Z, NO_OPTIONS, &sub, NULL) == NATSKIT_OK) {
        natskit_msg *msg;
        (void)publish(conn, "short.1", "x", 1, 0);
        if (natskit_sub_next(sub, below(me, 10), &msg) == NATSKIT_OK) {
            keep(me, msg);
        }
    }
    int64_t linger_ms = below(me, 2) == 0 ? 0 : below(me, 100);
    int64_t begin = ts_now_ms();
    (void)natskit_conn_close(conn, linger_ms);
    in_time(begin, linger_ms, "conn_close");
    (void)natskit_sub_close(sub);
}

/* Connecting that comes to nothing, or is given up. */
static void no_life(struct worker *me)
{
    natskit_conn conn;
    natskit_op op;
    switch (below(me, 3)) {
    case 0:
        conn = soak_connect(soak.refused_url, below(me, 50));
        SOAK_CHECK(conn.id == 0, "connected where nobody listens");
        break;
    case 1:
        conn = soak_connect(soak.rough_url, below(me, 100));
        SOAK_CHECK(conn.id == 0, "connected to a server that breaks off");
        break;
    default:
        if (natskit_connect_start(soak.tap_url, Z, NO_OPTIONS, 1000, &conn, &op, NULL) == NATSKIT_OK) {
            random_pause(me, 1000);
            soak_count(CANCELLED, natskit_op_result(op, NULL, NULL) == NATSKIT_PENDING);
            (void)natskit_op_close(op);
            (void)natskit_conn_close(conn, 0);
        }
        break;
    }
}

/* A subscription that is drained while messages come for it, taken from or not, held or not, by one thread.
 */
static void drained_sub(struct worker *me, natskit_conn conn)
{
    char subject[32];
    natskit_sub sub;
    natskit_op op;
    natskit_msg *msg;
    natskit_sub_stats stats = {0};
    (void)snprintf(subject, sizeof subject, "drained.%u", me->number);
    if (natskit_subscribe(conn, subject, Z, NULL, 0, NO_OPTIONS, &sub, NULL) != NATSKIT_OK) {
        return;
    }
    bool held = below(me, 2) == 0 && natskit_sub_hold(sub, 1) == NATSKIT_OK;
    for (uint32_t i = below(me, 30); i > 0; i--) {
        (void)publish(conn, subject, &i, sizeof i, 0);
    }
    if (natskit_sub_drain_start(sub, NO_OPTIONS, below(me, 100), &op, NULL) == NATSKIT_OK) {
        bool take = below(me, 3) > 0;
        while (take && natskit_sub_next(sub, 200, &msg) == NATSKIT_OK) {
            keep(me, msg);
            soak_count(TAKEN, 1);
        }
        if (held) {
            (void)natskit_sub_hold(sub, 0);
        }
        SOAK_CHECK(natskit_op_wait(op, LATE_MS) == NATSKIT_OK, "a subscription's drain has no end");
        natskit_status status = natskit_op_result(op, NULL, NULL);
        (void)natskit_sub_stats_get(sub, &stats, sizeof stats);
        SOAK_CHECK(stats.received == stats.taken + stats.pending_msgs + stats.dropped_msgs,
                   "counts of a drain");
        SOAK_CHECK(status != NATSKIT_OK || (stats.pending_msgs == 0 && stats.reason != NATSKIT_OK),
                   "drained with OK, and %llu messages are left", (unsigned long long)stats.pending_msgs);
        soak_count(DRAINS, 1);
        (void)natskit_op_close(op);
    }
    (void)natskit_sub_close(sub);
}

/* A connection that is drained with messages under way in both directions. */
static void drained_conn(struct worker *me)
{
    natskit_conn conn = soak_connect(soak.tap_url, 1 + below(me, 200));
    natskit_sub sub;
    natskit_op op;
    natskit_msg *msg;
    natskit_conn_stats stats = {0};
    if (conn.id == 0) {
        return;
    }
    natskit_status subscribed = natskit_subscribe(conn, "drained.*", Z, NULL, 0, NO_OPTIONS, &sub, NULL);
    for (uint32_t i = below(me, 30); i > 0; i--) {
        (void)publish(conn, "drained.all", &i, sizeof i, 0);
    }
    int64_t timeout_ms = below(me, 100);
    int64_t begin = ts_now_ms();
    if (natskit_conn_drain_start(conn, NO_OPTIONS, timeout_ms, &op, NULL) == NATSKIT_OK) {
        bool take = below(me, 4) > 0;
        while (take && natskit_sub_next(sub, 200, &msg) == NATSKIT_OK) {
            keep(me, msg);
            soak_count(TAKEN, 1);
        }
        SOAK_CHECK(natskit_op_wait(op, LATE_MS) == NATSKIT_OK, "a connection's drain has no end");
        in_time(begin, timeout_ms, "conn_drain");
        natskit_status status = natskit_op_result(op, NULL, NULL);
        SOAK_CHECK(natskit_conn_stats_get(conn, &stats, sizeof stats) == NATSKIT_OK, "stats of a drain");
        SOAK_CHECK(status != NATSKIT_OK || stats.unsent + stats.abandoned_msgs == 0,
                   "drained with OK, and %llu messages were not sent, %llu not taken",
                   (unsigned long long)stats.unsent, (unsigned long long)stats.abandoned_msgs);
        soak_count(DRAINS, 1);
        (void)natskit_op_close(op);
    }
    (void)natskit_conn_close(conn, 0);
    if (subscribed == NATSKIT_OK) {
        (void)natskit_sub_close(sub);
    }
}

static void drains(struct worker *me)
{
    if (below(me, 3) == 0) {
        drained_conn(me);
    } else {
        drained_sub(me, below(me, 2) == 0 ? me->own : some_shared(me));
    }
}

static void waits(struct worker *me)
{
    natskit_waitset set;
    natskit_sub subs[4] = {{0}};
    natskit_op op = {0};
    natskit_ready ready[4];
    size_t count;
    natskit_conn conn = some_shared(me);
    int32_t fd;
    SOAK_CHECK(natskit_waitset_open(&set) == NATSKIT_OK, "waitset_open");
    SOAK_CHECK(natskit_waitset_fd(set, &fd) == NATSKIT_OK, "waitset_fd");
    for (size_t i = 0; i < 4; i++) {
        if (natskit_subscribe(conn, me->subject, Z, NULL, 0, NO_OPTIONS, &subs[i], NULL) == NATSKIT_OK) {
            (void)natskit_waitset_add(set, subs[i].id, i);
        }
    }
    if (natskit_flush_start(conn, NO_OPTIONS, 50, &op, NULL) == NATSKIT_OK) {
        (void)natskit_waitset_add(set, op.id, 9);
    }
    stream(me); /* something for the subscriptions, too */
    for (uint32_t i = below(me, 4); i > 0; i--) {
        if (natskit_waitset_wait(set, ready, sizeof ready[0], 4, below(me, 5), &count) == NATSKIT_OK) {
            natskit_msg *msg;
            if (ready[0].kind == NATSKIT_KIND_SUB &&
                natskit_sub_next((natskit_sub){ready[0].object}, 0, &msg) == NATSKIT_OK) {
                (void)natskit_msg_release(msg);
            }
        }
    }
    bool set_first = below(me, 2) == 0;
    if (set_first) {
        (void)natskit_waitset_close(set);
    }
    for (size_t i = 0; i < 4; i++) {
        (void)natskit_sub_close(subs[i]);
    }
    (void)natskit_op_close(op);
    if (!set_first) {
        (void)natskit_waitset_close(set);
    }
}

static void events(struct worker *me)
{
    natskit_sub sub;
    natskit_msg *msg;
    if (natskit_conn_events(some_shared(me), NO_OPTIONS, &sub, NULL) != NATSKIT_OK) {
        return;
    }
    while (natskit_sub_next(sub, below(me, 20), &msg) == NATSKIT_OK) {
        natskit_event_view view;
        SOAK_CHECK(natskit_msg_event(msg, &view, sizeof view) == NATSKIT_OK, "msg_event");
        soak_count(EVENTS, 1);
        keep(me, msg);
    }
    (void)natskit_sub_close(sub);
}

/* Large payloads and headers, to a subscription that takes them late. */
static void large(struct worker *me)
{
    static const char data[100000];
    natskit_headers headers;
    SOAK_CHECK(natskit_headers_open(&headers) == NATSKIT_OK, "headers_open");
    (void)natskit_headers_add(headers, "Soak", Z, "value", Z, NULL);
    natskit_sub sub;
    char subject[32];
    (void)snprintf(subject, sizeof subject, "large.%u", me->number);
    if (natskit_subscribe(me->own, subject, Z, NULL, 0, NO_OPTIONS, &sub, NULL) == NATSKIT_OK) {
        natskit_msg *msg;
        for (int i = 0; i < 3; i++) {
            natskit_status status = natskit_publish(me->own, subject, Z, "re.ply", Z, headers, data,
                                                    below(me, sizeof data), below(me, 20));
            soak_count(status == NATSKIT_OK ? PUBLISHED : REFUSED, 1);
        }
        while (natskit_sub_next(sub, below(me, 10), &msg) == NATSKIT_OK) {
            const char *value;
            size_t len;
            SOAK_CHECK(natskit_msg_header(msg, "Soak", Z, NATSKIT_MATCH_EXACT, 0, &value, &len) == NATSKIT_OK,
                       "a header is missing");
            keep(me, msg);
        }
        (void)natskit_sub_close(sub);
    }
    (void)natskit_headers_close(headers);
}

/* -- threads --------------------------------------------------------------------------------------------- */

static void meet(void)
{
    pthread_barrier_wait(&soak.barrier);
    pthread_barrier_wait(&soak.barrier);
}

/* A connection of one's own, with a subscription; it may take several attempts. */
static void begin_life(struct worker *me)
{
    me->own.id = 0;
    me->stream.id = 0;
    me->next = 1;
    me->last = 0;
    memset(me->seen, 0, sizeof me->seen);
    if (me->number < WORKERS) {
        (void)snprintf(me->subject, sizeof me->subject, "stream.%u.%u", me->number, me->life++);
    }
    while (!atomic_load(&soak.quiet) && me->own.id == 0) {
        me->own = soak_connect(soak.tap_url, 500);
    }
    if (me->own.id != 0) {
        me->epoch = epoch_of(me->own);
        natskit_status status =
            natskit_subscribe(me->own, me->subject, Z, NULL, 0, NO_OPTIONS, &me->stream, NULL);
        SOAK_CHECK(status == NATSKIT_OK, "subscribe: status %d", status);
    }
}

static void end_life(struct worker *me)
{
    bool sub_first = below(me, 2) == 0;
    if (sub_first) {
        (void)natskit_sub_close(me->stream);
    }
    if (me->own.id != 0) {
        (void)natskit_conn_close(me->own, below(me, 2) == 0 ? 0 : 100);
    }
    if (!sub_first) {
        (void)natskit_sub_close(me->stream);
    }
    for (size_t i = 0; i < HELD && atomic_load(&soak.quiet); i++) {
        (void)natskit_msg_release(me->held[i]);
        me->held[i] = NULL;
    }
}

void *soak_worker(void *number)
{
    static void (*const episodes[])(struct worker *) = {stream, stream,  drops, requests, requests,   flushes,
                                                        waits,  no_life, large, events,   short_life, drains};
    unsigned mine = *(const unsigned *)number;
    struct worker me = {.number = mine, .chance = ts_chance_of(soak.seed, mine)};
    while (!atomic_load(&soak.stop)) {
        begin_life(&me);
        for (uint32_t i = 200 + below(&me, 500); i > 0 && !atomic_load(&soak.quiet); i--) {
            episodes[below(&me, sizeof episodes / sizeof episodes[0])](&me);
        }
        end_life(&me);
        if (atomic_load(&soak.quiet)) {
            meet();
        }
    }
    return NULL;
}

/* Answers requests, some of them late and some not at all. */
void *soak_echo(void *unused)
{
    struct worker me = {.number = 900, .chance = ts_chance_of(soak.seed, 900)};
    (void)unused;
    (void)snprintf(me.subject, sizeof me.subject, "echo");
    while (!atomic_load(&soak.stop)) {
        begin_life(&me);
        while (!atomic_load(&soak.quiet)) {
            natskit_msg *msg;
            if (natskit_sub_next(me.stream, 10, &msg) == NATSKIT_OK) {
                keep(&me, msg);
            }
            for (uint32_t i = 0; i < 2; i++) {
                natskit_msg **late = &me.held[below(&me, HELD)];
                if (*late != NULL) {
                    uint32_t number = number_of(*late);
                    (void)natskit_msg_respond(*late, NO_HEADERS, &number, sizeof number, 0);
                    (void)natskit_msg_release(*late);
                    *late = NULL;
                }
            }
        }
        end_life(&me);
        meet();
    }
    return NULL;
}
