/* One message of a priority group: who is pinned stays so from call to call, and what a group asks for. */
#include "js_bench.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static natskit_conn conn;
static natskit_js js;

static int begin(void **state)
{
    (void)state;
    conn = bench_connect();
    js = jb_open(conn);
    jb_do(js, "stream.create", "{'config':{'name':'N','subjects':['n'],'storage':'memory'}}");
    for (int i = 0; i < 5; i++) {
        assert_ok(natskit_js_publish(js, "n", Z, NO_HEADERS, "x", 1, WAIT_MS, NULL, NULL, NULL));
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    jb_do(js, "stream.delete", "{'stream':'N'}");
    assert_ok(natskit_js_close(js));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    return 0;
}

static void make_consumer(const char *name, const char *policy)
{
    jb_do(js, "consumer.create",
          "{'stream':'N','config':{'name':'%s','durable_name':'%s','ack_policy':'explicit',"
          "'priority_groups':['g'],'priority_policy':'%s'}}",
          name, name, policy);
}

/* With group g and another option, or NULL. */
static natskit_status next_of(natskit_js context, const char *consumer, const char *option, const char *value,
                              int64_t timeout_ms)
{
    natskit_options options;
    natskit_msg *msg;
    natskit_error err = {0};
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_FETCH, &options));
    assert_ok(natskit_options_set(options, "group", Z, "g", Z, NULL));
    if (option != NULL) {
        assert_ok(natskit_options_set(options, option, Z, value, Z, NULL));
    }
    natskit_status status =
        natskit_js_next_with(context, "N", Z, consumer, Z, options, timeout_ms, &msg, &err);
    assert_ok(natskit_options_close(options));
    assert_int_equal(msg != NULL, status == NATSKIT_OK);
    if (status == NATSKIT_OK) {
        assert_ok(natskit_msg_ack(msg));
        assert_ok(natskit_msg_release(msg));
    } else {
        assert_int_equal(err.status, status);
    }
    return status;
}

static void test_pinned(void **state)
{
    (void)state;
    natskit_msg *msg;
    natskit_js other = jb_open(conn);
    make_consumer("p", "pinned_client");
    assert_status(natskit_js_next(js, "N", Z, "p", Z, WAIT_MS, &msg, NULL), NATSKIT_PULL_REFUSED);
    assert_ok(next_of(js, "p", NULL, NULL, WAIT_MS));
    assert_status(next_of(other, "p", NULL, NULL, 100), NATSKIT_TIMEOUT);
    assert_ok(next_of(js, "p", NULL, NULL, WAIT_MS));
    jb_do(js, "consumer.unpin", "{'stream':'N','consumer':'p','group':'g'}");
    assert_ok(next_of(other, "p", NULL, NULL, WAIT_MS));
    assert_status(next_of(js, "p", NULL, NULL, 100), NATSKIT_TIMEOUT);
    assert_ok(natskit_js_close(other));
}

static void test_overflow(void **state)
{
    (void)state;
    make_consumer("o", "overflow");
    assert_status(next_of(js, "o", "min_pending", "1000", 100), NATSKIT_TIMEOUT);
    assert_ok(next_of(js, "o", "min_pending", "2", WAIT_MS));
    assert_ok(next_of(js, "o", NULL, NULL, 0));
}

static void test_refused(void **state)
{
    (void)state;
    natskit_msg *msg;
    natskit_options options;
    natskit_error err = {0};
    make_consumer("o", "overflow");
    assert_status(next_of(js, "o", "pin_id", "not valid", 0), NATSKIT_INVALID);
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_FETCH, &options));
    assert_ok(natskit_options_set_int(options, "priority", Z, 1, NULL));
    assert_status(natskit_js_next_with(js, "N", Z, "o", Z, options, 0, &msg, &err), NATSKIT_INVALID);
    assert_non_null(strstr(err.text, "group"));
    assert_ok(natskit_options_close(options));
}

static bool one_waits(void *arg)
{
    (void)arg;
    natskit_json info = jb_call(js, "consumer.info", "{'stream':'N','consumer':'w'}");
    bool waits = strcmp(jb_at(info, "/num_waiting"), "1") == 0;
    assert_ok(natskit_json_close(info));
    return waits;
}

/* With the options at `arg`. */
static void *wait_for_next(void *arg)
{
    const natskit_options *options = arg;
    natskit_msg *msg;
    assert_ok(natskit_js_next_with(js, "N", Z, "w", Z, *options, 2 * WAIT_MS, &msg, NULL));
    assert_ok(natskit_msg_release(msg));
    return NULL;
}

/* A wait has taken what it needs of its options: others change and use them meanwhile. */
static void test_options_are_free(void **state)
{
    (void)state;
    pthread_t thread;
    natskit_msg *msg;
    natskit_options options;
    jb_do(
        js, "consumer.create",
        "{'stream':'N','config':{'name':'w','durable_name':'w','ack_policy':'none','deliver_policy':'new'}}");
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_FETCH, &options));
    assert_int_equal(pthread_create(&thread, NULL, wait_for_next, &options), 0);
    jb_wait(one_waits, NULL);
    assert_ok(natskit_options_set(options, "bind", Z, "true", Z, NULL));
    assert_true(one_waits(NULL)); /* still: that took no longer than it */
    assert_status(natskit_js_next_with(js, "N", Z, "w", Z, options, 0, &msg, NULL), NATSKIT_TIMEOUT);
    assert_true(one_waits(NULL));
    assert_ok(natskit_js_publish(js, "n", Z, NO_HEADERS, "x", 1, WAIT_MS, NULL, NULL, NULL));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_ok(natskit_options_close(options));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_pinned), TEST(test_overflow), TEST(test_refused),
                                       TEST(test_options_are_free)};
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
