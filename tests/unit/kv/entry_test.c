/* Entries of a bucket: what was done, from which headers; where they stand, as a consumer delivers them and
 * as a direct get answers. One thread. */
#include "kv/entry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define BEGIN "NATS/1.0\r\n"
#define PLACE                                                                                                \
    "Nats-Stream: KV_b\r\nNats-Subject: $KV.b.k\r\nNats-Sequence: 7\r\nNats-Time-Stamp: "                    \
    "1970-01-01T00:00:05Z\r\n"
#define DELIVERED "$JS.ACK.KV_b.c.1.22.44.1700000000123456789.7"

static struct nki_msg *message(const char *subject, const char *reply, const char *block, const char *data)
{
    size_t header_len = strlen(block);
    size_t body_len = header_len + strlen(data);
    struct nki_msg *msg =
        nki_msg_new(NULL, nki_str_z(subject), nki_str_z(reply), (uint32_t)header_len, (uint32_t)body_len);
    assert_non_null(msg);
    memcpy(nki_msg_body(msg), block, header_len);
    memcpy(nki_msg_body(msg) + header_len, data, body_len - header_len);
    return msg;
}

static void expect(struct nki_str got, const char *wanted)
{
    if (got.len != strlen(wanted) || (got.len > 0 && memcmp(got.ptr, wanted, got.len) != 0)) {
        fail_msg("\"%.*s\" is not \"%s\"", (int)got.len, got.ptr, wanted);
    }
}

static const struct {
    const char *block;
    enum nki_kv_operation operation;
} operations[] = {
    {"", NKI_KV_PUT},
    {BEGIN "\r\n", NKI_KV_PUT},
    {BEGIN "A: b\r\n\r\n", NKI_KV_PUT},
    {BEGIN "KV-Operation: DEL\r\n\r\n", NKI_KV_DELETE},
    {BEGIN "KV-Operation: PURGE\r\nNats-Rollup: sub\r\n\r\n", NKI_KV_PURGE},
    {BEGIN "A: b\r\nKV-Operation:PURGE\r\n\r\n", NKI_KV_PURGE},
    {BEGIN "KV-Operation: del\r\n\r\n", NKI_KV_DELETE}, /* what is not known has deleted */
    {BEGIN "KV-Operation: purge\r\n\r\n", NKI_KV_DELETE},
    {BEGIN "KV-Operation: PUT\r\n\r\n", NKI_KV_DELETE},
    {BEGIN "KV-Operation: LATER\r\n\r\n", NKI_KV_DELETE},
    {BEGIN "KV-Operation: \r\n\r\n", NKI_KV_DELETE},
    {BEGIN "kv-operation: DEL\r\n\r\n", NKI_KV_PUT}, /* names keep their case */
    {BEGIN "Nats-Marker-Reason: MaxAge\r\nNats-TTL: 60s\r\n\r\n", NKI_KV_PURGE},
    {BEGIN "Nats-Marker-Reason: Purge\r\n\r\n", NKI_KV_PURGE},
    {BEGIN "Nats-Marker-Reason: Remove\r\n\r\n", NKI_KV_DELETE},
    {BEGIN "Nats-Marker-Reason: Other\r\n\r\n", NKI_KV_DELETE},
    {BEGIN "Nats-Marker-Reason: MaxAge\r\nKV-Operation: DEL\r\n\r\n", NKI_KV_DELETE},
    {"garbage\r\nKV-Operation: DEL\r\n\r\n", NKI_KV_PUT},
};

static void test_operations(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(operations); i++) {
        if (nki_kv_operation_of(nki_str_z(operations[i].block)) != operations[i].operation) {
            fail_msg("%s", operations[i].block);
        }
    }
}

static void test_delivered(void **state)
{
    (void)state;
    struct nki_kv_entry entry;
    struct nki_msg *msg = message("$KV.b.some.key", DELIVERED, "", "value");
    assert_true(nki_kv_entry_read(msg, &entry));
    expect(entry.bucket, "b");
    expect(entry.key, "some.key");
    expect(entry.value, "value");
    assert_true(entry.revision == 22 && entry.delta == 7 && entry.value_len == 5);
    assert_true(entry.time_ns == INT64_C(1700000000123456789));
    assert_int_equal(entry.operation, NKI_KV_PUT);
    nki_msg_release(msg);
    /* What the publisher's headers say of its place means nothing. */
    msg = message("$KV.b.k", DELIVERED, BEGIN "Nats-Sequence: 99\r\nNats-Subject: $KV.x.y\r\n\r\n", "v");
    assert_true(nki_kv_entry_read(msg, &entry));
    expect(entry.bucket, "b");
    expect(entry.key, "k");
    assert_true(entry.revision == 22);
    nki_msg_release(msg);
}

static void test_direct(void **state)
{
    (void)state;
    struct nki_kv_entry entry;
    struct nki_msg *msg = message("_INBOX.a", "", BEGIN PLACE "\r\n", "value");
    assert_true(nki_kv_entry_read(msg, &entry));
    expect(entry.bucket, "b");
    expect(entry.key, "k");
    expect(entry.value, "value");
    assert_true(entry.revision == 7 && entry.delta == 0 && entry.time_ns == INT64_C(5000000000));
    nki_msg_release(msg);
    msg = message("_INBOX.a", "", BEGIN "KV-Operation: DEL\r\n" PLACE "\r\n", "");
    assert_true(nki_kv_entry_read(msg, &entry));
    assert_int_equal(entry.operation, NKI_KV_DELETE);
    nki_msg_release(msg);
}

/* The server's headers stand behind the publisher's, which may have the same names. */
static void test_faked(void **state)
{
    (void)state;
    struct nki_kv_entry entry;
    struct nki_msg *msg = message("_INBOX.a", "",
                                  BEGIN "Nats-Sequence: 99\r\nNats-Subject: $KV.other.one\r\n"
                                        "Nats-Time-Stamp: soon\r\nNats-Stream: T\r\n" PLACE "\r\n",
                                  "value");
    assert_true(nki_kv_entry_read(msg, &entry));
    expect(entry.bucket, "b");
    expect(entry.key, "k");
    assert_true(entry.revision == 7 && entry.time_ns == INT64_C(5000000000));
    nki_msg_release(msg);
}

static void test_headers_only(void **state)
{
    (void)state;
    struct nki_kv_entry entry;
    struct nki_msg *msg = message("$KV.b.k", DELIVERED, BEGIN "Nats-Msg-Size: 4294967296\r\n\r\n", "");
    assert_true(nki_kv_entry_read(msg, &entry));
    assert_int_equal(entry.value.len, 0);
    assert_true(entry.value_len == UINT64_C(4294967296));
    nki_msg_release(msg);
    msg = message("$KV.b.k", DELIVERED, BEGIN "Nats-Msg-Size: 9\r\nNats-Msg-Size: 5\r\n\r\n", "");
    assert_true(nki_kv_entry_read(msg, &entry));
    assert_true(entry.value_len == 5);
    nki_msg_release(msg);
    msg = message("$KV.b.k", DELIVERED, BEGIN "Nats-Msg-Size: many\r\n\r\n", "");
    assert_true(nki_kv_entry_read(msg, &entry));
    assert_true(entry.value_len == 0);
    nki_msg_release(msg);
    msg = message("$KV.b.k", DELIVERED, BEGIN "Nats-Msg-Size: 99\r\n\r\n", "abc"); /* it is there */
    assert_true(nki_kv_entry_read(msg, &entry));
    assert_true(entry.value_len == 3);
    nki_msg_release(msg);
}

static const struct {
    const char *subject;
    const char *reply;
    const char *block;
} others[] = {
    {"$KV.b.k", "", ""},
    {"$KV.b.k", "_INBOX.x", ""},
    {"$KV.b", DELIVERED, ""},
    {"$KV.b.", DELIVERED, ""},
    {"$KV", DELIVERED, ""},
    {"$KVx.b.k", DELIVERED, ""},
    {"$kv.b.k", DELIVERED, ""},
    {"foo.b.k", DELIVERED, ""},
    {"$KV.b.k", "$JS.ACK.KV_b.c.1.x.44.1.7", ""},
    {"_INBOX.a", "", BEGIN "\r\n"},
    {"_INBOX.a", "", BEGIN "Nats-Subject: $KV.b.k\r\nNats-Sequence: 7\r\n\r\n"},
    {"_INBOX.a", "", BEGIN "Nats-Subject: $KV.b.k\r\nNats-Time-Stamp: 1970-01-01T00:00:05Z\r\n\r\n"},
    {"_INBOX.a", "", BEGIN "Nats-Sequence: 7\r\nNats-Time-Stamp: 1970-01-01T00:00:05Z\r\n\r\n"},
    {"_INBOX.a", "", BEGIN PLACE "Nats-Sequence: x\r\n\r\n"},
    {"_INBOX.a", "", BEGIN PLACE "Nats-Subject: foo\r\n\r\n"},
    {"_INBOX.a", "", BEGIN PLACE "Nats-Time-Stamp: later\r\n\r\n"},
};

static void test_others(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(others); i++) {
        struct nki_kv_entry entry;
        struct nki_msg *msg = message(others[i].subject, others[i].reply, others[i].block, "v");
        if (nki_kv_entry_read(msg, &entry)) {
            fail_msg("row %zu", i);
        }
        nki_msg_release(msg);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations), cmocka_unit_test(test_delivered),
        cmocka_unit_test(test_direct),     cmocka_unit_test(test_faked),
        cmocka_unit_test(test_others),     cmocka_unit_test(test_headers_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
