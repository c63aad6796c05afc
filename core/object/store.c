/* Object stores, the names in them, and their subjects (ADR-20). See store.h. */
#include "object/store.h"

#include "base/alloc.h"
#include "base/base64.h"
#include "jetstream/bucket.h"

#include <stdio.h>

int32_t nki_object_store_open(struct nki_js *js, struct nki_str bucket, struct nki_object_store **out,
                              struct nki_error *err)
{
    int32_t status = nki_bucket_check(bucket, NKI_OBJECT_BUCKET_MAX, err);
    if (status != NKI_OK) {
        return status;
    }
    struct nki_object_store *store = nki_alloc(sizeof *store);
    if (store == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    memset(store, 0, sizeof *store);
    atomic_init(&store->refs, 1);
    store->js = js;
    nki_js_retain(js);
    int len = snprintf(store->stream, sizeof store->stream, NKI_OBJECT_STREAM_PREFIX "%.*s", (int)bucket.len,
                       bucket.ptr);
    store->stream_len = (size_t)len;
    *out = store;
    return NKI_OK;
}

void nki_object_store_retain(struct nki_object_store *store)
{
    atomic_fetch_add_explicit(&store->refs, 1, memory_order_relaxed);
}

void nki_object_store_release(struct nki_object_store *store)
{
    if (atomic_fetch_sub_explicit(&store->refs, 1, memory_order_acq_rel) == 1) {
        nki_js_release(store->js);
        nki_free(store);
    }
}

const char *nki_object_name_fault(struct nki_str name)
{
    if (name.len == 0) {
        return "is empty";
    }
    if (name.len > NKI_OBJECT_NAME_MAX) {
        return "is longer than 1024 bytes";
    }
    if (!nki_str_utf8_valid(name)) {
        return "is no valid UTF-8";
    }
    return memchr(name.ptr, '\0', name.len) != NULL ? "holds a NUL" : NULL;
}

int32_t nki_object_name_check(struct nki_str name, struct nki_error *err)
{
    const char *fault = nki_object_name_fault(name);
    int shown = name.len < 80 ? (int)name.len : 80;
    return fault == NULL ? NKI_OK
                         : nki_error_set(err, NKI_INVALID, "object name \"%.*s\" %s", shown,
                                         name.len > 0 ? name.ptr : "", fault);
}

static bool append_begin(struct nki_buf *out, struct nki_str bucket, struct nki_str kind)
{
    return nki_buf_append_str(out, NKI_STR("$O.")) && nki_buf_append_str(out, bucket) &&
           nki_buf_append_str(out, kind);
}

bool nki_object_append_meta_subject(struct nki_buf *out, struct nki_str bucket, struct nki_str name)
{
    if (!append_begin(out, bucket, NKI_STR(".M.")) || !nki_buf_reserve(out, NKI_BASE64_LEN(name.len))) {
        return false;
    }
    size_t len = nki_base64_encode(NKI_BASE64_URL, name.ptr, name.len, (char *)out->data + out->len);
    out->len += len;
    return nki_buf_append(out, "==", (4 - len % 4) % 4);
}

bool nki_object_append_metas_subject(struct nki_buf *out, struct nki_str bucket)
{
    return append_begin(out, bucket, NKI_STR(".M.>"));
}

bool nki_object_nuid_ok(struct nki_str nuid)
{
    return nuid.len <= 255 && nki_js_name_fault(nuid) == NULL && memchr(nuid.ptr, '"', nuid.len) == NULL;
}

bool nki_object_append_chunk_subject(struct nki_buf *out, struct nki_str bucket, struct nki_str nuid)
{
    return append_begin(out, bucket, NKI_STR(".C.")) && nki_buf_append_str(out, nuid);
}
