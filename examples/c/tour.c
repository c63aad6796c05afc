/* A tour through what natskit does, in C: each stop checks what it shows. */
#include "example.h"

#include <string.h>

static void show_server(natskit_conn conn)
{
    natskit_conn_info info;
    check(natskit_conn_info_get(conn, &info, sizeof info), "info");
    printf("connect: %s, server %s, max_payload %lld bytes\n", info.url, info.version,
           (long long)info.max_payload);
}

static void show_publish_subscribe(natskit_conn conn)
{
    natskit_sub sub = subscribe_or_exit(conn, "greet.*", NULL);
    publish_text(conn, "greet.joe", "hello");
    publish_text(conn, "greet.pam", "good morning");
    for (int i = 0; i < 2; i++) {
        natskit_msg *msg;
        natskit_message_view view;
        check(natskit_sub_next(sub, 1000, &msg), "next");
        check(natskit_msg_view(msg, &view, sizeof view), "view");
        printf("publish/subscribe: received %.*s '%.*s'\n", (int)view.subject_len, view.subject,
               (int)view.data_len, (const char *)view.data);
        natskit_msg_release(msg);
    }
    check(natskit_sub_close(sub), "close subscription");
}

static void show_queue_group(natskit_conn conn)
{
    natskit_sub one = subscribe_or_exit(conn, "jobs", "workers");
    natskit_sub two = subscribe_or_exit(conn, "jobs", "workers");
    for (int i = 0; i < 20; i++) {
        publish_text(conn, "jobs", "job");
    }
    check(natskit_flush(conn, 1000), "flush");
    natskit_sub_stats first, second;
    check(natskit_sub_stats_get(one, &first, sizeof first), "stats");
    check(natskit_sub_stats_get(two, &second, sizeof second), "stats");
    printf("queue group: 20 jobs, %d done once\n", (int)(first.received + second.received));
    expect(20, (natskit_status)(first.received + second.received), "jobs");
    natskit_sub_close(one);
    natskit_sub_close(two);
}

/* Without a thread: the request is an operation, which a waitset reports beside the subscription. */
static void show_request_reply(natskit_conn conn)
{
    natskit_sub service = subscribe_or_exit(conn, "greeter", NULL);
    natskit_waitset waitset;
    natskit_op op;
    natskit_headers headers;
    natskit_error err = {0};
    check(natskit_waitset_open(&waitset), "waitset");
    check(natskit_headers_open(&headers), "headers");
    check(natskit_headers_add(headers, "Language", NATSKIT_ZLEN, "C", NATSKIT_ZLEN, &err), "header");
    check(natskit_waitset_add(waitset, service.id, 1), "add service");
    check(
        natskit_request_start(conn, "greeter", NATSKIT_ZLEN, headers, "joe", 3, no_options, 1000, &op, &err),
        "request");
    check(natskit_waitset_add(waitset, op.id, 2), "add request");
    for (int finished = 0; !finished;) {
        natskit_ready ready;
        size_t count;
        natskit_msg *msg;
        natskit_message_view view;
        check(natskit_waitset_wait(waitset, &ready, sizeof ready, 1, 1000, &count), "wait");
        if (ready.tag == 1) {
            const char *language;
            size_t len;
            check(natskit_sub_next(service, 0, &msg), "next");
            check(natskit_msg_header(msg, "Language", NATSKIT_ZLEN, NATSKIT_MATCH_EXACT, 0, &language, &len),
                  "header");
            printf("request/reply: the service sees header Language: %.*s\n", (int)len, language);
            check(natskit_msg_respond(msg, no_headers, "hello, joe", 10, 1000), "respond");
        } else {
            check(natskit_op_take_msg(op, &msg), "reply");
            check(natskit_msg_view(msg, &view, sizeof view), "view");
            printf("request/reply: got '%.*s'\n", (int)view.data_len, (const char *)view.data);
            finished = 1;
        }
        natskit_msg_release(msg);
    }
    natskit_op_close(op);
    natskit_headers_close(headers);
    natskit_waitset_close(waitset);
    natskit_sub_close(service);
}

static void show_no_responders(natskit_conn conn)
{
    natskit_error err = {0};
    natskit_msg *reply;
    expect(NATSKIT_NO_RESPONDERS,
           natskit_request(conn, "nobody.there", NATSKIT_ZLEN, no_headers, NULL, 0, 1000, &reply, &err),
           "request without responders");
    printf("no responders: %s\n", err.text);
}

static void show_bad_input(natskit_conn conn)
{
    natskit_error err = {0};
    natskit_sub sub;
    expect(NATSKIT_INVALID,
           natskit_subscribe(conn, "not a subject", NATSKIT_ZLEN, NULL, 0, no_options, &sub, &err),
           "bad subject");
    printf("bad input: %s\n", err.text);
}

int main(void)
{
    natskit_conn conn = connect_or_exit();
    natskit_sub events;
    natskit_error err = {0};
    check(natskit_conn_events(conn, no_options, &events, &err), "events");
    show_server(conn);
    show_publish_subscribe(conn);
    show_queue_group(conn);
    show_request_reply(conn);
    show_no_responders(conn);
    show_bad_input(conn);

    natskit_conn_stats stats;
    check(natskit_flush(conn, 1000), "flush");
    check(natskit_conn_stats_get(conn, &stats, sizeof stats), "stats");
    printf("flush: the server has all %llu messages\n", (unsigned long long)stats.out_msgs);
    check(natskit_conn_close(conn, 1000), "close");

    natskit_msg *msg;
    natskit_event_view event = {0};
    while (natskit_sub_next(events, 1000, &msg) == NATSKIT_OK) {
        check(natskit_msg_event(msg, &event, sizeof event), "event");
        natskit_msg_release(msg);
    }
    expect(NATSKIT_EVENT_CLOSED, event.type, "last event");
    printf("events: the last one is CLOSED\n");
    natskit_sub_close(events);
    check(natskit_shutdown(1000), "shutdown");

    natskit_counters left;
    check(natskit_counters_get(&left, sizeof left), "counters");
    expect(0, (natskit_status)(left.conns + left.subs + left.ops + left.msgs + left.threads), "objects left");
    printf("end: nothing is left behind\n");
    return 0;
}
