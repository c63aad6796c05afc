/* The level of the API that a configuration wants, and the table of fields itself. One thread. */
#include "base/alloc.h"
#include "jetstream/fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static unsigned level_of(const char *json, const char *object)
{
    struct nki_doc doc;
    if (nki_doc_parse(&doc, nki_str_z(json), NULL) != NKI_OK) {
        fail_msg("%s is no JSON", json);
    }
    unsigned level = nki_js_config_level(&doc, doc.root, object);
    nki_doc_free(&doc);
    assert_int_equal(nki_alloc_bytes(), 0);
    return level;
}

static const struct row {
    const char *object;
    const char *json;
    unsigned level;
} rows[] = {
    {"stream", "{}", 0},
    {"stream", "{\"name\":\"S\",\"subjects\":[\"a\"],\"max_age\":5}", 0},
    {"stream", "{\"name\":\"S\",\"not_known\":true}", 0},
    {"stream", "{\"allow_msg_ttl\":true}", 1},
    {"stream", "{\"subject_delete_marker_ttl\":1000000000}", 1},
    {"stream", "{\"allow_atomic\":true}", 2},
    {"stream", "{\"allow_msg_counter\":true,\"allow_msg_ttl\":true}", 2},
    {"stream", "{\"allow_msg_ttl\":true,\"allow_msg_schedules\":true}", 2},
    {"stream", "{\"persist_mode\":\"async\"}", 2},
    {"stream", "{\"allow_batched\":true,\"allow_atomic\":true}", 4},
    {"consumer", "{\"pause_until\":\"2030-01-01T00:00:00Z\"}", 1},
    {"consumer", "{\"priority_groups\":[\"a\"]}", 1},
    {"consumer", "{\"priority_policy\":\"overflow\"}", 1},
    {"consumer", "{\"priority_policy\":\"pinned_client\",\"priority_groups\":[\"a\"]}", 1},
    {"consumer", "{\"priority_policy\":\"prioritized\"}", 2},
    {"consumer", "{\"priority_policy\":\"prioritized\",\"priority_groups\":[\"a\"]}", 2},
    {"consumer", "{\"priority_timeout\":5}", 1},
    {"consumer", "{\"ack_policy\":\"explicit\"}", 0},
    {"consumer", "{\"ack_policy\":\"flow_control\"}", 4},
    /* inside of objects, and of lists of them */
    {"stream", "{\"mirror\":{\"name\":\"T\"}}", 0},
    {"stream", "{\"mirror\":{\"name\":\"T\",\"consumer\":{\"name\":\"c\"}}}", 4},
    {"stream", "{\"sources\":[{\"name\":\"T\"},{\"name\":\"U\",\"consumer\":{\"name\":\"c\"}}]}", 4},
    {"stream", "{\"sources\":[{\"name\":\"T\"},{\"name\":\"U\",\"external\":{\"api\":\"x\"}}]}", 0},
    {"stream", "{\"mirror\":{\"name\":\"T\",\"consumer\":{}}}", 0},
    {"stream", "{\"sources\":[7,null,\"consumer\",[{\"consumer\":{\"name\":\"c\"}}]]}", 0},
    {"stream", "{\"sources\":{\"consumer\":{\"name\":\"c\"}}}", 0}, /* a list it has to be */
    {"stream", "{\"metadata\":{\"allow_atomic\":\"true\"}}", 0},
    /* what says no more than that there is none */
    {"stream", "{\"allow_msg_ttl\":false}", 0},
    {"stream", "{\"allow_msg_ttl\":null}", 0},
    {"stream", "{\"subject_delete_marker_ttl\":0}", 0},
    {"consumer", "{\"priority_groups\":[],\"pause_until\":\"\",\"priority_policy\":\"\"}", 0},
    /* fields of the other kind of configuration */
    {"consumer", "{\"allow_atomic\":true,\"allow_msg_ttl\":true}", 0},
    {"stream", "{\"pause_until\":\"2030-01-01T00:00:00Z\",\"priority_policy\":\"prioritized\"}", 0},
    /* no object */
    {"stream", "[]", 0},
    {"stream", "\"allow_atomic\"", 0},
};

static void test_levels(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        unsigned level = level_of(rows[i].json, rows[i].object);
        if (level != rows[i].level) {
            fail_msg("%s %s: %u", rows[i].object, rows[i].json, level);
        }
    }
}

static void test_is_set(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        bool set;
    } values[] = {
        {"null", false}, {"false", false},
        {"true", true},  {"0", false},
        {"1", true},     {"-1", true},
        {"\"\"", false}, {"\"0\"", true},
        {"[]", false},   {"[0]", true},
        {"{}", false},   {"{\"a\":null}", true},
        {"0.5", true},   {"18446744073709551615", true},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(values); i++) {
        struct nki_doc doc;
        assert_int_equal(nki_doc_parse(&doc, nki_str_z(values[i].json), NULL), NKI_OK);
        if (nki_js_is_set(doc.root) != values[i].set) {
            fail_msg("%s", values[i].json);
        }
        nki_doc_free(&doc);
    }
}

static bool has_object(const char *name)
{
    const struct nki_js_field_row *row;
    for (size_t i = 0; (row = nki_js_field_at(i)) != NULL; i++) {
        if (strcmp(row->object, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Each name once, and every object that is named is described. */
static void test_table(void **state)
{
    (void)state;
    const struct nki_js_field_row *row;
    size_t count = 0;
    for (; (row = nki_js_field_at(count)) != NULL; count++) {
        const struct nki_js_field_row *other;
        for (size_t k = 0; k < count && (other = nki_js_field_at(k)) != NULL; k++) {
            assert_false(strcmp(other->object, row->object) == 0 && strcmp(other->name, row->name) == 0);
        }
        bool names = row->type == NKI_JS_FIELD_OBJECT || row->type == NKI_JS_FIELD_OBJECTS;
        assert_true(!names || has_object(row->values));
        assert_int_equal(names || row->type == NKI_JS_FIELD_CHOICE, row->values[0] != '\0');
        assert_true(row->text[0] != '\0' && row->level <= 4);
    }
    assert_true(count > 60);
    assert_null(nki_js_field_at(count + 1));
    assert_null(nki_js_field_at(SIZE_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_is_set),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
