/* See ledger.h. */
#include "ledger.h"

#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t ts_ledger_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Room for one more of `size` bytes. */
static void *grown(void *at, size_t count, size_t *cap, size_t size)
{
    if (count < *cap) {
        return at;
    }
    *cap = *cap == 0 ? 64 : *cap * 2;
    at = realloc(at, *cap * size);
    if (at == NULL) {
        abort();
    }
    return at;
}

static void add_span(struct ts_ledger_spans *spans, int node, int64_t begin_ns)
{
    spans->at = grown(spans->at, spans->count, &spans->cap, sizeof *spans->at);
    spans->at[spans->count++] = (struct ts_ledger_span){begin_ns, INT64_MAX, node};
}

void ts_ledger_fault_begins(struct ts_ledger_node *node)
{
    add_span(&node->faults, -1, ts_ledger_now_ns());
}

void ts_ledger_fault_ends(struct ts_ledger_node *node)
{
    node->faults.at[node->faults.count - 1].end_ns = ts_ledger_now_ns();
}

void ts_ledger_note_life(struct ts_ledger_life *life, int node, int64_t since_ns)
{
    if (life->spans.count > 0) {
        life->spans.at[life->spans.count - 1].end_ns = since_ns;
    }
    add_span(&life->spans, node, since_ns);
}

void ts_ledger_stream_init(struct ts_ledger_stream *stream, const struct ts_ledger_life *life, size_t cap)
{
    *stream = (struct ts_ledger_stream){.life = life, .cap = cap};
    stream->published_ns = ts_alloc(cap * sizeof *stream->published_ns);
}

bool ts_ledger_begin(struct ts_ledger_stream *stream, uint64_t *number)
{
    *number = atomic_load(&stream->count);
    if (*number == stream->cap) {
        return false;
    }
    stream->published_ns[*number] = ts_ledger_now_ns();
    return true;
}

void ts_ledger_accepted(struct ts_ledger_stream *stream)
{
    atomic_fetch_add(&stream->count, 1);
}

void ts_ledger_view_init(struct ts_ledger_view *view, const struct ts_ledger_stream *stream,
                         const struct ts_ledger_life *life)
{
    *view = (struct ts_ledger_view){.stream = stream, .life = life};
    view->seen = ts_alloc(stream->cap);
    memset(view->seen, 0, stream->cap);
}

bool ts_ledger_note(struct ts_ledger_view *view, uint64_t number)
{
    if (number >= view->stream->cap) {
        return false;
    }
    if (view->seen[number] != 0) {
        view->repeats = grown(view->repeats, view->repeat_count, &view->repeat_cap, sizeof *view->repeats);
        view->repeats[view->repeat_count++] = (struct ts_ledger_repeat){number, ts_ledger_now_ns()};
        return true;
    }
    view->seen[number] = 1;
    atomic_fetch_add(&view->taken, 1);
    uint64_t end = atomic_load(&view->end);
    if (number >= end) {
        atomic_store(&view->end, number + 1);
        return true;
    }
    view->reorders = grown(view->reorders, view->reorder_count, &view->reorder_cap, sizeof *view->reorders);
    view->reorders[view->reorder_count++] = (struct ts_ledger_reorder){number, end - 1};
    return true;
}

/* Whether a span, widened by the margin, meets this time. */
static bool meets(const struct ts_ledger_span *span, int64_t from_ns, int64_t to_ns)
{
    int64_t end_ns = span->end_ns == INT64_MAX ? INT64_MAX : span->end_ns + TS_LEDGER_MARGIN_NS;
    return span->begin_ns - TS_LEDGER_MARGIN_NS <= to_ns && from_ns <= end_ns;
}

static bool any_meets(const struct ts_ledger_spans *spans, int64_t from_ns, int64_t to_ns)
{
    for (size_t i = 0; i < spans->count; i++) {
        if (meets(&spans->at[i], from_ns, to_ns)) {
            return true;
        }
    }
    return false;
}

/* Whether between these two times, or around them, the connection had trouble. */
static bool troubled(const struct ts_ledger_node nodes[TS_LEDGER_NODES], const struct ts_ledger_life *life,
                     int64_t from_ns, int64_t to_ns)
{
    for (size_t i = 0; i < life->spans.count; i++) {
        const struct ts_ledger_span *span = &life->spans.at[i];
        if (meets(span, from_ns, to_ns) &&
            (span->node < 0 || any_meets(&nodes[span->node].faults, from_ns, to_ns))) {
            return true;
        }
    }
    return false;
}

bool ts_ledger_well(const struct ts_ledger_node nodes[TS_LEDGER_NODES], const struct ts_ledger_life *life,
                    int64_t from_ns, int64_t to_ns)
{
    return !troubled(nodes, life, from_ns, to_ns);
}

/* Whether the subscriber came to another server between the two, and that one may have read its copy of what
 * was published then so late. */
static bool moved_between(const struct ts_ledger_node nodes[TS_LEDGER_NODES],
                          const struct ts_ledger_life *life, int64_t published_ns, int64_t at_ns)
{
    for (size_t i = 1; i + 1 < life->spans.count; i++) {
        const struct ts_ledger_span *away = &life->spans.at[i];
        const struct ts_ledger_span *next = &life->spans.at[i + 1];
        bool between =
            away->node < 0 && published_ns <= away->begin_ns && next->begin_ns <= at_ns + TS_LEDGER_MARGIN_NS;
        if (between && (away->begin_ns - published_ns <= TS_LEDGER_MARGIN_NS ||
                        any_meets(&nodes[next->node].faults, published_ns, away->begin_ns))) {
            return true;
        }
    }
    return false;
}

static void blame(struct ts_ledger_verdict *verdict, const struct ts_ledger_view *view, const char *what,
                  uint64_t number, uint64_t after)
{
    if (verdict->bad++ == 0) {
        snprintf(verdict->first_bad, sizeof verdict->first_bad,
                 "%" PRIu64 " %s (%" PRIu64 "), published at %" PRId64, number, what, after,
                 view->stream->published_ns[number]);
    }
}

void ts_ledger_judge(const struct ts_ledger_view *view, const struct ts_ledger_node nodes[TS_LEDGER_NODES],
                     struct ts_ledger_verdict *verdict)
{
    const struct ts_ledger_stream *stream = view->stream;
    *verdict = (struct ts_ledger_verdict){.published = atomic_load(&stream->count),
                                          .taken = atomic_load(&view->taken)};
    for (uint64_t number = 0; number < verdict->published; number++) {
        int64_t at_ns = stream->published_ns[number];
        if (view->seen[number] == 0) {
            verdict->missing++;
            if (!troubled(nodes, stream->life, at_ns, at_ns) && !troubled(nodes, view->life, at_ns, at_ns)) {
                blame(verdict, view, "is missing", number, number);
            }
        }
    }
    for (size_t i = 0; i < view->repeat_count; i++) {
        const struct ts_ledger_repeat *repeat = &view->repeats[i];
        verdict->repeated++;
        if (!moved_between(nodes, view->life, stream->published_ns[repeat->number], repeat->at_ns)) {
            blame(verdict, view, "came twice", repeat->number, repeat->number);
        }
    }
    for (size_t i = 0; i < view->reorder_count; i++) {
        const struct ts_ledger_reorder *reorder = &view->reorders[i];
        verdict->reordered++;
        if (!troubled(nodes, stream->life, stream->published_ns[reorder->number],
                      stream->published_ns[reorder->after])) {
            blame(verdict, view, "came late, after", reorder->number, reorder->after);
        }
    }
}

void ts_ledger_stream_free(struct ts_ledger_stream *stream)
{
    free(stream->published_ns);
}

void ts_ledger_view_free(struct ts_ledger_view *view)
{
    free(view->seen);
    free(view->reorders);
    free(view->repeats);
}

void ts_ledger_spans_free(struct ts_ledger_spans *spans)
{
    free(spans->at);
    *spans = (struct ts_ledger_spans){0};
}
