/* The last lines of the protocol that went over a connection, in both directions: a ring of so many lines as
 * option `trace_lines` says. What is kept are lines, without payloads and header blocks, cut at
 * NKI_TRACE_LINE_MAX bytes; of CONNECT it is what is no secret.
 *
 * Threads: any; the reader and the writer may come at once. With its own lock, below all others but those of
 * streams. */
#ifndef NKI_CLIENT_TRACE_H
#define NKI_CLIENT_TRACE_H

#include "base/buf.h"
#include "net/stream.h"

#define NKI_TRACE_LINE_MAX 256

struct nki_trace;

enum nki_trace_way { NKI_TRACE_IN, NKI_TRACE_OUT };

/* NULL without memory; its lines take about 300 bytes each, at once. */
struct nki_trace *nki_trace_new(size_t lines);
void nki_trace_free(struct nki_trace *trace);
/* Another transport, or a filter over it: lines begin anew. */
void nki_trace_restart(struct nki_trace *trace);
/* The first `len` bytes of these pieces went that way. */
void nki_trace_bytes(struct nki_trace *trace, enum nki_trace_way way, const struct iovec *iov, size_t len);
/* Appends the lines as a JSON array of objects with time_ns (wall clock), out and line, the oldest first.
 * False without memory. NULL: an empty one. */
bool nki_trace_json(struct nki_trace *trace, struct nki_buf *out);
/* Lines so far, with those that the ring has lost. */
uint64_t nki_trace_total(struct nki_trace *trace);

ptrdiff_t nki_trace_write_traced(struct nki_trace *trace, struct nki_stream *stream, const struct iovec *iov,
                                 int count);

/* Writes, and keeps the lines that went out; before an answer to them can be kept. */
static inline ptrdiff_t nki_trace_write(struct nki_trace *trace, struct nki_stream *stream,
                                        const struct iovec *iov, int count)
{
    return NKI_LIKELY(trace == NULL) ? nki_stream_write(stream, iov, count)
                                     : nki_trace_write_traced(trace, stream, iov, count);
}

#endif
