/* Streams: one is made, filled, changed, looked at, purged and deleted. Needs a server with JetStream. */
#include "example.h"

#include <string.h>

#define MANY 1000

static natskit_error err;

/* snippet: one */
/* One message, of which the ack is waited for. */
static void publish_one(natskit_js js, const char *text, natskit_headers headers)
{
    natskit_msg *msg;
    natskit_pub_ack ack;
    int32_t outcome;
    natskit_status status = natskit_js_publish(js, "example.c.orders", NATSKIT_ZLEN, headers, text,
                                               strlen(text), 5000, &msg, &outcome, &err);
    if (status != NATSKIT_OK) {
        fprintf(stderr, "%s%s\n", err.text, outcome == NATSKIT_OUTCOME_UNKNOWN ? "; it may be stored" : "");
    }
    check(status, "publish");
    check(natskit_msg_pub_ack(msg, &ack, sizeof ack), "ack");
    printf("published: number %llu of %.*s%s\n", (unsigned long long)ack.seq, (int)ack.stream_len, ack.stream,
           ack.duplicate ? ", which was there before" : "");
    natskit_msg_release(msg);
}

/* The stream knows an id that it has had, and stores nothing then. */
static void publish_with_id(natskit_js js)
{
    natskit_headers headers;
    check(natskit_headers_open(&headers), "headers");
    check(natskit_headers_set(headers, "Nats-Msg-Id", NATSKIT_ZLEN, "order-1", NATSKIT_ZLEN,
                              NATSKIT_MATCH_EXACT, &err),
          "id");
    publish_one(js, "order 1", headers);
    publish_one(js, "order 1", headers);
    natskit_headers_close(headers);
}
/* snippet end */

/* snippet: publisher */
/* Takes what is known by now, and gives how many are stored. */
static int take_acks(natskit_sub acks)
{
    natskit_msg *msg;
    int stored = 0;
    while (natskit_sub_next(acks, 0, &msg) == NATSKIT_OK) {
        natskit_pub_ack ack;
        check(natskit_msg_pub_ack(msg, &ack, sizeof ack), "ack");
        if (ack.status == NATSKIT_OK) {
            stored++;
        } else {
            printf("message %llu: %.*s\n", (unsigned long long)ack.id, (int)ack.text_len, ack.text);
        }
        natskit_msg_release(msg);
    }
    return stored;
}

/* Many messages under way at once, each with exactly one outcome. */
static void publish_many(natskit_js js)
{
    natskit_publisher pub;
    natskit_sub acks;
    int stored = 0;
    check(natskit_publisher_open(js, no_options, &pub, &acks, &err), "publisher");
    for (int i = 0; i < MANY; i++) {
        uint64_t id; /* that of its ack */
        check(natskit_publisher_publish(pub, "example.c.many", NATSKIT_ZLEN, no_headers, "data", 4, -1, &id),
              "publish");
        stored += take_acks(acks);
    }
    check(natskit_publisher_done(pub, 30000, &err), "acks");
    stored += take_acks(acks);
    printf("publisher: %d of %d are stored\n", stored, MANY);
    natskit_publisher_close(pub);
    natskit_sub_close(acks);
}
/* snippet end */

/* snippet: manage */
static void show_number(natskit_json json, const char *what, const char *path)
{
    int64_t number;
    check(natskit_json_get_int(json, path, NATSKIT_ZLEN, &number, &err), what);
    printf("%s: %lld\n", what, (long long)number);
    natskit_json_close(json);
}

/* snippet end */
int main(void)
{
    natskit_conn conn = connect_or_exit();
    natskit_js js = jetstream_or_exit(conn);

    /* snippet: manage */
    /* Times are nanoseconds: messages are kept for a day. */
    js_do(js, "stream.create",
          "{\"config\":{\"name\":\"EXAMPLE_C\",\"subjects\":[\"example.c.>\"],\"storage\":\"memory\","
          "\"max_age\":86400000000000}}");
    js_do(js, "consumer.create",
          "{\"stream\":\"EXAMPLE_C\",\"config\":{\"durable_name\":\"worker\",\"ack_policy\":\"explicit\","
          "\"ack_wait\":30000000000}}");

    /* snippet end */
    publish_one(js, "order 0", no_headers);
    publish_with_id(js);
    publish_many(js);
    /* snippet: manage */
    /* An update changes what it names, and keeps the rest. */
    show_number(js_call_or_exit(js, "stream.update",
                                "{\"config\":{\"name\":\"EXAMPLE_C\",\"description\":\"of an example\"}}"),
                "updated, and messages are still kept for", "/config/max_age");
    show_number(js_call_or_exit(js, "stream.info", "{\"stream\":\"EXAMPLE_C\"}"), "messages",
                "/state/messages");
    show_number(js_call_or_exit(js, "stream.message.get",
                                "{\"stream\":\"EXAMPLE_C\",\"last_by_subj\":\"example.c.orders\"}"),
                "number of the last order", "/message/seq");
    show_number(js_call_or_exit(js, "stream.purge", "{\"stream\":\"EXAMPLE_C\",\"keep\":2}"), "purged",
                "/purged");
    js_do(js, "stream.delete", "{\"stream\":\"EXAMPLE_C\"}");
    /* snippet end */
    printf("deleted\n");

    check(natskit_js_close(js), "close the context");
    check(natskit_conn_close(conn, 1000), "close");
    return 0;
}
