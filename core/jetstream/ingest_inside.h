/* The ingest between its files: ingest.c, the side of those who publish, and ingest_feed.c, the side of the
 * engine, which gets the answers.
 *
 * All frames go through the outbox, in the order of their numbers, under window.mu: so pings and the commit
 * stand behind the messages before them, also if those come only to the next connection. A number that the
 * stream has passed may not come again, for that ends the batch there; a ping may have a low one.
 *
 * Locks: the engine lock, then window.mu, then the outbox's or an inlet's mutex. */
#ifndef NKI_JETSTREAM_INGEST_INSIDE_H
#define NKI_JETSTREAM_INGEST_INSIDE_H

#include "base/buf.h"
#include "client/driver.h"
#include "client/feed.h"
#include "jetstream/ingest.h"

/* What a frame is, in its reply. */
enum nki_ingest_op {
    NKI_INGEST_START = '0',
    NKI_INGEST_APPEND = '1',
    NKI_INGEST_COMMIT = '3', /* without a message of its own */
    NKI_INGEST_PING = '4'
};

#define NKI_INGEST_REPLY_MAX (NKI_INBOX_MAX + 64)

struct nki_ingest {
    struct nki_feed feed;
    atomic_uint refs;

    /* constant */
    struct nki_js *js;   /* a reference; NULL in tests of the engine */
    struct nki_sub *sub; /* a reference */
    uint64_t max_outstanding;
    int64_t ack_wait_ns;
    bool fails; /* the first gap or refused message ends it */
    size_t prefix_len;
    size_t id_at; /* of the batch's id in the prefix */
    size_t id_len;
    char prefix[NKI_INGEST_REPLY_MAX]; /* of replies: "<inbox>.<flow>.<ok or fail>." */

    /* guarded by window.mu */
    struct nki_waitable window; /* ready: there is room, or it has ended */
    struct nki_buf subject;     /* of the first message: pings and the commit go there */
    uint64_t issued;
    uint64_t acked;
    uint64_t each;    /* messages between two acks; 0: it has not answered yet */
    int64_t asked_ns; /* since when an answer is due; 0: none is */
    bool committing;  /* nothing is published any more */
    bool commit_sent; /* to this connection */
    int32_t ended;    /* what publishing gives from now on; 0: it lives */
    int32_t reason;   /* what it has ended with; NKI_OK: the stream has acked the commit */
    bool done;        /* `ack` is there */
    struct nki_pub_ack ack;
    char ack_texts[3 * (NKI_PUB_ACK_NAME_MAX + 1)];
    struct nki_error error; /* the first failure, or why it has ended */
    int32_t outcome;        /* of a commit that comes to that */
    uint64_t refused;
    uint64_t lost;
    uint64_t pings;

    /* guarded by the engine lock */
    struct nki_list commit_ops; /* struct nki_op.engine_node, a reference each */
    struct nki_list room_ops;
    bool heard;    /* something since the last tick */
    bool nobody;   /* the last that was heard is that nobody listens */
    bool was_down; /* a connection was lost since it began */
};

/* ingest.c */

/* The ingest of a feed that is still to be subscribed, with the references of feed and caller; NULL if there
 * is no memory. `inbox`: the subject that its replies are below. */
struct nki_ingest *nki_ingest_new(const struct nki_options *options, struct nki_str inbox,
                                  const struct nki_feed_ops *ops);
/* With window.mu: appends a frame to the outbox. NKI_OK, or as nki_outbox_append_marked. */
int32_t nki_ingest_send(struct nki_ingest *ingest, enum nki_ingest_op op, uint64_t seq,
                        const struct nki_outgoing_msg *msg, bool *kick);
/* With window.mu: NKI_OK if a message may be published, NKI_WOULD_BLOCK, or what it has ended with. */
int32_t nki_ingest_may_publish(const struct nki_ingest *ingest);

/* ingest_feed.c */

extern const struct nki_feed_ops nki_ingest_feed_ops;

/* With the engine lock: sends the commit if it is time for it. */
void nki_ingest_see_to_commit(struct nki_ingest *ingest, int64_t now_ns);
/* With window.mu: the result of a commit, once it has ended. */
void nki_ingest_tell(struct nki_ingest *ingest, struct nki_slab *slab, struct nki_op *op);

#endif
