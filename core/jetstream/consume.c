/* The mode of a consume: what is asked for and what waits in the queue never exceed a limit; when they have
 * fallen to a threshold, the rest is asked for. Under the engine lock. */
#include "jetstream/puller.h"

static bool by_bytes(const struct nki_puller *puller)
{
    return puller->params.max_bytes > 0;
}

/* There is room for one more request. */
static bool may_open(struct nki_puller *puller)
{
    puller->held = nki_pulls_full(&puller->pulls); /* else it is tried again when one has ended */
    return !puller->held && puller->retry_ns == 0;
}

/* By messages. While it is asked others take on, so it is looked at again until the takers are to tell. */
static void step_msgs(struct nki_puller *puller, int64_t now_ns)
{
    const struct nki_pull_params *params = &puller->params;
    puller->retry_ns = 0;
    for (;;) {
        uint64_t ahead = puller->pulls.msgs;
        uint64_t bytes;
        uint64_t waiting = nki_inlet_tell_at(&puller->feed.sub->inlet, ahead, params->threshold, &bytes);
        if (ahead + waiting > params->threshold || !may_open(puller)) {
            return;
        }
        nki_puller_ask(puller, params->max_msgs - ahead - waiting, 0, params->expires_ns, now_ns);
    }
}

/* Takers count messages: as many of average size as make up `over` bytes. */
static uint64_t msgs_of(const struct nki_puller *puller, uint64_t over, uint64_t waiting, uint64_t bytes)
{
    uint64_t average = waiting > 0               ? bytes / waiting
                       : puller->counts.msgs > 0 ? puller->counts.bytes / puller->counts.msgs
                                                 : 0;
    uint64_t msgs = puller->need_bytes > 0 || average == 0 ? 1 : over / average;
    msgs = waiting > 0 && msgs > waiting ? waiting : msgs;
    return msgs < 1 ? 1 : msgs < UINT32_MAX ? msgs : UINT32_MAX;
}

/* By bytes: of messages that wait those that they take in memory, which are more. If the takers are to tell
 * too late, because those to come are larger, the end of the request tells. */
static void step_bytes(struct nki_puller *puller, int64_t now_ns)
{
    struct nki_inlet *inlet = &puller->feed.sub->inlet;
    const struct nki_pull_params *params = &puller->params;
    uint64_t bytes;
    puller->retry_ns = 0;
    for (;;) {
        uint64_t waiting = nki_inlet_tell_at(inlet, 0, 0, &bytes);
        uint64_t used = puller->pulls.bytes + bytes;
        uint64_t room = used < params->max_bytes ? params->max_bytes - used : 0;
        if (used <= params->threshold && room >= puller->need_bytes) {
            if (!may_open(puller)) {
                return;
            }
            nki_puller_ask(puller, NKI_PULL_BATCH_MAX, room, params->expires_ns, now_ns);
            continue;
        }
        uint64_t msgs =
            msgs_of(puller, used > params->threshold ? used - params->threshold : 1, waiting, bytes);
        if (waiting == 0) {
            nki_inlet_tell_after(inlet, (uint32_t)msgs);
            return;
        }
        if (nki_inlet_tell_at(inlet, 0, waiting - msgs, &bytes) > waiting - msgs) {
            return;
        }
    }
}

static void step(struct nki_puller *puller, int64_t now_ns)
{
    if (!nki_puller_may_ask(puller, now_ns)) {
        return;
    }
    if (puller->missing && !puller->params.bind) {
        nki_puller_ask_info(puller, false, now_ns);
    } else if (by_bytes(puller)) {
        step_bytes(puller, now_ns);
    } else {
        step_msgs(puller, now_ns);
    }
}

static void got(struct nki_puller *puller, uint64_t size)
{
    (void)size;
    puller->need_bytes = 0;
}

/* The next message needs more bytes than were left of the request. */
static void too_large(struct nki_puller *puller, const struct nki_pull_status *status,
                      const struct nki_pull *pull)
{
    if (status->bytes >= puller->params.max_bytes) {
        nki_puller_end(puller, NKI_PULL_REFUSED, status); /* and more than there ever are */
    } else if (pull->serial + 1 == puller->pulls.next) {
        puller->need_bytes = status->bytes + 1;
    }
}

static void missing(struct nki_puller *puller, enum nki_notice_type type, int32_t reason,
                    const struct nki_pull_status *status, int64_t now_ns)
{
    if (!puller->missing) {
        nki_puller_trouble(puller, type, 1, status, now_ns);
    }
    puller->missing = true;
    nki_puller_forget(puller);
    nki_puller_pause(puller, now_ns);
    if (puller->params.abort) {
        nki_puller_end(puller, reason, status);
    }
}

static void status(struct nki_puller *puller, const struct nki_pull_status *status,
                   const struct nki_pull *pull, int64_t now_ns)
{
    switch (status->word) {
    case NKI_SAYS_FULL:
        too_large(puller, status, pull);
        break;
    case NKI_SAYS_MOVED:
        nki_puller_forget(puller); /* one status came for all requests of an inbox */
        nki_puller_pause(puller, now_ns);
        nki_puller_trouble(puller, NKI_NOTICE_LEADERSHIP, puller->failures, status, now_ns);
        break;
    case NKI_SAYS_CROWDED:
        nki_puller_pause(puller, now_ns);
        nki_puller_trouble(puller, NKI_NOTICE_EXCEEDED, puller->failures, status, now_ns);
        break;
    case NKI_SAYS_REFUSED:
        nki_puller_end(puller, NKI_PULL_REFUSED, status);
        break;
    case NKI_SAYS_LEVEL:
        nki_puller_end(puller, NKI_API_LEVEL, status);
        break;
    case NKI_SAYS_DELETED:
        missing(puller, NKI_NOTICE_CONSUMER_DELETED, NKI_CONSUMER_DELETED, status, now_ns);
        break;
    case NKI_SAYS_UNPINNED:
        nki_puller_unpin(puller, status);
        break;
    case NKI_SAYS_NOBODY:
        if (puller->params.bind) {
            nki_puller_pause(puller, now_ns);
            nki_puller_trouble(puller, NKI_NOTICE_NO_RESPONDERS, puller->failures, status, now_ns);
        } else {
            nki_puller_ask_info(puller, false, now_ns);
        }
        break;
    case NKI_SAYS_NOTHING:
    case NKI_SAYS_EXPIRED:
    case NKI_SAYS_COMPLETE:
    case NKI_SAYS_UNKNOWN:
    case NKI_SAYS_BEAT:
        break;
    }
}

/* It exists. */
static void there(struct nki_puller *puller, bool missed, int64_t now_ns)
{
    if (puller->missing) {
        puller->missing = false;
        puller->retry_ns = 0;
    } else if (!missed) {
        nki_puller_pause(puller, now_ns); /* and nobody answers for it: it has no leader at the moment */
        nki_puller_trouble(puller, NKI_NOTICE_NO_RESPONDERS, puller->failures, NULL, now_ns);
    } else if (puller->heard_ns <= puller->info_asked_ns) {
        nki_puller_forget(puller); /* else it was late, not lost */
    }
}

static void info(struct nki_puller *puller, enum nki_pull_info info, bool missed, int64_t now_ns)
{
    switch (info) {
    case NKI_INFO_THERE:
        there(puller, missed, now_ns);
        break;
    case NKI_INFO_NO_CONSUMER:
        missing(puller, NKI_NOTICE_CONSUMER_NOT_FOUND, NKI_CONSUMER_NOT_FOUND, NULL, now_ns);
        break;
    case NKI_INFO_NO_STREAM:
        missing(puller, NKI_NOTICE_STREAM_NOT_FOUND, NKI_STREAM_NOT_FOUND, NULL, now_ns);
        break;
    case NKI_INFO_NO_JETSTREAM:
    case NKI_INFO_TROUBLE:
        if (missed) {
            nki_puller_forget(puller);
        }
        nki_puller_pause(puller, now_ns);
        nki_puller_trouble(puller, NKI_NOTICE_NO_RESPONDERS, puller->failures, NULL, now_ns);
        break;
    }
}

const struct nki_puller_mode nki_consume_mode = {step, got, status, info};
