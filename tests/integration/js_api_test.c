/* Every call of the JetStream API against a real server, right and wrong. What goes wrong around it:
 * js_faults_test.c; each field of the configurations: js_fields_test.c. */
#include "js_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static natskit_conn conn;
static natskit_js js;

static int begin(void **state)
{
    (void)state;
    conn = bench_connect();
    js = jb_open(conn);
    return 0;
}

static int end(void **state)
{
    (void)state;
    assert_ok(natskit_js_close(js));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    return 0;
}

/* Publishes to a stream and waits until it is stored. */
static void store(const char *subject, const char *text)
{
    natskit_msg *ack;
    assert_ok(natskit_request(conn, subject, Z, NO_HEADERS, text, strlen(text), WAIT_MS, &ack, NULL));
    assert_ok(natskit_msg_release(ack));
}

/* -- the table ------------------------------------------------------------------------------------------- */

/* Whether `args` of a call marks this argument. */
static bool wants(const char *args, const char *name)
{
    char marked[64];
    (void)snprintf(marked, sizeof marked, "%s!", name);
    return strstr(args, marked) != NULL;
}

/* Every call that wants arguments refuses to go without, with names that are none, and with another type;
 * nothing is sent. */
#define OTHERS "'account':'A','peer':'p','deliver_subject':'d','state':{}"

/* Those that need a cluster or the system account, or that answer otherwise (tests of their own). */
static bool is_plain(const char *name)
{
    static const char *const others[] = {"leader", "peer",     "cancel_move", "account.", "server.",
                                         "meta.",  "snapshot", "restore",     "ensure"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strstr(name, others[i]) != NULL) {
            return false;
        }
    }
    return true;
}

static void test_every_call_checks(void **state)
{
    static const char *const names[] = {"''",    "'a.b'",    "'a b'", "'*'",  "'>'",
                                        "'a/b'", "'a\\\\b'", "7",     "null", "[]"};
    (void)state;
    natskit_js_call_info info;
    size_t index = 0;
    assert_ok(natskit_flush(conn, WAIT_MS));
    uint64_t sent = ts_tap_stat(bench.tap, "pub") + ts_tap_stat(bench.tap, "hpub");
    for (; natskit_js_call_at(index, &info, sizeof info) == NATSKIT_OK; index++) {
        assert_true(info.name[0] != '\0' && info.text[0] != '\0' && info.since[0] != '\0');
        (void)jb_fails(js, NATSKIT_INVALID, info.name, "[1]");
        if (strchr(info.args, '!') == NULL) {
            continue;
        }
        (void)jb_fails(js, NATSKIT_INVALID, info.name, "%s", "");
        (void)jb_fails(js, NATSKIT_INVALID, info.name, "{}");
        bool bucket = strncmp(info.name, "kv.", 3) == 0;
        for (size_t i = 0; i < sizeof names / sizeof names[0] && bucket; i++) {
            natskit_error err =
                wants(info.args, "config")
                    ? jb_fails(js, NATSKIT_INVALID, info.name, "{'config':{'bucket':%s}}", names[i])
                    : jb_fails(js, NATSKIT_INVALID, info.name, "{'bucket':%s}", names[i]);
            assert_non_null(strstr(err.text, "bucket"));
        }
        bool named = !bucket && (wants(info.args, "stream") || wants(info.args, "config")) &&
                     !wants(info.args, "subject") && strstr(info.name, "ensure") == NULL;
        for (size_t i = 0; i < sizeof names / sizeof names[0] && named; i++) {
            bool config = wants(info.args, "config") && !wants(info.args, "stream");
            natskit_error err =
                config ? jb_fails(js, NATSKIT_INVALID, info.name, "{'config':{'name':%s}}", names[i])
                       : jb_fails(js, NATSKIT_INVALID, info.name,
                                  "{'stream':%s,'consumer':'c','config':{'name':'c'},'seq':1,'group':'g',"
                                  "'pause_until':'2030-01-01T00:00:00Z'," OTHERS "}",
                                  names[i]);
            assert_non_null(strstr(err.text, config ? "name" : "stream"));
            if (wants(info.args, "consumer")) {
                err = jb_fails(
                    js, NATSKIT_INVALID, info.name,
                    "{'consumer':%s,'stream':'s','group':'g','pause_until':'2030-01-01T00:00:00Z'," OTHERS
                    "}",
                    names[i]);
                assert_non_null(strstr(err.text, "consumer"));
            }
        }
    }
    assert_true(index >= 40);
    assert_ok(natskit_flush(conn, WAIT_MS));
    assert_int_equal(ts_tap_stat(bench.tap, "pub") + ts_tap_stat(bench.tap, "hpub"), sent);
    assert_status(natskit_js_call_at(SIZE_MAX, &info, sizeof info), NATSKIT_NOT_FOUND);
    natskit_error err = jb_fails(js, NATSKIT_UNKNOWN_OPTION, "stream.infos", "{}");
    assert_non_null(strstr(err.text, "stream.info"));
    (void)jb_fails(js, NATSKIT_UNKNOWN_OPTION, "", "{}");
}

/* Every call about a stream or consumer that is not there says which of them. */
static void test_every_call_misses(void **state)
{
    (void)state;
    natskit_js_call_info info;
    jb_do(js, "stream.create", "{'config':{'name':'MISS','subjects':['miss.>'],'storage':'memory'}}");
    for (size_t i = 0; natskit_js_call_at(i, &info, sizeof info) == NATSKIT_OK; i++) {
        bool stream = wants(info.args, "stream");
        bool consumer = wants(info.args, "consumer");
        if (!stream || !is_plain(info.name) || strcmp(info.name, "consumer.reset") == 0) {
            continue; /* nobody answers for a consumer that is not there: below */
        }
        natskit_error err = jb_fails(
            js, NATSKIT_STREAM_NOT_FOUND, info.name, "{'stream':'NONE'%s%s%s%s}",
            consumer ? ",'consumer':'c'" : "", wants(info.args, "config") ? ",'config':{'name':'c'}" : "",
            wants(info.args, "seq") ? ",'seq':1" : "",
            wants(info.args, "group")                  ? ",'group':'g'"
            : wants(info.args, "pause_until")          ? ",'pause_until':'2030-01-01T00:00:00Z'"
            : strstr(info.name, "message.get") != NULL ? ",'seq':1"
                                                       : "");
        assert_int_equal(err.err_code, 10059);
        assert_int_equal(err.server_code, 404);
        if (consumer) {
            err = jb_fails(js, NATSKIT_CONSUMER_NOT_FOUND, info.name, "{'stream':'MISS','consumer':'c'%s%s}",
                           wants(info.args, "group") ? ",'group':'g'" : "",
                           wants(info.args, "pause_until") ? ",'pause_until':'2030-01-01T00:00:00Z'" : "");
            assert_int_equal(err.err_code, 10014);
        }
    }
    natskit_json answer;
    natskit_json args = jb_json("{'stream':'MISS','consumer':'c'}");
    assert_status(natskit_js_call(js, "consumer.reset", Z, args, 200, &answer, NULL), NATSKIT_TIMEOUT);
    assert_ok(natskit_json_close(args));
    jb_do(js, "stream.delete", "{'stream':'MISS'}");
}

/* -- streams --------------------------------------------------------------------------------------------- */

static void test_account(void **state)
{
    (void)state;
    natskit_json info = jb_call(js, "account.info", "%s", "");
    assert_true(jb_number(info, "/api/level") >= 1);
    assert_int_equal(natskit_json_type(info, "/limits/max_streams", Z, &(int32_t){0}, NULL), NATSKIT_OK);
    assert_ok(natskit_json_close(info));
    natskit_op op = jb_start(js, "account.info", "%s", "");
    natskit_msg *msg;
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_json(op, &info, NULL));
    assert_true(jb_number(info, "/api/level") >= 1);
    assert_ok(natskit_json_close(info));
    assert_status(natskit_op_json(op, &info, NULL), NATSKIT_NOT_FOUND);
    assert_status(natskit_op_take_msg(op, &msg), NATSKIT_NOT_FOUND);
    assert_ok(natskit_op_close(op));
    op = jb_start(js, "stream.info", "{'stream':'NONE'}");
    assert_ok(natskit_op_wait(op, WAIT_MS));
    int32_t outcome;
    natskit_error err;
    assert_status(natskit_op_json(op, &info, &err), NATSKIT_STREAM_NOT_FOUND);
    assert_int_equal(err.err_code, 10059);
    assert_status(natskit_op_result(op, &outcome, &err), NATSKIT_STREAM_NOT_FOUND);
    assert_int_equal(outcome, NATSKIT_OUTCOME_REJECTED);
    assert_ok(natskit_op_close(op));
}

static void test_streams(void **state)
{
    (void)state;
#define CONFIG "'name':'ONE','subjects':['one.>'],'storage':'memory','description':'first'"
    natskit_json info = jb_call(js, "stream.create", "{'config':{" CONFIG "}}");
    assert_at(info, "/config/name", "'ONE'");
    assert_ok(natskit_json_close(info));
    jb_do(js, "stream.create", "{'config':{" CONFIG "}}"); /* alike */
    natskit_error err = jb_fails(js, NATSKIT_ALREADY_EXISTS, "stream.create", "{'config':{'name':'ONE'}}");
    assert_int_equal(err.err_code, 10058);
    err = jb_fails(js, NATSKIT_JS_REFUSED, "stream.create", "{'config':{'name':'TWO','subjects':['one.a']}}");
    assert_int_equal(err.err_code, 10065);
    err = jb_fails(js, NATSKIT_JS_REFUSED, "stream.create", "{'config':{'name':'TWO','no_such_field':1}}");
    assert_int_equal(err.err_code, 10025);
    assert_non_null(strstr(err.text, "no_such_field"));
    err = jb_fails(js, NATSKIT_JS_REFUSED, "stream.info", "{'stream':'ONE','foo':1}");
    assert_int_equal(err.err_code, 10025);
    store("one.a", "x");
    store("one.b", "y");
    info = jb_call(js, "stream.info", "{'stream':'ONE','subjects_filter':'one.*','deleted_details':true}");
    assert_int_equal(jb_number(info, "/state/messages"), 2);
    assert_at(info, "/state/subjects", "{'one.a':1,'one.b':1}");
    assert_ok(natskit_json_close(info));
    jb_do(js, "stream.delete", "{'stream':'ONE'}");
    (void)jb_fails(js, NATSKIT_STREAM_NOT_FOUND, "stream.delete", "{'stream':'ONE'}");
#undef CONFIG
}

/* An update changes what it names and nothing else. */
static void test_update_merges(void **state)
{
    (void)state;
    jb_do(js, "stream.create",
          "{'config':{'name':'UP','subjects':['up.>'],'storage':'memory','description':'kept',"
          "'max_age':2592000000000000,'max_msgs':10,'metadata':{'owner':'me'},'allow_direct':true,"
          "'republish':{'src':'up.>','dest':'re.>'}}}");
    natskit_json info = jb_call(js, "stream.update", "{'config':{'name':'UP','max_msgs':20}}");
    assert_int_equal(jb_number(info, "/config/max_msgs"), 20);
    assert_int_equal(jb_number(info, "/config/max_age"), 2592000000000000);
    assert_at(info, "/config/description", "'kept'");
    assert_at(info, "/config/subjects", "['up.>']");
    assert_at(info, "/config/metadata/owner", "'me'");
    assert_at(info, "/config/republish", "{'src':'up.>','dest':'re.>'}");
    assert_at(info, "/config/allow_direct", "true");
    assert_ok(natskit_json_close(info));
    info = jb_call(js, "stream.create_or_update", "{'config':{'name':'UP','description':'changed'}}");
    assert_at(info, "/config/description", "'changed'");
    assert_int_equal(jb_number(info, "/config/max_msgs"), 20);
    assert_ok(natskit_json_close(info));
    natskit_error err = jb_fails(js, NATSKIT_STREAM_NOT_FOUND, "stream.update", "{'config':{'name':'UP2'}}");
    assert_int_equal(err.err_code, 10059);
    info = jb_call(js, "stream.create_or_update",
                   "{'config':{'name':'UP2','subjects':['up2'],'storage':'memory'}}");
    assert_at(info, "/config/subjects", "['up2']");
    assert_ok(natskit_json_close(info));
    err = jb_fails(js, NATSKIT_JS_REFUSED, "stream.update", "{'config':{'name':'UP','storage':'file'}}");
    assert_int_equal(err.server_code, 500);
    err = jb_fails(js, NATSKIT_JS_REFUSED, "stream.create_or_update",
                   "{'config':{'name':'UP3','retention':'x'}}");
    assert_int_equal(err.err_code, 10025);
    jb_do(js, "stream.delete", "{'stream':'UP'}");
    jb_do(js, "stream.delete", "{'stream':'UP2'}");
}

static void test_find_and_names(void **state)
{
    (void)state;
    natskit_json answer = jb_call(js, "stream.names", "%s", ""); /* "streams":null */
    assert_at(answer, "/streams", "null");
    assert_int_equal(jb_number(answer, "/total"), 0);
    assert_ok(natskit_json_close(answer));
    jb_do(js, "stream.create", "{'config':{'name':'F1','subjects':['f.1.>'],'storage':'memory'}}");
    jb_do(js, "stream.create", "{'config':{'name':'F2','subjects':['f.2.>'],'storage':'memory'}}");
    answer = jb_call(js, "stream.find", "{'subject':'f.2.x'}");
    assert_at(answer, "", "{'stream':'F2'}");
    assert_ok(natskit_json_close(answer));
    (void)jb_fails(js, NATSKIT_STREAM_NOT_FOUND, "stream.find", "{'subject':'g'}");
    (void)jb_fails(js, NATSKIT_INVALID, "stream.find", "{'subject':'f.>'}");
    answer = jb_call(js, "stream.names", "{'subject':'f.1.a'}");
    assert_at(answer, "/streams", "['F1']");
    assert_ok(natskit_json_close(answer));
    answer = jb_call(js, "stream.list", "{'subject':'f.*.a'}");
    assert_int_equal(jb_size(answer, "/streams"), 2);
    assert_ok(natskit_json_close(answer));
    answer = jb_call(js, "consumer.list", "{'stream':'F1'}");
    assert_int_equal(jb_number(answer, "/total"), 0);
    assert_ok(natskit_json_close(answer));
    jb_do(js, "stream.delete", "{'stream':'F1'}");
    jb_do(js, "stream.delete", "{'stream':'F2'}");
}

/* -- messages -------------------------------------------------------------------------------------------- */

static void expect_purged(const char *more, uint64_t purged, uint64_t left)
{
    natskit_json answer = jb_call(js, "stream.purge", "{'stream':'MSG'%s}", more);
    assert_at(answer, "/success", "true");
    assert_int_equal(jb_number(answer, "/purged"), purged);
    assert_ok(natskit_json_close(answer));
    answer = jb_call(js, "stream.info", "{'stream':'MSG'}");
    assert_int_equal(jb_number(answer, "/state/messages"), left);
    assert_ok(natskit_json_close(answer));
}

static void test_messages(void **state)
{
    (void)state;
    jb_do(js, "stream.create", "{'config':{'name':'MSG','subjects':['m.>'],'storage':'memory'}}");
    for (int i = 0; i < 10; i++) {
        store(i % 2 == 0 ? "m.a" : "m.b", "data");
    }
    natskit_json answer = jb_call(js, "stream.message.get", "{'stream':'MSG','seq':3}");
    assert_at(answer, "/message/subject", "'m.a'");
    assert_at(answer, "/message/data", "'ZGF0YQ=='");
    assert_ok(natskit_json_close(answer));
    answer = jb_call(js, "stream.message.get", "{'stream':'MSG','last_by_subj':'m.a'}");
    assert_int_equal(jb_number(answer, "/message/seq"), 9);
    assert_ok(natskit_json_close(answer));
    answer = jb_call(js, "stream.message.get", "{'stream':'MSG','next_by_subj':'m.b','seq':5}");
    assert_int_equal(jb_number(answer, "/message/seq"), 6);
    assert_ok(natskit_json_close(answer));
    natskit_error err =
        jb_fails(js, NATSKIT_MSG_NOT_FOUND, "stream.message.get", "{'stream':'MSG','seq':99}");
    assert_int_equal(err.err_code, 10037);
    (void)jb_fails(js, NATSKIT_MSG_NOT_FOUND, "stream.message.get", "{'stream':'MSG','last_by_subj':'m.c'}");
    jb_do(js, "stream.message.delete", "{'stream':'MSG','seq':3}");
    jb_do(js, "stream.message.delete", "{'stream':'MSG','seq':4,'no_erase':true}");
    (void)jb_fails(js, NATSKIT_MSG_NOT_FOUND, "stream.message.get", "{'stream':'MSG','seq':3}");
    err = jb_fails(js, NATSKIT_MSG_NOT_FOUND, "stream.message.delete", "{'stream':'MSG','seq':3}");
    assert_int_equal(err.server_code, 400); /* sic */
    answer = jb_call(js, "stream.info", "{'stream':'MSG','deleted_details':true}");
    assert_at(answer, "/state/deleted", "[3,4]");
    assert_ok(natskit_json_close(answer));
    expect_purged(",'filter':'m.a','keep':3", 1, 7); /* 1 5 7 9 */
    expect_purged(",'seq':6", 2, 5);                 /* 2 5 */
    err = jb_fails(js, NATSKIT_JS_REFUSED, "stream.purge", "{'stream':'MSG','seq':8,'keep':1}");
    assert_int_equal(err.err_code, 10003);
    expect_purged(",'keep':2", 3, 2);
    expect_purged("", 2, 0);
    jb_do(js, "stream.delete", "{'stream':'MSG'}");
}

/* A sealed stream takes nothing and gives everything. */
static void test_sealed(void **state)
{
    (void)state;
    jb_do(js, "stream.create", "{'config':{'name':'SEAL','subjects':['seal'],'storage':'memory'}}");
    store("seal", "x");
    natskit_json info = jb_call(js, "stream.update", "{'config':{'name':'SEAL','sealed':true}}");
    assert_at(info, "/config/sealed", "true");
    assert_ok(natskit_json_close(info));
    natskit_error err = jb_fails(js, NATSKIT_SEALED, "stream.purge", "{'stream':'SEAL'}");
    assert_int_equal(err.err_code, 10109);
    (void)jb_fails(js, NATSKIT_SEALED, "stream.message.delete", "{'stream':'SEAL','seq':1}");
    jb_do(js, "stream.message.get", "{'stream':'SEAL','seq':1}");
    jb_do(js, "stream.delete", "{'stream':'SEAL'}");
}

/* -- consumers ------------------------------------------------------------------------------------------- */

static void test_consumers(void **state)
{
    (void)state;
    jb_do(js, "stream.create", "{'config':{'name':'CON','subjects':['con.>'],'storage':'memory'}}");
#define CONFIG "'durable_name':'c','ack_policy':'explicit','filter_subject':'con.a','description':'kept'"
    natskit_json info = jb_call(js, "consumer.create", "{'stream':'CON','config':{" CONFIG "}}");
    assert_at(info, "/name", "'c'");
    assert_at(info, "/config/filter_subject", "'con.a'");
    assert_ok(natskit_json_close(info));
    jb_do(js, "consumer.create", "{'stream':'CON','config':{" CONFIG "}}"); /* alike */
    natskit_error err = jb_fails(js, NATSKIT_ALREADY_EXISTS, "consumer.create",
                                 "{'stream':'CON','config':{'durable_name':'c','ack_policy':'none'}}");
    assert_int_equal(err.err_code, 10148);
    (void)jb_fails(js, NATSKIT_CONSUMER_NOT_FOUND, "consumer.update",
                   "{'stream':'CON','config':{'name':'d'}}");
    info = jb_call(js, "consumer.update", "{'stream':'CON','config':{'name':'c','max_deliver':7}}");
    assert_int_equal(jb_number(info, "/config/max_deliver"), 7);
    assert_at(info, "/config/description", "'kept'");
    assert_at(info, "/config/filter_subject", "'con.a'");
    assert_at(info, "/config/ack_policy", "'explicit'");
    assert_ok(natskit_json_close(info));
    info = jb_call(js, "consumer.create_or_update", "{'stream':'CON','config':{" CONFIG ",'max_deliver':8}}");
    assert_int_equal(jb_number(info, "/config/max_deliver"), 8);
    assert_ok(natskit_json_close(info));
    jb_do(js, "consumer.create_or_update",
          "{'stream':'CON','config':{'durable_name':'e','filter_subjects':['con.a','con.b']}}");
    info = jb_call(js, "consumer.create", "{'stream':'CON','config':{'filter_subject':'con.x'}}");
    assert_true(strlen(jb_at(info, "/name")) > 2); /* the server gave it one */
    assert_ok(natskit_json_close(info));
    info = jb_call(js, "consumer.info", "{'stream':'CON','consumer':'e'}");
    assert_at(info, "/config/filter_subjects", "['con.a','con.b']");
    assert_ok(natskit_json_close(info));
    info = jb_call(js, "consumer.names", "{'stream':'CON'}");
    assert_int_equal(jb_size(info, "/consumers"), 3);
    assert_ok(natskit_json_close(info));
    (void)jb_fails(js, NATSKIT_INVALID, "consumer.create",
                   "{'stream':'CON','config':{'name':'q','deliver_subject':'d','deliver_group':'g',"
                   "'flow_control':true}}");
    (void)jb_fails(js, NATSKIT_INVALID, "consumer.create",
                   "{'stream':'CON','config':{'name':'q','filter_subject':'a b'}}");
    jb_do(js, "consumer.delete", "{'stream':'CON','consumer':'e'}");
    (void)jb_fails(js, NATSKIT_CONSUMER_NOT_FOUND, "consumer.info", "{'stream':'CON','consumer':'e'}");
    jb_do(js, "stream.delete", "{'stream':'CON'}");
#undef CONFIG
}

static void test_pause_reset_unpin(void **state)
{
    (void)state;
    jb_do(js, "stream.create", "{'config':{'name':'PRU','subjects':['pru'],'storage':'memory'}}");
    jb_do(js, "consumer.create",
          "{'stream':'PRU','config':{'durable_name':'c','ack_policy':'explicit','priority_policy':"
          "'pinned_client','priority_groups':['g'],'priority_timeout':60000000000}}");
    natskit_json answer =
        jb_call(js, "consumer.pause", "{'stream':'PRU','consumer':'c','pause_until':'2099-01-01T00:00:00Z'}");
    assert_at(answer, "/paused", "true");
    assert_ok(natskit_json_close(answer));
    answer = jb_call(js, "consumer.info", "{'stream':'PRU','consumer':'c'}");
    assert_at(answer, "/paused", "true");
    assert_at(answer, "/config/pause_until", "'2099-01-01T00:00:00Z'");
    assert_ok(natskit_json_close(answer));
    answer = jb_call(js, "consumer.resume", "{'stream':'PRU','consumer':'c'}");
    assert_at(answer, "/paused", "false");
    assert_ok(natskit_json_close(answer));
    jb_do(js, "consumer.unpin", "{'stream':'PRU','consumer':'c','group':'g'}");
    natskit_error err =
        jb_fails(js, NATSKIT_JS_REFUSED, "consumer.unpin", "{'stream':'PRU','consumer':'c','group':'other'}");
    assert_true(err.err_code != 0);
    store("pru", "1");
    store("pru", "2");
    jb_do(js, "consumer.reset", "{'stream':'PRU','consumer':'c','seq':2}");
    answer = jb_call(js, "consumer.info", "{'stream':'PRU','consumer':'c'}");
    assert_int_equal(jb_number(answer, "/num_pending"), 1);
    assert_ok(natskit_json_close(answer));
    jb_do(js, "consumer.reset", "{'stream':'PRU','consumer':'c'}");
    jb_do(js, "stream.delete", "{'stream':'PRU'}");
}

/* -- pages ----------------------------------------------------------------------------------------------- */

/* Begins a call with the number in place of each # of its arguments. */
static natskit_op start_numbered(const char *call, const char *text, unsigned number)
{
    struct ts_buf args = {0};
    for (; *text != '\0'; text++) {
        if (*text == '#') {
            ts_buf_printf(&args, "%u", number);
        } else {
            ts_buf_add(&args, text, 1);
        }
    }
    natskit_op op = jb_start(js, call, "%.*s", (int)args.len, args.at);
    ts_buf_free(&args);
    return op;
}

/* Makes `count` calls, many at once. */
static void make_many(const char *call, const char *args, unsigned count)
{
    enum { AT_ONCE = 50 };
    natskit_op ops[AT_ONCE];
    for (unsigned i = 0; i < count; i += AT_ONCE) {
        unsigned now = count - i < AT_ONCE ? count - i : AT_ONCE;
        for (unsigned k = 0; k < now; k++) {
            ops[k] = start_numbered(call, args, i + k);
        }
        for (unsigned k = 0; k < now; k++) {
            assert_ok(natskit_op_wait(ops[k], WAIT_MS));
            natskit_error err = {0};
            natskit_status status = natskit_op_result(ops[k], NULL, &err);
            if (status != NATSKIT_OK) {
                print_error("%s of %u: %s\n", call, i + k, err.text);
            }
            assert_ok(status);
            assert_ok(natskit_op_close(ops[k]));
        }
    }
}

/* Each of `count` names beginning with this letter stands once in the array that `call` gives. */
static void expect_all(const char *call, const char *args, const char *list, const char *member, char letter,
                       unsigned count)
{
    unsigned char *seen = calloc(count, 1);
    assert_non_null(seen);
    natskit_json answer = jb_call(js, call, "%s", args);
    assert_int_equal(jb_size(answer, list), count);
    assert_int_equal(jb_number(answer, "/total"), count);
    for (unsigned i = 0; i < count; i++) {
        char path[64];
        unsigned number;
        (void)snprintf(path, sizeof path, "%s/%u%s", list, i, member);
        assert_int_equal(sscanf(jb_at(answer, path) + 1, letter == 'P' ? "P%u" : "c%u", &number), 1);
        assert_true(number < count && seen[number] == 0);
        seen[number] = 1;
    }
    assert_ok(natskit_json_close(answer));
    free(seen);
}

static void test_pages_of_streams(void **state)
{
    enum { COUNT = 1100 };
    (void)state;
    make_many("stream.create", "{'config':{'name':'P#','subjects':['p.#'],'storage':'memory'}}", COUNT);
    expect_all("stream.names", "", "/streams", "", 'P', COUNT);
    expect_all("stream.list", "", "/streams", "/config/name", 'P', COUNT);
    expect_all("stream.names", "{'subject':'p.*'}", "/streams", "", 'P', COUNT);
    natskit_json answer = jb_call(js, "stream.names", "{'offset':1090}");
    assert_int_equal(jb_size(answer, "/streams"), COUNT - 1090);
    assert_ok(natskit_json_close(answer));
    answer = jb_call(js, "stream.list", "{'offset':2000}");
    assert_true(strcmp(jb_at(answer, "/streams"), "null") == 0 || jb_size(answer, "/streams") == 0);
    assert_ok(natskit_json_close(answer));
    make_many("stream.delete", "{'stream':'P#'}", COUNT);
}

static void test_pages_of_consumers(void **state)
{
    enum { COUNT = 600 }; /* a page of the list has 256; a stream may have 1,000 */
    (void)state;
    jb_do(js, "stream.create", "{'config':{'name':'PC','subjects':['pc'],'storage':'memory'}}");
    make_many("consumer.create", "{'stream':'PC','config':{'name':'c#','inactive_threshold':3600000000000}}",
              COUNT);
    expect_all("consumer.names", "{'stream':'PC'}", "/consumers", "", 'c', COUNT);
    expect_all("consumer.list", "{'stream':'PC'}", "/consumers", "/name", 'c', COUNT);
    jb_do(js, "stream.delete", "{'stream':'PC'}");
}

/* A server's page has 100,000 subjects. */
static void test_pages_of_subjects(void **state)
{
    enum { COUNT = 100010, AT_ONCE = 1000 };
    static char subjects[AT_ONCE][24];
    static natskit_outgoing msgs[AT_ONCE];
    (void)state;
    jb_do(js, "stream.create", "{'config':{'name':'SUBJ','subjects':['s.>'],'storage':'memory'}}");
    for (unsigned i = 0; i < COUNT; i += AT_ONCE) {
        unsigned now = COUNT - i < AT_ONCE ? COUNT - i : AT_ONCE;
        size_t sent;
        for (unsigned k = 0; k < now; k++) {
            int len = snprintf(subjects[k], sizeof subjects[k], "s.%u", i + k);
            msgs[k] = (natskit_outgoing){.subject = subjects[k], .subject_len = (size_t)len};
        }
        assert_ok(natskit_publish_batch(conn, msgs, sizeof msgs[0], now, WAIT_MS, &sent));
    }
    store("s.last", "");
    natskit_json info = jb_call(js, "stream.info", "{'stream':'SUBJ','subjects_filter':'>'}");
    assert_int_equal(jb_size(info, "/state/subjects"), COUNT + 1);
    assert_int_equal(jb_number(info, "/state/subjects/s.0"), 1);
    assert_int_equal(jb_number(info, "/state/subjects/s.last"), 1);
    assert_ok(natskit_json_close(info));
    info = jb_call(js, "stream.info", "{'stream':'SUBJ','subjects_filter':'>','offset':100000}");
    assert_int_equal(jb_size(info, "/state/subjects"), COUNT + 1 - 100000);
    assert_ok(natskit_json_close(info));
    jb_do(js, "stream.delete", "{'stream':'SUBJ'}");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_call_checks), TEST(test_every_call_misses),
        TEST(test_account),           TEST(test_find_and_names),
        TEST(test_streams),           TEST(test_update_merges),
        TEST(test_messages),          TEST(test_sealed),
        TEST(test_consumers),         TEST(test_pause_reset_unpin),
        TEST(test_pages_of_streams),  TEST(test_pages_of_consumers),
        TEST(test_pages_of_subjects),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
