/* What happens to a connection, as events: here it is made to reconnect, and closed. Between that the program
 * looks whether it works, at its last lines of the protocol, and at all that lives in the process. */
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

/* snippet: health */
static void show_health(natskit_sub sub)
{
    natskit_health now;
    check(natskit_sub_health(sub, &now, sizeof now), "health"); /* natskit_conn_health: of a connection */
    if (now.state > NATSKIT_HEALTH_DEGRADED) {
        printf("health: it does not work for %lld ms: %s\n", (long long)now.since_ms, now.text);
    } else {
        printf("health: it works\n");
    }
}
/* snippet end */

/* snippet: trace */
static natskit_conn connect_with_trace(void)
{
    natskit_options options;
    natskit_conn conn;
    check(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options), "options");
    check(natskit_options_set_int(options, "trace_lines", NATSKIT_ZLEN, 100, &err), "trace_lines");
    check(natskit_connect(server_url(), NATSKIT_ZLEN, options, 5000, &conn, &err), "connect");
    natskit_options_close(options);
    return conn;
}

/* [{"time_ns":...,"out":true,"cut":false,"line":"PUB events.c 24"},...] */
static void show_trace(natskit_conn conn)
{
    static char text[1 << 16];
    size_t len;
    check(natskit_conn_trace(conn, text, sizeof text, &len), "trace");
    printf("trace: %.*s\n", (int)len, text);
}
/* snippet end */

/* snippet: dump */
/* {"version":...,"objects":[{"handle":...,"kind":"connection","state":"connected",...},...]} */
static void show_dump(void)
{
    static char text[1 << 20];
    size_t len;
    check(natskit_dump(text, sizeof text, &len), "dump");
    printf("dump: %.*s\n", (int)len, text);
}
/* snippet end */

int main(void)
{
    natskit_conn conn = connect_with_trace();
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

    show_health(sub);
    show_trace(conn);
    show_dump();
    natskit_sub_close(sub);
    check(natskit_conn_close(conn, 1000), "close");
    print_until(events, NATSKIT_EVENT_CLOSED);
    natskit_sub_close(events);
    return 0;
}
