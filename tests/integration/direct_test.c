/* Stored messages without a consumer: one by each way to ask for it, runs, and the last of each subject, on a
 * server; what they survive, and what ends them. */
#include "js_bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static natskit_conn conn;   /* of the readers, through the tap */
static natskit_conn writer; /* straight to the server */
static natskit_js js;
static natskit_js writer_js;
static char stream[8]; /* another one for each test, with subjects "<stream>.>" */

static natskit_conn connect_fast(const char *url)
{
    natskit_conn made;
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    assert_ok(natskit_options_set(options, "reconnect_wait_ms", Z, "20", Z, NULL));
    assert_ok(natskit_options_set(options, "reconnect_wait_max_ms", Z, "100", Z, NULL));
    assert_ok(natskit_connect(url, Z, options, WAIT_MS, &made, NULL));
    assert_ok(natskit_options_close(options));
    return made;
}

static int begin(void **state)
{
    (void)state;
    static int count;
    (void)snprintf(stream, sizeof stream, "D%d", ++count);
    conn = connect_fast(ts_tap_url(bench.tap));
    writer = connect_fast(ts_server_url(bench.server));
    js = jb_open(conn);
    writer_js = jb_open(writer);
    return 0;
}

static int end(void **state)
{
    (void)state;
    assert_ok(natskit_js_close(js));
    assert_ok(natskit_js_close(writer_js));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_conn_close(writer, WAIT_MS));
    return 0;
}

/* -- streams --------------------------------------------------------------------------------------------- */

static void make_stream(const char *more)
{
    jb_do(writer_js, "stream.create",
          "{'config':{'name':'%s','subjects':['%s.>'],'storage':'memory','allow_direct':true%s}}", stream,
          stream, more);
}

static const char *subject_of(const char *token)
{
    static char subject[64];
    (void)snprintf(subject, sizeof subject, "%s.%s", stream, token);
    return subject;
}

/* Stores a message of subject "<stream>.<token>", with that token as data. */
static void store_one(const char *token)
{
    assert_ok(natskit_js_publish(writer_js, subject_of(token), Z, NO_HEADERS, token, strlen(token), WAIT_MS,
                                 NULL, NULL, NULL));
}

static void store(const char *const *tokens)
{
    for (; *tokens != NULL; tokens++) {
        store_one(*tokens);
    }
}
#define STORE(...) store((const char *const[]){__VA_ARGS__, NULL})

static bool holds(void *last)
{
    natskit_json info = jb_call(writer_js, "stream.info", "{'stream':'%s'}", stream);
    uint64_t stored = jb_number(info, "/state/last_seq");
    assert_ok(natskit_json_close(info));
    return stored >= *(uint64_t *)last;
}

/* Stores messages of subjects "<stream>.0" ... "<stream>.<count - 1>". */
static void store_many(unsigned count, uint64_t last)
{
    char token[16];
    for (unsigned i = 0; i < count; i++) {
        (void)snprintf(token, sizeof token, "%u", i);
        assert_ok(natskit_publish(writer, subject_of(token), Z, NULL, 0, NO_HEADERS, token, strlen(token),
                                  WAIT_MS));
    }
    jb_wait(holds, &last);
}

/* -- one message ----------------------------------------------------------------------------------------- */

static void expect_stored(natskit_msg *msg, const char *token, uint64_t seq)
{
    natskit_stored_view view = {0};
    assert_ok(natskit_msg_stored(msg, &view, sizeof view));
    assert_int_equal(view.seq, seq);
    assert_int_equal(view.subject_len, strlen(subject_of(token)));
    assert_memory_equal(view.subject, subject_of(token), view.subject_len);
    assert_int_equal(view.data_len, strlen(token));
    assert_memory_equal(view.data, token, view.data_len);
    assert_int_equal(view.stream_len, strlen(stream));
    assert_memory_equal(view.stream, stream, view.stream_len);
    assert_true(view.time_ns > INT64_C(1600000000) * 1000000000);
    assert_ok(natskit_msg_release(msg));
}

static void expect_get(uint64_t seq, const char *subject, int64_t time_ns, uint32_t flags, const char *token,
                       uint64_t wanted)
{
    natskit_error err = {0};
    natskit_msg *msg;
    natskit_status status = natskit_js_get_msg(js, stream, Z, seq, subject, subject != NULL ? Z : 0, time_ns,
                                               flags, WAIT_MS, &msg, &err);
    if (status != NATSKIT_OK) {
        print_error("get: %s\n", err.text);
    }
    assert_ok(status);
    expect_stored(msg, token, wanted);
}

static int64_t time_of(uint64_t seq)
{
    natskit_msg *msg;
    natskit_stored_view view = {0};
    assert_ok(natskit_js_get_msg(writer_js, stream, Z, seq, NULL, 0, 0, 0, WAIT_MS, &msg, NULL));
    assert_ok(natskit_msg_stored(msg, &view, sizeof view));
    assert_ok(natskit_msg_release(msg));
    return view.time_ns;
}

static void expect_each_way(uint32_t flags)
{
    char all[32];
    (void)snprintf(all, sizeof all, "%s.*", stream);
    int64_t third_ns = time_of(3);
    expect_get(2, NULL, 0, flags, "b", 2);
    expect_get(0, subject_of("a"), 0, flags, "a", 3);
    expect_get(0, all, 0, flags, "c", 4);
    expect_get(0, subject_of("a"), 0, flags | NATSKIT_GET_NEXT, "a", 1);
    expect_get(2, subject_of("a"), 0, flags | NATSKIT_GET_NEXT, "a", 3);
    expect_get(2, all, 0, flags | NATSKIT_GET_NEXT, "b", 2);
    expect_get(0, NULL, third_ns, flags, "a", 3);
    expect_get(0, subject_of("c"), third_ns, flags | NATSKIT_GET_NEXT, "c", 4);
}

/* Directly, by the leader, and by the leader because the stream allows nothing else. */
static void test_one(void **state)
{
    (void)state;
    make_stream("");
    STORE("a", "b", "a", "c");
    expect_each_way(0);
    expect_each_way(NATSKIT_GET_BY_LEADER);
    jb_do(writer_js, "stream.update", "{'config':{'name':'%s','allow_direct':false}}", stream);
    expect_each_way(0);
}

static void test_one_is_not_there(void **state)
{
    (void)state;
    natskit_msg *msg;
    natskit_error err;
    make_stream("");
    STORE("a");
    for (uint32_t flags = 0; flags <= NATSKIT_GET_BY_LEADER; flags += NATSKIT_GET_BY_LEADER) {
        assert_status(natskit_js_get_msg(js, stream, Z, 7, NULL, 0, 0, flags, WAIT_MS, &msg, &err),
                      NATSKIT_MSG_NOT_FOUND);
        assert_int_equal(err.server_code, 404);
        assert_null(msg);
        assert_status(natskit_js_get_msg(js, stream, Z, 0, subject_of("b"), Z, 0, flags, WAIT_MS, &msg, &err),
                      NATSKIT_MSG_NOT_FOUND);
        assert_status(natskit_js_get_msg(js, "NONE", Z, 1, NULL, 0, 0, flags, WAIT_MS, &msg, &err),
                      NATSKIT_STREAM_NOT_FOUND);
    }
}

static void test_headers(void **state)
{
    (void)state;
    natskit_headers headers;
    make_stream("");
    assert_ok(natskit_headers_open(&headers));
    assert_ok(natskit_headers_add(headers, "Mine", Z, "yes", Z, NULL));
    assert_ok(natskit_headers_add(headers, "Nats-Sequence", Z, "99", Z, NULL)); /* the server's counts */
    assert_ok(natskit_js_publish(writer_js, subject_of("a"), Z, headers, "a", 1, WAIT_MS, NULL, NULL, NULL));
    assert_ok(natskit_headers_close(headers));
    for (uint32_t flags = 0; flags <= NATSKIT_GET_BY_LEADER; flags += NATSKIT_GET_BY_LEADER) {
        natskit_msg *msg;
        const char *value;
        size_t len;
        assert_ok(natskit_js_get_msg(js, stream, Z, 1, NULL, 0, 0, flags, WAIT_MS, &msg, NULL));
        assert_ok(natskit_msg_header(msg, "Mine", Z, NATSKIT_MATCH_EXACT, 0, &value, &len));
        assert_int_equal(len, 3);
        assert_memory_equal(value, "yes", 3);
        /* what the server adds is none of the message's headers */
        const char *name;
        size_t name_len;
        assert_status(natskit_msg_header(msg, "Nats-Stream", Z, NATSKIT_MATCH_EXACT, 0, &value, &len),
                      NATSKIT_NOT_FOUND);
        assert_ok(natskit_msg_header_at(msg, 1, &name, &name_len, &value, &len));
        assert_memory_equal(value, "99", len);
        assert_status(natskit_msg_header_at(msg, 2, &name, &name_len, &value, &len), NATSKIT_NOT_FOUND);
        natskit_stored_view view = {0};
        assert_ok(natskit_msg_stored(msg, &view, sizeof view));
        static const char block[] = "NATS/1.0\r\nMine: yes\r\nNats-Sequence: 99\r\n";
        assert_int_equal(view.header_block_len, sizeof block - 1);
        assert_memory_equal(view.header_block, block, view.header_block_len);
        expect_stored(msg, "a", 1);
    }
}

static void test_operation(void **state)
{
    (void)state;
    natskit_op op;
    natskit_msg *msg;
    make_stream("");
    STORE("a", "b");
    assert_ok(natskit_js_get_msg_start(js, stream, Z, 2, NULL, 0, 0, 0, NO_OPTIONS, WAIT_MS, &op, NULL));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_take_msg(op, &msg));
    assert_ok(natskit_op_close(op));
    natskit_stored_view view = {0};
    assert_ok(natskit_msg_stored(msg, &view, sizeof view));
    assert_null(view.header_block);
    expect_stored(msg, "b", 2);
}

/* -- several --------------------------------------------------------------------------------------------- */

static natskit_options options_of(int32_t scope, const char *const *pairs)
{
    natskit_options options;
    assert_ok(natskit_options_open(scope, &options));
    for (; *pairs != NULL; pairs += 2) {
        assert_ok(natskit_options_set(options, pairs[0], Z, pairs[1], Z, NULL));
    }
    return options;
}

static natskit_sub batch_with(const char *const *pairs)
{
    natskit_sub sub;
    natskit_options options = options_of(NATSKIT_OPTIONS_GET_BATCH, pairs);
    assert_ok(natskit_js_get_batch(js, stream, Z, options, &sub, NULL));
    assert_ok(natskit_options_close(options));
    return sub;
}
#define BATCH(...) batch_with((const char *const[]){__VA_ARGS__, NULL})

static natskit_sub last_with(const char *const *pairs)
{
    natskit_sub sub;
    natskit_options options = options_of(NATSKIT_OPTIONS_GET_LAST, pairs);
    assert_ok(natskit_js_get_last(js, stream, Z, options, &sub, NULL));
    assert_ok(natskit_options_close(options));
    return sub;
}
#define LAST(...) last_with((const char *const[]){__VA_ARGS__, NULL})

static natskit_msg *take(natskit_sub sub)
{
    natskit_msg *msg;
    natskit_status status = natskit_sub_next(sub, WAIT_MS, &msg);
    if (status == NATSKIT_END) {
        natskit_error err = {0};
        status = natskit_sub_reason(sub, &err);
        print_error("it has ended: %d, %s\n", status, err.text);
    }
    assert_ok(status);
    return msg;
}

static void expect(natskit_sub sub, const char *token, uint64_t seq)
{
    expect_stored(take(sub), token, seq);
}

static uint64_t seq_of(natskit_msg *msg)
{
    natskit_stored_view view = {0};
    assert_ok(natskit_msg_stored(msg, &view, sizeof view));
    assert_ok(natskit_msg_release(msg));
    return view.seq;
}

/* Nothing more comes, for this reason; closes it. */
static natskit_error expect_end(natskit_sub sub, natskit_status reason)
{
    natskit_msg *msg;
    natskit_error err = {0};
    assert_status(natskit_sub_next(sub, WAIT_MS, &msg), NATSKIT_END);
    natskit_status got = natskit_sub_reason(sub, &err);
    if (got != reason) {
        print_error("ended: %d, %s\n", got, err.text);
    }
    assert_status(got, reason);
    assert_ok(natskit_sub_close(sub));
    return err;
}

static void test_batch(void **state)
{
    (void)state;
    make_stream("");
    STORE("a", "b", "a", "c", "a");
    natskit_sub sub;
    assert_ok(natskit_js_get_batch(js, stream, Z, NO_OPTIONS, &sub, NULL));
    static const char *const all[] = {"a", "b", "a", "c", "a"};
    for (size_t i = 0; i < 5; i++) {
        expect(sub, all[i], i + 1);
    }
    expect_end(sub, NATSKIT_MAX_REACHED);

    sub = BATCH("seq", "2", "batch", "2");
    expect(sub, "b", 2);
    expect(sub, "a", 3);
    expect_end(sub, NATSKIT_MAX_REACHED);

    sub = BATCH("next_by_subj", subject_of("a"), "page_msgs", "1");
    expect(sub, "a", 1);
    expect(sub, "a", 3);
    expect(sub, "a", 5);
    expect_end(sub, NATSKIT_MAX_REACHED);

    sub = BATCH("seq", "3", "up_to_seq", "4");
    expect(sub, "a", 3);
    expect(sub, "c", 4);
    expect_end(sub, NATSKIT_MAX_REACHED);

    sub = BATCH("max_bytes", "1");
    expect(sub, "a", 1);
    expect_end(sub, NATSKIT_MAX_REACHED);

    sub = BATCH("start_time", "2020-01-01T00:00:00Z", "next_by_subj", subject_of("c"));
    expect(sub, "c", 4);
    expect_end(sub, NATSKIT_MAX_REACHED);
    expect_end(BATCH("seq", "6"), NATSKIT_MAX_REACHED);
    expect_end(BATCH("start_time", "2100-01-01T00:00:00Z"), NATSKIT_MAX_REACHED);
    expect_end(BATCH("next_by_subj", "nothing"), NATSKIT_MAX_REACHED);
}

/* Many pages, with the connection cut now and then: each once, in order. */
static void test_cuts(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    make_stream("");
    store_many(COUNT, COUNT);
    natskit_sub sub = BATCH("page_msgs", "100");
    for (uint64_t seq = 1; seq <= COUNT; seq++) {
        if (seq % 700 == 0) {
            assert_true(ts_tap_command(bench.tap, "cut"));
        }
        assert_int_equal(seq_of(take(sub)), seq);
    }
    expect_end(sub, NATSKIT_MAX_REACHED);
}

static uint64_t waiting(natskit_sub sub)
{
    natskit_sub_stats stats = {0};
    assert_ok(natskit_sub_stats_get(sub, &stats, sizeof stats));
    return stats.pending_msgs;
}

static bool has_a_page(void *arg)
{
    return waiting(*(natskit_sub *)arg) >= 100;
}

static bool has_two(void *arg)
{
    return waiting(*(natskit_sub *)arg) >= 2;
}

/* What is not taken is not asked for. */
static void test_flow(void **state)
{
    (void)state;
    make_stream("");
    store_many(1000, 1000);
    natskit_sub sub = BATCH("page_msgs", "100");
    jb_wait(has_a_page, &sub);
    for (uint64_t seq = 1; seq <= 1000; seq++) {
        assert_in_range(waiting(sub), 0, 150);
        assert_int_equal(seq_of(take(sub)), seq);
    }
    expect_end(sub, NATSKIT_MAX_REACHED);
}

static void test_last(void **state)
{
    (void)state;
    char list[100];
    make_stream("");
    STORE("a", "b", "c", "a", "b");
    natskit_sub sub;
    assert_ok(natskit_js_get_last(js, stream, Z, NO_OPTIONS, &sub, NULL));
    expect(sub, "c", 3);
    expect(sub, "a", 4);
    expect(sub, "b", 5);
    expect_end(sub, NATSKIT_MAX_REACHED);

    (void)snprintf(list, sizeof list, "%s.a,%s.b,%s.a,%s.none", stream, stream, stream, stream);
    sub = LAST("subjects", list, "page_msgs", "1");
    expect(sub, "a", 4);
    STORE("a", "b", "c"); /* the snapshot is older */
    expect(sub, "b", 5);
    expect_end(sub, NATSKIT_MAX_REACHED);

    sub = LAST("up_to_seq", "3", "page_msgs", "2");
    expect(sub, "a", 1);
    expect(sub, "b", 2);
    expect(sub, "c", 3);
    expect_end(sub, NATSKIT_MAX_REACHED);
    sub = LAST("batch", "1", "up_to_time", "2100-01-01T00:00:00Z");
    expect(sub, "a", 6);
    expect_end(sub, NATSKIT_MAX_REACHED);
    expect_end(LAST("subjects", "nothing"), NATSKIT_MAX_REACHED);
    expect_end(LAST("up_to_time", "2020-01-01T00:00:00Z"), NATSKIT_MAX_REACHED);
}

/* A stream that keeps one of each subject: what is replaced before it was read is gone, which is told. */
static void test_last_replaced(void **state)
{
    (void)state;
    make_stream(",'max_msgs_per_subject':1");
    STORE("a", "b", "c");
    natskit_sub sub = LAST("page_msgs", "2");
    jb_wait(has_two, &sub); /* the first page is there, and the second is not asked for */
    STORE("c");
    expect(sub, "a", 1);
    expect(sub, "b", 2);
    natskit_error err = expect_end(sub, NATSKIT_SNAPSHOT_CHANGED);
    assert_string_equal(err.text,
                        "1 messages of the snapshot at 3 were removed or replaced while it was read");
}

/* More subjects than one answer may hold: of a list in parts, of a wildcard not at all. */
static void test_last_many(void **state)
{
    (void)state;
    enum { COUNT = 1500 };
    static bool seen[COUNT + 1];
    make_stream("");
    store_many(COUNT, COUNT);
    natskit_sub all;
    assert_ok(natskit_js_get_last(js, stream, Z, NO_OPTIONS, &all, NULL));
    natskit_error err = expect_end(all, NATSKIT_JS_LIMIT);
    assert_int_equal(err.server_code, 413);

    natskit_options options = options_of(NATSKIT_OPTIONS_GET_LAST, (const char *const[]){NULL});
    for (unsigned i = 0; i < COUNT; i++) {
        char token[16];
        (void)snprintf(token, sizeof token, "%u", i);
        assert_ok(natskit_options_add(options, "subjects", Z, subject_of(token), Z, NULL));
    }
    natskit_sub sub;
    assert_ok(natskit_js_get_last(js, stream, Z, options, &sub, NULL));
    assert_ok(natskit_options_close(options));
    memset(seen, 0, sizeof seen);
    for (unsigned i = 0; i < COUNT; i++) {
        uint64_t seq = seq_of(take(sub));
        assert_in_range(seq, 1, COUNT);
        assert_false(seen[seq]);
        seen[seq] = true;
    }
    expect_end(sub, NATSKIT_MAX_REACHED);
}

/* -- what ends it ---------------------------------------------------------------------------------------- */

static void test_not_allowed(void **state)
{
    (void)state;
    natskit_sub sub;
    expect_end(BATCH("seq", "1"), NATSKIT_NO_DIRECT); /* no such stream */
    make_stream("");
    jb_do(writer_js, "stream.update", "{'config':{'name':'%s','allow_direct':false}}", stream);
    STORE("a");
    assert_ok(natskit_js_get_last(js, stream, Z, NO_OPTIONS, &sub, NULL));
    expect_end(sub, NATSKIT_NO_DIRECT);
}

static bool mirror_holds(void *name)
{
    natskit_json info = jb_call(writer_js, "stream.info", "{'stream':'%s'}", (const char *)name);
    uint64_t stored = jb_number(info, "/state/last_seq");
    assert_ok(natskit_json_close(info));
    return stored == 300;
}

/* A mirror answers, too, and says its own name. */
static void test_mirror(void **state)
{
    (void)state;
    char origin[8];
    char mirror[sizeof origin + 1];
    make_stream("");
    store_many(300, 300);
    memcpy(origin, stream, sizeof origin);
    (void)snprintf(mirror, sizeof mirror, "%sM", origin);
    jb_do(writer_js, "stream.create",
          "{'config':{'name':'%s','storage':'memory','mirror_direct':true,'mirror':{'name':'%s'}}}", mirror,
          origin);
    jb_wait(mirror_holds, mirror);
    for (int i = 0; i < 20; i++) {
        natskit_sub sub = BATCH("page_msgs", "20", "batch", "300");
        for (uint64_t seq = 1; seq <= 300; seq++) {
            natskit_stored_view view = {0};
            natskit_msg *msg = take(sub);
            assert_ok(natskit_msg_stored(msg, &view, sizeof view));
            assert_memory_equal(view.stream, origin, strlen(origin)); /* or with an M behind it */
            assert_int_equal(seq_of(msg), seq);
        }
        expect_end(sub, NATSKIT_MAX_REACHED);
    }
}

static void refuses(int32_t scope, const char *const *pairs, const char *text)
{
    natskit_sub sub;
    natskit_error err = {0};
    natskit_options options = options_of(scope, pairs);
    assert_status(scope == NATSKIT_OPTIONS_GET_BATCH ? natskit_js_get_batch(js, "S", Z, options, &sub, &err)
                                                     : natskit_js_get_last(js, "S", Z, options, &sub, &err),
                  NATSKIT_INVALID);
    assert_string_equal(err.text, text);
    assert_ok(natskit_options_close(options));
}
#define REFUSES(scope, text, ...)                                                                            \
    refuses(NATSKIT_OPTIONS_##scope, (const char *const[]){__VA_ARGS__, NULL}, text)

static void test_bad_options(void **state)
{
    (void)state;
    REFUSES(GET_BATCH, "options seq and start_time: only one may be given", "seq", "3", "start_time",
            "2026-01-02T03:04:05Z");
    REFUSES(GET_BATCH, "option start_time: \"yesterday\" is no time of RFC 3339", "start_time", "yesterday");
    REFUSES(GET_BATCH, "option next_by_subj: \"a..b\" has an empty token", "next_by_subj", "a..b");
    REFUSES(GET_BATCH, "option up_to_seq: 3 is before seq, 4", "seq", "4", "up_to_seq", "3");
    REFUSES(GET_LAST, "options up_to_seq and up_to_time: only one may be given", "up_to_seq", "3",
            "up_to_time", "2026-01-02T03:04:05Z");
    REFUSES(GET_LAST, "option up_to_time: \"soon\" is no time of RFC 3339", "up_to_time", "soon");
    REFUSES(GET_LAST, "option subjects: \"a.>.b\" has a misplaced wildcard", "subjects", "a,a.>.b");
}

static void refuses_get(uint64_t seq, const char *subject, int64_t time_ns, uint32_t flags, const char *text)
{
    natskit_msg *msg;
    natskit_error err = {0};
    assert_status(natskit_js_get_msg(js, "S", Z, seq, subject, subject != NULL ? Z : 0, time_ns, flags,
                                     WAIT_MS, &msg, &err),
                  NATSKIT_INVALID);
    assert_string_equal(err.text, text);
}

static void test_bad_gets(void **state)
{
    (void)state;
    refuses_get(0, NULL, 0, 0, "no seq, subject or start_time_ns is given");
    refuses_get(1, NULL, 1, 0, "seq and start_time_ns: only one may be given");
    refuses_get(1, NULL, 0, NATSKIT_GET_NEXT, "flags: the next message is one of a subject");
    refuses_get(0, "a", 0, 4, "flags: an unknown one is set");
    refuses_get(0, "a..b", 0, 0, "subject \"a..b\" has an empty token");
    refuses_get(3, "a", 0, 0, "the last message of a subject has no seq or start_time_ns to begin with");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_one),           TEST(test_one_is_not_there),
        TEST(test_headers),       TEST(test_operation),
        TEST(test_batch),         TEST(test_cuts),
        TEST(test_flow),          TEST(test_last),
        TEST(test_last_replaced), TEST(test_last_many),
        TEST(test_not_allowed),   TEST(test_mirror),
        TEST(test_bad_options),   TEST(test_bad_gets),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
