/* Scenarios of waiting: waitsets, callers that block in several threads, many things at once. */
#include "scenarios.h"

#include "life.h"
#include "registry.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>

void tt_scenario_waitset(void)
{
    natskit_conn conn = tt_connect();
    natskit_sub sub = tt_subscribe(conn, "ready", "", NO_OPTIONS);
    natskit_sub other = tt_subscribe(conn, "ready.not", "", NO_OPTIONS);
    natskit_waitset set = tt_waitset();
    int32_t fd = -1;
    TT(natskit_waitset_fd, set, &fd);
    TT(natskit_waitset_add, set, sub.id, 7);
    TT(natskit_waitset_add, set, other.id, 8);
    natskit_ready records[4];
    (void)tt_waitset_wait(set, records, 4, 0, NATSKIT_WOULD_BLOCK);
    (void)tt_send(conn, "ready", 1, 100);
    natskit_op flush = tt_flush_start(conn);
    TT(natskit_waitset_add, set, flush.id, 9);
    int64_t wait_ms = tt_life.hurt ? 50 : tt_life.wait_ms;
    size_t got = tt_waitset_wait(set, records, 4, wait_ms, NATSKIT_OK);
    while (got > 0 && got < 2 && !tt_life.hurt) {
        got += tt_waitset_wait(set, records + got, 4 - got, wait_ms, NATSKIT_OK);
    }
    for (size_t i = 0; i < got; i++) {
        if (records[i].tag != 7 && records[i].tag != 9) {
            tt_fail("a waitset reported tag %llu", (unsigned long long)records[i].tag);
        }
    }
    (void)tt_take_all(sub);
    TT(natskit_waitset_arm, set, sub.id);
    TT(natskit_waitset_remove, set, other.id);
    (void)tt_send(conn, "ready", 2, 100);
    TT(natskit_flush, conn, tt_life.wait_ms);
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    tt_want(poll(&readable, 1, 0) == 1, "a waitset's descriptor is not readable");
    natskit_waitset second = tt_waitset();
    TT_OR(NATSKIT_BUSY, natskit_waitset_add, second, sub.id, 1);
    TT(natskit_waitset_close, second);
    tt_registry_remove(NATSKIT_KIND_WAITSET, second.id);
}

struct caller {
    natskit_sub sub;
    natskit_waitset set;
    natskit_conn conn;
    pthread_t thread;
    bool runs;
};

static void *take(void *arg)
{
    struct caller *self = arg;
    natskit_msg *msg;
    while (natskit_sub_next(self->sub, -1, &msg) == NATSKIT_OK) {
        tt_check_numbered(self->sub, msg);
        TT(natskit_msg_release, msg);
    }
    return NULL;
}

/* Takes what the set reports; a queue that is empty again is armed by that. */
static void *wait_for_set(void *arg)
{
    struct caller *self = arg;
    natskit_ready record;
    natskit_msg *msg;
    size_t count;
    while (natskit_waitset_wait(self->set, &record, sizeof record, 1, -1, &count) == NATSKIT_OK) {
        while (natskit_sub_next(self->sub, 0, &msg) == NATSKIT_OK) {
            tt_check_numbered(self->sub, msg);
            TT(natskit_msg_release, msg);
        }
    }
    return NULL;
}

static void *publish(void *arg)
{
    struct caller *self = arg;
    for (uint32_t i = 1; i <= 20; i++) {
        (void)tt_send(self->conn, "busy", i, 200);
    }
    return NULL;
}

static void start(struct caller *caller, void *(*run)(void *), bool possible)
{
    caller->runs = possible && pthread_create(&caller->thread, NULL, run, caller) == 0;
}

static void join(struct caller *caller)
{
    if (caller->runs) {
        pthread_join(caller->thread, NULL);
    }
}

/* Callers that block while others publish, until what they wait for is closed under them. */
void tt_scenario_blocked(void)
{
    natskit_conn conn = tt_connect();
    struct caller taker = {.sub = tt_subscribe(conn, "busy", "", NO_OPTIONS)};
    struct caller waiter = {.set = tt_waitset(), .sub = tt_subscribe(conn, "busy", "", NO_OPTIONS)};
    struct caller publisher = {.conn = conn};
    TT(natskit_waitset_add, waiter.set, waiter.sub.id, 1);
    start(&taker, take, taker.sub.id != 0);
    start(&waiter, wait_for_set, waiter.set.id != 0);
    start(&publisher, publish, true);
    TT(natskit_flush, conn, tt_life.wait_ms);
    join(&publisher);
    TT(natskit_flush, conn, tt_life.wait_ms);
    tt_sub_close(taker.sub);
    TT(natskit_waitset_close, waiter.set);
    tt_registry_remove(NATSKIT_KIND_WAITSET, waiter.set.id);
    join(&taker);
    join(&waiter);
}

/* Enough of everything that tables grow. */
void tt_scenario_crowd(void)
{
    natskit_conn conn = tt_connect();
    natskit_sub subs[40];
    natskit_op ops[40];
    char subject[32];
    for (int i = 0; i < 40; i++) {
        (void)snprintf(subject, sizeof subject, "crowd.%d", i);
        subs[i] = tt_subscribe(conn, subject, "", NO_OPTIONS);
    }
    for (int i = 0; i < 40; i++) {
        (void)snprintf(subject, sizeof subject, "crowd.%d", i);
        ops[i] = i % 2 == 0 ? tt_request_start(conn, subject, NO_HEADERS) : tt_flush_start(conn);
    }
    TT(natskit_flush, conn, tt_life.wait_ms);
    for (int i = 0; i < 40; i++) {
        natskit_msg *msg = i % 2 == 0 ? tt_next(subs[i], 0, NATSKIT_OK) : NULL;
        if (msg != NULL) {
            TT(natskit_msg_respond, msg, NO_HEADERS, "", 0, tt_life.wait_ms);
            tt_release(msg);
        }
        if (i % 5 == 0) {
            tt_sub_close(subs[i]);
        }
    }
    for (int i = 0; i < 40; i++) {
        (void)tt_finish(ops[i], NATSKIT_OK);
    }
}
