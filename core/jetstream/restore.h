/* Restoring a stream of a snapshot, chunk by chunk: the call stream.restore tells where they go. */
#ifndef NKI_JETSTREAM_RESTORE_H
#define NKI_JETSTREAM_RESTORE_H

#include "jetstream/context.h"

/* Any thread. Sends a copy of one chunk to the subject that the call has told; empty: the end. The operation
 * finishes with the answer as its message, that to the end the stream's info; or with the error that the
 * server tells: then it takes no more. NKI_NO_RESPONDERS: it has given the restore up. */
int32_t nki_js_restore_chunk(struct nki_js *js, struct nki_str subject, struct nki_str chunk,
                             const struct nki_js_begin *begin, struct nki_op **op, struct nki_error *err);

#endif
