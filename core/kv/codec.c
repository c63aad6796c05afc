/* Codecs of keys and values: see codec.h. */
#include "kv/codec.h"

#include "base/base64.h"
#include "base/status.h"

#define ROOT NKI_STR("_root_")

/* -- base64 ---------------------------------------------------------------------------------------------- */

static bool append_base64(struct nki_buf *out, struct nki_str token)
{
    if (!nki_buf_reserve(out, NKI_BASE64_LEN(token.len))) {
        return false;
    }
    out->len += nki_base64_encode(NKI_BASE64_URL, token.ptr, token.len, (char *)out->data + out->len);
    return true;
}

static bool encode_base64(struct nki_str key, bool wild, struct nki_buf *out)
{
    bool ok = true;
    for (bool first = true; ok && key.ptr != NULL; first = false) {
        struct nki_str token = nki_str_cut(&key, '.');
        bool whole =
            wild && token.len == 1 && (token.ptr[0] == '*' || (token.ptr[0] == '>' && key.ptr == NULL));
        ok = (first || nki_buf_append(out, ".", 1)) &&
             (whole ? nki_buf_append_str(out, token) : append_base64(out, token));
    }
    return ok;
}

/* Bytes that stand for themselves in a subject, and base64 of a token of the longest key. Whole groups of
 * four characters, too. */
#define TOKEN_MAX 2048

/* In either alphabet. */
static ptrdiff_t read_chars(struct nki_str chars, uint8_t out[TOKEN_MAX])
{
    char text[TOKEN_MAX];
    assert(chars.len <= sizeof text);
    for (size_t i = 0; i < chars.len; i++) {
        char c = chars.ptr[i];
        text[i] = c == '/' ? '_' : c == '+' ? '-' : c;
    }
    return nki_base64_decode(NKI_BASE64_URL, nki_str_make(text, chars.len), out, TOKEN_MAX);
}

static struct nki_str without_padding(struct nki_str text)
{
    while (text.len > 0 && text.ptr[text.len - 1] == '=') {
        text.len--;
    }
    return text;
}

/* Also as other clients write it: with padding, or with the other alphabet. */
static ptrdiff_t read_token(struct nki_str token, uint8_t out[TOKEN_MAX])
{
    token = without_padding(token);
    return token.len == 0 || token.len > TOKEN_MAX ? -1 : read_chars(token, out);
}

static size_t decode_base64(char *key, size_t len)
{
    uint8_t bytes[TOKEN_MAX];
    struct nki_str rest = nki_str_make(key, len);
    while (rest.ptr != NULL) {
        if (read_token(nki_str_cut(&rest, '.'), bytes) < 0) {
            return len;
        }
    }
    char *to = key;
    rest = nki_str_make(key, len);
    while (rest.ptr != NULL) { /* what is written never gets ahead of what is read */
        ptrdiff_t count = read_token(nki_str_cut(&rest, '.'), bytes);
        memcpy(to, bytes, (size_t)count);
        to += count;
        if (rest.ptr != NULL) {
            *to++ = '.';
        }
    }
    return (size_t)(to - key);
}

/* Decodes it into `out`, which may be where it stands, or only looks whether it can be if that is NULL. How
 * many bytes, or -1. */
static ptrdiff_t read_value(struct nki_str text, char *out)
{
    uint8_t bytes[TOKEN_MAX];
    size_t written = 0;
    while (text.len > 0) {
        size_t len = text.len < TOKEN_MAX ? text.len : TOKEN_MAX;
        ptrdiff_t count = read_chars(nki_str_make(text.ptr, len), bytes);
        if (count < 0) {
            return -1;
        }
        if (out != NULL) {
            memcpy(out + written, bytes, (size_t)count);
        }
        written += (size_t)count;
        text = nki_str_make(text.ptr + len, text.len - len);
    }
    return (ptrdiff_t)written;
}

static size_t decode_base64_value(char *value, size_t len)
{
    struct nki_str text = without_padding(nki_str_make(value, len));
    bool ours = text.len > 0 && read_value(text, NULL) >= 0;
    return ours ? (size_t)read_value(text, value) : len;
}

/* -- paths ----------------------------------------------------------------------------------------------- */

static bool encode_path(struct nki_str key, struct nki_buf *out)
{
    if (key.len > 0 && key.ptr[0] == '/' && !nki_buf_append_str(out, ROOT)) {
        return false;
    }
    if (key.len > 0 && key.ptr[key.len - 1] == '/') {
        key.len--;
    }
    size_t at = out->len;
    if (!nki_buf_append_str(out, key)) {
        return false;
    }
    for (; at < out->len; at++) {
        out->data[at] = out->data[at] == '/' ? '.' : out->data[at];
    }
    return true;
}

static size_t decode_path(char *key, size_t len)
{
    struct nki_str text = nki_str_make(key, len);
    bool rooted = nki_str_starts(text, ROOT) && (len == ROOT.len || key[ROOT.len] == '.');
    if (rooted && len == ROOT.len) {
        key[0] = '/';
        return 1;
    }
    if (rooted) {
        len -= ROOT.len;
        memmove(key, key + ROOT.len, len);
    }
    for (size_t i = 0; i < len; i++) {
        key[i] = key[i] == '.' ? '/' : key[i];
    }
    return len;
}

/* -- all ------------------------------------------------------------------------------------------------- */

int32_t nki_kv_encode(enum nki_kv_codec codec, struct nki_str key, bool wild, struct nki_buf *out)
{
    bool ok;
    switch (codec) {
    case NKI_KV_BASE64:
        ok = encode_base64(key, wild, out);
        break;
    case NKI_KV_PATH:
        ok = encode_path(key, out);
        break;
    default:
        ok = nki_buf_append_str(out, key);
        break;
    }
    return ok ? NKI_OK : NKI_NO_MEMORY;
}

const char *nki_kv_codec_fault(enum nki_kv_codec codec, struct nki_str key)
{
    /* A dot of a path would come back as a slash. */
    bool dot = codec == NKI_KV_PATH && key.len > 0 && memchr(key.ptr, '.', key.len) != NULL;
    return dot ? "holds a dot, which codec path has no form for" : NULL;
}

size_t nki_kv_decode(enum nki_kv_codec codec, char *key, size_t len)
{
    switch (codec) {
    case NKI_KV_BASE64:
        return decode_base64(key, len);
    case NKI_KV_PATH:
        return decode_path(key, len);
    default:
        return len;
    }
}

int32_t nki_kv_encode_value(enum nki_kv_value_codec codec, struct nki_str value, struct nki_buf *out)
{
    bool ok = codec == NKI_KV_VALUE_BASE64 ? append_base64(out, value) : nki_buf_append_str(out, value);
    return ok ? NKI_OK : NKI_NO_MEMORY;
}

size_t nki_kv_decode_value(enum nki_kv_value_codec codec, char *value, size_t len)
{
    return codec == NKI_KV_VALUE_BASE64 ? decode_base64_value(value, len) : len;
}

static void decode_subject(enum nki_kv_codec codec, struct nki_msg *msg)
{
    struct nki_str rest = nki_msg_subject(msg);
    (void)nki_str_cut(&rest, '.');
    if (codec == NKI_KV_PLAIN || rest.ptr == NULL) {
        return;
    }
    (void)nki_str_cut(&rest, '.');
    if (rest.ptr == NULL) {
        return;
    }
    size_t before = (size_t)(rest.ptr - (const char *)msg->bytes);
    size_t len = nki_kv_decode(codec, (char *)msg->bytes + before, rest.len);
    size_t behind = (size_t)msg->reply_len + msg->header_len + msg->data_len;
    if (len < rest.len) {
        memmove(msg->bytes + before + len, msg->bytes + msg->subject_len, behind);
        msg->subject_len = (uint32_t)(before + len);
    }
}

void nki_kv_decode_msg(struct nki_kv_codecs codecs, struct nki_msg *msg)
{
    decode_subject(codecs.keys, msg);
    struct nki_str data = nki_msg_data(msg);
    size_t before = (size_t)(data.ptr - (const char *)msg->bytes);
    msg->data_len = (uint32_t)nki_kv_decode_value(codecs.values, (char *)msg->bytes + before, data.len);
}
