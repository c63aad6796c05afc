/* A C publisher to a Python and a Lua subscriber, and each of them to a C one: all messages arrive, in order,
 * byte for byte, paced by credit messages so that no queue overflows. NATSKIT_PACED_MESSAGES sets how many.
 */
#include "bench.h"
#include "paced.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONG_WAIT_MS INT64_C(60000)

static uint8_t block[PACED_BLOCK];
static uint8_t message[PACED_MAX];

static uint64_t message_count(void)
{
    const char *text = getenv("NATSKIT_PACED_MESSAGES");
    return text != NULL ? strtoull(text, NULL, 10) : 200000;
}

/* Starts paced_peer.py or .lua. */
static pid_t start_peer(const char *language, const char *action, const char *name)
{
    char script[4096];
    char count[32];
    const char *program = strcmp(language, "lua") == 0 ? "lua5.4" : getenv("NATSKIT_PYTHON");
    snprintf(script, sizeof script, "%s/integration/paced_peer.%s", NKI_TEST_DIR, language);
    snprintf(count, sizeof count, "%llu", (unsigned long long)message_count());
    assert_non_null(program);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        execlp(program, program, script, action, ts_tap_url(bench.tap), name, count, (char *)NULL);
        _exit(127);
    }
    return pid;
}

static void end_peer(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void take_one(natskit_sub sub)
{
    natskit_msg *msg;
    assert_ok(natskit_sub_next(sub, LONG_WAIT_MS, &msg));
    assert_ok(natskit_msg_release(msg));
}

static void test_c_to_python_and_lua(void **state)
{
    (void)state;
    const uint64_t count = message_count();
    natskit_conn conn = bench_connect();
    natskit_sub credits[2] = {bench_subscribe(conn, "out.credit.py", NULL),
                              bench_subscribe(conn, "out.credit.lua", NULL)};
    natskit_sub done[2] = {bench_subscribe(conn, "out.done.py", NULL),
                           bench_subscribe(conn, "out.done.lua", NULL)};
    assert_ok(natskit_flush(conn, LONG_WAIT_MS));
    pid_t peers[2] = {start_peer("py", "receive", "out"), start_peer("lua", "receive", "out")};
    uint64_t allowed[2] = {0, 0};
    for (uint64_t i = 0; i < count; i++) {
        for (int peer = 0; peer < 2; peer++) {
            for (; i >= allowed[peer]; allowed[peer] += PACED_CREDIT) {
                take_one(credits[peer]);
            }
        }
        size_t size = paced_make(block, i, message);
        assert_ok(natskit_publish(conn, "out.data", Z, NULL, 0, NO_HEADERS, message, size, LONG_WAIT_MS));
    }
    for (int peer = 0; peer < 2; peer++) {
        take_one(done[peer]);
        end_peer(peers[peer]);
        assert_ok(natskit_sub_close(credits[peer]));
        assert_ok(natskit_sub_close(done[peer]));
    }
    assert_ok(natskit_conn_close(conn, LONG_WAIT_MS));
}

static void receive_from(const char *language, const char *name)
{
    const uint64_t count = message_count();
    char data_subject[32], credit_subject[32], ready_subject[32];
    snprintf(data_subject, sizeof data_subject, "%s.data", name);
    snprintf(credit_subject, sizeof credit_subject, "%s.credit.c", name);
    snprintf(ready_subject, sizeof ready_subject, "%s.ready", name);
    natskit_conn conn = bench_connect();
    natskit_sub sub = bench_subscribe(conn, data_subject, NULL);
    natskit_sub ready = bench_subscribe(conn, ready_subject, NULL);
    assert_ok(natskit_flush(conn, LONG_WAIT_MS));
    pid_t peer = start_peer(language, "send", name);
    take_one(ready);
    for (int i = 0; i < PACED_WINDOW; i++) {
        bench_publish(conn, credit_subject, "");
    }
    for (uint64_t next = 0; next < count;) {
        natskit_msg *msgs[64];
        size_t got;
        assert_ok(natskit_sub_next_batch(sub, msgs, 64, LONG_WAIT_MS, &got));
        for (size_t i = 0; i < got; i++) {
            natskit_message_view view;
            assert_ok(natskit_msg_view(msgs[i], &view, sizeof view));
            assert_int_equal(view.data_len, paced_make(block, next, message));
            assert_memory_equal(view.data, message, view.data_len);
            if (++next % PACED_CREDIT == 0) {
                bench_publish(conn, credit_subject, "");
            }
        }
        assert_ok(natskit_msg_release_batch(msgs, got));
    }
    end_peer(peer);
    natskit_sub_stats stats;
    assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
    assert_int_equal(stats.received, count);
    assert_int_equal(stats.dropped_msgs, 0);
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_sub_close(ready));
    assert_ok(natskit_conn_close(conn, LONG_WAIT_MS));
}

static void test_python_to_c(void **state)
{
    (void)state;
    receive_from("py", "from_py");
}

static void test_lua_to_c(void **state)
{
    (void)state;
    receive_from("lua", "from_lua");
}

int main(void)
{
    paced_fill_block(block);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_c_to_python_and_lua),
        cmocka_unit_test(test_python_to_c),
        cmocka_unit_test(test_lua_to_c),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
