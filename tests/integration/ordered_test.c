/* Reading streams in order: where it begins, what it leaves out, what it survives, and what ends it. */
#include "js_bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static natskit_conn conn;   /* of the readers, through the tap */
static natskit_conn writer; /* straight to the server */
static natskit_js js;
static natskit_js writer_js;
static char stream[16]; /* another one for each test, with subjects "<stream>.>" */

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
    (void)snprintf(stream, sizeof stream, "O%d", ++count);
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

static void make_stream(const char *storage)
{
    jb_do(writer_js, "stream.create", "{'config':{'name':'%s','subjects':['%s.>'],'storage':'%s'}}", stream,
          stream, storage);
}

/* Stores messages of subjects "<stream>.<token>", with that token as data. */
static void store(const char *const *tokens)
{
    for (; *tokens != NULL; tokens++) {
        char subject[64];
        natskit_error err = {0};
        (void)snprintf(subject, sizeof subject, "%s.%s", stream, *tokens);
        natskit_status status = natskit_js_publish(writer_js, subject, Z, NO_HEADERS, *tokens,
                                                   strlen(*tokens), WAIT_MS, NULL, NULL, &err);
        if (status != NATSKIT_OK) {
            print_error("%s: %s\n", subject, err.text);
        }
        assert_ok(status);
    }
}
#define STORE(...) store((const char *const[]){__VA_ARGS__, NULL})

/* Stores `count` messages of `size` bytes, sequences `first` and on, of subject "<stream>.many". */
static void store_many(unsigned count, size_t size, uint64_t last)
{
    char subject[32];
    char *data = calloc(1, size);
    assert_non_null(data);
    (void)snprintf(subject, sizeof subject, "%s.many", stream);
    for (unsigned i = 0; i < count; i++) {
        assert_ok(natskit_publish(writer, subject, Z, NULL, 0, NO_HEADERS, data, size, WAIT_MS));
    }
    free(data);
    int64_t end_ms = ts_now_ms() + WAIT_MS;
    for (uint64_t stored = 0; stored < last;) {
        assert_true(ts_now_ms() < end_ms);
        natskit_json info = jb_call(writer_js, "stream.info", "{'stream':'%s'}", stream);
        stored = jb_number(info, "/state/last_seq");
        assert_ok(natskit_json_close(info));
    }
}

/* -- readers --------------------------------------------------------------------------------------------- */

/* Options of scope ORDERED: "subjects", "a.*,b", "ends", "true", NULL. */
static natskit_options options_of(const char *const *pairs)
{
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_ORDERED, &options));
    for (; *pairs != NULL; pairs += 2) {
        assert_ok(natskit_options_set(options, pairs[0], Z, pairs[1], Z, NULL));
    }
    return options;
}

static natskit_sub read_with(const char *const *pairs)
{
    natskit_sub sub;
    natskit_error err = {0};
    natskit_options options = options_of(pairs);
    natskit_status status = natskit_js_ordered(js, stream, Z, options, &sub, &err);
    if (status != NATSKIT_OK) {
        print_error("ordered: %s\n", err.text);
    }
    assert_ok(status);
    assert_ok(natskit_options_close(options));
    return sub;
}
#define READ(...) read_with((const char *const[]){__VA_ARGS__, NULL})

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

/* The next message has this token and sequence. */
static void expect(natskit_sub sub, const char *token, uint64_t seq)
{
    char subject[64];
    natskit_message_view view = {0};
    natskit_delivery_view delivery = {0};
    natskit_msg *msg = take(sub);
    (void)snprintf(subject, sizeof subject, "%s.%s", stream, token);
    assert_ok(natskit_msg_view(msg, &view, sizeof view));
    assert_int_equal(view.kind, NATSKIT_MSG_MESSAGE);
    assert_int_equal(view.subject_len, strlen(subject));
    assert_memory_equal(view.subject, subject, view.subject_len);
    assert_ok(natskit_msg_delivery(msg, &delivery, sizeof delivery));
    assert_int_equal(delivery.stream_seq, seq);
    assert_ok(natskit_msg_release(msg));
}

static void expect_done(natskit_sub sub)
{
    natskit_status_view view = {0};
    natskit_msg *msg = take(sub);
    assert_ok(natskit_msg_status(msg, &view, sizeof view));
    assert_int_equal(view.type, NATSKIT_STATUS_INITIAL_DONE);
    assert_ok(natskit_msg_release(msg));
}

/* Nothing more comes, for this reason; closes it. */
static natskit_error expect_end(natskit_sub sub, natskit_status reason)
{
    natskit_msg *msg;
    natskit_error err = {0};
    assert_status(natskit_sub_next(sub, WAIT_MS, &msg), NATSKIT_END);
    natskit_status got = natskit_sub_reason(sub, &err);
    if (got != reason) {
        print_error("ended: %d, %s\n", err.err_code, err.text);
    }
    assert_status(got, reason);
    assert_ok(natskit_sub_close(sub));
    return err;
}

static natskit_watch_info info_of(natskit_sub sub)
{
    natskit_watch_info info = {0};
    assert_ok(natskit_sub_watch_info(sub, &info, sizeof info));
    return info;
}

static bool is_live(void *arg)
{
    return info_of(*(natskit_sub *)arg).live == 1;
}

static bool is_reset(void *arg)
{
    natskit_watch_info info = info_of(*(natskit_sub *)arg);
    return info.live == 1 && info.resets > 0;
}

/* -- where it begins ------------------------------------------------------------------------------------- */

/* The time at which a message was stored, as the server writes it. */
static const char *time_of(uint64_t seq)
{
    static char time[64];
    natskit_json answer =
        jb_call(writer_js, "stream.message.get", "{'stream':'%s','seq':%" PRIu64 "}", stream, seq);
    const char *text = jb_at(answer, "/message/time");
    (void)snprintf(time, sizeof time, "%.*s", (int)(strlen(text) - 2), text + 1);
    assert_ok(natskit_json_close(answer));
    return time;
}

/* Each policy: what there is, that it is all, and what comes after it. */
static void test_policies(void **state)
{
    (void)state;
    make_stream("memory");
    STORE("a", "b", "a", "c", "b");
    static const char *const after_seq[] = {
        "deliver_policy", "by_start_sequence", "opt_start_seq", "4", "marker", "true", NULL};
    const char *const after_time[] = {
        "deliver_policy", "by_start_time", "opt_start_time", time_of(4), "marker", "true", NULL};
    natskit_sub all = READ("marker", "true");
    natskit_sub last = READ("deliver_policy", "last", "marker", "true");
    natskit_sub each = READ("deliver_policy", "last_per_subject", "marker", "true");
    natskit_sub fresh = READ("deliver_policy", "new", "marker", "true");
    natskit_sub from_seq = read_with(after_seq);
    natskit_sub from_time = read_with(after_time);
    static const char *const tokens[] = {"a", "b", "a", "c", "b"};
    for (size_t i = 0; i < 5; i++) {
        expect(all, tokens[i], i + 1);
    }
    expect(last, "b", 5);
    expect(each, "a", 3);
    const natskit_sub rest[] = {each, from_seq, from_time};
    for (size_t i = 0; i < 3; i++) {
        expect(rest[i], "c", 4);
        expect(rest[i], "b", 5);
    }
    const natskit_sub every[] = {all, last, each, fresh, from_seq, from_time};
    for (size_t i = 0; i < 6; i++) {
        expect_done(every[i]);
    }
    STORE("d");
    for (size_t i = 0; i < 6; i++) {
        expect(every[i], "d", 6);
        assert_int_equal(info_of(every[i]).last_seq, 6);
        assert_int_equal(info_of(every[i]).initial_done, 1);
        assert_ok(natskit_sub_close(every[i]));
    }
}

/* A begin in the future waits for it, and a recovery keeps it. */
static void test_begins_later(void **state)
{
    (void)state;
    make_stream("memory");
    STORE("a", "b");
    natskit_sub sub = READ("deliver_policy", "by_start_sequence", "opt_start_seq", "4", "marker", "true");
    expect_done(sub);
    assert_ok(natskit_conn_reconnect(conn, NULL));
    jb_wait(is_reset, &sub);
    STORE("c", "d");
    expect(sub, "d", 4);
    assert_ok(natskit_sub_close(sub));
    /* The first message of that sequence or behind it. */
    jb_do(writer_js, "stream.message.delete", "{'stream':'%s','seq':2}", stream);
    sub = READ("deliver_policy", "by_start_sequence", "opt_start_seq", "2", "ends", "true");
    expect(sub, "c", 3);
    expect(sub, "d", 4);
    (void)expect_end(sub, NATSKIT_MAX_REACHED);
}

static void test_defaults(void **state)
{
    (void)state;
    natskit_sub sub;
    make_stream("memory");
    STORE("a", "b");
    assert_ok(natskit_js_ordered(js, stream, Z, NO_OPTIONS, &sub, NULL));
    expect(sub, "a", 1);
    expect(sub, "b", 2);
    STORE("c");
    expect(sub, "c", 3); /* and no status between */
    natskit_pull_info pull;
    assert_status(natskit_sub_pull_info(sub, &pull, sizeof pull), NATSKIT_NOT_FOUND);
    assert_ok(natskit_sub_close(sub));
}

/* -- what comes ------------------------------------------------------------------------------------------ */

static void test_subjects(void **state)
{
    (void)state;
    char one[32];
    char two[64];
    make_stream("memory");
    STORE("a.1", "b.1", "c.1", "a.2", "c.2");
    (void)snprintf(one, sizeof one, "%s.a.*", stream);
    (void)snprintf(two, sizeof two, "%s.a.>,%s.c.2", stream, stream);
    natskit_sub sub = READ("subjects", one, "marker", "true");
    expect(sub, "a.1", 1);
    expect(sub, "a.2", 4);
    expect_done(sub);
    natskit_sub both = READ("subjects", two, "marker", "true");
    expect(both, "a.1", 1);
    expect(both, "a.2", 4);
    expect(both, "c.2", 5);
    expect_done(both);
    natskit_sub last = READ("subjects", two, "deliver_policy", "last_per_subject", "ends", "true");
    expect(last, "a.1", 1);
    expect(last, "a.2", 4);
    expect(last, "c.2", 5);
    (void)expect_end(last, NATSKIT_MAX_REACHED);
    STORE("b.2", "a.3");
    expect(sub, "a.3", 7);
    expect(both, "a.3", 7);
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_sub_close(both));
    (void)expect_end(READ("subjects", "elsewhere.>", "ends", "true"), NATSKIT_MAX_REACHED);
}

static void test_headers_only(void **state)
{
    (void)state;
    natskit_message_view view = {0};
    const char *value;
    size_t len;
    make_stream("memory");
    STORE("abc");
    natskit_sub sub = READ("headers_only", "true", "ends", "true");
    natskit_msg *msg = take(sub);
    assert_ok(natskit_msg_view(msg, &view, sizeof view));
    assert_int_equal(view.data_len, 0);
    assert_ok(natskit_msg_header(msg, "Nats-Msg-Size", Z, NATSKIT_MATCH_EXACT, 0, &value, &len));
    assert_int_equal(len, 1);
    assert_int_equal(value[0], '3');
    assert_ok(natskit_msg_release(msg));
    (void)expect_end(sub, NATSKIT_MAX_REACHED);
}

static void test_empty(void **state)
{
    (void)state;
    static const char *const policies[] = {"all", "new", "last", "last_per_subject"};
    make_stream("memory");
    for (size_t i = 0; i < 4; i++) {
        (void)expect_end(READ("deliver_policy", policies[i], "ends", "true"), NATSKIT_MAX_REACHED);
    }
    natskit_sub sub = READ("marker", "true");
    expect_done(sub);
    STORE("a");
    expect(sub, "a", 1);
    assert_ok(natskit_sub_close(sub));
}

/* -- what it survives ------------------------------------------------------------------------------------ */

static void delete_consumers(void)
{
    natskit_json names = jb_call(writer_js, "consumer.names", "{'stream':'%s'}", stream);
    size_t count = jb_size(names, "/consumers");
    for (size_t i = 0; i < count; i++) {
        char path[32];
        (void)snprintf(path, sizeof path, "/consumers/%zu", i);
        natskit_json args = jb_json("{'stream':'%s','consumer':%s}", stream, jb_at(names, path));
        natskit_json answer;
        natskit_status status =
            natskit_js_call(writer_js, "consumer.delete", Z, args, WAIT_MS, &answer, NULL);
        /* On a machine that stood still it may have been replaced by now. */
        assert_true(status == NATSKIT_OK || status == NATSKIT_CONSUMER_NOT_FOUND);
        assert_ok(natskit_json_close(args));
        assert_true(status != NATSKIT_OK || natskit_json_close(answer) == NATSKIT_OK);
    }
    assert_ok(natskit_json_close(names));
}

/* The last message of each subject, more than lies ready; the consumer is lost before they have come, and
 * what is stored meanwhile is of one subject: each of that comes, and not the last one alone. */
static void test_deleted_at_the_begin(void **state)
{
    (void)state;
    enum { EACH = 40, SIZE = 200 * 1000 };
    char token[16];
    char *data = calloc(1, SIZE);
    assert_non_null(data);
    make_stream("memory");
    for (int i = 1; i <= EACH; i++) {
        char subject[64];
        (void)snprintf(subject, sizeof subject, "%s.%d", stream, i);
        assert_ok(
            natskit_js_publish(writer_js, subject, Z, NO_HEADERS, data, SIZE, WAIT_MS, NULL, NULL, NULL));
    }
    free(data);
    natskit_sub sub = READ("deliver_policy", "last_per_subject", "heartbeat_ms", "500");
    jb_wait(is_live, &sub);
    expect(sub, "1", 1);
    assert_int_equal(info_of(sub).initial_done, 0); /* the server waits */
    STORE("live", "live", "live");
    delete_consumers();
    for (int i = 2; i <= EACH; i++) {
        (void)snprintf(token, sizeof token, "%d", i);
        expect(sub, token, (uint64_t)i);
    }
    for (int i = 1; i <= 3; i++) {
        expect(sub, "live", EACH + (uint64_t)i);
    }
    STORE("live");
    expect(sub, "live", EACH + 4);
    assert_true(info_of(sub).resets > 0);
    assert_ok(natskit_sub_close(sub));
}

static void test_consumer_deleted(void **state)
{
    (void)state;
    make_stream("memory");
    natskit_sub sub = READ("heartbeat_ms", "200");
    STORE("a");
    expect(sub, "a", 1);
    delete_consumers();
    STORE("b", "c");
    int64_t begin_ms = ts_now_ms();
    expect(sub, "b", 2);
    expect(sub, "c", 3);
    assert_true(ts_now_ms() - begin_ms < 5000); /* 0.4 s, and what a busy machine adds */
    assert_true(info_of(sub).resets >= 1);      /* a stall of the machine is one, too */
    assert_ok(natskit_sub_close(sub));
}

static void test_restart(void **state)
{
    (void)state;
    make_stream("file");
    natskit_sub sub = READ("heartbeat_ms", "1000");
    STORE("a", "b");
    expect(sub, "a", 1);
    expect(sub, "b", 2);
    for (unsigned i = 0; i < 2; i++) {
        if (i == 1) {
            ts_server_kill(bench.server);
        }
        assert_true(ts_server_restart(bench.server));
        jb_wait_ready(writer_js);
        STORE("c", "d");
        expect(sub, "c", 2 * i + 3);
        expect(sub, "d", 2 * i + 4);
    }
    assert_true(info_of(sub).resets >= 2);
    assert_int_equal(info_of(sub).rewinds, 0);
    assert_ok(natskit_sub_close(sub));
}

static void test_purge(void **state)
{
    (void)state;
    make_stream("memory");
    natskit_sub sub = READ("marker", "true");
    expect_done(sub);
    STORE("a", "b");
    expect(sub, "a", 1);
    expect(sub, "b", 2);
    jb_do(writer_js, "stream.purge", "{'stream':'%s'}", stream);
    STORE("c");
    expect(sub, "c", 3);
    assert_ok(natskit_conn_reconnect(conn, NULL));
    jb_do(writer_js, "stream.purge", "{'stream':'%s'}", stream);
    STORE("d");
    expect(sub, "d", 4);
    assert_int_equal(info_of(sub).rewinds, 0);
    assert_ok(natskit_sub_close(sub));
}

/* What there was is purged while it is read: it ends all the same. */
static void test_purged_meanwhile(void **state)
{
    enum { COUNT = 8000 };
    (void)state;
    make_stream("memory");
    store_many(COUNT, 1024, COUNT);
    natskit_sub sub = READ("ends", "true", "heartbeat_ms", "200");
    expect(sub, "many", 1);
    jb_do(writer_js, "stream.purge", "{'stream':'%s'}", stream);
    unsigned taken = 1;
    natskit_msg *msg;
    natskit_status status;
    while ((status = natskit_sub_next(sub, WAIT_MS, &msg)) == NATSKIT_OK) {
        assert_ok(natskit_msg_release(msg));
        taken++;
    }
    assert_status(status, NATSKIT_END);
    assert_true(taken < COUNT); /* the server waits until what it has sent is taken */
    (void)expect_end(sub, NATSKIT_MAX_REACHED);
}

/* Messages expire or are deleted one by one: gaps are no loss. */
static void test_gaps(void **state)
{
    (void)state;
    make_stream("memory");
    STORE("a", "b", "c", "d");
    jb_do(writer_js, "stream.message.delete", "{'stream':'%s','seq':1}", stream);
    jb_do(writer_js, "stream.message.delete", "{'stream':'%s','seq':3}", stream);
    natskit_sub sub = READ("ends", "true");
    expect(sub, "b", 2);
    expect(sub, "d", 4);
    (void)expect_end(sub, NATSKIT_MAX_REACHED);
}

/* An ack asks for nothing here: it is no error, and changes nothing. */
static void test_acks(void **state)
{
    (void)state;
    make_stream("memory");
    STORE("a", "b");
    natskit_sub sub = READ("marker", "true");
    natskit_msg *msg = take(sub);
    assert_ok(natskit_msg_ack(msg));
    assert_ok(natskit_msg_release(msg));
    expect(sub, "b", 2);
    expect_done(sub);
    assert_int_equal(info_of(sub).resets, 0);
    assert_ok(natskit_sub_close(sub));
}

/* -- ends ------------------------------------------------------------------------------------------------ */

static void test_deleted_stream(void **state)
{
    (void)state;
    make_stream("memory");
    natskit_sub sub = READ("heartbeat_ms", "200");
    STORE("a");
    expect(sub, "a", 1);
    jb_do(writer_js, "stream.delete", "{'stream':'%s'}", stream);
    natskit_error err = expect_end(sub, NATSKIT_STREAM_NOT_FOUND);
    assert_int_equal(err.err_code, 10059);
    err = expect_end(READ("ends", "true"), NATSKIT_STREAM_NOT_FOUND); /* there never was one */
    assert_int_equal(err.err_code, 10059);
}

static void test_refused(void **state)
{
    (void)state;
    char overlap[64];
    make_stream("memory");
    (void)snprintf(overlap, sizeof overlap, "%s.>,%s.a", stream, stream);
    natskit_error err = expect_end(READ("subjects", overlap), NATSKIT_JS_REFUSED);
    assert_int_equal(err.err_code, 10138);
}

static void test_closes(void **state)
{
    (void)state;
    make_stream("memory");
    natskit_js own = jb_open(conn);
    natskit_sub sub;
    natskit_sub drained;
    natskit_msg *msg;
    assert_ok(natskit_js_ordered(own, stream, Z, NO_OPTIONS, &sub, NULL));
    assert_ok(natskit_js_ordered(own, stream, Z, NO_OPTIONS, &drained, NULL));
    assert_ok(natskit_js_close(own)); /* it lives on */
    STORE("a");
    expect(sub, "a", 1);
    expect(drained, "a", 1);
    jb_wait(is_live, &drained);
    assert_ok(natskit_sub_drain(drained, WAIT_MS, NULL));
    assert_status(natskit_sub_next(drained, WAIT_MS, &msg), NATSKIT_END);
    assert_ok(natskit_sub_close(drained));
    assert_ok(natskit_sub_close(sub));
    for (int64_t end_ms = ts_now_ms() + WAIT_MS;;) { /* they take their consumers along */
        natskit_json names = jb_call(writer_js, "consumer.names", "{'stream':'%s'}", stream);
        uint64_t left = jb_number(names, "/total");
        assert_ok(natskit_json_close(names));
        if (left == 0) {
            break;
        }
        assert_true(ts_now_ms() < end_ms);
        ts_pause_ms(10);
    }
}

/* -- bad arguments --------------------------------------------------------------------------------------- */

/* Refused before anything is sent, with this text. */
static void refuses(const char *const *pairs, const char *text)
{
    natskit_sub sub;
    natskit_error err = {0};
    natskit_options options = options_of(pairs);
    assert_status(natskit_js_ordered(js, "S", Z, options, &sub, &err), NATSKIT_INVALID);
    assert_int_equal(sub.id, 0);
    assert_string_equal(err.text, text);
    assert_ok(natskit_options_close(options));
}
#define REFUSES(text, ...) refuses((const char *const[]){__VA_ARGS__, NULL}, text)

static void test_bad_options(void **state)
{
    (void)state;
    REFUSES("option opt_start_seq: it needs deliver_policy by_start_sequence", "opt_start_seq", "3");
    REFUSES("option opt_start_seq: it needs deliver_policy by_start_sequence", "opt_start_seq", "3",
            "deliver_policy", "by_start_time", "opt_start_time", "2026-01-02T03:04:05Z");
    REFUSES("option deliver_policy: by_start_sequence needs option opt_start_seq", "deliver_policy",
            "by_start_sequence");
    REFUSES("option opt_start_time: it needs deliver_policy by_start_time", "opt_start_time",
            "2026-01-02T03:04:05Z");
    REFUSES("option deliver_policy: by_start_time needs option opt_start_time", "deliver_policy",
            "by_start_time");
    REFUSES("option opt_start_time: \"yesterday\" is no time of RFC 3339", "deliver_policy", "by_start_time",
            "opt_start_time", "yesterday");
    REFUSES("option subjects: \"a..b\" has an empty token", "subjects", "a,a..b");
    REFUSES("option subjects: \"a.>.b\" has a misplaced wildcard", "subjects", "a.>.b");
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_ORDERED, &options));
    assert_status(natskit_options_set(options, "heartbeat_ms", Z, "99", Z, NULL), NATSKIT_INVALID);
    assert_status(natskit_options_set(options, "deliver_policy", Z, "first", Z, NULL), NATSKIT_INVALID);
    assert_status(natskit_options_set(options, "opt_start_seq", Z, "-1", Z, NULL), NATSKIT_INVALID);
    assert_ok(natskit_options_close(options));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_policies),
        TEST(test_begins_later),
        TEST(test_defaults),
        TEST(test_subjects),
        TEST(test_headers_only),
        TEST(test_empty),
        TEST(test_consumer_deleted),
        TEST(test_deleted_at_the_begin),
        TEST(test_restart),
        TEST(test_purge),
        TEST(test_purged_meanwhile),
        TEST(test_gaps),
        TEST(test_acks),
        TEST(test_deleted_stream),
        TEST(test_refused),
        TEST(test_closes),
        TEST(test_bad_options),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
