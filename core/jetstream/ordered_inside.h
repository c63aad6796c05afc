/* An ordered consumer between its files: ordered.c, what comes of it, ordered_create.c, how its consumers are
 * made and given up, and ordered_look.c, what is told of it. All under the engine lock. */
#ifndef NKI_JETSTREAM_ORDERED_INSIDE_H
#define NKI_JETSTREAM_ORDERED_INSIDE_H

#include "client/feed.h"
#include "client/ready.h"
#include "jetstream/flow.h"
#include "jetstream/initial.h"
#include "jetstream/ordered.h"

#define NKI_ORDERED_NAME_LEN (NKI_NUID_LEN + 1 + 20)

enum nki_ordered_state {
    NKI_ORDERED_DOWN,     /* no transport */
    NKI_ORDERED_CREATING, /* the answer is waited for */
    NKI_ORDERED_LIVE,
    NKI_ORDERED_PAUSING /* the next try waits */
};

struct nki_ordered {
    struct nki_feed feed;
    struct nki_js *js; /* a reference */
    enum nki_ordered_state state;
    enum nki_deliver deliver;
    uint64_t start_seq;
    bool headers_only;
    bool keeps;
    bool marks_done;
    bool ends_done;
    struct nki_initial initial;
    bool caught; /* what there was has come, but for what was replaced meanwhile */
    bool looks;  /* the next consumer is made to look for that alone */
    bool initial_done;
    bool created;    /* once in its life: its making was answered */
    bool there;      /* the same, or something has come of one whose answer was lost */
    bool placed;     /* stream_seq is known */
    bool by_seq;     /* the present consumer begins behind stream_seq */
    bool by_time;    /* it begins behind stream_time_ns: stream_seq is of another stream */
    bool since_came; /* of that something has come: it goes on behind the last message */
    bool since;      /* it begins with what was stored since begin_ns, as far as that has not come */
    bool whole;      /* the stream's leader has all up to stream_seq: a server that has not lags behind */
    bool asking;     /* while it creates one: what the stream is, first */
    bool tells;      /* it was answered once */
    bool unasked;    /* it is not asked: nobody has answered, this time, or ever on this connection */
    bool idle;       /* a heartbeat was the last that came of it */
    int64_t heartbeat_ns;
    struct nki_msg *(*map)(struct nki_msg *msg, uint32_t flags);
    uint32_t flags;
    const struct nki_ordered_sink *sink; /* or NULL */
    void *sink_context;

    uint64_t serial;
    bool used;                           /* a consumer of this number was asked for */
    char name[NKI_ORDERED_NAME_LEN + 1]; /* of the present consumer */
    size_t name_len;
    uint64_t consumer_seq;      /* of the last message */
    uint64_t stream_seq;        /* up to which all has come */
    struct nki_msg *kept;       /* one that came before what lies before it; a reference, or NULL */
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

static inline struct nki_ordered *nki_ordered_of_feed(struct nki_feed *feed)
{
    return NKI_CONTAINER_OF(feed, struct nki_ordered, feed);
}

/* The next serial number, with its names. */
void nki_ordered_next_number(struct nki_ordered *ordered);
/* To the next number, so that nothing comes any more of the consumer before. False if there is no memory;
 * then the one behind it is tried. */
bool nki_ordered_move(struct nki_ordered *ordered);
/* Asks for a consumer, or first what the stream is; pauses if that could not be sent. */
void nki_ordered_create(struct nki_ordered *ordered, int64_t now_ns);
/* What the stream is, is known or cannot be: now the consumer. */
void nki_ordered_create_asked(struct nki_ordered *ordered, int64_t now_ns);
/* Something is amiss with the present consumer: the next one follows, at once the first time. */
void nki_ordered_reset(struct nki_ordered *ordered, int64_t now_ns);
/* Until the next try, the longer the more have gone wrong in a row. */
void nki_ordered_pause(struct nki_ordered *ordered, int64_t now_ns);
/* Best effort: the server forgets an abandoned consumer by itself. */
void nki_ordered_send_delete(struct nki_ordered *ordered, uint64_t serial);

extern const struct nki_feed_ops nki_ordered_ops;
void nki_ordered_health(struct nki_feed *feed, int64_t now_ns, struct nki_health *out);

#endif
