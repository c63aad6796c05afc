/* What the stores over streams have in common, key-value buckets and object stores: their names, what is
 * published to them, and their configurations. Pure. */
#ifndef NKI_JETSTREAM_BUCKET_H
#define NKI_JETSTREAM_BUCKET_H

#include "base/buf.h"
#include "jetstream/context.h"
#include "json/doc.h"

/* What is wrong with a store's name of at most `max` (252 or less) bytes, or NULL: letters, digits, '_' and
 * '-'. */
const char *nki_bucket_fault(struct nki_str name, size_t max);
/* The same as an error: NKI_INVALID. */
int32_t nki_bucket_check(struct nki_str name, size_t max, struct nki_error *err);

/* Bytes of a subject that is published to before what is stored: another domain or account takes messages
 * behind the prefix of its API (ADR-19). */
size_t nki_bucket_prefix_len(const struct nki_js *js);
/* Appends those. */
bool nki_bucket_append_prefix(const struct nki_js *js, struct nki_buf *out)
    __attribute__((warn_unused_result));

/* A member of a store's configuration, and the one of the stream's that it becomes as it is; NULL: it is made
 * otherwise. */
struct nki_bucket_member {
    const char *name;
    const char *becomes;
    enum nki_doc_type type;
};

/* NKI_INVALID: "bucket: member <name> <fault>". */
int32_t nki_bucket_invalid(struct nki_str name, const char *fault, struct nki_error *err);
/* Checks the members of `config`, an object, and appends those that go over as they are, a comma before each.
 */
int32_t nki_bucket_copy(struct nki_doc *config, const struct nki_bucket_member *members, size_t count,
                        struct nki_buf *out, struct nki_error *err);
/* The checked name in member "bucket". */
int32_t nki_bucket_name(struct nki_doc *config, size_t max, struct nki_str *out, struct nki_error *err);
/* A number that was checked for its type. */
int64_t nki_bucket_number(struct nki_doc *config, struct nki_str name, int64_t otherwise);

#endif
