/* See faults.h. Each tt_lib_NAME stands for NAME in the library. A fault is one that the system could give:
 * what happens in spite of the code (a descriptor that is closed after EINTR, a connect that goes on)
 * happens. */
#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static struct tt_plan plan;
static atomic_bool armed;
static atomic_bool hit;
static _Atomic long counts[TT_KINDS];
static _Atomic uint64_t draws;

static const char *const names[TT_KINDS] = {"allocation",  "allocation of OpenSSL",
                                            "munmap",      "socket",
                                            "connect",     "getsockopt",
                                            "setsockopt",  "shutdown",
                                            "close",       "epoll_new",
                                            "epoll_add",   "epoll_mod",
                                            "epoll_wait",  "eventfd",
                                            "open",        "fstat",
                                            "stat",        "pread",
                                            "read",        "write",
                                            "readv",       "sendmsg",
                                            "poll",        "pthread_create",
                                            "getaddrinfo", "getrandom",
                                            "descriptor"};

void tt_faults_plan(const struct tt_plan *new_plan)
{
    plan = *new_plan;
    atomic_store(&hit, false);
    atomic_store(&draws, 0);
    for (int i = 0; i < TT_KINDS; i++) {
        atomic_store(&counts[i], 0);
    }
}

void tt_faults_arm(bool on)
{
    atomic_store(&armed, on);
}

bool tt_faults_hit(void)
{
    return atomic_load(&hit);
}

long tt_faults_count(enum tt_kind kind)
{
    return atomic_load(&counts[kind]);
}

const char *tt_kind_name(enum tt_kind kind)
{
    return names[kind];
}

static bool by_chance(void)
{
    uint64_t mixed = (plan.noise + atomic_fetch_add(&draws, 1)) * UINT64_C(0x9E3779B97F4A7C15);
    mixed = (mixed ^ mixed >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94D049BB133111EB);
    return (mixed ^ mixed >> 31) % 3 == 0;
}

static int fault_of_kind(enum tt_kind kind)
{
    long now = atomic_fetch_add(&counts[kind], 1) + 1;
    if (plan.nth > 0 && kind == plan.kind && (now == plan.nth || (plan.all_after && now > plan.nth))) {
        atomic_store(&hit, true);
        return plan.code;
    }
    return 0;
}

/* The code with which this call is to fail, or 0. */
static int fault(enum tt_kind kind)
{
    if (!atomic_load(&armed)) {
        return 0;
    }
    int code = fault_of_kind(kind);
    if (code == 0 &&
        (kind == TT_SOCKET || kind == TT_EVENTFD || kind == TT_EPOLL_CREATE || kind == TT_OPEN)) {
        code = fault_of_kind(TT_DESCRIPTORS);
    }
    return code;
}

/* The same for a call that may be interrupted, and, where `again` says so, find nothing. */
static int fault_or_noise(enum tt_kind kind, bool again)
{
    int code = fault(kind);
    if (code == 0 && plan.noise != 0 && atomic_load(&armed) && by_chance()) {
        code = again && by_chance() ? EAGAIN : EINTR;
        atomic_store(&hit, true);
    }
    return code;
}

static int failed(int code)
{
    errno = code;
    return -1;
}

/* -- memory ------------------------------------------------------------------------------------------------
 */

void *tt_lib_malloc(size_t size);
void *tt_lib_calloc(size_t count, size_t size);
void *tt_lib_realloc(void *ptr, size_t size);
void *tt_lib_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset);
int tt_lib_munmap(void *addr, size_t len);

static bool refused(void)
{
    int code = fault(TT_ALLOC);
    if (code != 0) {
        errno = code;
    }
    return code != 0;
}

void *tt_lib_malloc(size_t size)
{
    return refused() ? NULL : malloc(size);
}

void *tt_lib_calloc(size_t count, size_t size)
{
    return refused() ? NULL : calloc(count, size);
}

void *tt_lib_realloc(void *ptr, size_t size)
{
    return refused() ? NULL : realloc(ptr, size);
}

void *tt_lib_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
    return refused() ? MAP_FAILED : mmap(addr, len, prot, flags, fd, offset);
}

int tt_lib_munmap(void *addr, size_t len)
{
    /* The pages of one that fails stay mapped until the process ends: they belong to nobody any more, or to a
     * greater piece that is given back as a whole. */
    int code = fault(TT_MUNMAP);
    return code != 0 ? failed(code) : munmap(addr, len);
}

static void *tls_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return fault(TT_TLS_ALLOC) != 0 ? NULL : malloc(size);
}

static void *tls_realloc(void *ptr, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return fault(TT_TLS_ALLOC) != 0 ? NULL : realloc(ptr, size);
}

static void tls_free(void *ptr, const char *file, int line)
{
    (void)file;
    (void)line;
    free(ptr);
}

void tt_faults_begin(void)
{
    if (CRYPTO_set_mem_functions(tls_malloc, tls_realloc, tls_free) != 1) {
        abort();
    }
}

/* -- sockets -----------------------------------------------------------------------------------------------
 */

int tt_lib_socket(int domain, int type, int protocol);
int tt_lib_connect(int fd, const struct sockaddr *addr, socklen_t len);
int tt_lib_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int tt_lib_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int tt_lib_shutdown(int fd, int how);
int tt_lib_close(int fd);
ssize_t tt_lib_readv(int fd, const struct iovec *iov, int count);
ssize_t tt_lib_sendmsg(int fd, const struct msghdr *msg, int flags);

int tt_lib_socket(int domain, int type, int protocol)
{
    int code = fault(TT_SOCKET);
    return code != 0 ? failed(code) : socket(domain, type, protocol);
}

int tt_lib_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    int code = fault(TT_CONNECT);
    if (code != 0 && code != EINTR) {
        return failed(code);
    }
    int result = connect(fd, addr, len);
    return code == EINTR && (result == 0 || errno == EINPROGRESS) ? failed(code) : result;
}

int tt_lib_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    int code = fault(TT_GETSOCKOPT);
    if (code > TT_PENDING_ERROR) {
        *(int *)value = code - TT_PENDING_ERROR;
        return 0;
    }
    return code != 0 ? failed(code) : getsockopt(fd, level, name, value, len);
}

int tt_lib_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    int code = fault(TT_SETSOCKOPT);
    return code != 0 ? failed(code) : setsockopt(fd, level, name, value, len);
}

int tt_lib_shutdown(int fd, int how)
{
    int code = fault(TT_SHUTDOWN);
    return code != 0 ? failed(code) : shutdown(fd, how);
}

int tt_lib_close(int fd)
{
    int code = fault(TT_CLOSE);
    int result = close(fd); /* Linux has closed it, whatever it answers */
    return code != 0 ? failed(code) : result;
}

/* No read finds nothing on a connection that the other side has reset: bytes from before, the error, the end.
 * A client may count on that to learn why it was refused. */
static bool is_reset(int fd)
{
    struct pollfd look = {.fd = fd};
    return poll(&look, 1, 0) == 1 && (look.revents & (POLLERR | POLLHUP)) != 0;
}

ssize_t tt_lib_readv(int fd, const struct iovec *iov, int count)
{
    int code = fault_or_noise(TT_READV, true);
    if (code == EAGAIN && plan.noise != 0 && is_reset(fd)) {
        code = EINTR;
    }
    if (code == TT_EOF) {
        return 0;
    }
    if (code != 0) {
        return failed(code);
    }
    return plan.cut_reads && atomic_load(&armed) ? read(fd, iov[0].iov_base, 1) : readv(fd, iov, count);
}

ssize_t tt_lib_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    int code = fault_or_noise(TT_SENDMSG, true);
    if (code != 0) {
        return failed(code);
    }
    return plan.cut_writes && atomic_load(&armed) ? send(fd, msg->msg_iov[0].iov_base, 1, flags)
                                                  : sendmsg(fd, msg, flags);
}

/* -- files -------------------------------------------------------------------------------------------------
 */

int tt_lib_open(const char *path, int flags, ...);
int tt_lib_fstat(int fd, struct stat *info);
int tt_lib_stat(const char *path, struct stat *info);
ssize_t tt_lib_pread(int fd, void *out, size_t len, off_t offset);
ssize_t tt_lib_pread_chk(int fd, void *out, size_t len, off_t offset, size_t size);

int tt_lib_open(const char *path, int flags, ...)
{
    int code = fault(TT_OPEN);
    return code != 0 ? failed(code) : open(path, flags);
}

int tt_lib_fstat(int fd, struct stat *info)
{
    int code = fault(TT_FSTAT);
    return code != 0 ? failed(code) : fstat(fd, info);
}

int tt_lib_stat(const char *path, struct stat *info)
{
    int code = fault(TT_STAT);
    return code != 0 ? failed(code) : stat(path, info);
}

ssize_t tt_lib_pread(int fd, void *out, size_t len, off_t offset)
{
    int code = fault_or_noise(TT_PREAD, false);
    if (code != 0) {
        return failed(code);
    }
    return pread(fd, out, plan.cut_reads && atomic_load(&armed) && len > 0 ? 1 : len, offset);
}

ssize_t tt_lib_pread_chk(int fd, void *out, size_t len, off_t offset, size_t size)
{
    return tt_lib_pread(fd, out, len < size ? len : size, offset);
}

/* -- waiting -----------------------------------------------------------------------------------------------
 */

int tt_lib_epoll_create1(int flags);
int tt_lib_epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event);
int tt_lib_epoll_wait(int epoll_fd, struct epoll_event *events, int cap, int timeout_ms);
int tt_lib_epoll_pwait2(int epoll_fd, struct epoll_event *events, int cap, const struct timespec *timeout,
                        const sigset_t *mask);
int tt_lib_eventfd(unsigned value, int flags);
ssize_t tt_lib_read(int fd, void *out, size_t len);
ssize_t tt_lib_read_chk(int fd, void *out, size_t len, size_t size);
ssize_t tt_lib_write(int fd, const void *bytes, size_t len);
int tt_lib_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int tt_lib_poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t size);

int tt_lib_epoll_create1(int flags)
{
    int code = fault(TT_EPOLL_CREATE);
    return code != 0 ? failed(code) : epoll_create1(flags);
}

int tt_lib_epoll_ctl(int epoll_fd, int op, int fd, struct epoll_event *event)
{
    int code = op == EPOLL_CTL_ADD ? fault(TT_EPOLL_ADD) : op == EPOLL_CTL_MOD ? fault(TT_EPOLL_MOD) : 0;
    return code != 0 ? failed(code) : epoll_ctl(epoll_fd, op, fd, event);
}

int tt_lib_epoll_wait(int epoll_fd, struct epoll_event *events, int cap, int timeout_ms)
{
    int code = fault_or_noise(TT_EPOLL_WAIT, false);
    return code != 0 ? failed(code) : epoll_wait(epoll_fd, events, cap, timeout_ms);
}

int tt_lib_eventfd(unsigned value, int flags)
{
    int code = fault(TT_EVENTFD);
    return code != 0 ? failed(code) : eventfd(value, flags);
}

int tt_lib_epoll_pwait2(int epoll_fd, struct epoll_event *events, int cap, const struct timespec *timeout,
                        const sigset_t *mask)
{
    int code = fault_or_noise(TT_EPOLL_WAIT, false);
    return code != 0 ? failed(code) : epoll_pwait2(epoll_fd, events, cap, timeout, mask);
}

ssize_t tt_lib_read(int fd, void *out, size_t len)
{
    int code = fault_or_noise(TT_READ, true);
    return code != 0 ? failed(code) : read(fd, out, len);
}

ssize_t tt_lib_read_chk(int fd, void *out, size_t len, size_t size)
{
    return tt_lib_read(fd, out, len < size ? len : size);
}

ssize_t tt_lib_write(int fd, const void *bytes, size_t len)
{
    int code = fault_or_noise(TT_WRITE, true);
    if (code == EAGAIN) {
        ssize_t written = write(fd, bytes, len); /* a counter that is full is readable, too */
        return written < 0 ? written : failed(code);
    }
    return code != 0 ? failed(code) : write(fd, bytes, len);
}

int tt_lib_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    int code = fault_or_noise(TT_POLL, false);
    return code != 0 ? failed(code) : poll(fds, count, timeout_ms);
}

int tt_lib_poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t size)
{
    return size / sizeof *fds < count ? failed(EFAULT) : tt_lib_poll(fds, count, timeout_ms);
}

/* -- the rest ----------------------------------------------------------------------------------------------
 */

int tt_lib_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg);
int tt_lib_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                       struct addrinfo **out);
ssize_t tt_lib_getrandom(void *out, size_t len, unsigned flags);

int tt_lib_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    int code = fault(TT_THREAD);
    return code != 0 ? code : pthread_create(thread, attr, run, arg);
}

static struct {
    pthread_mutex_t mu;
    pthread_cond_t freed;
    bool held;
    int waiting;
} resolver = {.mu = PTHREAD_MUTEX_INITIALIZER, .freed = PTHREAD_COND_INITIALIZER};

void tt_resolver_hold(bool on)
{
    pthread_mutex_lock(&resolver.mu);
    resolver.held = on;
    pthread_cond_broadcast(&resolver.freed);
    pthread_mutex_unlock(&resolver.mu);
}

int tt_resolver_waiting(void)
{
    pthread_mutex_lock(&resolver.mu);
    int waiting = resolver.waiting;
    pthread_mutex_unlock(&resolver.mu);
    return waiting;
}

static void pass_resolver(void)
{
    pthread_mutex_lock(&resolver.mu);
    resolver.waiting++;
    while (resolver.held) {
        pthread_cond_wait(&resolver.freed, &resolver.mu);
    }
    resolver.waiting--;
    pthread_mutex_unlock(&resolver.mu);
}

int tt_lib_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                       struct addrinfo **out)
{
    int code = fault(TT_RESOLVE);
    if (code == EAI_SYSTEM) {
        errno = EMFILE;
    }
    pass_resolver();
    return code != 0 ? code : getaddrinfo(node, service, hints, out);
}

ssize_t tt_lib_getrandom(void *out, size_t len, unsigned flags)
{
    int code = fault(TT_RANDOM);
    return code != 0 ? failed(code) : getrandom(out, len, flags);
}

static _Atomic int64_t wall_shift_ns;

int tt_lib_clock_gettime(clockid_t clock, struct timespec *now);

void tt_wall_shift(int64_t ns)
{
    atomic_store(&wall_shift_ns, ns);
}

int tt_lib_clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = clock_gettime(clock, now);
    if (result == 0 && clock == CLOCK_REALTIME) {
        int64_t ns = (int64_t)now->tv_sec * 1000000000 + now->tv_nsec + atomic_load(&wall_shift_ns);
        now->tv_sec = (time_t)(ns / 1000000000);
        now->tv_nsec = (long)(ns % 1000000000);
    }
    return result;
}
