/* An ordered consumer: the messages of a stream in its order, none twice and none left out, whatever happens
 * to the connection, the server or the consumer there. It is a push consumer with flow control that is made
 * anew, behind the last message, whenever something is amiss. A feed: see client/feed.h. */
#ifndef NKI_JETSTREAM_ORDERED_H
#define NKI_JETSTREAM_ORDERED_H

#include "client/feed.h"
#include "jetstream/context.h"
#include "jetstream/initial.h"

enum nki_deliver {
    NKI_DELIVER_ALL,
    NKI_DELIVER_NEW,
    NKI_DELIVER_LAST,
    NKI_DELIVER_LAST_PER_SUBJECT,
    NKI_DELIVER_FROM_SEQ,
    NKI_DELIVER_FROM_TIME
};

/* Who gets the messages in place of the queue: under the engine lock, and not to wait. */
struct nki_ordered_sink {
    /* Takes over the reference. NKI_OK, or what the subscription ends with. */
    int32_t (*message)(void *context, struct nki_msg *msg);
    /* The stream was found to be another one, or to have lost its end: what has come may not be there any
     * more. NULL: not wanted. */
    void (*rewound)(void *context);
    /* What there was at the begin has come: the last moment at which something may be staged if it ends then.
     * NKI_OK, or what the subscription ends with. */
    int32_t (*done)(void *context, struct nki_feed *feed);
    /* Nothing is called after it, also if it was never begun. */
    void (*end)(void *context, struct nki_engine *engine, int32_t reason, const struct nki_error *error);
};

struct nki_ordered_params {
    struct nki_str stream;         /* checked */
    const struct nki_str *filters; /* checked; none: all subjects */
    size_t filter_count;
    enum nki_deliver deliver;
    uint64_t start_seq;        /* FROM_SEQ */
    struct nki_str start_time; /* FROM_TIME: RFC 3339 */
    bool headers_only;
    bool marks_done; /* a status message in the queue says that what there was at the begin has come */
    bool ends_done;  /* it ends then, with NKI_MAX_REACHED */
    /* When what there was at the begin has come. EXACT: it may end with NKI_SNAPSHOT_CHANGED. */
    enum nki_initial_need need;
    bool keeps;  /* a message stays in the stream though it was delivered: nothing is lost by asking again */
    bool mirror; /* of another stream, whose times its messages have */
    bool maybe_mirror; /* that is not known */
    int64_t heartbeat_ms;
    /* What becomes of a message on its way to the queue, or NULL: the message, or another in its place, or
     * NULL if nothing is to be staged; the reference is taken over. */
    struct nki_msg *(*map)(struct nki_msg *msg, uint32_t flags);
    uint32_t flags;
    const struct nki_ordered_sink *sink; /* gets what `map` gives; NULL: the queue does */
    void *sink_context;
};

/* One reference of the subscription for the caller. What is wrong with the stream or the request is its end's
 * reason.
 */
int32_t nki_ordered_open(struct nki_js *js, const struct nki_ordered_params *params, struct nki_sub **out,
                         struct nki_error *err);

/* The same as a feed that takes over another's subscription (nki_feed_replace), under the engine lock. NULL
 * if there is no memory; the sink was told the end then. */
struct nki_feed *nki_ordered_make(struct nki_js *js, struct nki_engine *engine,
                                  const struct nki_ordered_params *params);

/* An operation that finishes when the queue has something, or the subscription has ended; it may have been
 * taken by others meanwhile. NKI_INVALID: it is no ordered consumer's. */
int32_t nki_ordered_ready(struct nki_sub *sub, int64_t deadline_ns, struct nki_op **op,
                          struct nki_error *err);

struct nki_ordered_info {
    uint64_t resets;     /* consumers that were made after the first, but those that are made only to look for
                            what was replaced meanwhile, or to read from where it began */
    uint64_t last_seq;   /* sequence in the stream up to which all has come */
    uint64_t stale_msgs; /* of consumers before the present one, and repeated ones: passed over */
    uint64_t rewinds;    /* the stream was found to end before that: another of its name, or after a loss */
    bool live;           /* there is a consumer, as far as is known */
    bool initial_done;
};
/* NKI_CLOSED if the subscription has ended. */
int32_t nki_ordered_info_get(struct nki_sub *sub, struct nki_ordered_info *out);

#endif
