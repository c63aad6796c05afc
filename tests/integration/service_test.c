/* Services against a real server: what they answer to PING, INFO and STATS, what their statistics count, and
 * that neither reconnects nor the end of a service lose a request. */
#include "js_bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static natskit_conn conn;
static natskit_conn client;

static int begin(void **state)
{
    (void)state;
    conn = bench_connect();
    client = bench_connect();
    return 0;
}

static int end(void **state)
{
    (void)state;
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_conn_close(client, WAIT_MS));
    return 0;
}

struct service {
    natskit_service handle;
    natskit_sub requests;
};

static struct service open_service(const char *config)
{
    struct service service;
    natskit_json json = jb_json("%s", config);
    assert_ok(natskit_service_open(conn, json, NO_OPTIONS, &service.handle, &service.requests, NULL));
    assert_ok(natskit_json_close(json));
    return service;
}

static void close_service(struct service service)
{
    assert_ok(natskit_sub_close(service.requests));
    assert_ok(natskit_service_close(service.handle));
}

static uint32_t add_endpoint(struct service service, uint32_t group, const char *config)
{
    uint32_t index;
    natskit_json json = jb_json("%s", config);
    assert_ok(natskit_service_endpoint_add(service.handle, group, json, &index, NULL));
    assert_ok(natskit_json_close(json));
    return index;
}

static uint32_t add_group(struct service service, uint32_t parent, const char *config)
{
    uint32_t index;
    natskit_json json = jb_json("%s", config);
    assert_ok(natskit_service_group_add(service.handle, parent, json, &index, NULL));
    assert_ok(natskit_json_close(json));
    return index;
}

static natskit_json report(struct service service, int32_t verb)
{
    natskit_json json;
    assert_ok(natskit_service_report(service.handle, verb, &json, NULL));
    return json;
}

static natskit_op request(const char *subject, const char *data)
{
    natskit_op op;
    assert_ok(natskit_request_start(client, subject, Z, NO_HEADERS, data, Z, NO_OPTIONS, WAIT_MS, &op, NULL));
    return op;
}

static natskit_msg *reply_of(natskit_op op)
{
    natskit_msg *msg;
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_take_msg(op, &msg));
    assert_ok(natskit_op_close(op));
    return msg;
}

static natskit_msg *next(struct service service)
{
    natskit_msg *msg;
    natskit_message_view view;
    assert_ok(natskit_sub_next(service.requests, WAIT_MS, &msg));
    assert_ok(natskit_msg_view(msg, &view, sizeof view));
    assert_int_equal(view.kind, NATSKIT_MSG_SERVICE);
    return msg;
}

/* What a request on this subject is answered with, as a document. */
static natskit_json ask(const char *subject)
{
    natskit_msg *msg;
    natskit_message_view view;
    natskit_json json;
    assert_ok(natskit_request(client, subject, Z, NO_HEADERS, NULL, 0, WAIT_MS, &msg, NULL));
    assert_ok(natskit_msg_view(msg, &view, sizeof view));
    assert_ok(natskit_json_parse(view.data, view.data_len, &json, NULL));
    assert_ok(natskit_msg_release(msg));
    return json;
}

static char *text_of(natskit_json json)
{
    size_t len;
    (void)natskit_json_text(json, "", 0, NULL, 0, &len, NULL);
    char *text = calloc(1, len + 1);
    assert_non_null(text);
    assert_ok(natskit_json_text(json, "", 0, text, len, &len, NULL));
    return text;
}

/* -- what services say of themselves --------------------------------------------------------------------- */

/* All levels answer the same that the service says itself; it is closed afterwards. */
static void check_levels(struct service service, const char *prefix, const char *name)
{
    static const char *const verbs[] = {"", "PING", "INFO", "STATS"};
    natskit_json own = report(service, NATSKIT_SERVICE_PING);
    char id[64];
    (void)snprintf(id, sizeof id, "%s", jb_at(own, "/id"));
    assert_int_equal(strlen(id), 24); /* 22 and quotes */
    assert_ok(natskit_json_close(own));
    assert_ok(natskit_flush(conn, WAIT_MS));
    for (int32_t verb = NATSKIT_SERVICE_PING; verb <= NATSKIT_SERVICE_STATS; verb++) {
        natskit_json mine = report(service, verb);
        char *wanted = text_of(mine);
        for (int level = 0; level < 3; level++) {
            char subject[200];
            (void)snprintf(subject, sizeof subject, "%s.%s%s%s%s%.22s", prefix, verbs[verb],
                           level > 0 ? "." : "", level > 0 ? name : "", level > 1 ? "." : "",
                           level > 1 ? id + 1 : "");
            natskit_json theirs = ask(subject);
            char *got = text_of(theirs);
            assert_string_equal(got, wanted);
            free(got);
            assert_ok(natskit_json_close(theirs));
        }
        free(wanted);
        assert_ok(natskit_json_close(mine));
    }
    close_service(service);
}

static void test_least(void **state)
{
    (void)state;
    struct service service = open_service("{'name':'Least-1_x','version':'0.0.1'}");
    natskit_json info = report(service, NATSKIT_SERVICE_INFO);
    assert_at(info, "/type", "'io.nats.micro.v1.info_response'");
    assert_at(info, "/name", "'Least-1_x'");
    assert_at(info, "/version", "'0.0.1'");
    assert_at(info, "/description", "''");
    assert_at(info, "/metadata", "{}");
    assert_at(info, "/endpoints", "[]");
    assert_ok(natskit_json_close(info));
    natskit_json ping = report(service, NATSKIT_SERVICE_PING);
    assert_at(ping, "/type", "'io.nats.micro.v1.ping_response'");
    assert_at(ping, "/metadata", "{}");
    assert_int_equal(jb_size(ping, ""), 5);
    assert_ok(natskit_json_close(ping));
    check_levels(service, "$SRV", "Least-1_x");
}

static void test_everything(void **state)
{
    (void)state;
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_SERVICE, &options));
    assert_ok(natskit_options_set(options, "prefix", Z, "tools.srv", Z, NULL));
    struct service service;
    natskit_json config =
        jb_json("%s", "{'name':'Full','version':'1.2.3-rc.1+build.5','description':'a \\\"b\\\"\\nc',"
                      "'metadata':{'k \\\"1\\\"':'v\\n'},'queue_group':null}");
    assert_ok(natskit_service_open(conn, config, options, &service.handle, &service.requests, NULL));
    assert_ok(natskit_json_close(config));
    assert_ok(natskit_options_close(options));
    uint32_t v1 = add_group(service, 0, "{'prefix':'full.v1','queue_group':'g'}");
    uint32_t deep = add_group(service, v1, "{'prefix':'*.deep'}");
    uint32_t bare = add_group(service, deep, "{'queue_group':null}");
    add_endpoint(service, 0, "{'name':'full-root'}");
    add_endpoint(service, v1, "{'name':'a','subject':'x.*.>','metadata':{'m':'n'}}");
    add_endpoint(service, deep, "{'name':'b','queue_group':'own'}");
    add_endpoint(service, bare, "{'name':'c'}");
    natskit_json info = report(service, NATSKIT_SERVICE_INFO);
    assert_at(info, "/description", "'a \\'b\\'\\nc'");
    assert_at(info, "/metadata", "{'k \\'1\\'':'v\\n'}");
    assert_at(info, "/endpoints",
              "[{'name':'full-root','subject':'full-root','queue_group':'','metadata':{}},"
              "{'name':'a','subject':'full.v1.x.*.>','queue_group':'g','metadata':{'m':'n'}},"
              "{'name':'b','subject':'full.v1.*.deep.b','queue_group':'own','metadata':{}},"
              "{'name':'c','subject':'full.v1.*.deep.c','queue_group':'','metadata':{}}]");
    assert_ok(natskit_json_close(info));
    /* What was said of the last error may be anything. */
    assert_ok(natskit_flush(conn, WAIT_MS));
    natskit_op op = request("full-root", "x");
    natskit_msg *msg = next(service);
    assert_ok(
        natskit_msg_respond_error(msg, 42, "say \"no\"\r\nand \xff go", Z, NO_HEADERS, NULL, 0, WAIT_MS));
    assert_ok(natskit_msg_release(msg));
    assert_ok(natskit_msg_release(reply_of(op)));
    natskit_json data = jb_json("%s", "{'load':[0.5,'\\\"']}");
    assert_ok(natskit_service_endpoint_data(service.handle, 1, data, NULL));
    assert_ok(natskit_json_close(data));
    natskit_json stats = report(service, NATSKIT_SERVICE_STATS);
    assert_at(stats, "/type", "'io.nats.micro.v1.stats_response'");
    assert_at(stats, "/endpoints/0/last_error", "'42:say \\'no\\'\\r\\nand ? go'");
    assert_at(stats, "/endpoints/0/num_errors", "1");
    assert_at(stats, "/endpoints/0/data", "");
    assert_at(stats, "/endpoints/1/data", "{'load':[0.5,'\\'']}");
    assert_at(stats, "/endpoints/1/last_error", "''");
    assert_at(stats, "/endpoints/1/queue_group", "'g'");
    assert_at(stats, "/endpoints/3/average_processing_time", "0");
    assert_int_equal(strlen(jb_at(stats, "/started")), 32); /* 2006-01-02T15:04:05.000000000Z */
    assert_ok(natskit_json_close(stats));
    assert_ok(natskit_service_endpoint_data(service.handle, 1, (natskit_json){0}, NULL));
    check_levels(service, "tools.srv", "Full");
}

struct refusal {
    const char *config;
    const char *says;
};

static void test_refusals(void **state)
{
    (void)state;
    static const struct refusal services[] = {
        {"[]", "not an object"},
        {"{}", "name"},
        {"{'name':'a'}", "version"},
        {"{'name':'a b','version':'1.0.0'}", "\"a b\""},
        {"{'name':'a.b','version':'1.0.0'}", "\"a.b\""},
        {"{'name':7,'version':'1.0.0'}", "name is not a string"},
        {"{'name':'a','version':'1.0'}", "semantic"},
        {"{'name':'a','version':'01.0.0'}", "semantic"},
        {"{'name':'a','version':'1.0.0-01'}", "semantic"},
        {"{'name':'a','version':'1.0.0-'}", "semantic"},
        {"{'name':'a','version':'1.0.0+'}", "semantic"},
        {"{'name':'a','version':'1.0.0.0'}", "semantic"},
        {"{'name':'a','version':'v1.0.0'}", "semantic"},
        {"{'name':'a','version':'1.0.0','queue_group':'a b'}", "queue_group"},
        {"{'name':'a','version':'1.0.0','metadata':{'a':1}}", "\"a\" is not a string"},
        {"{'name':'a','version':'1.0.0','metadata':'a'}", "metadata"},
        {"{'name':'a','version':'1.0.0','subject':'a'}", "\"subject\""},
    };
    static const struct refusal groups[] = {
        {"{'prefix':'a b'}", "prefix"}, {"{'prefix':'a.>'}", "ends with >"},    {"{'prefix':'.a'}", "prefix"},
        {"{'name':'a'}", "\"name\""},   {"{'queue_group':'*'}", "queue_group"},
    };
    static const struct refusal endpoints[] = {
        {"{}", "name"},
        {"{'name':'a.b'}", "name"},
        {"{'name':'a','subject':'b c'}", "subject"},
        {"{'name':'a','subject':'b.>.c'}", "subject"},
        {"{'name':'a','metadata':{'a':null}}", "\"a\""},
    };
    natskit_error err = {0};
    struct service service;
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        natskit_json json = jb_json("%s", services[i].config);
        assert_status(natskit_service_open(conn, json, NO_OPTIONS, &service.handle, &service.requests, &err),
                      NATSKIT_INVALID);
        assert_true(service.handle.id == 0 && service.requests.id == 0);
        assert_non_null(strstr(err.text, services[i].says));
        assert_ok(natskit_json_close(json));
    }
    service = open_service("{'name':'a','version':'1.0.0-0a.1-2+001.a-b'}");
    uint32_t index;
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        natskit_json json = jb_json("%s", groups[i].config);
        assert_status(natskit_service_group_add(service.handle, 0, json, &index, &err), NATSKIT_INVALID);
        assert_non_null(strstr(err.text, groups[i].says));
        assert_ok(natskit_json_close(json));
    }
    for (size_t i = 0; i < sizeof endpoints / sizeof endpoints[0]; i++) {
        natskit_json json = jb_json("%s", endpoints[i].config);
        assert_status(natskit_service_endpoint_add(service.handle, 0, json, &index, &err), NATSKIT_INVALID);
        assert_non_null(strstr(err.text, endpoints[i].says));
        assert_ok(natskit_json_close(json));
    }
    natskit_json fine = jb_json("%s", "{'name':'fine'}");
    assert_status(natskit_service_endpoint_add(service.handle, 1, fine, &index, &err), NATSKIT_INVALID);
    assert_non_null(strstr(err.text, "group 1"));
    assert_status(natskit_service_endpoint_data(service.handle, 0, fine, &err), NATSKIT_NOT_FOUND);
    for (uint32_t i = 0; i < 256; i++) {
        assert_ok(natskit_service_endpoint_add(service.handle, 0, fine, &index, NULL));
        assert_int_equal(index, i);
    }
    assert_status(natskit_service_endpoint_add(service.handle, 0, fine, &index, &err), NATSKIT_LIMIT);
    assert_ok(natskit_json_close(fine));
    check_levels(service, "$SRV", "a");
}

/* -- requests and statistics ----------------------------------------------------------------------------- */

static void test_statistics(void **state)
{
    (void)state;
    struct service service = open_service("{'name':'stats','version':'1.0.0'}");
    uint32_t group = add_group(service, 0, "{'prefix':'stats'}");
    add_endpoint(service, group, "{'name':'first'}");
    add_endpoint(service, group, "{'name':'second','subject':'second.*'}");
    assert_ok(natskit_flush(conn, WAIT_MS));
    natskit_op op = request("stats.second.x", "hello");
    natskit_msg *msg = next(service);
    natskit_service_view view;
    natskit_message_view whole;
    assert_ok(natskit_msg_service(msg, &view, sizeof view));
    assert_int_equal(view.index, 1);
    assert_true(view.endpoint_len == 6 && memcmp(view.endpoint, "second", 6) == 0);
    assert_true(view.group_len == 5 && memcmp(view.group, "stats", 5) == 0);
    assert_true(view.pattern_len == 14 && memcmp(view.pattern, "stats.second.*", 14) == 0);
    assert_ok(natskit_msg_view(msg, &whole, sizeof whole));
    assert_true(whole.subject_len == 14 && memcmp(whole.subject, "stats.second.x", 14) == 0);
    assert_true(whole.data_len == 5 && memcmp(whole.data, "hello", 5) == 0);
    ts_pause_ms(20);
    assert_ok(natskit_msg_respond(msg, NO_HEADERS, "1", 1, WAIT_MS));
    assert_ok(natskit_msg_respond(msg, NO_HEADERS, "2", 1, WAIT_MS)); /* counted once */
    assert_ok(natskit_msg_handled(msg));
    natskit_msg *reply = reply_of(op);
    assert_ok(natskit_msg_service_error(reply, NULL));
    assert_ok(natskit_msg_release(reply));
    natskit_json stats = report(service, NATSKIT_SERVICE_STATS);
    assert_at(stats, "/endpoints/1/num_requests", "1");
    assert_at(stats, "/endpoints/1/num_errors", "0");
    uint64_t took = jb_number(stats, "/endpoints/1/processing_time");
    assert_true(took >= 20 * 1000000 && took < (uint64_t)WAIT_MS * 1000000);
    assert_int_equal(jb_number(stats, "/endpoints/1/average_processing_time"), took);
    assert_at(stats, "/endpoints/0/num_requests", "0");
    assert_ok(natskit_json_close(stats));
    /* An error, in one line whatever it says, with headers and data of the caller. */
    natskit_headers headers;
    assert_ok(natskit_headers_open(&headers));
    assert_ok(natskit_headers_add(headers, "X", Z, "y", Z, NULL));
    op = request("stats.first", "");
    natskit_msg *failed = next(service);
    assert_ok(natskit_msg_respond_error(failed, 503, " busy\nnow ", Z, headers, "why", 3, WAIT_MS));
    assert_ok(natskit_msg_respond_error(failed, 504, "again", Z, NO_HEADERS, NULL, 0, WAIT_MS));
    reply = reply_of(op);
    natskit_error err = {0};
    assert_status(natskit_msg_service_error(reply, &err), NATSKIT_SERVICE_ERROR);
    assert_int_equal(err.server_code, 503);
    assert_string_equal(err.text, "busy now");
    const char *value;
    size_t len;
    assert_ok(natskit_msg_header(reply, "X", Z, NATSKIT_MATCH_EXACT, 0, &value, &len));
    assert_ok(natskit_msg_view(reply, &whole, sizeof whole));
    assert_true(whole.data_len == 3 && memcmp(whole.data, "why", 3) == 0);
    assert_ok(natskit_msg_release(reply));
    assert_ok(natskit_msg_release(failed));
    assert_ok(natskit_headers_close(headers));
    /* Nobody waits for an answer: counted when it is let go, or with the error. */
    bench_publish(client, "stats.first", "no reply");
    natskit_msg *quiet = next(service);
    assert_status(natskit_msg_respond(quiet, NO_HEADERS, NULL, 0, WAIT_MS), NATSKIT_NO_REPLY);
    assert_ok(natskit_msg_release(quiet));
    bench_publish(client, "stats.first", "no reply");
    quiet = next(service);
    assert_status(natskit_msg_respond_error(quiet, 1, "odd", Z, NO_HEADERS, NULL, 0, WAIT_MS),
                  NATSKIT_NO_REPLY);
    stats = report(service, NATSKIT_SERVICE_STATS);
    assert_at(stats, "/endpoints/0/num_requests", "3");
    assert_at(stats, "/endpoints/0/num_errors", "2");
    assert_at(stats, "/endpoints/0/last_error", "'1:odd'");
    assert_ok(natskit_json_close(stats));
    assert_ok(natskit_service_reset(service.handle));
    stats = report(service, NATSKIT_SERVICE_STATS);
    assert_at(stats, "/endpoints/0/num_requests", "0");
    assert_at(stats, "/endpoints/0/num_errors", "0");
    assert_at(stats, "/endpoints/0/last_error", "''");
    assert_at(stats, "/endpoints/1/processing_time", "0");
    assert_ok(natskit_json_close(stats));
    assert_ok(natskit_msg_release(quiet)); /* of before the reset, and counted then */
    /* What is dropped untaken was not handled. */
    bench_publish(client, "stats.first", "untaken");
    assert_ok(natskit_flush(client, WAIT_MS));
    assert_ok(natskit_flush(conn, WAIT_MS));
    assert_ok(natskit_sub_close(service.requests));
    stats = report(service, NATSKIT_SERVICE_STATS);
    assert_at(stats, "/endpoints/0/num_requests", "0");
    assert_ok(natskit_json_close(stats));
    assert_ok(natskit_service_close(service.handle));
    /* Messages outlive their service. */
    assert_ok(natskit_msg_service(msg, &view, sizeof view));
    assert_true(memcmp(view.endpoint, "second", 6) == 0);
    assert_ok(natskit_msg_release(msg));
}

/* -- load ------------------------------------------------------------------------------------------------ */

struct worker {
    pthread_t thread;
    natskit_sub requests;
    uint64_t handled;
    uint64_t failed;
    uint64_t faults;
};

/* Answers until the service has ended; each tenth request with an error. */
static void *serve(void *arg)
{
    struct worker *worker = arg;
    natskit_msg *msg;
    while (natskit_sub_next(worker->requests, -1, &msg) == NATSKIT_OK) {
        natskit_message_view view;
        worker->faults += natskit_msg_view(msg, &view, sizeof view) != NATSKIT_OK;
        bool fails = view.data_len == 4 && ((const unsigned char *)view.data)[0] % 10 == 0;
        natskit_status status =
            fails ? natskit_msg_respond_error(msg, 500, "bad\nluck", Z, NO_HEADERS, NULL, 0, WAIT_MS)
                  : natskit_msg_respond(msg, NO_HEADERS, view.data, view.data_len, WAIT_MS);
        worker->faults += status != NATSKIT_OK;
        worker->handled++;
        worker->failed += fails;
        worker->faults += natskit_msg_release(msg) != NATSKIT_OK;
    }
    worker->faults += natskit_sub_hold(worker->requests, 0) != NATSKIT_OK;
    return NULL;
}

static void start_workers(struct service service, struct worker *workers, int count)
{
    for (int i = 0; i < count; i++) {
        workers[i] = (struct worker){.requests = service.requests};
        assert_ok(natskit_sub_hold(service.requests, 1));
        assert_int_equal(pthread_create(&workers[i].thread, NULL, serve, &workers[i]), 0);
    }
}

/* Joins them, and compares what they did with the statistics. */
static struct worker join_workers(struct service service, struct worker *workers, int count)
{
    struct worker all = {.handled = 0};
    for (int i = 0; i < count; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_int_equal(workers[i].faults, 0);
        all.handled += workers[i].handled;
        all.failed += workers[i].failed;
    }
    natskit_json stats = report(service, NATSKIT_SERVICE_STATS);
    uint64_t requests = 0;
    uint64_t errors = 0;
    for (size_t i = 0; i < jb_size(stats, "/endpoints"); i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/endpoints/%zu/num_requests", i);
        requests += jb_number(stats, path);
        (void)snprintf(path, sizeof path, "/endpoints/%zu/num_errors", i);
        errors += jb_number(stats, path);
    }
    assert_ok(natskit_json_close(stats));
    assert_int_equal(requests, all.handled);
    assert_int_equal(errors, all.failed);
    return all;
}

/* Requests on and on while both sides lose their connections; those that are lost with them are sent again.
 * While all goes on the statistics are asked for over the wire. */
static void test_reconnects(void **state)
{
    (void)state;
    enum { WORKERS = 2, REQUESTS = 2000, EACH = 400 };
    struct service service = open_service("{'name':'load','version':'1.0.0'}");
    uint32_t group = add_group(service, 0, "{'prefix':'load'}");
    add_endpoint(service, group, "{'name':'a'}");
    add_endpoint(service, group, "{'name':'b'}");
    struct worker workers[WORKERS];
    start_workers(service, workers, WORKERS);
    assert_ok(natskit_flush(conn, WAIT_MS));
    uint64_t answered = 0;
    uint64_t errors = 0;
    for (uint32_t i = 0; i < REQUESTS;) {
        natskit_msg *reply;
        natskit_status status = natskit_request(client, i % 2 == 0 ? "load.a" : "load.b", Z, NO_HEADERS, &i,
                                                sizeof i, 300, &reply, NULL);
        if (status == NATSKIT_OK) {
            answered++;
            errors += natskit_msg_service_error(reply, NULL) == NATSKIT_SERVICE_ERROR;
            assert_ok(natskit_msg_release(reply));
            i++;
        } else {
            assert_true(status == NATSKIT_TIMEOUT || status == NATSKIT_DISCONNECTED ||
                        status == NATSKIT_NO_RESPONDERS);
            continue; /* a machine that is slow to reconnect is not made to begin again */
        }
        if (i % EACH == EACH / 2) {
            assert_ok(natskit_conn_reconnect(conn, NULL));
        }
        if (i % (2 * EACH) == EACH / 2 + 50) {
            assert_ok(natskit_conn_reconnect(client, NULL));
        }
    }
    assert_ok(natskit_sub_drain(service.requests, WAIT_MS, NULL));
    struct worker all = join_workers(service, workers, WORKERS);
    assert_int_equal(answered, REQUESTS);
    assert_true(all.handled >= answered && all.failed >= errors && errors > 0);
    natskit_conn_stats stats;
    assert_ok(natskit_conn_stats_get(conn, &stats, sizeof stats));
    assert_true(stats.reconnects >= 1 && stats.dropped_msgs == 0);
    close_service(service);
}

static bool has_reason(void *arg)
{
    const struct service *service = arg;
    return natskit_sub_reason(service->requests, NULL) != NATSKIT_PENDING;
}

/* Requests are under way when the service ends: each that reached it is answered, and the others are told
 * that nobody listens. */
static void end_under_load(void (*ending)(struct service service))
{
    enum { WORKERS = 2, REQUESTS = 400 };
    struct service service = open_service("{'name':'ends','version':'1.0.0'}");
    add_endpoint(service, 0, "{'name':'ends'}");
    struct worker workers[WORKERS];
    start_workers(service, workers, WORKERS);
    assert_ok(natskit_flush(conn, WAIT_MS));
    static natskit_op ops[REQUESTS];
    for (uint32_t i = 0; i < REQUESTS; i++) {
        assert_ok(natskit_request_start(client, "ends", Z, NO_HEADERS, &i, sizeof i, NO_OPTIONS, WAIT_MS,
                                        &ops[i], NULL));
        if (i == REQUESTS / 2) {
            assert_ok(natskit_flush(client, WAIT_MS)); /* the server has passed on what was asked so far */
            ending(service);
        }
    }
    struct worker all = join_workers(service, workers, WORKERS);
    uint64_t answered = 0;
    for (uint32_t i = 0; i < REQUESTS; i++) {
        assert_ok(natskit_op_wait(ops[i], WAIT_MS));
        natskit_status status = natskit_op_result(ops[i], NULL, NULL);
        assert_true(status == NATSKIT_OK || status == NATSKIT_NO_RESPONDERS);
        answered += status == NATSKIT_OK;
        assert_ok(natskit_op_close(ops[i]));
    }
    assert_int_equal(answered, all.handled);
    assert_true(answered > REQUESTS / 2);
    assert_status(natskit_sub_reason(service.requests, NULL), NATSKIT_UNSUBSCRIBED);
    natskit_msg *msg;
    assert_status(natskit_request(client, "$SRV.PING.ends", Z, NO_HEADERS, NULL, 0, WAIT_MS, &msg, NULL),
                  NATSKIT_NO_RESPONDERS);
    uint32_t index;
    natskit_json late = jb_json("%s", "{'name':'late'}");
    assert_status(natskit_service_endpoint_add(service.handle, 0, late, &index, NULL), NATSKIT_CLOSED);
    assert_ok(natskit_json_close(late));
    assert_ok(natskit_service_stop(service.handle, NULL)); /* once more: it has ended */
    close_service(service);
}

static void stop(struct service service)
{
    assert_ok(natskit_service_stop(service.handle, NULL));
    assert_ok(natskit_service_stop(service.handle, NULL));
}

static void drain(struct service service)
{
    assert_ok(natskit_sub_drain(service.requests, WAIT_MS, NULL));
}

static void test_stop(void **state)
{
    (void)state;
    end_under_load(stop);
}

static void test_drain(void **state)
{
    (void)state;
    end_under_load(drain);
}

/* A drain of the connection is one of its services. */
static void test_drain_of_the_connection(void **state)
{
    (void)state;
    enum { REQUESTS = 50 };
    struct service service = open_service("{'name':'whole','version':'1.0.0'}");
    add_endpoint(service, 0, "{'name':'whole'}");
    assert_ok(natskit_flush(conn, WAIT_MS));
    natskit_op ops[REQUESTS];
    for (int i = 0; i < REQUESTS; i++) {
        ops[i] = request("whole", "x");
    }
    assert_ok(natskit_flush(client, WAIT_MS));
    struct worker worker;
    start_workers(service, &worker, 1);
    assert_ok(natskit_conn_drain(conn, WAIT_MS, NULL));
    assert_int_equal(join_workers(service, &worker, 1).handled, REQUESTS);
    for (int i = 0; i < REQUESTS; i++) {
        assert_ok(natskit_msg_release(reply_of(ops[i])));
    }
    close_service(service);
}

/* -- how else it ends ------------------------------------------------------------------------------------ */

static void test_closing(void **state)
{
    (void)state;
    struct service first = open_service("{'name':'first','version':'1.0.0'}");
    struct service second = open_service("{'name':'second','version':'1.0.0'}");
    struct service third = open_service("{'name':'third','version':'1.0.0'}");
    add_endpoint(first, 0, "{'name':'one'}");
    add_endpoint(second, 0, "{'name':'one','queue_group':null}");
    add_endpoint(third, 0, "{'name':'one','queue_group':null}");
    assert_ok(natskit_flush(conn, WAIT_MS));
    natskit_op op = request("one", "x"); /* comes to all of them */
    natskit_msg *msg = next(second);
    assert_ok(natskit_flush(conn, WAIT_MS));
    /* Closing the service leaves what was received. */
    assert_ok(natskit_service_close(first.handle));
    assert_status(natskit_service_close(first.handle), NATSKIT_CLOSED);
    assert_ok(natskit_msg_release(next(first)));
    natskit_msg *none;
    assert_status(natskit_sub_next(first.requests, WAIT_MS, &none), NATSKIT_END);
    assert_status(natskit_sub_reason(first.requests, NULL), NATSKIT_UNSUBSCRIBED);
    assert_ok(natskit_sub_close(first.requests));
    /* Closing the subscription ends the service. */
    assert_ok(natskit_msg_respond(msg, NO_HEADERS, "y", 1, WAIT_MS));
    assert_ok(natskit_msg_release(msg));
    assert_ok(natskit_msg_release(reply_of(op)));
    assert_ok(natskit_sub_close(second.requests));
    assert_ok(natskit_flush(conn, WAIT_MS));
    assert_status(natskit_request(client, "$SRV.PING.second", Z, NO_HEADERS, NULL, 0, WAIT_MS, &none, NULL),
                  NATSKIT_NO_RESPONDERS);
    /* Closing the connection ends it, too; its statistics stay. */
    assert_status(natskit_sub_unsubscribe(third.requests, 5), NATSKIT_INVALID);
    assert_ok(natskit_msg_release(next(third)));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_true(has_reason(&third));
    assert_status(natskit_sub_reason(third.requests, NULL), NATSKIT_CLOSED);
    natskit_json stats = report(third, NATSKIT_SERVICE_STATS);
    assert_at(stats, "/endpoints/0/num_requests", "1");
    assert_ok(natskit_json_close(stats));
    assert_ok(natskit_service_stop(third.handle, NULL));
    close_service(third);
    assert_ok(natskit_service_close(second.handle));
    conn = bench_connect();
}

/* The server denies subjects: of discovery, which the service lives without, and of an endpoint. */
static void test_denied(void **state)
{
    (void)state;
    struct ts_server *server = ts_server_start(&(struct ts_server_opts){
        .no_jetstream = true,
        .extra = "authorization { users: [ { user: u, password: p, permissions: { subscribe: "
                 "{ deny: [\"$SRV.>\", \"denied.>\"] } } } ] }\n"});
    assert_non_null(server);
    natskit_conn before = conn;
    char url[80];
    (void)snprintf(url, sizeof url, "nats://u:p@127.0.0.1:%u", ts_server_port(server));
    assert_ok(natskit_connect(url, Z, NO_OPTIONS, WAIT_MS, &conn, NULL));
    struct service service = open_service("{'name':'d','version':'1.0.0'}");
    add_endpoint(service, 0, "{'name':'fine'}");
    assert_ok(natskit_flush(conn, WAIT_MS));
    assert_status(natskit_sub_reason(service.requests, NULL), NATSKIT_PENDING);
    bench_publish(conn, "fine", "x");
    assert_ok(natskit_msg_release(next(service)));
    bench_publish(conn, "fine", "y");
    add_endpoint(service, 0, "{'name':'denied','subject':'denied.x'}");
    jb_wait(has_reason, &service);
    natskit_error err = {0};
    assert_status(natskit_sub_reason(service.requests, &err), NATSKIT_PERMISSION);
    assert_non_null(strstr(err.text, "denied.x"));
    assert_ok(natskit_msg_release(next(service))); /* came before */
    natskit_msg *none;
    assert_status(natskit_sub_next(service.requests, 0, &none), NATSKIT_END);
    close_service(service);
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    conn = before;
    ts_server_free(server);
}

/* -- discovery ------------------------------------------------------------------------------------------- */

/* Where several answer, a busy machine may take longer from one to the next than the default allows. */
static natskit_sub discover(int32_t verb, const char *name, const char *id)
{
    natskit_options options;
    natskit_sub sub;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_REQUEST_MANY, &options));
    assert_ok(natskit_options_set(options, "stall_ms", Z, id == NULL ? "2000" : "300", Z, NULL));
    assert_ok(natskit_options_set(options, "max_wait_ms", Z, "60000", Z, NULL));
    assert_ok(natskit_service_discover(client, verb, NULL, 0, name, name != NULL ? Z : 0, id,
                                       id != NULL ? Z : 0, options, &sub, NULL));
    assert_ok(natskit_options_close(options));
    return sub;
}

static void expect_answers(natskit_sub sub, int count, natskit_status reason)
{
    natskit_msg *msg;
    natskit_status status;
    while ((status = natskit_sub_next(sub, WAIT_MS, &msg)) == NATSKIT_OK) {
        natskit_message_view view;
        natskit_json json;
        assert_ok(natskit_msg_view(msg, &view, sizeof view));
        assert_ok(natskit_json_parse(view.data, view.data_len, &json, NULL));
        assert_string_equal(jb_at(json, "/version"), "\"3.0.0\"");
        assert_ok(natskit_json_close(json));
        assert_ok(natskit_msg_release(msg));
        count--;
    }
    assert_status(status, NATSKIT_END);
    assert_int_equal(count, 0);
    assert_status(natskit_sub_reason(sub, NULL), reason);
    assert_ok(natskit_sub_close(sub));
}

static void test_discovery(void **state)
{
    (void)state;
    struct service services[3];
    for (int i = 0; i < 3; i++) {
        services[i] =
            open_service(i == 2 ? "{'name':'other','version':'3.0.0'}" : "{'name':'twin','version':'3.0.0'}");
    }
    assert_ok(natskit_flush(conn, WAIT_MS));
    natskit_json ping = report(services[1], NATSKIT_SERVICE_PING);
    char id[64];
    (void)snprintf(id, sizeof id, "%.22s", jb_at(ping, "/id") + 1);
    assert_ok(natskit_json_close(ping));
    expect_answers(discover(NATSKIT_SERVICE_PING, NULL, NULL), 3, NATSKIT_STALLED);
    expect_answers(discover(NATSKIT_SERVICE_INFO, "twin", NULL), 2, NATSKIT_STALLED);
    expect_answers(discover(NATSKIT_SERVICE_STATS, "twin", id), 1, NATSKIT_STALLED);
    expect_answers(discover(NATSKIT_SERVICE_STATS, "nobody", NULL), 0, NATSKIT_NO_RESPONDERS);
    natskit_options options;
    natskit_sub sub;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_REQUEST_MANY, &options));
    assert_ok(natskit_options_set(options, "max_msgs", Z, "2", Z, NULL));
    assert_ok(natskit_options_set(options, "max_wait_ms", Z, "20000", Z, NULL));
    assert_ok(natskit_service_discover(client, NATSKIT_SERVICE_PING, "$SRV", Z, NULL, 0, NULL, 0, options,
                                       &sub, NULL));
    expect_answers(sub, 2, NATSKIT_MAX_REACHED);
    assert_ok(natskit_options_close(options));
    natskit_error err = {0};
    assert_status(natskit_service_discover(client, NATSKIT_SERVICE_PING, NULL, 0, NULL, 0, id, Z, NO_OPTIONS,
                                           &sub, &err),
                  NATSKIT_INVALID);
    assert_non_null(strstr(err.text, "id"));
    assert_status(natskit_service_discover(client, NATSKIT_SERVICE_PING, NULL, 0, "a.*", Z, NULL, 0,
                                           NO_OPTIONS, &sub, &err),
                  NATSKIT_INVALID);
    assert_status(natskit_service_discover(client, 4, NULL, 0, NULL, 0, NULL, 0, NO_OPTIONS, &sub, &err),
                  NATSKIT_INVALID);
    for (int i = 0; i < 3; i++) {
        close_service(services[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_least, begin, end),
        cmocka_unit_test_setup_teardown(test_everything, begin, end),
        cmocka_unit_test_setup_teardown(test_refusals, begin, end),
        cmocka_unit_test_setup_teardown(test_statistics, begin, end),
        cmocka_unit_test_setup_teardown(test_reconnects, begin, end),
        cmocka_unit_test_setup_teardown(test_stop, begin, end),
        cmocka_unit_test_setup_teardown(test_drain, begin, end),
        cmocka_unit_test_setup_teardown(test_drain_of_the_connection, begin, end),
        cmocka_unit_test_setup_teardown(test_closing, begin, end),
        cmocka_unit_test_setup_teardown(test_denied, begin, end),
        cmocka_unit_test_setup_teardown(test_discovery, begin, end),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
