/* What stands between the wire and the queue of a subscription that is more than a subject: a pull consumer,
 * a publisher that waits for acks. The engine calls it, under the engine lock; it stages what the application
 * is to get, sends what is needed, and lives as long as the subscription is in the table. */
#ifndef NKI_CLIENT_FEED_H
#define NKI_CLIENT_FEED_H

#include "client/engine.h"
#include "client/health.h"

struct nki_feed;

struct nki_feed_ops {
    /* It was subscribed, and again on a new transport: once for each, when frames may be sent. */
    void (*up)(struct nki_feed *feed, int64_t now_ns);
    /* Before `up`: appends frames of messages that an earlier transport was given, to be sent again before
     * what waits in the outbox, so that they keep their order (nki_feed_append_frame). NULL: there are none.
     */
    void (*again)(struct nki_feed *feed, struct nki_buf *frames);
    /* The transport is lost. */
    void (*down)(struct nki_feed *feed, int64_t now_ns);
    /* A message has come: takes over its reference. May end the subscription. */
    void (*message)(struct nki_feed *feed, struct nki_msg *msg, int64_t now_ns);
    /* The time of nki_feed_arm has come. */
    void (*tick)(struct nki_feed *feed, int64_t now_ns);
    /* As many messages were taken as nki_inlet_tell_after says. */
    void (*taken)(struct nki_feed *feed, int64_t now_ns);
    /* It was subscribed, with a transport or without one: the first that is called. NULL: not wanted. */
    void (*begin)(struct nki_feed *feed, int64_t now_ns);
    /* All that one read has brought was given to `message`: once after each that asked for it
     * (nki_feed_settle). May end the subscription. NULL: not wanted. */
    void (*settle)(struct nki_feed *feed);
    /* The server denies publishing to a subject. NULL: denied `asked` ends the subscription. */
    void (*denied)(struct nki_feed *feed, struct nki_str subject, const struct nki_error *error);
    /* A message with this reply subject, which waited in the outbox, is not sent, since the server takes none
     * like it. False: it is none of the feed's. NULL: it has none that wait. */
    bool (*unsent)(struct nki_feed *feed, struct nki_str reply, const struct nki_error *error);
    /* The connection is being drained, which waits until the feed has ended its subscription by itself, as
     * for a request. May do so at once. NULL: it is unsubscribed. */
    void (*drain)(struct nki_feed *feed, int64_t now_ns);
    /* Its subscription alone is being drained: appends what tells the server so of others that it gets
     * messages by, ahead of the PING. False if there is no memory. NULL: there are none. */
    bool (*leave)(struct nki_feed *feed, struct nki_buf *lines);
    /* With `drain`: whether an answer is to come for one of the first `accepted` messages of the outbox; a
     * move to another server waits for that. */
    bool (*waits)(const struct nki_feed *feed, uint64_t accepted);
    /* Whether what it is fed by works: `health` is that of the connection and the queue, and OK or DEGRADED.
     * NULL: that is all that is known. */
    void (*health)(struct nki_feed *feed, int64_t now_ns, struct nki_health *health);
    /* The subscription ends: the last thing that may be staged; nothing is called after it, and the feed is
     * the callee's to free. Also if it was never begun (then `sub` is not live). */
    void (*end)(struct nki_feed *feed, int32_t reason);
};

/* To be embedded; ops and asked are set by whoever makes it. */
struct nki_feed {
    const struct nki_feed_ops *ops;
    struct nki_engine *engine;
    struct nki_sub *sub;    /* which owns it */
    struct nki_list node;   /* in engine.subs.feeds */
    struct nki_str subject; /* that it is subscribed to, if it was moved: the callee's; else empty */
    struct nki_str queue;   /* the same of its queue group */
    uint64_t asked; /* hash of the subject that it asks on: it ends if the server denies that; 0: none */
    struct nki_list unsettled; /* in engine.subs.unsettled; else alone */
    bool up;                   /* it was told so */
};

/* Before its subscription is added. */
static inline void nki_feed_attach(struct nki_feed *feed, struct nki_engine *engine, struct nki_sub *sub)
{
    feed->engine = engine;
    feed->sub = sub;
    feed->subject = NKI_STR("");
    feed->queue = NKI_STR("");
    feed->up = false;
    nki_list_init(&feed->node);
    nki_list_init(&feed->unsettled);
}

/* Asks for `settle`. */
static inline void nki_feed_settle(struct nki_feed *feed)
{
    if (nki_list_empty(&feed->unsettled)) {
        nki_list_append(&feed->engine->subs.unsettled, &feed->unsettled);
    }
}

/* Calls `tick` at `at_ns` (NKI_NEVER: not at all), and not at any time asked for before. */
void nki_feed_arm(struct nki_feed *feed, int64_t at_ns);
/* Ends the subscription, with `error` (may be NULL) as the words for the reason. */
void nki_feed_finish(struct nki_feed *feed, int32_t reason, const struct nki_error *error);
/* Subscribes to another subject, with a queue group or an empty text (both have to live as long as it is),
 * instead, under another sid, so that nothing comes any more that was sent to the old one. False if there is
 * no memory, or it is being drained: then nothing comes at all until it is called again. */
bool nki_feed_move(struct nki_feed *feed, struct nki_str subject, struct nki_str queue);
/* Another feed takes over the subscription, under an inbox of its own that it moves to when it is told of the
 * transport: this one has ended. */
void nki_feed_replace(struct nki_feed *feed, struct nki_feed *next, int64_t now_ns);
/* Hands over to the application: takes over the reference. */
static inline void nki_feed_stage(struct nki_feed *feed, struct nki_msg *msg)
{
    nki_subs_stage(&feed->engine->subs, feed->sub, msg);
}
/* Publishes to this transport alone: what is not sent by its end is forgotten, and so it is without one.
 * False if there is no memory. */
bool nki_feed_send(struct nki_feed *feed, const struct nki_outgoing_msg *msg);

/* Appends the frame of a message that is of use to one transport alone. False if there is no memory, and
 * nothing was appended. */
bool nki_feed_append_frame(struct nki_buf *out, const struct nki_outgoing_msg *msg);

/* Another subscription on the connection of one, whose messages go to `feed`; otherwise as
 * nki_conn_subscribe_feed. */
int32_t nki_feed_subscribe(struct nki_feed *beside, const struct nki_sub_params *params,
                           struct nki_feed *feed, struct nki_sub **out);

/* Any thread, without locks: subscribes `params`, whose messages go to `feed`. The feed is taken over in any
 * case; one reference for the caller. */
int32_t nki_conn_subscribe_feed(struct nki_conn *conn, const struct nki_sub_params *params,
                                struct nki_feed *feed, struct nki_sub **out, struct nki_error *err);
/* Any thread: the engine lock of the subscription's connection, to work on its feed; NULL (and no lock) if it
 * has ended. What was sent meanwhile goes out with nki_sub_feed_unlock. */
struct nki_feed *nki_sub_feed_lock(struct nki_sub *sub);
void nki_sub_feed_unlock(struct nki_sub *sub);

/* Between the files of the engine. */

/* Its subscription is in the table. */
void nki_engine_feed_begin(struct nki_engine *engine, struct nki_feed *feed, int64_t now_ns);
/* The server denies publishing to a subject. */
void nki_engine_feeds_denied(struct nki_engine *engine, struct nki_str subject,
                             const struct nki_error *error);
/* A message is not sent: whether it was one of a feed's. */
bool nki_engine_feeds_unsent(struct nki_engine *engine, struct nki_str reply, const struct nki_error *error);
/* A transport is there, or lost. */
void nki_engine_feeds_up(struct nki_engine *engine, int64_t now_ns);
/* One is about to be there. */
void nki_engine_feeds_again(struct nki_engine *engine, struct nki_buf *frames);
void nki_engine_feeds_down(struct nki_engine *engine, int64_t now_ns);
/* Calls `settle` of those that have asked for it. */
void nki_engine_feeds_settle(struct nki_engine *engine);
/* The connection is being drained. */
void nki_engine_feeds_drain(struct nki_engine *engine, int64_t now_ns);

#endif
