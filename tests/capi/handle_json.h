/* What handle_rows.c needs for documents: a call for each handle parameter, and one for each bad argument. A
 * file of its own because of their number; a part of that file alone. */
#ifndef TESTS_CAPI_HANDLE_JSON_H
#define TESTS_CAPI_HANDLE_JSON_H

static natskit_json_item item = {.type = NATSKIT_JSON_NULL};
static int32_t number;
static uint64_t natural;
static double real;

#define H_JSON ((natskit_json){id})

CALL(json_type, natskit_json_type(H_JSON, "/a", Z, &number, &error))
CALL(json_size, natskit_json_size(H_JSON, "", 0, &count, &error))
CALL(json_key_at, natskit_json_key_at(H_JSON, "", 0, 0, room, sizeof room, &count, &error))
CALL(json_get_string, natskit_json_get_string(H_JSON, "/a", Z, room, sizeof room, &count, &error))
CALL(json_get_int, natskit_json_get_int(H_JSON, "/a", Z, &duration, &error))
CALL(json_get_uint, natskit_json_get_uint(H_JSON, "/a", Z, &natural, &error))
CALL(json_get_double, natskit_json_get_double(H_JSON, "/a", Z, &real, &error))
CALL(json_get_bool, natskit_json_get_bool(H_JSON, "/a", Z, &number, &error))
CALL(json_text, natskit_json_text(H_JSON, "", 0, room, sizeof room, &count, &error))
CALL(json_set_string, natskit_json_set_string(H_JSON, "/a", Z, "x", 1, &error))
CALL(json_set_int, natskit_json_set_int(H_JSON, "/a", Z, 1, &error))
CALL(json_set_uint, natskit_json_set_uint(H_JSON, "/a", Z, 1, &error))
CALL(json_set_double, natskit_json_set_double(H_JSON, "/a", Z, 1, &error))
CALL(json_set_bool, natskit_json_set_bool(H_JSON, "/a", Z, 1, &error))
CALL(json_set_null, natskit_json_set_null(H_JSON, "/a", Z, &error))
CALL(json_set_text, natskit_json_set_text(H_JSON, "/a", Z, "1", 1, &error))
CALL(json_set_json, natskit_json_set_json(H_JSON, "/a", Z, json, "", 0, &error))
CALL(json_set_json_from, natskit_json_set_json(json, "/a", Z, H_JSON, "/a", Z, &error))
CALL(json_walk, natskit_json_walk(H_JSON, &(natskit_json_cursor){0}, &item, sizeof item, 1, &count))
CALL(json_feed, natskit_json_feed(H_JSON, &item, sizeof item, 0, &error))
CALL(json_remove, natskit_json_remove(H_JSON, "/a", Z, &error))
CALL(json_close, natskit_json_close(H_JSON))

#define JSON_ROWS                                                                                            \
    ROW(natskit_json_type, JSON, json_type), ROW(natskit_json_size, JSON, json_size),                        \
        ROW(natskit_json_key_at, JSON, json_key_at), ROW(natskit_json_get_string, JSON, json_get_string),    \
        ROW(natskit_json_get_int, JSON, json_get_int), ROW(natskit_json_get_uint, JSON, json_get_uint),      \
        ROW(natskit_json_get_double, JSON, json_get_double),                                                 \
        ROW(natskit_json_get_bool, JSON, json_get_bool), ROW(natskit_json_text, JSON, json_text),            \
        ROW(natskit_json_set_string, JSON, json_set_string), ROW(natskit_json_set_int, JSON, json_set_int),  \
        ROW(natskit_json_set_uint, JSON, json_set_uint),                                                     \
        ROW(natskit_json_set_double, JSON, json_set_double),                                                 \
        ROW(natskit_json_set_bool, JSON, json_set_bool), ROW(natskit_json_set_null, JSON, json_set_null),    \
        ROW(natskit_json_set_text, JSON, json_set_text), ROW(natskit_json_set_json, JSON, json_set_json),    \
        ROW(natskit_json_set_json, JSON, json_set_json_from), ROW(natskit_json_walk, JSON, json_walk),       \
        ROW(natskit_json_feed, JSON, json_feed), ROW(natskit_json_remove, JSON, json_remove),                \
        ROW(natskit_json_close, JSON, json_close)

BAD(json_parse_out, natskit_json_parse("1", 1, NULL, &error))
BAD(json_parse_text, natskit_json_parse(NULL, 1, &(natskit_json){0}, &error))
BAD(json_open_out, natskit_json_open(NATSKIT_JSON_ARRAY, NULL))
BAD(json_open_kind, natskit_json_open(NATSKIT_JSON_INT, &(natskit_json){0}))
BAD(json_type_path, natskit_json_type(json, NULL, 1, &number, &error))
BAD(json_type_out, natskit_json_type(json, "", 0, NULL, &error))
BAD(json_size_out, natskit_json_size(json, "", 0, NULL, &error))
BAD(json_key_at_buf, natskit_json_key_at(json, "", 0, 0, NULL, 1, &count, &error))
BAD(json_key_at_len, natskit_json_key_at(json, "", 0, 0, room, 1, NULL, &error))
BAD(json_get_string_buf, natskit_json_get_string(json, "", 0, NULL, 1, &count, &error))
BAD(json_get_string_len, natskit_json_get_string(json, "", 0, room, 1, NULL, &error))
BAD(json_get_int_out, natskit_json_get_int(json, "", 0, NULL, &error))
BAD(json_get_uint_out, natskit_json_get_uint(json, "", 0, NULL, &error))
BAD(json_get_double_out, natskit_json_get_double(json, "", 0, NULL, &error))
BAD(json_get_bool_out, natskit_json_get_bool(json, "", 0, NULL, &error))
BAD(json_text_buf, natskit_json_text(json, "", 0, NULL, 1, &count, &error))
BAD(json_text_len, natskit_json_text(json, "", 0, room, 1, NULL, &error))
BAD(json_set_string_value, natskit_json_set_string(json, "", 0, NULL, 1, &error))
BAD(json_set_int_path, natskit_json_set_int(json, NULL, Z, 1, &error))
BAD(json_set_text_text, natskit_json_set_text(json, "", 0, NULL, 1, &error))
BAD(json_set_json_from, natskit_json_set_json(json, "", 0, json, NULL, 1, &error))
BAD(json_walk_cursor, natskit_json_walk(json, NULL, &item, sizeof item, 1, &count))
BAD(json_walk_items, natskit_json_walk(json, &(natskit_json_cursor){0}, NULL, sizeof item, 1, &count))
BAD(json_walk_item_size, natskit_json_walk(json, &(natskit_json_cursor){0}, &item, 0, 1, &count))
BAD(json_walk_cap, natskit_json_walk(json, &(natskit_json_cursor){0}, &item, sizeof item, 0, &count))
BAD(json_walk_count, natskit_json_walk(json, &(natskit_json_cursor){0}, &item, sizeof item, 1, NULL))
BAD(json_feed_items, natskit_json_feed(json, NULL, sizeof item, 1, &error))
BAD(json_feed_item_size, natskit_json_feed(json, &item, 0, 1, &error))

#define JSON_BAD_ROWS                                                                                        \
    BAD_ROW(natskit_json_parse, json_parse_out), BAD_ROW(natskit_json_parse, json_parse_text),               \
        BAD_ROW(natskit_json_open, json_open_out), BAD_ROW(natskit_json_open, json_open_kind),               \
        BAD_ROW(natskit_json_type, json_type_path), BAD_ROW(natskit_json_type, json_type_out),               \
        BAD_ROW(natskit_json_size, json_size_out), BAD_ROW(natskit_json_key_at, json_key_at_buf),            \
        BAD_ROW(natskit_json_key_at, json_key_at_len),                                                       \
        BAD_ROW(natskit_json_get_string, json_get_string_buf),                                               \
        BAD_ROW(natskit_json_get_string, json_get_string_len),                                               \
        BAD_ROW(natskit_json_get_int, json_get_int_out), BAD_ROW(natskit_json_get_uint, json_get_uint_out),  \
        BAD_ROW(natskit_json_get_double, json_get_double_out),                                               \
        BAD_ROW(natskit_json_get_bool, json_get_bool_out), BAD_ROW(natskit_json_text, json_text_buf),        \
        BAD_ROW(natskit_json_text, json_text_len), BAD_ROW(natskit_json_set_string, json_set_string_value),  \
        BAD_ROW(natskit_json_set_int, json_set_int_path),                                                    \
        BAD_ROW(natskit_json_set_text, json_set_text_text),                                                  \
        BAD_ROW(natskit_json_set_json, json_set_json_from), BAD_ROW(natskit_json_walk, json_walk_cursor),    \
        BAD_ROW(natskit_json_walk, json_walk_items), BAD_ROW(natskit_json_walk, json_walk_item_size),        \
        BAD_ROW(natskit_json_walk, json_walk_cap), BAD_ROW(natskit_json_walk, json_walk_count),              \
        BAD_ROW(natskit_json_feed, json_feed_items), BAD_ROW(natskit_json_feed, json_feed_item_size)

#endif
