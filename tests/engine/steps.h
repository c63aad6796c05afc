/* Feeds and chains on the rig, begun as client/feed.c and client/conn.c begin them. */
#ifndef ENGINE_STEPS_H
#define ENGINE_STEPS_H

#include "rig.h"

#include "client/chain.h"
#include "client/feed.h"

/* Subscribes `params` for a feed, which is taken over in any case. One reference for the caller. */
int32_t steps_feed(struct rig *rig, const struct nki_sub_params *params, struct nki_feed *feed,
                   struct nki_sub **out);
/* Begins a chain, which is taken over in any case: its operation with one reference for the caller. */
int32_t steps_chain(struct rig *rig, struct nki_chain *chain, int64_t deadline_ns, struct nki_op **out);
/* The caller wants its result no more. */
void steps_cancel(struct rig *rig, struct nki_op *op);
/* Takes one message, and tells the engine as the taker of a subscription does; NULL if there is none. */
struct nki_msg *steps_take(struct rig *rig, struct nki_sub *sub);

/* Makes the n-th allocation from now on fail, for a sweep over all: false, and no fault, once the round
 * before had none to refuse. */
bool steps_refuse(long nth);
/* Whether it was refused. */
bool steps_refused(void);
void steps_refuse_no_more(void);

#endif
