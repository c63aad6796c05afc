/* Keys, JWTs, credentials and contexts at the interface: what comes out goes in again, lengths and buffers,
 * wrong keys, and that neither errors nor freed memory hold a seed. One thread. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SEED "SUAMLK2ZNL35WSMW37E7UD4VZ7ELPKW7DHC3BWBSD2GCZ7IUQQXZIORRBU"
#define PUBLIC "UCK5N7N66OBOINFXAYC2ACJQYFSOD4VYNU6APEJTAVFZB2SVHLKGEW7L"

struct key {
    char seed[NATSKIT_NKEY_SEED_LEN];
    char public[NATSKIT_NKEY_PUBLIC_LEN];
};

static struct key make_key(int32_t role)
{
    struct key key;
    size_t len;
    assert_ok(natskit_nkey_create(role, key.seed, sizeof key.seed, &len, NULL));
    assert_int_equal(len, sizeof key.seed);
    assert_ok(natskit_nkey_public(key.seed, len, key.public, sizeof key.public, &len, NULL));
    assert_int_equal(len, sizeof key.public);
    assert_int_equal(key.public[0], role);
    return key;
}

static void test_keys(void **state)
{
    (void)state;
    uint8_t signature[NATSKIT_SIGNATURE_LEN];
    char text[64];
    size_t len = 0;
    natskit_error err = {0};
    assert_ok(natskit_nkey_public(SEED, Z, text, sizeof text, &len, &err));
    assert_true(fx_is(text, len, PUBLIC));
    text[0] = 'x';
    assert_status(natskit_nkey_public(SEED, Z, text, 55, &len, &err), NATSKIT_LIMIT);
    assert_int_equal(len, NATSKIT_NKEY_PUBLIC_LEN);
    assert_status(natskit_nkey_create('U', text, 57, &len, &err), NATSKIT_LIMIT);
    assert_int_equal(len, NATSKIT_NKEY_SEED_LEN);
    assert_status(natskit_nkey_create('U', NULL, 0, &len, &err), NATSKIT_LIMIT);
    assert_int_equal(text[0], 'x');
    for (const char *role = "UAONC"; *role != '\0'; role++) {
        struct key key = make_key(*role);
        struct key other = make_key(*role);
        assert_ok(natskit_nkey_sign(key.seed, sizeof key.seed, "data", 4, signature, &err));
        assert_ok(natskit_nkey_verify(key.public, sizeof key.public, "data", 4, signature, 64, &err));
        assert_status(natskit_nkey_verify(key.public, sizeof key.public, "date", 4, signature, 64, &err),
                      NATSKIT_SIGNATURE);
        assert_status(natskit_nkey_verify(other.public, sizeof other.public, "data", 4, signature, 64, &err),
                      NATSKIT_SIGNATURE);
        assert_status(natskit_nkey_verify(key.public, sizeof key.public, "data", 4, signature, 63, &err),
                      NATSKIT_SIGNATURE);
    }
    assert_ok(natskit_nkey_sign(SEED, Z, NULL, 0, signature, NULL));
    assert_ok(natskit_nkey_verify(PUBLIC, Z, NULL, 0, signature, 64, NULL));
}

static void test_wrong_keys(void **state)
{
    (void)state;
    uint8_t signature[NATSKIT_SIGNATURE_LEN];
    char text[64];
    size_t len;
    natskit_error err = {0};
    assert_status(natskit_nkey_create('X', text, sizeof text, &len, &err), NATSKIT_INVALID);
    assert_status(natskit_nkey_create('u', text, sizeof text, &len, &err), NATSKIT_INVALID);
    assert_status(natskit_nkey_create('U' + 256, text, sizeof text, &len, &err), NATSKIT_INVALID);
    assert_status(natskit_nkey_public(PUBLIC, Z, text, sizeof text, &len, &err), NATSKIT_CREDENTIALS);
    assert_status(natskit_nkey_sign("SUAM", Z, "x", 1, signature, &err), NATSKIT_CREDENTIALS);
    assert_status(natskit_nkey_sign("", 0, "x", 1, signature, &err), NATSKIT_CREDENTIALS);
    assert_status(natskit_nkey_verify(SEED, Z, "x", 1, signature, 64, &err), NATSKIT_CREDENTIALS);
    assert_int_equal(err.status, NATSKIT_CREDENTIALS);
    assert_null(strstr(err.text, "SUAM"));
}

static void test_issue(void **state)
{
    (void)state;
    struct key account = make_key('A');
    struct key signing = make_key('A');
    struct key user = make_key('U');
    natskit_options options;
    char jwt[4096];
    size_t len = 0;
    size_t whole = 0;
    int64_t expires = -1;
    natskit_error err = {0};
    assert_ok(
        natskit_jwt_issue_user(account.seed, 58, user.public, 56, NO_OPTIONS, jwt, sizeof jwt, &len, &err));
    assert_true(len < 2048);
    assert_ok(natskit_jwt_expiry(jwt, len, &expires, &err));
    assert_int_equal(expires, 0);
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_USER_JWT, &options));
    assert_ok(natskit_options_set(options, "account", Z, account.public, 56, &err));
    assert_ok(natskit_options_set(options, "name", Z, "Anna", Z, &err));
    assert_ok(natskit_options_set_int(options, "valid_ms", Z, 60001, &err));
    assert_ok(natskit_options_add(options, "tags", Z, "a,b", Z, &err));
    int64_t begin = time(NULL);
    assert_ok(
        natskit_jwt_issue_user(signing.seed, 58, user.public, 56, options, jwt, sizeof jwt, &whole, &err));
    assert_ok(natskit_jwt_expiry(jwt, whole, &expires, &err));
    assert_int_equal(expires % 1000000000, 0);
    assert_in_range(expires / 1000000000, (uint64_t)begin + 60, (uint64_t)time(NULL) + 62);
    jwt[0] = 'x';
    assert_status(
        natskit_jwt_issue_user(signing.seed, 58, user.public, 56, options, jwt, whole - 1, &len, &err),
        NATSKIT_LIMIT);
    assert_int_equal(jwt[0], 'x');
    assert_int_equal(len, whole);
    assert_status(
        natskit_jwt_issue_user(user.seed, 58, user.public, 56, options, jwt, sizeof jwt, &len, &err),
        NATSKIT_CREDENTIALS);
    assert_status(
        natskit_jwt_issue_user(signing.seed, 58, account.public, 56, options, jwt, sizeof jwt, &len, &err),
        NATSKIT_CREDENTIALS);
    assert_ok(natskit_options_set(options, "account", Z, user.public, 56, &err));
    assert_status(
        natskit_jwt_issue_user(signing.seed, 58, user.public, 56, options, jwt, sizeof jwt, &len, &err),
        NATSKIT_CREDENTIALS);
    assert_non_null(strstr(err.text, "account"));
    assert_status(natskit_jwt_expiry("nonsense", Z, &expires, &err), NATSKIT_CREDENTIALS);
    assert_ok(natskit_options_close(options));
    assert_status(
        natskit_jwt_issue_user(signing.seed, 58, user.public, 56, options, jwt, sizeof jwt, &len, &err),
        NATSKIT_CLOSED);
}

static void test_far_expiry(void **state)
{
    (void)state;
    int64_t expires = 0;
    /* {"exp":9223372036854775807} */
    assert_ok(natskit_jwt_expiry("e30.eyJleHAiOjkyMjMzNzIwMzY4NTQ3NzU4MDd9.c2ln", Z, &expires, NULL));
    assert_true(expires == INT64_MAX);
}

static void test_creds(void **state)
{
    (void)state;
    natskit_error err = {0};
    char text[1024];
    size_t len = 0;
    size_t again = 0;
    natskit_options options;
    assert_ok(natskit_creds_format("a.b.c", Z, SEED, Z, text, sizeof text, &len, &err));
    assert_non_null(memmem(text, len, "\na.b.c\n", 7));
    assert_non_null(memmem(text, len, "\n" SEED "\n", 60));
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    assert_ok(natskit_options_set(options, "creds", Z, text, len, &err));
    assert_ok(natskit_options_close(options));
    assert_status(natskit_creds_format("a.b.c", Z, SEED, Z, text, len - 1, &again, &err), NATSKIT_LIMIT);
    assert_int_equal(again, len);
    assert_status(natskit_creds_format("a.b", Z, SEED, Z, text, sizeof text, &len, &err),
                  NATSKIT_CREDENTIALS);
    assert_status(natskit_creds_format("a.b.c", Z, PUBLIC, Z, text, sizeof text, &len, &err),
                  NATSKIT_CREDENTIALS);
    struct key account = make_key('A');
    assert_status(natskit_creds_format("a.b.c", Z, account.seed, 58, text, sizeof text, &len, &err),
                  NATSKIT_CREDENTIALS);
    char *jwt = malloc(66000);
    memset(jwt, 'a', 66000);
    memcpy(jwt, "a.b.", 4);
    assert_status(natskit_creds_format(jwt, 66000, SEED, Z, NULL, 0, &len, &err), NATSKIT_CREDENTIALS);
    free(jwt);
}

static void test_context(void **state)
{
    (void)state;
    char folder[] = "/tmp/natskit-auth-XXXXXX";
    char path[128];
    natskit_options options;
    natskit_options other;
    natskit_error err = {0};
    assert_non_null(mkdtemp(folder));
    assert_int_equal(setenv("XDG_CONFIG_HOME", folder, 1), 0);
    snprintf(path, sizeof path, "%s/nats", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/nats/context", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/nats/context/test.json", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("{\"url\":\"127.0.0.1:1\",\"user\":\"derek\"}", file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_SUBSCRIBE, &other));
    assert_ok(natskit_options_context(options, "test", Z, &err));
    assert_status(natskit_options_context(options, "none", Z, &err), NATSKIT_NOT_FOUND);
    assert_non_null(strstr(err.text, "none.json"));
    assert_status(natskit_options_context(options, NULL, 0, &err), NATSKIT_NOT_FOUND);
    assert_status(natskit_options_context(options, "../x", Z, &err), NATSKIT_INVALID);
    assert_status(natskit_options_context(other, "test", Z, &err), NATSKIT_INVALID);
    assert_status(natskit_options_context((natskit_options){0}, "test", Z, &err), NATSKIT_BAD_HANDLE);
    natskit_conn conn;
    assert_status(natskit_connect(NULL, 0, options, 5 * SECONDS, &conn, &err), NATSKIT_CONNECT_REFUSED);
    assert_ok(natskit_options_close(options));
    assert_ok(natskit_options_close(other));
    unlink(path);
    for (size_t cut = strlen(path); cut > strlen(folder); cut--) {
        if (path[cut] == '/') {
            path[cut] = '\0';
            rmdir(path);
        }
    }
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_keys, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_wrong_keys, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_issue, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_far_expiry, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_creds, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_context, fx_mark, fx_check_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
