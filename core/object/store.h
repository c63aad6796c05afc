/* An object store as it is used: constant once it is made, reference counted. Opening it sends nothing. Any
 * thread. */
#ifndef NKI_OBJECT_STORE_H
#define NKI_OBJECT_STORE_H

#include "base/buf.h"
#include "jetstream/context.h"

#define NKI_OBJECT_STREAM_PREFIX "OBJ_"
#define NKI_OBJECT_BUCKET_MAX (NKI_JS_NAME_MAX - 4)
#define NKI_OBJECT_NAME_MAX 1024 /* of an object */

struct nki_object_store {
    atomic_uint refs;
    struct nki_js *js; /* a reference */
    size_t stream_len;
    char stream[NKI_JS_NAME_MAX + 1]; /* "OBJ_<bucket>" */
};

/* One reference. NKI_INVALID (the name), NKI_NO_MEMORY. */
int32_t nki_object_store_open(struct nki_js *js, struct nki_str bucket, struct nki_object_store **out,
                              struct nki_error *err);
void nki_object_store_retain(struct nki_object_store *store);
void nki_object_store_release(struct nki_object_store *store);

static inline struct nki_str nki_object_store_stream(const struct nki_object_store *store)
{
    return nki_str_make(store->stream, store->stream_len);
}

static inline struct nki_str nki_object_store_bucket(const struct nki_object_store *store)
{
    return nki_str_make(store->stream + 4, store->stream_len - 4);
}

/* What is wrong with the name of an object, or NULL. */
const char *nki_object_name_fault(struct nki_str name);
/* The same as an error. */
int32_t nki_object_name_check(struct nki_str name, struct nki_error *err);

/* Append subjects as they are stored: of what an object is ("$O.<bucket>.M.<base64>"), of all that are
 * ("$O.<bucket>.M.>"), and of its chunks ("$O.<bucket>.C.<nuid>"). */
bool nki_object_append_meta_subject(struct nki_buf *out, struct nki_str bucket, struct nki_str name)
    __attribute__((warn_unused_result));
bool nki_object_append_metas_subject(struct nki_buf *out, struct nki_str bucket)
    __attribute__((warn_unused_result));
/* Whether chunks can have it: what a stored description says was written by anybody who may. */
bool nki_object_nuid_ok(struct nki_str nuid);
bool nki_object_append_chunk_subject(struct nki_buf *out, struct nki_str bucket, struct nki_str nuid)
    __attribute__((warn_unused_result));

#endif
