/* SPDX-License-Identifier: Apache-2.0
 *
 * What was published and what arrived, and when either was impossible: judges of a run whether each gap has
 * an excuse. Knows nothing of the library. Times are ns since 1970, as those of events.
 *
 * The model. A *stream* is the messages of one publisher, numbered from 0; a *view* is what one subscriber
 * saw of one stream. A *life* is that of one connection: when it had none, and at which node it was
 * otherwise. A *node* has times in which it was faulty. Then
 *
 *   a number does not come twice, unless the subscriber went to another server in between: the publisher's
 *   server sends one copy to each server that has subscribers, and a copy that the next server reads late
 * finds the subscriber there, who had the other one already. No server and no client can tell. Messages that
 * a publisher sent twice would come to all subscribers twice, whether they moved or not; a number that is
 * missing was published while the publisher or the subscriber had no connection, or one to a faulty node; a
 * number that comes after a later one: between the two the publisher lost a transport, whose server may still
 * deliver what it had taken while the next server does already.
 *
 * Each of these times is widened by a margin, TS_LEDGER_MARGIN_NS, see there.
 *
 * Threads: note_* by one thread for each stream, view and life; the judging when all of them have ended.
 */
#ifndef TS_LEDGER_H
#define TS_LEDGER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Added to both sides of each time. Before it: a message that was published is still on its way when the
 * fault comes: in the outbox, in the sockets' buffers, in the server; and a subscriber that moves away takes
 * back its interest before its event of that. After it: a subscription that was sent again counts at the
 * publisher's server only when the routes have carried it there, and nothing tells when that is. Both take
 * milliseconds on an idle machine; the margin is for one whose two cores are shared with other work. */
#define TS_LEDGER_MARGIN_NS INT64_C(1000000000)

enum { TS_LEDGER_NODES = 3 };

struct ts_ledger_span {
    int64_t begin_ns;
    int64_t end_ns; /* INT64_MAX: not over */
    int node;       /* of a life: where it was; -1: nowhere */
};

struct ts_ledger_spans {
    struct ts_ledger_span *at;
    size_t count;
    size_t cap;
};

struct ts_ledger_node {
    struct ts_ledger_spans faults;
};

struct ts_ledger_life {
    struct ts_ledger_spans spans; /* one after the other, without a gap */
};

struct ts_ledger_stream {
    const struct ts_ledger_life *life; /* of the publisher's connection */
    int64_t *published_ns;
    size_t cap;
    _Atomic uint64_t count; /* numbers that were accepted */
};

struct ts_ledger_reorder {
    uint64_t number;
    uint64_t after;
};

struct ts_ledger_repeat {
    uint64_t number;
    int64_t at_ns;
};

struct ts_ledger_view {
    const struct ts_ledger_stream *stream;
    const struct ts_ledger_life *life; /* of the subscriber's connection */
    uint8_t *seen;
    _Atomic uint64_t end; /* above the highest number that came */
    _Atomic uint64_t taken;
    struct ts_ledger_reorder *reorders;
    size_t reorder_count;
    size_t reorder_cap;
    struct ts_ledger_repeat *repeats;
    size_t repeat_count;
    size_t repeat_cap;
};

struct ts_ledger_verdict {
    uint64_t published;
    uint64_t taken;
    uint64_t missing;
    uint64_t reordered;
    uint64_t repeated;
    uint64_t bad; /* of these, without an excuse */
    char first_bad[160];
};

int64_t ts_ledger_now_ns(void);

void ts_ledger_fault_begins(struct ts_ledger_node *node);
void ts_ledger_fault_ends(struct ts_ledger_node *node);

/* The connection is at this node now, or (-1) at none, since then. */
void ts_ledger_note_life(struct ts_ledger_life *life, int node, int64_t since_ns);

void ts_ledger_stream_init(struct ts_ledger_stream *stream, const struct ts_ledger_life *life, size_t cap);
/* The next number, whose time is noted; false when there is no room for more. Then it was accepted. */
bool ts_ledger_begin(struct ts_ledger_stream *stream, uint64_t *number);
void ts_ledger_accepted(struct ts_ledger_stream *stream);

void ts_ledger_view_init(struct ts_ledger_view *view, const struct ts_ledger_stream *stream,
                         const struct ts_ledger_life *life);
/* A number came. False: it is none of the stream. */
bool ts_ledger_note(struct ts_ledger_view *view, uint64_t number);

/* Whether the connection was somewhere and its node sound, all the time between these two and around them. */
bool ts_ledger_well(const struct ts_ledger_node nodes[TS_LEDGER_NODES], const struct ts_ledger_life *life,
                    int64_t from_ns, int64_t to_ns);

void ts_ledger_judge(const struct ts_ledger_view *view, const struct ts_ledger_node nodes[TS_LEDGER_NODES],
                     struct ts_ledger_verdict *verdict);

void ts_ledger_stream_free(struct ts_ledger_stream *stream);
void ts_ledger_view_free(struct ts_ledger_view *view);
void ts_ledger_spans_free(struct ts_ledger_spans *spans);

#endif
