/* SPDX-License-Identifier: Apache-2.0
 *
 * nk-tap: what the faults of one direction mean for the next write. Runs on the tap's one thread.
 */
#include "nk_tap.h"

#include <string.h>

struct faults faults_none(void)
{
    return (struct faults){.cut_after = NEVER_CUT};
}

/* True when bytes can go straight from the read buffer to the socket. */
bool faults_plain(const struct pipe *pipe)
{
    const struct faults *f = &pipe->faults;
    return !f->split && !f->delay_ns && !f->rate && !f->stall && !f->blackhole && pipe->cut_at == NEVER_CUT &&
           pipe->due_count == 0 && pipe->head == pipe->queue.len;
}

void faults_apply(struct conn *conn, int dir, const struct faults *faults)
{
    struct pipe *pipe = &conn->pipes[dir];
    int64_t cut_after = faults->cut_after;
    pipe->faults = *faults;
    pipe->faults.cut_after = NEVER_CUT; /* it counts from now: kept as a position */
    pipe->next_ns = 0;
    if (cut_after != NEVER_CUT) {
        pipe->cut_at = (int64_t)pipe->sent + cut_after;
    }
    if (faults->stall || faults->blackhole || faults->rate || faults->delay_ns || faults->split) {
        pipe->was_faulty = true;
    }
}

void faults_queued(struct pipe *pipe, size_t len, int64_t now)
{
    if (!pipe->faults.delay_ns && pipe->due_count == 0) {
        return;
    }
    if (pipe->due_head + pipe->due_count == pipe->due_cap) {
        if (pipe->due_head) {
            memmove(pipe->dues, pipe->dues + pipe->due_head, pipe->due_count * sizeof *pipe->dues);
            pipe->due_head = 0;
        } else {
            pipe->due_cap = pipe->due_cap ? pipe->due_cap * 2 : 64;
            pipe->dues = ts_realloc(pipe->dues, pipe->due_cap * sizeof *pipe->dues);
        }
    }
    int64_t at = now + pipe->faults.delay_ns;
    if (pipe->due_count) {
        int64_t last = pipe->dues[pipe->due_head + pipe->due_count - 1].at;
        at = at > last ? at : last; /* a shorter delay must not overtake */
    }
    pipe->dues[pipe->due_head + pipe->due_count++] = (struct due){at, len};
    pipe->due_total += len;
}

/* What may go of `pending` bytes: those that were queued before the delay began have no entry and are free.
 */
static size_t due_bytes(struct pipe *pipe, size_t pending, int64_t now)
{
    size_t ready = pending - pipe->due_total;
    for (size_t i = 0; i < pipe->due_count; i++) {
        const struct due *due = &pipe->dues[pipe->due_head + i];
        if (due->at > now) {
            pipe->wake_ns = ready ? 0 : due->at;
            break;
        }
        ready += due->len;
    }
    return ready;
}

size_t faults_allow(struct pipe *pipe, int64_t now)
{
    const struct faults *f = &pipe->faults;
    size_t pending = pipe->queue.len - pipe->head;
    pipe->wake_ns = 0;
    if (f->stall || pending == 0) {
        return 0;
    }
    if (pipe->next_ns > now) {
        pipe->wake_ns = pipe->next_ns;
        return 0;
    }
    size_t most = pipe->due_count ? due_bytes(pipe, pending, now) : pending;
    if (f->split && most > f->split) {
        most = (size_t)f->split;
    }
    if (f->rate) {
        size_t slot = (size_t)(f->rate / 100) ? (size_t)(f->rate / 100) : 1;
        most = most < slot ? most : slot;
    }
    if (pipe->cut_at != NEVER_CUT) {
        size_t left = (size_t)(pipe->cut_at - (int64_t)pipe->sent);
        most = most < left ? most : left;
    }
    return most;
}

void faults_sent(struct pipe *pipe, size_t len, int64_t now)
{
    const struct faults *f = &pipe->faults;
    /* entries cover the end of the queue; the bytes before them went first */
    size_t uncovered = pipe->queue.len - pipe->head + len - pipe->due_total;
    size_t rest = len > uncovered ? len - uncovered : 0;
    pipe->due_total -= rest;
    while (rest && pipe->due_count) {
        struct due *due = &pipe->dues[pipe->due_head];
        size_t take = due->len < rest ? due->len : rest;
        due->len -= take;
        rest -= take;
        if (due->len == 0) {
            pipe->due_head++;
            pipe->due_count--;
        }
    }
    if (f->rate) {
        pipe->next_ns = now + (int64_t)((double)len * 1e9 / (double)f->rate);
    } else if (f->split && f->split_gap_ns) {
        pipe->next_ns = now + f->split_gap_ns;
    }
}
