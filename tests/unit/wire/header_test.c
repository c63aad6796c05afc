/* Header blocks: what is built is what is read, nothing can be smuggled in, and foreign garbage is harmless.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/rand.h"
#include "wire/header.h"

#define TEXT(literal)                                                                                        \
    {                                                                                                        \
        literal, sizeof(literal) - 1                                                                         \
    }

static void check_str(struct nki_str have, struct nki_str want)
{
    assert_int_equal(have.len, want.len);
    assert_memory_equal(have.ptr, want.ptr, want.len);
}

static struct nki_str block_of(const struct nki_buf *buf)
{
    return nki_str_make((const char *)buf->data, buf->len);
}

static void test_append_bytes(void **state)
{
    (void)state;
    struct nki_buf block = {0};
    struct nki_error err;
    assert_int_equal(nki_header_append(&block, NKI_STR("A"), NKI_STR("b"), &err), NKI_OK);
    check_str(block_of(&block), NKI_STR("NATS/1.0\r\nA: b\r\n\r\n"));
    assert_int_equal(nki_header_append(&block, NKI_STR("a"), NKI_STR(""), &err), NKI_OK);
    check_str(block_of(&block), NKI_STR("NATS/1.0\r\nA: b\r\na: \r\n\r\n"));
    assert_int_equal(nki_header_append(&block, NKI_STR("A"), NKI_STR("c d\te, \xc3\xa9"), NULL), NKI_OK);
    check_str(block_of(&block), NKI_STR("NATS/1.0\r\nA: b\r\na: \r\nA: c d\te, \xc3\xa9\r\n\r\n"));
    nki_buf_free(&block);
}

/* F4, F5, F6, F22 and the rest of the injection table: refused, and the block is as it was. */
static void test_refused(void **state)
{
    (void)state;
    static const struct {
        struct nki_str name;
        struct nki_str value;
        const char *text;
    } rows[] = {
        {TEXT(""), TEXT("v"), "is empty"},
        {TEXT("a:b"), TEXT("v"), "holds a colon"},
        {TEXT(":"), TEXT("v"), "holds a colon"},
        {TEXT("a b"), TEXT("v"), "holds a blank"},
        {TEXT(" a"), TEXT("v"), "holds a blank"},
        {TEXT("a\t"), TEXT("v"), "holds a blank"},
        {TEXT("a\r\nEvil"), TEXT("v"), "holds a blank"},
        {TEXT("a\n"), TEXT("v"), "holds a blank"},
        {TEXT("a\0b"), TEXT("v"), "holds a blank"},
        {TEXT("a\x7f"), TEXT("v"), "holds a blank"},
        {TEXT("\x01"), TEXT("v"), "holds a blank"},
        {TEXT("caf\xc3\xa9"), TEXT("v"), "not ASCII"},
        {TEXT("\xff"), TEXT("v"), "not ASCII"},
        {TEXT("K"), TEXT("v\r\nEvil: 1"), "line break"},
        {TEXT("K"), TEXT("v\r\n\r\npayload"), "line break"},
        {TEXT("K"), TEXT("v\n"), "line break"},
        {TEXT("K"), TEXT("\r"), "line break"},
        {TEXT("K"), TEXT("v\rEvil: 1"), "line break"},
        {TEXT("K"), TEXT("v\0w"), "NUL"},
        {TEXT("K"), TEXT(" v"), "begins or ends with a blank"},
        {TEXT("K"), TEXT("v\t"), "begins or ends with a blank"},
        {TEXT("K"), TEXT(" "), "begins or ends with a blank"},
        {TEXT("K"), TEXT("\xff"), "UTF-8"},
        {TEXT("K"), TEXT("\xed\xa0\x80"), "UTF-8"},
    };
    struct nki_buf block = {0};
    struct nki_error err;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
            size_t before = block.len;
            assert_int_equal(nki_header_append(&block, rows[i].name, rows[i].value, &err), NKI_INVALID);
            assert_int_equal(err.status, NKI_INVALID);
            if (strstr(err.text, rows[i].text) == NULL) {
                fail_msg("row %zu: %s", i, err.text);
            }
            assert_int_equal(block.len, before);
        }
        assert_int_equal(nki_header_append(&block, NKI_STR("Good"), NKI_STR("v"), &err), NKI_OK);
    }
    check_str(block_of(&block), NKI_STR("NATS/1.0\r\nGood: v\r\nGood: v\r\n\r\n"));
    nki_buf_free(&block);
}

static void test_block_limit(void **state)
{
    (void)state;
    static char value[NKI_HEADER_BLOCK_MAX + 10];
    struct nki_buf block = {0};
    struct nki_error err;
    memset(value, 'x', sizeof value);
    const size_t frame = strlen("NATS/1.0\r\nK: \r\n\r\n");
    struct nki_str text = {value, NKI_HEADER_BLOCK_MAX - frame + 1};
    assert_int_equal(nki_header_append(&block, NKI_STR("K"), text, &err), NKI_LIMIT);
    assert_int_equal(nki_header_append(&block, NKI_STR("K"), nki_str_make(value, sizeof value), &err),
                     NKI_LIMIT);
    assert_int_equal(nki_header_append(&block, nki_str_make(value, sizeof value), NKI_STR("v"), &err),
                     NKI_LIMIT);
    assert_int_equal(block.len, 0);
    text.len--;
    assert_int_equal(nki_header_append(&block, NKI_STR("K"), text, &err), NKI_OK);
    assert_int_equal(block.len, NKI_HEADER_BLOCK_MAX);
    assert_int_equal(nki_header_append(&block, NKI_STR("K"), NKI_STR(""), &err), NKI_LIMIT);
    assert_int_equal(block.len, NKI_HEADER_BLOCK_MAX);
    nki_buf_free(&block);
}

static void test_round_trip(void **state)
{
    (void)state;
    static const char name_set[] = "abcXYZ-_.09!~\"'/\\[]{}";
    static const char value_set[] = "abc XYZ\t:,;\"\\/{}0";
    struct nki_rand rand;
    nki_rand_seed(&rand, 3);
    for (int round = 0; round < 2000; round++) {
        char names[8][12];
        char values[8][24];
        size_t count = (size_t)nki_rand_below(&rand, 8) + 1;
        struct nki_buf block = {0};
        for (size_t i = 0; i < count; i++) {
            size_t name_len = (size_t)nki_rand_below(&rand, 3) + 1;
            size_t value_len = (size_t)nki_rand_below(&rand, 20);
            for (size_t k = 0; k < name_len; k++) {
                names[i][k] = name_set[nki_rand_below(&rand, 5)];
            }
            for (size_t k = 0; k < value_len; k++) {
                bool edge = k == 0 || k + 1 == value_len;
                values[i][k] = edge ? 'e' : value_set[nki_rand_below(&rand, sizeof value_set - 1)];
            }
            names[i][name_len] = '\0';
            values[i][value_len] = '\0';
            assert_int_equal(nki_header_append(&block, nki_str_z(names[i]), nki_str_z(values[i]), NULL),
                             NKI_OK);
        }
        struct nki_str name;
        struct nki_str value;
        size_t at = 0;
        for (size_t i = 0; i < count; i++) {
            assert_true(nki_header_next(block_of(&block), &at, &name, &value));
            check_str(name, nki_str_z(names[i]));
            check_str(value, nki_str_z(values[i]));
            size_t index = 0;
            for (size_t k = 0; k < i; k++) {
                index += strcmp(names[k], names[i]) == 0;
            }
            assert_true(nki_header_find(block_of(&block), name, NKI_MATCH_EXACT, index, &value));
            check_str(value, nki_str_z(values[i]));
        }
        assert_false(nki_header_next(block_of(&block), &at, &name, &value));
        assert_false(nki_header_next(block_of(&block), &at, &name, &value));
        assert_int_equal(nki_header_status(block_of(&block), &value), 0);
        nki_buf_free(&block);
    }
}

/* What other clients and servers send: R4.3, C6, C7, C9, C11. Expected as name=value|... */
static void test_reading(void **state)
{
    (void)state;
    static const struct {
        struct nki_str block;
        const char *want;
    } rows[] = {
        {TEXT("NATS/1.0\r\n\r\n"), ""},
        {TEXT("NATS/1.0\r\nA: b\r\n\r\n"), "A=b|"},
        {TEXT("NATS/1.0\r\nA:b\r\nA :c\r\n\r\n"), "A=b|A =c|"},
        {TEXT("NATS/1.0\r\nA:  \t b c \t\r\n\r\n"), "A=b c|"},
        {TEXT("NATS/1.0\r\nA:\r\nB: \r\n\r\n"), "A=|B=|"},
        {TEXT("NATS/1.0\r\nk: 1\r\nK: 2\r\nk: 3\r\n\r\n"), "k=1|K=2|k=3|"},
        {TEXT("NATS/1.0\r\nA: b:c: d\r\n\r\n"), "A=b:c: d|"},
        {TEXT("NATS/1.0\r\nno colon\r\nA: b\r\n\r\n"), "A=b|"},
        {TEXT("NATS/1.0\r\n: nameless\r\nA: b\r\n\r\n"), "A=b|"},
        {TEXT("NATS/1.0\r\nA: b\r\n  folded\r\n\tmore\r\nB: c\r\n\r\n"), "A=b\r\n  folded\r\n\tmore|B=c|"},
        {TEXT("NATS/1.0\r\n folded: nothing\r\nA: b\r\n\r\n"), "A=b|"},
        {TEXT("NATS/1.0\r\nno colon\r\n folded: nothing\r\nA: b\r\n\r\n"), "A=b|"},
        {TEXT("NATS/1.0\r\nA: \xff\xfe\r\n\xff: b\r\n\r\n"), "A=\xff\xfe|\xff=b|"},
        {TEXT("NATS/1.0\r\nA: b\rc\nd\r\n\r\n"), "A=b\rc\nd|"},
        {TEXT("NATS/1.0\r\nA: b\r\r\n\r\n"), "A=b\r|"},
        {TEXT("NATS/1.0\r\nA: b\r\n\r\nC: d\r\n\r\n"), "A=b|"},
        {TEXT("NATS/1.0 503\r\nNats-Subject: a\r\n\r\n"), "Nats-Subject=a|"},
        {TEXT("NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 0\r\n\r\n"), "Nats-Last-Consumer=0|"},
        {TEXT("NATS/1.0\r\nStatus: 503\r\n\r\n"), "Status=503|"},
        {TEXT("garbage\r\n\r\n"), ""},
        {TEXT("A: b\r\n\r\n"), ""},
        {TEXT("NATS/1.0\r\nA: b"), "A=b|"},
        {TEXT("NATS/1.0\r\nA: b\r\n"), "A=b|"},
        {TEXT("NATS/1.0\r\nA"), ""},
        {TEXT("NATS/1.0\r"), ""},
        {TEXT("\r\n"), ""},
        {TEXT(""), ""},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        char have[256];
        size_t len = 0;
        size_t at = 0;
        struct nki_str name;
        struct nki_str value;
        char *copy = malloc(rows[i].block.len + 1); /* no NUL behind it */
        assert_non_null(copy);
        memcpy(copy + 1, rows[i].block.ptr, rows[i].block.len);
        struct nki_str block = {copy + 1, rows[i].block.len};
        while (nki_header_next(block, &at, &name, &value)) {
            len += (size_t)snprintf(have + len, sizeof have - len, "%.*s=%.*s|", (int)name.len, name.ptr,
                                    (int)value.len, value.ptr);
        }
        have[len] = '\0';
        assert_string_equal(have, rows[i].want);
        assert_int_equal(at, block.len);
        free(copy);
    }
}

/* C12, R4.6 */
static void test_status(void **state)
{
    (void)state;
    static const struct {
        const char *block;
        int status;
        const char *description;
    } rows[] = {
        {"NATS/1.0\r\n\r\n", 0, ""},
        {"NATS/1.0 503\r\n\r\n", 503, ""},
        {"NATS/1.0   503  \r\n\r\n", 503, ""},
        {"NATS/1.0\t404 No Messages\r\n\r\n", 404, "No Messages"},
        {"NATS/1.0 404   No Messages \t\r\n\r\n", 404, "No Messages"},
        {"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 0\r\n\r\n", 100, "Idle Heartbeat"},
        {"NATS/1.0 100\tFlowControl Request\r\n\r\n", 100, "FlowControl Request"},
        {"NATS/1.0 000\r\n\r\n", 0, ""},
        {"NATS/1.0 50\r\n\r\n", 0, "50"},
        {"NATS/1.0 5034\r\n\r\n", 0, "5034"},
        {"NATS/1.0 50334 x\r\n\r\n", 0, "50334 x"},
        {"NATS/1.0 -50\r\n\r\n", 0, "-50"},
        {"NATS/1.0 +50\r\n\r\n", 0, "+50"},
        {"NATS/1.0 5x3\r\n\r\n", 0, "5x3"},
        {"NATS/1.0 No Messages\r\n\r\n", 0, "No Messages"},
        {"NATS/1.0503\r\n\r\n", 0, "503"},
        {"NATS/1.0503 \t\r\n\r\n", 0, "503"},
        {"NATS/1.0 408 \xff\r\n\r\n", 408, "\xff"},
        {"NATS/1.0\r\nStatus: 503\r\n\r\n", 0, ""},
        {"NATS/1.1 503\r\n\r\n", 0, ""},
        {"NATS", 0, ""},
        {"", 0, ""},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_str description;
        assert_int_equal(nki_header_status(nki_str_z(rows[i].block), &description), rows[i].status);
        check_str(description, nki_str_z(rows[i].description));
        assert_int_equal(nki_header_status(nki_str_z(rows[i].block), NULL), rows[i].status);
    }
}

/* C4, C5: a block that another client has written wrongly is read as far as it can be. */
static void test_malformed(void **state)
{
    (void)state;
    static const char *const without_headers[] = {
        "", "garbage", "NATS/1.", "NATS/1.0", "NATS/1.0\r\n\r", "a: b", "\r\n\r\nA: b"};
    struct nki_str name, value;
    for (size_t i = 0; i < NKI_ARRAY_LEN(without_headers); i++) {
        size_t at = 0;
        assert_int_equal(nki_header_status(nki_str_z(without_headers[i]), NULL), 0);
        assert_false(nki_header_next(nki_str_z(without_headers[i]), &at, &name, &value));
    }
    size_t at = 0;
    assert_true(nki_header_next(NKI_STR("NATS/1.0\r\nA: b"), &at, &name, &value));
    check_str(value, NKI_STR("b"));
}

static void test_find(void **state)
{
    (void)state;
    struct nki_str block = NKI_STR("NATS/1.0\r\nKey: 1\r\nkey: 2\r\nKey: 3\r\nOther: 4\r\n\r\n");
    struct nki_str value = {NULL, 0};
    assert_true(nki_header_find(block, NKI_STR("Key"), NKI_MATCH_EXACT, 1, &value));
    check_str(value, NKI_STR("3"));
    assert_false(nki_header_find(block, NKI_STR("Key"), NKI_MATCH_EXACT, 2, &value));
    assert_false(nki_header_find(block, NKI_STR("KEY"), NKI_MATCH_EXACT, 0, &value));
    assert_true(nki_header_find(block, NKI_STR("KEY"), NKI_MATCH_IGNORE_CASE, 1, &value));
    check_str(value, NKI_STR("2"));
    assert_true(nki_header_find(block, NKI_STR("kEY"), NKI_MATCH_IGNORE_CASE, 2, &value));
    check_str(value, NKI_STR("3"));
    assert_false(nki_header_find(block, NKI_STR("kEY"), NKI_MATCH_IGNORE_CASE, 3, &value));
    assert_false(nki_header_find(block, NKI_STR("Ke"), NKI_MATCH_IGNORE_CASE, 0, &value));
    assert_false(nki_header_find(block, NKI_STR(""), NKI_MATCH_EXACT, 0, &value));
}

static size_t allocations_left;

static bool gate(size_t size)
{
    (void)size;
    return allocations_left > 0 && allocations_left-- > 0;
}

static void test_no_memory(void **state)
{
    (void)state;
    static char value[300];
    memset(value, 'v', sizeof value);
    bool done = false;
    for (size_t allowed = 0; !done; allowed++) {
        struct nki_buf block = {0};
        struct nki_error err;
        done = true;
        for (int i = 0; i < 20 && done; i++) {
            size_t before = block.len;
            allocations_left = allowed > (size_t)i ? 1 : 0; /* the first `allowed` headers may allocate */
            nki_alloc_gate_set(gate);
            int32_t status = nki_header_append(&block, NKI_STR("K"), nki_str_make(value, sizeof value), &err);
            nki_alloc_gate_set(NULL);
            if (status != NKI_OK) {
                assert_int_equal(status, NKI_NO_MEMORY);
                assert_int_equal(block.len, before);
                done = false;
            }
        }
        nki_buf_free(&block);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append_bytes), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_block_limit),  cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_reading),      cmocka_unit_test(test_status),
        cmocka_unit_test(test_malformed),    cmocka_unit_test(test_find),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
