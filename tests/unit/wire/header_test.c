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

/* Finding passes over lines that it need not take apart: it finds what a walk through all of them does. */
static void test_find_against_a_walk(void **state)
{
    (void)state;
    static const char *const pieces[] = {"A",    "A",    "AB",    "B",  ":",  ": ",
                                         "\r\n", "\r\n", "\r\n ", "\r", "\n", " "};
    struct nki_rand rand;
    nki_rand_seed(&rand, 7);
    for (int round = 0; round < 20000; round++) {
        char text[160] = "NATS/1.0\r\n";
        size_t count = (size_t)nki_rand_below(&rand, 24);
        for (size_t i = 0; i < count; i++) {
            strcat(text, pieces[nki_rand_below(&rand, NKI_ARRAY_LEN(pieces))]);
        }
        strcat(text, nki_rand_below(&rand, 4) == 0 ? "" : "\r\n\r\n");
        struct nki_str name = nki_str_z(pieces[nki_rand_below(&rand, 4)]);
        struct nki_str found = {NULL, 0};
        struct nki_str value = {NULL, 0};
        size_t index = (size_t)nki_rand_below(&rand, 3);
        size_t left = index + 1;
        size_t at = 0;
        while (left > 0 && nki_header_next(nki_str_z(text), &at, &found, &value)) {
            left -= nki_str_eq(found, name);
        }
        struct nki_str got = {NULL, 0};
        assert_int_equal(nki_header_find(nki_str_z(text), name, NKI_MATCH_EXACT, index, &got), left == 0);
        assert_true(left > 0 || (got.ptr == value.ptr && got.len == value.len));
    }
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

/* A block under construction from name=value|..., as `show` gives it back. */
static void build(struct nki_buf *block, const char *list)
{
    while (*list != '\0') {
        size_t name = strcspn(list, "=");
        size_t value = strcspn(list + name + 1, "|");
        assert_int_equal(
            nki_header_append(block, nki_str_make(list, name), nki_str_make(list + name + 1, value), NULL),
            NKI_OK);
        list += name + 1 + value + 1;
    }
}

static void expect_block(const struct nki_buf *block, const char *wanted)
{
    char have[512];
    size_t len = 0;
    size_t at = 0;
    struct nki_str name;
    struct nki_str value;
    while (block->len > 0 && nki_header_next(block_of(block), &at, &name, &value)) {
        len += (size_t)snprintf(have + len, sizeof have - len, "%.*s=%.*s|", (int)name.len, name.ptr,
                                (int)value.len, value.ptr);
    }
    have[len] = '\0';
    assert_string_equal(have, wanted);
    assert_true((block->len == 0) == (wanted[0] == '\0')); /* an empty block is none */
    if (block->len > 0) {
        assert_memory_equal(block->data, "NATS/1.0\r\n", 10);
        assert_memory_equal(block->data + block->len - 4, "\r\n\r\n", 4);
    }
}

static void test_find_canonical(void **state)
{
    (void)state;
    struct nki_str block = NKI_STR("NATS/1.0\r\nx-request-id: 1\r\nX-Request-Id: 2\r\nX-Request-ID: 3\r\n"
                                   "X-Request-Id: 4\r\nA--B: 5\r\n-C: 6\r\nD_e-1f: 7\r\nX-: 8\r\n\r\n");
    static const char *const names[] = {"x-request-id", "X-Request-Id", "X-REQUEST-ID", "x-Request-iD"};
    struct nki_str value;
    for (size_t i = 0; i < NKI_ARRAY_LEN(names); i++) {
        assert_true(nki_header_find(block, nki_str_z(names[i]), NKI_MATCH_CANONICAL, 0, &value));
        check_str(value, NKI_STR("2"));
        assert_true(nki_header_find(block, nki_str_z(names[i]), NKI_MATCH_CANONICAL, 1, &value));
        check_str(value, NKI_STR("4"));
        assert_false(nki_header_find(block, nki_str_z(names[i]), NKI_MATCH_CANONICAL, 2, &value));
    }
    assert_true(nki_header_find(block, NKI_STR("a--b"), NKI_MATCH_CANONICAL, 0, &value));
    assert_true(nki_header_find(block, NKI_STR("-c"), NKI_MATCH_CANONICAL, 0, &value));
    assert_true(nki_header_find(block, NKI_STR("d_E-1F"), NKI_MATCH_CANONICAL, 0, &value));
    assert_true(nki_header_find(block, NKI_STR("x-"), NKI_MATCH_CANONICAL, 0, &value));
    assert_false(nki_header_find(block, NKI_STR("x"), NKI_MATCH_CANONICAL, 0, &value));
    assert_false(nki_header_find(block, NKI_STR(""), NKI_MATCH_CANONICAL, 0, &value));
}

static void test_delete(void **state)
{
    (void)state;
    static const struct {
        const char *before;
        const char *name;
        enum nki_header_match match;
        size_t deleted;
        const char *after;
    } rows[] = {
        {"", "A", NKI_MATCH_EXACT, 0, ""},
        {"A=1|", "A", NKI_MATCH_EXACT, 1, ""},
        {"A=1|", "a", NKI_MATCH_EXACT, 0, "A=1|"},
        {"A=1|", "", NKI_MATCH_IGNORE_CASE, 0, "A=1|"},
        {"A=1|", "A\r\n", NKI_MATCH_EXACT, 0, "A=1|"},
        {"A=1|B=|A=3|", "A", NKI_MATCH_EXACT, 2, "B=|"},
        {"A=1|A=2|A=3|", "A", NKI_MATCH_EXACT, 3, ""},
        {"B=1|A=2|a=3|AA=4|", "A", NKI_MATCH_EXACT, 1, "B=1|a=3|AA=4|"},
        {"B=1|A=|a=3|AA=4|", "A", NKI_MATCH_IGNORE_CASE, 2, "B=1|AA=4|"},
        {"x-y=1|X-Y=2|X-y=3|X-Y=4|", "x-y", NKI_MATCH_CANONICAL, 2, "x-y=1|X-y=3|"},
        {"x-y=1|X-Y=2|X-y=3|X-Y=4|", "X-y", NKI_MATCH_IGNORE_CASE, 4, ""},
        {"x-y=1|", "x-y", NKI_MATCH_CANONICAL, 0, "x-y=1|"},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_buf block = {0};
        build(&block, rows[i].before);
        assert_int_equal(nki_header_delete(&block, nki_str_z(rows[i].name), rows[i].match), rows[i].deleted);
        expect_block(&block, rows[i].after);
        build(&block, "New=1|"); /* and it can be filled on */
        assert_true(nki_header_find(block_of(&block), NKI_STR("New"), NKI_MATCH_EXACT, 0,
                                    &(struct nki_str){NULL, 0}));
        nki_buf_free(&block);
    }
}

static void test_set(void **state)
{
    (void)state;
    static const struct {
        const char *before;
        const char *name;
        enum nki_header_match match;
        const char *after;
    } rows[] = {
        {"", "A", NKI_MATCH_EXACT, "A=new|"},
        {"A=1|", "A", NKI_MATCH_EXACT, "A=new|"},
        {"A=1|B=2|A=3|", "A", NKI_MATCH_EXACT, "B=2|A=new|"},
        {"A=1|B=2|", "a", NKI_MATCH_EXACT, "A=1|B=2|a=new|"},
        {"A=1|B=2|aA=3|a=|", "a", NKI_MATCH_IGNORE_CASE, "B=2|aA=3|a=new|"},
        /* In place of what it removes, so that it replaces what it has set itself. */
        {"x-id=1|X-Id=2|X-ID=3|", "x-ID", NKI_MATCH_CANONICAL, "x-id=1|X-ID=3|X-Id=new|"},
        {"", "x-ID", NKI_MATCH_CANONICAL, "X-Id=new|"},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_buf block = {0};
        build(&block, rows[i].before);
        for (int round = 0; round < 2; round++) {
            assert_int_equal(
                nki_header_set(&block, nki_str_z(rows[i].name), rows[i].match, NKI_STR("new"), NULL), NKI_OK);
            expect_block(&block, rows[i].after);
        }
        nki_buf_free(&block);
    }
}

/* On failure nothing has changed. */
static void test_set_refused(void **state)
{
    (void)state;
    static const struct {
        struct nki_str name;
        struct nki_str value;
    } rows[] = {
        {TEXT(""), TEXT("v")},     {TEXT("a:b"), TEXT("v")}, {TEXT("A\r\nEvil"), TEXT("v")},
        {TEXT("A\0"), TEXT("v")},  {TEXT("A"), TEXT("v\n")}, {TEXT("A"), TEXT("v\r\nEvil: 1")},
        {TEXT("A"), TEXT("v\0w")}, {TEXT("A"), TEXT(" v")},  {TEXT("A"), TEXT("\xff")},
        {TEXT("a b"), TEXT("v")},
    };
    for (int match = NKI_MATCH_EXACT; match <= NKI_MATCH_CANONICAL; match++) {
        struct nki_buf block = {0};
        for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
            struct nki_error err;
            assert_int_equal(
                nki_header_set(&block, rows[i].name, (enum nki_header_match)match, rows[i].value, &err),
                NKI_INVALID);
            assert_int_equal(err.status, NKI_INVALID);
            expect_block(&block, i > 0 ? "A=1|a=2|" : "");
            if (i == 0) {
                build(&block, "A=1|a=2|");
            }
        }
        nki_buf_free(&block);
    }
}

/* What counts is the block as it is afterwards. */
static void test_set_limit(void **state)
{
    (void)state;
    static char value[NKI_HEADER_BLOCK_MAX];
    struct nki_buf block = {0};
    memset(value, 'x', sizeof value);
    struct nki_str text = {value, NKI_HEADER_BLOCK_MAX - strlen("NATS/1.0\r\nK: \r\n\r\n")};
    assert_int_equal(nki_header_append(&block, NKI_STR("K"), text, NULL), NKI_OK);
    assert_int_equal(nki_header_set(&block, NKI_STR("K"), NKI_MATCH_EXACT, text, NULL), NKI_OK);
    assert_int_equal(block.len, NKI_HEADER_BLOCK_MAX);
    assert_int_equal(nki_header_set(&block, NKI_STR("k"), NKI_MATCH_EXACT, NKI_STR(""), NULL), NKI_LIMIT);
    text.len++;
    assert_int_equal(nki_header_set(&block, NKI_STR("k"), NKI_MATCH_IGNORE_CASE, text, NULL), NKI_LIMIT);
    assert_int_equal(block.len, NKI_HEADER_BLOCK_MAX);
    assert_int_equal(block.data[10], 'K');
    assert_int_equal(nki_header_set(&block, NKI_STR("k"), NKI_MATCH_CANONICAL, NKI_STR("y"), NULL), NKI_OK);
    expect_block(&block, "K=y|");
    nki_buf_free(&block);
}

/* Headers of a received block: what may be sent, as it was; else nothing changes. */
static void test_append_all(void **state)
{
    (void)state;
    static const struct {
        struct nki_str received;
        const char *added; /* NULL: NKI_INVALID */
    } rows[] = {
        {TEXT(""), ""},
        {TEXT("garbage\r\n\r\n"), ""},
        {TEXT("NATS/1.0\r\n\r\n"), ""},
        {TEXT("NATS/1.0 503\r\n\r\n"), ""},
        {TEXT("NATS/1.0 404 No Messages\r\nA: b\r\n\r\n"), "A=b|"},
        {TEXT("NATS/1.0\r\nk: 1\r\nK:2\r\nk:  3 \t\r\nStatus: 503\r\n\r\n"), "k=1|K=2|k=3|Status=503|"},
        {TEXT("NATS/1.0\r\nA:\r\nB: \r\n\r\n"), "A=|B=|"},
        {TEXT("NATS/1.0\r\nno colon\r\nA: b\r\n\r\n"), "A=b|"},
        {TEXT("NATS/1.0\r\nA: \xff\xfe\r\n\r\n"), "A=\xff\xfe|"},
        {TEXT("NATS/1.0\r\nA: b\r\n c\r\n\td\r\nB: e\r\n\r\n"), "A=b   c  \td|B=e|"},
        {TEXT("NATS/1.0\r\nA:\r\n b\r\n\r\n"), "A=b|"},
        {TEXT("NATS/1.0\r\nA: b\r\n \r\nB: c\r\n\r\n"), "A=b|B=c|"},
        {TEXT("NATS/1.0\r\nA:\r\n \r\n\r\n"), "A=|"},
        {TEXT("NATS/1.0\r\nA: b\rc\nd\r\n\r\n"), "A=b c d|"},
        {TEXT("NATS/1.0\r\nA: b\rc\r\n\r\n"), "A=b c|"},
        {TEXT("NATS/1.0\r\nA: b\r\r\n\r\n"), "A=b|"},
        {TEXT("NATS/1.0\r\nA: b\r\nB: c\0d\r\n\r\n"), NULL},
        {TEXT("NATS/1.0\r\nA: b\r\nB: c\r\n d\0\r\n\r\n"), NULL},
        {TEXT("NATS/1.0\r\nA: b\r\nB : c\r\n\r\n"), NULL},
        {TEXT("NATS/1.0\r\nA: b\r\n\xff: c\r\n\r\n"), NULL},
        {TEXT("NATS/1.0\r\nA: b\r\na\0b: c\r\n\r\n"), NULL},
    };
    static const char *const before[] = {"", "Own=1|", "Own=1|Own=2|"};
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        for (size_t k = 0; k < NKI_ARRAY_LEN(before); k++) {
            char wanted[128];
            struct nki_error err = {0};
            struct nki_buf block = {0};
            build(&block, before[k]);
            int32_t status = nki_header_append_all(&block, rows[i].received, &err);
            if (status != (rows[i].added != NULL ? NKI_OK : NKI_INVALID)) {
                fail_msg("row %zu: %d, %s", i, status, err.text);
            }
            const char *added = rows[i].added != NULL ? rows[i].added : "";
            (void)snprintf(wanted, sizeof wanted, "%s%s", before[k], added);
            expect_block(&block, wanted);
            nki_buf_free(&block);
        }
    }
}

static void test_append_all_limit(void **state)
{
    (void)state;
    static char received[NKI_HEADER_BLOCK_MAX + 100];
    struct nki_buf block = {0};
    struct nki_error err;
    const size_t frame = strlen("NATS/1.0\r\nA: \r\n\r\n");
    memset(received, 'x', sizeof received);
    memcpy(received, "NATS/1.0\r\nA: ", frame - 4);
    memcpy(received + NKI_HEADER_BLOCK_MAX - 4, "\r\n\r\n", 4);
    struct nki_str whole = {received, NKI_HEADER_BLOCK_MAX};
    assert_int_equal(nki_header_append_all(&block, whole, &err), NKI_OK);
    check_str(block_of(&block), whole);
    assert_int_equal(nki_header_append_all(&block, NKI_STR("NATS/1.0\r\nA: b\r\n\r\n"), &err), NKI_LIMIT);
    assert_int_equal(err.status, NKI_LIMIT);
    check_str(block_of(&block), whole);
    assert_int_equal(nki_header_append_all(&block, NKI_STR("NATS/1.0 100 Idle\r\n\r\n"), &err), NKI_OK);
    nki_buf_free(&block);
    build(&block, "B=1|");
    assert_int_equal(nki_header_append_all(&block, whole, &err), NKI_LIMIT);
    expect_block(&block, "B=1|");
    nki_buf_free(&block);
}

static int32_t set_long(struct nki_buf *block)
{
    static char value[1000];
    memset(value, 'v', sizeof value);
    return nki_header_set(block, NKI_STR("x-a"), NKI_MATCH_CANONICAL, nki_str_make(value, sizeof value),
                          NULL);
}

static int32_t append_folded(struct nki_buf *block)
{
    static char received[1200];
    memset(received, 'v', sizeof received);
    memcpy(received, "NATS/1.0\r\nB: 1\r\n", 16);
    memcpy(received + 16, "C: x\r\n y\r\nD: ", 13);
    return nki_header_append_all(block, nki_str_make(received, sizeof received), NULL);
}

/* Each allocation fails once: nothing has changed, nothing leaks. */
static void test_no_memory_to_change(void **state)
{
    (void)state;
    static int32_t (*const changes[])(struct nki_buf *) = {set_long, append_folded};
    uint64_t before = nki_alloc_bytes();
    for (size_t i = 0; i < NKI_ARRAY_LEN(changes); i++) {
        int32_t status = NKI_NO_MEMORY;
        for (size_t allowed = 0; status != NKI_OK; allowed++) {
            struct nki_buf block = {0};
            build(&block, "X-A=1|x-a=2|");
            allocations_left = allowed;
            nki_alloc_gate_set(gate);
            status = changes[i](&block);
            nki_alloc_gate_set(NULL);
            if (status != NKI_OK) {
                assert_int_equal(status, NKI_NO_MEMORY);
                expect_block(&block, "X-A=1|x-a=2|");
            }
            assert_true(allowed < 20);
            nki_buf_free(&block);
            assert_int_equal(nki_alloc_bytes(), before);
        }
    }
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
        cmocka_unit_test(test_append_bytes),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_block_limit),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_find_against_a_walk),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_find_canonical),
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_set_refused),
        cmocka_unit_test(test_set_limit),
        cmocka_unit_test(test_append_all),
        cmocka_unit_test(test_append_all_limit),
        cmocka_unit_test(test_no_memory_to_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
