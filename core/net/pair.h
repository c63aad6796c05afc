/* Two streams in memory that are each other's other end, without descriptors: for tests. One thread. */
#ifndef NKI_NET_PAIR_H
#define NKI_NET_PAIR_H

#include "net/stream.h"

/* Each direction holds at most `cap` bytes. false if there is no memory. */
bool nki_pair_new(size_t cap, struct nki_stream **a, struct nki_stream **b);

#endif
