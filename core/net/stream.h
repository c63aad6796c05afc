/* A stream of bytes to a server: the vtable that TCP, TLS over it (net/tls.h), WebSocket over either
 * (net/ws.h), and the in-memory pair implement. Streams stack: a filter owns the stream below it. Knows
 * bytes, not NATS.
 *
 * Threads: start, step and free are called under the connection's engine lock; read by the thread that has
 * the reading right, write by the one that has the transmit right, so both at once. shutdown may be called by
 * any of them. */
#ifndef NKI_NET_STREAM_H
#define NKI_NET_STREAM_H

#include "base/status.h"
#include "base/str.h"

#include <sys/uio.h>

struct nki_stream;

enum {
    NKI_STREAM_AGAIN = 0, /* nothing now; wait for the descriptor */
    NKI_STREAM_EOF = -1,  /* orderly end of the other side */
    NKI_STREAM_ERROR = -2 /* see nki_stream.sys_errno */
};

struct nki_stream_ops {
    /* Both return bytes > 0 or one of the values above; never block; EINTR is handled inside. What write did
     * not take is given to it again, unchanged: a filter may have passed it on in part. */
    ptrdiff_t (*read)(struct nki_stream *stream, const struct iovec *iov, int count);
    ptrdiff_t (*write)(struct nki_stream *stream, const struct iovec *iov, int count);
    /* Ends both directions at once, so that every poll on the descriptor returns; the descriptor stays open.
     */
    void (*shutdown)(struct nki_stream *stream);
    /* Closes and frees. */
    void (*free)(struct nki_stream *stream);
    /* Says more of the last NKI_STREAM_ERROR than sys_errno does; NULL: nothing does. */
    void (*explain)(struct nki_stream *stream, struct nki_error *err);
};

struct nki_stream {
    const struct nki_stream_ops *ops;
    int fd;                /* to be polled; -1 for none */
    _Atomic int sys_errno; /* of the last NKI_STREAM_ERROR; a reader and a writer may both set it */

    /* the reader's */
    bool buffered; /* bytes may wait in the stream itself: read again, whatever a poll of the descriptor says
                    */
    bool wants_write; /* reading goes on when the descriptor is writable */

    /* the writer's */
    bool begun; /* the stream holds the begin of what it has not accepted: it is to be given the same again */
};

static inline ptrdiff_t nki_stream_read(struct nki_stream *stream, const struct iovec *iov, int count)
{
    return stream->ops->read(stream, iov, count);
}

static inline ptrdiff_t nki_stream_write(struct nki_stream *stream, const struct iovec *iov, int count)
{
    return stream->ops->write(stream, iov, count);
}

static inline void nki_stream_shutdown(struct nki_stream *stream)
{
    stream->ops->shutdown(stream);
}

static inline void nki_stream_free(struct nki_stream *stream)
{
    if (stream != NULL) {
        stream->ops->free(stream);
    }
}

#endif
