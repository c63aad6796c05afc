/* Buckets as a whole, of a real server: calls about them, mirrors and sources, how one is opened, codecs,
 * changing many keys, entries at hand. */
#include "kv_bench.h"

#include <stdio.h>
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
    kb_delete_all(js);
    assert_ok(natskit_js_close(js));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    return 0;
}

/* Another bucket for each test: a server may find messages of one that it has just deleted. */
static natskit_kv open_with(const char *bucket, const char *const *names)
{
    natskit_options options;
    natskit_kv kv;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_KV, &options));
    for (; *names != NULL; names += 2) {
        assert_ok(natskit_options_set(options, names[0], Z, names[1], Z, NULL));
    }
    assert_ok(natskit_kv_open_with(js, bucket, Z, options, &kv, NULL));
    assert_ok(natskit_options_close(options));
    return kv;
}
#define OPEN_WITH(bucket, ...) open_with(bucket, (const char *const[]){__VA_ARGS__, NULL})

/* -- calls ----------------------------------------------------------------------------------------------- */

static void test_calls(void **state)
{
    (void)state;
    natskit_json status = jb_call(js, "kv.create",
                                  "{'config':{'bucket':'CALLS','history':3,'ttl':3600000000000,"
                                  "'limit_marker_ttl':1000000000,'compression':true,'description':'d',"
                                  "'metadata':{'a':'b'}}}");
    assert_at(status, "/bucket", "'CALLS'");
    assert_at(status, "/history", "3");
    assert_at(status, "/ttl", "3600000000000");
    assert_at(status, "/limit_marker_ttl", "1000000000");
    assert_at(status, "/compression", "true");
    assert_at(status, "/storage", "'file'");
    assert_at(status, "/num_replicas", "1");
    assert_at(status, "/description", "'d'");
    assert_at(status, "/metadata/a", "'b'");
    assert_at(status, "/values", "0");
    assert_at(status, "/max_bytes", "-1");
    assert_at(status, "/max_value_size", "-1");
    assert_at(status, "/backing_store", "'JetStream'");
    assert_at(status, "/stream/config/name", "'KV_CALLS'");
    assert_at(status, "/stream/config/deny_delete", "true");
    assert_ok(natskit_json_close(status));
    /* Alike, and otherwise. */
    jb_do(js, "kv.create", "{'config':{'bucket':'LIKE','history':3}}");
    jb_do(js, "kv.create", "{'config':{'bucket':'LIKE','history':3}}");
    (void)jb_fails(js, NATSKIT_ALREADY_EXISTS, "kv.create", "{'config':{'bucket':'LIKE','history':4}}");
    /* An update changes what it names. */
    status = jb_call(js, "kv.update", "{'config':{'bucket':'CALLS','history':5}}");
    assert_at(status, "/history", "5");
    assert_at(status, "/ttl", "3600000000000");
    assert_at(status, "/description", "'d'");
    assert_ok(natskit_json_close(status));
    (void)jb_fails(js, NATSKIT_STREAM_NOT_FOUND, "kv.update", "{'config':{'bucket':'NONE','history':5}}");
    status = jb_call(js, "kv.create_or_update",
                     "{'config':{'bucket':'NEW','history':2,'ttl':3600000000000,'description':'d'}}");
    assert_at(status, "/history", "2");
    assert_ok(natskit_json_close(status));
    status = jb_call(js, "kv.create_or_update", "{'config':{'bucket':'NEW'}}");
    assert_at(status, "/history", "1"); /* of these the default, if they are not named; */
    assert_at(status, "/ttl", "0");
    assert_at(status, "/description", "'d'"); /* the rest stays */
    assert_ok(natskit_json_close(status));
}

static void test_names(void **state)
{
    (void)state;
    jb_do(js, "stream.create", "{'config':{'name':'OTHER','subjects':['other']}}");
    jb_do(js, "kv.create", "{'config':{'bucket':'A1'}}");
    jb_do(js, "kv.create", "{'config':{'bucket':'A2','mirror':{'name':'A1'}}}"); /* which has no subjects */
    natskit_json names = jb_call(js, "kv.names", "%s", "");
    assert_at(names, "/buckets", "['A1','A2']");
    assert_ok(natskit_json_close(names));
    natskit_json list = jb_call(js, "kv.list", "%s", "");
    assert_int_equal(jb_size(list, "/buckets"), 2);
    assert_at(list, "/buckets/1/mirror/name", "'KV_A1'");
    assert_at(list, "/buckets/0/stream/config/name", "'KV_A1'");
    assert_ok(natskit_json_close(list));
    jb_do(js, "kv.delete", "{'bucket':'A2'}");
    jb_do(js, "kv.delete", "{'bucket':'A1'}");
    names = jb_call(js, "kv.names", "%s", "");
    assert_at(names, "/buckets", "[]");
    assert_ok(natskit_json_close(names));
    (void)jb_fails(js, NATSKIT_STREAM_NOT_FOUND, "kv.delete", "{'bucket':'A1'}");
    (void)jb_fails(js, NATSKIT_STREAM_NOT_FOUND, "kv.status", "{'bucket':'A1'}");
    jb_do(js, "stream.create", "{'config':{'name':'KV_odd','subjects':['odd']}}");
    (void)jb_fails(js, NATSKIT_NOT_A_BUCKET, "kv.status", "{'bucket':'odd'}");
    jb_do(js, "stream.delete", "{'stream':'OTHER'}");
}

static void test_call_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *call;
        const char *args;
        natskit_status wanted;
    } rows[] = {
        {"kv.creat", "{}", NATSKIT_UNKNOWN_OPTION},
        {"kv.create", "{}", NATSKIT_INVALID},
        {"kv.create", "{'config':7}", NATSKIT_INVALID},
        {"kv.create", "{'config':{'bucket':'a.b'}}", NATSKIT_INVALID},
        {"kv.create", "{'config':{'bucket':'a'},'bucket':'a'}", NATSKIT_INVALID},
        {"kv.status", "{}", NATSKIT_INVALID},
        {"kv.status", "{'bucket':'a*'}", NATSKIT_INVALID},
        {"kv.status", "{'bucket':7}", NATSKIT_INVALID},
        {"kv.delete", "{'bucket':''}", NATSKIT_INVALID},
        {"kv.names", "{'bucket':'a'}", NATSKIT_INVALID},
        {"kv.list", "[]", NATSKIT_INVALID},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        natskit_error err = jb_fails(js, rows[i].wanted, rows[i].call, "%s", rows[i].args);
        assert_true(err.text[0] != '\0');
    }
}

/* -- mirrors and sources --------------------------------------------------------------------------------- */

static bool has_key(void *arg)
{
    natskit_msg *msg = NULL;
    natskit_status status = natskit_kv_get(*(natskit_kv *)arg, "k", Z, 0, WAIT_MS, &msg, NULL);
    (void)natskit_msg_release(msg);
    return status == NATSKIT_OK;
}

static void bind_to(natskit_kv kv)
{
    natskit_json status;
    assert_ok(natskit_kv_status(kv, WAIT_MS, &status, NULL));
    assert_ok(natskit_json_close(status));
}

/* Keys of a mirror stand, and are written, where its origin has them. */
static void test_mirror(void **state)
{
    (void)state;
    natskit_kv origin = kb_make(js, "M1", ",'history':5");
    jb_do(js, "kv.create", "{'config':{'bucket':'M2','mirror':{'name':'M1'}}}");
    natskit_kv mirror = kb_open(js, "M2");
    bind_to(mirror);
    assert_int_equal(kb_put(mirror, "k", "1"), 1);
    jb_wait(has_key, &mirror);
    kb_expect(mirror, "k", 0, "1", 1);
    kb_expect(mirror, "k", 1, "1", 1);
    kb_expect(origin, "k", 0, "1", 1);
    (void)kb_write_fails(mirror, NATSKIT_KEY_EXISTS, NATSKIT_KV_CREATE, "k", "x", 0);
    natskit_sub watch = KB_WATCH(mirror, "keys", "k");
    kb_next(watch, "k", "1", 1);
    kb_done(watch);
    kb_write(mirror, NATSKIT_KV_DELETE, "k", NULL, 0);
    kb_next(watch, "k", NULL, 2);
    kb_write(mirror, NATSKIT_KV_CREATE, "k", "again", 0);
    kb_next(watch, "k", "again", 3);
    assert_ok(natskit_sub_close(watch));
    /* Without asking, by who knows. */
    natskit_kv known = OPEN_WITH("M2", "origin", "M1");
    kb_expect(known, "k", 0, "again", 3);
    assert_ok(natskit_kv_close(known));
    assert_ok(natskit_kv_close(mirror));
    assert_ok(natskit_kv_close(origin));
}

static void test_sources(void **state)
{
    (void)state;
    natskit_kv a = kb_make(js, "S1", "");
    natskit_kv b = kb_make(js, "S2", "");
    jb_do(js, "kv.create",
          "{'config':{'bucket':'S3','sources':[{'name':'S1'},{'name':'KV_S2','subject_transforms':"
          "[{'src':'$KV.S2.>','dest':'$KV.S3.two.>'}]}]}}");
    natskit_kv both = kb_open(js, "S3");
    bind_to(both);
    natskit_sub watch = KB_WATCH(both, "history", "true");
    kb_done(watch);
    kb_put(a, "k", "a");
    kb_next(watch, "k", "a", 1);
    kb_put(b, "k", "b");
    kb_next(watch, "two.k", "b", 2);
    kb_expect(both, "k", 0, "a", 1);
    assert_int_equal(kb_put(both, "own", "x"), 3);
    kb_expect(both, "own", 0, "x", 3);
    assert_ok(natskit_sub_close(watch));
    assert_ok(natskit_kv_close(a));
    assert_ok(natskit_kv_close(b));
    assert_ok(natskit_kv_close(both));
}

/* -- opening --------------------------------------------------------------------------------------------- */

static void test_read_only(void **state)
{
    (void)state;
    natskit_kv kv = kb_make(js, "RO", "");
    natskit_kv view = OPEN_WITH("RO", "read_only", "true");
    natskit_json answer;
    natskit_error err;
    kb_put(kv, "k", "1");
    kb_expect(view, "k", 0, "1", 1);
    for (int32_t action = NATSKIT_KV_PUT; action <= NATSKIT_KV_UPDATE; action++) {
        bool empty = action == NATSKIT_KV_DELETE || action == NATSKIT_KV_PURGE;
        (void)kb_write_fails(view, NATSKIT_READ_ONLY, action, "k", empty ? NULL : "x", 0);
    }
    assert_status(
        natskit_kv_sweep(view, NATSKIT_KV_PURGE_DELETES, (natskit_options){0}, WAIT_MS, &answer, &err),
        NATSKIT_READ_ONLY);
    kb_expect(kv, "k", 0, "1", 1);
    assert_ok(natskit_kv_close(view));
    assert_ok(natskit_kv_close(kv));
}

/* Whether the leader was asked since the last call. */
static bool leader_asked(natskit_sub requests)
{
    natskit_msg *msg;
    bool asked = false;
    assert_ok(natskit_flush(conn, WAIT_MS));
    while (natskit_sub_next(requests, 0, &msg) == NATSKIT_OK) {
        asked = true;
        assert_ok(natskit_msg_release(msg));
    }
    return asked;
}

/* By the leader at once, as an option or the stream says. */
static void test_leader(void **state)
{
    (void)state;
    natskit_sub requests = bench_subscribe(conn, "$JS.API.STREAM.MSG.GET.KV_LEAD", NULL);
    natskit_kv kv = kb_make(js, "LEAD", "");
    kb_put(kv, "k", "1");
    kb_expect(kv, "k", 0, "1", 1);
    assert_false(leader_asked(requests));
    natskit_kv leader = OPEN_WITH("LEAD", "direct", "false");
    kb_expect(leader, "k", 0, "1", 1);
    assert_true(leader_asked(requests));
    natskit_sub direct = bench_subscribe(conn, "$JS.API.DIRECT.GET.KV_LEAD.>", NULL);
    jb_do(js, "stream.update", "{'config':{'name':'KV_LEAD','allow_direct':false}}");
    natskit_kv bound = kb_open(js, "LEAD");
    bind_to(bound);
    kb_expect(bound, "k", 0, "1", 1);
    (void)kb_get_fails(bound, NATSKIT_KEY_NOT_FOUND, "x", 0);
    assert_true(leader_asked(requests));
    assert_false(leader_asked(direct));
    assert_ok(natskit_sub_close(direct));
    assert_ok(natskit_sub_close(requests));
    assert_ok(natskit_kv_close(bound));
    assert_ok(natskit_kv_close(leader));
    assert_ok(natskit_kv_close(kv));
}

/* -- codecs ---------------------------------------------------------------------------------------------- */

static void use_codec(natskit_kv coded, natskit_kv plain, const char *key, const char *stored)
{
    uint64_t revision = kb_put(coded, key, "v");
    kb_expect(coded, key, 0, "v", revision);
    kb_expect(coded, key, revision, "v", revision);
    kb_expect(plain, stored, 0, "v", revision);
    natskit_sub watch = KB_WATCH(coded, "keys", key);
    kb_next(watch, key, "v", revision);
    kb_done(watch);
    kb_write(coded, NATSKIT_KV_DELETE, key, NULL, revision);
    kb_next(watch, key, NULL, revision + 1);
    assert_ok(natskit_sub_close(watch));
    (void)kb_get_fails(coded, NATSKIT_KEY_DELETED, key, 0);
    kb_write(coded, NATSKIT_KV_CREATE, key, "v2", 0);
    natskit_error err = kb_get_fails(coded, NATSKIT_KEY_NOT_FOUND, key, revision + 1000);
    assert_non_null(strstr(err.text, key));
}

static void test_codecs(void **state)
{
    (void)state;
    natskit_kv plain = kb_make(js, "CODEC", "");
    natskit_kv coded = OPEN_WITH("CODEC", "codec", "base64");
    use_codec(coded, plain, "with spaces.\xc3\xbc*", "d2l0aCBzcGFjZXM.w7wq");
    (void)kb_write_fails(coded, NATSKIT_INVALID, NATSKIT_KV_PUT, "a..b", "x", 0);
    (void)kb_get_fails(coded, NATSKIT_INVALID, "", 0);
    /* What the codec has not made does not end a watch. */
    kb_put(plain, "no=base64", "x");
    natskit_sub watch = KB_WATCH(coded, "ignore_deletes", "true");
    kb_next(watch, "with spaces.\xc3\xbc*", "v2", 3);
    kb_next(watch, "no=base64", "x", 4);
    kb_done(watch);
    kb_put(coded, "pre.a", "1");
    kb_next(watch, "pre.a", "1", 5);
    assert_ok(natskit_sub_close(watch));
    watch = KB_WATCH(coded, "keys", "pre.*");
    kb_next(watch, "pre.a", "1", 5);
    kb_done(watch);
    assert_ok(natskit_sub_close(watch));
    assert_ok(natskit_kv_close(coded));
    coded = OPEN_WITH("CODEC", "codec", "path");
    use_codec(coded, plain, "/etc/hosts", "_root_.etc.hosts");
    (void)kb_write_fails(coded, NATSKIT_INVALID, NATSKIT_KV_PUT, "a.b", "x", 0);
    assert_ok(natskit_kv_close(coded));
    assert_ok(natskit_kv_close(plain));
}

/* By the leader, too, whose answer is another one. */
static void test_codec_leader(void **state)
{
    (void)state;
    natskit_kv plain = kb_make(js, "CODECL", "");
    natskit_kv coded = OPEN_WITH("CODECL", "codec", "base64", "direct", "false");
    use_codec(coded, plain, "a b", "YSBi");
    assert_ok(natskit_kv_close(coded));
    assert_ok(natskit_kv_close(plain));
}

/* Values of every kind of change come back, however they are read; deletes have none. */
static void test_value_codec(void **state)
{
    (void)state;
    natskit_kv plain = kb_make(js, "CODECV", "");
    natskit_kv coded = OPEN_WITH("CODECV", "value_codec", "base64", "codec", "base64");
    natskit_kv leader = OPEN_WITH("CODECV", "value_codec", "base64", "direct", "false");
    natskit_sub watch = KB_WATCH(coded, "ignore_deletes", "false");
    kb_done(watch);
    kb_put(coded, "a b", "one");
    kb_expect(plain, "YSBi", 0, "b25l", 1);
    kb_expect(coded, "a b", 0, "one", 1);
    kb_expect(leader, "YSBi", 1, "one", 1);
    kb_write(coded, NATSKIT_KV_UPDATE, "a b", "two", 1);
    kb_write(coded, NATSKIT_KV_DELETE, "a b", NULL, 0);
    kb_write(coded, NATSKIT_KV_CREATE, "a b", "three", 0); /* in two rounds */
    kb_put(coded, "empty", "");
    kb_put(plain, "eHg", "no base64");
    kb_next(watch, "a b", "one", 1);
    kb_next(watch, "a b", "two", 2);
    kb_next(watch, "a b", NULL, 3);
    kb_next(watch, "a b", "three", 4);
    kb_next(watch, "empty", "", 5);
    kb_next(watch, "xx", "no base64", 6);
    assert_ok(natskit_sub_close(watch));
    kb_expect(plain, "YSBi", 0, "dGhyZWU", 4);
    assert_ok(natskit_kv_close(leader));
    assert_ok(natskit_kv_close(coded));
    assert_ok(natskit_kv_close(plain));
}

/* -- changing many keys ---------------------------------------------------------------------------------- */

static natskit_options sweep_options(const char *const *names)
{
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_KV_SWEEP, &options));
    for (; *names != NULL; names += 2) {
        assert_ok(natskit_options_set(options, names[0], Z, names[1], Z, NULL));
    }
    return options;
}

static uint64_t sweep(natskit_kv kv, int32_t action, const char *const *names)
{
    natskit_json answer;
    natskit_error err = {0};
    natskit_options options = sweep_options(names);
    natskit_status status = natskit_kv_sweep(kv, action, options, WAIT_MS, &answer, &err);
    if (status != NATSKIT_OK) {
        print_error("sweep: %s\n", err.text);
    }
    assert_ok(status);
    uint64_t keys = jb_number(answer, "/keys");
    assert_ok(natskit_json_close(answer));
    assert_ok(natskit_options_close(options));
    return keys;
}
#define SWEEP(kv, action, ...) sweep(kv, action, (const char *const[]){__VA_ARGS__, NULL})

#define MANY 200

static void test_sweep(void **state)
{
    (void)state;
    natskit_kv kv = kb_make(js, "SWEEP", ",'history':5");
    for (int i = 0; i < MANY; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "a.%d", i);
        kb_put(kv, key, "1");
    }
    kb_put(kv, "b", "1");
    kb_put(kv, "b", "2");
    kb_write(kv, NATSKIT_KV_DELETE, "a.0", NULL, 0);
    assert_int_equal(SWEEP(kv, NATSKIT_KV_DELETE, "keys", "a.*"), MANY - 1); /* one was deleted before */
    assert_int_equal(SWEEP(kv, NATSKIT_KV_DELETE, "keys", "a.*"), 0);
    kb_expect(kv, "b", 0, "2", MANY + 2);
    (void)kb_get_fails(kv, NATSKIT_KEY_DELETED, "a.7", 0);
    assert_int_equal(SWEEP(kv, NATSKIT_KV_PURGE, "keys", "b", "in_flight", "1"), 1);
    natskit_json status;
    assert_ok(natskit_kv_status(kv, WAIT_MS, &status, NULL));
    assert_int_equal(jb_number(status, "/values"), 2 * MANY + 1);
    assert_ok(natskit_json_close(status));
    /* Younger marks stay, without what was before them; then none does. */
    assert_int_equal(SWEEP(kv, NATSKIT_KV_PURGE_DELETES, "in_flight", "16"), MANY + 1);
    assert_ok(natskit_kv_status(kv, WAIT_MS, &status, NULL));
    assert_int_equal(jb_number(status, "/values"), MANY + 1);
    assert_ok(natskit_json_close(status));
    kb_put(kv, "c", "1");
    assert_int_equal(SWEEP(kv, NATSKIT_KV_PURGE_DELETES, "older_than_ms", "-1"), MANY + 1);
    assert_ok(natskit_kv_status(kv, WAIT_MS, &status, NULL));
    assert_int_equal(jb_number(status, "/values"), 1);
    assert_ok(natskit_json_close(status));
    kb_expect(kv, "c", 0, "1", 2 * MANY + 4);
    assert_ok(natskit_kv_close(kv));
}

static void test_sweep_op(void **state)
{
    (void)state;
    natskit_kv kv = kb_make(js, "SWEEPOP", "");
    natskit_op op;
    natskit_json answer;
    natskit_options options = sweep_options((const char *const[]){"keys", ">", NULL});
    kb_put(kv, "a", "1");
    assert_ok(natskit_kv_sweep_start(kv, NATSKIT_KV_DELETE, options, WAIT_MS, &op, NULL));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_json(op, &answer, NULL));
    assert_at(answer, "", "{'keys':1}");
    assert_ok(natskit_json_close(answer));
    assert_ok(natskit_op_close(op));
    /* One that is given up leaves nothing behind, which the end of the test looks at. */
    assert_ok(natskit_kv_sweep_start(kv, NATSKIT_KV_DELETE, options, WAIT_MS, &op, NULL));
    assert_ok(natskit_op_close(op));
    natskit_kv none = kb_open(js, "NOBUCKET");
    natskit_error err = {0};
    assert_status(natskit_kv_sweep(none, NATSKIT_KV_DELETE, options, WAIT_MS, &answer, &err),
                  NATSKIT_STREAM_NOT_FOUND);
    assert_true(err.text[0] != '\0');
    assert_ok(natskit_kv_close(none));
    /* All keys have to be meant. */
    assert_status(natskit_kv_sweep(kv, NATSKIT_KV_DELETE, (natskit_options){0}, WAIT_MS, &answer, &err),
                  NATSKIT_INVALID);
    assert_ok(natskit_options_close(options));
    options = sweep_options((const char *const[]){"keys", "a..b", NULL});
    assert_status(natskit_kv_sweep(kv, NATSKIT_KV_DELETE, options, WAIT_MS, &answer, &err), NATSKIT_INVALID);
    assert_ok(natskit_options_close(options));
    assert_ok(natskit_kv_close(kv));
}

/* -- entries at hand ------------------------------------------------------------------------------------- */

static void expect_cached(natskit_kv kv, const char *key, const char *value, uint64_t revision)
{
    natskit_msg *msg;
    natskit_kv_view view;
    assert_ok(natskit_kv_cached(kv, key, Z, &msg));
    assert_ok(natskit_msg_kv(msg, &view, sizeof view));
    assert_int_equal(view.revision, revision);
    assert_int_equal(view.key_len, strlen(key));
    assert_memory_equal(view.key, key, view.key_len);
    assert_int_equal(view.value_len, strlen(value));
    assert_memory_equal(view.value, value, view.value_len);
    assert_ok(natskit_msg_release(msg));
}

static natskit_status cached_status(natskit_kv kv, const char *key)
{
    natskit_msg *msg = NULL;
    natskit_status status = natskit_kv_cached(kv, key, Z, &msg);
    natskit_msg_release(msg);
    return status;
}

struct wait {
    natskit_kv kv;
    uint64_t revision;
};

static bool has_come(void *arg)
{
    const struct wait *wait = arg;
    natskit_kv_cache_info info;
    return natskit_kv_cache_stats(wait->kv, &info, sizeof info) == NATSKIT_OK &&
           info.last_revision >= wait->revision && info.complete;
}

static void wait_revision(natskit_kv kv, uint64_t revision)
{
    struct wait wait = {kv, revision};
    jb_wait(has_come, &wait);
}

static void test_cache(void **state)
{
    (void)state;
    natskit_kv kv = kb_make(js, "CACHE", "");
    natskit_kv_cache_info info;
    natskit_sub sub;
    natskit_sub second;
    kb_put(kv, "a", "1");
    kb_put(kv, "b", "2");
    kb_write(kv, NATSKIT_KV_DELETE, "b", NULL, 0);
    assert_status(cached_status(kv, "a"), NATSKIT_NOT_FOUND);
    assert_status(natskit_kv_cache_stats(kv, &info, sizeof info), NATSKIT_NOT_FOUND);
    assert_ok(natskit_kv_cache(kv, (natskit_options){0}, &sub, NULL));
    kb_done(sub);
    assert_status(natskit_kv_cache(kv, (natskit_options){0}, &second, NULL), NATSKIT_BUSY);
    expect_cached(kv, "a", "1", 1);
    assert_status(cached_status(kv, "b"), NATSKIT_KEY_NOT_FOUND);
    assert_status(cached_status(kv, "c"), NATSKIT_KEY_NOT_FOUND);
    assert_status(cached_status(kv, "a..b"), NATSKIT_INVALID);
    for (int i = 0; i < MANY; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k.%d", i);
        kb_put(kv, key, key);
    }
    wait_revision(kv, MANY + 3);
    assert_ok(natskit_kv_cache_stats(kv, &info, sizeof info));
    assert_int_equal(info.entries, MANY + 1);
    assert_true(info.bytes > 0);
    assert_int_equal(info.complete, 1);
    assert_int_equal(info.reason, NATSKIT_PENDING);
    expect_cached(kv, "k.7", "k.7", 11);
    uint64_t revision = kb_put(kv, "k.7", "other");
    wait_revision(kv, revision);
    expect_cached(kv, "k.7", "other", revision);
    revision = kb_write(kv, NATSKIT_KV_PURGE, "k.7", NULL, 0);
    wait_revision(kv, revision);
    assert_status(cached_status(kv, "k.7"), NATSKIT_KEY_NOT_FOUND);
    /* All at once. */
    natskit_msg *all[MANY + 10];
    size_t count;
    assert_ok(natskit_kv_cached_all(kv, NULL, 0, &count));
    assert_int_equal(count, MANY);
    assert_ok(natskit_kv_cached_all(kv, all, MANY + 10, &count));
    assert_int_equal(count, MANY);
    assert_ok(natskit_msg_release_batch(all, count));
    assert_ok(natskit_sub_close(sub));
    assert_status(cached_status(kv, "a"), NATSKIT_UNSUBSCRIBED);
    /* Another one in its place. */
    assert_ok(natskit_kv_cache(kv, (natskit_options){0}, &sub, NULL));
    kb_done(sub);
    expect_cached(kv, "a", "1", 1);
    assert_ok(natskit_kv_close(kv)); /* the cache is out of reach */
    assert_ok(natskit_sub_close(sub));
}

/* Keys that it is about, without values, and decoded. */
static void test_cache_options(void **state)
{
    (void)state;
    natskit_kv plain = kb_make(js, "CACHEO", "");
    natskit_kv kv = OPEN_WITH("CACHEO", "codec", "path");
    natskit_options options;
    natskit_sub sub;
    kb_put(kv, "/a/b", "value");
    kb_put(kv, "/b", "value");
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_KV_WATCH, &options));
    assert_ok(natskit_options_set(options, "keys", Z, "/a/*", Z, NULL));
    assert_ok(natskit_options_set(options, "headers_only", Z, "true", Z, NULL));
    assert_ok(natskit_kv_cache(kv, options, &sub, NULL));
    kb_done(sub);
    expect_cached(kv, "/a/b", "", 1);
    assert_status(cached_status(kv, "/b"), NATSKIT_KEY_NOT_FOUND);
    assert_status(cached_status(kv, "a.b"), NATSKIT_INVALID);
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_options_set(options, "history", Z, "true", Z, NULL));
    assert_status(natskit_kv_cache(kv, options, &sub, NULL), NATSKIT_INVALID);
    assert_ok(natskit_options_close(options));
    assert_ok(natskit_kv_close(kv));
    assert_ok(natskit_kv_close(plain));
}

/* A bucket that is made again while nobody looks has none of the old keys. */
static void test_cache_made_again(void **state)
{
    (void)state;
    natskit_kv kv = kb_make(js, "CACHEA", "");
    natskit_sub sub;
    kb_put(kv, "old", "1");
    kb_put(kv, "both", "1");
    assert_ok(natskit_kv_cache(kv, (natskit_options){0}, &sub, NULL));
    kb_done(sub);
    jb_do(js, "kv.delete", "{'bucket':'CACHEA'}");
    natskit_kv again = kb_make(js, "CACHEA", "");
    kb_put(again, "both", "2");
    kb_done(sub); /* within its two heartbeats */
    expect_cached(kv, "both", "2", 1);
    assert_status(cached_status(kv, "old"), NATSKIT_KEY_NOT_FOUND);
    jb_do(js, "kv.delete", "{'bucket':'CACHEA'}");
    (void)kb_ends(sub, NATSKIT_STREAM_NOT_FOUND);
    assert_status(cached_status(kv, "both"), NATSKIT_STREAM_NOT_FOUND);
    assert_ok(natskit_kv_close(again));
    assert_ok(natskit_kv_close(kv));
}

/* -- faults ---------------------------------------------------------------------------------------------- */

static bool is_flushed(void *arg)
{
    (void)arg;
    return natskit_flush(conn, WAIT_MS) == NATSKIT_OK;
}

static uint64_t values_of(natskit_kv kv)
{
    natskit_json status;
    assert_ok(natskit_kv_status(kv, WAIT_MS, &status, NULL));
    uint64_t values = jb_number(status, "/values");
    assert_ok(natskit_json_close(status));
    return values;
}

static size_t keys_left(natskit_kv kv)
{
    natskit_msg *msg;
    size_t count = 0;
    natskit_sub sub = KB_WATCH(kv, "ends", "true", "ignore_deletes", "true");
    while (natskit_sub_next(sub, WAIT_MS, &msg) == NATSKIT_OK) {
        assert_ok(natskit_msg_release(msg));
        count++;
    }
    (void)kb_ends(sub, NATSKIT_MAX_REACHED);
    return count;
}

static void put_many(natskit_kv kv)
{
    for (int i = 0; i < MANY; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "a.%d", i);
        kb_put(kv, key, "1");
    }
}

/* Wherever the connection is cut, each key is deleted once: what was not answered is asked for again, under
 * the condition that nobody, not even itself, has written meanwhile. */
static void test_sweep_cut(void **state)
{
    (void)state;
    natskit_kv kv = kb_make(js, "SWEEPC", ",'history':5");
    natskit_options options = sweep_options((const char *const[]){"keys", "a.*", "in_flight", "4", NULL});
    natskit_op op;
    natskit_json answer;
    put_many(kv);
    assert_ok(natskit_kv_sweep_start(kv, NATSKIT_KV_DELETE, options, 3 * WAIT_MS, &op, NULL));
    for (int i = 0; i < 3; i++) {
        assert_true(ts_tap_command(bench.tap, "live cut"));
        jb_wait(is_flushed, NULL);
    }
    assert_ok(natskit_op_wait(op, 3 * WAIT_MS));
    assert_ok(natskit_op_json(op, &answer, NULL));
    assert_in_range(jb_number(answer, "/keys"), 0, MANY); /* those whose answer has come */
    assert_ok(natskit_json_close(answer));
    assert_ok(natskit_op_close(op));
    assert_int_equal(keys_left(kv), 0);
    assert_int_equal(values_of(kv), 2 * MANY);
    assert_ok(natskit_options_close(options));
    assert_ok(natskit_kv_close(kv));
}

/* Its time ends while answers do not come; doing it again does the rest. */
static void test_sweep_timeout(void **state)
{
    (void)state;
    natskit_kv kv = kb_make(js, "SWEEPT", ",'history':5");
    natskit_options options = sweep_options((const char *const[]){"keys", "a.*", NULL});
    natskit_json answer;
    natskit_error err = {0};
    put_many(kv);
    assert_true(ts_tap_command(bench.tap, "live down stall on"));
    assert_status(natskit_kv_sweep(kv, NATSKIT_KV_PURGE, options, 100, &answer, &err), NATSKIT_TIMEOUT);
    assert_non_null(strstr(err.text, "100 ms"));
    assert_true(ts_tap_command(bench.tap, "live down stall off"));
    assert_in_range(SWEEP(kv, NATSKIT_KV_PURGE, "keys", "a.*"), 0, MANY);
    assert_int_equal(keys_left(kv), 0);
    assert_int_equal(values_of(kv), MANY);
    assert_ok(natskit_options_close(options));
    assert_ok(natskit_kv_close(kv));
}

/* While the connection is cut the cache stands still; then it has what was written meanwhile. */
static void test_cache_cut(void **state)
{
    (void)state;
    natskit_kv kv = kb_make(js, "CACHEC", "");
    natskit_conn other = bench_connect();
    natskit_js other_js = jb_open(other);
    natskit_kv writer = kb_open(other_js, "CACHEC");
    natskit_sub sub;
    uint64_t revision = kb_put(kv, "a", "0");
    assert_ok(natskit_kv_cache(kv, (natskit_options){0}, &sub, NULL));
    kb_done(sub);
    for (int i = 1; i <= 5; i++) {
        natskit_error err = {0};
        char value[8];
        (void)snprintf(value, sizeof value, "%d", i);
        assert_true(ts_tap_command(bench.tap, "live cut"));
        assert_ok(cached_status(kv, "a"));
        natskit_status status;
        do { /* it was cut, too; a put that was not acked may be there */
            status =
                natskit_kv_write(writer, NATSKIT_KV_PUT, "a", Z, value, 1, 0, 0, WAIT_MS, &revision, &err);
        } while (status == NATSKIT_DISCONNECTED);
        assert_ok(status);
        wait_revision(kv, revision);
        expect_cached(kv, "a", value, revision);
    }
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_kv_close(writer));
    assert_ok(natskit_js_close(other_js));
    assert_ok(natskit_conn_close(other, WAIT_MS));
    assert_ok(natskit_kv_close(kv));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_calls),       TEST(test_names),         TEST(test_call_refusals),
        TEST(test_mirror),      TEST(test_sources),       TEST(test_leader),
        TEST(test_read_only),   TEST(test_codecs),        TEST(test_codec_leader),
        TEST(test_value_codec), TEST(test_sweep),         TEST(test_sweep_op),
        TEST(test_cache),       TEST(test_cache_options), TEST(test_cache_made_again),
        TEST(test_sweep_cut),   TEST(test_sweep_timeout), TEST(test_cache_cut),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
