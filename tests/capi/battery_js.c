/* The battery's steps for JetStream and key-value buckets. Any worker. */
#include "battery.h"

#include <string.h>

static const char *const keys[] = {"a", "a.b", "a.b.c", "z", "a..b", "_kv", ""};

static const char *some_key(struct worker *me)
{
    return keys[below(me, 100) < 95 ? below(me, 4) : below(me, sizeof keys / sizeof keys[0])];
}

/* What a call that may refuse its arguments says of the handle counts only when they are right. */
static natskit_status gave_key(struct worker *me, const char *call, uint64_t id, enum sort sort,
                               const char *key, natskit_status status)
{
    bool right = key[0] != '\0' && key[0] != '_' && strcmp(key, "a..b") != 0;
    return right ? gave_for(me, call, id, sort, status) : gave(me, call, status);
}

static void keep_op(struct worker *me, const char *call, natskit_status status, natskit_op op)
{
    if (status == NATSKIT_OK) {
        keep(me, NATSKIT_KIND_OP, op.id);
    } else if (op.id != 0) {
        fault(me, call, op.id, status, "a failed start leaves no handle");
    }
}

void step_contexts(struct worker *me)
{
    enum sort sort;
    natskit_js js = {0};
    natskit_kv kv = {0};
    if (below(me, 2) == 0) {
        natskit_conn conn = {pick(me, NATSKIT_KIND_CONN, &sort)};
        if (gave_for(me, "js_open", conn.id, sort, natskit_js_open(conn, (natskit_options){0}, &js, NULL)) ==
            NATSKIT_OK) {
            keep(me, NATSKIT_KIND_JS, js.id);
        }
        return;
    }
    js.id = pick(me, NATSKIT_KIND_JS, &sort);
    if (below(me, 3) == 0) {
        natskit_object_store store = {0};
        if (gave_for(me, "object_store_open", js.id, sort,
                     natskit_object_store_open(js, "BTKV", Z, &store, NULL)) == NATSKIT_OK) {
            keep(me, NATSKIT_KIND_OBJECT_STORE, store.id);
        }
        return;
    }
    const char *bucket = below(me, 20) > 0 ? "BTKV" : "NONE";
    if (gave_for(me, "kv_open", js.id, sort, natskit_kv_open(js, bucket, Z, &kv, NULL)) == NATSKIT_OK) {
        keep(me, NATSKIT_KIND_KV, kv.id);
    }
}

void step_calls(struct worker *me)
{
    static const char *const calls[] = {"account.info", "stream.names", "stream.list", "no.such"};
    enum sort sort;
    natskit_js js = {pick(me, NATSKIT_KIND_JS, &sort)};
    natskit_op op = {0};
    natskit_json json = {0};
    natskit_status status;
    switch (below(me, 3)) {
    case 0:
        status = natskit_js_call_start(js, calls[below(me, 4)], Z, (natskit_json){0}, (natskit_options){0},
                                       below(me, 100), &op, NULL);
        keep_op(me, "js_call_start", gave_for(me, "js_call_start", js.id, sort, status), op);
        return;
    case 1:
        status =
            natskit_js_call(js, calls[below(me, 4)], Z, (natskit_json){0}, some_timeout(me), &json, NULL);
        gave_for(me, "js_call", js.id, sort, status);
        break;
    default:
        op.id = pick(me, NATSKIT_KIND_OP, &sort);
        status = gave_for(me, "op_json", op.id, sort, natskit_op_json(op, &json, NULL));
    }
    if (status == NATSKIT_OK) {
        keep(me, NATSKIT_KIND_JSON, json.id);
    } else if (json.id != 0) {
        fault(me, "js_call", json.id, status, "a failed call leaves no document");
    }
}

void step_keys(struct worker *me)
{
    enum sort sort;
    natskit_kv kv = {pick(me, NATSKIT_KIND_KV, &sort)};
    natskit_op op = {0};
    natskit_msg *msg = NULL;
    uint64_t revision;
    const char *key = some_key(me);
    int32_t action = NATSKIT_KV_PUT + (int32_t)below(me, 5);
    size_t len = action == NATSKIT_KV_DELETE || action == NATSKIT_KV_PURGE ? 0 : below(me, 200);
    natskit_status status;
    switch (below(me, 4)) {
    case 0:
        status = natskit_kv_get(kv, key, Z, below(me, 3), some_timeout(me), &msg, NULL);
        if (gave_key(me, "kv_get", kv.id, sort, key, status) == NATSKIT_OK) {
            keep_message(me, msg);
        }
        return;
    case 1:
        status =
            natskit_kv_get_start(kv, key, Z, below(me, 3), (natskit_options){0}, below(me, 100), &op, NULL);
        keep_op(me, "kv_get_start", gave_key(me, "kv_get_start", kv.id, sort, key, status), op);
        return;
    case 2:
        status = natskit_kv_write(kv, action, key, Z, payload, len, 0, 0, some_timeout(me), &revision, NULL);
        gave_key(me, "kv_write", kv.id, sort, key, status);
        return;
    default:
        status = natskit_kv_write_start(kv, action, key, Z, payload, len, 0, 0, (natskit_options){0},
                                        below(me, 100), &op, NULL);
        keep_op(me, "kv_write_start", gave_key(me, "kv_write_start", kv.id, sort, key, status), op);
    }
}

static void step_get_many(struct worker *me, natskit_kv kv, enum sort sort)
{
    natskit_options options;
    natskit_sub sub;
    if (natskit_options_open(NATSKIT_OPTIONS_KV_MANY, &options) == NATSKIT_OK) {
        const char *key = keys[below(me, 4)];
        natskit_options_set(options, "keys", Z, key, Z, NULL);
        natskit_status status = natskit_kv_get_many(kv, options, &sub, NULL);
        if (gave_for(me, "kv_get_many", kv.id, sort, status) == NATSKIT_OK) {
            keep(me, NATSKIT_KIND_SUB, sub.id);
        }
        natskit_options_close(options);
    }
}

/* The cache of a bucket, and changing many keys. */
static void step_many_keys(struct worker *me)
{
    enum sort sort;
    natskit_kv kv = {pick(me, NATSKIT_KIND_KV, &sort)};
    natskit_op op = {0};
    natskit_sub sub;
    natskit_msg *msg = NULL;
    natskit_kv_cache_info info;
    const natskit_options none = {0};
    natskit_status status;
    switch (below(me, 5)) {
    case 0:
        status = natskit_kv_sweep_start(kv, NATSKIT_KV_PURGE_DELETES, none, below(me, 100), &op, NULL);
        keep_op(me, "kv_sweep_start", gave_for(me, "kv_sweep_start", kv.id, sort, status), op);
        return;
    case 1:
        status = natskit_kv_status_start(kv, none, below(me, 100), &op, NULL);
        keep_op(me, "kv_status_start", gave_for(me, "kv_status_start", kv.id, sort, status), op);
        return;
    case 2:
        if (gave_for(me, "kv_cache", kv.id, sort, natskit_kv_cache(kv, none, &sub, NULL)) == NATSKIT_OK) {
            keep(me, NATSKIT_KIND_SUB, sub.id);
        }
        return;
    case 3:
        step_get_many(me, kv, sort);
        return;
    default:
        if (gave_for(me, "kv_cached", kv.id, sort, natskit_kv_cached(kv, "a", Z, &msg)) == NATSKIT_OK) {
            keep_message(me, msg);
        }
        gave_for(me, "kv_cache_stats", kv.id, sort, natskit_kv_cache_stats(kv, &info, sizeof info));
    }
}

void step_batches(struct worker *me)
{
    enum sort sort;
    natskit_batch batch = {0};
    natskit_op op = {0};
    natskit_msg *ack = NULL;
    natskit_batch_info info;
    int32_t outcome;
    if (below(me, 4) == 0) {
        natskit_js js = {pick(me, NATSKIT_KIND_JS, &sort)};
        if (gave_for(me, "batch_open", js.id, sort,
                     natskit_batch_open(js, (natskit_options){0}, &batch, NULL)) == NATSKIT_OK) {
            keep(me, NATSKIT_KIND_BATCH, batch.id);
        }
        return;
    }
    batch.id = pick(me, NATSKIT_KIND_BATCH, &sort);
    natskit_status status;
    switch (below(me, 6)) {
    case 0:
        gave(me, "batch_commit", natskit_batch_commit(batch, some_timeout(me), &ack, &outcome, NULL));
        if (ack != NULL) {
            keep_message(me, ack);
        }
        return;
    case 1:
        status = natskit_batch_commit_start(batch, (natskit_options){0}, below(me, 100), &op, NULL);
        keep_op(me, "batch_commit_start", gave(me, "batch_commit_start", status), op);
        return;
    case 2:
        gave_for(me, "batch_info", batch.id, sort, natskit_batch_info_get(batch, &info, sizeof info));
        return;
    default:
        gave_for(me, "batch_add", batch.id, sort,
                 natskit_batch_add(batch, some_key(me)[0] == 'z' ? "z" : "a.b", Z, (natskit_headers){0},
                                   payload, below(me, 200), NULL));
    }
}

static void open_ingest(struct worker *me)
{
    enum sort sort;
    natskit_ingest ingest = {0};
    natskit_sub failures = {0};
    natskit_js js = {pick(me, NATSKIT_KIND_JS, &sort)};
    natskit_status status = natskit_ingest_open(js, (natskit_options){0}, &ingest, &failures, NULL);
    if (gave_for(me, "ingest_open", js.id, sort, status) == NATSKIT_OK) {
        keep(me, NATSKIT_KIND_INGEST, ingest.id);
        keep(me, NATSKIT_KIND_SUB, failures.id);
    } else if (ingest.id != 0 || failures.id != 0) {
        fault(me, "ingest_open", js.id, status, "a failed open leaves no handle");
    }
}

static void commit_ingest(struct worker *me, natskit_ingest ingest)
{
    natskit_op op = {0};
    natskit_msg *ack = NULL;
    int32_t outcome;
    natskit_status status;
    if (below(me, 2) == 0) {
        status = natskit_ingest_commit(ingest, some_timeout(me), &ack, &outcome, NULL);
        if ((gave(me, "ingest_commit", status) == NATSKIT_OK) != (ack != NULL)) {
            fault(me, "ingest_commit", ingest.id, status, "an ack comes with success alone");
        }
        if (ack != NULL) {
            keep_message(me, ack);
        }
        return;
    }
    status = natskit_ingest_commit_start(ingest, (natskit_options){0}, below(me, 100), &op, NULL);
    keep_op(me, "ingest_commit_start", gave(me, "ingest_commit_start", status), op);
}

void begin_ingests(natskit_conn conn)
{
    fx_stream(conn, "BTFAST",
              "{\"name\":\"BTFAST\",\"subjects\":[\"btfast.>\"],\"storage\":\"memory\","
              "\"max_msgs\":100,\"allow_batched\":true}");
}

/* Some go to a stream that takes them, others to one that does not, or to none. */
void step_ingests(struct worker *me)
{
    static const char *const subjects[] = {"btfast.a", "btfast.a", "btfast.b", "$KV.BTKV.a", "nobody"};
    enum sort sort;
    natskit_op op = {0};
    natskit_ingest_info info;
    if (below(me, 6) == 0) {
        open_ingest(me);
        return;
    }
    natskit_ingest ingest = {pick(me, NATSKIT_KIND_INGEST, &sort)};
    natskit_status status;
    switch (below(me, 8)) {
    case 0:
        commit_ingest(me, ingest);
        return;
    case 1:
        status = natskit_ingest_room_start(ingest, (natskit_options){0}, below(me, 100), &op, NULL);
        keep_op(me, "ingest_room_start", gave_for(me, "ingest_room_start", ingest.id, sort, status), op);
        return;
    case 2:
        gave_for(me, "ingest_info", ingest.id, sort, natskit_ingest_info_get(ingest, &info, sizeof info));
        return;
    default:
        status =
            natskit_ingest_publish(ingest, subjects[below(me, 20) > 0 ? below(me, 3) : below(me, 5)], Z,
                                   (natskit_headers){0}, payload, below(me, 200), some_timeout(me), NULL);
        gave_for(me, "ingest_publish", ingest.id, sort, status);
    }
}

static void open_publisher(struct worker *me)
{
    enum sort sort;
    natskit_publisher publisher = {0};
    natskit_sub acks = {0};
    natskit_js js = {pick(me, NATSKIT_KIND_JS, &sort)};
    natskit_status status = natskit_publisher_open(js, (natskit_options){0}, &publisher, &acks, NULL);
    if (gave_for(me, "publisher_open", js.id, sort, status) == NATSKIT_OK) {
        keep(me, NATSKIT_KIND_PUBLISHER, publisher.id);
        keep(me, NATSKIT_KIND_SUB, acks.id);
    } else if (publisher.id != 0 || acks.id != 0) {
        fault(me, "publisher_open", js.id, status, "a failed open leaves no handle");
    }
}

static natskit_status publish_some(struct worker *me, natskit_publisher publisher)
{
    static const char *const subjects[] = {"btfast.a", "btfast.b", "nobody"};
    natskit_outgoing out[4];
    size_t count = below(me, 5);
    size_t published = 99;
    if (below(me, 3) > 0) {
        return natskit_publisher_publish(publisher, subjects[below(me, 3)], Z, (natskit_headers){0}, payload,
                                         below(me, 200), some_timeout(me), NULL);
    }
    for (size_t i = 0; i < count; i++) {
        out[i] = (natskit_outgoing){
            .subject = subjects[below(me, 3)], .subject_len = Z, .data = payload, .data_len = below(me, 200)};
    }
    natskit_status status = natskit_publisher_publish_batch(publisher, out, sizeof out[0], count,
                                                            some_timeout(me), NULL, &published);
    if (published > count || (status == NATSKIT_OK && published != count)) {
        fault(me, "publisher_publish_batch", publisher.id, status, "published does not fit");
    }
    return status;
}

/* Some to a stream, others to none. */
void step_publishers(struct worker *me)
{
    enum sort sort;
    natskit_op op = {0};
    natskit_publisher_info info;
    if (below(me, 6) == 0) {
        open_publisher(me);
        return;
    }
    natskit_publisher publisher = {pick(me, NATSKIT_KIND_PUBLISHER, &sort)};
    natskit_status status;
    switch (below(me, 8)) {
    case 0:
        gave_for(me, "publisher_done", publisher.id, sort,
                 natskit_publisher_done(publisher, some_timeout(me), NULL));
        return;
    case 1:
        status = natskit_publisher_done_start(publisher, (natskit_options){0}, below(me, 100), &op, NULL);
        keep_op(me, "publisher_done_start", gave_for(me, "publisher_done_start", publisher.id, sort, status),
                op);
        return;
    case 2:
        status = natskit_publisher_room_start(publisher, (natskit_options){0}, below(me, 100000),
                                              below(me, 100), &op, NULL);
        keep_op(me, "publisher_room_start", gave_for(me, "publisher_room_start", publisher.id, sort, status),
                op);
        return;
    case 3:
        status = natskit_publisher_info_get(publisher, &info, sizeof info);
        if (gave_for(me, "publisher_info", publisher.id, sort, status) == NATSKIT_OK &&
            info.published != info.pending + info.acked + info.failed) {
            fault(me, "publisher_info", publisher.id, 0, "the counters do not add up");
        }
        return;
    default:
        gave_for(me, "publisher_publish", publisher.id, sort, publish_some(me, publisher));
    }
}

static void step_direct(struct worker *me)
{
    enum sort sort;
    natskit_js js = {pick(me, NATSKIT_KIND_JS, &sort)};
    natskit_sub sub;
    natskit_op op;
    natskit_msg *msg;
    natskit_status status;
    switch (below(me, 4)) {
    case 0:
        status = natskit_js_get_batch(js, "KV_BTKV", Z, (natskit_options){0}, &sub, NULL);
        if (gave_for(me, "js_get_batch", js.id, sort, status) == NATSKIT_OK) {
            keep(me, NATSKIT_KIND_SUB, sub.id);
        }
        break;
    case 1:
        status = natskit_js_get_last(js, "KV_BTKV", Z, (natskit_options){0}, &sub, NULL);
        if (gave_for(me, "js_get_last", js.id, sort, status) == NATSKIT_OK) {
            keep(me, NATSKIT_KIND_SUB, sub.id);
        }
        break;
    case 2:
        status = natskit_js_get_msg(js, "KV_BTKV", Z, 1 + below(me, 9), NULL, 0, 0, 0, some_timeout(me), &msg,
                                    NULL);
        if (gave_for(me, "js_get_msg", js.id, sort, status) == NATSKIT_OK) {
            keep_message(me, msg);
        }
        break;
    default:
        status = natskit_js_get_msg_start(js, "KV_BTKV", Z, 1 + below(me, 9), NULL, 0, 0, 0,
                                          (natskit_options){0}, below(me, 100), &op, NULL);
        keep_op(me, "js_get_msg_start", gave_for(me, "js_get_msg_start", js.id, sort, status), op);
        break;
    }
}

void step_watch(struct worker *me)
{
    if (below(me, 4) == 0) {
        step_many_keys(me);
        return;
    }
    enum sort sort;
    natskit_kv kv = {pick(me, NATSKIT_KIND_KV, &sort)};
    natskit_sub sub;
    natskit_watch_info info;
    natskit_push_info push_info;
    natskit_op op;
    if (below(me, 8) == 0) {
        step_direct(me);
        return;
    }
    if (below(me, 8) == 0) {
        natskit_js js = {pick(me, NATSKIT_KIND_JS, &sort)};
        if (below(me, 2) == 0) {
            if (gave_for(me, "js_subscribe_start", js.id, sort,
                         natskit_js_subscribe_start(js, "s", Z, (natskit_options){0}, below(me, 100), &sub,
                                                    &op, NULL)) == NATSKIT_OK) {
                keep(me, NATSKIT_KIND_SUB, sub.id);
                keep(me, NATSKIT_KIND_OP, op.id);
            }
            return;
        }
        if (gave_for(me, "js_ordered", js.id, sort,
                     natskit_js_ordered(js, "S", Z, (natskit_options){0}, &sub, NULL)) == NATSKIT_OK) {
            keep(me, NATSKIT_KIND_SUB, sub.id);
        }
        return;
    }
    if (below(me, 4) == 0) {
        if (gave_for(me, "kv_watch", kv.id, sort, natskit_kv_watch(kv, (natskit_options){0}, &sub, NULL)) ==
            NATSKIT_OK) {
            keep(me, NATSKIT_KIND_SUB, sub.id);
        }
        return;
    }
    sub.id = pick(me, NATSKIT_KIND_SUB, &sort);
    gave_for(me, "watch_info", sub.id, sort, natskit_sub_watch_info(sub, &info, sizeof info));
    gave_for(me, "push_info", sub.id, sort, natskit_sub_push_info(sub, &push_info, sizeof push_info));
}

/* Writers of a store that is there or not, which is all the same to them until they are finished. */
void step_objects(struct worker *me)
{
    enum sort sort;
    natskit_op op = {0};
    natskit_object_writer writer = {pick(me, NATSKIT_KIND_OBJECT_WRITER, &sort)};
    natskit_object_progress progress;
    natskit_status status;
    size_t written;
    switch (below(me, 6)) {
    case 0: {
        natskit_object_store store = {pick(me, NATSKIT_KIND_OBJECT_STORE, &sort)};
        status =
            natskit_object_writer_open(store, "o", Z, (natskit_json){0}, (natskit_options){0}, &writer, NULL);
        if (gave_for(me, "writer_open", store.id, sort, status) == NATSKIT_OK) {
            keep(me, NATSKIT_KIND_OBJECT_WRITER, writer.id);
        }
        return;
    }
    case 1: {
        natskit_object_store store = {pick(me, NATSKIT_KIND_OBJECT_STORE, &sort)};
        status = natskit_object_info_start(store, "o", Z, 0, (natskit_options){0}, below(me, 100), &op, NULL);
        keep_op(me, "object_info_start", gave_for(me, "object_info_start", store.id, sort, status), op);
        return;
    }
    case 2:
        status = natskit_object_writer_write(writer, payload, below(me, 200), 0, &written, NULL);
        gave_for(me, "writer_write", writer.id, sort, status);
        return;
    case 3:
        status = natskit_object_writer_room_start(writer, (natskit_options){0}, below(me, 100), &op, NULL);
        keep_op(me, "writer_room_start", gave_for(me, "writer_room_start", writer.id, sort, status), op);
        return;
    case 4:
        status = natskit_object_writer_done_start(writer, (natskit_options){0}, below(me, 100), &op, NULL);
        keep_op(me, "writer_done_start", gave_for(me, "writer_done_start", writer.id, sort, status), op);
        return;
    default:
        gave_for(me, "writer_progress", writer.id, sort,
                 natskit_object_writer_progress(writer, &progress, sizeof progress));
    }
}

/* What the readers' object is. Set before the workers begin. */
static natskit_msg *object;

void begin_readers(natskit_conn conn)
{
    natskit_js js;
    natskit_object_store store;
    fx_stream(conn, "OBJ_BTKV",
              "{\"name\":\"OBJ_BTKV\",\"subjects\":[\"$O.BTKV.C.>\",\"$O.BTKV.M.>\"],\"storage\":\"memory\","
              "\"max_bytes\":50000000,\"discard\":\"new\",\"allow_rollup_hdrs\":true,"
              "\"allow_direct\":true}");
    assert_ok(natskit_js_open(conn, (natskit_options){0}, &js, NULL));
    assert_ok(natskit_object_store_open(js, "BTKV", Z, &store, NULL));
    assert_ok(natskit_object_put(store, "read", Z, (natskit_json){0}, payload, sizeof payload,
                                 (natskit_options){0}, 10 * SECONDS, &object, NULL));
    assert_ok(natskit_object_store_close(store));
    assert_ok(natskit_js_close(js));
}

void end_readers(void)
{
    assert_ok(natskit_msg_release(object));
}

void step_readers(struct worker *me)
{
    char room[4096];
    enum sort sort;
    natskit_op op = {0};
    natskit_object_progress progress;
    natskit_object_reader reader = {pick(me, NATSKIT_KIND_OBJECT_READER, &sort)};
    natskit_status status;
    size_t len = 0;
    switch (below(me, 6)) {
    case 0: {
        natskit_object_store store = {pick(me, NATSKIT_KIND_OBJECT_STORE, &sort)};
        status = natskit_object_reader_open(store, object, &reader, NULL);
        if (gave_for(me, "reader_open", store.id, sort, status) == NATSKIT_OK) {
            keep(me, NATSKIT_KIND_OBJECT_READER, reader.id);
        }
        return;
    }
    case 1:
        status = natskit_object_reader_ready_start(reader, (natskit_options){0}, below(me, 100), &op, NULL);
        keep_op(me, "reader_ready_start", gave_for(me, "reader_ready_start", reader.id, sort, status), op);
        return;
    case 2:
        gave_for(me, "reader_progress", reader.id, sort,
                 natskit_object_reader_progress(reader, &progress, sizeof progress));
        return;
    default:
        status = natskit_object_reader_read(reader, room, 1 + below(me, sizeof room), some_timeout(me), &len,
                                            NULL);
        gave_for(me, "reader_read", reader.id, sort, status);
        if ((status == NATSKIT_OK) != (len > 0)) {
            fault(me, "reader_read", reader.id, status, "bytes come with success alone");
        }
    }
}

/* Each message is readable as what it is, and as that alone. */
void step_entry(struct worker *me)
{
    natskit_msg *msg = atomic_exchange(&messages[below(me, MESSAGES)], NULL);
    if (msg == NULL) {
        return;
    }
    natskit_message_view view = {0};
    natskit_kv_view entry;
    natskit_status_view told;
    natskit_pub_ack ack;
    natskit_stored_view stored;
    natskit_service_view request;
    gave(me, "msg_view", natskit_msg_view(msg, &view, sizeof view));
    const struct {
        int32_t kind;
        natskit_status status;
    } views[] = {
        {NATSKIT_MSG_KV, natskit_msg_kv(msg, &entry, sizeof entry)},
        {NATSKIT_MSG_STATUS, natskit_msg_status(msg, &told, sizeof told)},
        {NATSKIT_MSG_PUB_ACK, natskit_msg_pub_ack(msg, &ack, sizeof ack)},
        {NATSKIT_MSG_STORED, natskit_msg_stored(msg, &stored, sizeof stored)},
        {NATSKIT_MSG_SERVICE, natskit_msg_service(msg, &request, sizeof request)},
        {NATSKIT_MSG_SERVICE, natskit_msg_handled(msg)},
    };
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++) {
        if ((gave(me, "view", views[i].status) == NATSKIT_OK) != (view.kind == views[i].kind)) {
            fault(me, "view", (uint64_t)view.kind, views[i].status, "a view is for one kind of messages");
        }
    }
    keep_message(me, msg);
}
