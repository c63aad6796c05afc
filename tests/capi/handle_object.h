/* What handle_rows.c needs for object stores; a part of that file alone, as handle_js.h. Readers, which need
 * an object, have their handles tried in tests/integration/object_test.c. */
#ifndef TESTS_CAPI_HANDLE_OBJECT_H
#define TESTS_CAPI_HANDLE_OBJECT_H

#define H_STORE ((natskit_object_store){id})
#define H_WRITER ((natskit_object_writer){id})
#define NO_META ((natskit_json){0})
#define NO_READER ((natskit_object_reader){0})

static natskit_object_store new_store;
static natskit_object_writer new_writer;
static natskit_object_reader new_reader;
static natskit_object_progress progress;
static natskit_object_view object_view;

/* Calls with the arguments that a row is about. */
#define INFO(store, name, name_len, flags, timeout_ms)                                                       \
    natskit_object_info(store, name, name_len, flags, timeout_ms, &msg, &error)
#define INFO_START(store, name, name_len, flags, options, timeout_ms, op)                                    \
    natskit_object_info_start(store, name, name_len, flags, options, timeout_ms, op, &error)
#define DELETE(store, name, name_len, timeout_ms)                                                            \
    natskit_object_delete(store, name, name_len, timeout_ms, NULL, &error)
#define DELETE_START(store, name, name_len, options, timeout_ms, op)                                         \
    natskit_object_delete_start(store, name, name_len, options, timeout_ms, op, &error)
#define UPDATE(store, name, name_len, meta, timeout_ms)                                                      \
    natskit_object_update(store, name, name_len, meta, timeout_ms, NULL, &error)
#define UPDATE_START(store, name, name_len, meta, options, timeout_ms, op)                                   \
    natskit_object_update_start(store, name, name_len, meta, options, timeout_ms, op, &error)
#define LINK(store, name, name_len, bucket, bucket_len, target, target_len)                                  \
    natskit_object_link(store, name, name_len, bucket, bucket_len, target, target_len, 0, NULL, &error)
#define LINK_START(store, name, name_len, bucket, options, op)                                               \
    natskit_object_link_start(store, name, name_len, bucket, 1, "t", 1, options, 0, op, &error)
#define OBJECT_PUT(store, name, name_len, meta, data, data_len, options, timeout_ms)                         \
    natskit_object_put(store, name, name_len, meta, data, data_len, options, timeout_ms, NULL, &error)
#define WRITER_OPEN(store, name, name_len, meta, options, out)                                               \
    natskit_object_writer_open(store, name, name_len, meta, options, out, &error)

CALL(store_open, natskit_object_store_open(H_JS, "b", Z, &new_store, &error))
CALL(store_config, natskit_object_store_config(H_JSON, &new_json, &error))
CALL(object_info, INFO(H_STORE, "o", Z, 0, 0))
CALL(object_info_start, INFO_START(H_STORE, "o", Z, 0, NO_OPTIONS, 0, &new_op))
CALL(object_info_start_options, INFO_START(store, "o", Z, 0, H_OPTIONS, 0, &new_op))
CALL(object_delete, DELETE(H_STORE, "o", Z, 0))
CALL(object_delete_start, DELETE_START(H_STORE, "o", Z, NO_OPTIONS, 0, &new_op))
CALL(object_delete_start_options, DELETE_START(store, "o", Z, H_OPTIONS, 0, &new_op))
CALL(object_update, UPDATE(H_STORE, "o", Z, NO_META, 0))
CALL(object_update_meta, UPDATE(store, "o", Z, H_JSON, 0))
CALL(object_update_start, UPDATE_START(H_STORE, "o", Z, NO_META, NO_OPTIONS, 0, &new_op))
CALL(object_update_start_options, UPDATE_START(store, "o", Z, NO_META, H_OPTIONS, 0, &new_op))
CALL(object_link, LINK(H_STORE, "o", Z, "b", Z, "t", Z))
CALL(object_link_start, LINK_START(H_STORE, "o", Z, "b", NO_OPTIONS, &new_op))
CALL(object_link_start_options, LINK_START(store, "o", Z, "b", H_OPTIONS, &new_op))
CALL(object_put, OBJECT_PUT(H_STORE, "o", Z, NO_META, "x", 1, NO_OPTIONS, 0))
CALL(writer_open, WRITER_OPEN(H_STORE, "o", Z, NO_META, NO_OPTIONS, &new_writer))
CALL(writer_open_options, WRITER_OPEN(store, "o", Z, NO_META, H_OPTIONS, &new_writer))
CALL(writer_open_meta, WRITER_OPEN(store, "o", Z, H_JSON, NO_OPTIONS, &new_writer))
CALL(writer_write, natskit_object_writer_write(H_WRITER, "x", 1, 0, &count, &error))
CALL(writer_room_start, natskit_object_writer_room_start(H_WRITER, NO_OPTIONS, 0, &new_op, &error))
CALL(writer_room_start_options, natskit_object_writer_room_start(writer, H_OPTIONS, 0, &new_op, &error))
CALL(writer_done_start, natskit_object_writer_done_start(H_WRITER, NO_OPTIONS, 0, &new_op, &error))
CALL(writer_finish, natskit_object_writer_finish(H_WRITER, 0, NULL, &error))
CALL(writer_finish_start, natskit_object_writer_finish_start(H_WRITER, NO_OPTIONS, 0, &new_op, &error))
CALL(writer_abort, natskit_object_writer_abort(H_WRITER, 0, &error))
CALL(writer_abort_start, natskit_object_writer_abort_start(H_WRITER, NO_OPTIONS, 0, &new_op, &error))
CALL(writer_progress, natskit_object_writer_progress(H_WRITER, &progress, sizeof progress))
CALL(writer_close, natskit_object_writer_close(H_WRITER))
CALL(object_watch, natskit_object_watch(H_STORE, NO_OPTIONS, &new_sub, &error))
CALL(object_watch_options, natskit_object_watch(store, H_OPTIONS, &new_sub, &error))
CALL(store_close, natskit_object_store_close(H_STORE))

#define OBJECT_ROWS                                                                                          \
    ROW(natskit_object_store_open, JS, store_open),                                                          \
        ROW_OPTIONAL(natskit_object_store_config, JSON, store_config),                                       \
        ROW(natskit_object_info, OBJECT_STORE, object_info),                                                 \
        ROW(natskit_object_info_start, OBJECT_STORE, object_info_start),                                     \
        ROW_OPTIONAL(natskit_object_info_start, OPTIONS, object_info_start_options),                         \
        ROW(natskit_object_delete, OBJECT_STORE, object_delete),                                             \
        ROW(natskit_object_delete_start, OBJECT_STORE, object_delete_start),                                 \
        ROW_OPTIONAL(natskit_object_delete_start, OPTIONS, object_delete_start_options),                     \
        ROW(natskit_object_update, OBJECT_STORE, object_update),                                             \
        ROW_OPTIONAL(natskit_object_update, JSON, object_update_meta),                                       \
        ROW(natskit_object_update_start, OBJECT_STORE, object_update_start),                                 \
        ROW_OPTIONAL(natskit_object_update_start, OPTIONS, object_update_start_options),                     \
        ROW(natskit_object_link, OBJECT_STORE, object_link),                                                 \
        ROW(natskit_object_link_start, OBJECT_STORE, object_link_start),                                     \
        ROW_OPTIONAL(natskit_object_link_start, OPTIONS, object_link_start_options),                         \
        ROW(natskit_object_put, OBJECT_STORE, object_put),                                                   \
        ROW(natskit_object_writer_open, OBJECT_STORE, writer_open),                                          \
        ROW_OPTIONAL(natskit_object_writer_open, OPTIONS, writer_open_options),                              \
        ROW_OPTIONAL(natskit_object_writer_open, JSON, writer_open_meta),                                    \
        ROW(natskit_object_writer_write, OBJECT_WRITER, writer_write),                                       \
        ROW(natskit_object_writer_room_start, OBJECT_WRITER, writer_room_start),                             \
        ROW_OPTIONAL(natskit_object_writer_room_start, OPTIONS, writer_room_start_options),                  \
        ROW(natskit_object_writer_done_start, OBJECT_WRITER, writer_done_start),                             \
        ROW(natskit_object_writer_finish, OBJECT_WRITER, writer_finish),                                     \
        ROW(natskit_object_writer_finish_start, OBJECT_WRITER, writer_finish_start),                         \
        ROW(natskit_object_writer_abort, OBJECT_WRITER, writer_abort),                                       \
        ROW(natskit_object_writer_abort_start, OBJECT_WRITER, writer_abort_start),                           \
        ROW(natskit_object_writer_progress, OBJECT_WRITER, writer_progress),                                 \
        ROW(natskit_object_writer_close, OBJECT_WRITER, writer_close),                                       \
        ROW(natskit_object_watch, OBJECT_STORE, object_watch),                                               \
        ROW_OPTIONAL(natskit_object_watch, OPTIONS, object_watch_options),                                   \
        ROW(natskit_object_store_close, OBJECT_STORE, store_close)

BAD(store_open_out, natskit_object_store_open(js, "b", Z, NULL, &error))
BAD(store_open_null, natskit_object_store_open(js, NULL, 1, &new_store, &error))
BAD(store_open_empty, natskit_object_store_open(js, "", 0, &new_store, &error))
BAD(store_open_dot, natskit_object_store_open(js, "a.b", Z, &new_store, &error))
BAD(store_config_out, natskit_object_store_config(json, NULL, &error))
BAD(store_config_none, natskit_object_store_config(NO_META, &new_json, &error))
BAD(store_config_unknown, natskit_object_store_config(json, &new_json, &error))
BAD(object_info_out, natskit_object_info(store, "o", Z, 0, 0, NULL, &error))
BAD(object_info_null, INFO(store, NULL, 1, 0, 0))
BAD(object_info_empty, INFO(store, "", 0, 0, 0))
BAD(object_info_nul, INFO(store, "a\0b", 3, 0, 0))
BAD(object_info_utf8, INFO(store, "\xff", Z, 0, 0))
BAD(object_info_flags, INFO(store, "o", Z, 4, 0))
BAD(object_info_timeout, INFO(store, "o", Z, 0, -2))
BAD(object_info_start_op, INFO_START(store, "o", Z, 0, NO_OPTIONS, 0, NULL))
BAD(object_info_start_flags, INFO_START(store, "o", Z, 8, NO_OPTIONS, 0, &new_op))
BAD(object_delete_null, DELETE(store, NULL, 1, 0))
BAD(object_delete_empty, DELETE(store, "", 0, 0))
BAD(object_delete_timeout, DELETE(store, "o", Z, -2))
BAD(object_delete_start_op, DELETE_START(store, "o", Z, NO_OPTIONS, 0, NULL))
BAD(object_update_null, UPDATE(store, NULL, 1, NO_META, 0))
BAD(object_update_unknown, UPDATE(store, "o", Z, json, 0))
BAD(object_update_timeout, UPDATE(store, "o", Z, NO_META, -2))
BAD(object_update_start_op, UPDATE_START(store, "o", Z, NO_META, NO_OPTIONS, 0, NULL))
BAD(object_link_null, LINK(store, NULL, 1, "b", Z, "t", Z))
BAD(object_link_bucket_null, LINK(store, "o", Z, NULL, 1, "t", Z))
BAD(object_link_bucket, LINK(store, "o", Z, "a.b", Z, "t", Z))
BAD(object_link_target, LINK(store, "o", Z, "b", Z, NULL, 1))
BAD(object_link_start_op, LINK_START(store, "o", Z, "b", NO_OPTIONS, NULL))
BAD(object_put_name, OBJECT_PUT(store, NULL, 1, NO_META, "x", 1, NO_OPTIONS, 0))
BAD(object_put_empty, OBJECT_PUT(store, "", 0, NO_META, "x", 1, NO_OPTIONS, 0))
BAD(object_put_meta, OBJECT_PUT(store, "o", Z, json, "x", 1, NO_OPTIONS, 0))
BAD(object_put_data, OBJECT_PUT(store, "o", Z, NO_META, NULL, 1, NO_OPTIONS, 0))
BAD(object_put_len, OBJECT_PUT(store, "o", Z, NO_META, "x", Z, NO_OPTIONS, 0))
BAD(object_put_scope, OBJECT_PUT(store, "o", Z, NO_META, "x", 1, options, 0))
BAD(object_put_timeout, OBJECT_PUT(store, "o", Z, NO_META, "x", 1, NO_OPTIONS, -2))
BAD(writer_open_out, WRITER_OPEN(store, "o", Z, NO_META, NO_OPTIONS, NULL))
BAD(writer_open_null, WRITER_OPEN(store, NULL, 1, NO_META, NO_OPTIONS, &new_writer))
BAD(writer_open_scope, WRITER_OPEN(store, "o", Z, NO_META, options, &new_writer))
BAD(writer_open_said, WRITER_OPEN(store, "o", Z, json, NO_OPTIONS, &new_writer))
BAD(writer_write_data, natskit_object_writer_write(writer, NULL, 1, 0, &count, &error))
BAD(writer_write_len, natskit_object_writer_write(writer, "x", Z, 0, &count, &error))
BAD(writer_write_timeout, natskit_object_writer_write(writer, "x", 1, -2, &count, &error))
BAD(writer_room_op, natskit_object_writer_room_start(writer, NO_OPTIONS, 0, NULL, &error))
BAD(writer_room_timeout, natskit_object_writer_room_start(writer, NO_OPTIONS, -2, &new_op, &error))
BAD(writer_done_op, natskit_object_writer_done_start(writer, NO_OPTIONS, 0, NULL, &error))
BAD(writer_finish_timeout, natskit_object_writer_finish(writer, -2, NULL, &error))
BAD(writer_finish_op, natskit_object_writer_finish_start(writer, NO_OPTIONS, 0, NULL, &error))
BAD(writer_abort_timeout, natskit_object_writer_abort(writer, -2, &error))
BAD(writer_abort_op, natskit_object_writer_abort_start(writer, NO_OPTIONS, 0, NULL, &error))
BAD(writer_progress_null, natskit_object_writer_progress(writer, NULL, sizeof progress))
BAD(writer_progress_size, natskit_object_writer_progress(writer, &progress, 0))
BAD(reader_open_out, natskit_object_reader_open(store, received, NULL, &error))
BAD(reader_open_null, natskit_object_reader_open(store, NULL, &new_reader, &error))
BAD(reader_open_kind, natskit_object_reader_open(store, received, &new_reader, &error))
BAD(reader_read_len, natskit_object_reader_read(NO_READER, room, 1, 0, NULL, &error))
BAD(reader_read_out, natskit_object_reader_read(NO_READER, NULL, 1, 0, &count, &error))
BAD(reader_read_cap, natskit_object_reader_read(NO_READER, room, 0, 0, &count, &error))
BAD(reader_read_timeout, natskit_object_reader_read(NO_READER, room, 1, -2, &count, &error))
BAD(reader_ready_op, natskit_object_reader_ready_start(NO_READER, NO_OPTIONS, 0, NULL, &error))
BAD(reader_progress_null, natskit_object_reader_progress(NO_READER, NULL, sizeof progress))
BAD(object_watch_out, natskit_object_watch(store, NO_OPTIONS, NULL, &error))
BAD(object_watch_scope, natskit_object_watch(store, options, &new_sub, &error))
BAD(msg_object_msg, natskit_msg_object(NULL, &object_view, sizeof object_view))
BAD(msg_object_view, natskit_msg_object(received, NULL, sizeof object_view))
BAD(msg_object_size, natskit_msg_object(received, &object_view, 0))
BAD(msg_object_kind, natskit_msg_object(received, &object_view, sizeof object_view))

#define OBJECT_BAD_ROWS                                                                                      \
    BAD_ROW(natskit_object_store_open, store_open_out), BAD_ROW(natskit_object_store_open, store_open_null), \
        BAD_ROW(natskit_object_store_open, store_open_empty),                                                \
        BAD_ROW(natskit_object_store_open, store_open_dot),                                                  \
        BAD_ROW(natskit_object_store_config, store_config_out),                                              \
        BAD_ROW(natskit_object_store_config, store_config_none),                                             \
        BAD_ROW(natskit_object_store_config, store_config_unknown),                                          \
        BAD_ROW(natskit_object_info, object_info_out), BAD_ROW(natskit_object_info, object_info_null),       \
        BAD_ROW(natskit_object_info, object_info_empty), BAD_ROW(natskit_object_info, object_info_nul),      \
        BAD_ROW(natskit_object_info, object_info_utf8), BAD_ROW(natskit_object_info, object_info_flags),     \
        BAD_ROW(natskit_object_info, object_info_timeout),                                                   \
        BAD_ROW(natskit_object_info_start, object_info_start_op),                                            \
        BAD_ROW(natskit_object_info_start, object_info_start_flags),                                         \
        BAD_ROW(natskit_object_delete, object_delete_null),                                                  \
        BAD_ROW(natskit_object_delete, object_delete_empty),                                                 \
        BAD_ROW(natskit_object_delete, object_delete_timeout),                                               \
        BAD_ROW(natskit_object_delete_start, object_delete_start_op),                                        \
        BAD_ROW(natskit_object_update, object_update_null),                                                  \
        BAD_ROW(natskit_object_update, object_update_unknown),                                               \
        BAD_ROW(natskit_object_update, object_update_timeout),                                               \
        BAD_ROW(natskit_object_update_start, object_update_start_op),                                        \
        BAD_ROW(natskit_object_link, object_link_null),                                                      \
        BAD_ROW(natskit_object_link, object_link_bucket_null),                                               \
        BAD_ROW(natskit_object_link, object_link_bucket), BAD_ROW(natskit_object_link, object_link_target),  \
        BAD_ROW(natskit_object_link_start, object_link_start_op),                                            \
        BAD_ROW(natskit_object_put, object_put_name), BAD_ROW(natskit_object_put, object_put_empty),         \
        BAD_ROW(natskit_object_put, object_put_meta), BAD_ROW(natskit_object_put, object_put_data),          \
        BAD_ROW(natskit_object_put, object_put_len), BAD_ROW(natskit_object_put, object_put_scope),          \
        BAD_ROW(natskit_object_put, object_put_timeout),                                                     \
        BAD_ROW(natskit_object_writer_open, writer_open_out),                                                \
        BAD_ROW(natskit_object_writer_open, writer_open_null),                                               \
        BAD_ROW(natskit_object_writer_open, writer_open_scope),                                              \
        BAD_ROW(natskit_object_writer_open, writer_open_said),                                               \
        BAD_ROW(natskit_object_writer_write, writer_write_data),                                             \
        BAD_ROW(natskit_object_writer_write, writer_write_len),                                              \
        BAD_ROW(natskit_object_writer_write, writer_write_timeout),                                          \
        BAD_ROW(natskit_object_writer_room_start, writer_room_op),                                           \
        BAD_ROW(natskit_object_writer_room_start, writer_room_timeout),                                      \
        BAD_ROW(natskit_object_writer_done_start, writer_done_op),                                           \
        BAD_ROW(natskit_object_writer_finish, writer_finish_timeout),                                        \
        BAD_ROW(natskit_object_writer_finish_start, writer_finish_op),                                       \
        BAD_ROW(natskit_object_writer_abort, writer_abort_timeout),                                          \
        BAD_ROW(natskit_object_writer_abort_start, writer_abort_op),                                         \
        BAD_ROW(natskit_object_writer_progress, writer_progress_null),                                       \
        BAD_ROW(natskit_object_writer_progress, writer_progress_size),                                       \
        BAD_ROW(natskit_object_reader_open, reader_open_out),                                                \
        BAD_ROW(natskit_object_reader_open, reader_open_null),                                               \
        BAD_ROW(natskit_object_reader_open, reader_open_kind),                                               \
        BAD_ROW(natskit_object_reader_read, reader_read_len),                                                \
        BAD_ROW(natskit_object_reader_read, reader_read_out),                                                \
        BAD_ROW(natskit_object_reader_read, reader_read_cap),                                                \
        BAD_ROW(natskit_object_reader_read, reader_read_timeout),                                            \
        BAD_ROW(natskit_object_reader_ready_start, reader_ready_op),                                         \
        BAD_ROW(natskit_object_reader_progress, reader_progress_null),                                       \
        BAD_ROW(natskit_object_watch, object_watch_out), BAD_ROW(natskit_object_watch, object_watch_scope),  \
        BAD_ROW(natskit_msg_object, msg_object_msg), BAD_ROW(natskit_msg_object, msg_object_view),           \
        BAD_ROW(natskit_msg_object, msg_object_size), BAD_ROW(natskit_msg_object, msg_object_kind)

#endif
