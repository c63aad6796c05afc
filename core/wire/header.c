/* The NATS/1.0 header block: built with checks, read in place. Pure; any thread.
 *
 * Lines end at CRLF alone: a bare CR or LF, which another client may have sent, is part of its line. Lengths
 * are authoritative, so nothing in a block can put the stream out of step (ADR-4). */
#include "wire/header.h"

static const struct nki_str version_line = {"NATS/1.0", 8};

#define PLAIN_LEN ((size_t)10)
#define NAME_SHOWN 64 /* characters of a name that an error text shows */

/* Length of the line that begins at `at`, without its CRLF; *next becomes the begin of the line behind it. */
static size_t line_len(struct nki_str block, size_t at, size_t *next)
{
    size_t from = at;
    while (from < block.len) {
        const char *cr = memchr(block.ptr + from, '\r', block.len - from);
        if (cr == NULL) {
            break;
        }
        from = (size_t)(cr - block.ptr) + 1;
        if (from < block.len && block.ptr[from] == '\n') {
            *next = from + 1;
            return from - 1 - at;
        }
    }
    *next = block.len;
    return block.len - at;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Whether the block begins as most do: with its version and no status. */
static inline bool is_plain(struct nki_str block)
{
    return block.len >= PLAIN_LEN && memcmp(block.ptr, "NATS/1.0\r\n", PLAIN_LEN) == 0;
}

int32_t nki_header_status(struct nki_str block, struct nki_str *description)
{
    if (description != NULL) {
        *description = nki_str_make("", 0);
    }
    if (NKI_LIKELY(is_plain(block))) {
        return 0;
    }
    if (!nki_str_starts(block, version_line)) {
        return 0;
    }
    size_t next;
    struct nki_str line = nki_str_make(block.ptr, line_len(block, 0, &next));
    struct nki_str text = nki_str_make(line.ptr + version_line.len, line.len - version_line.len);
    int32_t number = 0;
    bool apart = text.len > 0 && is_blank(text.ptr[0]);
    text = nki_str_trim(text);
    if (apart && text.len >= 3 && is_digit(text.ptr[0]) && is_digit(text.ptr[1]) && is_digit(text.ptr[2]) &&
        (text.len == 3 || is_blank(text.ptr[3]))) {
        number = (text.ptr[0] - '0') * 100 + (text.ptr[1] - '0') * 10 + (text.ptr[2] - '0');
        text = nki_str_trim(nki_str_make(text.ptr + 3, text.len - 3));
    }
    if (description != NULL) {
        *description = text;
    }
    return number;
}

/* Whether [line, cr) is one line, that is neither empty nor continued; `cr` may be NULL. */
static inline bool is_usual(const char *line, const char *cr, const char *end)
{
    return cr != NULL && cr != line && end - cr >= 4 && cr[1] == '\n' && !is_blank(cr[2]) && !is_blank(*line);
}

/* A header in its usual form: one line, with a name before a colon. False, with nothing changed, for anything
 * else, the end too. */
static inline bool usual_header(struct nki_str block, size_t *at, struct nki_str *name, struct nki_str *value)
{
    const char *line = block.ptr + *at;
    const char *end = block.ptr + block.len;
    const char *cr = memchr(line, '\r', (size_t)(end - line));
    if (!is_usual(line, cr, end)) {
        return false;
    }
    const char *colon = memchr(line, ':', (size_t)(cr - line));
    if (colon == NULL || colon == line) {
        return false;
    }
    const char *begin = colon + 1;
    while (begin < cr && is_blank(*begin)) {
        begin++;
    }
    const char *stop = cr;
    while (stop > begin && is_blank(stop[-1])) {
        stop--;
    }
    *name = nki_str_make(line, (size_t)(colon - line));
    *value = nki_str_make(begin, (size_t)(stop - begin));
    *at = (size_t)(cr - block.ptr) + 2;
    return true;
}

bool nki_header_next(struct nki_str block, size_t *at, struct nki_str *name, struct nki_str *value)
{
    assert(at != NULL && *at <= block.len && name != NULL && value != NULL);
    size_t next;
    if (*at == 0 && is_plain(block)) {
        *at = PLAIN_LEN;
    }
    if (*at > 0 && usual_header(block, at, name, value)) {
        return true;
    }
    if (*at == 0) {
        if (!nki_str_starts(block, version_line)) { /* what another client wrote as one, and is none */
            *at = block.len;
            return false;
        }
        (void)line_len(block, 0, at);
    }
    while (*at < block.len) {
        size_t begin = *at;
        size_t len = line_len(block, begin, &next);
        if (len == 0) {
            *at = block.len;
            return false;
        }
        size_t end = begin + len;
        while (next < block.len && is_blank(block.ptr[next])) { /* continued lines */
            size_t more = next;
            end = more + line_len(block, more, &next);
        }
        *at = next;
        /* The colon must stand in the first line; one without a name before it names nothing. */
        const char *colon = is_blank(block.ptr[begin]) ? NULL : memchr(block.ptr + begin, ':', len);
        if (colon == NULL || colon == block.ptr + begin) {
            continue;
        }
        size_t name_len = (size_t)(colon - block.ptr) - begin;
        *name = nki_str_make(block.ptr + begin, name_len);
        *value = nki_str_trim(nki_str_make(colon + 1, end - begin - name_len - 1));
        return true;
    }
    return false;
}

static char canonical_char(char c, bool begins_word)
{
    if (begins_word) {
        return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    }
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool same_name(struct nki_str found, struct nki_str name, enum nki_header_match match)
{
    if (match != NKI_MATCH_CANONICAL) {
        return match == NKI_MATCH_EXACT ? nki_str_eq(found, name) : nki_str_eq_nocase(found, name);
    }
    bool same = found.len == name.len;
    for (size_t i = 0; same && i < name.len; i++) {
        same = found.ptr[i] == canonical_char(name.ptr[i], i == 0 || name.ptr[i - 1] == '-');
    }
    return same;
}

/* Passes over headers in their usual form that do not begin with the name and a colon: that costs less than
 * to take each apart. */
static inline size_t pass_others(struct nki_str block, size_t at, struct nki_str name)
{
    const char *end = block.ptr + block.len;
    const char *line = block.ptr + at;
    const char *cr;
    while ((size_t)(end - line) > name.len &&
           (line[name.len] != ':' || memcmp(line, name.ptr, name.len) != 0)) {
        cr = memchr(line, '\r', (size_t)(end - line));
        if (!is_usual(line, cr, end)) {
            break;
        }
        line = cr + 2;
    }
    return (size_t)(line - block.ptr);
}

bool nki_header_find(struct nki_str block, struct nki_str name, enum nki_header_match match, size_t index,
                     struct nki_str *value)
{
    assert(value != NULL);
    struct nki_str found;
    struct nki_str text;
    size_t at = 0;
    if (match == NKI_MATCH_EXACT && is_plain(block)) {
        at = pass_others(block, PLAIN_LEN, name);
    }
    while (nki_header_next(block, &at, &found, &text)) {
        if (same_name(found, name, match) && index-- == 0) {
            *value = text;
            return true;
        }
    }
    return false;
}

static const char *name_fault(struct nki_str name)
{
    if (name.len == 0) {
        return "is empty";
    }
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = (uint8_t)name.ptr[i];
        if (c <= ' ' || c > '~') {
            return "holds a blank, a control character or a character that is not ASCII";
        }
        if (c == ':') {
            return "holds a colon";
        }
    }
    return NULL;
}

static const char *value_fault(struct nki_str value)
{
    if (value.len == 0) {
        return NULL;
    }
    if (memchr(value.ptr, '\r', value.len) != NULL || memchr(value.ptr, '\n', value.len) != NULL) {
        return "holds a line break";
    }
    if (memchr(value.ptr, '\0', value.len) != NULL) {
        return "holds a NUL";
    }
    return is_blank(value.ptr[0]) || is_blank(value.ptr[value.len - 1]) ? "begins or ends with a blank"
                                                                        : NULL;
}

static int32_t append(struct nki_buf *block, struct nki_str name, struct nki_str value, bool any_bytes,
                      struct nki_error *err)
{
    assert(block != NULL && (block->len == 0 || block->len >= version_line.len + 4));
    int shown = (int)(name.len < NAME_SHOWN ? name.len : NAME_SHOWN);
    const char *fault = name_fault(name);
    if (fault != NULL) {
        return nki_error_set(err, NKI_INVALID, "header name '%.*s' %s", shown, shown > 0 ? name.ptr : "",
                             fault);
    }
    fault = value_fault(value);
    if (fault == NULL && !any_bytes && !nki_str_utf8_valid(value)) {
        fault = "is not valid UTF-8";
    }
    if (fault != NULL) {
        return nki_error_set(err, NKI_INVALID, "value of header '%.*s' %s", shown, name.ptr, fault);
    }
    /* Behind the headers stands one CRLF that ends the block; it moves back by the new line. */
    size_t kept = block->len == 0 ? version_line.len + 2 : block->len - 2;
    size_t frame = 2 + 2 + 2; /* ": ", CRLF, CRLF */
    if (kept > NKI_HEADER_BLOCK_MAX || name.len > NKI_HEADER_BLOCK_MAX || value.len > NKI_HEADER_BLOCK_MAX ||
        kept + name.len + value.len + frame > NKI_HEADER_BLOCK_MAX) {
        return nki_error_set(err, NKI_LIMIT, "header '%.*s' makes the headers longer than %u bytes", shown,
                             name.ptr, NKI_HEADER_BLOCK_MAX);
    }
    if (!nki_buf_reserve(block, kept + name.len + value.len + frame - block->len)) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    if (block->len == 0) {
        memcpy(block->data, "NATS/1.0\r\n", kept);
    }
    uint8_t *out = block->data + kept;
    memcpy(out, name.ptr, name.len);
    out += name.len;
    memcpy(out, ": ", 2);
    out += 2;
    if (value.len > 0) {
        memcpy(out, value.ptr, value.len);
        out += value.len;
    }
    memcpy(out, "\r\n\r\n", 4);
    block->len = (size_t)(out + 4 - block->data);
    return NKI_OK;
}

int32_t nki_header_append(struct nki_buf *block, struct nki_str name, struct nki_str value,
                          struct nki_error *err)
{
    return append(block, name, value, false, err);
}

static struct nki_str str_of(const struct nki_buf *block)
{
    return nki_str_make((const char *)block->data, block->len);
}

size_t nki_header_delete(struct nki_buf *block, struct nki_str name, enum nki_header_match match)
{
    struct nki_str found;
    struct nki_str value;
    size_t at = 0;
    size_t deleted = 0;
    size_t left = 0;
    while (block->len > 0 && nki_header_next(str_of(block), &at, &found, &value)) {
        if (!same_name(found, name, match)) {
            left++;
            continue;
        }
        size_t begin = (size_t)(found.ptr - (const char *)block->data);
        size_t end = (size_t)(value.ptr - (const char *)block->data) + value.len + 2;
        memmove(block->data + begin, block->data + end, block->len - end);
        block->len -= end - begin;
        at = begin;
        deleted++;
    }
    block->len = left > 0 ? block->len : 0;
    return deleted;
}

int32_t nki_header_set(struct nki_buf *block, struct nki_str name, enum nki_header_match match,
                       struct nki_str value, struct nki_error *err)
{
    struct nki_buf changed = {0};
    struct nki_buf canonical = {0};
    if ((block->len > 0 && !nki_buf_append(&changed, block->data, block->len)) ||
        (match == NKI_MATCH_CANONICAL && !nki_buf_append(&canonical, name.ptr, name.len))) {
        nki_buf_free(&changed);
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    (void)nki_header_delete(&changed, name, match);
    if (match == NKI_MATCH_CANONICAL) { /* under the name that it replaces */
        for (size_t i = 0; i < name.len; i++) {
            canonical.data[i] = (uint8_t)canonical_char(name.ptr[i], i == 0 || name.ptr[i - 1] == '-');
        }
        name = str_of(&canonical);
    }
    int32_t status = append(&changed, name, value, false, err);
    nki_buf_free(&canonical);
    if (status != NKI_OK) {
        nki_buf_free(&changed);
        return status;
    }
    nki_buf_free(block);
    *block = changed;
    return NKI_OK;
}

/* A folded value as one line: each line break is a blank. Lone ones, which some clients send, too. */
static int32_t append_unfolded(struct nki_buf *block, struct nki_str name, struct nki_str value,
                               struct nki_error *err)
{
    if (memchr(value.ptr, '\n', value.len) == NULL && memchr(value.ptr, '\r', value.len) == NULL) {
        return append(block, name, value, true, err);
    }
    struct nki_buf line = {0};
    if (!nki_buf_append(&line, value.ptr, value.len)) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    for (size_t i = 0; i < line.len; i++) {
        line.data[i] = line.data[i] == '\r' || line.data[i] == '\n' ? ' ' : line.data[i];
    }
    int32_t status = append(block, name, nki_str_trim(str_of(&line)), true, err);
    nki_buf_free(&line);
    return status;
}

int32_t nki_header_append_all(struct nki_buf *block, struct nki_str received, struct nki_error *err)
{
    struct nki_str name;
    struct nki_str value;
    size_t at = 0;
    size_t before = block->len;
    while (nki_header_next(received, &at, &name, &value)) {
        int32_t status =
            value.len > 0 ? append_unfolded(block, name, value, err) : append(block, name, value, true, err);
        if (status != NKI_OK) {
            /* As it was: what follows the old headers is dropped, and the CRLF that ended them is back. */
            if (before > 0) {
                memcpy(block->data + before - 2, "\r\n", 2);
            }
            block->len = before;
            return status;
        }
    }
    return NKI_OK;
}
