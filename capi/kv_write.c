/* Changing keys of a bucket, and configuring one. Any thread. */
#include "capi/guard.h"
#include "jetstream/pub_ack.h"
#include "kv/config.h"
#include "kv/write.h"

#include <inttypes.h>

_Static_assert(NATSKIT_KV_PUT == (int)NKI_KV_DO_PUT && NATSKIT_KV_DELETE == (int)NKI_KV_DO_DELETE &&
                   NATSKIT_KV_PURGE == (int)NKI_KV_DO_PURGE && NATSKIT_KV_CREATE == (int)NKI_KV_DO_CREATE &&
                   NATSKIT_KV_UPDATE == (int)NKI_KV_DO_UPDATE,
               "actions are numbered alike");

static int32_t check(const char *key, size_t key_len, const void *value, size_t value_len, int64_t timeout_ms,
                     struct nki_kv_write *write, natskit_error *err)
{
    if (!nki_capi_str(key, key_len, &write->key)) {
        return nki_capi_invalid(err, "key: the pointer is NULL");
    }
    if (!nki_capi_str(value, value_len, &write->value)) {
        return nki_capi_invalid(err, "value: the pointer is NULL");
    }
    if (!nki_capi_timeout_ok(timeout_ms)) {
        return nki_capi_invalid(err, "timeout_ms is less than -1");
    }
    if (write->action < NKI_KV_DO_PUT || write->action > NKI_KV_DO_UPDATE) {
        return nki_capi_invalid(err, "action: not one of NATSKIT_KV_*");
    }
    bool empty = write->action == NKI_KV_DO_DELETE || write->action == NKI_KV_DO_PURGE;
    if (empty && write->value.len > 0) {
        return nki_capi_invalid(err, "value: a delete or purge takes none");
    }
    if (write->action == NKI_KV_DO_CREATE && write->revision != 0) {
        return nki_capi_invalid(err, "revision: what is created has none before");
    }
    return write->value.len > NKI_CAPI_DATA_MAX ? nki_error_set(nki_capi_err(err), NATSKIT_TOO_LARGE, NULL)
                                                : NATSKIT_OK;
}

/* Waits for the ack, and reads it. */
static int32_t finish(struct nki_kv *bucket, struct nki_op *op, int64_t deadline_ns, uint64_t *revision,
                      natskit_error *err)
{
    struct nki_msg *msg = NULL;
    struct nki_pub_ack ack;
    int32_t status = nki_capi_finish_op(bucket->js->conn, op, deadline_ns, &msg, err);
    if (status == NATSKIT_OK) {
        nki_pub_ack_of(msg, &ack);
        if (revision != NULL) {
            *revision = ack.seq;
        }
        nki_msg_release(msg);
    }
    return status;
}

natskit_status natskit_kv_write(natskit_kv kv, int32_t action, const char *key, size_t key_len,
                                const void *value, size_t value_len, uint64_t revision, int64_t ttl_ms,
                                int64_t timeout_ms, uint64_t *new_revision, natskit_error *err)
{
    struct nki_kv_write write = {
        .action = (enum nki_kv_action)action, .revision = revision, .ttl_ms = ttl_ms};
    int32_t status = check(key, key_len, value, value_len, timeout_ms, &write, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_handle *handle;
    status = nki_capi_pin(kv.id, NATSKIT_KIND_KV, "bucket", &handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_js_begin begin = {.deadline_ns = nki_capi_deadline(timeout_ms), .wait_room = true};
    struct nki_op *op;
    status = nki_kv_write(handle->object, &write, &begin, &op, nki_capi_err(err));
    if (status == NATSKIT_OK) {
        status = finish(handle->object, op, begin.deadline_ns, new_revision, err);
        if (status == NATSKIT_TIMEOUT) {
            nki_error_set(nki_capi_err(err), status, "key \"%.*s\": no answer within %" PRId64 " ms",
                          (int)(write.key.len < 80 ? write.key.len : 80), write.key.ptr, timeout_ms);
        }
    }
    nki_handle_unpin(handle);
    return status;
}

natskit_status natskit_kv_batch_add(natskit_kv kv, natskit_batch batch, int32_t action, const char *key,
                                    size_t key_len, const void *value, size_t value_len, uint64_t revision,
                                    int64_t ttl_ms, natskit_error *err)
{
    struct nki_kv_write write = {
        .action = (enum nki_kv_action)action, .revision = revision, .ttl_ms = ttl_ms};
    struct nki_handle *handle;
    struct nki_handle *batch_handle;
    int32_t status = check(key, key_len, value, value_len, 0, &write, err);
    if (status == NATSKIT_OK) {
        status = nki_capi_pin(kv.id, NATSKIT_KIND_KV, "bucket", &handle, err);
    }
    if (status != NATSKIT_OK) {
        return status;
    }
    status = nki_capi_pin(batch.id, NATSKIT_KIND_BATCH, "batch", &batch_handle, err);
    if (status == NATSKIT_OK) {
        status = nki_kv_batch_add(handle->object, batch_handle->object, &write, nki_capi_err(err));
        nki_handle_unpin(batch_handle);
    }
    nki_handle_unpin(handle);
    return status;
}

/* Begins it under a handle of its own. */
static int32_t start_write(struct nki_kv *bucket, const struct nki_kv_write *write, int64_t timeout_ms,
                           natskit_op *op, natskit_error *err)
{
    uint64_t id;
    struct nki_handle *handle;
    int32_t status = nki_handle_reserve(NATSKIT_KIND_OP, &id, &handle);
    if (status != NATSKIT_OK) {
        return nki_error_set(nki_capi_err(err), status, NULL);
    }
    struct nki_js_begin begin = {.deadline_ns = nki_deadline_ns(nki_clock_now_ns(), timeout_ms),
                                 .timed = true};
    struct nki_op *inner;
    status = nki_kv_write(bucket, write, &begin, &inner, nki_capi_err(err));
    if (status == NATSKIT_OK) {
        nki_capi_publish_op(bucket->js->conn, handle, inner);
        op->id = id;
    } else {
        nki_handle_cancel(handle);
    }
    return status;
}

natskit_status natskit_kv_write_start(natskit_kv kv, int32_t action, const char *key, size_t key_len,
                                      const void *value, size_t value_len, uint64_t revision, int64_t ttl_ms,
                                      natskit_options options, int64_t timeout_ms, natskit_op *op,
                                      natskit_error *err)
{
    if (op == NULL) {
        return nki_capi_invalid(err, "op: the pointer is NULL");
    }
    op->id = 0;
    struct nki_kv_write write = {
        .action = (enum nki_kv_action)action, .revision = revision, .ttl_ms = ttl_ms};
    int32_t status = check(key, key_len, value, value_len, timeout_ms, &write, err);
    if (status == NATSKIT_OK) {
        status = nki_capi_options_check(options, NATSKIT_OPTIONS_REQUEST, err);
    }
    struct nki_handle *handle;
    if (status == NATSKIT_OK) {
        status = nki_capi_pin(kv.id, NATSKIT_KIND_KV, "bucket", &handle, err);
    }
    if (status == NATSKIT_OK) {
        status = start_write(handle->object, &write, timeout_ms, op, err);
        nki_handle_unpin(handle);
    }
    return status;
}

natskit_status natskit_kv_config(natskit_json bucket, natskit_json *out, natskit_error *err)
{
    if (out == NULL) {
        return nki_capi_invalid(err, "out: the pointer is NULL");
    }
    out->id = 0;
    struct nki_capi_json use;
    struct nki_doc doc;
    int32_t status = nki_capi_json_use(bucket, &use, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    if (use.doc == NULL) {
        return nki_capi_invalid(err, "bucket: no document was given");
    }
    status = nki_kv_config(use.doc, true, &doc, nki_capi_err(err));
    nki_capi_json_done(&use);
    return status == NATSKIT_OK ? nki_capi_json_give(&doc, out, err) : status;
}
