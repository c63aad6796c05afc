/* Waiting for many objects at once. Interest is one-shot: an armed object that becomes ready is listed once,
 * collected by exactly one thread, and is then disarmed.
 *
 * Locks: an object's own mutex is taken before its set's. The link of an object is guarded by the object's
 * mutex (set) and the set's mutex (state, tag, node). */
#ifndef NKI_DELIVERY_WAITSET_H
#define NKI_DELIVERY_WAITSET_H

#include "base/list.h"
#include "base/status.h"

struct nki_waitset;

enum nki_link_state { NKI_LINK_DISARMED, NKI_LINK_ARMED, NKI_LINK_LISTED };

/* An object's place in a set, embedded in it. */
struct nki_wait_link {
    struct nki_list node;
    struct nki_waitset *set; /* holds a reference; NULL: in none */
    uint64_t object;
    uint64_t tag;
    int32_t kind;
    int32_t state;
};

struct nki_wait_record {
    uint64_t object;
    uint64_t tag;
    int32_t kind;
    int32_t reserved;
};

/* NULL with `err` if there is no memory or no descriptor. One reference. */
struct nki_waitset *nki_waitset_new(struct nki_error *err);
void nki_waitset_retain(struct nki_waitset *set);
void nki_waitset_release(struct nki_waitset *set);
/* Wakes waiting callers; the set collects nothing any more. */
void nki_waitset_close(struct nki_waitset *set);
/* What a caller that waits has to do before: a number for whoever uses the set; 0: nothing. Any thread. */
void nki_waitset_set_hint(struct nki_waitset *set, uint64_t hint);
uint64_t nki_waitset_hint(struct nki_waitset *set);
/* Of which connection, by its number, an object is added; the one of all that were; 0: of none, or of
 * several. Any thread. */
void nki_waitset_add_of(struct nki_waitset *set, uint64_t conn);
uint64_t nki_waitset_only(struct nki_waitset *set);
/* Readable if records wait (but see nki_waitset_feed), and for whatever the set watches; made when first
 * asked for. */
int nki_waitset_fd(struct nki_waitset *set);
/* Readable if and only if records wait, or the set is closed or called; but see nki_waitset_feed. */
int nki_waitset_wake_fd(const struct nki_waitset *set);
/* Makes the first one readable when `fd` is, too: for one at a time, and if somebody has asked for it. `by`,
 * a number other than 0, is told by nki_waitset_reads meanwhile. */
bool nki_waitset_watch(struct nki_waitset *set, int fd, uint64_t by);
void nki_waitset_unwatch(struct nki_waitset *set, int fd);
uint64_t nki_waitset_reads(struct nki_waitset *set);
/* By who reads and feeds a connection, and collects between the two: what becomes ready wakes nobody before
 * the second, and then only what he has left. Not to be waited in between. */
void nki_waitset_feed(struct nki_waitset *set);
void nki_waitset_fed(struct nki_waitset *set);
/* Makes it readable for a loop that polls it, although no record waits: there is something to do for `by`, a
 * number other than 0. Who collects without waiting asks, and gets the number once; else 0. Any thread. */
void nki_waitset_call(struct nki_waitset *set, uint64_t by);
uint64_t nki_waitset_answer(struct nki_waitset *set);
/* NKI_OK with *count > 0, NKI_TIMEOUT, NKI_WOULD_BLOCK (deadline 0), NKI_CLOSED. */
int32_t nki_waitset_wait(struct nki_waitset *set, struct nki_wait_record *records, size_t cap,
                         int64_t deadline_ns, size_t *count);

/* For the objects; each with the object's mutex held. */

/* Puts the object into the set, or replaces its tag; NKI_BUSY if it is in another that is not closed. */
int32_t nki_link_add(struct nki_wait_link *link, struct nki_waitset *set, uint64_t object, int32_t kind,
                     uint64_t tag);
void nki_link_remove(struct nki_wait_link *link);
/* Arms, and lists at once if `ready`. */
void nki_link_arm(struct nki_wait_link *link, bool ready);
/* Became ready: lists it if it is armed, and says whether it was. */
bool nki_link_ready_slow(struct nki_wait_link *link);

static inline bool nki_link_ready(struct nki_wait_link *link)
{
    return link->set != NULL && nki_link_ready_slow(link);
}

#endif
