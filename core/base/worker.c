/* The helper thread: see worker.h. Jobs wait in a queue under `state.lock`, which is held for a few
 * instructions only, and around raising a job's descriptor, so that nobody can close that in between. A child
 * after fork begins with an empty state of its own: jobs of the parent carry an older epoch and are left
 * alone. */
#include "base/worker.h"

#include "base/sync.h"
#include "base/wake.h"

#include <stdatomic.h>

static struct {
    pthread_mutex_t lock;
    pthread_cond_t ended; /* made when the first helper is started */
    struct nki_list queue;
    bool ready;   /* `ended` and `queue` are made */
    bool running; /* the helper will look into the queue again */
    bool exists;  /* the helper was started and not joined */
    pthread_t helper;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Atomic uint64_t epoch;

static void *work(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&state.lock);
    while (!nki_list_empty(&state.queue)) {
        struct nki_job *job = NKI_CONTAINER_OF(state.queue.next, struct nki_job, link);
        nki_list_remove(&job->link);
        job->phase = NKI_JOB_RUNNING;
        pthread_mutex_unlock(&state.lock);
        job->ops->run(job);
        pthread_mutex_lock(&state.lock);
        if (job->forgotten) {
            job->ops->free(job);
        } else {
            job->phase = NKI_JOB_DONE;
            nki_wake_raise(job->notify_fd);
        }
    }
    state.running = false;
    pthread_cond_broadcast(&state.ended);
    pthread_mutex_unlock(&state.lock);
    return NULL;
}

/* A helper that does what is in the queue, with the lock held; 0 or an errno. */
static int ensure_helper(void)
{
    if (state.running) {
        return 0;
    }
    if (state.exists) {
        /* It has let the lock go for the last time and is about to return. */
        pthread_join(state.helper, NULL);
        state.exists = false;
    }
    int failed = nki_thread_start(&state.helper, "natskit-helper", work, NULL);
    if (failed == 0) {
        state.exists = true;
        state.running = true;
    }
    return failed;
}

/* With the lock held; 0 or an errno. */
static int enqueue(struct nki_job *job)
{
    if (!state.ready) {
        int failed = nki_cond_init(&state.ended);
        if (failed != 0) {
            return failed;
        }
        nki_list_init(&state.queue);
        state.ready = true;
    }
    nki_list_append(&state.queue, &job->link);
    int failed = ensure_helper();
    if (failed != 0) {
        nki_list_remove(&job->link);
    }
    return failed;
}

static void fill(struct nki_job *job, const struct nki_job_ops *ops, int notify_fd, enum nki_job_phase phase)
{
    assert(notify_fd >= 0);
    *job = (struct nki_job){
        .ops = ops, .notify_fd = notify_fd, .epoch = atomic_load(&epoch), .phase = phase, .forgotten = false};
    nki_list_init(&job->link);
}

int nki_job_start(struct nki_job *job, const struct nki_job_ops *ops, int notify_fd)
{
    fill(job, ops, notify_fd, NKI_JOB_QUEUED);
    pthread_mutex_lock(&state.lock);
    int failed = enqueue(job);
    pthread_mutex_unlock(&state.lock);
    return failed;
}

void nki_job_start_done(struct nki_job *job, const struct nki_job_ops *ops, int notify_fd)
{
    fill(job, ops, notify_fd, NKI_JOB_DONE);
}

bool nki_job_done(struct nki_job *job)
{
    assert(job->epoch == atomic_load(&epoch));
    pthread_mutex_lock(&state.lock);
    bool done = job->phase == NKI_JOB_DONE;
    pthread_mutex_unlock(&state.lock);
    return done;
}

void nki_job_free(struct nki_job *job)
{
    if (job->epoch != atomic_load(&epoch)) {
        return; /* the parent's: its list is not ours to touch */
    }
    pthread_mutex_lock(&state.lock);
    bool running = job->phase == NKI_JOB_RUNNING;
    if (running) {
        job->forgotten = true;
    } else if (job->phase == NKI_JOB_QUEUED) {
        nki_list_remove(&job->link);
    }
    pthread_mutex_unlock(&state.lock);
    if (!running) {
        job->ops->free(job);
    }
}

bool nki_worker_join(int64_t deadline_ns)
{
    bool in_time = true;
    pthread_mutex_lock(&state.lock);
    while (state.running && in_time) {
        in_time = nki_cond_wait(&state.ended, &state.lock, deadline_ns);
    }
    bool ended = !state.running;
    if (ended && state.exists) {
        pthread_join(state.helper, NULL);
        state.exists = false;
    }
    pthread_mutex_unlock(&state.lock);
    return ended;
}

void nki_worker_forget(void)
{
    /* The parent's threads may have held the lock or waited on the condition at the fork, so both begin anew;
     * nobody else runs in the child yet. */
    atomic_fetch_add(&epoch, 1);
    state.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    state.ready = false;
    state.running = false;
    state.exists = false;
}
