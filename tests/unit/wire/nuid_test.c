/* Names for inboxes: never twice, of the right characters; numbers in base 62 there and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

#include "wire/nuid.h"

#define MANY 1000000

static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static bool is_name(const char *name)
{
    for (size_t i = 0; i < NKI_NUID_LEN; i++) {
        if (memchr(alphabet, name[i], sizeof alphabet - 1) == NULL) {
            return false;
        }
    }
    return true;
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, NKI_NUID_LEN);
}

static void test_unique(void **state)
{
    (void)state;
    char(*names)[NKI_NUID_LEN] = malloc(sizeof *names * MANY);
    assert_non_null(names);
    struct nki_nuid nuid;
    nki_nuid_init(&nuid);
    for (size_t i = 0; i < MANY; i++) {
        nki_nuid_next(&nuid, names[i]);
        assert_true(is_name(names[i]));
        if (i % 1000 == 999) {
            nki_nuid_init(&nuid);
        }
    }
    qsort(names, MANY, sizeof *names, compare);
    for (size_t i = 1; i < MANY; i++) {
        assert_true(compare(names[i - 1], names[i]) != 0);
    }
    free(names);
}

static void test_renews_the_prefix(void **state)
{
    (void)state;
    struct nki_nuid nuid;
    char before[NKI_NUID_LEN];
    char after[NKI_NUID_LEN];
    nki_nuid_init(&nuid);
    nuid.seq = 0;
    nki_nuid_next(&nuid, before);
    nki_nuid_next(&nuid, after);
    assert_memory_equal(before, after, 12);
    assert_memory_not_equal(before, after, NKI_NUID_LEN);
    nuid.seq = UINT64_C(839299365868340223); /* ten digits, all 'z' */
    nki_nuid_next(&nuid, after);
    assert_memory_not_equal(before, after, 12);
    nuid.seq = UINT64_C(839299365868340223) - nuid.step;
    nki_nuid_next(&nuid, after);
    assert_memory_equal(after + 12, "zzzzzzzzzz", 10);
}

/* Each of the 62 characters is as likely as another in the random part. */
static void test_spread(void **state)
{
    (void)state;
    size_t counts[128] = {0};
    for (int i = 0; i < 20000; i++) {
        struct nki_nuid nuid;
        nki_nuid_init(&nuid);
        for (size_t k = 0; k < sizeof nuid.prefix; k++) {
            counts[(unsigned char)nuid.prefix[k] & 127]++;
        }
        assert_true(nuid.step >= 33 && nuid.step <= 333);
    }
    for (size_t i = 0; i < sizeof alphabet - 1; i++) {
        size_t count = counts[(unsigned char)alphabet[i]];
        assert_in_range(count, 3871 - 500, 3871 + 500); /* the mean, and eight deviations */
    }
}

static void check_base62(uint64_t value)
{
    char text[12];
    memset(text, '!', sizeof text);
    char *end = nki_base62_emit(text, value);
    assert_in_range(end - text, 1, 11);
    assert_int_equal(*end, '!');
    uint64_t back;
    assert_true(nki_base62_read(text, (size_t)(end - text), &back));
    assert_true(back == value);
}

static void test_base62(void **state)
{
    (void)state;
    char text[12];
    assert_int_equal(nki_base62_emit(text, 0) - text, 1);
    assert_int_equal(text[0], '0');
    assert_int_equal(nki_base62_emit(text, 61) - text, 1);
    assert_int_equal(text[0], 'z');
    assert_int_equal(nki_base62_emit(text, 62) - text, 2);
    assert_memory_equal(text, "10", 2);
    assert_int_equal(nki_base62_emit(text, UINT64_MAX) - text, 11);
    assert_memory_equal(text, "LygHa16AHYF", 11);
    struct nki_rand rand;
    nki_rand_seed(&rand, 5);
    for (int i = 0; i < 100000; i++) {
        check_base62(nki_rand_u64(&rand) >> nki_rand_below(&rand, 64));
    }
    uint64_t power = 1;
    for (int i = 0; i < 11; i++) {
        check_base62(power - 1);
        check_base62(power);
        check_base62(power + 1);
        power *= 62;
    }
}

static void test_base62_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",   "00", "01", "0z",          "-1",          "1 ",           " 1",
        "+1", "1.", "1-", "LygHa16AHYG", "zzzzzzzzzzz", "100000000000", "\xc3\xa9"};
    uint64_t value = 7;
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        assert_false(nki_base62_read(rows[i], strlen(rows[i]), &value));
        assert_int_equal(value, 7);
    }
    assert_false(nki_base62_read("1\0", 2, &value));
    assert_false(nki_base62_read(NULL, 0, &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unique),         cmocka_unit_test(test_renews_the_prefix),
        cmocka_unit_test(test_spread),         cmocka_unit_test(test_base62),
        cmocka_unit_test(test_base62_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
