/* Codecs of keys: there and back, what other clients write, what no codec has written, wildcards, no memory.
 * One thread. */
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
        nki_kv_decode_msg(NKI_KV_BASE64, msg);
        assert_true(nki_str_eq(nki_msg_subject(msg), nki_str_z(rows[i].wanted)));
        assert_true(nki_str_eq(nki_msg_reply(msg), NKI_STR("reply")));
        assert_true(nki_str_eq(nki_msg_header_block(msg), NKI_STR("HEAD")));
        assert_true(nki_str_eq(nki_msg_data(msg), NKI_STR("value")));
        nki_msg_release(msg);
    }
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
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),   cmocka_unit_test(test_base64),    cmocka_unit_test(test_path),
        cmocka_unit_test(test_message), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
