/* Ends a service in good order: it asks for no more, handles what has come, and sends its last replies. */
#include "example.h"

#define JOBS 20

static natskit_error err;

static void publish_jobs(natskit_conn conn)
{
    for (int i = 0; i < JOBS; i++) {
        check(natskit_publish(conn, "jobs.drain.c", NATSKIT_ZLEN, "jobs.done.c", NATSKIT_ZLEN, no_headers,
                              "job", 3, 1000),
              "publish");
    }
    check(natskit_flush(conn, 5000), "flush");
}

int main(void)
{
    natskit_conn conn = connect_or_exit();
    natskit_conn observer = connect_or_exit();
    natskit_sub jobs = subscribe_or_exit(conn, "jobs.drain.c", NULL);
    natskit_sub results = subscribe_or_exit(observer, "jobs.done.c", NULL);
    natskit_op drain;
    natskit_msg *msg;
    int done = 0;
    check(natskit_flush(observer, 5000), "flush");
    check(natskit_sub_hold(jobs, 1), "hold"); /* the drain waits until this loop has ended */
    publish_jobs(conn);

    /* snippet: drain */
    check(natskit_conn_drain_start(conn, no_options, 10000, &drain, &err), err.text);
    while (natskit_sub_next(jobs, -1, &msg) == NATSKIT_OK) { /* ends after the last one that has come */
        check(natskit_msg_respond(msg, no_headers, "done", 4, 1000), "respond");
        natskit_msg_release(msg);
    }
    check(natskit_sub_hold(jobs, 0), "hold");
    check(natskit_op_wait(drain, -1), "wait");
    check(natskit_op_result(drain, NULL, &err), err.text); /* all replies are at the server */
    /* snippet end */

    for (; done < JOBS; done++) {
        check(natskit_sub_next(results, 5000, &msg), "result");
        natskit_msg_release(msg);
    }
    printf("drain: %d jobs done, the last things sent before the end\n", done);
    natskit_op_close(drain);
    natskit_sub_close(jobs);
    natskit_sub_close(results);
    natskit_conn_close(conn, 0);
    check(natskit_conn_close(observer, 1000), "close");
    return 0;
}
