/* Draining subscriptions and connections against a real server: nothing that came is lost, everybody is told
 * the truth, deadlines are kept. */
#include "bench.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define DRAINS 100
#else
#define DRAINS 1500
#endif

static uint64_t number_from(const char *variable, uint64_t usual)
{
    const char *text = getenv(variable);
    uint64_t number;
    return text != NULL && ts_parse_size(text, &number) ? number : usual;
}

/* NATSKIT_DRAINS=n: connections that are drained; NATSKIT_ROUNDS=n: so many times as many. */
static uint32_t drain_count(void)
{
    return (uint32_t)(number_from("NATSKIT_DRAINS", DRAINS) * number_from("NATSKIT_ROUNDS", 1));
}

static void publish_numbers(natskit_conn conn, const char *subject, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        assert_ok(natskit_publish(conn, subject, Z, NULL, 0, NO_HEADERS, &i, sizeof i, WAIT_MS));
    }
}

static void expect_numbers(natskit_sub sub, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        natskit_msg *msg;
        natskit_message_view view;
        assert_ok(natskit_sub_next(sub, WAIT_MS, &msg));
        assert_ok(natskit_msg_view(msg, &view, sizeof view));
        assert_int_equal(view.data_len, sizeof i);
        assert_memory_equal(view.data, &i, sizeof i);
        assert_ok(natskit_msg_release(msg));
    }
}

static void expect_end(natskit_sub sub, natskit_status reason)
{
    natskit_msg *msg;
    natskit_sub_stats stats;
    assert_status(natskit_sub_next(sub, 0, &msg), NATSKIT_END);
    assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
    assert_int_equal(stats.reason, reason);
    assert_int_equal(stats.received, stats.taken + stats.pending_msgs + stats.dropped_msgs);
}

/* What was published before is on its way to the connection, or there already. */
static void test_a_subscription(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    natskit_conn conn = bench_connect();
    natskit_conn other = bench_connect();
    natskit_sub sub = bench_subscribe(conn, "drain.sub", NULL);
    natskit_sub stays = bench_subscribe(conn, "drain.stays", NULL);
    assert_ok(natskit_flush(conn, WAIT_MS));
    publish_numbers(other, "drain.sub", COUNT);
    assert_ok(natskit_flush(other, WAIT_MS));
    natskit_op op;
    natskit_op again;
    assert_ok(natskit_sub_drain_start(sub, NO_OPTIONS, WAIT_MS, &op, NULL));
    assert_status(natskit_sub_drain_start(sub, NO_OPTIONS, WAIT_MS, &again, NULL), NATSKIT_DRAINING);
    expect_numbers(sub, 0, COUNT - 1);
    assert_status(natskit_op_result(op, NULL, NULL), NATSKIT_PENDING);
    expect_numbers(sub, COUNT - 1, COUNT);
    assert_ok(natskit_op_wait(op, WAIT_MS));
    int32_t outcome;
    assert_ok(natskit_op_result(op, &outcome, NULL));
    assert_int_equal(outcome, NATSKIT_OUTCOME_DONE);
    expect_end(sub, NATSKIT_UNSUBSCRIBED);
    assert_ok(natskit_sub_drain(sub, 0, NULL)); /* once more: it is done */
    publish_numbers(other, "drain.stays", 1);   /* the connection lives on */
    expect_numbers(stays, 0, 1);
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_sub_close(stays));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_conn_close(other, WAIT_MS));
}

/* A hold keeps the drain waiting for whoever handles what was taken. */
static void test_holds(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    natskit_sub sub = bench_subscribe(conn, "drain.hold", NULL);
    publish_numbers(conn, "drain.hold", 1);
    expect_numbers(sub, 0, 1);
    assert_ok(natskit_sub_hold(sub, 1));
    assert_ok(natskit_sub_hold(sub, 1));
    natskit_op op;
    assert_ok(natskit_sub_drain_start(sub, NO_OPTIONS, WAIT_MS, &op, NULL));
    natskit_msg *msg;
    assert_status(natskit_sub_next(sub, WAIT_MS, &msg), NATSKIT_END); /* the drain has got its answer */
    assert_ok(natskit_sub_hold(sub, 0));
    natskit_sub_stats stats;
    assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
    assert_int_equal(stats.draining, 1);
    assert_int_equal(stats.holds, 1);
    assert_status(natskit_op_result(op, NULL, NULL), NATSKIT_PENDING);
    assert_ok(natskit_sub_hold(sub, 0));
    assert_ok(natskit_op_result(op, NULL, NULL));
    assert_status(natskit_sub_hold(sub, 0), NATSKIT_INVALID);
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

/* Nobody takes: the drain says so at its deadline, and what came stays. */
static void test_a_subscription_too_late(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    natskit_sub sub = bench_subscribe(conn, "drain.late", NULL);
    publish_numbers(conn, "drain.late", 3);
    assert_ok(natskit_flush(conn, WAIT_MS));
    natskit_error err = {0};
    assert_status(natskit_sub_drain(sub, 50, &err), NATSKIT_TIMEOUT);
    assert_non_null(strstr(err.text, "3 messages were not taken"));
    expect_numbers(sub, 0, 3);
    expect_end(sub, NATSKIT_UNSUBSCRIBED);
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

/* A service of several threads: each holds the subscription from its begin to its end. */
struct worker {
    pthread_t thread;
    natskit_sub sub;
    uint64_t handled;
    uint64_t faults;
};

static void *serve(void *arg)
{
    struct worker *worker = arg;
    natskit_msg *msg;
    while (natskit_sub_next(worker->sub, -1, &msg) == NATSKIT_OK) {
        natskit_message_view view;
        worker->faults += natskit_msg_view(msg, &view, sizeof view) != NATSKIT_OK;
        ts_pause_ms(worker->handled % 8 == 0 ? 1 : 0); /* the work */
        worker->faults +=
            natskit_msg_respond(msg, NO_HEADERS, view.data, view.data_len, WAIT_MS) != NATSKIT_OK;
        worker->faults += natskit_msg_release(msg) != NATSKIT_OK;
        worker->handled++;
    }
    worker->faults += natskit_sub_hold(worker->sub, 0) != NATSKIT_OK;
    return NULL;
}

/* Requests are under way when the service is drained: each one that reached it is answered, and the others
 * are told that nobody listens. */
static void test_a_service(void **state)
{
    (void)state;
    enum { WORKERS = 3, REQUESTS = 300 };
    natskit_conn conn = bench_connect();
    natskit_conn client = bench_connect();
    natskit_sub sub = bench_subscribe(conn, "drain.service", "workers");
    assert_ok(natskit_flush(conn, WAIT_MS));
    struct worker workers[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.sub = sub};
        assert_ok(natskit_sub_hold(sub, 1));
        assert_int_equal(pthread_create(&workers[i].thread, NULL, serve, &workers[i]), 0);
    }
    natskit_op requests[REQUESTS];
    natskit_op drain = {0};
    for (uint32_t i = 0; i < REQUESTS; i++) {
        assert_ok(natskit_request_start(client, "drain.service", Z, NO_HEADERS, &i, sizeof i, NO_OPTIONS,
                                        WAIT_MS, &requests[i], NULL));
        if (i == REQUESTS / 2) {
            assert_ok(natskit_conn_drain_start(conn, NO_OPTIONS, WAIT_MS, &drain, NULL));
        }
    }
    assert_ok(natskit_op_wait(drain, WAIT_MS));
    assert_ok(natskit_op_result(drain, NULL, NULL));
    uint64_t handled = 0;
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_int_equal(workers[i].faults, 0);
        handled += workers[i].handled;
    }
    uint64_t answered = 0;
    for (uint32_t i = 0; i < REQUESTS; i++) {
        assert_ok(natskit_op_wait(requests[i], WAIT_MS));
        natskit_status status = natskit_op_result(requests[i], NULL, NULL);
        assert_true(status == NATSKIT_OK || status == NATSKIT_NO_RESPONDERS);
        answered += status == NATSKIT_OK;
        assert_ok(natskit_op_close(requests[i]));
    }
    assert_int_equal(answered, handled);
    assert_ok(natskit_op_close(drain));
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_conn_close(conn, 0));
    assert_ok(natskit_conn_close(client, WAIT_MS));
}

/* Connections that are drained with messages in both directions under way: whatever the server sent is taken,
 * whatever was published arrives. */
static void test_many_drains(void **state)
{
    (void)state;
    enum { COUNT = 20 };
    natskit_conn other = bench_connect();
    natskit_sub all = bench_subscribe(other, "drain.out", NULL);
    assert_ok(natskit_flush(other, WAIT_MS));
    uint32_t next = 0;
    uint32_t count = drain_count();
    for (uint32_t i = 0; i < count; i++) {
        natskit_conn conn = bench_connect();
        char subject[32]; /* its own: in every other round what is published may come late */
        (void)snprintf(subject, sizeof subject, "drain.in.%u", i);
        natskit_sub sub = bench_subscribe(conn, subject, NULL);
        assert_ok(natskit_flush(conn, WAIT_MS));
        publish_numbers(other, subject, COUNT);
        for (uint32_t j = 0; j < COUNT; j++) {
            uint32_t number = next + j;
            assert_ok(natskit_publish(conn, "drain.out", Z, NULL, 0, NO_HEADERS, &number, sizeof number, 0));
        }
        if (i % 2 == 0) {
            assert_ok(natskit_flush(other, WAIT_MS)); /* all is on its way to the connection */
        }
        natskit_op op;
        assert_ok(natskit_conn_drain_start(conn, NO_OPTIONS, WAIT_MS, &op, NULL));
        natskit_msg *msg;
        uint32_t taken = 0;
        while (natskit_sub_next(sub, WAIT_MS, &msg) == NATSKIT_OK) {
            assert_ok(natskit_msg_release(msg));
            taken++;
        }
        assert_true(i % 2 != 0 || taken == COUNT);
        assert_ok(natskit_op_wait(op, WAIT_MS));
        assert_ok(natskit_op_result(op, NULL, NULL));
        natskit_conn_stats stats;
        assert_ok(natskit_conn_stats_get(conn, &stats, sizeof stats));
        assert_int_equal(stats.unsent + stats.unconfirmed + stats.abandoned_msgs + stats.dropped_msgs, 0);
        assert_int_equal(stats.in_msgs, taken);
        expect_numbers(all, next, next + COUNT);
        next += COUNT;
        assert_ok(natskit_op_close(op));
        assert_ok(natskit_sub_close(sub));
        assert_ok(natskit_conn_close(conn, 0));
    }
    print_message("%u drains, %u messages in each direction, none lost\n", count, next);
    assert_ok(natskit_sub_close(all));
    assert_ok(natskit_conn_close(other, WAIT_MS));
}

static void test_what_is_refused(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    natskit_sub sub = bench_subscribe(conn, "drain.refused", NULL);
    natskit_op op;
    natskit_op other;
    natskit_sub more;
    natskit_msg *msg;
    natskit_conn_info info;
    assert_ok(natskit_sub_hold(sub, 1));
    assert_ok(natskit_conn_drain_start(conn, NO_OPTIONS, WAIT_MS, &op, NULL));
    assert_ok(natskit_conn_info_get(conn, &info, sizeof info));
    assert_int_equal(info.draining, 1);
    assert_status(natskit_subscribe(conn, "a", Z, NULL, 0, NO_OPTIONS, &more, NULL), NATSKIT_DRAINING);
    assert_status(natskit_conn_drain_start(conn, NO_OPTIONS, 0, &other, NULL), NATSKIT_DRAINING);
    assert_status(natskit_conn_drain(conn, 0, NULL), NATSKIT_DRAINING);
    assert_status(natskit_conn_reconnect(conn, NULL), NATSKIT_DRAINING);
    /* Whoever still handles messages may publish and ask. */
    bench_publish(conn, "drain.elsewhere", "x");
    assert_status(natskit_request(conn, "drain.nobody", Z, NO_HEADERS, NULL, 0, WAIT_MS, &msg, NULL),
                  NATSKIT_NO_RESPONDERS);
    assert_ok(natskit_sub_hold(sub, 0));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_result(op, NULL, NULL));
    assert_ok(natskit_conn_info_get(conn, &info, sizeof info));
    assert_int_equal(info.state, NATSKIT_STATE_CLOSED);
    assert_ok(natskit_conn_closed(conn, 0, NULL));
    assert_status(natskit_publish(conn, "a", Z, NULL, 0, NO_HEADERS, NULL, 0, 0), NATSKIT_CLOSED);
    assert_status(natskit_subscribe(conn, "a", Z, NULL, 0, NO_OPTIONS, &more, NULL), NATSKIT_CLOSED);
    assert_status(natskit_conn_drain(conn, WAIT_MS, NULL), NATSKIT_CLOSED);
    expect_end(sub, NATSKIT_UNSUBSCRIBED);
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_conn_close(conn, 0));
}

static void test_too_late(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    natskit_sub sub = bench_subscribe(conn, "drain.abandoned", NULL);
    natskit_sub events;
    assert_ok(natskit_conn_events(conn, NO_OPTIONS, &events, NULL));
    publish_numbers(conn, "drain.abandoned", 5);
    assert_ok(natskit_flush(conn, WAIT_MS));
    natskit_error err = {0};
    assert_status(natskit_conn_drain(conn, 50, &err), NATSKIT_TIMEOUT);
    assert_non_null(strstr(err.text, "5 messages were not taken"));
    bench_expect_event(events, NATSKIT_EVENT_CLOSED);
    natskit_conn_stats stats;
    assert_ok(natskit_conn_stats_get(conn, &stats, sizeof stats));
    assert_int_equal(stats.abandoned_msgs, 5);
    memset(&err, 0, sizeof err);
    assert_status(natskit_conn_closed(conn, 0, &err), NATSKIT_TIMEOUT);
    assert_non_null(strstr(err.text, "5 messages"));
    expect_numbers(sub, 0, 5); /* nothing is thrown away */
    expect_end(sub, NATSKIT_UNSUBSCRIBED);
    assert_ok(natskit_sub_close(events));
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_conn_close(conn, 0));
}

/* What was published while the server was away still arrives. */
static void test_while_disconnected(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    natskit_sub events;
    assert_ok(natskit_conn_events(conn, NO_OPTIONS, &events, NULL));
    natskit_sub sub = bench_subscribe(conn, "drain.gone", NULL);
    publish_numbers(conn, "drain.gone", 2);
    assert_ok(natskit_flush(conn, WAIT_MS));
    ts_server_kill(bench.server);
    bench_expect_event(events, NATSKIT_EVENT_DISCONNECTED);
    publish_numbers(conn, "drain.back", 50);
    natskit_op op;
    assert_ok(natskit_conn_drain_start(conn, NO_OPTIONS, WAIT_MS, &op, NULL));
    expect_numbers(sub, 0, 2);
    expect_end(sub, NATSKIT_UNSUBSCRIBED);
    assert_status(natskit_op_result(op, NULL, NULL), NATSKIT_PENDING);
    assert_true(ts_server_restart(bench.server));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_result(op, NULL, NULL));
    natskit_conn_stats stats;
    assert_ok(natskit_conn_stats_get(conn, &stats, sizeof stats));
    assert_int_equal(stats.unsent, 0);
    bench_expect_event(events, NATSKIT_EVENT_RECONNECTED);
    bench_expect_event(events, NATSKIT_EVENT_CLOSED);
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_sub_close(events));
    assert_ok(natskit_conn_close(conn, 0));
}

/* Closing in the middle of a drain ends it, and says so. */
static void test_closed_meanwhile(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    natskit_sub sub = bench_subscribe(conn, "drain.closed", NULL);
    publish_numbers(conn, "drain.closed", 1);
    assert_ok(natskit_flush(conn, WAIT_MS));
    natskit_op all;
    natskit_op one;
    assert_ok(natskit_conn_drain_start(conn, NO_OPTIONS, WAIT_MS, &all, NULL));
    assert_ok(natskit_sub_drain_start(sub, NO_OPTIONS, WAIT_MS, &one, NULL)); /* joins in */
    assert_ok(natskit_conn_close(conn, 0));
    assert_status(natskit_op_result(all, NULL, NULL), NATSKIT_CLOSED);
    assert_status(natskit_op_result(one, NULL, NULL), NATSKIT_CLOSED);
    expect_numbers(sub, 0, 1);
    assert_ok(natskit_op_close(all));
    assert_ok(natskit_op_close(one));
    assert_ok(natskit_sub_close(sub));
}

/* The subscription's handle goes: its drain is over, and that of the connection does not wait for it. */
static void test_subscription_closed_meanwhile(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    natskit_sub sub = bench_subscribe(conn, "drain.subclosed", NULL);
    assert_ok(natskit_sub_hold(sub, 1));
    natskit_op one;
    natskit_op all;
    assert_ok(natskit_sub_drain_start(sub, NO_OPTIONS, WAIT_MS, &one, NULL));
    assert_ok(natskit_conn_drain_start(conn, NO_OPTIONS, WAIT_MS, &all, NULL));
    assert_ok(natskit_sub_close(sub));
    assert_status(natskit_op_result(one, NULL, NULL), NATSKIT_CLOSED);
    assert_ok(natskit_op_wait(all, WAIT_MS));
    assert_ok(natskit_op_result(all, NULL, NULL));
    assert_ok(natskit_op_close(one));
    assert_ok(natskit_op_close(all));
    assert_ok(natskit_conn_close(conn, 0));
}

/* A subscription that has ended by itself is waited for, too, while somebody handles its last message. */
static void test_ended_before(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    natskit_sub sub = bench_subscribe(conn, "drain.ended", NULL);
    assert_ok(natskit_sub_unsubscribe(sub, 1));
    publish_numbers(conn, "drain.ended", 1);
    assert_ok(natskit_flush(conn, WAIT_MS));
    natskit_op op;
    assert_ok(natskit_conn_drain_start(conn, NO_OPTIONS, WAIT_MS, &op, NULL));
    assert_status(natskit_op_wait(op, 30), NATSKIT_TIMEOUT);
    expect_numbers(sub, 0, 1);
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_result(op, NULL, NULL));
    expect_end(sub, NATSKIT_MAX_REACHED);
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_conn_close(conn, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_subscription),
        cmocka_unit_test(test_holds),
        cmocka_unit_test(test_a_subscription_too_late),
        cmocka_unit_test(test_a_service),
        cmocka_unit_test(test_many_drains),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_too_late),
        cmocka_unit_test(test_while_disconnected),
        cmocka_unit_test(test_closed_meanwhile),
        cmocka_unit_test(test_subscription_closed_meanwhile),
        cmocka_unit_test(test_ended_before),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
