/* CONNECT: what the client tells of itself. Pure. Each key has its line here and there is no other way into
 * the text, so that nothing of the options can reach the server by accident. */
#include "wire/connect.h"

#define FIXED_MAX 352 /* bytes of the line when all its texts are empty */
#define ESCAPED_MAX 6 /* bytes that one byte of a text can become: \u00XX */

static bool add_bool(struct nki_buf *out, const char *key, bool value)
{
    return nki_buf_append_str(out, nki_str_z(key)) &&
           nki_buf_append_str(out, value ? NKI_STR("true,") : NKI_STR("false,"));
}

/* Empty texts are left out. */
static bool add_text(struct nki_buf *out, const char *key, struct nki_str value)
{
    return value.len == 0 || (nki_buf_append_str(out, nki_str_z(key)) && nki_buf_append_json(out, value) &&
                              nki_buf_append_str(out, NKI_STR(",")));
}

static bool add_all(struct nki_buf *out, const struct nki_connect_params *params)
{
    bool done =
        nki_buf_append_str(out, NKI_STR("CONNECT {")) && add_bool(out, "\"verbose\":", params->verbose) &&
        add_bool(out, "\"pedantic\":", params->pedantic) &&
        add_bool(out, "\"tls_required\":", params->tls_required) &&
        add_text(out, "\"name\":", params->name) && add_text(out, "\"lang\":", NKI_STR("natskit")) &&
        add_text(out, "\"version\":", params->version) &&
        nki_buf_append_str(out, NKI_STR("\"protocol\":1,")) && add_bool(out, "\"echo\":", params->echo) &&
        add_bool(out, "\"headers\":", true) && add_bool(out, "\"no_responders\":", true) &&
        add_text(out, "\"user\":", params->user) && add_text(out, "\"pass\":", params->password) &&
        add_text(out, "\"auth_token\":", params->token) && add_text(out, "\"jwt\":", params->jwt) &&
        add_text(out, "\"nkey\":", params->nkey) && add_text(out, "\"sig\":", params->signature);
    if (done) {
        out->len--; /* the comma behind the last member */
    }
    return done && nki_buf_append_str(out, NKI_STR("}\r\n"));
}

bool nki_connect_emit(struct nki_buf *out, const struct nki_connect_params *params)
{
    assert(out != NULL && params != NULL);
    /* Room for all of it at once: a buffer that grew on the way would leave secrets in freed memory. */
    size_t texts = params->name.len + params->user.len + params->password.len + params->token.len +
                   params->version.len + params->jwt.len + params->nkey.len + params->signature.len;
    size_t before = out->len;
    if (!nki_buf_reserve(out, FIXED_MAX + ESCAPED_MAX * texts)) {
        return false;
    }
    if (!add_all(out, params)) {
        out->len = before;
        return false;
    }
    return true;
}
