/* What tells of lost messages: a subscriber that is too slow, and the counters of its connection. */
#include "example.h"

#define SENT 100
#define ROOM 10

static natskit_error err;

static natskit_sub subscribe_slowly(natskit_conn conn)
{
    natskit_options options;
    natskit_sub sub;
    check(natskit_options_open(NATSKIT_OPTIONS_SUBSCRIBE, &options), "options");
    check(natskit_options_set_int(options, "pending_msgs_limit", NATSKIT_ZLEN, ROOM, &err), err.text);
    check(natskit_subscribe(conn, "losses.c", NATSKIT_ZLEN, NULL, 0, options, &sub, &err), err.text);
    check(natskit_options_close(options), "options");
    return sub;
}

/* Waits for an event, and passes over others. */
static natskit_msg *wait_for(natskit_sub events, int32_t type, natskit_event_view *view)
{
    for (;;) {
        natskit_msg *event;
        check(natskit_sub_next(events, 5000, &event), "event");
        check(natskit_msg_event(event, view, sizeof *view), "event");
        if (view->type == type) {
            return event;
        }
        natskit_msg_release(event);
    }
}

int main(void)
{
    natskit_conn conn = connect_or_exit();
    natskit_sub events;
    check(natskit_conn_events(conn, no_options, &events, &err), "events");
    natskit_sub sub = subscribe_slowly(conn);
    for (int i = 0; i < SENT; i++) {
        publish_text(conn, "losses.c", "data");
    }
    check(natskit_flush(conn, 5000), "flush"); /* what came back before the PONG is in the queue */

    /* snippet: told */
    natskit_event_view event;
    natskit_sub_stats stats;
    natskit_conn_stats counters;
    natskit_msg *msg = wait_for(events, NATSKIT_EVENT_SLOW_CONSUMER, &event);
    printf("slow consumer: %.*s\n", (int)event.subject_len, event.subject);
    natskit_msg_release(msg);
    check(natskit_sub_stats_get(sub, &stats, sizeof stats), "stats");
    printf("received %llu, waiting %llu, dropped %llu\n", (unsigned long long)stats.received,
           (unsigned long long)stats.pending_msgs, (unsigned long long)stats.dropped_msgs);
    check(natskit_conn_stats_get(conn, &counters, sizeof counters), "stats");
    printf("connection: dropped %llu, unconfirmed %llu, unsent %llu\n",
           (unsigned long long)counters.dropped_msgs, (unsigned long long)counters.unconfirmed,
           (unsigned long long)counters.unsent);
    /* snippet end */

    natskit_sub_close(sub);
    check(natskit_conn_close(conn, 1000), "close");
    natskit_sub_close(events);
    return 0;
}
