/* Connecting by TCP to one of several addresses, each begun a little after the one before it, and the stream
 * over the first that answers. The dial is used under the connection's engine lock; the stream's threads are
 * those of net/stream.h. */
#include "net/tcp.h"

#include "base/alloc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

/* A write is cut into equal pieces of at most this: one just over 64 KiB leaves a packet of some bytes behind
 * on a loopback interface, for which the receiver is woken once more (decision 0011 has the measurements). */
#define PIECE_MAX ((size_t)60 * NKI_KIB)
#define PIECE_IOVS 16 /* a piece of more parts is shorter */

/* -- the stream --------------------------------------------------------------------------------------------
 */

static ptrdiff_t failed(struct nki_stream *stream)
{
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return NKI_STREAM_AGAIN;
    }
    stream->sys_errno = errno;
    return NKI_STREAM_ERROR;
}

static ptrdiff_t tcp_read(struct nki_stream *stream, const struct iovec *iov, int count)
{
    ssize_t got;
    assert(count > 0 && count <= IOV_MAX);
    do {
        got = readv(stream->fd, iov, count);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return failed(stream);
    }
    return got > 0 ? got : NKI_STREAM_EOF;
}

/* Up to `most` bytes, from `skip` on. */
static ssize_t send_piece(int fd, const struct iovec *iov, int count, size_t skip, size_t most)
{
    struct iovec part[PIECE_IOVS] NKI_UNINIT;
    size_t parts = 0;
    for (int i = 0; i < count && most > 0 && parts < PIECE_IOVS; i++) {
        if (skip >= iov[i].iov_len) {
            skip -= iov[i].iov_len;
            continue;
        }
        size_t len = iov[i].iov_len - skip;
        len = len < most ? len : most;
        part[parts++] = (struct iovec){(uint8_t *)iov[i].iov_base + skip, len};
        skip = 0;
        most -= len;
    }
    struct msghdr msg = {.msg_iov = part, .msg_iovlen = parts};
    ssize_t sent;
    do {
        sent = sendmsg(fd, &msg, MSG_NOSIGNAL); /* SIGPIPE is the host's */
    } while (sent < 0 && errno == EINTR);
    return sent;
}

static ptrdiff_t tcp_write(struct nki_stream *stream, const struct iovec *iov, int count)
{
    size_t len = 0;
    assert(count > 0 && count <= IOV_MAX);
    for (int i = 0; i < count; i++) {
        len += iov[i].iov_len;
    }
    size_t pieces = (len + PIECE_MAX - 1) / PIECE_MAX;
    size_t piece = pieces > 1 ? (len + pieces - 1) / pieces : len;
    size_t done = 0;
    do {
        ssize_t sent = send_piece(stream->fd, iov, count, done, piece);
        if (sent < 0) {
            return done > 0 ? (ptrdiff_t)done : failed(stream);
        }
        done += (size_t)sent;
        if ((size_t)sent < piece) {
            break;
        }
    } while (done < len);
    return (ptrdiff_t)done;
}

static void tcp_shutdown(struct nki_stream *stream)
{
    (void)shutdown(stream->fd, SHUT_RDWR); /* ENOTCONN: the other side was faster */
}

static void tcp_free(struct nki_stream *stream)
{
    /* A forked child may hold a copy of the descriptor, so that closing alone would not end the connection.
     */
    (void)shutdown(stream->fd, SHUT_RDWR);
    (void)close(stream->fd);
    nki_free(stream);
}

static const struct nki_stream_ops tcp_ops = {tcp_read, tcp_write, tcp_shutdown, tcp_free, NULL};

/* -- the dial ----------------------------------------------------------------------------------------------
 */

struct trial {
    int fd;
    size_t addr; /* index of its address */
};

struct nki_tcp_dial {
    struct nki_addrs addrs;
    size_t next;                        /* first address that was not tried yet */
    struct trial trials[NKI_ADDRS_MAX]; /* connects that run */
    size_t running;
    int64_t next_ns; /* when the next address is due */
    int last_errno;  /* of the address that failed last */
    size_t last_addr;
    struct nki_stream *stream; /* made beforehand, so that success cannot fail for memory */
};

static void note_failure(struct nki_tcp_dial *dial, size_t addr, int sys_errno)
{
    dial->last_addr = addr;
    dial->last_errno = sys_errno;
}

/* A socket that is connected or connecting; -1 with errno. */
static int connect_to(const struct nki_addr *addr)
{
    int fd = socket(addr->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    /* After EINTR the connect goes on by itself, as after EINPROGRESS. */
    if (connect(fd, (const struct sockaddr *)&addr->addr, addr->len) != 0 && errno != EINPROGRESS &&
        errno != EINTR) {
        int sys_errno = errno;
        (void)close(fd);
        errno = sys_errno;
        return -1;
    }
    return fd;
}

/* Begins with the next address that does not fail at once. */
static void begin_next(struct nki_tcp_dial *dial, int64_t now_ns)
{
    dial->next_ns = now_ns;
    while (dial->next < dial->addrs.count) {
        size_t addr = dial->next++;
        int fd = connect_to(&dial->addrs.list[addr]);
        if (fd >= 0) {
            dial->trials[dial->running++] = (struct trial){fd, addr};
            dial->next_ns = now_ns + NKI_TCP_STAGGER_NS;
            return;
        }
        note_failure(dial, addr, errno);
    }
}

struct nki_tcp_dial *nki_tcp_dial_start(const struct nki_addrs *addrs, int64_t now_ns, struct nki_error *err)
{
    assert(addrs->count > 0 && addrs->count <= NKI_ADDRS_MAX);
    struct nki_tcp_dial *dial = nki_calloc(1, sizeof *dial);
    struct nki_stream *stream = nki_calloc(1, sizeof *stream);
    if (dial == NULL || stream == NULL) {
        nki_free(dial);
        nki_free(stream);
        nki_error_set(err, NKI_NO_MEMORY, NULL);
        return NULL;
    }
    stream->ops = &tcp_ops;
    dial->stream = stream;
    dial->addrs = *addrs;
    begin_next(dial, now_ns);
    return dial;
}

size_t nki_tcp_dial_fds(const struct nki_tcp_dial *dial, int *fds)
{
    for (size_t i = 0; i < dial->running; i++) {
        fds[i] = dial->trials[i].fd;
    }
    return dial->running;
}

int64_t nki_tcp_dial_deadline_ns(const struct nki_tcp_dial *dial)
{
    /* With nothing left that runs, the step has a result to tell: due at once. */
    return dial->next < dial->addrs.count || dial->running == 0 ? dial->next_ns : NKI_NEVER;
}

static void remove_trial(struct nki_tcp_dial *dial, size_t index)
{
    dial->running--;
    for (size_t i = index; i < dial->running; i++) {
        dial->trials[i] = dial->trials[i + 1];
    }
}

static void close_trials(struct nki_tcp_dial *dial)
{
    for (size_t i = 0; i < dial->running; i++) {
        (void)close(dial->trials[i].fd);
    }
    dial->running = 0;
}

/* The descriptor of the first connect that succeeded, now the caller's, or -1. Those that failed are closed;
 * *refused tells that there were some. */
static int look(struct nki_tcp_dial *dial, bool *refused)
{
    struct pollfd polls[NKI_ADDRS_MAX];
    size_t count = dial->running;
    for (size_t i = 0; i < count; i++) {
        polls[i] = (struct pollfd){.fd = dial->trials[i].fd, .events = POLLOUT};
    }
    int ready;
    do {
        ready = poll(polls, count, 0);
    } while (ready < 0 && errno == EINTR);
    if (ready < 0) {
        /* Without poll nothing can be learned of any of them. */
        note_failure(dial, dial->trials[0].addr, errno);
        close_trials(dial);
        *refused = true;
        return -1;
    }
    for (size_t i = 0, at = 0; i < count; i++) {
        int sys_errno = 0;
        socklen_t len = sizeof sys_errno;
        if (polls[i].revents == 0) {
            at++;
            continue;
        }
        if (getsockopt(polls[i].fd, SOL_SOCKET, SO_ERROR, &sys_errno, &len) != 0) {
            sys_errno = errno;
        }
        struct trial trial = dial->trials[at];
        remove_trial(dial, at);
        if (sys_errno == 0) {
            return trial.fd;
        }
        note_failure(dial, trial.addr, sys_errno);
        (void)close(trial.fd);
        *refused = true;
    }
    return -1;
}

static void addr_text(const struct nki_addr *addr, char *out, size_t cap)
{
    char host[INET6_ADDRSTRLEN] = "?";
    bool six = addr->addr.ss_family == AF_INET6;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&addr->addr;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&addr->addr;
    (void)inet_ntop(six ? AF_INET6 : AF_INET, six ? (const void *)&v6->sin6_addr : &v4->sin_addr, host,
                    sizeof host);
    (void)snprintf(out, cap, six ? "[%s]:%u" : "%s:%u", host,
                   (unsigned)ntohs(six ? v6->sin6_port : v4->sin_port));
}

static int32_t give_up(const struct nki_tcp_dial *dial, struct nki_error *err)
{
    char where[INET6_ADDRSTRLEN + 8];
    int32_t status = dial->last_errno == ECONNREFUSED ? NKI_CONNECT_REFUSED : NKI_IO;
    addr_text(&dial->addrs.list[dial->last_addr], where, sizeof where);
    return nki_error_set_errno(err, status, dial->last_errno, "cannot connect to %s", where);
}

int32_t nki_tcp_dial_step(struct nki_tcp_dial *dial, int64_t now_ns, struct nki_stream **out,
                          struct nki_error *err)
{
    bool refused = false;
    assert(dial->stream != NULL);
    int fd = dial->running > 0 ? look(dial, &refused) : -1;
    if (fd >= 0) {
        int one = 1;
        /* Refused only for a socket that is dead already, which its first use will tell. */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        close_trials(dial);
        dial->stream->fd = fd;
        *out = dial->stream;
        dial->stream = NULL;
        return NKI_OK;
    }
    if (refused || now_ns >= dial->next_ns) {
        begin_next(dial, now_ns);
    }
    return dial->running > 0 ? NKI_PENDING : give_up(dial, err);
}

void nki_tcp_dial_free(struct nki_tcp_dial *dial)
{
    if (dial != NULL) {
        close_trials(dial);
        nki_free(dial->stream);
        nki_free(dial);
    }
}
