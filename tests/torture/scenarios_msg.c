/* Scenarios of messages: publishing, receiving, asking and answering. */
#include "scenarios.h"

#include "life.h"
#include "registry.h"

#include <pthread.h>
#include <string.h>

void tt_scenario_publish(void)
{
    natskit_conn conn = tt_connect();
    uint64_t epoch = tt_epoch(conn);
    natskit_sub sub = tt_subscribe(conn, "news", "", NO_OPTIONS);
    natskit_sub other = tt_subscribe(conn, "news", "group", NO_OPTIONS);
    uint64_t sent = 0;
    for (uint32_t i = 1; i <= 10; i++) {
        sent += tt_send(conn, "news", i, 10 + i * 50);
    }
    tt_expect_all(conn, sub, sent, epoch);
    natskit_msg *msg = tt_next(sub, tt_life.hurt ? 10 : tt_life.wait_ms, NATSKIT_OK);
    if (msg != NULL) {
        tt_check_numbered(sub, msg);
        TT(natskit_msg_retain, msg);
        TT(natskit_msg_release, msg);
    }
    natskit_msg *msgs[4];
    size_t count = tt_next_batch(sub, msgs, 4, tt_life.hurt ? 10 : tt_life.wait_ms, NATSKIT_OK);
    for (size_t i = 0; i < count; i++) {
        tt_check_numbered(sub, msgs[i]);
        tt_registry_remove(TT_KIND_MSG, (uint64_t)(uintptr_t)msgs[i]);
    }
    TT(natskit_msg_release_batch, msgs, count);
    tt_want(tt_take_all(sub) == 5, "of ten messages five are left");
    tt_sub_close(other);
    sent += tt_send(conn, "news", 11, 100);
    natskit_op flush = tt_flush_start(conn);
    (void)tt_finish(flush, NATSKIT_OK);
}

void tt_scenario_batch(void)
{
    natskit_conn conn = tt_connect();
    uint64_t epoch = tt_epoch(conn);
    natskit_sub sub = tt_subscribe(conn, "batch.*", "", NO_OPTIONS);
    uint64_t sent = 0;
    for (uint32_t i = 0; i < 8; i++) {
        sent += tt_send_batch(conn, "batch.a", 1 + i * 16, 16, 64 + i * 300);
    }
    tt_expect_all(conn, sub, sent, epoch);
    natskit_msg *msgs[32];
    size_t count;
    while ((count = tt_next_batch(sub, msgs, 32, 0, NATSKIT_WOULD_BLOCK)) > 0) {
        for (size_t i = 0; i < count; i++) {
            tt_check_numbered(sub, msgs[i]);
            tt_release(msgs[i]);
        }
    }
}

void tt_scenario_sent_headers(void)
{
    natskit_conn conn = tt_connect();
    natskit_sub sub = tt_subscribe(conn, "with.headers", "", NO_OPTIONS);
    natskit_headers headers = tt_headers("Trace", "one");
    natskit_error err = {0};
    natskit_status got = natskit_headers_add(headers, "Trace", Z, "two", Z, &err);
    bool whole = tt_check_error("natskit_headers_add", got, NATSKIT_OK, &err) == NATSKIT_OK;
    got = TT(natskit_publish, conn, "with.headers", Z, "answer.to", Z, headers, "x", 1, tt_life.wait_ms);
    TT(natskit_flush, conn, tt_life.wait_ms);
    natskit_msg *msg = tt_next(sub, 0, NATSKIT_OK);
    if (msg == NULL) {
        return;
    }
    natskit_message_view view = {0};
    const char *name = NULL;
    const char *value = NULL;
    size_t name_len = 0;
    size_t value_len = 0;
    TT(natskit_msg_view, msg, &view, sizeof view);
    if (view.reply_len != strlen("answer.to") || view.data_len != 1) {
        tt_fail("a message came with a reply of %zu bytes and data of %zu", view.reply_len, view.data_len);
    }
    got = TT(natskit_msg_header, msg, "trace", Z, NATSKIT_MATCH_IGNORE_CASE, 1, &value, &value_len);
    if (got == NATSKIT_OK && (value_len != 3 || memcmp(value, "two", 3) != 0)) {
        tt_fail("a header came with another value");
    }
    tt_want(whole, "the headers are not whole");
    TT(natskit_msg_header_at, msg, 0, &name, &name_len, &value, &value_len);
    TT_OR(NATSKIT_NOT_FOUND, natskit_msg_header_at, msg, 2, &name, &name_len, &value, &value_len);
}

/* Read to their place, and greater than a segment of the outbox. */
void tt_scenario_large(void)
{
    natskit_conn conn = tt_connect();
    uint64_t epoch = tt_epoch(conn);
    natskit_sub sub = tt_subscribe(conn, "large", "", NO_OPTIONS);
    uint64_t sent = 0;
    sent += tt_send(conn, "large", 1, tt_life.large);
    sent += tt_send(conn, "large", 2, 10);
    sent += tt_send(conn, "large", 3, tt_life.huge);
    sent += tt_send(conn, "large", 4, 5000);
    tt_expect_all(conn, sub, sent, epoch);
    tt_want(tt_take_all(sub) == 4, "four messages were sent");
    /* Its subscription ends before the rest of it has come. */
    (void)tt_send(conn, "large", 5, tt_life.huge);
    tt_sub_close(sub);
    TT(natskit_flush, conn, tt_life.wait_ms);
}

void tt_scenario_slow_consumer(void)
{
    natskit_conn conn = tt_connect();
    natskit_sub events = tt_events(conn);
    natskit_options options = tt_options(NATSKIT_OPTIONS_SUBSCRIBE);
    tt_set(options, "pending_msgs_limit", 2);
    tt_set(options, "pending_bytes_limit", 4096);
    natskit_sub sub = tt_subscribe(conn, "slow", "", options);
    uint64_t sent = 0;
    for (uint32_t i = 1; i <= 10; i++) {
        sent += tt_send(conn, "slow", i, 100);
    }
    uint64_t epoch = tt_epoch(conn);
    natskit_sub_stats stats = {0};
    natskit_status flushed = TT(natskit_flush, conn, tt_life.wait_ms);
    TT(natskit_sub_stats_get, sub, &stats, sizeof stats);
    if (flushed == NATSKIT_OK && sub.id != 0 && stats.received != sent && tt_epoch(conn) == epoch &&
        epoch == 1) {
        tt_fail("%llu were sent and %llu came", (unsigned long long)sent, (unsigned long long)stats.received);
    }
    tt_want(stats.pending_msgs == 2 && stats.dropped_msgs == 8, "a queue of two keeps two of ten");
    (void)tt_wait_event(events, NATSKIT_EVENT_SLOW_CONSUMER);
    (void)tt_take_all(sub);
}

void tt_scenario_unsubscribe(void)
{
    natskit_conn conn = tt_connect();
    natskit_options options = tt_options(NATSKIT_OPTIONS_SUBSCRIBE);
    tt_set(options, "max_msgs", 3);
    natskit_sub three = tt_subscribe(conn, "part", "", options);
    natskit_sub two = tt_subscribe(conn, "part", "", NO_OPTIONS);
    natskit_sub none = tt_subscribe(conn, "part", "", NO_OPTIONS);
    TT(natskit_sub_unsubscribe, two, 2);
    TT(natskit_sub_unsubscribe, none, 0);
    for (uint32_t i = 1; i <= 5; i++) {
        (void)tt_send(conn, "part", i, 100);
    }
    TT(natskit_flush, conn, tt_life.wait_ms);
    for (int i = 0; i < 3; i++) {
        (void)tt_next(three, 0, NATSKIT_OK);
    }
    (void)tt_next(three, 0, NATSKIT_END);
    tt_check_counts(two);
    natskit_sub_stats stats = {0};
    TT(natskit_sub_stats_get, two, &stats, sizeof stats);
    tt_want(stats.received == 2 && stats.reason == NATSKIT_MAX_REACHED,
            "a subscription of two got another number");
    (void)tt_next(none, 0, NATSKIT_END);
}

struct responder {
    natskit_sub sub;
    pthread_t thread;
    bool runs;
};

/* Answers until the subscription ends. */
static void *respond(void *arg)
{
    struct responder *self = arg;
    natskit_msg *msg;
    while (natskit_sub_next(self->sub, -1, &msg) == NATSKIT_OK) {
        TT_OR(NATSKIT_NO_REPLY, natskit_msg_respond, msg, NO_HEADERS, "answer", 6, tt_life.wait_ms);
        TT(natskit_msg_release, msg);
    }
    return NULL;
}

/* A responder that blocks in another thread, asked by one that blocks here. */
void tt_scenario_respond(void)
{
    natskit_conn server = tt_connect();
    natskit_conn client = tt_connect();
    struct responder responder = {.sub = tt_subscribe(server, "service", "workers", NO_OPTIONS)};
    TT(natskit_flush, server, tt_life.wait_ms);
    responder.runs =
        responder.sub.id != 0 && pthread_create(&responder.thread, NULL, respond, &responder) == 0;
    for (int i = 0; i < 3; i++) {
        natskit_msg *reply = tt_request(client, "service", NATSKIT_OK);
        if (reply != NULL) {
            natskit_message_view view = {0};
            TT(natskit_msg_view, reply, &view, sizeof view);
            if (view.data_len != 6) {
                tt_fail("an answer of %zu bytes came", view.data_len);
            }
            tt_release(reply);
        }
    }
    tt_sub_close(responder.sub);
    if (responder.runs) {
        pthread_join(responder.thread, NULL);
    }
}

void tt_scenario_request(void)
{
    natskit_conn conn = tt_connect();
    natskit_sub sub = tt_subscribe(conn, "ask", "", NO_OPTIONS);
    natskit_headers headers = tt_headers("Trace", "one");
    (void)tt_request(conn, "nobody.there", NATSKIT_NO_RESPONDERS);
    natskit_op op = tt_request_start(conn, "ask", headers);
    natskit_op abandoned = tt_request_start(conn, "ask", headers);
    TT(natskit_flush, conn, tt_life.wait_ms);
    tt_op_close(abandoned);
    for (int i = 0; i < 2; i++) {
        natskit_msg *asked = tt_next(sub, 0, NATSKIT_OK);
        if (asked != NULL) {
            TT(natskit_msg_respond, asked, headers, "answer", 6, tt_life.wait_ms);
            tt_release(asked);
        }
    }
    if (tt_finish(op, NATSKIT_OK) == NATSKIT_OK) {
        natskit_msg *answer = tt_take_msg(op, NATSKIT_OK);
        if (answer == NULL) {
            tt_fail("a request has gone well and has no answer");
        }
    }
    TT(natskit_flush, conn, tt_life.wait_ms); /* the late reply is dropped */
}
