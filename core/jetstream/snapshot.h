/* A snapshot of a stream, as the chunks in which a server sends it. A feed: see client/feed.h. */
#ifndef NKI_JETSTREAM_SNAPSHOT_H
#define NKI_JETSTREAM_SNAPSHOT_H

#include "client/feed.h"
#include "jetstream/context.h"
#include "json/doc.h"

/* Asks for one by the arguments of call stream.snapshot, whose deliver_subject is ours; one reference each of
 * the subscription that yields the chunks and of the call's operation. It ends with NKI_SENTINEL behind the
 * last chunk. Any thread. */
int32_t nki_js_snapshot(struct nki_js *js, struct nki_doc *args, const struct nki_js_begin *begin,
                        struct nki_sub **sub, struct nki_op **op, struct nki_error *err);

#endif
