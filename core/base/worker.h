/* One helper thread for what may block and cannot be interrupted: resolving names, reading files. It is
 * started on need, does one job after the other, and ends when there is none. Any thread may ask.
 *
 * A job is a member of the asker's own structure. From nki_job_start until nki_job_done said true the job's
 * run function, in the helper, is the only one to touch the structure beside the job itself. */
#ifndef NKI_BASE_WORKER_H
#define NKI_BASE_WORKER_H

#include "base/list.h"

struct nki_job;

struct nki_job_ops {
    void (*run)(struct nki_job *job);  /* in the helper; may block */
    void (*free)(struct nki_job *job); /* frees the structure; in whichever thread needs it last */
};

enum nki_job_phase { NKI_JOB_QUEUED, NKI_JOB_RUNNING, NKI_JOB_DONE };

struct nki_job {
    const struct nki_job_ops *ops;
    int notify_fd; /* raised (base/wake.h) when the job is done */
    uint64_t epoch;
    struct nki_list link;
    enum nki_job_phase phase;
    bool forgotten; /* nobody waits any more: the helper frees it */
};

/* Fills `job` and hands it over; `notify_fd` must stay open until the job is freed or done. 0 or an errno,
 * then nothing has begun. */
int nki_job_start(struct nki_job *job, const struct nki_job_ops *ops, int notify_fd);
/* Fills a job that needs no helper: it is done, and notify_fd is not raised for that. */
void nki_job_start_done(struct nki_job *job, const struct nki_job_ops *ops, int notify_fd);
bool nki_job_done(struct nki_job *job);
/* Forgets the job; one that runs is freed when it returns, and notify_fd is not touched any more. */
void nki_job_free(struct nki_job *job);

/* Waits until the helper has ended; false if the deadline passed before. */
bool nki_worker_join(int64_t deadline_ns);
/* In a child after fork: forget the parent's helper and its jobs. Lock-free. */
void nki_worker_forget(void);

#endif
