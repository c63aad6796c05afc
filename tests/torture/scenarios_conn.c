/* Scenarios of connections: their begin, what they tell, their loss and their end. */
#include "scenarios.h"

#include "life.h"
#include "registry.h"

#include <stdio.h>
#include <string.h>

static void set_text(natskit_options options, const char *name, const char *value)
{
    natskit_error err = {0};
    natskit_status got = natskit_options_set(options, name, Z, value, Z, &err);
    tt_check_error("natskit_options_set", got, NATSKIT_OK, &err);
}

/* All that a connection tells of itself. */
static void look_at(natskit_conn conn)
{
    natskit_conn_info info = {0};
    natskit_conn_stats stats = {0};
    natskit_health health = {0};
    char text[4096];
    size_t len = 0;
    TT(natskit_conn_info_get, conn, &info, sizeof info);
    TT(natskit_conn_stats_get, conn, &stats, sizeof stats);
    TT(natskit_conn_health, conn, &health, sizeof health);
    natskit_status early =
        tt_life.hurt || info.state == NATSKIT_STATE_CONNECTED ? NATSKIT_OK : NATSKIT_NOT_FOUND;
    if (TT_OR(early, natskit_conn_server_info, conn, text, sizeof text, &len) == NATSKIT_OK) {
        TT_OR(NATSKIT_LIMIT, natskit_conn_server_info, conn, text, 3, &len);
    }
    TT(natskit_conn_new_inbox, conn, text, sizeof text, &len);
    TT(natskit_conn_servers, conn, text, sizeof text, &len);
}

/* Every option that does not change whether the server lets us in. */
void tt_scenario_connect(void)
{
    natskit_options options = tt_connect_options();
    set_text(options, "name", "torture");
    set_text(options, "user", "somebody");
    set_text(options, "password", "secret");
    set_text(options, "servers", "127.0.0.1:1");
    set_text(options, "inbox_prefix", "_MINE.x");
    set_text(options, "verbose", "true");
    set_text(options, "pedantic", "true");
    set_text(options, "no_echo", "true");
    tt_set(options, "max_reconnect_attempts", 3);
    natskit_conn conn = tt_connect_to(tt_life.url, options, NATSKIT_OK);
    look_at(conn);
    char text[16384];
    size_t text_len = 0;
    TT(natskit_dump, text, sizeof text, &text_len);
    TT(natskit_conn_trace, conn, text, sizeof text, &text_len);
    TT(natskit_flush, conn, tt_life.wait_ms);
    tt_conn_close(conn, tt_life.wait_ms);
    conn = tt_connect();
    tt_conn_close(conn, 0);
}

void tt_scenario_connect_start(void)
{
    natskit_op op;
    natskit_conn conn = tt_connect_start(tt_life.url, tt_connect_options(), &op);
    natskit_sub events = tt_events(conn);
    natskit_conn_info info = {0};
    TT(natskit_conn_info_get, conn, &info, sizeof info);
    bool missed = info.state == NATSKIT_STATE_CONNECTED; /* before anybody listened */
    look_at(conn);
    natskit_status got = tt_finish(op, NATSKIT_OK);
    natskit_msg *none = tt_take_msg(op, NATSKIT_NOT_FOUND);
    if (none != NULL) {
        tt_fail("a connect gave a message");
    }
    tt_op_close(op);
    if (got == NATSKIT_OK && !missed) {
        (void)tt_wait_event(events, NATSKIT_EVENT_CONNECTED);
    }
    /* One that is cancelled, and one that is closed, while it tries. */
    natskit_conn second = tt_connect_start(tt_life.url, tt_connect_options(), &op);
    tt_op_close(op);
    tt_conn_close(second, 0);
    natskit_conn third = tt_connect_start(tt_life.url, tt_connect_options(), &op);
    tt_conn_close(third, 0);
    (void)tt_finish(op, NATSKIT_CLOSED);
}

void tt_scenario_connect_by_name(void)
{
    natskit_conn conn = tt_connect_to(tt_life.named, tt_connect_options(), NATSKIT_OK);
    TT(natskit_flush, conn, tt_life.wait_ms);
    natskit_op op;
    natskit_conn second = tt_connect_start("nats://name.invalid:1", tt_connect_options(), &op);
    tt_conn_close(second, 0); /* perhaps while the name is looked for */
}

/* The first server refuses, the second one is ours; and one where all refuse. */
void tt_scenario_connect_second(void)
{
    char urls[128];
    natskit_options options = tt_connect_options();
    tt_set(options, "randomize", 0);
    (void)snprintf(urls, sizeof urls, "nats://127.0.0.1:1,%s", tt_life.url);
    natskit_conn conn = tt_connect_to(urls, options, NATSKIT_OK);
    look_at(conn);
    natskit_conn none = tt_connect_to("127.0.0.1:1,127.0.0.1:2", options, NATSKIT_NO_SERVERS);
    if (none.id != 0) {
        tt_fail("somebody listens where nobody does");
    }
}

void tt_scenario_close_start(void)
{
    natskit_conn conn = tt_connect();
    natskit_sub events = tt_events(conn);
    natskit_sub sub = tt_subscribe(conn, "end", "", NO_OPTIONS);
    bool sent = tt_send(conn, "end", 1, 100);
    natskit_op pending = tt_request_start(conn, "end", NO_HEADERS);
    natskit_op op = tt_conn_close_start(conn, tt_life.wait_ms);
    natskit_status got = tt_finish(op, NATSKIT_OK);
    if (got == NATSKIT_OK && sent) {
        (void)tt_wait_event(events, NATSKIT_EVENT_CLOSED);
        (void)tt_next(events, tt_life.wait_ms, NATSKIT_END);
    }
    natskit_message_view view = {0};
    natskit_msg *msg = tt_next(sub, 0, NATSKIT_END);
    if (msg != NULL && TT(natskit_msg_view, msg, &view, sizeof view) == NATSKIT_OK && view.data_len == 100) {
        tt_check_numbered(sub, msg);
    }
    tt_want(!sent || view.data_len == 100, "the request came before the message"); /* else it is the first */
    (void)tt_finish(pending, NATSKIT_CLOSED);
    conn = tt_connect();
    op = tt_conn_close_start(conn, tt_life.wait_ms);
    tt_op_close(op); /* ends the linger */
}

/* With everything open. */
void tt_scenario_shutdown(void)
{
    natskit_op op;
    natskit_conn conn = tt_connect();
    natskit_sub sub = tt_subscribe(conn, "down", "", NO_OPTIONS);
    (void)tt_subscribe(conn, "down.>", "workers", NO_OPTIONS);
    (void)tt_events(conn);
    (void)tt_send(conn, "down", 1, 100);
    TT(natskit_flush, conn, tt_life.wait_ms);
    natskit_msg *msg = tt_next(sub, 0, NATSKIT_OK);
    (void)tt_request_start(conn, "down", NO_HEADERS);
    (void)tt_flush_start(conn);
    (void)tt_connect_start(tt_life.url, tt_connect_options(), &op);
    (void)tt_waitset();
    (void)tt_headers("A", "b");
    TT(natskit_shutdown, tt_life.hurt ? 10000 : tt_life.wait_ms);
    tt_registry_clear(); /* all handles are closed; the message is ours */
    if (msg != NULL) {
        tt_check_numbered(sub, msg);
        TT(natskit_msg_release, msg);
    }
}

void tt_scenario_reconnect(void)
{
    natskit_conn conn = tt_connect();
    natskit_sub events = tt_events(conn);
    natskit_sub sub = tt_subscribe(conn, "again", "", NO_OPTIONS);
    natskit_sub limited = tt_subscribe(conn, "again.limited", "group", NO_OPTIONS);
    TT(natskit_sub_unsubscribe, limited, 5);
    (void)tt_send(conn, "again", 1, 100);
    natskit_msg *reply = tt_request(conn, "again.nobody", NATSKIT_NO_RESPONDERS);
    if (reply != NULL) {
        tt_fail("nobody has answered");
    }
    TT(natskit_flush, conn, tt_life.wait_ms);
    (void)tt_take_all(sub);
    for (uint32_t round = 0; round < 2; round++) {
        uint64_t epoch = tt_epoch(conn);
        tt_tap("live cut");
        (void)tt_wait_event(events, NATSKIT_EVENT_RECONNECTED);
        tt_want(tt_epoch(conn) > epoch, "there is no new transport");
        (void)tt_send(conn, "again", 2 + round, 100);
        TT(natskit_flush, conn, tt_life.wait_ms);
        tt_want(tt_take_all(sub) == 1, "a subscription was not made again");
    }
    look_at(conn);
}

/* The server is away: what is published waits, until its buffer is full; then it comes back. */
void tt_scenario_away(void)
{
    natskit_options options = tt_connect_options();
    tt_set(options, "reconnect_buffer_bytes", 65536);
    natskit_conn conn = tt_connect_to(tt_life.url, options, NATSKIT_OK);
    natskit_sub sub = tt_subscribe(conn, "away", "", NO_OPTIONS);
    TT(natskit_flush, conn, tt_life.wait_ms);
    natskit_op request = tt_request_start(conn, "away", NO_HEADERS);
    tt_tap("refuse on");
    tt_tap("live cut");
    if (!tt_wait_state(conn, NATSKIT_STATE_RECONNECTING)) {
        return;
    }
    (void)tt_finish(request, NATSKIT_DISCONNECTED);
    uint8_t bytes[4000] = {0};
    size_t sent = 0;
    while (sent < 100 && TT_OR(NATSKIT_WOULD_BLOCK, natskit_publish, conn, "away.full", Z, "", 0, NO_HEADERS,
                               bytes, sizeof bytes, 0) == NATSKIT_OK) {
        sent++;
    }
    tt_want(sent > 10 && sent < 20, "a reconnect buffer of 64 KiB has a limit");
    natskit_status got =
        TT_OR(NATSKIT_TIMEOUT, natskit_publish, conn, "away", Z, "", 0, NO_HEADERS, bytes, sizeof bytes, 2);
    tt_want(got == NATSKIT_TIMEOUT, "there is room in a full reconnect buffer");
    TT_OR(NATSKIT_DISCONNECTED, natskit_flush, conn, tt_life.wait_ms);
    natskit_op room = tt_room_start(conn, 4000);
    natskit_op cancelled = tt_room_start(conn, 100000);
    TT_OR(NATSKIT_TIMEOUT, natskit_op_wait, room, 1);
    tt_op_close(cancelled);
    tt_tap("refuse off");
    (void)tt_finish(room, NATSKIT_OK);
    if (tt_wait_state(conn, NATSKIT_STATE_CONNECTED)) {
        (void)tt_send(conn, "away", 1, 100);
        TT(natskit_flush, conn, tt_life.wait_ms);
        natskit_msg *msg = tt_next(sub, 0, NATSKIT_OK); /* the request's own comes first, if it was sent */
        tt_want(msg != NULL, "nothing came after the server's return");
    }
}

/* Lines of the server beside messages. */
void tt_scenario_server_says(void)
{
    natskit_conn conn = tt_connect();
    natskit_sub events = tt_events(conn);
    natskit_sub denied = tt_subscribe(conn, "denied", "", NO_OPTIONS);
    tt_tap("live inject PING\\r\\n");
    tt_tap("live inject INFO "
           "{\"server_id\":\"X\",\"version\":\"2.10.0\",\"max_payload\":1048576,\"headers\":true,"
           "\"proto\":1,\"ldm\":true,\"connect_urls\":[\"127.0.0.1:1\",\"127.0.0.1:2\"]}\\r\\n");
    tt_tap("live inject -ERR 'Permissions Violation for Subscription to \"denied\"'\\r\\n");
    if (tt_wait_event(events, NATSKIT_EVENT_ASYNC_ERROR)) {
        (void)tt_next(denied, tt_life.wait_ms, NATSKIT_END);
    }
    TT(natskit_flush, conn, tt_life.wait_ms);
    TT(natskit_conn_servers_set, conn, tt_life.url, NATSKIT_ZLEN, NULL);
    look_at(conn);
    tt_tap("live inject -ERR 'Stale Connection'\\r\\n");
    (void)tt_wait_event(events, NATSKIT_EVENT_RECONNECTED);
}
