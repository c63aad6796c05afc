/* Traces of messages (ADR-41): what servers tell of a message's way, put together. Pure. */
#ifndef NKI_JETSTREAM_TRACE_H
#define NKI_JETSTREAM_TRACE_H

#include "json/doc.h"

/* Makes {"missing": n, "trace": {...}} of a list of events, in any order: the event of the server that the
 * message was published to, in which each egress to another server has that one's event as `link`. `missing`
 * counts the servers whose event is not there. NKI_INVALID if it is no list of objects. */
int32_t nki_trace_tree(struct nki_doc *events, struct nki_doc *tree, struct nki_error *err);

#endif
