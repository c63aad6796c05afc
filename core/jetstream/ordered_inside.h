/* An ordered consumer as its files see it: ordered.c, ordered_look.c. Under the engine lock. */
#ifndef NKI_JETSTREAM_ORDERED_INSIDE_H
#define NKI_JETSTREAM_ORDERED_INSIDE_H

#include "client/feed.h"
#include "client/ready.h"
#include "jetstream/flow.h"
#include "jetstream/initial.h"
#include "jetstream/ordered.h"

#define NAME_LEN (NKI_NUID_LEN + 1 + 20)

enum state {
    DOWN,     /* no transport */
    CREATING, /* the answer is waited for */
    LIVE,
    PAUSING /* the next try waits */
};

struct ordered {
    struct nki_feed feed;
    struct nki_js *js; /* a reference */
    enum state state;
    enum nki_deliver deliver;
    uint64_t start_seq;
    bool headers_only;
    bool marks_done;
    bool ends_done;
    struct nki_initial initial;
    bool caught; /* what there was has come, but for what was replaced meanwhile */
    bool looks;  /* the next consumer is made to look for that alone */
    bool initial_done;
    bool created;    /* once in its life */
    bool placed;     /* stream_seq is known */
    bool by_seq;     /* the present consumer begins behind stream_seq */
    bool by_time;    /* it begins behind stream_time_ns: stream_seq is of another stream */
    bool since_came; /* of that something has come: it goes on behind the last message */
    bool since;      /* it begins with what was stored since begin_ns, as far as that has not come */
    bool whole;      /* the stream\'s leader has all up to stream_seq: a server that has not lags behind */
    bool asking;     /* CREATING: what the stream is, first */
    bool tells;      /* it was answered once */
    bool unasked;    /* it is not asked: nobody has answered, this time, or ever on this connection */
    bool idle;       /* a heartbeat was the last that came of it */
    int64_t heartbeat_ns;
    struct nki_msg *(*map)(struct nki_msg *msg, uint32_t flags);
    uint32_t flags;
    const struct nki_ordered_sink *sink; /* or NULL */
    void *sink_context;

    uint64_t serial;
    bool used;               /* a consumer of this number was asked for */
    char name[NAME_LEN + 1]; /* of the present consumer */
    size_t name_len;
    uint64_t consumer_seq;      /* of the last message */
    uint64_t stream_seq;        /* up to which all has come */
    int64_t stream_time_ns;     /* when the latest of that was stored; at least the first consumer's begin */
    int64_t begin_ns;           /* when the first consumer was made; 0: not known */
    uint64_t begin_serial;      /* its number */
    unsigned failures;          /* in a row */
    unsigned missing;           /* of those: there is no such stream */
    unsigned unheard;           /* of those: nobody is there who answers */
    int64_t seen_ns;            /* the last sign of life */
    int64_t life_ns;            /* of what it delivers; 0: none */
    int64_t beat_ns;            /* of that, the last heartbeat; 0: none */
    struct nki_trouble trouble; /* for health: since the last sign of life */
    struct nki_flow flow;
    uint64_t resets;
    uint64_t stale_msgs;
    uint64_t rewinds;
    struct nki_ready ready;

    char subject[NKI_JS_INBOX_MAX]; /* "<inbox>.<serial>" */
    size_t subject_len;
    size_t base_len; /* of the inbox, with the dot behind it */
    char id[NKI_NUID_LEN];
    struct nki_buf stream;
    struct nki_buf filters; /* as JSON members of a configuration; empty: none */
    struct nki_buf filter;  /* the only one, which goes into the subject; empty: none */
    struct nki_buf start_time;
};

static inline struct ordered *of(struct nki_feed *feed)
{
    return NKI_CONTAINER_OF(feed, struct ordered, feed);
}

extern const struct nki_feed_ops nki_ordered_ops;
void nki_ordered_health(struct nki_feed *feed, int64_t now_ns, struct nki_health *out);

#endif
