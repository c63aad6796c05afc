#include "jetstream/api_error.h"
int32_t nki_js_read_error(const struct nki_json_value *error, struct nki_error *out)
{
    struct nki_json_value v; int64_t n=0; char text[300]="";
    nki_error_set(out, NKI_JS_REFUSED, NULL);
    if (nki_json_member(error, NKI_STR("description"), &v)) nki_json_text(&v, text, sizeof text);
    nki_error_set(out, NKI_JS_REFUSED, "%s", text);
    if (nki_json_member(error, NKI_STR("code"), &v) && nki_json_i64(&v,&n)) out->server_code=(int32_t)n;
    if (nki_json_member(error, NKI_STR("err_code"), &v) && nki_json_i64(&v,&n)) out->err_code=(int32_t)n;
    return out->status;
}
