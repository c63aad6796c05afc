/* What is told of an ordered consumer, and waiting for it without taking: see ordered.h. Any thread, but for
 * the health, which is looked at under the engine lock. */
#include "jetstream/ordered_inside.h"

void nki_ordered_health(struct nki_feed *feed, int64_t now_ns, struct nki_health *out)
{
    const struct nki_ordered *ordered = nki_ordered_of_feed(feed);
    struct nki_trouble now = ordered->trouble;
    if (ordered->state == NKI_ORDERED_LIVE && now_ns - ordered->seen_ns >= 2 * ordered->heartbeat_ns) {
        nki_trouble_begin(&now, NKI_HEARTBEATS_MISSED, NKI_STR(""), ordered->seen_ns);
    }
    out->activity_ns = ordered->life_ns != 0 ? ordered->life_ns : NKI_NEVER;
    out->beat_ns = ordered->beat_ns != 0 ? ordered->beat_ns : NKI_NEVER;
    enum nki_health_state state = now.reason == NKI_HEARTBEATS_MISSED  ? NKI_HEALTH_SILENT
                                  : now.reason == NKI_STREAM_NOT_FOUND ? NKI_HEALTH_DOWN
                                  : now.reason != NKI_OK               ? NKI_HEALTH_DEGRADED
                                  : ordered->state == NKI_ORDERED_LIVE ? NKI_HEALTH_OK
                                                                       : NKI_HEALTH_STARTING;
    nki_health_of_trouble(out, state, &now,
                          nki_str_make((const char *)ordered->stream.data, ordered->stream.len), NKI_STR(""));
}

static struct nki_ready *ready_of(struct nki_feed *feed)
{
    return feed->ops == &nki_ordered_ops ? &nki_ordered_of_feed(feed)->ready : NULL;
}

int32_t nki_ordered_ready(struct nki_sub *sub, int64_t deadline_ns, struct nki_op **op, struct nki_error *err)
{
    return nki_ready_begin(sub, ready_of, deadline_ns, op, err);
}

int32_t nki_ordered_info_get(struct nki_sub *sub, struct nki_ordered_info *out)
{
    struct nki_feed *feed = nki_sub_feed_lock(sub);
    if (feed == NULL || feed->ops != &nki_ordered_ops) {
        if (feed != NULL) {
            nki_sub_feed_unlock(sub);
        }
        return NKI_CLOSED;
    }
    const struct nki_ordered *ordered = nki_ordered_of_feed(feed);
    *out = (struct nki_ordered_info){.resets = ordered->resets,
                                     .last_seq = ordered->stream_seq,
                                     .stale_msgs = ordered->stale_msgs,
                                     .rewinds = ordered->rewinds,
                                     .live = ordered->state == NKI_ORDERED_LIVE,
                                     .initial_done = ordered->initial_done};
    nki_sub_feed_unlock(sub);
    return NKI_OK;
}
