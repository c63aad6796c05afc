/* What stores over streams have in common: see bucket.h. */
#include "jetstream/bucket.h"

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

const char *nki_bucket_fault(struct nki_str name, size_t max)
{
    if (name.len == 0) {
        return "is empty";
    }
    if (name.len > max) {
        return max == 252 ? "is longer than 252 bytes" : "is longer than 251 bytes";
    }
    for (size_t i = 0; i < name.len; i++) {
        if (!is_word(name.ptr[i])) {
            return "holds something else than letters, digits, _ and -";
        }
    }
    return NULL;
}

int32_t nki_bucket_check(struct nki_str name, size_t max, struct nki_error *err)
{
    const char *fault = nki_bucket_fault(name, max);
    int shown = name.len < 80 ? (int)name.len : 80;
    return fault == NULL ? NKI_OK
                         : nki_error_set(err, NKI_INVALID, "bucket \"%.*s\" %s", shown,
                                         name.len > 0 ? name.ptr : "", fault);
}

size_t nki_bucket_prefix_len(const struct nki_js *js)
{
    struct nki_str prefix = nki_js_prefix(js);
    return nki_str_eq(prefix, NKI_STR("$JS.API")) ? 0 : prefix.len + 1;
}

bool nki_bucket_append_prefix(const struct nki_js *js, struct nki_buf *out)
{
    return nki_bucket_prefix_len(js) == 0 ||
           (nki_buf_append_str(out, nki_js_prefix(js)) && nki_buf_append(out, ".", 1));
}

/* -- configurations -------------------------------------------------------------------------------------- */

static const struct nki_bucket_member *find_member(const struct nki_bucket_member *members, size_t count,
                                                   struct nki_str name)
{
    for (size_t i = 0; i < count; i++) {
        if (nki_str_eq(nki_str_z(members[i].name), name)) {
            return &members[i];
        }
    }
    return NULL;
}

static bool append_node(struct nki_buf *out, const char *name, const struct nki_doc_node *node)
{
    size_t len = nki_doc_write(node, NULL, 0);
    bool ok = nki_buf_append(out, ",", 1) && nki_buf_append_json(out, nki_str_z(name)) &&
              nki_buf_append(out, ":", 1) && nki_buf_reserve(out, len);
    if (ok) {
        nki_doc_write(node, (char *)out->data + out->len, len);
        out->len += len;
    }
    return ok;
}

int32_t nki_bucket_invalid(struct nki_str name, const char *fault, struct nki_error *err)
{
    int shown = name.len < 80 ? (int)name.len : 80;
    return nki_error_set(err, NKI_INVALID, "bucket: member %.*s %s", shown, name.ptr, fault);
}

int32_t nki_bucket_copy(struct nki_doc *config, const struct nki_bucket_member *members, size_t count,
                        struct nki_buf *out, struct nki_error *err)
{
    const struct nki_doc_node *root = config->root;
    for (uint32_t i = 0; i < root->u.list.count; i++) {
        const struct nki_doc_node *node = root->u.list.items[i];
        const struct nki_bucket_member *member = find_member(members, count, node->key);
        if (member == NULL || node->type != member->type) {
            return nki_bucket_invalid(node->key, member == NULL ? "does not exist" : "is of another type",
                                      err);
        }
        if (member->becomes != NULL && !append_node(out, member->becomes, node)) {
            return nki_error_set(err, NKI_NO_MEMORY, NULL);
        }
    }
    return NKI_OK;
}

int32_t nki_bucket_name(struct nki_doc *config, size_t max, struct nki_str *out, struct nki_error *err)
{
    const struct nki_doc_node *name = nki_doc_find(config, config->root, NKI_STR("bucket"), NULL);
    if (name == NULL || name->type != NKI_DOC_STRING) {
        return nki_bucket_invalid(NKI_STR("bucket"), name == NULL ? "is missing" : "is of another type", err);
    }
    *out = name->u.text;
    return nki_bucket_check(*out, max, err);
}

int64_t nki_bucket_number(struct nki_doc *config, struct nki_str name, int64_t otherwise)
{
    const struct nki_doc_node *node = nki_doc_find(config, config->root, name, NULL);
    return node != NULL ? node->u.integer : otherwise;
}
