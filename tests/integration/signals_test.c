/* Signals at a high rate (10,000 a second, NATSKIT_SIGNAL_SECONDS of them) while threads wait in next,
 * request and publish: nothing fails and nothing is lost. And what belongs to the host stays its own:
 * handlers, mask, SIGPIPE. */
#include "bench.h"

#include "support/net.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { EVERY_NS = 2500000 }; /* a sanitizer's handler takes its time */
#else
enum { EVERY_NS = 500000 }; /* in each of five threads: 10,000 signals a second */
#endif

enum { SIGNALS = 65 };

static _Atomic uint64_t signals;
static _Thread_local volatile uint64_t signals_here;
static char fault[200];
static pthread_mutex_t fault_mu = PTHREAD_MUTEX_INITIALIZER;

static void on_alarm(int number)
{
    (void)number;
    atomic_fetch_add(&signals, 1);
    signals_here = signals_here + 1;
}

static void wrong(const char *what, natskit_status status, uint64_t number)
{
    pthread_mutex_lock(&fault_mu);
    if (fault[0] == '\0') {
        (void)snprintf(fault, sizeof fault, "%s: status %d, number %llu", what, status,
                       (unsigned long long)number);
    }
    pthread_mutex_unlock(&fault_mu);
}

/* From now on this thread is interrupted all the time: a timer of its own, since the kernel would send all
 * signals of setitimer to one thread. */
static timer_t begin_signals(void)
{
    timer_t timer = NULL;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};
    const struct itimerspec every = {{0, EVERY_NS}, {0, EVERY_NS}};
    event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
    signals_here = 0;
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 || timer_settime(timer, 0, &every, NULL) != 0) {
        wrong("no timer", NATSKIT_SYSTEM, 0);
    }
    return timer;
}

static void end_signals(timer_t timer)
{
    (void)timer_delete(timer);
    if (signals_here == 0) {
        wrong("a thread was never interrupted", NATSKIT_OK, 0);
    }
}

/* One kind of work each, on connections that they share. */
struct work {
    natskit_conn conn;
    natskit_sub sub;
    natskit_sub service;
    atomic_bool stop;
    _Atomic uint64_t published;
    _Atomic uint64_t taken;
    _Atomic uint64_t requests;
};

static void publish_numbers(struct work *work)
{
    for (uint64_t i = 0; !atomic_load(&work->stop); i++) {
        natskit_status status =
            natskit_publish(work->conn, "signals", Z, NULL, 0, NO_HEADERS, &i, sizeof i, WAIT_MS);
        if (status != NATSKIT_OK) {
            wrong("publish", status, i);
            break;
        }
        atomic_fetch_add(&work->published, 1);
        while (i > atomic_load(&work->taken) + 1000 && !atomic_load(&work->stop)) {
            ts_pause_ms(1); /* no more than the taker keeps up with, so that it waits, too */
        }
    }
}

static void take_numbers(struct work *work)
{
    natskit_msg *msg;
    uint64_t wanted = 0;
    natskit_status status;
    while ((status = natskit_sub_next(work->sub, WAIT_MS, &msg)) == NATSKIT_OK) {
        natskit_message_view view = {0};
        uint64_t number = UINT64_MAX;
        (void)natskit_msg_view(msg, &view, sizeof view);
        memcpy(&number, view.data, sizeof number);
        if (number != wanted++) {
            wrong("the next number", NATSKIT_OK, number);
        }
        atomic_fetch_add(&work->taken, 1);
        (void)natskit_msg_release(msg);
    }
    if (status != NATSKIT_END) {
        wrong("next", status, wanted);
    }
}

static void serve(struct work *work)
{
    natskit_msg *msg;
    natskit_status status;
    while ((status = natskit_sub_next(work->service, WAIT_MS, &msg)) == NATSKIT_OK) {
        natskit_message_view view = {0};
        (void)natskit_msg_view(msg, &view, sizeof view);
        status = natskit_msg_respond(msg, NO_HEADERS, view.data, view.data_len, WAIT_MS);
        if (status != NATSKIT_OK) {
            wrong("respond", status, 0);
        }
        (void)natskit_msg_release(msg);
    }
    if (status != NATSKIT_END) {
        wrong("next of the service", status, 0);
    }
}

static void ask(struct work *work)
{
    for (uint64_t i = 0; !atomic_load(&work->stop); i++) {
        natskit_msg *reply;
        natskit_message_view view = {0};
        uint64_t number = UINT64_MAX;
        natskit_status status =
            natskit_request(work->conn, "signals.ask", Z, NO_HEADERS, &i, sizeof i, WAIT_MS, &reply, NULL);
        if (status != NATSKIT_OK) {
            wrong("request", status, i);
            break;
        }
        (void)natskit_msg_view(reply, &view, sizeof view);
        memcpy(&number, view.data, sizeof number);
        if (number != i) {
            wrong("the reply", NATSKIT_OK, number);
        }
        atomic_fetch_add(&work->requests, 1);
        (void)natskit_msg_release(reply);
    }
}

struct worker {
    struct work *work;
    void (*run)(struct work *work);
};

static void *run(void *arg)
{
    struct worker *worker = arg;
    timer_t timer = begin_signals();
    worker->run(worker->work);
    end_signals(timer);
    return NULL;
}

/* Waits, itself interrupted all the time, until the threads have worked for so long. */
static void work_under_signals(struct work *work, int64_t ms)
{
    pthread_t threads[4];
    struct worker workers[4] = {{work, take_numbers}, {work, serve}, {work, publish_numbers}, {work, ask}};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run, &workers[i]), 0);
    }
    timer_t timer = begin_signals();
    int64_t end_ms = ts_now_ms() + ms;
    while (ts_now_ms() < end_ms) {
        natskit_status status = natskit_flush(work->conn, WAIT_MS);
        if (status != NATSKIT_OK) {
            wrong("flush", status, 0);
        }
    }
    atomic_store(&work->stop, true);
    assert_int_equal(pthread_join(threads[3], NULL), 0);
    assert_int_equal(pthread_join(threads[2], NULL), 0);
    assert_ok(
        natskit_conn_drain(work->conn, WAIT_MS, NULL)); /* all is taken, the takers are told of the end */
    assert_int_equal(pthread_join(threads[1], NULL), 0);
    assert_int_equal(pthread_join(threads[0], NULL), 0);
    end_signals(timer);
}

static void storm(int flags, const char *name)
{
    uint64_t seconds;
    const char *text = getenv("NATSKIT_SIGNAL_SECONDS");
    int64_t ms =
        text != NULL && ts_parse_size(text, &seconds) ? (int64_t)seconds * 500 : 500; /* for each half */
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = flags};
    struct sigaction before;
    struct work work = {.conn = bench_connect()};
    work.sub = bench_subscribe(work.conn, "signals", NULL);
    work.service = bench_subscribe(work.conn, "signals.ask", NULL);
    atomic_store(&signals, 0);
    assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
    int64_t begin_ms = ts_now_ms();
    work_under_signals(&work, ms);
    int64_t took_ms = ts_now_ms() - begin_ms;
    assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
    print_message("%s: %llu signals in %lld ms, %llu messages, %llu requests\n", name,
                  (unsigned long long)atomic_load(&signals), (long long)took_ms,
                  (unsigned long long)atomic_load(&work.taken),
                  (unsigned long long)atomic_load(&work.requests));
    if (fault[0] != '\0') {
        fail_msg("%s", fault);
    }
    natskit_conn_stats stats;
    assert_ok(natskit_conn_stats_get(work.conn, &stats, sizeof stats));
    assert_int_equal(atomic_load(&work.taken), atomic_load(&work.published));
    assert_true(atomic_load(&work.requests) > 0 && atomic_load(&signals) > 0);
    assert_int_equal(stats.dropped_msgs + stats.unconfirmed + stats.unsent + stats.reconnects, 0);
    assert_ok(natskit_conn_close(work.conn, 0));
    assert_ok(natskit_sub_close(work.sub));
    assert_ok(natskit_sub_close(work.service));
}

static void test_signals_and_restart(void **state)
{
    (void)state;
    storm(SA_RESTART, "with SA_RESTART");
}

static void test_signals_without_restart(void **state)
{
    (void)state;
    storm(0, "without SA_RESTART");
}

/* -- what belongs to the host ---------------------------------------------------------------------------- */

/* Connects, works, loses the connection, ends: a life in which a library might wish to touch signals. */
static void live(void)
{
    natskit_sub events;
    natskit_conn conn = bench_connect();
    natskit_sub sub = bench_subscribe(conn, "signals.life", NULL);
    assert_ok(natskit_conn_events(conn, NO_OPTIONS, &events, NULL));
    bench_publish(conn, "signals.life", "x");
    bench_expect(sub, "x");
    assert_true(ts_tap_command(bench.tap, "reset"));
    bench_expect_event(events, NATSKIT_EVENT_RECONNECTED);
    assert_ok(natskit_conn_drain(conn, WAIT_MS, NULL));
    assert_ok(natskit_conn_close(conn, 0));
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_sub_close(events));
    assert_ok(natskit_shutdown(WAIT_MS));
}

static void test_handlers_and_mask(void **state)
{
    (void)state;
    struct sigaction before[SIGNALS];
    struct sigaction after;
    sigset_t mask_before;
    sigset_t mask_after;
    int compared = 0;
    memset(before, 0, sizeof before);
    for (int i = 1; i < SIGNALS; i++) {
        (void)sigaction(i, NULL, &before[i]); /* two are the C library's own, and cannot be asked */
    }
    assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &mask_before), 0);
    live();
    assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &mask_after), 0);
    for (int i = 1; i < SIGNALS; i++) {
        memset(&after, 0, sizeof after);
        if (sigaction(i, NULL, &after) == 0) {
            assert_true(after.sa_handler == before[i].sa_handler && after.sa_flags == before[i].sa_flags);
            compared++;
            assert_int_equal(sigismember(&mask_before, i), sigismember(&mask_after, i));
        }
    }
    print_message("%d handlers and the mask are as before\n", compared);
    assert_true(compared >= 31);
}

static natskit_options without_reconnect(void)
{
    natskit_options options = {0};
    (void)natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options);
    (void)natskit_options_set(options, "reconnect", Z, "false", Z, NULL);
    return options;
}

/* In a process of its own, whose SIGPIPE ends it: messages are written to a socket that the server has reset.
 */
static int write_to_reset_sockets(void)
{
    enum { RESETS = 20 };
    uint16_t port = 0;
    char url[64];
    struct sigaction dies = {.sa_handler = SIG_DFL};
    sigset_t none;
    sigemptyset(&none);
    int listener = ts_listen("127.0.0.1", &port);
    if (listener < 0 || sigaction(SIGPIPE, &dies, NULL) != 0 ||
        pthread_sigmask(SIG_SETMASK, &none, NULL) != 0) {
        return 2;
    }
    (void)snprintf(url, sizeof url, "nats://127.0.0.1:%u", port);
    natskit_options options = without_reconnect();
    for (int i = 0; i < RESETS; i++) {
        natskit_conn conn;
        natskit_op op;
        char got[4096];
        if (natskit_connect_start(url, Z, options, WAIT_MS, &conn, &op, NULL) != NATSKIT_OK) {
            return 3;
        }
        int fd = accept(listener, NULL, NULL);
        if (!ts_send_text(fd, "INFO {\"max_payload\":1048576}\r\n") ||
            !ts_receive_until(fd, "PING\r\n", got, sizeof got, WAIT_MS) || !ts_send_text(fd, "PONG\r\n") ||
            natskit_op_wait(op, WAIT_MS) != NATSKIT_OK || natskit_op_result(op, NULL, NULL) != NATSKIT_OK) {
            return 4;
        }
        ts_close_reset(fd);
        natskit_status status = NATSKIT_OK;
        while (status == NATSKIT_OK || status == NATSKIT_WOULD_BLOCK) { /* writes, itself, into the reset */
            status = natskit_publish(conn, "x", 1, NULL, 0, NO_HEADERS, got, sizeof got, 0);
        }
        if (status != NATSKIT_CLOSED) {
            return 5;
        }
        (void)natskit_op_close(op);
        (void)natskit_conn_close(conn, 0);
    }
    (void)natskit_options_close(options);
    (void)close(listener);
    return natskit_shutdown(WAIT_MS) == NATSKIT_OK ? 0 : 6;
}

static void test_no_sigpipe(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        _exit(write_to_reset_sockets());
    }
    int status;
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status)) {
        fail_msg("signal %d has ended the process", WTERMSIG(status));
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_sigpipe), /* the first: nothing of the library runs when it forks */
        cmocka_unit_test(test_handlers_and_mask),
        cmocka_unit_test(test_signals_and_restart),
        cmocka_unit_test(test_signals_without_restart),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
