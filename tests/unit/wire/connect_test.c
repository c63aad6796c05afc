/* CONNECT byte for byte: a fixed list of keys in a fixed order, with every text escaped (ADR-40, F15, F16).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/json.h"
#include "wire/connect.h"

static void check_emit(const struct nki_connect_params *params, const char *want)
{
    struct nki_buf out = {0};
    assert_true(nki_connect_emit(&out, params));
    assert_int_equal(out.len, strlen(want));
    assert_memory_equal(out.data, want, out.len);
    struct nki_json_value value;
    assert_true(nki_json_check(nki_str_make((const char *)out.data + 8, out.len - 10), &value));
    nki_buf_free(&out);
}

static void test_least(void **state)
{
    (void)state;
    struct nki_connect_params params = {.version = NKI_STR("0.1.0"), .echo = true};
    check_emit(&params,
               "CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":false,\"lang\":\"natskit\","
               "\"version\":\"0.1.0\",\"protocol\":1,\"echo\":true,\"headers\":true,"
               "\"no_responders\":true}\r\n");
}

static void test_all(void **state)
{
    (void)state;
    struct nki_connect_params params = {
        .name = NKI_STR("n"),
        .user = NKI_STR("u"),
        .password = NKI_STR("p"),
        .token = NKI_STR("t"),
        .version = NKI_STR("9.8.7"),
        .verbose = true,
        .pedantic = true,
        .echo = false,
        .tls_required = true,
    };
    check_emit(&params, "CONNECT {\"verbose\":true,\"pedantic\":true,\"tls_required\":true,\"name\":\"n\","
                        "\"lang\":\"natskit\",\"version\":\"9.8.7\",\"protocol\":1,\"echo\":false,"
                        "\"headers\":true,\"no_responders\":true,\"user\":\"u\",\"pass\":\"p\","
                        "\"auth_token\":\"t\"}\r\n");
}

/* Whatever the texts hold, they come back as they were, and the line has one CRLF, at its end. */
static void test_escapes(void **state)
{
    (void)state;
    static const char *const texts[] = {"\"",
                                        "\\",
                                        "\r\nPUB x 0\r\n",
                                        "a\",\"user\":\"root",
                                        "\xc3\xa9\xf0\x9f\x98\x80",
                                        "\x01\x1f\x7f",
                                        "</script>",
                                        "%s%n",
                                        "\t\b\f"};
    static const char *const keys[] = {"name", "user", "pass", "auth_token", "jwt", "nkey", "sig", "version"};
    for (size_t i = 0; i < NKI_ARRAY_LEN(texts); i++) {
        struct nki_str text = nki_str_z(texts[i]);
        struct nki_connect_params params = {.name = text,
                                            .user = text,
                                            .password = text,
                                            .token = text,
                                            .jwt = text,
                                            .nkey = text,
                                            .signature = text,
                                            .version = text};
        struct nki_buf out = {0};
        assert_true(nki_connect_emit(&out, &params));
        assert_ptr_equal(memchr(out.data, '\r', out.len), out.data + out.len - 2);
        assert_ptr_equal(memchr(out.data, '\n', out.len), out.data + out.len - 1);
        struct nki_json_value object;
        assert_true(nki_json_check(nki_str_make((const char *)out.data + 8, out.len - 10), &object));
        for (size_t k = 0; k < NKI_ARRAY_LEN(keys); k++) {
            struct nki_json_value member;
            char back[64];
            assert_true(nki_json_member(&object, nki_str_z(keys[k]), &member));
            assert_int_equal(nki_json_text(&member, back, sizeof back), strlen(texts[i]));
            assert_string_equal(back, texts[i]);
        }
        nki_buf_free(&out);
    }
}

static void test_appends(void **state)
{
    (void)state;
    struct nki_connect_params params = {.version = NKI_STR("1")};
    struct nki_buf out = {0};
    assert_true(nki_buf_append_str(&out, NKI_STR("PING\r\n")));
    assert_true(nki_connect_emit(&out, &params));
    assert_memory_equal(out.data, "PING\r\nCONNECT {\"verbose\"", 24);
    nki_buf_free(&out);
}

static size_t allocations;
static size_t allocations_left;

static bool gate(size_t size)
{
    (void)size;
    allocations++;
    return allocations_left > 0 && allocations_left-- > 0;
}

/* All or nothing; and in one allocation, so that no copy of a secret stays behind in freed memory. */
static void test_memory(void **state)
{
    (void)state;
    static char secret[1000];
    memset(secret, '\x01', sizeof secret); /* each becomes six bytes */
    struct nki_str text = {secret, sizeof secret};
    struct nki_connect_params params = {text, text, text, text, text, text,
                                        text, text, true, true, true, true};
    struct nki_buf out = {0};
    assert_true(nki_buf_append(&out, "x", 1));
    allocations_left = 0;
    nki_alloc_gate_set(gate);
    bool done = nki_connect_emit(&out, &params);
    nki_alloc_gate_set(NULL);
    assert_false(done);
    assert_int_equal(out.len, 1);
    allocations = 0;
    allocations_left = 1;
    nki_alloc_gate_set(gate);
    done = nki_connect_emit(&out, &params);
    nki_alloc_gate_set(NULL);
    assert_true(done);
    assert_int_equal(allocations, 1);
    assert_true(out.len > 5 * 6 * sizeof secret);
    nki_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_least),   cmocka_unit_test(test_all),    cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_appends), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
