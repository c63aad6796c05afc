/* Acks of published messages against a table: all forms that servers send, errors, and what is no ack. One
 * thread. */
#include "jetstream/pub_ack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define MAX_U64 "18446744073709551615"

static const struct ack_row {
    const char *text;
    const char *stream;
    const char *domain;
    uint64_t seq;
    bool duplicate;
} ack_rows[] = {
    {"{\"stream\":\"S\",\"seq\":1}", "S", "", 1, false},
    {"{\"stream\":\"ORDERS\", \"seq\":22,\"domain\":\"hub\"}", "ORDERS", "hub", 22, false},
    {"{\"stream\":\"S\",\"seq\":7,\"duplicate\": true}", "S", "", 7, true},
    {"{\"stream\":\"S\",\"seq\":7,\"duplicate\":false}", "S", "", 7, false},
    {"{\"stream\":\"S\",\"domain\":\"\",\"seq\":7}", "S", "", 7, false},
    {"{\"seq\":3,\"duplicate\":true,\"domain\":\"d\",\"stream\":\"T\"}", "T", "d", 3, true},
    {"  {\n\t\"stream\" : \"S\" ,\r\n \"seq\" : 1 } \n", "S", "", 1, false},
    /* of later servers: counters and batches */
    {"{\"stream\":\"S\",\"seq\":5,\"val\":\"-17\"}", "S", "", 5, false},
    {"{\"stream\":\"S\",\"seq\":5,\"batch\":\"uuid\",\"count\":100}", "S", "", 5, false},
    {"{\"stream\":\"S\",\"seq\":5,\"x\":{\"seq\":9,\"error\":{\"code\":1}},\"y\":[{\"stream\":\"T\"}]}", "S",
     "", 5, false},
    {"{\"type\":\"io.nats\",\"stream\":\"S\",\"seq\":5,\"n\":null}", "S", "", 5, false},
    /* numbers that no double holds */
    {"{\"stream\":\"S\",\"seq\":9007199254740993}", "S", "", UINT64_C(9007199254740993), false},
    {"{\"stream\":\"S\",\"seq\":9223372036854775808}", "S", "", UINT64_C(9223372036854775808), false},
    {"{\"stream\":\"S\",\"seq\":" MAX_U64 "}", "S", "", UINT64_MAX, false},
    {"{\"stream\":\"S\",\"seq\":0}", "S", "", 0, false},
    {"{\"stream\":\"\xc3\xa9t\xc3\xa9\",\"seq\":1}", "\xc3\xa9t\xc3\xa9", "", 1, false},
};

/* The texts point into the answer. */
static void expect(struct nki_str got, const char *wanted, const char *answer, size_t len)
{
    assert_int_equal(got.len, strlen(wanted));
    assert_true(got.len == 0 || (got.ptr >= answer && got.ptr + got.len <= answer + len));
    assert_memory_equal(got.ptr, wanted, got.len);
}

static char *exactly(const char *text, size_t len)
{
    char *copy = malloc(len > 0 ? len : 1); /* a read past its end is seen */
    assert_non_null(copy);
    memcpy(copy, text, len);
    return copy;
}

static void test_acks(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(ack_rows); i++) {
        const struct ack_row *row = &ack_rows[i];
        struct nki_pub_ack ack;
        size_t len = strlen(row->text);
        char *answer = exactly(row->text, len);
        if (nki_pub_ack_read(nki_str_make(answer, len), &ack, NULL) != NKI_OK) {
            fail_msg("%s", row->text);
        }
        expect(ack.stream, row->stream, answer, len);
        expect(ack.domain, row->domain, answer, len);
        assert_true(ack.seq == row->seq);
        assert_int_equal(ack.duplicate, row->duplicate);
        free(answer);
    }
}

static const struct error_row {
    const char *text;
    int32_t status;
    const char *words;
} error_rows[] = {
    {"{\"error\":{\"code\":400,\"err_code\":10071,\"description\":\"wrong last sequence: "
     "4\"},\"stream\":\"S\","
     "\"seq\":0}",
     NKI_WRONG_LAST, "wrong last sequence: 4"},
    {"{\"stream\":\"S\",\"seq\":0,\"error\":{\"code\":503,\"err_code\":10077,\"description\":\"maximum bytes "
     "exceeded\"}}",
     NKI_JS_LIMIT, "maximum bytes exceeded"},
    {"{\"stream\":\"S\",\"error\":{\"code\":400,\"err_code\":10109,\"description\":\"sealed\"},\"seq\":0}",
     NKI_SEALED, "sealed"},
    {"{\"stream\":\"\",\"seq\":0,\"error\":{\"code\":503}}", NKI_JS_NOT_ENABLED, ""},
    {"{\"error\":{}}", NKI_JS_REFUSED, ""},
    {"{\"error\":\"no\"}", NKI_JS_REFUSED, ""},
};

static void test_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(error_rows); i++) {
        const struct error_row *row = &error_rows[i];
        struct nki_pub_ack ack;
        struct nki_error error;
        int32_t status = nki_pub_ack_read(nki_str_z(row->text), &ack, &error);
        if (status != row->status || error.status != status) {
            fail_msg("%s: %d", row->text, status);
        }
        assert_non_null(strstr(error.text, row->words));
        assert_int_equal(nki_pub_ack_read(nki_str_z(row->text), &ack, NULL), row->status);
    }
}

static const char *const others[] = {
    "",
    " ",
    "+OK",
    "+ACK",
    "hello",
    "null",
    "7",
    "\"S\"",
    "[]",
    "[{\"stream\":\"S\",\"seq\":1}]",
    "{}",
    "{\"seq\":1}",
    "{\"stream\":\"\",\"seq\":1}",
    "{\"stream\":null,\"seq\":1}",
    "{\"stream\":7,\"seq\":1}",
    "{\"stream\":[\"S\"],\"seq\":1}",
    "{\"Stream\":\"S\",\"seq\":1}", /* another name */
    "{\"stream\":\"S\",\"seq\":18446744073709551616}",
    "{\"stream\":\"S\",\"seq\":-1}",
    "{\"stream\":\"S\",\"seq\":1.0}",
    "{\"stream\":\"S\",\"seq\":1e3}",
    "{\"stream\":\"S\",\"seq\":\"1\"}",
    "{\"stream\":\"S\",\"seq\":null}",
    "{\"stream\":\"S\",\"seq\":1,\"duplicate\":1}",
    "{\"stream\":\"S\",\"seq\":1,\"duplicate\":\"true\"}",
    "{\"stream\":\"S\",\"seq\":1,\"domain\":{}}",
    "{\"stream\":\"S\\u0041\",\"seq\":1}", /* no name is written so */
    "{\"stream\":\"S\",\"seq\":1,\"domain\":\"a\\/b\"}",
    "{\"stream\":\"S\",\"seq\":1", /* no JSON */
    "{\"stream\":\"S\",\"seq\":1}}",
    "{\"stream\":\"S\",\"seq\":1,}",
    "{\"stream\":\"S\" \"seq\":1}",
    "{\"stream\":\"\xff\",\"seq\":1}",
    "{\"stream\":\"S\",\"seq\":01}",
};

static void test_no_acks(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(others); i++) {
        struct nki_pub_ack ack;
        struct nki_error error;
        size_t len = strlen(others[i]);
        char *answer = exactly(others[i], len);
        int32_t status = nki_pub_ack_read(nki_str_make(answer, len), &ack, &error);
        if (status != NKI_INVALID_ACK || error.status != status) {
            fail_msg("%s: %d", others[i], status);
        }
        free(answer);
    }
}

/* No part of an ack is one. */
static void test_cut(void **state)
{
    (void)state;
    static const char text[] = "{\"stream\":\"S\",\"seq\":123,\"domain\":\"hub\",\"duplicate\":true}";
    struct nki_pub_ack ack;
    for (size_t len = 0; len < sizeof text - 1; len++) {
        char *answer = exactly(text, len);
        assert_int_equal(nki_pub_ack_read(nki_str_make(answer, len), &ack, NULL), NKI_INVALID_ACK);
        free(answer);
    }
    assert_int_equal(nki_pub_ack_read(nki_str_z(text), &ack, NULL), NKI_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_acks),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_no_acks),
        cmocka_unit_test(test_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
