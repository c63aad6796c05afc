/* What handle_rows.c needs for fast ingest; a part of that file alone, as handle_batch.h, behind which it
 * comes. */
#ifndef TESTS_CAPI_HANDLE_INGEST_H
#define TESTS_CAPI_HANDLE_INGEST_H

static natskit_ingest new_ingest;
static natskit_ingest_info ingest_info;
static uint64_t ingest_seq;

#define H_INGEST ((natskit_ingest){id})

CALL(ingest_open, natskit_ingest_open(H_JS, NO_OPTIONS, &new_ingest, &new_sub, &error))
CALL(ingest_open_options, natskit_ingest_open(js, H_OPTIONS, &new_ingest, &new_sub, &error))
CALL(ingest_publish, natskit_ingest_publish(H_INGEST, "a", Z, NO_HEADERS, NULL, 0, 0, &ingest_seq))
CALL(ingest_publish_headers, natskit_ingest_publish(ingest, "a", Z, H_HEADERS, NULL, 0, 0, &ingest_seq))
CALL(ingest_room_start, natskit_ingest_room_start(H_INGEST, NO_OPTIONS, 0, &new_op, &error))
CALL(ingest_room_options, natskit_ingest_room_start(ingest, H_OPTIONS, 0, &new_op, &error))
CALL(ingest_commit, natskit_ingest_commit(H_INGEST, 0, NULL, &outcome, &error))
CALL(ingest_commit_start, natskit_ingest_commit_start(H_INGEST, NO_OPTIONS, 0, &new_op, &error))
CALL(ingest_commit_options, natskit_ingest_commit_start(ingest, H_OPTIONS, 0, &new_op, &error))
CALL(ingest_info_get, natskit_ingest_info_get(H_INGEST, &ingest_info, sizeof ingest_info))
CALL(ingest_close, natskit_ingest_close(H_INGEST))

#define INGEST_ROWS                                                                                          \
    ROW(natskit_ingest_open, JS, ingest_open),                                                               \
        ROW_OPTIONAL(natskit_ingest_open, OPTIONS, ingest_open_options),                                     \
        ROW(natskit_ingest_commit, INGEST, ingest_commit),                                                   \
        ROW(natskit_ingest_commit_start, INGEST, ingest_commit_start),                                       \
        ROW_OPTIONAL(natskit_ingest_commit_start, OPTIONS, ingest_commit_options),                           \
        ROW(natskit_ingest_room_start, INGEST, ingest_room_start),                                           \
        ROW_OPTIONAL(natskit_ingest_room_start, OPTIONS, ingest_room_options),                               \
        ROW(natskit_ingest_publish, INGEST, ingest_publish),                                                 \
        ROW_OPTIONAL(natskit_ingest_publish, HEADERS, ingest_publish_headers),                               \
        ROW(natskit_ingest_info_get, INGEST, ingest_info_get),                                               \
        ROW(natskit_ingest_close, INGEST, ingest_close)

BAD(ingest_open_out, natskit_ingest_open(js, NO_OPTIONS, NULL, &new_sub, &error))
BAD(ingest_open_failures, natskit_ingest_open(js, NO_OPTIONS, &new_ingest, NULL, &error))
BAD(ingest_publish_null, natskit_ingest_publish(ingest, NULL, 1, NO_HEADERS, NULL, 0, 0, NULL))
BAD(ingest_publish_subject, natskit_ingest_publish(ingest, "a.*", Z, NO_HEADERS, NULL, 0, 0, NULL))
BAD(ingest_publish_data, natskit_ingest_publish(ingest, "a", Z, NO_HEADERS, NULL, 1, 0, NULL))
BAD(ingest_publish_timeout, natskit_ingest_publish(ingest, "a", Z, NO_HEADERS, NULL, 0, -2, NULL))
BAD(ingest_room_op, natskit_ingest_room_start(ingest, NO_OPTIONS, 0, NULL, &error))
BAD(ingest_room_timeout, natskit_ingest_room_start(ingest, NO_OPTIONS, -2, &new_op, &error))
BAD(ingest_commit_timeout, natskit_ingest_commit(ingest, -2, NULL, &outcome, &error))
BAD(ingest_commit_empty, natskit_ingest_commit(ingest, 0, NULL, &outcome, &error))
BAD(ingest_commit_op, natskit_ingest_commit_start(ingest, NO_OPTIONS, 0, NULL, &error))
BAD(ingest_commit_start_timeout, natskit_ingest_commit_start(ingest, NO_OPTIONS, -2, &new_op, &error))
BAD(ingest_info_null, natskit_ingest_info_get(ingest, NULL, sizeof ingest_info))
BAD(ingest_info_size, natskit_ingest_info_get(ingest, &ingest_info, 0))

#define INGEST_BAD_ROWS                                                                                      \
    BAD_ROW(natskit_ingest_open, ingest_open_out), BAD_ROW(natskit_ingest_open, ingest_open_failures),       \
        BAD_ROW(natskit_ingest_publish, ingest_publish_null),                                                \
        BAD_ROW(natskit_ingest_publish, ingest_publish_subject),                                             \
        BAD_ROW(natskit_ingest_publish, ingest_publish_data),                                                \
        BAD_ROW(natskit_ingest_publish, ingest_publish_timeout),                                             \
        BAD_ROW(natskit_ingest_room_start, ingest_room_op),                                                  \
        BAD_ROW(natskit_ingest_room_start, ingest_room_timeout),                                             \
        BAD_ROW(natskit_ingest_commit, ingest_commit_timeout),                                               \
        BAD_ROW(natskit_ingest_commit, ingest_commit_empty),                                                 \
        BAD_ROW(natskit_ingest_commit_start, ingest_commit_op),                                              \
        BAD_ROW(natskit_ingest_commit_start, ingest_commit_start_timeout),                                   \
        BAD_ROW(natskit_ingest_info_get, ingest_info_null),                                                  \
        BAD_ROW(natskit_ingest_info_get, ingest_info_size)

#endif
