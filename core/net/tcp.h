/* TCP: connecting to one of several addresses, staggered (RFC 8305), and the stream over the winner. */
#ifndef NKI_NET_TCP_H
#define NKI_NET_TCP_H

#include "net/resolve.h"
#include "net/stream.h"

#define NKI_TCP_STAGGER_NS (250 * NKI_NS_PER_MS)

struct nki_tcp_dial; /* an attempt that runs; used under the connection's engine lock */

/* Begins with the first address. NULL with `err` if there is no memory. */
struct nki_tcp_dial *nki_tcp_dial_start(const struct nki_addrs *addrs, int64_t now_ns, struct nki_error *err);

/* Descriptors that become writable when something happened: at most NKI_ADDRS_MAX; returns their number. */
size_t nki_tcp_dial_fds(const struct nki_tcp_dial *dial, int *fds);
/* When nki_tcp_dial_step has to be called at the latest (the next address is due), or NKI_NEVER. */
int64_t nki_tcp_dial_deadline_ns(const struct nki_tcp_dial *dial);
/* Looks at the sockets, starts the next address when it is due or the one before it was refused. NKI_PENDING,
 * NKI_OK with
 * `*out` the stream of the first address that answered (TCP_NODELAY, keepalive off, close-on-exec,
 * non-blocking; the others are closed), or the last address's error (NKI_CONNECT_REFUSED, NKI_IO with
 * sys_errno). */
int32_t nki_tcp_dial_step(struct nki_tcp_dial *dial, int64_t now_ns, struct nki_stream **out,
                          struct nki_error *err);
/* Closes what is open. NULL allowed. */
void nki_tcp_dial_free(struct nki_tcp_dial *dial);

#endif
