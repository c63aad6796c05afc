/* Fast ingest as those see it who publish: see ingest.h and ingest_inside.h. Any thread. */
#include "jetstream/ingest_inside.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "client/wait.h"
#include "jetstream/publish.h"

#include <inttypes.h>
#include <stdio.h>

#define TAIL_MAX 32 /* of a reply: number, kind and "$FI" */

/* -- life ------------------------------------------------------------------------------------------------ */

static void read_options(struct nki_ingest *ingest, const struct nki_options *options, struct nki_str inbox)
{
    ingest->fails = nki_options_choice(options, NKI_OPT_INGEST_on_gap) == 0;
    ingest->max_outstanding = (uint64_t)nki_options_int(options, NKI_OPT_INGEST_max_outstanding);
    ingest->ack_wait_ns = nki_options_int(options, NKI_OPT_INGEST_ack_wait_ms) * NKI_NS_PER_MS;
    int64_t flow = nki_options_int(options, NKI_OPT_INGEST_flow);
    int len = snprintf(ingest->prefix, sizeof ingest->prefix, "%.*s.%" PRId64 ".%s.", (int)inbox.len,
                       inbox.ptr, flow, ingest->fails ? "fail" : "ok");
    assert(len > 0 && (size_t)len + TAIL_MAX < sizeof ingest->prefix);
    ingest->prefix_len = (size_t)len;
    ingest->id_at = inbox.len;
    while (ingest->id_at > 0 && inbox.ptr[ingest->id_at - 1] != '.') {
        ingest->id_at--;
    }
    ingest->id_len = inbox.len - ingest->id_at;
}

struct nki_ingest *nki_ingest_new(const struct nki_options *options, struct nki_str inbox,
                                  const struct nki_feed_ops *ops)
{
    struct nki_options *defaults = options == NULL ? nki_options_new(NKI_SCOPE_INGEST) : NULL;
    bool ok = options != NULL || defaults != NULL;
    struct nki_ingest *ingest = ok ? nki_calloc(1, sizeof *ingest) : NULL;
    if (ingest != NULL) {
        read_options(ingest, options != NULL ? options : defaults, inbox);
    }
    nki_options_free(defaults);
    if (ingest == NULL || nki_waitable_init(&ingest->window) != 0) {
        nki_free(ingest);
        return NULL;
    }
    atomic_init(&ingest->refs, 2);
    ingest->feed.ops = ops;
    ingest->outcome = NKI_OUTCOME_UNKNOWN;
    nki_list_init(&ingest->commit_ops);
    nki_list_init(&ingest->room_ops);
    return ingest;
}

void nki_ingest_retain(struct nki_ingest *ingest)
{
    atomic_fetch_add_explicit(&ingest->refs, 1, memory_order_relaxed);
}

void nki_ingest_release(struct nki_ingest *ingest)
{
    if (atomic_fetch_sub_explicit(&ingest->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    nki_buf_free(&ingest->subject);
    nki_waitable_destroy(&ingest->window);
    if (ingest->sub != NULL) {
        nki_sub_release(ingest->sub);
    }
    if (ingest->js != NULL) {
        nki_js_release(ingest->js);
    }
    nki_free(ingest);
}

int32_t nki_ingest_open(struct nki_js *js, const struct nki_options *options, struct nki_ingest **out,
                        struct nki_sub **failures, struct nki_error *err)
{
    char subject[NKI_INBOX_MAX];
    size_t len = nki_conn_new_inbox(js->conn, subject, sizeof subject - 2);
    assert(len <= sizeof subject - 2);
    struct nki_ingest *ingest = nki_ingest_new(options, nki_str_make(subject, len), &nki_ingest_feed_ops);
    struct nki_options *defaults = options == NULL ? nki_options_new(NKI_SCOPE_INGEST) : NULL;
    if (ingest == NULL || (options == NULL && defaults == NULL)) {
        if (ingest != NULL) {
            nki_ingest_release(ingest);
            nki_ingest_release(ingest);
        }
        nki_options_free(defaults);
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    ingest->js = js;
    nki_js_retain(js);
    memcpy(subject + len, ".>", 2);
    int64_t untaken = nki_options_int(options != NULL ? options : defaults, NKI_OPT_INGEST_max_untaken);
    nki_options_free(defaults);
    struct nki_sub_params params = {.subject = nki_str_make(subject, len + 2),
                                    .queue = NKI_STR(""),
                                    .limits = {(uint64_t)untaken, UINT64_MAX / 2}};
    struct nki_sub *sub;
    int32_t status = nki_conn_subscribe_feed(js->conn, &params, &ingest->feed, &sub, err);
    if (status == NKI_OK) {
        ingest->sub = sub;
        nki_sub_retain(sub);
        *failures = sub;
        *out = ingest;
    } else {
        nki_ingest_release(ingest);
    }
    return status;
}

struct nki_conn *nki_ingest_conn(const struct nki_ingest *ingest)
{
    return ingest->js->conn;
}

void nki_ingest_close(struct nki_ingest *ingest)
{
    nki_sub_end(ingest->sub);
}

/* -- publishing ------------------------------------------------------------------------------------------ */

static uint64_t window_of(const struct nki_ingest *ingest)
{
    return ingest->each > 0 ? ingest->each * ingest->max_outstanding : 1;
}

int32_t nki_ingest_may_publish(const struct nki_ingest *ingest)
{
    if (ingest->ended != 0) {
        return ingest->ended;
    }
    if (ingest->committing) {
        return NKI_CLOSED;
    }
    return ingest->issued < ingest->acked + window_of(ingest) ? NKI_OK : NKI_WOULD_BLOCK;
}

int32_t nki_ingest_send(struct nki_ingest *ingest, enum nki_ingest_op op, uint64_t seq,
                        const struct nki_outgoing_msg *msg, bool *kick)
{
    char reply[NKI_INGEST_REPLY_MAX];
    memcpy(reply, ingest->prefix, ingest->prefix_len);
    int len = snprintf(reply + ingest->prefix_len, sizeof reply - ingest->prefix_len, "%" PRIu64 ".%c.$FI",
                       seq, (char)op);
    assert(len > 0 && len < TAIL_MAX);
    struct nki_outgoing_msg frame = {
        .subject = nki_str_make((const char *)ingest->subject.data, ingest->subject.len),
        .header_block = NKI_STR(""),
        .data = NKI_STR("")};
    if (msg != NULL) {
        frame = *msg;
    }
    frame.reply = nki_str_make(reply, ingest->prefix_len + (size_t)len);
    bool right;
    int32_t status = nki_outbox_append_marked(&ingest->feed.engine->outbox, &frame, 1, NULL, &right);
    *kick = *kick || right;
    return status;
}

/* With window.mu: the next message, if there is room. *full: it is the outbox that has none. */
static int32_t put(struct nki_ingest *ingest, const struct nki_outgoing_msg *msg, bool *kick, bool *full)
{
    *full = false;
    int32_t status = nki_ingest_may_publish(ingest);
    if (status == NKI_OK) {
        status = nki_engine_check_size(ingest->feed.engine, msg);
    }
    if (status != NKI_OK) {
        return status;
    }
    bool first = ingest->issued == 0;
    if (first) {
        ingest->subject.len = 0;
        if (!nki_buf_append_str(&ingest->subject, msg->subject)) {
            return NKI_NO_MEMORY;
        }
    }
    status =
        nki_ingest_send(ingest, first ? NKI_INGEST_START : NKI_INGEST_APPEND, ingest->issued + 1, msg, kick);
    *full = status == NKI_WOULD_BLOCK;
    if (status == NKI_OK) {
        ingest->issued++;
        ingest->asked_ns = first ? nki_clock_now_ns() : ingest->asked_ns;
    }
    return status;
}

static bool window_ready(struct nki_waitable *waitable)
{
    const struct nki_ingest *ingest = NKI_CONTAINER_OF(waitable, struct nki_ingest, window);
    return nki_ingest_may_publish(ingest) != NKI_WOULD_BLOCK;
}

/* Without locks: waits for room in the outbox. */
static int32_t wait_for_outbox(struct nki_conn *conn, uint64_t bytes, int64_t deadline_ns)
{
    struct nki_op *op;
    int32_t status = nki_conn_room(conn, bytes, deadline_ns, &op, NULL);
    if (status != NKI_OK) {
        return status;
    }
    status = nki_conn_wait_op(conn, op, deadline_ns);
    if (status == NKI_OK) {
        status = nki_op_result(op, NULL, NULL);
    } else {
        nki_conn_cancel(conn, op);
    }
    nki_op_release(op);
    return status;
}

/* With window.mu, which is released meanwhile: there was no room for the message. */
static int32_t wait_for_room(struct nki_ingest *ingest, const struct nki_outgoing_msg *msg,
                             int64_t deadline_ns, bool *kick, bool full)
{
    struct nki_conn *conn = nki_ingest_conn(ingest);
    uint64_t bytes = msg->subject.len + msg->header_block.len + msg->data.len + ingest->prefix_len + TAIL_MAX;
    pthread_mutex_unlock(&ingest->window.mu);
    if (*kick) {
        nki_conn_use_right(conn, true); /* whoever waits for room must not hold what makes it */
        *kick = false;
    }
    int32_t status = full ? wait_for_outbox(conn, bytes, deadline_ns) : NKI_OK;
    pthread_mutex_lock(&ingest->window.mu);
    return full ? status : nki_wait_locked(conn, &ingest->window, window_ready, deadline_ns);
}

int32_t nki_ingest_publish(struct nki_ingest *ingest, const struct nki_outgoing_msg *msg, int64_t deadline_ns,
                           uint64_t *seq)
{
    bool kick = false;
    bool late = false;
    bool waits = deadline_ns != 0 && !ingest->feed.engine->outbox.limits.fail_fast;
    int32_t status;
    pthread_mutex_lock(&ingest->window.mu);
    for (;;) {
        bool full;
        status = put(ingest, msg, &kick, &full);
        if (status != NKI_WOULD_BLOCK || deadline_ns == 0 || (full && !waits)) {
            break;
        }
        if (late) {
            status = NKI_TIMEOUT;
            break;
        }
        status = wait_for_room(ingest, msg, deadline_ns, &kick, full);
        late = status == NKI_TIMEOUT;
        if (status != NKI_OK && !late) {
            break;
        }
    }
    if (status == NKI_OK && seq != NULL) {
        *seq = ingest->issued;
    }
    bool alone = status == NKI_OK && ingest->each == 0; /* nothing else can be sent before its answer */
    pthread_mutex_unlock(&ingest->window.mu);
    if (kick) {
        nki_conn_use_right(nki_ingest_conn(ingest), alone);
    }
    return status;
}

/* -- operations ------------------------------------------------------------------------------------------ */

/* With the engine lock: lists an operation that waits, with a timer. */
static int32_t list_op(struct nki_ingest *ingest, struct nki_list *list, struct nki_op *op, int64_t timer_ns)
{
    if (!nki_engine_timer(ingest->feed.engine, op, timer_ns)) {
        return NKI_NO_MEMORY;
    }
    nki_op_retain(op);
    nki_list_append(list, &op->engine_node);
    return NKI_OK;
}

int32_t nki_ingest_room(struct nki_ingest *ingest, int64_t deadline_ns, struct nki_op **out,
                        struct nki_error *err)
{
    struct nki_op *op = nki_op_new();
    if (op == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    bool lives = nki_sub_feed_lock(ingest->sub) != NULL;
    pthread_mutex_lock(&ingest->window.mu);
    int32_t status = nki_ingest_may_publish(ingest);
    pthread_mutex_unlock(&ingest->window.mu);
    if (status == NKI_OK) {
        nki_op_finish(op, NKI_OK, NKI_OUTCOME_DONE, NULL, NULL);
    } else if (status == NKI_WOULD_BLOCK) {
        status = lives ? list_op(ingest, &ingest->room_ops, op, deadline_ns) : NKI_CLOSED;
    }
    if (lives) {
        nki_sub_feed_unlock(ingest->sub);
    }
    if (status != NKI_OK) {
        nki_op_release(op);
        return nki_error_set(err, status, NULL);
    }
    *out = op;
    return NKI_OK;
}

/* With window.mu: from now on nothing is published. */
static int32_t begin_commit(struct nki_ingest *ingest, struct nki_error *err)
{
    if (ingest->issued == 0 && ingest->ended == 0) {
        return nki_error_set(err, NKI_INVALID, "nothing was published, so there is nothing to commit");
    }
    ingest->committing = true;
    nki_waitable_signal(&ingest->window, true);
    return NKI_OK;
}

/* The reference of `op` is given up if it fails. */
static int32_t commit_with(struct nki_ingest *ingest, struct nki_op *op, int64_t timer_ns,
                           struct nki_error *err)
{
    bool lives = nki_sub_feed_lock(ingest->sub) != NULL;
    pthread_mutex_lock(&ingest->window.mu);
    int32_t status = begin_commit(ingest, err);
    bool over = ingest->ended != 0;
    if (status == NKI_OK && (over || !lives)) {
        nki_ingest_tell(ingest, NULL, op);
    }
    pthread_mutex_unlock(&ingest->window.mu);
    if (status == NKI_OK && !over && lives) {
        status = list_op(ingest, &ingest->commit_ops, op, timer_ns);
        if (status == NKI_OK) {
            nki_ingest_see_to_commit(ingest, nki_clock_now_ns());
        } else {
            nki_error_set(err, status, NULL);
        }
    }
    if (lives) {
        nki_sub_feed_unlock(ingest->sub);
    }
    if (status != NKI_OK) {
        nki_op_release(op);
    }
    return status;
}

int32_t nki_ingest_commit_begin(struct nki_ingest *ingest, const struct nki_js_begin *begin,
                                struct nki_op **out, struct nki_error *err)
{
    struct nki_op *op = nki_op_new();
    if (op == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    int32_t status = commit_with(ingest, op, begin->timed ? begin->deadline_ns : NKI_NEVER, err);
    if (status == NKI_OK) {
        *out = op;
    }
    return status;
}

int32_t nki_ingest_commit(struct nki_ingest *ingest, int64_t deadline_ns, struct nki_msg **ack,
                          int32_t *outcome, struct nki_error *err)
{
    const struct nki_js_begin begin = {.deadline_ns = deadline_ns, .timed = false};
    struct nki_op *op;
    *outcome = NKI_OUTCOME_NOT_SENT;
    int32_t status = nki_ingest_commit_begin(ingest, &begin, &op, err);
    if (status != NKI_OK) {
        return status;
    }
    struct nki_str subject = nki_str_make((const char *)ingest->subject.data, ingest->subject.len);
    return nki_js_await(ingest->js, op, deadline_ns, subject, ack, outcome, err);
}

void nki_ingest_info_get(struct nki_ingest *ingest, struct nki_ingest_info *out)
{
    struct nki_inlet_stats stats;
    nki_inlet_stats_get(nki_sub_inlet(ingest->sub), &stats);
    pthread_mutex_lock(&ingest->window.mu);
    *out = (struct nki_ingest_info){
        .published = ingest->issued,
        .acked = ingest->acked,
        .refused = ingest->refused,
        .lost = ingest->lost,
        .window = window_of(ingest),
        .pings = ingest->pings,
        .untaken = stats.pending_msgs,
        .reason = ingest->reason,
        .committed = ingest->committing,
    };
    pthread_mutex_unlock(&ingest->window.mu);
}
