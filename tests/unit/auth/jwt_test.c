/* JWTs: what is issued, byte by byte, with a signature and an id that hold; what is refused; reading when one
 * expires, out of malformed ones, too. */
#include "auth/jwt.h"

#include "../base/cmocka_all.h"
#include "auth/base32.h"
#include "auth/nkey.h"
#include "base/base64.h"

#include <stdio.h>

#define ACCOUNT_SEED "SAAASUPRY3ONU4GJR7J5RUVYRUFZXG56F4WEXELLLORQ65AEPSMIFTOJGE"
#define ACCOUNT "AAPQJQUPKVXGW5CZH5G2HFJULYSKDELAZRVWJA26VDZO7WSBUNIYRFNQ"
#define USER "UCK5N7N66OBOINFXAYC2ACJQYFSOD4VYNU6APEJTAVFZB2SVHLKGEW7L"
#define USER_SEED "SUAMLK2ZNL35WSMW37E7UD4VZ7ELPKW7DHC3BWBSD2GCZ7IUQQXZIORRBU"

static char other_account[NKI_NKEY_PUBLIC_LEN + 1];

static int make_account(void **state)
{
    (void)state;
    char seed[NKI_NKEY_SEED_LEN];
    struct nki_nkey key;
    nki_nkey_create('A', seed);
    assert_int_equal(nki_nkey_read_seed(nki_str_make(seed, sizeof seed), &key, NULL), NKI_OK);
    return nki_nkey_public(&key, other_account, NULL);
}

/* Issues, checks the signature, and gives the claims as text; the id in them is checked and cut out. */
static void issue(const struct nki_jwt_user *user, char claims[2048])
{
    struct nki_buf out = {0};
    struct nki_nkey key;
    uint8_t signature[NKI_ED25519_SIGNATURE];
    uint8_t hash[NKI_SHA256_BYTES];
    char id[NKI_BASE32_LEN(NKI_SHA256_BYTES) + 1] = {0};
    assert_true(nki_buf_append_str(&out, NKI_STR("before ")));
    assert_int_equal(nki_jwt_issue_user(&out, nki_str_z(ACCOUNT_SEED), user, NULL), NKI_OK);
    struct nki_str text = nki_str_make((const char *)out.data + 7, out.len - 7);
    struct nki_str rest = text;
    struct nki_str head = nki_str_cut(&rest, '.');
    struct nki_str body = nki_str_cut(&rest, '.');
    assert_true(nki_jwt_shape_ok(text));
    assert_int_equal(nki_base64_decode(NKI_BASE64_URL, rest, signature, sizeof signature), sizeof signature);
    assert_int_equal(nki_nkey_read_public(nki_str_z(ACCOUNT), &key, NULL), NKI_OK);
    assert_int_equal(
        nki_ed25519_verify(key.bytes, nki_str_make(text.ptr, head.len + 1 + body.len), signature, NULL),
        NKI_OK);
    ptrdiff_t len = nki_base64_decode(NKI_BASE64_URL, head, claims, 2047);
    assert_int_equal(len, 34);
    assert_memory_equal(claims, "{\"typ\":\"JWT\",\"alg\":\"ed25519-nkey\"}", 34);
    len = nki_base64_decode(NKI_BASE64_URL, body, claims, 2047);
    assert_true(len > 0);
    claims[len] = '\0';
    char *at = strstr(claims, "\"jti\":\"");
    assert_non_null(at);
    at += 7;
    memcpy(id, at, sizeof id - 1);
    memmove(at, at + sizeof id - 1, strlen(at + sizeof id - 1) + 1);
    char again[sizeof id] = {0};
    assert_int_equal(nki_sha256(nki_str_z(claims), hash, NULL), NKI_OK);
    nki_base32_encode(hash, sizeof hash, again);
    assert_string_equal(id, again);
    nki_buf_free(&out);
}

static void test_scoped(void **state)
{
    (void)state;
    static const struct nki_str tags[] = {
        {" region:EU ", 11}, {"", 0}, {"a\"b", 3}, {"region:EU", 9}, {"  ", 2}};
    struct nki_jwt_user user = {
        .user = NKI_STR(USER),
        .account = nki_str_z(other_account),
        .name = NKI_STR("Anna \"\xc3\x84\""),
        .tags = tags,
        .tag_count = NKI_ARRAY_LEN(tags),
        .issued_s = 1626720255,
        .expires_s = 1632077055,
        .scoped = true,
    };
    char claims[2048];
    char wanted[2048];
    issue(&user, claims);
    snprintf(wanted, sizeof wanted,
             "{\"exp\":1632077055,\"jti\":\"\",\"iat\":1626720255,\"iss\":\"" ACCOUNT
             "\",\"name\":\"Anna \\\"\xc3\x84\\\"\",\"sub\":\"" USER
             "\",\"nats\":{\"type\":\"user\",\"version\":2,\"issuer_account\":\"%s\","
             "\"tags\":[\"region:EU\",\"a\\\"b\"]}}",
             other_account);
    assert_string_equal(claims, wanted);
}

#define PLAIN                                                                                                \
    "{\"jti\":\"\",\"iat\":1626720255,\"iss\":\"" ACCOUNT "\",\"name\":\"" USER "\",\"sub\":\"" USER         \
    "\",\"nats\":{\"pub\":{},\"sub\":{},\"subs\":-1,\"data\":-1,\"payload\":-1,\"type\":\"user\","           \
    "\"version\":2"

/* An account's own key has no scope, whatever was asked for; a signing key need not have one. */
static void test_plain(void **state)
{
    (void)state;
    struct nki_jwt_user user = {.user = NKI_STR(USER), .issued_s = 1626720255, .scoped = true};
    char claims[2048];
    char wanted[2048];
    issue(&user, claims);
    assert_string_equal(claims, PLAIN "}}");
    user.account = NKI_STR(ACCOUNT);
    issue(&user, claims);
    assert_string_equal(claims, PLAIN "}}");
    user.account = nki_str_z(other_account);
    user.scoped = false;
    issue(&user, claims);
    snprintf(wanted, sizeof wanted, PLAIN ",\"issuer_account\":\"%s\"}}", other_account);
    assert_string_equal(claims, wanted);
}

static void expect_refused(const char *seed, const struct nki_jwt_user *user, int32_t status,
                           const char *says)
{
    struct nki_buf out = {0};
    struct nki_error err = {0};
    assert_int_equal(nki_jwt_issue_user(&out, nki_str_z(seed), user, &err), status);
    if (strstr(err.text, says) == NULL) {
        fail_msg("%s", err.text);
    }
    assert_null(strstr(err.text, "SUAM"));
    nki_buf_free(&out);
}

static void test_refused(void **state)
{
    (void)state;
    static char long_name[NKI_JWT_NAME_MAX + 1];
    const struct nki_jwt_user good = {.user = NKI_STR(USER)};
    struct nki_jwt_user user = good;
    expect_refused(USER_SEED, &user, NKI_CREDENTIALS, "the seed is a user's");
    expect_refused("", &user, NKI_CREDENTIALS, "the seed is none");
    expect_refused(ACCOUNT, &user, NKI_CREDENTIALS, "the seed is none");
    user.user = NKI_STR(ACCOUNT);
    expect_refused(ACCOUNT_SEED, &user, NKI_CREDENTIALS, "user: the key is an account's, not a user's");
    user.user = NKI_STR(USER_SEED);
    expect_refused(ACCOUNT_SEED, &user, NKI_CREDENTIALS, "user: a seed stands where");
    user.user = nki_str_make("", 0);
    expect_refused(ACCOUNT_SEED, &user, NKI_CREDENTIALS, "user: ");
    user = good;
    user.account = NKI_STR(USER);
    expect_refused(ACCOUNT_SEED, &user, NKI_CREDENTIALS, "account: the key is a user's");
    user = good;
    user.name = NKI_STR("a\nb");
    expect_refused(ACCOUNT_SEED, &user, NKI_INVALID, "name: ");
    user.name = NKI_STR("\xff");
    expect_refused(ACCOUNT_SEED, &user, NKI_INVALID, "name: ");
    memset(long_name, 'n', sizeof long_name);
    user.name = nki_str_make(long_name, sizeof long_name);
    expect_refused(ACCOUNT_SEED, &user, NKI_INVALID, "name: ");
    user = good;
    struct nki_str tag = NKI_STR("a\x7f");
    user.tags = &tag;
    user.tag_count = 1;
    expect_refused(ACCOUNT_SEED, &user, NKI_INVALID, "tag: ");
}

static int32_t expiry_of(const char *claims, int64_t *expires)
{
    char text[512] = "e30.";
    size_t len = 4 + nki_base64_encode(NKI_BASE64_URL, claims, strlen(claims), text + 4);
    memcpy(text + len, ".c2ln", 6);
    return nki_jwt_expiry(nki_str_z(text), expires, NULL);
}

static void test_expiry(void **state)
{
    (void)state;
    static const struct {
        const char *claims;
        int32_t status;
        int64_t expires;
    } rows[] = {
        {"{}", NKI_OK, 0},
        {"{\"exp\":1632077055}", NKI_OK, 1632077055},
        {"{\"exp\":0}", NKI_OK, 0},
        {"{\"exp\":null}", NKI_OK, 0},
        {"{\"nats\":{\"exp\":5}}", NKI_OK, 0},
        {"{\"exp\":9223372036854775807}", NKI_OK, INT64_MAX},
        {"{\"exp\":9223372036854775808}", NKI_CREDENTIALS, 0},
        {"{\"exp\":-1}", NKI_CREDENTIALS, 0},
        {"{\"exp\":\"5\"}", NKI_CREDENTIALS, 0},
        {"{\"exp\":1.5}", NKI_CREDENTIALS, 0},
        {"[]", NKI_CREDENTIALS, 0},
        {"{", NKI_CREDENTIALS, 0},
        {"{} x", NKI_CREDENTIALS, 0},
        {" ", NKI_CREDENTIALS, 0},
    };
    int64_t expires;
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        assert_int_equal(expiry_of(rows[i].claims, &expires), rows[i].status);
        assert_true(rows[i].status != NKI_OK || expires == rows[i].expires);
    }
    static const char *const bad[] = {
        "", ".", "..", "a.b", "e30.e30.", "e30.e3.c2ln", "e30.e30=.c2ln", "e30.e30.c2ln.x", "e30.e30.c2 n"};
    for (size_t i = 0; i < NKI_ARRAY_LEN(bad); i++) {
        struct nki_error err;
        assert_int_equal(nki_jwt_expiry(nki_str_z(bad[i]), &expires, &err), NKI_CREDENTIALS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scoped),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_expiry),
    };
    return cmocka_run_group_tests(tests, make_account, NULL);
}
