/* Ack subjects against a table: both forms, what is neither, and numbers up to their bounds. */
#include "jetstream/ack_subject.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MAX_U64 "18446744073709551615"
#define MAX_I64 "9223372036854775807"

static void expect(struct nki_str got, const char *wanted)
{
    assert_int_equal(got.len, strlen(wanted));
    assert_memory_equal(got.ptr, wanted, got.len);
}

static struct nki_ack_subject parse(const char *text)
{
    struct nki_ack_subject out;
    if (!nki_ack_subject_parse(nki_str_z(text), &out)) {
        print_error("%s\n", text);
        fail();
    }
    return out;
}

static void test_short_form(void **state)
{
    (void)state;
    struct nki_ack_subject got = parse("$JS.ACK.ORDERS.worker.3.22.44.1700000000123456789.7");
    expect(got.domain, "");
    expect(got.account, "");
    expect(got.stream, "ORDERS");
    expect(got.consumer, "worker");
    assert_true(got.delivered == 3 && got.stream_seq == 22 && got.consumer_seq == 44 && got.pending == 7);
    assert_true(got.time_ns == INT64_C(1700000000123456789));
    /* here `_` is a name like any other */
    expect(parse("$JS.ACK._.c.1.2.3.4.5").stream, "_");
}

static void test_long_form(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "$JS.ACK.hub.NUmM6cRx.S.c.1.2.3.4.5",          /* 11 tokens, as the server sends it */
        "$JS.ACK.hub.NUmM6cRx.S.c.1.2.3.4.5.rand0m",   /* 12, as its design has it */
        "$JS.ACK.hub.NUmM6cRx.S.c.1.2.3.4.5.x.more",   /* 13: what is yet to come */
        "$JS.ACK.hub.NUmM6cRx.S.c.1.2.3.4.5.a.b.c.d.e" /* many */
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(texts); i++) {
        struct nki_ack_subject got = parse(texts[i]);
        expect(got.domain, "hub");
        expect(got.account, "NUmM6cRx");
        expect(got.stream, "S");
        expect(got.consumer, "c");
        assert_true(got.delivered == 1 && got.stream_seq == 2 && got.consumer_seq == 3);
        assert_true(got.time_ns == 4 && got.pending == 5);
    }
    struct nki_ack_subject none = parse("$JS.ACK._.hash.S.c.1.2.3.4.5");
    expect(none.domain, "");
    expect(none.account, "hash");
}

static void test_bounds(void **state)
{
    (void)state;
    struct nki_ack_subject got =
        parse("$JS.ACK.s.c." MAX_U64 "." MAX_U64 "." MAX_U64 "." MAX_I64 "." MAX_U64);
    assert_true(got.delivered == UINT64_MAX && got.stream_seq == UINT64_MAX);
    assert_true(got.consumer_seq == UINT64_MAX && got.pending == UINT64_MAX);
    assert_true(got.time_ns == INT64_MAX);
    got = parse("$JS.ACK.s.c.0.9007199254740993.0.-1.0"); /* one beyond what a double holds */
    assert_true(got.stream_seq == UINT64_C(9007199254740993) && got.delivered == 0 && got.time_ns == -1);
}

static void test_others(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "$JS.ACK",
        "$JS.ACK.",
        "$JS.ACK.s.c.1.2.3.4",       /* 8 tokens */
        "$JS.ACK.s.c.1.2.3.4.5.6",   /* 10 */
        "$JS.ACK.d.h.s.c.1.2.3.4",   /* 10 */
        "$JS.ACK.d.h.s.c.1.2.3.4.x", /* 11 */
        "$JS.ACK.s.c.1.2.3.4.",      /* empty tokens */
        "$JS.ACK..c.1.2.3.4.5",
        "$JS.ACK.s..1.2.3.4.5",
        "$JS.ACK.s.c.1..3.4.5",
        "$JS.ACK.d..s.c.1.2.3.4.5",
        "$JS.ACK.d.h.s.c.1.2.3.4.5.",
        "$JS.ACK.d.h.s.c.1.2.3.4.5..x",
        "$JS.ACK.s.c.x.2.3.4.5", /* what is no number */
        "$JS.ACK.s.c.1.-2.3.4.5",
        "$JS.ACK.s.c.1.2.+3.4.5",
        "$JS.ACK.s.c.1.2.3.4e1.5",
        "$JS.ACK.s.c.1.2.3.4.0x5",
        "$JS.ACK.s.c.1.2.3. 4.5",
        "$JS.ACK.s.c.18446744073709551616.2.3.4.5", /* one too many */
        "$JS.ACK.s.c.1.18446744073709551616.3.4.5",
        "$JS.ACK.s.c.1.2.99999999999999999999999.4.5",
        "$JS.ACK.s.c.1.2.3.9223372036854775808.5",
        "$JS.ACK.s.c.1.2.3.4.18446744073709551616",
        "$js.ack.s.c.1.2.3.4.5", /* other prefixes */
        "$JS.ACKS.s.c.1.2.3.4.5",
        "$JS.FC.s.c.1.2.3.4.5",
        "$JS.API.s.c.1.2.3.4.5",
        "x$JS.ACK.s.c.1.2.3.4.5",
        "_INBOX.a.s.c.1.2.3.4.5",
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(texts); i++) {
        struct nki_ack_subject out;
        if (nki_ack_subject_parse(nki_str_z(texts[i]), &out)) {
            print_error("%s\n", texts[i]);
            fail();
        }
    }
}

/* Acks go wherever the prefix says so: the server knows what it sent. */
static void test_prefix(void **state)
{
    (void)state;
    assert_true(nki_ack_subject_is(NKI_STR("$JS.ACK.s.c.1.2.3.4.5")));
    assert_true(nki_ack_subject_is(NKI_STR("$JS.ACK.x")));
    assert_false(nki_ack_subject_is(NKI_STR("$JS.ACK")));
    assert_false(nki_ack_subject_is(NKI_STR("$JS.AC")));
    assert_false(nki_ack_subject_is(NKI_STR("$JS.FC.s.c.1")));
    assert_false(nki_ack_subject_is(NKI_STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_form), cmocka_unit_test(test_long_form), cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_others),     cmocka_unit_test(test_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
