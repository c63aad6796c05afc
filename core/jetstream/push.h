/* A subscription to a push consumer: it is found or made, its deliveries are taken, and it is looked after:
 * flow control, heartbeats, another transport, a consumer that has vanished. A feed: see client/feed.h. */
#ifndef NKI_JETSTREAM_PUSH_H
#define NKI_JETSTREAM_PUSH_H

#include "client/feed.h"
#include "jetstream/context.h"

enum nki_push_destroy { NKI_DESTROY_MADE, NKI_DESTROY_ALWAYS, NKI_DESTROY_NEVER };

struct nki_push_params {
    struct nki_str stream;          /* checked; empty: found by `subject` */
    struct nki_str subject;         /* checked */
    struct nki_str consumer;        /* checked; empty: a new one with a name of ours */
    struct nki_str deliver_subject; /* checked; empty: an inbox */
    struct nki_str deliver_group;   /* checked */
    struct nki_str wanted;          /* JSON object: what one that exists has to have */
    struct nki_str config; /* JSON object: of one that is made, without name, deliver_subject, begin */
    struct nki_str start;  /* JSON members: where one that is made begins; empty: with all */
    unsigned level;        /* of the API, for that */
    bool bind;             /* it has to exist */
    bool durable;          /* it is not made again when it has vanished */
    enum nki_push_destroy destroy;
    bool notices;
    uint64_t max_msgs;              /* 0: no limit */
    struct nki_inlet_limits limits; /* of the queue without flow control */
    int64_t deadline_ns;            /* for its begin */
};

/* One reference of the subscription for the caller, and one of an operation that finishes when the consumer
 * is there, with its info as message, or when it ends before. */
int32_t nki_push_open(struct nki_js *js, const struct nki_push_params *params, struct nki_sub **sub,
                      struct nki_op **op, struct nki_error *err);

struct nki_push_info {
    char stream[NKI_JS_NAME_MAX + 1];
    char consumer[NKI_JS_NAME_MAX + 1];
    uint64_t msgs;
    uint64_t beats;
    uint64_t flows;     /* requests of flow control */
    uint64_t missed;    /* times that two heartbeats were missed */
    uint64_t recreated; /* consumers that were made after the first */
    uint64_t lost;      /* messages that the server has sent and that have not come */
    uint64_t unknown;   /* what is no message of a consumer */
    bool live;          /* there is a consumer, as far as is known */
    bool made;          /* by this subscription */
};
/* NKI_CLOSED if it has ended or is another kind. */
int32_t nki_push_info_get(struct nki_sub *sub, struct nki_push_info *out);

#endif
