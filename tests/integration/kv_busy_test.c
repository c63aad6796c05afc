/* Reading a bucket while others write to it, on a real server: a key that is replaced before its turn is in
 * what a list gives, and before the mark of a watch, too. */
#include "kv_bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static natskit_conn conn;
static natskit_conn writer_conn;
static natskit_js js;
static natskit_js writer_js;

static int begin(void **state)
{
    (void)state;
    conn = bench_connect();
    js = jb_open(conn);
    writer_conn = bench_connect();
    writer_js = jb_open(writer_conn);
    return 0;
}

static int end(void **state)
{
    (void)state;
    jb_do(js, "kv.delete", "{'bucket':'BUSY'}");
    assert_ok(natskit_js_close(js));
    assert_ok(natskit_js_close(writer_js));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_conn_close(writer_conn, WAIT_MS));
    return 0;
}

static void name_key(char out[16], int number)
{
    (void)snprintf(out, 16, "k.%d", number);
}

static natskit_sub watch_all(natskit_kv kv, bool ends)
{
    return ends ? KB_WATCH(kv, "ends", "true") : KB_WATCH(kv, "keys", ">");
}

/* Takes what there was: counts the entries of each key, and gives how many keys there are. */
static int take_all(natskit_sub watch, bool ends, int *seen, int count)
{
    natskit_msg *msg = NULL;
    natskit_status status;
    int keys = 0;
    bool done = false;
    memset(seen, 0, (size_t)count * sizeof *seen);
    while (!done && (status = natskit_sub_next(watch, WAIT_MS, &msg)) == NATSKIT_OK) {
        natskit_kv_view view;
        done = natskit_msg_kv(msg, &view, sizeof view) != NATSKIT_OK;
        if (!done) {
            int number = -1;
            char key[16];
            (void)snprintf(key, sizeof key, "%.*s", (int)view.key_len, view.key);
            assert_int_equal(sscanf(key, "k.%d", &number), 1);
            assert_in_range(number, 0, count - 1);
            keys += seen[number]++ == 0;
        }
        natskit_msg_release(msg);
    }
    assert_int_equal(done, !ends);
    if (ends) {
        assert_status(natskit_sub_reason(watch, NULL), NATSKIT_MAX_REACHED);
    }
    assert_ok(natskit_sub_close(watch));
    return keys;
}

/* One that has come is written again, then one that has not: as many as there were have come before that. */
static void test_replaced_before_its_turn(void **state)
{
    enum { COUNT = 300, SIZE = 64 << 10 };
    static char value[SIZE];
    (void)state;
    for (int ends = 0; ends < 2; ends++) {
        natskit_kv kv = kb_make(js, "BUSY", ",'storage':'memory'");
        char key[16];
        int seen[COUNT];
        for (int i = 0; i < COUNT; i++) {
            name_key(key, i);
            assert_ok(natskit_kv_write(kv, NATSKIT_KV_PUT, key, Z, value, SIZE, 0, 0, WAIT_MS, NULL, NULL));
        }
        natskit_sub watch = watch_all(kv, ends);
        jb_wait_stalled(conn, watch, COUNT);
        kb_put(kv, "k.0", "again");
        name_key(key, COUNT - 1);
        kb_put(kv, key, "again");
        assert_int_equal(take_all(watch, ends, seen, COUNT), COUNT);
        assert_int_equal(seen[0], 2);
        assert_int_equal(seen[COUNT - 1], 1);
        assert_ok(natskit_kv_close(kv));
        jb_do(js, "kv.delete", "{'bucket':'BUSY'}");
    }
    assert_ok(natskit_kv_close(kb_make(js, "BUSY", "")));
}

/* -- with a writer --------------------------------------------------------------------------------------- */

enum { KEYS = 2000, ROUNDS = 40, IN_FLIGHT = 32 };

static atomic_bool writing;

/* Writes all keys again and again, in an order that differs from that of the last entries; several writes
 * under way at a time. */
static void *write_all(void *context)
{
    natskit_kv *kv = context;
    natskit_op ops[IN_FLIGHT] = {{0}};
    void *failed = NULL;
    unsigned number = 0;
    for (size_t turn = 0; atomic_load(&writing) && failed == NULL; turn++) {
        natskit_op *op = &ops[turn % IN_FLIGHT];
        char key[16];
        if (op->id != 0 && natskit_op_wait(*op, WAIT_MS) != NATSKIT_OK) {
            failed = context;
        }
        (void)natskit_op_close(*op);
        number = (number * 5 + 3) % KEYS;
        name_key(key, turn % 4 == 0 ? (int)(turn / 4 % 8) : (int)number); /* some more often than others */
        if (natskit_kv_write_start(*kv, NATSKIT_KV_PUT, key, Z, "x", 1, 0, 0, NO_OPTIONS, WAIT_MS, op,
                                   NULL) != NATSKIT_OK) {
            failed = context;
        }
    }
    for (size_t i = 0; i < IN_FLIGHT; i++) {
        (void)natskit_op_close(ops[i]);
    }
    return failed;
}

static void test_while_written(void **state)
{
    (void)state;
    natskit_kv kv = kb_make(js, "BUSY", ",'storage':'memory'");
    natskit_kv write_kv = kb_open(writer_js, "BUSY");
    int *seen = calloc(KEYS, sizeof *seen);
    assert_non_null(seen);
    for (int i = 0; i < KEYS; i++) {
        char key[16];
        name_key(key, i);
        kb_put(kv, key, "1");
    }
    pthread_t writer;
    void *failed;
    atomic_store(&writing, true);
    assert_int_equal(pthread_create(&writer, NULL, write_all, &write_kv), 0);
    for (int round = 0; round < ROUNDS; round++) {
        bool ends = round % 2 == 0;
        assert_int_equal(take_all(watch_all(kv, ends), ends, seen, KEYS), KEYS);
    }
    atomic_store(&writing, false);
    assert_int_equal(pthread_join(writer, &failed), 0);
    assert_null(failed);
    free(seen);
    assert_ok(natskit_kv_close(kv));
    assert_ok(natskit_kv_close(write_kv));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_replaced_before_its_turn),
        TEST(test_while_written),
    };
    return cmocka_run_group_tests_name("kv_busy", tests, bench_begin, bench_end);
}
