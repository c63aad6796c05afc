/* Reading a store's objects, and streams in order, while others write, on a real server: what is replaced
 * before its turn is in what a list gives, and before the mark, too. (Of buckets: kv_busy_test.c.) */
#include "object_bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum reader { LIST, WATCH, ALL, ALL_MARK, LAST, LAST_MARK, READERS };

static natskit_conn conn;
static natskit_conn writer_conn;
static natskit_js js;
static natskit_js writer_js;
static natskit_object_store store; /* the reader's */

static int begin(void **state)
{
    (void)state;
    conn = bench_connect();
    js = jb_open(conn);
    writer_conn = bench_connect();
    writer_js = jb_open(writer_conn);
    store = ob_make(js, "BUSY", ",'storage':'memory'");
    jb_do(js, "stream.create",
          "{'config':{'name':'BUSY','subjects':['busy.*'],'storage':'memory','max_msgs_per_subject':1}}");
    return 0;
}

static int end(void **state)
{
    (void)state;
    jb_do(js, "stream.delete", "{'stream':'OBJ_BUSY'}");
    jb_do(js, "stream.delete", "{'stream':'BUSY'}");
    assert_ok(natskit_object_store_close(store));
    assert_ok(natskit_js_close(js));
    assert_ok(natskit_js_close(writer_js));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_conn_close(writer_conn, WAIT_MS));
    return 0;
}

static bool of_objects(enum reader reader)
{
    return reader == LIST || reader == WATCH;
}

static bool ends(enum reader reader)
{
    return reader == LIST || reader == ALL || reader == LAST;
}

/* Puts an object without content whose info has so many bytes more, or stores a message of so many. */
static natskit_status write_one(natskit_js of, enum reader reader, int number, size_t size)
{
    char name[24];
    char *text = malloc(size + 1);
    natskit_status status = NATSKIT_NO_MEMORY;
    if (text == NULL) {
        return status;
    }
    memset(text, 'x', size);
    if (of_objects(reader)) {
        natskit_object_store writes = {0};
        natskit_json meta = {0};
        (void)snprintf(name, sizeof name, "n.%d", number);
        status = natskit_object_store_open(of, "BUSY", Z, &writes, NULL);
        status = status == NATSKIT_OK ? natskit_json_open(NATSKIT_JSON_OBJECT, &meta) : status;
        status = status == NATSKIT_OK ? natskit_json_set_string(meta, "/description", Z, text, size, NULL)
                                      : status;
        status = status == NATSKIT_OK
                     ? natskit_object_put(writes, name, Z, meta, "", 0, NO_OPTIONS, WAIT_MS, NULL, NULL)
                     : status;
        (void)natskit_json_close(meta);
        (void)natskit_object_store_close(writes);
    } else {
        (void)snprintf(name, sizeof name, "busy.%d", number);
        status = natskit_js_publish(of, name, Z, NO_HEADERS, text, size, WAIT_MS, NULL, NULL, NULL);
    }
    free(text);
    return status;
}

static natskit_sub read_by(enum reader reader)
{
    natskit_sub sub;
    natskit_options options;
    assert_ok(natskit_options_open(
        of_objects(reader) ? NATSKIT_OPTIONS_OBJECT_WATCH : NATSKIT_OPTIONS_ORDERED, &options));
    assert_ok(natskit_options_set(options, ends(reader) ? "ends" : "marker", Z, "true", Z, NULL));
    if (of_objects(reader)) {
        assert_ok(natskit_object_watch(store, options, &sub, NULL));
    } else {
        const char *policy = reader == ALL || reader == ALL_MARK ? "all" : "last_per_subject";
        assert_ok(natskit_options_set(options, "deliver_policy", Z, policy, Z, NULL));
        assert_ok(natskit_options_set(options, "subjects", Z, "busy.*", Z, NULL));
        assert_ok(natskit_js_ordered(js, "BUSY", Z, options, &sub, NULL));
    }
    assert_ok(natskit_options_close(options));
    return sub;
}

/* The number of what a message tells of, or -1: it is the mark. */
static int number_of(natskit_msg *msg)
{
    natskit_object_view object;
    natskit_message_view view;
    natskit_status_view mark;
    char name[24];
    int number = -1;
    if (natskit_msg_status(msg, &mark, sizeof mark) == NATSKIT_OK) {
        assert_int_equal(mark.type, NATSKIT_STATUS_INITIAL_DONE);
        return -1;
    }
    if (natskit_msg_object(msg, &object, sizeof object) == NATSKIT_OK) {
        (void)snprintf(name, sizeof name, "%.*s", (int)object.name_len, object.name);
        assert_int_equal(sscanf(name, "n.%d", &number), 1);
    } else {
        assert_ok(natskit_msg_view(msg, &view, sizeof view));
        (void)snprintf(name, sizeof name, "%.*s", (int)view.subject_len, view.subject);
        assert_int_equal(sscanf(name, "busy.%d", &number), 1);
    }
    return number;
}

/* Takes what there was: how often each number came, and gives how many of them did. */
static int take_all(natskit_sub sub, enum reader reader, int *seen, int count)
{
    natskit_msg *msg = NULL;
    int came = 0;
    bool done = false;
    memset(seen, 0, (size_t)count * sizeof *seen);
    while (!done && natskit_sub_next(sub, WAIT_MS, &msg) == NATSKIT_OK) {
        int number = number_of(msg);
        done = number < 0;
        if (!done) {
            assert_in_range(number, 0, count - 1);
            came += seen[number]++ == 0;
        }
        natskit_msg_release(msg);
    }
    assert_int_equal(done, !ends(reader));
    if (ends(reader)) {
        assert_status(natskit_sub_reason(sub, NULL), NATSKIT_MAX_REACHED);
    }
    assert_ok(natskit_sub_close(sub));
    return came;
}

/* One that has come is written again, then one that has not: as many as there were have come before that. */
static void test_replaced_before_its_turn(void **state)
{
    enum { COUNT = 300, SIZE = 64 << 10 };
    (void)state;
    for (enum reader reader = LIST; reader < READERS; reader++) {
        int seen[COUNT];
        for (int i = 0; i < COUNT; i++) {
            assert_ok(write_one(writer_js, reader, i, SIZE));
        }
        natskit_sub sub = read_by(reader);
        jb_wait_stalled(conn, sub, COUNT);
        assert_ok(write_one(writer_js, reader, 0, 1));
        assert_ok(write_one(writer_js, reader, COUNT - 1, 1));
        assert_int_equal(take_all(sub, reader, seen, COUNT), COUNT);
        assert_int_equal(seen[0], 2);
        assert_int_equal(seen[COUNT - 1], 1);
    }
}

/* -- with writers ---------------------------------------------------------------------------------------- */

enum { NAMES = 500, ROUNDS = 10, WRITERS = 4 };

struct writer {
    natskit_js js;
    enum reader reader;
    unsigned number;
};

static atomic_bool writing;

/* Writes all again and again, in an order that differs from that in which they are. */
static void *write_all(void *context)
{
    struct writer *writer = context;
    while (atomic_load(&writing)) {
        writer->number = (writer->number * 21 + 7) % NAMES; /* each in turn */
        if (write_one(writer->js, writer->reader, (int)writer->number, 1) != NATSKIT_OK) {
            return context;
        }
    }
    return NULL;
}

static void test_while_written(void **state)
{
    (void)state;
    int *seen = calloc(NAMES, sizeof *seen);
    assert_non_null(seen);
    for (enum reader reader = LIST; reader < READERS; reader++) {
        pthread_t threads[WRITERS];
        struct writer writers[WRITERS];
        for (int i = 0; i < NAMES; i++) {
            assert_ok(write_one(writer_js, reader, i, 1));
        }
        atomic_store(&writing, true);
        for (unsigned i = 0; i < WRITERS; i++) {
            writers[i] = (struct writer){writer_js, reader, i * NAMES / WRITERS};
            assert_int_equal(pthread_create(&threads[i], NULL, write_all, &writers[i]), 0);
        }
        int fewest = NAMES;
        for (int round = 0; round < ROUNDS; round++) {
            int came = take_all(read_by(reader), reader, seen, NAMES);
            fewest = came < fewest ? came : fewest;
        }
        atomic_store(&writing, false);
        for (unsigned i = 0; i < WRITERS; i++) {
            void *failed;
            assert_int_equal(pthread_join(threads[i], &failed), 0);
            assert_null(failed);
        }
        assert_int_equal(fewest, NAMES);
    }
    free(seen);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_replaced_before_its_turn),
        TEST(test_while_written),
    };
    return cmocka_run_group_tests_name("busy", tests, bench_begin, bench_end);
}
