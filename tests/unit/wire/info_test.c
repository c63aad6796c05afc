/* INFO as servers send it, and as no server should: rows of catalogues A and D. What is refused leaves the
 * old INFO untouched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/info.h"

#define MIB 1048576

static struct nki_info_urls urls; /* of the last INFO */

static struct nki_info *fresh(void)
{
    static struct nki_info info;
    nki_info_init(&info);
    return &info;
}

static struct nki_info *parse(const char *json)
{
    struct nki_info *info = fresh();
    struct nki_error err;
    if (nki_info_parse(nki_str_z(json), info, &urls, &err) != NKI_OK) {
        fail_msg("%s: %s", json, err.text);
    }
    return info;
}

static void test_server_2_15(void **state)
{
    (void)state;
    struct nki_info *info = parse(
        "{\"server_id\":\"NCXMJZYQEWUDJFLYLSTTE745I2WUNCVG3LJJ3NRKSFJXEG6RGK7753DJ\",\"server_name\":\"n1\","
        "\"version\":\"2.15.1\",\"proto\":1,\"git_commit\":\"3bd5e2e\",\"go\":\"go1.25\",\"host\":\"0.0.0."
        "0\","
        "\"port\":4222,\"headers\":true,\"auth_required\":true,\"tls_required\":true,\"tls_available\":true,"
        "\"max_payload\":8388608,\"jetstream\":true,\"client_id\":18446744073709551615,"
        "\"client_ip\":\"127.0.0.1\",\"nonce\":\"PXoWU7zWAMt75FY\",\"xkey\":\"XA\",\"api_lvl\":5,"
        "\"cluster\":\"c\",\"connect_urls\":[\"10.0.0.1:4222\",\"[::1]:4223\"],\"ldm\":true,"
        "\"ws_connect_urls\":[\"10.0.0.1:80\"],\"connect_info\":true}");
    assert_string_equal(info->server_id, "NCXMJZYQEWUDJFLYLSTTE745I2WUNCVG3LJJ3NRKSFJXEG6RGK7753DJ");
    assert_string_equal(info->server_name, "n1");
    assert_string_equal(info->version, "2.15.1");
    assert_string_equal(info->client_ip, "127.0.0.1");
    assert_string_equal(info->nonce, "PXoWU7zWAMt75FY");
    assert_true(info->client_id == UINT64_MAX);
    assert_int_equal(info->max_payload, 8388608);
    assert_int_equal(info->proto, 1);
    assert_true(info->headers && info->auth_required && info->tls_required && info->tls_available);
    assert_true(info->lame_duck && info->jetstream && urls.told);
    assert_int_equal(urls.count, 2);
    assert_string_equal(urls.at[0], "10.0.0.1:4222");
    assert_string_equal(urls.at[1], "[::1]:4223");
}

static void test_defaults(void **state)
{
    (void)state;
    struct nki_info *info = parse("{}"); /* A7: max_payload missing */
    assert_int_equal(info->max_payload, MIB);
    assert_int_equal(info->server_id[0], '\0');
    assert_false(info->headers || info->auth_required || info->tls_required || info->tls_available);
    assert_false(info->lame_duck || info->jetstream || urls.told);
    assert_int_equal(urls.count, 0);
}

/* D3: what is missing, or null, keeps its value; the urls are those of the last INFO alone. */
static void test_lays_over(void **state)
{
    (void)state;
    struct nki_info *info =
        parse("{\"server_id\":\"A\",\"max_payload\":5,\"headers\":true,\"connect_urls\":[\"a:1\","
              "\"b:2\"],\"server_name\":\"a longer name\"}");
    assert_int_equal(
        nki_info_parse(NKI_STR(" { \"server_name\" : \"x\", \"server_id\":null } "), info, &urls, NULL),
        NKI_OK);
    assert_string_equal(info->server_id, "A");
    assert_string_equal(info->server_name, "x");
    assert_int_equal(info->max_payload, 5);
    assert_true(info->headers);
    assert_false(urls.told);
    assert_int_equal(urls.count, 0);
    assert_int_equal(
        nki_info_parse(NKI_STR("{\"connect_urls\":[\"c:3\"],\"headers\":false}"), info, &urls, NULL), NKI_OK);
    assert_true(urls.told);
    assert_int_equal(urls.count, 1);
    assert_string_equal(urls.at[0], "c:3");
    assert_false(info->headers);
    assert_int_equal(nki_info_parse(NKI_STR("{\"connect_urls\":[]}"), info, &urls, NULL), NKI_OK);
    assert_true(urls.told);
    assert_int_equal(urls.count, 0);
}

static void refuse(struct nki_str json, const char *text)
{
    static struct nki_info before;
    struct nki_info *info = parse("{\"server_id\":\"OLD\",\"max_payload\":77,\"connect_urls\":[\"old:1\"]}");
    struct nki_error err;
    before = *info;
    if (nki_info_parse(json, info, &urls, &err) != NKI_PROTOCOL || strstr(err.text, text) == NULL) {
        fail_msg("%.*s: %s", (int)(json.len < 100 ? json.len : 100), json.ptr, err.text);
    }
    assert_int_equal(err.status, NKI_PROTOCOL);
    assert_memory_equal(info, &before, sizeof before);
    assert_int_equal(nki_info_parse(json, info, &urls, NULL), NKI_PROTOCOL);
}

#define ROW(literal, text)                                                                                   \
    {                                                                                                        \
        {literal, sizeof(literal) - 1}, text                                                                 \
    }

static const struct {
    struct nki_str json;
    const char *text;
} refused[] = {
    /* A4, D1 */
    ROW("", "not valid JSON"),
    ROW("{", "not valid JSON"),
    ROW("{\"server_id\":\"x\"", "not valid JSON"),
    ROW("{\"server_id\":\"x}", "not valid JSON"),
    ROW("{} x", "not valid JSON"),
    ROW("{\"a\":1,}", "not valid JSON"),
    ROW("{'a':1}", "not valid JSON"),
    ROW("hello", "not valid JSON"),
    /* A5, D2 */
    ROW("[]", "not a JSON object"),
    ROW("5", "not a JSON object"),
    ROW("null", "not a JSON object"),
    ROW("\"x\"", "not a JSON object"),
    /* A6 */
    ROW("{\"server_id\":5}", "malformed server_id"),
    ROW("{\"server_name\":[]}", "malformed server_name"),
    ROW("{\"version\":true}", "malformed version"),
    ROW("{\"client_ip\":{}}", "malformed client_ip"),
    ROW("{\"nonce\":5}", "malformed nonce"),
    ROW("{\"headers\":\"true\"}", "malformed headers"),
    ROW("{\"headers\":1}", "malformed headers"),
    ROW("{\"auth_required\":0}", "malformed auth_required"),
    ROW("{\"tls_required\":\"\"}", "malformed tls_required"),
    ROW("{\"tls_available\":[]}", "malformed tls_available"),
    ROW("{\"ldm\":{}}", "malformed ldm"),
    ROW("{\"jetstream\":\"x\"}", "malformed jetstream"),
    ROW("{\"proto\":\"1\"}", "malformed proto"),
    ROW("{\"proto\":-1}", "malformed proto"),
    ROW("{\"proto\":4294967297}", "malformed proto"),
    ROW("{\"client_id\":-1}", "malformed client_id"),
    ROW("{\"client_id\":18446744073709551616}", "malformed client_id"),
    ROW("{\"client_id\":\"7\"}", "malformed client_id"),
    /* A7, A8, D3, D5 */
    ROW("{\"max_payload\":0}", "malformed max_payload"),
    ROW("{\"max_payload\":-1}", "malformed max_payload"),
    ROW("{\"max_payload\":1e400}", "malformed max_payload"),
    ROW("{\"max_payload\":1e99999999999}", "malformed max_payload"),
    ROW("{\"max_payload\":1.5}", "malformed max_payload"),
    ROW("{\"max_payload\":9223372036854775808}", "malformed max_payload"),
    ROW("{\"max_payload\":\"x\"}", "malformed max_payload"),
    ROW("{\"max_payload\":true}", "malformed max_payload"),
    /* A12, A13 */
    ROW("{\"server_id\":\"a\0b\"}", "not valid JSON"),
    ROW("{\"server_id\":\"a\x01\"}", "not valid JSON"),
    ROW("\0{}", "not valid JSON"),
    ROW("{}\0", "not valid JSON"),
    ROW("{\"server_id\":\"\xff\"}", "not valid JSON"),
    ROW("{\"unknown\":\"\xc3\"}", "not valid JSON"),
    ROW("{\"server_id\":\"a\\u0000b\"}", "malformed server_id"),
    ROW("{\"nonce\":\"\\u0000\"}", "malformed nonce"),
    /* A23, D4 */
    ROW("{\"connect_urls\":\"a:1\"}", "malformed connect_urls"),
    ROW("{\"connect_urls\":{}}", "malformed connect_urls"),
    ROW("{\"connect_urls\":[1,null,{}]}", "malformed connect_urls"),
    ROW("{\"connect_urls\":[\"a:1\",2]}", "malformed connect_urls"),
    ROW("{\"connect_urls\":[null]}", "malformed connect_urls"),
    /* the fields before a bad one must not stay */
    ROW("{\"server_id\":\"NEW\",\"connect_urls\":[\"new:1\"],\"headers\":5}", "malformed headers"),
    /* a name with escapes is that name */
    ROW("{\"max\\u005fpayload\":\"x\"}", "malformed max_payload"),
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(refused); i++) {
        refuse(refused[i].json, refused[i].text);
    }
}

/* A9 */
static void test_deep(void **state)
{
    (void)state;
    static char json[200000];
    for (size_t depth = 5000; depth <= 50000; depth *= 10) {
        size_t len = (size_t)snprintf(json, sizeof json, "{\"a\":");
        memset(json + len, '[', depth);
        memset(json + len + depth, ']', depth);
        len += 2 * depth;
        json[len++] = '}';
        refuse(nki_str_make(json, len), "not valid JSON");
    }
}

/* A25: unknown fields and texts that are too long */
static void test_cut_texts(void **state)
{
    (void)state;
    static char json[4096];
    char digits[301];
    memset(digits, '9', sizeof digits - 1);
    digits[300] = '\0';
    snprintf(json, sizeof json, "{\"version\":\"%s\",\"zzz\":[{\"x\":1e999}],\"client_ip\":\"%s\"}", digits,
             digits);
    struct nki_info *info = parse(json);
    assert_int_equal(strlen(info->version), sizeof info->version - 1);
    assert_int_equal(strlen(info->client_ip), sizeof info->client_ip - 1);

    /* never within a character or an escape, nor between two halves of one */
    static const struct {
        const char *unit;
        const char *resolved;
    } units[] = {{"\xc3\xa9", "\xc3\xa9"},
                 {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
                 {"\\n", "\n"},
                 {"\\u00e9", "\xc3\xa9"},
                 {"\\ud83d\\ude00", "\xf0\x9f\x98\x80"},
                 {"\\\\", "\\"},
                 {"\\uD83D\\uDE00", "\xf0\x9f\x98\x80"},
                 {"\\\"", "\""},
                 {"\xe2\x82\xac", "\xe2\x82\xac"}};
    for (size_t u = 0; u < NKI_ARRAY_LEN(units); u++) {
        for (size_t shift = 0; shift < 13; shift++) {
            char text[2048] = "";
            char want[2048] = "";
            for (size_t i = 0; i < shift; i++) {
                strcat(text, "x");
                strcat(want, "x");
            }
            for (size_t i = 0; i < 64; i++) {
                strcat(text, units[u].unit);
                strcat(want, units[u].resolved);
            }
            snprintf(json, sizeof json, "{\"version\":\"%s\"}", text);
            info = parse(json);
            size_t len = strlen(info->version);
            assert_true(len > 0 && len < sizeof info->version);
            assert_memory_equal(info->version, want, len);
            assert_true(nki_str_utf8_valid(nki_str_z(info->version)));
            assert_int_equal((len - shift) % strlen(units[u].resolved), 0);
        }
    }
    /* the longest that fits, also when it is longer as it is written */
    parse("{\"version\":\"0123456789012345678901234567890\"}");
    assert_int_equal(strlen(parse("{\"version\":\"0123456789012345678901234567890\"}")->version), 31);
    info = parse("{\"version\":\"\\u0030\\u0030\\u0030\\u0030\\u0030\\u0030\\u0030\"}");
    assert_string_equal(info->version, "0000000");
}

static void test_nonce_is_whole(void **state)
{
    (void)state;
    char nonce[130];
    char json[256];
    memset(nonce, 'n', sizeof nonce);
    nonce[127] = '\0';
    snprintf(json, sizeof json, "{\"nonce\":\"%s\"}", nonce);
    assert_string_equal(parse(json)->nonce, nonce);
    nonce[127] = 'n';
    nonce[128] = '\0';
    snprintf(json, sizeof json, "{\"nonce\":\"%s\"}", nonce);
    refuse(nki_str_z(json), "malformed nonce");
    snprintf(json, sizeof json,
             "{\"nonce\":\"a\\r\\nb\"}"); /* T14: signed as it is, escaped when it is shown */
    assert_string_equal(parse(json)->nonce, "a\r\nb");
}

/* A22: malformed addresses are passed over; G31: host and port, nothing else */
static void test_urls(void **state)
{
    (void)state;
    static const char *const bad[] = {"",      ":4222",      "a",     "a:",        "a:0",        "a:65536",
                                      "a:x",   "::1:4222",   "[::1]", "[::1]4222", "nats://a:1", "tls://a:1",
                                      "u@a:1", "u:p@a:1",    "a:1/",  "a:1/x",     "a b:1",      "a\\r\\nb:1",
                                      "a:1 ",  "a\\u0000:1", "[a:1",  "a]:1",      "[::1]:",     "\xc3\xa9:1",
                                      "a:01",  "a:+1",       "a:1:2", "[::1]:x",   "%61:1",      "a?b:1"};
    char json[2048] = "{\"connect_urls\":[\"good:1\"";
    for (size_t i = 0; i < NKI_ARRAY_LEN(bad); i++) {
        strcat(json, ",\"");
        strcat(json, bad[i]);
        strcat(json, "\"");
    }
    strcat(json, ",\"127.0.0.1:4222\",\"[fe80::1]:4222\",\"a.b-c_d:65535\"]}");
    (void)parse(json);
    for (size_t i = 0; i < urls.count; i++) {
        static const char *const want[] = {"good:1", "127.0.0.1:4222", "[fe80::1]:4222", "a.b-c_d:65535"};
        assert_true(i < NKI_ARRAY_LEN(want));
        assert_string_equal(urls.at[i], want[i]);
    }
    assert_int_equal(urls.count, 4);
}

/* A24 */
static void test_many_urls(void **state)
{
    (void)state;
    static char json[32000] = "{\"connect_urls\":[";
    size_t len = strlen(json);
    for (int i = 1; i <= 1000; i++) {
        len += (size_t)snprintf(json + len, sizeof json - len, "%s\"host%d:%d\"", i > 1 ? "," : "", i, i);
    }
    snprintf(json + len, sizeof json - len, "]}");
    (void)parse(json);
    assert_int_equal(urls.count, NKI_INFO_URLS_MAX);
    assert_string_equal(urls.at[63], "host64:64");
}

/* E10: of two members with one name the last counts */
static void test_duplicates(void **state)
{
    (void)state;
    struct nki_info *info = parse("{\"max_payload\":1,\"max_payload\":2,\"connect_urls\":[\"a:1\",\"b:2\"],"
                                  "\"connect_urls\":[\"c:3\"],\"max_payload\":3}");
    assert_int_equal(info->max_payload, 3);
    assert_int_equal(urls.count, 1);
    assert_string_equal(urls.at[0], "c:3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_2_15),    cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_lays_over),      cmocka_unit_test(test_refused),
        cmocka_unit_test(test_deep),           cmocka_unit_test(test_cut_texts),
        cmocka_unit_test(test_nonce_is_whole), cmocka_unit_test(test_urls),
        cmocka_unit_test(test_many_urls),      cmocka_unit_test(test_duplicates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
