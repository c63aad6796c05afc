/* The I/O thread: one for the process, drives any number of connections. It touches no file and no descriptor
 * of the caller's, and gives each connection one turn at a time.
 *
 * Locks: loop.mu guards the lists of connections and the thread's life; it is taken alone or under an engine
 * lock, and nothing is taken under it. Only the thread drops the loop's reference of a connection: an event
 * of one that somebody else has hung up may be in its hands already. */
#include "client/driver.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/wake.h"
#include "base/worker.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_PER_TURN 64
#define SHORT_NS NKI_NS_PER_MS
/* For so long, or until there are so many, connections that have ended keep their memory: the thread is woken
 * for all of them at once. */
#define DROP_NS (10 * NKI_NS_PER_MS)
#define DROP_COUNT 16

static struct {
    pthread_mutex_t mu;
    pthread_cond_t ended;
    bool cond_ready;
    /* guarded by mu */
    bool running;
    bool stop;
    bool awake; /* the thread will look at `posted` and `timers` before it sleeps */
    struct nki_list posted;
    struct nki_list live;
    struct nki_list timers;  /* sorted; most are pings, which belong at the end, so this needs no heap */
    struct nki_list retired; /* to be dropped, by their timer_node */
    unsigned retired_count;  /* since it was empty */
    int64_t drop_ns;         /* when they are; NKI_NEVER without one */
    int64_t sleeps_ns;       /* until when the thread sleeps, unless it is awake */
    int asking;              /* questions to the helper that are open */
    pthread_t thread;

    int epoll_fd; /* constant while the thread runs */
    int wake_fd;

    uint8_t *buffer; /* the thread's own */
} loop = {.mu = PTHREAD_MUTEX_INITIALIZER};

uint8_t *nki_loop_buffer(void)
{
    return loop.buffer;
}

int nki_loop_wake_fd(void)
{
    return loop.wake_fd;
}

static int control(struct nki_conn *conn, int op, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = conn};
    return epoll_ctl(loop.epoll_fd, op, fd, &event) == 0 ? 0 : errno;
}

bool nki_loop_watch(struct nki_conn *conn, int fd, uint32_t events, struct nki_error *err)
{
    int code = control(conn, EPOLL_CTL_ADD, fd, events);
    if (code != 0) {
        nki_error_set_errno(err, code == ENOMEM ? NKI_NO_MEMORY : NKI_SYSTEM, code,
                            "cannot wait for a socket");
    }
    return code == 0;
}

void nki_loop_change(struct nki_conn *conn, int fd, uint32_t events)
{
    (void)control(conn, EPOLL_CTL_MOD, fd, events); /* needs nothing that could lack */
}

void nki_loop_unwatch(struct nki_conn *conn, int fd)
{
    (void)control(conn, EPOLL_CTL_DEL, fd, 0);
}

void nki_loop_asking(struct nki_conn *conn, int more)
{
    pthread_mutex_lock(&loop.mu);
    conn->asking += more;
    loop.asking += more;
    pthread_mutex_unlock(&loop.mu);
}

/* With mu held. */
static void wake(void)
{
    if (!loop.awake) {
        loop.awake = true;
        nki_wake_raise(loop.wake_fd);
    }
}

static int64_t time_of(struct nki_list *timer)
{
    return NKI_CONTAINER_OF(timer, struct nki_conn, timer_node)->timer_ns;
}

/* With mu held. */
static int64_t next_due_ns(void)
{
    int64_t at_ns = loop.drop_ns;
    bool timer = !nki_list_empty(&loop.timers) && time_of(loop.timers.next) < at_ns;
    return timer ? time_of(loop.timers.next) : at_ns;
}

/* The timer before which one for this time belongs, behind its equals; looked for from the nearer end: most
 * are pings in minutes, or something within milliseconds. With mu held. */
static struct nki_list *timer_after(int64_t at_ns)
{
    struct nki_list *timers = &loop.timers;
    struct nki_list *at = timers->next;
    if (at == timers || at_ns - time_of(at) < time_of(timers->prev) - at_ns) {
        while (at != timers && time_of(at) <= at_ns) {
            at = at->next;
        }
        return at;
    }
    at = timers->prev;
    while (at != timers && time_of(at) > at_ns) {
        at = at->prev;
    }
    return at->next;
}

/* With mu held. */
static void arm(struct nki_conn *conn, int64_t at_ns)
{
    nki_list_remove(&conn->timer_node);
    conn->timer_ns = at_ns;
    if (at_ns != NKI_NEVER && !nki_list_empty(&conn->live_node)) {
        nki_list_append(timer_after(at_ns), &conn->timer_node);
        if (at_ns < loop.sleeps_ns) {
            wake();
        }
    }
}

void nki_loop_arm(struct nki_conn *conn, int64_t at_ns)
{
    pthread_mutex_lock(&loop.mu);
    arm(conn, at_ns);
    pthread_mutex_unlock(&loop.mu);
}

void nki_loop_post(struct nki_conn *conn)
{
    pthread_mutex_lock(&loop.mu);
    if (!conn->posted && !nki_list_empty(&conn->live_node)) { /* as long as it is in there the thread runs */
        conn->posted = true;
        nki_conn_retain(conn);
        nki_list_append(&loop.posted, &conn->post_node);
        wake();
    }
    pthread_mutex_unlock(&loop.mu);
}

void nki_loop_retire(struct nki_conn *conn, int64_t now_ns)
{
    pthread_mutex_lock(&loop.mu);
    arm(conn, NKI_NEVER);
    if (!nki_list_empty(&conn->live_node)) {
        nki_list_append(&loop.retired, &conn->timer_node);
        loop.retired_count++;
        if (loop.stop || loop.retired_count >= DROP_COUNT) {
            loop.drop_ns = now_ns;
        } else if (loop.drop_ns == NKI_NEVER) {
            loop.drop_ns = now_ns + DROP_NS;
        }
        if (loop.drop_ns < loop.sleeps_ns) {
            wake();
        }
    }
    pthread_mutex_unlock(&loop.mu);
}

/* Puts a connection on the list of those to be looked at, once; the list holds a reference. */
static void run_soon(struct nki_list *run, struct nki_conn *conn)
{
    if (nki_list_empty(&conn->run_node)) {
        nki_conn_retain(conn);
        nki_list_append(run, &conn->run_node);
    }
}

/* With mu held. */
static void take_due(struct nki_list *run, int64_t now_ns)
{
    if (loop.drop_ns <= now_ns) {
        while (!nki_list_empty(&loop.retired)) {
            struct nki_conn *conn = NKI_CONTAINER_OF(loop.retired.next, struct nki_conn, timer_node);
            nki_list_remove(&conn->timer_node);
            run_soon(run, conn);
        }
        loop.retired_count = 0;
        loop.drop_ns = NKI_NEVER;
    }
    while (next_due_ns() <= now_ns) {
        struct nki_conn *conn = NKI_CONTAINER_OF(loop.timers.next, struct nki_conn, timer_node);
        nki_list_remove(&conn->timer_node);
        run_soon(run, conn);
    }
}

/* The helper raised the wake descriptor, perhaps: those who asked look. With mu held. */
static void take_asking(struct nki_list *run)
{
    for (struct nki_list *at = loop.live.next; loop.asking > 0 && at != &loop.live; at = at->next) {
        struct nki_conn *conn = NKI_CONTAINER_OF(at, struct nki_conn, live_node);
        if (conn->asking > 0) {
            run_soon(run, conn);
        }
    }
}

/* With mu held. */
static void take_events(struct nki_list *run, const struct epoll_event *events, int count)
{
    for (int i = 0; i < count; i++) {
        struct nki_conn *conn = events[i].data.ptr;
        if (conn == NULL) {
            nki_wake_clear(loop.wake_fd);
            take_asking(run);
        } else {
            conn->io_ready = true;
            conn->io_writable |= (events[i].events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0;
            run_soon(run, conn);
        }
    }
}

/* With mu held. */
static void take_posted(struct nki_list *run)
{
    while (!nki_list_empty(&loop.posted)) {
        struct nki_conn *conn = NKI_CONTAINER_OF(loop.posted.next, struct nki_conn, post_node);
        nki_list_remove(&conn->post_node);
        conn->posted = false;
        if (nki_list_empty(&conn->run_node)) {
            nki_list_append(run, &conn->run_node); /* with the reference of the post */
        } else {
            nki_conn_release(conn);
        }
    }
}

/* Puts the connections that something has come for, or whose time has come, on the run list. */
static void take(struct nki_list *run, const struct epoll_event *events, int count)
{
    int64_t now_ns = nki_clock_now_ns();
    pthread_mutex_lock(&loop.mu);
    loop.awake = true;
    take_events(run, events, count);
    take_posted(run);
    take_due(run, now_ns);
    pthread_mutex_unlock(&loop.mu);
}

/* The connection has ended. */
static void drop(struct nki_conn *conn)
{
    pthread_mutex_lock(&loop.mu);
    bool live = !nki_list_empty(&conn->live_node);
    nki_list_remove(&conn->live_node);
    nki_list_remove(&conn->timer_node);
    pthread_mutex_unlock(&loop.mu);
    if (live) {
        nki_conn_release(conn); /* of the loop */
    }
}

static void run_all(struct nki_list *run)
{
    while (!nki_list_empty(run)) {
        struct nki_conn *conn = NKI_CONTAINER_OF(run->next, struct nki_conn, run_node);
        nki_list_remove(&conn->run_node);
        if (!nki_driver_service(conn)) {
            drop(conn);
        }
        nki_conn_release(conn); /* of the run list */
    }
}

/* Until when the thread may sleep; what is posted or due earlier raises the wake descriptor then. */
static int64_t may_sleep_until(bool *stop)
{
    pthread_mutex_lock(&loop.mu);
    bool empty = nki_list_empty(&loop.posted);
    if (empty) {
        loop.awake = false;
        loop.sleeps_ns = next_due_ns();
    }
    *stop = loop.stop && empty && nki_list_empty(&loop.live);
    int64_t until_ns = empty ? loop.sleeps_ns : 0;
    pthread_mutex_unlock(&loop.mu);
    return until_ns;
}

/* Times below a millisecond want a call that kernels before 5.11 do not have. */
static int wait_until(struct epoll_event *events, int64_t at_ns)
{
    int64_t now_ns = nki_clock_now_ns();
    int64_t left_ns = at_ns > now_ns ? at_ns - now_ns : 0;
    if (left_ns > 0 && left_ns < SHORT_NS) {
        struct timespec left = {.tv_nsec = (long)left_ns};
        int count = epoll_pwait2(loop.epoll_fd, events, EVENTS_PER_TURN, &left, NULL);
        if (count >= 0 || errno != ENOSYS) {
            return count;
        }
    }
    return epoll_wait(loop.epoll_fd, events, EVENTS_PER_TURN, nki_deadline_poll_ms(now_ns, at_ns));
}

static void *run_loop(void *arg)
{
    (void)arg;
    struct nki_list run;
    nki_list_init(&run);
    bool stop = false;
    struct epoll_event events[EVENTS_PER_TURN];
    int count = 0;
    for (;;) {
        take(&run, events, count);
        run_all(&run);
        int64_t until_ns = may_sleep_until(&stop);
        if (stop) {
            break;
        }
        count = wait_until(events, until_ns);
    }
    close(loop.epoll_fd);
    close(loop.wake_fd);
    nki_driver_buffer_give(loop.buffer);
    pthread_mutex_lock(&loop.mu);
    loop.running = false;
    pthread_cond_broadcast(&loop.ended);
    pthread_mutex_unlock(&loop.mu);
    return NULL;
}

static void release_parts(void)
{
    if (loop.epoll_fd >= 0) {
        close(loop.epoll_fd);
    }
    if (loop.wake_fd >= 0) {
        close(loop.wake_fd);
    }
    nki_driver_buffer_give(loop.buffer);
    loop.buffer = NULL;
}

/* With mu held. 0 or an errno. */
static int start_thread(void)
{
    if (!loop.cond_ready) {
        int code = nki_cond_init(&loop.ended);
        if (code != 0) {
            return code;
        }
        loop.cond_ready = true;
    }
    loop.buffer = nki_driver_buffer_take();
    loop.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop.wake_fd = nki_wake_open();
    int code = loop.buffer == NULL ? ENOMEM : loop.epoll_fd < 0 || loop.wake_fd < 0 ? errno : 0;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (code == 0 && epoll_ctl(loop.epoll_fd, EPOLL_CTL_ADD, loop.wake_fd, &event) != 0) {
        code = errno;
    }
    nki_list_init(&loop.posted);
    nki_list_init(&loop.live);
    nki_list_init(&loop.timers);
    nki_list_init(&loop.retired);
    loop.retired_count = 0;
    loop.drop_ns = NKI_NEVER;
    loop.asking = 0;
    loop.stop = false;
    loop.awake = true;
    if (code == 0) {
        code = nki_thread_start(&loop.thread, "natskit-io", run_loop, NULL);
    }
    if (code != 0) {
        release_parts();
    }
    loop.running = code == 0;
    return code;
}

int32_t nki_loop_add(struct nki_conn *conn, struct nki_error *err)
{
    int code = 0;
    pthread_mutex_lock(&loop.mu);
    bool stopping = loop.stop;
    if (!stopping && !loop.running) {
        code = start_thread();
    }
    if (!stopping && code == 0) {
        nki_conn_retain(conn); /* the loop's, until the connection has ended */
        nki_list_append(&loop.live, &conn->live_node);
    }
    pthread_mutex_unlock(&loop.mu);
    if (stopping) {
        return nki_error_set(err, NKI_SHUTDOWN, NULL);
    }
    if (code != 0) {
        return nki_error_set_errno(err, code == ENOMEM ? NKI_NO_MEMORY : NKI_SYSTEM, code, "no I/O thread");
    }
    return NKI_OK;
}

/* With mu held: the thread was told to stop. False if the deadline passed before it did. */
static bool join_thread(int64_t deadline_ns)
{
    while (loop.running) {
        if (!nki_cond_wait(&loop.ended, &loop.mu, deadline_ns) && loop.running) {
            return false;
        }
    }
    pthread_t thread = loop.thread;
    pthread_mutex_unlock(&loop.mu);
    pthread_join(thread, NULL); /* it has nothing left to do */
    pthread_mutex_lock(&loop.mu);
    loop.stop = false;
    return true;
}

bool nki_client_shutdown(int64_t deadline_ns)
{
    bool ended = true;
    pthread_mutex_lock(&loop.mu);
    if (loop.running && !loop.stop) {
        loop.stop = true;
        loop.drop_ns = nki_list_empty(&loop.retired) ? loop.drop_ns : 0;
        wake();
    }
    if (loop.stop) {
        ended = join_thread(deadline_ns);
    }
    pthread_mutex_unlock(&loop.mu);
    ended = nki_worker_join(deadline_ns) && ended;
    nki_slab_release_cache();
    nki_outbox_release_cache();
    nki_driver_release_cache();
    return ended;
}

void nki_client_forget(void)
{
    /* The only thread of the child: the parent's I/O thread does not exist here, and its descriptors are left
     * alone. */
    pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
    memset(&loop, 0, sizeof loop);
    memcpy(&loop.mu, &fresh, sizeof fresh);
    nki_slab_forget();
    nki_outbox_forget();
    nki_driver_forget();
    nki_worker_forget();
    nki_thread_forget();
}
