/* The wake descriptor: readable if and only if raised; flags; interrupted calls; a thread that waits. */
#include "base/wake.h"

#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

ssize_t __wrap_read(int fd, void *out, size_t len);
ssize_t __real_read(int fd, void *out, size_t len);
ssize_t __wrap_write(int fd, const void *data, size_t len);
ssize_t __real_write(int fd, const void *data, size_t len);

static _Atomic int interruptions;

ssize_t __wrap_read(int fd, void *out, size_t len)
{
    if (interruptions > 0) {
        interruptions--;
        errno = EINTR;
        return -1;
    }
    return __real_read(fd, out, len);
}

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
    if (interruptions > 0) {
        interruptions--;
        errno = EINTR;
        return -1;
    }
    return __real_write(fd, data, len);
}

static bool readable(int fd, int timeout_ms)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    return poll(&polled, 1, timeout_ms) == 1 && polled.revents == POLLIN;
}

static void test_readable_if_and_only_if_raised(void **state)
{
    (void)state;
    int fd = nki_wake_open();
    assert_true(fd >= 0);
    assert_false(readable(fd, 0));
    nki_wake_clear(fd); /* not raised: does not block */
    for (int round = 0; round < 3; round++) {
        interruptions = round;
        nki_wake_raise(fd);
        nki_wake_raise(fd);
        assert_true(readable(fd, 0));
        interruptions = round;
        nki_wake_clear(fd); /* once for all raises */
        assert_false(readable(fd, 0));
        assert_int_equal(interruptions, 0);
    }
    close(fd);
}

static void test_flags(void **state)
{
    (void)state;
    int fd = nki_wake_open();
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    close(fd);
}

static void test_full_counter_does_not_block(void **state)
{
    (void)state;
    int fd = nki_wake_open();
    uint64_t nearly = UINT64_MAX - 1;
    assert_int_equal(__real_write(fd, &nearly, sizeof nearly), sizeof nearly);
    nki_wake_raise(fd);
    assert_true(readable(fd, 0));
    nki_wake_clear(fd);
    assert_false(readable(fd, 0));
    close(fd);
}

static void test_without_descriptors(void **state)
{
    (void)state;
    struct rlimit limit, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int fd = nki_wake_open();
    int sys_errno = errno;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(fd, -1);
    assert_int_equal(sys_errno, EMFILE);
}

static void *raise_it(void *arg)
{
    nki_wake_raise(*(int *)arg);
    return NULL;
}

static void test_wakes_another_thread(void **state)
{
    (void)state;
    pthread_t thread;
    int fd = nki_wake_open();
    assert_int_equal(pthread_create(&thread, NULL, raise_it, &fd), 0);
    assert_true(readable(fd, 10000));
    pthread_join(thread, NULL);
    close(fd);
}

/* One that stands for others. */
static void test_any(void **state)
{
    (void)state;
    int any = nki_wake_any_open();
    int one = nki_wake_open();
    int other = nki_wake_open();
    assert_true(any >= 0 && (fcntl(any, F_GETFD) & FD_CLOEXEC) != 0);
    assert_true(nki_wake_any_add(any, one) && nki_wake_any_add(any, other));
    assert_false(nki_wake_any_add(any, one));
    assert_false(readable(any, 0));
    nki_wake_raise(other);
    assert_true(readable(any, 0));
    nki_wake_any_remove(any, other);
    assert_false(readable(any, 0));
    nki_wake_raise(one);
    assert_true(readable(any, 0));
    nki_wake_clear(one);
    assert_false(readable(any, 0));
    nki_wake_any_remove(any, one);
    close(one);
    close(other);
    close(any);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any),
        cmocka_unit_test(test_readable_if_and_only_if_raised),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_full_counter_does_not_block),
        cmocka_unit_test(test_without_descriptors),
        cmocka_unit_test(test_wakes_another_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
