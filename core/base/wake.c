/* An eventfd as the descriptor that wakes a poll. raise from any thread, clear from the one that polls. */
#include "base/wake.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

int nki_wake_open(void)
{
    return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void nki_wake_raise(int fd)
{
    uint64_t one = 1;
    ssize_t written;
    do {
        written = write(fd, &one, sizeof one);
    } while (written < 0 && errno == EINTR);
    /* EAGAIN: the counter is full, so it is readable already. */
    assert(written == (ssize_t)sizeof one || errno == EAGAIN);
}

void nki_wake_clear(int fd)
{
    uint64_t count;
    ssize_t taken;
    do {
        taken = read(fd, &count, sizeof count);
    } while (taken < 0 && errno == EINTR);
    /* EAGAIN: nobody had raised it. */
    assert(taken == (ssize_t)sizeof count || errno == EAGAIN);
}

int nki_wake_any_open(void)
{
    return epoll_create1(EPOLL_CLOEXEC);
}

bool nki_wake_any_add(int any, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    return epoll_ctl(any, EPOLL_CTL_ADD, fd, &event) == 0;
}

void nki_wake_any_remove(int any, int fd)
{
    (void)epoll_ctl(any, EPOLL_CTL_DEL, fd, NULL);
}
