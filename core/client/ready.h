/* Operations that wait until the queue of a feed's subscription has something, for who must not block. The
 * feed embeds them, and tells them. */
#ifndef NKI_CLIENT_READY_H
#define NKI_CLIENT_READY_H

#include "client/feed.h"

struct nki_ready {
    struct nki_list ops; /* struct nki_op.engine_node, a reference each; guarded by the engine lock */
};

static inline void nki_ready_init(struct nki_ready *ready)
{
    nki_list_init(&ready->ops);
}

/* Engine: something was staged. The feed's `settle` has to call nki_ready_tell. */
static inline void nki_ready_staged(struct nki_ready *ready, struct nki_feed *feed)
{
    if (!nki_list_empty(&ready->ops)) {
        nki_feed_settle(feed);
    }
}

/* Engine: there is something in the queue, or nothing more will be. */
void nki_ready_tell(struct nki_ready *ready, struct nki_engine *engine);

/* Any thread, without locks: an operation that finishes when the queue of `sub` has something, or the
 * subscription has ended; what there was may have been taken by others meanwhile. `of`: what a feed embeds,
 * or NULL if it is another one's (NKI_INVALID). */
int32_t nki_ready_begin(struct nki_sub *sub, struct nki_ready *(*of)(struct nki_feed *feed),
                        int64_t deadline_ns, struct nki_op **op, struct nki_error *err);

#endif
