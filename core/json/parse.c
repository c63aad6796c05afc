/* The parser: one pass, without recursion, over a copy of the text in the document's arena. Names and strings
 * point into the copy; escapes are resolved in place, where the result is never longer. The copy ends with a
 * NUL, which no part of the grammar takes, so that nothing has to ask for the end. */
#include "json/doc.h"

#include <math.h>

struct reader {
    char *at;
    char *end;
    const char *fault; /* what is wrong at `at` */
    struct nki_doc_builder builder;
};

static bool fail(struct reader *reader, const char *fault)
{
    reader->fault = fault;
    return false;
}

static void skip_blanks(struct reader *reader)
{
    while (*reader->at == ' ' || *reader->at == '\n' || *reader->at == '\r' || *reader->at == '\t') {
        reader->at++;
    }
}

static bool take_hex4(struct reader *reader, uint32_t *unit)
{
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        char c = *reader->at;
        uint32_t digit;
        if (c >= '0' && c <= '9') {
            digit = (uint32_t)(c - '0');
        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            digit = (uint32_t)((c | 0x20) - 'a') + 10;
        } else {
            return fail(reader, "four hexadecimal digits have to follow \\u");
        }
        *unit = *unit << 4 | digit;
        reader->at++;
    }
    return true;
}

static char *put_utf8(char *out, uint32_t code)
{
    if (code < 0x80) {
        *out++ = (char)code;
        return out;
    }
    if (code < 0x800) {
        *out++ = (char)(0xC0 | code >> 6);
    } else {
        if (code < 0x10000) {
            *out++ = (char)(0xE0 | code >> 12);
        } else {
            *out++ = (char)(0xF0 | code >> 18);
            *out++ = (char)(0x80 | (code >> 12 & 0x3F));
        }
        *out++ = (char)(0x80 | (code >> 6 & 0x3F));
    }
    *out++ = (char)(0x80 | (code & 0x3F));
    return out;
}

/* What follows a backslash; NULL if it is no escape. */
static char *take_escape(struct reader *reader, char *out)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    uint32_t code;
    uint32_t low;
    const char *found = memchr(letters, *reader->at, sizeof letters - 1);
    if (found != NULL) {
        reader->at++;
        *out = meanings[found - letters];
        return out + 1;
    }
    if (*reader->at != 'u') {
        (void)fail(reader, "not an escape");
        return NULL;
    }
    reader->at++;
    if (!take_hex4(reader, &code)) {
        return NULL;
    }
    if (code >= 0xD800 && code <= 0xDFFF) {
        if (code > 0xDBFF || reader->at[0] != '\\' || reader->at[1] != 'u') {
            (void)fail(reader, "half of a pair of surrogates");
            return NULL;
        }
        reader->at += 2;
        if (!take_hex4(reader, &low)) {
            return NULL;
        }
        if (low < 0xDC00 || low > 0xDFFF) {
            (void)fail(reader, "half of a pair of surrogates");
            return NULL;
        }
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    return put_utf8(out, code);
}

static bool take_string(struct reader *reader, struct nki_str *text)
{
    if (*reader->at != '"') {
        return fail(reader, "a string has to begin here");
    }
    char *begin = ++reader->at;
    while (*reader->at != '"' && *reader->at != '\\' && (unsigned char)*reader->at >= 0x20) {
        reader->at++;
    }
    char *out = reader->at;
    while (*reader->at != '"') {
        if ((unsigned char)*reader->at < 0x20) {
            return fail(reader, reader->at == reader->end ? "the string does not end"
                                                          : "a control character in a string");
        }
        if (*reader->at != '\\') {
            *out++ = *reader->at++;
            continue;
        }
        reader->at++;
        out = take_escape(reader, out);
        if (out == NULL) {
            return false;
        }
    }
    reader->at++;
    *text = nki_str_make(begin, (size_t)(out - begin));
    return true;
}

static size_t take_digits(struct reader *reader)
{
    const char *begin = reader->at;
    while (*reader->at >= '0' && *reader->at <= '9') {
        reader->at++;
    }
    return (size_t)(reader->at - begin);
}

static bool take_number(struct reader *reader, struct nki_doc_node *node)
{
    const char *begin = reader->at;
    bool power = false;
    reader->at += *reader->at == '-';
    if (*reader->at == '0') {
        reader->at++;
    } else if (take_digits(reader) == 0) {
        return fail(reader, "a value has to begin here");
    }
    if (*reader->at == '.') {
        reader->at++;
        if (take_digits(reader) == 0) {
            return fail(reader, "a digit has to follow here");
        }
    }
    if (*reader->at == 'e' || *reader->at == 'E') {
        power = true;
        reader->at++;
        reader->at += *reader->at == '+' || *reader->at == '-';
        if (take_digits(reader) == 0) {
            return fail(reader, "a digit has to follow here");
        }
    }
    struct nki_str text = nki_str_make(begin, (size_t)(reader->at - begin));
    nki_doc_set_number(node, text);
    if (node->type == NKI_DOC_DOUBLE && (power || text.len > 300) && !isfinite(nki_doc_read_double(text))) {
        return fail(reader, "a number beyond the range of a double ends here");
    }
    return true;
}

static bool take_word(struct reader *reader, struct nki_str word)
{
    if ((size_t)(reader->end - reader->at) < word.len || memcmp(reader->at, word.ptr, word.len) != 0) {
        return fail(reader, "a value has to begin here");
    }
    reader->at += word.len;
    return true;
}

static bool take_value(struct reader *reader, struct nki_doc_node *node)
{
    switch (*reader->at) {
    case '{':
    case '[':
        node->type = *reader->at++ == '{' ? NKI_DOC_OBJECT : NKI_DOC_ARRAY;
        return true;
    case '"':
        node->type = NKI_DOC_STRING;
        return take_string(reader, &node->u.text);
    case 't':
        node->type = NKI_DOC_BOOL;
        node->u.integer = 1;
        return take_word(reader, NKI_STR("true"));
    case 'f':
        node->type = NKI_DOC_BOOL;
        return take_word(reader, NKI_STR("false"));
    case 'n':
        node->type = NKI_DOC_NULL;
        return take_word(reader, NKI_STR("null"));
    default:
        return take_number(reader, node);
    }
}

static bool in_object(const struct reader *reader)
{
    const struct nki_doc_builder *builder = &reader->builder;
    return builder->levels[builder->depth - 1].node->type == NKI_DOC_OBJECT;
}

/* A value with the name that it has in an object. NKI_INVALID: reader->fault tells. */
static int32_t take_member(struct reader *reader)
{
    struct nki_doc_node *node = nki_arena_take(&reader->builder.doc.arena, sizeof *node);
    if (node == NULL) {
        return NKI_NO_MEMORY;
    }
    *node = (struct nki_doc_node){0};
    skip_blanks(reader);
    if (reader->builder.depth > 0 && in_object(reader)) {
        if (!take_string(reader, &node->key)) {
            return NKI_INVALID;
        }
        skip_blanks(reader);
        if (*reader->at != ':') {
            (void)fail(reader, "a colon has to follow here");
            return NKI_INVALID;
        }
        reader->at++;
        skip_blanks(reader);
    }
    return take_value(reader, node) ? nki_doc_builder_add(&reader->builder, node) : NKI_INVALID;
}

/* Closing brackets, then a comma or the end. `*next`: a member has to follow. */
static int32_t take_follow(struct reader *reader, bool *next)
{
    while (reader->builder.depth > 0) {
        skip_blanks(reader);
        const struct nki_doc_builder *builder = &reader->builder;
        bool first = builder->open_count == builder->levels[builder->depth - 1].first;
        if (*reader->at == (in_object(reader) ? '}' : ']')) {
            reader->at++;
            if (nki_doc_builder_end(&reader->builder) != NKI_OK) {
                return NKI_NO_MEMORY;
            }
            continue;
        }
        *next = true;
        if (first) {
            return NKI_OK;
        }
        if (*reader->at != ',') {
            (void)fail(reader, "a comma or the closing bracket has to follow here");
            return NKI_INVALID;
        }
        reader->at++;
        return NKI_OK;
    }
    *next = false;
    return NKI_OK;
}

static int32_t read_all(struct reader *reader)
{
    bool next = true;
    while (next) {
        int32_t status = take_member(reader);
        if (status == NKI_OK) {
            status = take_follow(reader, &next);
        }
        if (status != NKI_OK) {
            return status;
        }
    }
    skip_blanks(reader);
    if (reader->at != reader->end) {
        (void)fail(reader, "the text has to end here");
        return NKI_INVALID;
    }
    return NKI_OK;
}

int32_t nki_doc_parse(struct nki_doc *doc, struct nki_str text, struct nki_error *err)
{
    struct reader reader;
    if (text.len > NKI_DOC_TEXT_MAX) {
        return nki_error_set(err, NKI_LIMIT, "the text has %zu bytes, %zu are allowed", text.len,
                             NKI_DOC_TEXT_MAX);
    }
    if (!nki_str_utf8_valid(text)) {
        return nki_error_set(err, NKI_INVALID, "the text of %zu bytes is not valid UTF-8", text.len);
    }
    nki_doc_builder_init(&reader.builder);
    struct nki_arena *arena = &reader.builder.doc.arena;
    /* Room for the copy and, by experience, the nodes of a small document, in one piece. */
    size_t first = text.len < 64 * NKI_KIB ? text.len * 4 + 256 : text.len + 1;
    char *copy = nki_arena_reserve(arena, first) ? nki_arena_take(arena, text.len + 1) : NULL;
    int32_t status = NKI_NO_MEMORY;
    if (copy != NULL) {
        if (text.len > 0) {
            memcpy(copy, text.ptr, text.len);
        }
        copy[text.len] = '\0';
        reader.at = copy;
        reader.end = copy + text.len;
        status = read_all(&reader);
    }
    if (status == NKI_OK) {
        *doc = reader.builder.doc;
        reader.builder.doc = (struct nki_doc){0};
    } else if (status == NKI_INVALID) {
        nki_error_set(err, status, "byte %zu of the text: %s", (size_t)(reader.at - copy), reader.fault);
    } else if (status == NKI_LIMIT) {
        nki_error_set(err, status, "byte %zu of the text: more than %d levels or %zu values",
                      (size_t)(reader.at - copy), NKI_DOC_DEPTH_MAX, NKI_DOC_VALUES_MAX);
    } else {
        nki_error_set(err, status, NULL);
    }
    nki_doc_builder_free(&reader.builder);
    return status;
}
