/* See kv_bench.h. */
#include "kv_bench.h"

#include <stdio.h>
#include <string.h>

natskit_kv kb_open(natskit_js js, const char *bucket)
{
    natskit_kv kv;
    assert_ok(natskit_kv_open(js, bucket, Z, &kv, NULL));
    return kv;
}

natskit_kv kb_make(natskit_js js, const char *bucket, const char *more)
{
    natskit_json config;
    natskit_json answer = {0};
    natskit_error err = {0};
    natskit_json wanted = jb_json("{'bucket':'%s'%s}", bucket, more);
    natskit_json args = jb_json("{}");
    natskit_status status = natskit_kv_config(wanted, &config, &err);
    if (status == NATSKIT_OK) {
        assert_ok(natskit_json_set_json(args, "/config", Z, config, "", 0, NULL));
        status = natskit_js_call(js, "stream.create", Z, args, WAIT_MS, &answer, &err);
    }
    if (status != NATSKIT_OK) {
        print_error("bucket %s: %s\n", bucket, err.text);
    }
    assert_ok(status);
    assert_ok(natskit_json_close(wanted));
    assert_ok(natskit_json_close(config));
    assert_ok(natskit_json_close(args));
    assert_ok(natskit_json_close(answer));
    return kb_open(js, bucket);
}

void kb_delete_all(natskit_js js)
{
    natskit_json names = jb_call(js, "kv.names", "%s", "");
    for (size_t i = 0; i < jb_size(names, "/buckets"); i++) {
        char path[32];
        (void)snprintf(path, sizeof path, "/buckets/%zu", i);
        jb_do(js, "kv.delete", "{'bucket':%s}", jb_at(names, path));
    }
    assert_ok(natskit_json_close(names));
}

uint64_t kb_write(natskit_kv kv, int32_t action, const char *key, const char *value, uint64_t revision)
{
    uint64_t made = 0;
    natskit_error err = {0};
    natskit_status status =
        natskit_kv_write(kv, action, key, Z, value, value != NULL ? Z : 0, revision, 0, WAIT_MS, &made, &err);
    if (status != NATSKIT_OK) {
        print_error("key %s: %d, %s\n", key, err.err_code, err.text);
    }
    assert_ok(status);
    assert_true(made > 0);
    return made;
}

uint64_t kb_put(natskit_kv kv, const char *key, const char *value)
{
    return kb_write(kv, NATSKIT_KV_PUT, key, value, 0);
}

natskit_error kb_write_fails(natskit_kv kv, natskit_status wanted, int32_t action, const char *key,
                             const char *value, uint64_t revision)
{
    uint64_t made = 7;
    natskit_error err = {0};
    natskit_status status =
        natskit_kv_write(kv, action, key, Z, value, value != NULL ? Z : 0, revision, 0, WAIT_MS, &made, &err);
    if (status != wanted) {
        print_error("key %s: %d, %s\n", key, err.err_code, err.text);
    }
    assert_status(status, wanted);
    assert_int_equal(made, 7);
    assert_int_equal(err.status, wanted);
    assert_true(err.text[0] != '\0');
    return err;
}

void kb_expect(natskit_kv kv, const char *key, uint64_t which, const char *value, uint64_t revision)
{
    natskit_msg *msg;
    natskit_kv_view view = {0};
    natskit_error err = {0};
    natskit_status status = natskit_kv_get(kv, key, Z, which, WAIT_MS, &msg, &err);
    if (status != NATSKIT_OK) {
        print_error("key %s: %d, %s\n", key, err.err_code, err.text);
    }
    assert_ok(status);
    assert_ok(natskit_msg_kv(msg, &view, sizeof view));
    assert_int_equal(view.operation, NATSKIT_KV_PUT);
    assert_int_equal(view.revision, revision);
    assert_int_equal(view.key_len, strlen(key));
    assert_memory_equal(view.key, key, view.key_len);
    assert_int_equal(view.value_len, strlen(value));
    assert_memory_equal(view.value, value, view.value_len);
    assert_int_equal(view.value_bytes, view.value_len);
    assert_ok(natskit_msg_release(msg));
}

natskit_error kb_get_fails(natskit_kv kv, natskit_status wanted, const char *key, uint64_t which)
{
    natskit_msg *msg;
    natskit_error err = {0};
    assert_status(natskit_kv_get(kv, key, Z, which, WAIT_MS, &msg, &err), wanted);
    assert_null(msg);
    assert_int_equal(err.status, wanted);
    assert_true(err.text[0] != '\0');
    return err;
}

natskit_sub kb_watch(natskit_kv kv, const char *const *names)
{
    natskit_options options;
    natskit_sub watch;
    natskit_error err = {0};
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_KV_WATCH, &options));
    for (; *names != NULL; names += 2) {
        assert_ok(natskit_options_set(options, names[0], Z, names[1], Z, NULL));
    }
    natskit_status status = natskit_kv_watch(kv, options, &watch, &err);
    if (status != NATSKIT_OK) {
        print_error("watch: %s\n", err.text);
    }
    assert_ok(status);
    assert_ok(natskit_options_close(options));
    return watch;
}

/* The next message, which the caller releases. */
static natskit_msg *take(natskit_sub watch)
{
    natskit_msg *msg;
    natskit_status status = natskit_sub_next(watch, WAIT_MS, &msg);
    if (status == NATSKIT_END) {
        natskit_error err = {0};
        status = natskit_sub_reason(watch, &err);
        print_error("the watch has ended: %d, %s\n", status, err.text);
    }
    assert_ok(status);
    return msg;
}

void kb_next(natskit_sub watch, const char *key, const char *value, uint64_t revision)
{
    natskit_kv_view view = {0};
    natskit_msg *msg = take(watch);
    int32_t operation = value == NULL             ? NATSKIT_KV_DELETE
                        : strcmp(value, "!") == 0 ? NATSKIT_KV_PURGE
                                                  : NATSKIT_KV_PUT;
    assert_ok(natskit_msg_kv(msg, &view, sizeof view));
    assert_int_equal(view.revision, revision);
    assert_int_equal(view.operation, operation);
    assert_int_equal(view.key_len, strlen(key));
    assert_memory_equal(view.key, key, view.key_len);
    if (operation == NATSKIT_KV_PUT) {
        assert_int_equal(view.value_len, strlen(value));
        assert_memory_equal(view.value, value, view.value_len);
    }
    assert_ok(natskit_msg_release(msg));
}

void kb_done(natskit_sub watch)
{
    natskit_status_view view = {0};
    natskit_msg *msg = take(watch);
    assert_ok(natskit_msg_status(msg, &view, sizeof view));
    assert_int_equal(view.type, NATSKIT_STATUS_INITIAL_DONE);
    assert_ok(natskit_msg_release(msg));
}

void kb_nothing(natskit_conn conn, natskit_sub watch)
{
    natskit_msg *msg;
    assert_ok(natskit_flush(conn, WAIT_MS));
    assert_status(natskit_sub_next(watch, 0, &msg), NATSKIT_WOULD_BLOCK);
}

natskit_error kb_ends(natskit_sub watch, natskit_status reason)
{
    natskit_msg *msg;
    natskit_error err = {0};
    assert_status(natskit_sub_next(watch, WAIT_MS, &msg), NATSKIT_END);
    natskit_status got = natskit_sub_reason(watch, &err);
    if (got != reason) {
        print_error("ended: %s\n", err.text);
    }
    assert_status(got, reason);
    assert_ok(natskit_sub_close(watch));
    return err;
}
