/* Every scenario with the n-th system call of each kind failing with each code that it may have; with
 * descriptors or threads lacking from the n-th on; and with reads and writes cut to one byte, or interrupted
 * at random. */
#include "runner.h"

#include <errno.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
/* cmocka.h needs headers above it */
#include <cmocka.h>

struct row {
    enum tt_kind kind;
    int code;
    enum tt_effect effect;
    bool all_after; /* too */
};

static const struct row rows[] = {
    {TT_ALLOC, ENOMEM, TT_MEMORY, false}, /* by the way: mmap is a call of the system */
    {TT_MUNMAP, ENOMEM, TT_MEMORY, true},
    {TT_SOCKET, EMFILE, TT_SYSTEM, true},
    {TT_SOCKET, ENFILE, TT_SYSTEM, false},
    {TT_SOCKET, ENOBUFS, TT_SYSTEM, false},
    {TT_SOCKET, ENOMEM, TT_BOTH, false},
    {TT_SOCKET, EAFNOSUPPORT, TT_SYSTEM, false},
    {TT_CONNECT, EINTR, TT_NONE, true},
    {TT_CONNECT, ECONNREFUSED, TT_SYSTEM, true},
    {TT_CONNECT, ETIMEDOUT, TT_SYSTEM, false},
    {TT_CONNECT, ENETUNREACH, TT_SYSTEM, true},
    {TT_CONNECT, EHOSTUNREACH, TT_SYSTEM, false},
    {TT_CONNECT, EADDRNOTAVAIL, TT_SYSTEM, false},
    {TT_CONNECT, EACCES, TT_SYSTEM, false},
    {TT_GETSOCKOPT, ENOBUFS, TT_SYSTEM, false},
    {TT_GETSOCKOPT, TT_PENDING_ERROR + ECONNREFUSED, TT_SYSTEM, true},
    {TT_GETSOCKOPT, TT_PENDING_ERROR + ETIMEDOUT, TT_SYSTEM, false},
    {TT_GETSOCKOPT, TT_PENDING_ERROR + EHOSTUNREACH, TT_SYSTEM, false},
    {TT_SETSOCKOPT, EINVAL, TT_NONE, true},
    {TT_SETSOCKOPT, ENOBUFS, TT_NONE, false},
    {TT_SHUTDOWN, ENOTCONN, TT_NONE, true},
    {TT_CLOSE, EINTR, TT_NONE, true},
    {TT_CLOSE, EIO, TT_NONE, true},
    {TT_EPOLL_CREATE, EMFILE, TT_SYSTEM, true},
    {TT_EPOLL_CREATE, ENFILE, TT_SYSTEM, false},
    {TT_EPOLL_CREATE, ENOMEM, TT_BOTH, false},
    {TT_EPOLL_ADD, ENOMEM, TT_BOTH, true},
    {TT_EPOLL_ADD, ENOSPC, TT_SYSTEM, false},
    {TT_EPOLL_MOD, ENOMEM, TT_BOTH, false},
    {TT_EPOLL_WAIT, EINTR, TT_NONE, false},
    {TT_EVENTFD, EMFILE, TT_SYSTEM, true},
    {TT_EVENTFD, ENFILE, TT_SYSTEM, false},
    {TT_EVENTFD, ENOMEM, TT_BOTH, false},
    {TT_OPEN, EINTR, TT_NONE, false},
    {TT_OPEN, EMFILE, TT_SYSTEM, true},
    {TT_OPEN, EACCES, TT_SYSTEM, false},
    {TT_FSTAT, EOVERFLOW, TT_SYSTEM, false},
    {TT_STAT, EACCES, TT_SYSTEM, true},
    {TT_PREAD, EINTR, TT_NONE, false},
    {TT_PREAD, EIO, TT_SYSTEM, false},
    {TT_READ, EINTR, TT_NONE, false},
    {TT_READ, EAGAIN, TT_NONE, false},
    {TT_WRITE, EINTR, TT_NONE, false},
    {TT_WRITE, EAGAIN, TT_NONE, true},
    {TT_READV, EINTR, TT_NONE, false},
    {TT_READV, EAGAIN, TT_NONE, false},
    {TT_READV, TT_EOF, TT_SYSTEM, false},
    {TT_READV, ECONNRESET, TT_SYSTEM, true},
    {TT_READV, ETIMEDOUT, TT_SYSTEM, false},
    {TT_READV, EHOSTUNREACH, TT_SYSTEM, false},
    {TT_READV, ENOMEM, TT_BOTH, false},
    {TT_READV, EIO, TT_SYSTEM, false},
    {TT_SENDMSG, EINTR, TT_NONE, false},
    {TT_SENDMSG, EAGAIN, TT_NONE, false},
    {TT_SENDMSG, EPIPE, TT_SYSTEM, true},
    {TT_SENDMSG, ECONNRESET, TT_SYSTEM, false},
    {TT_SENDMSG, ETIMEDOUT, TT_SYSTEM, false},
    {TT_SENDMSG, ENOBUFS, TT_SYSTEM, false},
    {TT_SENDMSG, ENOMEM, TT_BOTH, false},
    {TT_SENDMSG, EHOSTUNREACH, TT_SYSTEM, false},
    {TT_POLL, EINTR, TT_NONE, false},
    {TT_POLL, ENOMEM, TT_BOTH, false},
    {TT_THREAD, EAGAIN, TT_SYSTEM, true},
    {TT_THREAD, ENOMEM, TT_BOTH, true},
    {TT_RESOLVE, EAI_AGAIN, TT_SYSTEM, true},
    {TT_RESOLVE, EAI_NONAME, TT_SYSTEM, false},
    {TT_RESOLVE, EAI_FAIL, TT_SYSTEM, false},
    {TT_RESOLVE, EAI_MEMORY, TT_BOTH, false},
    {TT_RESOLVE, EAI_SYSTEM, TT_SYSTEM, false},
    {TT_RANDOM, EINTR, TT_NONE, false},
    {TT_RANDOM, ENOSYS, TT_NONE, true},
    {TT_DESCRIPTORS, EMFILE, TT_SYSTEM, true},
};

#define ROWS (sizeof rows / sizeof rows[0])

static void test_each_call_fails(void **state)
{
    (void)state;
    for (size_t i = 0; i < tt_scenario_count; i++) {
        if (!tt_chosen(&tt_scenarios[i])) {
            continue;
        }
        tt_count(&tt_scenarios[i]);
        for (size_t r = 0; r < ROWS; r++) {
            struct tt_plan plan = {.kind = rows[r].kind, .code = rows[r].code};
            tt_sweep(&tt_scenarios[i], &plan, rows[r].effect);
        }
    }
    tt_report("one system call fails");
}

static void test_all_calls_of_a_kind_fail_from_one_on(void **state)
{
    (void)state;
    for (size_t i = 0; i < tt_scenario_count; i++) {
        if (!tt_chosen(&tt_scenarios[i])) {
            continue;
        }
        tt_count(&tt_scenarios[i]);
        for (size_t r = 0; r < ROWS; r++) {
            struct tt_plan plan = {.kind = rows[r].kind, .code = rows[r].code, .all_after = true};
            if (rows[r].all_after) {
                tt_sweep(&tt_scenarios[i], &plan, rows[r].effect);
            }
        }
    }
    tt_report("all system calls of a kind fail from one on");
}

/* None of these may be noticed. */
static void test_cut_and_interrupted(void **state)
{
    (void)state;
    for (size_t i = 0; i < tt_scenario_count; i++) {
        for (int mode = 1; mode < 8 && tt_chosen(&tt_scenarios[i]); mode++) {
            struct tt_plan plan = {.cut_reads = (mode & 1) != 0,
                                   .cut_writes = (mode & 2) != 0,
                                   .noise = (mode & 4) != 0 ? tt_noise() : 0};
            tt_run(&tt_scenarios[i], &plan, TT_NONE, mode % 2 == 0 ? TT_PROBE : TT_END);
        }
    }
    tt_report("reads and writes of one byte, interrupted at random");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_call_fails),
        cmocka_unit_test(test_all_calls_of_a_kind_fail_from_one_on),
        cmocka_unit_test(test_cut_and_interrupted),
    };
    tt_faults_begin();
    return cmocka_run_group_tests(tests, tt_begin, tt_end);
}
