/* What handle_rows.c needs for batches; a part of that file alone, as handle_publish.h, behind which it
 * comes. */
#ifndef TESTS_CAPI_HANDLE_BATCH_H
#define TESTS_CAPI_HANDLE_BATCH_H

static natskit_batch new_batch;
static natskit_batch_info batch_info;

#define H_BATCH ((natskit_batch){id})
#define ADD_TO_KV(kv, batch, action, key, key_len)                                                           \
    natskit_kv_batch_add(kv, batch, action, key, key_len, NULL, 0, 0, 0, &error)

CALL(batch_open, natskit_batch_open(H_JS, NO_OPTIONS, &new_batch, &error))
CALL(batch_open_options, natskit_batch_open(js, H_OPTIONS, &new_batch, &error))
CALL(batch_add, natskit_batch_add(H_BATCH, "a", Z, NO_HEADERS, NULL, 0, &error))
CALL(batch_add_headers, natskit_batch_add(batch, "a", Z, H_HEADERS, NULL, 0, &error))
CALL(batch_commit, natskit_batch_commit(H_BATCH, 0, NULL, &outcome, &error))
CALL(batch_commit_start, natskit_batch_commit_start(H_BATCH, NO_OPTIONS, 0, &new_op, &error))
CALL(batch_commit_options, natskit_batch_commit_start(batch, H_OPTIONS, 0, &new_op, &error))
CALL(kv_batch_add, ADD_TO_KV(H_KV, batch, NATSKIT_KV_PUT, "k", Z))
CALL(kv_batch_add_batch, ADD_TO_KV(kv, H_BATCH, NATSKIT_KV_PUT, "k", Z))
CALL(batch_info_get, natskit_batch_info_get(H_BATCH, &batch_info, sizeof batch_info))
CALL(batch_close, natskit_batch_close(H_BATCH))

/* The commits find nothing to commit: what is added comes after them. */
#define BATCH_ROWS                                                                                           \
    ROW(natskit_batch_open, JS, batch_open), ROW_OPTIONAL(natskit_batch_open, OPTIONS, batch_open_options),  \
        ROW(natskit_batch_commit, BATCH, batch_commit),                                                      \
        ROW(natskit_batch_commit_start, BATCH, batch_commit_start),                                          \
        ROW_OPTIONAL(natskit_batch_commit_start, OPTIONS, batch_commit_options),                             \
        ROW(natskit_batch_add, BATCH, batch_add),                                                            \
        ROW_OPTIONAL(natskit_batch_add, HEADERS, batch_add_headers),                                         \
        ROW(natskit_kv_batch_add, KV, kv_batch_add), ROW(natskit_kv_batch_add, BATCH, kv_batch_add_batch),   \
        ROW(natskit_batch_info_get, BATCH, batch_info_get), ROW(natskit_batch_close, BATCH, batch_close)

static natskit_origin origin;
static const char *digits;

BAD(origin_null, natskit_msg_origin(NULL, &origin, sizeof origin))
BAD(origin_view, natskit_msg_origin(received, NULL, sizeof origin))
BAD(origin_size, natskit_msg_origin(received, &origin, 0))
BAD(counter_null, natskit_msg_counter(NULL, &digits, &count))
BAD(counter_value, natskit_msg_counter(received, NULL, &count))
BAD(counter_len, natskit_msg_counter(received, &digits, NULL))
static int64_t counted;
static natskit_json sources;

BAD(sources_null, natskit_msg_counter_sources(NULL, &sources, &error))
BAD(sources_out, natskit_msg_counter_sources(received, NULL, &error))
BAD(counter_int_null, natskit_counter_int(NULL, 1, &counted))
BAD(counter_int_out, natskit_counter_int("1", Z, NULL))
BAD(counter_int_empty, natskit_counter_int("", Z, &counted))
BAD(counter_int_letters, natskit_counter_int("1a", Z, &counted))
BAD(kv_batch_add_action, ADD_TO_KV(kv, batch, 0, "k", Z))
BAD(kv_batch_add_null, ADD_TO_KV(kv, batch, NATSKIT_KV_PUT, NULL, 1))
BAD(kv_batch_add_key, ADD_TO_KV(kv, batch, NATSKIT_KV_PUT, "a..b", Z))
BAD(batch_open_out, natskit_batch_open(js, NO_OPTIONS, NULL, &error))
BAD(batch_add_null, natskit_batch_add(batch, NULL, 1, NO_HEADERS, NULL, 0, &error))
BAD(batch_add_subject, natskit_batch_add(batch, "a.*", Z, NO_HEADERS, NULL, 0, &error))
BAD(batch_add_data, natskit_batch_add(batch, "a", Z, NO_HEADERS, NULL, 1, &error))
BAD(batch_commit_timeout, natskit_batch_commit(batch, -2, NULL, &outcome, &error))
BAD(batch_commit_empty, natskit_batch_commit(batch, 0, NULL, &outcome, &error))
BAD(batch_commit_op, natskit_batch_commit_start(batch, NO_OPTIONS, 0, NULL, &error))
BAD(batch_commit_start_timeout, natskit_batch_commit_start(batch, NO_OPTIONS, -2, &new_op, &error))
BAD(batch_info_null, natskit_batch_info_get(batch, NULL, sizeof batch_info))
BAD(batch_info_size, natskit_batch_info_get(batch, &batch_info, 0))

#define BATCH_BAD_ROWS                                                                                       \
    BAD_ROW(natskit_kv_batch_add, kv_batch_add_action), BAD_ROW(natskit_kv_batch_add, kv_batch_add_null),    \
        BAD_ROW(natskit_kv_batch_add, kv_batch_add_key), BAD_ROW(natskit_batch_open, batch_open_out),        \
        BAD_ROW(natskit_batch_add, batch_add_null), BAD_ROW(natskit_batch_add, batch_add_subject),           \
        BAD_ROW(natskit_batch_add, batch_add_data), BAD_ROW(natskit_batch_commit, batch_commit_timeout),     \
        BAD_ROW(natskit_batch_commit, batch_commit_empty),                                                   \
        BAD_ROW(natskit_batch_commit_start, batch_commit_op),                                                \
        BAD_ROW(natskit_batch_commit_start, batch_commit_start_timeout),                                     \
        BAD_ROW(natskit_batch_info_get, batch_info_null), BAD_ROW(natskit_batch_info_get, batch_info_size),  \
        BAD_ROW(natskit_msg_origin, origin_null), BAD_ROW(natskit_msg_origin, origin_view),                  \
        BAD_ROW(natskit_msg_origin, origin_size), BAD_ROW(natskit_msg_counter, counter_null),                \
        BAD_ROW(natskit_msg_counter, counter_value), BAD_ROW(natskit_msg_counter, counter_len),              \
        BAD_ROW(natskit_msg_counter_sources, sources_null),                                                  \
        BAD_ROW(natskit_msg_counter_sources, sources_out), BAD_ROW(natskit_counter_int, counter_int_null),   \
        BAD_ROW(natskit_counter_int, counter_int_out), BAD_ROW(natskit_counter_int, counter_int_empty),      \
        BAD_ROW(natskit_counter_int, counter_int_letters)

#endif
