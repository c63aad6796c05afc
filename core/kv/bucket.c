/* Buckets, and the rules for their names and keys. See bucket.h. */
#include "kv/bucket.h"

#include "base/alloc.h"
#include "jetstream/bucket.h"
#include "kv/cache.h"
#include "options/options.h"
#include "wire/subject.h"

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

/* -- places ---------------------------------------------------------------------------------------------- */

static void fill_place(struct nki_kv_place *place, struct nki_str bucket, struct nki_str api, bool direct)
{
    place->direct = direct;
    place->api_len = api.len;
    memcpy(place->api, api.ptr, api.len);
    place->api[api.len] = '\0';
    int len = snprintf(place->stream, sizeof place->stream, NKI_KV_STREAM_PREFIX "%.*s", (int)bucket.len,
                       bucket.ptr);
    place->stream_len = (size_t)len;
    len = snprintf(place->subject, sizeof place->subject, "$KV.%.*s.", (int)bucket.len, bucket.ptr);
    place->subject_len = (size_t)len;
}

int32_t nki_kv_bind(struct nki_kv *kv, bool direct, struct nki_str origin, struct nki_str api)
{
    struct nki_str bucket = nki_str_make(kv->opened.stream + 3, kv->opened.stream_len - 3);
    if (atomic_load_explicit(&kv->bound, memory_order_acquire) != NULL) {
        return NKI_OK;
    }
    if (origin.len > 0) {
        if (!nki_str_starts(origin, NKI_STR(NKI_KV_STREAM_PREFIX))) {
            return NKI_INVALID;
        }
        bucket = nki_str_make(origin.ptr + 3, origin.len - 3);
    }
    if (nki_kv_bucket_fault(bucket) != NULL || api.len > NKI_JS_PREFIX_MAX ||
        (api.len > 0 && nki_subject_publish_fault(api) != NULL)) {
        return NKI_INVALID;
    }
    struct nki_kv_place *place = nki_alloc(sizeof *place);
    if (place == NULL) {
        return NKI_NO_MEMORY;
    }
    fill_place(place, bucket, api.len > 0 ? api : nki_js_prefix(kv->js), direct && kv->opened.direct);
    struct nki_kv_place *none = NULL;
    if (!atomic_compare_exchange_strong_explicit(&kv->bound, &none, place, memory_order_acq_rel,
                                                 memory_order_acquire)) {
        nki_free(place); /* somebody else was told the same */
    }
    return NKI_OK;
}

int32_t nki_kv_append_key(const struct nki_kv *kv, const struct nki_kv_place *place, struct nki_str key,
                          bool wild, struct nki_buf *out, struct nki_error *err)
{
    if (!nki_buf_append_str(out, nki_kv_subject(place))) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    size_t at = out->len;
    const char *fault = key.len > NKI_KV_KEY_MAX ? "is longer than 1024 bytes" : NULL;
    fault = fault == NULL ? nki_kv_codec_fault(kv->codecs.keys, key) : fault;
    if (fault == NULL) {
        if (nki_kv_encode(kv->codecs.keys, key, wild, out) != NKI_OK) {
            return nki_error_set(err, NKI_NO_MEMORY, NULL);
        }
        struct nki_str coded = nki_str_make((const char *)out->data + at, out->len - at);
        fault = wild ? nki_kv_pattern_fault(coded) : nki_kv_key_fault(coded);
    }
    if (fault != NULL) {
        int shown = key.len < 80 ? (int)key.len : 80;
        return nki_error_set(err, NKI_INVALID, "key \"%.*s\" %s", shown, key.len > 0 ? key.ptr : "", fault);
    }
    return NKI_OK;
}

/* -- life ------------------------------------------------------------------------------------------------ */

int32_t nki_kv_open(struct nki_js *js, struct nki_str bucket, const struct nki_options *options,
                    struct nki_kv **out, struct nki_error *err)
{
    int32_t status = nki_bucket_check(bucket, NKI_KV_BUCKET_MAX, err);
    if (status != NKI_OK) {
        return status;
    }
    struct nki_str origin = options != NULL ? nki_options_str(options, NKI_OPT_KV_origin) : NKI_STR("");
    const char *fault = origin.len > 0 ? nki_kv_bucket_fault(origin) : NULL;
    if (fault != NULL) {
        return nki_error_set(err, NKI_INVALID, "option origin: \"%.*s\" %s",
                             origin.len < 80 ? (int)origin.len : 80, origin.ptr, fault);
    }
    struct nki_kv *kv = nki_alloc(sizeof *kv);
    if (kv == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    memset(kv, 0, sizeof *kv);
    atomic_init(&kv->refs, 1);
    atomic_init(&kv->bound, NULL);
    pthread_mutex_init(&kv->cache_mu, NULL);
    kv->js = js;
    nki_js_retain(js);
    bool direct = true;
    if (options != NULL) {
        kv->codecs.keys = (enum nki_kv_codec)nki_options_choice(options, NKI_OPT_KV_codec);
        kv->codecs.values = (enum nki_kv_value_codec)nki_options_choice(options, NKI_OPT_KV_value_codec);
        kv->read_only = nki_options_bool(options, NKI_OPT_KV_read_only);
        direct = nki_options_bool(options, NKI_OPT_KV_direct);
    }
    int len =
        snprintf(kv->stream, sizeof kv->stream, NKI_KV_STREAM_PREFIX "%.*s", (int)bucket.len, bucket.ptr);
    kv->stream_len = (size_t)len;
    fill_place(&kv->opened, origin.len > 0 ? origin : bucket, nki_js_prefix(js), direct);
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
        nki_kv_cache_release(kv->cache);
        pthread_mutex_destroy(&kv->cache_mu);
        nki_js_release(kv->js);
        nki_free(atomic_load_explicit(&kv->bound, memory_order_relaxed));
        nki_free(kv);
    }
}
