/* Runs scenarios with planned faults, and counts. From the program's main thread.
 *
 * A point is one call that fails, once or with all of its kind after it, in one scenario with one way on. By
 * default every stride-th point (fewer of system calls) is tried, beginning at another one in each run;
 * NATSKIT_TORTURE=full tries all, =N every N-th. NATSKIT_TORTURE_ONLY=NAME runs that scenario alone. A run
 * that hangs ends the program with what was planned. */
#ifndef TESTS_TORTURE_RUNNER_H
#define TESTS_TORTURE_RUNNER_H

#include "faults.h"
#include "life.h"

#include <stddef.h>

struct tt_scenario {
    const char *name;
    void (*run)(void);
};
extern const struct tt_scenario tt_scenarios[];
extern const size_t tt_scenario_count;

struct tt_totals {
    long runs;
    long points; /* of which the fault was reached */
    long failures;
};
extern struct tt_totals tt_totals;

/* cmocka's group setup and teardown: server, tap, watchdog. */
int tt_begin(void **state);
int tt_end(void **state);

/* What a fault may do. */
enum tt_effect {
    TT_NONE,   /* the caller may not notice */
    TT_MEMORY, /* memory may lack */
    TT_SYSTEM, /* calls of the system may fail */
    TT_BOTH,
    TT_TLS_MEMORY /* memory of OpenSSL may lack */
};

/* How a run goes on after its scenario. */
enum tt_way {
    TT_PROBE, /* all is well again, and what is left open has to work, or to say that it has ended; then the
                 end */
    TT_END    /* the end, under the same fault */
};

/* One life: the scenario, the end, and a check that nothing is left. */
void tt_run(const struct tt_scenario *scenario, const struct tt_plan *plan, enum tt_effect effect,
            enum tt_way way);

/* Runs without a fault, and counts the calls of each kind. */
void tt_count(const struct tt_scenario *scenario);

/* Runs both ways for each call of the plan's kind, as counted just before. */
void tt_sweep(const struct tt_scenario *scenario, const struct tt_plan *plan, enum tt_effect effect);

/* Whether NATSKIT_TORTURE_ONLY allows it. */
bool tt_chosen(const struct tt_scenario *scenario);

/* Another number each time, for struct tt_plan. */
uint64_t tt_noise(void);

/* Prints the totals under a title and fails the test if something failed. */
void tt_report(const char *title);

/* settle.c. Looks at what the scenario left: connections that claim to work have to. */
void tt_probe(void);
/* Closes all that is left, in an order that `turn` chooses; the library's threads as well. */
void tt_close_all(unsigned turn);

/* For settle.c: the tap answers again as if nothing had been. */
void tt_tap_calm(void);

#endif
