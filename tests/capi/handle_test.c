/* Handles and arguments of every public function, by the tables of handle_rows.c; a test compares these with
 * the list of public symbols. Needs no server. One thread. */
#include "handle_rows.h"

#include "support/proc.h"
#include "support/scripted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static natskit_msg *const no_msgs[1];
static natskit_sub acks;     /* of the publisher */
static natskit_sub failures; /* of the ingest */
static size_t count;
static char room[4096];

/* -- the tests ------------------------------------------------------------------------------------------- */

/* A message that outlives its connection. */
static void receive_one(void)
{
    struct ts_scripted *server = ts_scripted_start("handshake\n"
                                                   "< SUB a as sub\n"
                                                   "> HMSG a ${sub.sid} $JS.ACK.s.c.1.1.1.1.0 18 19\n"
                                                   "> NATS/1.0\n"
                                                   "> A: b\n"
                                                   "> \n"
                                                   "> x\n"
                                                   "wait-close\n");
    assert_non_null(server);
    assert_ok(natskit_connect(ts_scripted_url(server), Z, NO_OPTIONS, 10 * SECONDS, &conn, NULL));
    assert_ok(natskit_subscribe(conn, "a", Z, NULL, 0, NO_OPTIONS, &sub, NULL));
    assert_ok(natskit_sub_next(sub, 10 * SECONDS, &received));
    assert_ok(natskit_conn_close(conn, 0));
    assert_ok(natskit_sub_close(sub));
    assert_true(ts_scripted_wait(server, 10 * SECONDS));
    assert_true(ts_scripted_stop(server));
}

static uint64_t open_service(void)
{
    natskit_json config;
    natskit_service opened;
    natskit_sub requests;
    assert_ok(natskit_json_parse("{\"name\":\"s\",\"version\":\"1.0.0\"}", Z, &config, NULL));
    assert_ok(natskit_service_open(conn, config, NO_OPTIONS, &opened, &requests, NULL));
    assert_ok(natskit_json_close(config));
    return opened.id;
}

static int open_all(void **state)
{
    (void)fx_mark(state);
    receive_one();
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    assert_ok(natskit_headers_open(&headers));
    conn = fx_silent_conn(&op);
    drained = fx_silent_conn(NULL);
    assert_ok(natskit_subscribe(conn, "a", Z, NULL, 0, NO_OPTIONS, &sub, NULL));
    assert_ok(natskit_waitset_open(&waitset));
    assert_ok(natskit_json_parse("{\"a\":1}", Z, &json, NULL));
    assert_ok(natskit_js_open(conn, NO_OPTIONS, &js, NULL));
    assert_ok(natskit_kv_open(js, "b", Z, &kv, NULL));
    assert_ok(natskit_object_store_open(js, "b", Z, &store, NULL));
    assert_ok(natskit_object_writer_open(store, "o", Z, (natskit_json){0}, NO_OPTIONS, &writer, NULL));
    assert_ok(natskit_publisher_open(js, NO_OPTIONS, &publisher, &acks, NULL));
    assert_ok(natskit_batch_open(js, NO_OPTIONS, &batch, NULL));
    assert_ok(natskit_ingest_open(js, NO_OPTIONS, &ingest, &failures, NULL));
    service.id = open_service();
    return 0;
}

static int close_all(void **state)
{
    assert_ok(natskit_msg_release(received));
    received = NULL;
    return fx_check_clean(state);
}

static uint64_t id_of(int32_t kind)
{
    const uint64_t ids[NATSKIT_KIND_INGEST + 1] = {
        [NATSKIT_KIND_OPTIONS] = options.id,
        [NATSKIT_KIND_HEADERS] = headers.id,
        [NATSKIT_KIND_CONN] = conn.id,
        [NATSKIT_KIND_SUB] = sub.id,
        [NATSKIT_KIND_OP] = op.id,
        [NATSKIT_KIND_WAITSET] = waitset.id,
        [NATSKIT_KIND_JSON] = json.id,
        [NATSKIT_KIND_JS] = js.id,
        [NATSKIT_KIND_KV] = kv.id,
        [NATSKIT_KIND_PUBLISHER] = publisher.id,
        [NATSKIT_KIND_BATCH] = batch.id,
        [NATSKIT_KIND_INGEST] = ingest.id,
        [NATSKIT_KIND_OBJECT_STORE] = store.id,
        [NATSKIT_KIND_OBJECT_WRITER] = writer.id,
        [NATSKIT_KIND_SERVICE] = service.id,
    };
    return ids[kind];
}

static void expect(const struct row *row, uint64_t id, natskit_status wanted)
{
    memset(&error, 0, sizeof error);
    natskit_status got = row->call(id);
    if (got != wanted) {
        print_error("%s with handle %#llx of kind %d\n", row->name, (unsigned long long)id, row->kind);
    }
    assert_status(got, wanted);
    assert_true(error.status == 0 || error.status == got);
    assert_true(error.status == 0 || error.text[0] != '\0');
}

/* A new object of a kind, beside those of open_all. */
static uint64_t open_another(int32_t kind)
{
    natskit_options o = {0};
    natskit_headers h = {0};
    natskit_op p = {0};
    natskit_sub s = {0};
    natskit_waitset w = {0};
    natskit_json j = {0};
    natskit_js c = {0};
    natskit_kv b = {0};
    natskit_object_store f = {0};
    natskit_object_writer g = {0};
    natskit_publisher another = {0};
    natskit_batch many = {0};
    natskit_ingest fast = {0};
    switch (kind) {
    case NATSKIT_KIND_SERVICE:
        return open_service();
    case NATSKIT_KIND_KV:
        assert_ok(natskit_kv_open(js, "other", Z, &b, NULL));
        return b.id;
    case NATSKIT_KIND_OBJECT_STORE:
        assert_ok(natskit_object_store_open(js, "other", Z, &f, NULL));
        return f.id;
    case NATSKIT_KIND_OBJECT_WRITER:
        assert_ok(natskit_object_writer_open(store, "other", Z, (natskit_json){0}, NO_OPTIONS, &g, NULL));
        return g.id;
    case NATSKIT_KIND_JS:
        assert_ok(natskit_js_open(conn, NO_OPTIONS, &c, NULL));
        return c.id;
    case NATSKIT_KIND_PUBLISHER:
        assert_ok(natskit_publisher_open(js, NO_OPTIONS, &another, &s, NULL));
        return another.id;
    case NATSKIT_KIND_BATCH:
        assert_ok(natskit_batch_open(js, NO_OPTIONS, &many, NULL));
        return many.id;
    case NATSKIT_KIND_INGEST:
        assert_ok(natskit_ingest_open(js, NO_OPTIONS, &fast, &s, NULL));
        return fast.id;
    case NATSKIT_KIND_JSON:
        assert_ok(natskit_json_open(NATSKIT_JSON_OBJECT, &j));
        return j.id;
    case NATSKIT_KIND_OPTIONS:
        assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &o));
        return o.id;
    case NATSKIT_KIND_HEADERS:
        assert_ok(natskit_headers_open(&h));
        return h.id;
    case NATSKIT_KIND_CONN:
        return fx_silent_conn(NULL).id;
    case NATSKIT_KIND_SUB:
        assert_ok(natskit_conn_events(conn, NO_OPTIONS, &s, NULL));
        return s.id;
    case NATSKIT_KIND_OP:
        assert_ok(natskit_conn_close(fx_silent_conn(&p), 0));
        return p.id;
    default:
        assert_ok(natskit_waitset_open(&w));
        return w.id;
    }
}

static void close_one(int32_t kind, uint64_t id, natskit_status wanted)
{
    natskit_status got;
    switch (kind) {
    case NATSKIT_KIND_OPTIONS:
        got = natskit_options_close((natskit_options){id});
        break;
    case NATSKIT_KIND_HEADERS:
        got = natskit_headers_close((natskit_headers){id});
        break;
    case NATSKIT_KIND_CONN:
        got = natskit_conn_close((natskit_conn){id}, 0);
        break;
    case NATSKIT_KIND_SUB:
        got = natskit_sub_close((natskit_sub){id});
        break;
    case NATSKIT_KIND_OP:
        got = natskit_op_close((natskit_op){id});
        break;
    case NATSKIT_KIND_JS:
        got = natskit_js_close((natskit_js){id});
        break;
    case NATSKIT_KIND_SERVICE:
        got = natskit_service_close((natskit_service){id});
        break;
    case NATSKIT_KIND_KV:
        got = natskit_kv_close((natskit_kv){id});
        break;
    case NATSKIT_KIND_OBJECT_STORE:
        got = natskit_object_store_close((natskit_object_store){id});
        break;
    case NATSKIT_KIND_OBJECT_WRITER:
        got = natskit_object_writer_close((natskit_object_writer){id});
        break;
    case NATSKIT_KIND_PUBLISHER:
        got = natskit_publisher_close((natskit_publisher){id});
        break;
    case NATSKIT_KIND_BATCH:
        got = natskit_batch_close((natskit_batch){id});
        break;
    case NATSKIT_KIND_INGEST:
        got = natskit_ingest_close((natskit_ingest){id});
        break;
    case NATSKIT_KIND_JSON:
        got = natskit_json_close((natskit_json){id});
        break;
    default:
        got = natskit_waitset_close((natskit_waitset){id});
        break;
    }
    assert_status(got, wanted);
}

/* Every public symbol stands in one of the tables, or needs neither. */
static void test_tables_are_complete(void **state)
{
    (void)state;
    static const char *const neither[] = {"natskit_version", "natskit_msg_release", "natskit_headers_open",
                                          "natskit_object_reader_close"};
    size_t len;
    size_t symbols = 0;
    char *text = ts_read_file(NKI_TEST_DIR "/../capi/natskit.syms", &len);
    assert_non_null(text);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        char name[128];
        if (line[0] == '#' || sscanf(line, "%127s", name) != 1) {
            continue;
        }
        bool found = false;
        for (size_t i = 0; i < sizeof neither / sizeof neither[0]; i++) {
            found = found || strcmp(name, neither[i]) == 0;
        }
        for (size_t i = 0; i < row_count; i++) {
            found = found || strcmp(name, rows[i].name) == 0;
        }
        for (size_t i = 0; i < bad_count; i++) {
            found = found || strcmp(name, bads[i].name) == 0;
        }
        if (!found) {
            print_error("%s stands in no table of this test\n", name);
        }
        assert_true(found);
        symbols++;
    }
    assert_true(symbols > 50);
    free(text);
}

static void test_zero_and_forged(void **state)
{
    (void)state;
    for (size_t i = 0; i < row_count; i++) {
        const struct row *row = &rows[i];
        uint64_t live = id_of(row->kind);
        if (!row->optional) {
            expect(row, 0, NATSKIT_BAD_HANDLE);
        }
        expect(row, UINT64_MAX, NATSKIT_BAD_HANDLE);
        expect(row, 1, NATSKIT_BAD_HANDLE);
        expect(row, live & 0xffffffffffff, NATSKIT_BAD_HANDLE);    /* no kind */
        expect(row, live | UINT64_C(1) << 53, NATSKIT_BAD_HANDLE); /* beyond 53 bits */
        expect(row, live | UINT64_C(1) << 63, NATSKIT_BAD_HANDLE);
        expect(row, live & ~UINT64_C(0xffffff), NATSKIT_BAD_HANDLE); /* index 0 */
        expect(row, live | 0xffffff, NATSKIT_BAD_HANDLE);            /* an index that was never used */
        expect(row, live + 0x10000, NATSKIT_BAD_HANDLE);
        expect(row, live & ~(UINT64_C(0xffffff) << 24), NATSKIT_BAD_HANDLE); /* generation 0 */
        expect(row, live + (UINT64_C(1) << 24), NATSKIT_BAD_HANDLE);         /* one that is yet to come */
        for (uint64_t kind = 0; kind < 32; kind++) {
            bool fits = kind == (uint64_t)row->kind;
            if (row->either) {
                fits = kind == NATSKIT_KIND_SUB || kind == NATSKIT_KIND_OP;
            }
            if (!fits) {
                expect(row, (live & 0xffffffffffff) | kind << 48, NATSKIT_BAD_HANDLE);
            }
        }
    }
}

static void test_wrong_kind(void **state)
{
    (void)state;
    for (size_t i = 0; i < row_count; i++) {
        for (int32_t kind = 1; kind <= NATSKIT_KIND_INGEST; kind++) {
            bool fits = kind == rows[i].kind || id_of(kind) == 0 ||
                        (rows[i].either && (kind == NATSKIT_KIND_SUB || kind == NATSKIT_KIND_OP));
            if (!fits) {
                expect(&rows[i], id_of(kind), NATSKIT_BAD_HANDLE);
            }
        }
    }
}

static void test_random(void **state)
{
    (void)state;
    uint64_t random = 88172645463325252u;
    for (int turn = 0; turn < 20000; turn++) {
        const struct row *row = &rows[(size_t)turn % row_count];
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        uint64_t id = turn % 3 == 0 ? random : (random & 0xffffffffffff) | (uint64_t)row->kind << 48;
        if (id == 0 || id == id_of(row->kind)) {
            continue;
        }
        natskit_status got = row->call(id);
        assert_true(got == NATSKIT_BAD_HANDLE || got == NATSKIT_CLOSED);
    }
}

/* Closed handles, with the slot free, and with the slot used again by any kind. */
static void test_closed_and_stale(void **state)
{
    enum { LATER = 4096 };
    static natskit_headers later[LATER];
    (void)state;
    for (size_t i = 0; i < row_count; i++) {
        const struct row *row = &rows[i];
        uint64_t id = open_another(row->kind);
        close_one(row->kind, id, NATSKIT_OK);
        expect(row, id, NATSKIT_CLOSED);
        close_one(row->kind, id, NATSKIT_CLOSED);
        /* Slots are used again oldest first: this one's turn comes when all that were free are taken. */
        size_t opened = 0;
        bool reused = false;
        while (!reused && opened < LATER) {
            assert_ok(natskit_headers_open(&later[opened]));
            reused = (later[opened].id & 0xffffff) == (id & 0xffffff);
            opened++;
        }
        assert_true(reused);
        expect(row, id, NATSKIT_CLOSED);
        for (size_t k = 0; k < opened; k++) {
            assert_ok(natskit_headers_close(later[k]));
        }
    }
}

/* A live handle is what these calls are for: none says anything of the handle. */
static void test_live(void **state)
{
    (void)state;
    for (size_t i = 0; i < row_count; i++) {
        const char *name = rows[i].name;
        size_t len = strlen(name);
        if (len > 6 && (strcmp(name + len - 6, "_close") == 0 || strstr(name, "close_start") != NULL ||
                        strstr(name, "conn_drain") != NULL)) {
            continue;
        }
        natskit_status got = rows[i].call(id_of(rows[i].kind));
        if (got == NATSKIT_BAD_HANDLE || got == NATSKIT_CLOSED || got == NATSKIT_FORKED) {
            print_error("%s: %s\n", name, fx_status_name(got));
        }
        assert_int_not_equal(got, NATSKIT_BAD_HANDLE);
        assert_int_not_equal(got, NATSKIT_CLOSED);
        assert_int_not_equal(got, NATSKIT_FORKED);
    }
}

static void test_bad_arguments(void **state)
{
    (void)state;
    for (size_t i = 0; i < bad_count; i++) {
        memset(&error, 0, sizeof error);
        new_conn.id = 1;
        new_op.id = 1;
        new_sub.id = 1;
        natskit_status got = bads[i].call();
        if (got != NATSKIT_INVALID) {
            print_error("row %zu, %s: %s\n", i, bads[i].name, fx_status_name(got));
        }
        assert_status(got, NATSKIT_INVALID);
        if (error.status != 0) {
            assert_int_equal(error.status, NATSKIT_INVALID);
            assert_true(error.text[0] != '\0');
        }
    }
    assert_ok(natskit_msg_release(NULL));
    assert_ok(natskit_msg_release_batch(no_msgs, 1));
    assert_ok(natskit_msg_release_batch(NULL, 0));
    assert_ok(natskit_publish_batch(conn, NULL, sizeof(natskit_outgoing), 0, 0, &count));
}

/* The out-parameter of a call that fails is zero. */
static void test_outs_are_zeroed(void **state)
{
    (void)state;
    natskit_conn out = {7};
    natskit_op p = {7};
    natskit_sub s = {7};
    natskit_msg *m = (natskit_msg *)(void *)room;
    assert_status(natskit_connect_start("a b", Z, NO_OPTIONS, 0, &out, &p, NULL), NATSKIT_INVALID);
    assert_true(out.id == 0 && p.id == 0);
    out.id = 7;
    p.id = 7;
    assert_status(natskit_connect_start("a", Z, NO_OPTIONS, 0, &out, NULL, NULL), NATSKIT_INVALID);
    assert_true(out.id == 0);
    assert_status(natskit_subscribe(conn, "", 0, NULL, 0, NO_OPTIONS, &s, NULL), NATSKIT_INVALID);
    assert_true(s.id == 0);
    assert_status(natskit_sub_next(sub, 0, &m), NATSKIT_WOULD_BLOCK);
    assert_null(m);
    m = (natskit_msg *)(void *)room;
    assert_status(natskit_op_take_msg(op, &m), NATSKIT_PENDING);
    assert_null(m);
    count = 7;
    assert_status(natskit_sub_next_batch(sub, &m, 1, 0, &count), NATSKIT_WOULD_BLOCK);
    assert_int_equal(count, 0);
}

/* Error texts name the argument, show its value cut short, and never a control character. */
static void test_error_texts(void **state)
{
    (void)state;
    char longer[5000];
    memset(longer, 'x', sizeof longer);
    longer[10] = '\n';
    assert_status(natskit_subscribe(conn, "a..b", Z, NULL, 0, NO_OPTIONS, &new_sub, &error), NATSKIT_INVALID);
    assert_non_null(strstr(error.text, "\"a..b\""));
    assert_non_null(strstr(error.text, "subject"));
    assert_status(natskit_subscribe(conn, longer, sizeof longer, NULL, 0, NO_OPTIONS, &new_sub, &error),
                  NATSKIT_INVALID);
    assert_true(strlen(error.text) < 200);
    assert_null(strchr(error.text, '\n'));
    assert_status(natskit_subscribe(conn, "a", Z, "q\x7f", Z, NO_OPTIONS, &new_sub, &error), NATSKIT_INVALID);
    assert_non_null(strstr(error.text, "queue"));
    assert_status(natskit_subscribe((natskit_conn){0}, "a", Z, NULL, 0, NO_OPTIONS, &new_sub, &error),
                  NATSKIT_BAD_HANDLE);
    assert_non_null(strstr(error.text, "connection"));
}

/* More handles than one chunk of the table holds, closed in another order. */
static void test_many(void **state)
{
    (void)state;
    enum { MANY = 5000 };
    static natskit_headers many[MANY];
    natskit_counters now;
    for (size_t i = 0; i < MANY; i++) {
        assert_ok(natskit_headers_open(&many[i]));
        assert_true(many[i].id < UINT64_C(1) << 53);
        assert_int_equal(many[i].id >> 48, NATSKIT_KIND_HEADERS);
    }
    assert_ok(natskit_counters_get(&now, sizeof now));
    assert_int_equal(now.headers, MANY + 1);
    for (size_t i = 0; i < MANY; i++) {
        size_t k = i * 7 % MANY;
        assert_ok(natskit_headers_close(many[k]));
        assert_status(natskit_headers_close(many[k]), NATSKIT_CLOSED);
    }
    for (size_t i = 0; i < MANY; i++) {
        assert_status(natskit_headers_clear(many[i]), NATSKIT_CLOSED);
    }
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, open_all, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_are_complete),
        TEST(test_zero_and_forged),
        TEST(test_wrong_kind),
        TEST(test_random),
        TEST(test_closed_and_stale),
        TEST(test_live),
        TEST(test_bad_arguments),
        TEST(test_outs_are_zeroed),
        TEST(test_error_texts),
        TEST(test_many),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fx_server_end();
    return failed;
}
