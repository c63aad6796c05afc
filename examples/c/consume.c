/* A consumer: some messages, one, and all without end: they come ahead of the program, status events tell
 * what happens in between, a drain ends it in good order. Needs a server with JetStream. */
#include "example.h"

#define MESSAGES 100

static natskit_error err;

static void fill(natskit_js js)
{
    for (int i = 0; i < MESSAGES; i++) {
        char text[32];
        int len = snprintf(text, sizeof text, "reading %d", i);
        check(natskit_js_publish(js, "readings.c", NATSKIT_ZLEN, no_headers, text, (size_t)len, 5000, NULL,
                                 NULL, &err),
              "publish");
    }
}

static void make_consumer(natskit_js js)
{
    js_do(js, "consumer.create",
          "{\"stream\":\"READINGS_C\",\"config\":{\"durable_name\":\"meter\",\"ack_policy\":\"explicit\","
          "\"deliver_policy\":\"new\"}}");
}

/* snippet: short */
/* At most 10 messages, or those that have come after a second. */
static void fetch(natskit_js js)
{
    natskit_options options;
    natskit_sub sub;
    natskit_msg *msg;
    int fetched = 0;
    check(natskit_options_open(NATSKIT_OPTIONS_FETCH, &options), "options");
    check(natskit_options_set_int(options, "max_msgs", NATSKIT_ZLEN, 10, &err), err.text);
    check(natskit_options_set_int(options, "expires_ms", NATSKIT_ZLEN, 1000, &err), err.text);
    check(natskit_js_fetch(js, "READINGS_C", NATSKIT_ZLEN, "meter", NATSKIT_ZLEN, options, &sub, &err),
          "fetch");
    check(natskit_options_close(options), "options");
    while (natskit_sub_next(sub, -1, &msg) == NATSKIT_OK) { /* it ends by itself */
        check(natskit_msg_ack(msg), "ack");                 /* or ..._nak, ..._term, ..._in_progress */
        natskit_msg_release(msg);
        fetched++;
    }
    printf("fetched: %d\n", fetched);
    natskit_sub_close(sub);
}

static void take_one(natskit_js js)
{
    natskit_msg *msg;
    check(natskit_js_next(js, "READINGS_C", NATSKIT_ZLEN, "meter", NATSKIT_ZLEN, 1000, &msg, &err), "next");
    check(natskit_msg_ack_confirm(msg, 1000, &err), "ack"); /* waits until the server has it */
    natskit_msg_release(msg);
}

/* Whatever comes, as long as the subscription lives: natskit_sub_next as above. */
static natskit_sub consume(natskit_js js)
{
    natskit_options options;
    natskit_sub sub;
    check(natskit_options_open(NATSKIT_OPTIONS_CONSUME, &options), "options");
    check(natskit_options_set_int(options, "max_msgs", NATSKIT_ZLEN, 50, &err), err.text);
    check(natskit_options_set_int(options, "heartbeat_ms", NATSKIT_ZLEN, 500, &err), err.text);
    check(natskit_options_set_int(options, "status_events", NATSKIT_ZLEN, 1, &err), err.text);
    check(natskit_js_consume(js, "READINGS_C", NATSKIT_ZLEN, "meter", NATSKIT_ZLEN, options, &sub, &err),
          "consume");
    check(natskit_options_close(options), "options");
    return sub;
}
/* snippet end */

/* snippet: watching */
static void show(const natskit_status_view *status)
{
    switch (status->type) {
    case NATSKIT_STATUS_HEARTBEATS_MISSED:
        printf("status: the server is silent, it is asked\n");
        break;
    case NATSKIT_STATUS_CONSUMER_DELETED:
    case NATSKIT_STATUS_CONSUMER_NOT_FOUND:
        printf("status: there is no such consumer, it is looked for\n");
        break;
    case NATSKIT_STATUS_RESUMED:
        printf("status: messages come again\n");
        break;
    default:
        printf("status: type %d %.*s\n", (int)status->type, (int)status->text_len, status->text);
    }
}

/* Acks a message and gives 0; shows a status and gives its type. */
static int32_t handle(natskit_msg *msg)
{
    natskit_status_view status = {0};
    if (natskit_msg_status(msg, &status, sizeof status) == NATSKIT_OK) {
        show(&status);
    } else {
        check(natskit_msg_ack(msg), "ack");
    }
    natskit_msg_release(msg);
    return status.type;
}
/* snippet end */

static void handle_some(natskit_sub sub, int count)
{
    for (int handled = 0; handled < count;) {
        natskit_msg *msg;
        check(natskit_sub_next(sub, -1, &msg), "next"); /* it does not end by itself */
        handled += handle(msg) == 0;
    }
    printf("handled: %d\n", count);
}

static void wait_until_it_is_missed(natskit_sub sub)
{
    natskit_msg *msg;
    int32_t type;
    do {
        check(natskit_sub_next(sub, -1, &msg), "next");
        type = handle(msg);
    } while (type != NATSKIT_STATUS_CONSUMER_DELETED && type != NATSKIT_STATUS_CONSUMER_NOT_FOUND);
}

/* Asks for no more, and handles what has come until nothing is left. */
static void drain(natskit_sub sub)
{
    natskit_op op;
    natskit_msg *msg;
    int rest = 0;
    check(natskit_sub_drain_start(sub, no_options, 5000, &op, &err), "drain");
    while (natskit_sub_next(sub, -1, &msg) == NATSKIT_OK) {
        rest += handle(msg) == 0;
    }
    check(natskit_op_wait(op, 5000), "drain");
    printf("drained: handled the %d that were on their way\n", rest);
    natskit_op_close(op);
}

int main(void)
{
    natskit_conn conn = connect_or_exit();
    natskit_js js = jetstream_or_exit(conn);
    js_do(js, "stream.create",
          "{\"config\":{\"name\":\"READINGS_C\",\"subjects\":[\"readings.c\"],\"storage\":\"memory\"}}");
    make_consumer(js);

    fill(js);
    fetch(js);
    take_one(js);
    natskit_sub sub = consume(js);
    handle_some(sub, MESSAGES - 11);

    /* Somebody deletes the consumer: consuming waits until it is there again, and goes on. */
    js_do(js, "consumer.delete", "{\"stream\":\"READINGS_C\",\"consumer\":\"meter\"}");
    wait_until_it_is_missed(sub);
    make_consumer(js);
    fill(js);
    handle_some(sub, MESSAGES / 2);

    drain(sub);
    natskit_sub_close(sub);

    js_do(js, "stream.delete", "{\"stream\":\"READINGS_C\"}");
    check(natskit_js_close(js), "close the context");
    check(natskit_conn_close(conn, 1000), "close");
    return 0;
}
