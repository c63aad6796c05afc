/* What clients seldom wrap, on a cluster of three servers: snapshots and restoring them, leaders that step
 * down, peers that are removed; and a push consumer that lives through it. */
#include "js_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NODES = 3, CHUNKS_MAX = 256 };

static struct ts_cluster *cluster;
static natskit_conn conn;
static natskit_js js;

static int begin(void **state)
{
    (void)state;
    if (ts_server_program() == NULL) {
        puts("there is no nats-server: skipped");
        exit(77);
    }
    cluster = ts_cluster_start_with(NODES, &(struct ts_server_opts){0});
    if (cluster == NULL || natskit_connect(ts_server_url(ts_cluster_node(cluster, 0)), Z, NO_OPTIONS, WAIT_MS,
                                           &conn, NULL) != NATSKIT_OK) {
        return 1;
    }
    js = jb_open(conn);
    return 0;
}

static int end(void **state)
{
    assert_ok(natskit_js_close(js));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    bool clean = bench_check_clean(state) == 0;
    ts_cluster_free(cluster);
    return clean ? 0 : 1;
}

/* A stream on all servers, once it is stored there. */
static void make_stream(const char *name)
{
    natskit_json answer;
    natskit_json args = jb_json("{'config':{'name':'%s','subjects':['%s.>'],'num_replicas':3}}", name, name);
    natskit_status status = NATSKIT_TIMEOUT;
    for (int64_t end_ms = ts_now_ms() + WAIT_MS; status != NATSKIT_OK && ts_now_ms() < end_ms;) {
        status =
            natskit_js_call(js, "stream.create", Z, args, WAIT_MS, &answer, NULL); /* a cluster settles */
    }
    assert_ok(status);
    assert_ok(natskit_json_close(answer));
    assert_ok(natskit_json_close(args));
}

static void store(const char *subject, unsigned first, unsigned count)
{
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_JETSTREAM, &options));
    for (unsigned i = first; i < first + count; i++) {
        char text[64];
        char id[32];
        natskit_headers headers;
        natskit_status status = NATSKIT_TIMEOUT;
        (void)snprintf(text, sizeof text, "%u", i);
        (void)snprintf(id, sizeof id, "%s-%u", subject, i);
        assert_ok(natskit_headers_open(&headers));
        assert_ok(natskit_headers_add(headers, "Nats-Msg-Id", Z, id, Z, NULL));
        for (int64_t end_ms = ts_now_ms() + WAIT_MS; status != NATSKIT_OK && ts_now_ms() < end_ms;) {
            status = natskit_js_publish(js, subject, Z, headers, text, strlen(text), 2000, NULL, NULL, NULL);
        }
        assert_ok(status); /* while leaders change it takes several tries, which its id makes one */
        assert_ok(natskit_headers_close(headers));
    }
    assert_ok(natskit_options_close(options));
}

/* -- snapshots ------------------------------------------------------------------------------------------- */

struct backup {
    natskit_json answer;
    natskit_msg *chunks[CHUNKS_MAX];
    size_t count;
};

static void take_backup(const char *stream, struct backup *backup)
{
    natskit_sub sub;
    natskit_error err = {0};
    natskit_status status;
    natskit_json args = jb_json("{'stream':'%s','chunk_size':1024}", stream);
    memset(backup, 0, sizeof *backup);
    assert_ok(natskit_js_snapshot(js, args, WAIT_MS, &sub, &backup->answer, &err));
    assert_ok(natskit_json_close(args));
    while ((status = natskit_sub_next(sub, WAIT_MS, &backup->chunks[backup->count])) == NATSKIT_OK) {
        backup->count++;
        assert_true(backup->count < CHUNKS_MAX);
    }
    assert_status(status, NATSKIT_END);
    status = natskit_sub_reason(sub, &err);
    if (status != NATSKIT_SENTINEL) {
        print_error("snapshot: %s\n", err.text);
    }
    assert_status(status, NATSKIT_SENTINEL);
    assert_ok(natskit_sub_close(sub));
    assert_true(backup->count > 1);
}

/* How a restore says that there are no more chunks. */
enum end_of_chunks { BY_OP, BY_TEXT };

static void restore(const char *stream, struct backup *backup, enum end_of_chunks end)
{
    char config[2048];
    char subject[128];
    char state[2048];
    size_t len = 0;
    assert_ok(natskit_json_set_string(backup->answer, "/config/name", Z, stream, Z, NULL));
    assert_ok(natskit_json_text(backup->answer, "/config", Z, config, sizeof config, &len, NULL));
    config[len] = '\0';
    assert_ok(natskit_json_text(backup->answer, "/state", Z, state, sizeof state, &len, NULL));
    state[len] = '\0';
    natskit_json answer =
        jb_call(js, "stream.restore", "{'stream':'%s','config':%s,'state':%s}", stream, config, state);
    const char *to = jb_at(answer, "/deliver_subject");
    (void)snprintf(subject, sizeof subject, "%.*s", (int)(strlen(to) - 2), to + 1);
    assert_ok(natskit_json_close(answer));
    for (size_t i = 0; i < backup->count; i++) {
        natskit_message_view view;
        assert_ok(natskit_msg_view(backup->chunks[i], &view, sizeof view));
        assert_ok(natskit_js_restore_chunk(js, subject, Z, view.data, view.data_len, WAIT_MS, &answer, NULL));
        assert_int_equal(answer.id, 0);
        assert_ok(natskit_msg_release(backup->chunks[i]));
    }
    natskit_op op;
    switch (end) {
    case BY_OP:
        assert_ok(natskit_js_restore_chunk_start(js, subject, Z, NULL, 0, NO_OPTIONS, WAIT_MS, &op, NULL));
        assert_ok(natskit_op_wait(op, WAIT_MS));
        assert_ok(natskit_op_json(op, &answer, NULL));
        assert_ok(natskit_op_close(op));
        break;
    case BY_TEXT: /* "" of a length that is left to the library */
        assert_ok(natskit_js_restore_chunk(js, subject, Z, "", Z, WAIT_MS, &answer, NULL));
        break;
    }
    assert_at(answer, "/error", "");
    assert_at(answer, "/state/messages", "200");
    assert_ok(natskit_json_close(answer));
    assert_ok(natskit_json_close(backup->answer));
}

/* What is no snapshot is refused, and then there is nothing to give chunks to. */
static void test_restore_refused(void **state)
{
    (void)state;
    char subject[128];
    natskit_error err = {0};
    struct backup backup;
    natskit_json info;
    char config[2048];
    char stored[2048];
    size_t len = 0;
    make_stream("BROKEN");
    store("BROKEN.m", 1, 200);
    take_backup("BROKEN", &backup);
    jb_do(js, "stream.delete", "{'stream':'BROKEN'}");
    assert_ok(natskit_json_text(backup.answer, "/config", Z, config, sizeof config, &len, NULL));
    config[len] = '\0';
    assert_ok(natskit_json_text(backup.answer, "/state", Z, stored, sizeof stored, &len, NULL));
    stored[len] = '\0';
    natskit_json answer =
        jb_call(js, "stream.restore", "{'stream':'BROKEN','config':%s,'state':%s}", config, stored);
    const char *to = jb_at(answer, "/deliver_subject");
    (void)snprintf(subject, sizeof subject, "%.*s", (int)(strlen(to) - 2), to + 1);
    assert_ok(natskit_json_close(answer));
    natskit_status status = natskit_js_restore_chunk(js, subject, Z, "no archive", 10, WAIT_MS, &info, &err);
    if (status == NATSKIT_OK) { /* it looks at all of it in the end */
        status = natskit_js_restore_chunk(js, subject, Z, NULL, 0, WAIT_MS, &info, &err);
    }
    assert_int_not_equal(status, NATSKIT_OK);
    assert_int_equal(err.status, status);
    assert_true(err.text[0] != '\0');
    assert_int_equal(info.id, 0);
    assert_status(natskit_js_restore_chunk(js, "nobody.there", Z, "x", 1, WAIT_MS, &info, &err),
                  NATSKIT_NO_RESPONDERS);
    for (size_t i = 0; i < backup.count; i++) {
        assert_ok(natskit_msg_release(backup.chunks[i]));
    }
    assert_ok(natskit_json_close(backup.answer));
}

static void test_snapshot(void **state)
{
    (void)state;
    struct backup backup;
    make_stream("SNAP");
    store("SNAP.m", 1, 200);
    take_backup("SNAP", &backup);
    assert_at(backup.answer, "/state/messages", "200");
    jb_do(js, "stream.delete", "{'stream':'SNAP'}");
    restore("BACK", &backup, BY_OP); /* under another name: what was deleted may be in the way */
    natskit_json message = {0};
    natskit_json args = jb_json("{'stream':'BACK','seq':200}");
    natskit_status status = NATSKIT_TIMEOUT;
    for (int64_t end_ms = ts_now_ms() + WAIT_MS; status != NATSKIT_OK && ts_now_ms() < end_ms;) {
        status = natskit_js_call(js, "stream.message.get", Z, args, 2000, &message,
                                 NULL); /* once it has a leader */
    }
    assert_ok(status);
    assert_ok(natskit_json_close(args));
    assert_at(message, "/message/subject", "'SNAP.m'");
    assert_ok(natskit_json_close(message));
    take_backup("BACK", &backup);
    jb_do(js, "stream.delete", "{'stream':'BACK'}");
    restore("TEXT", &backup, BY_TEXT);
}

/* -- leaders --------------------------------------------------------------------------------------------- */

struct call {
    const char *name;
    const char *args;
};

static bool succeeds(void *arg)
{
    const struct call *call = arg;
    natskit_json args = jb_json("%s", call->args);
    natskit_json answer;
    natskit_status status = natskit_js_call(js, call->name, Z, args, WAIT_MS, &answer, NULL);
    assert_ok(natskit_json_close(args));
    return status == NATSKIT_OK && natskit_json_close(answer) == NATSKIT_OK;
}

/* Each message comes at least once, in spite of leaders that change and a peer that goes. */
static void test_leaders(void **state)
{
    enum { COUNT = 120 };
    (void)state;
    static bool seen[COUNT + 1];
    natskit_sub sub;
    natskit_options options;
    natskit_error err = {0};
    make_stream("LEAD");
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_PUSH, &options));
    assert_ok(natskit_options_set(options, "durable", Z, "d", Z, NULL));
    assert_ok(natskit_options_set(options, "heartbeat_ms", Z, "500", Z, NULL));
    assert_ok(natskit_js_subscribe(js, "LEAD.>", Z, options, WAIT_MS, &sub, &err));
    assert_ok(natskit_options_close(options));
    for (unsigned i = 0; i < 4; i++) {
        store("LEAD.m", i * (COUNT / 4) + 1, COUNT / 4);
        if (i < 3) {
            struct call calls[] = {{"stream.leader.stepdown", "{'stream':'LEAD'}"},
                                   {"consumer.leader.stepdown", "{'stream':'LEAD','consumer':'d'}"},
                                   {"stream.leader.stepdown", "{'stream':'LEAD'}"}};
            jb_wait(succeeds, &calls[i]); /* there may be no leader just now */
        }
    }
    for (unsigned come = 0; come < COUNT;) {
        natskit_msg *msg;
        natskit_message_view view = {0};
        char text[16] = "";
        assert_ok(natskit_sub_next(sub, WAIT_MS * 2, &msg));
        assert_ok(natskit_msg_view(msg, &view, sizeof view));
        memcpy(text, view.data, view.data_len);
        unsigned long number = strtoul(text, NULL, 10);
        assert_in_range(number, 1, COUNT);
        come += !seen[number];
        seen[number] = true;
        assert_ok(natskit_msg_ack(msg));
        assert_ok(natskit_msg_release(msg));
    }
    assert_ok(natskit_sub_close(sub));
}

/* -- traces ---------------------------------------------------------------------------------------------- */

/* A message from one server to subscribers of the two others: a tree of three events. */
static void test_trace(void **state)
{
    (void)state;
    natskit_conn others[2];
    natskit_sub subs[2];
    natskit_sub events;
    natskit_headers headers;
    natskit_json list = jb_json("[]");
    natskit_json tree = {0};
    for (int i = 0; i < 2; i++) {
        const char *url = ts_server_url(ts_cluster_node(cluster, i + 1));
        assert_ok(natskit_connect(url, Z, NO_OPTIONS, WAIT_MS, &others[i], NULL));
        assert_ok(natskit_subscribe(others[i], "way.of.it", Z, NULL, 0, NO_OPTIONS, &subs[i], NULL));
        assert_ok(natskit_flush(others[i], WAIT_MS));
    }
    for (int i = 0; i < 2; i++) { /* until the interest of both has come to this server */
        natskit_msg *msg;
        natskit_status status = NATSKIT_TIMEOUT;
        for (int64_t end_ms = ts_now_ms() + WAIT_MS; status != NATSKIT_OK && ts_now_ms() < end_ms;) {
            assert_ok(natskit_publish(conn, "way.of.it", Z, NULL, 0, NO_HEADERS, "x", 1, WAIT_MS));
            status = natskit_sub_next(subs[i], 50, &msg);
        }
        assert_ok(status);
        assert_ok(natskit_msg_release(msg));
    }
    assert_ok(natskit_subscribe(conn, "trace.events", Z, NULL, 0, NO_OPTIONS, &events, NULL));
    assert_ok(natskit_headers_open(&headers));
    assert_ok(natskit_headers_add(headers, "Nats-Trace-Dest", Z, "trace.events", Z, NULL));
    assert_ok(natskit_publish(conn, "way.of.it", Z, NULL, 0, headers, "x", 1, WAIT_MS));
    for (uint64_t missing = 1; missing > 0;) {
        natskit_msg *msg;
        natskit_message_view view = {0};
        assert_ok(natskit_sub_next(events, WAIT_MS, &msg));
        assert_ok(natskit_msg_view(msg, &view, sizeof view));
        assert_ok(natskit_json_set_text(list, "/-", Z, view.data, view.data_len, NULL));
        assert_ok(natskit_msg_release(msg));
        if (tree.id != 0) {
            assert_ok(natskit_json_close(tree));
        }
        assert_ok(natskit_trace_tree(list, &tree, NULL));
        missing = jb_number(tree, "/missing");
    }
    unsigned links = 0;
    for (size_t i = 0; i < jb_size(tree, "/trace/events"); i++) {
        char path[64];
        (void)snprintf(path, sizeof path, "/trace/events/%zu/link/server/name", i);
        links += strlen(jb_at(tree, path)) > 0;
    }
    assert_int_equal(links, 2);
    assert_ok(natskit_json_close(tree));
    assert_ok(natskit_json_close(list));
    assert_ok(natskit_headers_close(headers));
    assert_ok(natskit_sub_close(events));
    for (int i = 0; i < 2; i++) {
        assert_ok(natskit_conn_close(others[i], WAIT_MS));
        assert_ok(natskit_sub_close(subs[i]));
    }
}

/* What is missing, of another type or a circle ends well. */
static void test_trees(void **state)
{
    (void)state;
    static const struct {
        const char *events;
        const char *tree;
    } cases[] = {
        {"[]", "{'trace':null,'missing':1}"},
        {"[{'a':1}]", "{'trace':{'a':1},'missing':0}"},
        {"[{'events':[{'type':'eg','hop':'1'},7]}]",
         "{'trace':{'events':[{'type':'eg','hop':'1'},7]},'missing':1}"},
        {"[{'request':{'header':{'Nats-Trace-Hop':['1']}},'b':2},{'events':[{'hop':'1'}]}]",
         "{'trace':{'events':[{'hop':'1','link':{'request':{'header':{'Nats-Trace-Hop':['1']}},'b':2}}]},"
         "'missing':0}"},
        {"[{'events':[{'hop':'1'}]},{'request':{'header':{'Nats-Trace-Hop':['1']}},'events':[{'hop':'1'}]}]",
         "{'trace':{'events':[{'hop':'1','link':{'request':{'header':{'Nats-Trace-Hop':['1']}},"
         "'events':[{'hop':'1'}]}}]},'missing':1}"},
    };
    natskit_json tree;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        natskit_json events = jb_json("%s", cases[i].events);
        assert_ok(natskit_trace_tree(events, &tree, NULL));
        assert_at(tree, "", cases[i].tree);
        assert_ok(natskit_json_close(tree));
        assert_ok(natskit_json_close(events));
    }
    static const char *const wrong[] = {"{}", "[1]", "[[]]", "null"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        natskit_json events = jb_json("%s", wrong[i]);
        assert_status(natskit_trace_tree(events, &tree, NULL), NATSKIT_INVALID);
        assert_ok(natskit_json_close(events));
    }
}

/* Calls that need more than this account has, or that name nothing there is: they say so. */
static void test_refusals(void **state)
{
    (void)state;
    make_stream("PEER");
    (void)jb_fails(js, NATSKIT_JS_REFUSED, "stream.peer.remove", "{'stream':'PEER','peer':'nobody'}");
    (void)jb_fails(js, NATSKIT_STREAM_NOT_FOUND, "stream.leader.stepdown", "{'stream':'NONE'}");
    (void)jb_fails(js, NATSKIT_CONSUMER_NOT_FOUND, "consumer.leader.stepdown",
                   "{'stream':'PEER','consumer':'none'}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snapshot), cmocka_unit_test(test_restore_refused),
        cmocka_unit_test(test_leaders),  cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_trace),    cmocka_unit_test(test_trees),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
