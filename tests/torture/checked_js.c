/* What of life.h is JetStream's. */
#include "checked.h"
#include "life.h"
#include "registry.h"

natskit_js tt_js(natskit_conn conn, natskit_options options)
{
    natskit_error err = {0};
    natskit_js js = {UINT64_MAX};
    natskit_status got = natskit_js_open(conn, options, &js, &err);
    tt_check_error("natskit_js_open", got, NATSKIT_OK, &err);
    return (natskit_js){tt_given("natskit_js_open", got, NATSKIT_KIND_JS, js.id, conn.id, NULL)};
}

natskit_op tt_js_publish_start(natskit_conn conn, natskit_js js, const char *subject, natskit_headers headers)
{
    natskit_error err = {0};
    natskit_op op = {UINT64_MAX};
    natskit_status got =
        natskit_js_publish_start(js, subject, Z, headers, "kept", 4, NO_OPTIONS, tt_op_ms(), &op, &err);
    return tt_given_op("natskit_js_publish_start", got, op, conn, &err);
}

natskit_batch tt_batch(natskit_conn conn, natskit_js js)
{
    natskit_error err = {0};
    natskit_batch batch = {UINT64_MAX};
    natskit_status got = natskit_batch_open(js, NO_OPTIONS, &batch, &err);
    tt_check_error("natskit_batch_open", got, NATSKIT_OK, &err);
    return (natskit_batch){tt_given("natskit_batch_open", got, NATSKIT_KIND_BATCH, batch.id, conn.id, NULL)};
}

natskit_op tt_batch_commit_start(natskit_conn conn, natskit_batch batch)
{
    natskit_error err = {0};
    natskit_op op = {UINT64_MAX};
    natskit_status got = natskit_batch_commit_start(batch, NO_OPTIONS, tt_op_ms(), &op, &err);
    return tt_given_op("natskit_batch_commit_start", got, op, conn, &err);
}

natskit_ingest tt_ingest(natskit_conn conn, natskit_js js, natskit_options options, natskit_sub *failures)
{
    natskit_error err = {0};
    natskit_ingest ingest = {UINT64_MAX};
    failures->id = UINT64_MAX;
    natskit_status got = natskit_ingest_open(js, options, &ingest, failures, &err);
    tt_check_error("natskit_ingest_open", got, NATSKIT_OK, &err);
    failures->id = tt_given("natskit_ingest_open", got, NATSKIT_KIND_SUB, failures->id, conn.id, "");
    return (natskit_ingest){
        tt_given("natskit_ingest_open", got, NATSKIT_KIND_INGEST, ingest.id, conn.id, NULL)};
}

natskit_op tt_ingest_room_start(natskit_conn conn, natskit_ingest ingest)
{
    natskit_error err = {0};
    natskit_op op = {UINT64_MAX};
    natskit_status got = natskit_ingest_room_start(ingest, NO_OPTIONS, tt_op_ms(), &op, &err);
    return tt_given_op("natskit_ingest_room_start", got, op, conn, &err);
}

natskit_op tt_ingest_commit_start(natskit_conn conn, natskit_ingest ingest)
{
    natskit_error err = {0};
    natskit_op op = {UINT64_MAX};
    natskit_status got = natskit_ingest_commit_start(ingest, NO_OPTIONS, tt_op_ms(), &op, &err);
    return tt_given_op("natskit_ingest_commit_start", got, op, conn, &err);
}

natskit_publisher tt_publisher(natskit_conn conn, natskit_js js, natskit_options options, natskit_sub *acks)
{
    natskit_error err = {0};
    natskit_publisher publisher = {UINT64_MAX};
    acks->id = UINT64_MAX;
    natskit_status got = natskit_publisher_open(js, options, &publisher, acks, &err);
    tt_check_error("natskit_publisher_open", got, NATSKIT_OK, &err);
    acks->id = tt_given("natskit_publisher_open", got, NATSKIT_KIND_SUB, acks->id, conn.id, "");
    return (natskit_publisher){
        tt_given("natskit_publisher_open", got, NATSKIT_KIND_PUBLISHER, publisher.id, conn.id, NULL)};
}

natskit_op tt_publisher_done_start(natskit_conn conn, natskit_publisher publisher)
{
    natskit_error err = {0};
    natskit_op op = {UINT64_MAX};
    natskit_status got = natskit_publisher_done_start(publisher, NO_OPTIONS, tt_op_ms(), &op, &err);
    return tt_given_op("natskit_publisher_done_start", got, op, conn, &err);
}

natskit_op tt_publisher_room_start(natskit_conn conn, natskit_publisher publisher, uint64_t bytes)
{
    natskit_error err = {0};
    natskit_op op = {UINT64_MAX};
    natskit_status got = natskit_publisher_room_start(publisher, NO_OPTIONS, bytes, tt_op_ms(), &op, &err);
    return tt_given_op("natskit_publisher_room_start", got, op, conn, &err);
}

natskit_json tt_js_call(natskit_js js, const char *call, natskit_json args)
{
    natskit_error err = {0};
    natskit_json answer = {UINT64_MAX};
    natskit_status got = natskit_js_call(js, call, Z, args, tt_life.wait_ms, &answer, &err);
    tt_check_error("natskit_js_call", got, NATSKIT_OK, &err);
    return (natskit_json){tt_given("natskit_js_call", got, NATSKIT_KIND_JSON, answer.id, 0, NULL)};
}

natskit_op tt_js_call_start(natskit_conn conn, natskit_js js, const char *call, natskit_json args)
{
    natskit_error err = {0};
    natskit_op op = {UINT64_MAX};
    natskit_status got = natskit_js_call_start(js, call, Z, args, NO_OPTIONS, tt_op_ms(), &op, &err);
    return tt_given_op("natskit_js_call_start", got, op, conn, &err);
}

natskit_json tt_kv_config(const char *bucket)
{
    natskit_error err = {0};
    natskit_json config = {UINT64_MAX};
    natskit_status got = natskit_kv_config(tt_json(bucket), &config, &err);
    tt_check_error("natskit_kv_config", got, NATSKIT_OK, &err);
    return (natskit_json){tt_given("natskit_kv_config", got, NATSKIT_KIND_JSON, config.id, 0, NULL)};
}

natskit_kv tt_kv(natskit_conn conn, natskit_js js, const char *bucket)
{
    natskit_error err = {0};
    natskit_kv kv = {UINT64_MAX};
    natskit_status got = natskit_kv_open(js, bucket, Z, &kv, &err);
    tt_check_error("natskit_kv_open", got, NATSKIT_OK, &err);
    return (natskit_kv){tt_given("natskit_kv_open", got, NATSKIT_KIND_KV, kv.id, conn.id, NULL)};
}

natskit_msg *tt_kv_get(natskit_kv kv, const char *key, natskit_status also)
{
    natskit_error err = {0};
    natskit_msg *msg = (natskit_msg *)(uintptr_t)1;
    natskit_status got = natskit_kv_get(kv, key, Z, 0, tt_life.wait_ms, &msg, &err);
    tt_check_error("natskit_kv_get", got, also, &err);
    (void)tt_given("natskit_kv_get", got, TT_KIND_MSG, (uint64_t)(uintptr_t)msg, 0, NULL);
    return got == NATSKIT_OK ? msg : NULL;
}

natskit_op tt_kv_get_start(natskit_conn conn, natskit_kv kv, const char *key)
{
    natskit_error err = {0};
    natskit_op op = {UINT64_MAX};
    natskit_status got = natskit_kv_get_start(kv, key, Z, 0, NO_OPTIONS, tt_op_ms(), &op, &err);
    return tt_given_op("natskit_kv_get_start", got, op, conn, &err);
}

natskit_op tt_kv_write_start(natskit_conn conn, natskit_kv kv, int32_t action, const char *key)
{
    natskit_error err = {0};
    natskit_op op = {UINT64_MAX};
    size_t len = action == NATSKIT_KV_DELETE || action == NATSKIT_KV_PURGE ? 0 : 4;
    natskit_status got =
        natskit_kv_write_start(kv, action, key, Z, "kept", len, 0, 0, NO_OPTIONS, tt_op_ms(), &op, &err);
    return tt_given_op("natskit_kv_write_start", got, op, conn, &err);
}

natskit_sub tt_kv_watch(natskit_conn conn, natskit_kv kv, natskit_options options)
{
    natskit_error err = {0};
    natskit_sub sub = {UINT64_MAX};
    natskit_status got = natskit_kv_watch(kv, options, &sub, &err);
    tt_check_error("natskit_kv_watch", got, NATSKIT_OK, &err);
    return (natskit_sub){tt_given("natskit_kv_watch", got, NATSKIT_KIND_SUB, sub.id, conn.id, "")};
}

natskit_sub tt_js_fetch(natskit_conn conn, natskit_js js, const char *stream, const char *consumer,
                        natskit_options options)
{
    natskit_error err = {0};
    natskit_sub sub = {UINT64_MAX};
    natskit_status got = natskit_js_fetch(js, stream, Z, consumer, Z, options, &sub, &err);
    tt_check_error("natskit_js_fetch", got, NATSKIT_OK, &err);
    return (natskit_sub){tt_given("natskit_js_fetch", got, NATSKIT_KIND_SUB, sub.id, conn.id, "")};
}

natskit_sub tt_js_consume(natskit_conn conn, natskit_js js, const char *stream, const char *consumer,
                          natskit_options options)
{
    natskit_error err = {0};
    natskit_sub sub = {UINT64_MAX};
    natskit_status got = natskit_js_consume(js, stream, Z, consumer, Z, options, &sub, &err);
    tt_check_error("natskit_js_consume", got, NATSKIT_OK, &err);
    return (natskit_sub){tt_given("natskit_js_consume", got, NATSKIT_KIND_SUB, sub.id, conn.id, "")};
}

natskit_sub tt_js_ordered(natskit_conn conn, natskit_js js, const char *stream, natskit_options options)
{
    natskit_error err = {0};
    natskit_sub sub = {UINT64_MAX};
    natskit_status got = natskit_js_ordered(js, stream, Z, options, &sub, &err);
    tt_check_error("natskit_js_ordered", got, NATSKIT_OK, &err);
    return (natskit_sub){tt_given("natskit_js_ordered", got, NATSKIT_KIND_SUB, sub.id, conn.id, "")};
}

natskit_sub tt_js_subscribe(natskit_conn conn, natskit_js js, const char *subject, natskit_options options)
{
    natskit_error err = {0};
    natskit_sub sub = {UINT64_MAX};
    natskit_status got = natskit_js_subscribe(js, subject, Z, options, tt_life.wait_ms, &sub, &err);
    tt_check_error("natskit_js_subscribe", got, NATSKIT_OK, &err);
    return (natskit_sub){tt_given("natskit_js_subscribe", got, NATSKIT_KIND_SUB, sub.id, conn.id, "")};
}

natskit_sub tt_js_subscribe_start(natskit_conn conn, natskit_js js, const char *subject, natskit_op *op)
{
    natskit_error err = {0};
    natskit_sub sub = {UINT64_MAX};
    natskit_op made = {UINT64_MAX};
    natskit_status got =
        natskit_js_subscribe_start(js, subject, Z, NO_OPTIONS, tt_op_ms(), &sub, &made, &err);
    *op = tt_given_op("natskit_js_subscribe_start", got, made, conn, &err);
    return (natskit_sub){tt_given("natskit_js_subscribe_start", got, NATSKIT_KIND_SUB, sub.id, conn.id, "")};
}

natskit_sub tt_js_snapshot(natskit_conn conn, natskit_js js, natskit_json args, natskit_json *answer)
{
    natskit_error err = {0};
    natskit_sub sub = {UINT64_MAX};
    natskit_json made = {UINT64_MAX};
    natskit_status got = natskit_js_snapshot(js, args, tt_life.wait_ms, &sub, &made, &err);
    tt_check_error("natskit_js_snapshot", got, NATSKIT_OK, &err);
    answer->id = tt_given("natskit_js_snapshot", got, NATSKIT_KIND_JSON, made.id, 0, NULL);
    return (natskit_sub){tt_given("natskit_js_snapshot", got, NATSKIT_KIND_SUB, sub.id, conn.id, "")};
}

natskit_sub tt_js_snapshot_start(natskit_conn conn, natskit_js js, natskit_json args, natskit_op *op)
{
    natskit_error err = {0};
    natskit_sub sub = {UINT64_MAX};
    natskit_op made = {UINT64_MAX};
    natskit_status got = natskit_js_snapshot_start(js, args, tt_op_ms(), &sub, &made, &err);
    *op = tt_given_op("natskit_js_snapshot_start", got, made, conn, &err);
    return (natskit_sub){tt_given("natskit_js_snapshot_start", got, NATSKIT_KIND_SUB, sub.id, conn.id, "")};
}

natskit_json tt_trace_tree(natskit_json events)
{
    natskit_error err = {0};
    natskit_json tree = {UINT64_MAX};
    natskit_status got = natskit_trace_tree(events, &tree, &err);
    tt_check_error("natskit_trace_tree", got, NATSKIT_OK, &err);
    return (natskit_json){tt_given("natskit_trace_tree", got, NATSKIT_KIND_JSON, tree.id, 0, NULL)};
}

natskit_msg *tt_js_next(natskit_js js, const char *stream, const char *consumer, natskit_options options,
                        natskit_status also)
{
    natskit_error err = {0};
    natskit_msg *msg = (natskit_msg *)(uintptr_t)1;
    bool with = options.id != 0;
    natskit_status got =
        with ? natskit_js_next_with(js, stream, Z, consumer, Z, options, tt_life.wait_ms, &msg, &err)
             : natskit_js_next(js, stream, Z, consumer, Z, tt_life.wait_ms, &msg, &err);
    tt_check_error(with ? "natskit_js_next_with" : "natskit_js_next", got, also, &err);
    (void)tt_given("natskit_js_next", got, TT_KIND_MSG, (uint64_t)(uintptr_t)msg, 0, NULL);
    return got == NATSKIT_OK ? msg : NULL;
}
