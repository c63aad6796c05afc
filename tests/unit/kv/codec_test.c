/* Codecs of keys and values: there and back, what other clients write, what no codec has written, wildcards,
 * no memory. One thread. */
#include "kv/codec.h"

#include "base/alloc.h"
#include "base/status.h"

#include "../base/refuse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void expect_encoded(enum nki_kv_codec codec, bool wild, const char *key, const char *wanted)
{
    struct nki_buf out = {0};
    assert_int_equal(nki_kv_encode(codec, nki_str_z(key), wild, &out), NKI_OK);
    assert_int_equal(out.len, strlen(wanted));
    assert_memory_equal(out.data, wanted, out.len);
    nki_buf_free(&out);
}

static void expect_decoded(enum nki_kv_codec codec, const char *stored, const char *wanted)
{
    char text[200];
    strcpy(text, stored);
    size_t len = nki_kv_decode(codec, text, strlen(stored));
    assert_int_equal(len, strlen(wanted));
    assert_memory_equal(text, wanted, len);
}

/* Both ways. */
static void expect(enum nki_kv_codec codec, const char *key, const char *stored)
{
    expect_encoded(codec, false, key, stored);
    expect_decoded(codec, stored, key);
}

static void test_plain(void **state)
{
    (void)state;
    expect(NKI_KV_PLAIN, "a.b/c", "a.b/c");
    expect_encoded(NKI_KV_PLAIN, true, "a.*.>", "a.*.>");
}

static void test_base64(void **state)
{
    (void)state;
    expect(NKI_KV_BASE64, "a", "YQ");
    expect(NKI_KV_BASE64, "key.with spaces.\xc3\xbc", "a2V5.d2l0aCBzcGFjZXM.w7w");
    expect(NKI_KV_BASE64, "a*b", "YSpi");
    expect(NKI_KV_BASE64, "???", "Pz8_");
    expect_encoded(NKI_KV_BASE64, false, "*", "Kg");
    expect_encoded(NKI_KV_BASE64, true, "a.*.>", "YQ.*.>");
    expect_encoded(NKI_KV_BASE64, true, ">.a", "Pg.YQ"); /* in the middle it stands for itself */
    expect_encoded(NKI_KV_BASE64, false, "a..b", "YQ..Yg");
    /* As others write it. */
    expect_decoded(NKI_KV_BASE64, "YQ==.Pz8/", "a.???");
    /* What is not base64 stays as it is, all of it. */
    expect_decoded(NKI_KV_BASE64, "YQ.!", "YQ.!");
    expect_decoded(NKI_KV_BASE64, "YQ..YQ", "YQ..YQ");
    expect_decoded(NKI_KV_BASE64, "A", "A");
    expect_decoded(NKI_KV_BASE64, "=", "=");
}

static void test_path(void **state)
{
    (void)state;
    expect(NKI_KV_PATH, "a/b/c", "a.b.c");
    expect(NKI_KV_PATH, "/a/b", "_root_.a.b");
    expect(NKI_KV_PATH, "/", "_root_");
    expect(NKI_KV_PATH, "a", "a");
    expect_encoded(NKI_KV_PATH, false, "a/b/", "a.b");
    expect_encoded(NKI_KV_PATH, false, "/a/", "_root_.a");
    expect_encoded(NKI_KV_PATH, true, "/a/*/>", "_root_.a.*.>");
    expect_encoded(NKI_KV_PATH, false, "a//b", "a..b"); /* which is no key */
    expect_decoded(NKI_KV_PATH, "_root_x.a", "_root_x/a");
    assert_null(nki_kv_codec_fault(NKI_KV_PATH, NKI_STR("a/b")));
    assert_non_null(nki_kv_codec_fault(NKI_KV_PATH, NKI_STR("a.b")));
    assert_null(nki_kv_codec_fault(NKI_KV_BASE64, NKI_STR("a.b")));
}

/* A message keeps what is behind its subject. */
static void test_message(void **state)
{
    (void)state;
    static const struct {
        const char *subject;
        const char *wanted;
    } rows[] = {
        {"$KV.b.YQ.d2l0aCBzcGFjZXM", "$KV.b.a.with spaces"},
        {"$KV.b.!", "$KV.b.!"},
        {"$KV.b", "$KV.b"},
        {"$KV", "$KV"},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_msg *msg = nki_msg_new(NULL, nki_str_z(rows[i].subject), NKI_STR("reply"), 4, 9);
        memcpy(nki_msg_body(msg), "HEADvalue", 9);
        nki_kv_decode_msg((struct nki_kv_codecs){.keys = NKI_KV_BASE64}, msg);
        assert_true(nki_str_eq(nki_msg_subject(msg), nki_str_z(rows[i].wanted)));
        assert_true(nki_str_eq(nki_msg_reply(msg), NKI_STR("reply")));
        assert_true(nki_str_eq(nki_msg_header_block(msg), NKI_STR("HEAD")));
        assert_true(nki_str_eq(nki_msg_data(msg), NKI_STR("value")));
        nki_msg_release(msg);
    }
}

static void check_value(const char *value, const char *stored)
{
    struct nki_buf out = {0};
    assert_int_equal(nki_kv_encode_value(NKI_KV_VALUE_BASE64, nki_str_z(value), &out), NKI_OK);
    assert_true(nki_str_eq(nki_str_make((const char *)out.data, out.len), nki_str_z(stored)));
    size_t len = nki_kv_decode_value(NKI_KV_VALUE_BASE64, (char *)out.data, out.len);
    assert_true(nki_str_eq(nki_str_make((const char *)out.data, len), nki_str_z(value)));
    nki_buf_free(&out);
}

static void expect_value_decoded(const char *stored, const char *wanted)
{
    char text[100];
    strcpy(text, stored);
    size_t len = nki_kv_decode_value(NKI_KV_VALUE_BASE64, text, strlen(stored));
    assert_true(nki_str_eq(nki_str_make(text, len), nki_str_z(wanted)));
}

static void test_values(void **state)
{
    (void)state;
    check_value("", "");
    check_value("v", "dg");
    check_value("???ab", "Pz8_YWI");
    /* As others write it. */
    expect_value_decoded("Pz8/YWI=", "???ab");
    /* What is not base64 stays as it is, also if its begin was read. */
    expect_value_decoded("plain text", "plain text");
    expect_value_decoded("dg=dg", "dg=dg");
    expect_value_decoded("=", "=");
    char text[] = "as it is";
    assert_int_equal(nki_kv_decode_value(NKI_KV_VALUE_PLAIN, text, 8), 8);
}

/* Longer than what is read at a time, of each length that a last group may have. */
static void test_long_values(void **state)
{
    (void)state;
    static uint8_t value[10000];
    for (size_t i = 0; i < sizeof value; i++) {
        value[i] = (uint8_t)(i * 7 + i / 256);
    }
    for (size_t len = sizeof value - 3; len <= sizeof value; len++) {
        struct nki_buf out = {0};
        struct nki_str text = nki_str_make((const char *)value, len);
        assert_int_equal(nki_kv_encode_value(NKI_KV_VALUE_BASE64, text, &out), NKI_OK);
        uint8_t kept = out.data[out.len - 1];
        out.data[out.len - 1] = '!'; /* seen at the end alone: nothing was written before that */
        assert_int_equal(nki_kv_decode_value(NKI_KV_VALUE_BASE64, (char *)out.data, out.len), out.len);
        out.data[out.len - 1] = kept;
        assert_int_equal(nki_kv_decode_value(NKI_KV_VALUE_BASE64, (char *)out.data, out.len), len);
        assert_memory_equal(out.data, value, len);
        nki_buf_free(&out);
    }
}

/* Both at once, with what stands between them. */
static void test_message_value(void **state)
{
    (void)state;
    const struct nki_kv_codecs codecs = nki_kv_codecs_unpack(
        nki_kv_codecs_pack((struct nki_kv_codecs){.keys = NKI_KV_PATH, .values = NKI_KV_VALUE_BASE64}));
    struct nki_msg *msg = nki_msg_new(NULL, NKI_STR("$KV.b._root_.a"), NKI_STR("reply"), 4, 8);
    memcpy(nki_msg_body(msg), "HEADdmFs", 8);
    nki_kv_decode_msg(codecs, msg);
    assert_true(nki_str_eq(nki_msg_subject(msg), NKI_STR("$KV.b./a")));
    assert_true(nki_str_eq(nki_msg_reply(msg), NKI_STR("reply")));
    assert_true(nki_str_eq(nki_msg_header_block(msg), NKI_STR("HEAD")));
    assert_true(nki_str_eq(nki_msg_data(msg), NKI_STR("val")));
    nki_msg_release(msg);
}

static void test_no_memory(void **state)
{
    (void)state;
    static const enum nki_kv_codec codecs[] = {NKI_KV_PLAIN, NKI_KV_BASE64, NKI_KV_PATH};
    long refused = 0;
    for (size_t i = 0; i < NKI_ARRAY_LEN(codecs); i++) {
        bool more = true;
        for (long nth = 1; more && refuse_begin(nth); nth++) {
            struct nki_buf out = {0};
            int32_t status = nki_kv_encode(codecs[i], NKI_STR("/a"), false, &out);
            more = refuse_happened();
            refuse_end();
            assert_int_equal(status, more ? NKI_NO_MEMORY : NKI_OK);
            refused += more;
            nki_buf_free(&out);
            assert_int_equal(nki_alloc_bytes(), 0);
        }
    }
    assert_true(refused >= 3);
    assert_true(refuse_begin(1));
    struct nki_buf out = {0};
    assert_int_equal(nki_kv_encode_value(NKI_KV_VALUE_BASE64, NKI_STR("a"), &out), NKI_NO_MEMORY);
    refuse_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),         cmocka_unit_test(test_base64),
        cmocka_unit_test(test_path),          cmocka_unit_test(test_message),
        cmocka_unit_test(test_values),        cmocka_unit_test(test_long_values),
        cmocka_unit_test(test_message_value), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
