/* Fetch and consume on the engine with a virtual clock: what is asked for and when, what each status comes
 * to, silence, lost transports. The inbox is "in", stream and consumer are S and C. */
#include "ask.h"
#include "jetstream/puller.h"

#include <stdio.h>
#include <stdlib.h>

#define NEXT "PUB\t$JS.API.CONSUMER.MSG.NEXT.S.C in."
#define INFO "PUB\t$JS.API.CONSUMER.INFO.S.C in.-"

static const char *const settings[] = {"ping_interval_ms", "3600000", NULL};

static struct rig *connected(void)
{
    struct rig *rig = rig_new(ONE_SERVER, settings, 5000);
    rig_hello(rig);
    return rig;
}

static struct nki_sub *open_pull(struct rig *rig, struct nki_pull_params params)
{
    params.api_prefix = NKI_STR("$JS.API");
    params.stream = NKI_STR("S");
    params.consumer = NKI_STR("C");
    params.inbox = NKI_STR("in");
    params.group = params.group.ptr != NULL ? params.group : NKI_STR("");
    params.pin = params.pin.ptr != NULL ? params.pin : NKI_STR("");
    params.expires_ns = params.expires_ns > 0 ? params.expires_ns : RIG_MS(30000);
    const struct nki_sub_params of_sub = {
        .subject = NKI_STR("in.*"), .queue = NKI_STR(""), .limits = {UINT32_MAX, UINT64_MAX / 2}};
    struct nki_feed *feed = nki_puller_new(&params);
    assert_non_null(feed);
    struct nki_collect collect = {.deadline_ns = NKI_NEVER, .feed = feed};
    struct nki_sub *sub = nki_sub_new(&of_sub);
    assert_non_null(sub);
    assert_true(nki_sub_collect(sub, &collect));
    nki_feed_attach(feed, &rig->engine, sub);
    assert_int_equal(nki_engine_subscribe(&rig->engine, sub), NKI_OK);
    nki_engine_feed_begin(&rig->engine, feed, rig->now_ns);
    rig_settle(rig);
    return sub;
}

static struct nki_sub *open_consume(struct rig *rig, uint64_t max, struct nki_pull_params params)
{
    params.endless = true;
    params.max_msgs = max;
    params.threshold = max / 2;
    return open_pull(rig, params);
}

static struct nki_puller *puller_of(const struct nki_sub *sub)
{
    assert_true(sub->live);
    return nki_puller_of(sub->collect->feed);
}

/* Forgets what was written, so that the next look sees what is new. */
static void look_anew(struct rig *rig)
{
    ts_buf_free(&rig->written);
    rig->written.len = 0;
}

static int asked(const struct rig *rig)
{
    return count_written(rig, NEXT);
}

static void say_data(struct rig *rig, const struct nki_sub *sub, int count)
{
    for (int i = 0; i < count; i++) {
        char text[128];
        snprintf(text, sizeof text, "MSG a.b %llu $JS.ACK.S.C.1.1.1.1.0 4\r\ndata\r\n",
                 (unsigned long long)sub->sid);
        rig_say(rig, text);
    }
}

/* A status on the request of this serial (the last one: -1). */
static void say_status(struct rig *rig, const struct nki_sub *sub, int serial, const char *line,
                       const char *headers)
{
    char subject[32];
    char block[256];
    uint64_t number = serial < 0 ? puller_of(sub)->pulls.next - 1 : (uint64_t)serial;
    char *end = nki_base62_emit(subject + sprintf(subject, "in."), number);
    *end = '\0';
    snprintf(block, sizeof block, "NATS/1.0 %s\r\n%s\r\n", line, headers);
    say_hmsg(rig, subject, sub->sid, block, "");
}

static void say_info(struct rig *rig, const struct nki_sub *sub, const char *json)
{
    char subject[32];
    char text[512];
    char *end = nki_base62_emit(subject + sprintf(subject, "in.-"), puller_of(sub)->info_serial);
    *end = '\0';
    snprintf(text, sizeof text, "MSG %s %llu %zu\r\n%s\r\n", subject, (unsigned long long)sub->sid,
             strlen(json), json);
    rig_say(rig, text);
}

#define NO_CONSUMER "{\"error\":{\"code\":404,\"err_code\":10014,\"description\":\"consumer not found\"}}"
#define NO_STREAM "{\"error\":{\"code\":404,\"err_code\":10059,\"description\":\"stream not found\"}}"
#define NO_JETSTREAM "{\"error\":{\"code\":503,\"err_code\":10039}}"
#define THERE "{\"type\":\"x\",\"stream_name\":\"S\",\"name\":\"C\"}"

/* Takes as callers do: they tell when enough was taken. */
static struct nki_msg *take_one(struct rig *rig, struct nki_sub *sub)
{
    struct nki_msg *msg = NULL;
    size_t count;
    pthread_mutex_lock(&sub->inlet.wait.mu);
    int32_t status = nki_inlet_take_locked(&sub->inlet, &msg, 1, &count);
    bool enough = nki_inlet_tells_locked(&sub->inlet, count);
    bool tells = enough || nki_inlet_drained_locked(&sub->inlet);
    pthread_mutex_unlock(&sub->inlet.wait.mu);
    if (status == NKI_OK && tells) {
        nki_engine_taken(&rig->engine, sub, enough, rig->now_ns);
        rig_settle(rig);
    }
    return msg;
}

static void take(struct rig *rig, struct nki_sub *sub, int count)
{
    for (int i = 0; i < count; i++) {
        struct nki_msg *msg = take_one(rig, sub);
        assert_non_null(msg);
        assert_int_equal(msg->kind, NKI_MSG_MESSAGE);
        nki_msg_release(msg);
    }
}

static void take_notice(struct rig *rig, struct nki_sub *sub, enum nki_notice_type type, uint64_t count)
{
    struct nki_msg *msg = take_one(rig, sub);
    assert_non_null(msg);
    assert_int_equal(msg->kind, NKI_MSG_STATUS);
    struct nki_notice notice = nki_notice_of(msg);
    assert_int_equal(notice.type, type);
    assert_int_equal(notice.count, count);
    nki_msg_release(msg);
}

static void done(struct rig *rig, struct nki_sub *sub)
{
    close_sub(rig, sub);
    assert_true(nki_heap_top_ns(&rig->engine.subs.timers) == NKI_NEVER);
    assert_true(nki_list_empty(&rig->engine.subs.feeds));
    rig_free(rig);
}

/* -- requests -------------------------------------------------------------------------------------------- */

static void test_requests(void **state)
{
    (void)state;
    static const struct {
        struct nki_pull_params params;
        const char *body;
    } rows[] = {
        {{.max_msgs = 1}, "{\"batch\":1,\"expires\":30000000000}"},
        {{.max_msgs = 5, .beat_ns = RIG_MS(15000)},
         "{\"batch\":5,\"expires\":30000000000,\"idle_heartbeat\":15000000000}"},
        {{.max_msgs = 5, .no_wait = true}, "{\"batch\":5,\"no_wait\":true}"},
        {{.max_bytes = 5}, "{\"batch\":1000000,\"max_bytes\":5,\"expires\":30000000000}"},
        {{.max_msgs = 7, .max_bytes = 5}, "{\"batch\":7,\"max_bytes\":5,\"expires\":30000000000}"},
        {{.max_msgs = 1, .group = {"g", 1}, .pin = {"id", 2}},
         "{\"batch\":1,\"expires\":30000000000,\"group\":\"g\",\"id\":\"id\"}"},
        {{.max_msgs = 1, .group = {"g", 1}, .priority = 3, .min_pending = 4, .min_ack_pending = 5},
         "{\"batch\":1,\"expires\":30000000000,\"group\":\"g\",\"priority\":3,\"min_pending\":4,\"min_ack_"
         "pending\":5}"},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        char text[512];
        struct rig *rig = connected();
        struct nki_sub *sub = open_pull(rig, rows[i].params);
        snprintf(text, sizeof text, "SUB in.* %llu\r\n" NEXT "0 %zu\r\n%s\r\n", (unsigned long long)sub->sid,
                 strlen(rows[i].body), rows[i].body);
        assert_true(rig_wrote(rig, text));
        done(rig, sub);
    }
}

/* What is outstanding and what waits never exceed the limit; at the threshold the rest is asked for, once. */
static void test_refill(void **state)
{
    (void)state;
    struct rig *rig = connected();
    struct nki_sub *sub = open_consume(rig, 10, (struct nki_pull_params){.beat_ns = RIG_MS(5000)});
    assert_true(rig_wrote(rig, "{\"batch\":10,"));
    say_data(rig, sub, 10);
    take(rig, sub, 4);
    assert_int_equal(asked(rig), 1);
    look_anew(rig);
    take(rig, sub, 1);
    assert_true(rig_wrote(rig, "{\"batch\":5,"));
    assert_int_equal(puller_of(sub)->pulls.msgs, 5);
    look_anew(rig);
    take(rig, sub, 4);
    say_data(rig, sub, 2);
    assert_int_equal(asked(rig), 0);
    take(rig, sub, 1);
    assert_int_equal(asked(rig), 1);
    assert_true(rig_wrote(rig, "{\"batch\":5,"));
    assert_int_equal(puller_of(sub)->pulls.msgs, 8);
    assert_int_equal(puller_of(sub)->pulls.count, 2);
    done(rig, sub);
}

static void test_one_at_a_time(void **state)
{
    (void)state;
    struct rig *rig = connected();
    struct nki_sub *sub = open_consume(rig, 1, (struct nki_pull_params){.beat_ns = 0});
    for (int i = 1; i < 100; i++) {
        assert_int_equal(asked(rig), i);
        say_data(rig, sub, 1);
        assert_int_equal(asked(rig), i);
        take(rig, sub, 1);
    }
    done(rig, sub);
}

/* A threshold just below the limit asks for each message anew: only so many requests are open at a time. */
static void test_many_requests(void **state)
{
    (void)state;
    struct rig *rig = connected();
    struct nki_sub *sub =
        open_pull(rig, (struct nki_pull_params){.endless = true, .max_msgs = 200, .threshold = 199});
    say_data(rig, sub, 150);
    take(rig, sub, 150);
    struct nki_puller *puller = puller_of(sub);
    assert_int_equal(puller->pulls.count, NKI_PULLS_MAX);
    assert_true(puller->held);
    uint64_t ahead = puller->pulls.msgs;
    say_data(rig, sub, 50); /* the oldest is over: one more may be made */
    assert_int_equal(puller->pulls.count, NKI_PULLS_MAX);
    assert_int_equal(puller->pulls.msgs + 50, 200);
    assert_true(ahead < 200);
    take(rig, sub, 50);
    done(rig, sub);
}

/* Nobody takes: nothing is asked for, nothing is watched, and no timer runs. */
static void test_full_queue(void **state)
{
    (void)state;
    struct rig *rig = connected();
    struct nki_sub *sub =
        open_consume(rig, 4, (struct nki_pull_params){.beat_ns = RIG_MS(1000), .notices = true});
    say_data(rig, sub, 4);
    look_anew(rig);
    rig_pass(rig, 600000);
    assert_int_equal(rig->written.len, 0);
    assert_true(nki_heap_top_ns(&rig->engine.subs.timers) == NKI_NEVER);
    assert_int_equal(puller_of(sub)->counts.missed, 0);
    take(rig, sub, 2);
    assert_int_equal(asked(rig), 1);
    done(rig, sub);
}

static void test_by_bytes(void **state)
{
    (void)state;
    struct rig *rig = connected();
    struct nki_pull_params params = {.endless = true, .max_bytes = 1000, .threshold = 500};
    struct nki_sub *sub = open_pull(rig, params);
    assert_true(rig_wrote(rig, "{\"batch\":1000000,\"max_bytes\":1000,"));
    uint64_t size = strlen("a.b$JS.ACK.S.C.1.1.1.1.0data");
    say_data(rig, sub, 3);
    assert_int_equal(puller_of(sub)->pulls.bytes, 1000 - 3 * size);
    look_anew(rig);
    /* The next message is larger than what is left: asked for again when there is more room, not before. */
    say_status(rig, sub, -1, "409 Message Size Exceeds MaxBytes",
               "Nats-Pending-Messages: 999997\r\nNats-Pending-Bytes: 916\r\n");
    assert_int_equal(asked(rig), 0);
    take(rig, sub, 2);
    assert_int_equal(asked(rig), 0);
    take(rig, sub, 1);
    assert_true(rig_wrote(rig, "\"max_bytes\":1000,"));
    say_status(rig, sub, -1, "409 Message Size Exceeds MaxBytes",
               "Nats-Pending-Messages: 1000000\r\nNats-Pending-Bytes: 1000\r\n");
    assert_int_equal(rig_end_reason(sub), NKI_PULL_REFUSED); /* it will never fit */
    done(rig, sub);
}

/* -- statuses -------------------------------------------------------------------------------------------- */

static void test_fetch_statuses(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        int32_t reason;     /* 0: it goes on */
        int32_t after_some; /* the same when messages have come before */
    } rows[] = {
        {"404 No Messages", NKI_NOT_FOUND, NKI_NOT_FOUND},
        {"408 Requests Pending", NKI_NOT_FOUND, NKI_NOT_FOUND},
        {"408 Request Timeout", NKI_TIMEOUT, NKI_TIMEOUT},
        {"409 Batch Completed", NKI_MAX_REACHED, NKI_MAX_REACHED},
        {"409 Message Size Exceeds MaxBytes", NKI_PULL_REFUSED, NKI_MAX_REACHED},
        {"409 Consumer Deleted", NKI_CONSUMER_DELETED, NKI_CONSUMER_DELETED},
        {"409 Consumer is push based", NKI_PULL_REFUSED, NKI_PULL_REFUSED},
        {"409 Exceeded MaxRequestBatch of 1", NKI_PULL_REFUSED, NKI_PULL_REFUSED},
        {"409 Exceeded MaxWaiting", NKI_PULL_REFUSED, NKI_PULL_REFUSED},
        {"400 Bad Request - x", NKI_PULL_REFUSED, NKI_PULL_REFUSED},
        {"412 Required Api Level", NKI_API_LEVEL, NKI_API_LEVEL},
        {"100 Idle Heartbeat", 0, 0},
        {"409 Leadership Change", 0, 0},
        {"409 Server Shutdown", 0, 0},
        {"408 Interest Expired", 0, 0},
        {"423 Nats-Wrong-Pin-Id", 0, 0},
        {"503", 0, 0},
        {"499 What", 0, 0},
    };
    for (size_t i = 0; i < 2 * NKI_ARRAY_LEN(rows); i++) {
        bool some = i % 2 == 1;
        struct rig *rig = connected();
        struct nki_sub *sub = open_pull(rig, (struct nki_pull_params){.max_msgs = 5});
        say_data(rig, sub, some ? 2 : 0);
        say_status(rig, sub, -1, rows[i / 2].line, "");
        int32_t reason = some ? rows[i / 2].after_some : rows[i / 2].reason;
        assert_int_equal(rig_end_reason(sub), reason);
        if (reason == NKI_PULL_REFUSED) {
            struct nki_error *error = sub->end_error;
            assert_non_null(error);
            assert_non_null(strstr(error->text, rows[i / 2].line + 4));
            assert_int_equal(error->server_code, atoi(rows[i / 2].line));
        }
        assert_int_equal(unsubs(rig, sub->sid), reason != 0);
        take(rig, sub, some ? 2 : 0); /* what came stays */
        assert_null(take_one(rig, sub));
        done(rig, sub);
    }
}

/* The leader is gone: after a pause what is missing is asked for once more, in what is left of the time. */
static void test_fetch_goes_on(void **state)
{
    (void)state;
    struct rig *rig = connected();
    struct nki_sub *sub = open_pull(rig, (struct nki_pull_params){.max_msgs = 5});
    say_data(rig, sub, 2);
    look_anew(rig);
    rig_pass(rig, 10000);
    say_status(rig, sub, -1, "409 Leadership Change", "");
    assert_int_equal(asked(rig), 0);
    rig_pass(rig, 125);
    assert_int_equal(asked(rig), 1);
    assert_true(rig_wrote(rig, "{\"batch\":3,\"expires\":19"));
    say_data(rig, sub, 3);
    assert_int_equal(rig_end_reason(sub), NKI_MAX_REACHED);
    take(rig, sub, 5);
    done(rig, sub);
}

static void test_fetch_nobody(void **state)
{
    (void)state;
    static const struct {
        const char *info; /* NULL: none comes */
        bool no_wait;
        bool bind;
        int32_t reason;
    } rows[] = {
        {NO_CONSUMER, false, false, NKI_CONSUMER_NOT_FOUND},
        {NO_STREAM, false, false, NKI_STREAM_NOT_FOUND},
        {NO_JETSTREAM, false, false, NKI_JS_NOT_ENABLED},
        {THERE, true, false, NKI_NO_RESPONDERS},
        {THERE, false, false, 0},
        {NULL, true, false, NKI_NO_RESPONDERS},
        {NULL, false, false, 0},
        {"no json", false, false, 0},
        {"[]", false, false, 0},
        {"{\"error\":1}", false, false, 0},
        {NULL, false, true, NKI_NO_RESPONDERS},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct rig *rig = connected();
        struct nki_sub *sub = open_pull(
            rig, (struct nki_pull_params){.max_msgs = 5, .no_wait = rows[i].no_wait, .bind = rows[i].bind});
        say_status(rig, sub, -1, "503", "Nats-Subject: x\r\n");
        assert_int_equal(count_written(rig, INFO), !rows[i].bind);
        if (rows[i].info != NULL) {
            say_info(rig, sub, rows[i].info);
        } else {
            rig_pass(rig, 3000);
        }
        assert_int_equal(rig_end_reason(sub), rows[i].reason);
        rig_pass(rig, 200);
        assert_int_equal(asked(rig), rows[i].reason == 0 ? 2 : 1);
        done(rig, sub);
    }
}

static void test_consume_statuses(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *headers;
        int32_t reason;  /* 0: it goes on */
        int64_t wait_ms; /* and asks again after this, at the latest */
        int notice;
    } rows[] = {
        {"404 No Messages", "", 0, 0, 0},
        {"408 Request Timeout", "Nats-Pending-Messages: 10\r\nNats-Pending-Bytes: 0\r\n", 0, 0, 0},
        {"409 Batch Completed", "", 0, 0, 0},
        {"409 Leadership Change", "", 0, 125, NKI_NOTICE_LEADERSHIP},
        {"409 Server Shutdown", "Nats-Pending-Messages: 10\r\n", 0, 125, NKI_NOTICE_LEADERSHIP},
        {"409 Exceeded MaxWaiting", "", 0, 125, NKI_NOTICE_EXCEEDED},
        {"423 Nats-Pin-Id mismatch", "", 0, 0, 0},
        {"498 New Word", "Nats-Pending-Messages: 10\r\n", 0, 0, NKI_NOTICE_UNKNOWN},
        {"409 Consumer is push based", "", NKI_PULL_REFUSED, 0, 0},
        {"409 Exceeded MaxRequestExpires of 1s", "", NKI_PULL_REFUSED, 0, 0},
        {"400 Bad Request", "", NKI_PULL_REFUSED, 0, 0},
        {"412 Required Api Level", "", NKI_API_LEVEL, 0, 0},
    };
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct rig *rig = connected();
        struct nki_sub *sub = open_consume(rig, 10, (struct nki_pull_params){.notices = true});
        rig_pass(rig, 1000);
        look_anew(rig);
        say_status(rig, sub, -1, rows[i].line, rows[i].headers);
        assert_int_equal(rig_end_reason(sub), rows[i].reason);
        assert_int_equal(asked(rig), rows[i].reason == 0 && rows[i].wait_ms == 0);
        rig_pass(rig, rows[i].wait_ms);
        assert_int_equal(asked(rig), rows[i].reason == 0);
        /* What waits counts, notices too. */
        const char *batch = rows[i].notice != 0 ? "{\"batch\":9," : "{\"batch\":10,";
        assert_true(rows[i].reason != 0 || rig_wrote(rig, batch));
        if (rows[i].notice != 0) {
            take_notice(rig, sub, (enum nki_notice_type)rows[i].notice, 1);
        }
        assert_null(take_one(rig, sub));
        done(rig, sub);
    }
}

/* Those of requests that are forgotten count for nothing: one leader's end may be told five times. */
static void test_told_many_times(void **state)
{
    (void)state;
    struct rig *rig = connected();
    struct nki_sub *sub = open_consume(rig, 10, (struct nki_pull_params){.notices = true});
    say_data(rig, sub, 5);
    take(rig, sub, 5);
    assert_int_equal(puller_of(sub)->pulls.count, 2);
    for (int serial = 0; serial < 2; serial++) {
        say_status(rig, sub, serial, "409 Server Shutdown", "Nats-Pending-Messages: 5\r\n");
    }
    take_notice(rig, sub, NKI_NOTICE_LEADERSHIP, 1);
    assert_null(take_one(rig, sub));
    assert_int_equal(puller_of(sub)->failures, 1);
    done(rig, sub);
}

/* A server that ends each request at once is not asked without end. */
static void test_quick_ends(void **state)
{
    (void)state;
    struct rig *rig = connected();
    struct nki_sub *sub = open_consume(rig, 10, (struct nki_pull_params){.beat_ns = 0});
    for (int i = 0; i < 50; i++) {
        if (puller_of(sub)->pulls.count > 0) {
            say_status(rig, sub, -1, "408 Request Timeout", "Nats-Pending-Messages: 10\r\n");
        }
        rig_pass(rig, 10);
    }
    assert_true(asked(rig) < 15);
    done(rig, sub);
}

/* -- silence --------------------------------------------------------------------------------------------- */

static void test_missed_heartbeats(void **state)
{
    (void)state;
    struct rig *rig = connected();
    struct nki_sub *sub =
        open_consume(rig, 10, (struct nki_pull_params){.beat_ns = RIG_MS(1000), .notices = true});
    for (int i = 0; i < 5; i++) {
        rig_pass(rig, 1500);
        say_status(rig, sub, -1, "100 Idle Heartbeat", "Nats-Last-Consumer: 1\r\nNats-Last-Stream: 1\r\n");
    }
    assert_int_equal(puller_of(sub)->counts.beats, 5);
    assert_null(take_one(rig, sub));
    rig_pass(rig, 1999);
    assert_int_equal(count_written(rig, INFO), 0);
    rig_pass(rig, 1);
    assert_int_equal(count_written(rig, INFO), 1);
    take_notice(rig, sub, NKI_NOTICE_HEARTBEATS_MISSED, 1);
    look_anew(rig);
    say_info(rig, sub, THERE);
    assert_int_equal(asked(rig), 1); /* the request was lost */
    assert_int_equal(puller_of(sub)->pulls.msgs, 10);
    rig_pass(rig, 2000);
    take_notice(rig, sub, NKI_NOTICE_HEARTBEATS_MISSED, 2);
    rig_pass(rig, 1);
    say_status(rig, sub, -1, "100 Idle Heartbeat", ""); /* late, not lost: the request stays */
    take_notice(rig, sub, NKI_NOTICE_RESUMED, 1);
    look_anew(rig);
    say_info(rig, sub, THERE);
    assert_int_equal(asked(rig), 0);
    assert_int_equal(puller_of(sub)->pulls.count, 1);
    done(rig, sub);
}

/* Bound, so nobody is asked: what seems lost is asked for anew. */
static void test_missed_heartbeats_bound(void **state)
{
    (void)state;
    struct rig *rig = connected();
    struct nki_sub *sub = open_consume(
        rig, 10, (struct nki_pull_params){.beat_ns = RIG_MS(1000), .notices = true, .bind = true});
    look_anew(rig);
    rig_pass(rig, 2000);
    assert_int_equal(count_written(rig, INFO), 0);
    take_notice(rig, sub, NKI_NOTICE_HEARTBEATS_MISSED, 1);
    assert_int_equal(asked(rig), 1);
    done(rig, sub);
}

static void wait_info(struct rig *rig, const struct nki_sub *sub)
{
    for (int64_t end_ns = rig->now_ns + RIG_MS(16000); !puller_of(sub)->asking;) {
        assert_true(rig->now_ns < end_ns);
        rig_pass(rig, 10);
    }
}

static void test_missing(void **state)
{
    (void)state;
    static const struct {
        const char *info;
        int32_t reason;
        enum nki_notice_type notice;
    } rows[] = {
        {NO_CONSUMER, NKI_CONSUMER_NOT_FOUND, NKI_NOTICE_CONSUMER_NOT_FOUND},
        {NO_STREAM, NKI_STREAM_NOT_FOUND, NKI_NOTICE_STREAM_NOT_FOUND},
        {NULL, NKI_CONSUMER_DELETED, NKI_NOTICE_CONSUMER_DELETED},
    };
    for (size_t i = 0; i < 2 * NKI_ARRAY_LEN(rows); i++) {
        bool abort = i % 2 == 1;
        struct rig *rig = connected();
        struct nki_sub *sub =
            open_consume(rig, 10, (struct nki_pull_params){.notices = true, .abort = abort});
        if (rows[i / 2].info == NULL) {
            say_status(rig, sub, -1, "409 Consumer Deleted", "");
        } else {
            say_status(rig, sub, -1, "503", "");
            say_info(rig, sub, rows[i / 2].info);
        }
        assert_int_equal(rig_end_reason(sub), abort ? rows[i / 2].reason : 0);
        take_notice(rig, sub, rows[i / 2].notice, 1);
        if (!abort) {
            look_anew(rig);
            for (int j = 0; j < 10; j++) { /* looked for again and again, told once */
                wait_info(rig, sub);
                say_info(rig, sub, NO_CONSUMER);
            }
            assert_int_equal(asked(rig), 0);
            assert_null(take_one(rig, sub));
            wait_info(rig, sub);
            say_info(rig, sub, THERE);
            assert_int_equal(asked(rig), 1);
            say_data(rig, sub, 1);
            take_notice(rig, sub, NKI_NOTICE_RESUMED, 1);
            take(rig, sub, 1);
        }
        done(rig, sub);
    }
}

/* Without heartbeats a request that the server forgets is given up at last. */
static void test_given_up(void **state)
{
    (void)state;
    struct rig *rig = connected();
    struct nki_sub *sub = open_consume(rig, 10, (struct nki_pull_params){.expires_ns = RIG_MS(5000)});
    rig_pass(rig, 6999);
    assert_int_equal(asked(rig), 1);
    rig_pass(rig, 1);
    assert_int_equal(asked(rig), 2);
    assert_int_equal(puller_of(sub)->counts.given_up, 1);
    assert_int_equal(puller_of(sub)->pulls.msgs, 10);
    done(rig, sub);
}

static void test_fetch_silence(void **state)
{
    (void)state;
    struct rig *rig = connected();
    struct nki_sub *sub = open_pull(rig, (struct nki_pull_params){.max_msgs = 5});
    rig_pass(rig, 31999);
    assert_int_equal(rig_end_reason(sub), 0);
    rig_pass(rig, 1);
    assert_int_equal(rig_end_reason(sub), NKI_TIMEOUT);
    done(rig, sub);
    rig = connected();
    sub = open_pull(rig, (struct nki_pull_params){.max_msgs = 5, .beat_ns = RIG_MS(2000)});
    rig_pass(rig, 4000);
    assert_int_equal(count_written(rig, INFO), 1);
    rig_pass(rig, 3000);
    assert_int_equal(rig_end_reason(sub), NKI_HEARTBEATS_MISSED);
    done(rig, sub);
}

/* -- transports ------------------------------------------------------------------------------------------ */

static void test_reconnect(void **state)
{
    (void)state;
    struct rig *rig = connected();
    struct nki_sub *sub =
        open_consume(rig, 10, (struct nki_pull_params){.beat_ns = RIG_MS(1000), .notices = true});
    say_data(rig, sub, 3);
    rig->refuse = true;
    rig_eof(rig);
    assert_true(nki_heap_top_ns(&rig->engine.subs.timers) == NKI_NEVER); /* nothing is missed meanwhile */
    assert_int_equal(puller_of(sub)->pulls.msgs, 0);
    rig_pass(rig, 30000);
    rig->refuse = false;
    while (!rig->has_stream) {
        rig_pass(rig, 10);
    }
    rig_hello(rig);
    assert_true(rig_wrote(rig, "SUB in.* "));
    assert_int_equal(asked(rig), 1);
    assert_true(rig_wrote(rig, "{\"batch\":7,"));
    assert_int_equal(count_written(rig, INFO), 0);
    assert_int_equal(puller_of(sub)->counts.missed, 0);
    take(rig, sub, 3);
    say_data(rig, sub, 1);
    take_notice(rig, sub, NKI_NOTICE_RESUMED, 1);
    take(rig, sub, 1);
    done(rig, sub);
}

static void test_fetch_reconnect(void **state)
{
    (void)state;
    struct rig *rig = connected();
    struct nki_sub *sub = open_pull(rig, (struct nki_pull_params){.max_msgs = 5});
    say_data(rig, sub, 2);
    rig_eof(rig);
    rig_hello(rig);
    assert_true(rig_wrote(rig, "{\"batch\":3,"));
    rig->silent = true;
    rig_eof(rig);
    rig_pass(rig, 32000); /* its time ends without a connection */
    assert_int_equal(rig_end_reason(sub), NKI_DISCONNECTED);
    take(rig, sub, 2);
    done(rig, sub);
}

/* Begun before there is a connection. */
static void test_early(void **state)
{
    (void)state;
    struct rig *rig = rig_new(ONE_SERVER, settings, 5000);
    struct nki_sub *sub = open_pull(rig, (struct nki_pull_params){.max_msgs = 5});
    rig_hello(rig);
    assert_int_equal(asked(rig), 1);
    done(rig, sub);
}

static void test_denied(void **state)
{
    (void)state;
    struct rig *rig = connected();
    struct nki_sub *sub = open_consume(rig, 10, (struct nki_pull_params){.beat_ns = 0});
    rig_say(rig, "-ERR 'Permissions Violation for Publish to \"$JS.API.CONSUMER.MSG.NEXT.S.D\"'\r\n");
    assert_int_equal(rig_end_reason(sub), 0);
    rig_say(rig, "-ERR 'Permissions Violation for Publish to \"$JS.API.CONSUMER.MSG.NEXT.S.C\"'\r\n");
    assert_int_equal(rig_end_reason(sub), NKI_PERMISSION);
    done(rig, sub);
}

/* While it is drained nothing is asked for; what comes is given out. */
static void test_drain(void **state)
{
    (void)state;
    struct rig *rig = connected();
    struct nki_sub *sub = open_consume(rig, 10, (struct nki_pull_params){.beat_ns = RIG_MS(1000)});
    say_data(rig, sub, 4);
    struct nki_op *op = nki_op_new();
    look_anew(rig);
    assert_int_equal(nki_engine_drain_sub(&rig->engine, sub, op, NKI_NEVER, rig->now_ns), NKI_OK);
    rig_settle(rig);
    say_data(rig, sub, 2);
    say_status(rig, sub, -1, "409 Leadership Change", "");
    rig_pass(rig, 60000);
    rig_say(rig, RIG_PONG);
    take(rig, sub, 6);
    assert_int_equal(asked(rig), 0);
    assert_int_equal(count_written(rig, INFO), 0);
    assert_int_equal(rig_op_status(op), NKI_OK);
    assert_int_equal(rig_end_reason(sub), NKI_UNSUBSCRIBED);
    done(rig, sub);
}

static void test_pin(void **state)
{
    (void)state;
    char text[256];
    struct rig *rig = connected();
    struct nki_sub *sub = open_consume(rig, 2, (struct nki_pull_params){.notices = true, .group = {"g", 1}});
    static const char *const ids[] = {"a\\\"b", "id1"}; /* the first is none */
    for (int i = 0; i < 2; i++) {
        size_t len = (size_t)snprintf(text, sizeof text, "NATS/1.0\r\nNats-Pin-Id: %s\r\n\r\n", ids[i]);
        char frame[400];
        snprintf(frame, sizeof frame, "HMSG a.b %llu $JS.ACK.x %zu %zu\r\n%s\r\n",
                 (unsigned long long)sub->sid, len, len, text);
        rig_say(rig, frame);
    }
    take(rig, sub, 1);
    take_notice(rig, sub, NKI_NOTICE_PINNED, 1);
    take(rig, sub, 1);
    assert_true(rig_wrote(rig, "\"group\":\"g\",\"id\":\"id1\"}"));
    look_anew(rig);
    say_status(rig, sub, -1, "423 Nats-Wrong-Pin-Id", "Nats-Pending-Messages: 2\r\n");
    take_notice(rig, sub, NKI_NOTICE_UNPINNED, 1);
    assert_true(rig_wrote(rig, "\"group\":\"g\"}"));
    done(rig, sub);
}

/* What anybody may send to an inbox: counted, and nothing else. */
static void test_garbage(void **state)
{
    (void)state;
    static const char *const subjects[] = {"in.",  "in.-", "in.!", "in.00", "in.-0", "in.zzzzzzzzzzzz",
                                           "in.5", "in.0"};
    struct rig *rig = connected();
    struct nki_sub *sub = open_consume(rig, 10, (struct nki_pull_params){.notices = true});
    struct nki_puller *puller = puller_of(sub);
    for (size_t i = 0; i < NKI_ARRAY_LEN(subjects); i++) {
        say_hmsg(rig, subjects[i], sub->sid, "NATS/1.0\r\nA: b\r\n\r\n", "{}");
    }
    assert_null(take_one(rig, sub));
    assert_int_equal(puller->pulls.msgs, 10);
    assert_int_equal(rig_end_reason(sub), 0);
    assert_true(puller->counts.unknown > 0);
    done(rig, sub);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_refill),
        cmocka_unit_test(test_one_at_a_time),
        cmocka_unit_test(test_many_requests),
        cmocka_unit_test(test_full_queue),
        cmocka_unit_test(test_by_bytes),
        cmocka_unit_test(test_fetch_statuses),
        cmocka_unit_test(test_fetch_goes_on),
        cmocka_unit_test(test_fetch_nobody),
        cmocka_unit_test(test_consume_statuses),
        cmocka_unit_test(test_told_many_times),
        cmocka_unit_test(test_quick_ends),
        cmocka_unit_test(test_missed_heartbeats),
        cmocka_unit_test(test_missed_heartbeats_bound),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_fetch_silence),
        cmocka_unit_test(test_reconnect),
        cmocka_unit_test(test_fetch_reconnect),
        cmocka_unit_test(test_early),
        cmocka_unit_test(test_denied),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_pin),
        cmocka_unit_test(test_garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
