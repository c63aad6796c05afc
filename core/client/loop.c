/* The I/O thread: one for the process, drives any number of connections. It touches no file and no descriptor
 * of the caller's, and gives each connection one turn at a time.
 *
 * Locks: loop.mu guards the list of posted connections and the thread's life; it is taken alone or under an
 * engine lock, and nothing is taken under it. */
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

static struct {
    pthread_mutex_t mu;
    pthread_cond_t ended;
    bool cond_ready;
    /* guarded by mu */
    bool running;
    bool stop;
    bool awake; /* the thread will look at `posted` before it sleeps */
    struct nki_list posted;
    pthread_t thread;

    int epoll_fd; /* constant while the thread runs */
    int wake_fd;

    /* the thread's own */
    struct nki_list live;
    struct nki_list
        timers; /* sorted; most deadlines are pings, which belong at the end, so this needs no heap */
    int resolving;
    uint8_t *buffer;
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

void nki_loop_resolving(int more)
{
    loop.resolving += more;
}

static int64_t next_timer_ns(void)
{
    return nki_list_empty(&loop.timers)
               ? NKI_NEVER
               : NKI_CONTAINER_OF(loop.timers.next, struct nki_conn, timer_node)->timer_ns;
}

void nki_loop_arm(struct nki_conn *conn, int64_t at_ns)
{
    nki_list_remove(&conn->timer_node);
    conn->timer_ns = at_ns;
    if (at_ns == NKI_NEVER) {
        return;
    }
    struct nki_list *after = loop.timers.prev;
    while (after != &loop.timers && NKI_CONTAINER_OF(after, struct nki_conn, timer_node)->timer_ns > at_ns) {
        after = after->prev;
    }
    nki_list_append(after->next, &conn->timer_node); /* before the one behind it */
}

void nki_loop_post(struct nki_conn *conn)
{
    pthread_mutex_lock(&loop.mu);
    if (!conn->posted && loop.running) {
        conn->posted = true;
        nki_conn_retain(conn);
        nki_list_append(&loop.posted, &conn->post_node);
        if (!loop.awake) {
            loop.awake = true;
            nki_wake_raise(loop.wake_fd);
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

/* Moves the posted connections to the run list; takes new ones in. */
static void take_posted(struct nki_list *run)
{
    pthread_mutex_lock(&loop.mu);
    while (!nki_list_empty(&loop.posted)) {
        struct nki_conn *conn = NKI_CONTAINER_OF(loop.posted.next, struct nki_conn, post_node);
        nki_list_remove(&conn->post_node);
        conn->posted = false;
        bool added = conn->added;
        conn->added = false;
        pthread_mutex_unlock(&loop.mu);
        if (added) {
            nki_list_append(&loop.live, &conn->live_node);
        }
        run_soon(run, conn);
        nki_conn_release(conn); /* of the post */
        pthread_mutex_lock(&loop.mu);
    }
    pthread_mutex_unlock(&loop.mu);
}

static void take_due(struct nki_list *run)
{
    int64_t now_ns = nki_clock_now_ns();
    while (next_timer_ns() <= now_ns) {
        struct nki_conn *conn = NKI_CONTAINER_OF(loop.timers.next, struct nki_conn, timer_node);
        nki_list_remove(&conn->timer_node);
        run_soon(run, conn);
    }
}

/* The resolver raised the wake descriptor, perhaps: those who asked look. */
static void take_resolving(struct nki_list *run)
{
    for (struct nki_list *at = loop.live.next; loop.resolving > 0 && at != &loop.live; at = at->next) {
        struct nki_conn *conn = NKI_CONTAINER_OF(at, struct nki_conn, live_node);
        if (conn->resolve != NULL || conn->prepare != NULL) {
            run_soon(run, conn);
        }
    }
}

static void run_all(struct nki_list *run)
{
    while (!nki_list_empty(run)) {
        struct nki_conn *conn = NKI_CONTAINER_OF(run->next, struct nki_conn, run_node);
        nki_list_remove(&conn->run_node);
        bool lives = nki_driver_service(conn);
        if (!lives && !nki_list_empty(&conn->live_node)) {
            nki_list_remove(&conn->live_node);
            nki_list_remove(&conn->timer_node);
            nki_conn_release(conn); /* of the loop */
        }
        nki_conn_release(conn); /* of the run list */
    }
}

/* Whether the thread may sleep; what is posted later raises the wake descriptor. */
static bool may_sleep(bool *stop)
{
    pthread_mutex_lock(&loop.mu);
    bool empty = nki_list_empty(&loop.posted);
    if (empty) {
        loop.awake = false;
    }
    *stop = loop.stop && empty && nki_list_empty(&loop.live);
    pthread_mutex_unlock(&loop.mu);
    return empty;
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

static void wait_for_events(struct nki_list *run, bool sleep)
{
    struct epoll_event events[EVENTS_PER_TURN];
    int count = wait_until(events, sleep ? next_timer_ns() : 0);
    for (int i = 0; i < count; i++) {
        struct nki_conn *conn = events[i].data.ptr;
        if (conn == NULL) {
            nki_wake_clear(loop.wake_fd);
            take_resolving(run);
        } else {
            conn->io_ready = true;
            run_soon(run, conn);
        }
    }
}

static void *run_loop(void *arg)
{
    (void)arg;
    struct nki_list run;
    nki_list_init(&run);
    bool stop = false;
    for (;;) {
        take_posted(&run);
        take_due(&run);
        run_all(&run);
        bool sleep = may_sleep(&stop);
        if (stop) {
            break;
        }
        wait_for_events(&run, sleep);
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
    loop.resolving = 0;
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
        conn->added = true;
    }
    pthread_mutex_unlock(&loop.mu);
    if (stopping) {
        return nki_error_set(err, NKI_SHUTDOWN, NULL);
    }
    if (code != 0) {
        return nki_error_set_errno(err, code == ENOMEM ? NKI_NO_MEMORY : NKI_SYSTEM, code, "no I/O thread");
    }
    nki_loop_post(conn);
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
        if (!loop.awake) {
            loop.awake = true;
            nki_wake_raise(loop.wake_fd);
        }
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
