/* Every status of server 2.15 that a request for messages may get, and what is none. */
#include "jetstream/pull_status.h"

#include "../base/cmocka_all.h"

#include <stdio.h>

static const struct row {
    const char *line; /* behind "NATS/1.0 " */
    enum nki_pull_word word;
    bool ends;
} rows[] = {
    {"100 Idle Heartbeat", NKI_SAYS_BEAT, false},
    {"100", NKI_SAYS_BEAT, false},
    {"400 Bad Request - Priority Group missing", NKI_SAYS_REFUSED, true},
    {"400 Bad Request - heartbeat value too large", NKI_SAYS_REFUSED, true},
    {"404 No Messages", NKI_SAYS_NOTHING, true},
    {"408 Request Timeout", NKI_SAYS_EXPIRED, true},
    {"408 Interest Expired", NKI_SAYS_MOVED, true},
    {"408 Requests Pending", NKI_SAYS_NOTHING, true},
    {"408 Something New", NKI_SAYS_EXPIRED, true},
    {"409 Message Size Exceeds MaxBytes", NKI_SAYS_FULL, true},
    {"409 MESSAGE SIZE EXCEEDS MAXBYTES", NKI_SAYS_FULL, true},
    {"409 Batch Completed", NKI_SAYS_COMPLETE, true},
    {"409 Exceeded MaxRequestBatch of 10", NKI_SAYS_REFUSED, true},
    {"409 Exceeded MaxRequestExpires of 1s", NKI_SAYS_REFUSED, true},
    {"409 Exceeded MaxRequestMaxBytes of 10", NKI_SAYS_REFUSED, true},
    {"409 Exceeded MaxWaiting", NKI_SAYS_CROWDED, true},
    {"409 Consumer Deleted", NKI_SAYS_DELETED, true},
    {"409 consumer deleted by somebody", NKI_SAYS_DELETED, true},
    {"409 Consumer is push based", NKI_SAYS_REFUSED, true},
    {"409 Leadership Change", NKI_SAYS_MOVED, true},
    {"409 Server Shutdown", NKI_SAYS_MOVED, true},
    {"412 Required Api Level", NKI_SAYS_LEVEL, true},
    {"423 Nats-Wrong-Pin-Id", NKI_SAYS_UNPINNED, true},
    {"423 Nats-Pin-Id mismatch", NKI_SAYS_UNPINNED, true},
    {"503", NKI_SAYS_NOBODY, true},
    {"503 No Responders", NKI_SAYS_NOBODY, true},
    {"409 Something New", NKI_SAYS_UNKNOWN, false},
    {"409", NKI_SAYS_UNKNOWN, false},
    {"410 Gone", NKI_SAYS_UNKNOWN, false},
    {"599", NKI_SAYS_UNKNOWN, false},
};

static struct nki_str block_of(char *out, size_t cap, const char *line, const char *headers)
{
    int len = snprintf(out, cap, "NATS/1.0 %s\r\n%s\r\n", line, headers);
    return nki_str_make(out, (size_t)len);
}

static void test_words(void **state)
{
    (void)state;
    char text[256];
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_pull_status status;
        assert_true(nki_pull_status_read(block_of(text, sizeof text, rows[i].line, ""), &status));
        assert_int_equal(status.word, rows[i].word);
        assert_int_equal(status.ends, rows[i].ends);
        assert_false(status.counted);
        char code[4] = {0};
        snprintf(code, sizeof code, "%d", status.code);
        assert_memory_equal(rows[i].line, code, 3);
        const char *description = strlen(rows[i].line) > 4 ? rows[i].line + 4 : "";
        assert_true(nki_str_eq(status.text, nki_str_z(description)));
    }
}

/* Whatever gives something back is over. */
static void test_pending(void **state)
{
    (void)state;
    char text[256];
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_pull_status status;
        struct nki_str block = block_of(text, sizeof text, rows[i].line,
                                        "Nats-Pending-Messages: 7\r\nnats-pending-bytes: 1234567890123\r\n");
        assert_true(nki_pull_status_read(block, &status));
        bool beat = rows[i].word == NKI_SAYS_BEAT;
        assert_int_equal(status.counted, !beat);
        assert_int_equal(status.ends, !beat);
        assert_int_equal(status.msgs, beat ? 0 : 7);
        assert_true(status.bytes == (beat ? 0 : UINT64_C(1234567890123)));
    }
    static const char *const bad[] = {"Nats-Pending-Messages: -1\r\n", "Nats-Pending-Messages: x\r\n",
                                      "Nats-Pending-Messages: \r\n",
                                      "Nats-Pending-Messages: 99999999999999999999\r\n"};
    for (size_t i = 0; i < NKI_ARRAY_LEN(bad); i++) {
        struct nki_pull_status status;
        assert_true(
            nki_pull_status_read(block_of(text, sizeof text, "408 Request Timeout", bad[i]), &status));
        assert_false(status.counted);
        assert_int_equal(status.msgs, 0);
    }
}

static void test_none(void **state)
{
    (void)state;
    static const char *const none[] = {"",
                                       "NATS/1.0\r\n\r\n",
                                       "NATS/1.0\r\nStatus: 408\r\n\r\n",
                                       "NATS/1.0 40\r\n\r\n",
                                       "HTTP/1.0 404 x\r\n\r\n",
                                       "NATS/1.0 4o4\r\n\r\n"};
    for (size_t i = 0; i < NKI_ARRAY_LEN(none); i++) {
        struct nki_pull_status status;
        assert_false(nki_pull_status_read(nki_str_z(none[i]), &status));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_pending),
        cmocka_unit_test(test_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
