/* Contexts of the NATS command line (ADR-21): files with the settings of a connection. */
#ifndef NKI_OPTIONS_CONTEXT_H
#define NKI_OPTIONS_CONTEXT_H

#include "base/file.h"
#include "options/options.h"

#define NKI_CONTEXT_TEXT_MAX ((size_t)64 * NKI_KIB)
#define NKI_CONTEXT_NAME_MAX ((size_t)255)

/* Reads the file of a context; an empty name means the selected one, whose name is found in a file of its
 * own. Waits for the file system. NKI_INVALID (the name), NKI_NOT_FOUND, NKI_SYSTEM, NKI_LIMIT,
 * NKI_NO_MEMORY. */
int32_t nki_context_read(struct nki_str name, struct nki_file *out, struct nki_error *err);

/* Sets options of scope CONNECT from the text of a context. NKI_INVALID (no JSON, a value that an option does
 * not take, a variable that is not set, a setting that cannot be followed), NKI_NO_MEMORY; then no option has
 * changed. */
int32_t nki_context_apply(struct nki_str text, struct nki_options *options, struct nki_error *err);

#endif
