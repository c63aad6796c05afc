/* Every example in C runs against a real server, ends well, and says what it should. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void run_example(const char *name, const char *const *says)
{
    char command[4096];
    char output[8192];
    snprintf(command, sizeof command, "%s/%s 2>&1", NKI_EXAMPLES_DIR, name);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t len = fread(output, 1, sizeof output - 1, pipe);
    output[len] = '\0';
    int status = pclose(pipe);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fail_msg("%s ended with %d: %s", name, status, output);
    }
    for (; *says != NULL; says++) {
        if (strstr(output, *says) == NULL) {
            fail_msg("%s does not say '%s': %s", name, *says, output);
        }
    }
}

static void test_hello(void **state)
{
    (void)state;
    run_example("hello", (const char *const[]){"greet.joe: hello", NULL});
}

static void test_pubsub(void **state)
{
    (void)state;
    run_example("pubsub",
                (const char *const[]){"received greet.joe 'hello'", "received greet.bob 'goodbye'", NULL});
}

static void test_queue_group(void **state)
{
    (void)state;
    run_example("queue_group", (const char *const[]){"member 1 did", "member 2 did", "of 100 jobs", NULL});
}

static void test_request_reply(void **state)
{
    (void)state;
    run_example("request_reply",
                (const char *const[]){"got 'hello, joe'", "got 'hello, pam'", "nobody listens", NULL});
}

static void test_request_many(void **state)
{
    (void)state;
    run_example("request_many", (const char *const[]){"member 1", "member 2", "member 3",
                                                      "3 answers, then: no further", NULL});
}

static void test_kv_watch(void **state)
{
    (void)state;
    run_example("kv_watch",
                (const char *const[]){
                    "get: db.host = '10.0.0.7' (revision 1)", "watch: db.host = '10.0.0.7' (revision 1)",
                    "watch: db.port = '5432' (revision 2)", "watch: that was all there was",
                    "create: the key has a value", "watch: leader has gone (revision 4)", NULL});
}

static void test_kv_batch(void **state)
{
    (void)state;
    run_example("kv_batch", (const char *const[]){"accounts: joe 70, pam 30", NULL});
}

static void test_kv_cache(void **state)
{
    (void)state;
    run_example("kv_cache", (const char *const[]){"at hand: /db/host = '10.0.0.7'", "visits: 2",
                                                  "sweep: 2 sessions deleted", NULL});
}

static void test_kv_codec(void **state)
{
    (void)state;
    run_example("kv_codec", (const char *const[]){"red: host 10.0.0.7", "red: a line of 1000 bytes, packed",
                                                  "red sees: host line", "blue sees: host",
                                                  "refused: odd was not written by this codec", NULL});
}

static void test_objects(void **state)
{
    (void)state;
    run_example("objects", (const char *const[]){
                               "put: lines.txt, 16890 bytes in 1 chunks", "get: lines.txt has 1000 lines",
                               "renamed: report.txt, 16890 bytes", "get: latest has 1000 lines",
                               "info: object \"report.txt\": the object was deleted", NULL});
}

static void test_streams(void **state)
{
    (void)state;
    run_example("streams", (const char *const[]){"number 2 of EXAMPLE_C, which was there before",
                                                 "1000 of 1000 are stored", "still kept for: 86400000000000",
                                                 "messages: 1002", "number of the last order: 2",
                                                 "purged: 1000", "deleted", NULL});
}

static void test_work_queue(void **state)
{
    (void)state;
    run_example("work_queue", (const char *const[]){"given up: nonsense", "done: later, at delivery 2",
                                                    "worker 1: ", "worker 2: ", "19 of 20 jobs done", NULL});
}

static void test_batches(void **state)
{
    (void)state;
    run_example("batches",
                (const char *const[]){"batch: 2 messages, the last as 2", "nothing of it is stored",
                                      "counter: 5", "counter: 3", "counter: 100000000000000000003",
                                      "schedule: tick, made by batch.c.plan", "schedule: ended", NULL});
}

static void test_fast_ingest(void **state)
{
    (void)state;
    run_example("fast_ingest",
                (const char *const[]){"stored: 10000 messages, the last as 10000",
                                      "ended: wrong last sequence", "stored up to 1 of 2", NULL});
}

static void test_consume(void **state)
{
    (void)state;
    run_example("consume",
                (const char *const[]){"fetched: 10", "handled: 89", "status: there is no such consumer",
                                      "status: messages come again", "handled: 50", "drained: ", NULL});
}

static void test_replay(void **state)
{
    (void)state;
    run_example("replay",
                (const char *const[]){"all: 1, hall 20.5", "all: 4, hall 21.0", "now: 2, attic 31.0",
                                      "now: 4, hall 21.0", "hall: 3, hall 20.7",
                                      "hall: that was all there was", "hall: 5, hall 21.4", NULL});
}

static void test_push(void **state)
{
    (void)state;
    run_example("push", (const char *const[]){"shared: 20 jobs done once", "consumer: workers of PUSH_C",
                                              "saved: all chunks", "restored: 20 messages", "trace: in",
                                              "advisory: delete", NULL});
}

static void test_direct_get(void **state)
{
    (void)state;
    run_example("direct_get",
                (const char *const[]){"second: 2, attic 31.0", "hall: 4, hall 21.0", "page: 2, attic 31.0",
                                      "page: 3, hall 20.7", "now: 2, attic 31.0", "now: 4, hall 21.0", NULL});
}

static void test_headers(void **state)
{
    (void)state;
    run_example("headers",
                (const char *const[]){"refused: value of header 'Note' holds a line break", "color: red",
                                      "color: blue", "X-Shop: north", "x-shop: north", NULL});
}

static void test_events(void **state)
{
    (void)state;
    char disconnected[128];
    (void)snprintf(disconnected, sizeof disconnected, "event: disconnected %s", ts_tap_url(bench.tap));
    run_example("events", (const char *const[]){disconnected, "event: reconnected ",
                                                "received 'sent after the reconnect' by transport 2",
                                                "health: it works", "\"line\":\"PUB events.c 24\"",
                                                "\"kind\":\"subscription\"", "event: closed ", NULL});
}

static void test_delivery(void **state)
{
    (void)state;
    run_example("delivery", (const char *const[]){"acked: number 1 of DELIVERY_C", "(3 attempts), not stored",
                                                  "in doubt: 0 messages", NULL});
}

static void test_losses(void **state)
{
    (void)state;
    run_example("losses",
                (const char *const[]){"slow consumer: losses.c", "received 100, waiting 10, dropped 90",
                                      "connection: dropped 90, unconfirmed 0, unsent 0", NULL});
}

static void test_drain(void **state)
{
    (void)state;
    run_example("drain", (const char *const[]){"drain: 20 jobs done", NULL});
}

static void test_event_loops(void **state)
{
    (void)state;
    run_example("epoll", (const char *const[]){"reply 5: pong", "epoll: 5 replies in one thread", NULL});
    if (access(NKI_EXAMPLES_DIR "/libuv", X_OK) == 0) { /* made where libuv is */
        run_example("libuv", (const char *const[]){"libuv: 5 replies in one thread", NULL});
    }
}

static void test_service(void **state)
{
    (void)state;
    run_example("service", (const char *const[]){"texts.c.reverse: desserts", "texts.c.upper: QUIET",
                                                 "texts.c.reverse: error 400: 1 to 64 bytes, please",
                                                 "found: 2 requests, 1 error", "drained", NULL});
}

static void test_metrics(void **state)
{
    (void)state;
    run_example("metrics",
                (const char *const[]){
                    "# TYPE nats_client_up gauge\nnats_client_up 1\n", "\nnats_client_out_messages_total 2\n",
                    "\nnats_client_sub_received_messages_total{subject=\"metrics.c.>\"} 2\n",
                    "\nnats_client_sub_pending_messages{subject=\"metrics.c.>\"} 1\n",
                    "\nnats_client_sub_up{subject=\"metrics.c.\\\"quoted\\\"\"} 1\n", NULL});
}

static void test_tour(void **state)
{
    (void)state;
    run_example("tour", (const char *const[]){"20 done once", "header Language: C", "bad input: subject",
                                              "the last one is CLOSED", "nothing is left behind", NULL});
}

static void test_websocket(void **state)
{
    (void)state;
    char url[64];
    struct ts_server *server = ts_server_start(&(struct ts_server_opts){
        .extra = "websocket { listen: \"127.0.0.1:@PORT1@\", no_tls: true }", .no_jetstream = true});
    assert_non_null(server);
    (void)snprintf(url, sizeof url, "ws://127.0.0.1:%u", ts_server_extra_port(server, 1));
    assert_int_equal(setenv("NATS_URL", url, 1), 0);
    run_example("websocket", (const char *const[]){"connected by ws://127.0.0.1:", "TLS no",
                                                   "received greet.joe 'hello'", NULL});
    assert_int_equal(setenv("NATS_URL", ts_tap_url(bench.tap), 1), 0);
    ts_server_free(server);
}

static int begin(void **state)
{
    int code = bench_begin(state);
    return code != 0 ? code : setenv("NATS_URL", ts_tap_url(bench.tap), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello),        cmocka_unit_test(test_pubsub),
        cmocka_unit_test(test_queue_group),  cmocka_unit_test(test_request_reply),
        cmocka_unit_test(test_request_many), cmocka_unit_test(test_kv_watch),
        cmocka_unit_test(test_streams),      cmocka_unit_test(test_work_queue),
        cmocka_unit_test(test_consume),      cmocka_unit_test(test_replay),
        cmocka_unit_test(test_tour),         cmocka_unit_test(test_event_loops),
        cmocka_unit_test(test_websocket),    cmocka_unit_test(test_service),
        cmocka_unit_test(test_direct_get),   cmocka_unit_test(test_objects),
        cmocka_unit_test(test_kv_batch),     cmocka_unit_test(test_kv_cache),
        cmocka_unit_test(test_kv_codec),     cmocka_unit_test(test_batches),
        cmocka_unit_test(test_push),         cmocka_unit_test(test_headers),
        cmocka_unit_test(test_events),       cmocka_unit_test(test_delivery),
        cmocka_unit_test(test_losses),       cmocka_unit_test(test_drain),
        cmocka_unit_test(test_metrics),      cmocka_unit_test(test_fast_ingest),
    };
    return cmocka_run_group_tests(tests, begin, bench_end);
}
