/* Options: the table itself, defaults, reading of each type, errors that keep the old value, secrets, and
 * lack of memory. */
#include "options/options.h"

#include "../base/cmocka_all.h"
#include "../base/refuse.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#define SECRET "sw0rdf1sh"

void __wrap_free(void *ptr);
void __real_free(void *ptr);

static unsigned leaks; /* blocks that were freed with the secret in them */

void __wrap_free(void *ptr)
{
    if (ptr != NULL && memmem(ptr, malloc_usable_size(ptr), SECRET, strlen(SECRET)) != NULL) {
        leaks++;
    }
    __real_free(ptr);
}

static struct nki_options *make(enum nki_scope scope)
{
    struct nki_options *options = nki_options_new(scope);
    assert_non_null(options);
    return options;
}

static int32_t set(struct nki_options *options, const char *name, const char *value, struct nki_error *err)
{
    return nki_options_set(options, nki_str_z(name), nki_str_z(value), err);
}

static void test_table_is_consistent(void **state)
{
    (void)state;
    size_t total = 0;
    for (int32_t scope = NKI_SCOPE_CONNECT; scope < NKI_SCOPE_COUNT; scope++) {
        const struct nki_option_row *row;
        for (size_t i = 0; (row = nki_option_at(scope, i)) != NULL; i++) {
            assert_int_equal(row->scope, scope);
            assert_in_range(row->type, NKI_OPTION_STRING, NKI_OPTION_TEXT);
            assert_true(row->min <= row->max);
            assert_true(strlen(row->name) > 0 && strlen(row->text) > 0 && strlen(row->since) > 0);
            assert_true(row->type != NKI_OPTION_BOOLEAN || (row->min == 0 && row->max == 1));
            assert_true(row->type != NKI_OPTION_DURATION || strcmp(row->unit, "ms") == 0);
            assert_true(row->type != NKI_OPTION_CHOICE || strchr(row->unit, '|') != NULL);
            assert_true(row->id < NKI_OPT_COUNT);
            for (size_t j = 0; j < i; j++) {
                assert_string_not_equal(nki_option_at(scope, j)->name, row->name);
                assert_int_not_equal(nki_option_at(scope, j)->id, row->id);
            }
            total++;
        }
    }
    assert_int_equal(total, NKI_OPT_COUNT);
    assert_null(nki_option_at(0, 0));
    assert_null(nki_option_at(NKI_SCOPE_COUNT, 0));
    assert_null(nki_option_at(NKI_SCOPE_CONNECT, SIZE_MAX));
}

static void test_defaults_are_those_of_the_table(void **state)
{
    (void)state;
    for (int32_t scope = NKI_SCOPE_CONNECT; scope < NKI_SCOPE_COUNT; scope++) {
        struct nki_options *options = make((enum nki_scope)scope);
        assert_int_equal(nki_options_scope(options), scope);
        const struct nki_option_row *row;
        for (size_t i = 0; (row = nki_option_at(scope, i)) != NULL; i++) {
            enum nki_option_id id = (enum nki_option_id)row->id;
            char text[32];
            switch (row->type) {
            case NKI_OPTION_STRING:
            case NKI_OPTION_TEXT:
                assert_true(nki_str_eq(nki_options_str(options, id), nki_str_z(row->default_text)));
                break;
            case NKI_OPTION_LIST:
                assert_int_equal(nki_options_list_len(options, id), 0);
                break;
            case NKI_OPTION_CHOICE:
                assert_int_equal(nki_options_choice(options, id), 0); /* the first word is the default */
                break;
            case NKI_OPTION_BOOLEAN:
                assert_int_equal(nki_options_bool(options, id), strcmp(row->default_text, "true") == 0);
                break;
            default:
                snprintf(text, sizeof text, "%" PRId64, nki_options_int(options, id));
                assert_string_equal(text, row->default_text);
            }
        }
        nki_options_free(options);
    }
    nki_options_free(NULL);
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value; /* INT64_MIN: refused */
    } rows[] = {
        {"1", 1},           {"3600000", 3600000},   {"250", 250},        {"0", INT64_MIN},
        {"-1", INT64_MIN},  {"3600001", INT64_MIN}, {"", INT64_MIN},     {"1s", INT64_MIN},
        {" 5", INT64_MIN},  {"5 ", INT64_MIN},      {"+5", INT64_MIN},   {"05", INT64_MIN},
        {"5.0", INT64_MIN}, {"1e3", INT64_MIN},     {"0x10", INT64_MIN}, {"99999999999999999999", INT64_MIN},
        {"true", INT64_MIN}};
    struct nki_options *options = make(NKI_SCOPE_CONNECT);
    int64_t kept = 10000;
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_error err = {0};
        bool good = rows[i].value != INT64_MIN;
        assert_int_equal(set(options, "ping_interval_ms", rows[i].text, &err), good ? NKI_OK : NKI_INVALID);
        kept = good ? rows[i].value : kept;
        assert_int_equal(nki_options_int(options, NKI_OPT_CONNECT_ping_interval_ms), kept);
        if (!good) {
            assert_int_equal(err.status, NKI_INVALID);
            assert_non_null(strstr(err.text, "ping_interval_ms"));
        }
    }
    /* -1 where the row allows it, and nowhere else. */
    assert_int_equal(set(options, "max_reconnect_attempts", "7", NULL), NKI_OK);
    assert_int_equal(set(options, "max_reconnect_attempts", "-1", NULL), NKI_OK);
    assert_int_equal(nki_options_int(options, NKI_OPT_CONNECT_max_reconnect_attempts), -1);
    assert_int_equal(set(options, "max_reconnect_attempts", "-2", NULL), NKI_INVALID);
    nki_options_free(options);
}

static void test_numbers_as_numbers(void **state)
{
    (void)state;
    struct nki_error err;
    struct nki_options *options = make(NKI_SCOPE_SUBSCRIBE);
    assert_int_equal(nki_options_set_int(options, NKI_STR("max_msgs"), INT64_C(9007199254740991), &err),
                     NKI_OK);
    assert_true(nki_options_int(options, NKI_OPT_SUBSCRIBE_max_msgs) == INT64_C(9007199254740991));
    assert_int_equal(nki_options_set_int(options, NKI_STR("max_msgs"), INT64_C(9007199254740992), &err),
                     NKI_INVALID);
    assert_non_null(strstr(err.text, "9007199254740992"));
    assert_int_equal(nki_options_set_int(options, NKI_STR("max_msgs"), INT64_MIN, &err), NKI_INVALID);
    assert_int_equal(nki_options_set_int(options, NKI_STR("pending_bytes_limit"), 1023, &err), NKI_INVALID);
    assert_non_null(strstr(err.text, "1024 to 1099511627776 bytes"));
    assert_true(nki_options_int(options, NKI_OPT_SUBSCRIBE_max_msgs) == INT64_C(9007199254740991));
    assert_int_equal(nki_options_set_int(options, NKI_STR("none"), 1, &err), NKI_UNKNOWN_OPTION);
    nki_options_free(options);

    options = make(NKI_SCOPE_CONNECT);
    assert_int_equal(nki_options_set_int(options, NKI_STR("verbose"), 1, NULL), NKI_OK);
    assert_true(nki_options_bool(options, NKI_OPT_CONNECT_verbose));
    assert_int_equal(nki_options_set_int(options, NKI_STR("verbose"), 2, &err), NKI_INVALID);
    assert_int_equal(nki_options_set_int(options, NKI_STR("name"), 5, &err), NKI_INVALID);
    assert_int_equal(nki_options_set_int(options, NKI_STR("servers"), 5, &err), NKI_INVALID);
    nki_options_free(options);
}

static void test_booleans(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "yes", "True", "TRUE", " true", "2", "-1", "01", "on", "truee"};
    struct nki_options *options = make(NKI_SCOPE_CONNECT);
    assert_int_equal(set(options, "reconnect", "0", NULL), NKI_OK);
    assert_false(nki_options_bool(options, NKI_OPT_CONNECT_reconnect));
    assert_int_equal(set(options, "reconnect", "1", NULL), NKI_OK);
    assert_true(nki_options_bool(options, NKI_OPT_CONNECT_reconnect));
    assert_int_equal(set(options, "reconnect", "false", NULL), NKI_OK);
    assert_false(nki_options_bool(options, NKI_OPT_CONNECT_reconnect));
    assert_int_equal(set(options, "reconnect", "true", NULL), NKI_OK);
    for (size_t i = 0; i < NKI_ARRAY_LEN(bad); i++) {
        assert_int_equal(set(options, "reconnect", bad[i], NULL), NKI_INVALID);
        assert_true(nki_options_bool(options, NKI_OPT_CONNECT_reconnect));
    }
    nki_options_free(options);
}

static void test_strings(void **state)
{
    (void)state;
    static const char *const bad[] = {"a\nb", "a\r", "\x01", "\x7f", "\xff", "\xc3", "\xed\xa0\x80", "tab\t"};
    char longest[257];
    struct nki_error err;
    struct nki_options *options = make(NKI_SCOPE_CONNECT);
    assert_int_equal(set(options, "name", " kept as it is, \xc3\xa4 ", NULL), NKI_OK);
    for (size_t i = 0; i < NKI_ARRAY_LEN(bad); i++) {
        assert_int_equal(set(options, "name", bad[i], &err), NKI_INVALID);
        assert_non_null(strstr(err.text, "name"));
    }
    assert_int_equal(nki_options_set(options, NKI_STR("name"), nki_str_make("a\0b", 3), &err), NKI_INVALID);
    memset(longest, 'x', sizeof longest);
    assert_int_equal(nki_options_set(options, NKI_STR("name"), nki_str_make(longest, 257), &err),
                     NKI_INVALID);
    assert_true(
        nki_str_eq(nki_options_str(options, NKI_OPT_CONNECT_name), NKI_STR(" kept as it is, \xc3\xa4 ")));
    assert_int_equal(nki_options_set(options, NKI_STR("name"), nki_str_make(longest, 256), &err), NKI_OK);
    struct nki_str name = nki_options_str(options, NKI_OPT_CONNECT_name);
    assert_int_equal(name.len, 256);
    assert_int_equal(name.ptr[256], 0); /* C functions may be given it */
    assert_int_equal(nki_options_set(options, NKI_STR("name"), nki_str_make(NULL, 0), &err), NKI_OK);
    assert_string_equal(nki_options_str(options, NKI_OPT_CONNECT_name).ptr, "");
    assert_int_equal(set(options, "inbox_prefix", "", &err), NKI_INVALID); /* below its minimum */
    assert_int_equal(nki_options_add(options, NKI_STR("name"), NKI_STR("x"), &err), NKI_INVALID);
    nki_options_free(options);
}

static void assert_servers(const struct nki_options *options, const char *joined)
{
    char text[4 * NKI_OPTION_ENTRY_MAX] = "";
    size_t len = 0;
    for (size_t i = 0; i < nki_options_list_len(options, NKI_OPT_CONNECT_servers); i++) {
        struct nki_str entry = nki_options_list_at(options, NKI_OPT_CONNECT_servers, i);
        assert_int_equal(entry.ptr[entry.len], 0);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s<%s>", i > 0 ? " " : "", entry.ptr);
    }
    assert_string_equal(text, joined);
}

static void test_lists(void **state)
{
    (void)state;
    static const char *const bad[] = {",", "a,", ",a", "a,,b", "a, ,b", "a\n", "a,\xff", "  ,  "};
    struct nki_error err;
    struct nki_options *options = make(NKI_SCOPE_CONNECT);
    assert_int_equal(set(options, "servers", " a:1 ,\tb:2,c:3 ", NULL), NKI_OK);
    assert_servers(options, "<a:1> <b:2> <c:3>");
    for (size_t i = 0; i < NKI_ARRAY_LEN(bad); i++) {
        assert_int_equal(set(options, "servers", bad[i], &err), NKI_INVALID);
        assert_non_null(strstr(err.text, "servers"));
        assert_servers(options, "<a:1> <b:2> <c:3>");
    }
    assert_int_equal(nki_options_add(options, NKI_STR("servers"), NKI_STR(" d,4 "), NULL), NKI_OK);
    assert_servers(options, "<a:1> <b:2> <c:3> <d,4>");
    assert_int_equal(nki_options_add(options, NKI_STR("servers"), NKI_STR(" "), &err), NKI_INVALID);
    assert_int_equal(nki_options_add(options, NKI_STR("serverz"), NKI_STR("x"), &err), NKI_UNKNOWN_OPTION);
    assert_servers(options, "<a:1> <b:2> <c:3> <d,4>");
    assert_int_equal(set(options, "servers", "one", NULL), NKI_OK);
    assert_servers(options, "<one>");
    assert_int_equal(set(options, "servers", " ", NULL), NKI_OK);
    assert_servers(options, "");
    nki_options_free(options);
}

static void test_lists_have_bounds(void **state)
{
    (void)state;
    struct nki_error err;
    struct nki_options *options = make(NKI_SCOPE_CONNECT);
    char text[2 * 65];
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] = i % 2 == 0 ? 'x' : ',';
    }
    assert_int_equal(nki_options_set(options, NKI_STR("servers"), nki_str_make(text, 129), &err),
                     NKI_INVALID);
    assert_non_null(strstr(err.text, "65 entries"));
    assert_int_equal(nki_options_set(options, NKI_STR("servers"), nki_str_make(text, 127), &err), NKI_OK);
    assert_int_equal(nki_options_list_len(options, NKI_OPT_CONNECT_servers), 64);
    assert_int_equal(nki_options_add(options, NKI_STR("servers"), NKI_STR("x"), &err), NKI_INVALID);
    assert_int_equal(nki_options_list_len(options, NKI_OPT_CONNECT_servers), 64);
    static char entry[NKI_OPTION_ENTRY_MAX + 1];
    memset(entry, 'e', sizeof entry);
    assert_int_equal(nki_options_set(options, NKI_STR("servers"), nki_str_make(entry, sizeof entry), &err),
                     NKI_INVALID);
    assert_int_equal(
        nki_options_set(options, NKI_STR("servers"), nki_str_make(entry, sizeof entry - 1), &err), NKI_OK);
    nki_options_free(options);
}

static void test_unknown_names(void **state)
{
    (void)state;
    static const struct {
        const char *name, *suggestion; /* NULL: none is near */
    } rows[] = {
        {"ping_intervall_ms", "\"ping_interval_ms\""},
        {"Ping_interval_ms", "\"ping_interval_ms\""},
        {"server", "\"servers\""},
        {"passwd", "\"password\""},
        {"max_pings", NULL},
        {"", NULL},
        {"abc", NULL},
        {"xyz", NULL},
        {"pending_msgs_limit", NULL}, /* of another scope */
        {"a name of far more than sixty-four characters that would make the error text unreadable", NULL},
        {"evil\nname\xff", NULL},
    };
    struct nki_options *options = make(NKI_SCOPE_CONNECT);
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_error err;
        assert_int_equal(set(options, rows[i].name, "1", &err), NKI_UNKNOWN_OPTION);
        assert_int_equal(err.status, NKI_UNKNOWN_OPTION);
        assert_null(strchr(err.text, '\n'));
        assert_int_equal(strstr(err.text, "did you mean") != NULL, rows[i].suggestion != NULL);
        if (rows[i].suggestion != NULL) {
            assert_non_null(strstr(err.text, rows[i].suggestion));
        }
    }
    assert_int_equal(nki_options_set(options, nki_str_make("name\0", 5), NKI_STR("x"), NULL),
                     NKI_UNKNOWN_OPTION);
    nki_options_free(options);
    for (int32_t scope = NKI_SCOPE_CONNECT; scope < NKI_SCOPE_COUNT; scope++) {
        struct nki_error err;
        options = make((enum nki_scope)scope);
        assert_int_equal(set(options, "any", "1", &err), NKI_UNKNOWN_OPTION);
        assert_non_null(strstr(err.text, ": no option \"any\""));
        assert_null(strstr(err.text, "(null)")); /* each scope has a name */
        nki_options_free(options);
    }
}

static void test_scopes_are_apart(void **state)
{
    (void)state;
    struct nki_options *sub = make(NKI_SCOPE_SUBSCRIBE);
    struct nki_options *events = make(NKI_SCOPE_EVENTS);
    assert_int_equal(set(sub, "pending_msgs_limit", "5", NULL), NKI_OK);
    assert_int_equal(nki_options_int(sub, NKI_OPT_SUBSCRIBE_pending_msgs_limit), 5);
    assert_int_equal(nki_options_int(events, NKI_OPT_EVENTS_pending_msgs_limit), 1024);
    nki_options_free(sub);
    nki_options_free(events);
}

static void test_clone_is_a_copy(void **state)
{
    (void)state;
    struct nki_options *options = make(NKI_SCOPE_CONNECT);
    assert_int_equal(set(options, "servers", "a,b", NULL), NKI_OK);
    assert_int_equal(set(options, "name", "first", NULL), NKI_OK);
    assert_int_equal(set(options, "verbose", "true", NULL), NKI_OK);
    assert_int_equal(set(options, "outbox_bytes", "65536", NULL), NKI_OK);
    struct nki_options *clone = nki_options_clone(options);
    assert_int_equal(nki_options_scope(clone), NKI_SCOPE_CONNECT);
    assert_int_equal(set(options, "servers", "c", NULL), NKI_OK);
    assert_int_equal(set(options, "name", "second", NULL), NKI_OK);
    nki_options_free(options);
    assert_servers(clone, "<a> <b>");
    assert_string_equal(nki_options_str(clone, NKI_OPT_CONNECT_name).ptr, "first");
    assert_true(nki_options_bool(clone, NKI_OPT_CONNECT_verbose));
    assert_int_equal(nki_options_int(clone, NKI_OPT_CONNECT_outbox_bytes), 65536);
    nki_options_free(clone);
}

static void test_secrets_are_wiped_and_not_told(void **state)
{
    (void)state;
    struct nki_error err;
    struct nki_options *options = make(NKI_SCOPE_CONNECT);
    leaks = 0;
    assert_int_equal(set(options, "password", SECRET, NULL), NKI_OK);
    assert_int_equal(set(options, "password", "x" SECRET, NULL), NKI_OK); /* replaced */
    assert_int_equal(set(options, "token", SECRET, NULL), NKI_OK);
    assert_int_equal(set(options, "servers", "u:" SECRET "@a,u:" SECRET "@b", NULL), NKI_OK);
    assert_int_equal(nki_options_add(options, NKI_STR("servers"), NKI_STR("u:" SECRET "@c"), NULL), NKI_OK);
    assert_int_equal(set(options, "servers", "u:" SECRET "@a,,", NULL), NKI_INVALID);
    struct nki_options *clone = nki_options_clone(options);
    nki_options_free(options);
    static const char *const names[] = {"password",         "token",  "servers", "name",
                                        "ping_interval_ms", "verbose"};
    for (size_t i = 0; i < NKI_ARRAY_LEN(names); i++) {
        assert_int_equal(set(clone, names[i], SECRET "\n", &err), NKI_INVALID);
        assert_null(strstr(err.text, SECRET));
    }
    nki_options_free(clone);
    assert_int_equal(leaks, 0);
}

/* All that takes memory; stops at the first failure, which has to be that. */
static bool use_all(struct nki_options **options, struct nki_options **clone)
{
    struct nki_error err;
    *options = nki_options_new(NKI_SCOPE_CONNECT);
    if (*options == NULL) {
        return false;
    }
    int32_t status = set(*options, "password", SECRET, &err);
    status = status == NKI_OK ? set(*options, "servers", "a" SECRET ",b,c", &err) : status;
    status = status == NKI_OK ? nki_options_add(*options, NKI_STR("servers"), NKI_STR("d"), &err) : status;
    if (status != NKI_OK) {
        assert_int_equal(status, NKI_NO_MEMORY);
        assert_int_equal(err.status, NKI_NO_MEMORY);
        return false;
    }
    *clone = nki_options_clone(*options);
    return *clone != NULL;
}

static void test_without_memory_the_old_value_stays(void **state)
{
    (void)state;
    uint64_t before = nki_alloc_bytes();
    long rounds = 0;
    leaks = 0;
    for (long nth = 1; refuse_begin(nth); nth++) {
        struct nki_options *options = NULL;
        struct nki_options *clone = NULL;
        bool done = use_all(&options, &clone);
        assert_int_equal(done, !refuse_happened());
        refuse_end();
        if (options != NULL) {
            size_t count = nki_options_list_len(options, NKI_OPT_CONNECT_servers);
            assert_true(count == 0 || count == 3 || count == 4); /* all of a list or nothing of it */
        }
        nki_options_free(options);
        nki_options_free(clone);
        assert_int_equal(nki_alloc_bytes(), before);
        rounds++;
    }
    assert_true(rounds > 15);
    assert_int_equal(leaks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_consistent),
        cmocka_unit_test(test_defaults_are_those_of_the_table),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_numbers_as_numbers),
        cmocka_unit_test(test_booleans),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_lists_have_bounds),
        cmocka_unit_test(test_unknown_names),
        cmocka_unit_test(test_scopes_are_apart),
        cmocka_unit_test(test_clone_is_a_copy),
        cmocka_unit_test(test_secrets_are_wiped_and_not_told),
        cmocka_unit_test(test_without_memory_the_old_value_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
