/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzz target: the JSON scanner. Whatever it accepts is walked whole; each value has to lie inside its
 * parent, to be accepted alone with the same type, and to be found again by its name. One thread.
 */
#include "base/json.h"
#include "base/buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not assert: it must hold in builds with NDEBUG, too. */
#define MUST(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

#define MEMBERS_CHECKED 64 /* by name, per object: each look-up reads the whole object */

static bool inside(struct nki_str part, struct nki_str whole)
{
    return part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len;
}

static void check_number(const struct nki_json_value *value)
{
    int64_t i64 = 0;
    uint64_t u64 = 0;
    bool is_i64 = nki_json_i64(value, &i64);
    bool is_u64 = nki_json_u64(value, &u64);
    MUST(value->raw.len >= 1 && value->raw.len <= 40);
    if (is_i64 && is_u64) {
        MUST(i64 >= 0 && (uint64_t)i64 == u64);
    }
    if (is_u64) {
        struct nki_buf buf = {0};
        MUST(nki_buf_append_u64(&buf, u64));
        MUST(nki_str_eq(nki_str_make((const char *)buf.data, buf.len), value->raw));
        nki_buf_free(&buf);
    }
}

/* A text is read, written, and read again: the same comes out. */
static void check_string(const struct nki_json_value *value)
{
    size_t cap = value->raw.len; /* escapes only shrink, and the quotes make room for the NUL */
    char *text = malloc(cap);
    char *again = malloc(cap);
    MUST(text != NULL && again != NULL);
    ptrdiff_t len = nki_json_text(value, text, cap);
    MUST(len < (ptrdiff_t)cap);
    if (len >= 0) {
        struct nki_buf buf = {0};
        struct nki_json_value copy;
        MUST(text[len] == '\0' && strlen(text) == (size_t)len);
        MUST(nki_str_utf8_valid(nki_str_make(text, (size_t)len)));
        MUST(nki_buf_append_json(&buf, nki_str_make(text, (size_t)len)));
        MUST(nki_json_check(nki_str_make((const char *)buf.data, buf.len), &copy));
        MUST(nki_json_text(&copy, again, cap) == len && memcmp(text, again, (size_t)len) == 0);
        MUST(len == 0 || nki_json_text(value, again, (size_t)len) == -1);
        nki_buf_free(&buf);
    }
    free(text);
    free(again);
}

/* The name as it stands in the text leads to its last member, if it holds no \u0000. */
static void check_name(const struct nki_json_value *object, struct nki_str key)
{
    const struct nki_json_value quoted = {NKI_JSON_STRING, nki_str_make(key.ptr - 1, key.len + 2)};
    struct nki_json_value found;
    char *name = malloc(key.len + 1);
    MUST(name != NULL);
    ptrdiff_t len = nki_json_text(&quoted, name, key.len + 1);
    if (len >= 0) {
        MUST(nki_json_member(object, nki_str_make(name, (size_t)len), &found));
        MUST(inside(found.raw, object->raw));
    }
    free(name);
}

static void walk(const struct nki_json_value *value, unsigned depth)
{
    struct nki_json_value alone;
    MUST(depth <= NKI_JSON_DEPTH_MAX);
    MUST(nki_json_check(value->raw, &alone));
    MUST(alone.type == value->type && nki_str_eq(alone.raw, value->raw));
    if (value->type == NKI_JSON_NUMBER) {
        check_number(value);
    } else if (value->type == NKI_JSON_STRING) {
        check_string(value);
    } else if (value->type == NKI_JSON_ARRAY || value->type == NKI_JSON_OBJECT) {
        struct nki_json_value item;
        struct nki_str key;
        size_t at = 0;
        for (size_t count = 0; nki_json_next(value, &at, &key, &item); count++) {
            MUST(inside(item.raw, value->raw) && at < value->raw.len);
            MUST((value->type == NKI_JSON_OBJECT) == (key.ptr != NULL));
            if (key.ptr != NULL && count < MEMBERS_CHECKED) {
                check_name(value, key);
            }
            walk(&item, depth + 1);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nki_json_value value;
    if (size <= 4096 && nki_json_check(nki_str_make((const char *)data, size), &value)) {
        walk(&value, 0);
    }
    return 0;
}
