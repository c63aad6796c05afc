/* Feeds: see feed.h. */
#include "client/feed.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "client/driver.h"
#include "wire/emit.h"
#include "wire/subject.h"

void nki_feed_arm(struct nki_feed *feed, int64_t at_ns)
{
    struct nki_subs *subs = &feed->engine->subs;
    bool moved = nki_heap_put(&subs->timers, &feed->sub->collect->timer, at_ns);
    assert(moved); /* it is in from the begin to the end */
    (void)moved;
}

void nki_feed_finish(struct nki_feed *feed, int32_t reason, const struct nki_error *error)
{
    struct nki_engine *engine = feed->engine;
    struct nki_sub *sub = feed->sub;
    nki_sub_retain(sub);
    if (error != NULL && error->text[0] != '\0') {
        nki_subs_refused(sub, error, NKI_OUTCOME_REJECTED);
    }
    nki_engine_hand_over(engine); /* so that ending drops nothing unnoticed */
    nki_engine_end_sub(engine, sub, reason, true);
    nki_sub_release(sub);
}

bool nki_feed_append_frame(struct nki_buf *out, const struct nki_outgoing_msg *msg)
{
    size_t body_len = msg->header_block.len + msg->data.len;
    size_t before = out->len;
    if (!nki_buf_reserve(out, NKI_EMIT_PUB_MAX(msg->subject.len, msg->reply.len) + body_len + 2)) {
        return false;
    }
    uint8_t *begin = out->data + before;
    uint8_t *end = nki_emit_pub(begin, msg->subject, msg->reply, msg->header_block.len, body_len);
    nki_emit_mark_once(begin);
    out->len += (size_t)(end - begin);
    bool ok = nki_buf_append_str(out, msg->header_block) && nki_buf_append_str(out, msg->data) &&
              nki_buf_append(out, "\r\n", 2);
    out->len = ok ? out->len : before;
    return ok;
}

bool nki_feed_send(struct nki_feed *feed, const struct nki_outgoing_msg *msg)
{
    struct nki_engine *engine = feed->engine;
    struct nki_buf frame = {0};
    bool kick = false;
    bool ok = nki_feed_append_frame(&frame, msg);
    ok = ok && nki_outbox_control(&engine->outbox, frame.data, frame.len, &kick);
    engine->want |= kick ? NKI_WANT_KICK : 0;
    nki_buf_free(&frame);
    return ok;
}

bool nki_feed_move(struct nki_feed *feed, struct nki_str subject, struct nki_str queue)
{
    struct nki_engine *engine = feed->engine;
    struct nki_subs *subs = &engine->subs;
    struct nki_sub *sub = feed->sub;
    uint8_t lines[NKI_EMIT_UNSUB_MAX + NKI_EMIT_SUB_MAX(NKI_SUBJECT_MAX, NKI_SUBJECT_MAX)];
    assert(subject.len <= NKI_SUBJECT_MAX && queue.len <= NKI_SUBJECT_MAX && sub->queue_len == 0 &&
           sub->max == 0);
    if (sub->drain != NKI_DRAIN_NONE) {
        return false; /* the server was told that it ends, and would not be told of another sid */
    }
    if (!nki_map_put(&subs->by_sid, subs->next_sid, sub)) {
        return false;
    }
    uint8_t *end = nki_emit_unsub(lines, sub->sid, 0);
    nki_map_remove(&subs->by_sid, sub->sid);
    subs->last = NULL;
    sub->sid = subs->next_sid++;
    feed->subject = subject;
    feed->queue = queue;
    end = nki_emit_sub(end, subject, queue, sub->sid);
    bool kick;
    bool ok = nki_outbox_control(&engine->outbox, lines, (size_t)(end - lines), &kick);
    engine->want |= kick ? NKI_WANT_KICK : 0;
    return ok;
}

static void tell_up(struct nki_feed *feed, int64_t now_ns)
{
    if (!feed->up) {
        feed->up = true;
        feed->ops->up(feed, now_ns);
    }
}

static void tell_down(struct nki_feed *feed, int64_t now_ns)
{
    if (feed->up) {
        feed->up = false;
        feed->ops->down(feed, now_ns);
    }
}

/* Each may end its own subscription meanwhile, and nothing else. */
static void tell_all(struct nki_engine *engine, void (*tell)(struct nki_feed *, int64_t), int64_t now_ns)
{
    struct nki_list *feeds = &engine->subs.feeds;
    for (struct nki_list *at = feeds->next, *next; at != feeds; at = next) {
        next = at->next;
        tell(NKI_CONTAINER_OF(at, struct nki_feed, node), now_ns);
    }
}

void nki_feed_replace(struct nki_feed *feed, struct nki_feed *next, int64_t now_ns)
{
    struct nki_engine *engine = feed->engine;
    struct nki_sub *sub = feed->sub;
    bool up = feed->up;
    nki_feed_arm(feed, NKI_NEVER);
    nki_list_remove(&feed->node);
    nki_list_remove(&feed->unsettled);
    sub->collect->feed = next;
    nki_feed_attach(next, engine, sub);
    nki_list_append(&engine->subs.feeds, &next->node);
    feed->ops->end(feed, NKI_OK);
    if (up) {
        tell_up(next, now_ns);
    }
}

void nki_engine_feeds_up(struct nki_engine *engine, int64_t now_ns)
{
    tell_all(engine, tell_up, now_ns);
    nki_engine_hand_over(engine);
}

void nki_engine_feeds_again(struct nki_engine *engine, struct nki_buf *frames)
{
    struct nki_list *feeds = &engine->subs.feeds;
    for (struct nki_list *at = feeds->next; at != feeds; at = at->next) {
        struct nki_feed *feed = NKI_CONTAINER_OF(at, struct nki_feed, node);
        if (feed->ops->again != NULL) {
            feed->ops->again(feed, frames);
        }
    }
}

void nki_engine_feeds_down(struct nki_engine *engine, int64_t now_ns)
{
    tell_all(engine, tell_down, now_ns);
    nki_engine_hand_over(engine);
}

static void tell_drain(struct nki_feed *feed, int64_t now_ns)
{
    if (feed->ops->drain != NULL) {
        feed->ops->drain(feed, now_ns);
    }
}

void nki_engine_feeds_drain(struct nki_engine *engine, int64_t now_ns)
{
    tell_all(engine, tell_drain, now_ns);
}

void nki_engine_feeds_settle(struct nki_engine *engine)
{
    struct nki_list *unsettled = &engine->subs.unsettled;
    while (NKI_UNLIKELY(!nki_list_empty(unsettled))) {
        struct nki_feed *feed = NKI_CONTAINER_OF(unsettled->next, struct nki_feed, unsettled);
        nki_list_remove(&feed->unsettled);
        feed->ops->settle(feed);
    }
}

void nki_engine_feed_begin(struct nki_engine *engine, struct nki_feed *feed, int64_t now_ns)
{
    const struct nki_sub *sub = feed->sub; /* the caller has a reference */
    if (feed->ops->begin != NULL) {
        feed->ops->begin(feed, now_ns);
    }
    if (engine->state == NKI_ENGINE_CONNECTED && sub->live) {
        tell_up(feed, now_ns);
    }
}

void nki_engine_feeds_denied(struct nki_engine *engine, struct nki_str subject, const struct nki_error *error)
{
    uint64_t asked = nki_str_hash(subject);
    struct nki_list *feeds = &engine->subs.feeds;
    for (struct nki_list *at = feeds->next, *next; at != feeds; at = next) {
        struct nki_feed *feed = NKI_CONTAINER_OF(at, struct nki_feed, node);
        next = at->next;
        if (feed->ops->denied != NULL) {
            feed->ops->denied(feed, subject, error);
        } else if (feed->asked == asked) {
            nki_feed_finish(feed, NKI_PERMISSION, error);
        }
    }
}

bool nki_engine_feeds_unsent(struct nki_engine *engine, struct nki_str reply, const struct nki_error *error)
{
    struct nki_list *feeds = &engine->subs.feeds;
    for (struct nki_list *at = feeds->next; at != feeds; at = at->next) {
        struct nki_feed *feed = NKI_CONTAINER_OF(at, struct nki_feed, node);
        if (feed->ops->unsent != NULL && feed->ops->unsent(feed, reply, error)) {
            return true;
        }
    }
    return false;
}

/* Whether a drain of the connection waits for it as for a request. */
static bool waits_for(const struct nki_feed *feed)
{
    return feed->ops->drain != NULL;
}

static struct nki_sub *new_sub(struct nki_conn *conn, struct nki_engine *engine,
                               const struct nki_sub_params *params, struct nki_feed *feed)
{
    struct nki_sub *sub = nki_sub_new(params);
    bool waits = waits_for(feed);
    struct nki_collect collect = {.deadline_ns = NKI_NEVER, .feed = feed, .request = waits, .keep = waits};
    if (sub == NULL || !nki_sub_collect(sub, &collect)) {
        if (sub != NULL) {
            nki_sub_release(sub);
        }
        feed->ops->end(feed, NKI_NO_MEMORY);
        return NULL;
    }
    sub->conn = conn;
    if (conn != NULL) {
        nki_conn_retain(conn);
    }
    nki_feed_attach(feed, engine, sub);
    return sub;
}

int32_t nki_feed_subscribe(struct nki_feed *beside, const struct nki_sub_params *params,
                           struct nki_feed *feed, struct nki_sub **out)
{
    struct nki_engine *engine = beside->engine;
    struct nki_sub *sub = new_sub(beside->sub->conn, engine, params, feed);
    if (sub == NULL) {
        return NKI_NO_MEMORY;
    }
    int32_t status = nki_engine_subscribe(engine, sub);
    if (status != NKI_OK) {
        nki_sub_release(sub);
        return status;
    }
    nki_engine_feed_begin(engine, feed, nki_clock_now_ns());
    *out = sub;
    return NKI_OK;
}

/* -- any thread ------------------------------------------------------------------------------------------ */

int32_t nki_conn_subscribe_feed(struct nki_conn *conn, const struct nki_sub_params *params,
                                struct nki_feed *feed, struct nki_sub **out, struct nki_error *err)
{
    struct nki_sub *sub = new_sub(conn, &conn->engine, params, feed);
    if (sub == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    nki_conn_lock(conn);
    /* As a request it would be let in, and waited for. */
    bool refused = waits_for(feed) && conn->engine.draining && conn->engine.state != NKI_ENGINE_CLOSED;
    int32_t status = refused ? NKI_DRAINING : nki_engine_subscribe(&conn->engine, sub);
    if (status == NKI_OK) {
        nki_engine_feed_begin(&conn->engine, feed, nki_clock_now_ns());
    }
    bool right = nki_driver_settle(conn);
    nki_conn_unlock(conn);
    if (right) {
        nki_driver_transmit(conn);
    }
    if (status != NKI_OK) {
        nki_sub_release(sub);
        return nki_error_set(err, status, NULL);
    }
    *out = sub;
    return NKI_OK;
}

struct nki_feed *nki_sub_feed_lock(struct nki_sub *sub)
{
    nki_conn_lock(sub->conn);
    struct nki_feed *feed = sub->live && sub->collect != NULL ? sub->collect->feed : NULL;
    if (feed == NULL) {
        nki_conn_unlock(sub->conn);
    }
    return feed;
}

void nki_sub_feed_unlock(struct nki_sub *sub)
{
    struct nki_conn *conn = sub->conn;
    bool right = nki_driver_settle(conn);
    nki_conn_unlock(conn);
    if (right) {
        nki_driver_transmit(conn);
    }
}
