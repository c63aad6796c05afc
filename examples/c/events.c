/* What happens to a connection, as events: here it is made to reconnect, and closed. */
#include "example.h"

static natskit_error err;

/* Prints events until one of this type has come. */
static void print_until(natskit_sub events, int32_t type)
{
    static const char *const names[] = {
        "?",       "connected", "disconnected",    "reconnecting", "reconnected",
        "servers", "lame duck", "slow consumer",   "async error",  "stale",
        "closed",  "ping",      "forced reconnect"};
    natskit_event_view event = {0};
    /* snippet: loop */
    while (event.type != type) {
        natskit_msg *msg;
        check(natskit_sub_next(events, 5000, &msg), "next event");
        check(natskit_msg_event(msg, &event, sizeof event), "event");
        int known = event.type < (int32_t)(sizeof names / sizeof *names);
        printf("event: %s %.*s\n", names[known ? event.type : 0], (int)event.server_len, event.server);
        natskit_msg_release(msg);
    }
    /* snippet end */
}

int main(void)
{
    natskit_conn conn = connect_or_exit();
    natskit_sub events;
    natskit_conn_info info;
    check(natskit_conn_events(conn, no_options, &events, &err), "events");
    natskit_sub sub = subscribe_or_exit(conn, "events.c", NULL);

    check(natskit_conn_reconnect(conn, &err), "reconnect");
    publish_text(conn, "events.c", "sent after the reconnect");
    print_until(events, NATSKIT_EVENT_RECONNECTED);

    natskit_msg *msg;
    natskit_message_view view;
    check(natskit_sub_next(sub, 5000, &msg), "next"); /* the subscription is there again */
    check(natskit_msg_view(msg, &view, sizeof view), "view");
    check(natskit_conn_info_get(conn, &info, sizeof info), "info");
    printf("received '%.*s' by transport %llu\n", (int)view.data_len, (const char *)view.data,
           (unsigned long long)info.epoch);
    natskit_msg_release(msg);

    natskit_sub_close(sub);
    check(natskit_conn_close(conn, 1000), "close");
    print_until(events, NATSKIT_EVENT_CLOSED);
    natskit_sub_close(events);
    return 0;
}
