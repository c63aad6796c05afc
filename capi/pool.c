/* The pool of servers of a connection, read and set at run time. Any thread; nothing here blocks. */
#include "capi/guard.h"

#include "base/buf.h"

natskit_status natskit_conn_servers_set(natskit_conn conn, const char *urls, size_t urls_len,
                                        natskit_error *err)
{
    struct nki_str text;
    if (!nki_capi_str(urls, urls_len, &text)) {
        return nki_capi_invalid(err, "urls: the pointer is NULL");
    }
    struct nki_handle *handle;
    natskit_status status = nki_capi_pin(conn.id, NATSKIT_KIND_CONN, "connection", &handle, err);
    if (status == NATSKIT_OK) {
        status = nki_conn_servers_set(handle->object, text, nki_capi_err(err));
        nki_handle_unpin(handle);
    }
    return status;
}

natskit_status natskit_conn_servers(natskit_conn conn, char *buf, size_t cap, size_t *len)
{
    if (len == NULL || (buf == NULL && cap > 0)) {
        return NATSKIT_INVALID;
    }
    struct nki_handle *handle;
    natskit_status status = nki_handle_pin(conn.id, NATSKIT_KIND_CONN, &handle);
    if (status != NATSKIT_OK) {
        return status;
    }
    struct nki_buf text = {0};
    status = nki_conn_servers(handle->object, &text);
    nki_handle_unpin(handle);
    if (status == NATSKIT_OK) {
        *len = text.len;
        status = text.len <= cap ? NATSKIT_OK : NATSKIT_LIMIT;
    }
    if (status == NATSKIT_OK && buf != NULL) {
        memcpy(buf, text.data, text.len);
    }
    nki_buf_free(&text);
    return status;
}
