/* Scenarios of publishing to streams, with a subscription in place of the stream. */
#include "scenarios.h"

#include "checked.h"
#include "life.h"
#include "registry.h"

#include <stdio.h>
#include <string.h>

/* Answers the next message as a stream does. */
static void acknowledge(natskit_sub stream, int seq)
{
    char text[64];
    natskit_msg *msg = tt_next(stream, tt_life.wait_ms, NATSKIT_OK);
    if (msg == NULL) {
        return;
    }
    (void)snprintf(text, sizeof text, "{\"stream\":\"S\", \"seq\":%d}", seq);
    TT(natskit_msg_respond, msg, NO_HEADERS, text, strlen(text), tt_life.wait_ms);
    tt_release(msg);
}

void tt_scenario_js_publish(void)
{
    natskit_error err = {0};
    int32_t outcome = -1;
    natskit_pub_ack ack = {0};
    natskit_conn conn = tt_connect();
    natskit_sub stream = tt_subscribe(conn, "stream", "", NO_OPTIONS);
    natskit_options options = tt_options(NATSKIT_OPTIONS_JETSTREAM);
    tt_set(options, "publish_retries", 1);
    tt_set(options, "publish_retry_wait_ms", 1);
    natskit_js js = tt_js(conn, options);
    natskit_op plain = tt_js_publish_start(conn, js, "stream", NO_HEADERS);
    natskit_op known = tt_js_publish_start(conn, js, "stream", tt_headers("Nats-Msg-Id", "one"));
    acknowledge(stream, 1);
    acknowledge(stream, 2);
    natskit_msg *msg = NULL;
    if (tt_finish(plain, NATSKIT_OK) == NATSKIT_OK && (msg = tt_take_msg(plain, NATSKIT_OK)) != NULL) {
        TT(natskit_msg_pub_ack, msg, &ack, sizeof ack);
        tt_want(ack.seq == 1 && ack.stream_len == 1, "the ack is another one");
        tt_release(msg);
    }
    (void)tt_finish(known, NATSKIT_OK);
    natskit_status got = natskit_js_publish(js, "nobody.there", Z, NO_HEADERS, "kept", 4, tt_life.wait_ms,
                                            NULL, &outcome, &err);
    tt_check_error("natskit_js_publish", got, NATSKIT_NO_STREAM, &err);
    tt_want(outcome == NATSKIT_OUTCOME_REJECTED, "nobody is there, and the message may be somewhere");
}

void tt_scenario_publisher(void)
{
    natskit_error err = {0};
    natskit_sub acks;
    uint64_t ids[3] = {0};
    size_t published = 0;
    natskit_conn conn = tt_connect();
    natskit_sub stream = tt_subscribe(conn, "stream", "", NO_OPTIONS);
    natskit_js js = tt_js(conn, NO_OPTIONS);
    natskit_options options = tt_options(NATSKIT_OPTIONS_PUBLISHER);
    tt_set(options, "ack_wait_ms", tt_life.hurt ? 300 : 20000);
    tt_set(options, "retry_wait_ms", 1);
    tt_set(options, "max_pending", 5);
    natskit_publisher publisher = tt_publisher(conn, js, options, &acks);
    natskit_headers headers = tt_headers("Nats-Msg-Id", "one");
    natskit_outgoing msgs[3];
    memset(msgs, 0, sizeof msgs);
    for (int i = 0; i < 3; i++) {
        msgs[i] = (natskit_outgoing){.subject = "stream", .subject_len = 6, .data = "kept", .data_len = 4};
    }
    uint64_t accepted = TT(natskit_publisher_publish, publisher, "stream", Z, headers, "kept", 4,
                           tt_life.wait_ms, ids) == NATSKIT_OK;
    accepted += TT(natskit_publisher_publish, publisher, "nobody.there", Z, NO_HEADERS, "kept", 4,
                   tt_life.wait_ms, NULL) == NATSKIT_OK;
    TT(natskit_publisher_publish_batch, publisher, msgs, sizeof msgs[0], 3, tt_life.wait_ms, ids, &published);
    accepted += published;
    natskit_op room = tt_publisher_room_start(conn, publisher, 4);
    natskit_op done = tt_publisher_done_start(conn, publisher);
    for (int seq = 1; seq <= 4; seq++) {
        acknowledge(stream, seq);
    }
    (void)tt_finish(done, NATSKIT_OK);
    (void)tt_finish(room, NATSKIT_OK);
    natskit_status got = natskit_publisher_done(publisher, tt_life.wait_ms, &err);
    tt_check_error("natskit_publisher_done", got, NATSKIT_OK, &err);
    natskit_publisher_info info = {0};
    TT(natskit_publisher_info_get, publisher, &info, sizeof info);
    tt_want(info.acked == 4 && info.failed == 1, "four are in the stream, and one is nowhere");
    accepted += TT(natskit_publisher_publish, publisher, "stream", Z, NO_HEADERS, "left", 4, tt_life.wait_ms,
                   NULL) == NATSKIT_OK;
    natskit_msg *msg;
    uint64_t outcomes = 0;
    TT(natskit_publisher_close, publisher);
    tt_registry_remove(NATSKIT_KIND_PUBLISHER, publisher.id);
    while ((msg = tt_next(acks, tt_life.wait_ms, NATSKIT_END)) != NULL) {
        outcomes++;
        tt_release(msg);
    }
    if (outcomes > accepted) {
        tt_fail("a message has got a second outcome");
    }
    tt_want(outcomes == accepted, "a message has got no outcome");
}

/* Answers the next message of the batch as a stream does, with what the server says of a batch that is begun
 * anew when the connection is lost: the ack only if the message asks for the commit. False once that was
 * answered, or nothing comes. */
static bool stage(natskit_sub stream)
{
    char text[200] = "";
    const char *value = "";
    size_t len = 0;
    natskit_msg *msg = tt_next(stream, tt_life.wait_ms, NATSKIT_OK);
    if (msg == NULL) {
        return false;
    }
    bool commits = TT_OR(NATSKIT_NOT_FOUND, natskit_msg_header, msg, "Nats-Batch-Commit", Z,
                         NATSKIT_MATCH_EXACT, 0, &value, &len) == NATSKIT_OK;
    natskit_status got =
        TT(natskit_msg_header, msg, "Nats-Batch-Id", Z, NATSKIT_MATCH_EXACT, 0, &value, &len);
    if (commits && got == NATSKIT_OK) {
        (void)snprintf(text, sizeof text, "{\"stream\":\"S\",\"seq\":2,\"batch\":\"%.*s\",\"count\":2}",
                       (int)len, value);
    }
    if (!commits || got == NATSKIT_OK) {
        TT(natskit_msg_respond, msg, NO_HEADERS, text, strlen(text), tt_life.wait_ms);
    }
    tt_release(msg);
    return !commits;
}

/* Two messages; false if one could not be added. */
static bool fill(natskit_batch batch, const char *subject)
{
    natskit_error err = {0};
    natskit_status got = natskit_batch_add(batch, subject, Z, tt_headers("Trace", "one"), "kept", 4, &err);
    tt_check_error("natskit_batch_add", got, NATSKIT_OK, &err);
    if (got == NATSKIT_OK) {
        got = natskit_batch_add(batch, subject, Z, NO_HEADERS, "kept", 4, &err);
        tt_check_error("natskit_batch_add", got, NATSKIT_OK, &err);
    }
    return got == NATSKIT_OK;
}

static void expect_batch(natskit_msg *msg)
{
    natskit_pub_ack ack = {0};
    if (msg != NULL) {
        TT(natskit_msg_pub_ack, msg, &ack, sizeof ack);
        if (ack.seq < 2 || ack.count != 2 || ack.batch_len == 0) {
            tt_fail("the ack is another one");
        }
        tt_release(msg);
    }
}

void tt_scenario_atomic_batch(void)
{
    natskit_error err = {0};
    natskit_batch_info info = {0};
    natskit_conn conn = tt_connect();
    natskit_sub api = tt_subscribe(conn, "torture.api.INFO", "", NO_OPTIONS);
    natskit_sub stream = tt_subscribe(conn, "stream", "", NO_OPTIONS);
    natskit_options options = tt_options(NATSKIT_OPTIONS_JETSTREAM);
    natskit_status got = natskit_options_set(options, "api_prefix", Z, "torture.api", Z, &err);
    tt_check_error("natskit_options_set", got, NATSKIT_OK, &err);
    natskit_js js = tt_js(conn, options);
    natskit_batch batch = tt_batch(conn, js);
    if (!fill(batch, "stream")) {
        return; /* the answers below are those to a whole batch */
    }
    TT(natskit_batch_info_get, batch, &info, sizeof info);
    tt_want(info.msgs == 2, "the batch has lost a message");
    natskit_op commit = tt_batch_commit_start(conn, batch);
    natskit_msg *msg = tt_next(api, tt_life.wait_ms, NATSKIT_OK);
    if (msg != NULL) {
        const char *level = "{\"api\":{\"level\":3}}";
        TT(natskit_msg_respond, msg, NO_HEADERS, level, strlen(level), tt_life.wait_ms);
        tt_release(msg);
    }
    while (stage(stream)) {
    }
    if (tt_finish(commit, NATSKIT_OK) == NATSKIT_OK) {
        expect_batch(tt_take_msg(commit, NATSKIT_OK));
    }
}

/* The same at a real stream, which outlives the scenario, waiting for it. */
void tt_scenario_atomic_stored(void)
{
    natskit_error err = {0};
    int32_t outcome = -1;
    natskit_msg *ack = (natskit_msg *)(uintptr_t)1;
    natskit_conn conn = tt_connect();
    natskit_js js = tt_js(conn, NO_OPTIONS);
    (void)tt_js_call(
        js, "stream.create",
        tt_json("{\"config\":{\"name\":\"ATOMIC\",\"subjects\":[\"atomic\"],\"storage\":\"memory\","
                "\"max_msgs\":10,\"allow_atomic\":true}}"));
    natskit_batch batch = tt_batch(conn, js);
    if (!fill(batch, "atomic")) {
        return;
    }
    natskit_status got = natskit_batch_commit(batch, tt_life.wait_ms, &ack, &outcome, &err);
    tt_check_error("natskit_batch_commit", got, NATSKIT_OK, &err);
    if ((got == NATSKIT_OK) != (outcome == NATSKIT_OUTCOME_DONE)) {
        tt_fail("a batch has given status %d and outcome %d", got, outcome);
    }
    (void)tt_given("natskit_batch_commit", got, TT_KIND_MSG, (uint64_t)(uintptr_t)ack, 0, NULL);
    expect_batch(got == NATSKIT_OK ? ack : NULL);
}

/* Three messages to a real stream, which outlives the scenario; how many were taken. */
static uint64_t ingest_some(natskit_ingest ingest)
{
    uint64_t seq = 0;
    for (int i = 0; i < 3; i++) {
        natskit_headers headers = i == 0 ? tt_headers("Trace", "one") : NO_HEADERS;
        uint64_t before = seq;
        if (TT(natskit_ingest_publish, ingest, "ingest", Z, headers, "kept", 4, tt_life.wait_ms, &seq) ==
                NATSKIT_OK &&
            seq != before + 1) {
            tt_fail("a message behind %llu is number %llu", (unsigned long long)before,
                    (unsigned long long)seq);
        }
    }
    return seq;
}

void tt_scenario_fast_ingest(void)
{
    natskit_error err = {0};
    natskit_ingest_info info = {0};
    natskit_sub failures;
    int32_t outcome = -1;
    natskit_msg *ack = (natskit_msg *)(uintptr_t)1;
    natskit_conn conn = tt_connect();
    natskit_js js = tt_js(conn, NO_OPTIONS);
    (void)tt_js_call(
        js, "stream.create",
        tt_json("{\"config\":{\"name\":\"INGEST\",\"subjects\":[\"ingest\"],\"storage\":\"memory\","
                "\"max_msgs\":10,\"allow_batched\":true}}"));
    natskit_options options = tt_options(NATSKIT_OPTIONS_INGEST);
    tt_set(options, "ack_wait_ms", tt_life.hurt ? 300 : 20000);
    natskit_ingest ingest = tt_ingest(conn, js, options, &failures);
    uint64_t published = ingest_some(ingest);
    (void)tt_finish(tt_ingest_room_start(conn, ingest), NATSKIT_OK);
    TT(natskit_ingest_info_get, ingest, &info, sizeof info);
    tt_want(info.published == 3 && info.lost == 0 && info.refused == 0, "messages are missing");
    if (published == 0) {
        return; /* there is nothing to commit */
    }
    natskit_op commit = tt_ingest_commit_start(conn, ingest);
    natskit_status got = natskit_ingest_commit(ingest, tt_life.wait_ms, &ack, &outcome, &err);
    tt_check_error("natskit_ingest_commit", got, NATSKIT_OK, &err);
    if ((got == NATSKIT_OK) != (outcome == NATSKIT_OUTCOME_DONE)) {
        tt_fail("a commit has given status %d and outcome %d", got, outcome);
    }
    (void)tt_given("natskit_ingest_commit", got, TT_KIND_MSG, (uint64_t)(uintptr_t)ack, 0, NULL);
    if (got == NATSKIT_OK) {
        natskit_pub_ack stored = {0};
        TT(natskit_msg_pub_ack, ack, &stored, sizeof stored);
        if (stored.count != published) {
            tt_fail("of %llu messages %llu are stored", (unsigned long long)published,
                    (unsigned long long)stored.count);
        }
        tt_release(ack);
    }
    if (tt_finish(commit, NATSKIT_OK) == NATSKIT_OK) {
        natskit_msg *same = tt_take_msg(commit, NATSKIT_OK);
        if (same != NULL) {
            tt_release(same);
        }
    }
}
