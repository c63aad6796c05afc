/* The NATS/1.0 header block: building with checks, reading in place. Pure. */
#ifndef NKI_WIRE_HEADER_H
#define NKI_WIRE_HEADER_H

#include "base/buf.h"
#include "base/status.h"

#define NKI_HEADER_BLOCK_MAX (64 * NKI_KIB)

/* The status line: its number (3 digits after "NATS/1.0 "), or 0 if there is none or it is not a number; and
 * the text behind it, trimmed. */
int32_t nki_header_status(struct nki_str block, struct nki_str *description);

/* Iterates over the headers in wire order: begin with *at = 0; false at the end. Names are exact; blanks
 * around a value are trimmed (ADR-4); a line that begins with a blank continues the value before it (folded:
 * given as it is, inner CRLF included); a line without a colon, or without a name before it, is passed over.
 * A block that does not begin with NATS/1.0 has no headers.
 */
bool nki_header_next(struct nki_str block, size_t *at, struct nki_str *name, struct nki_str *value);

/* CANONICAL: the name as MIME writes it (X-Request-Id for x-request-ID), compared exactly. */
enum nki_header_match { NKI_MATCH_EXACT, NKI_MATCH_IGNORE_CASE, NKI_MATCH_CANONICAL };
/* The index-th value of a name; false if there are fewer. */
bool nki_header_find(struct nki_str block, struct nki_str name, enum nki_header_match match, size_t index,
                     struct nki_str *value);

/* Appends one header to a block under construction (empty, or made by this function): the block is complete
 * after each call ("NATS/1.0 CRLF name: value CRLF CRLF"). NKI_INVALID names the fault, NKI_LIMIT over
 * NKI_HEADER_BLOCK_MAX, NKI_NO_MEMORY; the block is unchanged then. Values must be valid UTF-8. Leading or
 * trailing blanks of a value, which would not survive the trip, are refused too. */
int32_t nki_header_append(struct nki_buf *block, struct nki_str name, struct nki_str value,
                          struct nki_error *err);
/* In a block under construction: takes out what matches `name` (how many), and puts one in place of it, at
 * the end; with CANONICAL under the canonical name. Errors as above; the block is unchanged then. */
size_t nki_header_delete(struct nki_buf *block, struct nki_str name, enum nki_header_match match);
int32_t nki_header_set(struct nki_buf *block, struct nki_str name, enum nki_header_match match,
                       struct nki_str value, struct nki_error *err);
/* Appends the headers of a received block, without its status, in a form that may be sent: a folded value
 * becomes one line; values need not be UTF-8. Errors as nki_header_append. */
int32_t nki_header_append_all(struct nki_buf *block, struct nki_str received, struct nki_error *err);

#endif
