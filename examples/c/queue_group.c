/* A queue group: each message goes to one member of the group. */
#include "example.h"

#define JOBS 100

int main(void)
{
    natskit_conn conn = connect_or_exit();
    /* snippet: group */
    natskit_sub members[2] = {subscribe_or_exit(conn, "jobs", "workers"),
                              subscribe_or_exit(conn, "jobs", "workers")};

    for (int i = 0; i < JOBS; i++) {
        char job[32];
        snprintf(job, sizeof job, "job %d", i);
        publish_text(conn, "jobs", job);
    }
    /* The server answers in order: once the flush is done, every message is in its member's queue. */
    check(natskit_flush(conn, 1000), "flush");
    /* snippet end */

    int total = 0;
    for (int member = 0; member < 2; member++) {
        natskit_msg *msgs[JOBS];
        size_t count = 0;
        natskit_status status = natskit_sub_next_batch(members[member], msgs, JOBS, 0, &count);
        expect(count > 0 ? NATSKIT_OK : NATSKIT_WOULD_BLOCK, status, "next_batch");
        printf("queue group: member %d did %zu of %d jobs\n", member + 1, count, JOBS);
        natskit_msg_release_batch(msgs, count);
        total += (int)count;
        natskit_sub_close(members[member]);
    }
    check(natskit_conn_close(conn, 1000), "close");
    return total == JOBS ? 0 : 1;
}
