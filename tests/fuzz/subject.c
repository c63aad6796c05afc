/* Fuzzes the rules for subjects, and matching: a NUL splits the input into a pattern and a subject. The rules
 * are written here a second time, byte by byte. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/subject.h"

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct rules {
    bool publish;
    bool subscribe;
    bool queue;
};

static struct rules look(struct nki_str text)
{
    bool good = text.len > 0 && text.len <= NKI_SUBJECT_MAX && nki_str_utf8_valid(text);
    bool wildcard = false;
    bool tokens = true;
    bool placed = true;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = (uint8_t)text.ptr[i];
        bool first = i == 0 || text.ptr[i - 1] == '.';
        bool last = i + 1 == text.len || text.ptr[i + 1] == '.';
        good = good && c > ' ' && c != 0x7f;
        tokens = tokens && !(c == '.' && (first || i + 1 == text.len));
        wildcard = wildcard || c == '*' || c == '>';
        placed = placed && ((c != '*' && c != '>') || (first && last));
        placed = placed && (c != '>' || i + 1 == text.len);
    }
    return (struct rules){good && tokens && !wildcard, good && tokens && placed, good && !wildcard};
}

static bool match(const char *pattern, const char *pattern_end, const char *subject, const char *subject_end)
{
    for (;;) {
        const char *want = pattern;
        const char *have = subject;
        if (pattern_end - pattern == 1 && *pattern == '>') {
            return true;
        }
        while (pattern < pattern_end && *pattern != '.') {
            pattern++;
        }
        while (subject < subject_end && *subject != '.') {
            subject++;
        }
        bool any = pattern - want == 1 && *want == '*';
        if (!any && (pattern - want != subject - have || memcmp(want, have, (size_t)(pattern - want)) != 0)) {
            return false;
        }
        if (pattern == pattern_end || subject == subject_end) {
            return pattern == pattern_end && subject == subject_end;
        }
        pattern++;
        subject++;
    }
}

static struct rules check(struct nki_str text)
{
    struct rules rules = look(text);
    CHECK((nki_subject_publish_fault(text) == NULL) == rules.publish);
    CHECK((nki_subject_subscribe_fault(text) == NULL) == rules.subscribe);
    CHECK((nki_subject_queue_fault(text) == NULL) == rules.queue);
    return rules;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nki_str text = {(const char *)data, size};
    check(text);
    const uint8_t *nul = size > 0 ? memchr(data, '\0', size) : NULL;
    if (nul == NULL) {
        return 0;
    }
    size_t len = (size_t)(nul - data);
    struct nki_str pattern = {text.ptr, len};
    struct nki_str subject = {text.ptr + len + 1, size - len - 1};
    struct rules pattern_rules = check(pattern);
    struct rules subject_rules = check(subject);
    bool matches = nki_subject_match(pattern, subject); /* must not go astray on anything */
    if (pattern_rules.subscribe && subject_rules.publish) {
        CHECK(matches ==
              match(pattern.ptr, pattern.ptr + pattern.len, subject.ptr, subject.ptr + subject.len));
    }
    return 0;
}
