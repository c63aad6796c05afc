/* Accounting of requests for messages: see pull.h. */
#include "jetstream/pull.h"

#include <string.h>

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t nki_pulls_open(struct nki_pulls *pulls, uint64_t msgs, uint64_t bytes, int64_t now_ns,
                        int64_t late_ns)
{
    assert(!nki_pulls_full(pulls) && msgs > 0);
    uint64_t serial = pulls->next++;
    *nki_pulls_at(pulls, pulls->count++) = (struct nki_pull){.serial = serial,
                                                             .sent_ns = now_ns,
                                                             .late_ns = late_ns,
                                                             .asked_msgs = msgs,
                                                             .asked_bytes = bytes,
                                                             .left_msgs = msgs,
                                                             .left_bytes = bytes};
    pulls->msgs += msgs;
    pulls->bytes += bytes;
    return serial;
}

static uint32_t index_of(struct nki_pulls *pulls, uint64_t serial)
{
    uint32_t i = 0;
    while (i < pulls->count && nki_pulls_at(pulls, i)->serial != serial) {
        i++;
    }
    return i;
}

struct nki_pull *nki_pulls_find(struct nki_pulls *pulls, uint64_t serial)
{
    uint32_t i = index_of(pulls, serial);
    return i < pulls->count ? nki_pulls_at(pulls, i) : NULL;
}

/* Takes one out; what is left of it leaves the sums. */
static void take_out(struct nki_pulls *pulls, uint32_t index)
{
    struct nki_pull *pull = nki_pulls_at(pulls, index);
    pulls->msgs -= pull->left_msgs;
    pulls->bytes -= pull->left_bytes;
    if (index == 0) {
        pulls->head = (pulls->head + 1) & (NKI_PULLS_MAX - 1);
    } else {
        for (uint32_t i = index; i + 1 < pulls->count; i++) {
            *nki_pulls_at(pulls, i) = *nki_pulls_at(pulls, i + 1);
        }
    }
    pulls->count--;
}

static bool used_up(const struct nki_pull *pull)
{
    return pull->left_msgs == 0 || (pull->asked_bytes > 0 && pull->left_bytes == 0);
}

static void forget_done(struct nki_pulls *pulls, uint32_t index)
{
    pulls->done_count--;
    memmove(&pulls->done[index], &pulls->done[index + 1],
            (pulls->done_count - index) * sizeof pulls->done[0]);
}

/* All that was asked for with it has come, or else it came for others, and it is still open at the server. */
static void finish(struct nki_pulls *pulls, uint32_t index)
{
    struct nki_pull pull = *nki_pulls_at(pulls, index);
    take_out(pulls, index);
    if (pulls->count == 0) {
        pulls->done_count = 0; /* the sum is exact: none is */
        return;
    }
    if (pulls->done_count == NKI_PULLS_MAX) {
        forget_done(pulls, 0);
    }
    pulls->done[pulls->done_count++] = pull;
}

/* Takes so much off the oldest, and those behind it. */
static void take_off(struct nki_pulls *pulls, uint64_t msgs, uint64_t bytes)
{
    for (uint32_t i = 0; i < pulls->count && (msgs > 0 || bytes > 0);) {
        struct nki_pull *pull = nki_pulls_at(pulls, i);
        uint64_t of_msgs = least(msgs, pull->left_msgs);
        uint64_t of_bytes = least(bytes, pull->left_bytes);
        pull->left_msgs -= of_msgs;
        pull->left_bytes -= of_bytes;
        pulls->msgs -= of_msgs;
        pulls->bytes -= of_bytes;
        msgs -= of_msgs;
        bytes -= of_bytes;
        if (used_up(pull)) {
            finish(pulls, i);
        } else {
            i++;
        }
    }
}

/* What was put down to another request had come for these: the oldest first, up to what they had asked for.
 */
static void put_on(struct nki_pulls *pulls, uint64_t msgs, uint64_t bytes)
{
    for (uint32_t i = 0; i < pulls->count; i++) {
        struct nki_pull *pull = nki_pulls_at(pulls, i);
        uint64_t to_msgs = least(msgs, pull->asked_msgs - pull->left_msgs);
        uint64_t to_bytes = least(bytes, pull->asked_bytes - pull->left_bytes);
        pull->left_msgs += to_msgs;
        pull->left_bytes += to_bytes;
        pulls->msgs += to_msgs;
        pulls->bytes += to_bytes;
        msgs -= to_msgs;
        bytes -= to_bytes;
    }
    while ((msgs > 0 || bytes > 0) && pulls->done_count > 0 && pulls->count < NKI_PULLS_MAX) {
        struct nki_pull pull = pulls->done[--pulls->done_count]; /* it was not done */
        pull.left_msgs = least(msgs, pull.asked_msgs);
        pull.left_bytes = least(bytes, pull.asked_bytes);
        pulls->msgs += pull.left_msgs;
        pulls->bytes += pull.left_bytes;
        msgs -= pull.left_msgs;
        bytes -= pull.left_bytes;
        *nki_pulls_at(pulls, pulls->count++) = pull;
    }
}

void nki_pulls_got_slow(struct nki_pulls *pulls, uint64_t size)
{
    take_off(pulls, 1, size);
}

static uint32_t done_index_of(const struct nki_pulls *pulls, uint64_t serial)
{
    uint32_t i = 0;
    while (i < pulls->done_count && pulls->done[i].serial != serial) {
        i++;
    }
    return i;
}

void nki_pulls_give_back(struct nki_pulls *pulls, uint64_t serial, uint64_t msgs, uint64_t bytes)
{
    uint64_t left_msgs = 0;
    uint64_t left_bytes = 0;
    uint32_t i = index_of(pulls, serial);
    uint32_t done = done_index_of(pulls, serial);
    if (i < pulls->count) {
        left_msgs = nki_pulls_at(pulls, i)->left_msgs;
        left_bytes = nki_pulls_at(pulls, i)->left_bytes;
        take_out(pulls, i);
    } else if (done < pulls->done_count) {
        forget_done(pulls, done);
    } else {
        return;
    }
    take_off(pulls, msgs > left_msgs ? msgs - left_msgs : 0, bytes > left_bytes ? bytes - left_bytes : 0);
    put_on(pulls, left_msgs > msgs ? left_msgs - msgs : 0, left_bytes > bytes ? left_bytes - bytes : 0);
}

void nki_pulls_drop(struct nki_pulls *pulls, uint64_t serial)
{
    uint32_t i = index_of(pulls, serial);
    uint32_t done = done_index_of(pulls, serial);
    if (i < pulls->count) {
        take_out(pulls, i);
    } else if (done < pulls->done_count) {
        forget_done(pulls, done);
    }
}

void nki_pulls_reset(struct nki_pulls *pulls)
{
    pulls->head = 0;
    pulls->count = 0;
    pulls->done_count = 0;
    pulls->msgs = 0;
    pulls->bytes = 0;
    pulls->first = pulls->next;
}

int64_t nki_pulls_late_ns(const struct nki_pulls *pulls)
{
    int64_t first_ns = NKI_NEVER;
    for (uint32_t i = 0; i < pulls->count; i++) {
        int64_t late_ns = pulls->ring[(pulls->head + i) & (NKI_PULLS_MAX - 1)].late_ns;
        first_ns = late_ns < first_ns ? late_ns : first_ns;
    }
    return first_ns;
}
