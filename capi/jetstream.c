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

static int32_t open_context(void *conn, const void *how, natskit_options options, void **out,
                            natskit_error *err)
{
    (void)how;
    struct nki_capi_options use;
    struct nki_js *js;
    int32_t status = nki_capi_options_use(options, NATSKIT_OPTIONS_JETSTREAM, &use, err);
    if (status == NATSKIT_OK) {
        status = nki_js_open(conn, use.options, &js, nki_capi_err(err));
        *out = status == NATSKIT_OK ? js : NULL;
        nki_capi_options_done(&use);
    }
    return status;
}

natskit_status natskit_js_open(natskit_conn conn, natskit_options options, natskit_js *out,
                               natskit_error *err)
{
    static const struct nki_capi_opening opening = {NATSKIT_KIND_CONN, "connection", NATSKIT_KIND_JS, &js_ops,
                                                    open_context};
    return nki_capi_open_on(&opening, conn.id, NULL, options, out != NULL ? &out->id : NULL, err);
}

natskit_status natskit_js_close(natskit_js js)
{
    return nki_handle_close(js.id, NATSKIT_KIND_JS);
}
