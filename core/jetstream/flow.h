/* Flow control of a push consumer: the server waits until what it has sent was taken, and is told then. Under
 * the engine lock. */
#ifndef NKI_JETSTREAM_FLOW_H
#define NKI_JETSTREAM_FLOW_H

#include "client/feed.h"

struct nki_flow {
    struct nki_buf subject; /* that is to be answered once the queue is taken; empty: none */
};

void nki_flow_free(struct nki_flow *flow);
/* What was asked is void: another transport or consumer. */
static inline void nki_flow_forget(struct nki_flow *flow)
{
    flow->subject.len = 0;
}
/* The server asks on a subject, which is checked: it is answered at once if nothing waits in the queue, else
 * by nki_flow_taken. */
void nki_flow_ask(struct nki_flow *flow, struct nki_feed *feed, struct nki_str subject);
/* The queue is taken: the feed's `taken`. */
void nki_flow_taken(struct nki_flow *flow, struct nki_feed *feed);

#endif
