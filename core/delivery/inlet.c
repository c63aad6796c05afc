/* Inlets: see inlet.h. */
#include "delivery/inlet.h"

#include "base/clock.h"

int nki_inlet_init(struct nki_inlet *inlet, struct nki_inlet_limits limits)
{
    memset(inlet, 0, sizeof *inlet);
    inlet->limit_msgs = limits.msgs < UINT32_MAX ? (uint32_t)limits.msgs : UINT32_MAX;
    inlet->limit_bytes = limits.bytes;
    return nki_waitable_init(&inlet->wait);
}

void nki_inlet_limit(struct nki_inlet *inlet, struct nki_inlet_limits limits)
{
    pthread_mutex_lock(&inlet->wait.mu);
    inlet->limit_msgs = limits.msgs < UINT32_MAX ? (uint32_t)limits.msgs : UINT32_MAX;
    inlet->limit_bytes = limits.bytes;
    pthread_mutex_unlock(&inlet->wait.mu);
}

void nki_inlet_destroy(struct nki_inlet *inlet)
{
    nki_msg_release_chain(inlet->head);
    nki_msg_release_chain(inlet->staged_head);
    nki_waitable_destroy(&inlet->wait);
}

/* Appends a chain of `msgs` messages; with the mutex held. */
static void append_locked(struct nki_inlet *inlet, struct nki_msg *head, struct nki_msg *tail, uint32_t msgs,
                          uint64_t bytes)
{
    if (inlet->tail != NULL) {
        inlet->tail->next = head;
    } else {
        inlet->head = head;
    }
    inlet->tail = tail;
    inlet->pending_msgs += msgs;
    inlet->pending_bytes += bytes;
    if (inlet->pending_msgs > inlet->high_msgs) {
        inlet->high_msgs = inlet->pending_msgs;
    }
    if (inlet->pending_bytes > inlet->high_bytes) {
        inlet->high_bytes = inlet->pending_bytes;
    }
}

static bool has_room(const struct nki_inlet *inlet, uint32_t msgs, uint64_t bytes)
{
    return (uint64_t)inlet->pending_msgs + msgs <= inlet->limit_msgs &&
           inlet->pending_bytes + bytes <= inlet->limit_bytes;
}

/* Over a limit: appends what fits, one by one, and returns the chain of those that do not. */
static struct nki_msg *append_what_fits(struct nki_inlet *inlet, struct nki_msg *head)
{
    struct nki_msg *dropped = NULL;
    while (head != NULL) {
        struct nki_msg *next = head->next;
        if (has_room(inlet, 1, head->slot_bytes)) {
            head->next = NULL;
            append_locked(inlet, head, head, 1, head->slot_bytes);
        } else {
            inlet->dropped_msgs++;
            inlet->dropped_bytes += head->slot_bytes;
            head->next = dropped;
            dropped = head;
        }
        head = next;
    }
    return dropped;
}

/* With the mutex held. */
static void set_slow(struct nki_inlet *inlet, bool slow)
{
    inlet->slow = slow;
    if (inlet->end_reason == 0) {
        inlet->since_ns = nki_clock_now_ns();
    }
}

/* With the mutex held. */
static void set_end(struct nki_inlet *inlet, int32_t reason)
{
    inlet->end_reason = reason;
    inlet->since_ns = nki_clock_now_ns();
}

uint64_t nki_inlet_flush(struct nki_inlet *inlet, int32_t end_reason, struct nki_inlet_handed *handed)
{
    struct nki_msg *head = inlet->staged_head;
    struct nki_msg *tail = inlet->staged_tail;
    uint32_t msgs = inlet->staged_msgs;
    uint64_t bytes = inlet->staged_bytes;
    inlet->staged_head = NULL;
    inlet->staged_tail = NULL;
    inlet->staged_msgs = 0;
    inlet->staged_bytes = 0;

    struct nki_msg *dropped = NULL;
    pthread_mutex_lock(&inlet->wait.mu);
    uint64_t dropped_before = inlet->dropped_msgs;
    if (inlet->wait.closed) {
        dropped = head;
        inlet->dropped_msgs += msgs;
        inlet->dropped_bytes += bytes;
    } else if (head != NULL && has_room(inlet, msgs, bytes)) {
        append_locked(inlet, head, tail, msgs, bytes);
    } else if (head != NULL) {
        dropped = append_what_fits(inlet, head);
    }
    uint64_t drops = inlet->dropped_msgs - dropped_before;
    *handed = (struct nki_inlet_handed){.episode = drops > 0 && !inlet->slow && !inlet->wait.closed};
    if (handed->episode) {
        set_slow(inlet, true);
    }
    bool ends = end_reason != 0 && inlet->end_reason == 0;
    if (ends) {
        set_end(inlet, end_reason);
    }
    if (inlet->head != NULL || ends) {
        handed->woken = nki_waitable_signal(&inlet->wait, msgs > 1 || ends);
    }
    pthread_mutex_unlock(&inlet->wait.mu);
    nki_msg_release_chain(dropped);
    return drops;
}

bool nki_inlet_missed(struct nki_inlet *inlet, uint64_t msgs)
{
    pthread_mutex_lock(&inlet->wait.mu);
    inlet->dropped_msgs += msgs;
    bool episode = msgs > 0 && !inlet->slow && !inlet->wait.closed;
    if (episode) {
        set_slow(inlet, true);
    }
    pthread_mutex_unlock(&inlet->wait.mu);
    return episode;
}

void nki_inlet_end(struct nki_inlet *inlet, int32_t end_reason)
{
    assert(end_reason != 0);
    pthread_mutex_lock(&inlet->wait.mu);
    if (inlet->end_reason == 0) {
        set_end(inlet, end_reason);
        nki_waitable_signal(&inlet->wait, true);
    }
    pthread_mutex_unlock(&inlet->wait.mu);
}

void nki_inlet_close(struct nki_inlet *inlet)
{
    pthread_mutex_lock(&inlet->wait.mu);
    struct nki_msg *head = inlet->head;
    inlet->head = NULL;
    inlet->tail = NULL;
    inlet->dropped_msgs += inlet->pending_msgs;
    inlet->dropped_bytes += inlet->pending_bytes;
    inlet->pending_msgs = 0;
    inlet->pending_bytes = 0;
    inlet->wait.closed = true;
    nki_link_remove(&inlet->wait.link);
    nki_waitable_signal(&inlet->wait, true);
    pthread_mutex_unlock(&inlet->wait.mu);
    nki_msg_release_chain(head);
}

int32_t nki_inlet_take_locked(struct nki_inlet *inlet, struct nki_msg **out, size_t cap, size_t *count)
{
    *count = 0;
    if (inlet->head == NULL) {
        if (inlet->wait.closed) {
            return NKI_CLOSED;
        }
        return inlet->end_reason != 0 ? NKI_END : NKI_WOULD_BLOCK;
    }
    struct nki_msg *msg = inlet->head;
    uint32_t taken = 0;
    uint64_t bytes = 0;
    while (msg != NULL && taken < cap) {
        out[taken++] = msg;
        bytes += msg->slot_bytes;
        msg = msg->next;
    }
    inlet->head = msg;
    inlet->taken += taken;
    inlet->pending_msgs -= taken;
    inlet->pending_bytes -= bytes;
    if (inlet->slow && inlet->pending_msgs <= inlet->limit_msgs / 2 &&
        inlet->pending_bytes <= inlet->limit_bytes / 2) {
        set_slow(inlet, false);
    }
    if (msg == NULL) {
        inlet->tail = NULL;
        if (inlet->wait.link.set != NULL) {
            nki_link_arm(&inlet->wait.link, inlet->end_reason != 0);
        }
    }
    *count = taken;
    return NKI_OK;
}

void nki_inlet_stats_get(struct nki_inlet *inlet, struct nki_inlet_stats *out)
{
    pthread_mutex_lock(&inlet->wait.mu);
    *out = (struct nki_inlet_stats){
        .received = inlet->taken + inlet->pending_msgs + inlet->dropped_msgs,
        .taken = inlet->taken,
        .pending_msgs = inlet->pending_msgs,
        .pending_bytes = inlet->pending_bytes,
        .high_msgs = inlet->high_msgs,
        .high_bytes = inlet->high_bytes,
        .dropped_msgs = inlet->dropped_msgs,
        .dropped_bytes = inlet->dropped_bytes,
        .limits = {inlet->limit_msgs, inlet->limit_bytes},
        .end_reason = inlet->end_reason,
        .since_ns = inlet->since_ns,
        .slow = inlet->slow,
    };
    pthread_mutex_unlock(&inlet->wait.mu);
}

void nki_inlet_tell_after(struct nki_inlet *inlet, uint32_t msgs)
{
    pthread_mutex_lock(&inlet->wait.mu);
    inlet->tell_after = msgs;
    pthread_mutex_unlock(&inlet->wait.mu);
}

uint64_t nki_inlet_tell_at(struct nki_inlet *inlet, uint64_t ahead, uint64_t least, uint64_t *bytes)
{
    pthread_mutex_lock(&inlet->wait.mu);
    uint64_t waiting = (uint64_t)inlet->pending_msgs + inlet->staged_msgs + inlet->ahead_msgs;
    inlet->counts_ahead = true;
    uint64_t over = ahead + waiting > least ? ahead + waiting - least : 0;
    inlet->tell_after = over < UINT32_MAX ? (uint32_t)over : UINT32_MAX;
    *bytes = inlet->pending_bytes + inlet->staged_bytes + inlet->ahead_bytes;
    pthread_mutex_unlock(&inlet->wait.mu);
    return waiting;
}

uint32_t nki_inlet_handed_locked(struct nki_inlet *inlet)
{
    uint32_t handed = inlet->ahead_msgs;
    inlet->ahead_msgs = 0;
    inlet->ahead_bytes = 0;
    return handed;
}

size_t nki_inlet_cap_ahead_locked(const struct nki_inlet *inlet, size_t cap)
{
    size_t half = ((size_t)inlet->pending_msgs + 1) / 2;
    return !inlet->counts_ahead || half == 0 || cap < half ? cap : half;
}

size_t nki_inlet_ahead_locked(struct nki_inlet *inlet, struct nki_msg *const *msgs, size_t count)
{
    if (!inlet->counts_ahead || count < 2) {
        return 0;
    }
    for (size_t i = 1; i < count; i++) {
        inlet->ahead_bytes += msgs[i]->slot_bytes;
    }
    inlet->ahead_msgs += (uint32_t)count - 1;
    return count - 1;
}

void nki_inlet_watch(struct nki_inlet *inlet)
{
    pthread_mutex_lock(&inlet->wait.mu);
    inlet->watched = true;
    pthread_mutex_unlock(&inlet->wait.mu);
}

bool nki_inlet_hold(struct nki_inlet *inlet, bool on)
{
    pthread_mutex_lock(&inlet->wait.mu);
    bool ok = on || inlet->holds > 0;
    if (ok) {
        inlet->holds += on ? 1 : -1;
    }
    pthread_mutex_unlock(&inlet->wait.mu);
    return ok;
}

uint64_t nki_inlet_holds(struct nki_inlet *inlet)
{
    pthread_mutex_lock(&inlet->wait.mu);
    uint64_t holds = inlet->holds;
    pthread_mutex_unlock(&inlet->wait.mu);
    return holds;
}

bool nki_inlet_drained(struct nki_inlet *inlet)
{
    pthread_mutex_lock(&inlet->wait.mu);
    bool drained = nki_inlet_drained_locked(inlet);
    pthread_mutex_unlock(&inlet->wait.mu);
    return drained;
}
