/* What objects are, as it is written and read (ADR-20). One thread. */
#include "base/status.h"
#include "object/info.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define SUBJECT NKI_STR("$O.b.M.eA==")

static void expect(struct nki_str got, const char *wanted)
{
    if (!nki_str_eq(got, nki_str_z(wanted))) {
        fail_msg("\"%.*s\" is not \"%s\"", (int)got.len, got.ptr, wanted);
    }
}

static int32_t read_json(const char *json, struct nki_msg **msg)
{
    *msg = NULL;
    return nki_object_info_msg(SUBJECT, nki_str_z(json), 7, 9, msg);
}

static void test_all(void **state)
{
    (void)state;
    static const char json[] =
        "{\"name\":\"x\\u00e4\\\"\",\"description\":\"d\\n\",\"headers\":{\"A\":[\"1\"]},"
        "\"metadata\":{\"k\":\"v\"},\"options\":{\"max_chunk_size\":131072},\"bucket\":\"other\",\"nuid\":"
        "\"n\","
        "\"size\":18446744073709551615,\"mtime\":\"2026-01-01T00:00:00Z\",\"chunks\":3,\"digest\":\"SHA-256="
        "x\"}";
    struct nki_msg *msg;
    struct nki_buf text = {0};
    assert_int_equal(read_json(json, &msg), NKI_OK);
    assert_int_equal(msg->kind, NKI_MSG_OBJECT);
    expect(nki_msg_data(msg), json);
    const struct nki_object_info *info = nki_object_info_of(msg);
    expect(info->bucket, "b"); /* where it is stored, whatever it says */
    expect(info->name, "x\xc3\xa4\"");
    expect(info->description, "d\n");
    expect(info->headers, "{\"A\":[\"1\"]}");
    expect(info->metadata, "{\"k\":\"v\"}");
    expect(info->nuid, "n");
    expect(info->digest, "SHA-256=x");
    expect(info->link_bucket, "");
    assert_true(info->size == UINT64_MAX);
    assert_int_equal(info->chunks, 3);
    assert_int_equal(info->max_chunk_size, 131072);
    assert_int_equal(info->revision, 7);
    assert_int_equal(info->time_ns, 9);
    assert_false(info->deleted);
    /* and the same written */
    assert_true(nki_object_info_write(&text, info));
    expect(
        nki_str_make((const char *)text.data, text.len),
        "{\"name\":\"x\xc3\xa4\\\"\",\"description\":\"d\\n\",\"headers\":{\"A\":[\"1\"]},"
        "\"metadata\":{\"k\":\"v\"},\"options\":{\"max_chunk_size\":131072},\"bucket\":\"b\",\"nuid\":\"n\","
        "\"size\":18446744073709551615,\"mtime\":\"0001-01-01T00:00:00Z\",\"chunks\":3,"
        "\"digest\":\"SHA-256=x\"}");
    nki_buf_free(&text);
    nki_msg_release(msg);
}

static void test_link_and_deleted(void **state)
{
    (void)state;
    struct nki_msg *msg;
    struct nki_buf text = {0};
    assert_int_equal(
        read_json("{\"name\":\"l\",\"options\":{\"link\":{\"bucket\":\"c\",\"name\":\"t\"}}}", &msg), NKI_OK);
    expect(nki_object_info_of(msg)->link_bucket, "c");
    expect(nki_object_info_of(msg)->link_name, "t");
    assert_true(nki_object_info_write(&text, nki_object_info_of(msg)));
    nki_buf_free(&text);
    nki_msg_release(msg);
    assert_int_equal(read_json("{\"name\":\"l\",\"options\":{\"link\":{\"bucket\":\"c\"}}}", &msg), NKI_OK);
    expect(nki_object_info_of(msg)->link_name, "");
    nki_msg_release(msg);
    assert_int_equal(
        read_json("{\"name\":\"l\",\"deleted\":true,\"headers\":{},\"options\":{},\"metadata\":null,"
                  "\"description\":null,\"size\":null}",
                  &msg),
        NKI_OK);
    assert_true(nki_object_info_of(msg)->deleted);
    expect(nki_object_info_of(msg)->headers, "");
    nki_msg_release(msg);
}

static void test_wrong(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "[]",
        "{}",
        "{\"name\":\"\"}",
        "{\"name\":1}",
        "{\"name\":\"x\",\"size\":-1}",
        "{\"name\":\"x\",\"size\":1.5}",
        "{\"name\":\"x\",\"size\":\"1\"}",
        "{\"name\":\"x\",\"chunks\":18446744073709551616}",
        "{\"name\":\"x\",\"deleted\":1}",
        "{\"name\":\"x\",\"headers\":[]}",
        "{\"name\":\"x\",\"headers\":{\"a\":\"b\"}}",
        "{\"name\":\"x\",\"metadata\":{\"a\":1}}",
        "{\"name\":\"x\",\"options\":1}",
        "{\"name\":\"x\",\"options\":{\"link\":1}}",
        "{\"name\":\"x\",\"options\":{\"link\":{}}}",
        "{\"name\":\"x\\u0000\"}",
        "{\"name\":\"x\"",
    };
    struct nki_msg *msg;
    for (size_t i = 0; i < NKI_ARRAY_LEN(wrong); i++) {
        if (read_json(wrong[i], &msg) != NKI_PROTOCOL) {
            fail_msg("%s was read", wrong[i]);
        }
        assert_null(msg);
    }
    static const char *const subjects[] = {"$O", "$O.", "$O.b", "$O.b.C.x", "$KV.b.M.x", "$O..M.x", "x"};
    for (size_t i = 0; i < NKI_ARRAY_LEN(subjects); i++) {
        assert_int_equal(nki_object_info_msg(nki_str_z(subjects[i]), NKI_STR("{\"name\":\"x\"}"), 1, 1, &msg),
                         NKI_PROTOCOL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all), cmocka_unit_test(test_link_and_deleted),
                                       cmocka_unit_test(test_wrong)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
