/* The configuration of the stream behind a bucket: every member, its bounds, wrong types, and no memory. One
 * thread. */
#include "kv/config.h"

#include "../base/refuse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static int32_t make(const char *json, struct nki_doc *out, struct nki_error *err)
{
    struct nki_doc bucket;
    if (nki_doc_parse(&bucket, nki_str_z(json), NULL) != NKI_OK) {
        fail_msg("%s is no JSON", json);
    }
    int32_t status = nki_kv_config(&bucket, true, out, err);
    nki_doc_free(&bucket);
    return status;
}

/* The value of a member as text, or "none". */
static void show(struct nki_doc *doc, const char *name, char out[200])
{
    const struct nki_doc_node *node = nki_doc_find(doc, doc->root, nki_str_z(name), NULL);
    snprintf(out, 200, "none");
    if (node != NULL) {
        size_t len = nki_doc_write(node, out, 199);
        assert_true(len < 200);
        out[len] = '\0';
    }
}

/* What the member `name` of the stream is for this bucket. */
static void expect(const char *json, const char *name, const char *wanted)
{
    struct nki_doc doc;
    char have[200];
    struct nki_error err;
    if (make(json, &doc, &err) != NKI_OK) {
        fail_msg("%s: %s", json, err.text);
    }
    show(&doc, name, have);
    if (strcmp(have, wanted) != 0) {
        fail_msg("%s: %s is %s", json, name, have);
    }
    nki_doc_free(&doc);
    assert_int_equal(nki_alloc_bytes(), 0);
}

static void test_defaults(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *value;
    } wanted[] = {
        {"name", "\"KV_b\""},
        {"subjects", "[\"$KV.b.>\"]"},
        {"max_msgs_per_subject", "1"},
        {"discard", "\"new\""},
        {"allow_rollup_hdrs", "true"},
        {"deny_delete", "true"},
        {"allow_direct", "true"},
        {"max_age", "0"},
        {"duplicate_window", "120000000000"},
        {"description", "none"},
        {"max_bytes", "none"},
        {"max_msg_size", "none"},
        {"storage", "none"},
        {"num_replicas", "none"},
        {"placement", "none"},
        {"republish", "none"},
        {"compression", "none"},
        {"metadata", "none"},
        {"allow_msg_ttl", "none"},
        {"subject_delete_marker_ttl", "none"},
        {"bucket", "none"},
        {"history", "none"},
        {"ttl", "none"},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(wanted); i++) {
        expect("{\"bucket\":\"b\"}", wanted[i].name, wanted[i].value);
    }
}

static void test_members(void **state)
{
    (void)state;
    expect("{\"bucket\":\"My_b-1\"}", "name", "\"KV_My_b-1\"");
    expect("{\"bucket\":\"My_b-1\"}", "subjects", "[\"$KV.My_b-1.>\"]");
    expect("{\"bucket\":\"b\",\"description\":\"a \\\"b\\\"\"}", "description", "\"a \\\"b\\\"\"");
    expect("{\"bucket\":\"b\",\"history\":1}", "max_msgs_per_subject", "1");
    expect("{\"history\":64,\"bucket\":\"b\"}", "max_msgs_per_subject", "64");
    expect("{\"bucket\":\"b\",\"max_bytes\":1000}", "max_bytes", "1000");
    expect("{\"bucket\":\"b\",\"max_bytes\":-1}", "max_bytes", "-1");
    expect("{\"bucket\":\"b\",\"max_value_size\":500}", "max_msg_size", "500");
    expect("{\"bucket\":\"b\",\"storage\":\"memory\"}", "storage", "\"memory\"");
    expect("{\"bucket\":\"b\",\"num_replicas\":3}", "num_replicas", "3");
    expect("{\"bucket\":\"b\",\"placement\":{\"cluster\":\"c\",\"tags\":[\"t\"]}}", "placement",
           "{\"cluster\":\"c\",\"tags\":[\"t\"]}");
    expect("{\"bucket\":\"b\",\"republish\":{\"src\":\"a\",\"dest\":\"b\"}}", "republish",
           "{\"src\":\"a\",\"dest\":\"b\"}");
    expect("{\"bucket\":\"b\",\"compression\":true}", "compression", "\"s2\"");
    expect("{\"bucket\":\"b\",\"compression\":false}", "compression", "none");
    expect("{\"bucket\":\"b\",\"metadata\":{\"a\":\"b\"}}", "metadata", "{\"a\":\"b\"}");
}

/* The window of duplicates is no longer than entries live. */
static void test_times(void **state)
{
    (void)state;
    static const char *const long_ttl = "{\"bucket\":\"b\",\"ttl\":3600000000000}";
    static const char *const short_ttl = "{\"bucket\":\"b\",\"ttl\":60000000000}";
    static const char *const marked = "{\"bucket\":\"b\",\"limit_marker_ttl\":1000000000}";
    expect(long_ttl, "max_age", "3600000000000");
    expect(long_ttl, "duplicate_window", "120000000000");
    expect(short_ttl, "max_age", "60000000000");
    expect(short_ttl, "duplicate_window", "60000000000");
    expect("{\"bucket\":\"b\",\"ttl\":120000000000}", "duplicate_window", "120000000000");
    expect("{\"bucket\":\"b\",\"ttl\":0}", "max_age", "0");
    expect("{\"bucket\":\"b\",\"ttl\":0}", "duplicate_window", "120000000000");
    expect(marked, "allow_msg_ttl", "true");
    expect(marked, "subject_delete_marker_ttl", "1000000000");
    expect("{\"bucket\":\"b\",\"limit_marker_ttl\":0}", "allow_msg_ttl", "none");
    expect("{\"bucket\":\"b\",\"limit_marker_ttl\":0}", "subject_delete_marker_ttl", "none");
}

/* Other buckets are named with or without the prefix of their streams; what says itself what becomes of its
 * subjects is left alone (ADR-57). */
static void test_origins(void **state)
{
    (void)state;
    static const char *const mirror = "{\"bucket\":\"b\",\"mirror\":{\"name\":\"a\",\"opt_start_seq\":7}}";
    expect(mirror, "mirror", "{\"name\":\"KV_a\",\"opt_start_seq\":7}");
    expect(mirror, "mirror_direct", "true");
    expect(mirror, "subjects", "none");
    expect(mirror, "deny_delete", "true");
    expect("{\"bucket\":\"b\",\"mirror\":{\"name\":\"KV_a\"}}", "mirror", "{\"name\":\"KV_a\"}");
    static const char *const made =
        "{\"name\":\"KV_a\",\"subject_transforms\":[{\"src\":\"$KV.a.>\",\"dest\":\"$KV.b.>\"}]}";
    char wanted[200];
    snprintf(wanted, sizeof wanted, "[%s]", made);
    expect("{\"bucket\":\"b\",\"sources\":[{\"name\":\"a\"}]}", "sources", wanted);
    expect("{\"bucket\":\"b\",\"sources\":[{\"name\":\"KV_a\",\"subject_transforms\":[]}]}", "sources",
           wanted);
    expect("{\"bucket\":\"b\",\"sources\":[{\"name\":\"a\"}]}", "subjects", "[\"$KV.b.>\"]");
    expect("{\"bucket\":\"b\",\"sources\":[]}", "sources", "[]");
    static const char *const own =
        "[{\"name\":\"x\",\"subject_transforms\":[{\"src\":\"y\",\"dest\":\"z\"}]},"
        "{\"name\":\"x\",\"filter_subject\":\"y\"}]";
    char json[300];
    snprintf(json, sizeof json, "{\"bucket\":\"b\",\"sources\":%s}", own);
    expect(json, "sources", own);
    /* The bucket of this name of another account. */
    expect("{\"bucket\":\"b\",\"sources\":[{\"name\":\"b\",\"external\":{\"api\":\"x\"}}]}", "sources",
           "[{\"name\":\"KV_b\",\"external\":{\"api\":\"x\"}}]");
}

static void expect_update(const char *json, const char *wanted)
{
    struct nki_doc bucket;
    struct nki_doc doc;
    char have[300];
    assert_int_equal(nki_doc_parse(&bucket, nki_str_z(json), NULL), NKI_OK);
    assert_int_equal(nki_kv_config(&bucket, false, &doc, NULL), NKI_OK);
    size_t len = nki_doc_write(doc.root, have, sizeof have - 1);
    have[len] = '\0';
    assert_string_equal(have, wanted);
    nki_doc_free(&doc);
    nki_doc_free(&bucket);
}

/* Nothing but what was given. */
static void test_update(void **state)
{
    (void)state;
    expect_update("{\"bucket\":\"b\"}", "{\"name\":\"KV_b\"}");
    expect_update("{\"bucket\":\"b\",\"history\":5}", "{\"name\":\"KV_b\",\"max_msgs_per_subject\":5}");
    expect_update("{\"bucket\":\"b\",\"ttl\":60000000000}",
                  "{\"name\":\"KV_b\",\"max_age\":60000000000,\"duplicate_window\":60000000000}");
    expect_update("{\"bucket\":\"b\",\"compression\":false}", "{\"name\":\"KV_b\",\"compression\":\"none\"}");
    expect_update("{\"bucket\":\"b\",\"compression\":true}", "{\"name\":\"KV_b\",\"compression\":\"s2\"}");
}

static const struct {
    const char *json;
    const char *names; /* what the error says */
} wrong[] = {
    {"[]", "object"},
    {"\"b\"", "object"},
    {"{}", "bucket"},
    {"{\"history\":5}", "bucket"},
    {"{\"bucket\":\"\"}", "bucket"},
    {"{\"bucket\":\"a.b\"}", "bucket"},
    {"{\"bucket\":\"a\\u0000b\"}", "bucket"},
    {"{\"bucket\":7}", "bucket"},
    {"{\"bucket\":null}", "bucket"},
    {"{\"bucket\":\"b\",\"history\":0}", "history"},
    {"{\"bucket\":\"b\",\"history\":65}", "history"},
    {"{\"bucket\":\"b\",\"history\":-1}", "history"},
    {"{\"bucket\":\"b\",\"history\":1.5}", "history"},
    {"{\"bucket\":\"b\",\"history\":\"5\"}", "history"},
    {"{\"bucket\":\"b\",\"ttl\":-1}", "ttl"},
    {"{\"bucket\":\"b\",\"ttl\":true}", "ttl"},
    {"{\"bucket\":\"b\",\"ttl\":18446744073709551615}", "ttl"},
    {"{\"bucket\":\"b\",\"limit_marker_ttl\":999999999}", "limit_marker_ttl"},
    {"{\"bucket\":\"b\",\"limit_marker_ttl\":1}", "limit_marker_ttl"},
    {"{\"bucket\":\"b\",\"limit_marker_ttl\":-1}", "limit_marker_ttl"},
    {"{\"bucket\":\"b\",\"limit_marker_ttl\":\"1s\"}", "limit_marker_ttl"},
    {"{\"bucket\":\"b\",\"description\":7}", "description"},
    {"{\"bucket\":\"b\",\"max_bytes\":\"7\"}", "max_bytes"},
    {"{\"bucket\":\"b\",\"max_value_size\":null}", "max_value_size"},
    {"{\"bucket\":\"b\",\"storage\":1}", "storage"},
    {"{\"bucket\":\"b\",\"num_replicas\":\"3\"}", "num_replicas"},
    {"{\"bucket\":\"b\",\"placement\":[]}", "placement"},
    {"{\"bucket\":\"b\",\"republish\":\"a\"}", "republish"},
    {"{\"bucket\":\"b\",\"compression\":1}", "compression"},
    {"{\"bucket\":\"b\",\"compression\":\"s2\"}", "compression"},
    {"{\"bucket\":\"b\",\"metadata\":[]}", "metadata"},
    {"{\"bucket\":\"b\",\"maxbytes\":7}", "maxbytes"}, /* no such members */
    {"{\"bucket\":\"b\",\"max_msgs_per_subject\":7}", "max_msgs_per_subject"},
    {"{\"bucket\":\"b\",\"name\":\"KV_c\"}", "name"},
    {"{\"bucket\":\"b\",\"\":1}", "member"},
    {"{\"bucket\":\"b\",\"mirror\":\"a\"}", "mirror"},
    {"{\"bucket\":\"b\",\"mirror\":{}}", "mirror"},
    {"{\"bucket\":\"b\",\"mirror\":{\"name\":\"a.b\"}}", "mirror"},
    {"{\"bucket\":\"b\",\"mirror\":{\"name\":\"a\"},\"sources\":[]}", "mirror"},
    {"{\"bucket\":\"b\",\"sources\":{}}", "sources"},
    {"{\"bucket\":\"b\",\"sources\":[7]}", "sources"},
    {"{\"bucket\":\"b\",\"sources\":[{\"name\":\"KV_\"}]}", "sources"},
};

static void test_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(wrong); i++) {
        struct nki_doc doc;
        struct nki_error err;
        int32_t status = make(wrong[i].json, &doc, &err);
        if (status != NKI_INVALID || strstr(err.text, wrong[i].names) == NULL) {
            fail_msg("%s: %d %s", wrong[i].json, status, status != NKI_OK ? err.text : "");
        }
        assert_int_equal(nki_alloc_bytes(), 0);
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    struct nki_doc bucket;
    long refused = 0;
    assert_int_equal(nki_doc_parse(&bucket,
                                   NKI_STR("{\"bucket\":\"b\",\"history\":5,\"limit_marker_ttl\":2000000000,"
                                           "\"placement\":{\"cluster\":\"c\"},\"compression\":true,"
                                           "\"sources\":[{\"name\":\"s\"}]}"),
                                   NULL),
                     NKI_OK);
    uint64_t before = nki_alloc_bytes();
    for (long nth = 1; refuse_begin(nth); nth++) {
        struct nki_doc doc;
        struct nki_error err;
        int32_t status = nki_kv_config(&bucket, true, &doc, &err);
        bool failed = refuse_happened();
        refuse_end();
        assert_int_equal(status, failed ? NKI_NO_MEMORY : NKI_OK);
        refused += failed;
        if (status == NKI_OK) {
            nki_doc_free(&doc);
        }
        assert_int_equal(nki_alloc_bytes(), before);
    }
    assert_true(refused > 0);
    nki_doc_free(&bucket);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),  cmocka_unit_test(test_members), cmocka_unit_test(test_times),
        cmocka_unit_test(test_origins),   cmocka_unit_test(test_update),  cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
