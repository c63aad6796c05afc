/* Server addresses: the good forms, the refused ones (F19), and that no error text tells a secret. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/url.h"

static void test_good(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum nki_scheme scheme;
        const char *host;
        uint16_t port;
        const char *user;     /* NULL: none */
        const char *password; /* NULL: none */
        const char *shown;
    } rows[] = {
        {"localhost", NKI_SCHEME_NATS, "localhost", 4222, NULL, NULL, "nats://localhost:4222"},
        {"localhost:4333", NKI_SCHEME_NATS, "localhost", 4333, NULL, NULL, "nats://localhost:4333"},
        {"nats://a", NKI_SCHEME_NATS, "a", 4222, NULL, NULL, "nats://a:4222"},
        {"NATS://A:1/", NKI_SCHEME_NATS, "A", 1, NULL, NULL, "nats://A:1"},
        {"a/", NKI_SCHEME_NATS, "a", 4222, NULL, NULL, "nats://a:4222"},
        {"Tls://a:65535", NKI_SCHEME_TLS, "a", 65535, NULL, NULL, "tls://a:65535"},
        {"ws://a", NKI_SCHEME_WS, "a", 80, NULL, NULL, "ws://a:80"},
        {"wss://a", NKI_SCHEME_WSS, "a", 443, NULL, NULL, "wss://a:443"},
        {"wss://a:8443/", NKI_SCHEME_WSS, "a", 8443, NULL, NULL, "wss://a:8443"},
        {"127.0.0.1:4222", NKI_SCHEME_NATS, "127.0.0.1", 4222, NULL, NULL, "nats://127.0.0.1:4222"},
        {"[::1]", NKI_SCHEME_NATS, "::1", 4222, NULL, NULL, "nats://[::1]:4222"},
        {"nats://[::1]:5", NKI_SCHEME_NATS, "::1", 5, NULL, NULL, "nats://[::1]:5"},
        {"nats://[::ffff:1.2.3.4]:5/", NKI_SCHEME_NATS, "::ffff:1.2.3.4", 5, NULL, NULL,
         "nats://[::ffff:1.2.3.4]:5"},
        {"[fe80::1%eth0]:5", NKI_SCHEME_NATS, "fe80::1%eth0", 5, NULL, NULL, "nats://[fe80::1%eth0]:5"},
        {"my_host-1.example.com.", NKI_SCHEME_NATS, "my_host-1.example.com.", 4222, NULL, NULL,
         "nats://my_host-1.example.com.:4222"},
        {"nats://token@a", NKI_SCHEME_NATS, "a", 4222, "token", NULL, "nats://a:4222"},
        {"token@a", NKI_SCHEME_NATS, "a", 4222, "token", NULL, "nats://a:4222"},
        {"nats://u:p@a:1", NKI_SCHEME_NATS, "a", 1, "u", "p", "nats://a:1"},
        {"nats://u:@a", NKI_SCHEME_NATS, "a", 4222, "u", "", "nats://a:4222"},
        {"nats://u:p:q@a", NKI_SCHEME_NATS, "a", 4222, "u", "p:q", "nats://a:4222"},
        {"nats://u:p@q@a", NKI_SCHEME_NATS, "a", 4222, "u", "p@q", "nats://a:4222"},
        {"nats://u%40x:p%3a%2F%25+%c3%A9@[::1]:1/", NKI_SCHEME_NATS, "::1", 1, "u@x", "p:/%+\xc3\xa9",
         "nats://[::1]:1"},
        {"nats://u:\"p\\'@a", NKI_SCHEME_NATS, "a", 4222, "u", "\"p\\'", "nats://a:4222"},
        {"u%20v@a", NKI_SCHEME_NATS, "a", 4222, "u v", NULL, "nats://a:4222"},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_url url;
        struct nki_error err;
        char text[NKI_URL_TEXT_MAX];
        if (nki_url_parse(nki_str_z(rows[i].text), &url, &err) != NKI_OK) {
            fail_msg("%s: %s", rows[i].text, err.text);
        }
        assert_int_equal(url.scheme, rows[i].scheme);
        assert_string_equal(url.host, rows[i].host);
        assert_int_equal(url.port, rows[i].port);
        assert_int_equal(url.has_user, rows[i].user != NULL);
        assert_int_equal(url.has_password, rows[i].password != NULL);
        assert_string_equal(url.user, rows[i].user != NULL ? rows[i].user : "");
        assert_string_equal(url.password, rows[i].password != NULL ? rows[i].password : "");
        nki_url_text(&url, text);
        assert_string_equal(text, rows[i].shown);
        /* what is shown can be read again */
        struct nki_url again;
        assert_int_equal(nki_url_parse(nki_str_z(text), &again, NULL), NKI_OK);
        assert_string_equal(again.host, url.host);
        assert_int_equal(again.port, url.port);
        assert_int_equal(again.scheme, url.scheme);
    }
}

static void test_paths(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *path;
        bool default_port;
    } rows[] = {
        {"nats://a/", "", true},
        {"tls://a:1", "", false},
        {"ws://a", "/", true},
        {"ws://a:443/", "/", false},
        {"ws://a/nats", "/nats", true},
        {"WSS://u:p@a:443/nats/x?b=c%40&d=/", "/nats/x?b=c%40&d=/", true},
        {"wss://[::1]:80//", "//", false},
    };
    struct nki_url url;
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        assert_int_equal(nki_url_parse(nki_str_z(rows[i].text), &url, NULL), NKI_OK);
        assert_string_equal(url.path, rows[i].path);
        assert_int_equal(nki_url_default_port(&url), rows[i].default_port);
        assert_int_equal(nki_url_is_ws(&url), rows[i].path[0] != '\0');
        char shown[NKI_URL_TEXT_MAX];
        nki_url_text(&url, shown);
        assert_null(strstr(shown, "nats/x"));
    }
    char text[8 + NKI_URL_PATH_MAX];
    memset(text, 'p', sizeof text);
    memcpy(text, "ws://a/", 7);
    assert_int_equal(nki_url_parse(nki_str_make(text, 6 + NKI_URL_PATH_MAX - 1), &url, NULL), NKI_OK);
    assert_int_equal(strlen(url.path), NKI_URL_PATH_MAX - 1);
    assert_int_equal(nki_url_parse(nki_str_make(text, 6 + NKI_URL_PATH_MAX), &url, NULL), NKI_INVALID);
}

static const struct {
    struct nki_str text;
    const char *fault;
} refused[] = {
#define ROW(literal, fault)                                                                                  \
    {                                                                                                        \
        {literal, sizeof(literal) - 1}, fault                                                                \
    }
    ROW("", "is empty"),
    ROW("nats://", "has no host"),
    ROW("://a", "has a scheme other"),
    ROW("/", "has no host"),
    ROW(":4222", "has no host"),
    ROW("nats://:4222", "has no host"),
    ROW("nats:///", "has no host"),
    ROW("http://a", "has a scheme other"),
    ROW("nat://a", "has a scheme other"),
    ROW("nats+tls://a", "has a path"),
    ROW("tcp://a:1", "has a scheme other"),
    ROW("a:0", "between 1 and 65535"),
    ROW("a:65536", "between 1 and 65535"),
    ROW("a:99999999999999999999999", "port that is not a number"),
    ROW("a:", "port that is not a number"),
    ROW("a:x", "port that is not a number"),
    ROW("a:-1", "port that is not a number"),
    ROW("a:+1", "port that is not a number"),
    ROW("a:042", "port that is not a number"),
    ROW("a:1:2", "more than one ':'"),
    ROW("::1", "more than one ':'"),
    ROW("::1:4222", "more than one ':'"),
    ROW("nats://fe80::1", "more than one ':'"),
    ROW("[::1", "no ']'"),
    ROW("[::1]x", "not a port"),
    ROW("[::1]:", "port that is not a number"),
    ROW("[::1]:0", "between 1 and 65535"),
    ROW("[]", "not an IPv6"),
    ROW("[a]", "not an IPv6"),
    ROW("[1.2.3.4]", "not an IPv6"),
    ROW("[localhost]:1", "not an IPv6"),
    ROW("[%eth0]", "not an IPv6"),
    ROW("[::1%]", "not an IPv6"),
    ROW("[::1%e%f]", "not an IPv6"),
    ROW("user@", "has no host"),
    ROW("nats://user:pw@", "has no host"),
    ROW("@a", "has an empty user"),
    ROW(":pw@a", "has an empty user"),
    ROW("nats://u:p%@a", "hex digits"),
    ROW("nats://u:p%4@a", "hex digits"),
    ROW("nats://u:p%zz@a", "hex digits"),
    ROW("u%0d%0aPUB:x@a", "control character in its user"),
    ROW("u:%00@a", "control character in its user"),
    ROW("u:%7f@a", "control character in its user"),
    ROW("u:%ff@a", "not valid UTF-8"),
    ROW("u:\xff@a", "not valid UTF-8"),
    ROW("a b", "blank or control"),
    ROW(" a", "blank or control"),
    ROW("a\r\nb", "blank or control"),
    ROW("nats://a:4222\r\n", "blank or control"),
    ROW("a\tb", "blank or control"),
    ROW("a\0b", "blank or control"),
    ROW("u ser:x@a", "blank or control"),
    ROW("a/b", "has a path"),
    ROW("a//", "has a path"),
    ROW("nats://a:1/path", "has a path"),
    ROW("tls://a/b", "has a path"),
    ROW("ws://a/b#c", "has to be written %XX"),
    ROW("ws://user:12/pw@a", "has to be written %XX"),
    ROW("wss://a/\xc3\xa9", "has to be written %XX"),
    ROW("ws://a?b", "no host name has"),
    ROW("ws:///a", "has no host"),
    ROW("a?b", "no host name has"),
    ROW("a#b", "no host name has"),
    ROW("a,b", "no host name has"),
    ROW("a%41", "no host name has"),
    ROW("caf\xc3\xa9", "no host name has"),
    ROW("\xff", "no host name has"),
    ROW("a[::1]", "more than one ':'"),
#undef ROW
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(refused); i++) {
        struct nki_url url;
        struct nki_error err;
        memset(&url, 0xff, sizeof url);
        int32_t status = nki_url_parse(refused[i].text, &url, &err);
        if (status != NKI_INVALID || err.status != NKI_INVALID ||
            strstr(err.text, refused[i].fault) == NULL) {
            fail_msg("%s: %d %s", refused[i].text.ptr, status, err.text);
        }
        assert_int_equal(nki_url_parse(refused[i].text, &url, NULL), NKI_INVALID);
    }
}

static void test_no_secret_in_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *shown;
    } rows[] = {
        {"nats://me:s3cret@h:0", "'nats://***@h:0'"},
        {"me:s3cret@h:0", "'***@h:0'"},
        {"s3cret@h:x", "'***@h:x'"},
        {"nats://me:s3/cret@h", "'nats://***@h'"},
        {"nats://me:s3@cret@h:0", "'nats://***@h:0'"},
        {"nats://me:s3cret%@h", "'nats://***@h'"},
        {"nats://me:s3cret@", "'nats://***@'"},
        {"http://me:s3cret@h", "'http://***@h'"},
        {"x+y://me:s3cret@h", "'***@h'"},
        {"nats://me:s3 cret@h", "'nats://***@h'"},
        {"nats://h:0", "'nats://h:0'"},
        {"://me:s3cret@h", "'://***@h'"},
        {"ws://me:12/s3cret@h", "'ws://***@h'"},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_url url;
        struct nki_error err;
        static const struct nki_url zero;
        assert_int_equal(nki_url_parse(nki_str_z(rows[i].text), &url, &err), NKI_INVALID);
        if (strstr(err.text, rows[i].shown) == NULL || strstr(err.text, "s3") != NULL ||
            strstr(err.text, "cret") != NULL) {
            fail_msg("%s: %s", rows[i].text, err.text);
        }
        assert_memory_equal(&url, &zero, sizeof zero);
    }
}

static void test_lengths(void **state)
{
    (void)state;
    static char text[1 << 20];
    struct nki_url url;
    struct nki_error err;
    memset(text, 'a', sizeof text);
    assert_int_equal(nki_url_parse(nki_str_make(text, 255), &url, &err), NKI_OK);
    assert_int_equal(strlen(url.host), 255);
    char shown[NKI_URL_TEXT_MAX];
    url.port = 65535;
    nki_url_text(&url, shown);
    assert_int_equal(strlen(shown), 7 + 255 + 6);
    assert_int_equal(nki_url_parse(nki_str_make(text, 256), &url, &err), NKI_INVALID);
    assert_non_null(strstr(err.text, "longer than 255"));
    assert_int_equal(nki_url_parse(nki_str_make(text, sizeof text), &url, &err), NKI_INVALID);
    assert_true(strlen(err.text) < 400);
    /* users and passwords up to 1,024 bytes after decoding */
    text[1024] = ':';
    text[1024 + 1 + 1024] = '@';
    assert_int_equal(nki_url_parse(nki_str_make(text, 1024 + 1 + 1024 + 2), &url, &err), NKI_OK);
    assert_int_equal(strlen(url.user), 1024);
    assert_int_equal(strlen(url.password), 1024);
    text[1024] = 'a';
    text[1025] = ':';
    assert_int_equal(nki_url_parse(nki_str_make(text, 1024 + 1 + 1024 + 2), &url, &err), NKI_INVALID);
    assert_non_null(strstr(err.text, "too long"));
    /* a scheme of 1 MB */
    memset(text, 'a', sizeof text);
    memcpy(text + sizeof text - 4, "://b", 4);
    assert_int_equal(nki_url_parse(nki_str_make(text, sizeof text), &url, &err), NKI_INVALID);
    assert_non_null(strstr(err.text, "scheme"));
    /* an IPv6 address of 1 MB */
    memset(text, ':', sizeof text);
    text[0] = '[';
    text[sizeof text - 1] = ']';
    assert_int_equal(nki_url_parse(nki_str_make(text, sizeof text), &url, &err), NKI_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),    cmocka_unit_test(test_paths),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_no_secret_in_errors),
        cmocka_unit_test(test_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
