/* INFO: what the server tells of itself. Pure. Everything in it is a stranger's: each known field has one row
 * that says its type and place, and all else is passed over. */
#include "wire/info.h"

#include "base/json.h"
#include "wire/url.h"

enum field_type {
    FIELD_TEXT,
    FIELD_NONCE,
    FIELD_BOOL,
    FIELD_CLIENT_ID,
    FIELD_MAX_PAYLOAD,
    FIELD_PROTO,
    FIELD_URLS
};

#define KEY_MAX 32 /* longer than any known key */
#define TEXT_MAX 128

static const struct field_row {
    const char *key;
    enum field_type type;
    size_t offset;
    size_t size;
} fields[] = {
#define FIELD(key, type, member)                                                                             \
    {                                                                                                        \
        key, type, offsetof(struct nki_info, member), sizeof(((struct nki_info *)0)->member)                 \
    }
    FIELD("server_id", FIELD_TEXT, server_id),
    FIELD("server_name", FIELD_TEXT, server_name),
    FIELD("version", FIELD_TEXT, version),
    FIELD("client_ip", FIELD_TEXT, client_ip),
    FIELD("nonce", FIELD_NONCE, nonce),
    FIELD("client_id", FIELD_CLIENT_ID, client_id),
    FIELD("max_payload", FIELD_MAX_PAYLOAD, max_payload),
    FIELD("proto", FIELD_PROTO, proto),
    FIELD("headers", FIELD_BOOL, headers),
    FIELD("auth_required", FIELD_BOOL, auth_required),
    FIELD("tls_required", FIELD_BOOL, tls_required),
    FIELD("tls_available", FIELD_BOOL, tls_available),
    FIELD("ldm", FIELD_BOOL, lame_duck),
    FIELD("jetstream", FIELD_BOOL, jetstream),
#undef FIELD
    {"connect_urls", FIELD_URLS, 0, 0},
};

void nki_info_init(struct nki_info *info)
{
    assert(info != NULL);
    memset(info, 0, sizeof *info);
    info->max_payload = NKI_MIB;
}

/* The row of a key as it stands in the text, escapes and all; NULL for unknown ones. */
static const struct field_row *field_of(struct nki_str key)
{
    char plain[KEY_MAX];
    if (key.len > 0 && memchr(key.ptr, '\\', key.len) != NULL) {
        struct nki_json_value quoted = {NKI_JSON_STRING, {key.ptr - 1, key.len + 2}};
        ptrdiff_t len = nki_json_text(&quoted, plain, sizeof plain);
        if (len < 0) {
            return NULL;
        }
        key = nki_str_make(plain, (size_t)len);
    }
    for (size_t i = 0; i < NKI_ARRAY_LEN(fields); i++) {
        if (nki_str_eq(key, nki_str_z(fields[i].key))) {
            return &fields[i];
        }
    }
    return NULL;
}

/* Bytes of the character or escape that begins at `at` of a string's inside; a pair of surrogates is one. */
static size_t unit_len(struct nki_str inside, size_t at)
{
    uint8_t c = (uint8_t)inside.ptr[at];
    if (c != '\\') {
        return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    }
    if (inside.ptr[at + 1] != 'u') {
        return 2;
    }
    bool high = (inside.ptr[at + 2] | 0x20) == 'd' && strchr("89abAB", inside.ptr[at + 3]) != NULL;
    return high ? 12 : 6;
}

/* Resolves a string into `out`, cut to what fits. False if it is no string or holds a NUL. */
static bool read_text(const struct nki_json_value *value, char *out, size_t cap)
{
    assert(cap <= TEXT_MAX);
    if (value->type != NKI_JSON_STRING) {
        return false;
    }
    char resolved[TEXT_MAX];
    ptrdiff_t len = nki_json_text(value, resolved, cap);
    struct nki_str inside = {value->raw.ptr + 1, value->raw.len - 2};
    if (len < 0 && inside.len >= cap) {
        /* Too long, it seems: the longest begin of it that has room as it is written. */
        char quoted[TEXT_MAX + 2];
        size_t kept = 0;
        while (kept < inside.len && unit_len(inside, kept) <= cap - 1 - kept) {
            kept += unit_len(inside, kept);
        }
        quoted[0] = '"';
        memcpy(quoted + 1, inside.ptr, kept);
        quoted[kept + 1] = '"';
        struct nki_json_value begin = {NKI_JSON_STRING, {quoted, kept + 2}};
        len = nki_json_text(&begin, resolved, cap);
    }
    if (len < 0) {
        return false;
    }
    memset(out, 0, cap); /* nothing of the old text stays behind the new one */
    memcpy(out, resolved, (size_t)len);
    return true;
}

/* A server that another server tells of: host and port, nothing else. */
static bool is_address(struct nki_str text)
{
    struct nki_url url;
    if (text.len == 0 || memchr(text.ptr, '@', text.len) != NULL || memchr(text.ptr, '/', text.len) != NULL) {
        return false;
    }
    const char *colon = memrchr(text.ptr, ':', text.len);
    const char *bracket = memrchr(text.ptr, ']', text.len);
    return colon != NULL && (bracket == NULL || colon > bracket) && nki_url_parse(text, &url, NULL) == NKI_OK;
}

static bool read_urls(const struct nki_json_value *value, struct nki_info_urls *urls)
{
    if (value->type != NKI_JSON_ARRAY) {
        return false;
    }
    urls->told = true;
    urls->count = 0;
    struct nki_str key;
    struct nki_json_value item;
    for (size_t at = 0; nki_json_next(value, &at, &key, &item);) {
        if (item.type != NKI_JSON_STRING) {
            return false;
        }
        if (urls->count == NKI_INFO_URLS_MAX) {
            continue;
        }
        char text[NKI_INFO_URL_MAX];
        ptrdiff_t len = nki_json_text(&item, text, sizeof text);
        if (len > 0 && is_address(nki_str_make(text, (size_t)len))) {
            memcpy(urls->at[urls->count++], text, (size_t)len + 1);
        }
    }
    return true;
}

static bool read_field(const struct field_row *row, const struct nki_json_value *value, struct nki_info *info,
                       struct nki_info_urls *urls)
{
    char *place = (char *)info + row->offset;
    int64_t number;
    switch (row->type) {
    case FIELD_TEXT:
        return read_text(value, place, row->size);
    case FIELD_NONCE: /* a signature over a part of it would be refused, without a word on why */
        return nki_json_text(value, place, row->size) >= 0;
    case FIELD_BOOL:
        return nki_json_bool(value, (bool *)(void *)place);
    case FIELD_CLIENT_ID:
        return nki_json_u64(value, &info->client_id);
    case FIELD_MAX_PAYLOAD:
        return nki_json_i64(value, &info->max_payload) && info->max_payload > 0;
    case FIELD_PROTO:
        if (!nki_json_i64(value, &number) || number < 0 || number > INT32_MAX) {
            return false;
        }
        info->proto = (int32_t)number;
        return true;
    case FIELD_URLS:
        return read_urls(value, urls);
    }
    return false;
}

int32_t nki_info_parse(struct nki_str json, struct nki_info *info, struct nki_info_urls *urls,
                       struct nki_error *err)
{
    assert(info != NULL);
    struct nki_json_value object;
    if (!nki_json_check(json, &object)) {
        return nki_error_set(err, NKI_PROTOCOL, "INFO is not valid JSON");
    }
    if (object.type != NKI_JSON_OBJECT) {
        return nki_error_set(err, NKI_PROTOCOL, "INFO is not a JSON object");
    }
    struct nki_info next = *info;
    urls->told = false;
    urls->count = 0;
    struct nki_str key;
    struct nki_json_value value;
    for (size_t at = 0; nki_json_next(&object, &at, &key, &value);) {
        const struct field_row *row = value.type == NKI_JSON_NULL ? NULL : field_of(key);
        if (row != NULL && !read_field(row, &value, &next, urls)) {
            return nki_error_set(err, NKI_PROTOCOL, "INFO has a malformed %s", row->key);
        }
    }
    *info = next;
    return NKI_OK;
}
