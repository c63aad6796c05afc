/* Bad input from the caller: a clear error, and not a byte of it is sent. */
#include "bench.h"

#include <stdio.h>
#include <string.h>

struct text {
    const char *at;
    size_t len;
};
#define TEXT(literal)                                                                                        \
    {                                                                                                        \
        literal, sizeof(literal) - 1                                                                         \
    }

/* Not even as a subject to subscribe to. */
static const struct text never[] = {
    TEXT(""),      TEXT("."),     TEXT(".a"),    TEXT("a."),           TEXT("a..b"),     TEXT("a b"),
    TEXT("a\tb"),  TEXT("a\rb"),  TEXT("a\nb"),  TEXT("a\r\nPING"),    TEXT("a\0b"),     TEXT(" a"),
    TEXT("a "),    TEXT("a\x01"), TEXT("a\x7f"), TEXT("a\xff"),        TEXT("\xc0\x80"), TEXT(">.a"),
    TEXT("a.>.b"), TEXT("a>"),    TEXT("a*.b"),  TEXT("\xed\xa0\x80"),
};
/* Not as one to publish to. */
static const struct text wild[] = {TEXT("*"), TEXT("a.*"), TEXT(">"), TEXT("a.>")};

static uint64_t bytes_out(natskit_conn conn)
{
    natskit_conn_stats stats;
    assert_ok(natskit_conn_stats_get(conn, &stats, sizeof stats));
    return stats.out_bytes;
}

static void refuse_publish(natskit_conn conn, const struct text *subject)
{
    natskit_msg *msg;
    natskit_op op;
    natskit_error err = {0};
    assert_status(natskit_publish(conn, subject->at, subject->len, NULL, 0, NO_HEADERS, "x", 1, 0),
                  NATSKIT_INVALID);
    if (subject->len > 0) { /* no reply is no fault */
        assert_status(natskit_publish(conn, "good", Z, subject->at, subject->len, NO_HEADERS, "x", 1, 0),
                      NATSKIT_INVALID);
    }
    assert_status(natskit_request(conn, subject->at, subject->len, NO_HEADERS, NULL, 0, 0, &msg, &err),
                  NATSKIT_INVALID);
    assert_non_null(strstr(err.text, "subject"));
    assert_status(
        natskit_request_start(conn, subject->at, subject->len, NO_HEADERS, NULL, 0, NO_OPTIONS, 0, &op, &err),
        NATSKIT_INVALID);
    assert_status(natskit_subject_check(subject->at, subject->len, 0, &err), NATSKIT_INVALID);
}

static void test_subjects(void **state)
{
    (void)state;
    natskit_conn conn = bench_connect();
    uint64_t before = bytes_out(conn);
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        natskit_sub sub;
        natskit_error err = {0};
        refuse_publish(conn, &never[i]);
        assert_status(natskit_subscribe(conn, never[i].at, never[i].len, NULL, 0, NO_OPTIONS, &sub, &err),
                      NATSKIT_INVALID);
        assert_non_null(strstr(err.text, "subject"));
        if (never[i].len > 0 && memchr(never[i].at, '.', never[i].len) == NULL) {
            assert_status(
                natskit_subscribe(conn, "good", Z, never[i].at, never[i].len, NO_OPTIONS, &sub, &err),
                NATSKIT_INVALID);
            assert_non_null(strstr(err.text, "queue"));
        }
    }
    for (size_t i = 0; i < sizeof wild / sizeof wild[0]; i++) {
        refuse_publish(conn, &wild[i]);
    }
    char longest[5000];
    memset(longest, 'x', sizeof longest);
    const struct text long_subject = {longest, sizeof longest};
    refuse_publish(conn, &long_subject);
    assert_int_equal(bytes_out(conn), before);
    assert_ok(natskit_flush(conn, WAIT_MS)); /* nothing was broken by it */
    assert_ok(natskit_conn_close(conn, WAIT_MS));
}

static void test_header_names_and_values(void **state)
{
    (void)state;
    static const struct text names[] = {TEXT(""),      TEXT("a b"),  TEXT("a:b"),  TEXT("a\r\nb"),
                                        TEXT("a\n"),   TEXT("\x01"), TEXT("a\0b"), TEXT("\xc3\xa9"),
                                        TEXT("a\x7f"), TEXT(":")};
    static const struct text values[] = {TEXT("a\r\nb: c"), TEXT("a\r"), TEXT("\n"), TEXT("a\0b"),
                                         TEXT("\xff")};
    natskit_headers headers;
    natskit_error err;
    assert_ok(natskit_headers_open(&headers));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_status(natskit_headers_add(headers, names[i].at, names[i].len, "v", 1, &err), NATSKIT_INVALID);
        assert_true(err.text[0] != '\0');
    }
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        assert_status(natskit_headers_add(headers, "Name", Z, values[i].at, values[i].len, &err),
                      NATSKIT_INVALID);
        assert_non_null(strstr(err.text, "Name"));
    }
    assert_ok(natskit_headers_close(headers));
}

static void test_urls(void **state)
{
    (void)state;
    static const char *const urls[] = {"nats://",         "nats://:4222",    "nats://h:0",   "nats://h:65536",
                                       "nats://::1:4222", "nats://u@",       "http://h",     "nats://h/path",
                                       "nats://h:4222,",  "nats://a b:4222", "nats://h\r\n", "nats://[::1",
                                       "nats://h:port",   "nats://h:4222:1"};
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        natskit_conn conn;
        natskit_error err = {0};
        assert_status(natskit_connect(urls[i], Z, NO_OPTIONS, 1000, &conn, &err), NATSKIT_INVALID);
        assert_non_null(strstr(err.text, "url"));
    }
    natskit_conn conn;
    natskit_error err = {0};
    assert_status(natskit_connect("nats://joe:secret@h:0", Z, NO_OPTIONS, 1000, &conn, &err),
                  NATSKIT_INVALID);
    assert_null(strstr(err.text, "secret"));
}

static void test_options(void **state)
{
    (void)state;
    natskit_options options;
    natskit_error err = {0};
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    assert_status(natskit_options_set(options, "ping_intervall_ms", Z, "1", Z, &err), NATSKIT_UNKNOWN_OPTION);
    assert_non_null(strstr(err.text, "ping_interval_ms")); /* the suggestion */
    assert_status(natskit_options_set(options, "ping_interval_ms", Z, "soon", Z, &err), NATSKIT_INVALID);
    assert_non_null(strstr(err.text, "ping_interval_ms"));
    assert_status(natskit_options_set_int(options, "ping_interval_ms", Z, 0, &err), NATSKIT_INVALID);
    assert_status(natskit_options_set_int(options, "name", Z, 1, &err), NATSKIT_INVALID);
    assert_status(natskit_options_set(options, "name", Z, "a\r\nb", Z, &err), NATSKIT_INVALID);
    assert_status(natskit_options_set(options, "password", Z, "se\ncret", Z, &err), NATSKIT_INVALID);
    assert_null(strstr(err.text, "cret"));
    assert_ok(natskit_options_set(options, "inbox_prefix", Z, "a.*", Z, &err));
    natskit_conn conn;
    assert_status(natskit_connect(ts_tap_url(bench.tap), Z, options, 1000, &conn, &err), NATSKIT_INVALID);
    assert_non_null(strstr(err.text, "inbox_prefix"));
    assert_ok(natskit_options_close(options));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_subjects),
        cmocka_unit_test(test_header_names_and_values),
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
