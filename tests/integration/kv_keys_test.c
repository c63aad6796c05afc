/* Several keys of a bucket at once, on a real server: read as of one moment, and changed together or not at
 * all. */
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
    natskit_json names = jb_call(js, "kv.names", "%s", "");
    for (size_t i = 0; i < jb_size(names, "/buckets"); i++) {
        char path[32];
        (void)snprintf(path, sizeof path, "/buckets/%zu", i);
        jb_do(js, "kv.delete", "{'bucket':%s}", jb_at(names, path));
    }
    assert_ok(natskit_json_close(names));
    assert_ok(natskit_js_close(js));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    return 0;
}

static natskit_kv open_with(const char *bucket, const char *name, const char *value)
{
    natskit_options options;
    natskit_kv kv;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_KV, &options));
    assert_ok(natskit_options_set(options, name, Z, value, Z, NULL));
    assert_ok(natskit_kv_open_with(js, bucket, Z, options, &kv, NULL));
    assert_ok(natskit_options_close(options));
    return kv;
}

/* -- reading --------------------------------------------------------------------------------------------- */

static natskit_options asked(const char *const *keys)
{
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_KV_MANY, &options));
    for (; *keys != NULL; keys++) {
        assert_ok(natskit_options_add(options, "keys", Z, *keys, Z, NULL));
    }
    return options;
}

static natskit_sub get_with(natskit_kv kv, natskit_options options)
{
    natskit_sub sub;
    natskit_error err = {0};
    natskit_status status = natskit_kv_get_many(kv, options, &sub, &err);
    if (status != NATSKIT_OK) {
        print_error("get_many: %s\n", err.text);
    }
    assert_ok(status);
    assert_ok(natskit_options_close(options));
    return sub;
}

static natskit_sub get_many(natskit_kv kv, const char *const *keys)
{
    return get_with(kv, asked(keys));
}
#define GET_MANY(kv, ...) get_many(kv, (const char *const[]){__VA_ARGS__, NULL})

static void test_get_many(void **state)
{
    (void)state;
    natskit_kv kv = kb_make(js, "MANY", ",'history':3");
    kb_put(kv, "a", "old");
    kb_put(kv, "b", "2");
    kb_put(kv, "a", "3");
    kb_put(kv, "gone", "4");
    kb_write(kv, NATSKIT_KV_DELETE, "gone", NULL, 0);
    kb_put(kv, "c.d", "6");
    kb_put(kv, "other", "7");
    natskit_sub sub = GET_MANY(kv, "c.d", "a", "missing", "gone", "b");
    kb_next(sub, "b", "2", 2);
    kb_next(sub, "a", "3", 3);
    kb_next(sub, "gone", NULL, 5); /* that it was deleted is told, that there was none is not */
    kb_next(sub, "c.d", "6", 6);
    kb_ends(sub, NATSKIT_MAX_REACHED);
    sub = GET_MANY(kv, "missing");
    kb_ends(sub, NATSKIT_MAX_REACHED);
    /* Patterns, and what several of them match. */
    sub = GET_MANY(kv, "c.*", "c.>", "b");
    kb_next(sub, "b", "2", 2);
    kb_next(sub, "c.d", "6", 6);
    kb_ends(sub, NATSKIT_MAX_REACHED);
    natskit_options options = asked((const char *const[]){"gone", "b", NULL});
    assert_ok(natskit_options_set(options, "ignore_deletes", Z, "true", Z, NULL));
    sub = get_with(kv, options);
    kb_next(sub, "b", "2", 2);
    kb_ends(sub, NATSKIT_MAX_REACHED);
    assert_ok(natskit_kv_close(kv));
}

static void test_get_many_codec(void **state)
{
    (void)state;
    natskit_kv plain = kb_make(js, "MANYC", "");
    natskit_kv kv = open_with("MANYC", "codec", "base64");
    kb_put(kv, "with space.x", "1");
    kb_put(kv, "y", "2");
    kb_put(plain, "no=base64", "3");
    natskit_sub sub = GET_MANY(kv, "y", "with space.*");
    kb_next(sub, "with space.x", "1", 1);
    kb_next(sub, "y", "2", 2);
    kb_ends(sub, NATSKIT_MAX_REACHED);
    assert_ok(natskit_kv_close(kv));
    assert_ok(natskit_kv_close(plain));
}

static void test_get_many_limits(void **state)
{
    (void)state;
    enum { MOST = 1024 };
    natskit_kv kv = kb_make(js, "MANYL", "");
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_KV_MANY, &options));
    for (int i = 0; i < MOST; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k.%d", i);
        kb_put(kv, key, "1");
        assert_ok(natskit_options_add(options, "keys", Z, key, Z, NULL));
    }
    assert_status(natskit_options_add(options, "keys", Z, "k.x", Z, NULL), NATSKIT_INVALID);
    natskit_sub sub = get_with(kv, options);
    for (int i = 0; i < MOST; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k.%d", i);
        kb_next(sub, key, "1", (uint64_t)i + 1);
    }
    kb_ends(sub, NATSKIT_MAX_REACHED);
    kb_put(kv, "one.more", "1");
    sub = GET_MANY(kv, "k.*", "one.more"); /* it is not read in two parts of two moments */
    kb_ends(sub, NATSKIT_JS_LIMIT);
    assert_ok(natskit_kv_close(kv));
}

static void test_get_many_refusals(void **state)
{
    (void)state;
    natskit_kv kv = kb_make(js, "MANYR", "");
    natskit_sub sub;
    natskit_error err = {0};
    natskit_options options = asked((const char *const[]){"a", "b..c", NULL});
    assert_status(natskit_kv_get_many(kv, options, &sub, &err), NATSKIT_INVALID);
    assert_non_null(strstr(err.text, "b..c"));
    assert_ok(natskit_options_close(options));
    options = asked((const char *const[]){"a", NULL});
    natskit_kv leader = open_with("MANYR", "direct", "false");
    assert_status(natskit_kv_get_many(leader, options, &sub, &err), NATSKIT_NO_DIRECT);
    assert_non_null(strstr(err.text, "MANYR"));
    assert_ok(natskit_options_close(options));
    assert_ok(natskit_kv_close(leader));
    natskit_kv none = kb_open(js, "NOBUCKET");
    sub = GET_MANY(none, "a");
    kb_ends(sub, NATSKIT_NO_DIRECT);
    assert_ok(natskit_kv_close(none));
    assert_ok(natskit_kv_close(kv));
}

/* -- changing -------------------------------------------------------------------------------------------- */

static natskit_batch open_batch(void)
{
    natskit_batch batch;
    assert_ok(natskit_batch_open(js, NO_OPTIONS, &batch, NULL));
    return batch;
}

static void add(natskit_kv kv, natskit_batch batch, int32_t action, const char *key, const char *value,
                uint64_t revision)
{
    natskit_error err = {0};
    natskit_status status = natskit_kv_batch_add(kv, batch, action, key, Z, value,
                                                 value != NULL ? strlen(value) : 0, revision, 0, &err);
    if (status != NATSKIT_OK) {
        print_error("batch_add: %s\n", err.text);
    }
    assert_ok(status);
}

/* Commits it: the revision of its first change. */
static uint64_t commit(natskit_batch batch)
{
    natskit_msg *msg;
    natskit_pub_ack ack;
    natskit_error err = {0};
    natskit_status status = natskit_batch_commit(batch, WAIT_MS, &msg, NULL, &err);
    if (status != NATSKIT_OK) {
        print_error("commit: %s\n", err.text);
    }
    assert_ok(status);
    assert_ok(natskit_msg_pub_ack(msg, &ack, sizeof ack));
    assert_ok(natskit_msg_release(msg));
    assert_ok(natskit_batch_close(batch));
    return ack.seq - ack.count + 1;
}

static natskit_error commit_fails(natskit_batch batch, natskit_status wanted)
{
    natskit_error err = {0};
    int32_t outcome;
    assert_status(natskit_batch_commit(batch, WAIT_MS, NULL, &outcome, &err), wanted);
    assert_int_not_equal(outcome, NATSKIT_OUTCOME_UNKNOWN);
    assert_ok(natskit_batch_close(batch));
    return err;
}

static void test_batch(void **state)
{
    (void)state;
    natskit_kv kv = kb_make(js, "BATCH", ",'history':5,'allow_atomic':true");
    kb_put(kv, "up", "1");
    kb_put(kv, "del", "2");
    kb_put(kv, "purge", "3");
    kb_put(kv, "purge", "4");
    natskit_batch batch = open_batch();
    add(kv, batch, NATSKIT_KV_PUT, "put", "5", 0);
    add(kv, batch, NATSKIT_KV_CREATE, "new", "6", 0);
    add(kv, batch, NATSKIT_KV_UPDATE, "up", "7", 1);
    add(kv, batch, NATSKIT_KV_DELETE, "del", NULL, 2);
    add(kv, batch, NATSKIT_KV_PURGE, "purge", NULL, 0);
    kb_expect(kv, "up", 0, "1", 1); /* nothing was sent */
    assert_int_equal(commit(batch), 5);
    kb_expect(kv, "put", 0, "5", 5);
    kb_expect(kv, "new", 0, "6", 6);
    kb_expect(kv, "up", 0, "7", 7);
    natskit_sub sub = GET_MANY(kv, "del", "purge");
    kb_next(sub, "del", NULL, 8);
    kb_next(sub, "purge", "!", 9);
    kb_ends(sub, NATSKIT_MAX_REACHED);
    sub = KB_WATCH(kv, "keys", "purge", "history", "true", "ends", "true"); /* its history has gone */
    kb_next(sub, "purge", "!", 9);
    kb_ends(sub, NATSKIT_MAX_REACHED);
    assert_ok(natskit_kv_close(kv));
}

static void test_batch_refused(void **state)
{
    (void)state;
    natskit_kv kv = kb_make(js, "BATCHR", ",'allow_atomic':true");
    kb_put(kv, "a", "1");
    kb_put(kv, "b", "2");
    natskit_batch batch = open_batch();
    add(kv, batch, NATSKIT_KV_PUT, "a", "x", 0);
    add(kv, batch, NATSKIT_KV_UPDATE, "b", "x", 1);
    commit_fails(batch, NATSKIT_WRONG_LAST);
    batch = open_batch();
    add(kv, batch, NATSKIT_KV_PUT, "a", "x", 0);
    add(kv, batch, NATSKIT_KV_CREATE, "b", "x", 0);
    commit_fails(batch, NATSKIT_WRONG_LAST);
    kb_expect(kv, "a", 0, "1", 1); /* none of it */
    /* Over a delete writes who knows its revision. */
    kb_write(kv, NATSKIT_KV_DELETE, "b", NULL, 0);
    batch = open_batch();
    add(kv, batch, NATSKIT_KV_CREATE, "b", "x", 0);
    commit_fails(batch, NATSKIT_WRONG_LAST);
    batch = open_batch();
    add(kv, batch, NATSKIT_KV_UPDATE, "b", "y", 3);
    natskit_error err = {0};
    assert_status(natskit_kv_batch_add(kv, batch, NATSKIT_KV_UPDATE, "b", Z, "z", 1, 3, 0, &err),
                  NATSKIT_INVALID); /* the batch has changed it before */
    assert_status(natskit_kv_batch_add(kv, batch, NATSKIT_KV_PUT, "_kv.x", Z, "z", 1, 0, 0, &err),
                  NATSKIT_INVALID);
    add(kv, batch, NATSKIT_KV_PUT, "b", "z", 0);
    assert_int_equal(commit(batch), 4);
    kb_expect(kv, "b", 0, "z", 5);
    assert_ok(natskit_kv_close(kv));
}

static void test_batch_bucket(void **state)
{
    (void)state;
    natskit_json status;
    natskit_kv kv = kb_make(js, "BATCHP", "");
    natskit_batch batch = open_batch();
    add(kv, batch, NATSKIT_KV_PUT, "a", "1", 0);
    add(kv, batch, NATSKIT_KV_PUT, "b", "1", 0);
    commit_fails(batch, NATSKIT_BATCH_NOT_ALLOWED);
    assert_ok(natskit_kv_status(kv, WAIT_MS, &status, NULL));
    assert_at(status, "/allow_atomic", "false");
    assert_ok(natskit_json_close(status));
    jb_do(js, "kv.update", "{'config':{'bucket':'BATCHP','allow_atomic':true}}");
    assert_ok(natskit_kv_status(kv, WAIT_MS, &status, NULL));
    assert_at(status, "/allow_atomic", "true");
    assert_ok(natskit_json_close(status));
    /* With keys of a codec; of a handle that reads alone, or of another connection, nothing. */
    natskit_kv coded = open_with("BATCHP", "codec", "path");
    batch = open_batch();
    add(coded, batch, NATSKIT_KV_PUT, "/etc/hosts", "1", 0);
    add(coded, batch, NATSKIT_KV_CREATE, "a/b", "2", 0);
    natskit_kv reader = open_with("BATCHP", "read_only", "true");
    assert_status(natskit_kv_batch_add(reader, batch, NATSKIT_KV_PUT, "a", Z, "1", 1, 0, 0, NULL),
                  NATSKIT_READ_ONLY);
    natskit_conn other = bench_connect();
    natskit_js other_js = jb_open(other);
    natskit_kv far = kb_open(other_js, "BATCHP");
    assert_status(natskit_kv_batch_add(far, batch, NATSKIT_KV_PUT, "a", Z, "1", 1, 0, 0, NULL),
                  NATSKIT_INVALID);
    assert_int_equal(commit(batch), 1);
    kb_expect(kv, "_root_.etc.hosts", 0, "1", 1);
    kb_expect(kv, "a.b", 0, "2", 2);
    assert_ok(natskit_conn_close(other, WAIT_MS));
    assert_ok(natskit_kv_close(reader));
    assert_ok(natskit_kv_close(coded));
    assert_ok(natskit_kv_close(kv));
}

static void test_batch_ttl(void **state)
{
    (void)state;
    natskit_kv kv = kb_make(js, "BATCHT", ",'allow_atomic':true,'limit_marker_ttl':60000000000");
    natskit_batch batch = open_batch();
    assert_ok(natskit_kv_batch_add(kv, batch, NATSKIT_KV_CREATE, "brief", Z, "1", 1, 0, 4000, NULL));
    add(kv, batch, NATSKIT_KV_PUT, "stays", "2", 0);
    natskit_sub watch = KB_WATCH(kv, "updates_only", "true");
    kb_done(watch);
    assert_int_equal(commit(batch), 1);
    kb_next(watch, "brief", "1", 1);
    kb_next(watch, "stays", "2", 2);
    kb_next(watch, "brief", "!", 3); /* the server's marker */
    assert_ok(natskit_sub_close(watch));
    assert_ok(natskit_kv_close(kv));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_get_many),          TEST(test_get_many_codec), TEST(test_get_many_limits),
        TEST(test_get_many_refusals), TEST(test_batch),          TEST(test_batch_refused),
        TEST(test_batch_bucket),      TEST(test_batch_ttl),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
