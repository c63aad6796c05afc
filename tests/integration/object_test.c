/* Object stores of a real server: configuration, putting and getting, what objects are, links, watches, and
 * what does not succeed. What puts and gets survive: object_faults_test.c. */
#include "object_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK ((size_t)131072)

static natskit_conn conn;
static natskit_js js;
static natskit_object_store store;
static char bucket[16];

static int begin(void **state)
{
    (void)state;
    static int count;
    (void)snprintf(bucket, sizeof bucket, "S%d", ++count);
    conn = bench_connect();
    js = jb_open(conn);
    store = ob_make(js, bucket, "");
    return 0;
}

static int end(void **state)
{
    (void)state;
    jb_do(js, "stream.delete", "{'stream':'OBJ_%s'}", bucket);
    assert_ok(natskit_object_store_close(store));
    assert_ok(natskit_js_close(js));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    return 0;
}

static bool is(const char *at, size_t len, const char *text)
{
    return len == strlen(text) && memcmp(at, text, len) == 0;
}

/* -- configuration --------------------------------------------------------------------------------------- */

static void test_config(void **state)
{
    (void)state;
    natskit_json out;
    natskit_json wanted = jb_json("{'bucket':'B','description':'d','ttl':60000000000,'max_bytes':1000,"
                                  "'storage':'memory','num_replicas':1,'compression':true,"
                                  "'metadata':{'a':'b'},'placement':{'tags':['t']}}");
    assert_ok(natskit_object_store_config(wanted, &out, NULL));
    assert_at(out, "/name", "'OBJ_B'");
    assert_at(out, "/subjects", "['$O.B.C.>','$O.B.M.>']");
    assert_at(out, "/discard", "'new'");
    assert_at(out, "/allow_rollup_hdrs", "true");
    assert_at(out, "/allow_direct", "true");
    assert_at(out, "/max_age", "60000000000");
    assert_at(out, "/max_bytes", "1000");
    assert_at(out, "/storage", "'memory'");
    assert_at(out, "/compression", "'s2'");
    assert_at(out, "/metadata", "{'a':'b'}");
    assert_at(out, "/placement/tags", "['t']");
    assert_ok(natskit_json_close(out));
    assert_ok(natskit_json_close(wanted));
    static const char *const wrong[] = {"{}",
                                        "{'bucket':''}",
                                        "{'bucket':'a.b'}",
                                        "{'bucket':'b','ttl':-1}",
                                        "{'bucket':'b','history':2}",
                                        "{'bucket':'b','compression':1}",
                                        "[]"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        natskit_error err = {0};
        wanted = jb_json("%s", wrong[i]);
        assert_status(natskit_object_store_config(wanted, &out, &err), NATSKIT_INVALID);
        assert_true(strncmp(err.text, "bucket", 6) == 0);
        assert_ok(natskit_json_close(wanted));
    }
}

/* -- content --------------------------------------------------------------------------------------------- */

static void test_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 10 * 1024 * 1024};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        natskit_object_view view;
        uint8_t *data = ob_bytes(sizes[i], (unsigned)i);
        ob_put(store, "object", data, sizes[i]);
        ob_expect(store, "object", data, sizes[i]);
        natskit_msg *info = ob_info(store, "object", 0, &view);
        assert_int_equal(view.size, sizes[i]);
        assert_int_equal(view.chunks, (sizes[i] + CHUNK - 1) / CHUNK);
        assert_int_equal(view.max_chunk_size, CHUNK);
        assert_true(is(view.bucket, view.bucket_len, bucket));
        assert_int_equal(view.digest_len, 52);
        assert_false(view.deleted);
        assert_true(view.time_ns > INT64_C(1700000000000000000));
        if (sizes[i] == 0) {
            assert_true(
                is(view.digest, view.digest_len, "SHA-256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU="));
        }
        assert_ok(natskit_msg_release(info));
        /* only the last version's chunks are left */
        assert_int_equal(ob_chunks(js, bucket), (sizes[i] + CHUNK - 1) / CHUNK);
        free(data);
    }
}

static void test_names(void **state)
{
    (void)state;
    static const char *const names[] = {
        "a", "a b", "a/b.c>*", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "quote\"back\\slash", "line\nfeed\t"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        natskit_object_view view;
        ob_put_text(store, names[i], names[i]);
        ob_expect_text(store, names[i], names[i]);
        natskit_msg *info = ob_info(store, names[i], 0, &view);
        assert_true(is(view.name, view.name_len, names[i]));
        assert_ok(natskit_msg_release(info));
    }
    char longest[1025];
    memset(longest, 'x', sizeof longest);
    natskit_msg *info;
    natskit_error err;
    assert_status(natskit_object_info(store, longest, 1025, 0, 0, &info, &err), NATSKIT_INVALID);
    assert_status(natskit_object_info(store, "", 0, 0, 0, &info, &err), NATSKIT_INVALID);
    assert_status(natskit_object_info(store, "a\0b", 3, 0, 0, &info, &err), NATSKIT_INVALID);
    assert_status(natskit_object_info(store, "\xff", 1, 0, 0, &info, &err), NATSKIT_INVALID);
    assert_ok(natskit_object_put(store, longest, 1024, NO_META, "x", 1, NO_OPTIONS, WAIT_MS, NULL, NULL));
    assert_ok(natskit_object_info(store, longest, 1024, 0, WAIT_MS, &info, NULL));
    assert_ok(natskit_msg_release(info));
}

static natskit_options put_options(const char *name, const char *value)
{
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_OBJECT_PUT, &options));
    assert_ok(natskit_options_set(options, name, Z, value, Z, NULL));
    return options;
}

static void test_pieces(void **state)
{
    (void)state;
    enum { SIZE = 100000 };
    natskit_object_writer writer;
    natskit_object_progress progress;
    natskit_object_view view;
    natskit_msg *info;
    uint8_t *data = ob_bytes(SIZE, 7);
    natskit_options options = put_options("chunk_size", "1000");
    assert_ok(natskit_options_set(options, "window_bytes", Z, "3000", Z, NULL));
    natskit_json meta = jb_json("{'description':'d\\u00e9','headers':{'A':['1','2'],'B':'3'},"
                                "'metadata':{'k':'v'}}");
    assert_ok(natskit_object_writer_open(store, "pieces", Z, meta, options, &writer, NULL));
    for (size_t at = 0, step = 1; at < SIZE; at += step, step = step * 3 % 3301) {
        size_t part = SIZE - at < step ? SIZE - at : step;
        size_t written;
        assert_ok(natskit_object_writer_write(writer, data + at, part, WAIT_MS, &written, NULL));
        assert_int_equal(written, part);
    }
    assert_ok(natskit_object_writer_progress(writer, &progress, sizeof progress));
    assert_int_equal(progress.bytes, SIZE);
    ob_info_fails(store, NATSKIT_OBJECT_NOT_FOUND, "pieces", 0); /* nobody sees it yet */
    assert_ok(natskit_object_writer_finish(writer, WAIT_MS, &info, NULL));
    assert_ok(natskit_object_writer_progress(writer, &progress, sizeof progress));
    assert_int_equal(progress.stored, SIZE);
    assert_int_equal(progress.chunks, 100);
    assert_ok(natskit_msg_object(info, &view, sizeof view));
    assert_int_equal(view.chunks, 100);
    assert_true(is(view.description, view.description_len, "d\xc3\xa9"));
    assert_true(is(view.headers, view.headers_len, "{\"A\":[\"1\",\"2\"],\"B\":[\"3\"]}"));
    assert_true(is(view.metadata, view.metadata_len, "{\"k\":\"v\"}"));
    assert_ok(natskit_msg_release(info));
    assert_status(natskit_object_writer_write(writer, "x", 1, WAIT_MS, NULL, NULL), NATSKIT_CLOSED);
    assert_ok(natskit_object_writer_abort(writer, WAIT_MS, NULL)); /* too late, and harmless */
    assert_ok(natskit_object_writer_close(writer));
    ob_expect(store, "pieces", data, SIZE);
    assert_ok(natskit_json_close(meta));
    assert_ok(natskit_options_close(options));
    free(data);
}

/* Without a thread that waits: operations alone. */
static void test_operations(void **state)
{
    (void)state;
    enum { SIZE = 3 * 1024 * 1024 };
    natskit_object_writer writer;
    natskit_op op;
    natskit_msg *info;
    unsigned waits = 0;
    uint8_t *data = ob_bytes(SIZE, 9);
    natskit_options options = put_options("window_bytes", "300000");
    assert_ok(natskit_object_writer_open(store, "ops", Z, NO_META, options, &writer, NULL));
    assert_ok(natskit_options_close(options));
    assert_true(ts_server_pause(bench.server)); /* so that the window is full before the first ack */
    for (size_t at = 0; at < SIZE;) {
        size_t written;
        natskit_status status = natskit_object_writer_write(writer, data + at, SIZE - at, 0, &written, NULL);
        at += written;
        if (status == NATSKIT_WOULD_BLOCK) {
            assert_true(waits++ > 0 || ts_server_resume(bench.server));
            assert_ok(natskit_object_writer_room_start(writer, NO_OPTIONS, WAIT_MS, &op, NULL));
            assert_ok(natskit_op_wait(op, WAIT_MS));
            assert_ok(natskit_op_close(op));
        } else {
            assert_ok(status);
        }
    }
    assert_true(waits > 0);
    assert_status(natskit_object_writer_finish_start(writer, NO_OPTIONS, WAIT_MS, &op, NULL), NATSKIT_BUSY);
    assert_ok(natskit_object_writer_done_start(writer, NO_OPTIONS, WAIT_MS, &op, NULL));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_object_writer_finish_start(writer, NO_OPTIONS, WAIT_MS, &op, NULL));
    assert_ok(natskit_op_wait(op, WAIT_MS));
    assert_ok(natskit_op_take_msg(op, &info));
    assert_ok(natskit_op_close(op));
    assert_ok(natskit_object_writer_close(writer));

    natskit_object_reader reader;
    uint8_t *got = malloc(SIZE);
    size_t len = 0;
    assert_non_null(got);
    assert_ok(natskit_object_reader_open(store, info, &reader, NULL));
    assert_ok(natskit_msg_release(info));
    for (;;) {
        size_t part;
        natskit_status status = natskit_object_reader_read(reader, got + len, SIZE + 1 - len, 0, &part, NULL);
        len += part;
        if (status == NATSKIT_END) {
            break;
        }
        if (status == NATSKIT_WOULD_BLOCK) {
            assert_ok(natskit_object_reader_ready_start(reader, NO_OPTIONS, WAIT_MS, &op, NULL));
            assert_ok(natskit_op_wait(op, WAIT_MS));
            assert_ok(natskit_op_close(op));
        } else {
            assert_ok(status);
        }
    }
    assert_ok(natskit_object_reader_close(reader));
    assert_int_equal(len, SIZE);
    assert_memory_equal(got, data, SIZE);
    natskit_object_progress progress;
    const natskit_object_reader forged = {writer.id}; /* of another kind */
    assert_status(natskit_object_reader_close(reader), NATSKIT_CLOSED);
    assert_status(natskit_object_reader_read(reader, got, 1, 0, &len, NULL), NATSKIT_CLOSED);
    assert_status(natskit_object_reader_progress(reader, &progress, sizeof progress), NATSKIT_CLOSED);
    assert_status(natskit_object_reader_ready_start(reader, NO_OPTIONS, 0, &op, NULL), NATSKIT_CLOSED);
    assert_status(natskit_object_reader_close(forged), NATSKIT_BAD_HANDLE);
    assert_status(natskit_object_reader_read(forged, got, 1, 0, &len, NULL), NATSKIT_BAD_HANDLE);
    free(got);
    free(data);
}

/* -- not finished ---------------------------------------------------------------------------------------- */

static bool no_new_chunks(void *arg)
{
    const uint64_t *chunks = arg;
    return ob_chunks(js, bucket) == *chunks;
}

static void test_given_up(void **state)
{
    (void)state;
    enum { SIZE = 2 * 1024 * 1024 };
    uint64_t before = 1;
    uint8_t *data = ob_bytes(SIZE, 3);
    ob_put_text(store, "name", "old");
    for (int i = 0; i < 3; i++) {
        natskit_object_writer writer;
        assert_ok(natskit_object_writer_open(store, "name", Z, NO_META, NO_OPTIONS, &writer, NULL));
        assert_ok(natskit_object_writer_write(writer, data, SIZE, WAIT_MS, NULL, NULL));
        if (i == 0) { /* by aborting, which waits */
            assert_ok(natskit_object_writer_abort(writer, WAIT_MS, NULL));
            assert_int_equal(ob_chunks(js, bucket), before);
            assert_status(natskit_object_writer_write(writer, data, 1, WAIT_MS, NULL, NULL), NATSKIT_CLOSED);
        } else if (i == 2) { /* a finish that was cancelled, or was faster */
            natskit_op op;
            assert_ok(natskit_object_writer_done_start(writer, NO_OPTIONS, WAIT_MS, &op, NULL));
            assert_ok(natskit_op_close(op));
        }
        assert_ok(natskit_object_writer_close(writer));
        jb_wait(no_new_chunks, &before);
        ob_expect_text(store, "name", "old");
    }
    free(data);
}

static void test_refused(void **state)
{
    (void)state;
    natskit_error err = {0};
    uint64_t before = 0;
    char limited[24];
    (void)snprintf(limited, sizeof limited, "%sL", bucket);
    natskit_object_store small = ob_make(js, limited, ",'max_bytes':1000000");
    uint8_t *data = ob_bytes(3000000, 5);
    ob_put_text(small, "name", "old");
    before = ob_chunks(js, limited);
    natskit_status status =
        natskit_object_put(small, "name", Z, NO_META, data, 3000000, NO_OPTIONS, WAIT_MS, NULL, &err);
    assert_status(status, NATSKIT_JS_LIMIT);
    assert_int_equal(err.err_code, 10077);
    assert_int_equal(ob_chunks(js, limited), before);
    ob_expect_text(small, "name", "old");
    assert_ok(natskit_object_store_close(small));
    jb_do(js, "stream.delete", "{'stream':'OBJ_%s'}", limited);
    free(data);
    natskit_object_store none = ob_open(js, "none");
    assert_status(natskit_object_put(none, "a", Z, NO_META, "", 0, NO_OPTIONS, WAIT_MS, NULL, &err),
                  NATSKIT_STREAM_NOT_FOUND);
    ob_info_fails(none, NATSKIT_STREAM_NOT_FOUND, "a", 0);
    assert_ok(natskit_object_store_close(none));
}

static natskit_status put_over(const char *revision, const char *text)
{
    natskit_options options = put_options("previous_revision", revision);
    natskit_status status =
        natskit_object_put(store, "name", Z, NO_META, text, strlen(text), options, WAIT_MS, NULL, NULL);
    assert_ok(natskit_options_close(options));
    return status;
}

static void test_previous_revision(void **state)
{
    (void)state;
    char revision[24];
    assert_status(put_over("0", "first"), NATSKIT_OK);
    assert_status(put_over("0", "second"), NATSKIT_WRONG_LAST);
    assert_status(put_over("1", "second"), NATSKIT_WRONG_LAST);
    ob_expect_text(store, "name", "first");
    assert_int_equal(ob_chunks(js, bucket), 1);
    (void)snprintf(revision, sizeof revision, "%llu",
                   (unsigned long long)ob_put_text(store, "name", "second"));
    assert_status(put_over(revision, "third"), NATSKIT_OK);
    ob_expect_text(store, "name", "third");
    assert_int_equal(ob_chunks(js, bucket), 1);
}

static void publish_meta(const char *name64, const char *json)
{
    char subject[128];
    struct ts_buf text = {0};
    natskit_headers headers;
    assert_ok(natskit_headers_open(&headers));
    assert_ok(natskit_headers_add(headers, "Nats-Rollup", Z, "sub", Z, NULL));
    (void)snprintf(subject, sizeof subject, "$O.%s.M.%s", bucket, name64);
    for (; *json != '\0'; json++) {
        ts_buf_printf(&text, "%c", *json == '\'' ? '"' : *json);
    }
    assert_ok(natskit_js_publish(js, subject, Z, headers, text.at, text.len, WAIT_MS, NULL, NULL, NULL));
    assert_ok(natskit_headers_close(headers));
    ts_buf_free(&text);
}

static void assert_get_fails(const char *name, natskit_status wanted, size_t at_most)
{
    uint8_t *data;
    size_t len;
    natskit_error err;
    assert_status(ob_get(store, name, &data, &len, &err), wanted);
    assert_int_equal(err.status, wanted);
    assert_true(len <= at_most);
    free(data);
}

static void test_damaged(void **state)
{
    (void)state;
    natskit_object_view view;
    char subject[128];
    uint8_t *data = ob_bytes(3 * CHUNK, 1);
    ob_put(store, "x", data, 3 * CHUNK);
    natskit_msg *info = ob_info(store, "x", 0, &view);
    (void)snprintf(subject, sizeof subject, "$O.%s.C.%.*s", bucket, (int)view.nuid_len, view.nuid);
    /* one chunk was deleted: the first */
    jb_do(js, "stream.purge", "{'stream':'OBJ_%s','filter':'%s','keep':2}", bucket, subject);
    assert_get_fails("x", NATSKIT_OBJECT_INCOMPLETE, 2 * CHUNK);
    /* in its place another one, behind the others: as many bytes, and wrong */
    assert_ok(natskit_js_publish(js, subject, Z, NO_HEADERS, data, CHUNK, WAIT_MS, NULL, NULL, NULL));
    assert_get_fails("x", NATSKIT_OBJECT_CORRUPT, 2 * CHUNK);
    /* one too many */
    assert_ok(natskit_js_publish(js, subject, Z, NO_HEADERS, "y", 1, WAIT_MS, NULL, NULL, NULL));
    jb_do(js, "stream.purge", "{'stream':'OBJ_%s','filter':'%s','keep':1}", bucket, subject);
    assert_ok(natskit_js_publish(js, subject, Z, NO_HEADERS, data, CHUNK, WAIT_MS, NULL, NULL, NULL));
    assert_ok(natskit_js_publish(js, subject, Z, NO_HEADERS, data, CHUNK, WAIT_MS, NULL, NULL, NULL));
    assert_ok(natskit_js_publish(js, subject, Z, NO_HEADERS, data, CHUNK, WAIT_MS, NULL, NULL, NULL));
    assert_get_fails("x", NATSKIT_OBJECT_CORRUPT, 3 * CHUNK);
    /* all chunks are gone */
    jb_do(js, "stream.purge", "{'stream':'OBJ_%s','filter':'%s'}", bucket, subject);
    assert_get_fails("x", NATSKIT_OBJECT_INCOMPLETE, 0);
    assert_ok(natskit_msg_release(info));
    /* the digest says something else; is none; is missing */
    publish_meta("eA==", "{'name':'x','bucket':'b','nuid':'n','size':0,'chunks':0,"
                         "'digest':'SHA-256=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='}");
    assert_get_fails("x", NATSKIT_OBJECT_CORRUPT, 0);
    publish_meta("eA==", "{'name':'x','nuid':'n','size':0,'digest':'MD5=AAAA'}");
    assert_get_fails("x", NATSKIT_OBJECT_CORRUPT, 0);
    publish_meta("eA==", "{'name':'x','nuid':'n','size':0}");
    assert_get_fails("x", NATSKIT_OBJECT_CORRUPT, 0);
    publish_meta("eA==", "{'name':'x','nuid':'a.>','size':5,'digest':''}");
    assert_get_fails("x", NATSKIT_OBJECT_CORRUPT, 0);
    /* one that stands for all chunks: those of others stay when it is replaced, or deleted */
    ob_put_text(store, "y", "kept");
    publish_meta("eA==", "{'name':'x','nuid':'>','size':5,'digest':''}");
    ob_put_text(store, "x", "new");
    ob_expect_text(store, "x", "new");
    ob_expect_text(store, "y", "kept");
    publish_meta("eA==", "{'name':'x','nuid':'>','size':5,'digest':''}");
    assert_ok(natskit_object_delete(store, "x", Z, WAIT_MS, NULL, NULL));
    ob_expect_text(store, "y", "kept");
    /* what other clients write of nothing */
    static const char *const same[] = {
        "SHA-256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=",
        "sha-256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
        "SHA-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "SHA-256=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        char json[256];
        (void)snprintf(json, sizeof json,
                       "{'name':'x','description':null,'options':{},'headers':{},'nuid':'n','size':0,"
                       "'mtime':'0001-01-01T00:00:00Z','chunks':0,'digest':'%s','deleted':false}",
                       same[i]);
        publish_meta("eA==", json);
        ob_expect_text(store, "x", "");
    }
    publish_meta("eA==", "[1]");
    ob_info_fails(store, NATSKIT_PROTOCOL, "x", 0);
    free(data);
}

/* -- what objects are ------------------------------------------------------------------------------------ */

static void test_delete(void **state)
{
    (void)state;
    natskit_object_view view;
    natskit_msg *info;
    ob_put_text(store, "name", "text");
    assert_ok(natskit_object_delete(store, "name", Z, WAIT_MS, &info, NULL));
    assert_ok(natskit_msg_object(info, &view, sizeof view));
    assert_true(view.deleted);
    assert_ok(natskit_msg_release(info));
    assert_int_equal(ob_chunks(js, bucket), 0);
    ob_info_fails(store, NATSKIT_OBJECT_DELETED, "name", 0);
    assert_get_fails("name", NATSKIT_OBJECT_DELETED, 0);
    info = ob_info(store, "name", NATSKIT_OBJECT_DELETED_TOO, &view);
    assert_true(view.deleted);
    assert_int_equal(view.size, 0);
    assert_int_equal(view.chunks, 0);
    assert_int_equal(view.digest_len, 0);
    natskit_object_reader reader;
    assert_status(natskit_object_reader_open(store, info, &reader, NULL), NATSKIT_OBJECT_DELETED);
    assert_ok(natskit_msg_release(info));
    assert_status(natskit_object_delete(store, "name", Z, WAIT_MS, NULL, NULL), NATSKIT_OBJECT_DELETED);
    assert_status(natskit_object_delete(store, "none", Z, WAIT_MS, NULL, NULL), NATSKIT_OBJECT_NOT_FOUND);
    ob_put_text(store, "name", "again");
    ob_expect_text(store, "name", "again");
}

static natskit_status update(const char *name, const char *text)
{
    natskit_json meta = jb_json("%s", text);
    natskit_error err = {0};
    natskit_status status = natskit_object_update(store, name, Z, meta, WAIT_MS, NULL, &err);
    assert_ok(natskit_json_close(meta));
    return status;
}

static void test_update(void **state)
{
    (void)state;
    natskit_object_view view;
    natskit_json meta = jb_json("{'description':'d','metadata':{'k':'v'}}");
    assert_ok(natskit_object_put(store, "a", Z, meta, "text", 4, NO_OPTIONS, WAIT_MS, NULL, NULL));
    assert_ok(natskit_json_close(meta));
    assert_status(update("a", "{'description':'e','headers':{'H':'1'}}"), NATSKIT_OK);
    natskit_msg *info = ob_info(store, "a", 0, &view);
    assert_true(is(view.description, view.description_len, "e"));
    assert_true(is(view.headers, view.headers_len, "{\"H\":[\"1\"]}"));
    assert_true(is(view.metadata, view.metadata_len, "{\"k\":\"v\"}"));
    assert_ok(natskit_msg_release(info));
    assert_status(update("a", "{'name':'b','metadata':null}"), NATSKIT_OK);
    ob_info_fails(store, NATSKIT_OBJECT_NOT_FOUND, "a", NATSKIT_OBJECT_DELETED_TOO);
    info = ob_info(store, "b", 0, &view);
    assert_true(is(view.name, view.name_len, "b"));
    assert_int_equal(view.metadata_len, 0);
    assert_ok(natskit_msg_release(info));
    ob_expect_text(store, "b", "text");
    ob_put_text(store, "c", "other");
    assert_status(update("b", "{'name':'c'}"), NATSKIT_OBJECT_EXISTS);
    assert_ok(natskit_object_delete(store, "c", Z, WAIT_MS, NULL, NULL));
    assert_status(update("b", "{'name':'c'}"), NATSKIT_OK);
    assert_status(update("b", "{}"), NATSKIT_OBJECT_NOT_FOUND);
    assert_ok(natskit_object_delete(store, "c", Z, WAIT_MS, NULL, NULL));
    assert_status(update("c", "{}"), NATSKIT_OBJECT_DELETED);
    static const char *const wrong[] = {"{'size':1}",
                                        "{'name':''}",
                                        "{'name':null}",
                                        "{'description':1}",
                                        "{'headers':['a']}",
                                        "{'headers':{'a':1}}",
                                        "{'headers':{'a':[1]}}",
                                        "{'metadata':{'a':1}}",
                                        "[]"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_status(update("c", wrong[i]), NATSKIT_INVALID);
    }
}

static natskit_status link_to(const char *name, const char *to, const char *target)
{
    return natskit_object_link(store, name, Z, to, Z, target, Z, WAIT_MS, NULL, NULL);
}

static void test_links(void **state)
{
    (void)state;
    natskit_object_view view;
    char second[24];
    (void)snprintf(second, sizeof second, "%sB", bucket);
    natskit_object_store other = ob_make(js, second, "");
    ob_put_text(store, "here", "here");
    ob_put_text(other, "there", "there");
    assert_status(link_to("link", bucket, "here"), NATSKIT_OK);
    ob_expect_text(store, "link", "here");
    natskit_msg *info = ob_info(store, "link", 0, &view);
    assert_true(is(view.link_bucket, view.link_bucket_len, bucket));
    assert_true(is(view.link_name, view.link_name_len, "here"));
    natskit_object_reader reader;
    assert_status(natskit_object_reader_open(store, info, &reader, NULL), NATSKIT_INVALID);
    assert_ok(natskit_msg_release(info));
    assert_status(link_to("link", second, "there"), NATSKIT_OK); /* over a link */
    ob_expect_text(store, "link", "there");
    assert_status(link_to("here", second, "there"), NATSKIT_OBJECT_EXISTS);
    assert_status(link_to("again", bucket, "link"), NATSKIT_LINK_TO_LINK);
    assert_status(link_to("again", bucket, "none"), NATSKIT_OBJECT_NOT_FOUND);
    assert_status(link_to("store", second, ""), NATSKIT_OK);
    assert_get_fails("store", NATSKIT_LINK_TO_STORE, 0);
    ob_info_fails(store, NATSKIT_LINK_TO_STORE, "store", NATSKIT_OBJECT_FOLLOW);
    assert_ok(natskit_object_delete(other, "there", Z, WAIT_MS, NULL, NULL));
    assert_status(link_to("again", second, "there"), NATSKIT_OBJECT_DELETED);
    assert_get_fails("link", NATSKIT_OBJECT_DELETED, 0);
    assert_ok(natskit_object_delete(store, "link", Z, WAIT_MS, NULL, NULL));
    assert_status(link_to("link", bucket, "here"), NATSKIT_OK); /* over a deleted one */
    /* as somebody else may have made it */
    publish_meta("bG9vcA==", "{'name':'loop','nuid':'n','options':{'link':{'bucket':'a.b','name':'x'}}}");
    assert_get_fails("loop", NATSKIT_PROTOCOL, 0);
    struct ts_buf self = {0};
    ts_buf_printf(&self, "{'name':'loop','nuid':'n','options':{'link':{'bucket':'%s','name':'loop'}}}",
                  bucket);
    publish_meta("bG9vcA==", self.at);
    ts_buf_free(&self);
    assert_get_fails("loop", NATSKIT_LINK_TO_LINK, 0);
    assert_ok(natskit_object_store_close(other));
    jb_do(js, "stream.delete", "{'stream':'OBJ_%s'}", second);
}

/* -- watches --------------------------------------------------------------------------------------------- */

static natskit_sub watch(const char *option)
{
    natskit_options options;
    natskit_sub sub;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_OBJECT_WATCH, &options));
    if (option != NULL) {
        assert_ok(natskit_options_set(options, option, Z, "true", Z, NULL));
    }
    assert_ok(natskit_object_watch(store, options, &sub, NULL));
    assert_ok(natskit_options_close(options));
    return sub;
}

/* The next message tells of this object; NULL: what there was has come. */
static void next_is(natskit_sub sub, const char *name, bool deleted)
{
    natskit_msg *msg;
    natskit_object_view view = {0};
    natskit_status_view mark = {0};
    assert_ok(natskit_sub_next(sub, WAIT_MS, &msg));
    if (name != NULL) {
        assert_ok(natskit_msg_object(msg, &view, sizeof view));
        assert_true(is(view.name, view.name_len, name));
        assert_int_equal(view.deleted, deleted);
        assert_true(view.revision > 0);
    } else {
        assert_status(natskit_msg_object(msg, &view, sizeof view), NATSKIT_INVALID);
        assert_ok(natskit_msg_status(msg, &mark, sizeof mark));
        assert_int_equal(mark.type, NATSKIT_STATUS_INITIAL_DONE);
    }
    assert_ok(natskit_msg_release(msg));
}

static void test_watch(void **state)
{
    (void)state;
    natskit_msg *msg;
    natskit_message_view view = {0};
    natskit_sub empty = watch(NULL);
    next_is(empty, NULL, false);
    ob_put_text(store, "a", "1");
    ob_put_text(store, "b", "1");
    ob_put_text(store, "a", "2");
    assert_ok(natskit_object_delete(store, "b", Z, WAIT_MS, NULL, NULL));
    next_is(empty, "a", false);
    next_is(empty, "b", false);
    next_is(empty, "a", false);
    next_is(empty, "b", true);
    assert_ok(natskit_sub_close(empty));
    natskit_sub all = watch(NULL);
    next_is(all, "a", false);
    next_is(all, "b", true);
    next_is(all, NULL, false);
    assert_ok(natskit_sub_close(all));
    natskit_sub list = watch("ends");
    next_is(list, "a", false);
    next_is(list, "b", true);
    assert_status(natskit_sub_next(list, WAIT_MS, &msg), NATSKIT_END);
    assert_ok(natskit_sub_close(list));
    natskit_sub living = watch("ignore_deletes");
    next_is(living, "a", false);
    next_is(living, NULL, false);
    assert_ok(natskit_sub_close(living));
    natskit_sub updates = watch("updates_only");
    next_is(updates, NULL, false);
    ob_put_text(store, "c", "1");
    next_is(updates, "c", false);
    publish_meta("ZA==", "no object");
    assert_ok(natskit_sub_next(updates, WAIT_MS, &msg));
    assert_ok(natskit_msg_view(msg, &view, sizeof view));
    assert_int_equal(view.kind, NATSKIT_MSG_MESSAGE);
    assert_ok(natskit_msg_release(msg));
    assert_ok(natskit_sub_close(updates));
}

static void test_sealed(void **state)
{
    (void)state;
    char sealed[24];
    natskit_error err = {0};
    (void)snprintf(sealed, sizeof sealed, "%sX", bucket);
    natskit_object_store closed = ob_make(js, sealed, "");
    ob_put_text(closed, "a", "text");
    jb_do(js, "stream.update", "{'config':{'name':'OBJ_%s','sealed':true}}", sealed);
    ob_expect_text(closed, "a", "text");
    assert_true(natskit_object_put(closed, "b", Z, NO_META, "x", 1, NO_OPTIONS, WAIT_MS, NULL, &err) !=
                NATSKIT_OK);
    assert_int_equal(err.err_code, 10109);
    assert_true(natskit_object_delete(closed, "a", Z, WAIT_MS, NULL, NULL) != NATSKIT_OK);
    assert_ok(natskit_object_store_close(closed));
    jb_do(js, "stream.delete", "{'stream':'OBJ_%s'}", sealed);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_config),     TEST(test_sizes),    TEST(test_names),   TEST(test_pieces),
        TEST(test_operations), TEST(test_given_up), TEST(test_refused), TEST(test_previous_revision),
        TEST(test_damaged),    TEST(test_delete),   TEST(test_update),  TEST(test_links),
        TEST(test_watch),      TEST(test_sealed),
    };
    return cmocka_run_group_tests(tests, bench_begin, bench_end);
}
