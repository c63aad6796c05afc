/* What each level of delivery promises: accepted, written, flushed, acked. Needs a server with JetStream. */
#include "example.h"

static natskit_error err;

static void publish(natskit_conn conn, natskit_js js)
{
    int32_t outcome;
    natskit_msg *msg;
    natskit_pub_ack ack;
    /* snippet: levels */
    /* Accepted: the message is in the outbox of this process, behind all that was published before. */
    check(natskit_publish(conn, "delivery.c", NATSKIT_ZLEN, NULL, 0, no_headers, "hello", 5, 1000),
          "accepted");
    /* Written: the operating system has it. */
    check(natskit_written(conn, 1000, &err), "written");
    /* Flushed: the server has processed it, and has sent it to who subscribed. */
    check(natskit_flush(conn, 1000), "flushed");
    /* Acked: a stream has stored it. */
    natskit_status status = natskit_js_publish(js, "delivery.c.kept", NATSKIT_ZLEN, no_headers, "hello", 5,
                                               5000, &msg, &outcome, &err);
    /* snippet end */
    check(status, err.text);
    check(natskit_msg_pub_ack(msg, &ack, sizeof ack), "ack");
    printf("acked: number %llu of %.*s\n", (unsigned long long)ack.seq, (int)ack.stream_len, ack.stream);
    natskit_msg_release(msg);
}

/* Where no stream takes the subject nothing acks, and the outcome tells that nothing is stored. */
static void publish_to_nobody(natskit_js js)
{
    int32_t outcome;
    natskit_msg *msg;
    expect(NATSKIT_NO_STREAM,
           natskit_js_publish(js, "delivery.c2.nobody", NATSKIT_ZLEN, no_headers, "hello", 5, 5000, &msg,
                              &outcome, &err),
           "publish to no stream");
    printf("not acked: %s, %s\n", err.text, outcome == NATSKIT_OUTCOME_UNKNOWN ? "unknown" : "not stored");
}

int main(void)
{
    natskit_conn conn = connect_or_exit();
    natskit_js js = jetstream_or_exit(conn);
    natskit_conn_stats stats;
    js_do(js, "stream.create",
          "{\"config\": {\"name\": \"DELIVERY_C\", \"subjects\": [\"delivery.c.kept\"]}}");
    publish(conn, js);
    publish_to_nobody(js);
    check(natskit_conn_stats_get(conn, &stats, sizeof stats), "stats");
    printf("in doubt: %llu messages\n", (unsigned long long)stats.unconfirmed);
    js_do(js, "stream.delete", "{\"stream\": \"DELIVERY_C\"}");
    natskit_js_close(js);
    check(natskit_conn_close(conn, 1000), "close");
    return 0;
}
