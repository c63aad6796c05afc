/* Errors of the JetStream API: see api_error.h. */
#include "jetstream/api_error.h"

/* Numbers of server 2.15 (err_code), which never change; all others are refusals. */
static const struct {
    int32_t err_code;
    int32_t status;
} known[] = {
    {10059, NKI_STREAM_NOT_FOUND},
    {10014, NKI_CONSUMER_NOT_FOUND},
    {10149, NKI_CONSUMER_NOT_FOUND}, /* an update of nothing */
    {10037, NKI_MSG_NOT_FOUND},
    {10043, NKI_MSG_NOT_FOUND}, /* the sequence is beyond the stream's */
    {10058, NKI_ALREADY_EXISTS},
    {10148, NKI_ALREADY_EXISTS},
    {10013, NKI_ALREADY_EXISTS},
    {10105, NKI_ALREADY_EXISTS},
    {10071, NKI_WRONG_LAST},
    {10164, NKI_WRONG_LAST},
    {10070, NKI_WRONG_LAST},
    {10039, NKI_JS_NOT_ENABLED},
    {10076, NKI_JS_NOT_ENABLED},
    {10185, NKI_API_LEVEL},
    {10109, NKI_SEALED},
    {10077, NKI_JS_LIMIT}, /* not stored: the text tells which limit */
    {10054, NKI_JS_LIMIT}, /* the message is too large for the stream */
    {10026, NKI_JS_LIMIT},
    {10027, NKI_JS_LIMIT}, /* consumers, streams */
    {10028, NKI_JS_LIMIT},
    {10047, NKI_JS_LIMIT}, /* memory, storage */
    {10002, NKI_JS_LIMIT}, /* resources of the account */
};

static int32_t number_of(const struct nki_json_value *error, struct nki_str name)
{
    struct nki_json_value value;
    int64_t number = 0;
    bool ok = nki_json_member(error, name, &value) && nki_json_i64(&value, &number);
    return ok && number > 0 && number <= INT32_MAX ? (int32_t)number : 0;
}

static int32_t status_of(int32_t err_code, int32_t code)
{
    for (size_t i = 0; i < NKI_ARRAY_LEN(known); i++) {
        if (known[i].err_code == err_code) {
            return known[i].status;
        }
    }
    return code == 503 ? NKI_JS_NOT_ENABLED : NKI_JS_REFUSED;
}

int32_t nki_js_read_error(const struct nki_json_value *error, struct nki_error *out)
{
    struct nki_json_value value;
    char text[400];
    bool object = error->type == NKI_JSON_OBJECT;
    bool said = object && nki_json_member(error, NKI_STR("description"), &value) &&
                nki_json_text(&value, text, sizeof text) > 0;
    int32_t code = object ? number_of(error, NKI_STR("code")) : 0;
    int32_t err_code = object ? number_of(error, NKI_STR("err_code")) : 0;
    int32_t status = status_of(err_code, code);
    nki_error_set(out, status, said ? "%s" : NULL, said ? text : "");
    out->server_code = code;
    out->err_code = err_code;
    return status;
}
