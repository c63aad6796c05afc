/* natskit beside other descriptors in one epoll loop of one thread: a service answers, requests are sent at
 * each tick of a timer. */
#include "example.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define REQUESTS 5
#define RECORDS 16

static int ticks;
static int replies;

static void answer_all(natskit_sub service)
{
    natskit_msg *msg;
    while (natskit_sub_next(service, 0, &msg) == NATSKIT_OK) {
        check(natskit_msg_respond(msg, no_headers, "pong", 4, 1000), "respond");
        natskit_msg_release(msg);
    }
    /* The take that found nothing has armed the subscription again. */
}

static void finish(uint64_t request)
{
    natskit_op op = {request};
    natskit_msg *reply;
    check(natskit_op_take_msg(op, &reply), "request");
    natskit_message_view view;
    check(natskit_msg_view(reply, &view, sizeof view), "view");
    printf("reply %d: %.*s\n", ++replies, (int)view.data_len, (const char *)view.data);
    natskit_msg_release(reply);
    natskit_op_close(op);
}

/* The descriptor of the waitset is readable: takes all that is ready. */
static void take_ready(natskit_waitset waitset, natskit_sub service)
{
    natskit_ready ready[RECORDS];
    size_t count = 0;
    while (natskit_waitset_wait(waitset, ready, sizeof ready[0], RECORDS, 0, &count) == NATSKIT_OK) {
        for (size_t i = 0; i < count; i++) {
            if (ready[i].kind == NATSKIT_KIND_OP) {
                finish(ready[i].object);
            } else {
                answer_all(service);
            }
        }
    }
}

static void ask(natskit_conn conn, natskit_waitset waitset)
{
    natskit_op op;
    check(natskit_request_start(conn, "example.epoll", NATSKIT_ZLEN, no_headers, "ping", 4, no_options, 5000,
                                &op, NULL),
          "request");
    check(natskit_waitset_add(waitset, op.id, 0), "add");
}

static void watch(int loop, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) != 0) {
        perror("epoll_ctl");
        exit(1);
    }
}

int main(void)
{
    natskit_conn conn = connect_or_exit();
    natskit_sub service = subscribe_or_exit(conn, "example.epoll", NULL);
    natskit_waitset waitset;
    int32_t nats_fd;
    check(natskit_waitset_open(&waitset), "waitset");
    check(natskit_waitset_fd(waitset, &nats_fd), "fd");
    check(natskit_waitset_add(waitset, service.id, 0), "add");

    const struct itimerspec tick = {.it_interval.tv_nsec = 10000000, .it_value.tv_nsec = 10000000};
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    int loop = epoll_create1(EPOLL_CLOEXEC);
    if (timer < 0 || loop < 0 || timerfd_settime(timer, 0, &tick, NULL) != 0) {
        perror("timerfd, epoll");
        return 1;
    }
    watch(loop, timer);
    watch(loop, nats_fd);

    while (replies < REQUESTS) {
        struct epoll_event events[2];
        int count = epoll_wait(loop, events, 2, -1);
        for (int i = 0; i < count; i++) {
            uint64_t expired;
            if (events[i].data.fd == nats_fd) {
                take_ready(waitset, service);
            } else if (read(timer, &expired, sizeof expired) == sizeof expired && ticks++ < REQUESTS) {
                ask(conn, waitset);
            }
        }
    }
    printf("epoll: %d replies in one thread\n", replies);

    close(loop);
    close(timer);
    natskit_waitset_close(waitset);
    natskit_sub_close(service);
    check(natskit_conn_close(conn, 1000), "close");
    return 0;
}
