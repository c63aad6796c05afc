/* Scenarios of requests with a subscription of their own, for one reply or for many, and of headers that
 * change. */
#include "scenarios.h"

#include "life.h"
#include "registry.h"

#include <string.h>

/* Answers what was asked, `count` times, and with an empty message at last. */
static void answer(natskit_sub service, int count)
{
    natskit_msg *asked = tt_next(service, 0, NATSKIT_OK);
    if (asked == NULL) {
        return;
    }
    for (int i = 0; i < count; i++) {
        TT(natskit_msg_respond, asked, NO_HEADERS, "answer", 6, tt_life.wait_ms);
    }
    TT(natskit_msg_respond, asked, NO_HEADERS, NULL, 0, tt_life.wait_ms);
    tt_release(asked);
}

static natskit_status reason_of(natskit_sub sub)
{
    natskit_sub_stats stats = {0};
    TT(natskit_sub_stats_get, sub, &stats, sizeof stats);
    return stats.reason;
}

void tt_scenario_ask_many(void)
{
    natskit_error why = {0};
    char name[64];
    size_t len = 0;
    int32_t yes = 0;
    natskit_conn conn = tt_connect();
    natskit_sub service = tt_subscribe(conn, "many", "group", NO_OPTIONS);
    TT(natskit_conn_server_at_least, conn, 2, 0, 0, &yes);
    TT(natskit_sub_subject, service, name, sizeof name, &len);
    TT(natskit_sub_queue, service, name, sizeof name, &len);
    natskit_status reason = natskit_sub_reason(service, &why);
    tt_check("natskit_sub_reason", reason, NATSKIT_PENDING);
    natskit_headers headers = tt_headers("Trace", "one");
    natskit_options options = tt_options(NATSKIT_OPTIONS_REQUEST_MANY);
    tt_set(options, "sentinel", 1);
    natskit_sub ended = tt_request_many(conn, "many", headers, options);
    tt_set(options, "max_msgs", 1);
    natskit_sub one = tt_request_many(conn, "many", headers, options);
    tt_set(options, "stall_ms", 5);
    tt_set(options, "max_msgs", 0);
    tt_set(options, "sentinel", 0);
    natskit_sub stalls = tt_request_many(conn, "many", NO_HEADERS, options);
    natskit_sub closed = tt_request_many(conn, "many", NO_HEADERS, options);
    TT(natskit_flush, conn, tt_life.wait_ms);
    tt_sub_close(closed);
    for (int i = 0; i < 4; i++) {
        answer(service, 2);
    }
    TT(natskit_flush, conn, tt_life.wait_ms);
    (void)tt_next(ended, 0, NATSKIT_OK);
    (void)tt_next(ended, 0, NATSKIT_OK);
    (void)tt_next(ended, 0, NATSKIT_END);
    tt_want(reason_of(ended) == NATSKIT_SENTINEL, "an empty message did not end the answer");
    (void)tt_next(one, 0, NATSKIT_OK);
    (void)tt_next(one, 0, NATSKIT_END);
    tt_want(reason_of(one) == NATSKIT_MAX_REACHED, "one message did not end the answer");
    int taken = 0;
    while (tt_next(stalls, tt_life.wait_ms, NATSKIT_END) != NULL) {
        taken++;
    }
    /* A busy machine can hold up any of the three answers behind the first for longer than the stall. */
    tt_want(taken >= 1 && taken <= 3 && reason_of(stalls) == NATSKIT_STALLED, "an answer did not stall");
}

void tt_scenario_ask_own(void)
{
    natskit_conn conn = tt_connect();
    natskit_sub service = tt_subscribe(conn, "own", "", NO_OPTIONS);
    natskit_options options = tt_options(NATSKIT_OPTIONS_REQUEST);
    tt_set(options, "own_sub", 1);
    natskit_op op = tt_request_with(conn, "own", options);
    natskit_op abandoned = tt_request_with(conn, "own", options);
    natskit_error err = {0};
    natskit_status got = natskit_options_set(options, "reply", Z, "own.reply", Z, &err);
    tt_check_error("natskit_options_set", got, NATSKIT_OK, &err);
    natskit_op named = tt_request_with(conn, "own", options);
    TT(natskit_flush, conn, tt_life.wait_ms);
    tt_op_close(abandoned);
    for (int i = 0; i < 3; i++) {
        answer(service, 1);
    }
    if (tt_finish(op, NATSKIT_OK) == NATSKIT_OK && tt_take_msg(op, NATSKIT_OK) == NULL) {
        tt_fail("a request has gone well and has no answer");
    }
    (void)tt_finish(named, NATSKIT_OK);
    TT(natskit_flush, conn, tt_life.wait_ms); /* the late replies are dropped */
}

void tt_scenario_ask_nobody(void)
{
    natskit_conn conn = tt_connect();
    natskit_options options = tt_options(NATSKIT_OPTIONS_REQUEST);
    tt_set(options, "own_sub", 1);
    natskit_op op = tt_request_with(conn, "nobody.there", options);
    natskit_sub sub =
        tt_request_many(conn, "nobody.there", NO_HEADERS, tt_options(NATSKIT_OPTIONS_REQUEST_MANY));
    (void)tt_finish(op, NATSKIT_NO_RESPONDERS);
    (void)tt_next(sub, tt_life.wait_ms, NATSKIT_END);
    tt_want(reason_of(sub) == NATSKIT_NO_RESPONDERS, "nobody is there, and the answer goes on");
}

/* The transport is lost: some end with it, some outlive it. */
void tt_scenario_ask_lost(void)
{
    natskit_conn conn = tt_connect();
    natskit_sub service = tt_subscribe(conn, "lost", "", NO_OPTIONS);
    natskit_sub events = tt_events(conn);
    natskit_options options = tt_options(NATSKIT_OPTIONS_REQUEST);
    natskit_options many = tt_options(NATSKIT_OPTIONS_REQUEST_MANY);
    tt_set(options, "own_sub", 1);
    natskit_op lost = tt_request_with(conn, "lost", options);
    natskit_sub lost_many = tt_request_many(conn, "lost", NO_HEADERS, many);
    tt_set(options, "wait_reconnect", 1);
    tt_set(many, "wait_reconnect", 1);
    tt_set(many, "max_msgs", 2);
    natskit_op kept = tt_request_with(conn, "lost", options);
    tt_set(options, "own_sub", 0);
    natskit_op kept_mux = tt_request_with(conn, "lost", options);
    natskit_sub kept_many = tt_request_many(conn, "lost", NO_HEADERS, many);
    TT(natskit_flush, conn, tt_life.wait_ms);
    tt_tap("live cut");
    (void)tt_finish(lost, NATSKIT_DISCONNECTED);
    (void)tt_next(lost_many, tt_life.wait_ms, NATSKIT_END);
    (void)tt_wait_event(events, NATSKIT_EVENT_RECONNECTED);
    for (int i = 0; i < 5; i++) {
        answer(service, 1);
    }
    (void)tt_finish(kept, NATSKIT_OK);
    (void)tt_finish(kept_mux, NATSKIT_OK);
    (void)tt_next(kept_many, tt_life.wait_ms, NATSKIT_OK);
    (void)tt_next(kept_many, tt_life.wait_ms, NATSKIT_OK);
    (void)tt_next(kept_many, tt_life.wait_ms, NATSKIT_END);
}

void tt_scenario_first_message(void)
{
    natskit_conn conn = tt_connect();
    natskit_options options = tt_options(NATSKIT_OPTIONS_SUBSCRIBE);
    tt_set(options, "first_msg_timeout_ms", 5);
    natskit_sub none = tt_subscribe(conn, "first.none", "", options);
    (void)tt_next(none, tt_life.wait_ms, NATSKIT_END);
    tt_want(reason_of(none) == NATSKIT_TIMEOUT, "no message came, and the subscription lives on");
    tt_set(options, "first_msg_timeout_ms", 20000);
    natskit_sub some = tt_subscribe(conn, "first.some", "", options);
    (void)tt_send(conn, "first.some", 1, 100);
    TT(natskit_flush, conn, tt_life.wait_ms);
    (void)tt_take_all(some);
}

void tt_scenario_edit_headers(void)
{
    natskit_error err = {0};
    char long_value[3000];
    char name[16];
    char value[16];
    size_t name_len = 0;
    size_t len = 0;
    memset(long_value, 'v', sizeof long_value);
    natskit_headers headers = tt_headers("x-a", "1");
    for (int32_t match = NATSKIT_MATCH_EXACT; match <= NATSKIT_MATCH_CANONICAL; match++) {
        natskit_status got =
            natskit_headers_set(headers, "X-a", Z, long_value, sizeof long_value, match, &err);
        tt_check_error("natskit_headers_set", got, NATSKIT_OK, &err);
    }
    TT_OR(NATSKIT_LIMIT, natskit_headers_get, headers, "X-A", Z, NATSKIT_MATCH_EXACT, 0, value, sizeof value,
          &len);
    TT_OR(NATSKIT_LIMIT, natskit_headers_at, headers, 0, name, sizeof name, &name_len, value, sizeof value,
          &len);
    TT(natskit_headers_delete, headers, "x-a", Z, NATSKIT_MATCH_IGNORE_CASE);
    TT_OR(NATSKIT_NOT_FOUND, natskit_headers_delete, headers, "x-a", Z, NATSKIT_MATCH_CANONICAL);
}

void tt_scenario_republish(void)
{
    natskit_error err = {0};
    natskit_conn conn = tt_connect();
    natskit_sub sub = tt_subscribe(conn, "first", "", NO_OPTIONS);
    natskit_sub other = tt_subscribe(conn, "second", "", NO_OPTIONS);
    natskit_headers headers = tt_headers("Name", "value");
    TT(natskit_publish, conn, "first", Z, "", 0, headers, "data", 4, tt_life.wait_ms);
    TT(natskit_flush, conn, tt_life.wait_ms);
    natskit_msg *msg = tt_next(sub, 0, NATSKIT_OK);
    if (msg == NULL) {
        return;
    }
    natskit_status got = natskit_headers_add_all(headers, msg, &err);
    tt_check_error("natskit_headers_add_all", got, NATSKIT_OK, &err);
    TT(natskit_publish, conn, "second", Z, "", 0, headers, "data", 4, tt_life.wait_ms);
    TT(natskit_msg_republish, conn, msg, "second", Z, "", 0, tt_life.wait_ms);
    TT(natskit_flush, conn, tt_life.wait_ms);
    (void)tt_next(other, 0, NATSKIT_OK);
    natskit_msg *copy = tt_next(other, 0, NATSKIT_OK);
    if (copy != NULL) {
        natskit_message_view view = {0};
        TT(natskit_msg_view, copy, &view, sizeof view);
        tt_want(view.data_len == 4 && view.header_block_len > 0, "a message was not published as it came");
    }
}
