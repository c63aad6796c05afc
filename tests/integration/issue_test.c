/* Users whose JWTs the library issues, at a server with an operator, an account and signing keys of every
 * kind: who is let in, what a scope allows, when it ends. Operator and account are written here by hand, with
 * the library's keys and signatures. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct key {
    char seed[NATSKIT_NKEY_SEED_LEN + 1];
    char public[NATSKIT_NKEY_PUBLIC_LEN + 1];
};

static struct key operator_key;
static struct key account_key;
static struct key plain_key;  /* a signing key of the account */
static struct key scoped_key; /* one with a scope */

static struct key make_key(int32_t role)
{
    struct key key = {0};
    size_t len;
    assert_ok(natskit_nkey_create(role, key.seed, sizeof key.seed, &len, NULL));
    assert_ok(natskit_nkey_public(key.seed, len, key.public, sizeof key.public, &len, NULL));
    return key;
}

/* -- JWTs of operator and account ------------------------------------------------------------------------ */

static size_t base64url(const void *data, size_t len, char *out)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const uint8_t *in = data;
    size_t wrote = 0;
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < len; i++) {
        bits = (bits << 8 | in[i]) & 0xFFFF;
        for (have += 8; have >= 6; have -= 6) {
            out[wrote++] = letters[bits >> (have - 6) & 63];
        }
    }
    if (have > 0) {
        out[wrote++] = letters[bits << (6 - have) & 63];
    }
    out[wrote] = '\0';
    return wrote;
}

static void sign_claims(const struct key *issuer, const char *claims, char *out)
{
    static const char header[] = "{\"typ\":\"JWT\",\"alg\":\"ed25519-nkey\"}";
    uint8_t signature[NATSKIT_SIGNATURE_LEN];
    size_t len = base64url(header, sizeof header - 1, out);
    out[len++] = '.';
    len += base64url(claims, strlen(claims), out + len);
    assert_ok(natskit_nkey_sign(issuer->seed, Z, out, len, signature, NULL));
    out[len++] = '.';
    base64url(signature, sizeof signature, out + len);
}

static void make_claims(char *out, size_t cap, const char *subject, const char *nats)
{
    int len = snprintf(
        out, cap, "{\"jti\":\"x\",\"iat\":%lld,\"iss\":\"%s\",\"name\":\"test\",\"sub\":\"%s\",\"nats\":%s}",
        (long long)time(NULL), operator_key.public, subject, nats);
    assert_true(len > 0 && (size_t)len < cap);
}

#define UNLIMITED "\"subs\":-1,\"data\":-1,\"payload\":-1"

static void make_config(char *config, size_t cap)
{
    char claims[4096];
    char nats[2048];
    char operator_jwt[8192];
    char account_jwt[8192];
    make_claims(claims, sizeof claims, operator_key.public, "{\"type\":\"operator\",\"version\":2}");
    sign_claims(&operator_key, claims, operator_jwt);
    snprintf(
        nats, sizeof nats,
        "{\"limits\":{" UNLIMITED
        ",\"imports\":-1,\"exports\":-1,\"wildcards\":true,\"conn\":-1,\"leaf\":-1},"
        "\"signing_keys\":[\"%s\",{\"kind\":\"user_scope\",\"key\":\"%s\",\"role\":\"app\",\"template\":{"
        "\"pub\":{\"allow\":[\"app.{{name()}}.>\",\"region.{{tag(region)}}\"]},"
        "\"sub\":{\"allow\":[\"app.>\",\"region.>\"]}," UNLIMITED "}}],\"type\":\"account\",\"version\":2}",
        plain_key.public, scoped_key.public);
    make_claims(claims, sizeof claims, account_key.public, nats);
    sign_claims(&operator_key, claims, account_jwt);
    int len = snprintf(config, cap,
                       "listen: \"127.0.0.1:-1\"\noperator: \"%s\"\nresolver: MEMORY\n"
                       "resolver_preload: { %s: \"%s\" }\n",
                       operator_jwt, account_key.public, account_jwt);
    assert_true(len > 0 && (size_t)len < cap);
}

static int begin(void **state)
{
    (void)state;
    char config[32768];
    if (ts_server_program() == NULL) {
        puts("there is no nats-server: skipped");
        exit(77);
    }
    operator_key = make_key('O');
    account_key = make_key('A');
    plain_key = make_key('A');
    scoped_key = make_key('A');
    make_config(config, sizeof config);
    bench.server = ts_server_start(&(struct ts_server_opts){.config = config});
    if (bench.server == NULL) {
        return 1;
    }
    bench.tap = ts_tap_start(ts_server_url(bench.server));
    return bench.tap != NULL ? 0 : 1;
}

/* -- users ----------------------------------------------------------------------------------------------- */

struct user {
    const struct key *issuer;
    const char *account; /* NULL: not said */
    const char *name;
    const char *tags;
    int64_t valid_ms; /* 0: for ever */
    bool unscoped;
};

static void set(natskit_options options, const char *name, const char *value)
{
    natskit_error err = {0};
    if (value != NULL && natskit_options_set(options, name, Z, value, Z, &err) != NATSKIT_OK) {
        fail_msg("%s", err.text);
    }
}

/* The text of a new user's credentials file. */
static void make_creds(const struct user *user, char *creds, size_t cap)
{
    struct key key = make_key('U');
    natskit_options options;
    natskit_error err = {0};
    char jwt[4096];
    size_t len;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_USER_JWT, &options));
    set(options, "account", user->account);
    set(options, "name", user->name);
    set(options, "tags", user->tags);
    set(options, "scoped", user->unscoped ? "false" : "true");
    if (user->valid_ms > 0) {
        assert_ok(natskit_options_set_int(options, "valid_ms", Z, user->valid_ms, NULL));
    }
    if (natskit_jwt_issue_user(user->issuer->seed, Z, key.public, Z, options, jwt, sizeof jwt, &len, &err) !=
        NATSKIT_OK) {
        fail_msg("%s", err.text);
    }
    assert_ok(natskit_options_close(options));
    assert_ok(natskit_creds_format(jwt, len, key.seed, Z, creds, cap - 1, &len, NULL));
    creds[len] = '\0';
}

static natskit_status connect_with(const char *creds, natskit_conn *conn)
{
    natskit_options options;
    natskit_error err = {0};
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    set(options, "creds", creds);
    set(options, "reconnect", "false");
    natskit_status status = natskit_connect(ts_tap_url(bench.tap), Z, options, WAIT_MS, conn, &err);
    assert_ok(natskit_options_close(options));
    /* Neither JWT nor seed is told. */
    assert_null(strstr(err.text, "eyJ"));
    assert_null(strstr(err.text, "SU"));
    return status;
}

static natskit_conn connect_as(const struct user *user)
{
    char creds[8192];
    natskit_conn conn;
    make_creds(user, creds, sizeof creds);
    assert_ok(connect_with(creds, &conn));
    return conn;
}

/* Whether a message to `subject` comes back to a subscription of it. */
static bool may(natskit_conn conn, const char *subject)
{
    natskit_msg *msg;
    natskit_sub sub = bench_subscribe(conn, subject, NULL);
    bench_publish(conn, subject, "x");
    assert_ok(natskit_flush(conn, WAIT_MS));
    bool came = natskit_sub_next(sub, 0, &msg) == NATSKIT_OK;
    if (came) {
        assert_ok(natskit_msg_release(msg));
    }
    assert_ok(natskit_sub_close(sub));
    return came;
}

static void test_account(void **state)
{
    (void)state;
    natskit_conn conn = connect_as(&(struct user){.issuer = &account_key});
    assert_true(may(conn, "any.subject"));
    assert_ok(natskit_conn_close(conn, 0));
    conn = connect_as(&(struct user){.issuer = &account_key, .account = account_key.public, .name = "Ann"});
    assert_true(may(conn, "any.subject"));
    assert_ok(natskit_conn_close(conn, 0));
}

static void test_plain_signing_key(void **state)
{
    (void)state;
    natskit_conn conn =
        connect_as(&(struct user){.issuer = &plain_key, .account = account_key.public, .unscoped = true});
    assert_true(may(conn, "any.subject"));
    assert_ok(natskit_conn_close(conn, 0));
}

static void test_scope(void **state)
{
    (void)state;
    natskit_conn conn = connect_as(&(struct user){
        .issuer = &scoped_key, .account = account_key.public, .name = "ann", .tags = "region:eu,x:y"});
    assert_true(may(conn, "app.ann.a"));
    assert_true(may(conn, "region.eu"));
    assert_false(may(conn, "app.bob.a"));
    assert_false(may(conn, "region.us"));
    assert_false(may(conn, "any.subject"));
    assert_ok(natskit_conn_close(conn, 0));
}

static void test_expiry(void **state)
{
    (void)state;
    natskit_error err = {0};
    natskit_conn conn = connect_as(&(struct user){.issuer = &account_key, .valid_ms = 1500});
    assert_true(may(conn, "any.subject"));
    assert_status(natskit_conn_closed(conn, WAIT_MS, &err), NATSKIT_AUTH_EXPIRED);
    assert_ok(natskit_conn_close(conn, 0));
}

static void expect_refused(const char *creds)
{
    natskit_conn conn;
    assert_status(connect_with(creds, &conn), NATSKIT_AUTH);
}

static void test_refused(void **state)
{
    (void)state;
    struct key stranger = make_key('A');
    char creds[8192];
    char other[8192];
    /* Of an account that the server does not know, and of a key that is none of the account's. */
    make_creds(&(struct user){.issuer = &stranger}, creds, sizeof creds);
    expect_refused(creds);
    make_creds(&(struct user){.issuer = &stranger, .account = account_key.public}, creds, sizeof creds);
    expect_refused(creds);
    /* A signing key that does not tell its account. */
    make_creds(&(struct user){.issuer = &plain_key}, creds, sizeof creds);
    expect_refused(creds);
    /* Permissions of its own, where the scope's are the only ones. */
    make_creds(&(struct user){.issuer = &scoped_key, .account = account_key.public, .unscoped = true}, creds,
               sizeof creds);
    expect_refused(creds);
    /* The seed of another user. */
    make_creds(&(struct user){.issuer = &account_key}, creds, sizeof creds);
    make_creds(&(struct user){.issuer = &account_key}, other, sizeof other);
    char *seed = strstr(creds, "\nSU");
    const char *wrong = strstr(other, "\nSU");
    assert_true(seed != NULL && wrong != NULL);
    memcpy(seed, wrong, 1 + NATSKIT_NKEY_SEED_LEN);
    expect_refused(creds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_account), cmocka_unit_test(test_plain_signing_key),
        cmocka_unit_test(test_scope),   cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, begin, bench_end);
}
