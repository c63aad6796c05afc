/* natskit-bench against a real server, few messages in each mode: its figures, its exit codes, its errors. */
#include "bench.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct run {
    FILE *pipe;
    pid_t pid;
};

/* Starts the tool; what it writes to both its outputs comes through the pipe. */
static struct run start(const char *const *arguments)
{
    int ends[2];
    const char *argv[32] = {NKI_BENCH_TOOL};
    for (size_t i = 0; arguments[i] != NULL; i++) {
        argv[i + 1] = arguments[i];
    }
    assert_int_equal(pipe(ends), 0);
    struct run run = {.pid = fork()};
    assert_true(run.pid >= 0);
    if (run.pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(126);
    }
    close(ends[1]);
    run.pipe = fdopen(ends[0], "r");
    assert_non_null(run.pipe);
    return run;
}

/* Reads the line that tells that it has subscribed. */
static void wait_subscribed(struct run run)
{
    char line[512];
    assert_non_null(fgets(line, sizeof line, run.pipe));
    assert_non_null(strstr(line, "subscribed to"));
}

/* Waits for its end with that code; it must have said all of `says`. */
static void finish(struct run run, int code, const char *const *says)
{
    char output[8192];
    size_t len = fread(output, 1, sizeof output - 1, run.pipe);
    int status;
    output[len] = '\0';
    fclose(run.pipe);
    assert_int_equal(waitpid(run.pid, &status, 0), run.pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != code) {
        fail_msg("it ended with %x instead of %d: %s", (unsigned)status, code, output);
    }
    for (; *says != NULL; says++) {
        if (strstr(output, *says) == NULL) {
            fail_msg("it does not say '%s': %s", *says, output);
        }
    }
}

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define RUN(code, says, ...) finish(start(ARGS(__VA_ARGS__)), (code), (says))

static void test_pub(void **state)
{
    (void)state;
    RUN(0, ARGS("published  1000 messages", "16 bytes each", "messages/s", "MiB/s", "client CPU"), "pub",
        "tool.pub", "--msgs", "1000", "--size", "16");
    RUN(0, ARGS("\"mode\":\"pub\"", "\"messages\":1001", "\"clients\":3", "\"lost\":0"), "pub", "tool.pub",
        "--msgs", "1001", "--clients", "3", "--batch", "--headers", "2", "--json");
}

static void test_sub(void **state)
{
    (void)state;
    struct run one = start(ARGS("sub", "tool.*", "--msgs", "500", "--clients", "2", "--batch=16"));
    struct run group = start(ARGS("sub", "tool.sub", "--msgs", "500", "--queue", "all", "--clients", "2"));
    wait_subscribed(one);
    wait_subscribed(group);
    RUN(0, ARGS("published  500 messages"), "pub", "tool.sub", "--msgs", "500", "--size", "0");
    finish(one, 0, ARGS("received   1000 messages", "0 bytes each", "lost       0 messages"));
    finish(group, 0, ARGS("received   500 messages", "lost       0 messages"));
}

static void test_pubsub(void **state)
{
    (void)state;
    RUN(0, ARGS("published  2000 messages", "received   4000 messages", "128 bytes each", "lost       0"),
        "pubsub", "tool.both", "--msgs", "2000", "--clients", "2");
    RUN(0, ARGS("\"messages\":2000", "\"published\":2000", "\"lost\":0"), "pubsub", "tool.both", "--msgs",
        "2000", "--clients", "3", "--queue", "g", "--batch", "--headers", "1", "--json");
    RUN(0, ARGS("received   10 messages"), "pubsub", "tool.both", "--msgs", "10", "--warmup", "0");
}

/* The subscriber's queue holds a single message, so that most are lost, and it says so. */
static void test_losses_are_told(void **state)
{
    (void)state;
    RUN(3, ARGS("lost       ", "dropped by full queues"), "pubsub", "tool.lost", "--msgs", "100000",
        "--batch", "--warmup", "1", "--wait", "3", "--option", "pending_msgs_limit=1");
    struct run run = start(ARGS("sub", "tool.few", "--msgs", "20", "--wait", "1"));
    wait_subscribed(run);
    RUN(0, ARGS("published  15 messages"), "pub", "tool.few", "--msgs", "15");
    finish(run, 3, ARGS("received   15 messages", "lost       5 messages"));
}

static void test_req_and_reply(void **state)
{
    (void)state;
    struct run run = start(ARGS("reply", "tool.echo", "--clients", "2"));
    struct run fixed = start(ARGS("reply", "tool.fixed", "--msgs", "50", "--size", "7", "--json"));
    wait_subscribed(run);
    wait_subscribed(fixed);
    RUN(0,
        ARGS("replies    200 messages", "16 bytes each", "p50", "p90", "p99", "max", "unanswered 0 requests"),
        "req", "tool.echo", "--msgs", "200", "--size", "16", "--clients", "2", "--warmup", "10");
    RUN(0, ARGS("\"messages\":300", "\"in_flight\":20", "\"latency_us\":{\"p50\":"), "req", "tool.echo",
        "--msgs", "300", "--in-flight", "20", "--json", "--headers", "3");
    RUN(0, ARGS("7 bytes each"), "req", "tool.fixed", "--msgs", "50");
    finish(fixed, 0, ARGS("\"messages\":50", "\"size\":128"));
    kill(run.pid, SIGINT);
    finish(run, 0, ARGS("answered   520 messages", "ended by a signal"));
}

static void test_unanswered_requests(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    natskit_sub sub = bench_subscribe(conn, "tool.mute", NULL);
    assert_ok(natskit_flush(conn, WAIT_MS));
    RUN(3, ARGS("unanswered 4 requests"), "req", "tool.mute", "--msgs", "4", "--in-flight", "4", "--wait",
        "1");
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_sub_close(sub));
    RUN(1, ARGS("nobody answers", "[NO_RESPONDERS]"), "req", "tool.nobody", "--msgs", "10");
}

static void test_signals_give_the_figures_so_far(void **state)
{
    (void)state;
    struct run run = start(ARGS("sub", "tool.stop", "--msgs", "100", "--clients", "2"));
    wait_subscribed(run);
    RUN(0, ARGS("published  10 messages"), "pub", "tool.stop", "--msgs", "10");
    kill(run.pid, SIGINT);
    finish(run, 130, ARGS("received   ", "ended by a signal"));
    run = start(ARGS("sub", "tool.stop"));
    wait_subscribed(run);
    kill(run.pid, SIGTERM);
    finish(run, 143, ARGS("received   0 messages", "ended by a signal"));
    natskit_conn conn = bench_connect();
    natskit_sub sub = bench_subscribe(conn, "tool.stop", NULL);
    natskit_msg *msg;
    assert_ok(natskit_flush(conn, WAIT_MS));
    run = start(ARGS("pubsub", "tool.stop", "--msgs", "1000000000", "--json"));
    assert_ok(natskit_sub_next(sub, WAIT_MS, &msg));
    kill(run.pid, SIGINT);
    natskit_msg_release(msg);
    natskit_sub_close(sub);
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    finish(run, 130, ARGS("\"signalled\":true"));
}

/* The server goes while it works: the figures, what happened, and that not all came. */
static void test_lost_server(void **state)
{
    (void)state;
    struct ts_server *server = ts_server_start(NULL);
    assert_non_null(server);
    struct run sub = start(ARGS("sub", "tool.gone", "--wait", "3", "--url", ts_server_url(server)));
    struct run reply = start(ARGS("reply", "tool.asked", "--url", ts_server_url(server)));
    wait_subscribed(sub);
    wait_subscribed(reply);
    natskit_conn conn;
    natskit_msg *msg;
    assert_ok(natskit_connect(ts_server_url(server), Z, NO_OPTIONS, WAIT_MS, &conn, NULL));
    natskit_sub asked = bench_subscribe(conn, "tool.asked", NULL);
    assert_ok(natskit_flush(conn, WAIT_MS));
    struct run req = start(
        ARGS("req", "tool.asked", "--msgs", "100000000", "--wait", "1", "--url", ts_server_url(server)));
    RUN(0, ARGS("published  5 messages"), "pub", "tool.gone", "--msgs", "5", "--url", ts_server_url(server));
    assert_ok(natskit_sub_next(asked, WAIT_MS, &msg));
    natskit_msg_release(msg);
    ts_server_kill(server); /* at once for all: nobody is told that the replier has gone */
    ts_server_free(server);
    finish(req, 1, ARGS("natskit-bench: disconnected: "));
    finish(sub, 3, ARGS("lost       ", "natskit-bench: disconnected: "));
    kill(reply.pid, SIGINT);
    finish(reply, 0, ARGS("answered   "));
    natskit_sub_close(asked);
    natskit_conn_close(conn, 0);
}

static void test_errors(void **state)
{
    (void)state;
    RUN(0, ARGS("usage: natskit-bench MODE SUBJECT"), "--help");
    RUN(0, ARGS("natskit-bench 0."), "--version");
    RUN(2, ARGS("MODE and SUBJECT are wanted"), "pub");
    RUN(2, ARGS("the mode is"), "nix", "a");
    RUN(2, ARGS("--wrong: no such option"), "pub", "a", "--wrong");
    RUN(2, ARGS("a number from 1 to"), "pub", "a", "--msgs", "0");
    RUN(2, ARGS("holds a wildcard"), "pub", "a.*");
    RUN(2, ARGS("no option \"usr\""), "pub", "a", "--option", "usr=joe");
    RUN(2, ARGS("--in-flight: is for req"), "pub", "a", "--in-flight", "2");
    RUN(1, ARGS("publish: ", "[TOO_LARGE]"), "pub", "a", "--msgs", "1", "--size", "2000000");
    RUN(1, ARGS("connect: ", "[CONNECT_REFUSED]"), "pub", "a", "--url", "nats://127.0.0.1:1");
}

static int begin(void **state)
{
    int code = bench_begin(state);
    return code != 0 ? code : setenv("NATS_URL", ts_tap_url(bench.tap), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pub),
        cmocka_unit_test(test_sub),
        cmocka_unit_test(test_pubsub),
        cmocka_unit_test(test_losses_are_told),
        cmocka_unit_test(test_req_and_reply),
        cmocka_unit_test(test_unanswered_requests),
        cmocka_unit_test(test_signals_give_the_figures_so_far),
        cmocka_unit_test(test_lost_server),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, begin, bench_end);
}
