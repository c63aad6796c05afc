/* Fetching and consuming, as callers of any thread begin it. */
#ifndef NKI_JETSTREAM_PULL_OPEN_H
#define NKI_JETSTREAM_PULL_OPEN_H

#include "jetstream/context.h"
#include "jetstream/puller.h"

/* What is pulled from. Checked names. */
struct nki_pull_target {
    struct nki_js *js;
    struct nki_str stream;
    struct nki_str consumer;
};

/* Opens a subscription by options of scope FETCH or CONSUME (NULL: defaults); one reference for the caller.
 * NKI_INVALID names the option. */
int32_t nki_js_fetch(const struct nki_pull_target *target, const struct nki_options *options,
                     struct nki_sub **out, struct nki_error *err);
int32_t nki_js_consume(const struct nki_pull_target *target, const struct nki_options *options,
                       struct nki_sub **out, struct nki_error *err);

/* Whom one message is for: a copy of what counts of the options, since nothing else may hold them meanwhile.
 */
struct nki_pull_whom {
    struct nki_pull_params params; /* without group and pin */
    size_t group_len;
    size_t pin_len;
    char group[NKI_PULL_GROUP_MAX];
    char pin[NKI_PULL_PIN_MAX];
};
/* Of `options` (FETCH, or NULL) group and what goes with it, and bind count. NKI_INVALID names the option. */
int32_t nki_pull_whom_read(struct nki_pull_whom *out, const struct nki_options *options,
                           struct nki_error *err);
/* Waits for one message; `timeout_ms` -1: for ever, 0: what is there. The end may come up to two seconds
 * after it, but then no message is on its way. NKI_TIMEOUT; why a fetch ends. */
int32_t nki_js_next(const struct nki_pull_target *target, const struct nki_pull_whom *whom,
                    int64_t timeout_ms, struct nki_msg **out, struct nki_error *err);

struct nki_pull_state {
    struct nki_pull_counts counts;
    uint64_t open;
    uint64_t ahead_msgs;
    uint64_t ahead_bytes;
    bool missing;
    bool paused;
};
/* NKI_NOT_FOUND if it has ended, or does not pull. */
int32_t nki_sub_pull_state(struct nki_sub *sub, struct nki_pull_state *out);

#endif
