/* The publisher between its files: publisher.c, the side of those who publish, and publisher_acks.c, the side
 * of the engine, which gets the answers.
 *
 * The window is a ring of slots, a message's place in it being its id. Who publishes fills the slots behind
 * `issued`, under window.mu; `issued` moves on with the outbox's mutex held, before anything of a message can
 * be sent. From then on a slot is the engine's, until its message has an outcome and `oldest` has passed it.
 * So neither side waits for the other one but for room.
 *
 * Locks: the engine lock, then window.mu, then the outbox's or an inlet's mutex. */
#ifndef NKI_JETSTREAM_PUBLISHER_INSIDE_H
#define NKI_JETSTREAM_PUBLISHER_INSIDE_H

#include "client/driver.h"
#include "client/feed.h"
#include "jetstream/publisher.h"

struct nki_publisher_slot {
    _Atomic uint64_t id; /* of its message; 0: it has its outcome, or there is none */
    int64_t at_ns;       /* when it was published */
    uint64_t mark;       /* number of its last frame among all of the outbox */
    int64_t retry_ns;    /* paused: when it is sent again */
    struct nki_list paused;
    char *bytes; /* subject, header block, data, reply */
    uint32_t cap;
    uint32_t subject_len;
    uint32_t header_len;
    uint32_t data_len;
    uint32_t reply_len;
    int32_t retries; /* left; -1: no limit */
    bool idempotent;
    bool waits_up; /* it is sent again as soon as there is a transport, and room */
    bool replayed; /* ... and stands among what that transport gets first */
    bool doubt;    /* an earlier frame may have come although nobody has confirmed it */
};

struct nki_publisher {
    struct nki_feed feed;
    atomic_uint refs;

    /* constant */
    struct nki_conn *conn; /* a reference; NULL in tests of the engine */
    struct nki_sub *sub;   /* a reference */
    uint64_t max_pending;
    uint64_t max_pending_bytes;
    uint64_t max_untaken;
    int64_t ack_wait_ns;
    int64_t retry_wait_ns;
    int32_t retries;
    bool failures_only;
    struct nki_publisher_slot *slots;
    uint64_t mask; /* number of slots - 1 */
    size_t prefix_len;
    char prefix[NKI_INBOX_MAX]; /* of replies */

    /* of those who publish: guarded by window.mu */
    char apart[64];             /* the sides on cache lines of their own */
    struct nki_waitable window; /* ready: there is room for `want` bytes, or it has ended */
    uint64_t issued_bytes;
    uint64_t taken; /* outcomes that were taken, when that was last looked at */
    uint64_t want;
    int32_t ended; /* what publishing gives from now on; 0: it lives */
    /* written with the outbox's mutex held, too */
    _Atomic uint64_t issued; /* the last id */

    /* of the engine, for those who publish: what they see of it */
    char apart_too[64];
    _Atomic uint64_t seen_done;
    _Atomic uint64_t seen_done_bytes;
    _Atomic uint64_t seen_queued;
    _Atomic uint64_t oldest; /* the first id without an outcome, or the next one */
    atomic_bool armed;       /* the feed's timer is, early enough for what is pending */
    atomic_uint waiters;     /* for room, and `taken` is to be told of */

    /* of the engine: guarded by its lock */
    char apart_as_well[64];
    uint64_t done; /* messages with an outcome, */
    uint64_t done_bytes;
    uint64_t queued; /* of those, in the queue */
    uint64_t acked;
    uint64_t duplicates;
    uint64_t failed;
    uint64_t retried;
    uint64_t resent;
    uint64_t late;
    struct nki_list pauses;   /* struct nki_publisher_slot.paused, the first due first */
    struct nki_list done_ops; /* struct nki_op.engine_node, a reference each, in order of place */
    struct nki_list room_ops;
    uint64_t waits_up; /* messages that wait for a transport, or room */
    int64_t up_ns;     /* when it is looked for room for them again; NKI_NEVER */
    int64_t armed_ns;  /* the feed's timer */
    bool draining;     /* it ends when nothing is pending */
};

static inline struct nki_publisher_slot *nki_publisher_slot(const struct nki_publisher *publisher,
                                                            uint64_t id)
{
    return &publisher->slots[id & publisher->mask];
}

static inline uint64_t nki_publisher_slot_bytes(const struct nki_publisher_slot *slot)
{
    return (uint64_t)slot->subject_len + slot->header_len + slot->data_len;
}

/* publisher.c */

/* The publisher of a feed that is still to be subscribed, with the references of feed and caller; NULL if
 * there is no memory. `inbox`: the subject that its replies are below. */
struct nki_publisher *nki_publisher_new(const struct nki_options *options, struct nki_str inbox,
                                        const struct nki_feed_ops *ops);
/* With window.mu: publishes as many as there is room for. *full: it is the outbox that has none. */
int32_t nki_publisher_put(struct nki_publisher *publisher, const struct nki_outgoing_msg *msgs, size_t count,
                          int64_t now_ns, uint64_t *ids, size_t *done, bool *kick, bool *full);
/* With window.mu: whether a message of so many bytes may be published now, behind `ahead` others of
 * `ahead_bytes`. */
int32_t nki_publisher_room_for(struct nki_publisher *publisher, uint64_t bytes, uint64_t ahead,
                               uint64_t ahead_bytes);
/* With window.mu. */
bool nki_publisher_ready(struct nki_waitable *waitable);
/* What a slot's message is sent as. */
struct nki_outgoing_msg nki_publisher_frame(const struct nki_publisher_slot *slot);

/* publisher_acks.c */

extern const struct nki_feed_ops nki_publisher_feed_ops;

/* With the engine lock: the timer for what is pending. */
void nki_publisher_arm(struct nki_publisher *publisher);
/* With the engine lock: what was done is seen by those who publish, and told to those who wait. */
void nki_publisher_settle(struct nki_publisher *publisher);

#endif
