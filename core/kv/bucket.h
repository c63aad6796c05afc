/* A bucket as it is used: constant once it is made, reference counted. Opening it sends nothing. */
#ifndef NKI_KV_BUCKET_H
#define NKI_KV_BUCKET_H

#include "jetstream/context.h"

#define NKI_KV_STREAM_PREFIX "KV_"
#define NKI_KV_BUCKET_MAX (NKI_JS_NAME_MAX - 3)
#define NKI_KV_KEY_MAX 1024

struct nki_kv {
    atomic_uint refs;
    struct nki_js *js; /* a reference */
    size_t stream_len;
    size_t subject_len;
    char stream[NKI_JS_NAME_MAX + 1];  /* "KV_<bucket>" */
    char subject[NKI_JS_NAME_MAX + 8]; /* "$KV.<bucket>.": what subjects of stored keys begin with */
};

/* One reference. NKI_INVALID (the name), NKI_NO_MEMORY. */
int32_t nki_kv_open(struct nki_js *js, struct nki_str bucket, struct nki_kv **out, struct nki_error *err);
void nki_kv_retain(struct nki_kv *kv);
void nki_kv_release(struct nki_kv *kv);

static inline struct nki_str nki_kv_stream(const struct nki_kv *kv)
{
    return nki_str_make(kv->stream, kv->stream_len);
}

static inline struct nki_str nki_kv_subject(const struct nki_kv *kv)
{
    return nki_str_make(kv->subject, kv->subject_len);
}

static inline struct nki_str nki_kv_bucket(const struct nki_kv *kv)
{
    return nki_str_make(kv->stream + 3, kv->stream_len - 3);
}

/* What is wrong with it, or NULL: letters, digits, '_' and '-' (ADR-8). */
const char *nki_kv_bucket_fault(struct nki_str bucket);
/* Letters, digits and - / _ = in tokens between single dots. */
const char *nki_kv_key_fault(struct nki_str key);
/* The same with `*` as a token, and `>` as the last one. */
const char *nki_kv_pattern_fault(struct nki_str pattern);

#endif
