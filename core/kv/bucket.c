/* Buckets, and the rules for their names and keys. See bucket.h. */
#include "kv/bucket.h"

#include "base/alloc.h"
#include "jetstream/bucket.h"

#include <stdio.h>

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

const char *nki_kv_bucket_fault(struct nki_str bucket)
{
    return nki_bucket_fault(bucket, NKI_KV_BUCKET_MAX);
}

static const char *token_fault(struct nki_str token, bool last, bool wild)
{
    if (token.len == 0) {
        return "has an empty token";
    }
    bool alone = token.len == 1 && (token.ptr[0] == '*' || (token.ptr[0] == '>' && last));
    for (size_t i = 0; i < token.len && !(wild && alone); i++) {
        if (!is_word(token.ptr[i]) && token.ptr[i] != '/' && token.ptr[i] != '=') {
            return wild ? "holds something else than letters, digits, - / _ = and wildcards as tokens"
                        : "holds something else than letters, digits and - / _ = .";
        }
    }
    return NULL;
}

static const char *tokens_fault(struct nki_str text, bool wild)
{
    if (text.len == 0) {
        return "is empty";
    }
    if (text.len > NKI_KV_KEY_MAX) {
        return "is longer than 1024 bytes";
    }
    if (nki_str_starts(text, NKI_STR("_kv"))) {
        return "begins with _kv, which is reserved";
    }
    const char *fault = NULL;
    while (text.ptr != NULL && fault == NULL) {
        struct nki_str token = nki_str_cut(&text, '.');
        fault = token_fault(token, text.ptr == NULL, wild);
    }
    return fault;
}

const char *nki_kv_key_fault(struct nki_str key)
{
    return tokens_fault(key, false);
}

const char *nki_kv_pattern_fault(struct nki_str pattern)
{
    return tokens_fault(pattern, true);
}

int32_t nki_kv_open(struct nki_js *js, struct nki_str bucket, struct nki_kv **out, struct nki_error *err)
{
    int32_t status = nki_bucket_check(bucket, NKI_KV_BUCKET_MAX, err);
    if (status != NKI_OK) {
        return status;
    }
    struct nki_kv *kv = nki_alloc(sizeof *kv);
    if (kv == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    memset(kv, 0, sizeof *kv);
    atomic_init(&kv->refs, 1);
    kv->js = js;
    nki_js_retain(js);
    int len =
        snprintf(kv->stream, sizeof kv->stream, NKI_KV_STREAM_PREFIX "%.*s", (int)bucket.len, bucket.ptr);
    kv->stream_len = (size_t)len;
    len = snprintf(kv->subject, sizeof kv->subject, "$KV.%.*s.", (int)bucket.len, bucket.ptr);
    kv->subject_len = (size_t)len;
    *out = kv;
    return NKI_OK;
}

void nki_kv_retain(struct nki_kv *kv)
{
    atomic_fetch_add_explicit(&kv->refs, 1, memory_order_relaxed);
}

void nki_kv_release(struct nki_kv *kv)
{
    if (atomic_fetch_sub_explicit(&kv->refs, 1, memory_order_acq_rel) == 1) {
        nki_js_release(kv->js);
        nki_free(kv);
    }
}
