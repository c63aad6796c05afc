/* Configurations of buckets: see config.h. */
#include "kv/config.h"

#include "base/buf.h"
#include "kv/bucket.h"

#include <inttypes.h>

#define HISTORY_MAX 64
#define DUPLICATES_NS                                                                                        \
    INT64_C(120000000000) /* 2 minutes, or the ttl if it is shorter: the server refuses more */

/* A member of a bucket's configuration, and the one of the stream's that it becomes as it is; NULL: see
 * below. */
struct member {
    const char *name;
    const char *becomes;
    enum nki_doc_type type;
};

static const struct member members[] = {
    {"bucket", NULL, NKI_DOC_STRING},
    {"description", "description", NKI_DOC_STRING},
    {"history", NULL, NKI_DOC_INT},
    {"ttl", NULL, NKI_DOC_INT},
    {"limit_marker_ttl", NULL, NKI_DOC_INT},
    {"max_bytes", "max_bytes", NKI_DOC_INT},
    {"max_value_size", "max_msg_size", NKI_DOC_INT},
    {"storage", "storage", NKI_DOC_STRING},
    {"num_replicas", "num_replicas", NKI_DOC_INT},
    {"placement", "placement", NKI_DOC_OBJECT},
    {"republish", "republish", NKI_DOC_OBJECT},
    {"compression", NULL, NKI_DOC_BOOL},
    {"metadata", "metadata", NKI_DOC_OBJECT},
};

static const struct member *find_member(struct nki_str name)
{
    for (size_t i = 0; i < NKI_ARRAY_LEN(members); i++) {
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

static int32_t invalid(struct nki_str name, const char *fault, struct nki_error *err)
{
    int shown = name.len < 80 ? (int)name.len : 80;
    return nki_error_set(err, NKI_INVALID, "bucket: member %.*s %s", shown, name.ptr, fault);
}

/* Members that go over as they are. */
static int32_t copy_members(struct nki_doc *bucket, struct nki_buf *out, struct nki_error *err)
{
    const struct nki_doc_node *root = bucket->root;
    for (uint32_t i = 0; i < root->u.list.count; i++) {
        const struct nki_doc_node *node = root->u.list.items[i];
        const struct member *member = find_member(node->key);
        if (member == NULL || node->type != member->type) {
            return invalid(node->key, member == NULL ? "does not exist" : "is of another type", err);
        }
        if (member->becomes != NULL && !append_node(out, member->becomes, node)) {
            return nki_error_set(err, NKI_NO_MEMORY, NULL);
        }
    }
    return NKI_OK;
}

static int64_t number_of(struct nki_doc *bucket, struct nki_str name, int64_t otherwise)
{
    const struct nki_doc_node *node = nki_doc_find(bucket, bucket->root, name, NULL);
    return node != NULL ? node->u.integer : otherwise;
}

static bool append_number(struct nki_buf *out, struct nki_str begin, int64_t number)
{
    return nki_buf_append_str(out, begin) && nki_buf_append_u64(out, (uint64_t)number);
}

/* What follows of numbers, all of which were checked for their types. */
static int32_t append_numbers(struct nki_doc *bucket, struct nki_buf *out, struct nki_error *err)
{
    int64_t history = number_of(bucket, NKI_STR("history"), 1);
    int64_t ttl = number_of(bucket, NKI_STR("ttl"), 0);
    int64_t marker = number_of(bucket, NKI_STR("limit_marker_ttl"), 0);
    if (history < 1 || history > HISTORY_MAX) {
        return invalid(NKI_STR("history"), "is not between 1 and 64", err);
    }
    if (ttl < 0) {
        return invalid(NKI_STR("ttl"), "is negative", err);
    }
    if (marker < 0 || (marker > 0 && marker < INT64_C(1000000000))) {
        return invalid(NKI_STR("limit_marker_ttl"), "is less than a second", err);
    }
    int64_t window = ttl > 0 && ttl < DUPLICATES_NS ? ttl : DUPLICATES_NS;
    bool ok = append_number(out, NKI_STR(",\"max_msgs_per_subject\":"), history) &&
              append_number(out, NKI_STR(",\"max_age\":"), ttl) &&
              append_number(out, NKI_STR(",\"duplicate_window\":"), window);
    if (ok && marker > 0) {
        ok = append_number(out, NKI_STR(",\"allow_msg_ttl\":true,\"subject_delete_marker_ttl\":"), marker);
    }
    return ok ? NKI_OK : nki_error_set(err, NKI_NO_MEMORY, NULL);
}

/* Begins with what every bucket is. */
static bool append_begin(struct nki_str name, struct nki_buf *out)
{
    return nki_buf_append_str(out, NKI_STR("{\"name\":\"" NKI_KV_STREAM_PREFIX)) &&
           nki_buf_append_str(out, name) && nki_buf_append_str(out, NKI_STR("\",\"subjects\":[\"$KV.")) &&
           nki_buf_append_str(out, name) &&
           nki_buf_append_str(out, NKI_STR(".>\"],\"discard\":\"new\",\"allow_rollup_hdrs\":true,"
                                           "\"deny_delete\":true,\"allow_direct\":true"));
}

static int32_t write_config(struct nki_doc *bucket, struct nki_buf *out, struct nki_error *err)
{
    const struct nki_doc_node *name = nki_doc_find(bucket, bucket->root, NKI_STR("bucket"), NULL);
    if (name == NULL || name->type != NKI_DOC_STRING) {
        return invalid(NKI_STR("bucket"), name == NULL ? "is missing" : "is of another type", err);
    }
    const char *fault = nki_kv_bucket_fault(name->u.text);
    if (fault != NULL) {
        int shown = name->u.text.len < 80 ? (int)name->u.text.len : 80;
        return nki_error_set(err, NKI_INVALID, "bucket \"%.*s\" %s", shown, name->u.text.ptr, fault);
    }
    int32_t status = append_begin(name->u.text, out) ? NKI_OK : nki_error_set(err, NKI_NO_MEMORY, NULL);
    status = status == NKI_OK ? copy_members(bucket, out, err) : status;
    status = status == NKI_OK ? append_numbers(bucket, out, err) : status;
    if (status == NKI_OK) {
        bool compressed = number_of(bucket, NKI_STR("compression"), 0) != 0;
        bool ok = (!compressed || nki_buf_append_str(out, NKI_STR(",\"compression\":\"s2\""))) &&
                  nki_buf_append(out, "}", 1);
        status = ok ? NKI_OK : nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    return status;
}

int32_t nki_kv_config(struct nki_doc *bucket, struct nki_doc *out, struct nki_error *err)
{
    struct nki_buf text = {0};
    if (bucket->root->type != NKI_DOC_OBJECT) {
        return nki_error_set(err, NKI_INVALID, "bucket: the configuration is no object");
    }
    int32_t status = write_config(bucket, &text, err);
    if (status == NKI_OK) {
        status = nki_doc_parse(out, nki_str_make((const char *)text.data, text.len), err);
    }
    nki_buf_free(&text);
    return status;
}
