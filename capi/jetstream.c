/* JetStream contexts. Any thread. */
#include "capi/guard.h"
#include "jetstream/context.h"

static void js_close(struct nki_handle *handle)
{
    (void)handle; /* what was begun goes on: it ends with its time or the connection */
}

static void js_destroy(struct nki_handle *handle)
{
    nki_js_release(handle->object);
}

static const struct nki_handle_ops js_ops = {js_close, js_destroy};

/* Makes the context of a pinned connection. */
static int32_t open_context(struct nki_conn *conn, natskit_options options, struct nki_js **out,
                            natskit_error *err)
{
    struct nki_capi_options use;
    int32_t status = nki_capi_options_use(options, NATSKIT_OPTIONS_JETSTREAM, &use, err);
    if (status == NATSKIT_OK) {
        status = nki_js_open(conn, use.options, out, nki_capi_err(err));
        nki_capi_options_done(&use);
    }
    return status;
}

natskit_status natskit_js_open(natskit_conn conn, natskit_options options, natskit_js *out,
                               natskit_error *err)
{
    if (out == NULL) {
        return nki_capi_invalid(err, "out: the pointer is NULL");
    }
    out->id = 0;
    struct nki_handle *conn_handle;
    int32_t status = nki_capi_pin(conn.id, NATSKIT_KIND_CONN, "connection", &conn_handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    uint64_t id;
    struct nki_handle *handle;
    struct nki_js *js;
    status = nki_handle_reserve(NATSKIT_KIND_JS, &id, &handle);
    if (status != NATSKIT_OK) {
        nki_error_set(nki_capi_err(err), status, NULL);
    } else {
        status = open_context(conn_handle->object, options, &js, err);
        if (status == NATSKIT_OK) {
            nki_handle_publish(handle, &js_ops, js, NULL);
            out->id = id;
        } else {
            nki_handle_cancel(handle);
        }
    }
    nki_handle_unpin(conn_handle);
    return status;
}

natskit_status natskit_js_close(natskit_js js)
{
    return nki_handle_close(js.id, NATSKIT_KIND_JS);
}
