/* The mode of a fetch: one request, and the end once it is answered. It is made again for the rest if the
 * server has lost it. Under the engine lock. */
#include "jetstream/puller.h"

static void step(struct nki_puller *puller, int64_t now_ns)
{
    const struct nki_pull_params *params = &puller->params;
    if (puller->pulls.count > 0 || !nki_puller_may_ask(puller, now_ns)) {
        return;
    }
    int64_t left_ns = puller->deadline_ns - NKI_PULL_LATE_NS - now_ns;
    if (left_ns < NKI_NS_PER_MS) {
        nki_puller_end(puller, NKI_TIMEOUT, NULL);
        return;
    }
    uint64_t msgs = params->max_msgs > 0 ? params->max_msgs - puller->counts.msgs : NKI_PULL_BATCH_MAX;
    uint64_t bytes = params->max_bytes > 0 ? params->max_bytes - puller->counts.bytes : 0;
    nki_puller_ask(puller, msgs, bytes, params->no_wait ? 0 : left_ns, now_ns);
}

static void got(struct nki_puller *puller, uint64_t size)
{
    (void)size;
    const struct nki_pull_params *params = &puller->params;
    if ((params->max_msgs > 0 && puller->counts.msgs >= params->max_msgs) ||
        (params->max_bytes > 0 && puller->counts.bytes >= params->max_bytes)) {
        nki_puller_end(puller, NKI_MAX_REACHED, NULL);
    }
}

static void status(struct nki_puller *puller, const struct nki_pull_status *status,
                   const struct nki_pull *pull, int64_t now_ns)
{
    (void)pull;
    switch (status->word) {
    case NKI_SAYS_NOTHING:
        nki_puller_end(puller, NKI_NOT_FOUND, NULL);
        break;
    case NKI_SAYS_EXPIRED:
        nki_puller_end(puller, NKI_TIMEOUT, NULL);
        break;
    case NKI_SAYS_COMPLETE:
        nki_puller_end(puller, NKI_MAX_REACHED, NULL);
        break;
    case NKI_SAYS_FULL: /* of nothing: the next message alone is larger */
        nki_puller_end(puller, puller->counts.msgs > 0 ? NKI_MAX_REACHED : NKI_PULL_REFUSED, status);
        break;
    case NKI_SAYS_CROWDED:
    case NKI_SAYS_REFUSED:
        nki_puller_end(puller, NKI_PULL_REFUSED, status);
        break;
    case NKI_SAYS_LEVEL:
        nki_puller_end(puller, NKI_API_LEVEL, status);
        break;
    case NKI_SAYS_DELETED:
        nki_puller_end(puller, NKI_CONSUMER_DELETED, status);
        break;
    case NKI_SAYS_MOVED:
        nki_puller_forget(puller);
        nki_puller_pause(puller, now_ns);
        break;
    case NKI_SAYS_UNPINNED:
        nki_puller_unpin(puller, status);
        break;
    case NKI_SAYS_NOBODY:
        if (puller->params.bind) {
            nki_puller_end(puller, NKI_NO_RESPONDERS, NULL);
        } else {
            nki_puller_ask_info(puller, false, now_ns);
        }
        break;
    case NKI_SAYS_UNKNOWN:
    case NKI_SAYS_BEAT:
        break;
    }
}

/* There is a consumer but nobody answers for it: soon somebody will, perhaps. */
static void without_leader(struct nki_puller *puller, int64_t now_ns)
{
    if (puller->params.no_wait) {
        nki_puller_end(puller, NKI_NO_RESPONDERS, NULL);
    } else {
        nki_puller_pause(puller, now_ns);
    }
}

static void info(struct nki_puller *puller, enum nki_pull_info info, bool missed, int64_t now_ns)
{
    switch (info) {
    case NKI_INFO_NO_CONSUMER:
        nki_puller_end(puller, NKI_CONSUMER_NOT_FOUND, NULL);
        break;
    case NKI_INFO_NO_STREAM:
        nki_puller_end(puller, NKI_STREAM_NOT_FOUND, NULL);
        break;
    case NKI_INFO_NO_JETSTREAM:
        nki_puller_end(puller, NKI_JS_NOT_ENABLED, NULL);
        break;
    case NKI_INFO_TROUBLE:
        if (missed) {
            nki_puller_end(puller, NKI_HEARTBEATS_MISSED, NULL);
        } else {
            without_leader(puller, now_ns);
        }
        break;
    case NKI_INFO_THERE:
        if (!missed) {
            without_leader(puller, now_ns);
        } else if (puller->heard_ns <= puller->info_asked_ns) {
            nki_puller_forget(puller); /* the server has, too */
        }
        break;
    }
}

const struct nki_puller_mode nki_fetch_mode = {step, got, status, info};
