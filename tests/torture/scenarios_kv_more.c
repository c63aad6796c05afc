/* More scenarios of a key-value bucket, which outlives them at the server: options, what is told of the
 * bucket, changes of many keys, and the cache. */
#include "scenarios.h"

#include "checked.h"
#include "life.h"
#include "registry.h"

#include "support/text.h"

#include <stdio.h>

static natskit_kv open_with(natskit_conn conn, natskit_js js, natskit_options options)
{
    natskit_error err = {0};
    natskit_kv kv = {UINT64_MAX};
    natskit_status got = natskit_kv_open_with(js, "many", Z, options, &kv, &err);
    tt_check_error("natskit_kv_open_with", got, NATSKIT_OK, &err);
    return (natskit_kv){tt_given("natskit_kv_open_with", got, NATSKIT_KIND_KV, kv.id, conn.id, NULL)};
}

/* The bucket, made unless it is there. */
static natskit_kv begin(natskit_conn conn)
{
    natskit_error err = {0};
    natskit_js js = tt_js(conn, NO_OPTIONS);
    (void)tt_js_call(js, "kv.create", tt_json("{\"config\":{\"bucket\":\"many\",\"storage\":\"memory\"}}"));
    natskit_options options = tt_options(NATSKIT_OPTIONS_KV);
    natskit_status got = natskit_options_set(options, "codec", Z, "base64", Z, &err);
    tt_check_error("natskit_options_set", got, NATSKIT_OK, &err);
    tt_set(options, "direct", 0);
    return got == NATSKIT_OK ? open_with(conn, js, options) : (natskit_kv){0}; /* with keys that it allows */
}

static bool put(natskit_kv kv, const char *key)
{
    natskit_error err = {0};
    natskit_status got =
        natskit_kv_write(kv, NATSKIT_KV_PUT, key, Z, "kept", 4, 0, 0, tt_life.wait_ms, NULL, &err);
    return tt_check_error("natskit_kv_write", got, NATSKIT_OK, &err) == NATSKIT_OK;
}

/* The answer's member, or -1. */
static int64_t number(natskit_json answer, const char *member)
{
    natskit_error err = {0};
    int64_t value = -1;
    if (answer.id == 0) {
        return value;
    }
    TT(natskit_json_get_int, answer, member, Z, &value, &err);
    return value;
}

static natskit_json answer_of(natskit_op op)
{
    natskit_error err = {0};
    natskit_json answer = {UINT64_MAX};
    if (tt_finish(op, NATSKIT_OK) != NATSKIT_OK) {
        return (natskit_json){0};
    }
    natskit_status got = natskit_op_json(op, &answer, &err);
    tt_check_error("natskit_op_json", got, NATSKIT_OK, &err);
    return (natskit_json){tt_given("natskit_op_json", got, NATSKIT_KIND_JSON, answer.id, 0, NULL)};
}

void tt_scenario_kv_status(void)
{
    natskit_error err = {0};
    natskit_json answer = {UINT64_MAX};
    natskit_op op = {UINT64_MAX};
    natskit_conn conn = tt_connect();
    natskit_kv kv = begin(conn);
    (void)put(kv, "a key");
    natskit_status got = natskit_kv_status(kv, tt_life.wait_ms, &answer, &err);
    tt_check_error("natskit_kv_status", got, NATSKIT_OK, &err);
    answer.id = tt_given("natskit_kv_status", got, NATSKIT_KIND_JSON, answer.id, 0, NULL);
    tt_want(number(answer, "/history") == 1, "the bucket is another one");
    got = natskit_kv_status_start(kv, NO_OPTIONS, tt_op_ms(), &op, &err);
    op = tt_given_op("natskit_kv_status_start", got, op, conn, &err);
    answer = answer_of(op);
    tt_want(number(answer, "/values") > 0, "the bucket has lost a value");
    tt_release(tt_kv_get(kv, "a key", NATSKIT_OK));
}

static natskit_op sweep_start(natskit_conn conn, natskit_kv kv, int32_t action, natskit_options options)
{
    natskit_error err = {0};
    natskit_op op = {UINT64_MAX};
    natskit_status got = natskit_kv_sweep_start(kv, action, options, tt_op_ms(), &op, &err);
    return tt_given_op("natskit_kv_sweep_start", got, op, conn, &err);
}

void tt_scenario_kv_sweep(void)
{
    natskit_error err = {0};
    natskit_json answer = {UINT64_MAX};
    char key[8];
    natskit_conn conn = tt_connect();
    natskit_kv kv = begin(conn);
    for (int i = 0; i < 4; i++) {
        (void)snprintf(key, sizeof key, "swept.%d", i);
        (void)put(kv, key);
    }
    natskit_options options = tt_options(NATSKIT_OPTIONS_KV_SWEEP);
    natskit_status got = natskit_options_add(options, "keys", Z, "swept.*", Z, &err);
    if (tt_check_error("natskit_options_add", got, NATSKIT_OK, &err) != NATSKIT_OK) {
        return;
    }
    tt_set(options, "older_than_ms", -1);
    tt_set(options, "in_flight", 2);
    natskit_op op = sweep_start(conn, kv, NATSKIT_KV_DELETE, options);
    tt_want(number(answer_of(op), "/keys") == 4, "another number of keys was deleted");
    got = natskit_kv_sweep(kv, NATSKIT_KV_PURGE_DELETES, options, tt_life.wait_ms, &answer, &err);
    tt_check_error("natskit_kv_sweep", got, NATSKIT_OK, &err);
    answer.id = tt_given("natskit_kv_sweep", got, NATSKIT_KIND_JSON, answer.id, 0, NULL);
    tt_want(number(answer, "/keys") == 4, "another number of deletes was purged");
    for (int i = 0; i < 2; i++) {
        (void)snprintf(key, sizeof key, "swept.%d", i);
        (void)put(kv, key);
    }
    op = sweep_start(conn, kv, NATSKIT_KV_PURGE, options);
    tt_op_close(op); /* while it works */
    TT(natskit_flush, conn, tt_life.wait_ms);
}

static natskit_sub cache(natskit_conn conn, natskit_kv kv)
{
    natskit_error err = {0};
    natskit_sub sub = {UINT64_MAX};
    natskit_status got = natskit_kv_cache(kv, NO_OPTIONS, &sub, &err);
    tt_check_error("natskit_kv_cache", got, NATSKIT_OK, &err);
    return (natskit_sub){tt_given("natskit_kv_cache", got, NATSKIT_KIND_SUB, sub.id, conn.id, "")};
}

static natskit_msg *cached(natskit_kv kv, const char *key, natskit_status also)
{
    natskit_msg *msg = (natskit_msg *)(uintptr_t)1;
    natskit_status got = TT_OR(also, natskit_kv_cached, kv, key, Z, &msg);
    (void)tt_given("natskit_kv_cached", got, TT_KIND_MSG, (uint64_t)(uintptr_t)msg, 0, NULL);
    return got == NATSKIT_OK ? msg : NULL;
}

static void look_at_all(natskit_kv kv)
{
    natskit_msg *msgs[64];
    size_t count = 0;
    if (TT(natskit_kv_cached_all, kv, msgs, 64, &count) != NATSKIT_OK) {
        return;
    }
    tt_want(count >= 3 && count <= 64, "the cache has another number of entries");
    for (size_t i = 0; i < count && i < 64; i++) {
        TT(natskit_msg_release, msgs[i]);
    }
}

/* A cache that has ended says so by its subscription, and another one can take its place. */
static void expect_no_half_end(natskit_kv kv, natskit_sub sub)
{
    natskit_kv_cache_info info = {.reason = NATSKIT_PENDING};
    natskit_msg *msg = NULL;
    TT(natskit_kv_cache_stats, kv, &info, sizeof info);
    if (sub.id == 0 || info.reason == NATSKIT_PENDING) {
        tt_want(info.complete == 1 && info.entries >= 3, "the cache is not complete");
        return;
    }
    natskit_status got = natskit_sub_next(sub, 20000, &msg);
    while (got == NATSKIT_OK) {
        (void)natskit_msg_release(msg);
        got = natskit_sub_next(sub, 20000, &msg);
    }
    if (got != NATSKIT_END) {
        tt_fail("a cache has ended with %d, and its subscription gives %d", info.reason, got);
    }
}

void tt_scenario_kv_cache(void)
{
    natskit_kv_view view = {0};
    natskit_conn conn = tt_connect();
    natskit_kv kv = begin(conn);
    bool whole = put(kv, "kept.a");
    whole = put(kv, "kept.b") && whole;
    natskit_sub sub = cache(conn, kv);
    natskit_msg *done = tt_next(sub, tt_life.wait_ms, NATSKIT_OK);
    if (done != NULL) {
        natskit_status_view status = {0};
        TT(natskit_msg_status, done, &status, sizeof status);
        tt_want(status.type == NATSKIT_STATUS_INITIAL_DONE, "nothing says that the cache is complete");
        tt_release(done);
    }
    natskit_msg *entry = cached(kv, "kept.a", NATSKIT_OK);
    if (entry != NULL) {
        TT(natskit_msg_kv, entry, &view, sizeof view);
        if (view.key_len != 6 || view.value_len != 4) {
            tt_fail("the cache gives another entry");
        }
        tt_release(entry);
    }
    (void)cached(kv, "never.there", NATSKIT_KEY_NOT_FOUND);
    if (whole && put(kv, "kept.c")) {
        int64_t deadline_ms = ts_now_ms() + tt_life.wait_ms;
        while ((entry = cached(kv, "kept.c", NATSKIT_KEY_NOT_FOUND)) == NULL && ts_now_ms() < deadline_ms) {
            ts_pause_ms(1);
        }
        tt_release(entry);
    }
    look_at_all(kv);
    expect_no_half_end(kv, sub);
    tt_sub_close(sub);
    sub = cache(conn, kv);
    TT(natskit_kv_close, kv);
    tt_registry_remove(NATSKIT_KIND_KV, kv.id);
}

/* Two keys, changed together and got together. */
void tt_scenario_kv_together(void)
{
    natskit_error err = {0};
    natskit_msg *msg = NULL;
    natskit_sub sub = {UINT64_MAX};
    natskit_conn conn = tt_connect();
    natskit_js js = tt_js(conn, NO_OPTIONS);
    (void)tt_js_call(
        js, "kv.create",
        tt_json("{\"config\":{\"bucket\":\"together\",\"storage\":\"memory\",\"allow_atomic\":true}}"));
    natskit_kv kv = tt_kv(conn, js, "together");
    natskit_batch batch = tt_batch(conn, js);
    natskit_status got = natskit_kv_batch_add(kv, batch, NATSKIT_KV_PUT, "a", Z, "kept", 4, 0, 0, &err);
    tt_check_error("natskit_kv_batch_add", got, NATSKIT_OK, &err);
    bool whole = got == NATSKIT_OK;
    got = natskit_kv_batch_add(kv, batch, NATSKIT_KV_PUT, "b", Z, "kept", 4, 0, 0, &err);
    tt_check_error("natskit_kv_batch_add", got, NATSKIT_OK, &err);
    if (whole && got == NATSKIT_OK) {
        natskit_op op = tt_batch_commit_start(conn, batch);
        (void)tt_finish(op, NATSKIT_OK);
    }
    natskit_options options = tt_options(NATSKIT_OPTIONS_KV_MANY);
    got = natskit_options_set(options, "keys", Z, "a,b", Z, &err);
    if (tt_check_error("natskit_options_set", got, NATSKIT_OK, &err) != NATSKIT_OK) {
        return;
    }
    got = natskit_kv_get_many(kv, options, &sub, &err);
    tt_check_error("natskit_kv_get_many", got, NATSKIT_OK, &err);
    sub.id = tt_given("natskit_kv_get_many", got, NATSKIT_KIND_SUB, sub.id, conn.id, "");
    int entries = 0;
    while ((msg = tt_next(sub, tt_life.wait_ms, NATSKIT_END)) != NULL) {
        tt_release(msg);
        entries++;
    }
    tt_want(entries == 2, "two keys have another number of entries");
}
