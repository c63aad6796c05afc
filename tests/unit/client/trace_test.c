/* The trace: lines without payloads, in pieces of any size, secrets veiled, a ring. */
#include "client/trace.h"

#include "../base/cmocka_all.h"

#include <stdio.h>

static const char sent[] =
    "CONNECT {\"verbose\":false,\"name\":\"a "
    "\\\"b\\\"\",\"user\":\"joe\",\"pass\":\"p\\\\\\\"q,:\",\"jwt\":\"eyJ\","
    "\"protocol\":1,\"lang\":\"c\",\"nested\":{\"name\":\"n\",\"x\":[\"secret\",\"more\"]}}\r\n"
    "PING\r\n"
    "SUB a.b q 1\r\n"
    "PUB a.b 12\r\nMSG x 1 99\r\n\r\n"
    "HPUB h r 19 19\r\nNATS/1.0\r\nA: secret\r\n"
    "PONG\r\n";
static const char received[] = "INFO {\"server_id\":\"S\",\"nonce\":\"n\"}\r\n"
                               "PONG\r\n"
                               "msg a.b 1 r 6\r\nPING\r\n\r\n"
                               "HMSG h 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"
                               "-ERR 'Unknown'\r\n";

static void give(struct nki_trace *trace, enum nki_trace_way way, const char *bytes, size_t len, size_t step)
{
    for (size_t at = 0; at < len; at += step) {
        size_t now = len - at < step ? len - at : step;
        struct iovec iov[2] = {{(char *)(uintptr_t)bytes + at, now / 2},
                               {(char *)(uintptr_t)bytes + at + now / 2, now - now / 2 + 100}};
        nki_trace_bytes(trace, way, iov, now);
    }
}

/* The lines alone, one behind the other. */
static void lines_of(struct nki_trace *trace, char *out, size_t cap)
{
    struct nki_buf json = {0};
    assert_true(nki_trace_json(trace, &json));
    assert_true(nki_buf_append(&json, "", 1));
    size_t len = 0;
    for (const char *at = (const char *)json.data; (at = strstr(at, "\"line\":\"")) != NULL;) {
        at += 8;
        const char *end = strstr(at, "\"}");
        while (end != NULL && end[-1] == '\\') {
            end = strstr(end + 1, "\"}");
        }
        assert_non_null(end);
        len += (size_t)snprintf(out + len, cap - len, "%.*s|", (int)(end - at), at);
        at = end;
    }
    nki_buf_free(&json);
}

static void test_lines(void **state)
{
    (void)state;
    for (size_t step = 1; step < sizeof sent + 10; step += step < 20 ? 1 : 37) {
        char text[4096] = "";
        struct nki_trace *trace = nki_trace_new(100);
        assert_non_null(trace);
        give(trace, NKI_TRACE_OUT, sent, sizeof sent - 1, step);
        lines_of(trace, text, sizeof text);
        assert_string_equal(
            text,
            "CONNECT {\\\"verbose\\\":false,\\\"name\\\":\\\"a \\\\\\\"b\\\\\\\"\\\",\\\"user\\\":\\\"*\\\","
            "\\\"pass\\\":\\\"*\\\",\\\"jwt\\\":\\\"*\\\",\\\"protocol\\\":1,\\\"lang\\\":\\\"c\\\","
            "\\\"nested\\\":{\\\"name\\\":\\\"n\\\",\\\"x\\\":[\\\"*\\\",\\\"*\\\"]}}|"
            "PING|SUB a.b q 1|PUB a.b 12|HPUB h r 19 19|PONG|");
        nki_trace_free(trace);
        trace = nki_trace_new(100);
        give(trace, NKI_TRACE_IN, received, sizeof received - 1, step);
        lines_of(trace, text, sizeof text);
        assert_string_equal(text,
                            "INFO {\\\"server_id\\\":\\\"S\\\",\\\"nonce\\\":\\\"n\\\"}|PONG|msg a.b 1 r 6|"
                            "HMSG h 1 12 14|-ERR 'Unknown'|");
        nki_trace_free(trace);
    }
}

static void test_ring(void **state)
{
    (void)state;
    char text[256] = "";
    struct nki_trace *trace = nki_trace_new(3);
    lines_of(trace, text, sizeof text);
    assert_string_equal(text, "");
    for (int i = 0; i < 10; i++) {
        char line[32];
        int len = snprintf(line, sizeof line, "SUB s%d %d\r\n", i, i);
        give(trace, NKI_TRACE_OUT, line, (size_t)len, 5);
    }
    assert_int_equal(nki_trace_total(trace), 10);
    lines_of(trace, text, sizeof text);
    assert_string_equal(text, "SUB s7 7|SUB s8 8|SUB s9 9|");
    nki_trace_free(trace);
    assert_int_equal(nki_trace_total(NULL), 0);
}

static void test_cut_and_restarted(void **state)
{
    (void)state;
    char text[1024] = "";
    char line[1000];
    memset(line, 'x', sizeof line);
    memcpy(line, "SUB \xc3\x28", 6); /* no UTF-8 */
    struct nki_trace *trace = nki_trace_new(3);
    give(trace, NKI_TRACE_IN, "MSG a 1 1000\r\nhalf a payload", 29, 29);
    nki_trace_restart(trace);
    nki_trace_restart(NULL);
    give(trace, NKI_TRACE_IN, "PING\r\nINFO", 10, 3);
    nki_trace_restart(trace);
    give(trace, NKI_TRACE_IN, "PONG\r\n", 6, 6);
    lines_of(trace, text, sizeof text);
    assert_string_equal(text, "MSG a 1 1000|PING|PONG|");
    nki_trace_free(trace);

    trace = nki_trace_new(1);
    give(trace, NKI_TRACE_OUT, line, sizeof line, 7);
    give(trace, NKI_TRACE_OUT, "\r\n", 2, 1);
    struct nki_buf json = {0};
    assert_true(nki_trace_json(trace, &json));
    assert_true(nki_buf_append(&json, "", 1));
    assert_non_null(strstr((const char *)json.data, "\"out\":true,\"cut\":true,\"line\":\"SUB ?(xxx"));
    assert_true(json.len < NKI_TRACE_LINE_MAX + 100);
    nki_buf_free(&json);
    nki_trace_free(trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_ring),
        cmocka_unit_test(test_cut_and_restarted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
