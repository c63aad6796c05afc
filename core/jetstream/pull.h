/* What of the messages that a subscription has asked for is still to come. Pure.
 *
 * Several requests may be open at a time. A message does not say which one it came for, and the server serves
 * them in turn; so their sum is what is exact, and messages are put down to the oldest. What a status gives
 * back tells how much of its request had really come: the difference is put right with the others. One that
 * all seems to have come for is remembered for a while, since some of it may have come for others. */
#ifndef NKI_JETSTREAM_PULL_H
#define NKI_JETSTREAM_PULL_H

#include "base/defs.h"

#define NKI_PULLS_MAX 32u /* power of two; no more are made before one has ended */

struct nki_pull {
    uint64_t serial;
    int64_t sent_ns;
    int64_t late_ns; /* when it is given up without an answer */
    uint64_t asked_msgs;
    uint64_t asked_bytes; /* 0: any */
    uint64_t left_msgs;
    uint64_t left_bytes;
};

/* Starts as {0}. */
struct nki_pulls {
    struct nki_pull ring[NKI_PULLS_MAX];
    uint32_t head; /* the oldest */
    uint32_t count;
    struct nki_pull done[NKI_PULLS_MAX]; /* that all seems to have come for, the oldest first */
    uint32_t done_count;
    uint64_t msgs; /* in all */
    uint64_t bytes;
    uint64_t first; /* serials before it are forgotten */
    uint64_t next;  /* serial of the next one */
};

static inline struct nki_pull *nki_pulls_at(struct nki_pulls *pulls, uint32_t index)
{
    return &pulls->ring[(pulls->head + index) & (NKI_PULLS_MAX - 1)];
}

static inline bool nki_pulls_full(const struct nki_pulls *pulls)
{
    return pulls->count == NKI_PULLS_MAX;
}

/* There is room for one: gives its serial. */
uint64_t nki_pulls_open(struct nki_pulls *pulls, uint64_t msgs, uint64_t bytes, int64_t now_ns,
                        int64_t late_ns);
/* The open request of this serial, or NULL. */
struct nki_pull *nki_pulls_find(struct nki_pulls *pulls, uint64_t serial);
/* A message of `size` bytes is more than the oldest was left with, or the last of it. */
void nki_pulls_got_slow(struct nki_pulls *pulls, uint64_t size);
/* The request has ended, and gives back so much; without effect for one that is not known any more. */
void nki_pulls_give_back(struct nki_pulls *pulls, uint64_t serial, uint64_t msgs, uint64_t bytes);
/* The request has ended without saying what it gives back: all that is left of it. */
void nki_pulls_drop(struct nki_pulls *pulls, uint64_t serial);
/* None is open any more. */
void nki_pulls_reset(struct nki_pulls *pulls);
/* When the first of them is given up; NKI_NEVER. */
int64_t nki_pulls_late_ns(const struct nki_pulls *pulls);

/* A message has come, of so many bytes: subject, reply, headers and data. */
static inline void nki_pulls_got(struct nki_pulls *pulls, uint64_t size)
{
    struct nki_pull *oldest = nki_pulls_at(pulls, 0);
    if (NKI_UNLIKELY(pulls->count == 0 || oldest->left_msgs <= 1 ||
                     (oldest->asked_bytes > 0 && oldest->left_bytes <= size))) {
        nki_pulls_got_slow(pulls, size);
        return;
    }
    oldest->left_msgs--;
    pulls->msgs--;
    if (oldest->asked_bytes > 0) {
        oldest->left_bytes -= size;
        pulls->bytes -= size;
    }
}

#endif
