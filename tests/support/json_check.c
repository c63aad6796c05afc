/* SPDX-License-Identifier: Apache-2.0
 *
 * A strict checker of JSON texts (RFC 8259), independent of the library that the client uses.
 * Pure; any thread.
 */
#include "json_check.h"

#include "text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct cursor {
    const char *start;
    const char *at;
    const char *end;
    const char *error;
};

struct names {
    char *pool;
    size_t used;
    size_t ends[TS_JSON_MAX_MEMBERS];
    size_t count;
};

static bool fail(struct cursor *c, const char *why)
{
    if (!c->error) {
        c->error = why;
    }
    return false;
}

static void skip_blanks(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r')) {
        c->at++;
    }
}

static bool hex4(struct cursor *c, unsigned *unit)
{
    *unit = 0;
    if (c->end - c->at < 4) {
        return fail(c, "a \\u escape is cut short");
    }
    for (int i = 0; i < 4; i++) {
        char d = *c->at++;
        unsigned value;
        if (d >= '0' && d <= '9') {
            value = (unsigned)(d - '0');
        } else if ((d | 0x20) >= 'a' && (d | 0x20) <= 'f') {
            value = (unsigned)((d | 0x20) - 'a' + 10);
        } else {
            return fail(c, "a \\u escape has a character that is not hexadecimal");
        }
        *unit = *unit * 16 + value;
    }
    return true;
}

static size_t put_utf8(char *out, unsigned code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | (code >> 6));
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | (code >> 12));
        out[1] = (char)(0x80 | ((code >> 6) & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | (code >> 18));
    out[1] = (char)(0x80 | ((code >> 12) & 0x3F));
    out[2] = (char)(0x80 | ((code >> 6) & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

/* One escape after the backslash; writes what it stands for. A lone surrogate is an error, not U+FFFD. */
static bool escape(struct cursor *c, char *out, size_t *used)
{
    if (c->at == c->end) {
        return fail(c, "a backslash ends the text");
    }
    char kind = *c->at++;
    const char *names = "\"\\/bfnrt";
    const char *found = kind ? strchr(names, kind) : NULL;
    if (found) {
        out[(*used)++] = "\"\\/\b\f\n\r\t"[found - names];
        return true;
    }
    if (kind != 'u') {
        c->at--;
        return fail(c, "an escape that JSON does not know");
    }
    unsigned code, low;
    if (!hex4(c, &code)) {
        return false;
    }
    if (code >= 0xD800 && code <= 0xDFFF) {
        if (code >= 0xDC00 || c->end - c->at < 2 || c->at[0] != '\\' || c->at[1] != 'u') {
            return fail(c, "a lone surrogate");
        }
        c->at += 2;
        if (!hex4(c, &low)) {
            return false;
        }
        if (low < 0xDC00 || low > 0xDFFF) {
            return fail(c, "a lone surrogate");
        }
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    *used += put_utf8(out + *used, code);
    return true;
}

/* A string; `out` (as long as the text) receives it decoded. */
static bool string(struct cursor *c, char *out, size_t *out_len)
{
    size_t used = 0;
    if (c->at == c->end || *c->at != '"') {
        return fail(c, "a string was expected");
    }
    const char *start = ++c->at;
    while (c->at < c->end && *c->at != '"') {
        unsigned char byte = (unsigned char)*c->at;
        if (byte < 0x20) {
            return fail(c, "a control character inside a string");
        }
        if (byte == '\\') {
            c->at++;
            if (!escape(c, out, &used)) {
                return false;
            }
        } else {
            out[used++] = *c->at++;
        }
    }
    if (c->at == c->end) {
        return fail(c, "a string without its closing quote");
    }
    if (!ts_utf8_valid(start, (size_t)(c->at - start))) {
        return fail(c, "a string that is not UTF-8");
    }
    c->at++;
    *out_len = used;
    return true;
}

static bool digits(struct cursor *c)
{
    const char *start = c->at;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
        c->at++;
    }
    return c->at > start || fail(c, "a number without digits");
}

static bool number(struct cursor *c)
{
    const char *start = c->at;
    if (*c->at == '-') {
        c->at++;
    }
    const char *first = c->at;
    if (!digits(c)) {
        return false;
    }
    if (*first == '0' && c->at - first > 1) {
        return fail(c, "a number with a leading zero");
    }
    if (c->at < c->end && *c->at == '.') {
        c->at++;
        if (!digits(c)) {
            return false;
        }
    }
    if (c->at < c->end && (*c->at | 0x20) == 'e') {
        c->at++;
        if (c->at < c->end && (*c->at == '+' || *c->at == '-')) {
            c->at++;
        }
        if (!digits(c)) {
            return false;
        }
    }
    return c->at - start <= TS_JSON_MAX_NUMBER || fail(c, "a number of more than 40 characters");
}

static bool word(struct cursor *c, const char *text)
{
    size_t len = strlen(text);
    if ((size_t)(c->end - c->at) < len || memcmp(c->at, text, len) != 0) {
        return fail(c, "a word that is not true, false or null");
    }
    c->at += len;
    return true;
}

static bool value(struct cursor *c, int depth, char *scratch, enum ts_json_type *type);

/* The inside of an array or object below the top level. */
static bool nested(struct cursor *c, int depth, char *scratch, bool object)
{
    char close = object ? '}' : ']';
    enum ts_json_type type;
    size_t len;
    if (depth >= TS_JSON_MAX_DEPTH) {
        return fail(c, "nested too deep");
    }
    c->at++;
    skip_blanks(c);
    if (c->at < c->end && *c->at == close) {
        c->at++;
        return true;
    }
    for (;;) {
        skip_blanks(c);
        if (object) {
            if (!string(c, scratch, &len)) {
                return false;
            }
            skip_blanks(c);
            if (c->at == c->end || *c->at++ != ':') {
                return fail(c, "a colon was expected after a member's name");
            }
        }
        if (!value(c, depth + 1, scratch, &type)) {
            return false;
        }
        skip_blanks(c);
        if (c->at == c->end) {
            return fail(c, "an array or object without its end");
        }
        char next = *c->at++;
        if (next == close) {
            return true;
        }
        if (next != ',') {
            c->at--;
            return fail(c, "a comma or the end of an array or object was expected");
        }
    }
}

static bool value(struct cursor *c, int depth, char *scratch, enum ts_json_type *type)
{
    size_t len;
    skip_blanks(c);
    if (c->at == c->end) {
        return fail(c, "a value was expected");
    }
    switch (*c->at) {
    case '"':
        *type = TS_JSON_STRING;
        return string(c, scratch, &len);
    case '{':
        *type = TS_JSON_OBJECT;
        return nested(c, depth, scratch, true);
    case '[':
        *type = TS_JSON_ARRAY;
        return nested(c, depth, scratch, false);
    case 't':
        *type = TS_JSON_TRUE;
        return word(c, "true");
    case 'f':
        *type = TS_JSON_FALSE;
        return word(c, "false");
    case 'n':
        *type = TS_JSON_NULL;
        return word(c, "null");
    default:
        *type = TS_JSON_NUMBER;
        if (*c->at != '-' && (*c->at < '0' || *c->at > '9')) {
            return fail(c, "a value was expected");
        }
        return number(c);
    }
}

static bool remember_name(struct cursor *c, struct names *names, const char *name, size_t len)
{
    size_t start = 0;
    for (size_t i = 0; i < names->count; i++) {
        if (names->ends[i] - start == len && memcmp(names->pool + start, name, len) == 0) {
            return fail(c, "a name that occurs twice");
        }
        start = names->ends[i];
    }
    if (names->count == TS_JSON_MAX_MEMBERS) {
        return fail(c, "more than 256 members");
    }
    memcpy(names->pool + names->used, name, len);
    names->used += len;
    names->ends[names->count++] = names->used;
    return true;
}

/* One member of the top-level object with the comma or brace after it; *more tells which. */
static bool member(struct cursor *c, struct names *names, char *scratch, ts_json_member_fn *fn, void *ctx,
                   bool *more)
{
    struct ts_json_member m = {0};
    skip_blanks(c);
    m.whole = c->at;
    m.name = scratch;
    if (!string(c, scratch, &m.name_len) || !remember_name(c, names, scratch, m.name_len)) {
        return false;
    }
    skip_blanks(c);
    if (c->at == c->end || *c->at++ != ':') {
        return fail(c, "a colon was expected after a member's name");
    }
    skip_blanks(c);
    m.raw = c->at;
    if (!value(c, 1, scratch + m.name_len, &m.type)) {
        return false;
    }
    m.raw_len = (size_t)(c->at - m.raw);
    m.whole_len = (size_t)(c->at - m.whole);
    const char *why = fn ? fn(ctx, &m) : NULL;
    if (why) {
        return fail(c, why);
    }
    skip_blanks(c);
    if (c->at == c->end || (*c->at != ',' && *c->at != '}')) {
        return fail(c, "a comma or the end of the object was expected");
    }
    *more = *c->at++ == ',';
    return true;
}

static bool object(struct cursor *c, struct names *names, char *scratch, ts_json_member_fn *fn, void *ctx)
{
    if (c->at == c->end || *c->at != '{') {
        return fail(c, "an object was expected");
    }
    c->at++;
    skip_blanks(c);
    bool more = true;
    if (c->at < c->end && *c->at == '}') {
        c->at++;
        more = false;
    }
    while (more) {
        if (!member(c, names, scratch, fn, ctx, &more)) {
            return false;
        }
    }
    return c->at == c->end || fail(c, "bytes after the end of the object");
}

const char *ts_json_check_object(const char *text, size_t len, ts_json_member_fn *fn, void *ctx,
                                 size_t *offset)
{
    struct cursor c = {.start = text, .at = text, .end = text + len};
    struct names names = {.pool = ts_alloc(len)};
    char *scratch = ts_alloc(len);
    object(&c, &names, scratch, fn, ctx);
    free(names.pool);
    free(scratch);
    if (offset) {
        *offset = (size_t)(c.at - c.start);
    }
    return c.error;
}

const char *ts_json_check_value(const char *text, size_t len, size_t *offset)
{
    struct cursor c = {.start = text, .at = text, .end = text + len};
    enum ts_json_type type;
    char *scratch = ts_alloc(len);
    if (value(&c, 0, scratch, &type) && c.at != c.end) {
        fail(&c, "bytes after the end of the value");
    }
    free(scratch);
    if (offset) {
        *offset = (size_t)(c.at - c.start);
    }
    return c.error;
}

struct edit {
    const char *name;
    const char *value;
    struct ts_buf out;
    size_t count;
    bool done;
};

static void add_member(struct edit *edit, const char *whole, size_t len)
{
    ts_buf_add(&edit->out, ",", edit->count++ ? 1 : 0);
    ts_buf_add(&edit->out, whole, len);
}

static const char *edit_member(void *ctx, const struct ts_json_member *member)
{
    struct edit *edit = ctx;
    if (member->name_len != strlen(edit->name) || memcmp(member->name, edit->name, member->name_len) != 0) {
        add_member(edit, member->whole, member->whole_len);
    } else if (edit->value) {
        add_member(edit, member->whole, (size_t)(member->raw - member->whole));
        ts_buf_add(&edit->out, edit->value, strlen(edit->value));
        edit->done = true;
    }
    return NULL;
}

char *ts_json_edit(const char *text, size_t len, const char *name, const char *value, size_t *out_len)
{
    struct edit edit = {.name = name, .value = value};
    ts_buf_add(&edit.out, "{", 1);
    if (ts_json_check_object(text, len, edit_member, &edit, NULL)) {
        ts_buf_free(&edit.out);
        return NULL;
    }
    if (value && !edit.done) {
        ts_buf_printf(&edit.out, "%s\"%s\":%s", edit.count ? "," : "", name, value);
    }
    ts_buf_add(&edit.out, "}", 1);
    *out_len = edit.out.len;
    return edit.out.at;
}

struct find {
    const char *name;
    struct ts_json_member *out;
    bool found;
};

static const char *find_member(void *ctx, const struct ts_json_member *member)
{
    struct find *find = ctx;
    if (member->name_len == strlen(find->name) && memcmp(member->name, find->name, member->name_len) == 0) {
        *find->out = *member;
        find->out->name = find->name; /* the decoded name lives only during the check */
        find->found = true;
    }
    return NULL;
}

bool ts_json_find(const char *text, size_t len, const char *name, struct ts_json_member *found)
{
    struct find find = {.name = name, .out = found};
    return !ts_json_check_object(text, len, find_member, &find, NULL) && find.found;
}

bool ts_json_is_text(const struct ts_json_member *member, const char *text)
{
    size_t len = strlen(text);
    return member->type == TS_JSON_STRING && member->raw_len == len + 2 &&
           memcmp(member->raw + 1, text, len) == 0;
}
