/* The subscriptions of a connection: found by sid, replayed to every new transport. Everything here runs
 * under the connection's engine lock. */
#ifndef NKI_CLIENT_SUBS_H
#define NKI_CLIENT_SUBS_H

#include "base/buf.h"
#include "base/heap.h"
#include "base/map.h"
#include "client/conn.h"

struct nki_feed;

enum nki_drain {
    NKI_DRAIN_NONE,
    NKI_DRAIN_ASKED,  /* UNSUB is out, the PONG behind it is to come */
    NKI_DRAIN_TAKING, /* nothing more comes; what came is being taken */
    NKI_DRAIN_DONE
};

/* What a subscription waits for that is more than a queue: its first message, or the answer to a request.
 */
struct nki_collect {
    struct nki_heap_node timer;
    struct nki_list node; /* in the list of requests; else alone */
    struct nki_sub *sub;
    struct nki_op *op;     /* finished by the first message instead of queueing it: a reference, or NULL */
    struct nki_feed *feed; /* gets the messages instead of the queue (client/feed.h), or NULL */
    int64_t deadline_ns;   /* NKI_NEVER: none */
    int64_t stall_ns;      /* of a request: time for each further message; 0: no limit */
    uint64_t asked;        /* of a request: hash of the subject that it was published to */
    bool request;          /* else it waits for the first message alone */
    bool sentinel;         /* an empty message ends it */
    bool keep;             /* it outlives its transport */
};

struct nki_sub {
    atomic_uint refs;
    uint16_t subject_len;
    uint16_t queue_len;
    struct nki_inlet inlet;
    struct nki_conn
        *conn; /* a reference, held by whoever made it through conn.c; NULL in tests of the engine */
    struct nki_list node;    /* in the list of subscriptions to events, or of those that have ended */
    struct nki_list dirty;   /* in the list of those with staged messages; else alone */
    uint64_t sid;            /* 0: to events; another one once a feed was moved */
    uint64_t max;            /* messages after which it ends; 0: never */
    uint64_t arrived;        /* messages that have come for it */
    int64_t arrived_ns;      /* when the last message came; 0: none has, NKI_NEVER: not from the server */
    uint64_t arrived_before; /* of those, by earlier transports, whose server counts no more */
    bool live;               /* in the table, or in the list for events */
    bool debug;              /* to events: PING too */
    bool answers;            /* to events: gets the requests to the application */
    bool closed;             /* its handle was */
    bool tails;              /* of its messages; constant */
    bool left;     /* it never had one, or nobody takes from it: neither kept after its end nor drained */
    uint8_t drain; /* enum nki_drain; with a reference of its own from ASKED to DONE */
    struct nki_op *drain_op;     /* a reference, or NULL; points back */
    struct nki_collect *collect; /* NULL: a queue and nothing else */
    struct nki_error *end_error; /* what the server said when it ended it; NULL: nothing */
    char names[];                /* subject, queue */
};

struct nki_subs {
    struct nki_map by_sid;
    struct nki_sub *last; /* found last: messages come in runs; NULL: none, or it was removed */
    uint64_t next_sid;
    struct nki_list dirty;
    struct nki_list events;
    struct nki_list requests; /* struct nki_collect.node */
    size_t request_count;
    struct nki_list feeds;     /* struct nki_feed.node */
    struct nki_list unsettled; /* struct nki_feed.unsettled */
    struct nki_heap timers;    /* struct nki_collect.timer */
    struct nki_list ended;     /* whose handles may live on, a reference each: a drain waits for them, too.
                                  Events only if they are being drained */

    /* For who reads (lease.c): callers that sleep until somebody else has read for them. */
    _Atomic(const void *)
        asleep;           /* what the last of them waits for, a waitable or a waitset; to be compared */
    atomic_uint sleeps;   /* how often one began to sleep */
    const void *woken;    /* whom messages woke last; set to NULL by who wants to know */
    unsigned woken_after; /* `sleeps` before that */
};

static inline struct nki_str nki_sub_subject(const struct nki_sub *sub)
{
    return nki_str_make(sub->names, sub->subject_len);
}

/* The server knows of it: it is not to events, nor filled by others alone. */
static inline bool nki_sub_on_wire(const struct nki_sub *sub)
{
    return sub->subject_len > 0;
}

/* The subject that the server is told: another one once a feed was moved. */
struct nki_str nki_sub_wire_subject(const struct nki_sub *sub);

static inline struct nki_str nki_sub_queue(const struct nki_sub *sub)
{
    return nki_str_make(sub->names + sub->subject_len, sub->queue_len);
}
struct nki_str nki_sub_wire_queue(const struct nki_sub *sub);

void nki_subs_init(struct nki_subs *subs);
/* Every subscription was ended before. */
void nki_subs_free(struct nki_subs *subs);

/* One reference for the caller; not in the table yet. NULL if there is no memory. */
struct nki_sub *nki_sub_new(const struct nki_sub_params *params);
/* Makes it wait for more, before it is added; takes over the reference of `collect.op`. False if there is no
 * memory. */
bool nki_sub_collect(struct nki_sub *sub, const struct nki_collect *collect)
    __attribute__((warn_unused_result));
static inline bool nki_sub_is_request(const struct nki_sub *sub)
{
    return sub->collect != NULL && sub->collect->request;
}
/* Takes a reference of its own and gives the sid; false if there is no memory. */
bool nki_subs_add(struct nki_subs *subs, struct nki_sub *sub) __attribute__((warn_unused_result));
void nki_subs_add_events(struct nki_subs *subs, struct nki_sub *sub);
/* Out of the table, to those that have ended; a subscription to events is out of its list, and its reference
 * dropped. Harmless if it is not in. What is staged is handed over. */
void nki_subs_remove(struct nki_subs *subs, struct nki_sub *sub, int32_t end_reason);
/* It is about to end for this reason: the words are kept if there is memory for them, and the operation that
 * waits for a reply finishes, with this outcome. */
void nki_subs_refused(struct nki_sub *sub, const struct nki_error *error, int32_t outcome);
/* Nobody will take from it any more: out of those that have ended. Harmless if it is not among them. */
void nki_subs_forget(struct nki_sub *sub);
/* The subscription to events that gets the requests to the application, or NULL. */
struct nki_sub *nki_subs_answering(struct nki_subs *subs);
/* Appends the SUB (and UNSUB with what remains of `max`) of every subscription; false if there is no memory.
 */
bool nki_subs_replay(struct nki_subs *subs, struct nki_buf *out) __attribute__((warn_unused_result));

/* NULL if there is none with this sid. */
static inline struct nki_sub *nki_subs_get(struct nki_subs *subs, uint64_t sid)
{
    if (subs->last == NULL || subs->last->sid != sid) {
        subs->last = nki_map_get(&subs->by_sid, sid);
    }
    return subs->last;
}

/* Something of it is to be handed over. */
static inline void nki_subs_touch(struct nki_subs *subs, struct nki_sub *sub)
{
    if (nki_list_empty(&sub->dirty)) {
        nki_list_append(&subs->dirty, &sub->dirty);
    }
}

/* Stages a message: takes over its reference. */
static inline void nki_subs_stage(struct nki_subs *subs, struct nki_sub *sub, struct nki_msg *msg)
{
    nki_inlet_stage(&sub->inlet, msg);
    nki_subs_touch(subs, sub);
}

#endif
