/* What handle_rows.c needs for publishing to streams; a part of that file alone, as handle_json.h. */
#ifndef TESTS_CAPI_HANDLE_PUBLISH_H
#define TESTS_CAPI_HANDLE_PUBLISH_H

static natskit_publisher new_publisher;
static int32_t outcome;
static uint64_t ids[1];
static natskit_publisher_info publisher_info;
static const natskit_outgoing with_reply = {.subject = "a", .subject_len = 1, .reply = "b", .reply_len = 1};

#define H_PUBLISHER ((natskit_publisher){id})

CALL(js_publish, natskit_js_publish(H_JS, "a", Z, NO_HEADERS, NULL, 0, 0, NULL, &outcome, &error))
CALL(js_publish_headers, natskit_js_publish(js, "a", Z, H_HEADERS, NULL, 0, 0, NULL, &outcome, &error))
CALL(js_publish_start,
     natskit_js_publish_start(H_JS, "a", Z, NO_HEADERS, NULL, 0, NO_OPTIONS, 0, &new_op, &error))
CALL(js_publish_start_headers,
     natskit_js_publish_start(js, "a", Z, H_HEADERS, NULL, 0, NO_OPTIONS, 0, &new_op, &error))
CALL(js_publish_start_options,
     natskit_js_publish_start(js, "a", Z, NO_HEADERS, NULL, 0, H_OPTIONS, 0, &new_op, &error))
CALL(increment, natskit_js_increment(H_JS, "a", Z, "1", Z, NO_HEADERS, 0, NULL, &outcome, &error))
CALL(increment_headers, natskit_js_increment(js, "a", Z, "1", Z, H_HEADERS, 0, NULL, &outcome, &error))
CALL(increment_start,
     natskit_js_increment_start(H_JS, "a", Z, "1", Z, NO_HEADERS, NO_OPTIONS, 0, &new_op, &error))
CALL(increment_start_headers,
     natskit_js_increment_start(js, "a", Z, "1", Z, H_HEADERS, NO_OPTIONS, 0, &new_op, &error))
CALL(increment_start_options,
     natskit_js_increment_start(js, "a", Z, "1", Z, NO_HEADERS, H_OPTIONS, 0, &new_op, &error))
CALL(publisher_open, natskit_publisher_open(H_JS, NO_OPTIONS, &new_publisher, &new_sub, &error))
CALL(publisher_open_options, natskit_publisher_open(js, H_OPTIONS, &new_publisher, &new_sub, &error))
CALL(publisher_publish, natskit_publisher_publish(H_PUBLISHER, "a", Z, NO_HEADERS, NULL, 0, 0, NULL))
CALL(publisher_publish_headers, natskit_publisher_publish(publisher, "a", Z, H_HEADERS, NULL, 0, 0, NULL))
CALL(publisher_done, natskit_publisher_done(H_PUBLISHER, 0, &error))
CALL(publisher_done_start, natskit_publisher_done_start(H_PUBLISHER, NO_OPTIONS, 0, &new_op, &error))
CALL(publisher_done_options, natskit_publisher_done_start(publisher, H_OPTIONS, 0, &new_op, &error))
CALL(publisher_room_start, natskit_publisher_room_start(H_PUBLISHER, NO_OPTIONS, 1, 0, &new_op, &error))
CALL(publisher_room_options, natskit_publisher_room_start(publisher, H_OPTIONS, 1, 0, &new_op, &error))
CALL(publisher_info_get, natskit_publisher_info_get(H_PUBLISHER, &publisher_info, sizeof publisher_info))
CALL(publisher_close, natskit_publisher_close(H_PUBLISHER))

static natskit_status publisher_batch(uint64_t id)
{
    const natskit_outgoing one = {.subject = "a", .subject_len = 1};
    return natskit_publisher_publish_batch(H_PUBLISHER, &one, sizeof one, 1, 0, ids, &count);
}

static natskit_status publisher_batch_headers(uint64_t id)
{
    const natskit_outgoing one = {.subject = "a", .subject_len = 1, .headers = H_HEADERS};
    return natskit_publisher_publish_batch(publisher, &one, sizeof one, 1, 0, ids, &count);
}

#define JS_PUBLISH_ROWS                                                                                      \
    ROW(natskit_js_publish, JS, js_publish), ROW_OPTIONAL(natskit_js_publish, HEADERS, js_publish_headers),  \
        ROW(natskit_js_publish_start, JS, js_publish_start),                                                 \
        ROW_OPTIONAL(natskit_js_publish_start, HEADERS, js_publish_start_headers),                           \
        ROW_OPTIONAL(natskit_js_publish_start, OPTIONS, js_publish_start_options),                           \
        ROW(natskit_js_increment, JS, increment),                                                            \
        ROW_OPTIONAL(natskit_js_increment, HEADERS, increment_headers),                                      \
        ROW(natskit_js_increment_start, JS, increment_start),                                                \
        ROW_OPTIONAL(natskit_js_increment_start, HEADERS, increment_start_headers),                          \
        ROW_OPTIONAL(natskit_js_increment_start, OPTIONS, increment_start_options),                          \
        ROW(natskit_publisher_open, JS, publisher_open),                                                     \
        ROW_OPTIONAL(natskit_publisher_open, OPTIONS, publisher_open_options),                               \
        ROW(natskit_publisher_publish, PUBLISHER, publisher_publish),                                        \
        ROW_OPTIONAL(natskit_publisher_publish, HEADERS, publisher_publish_headers),                         \
        ROW(natskit_publisher_publish_batch, PUBLISHER, publisher_batch),                                    \
        ROW_OPTIONAL(natskit_publisher_publish_batch, HEADERS, publisher_batch_headers),                     \
        ROW(natskit_publisher_done, PUBLISHER, publisher_done),                                              \
        ROW(natskit_publisher_done_start, PUBLISHER, publisher_done_start),                                  \
        ROW_OPTIONAL(natskit_publisher_done_start, OPTIONS, publisher_done_options),                         \
        ROW(natskit_publisher_room_start, PUBLISHER, publisher_room_start),                                  \
        ROW_OPTIONAL(natskit_publisher_room_start, OPTIONS, publisher_room_options),                         \
        ROW(natskit_publisher_info_get, PUBLISHER, publisher_info_get),                                      \
        ROW(natskit_publisher_close, PUBLISHER, publisher_close)

BAD(js_publish_null, natskit_js_publish(js, NULL, Z, NO_HEADERS, NULL, 0, 0, NULL, NULL, &error))
BAD(js_publish_subject, natskit_js_publish(js, "a.*", Z, NO_HEADERS, NULL, 0, 0, NULL, NULL, &error))
BAD(js_publish_data, natskit_js_publish(js, "a", Z, NO_HEADERS, NULL, 1, 0, NULL, NULL, &error))
BAD(js_publish_timeout, natskit_js_publish(js, "a", Z, NO_HEADERS, NULL, 0, -2, NULL, NULL, &error))
BAD(increment_subject, natskit_js_increment(js, "a.*", Z, "1", Z, NO_HEADERS, 0, NULL, NULL, &error))
BAD(increment_null, natskit_js_increment(js, "a", Z, NULL, 1, NO_HEADERS, 0, NULL, NULL, &error))
BAD(increment_by, natskit_js_increment(js, "a", Z, "1.5", Z, NO_HEADERS, 0, NULL, NULL, &error))
BAD(increment_sign, natskit_js_increment(js, "a", Z, "-", Z, NO_HEADERS, 0, NULL, NULL, &error))
BAD(increment_timeout, natskit_js_increment(js, "a", Z, "1", Z, NO_HEADERS, -2, NULL, NULL, &error))
BAD(increment_start_op,
    natskit_js_increment_start(js, "a", Z, "1", Z, NO_HEADERS, NO_OPTIONS, 0, NULL, &error))
BAD(increment_start_by,
    natskit_js_increment_start(js, "a", Z, "", Z, NO_HEADERS, NO_OPTIONS, 0, &new_op, &error))
BAD(increment_start_timeout,
    natskit_js_increment_start(js, "a", Z, "1", Z, NO_HEADERS, NO_OPTIONS, -2, &new_op, &error))
BAD(js_publish_start_op,
    natskit_js_publish_start(js, "a", Z, NO_HEADERS, NULL, 0, NO_OPTIONS, 0, NULL, &error))
BAD(js_publish_start_subject,
    natskit_js_publish_start(js, "", 0, NO_HEADERS, NULL, 0, NO_OPTIONS, 0, &new_op, &error))
BAD(js_publish_start_timeout,
    natskit_js_publish_start(js, "a", Z, NO_HEADERS, NULL, 0, NO_OPTIONS, -2, &new_op, &error))
BAD(pub_ack_null, natskit_msg_pub_ack(NULL, &(natskit_pub_ack){0}, sizeof(natskit_pub_ack)))
BAD(pub_ack_kind, natskit_msg_pub_ack(received, &(natskit_pub_ack){0}, sizeof(natskit_pub_ack)))
BAD(pub_ack_view, natskit_msg_pub_ack(received, NULL, sizeof(natskit_pub_ack)))
BAD(publisher_open_out, natskit_publisher_open(js, NO_OPTIONS, NULL, &new_sub, &error))
BAD(publisher_open_acks, natskit_publisher_open(js, NO_OPTIONS, &new_publisher, NULL, &error))
BAD(publisher_publish_subject, natskit_publisher_publish(publisher, "a b", Z, NO_HEADERS, NULL, 0, 0, NULL))
BAD(publisher_publish_data, natskit_publisher_publish(publisher, "a", Z, NO_HEADERS, NULL, 1, 0, NULL))
BAD(publisher_publish_timeout, natskit_publisher_publish(publisher, "a", Z, NO_HEADERS, NULL, 0, -2, NULL))
BAD(publisher_batch_out,
    natskit_publisher_publish_batch(publisher, &outgoing, sizeof outgoing, 1, 0, ids, NULL))
BAD(publisher_batch_msgs,
    natskit_publisher_publish_batch(publisher, NULL, sizeof outgoing, 1, 0, ids, &count))
BAD(publisher_batch_size, natskit_publisher_publish_batch(publisher, &outgoing, 0, 1, 0, ids, &count))
BAD(publisher_batch_timeout,
    natskit_publisher_publish_batch(publisher, &outgoing, sizeof outgoing, 1, -2, ids, &count))
BAD(publisher_batch_reply,
    natskit_publisher_publish_batch(publisher, &with_reply, sizeof with_reply, 1, 0, ids, &count))
BAD(publisher_done_timeout, natskit_publisher_done(publisher, -2, &error))
BAD(publisher_done_op, natskit_publisher_done_start(publisher, NO_OPTIONS, 0, NULL, &error))
BAD(publisher_room_op, natskit_publisher_room_start(publisher, NO_OPTIONS, 1, 0, NULL, &error))
BAD(publisher_room_timeout, natskit_publisher_room_start(publisher, NO_OPTIONS, 1, -2, &new_op, &error))
BAD(publisher_info_null, natskit_publisher_info_get(publisher, NULL, sizeof publisher_info))
BAD(publisher_info_size, natskit_publisher_info_get(publisher, &publisher_info, 0))

#define JS_PUBLISH_BAD_ROWS                                                                                  \
    BAD_ROW(natskit_js_increment, increment_subject), BAD_ROW(natskit_js_increment, increment_null),         \
        BAD_ROW(natskit_js_increment, increment_by), BAD_ROW(natskit_js_increment, increment_sign),          \
        BAD_ROW(natskit_js_increment, increment_timeout),                                                    \
        BAD_ROW(natskit_js_increment_start, increment_start_op),                                             \
        BAD_ROW(natskit_js_increment_start, increment_start_by),                                             \
        BAD_ROW(natskit_js_increment_start, increment_start_timeout),                                        \
        BAD_ROW(natskit_js_publish, js_publish_null), BAD_ROW(natskit_js_publish, js_publish_subject),       \
        BAD_ROW(natskit_js_publish, js_publish_data), BAD_ROW(natskit_js_publish, js_publish_timeout),       \
        BAD_ROW(natskit_js_publish_start, js_publish_start_op),                                              \
        BAD_ROW(natskit_js_publish_start, js_publish_start_subject),                                         \
        BAD_ROW(natskit_js_publish_start, js_publish_start_timeout),                                         \
        BAD_ROW(natskit_msg_pub_ack, pub_ack_null), BAD_ROW(natskit_msg_pub_ack, pub_ack_kind),              \
        BAD_ROW(natskit_msg_pub_ack, pub_ack_view), BAD_ROW(natskit_publisher_open, publisher_open_out),     \
        BAD_ROW(natskit_publisher_open, publisher_open_acks),                                                \
        BAD_ROW(natskit_publisher_publish, publisher_publish_subject),                                       \
        BAD_ROW(natskit_publisher_publish, publisher_publish_data),                                          \
        BAD_ROW(natskit_publisher_publish, publisher_publish_timeout),                                       \
        BAD_ROW(natskit_publisher_publish_batch, publisher_batch_out),                                       \
        BAD_ROW(natskit_publisher_publish_batch, publisher_batch_msgs),                                      \
        BAD_ROW(natskit_publisher_publish_batch, publisher_batch_size),                                      \
        BAD_ROW(natskit_publisher_publish_batch, publisher_batch_timeout),                                   \
        BAD_ROW(natskit_publisher_publish_batch, publisher_batch_reply),                                     \
        BAD_ROW(natskit_publisher_done, publisher_done_timeout),                                             \
        BAD_ROW(natskit_publisher_done_start, publisher_done_op),                                            \
        BAD_ROW(natskit_publisher_room_start, publisher_room_op),                                            \
        BAD_ROW(natskit_publisher_room_start, publisher_room_timeout),                                       \
        BAD_ROW(natskit_publisher_info_get, publisher_info_null),                                            \
        BAD_ROW(natskit_publisher_info_get, publisher_info_size)

#endif
