/* SPDX-License-Identifier: Apache-2.0
 *
 * Fuzz target: documents through the ABI. The input is a script of lines "<letter><path>\t<text>"; its first
 * line is a text that is parsed. The parser has to agree with the scanner of core/base; what it accepts is
 * written, read again, and copied item by item, and is the same each time. Then the lines change the
 * document: after each it is still one that can be read. One thread.
 */
#include "base/json.h"

#include <natskit.h>

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

#define STEPS_MAX 24
#define SIZE_MAX_CHANGED 2048 /* bytes of text of a document that is changed further */

static char *text_of(natskit_json json, size_t *len)
{
    natskit_status status = natskit_json_text(json, "", 0, NULL, 0, len, NULL);
    MUST(status == NATSKIT_LIMIT && *len > 0);
    char *text = malloc(*len);
    MUST(text != NULL);
    MUST(natskit_json_text(json, "", 0, text, *len, len, NULL) == NATSKIT_OK);
    return text;
}

static size_t size_of(natskit_json json)
{
    size_t len;
    MUST(natskit_json_text(json, "", 0, NULL, 0, &len, NULL) == NATSKIT_LIMIT);
    return len;
}

/* A document from another one's items. */
static natskit_json copy_items(natskit_json from)
{
    natskit_json to;
    natskit_json_cursor cursor = {0};
    natskit_json_item items[3];
    size_t count;
    int64_t level = 0;
    MUST(natskit_json_open(NATSKIT_JSON_ARRAY, &to) == NATSKIT_OK);
    while (natskit_json_walk(from, &cursor, items, sizeof items[0], 3, &count) == NATSKIT_OK) {
        for (size_t i = 0; i < count; i++) {
            level += items[i].type == NATSKIT_JSON_ARRAY || items[i].type == NATSKIT_JSON_OBJECT;
            level -= items[i].type == NATSKIT_JSON_END;
            MUST(level >= 0 && level <= 64);
        }
        MUST(natskit_json_feed(to, items, sizeof items[0], count, NULL) == NATSKIT_OK);
    }
    MUST(level == 0);
    return to;
}

static void expect_same(natskit_json a, natskit_json b)
{
    size_t a_len;
    size_t b_len;
    char *a_text = text_of(a, &a_len);
    char *b_text = text_of(b, &b_len);
    MUST(a_len == b_len && memcmp(a_text, b_text, a_len) == 0);
    free(a_text);
    free(b_text);
}

/* Writing and reading is the identity; so is copying, from the second time on: a copy writes its numbers with
 * the fewest digits. */
static void check(natskit_json json)
{
    size_t len;
    natskit_json again;
    struct nki_json_value value;
    char *text = text_of(json, &len);
    MUST(natskit_json_parse(text, len, &again, NULL) == NATSKIT_OK);
    expect_same(json, again);
    bool scanned = nki_json_check(nki_str_make(text, len), &value);
    MUST(scanned || len > 40); /* the scanner takes no numbers that are longer */
    natskit_json copy = copy_items(json);
    natskit_json second = copy_items(copy);
    expect_same(copy, second);
    free(text);
    MUST(natskit_json_close(again) == NATSKIT_OK);
    MUST(natskit_json_close(copy) == NATSKIT_OK);
    MUST(natskit_json_close(second) == NATSKIT_OK);
}

static void change(natskit_json json, char letter, struct nki_str path, struct nki_str text)
{
    char room[64];
    size_t len;
    int32_t type;
    int64_t number = (int64_t)text.len;
    natskit_error err = {0};
    natskit_status status;
    switch (letter & 7) {
    case 0:
        status = natskit_json_set_string(json, path.ptr, path.len, text.ptr, text.len, &err);
        break;
    case 1:
        status = natskit_json_set_text(json, path.ptr, path.len, text.ptr, text.len, &err);
        break;
    case 2:
        status = natskit_json_remove(json, path.ptr, path.len, &err);
        break;
    case 3:
        status = natskit_json_set_json(json, path.ptr, path.len, json, text.ptr, text.len, &err);
        break;
    case 4:
        status = natskit_json_set_double(json, path.ptr, path.len, (double)number / 7, &err);
        break;
    case 5:
        status = natskit_json_get_string(json, path.ptr, path.len, room, sizeof room, &len, &err);
        break;
    case 6:
        status = natskit_json_key_at(json, path.ptr, path.len, text.len, room, sizeof room, &len, &err);
        break;
    default:
        status = natskit_json_type(json, path.ptr, path.len, &type, &err);
        break;
    }
    MUST(status == NATSKIT_OK || status == NATSKIT_INVALID || status == NATSKIT_NOT_FOUND ||
         status == NATSKIT_LIMIT);
    MUST(status == NATSKIT_OK || (err.status == status && nki_str_utf8_valid(nki_str_z(err.text))));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    natskit_json json;
    struct nki_json_value value;
    if (size > 4096) {
        return 0;
    }
    struct nki_str rest = nki_str_make((const char *)data, size);
    struct nki_str first = nki_str_cut(&rest, '\n');
    natskit_status status = natskit_json_parse(first.len > 0 ? first.ptr : "", first.len, &json, NULL);
    MUST(status == NATSKIT_OK || status == NATSKIT_INVALID || status == NATSKIT_LIMIT);
    if (first.len > 0 && nki_json_check(first, &value)) {
        MUST(status == NATSKIT_OK || memchr(first.ptr, 'e', first.len) != NULL ||
             memchr(first.ptr, 'E', first.len) != NULL); /* numbers beyond a double */
    }
    if (status != NATSKIT_OK) {
        return 0;
    }
    check(json);
    /* A document that is copied into itself doubles each time. */
    for (int step = 0; step < STEPS_MAX && rest.ptr != NULL && size_of(json) < SIZE_MAX_CHANGED; step++) {
        struct nki_str line = nki_str_cut(&rest, '\n');
        if (line.len > 0) {
            char letter = *line.ptr++;
            line.len--;
            struct nki_str path = nki_str_cut(&line, '\t');
            change(json, letter, path, line.ptr != NULL ? line : nki_str_make("", 0));
            if (letter & 1) {
                check(json);
            }
        }
    }
    check(json);
    MUST(natskit_json_close(json) == NATSKIT_OK);
    natskit_counters left;
    MUST(natskit_counters_get(&left, sizeof left) == NATSKIT_OK && left.jsons == 0);
    return 0;
}
