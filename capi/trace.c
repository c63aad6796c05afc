/* Traces of messages. Any thread. */
#include "jetstream/trace.h"

#include "capi/guard.h"

natskit_status natskit_trace_tree(natskit_json events, natskit_json *tree, natskit_error *err)
{
    if (tree == NULL) {
        return nki_capi_invalid(err, "tree: the pointer is NULL");
    }
    tree->id = 0;
    struct nki_capi_json use;
    struct nki_doc doc;
    int32_t status = nki_capi_json_use(events, &use, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    if (use.doc == NULL) {
        return nki_error_set(nki_capi_err(err), NATSKIT_BAD_HANDLE, NULL);
    }
    status = nki_trace_tree(use.doc, &doc, nki_capi_err(err));
    nki_capi_json_done(&use);
    return status == NATSKIT_OK ? nki_capi_json_give(&doc, tree, err) : status;
}
