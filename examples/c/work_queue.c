/* A work queue: a stream that keeps each job until a worker has acked it. Two workers share one consumer;
 * they ack what is done, put off what has to wait, and give up what cannot be done. Needs a server with
 * JetStream. */
#include "example.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define JOBS 20

static natskit_js js;
static atomic_int finished;

struct worker {
    pthread_t thread;
    int number;
    int done;
};

static int is(const natskit_message_view *job, const char *text)
{
    return job->data_len == strlen(text) && memcmp(job->data, text, job->data_len) == 0;
}

/* A message takes one of ack, nak and term. Without any of them it is delivered again after ack_wait. */
static void work(struct worker *worker, natskit_msg *msg)
{
    natskit_message_view job;
    natskit_delivery_view delivery;
    check(natskit_msg_view(msg, &job, sizeof job), "view");
    check(natskit_msg_delivery(msg, &delivery, sizeof delivery), "delivery");
    if (is(&job, "later") && delivery.delivered == 1) {
        check(natskit_msg_nak(msg, 100), "nak"); /* not now: again in 100 ms, by whoever asks then */
        return;
    }
    if (is(&job, "nonsense")) {
        check(natskit_msg_term(msg, "not a job", NATSKIT_ZLEN), "term"); /* never again */
        printf("given up: nonsense\n");
    } else {
        check(natskit_msg_ack(msg), "ack"); /* done: the stream forgets it */
        worker->done++;
        if (delivery.delivered > 1) {
            printf("done: %.*s, at delivery %llu\n", (int)job.data_len, (const char *)job.data,
                   (unsigned long long)delivery.delivered);
        }
    }
    atomic_fetch_add(&finished, 1);
}

static void *run(void *arg)
{
    struct worker *worker = arg;
    natskit_error err;
    while (atomic_load(&finished) < JOBS) { /* a real worker goes on for ever */
        natskit_msg *msg;
        natskit_status status =
            natskit_js_next(js, "WORK_C", NATSKIT_ZLEN, "workers", NATSKIT_ZLEN, 500, &msg, &err);
        if (status == NATSKIT_OK) {
            work(worker, msg);
            natskit_msg_release(msg);
        } else if (status != NATSKIT_TIMEOUT) {
            fprintf(stderr, "next: %s\n", err.text);
            exit(1);
        }
    }
    return NULL;
}

int main(void)
{
    natskit_conn conn = connect_or_exit();
    js = jetstream_or_exit(conn);
    js_do(js, "stream.create",
          "{\"config\":{\"name\":\"WORK_C\",\"subjects\":[\"work.c\"],\"storage\":\"memory\","
          "\"retention\":\"workqueue\"}}");
    js_do(js, "consumer.create",
          "{\"stream\":\"WORK_C\",\"config\":{\"durable_name\":\"workers\",\"ack_policy\":\"explicit\","
          "\"ack_wait\":30000000000,\"max_deliver\":5}}");

    for (int i = 0; i < JOBS; i++) {
        natskit_error err;
        const char *job = i == 3 ? "later" : i == 7 ? "nonsense" : "job";
        check(natskit_js_publish(js, "work.c", NATSKIT_ZLEN, no_headers, job, strlen(job), 5000, NULL, NULL,
                                 &err),
              "publish");
    }
    struct worker workers[2] = {{.number = 1}, {.number = 2}};
    for (int i = 0; i < 2; i++) {
        if (pthread_create(&workers[i].thread, NULL, run, &workers[i]) != 0) {
            return 1;
        }
    }
    int done = 0;
    for (int i = 0; i < 2; i++) {
        pthread_join(workers[i].thread, NULL);
        printf("worker %d: %d jobs\n", workers[i].number, workers[i].done);
        done += workers[i].done;
    }
    printf("work queue: %d of %d jobs done\n", done, JOBS);

    js_do(js, "stream.delete", "{\"stream\":\"WORK_C\"}");
    check(natskit_js_close(js), "close the context");
    check(natskit_conn_close(conn, 1000), "close");
    return done == JOBS - 1 ? 0 : 1;
}
