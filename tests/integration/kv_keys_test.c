/* Several keys of a bucket at once, on a real server: read as of one moment, and changed together or not at
 * all. */
#include "kv_bench.h"

#include <pthread.h>
#include <stdatomic.h>
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

/* More than a server gives by one direct get, by name and by pattern; each of one moment. */
static void test_get_many_more(void **state)
{
    (void)state;
    enum { MOST = 1024, COUNT = MOST + 80 };
    natskit_kv kv = kb_make(js, "MANYL", "");
    for (int i = 0; i < COUNT; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k.%d", i);
        kb_put(kv, key, "1");
    }
    kb_put(kv, "other", "1");
    for (int more = 0; more < 2; more++) { /* as many as that, and all */
        natskit_options options;
        assert_ok(natskit_options_open(NATSKIT_OPTIONS_KV_MANY, &options));
        int count = more ? COUNT : MOST;
        for (int i = count; i > 0; i--) {
            char key[16];
            (void)snprintf(key, sizeof key, "k.%d", i - 1);
            assert_ok(natskit_options_add(options, "keys", Z, key, Z, NULL));
        }
        assert_ok(natskit_options_add(options, "keys", Z, more ? "k.missing" : "k.0", Z, NULL));
        natskit_sub sub = get_with(kv, options);
        for (int i = 0; i < count; i++) {
            char key[16];
            (void)snprintf(key, sizeof key, "k.%d", i);
            kb_next(sub, key, "1", (uint64_t)i + 1);
        }
        kb_ends(sub, NATSKIT_MAX_REACHED);
    }
    natskit_sub sub = GET_MANY(kv, "k.*", "k.7", "other");
    for (int i = 0; i < COUNT; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k.%d", i);
        kb_next(sub, key, "1", (uint64_t)i + 1);
    }
    kb_next(sub, "other", "1", COUNT + 1);
    kb_ends(sub, NATSKIT_MAX_REACHED);
    assert_ok(natskit_kv_close(kv));
}

static atomic_bool writing;

/* Writes the first and the last key of many together, again and again. */
static void *write_both(void *context)
{
    natskit_kv kv = *(natskit_kv *)context;
    for (int n = 1; atomic_load(&writing); n++) {
        char value[16];
        natskit_batch batch;
        (void)snprintf(value, sizeof value, "%d", n);
        natskit_status status = natskit_batch_open(js, NO_OPTIONS, &batch, NULL);
        static const char *const keys[] = {"k.0", "k.9999"};
        for (size_t i = 0; i < 2 && status == NATSKIT_OK; i++) {
            status =
                natskit_kv_batch_add(kv, batch, NATSKIT_KV_PUT, keys[i], Z, value, strlen(value), 0, 0, NULL);
        }
        status = status == NATSKIT_OK ? natskit_batch_commit(batch, 5000, NULL, NULL, NULL) : status;
        natskit_batch_close(batch);
        if (status != NATSKIT_OK) {
            return context;
        }
    }
    return NULL;
}

/* What is written together is got together, whatever is written meanwhile. */
static void test_get_many_of_one_moment(void **state)
{
    (void)state;
    natskit_kv kv = kb_make(js, "MANYM", ",'allow_atomic':true");
    for (int i = 1; i < 1200; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k.%d", i);
        kb_put(kv, key, "1");
    }
    pthread_t writer;
    void *failed;
    atomic_store(&writing, true);
    assert_int_equal(pthread_create(&writer, NULL, write_both, &kv), 0);
    for (int round = 0, seen = 0; seen < 5 && round < 200; round++) {
        natskit_sub sub = GET_MANY(kv, "k.*");
        natskit_msg *msg;
        char values[2][16] = {"", ""};
        int count = 0;
        while (natskit_sub_next(sub, 20000, &msg) == NATSKIT_OK) {
            natskit_kv_view view;
            assert_ok(natskit_msg_kv(msg, &view, sizeof view));
            if (view.revision > 1199) {
                bool last = view.key_len == 6;
                (void)snprintf(values[last], sizeof values[0], "%.*s", (int)view.value_len,
                               (const char *)view.value);
            }
            count++;
            natskit_msg_release(msg);
        }
        natskit_status reason = natskit_sub_reason(sub, NULL);
        assert_ok(natskit_sub_close(sub));
        assert_true(round < 199);
        if (reason == NATSKIT_SNAPSHOT_CHANGED && count == 0) {
            continue; /* there was no pause */
        }
        assert_status(reason, NATSKIT_MAX_REACHED);
        assert_string_equal(values[0], values[1]);
        assert_int_equal(count, values[0][0] != '\0' ? 1201 : 1199);
        seen += values[0][0] != '\0';
    }
    atomic_store(&writing, false);
    assert_int_equal(pthread_join(writer, &failed), 0);
    assert_null(failed);
    assert_ok(natskit_kv_close(kv));
}

/* Where no direct gets are answered, or wanted. */
static void test_get_many_without_direct(void **state)
{
    (void)state;
    natskit_kv kv = kb_make(js, "MANYD", "");
    kb_put(kv, "a", "1");
    kb_put(kv, "b", "2");
    kb_put(kv, "c.d", "3");
    kb_put(kv, "a", "4");
    kb_write(kv, NATSKIT_KV_DELETE, "b", NULL, 0);
    natskit_kv leader = open_with("MANYD", "direct", "false");
    for (int denied = 0; denied < 2; denied++) {
        natskit_kv from = denied ? kv : leader;
        if (denied) { /* as nats-py makes them; who has not asked does not know */
            natskit_json args;
            natskit_json answer;
            natskit_error err = {0};
            static const char text[] = "{\"config\":{\"name\":\"KV_MANYD\",\"allow_direct\":false}}";
            assert_ok(natskit_json_parse(text, Z, &args, NULL));
            assert_ok(natskit_js_call(js, "stream.update", Z, args, 5000, &answer, &err));
            assert_ok(natskit_json_close(args));
            assert_ok(natskit_json_close(answer));
        }
        natskit_sub sub = GET_MANY(from, "c.*", "b", "a", "a", "none");
        kb_next(sub, "c.d", "3", 3);
        kb_next(sub, "a", "4", 4);
        kb_next(sub, "b", NULL, 5);
        kb_ends(sub, NATSKIT_MAX_REACHED);
        natskit_options options = asked((const char *const[]){"b", "a", NULL});
        assert_ok(natskit_options_set(options, "ignore_deletes", Z, "true", Z, NULL));
        sub = get_with(from, options);
        kb_next(sub, "a", "4", 4);
        kb_ends(sub, NATSKIT_MAX_REACHED);
        sub = GET_MANY(from, "none");
        kb_ends(sub, NATSKIT_MAX_REACHED);
    }
    assert_ok(natskit_kv_close(leader));
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
    natskit_kv none = kb_open(js, "NOBUCKET");
    sub = GET_MANY(none, "a");
    kb_ends(sub, NATSKIT_STREAM_NOT_FOUND);
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
        TEST(test_get_many),
        TEST(test_get_many_codec),
        TEST(test_get_many_more),
        TEST(test_get_many_of_one_moment),
        TEST(test_get_many_without_direct),
        TEST(test_get_many_refusals),
        TEST(test_batch),
        TEST(test_batch_refused),
        TEST(test_batch_bucket),
        TEST(test_batch_ttl),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
