/* See object_bench.h. */
#include "object_bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

natskit_object_store ob_open(natskit_js js, const char *bucket)
{
    natskit_object_store store;
    assert_ok(natskit_object_store_open(js, bucket, Z, &store, NULL));
    return store;
}

natskit_object_store ob_make(natskit_js js, const char *bucket, const char *more)
{
    natskit_json config;
    natskit_json answer = {0};
    natskit_error err = {0};
    natskit_json wanted = jb_json("{'bucket':'%s'%s}", bucket, more);
    natskit_json args = jb_json("{}");
    natskit_status status = natskit_object_store_config(wanted, &config, &err);
    if (status == NATSKIT_OK) {
        assert_ok(natskit_json_set_json(args, "/config", Z, config, "", 0, NULL));
        status = natskit_js_call(js, "stream.create", Z, args, WAIT_MS, &answer, &err);
    }
    if (status != NATSKIT_OK) {
        print_error("store %s: %s\n", bucket, err.text);
    }
    assert_ok(status);
    assert_ok(natskit_json_close(wanted));
    assert_ok(natskit_json_close(config));
    assert_ok(natskit_json_close(args));
    assert_ok(natskit_json_close(answer));
    return ob_open(js, bucket);
}

uint8_t *ob_bytes(size_t size, unsigned seed)
{
    uint8_t *data = malloc(size + 1);
    uint32_t state = seed * 2654435761u + 1;
    assert_non_null(data);
    for (size_t i = 0; i < size; i++) {
        state = state * 1664525u + 1013904223u;
        data[i] = (uint8_t)(state >> 24);
    }
    return data;
}

uint64_t ob_put(natskit_object_store store, const char *name, const void *data, size_t len)
{
    natskit_msg *info;
    natskit_object_view view = {0};
    natskit_error err = {0};
    natskit_status status =
        natskit_object_put(store, name, Z, NO_META, data, len, NO_OPTIONS, WAIT_MS, &info, &err);
    if (status != NATSKIT_OK) {
        print_error("object %s: %d, %s\n", name, err.err_code, err.text);
    }
    assert_ok(status);
    assert_ok(natskit_msg_object(info, &view, sizeof view));
    assert_int_equal(view.size, len);
    assert_true(view.revision > 0);
    assert_ok(natskit_msg_release(info));
    return view.revision;
}

uint64_t ob_put_text(natskit_object_store store, const char *name, const char *text)
{
    return ob_put(store, name, text, strlen(text));
}

natskit_msg *ob_info(natskit_object_store store, const char *name, uint32_t flags, natskit_object_view *view)
{
    natskit_msg *info;
    natskit_error err = {0};
    natskit_status status = natskit_object_info(store, name, Z, flags, WAIT_MS, &info, &err);
    if (status != NATSKIT_OK) {
        print_error("object %s: %d, %s\n", name, err.err_code, err.text);
    }
    assert_ok(status);
    assert_ok(natskit_msg_object(info, view, sizeof *view));
    return info;
}

natskit_error ob_info_fails(natskit_object_store store, natskit_status wanted, const char *name,
                            uint32_t flags)
{
    natskit_msg *info;
    natskit_error err = {0};
    assert_status(natskit_object_info(store, name, Z, flags, WAIT_MS, &info, &err), wanted);
    assert_null(info);
    assert_int_equal(err.status, wanted);
    assert_true(err.text[0] != '\0');
    return err;
}

natskit_status ob_get(natskit_object_store store, const char *name, uint8_t **data, size_t *len,
                      natskit_error *err)
{
    natskit_msg *info;
    natskit_object_view view = {0};
    natskit_object_reader reader;
    natskit_object_progress progress;
    size_t part;
    *data = NULL;
    *len = 0;
    memset(err, 0, sizeof *err);
    natskit_status status = natskit_object_info(store, name, Z, NATSKIT_OBJECT_FOLLOW, WAIT_MS, &info, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    assert_ok(natskit_msg_object(info, &view, sizeof view));
    status = natskit_object_reader_open(store, info, &reader, err);
    assert_ok(natskit_msg_release(info));
    if (status != NATSKIT_OK) {
        return status;
    }
    *data = malloc(view.size + 1);
    assert_non_null(*data);
    for (;;) {
        status = natskit_object_reader_read(reader, *data + *len, view.size + 1 - *len, WAIT_MS, &part, err);
        if (status != NATSKIT_OK) {
            break;
        }
        assert_true(part > 0);
        *len += part;
    }
    assert_ok(natskit_object_reader_progress(reader, &progress, sizeof progress));
    assert_int_equal(progress.bytes, *len);
    assert_int_equal(progress.total, view.size);
    assert_ok(natskit_object_reader_close(reader));
    return status == NATSKIT_END ? NATSKIT_OK : status;
}

void ob_expect(natskit_object_store store, const char *name, const void *data, size_t len)
{
    uint8_t *got;
    size_t got_len;
    natskit_error err;
    natskit_status status = ob_get(store, name, &got, &got_len, &err);
    if (status != NATSKIT_OK) {
        print_error("object %s: %d, %s\n", name, err.err_code, err.text);
    }
    assert_ok(status);
    assert_int_equal(got_len, len);
    assert_true(len == 0 || memcmp(got, data, len) == 0);
    free(got);
}

void ob_expect_text(natskit_object_store store, const char *name, const char *text)
{
    ob_expect(store, name, text, strlen(text));
}

uint64_t ob_chunks(natskit_js js, const char *bucket)
{
    natskit_json info =
        jb_call(js, "stream.info", "{'stream':'OBJ_%s','subjects_filter':'$O.%s.C.>'}", bucket, bucket);
    uint64_t chunks = 0;
    const char *subjects = jb_at(info, "/state/subjects");
    for (const char *at = subjects; (at = strchr(at, ':')) != NULL; at++) {
        chunks += strtoull(at + 1, NULL, 10);
    }
    assert_ok(natskit_json_close(info));
    return chunks;
}
