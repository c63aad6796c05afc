/* The system as the library sees it in these tests: each call of it comes here first (redirect.syms) and may
 * be made to fail. A plan is set while no thread of the library runs; armed and disarmed at any time. Calls
 * of any thread are counted while armed. */
#ifndef TESTS_TORTURE_FAULTS_H
#define TESTS_TORTURE_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

enum tt_kind {
    TT_ALLOC,     /* malloc, calloc, realloc, mmap */
    TT_TLS_ALLOC, /* of OpenSSL, see tt_faults_begin */
    TT_MUNMAP,
    TT_SOCKET,
    TT_CONNECT,
    TT_GETSOCKOPT,
    TT_SETSOCKOPT,
    TT_SHUTDOWN,
    TT_CLOSE,
    TT_EPOLL_CREATE,
    TT_EPOLL_ADD,
    TT_EPOLL_MOD,
    TT_EPOLL_WAIT,
    TT_EVENTFD,
    TT_OPEN,
    TT_FSTAT,
    TT_STAT,
    TT_PREAD, /* of files */
    TT_READ,  /* of the wake descriptor */
    TT_WRITE,
    TT_READV, /* of the socket */
    TT_SENDMSG,
    TT_POLL,
    TT_THREAD,
    TT_RESOLVE,
    TT_RANDOM,
    TT_DESCRIPTORS, /* any call that opens one */
    TT_KINDS
};

/* Codes beside errno: */
#define TT_EOF (-1)           /* readv: the end of the stream */
#define TT_PENDING_ERROR 4096 /* getsockopt: this much more than the error that it tells */

struct tt_plan {
    enum tt_kind kind;
    long nth; /* 0: none fails */
    bool all_after;
    int code;
    bool cut_reads; /* to one byte */
    bool cut_writes;
    uint64_t noise; /* not 0: EINTR and EAGAIN at random, by this seed */
};

/* Before anything of OpenSSL is used in the program: its allocations can be refused, too. */
void tt_faults_begin(void);

void tt_faults_plan(const struct tt_plan *plan);
void tt_faults_arm(bool on);
/* Whether a call has been made to fail since the plan was set. */
bool tt_faults_hit(void);
/* Calls of this kind while armed, since the plan was set. */
long tt_faults_count(enum tt_kind kind);
const char *tt_kind_name(enum tt_kind kind);

/* Beside the plan, armed or not, at any time: */

/* While it is held, getaddrinfo does not return. */
void tt_resolver_hold(bool on);
/* Threads that are in getaddrinfo because of it. */
int tt_resolver_waiting(void);
/* The wall clock, as the library sees it, is this much ahead. Clocks that are monotonic are left alone. */
void tt_wall_shift(int64_t ns);

#endif
