/* The way to a connection, byte by byte: hostile greetings, cuts and stalls at each byte, deadlines, rounds
 * and pauses. Catalogue A of the faults, as far as this layer decides. */
#include "rig.h"

#include "base/alloc.h"

#include <stdlib.h>

static const char one_server[] = "nats://a:4222";

#define NO_MORE NULL

/* What a server says before and after CONNECT, and how the connect ends. */
static const struct greeting {
    const char *name;
    const char *first;
    const char *second;
    int32_t status;
} greetings[] = {
    {"nothing is said", "", NO_MORE, NKI_TIMEOUT},
    {"a web server", "HTTP/1.1 400 Bad Request\r\n\r\n", NO_MORE, NKI_PROTOCOL},
    {"INFO without an end", "INFO {\"server_id\":\"A\"", NO_MORE, NKI_TIMEOUT},
    {"INFO cut short", "INFO {\"server_id\":\"A\"\r\n", NO_MORE, NKI_PROTOCOL},
    {"INFO without JSON", "INFO\r\n", NO_MORE, NKI_PROTOCOL},
    {"INFO is no JSON", "INFO hello\r\n", NO_MORE, NKI_PROTOCOL},
    {"INFO is an array", "INFO []\r\n", NO_MORE, NKI_PROTOCOL},
    {"INFO is a number", "INFO 5\r\n", NO_MORE, NKI_PROTOCOL},
    {"INFO is null", "INFO null\r\n", NO_MORE, NKI_PROTOCOL},
    {"bytes behind the JSON", "INFO {} x\r\n", NO_MORE, NKI_PROTOCOL},
    {"a text for max_payload", "INFO {\"max_payload\":\"1\"}\r\n", NO_MORE, NKI_PROTOCOL},
    {"a number for headers", "INFO {\"headers\":1}\r\n", NO_MORE, NKI_PROTOCOL},
    {"max_payload 0", "INFO {\"max_payload\":0}\r\n", NO_MORE, NKI_PROTOCOL},
    {"max_payload -1", "INFO {\"max_payload\":-1}\r\n", NO_MORE, NKI_PROTOCOL},
    {"max_payload 1e400", "INFO {\"max_payload\":1e400}\r\n", NO_MORE, NKI_PROTOCOL},
    {"an exponent bomb", "INFO {\"max_payload\":1e99999999999}\r\n", NO_MORE, NKI_PROTOCOL},
    {"no max_payload", "INFO {\"headers\":true}\r\n", RIG_PONG, NKI_OK},
    {"unknown fields", "INFO {\"new\":[{\"a\":1}],\"max_payload\":5}\r\n", RIG_PONG, NKI_OK},
    {"control bytes in INFO", "INFO {\"server_id\":\"\x01\"}\r\n", NO_MORE, NKI_PROTOCOL},
    {"INFO not UTF-8", "INFO {\"server_id\":\"\xff\"}\r\n", NO_MORE, NKI_PROTOCOL},
    {"INFO ended by LF", "INFO {}\n", NO_MORE, NKI_PROTOCOL},
    {"PONG ended by LF", RIG_INFO, "PONG\n", NKI_PROTOCOL},
    {"connect_urls is a text", "INFO {\"connect_urls\":\"b:1\"}\r\n", NO_MORE, NKI_PROTOCOL},
    {"connect_urls of all kinds", "INFO {\"connect_urls\":[1,null,{}]}\r\n", NO_MORE, NKI_PROTOCOL},
    {"malformed connect_urls", "INFO {\"connect_urls\":[\"\",\":\",\"x:99999\",\"u@h:1\",\"a b:1\"]}\r\n",
     RIG_PONG, NKI_OK},
    {"no answer to CONNECT", RIG_INFO, "", NKI_TIMEOUT},
    {"garbage for PONG", RIG_INFO, "GARBAGE\r\n", NKI_PROTOCOL},
    {"a PONG with arguments", RIG_INFO, "PONG 1\r\n", NKI_PROTOCOL},
    {"refused credentials", RIG_INFO, "-ERR 'Authorization Violation'\r\n", NKI_AUTH},
    {"refused before INFO", "-ERR 'maximum connections exceeded'\r\n", NO_MORE, NKI_SERVER_LIMIT},
    {"an error without text", RIG_INFO, "-ERR\r\n", NKI_SERVER_ERROR},
    {"an error with an empty text", RIG_INFO, "-ERR ''\r\n", NKI_SERVER_ERROR},
    {"an expired account", RIG_INFO, "-ERR 'Account Authentication Expired'\r\n", NKI_AUTH_EXPIRED},
    {"a message with INFO", RIG_INFO "MSG a 1 1\r\nx\r\n", NO_MORE, NKI_PROTOCOL},
    {"a message before INFO", "MSG a 1 1\r\nx\r\n", NO_MORE, NKI_PROTOCOL},
    {"a message before PONG", RIG_INFO, "MSG a 1 1\r\nx\r\n", NKI_PROTOCOL},
    {"PONG before INFO", "PONG\r\n", NO_MORE, NKI_PROTOCOL},
    {"PING before INFO", "PING\r\n", NO_MORE, NKI_PROTOCOL},
    {"+OK and PING before PONG", RIG_INFO, "+OK\r\nPING\r\nPONG\r\n", NKI_OK},
    {"INFO twice", RIG_INFO, RIG_INFO RIG_PONG, NKI_OK},
    {"a broken INFO before PONG", RIG_INFO, "INFO []\r\nPONG\r\n", NKI_OK},
};

static void greet(const struct greeting *greeting, size_t step)
{
    struct rig *rig = rig_new(one_server, NULL, 20000);
    int64_t begin_ns = rig->now_ns;
    rig_settle(rig);
    rig_say_bytes(rig, greeting->first, strlen(greeting->first), step);
    if (greeting->second != NO_MORE) {
        assert_true(rig_wrote(rig, "CONNECT {"));
        assert_true(rig_wrote(rig, "PING\r\n"));
        rig_say_bytes(rig, greeting->second, strlen(greeting->second), step);
    } else {
        assert_int_equal(rig->written.len, 0); /* nothing, least of all credentials, went out */
    }
    if (greeting->status == NKI_TIMEOUT) {
        rig_until(rig, begin_ns + RIG_MS(5000) - 1);
        assert_int_equal(rig_connect_status(rig), NKI_PENDING);
        rig_until(rig, begin_ns + RIG_MS(5000));
    }
    if (rig_connect_status(rig) != greeting->status) {
        fail_msg("%s, in pieces of %zu: status %d", greeting->name, step, rig_connect_status(rig));
    }
    assert_int_equal(rig_connected(rig), greeting->status == NKI_OK);
    assert_int_equal(rig_event_count(rig, NKI_EVENT_CONNECTED), greeting->status == NKI_OK);
    if (greeting->status != NKI_OK) {
        assert_int_equal(rig_event(rig, NKI_EVENT_CLOSED)->status, greeting->status);
        assert_true(rig_event(rig, NKI_EVENT_CLOSED)->text[0] != '\0');
    }
    rig_free(rig);
}

static void test_greetings(void **state)
{
    (void)state;
    static const size_t steps[] = {1, 2, 3, 7, 1000000};
    for (size_t i = 0; i < NKI_ARRAY_LEN(greetings); i++) {
        for (size_t j = 0; j < NKI_ARRAY_LEN(steps); j++) {
            /* A second INFO in the same piece is answered before, so both parts come apart. */
            if (greetings[i].second == NO_MORE &&
                strncmp(greetings[i].first, RIG_INFO, strlen(RIG_INFO)) == 0 && steps[j] < 1000000) {
                continue; /* byte by byte CONNECT is out before the message comes */
            }
            greet(&greetings[i], steps[j]);
        }
    }
}

static void test_large_greetings(void **state)
{
    (void)state;
    /* INFO without end, garbage without end, and nested JSON: all are given up at a bound. */
    static const struct {
        const char *begin;
        char fill;
        size_t most;
    } rows[] = {{"INFO {\"a\":\"", 'x', 257 * NKI_KIB}, {"", 'x', 1000}, {"-ERR ", 'e', 65 * NKI_KIB}};
    char piece[1000];
    for (size_t i = 0; i < NKI_ARRAY_LEN(rows); i++) {
        struct rig *rig = rig_new(one_server, NULL, 20000);
        rig_settle(rig);
        uint64_t bytes = nki_alloc_bytes();
        rig_say(rig, rows[i].begin[0] != '\0' ? rows[i].begin : "x");
        memset(piece, rows[i].fill, sizeof piece);
        size_t said = 0;
        while (rig->has_stream && said < 100 * NKI_MIB) {
            rig_say_bytes(rig, piece, sizeof piece, sizeof piece);
            said += sizeof piece;
            assert_true(nki_alloc_bytes() - bytes <= 1024 * NKI_KIB);
        }
        assert_true(said <= rows[i].most);
        assert_int_equal(rig_connect_status(rig), NKI_PROTOCOL);
        rig_free(rig);
    }
    struct ts_buf deep = {0};
    ts_buf_printf(&deep, "INFO {\"a\":");
    for (int i = 0; i < 50000; i++) {
        ts_buf_add(&deep, "[", 1);
    }
    ts_buf_printf(&deep, "\r\n");
    struct rig *rig = rig_new(one_server, NULL, 20000);
    rig_settle(rig);
    rig_say_bytes(rig, deep.at, deep.len, 4096);
    assert_int_equal(rig_connect_status(rig), NKI_PROTOCOL);
    rig_free(rig);
    ts_buf_free(&deep);
}

static void test_slow_greetings_meet_the_deadline(void **state)
{
    (void)state;
    struct rig *rig = rig_new(one_server, NULL, 20000);
    int64_t begin_ns = rig->now_ns;
    rig_settle(rig);
    for (size_t i = 0; rig->has_stream && i < strlen(RIG_INFO); i++) {
        rig_say_bytes(rig, &RIG_INFO[i], 1, 1);
        rig_pass(rig, 500);
    }
    assert_int_equal(rig_connect_status(rig), NKI_TIMEOUT);
    assert_true(rig_event(rig, NKI_EVENT_CLOSED)->now_ns == begin_ns + RIG_MS(5000));
    rig_free(rig);

    rig = rig_new(one_server, NULL, 20000);
    begin_ns = rig->now_ns;
    rig_settle(rig);
    rig_say(rig, RIG_INFO);
    for (size_t i = 0; rig->has_stream && i < strlen(RIG_PONG); i++) {
        rig_say_bytes(rig, &RIG_PONG[i], 1, 1);
        rig_pass(rig, 1500);
    }
    assert_int_equal(rig_connect_status(rig), NKI_TIMEOUT);
    assert_true(rig_event(rig, NKI_EVENT_CLOSED)->now_ns == begin_ns + RIG_MS(5000));
    rig_free(rig);
}

static const char hello[] = RIG_INFO RIG_PONG;

/* The first server stops after `len` bytes; the second one is well. */
static void test_cut_and_stall_at_each_byte(void **state)
{
    (void)state;
    for (size_t len = 0; len < sizeof hello - 1; len++) {
        for (int stall = 0; stall < 2; stall++) {
            struct rig *rig = rig_new("nats://a:4222,nats://b:4222", NULL, 20000);
            int64_t begin_ns = rig->now_ns;
            rig_settle(rig);
            rig_say_bytes(rig, hello, len, 10000);
            assert_int_equal(rig->dials, 1);
            if (stall) {
                rig_until(rig, begin_ns + RIG_MS(5000) - 1);
                assert_int_equal(rig->dials, 1);
                rig_until(rig, begin_ns + RIG_MS(5000));
            } else {
                rig_eof(rig);
            }
            assert_int_equal(rig->dials, 2);
            assert_string_equal(rig->dialed[1], "b");
            rig_hello(rig);
            assert_int_equal(rig_connect_status(rig), NKI_OK);
            assert_int_equal(rig_event_count(rig, NKI_EVENT_CONNECTED), 1);
            rig_free(rig);
        }
    }
}

/* Another byte at each place: connected or refused, at the latest at the deadline. */
static void test_garbage_at_each_byte(void **state)
{
    (void)state;
    static const char bytes[] = {'\0', '\r', '\n', ' ', '"', '{', 'x', '\xff'};
    for (size_t at = 0; at < sizeof hello - 1; at++) {
        for (size_t i = 0; i < sizeof bytes; i++) {
            char changed[sizeof hello];
            memcpy(changed, hello, sizeof hello);
            changed[at] = bytes[i];
            struct rig *rig = rig_new(one_server, NULL, 20000);
            int64_t begin_ns = rig->now_ns;
            rig_settle(rig);
            rig_say_bytes(rig, changed, sizeof hello - 1, i % 2 == 0 ? 1 : 10000);
            rig_until(rig, begin_ns + RIG_MS(5000));
            int32_t status = rig_connect_status(rig);
            assert_true(status == NKI_OK || status == NKI_PROTOCOL || status == NKI_TIMEOUT);
            assert_int_equal(rig_connected(rig), status == NKI_OK);
            rig_free(rig);
        }
    }
}

static void test_every_server_fails(void **state)
{
    (void)state;
    struct rig *rig = rig_new("a:1,b:2,c:3", NULL, 20000);
    rig->refuse = true;
    rig_settle(rig);
    assert_int_equal(rig->dials, 3);
    struct nki_error error;
    assert_int_equal(nki_op_result(rig->connect_op, NULL, &error), NKI_NO_SERVERS);
    assert_non_null(strstr(error.text, "none of 3 servers"));
    rig_free(rig);

    rig = rig_new(one_server, NULL, 20000);
    rig->refuse = true;
    rig_settle(rig);
    assert_int_equal(rig_connect_status(rig), NKI_CONNECT_REFUSED);
    rig_free(rig);
}

static void test_the_first_connect_ends_at_its_deadline(void **state)
{
    (void)state;
    struct rig *rig = rig_new(one_server, NULL, 3000);
    int64_t begin_ns = rig->now_ns;
    rig->silent = true;
    rig_settle(rig);
    rig_until(rig, begin_ns + RIG_MS(3000) - 1);
    assert_int_equal(rig_connect_status(rig), NKI_PENDING);
    rig_until(rig, begin_ns + RIG_MS(3000));
    assert_int_equal(rig_connect_status(rig), NKI_TIMEOUT);
    rig_free(rig);

    /* Two servers that stall take 5 s each: the second attempt is cut off. */
    rig = rig_new("a:1,b:1", NULL, 7000);
    rig_settle(rig);
    begin_ns = rig->now_ns;
    rig_until(rig, begin_ns + RIG_MS(7000) - 1);
    assert_int_equal(rig->dials, 2);
    assert_true(rig->dialed_ns[1] == begin_ns + RIG_MS(5000));
    assert_int_equal(rig_connect_status(rig), NKI_PENDING);
    rig_until(rig, begin_ns + RIG_MS(7000));
    struct nki_error error;
    assert_int_equal(nki_op_result(rig->connect_op, NULL, &error), NKI_TIMEOUT);
    assert_non_null(strstr(error.text, "no INFO in time"));
    rig_free(rig);
}

/* The pauses between rounds: 250 ms doubled up to 8 s, and at most 100 ms more. */
static void test_pauses_grow_to_their_cap(void **state)
{
    (void)state;
    static const int64_t pauses[] = {250, 500, 1000, 2000, 4000, 8000, 8000, 8000};
    for (int servers = 1; servers <= 2; servers++) {
        struct rig *rig = rig_new(servers == 1 ? "a:1" : "a:1,b:1", NULL, 5000);
        rig_hello(rig);
        rig->refuse = true;
        rig->dials = 0;
        int64_t at_ns = rig->now_ns;
        rig_eof(rig);
        assert_int_equal(rig->dials, servers); /* the first round at once */
        if (servers == 2) {
            assert_string_equal(rig->dialed[0], "b"); /* the one that was lost comes last */
            assert_string_equal(rig->dialed[1], "a");
        }
        for (size_t i = 0; i < NKI_ARRAY_LEN(pauses); i++) {
            int dials = rig->dials;
            rig_until(rig, at_ns + RIG_MS(pauses[i]) - 1);
            assert_int_equal(rig->dials, dials);
            int64_t due_ns = nki_engine_deadline_ns(&rig->engine);
            assert_true(due_ns <= at_ns + RIG_MS(pauses[i] + 100));
            rig_until(rig, due_ns);
            assert_int_equal(rig->dials, dials + servers);
            at_ns = due_ns;
        }
        rig->refuse = false;
        rig_pass(rig, 8100);
        rig_hello(rig);
        assert_int_equal(rig_event_count(rig, NKI_EVENT_RECONNECTED), 1);
        /* Success begins anew. */
        rig->refuse = true;
        rig->event_count = 0;
        rig_eof(rig);
        assert_true(nki_engine_deadline_ns(&rig->engine) <= rig->now_ns + RIG_MS(350));
        rig_free(rig);
    }
}

/* Let in and thrown out: the first time the next try is at once, then there is a pause. */
static void test_a_server_that_throws_us_out_at_once(void **state)
{
    (void)state;
    struct rig *rig = rig_new("a:1,b:1", NULL, 5000);
    for (int i = 0; i < 20; i++) {
        rig_hello(rig);
        rig_say(rig, "-ERR 'Maximum Control Line Exceeded'\r\n");
        assert_int_equal(rig->engine.state == NKI_ENGINE_BACKOFF, i > 0);
        int64_t due_ns = nki_engine_deadline_ns(&rig->engine);
        assert_true(i == 0 || (due_ns >= rig->now_ns + RIG_MS(250) && due_ns <= rig->now_ns + RIG_MS(350)));
        rig_pass(rig, i > 0 ? 350 : 0);
        rig->event_count = 0;
    }
    /* One that lives for a while begins anew. */
    rig_hello(rig);
    rig_pass(rig, 250);
    rig_eof(rig);
    assert_int_equal(rig->engine.state, NKI_ENGINE_WAIT_INFO);
    rig_free(rig);
}

static void test_refused_credentials_wait_for_the_cap(void **state)
{
    (void)state;
    struct rig *rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    rig_eof(rig);
    rig_say(rig, RIG_INFO);
    rig_say(rig, "-ERR 'Authorization Violation'\r\n");
    assert_int_equal(rig->engine.state, NKI_ENGINE_BACKOFF);
    assert_true(nki_engine_deadline_ns(&rig->engine) >= rig->now_ns + RIG_MS(8000));
    assert_true(nki_engine_deadline_ns(&rig->engine) <= rig->now_ns + RIG_MS(8100));
    assert_int_equal(rig_event(rig, NKI_EVENT_ASYNC_ERROR)->status, NKI_AUTH);
    rig_free(rig);
}

static void test_servers_are_given_up_after_too_many_failures(void **state)
{
    (void)state;
    static const char *const settings[] = {"max_reconnect_attempts", "2", NULL};
    struct rig *rig = rig_new("a:1,b:1", settings, 5000);
    rig_hello(rig);
    rig->refuse = true;
    rig->dials = 0;
    rig_eof(rig);
    rig_pass(rig, 60000);
    assert_int_equal(rig->dials, 4);
    assert_int_equal(rig->engine.state, NKI_ENGINE_CLOSED);
    assert_int_equal(rig_event(rig, NKI_EVENT_CLOSED)->status, NKI_CONNECT_REFUSED);
    rig_free(rig);

    static const char *const never[] = {"reconnect", "false", NULL};
    rig = rig_new("a:1,b:1", never, 5000);
    rig_hello(rig);
    rig_eof(rig);
    assert_int_equal(rig->dials, 1);
    assert_int_equal(rig->engine.state, NKI_ENGINE_CLOSED);
    rig_free(rig);
}

static void test_servers_told_of(void **state)
{
    (void)state;
    struct rig *rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    rig_say(rig, "INFO {\"connect_urls\":[\"b:4222\",\"A:4222\",\"[::1]:4222\"]}\r\n");
    assert_int_equal(rig_event(rig, NKI_EVENT_SERVERS)->count, 3);
    rig->refuse = true;
    rig->dials = 0;
    rig_eof(rig);
    assert_int_equal(rig->dials, 3);
    assert_string_equal(rig->dialed[0], "b");
    assert_string_equal(rig->dialed[2], "a");
    rig_free(rig);

    /* 200 INFO with 1000 servers each: 64 are kept. */
    rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    struct ts_buf info = {0};
    for (int i = 0; i < 200 && rig->has_stream; i++) {
        info.len = 0;
        ts_buf_printf(&info, "INFO {\"connect_urls\":[\"x:1\"");
        for (int j = 0; j < 1000; j++) {
            ts_buf_printf(&info, ",\"h%d:%d\"", i, j + 1);
        }
        ts_buf_printf(&info, "]}\r\n");
        rig_say_bytes(rig, info.at, info.len, info.len);
        rig->event_count = 0;
        assert_true(rig->engine.servers.count <= NKI_SERVERS_MAX);
    }
    assert_true(rig_connected(rig));
    ts_buf_free(&info);
    rig_free(rig);

    static const char *const alone[] = {"use_discovered", "false", NULL};
    rig = rig_new(one_server, alone, 5000);
    rig_hello(rig);
    rig_say(rig, "INFO {\"connect_urls\":[\"b:4222\"]}\r\n");
    assert_int_equal(rig->engine.servers.count, 1);
    assert_null(rig_event(rig, NKI_EVENT_SERVERS));
    rig_free(rig);
}

static void test_pings_and_a_silent_server(void **state)
{
    (void)state;
    struct rig *rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    int64_t begin_ns = rig->now_ns;
    for (int i = 1; i <= 2; i++) {
        rig->written.len = 0;
        rig_until(rig, begin_ns + RIG_MS(10000) * i - 1);
        assert_false(rig_wrote(rig, "PING\r\n"));
        rig_until(rig, begin_ns + RIG_MS(10000) * i);
        assert_true(rig_wrote(rig, "PING\r\n"));
    }
    rig_until(rig, begin_ns + RIG_MS(30000) - 1);
    assert_true(rig_connected(rig));
    rig_until(rig, begin_ns + RIG_MS(30000));
    assert_int_equal(rig_event(rig, NKI_EVENT_STALE)->status, NKI_STALE);
    assert_int_equal(rig_event(rig, NKI_EVENT_DISCONNECTED)->status, NKI_STALE);
    assert_int_equal(rig->dials, 2);
    /* One that answers stays. */
    rig_hello(rig);
    for (int i = 0; i < 20; i++) {
        rig_pass(rig, 10000);
        rig_say(rig, i % 2 == 1 ? "PONG\r\nPONG\r\n" : "");
    }
    assert_true(rig_connected(rig));
    assert_int_equal(rig_event_count(rig, NKI_EVENT_STALE), 1);
    rig_free(rig);
}

static void test_a_silent_server_is_found_beneath_many_flushes(void **state)
{
    (void)state;
    struct rig *rig = rig_new(one_server, NULL, 5000);
    rig_hello(rig);
    struct nki_op *ops[NKI_PINGS_MAX];
    for (size_t i = 0; i < NKI_PINGS_MAX; i++) {
        ops[i] = rig_flush(rig, -1);
    }
    struct nki_op *more = nki_op_new();
    assert_int_equal(nki_engine_flush(&rig->engine, more, NKI_NEVER), NKI_LIMIT);
    nki_op_release(more);
    rig_pass(rig, 30000);
    assert_int_equal(rig_event_count(rig, NKI_EVENT_STALE), 1);
    for (size_t i = 0; i < NKI_PINGS_MAX; i++) {
        assert_int_equal(rig_op_status(ops[i]), NKI_DISCONNECTED);
    }
    rig_free(rig);
}

static bool refuse_all(size_t size)
{
    (void)size;
    return false;
}

static void test_without_memory_to_subscribe_again(void **state)
{
    (void)state;
    struct rig *rig = rig_new(one_server, NULL, 20000);
    struct nki_sub *sub = rig_subscribe(rig, "a", 0);
    rig_settle(rig);
    rig_say(rig, RIG_INFO);
    nki_alloc_gate_set(refuse_all);
    nki_engine_feed(&rig->engine, (const uint8_t *)RIG_PONG, 6, rig->now_ns);
    nki_alloc_gate_set(NULL);
    rig_settle(rig);
    /* It never was connected, so the connect has failed: nobody is told otherwise. */
    assert_int_equal(rig_connect_status(rig), NKI_NO_MEMORY);
    assert_int_equal(rig_event_count(rig, NKI_EVENT_DISCONNECTED), 0);
    assert_int_equal(rig_end_reason(sub), NKI_CLOSED);
    nki_sub_release(sub);
    rig->event_count = 0;
    rig->events[rig->event_count++].type = NKI_EVENT_CLOSED; /* its event found no memory */
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_greetings),
        cmocka_unit_test(test_large_greetings),
        cmocka_unit_test(test_slow_greetings_meet_the_deadline),
        cmocka_unit_test(test_cut_and_stall_at_each_byte),
        cmocka_unit_test(test_garbage_at_each_byte),
        cmocka_unit_test(test_every_server_fails),
        cmocka_unit_test(test_the_first_connect_ends_at_its_deadline),
        cmocka_unit_test(test_pauses_grow_to_their_cap),
        cmocka_unit_test(test_a_server_that_throws_us_out_at_once),
        cmocka_unit_test(test_refused_credentials_wait_for_the_cap),
        cmocka_unit_test(test_servers_are_given_up_after_too_many_failures),
        cmocka_unit_test(test_servers_told_of),
        cmocka_unit_test(test_pings_and_a_silent_server),
        cmocka_unit_test(test_a_silent_server_is_found_beneath_many_flushes),
        cmocka_unit_test(test_without_memory_to_subscribe_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
