/* Stored messages as the leader of a stream gives them: headers, none, no data, what is missing or broken,
 * and no memory. One thread. */
#include "base/status.h"
#include "jetstream/stored.h"

#include "../base/refuse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define PLACE "\"subject\":\"a.b\",\"seq\":7,\"time\":\"2024-02-03T04:05:06.789Z\""
#define ADDED                                                                                                \
    "Nats-Stream: S\r\nNats-Subject: a.b\r\nNats-Sequence: 7\r\nNats-Time-Stamp: "                           \
    "2024-02-03T04:05:06.789Z\r\n\r\n"

static int32_t make(const char *json, struct nki_msg **out)
{
    struct nki_json_value answer;
    if (!nki_json_check(nki_str_z(json), &answer)) {
        fail_msg("%s is no JSON", json);
    }
    return nki_stored_msg(&answer, NKI_STR("S"), out);
}

static void expect(struct nki_str got, const char *wanted)
{
    if (got.len != strlen(wanted) || (got.len > 0 && memcmp(got.ptr, wanted, got.len) != 0)) {
        fail_msg("\"%.*s\" is not \"%s\"", (int)got.len, got.ptr, wanted);
    }
}

static const struct row {
    const char *json;
    const char *block;
    const char *data;
} rows[] = {
    {"{\"message\":{" PLACE ",\"data\":\"aGVsbG8=\"}}", "NATS/1.0\r\n" ADDED, "hello"},
    {"{\"message\":{" PLACE "}}", "NATS/1.0\r\n" ADDED, ""},
    {"{\"message\":{" PLACE ",\"data\":\"\"}}", "NATS/1.0\r\n" ADDED, ""},
    {"{\"message\":{" PLACE ",\"data\":null,\"hdrs\":null}}", "NATS/1.0\r\n" ADDED, ""},
    {"{\"message\":{" PLACE ",\"hdrs\":\"\",\"data\":\"AAE=\"}}", "NATS/1.0\r\n" ADDED, NULL},
    /* "NATS/1.0\r\na: b\r\n\r\n" */
    {"{\"message\":{" PLACE ",\"hdrs\":\"TkFUUy8xLjANCmE6IGINCg0K\",\"data\":\"eA==\"}}",
     "NATS/1.0\r\na: b\r\n" ADDED, "x"},
    {"{\"type\":\"t\",\"message\":{\"hdrs\":\"TkFUUy8xLjANCmE6IGINCg0K\"," PLACE ",\"more\":[1]}}",
     "NATS/1.0\r\na: b\r\n" ADDED, ""},
};

static void test_messages(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_msg *msg = NULL;
        assert_int_equal(make(rows[i].json, &msg), NKI_OK);
        assert_non_null(msg);
        expect(nki_msg_header_block(msg), rows[i].block);
        if (rows[i].data != NULL) {
            expect(nki_msg_data(msg), rows[i].data);
        } else {
            assert_int_equal(nki_msg_data(msg).len, 2); /* with a NUL in it */
            assert_memory_equal(nki_msg_data(msg).ptr, "\0\1", 2);
        }
        assert_int_equal(nki_msg_reply(msg).len, 0);
        nki_msg_release(msg);
    }
    assert_int_equal(nki_alloc_bytes(), 0);
}

/* The sequence goes over digit by digit. */
static void test_large_sequence(void **state)
{
    (void)state;
    struct nki_msg *msg = NULL;
    assert_int_equal(
        make("{\"message\":{\"subject\":\"s\",\"seq\":18446744073709551615,\"time\":\"t\"}}", &msg), NKI_OK);
    struct nki_str name;
    struct nki_str value;
    assert_true(nki_msg_header_at(msg, 2, &name, &value));
    expect(name, "Nats-Sequence");
    expect(value, "18446744073709551615");
    nki_msg_release(msg);
}

static const char *const broken[] = {
    "{}",
    "{\"message\":null}",
    "{\"message\":[]}",
    "{\"message\":\"m\"}",
    "{\"message\":{}}",
    "{\"message\":{\"seq\":7,\"time\":\"t\"}}", /* no subject */
    "{\"message\":{\"subject\":\"s\",\"time\":\"t\"}}",
    "{\"message\":{\"subject\":\"s\",\"seq\":7}}",
    "{\"message\":{\"subject\":7,\"seq\":7,\"time\":\"t\"}}",
    "{\"message\":{\"subject\":\"s\",\"seq\":\"7\",\"time\":\"t\"}}",
    "{\"message\":{\"subject\":\"s\",\"seq\":null,\"time\":\"t\"}}",
    "{\"message\":{\"subject\":\"s\",\"seq\":7,\"time\":7}}",
    "{\"message\":{" PLACE ",\"data\":\"aGVsbG8\"}}", /* base64 that is none */
    "{\"message\":{" PLACE ",\"data\":\"aGVsb!8=\"}}",
    "{\"message\":{" PLACE ",\"data\":\"=\"}}",
    "{\"message\":{" PLACE ",\"data\":\"a\"}}",
    "{\"message\":{" PLACE ",\"data\":\"aGVs bG8=\"}}",
    "{\"message\":{" PLACE ",\"data\":7}}",
    "{\"message\":{" PLACE ",\"data\":[]}}",
    "{\"message\":{" PLACE ",\"hdrs\":\"????\"}}",
    "{\"message\":{" PLACE ",\"hdrs\":{}}}",
    "{\"message\":{" PLACE ",\"hdrs\":\"TkFUUy8xLjANCmE6IGINCg==\"}}", /* a block without its last line */
    "{\"message\":{" PLACE ",\"hdrs\":\"TkFU\"}}",
    /* what would be a header of its own */
    "{\"message\":{\"subject\":\"s\\r\\nNats-Sequence: 9\",\"seq\":7,\"time\":\"t\"}}",
    "{\"message\":{\"subject\":\"s\",\"seq\":7,\"time\":\"t\\r\\nNats-Sequence: 9\"}}",
    "{\"message\":{\"subject\":\"s\\u0000\",\"seq\":7,\"time\":\"t\"}}",
};

static void test_broken(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(broken); i++) {
        struct nki_msg *msg = NULL;
        int32_t status = make(broken[i], &msg);
        if (status != NKI_PROTOCOL || msg != NULL) {
            fail_msg("%s: %d", broken[i], status);
        }
    }
    assert_int_equal(nki_alloc_bytes(), 0);
}

static void test_no_memory(void **state)
{
    (void)state;
    long refused = 0;
    for (long nth = 1; refuse_begin(nth); nth++) {
        struct nki_msg *msg = NULL;
        int32_t status = make(rows[5].json, &msg);
        bool failed = refuse_happened();
        refuse_end();
        assert_int_equal(status, failed ? NKI_NO_MEMORY : NKI_OK);
        assert_int_equal(msg == NULL, failed);
        refused += failed;
        nki_msg_release(msg);
        assert_int_equal(nki_alloc_bytes(), 0);
    }
    assert_true(refused > 0);
}

/* -- reading --------------------------------------------------------------------------------------------- */

static bool read_block(const char *block, struct nki_stored *out, struct nki_msg **msg)
{
    uint32_t len = (uint32_t)strlen(block);
    *msg = nki_msg_new(NULL, NKI_STR("_INBOX.x"), NKI_STR(""), len, len);
    assert_non_null(*msg);
    memcpy(nki_msg_body(*msg), block, len);
    return nki_stored_read(*msg, out);
}

/* What the server tells stands behind what the publisher has written. */
static void test_read(void **state)
{
    (void)state;
    struct nki_msg *msg;
    struct nki_stored stored;
    assert_true(
        read_block("NATS/1.0\r\nNats-Stream: forged\r\nNats-Sequence: 99\r\nnats-subject: forged\r\n" ADDED,
                   &stored, &msg));
    expect(stored.stream, "S");
    expect(stored.subject, "a.b");
    assert_int_equal(stored.seq, 7);
    assert_int_equal(stored.time_ns, INT64_C(1706933106789000000));
    assert_false(stored.paged);
    nki_msg_release(msg);
    assert_true(
        read_block("NATS/1.0\r\nNats-Num-Pending: 5\r\nNats-Last-Sequence: 6\r\n" ADDED, &stored, &msg));
    assert_true(stored.paged);
    assert_int_equal(stored.pending, 5);
    assert_int_equal(stored.last_seq, 6);
    nki_msg_release(msg);
    assert_true(
        read_block("NATS/1.0\r\nNats-Stream: S\r\nNats-Subject: a\r\nNats-Sequence: 1\r\nNats-Time-Stamp: "
                   "2024-02-03 04:05:06.789 +0000 UTC\r\n\r\n",
                   &stored, &msg)); /* servers before 2.11 */
    assert_int_equal(stored.time_ns, INT64_C(1706933106789000000));
    nki_msg_release(msg);
}

static void test_read_broken(void **state)
{
    (void)state;
    static const char *const blocks[] = {
        "",
        "NATS/1.0\r\n\r\n",
        "NATS/1.0\r\nNats-Subject: a\r\nNats-Sequence: 1\r\nNats-Time-Stamp: 2024-02-03T04:05:06Z\r\n\r\n",
        "NATS/1.0\r\nNats-Stream: S\r\nNats-Sequence: 1\r\nNats-Time-Stamp: 2024-02-03T04:05:06Z\r\n\r\n",
        "NATS/1.0\r\nNats-Stream: S\r\nNats-Subject: a\r\nNats-Time-Stamp: 2024-02-03T04:05:06Z\r\n\r\n",
        "NATS/1.0\r\nNats-Stream: S\r\nNats-Subject: a\r\nNats-Sequence: 1\r\n\r\n",
        "NATS/1.0\r\nNats-Stream: S\r\nNats-Subject: a\r\nNats-Sequence: 0\r\nNats-Time-Stamp: "
        "2024-02-03T04:05:06Z\r\n\r\n",
        "NATS/1.0\r\nNats-Stream: S\r\nNats-Subject: a\r\nNats-Sequence: -1\r\nNats-Time-Stamp: "
        "2024-02-03T04:05:06Z\r\n\r\n",
        "NATS/1.0\r\nNats-Stream: S\r\nNats-Subject: a\r\nNats-Sequence: 1\r\nNats-Time-Stamp: soon\r\n\r\n",
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(blocks); i++) {
        struct nki_msg *msg;
        struct nki_stored stored;
        if (read_block(blocks[i], &stored, &msg)) {
            fail_msg("%s was read", blocks[i]);
        }
        nki_msg_release(msg);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages), cmocka_unit_test(test_large_sequence),
        cmocka_unit_test(test_broken),   cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_read),     cmocka_unit_test(test_read_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
