/* What is said of objects: see meta.h. The caller's thread. */
#include "object/meta.h"

#include "object/store.h"

static int32_t invalid(struct nki_str name, const char *fault, struct nki_error *err)
{
    int shown = name.len < 80 ? (int)name.len : 80;
    return nki_error_set(err, NKI_INVALID, "object: member %.*s %s", shown, name.ptr, fault);
}

static bool append_node(struct nki_buf *out, const struct nki_doc_node *node)
{
    size_t len = nki_doc_write(node, NULL, 0);
    if (!nki_buf_reserve(out, len)) {
        return false;
    }
    nki_doc_write(node, (char *)out->data + out->len, len);
    out->len += len;
    return true;
}

static bool all_texts(const struct nki_doc_node *list)
{
    for (uint32_t i = 0; i < list->u.list.count; i++) {
        if (list->u.list.items[i]->type != NKI_DOC_STRING) {
            return false;
        }
    }
    return true;
}

/* The values of one header: an array, as it is written, or one text. */
static bool append_values(struct nki_buf *out, const struct nki_doc_node *node)
{
    bool one = node->type == NKI_DOC_STRING;
    return nki_buf_append_json(out, node->key) &&
           nki_buf_append_str(out, one ? NKI_STR(":[") : NKI_STR(":")) && append_node(out, node) &&
           (!one || nki_buf_append(out, "]", 1));
}

static int32_t read_headers(const struct nki_doc_node *headers, struct nki_buf *out, struct nki_error *err)
{
    uint32_t count = headers->u.list.count;
    bool ok = count == 0 || nki_buf_append(out, "{", 1);
    for (uint32_t i = 0; i < count && ok; i++) {
        const struct nki_doc_node *node = headers->u.list.items[i];
        bool list = node->type == NKI_DOC_ARRAY && all_texts(node);
        if (node->type != NKI_DOC_STRING && !list) {
            return invalid(NKI_STR("headers"), "holds something else than texts and arrays of texts", err);
        }
        ok = (i == 0 || nki_buf_append(out, ",", 1)) && append_values(out, node);
    }
    ok = ok && (count == 0 || nki_buf_append(out, "}", 1));
    return ok ? NKI_OK : nki_error_set(err, NKI_NO_MEMORY, NULL);
}

static int32_t read_metadata(const struct nki_doc_node *metadata, struct nki_buf *out, struct nki_error *err)
{
    if (!all_texts(metadata)) {
        return invalid(NKI_STR("metadata"), "holds something else than texts", err);
    }
    bool ok = metadata->u.list.count == 0 || append_node(out, metadata);
    return ok ? NKI_OK : nki_error_set(err, NKI_NO_MEMORY, NULL);
}

static int32_t read_text(const struct nki_doc_node *node, struct nki_buf *out, struct nki_error *err)
{
    if (memchr(node->u.text.ptr, '\0', node->u.text.len) != NULL) {
        return invalid(node->key, "holds a NUL", err);
    }
    return nki_buf_append_str(out, node->u.text) ? NKI_OK : nki_error_set(err, NKI_NO_MEMORY, NULL);
}

static int32_t read_member(const struct nki_doc_node *node, bool with_name, struct nki_object_meta *out,
                           struct nki_error *err)
{
    const struct {
        struct nki_str name;
        enum nki_doc_type type;
        bool *has;
    } rows[] = {
        {NKI_STR("description"), NKI_DOC_STRING, &out->has_description},
        {NKI_STR("headers"), NKI_DOC_OBJECT, &out->has_headers},
        {NKI_STR("metadata"), NKI_DOC_OBJECT, &out->has_metadata},
        {NKI_STR("name"), NKI_DOC_STRING, &out->has_name},
    };
    size_t at = 0;
    size_t count = NKI_ARRAY_LEN(rows) - (with_name ? 0 : 1);
    while (at < count && !nki_str_eq(rows[at].name, node->key)) {
        at++;
    }
    if (at == count) {
        return invalid(node->key, "does not exist", err);
    }
    *rows[at].has = true;
    if (node->type == NKI_DOC_NULL && at < 3) {
        return NKI_OK;
    }
    if (node->type != rows[at].type) {
        return invalid(node->key, "is of another type", err);
    }
    switch (at) {
    case 0:
        return read_text(node, &out->description, err);
    case 1:
        return read_headers(node, &out->headers, err);
    case 2:
        return read_metadata(node, &out->metadata, err);
    default:
        return read_text(node, &out->name, err);
    }
}

int32_t nki_object_meta_read(struct nki_doc *doc, bool with_name, struct nki_object_meta *out,
                             struct nki_error *err)
{
    memset(out, 0, sizeof *out);
    if (doc == NULL) {
        return NKI_OK;
    }
    if (doc->root->type != NKI_DOC_OBJECT) {
        return nki_error_set(err, NKI_INVALID, "object: what is said of it is no JSON object");
    }
    int32_t status = NKI_OK;
    for (uint32_t i = 0; i < doc->root->u.list.count && status == NKI_OK; i++) {
        status = read_member(doc->root->u.list.items[i], with_name, out, err);
    }
    if (status == NKI_OK && out->has_name) {
        status = nki_object_name_check(nki_str_make((const char *)out->name.data, out->name.len), err);
    }
    return status;
}

void nki_object_meta_free(struct nki_object_meta *meta)
{
    nki_buf_free(&meta->name);
    nki_buf_free(&meta->description);
    nki_buf_free(&meta->headers);
    nki_buf_free(&meta->metadata);
}
