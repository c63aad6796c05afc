/* Contexts: where they are looked for, names that lead elsewhere, what becomes of each member, variables,
 * what is refused without changing an option, and lack of memory. The environment is this program's own. */
#include "options/context.h"

#include "../base/cmocka_all.h"
#include "../base/refuse.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET "sw0rdf1sh"

static char home[64];

static void path_of(char path[256], const char *name)
{
    snprintf(path, 256, "%s/%s", home, name);
}

static void make_folder(const char *name)
{
    char path[256];
    path_of(path, name);
    assert_int_equal(mkdir(path, 0700), 0);
}

static void write_file(const char *name, const char *text)
{
    char path[256];
    path_of(path, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(home, sizeof home, "/tmp/nki-context-XXXXXX");
    if (mkdtemp(home) == NULL) {
        return -1;
    }
    make_folder(".config");
    make_folder(".config/nats");
    make_folder(".config/nats/context");
    write_file(".config/nats/context/prod.json", "{\"url\":\"nats://prod:4222\"}");
    write_file(".config/nats/context/a b.c.json", "{}");
    make_folder("xdg");
    make_folder("xdg/nats");
    make_folder("xdg/nats/context");
    write_file("xdg/nats/context/prod.json", "{\"url\":\"nats://xdg:4222\"}");
    unsetenv("XDG_CONFIG_HOME");
    return setenv("HOME", home, 1);
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", home);
    return system(command);
}

static void expect_read(const char *name, const char *text)
{
    struct nki_file file;
    struct nki_error err = {0};
    if (nki_context_read(nki_str_z(name), &file, &err) != NKI_OK) {
        fail_msg("%s: %s", name, err.text);
    }
    assert_string_equal(file.ptr, text);
    nki_file_free(&file);
}

static void expect_unread(const char *name, int32_t status, const char *says)
{
    struct nki_file file;
    struct nki_error err = {0};
    assert_int_equal(nki_context_read(nki_str_z(name), &file, &err), status);
    if (strstr(err.text, says) == NULL) {
        fail_msg("%s: %s", name, err.text);
    }
    assert_null(file.ptr);
}

static void test_places(void **state)
{
    (void)state;
    char path[256];
    expect_read("prod", "{\"url\":\"nats://prod:4222\"}");
    expect_read("a b.c", "{}");
    expect_unread("", NKI_NOT_FOUND, "context.txt");
    write_file(".config/nats/context.txt", "\n prod \r\n");
    expect_read("", "{\"url\":\"nats://prod:4222\"}");
    write_file(".config/nats/context.txt", " \n");
    expect_unread("", NKI_NOT_FOUND, "none is selected");
    write_file(".config/nats/context.txt", "../../secret");
    expect_unread("", NKI_INVALID, "name");
    expect_unread("test", NKI_NOT_FOUND, "context/test.json");
    path_of(path, "xdg");
    assert_int_equal(setenv("XDG_CONFIG_HOME", path, 1), 0);
    expect_read("prod", "{\"url\":\"nats://xdg:4222\"}");
    expect_unread("", NKI_NOT_FOUND, "context.txt");
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("HOME");
    expect_unread("prod", NKI_NOT_FOUND, "neither XDG_CONFIG_HOME nor HOME");
    assert_int_equal(setenv("HOME", home, 1), 0);
}

static void test_names(void **state)
{
    (void)state;
    static const char *const bad[] = {"a/b",  "../prod", "..",   ".",     ".prod",    "a\\b",
                                      "a..b", "/",       "a\nb", "a\x7f", "\xff\xfe", "a\tb"};
    char long_name[NKI_CONTEXT_NAME_MAX + 2];
    for (size_t i = 0; i < NKI_ARRAY_LEN(bad); i++) {
        expect_unread(bad[i], NKI_INVALID, "name");
    }
    struct nki_file file;
    assert_int_equal(nki_context_read(nki_str_make("a\0b", 3), &file, NULL), NKI_INVALID);
    memset(long_name, 'n', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    expect_unread(long_name, NKI_INVALID, "name");
}

static struct nki_options *make(void)
{
    struct nki_options *options = nki_options_new(NKI_SCOPE_CONNECT);
    assert_non_null(options);
    return options;
}

static void expect_option(const struct nki_options *options, enum nki_option_id id, const char *text)
{
    struct nki_str got = nki_options_str(options, id);
    assert_int_equal(got.len, strlen(text));
    assert_memory_equal(got.ptr, text, got.len);
}

static void test_members(void **state)
{
    (void)state;
    struct nki_options *options = make();
    struct nki_error err = {0};
    char wanted[256];
    assert_int_equal(setenv("NKI_TEST_KEYS", "/keys", 1), 0);
    if (nki_context_apply(
            NKI_STR("{\"description\":\"d\",\"url\":\"nats://a:1, tls://b\",\"token\":\"to$HOME\","
                    "\"user\":\"derek\",\"password\":\"~/p\\u00e4ss\",\"creds\":\"~/a.creds\","
                    "\"nkey\":\"$NKI_TEST_KEYS/u.nk\",\"cert\":\"${NKI_TEST_KEYS}_c.pem\","
                    "\"key\":\"/x/$NKI_TEST_KEYS$NKI_TEST_KEYS\",\"ca\":\"~user/ca\",\"nsc\":\"\","
                    "\"jetstream_domain\":\"hub\",\"inbox_prefix\":\"_IN.x\",\"user_jwt\":\"a.b.c\","
                    "\"color_scheme\":\"x\",\"tls_first\":true,\"socks_proxy\":\"\",\"new\":[1]}"),
            options, &err) != NKI_OK) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(nki_options_list_len(options, NKI_OPT_CONNECT_servers), 2);
    assert_true(nki_str_eq(nki_options_list_at(options, NKI_OPT_CONNECT_servers, 1), NKI_STR("tls://b")));
    expect_option(options, NKI_OPT_CONNECT_token, "to$HOME");
    expect_option(options, NKI_OPT_CONNECT_user, "derek");
    expect_option(options, NKI_OPT_CONNECT_password, "~/p\xc3\xa4ss");
    snprintf(wanted, sizeof wanted, "%s/a.creds", home);
    expect_option(options, NKI_OPT_CONNECT_creds_file, wanted);
    expect_option(options, NKI_OPT_CONNECT_nkey_seed_file, "/keys/u.nk");
    expect_option(options, NKI_OPT_CONNECT_tls_cert_file, "/keys_c.pem");
    expect_option(options, NKI_OPT_CONNECT_tls_key_file, "/x//keys/keys");
    expect_option(options, NKI_OPT_CONNECT_tls_ca_file, "~user/ca");
    expect_option(options, NKI_OPT_CONNECT_inbox_prefix, "_IN.x");
    expect_option(options, NKI_OPT_CONNECT_jwt, "a.b.c");
    assert_true(nki_options_bool(options, NKI_OPT_CONNECT_tls_first));
    nki_options_free(options);
}

/* What says nothing changes nothing. */
static void test_laid_over(void **state)
{
    (void)state;
    struct nki_options *options = make();
    assert_int_equal(nki_options_set(options, NKI_STR("user"), NKI_STR("before"), NULL), NKI_OK);
    assert_int_equal(nki_options_set(options, NKI_STR("token"), NKI_STR("before"), NULL), NKI_OK);
    assert_int_equal(nki_options_set(options, NKI_STR("tls_first"), NKI_STR("true"), NULL), NKI_OK);
    assert_int_equal(nki_context_apply(NKI_STR("{}"), options, NULL), NKI_OK);
    assert_int_equal(nki_context_apply(NKI_STR("{\"user\":\"\",\"token\":null,\"url\":\"\",\"creds\":\"\"}"),
                                       options, NULL),
                     NKI_OK);
    expect_option(options, NKI_OPT_CONNECT_user, "before");
    expect_option(options, NKI_OPT_CONNECT_token, "before");
    assert_true(nki_options_bool(options, NKI_OPT_CONNECT_tls_first));
    assert_int_equal(nki_context_apply(NKI_STR(" {\"user\":\"x\",\"user\":\"after\",\"tls_first\":false} "),
                                       options, NULL),
                     NKI_OK);
    expect_option(options, NKI_OPT_CONNECT_user, "after");
    assert_false(nki_options_bool(options, NKI_OPT_CONNECT_tls_first));
    nki_options_free(options);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"", "no JSON object"},
        {"[]", "no JSON object"},
        {"{\"url\":\"a\"", "no JSON object"},
        {"{\"url\":5}", "\"url\" is not a string"},
        {"{\"user\":{}}", "\"user\" is not a string"},
        {"{\"token\":\"" SECRET "\\u0000\"}", "\"token\" is not a string"},
        {"{\"tls_first\":\"true\"}", "\"tls_first\" is not true or false"},
        {"{\"nsc\":\"nsc://operator\"}", "\"nsc\" is nothing that natskit can do"},
        {"{\"socks_proxy\":\"socks5://x\"}", "\"socks_proxy\" is nothing"},
        {"{\"creds\":\"$NKI_TEST_NOT_SET/x\"}", "\"creds\" has a variable that is not set"},
        {"{\"key\":\"${NKI_TEST\"}", "\"key\" has a variable"},
        {"{\"ca\":\"a$\"}", "\"ca\" has a variable"},
        {"{\"ca\":\"a${}\"}", "\"ca\" has a variable"},
        {"{\"password\":\"" SECRET "\\n\"}", "\"password\": password: the text has control characters"},
        {"{\"inbox_prefix\":\"\\u0001\"}", "\"inbox_prefix\": "},
    };
    struct nki_options *options = make();
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_error err = {0};
        assert_int_equal(nki_context_apply(nki_str_z(rows[i][0]), options, &err), NKI_INVALID);
        if (strstr(err.text, rows[i][1]) == NULL || strstr(err.text, SECRET) != NULL) {
            fail_msg("%s: %s", rows[i][0], err.text);
        }
    }
    assert_int_equal(nki_context_apply(NKI_STR("{\"user\":\"derek\",\"tls_first\":5}"), options, NULL),
                     NKI_INVALID);
    expect_option(options, NKI_OPT_CONNECT_user, "");
    nki_options_free(options);
}

static void test_no_memory(void **state)
{
    (void)state;
    struct nki_options *options = make();
    uint64_t before = nki_alloc_bytes();
    write_file(".config/nats/context.txt", "prod");
    for (long nth = 1; refuse_begin(nth); nth++) {
        struct nki_file file;
        int32_t status = nki_context_read(nki_str_make("", 0), &file, NULL);
        assert_int_equal(status, refuse_happened() ? NKI_NO_MEMORY : NKI_OK);
        nki_file_free(&file);
        assert_int_equal(nki_alloc_bytes(), before);
    }
    for (long nth = 1; refuse_begin(nth); nth++) {
        int32_t status =
            nki_context_apply(NKI_STR("{\"url\":\"a,b\",\"creds\":\"~/$HOME/x\"}"), options, NULL);
        assert_int_equal(status, refuse_happened() ? NKI_NO_MEMORY : NKI_OK);
        assert_int_equal(nki_options_list_len(options, NKI_OPT_CONNECT_servers), refuse_happened() ? 0 : 2);
    }
    refuse_end();
    nki_options_free(options);
    assert_int_equal(nki_alloc_bytes(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),    cmocka_unit_test(test_names),   cmocka_unit_test(test_members),
        cmocka_unit_test(test_laid_over), cmocka_unit_test(test_refused), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
