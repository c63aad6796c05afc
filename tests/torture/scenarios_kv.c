/* Scenarios of calls of the JetStream API, of a key-value bucket, which outlives them at the server, and of
 * pulling from its stream. */
#include "scenarios.h"

#include "checked.h"
#include "life.h"
#include "registry.h"

#define STREAM "KV_torture"

/* Makes the bucket, unless it is there. */
static void make_bucket(natskit_js js)
{
    natskit_json config = tt_kv_config("{\"bucket\":\"torture\",\"storage\":\"memory\",\"history\":2}");
    natskit_error err = {0};
    natskit_json args = tt_json_open(NATSKIT_JSON_OBJECT);
    natskit_status got = natskit_json_set_json(args, "/config", Z, config, "", Z, &err);
    tt_check_error("natskit_json_set_json", got, NATSKIT_OK, &err);
    if (got == NATSKIT_OK) { /* without it the call is a wrong one */
        (void)tt_js_call(js, "stream.create", args);
    }
}

void tt_scenario_js_calls(void)
{
    natskit_error err = {0};
    natskit_js_call_info call = {0};
    natskit_js_field_info field = {0};
    TT(natskit_js_call_at, 0, &call, sizeof call);
    TT(natskit_js_field_at, 0, &field, sizeof field);
    natskit_conn conn = tt_connect();
    natskit_js js = tt_js(conn, NO_OPTIONS);
    make_bucket(js);
    natskit_json args = tt_json("{\"stream\":\"" STREAM "\"}");
    natskit_json info = tt_js_call(js, "stream.info", args);
    (void)tt_js_call(js, "stream.names", (natskit_json){0});
    natskit_op update = tt_js_call_start(conn, js, "stream.update",
                                         tt_json("{\"config\":{\"name\":\"" STREAM "\",\"max_age\":0}}"));
    if (tt_finish(update, NATSKIT_OK) == NATSKIT_OK) {
        natskit_json answer = {UINT64_MAX};
        natskit_status got = natskit_op_json(update, &answer, &err);
        tt_check_error("natskit_op_json", got, NATSKIT_OK, &err);
        if (got == NATSKIT_OK) {
            TT(natskit_json_close, answer);
        }
    }
    int64_t history = 0;
    TT(natskit_json_get_int, info, "/config/max_msgs_per_subject", Z, &history, &err);
    tt_want(history == 2, "the stream is another one");
}

void tt_scenario_kv(void)
{
    natskit_error err = {0};
    uint64_t revision = 0;
    natskit_kv_view view = {0};
    natskit_conn conn = tt_connect();
    natskit_js js = tt_js(conn, NO_OPTIONS);
    make_bucket(js);
    natskit_kv kv = tt_kv(conn, js, "torture");
    natskit_status got =
        natskit_kv_write(kv, NATSKIT_KV_PUT, "a.key", Z, "kept", 4, 0, 0, tt_life.wait_ms, &revision, &err);
    tt_check_error("natskit_kv_write", got, NATSKIT_OK, &err);
    natskit_msg *entry = tt_kv_get(kv, "a.key", NATSKIT_KEY_NOT_FOUND);
    if (entry != NULL) {
        TT(natskit_msg_kv, entry, &view, sizeof view);
        tt_want(view.revision == revision && view.value_len == 4, "what was put is not what is got");
        tt_release(entry);
    }
    (void)tt_finish(tt_kv_write_start(conn, kv, NATSKIT_KV_DELETE, "gone"), NATSKIT_OK);
    (void)tt_finish(tt_kv_write_start(conn, kv, NATSKIT_KV_CREATE, "gone"), NATSKIT_KEY_EXISTS);
    natskit_op get = tt_kv_get_start(conn, kv, "a.key");
    if (tt_finish(get, NATSKIT_KEY_NOT_FOUND) == NATSKIT_OK) {
        tt_release(tt_take_msg(get, NATSKIT_OK));
    }
}

void tt_scenario_watch(void)
{
    natskit_watch_info info = {0};
    natskit_error err = {0};
    natskit_conn conn = tt_connect();
    natskit_js js = tt_js(conn, NO_OPTIONS);
    make_bucket(js);
    natskit_kv kv = tt_kv(conn, js, "torture");
    natskit_status got =
        natskit_kv_write(kv, NATSKIT_KV_PUT, "watched", Z, "kept", 4, 0, 0, tt_life.wait_ms, NULL, &err);
    tt_check_error("natskit_kv_write", got, NATSKIT_OK, &err);
    natskit_options options = tt_options(NATSKIT_OPTIONS_KV_WATCH);
    natskit_sub all = tt_kv_watch(conn, kv, options);
    got = natskit_options_set(options, "keys", Z, "watched", Z, &err);
    tt_check_error("natskit_options_set", got, NATSKIT_OK, &err);
    tt_set(options, "ends", 1);
    natskit_sub one = tt_kv_watch(conn, kv, options);
    natskit_msg *msg = NULL;
    int32_t kind = 0;
    do {
        tt_release(msg);
        msg = tt_next(all, tt_life.wait_ms, NATSKIT_OK);
        natskit_message_view view = {0};
        if (msg != NULL) {
            TT(natskit_msg_view, msg, &view, sizeof view);
        }
        kind = view.kind;
    } while (msg != NULL && kind == NATSKIT_MSG_KV);
    natskit_status_view done = {0};
    if (kind == NATSKIT_MSG_STATUS) {
        TT(natskit_msg_status, msg, &done, sizeof done);
    }
    tt_want(done.type == NATSKIT_STATUS_INITIAL_DONE, "nothing says that all has come");
    tt_release(msg);
    TT(natskit_sub_watch_info, all, &info, sizeof info);
    int entries = 0;
    while ((msg = tt_next(one, tt_life.wait_ms, NATSKIT_END)) != NULL) {
        tt_release(msg);
        entries++;
    }
    tt_want(entries == 1, "a watch of one key gives another number");
    tt_sub_close(all);
    TT(natskit_flush, conn, tt_life.wait_ms);
}

/* Messages of the bucket's stream by a pull consumer, which outlives the scenario, too, and in order. */
void tt_scenario_pull(void)
{
    natskit_pull_info info = {0};
    natskit_conn conn = tt_connect();
    natskit_js js = tt_js(conn, NO_OPTIONS);
    make_bucket(js);
    natskit_kv kv = tt_kv(conn, js, "torture");
    natskit_json args =
        tt_json("{\"stream\":\"" STREAM "\",\"config\":{\"name\":\"pull\",\"durable_name\":\"pull\","
                "\"ack_policy\":\"none\",\"mem_storage\":true}}");
    (void)tt_js_call(js, "consumer.create", args);
    natskit_options options = tt_options(NATSKIT_OPTIONS_FETCH);
    tt_set(options, "no_wait", 1);
    tt_set(options, "max_msgs", 1000);
    natskit_sub all = tt_js_fetch(conn, js, STREAM, "pull", options);
    natskit_msg *msg = NULL;
    while ((msg = tt_next(all, tt_life.wait_ms, NATSKIT_END)) != NULL) {
        tt_release(msg);
    }
    (void)tt_finish(tt_kv_write_start(conn, kv, NATSKIT_KV_PUT, "pulled"), NATSKIT_OK);
    tt_release(tt_js_next(js, STREAM, "pull", NO_OPTIONS, NATSKIT_OK));
    (void)tt_finish(tt_kv_write_start(conn, kv, NATSKIT_KV_PUT, "pulled"), NATSKIT_OK);
    tt_release(tt_js_next(js, STREAM, "pull", tt_options(NATSKIT_OPTIONS_FETCH), NATSKIT_OK));
    natskit_sub more = tt_js_consume(conn, js, STREAM, "pull", NO_OPTIONS);
    TT(natskit_sub_pull_info, more, &info, sizeof info);
    (void)tt_finish(tt_kv_write_start(conn, kv, NATSKIT_KV_PUT, "pulled"), NATSKIT_OK);
    tt_release(tt_next(more, tt_life.wait_ms, NATSKIT_OK));
    tt_sub_close(more);
    options = tt_options(NATSKIT_OPTIONS_ORDERED);
    tt_set(options, "ends", 1);
    natskit_sub ordered = tt_js_ordered(conn, js, STREAM, options);
    while ((msg = tt_next(ordered, tt_life.wait_ms, NATSKIT_END)) != NULL) {
        tt_release(msg);
    }
    TT(natskit_flush, conn, tt_life.wait_ms);
}

/* The same by push consumers: a durable one, which outlives the scenario, and a new one. */
void tt_scenario_push(void)
{
    natskit_push_info info = {0};
    natskit_op op = {0};
    natskit_error err = {0};
    natskit_conn conn = tt_connect();
    natskit_js js = tt_js(conn, NO_OPTIONS);
    make_bucket(js);
    natskit_kv kv = tt_kv(conn, js, "torture");
    natskit_options options = tt_options(NATSKIT_OPTIONS_PUSH);
    const struct {
        const char *name;
        const char *value;
    } pairs[] = {
        {"stream", STREAM},      {"queue", "push"},         {"ack_policy", "none"},
        {"mem_storage", "true"}, {"deliver_policy", "new"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        natskit_status got = natskit_options_set(options, pairs[i].name, Z, pairs[i].value, Z, &err);
        tt_check_error("natskit_options_set", got, NATSKIT_OK, &err);
    }
    natskit_sub durable = tt_js_subscribe(conn, js, "$KV.torture.pushed", options);
    natskit_sub fresh = tt_js_subscribe_start(conn, js, "$KV.torture.pushed", &op);
    (void)tt_finish(op, NATSKIT_OK);
    (void)tt_finish(tt_kv_write_start(conn, kv, NATSKIT_KV_PUT, "pushed"), NATSKIT_OK);
    natskit_msg *msg = tt_next(fresh, tt_life.wait_ms, NATSKIT_OK);
    if (msg != NULL) {
        TT(natskit_msg_ack, msg);
        tt_release(msg);
    }
    tt_release(tt_next(durable, tt_life.wait_ms, NATSKIT_OK));
    TT(natskit_sub_push_info, fresh, &info, sizeof info);
    tt_want(info.live == 1 && info.msgs > 0, "the new consumer is not there");
    tt_sub_close(fresh);
    tt_sub_close(durable);
    TT(natskit_flush, conn, tt_life.wait_ms);
}

/* Chunks to a subscription in place of the server, and to nobody. */
static void give_back(natskit_conn conn, natskit_js js)
{
    natskit_error err = {0};
    natskit_op op = {UINT64_MAX};
    natskit_json info = {UINT64_MAX};
    natskit_sub chunks = tt_subscribe(conn, "chunks", "", NO_OPTIONS);
    natskit_status got =
        natskit_js_restore_chunk_start(js, "chunks", Z, "chunk", 5, NO_OPTIONS, tt_op_ms(), &op, &err);
    op = tt_given_op("natskit_js_restore_chunk_start", got, op, conn, &err);
    natskit_msg *msg = tt_next(chunks, tt_life.wait_ms, NATSKIT_OK);
    if (msg != NULL) {
        TT(natskit_msg_respond, msg, NO_HEADERS, NULL, 0, tt_life.wait_ms);
        tt_release(msg);
        (void)tt_finish(op, NATSKIT_OK);
    }
    got = natskit_js_restore_chunk(js, "nobody.there", Z, "chunk", 5, tt_life.wait_ms, &info, &err);
    tt_check_error("natskit_js_restore_chunk", got, NATSKIT_NO_RESPONDERS, &err);
    if (info.id != 0) {
        tt_fail("a chunk to nobody has given something");
    }
}

/* A snapshot of the bucket's stream, and what is made of events of a trace. */
void tt_scenario_snapshot(void)
{
    natskit_json answer = {0};
    natskit_op op = {0};
    natskit_conn conn = tt_connect();
    natskit_js js = tt_js(conn, NO_OPTIONS);
    (void)tt_js_call(js, "stream.create",
                     tt_json("{\"config\":{\"name\":\"SNAP\",\"subjects\":[\"snap\"],\"storage\":\"file\","
                             "\"sources\":[{\"name\":\"NOWHERE\",\"domain\":\"far\"}]}}"));
    natskit_json args = tt_json("{\"stream\":\"SNAP\"}");
    natskit_sub sub = tt_js_snapshot(conn, js, args, &answer);
    natskit_msg *msg = NULL;
    while ((msg = tt_next(sub, tt_life.wait_ms, NATSKIT_END)) != NULL) {
        tt_release(msg);
    }
    natskit_sub more = tt_js_snapshot_start(conn, js, args, &op);
    (void)tt_finish(op, NATSKIT_OK);
    tt_sub_close(more);
    give_back(conn, js);
    (void)tt_trace_tree(tt_json("[{\"events\":[{\"hop\":\"1\"}]},"
                                "{\"request\":{\"header\":{\"Nats-Trace-Hop\":[\"1\"]}}}]"));
    TT(natskit_flush, conn, tt_life.wait_ms);
}
