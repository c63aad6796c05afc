/* Services and their discovery. Any thread. */
#include "service/service.h"
#include "capi/guard.h"
#include "options/options.h"
#include "service/request.h"

_Static_assert(NATSKIT_SERVICE_PING == (int)NKI_SERVICE_PING &&
                   NATSKIT_SERVICE_INFO == (int)NKI_SERVICE_INFO &&
                   NATSKIT_SERVICE_STATS == (int)NKI_SERVICE_STATS,
               "verbs are numbered alike");

/* What discovery does unless options say otherwise. */
#define DISCOVER_WAIT_MS 2000
#define DISCOVER_STALL_MS 300

static void service_close(struct nki_handle *handle)
{
    struct nki_service *service = handle->object;
    nki_sub_end(service->sub);
}

static void service_destroy(struct nki_handle *handle)
{
    nki_service_release(handle->object);
}

static const struct nki_handle_ops service_ops = {service_close, service_destroy};

/* -- opening --------------------------------------------------------------------------------------------- */

static int32_t open_with(struct nki_conn *conn, struct nki_doc *config, const struct nki_options *values,
                         struct nki_service **out, natskit_error *err)
{
    struct nki_service_params params = {
        .config = config,
        .prefix = nki_options_str(values, NKI_OPT_SERVICE_prefix),
        .limits.msgs = (uint64_t)nki_options_int(values, NKI_OPT_SERVICE_pending_msgs_limit),
        .limits.bytes = (uint64_t)nki_options_int(values, NKI_OPT_SERVICE_pending_bytes_limit),
    };
    const char *fault = nki_subject_publish_fault(params.prefix);
    return fault != NULL ? nki_capi_fault(err, "option prefix:", params.prefix, fault)
                         : nki_service_open(conn, &params, out, nki_capi_err(err));
}

static int32_t open_service(struct nki_conn *conn, natskit_json config, natskit_options options,
                            struct nki_service **out, natskit_error *err)
{
    struct nki_capi_json use;
    struct nki_capi_options set;
    int32_t status = nki_capi_options_use(options, NATSKIT_OPTIONS_SERVICE, &set, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_options *defaults =
        set.options == NULL ? nki_options_new((enum nki_scope)NATSKIT_OPTIONS_SERVICE) : NULL;
    const struct nki_options *values = set.options != NULL ? set.options : defaults;
    if (values == NULL) {
        return nki_error_set(nki_capi_err(err), NATSKIT_NO_MEMORY, NULL);
    }
    status = nki_capi_json_use(config, &use, err);
    if (status == NATSKIT_OK) {
        status = use.doc == NULL ? nki_capi_invalid(err, "config: no document was given")
                                 : open_with(conn, use.doc, values, out, err);
        nki_capi_json_done(&use);
    }
    nki_options_free(defaults);
    nki_capi_options_done(&set);
    return status;
}

/* Gives the service and its subscription handles that were reserved. */
static int32_t open_handles(struct nki_conn *conn, natskit_json config, natskit_options options,
                            struct nki_handle *handle, struct nki_handle *sub_handle, natskit_error *err)
{
    struct nki_service *service;
    int32_t status = open_service(conn, config, options, &service, err);
    if (status == NATSKIT_OK) {
        nki_sub_retain(service->sub);
        nki_handle_publish(sub_handle, &nki_capi_sub_ops, service->sub, NULL);
        nki_handle_publish(handle, &service_ops, service, NULL);
    }
    return status;
}

natskit_status natskit_service_open(natskit_conn conn, natskit_json config, natskit_options options,
                                    natskit_service *out, natskit_sub *requests, natskit_error *err)
{
    if (out == NULL || requests == NULL) {
        return nki_capi_invalid(err,
                                out == NULL ? "out: the pointer is NULL" : "requests: the pointer is NULL");
    }
    out->id = 0;
    requests->id = 0;
    struct nki_handle *conn_handle;
    int32_t status = nki_capi_pin(conn.id, NATSKIT_KIND_CONN, "connection", &conn_handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    uint64_t id;
    uint64_t sub_id;
    struct nki_handle *handle = NULL;
    struct nki_handle *sub_handle = NULL;
    status = nki_handle_reserve(NATSKIT_KIND_SERVICE, &id, &handle);
    if (status == NATSKIT_OK) {
        status = nki_handle_reserve(NATSKIT_KIND_SUB, &sub_id, &sub_handle);
        if (status != NATSKIT_OK) {
            nki_handle_cancel(handle);
        }
    }
    if (status != NATSKIT_OK) {
        nki_error_set(nki_capi_err(err), status, NULL);
    } else {
        status = open_handles(conn_handle->object, config, options, handle, sub_handle, err);
        if (status == NATSKIT_OK) {
            out->id = id;
            requests->id = sub_id;
        } else {
            nki_handle_cancel(sub_handle);
            nki_handle_cancel(handle);
        }
    }
    nki_handle_unpin(conn_handle);
    return status;
}

natskit_status natskit_service_close(natskit_service service)
{
    return nki_handle_close(service.id, NATSKIT_KIND_SERVICE);
}

/* -- groups and endpoints -------------------------------------------------------------------------------- */

/* Adds one of either to a service by id. */
static int32_t add(natskit_service service, uint32_t group, natskit_json config, uint32_t *out,
                   int32_t (*begin)(struct nki_service *, uint32_t, struct nki_doc *, uint32_t *,
                                    struct nki_error *),
                   natskit_error *err)
{
    struct nki_handle *handle;
    struct nki_capi_json use;
    int32_t status = nki_capi_pin(service.id, NATSKIT_KIND_SERVICE, "service", &handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    status = nki_capi_json_use(config, &use, err);
    if (status == NATSKIT_OK) {
        status = use.doc == NULL ? nki_capi_invalid(err, "config: no document was given")
                                 : begin(handle->object, group, use.doc, out, nki_capi_err(err));
        nki_capi_json_done(&use);
    }
    nki_handle_unpin(handle);
    return status;
}

natskit_status natskit_service_group_add(natskit_service service, uint32_t parent, natskit_json config,
                                         uint32_t *group, natskit_error *err)
{
    return group == NULL ? nki_capi_invalid(err, "group: the pointer is NULL")
                         : add(service, parent, config, group, nki_service_add_group, err);
}

natskit_status natskit_service_endpoint_add(natskit_service service, uint32_t group, natskit_json config,
                                            uint32_t *endpoint, natskit_error *err)
{
    return endpoint == NULL ? nki_capi_invalid(err, "endpoint: the pointer is NULL")
                            : add(service, group, config, endpoint, nki_service_add_endpoint, err);
}

/* -- statistics, end ------------------------------------------------------------------------------------- */

natskit_status natskit_service_endpoint_data(natskit_service service, uint32_t endpoint, natskit_json data,
                                             natskit_error *err)
{
    struct nki_handle *handle;
    struct nki_capi_json use;
    int32_t status = nki_capi_pin(service.id, NATSKIT_KIND_SERVICE, "service", &handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    status = nki_capi_json_use(data, &use, err);
    if (status == NATSKIT_OK) {
        struct nki_service *object = handle->object;
        const struct nki_doc_node *root = use.doc != NULL ? use.doc->root : NULL;
        status = nki_ledger_set_data(object->ledger, endpoint, root, nki_capi_err(err));
        nki_capi_json_done(&use);
    }
    nki_handle_unpin(handle);
    return status;
}

static bool verb_ok(int32_t verb)
{
    return verb >= NATSKIT_SERVICE_PING && verb <= NATSKIT_SERVICE_STATS;
}

natskit_status natskit_service_report(natskit_service service, int32_t verb, natskit_json *out,
                                      natskit_error *err)
{
    if (out == NULL) {
        return nki_capi_invalid(err, "out: the pointer is NULL");
    }
    out->id = 0;
    if (!verb_ok(verb)) {
        return nki_capi_invalid(err, "verb: not one of NATSKIT_SERVICE_*");
    }
    struct nki_handle *handle;
    int32_t status = nki_capi_pin(service.id, NATSKIT_KIND_SERVICE, "service", &handle, err);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_service *object = handle->object;
    struct nki_buf text = {0};
    bool ok = nki_ledger_write(object->ledger, (enum nki_service_verb)verb, &text);
    nki_handle_unpin(handle);
    status = ok ? nki_capi_json_read(nki_service_text(&text), out, err)
                : nki_error_set(nki_capi_err(err), NATSKIT_NO_MEMORY, NULL);
    nki_buf_free(&text);
    return status;
}

natskit_status natskit_service_reset(natskit_service service)
{
    struct nki_handle *handle;
    int32_t status = nki_handle_pin(service.id, NATSKIT_KIND_SERVICE, &handle);
    if (status == NATSKIT_OK) {
        struct nki_service *object = handle->object;
        nki_ledger_reset(object->ledger);
        nki_handle_unpin(handle);
    }
    return status;
}

natskit_status natskit_service_stop(natskit_service service, natskit_error *err)
{
    struct nki_handle *handle;
    int32_t status = nki_capi_pin(service.id, NATSKIT_KIND_SERVICE, "service", &handle, err);
    if (status == NATSKIT_OK) {
        status = nki_service_stop(handle->object, nki_capi_err(err));
        nki_handle_unpin(handle);
    }
    return status;
}

/* -- requests and answers -------------------------------------------------------------------------------- */

natskit_status natskit_msg_service(const natskit_msg *msg, natskit_service_view *view, size_t view_size)
{
    const struct nki_msg *inner = (const struct nki_msg *)(const void *)msg;
    if (msg == NULL || view == NULL || view_size == 0 || inner->kind != NKI_MSG_SERVICE) {
        return NATSKIT_INVALID;
    }
    uint32_t index;
    const struct nki_endpoint *endpoint = nki_request_endpoint(inner, &index);
    struct nki_str name = nki_service_text(&endpoint->name);
    struct nki_str group = nki_service_text(&endpoint->prefix);
    struct nki_str pattern = nki_service_text(&endpoint->subject);
    natskit_service_view filled = {
        .endpoint = name.ptr,
        .endpoint_len = name.len,
        .group = group.ptr,
        .group_len = group.len,
        .pattern = pattern.ptr,
        .pattern_len = pattern.len,
        .index = index,
    };
    return nki_capi_give(view, view_size, &filled, sizeof filled);
}

natskit_status natskit_msg_handled(natskit_msg *msg)
{
    const struct nki_msg *inner = (const struct nki_msg *)(const void *)msg;
    if (msg == NULL || inner->kind != NKI_MSG_SERVICE) {
        return NATSKIT_INVALID;
    }
    nki_request_handled(inner);
    return NATSKIT_OK;
}

natskit_status natskit_msg_service_error(const natskit_msg *msg, natskit_error *err)
{
    if (msg == NULL) {
        return nki_capi_invalid(err, "msg: the pointer is NULL");
    }
    const struct nki_msg *inner = (const struct nki_msg *)(const void *)msg;
    bool plain = inner->kind == NKI_MSG_MESSAGE || inner->kind == NKI_MSG_SERVICE;
    return plain ? nki_answer_error(inner, nki_capi_err(err)) : NATSKIT_OK;
}

/* -- discovery ------------------------------------------------------------------------------------------- */

struct discovery {
    struct nki_conn *conn;
    struct nki_discover_params params;
    bool defaults;
    struct nki_sub *sub;
    natskit_error *err;
};

static int32_t begin_discovery(void *what, const struct nki_many_params *given)
{
    struct discovery *discovery = what;
    struct nki_many_params many = *given;
    if (discovery->defaults) {
        many.deadline_ns = nki_deadline_ns(nki_clock_now_ns(), DISCOVER_WAIT_MS);
        many.stall_ns = DISCOVER_STALL_MS * NKI_NS_PER_MS;
    }
    return nki_discover(discovery->conn, &discovery->params, &many, &discovery->sub,
                        nki_capi_err(discovery->err));
}

/* Asks on a pinned connection, with a handle for the answers. */
static int32_t discover(struct discovery *discovery, natskit_options options, natskit_sub *out,
                        natskit_error *err)
{
    uint64_t id;
    struct nki_handle *handle;
    int32_t status = nki_handle_reserve(NATSKIT_KIND_SUB, &id, &handle);
    if (status != NATSKIT_OK) {
        return nki_error_set(nki_capi_err(err), status, NULL);
    }
    status = nki_capi_many(options, begin_discovery, discovery, err);
    if (status == NATSKIT_OK) {
        nki_handle_publish(handle, &nki_capi_sub_ops, discovery->sub, NULL);
        out->id = id;
    } else {
        nki_handle_cancel(handle);
    }
    return status;
}

natskit_status natskit_service_discover(natskit_conn conn, int32_t verb, const char *prefix,
                                        size_t prefix_len, const char *name, size_t name_len, const char *id,
                                        size_t id_len, natskit_options options, natskit_sub *out,
                                        natskit_error *err)
{
    if (out == NULL) {
        return nki_capi_invalid(err, "out: the pointer is NULL");
    }
    out->id = 0;
    struct discovery discovery = {.defaults = options.id == 0, .err = err};
    struct nki_discover_params *params = &discovery.params;
    if (!verb_ok(verb)) {
        return nki_capi_invalid(err, "verb: not one of NATSKIT_SERVICE_*");
    }
    if (!nki_capi_str(prefix, prefix_len, &params->prefix) || !nki_capi_str(name, name_len, &params->name) ||
        !nki_capi_str(id, id_len, &params->id)) {
        return nki_capi_invalid(err, "prefix, name or id: the pointer is NULL");
    }
    params->verb = (enum nki_service_verb)verb;
    params->prefix = params->prefix.len > 0 ? params->prefix : NKI_STR("$SRV");
    struct nki_handle *handle;
    int32_t status = nki_capi_pin(conn.id, NATSKIT_KIND_CONN, "connection", &handle, err);
    if (status == NATSKIT_OK) {
        discovery.conn = handle->object;
        status = discover(&discovery, options, out, err);
        nki_handle_unpin(handle);
    }
    return status;
}
