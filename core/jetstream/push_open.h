/* Subscriptions to push consumers by options, as callers of any thread begin them. */
#ifndef NKI_JETSTREAM_PUSH_OPEN_H
#define NKI_JETSTREAM_PUSH_OPEN_H

#include "jetstream/push.h"
#include "options/options.h"

/* Opens one to the messages of a checked subject (empty: all of the stream, or of what the consumer has) by
 * options of scope PUSH (NULL: defaults). NKI_INVALID names the option; else as nki_push_open. */
int32_t nki_js_push(struct nki_js *js, struct nki_str subject, const struct nki_options *options,
                    int64_t deadline_ns, struct nki_sub **sub, struct nki_op **op, struct nki_error *err);

#endif
