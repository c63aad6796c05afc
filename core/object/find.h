/* What an object is. */
#ifndef NKI_OBJECT_FIND_H
#define NKI_OBJECT_FIND_H

#include "object/store.h"

#define NKI_OBJECT_DELETED_TOO 1u /* also what a deleted one was */
#define NKI_OBJECT_FOLLOW 2u      /* of a link what it leads to */

/* An operation that finishes with a message of kind NKI_MSG_OBJECT; or NKI_OBJECT_NOT_FOUND,
 * NKI_OBJECT_DELETED, NKI_LINK_TO_STORE, NKI_LINK_TO_LINK, NKI_STREAM_NOT_FOUND. NKI_INVALID: the name. */
int32_t nki_object_find(struct nki_object_store *store, struct nki_str name, uint32_t flags,
                        const struct nki_js_begin *begin, struct nki_op **op, struct nki_error *err);

#endif
