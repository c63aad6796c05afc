/* The pull scanner over JSON text. Checking is one pass without recursion, with the kinds of the open levels
 * in a bitmap; reading relies on the check and never leaves the text. Pure; any thread. */
#include "base/json.h"

#define NUMBER_MAX 40

struct scan {
    const char *at;
    const char *end;
    uint64_t objects; /* one bit per open level, the innermost lowest: 1 is an object, 0 an array */
    unsigned depth;
};

_Static_assert(NKI_JSON_DEPTH_MAX <= 64, "a level is a bit of scan.objects");

static bool more(const struct scan *scan)
{
    return scan->at < scan->end;
}

static void skip_blanks(struct scan *scan)
{
    while (more(scan) && (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\r' || *scan->at == '\t')) {
        scan->at++;
    }
}

/* Takes `c` if it is next. */
static bool take(struct scan *scan, char c)
{
    if (!more(scan) || *scan->at != c) {
        return false;
    }
    scan->at++;
    return true;
}

static bool take_word(struct scan *scan, struct nki_str word)
{
    if (!nki_str_starts(nki_str_make(scan->at, (size_t)(scan->end - scan->at)), word)) {
        return false;
    }
    scan->at += word.len;
    return true;
}

static bool take_digits(struct scan *scan)
{
    const char *start = scan->at;
    while (more(scan) && *scan->at >= '0' && *scan->at <= '9') {
        scan->at++;
    }
    return scan->at > start;
}

static bool take_number(struct scan *scan)
{
    const char *start = scan->at;
    (void)take(scan, '-');
    if (!take(scan, '0') && !take_digits(scan)) {
        return false;
    }
    if (take(scan, '.') && !take_digits(scan)) {
        return false;
    }
    if (take(scan, 'e') || take(scan, 'E')) {
        if (!take(scan, '+')) {
            (void)take(scan, '-');
        }
        if (!take_digits(scan)) {
            return false;
        }
    }
    return scan->at - start <= NUMBER_MAX;
}

static bool take_hex4(struct scan *scan, uint32_t *unit)
{
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        if (!more(scan)) {
            return false;
        }
        char c = *scan->at++;
        uint32_t digit;
        if (c >= '0' && c <= '9') {
            digit = (uint32_t)(c - '0');
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            digit = (uint32_t)((c | 0x20) - 'a') + 10;
        } else {
            return false;
        }
        *unit = *unit << 4 | digit;
    }
    return true;
}

/* What follows the backslash of an escape, as a code point. Lone surrogates are refused. */
static bool take_escape(struct scan *scan, uint32_t *code)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    uint32_t low;
    if (!more(scan)) {
        return false;
    }
    char letter = *scan->at++;
    const char *found = memchr(letters, letter, sizeof letters - 1);
    if (found != NULL) {
        *code = (unsigned char)meanings[found - letters];
        return true;
    }
    if (letter != 'u' || !take_hex4(scan, code)) {
        return false;
    }
    if (*code < 0xD800 || *code > 0xDFFF) {
        return true;
    }
    if (*code > 0xDBFF || !take_word(scan, NKI_STR("\\u")) || !take_hex4(scan, &low) || low < 0xDC00 ||
        low > 0xDFFF) {
        return false;
    }
    *code = 0x10000 + ((*code - 0xD800) << 10) + (low - 0xDC00);
    return true;
}

static bool take_string(struct scan *scan)
{
    uint32_t code;
    if (!take(scan, '"')) {
        return false;
    }
    while (more(scan)) {
        unsigned char c = (unsigned char)*scan->at++;
        if (c == '"') {
            return true;
        }
        if (c < 0x20 || (c == '\\' && !take_escape(scan, &code))) {
            return false;
        }
    }
    return false;
}

static bool take_scalar(struct scan *scan)
{
    if (!more(scan)) {
        return false;
    }
    switch (*scan->at) {
    case '"':
        return take_string(scan);
    case 't':
        return take_word(scan, NKI_STR("true"));
    case 'f':
        return take_word(scan, NKI_STR("false"));
    case 'n':
        return take_word(scan, NKI_STR("null"));
    default:
        return take_number(scan);
    }
}

static bool in_object(const struct scan *scan)
{
    return (scan->objects & 1) != 0;
}

static void pop(struct scan *scan)
{
    scan->objects >>= 1;
    scan->depth--;
}

/* Up to where the next value begins: past the member's name, if it is one. */
static bool take_lead(struct scan *scan)
{
    skip_blanks(scan);
    if (in_object(scan)) {
        if (!take_string(scan)) {
            return false;
        }
        skip_blanks(scan);
        if (!take(scan, ':')) {
            return false;
        }
        skip_blanks(scan);
    }
    return true;
}

/* The bracket that opens a level, and what leads to its first value; *empty if it closes again at once. */
static bool take_open(struct scan *scan, bool *empty)
{
    bool object = *scan->at++ == '{';
    if (scan->depth == NKI_JSON_DEPTH_MAX) {
        return false;
    }
    scan->objects = scan->objects << 1 | object;
    scan->depth++;
    skip_blanks(scan);
    *empty = take(scan, object ? '}' : ']');
    if (*empty) {
        pop(scan);
        return true;
    }
    return take_lead(scan);
}

/* What may stand behind a value: closing brackets, then a comma and what leads to the next value, or the end
 * of the outermost value. */
static bool take_follow(struct scan *scan)
{
    while (scan->depth > 0) {
        skip_blanks(scan);
        if (take(scan, ',')) {
            return take_lead(scan);
        }
        if (!take(scan, in_object(scan) ? '}' : ']')) {
            return false;
        }
        pop(scan);
    }
    return true;
}

static bool take_value(struct scan *scan)
{
    do {
        bool complete = true;
        if (more(scan) && (*scan->at == '{' || *scan->at == '[')) {
            if (!take_open(scan, &complete)) {
                return false;
            }
        } else if (!take_scalar(scan)) {
            return false;
        }
        if (complete && !take_follow(scan)) {
            return false;
        }
    } while (scan->depth > 0);
    return true;
}

static enum nki_json_type type_of(char first)
{
    switch (first) {
    case '{':
        return NKI_JSON_OBJECT;
    case '[':
        return NKI_JSON_ARRAY;
    case '"':
        return NKI_JSON_STRING;
    case 't':
        return NKI_JSON_TRUE;
    case 'f':
        return NKI_JSON_FALSE;
    case 'n':
        return NKI_JSON_NULL;
    default:
        return NKI_JSON_NUMBER;
    }
}

bool nki_json_check(struct nki_str text, struct nki_json_value *out)
{
    /* Once for all: whatever is not ASCII can only stand inside strings, as the rest of the grammar is. */
    if (text.len == 0 || !nki_str_utf8_valid(text)) {
        return false;
    }
    struct scan scan = {.at = text.ptr, .end = text.ptr + text.len};
    skip_blanks(&scan);
    const char *start = scan.at;
    if (!take_value(&scan)) {
        return false;
    }
    *out = (struct nki_json_value){type_of(*start), nki_str_make(start, (size_t)(scan.at - start))};
    skip_blanks(&scan);
    return !more(&scan);
}

/* -- reading what was checked ------------------------------------------------------------------------------
 */

static void skip_string(struct scan *scan)
{
    scan->at++;
    while (more(scan) && *scan->at != '"') {
        scan->at += *scan->at == '\\' && scan->end - scan->at > 1 ? 2 : 1;
    }
    if (more(scan)) {
        scan->at++;
    }
}

static void skip_value(struct scan *scan)
{
    size_t depth = 0;
    do {
        char c = *scan->at;
        if (c == '"') {
            skip_string(scan);
        } else if (c == '{' || c == '[') {
            depth++;
            scan->at++;
        } else if (c == '}' || c == ']') {
            depth--;
            scan->at++;
        } else if (depth > 0) {
            scan->at++;
        } else {
            while (more(scan) && memchr(",]} \t\r\n", *scan->at, 7) == NULL) {
                scan->at++;
            }
        }
    } while (depth > 0 && more(scan));
}

bool nki_json_next(const struct nki_json_value *parent, size_t *at, struct nki_str *key,
                   struct nki_json_value *out)
{
    assert(parent->type == NKI_JSON_OBJECT || parent->type == NKI_JSON_ARRAY);
    assert(*at < parent->raw.len);
    struct scan scan = {.at = parent->raw.ptr + *at, .end = parent->raw.ptr + parent->raw.len - 1};
    if (*at == 0) {
        scan.at++;
        skip_blanks(&scan);
    }
    if (!more(&scan)) { /* only the closing bracket is left */
        *at = parent->raw.len - 1;
        return false;
    }
    struct nki_str name = {0};
    if (parent->type == NKI_JSON_OBJECT) {
        const char *quote = scan.at;
        skip_string(&scan);
        name = nki_str_make(quote + 1, (size_t)(scan.at - quote) - 2);
        skip_blanks(&scan);
        (void)take(&scan, ':');
        skip_blanks(&scan);
    }
    const char *start = scan.at;
    skip_value(&scan);
    *out = (struct nki_json_value){type_of(*start), nki_str_make(start, (size_t)(scan.at - start))};
    if (key != NULL) {
        *key = name;
    }
    skip_blanks(&scan);
    if (take(&scan, ',')) {
        skip_blanks(&scan);
    }
    *at = (size_t)(scan.at - parent->raw.ptr);
    return true;
}

static size_t put_utf8(char *out, uint32_t code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

/* The next piece of a string's inside, escape resolved, as one to four bytes; 0 at the end. */
static size_t take_piece(struct scan *scan, char piece[4])
{
    uint32_t code;
    if (!more(scan)) {
        return 0;
    }
    piece[0] = *scan->at++;
    if (piece[0] != '\\') {
        return 1;
    }
    return take_escape(scan, &code) ? put_utf8(piece, code) : 0;
}

/* Whether a name as written stands for `name`. */
static bool same_name(struct nki_str raw, struct nki_str name)
{
    if (raw.len == 0 || memchr(raw.ptr, '\\', raw.len) == NULL) {
        return nki_str_eq(raw, name);
    }
    struct scan scan = {.at = raw.ptr, .end = raw.ptr + raw.len};
    char piece[4];
    size_t len;
    while ((len = take_piece(&scan, piece)) > 0) {
        if (name.len < len || memcmp(name.ptr, piece, len) != 0) {
            return false;
        }
        name.ptr += len;
        name.len -= len;
    }
    return name.len == 0;
}

bool nki_json_member(const struct nki_json_value *object, struct nki_str name, struct nki_json_value *out)
{
    struct nki_json_value value;
    struct nki_str key;
    size_t at = 0;
    bool found = false;
    assert(object->type == NKI_JSON_OBJECT);
    while (nki_json_next(object, &at, &key, &value)) {
        if (same_name(key, name)) {
            *out = value;
            found = true;
        }
    }
    return found;
}

bool nki_json_i64(const struct nki_json_value *value, int64_t *out)
{
    return value->type == NKI_JSON_NUMBER && nki_str_i64(value->raw, out);
}

bool nki_json_u64(const struct nki_json_value *value, uint64_t *out)
{
    return value->type == NKI_JSON_NUMBER && nki_str_u64(value->raw, out);
}

bool nki_json_bool(const struct nki_json_value *value, bool *out)
{
    if (value->type != NKI_JSON_TRUE && value->type != NKI_JSON_FALSE) {
        return false;
    }
    *out = value->type == NKI_JSON_TRUE;
    return true;
}

ptrdiff_t nki_json_text(const struct nki_json_value *value, char *out, size_t cap)
{
    assert(cap > 0);
    if (value->type != NKI_JSON_STRING) {
        return -1;
    }
    struct scan scan = {.at = value->raw.ptr + 1, .end = value->raw.ptr + value->raw.len - 1};
    char piece[4];
    size_t used = 0;
    size_t len;
    while ((len = take_piece(&scan, piece)) > 0) {
        if (len >= cap - used || piece[0] == '\0') {
            return -1;
        }
        memcpy(out + used, piece, len);
        used += len;
    }
    out[used] = '\0';
    return (ptrdiff_t)used;
}
