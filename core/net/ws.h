/* WebSocket (RFC 6455) as a filter over another stream: TCP, or TLS over it. Threads as in stream.h; a mutex
 * inside keeps reader and writer apart. */
#ifndef NKI_NET_WS_H
#define NKI_NET_WS_H

#include "net/stream.h"
#include "net/ws_upgrade.h"

/* A stream over `below`, which it owns from now on, to be used once the upgrade is done. NULL with `err`
 * (NKI_NO_MEMORY); `below` is the caller's then. */
struct nki_stream *nki_ws_open(struct nki_stream *below, const struct nki_ws_request *request,
                               struct nki_error *err);
/* One step of the upgrade, by the reader: NKI_OK when it is done, NKI_PENDING (wait for the descriptor, see
 * stream.wants_write), NKI_WS_REFUSED, NKI_WEBSOCKET, NKI_DISCONNECTED, NKI_IO, or what the stream below
 * explains, with `err`. An error stays. */
int32_t nki_ws_upgrade(struct nki_stream *stream, struct nki_error *err);

#endif
