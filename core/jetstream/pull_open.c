/* Fetching and consuming: see pull_open.h. Any thread. */
#include "jetstream/pull_open.h"

#include "base/clock.h"

#include <stdio.h>

#define DEFAULT_MSGS 100
#define INBOX_MAX 320
#define BEAT_DEFAULT_MS 5000 /* at most */
#define BEAT_LEAST_MS 500    /* of a consume */
#define BEATS_FROM_MS 10000  /* a fetch of less time is over before it could miss any */
#define NEXT_SLICE_MS 60000  /* of a wait without end */

/* Which options of the two scopes are alike. */
struct names {
    enum nki_scope scope;
    enum nki_option_id max_msgs, max_bytes, expires_ms, heartbeat_ms, bind, group, priority, min_pending,
        min_ack_pending;
};

#define NAMES(scope)                                                                                         \
    {                                                                                                        \
        NKI_SCOPE_##scope, NKI_OPT_##scope##_max_msgs, NKI_OPT_##scope##_max_bytes,                          \
            NKI_OPT_##scope##_expires_ms, NKI_OPT_##scope##_heartbeat_ms, NKI_OPT_##scope##_bind,            \
            NKI_OPT_##scope##_group, NKI_OPT_##scope##_priority, NKI_OPT_##scope##_min_pending,              \
            NKI_OPT_##scope##_min_ack_pending                                                                \
    }

static const struct names fetch_names = NAMES(FETCH);
static const struct names consume_names = NAMES(CONSUME);

static int64_t default_beat_ms(int64_t expires_ms, bool endless)
{
    int64_t beat_ms = expires_ms / 4 < BEAT_DEFAULT_MS ? expires_ms / 4 : BEAT_DEFAULT_MS;
    if (endless) {
        return beat_ms < BEAT_LEAST_MS ? BEAT_LEAST_MS : beat_ms;
    }
    return expires_ms < BEATS_FROM_MS ? 0 : beat_ms;
}

static int32_t read_times(struct nki_pull_params *params, const struct nki_options *options,
                          const struct names *names, struct nki_error *err)
{
    int64_t expires_ms = nki_options_int(options, names->expires_ms);
    int64_t beat_ms = nki_options_int(options, names->heartbeat_ms);
    if (beat_ms < 0) {
        beat_ms = default_beat_ms(expires_ms, params->endless);
    } else if (beat_ms * 2 > expires_ms) {
        return nki_error_set(err, NKI_INVALID,
                             "option heartbeat_ms: %lld is more than half of expires_ms, %lld",
                             (long long)beat_ms, (long long)expires_ms);
    }
    params->expires_ns = expires_ms * NKI_NS_PER_MS;
    params->beat_ns = beat_ms * NKI_NS_PER_MS;
    return NKI_OK;
}

static int32_t read_group(struct nki_pull_params *params, const struct nki_options *options,
                          const struct names *names, struct nki_error *err)
{
    params->group = nki_options_str(options, names->group);
    params->priority = (uint64_t)nki_options_int(options, names->priority);
    params->min_pending = (uint64_t)nki_options_int(options, names->min_pending);
    params->min_ack_pending = (uint64_t)nki_options_int(options, names->min_ack_pending);
    const char *fault = nki_pull_group_fault(params->group);
    if (fault != NULL) {
        return nki_error_set(err, NKI_INVALID, "option group: \"%.*s\" %s", (int)params->group.len,
                             params->group.ptr, fault);
    }
    const char *alone = params->priority > 0          ? "priority"
                        : params->min_pending > 0     ? "min_pending"
                        : params->min_ack_pending > 0 ? "min_ack_pending"
                        : params->pin.len > 0         ? "pin_id"
                                                      : NULL;
    if (params->group.len == 0 && alone != NULL) {
        return nki_error_set(err, NKI_INVALID, "option %s: it needs option group", alone);
    }
    fault = nki_puller_pin_fault(params->pin);
    return fault == NULL ? NKI_OK
                         : nki_error_set(err, NKI_INVALID, "option pin_id: \"%.*s\" %s", (int)params->pin.len,
                                         params->pin.ptr, fault);
}

/* Of a consume: below its limit, so that more is asked for at last. */
static int32_t read_threshold(struct nki_pull_params *params, const struct nki_options *options,
                              struct nki_error *err)
{
    bool bytes = params->max_bytes > 0;
    uint64_t max = bytes ? params->max_bytes : params->max_msgs;
    uint64_t threshold = (uint64_t)nki_options_int(options, bytes ? NKI_OPT_CONSUME_threshold_bytes
                                                                  : NKI_OPT_CONSUME_threshold_msgs);
    if (bytes && params->max_msgs > 0) {
        return nki_error_set(err, NKI_INVALID, "options max_msgs and max_bytes: only one may be given");
    }
    if (threshold >= max) {
        return nki_error_set(err, NKI_INVALID, "option threshold_%s: %llu is not below max_%s, %llu",
                             bytes ? "bytes" : "msgs", (unsigned long long)threshold,
                             bytes ? "bytes" : "msgs", (unsigned long long)max);
    }
    params->threshold = threshold > 0 ? threshold : max / 2;
    return NKI_OK;
}

static int32_t read_options(struct nki_pull_params *params, const struct nki_options *options,
                            struct nki_error *err)
{
    const struct names *names = params->endless ? &consume_names : &fetch_names;
    assert(nki_options_scope(options) == names->scope);
    params->max_msgs = (uint64_t)nki_options_int(options, names->max_msgs);
    params->max_bytes = (uint64_t)nki_options_int(options, names->max_bytes);
    params->bind = nki_options_bool(options, names->bind);
    if (params->max_msgs == 0 && params->max_bytes == 0) {
        params->max_msgs = DEFAULT_MSGS;
    }
    int32_t status = NKI_OK;
    if (params->endless) {
        params->abort = nki_options_bool(options, NKI_OPT_CONSUME_abort_on_missing);
        params->notices = nki_options_bool(options, NKI_OPT_CONSUME_status_events);
        status = read_threshold(params, options, err);
    } else {
        params->no_wait = nki_options_bool(options, NKI_OPT_FETCH_no_wait);
        params->pin = nki_options_str(options, NKI_OPT_FETCH_pin_id);
    }
    status = status == NKI_OK ? read_times(params, options, names, err) : status;
    return status == NKI_OK ? read_group(params, options, names, err) : status;
}

static int32_t open_sub(const struct nki_pull_target *target, const struct nki_pull_params *options,
                        struct nki_sub **out, struct nki_error *err)
{
    struct nki_pull_params params = *options;
    char subject[INBOX_MAX + 2];
    size_t len = nki_conn_new_inbox(target->js->conn, subject, INBOX_MAX);
    if (len > INBOX_MAX) {
        return nki_error_set(err, NKI_LIMIT, "option inbox_prefix: an inbox is longer than %d bytes",
                             INBOX_MAX);
    }
    params.api_prefix = nki_js_prefix(target->js);
    params.stream = target->stream;
    params.consumer = target->consumer;
    params.inbox = nki_str_make(subject, len);
    params.pins = !params.endless && params.group.len > 0 ? target->js->pins : NULL;
    struct nki_feed *feed = nki_puller_new(&params);
    if (feed == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    subject[len] = '.';
    subject[len + 1] = '*';
    /* What comes was asked for, so the queue has room for it: nothing may be dropped. */
    const struct nki_sub_params sub = {.subject = nki_str_make(subject, len + 2),
                                       .queue = NKI_STR(""),
                                       .limits = {UINT32_MAX, UINT64_MAX / 2}};
    return nki_conn_subscribe_feed(target->js->conn, &sub, feed, out, err);
}

static int32_t begin(const struct nki_pull_target *target, const struct nki_options *options, bool endless,
                     struct nki_sub **out, struct nki_error *err)
{
    struct nki_options *defaults =
        options == NULL ? nki_options_new(endless ? NKI_SCOPE_CONSUME : NKI_SCOPE_FETCH) : NULL;
    if (options == NULL && defaults == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    struct nki_pull_params params = {.endless = endless};
    int32_t status = read_options(&params, options != NULL ? options : defaults, err);
    if (status == NKI_OK) {
        status = open_sub(target, &params, out, err);
    }
    nki_options_free(defaults);
    return status;
}

int32_t nki_js_fetch(const struct nki_pull_target *target, const struct nki_options *options,
                     struct nki_sub **out, struct nki_error *err)
{
    return begin(target, options, false, out, err);
}

int32_t nki_js_consume(const struct nki_pull_target *target, const struct nki_options *options,
                       struct nki_sub **out, struct nki_error *err)
{
    return begin(target, options, true, out, err);
}

int32_t nki_pull_whom_read(struct nki_pull_whom *out, const struct nki_options *options,
                           struct nki_error *err)
{
    struct nki_pull_params *params = &out->params;
    *out = (struct nki_pull_whom){.params.max_msgs = 1};
    if (options == NULL) {
        return NKI_OK;
    }
    assert(nki_options_scope(options) == NKI_SCOPE_FETCH);
    params->bind = nki_options_bool(options, NKI_OPT_FETCH_bind);
    params->pin = nki_options_str(options, NKI_OPT_FETCH_pin_id);
    int32_t status = read_group(params, options, &fetch_names, err);
    if (status == NKI_OK) { /* their lengths were checked */
        out->group_len = params->group.len;
        out->pin_len = params->pin.len;
        memcpy(out->group, params->group.ptr, out->group_len);
        memcpy(out->pin, params->pin.ptr, out->pin_len);
    }
    params->group = NKI_STR("");
    params->pin = NKI_STR("");
    return status;
}

/* One fetch of one message. NKI_TIMEOUT: there was none. */
static int32_t next_once(const struct nki_pull_target *target, const struct nki_pull_whom *whom,
                         int64_t wait_ms, struct nki_msg **out, struct nki_error *err)
{
    struct nki_pull_params params = whom->params;
    params.group = nki_str_make(whom->group, whom->group_len);
    params.pin = nki_str_make(whom->pin, whom->pin_len);
    params.no_wait = wait_ms == 0;
    int64_t expires_ms = wait_ms == 0 ? target->js->timeout_ms : wait_ms;
    params.expires_ns = expires_ms * NKI_NS_PER_MS;
    params.beat_ns = wait_ms == 0 ? 0 : default_beat_ms(expires_ms, false) * NKI_NS_PER_MS;
    struct nki_sub *sub = NULL;
    int32_t status = open_sub(target, &params, &sub, err);
    if (status != NKI_OK) {
        return status;
    }
    size_t count;
    status = nki_sub_take(sub, out, 1, false, NKI_NEVER, &count); /* the fetch ends by itself */
    if (status != NKI_OK) {
        status = nki_sub_reason(sub, err);
        status = status == NKI_NOT_FOUND ? NKI_TIMEOUT : status;
    }
    nki_sub_close(sub);
    nki_sub_release(sub);
    return status;
}

int32_t nki_js_next(const struct nki_pull_target *target, const struct nki_pull_whom *whom,
                    int64_t timeout_ms, struct nki_msg **out, struct nki_error *err)
{
    int64_t deadline_ns = nki_deadline_ns(nki_clock_now_ns(), timeout_ms);
    if (timeout_ms == 0) {
        struct nki_conn_status conn;
        nki_conn_status_get(target->js->conn, &conn);
        if (conn.state == NKI_STATE_CONNECTING || conn.state == NKI_STATE_RECONNECTING) {
            return nki_error_set(err, NKI_DISCONNECTED, "there is no connection to ask");
        }
    }
    for (;;) {
        int64_t left_ms = timeout_ms == 0 ? 0 : NEXT_SLICE_MS;
        if (timeout_ms > 0) {
            int64_t until_ms = (deadline_ns - nki_clock_now_ns() + NKI_NS_PER_MS - 1) / NKI_NS_PER_MS;
            left_ms = until_ms < left_ms ? until_ms : left_ms;
            left_ms = left_ms < 1 ? 1 : left_ms;
        }
        int32_t status = next_once(target, whom, left_ms, out, err);
        bool over = timeout_ms == 0 || (timeout_ms > 0 && nki_clock_now_ns() >= deadline_ns);
        if (status != NKI_TIMEOUT || over) {
            return status == NKI_TIMEOUT ? nki_error_set(err, NKI_TIMEOUT, NULL) : status;
        }
    }
}

int32_t nki_sub_pull_state(struct nki_sub *sub, struct nki_pull_state *out)
{
    struct nki_feed *feed = nki_sub_feed_lock(sub);
    if (feed == NULL) {
        return NKI_NOT_FOUND;
    }
    const struct nki_puller *puller = nki_puller_of(feed);
    if (puller != NULL) {
        *out = (struct nki_pull_state){
            .counts = puller->counts,
            .open = puller->pulls.count,
            .ahead_msgs = puller->pulls.msgs,
            .ahead_bytes = puller->pulls.bytes,
            .missing = puller->missing,
            .paused = puller->retry_ns != 0,
        };
    }
    nki_sub_feed_unlock(sub);
    return puller != NULL ? NKI_OK : NKI_NOT_FOUND;
}
