/* Reading stored messages without a consumer, by direct gets of several messages (ADR-31): a run of a stream,
 * or the last message of each subject of a snapshot. It is asked for in pages; the next one when half of the
 * last was taken. What is lost with a connection is asked for again behind the last message. A feed: see
 * client/feed.h. */
#ifndef NKI_JETSTREAM_DIRECT_H
#define NKI_JETSTREAM_DIRECT_H

#include "client/feed.h"
#include "jetstream/context.h"

/* Another way to what an exact snapshot is to read, to be embedded: for what the server gives by no direct
 * get. */
struct nki_direct_other {
    /* Under the engine lock: the feed that takes over the subscription, or NULL if there is no memory. It has
     * ended itself then. */
    struct nki_feed *(*make)(struct nki_direct_other *other, struct nki_engine *engine);
    void (*free)(struct nki_direct_other *other);
};

struct nki_direct_params {
    struct nki_str stream; /* checked */

    /* A run: */
    uint64_t seq;                /* that it begins with; 0: the first there is */
    struct nki_str start_time;   /* RFC 3339; empty: not given. Not with `seq` */
    struct nki_str next_by_subj; /* checked; empty: all subjects */

    /* A snapshot; none: a run. What overlaps comes once. */
    const struct nki_str *subjects; /* checked */
    size_t subject_count;
    struct nki_str up_to_time; /* RFC 3339; empty: not given. Not with `up_to_seq` */

    uint64_t up_to_seq; /* what is stored behind it does not count; 0: not given */
    uint64_t max_msgs;  /* in all; 0: no limit */
    uint64_t max_bytes; /* in all, the last message may go beyond it; 0: no limit */
    uint64_t page_msgs; /* asked for at a time, at least 1 */
    uint64_t page_bytes;
    int64_t answer_ms; /* time for each message of an answer */
    bool exact;        /* of a snapshot: all is of one sequence, or it fails */
    /* Of an exact one, or NULL; taken over in any case. It is made in place of ending with NKI_NO_DIRECT,
     * NKI_NO_BATCH, NKI_JS_LIMIT or NKI_TOO_LARGE before anything has come. */
    struct nki_direct_other *other;

    /* What becomes of a message of kind NKI_MSG_STORED, under the engine lock: another one in its place, or
     * NULL with its reference given up. Anything but NKI_OK, with that given up, ends the subscription. */
    int32_t (*map)(struct nki_msg **msg, uint32_t flags);
    uint32_t flags;
};

/* One reference of the subscription for the caller. It ends with NKI_MAX_REACHED once all has come, or with
 * NKI_NO_DIRECT, NKI_NO_BATCH, NKI_JS_LIMIT (more than 1024 subjects match one of `subjects`),
 * NKI_SNAPSHOT_CHANGED, NKI_TIMEOUT (no answer, several times), NKI_JS_REFUSED, NKI_API_LEVEL.
 *
 * A snapshot is what the stream held at one sequence. Within one page that is exact. What is replaced or
 * removed before its page was asked for cannot be read any more: it is missing, and the end says so with
 * NKI_SNAPSHOT_CHANGED where it can be told. That is not so for a subject of a list which had to be split
 * since more than 1024 messages matched it: who has to know asks for it alone. If the connection is lost
 * before the sequence of the snapshot is known, newer messages of subjects that have come may come, too. They
 * come in the stream's order, but for a list that was split.
 *
 * None of these three exceptions there are if it is `exact`: a list is not split, but ends with NKI_JS_LIMIT
 * or NKI_TOO_LARGE (a request that the server does not take), and nothing comes before the sequence of the
 * snapshot is known. What its first page did not hold may still be lost: NKI_SNAPSHOT_CHANGED. */
int32_t nki_direct_open(struct nki_js *js, const struct nki_direct_params *params, struct nki_sub **out,
                        struct nki_error *err);

#endif
