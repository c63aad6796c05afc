/* What a server refuses of counters, times to live, schedules, batches and priority groups: each is provoked,
 * so that its number and its status are known to be those of a real server. */
#include "js_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONG_ID                                                                                              \
    "A23456789012345678901234567890123456789012345678901234567890123456" /* 66 bytes; 64 may be              \
                                                                          */

static natskit_conn conn;
static natskit_js js;

static int begin(void **state)
{
    if (bench_begin(state) != 0) {
        return 1;
    }
    conn = bench_connect();
    js = jb_open(conn);
    jb_do(js, "stream.create", "{'config':{'name':'PLAIN','subjects':['plain.>'],'storage':'memory'}}");
    jb_do(js, "stream.create",
          "{'config':{'name':'ALL','subjects':['all.>'],'storage':'memory','allow_atomic':true,"
          "'allow_batched':true,'allow_msg_ttl':true,'allow_msg_schedules':true,'allow_rollup_hdrs':true}}");
    jb_do(js, "stream.create",
          "{'config':{'name':'COUNT','subjects':['count.>'],'storage':'memory','allow_msg_counter':true,"
          "'allow_direct':true}}");
    return 0;
}

static int end(void **state)
{
    assert_ok(natskit_js_close(js));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    return bench_end(state);
}

/* -- one message ----------------------------------------------------------------------------------------- */

struct row {
    const char *subject;
    const char *names[4];
    const char *values[4];
    const char *data;
    natskit_status status;
    int32_t err_code;
};

static natskit_headers headers_of(const char *const *names, const char *const *values)
{
    natskit_headers headers;
    assert_ok(natskit_headers_open(&headers));
    for (int i = 0; i < 4 && names[i] != NULL; i++) {
        assert_ok(natskit_headers_add(headers, names[i], Z, values[i], Z, NULL));
    }
    return headers;
}

static void expect_refused(const struct row *row)
{
    natskit_error err = {0};
    int32_t outcome = -1;
    natskit_headers headers = headers_of(row->names, row->values);
    natskit_status status = natskit_js_publish(js, row->subject, Z, headers, row->data, strlen(row->data),
                                               WAIT_MS, NULL, &outcome, &err);
    assert_ok(natskit_headers_close(headers));
    if (status != row->status || err.err_code != row->err_code) {
        print_error("%s, %s %s: wanted %d\n", row->subject, row->names[0] != NULL ? row->names[0] : "",
                    row->names[0] != NULL ? row->values[0] : "", row->err_code);
        print_error("%d %d %s\n", status, err.err_code, err.text);
    }
    assert_status(status, row->status);
    assert_int_equal(err.err_code, row->err_code);
    assert_int_equal(outcome, NATSKIT_OUTCOME_REJECTED);
}

static void expect_each(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        expect_refused(&rows[i]);
    }
}

#define EXPECT_EACH(rows) expect_each(rows, sizeof(rows) / sizeof(rows)[0])

static void test_counters(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"plain.a", {"Nats-Incr"}, {"+1"}, "", NATSKIT_COUNTER_REFUSED, 10168},
        {"count.a", {NULL}, {NULL}, "", NATSKIT_COUNTER_REFUSED, 10169},
        {"count.a", {"Nats-Incr"}, {"+1"}, "x", NATSKIT_COUNTER_REFUSED, 10170},
        {"count.a", {"Nats-Incr"}, {"one"}, "", NATSKIT_COUNTER_REFUSED, 10171},
        {"count.a", {"Nats-Incr"}, {"1.5"}, "", NATSKIT_COUNTER_REFUSED, 10171},
        {"count.a", {"Nats-Incr", "Nats-Rollup"}, {"+1", "sub"}, "", NATSKIT_COUNTER_REFUSED, 10171},
        {"count.a",
         {"Nats-Incr", "Nats-Expected-Last-Sequence"},
         {"+1", "0"},
         "",
         NATSKIT_COUNTER_REFUSED,
         10171},
    };
    EXPECT_EACH(rows);
}

static void test_times_to_live(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"plain.a", {"Nats-TTL"}, {"5"}, "", NATSKIT_TTL_REFUSED, 10166},
        {"all.a", {"Nats-TTL"}, {"0"}, "", NATSKIT_TTL_REFUSED, 10165},
        {"all.a", {"Nats-TTL"}, {"-1"}, "", NATSKIT_TTL_REFUSED, 10165},
        {"all.a", {"Nats-TTL"}, {"500ms"}, "", NATSKIT_TTL_REFUSED, 10165},
        {"all.a", {"Nats-TTL"}, {"1d"}, "", NATSKIT_TTL_REFUSED, 10165},
        {"all.a", {"Nats-TTL"}, {"soon"}, "", NATSKIT_TTL_REFUSED, 10165},
    };
    EXPECT_EACH(rows);
}

#define SCHEDULE "Nats-Schedule"
#define TARGET "Nats-Schedule-Target"
#define EVERY "@every 10s"

static void test_schedules(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"plain.a", {SCHEDULE, TARGET}, {EVERY, "plain.b"}, "", NATSKIT_SCHEDULE_REFUSED, 10188},
        {"all.s", {SCHEDULE, TARGET}, {"now and then", "all.t"}, "", NATSKIT_SCHEDULE_REFUSED, 10189},
        {"all.s", {SCHEDULE, TARGET}, {"0 * * * *", "all.t"}, "", NATSKIT_SCHEDULE_REFUSED, 10189},
        {"all.s", {SCHEDULE, TARGET}, {"@every 10ms", "all.t"}, "", NATSKIT_SCHEDULE_REFUSED, 10189},
        {"all.s", {SCHEDULE}, {EVERY}, "", NATSKIT_SCHEDULE_REFUSED, 10190},
        {"all.s", {SCHEDULE, TARGET}, {EVERY, "all.*"}, "", NATSKIT_SCHEDULE_REFUSED, 10190},
        {"all.s", {SCHEDULE, TARGET}, {EVERY, "plain.t"}, "", NATSKIT_SCHEDULE_REFUSED, 10190},
        {"all.s", {SCHEDULE, TARGET}, {EVERY, "all.s"}, "", NATSKIT_SCHEDULE_REFUSED, 10190},
        {"all.s",
         {SCHEDULE, TARGET, "Nats-Schedule-TTL"},
         {EVERY, "all.t", "soon"},
         "",
         NATSKIT_SCHEDULE_REFUSED,
         10191},
        {"all.s",
         {SCHEDULE, TARGET, "Nats-Schedule-Rollup"},
         {EVERY, "all.t", "all"},
         "",
         NATSKIT_SCHEDULE_REFUSED,
         10192},
        {"all.s",
         {SCHEDULE, TARGET, "Nats-Schedule-Source"},
         {EVERY, "all.t", "all.*"},
         "",
         NATSKIT_SCHEDULE_REFUSED,
         10203},
        {"all.s",
         {SCHEDULE, TARGET, "Nats-Schedule-Source"},
         {EVERY, "all.t", "all.t"},
         "",
         NATSKIT_SCHEDULE_REFUSED,
         10203},
        {"all.s",
         {SCHEDULE, TARGET, "Nats-Schedule-Time-Zone"},
         {"0 0 12 * * *", "all.t", "Mars/Phobos"},
         "",
         NATSKIT_SCHEDULE_REFUSED,
         10223},
        {"all.c",
         {"Nats-Schedule-Next", "Nats-Scheduler"},
         {"purge", ""},
         "",
         NATSKIT_SCHEDULE_REFUSED,
         10212},
        {"all.c",
         {"Nats-Schedule-Next", "Nats-Scheduler"},
         {"purge", "all.c"},
         "",
         NATSKIT_SCHEDULE_REFUSED,
         10212},
    };
    EXPECT_EACH(rows);
}

/* -- atomic batches -------------------------------------------------------------------------------------- */

#define ID "Nats-Batch-Id"
#define SEQ "Nats-Batch-Sequence"
#define COMMIT "Nats-Batch-Commit"

/* The library never sends these; what it says of them is what is said of others' batches. */
static void test_batches(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"plain.a", {ID, SEQ}, {"a", "1"}, "", NATSKIT_BATCH_NOT_ALLOWED, 10174},
        {"all.a", {ID}, {"b"}, "", NATSKIT_BATCH_REFUSED, 10175},
        {"all.a", {ID, SEQ}, {LONG_ID, "1"}, "", NATSKIT_BATCH_REFUSED, 10179},
        {"all.a", {ID, SEQ}, {"c", "2"}, "", NATSKIT_BATCH_INCOMPLETE, 10176},
        {"all.a", {ID, SEQ, COMMIT}, {"d", "1", "2"}, "", NATSKIT_BATCH_REFUSED, 10200},
        {"all.a", {ID, SEQ, COMMIT}, {"e", "1", "eob"}, "", NATSKIT_BATCH_INCOMPLETE, 10176},
        {"all.a", {ID, SEQ, "Nats-Required-Api-Level"}, {"f", "1", "99"}, "", NATSKIT_API_LEVEL, 10185},
    };
    EXPECT_EACH(rows);
}

/* One message of a batch that is staged: an empty answer. */
static void stage(const char *id, const char *seq, const char *name, const char *value)
{
    natskit_msg *msg;
    natskit_message_view view;
    const char *const names[4] = {ID, SEQ, name};
    const char *const values[4] = {id, seq, value};
    natskit_headers headers = headers_of(names, values);
    assert_ok(natskit_request(conn, "all.a", Z, headers, "", 0, WAIT_MS, &msg, NULL));
    assert_ok(natskit_headers_close(headers));
    assert_ok(natskit_msg_view(msg, &view, sizeof view));
    if (view.data_len > 0) {
        print_error("%.*s\n", (int)view.data_len, (const char *)view.data);
    }
    assert_int_equal(view.data_len, 0);
    assert_ok(natskit_msg_release(msg));
}

static void test_batches_within(void **state)
{
    (void)state;
    static const struct row commits[] = {
        {"all.a", {ID, SEQ, COMMIT, "Nats-Msg-Id"}, {"g", "2", "1", "one"}, "", NATSKIT_BATCH_REFUSED, 10201},
        {"all.a",
         {ID, SEQ, COMMIT, "Nats-Expected-Last-Msg-Id"},
         {"h", "2", "1", "one"},
         "",
         NATSKIT_BATCH_REFUSED,
         10177},
        {"all.a",
         {ID, SEQ, COMMIT, "Nats-Expected-Last-Sequence"},
         {"i", "2", "1", "99"},
         "",
         NATSKIT_WRONG_LAST,
         10071},
        {"all.a",
         {ID, SEQ, COMMIT, "Nats-Expected-Last-Subject-Sequence"},
         {"j", "2", "1", "0"},
         "",
         NATSKIT_WRONG_LAST,
         10164},
        {"all.a", {ID, SEQ, COMMIT}, {"k", "3", "1"}, "", NATSKIT_BATCH_INCOMPLETE, 10176},
    };
    stage("g", "1", "Nats-Msg-Id", "one");
    stage("h", "1", NULL, NULL);
    stage("i", "1", NULL, NULL);
    stage("j", "1", NULL, NULL);
    stage("k", "1", NULL, NULL);
    EXPECT_EACH(commits);
}

static void test_batch_limits(void **state)
{
    (void)state;
    char id[16];
    char seq[16];
    for (int i = 1; i <= 1000; i++) {
        (void)snprintf(seq, sizeof seq, "%d", i);
        stage("long", seq, NULL, NULL);
    }
    const struct row longer = {"all.a", {ID, SEQ}, {"long", "1001"}, "", NATSKIT_BATCH_LIMIT, 10199};
    expect_refused(&longer);
    for (int i = 1; i <= 50; i++) {
        (void)snprintf(id, sizeof id, "open%d", i);
        stage(id, "1", NULL, NULL);
    }
    const struct row more = {"all.a", {ID, SEQ}, {"open51", "1"}, "", NATSKIT_BATCH_LIMIT, 10210};
    expect_refused(&more);
    for (int i = 1; i <= 50; i++) { /* so that they are not in the way of others */
        (void)snprintf(id, sizeof id, "open%d", i);
        const struct row wrong = {"all.a", {ID, SEQ}, {id, "7"}, "", NATSKIT_BATCH_INCOMPLETE, 10176};
        expect_refused(&wrong);
    }
}

/* -- fast ingest ----------------------------------------------------------------------------------------- */

/* What a stream says of a frame whose reply ends so: the number of the error, 0 if it is none. */
static uint64_t code_of(const char *subject, const char *tail)
{
    char inbox[100];
    char reply[300];
    size_t len;
    natskit_sub sub;
    natskit_msg *msg;
    natskit_message_view view;
    natskit_json json;
    uint64_t code = 0;
    assert_ok(natskit_conn_new_inbox(conn, inbox, sizeof inbox, &len));
    (void)snprintf(reply, sizeof reply, "%.*s.>", (int)len, inbox);
    assert_ok(natskit_subscribe(conn, reply, Z, "", 0, NO_OPTIONS, &sub, NULL));
    (void)snprintf(reply, sizeof reply, "%.*s.%s", (int)len, inbox, tail);
    assert_ok(natskit_publish(conn, subject, Z, reply, Z, NO_HEADERS, "", 0, WAIT_MS));
    assert_ok(natskit_sub_next(sub, WAIT_MS, &msg));
    assert_ok(natskit_msg_view(msg, &view, sizeof view));
    assert_ok(natskit_json_parse(view.data, view.data_len, &json, NULL));
    (void)natskit_json_get_uint(json, "/error/err_code", Z, &code, NULL);
    assert_ok(natskit_json_close(json));
    assert_ok(natskit_msg_release(msg));
    assert_ok(natskit_sub_close(sub));
    return code;
}

/* The library sends none of these; see ingest_test.c for what becomes of those it does. */
static void test_fast_frames(void **state)
{
    (void)state;
    assert_int_equal(code_of("plain.a", "a.500.fail.1.0.$FI"), 10205);
    assert_int_equal(code_of("all.a", "c.500.maybe.1.0.$FI"), 10206);
    assert_int_equal(code_of("all.a", "d.500.fail.one.0.$FI"), 10206);
    assert_int_equal(code_of("all.a", "e.500.fail.1.9.$FI"), 10206);
    assert_int_equal(code_of("all.a", "f.500.fail.1.3.$FI"), 10206); /* an end without a begin */
    assert_int_equal(code_of("all.a", LONG_ID ".500.fail.1.0.$FI"), 10207);
    assert_int_equal(code_of("all.a", "g.500.fail.2.1.$FI"), 10208);
    assert_int_equal(code_of("all.a", "h.500.fail.2.4.$FI"), 10208);
    assert_int_equal(code_of("all.a", "i.500.fail.1.0.$FI"), 0);
}

/* -- a stream's state -------------------------------------------------------------------------------------
 */

/* A copy of a value as text, for an argument of a call. */
static char *copy_at(natskit_json json, const char *path)
{
    const char *text = jb_at(json, path);
    char *copy = malloc(strlen(text) + 1);
    assert_non_null(copy);
    return strcpy(copy, text);
}

/* A stream that was none of counters comes back as one: its last message is no sum. */
static void test_broken_counter(void **state)
{
    (void)state;
    natskit_sub sub;
    natskit_json saved;
    natskit_json answer;
    natskit_msg *chunk;
    natskit_error err = {0};
    jb_do(js, "stream.create", "{'config':{'name':'WORDS','subjects':['words.>']}}");
    assert_ok(natskit_js_publish(js, "words.a", Z, NO_HEADERS, "word", 4, WAIT_MS, NULL, NULL, NULL));
    natskit_json args = jb_json("{'stream':'WORDS'}");
    assert_ok(natskit_js_snapshot(js, args, WAIT_MS, &sub, &saved, NULL));
    assert_ok(natskit_json_close(args));
    assert_ok(natskit_sub_next(sub, WAIT_MS, &chunk)); /* one message is one chunk */
    jb_do(js, "stream.delete", "{'stream':'WORDS'}");
    assert_ok(natskit_json_set_bool(saved, "/config/allow_msg_counter", Z, 1, NULL));
    assert_ok(natskit_json_set_string(saved, "/config/name", Z, "SUMS", Z,
                                      NULL)); /* what was deleted may be in the way */
    char *config = copy_at(saved, "/config");
    char *stored = copy_at(saved, "/state");
    answer = jb_call(js, "stream.restore", "{'stream':'SUMS','config':%s,'state':%s}", config, stored);
    char *subject = copy_at(answer, "/deliver_subject");
    subject[strlen(subject) - 1] = '\0'; /* between quotes */
    assert_ok(natskit_json_close(answer));
    natskit_message_view view;
    assert_ok(natskit_msg_view(chunk, &view, sizeof view));
    assert_ok(natskit_js_restore_chunk(js, subject + 1, Z, view.data, view.data_len, WAIT_MS, NULL, NULL));
    assert_ok(natskit_js_restore_chunk(js, subject + 1, Z, NULL, 0, WAIT_MS, NULL, &err));
    const struct row broken = {"words.a", {"Nats-Incr"}, {"+1"}, "", NATSKIT_COUNTER_REFUSED, 10172};
    expect_refused(&broken);
    natskit_status status =
        natskit_js_increment(js, "words.a", Z, "1", Z, NO_HEADERS, WAIT_MS, NULL, NULL, &err);
    assert_status(status, NATSKIT_COUNTER_REFUSED);
    assert_int_equal(err.err_code, 10172);
    assert_string_equal(err.text, "message counter is broken");
    free(subject);
    free(stored);
    free(config);
    assert_ok(natskit_msg_release(chunk));
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_json_close(saved));
}

/* How many of some messages that are sent at once a stream has no room for. */
static int flood(natskit_js to)
{
    enum { COUNT = 500 };
    natskit_op ops[COUNT];
    int refused = 0;
    for (int i = 0; i < COUNT; i++) {
        assert_ok(
            natskit_js_publish_start(to, "busy", Z, NO_HEADERS, "x", 1, NO_OPTIONS, WAIT_MS, &ops[i], NULL));
    }
    for (int i = 0; i < COUNT; i++) {
        natskit_error err = {0};
        int32_t outcome = -1;
        (void)natskit_op_wait(ops[i], WAIT_MS);
        natskit_status status = natskit_op_result(ops[i], &outcome, &err);
        if (status != NATSKIT_OK) {
            assert_status(status, NATSKIT_JS_LIMIT);
            assert_int_equal(outcome, NATSKIT_OUTCOME_REJECTED);
            assert_int_equal(err.err_code, 10167);
            assert_int_equal(err.server_code, 429);
            assert_string_equal(err.text, "too many requests");
            refused++;
        }
        assert_ok(natskit_op_close(ops[i]));
    }
    return refused;
}

/* A stream whose queue of what comes in has room for one. */
static void test_too_many_requests(void **state)
{
    (void)state;
    natskit_conn busy;
    struct ts_server *server = ts_server_start(&(struct ts_server_opts){
        .config = "listen: \"127.0.0.1:-1\"\nhttp: \"127.0.0.1:-1\"\n"
                  "jetstream { store_dir: \"@DIR@/store\", max_buffered_msgs: 1 }\n"});
    assert_non_null(server);
    assert_ok(natskit_connect(ts_server_url(server), Z, NO_OPTIONS, WAIT_MS, &busy, NULL));
    natskit_js to = jb_open(busy);
    jb_do(to, "stream.create", "{'config':{'name':'BUSY','subjects':['busy'],'storage':'memory'}}");
    int refused = 0;
    for (int64_t end_ms = ts_now_ms() + WAIT_MS; refused == 0 && ts_now_ms() < end_ms;) {
        refused = flood(to); /* those that come while it stores another */
    }
    assert_true(refused > 0);
    assert_ok(natskit_js_close(to));
    assert_ok(natskit_conn_close(busy, WAIT_MS));
    ts_server_free(server);
}

/* -- configurations -------------------------------------------------------------------------------------- */

struct config_row {
    const char *call;
    const char *args;
    int32_t err_code;
};

static void test_configurations(void **state)
{
    (void)state;
#define STREAM(more) "stream.create", "{'config':{'name':'X','storage':'memory'," more "}}"
#define CONSUMER(more)                                                                                       \
    "consumer.create", "{'stream':'ALL','config':{'name':'x','ack_policy':'explicit'," more "}}"
#define FLOW(more)                                                                                           \
    "consumer.create", "{'stream':'ALL','config':{'name':'x','ack_policy':'flow_control'," more "}}"
#define PEDANTIC(more)                                                                                       \
    "consumer.create",                                                                                       \
        "{'stream':'ALL','pedantic':true,'config':{'name':'x','ack_policy':'flow_control'," more "}}"
    static const struct config_row rows[] = {
        {STREAM("'mirror':{'name':'ALL'},'allow_msg_schedules':true"), 10186},
        {STREAM("'sources':[{'name':'ALL'}],'allow_msg_schedules':true"), 10187},
        {STREAM("'mirror':{'name':'ALL'},'allow_msg_counter':true"), 10173},
        {STREAM("'mirror':{'name':'ALL'},'subject_delete_marker_ttl':1000000000"), 10052},
        {STREAM("'subjects':['x'],'persist_mode':'async','allow_atomic':true,'storage':'file'"), 10052},
        {STREAM("'subjects':['x.>'],'republish':{'src':'x.>','dest':'x.y.>'}"), 10052},
        {STREAM("'subjects':['x.>'],'subject_transform':{'src':'x.>','dest':'y.{{wildcard(3)}}'}"), 10156},
        {STREAM(
             "'sources':[{'name':'ALL','filter_subject':'a','subject_transforms':[{'src':'a','dest':'b'}]}]"),
         10144},
        {STREAM("'mirror':{'name':'ALL','filter_subject':'a','subject_transforms':[{'src':'a','dest':'b'}]}"),
         10150},
        {STREAM("'sources':[{'name':'ALL'},{'name':'ALL'}]"), 10140},
        {STREAM("'subjects':['x'],'allow_msg_counter':true,'retention':'workqueue'"), 10052},
        {STREAM("'subjects':['x'],'allow_msg_counter':true,'discard':'new','max_msgs':5"), 10052},
        {STREAM("'subjects':['x'],'allow_msg_counter':true,'allow_msg_ttl':true"), 10052},
        {STREAM("'subjects':['x'],'subject_delete_marker_ttl':1000"), 10052},
        {"stream.create",
         "{'pedantic':true,'config':{'name':'X','subjects':['x'],'duplicate_window':0,'max_age':1000000000}}",
         10157},
        {"stream.update", "{'config':{'name':'COUNT','allow_msg_counter':false}}", 10052},
        {"stream.update", "{'config':{'name':'PLAIN','allow_msg_counter':true}}", 10052},
        {"stream.update", "{'config':{'name':'ALL','allow_msg_ttl':false}}", 10052},
        {"stream.update", "{'config':{'name':'ALL','allow_msg_schedules':false}}", 10052},
        {CONSUMER("'priority_policy':'overflow'"), 10159},
        {CONSUMER("'priority_groups':[''],'priority_policy':'overflow'"), 10161},
        {CONSUMER("'priority_groups':['seventeen bytes..'],'priority_policy':'overflow'"), 10162},
        {CONSUMER("'priority_groups':['a b'],'priority_policy':'overflow'"), 10162},
        {CONSUMER("'priority_groups':['a'],'priority_policy':'overflow','deliver_subject':'d'"), 10178},
        {CONSUMER("'priority_timeout':1000000000"), 10197},
        {CONSUMER("'priority_policy':'pinned_client'"), 10159},
        {CONSUMER("'priority_groups':['a']"), 10196},
        {STREAM("'sources':[{'name':'ALL','consumer':{'name':'c'}}]"), 10215},
        {FLOW("'idle_heartbeat':1000000000"), 10218},
        {PEDANTIC("'deliver_subject':'d'"), 10219},
        {FLOW("'deliver_subject':'d','max_ack_pending':-1"), 10220},
        {FLOW("'deliver_subject':'d','flow_control':true,'idle_heartbeat':1000000000,'ack_wait':1000000000"),
         10221},
        {FLOW("'deliver_subject':'d','flow_control':true,'idle_heartbeat':1000000000,'max_deliver':3"),
         10222},
        {FLOW("'deliver_subject':'d','flow_control':true,'idle_heartbeat':1000000000,'backoff':[1000000000]"),
         10221},
        {"consumer.reset", "{'stream':'ALL','consumer':'late','seq':1}", 10204},
        {"consumer.unpin", "{'stream':'ALL','consumer':'late','group':'g'}", 10160},
    };
#undef PEDANTIC
#undef FLOW
#undef STREAM
#undef CONSUMER
    jb_do(js, "consumer.create",
          "{'stream':'ALL','config':{'name':'late','ack_policy':'explicit','deliver_policy':"
          "'by_start_sequence','opt_start_seq':5}}");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        natskit_json args = jb_json("%s", rows[i].args);
        natskit_json answer;
        natskit_error err = {0};
        natskit_status status = natskit_js_call(js, rows[i].call, Z, args, WAIT_MS, &answer, &err);
        if (err.err_code != rows[i].err_code) {
            print_error("%s: wanted %d; %d %d %s\n", rows[i].args, rows[i].err_code, status, err.err_code,
                        err.text);
        }
        assert_ok(natskit_json_close(args));
        assert_int_not_equal(status, NATSKIT_OK);
        assert_int_equal(err.err_code, rows[i].err_code);
        assert_int_equal(answer.id, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counters),          cmocka_unit_test(test_times_to_live),
        cmocka_unit_test(test_schedules),         cmocka_unit_test(test_batches),
        cmocka_unit_test(test_batches_within),    cmocka_unit_test(test_batch_limits),
        cmocka_unit_test(test_fast_frames),       cmocka_unit_test(test_broken_counter),
        cmocka_unit_test(test_too_many_requests), cmocka_unit_test(test_configurations),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
