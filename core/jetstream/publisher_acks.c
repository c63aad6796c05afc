/* The publisher's feed: answers, time-outs, sending again, and the end; see publisher_inside.h. Under the
 * engine lock of the connection, by whoever reads it. */
#include "jetstream/publisher_inside.h"

#include "base/alloc.h"
#include "wire/nuid.h"

#include <inttypes.h>

#define KEPT_BYTES 1024u                   /* a slot's memory up to here is kept for its next message */
#define NO_ROOM_NS (10 * NKI_NS_PER_MS)    /* until it is tried again whether the outbox has room */
#define NO_MEMORY_NS (100 * NKI_NS_PER_MS) /* until there may be memory for an outcome */
#define AGAIN_MAX ((size_t)16 * NKI_MIB)   /* bytes that go before what waits in the outbox */
#define SHOWN_MAX 80                       /* of a subject in an error */

static struct nki_publisher *publisher_of(struct nki_feed *feed)
{
    return NKI_CONTAINER_OF(feed, struct nki_publisher, feed);
}

/* The slot of a message without an outcome, or NULL. */
static inline struct nki_publisher_slot *find(struct nki_publisher *publisher, uint64_t id)
{
    if (id == 0 || id > atomic_load_explicit(&publisher->issued, memory_order_acquire)) {
        return NULL;
    }
    struct nki_publisher_slot *slot = nki_publisher_slot(publisher, id);
    return atomic_load_explicit(&slot->id, memory_order_relaxed) == id ? slot : NULL;
}

/* That of a reply's subject. *ours: it is one of this publisher's, with or without a slot. */
static struct nki_publisher_slot *slot_of(struct nki_publisher *publisher, struct nki_str reply, bool *ours)
{
    uint64_t id;
    size_t prefix_len = publisher->prefix_len;
    *ours = reply.len > prefix_len && memcmp(reply.ptr, publisher->prefix, prefix_len) == 0 &&
            nki_base62_read(reply.ptr + prefix_len, reply.len - prefix_len, &id);
    return *ours ? find(publisher, id) : NULL;
}

/* -- outcomes -------------------------------------------------------------------------------------------- */

/* The message has its outcome: the slot is free. */
static void vacate(struct nki_publisher *publisher, struct nki_publisher_slot *slot,
                   const struct nki_pub_ack *ack)
{
    publisher->done++;
    publisher->done_bytes += nki_publisher_slot_bytes(slot);
    publisher->waits_up -= slot->waits_up;
    nki_list_remove(&slot->paused);
    if (ack->status == NKI_OK) {
        publisher->acked++;
        publisher->duplicates += ack->duplicate;
    } else {
        publisher->failed++;
    }
    if (NKI_UNLIKELY(slot->cap > KEPT_BYTES)) {
        nki_free(slot->bytes);
        slot->bytes = NULL;
        slot->cap = 0;
    }
    atomic_store_explicit(&slot->id, 0, memory_order_relaxed);
    nki_feed_settle(&publisher->feed);
}

/* Its answer has come: takes over the message. */
static void end_with(struct nki_publisher *publisher, struct nki_publisher_slot *slot,
                     struct nki_pub_ack *ack, struct nki_msg *msg)
{
    ack->id = atomic_load_explicit(&slot->id, memory_order_relaxed);
    ack->outcome = nki_pub_ack_outcome(ack, slot->doubt);
    vacate(publisher, slot, ack);
    if (publisher->failures_only && ack->status == NKI_OK) {
        nki_msg_release(msg);
        return;
    }
    nki_pub_ack_turn(msg, ack);
    publisher->queued++;
    nki_feed_stage(&publisher->feed, msg);
}

/* None has come, or none that is given on. Without memory it stays as it is, and false. */
static bool end_without(struct nki_publisher *publisher, struct nki_publisher_slot *slot, int32_t status,
                        int32_t outcome, const char *text)
{
    struct nki_pub_ack ack = {.id = atomic_load_explicit(&slot->id, memory_order_relaxed),
                              .status = status,
                              .outcome = outcome,
                              .stream = NKI_STR(""),
                              .domain = NKI_STR(""),
                              .text = nki_str_z(text)};
    struct nki_msg *msg = nki_pub_ack_msg(&publisher->feed.engine->slab, &ack);
    if (msg == NULL) {
        return false;
    }
    vacate(publisher, slot, &ack);
    publisher->queued++;
    nki_feed_stage(&publisher->feed, msg);
    return true;
}

/* What is known of a message whose last frame was or will be sent. */
static int32_t sent_outcome(const struct nki_publisher_slot *slot)
{
    bool refused = !nki_list_empty(&slot->paused) && !slot->doubt; /* nobody has got any of its frames */
    return refused ? NKI_OUTCOME_REJECTED : NKI_OUTCOME_UNKNOWN;
}

/* The last frame was refused; one before may have got there. */
static int32_t refused_outcome(const struct nki_publisher_slot *slot)
{
    return slot->doubt ? NKI_OUTCOME_UNKNOWN : NKI_OUTCOME_REJECTED;
}

static void end_late(struct nki_publisher *publisher, struct nki_publisher_slot *slot, int64_t now_ns)
{
    char text[64 + SHOWN_MAX];
    int shown = (int)(slot->subject_len < SHOWN_MAX ? slot->subject_len : SHOWN_MAX);
    struct nki_error error;
    nki_error_set(&error, NKI_TIMEOUT, "no ack for \"%.*s\" within %" PRId64 " ms", shown, slot->bytes,
                  publisher->ack_wait_ns / NKI_NS_PER_MS);
    nki_str_copy(text, sizeof text, nki_str_z(error.text));
    if (!end_without(publisher, slot, NKI_TIMEOUT, sent_outcome(slot), text)) {
        slot->at_ns = now_ns - publisher->ack_wait_ns + NO_MEMORY_NS;
    }
}

/* -- sending again --------------------------------------------------------------------------------------- */

static void sent_again(void *arg, size_t done, uint64_t last)
{
    (void)done;
    struct nki_publisher_slot *slot = arg;
    slot->mark = last;
}

/* False: there is no room, or no memory. */
static bool send_again(struct nki_publisher *publisher, struct nki_publisher_slot *slot)
{
    struct nki_engine *engine = publisher->feed.engine;
    struct nki_outgoing_msg frame = nki_publisher_frame(slot);
    const struct nki_outbox_told told = {sent_again, slot};
    bool kick;
    int32_t status = nki_outbox_append_marked(&engine->outbox, &frame, 1, &told, &kick);
    engine->want |= kick ? NKI_WANT_KICK : 0;
    return status == NKI_OK;
}

/* Whether the server takes less than the one before, so that the message ends. (Without memory for that it
 * ends when its time is over.) */
static bool outgrown(struct nki_publisher *publisher, struct nki_publisher_slot *slot)
{
    struct nki_outgoing_msg frame = nki_publisher_frame(slot);
    int32_t status = nki_engine_check_size(publisher->feed.engine, &frame);
    if (status != NKI_OK) {
        (void)end_without(publisher, slot, status, sent_outcome(slot), "");
    }
    return status != NKI_OK;
}

/* It is to be sent as soon as there is a transport, and room. */
static void wait_up(struct nki_publisher *publisher, struct nki_publisher_slot *slot, int64_t now_ns)
{
    publisher->waits_up += !slot->waits_up;
    slot->waits_up = true;
    if (publisher->feed.up) {
        publisher->up_ns = now_ns + NO_ROOM_NS;
    }
}

/* Sends what waits for a transport, in order of ids, as far as there is room. */
static void send_waiting(struct nki_publisher *publisher, int64_t now_ns)
{
    uint64_t issued = atomic_load_explicit(&publisher->issued, memory_order_acquire);
    publisher->up_ns = NKI_NEVER;
    for (uint64_t id = atomic_load(&publisher->oldest); id <= issued && publisher->waits_up > 0; id++) {
        struct nki_publisher_slot *slot = find(publisher, id);
        if (slot == NULL || !slot->waits_up || outgrown(publisher, slot)) {
            continue;
        }
        if (!send_again(publisher, slot)) {
            publisher->up_ns = now_ns + NO_ROOM_NS;
            return;
        }
        slot->waits_up = false;
        publisher->waits_up--;
        publisher->resent++;
    }
}

static void pause_slot(struct nki_publisher *publisher, struct nki_publisher_slot *slot, int64_t now_ns)
{
    slot->retry_ns = now_ns + publisher->retry_wait_ns;
    nki_list_append(&publisher->pauses, &slot->paused);
    if (slot->retry_ns < publisher->armed_ns) {
        nki_publisher_arm(publisher);
    }
}

/* The stream is at it, or at a message of the same id: what becomes of that tells the same message, sent once
 * more. It may already be about to be. */
static void in_process(struct nki_publisher *publisher, struct nki_publisher_slot *slot, int64_t now_ns)
{
    slot->doubt = true;
    if (nki_list_empty(&slot->paused) && !slot->waits_up) {
        pause_slot(publisher, slot, now_ns);
    }
}

/* Nobody has got it: it is sent again after a pause, or that was it. */
static void got_nobody(struct nki_publisher *publisher, struct nki_publisher_slot *slot, int64_t now_ns)
{
    if (slot->retries != 0) {
        slot->retries -= slot->retries > 0;
        pause_slot(publisher, slot, now_ns);
        return;
    }
    struct nki_error error;
    int shown = (int)(slot->subject_len < SHOWN_MAX ? slot->subject_len : SHOWN_MAX);
    nki_error_set(&error, NKI_NO_STREAM, "no stream takes \"%.*s\", or it has no leader", shown, slot->bytes);
    (void)end_without(publisher, slot, NKI_NO_STREAM, refused_outcome(slot),
                      error.text); /* else its time will be over */
}

static void end_pauses(struct nki_publisher *publisher, int64_t now_ns)
{
    while (!nki_list_empty(&publisher->pauses)) {
        struct nki_publisher_slot *slot =
            NKI_CONTAINER_OF(publisher->pauses.next, struct nki_publisher_slot, paused);
        if (slot->retry_ns > now_ns) {
            return;
        }
        bool ended = publisher->feed.up && outgrown(publisher, slot);
        nki_list_remove(&slot->paused);
        if (ended) {
            continue;
        }
        publisher->retried++;
        if (!publisher->feed.up || !send_again(publisher, slot)) {
            wait_up(publisher, slot, now_ns);
        }
    }
}

/* -- the feed -------------------------------------------------------------------------------------------- */

static void on_message(struct nki_feed *feed, struct nki_msg *msg, int64_t now_ns)
{
    struct nki_publisher *publisher = publisher_of(feed);
    bool ours; /* the server matched the prefix, but anybody may publish there */
    struct nki_publisher_slot *slot = slot_of(publisher, nki_msg_subject(msg), &ours);
    if (NKI_UNLIKELY(slot == NULL || !nki_list_empty(&slot->paused) || slot->waits_up)) {
        bool answers = slot != NULL && !nki_engine_says_nobody(msg);
        if (!answers) {
            publisher->late++;
            nki_msg_release(msg);
            return;
        }
    }
    if (NKI_UNLIKELY(nki_engine_says_nobody(msg))) {
        nki_msg_release(msg);
        got_nobody(publisher, slot, now_ns);
        return;
    }
    struct nki_pub_ack ack NKI_UNINIT;
    (void)nki_pub_ack_read((char *)nki_msg_body(msg) + msg->header_len, msg->data_len, &ack);
    if (NKI_UNLIKELY(nki_pub_ack_in_process(&ack)) && slot->idempotent) {
        nki_msg_release(msg);
        in_process(publisher, slot, now_ns);
        return;
    }
    end_with(publisher, slot, &ack, msg);
}

/* How those that wait for room see it. */
static void tell_room(struct nki_publisher *publisher)
{
    if (atomic_load(&publisher->waiters) == 0 && nki_list_empty(&publisher->room_ops)) {
        return;
    }
    pthread_mutex_lock(&publisher->window.mu);
    if (atomic_load(&publisher->waiters) > 0 && nki_publisher_ready(&publisher->window)) {
        nki_waitable_signal(&publisher->window, true);
    }
    struct nki_list *ops = &publisher->room_ops;
    for (struct nki_list *at = ops->next, *next; at != ops; at = next) {
        next = at->next;
        struct nki_op *op = NKI_CONTAINER_OF(at, struct nki_op, engine_node);
        int32_t status = nki_publisher_room_for(publisher, op->place, 0, 0);
        if (status != NKI_WOULD_BLOCK) {
            nki_list_remove(&op->engine_node);
            nki_engine_untimer(publisher->feed.engine, op);
            nki_engine_finish_own(&op, status, NULL);
        }
    }
    bool waits = !nki_list_empty(ops) || atomic_load(&publisher->waiters) > 0;
    pthread_mutex_unlock(&publisher->window.mu);
    if (waits) {
        nki_inlet_tell_after(nki_sub_inlet(publisher->feed.sub), 1); /* taking makes room, too */
    }
}

static void finish_done(struct nki_publisher *publisher, uint64_t oldest)
{
    bool handed_over = false;
    while (!nki_list_empty(&publisher->done_ops)) {
        struct nki_op *op = NKI_CONTAINER_OF(publisher->done_ops.next, struct nki_op, engine_node);
        if (op->place >= oldest) {
            return;
        }
        if (!handed_over) {
            struct nki_inlet_handed handed; /* before anybody is told that it is there */
            nki_inlet_flush(nki_sub_inlet(publisher->feed.sub), 0, &handed);
            handed_over = true;
        }
        nki_list_remove(&op->engine_node);
        nki_engine_untimer(publisher->feed.engine, op);
        nki_engine_finish_own(&op, NKI_OK, NULL);
    }
}

void nki_publisher_settle(struct nki_publisher *publisher)
{
    uint64_t issued = atomic_load(&publisher->issued);
    uint64_t oldest = atomic_load_explicit(&publisher->oldest, memory_order_relaxed);
    while (oldest <= issued &&
           atomic_load_explicit(&nki_publisher_slot(publisher, oldest)->id, memory_order_relaxed) == 0) {
        oldest++;
    }
    /* The slots before it are those of who publishes again. */
    atomic_store_explicit(&publisher->oldest, oldest, memory_order_release);
    atomic_store_explicit(&publisher->seen_queued, publisher->queued, memory_order_release);
    atomic_store_explicit(&publisher->seen_done_bytes, publisher->done_bytes, memory_order_release);
    atomic_store(&publisher->seen_done, publisher->done);
    tell_room(publisher);
    finish_done(publisher, oldest);
}

static void on_settle(struct nki_feed *feed)
{
    struct nki_publisher *publisher = publisher_of(feed);
    nki_publisher_settle(publisher);
    if (publisher->draining && publisher->done == atomic_load(&publisher->issued)) {
        nki_feed_finish(feed, NKI_UNSUBSCRIBED, NULL);
    }
}

static void on_taken(struct nki_feed *feed, int64_t now_ns)
{
    (void)now_ns;
    tell_room(publisher_of(feed));
}

/* The first time at which something of what is pending is due. */
static int64_t due_ns(struct nki_publisher *publisher)
{
    uint64_t issued = atomic_load(&publisher->issued);
    int64_t at_ns = publisher->up_ns;
    uint64_t id = atomic_load(&publisher->oldest);
    while (id <= issued && find(publisher, id) == NULL) {
        id++;
    }
    if (id <= issued) {
        int64_t late_ns = nki_publisher_slot(publisher, id)->at_ns + publisher->ack_wait_ns;
        at_ns = late_ns < at_ns ? late_ns : at_ns;
    }
    if (!nki_list_empty(&publisher->pauses)) {
        int64_t retry_ns =
            NKI_CONTAINER_OF(publisher->pauses.next, struct nki_publisher_slot, paused)->retry_ns;
        at_ns = retry_ns < at_ns ? retry_ns : at_ns;
    }
    return at_ns;
}

void nki_publisher_arm(struct nki_publisher *publisher)
{
    int64_t at_ns = due_ns(publisher);
    atomic_store(&publisher->armed, at_ns != NKI_NEVER);
    if (at_ns == NKI_NEVER) {
        at_ns = due_ns(publisher); /* it was published before that could be seen */
        atomic_store(&publisher->armed, at_ns != NKI_NEVER);
    }
    publisher->armed_ns = at_ns;
    nki_feed_arm(&publisher->feed, at_ns);
}

static void on_tick(struct nki_feed *feed, int64_t now_ns)
{
    struct nki_publisher *publisher = publisher_of(feed);
    uint64_t issued = atomic_load(&publisher->issued);
    end_pauses(publisher, now_ns);
    if (publisher->up_ns <= now_ns) {
        send_waiting(publisher, now_ns);
    }
    for (uint64_t id = atomic_load(&publisher->oldest); id <= issued; id++) {
        struct nki_publisher_slot *slot = find(publisher, id);
        if (slot == NULL) {
            continue;
        }
        if (slot->at_ns + publisher->ack_wait_ns > now_ns) {
            break; /* they stand in the order of their times */
        }
        end_late(publisher, slot, now_ns);
    }
    nki_feed_settle(feed);
    nki_publisher_arm(publisher);
}

/* What was written goes before what waits in the outbox, which was published later: so a stream gets them in
 * their order. What is too much for that comes behind it, and what is not to be sent twice: only frames in
 * the outbox are known not to have been written. */
static void on_again(struct nki_feed *feed, struct nki_buf *frames)
{
    struct nki_publisher *publisher = publisher_of(feed);
    uint64_t issued = atomic_load(&publisher->issued);
    bool room = true;
    if (publisher->waits_up == 0) {
        return;
    }
    for (uint64_t id = atomic_load(&publisher->oldest); id <= issued; id++) {
        struct nki_publisher_slot *slot = find(publisher, id);
        if (slot == NULL || !slot->waits_up || !slot->idempotent) {
            continue;
        }
        struct nki_outgoing_msg frame = nki_publisher_frame(slot);
        bool fits = nki_engine_check_size(feed->engine, &frame) == NKI_OK;
        room = room && (!fits || (frames->len < AGAIN_MAX && nki_feed_append_frame(frames, &frame)));
        slot->replayed = fits && room;
    }
}

/* They are on their way. */
static void note_again(struct nki_publisher *publisher)
{
    uint64_t issued = atomic_load(&publisher->issued);
    for (uint64_t id = atomic_load(&publisher->oldest); id <= issued && publisher->waits_up > 0; id++) {
        struct nki_publisher_slot *slot = find(publisher, id);
        if (slot != NULL && slot->waits_up && slot->replayed) {
            slot->waits_up = slot->replayed = false;
            publisher->waits_up--;
            publisher->resent++;
        }
    }
}

static void on_up(struct nki_feed *feed, int64_t now_ns)
{
    struct nki_publisher *publisher = publisher_of(feed);
    if (publisher->waits_up > 0) {
        note_again(publisher);
        send_waiting(publisher, now_ns);
        nki_publisher_arm(publisher);
    }
}

/* What was written may be stored or not; what was not stays in the outbox, and comes to the next transport.
 */
static void on_down(struct nki_feed *feed, int64_t now_ns)
{
    struct nki_publisher *publisher = publisher_of(feed);
    uint64_t issued = atomic_load(&publisher->issued);
    uint64_t written = nki_outbox_confirmed(&feed->engine->outbox);
    publisher->up_ns = NKI_NEVER;
    for (uint64_t id = atomic_load(&publisher->oldest); id <= issued; id++) {
        struct nki_publisher_slot *slot = find(publisher, id);
        if (slot == NULL || slot->mark > written || !nki_list_empty(&slot->paused) || slot->waits_up) {
            continue;
        }
        slot->doubt = true;
        if (slot->idempotent) {
            wait_up(publisher, slot, now_ns);
        } else {
            /* Without memory for it the message goes on waiting, until its time is over. */
            (void)end_without(publisher, slot, NKI_DISCONNECTED, NKI_OUTCOME_UNKNOWN, "");
        }
    }
    nki_feed_settle(feed);
}

static void on_denied(struct nki_feed *feed, struct nki_str subject, const struct nki_error *error)
{
    struct nki_publisher *publisher = publisher_of(feed);
    uint64_t issued = atomic_load(&publisher->issued);
    for (uint64_t id = atomic_load(&publisher->oldest); id <= issued; id++) {
        struct nki_publisher_slot *slot = find(publisher, id);
        if (slot != NULL && nki_str_eq(subject, nki_str_make(slot->bytes, slot->subject_len))) {
            (void)end_without(publisher, slot, NKI_PERMISSION, refused_outcome(slot), error->text);
        }
    }
}

static bool on_unsent(struct nki_feed *feed, struct nki_str reply, const struct nki_error *error)
{
    bool ours;
    struct nki_publisher_slot *slot = slot_of(publisher_of(feed), reply, &ours);
    if (slot != NULL) {
        int32_t outcome = slot->doubt ? NKI_OUTCOME_UNKNOWN : NKI_OUTCOME_NOT_SENT;
        (void)end_without(publisher_of(feed), slot, error->status, outcome, error->text);
    }
    return ours; /* one without a slot has its outcome */
}

static void refuse(struct nki_publisher *publisher, int32_t status)
{
    pthread_mutex_lock(&publisher->window.mu);
    publisher->ended = publisher->ended != 0 ? publisher->ended : status;
    nki_waitable_signal(&publisher->window, true);
    pthread_mutex_unlock(&publisher->window.mu);
}

static void on_drain(struct nki_feed *feed, int64_t now_ns)
{
    (void)now_ns;
    struct nki_publisher *publisher = publisher_of(feed);
    refuse(publisher, NKI_DRAINING);
    publisher->draining = true;
    nki_feed_settle(feed);
}

static bool on_waits(const struct nki_feed *feed, uint64_t accepted)
{
    struct nki_publisher *publisher = publisher_of((struct nki_feed *)(uintptr_t)feed);
    uint64_t issued = atomic_load(&publisher->issued);
    for (uint64_t id = atomic_load(&publisher->oldest); id <= issued; id++) {
        const struct nki_publisher_slot *slot = find(publisher, id);
        if (slot != NULL && nki_list_empty(&slot->paused)) {
            return slot->mark <= accepted; /* those behind it were sent later, nearly always */
        }
    }
    return false;
}

/* What is known at the end of a message that is still waiting. */
static int32_t last_outcome(const struct nki_publisher_slot *slot, bool closed, uint64_t written)
{
    bool never = closed && slot->mark > written && nki_list_empty(&slot->paused) && !slot->waits_up;
    if (never && !slot->doubt) {
        return NKI_OUTCOME_NOT_SENT;
    }
    return sent_outcome(slot);
}

static void on_end(struct nki_feed *feed, int32_t reason)
{
    struct nki_publisher *publisher = publisher_of(feed);
    int32_t status = reason == NKI_UNSUBSCRIBED ? NKI_CLOSED : reason;
    refuse(publisher, status);
    uint64_t issued = atomic_load(&publisher->issued);
    if (publisher->done < issued) {
        bool closed = reason == NKI_CLOSED; /* the outbox, too */
        uint64_t written = nki_outbox_confirmed(&feed->engine->outbox);
        for (uint64_t id = atomic_load(&publisher->oldest); id <= issued; id++) {
            struct nki_publisher_slot *slot = find(publisher, id);
            if (slot != NULL &&
                !end_without(publisher, slot, status, last_outcome(slot, closed, written), "")) {
                const struct nki_pub_ack untold = {.status = NKI_NO_MEMORY};
                vacate(publisher, slot,
                       &untold); /* there is no later time for it: counted, and nothing else */
            }
        }
        nki_list_remove(&feed->unsettled);
    }
    if (feed->engine != NULL) {
        nki_publisher_settle(publisher);
        finish_done(publisher, UINT64_MAX);
    }
    nki_publisher_release(publisher);
}

const struct nki_feed_ops nki_publisher_feed_ops = {
    .up = on_up,
    .again = on_again,
    .down = on_down,
    .message = on_message,
    .tick = on_tick,
    .taken = on_taken,
    .settle = on_settle,
    .denied = on_denied,
    .unsent = on_unsent,
    .drain = on_drain,
    .waits = on_waits,
    .end = on_end,
};
