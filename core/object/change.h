/* Changing what objects are, without their content. */
#ifndef NKI_OBJECT_CHANGE_H
#define NKI_OBJECT_CHANGE_H

#include "object/meta.h"
#include "object/store.h"

/* Each begins an operation that finishes with a message of kind NKI_MSG_OBJECT, what the object is then;
 * or NKI_OBJECT_NOT_FOUND, NKI_OBJECT_DELETED, NKI_STREAM_NOT_FOUND, NKI_WRONG_LAST (others change it again
 * and again), and what publishing gives. NKI_INVALID: a name. */

/* Deletes it: first what it is, then its chunks. */
int32_t nki_object_delete(struct nki_object_store *store, struct nki_str name,
                          const struct nki_js_begin *begin, struct nki_op **op, struct nki_error *err);
/* Changes what `meta`, which is left empty, says. NKI_OBJECT_EXISTS: its new name. */
int32_t nki_object_update(struct nki_object_store *store, struct nki_str name, struct nki_object_meta *meta,
                          const struct nki_js_begin *begin, struct nki_op **op, struct nki_error *err);
/* Makes a link to an object, or with an empty `target` to a store. NKI_OBJECT_EXISTS: something else than a
 * link has the name; NKI_LINK_TO_LINK. */
int32_t nki_object_link(struct nki_object_store *store, struct nki_str name, struct nki_str bucket,
                        struct nki_str target, const struct nki_js_begin *begin, struct nki_op **op,
                        struct nki_error *err);

#endif
