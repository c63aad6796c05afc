/* The stream behind an object store. */
#ifndef NKI_OBJECT_CONFIG_H
#define NKI_OBJECT_CONFIG_H

#include "json/doc.h"

/* Makes the stream's configuration (ADR-20) of a store's: an object with bucket, description, ttl (ns),
 * max_bytes, storage, num_replicas, placement, compression (a boolean), metadata. NKI_INVALID names what is
 * wrong, unknown members included. */
int32_t nki_object_config(struct nki_doc *store, struct nki_doc *out, struct nki_error *err);

#endif
