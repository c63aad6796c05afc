/* Sets of headers: checks, limits, reuse, and the way through a real server and back. Main thread; one test
 * changes a set while other threads send it. */
#include "fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static natskit_headers open_headers(void)
{
    natskit_headers headers;
    assert_ok(natskit_headers_open(&headers));
    return headers;
}

static void test_faults(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t name_len;
        const char *value;
        size_t value_len;
    } faults[] = {
        {"", 0, "v", 1},     {"a b", 3, "v", 1},       {"a:b", 3, "v", 1},   {"a\r\n", 3, "v", 1},
        {"a\0b", 3, "v", 1}, {"a\xc3\xa4", 3, "v", 1}, {"a\x7f", 2, "v", 1}, {"a", 1, "x\ry", 3},
        {"a", 1, "x\ny", 3}, {"a", 1, "x\0y", 3},      {"a", 1, "\xff", 1},  {"\t", 1, "v", 1},
    };
    natskit_headers headers = open_headers();
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        natskit_error err = {0};
        assert_status(natskit_headers_add(headers, faults[i].name, faults[i].name_len, faults[i].value,
                                          faults[i].value_len, &err),
                      NATSKIT_INVALID);
        assert_int_equal(err.status, NATSKIT_INVALID);
        assert_true(err.text[0] != '\0');
        assert_null(strpbrk(err.text, "\r\n"));
    }
    assert_ok(natskit_headers_add(headers, "a", 1, "", 0, NULL));
    assert_ok(natskit_headers_add(headers, "a", 1, NULL, 0, NULL));
    assert_ok(natskit_headers_add(headers, "!#$'*+.^_`|~{}()", Z, "\xc3\xa4: b", Z, NULL));
    assert_ok(natskit_headers_close(headers));
}

static void test_limit(void **state)
{
    (void)state;
    static char big[70000];
    memset(big, 'x', sizeof big);
    natskit_headers headers = open_headers();
    natskit_error err;
    assert_status(natskit_headers_add(headers, "a", 1, big, sizeof big, &err), NATSKIT_LIMIT);
    assert_int_equal(err.status, NATSKIT_LIMIT);
    natskit_status status = NATSKIT_OK;
    int added = 0;
    while (added < 100000) {
        status = natskit_headers_add(headers, "name", Z, "value", Z, NULL);
        if (status != NATSKIT_OK) {
            break;
        }
        added++;
    }
    assert_status(status, NATSKIT_LIMIT);
    assert_in_range(added, 4000, 65536 / 12);
    assert_ok(natskit_headers_clear(headers));
    assert_ok(natskit_headers_add(headers, "name", Z, "value", Z, NULL));
    assert_ok(natskit_headers_close(headers));
}

/* -- through a server ------------------------------------------------------------------------------------ */

static natskit_sub subscribe(natskit_conn conn, const char *subject)
{
    natskit_sub sub;
    assert_ok(natskit_subscribe(conn, subject, Z, NULL, 0, NO_OPTIONS, &sub, NULL));
    return sub;
}

static natskit_msg *next(natskit_sub sub)
{
    natskit_msg *msg;
    assert_ok(natskit_sub_next(sub, 10 * SECONDS, &msg));
    return msg;
}

static void expect_header(const natskit_msg *msg, const char *name, int32_t match, size_t index,
                          const char *wanted)
{
    const char *value;
    size_t len;
    natskit_status status = natskit_msg_header(msg, name, Z, match, index, &value, &len);
    if (wanted == NULL) {
        assert_status(status, NATSKIT_NOT_FOUND);
        return;
    }
    assert_ok(status);
    assert_true(fx_is(value, len, wanted));
}

static void test_round_trip(void **state)
{
    (void)state;
    natskit_conn conn = fx_connect();
    natskit_sub sub = subscribe(conn, "h");
    natskit_headers headers = open_headers();
    assert_ok(natskit_headers_add(headers, "Key", Z, "one", Z, NULL));
    assert_ok(natskit_headers_add(headers, "key", Z, "two", Z, NULL));
    assert_ok(natskit_headers_add(headers, "Key", Z, "three", Z, NULL));
    assert_ok(natskit_headers_add(headers, "Empty", Z, "", Z, NULL));
    assert_ok(natskit_headers_add(headers, "Text", Z, "a: b; \xe2\x82\xac", Z, NULL));
    assert_ok(natskit_publish(conn, "h", Z, NULL, 0, headers, "data", 4, 0));
    natskit_msg *msg = next(sub);
    expect_header(msg, "Key", NATSKIT_MATCH_EXACT, 0, "one");
    expect_header(msg, "Key", NATSKIT_MATCH_EXACT, 1, "three");
    expect_header(msg, "Key", NATSKIT_MATCH_EXACT, 2, NULL);
    expect_header(msg, "key", NATSKIT_MATCH_EXACT, 0, "two");
    expect_header(msg, "KEY", NATSKIT_MATCH_EXACT, 0, NULL);
    expect_header(msg, "KEY", NATSKIT_MATCH_IGNORE_CASE, 1, "two");
    expect_header(msg, "KEY", NATSKIT_MATCH_IGNORE_CASE, 2, "three");
    expect_header(msg, "Empty", NATSKIT_MATCH_EXACT, 0, "");
    expect_header(msg, "Text", NATSKIT_MATCH_EXACT, 0, "a: b; \xe2\x82\xac");
    expect_header(msg, "Tex", NATSKIT_MATCH_EXACT, 0, NULL);

    static const char *const names[] = {"Key", "key", "Key", "Empty", "Text"};
    const char *name;
    const char *value;
    size_t name_len;
    size_t value_len;
    for (size_t i = 0; i < 5; i++) {
        assert_ok(natskit_msg_header_at(msg, i, &name, &name_len, &value, &value_len));
        assert_true(fx_is(name, name_len, names[i]));
    }
    assert_status(natskit_msg_header_at(msg, 5, &name, &name_len, &value, &value_len), NATSKIT_NOT_FOUND);
    assert_status(natskit_msg_header_at(msg, SIZE_MAX, &name, &name_len, &value, &value_len),
                  NATSKIT_NOT_FOUND);
    assert_status(natskit_msg_header(msg, "", 0, NATSKIT_MATCH_EXACT, 0, &value, &value_len),
                  NATSKIT_INVALID);
    assert_status(natskit_msg_header(msg, "Key", Z, 3, 0, &value, &value_len), NATSKIT_INVALID);
    assert_status(natskit_msg_header(msg, "Key", Z, -1, 0, &value, &value_len), NATSKIT_INVALID);
    expect_header(msg, "kEY", NATSKIT_MATCH_CANONICAL, 1, "three");
    expect_header(msg, "kEY", NATSKIT_MATCH_CANONICAL, 2, NULL);
    assert_ok(natskit_msg_release(msg));
}

/* The same handle, filled anew; an empty set is no header block at all. */
static void test_reuse(void **state)
{
    (void)state;
    natskit_conn conn = fx_connect();
    natskit_sub sub = subscribe(conn, "h");
    natskit_headers headers = open_headers();
    for (int i = 0; i < 3; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "%d", i);
        assert_ok(natskit_headers_add(headers, "N", Z, text, Z, NULL));
        assert_ok(natskit_publish(conn, "h", Z, NULL, 0, headers, NULL, 0, 0));
        assert_ok(natskit_headers_clear(headers));
    }
    assert_ok(natskit_publish(conn, "h", Z, NULL, 0, headers, NULL, 0, 0));
    assert_ok(natskit_headers_close(headers));
    for (int i = 0; i < 3; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "%d", i);
        natskit_msg *msg = next(sub);
        expect_header(msg, "N", NATSKIT_MATCH_EXACT, 0, text);
        expect_header(msg, "N", NATSKIT_MATCH_EXACT, 1, NULL);
        assert_ok(natskit_msg_release(msg));
    }
    natskit_msg *msg = next(sub);
    natskit_message_view view;
    assert_ok(natskit_msg_view(msg, &view, sizeof view));
    assert_null(view.header_block);
    assert_int_equal(view.header_block_len, 0);
    expect_header(msg, "N", NATSKIT_MATCH_EXACT, 0, NULL);
    assert_ok(natskit_msg_release(msg));
}

/* -- reading and changing -------------------------------------------------------------------------------- */

/* name=value|... of a whole set, by index. */
static void expect_set(natskit_headers headers, const char *wanted)
{
    char have[512];
    size_t len = 0;
    char name[64];
    char value[64];
    size_t name_len;
    size_t value_len;
    size_t i = 0;
    while (natskit_headers_at(headers, i, name, sizeof name, &name_len, value, sizeof value, &value_len) ==
           NATSKIT_OK) {
        len += (size_t)snprintf(have + len, sizeof have - len, "%.*s=%.*s|", (int)name_len, name,
                                (int)value_len, value);
        i++;
    }
    have[len] = '\0';
    assert_string_equal(have, wanted);
    assert_status(natskit_headers_at(headers, i, name, 64, &name_len, value, 64, &value_len),
                  NATSKIT_NOT_FOUND);
    assert_status(natskit_headers_at(headers, SIZE_MAX, name, 64, &name_len, value, 64, &value_len),
                  NATSKIT_NOT_FOUND);
}

static void test_change(void **state)
{
    (void)state;
    natskit_headers headers = open_headers();
    expect_set(headers, "");
    assert_status(natskit_headers_delete(headers, "a", Z, NATSKIT_MATCH_EXACT), NATSKIT_NOT_FOUND);
    assert_ok(natskit_headers_set(headers, "x-id", Z, "1", Z, NATSKIT_MATCH_EXACT, NULL));
    assert_ok(natskit_headers_add(headers, "X-Id", Z, "2", Z, NULL));
    assert_ok(natskit_headers_add(headers, "X-ID", Z, "3", Z, NULL));
    expect_set(headers, "x-id=1|X-Id=2|X-ID=3|");
    assert_ok(natskit_headers_set(headers, "x-id", Z, "4", Z, NATSKIT_MATCH_CANONICAL, NULL));
    expect_set(headers, "x-id=1|X-ID=3|X-Id=4|");
    assert_ok(natskit_headers_set(headers, "x-id", Z, "", 0, NATSKIT_MATCH_EXACT, NULL));
    expect_set(headers, "X-ID=3|X-Id=4|x-id=|");
    natskit_error err = {0};
    assert_status(natskit_headers_set(headers, "x-id", Z, "a\nb", Z, NATSKIT_MATCH_IGNORE_CASE, &err),
                  NATSKIT_INVALID);
    assert_int_equal(err.status, NATSKIT_INVALID);
    assert_non_null(strstr(err.text, "x-id"));
    expect_set(headers, "X-ID=3|X-Id=4|x-id=|");
    assert_ok(natskit_headers_delete(headers, "x-iD", Z, NATSKIT_MATCH_CANONICAL));
    expect_set(headers, "X-ID=3|x-id=|");
    assert_status(natskit_headers_delete(headers, "X-Id", Z, NATSKIT_MATCH_EXACT), NATSKIT_NOT_FOUND);
    assert_ok(natskit_headers_delete(headers, "X-Id", Z, NATSKIT_MATCH_IGNORE_CASE));
    expect_set(headers, "");
    assert_ok(natskit_headers_set(headers, "b", 1, "5", 1, NATSKIT_MATCH_IGNORE_CASE, NULL));
    expect_set(headers, "b=5|");
    expect_set(NO_HEADERS, ""); /* {0} is the empty set to those who read it */
    assert_ok(natskit_headers_close(headers));
}

/* Buffers too small: the lengths are told, nothing is copied. */
static void test_small_buffers(void **state)
{
    (void)state;
    char name[8] = "-------";
    char value[8] = "-------";
    size_t name_len = 0;
    size_t value_len = 0;
    natskit_headers headers = open_headers();
    assert_ok(natskit_headers_add(headers, "Key", Z, "value", Z, NULL));
    assert_ok(natskit_headers_add(headers, "key", Z, "", Z, NULL));
    assert_status(natskit_headers_get(headers, "Key", Z, NATSKIT_MATCH_EXACT, 0, value, 4, &value_len),
                  NATSKIT_LIMIT);
    assert_int_equal(value_len, 5);
    assert_string_equal(value, "-------");
    assert_status(natskit_headers_get(headers, "Key", Z, NATSKIT_MATCH_EXACT, 0, NULL, 0, &value_len),
                  NATSKIT_LIMIT);
    assert_int_equal(value_len, 5);
    assert_ok(natskit_headers_get(headers, "key", Z, NATSKIT_MATCH_EXACT, 0, NULL, 0, &value_len));
    assert_int_equal(value_len, 0);
    static const size_t caps[][2] = {{2, 5}, {3, 4}, {0, 0}, {0, 5}, {3, 0}, {2, 4}};
    for (size_t i = 0; i < sizeof caps / sizeof caps[0]; i++) {
        name_len = value_len = 99;
        assert_status(natskit_headers_at(headers, 0, caps[i][0] > 0 ? name : NULL, caps[i][0], &name_len,
                                         caps[i][1] > 0 ? value : NULL, caps[i][1], &value_len),
                      NATSKIT_LIMIT);
        assert_int_equal(name_len, 3);
        assert_int_equal(value_len, 5);
        assert_string_equal(name, "-------");
        assert_string_equal(value, "-------");
    }
    assert_ok(natskit_headers_at(headers, 0, name, 3, &name_len, value, 5, &value_len));
    assert_memory_equal(name, "Key-", 4); /* no NUL */
    assert_memory_equal(value, "value-", 6);
    assert_ok(natskit_headers_get(headers, "KEY", Z, NATSKIT_MATCH_IGNORE_CASE, 1, value, 8, &value_len));
    assert_int_equal(value_len, 0);
    assert_ok(natskit_headers_get(headers, "kEY", Z, NATSKIT_MATCH_CANONICAL, 0, value, 8, &value_len));
    assert_int_equal(value_len, 5);
    assert_status(natskit_headers_get(headers, "kEY", Z, NATSKIT_MATCH_CANONICAL, 1, value, 8, &value_len),
                  NATSKIT_NOT_FOUND);
    assert_ok(natskit_headers_close(headers));
}

/* The same limit by every way in; on failure nothing has changed. */
static void test_limit_of_changes(void **state)
{
    (void)state;
    static char big[65536];
    natskit_error err;
    size_t len;
    memset(big, 'x', sizeof big);
    const size_t room = 65536 - strlen("NATS/1.0\r\nA: \r\n\r\n");
    natskit_headers headers = open_headers();
    assert_status(natskit_headers_set(headers, "A", Z, big, room + 1, NATSKIT_MATCH_EXACT, &err),
                  NATSKIT_LIMIT);
    expect_set(headers, "");
    assert_ok(natskit_headers_set(headers, "A", Z, big, room, NATSKIT_MATCH_EXACT, &err));
    assert_status(natskit_headers_set(headers, "b", Z, "", 0, NATSKIT_MATCH_EXACT, &err), NATSKIT_LIMIT);
    assert_ok(natskit_headers_set(headers, "a", Z, big, room, NATSKIT_MATCH_IGNORE_CASE, &err));
    assert_ok(natskit_headers_get(headers, "a", Z, NATSKIT_MATCH_EXACT, 0, big, sizeof big, &len));
    assert_int_equal(len, room);
    /* And over the way through a server, back into another set. */
    natskit_conn conn = fx_connect();
    natskit_sub sub = subscribe(conn, "h");
    assert_ok(natskit_publish(conn, "h", Z, NULL, 0, headers, NULL, 0, 1000));
    natskit_msg *msg = next(sub);
    natskit_headers other = open_headers();
    assert_ok(natskit_headers_add_all(other, msg, &err));
    assert_status(natskit_headers_add_all(other, msg, &err), NATSKIT_LIMIT);
    assert_int_equal(err.status, NATSKIT_LIMIT);
    assert_ok(natskit_headers_get(other, "a", Z, NATSKIT_MATCH_EXACT, 0, big, sizeof big, &len));
    assert_int_equal(len, room);
    assert_status(natskit_headers_get(other, "a", Z, NATSKIT_MATCH_EXACT, 1, big, sizeof big, &len),
                  NATSKIT_NOT_FOUND);
    assert_ok(natskit_headers_clear(other));
    assert_ok(natskit_headers_add(other, "own", Z, "1", Z, NULL));
    assert_status(natskit_headers_add_all(other, msg, NULL), NATSKIT_LIMIT);
    expect_set(other, "own=1|");
    assert_ok(natskit_msg_release(msg));
}

/* A set that is being sent, or was given to a publish, is copied before it changes. */
static void test_add_all(void **state)
{
    (void)state;
    natskit_conn conn = fx_connect();
    natskit_sub sub = subscribe(conn, "h");
    natskit_headers headers = open_headers();
    assert_ok(natskit_headers_add(headers, "K", Z, "1", Z, NULL));
    assert_ok(natskit_headers_add(headers, "k", Z, "", Z, NULL));
    assert_ok(natskit_headers_add(headers, "K", Z, "2", Z, NULL));
    assert_ok(natskit_publish(conn, "h", Z, NULL, 0, headers, NULL, 0, 1000));
    assert_ok(natskit_publish(conn, "h", Z, NULL, 0, NO_HEADERS, NULL, 0, 1000));
    natskit_msg *msg = next(sub);
    assert_ok(natskit_headers_add_all(headers, msg, NULL));
    expect_set(headers, "K=1|k=|K=2|K=1|k=|K=2|");
    assert_ok(natskit_msg_release(msg));
    msg = next(sub);
    assert_ok(natskit_headers_add_all(headers, msg, NULL)); /* which has none */
    expect_set(headers, "K=1|k=|K=2|K=1|k=|K=2|");
    assert_ok(natskit_msg_release(msg));
}

/* -- changed while it is sent ---------------------------------------------------------------------------- */

#define HANDLES                                                                                              \
    30 /* once one was changed while it was sent, its block is not lent any more: new ones are needed */

struct sender {
    natskit_conn conn;
    natskit_headers headers[HANDLES];
    atomic_int current;
    atomic_bool stop;
    atomic_int failed;
};

static void *send_all(void *arg)
{
    struct sender *sender = arg;
    while (!atomic_load(&sender->stop)) {
        natskit_headers headers = sender->headers[atomic_load(&sender->current)];
        if (natskit_publish(sender->conn, "h", Z, NULL, 0, headers, "x", 1, 1000) != NATSKIT_OK) {
            atomic_fetch_add(&sender->failed, 1);
        }
    }
    return NULL;
}

/* Every message carries the set as it was at some moment: values 0 to n - 1 in order. */
static void expect_whole(const natskit_msg *msg)
{
    const char *name;
    const char *value;
    size_t name_len;
    size_t value_len;
    char text[16];
    for (size_t i = 0; natskit_msg_header_at(msg, i, &name, &name_len, &value, &value_len) == NATSKIT_OK;
         i++) {
        (void)snprintf(text, sizeof text, "%zu", i);
        assert_true(fx_is(name, name_len, "N"));
        assert_true(fx_is(value, value_len, text));
    }
}

static void test_changed_while_sent(void **state)
{
    (void)state;
    static struct sender sender;
    pthread_t threads[2];
    sender.conn = fx_connect();
    for (int i = 0; i < HANDLES; i++) {
        sender.headers[i] = open_headers();
    }
    atomic_store(&sender.current, 0);
    natskit_sub sub = subscribe(sender.conn, "h");
    atomic_store(&sender.stop, false);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, send_all, &sender), 0);
    }
    for (int turn = 0; turn < 300; turn++) {
        char text[16];
        natskit_headers headers = sender.headers[turn % HANDLES];
        assert_ok(natskit_headers_clear(headers));
        atomic_store(&sender.current, turn % HANDLES);
        for (int i = 0; i < 20; i++) {
            (void)snprintf(text, sizeof text, "%d", i);
            assert_ok(natskit_headers_add(headers, "N", Z, text, Z, NULL));
        }
        natskit_msg *msg = next(sub);
        expect_whole(msg);
        assert_ok(natskit_msg_release(msg));
    }
    atomic_store(&sender.stop, true);
    for (size_t i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&sender.failed), 0);
    natskit_msg *msg;
    while (natskit_sub_next(sub, 0, &msg) == NATSKIT_OK) {
        expect_whole(msg);
        assert_ok(natskit_msg_release(msg));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_faults, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_limit, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_round_trip, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_reuse, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_change, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_small_buffers, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_limit_of_changes, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_add_all, fx_mark, fx_check_clean),
        cmocka_unit_test_setup_teardown(test_changed_while_sent, fx_mark, fx_check_clean),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fx_server_end();
    return failed;
}
