/* The publisher's window as those see it who publish: see publisher.h and publisher_inside.h. Any thread. */
#include "jetstream/publisher_inside.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "client/wait.h"
#include "jetstream/publish.h"
#include "wire/nuid.h"

#define STEP 64                  /* messages that are handed over to the outbox together */
#define BYTES_STEP 64u           /* memory of a slot's message grows in such steps */
#define REPLY_DIGITS 11          /* of an id in base 62, at most */
#define LOW_SHARE 4              /* who waits goes on when a quarter of the window is free */
#define UNTAKEN_LOOKED_AT_EACH 8 /* takers tell of an eighth of what may be untaken */

/* -- life ------------------------------------------------------------------------------------------------ */

static void read_options(struct nki_publisher *publisher, const struct nki_options *options)
{
    publisher->max_pending = (uint64_t)nki_options_int(options, NKI_OPT_PUBLISHER_max_pending);
    publisher->max_pending_bytes = (uint64_t)nki_options_int(options, NKI_OPT_PUBLISHER_max_pending_bytes);
    publisher->max_untaken = (uint64_t)nki_options_int(options, NKI_OPT_PUBLISHER_max_untaken);
    publisher->ack_wait_ns = nki_options_int(options, NKI_OPT_PUBLISHER_ack_wait_ms) * NKI_NS_PER_MS;
    publisher->retry_wait_ns = nki_options_int(options, NKI_OPT_PUBLISHER_retry_wait_ms) * NKI_NS_PER_MS;
    publisher->retries = (int32_t)nki_options_int(options, NKI_OPT_PUBLISHER_retries);
    publisher->failures_only = nki_options_choice(options, NKI_OPT_PUBLISHER_acks) != 0;
}

/* Twice what may be pending: a message that is sent again and again does not stop those behind it at once. */
static bool make_slots(struct nki_publisher *publisher)
{
    uint64_t count = 2;
    while (count < 2 * publisher->max_pending) {
        count *= 2;
    }
    publisher->mask = count - 1;
    publisher->slots = nki_calloc(count, sizeof *publisher->slots);
    return publisher->slots != NULL;
}

struct nki_publisher *nki_publisher_new(const struct nki_options *options, struct nki_str inbox,
                                        const struct nki_feed_ops *ops)
{
    struct nki_options *defaults = options == NULL ? nki_options_new(NKI_SCOPE_PUBLISHER) : NULL;
    bool ok = options != NULL || defaults != NULL;
    struct nki_publisher *publisher = ok ? nki_calloc(1, sizeof *publisher) : NULL;
    if (publisher == NULL) {
        nki_options_free(defaults);
        return NULL;
    }
    read_options(publisher, options != NULL ? options : defaults);
    nki_options_free(defaults);
    if (!make_slots(publisher) || nki_waitable_init(&publisher->window) != 0) {
        nki_free(publisher->slots);
        nki_free(publisher);
        return NULL;
    }
    atomic_init(&publisher->refs, 2);
    atomic_init(&publisher->oldest, 1);
    publisher->feed.ops = ops;
    publisher->up_ns = publisher->armed_ns = NKI_NEVER;
    nki_list_init(&publisher->pauses);
    nki_list_init(&publisher->done_ops);
    nki_list_init(&publisher->room_ops);
    assert(inbox.len + 1 + REPLY_DIGITS <= sizeof publisher->prefix);
    memcpy(publisher->prefix, inbox.ptr, inbox.len);
    publisher->prefix[inbox.len] = '.';
    publisher->prefix_len = inbox.len + 1;
    return publisher;
}

void nki_publisher_retain(struct nki_publisher *publisher)
{
    atomic_fetch_add_explicit(&publisher->refs, 1, memory_order_relaxed);
}

void nki_publisher_release(struct nki_publisher *publisher)
{
    if (atomic_fetch_sub_explicit(&publisher->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (uint64_t i = 0; i <= publisher->mask; i++) {
        nki_free(publisher->slots[i].bytes);
    }
    nki_free(publisher->slots);
    nki_waitable_destroy(&publisher->window);
    if (publisher->sub != NULL) {
        nki_sub_release(publisher->sub);
    }
    if (publisher->conn != NULL) {
        nki_conn_release(publisher->conn);
    }
    nki_free(publisher);
}

int32_t nki_publisher_open(struct nki_js *js, const struct nki_options *options, struct nki_publisher **out,
                           struct nki_sub **acks, struct nki_error *err)
{
    char subject[NKI_INBOX_MAX];
    size_t len = nki_conn_new_inbox(js->conn, subject, sizeof subject - 2);
    assert(len <= sizeof subject - 2);
    struct nki_publisher *publisher =
        nki_publisher_new(options, nki_str_make(subject, len), &nki_publisher_feed_ops);
    if (publisher == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    publisher->conn = js->conn;
    nki_conn_retain(js->conn);
    memcpy(subject + len, ".*", 2);
    /* The window bounds its queue: a full one could drop nothing but an outcome. */
    struct nki_sub_params params = {.subject = nki_str_make(subject, len + 2),
                                    .queue = NKI_STR(""),
                                    .limits = {UINT32_MAX, UINT64_MAX / 2}};
    struct nki_sub *sub;
    int32_t status = nki_conn_subscribe_feed(js->conn, &params, &publisher->feed, &sub, err);
    if (status == NKI_OK) {
        publisher->sub = sub;
        nki_sub_retain(sub);
        *acks = sub;
        *out = publisher;
    } else {
        nki_publisher_release(publisher);
    }
    return status;
}

struct nki_conn *nki_publisher_conn(const struct nki_publisher *publisher)
{
    return publisher->conn;
}

void nki_publisher_close(struct nki_publisher *publisher)
{
    nki_sub_end(publisher->sub);
}

/* -- the window ------------------------------------------------------------------------------------------ */

static bool too_many_untaken(struct nki_publisher *publisher, uint64_t pending)
{
    uint64_t queued = atomic_load_explicit(&publisher->seen_queued, memory_order_acquire);
    if (queued + pending - publisher->taken < publisher->max_untaken) {
        return false;
    }
    struct nki_inlet_stats stats;
    nki_inlet_stats_get(nki_sub_inlet(publisher->sub), &stats);
    publisher->taken = stats.taken;
    return queued + pending - publisher->taken >= publisher->max_untaken;
}

int32_t nki_publisher_room_for(struct nki_publisher *publisher, uint64_t bytes, uint64_t ahead,
                               uint64_t ahead_bytes)
{
    if (publisher->ended != 0) {
        return publisher->ended;
    }
    uint64_t issued = atomic_load_explicit(&publisher->issued, memory_order_relaxed) + ahead;
    uint64_t pending = issued - atomic_load_explicit(&publisher->seen_done, memory_order_acquire);
    uint64_t pending_bytes = publisher->issued_bytes + ahead_bytes -
                             atomic_load_explicit(&publisher->seen_done_bytes, memory_order_acquire);
    bool fits = pending == 0 || pending_bytes + bytes <= publisher->max_pending_bytes;
    uint64_t oldest = atomic_load_explicit(&publisher->oldest, memory_order_acquire);
    bool free_slot = issued + 1 - oldest <= publisher->mask;
    if (pending >= publisher->max_pending || !fits || !free_slot || too_many_untaken(publisher, pending)) {
        return NKI_WOULD_BLOCK;
    }
    return NKI_OK;
}

bool nki_publisher_ready(struct nki_waitable *waitable)
{
    struct nki_publisher *publisher = NKI_CONTAINER_OF(waitable, struct nki_publisher, window);
    uint64_t pending =
        atomic_load_explicit(&publisher->issued, memory_order_relaxed) - atomic_load(&publisher->seen_done);
    uint64_t low = publisher->max_pending - (publisher->max_pending + LOW_SHARE - 1) / LOW_SHARE;
    return publisher->ended != 0 ||
           (pending <= low && nki_publisher_room_for(publisher, publisher->want, 0, 0) == NKI_OK);
}

struct nki_outgoing_msg nki_publisher_frame(const struct nki_publisher_slot *slot)
{
    const char *headers = slot->bytes + slot->subject_len;
    const char *data = headers + slot->header_len;
    return (struct nki_outgoing_msg){
        .subject = nki_str_make(slot->bytes, slot->subject_len),
        .header_block = nki_str_make(headers, slot->header_len),
        .data = nki_str_make(data, slot->data_len),
        .reply = nki_str_make(data + slot->data_len, slot->reply_len),
    };
}

/* Room for so many bytes in a slot; what was there is of no use. */
static bool widen(struct nki_publisher_slot *slot, size_t len)
{
    if (NKI_LIKELY(slot->cap >= len)) {
        return true;
    }
    size_t cap = (len + BYTES_STEP - 1) / BYTES_STEP * BYTES_STEP;
    nki_free(slot->bytes);
    slot->cap = 0;
    slot->bytes = cap <= UINT32_MAX ? nki_alloc(cap) : NULL;
    if (slot->bytes == NULL) {
        return false;
    }
    slot->cap = (uint32_t)cap;
    return true;
}

static inline char *copy_to(char *at, struct nki_str part)
{
    if (part.len > 0) {
        memcpy(at, part.ptr, part.len);
    }
    return at + part.len;
}

/* With window.mu: the message to its slot, which the engine does not look at yet. False if there is no
 * memory. */
static bool fill(const struct nki_publisher *publisher, uint64_t id, const struct nki_outgoing_msg *msg,
                 int64_t now_ns)
{
    struct nki_publisher_slot *slot = nki_publisher_slot(publisher, id);
    size_t len = msg->subject.len + msg->header_block.len + msg->data.len;
    if (NKI_UNLIKELY(!widen(slot, len + publisher->prefix_len + REPLY_DIGITS))) {
        return false;
    }
    char *at = copy_to(slot->bytes, msg->subject);
    at = copy_to(at, msg->header_block);
    at = copy_to(at, msg->data);
    char *end = nki_base62_emit(copy_to(at, nki_str_make(publisher->prefix, publisher->prefix_len)), id);
    slot->subject_len = (uint32_t)msg->subject.len;
    slot->header_len = (uint32_t)msg->header_block.len;
    slot->data_len = (uint32_t)msg->data.len;
    slot->reply_len = (uint32_t)(end - at);
    slot->at_ns = now_ns;
    slot->retries = publisher->retries;
    slot->idempotent = msg->header_block.len > 0 && nki_js_idempotent(msg->header_block);
    slot->waits_up = false;
    slot->replayed = false;
    slot->doubt = false;
    nki_list_init(&slot->paused);
    atomic_store_explicit(&slot->id, id, memory_order_relaxed);
    return true;
}

/* With the outbox's mutex: they are the engine's from now on. */
static void accepted(void *arg, size_t done, uint64_t last)
{
    struct nki_publisher *publisher = arg;
    uint64_t issued = atomic_load_explicit(&publisher->issued, memory_order_relaxed);
    for (size_t i = 0; i < done; i++) {
        struct nki_publisher_slot *slot = nki_publisher_slot(publisher, issued + 1 + i);
        slot->mark = last - (done - 1 - i);
        publisher->issued_bytes += nki_publisher_slot_bytes(slot);
    }
    atomic_store(&publisher->issued, issued + done);
}

/* One step of nki_publisher_put. */
static int32_t put_step(struct nki_publisher *publisher, const struct nki_outgoing_msg *msgs, size_t count,
                        int64_t now_ns, bool *kick, bool *full)
{
    struct nki_outgoing_msg frames[STEP] NKI_UNINIT;
    struct nki_engine *engine = publisher->feed.engine;
    uint64_t issued = atomic_load_explicit(&publisher->issued, memory_order_relaxed);
    uint64_t bytes = 0;
    int32_t status = NKI_OK;
    size_t ready = 0;
    while (ready < count && status == NKI_OK) {
        const struct nki_outgoing_msg *msg = &msgs[ready];
        uint64_t len = msg->subject.len + msg->header_block.len + msg->data.len;
        uint64_t id = issued + 1 + ready;
        status = nki_engine_check_size(engine, msg);
        status = status == NKI_OK ? nki_publisher_room_for(publisher, len, ready, bytes) : status;
        if (status == NKI_OK && !fill(publisher, id, msg, now_ns)) {
            status = NKI_NO_MEMORY;
        }
        if (status == NKI_OK) {
            frames[ready++] = nki_publisher_frame(nki_publisher_slot(publisher, id));
            bytes += len;
        }
    }
    if (ready > 0) {
        const struct nki_outbox_told told = {accepted, publisher};
        bool right;
        int32_t sent = nki_outbox_append_marked(&engine->outbox, frames, ready, &told, &right);
        *kick = *kick || right;
        *full = sent == NKI_WOULD_BLOCK;
        status = sent != NKI_OK ? sent : status;
    }
    /* What was not accepted is no message: the engine has not seen it. */
    for (uint64_t id = atomic_load_explicit(&publisher->issued, memory_order_relaxed) + 1;
         id <= issued + ready; id++) {
        atomic_store_explicit(&nki_publisher_slot(publisher, id)->id, 0, memory_order_relaxed);
    }
    return status;
}

int32_t nki_publisher_put(struct nki_publisher *publisher, const struct nki_outgoing_msg *msgs, size_t count,
                          int64_t now_ns, uint64_t *ids, size_t *done, bool *kick, bool *full)
{
    int32_t status = NKI_OK;
    *done = 0;
    *full = false;
    while (*done < count && status == NKI_OK) {
        size_t step = count - *done < STEP ? count - *done : STEP;
        uint64_t before = atomic_load_explicit(&publisher->issued, memory_order_relaxed);
        status = put_step(publisher, msgs + *done, step, now_ns, kick, full);
        uint64_t after = atomic_load_explicit(&publisher->issued, memory_order_relaxed);
        for (uint64_t id = before + 1; id <= after; id++, *done += 1) {
            if (ids != NULL) {
                ids[*done] = id;
            }
        }
    }
    return status;
}

/* -- waiting --------------------------------------------------------------------------------------------- */

/* Without locks: what is pending is looked after. */
static void see_to_timer(struct nki_publisher *publisher)
{
    if (NKI_LIKELY(atomic_load(&publisher->armed))) {
        return;
    }
    if (nki_sub_feed_lock(publisher->sub) != NULL) {
        nki_publisher_arm(publisher);
        nki_sub_feed_unlock(publisher->sub);
    }
}

/* With window.mu, which is released meanwhile: waits for room in the window. */
static int32_t wait_for_window(struct nki_publisher *publisher, uint64_t bytes, int64_t deadline_ns)
{
    struct nki_inlet *inlet = nki_sub_inlet(publisher->sub);
    publisher->want = bytes > publisher->want ? bytes : publisher->want;
    atomic_fetch_add(&publisher->waiters, 1);
    nki_inlet_tell_after(inlet, (uint32_t)(publisher->max_untaken / UNTAKEN_LOOKED_AT_EACH + 1));
    int32_t status = nki_wait_locked(publisher->conn, &publisher->window, nki_publisher_ready, deadline_ns);
    if (atomic_fetch_sub(&publisher->waiters, 1) == 1) {
        publisher->want = 0;
    }
    return status;
}

/* Without locks: waits for room in the outbox. */
static int32_t wait_for_outbox(struct nki_publisher *publisher, uint64_t bytes, int64_t deadline_ns)
{
    struct nki_op *op;
    int32_t status = nki_conn_room(publisher->conn, bytes, deadline_ns, &op, NULL);
    if (status != NKI_OK) {
        return status;
    }
    status = nki_conn_wait_op(publisher->conn, op, deadline_ns);
    if (status == NKI_OK) {
        status = nki_op_result(op, NULL, NULL);
    } else {
        nki_conn_cancel(publisher->conn, op);
    }
    nki_op_release(op);
    return status;
}

/* With window.mu, which is released meanwhile: there was no room for the next message. */
static int32_t wait_for_room(struct nki_publisher *publisher, const struct nki_outgoing_msg *msg,
                             int64_t deadline_ns, bool *kick, bool full)
{
    uint64_t bytes = msg->subject.len + msg->header_block.len + msg->data.len;
    pthread_mutex_unlock(&publisher->window.mu);
    if (*kick) {
        nki_conn_use_right(publisher->conn, true); /* whoever waits for room must not hold what makes it */
        *kick = false;
    }
    see_to_timer(publisher);
    int32_t status =
        full ? wait_for_outbox(publisher, bytes + publisher->prefix_len + REPLY_DIGITS, deadline_ns) : NKI_OK;
    pthread_mutex_lock(&publisher->window.mu);
    return full ? status : wait_for_window(publisher, bytes, deadline_ns);
}

int32_t nki_publisher_publish(struct nki_publisher *publisher, const struct nki_outgoing_msg *msgs,
                              size_t count, int64_t deadline_ns, uint64_t *ids, size_t *published)
{
    bool kick = false;
    bool late = false;
    bool waits = deadline_ns != 0 && !publisher->feed.engine->outbox.limits.fail_fast;
    int32_t status;
    *published = 0;
    pthread_mutex_lock(&publisher->window.mu);
    for (;;) {
        bool full;
        size_t done;
        uint64_t *to = ids != NULL ? ids + *published : NULL;
        status = nki_publisher_put(publisher, msgs + *published, count - *published, nki_clock_now_ns(), to,
                                   &done, &kick, &full);
        *published += done;
        if (status != NKI_WOULD_BLOCK || deadline_ns == 0 || (full && !waits)) {
            break;
        }
        if (late) {
            status = NKI_TIMEOUT;
            break;
        }
        status = wait_for_room(publisher, &msgs[*published], deadline_ns, &kick, full);
        late = status == NKI_TIMEOUT;
        if (status != NKI_OK && !late) {
            break;
        }
    }
    pthread_mutex_unlock(&publisher->window.mu);
    if (kick) {
        nki_conn_use_right(publisher->conn, false);
    }
    see_to_timer(publisher);
    return status;
}

/* -- operations ------------------------------------------------------------------------------------------ */

/* With the engine lock: lists an operation that waits, with a timer. */
static int32_t list_op(struct nki_publisher *publisher, struct nki_list *list, struct nki_op *op,
                       int64_t timer_ns)
{
    if (!nki_engine_timer(publisher->feed.engine, op, timer_ns)) {
        return NKI_NO_MEMORY;
    }
    nki_op_retain(op);
    nki_list_append(list, &op->engine_node);
    return NKI_OK;
}

int32_t nki_publisher_done(struct nki_publisher *publisher, int64_t deadline_ns, bool timed,
                           struct nki_op **out, struct nki_error *err)
{
    struct nki_op *op = nki_op_new();
    int32_t status = op != NULL ? NKI_OK : NKI_NO_MEMORY;
    if (op == NULL) {
        return nki_error_set(err, status, NULL);
    }
    if (nki_sub_feed_lock(publisher->sub) != NULL) {
        op->place = atomic_load(&publisher->issued);
        status = list_op(publisher, &publisher->done_ops, op, timed ? deadline_ns : NKI_NEVER);
        nki_publisher_settle(publisher);
        nki_sub_feed_unlock(publisher->sub);
    } else {
        nki_op_finish(op, NKI_OK, NKI_OUTCOME_DONE, NULL, NULL); /* all have got theirs by its end */
    }
    if (status != NKI_OK) {
        nki_op_release(op);
        return nki_error_set(err, status, NULL);
    }
    *out = op;
    return NKI_OK;
}

int32_t nki_publisher_room(struct nki_publisher *publisher, uint64_t bytes, int64_t deadline_ns,
                           struct nki_op **out, struct nki_error *err)
{
    struct nki_op *op = nki_op_new();
    int32_t status = op != NULL ? NKI_OK : NKI_NO_MEMORY;
    if (op == NULL) {
        return nki_error_set(err, status, NULL);
    }
    if (nki_sub_feed_lock(publisher->sub) != NULL) {
        op->place = bytes;
        status = list_op(publisher, &publisher->room_ops, op, deadline_ns);
        if (status == NKI_OK) {
            nki_inlet_tell_after(nki_sub_inlet(publisher->sub), 1);
        }
        nki_publisher_settle(publisher);
        nki_sub_feed_unlock(publisher->sub);
    } else {
        status = publisher->ended != 0 ? publisher->ended : NKI_CLOSED;
    }
    if (status != NKI_OK) {
        nki_op_release(op);
        return nki_error_set(err, status, NULL);
    }
    *out = op;
    return NKI_OK;
}

void nki_publisher_info_get(struct nki_publisher *publisher, struct nki_publisher_info *out)
{
    struct nki_inlet_stats stats;
    nki_inlet_stats_get(nki_sub_inlet(publisher->sub), &stats);
    nki_conn_lock(publisher->conn);
    pthread_mutex_lock(&publisher->window.mu);
    uint64_t issued = atomic_load_explicit(&publisher->issued, memory_order_relaxed);
    *out = (struct nki_publisher_info){
        .published = issued,
        .pending = issued - publisher->done,
        .pending_bytes = publisher->issued_bytes - publisher->done_bytes,
        .acked = publisher->acked,
        .duplicates = publisher->duplicates,
        .failed = publisher->failed,
        .retried = publisher->retried,
        .resent = publisher->resent,
        .late = publisher->late,
        .untaken = stats.pending_msgs,
        .reason = publisher->ended,
    };
    pthread_mutex_unlock(&publisher->window.mu);
    nki_conn_unlock(publisher->conn);
}
