/* Rules for subjects, queue names and inbox prefixes; matching of wildcards. Pure; any thread. The check of a
 * publish subject is hot: eight bytes at a time for those that need no second look, else a table of byte
 * classes, which also names the fault. */
#include "wire/subject.h"

#include "wire/swar.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    CLASS_PLAIN = 0,
    CLASS_BREAK = 1, /* blanks, control characters, DEL */
    CLASS_DOT = 2,
    CLASS_STAR = 4,
    CLASS_GREATER = 8,
    CLASS_HIGH = 16, /* part of a UTF-8 sequence, or not */
    /* found by looking at neighbours */
    FOUND_EMPTY = 32,
    FOUND_MISPLACED = 64
};

#define BREAK8 1, 1, 1, 1, 1, 1, 1, 1
#define HIGH8 16, 16, 16, 16, 16, 16, 16, 16
static const uint8_t classes[256] = {
    BREAK8,
    BREAK8,
    BREAK8,
    BREAK8,
    [' '] = CLASS_BREAK,
    ['*'] = CLASS_STAR,
    ['.'] = CLASS_DOT,
    ['>'] = CLASS_GREATER,
    [0x7f] = CLASS_BREAK,
    [0x80] = HIGH8,
    HIGH8,
    HIGH8,
    HIGH8,
    HIGH8,
    HIGH8,
    HIGH8,
    HIGH8,
    HIGH8,
    HIGH8,
    HIGH8,
    HIGH8,
    HIGH8,
    HIGH8,
    HIGH8,
    HIGH8,
};

/* One pass: all classes that occur, and what is wrong with the tokens. */
static unsigned look(struct nki_str text)
{
    unsigned found = 0;
    size_t token = 0; /* begin of the token */
    for (size_t i = 0; i < text.len; i++) {
        unsigned class = classes[(uint8_t)text.ptr[i]];
        found |= class;
        if (class == CLASS_DOT) {
            found |= i == token ? FOUND_EMPTY : 0;
            token = i + 1;
        } else if (class == CLASS_STAR || class == CLASS_GREATER) {
            bool last = i + 1 == text.len;
            bool alone = i == token && (last || text.ptr[i + 1] == '.');
            found |= !alone || (class == CLASS_GREATER && !last) ? FOUND_MISPLACED : 0;
        }
    }
    return token == text.len ? found | FOUND_EMPTY : found;
}

/* What is wrong whatever the text is for. */
static const char *common_fault(struct nki_str text, unsigned found)
{
    if ((found & CLASS_BREAK) != 0) {
        return "holds a blank or control character";
    }
    if ((found & CLASS_HIGH) != 0 && !nki_str_utf8_valid(text)) {
        return "is not valid UTF-8";
    }
    return NULL;
}

static const char *length_fault(struct nki_str text)
{
    if (text.len == 0) {
        return "is empty";
    }
    assert(text.ptr != NULL);
    return text.len > NKI_SUBJECT_MAX ? "is longer than 1900 bytes" : NULL;
}

static __attribute__((noinline)) const char *publish_fault_slow(struct nki_str subject)
{
    const char *fault = length_fault(subject);
    if (fault != NULL) {
        return fault;
    }
    unsigned found = look(subject);
    fault = common_fault(subject, found);
    if (fault != NULL) {
        return fault;
    }
    if ((found & FOUND_EMPTY) != 0) {
        return "has an empty token";
    }
    return (found & (CLASS_STAR | CLASS_GREATER)) != 0 ? "holds a wildcard" : NULL;
}

/* The bits of a word that call for the slow look. `dots` carries the dot bit of the byte before the word in
 * and that of the last byte of the word out. */
static inline uint64_t word_faults(uint64_t word, uint64_t *dots)
{
    uint64_t here = nki_swar_equals_each(word, '.');
    uint64_t bad = nki_swar_breaks(word) | nki_swar_equals(word, '*') | nki_swar_equals(word, '>');
    bad |= word & NKI_SWAR_TOPS;
    bad |= here & (here << 8 | *dots);
    *dots = here >> 56;
    return bad;
}

#ifdef __SSE2__
/* Bytes of sixteen that call for the slow look, as a bit each; the bits of dots go to *dots. */
static inline unsigned wide_faults(__m128i bytes, unsigned *dots)
{
    /* Signed: bytes from 0x80 on are below a blank, too. */
    __m128i bad = _mm_cmplt_epi8(bytes, _mm_set1_epi8('!'));
    bad = _mm_or_si128(bad, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)));
    bad = _mm_or_si128(bad, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('*')));
    bad = _mm_or_si128(bad, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('>')));
    *dots = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('.')));
    return (unsigned)_mm_movemask_epi8(bad);
}

/* Whether something is wrong, or nearly: dots side by side, at the begin or at the end, or a bad byte. */
static inline bool dots_misplaced(uint64_t dots, size_t len)
{
    uint64_t ends = 1 | UINT64_C(1) << (len - 1);
    return ((dots & dots >> 1) | (dots & ends)) != 0;
}

/* Subjects of 8 to 16 bytes: two halves that overlap. */
static inline bool short_needs_slow_look(struct nki_str subject)
{
    unsigned dots;
    size_t shift = subject.len - 8;
    __m128i first = _mm_loadl_epi64((const __m128i *)(const void *)subject.ptr);
    __m128i last = _mm_loadl_epi64((const __m128i *)(const void *)(subject.ptr + shift));
    unsigned bad = wide_faults(_mm_unpacklo_epi64(first, last), &dots);
    return bad != 0 || dots_misplaced((dots & 0xff) | (uint64_t)(dots >> 8) << shift, subject.len);
}

/* Subjects of 16 to 32 bytes: two words that overlap. */
static inline bool needs_slow_look(struct nki_str subject)
{
    unsigned first;
    unsigned last;
    size_t shift = subject.len - 16;
    unsigned bad = wide_faults(_mm_loadu_si128((const __m128i *)(const void *)subject.ptr), &first);
    bad |= wide_faults(_mm_loadu_si128((const __m128i *)(const void *)(subject.ptr + shift)), &last);
    return bad != 0 || dots_misplaced(first | (uint64_t)last << shift, subject.len);
}

/* Subjects of 32 to 64 bytes, as those of acks: four words, of which the middle ones overlap. */
static inline bool long_needs_slow_look(struct nki_str subject)
{
    unsigned bad = 0;
    uint64_t dots = 0;
    const size_t at[] = {0, 16, subject.len - 32, subject.len - 16};
    for (size_t i = 0; i < NKI_ARRAY_LEN(at); i++) {
        unsigned here;
        bad |= wide_faults(_mm_loadu_si128((const __m128i *)(const void *)(subject.ptr + at[i])), &here);
        dots |= (uint64_t)here << at[i];
    }
    return bad != 0 || dots_misplaced(dots, subject.len);
}
#endif

const char *nki_subject_publish_fault(struct nki_str subject)
{
#ifdef __SSE2__
    if (NKI_LIKELY(subject.len - 8 <= 24)) { /* 8 to 32 */
        bool slow = subject.len < 16 ? short_needs_slow_look(subject) : needs_slow_look(subject);
        return NKI_LIKELY(!slow) ? NULL : publish_fault_slow(subject);
    }
    if (NKI_LIKELY(subject.len - 33 <= 31)) { /* 33 to 64 */
        return NKI_LIKELY(!long_needs_slow_look(subject)) ? NULL : publish_fault_slow(subject);
    }
#endif
    if (NKI_UNLIKELY(subject.len < 8 || subject.len > NKI_SUBJECT_MAX)) {
        return publish_fault_slow(subject);
    }
    const uint8_t *at = (const uint8_t *)subject.ptr;
    const uint8_t *last = at + subject.len - 8;
    uint64_t dots = 0x80; /* a dot before the first byte makes a leading one a pair */
    uint64_t bad = 0;
    while (at < last) {
        bad |= word_faults(nki_swar_load(at), &dots);
        at += 8;
    }
    /* The last word overlaps the one before it, so that no byte is read beyond the end. The byte before it
     * was looked at, but is not at hand: a pair of dots across that border lies in the word before, unless
     * the words meet exactly. */
    dots = at == last ? dots : 0;
    bad |= word_faults(nki_swar_load(last), &dots);
    return NKI_LIKELY((bad | dots) == 0) ? NULL : publish_fault_slow(subject);
}

const char *nki_subject_subscribe_fault(struct nki_str subject)
{
    const char *fault = length_fault(subject);
    if (fault != NULL) {
        return fault;
    }
    unsigned found = look(subject);
    fault = common_fault(subject, found);
    if (fault != NULL) {
        return fault;
    }
    if ((found & FOUND_EMPTY) != 0) {
        return "has an empty token";
    }
    return (found & FOUND_MISPLACED) != 0 ? "has a misplaced wildcard" : NULL;
}

const char *nki_subject_queue_fault(struct nki_str queue)
{
    const char *fault = length_fault(queue);
    if (fault != NULL) {
        return fault;
    }
    unsigned found = look(queue);
    fault = common_fault(queue, found);
    if (fault != NULL) {
        return fault;
    }
    return (found & (CLASS_STAR | CLASS_GREATER)) != 0 ? "holds a wildcard" : NULL;
}

bool nki_subject_match(struct nki_str pattern, struct nki_str subject)
{
    if (pattern.len == 0 || subject.len == 0) {
        return false;
    }
    for (;;) {
        struct nki_str want = nki_str_cut(&pattern, '.');
        if (nki_str_eq(want, NKI_STR(">")) && pattern.ptr == NULL) {
            return subject.len > 0;
        }
        struct nki_str have = nki_str_cut(&subject, '.');
        bool any = nki_str_eq(want, NKI_STR("*")) && have.len > 0;
        if (!any && !nki_str_eq(want, have)) {
            return false;
        }
        /* nki_str_cut leaves NULL when there was no further dot */
        if (pattern.ptr == NULL || subject.ptr == NULL) {
            return pattern.ptr == subject.ptr;
        }
    }
}
