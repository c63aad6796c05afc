/* Borrowed text: comparing, cutting, numbers, UTF-8. Pure; any thread. */
#include "base/str.h"

#define DISTANCE_MAX 64 /* longer names have no suggestion */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool nki_str_eq_nocase(struct nki_str a, struct nki_str b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.ptr[i]) != lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

bool nki_str_starts(struct nki_str text, struct nki_str prefix)
{
    return text.len >= prefix.len && nki_str_eq(nki_str_make(text.ptr, prefix.len), prefix);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct nki_str nki_str_trim(struct nki_str text)
{
    while (text.len > 0 && is_blank(text.ptr[0])) {
        text.ptr++;
        text.len--;
    }
    while (text.len > 0 && is_blank(text.ptr[text.len - 1])) {
        text.len--;
    }
    return text;
}

struct nki_str nki_str_cut(struct nki_str *rest, char separator)
{
    struct nki_str piece = *rest;
    const char *found = piece.len > 0 ? memchr(piece.ptr, separator, piece.len) : NULL;
    if (found == NULL) {
        *rest = nki_str_make(NULL, 0);
        return piece;
    }
    piece.len = (size_t)(found - piece.ptr);
    *rest = nki_str_make(found + 1, rest->len - piece.len - 1);
    return piece;
}

bool nki_str_u64(struct nki_str text, uint64_t *out)
{
    uint64_t value = 0;
    if (text.len == 0 || (text.len > 1 && text.ptr[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        unsigned digit = (unsigned)(unsigned char)text.ptr[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value)) {
            return false;
        }
    }
    *out = value;
    return true;
}

bool nki_str_i64(struct nki_str text, int64_t *out)
{
    uint64_t size;
    bool negative = text.len > 0 && text.ptr[0] == '-';
    if (negative) {
        text.ptr++;
        text.len--;
    }
    if (!nki_str_u64(text, &size) || size > (uint64_t)INT64_MAX + negative) {
        return false;
    }
    /* The smallest number has no positive twin, so it is not made by negation. */
    if (negative) {
        *out = size > (uint64_t)INT64_MAX ? INT64_MIN : -(int64_t)size;
    } else {
        *out = (int64_t)size;
    }
    return true;
}

size_t nki_str_utf8_len(struct nki_str text)
{
    const unsigned char *at = (const unsigned char *)text.ptr;
    if (text.len == 0) {
        return 0;
    }
    if (at[0] < 0x80) {
        return 1;
    }
    size_t len = at[0] >= 0xF0 ? 4 : at[0] >= 0xE0 ? 3 : 2;
    if (at[0] < 0xC2 || at[0] > 0xF4 || text.len < len) {
        return 0;
    }
    /* The second byte's range shuts out overlong forms, surrogates and what is above U+10FFFF. */
    unsigned low = at[0] == 0xE0 ? 0xA0 : at[0] == 0xF0 ? 0x90 : 0x80;
    unsigned high = at[0] == 0xED ? 0x9F : at[0] == 0xF4 ? 0x8F : 0xBF;
    if (at[1] < low || at[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if ((at[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    return len;
}

bool nki_str_utf8_valid(struct nki_str text)
{
    while (text.len > 0) {
        uint64_t eight;
        size_t step;
        /* Most text is ASCII: eight bytes at a time. */
        if (text.len >= sizeof eight &&
            (memcpy(&eight, text.ptr, sizeof eight), (eight & UINT64_C(0x8080808080808080)) == 0)) {
            step = sizeof eight;
        } else {
            step = nki_str_utf8_len(text);
        }
        if (step == 0) {
            return false;
        }
        text.ptr += step;
        text.len -= step;
    }
    return true;
}

void nki_str_copy(char *out, size_t cap, struct nki_str text)
{
    assert(cap > 0);
    size_t len = text.len;
    if (len >= cap) {
        len = cap - 1;
        /* At most three bytes back stands the beginning of the sequence that would be broken. */
        size_t back = 0;
        while (back < 3 && back < len && ((unsigned char)text.ptr[len - back] & 0xC0) == 0x80) {
            back++;
        }
        if (((unsigned char)text.ptr[len - back] & 0xC0) != 0x80) {
            len -= back;
        }
    }
    if (len > 0) {
        memcpy(out, text.ptr, len);
    }
    out[len] = '\0';
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t nki_str_distance(struct nki_str a, struct nki_str b, size_t limit)
{
    size_t row[DISTANCE_MAX + 1]; /* distances from the first i of `a` to each beginning of `b` */
    if (a.len > DISTANCE_MAX || b.len > DISTANCE_MAX) {
        return limit + 1;
    }
    for (size_t j = 0; j <= b.len; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t replaced = diagonal + (a.ptr[i - 1] != b.ptr[j - 1]);
            diagonal = row[j];
            row[j] = smaller(replaced, smaller(row[j], row[j - 1]) + 1);
        }
    }
    return smaller(row[b.len], limit + 1);
}
