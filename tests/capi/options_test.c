/* Options handles: the table at run time, setting by name, and which handle a call accepts. One thread. */
#include "fixture.h"

#include <stdio.h>
#include <string.h>

static const int32_t scopes[] = {
    NATSKIT_OPTIONS_CONNECT,      NATSKIT_OPTIONS_SUBSCRIBE,    NATSKIT_OPTIONS_REQUEST,
    NATSKIT_OPTIONS_EVENTS,       NATSKIT_OPTIONS_REQUEST_MANY, NATSKIT_OPTIONS_AUTH,
    NATSKIT_OPTIONS_USER_JWT,     NATSKIT_OPTIONS_JETSTREAM,    NATSKIT_OPTIONS_PUBLISHER,
    NATSKIT_OPTIONS_FETCH,        NATSKIT_OPTIONS_CONSUME,      NATSKIT_OPTIONS_KV_WATCH,
    NATSKIT_OPTIONS_ORDERED,      NATSKIT_OPTIONS_BATCH,        NATSKIT_OPTIONS_GET_BATCH,
    NATSKIT_OPTIONS_GET_LAST,     NATSKIT_OPTIONS_SERVICE,      NATSKIT_OPTIONS_OBJECT_PUT,
    NATSKIT_OPTIONS_OBJECT_WATCH, NATSKIT_OPTIONS_KV,           NATSKIT_OPTIONS_KV_SWEEP,
    NATSKIT_OPTIONS_PUSH,         NATSKIT_OPTIONS_KV_MANY,      NATSKIT_OPTIONS_INGEST};

static natskit_options open_options(int32_t scope)
{
    natskit_options options;
    assert_ok(natskit_options_open(scope, &options));
    assert_int_not_equal(options.id, 0);
    return options;
}

static void test_rows(void **state)
{
    (void)state;
    size_t all = 0;
    for (size_t s = 0; s < sizeof scopes / sizeof scopes[0]; s++) {
        natskit_option_info info;
        size_t index = 0;
        while (natskit_option_at(scopes[s], index, &info, sizeof info) == NATSKIT_OK) {
            assert_int_equal(info.scope, scopes[s]);
            assert_in_range(info.type, NATSKIT_TYPE_STRING, NATSKIT_TYPE_TEXT);
            assert_true(info.name[0] != '\0' && info.text[0] != '\0' && info.since[0] != '\0');
            assert_non_null(info.default_text);
            assert_non_null(info.unit);
            assert_true(info.min <= info.max);
            assert_true(info.secret == 0 || info.secret == 1);
            index++;
        }
        assert_status(natskit_option_at(scopes[s], index, &info, sizeof info), NATSKIT_NOT_FOUND);
        assert_status(natskit_option_at(scopes[s], SIZE_MAX, &info, sizeof info), NATSKIT_NOT_FOUND);
        all += index;
    }
    assert_true(all > 20);
    natskit_option_info info;
    assert_status(natskit_option_at(0, 0, &info, sizeof info), NATSKIT_INVALID);
    assert_status(natskit_option_at(NATSKIT_OPTIONS_INGEST + 1, 0, &info, sizeof info), NATSKIT_INVALID);
    assert_status(natskit_option_at(-1, 0, &info, sizeof info), NATSKIT_INVALID);
}

/* Each option takes its own default as text, and its bounds; nothing beyond them. */
static void test_defaults_and_bounds(void **state)
{
    (void)state;
    for (size_t s = 0; s < sizeof scopes / sizeof scopes[0]; s++) {
        natskit_options options = open_options(scopes[s]);
        natskit_option_info info;
        for (size_t i = 0; natskit_option_at(scopes[s], i, &info, sizeof info) == NATSKIT_OK; i++) {
            natskit_error err = {0};
            if (info.default_text[0] != '\0') {
                assert_ok(natskit_options_set(options, info.name, Z, info.default_text, Z, &err));
            }
            bool number = info.type == NATSKIT_TYPE_INTEGER || info.type == NATSKIT_TYPE_DURATION;
            if (!number && info.type != NATSKIT_TYPE_BOOLEAN) {
                assert_status(natskit_options_set_int(options, info.name, Z, 1, &err), NATSKIT_INVALID);
                continue;
            }
            assert_ok(natskit_options_set_int(options, info.name, Z, info.min, &err));
            assert_ok(natskit_options_set_int(options, info.name, Z, info.max, &err));
            if (info.max < INT64_MAX) {
                assert_status(natskit_options_set_int(options, info.name, Z, info.max + 1, &err),
                              NATSKIT_INVALID);
            }
            assert_status(natskit_options_set_int(options, info.name, Z, info.min - 2, &err),
                          NATSKIT_INVALID);
            assert_int_equal(err.status, NATSKIT_INVALID);
            assert_non_null(strstr(err.text, info.name));
            assert_status(natskit_options_set(options, info.name, Z, "x", 1, NULL), NATSKIT_INVALID);
            assert_status(natskit_options_add(options, info.name, Z, "1", 1, NULL), NATSKIT_INVALID);
        }
        assert_ok(natskit_options_close(options));
    }
}

static void test_unknown_suggests(void **state)
{
    (void)state;
    natskit_options options = open_options(NATSKIT_OPTIONS_CONNECT);
    natskit_error err;
    assert_status(natskit_options_set(options, "reconect", Z, "true", Z, &err), NATSKIT_UNKNOWN_OPTION);
    assert_int_equal(err.status, NATSKIT_UNKNOWN_OPTION);
    assert_non_null(strstr(err.text, "reconnect"));
    assert_status(natskit_options_set_int(options, "ping_intervall_ms", Z, 1, &err), NATSKIT_UNKNOWN_OPTION);
    assert_non_null(strstr(err.text, "ping_interval_ms"));
    assert_status(natskit_options_add(options, "server", Z, "a", Z, &err), NATSKIT_UNKNOWN_OPTION);
    assert_non_null(strstr(err.text, "servers"));
    assert_status(natskit_options_set(options, "", 0, "a", Z, &err), NATSKIT_UNKNOWN_OPTION);
    assert_ok(natskit_options_close(options));
}

static void test_texts(void **state)
{
    (void)state;
    natskit_options options = open_options(NATSKIT_OPTIONS_CONNECT);
    natskit_error err;
    assert_ok(natskit_options_set(options, "name", Z, "a name", Z, NULL));
    assert_ok(natskit_options_set(options, "namexxx", 4, "a namexxx", 6, NULL));
    assert_ok(natskit_options_set(options, "name", Z, NULL, 0, NULL));
    assert_status(natskit_options_set(options, "name", Z, "a\nb", Z, &err), NATSKIT_INVALID);
    assert_status(natskit_options_set(options, "name", Z, "a\xff", Z, &err), NATSKIT_INVALID);
    assert_status(natskit_options_set(options, "name", Z, NULL, 3, &err), NATSKIT_INVALID);
    assert_status(natskit_options_set(options, "name", Z, NULL, Z, &err), NATSKIT_INVALID);
    assert_status(natskit_options_set(options, NULL, 4, "a", Z, &err), NATSKIT_INVALID);
    assert_status(natskit_options_set(options, "password", Z, "se\x01cret", Z, &err), NATSKIT_INVALID);
    assert_null(strstr(err.text, "cret"));
    assert_ok(natskit_options_set(options, "servers", Z, "nats://a:1, nats://b:2", Z, NULL));
    assert_ok(natskit_options_add(options, "servers", Z, "nats://c:3", Z, NULL));
    assert_ok(natskit_options_set(options, "randomize", Z, "false", Z, NULL));
    assert_ok(natskit_options_set(options, "randomize", Z, "1", Z, NULL));
    assert_status(natskit_options_set(options, "randomize", Z, "yes", Z, NULL), NATSKIT_INVALID);
    assert_ok(natskit_options_close(options));
}

/* A call takes only options of its own scope. */
static void test_scopes(void **state)
{
    (void)state;
    natskit_conn conn = fx_silent_conn(NULL);
    for (size_t s = 0; s < sizeof scopes / sizeof scopes[0]; s++) {
        natskit_options options = open_options(scopes[s]);
        natskit_error err = {0};
        natskit_conn other;
        natskit_sub sub;
        natskit_op op;
        natskit_status connect = natskit_connect_start("127.0.0.1:1", Z, options, 0, &other, &op, &err);
        assert_status(connect, scopes[s] == NATSKIT_OPTIONS_CONNECT ? NATSKIT_OK : NATSKIT_INVALID);
        if (connect == NATSKIT_OK) {
            assert_ok(natskit_conn_close(other, 0));
            assert_ok(natskit_op_close(op));
        } else {
            assert_non_null(strstr(err.text, "connect"));
            assert_int_equal(other.id, 0);
            assert_int_equal(op.id, 0);
        }
        natskit_status subscribe = natskit_subscribe(conn, "a", Z, NULL, 0, options, &sub, &err);
        assert_status(subscribe, scopes[s] == NATSKIT_OPTIONS_SUBSCRIBE ? NATSKIT_OK : NATSKIT_INVALID);
        natskit_status events = natskit_conn_events(conn, options, &sub, &err);
        assert_status(events, scopes[s] == NATSKIT_OPTIONS_EVENTS ? NATSKIT_OK : NATSKIT_INVALID);
        natskit_status request =
            natskit_request_start(conn, "a", Z, NO_HEADERS, NULL, 0, options, 0, &op, &err);
        assert_int_equal(request == NATSKIT_INVALID, scopes[s] != NATSKIT_OPTIONS_REQUEST);
        natskit_status many = natskit_request_many(conn, "a", Z, NO_HEADERS, NULL, 0, options, &sub, &err);
        assert_int_equal(many == NATSKIT_INVALID, scopes[s] != NATSKIT_OPTIONS_REQUEST_MANY);
        assert_ok(natskit_options_close(options));
    }
}

/* A refusal names both scopes, of every pair. */
static void test_scope_names(void **state)
{
    (void)state;
    natskit_conn conn = fx_silent_conn(NULL);
    for (size_t s = 0; s < sizeof scopes / sizeof scopes[0]; s++) {
        natskit_options options = open_options(scopes[s]);
        natskit_error err = {0};
        natskit_js js;
        natskit_sub sub;
        if (scopes[s] != NATSKIT_OPTIONS_JETSTREAM) {
            assert_status(natskit_js_open(conn, options, &js, &err), NATSKIT_INVALID);
            assert_non_null(strstr(err.text, "not for jetstream"));
        } else {
            assert_status(natskit_conn_events(conn, options, &sub, &err), NATSKIT_INVALID);
            assert_non_null(strstr(err.text, "opened for jetstream, not for events"));
        }
        assert_null(strstr(err.text, "(null)"));
        assert_ok(natskit_options_close(options));
    }
}

/* What a call has read stays as it was, whatever becomes of the options. */
static void test_copied(void **state)
{
    (void)state;
    natskit_conn conn = fx_silent_conn(NULL);
    natskit_options options = open_options(NATSKIT_OPTIONS_SUBSCRIBE);
    natskit_sub sub;
    natskit_sub_stats stats;
    assert_ok(natskit_options_set_int(options, "pending_msgs_limit", Z, 7, NULL));
    assert_ok(natskit_options_set_int(options, "pending_bytes_limit", Z, 4096, NULL));
    assert_ok(natskit_subscribe(conn, "a", Z, NULL, 0, options, &sub, NULL));
    assert_ok(natskit_options_set_int(options, "pending_msgs_limit", Z, 9, NULL));
    assert_ok(natskit_options_close(options));
    assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
    assert_int_equal(stats.limit_msgs, 7);
    assert_int_equal(stats.limit_bytes, 4096);
    assert_ok(natskit_subscribe(conn, "b", Z, NULL, 0, NO_OPTIONS, &sub, NULL));
    assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
    assert_int_equal(stats.limit_msgs, 524288);
    assert_int_equal(stats.limit_bytes, 134217728);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_defaults_and_bounds, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_unknown_suggests, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_texts, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_scopes, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_scope_names, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_copied, fx_mark, fx_check_clean),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fx_server_end();
    return failed;
}
