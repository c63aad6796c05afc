/* Scenarios of reading a stream without a consumer, and of what messages say of streams. The streams outlive
 * them at the server, and hold a handful of messages each. */
#include "scenarios.h"

#include "checked.h"
#include "life.h"
#include "registry.h"

#define STREAM "DIRECT"

static void make_stream(natskit_js js, const char *config)
{
    (void)tt_js_call(js, "stream.create", tt_json(config));
}

static void store(natskit_js js, const char *subject, natskit_headers headers, const char *data, size_t len)
{
    natskit_error err = {0};
    natskit_status got =
        natskit_js_publish(js, subject, Z, headers, data, len, tt_life.wait_ms, NULL, NULL, &err);
    tt_check_error("natskit_js_publish", got, NATSKIT_OK, &err);
}

/* A context of a stream that holds messages of two subjects. */
static natskit_js begin(natskit_conn conn)
{
    natskit_js js = tt_js(conn, NO_OPTIONS);
    make_stream(js, "{\"config\":{\"name\":\"" STREAM "\",\"subjects\":[\"direct.*\"],\"storage\":\"memory\","
                    "\"max_msgs_per_subject\":3,\"allow_direct\":true}}");
    store(js, "direct.a", tt_headers("Trace", "one"), "kept", 4);
    store(js, "direct.b", NO_HEADERS, "kept", 4);
    store(js, "direct.a", NO_HEADERS, "kept", 4);
    return js;
}

static void look(natskit_msg *msg)
{
    natskit_stored_view view = {0};
    if (msg != NULL) {
        TT(natskit_msg_stored, msg, &view, sizeof view);
        if (view.data_len != 4 || view.subject_len != 8 || view.seq == 0 || view.time_ns == 0) {
            tt_fail("a stored message is another one");
        }
        tt_release(msg);
    }
}

static natskit_msg *get(natskit_js js, uint64_t seq, const char *subject, uint32_t flags, natskit_status also)
{
    natskit_error err = {0};
    natskit_msg *msg = (natskit_msg *)(uintptr_t)1;
    natskit_status got =
        natskit_js_get_msg(js, STREAM, Z, seq, subject, Z, 0, flags, tt_life.wait_ms, &msg, &err);
    tt_check_error("natskit_js_get_msg", got, also, &err);
    (void)tt_given("natskit_js_get_msg", got, TT_KIND_MSG, (uint64_t)(uintptr_t)msg, 0, NULL);
    return got == NATSKIT_OK ? msg : NULL;
}

void tt_scenario_direct_one(void)
{
    natskit_error err = {0};
    natskit_op op = {UINT64_MAX};
    natskit_conn conn = tt_connect();
    natskit_js js = begin(conn);
    look(get(js, 0, "direct.a", 0, NATSKIT_OK));
    look(get(js, 0, "direct.*", NATSKIT_GET_NEXT, NATSKIT_OK));
    look(get(js, 0, "direct.b", NATSKIT_GET_BY_LEADER, NATSKIT_OK));
    (void)get(js, UINT64_C(1) << 40, "", 0, NATSKIT_MSG_NOT_FOUND);
    natskit_status got =
        natskit_js_get_msg_start(js, STREAM, Z, 0, "direct.a", Z, 0, 0, NO_OPTIONS, tt_op_ms(), &op, &err);
    op = tt_given_op("natskit_js_get_msg_start", got, op, conn, &err);
    if (tt_finish(op, NATSKIT_OK) == NATSKIT_OK) {
        look(tt_take_msg(op, NATSKIT_OK));
    }
}

static natskit_sub get_batch(natskit_conn conn, natskit_js js, natskit_options options)
{
    natskit_error err = {0};
    natskit_sub sub = {UINT64_MAX};
    natskit_status got = natskit_js_get_batch(js, STREAM, Z, options, &sub, &err);
    tt_check_error("natskit_js_get_batch", got, NATSKIT_OK, &err);
    return (natskit_sub){tt_given("natskit_js_get_batch", got, NATSKIT_KIND_SUB, sub.id, conn.id, "")};
}

static natskit_sub get_last(natskit_conn conn, natskit_js js, natskit_options options)
{
    natskit_error err = {0};
    natskit_sub sub = {UINT64_MAX};
    natskit_status got = natskit_js_get_last(js, STREAM, Z, options, &sub, &err);
    tt_check_error("natskit_js_get_last", got, NATSKIT_OK, &err);
    return (natskit_sub){tt_given("natskit_js_get_last", got, NATSKIT_KIND_SUB, sub.id, conn.id, "")};
}

static void expect_end(natskit_sub sub)
{
    natskit_sub_stats stats = {0};
    TT(natskit_sub_stats_get, sub, &stats, sizeof stats);
    tt_want(stats.reason == NATSKIT_MAX_REACHED, "messages of a stream have ended for another reason");
}

/* Pages of two messages: each list takes several requests. */
void tt_scenario_direct_many(void)
{
    natskit_error err = {0};
    natskit_msg *msgs[4];
    natskit_conn conn = tt_connect();
    natskit_js js = begin(conn);
    natskit_options options = tt_options(NATSKIT_OPTIONS_GET_BATCH);
    tt_set(options, "page_msgs", 2);
    natskit_sub run = get_batch(conn, js, options);
    size_t count = 0;
    size_t seen = 0;
    while (TT_OR(NATSKIT_END, natskit_sub_next_ahead, run, msgs, 4, tt_life.wait_ms, &count) == NATSKIT_OK) {
        for (size_t i = 0; i < count; i++) {
            tt_registry_add(TT_KIND_MSG, (uint64_t)(uintptr_t)msgs[i], 0, NULL);
            look(msgs[i]);
        }
        seen += count;
    }
    tt_want(seen >= 3 && seen <= 6, "the stream has another number of messages");
    expect_end(run);
    options = tt_options(NATSKIT_OPTIONS_GET_LAST);
    natskit_status got = natskit_options_set(options, "subjects", Z, "direct.b,direct.a", Z, &err);
    tt_check_error("natskit_options_set", got, NATSKIT_OK, &err);
    tt_set(options, "page_msgs", 1);
    natskit_sub last = get_last(conn, js, options);
    natskit_msg *msg;
    for (seen = 0; (msg = tt_next(last, tt_life.wait_ms, NATSKIT_END)) != NULL; seen++) {
        look(msg);
    }
    tt_want(seen == 2, "two subjects have another number of last messages");
    expect_end(last);
    natskit_sub left = get_batch(conn, js, NO_OPTIONS);
    look(tt_next(left, tt_life.wait_ms, NATSKIT_OK));
    tt_sub_close(left); /* while messages are under way */
    TT(natskit_flush, conn, tt_life.wait_ms);
}

/* A counter, whose stream publishes again what it stores. */
void tt_scenario_counter(void)
{
    natskit_error err = {0};
    const char *digits = NULL;
    size_t len = 0;
    natskit_origin origin = {0};
    natskit_conn conn = tt_connect();
    natskit_js js = tt_js(conn, NO_OPTIONS);
    make_stream(js, "{\"config\":{\"name\":\"COUNTER\",\"subjects\":[\"count\"],\"storage\":\"memory\","
                    "\"max_msgs\":2,\"allow_direct\":true,\"allow_msg_counter\":true,"
                    "\"republish\":{\"src\":\"count\",\"dest\":\"counted.count\"}}}");
    natskit_sub copies = tt_subscribe(conn, "counted.*", "", NO_OPTIONS);
    natskit_headers headers = tt_headers("Trace", "one");
    natskit_status got = natskit_headers_add(headers, NATSKIT_HEADER_INCREMENT, Z, "+1", Z, &err);
    if (tt_check_error("natskit_headers_add", got, NATSKIT_OK, &err) != NATSKIT_OK) {
        return; /* a message that counts nothing is refused */
    }
    store(js, "count", headers, NULL, 0);
    natskit_msg *msg = tt_next(copies, tt_life.wait_ms, NATSKIT_OK);
    if (msg == NULL) {
        return;
    }
    TT(natskit_msg_counter, msg, &digits, &len);
    tt_want(len > 0 && digits[0] != '0', "a counter is not counted");
    TT(natskit_msg_origin, msg, &origin, sizeof origin);
    tt_want(origin.stream_len == 7 && origin.seq > 0 && origin.increment_len == 2,
            "a message does not say where it comes from");
    tt_release(msg);
}

/* What is counted of another stream: the header that a server writes once it has sourced it, in its own time.
 */
static void read_sources(natskit_conn conn)
{
    natskit_error err = {0};
    natskit_json sources = {UINT64_MAX};
    natskit_sub copies = tt_subscribe(conn, "summed", "", NO_OPTIONS);
    natskit_headers headers = tt_headers("Nats-Counter-Sources", "{\"ADDED\":{\"added\":\"12\"}}");
    if (TT(natskit_publish, conn, "summed", Z, "", 0, headers, "{}", 2, tt_life.wait_ms) != NATSKIT_OK) {
        return;
    }
    natskit_msg *msg = tt_next(copies, tt_life.wait_ms, NATSKIT_OK);
    if (msg == NULL) {
        return;
    }
    natskit_status got = natskit_msg_counter_sources(msg, &sources, &err);
    tt_check_error("natskit_msg_counter_sources", got, NATSKIT_OK, &err);
    (void)tt_given("natskit_msg_counter_sources", got, NATSKIT_KIND_JSON, sources.id, 0, NULL);
    tt_release(msg);
}

static natskit_op start_increment(natskit_conn conn, natskit_js js, const char *msg_id)
{
    natskit_error err = {0};
    natskit_op op = {UINT64_MAX};
    natskit_headers headers = tt_headers("Nats-Msg-Id", msg_id);
    natskit_status got =
        natskit_js_increment_start(js, "added", Z, "-12", Z, headers, NO_OPTIONS, tt_op_ms(), &op, &err);
    return tt_given_op("natskit_js_increment_start", got, op, conn, &err);
}

void tt_scenario_increment(void)
{
    natskit_error err = {0};
    int32_t outcome = -1;
    int64_t number = 0;
    natskit_pub_ack view = {0};
    natskit_msg *ack = (natskit_msg *)(uintptr_t)1;
    natskit_conn conn = tt_connect();
    natskit_js js = tt_js(conn, NO_OPTIONS);
    make_stream(js, "{\"config\":{\"name\":\"ADDED\",\"subjects\":[\"added\"],\"storage\":\"memory\","
                    "\"allow_direct\":true,\"allow_msg_counter\":true}}");
    natskit_status got = natskit_js_increment(js, "added", Z, "+12", Z, tt_headers("Trace", "one"),
                                              tt_life.wait_ms, &ack, &outcome, &err);
    tt_check_error("natskit_js_increment", got, NATSKIT_OK, &err);
    (void)tt_given("natskit_js_increment", got, TT_KIND_MSG, (uint64_t)(uintptr_t)ack, 0, NULL);
    if (got == NATSKIT_OK) {
        TT(natskit_msg_pub_ack, ack, &view, sizeof view);
        TT(natskit_counter_int, view.value, view.value_len, &number);
        tt_want(number >= 12, "a counter is not counted");
        tt_release(ack);
    }
    (void)tt_finish(start_increment(conn, js, "one"), NATSKIT_OK);
    (void)tt_finish(start_increment(conn, js, "one"), NATSKIT_OK); /* counted before */
    read_sources(conn);
}
