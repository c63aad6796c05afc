/* TCP over the loopback: connecting to the first, second or no address, the stream's answers, and what the
 * system may refuse. The clock is a number of the test's own; waiting is poll on the dial's descriptors. */
#include "net/tcp.h"

#include "../base/cmocka_all.h"
#include "../base/refuse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

/* -- a system that refuses ---------------------------------------------------------------------------------
 */

int __wrap_socket(int family, int type, int protocol);
int __real_socket(int family, int type, int protocol);
int __wrap_connect(int fd, const struct sockaddr *addr, socklen_t len);
int __real_connect(int fd, const struct sockaddr *addr, socklen_t len);
int __wrap_poll(struct pollfd *polls, nfds_t count, int timeout_ms);
int __real_poll(struct pollfd *polls, nfds_t count, int timeout_ms);
int __wrap___poll_chk(struct pollfd *polls, nfds_t count, int timeout_ms, size_t size);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
ssize_t __wrap_readv(int fd, const struct iovec *iov, int count);
ssize_t __real_readv(int fd, const struct iovec *iov, int count);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *msg, int flags);

/* The next `times` calls fail with `error`. */
struct fault {
    int times;
    int error;
};

static struct {
    struct fault socket, connect, poll, getsockopt, readv, sendmsg;
    in_port_t silent_port; /* connects there never finish */
    int silent_fd;
    bool deaf;              /* poll sees nothing */
    bool interrupt_connect; /* it goes on behind the error */
    size_t cut_sends;       /* most bytes that one sendmsg takes; 0: all */
    size_t least, most;     /* bytes that one was given */
    int good_sends;         /* before the fault of sendmsg */
    int send_flags;
} sys;

static bool fails(struct fault *fault)
{
    if (fault->times == 0) {
        return false;
    }
    fault->times--;
    errno = fault->error;
    return true;
}

int __wrap_socket(int family, int type, int protocol)
{
    return fails(&sys.socket) ? -1 : __real_socket(family, type, protocol);
}

int __wrap_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
    if (fails(&sys.connect)) {
        return -1;
    }
    if (sys.silent_port != 0 &&
        ((const struct sockaddr_in *)(const void *)addr)->sin_port == sys.silent_port) {
        sys.silent_fd = fd;
        errno = EINPROGRESS;
        return -1;
    }
    int result = __real_connect(fd, addr, len);
    if (sys.interrupt_connect) {
        errno = EINTR;
        return -1;
    }
    return result;
}

int __wrap_poll(struct pollfd *polls, nfds_t count, int timeout_ms)
{
    if (fails(&sys.poll)) {
        return -1;
    }
    if (sys.deaf) {
        for (nfds_t i = 0; i < count; i++) {
            polls[i].revents = 0;
        }
        return 0;
    }
    int ready = __real_poll(polls, count, timeout_ms);
    for (nfds_t i = 0; i < count; i++) {
        if (sys.silent_port != 0 && polls[i].fd == sys.silent_fd && polls[i].revents != 0) {
            polls[i].revents = 0;
            ready--;
        }
    }
    return ready;
}

int __wrap___poll_chk(struct pollfd *polls, nfds_t count, int timeout_ms, size_t size)
{
    assert_true(count * sizeof *polls <= size);
    return __wrap_poll(polls, count, timeout_ms);
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    return fails(&sys.getsockopt) ? -1 : __real_getsockopt(fd, level, name, value, len);
}

ssize_t __wrap_readv(int fd, const struct iovec *iov, int count)
{
    return fails(&sys.readv) ? -1 : __real_readv(fd, iov, count);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    sys.send_flags = flags;
    size_t len = 0;
    for (size_t i = 0; i < msg->msg_iovlen; i++) {
        len += msg->msg_iov[i].iov_len;
    }
    sys.least = sys.least == 0 || len < sys.least ? len : sys.least;
    sys.most = len > sys.most ? len : sys.most;
    if (sys.good_sends > 0) {
        sys.good_sends--;
    } else if (fails(&sys.sendmsg)) {
        return -1;
    }
    if (sys.cut_sends > 0) {
        struct iovec cut = {msg->msg_iov[0].iov_base, sys.cut_sends};
        struct msghdr less = {.msg_iov = &cut, .msg_iovlen = 1};
        return __real_sendmsg(fd, &less, flags);
    }
    return __real_sendmsg(fd, msg, flags);
}

/* -- servers and dials -------------------------------------------------------------------------------------
 */

static struct nki_addr any_port(void)
{
    struct nki_addr addr = {.len = sizeof(struct sockaddr_in)};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&addr.addr;
    v4->sin_family = AF_INET;
    v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return addr;
}

static in_port_t port_of(const struct nki_addr *addr)
{
    return ((const struct sockaddr_in *)&addr->addr)->sin_port;
}

/* A bound socket and its address; connects to it are refused until somebody listens. */
static int reserve(struct nki_addr *addr)
{
    *addr = any_port();
    int fd = __real_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr->addr, addr->len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr->addr, &addr->len), 0);
    return fd;
}

static int serve(struct nki_addr *addr)
{
    int fd = reserve(addr);
    assert_int_equal(listen(fd, 16), 0);
    return fd;
}

static struct nki_tcp_dial *dial(const struct nki_addr *list, size_t count, int64_t now_ns)
{
    struct nki_addrs addrs = {.count = count};
    memcpy(addrs.list, list, count * sizeof *list);
    struct nki_tcp_dial *started = nki_tcp_dial_start(&addrs, now_ns, NULL);
    assert_non_null(started);
    return started;
}

/* Steps until there is a result, waiting for the descriptors as the driver does; the clock stands still. */
static int32_t finish(struct nki_tcp_dial *started, int64_t now_ns, struct nki_stream **out,
                      struct nki_error *err)
{
    for (;;) {
        int32_t status = nki_tcp_dial_step(started, now_ns, out, err);
        if (status != NKI_PENDING) {
            return status;
        }
        int fds[NKI_ADDRS_MAX];
        struct pollfd polls[NKI_ADDRS_MAX];
        size_t count = nki_tcp_dial_fds(started, fds);
        assert_true(count > 0);
        for (size_t i = 0; i < count; i++) {
            polls[i] = (struct pollfd){.fd = fds[i], .events = POLLOUT};
        }
        assert_true(__real_poll(polls, count, 10000) > 0);
    }
}

/* A stream and the server's end of it. */
static struct nki_stream *connected(int *peer)
{
    struct nki_addr addr;
    struct nki_stream *stream = NULL;
    int server = serve(&addr);
    struct nki_tcp_dial *started = dial(&addr, 1, 0);
    assert_int_equal(finish(started, 0, &stream, NULL), NKI_OK);
    nki_tcp_dial_free(started);
    *peer = accept4(server, NULL, NULL, SOCK_CLOEXEC);
    assert_true(*peer >= 0);
    close(server);
    return stream;
}

static int wait_for(int fd, short events)
{
    struct pollfd polled = {.fd = fd, .events = events};
    assert_int_equal(__real_poll(&polled, 1, 10000), 1);
    return polled.revents;
}

static ptrdiff_t get(struct nki_stream *stream, void *out, size_t cap)
{
    struct iovec iov = {out, cap};
    return nki_stream_read(stream, &iov, 1);
}

static ptrdiff_t put(struct nki_stream *stream, const char *text)
{
    struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};
    return nki_stream_write(stream, &iov, 1);
}

static int reset(void **state)
{
    (void)state;
    memset(&sys, 0, sizeof sys);
    return 0;
}

/* -- dialling ----------------------------------------------------------------------------------------------
 */

static int int_option(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;
    assert_int_equal(__real_getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

static void test_connects_with_the_promised_options(void **state)
{
    (void)state;
    int peer;
    uint64_t before = nki_alloc_bytes();
    struct nki_stream *stream = connected(&peer);
    assert_int_equal(int_option(stream->fd, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(int_option(stream->fd, SOL_SOCKET, SO_KEEPALIVE), 0);
    assert_true((fcntl(stream->fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_true((fcntl(stream->fd, F_GETFL) & O_NONBLOCK) != 0);
    nki_stream_free(stream);
    close(peer);
    assert_int_equal(nki_alloc_bytes(), before);
}

static void test_refused_starts_the_next_at_once(void **state)
{
    (void)state;
    struct nki_addr addrs[3];
    struct nki_stream *stream = NULL;
    int refusing[2] = {reserve(&addrs[0]), reserve(&addrs[1])};
    int server = serve(&addrs[2]);
    struct nki_tcp_dial *started = dial(addrs, 3, 1000);
    /* The clock stands still, so no stagger ever ends. */
    assert_int_equal(finish(started, 1000, &stream, NULL), NKI_OK);
    nki_tcp_dial_free(started);
    struct nki_addr reached = {.len = sizeof reached.addr};
    assert_int_equal(getpeername(stream->fd, (struct sockaddr *)&reached.addr, &reached.len), 0);
    assert_int_equal(port_of(&reached), port_of(&addrs[2]));
    nki_stream_free(stream);
    close(refusing[0]);
    close(refusing[1]);
    close(server);
}

static void test_all_refused(void **state)
{
    (void)state;
    struct nki_addr addrs[2];
    struct nki_stream *stream = NULL;
    struct nki_error err;
    char port[16];
    int refusing[2] = {reserve(&addrs[0]), reserve(&addrs[1])};
    struct nki_tcp_dial *started = dial(addrs, 2, 0);
    assert_int_equal(finish(started, 0, &stream, &err), NKI_CONNECT_REFUSED);
    assert_null(stream);
    assert_int_equal(err.status, NKI_CONNECT_REFUSED);
    assert_int_equal(err.sys_errno, ECONNREFUSED);
    snprintf(port, sizeof port, "127.0.0.1:%u", (unsigned)ntohs(port_of(&addrs[1])));
    assert_non_null(strstr(err.text, port));
    nki_tcp_dial_free(started);
    close(refusing[0]);
    close(refusing[1]);
}

static void test_silent_address_is_overtaken_when_the_stagger_ends(void **state)
{
    (void)state;
    struct nki_addr addrs[2];
    struct nki_stream *stream = NULL;
    int fds[NKI_ADDRS_MAX];
    int servers[2] = {serve(&addrs[0]), serve(&addrs[1])};
    sys.silent_port = port_of(&addrs[0]);
    int64_t start_ns = 5000;
    struct nki_tcp_dial *started = dial(addrs, 2, start_ns);
    int64_t due_ns = start_ns + NKI_TCP_STAGGER_NS;
    assert_true(nki_tcp_dial_deadline_ns(started) == due_ns);
    assert_int_equal(nki_tcp_dial_step(started, due_ns - 1, &stream, NULL), NKI_PENDING);
    assert_int_equal(nki_tcp_dial_fds(started, fds), 1);
    int silent = fds[0];
    assert_int_equal(silent, sys.silent_fd);
    assert_int_equal(nki_tcp_dial_step(started, due_ns, &stream, NULL), NKI_PENDING);
    assert_int_equal(nki_tcp_dial_fds(started, fds), 2);
    assert_true(nki_tcp_dial_deadline_ns(started) == NKI_NEVER); /* no further address */
    wait_for(fds[1], POLLOUT);
    assert_int_equal(nki_tcp_dial_step(started, due_ns, &stream, NULL), NKI_OK);
    assert_int_equal(stream->fd, fds[1]);
    assert_int_equal(fcntl(silent, F_GETFD), -1); /* the loser is closed */
    assert_int_equal(nki_tcp_dial_fds(started, fds), 0);
    nki_tcp_dial_free(started);
    nki_stream_free(stream);
    close(servers[0]);
    close(servers[1]);
}

static void test_late_refusal_leaves_the_others_alone(void **state)
{
    (void)state;
    struct nki_addr addrs[2];
    struct nki_stream *stream = NULL;
    int fds[NKI_ADDRS_MAX];
    int refusing = reserve(&addrs[0]);
    int server = serve(&addrs[1]);
    sys.deaf = true;
    struct nki_tcp_dial *started = dial(addrs, 2, 0);
    assert_int_equal(nki_tcp_dial_step(started, NKI_TCP_STAGGER_NS, &stream, NULL), NKI_PENDING);
    assert_int_equal(nki_tcp_dial_fds(started, fds), 2);
    sys.deaf = false;
    wait_for(fds[0], POLLOUT);
    wait_for(fds[1], POLLOUT);
    assert_int_equal(nki_tcp_dial_step(started, NKI_TCP_STAGGER_NS, &stream, NULL), NKI_OK);
    assert_int_equal(stream->fd, fds[1]);
    assert_int_equal(fcntl(fds[0], F_GETFD), -1);
    nki_stream_free(stream);
    nki_tcp_dial_free(started);
    close(refusing);
    close(server);
}

static void test_slow_first_address_may_still_win(void **state)
{
    (void)state;
    struct nki_addr addrs[2];
    struct nki_stream *stream = NULL;
    int fds[NKI_ADDRS_MAX];
    int server = serve(&addrs[0]);
    int other = serve(&addrs[1]);
    sys.silent_port = port_of(&addrs[1]);
    struct nki_tcp_dial *started = dial(addrs, 2, 0);
    assert_int_equal(nki_tcp_dial_fds(started, fds), 1);
    /* The second is begun in the same step, if the first has not answered by then. */
    wait_for(fds[0], POLLOUT);
    assert_int_equal(nki_tcp_dial_step(started, NKI_TCP_STAGGER_NS, &stream, NULL), NKI_OK);
    assert_int_equal(stream->fd, fds[0]);
    nki_stream_free(stream);
    nki_tcp_dial_free(started);
    close(server);
    close(other);
}

static void test_free_closes_what_runs(void **state)
{
    (void)state;
    uint64_t before = nki_alloc_bytes();
    struct nki_addr addrs[3];
    int fds[NKI_ADDRS_MAX];
    struct nki_stream *stream = NULL;
    int server = serve(&addrs[0]);
    addrs[1] = addrs[2] = addrs[0];
    sys.silent_port = port_of(&addrs[0]);
    struct nki_tcp_dial *started = dial(addrs, 3, 0);
    assert_int_equal(nki_tcp_dial_fds(started, fds), 1);
    nki_tcp_dial_free(started);
    assert_int_equal(fcntl(fds[0], F_GETFD), -1);
    /* With none left that could be begun. */
    started = dial(addrs, 1, 0);
    assert_int_equal(nki_tcp_dial_step(started, 10 * NKI_TCP_STAGGER_NS, &stream, NULL), NKI_PENDING);
    assert_true(nki_tcp_dial_deadline_ns(started) == NKI_NEVER);
    assert_int_equal(nki_tcp_dial_fds(started, fds), 1);
    nki_tcp_dial_free(started);
    assert_int_equal(fcntl(fds[0], F_GETFD), -1);
    nki_tcp_dial_free(NULL);
    close(server);
    assert_int_equal(nki_alloc_bytes(), before);
}

static void test_addresses_that_fail_at_once_are_passed(void **state)
{
    (void)state;
    struct nki_addr addrs[3];
    struct nki_stream *stream = NULL;
    struct nki_error err;
    int server = serve(&addrs[0]);
    addrs[1] = addrs[2] = addrs[0];
    sys.socket = (struct fault){1, EMFILE};
    sys.connect = (struct fault){1, ENETUNREACH};
    struct nki_tcp_dial *started = dial(addrs, 3, 0);
    assert_int_equal(finish(started, 0, &stream, NULL), NKI_OK);
    nki_stream_free(stream);
    nki_tcp_dial_free(started);

    sys.socket = (struct fault){1, EMFILE};
    sys.connect = (struct fault){2, ENETUNREACH};
    started = dial(addrs, 3, 77);
    assert_true(nki_tcp_dial_deadline_ns(started) <= 77); /* the result is there to be fetched */
    assert_int_equal(nki_tcp_dial_step(started, 77, &stream, &err), NKI_IO);
    assert_int_equal(err.sys_errno, ENETUNREACH);
    nki_tcp_dial_free(started);
    close(server);
}

static void test_interrupted_calls(void **state)
{
    (void)state;
    struct nki_addr addr;
    struct nki_stream *stream = NULL;
    int server = serve(&addr);
    sys.interrupt_connect = true;
    sys.poll = (struct fault){2, EINTR};
    struct nki_tcp_dial *started = dial(&addr, 1, 0);
    assert_int_equal(finish(started, 0, &stream, NULL), NKI_OK);
    nki_stream_free(stream);
    nki_tcp_dial_free(started);
    close(server);
}

static void test_a_system_that_does_not_tell(void **state)
{
    (void)state;
    struct nki_addr addrs[2];
    struct nki_stream *stream = NULL;
    struct nki_error err;
    int server = serve(&addrs[0]);
    addrs[1] = addrs[0];
    sys.poll = (struct fault){1, ENOMEM};
    struct nki_tcp_dial *started = dial(addrs, 1, 0);
    assert_int_equal(finish(started, 0, &stream, &err), NKI_IO);
    assert_int_equal(err.sys_errno, ENOMEM);
    nki_tcp_dial_free(started);
    sys.getsockopt = (struct fault){1, ENOBUFS};
    started = dial(addrs, 2, 0); /* the next address makes up for it */
    assert_int_equal(finish(started, 0, &stream, &err), NKI_OK);
    assert_int_equal(sys.getsockopt.times, 0);
    nki_stream_free(stream);
    nki_tcp_dial_free(started);
    close(server);
}

static void test_ipv6_error_text(void **state)
{
    (void)state;
    struct nki_addr addr = {.len = sizeof(struct sockaddr_in6)};
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&addr.addr;
    struct nki_stream *stream = NULL;
    struct nki_error err;
    v6->sin6_family = AF_INET6;
    v6->sin6_addr = in6addr_loopback;
    v6->sin6_port = htons(4222);
    sys.socket = (struct fault){1, EAFNOSUPPORT}; /* so that machines with and without IPv6 do the same */
    struct nki_tcp_dial *started = dial(&addr, 1, 0);
    assert_int_equal(nki_tcp_dial_step(started, 0, &stream, &err), NKI_IO);
    assert_non_null(strstr(err.text, "[::1]:4222"));
    nki_tcp_dial_free(started);
}

static void test_without_memory(void **state)
{
    (void)state;
    struct nki_addrs addrs = {.count = 1};
    int server = serve(&addrs.list[0]);
    uint64_t before = nki_alloc_bytes();
    for (long nth = 1; refuse_begin(nth); nth++) {
        struct nki_error err = {0};
        struct nki_tcp_dial *started = nki_tcp_dial_start(&addrs, 0, &err);
        assert_int_equal(started == NULL, refuse_happened());
        if (started == NULL) {
            assert_int_equal(err.status, NKI_NO_MEMORY);
        } else {
            /* From here on nothing needs memory. */
            struct nki_stream *stream = NULL;
            atomic_store(&refuse_left, 1);
            assert_int_equal(finish(started, 0, &stream, &err), NKI_OK);
            nki_stream_free(stream);
            atomic_store(&refuse_left, 1);
        }
        nki_tcp_dial_free(started);
        assert_int_equal(nki_alloc_bytes(), before);
    }
    close(server);
}

/* -- the stream --------------------------------------------------------------------------------------------
 */

static void test_carries_bytes_both_ways(void **state)
{
    (void)state;
    int peer;
    char out[32] = "";
    struct nki_stream *stream = connected(&peer);
    assert_int_equal(get(stream, out, sizeof out), NKI_STREAM_AGAIN);
    struct iovec parts[3] = {{(char[]){"PUB "}, 4}, {NULL, 0}, {(char[]){"a 0\r\n"}, 5}};
    assert_int_equal(nki_stream_write(stream, parts, 3), 9);
    assert_int_equal(sys.send_flags & MSG_NOSIGNAL, MSG_NOSIGNAL);
    assert_int_equal(recv(peer, out, 9, MSG_WAITALL), 9);
    assert_memory_equal(out, "PUB a 0\r\n", 9);
    assert_int_equal(send(peer, "PONG\r\n", 6, 0), 6);
    wait_for(stream->fd, POLLIN);
    char a[2], b[16];
    struct iovec rooms[2] = {{a, sizeof a}, {b, sizeof b}};
    assert_int_equal(nki_stream_read(stream, rooms, 2), 6);
    assert_memory_equal(a, "PO", 2);
    assert_memory_equal(b, "NG\r\n", 4);
    nki_stream_free(stream);
    close(peer);
}

/* Describes `len` bytes at `data` by up to 16 parts. */
static int split(struct iovec *parts, uint8_t *data, size_t len)
{
    int count = 0;
    for (size_t part = 0; len > 0; part = part * 3 + 1) {
        part = part < len && count < 15 ? part : len;
        parts[count++] = (struct iovec){data, part};
        data += part;
        len -= part;
    }
    return count;
}

/* What is greater than a packet of the loopback interface goes in pieces of one size, and arrives as it was.
 */
static void test_pieces(void **state)
{
    (void)state;
    static const size_t lens[] = {1, 61440, 61441, 65536 + 26, 131098, 200000, 400000};
    static uint8_t data[400000];
    static uint8_t out[sizeof data];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 7 + i / 251);
    }
    for (size_t row = 0; row < sizeof lens / sizeof lens[0]; row++) {
        int peer;
        size_t len = lens[row];
        size_t got = 0;
        struct iovec parts[16];
        struct nki_stream *stream = connected(&peer);
        for (size_t sent = 0; sent < len || got < len;) {
            sys.least = sys.most = 0;
            ptrdiff_t n =
                sent < len ? nki_stream_write(stream, parts, split(parts, data + sent, len - sent)) : 0;
            assert_true(n >= 0 || n == NKI_STREAM_AGAIN);
            assert_in_range(sys.most, 0, 61440);
            assert_in_range(sys.most - sys.least, 0, 7);
            sent += n > 0 ? (size_t)n : 0;
            wait_for(peer, POLLIN);
            ssize_t more = recv(peer, out + got, len - got, MSG_DONTWAIT);
            got += more > 0 ? (size_t)more : 0;
        }
        assert_memory_equal(out, data, len);
        nki_stream_free(stream);
        close(peer);
    }
}

/* What went before a piece that does not go counts as written; the next write tells why. */
static void test_a_piece_that_does_not_go(void **state)
{
    (void)state;
    static const struct {
        int error;
        ptrdiff_t told;
    } rows[] = {{EAGAIN, NKI_STREAM_AGAIN}, {EPIPE, NKI_STREAM_ERROR}};
    static char data[100000];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int peer;
        struct nki_stream *stream = connected(&peer);
        struct iovec iov = {data, sizeof data};
        sys.good_sends = 1;
        sys.sendmsg = (struct fault){2, rows[i].error};
        assert_int_equal(nki_stream_write(stream, &iov, 1), 50000);
        assert_int_equal(nki_stream_write(stream, &iov, 1), rows[i].told);
        nki_stream_free(stream);
        close(peer);
    }
}

static void test_full_socket_says_again(void **state)
{
    (void)state;
    static char block[256 * 1024];
    int peer;
    size_t sent = 0;
    size_t received = 0;
    ptrdiff_t n;
    struct nki_stream *stream = connected(&peer);
    struct iovec iov = {block, sizeof block};
    while ((n = nki_stream_write(stream, &iov, 1)) > 0) {
        sent += (size_t)n;
    }
    assert_int_equal(n, NKI_STREAM_AGAIN);
    while (received < sent) {
        ssize_t got = recv(peer, block, sizeof block, 0);
        assert_true(got > 0);
        received += (size_t)got;
    }
    wait_for(stream->fd, POLLOUT);
    assert_true(nki_stream_write(stream, &iov, 1) > 0);
    nki_stream_free(stream);
    close(peer);
}

static void test_end_of_the_other_side(void **state)
{
    (void)state;
    int peer;
    char out[8];
    struct nki_stream *stream = connected(&peer);
    assert_int_equal(send(peer, "bye", 3, 0), 3);
    close(peer);
    wait_for(stream->fd, POLLIN);
    assert_int_equal(get(stream, out, sizeof out), 3);
    wait_for(stream->fd, POLLIN);
    assert_int_equal(get(stream, out, sizeof out), NKI_STREAM_EOF);
    /* The first write is answered by a reset; a later one fails, and no signal ends the program. */
    ptrdiff_t n = put(stream, "x");
    assert_int_equal(n, 1);
    wait_for(stream->fd, POLLERR);
    n = put(stream, "x");
    assert_int_equal(n, NKI_STREAM_ERROR);
    assert_true(stream->sys_errno == EPIPE || stream->sys_errno == ECONNRESET);
    nki_stream_free(stream);
}

static void test_reset_by_the_other_side(void **state)
{
    (void)state;
    int peer;
    char out[8];
    struct nki_stream *stream = connected(&peer);
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
    close(peer);
    wait_for(stream->fd, POLLIN);
    assert_int_equal(get(stream, out, sizeof out), NKI_STREAM_ERROR);
    assert_int_equal(stream->sys_errno, ECONNRESET);
    nki_stream_free(stream);
}

static void test_faults_of_the_socket(void **state)
{
    (void)state;
    int peer;
    char out[8];
    struct nki_stream *stream = connected(&peer);
    assert_int_equal(send(peer, "abc", 3, 0), 3);
    wait_for(stream->fd, POLLIN);
    sys.readv = (struct fault){3, EINTR};
    assert_int_equal(get(stream, out, sizeof out), 3);
    sys.readv = (struct fault){1, EAGAIN};
    assert_int_equal(get(stream, out, sizeof out), NKI_STREAM_AGAIN);
    sys.readv = (struct fault){1, ETIMEDOUT};
    assert_int_equal(get(stream, out, sizeof out), NKI_STREAM_ERROR);
    assert_int_equal(stream->sys_errno, ETIMEDOUT);
    sys.sendmsg = (struct fault){3, EINTR};
    sys.cut_sends = 2;
    assert_int_equal(put(stream, "abcdef"), 2);
    sys.sendmsg = (struct fault){1, EWOULDBLOCK};
    assert_int_equal(put(stream, "cdef"), NKI_STREAM_AGAIN);
    sys.sendmsg = (struct fault){1, EHOSTUNREACH};
    assert_int_equal(put(stream, "cdef"), NKI_STREAM_ERROR);
    assert_int_equal(stream->sys_errno, EHOSTUNREACH);
    nki_stream_free(stream);
    close(peer);
}

static void test_shutdown_wakes_and_keeps_the_descriptor(void **state)
{
    (void)state;
    int peer;
    char out[8];
    struct nki_stream *stream = connected(&peer);
    int fd = stream->fd;
    nki_stream_shutdown(stream);
    nki_stream_shutdown(stream);
    assert_true((wait_for(fd, POLLIN) & POLLIN) != 0);
    assert_int_equal(get(stream, out, sizeof out), NKI_STREAM_EOF);
    assert_int_equal(put(stream, "x"), NKI_STREAM_ERROR);
    assert_int_equal(stream->sys_errno, EPIPE);
    assert_int_not_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(recv(peer, out, sizeof out, 0), 0);
    nki_stream_free(stream);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    close(peer);
}

static void test_free_ends_the_connection_despite_copies(void **state)
{
    (void)state;
    int peer;
    char out[8];
    struct nki_stream *stream = connected(&peer);
    int copy = dup(stream->fd); /* as a forked child holds one */
    nki_stream_free(stream);
    assert_true((wait_for(peer, POLLIN) & POLLIN) != 0);
    assert_int_equal(recv(peer, out, sizeof out, MSG_DONTWAIT), 0);
    close(copy);
    close(peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_connects_with_the_promised_options, reset),
        cmocka_unit_test_setup(test_refused_starts_the_next_at_once, reset),
        cmocka_unit_test_setup(test_all_refused, reset),
        cmocka_unit_test_setup(test_silent_address_is_overtaken_when_the_stagger_ends, reset),
        cmocka_unit_test_setup(test_late_refusal_leaves_the_others_alone, reset),
        cmocka_unit_test_setup(test_slow_first_address_may_still_win, reset),
        cmocka_unit_test_setup(test_free_closes_what_runs, reset),
        cmocka_unit_test_setup(test_addresses_that_fail_at_once_are_passed, reset),
        cmocka_unit_test_setup(test_interrupted_calls, reset),
        cmocka_unit_test_setup(test_a_system_that_does_not_tell, reset),
        cmocka_unit_test_setup(test_ipv6_error_text, reset),
        cmocka_unit_test_setup(test_without_memory, reset),
        cmocka_unit_test_setup(test_carries_bytes_both_ways, reset),
        cmocka_unit_test_setup(test_pieces, reset),
        cmocka_unit_test_setup(test_a_piece_that_does_not_go, reset),
        cmocka_unit_test_setup(test_full_socket_says_again, reset),
        cmocka_unit_test_setup(test_end_of_the_other_side, reset),
        cmocka_unit_test_setup(test_reset_by_the_other_side, reset),
        cmocka_unit_test_setup(test_faults_of_the_socket, reset),
        cmocka_unit_test_setup(test_shutdown_wakes_and_keeps_the_descriptor, reset),
        cmocka_unit_test_setup(test_free_ends_the_connection_despite_copies, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
