/* Reading by direct gets, by options. Any thread. */
#ifndef NKI_JETSTREAM_DIRECT_OPEN_H
#define NKI_JETSTREAM_DIRECT_OPEN_H

#include "jetstream/direct.h"
#include "options/options.h"

/* `stream`: checked; `options`: of scope GET_BATCH, or NULL. NKI_INVALID: what an option holds. */
int32_t nki_js_get_batch(struct nki_js *js, struct nki_str stream, const struct nki_options *options,
                         struct nki_sub **out, struct nki_error *err);
/* The same of scope GET_LAST. */
int32_t nki_js_get_last(struct nki_js *js, struct nki_str stream, const struct nki_options *options,
                        struct nki_sub **out, struct nki_error *err);

#endif
