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
};

static bool append_number(struct nki_buf *out, struct nki_str begin, int64_t number)
{
    return nki_buf_append_str(out, begin) && nki_buf_append_u64(out, (uint64_t)number);
}

/* What follows of numbers, all of which were checked for their types. */
static int32_t append_numbers(struct nki_doc *bucket, struct nki_buf *out, struct nki_error *err)
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
    struct nki_str name;
    int32_t status = nki_bucket_name(bucket, NKI_KV_BUCKET_MAX, &name, err);
    if (status == NKI_OK && !append_begin(name, out)) {
        status = nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    status = status == NKI_OK ? nki_bucket_copy(bucket, members, NKI_ARRAY_LEN(members), out, err) : status;
    status = status == NKI_OK ? append_numbers(bucket, out, err) : status;
    if (status == NKI_OK) {
        bool compressed = nki_bucket_number(bucket, NKI_STR("compression"), 0) != 0;
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
