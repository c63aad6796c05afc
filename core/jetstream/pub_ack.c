/* Acks of published messages: see pub_ack.h. */
#include "jetstream/pub_ack.h"

#include "jetstream/api_error.h"

/* A string without what JSON escapes, which names of streams and domains do not hold. */
static bool read_name(const struct nki_json_value *value, struct nki_str *out)
{
    if (value->type != NKI_JSON_STRING) {
        return false;
    }
    *out = nki_str_make(value->raw.ptr + 1, value->raw.len - 2);
    return memchr(out->ptr, '\\', out->len) == NULL;
}

int32_t nki_pub_ack_read(struct nki_str answer, struct nki_pub_ack *out, struct nki_error *err)
{
    struct nki_json_value root;
    struct nki_json_value value;
    struct nki_str key;
    size_t at = 0;
    bool ok = nki_json_check(answer, &root) && root.type == NKI_JSON_OBJECT;
    *out = (struct nki_pub_ack){.stream = NKI_STR(""), .domain = NKI_STR("")};
    while (ok && nki_json_next(&root, &at, &key, &value)) {
        if (nki_str_eq(key, NKI_STR("error"))) {
            struct nki_error error;
            int32_t status = nki_js_read_error(&value, &error);
            if (err != NULL) {
                *err = error;
            }
            return status;
        }
        if (nki_str_eq(key, NKI_STR("stream"))) {
            ok = read_name(&value, &out->stream);
        } else if (nki_str_eq(key, NKI_STR("seq"))) {
            ok = nki_json_u64(&value, &out->seq);
        } else if (nki_str_eq(key, NKI_STR("domain"))) {
            ok = read_name(&value, &out->domain);
        } else if (nki_str_eq(key, NKI_STR("duplicate"))) {
            ok = nki_json_bool(&value, &out->duplicate);
        }
    }
    return ok && out->stream.len > 0 ? NKI_OK : nki_error_set(err, NKI_INVALID_ACK, NULL);
}
