/* Configurations of object stores: see config.h. */
#include "object/config.h"

#include "jetstream/bucket.h"
#include "object/store.h"

static const struct nki_bucket_member members[] = {
    {"bucket", NULL, NKI_DOC_STRING},
    {"description", "description", NKI_DOC_STRING},
    {"ttl", "max_age", NKI_DOC_INT},
    {"max_bytes", "max_bytes", NKI_DOC_INT},
    {"storage", "storage", NKI_DOC_STRING},
    {"num_replicas", "num_replicas", NKI_DOC_INT},
    {"placement", "placement", NKI_DOC_OBJECT},
    {"compression", NULL, NKI_DOC_BOOL},
    {"metadata", "metadata", NKI_DOC_OBJECT},
};

static int32_t write_config(struct nki_doc *store, struct nki_buf *out, struct nki_error *err)
{
    struct nki_str name;
    int32_t status = nki_bucket_name(store, NKI_OBJECT_BUCKET_MAX, &name, err);
    if (status != NKI_OK) {
        return status;
    }
    bool ok = nki_buf_append_str(out, NKI_STR("{\"name\":\"" NKI_OBJECT_STREAM_PREFIX)) &&
              nki_buf_append_str(out, name) && nki_buf_append_str(out, NKI_STR("\",\"subjects\":[\"$O.")) &&
              nki_buf_append_str(out, name) && nki_buf_append_str(out, NKI_STR(".C.>\",\"$O.")) &&
              nki_buf_append_str(out, name) &&
              nki_buf_append_str(out, NKI_STR(".M.>\"],\"discard\":\"new\",\"allow_rollup_hdrs\":true,"
                                              "\"allow_direct\":true"));
    status = ok ? nki_bucket_copy(store, members, NKI_ARRAY_LEN(members), out, err)
                : nki_error_set(err, NKI_NO_MEMORY, NULL);
    if (status == NKI_OK && nki_bucket_number(store, NKI_STR("ttl"), 0) < 0) {
        status = nki_bucket_invalid(NKI_STR("ttl"), "is negative", err);
    }
    bool compressed = status == NKI_OK && nki_bucket_number(store, NKI_STR("compression"), 0) != 0;
    if (status == NKI_OK && !((!compressed || nki_buf_append_str(out, NKI_STR(",\"compression\":\"s2\""))) &&
                              nki_buf_append(out, "}", 1))) {
        status = nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    return status;
}

int32_t nki_object_config(struct nki_doc *store, struct nki_doc *out, struct nki_error *err)
{
    struct nki_buf text = {0};
    if (store->root->type != NKI_DOC_OBJECT) {
        return nki_error_set(err, NKI_INVALID, "bucket: the configuration is no object");
    }
    int32_t status = write_config(store, &text, err);
    if (status == NKI_OK) {
        status = nki_doc_parse(out, nki_str_make((const char *)text.data, text.len), err);
    }
    nki_buf_free(&text);
    return status;
}
