/* What an application says of an object besides its content: description, headers, metadata, and where it is
 * changed a new name. */
#ifndef NKI_OBJECT_META_H
#define NKI_OBJECT_META_H

#include "base/buf.h"
#include "json/doc.h"

struct nki_object_meta {
    bool has_name;
    bool has_description;
    bool has_headers;
    bool has_metadata;
    struct nki_buf name;
    struct nki_buf description;
    struct nki_buf headers;  /* JSON as in struct nki_object_info; empty: none */
    struct nki_buf metadata; /* the same */
};

/* Reads a document: an object with description (a text), headers (an object of texts or arrays of texts),
 * metadata (an object of texts), each of which may be null, and, if it may be changed, name. NULL: nothing is
 * said. NKI_INVALID names what is wrong. What it holds is to be freed in any case. */
int32_t nki_object_meta_read(struct nki_doc *doc, bool with_name, struct nki_object_meta *out,
                             struct nki_error *err);
void nki_object_meta_free(struct nki_object_meta *meta);

#endif
