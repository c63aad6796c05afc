/* The stream behind a bucket. */
#ifndef NKI_KV_CONFIG_H
#define NKI_KV_CONFIG_H

#include "json/doc.h"

/* Makes the stream's configuration (ADR-8) of a bucket's: an object with bucket, description, history, ttl,
 * limit_marker_ttl (ns), max_bytes, max_value_size, storage, num_replicas, placement, republish, compression
 * and allow_atomic (booleans), metadata, mirror, sources. An origin is given by the name of its bucket; of a
 * source without transforms and filter the keys become keys of this bucket (ADR-57). `whole`: with the
 * defaults of what is not given; else for an update. NKI_INVALID names what is wrong, unknown members
 * included. */
int32_t nki_kv_config(struct nki_doc *bucket, bool whole, struct nki_doc *out, struct nki_error *err);

#endif
