/* Infos of objects: see info.h. Such a message has the JSON as its data, and behind that, where nobody looks
 * who knows nothing of it, the info that was read from it with the texts that had to be unescaped. */
#include "object/info.h"

#include "base/json.h"
#include "base/status.h"

/* -- writing --------------------------------------------------------------------------------------------- */

static bool append_text(struct nki_buf *out, struct nki_str begin, struct nki_str text)
{
    return nki_buf_append_str(out, begin) && nki_buf_append_json(out, text);
}

static bool append_number(struct nki_buf *out, struct nki_str begin, uint64_t number)
{
    return nki_buf_append_str(out, begin) && nki_buf_append_u64(out, number);
}

static bool append_raw(struct nki_buf *out, struct nki_str begin, struct nki_str json)
{
    return json.len == 0 || (nki_buf_append_str(out, begin) && nki_buf_append_str(out, json));
}

static bool append_options(struct nki_buf *out, const struct nki_object_info *info)
{
    bool ok = nki_buf_append_str(out, NKI_STR(",\"options\":{"));
    if (info->link_bucket.len > 0) {
        ok = ok && append_text(out, NKI_STR("\"link\":{\"bucket\":"), info->link_bucket) &&
             (info->link_name.len == 0 || append_text(out, NKI_STR(",\"name\":"), info->link_name)) &&
             nki_buf_append(out, "}", 1);
    } else if (info->max_chunk_size > 0) {
        ok = ok && append_number(out, NKI_STR("\"max_chunk_size\":"), info->max_chunk_size);
    }
    return ok && nki_buf_append(out, "}", 1);
}

bool nki_object_info_write(struct nki_buf *out, const struct nki_object_info *info)
{
    return append_text(out, NKI_STR("{\"name\":"), info->name) &&
           (info->description.len == 0 ||
            append_text(out, NKI_STR(",\"description\":"), info->description)) &&
           append_raw(out, NKI_STR(",\"headers\":"), info->headers) &&
           append_raw(out, NKI_STR(",\"metadata\":"), info->metadata) && append_options(out, info) &&
           append_text(out, NKI_STR(",\"bucket\":"), info->bucket) &&
           append_text(out, NKI_STR(",\"nuid\":"), info->nuid) &&
           append_number(out, NKI_STR(",\"size\":"), info->size) &&
           nki_buf_append_str(out, NKI_STR(",\"mtime\":\"0001-01-01T00:00:00Z\"")) &&
           append_number(out, NKI_STR(",\"chunks\":"), info->chunks) &&
           append_text(out, NKI_STR(",\"digest\":"), info->digest) &&
           nki_buf_append_str(out, info->deleted ? NKI_STR(",\"deleted\":true}") : NKI_STR("}"));
}

/* -- reading --------------------------------------------------------------------------------------------- */

/* Unescaped texts, which are never longer than they stand in the JSON. */
struct texts {
    char *at;
    size_t left;
};

/* False if there is a member that is no text; without one, or with null, the text is empty. */
static bool read_text(const struct nki_json_value *object, struct nki_str name, struct texts *texts,
                      struct nki_str *out)
{
    struct nki_json_value value;
    *out = NKI_STR("");
    if (!nki_json_member(object, name, &value) || value.type == NKI_JSON_NULL) {
        return true;
    }
    ptrdiff_t len = nki_json_text(&value, texts->at, texts->left);
    if (len < 0) {
        return false;
    }
    *out = nki_str_make(texts->at, (size_t)len);
    texts->at += len;
    texts->left -= (size_t)len;
    return true;
}

static bool read_number(const struct nki_json_value *object, struct nki_str name, uint64_t *out)
{
    struct nki_json_value value;
    *out = 0;
    return !nki_json_member(object, name, &value) || value.type == NKI_JSON_NULL || nki_json_u64(&value, out);
}

/* An object with members, as it stands in the JSON. */
static bool read_raw(const struct nki_json_value *object, struct nki_str name, enum nki_json_type inner,
                     struct nki_str *out)
{
    struct nki_json_value value;
    struct nki_json_value member;
    struct nki_str key;
    size_t at = 0;
    *out = NKI_STR("");
    if (!nki_json_member(object, name, &value) || value.type == NKI_JSON_NULL) {
        return true;
    }
    if (value.type != NKI_JSON_OBJECT) {
        return false;
    }
    while (nki_json_next(&value, &at, &key, &member)) {
        if (member.type != inner) {
            return false;
        }
        *out = value.raw;
    }
    return true;
}

static bool read_options(const struct nki_json_value *object, struct texts *texts,
                         struct nki_object_info *info)
{
    struct nki_json_value options;
    struct nki_json_value link;
    info->link_bucket = info->link_name = NKI_STR("");
    info->max_chunk_size = 0;
    if (!nki_json_member(object, NKI_STR("options"), &options) || options.type == NKI_JSON_NULL) {
        return true;
    }
    if (options.type != NKI_JSON_OBJECT ||
        !read_number(&options, NKI_STR("max_chunk_size"), &info->max_chunk_size)) {
        return false;
    }
    if (!nki_json_member(&options, NKI_STR("link"), &link) || link.type == NKI_JSON_NULL) {
        return true;
    }
    return link.type == NKI_JSON_OBJECT && read_text(&link, NKI_STR("bucket"), texts, &info->link_bucket) &&
           read_text(&link, NKI_STR("name"), texts, &info->link_name) && info->link_bucket.len > 0;
}

static bool read_info(struct nki_str json, struct texts *texts, struct nki_object_info *info)
{
    struct nki_json_value root;
    struct nki_json_value deleted;
    info->deleted = false;
    if (!nki_json_check(json, &root) || root.type != NKI_JSON_OBJECT) {
        return false;
    }
    if (nki_json_member(&root, NKI_STR("deleted"), &deleted) && deleted.type != NKI_JSON_NULL &&
        !nki_json_bool(&deleted, &info->deleted)) {
        return false;
    }
    return read_text(&root, NKI_STR("name"), texts, &info->name) && info->name.len > 0 &&
           read_text(&root, NKI_STR("description"), texts, &info->description) &&
           read_text(&root, NKI_STR("nuid"), texts, &info->nuid) &&
           read_text(&root, NKI_STR("digest"), texts, &info->digest) &&
           read_raw(&root, NKI_STR("headers"), NKI_JSON_ARRAY, &info->headers) &&
           read_raw(&root, NKI_STR("metadata"), NKI_JSON_STRING, &info->metadata) &&
           read_options(&root, texts, info) && read_number(&root, NKI_STR("size"), &info->size) &&
           read_number(&root, NKI_STR("chunks"), &info->chunks);
}

/* The store, from "$O.<bucket>.M.<name>": some clients write another one into the JSON of a link. */
static bool read_subject(struct nki_str subject, struct nki_str *bucket)
{
    struct nki_str rest = subject;
    if (!nki_str_eq(nki_str_cut(&rest, '.'), NKI_STR("$O")) || rest.ptr == NULL) {
        return false;
    }
    *bucket = nki_str_cut(&rest, '.');
    return bucket->len > 0 && rest.ptr != NULL && nki_str_starts(rest, NKI_STR("M."));
}

/* Where the info stands in a message: the first place behind the data that has its alignment. */
static struct nki_object_info *place_of(const struct nki_msg *msg)
{
    const uint8_t *end = (const uint8_t *)nki_msg_data(msg).ptr + msg->data_len;
    size_t align = _Alignof(struct nki_object_info);
    size_t pad = (align - (uintptr_t)end % align) % align;
    return (struct nki_object_info *)(uintptr_t)(end + pad);
}

int32_t nki_object_info_msg(struct nki_str subject, struct nki_str json, uint64_t revision, int64_t time_ns,
                            struct nki_msg **out)
{
    size_t room = sizeof(struct nki_object_info) + _Alignof(struct nki_object_info) + json.len + 1;
    if (json.len > UINT32_MAX / 4) {
        return NKI_PROTOCOL;
    }
    struct nki_msg *msg = nki_msg_new(NULL, subject, NKI_STR(""), 0, (uint32_t)(json.len + room));
    if (msg == NULL) {
        return NKI_NO_MEMORY;
    }
    msg->data_len = (uint32_t)json.len;
    memcpy(nki_msg_body(msg), json.ptr, json.len);
    struct nki_object_info *info = place_of(msg);
    struct texts texts = {(char *)(info + 1), json.len + 1};
    if (!read_subject(nki_msg_subject(msg), &info->bucket) || !read_info(nki_msg_data(msg), &texts, info)) {
        nki_msg_release(msg);
        return NKI_PROTOCOL;
    }
    info->revision = revision;
    info->time_ns = time_ns;
    msg->kind = NKI_MSG_OBJECT;
    *out = msg;
    return NKI_OK;
}

const struct nki_object_info *nki_object_info_of(const struct nki_msg *msg)
{
    assert(msg->kind == NKI_MSG_OBJECT);
    return place_of(msg);
}
