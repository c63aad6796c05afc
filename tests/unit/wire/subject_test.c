/* Subject rules against tables and against slow rules written a second time, without any trick. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rand.h"
#include "wire/subject.h"

#define BLANK "holds a blank or control character"
#define TOKEN "has an empty token"
#define WILD "holds a wildcard"
#define PLACE "has a misplaced wildcard"
#define UTF8 "is not valid UTF-8"
#define EMPTY "is empty"

static const struct row {
    const char *text;
    size_t len;
    const char *publish;
    const char *subscribe;
    const char *queue;
} rows[] = {
#define ROW(text, publish, subscribe, queue)                                                                 \
    {                                                                                                        \
        text, sizeof(text) - 1, publish, subscribe, queue                                                    \
    }
    ROW("a", NULL, NULL, NULL),
    ROW("foo.bar", NULL, NULL, NULL),
    ROW("foo.bar.baz.qux", NULL, NULL, NULL),
    ROW("$JS.API.STREAM.CREATE.x-y_z", NULL, NULL, NULL),
    ROW("caf\xc3\xa9.\xe2\x82\xac.\xf0\x9f\x98\x80", NULL, NULL, NULL),
    ROW("", EMPTY, EMPTY, EMPTY),
    /* F1, F2, F7, F8, F9: what would end the argument */
    ROW("a\r\nPUB b 0", BLANK, BLANK, BLANK),
    ROW("foo.bar.baz\r\nPUB b 0\r\n\r\n", BLANK, BLANK, BLANK),
    ROW("a b", BLANK, BLANK, BLANK),
    ROW(" a", BLANK, BLANK, BLANK),
    ROW("a ", BLANK, BLANK, BLANK),
    ROW("a\tb", BLANK, BLANK, BLANK),
    ROW("a\n", BLANK, BLANK, BLANK),
    ROW("a\r", BLANK, BLANK, BLANK),
    ROW("foo.bar.baz\x7f", BLANK, BLANK, BLANK),
    ROW("\x01", BLANK, BLANK, BLANK),
    /* F11 */
    ROW("a\0b", BLANK, BLANK, BLANK),
    ROW("foo.bar\0baz", BLANK, BLANK, BLANK),
    /* F8, F10 */
    ROW("a..b", TOKEN, TOKEN, NULL),
    ROW(".a", TOKEN, TOKEN, NULL),
    ROW("a.", TOKEN, TOKEN, NULL),
    ROW(".", TOKEN, TOKEN, NULL),
    ROW("..", TOKEN, TOKEN, NULL),
    ROW("1234567..1234567", TOKEN, TOKEN, NULL),
    ROW("12345678..345678", TOKEN, TOKEN, NULL),
    ROW("123456..", TOKEN, TOKEN, NULL),
    ROW("..345678", TOKEN, TOKEN, NULL),
    ROW(".23456789", TOKEN, TOKEN, NULL),
    ROW("123456789.", TOKEN, TOKEN, NULL),
    ROW("*", WILD, NULL, WILD),
    ROW(">", WILD, NULL, WILD),
    ROW("a.*", WILD, NULL, WILD),
    ROW("*.a.*", WILD, NULL, WILD),
    ROW("a.>", WILD, NULL, WILD),
    ROW("*.>", WILD, NULL, WILD),
    ROW(">.foo", WILD, PLACE, WILD),
    ROW("a.>.b", WILD, PLACE, WILD),
    ROW("a.>.", TOKEN, TOKEN, WILD),
    ROW("foo*", WILD, PLACE, WILD),
    ROW("*foo", WILD, PLACE, WILD),
    ROW("a.b*.c", WILD, PLACE, WILD),
    ROW("foo>", WILD, PLACE, WILD),
    ROW("a.>b", WILD, PLACE, WILD),
    ROW("a.b>", WILD, PLACE, WILD),
    ROW("**", WILD, PLACE, WILD),
    ROW("foo.bar.baz.*", WILD, NULL, WILD),
    /* F22 */
    ROW("\xff", UTF8, UTF8, UTF8),
    ROW("foo.bar.\xc3", UTF8, UTF8, UTF8),
    ROW("foo.\xc0\x80.bar", UTF8, UTF8, UTF8),
    ROW("foo.\xed\xa0\x80.bar", UTF8, UTF8, UTF8),
    ROW("foo.\xf4\x90\x80\x80.bar", UTF8, UTF8, UTF8),
#undef ROW
};

static void check(const char *have, const char *want, const char *text)
{
    if ((have == NULL) != (want == NULL) || (have != NULL && strcmp(have, want) != 0)) {
        fail_msg("'%s': %s instead of %s", text, have != NULL ? have : "fine", want != NULL ? want : "fine");
    }
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct nki_str text = {rows[i].text, rows[i].len};
        check(nki_subject_publish_fault(text), rows[i].publish, rows[i].text);
        check(nki_subject_subscribe_fault(text), rows[i].subscribe, rows[i].text);
        check(nki_subject_queue_fault(text), rows[i].queue, rows[i].text);
    }
    assert_string_equal(nki_subject_publish_fault(nki_str_make(NULL, 0)), EMPTY);
}

/* F12 */
static void test_lengths(void **state)
{
    (void)state;
    static char text[NKI_SUBJECT_MAX + 1];
    memset(text, 'a', sizeof text);
    static const char too_long[] = "is longer than 1900 bytes";
    for (size_t len = 1; len <= sizeof text; len++) {
        struct nki_str subject = {text, len};
        const char *want = len <= NKI_SUBJECT_MAX ? NULL : too_long;
        check(nki_subject_publish_fault(subject), want, "aaa");
        check(nki_subject_subscribe_fault(subject), want, "aaa");
        check(nki_subject_queue_fault(subject), want, "aaa");
    }
}

/* Each byte, and two dots, at each place of each length around words of 8 and 16 bytes, and beyond 64. */
static void test_each_byte_at_each_place(void **state)
{
    (void)state;
    for (size_t len = 1; len <= 70; len++) {
        char *text = malloc(len);
        assert_non_null(text);
        for (size_t place = 0; place < len; place++) {
            for (unsigned byte = 0; byte < 256; byte++) {
                memset(text, 'a', len);
                text[place] = (char)byte;
                const char *want = byte <= ' ' || byte == 0x7f                       ? BLANK
                                   : byte >= 0x80                                    ? UTF8
                                   : byte == '*' || byte == '>'                      ? WILD
                                   : byte == '.' && (place == 0 || place + 1 == len) ? TOKEN
                                                                                     : NULL;
                check(nki_subject_publish_fault(nki_str_make(text, len)), want, "a byte at a place");
            }
            memset(text, 'a', len);
            text[place] = '.';
            text[place > 0 ? place - 1 : 0] = '.';
            check(nki_subject_publish_fault(nki_str_make(text, len)), TOKEN, "two dots at a place");
        }
        free(text);
    }
}

/* The rules once more, token by token. */
static const char *slow_fault(struct nki_str text, bool publish)
{
    bool wildcard = false;
    bool misplaced = false;
    bool empty = false;
    for (size_t i = 0; i < text.len; i++) {
        if ((uint8_t)text.ptr[i] <= ' ' || text.ptr[i] == 0x7f) {
            return BLANK;
        }
    }
    if (text.len == 0) {
        return EMPTY;
    }
    if (!nki_str_utf8_valid(text)) {
        return UTF8;
    }
    for (struct nki_str rest = text; rest.ptr != NULL;) {
        struct nki_str token = nki_str_cut(&rest, '.');
        bool star = token.len > 0 && memchr(token.ptr, '*', token.len) != NULL;
        bool greater = token.len > 0 && memchr(token.ptr, '>', token.len) != NULL;
        empty = empty || token.len == 0;
        wildcard = wildcard || star || greater;
        misplaced = misplaced || ((star || greater) && token.len != 1) || (greater && rest.ptr != NULL);
    }
    if (empty) {
        return TOKEN;
    }
    return publish ? (wildcard ? WILD : NULL) : misplaced ? PLACE : NULL;
}

static struct nki_str random_text(struct nki_rand *rand, const char *alphabet, char *out, size_t max)
{
    size_t len = (size_t)nki_rand_below(rand, max + 1);
    for (size_t i = 0; i < len; i++) {
        out[i] = alphabet[nki_rand_below(rand, strlen(alphabet))];
    }
    return nki_str_make(out, len);
}

static void test_random_against_slow(void **state)
{
    (void)state;
    static const char *const alphabets[] = {"abcdefgh.", "ab.*>", "abcdefghijklmnop.*> \x01\x7f\xc3\xa9",
                                            "ab.."};
    struct nki_rand rand;
    char text[40];
    nki_rand_seed(&rand, 42);
    for (size_t i = 0; i < 1000000; i++) {
        struct nki_str subject =
            random_text(&rand, alphabets[i % NKI_ARRAY_LEN(alphabets)], text, sizeof text);
        check(nki_subject_publish_fault(subject), slow_fault(subject, true), "random");
        check(nki_subject_subscribe_fault(subject), slow_fault(subject, false), "random");
    }
}

static const struct {
    const char *pattern;
    const char *subject;
    bool match;
} matches[] = {
    {"a", "a", true},
    {"a", "b", false},
    {"a", "a.b", false},
    {"a.b", "a", false},
    {"a.b", "a.b", true},
    {"a.b", "a.bc", false},
    {"a.bc", "a.b", false},
    {"*", "a", true},
    {"*", "a.b", false},
    {"*.b", "a.b", true},
    {"*.b", "a.c", false},
    {"a.*", "a.b", true},
    {"a.*", "a", false},
    {"a.*", "a.b.c", false},
    {"a.*.c", "a.b.c", true},
    {"*.*", "a.b", true},
    {"*.*", "a", false},
    {">", "a", true},
    {">", "a.b.c", true},
    {"a.>", "a", false},
    {"a.>", "a.b", true},
    {"a.>", "a.b.c.d", true},
    {"a.>", "b.c", false},
    {"*.>", "a.b", true},
    {"*.>", "a", false},
    {"a.*.>", "a.b.c", true},
    {"a.*.>", "a.b", false},
    {"foo*", "foo*", true},
    {"foo*", "foobar", false},
    {"", "a", false},
    {"a", "", false},
    {"", "", false},
    {">", "", false},
    {"*", "", false},
    {"_INBOX.x.*", "_INBOX.x.1", true},
    {"$KV.b.>", "$KV.b.k.l", true},
    {"A", "a", false},
    {"a.>", "a.", false},
    {"a.*", "a.", false},
};

static void test_match_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < NKI_ARRAY_LEN(matches); i++) {
        if (nki_subject_match(nki_str_z(matches[i].pattern), nki_str_z(matches[i].subject)) !=
            matches[i].match) {
            fail_msg("'%s' and '%s'", matches[i].pattern, matches[i].subject);
        }
    }
}

static bool slow_match(const char *pattern, const char *subject)
{
    if (*pattern == '>' && pattern[1] == '\0') {
        return *subject != '\0';
    }
    size_t want = strcspn(pattern, ".");
    size_t have = strcspn(subject, ".");
    bool any = want == 1 && *pattern == '*' && have > 0;
    if (!any && (want != have || memcmp(pattern, subject, want) != 0)) {
        return false;
    }
    if (pattern[want] == '\0' || subject[have] == '\0') {
        return pattern[want] == subject[have];
    }
    return slow_match(pattern + want + 1, subject + have + 1);
}

static void test_match_random(void **state)
{
    (void)state;
    struct nki_rand rand;
    char pattern[12];
    char subject[12];
    size_t matched = 0;
    nki_rand_seed(&rand, 7);
    for (size_t i = 0; i < 1000000; i++) {
        struct nki_str want = random_text(&rand, "ab..*>", pattern, sizeof pattern - 1);
        struct nki_str have = random_text(&rand, "ab.", subject, sizeof subject - 1);
        if (nki_subject_subscribe_fault(want) != NULL || nki_subject_publish_fault(have) != NULL) {
            continue;
        }
        pattern[want.len] = '\0';
        subject[have.len] = '\0';
        bool match = nki_subject_match(want, have);
        matched += match;
        if (match != slow_match(pattern, subject)) {
            fail_msg("'%s' and '%s'", pattern, subject);
        }
    }
    assert_true(matched > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_each_byte_at_each_place),
        cmocka_unit_test(test_random_against_slow),
        cmocka_unit_test(test_match_rows),
        cmocka_unit_test(test_match_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
