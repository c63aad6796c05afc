/* Mirrors and sources of streams of other domains: `domain` is short for what servers know, `external`. */
#ifndef NKI_JETSTREAM_SOURCE_H
#define NKI_JETSTREAM_SOURCE_H

#include "base/buf.h"
#include "base/status.h"
#include "json/doc.h"

/* Any thread. Whether the mirror or a source of a stream's configuration has a member `domain`. */
bool nki_js_names_domain(struct nki_doc *doc, struct nki_doc_node *config);

/* Any thread. Replaces these members in the text of a configuration; an empty one is left out. `call`: for
 * the errors. */
int32_t nki_js_place_sources(const char *call, struct nki_buf *config, struct nki_error *err);

#endif
