/* SPDX-License-Identifier: Apache-2.0
 *
 * Tests of the ledger: what has an excuse, and what has none. Times are far enough from each other that the
 * margin decides nothing but where that is said. One thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four headers above it */
#include <cmocka.h>

#include "ledger.h"

#include <string.h>

#define S INT64_C(1000000000)

/* Ten numbers, one each ten seconds, from 1000 s on; publisher at node 0, subscriber at node 1. */
struct world {
    struct ts_ledger_node nodes[TS_LEDGER_NODES];
    struct ts_ledger_life publisher;
    struct ts_ledger_life subscriber;
    struct ts_ledger_stream stream;
    struct ts_ledger_view view;
};

enum { COUNT = 10 };

static int64_t time_of(uint64_t number)
{
    return 1000 * S + (int64_t)number * 10 * S;
}

static void begin(struct world *world)
{
    memset(world, 0, sizeof *world);
    ts_ledger_note_life(&world->publisher, 0, 0);
    ts_ledger_note_life(&world->subscriber, 1, 0);
    ts_ledger_stream_init(&world->stream, &world->publisher, COUNT);
    ts_ledger_view_init(&world->view, &world->stream, &world->subscriber);
    uint64_t number;
    while (ts_ledger_begin(&world->stream, &number)) {
        world->stream.published_ns[number] = time_of(number);
        ts_ledger_accepted(&world->stream);
    }
}

static void arrive(struct world *world, const char *digits)
{
    for (; *digits != '\0'; digits++) {
        assert_true(ts_ledger_note(&world->view, (uint64_t)(*digits - '0')));
    }
}

static void fault(struct world *world, int node, int64_t begin_ns, int64_t end_ns)
{
    ts_ledger_fault_begins(&world->nodes[node]);
    ts_ledger_fault_ends(&world->nodes[node]);
    struct ts_ledger_spans *faults = &world->nodes[node].faults;
    faults->at[faults->count - 1] = (struct ts_ledger_span){begin_ns, end_ns, -1};
}

/* Judges, and ends. */
static struct ts_ledger_verdict judge(struct world *world)
{
    struct ts_ledger_verdict verdict;
    ts_ledger_judge(&world->view, world->nodes, &verdict);
    assert_int_equal(verdict.bad > 0, verdict.first_bad[0] != '\0');
    for (size_t i = 0; i < TS_LEDGER_NODES; i++) {
        ts_ledger_spans_free(&world->nodes[i].faults);
    }
    ts_ledger_spans_free(&world->publisher.spans);
    ts_ledger_spans_free(&world->subscriber.spans);
    ts_ledger_view_free(&world->view);
    ts_ledger_stream_free(&world->stream);
    return verdict;
}

static void test_all_is_well(void **state)
{
    (void)state;
    struct world world;
    begin(&world);
    assert_false(ts_ledger_note(&world.view, COUNT));
    arrive(&world, "0123456789");
    struct ts_ledger_verdict verdict = judge(&world);
    assert_int_equal(verdict.published, COUNT);
    assert_int_equal(verdict.taken, COUNT);
    assert_int_equal(verdict.missing + verdict.reordered + verdict.repeated + verdict.bad, 0);
}

static void test_gaps(void **state)
{
    (void)state;
    static const struct {
        int faulty; /* node, -1: none */
        int from;   /* number from which on the publisher is away, -1: it is not */
        uint64_t bad;
    } rows[] = {{-1, -1, 2}, {0, -1, 0}, {1, -1, 0}, {2, -1, 2}, {-1, 5, 0}, {-1, 6, 1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world world;
        begin(&world);
        arrive(&world, "01234789");
        if (rows[i].faulty >= 0) {
            fault(&world, rows[i].faulty, time_of(5), time_of(6));
        }
        if (rows[i].from >= 0) {
            ts_ledger_note_life(&world.publisher, -1, time_of((uint64_t)rows[i].from));
            ts_ledger_note_life(&world.publisher, 2, time_of(7));
        }
        struct ts_ledger_verdict verdict = judge(&world);
        assert_int_equal(verdict.missing, 2);
        assert_int_equal(verdict.bad, rows[i].bad);
    }
}

/* A fault of a node is no excuse for who is elsewhere by then; the margin is one to the ns. */
static void test_where_and_when(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct world world;
        int64_t apart_ns = TS_LEDGER_MARGIN_NS + (i % 2);
        begin(&world);
        arrive(&world, "012346789");
        if (i < 2) {
            fault(&world, 1, time_of(5) + apart_ns, time_of(6));
        } else {
            ts_ledger_note_life(&world.subscriber, -1, time_of(5) - 3 * S);
            ts_ledger_note_life(&world.subscriber, 2, time_of(5) - apart_ns);
            fault(&world, 1, time_of(5) - 3 * S, time_of(8)); /* it has left it */
        }
        assert_int_equal(judge(&world).bad, i % 2);
    }
}

static void test_late_ones(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct world world;
        begin(&world);
        arrive(&world, "0123567489");
        if (i > 0) {
            /* The publisher lost a transport between the two, or long before. */
            ts_ledger_note_life(&world.publisher, -1, i == 1 ? time_of(5) : time_of(2));
            ts_ledger_note_life(&world.publisher, 0, i == 1 ? time_of(5) + S : time_of(2) + S);
        }
        struct ts_ledger_verdict verdict = judge(&world);
        assert_int_equal(verdict.reordered, 1);
        assert_int_equal(verdict.missing, 0);
        assert_int_equal(verdict.bad, i == 1 ? 0 : 1);
    }
}

static void test_repeats(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct world world;
        begin(&world);
        arrive(&world, "0123455");
        world.view.repeats[0].at_ns = time_of(5) + 3 * S;
        if (i > 0) {
            /* The subscriber came to node 2 soon after; later than a copy should be on its way; then with an
             * excuse for that. */
            int64_t lost_ns = i == 1 ? time_of(5) + S / 2 : time_of(5) + 2 * S;
            ts_ledger_note_life(&world.subscriber, -1, lost_ns);
            ts_ledger_note_life(&world.subscriber, 2, lost_ns + S / 10);
        }
        if (i == 3) {
            fault(&world, 2, time_of(5) - S, time_of(5) + 2 * S);
        }
        arrive(&world, "6789");
        struct ts_ledger_verdict verdict = judge(&world);
        assert_int_equal(verdict.repeated, 1);
        assert_int_equal(verdict.taken, COUNT);
        assert_int_equal(verdict.bad, i % 2 == 0 ? 1 : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_is_well),    cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_where_and_when), cmocka_unit_test(test_late_ones),
        cmocka_unit_test(test_repeats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
