/* Parts of what an ordered consumer (ordered.c) writes to the server, and reads of its answers. Pure but for
 * memory. */
#ifndef NKI_JETSTREAM_ORDERED_TEXT_H
#define NKI_JETSTREAM_ORDERED_TEXT_H

#include "base/buf.h"
#include "base/json.h"
#include "jetstream/ordered.h"

/* Appends the filters as members of a configuration, and to `filter` the only one, if it goes into the
 * subject of the request. False if there is no memory. */
bool nki_ordered_append_filters(const struct nki_ordered_params *params, struct nki_buf *out,
                                struct nki_buf *filter);
/* A member that is a number; else 0. */
uint64_t nki_ordered_number(const struct nki_json_value *object, struct nki_str name);
/* When the stream or consumer was made, by the server's clock; 0: it is not told. */
int64_t nki_ordered_created_ns(const struct nki_json_value *answer);

#endif
