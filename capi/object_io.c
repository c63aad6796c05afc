/* Writers and readers of objects. Any thread; one at a time writes or reads. */
#include "capi/guard.h"
#include "object/get.h"
#include "object/put.h"
#include "options/options.h"

#define PUT_TRIES                                                                                            \
    4 /* of a put from memory, whose chunks were stored out of order when they were sent again */
#define ABORT_MS 5000 /* of a put from memory that did not succeed: for its chunks to be gone */

static void writer_close(struct nki_handle *handle)
{
    nki_object_put_close(handle->object);
}

static void writer_destroy(struct nki_handle *handle)
{
    nki_object_put_release(handle->object);
}

static const struct nki_handle_ops writer_ops = {writer_close, writer_destroy};

static void reader_close(struct nki_handle *handle)
{
    nki_object_get_close(handle->object);
}

static void reader_destroy(struct nki_handle *handle)
{
    nki_object_get_release(handle->object);
}

static const struct nki_handle_ops reader_ops = {reader_close, reader_destroy};

/* -- opening a writer ------------------------------------------------------------------------------------ */

static void read_options(const struct nki_options *options, struct nki_object_put_params *params)
{
    int64_t revision = nki_options_int(options, NKI_OPT_OBJECT_PUT_previous_revision);
    params->chunk_size = (uint64_t)nki_options_int(options, NKI_OPT_OBJECT_PUT_chunk_size);
    params->window_bytes = (uint64_t)nki_options_int(options, NKI_OPT_OBJECT_PUT_window_bytes);
    params->ack_wait_ms = nki_options_int(options, NKI_OPT_OBJECT_PUT_ack_wait_ms);
    params->has_revision = revision >= 0;
    params->revision = revision >= 0 ? (uint64_t)revision : 0;
}

static int32_t use_options(natskit_options options, struct nki_object_put_params *params, natskit_error *err)
{
    struct nki_capi_options use;
    int32_t status = nki_capi_options_use(options, NATSKIT_OPTIONS_OBJECT_PUT, &use, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_options *defaults = use.options == NULL ? nki_options_new(NKI_SCOPE_OBJECT_PUT) : NULL;
    if (use.options == NULL && defaults == NULL) {
        status = nki_error_set(nki_capi_err(err), NATSKIT_NO_MEMORY, NULL);
    } else {
        read_options(use.options != NULL ? use.options : defaults, params);
    }
    nki_options_free(defaults);
    nki_capi_options_done(&use);
    return status;
}

static int32_t open_put(struct nki_object_store *store, struct nki_str name, natskit_json meta,
                        natskit_options options, struct nki_object_put **out, natskit_error *err)
{
    struct nki_object_meta said;
    struct nki_object_put_params params = {.name = name, .meta = &said};
    struct nki_capi_json use;
    int32_t status = nki_capi_json_use(meta, &use, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    status = nki_object_meta_read(use.doc, false, &said, nki_capi_err(err));
    nki_capi_json_done(&use);
    status = status == NATSKIT_OK ? use_options(options, &params, err) : status;
    status = status == NATSKIT_OK ? nki_object_put_open(store, &params, out, nki_capi_err(err)) : status;
    nki_object_meta_free(&said);
    return status;
}

struct put_how {
    struct nki_str name;
    natskit_json meta;
};

static int32_t open_writer(void *store, const void *how, natskit_options options, void **out,
                           natskit_error *err)
{
    const struct put_how *put_how = how;
    struct nki_object_put *put;
    int32_t status = open_put(store, put_how->name, put_how->meta, options, &put, err);
    *out = status == NATSKIT_OK ? put : NULL;
    return status;
}

natskit_status natskit_object_writer_open(natskit_object_store store, const char *name, size_t name_len,
                                          natskit_json meta, natskit_options options,
                                          natskit_object_writer *out, natskit_error *err)
{
    static const struct nki_capi_opening opening = {NATSKIT_KIND_OBJECT_STORE, "object store",
                                                    NATSKIT_KIND_OBJECT_WRITER, &writer_ops, open_writer};
    struct put_how how = {.meta = meta};
    if (out == NULL) {
        return nki_capi_invalid(err, "out: the pointer is NULL");
    }
    out->id = 0;
    if (!nki_capi_str(name, name_len, &how.name)) {
        return nki_capi_invalid(err, "name: the pointer is NULL");
    }
    return nki_capi_open_on(&opening, store.id, &how, options, &out->id, err);
}

natskit_status natskit_object_writer_close(natskit_object_writer writer)
{
    return nki_handle_close(writer.id, NATSKIT_KIND_OBJECT_WRITER);
}

/* -- writing --------------------------------------------------------------------------------------------- */

natskit_status natskit_object_writer_write(natskit_object_writer writer, const void *data, size_t len,
                                           int64_t timeout_ms, size_t *written, natskit_error *err)
{
    struct nki_handle *handle;
    struct nki_str bytes;
    size_t taken = 0;
    if (written != NULL) {
        *written = 0;
    }
    if (len == NATSKIT_ZLEN || !nki_capi_str(data, len, &bytes)) {
        return nki_capi_invalid(err, len == NATSKIT_ZLEN ? "len: bytes have a length"
                                                         : "data: the pointer is NULL");
    }
    if (!nki_capi_timeout_ok(timeout_ms)) {
        return nki_capi_invalid(err, "timeout_ms is less than -1");
    }
    int32_t status = nki_capi_pin(writer.id, NATSKIT_KIND_OBJECT_WRITER, "writer", &handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    status = nki_object_put_write(handle->object, bytes.ptr, bytes.len, nki_capi_deadline(timeout_ms), &taken,
                                  nki_capi_err(err));
    nki_handle_unpin(handle);
    if (written != NULL) {
        *written = taken;
    }
    return status;
}

static int32_t finish_put(struct nki_object_put *put, int64_t deadline_ns, natskit_msg **info,
                          natskit_error *err)
{
    struct nki_conn *conn = nki_object_put_conn(put);
    const struct nki_js_begin begin = {.deadline_ns = deadline_ns, .wait_room = true};
    struct nki_op *op;
    int32_t status = nki_object_put_done(put, deadline_ns, deadline_ns, false, &op, nki_capi_err(err));
    status = status == NATSKIT_OK ? nki_capi_finish_op(conn, op, deadline_ns, NULL, err) : status;
    status = status == NATSKIT_OK ? nki_object_put_finish(put, &begin, &op, nki_capi_err(err)) : status;
    return status == NATSKIT_OK
               ? nki_capi_finish_op(conn, op, deadline_ns, (struct nki_msg **)(void *)info, err)
               : status;
}

natskit_status natskit_object_writer_finish(natskit_object_writer writer, int64_t timeout_ms,
                                            natskit_msg **info, natskit_error *err)
{
    struct nki_handle *handle;
    if (info != NULL) {
        *info = NULL;
    }
    if (!nki_capi_timeout_ok(timeout_ms)) {
        return nki_capi_invalid(err, "timeout_ms is less than -1");
    }
    int32_t status = nki_capi_pin(writer.id, NATSKIT_KIND_OBJECT_WRITER, "writer", &handle, err);
    if (status == NATSKIT_OK) {
        status = finish_put(handle->object, nki_capi_deadline(timeout_ms), info, err);
        nki_handle_unpin(handle);
    }
    return status;
}

static int32_t abort_put(struct nki_object_put *put, int64_t deadline_ns, natskit_error *err)
{
    const struct nki_js_begin begin = {.deadline_ns = deadline_ns, .wait_room = true};
    struct nki_op *op;
    int32_t status = nki_object_put_abort(put, &begin, &op, nki_capi_err(err));
    return status == NATSKIT_OK && op != NULL
               ? nki_capi_finish_op(nki_object_put_conn(put), op, deadline_ns, NULL, err)
               : status;
}

natskit_status natskit_object_writer_abort(natskit_object_writer writer, int64_t timeout_ms,
                                           natskit_error *err)
{
    struct nki_handle *handle;
    if (!nki_capi_timeout_ok(timeout_ms)) {
        return nki_capi_invalid(err, "timeout_ms is less than -1");
    }
    int32_t status = nki_capi_pin(writer.id, NATSKIT_KIND_OBJECT_WRITER, "writer", &handle, err);
    if (status == NATSKIT_OK) {
        status = abort_put(handle->object, nki_capi_deadline(timeout_ms), err);
        nki_handle_unpin(handle);
    }
    return status;
}

struct put_call {
    struct nki_str name;
    natskit_json meta;
    struct nki_str data;
    natskit_options options;
};

static int32_t put_whole(struct nki_object_store *store, const struct put_call *call, int64_t deadline_ns,
                         natskit_msg **info, natskit_error *err)
{
    struct nki_object_put *put;
    size_t taken;
    int32_t status = open_put(store, call->name, call->meta, call->options, &put, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    status =
        nki_object_put_write(put, call->data.ptr, call->data.len, deadline_ns, &taken, nki_capi_err(err));
    status = status == NATSKIT_OK ? finish_put(put, deadline_ns, info, err) : status;
    int64_t abort_ns = nki_deadline_ns(nki_clock_now_ns(), ABORT_MS);
    abort_ns = deadline_ns < abort_ns ? deadline_ns : abort_ns;
    if (status != NATSKIT_OK && abort_ns > nki_clock_now_ns()) { /* else in the background */
        (void)abort_put(put, abort_ns, NULL);
    }
    nki_object_put_close(put);
    nki_object_put_release(put);
    return status;
}

natskit_status natskit_object_put(natskit_object_store store, const char *name, size_t name_len,
                                  natskit_json meta, const void *data, size_t data_len,
                                  natskit_options options, int64_t timeout_ms, natskit_msg **info,
                                  natskit_error *err)
{
    struct nki_str text;
    struct nki_str bytes;
    struct nki_handle *handle;
    if (info != NULL) {
        *info = NULL;
    }
    if (!nki_capi_str(name, name_len, &text)) {
        return nki_capi_invalid(err, "name: the pointer is NULL");
    }
    if (data_len == NATSKIT_ZLEN || !nki_capi_str(data, data_len, &bytes)) {
        return nki_capi_invalid(err, data_len == NATSKIT_ZLEN ? "data_len: bytes have a length"
                                                              : "data: the pointer is NULL");
    }
    if (!nki_capi_timeout_ok(timeout_ms)) {
        return nki_capi_invalid(err, "timeout_ms is less than -1");
    }
    int32_t status = nki_capi_pin(store.id, NATSKIT_KIND_OBJECT_STORE, "object store", &handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct put_call call = {text, meta, bytes, options};
    int64_t deadline_ns = nki_capi_deadline(timeout_ms);
    for (unsigned tries = 0; tries < PUT_TRIES; tries++) {
        status = put_whole(handle->object, &call, deadline_ns, info, err);
        if (status != NATSKIT_CHUNKS_DISORDERED) {
            break;
        }
    }
    nki_handle_unpin(handle);
    return status;
}

/* -- operations ------------------------------------------------------------------------------------------ */

static int32_t begin_room(void *put, uint64_t bytes, int64_t deadline_ns, struct nki_op **op,
                          struct nki_error *err)
{
    (void)bytes;
    return nki_object_put_room(put, deadline_ns, op, err);
}

static int32_t begin_done(void *put, uint64_t bytes, int64_t deadline_ns, struct nki_op **op,
                          struct nki_error *err)
{
    (void)bytes;
    return nki_object_put_done(put, 0, deadline_ns, true, op, err);
}

static int32_t begin_finish(void *put, uint64_t bytes, int64_t deadline_ns, struct nki_op **op,
                            struct nki_error *err)
{
    const struct nki_js_begin begin = {.deadline_ns = deadline_ns, .timed = true};
    (void)bytes;
    return nki_object_put_finish(put, &begin, op, err);
}

static int32_t begin_abort(void *put, uint64_t bytes, int64_t deadline_ns, struct nki_op **op,
                           struct nki_error *err)
{
    const struct nki_js_begin begin = {.deadline_ns = deadline_ns, .timed = true};
    (void)bytes;
    int32_t status = nki_object_put_abort(put, &begin, op, err);
    if (status == NATSKIT_OK && *op == NULL) {
        *op = nki_op_new();
        if (*op == NULL) {
            return nki_error_set(err, NATSKIT_NO_MEMORY, NULL);
        }
        nki_op_finish(*op, NATSKIT_OK, NKI_OUTCOME_DONE, NULL, NULL);
    }
    return status;
}

static int32_t begin_ready(void *get, uint64_t bytes, int64_t deadline_ns, struct nki_op **op,
                           struct nki_error *err)
{
    (void)bytes;
    return nki_object_get_ready(get, deadline_ns, op, err);
}

static const struct nki_capi_start room_start = {NATSKIT_KIND_OBJECT_WRITER, begin_room, 0};
static const struct nki_capi_start done_start = {NATSKIT_KIND_OBJECT_WRITER, begin_done, 0};
static const struct nki_capi_start finish_start = {NATSKIT_KIND_OBJECT_WRITER, begin_finish, 0};
static const struct nki_capi_start abort_start = {NATSKIT_KIND_OBJECT_WRITER, begin_abort, 0};
static const struct nki_capi_start ready_start = {NATSKIT_KIND_OBJECT_READER, begin_ready, 0};

natskit_status natskit_object_writer_room_start(natskit_object_writer writer, natskit_options options,
                                                int64_t timeout_ms, natskit_op *op, natskit_error *err)
{
    return nki_capi_start(&room_start, writer.id, options, timeout_ms, op, err);
}

natskit_status natskit_object_writer_done_start(natskit_object_writer writer, natskit_options options,
                                                int64_t timeout_ms, natskit_op *op, natskit_error *err)
{
    return nki_capi_start(&done_start, writer.id, options, timeout_ms, op, err);
}

natskit_status natskit_object_writer_finish_start(natskit_object_writer writer, natskit_options options,
                                                  int64_t timeout_ms, natskit_op *op, natskit_error *err)
{
    return nki_capi_start(&finish_start, writer.id, options, timeout_ms, op, err);
}

natskit_status natskit_object_writer_abort_start(natskit_object_writer writer, natskit_options options,
                                                 int64_t timeout_ms, natskit_op *op, natskit_error *err)
{
    return nki_capi_start(&abort_start, writer.id, options, timeout_ms, op, err);
}

natskit_status natskit_object_reader_ready_start(natskit_object_reader reader, natskit_options options,
                                                 int64_t timeout_ms, natskit_op *op, natskit_error *err)
{
    return nki_capi_start(&ready_start, reader.id, options, timeout_ms, op, err);
}

/* -- progress -------------------------------------------------------------------------------------------- */

natskit_status natskit_object_writer_progress(natskit_object_writer writer, natskit_object_progress *progress,
                                              size_t progress_size)
{
    struct nki_handle *handle;
    struct nki_object_put_info now;
    if (progress == NULL || progress_size == 0) {
        return NATSKIT_INVALID;
    }
    int32_t status = nki_handle_pin(writer.id, NATSKIT_KIND_OBJECT_WRITER, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    nki_object_put_info_get(handle->object, &now);
    nki_handle_unpin(handle);
    const natskit_object_progress filled = {.bytes = now.bytes, .stored = now.stored, .chunks = now.chunks};
    return nki_capi_give(progress, progress_size, &filled, sizeof filled);
}

natskit_status natskit_object_reader_progress(natskit_object_reader reader, natskit_object_progress *progress,
                                              size_t progress_size)
{
    struct nki_handle *handle;
    natskit_object_progress filled = {0};
    if (progress == NULL || progress_size == 0) {
        return NATSKIT_INVALID;
    }
    int32_t status = nki_handle_pin(reader.id, NATSKIT_KIND_OBJECT_READER, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    nki_object_get_progress(handle->object, &filled.bytes, &filled.total);
    nki_handle_unpin(handle);
    return nki_capi_give(progress, progress_size, &filled, sizeof filled);
}

/* -- reading --------------------------------------------------------------------------------------------- */

/* `how`: what the object is. */
static int32_t open_reader(void *store, const void *how, natskit_options options, void **out,
                           natskit_error *err)
{
    (void)options;
    struct nki_object_get *get;
    int32_t status = nki_object_get_open(store, (struct nki_msg *)(uintptr_t)how, &get, nki_capi_err(err));
    *out = status == NATSKIT_OK ? get : NULL;
    return status;
}

natskit_status natskit_object_reader_open(natskit_object_store store, const natskit_msg *info,
                                          natskit_object_reader *out, natskit_error *err)
{
    static const struct nki_capi_opening opening = {NATSKIT_KIND_OBJECT_STORE, "object store",
                                                    NATSKIT_KIND_OBJECT_READER, &reader_ops, open_reader};
    const struct nki_msg *msg = (const struct nki_msg *)(uintptr_t)info;
    if (out == NULL) {
        return nki_capi_invalid(err, "out: the pointer is NULL");
    }
    out->id = 0;
    if (info == NULL || msg->kind != NKI_MSG_OBJECT) {
        return nki_capi_invalid(err, info == NULL ? "info: the pointer is NULL"
                                                  : "info: not a message of kind NATSKIT_MSG_OBJECT");
    }
    return nki_capi_open_on(&opening, store.id, msg, (natskit_options){0}, &out->id, err);
}

natskit_status natskit_object_reader_read(natskit_object_reader reader, void *out, size_t cap,
                                          int64_t timeout_ms, size_t *len, natskit_error *err)
{
    struct nki_handle *handle;
    if (len == NULL) {
        return nki_capi_invalid(err, "len: the pointer is NULL");
    }
    *len = 0;
    if (out == NULL || cap == 0) {
        return nki_capi_invalid(err, out == NULL ? "out: the pointer is NULL" : "cap is 0");
    }
    if (!nki_capi_timeout_ok(timeout_ms)) {
        return nki_capi_invalid(err, "timeout_ms is less than -1");
    }
    int32_t status = nki_capi_pin(reader.id, NATSKIT_KIND_OBJECT_READER, "reader", &handle, err);
    if (status == NATSKIT_OK) {
        status = nki_object_get_read(handle->object, out, cap, nki_capi_deadline(timeout_ms), len,
                                     nki_capi_err(err));
        nki_handle_unpin(handle);
    }
    return status;
}

natskit_status natskit_object_reader_close(natskit_object_reader reader)
{
    return nki_handle_close(reader.id, NATSKIT_KIND_OBJECT_READER);
}
