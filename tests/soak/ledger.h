/* SPDX-License-Identifier: Apache-2.0
 *
 * What was published and what arrived, and when either was impossible: judges of a run whether each gap has
 * an excuse. Knows nothing of the library. Times are ns since 1970, as those of events.
 *
 * The model. A *stream* is the messages of one publisher, numbered from 0; a *view* is what one subscriber
 * saw of one stream. A *life* is that of one connection: when it had none, and at which node it was
 * otherwise. A *node* has times in which it was faulty. Then
 *
 *   a number never comes twice;
 *   a number that is missing was published while the publisher or the subscriber had no connection, or one to
 *   a faulty node;
 *   a number that comes after a later one: between the two the publisher lost a transport, whose server may
 *   still deliver what it had taken while the next server does already.
 *
 * Each of these times is widened by a margin, LEDGER_MARGIN_NS, see there.
 *
 * Threads: note_* by one thread for each stream, view and life; the judging when all of them have ended.
 */
#ifndef TESTS_SOAK_LEDGER_H
#define TESTS_SOAK_LEDGER_H

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
#define LEDGER_MARGIN_NS INT64_C(1000000000)

enum { LEDGER_NODES = 3 };

struct ledger_span {
    int64_t begin_ns;
    int64_t end_ns; /* INT64_MAX: not over */
    int node;       /* of a life: where it was; -1: nowhere */
};

struct ledger_spans {
    struct ledger_span *at;
    size_t count;
    size_t cap;
};

struct ledger_node {
    struct ledger_spans faults;
};

struct ledger_life {
    struct ledger_spans spans; /* one after the other, without a gap */
};

struct ledger_stream {
    const struct ledger_life *life; /* of the publisher's connection */
    int64_t *published_ns;
    size_t cap;
    _Atomic uint64_t count; /* numbers that were accepted */
};

struct ledger_reorder {
    uint64_t number;
    uint64_t after;
};

struct ledger_view {
    const struct ledger_stream *stream;
    const struct ledger_life *life; /* of the subscriber's connection */
    uint8_t *seen;
    _Atomic uint64_t end; /* above the highest number that came */
    _Atomic uint64_t taken;
    struct ledger_reorder *reorders;
    size_t reorder_count;
    size_t reorder_cap;
};

struct ledger_verdict {
    uint64_t published;
    uint64_t taken;
    uint64_t missing;
    uint64_t reordered;
    uint64_t bad; /* of both, without an excuse */
    char first_bad[160];
};

int64_t ledger_now_ns(void);

void ledger_fault_begins(struct ledger_node *node);
void ledger_fault_ends(struct ledger_node *node);

/* The connection is at this node now, or (-1) at none, since then. */
void ledger_note_life(struct ledger_life *life, int node, int64_t since_ns);

void ledger_stream_init(struct ledger_stream *stream, const struct ledger_life *life, size_t cap);
/* The next number, whose time is noted; false when there is no room for more. Then it was accepted. */
bool ledger_begin(struct ledger_stream *stream, uint64_t *number);
void ledger_accepted(struct ledger_stream *stream);

void ledger_view_init(struct ledger_view *view, const struct ledger_stream *stream,
                      const struct ledger_life *life);
/* A number came. False: it came before. */
bool ledger_note(struct ledger_view *view, uint64_t number);

/* Whether the connection was somewhere and its node sound, all the time between these two and around them. */
bool ledger_well(const struct ledger_node nodes[LEDGER_NODES], const struct ledger_life *life,
                 int64_t from_ns, int64_t to_ns);

void ledger_judge(const struct ledger_view *view, const struct ledger_node nodes[LEDGER_NODES],
                  struct ledger_verdict *verdict);

void ledger_stream_free(struct ledger_stream *stream);
void ledger_view_free(struct ledger_view *view);
void ledger_spans_free(struct ledger_spans *spans);

#endif
