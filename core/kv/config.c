/* Configurations of buckets: see config.h. */
#include "kv/config.h"

#include "jetstream/bucket.h"
#include "kv/bucket.h"

#include <inttypes.h>

#define HISTORY_MAX 64
#define DUPLICATES_NS                                                                                        \
    INT64_C(120000000000) /* 2 minutes, or the ttl if it is shorter: the server refuses more */

static const struct nki_bucket_member members[] = {
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
    {"allow_atomic", "allow_atomic", NKI_DOC_BOOL},
    {"mirror", NULL, NKI_DOC_OBJECT},
    {"sources", NULL, NKI_DOC_ARRAY},
};

static bool append_value(struct nki_buf *out, const struct nki_doc_node *node)
{
    size_t len = nki_doc_write(node, NULL, 0);
    if (!nki_buf_reserve(out, len)) {
        return false;
    }
    nki_doc_write(node, (char *)out->data + out->len, len);
    out->len += len;
    return true;
}

/* With its own name, or another one. */
static bool append_node(struct nki_buf *out, const char *name, const struct nki_doc_node *node)
{
    return nki_buf_append(out, ",", 1) &&
           nki_buf_append_json(out, name != NULL ? nki_str_z(name) : node->key) &&
           nki_buf_append(out, ":", 1) && append_value(out, node);
}

static const struct nki_doc_node *find(struct nki_doc *bucket, struct nki_str name)
{
    return nki_doc_find(bucket, bucket->root, name, NULL);
}

static bool append_number(struct nki_buf *out, struct nki_str begin, int64_t number)
{
    return nki_buf_append_str(out, begin) && nki_buf_append_u64(out, (uint64_t)number);
}

/* What follows of numbers, all of which were checked for their types; of a `whole` configuration also what
 * was not given. */
static int32_t append_numbers(struct nki_doc *bucket, bool whole, struct nki_buf *out, struct nki_error *err)
{
    int64_t history = nki_bucket_number(bucket, NKI_STR("history"), 1);
    int64_t ttl = nki_bucket_number(bucket, NKI_STR("ttl"), 0);
    int64_t marker = nki_bucket_number(bucket, NKI_STR("limit_marker_ttl"), 0);
    if (history < 1 || history > HISTORY_MAX) {
        return nki_bucket_invalid(NKI_STR("history"), "is not between 1 and 64", err);
    }
    if (ttl < 0) {
        return nki_bucket_invalid(NKI_STR("ttl"), "is negative", err);
    }
    if (marker < 0 || (marker > 0 && marker < INT64_C(1000000000))) {
        return nki_bucket_invalid(NKI_STR("limit_marker_ttl"), "is less than a second", err);
    }
    int64_t window = ttl > 0 && ttl < DUPLICATES_NS ? ttl : DUPLICATES_NS;
    bool ok = true;
    if (whole || find(bucket, NKI_STR("history")) != NULL) {
        ok = append_number(out, NKI_STR(",\"max_msgs_per_subject\":"), history);
    }
    if (ok && (whole || find(bucket, NKI_STR("ttl")) != NULL)) {
        ok = append_number(out, NKI_STR(",\"max_age\":"), ttl) &&
             append_number(out, NKI_STR(",\"duplicate_window\":"), window);
    }
    if (ok && marker > 0) {
        ok = append_number(out, NKI_STR(",\"allow_msg_ttl\":true,\"subject_delete_marker_ttl\":"), marker);
    }
    return ok ? NKI_OK : nki_error_set(err, NKI_NO_MEMORY, NULL);
}

/* -- mirrors and sources (ADR-57) ------------------------------------------------------------------------ */

/* Appends the members of a source but its name and, where they are made, its transforms. */
static bool append_others(const struct nki_doc_node *source, bool transforms, struct nki_buf *out)
{
    bool ok = true;
    for (uint32_t i = 0; ok && i < source->u.list.count; i++) {
        const struct nki_doc_node *node = source->u.list.items[i];
        bool skipped = nki_str_eq(node->key, NKI_STR("name")) ||
                       (transforms && nki_str_eq(node->key, NKI_STR("subject_transforms")));
        ok = skipped || append_node(out, NULL, node);
    }
    return ok;
}

/* Appends a source with the stream of the bucket that it names; `becomes`: with keys of that bucket made keys
 * of this one. */
static bool append_source(const struct nki_doc_node *source, struct nki_str name, struct nki_str becomes,
                          struct nki_buf *out)
{
    bool ok = nki_buf_append_str(out, NKI_STR("{\"name\":\"" NKI_KV_STREAM_PREFIX)) &&
              nki_buf_append_str(out, name) && nki_buf_append(out, "\"", 1) &&
              append_others(source, becomes.len > 0, out);
    if (ok && becomes.len > 0) {
        ok = nki_buf_append_str(out, NKI_STR(",\"subject_transforms\":[{\"src\":\"$KV.")) &&
             nki_buf_append_str(out, name) && nki_buf_append_str(out, NKI_STR(".>\",\"dest\":\"$KV.")) &&
             nki_buf_append_str(out, becomes) && nki_buf_append_str(out, NKI_STR(".>\"}]"));
    }
    return ok && nki_buf_append(out, "}", 1);
}

static bool is_set(struct nki_doc *doc, struct nki_doc_node *object, struct nki_str name)
{
    const struct nki_doc_node *node = nki_doc_find(doc, object, name, NULL);
    return node != NULL && node->type != NKI_DOC_NULL &&
           (node->type != NKI_DOC_ARRAY || node->u.list.count > 0) &&
           (node->type != NKI_DOC_STRING || node->u.text.len > 0);
}

/* The name of the bucket that a source is; empty with an error in `err`. */
static struct nki_str source_name(struct nki_doc *doc, struct nki_str member, struct nki_doc_node *source,
                                  struct nki_error *err)
{
    const struct nki_doc_node *name =
        source->type == NKI_DOC_OBJECT ? nki_doc_find(doc, source, NKI_STR("name"), NULL) : NULL;
    if (name == NULL || name->type != NKI_DOC_STRING) {
        nki_bucket_invalid(member, "names no bucket", err);
        return NKI_STR("");
    }
    struct nki_str bucket = name->u.text;
    if (nki_str_starts(bucket, NKI_STR(NKI_KV_STREAM_PREFIX))) {
        bucket = nki_str_make(bucket.ptr + 3, bucket.len - 3);
    }
    if (nki_kv_bucket_fault(bucket) != NULL) {
        nki_bucket_invalid(member, "names what is no bucket", err);
        return NKI_STR("");
    }
    return bucket;
}

static int32_t append_mirror(struct nki_doc *doc, struct nki_buf *out, struct nki_error *err)
{
    struct nki_doc_node *mirror = nki_doc_find(doc, doc->root, NKI_STR("mirror"), NULL);
    if (mirror == NULL) {
        return NKI_OK;
    }
    struct nki_str name = source_name(doc, NKI_STR("mirror"), mirror, err);
    if (name.len == 0) {
        return NKI_INVALID;
    }
    bool ok = nki_buf_append_str(out, NKI_STR(",\"mirror_direct\":true,\"mirror\":")) &&
              append_source(mirror, name, NKI_STR(""), out);
    return ok ? NKI_OK : nki_error_set(err, NKI_NO_MEMORY, NULL);
}

/* One that says itself what becomes of its subjects is left as it is. */
static int32_t append_sources(struct nki_doc *doc, struct nki_str bucket, struct nki_buf *out,
                              struct nki_error *err)
{
    struct nki_doc_node *sources = nki_doc_find(doc, doc->root, NKI_STR("sources"), NULL);
    if (sources == NULL) {
        return NKI_OK;
    }
    bool ok = nki_buf_append_str(out, NKI_STR(",\"sources\":["));
    for (uint32_t i = 0; ok && i < sources->u.list.count; i++) {
        struct nki_doc_node *source = sources->u.list.items[i];
        ok = i == 0 || nki_buf_append(out, ",", 1);
        if (source->type == NKI_DOC_OBJECT && (is_set(doc, source, NKI_STR("subject_transforms")) ||
                                               is_set(doc, source, NKI_STR("filter_subject")))) {
            ok = ok && append_value(out, source);
            continue;
        }
        struct nki_str name = source_name(doc, NKI_STR("sources"), source, err);
        if (name.len == 0) {
            return NKI_INVALID;
        }
        bool far = is_set(doc, source, NKI_STR("external")) || is_set(doc, source, NKI_STR("domain"));
        bool same = nki_str_eq(name, bucket) && far;
        ok = ok && append_source(source, name, same ? NKI_STR("") : bucket, out);
    }
    ok = ok && nki_buf_append(out, "]", 1);
    return ok ? NKI_OK : nki_error_set(err, NKI_NO_MEMORY, NULL);
}

/* Begins with what every bucket is, which an update leaves as it is. A mirror has the subjects of its origin.
 */
static bool append_begin(struct nki_str name, bool whole, bool mirror, struct nki_buf *out)
{
    bool ok = nki_buf_append_str(out, NKI_STR("{\"name\":\"" NKI_KV_STREAM_PREFIX)) &&
              nki_buf_append_str(out, name) && nki_buf_append(out, "\"", 1);
    if (ok && whole && !mirror) {
        ok = nki_buf_append_str(out, NKI_STR(",\"subjects\":[\"$KV.")) && nki_buf_append_str(out, name) &&
             nki_buf_append_str(out, NKI_STR(".>\"]"));
    }
    return ok && (!whole || nki_buf_append_str(out, NKI_STR(",\"discard\":\"new\",\"allow_rollup_hdrs\":true,"
                                                            "\"deny_delete\":true,\"allow_direct\":true")));
}

static bool append_compression(struct nki_doc *bucket, bool whole, struct nki_buf *out)
{
    const struct nki_doc_node *node = find(bucket, NKI_STR("compression"));
    if (node != NULL && node->u.integer != 0) {
        return nki_buf_append_str(out, NKI_STR(",\"compression\":\"s2\""));
    }
    return node == NULL || whole || nki_buf_append_str(out, NKI_STR(",\"compression\":\"none\""));
}

static int32_t write_config(struct nki_doc *bucket, bool whole, struct nki_buf *out, struct nki_error *err)
{
    struct nki_str name;
    int32_t status = nki_bucket_name(bucket, NKI_KV_BUCKET_MAX, &name, err);
    if (status != NKI_OK) {
        return status;
    }
    bool mirror = find(bucket, NKI_STR("mirror")) != NULL;
    if (mirror && find(bucket, NKI_STR("sources")) != NULL) {
        return nki_bucket_invalid(NKI_STR("mirror"), "excludes sources", err);
    }
    status = append_begin(name, whole, mirror, out) ? NKI_OK : nki_error_set(err, NKI_NO_MEMORY, NULL);
    status = status == NKI_OK ? nki_bucket_copy(bucket, members, NKI_ARRAY_LEN(members), out, err) : status;
    status = status == NKI_OK ? append_numbers(bucket, whole, out, err) : status;
    status = status == NKI_OK ? append_mirror(bucket, out, err) : status;
    status = status == NKI_OK ? append_sources(bucket, name, out, err) : status;
    if (status == NKI_OK) {
        bool ok = append_compression(bucket, whole, out) && nki_buf_append(out, "}", 1);
        status = ok ? NKI_OK : nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    return status;
}

int32_t nki_kv_config(struct nki_doc *bucket, bool whole, struct nki_doc *out, struct nki_error *err)
{
    struct nki_buf text = {0};
    if (bucket->root->type != NKI_DOC_OBJECT) {
        return nki_error_set(err, NKI_INVALID, "bucket: the configuration is no object");
    }
    int32_t status = write_config(bucket, whole, &text, err);
    if (status == NKI_OK) {
        status = nki_doc_parse(out, nki_str_make((const char *)text.data, text.len), err);
    }
    nki_buf_free(&text);
    return status;
}
