/* Calls of the JetStream API: blocking, and as operations. Any thread. */
#include "capi/guard.h"
#include "jetstream/call.h"
#include "jetstream/fields.h"
#include "kv/call.h"

#include <inttypes.h>

natskit_status natskit_js_call_at(size_t index, natskit_js_call_info *info, size_t info_size)
{
    if (info == NULL || info_size == 0) {
        return NATSKIT_INVALID;
    }
    size_t count = 0; /* of the calls that are no bucket's */
    while (nki_js_call_at(count) != NULL) {
        count++;
    }
    const struct nki_js_call_row *row = index < count ? nki_js_call_at(index) : nki_kv_call_at(index - count);
    if (row == NULL) {
        return NATSKIT_NOT_FOUND;
    }
    natskit_js_call_info filled = {
        .name = row->name, .args = row->args, .since = row->since, .text = row->text};
    return nki_capi_give(info, info_size, &filled, sizeof filled);
}

natskit_status natskit_js_field_at(size_t index, natskit_js_field_info *info, size_t info_size)
{
    if (info == NULL || info_size == 0) {
        return NATSKIT_INVALID;
    }
    const struct nki_js_field_row *row = nki_js_field_at(index);
    if (row == NULL) {
        return NATSKIT_NOT_FOUND;
    }
    natskit_js_field_info filled = {.object = row->object,
                                    .name = row->name,
                                    .type = row->type,
                                    .level = (int32_t)row->level,
                                    .values = row->values,
                                    .text = row->text};
    return nki_capi_give(info, info_size, &filled, sizeof filled);
}

/* How a call is begun. */
struct begin {
    struct nki_str name;
    int64_t deadline_ns;
    bool timed;
    bool wait_room;
};

/* Begins it on a pinned context. */
static int32_t begin_call(struct nki_js *js, const struct begin *begin, natskit_json args, struct nki_op **op,
                          natskit_error *err)
{
    struct nki_capi_json use;
    int32_t status = nki_capi_json_use(args, &use, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_chain *chain;
    status = nki_kv_call_is(begin->name)
                 ? nki_kv_call_make(js, begin->name, use.doc, &chain, nki_capi_err(err))
                 : nki_js_call_make(js, begin->name, use.doc, &chain, nki_capi_err(err));
    nki_capi_json_done(&use); /* before it waits for room */
    return status != NATSKIT_OK ? status
                                : nki_conn_chain(js->conn, chain, begin->deadline_ns, begin->timed,
                                                 begin->wait_room, op, nki_capi_err(err));
}

static int32_t check_call(const char *call, size_t call_len, int64_t timeout_ms, struct nki_str *name,
                          natskit_error *err)
{
    if (!nki_capi_str(call, call_len, name)) {
        return nki_capi_invalid(err, "call: the pointer is NULL");
    }
    return nki_capi_timeout_ok(timeout_ms) ? NATSKIT_OK : nki_capi_invalid(err, "timeout_ms is less than -1");
}

natskit_status natskit_js_call(natskit_js js, const char *call, size_t call_len, natskit_json args,
                               int64_t timeout_ms, natskit_json *answer, natskit_error *err)
{
    if (answer == NULL) {
        return nki_capi_invalid(err, "answer: the pointer is NULL");
    }
    answer->id = 0;
    struct begin begin;
    int32_t status = check_call(call, call_len, timeout_ms, &begin.name, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_handle *handle;
    status = nki_capi_pin(js.id, NATSKIT_KIND_JS, "JetStream context", &handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_js *context = handle->object;
    begin.deadline_ns = nki_capi_deadline(timeout_ms);
    begin.timed = false;
    begin.wait_room = true;
    struct nki_op *op;
    struct nki_msg *reply = NULL;
    status = begin_call(context, &begin, args, &op, err);
    if (status == NATSKIT_OK) {
        status = nki_capi_finish_op(context->conn, op, begin.deadline_ns, &reply, err);
        if (status == NATSKIT_TIMEOUT) {
            nki_error_set(nki_capi_err(err), status, "%.*s: no answer within %" PRId64 " ms",
                          (int)begin.name.len, begin.name.ptr, timeout_ms);
        }
    }
    if (status == NATSKIT_OK) {
        status = nki_capi_json_read(nki_msg_data(reply), answer, err);
        nki_msg_release(reply);
    }
    nki_handle_unpin(handle);
    return status;
}

natskit_status natskit_js_call_start(natskit_js js, const char *call, size_t call_len, natskit_json args,
                                     natskit_options options, int64_t timeout_ms, natskit_op *op,
                                     natskit_error *err)
{
    if (op == NULL) {
        return nki_capi_invalid(err, "op: the pointer is NULL");
    }
    op->id = 0;
    struct begin begin = {.timed = true};
    int32_t status = check_call(call, call_len, timeout_ms, &begin.name, err);
    if (status == NATSKIT_OK) {
        status = nki_capi_options_check(options, NATSKIT_OPTIONS_REQUEST, err);
    }
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_handle *js_handle;
    status = nki_capi_pin(js.id, NATSKIT_KIND_JS, "JetStream context", &js_handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_js *context = js_handle->object;
    begin.deadline_ns = nki_deadline_ns(nki_clock_now_ns(), timeout_ms);
    uint64_t id;
    struct nki_handle *handle;
    status = nki_handle_reserve(NATSKIT_KIND_OP, &id, &handle);
    if (status != NATSKIT_OK) {
        nki_error_set(nki_capi_err(err), status, NULL);
    } else {
        struct nki_op *inner;
        status = begin_call(context, &begin, args, &inner, err);
        if (status == NATSKIT_OK) {
            nki_capi_publish_op(context->conn, handle, inner);
            op->id = id;
        } else {
            nki_handle_cancel(handle);
        }
    }
    nki_handle_unpin(js_handle);
    return status;
}
