/* Errors of JetStream: numbers as statuses, words as the text, and what is no error at all. */
#include "jetstream/api_error.h"

#include "../base/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

static int32_t read_text(const char *json, struct nki_error *error)
{
    struct nki_json_value value;
    memset(error, 0, sizeof *error);
    assert_true(nki_json_check(nki_str_z(json), &value));
    return nki_js_read_error(&value, error);
}

static void test_meanings(void **state)
{
    (void)state;
    static const struct {
        int code;
        int err_code;
        const char *description;
        int32_t status;
    } rows[] = {
        {404, 10059, "stream not found", NKI_STREAM_NOT_FOUND},
        {404, 10014, "consumer not found", NKI_CONSUMER_NOT_FOUND},
        {400, 10149, "consumer does not exist", NKI_CONSUMER_NOT_FOUND},
        {404, 10037, "no message found", NKI_MSG_NOT_FOUND},
        {400, 10043, "sequence 7 not found", NKI_MSG_NOT_FOUND},
        {400, 10058, "stream name already in use with a different configuration", NKI_ALREADY_EXISTS},
        {400, 10130, "stream name already in use, cannot restore", NKI_ALREADY_EXISTS},
        {400, 10148, "consumer already exists", NKI_ALREADY_EXISTS},
        {400, 10105, "consumer already exists and is still active", NKI_ALREADY_EXISTS},
        {400, 10013, "consumer name already in use", NKI_ALREADY_EXISTS},
        {400, 10071, "wrong last sequence: 4", NKI_WRONG_LAST},
        {400, 10164, "wrong last sequence", NKI_WRONG_LAST},
        {400, 10070, "wrong last msg ID: x", NKI_WRONG_LAST},
        {503, 10039, "JetStream not enabled for account", NKI_JS_NOT_ENABLED},
        {503, 10076, "JetStream not enabled", NKI_JS_NOT_ENABLED},
        {503, 10008, "JetStream system temporarily unavailable", NKI_JS_NOT_ENABLED},
        {503, 10023, "insufficient resources", NKI_JS_LIMIT},
        {412, 10185, "JetStream minimum api level required", NKI_API_LEVEL},
        {400, 10109, "invalid operation on sealed stream", NKI_SEALED},
        {503, 10077, "maximum messages exceeded", NKI_JS_LIMIT},
        {503, 10077, "maximum bytes exceeded", NKI_JS_LIMIT},
        {503, 10077, "no space left on device", NKI_JS_REFUSED},
        {400, 10054, "message size exceeds maximum allowed", NKI_JS_LIMIT},
        {400, 10026, "maximum consumers limit reached", NKI_JS_LIMIT},
        {400, 10027, "maximum number of streams reached", NKI_JS_LIMIT},
        {500, 10028, "insufficient memory resources available", NKI_JS_LIMIT},
        {500, 10047, "insufficient storage resources available", NKI_JS_LIMIT},
        {429, 10167, "too many requests", NKI_JS_LIMIT},
        {500, 10052, "stream name is too long", NKI_JS_REFUSED},
        {400, 10166, "per-message TTL is disabled", NKI_TTL_REFUSED},
        {400, 10171, "message counter increment is invalid", NKI_COUNTER_REFUSED},
        {400, 10174, "atomic publish is disabled", NKI_BATCH_NOT_ALLOWED},
        {400, 10176, "atomic publish batch is incomplete", NKI_BATCH_INCOMPLETE},
        {400, 10188, "message schedules is disabled", NKI_SCHEDULE_REFUSED},
        {429, 10210, "atomic publish too many inflight", NKI_BATCH_LIMIT},
        {400, 99999, "something new", NKI_JS_REFUSED},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        char json[256];
        struct nki_error error;
        snprintf(json, sizeof json, "{\"code\":%d,\"err_code\":%d,\"description\":\"%s\"}", rows[i].code,
                 rows[i].err_code, rows[i].description);
        assert_int_equal(read_text(json, &error), rows[i].status);
        assert_int_equal(error.status, rows[i].status);
        assert_int_equal(error.server_code, rows[i].code);
        assert_int_equal(error.err_code, rows[i].err_code);
        assert_string_equal(error.text, rows[i].description);
    }
}

static void test_odd_ones(void **state)
{
    (void)state;
    struct nki_error error;
    assert_int_equal(read_text("{}", &error), NKI_JS_REFUSED);
    assert_string_equal(error.text, "JetStream error 0 of code 0, without a description");
    assert_int_equal(read_text("null", &error), NKI_JS_REFUSED);
    assert_int_equal(read_text("[10059]", &error), NKI_JS_REFUSED);
    assert_int_equal(read_text("{\"code\":\"404\",\"err_code\":1e9,\"description\":7}", &error),
                     NKI_JS_REFUSED);
    assert_int_equal(error.server_code, 0);
    assert_int_equal(read_text("{\"code\":503}", &error), NKI_JS_NOT_ENABLED);
    assert_int_equal(read_text("{\"err_code\":99999999999,\"code\":-1}", &error), NKI_JS_REFUSED);
    assert_int_equal(error.err_code, 0);
    assert_int_equal(error.server_code, 0);
    assert_int_equal(read_text("{\"err_code\":10059,\"description\":\"a\\n\\\"b\\\"\"}", &error),
                     NKI_STREAM_NOT_FOUND);
    assert_string_equal(error.text, "a?\"b\"");
    assert_int_equal(read_text("{\"err_code\":10059,\"description\":\"a\\u0000b\"}", &error),
                     NKI_STREAM_NOT_FOUND);
    assert_string_equal(error.text, "a\\u0000b");
}

static void test_long_description(void **state)
{
    (void)state;
    char json[2048] = "{\"err_code\":10059,\"description\":\"";
    size_t len = strlen(json);
    memset(json + len, 'x', 1500);
    memcpy(json + len + 1500, "\"}", 3);
    struct nki_error error;
    assert_int_equal(read_text(json, &error), NKI_STREAM_NOT_FOUND);
    assert_int_equal(strspn(error.text, "x"), strlen(error.text));
    assert_true(strlen(error.text) > 400);
}

static void test_may_pass(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        bool may;
    } rows[] = {
        {"{\"code\":503,\"err_code\":10008,\"description\":\"temporarily unavailable\"}", true},
        {"{\"code\":503,\"err_code\":10039,\"description\":\"not enabled for account\"}", false},
        {"{\"code\":503,\"err_code\":10076,\"description\":\"not enabled\"}", false},
        {"{\"code\":500,\"err_code\":10096,\"description\":\"stream not valid\"}", true},
        {"{\"code\":500,\"err_code\":10012,\"description\":\"invalid stream\"}", true},
        {"{\"code\":500,\"err_code\":10012,\"description\":\"consumer replica count exceeds\"}", false},
        {"{\"code\":404,\"err_code\":10059,\"description\":\"stream not found\"}", false},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_error error;
        (void)read_text(rows[i].json, &error);
        assert_int_equal(nki_js_may_pass(&error), rows[i].may);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meanings),
        cmocka_unit_test(test_odd_ones),
        cmocka_unit_test(test_long_description),
        cmocka_unit_test(test_may_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
