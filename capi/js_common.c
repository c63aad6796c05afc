/* Calls that several objects of JetStream have: opened on another one, alone or with a subscription,
 * committed. Any thread. */
#include "capi/guard.h"

natskit_status nki_capi_open_on(const struct nki_capi_opening *opening, uint64_t on, const void *how,
                                natskit_options options, uint64_t *out, natskit_error *err)
{
    if (out == NULL) {
        return nki_capi_invalid(err, "out: the pointer is NULL");
    }
    *out = 0;
    struct nki_handle *pinned;
    int32_t status = nki_capi_pin(on, opening->on_kind, opening->on_what, &pinned, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    uint64_t id;
    struct nki_handle *handle;
    status = nki_handle_reserve(opening->kind, &id, &handle);
    if (status != NATSKIT_OK) {
        nki_error_set(nki_capi_err(err), status, NULL);
    } else {
        void *object = NULL;
        status = opening->open(pinned->object, how, options, &object, err);
        if (status == NATSKIT_OK) {
            nki_handle_publish(handle, opening->ops, object, NULL);
            *out = id;
        } else {
            nki_handle_cancel(handle);
        }
    }
    nki_handle_unpin(pinned);
    return status;
}

/* With both handles reserved. */
static int32_t open_both(const struct nki_capi_pair *pair, struct nki_js *js, natskit_options options,
                         struct nki_handle *handle, struct nki_handle *sub_handle, natskit_error *err)
{
    void *object = NULL;
    struct nki_sub *sub = NULL;
    int32_t status = pair->open(js, options, &object, &sub, err);
    if (status == NATSKIT_OK) {
        nki_handle_publish(handle, pair->ops, object, NULL);
        nki_handle_publish(sub_handle, &nki_capi_sub_ops, sub, NULL);
    } else {
        nki_handle_cancel(handle);
        nki_handle_cancel(sub_handle);
    }
    return status;
}

static int32_t reserve_both(int32_t kind, uint64_t ids[2], struct nki_handle *handles[2], natskit_error *err)
{
    int32_t status = nki_handle_reserve(kind, &ids[0], &handles[0]);
    if (status == NATSKIT_OK) {
        status = nki_handle_reserve(NATSKIT_KIND_SUB, &ids[1], &handles[1]);
        if (status != NATSKIT_OK) {
            nki_handle_cancel(handles[0]);
        }
    }
    return status == NATSKIT_OK ? NATSKIT_OK : nki_error_set(nki_capi_err(err), status, NULL);
}

natskit_status nki_capi_open_pair(const struct nki_capi_pair *pair, natskit_js js, natskit_options options,
                                  uint64_t *out, uint64_t *sub_out, natskit_error *err)
{
    if (out == NULL) {
        return nki_capi_invalid(err, "out: the pointer is NULL");
    }
    if (sub_out == NULL) {
        nki_error_set(nki_capi_err(err), NATSKIT_INVALID, "%s: the pointer is NULL", pair->sub_name);
        return NATSKIT_INVALID;
    }
    *out = 0;
    *sub_out = 0;
    struct nki_handle *js_handle;
    int32_t status = nki_capi_pin(js.id, NATSKIT_KIND_JS, "JetStream context", &js_handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    uint64_t ids[2] = {0, 0};
    struct nki_handle *handles[2] = {NULL, NULL};
    status = reserve_both(pair->kind, ids, handles, err);
    if (status == NATSKIT_OK) {
        status = open_both(pair, js_handle->object, options, handles[0], handles[1], err);
    }
    if (status == NATSKIT_OK) {
        *out = ids[0];
        *sub_out = ids[1];
    }
    nki_handle_unpin(js_handle);
    return status;
}

natskit_status nki_capi_commit(const struct nki_capi_commit *call, uint64_t id, int64_t timeout_ms,
                               natskit_msg **ack, int32_t *outcome, natskit_error *err)
{
    int32_t ignored;
    int32_t *known = outcome != NULL ? outcome : &ignored;
    *known = NATSKIT_OUTCOME_NOT_SENT;
    if (ack != NULL) {
        *ack = NULL;
    }
    if (!nki_capi_timeout_ok(timeout_ms)) {
        return nki_capi_invalid(err, "timeout_ms is less than -1");
    }
    struct nki_handle *handle;
    int32_t status = nki_capi_pin(id, call->kind, call->what, &handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_msg *given = NULL;
    status = call->commit(handle->object, nki_capi_deadline(timeout_ms), &given, known, nki_capi_err(err));
    nki_handle_unpin(handle);
    if (status == NATSKIT_OK && ack != NULL) {
        *ack = (natskit_msg *)(void *)given;
    } else {
        nki_msg_release(given);
    }
    return status;
}
