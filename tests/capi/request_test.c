/* Requests and what goes with them, as far as a scripted server decides it: names, versions, subjects of
 * subscriptions, options and their bounds, handles that are closed while somebody waits, time that is over,
 * and parameters that would smuggle something in. Main thread; two tests wait in another. */
#include "fixture.h"

#include "support/scripted.h"
#include "support/text.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static struct ts_scripted *script;

static natskit_conn connect_to(const char *text)
{
    natskit_conn conn;
    script = ts_scripted_start(text);
    assert_non_null(script);
    assert_ok(natskit_connect(ts_scripted_url(script), Z, NO_OPTIONS, 10 * SECONDS, &conn, NULL));
    return conn;
}

static void end_script(natskit_conn conn)
{
    assert_ok(natskit_conn_close(conn, 0));
    assert_true(ts_scripted_wait(script, 10 * SECONDS));
    assert_true(ts_scripted_stop(script));
}

static natskit_options many_options(const char *const *pairs)
{
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_REQUEST_MANY, &options));
    for (; pairs[0] != NULL; pairs += 2) {
        assert_ok(natskit_options_set(options, pairs[0], Z, pairs[1], Z, NULL));
    }
    return options;
}

static int32_t reason_of(natskit_sub sub)
{
    natskit_sub_stats stats;
    assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
    return stats.reason;
}

static void test_nuid(void **state)
{
    (void)state;
    enum { MANY = 1000, LEN = 22 };
    static char names[MANY][LEN + 2];
    size_t len = 0;
    char small[LEN] = "-";
    for (size_t cap = 0; cap < LEN; cap++) {
        len = 0;
        assert_status(natskit_nuid(cap > 0 ? small : NULL, cap, &len), NATSKIT_LIMIT);
        assert_int_equal(len, LEN);
        assert_int_equal(small[0], '-');
    }
    for (size_t i = 0; i < MANY; i++) {
        names[i][LEN] = '!';
        assert_ok(natskit_nuid(names[i], i % 2 == 0 ? LEN : sizeof names[i], &len));
        assert_int_equal(len, LEN);
        assert_int_equal(names[i][LEN], '!'); /* no NUL */
        names[i][LEN] = '\0';
        assert_int_equal(strspn(names[i], "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
                         LEN);
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(names[i], names[k]);
        }
    }
}

static void test_server_at_least(void **state)
{
    (void)state;
    static const struct {
        const char *version;
        int32_t wanted[3];
        int32_t yes;
    } rows[] = {
        {"2.11.0", {2, 11, 0}, 1},
        {"2.11.0", {2, 11, 1}, 0},
        {"2.11.0", {2, 10, 99}, 1},
        {"2.11.0", {3, 0, 0}, 0},
        {"2.11.0", {1, 99, 99}, 1},
        {"2.9.25", {2, 10, 0}, 0},
        {"2.11.0-RC.1", {2, 11, 0}, 1},
        {"2.11.3-beta.7", {2, 11, 4}, 0},
        {"2.11.3+x", {2, 11, 3}, 1},
        {"2", {2, 0, 0}, 1},
        {"2", {2, 0, 1}, 0},
        {"2.12", {2, 12, 0}, 1},
        {"x", {0, 0, 0}, 1},
        {"x", {0, 0, 1}, 0},
        {"2.11.0", {-1, 0, 0}, 1},
        {"2.11.0", {2, -1, 5}, 1},
        {"10.0.0", {9, 9, 9}, 1},
        {"999999999999.0.0", {2, 0, 0}, 1},
        {"2.11.0", {INT32_MAX, 0, 0}, 0},
    };
    int32_t yes = 7;
    natskit_conn silent = fx_silent_conn(NULL);
    assert_status(natskit_conn_server_at_least(silent, 2, 0, 0, &yes), NATSKIT_NOT_FOUND);
    assert_int_equal(yes, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[256];
        (void)snprintf(text, sizeof text,
                       "accept\ninfo {\"version\":\"%s\",\"client_ip\":\"2001:db8::%zu\"}\n< CONNECT\n< "
                       "PING\n> PONG\nwait-close",
                       rows[i].version, i);
        natskit_conn conn = connect_to(text);
        natskit_conn_info info;
        yes = 7;
        assert_ok(natskit_conn_server_at_least(conn, rows[i].wanted[0], rows[i].wanted[1], rows[i].wanted[2],
                                               &yes));
        if (yes != rows[i].yes) {
            fail_msg("row %zu: version %s", i, rows[i].version);
        }
        assert_ok(natskit_conn_info_get(conn, &info, sizeof info));
        (void)snprintf(text, sizeof text, "2001:db8::%zu", i);
        assert_string_equal(info.client_ip, text);
        end_script(conn);
    }
}

static void expect_name(natskit_status (*get)(natskit_sub, char *, size_t, size_t *), natskit_sub sub,
                        const char *wanted)
{
    char name[64] = "-----";
    size_t len = 0;
    if (wanted == NULL) {
        assert_status(get(sub, name, sizeof name, &len), NATSKIT_NOT_FOUND);
        return;
    }
    size_t wanted_len = strlen(wanted);
    assert_status(get(sub, NULL, 0, &len), NATSKIT_LIMIT);
    assert_int_equal(len, wanted_len);
    assert_status(get(sub, name, wanted_len - 1, &len), NATSKIT_LIMIT);
    assert_string_equal(name, "-----");
    assert_ok(get(sub, name, wanted_len, &len));
    assert_int_equal(len, wanted_len);
    assert_memory_equal(name, wanted, wanted_len);
    assert_ok(get(sub, name, sizeof name, &len));
}

static void test_names_of_subscriptions(void **state)
{
    (void)state;
    natskit_sub sub;
    natskit_conn conn = connect_to("handshake\nserve until ctl\nwait-close");
    assert_ok(natskit_subscribe(conn, "A.*.c.>", Z, "Queue", Z, NO_OPTIONS, &sub, NULL));
    expect_name(natskit_sub_subject, sub, "A.*.c.>");
    expect_name(natskit_sub_queue, sub, "Queue");
    assert_ok(natskit_sub_unsubscribe(sub, 0)); /* they live as long as the handle */
    expect_name(natskit_sub_subject, sub, "A.*.c.>");
    assert_ok(natskit_sub_close(sub));
    assert_status(natskit_sub_subject(sub, NULL, 0, &(size_t){0}), NATSKIT_CLOSED);
    assert_ok(natskit_subscribe(conn, "b", Z, NULL, 0, NO_OPTIONS, &sub, NULL));
    expect_name(natskit_sub_subject, sub, "b");
    expect_name(natskit_sub_queue, sub, NULL);
    assert_ok(natskit_conn_events(conn, NO_OPTIONS, &sub, NULL));
    expect_name(natskit_sub_subject, sub, NULL);
    expect_name(natskit_sub_queue, sub, NULL);
    natskit_options options = many_options((const char *const[]){"reply", "My.Reply", NULL});
    assert_ok(natskit_request_many(conn, "ask", Z, NO_HEADERS, NULL, 0, options, &sub, NULL));
    expect_name(natskit_sub_subject, sub, "My.Reply");
    expect_name(natskit_sub_queue, sub, NULL);
    ts_scripted_proceed(script);
    end_script(conn);
}

/* Each parameter that reaches the wire: refused, and not one byte is written. */
static void test_injection(void **state)
{
    (void)state;
    static const char *const evils[] = {"a b", "a\r\nPING", "a\nb", "a\tb", "a..b",
                                        ".a",  "a.",        "a.*",  ">",    " "};
    natskit_headers headers;
    natskit_options of_one;
    natskit_sub sub;
    natskit_op op;
    natskit_error err;
    natskit_conn conn = connect_to("handshake\n< SUB good\nserve until ctl\nexpect-none 50\nwait-close");
    natskit_sub events;
    assert_ok(natskit_conn_events(conn, NO_OPTIONS, &events, NULL));
    assert_ok(natskit_headers_open(&headers));
    for (size_t i = 0; i < sizeof evils / sizeof evils[0]; i++) {
        natskit_options options = many_options((const char *const[]){NULL});
        assert_ok(natskit_options_open(NATSKIT_OPTIONS_REQUEST, &of_one));
        assert_status(natskit_request_many(conn, evils[i], Z, NO_HEADERS, NULL, 0, options, &sub, &err),
                      NATSKIT_INVALID);
        assert_null(strpbrk(err.text, "\r\n"));
        assert_status(natskit_request_start(conn, evils[i], Z, NO_HEADERS, NULL, 0, of_one, 100, &op, &err),
                      NATSKIT_INVALID);
        /* As reply: refused by the option already, or by the call. */
        if (natskit_options_set(options, "reply", Z, evils[i], Z, NULL) == NATSKIT_OK) {
            assert_status(natskit_request_many(conn, "a", Z, NO_HEADERS, NULL, 0, options, &sub, &err),
                          NATSKIT_INVALID);
            assert_non_null(strstr(err.text, "reply"));
            assert_int_equal(sub.id, 0);
        }
        if (natskit_options_set(of_one, "reply", Z, evils[i], Z, NULL) == NATSKIT_OK) {
            assert_status(natskit_request_start(conn, "a", Z, NO_HEADERS, NULL, 0, of_one, 100, &op, &err),
                          NATSKIT_INVALID);
            assert_non_null(strstr(err.text, "reply"));
            assert_int_equal(op.id, 0);
        }
        if (strcmp(evils[i], "a..b") != 0) {
            bool name_ok = strpbrk(evils[i], " \t\r\n") == NULL;
            assert_status(natskit_headers_set(headers, evils[i], Z, "v", Z, NATSKIT_MATCH_CANONICAL, &err),
                          name_ok ? NATSKIT_OK : NATSKIT_INVALID);
        }
        assert_ok(natskit_options_close(options));
        assert_ok(natskit_options_close(of_one));
    }
    natskit_conn_stats stats;
    assert_ok(natskit_conn_stats_get(conn, &stats, sizeof stats));
    assert_int_equal(stats.out_msgs, 0);
    assert_int_equal(stats.pending_out_bytes, 0);
    assert_int_equal(stats.requests, 0);
    assert_ok(
        natskit_subscribe(conn, "good", Z, NULL, 0, NO_OPTIONS, &sub, NULL)); /* the first frame of all */
    assert_ok(natskit_written(conn, 10 * SECONDS, NULL));
    ts_scripted_proceed(script);
    end_script(conn);
}

/* Options have bounds; what a call has read stays. */
static void test_limits(void **state)
{
    (void)state;
    static char longest[1900];
    natskit_sub sub;
    natskit_sub_stats stats;
    natskit_error err;
    char name[1900];
    size_t len;
    natskit_conn conn = connect_to("handshake\nserve until ctl\nwait-close");
    natskit_options options = many_options((const char *const[]){"max_msgs", "7", "pending_msgs_limit", "5",
                                                                 "pending_bytes_limit", "2048", NULL});
    assert_ok(natskit_request_many(conn, "ask", Z, NO_HEADERS, NULL, 0, options, &sub, NULL));
    assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
    assert_int_equal(stats.max, 7);
    assert_int_equal(stats.limit_msgs, 5);
    assert_int_equal(stats.limit_bytes, 2048);
    assert_int_equal(stats.reason, 0);
    assert_ok(natskit_sub_close(sub));
    memset(longest, 'r', sizeof longest);
    assert_ok(natskit_options_set(options, "reply", Z, longest, sizeof longest, NULL));
    assert_status(natskit_options_set(options, "max_wait_ms", Z, "0", Z, NULL), NATSKIT_INVALID);
    assert_ok(natskit_request_many(conn, "ask", Z, NO_HEADERS, NULL, 0, options, &sub, NULL));
    assert_ok(natskit_sub_subject(sub, name, sizeof name, &len));
    assert_int_equal(len, sizeof longest);
    assert_ok(natskit_sub_close(sub));
    static char big[1048577];
    assert_status(natskit_request_many(conn, "ask", Z, NO_HEADERS, big, sizeof big, options, &sub, &err),
                  NATSKIT_TOO_LARGE);
    assert_int_equal(err.status, NATSKIT_TOO_LARGE);
    natskit_conn_stats now;
    assert_ok(natskit_conn_stats_get(conn, &now, sizeof now));
    assert_int_equal(now.requests, 0);
    assert_int_equal(now.subs, 0);
    assert_ok(natskit_options_close(options));
    ts_scripted_proceed(script);
    end_script(conn);
    assert_status(natskit_request_many(conn, "ask", Z, NO_HEADERS, NULL, 0, NO_OPTIONS, &sub, &err),
                  NATSKIT_CLOSED);
    assert_int_equal(sub.id, 0);
}

static void expect_no_requests(natskit_conn conn)
{
    natskit_conn_stats stats;
    assert_ok(natskit_conn_stats_get(conn, &stats, sizeof stats));
    assert_int_equal(stats.requests, 0);
    assert_int_equal(stats.subs, 0);
}

/* No kind of request waits for room: nothing is left of it. */
static void test_full_outbox(void **state)
{
    (void)state;
    static char data[60000];
    natskit_conn conn = fx_silent_conn(NULL);
    natskit_options options;
    natskit_sub sub = {7};
    natskit_op op = {7};
    natskit_error err = {0};
    natskit_status status = NATSKIT_OK;
    while (status == NATSKIT_OK) {
        status = natskit_publish(conn, "fill", Z, NULL, 0, NO_HEADERS, data, sizeof data, 0);
    }
    assert_status(status, NATSKIT_WOULD_BLOCK);
    assert_status(natskit_request_many(conn, "ask", Z, NO_HEADERS, data, sizeof data, NO_OPTIONS, &sub, &err),
                  NATSKIT_WOULD_BLOCK);
    assert_int_equal(sub.id, 0);
    assert_int_equal(err.status, NATSKIT_WOULD_BLOCK);
    expect_no_requests(conn);
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_REQUEST, &options));
    for (int64_t own = 0; own < 2; own++) {
        assert_ok(natskit_options_set_int(options, "own_sub", Z, own, NULL));
        assert_status(
            natskit_request_start(conn, "ask", Z, NO_HEADERS, data, sizeof data, options, 1000, &op, &err),
            NATSKIT_WOULD_BLOCK);
        assert_int_equal(op.id, 0);
        expect_no_requests(conn);
    }
    assert_ok(natskit_options_close(options));
}

/* What ends a request makes it ready, with nothing in its queue, too. */
static void test_ready_at_the_end(void **state)
{
    (void)state;
    natskit_waitset waitset;
    natskit_ready ready;
    natskit_msg *msg;
    size_t count;
    natskit_sub sub;
    natskit_op op;
    natskit_conn conn = connect_to("handshake\nserve until ctl\nwait-close");
    assert_ok(natskit_waitset_open(&waitset));
    natskit_options options = many_options((const char *const[]){"max_wait_ms", "30", NULL});
    assert_ok(natskit_request_many(conn, "ask", Z, NO_HEADERS, NULL, 0, options, &sub, NULL));
    assert_ok(natskit_options_close(options));
    assert_ok(natskit_waitset_add(waitset, sub.id, 5));
    assert_ok(natskit_waitset_wait(waitset, &ready, sizeof ready, 1, 10 * SECONDS, &count));
    assert_int_equal(ready.tag, 5);
    assert_status(natskit_sub_next(sub, 0, &msg), NATSKIT_END);
    assert_int_equal(reason_of(sub), NATSKIT_TIMEOUT);
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_REQUEST, &options));
    assert_ok(natskit_options_set(options, "own_sub", Z, "true", Z, NULL));
    assert_ok(natskit_request_start(conn, "ask", Z, NO_HEADERS, NULL, 0, options, 30, &op, NULL));
    assert_ok(natskit_options_close(options));
    assert_ok(natskit_waitset_add(waitset, op.id, 6));
    assert_ok(natskit_waitset_wait(waitset, &ready, sizeof ready, 1, 10 * SECONDS, &count));
    assert_int_equal(ready.tag, 6);
    assert_status(natskit_op_result(op, NULL, NULL), NATSKIT_TIMEOUT);
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_waitset_close(waitset));
    ts_scripted_proceed(script);
    end_script(conn);
}

/* -- handles closed while somebody waits ------------------------------------------------------------------
 */

struct waiter {
    natskit_op op;
    natskit_sub sub;
    natskit_status status;
    atomic_bool waits;
};

static void *wait_op(void *arg)
{
    struct waiter *waiter = arg;
    atomic_store(&waiter->waits, true);
    waiter->status = natskit_op_wait(waiter->op, 60 * SECONDS);
    return NULL;
}

static void *wait_sub(void *arg)
{
    struct waiter *waiter = arg;
    natskit_msg *msg;
    atomic_store(&waiter->waits, true);
    waiter->status = natskit_sub_next(waiter->sub, 60 * SECONDS, &msg);
    return NULL;
}

/* Whether it blocks by now is not to be seen; closed a little earlier or later the answer is the same. */
static void test_closed_while_waiting(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        struct waiter waiters[2] = {0};
        pthread_t threads[2];
        natskit_options options;
        natskit_conn conn = connect_to("handshake\nserve until ctl\nwait-close");
        assert_ok(natskit_options_open(NATSKIT_OPTIONS_REQUEST, &options));
        assert_ok(natskit_options_set(options, "own_sub", Z, "true", Z, NULL));
        assert_ok(natskit_request_start(conn, "ask", Z, NO_HEADERS, NULL, 0, options, 60 * SECONDS,
                                        &waiters[0].op, NULL));
        assert_ok(natskit_options_close(options));
        options = many_options((const char *const[]){"max_wait_ms", "60000", NULL});
        assert_ok(natskit_request_many(conn, "ask", Z, NO_HEADERS, NULL, 0, options, &waiters[1].sub, NULL));
        assert_ok(natskit_options_close(options));
        assert_int_equal(pthread_create(&threads[0], NULL, wait_op, &waiters[0]), 0);
        assert_int_equal(pthread_create(&threads[1], NULL, wait_sub, &waiters[1]), 0);
        while (!atomic_load(&waiters[0].waits) || !atomic_load(&waiters[1].waits)) {
            (void)sched_yield();
        }
        natskit_conn_stats stats;
        assert_ok(natskit_conn_stats_get(conn, &stats, sizeof stats));
        assert_int_equal(stats.requests, 2);
        assert_ok(natskit_op_close(waiters[0].op));
        assert_ok(natskit_sub_close(waiters[1].sub));
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
            assert_status(waiters[i].status, NATSKIT_CLOSED);
        }
        assert_ok(natskit_conn_stats_get(conn, &stats, sizeof stats));
        assert_int_equal(stats.requests, 0);
        ts_scripted_proceed(script);
        end_script(conn);
    }
}

/* -- time -------------------------------------------------------------------------------------------------
 */

static void test_first_message_timeout(void **state)
{
    (void)state;
    natskit_options options;
    natskit_sub none;
    natskit_sub some;
    natskit_msg *msg;
    natskit_conn conn = connect_to("handshake\n"
                                   "< SUB some as some\n"
                                   "> MSG some ${some.sid} 2\n"
                                   "> hi\n"
                                   "< SUB none as none\n"
                                   "< UNSUB ${none.sid}\n"
                                   "> MSG some ${some.sid} 2\n"
                                   "> ho\n"
                                   "serve until ctl\n"
                                   "wait-close");
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_SUBSCRIBE, &options));
    assert_ok(natskit_options_set(options, "first_msg_timeout_ms", Z, "60000", Z, NULL));
    assert_ok(natskit_subscribe(conn, "some", Z, NULL, 0, options, &some, NULL));
    assert_ok(natskit_sub_next(some, 10 * SECONDS, &msg));
    assert_ok(natskit_msg_release(msg));
    assert_ok(natskit_options_set(options, "first_msg_timeout_ms", Z, "30", Z, NULL));
    int64_t begin_ms = ts_now_ms();
    assert_ok(natskit_subscribe(conn, "none", Z, NULL, 0, options, &none, NULL));
    assert_status(natskit_sub_next(none, 10 * SECONDS, &msg), NATSKIT_END);
    assert_true(ts_now_ms() - begin_ms >= 29);
    assert_int_equal(reason_of(none), NATSKIT_TIMEOUT);
    assert_ok(natskit_sub_next(some, 10 * SECONDS, &msg));
    assert_ok(natskit_msg_release(msg));
    assert_int_equal(reason_of(some), 0);
    /* No time at all is a time, too. */
    assert_ok(natskit_options_set(options, "first_msg_timeout_ms", Z, "0", Z, NULL));
    assert_ok(natskit_subscribe(conn, "never", Z, NULL, 0, options, &none, NULL));
    assert_status(natskit_sub_next(none, 10 * SECONDS, &msg), NATSKIT_END);
    assert_int_equal(reason_of(none), NATSKIT_TIMEOUT);
    assert_ok(natskit_options_close(options));
    ts_scripted_proceed(script);
    end_script(conn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nuid, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_server_at_least, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_names_of_subscriptions, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_injection, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_limits, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_full_outbox, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_ready_at_the_end, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_closed_while_waiting, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_first_message_timeout, fx_mark, fx_check_clean),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fx_server_end();
    return failed;
}
