/* What an application says of an object. One thread. */
#include "object/meta.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int32_t read_meta(const char *json, bool with_name, struct nki_object_meta *meta)
{
    struct nki_doc doc;
    struct nki_error err;
    assert_int_equal(nki_doc_parse(&doc, nki_str_z(json), &err), NKI_OK);
    int32_t status = nki_object_meta_read(&doc, with_name, meta, &err);
    if (status != NKI_OK) {
        assert_true(err.text[0] != '\0');
    }
    nki_doc_free(&doc);
    return status;
}

static void expect(const struct nki_buf *got, const char *wanted)
{
    assert_int_equal(got->len, strlen(wanted));
    assert_true(got->len == 0 || memcmp(got->data, wanted, got->len) == 0);
}

static void test_read(void **state)
{
    (void)state;
    struct nki_object_meta meta;
    assert_int_equal(nki_object_meta_read(NULL, false, &meta, NULL), NKI_OK);
    assert_false(meta.has_description || meta.has_headers || meta.has_metadata || meta.has_name);
    nki_object_meta_free(&meta);
    assert_int_equal(
        read_meta("{\"name\":\"n\",\"description\":\"d\",\"headers\":{\"A\":\"1\",\"B\":[\"2\",\"3\"]},"
                  "\"metadata\":{\"k\":\"v\"}}",
                  true, &meta),
        NKI_OK);
    expect(&meta.name, "n");
    expect(&meta.description, "d");
    expect(&meta.headers, "{\"A\":[\"1\"],\"B\":[\"2\",\"3\"]}");
    expect(&meta.metadata, "{\"k\":\"v\"}");
    nki_object_meta_free(&meta);
    assert_int_equal(read_meta("{\"description\":null,\"headers\":{},\"metadata\":{}}", false, &meta),
                     NKI_OK);
    assert_true(meta.has_description && meta.has_headers && meta.has_metadata && !meta.has_name);
    expect(&meta.headers, "");
    nki_object_meta_free(&meta);
    static const char *const wrong[] = {"[]",
                                        "{\"name\":\"n\"}",
                                        "{\"size\":1}",
                                        "{\"description\":1}",
                                        "{\"description\":\"a\\u0000\"}",
                                        "{\"headers\":{\"a\":1}}",
                                        "{\"headers\":{\"a\":[1]}}",
                                        "{\"metadata\":{\"a\":[]}}"};
    for (size_t i = 0; i < NKI_ARRAY_LEN(wrong); i++) {
        assert_int_equal(read_meta(wrong[i], false, &meta), NKI_INVALID);
        nki_object_meta_free(&meta);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
