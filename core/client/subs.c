/* The table of subscriptions: see subs.h. */
#include "client/feed.h"

#include "base/alloc.h"
#include "wire/emit.h"
#include "wire/subject.h"

void nki_subs_init(struct nki_subs *subs)
{
    memset(subs, 0, sizeof *subs);
    subs->next_sid = 1;
    nki_list_init(&subs->dirty);
    nki_list_init(&subs->events);
    nki_list_init(&subs->requests);
    nki_list_init(&subs->feeds);
    nki_list_init(&subs->unsettled);
    nki_list_init(&subs->ended);
}

void nki_subs_free(struct nki_subs *subs)
{
    assert(subs->by_sid.len == 0 && nki_list_empty(&subs->dirty) && nki_list_empty(&subs->events) &&
           nki_list_empty(&subs->requests) && nki_list_empty(&subs->ended));
    nki_map_free(&subs->by_sid);
    nki_heap_free(&subs->timers);
}

struct nki_sub *nki_sub_new(const struct nki_sub_params *params)
{
    assert(params->subject.len <= NKI_SUBJECT_MAX && params->queue.len <= NKI_SUBJECT_MAX);
    struct nki_sub *sub = nki_alloc(sizeof *sub + params->subject.len + params->queue.len);
    if (sub == NULL) {
        return NULL;
    }
    memset(sub, 0, sizeof *sub);
    if (nki_inlet_init(&sub->inlet, params->limits) != 0) {
        nki_free(sub);
        return NULL;
    }
    atomic_init(&sub->refs, 1);
    nki_list_init(&sub->node);
    nki_list_init(&sub->dirty);
    sub->max = params->max;
    sub->tails = params->tails;
    sub->subject_len = (uint16_t)params->subject.len;
    sub->queue_len = (uint16_t)params->queue.len;
    memcpy(sub->names, params->subject.ptr, params->subject.len);
    if (params->queue.len > 0) {
        memcpy(sub->names + params->subject.len, params->queue.ptr, params->queue.len);
    }
    return sub;
}

struct nki_str nki_sub_wire_subject(const struct nki_sub *sub)
{
    const struct nki_feed *feed = sub->collect != NULL ? sub->collect->feed : NULL;
    return feed != NULL && feed->subject.len > 0 ? feed->subject : nki_sub_subject(sub);
}

struct nki_str nki_sub_wire_queue(const struct nki_sub *sub)
{
    const struct nki_feed *feed = sub->collect != NULL ? sub->collect->feed : NULL;
    return feed != NULL && feed->subject.len > 0 ? feed->queue : nki_sub_queue(sub);
}

bool nki_sub_collect(struct nki_sub *sub, const struct nki_collect *collect)
{
    struct nki_collect *copy = nki_alloc(sizeof *copy);
    if (copy == NULL) {
        return false;
    }
    *copy = *collect;
    copy->sub = sub;
    copy->timer.index = 0;
    nki_list_init(&copy->node);
    sub->collect = copy;
    return true;
}

static bool begin_collecting(struct nki_subs *subs, struct nki_collect *collect)
{
    if ((collect->deadline_ns != NKI_NEVER || collect->feed != NULL) &&
        !nki_heap_put(&subs->timers, &collect->timer, collect->deadline_ns)) {
        return false;
    }
    if (collect->request) {
        nki_list_append(&subs->requests, &collect->node);
        subs->request_count++;
    }
    if (collect->feed != NULL) {
        nki_list_append(&subs->feeds, &collect->feed->node);
    }
    return true;
}

/* The feed may stage its last messages. */
static void end_feed(struct nki_collect *collect, int32_t reason)
{
    struct nki_feed *feed = collect->feed;
    collect->feed = NULL;
    nki_list_remove(&feed->node);
    nki_list_remove(&feed->unsettled);
    feed->ops->end(feed, reason);
}

static void end_collecting(struct nki_subs *subs, struct nki_collect *collect, int32_t reason)
{
    nki_heap_remove(&subs->timers, &collect->timer);
    nki_list_remove(&collect->node);
    subs->request_count -= collect->request;
    collect->sub->collect = NULL;
    if (collect->op != NULL) {
        collect->op->own_sub = NULL;
        bool denied = reason == NKI_NO_RESPONDERS || reason == NKI_PERMISSION;
        /* Enough has come, and no reply: there was no memory for it. */
        int32_t status = reason == NKI_MAX_REACHED ? NKI_NO_MEMORY : reason;
        if (reason != NKI_UNSUBSCRIBED) { /* else the caller has taken it back, and finishes it or not */
            nki_op_finish(collect->op, status, denied ? NKI_OUTCOME_REJECTED : NKI_OUTCOME_UNKNOWN, NULL,
                          NULL);
        }
        nki_op_release(collect->op);
    }
    nki_free(collect);
}

bool nki_subs_add(struct nki_subs *subs, struct nki_sub *sub)
{
    if (!nki_map_put(&subs->by_sid, subs->next_sid, sub)) {
        return false;
    }
    if (sub->collect != NULL && !begin_collecting(subs, sub->collect)) {
        nki_map_remove(&subs->by_sid, subs->next_sid);
        return false;
    }
    sub->sid = subs->next_sid++;
    sub->live = true;
    nki_sub_retain(sub);
    return true;
}

void nki_subs_add_events(struct nki_subs *subs, struct nki_sub *sub)
{
    nki_list_append(&subs->events, &sub->node);
    sub->live = true;
    nki_sub_retain(sub);
}

void nki_subs_remove(struct nki_subs *subs, struct nki_sub *sub, int32_t end_reason)
{
    if (!sub->live) {
        return;
    }
    if (sub->collect != NULL && sub->collect->feed != NULL) {
        end_feed(sub->collect, end_reason);
    }
    sub->live = false;
    nki_list_remove(&sub->node);
    if (sub->sid != 0) {
        nki_map_remove(&subs->by_sid, sub->sid);
        subs->last = subs->last == sub ? NULL : subs->last;
    }
    if (!nki_list_empty(&sub->dirty)) {
        nki_list_remove(&sub->dirty);
        struct nki_inlet_handed handed;
        nki_inlet_flush(&sub->inlet, end_reason, &handed);
    } else {
        nki_inlet_end(&sub->inlet, end_reason);
    }
    if (sub->collect != NULL) {
        end_collecting(subs, sub->collect, end_reason);
    }
    if ((sub->sid != 0 || sub->drain != NKI_DRAIN_NONE) && !sub->left) {
        nki_list_append(&subs->ended, &sub->node);
    } else {
        nki_sub_release(sub);
    }
}

void nki_subs_refused(struct nki_sub *sub, const struct nki_error *error, int32_t outcome)
{
    struct nki_error *copy = sub->end_error == NULL ? nki_alloc(sizeof *copy) : NULL;
    if (copy != NULL) {
        *copy = *error;
        sub->end_error = copy;
    }
    if (sub->collect != NULL && sub->collect->op != NULL) {
        nki_op_finish(sub->collect->op, error->status, outcome, NULL, error);
    }
}

void nki_subs_forget(struct nki_sub *sub)
{
    if (sub->live || nki_list_empty(&sub->node)) {
        return;
    }
    nki_list_remove(&sub->node);
    nki_sub_release(sub);
}

struct nki_sub *nki_subs_answering(struct nki_subs *subs)
{
    for (struct nki_list *at = subs->events.next; at != &subs->events; at = at->next) {
        struct nki_sub *sub = NKI_CONTAINER_OF(at, struct nki_sub, node);
        if (sub->answers) {
            return sub;
        }
    }
    return NULL;
}

static bool replay_one(struct nki_sub *sub, struct nki_buf *out)
{
    if (!nki_sub_on_wire(sub)) {
        return true;
    }
    struct nki_str subject = nki_sub_wire_subject(sub);
    struct nki_str queue = nki_sub_wire_queue(sub);
    if (!nki_buf_reserve(out, NKI_EMIT_SUB_MAX(subject.len, queue.len) + NKI_EMIT_UNSUB_MAX)) {
        return false;
    }
    uint8_t *end = nki_emit_sub(out->data + out->len, subject, queue, sub->sid);
    sub->arrived_before = sub->arrived;
    if (sub->max > 0) {
        end = nki_emit_unsub(end, sub->sid, sub->max - sub->arrived);
    }
    out->len = (size_t)(end - out->data);
    return true;
}

bool nki_subs_replay(struct nki_subs *subs, struct nki_buf *out)
{
    size_t at = 0;
    struct nki_sub *sub;
    while ((sub = nki_map_next(&subs->by_sid, &at)) != NULL) {
        if (!replay_one(sub, out)) {
            return false;
        }
    }
    return true;
}
