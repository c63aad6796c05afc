/* Conditions on the monotonic clock; threads with their name, mask and counter; a thread that cannot start.
 */
#include "base/sync.h"

#include "base/clock.h"
#include "cmocka_all.h"
#include "refuse.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);

static int create_error;

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    return create_error != 0 ? create_error : __real_pthread_create(thread, attr, run, arg);
}

struct meeting {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool arrived;
    bool may_leave;
    char name[16];
    sigset_t mask;
    uint64_t count;
};

static struct meeting *meeting_new(struct meeting *meeting)
{
    memset(meeting, 0, sizeof *meeting);
    assert_int_equal(pthread_mutex_init(&meeting->lock, NULL), 0);
    assert_int_equal(nki_cond_init(&meeting->changed), 0);
    return meeting;
}

static void *visit(void *arg)
{
    struct meeting *meeting = arg;
    pthread_mutex_lock(&meeting->lock);
    pthread_getname_np(pthread_self(), meeting->name, sizeof meeting->name);
    pthread_sigmask(SIG_SETMASK, NULL, &meeting->mask);
    meeting->count = nki_thread_count();
    meeting->arrived = true;
    pthread_cond_broadcast(&meeting->changed);
    while (!meeting->may_leave) {
        nki_cond_wait(&meeting->changed, &meeting->lock, NKI_NEVER);
    }
    pthread_mutex_unlock(&meeting->lock);
    return meeting;
}

static void test_wait_ends_at_the_deadline(void **state)
{
    (void)state;
    struct meeting meeting;
    meeting_new(&meeting);
    pthread_mutex_lock(&meeting.lock);
    assert_false(nki_cond_wait(&meeting.changed, &meeting.lock, 0));
    assert_false(nki_cond_wait(&meeting.changed, &meeting.lock, -5));
    assert_false(nki_cond_wait(&meeting.changed, &meeting.lock, INT64_MIN));
    /* On the wall clock this deadline would lie decades back, and the wait would end at once. */
    int64_t deadline_ns = nki_clock_now_ns() + 20 * NKI_NS_PER_MS;
    while (nki_cond_wait(&meeting.changed, &meeting.lock, deadline_ns)) {
        assert_true(nki_clock_now_ns() < deadline_ns + 10000 * NKI_NS_PER_MS);
    }
    assert_true(nki_clock_now_ns() >= deadline_ns);
    pthread_mutex_unlock(&meeting.lock);
}

/* -- small conditions ------------------------------------------------------------------------------------ */

static void test_small_wait_ends_at_the_deadline(void **state)
{
    (void)state;
    struct nki_small_cond cond = NKI_SMALL_COND;
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    assert_int_equal(sizeof cond, 4);
    pthread_mutex_lock(&lock);
    assert_false(nki_small_cond_wait(&cond, &lock, 0));
    assert_false(nki_small_cond_wait(&cond, &lock, INT64_MIN));
    int64_t deadline_ns = nki_clock_now_ns() + 20 * NKI_NS_PER_MS;
    while (nki_small_cond_wait(&cond, &lock, deadline_ns)) {
        assert_true(nki_clock_now_ns() < deadline_ns + 10000 * NKI_NS_PER_MS);
    }
    assert_true(nki_clock_now_ns() >= deadline_ns);
    pthread_mutex_unlock(&lock);
}

#define SLEEPERS 4
#define TOKENS 2000

/* Tokens put down one by one, and taken by several threads. */
struct table {
    pthread_mutex_t lock;
    struct nki_small_cond cond;
    unsigned tokens;
    unsigned taken;
    unsigned asleep;
    bool closed;
};

static void *take_tokens(void *arg)
{
    struct table *table = arg;
    pthread_mutex_lock(&table->lock);
    while (table->tokens > 0 || !table->closed) {
        if (table->tokens > 0) {
            table->tokens--;
            table->taken++;
            continue;
        }
        table->asleep++;
        assert_true(nki_small_cond_wait(&table->cond, &table->lock, NKI_NEVER));
        table->asleep--;
    }
    pthread_mutex_unlock(&table->lock);
    return NULL;
}

/* Each wake-up reaches one who sleeps, and that of all reaches all: else this would not end. */
static void test_small_wakes_one_or_all(void **state)
{
    (void)state;
    struct table table = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = NKI_SMALL_COND};
    pthread_t threads[SLEEPERS];
    for (int i = 0; i < SLEEPERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_tokens, &table), 0);
    }
    for (unsigned i = 0; i < TOKENS; i++) {
        pthread_mutex_lock(&table.lock);
        table.tokens++;
        nki_small_cond_wake(&table.cond, false);
        pthread_mutex_unlock(&table.lock);
        for (bool all = false; !all && i % 8 == 0; sched_yield()) {
            pthread_mutex_lock(&table.lock);
            all = table.asleep == SLEEPERS && table.tokens == 0;
            pthread_mutex_unlock(&table.lock);
        }
    }
    pthread_mutex_lock(&table.lock);
    table.closed = true;
    nki_small_cond_wake(&table.cond, true);
    pthread_mutex_unlock(&table.lock);
    for (int i = 0; i < SLEEPERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(table.taken, TOKENS);
}

static void test_thread_has_name_mask_and_is_counted(void **state)
{
    (void)state;
    struct meeting meeting;
    pthread_t thread;
    sigset_t before, after;
    void *result = NULL;
    meeting_new(&meeting);
    assert_int_equal(nki_thread_count(), 0);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(nki_thread_start(&thread, "fifteen-letters", visit, &meeting), 0);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int sig = 1; sig < 32; sig++) {
        assert_int_equal(sigismember(&before, sig), sigismember(&after, sig));
    }
    pthread_mutex_lock(&meeting.lock);
    while (!meeting.arrived) {
        assert_true(nki_cond_wait(&meeting.changed, &meeting.lock, NKI_NEVER));
    }
    assert_int_equal(nki_thread_count(), 1);
    meeting.may_leave = true;
    pthread_cond_broadcast(&meeting.changed);
    pthread_mutex_unlock(&meeting.lock);
    pthread_join(thread, &result);
    assert_ptr_equal(result, &meeting);
    assert_int_equal(nki_thread_count(), 0);
    assert_string_equal(meeting.name, "fifteen-letters");
    assert_int_equal(meeting.count, 1);
    for (int sig = 1; sig < 32; sig++) {
        bool blockable = sig != SIGKILL && sig != SIGSTOP;
        assert_int_equal(sigismember(&meeting.mask, sig), blockable);
    }
    assert_int_equal(sigismember(&meeting.mask, SIGRTMIN), 1);
}

static void test_thread_that_cannot_start(void **state)
{
    (void)state;
    struct meeting meeting;
    pthread_t thread;
    sigset_t before, after;
    meeting_new(&meeting);
    uint64_t bytes = nki_alloc_bytes();
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    create_error = EAGAIN;
    assert_int_equal(nki_thread_start(&thread, "never", visit, &meeting), EAGAIN);
    create_error = 0;
    refuse_begin(1);
    assert_int_equal(nki_thread_start(&thread, "never", visit, &meeting), ENOMEM);
    refuse_end();
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(sigismember(&before, SIGINT), sigismember(&after, SIGINT));
    assert_int_equal(nki_thread_count(), 0);
    assert_int_equal(nki_alloc_bytes(), bytes);
}

static void *nothing(void *arg)
{
    return arg;
}

static void test_many_threads_leave_nothing(void **state)
{
    (void)state;
    uint64_t bytes = nki_alloc_bytes();
    for (int round = 0; round < 20; round++) {
        pthread_t threads[8];
        for (size_t i = 0; i < NKI_ARRAY_LEN(threads); i++) {
            assert_int_equal(nki_thread_start(&threads[i], "", nothing, NULL), 0);
        }
        for (size_t i = 0; i < NKI_ARRAY_LEN(threads); i++) {
            pthread_join(threads[i], NULL);
        }
        assert_int_equal(nki_thread_count(), 0);
    }
    assert_int_equal(nki_alloc_bytes(), bytes);
}

static void test_child_forgets_the_parents_threads(void **state)
{
    (void)state;
    struct meeting meeting;
    pthread_t thread;
    meeting_new(&meeting);
    assert_int_equal(nki_thread_start(&thread, "parents", visit, &meeting), 0);
    pid_t child = fork();
    if (child == 0) {
        uint64_t inherited = nki_thread_count();
        nki_thread_forget();
        _exit(inherited == 1 && nki_thread_count() == 0 ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(nki_thread_count(), 1);
    pthread_mutex_lock(&meeting.lock);
    meeting.may_leave = true;
    pthread_cond_broadcast(&meeting.changed);
    pthread_mutex_unlock(&meeting.lock);
    pthread_join(thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wait_ends_at_the_deadline),
        cmocka_unit_test(test_small_wait_ends_at_the_deadline),
        cmocka_unit_test(test_small_wakes_one_or_all),
        cmocka_unit_test(test_thread_has_name_mask_and_is_counted),
        cmocka_unit_test(test_thread_that_cannot_start),
        cmocka_unit_test(test_many_threads_leave_nothing),
        cmocka_unit_test(test_child_forgets_the_parents_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
