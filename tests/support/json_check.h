/* SPDX-License-Identifier: Apache-2.0
 *
 * A strict checker of JSON texts (RFC 8259), independent of the library that the client uses. It builds no
 * tree: it answers whether the text is valid and shows the members of the top-level object in order. Pure;
 * any thread.
 */
#ifndef TS_JSON_CHECK_H
#define TS_JSON_CHECK_H

#include <stdbool.h>
#include <stddef.h>

enum ts_json_type {
    TS_JSON_NULL,
    TS_JSON_TRUE,
    TS_JSON_FALSE,
    TS_JSON_NUMBER,
    TS_JSON_STRING,
    TS_JSON_ARRAY,
    TS_JSON_OBJECT
};

/* One member of the top-level object. `name` is decoded; `raw` is the value as written (strings with their
 * quotes). */
struct ts_json_member {
    const char *name;
    size_t name_len;
    enum ts_json_type type;
    const char *raw;
    size_t raw_len;
    const char *whole; /* from the opening quote of the name to the end of the value */
    size_t whole_len;
};

/* Returns NULL to go on or a reason for which the text is refused. */
typedef const char *ts_json_member_fn(void *ctx, const struct ts_json_member *member);

enum { TS_JSON_MAX_DEPTH = 32, TS_JSON_MAX_NUMBER = 40, TS_JSON_MAX_MEMBERS = 256 };

/*
 * Checks one complete object and nothing around it. Names must be unique at the top level. Returns NULL when
 * valid, else a fixed text and the offset of the offence.
 */
const char *ts_json_check_object(const char *text, size_t len, ts_json_member_fn *fn, void *ctx,
                                 size_t *offset);

/* Checks one complete value of any type and nothing around it. */
const char *ts_json_check_value(const char *text, size_t len, size_t *offset);

/*
 * A copy of the object with the member `name` set to `value` (appended when missing), or removed when value
 * is NULL. Returns the new length in *out_len and memory for free(), or NULL when the text is not a valid
 * object.
 */
char *ts_json_edit(const char *text, size_t len, const char *name, const char *value, size_t *out_len);

/* Finds a top-level member; false when the text is not a valid object or has no such member. */
bool ts_json_find(const char *text, size_t len, const char *name, struct ts_json_member *found);

/* Compares a string value as written with a plain text that needs no escapes. */
bool ts_json_is_text(const struct ts_json_member *member, const char *text);

#endif
