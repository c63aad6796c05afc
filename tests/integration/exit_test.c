/* Ends of a process: exit() with live traffic, and fork() under load with a child that opens a connection of
 * its own. The scenes run in this program again, with an argument, so that nothing of cmocka or of the
 * harness is in them. */
#include "bench.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "line %d: %s\n", __LINE__, #condition);                                          \
            _exit(3);                                                                                        \
        }                                                                                                    \
    } while (0)

static natskit_conn open_conn(const char *url)
{
    natskit_conn conn = {0};
    CHECK(natskit_connect(url, Z, NO_OPTIONS, WAIT_MS, &conn, NULL) == NATSKIT_OK);
    return conn;
}

static void *keep_publishing(void *arg)
{
    natskit_conn conn = *(natskit_conn *)arg;
    char data[200] = {0};
    while (natskit_publish(conn, "load", 4, NULL, 0, NO_HEADERS, data, sizeof data, WAIT_MS) == NATSKIT_OK) {
    }
    return NULL;
}

static void *keep_taking(void *arg)
{
    natskit_sub sub = *(natskit_sub *)arg;
    natskit_msg *msgs[64];
    size_t count;
    while (natskit_sub_next_batch(sub, msgs, 64, -1, &count) == NATSKIT_OK) {
        natskit_msg_release_batch(msgs, count);
    }
    return NULL;
}

/* Traffic in both directions, by threads that never end. */
static void start_load(const char *url, natskit_conn *conn, natskit_sub *sub)
{
    pthread_t threads[2];
    natskit_msg *msg;
    *conn = open_conn(url);
    CHECK(natskit_subscribe(*conn, "load", Z, NULL, 0, NO_OPTIONS, sub, NULL) == NATSKIT_OK);
    CHECK(pthread_create(&threads[0], NULL, keep_publishing, conn) == 0);
    CHECK(natskit_sub_next(*sub, WAIT_MS, &msg) == NATSKIT_OK);
    natskit_msg_release(msg);
    CHECK(pthread_create(&threads[1], NULL, keep_taking, sub) == 0);
}

static natskit_conn conn;
static natskit_sub sub;

static int scene_exit(const char *url)
{
    start_load(url, &conn, &sub);
    exit(0);
}

/* The child of a loaded process: what is inherited says FORKED, a connection of its own works. */
static int child(const char *url)
{
    natskit_msg *msg;
    natskit_sub own;
    CHECK(natskit_publish(conn, "load", 4, NULL, 0, NO_HEADERS, "x", 1, 0) == NATSKIT_FORKED);
    CHECK(natskit_sub_next(sub, -1, &msg) == NATSKIT_FORKED);
    CHECK(natskit_conn_close(conn, -1) == NATSKIT_FORKED);
    natskit_conn mine = open_conn(url);
    CHECK(natskit_subscribe(mine, "child", Z, NULL, 0, NO_OPTIONS, &own, NULL) == NATSKIT_OK);
    CHECK(natskit_publish(mine, "child", Z, NULL, 0, NO_HEADERS, "own", 3, WAIT_MS) == NATSKIT_OK);
    CHECK(natskit_sub_next(own, WAIT_MS, &msg) == NATSKIT_OK);
    natskit_msg_release(msg);
    CHECK(natskit_conn_close(mine, WAIT_MS) == NATSKIT_OK);
    CHECK(natskit_sub_close(own) == NATSKIT_OK);
    return 0;
}

static int scene_fork(const char *url)
{
    enum { FORKS = 20 };
    start_load(url, &conn, &sub);
    for (int i = 0; i < FORKS; i++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            _exit(child(url));
        }
        int status;
        CHECK(waitpid(pid, &status, 0) == pid);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    natskit_conn_stats stats;
    CHECK(natskit_flush(conn, WAIT_MS) == NATSKIT_OK); /* the parent is undisturbed */
    CHECK(natskit_conn_stats_get(conn, &stats, sizeof stats) == NATSKIT_OK);
    CHECK(stats.reconnects == 0);
    return 0;
}

static int run_scene(const char *scene)
{
    char program[4096];
    ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
    assert_true(len > 0);
    program[len] = '\0';
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        execl(program, program, scene, ts_tap_url(bench.tap), (char *)NULL);
        _exit(127);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_exit_with_traffic(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(run_scene("exit"), 0);
    }
}

static void test_fork_under_load(void **state)
{
    (void)state;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    skip(); /* their allocators do not survive a fork beside threads that allocate */
#else
    assert_int_equal(run_scene("fork"), 0);
#endif
}

int main(int argc, char **argv)
{
    if (argc == 3) {
        return strcmp(argv[1], "exit") == 0 ? scene_exit(argv[2]) : scene_fork(argv[2]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_with_traffic),
        cmocka_unit_test(test_fork_under_load),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
