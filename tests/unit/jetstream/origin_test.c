/* Headers that servers write, and values of counters. */
#include "jetstream/origin.h"

#include "../base/cmocka_all.h"

static void expect(struct nki_str got, const char *wanted)
{
    assert_true(nki_str_eq(got, nki_str_z(wanted)));
}

static void test_republished(void **state)
{
    (void)state;
    struct nki_origin origin;
    assert_true(nki_origin_read(
        NKI_STR(
            "NATS/1.0\r\nNats-Stream: mine\r\nNats-Stream: S\r\nNats-Subject: a.b\r\nNats-Sequence: 7\r\n"
            "Nats-Last-Sequence: 5\r\nNats-Time-Stamp: 1970-01-01T00:00:01.5Z\r\nNats-Msg-Size: 12\r\n\r\n"),
        &origin));
    expect(origin.stream, "S"); /* the last one is the server's */
    expect(origin.subject, "a.b");
    assert_true(origin.seq == 7 && origin.last_seq == 5 && origin.size == 12);
    assert_true(origin.time_ns == INT64_C(1500000000));
    expect(origin.source_stream, "");
}

static void test_sourced(void **state)
{
    (void)state;
    struct nki_origin origin;
    assert_true(nki_origin_read(
        NKI_STR("NATS/1.0\r\nNats-Stream-Source: KV_A 1 $KV.A.> $KV.B.> $KV.A.k1 yMNQB0Pj\r\n\r\n"),
        &origin));
    expect(origin.source_stream, "KV_A");
    assert_int_equal(origin.source_seq, 1);
    expect(origin.source_filter, "$KV.A.>");
    expect(origin.source_transform, "$KV.B.>");
    expect(origin.source_subject, "$KV.A.k1");
    assert_true(nki_origin_read(NKI_STR("NATS/1.0\r\nNats-Stream-Source: S:Xy 9\r\n\r\n"), &origin));
    expect(origin.source_stream, "S:Xy");
    assert_int_equal(origin.source_seq, 9);
    expect(origin.source_filter, "");
    assert_true(nki_origin_read(NKI_STR("NATS/1.0\r\nNats-Stream-Source: \r\n\r\n"), &origin));
    expect(origin.source_stream, "");
    assert_int_equal(origin.source_seq, 0);
}

static void test_others(void **state)
{
    (void)state;
    struct nki_origin origin;
    assert_true(nki_origin_read(NKI_STR("NATS/1.0\r\nNats-Marker-Reason: MaxAge\r\nNats-Scheduler: s.plan\r\n"
                                        "Nats-Schedule-Next: purge\r\nNats-Incr: +5\r\n"
                                        "Nats-Counter-Sources: {}\r\nNats-Sequence: many\r\n\r\n"),
                                &origin));
    expect(origin.marker, "MaxAge");
    expect(origin.scheduler, "s.plan");
    expect(origin.schedule_next, "purge");
    expect(origin.increment, "+5");
    expect(origin.counter_sources, "{}");
    assert_int_equal(origin.seq, 0);
    assert_false(nki_origin_read(NKI_STR(""), &origin));
    assert_false(nki_origin_read(NKI_STR("NATS/1.0\r\nnats-stream: S\r\n\r\n"), &origin));
}

static void test_counters(void **state)
{
    (void)state;
    struct nki_str digits;
    assert_true(nki_counter_read(NKI_STR("{\"val\":\"-120\"}"), &digits));
    expect(digits, "-120");
    static const char *const others[] = {
        "", "5", "{}", "{\"val\":5}", "{\"val\":\"\"}", "{\"val\":\"-\"}", "[]", "{\"val\":\"1e5\"}"};
    for (size_t i = 0; i < NKI_ARRAY_LEN(others); i++) {
        assert_false(nki_counter_read(nki_str_z(others[i]), &digits));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_republished),
        cmocka_unit_test(test_sourced),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_counters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
