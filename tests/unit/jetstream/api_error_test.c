/* Errors of the API: every number that has a status of its own, those that have none, and what is no error's
 * form. One thread. */
#include "jetstream/api_error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* Reads an error that has to be valid JSON. */
static struct nki_error read_text(const char *json)
{
    struct nki_json_value value;
    struct nki_error error;
    memset(&error, 0xaa, sizeof error);
    if (!nki_json_check(nki_str_z(json), &value)) {
        fail_msg("%s is no JSON", json);
    }
    int32_t status = nki_js_read_error(&value, &error);
    assert_int_equal(error.status, status);
    return error;
}

static struct nki_error read_numbers(int code, int err_code)
{
    char json[200];
    snprintf(json, sizeof json, "{\"code\":%d,\"err_code\":%d,\"description\":\"the words\"}", code,
             err_code);
    struct nki_error error = read_text(json);
    assert_int_equal(error.server_code, code);
    assert_int_equal(error.err_code, err_code);
    assert_non_null(strstr(error.text, "the words"));
    return error;
}

/* err_codes as the server's list of errors has them. */
static const struct row {
    int code;
    int err_code;
    int32_t status;
} rows[] = {
    {404, 10059, NKI_STREAM_NOT_FOUND},
    {404, 10014, NKI_CONSUMER_NOT_FOUND},
    {400, 10149, NKI_CONSUMER_NOT_FOUND}, /* consumer does not exist (of an update) */
    {404, 10037, NKI_MSG_NOT_FOUND},      /* no message found */
    {400, 10043, NKI_MSG_NOT_FOUND},      /* sequence not found */
    {400, 10058, NKI_ALREADY_EXISTS},     /* stream name already in use with a different configuration */
    {400, 10148, NKI_ALREADY_EXISTS},     /* consumer already exists */
    {400, 10013, NKI_ALREADY_EXISTS},     /* consumer name already in use */
    {400, 10105, NKI_ALREADY_EXISTS},     /* consumer already exists and is still active */
    {400, 10071, NKI_WRONG_LAST},         /* wrong last sequence */
    {400, 10164, NKI_WRONG_LAST},         /* the same without its number */
    {400, 10070, NKI_WRONG_LAST},         /* wrong last message id */
    {503, 10039, NKI_JS_NOT_ENABLED},     /* for the account */
    {503, 10076, NKI_JS_NOT_ENABLED},
    {412, 10185, NKI_API_LEVEL},
    {400, 10109, NKI_SEALED},
    {503, 10077, NKI_JS_LIMIT}, /* store failed: maximum messages exceeded ... */
    {400, 10054, NKI_JS_LIMIT}, /* message size exceeds maximum allowed */
    {400, 10026, NKI_JS_LIMIT}, /* maximum consumers limit reached */
    {400, 10027, NKI_JS_LIMIT}, /* maximum number of streams reached */
    {400, 10028, NKI_JS_LIMIT}, /* insufficient memory resources */
    {500, 10047, NKI_JS_LIMIT}, /* insufficient storage resources */
    {400, 10002, NKI_JS_LIMIT}, /* resource limits exceeded for account */
};

static void test_numbers(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_error error = read_numbers(rows[i].code, rows[i].err_code);
        if (error.status != rows[i].status) {
            fail_msg("%d: %d", rows[i].err_code, error.status);
        }
    }
}

static void test_other_numbers(void **state)
{
    (void)state;
    assert_int_equal(read_numbers(400, 10003).status, NKI_JS_REFUSED);
    assert_int_equal(read_numbers(400, 0).status, NKI_JS_REFUSED);
    assert_int_equal(read_numbers(404, 0).status, NKI_JS_REFUSED);
    assert_int_equal(read_numbers(500, 99999).status, NKI_JS_REFUSED);
    assert_int_equal(read_numbers(0, 0).status, NKI_JS_REFUSED);
    /* Without a number that is known 503 is what there is nobody for. */
    assert_int_equal(read_numbers(503, 0).status, NKI_JS_NOT_ENABLED);
    assert_int_equal(read_numbers(503, 10008).status, NKI_JS_NOT_ENABLED);
    assert_int_equal(read_numbers(503, 10077).status, NKI_JS_LIMIT);
}

static void test_words(void **state)
{
    (void)state;
    struct nki_error error = read_text("{\"code\":404,\"err_code\":10059}");
    assert_int_equal(error.status, NKI_STREAM_NOT_FOUND);
    assert_int_equal(error.err_code, 10059);
    assert_int_not_equal(error.text[0], '\0'); /* the status' own */
    error = read_text("{\"description\":\"\",\"code\":404,\"err_code\":10059}");
    assert_int_not_equal(error.text[0], '\0');
    error = read_text("{\"description\":7,\"code\":404,\"err_code\":10059}");
    assert_int_not_equal(error.text[0], '\0');
    error = read_text("{\"description\":\"100% of %s %n\",\"code\":400}");
    assert_non_null(strstr(error.text, "100% of %s %n"));
    error = read_text("{\"description\":\"a \\\"b\\\" \\u00e9\",\"code\":400}");
    assert_non_null(strstr(error.text, "a \"b\" \xc3\xa9"));
}

/* A description of any length leaves a text that ends, and is UTF-8. */
static void test_long_words(void **state)
{
    (void)state;
    for (size_t len = 300; len < 600; len++) {
        char json[2000] = "{\"code\":400,\"description\":\"";
        for (size_t i = 0; i < len; i++) {
            strcat(json, "\xc3\xa9");
        }
        strcat(json, "\"}");
        struct nki_error error = read_text(json);
        assert_int_equal(error.status, NKI_JS_REFUSED);
        assert_non_null(memchr(error.text, '\0', sizeof error.text));
        assert_int_not_equal(error.text[0], '\0');
        assert_true(nki_str_utf8_valid(nki_str_z(error.text)));
    }
}

static void test_absurd_numbers(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"code\":-1,\"err_code\":-10059}",
        "{\"code\":99999999999,\"err_code\":4294977355}", /* 10059 in its lower 32 bits */
        "{\"code\":2147483648,\"err_code\":2147483648}",
        "{\"code\":18446744073709551615,\"err_code\":18446744073709551615}",
        "{\"code\":99999999999999999999999,\"err_code\":-99999999999999999999999}",
        "{\"code\":4.5,\"err_code\":10059.0}",
        "{\"code\":5.03e2,\"err_code\":1.0059e4}",
        "{\"code\":\"503\",\"err_code\":\"10059\"}",
        "{\"code\":null,\"err_code\":[10059]}",
        "{}",
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(texts); i++) {
        struct nki_error error = read_text(texts[i]);
        assert_int_equal(error.status, NKI_JS_REFUSED);
        assert_int_equal(error.server_code, 0);
        assert_int_equal(error.err_code, 0);
        assert_int_not_equal(error.text[0], '\0');
    }
    struct nki_error error = read_text("{\"code\":2147483647,\"err_code\":2147483647}");
    assert_int_equal(error.server_code, INT32_MAX);
    assert_int_equal(error.err_code, INT32_MAX);
}

static void test_no_object(void **state)
{
    (void)state;
    static const char *const texts[] = {"null",   "true", "7",
                                        "\"no\"", "[]",   "[{\"code\":404,\"err_code\":10059}]"};
    for (size_t i = 0; i < NKI_ARRAY_LEN(texts); i++) {
        struct nki_error error = read_text(texts[i]);
        assert_int_equal(error.status, NKI_JS_REFUSED);
        assert_int_equal(error.server_code, 0);
        assert_int_equal(error.err_code, 0);
        assert_int_not_equal(error.text[0], '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),   cmocka_unit_test(test_other_numbers),
        cmocka_unit_test(test_words),     cmocka_unit_test(test_long_words),
        cmocka_unit_test(test_no_object), cmocka_unit_test(test_absurd_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
