/* Blocking until something of a connection is ready, reading its socket meanwhile when nobody does. */
#ifndef NKI_CLIENT_WAIT_H
#define NKI_CLIENT_WAIT_H

#include "client/conn.h"

/* With waitable->mu held, before and after (not meanwhile): NKI_OK when `ready`, NKI_TIMEOUT at the deadline
 * (ns, monotonic; not 0). */
int32_t nki_wait_locked(struct nki_conn *conn, struct nki_waitable *waitable,
                        bool (*ready)(struct nki_waitable *), int64_t deadline_ns);

#endif
