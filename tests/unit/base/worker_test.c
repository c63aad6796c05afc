/* The helper thread: jobs that are done, forgotten while they wait, while they run and afterwards; a thread
 * that the system refuses; the end; a child after fork. */
#include "base/worker.h"

#include "base/clock.h"
#include "base/wake.h"
#include "cmocka_all.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);

static int refuse_threads; /* with this errno */

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    return refuse_threads != 0 ? refuse_threads : __real_pthread_create(thread, attr, run, arg);
}

/* -- jobs --------------------------------------------------------------------------------------------------
 */

/* While the gate is shut a job that runs stays in its run function. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static atomic_int begun;
static atomic_int ran;
static atomic_int freed;

struct work {
    struct nki_job job;
    int order;
};

static int orders[16];
static char thread_name[16];

static void run(struct nki_job *job)
{
    atomic_fetch_add(&begun, 1);
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    (void)pthread_getname_np(pthread_self(), thread_name, sizeof thread_name);
    int at = atomic_fetch_add(&ran, 1);
    orders[at % 16] = NKI_CONTAINER_OF(job, struct work, job)->order;
}

static void destroy(struct nki_job *job)
{
    atomic_fetch_add(&freed, 1);
    free(NKI_CONTAINER_OF(job, struct work, job));
}

static const struct nki_job_ops ops = {run, destroy};

static int wake_fd;

static int begin_test(void **state)
{
    (void)state;
    atomic_store(&begun, 0);
    atomic_store(&ran, 0);
    atomic_store(&freed, 0);
    wake_fd = nki_wake_open();
    return wake_fd >= 0 ? 0 : -1;
}

static int64_t soon(void)
{
    return nki_clock_now_ns() + 20000 * NKI_NS_PER_MS;
}

static int end_test(void **state)
{
    (void)state;
    bool ended = nki_worker_join(soon());
    close(wake_fd);
    return ended ? 0 : -1;
}

static struct work *start(int order)
{
    struct work *work = malloc(sizeof *work);
    assert_non_null(work);
    work->order = order;
    assert_int_equal(nki_job_start(&work->job, &ops, wake_fd), 0);
    return work;
}

static void wait_done(struct work *work)
{
    while (!nki_job_done(&work->job)) {
        struct pollfd fd = {.fd = wake_fd, .events = POLLIN};
        assert_int_equal(poll(&fd, 1, 20000), 1);
        nki_wake_clear(wake_fd);
    }
}

static void wait_begun(int count)
{
    int64_t deadline_ns = soon();
    while (atomic_load(&begun) < count) {
        assert_true(nki_clock_now_ns() < deadline_ns);
        sched_yield();
    }
}

static bool raised(void)
{
    struct pollfd fd = {.fd = wake_fd, .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
}

/* -- tests -------------------------------------------------------------------------------------------------
 */

static void test_one_after_the_other(void **state)
{
    (void)state;
    struct work *works[10];
    pthread_mutex_lock(&gate);
    for (int i = 0; i < 10; i++) {
        works[i] = start(i);
    }
    wait_begun(1);
    for (int i = 0; i < 10; i++) {
        assert_false(nki_job_done(&works[i]->job));
    }
    assert_false(nki_worker_join(nki_clock_now_ns())); /* it is not done, and goes on */
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < 10; i++) {
        wait_done(works[i]);
        nki_job_free(&works[i]->job);
        assert_int_equal(orders[i], i);
    }
    assert_string_equal(thread_name, "natskit-helper");
    assert_int_equal(atomic_load(&freed), 10);
}

static void test_forgotten(void **state)
{
    (void)state;
    pthread_mutex_lock(&gate);
    struct work *running = start(0);
    wait_begun(1);
    struct work *queued = start(1);
    struct work *last = start(2);
    nki_job_free(&queued->job); /* is never run */
    assert_int_equal(atomic_load(&freed), 1);
    nki_job_free(&running->job); /* the helper frees it, and touches the descriptor no more */
    assert_int_equal(atomic_load(&freed), 1);
    nki_job_free(&last->job);
    assert_int_equal(atomic_load(&freed), 2);
    pthread_mutex_unlock(&gate);
    assert_true(nki_worker_join(soon()));
    assert_int_equal(atomic_load(&ran), 1);
    assert_int_equal(atomic_load(&freed), 3);
    assert_false(raised());
}

static void test_done_without_the_helper(void **state)
{
    (void)state;
    struct work *work = malloc(sizeof *work);
    nki_job_start_done(&work->job, &ops, wake_fd);
    assert_false(raised());
    assert_true(nki_job_done(&work->job));
    nki_job_free(&work->job);
    assert_int_equal(atomic_load(&freed), 1);
    assert_int_equal(atomic_load(&ran), 0);
}

/* The helper ends when there is nothing to do, and is started again. */
static void test_again_and_again(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        struct work *work = start(i);
        wait_done(work);
        nki_job_free(&work->job);
        if (i % 3 == 0) {
            assert_true(nki_worker_join(soon()));
            assert_true(nki_worker_join(nki_clock_now_ns())); /* there is none */
        }
    }
    assert_int_equal(atomic_load(&freed), 200);
}

static void test_no_thread(void **state)
{
    (void)state;
    struct work work;
    refuse_threads = EAGAIN;
    assert_int_equal(nki_job_start(&work.job, &ops, wake_fd), EAGAIN);
    refuse_threads = 0;
    assert_true(nki_worker_join(soon()));
    struct work *good = start(1); /* nothing of the other is left */
    wait_done(good);
    nki_job_free(&good->job);
    assert_int_equal(atomic_load(&ran), 1);
}

/* Starts and forgets as fast as it goes. */
static void *hurry(void *arg)
{
    (void)arg;
    for (int i = 0; i < 500; i++) {
        nki_job_free(&start(i)->job);
    }
    return NULL;
}

static void test_many_askers(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, hurry, NULL), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(nki_worker_join(soon()));
    assert_int_equal(atomic_load(&freed), 2000);
}

/* The child: the parent's jobs are left alone, its own are done by a helper of its own. */
static int child(struct work *running, struct work *queued)
{
    nki_worker_forget();
    gate = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    atomic_store(&ran, 0);
    nki_job_free(&running->job);
    nki_job_free(&queued->job);
    if (atomic_load(&freed) != 0 || !nki_worker_join(nki_clock_now_ns())) {
        return 1;
    }
    struct work *own = start(7);
    wait_done(own);
    nki_job_free(&own->job);
    return atomic_load(&ran) == 1 && atomic_load(&freed) == 1 && nki_worker_join(soon()) ? 0 : 2;
}

static void test_fork(void **state)
{
    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* it allows no threads after a fork */
#endif
    int status = -1;
    pthread_mutex_lock(&gate);
    struct work *running = start(0);
    wait_begun(1);
    struct work *queued = start(1);
    pid_t pid = fork();
    if (pid == 0) {
        _exit(child(running, queued));
    }
    pthread_mutex_unlock(&gate);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    wait_done(running);
    wait_done(queued);
    nki_job_free(&running->job);
    nki_job_free(&queued->job);
    assert_int_equal(atomic_load(&freed), 2);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin_test, end_test)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one_after_the_other),
        TEST(test_forgotten),
        TEST(test_done_without_the_helper),
        TEST(test_again_and_again),
        TEST(test_no_thread),
        TEST(test_many_askers),
        TEST(test_fork),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
