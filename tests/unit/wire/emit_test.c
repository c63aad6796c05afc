/* The writer of frames against a small reader of its own, and its borders against what was written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rand.h"
#include "wire/emit.h"

#define GUARD 0xa5

static void check_u64(uint64_t value, const char *text)
{
    uint8_t out[24];
    memset(out, GUARD, sizeof out);
    uint8_t *end = nki_emit_u64(out, value);
    assert_int_equal(end - out, strlen(text));
    assert_memory_equal(out, text, strlen(text));
    assert_int_equal(*end, GUARD);
}

static void test_numbers(void **state)
{
    (void)state;
    char text[24];
    uint64_t power = 1;
    for (unsigned digits = 0; digits < 20; digits++) {
        for (int64_t delta = -2; delta <= 2; delta++) {
            uint64_t value = power + (uint64_t)delta;
            snprintf(text, sizeof text, "%llu", (unsigned long long)value);
            check_u64(value, text);
        }
        power *= 10;
    }
    check_u64(0, "0");
    check_u64(UINT64_MAX, "18446744073709551615");
    struct nki_rand rand;
    nki_rand_seed(&rand, 1);
    for (int i = 0; i < 100000; i++) {
        uint64_t value = nki_rand_u64(&rand) >> nki_rand_below(&rand, 64);
        snprintf(text, sizeof text, "%llu", (unsigned long long)value);
        check_u64(value, text);
    }
}

static void check_line(const uint8_t *out, const uint8_t *end, const char *text, size_t max)
{
    assert_int_equal(end - out, strlen(text));
    assert_memory_equal(out, text, strlen(text));
    assert_true(strlen(text) <= max);
}

static void test_lines(void **state)
{
    (void)state;
    uint8_t out[256];
    struct nki_str none = {NULL, 0};
    struct nki_str foo = NKI_STR("foo");
    check_line(out, nki_emit_pub(out, foo, none, 0, 0), "PUB foo 0\r\n", NKI_EMIT_PUB_MAX(3, 0));
    check_line(out, nki_emit_pub(out, foo, NKI_STR("re.ply"), 0, 128), "PUB foo re.ply 128\r\n",
               NKI_EMIT_PUB_MAX(3, 6));
    check_line(out, nki_emit_pub(out, foo, none, 12, 12), "HPUB foo 12 12\r\n", NKI_EMIT_PUB_MAX(3, 0));
    check_line(out, nki_emit_pub(out, foo, NKI_STR("r"), 12, 1048576), "HPUB foo r 12 1048576\r\n",
               NKI_EMIT_PUB_MAX(3, 1));
    check_line(out, nki_emit_pub(out, foo, NKI_STR("r"), SIZE_MAX, SIZE_MAX),
               "HPUB foo r 18446744073709551615 18446744073709551615\r\n", NKI_EMIT_PUB_MAX(3, 1));
    check_line(out, nki_emit_sub(out, foo, none, 1), "SUB foo 1\r\n", NKI_EMIT_SUB_MAX(3, 0));
    check_line(out, nki_emit_sub(out, NKI_STR("a.>"), NKI_STR("queue"), UINT64_MAX),
               "SUB a.> queue 18446744073709551615\r\n", NKI_EMIT_SUB_MAX(3, 5));
    check_line(out, nki_emit_unsub(out, 7, 0), "UNSUB 7\r\n", NKI_EMIT_UNSUB_MAX);
    check_line(out, nki_emit_unsub(out, UINT64_MAX, UINT64_MAX),
               "UNSUB 18446744073709551615 18446744073709551615\r\n", NKI_EMIT_UNSUB_MAX);
}

struct sent {
    enum nki_out_kind kind;
    char words[5][64]; /* as a reader finds them */
    size_t word_count;
    size_t len;
};

/* The reader: splits a control line at its blanks, of which a tab is one. */
static void read_line(const uint8_t *line, const struct sent *want)
{
    char text[512];
    size_t len = 0;
    while (line[len] != '\n') {
        len++;
    }
    assert_int_equal(line[len - 1], '\r');
    memcpy(text, line, len - 1);
    text[len - 1] = '\0';
    size_t count = 0;
    char *rest = text;
    for (char *word; (word = strsep(&rest, " \t")) != NULL; count++) {
        assert_true(count < want->word_count);
        assert_string_equal(word, want->words[count]);
    }
    assert_int_equal(count, want->word_count);
}

static void add_word(struct sent *sent, const char *word)
{
    snprintf(sent->words[sent->word_count++], sizeof sent->words[0], "%s", word);
}

static void add_number(struct sent *sent, uint64_t number)
{
    snprintf(sent->words[sent->word_count++], sizeof sent->words[0], "%llu", (unsigned long long)number);
}

static uint8_t *add_frame(uint8_t *out, struct nki_rand *rand, struct sent *sent)
{
    static const char *const subjects[] = {"a", "foo.bar", "_INBOX.abcdefgh.1", "PUB", "1", "\xc3\xa9"};
    static const char *const others[] = {"PING\r\n", "PONG\r\n", "CONNECT {\"verbose\":false}\r\n"};
    const char *subject = subjects[nki_rand_below(rand, NKI_ARRAY_LEN(subjects))];
    const char *second =
        nki_rand_below(rand, 2) == 0 ? "" : subjects[nki_rand_below(rand, NKI_ARRAY_LEN(subjects))];
    size_t body_len = (size_t)nki_rand_below(rand, 300);
    size_t header_len = nki_rand_below(rand, 2) == 0 ? 0 : (size_t)nki_rand_below(rand, body_len + 1);
    uint64_t sid = nki_rand_u64(rand) >> nki_rand_below(rand, 60) | 1;
    uint64_t max = nki_rand_below(rand, 3);
    uint8_t *begin = out;
    memset(sent, 0, sizeof *sent);
    sent->kind = (enum nki_out_kind)nki_rand_below(rand, 5);
    switch (sent->kind) {
    case NKI_OUT_PUB:
    case NKI_OUT_ONCE:
        out = nki_emit_pub(out, nki_str_z(subject), nki_str_z(second), header_len, body_len);
        if (sent->kind == NKI_OUT_ONCE) {
            nki_emit_mark_once(begin);
        }
        memset(out, '\n', body_len); /* looks like the end of many lines */
        memcpy(out + body_len, "\r\n", 2);
        out += body_len + 2;
        add_word(sent, header_len > 0 ? "HPUB" : "PUB");
        break;
    case NKI_OUT_SUB:
        out = nki_emit_sub(out, nki_str_z(subject), nki_str_z(second), sid);
        add_word(sent, "SUB");
        break;
    case NKI_OUT_UNSUB:
        out = nki_emit_unsub(out, sid, max);
        add_word(sent, "UNSUB");
        break;
    case NKI_OUT_OTHER:
        second = others[nki_rand_below(rand, NKI_ARRAY_LEN(others))];
        out = (uint8_t *)mempcpy(out, second, strlen(second));
        break;
    }
    bool publishes = sent->kind == NKI_OUT_PUB || sent->kind == NKI_OUT_ONCE;
    if (publishes || sent->kind == NKI_OUT_SUB) {
        add_word(sent, subject);
        if (second[0] != '\0') {
            add_word(sent, second);
        }
    }
    if (publishes) {
        if (header_len > 0) {
            add_number(sent, header_len);
        }
        add_number(sent, body_len);
    } else if (sent->kind != NKI_OUT_OTHER) {
        add_number(sent, sid);
    }
    if (sent->kind == NKI_OUT_UNSUB && max > 0) {
        add_number(sent, max);
    }
    sent->len = (size_t)(out - begin);
    return out;
}

static void test_round_trip(void **state)
{
    (void)state;
    static uint8_t bytes[400 * 500];
    static struct sent sent[400];
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct nki_rand rand;
        nki_rand_seed(&rand, seed);
        uint8_t *end = bytes;
        for (size_t i = 0; i < NKI_ARRAY_LEN(sent); i++) {
            end = add_frame(end, &rand, &sent[i]);
            assert_true(end <= bytes + sizeof bytes - 500);
        }
        const uint8_t *at = bytes;
        for (size_t i = 0; i < NKI_ARRAY_LEN(sent); i++) {
            enum nki_out_kind kind;
            assert_int_equal(nki_emit_frame_len(at, (size_t)(end - at), &kind), sent[i].len);
            assert_int_equal(kind, sent[i].kind);
            if (kind != NKI_OUT_OTHER) {
                read_line(at, &sent[i]);
            }
            at += sent[i].len;
        }
        assert_ptr_equal(at, end);
    }
}

/* The length of a frame is known as soon as its control line is there. */
static void test_frame_len_of_a_head(void **state)
{
    (void)state;
    enum nki_out_kind kind;
    uint8_t out[64];
    uint8_t *end = nki_emit_pub(out, NKI_STR("foo"), NKI_STR("bar"), 20, 1000000);
    assert_int_equal(nki_emit_frame_len(out, (size_t)(end - out), &kind), (size_t)(end - out) + 1000002);
    assert_int_equal(kind, NKI_OUT_PUB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_frame_len_of_a_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
