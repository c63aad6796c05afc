/* A bucket as it is used: reference counted. Opening it sends nothing. Any thread. */
#ifndef NKI_KV_BUCKET_H
#define NKI_KV_BUCKET_H

#include "jetstream/context.h"
#include "kv/codec.h"

#include <pthread.h>

#define NKI_KV_STREAM_PREFIX "KV_"
#define NKI_KV_BUCKET_MAX (NKI_JS_NAME_MAX - 3)
#define NKI_KV_KEY_MAX 1024

struct nki_kv_cache;

/* Where the entries of a bucket stand. Constant. */
struct nki_kv_place {
    bool direct; /* gets go to any server that keeps it, else to the stream's leader */
    size_t api_len;
    size_t stream_len;
    size_t subject_len;
    char api[NKI_JS_PREFIX_MAX + 1];   /* prefix of the API where it is written */
    char stream[NKI_JS_NAME_MAX + 1];  /* that is written: of a mirror, its origin */
    char subject[NKI_JS_NAME_MAX + 8]; /* "$KV.<bucket>.": what subjects of stored keys begin with */
};

struct nki_kv {
    atomic_uint refs;
    struct nki_js *js; /* a reference */
    struct nki_kv_codecs codecs;
    bool read_only;
    size_t stream_len;
    char stream[NKI_JS_NAME_MAX + 1];     /* "KV_<bucket>" */
    struct nki_kv_place opened;           /* as it was opened */
    _Atomic(struct nki_kv_place *) bound; /* as the stream says; NULL until it was asked, constant then */

    pthread_mutex_t cache_mu;   /* taken last and alone, also with the engine lock held */
    struct nki_kv_cache *cache; /* a reference, or NULL */
};

/* `options` of scope KV, or NULL. One reference. NKI_INVALID (a name), NKI_NO_MEMORY. */
int32_t nki_kv_open(struct nki_js *js, struct nki_str bucket, const struct nki_options *options,
                    struct nki_kv **out, struct nki_error *err);
void nki_kv_retain(struct nki_kv *kv);
void nki_kv_release(struct nki_kv *kv);

static inline struct nki_str nki_kv_stream(const struct nki_kv *kv)
{
    return nki_str_make(kv->stream, kv->stream_len);
}

static inline struct nki_str nki_kv_bucket(const struct nki_kv *kv)
{
    return nki_str_make(kv->stream + 3, kv->stream_len - 3);
}

static inline const struct nki_kv_place *nki_kv_place(struct nki_kv *kv)
{
    const struct nki_kv_place *bound = atomic_load_explicit(&kv->bound, memory_order_acquire);
    return bound != NULL ? bound : &kv->opened;
}

static inline struct nki_str nki_kv_subject(const struct nki_kv_place *place)
{
    return nki_str_make(place->subject, place->subject_len);
}

/* What the stream says of itself: the first time, and if it fits, it holds from now on. `origin` is the
 * stream that it mirrors, `api` the prefix of the API there, both empty if it is no mirror. NKI_OK,
 * NKI_INVALID (the names are too long, or not a bucket's), NKI_NO_MEMORY. */
int32_t nki_kv_bind(struct nki_kv *kv, bool direct, struct nki_str origin, struct nki_str api);

/* Appends the subject behind which a key is stored, with what is wrong with it as NKI_INVALID; a pattern if
 * `wild`. */
int32_t nki_kv_append_key(const struct nki_kv *kv, const struct nki_kv_place *place, struct nki_str key,
                          bool wild, struct nki_buf *out, struct nki_error *err);

/* What is wrong with it, or NULL: letters, digits, '_' and '-' (ADR-8). */
const char *nki_kv_bucket_fault(struct nki_str bucket);
/* Letters, digits and - / _ = in tokens between single dots. */
const char *nki_kv_key_fault(struct nki_str key);
/* The same with `*` as a token, and `>` as the last one. */
const char *nki_kv_pattern_fault(struct nki_str pattern);

#endif
