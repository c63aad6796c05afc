/* Answers to published messages in every form, exact or wrong, and how they are given out. */
#include "jetstream/pub_ack.h"

#include "../base/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#define INBOX "i.AAAAAAAAAAAAAAAAAAAAAA.0" /* as short as one can be */

/* In a message of its own size, so that a sanitizer sees a byte too many. */
static struct nki_msg *answer(const char *data, size_t len)
{
    struct nki_msg *msg = nki_msg_new(NULL, NKI_STR(INBOX), NKI_STR(""), 0, (uint32_t)len);
    assert_non_null(msg);
    memcpy(nki_msg_body(msg), data, len);
    return msg;
}

/* Reads an answer, and makes it what is given out; the caller releases the message. */
static struct nki_msg *turn(const char *data, struct nki_pub_ack *out)
{
    struct nki_msg *msg = answer(data, strlen(data));
    struct nki_pub_ack ack;
    (void)nki_pub_ack_read((char *)nki_msg_body(msg), msg->data_len, &ack);
    ack.id = UINT64_MAX - 1;
    nki_pub_ack_turn(msg, &ack);
    nki_pub_ack_of(msg, out);
    assert_int_equal(out->status, ack.status);
    assert_true(out->id == UINT64_MAX - 1);
    assert_int_equal(msg->kind, NKI_MSG_PUB_ACK);
    return msg;
}

static void expect_str(struct nki_str got, const char *wanted)
{
    assert_int_equal(got.len, strlen(wanted));
    assert_memory_equal(got.ptr, wanted, got.len);
}

static void test_acks(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *stream;
        uint64_t seq;
        bool duplicate;
        const char *domain;
    } rows[] = {
        {"{\"stream\":\"S\", \"seq\":1}", "S", 1, false, ""},
        {"{\"stream\":\"ORDERS\",\"seq\":2,\"duplicate\": true}", "ORDERS", 2, true, ""},
        {"{\"stream\":\"S\",\"domain\":\"hub\",\"seq\":3}", "S", 3, false, "hub"},
        {"{\"domain\":\"hub\",\"seq\":3,\"duplicate\":false,\"stream\":\"STREAM\"}", "STREAM", 3, false,
         "hub"},
        {" {\n\"stream\" : \"S\" ,\t\"seq\" : 4 }\r\n", "S", 4, false, ""},
        {"{\"stream\":\"S\",\"seq\":9007199254740993}", "S", UINT64_C(9007199254740993), false, ""},
        {"{\"stream\":\"S\",\"seq\":9223372036854775809}", "S", UINT64_C(9223372036854775809), false, ""},
        {"{\"stream\":\"S\",\"seq\":18446744073709551615}", "S", UINT64_MAX, false, ""},
        {"{\"stream\":\"S\",\"seq\":5,\"val\":\"17\"}", "S", 5, false, ""},
        {"{\"stream\":\"S\",\"seq\":6,\"batch\":\"b\",\"count\":6}", "S", 6, false, ""},
        {"{\"new\":{\"a\":[1,2]},\"stream\":\"S\",\"seq\":7}", "S", 7, false, ""},
        {"{\"stream\":\"a\\u0026\\\"b\\\"\",\"domain\":\"\\u00e4\",\"seq\":8}", "a&\"b\"", 8, false,
         "\xc3\xa4"},
        {"{\"domain\":\"\\u0041\\u0042\",\"stream\":\"\\u0053\",\"seq\":8}", "S", 8, false, "AB"},
        {"{\"stream\":\"\xc3\xbc\",\"seq\":9}", "\xc3\xbc", 9, false, ""},
        {"{\"stream\":\"S\",\"seq\":1,\"seq\":10}", "S", 10, false, ""},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_pub_ack ack;
        struct nki_msg *msg = turn(rows[i].json, &ack);
        assert_int_equal(ack.status, NKI_OK);
        assert_int_equal(ack.outcome, NKI_OUTCOME_DONE);
        assert_true(ack.seq == rows[i].seq);
        assert_int_equal(ack.duplicate, rows[i].duplicate);
        expect_str(ack.stream, rows[i].stream);
        expect_str(ack.domain, rows[i].domain);
        expect_str(ack.text, "");
        nki_msg_release(msg);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        int32_t status;
        int32_t err_code;
        const char *stream;
        const char *text;
    } rows[] = {
        {"{\"error\":{\"code\":400,\"err_code\":10071,\"description\":\"wrong last sequence: 1\"},"
         "\"stream\":\"S\",\"seq\":0}",
         NKI_WRONG_LAST, 10071, "S", "wrong last sequence: 1"},
        {"{\"stream\":\"S\",\"seq\":12,\"error\":{\"code\":503,\"err_code\":10077,"
         "\"description\":\"maximum messages exceeded\"}}",
         NKI_JS_LIMIT, 10077, "S", "maximum messages exceeded"},
        {"{\"error\":{\"code\":400,\"err_code\":10173,\"description\":\"\\u003ca\\u003e\"}}", NKI_JS_REFUSED,
         10173, "", "<a>"},
        {"{\"error\":null,\"stream\":\"S\",\"seq\":1}", NKI_JS_REFUSED, 0, "S", ""},
        {"{\"error\":{}}", NKI_JS_REFUSED, 0, "", ""}, /* too short for a text of ours */
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_pub_ack ack;
        struct nki_msg *msg = turn(rows[i].json, &ack);
        assert_int_equal(ack.status, rows[i].status);
        assert_int_equal(ack.outcome, NKI_OUTCOME_REJECTED);
        assert_int_equal(ack.err_code, rows[i].err_code);
        assert_true(ack.seq == 0);
        expect_str(ack.stream, rows[i].stream);
        expect_str(ack.text, rows[i].text);
        nki_msg_release(msg);
    }
}

static void test_no_acks(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "{}",
        "[]",
        "null",
        "+OK",
        "{",
        "{\"stream\":\"S\"}",
        "{\"seq\":1}",
        "{\"stream\":\"\",\"seq\":1}",
        "{\"stream\":\"S\",\"seq\":0}",
        "{\"stream\":\"S\",\"seq\":-1}",
        "{\"stream\":\"S\",\"seq\":1.0}",
        "{\"stream\":\"S\",\"seq\":\"1\"}",
        "{\"stream\":\"S\",\"seq\":18446744073709551616}",
        "{\"stream\":\"S\",\"seq\":01}",
        "{\"stream\":\"S\",\"seq\":1",
        "{\"stream\":\"S\",\"seq\":1}x",
        "{\"stream\":\"S\",\"seq\":1,}",
        "{\"stream\":S,\"seq\":1}",
        "{\"stream\":\"a\\u0000\",\"seq\":1}",
        "{\"stream\":\"\xff\",\"seq\":1}",
        "{\"stream\":\"S\",\"seq\":1,\"duplicate\":tru}",
        "{\"stream\":7,\"seq\":1}",
        "{\"stream\":\"S\n\",\"seq\":1}",
        "tru",
        "{\"stream\":\"S\",\"seq\":1,\"duplicate\":t",
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_pub_ack ack;
        struct nki_msg *msg = turn(rows[i], &ack);
        if (ack.status != NKI_INVALID_ACK) {
            print_error("%s\n", rows[i]);
        }
        assert_int_equal(ack.status, NKI_INVALID_ACK);
        assert_int_equal(ack.outcome, NKI_OUTCOME_UNKNOWN);
        assert_true(ack.seq == 0);
        expect_str(ack.stream, "");
        nki_msg_release(msg);
    }
}

/* Names at their greatest length, beyond it, and an answer that is too long for one. */
static void test_bounds(void **state)
{
    (void)state;
    for (size_t len = 254; len <= 257; len++) {
        char *name = calloc(1, len + 1);
        char json[700];
        struct nki_pub_ack ack;
        memset(name, 'n', len);
        snprintf(json, sizeof json, "{\"stream\":\"%s\",\"seq\":1,\"domain\":\"%.255s\"}", name, name);
        struct nki_msg *msg = turn(json, &ack);
        assert_int_equal(ack.status, len <= NKI_PUB_ACK_NAME_MAX ? NKI_OK : NKI_INVALID_ACK);
        nki_msg_release(msg);
        free(name);
    }
    size_t len = 70000;
    char *json = malloc(len + 1);
    memset(json, ' ', len);
    memcpy(json, "{\"stream\":\"S\",\"seq\":1}", 22);
    json[len] = '\0';
    struct nki_pub_ack ack;
    struct nki_msg *msg = turn(json, &ack);
    assert_int_equal(ack.status, NKI_INVALID_ACK);
    nki_msg_release(msg);
    free(json);
}

static void test_without_answer(void **state)
{
    (void)state;
    const struct nki_pub_ack made = {.id = 7,
                                     .status = NKI_TIMEOUT,
                                     .outcome = NKI_OUTCOME_UNKNOWN,
                                     .stream = NKI_STR(""),
                                     .domain = NKI_STR(""),
                                     .text = NKI_STR("late")};
    struct nki_msg *msg = nki_pub_ack_msg(NULL, &made);
    struct nki_pub_ack ack;
    assert_non_null(msg);
    nki_pub_ack_of(msg, &ack);
    assert_true(ack.id == 7);
    assert_int_equal(ack.status, NKI_TIMEOUT);
    assert_int_equal(ack.outcome, NKI_OUTCOME_UNKNOWN);
    expect_str(ack.text, "late");
    assert_int_equal(nki_msg_data(msg).len, 0);
    assert_int_equal(nki_msg_header_block(msg).len, 0);
    nki_msg_release(msg);
}

/* Whatever stands there, it is read within its bounds, and twice alike. */
static void test_damaged(void **state)
{
    (void)state;
    static const char base[] = "{\"error\":{\"code\":400,\"err_code\":10071,\"description\":\"\\u0077rong\"},"
                               "\"stream\":\"S\\u0041\",\"domain\":\"d\",\"seq\":18446744073709551615}";
    unsigned random = 1;
    for (int i = 0; i < 20000; i++) {
        char text[sizeof base];
        memcpy(text, base, sizeof text);
        random = random * 1103515245u + 12345u;
        size_t len = i % 3 == 0 ? random / 65536u % sizeof base : sizeof base - 1;
        for (int k = 0; k < 2 && len > 0; k++) {
            random = random * 1103515245u + 12345u;
            text[random / 65536u % len] = "{}[]\",:\\u0e9tf \x80"[random / 256u % 16];
        }
        struct nki_msg *msg = answer(text, len);
        struct nki_pub_ack ack;
        (void)nki_pub_ack_read((char *)nki_msg_body(msg), msg->data_len, &ack);
        nki_pub_ack_turn(msg, &ack);
        nki_msg_release(msg);
    }
}

/* Of batches and counters, also where the reader of plain ones gives up; in as few bytes as a server may
 * take. */
static void test_more(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"stream\":\"S\",\"seq\":6,\"batch\":\"b\",\"count\":7,\"val\":\"-"
        "123456789012345678901234567890\"}",
        "{\"val\":\"-123456789012345678901234567890\",\"x\":1,\"count\":7,\"batch\":\"b\",\"seq\":6,"
        "\"stream\":\"S\"}",
    };
    struct nki_pub_ack ack;
    for (size_t i = 0; i < NKI_ARRAY_LEN(texts); i++) {
        struct nki_msg *msg = turn(texts[i], &ack);
        assert_int_equal(ack.status, NKI_OK);
        assert_int_equal(ack.seq, 6);
        assert_int_equal(ack.count, 7);
        assert_true(nki_str_eq(ack.stream, NKI_STR("S")) && nki_str_eq(ack.batch, NKI_STR("b")));
        assert_true(nki_str_eq(ack.value, NKI_STR("-123456789012345678901234567890")));
        nki_msg_release(msg);
    }
    static const char *const odd[] = {
        "{\"stream\":\"S\",\"seq\":1,\"val\":\"-\"}", "{\"stream\":\"S\",\"seq\":1,\"val\":\"1x\"}",
        "{\"stream\":\"S\",\"seq\":1,\"val\":5}", "{\"stream\":\"S\",\"seq\":1,\"val\":\"\"}",
        "{\"stream\":\"S\",\"seq\":1,\"val\":\"\\u0035\"}"};
    for (size_t i = 0; i < NKI_ARRAY_LEN(odd); i++) {
        struct nki_msg *msg = turn(odd[i], &ack);
        assert_int_equal(ack.status, NKI_OK);
        assert_int_equal(ack.value.len, 0);
        nki_msg_release(msg);
    }
    char text[NKI_PUB_ACK_VALUE_MAX + 100];
    for (int digits = NKI_PUB_ACK_VALUE_MAX; digits <= NKI_PUB_ACK_VALUE_MAX + 1; digits++) {
        snprintf(text, sizeof text, "{\"stream\":\"S\",\"seq\":1,\"val\":\"%0*d\"}", digits, 7);
        struct nki_msg *msg = turn(text, &ack);
        assert_int_equal(ack.status, NKI_OK);
        assert_int_equal(ack.value.len, digits <= NKI_PUB_ACK_VALUE_MAX ? digits : 0);
        nki_msg_release(msg);
    }
    struct nki_msg *msg = turn("{\"stream\":\"S\",\"seq\":1,\"batch\":\"b\",\"count\":99999999999}", &ack);
    assert_int_equal(ack.status, NKI_INVALID_ACK);
    nki_msg_release(msg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_acks),   cmocka_unit_test(test_refusals),       cmocka_unit_test(test_no_acks),
        cmocka_unit_test(test_bounds), cmocka_unit_test(test_without_answer), cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
