/* Infos of push consumers, and whether a configuration is as wanted. One thread. */
#include "jetstream/ensure.h"
#include "jetstream/push_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define INFO(config) "{\"stream_name\":\"S\",\"name\":\"d\",\"config\":{" config "}}"
#define TO "\"deliver_subject\":\"to.me\""

static void test_info(void **state)
{
    (void)state;
    struct nki_push_answer answer;
    struct nki_error error;
    static const char text[] =
        "{\"stream_name\":\"S\",\"name\":\"d\",\"config\":{" TO
        ",\"deliver_group\":\"g\",\"ack_policy\":\"all\","
        "\"deliver_policy\":\"last_per_subject\",\"ack_wait\":2000000000,\"backoff\":[1,5000000000],"
        "\"flow_control\":true,\"idle_heartbeat\":700},\"delivered\":{\"consumer_seq\":2,\"stream_seq\":9},"
        "\"num_pending\":3,\"push_bound\":true}";
    assert_int_equal(nki_push_answer_read(nki_str_z(text), &answer, &error), NKI_OK);
    assert_string_equal(answer.stream, "S");
    assert_string_equal(answer.consumer, "d");
    assert_string_equal(answer.subject, "to.me");
    assert_string_equal(answer.group, "g");
    assert_true(answer.acks && answer.per_subject && answer.flows && answer.bound && answer.counted);
    assert_int_equal(answer.come, 2);
    assert_int_equal(answer.before, 9);
    assert_int_equal(answer.pending, 3);
    assert_int_equal(answer.heartbeat_ns, 700);
    assert_int_equal(answer.window_ns, 5000000000);
    assert_int_equal(nki_push_answer_read(nki_str_z(INFO(TO)), &answer, &error), NKI_OK);
    assert_false(answer.acks || answer.per_subject || answer.flows || answer.bound || answer.counted);
    assert_int_equal(answer.window_ns, 30000000000);
    assert_int_equal(answer.heartbeat_ns, 0);
}

static void test_no_info(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"config\":7}",
        INFO(""),
        INFO("\"deliver_subject\":\"a.*\""),
        INFO("\"deliver_subject\":\"a b\""),
        INFO(TO ",\"deliver_group\":\"a b\""),
        "{\"name\":\"d\",\"config\":{" TO "}}",
        "{\"stream_name\":\"a.b\",\"name\":\"d\",\"config\":{" TO "}}",
        "{\"stream_name\":\"S\",\"name\":\"\",\"config\":{" TO "}}",
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(texts); i++) {
        struct nki_push_answer answer;
        struct nki_error error;
        if (nki_push_answer_read(nki_str_z(texts[i]), &answer, &error) != NKI_PROTOCOL) {
            fail_msg("%s is taken", texts[i]);
        }
    }
}

static void test_differs(void **state)
{
    (void)state;
    static const struct {
        const char *wanted;
        const char *config;
        const char *differs;
    } rows[] = {
        {"{}", "{\"a\":1}", ""},
        {"{\"name\":\"x\",\"durable_name\":\"y\"}", "{}", ""},
        {"{\"ack_wait\":5}", "{\"ack_wait\":5}", ""},
        {"{\"ack_wait\":5}", "{\"ack_wait\":6}", "ack_wait"},
        {"{\"ack_wait\":5}", "{}", "ack_wait"},
        {"{\"headers_only\":false,\"max_waiting\":0,\"description\":\"\",\"backoff\":[]}", "{}", ""},
        {"{\"headers_only\":true}", "{\"headers_only\":false}", "headers_only"},
        {"{\"headers_only\":null}", "{\"headers_only\":false}", ""},
        {"{\"backoff\":[1,2]}", "{\"backoff\":[1,2]}", ""},
        {"{\"backoff\":[1,2]}", "{\"backoff\":[1]}", "backoff"},
        {"{\"backoff\":[1,2]}", "{\"backoff\":[2,1]}", "backoff"},
        {"{\"metadata\":{\"a\":\"b\"}}", "{\"metadata\":{\"_nats.x\":\"1\",\"a\":\"b\"}}", ""},
        {"{\"metadata\":{\"a\":\"b\"}}", "{\"metadata\":{\"a\":\"c\"}}", "metadata"},
        {"{\"filter_subject\":\"a\"}", "{\"filter_subjects\":[\"a\"]}", ""},
        {"{\"filter_subjects\":[\"a\"]}", "{\"filter_subject\":\"a\"}", ""},
        {"{\"filter_subjects\":[\"a\",\"b\"]}", "{\"filter_subject\":\"a\"}", "filter_subjects"},
        {"{\"filter_subject\":\"a\"}", "{\"filter_subjects\":[\"a\",\"b\"]}", "filter_subject"},
        {"{\"filter_subject\":\">\"}", "{}", ""},
        {"{\"filter_subject\":\"a\"}", "{}", "filter_subject"},
        {"{\"opt_start_time\":\"2026-01-02T03:04:05Z\"}",
         "{\"opt_start_time\":\"2026-01-02T04:04:05.0+01:00\"}", ""},
        {"{\"opt_start_time\":\"2026-01-02T03:04:05Z\"}", "{\"opt_start_time\":\"2026-01-02T03:04:06Z\"}",
         "opt_start_time"},
        {"{\"deliver_policy\":\"all\"}", "{\"deliver_policy\":\"new\"}", "deliver_policy"},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_json_value wanted;
        struct nki_json_value config;
        assert_true(nki_json_check(nki_str_z(rows[i].wanted), &wanted));
        assert_true(nki_json_check(nki_str_z(rows[i].config), &config));
        struct nki_str differs = nki_ensure_differs(&wanted, &config);
        if (!nki_str_eq(differs, nki_str_z(rows[i].differs))) {
            fail_msg("%s, %s: \"%.*s\"", rows[i].wanted, rows[i].config, (int)differs.len, differs.ptr);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_no_info),
        cmocka_unit_test(test_differs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
