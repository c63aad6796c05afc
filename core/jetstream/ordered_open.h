/* Ordered consumers by options, as callers of any thread begin them. */
#ifndef NKI_JETSTREAM_ORDERED_OPEN_H
#define NKI_JETSTREAM_ORDERED_OPEN_H

#include "jetstream/ordered.h"
#include "options/options.h"

/* Opens a subscription to a stream of a checked name by options of scope ORDERED (NULL: defaults); one
 * reference for the caller. NKI_INVALID names the option; else as nki_ordered_open. */
int32_t nki_js_ordered(struct nki_js *js, struct nki_str stream, const struct nki_options *options,
                       struct nki_sub **out, struct nki_error *err);

#endif
