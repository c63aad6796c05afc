/* What servers since 2.12 add to publishing: messages that are stored together or not at all, counters, and
 * messages that the server makes by a schedule. Needs a server with JetStream. */
#include "example.h"

#include <string.h>

static natskit_js js;

static natskit_headers header(const char *name, const char *value)
{
    natskit_headers headers;
    check(natskit_headers_open(&headers), "headers");
    check(natskit_headers_set(headers, name, NATSKIT_ZLEN, value, NATSKIT_ZLEN, NATSKIT_MATCH_EXACT, NULL),
          "set");
    return headers;
}

static void add(natskit_batch batch, const char *subject, const char *text, natskit_headers headers)
{
    natskit_error err;
    if (natskit_batch_add(batch, subject, NATSKIT_ZLEN, headers, text, strlen(text), &err) != NATSKIT_OK) {
        fprintf(stderr, "add: %s\n", err.text);
        exit(1);
    }
}

/* snippet: batch */
/* Both messages are stored, or none: the second only if nobody has changed the stock. */
static natskit_status order(const char *stock, const char *seen)
{
    natskit_batch batch;
    natskit_msg *ack = NULL;
    natskit_pub_ack view;
    natskit_error err;
    int32_t outcome;
    natskit_headers headers = header("Nats-Expected-Last-Subject-Sequence", seen);
    check(natskit_batch_open(js, no_options, &batch, NULL), "batch");
    add(batch, "batch.c.order", "7 of them", no_headers);
    add(batch, "batch.c.stock", stock, headers);
    natskit_status status = natskit_batch_commit(batch, 5000, &ack, &outcome, &err);
    if (status == NATSKIT_OK) {
        check(natskit_msg_pub_ack(ack, &view, sizeof view), "ack");
        printf("batch: %llu messages, the last as %llu\n", (unsigned long long)view.count,
               (unsigned long long)view.seq);
        natskit_msg_release(ack);
    } else { /* outcome unknown: it may be stored all the same */
        printf("batch: %s; %s\n", err.text,
               outcome == NATSKIT_OUTCOME_UNKNOWN ? "nobody knows" : "nothing of it is stored");
    }
    natskit_headers_close(headers);
    natskit_batch_close(batch);
    return status;
}
/* snippet end */

static void publish(const char *subject, const char *text, natskit_headers headers, natskit_msg **ack)
{
    natskit_error err;
    if (natskit_js_publish(js, subject, NATSKIT_ZLEN, headers, text, strlen(text), 5000, ack, NULL, &err) !=
        NATSKIT_OK) {
        fprintf(stderr, "publish: %s\n", err.text);
        exit(1);
    }
}

/* snippet: counter */
static void count(const char *by)
{
    natskit_msg *msg;
    natskit_pub_ack ack;
    natskit_error err;
    check(natskit_js_increment(js, "count.c.visits", NATSKIT_ZLEN, by, NATSKIT_ZLEN, (natskit_headers){0},
                               5000, &msg, NULL, &err),
          "increment");
    check(natskit_msg_pub_ack(msg, &ack, sizeof ack), "ack");
    printf("counter: %.*s\n", (int)ack.value_len, ack.value);
    natskit_msg_release(msg);
}
/* snippet end */

/* snippet: schedule */
/* One message each second, until another message ends it. */
static void schedule(void)
{
    natskit_msg *msg;
    natskit_origin origin;
    natskit_message_view view;
    natskit_headers headers = header(NATSKIT_HEADER_SCHEDULE, "@every 1s");
    check(natskit_headers_add(headers, NATSKIT_HEADER_SCHEDULE_TARGET, NATSKIT_ZLEN, "batch.c.tick",
                              NATSKIT_ZLEN, NULL),
          "target");
    publish("batch.c.plan", "tick", headers, NULL);
    check(natskit_headers_close(headers), "close");
    for (int i = 0; i < 2; i++) {
        check(natskit_js_next(js, "BATCH_C", NATSKIT_ZLEN, "ticks", NATSKIT_ZLEN, 10000, &msg, NULL), "next");
        check(natskit_msg_view(msg, &view, sizeof view), "view");
        check(natskit_msg_origin(msg, &origin, sizeof origin), "origin");
        printf("schedule: %.*s, made by %.*s\n", (int)view.data_len, (const char *)view.data,
               (int)origin.scheduler_len, origin.scheduler);
        check(natskit_msg_ack(msg), "ack");
        natskit_msg_release(msg);
    }
    headers = header(NATSKIT_HEADER_SCHEDULER, "batch.c.plan");
    check(
        natskit_headers_add(headers, NATSKIT_HEADER_SCHEDULE_NEXT, NATSKIT_ZLEN, "purge", NATSKIT_ZLEN, NULL),
        "purge");
    publish("batch.c.stop", "", headers, NULL);
    check(natskit_headers_close(headers), "close");
    printf("schedule: ended\n");
}
/* snippet end */

int main(void)
{
    natskit_conn conn = connect_or_exit();
    js = jetstream_or_exit(conn);
    js_do(js, "stream.create",
          "{\"config\":{\"name\":\"BATCH_C\",\"subjects\":[\"batch.c.>\"],\"storage\":\"memory\","
          "\"allow_atomic\":true,\"allow_msg_schedules\":true}}");
    js_do(js, "stream.create",
          "{\"config\":{\"name\":\"COUNT_C\",\"subjects\":[\"count.c.>\"],\"storage\":\"memory\","
          "\"allow_msg_counter\":true,\"allow_direct\":true}}");
    js_do(js, "consumer.create",
          "{\"stream\":\"BATCH_C\",\"config\":{\"durable_name\":\"ticks\",\"ack_policy\":\"explicit\","
          "\"filter_subject\":\"batch.c.tick\"}}");
    check(order("93 left", "0"), "the first order");
    expect(NATSKIT_WRONG_LAST, order("86 left", "1"), "an order that saw another stock");
    count("+5");
    count("-2");
    count("+100000000000000000000");
    schedule();
    js_do(js, "stream.delete", "{\"stream\":\"BATCH_C\"}");
    js_do(js, "stream.delete", "{\"stream\":\"COUNT_C\"}");
    check(natskit_js_close(js), "close the context");
    check(natskit_conn_close(conn, 1000), "close");
    return 0;
}
