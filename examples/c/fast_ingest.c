/* Fast ingest (server 2.14): many messages to one stream, which it acks by and by; what is refused ends it,
 * and the program knows up to where all is stored. Needs a server with JetStream. */
#include "example.h"

#include <inttypes.h>
#include <string.h>

enum { LINES = 10000 };

static natskit_js js;

/* snippet: ingest */
static natskit_status put(natskit_ingest fast, uint64_t line, natskit_headers headers)
{
    char text[32];
    int len = snprintf(text, sizeof text, "line %" PRIu64, line);
    /* Waits only while as many are under way as the stream takes. */
    return natskit_ingest_publish(fast, "fast.c.log", NATSKIT_ZLEN, headers, text, (size_t)len, 5000, NULL);
}

static void end(natskit_ingest fast)
{
    natskit_msg *msg;
    natskit_pub_ack ack;
    natskit_ingest_info info;
    natskit_error err;
    if (natskit_ingest_commit(fast, 5000, &msg, NULL, &err) == NATSKIT_OK) {
        check(natskit_msg_pub_ack(msg, &ack, sizeof ack), "ack");
        printf("stored: %" PRIu64 " messages, the last as %" PRIu64 "\n", ack.count, ack.seq);
        natskit_msg_release(msg);
    } else {
        check(natskit_ingest_info_get(fast, &info, sizeof info), "info");
        printf("ended: %s; stored up to %" PRIu64 " of %" PRIu64 "\n", err.text, info.acked, info.published);
    }
}

/* snippet end */
int main(void)
{
    natskit_conn conn = connect_or_exit();
    natskit_ingest fast;
    natskit_sub failures;
    natskit_headers headers;
    js = jetstream_or_exit(conn);
    js_do(js, "stream.create",
          "{\"config\":{\"name\":\"FAST_C\",\"subjects\":[\"fast.c.>\"],\"storage\":\"memory\","
          "\"allow_batched\":true}}");
    /* snippet: ingest */
    check(natskit_ingest_open(js, no_options, &fast, &failures, NULL), "ingest");
    for (uint64_t i = 1; i <= LINES; i++) {
        check(put(fast, i, no_headers), "publish");
    }
    end(fast);
    check(natskit_ingest_close(fast), "close");
    check(natskit_sub_close(failures), "close");
    /* snippet end */

    check(natskit_headers_open(&headers), "headers");
    check(natskit_headers_set(headers, "Nats-Expected-Last-Sequence", NATSKIT_ZLEN, "7", NATSKIT_ZLEN,
                              NATSKIT_MATCH_EXACT, NULL),
          "set");
    check(natskit_ingest_open(js, no_options, &fast, &failures, NULL), "ingest");
    check(put(fast, 1, no_headers), "publish");
    check(put(fast, 2, headers), "publish"); /* which the stream refuses */
    end(fast);
    check(natskit_headers_close(headers), "close");
    check(natskit_ingest_close(fast), "close");
    check(natskit_sub_close(failures), "close");
    js_do(js, "stream.delete", "{\"stream\":\"FAST_C\"}");
    check(natskit_js_close(js), "close the context");
    check(natskit_conn_close(conn, 1000), "close");
    return 0;
}
