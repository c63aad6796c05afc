/* What handle_rows.c needs for direct gets; a part of that file alone, as handle_js.h. */
#ifndef TESTS_CAPI_HANDLE_DIRECT_H
#define TESTS_CAPI_HANDLE_DIRECT_H

static natskit_stored_view stored_view;

CALL(get_msg, natskit_js_get_msg(H_JS, "S", Z, 1, NULL, 0, 0, 0, 0, &msg, &error))
CALL(get_msg_start, natskit_js_get_msg_start(H_JS, "S", Z, 1, NULL, 0, 0, 0, NO_OPTIONS, 0, &new_op, &error))
CALL(get_msg_start_options,
     natskit_js_get_msg_start(js, "S", Z, 1, NULL, 0, 0, 0, H_OPTIONS, 0, &new_op, &error))
CALL(get_batch, natskit_js_get_batch(H_JS, "S", Z, NO_OPTIONS, &new_sub, &error))
CALL(get_batch_options, natskit_js_get_batch(js, "S", Z, H_OPTIONS, &new_sub, &error))
CALL(get_last, natskit_js_get_last(H_JS, "S", Z, NO_OPTIONS, &new_sub, &error))
CALL(get_last_options, natskit_js_get_last(js, "S", Z, H_OPTIONS, &new_sub, &error))

#define DIRECT_ROWS                                                                                          \
    ROW(natskit_js_get_msg, JS, get_msg), ROW(natskit_js_get_msg_start, JS, get_msg_start),                  \
        ROW_OPTIONAL(natskit_js_get_msg_start, OPTIONS, get_msg_start_options),                              \
        ROW(natskit_js_get_batch, JS, get_batch),                                                            \
        ROW_OPTIONAL(natskit_js_get_batch, OPTIONS, get_batch_options),                                      \
        ROW(natskit_js_get_last, JS, get_last), ROW_OPTIONAL(natskit_js_get_last, OPTIONS, get_last_options)

BAD(get_msg_out, natskit_js_get_msg(js, "S", Z, 1, NULL, 0, 0, 0, 0, NULL, &error))
BAD(get_msg_stream, natskit_js_get_msg(js, NULL, 1, 1, NULL, 0, 0, 0, 0, &msg, &error))
BAD(get_msg_stream_name, natskit_js_get_msg(js, "S.T", Z, 1, NULL, 0, 0, 0, 0, &msg, &error))
BAD(get_msg_subject, natskit_js_get_msg(js, "S", Z, 0, NULL, 1, 0, 0, 0, &msg, &error))
BAD(get_msg_subject_name, natskit_js_get_msg(js, "S", Z, 0, "a b", Z, 0, 0, 0, &msg, &error))
BAD(get_msg_nothing, natskit_js_get_msg(js, "S", Z, 0, NULL, 0, 0, 0, 0, &msg, &error))
BAD(get_msg_both, natskit_js_get_msg(js, "S", Z, 1, NULL, 0, 1, 0, 0, &msg, &error))
BAD(get_msg_next, natskit_js_get_msg(js, "S", Z, 1, NULL, 0, 0, NATSKIT_GET_NEXT, 0, &msg, &error))
BAD(get_msg_last_from, natskit_js_get_msg(js, "S", Z, 1, "a", Z, 0, 0, 0, &msg, &error))
BAD(get_msg_flags, natskit_js_get_msg(js, "S", Z, 1, NULL, 0, 0, 4, 0, &msg, &error))
BAD(get_msg_timeout, natskit_js_get_msg(js, "S", Z, 1, NULL, 0, 0, 0, -2, &msg, &error))
BAD(get_msg_start_op, natskit_js_get_msg_start(js, "S", Z, 1, NULL, 0, 0, 0, NO_OPTIONS, 0, NULL, &error))
BAD(get_msg_start_stream,
    natskit_js_get_msg_start(js, NULL, 1, 1, NULL, 0, 0, 0, NO_OPTIONS, 0, &new_op, &error))
BAD(get_msg_start_subject,
    natskit_js_get_msg_start(js, "S", Z, 0, NULL, 1, 0, 0, NO_OPTIONS, 0, &new_op, &error))
BAD(get_msg_start_timeout,
    natskit_js_get_msg_start(js, "S", Z, 1, NULL, 0, 0, 0, NO_OPTIONS, -2, &new_op, &error))
BAD(get_batch_out, natskit_js_get_batch(js, "S", Z, NO_OPTIONS, NULL, &error))
BAD(get_batch_null, natskit_js_get_batch(js, NULL, 1, NO_OPTIONS, &new_sub, &error))
BAD(get_batch_stream, natskit_js_get_batch(js, "", Z, NO_OPTIONS, &new_sub, &error))
BAD(get_batch_scope, natskit_js_get_batch(js, "S", Z, options, &new_sub, &error))
BAD(get_last_out, natskit_js_get_last(js, "S", Z, NO_OPTIONS, NULL, &error))
BAD(get_last_null, natskit_js_get_last(js, NULL, 1, NO_OPTIONS, &new_sub, &error))
BAD(get_last_stream, natskit_js_get_last(js, "S T", Z, NO_OPTIONS, &new_sub, &error))
BAD(get_last_scope, natskit_js_get_last(js, "S", Z, options, &new_sub, &error))
BAD(msg_stored_msg, natskit_msg_stored(NULL, &stored_view, sizeof stored_view))
BAD(msg_stored_view, natskit_msg_stored(received, NULL, sizeof stored_view))
BAD(msg_stored_size, natskit_msg_stored(received, &stored_view, 0))
BAD(msg_stored_kind, natskit_msg_stored(received, &stored_view, sizeof stored_view))

#define DIRECT_BAD_ROWS                                                                                      \
    BAD_ROW(natskit_js_get_msg, get_msg_out), BAD_ROW(natskit_js_get_msg, get_msg_stream),                   \
        BAD_ROW(natskit_js_get_msg, get_msg_stream_name), BAD_ROW(natskit_js_get_msg, get_msg_subject),      \
        BAD_ROW(natskit_js_get_msg, get_msg_subject_name), BAD_ROW(natskit_js_get_msg, get_msg_nothing),     \
        BAD_ROW(natskit_js_get_msg, get_msg_both), BAD_ROW(natskit_js_get_msg, get_msg_next),                \
        BAD_ROW(natskit_js_get_msg, get_msg_last_from), BAD_ROW(natskit_js_get_msg, get_msg_flags),          \
        BAD_ROW(natskit_js_get_msg, get_msg_timeout), BAD_ROW(natskit_js_get_msg_start, get_msg_start_op),   \
        BAD_ROW(natskit_js_get_msg_start, get_msg_start_stream),                                             \
        BAD_ROW(natskit_js_get_msg_start, get_msg_start_subject),                                            \
        BAD_ROW(natskit_js_get_msg_start, get_msg_start_timeout),                                            \
        BAD_ROW(natskit_js_get_batch, get_batch_out), BAD_ROW(natskit_js_get_batch, get_batch_null),         \
        BAD_ROW(natskit_js_get_batch, get_batch_stream), BAD_ROW(natskit_js_get_batch, get_batch_scope),     \
        BAD_ROW(natskit_js_get_last, get_last_out), BAD_ROW(natskit_js_get_last, get_last_null),             \
        BAD_ROW(natskit_js_get_last, get_last_stream), BAD_ROW(natskit_js_get_last, get_last_scope),         \
        BAD_ROW(natskit_msg_stored, msg_stored_msg), BAD_ROW(natskit_msg_stored, msg_stored_view),           \
        BAD_ROW(natskit_msg_stored, msg_stored_size), BAD_ROW(natskit_msg_stored, msg_stored_kind)

#endif
