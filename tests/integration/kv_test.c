/* Key-value buckets of a real server: configuration, all that is done to keys, and what a watch begins with.
 * What a watch survives: kv_watch_test.c. */
#include "kv_bench.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static natskit_conn conn;
static natskit_js js;
/* Another one for each test: a server may find messages of one that it has just deleted. */
static char bucket[16];
static char stream[24];

static int begin(void **state)
{
    (void)state;
    static int count;
    (void)snprintf(bucket, sizeof bucket, "B%d", ++count);
    (void)snprintf(stream, sizeof stream, "KV_%s", bucket);
    conn = bench_connect();
    js = jb_open(conn);
    return 0;
}

static int end(void **state)
{
    (void)state;
    natskit_json names = jb_call(js, "stream.names", "%s", "");
    for (size_t i = 0; strcmp(jb_at(names, "/streams"), "null") != 0 && i < jb_size(names, "/streams"); i++) {
        char path[32];
        (void)snprintf(path, sizeof path, "/streams/%zu", i);
        jb_do(js, "stream.delete", "{'stream':%s}", jb_at(names, path));
    }
    assert_ok(natskit_json_close(names));
    assert_ok(natskit_js_close(js));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    return 0;
}

/* -- configuration --------------------------------------------------------------------------------------- */

static natskit_json config_of(const char *text)
{
    natskit_json out;
    natskit_json wanted = jb_json("%s", text);
    assert_ok(natskit_kv_config(wanted, &out, NULL));
    assert_ok(natskit_json_close(wanted));
    return out;
}

static void test_config(void **state)
{
    (void)state;
    natskit_json config = config_of("{'bucket':'B'}");
    assert_at(config, "/name", "'KV_B'");
    assert_at(config, "/subjects", "['$KV.B.>']");
    assert_at(config, "/max_msgs_per_subject", "1");
    assert_at(config, "/discard", "'new'");
    assert_at(config, "/allow_rollup_hdrs", "true");
    assert_at(config, "/deny_delete", "true");
    assert_at(config, "/allow_direct", "true");
    assert_at(config, "/compression", "");
    assert_at(config, "/subject_delete_marker_ttl", "");
    assert_ok(natskit_json_close(config));
    config = config_of(
        "{'bucket':'B','history':64,'ttl':60000000000,'limit_marker_ttl':1000000000,'max_bytes':1000000,"
        "'max_value_size':100,'storage':'memory','num_replicas':1,'compression':true,"
        "'description':'d','metadata':{'a':'b'},'republish':{'src':'$KV.B.>','dest':'r.>'},"
        "'placement':{'tags':['t']}}");
    assert_at(config, "/max_msgs_per_subject", "64");
    assert_at(config, "/max_age", "60000000000");
    assert_at(config, "/duplicate_window", "60000000000"); /* no more than the ttl */
    assert_at(config, "/allow_msg_ttl", "true");
    assert_at(config, "/subject_delete_marker_ttl", "1000000000");
    assert_at(config, "/max_bytes", "1000000");
    assert_at(config, "/max_msg_size", "100");
    assert_at(config, "/storage", "'memory'");
    assert_at(config, "/compression", "'s2'");
    assert_at(config, "/metadata", "{'a':'b'}");
    assert_at(config, "/republish", "{'src':'$KV.B.>','dest':'r.>'}");
    assert_at(config, "/placement", "{'tags':['t']}");
    assert_ok(natskit_json_close(config));
    /* The server takes both. */
    assert_ok(natskit_kv_close(kb_make(js, "plain", "")));
    assert_ok(natskit_kv_close(kb_make(js, "plain", ""))); /* alike */
    assert_ok(natskit_kv_close(kb_make(js, "full",
                                       ",'history':64,'ttl':60000000000,'limit_marker_ttl':1000000000,"
                                       "'max_bytes':1000000,'max_value_size':100,'storage':'memory',"
                                       "'num_replicas':1,'compression':false,'description':'d',"
                                       "'metadata':{'a':'b'}")));
    natskit_json info = jb_call(js, "stream.info", "{'stream':'KV_full'}");
    assert_at(info, "/config/max_msgs_per_subject", "64");
    assert_at(info, "/config/deny_delete", "true");
    assert_ok(natskit_json_close(info));
}

static void test_config_refusals(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"[]", "object"},
        {"{}", "bucket"},
        {"{'bucket':7}", "bucket"},
        {"{'bucket':''}", "bucket"},
        {"{'bucket':'a.b'}", "a.b"},
        {"{'bucket':'a b'}", "a b"},
        {"{'bucket':'a','history':0}", "history"},
        {"{'bucket':'a','history':65}", "history"},
        {"{'bucket':'a','history':'5'}", "history"},
        {"{'bucket':'a','history':1.5}", "history"},
        {"{'bucket':'a','ttl':-1}", "ttl"},
        {"{'bucket':'a','limit_marker_ttl':999999999}", "limit_marker_ttl"},
        {"{'bucket':'a','compression':'s2'}", "compression"},
        {"{'bucket':'a','replicas':1}", "replicas"},
        {"{'bucket':'a','max_bytes':null}", "max_bytes"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        natskit_json out;
        natskit_error err = {0};
        natskit_json wanted = jb_json("%s", wrong[i][0]);
        assert_status(natskit_kv_config(wanted, &out, &err), NATSKIT_INVALID);
        assert_int_equal(out.id, 0);
        if (strstr(err.text, wrong[i][1]) == NULL) {
            fail_msg("%s: %s", wrong[i][0], err.text);
        }
        assert_ok(natskit_json_close(wanted));
    }
}

/* -- keys ------------------------------------------------------------------------------------------------ */

static void test_put_and_get(void **state)
{
    (void)state;
    natskit_kv kv = kb_make(js, bucket, ",'history':5");
    natskit_msg *msg;
    natskit_kv_view view = {0};
    (void)kb_get_fails(kv, NATSKIT_KEY_NOT_FOUND, "a", 0);
    assert_int_equal(kb_put(kv, "a", "1"), 1);
    assert_int_equal(kb_put(kv, "a", "2"), 2);
    assert_int_equal(kb_put(kv, "b/c=d-e_f.G.9", ""), 3);
    kb_expect(kv, "a", 0, "2", 2);
    kb_expect(kv, "a", 1, "1", 1);
    kb_expect(kv, "a", 2, "2", 2);
    kb_expect(kv, "b/c=d-e_f.G.9", 0, "", 3);
    (void)kb_get_fails(kv, NATSKIT_KEY_NOT_FOUND, "a", 3); /* another key's */
    (void)kb_get_fails(kv, NATSKIT_KEY_NOT_FOUND, "a", 4);
    (void)kb_get_fails(kv, NATSKIT_KEY_NOT_FOUND, "a", UINT64_MAX);
    assert_ok(natskit_kv_get(kv, "a", Z, 0, WAIT_MS, &msg, NULL));
    assert_ok(natskit_msg_kv(msg, &view, sizeof view));
    assert_int_equal(view.bucket_len, strlen(bucket));
    assert_memory_equal(view.bucket, bucket, view.bucket_len);
    assert_int_equal(view.delta, 0);
    assert_true(view.time_ns > 0 && view.time_ns / 1000000000 - (int64_t)time(NULL) < 100);
    assert_true((int64_t)time(NULL) - view.time_ns / 1000000000 < 100);
    assert_ok(natskit_msg_release(msg));
    assert_ok(natskit_kv_close(kv));
}

static void test_operations(void **state)
{
    (void)state;
    natskit_kv kv = kb_make(js, bucket, "");
    natskit_op op;
    natskit_msg *msg;
    natskit_pub_ack ack = {0};
    natskit_kv_view view = {0};
    assert_ok(
        natskit_kv_write_start(kv, NATSKIT_KV_CREATE, "a", Z, "x", 1, 0, 0, NO_OPTIONS, WAIT_MS, &op, NULL));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_take_msg(op, &msg));
    assert_ok(natskit_msg_pub_ack(msg, &ack, sizeof ack));
    assert_int_equal(ack.seq, 1);
    assert_int_equal(ack.stream_len, strlen(stream));
    assert_memory_equal(ack.stream, stream, ack.stream_len);
    assert_ok(natskit_msg_release(msg));
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_kv_get_start(kv, "a", Z, 0, NO_OPTIONS, WAIT_MS, &op, NULL));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_take_msg(op, &msg));
    assert_ok(natskit_msg_kv(msg, &view, sizeof view));
    assert_int_equal(view.revision, 1);
    assert_ok(natskit_msg_release(msg));
    assert_ok(natskit_op_close(op));
    const struct {
        int32_t action;
        natskit_status status;
    } rows[] = {{NATSKIT_KV_CREATE, NATSKIT_KEY_EXISTS}, {NATSKIT_KV_UPDATE, NATSKIT_WRONG_LAST}};
    for (size_t i = 0; i < 2; i++) {
        int32_t outcome;
        assert_ok(natskit_kv_write_start(kv, rows[i].action, "a", Z, "x", 1, i > 0 ? 77 : 0, 0, NO_OPTIONS,
                                         WAIT_MS, &op, NULL));
        assert_ok(natskit_op_wait(op, WAIT_MS));
        assert_status(natskit_op_result(op, &outcome, NULL), rows[i].status);
        assert_int_equal(outcome, NATSKIT_OUTCOME_REJECTED);
        assert_ok(natskit_op_close(op));
    }
    assert_ok(natskit_kv_close(kv));
}

static void test_create_update(void **state)
{
    (void)state;
    natskit_kv kv = kb_make(js, bucket, ",'history':3");
    assert_int_equal(kb_write(kv, NATSKIT_KV_CREATE, "a", "1", 0), 1);
    (void)kb_write_fails(kv, NATSKIT_KEY_EXISTS, NATSKIT_KV_CREATE, "a", "x", 0);
    assert_int_equal(kb_write(kv, NATSKIT_KV_UPDATE, "a", "2", 1), 2);
    natskit_error err = kb_write_fails(kv, NATSKIT_WRONG_LAST, NATSKIT_KV_UPDATE, "a", "x", 1);
    assert_int_equal(err.err_code, 10071);
    (void)kb_write_fails(kv, NATSKIT_WRONG_LAST, NATSKIT_KV_UPDATE, "none", "x", 1);
    assert_int_equal(kb_write(kv, NATSKIT_KV_UPDATE, "new", "x", 0), 3); /* nothing before */
    (void)kb_write_fails(kv, NATSKIT_WRONG_LAST, NATSKIT_KV_PUT, "a", "x", 1);
    (void)kb_write_fails(kv, NATSKIT_WRONG_LAST, NATSKIT_KV_DELETE, "a", NULL, 1);
    (void)kb_write_fails(kv, NATSKIT_WRONG_LAST, NATSKIT_KV_PURGE, "a", NULL, 1);
    kb_expect(kv, "a", 0, "2", 2);
    assert_int_equal(kb_write(kv, NATSKIT_KV_DELETE, "a", NULL, 2), 4);
    (void)kb_get_fails(kv, NATSKIT_KEY_DELETED, "a", 0);
    (void)kb_get_fails(kv, NATSKIT_KEY_DELETED, "a", 4);
    kb_expect(kv, "a", 2, "2", 2);                                     /* what was before is kept */
    assert_int_equal(kb_write(kv, NATSKIT_KV_CREATE, "a", "3", 0), 5); /* over a delete */
    (void)kb_write_fails(kv, NATSKIT_KEY_EXISTS, NATSKIT_KV_CREATE, "a", "x", 0);
    assert_int_equal(kb_write(kv, NATSKIT_KV_PURGE, "a", NULL, 0), 6);
    (void)kb_get_fails(kv, NATSKIT_KEY_DELETED, "a", 0);
    (void)kb_get_fails(kv, NATSKIT_KEY_NOT_FOUND, "a", 5);             /* gone, too */
    assert_int_equal(kb_write(kv, NATSKIT_KV_CREATE, "a", "4", 0), 7); /* over a purge */
    kb_expect(kv, "a", 0, "4", 7);
    assert_int_equal(kb_write(kv, NATSKIT_KV_DELETE, "never", NULL, 0), 8);
    assert_ok(natskit_kv_close(kv));
}

static void test_no_bucket(void **state)
{
    (void)state;
    natskit_kv kv = kb_open(js, "NONE");
    (void)kb_get_fails(kv, NATSKIT_STREAM_NOT_FOUND, "a", 0);
    (void)kb_get_fails(kv, NATSKIT_STREAM_NOT_FOUND, "a", 1);
    (void)kb_write_fails(kv, NATSKIT_NO_STREAM, NATSKIT_KV_PUT, "a", "x", 0);
    (void)kb_write_fails(kv, NATSKIT_NO_STREAM, NATSKIT_KV_CREATE, "a", "x", 0);
    (void)kb_ends(KB_WATCH(kv, "history", "true"), NATSKIT_STREAM_NOT_FOUND);
    assert_ok(natskit_kv_close(kv));
}

/* Without direct gets the leader is asked. */
static void test_leader_gets(void **state)
{
    (void)state;
    natskit_kv kv = kb_make(js, bucket, ",'history':3");
    jb_do(js, "stream.update", "{'config':{'name':'%s','allow_direct':false}}", stream);
    kb_put(kv, "a", "1");
    kb_put(kv, "a", "2");
    kb_put(kv, "b", "3");
    kb_expect(kv, "a", 0, "2", 2);
    kb_expect(kv, "a", 1, "1", 1);
    (void)kb_get_fails(kv, NATSKIT_KEY_NOT_FOUND, "a", 3);
    (void)kb_get_fails(kv, NATSKIT_KEY_NOT_FOUND, "c", 0);
    kb_write(kv, NATSKIT_KV_DELETE, "a", NULL, 0);
    (void)kb_get_fails(kv, NATSKIT_KEY_DELETED, "a", 0);
    kb_write(kv, NATSKIT_KV_CREATE, "a", "again", 0);
    kb_expect(kv, "a", 0, "again", 5);
    assert_ok(natskit_kv_close(kv));
}

/* Keys and buckets that are none are refused in every call, before anything is sent. */
static void test_forbidden(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "",     ".",        ".a",  "a.",    "a..b", "a b", "a\tb", "a*", "*",   "a.*", ">",   "a.>",   "a:b",
        "a\\b", "\xc3\xa9", "_kv", "_kv.a", "_kvx", "a\n", "a#b",  "a@", "a,b", "$a",  "a|b", "a\x7f", "{a}"};
    static const char *const patterns[] = {".a",  "a..b", "a*",   "a.>.b", ">.a",
                                           "a b", "_kv",  "a.b>", "**",    "\xc3\xa9"};
    static const char *const buckets[] = {"", ".", "a.b", "a b", "*", ">", "a/b", "a:b", "\xc3\xa9", "a\n"};
    natskit_kv kv = kb_make(js, bucket, "");
    natskit_kv other;
    natskit_msg *msg;
    natskit_op op;
    natskit_sub sub;
    natskit_options options;
    char long_key[1026];
    memset(long_key, 'k', sizeof long_key);
    long_key[1025] = '\0';
    assert_ok(natskit_flush(conn, WAIT_MS));
    uint64_t sent = ts_tap_stat(bench.tap, "pub") + ts_tap_stat(bench.tap, "hpub");
    uint64_t subs = ts_tap_stat(bench.tap, "sub");
    for (size_t i = 0; i <= sizeof keys / sizeof keys[0]; i++) {
        const char *key = i < sizeof keys / sizeof keys[0] ? keys[i] : long_key;
        assert_status(natskit_kv_get(kv, key, Z, 0, WAIT_MS, &msg, NULL), NATSKIT_INVALID);
        assert_status(natskit_kv_get(kv, key, Z, 5, WAIT_MS, &msg, NULL), NATSKIT_INVALID);
        assert_status(natskit_kv_get_start(kv, key, Z, 0, NO_OPTIONS, WAIT_MS, &op, NULL), NATSKIT_INVALID);
        for (int32_t action = NATSKIT_KV_PUT; action <= NATSKIT_KV_UPDATE; action++) {
            (void)kb_write_fails(kv, NATSKIT_INVALID, action, key, NULL, 0);
            assert_status(
                natskit_kv_write_start(kv, action, key, Z, NULL, 0, 0, 0, NO_OPTIONS, WAIT_MS, &op, NULL),
                NATSKIT_INVALID);
        }
    }
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        assert_ok(natskit_options_open(NATSKIT_OPTIONS_KV_WATCH, &options));
        assert_ok(natskit_options_add(options, "keys", Z, patterns[i], Z, NULL));
        assert_status(natskit_kv_watch(kv, options, &sub, NULL), NATSKIT_INVALID);
        assert_ok(natskit_options_close(options));
    }
    for (size_t i = 0; i < sizeof buckets / sizeof buckets[0]; i++) {
        assert_status(natskit_kv_open(js, buckets[i], Z, &other, NULL), NATSKIT_INVALID);
    }
    assert_ok(natskit_flush(conn, WAIT_MS));
    assert_int_equal(ts_tap_stat(bench.tap, "pub") + ts_tap_stat(bench.tap, "hpub"), sent);
    assert_int_equal(ts_tap_stat(bench.tap, "sub"), subs);
    long_key[1024] = '\0';
    kb_put(kv, long_key, "x"); /* the longest one */
    kb_expect(kv, long_key, 0, "x", 1);
    assert_ok(natskit_kv_close(kv));
}

/* -- times to live, and what others write ---------------------------------------------------------------- */

static bool is_marked(void *arg)
{
    natskit_json info = jb_call(*(natskit_js *)arg, "stream.info", "{'stream':'%s'}", stream);
    bool marked = jb_number(info, "/state/last_seq") >= 2;
    assert_ok(natskit_json_close(info));
    return marked;
}

static void test_ttl(void **state)
{
    (void)state;
    natskit_kv kv = kb_make(js, bucket, ",'limit_marker_ttl':60000000000");
    natskit_sub watch = KB_WATCH(kv, "history", "true");
    natskit_sub live = KB_WATCH(kv, "ignore_deletes", "true");
    uint64_t revision;
    kb_done(watch);
    kb_done(live);
    assert_ok(natskit_kv_write(kv, NATSKIT_KV_CREATE, "a", Z, "short", 5, 0, 1000, WAIT_MS, &revision, NULL));
    kb_expect(kv, "a", 0, "short", 1);
    kb_next(watch, "a", "short", 1);
    kb_next(watch, "a", "!", 2); /* the server's marker */
    jb_wait(is_marked, &js);
    (void)kb_get_fails(kv, NATSKIT_KEY_DELETED, "a", 0);
    assert_ok(natskit_kv_write(kv, NATSKIT_KV_CREATE, "a", Z, "b", 1, 0, 1500, WAIT_MS, &revision, NULL));
    assert_int_equal(revision, 3);
    kb_next(watch, "a", "b", 3);
    kb_next(watch, "a", "!", 4); /* the second attempt had its time, too */
    assert_ok(natskit_kv_write(kv, NATSKIT_KV_PURGE, "z", Z, NULL, 0, 0, 60000, WAIT_MS, &revision, NULL));
    kb_next(watch, "z", "!", 5);
    kb_put(kv, "z", "last");
    kb_next(live, "a", "short", 1);
    kb_next(live, "a", "b", 3);
    kb_next(live, "z", "last", 6);
    assert_ok(natskit_sub_close(watch));
    assert_ok(natskit_sub_close(live));
    assert_ok(natskit_kv_close(kv));
    kv = kb_make(js, "NOTTL", "");
    natskit_error err = {0};
    assert_status(natskit_kv_write(kv, NATSKIT_KV_CREATE, "a", Z, "x", 1, 0, 1000, WAIT_MS, &revision, &err),
                  NATSKIT_TTL_REFUSED);
    assert_int_equal(err.err_code, 10166);
    assert_ok(natskit_kv_close(kv));
}

/* An operation that nobody knows means deleted, everywhere. */
static void test_unknown_operation(void **state)
{
    (void)state;
    natskit_kv kv = kb_make(js, bucket, ",'history':5");
    natskit_headers headers;
    natskit_msg *ack;
    char subject[32];
    kb_put(kv, "a", "1");
    assert_ok(natskit_headers_open(&headers));
    assert_ok(natskit_headers_add(headers, "KV-Operation", Z, "EXPLODE", Z, NULL));
    (void)snprintf(subject, sizeof subject, "$KV.%s.a", bucket);
    assert_ok(natskit_request(conn, subject, Z, headers, "x", 1, WAIT_MS, &ack, NULL));
    assert_ok(natskit_msg_release(ack));
    assert_ok(natskit_headers_close(headers));
    (void)kb_get_fails(kv, NATSKIT_KEY_DELETED, "a", 0);
    natskit_sub watch = KB_WATCH(kv, "keys", "a");
    kb_next(watch, "a", NULL, 2);
    kb_done(watch);
    assert_ok(natskit_sub_close(watch));
    watch = KB_WATCH(kv, "ignore_deletes", "true", "ends", "true");
    (void)kb_ends(watch, NATSKIT_MAX_REACHED);
    assert_int_equal(kb_write(kv, NATSKIT_KV_CREATE, "a", "2", 0), 3);
    assert_ok(natskit_kv_close(kv));
}

/* -- what a watch begins with ---------------------------------------------------------------------------- */

static void test_watch_empty(void **state)
{
    (void)state;
    static const char *const modes[][3] = {
        {"history", "true", NULL},
        {"updates_only", "true", NULL},
        {"ignore_deletes", "true", NULL},
        {"headers_only", "true", NULL},
        {"keys", "a,b.*,c.>", NULL},
        {"from_revision", "7", NULL},
        {"keys", "a", NULL},
    };
    natskit_kv kv = kb_make(js, bucket, "");
    (void)state;
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        natskit_sub watch = kb_watch(kv, modes[i]);
        kb_done(watch);
        kb_nothing(conn, watch);
        assert_ok(natskit_sub_close(watch));
    }
    (void)kb_ends(KB_WATCH(kv, "ends", "true"), NATSKIT_MAX_REACHED);
    assert_ok(natskit_kv_close(kv));
}

static void test_watch_modes(void **state)
{
    (void)state;
    natskit_kv kv = kb_make(js, bucket, ",'history':5");
    kb_put(kv, "a", "1");
    kb_put(kv, "a", "2");
    kb_put(kv, "b.c", "3");
    kb_put(kv, "d", "4");
    kb_write(kv, NATSKIT_KV_DELETE, "d", NULL, 0);
    natskit_sub last = KB_WATCH(kv, "history", "false");
    natskit_sub history = KB_WATCH(kv, "history", "true");
    natskit_sub updates = KB_WATCH(kv, "updates_only", "true");
    natskit_sub several = KB_WATCH(kv, "keys", "a,d");
    natskit_sub deletes = KB_WATCH(kv, "keys", "d", "ignore_deletes", "true");
    natskit_sub from = KB_WATCH(kv, "from_revision", "3");
    natskit_sub beyond = KB_WATCH(kv, "from_revision", "99");
    natskit_sub headers = KB_WATCH(kv, "headers_only", "true", "keys", "a");
    natskit_sub ends = KB_WATCH(kv, "ends", "true");
    kb_next(last, "a", "2", 2);
    kb_next(last, "b.c", "3", 3);
    kb_next(last, "d", NULL, 5);
    kb_done(last);
    kb_next(history, "a", "1", 1);
    kb_next(history, "a", "2", 2);
    kb_next(history, "b.c", "3", 3);
    kb_next(history, "d", "4", 4);
    kb_next(history, "d", NULL, 5);
    kb_done(history);
    kb_done(updates);
    kb_next(several, "a", "2", 2);
    kb_next(several, "d", NULL, 5);
    kb_done(several);
    kb_done(deletes); /* all was left out */
    kb_next(from, "b.c", "3", 3);
    kb_next(from, "d", "4", 4);
    kb_next(from, "d", NULL, 5);
    kb_done(from);
    kb_done(beyond);
    natskit_msg *msg;
    natskit_kv_view view = {0};
    assert_ok(natskit_sub_next(headers, WAIT_MS, &msg));
    assert_ok(natskit_msg_kv(msg, &view, sizeof view));
    assert_int_equal(view.value_len, 0);
    assert_int_equal(view.value_bytes, 1);
    assert_int_equal(view.delta, 0);
    assert_ok(natskit_msg_release(msg));
    kb_done(headers);
    kb_next(ends, "a", "2", 2);
    kb_next(ends, "b.c", "3", 3);
    kb_next(ends, "d", NULL, 5);
    (void)kb_ends(ends, NATSKIT_MAX_REACHED);
    kb_put(kv, "a", "new");
    const natskit_sub live[] = {last, history, updates, several, from};
    for (size_t i = 0; i < sizeof live / sizeof live[0]; i++) {
        kb_next(live[i], "a", "new", 6);
        assert_ok(natskit_sub_close(live[i]));
    }
    kb_nothing(conn, deletes);
    assert_ok(natskit_sub_close(deletes));
    assert_ok(natskit_sub_close(beyond));
    assert_ok(natskit_sub_close(headers));
    assert_ok(natskit_kv_close(kv));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_config),      TEST(test_config_refusals), TEST(test_put_and_get),
        TEST(test_operations),  TEST(test_create_update),   TEST(test_no_bucket),
        TEST(test_leader_gets), TEST(test_forbidden),       TEST(test_ttl),
        TEST(test_watch_empty), TEST(test_watch_modes),     TEST(test_unknown_operation),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
