/* The bounded queue between the reader of a connection and the takers of one subscription. Small, since there
 * may be very many subscriptions.
 *
 * The reader stages messages without a lock (under the connection's engine lock) and hands over what one read
 * brought with nki_inlet_flush, under one lock. Takers are any threads. Over a limit the newest are dropped
 * and counted. */
#ifndef NKI_DELIVERY_INLET_H
#define NKI_DELIVERY_INLET_H

#include "delivery/msg.h"
#include "delivery/waitable.h"

struct nki_inlet_limits {
    uint64_t msgs; /* more than 2^32 - 1 count as that */
    uint64_t bytes;
};

struct nki_inlet_stats {
    uint64_t received;
    uint64_t taken;
    uint64_t pending_msgs;
    uint64_t pending_bytes;
    uint64_t high_msgs;
    uint64_t high_bytes;
    uint64_t dropped_msgs;
    uint64_t dropped_bytes;
    struct nki_inlet_limits limits;
    int32_t end_reason;
    int64_t since_ns; /* monotonic: when it ended, else when `slow` last changed, else when it was made */
    bool slow;
};

/* Without holes, and what takers use for each message apart from what the reader does. */
struct nki_inlet {
    struct nki_waitable wait;
    /* guarded by wait.mu */
    struct nki_msg *head;
    struct nki_msg *tail;
    uint64_t taken; /* what was received is that, what waits and what was dropped */
    uint64_t pending_bytes;
    uint32_t pending_msgs;
    uint32_t tell_after; /* messages to be taken before the engine is told; 0: it is not */
    /* What a taker has taken ahead of who will get it: for the engine it waits. */
    uint64_t ahead_bytes;
    uint32_t ahead_msgs;
    uint32_t holds : 29;       /* of those who handle messages that they have taken */
    uint32_t slow : 1;         /* in an episode of drops: ends when the queue was emptied to half */
    uint32_t watched : 1;      /* the queue has ended, and the engine waits until it is drained */
    uint32_t counts_ahead : 1; /* somebody asks how much waits */
    uint64_t limit_bytes;
    uint64_t high_bytes;
    uint64_t dropped_msgs;
    uint64_t dropped_bytes;
    int64_t since_ns; /* as in the stats; 0 at first in tests of the engine */
    uint32_t limit_msgs;
    uint32_t high_msgs;
    int32_t end_reason;

    /* the reader's, under the engine lock */
    uint32_t staged_msgs;
    struct nki_msg *staged_head;
    struct nki_msg *staged_tail;
    uint64_t staged_bytes;
};

/* 0 or an errno. */
int nki_inlet_init(struct nki_inlet *inlet, struct nki_inlet_limits limits);
/* Frees what is queued. */
void nki_inlet_destroy(struct nki_inlet *inlet);

/* The reader's: takes over the reference. */
static inline void nki_inlet_stage(struct nki_inlet *inlet, struct nki_msg *msg)
{
    msg->next = NULL;
    if (inlet->staged_tail != NULL) {
        inlet->staged_tail->next = msg;
    } else {
        inlet->staged_head = msg;
    }
    inlet->staged_tail = msg;
    inlet->staged_msgs++;
    inlet->staged_bytes += msg->slot_bytes;
}

struct nki_inlet_handed {
    bool episode;      /* a new episode of drops began */
    const void *woken; /* who slept until this: the waitable, or its waitset; NULL: nobody. To be compared */
};

/* The reader's: hands over what is staged, and ends the queue if `end_reason` is not 0. Returns the number of
 * messages dropped. */
uint64_t nki_inlet_flush(struct nki_inlet *inlet, int32_t end_reason, struct nki_inlet_handed *handed);

/* Messages that found no memory: counted as received and dropped. Returns whether an episode of drops began.
 */
bool nki_inlet_missed(struct nki_inlet *inlet, uint64_t msgs);
/* Ends the queue (first reason wins): takers get what is queued, then NKI_END. Any thread. */
void nki_inlet_end(struct nki_inlet *inlet, int32_t end_reason);
/* The handle was closed: what is queued is dropped, blocked takers get NKI_CLOSED. Any thread. */
void nki_inlet_close(struct nki_inlet *inlet);

/* Other limits for what comes from now on. */
void nki_inlet_limit(struct nki_inlet *inlet, struct nki_inlet_limits limits);
/* Takes what is there, at most `cap`; with wait.mu held. NKI_OK with *count > 0, NKI_WOULD_BLOCK if there is
 * nothing, NKI_END, NKI_CLOSED. */
int32_t nki_inlet_take_locked(struct nki_inlet *inlet, struct nki_msg **out, size_t cap, size_t *count);
/* Takers tell the engine once when so many more messages were taken; 0: not. */
void nki_inlet_tell_after(struct nki_inlet *inlet, uint32_t msgs);
/* The same once `ahead` and what waits have fallen to `least`, if they are more. Gives what waits now. */
uint64_t nki_inlet_tell_at(struct nki_inlet *inlet, uint64_t ahead, uint64_t least, uint64_t *bytes);
/* With wait.mu held, after `count` were taken: whether the engine is to be told. */
static inline bool nki_inlet_tells_locked(struct nki_inlet *inlet, size_t count)
{
    bool tells = inlet->tell_after != 0 && count >= inlet->tell_after;
    inlet->tell_after -= tells ? inlet->tell_after : inlet->tell_after != 0 ? (uint32_t)count : 0;
    return tells;
}
/* With wait.mu held. What was taken ahead was handed out: gives how many messages, which now count as taken.
 */
uint32_t nki_inlet_handed_locked(struct nki_inlet *inlet);
/* How many of `cap` a taker may take ahead: half of what waits, so that the rest bridges the time until more
 * has come. */
size_t nki_inlet_cap_ahead_locked(const struct nki_inlet *inlet, size_t cap);
/* Those, but the first, were taken ahead. Gives how many count as waiting. */
size_t nki_inlet_ahead_locked(struct nki_inlet *inlet, struct nki_msg *const *msgs, size_t count);
/* From now on takers tell the engine when it is drained. */
void nki_inlet_watch(struct nki_inlet *inlet);
/* One more, or one less, handles what was taken. False if there is none less. */
bool nki_inlet_hold(struct nki_inlet *inlet, bool on);
uint64_t nki_inlet_holds(struct nki_inlet *inlet);
/* Whether all was taken, and handled by those who hold it. */
bool nki_inlet_drained(struct nki_inlet *inlet);
static inline bool nki_inlet_drained_locked(const struct nki_inlet *inlet)
{
    return inlet->watched && inlet->head == NULL && inlet->holds == 0;
}

/* Whether a taker would not block; with wait.mu held. */
static inline bool nki_inlet_ready_locked(const struct nki_inlet *inlet)
{
    return inlet->head != NULL || inlet->end_reason != 0 || inlet->wait.closed;
}

void nki_inlet_stats_get(struct nki_inlet *inlet, struct nki_inlet_stats *out);

#endif
