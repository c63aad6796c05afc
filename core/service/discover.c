/* Asking services who they are. Any thread. */
#include "service/service.h"

#include "wire/subject.h"

bool nki_service_subject(struct nki_buf *out, const struct nki_discover_params *params)
{
    static const char *const verbs[] = {
        [NKI_SERVICE_PING] = ".PING", [NKI_SERVICE_INFO] = ".INFO", [NKI_SERVICE_STATS] = ".STATS"};
    const char *verb = verbs[params->verb];
    bool ok = nki_buf_append_str(out, params->prefix) && nki_buf_append(out, verb, strlen(verb));
    if (params->name.len > 0) {
        ok = ok && nki_buf_append(out, ".", 1) && nki_buf_append_str(out, params->name);
    }
    if (params->id.len > 0) {
        ok = ok && nki_buf_append(out, ".", 1) && nki_buf_append_str(out, params->id);
    }
    return ok;
}

int32_t nki_discover(struct nki_conn *conn, const struct nki_discover_params *params,
                     const struct nki_many_params *many, struct nki_sub **out, struct nki_error *err)
{
    struct nki_buf subject = {0};
    if (params->id.len > 0 && params->name.len == 0) {
        return nki_error_set(err, NKI_INVALID, "id: it needs the name of the service, too");
    }
    if (!nki_service_subject(&subject, params)) {
        nki_buf_free(&subject);
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    struct nki_outgoing_msg msg = {
        .subject = nki_service_text(&subject),
        .reply = NKI_STR(""),
        .header_block = NKI_STR(""),
        .data = NKI_STR(""),
    };
    const char *fault = nki_subject_publish_fault(msg.subject);
    int32_t status;
    if (fault != NULL) {
        int shown = msg.subject.len < 120 ? (int)msg.subject.len : 120;
        status = nki_error_set(err, NKI_INVALID, "subject \"%.*s\" %s", shown, msg.subject.ptr, fault);
    } else {
        status = nki_conn_request_many(conn, &msg, many, out, err);
    }
    nki_buf_free(&subject);
    return status;
}
