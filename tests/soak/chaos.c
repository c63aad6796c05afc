/* SPDX-License-Identifier: Apache-2.0
 *
 * Chaos: three servers of one cluster under load, of which every few seconds a random one is killed and
 * started again, stopped and continued, or made a lame duck that goes when all have left it. For
 * NATSKIT_CHAOS_SECONDS (300). Afterwards each number that was published has arrived once at each subscriber,
 * or has an excuse, and so has each request that failed (ledger.h); and after each fault everything lives
 * again within the time of the policy. Prints one line.
 *
 * Exit code 0, 1 (with the reason and the seed), or 77 without a server. NATSKIT_SEED replays the faults.
 */
#include "chaos.h"

#include "support/chance.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Until everything lives again after a fault: a silent server is given up after 3 s, the next one may be the
 * stopped one, too (2 s), and pauses are of 1 s at most (chaos_load.c). The rest is for a busy machine. */
enum { ALIVE_MS = 15000, READY_MS = 60000 };
/* A lame duck cuts nobody off for 10 s; by then all have to have left by themselves. */
enum { LEAVE_MS = 10000 };

static const char config[] = "lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"10s\"\n";

struct chaos chaos;

static uint64_t kills;
static uint64_t stops;
static uint64_t ducks;
static int64_t slowest_ms;

void chaos_fail(const char *format, ...)
{
    static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
    char text[400];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    pthread_mutex_lock(&mu); /* the first one ends the program */
    fprintf(stderr,
            "chaos: NATSKIT_SEED=%" PRIu64 ", after %" PRIu64 " kills, %" PRIu64 " stops, %" PRIu64
            " lame ducks: %s\n",
            chaos.seed, kills, stops, ducks, text);
    fflush(NULL);
    _exit(1); /* children end with this process */
}

/* -- everything lives -------------------------------------------------------------------------------------
 */

/* What has to grow. */
struct progress {
    uint64_t taken[SUBS][PUBS];
    uint64_t answered[REQS];
};

static void look(struct progress *now)
{
    for (size_t i = 0; i < SUBS; i++) {
        for (size_t k = 0; k < PUBS; k++) {
            now->taken[i][k] = atomic_load(&chaos.views[i][k].taken);
        }
    }
    for (size_t i = 0; i < REQS; i++) {
        now->answered[i] = atomic_load(&chaos.askers[i].answered);
    }
}

/* Each publisher has reached each subscriber since, each requester a responder, and all are connected. */
static bool alive(const struct progress *since)
{
    struct progress now;
    bool grown = true;
    look(&now);
    for (size_t i = 0; i < SUBS; i++) {
        for (size_t k = 0; k < PUBS; k++) {
            grown = grown && now.taken[i][k] > since->taken[i][k];
        }
    }
    for (size_t i = 0; i < REQS; i++) {
        grown = grown && now.answered[i] > since->answered[i];
    }
    for (size_t i = 0; i < CONNS; i++) {
        grown = grown && atomic_load(&chaos.conns[i].since_ns) != 0;
    }
    return grown;
}

static void wait_alive(void)
{
    struct progress since;
    int64_t begin_ms = ts_now_ms();
    look(&since);
    while (!alive(&since)) {
        CHAOS_CHECK(ts_now_ms() - begin_ms < ALIVE_MS, "not everything lives again after %d ms", ALIVE_MS);
        ts_pause_ms(5);
    }
    int64_t took_ms = ts_now_ms() - begin_ms;
    slowest_ms = took_ms > slowest_ms ? took_ms : slowest_ms;
}

/* -- faults -----------------------------------------------------------------------------------------------
 */

/* The node dies, and is a full member of the cluster again when this returns. */
static void kill_node(int index, int64_t dead_ms)
{
    struct ts_server *server = ts_cluster_node(chaos.cluster, index);
    ts_ledger_fault_begins(&chaos.nodes[index]);
    ts_server_kill(server);
    ts_pause_ms((int)dead_ms);
    CHAOS_CHECK(ts_server_restart(server), "node %d does not start again", index);
    CHAOS_CHECK(ts_cluster_wait_ready(chaos.cluster, READY_MS), "no cluster");
    ts_ledger_fault_ends(&chaos.nodes[index]);
}

static void stop_node(int index, int64_t stopped_ms)
{
    struct ts_server *server = ts_cluster_node(chaos.cluster, index);
    ts_ledger_fault_begins(&chaos.nodes[index]);
    CHAOS_CHECK(ts_server_pause(server), "node %d cannot be stopped", index);
    ts_pause_ms((int)stopped_ms);
    CHAOS_CHECK(ts_server_resume(server), "node %d cannot be continued", index);
    CHAOS_CHECK(ts_cluster_wait_ready(chaos.cluster, READY_MS), "no cluster");
    ts_ledger_fault_ends(&chaos.nodes[index]);
}

static bool somebody_at(int index)
{
    for (size_t i = 0; i < CONNS; i++) {
        natskit_conn_info info;
        char end[16];
        snprintf(end, sizeof end, ":%u", ts_server_port(ts_cluster_node(chaos.cluster, index)));
        CHAOS_CHECK(natskit_conn_info_get(chaos.conns[i].conn, &info, sizeof info) == NATSKIT_OK, "info");
        const char *found = strstr(info.url, end);
        if (found != NULL && found[strlen(end)] == '\0') {
            return true;
        }
    }
    return false;
}

static void make_lame(int index)
{
    int64_t begin_ms = ts_now_ms();
    CHAOS_CHECK(ts_server_signal(ts_cluster_node(chaos.cluster, index), SIGUSR2), "no signal for node %d",
                index);
    while (somebody_at(index)) {
        CHAOS_CHECK(ts_now_ms() - begin_ms < LEAVE_MS, "somebody is still at the lame duck after %d ms",
                    LEAVE_MS);
        ts_pause_ms(5);
    }
    kill_node(index, 0);
}

static void do_harm(struct ts_chance *chance)
{
    int node = (int)ts_chance_below(chance, TS_LEDGER_NODES);
    uint32_t dice = ts_chance_below(chance, 3);
    int64_t ms = ts_chance_below(chance, dice == 0 ? 1500 : 5000);
    int64_t rest_ms = 500 + ts_chance_below(chance, 2500);
    if (dice == 0) {
        kill_node(node, ms);
        kills++;
    } else if (dice == 1) {
        stop_node(node, ms);
        stops++;
    } else {
        make_lame(node);
        ducks++;
    }
    wait_alive();
    ts_pause_ms((int)rest_ms); /* in which nothing has an excuse */
}

/* -- the verdict ------------------------------------------------------------------------------------------
 */

static void wait_for_the_rest(void)
{
    int64_t deadline_ms = ts_now_ms() + ALIVE_MS;
    for (size_t i = 0; i < SUBS; i++) {
        for (size_t k = 0; k < PUBS; k++) {
            uint64_t count = atomic_load(&chaos.streams[k].count);
            while (atomic_load(&chaos.views[i][k].end) < count && ts_now_ms() < deadline_ms) {
                ts_pause_ms(5);
            }
        }
    }
}

static struct ts_ledger_verdict judge_numbers(void)
{
    struct ts_ledger_verdict sum = {0};
    for (size_t i = 0; i < SUBS; i++) {
        for (size_t k = 0; k < PUBS; k++) {
            struct ts_ledger_verdict one;
            ts_ledger_judge(&chaos.views[i][k], chaos.nodes, &one);
            CHAOS_CHECK(one.bad == 0,
                        "publisher %zu, subscriber %zu: %" PRIu64 " of %" PRIu64
                        " without an excuse; the first: %s",
                        k, i, one.bad, one.published, one.first_bad);
            sum.published += i == 0 ? one.published : 0;
            sum.taken += one.taken;
            sum.missing += one.missing;
            sum.reordered += one.reordered;
            sum.repeated += one.repeated;
        }
    }
    return sum;
}

/* A request has an excuse if its connection, or one of those that answer, had trouble while it ran. */
static uint64_t judge_requests(void)
{
    uint64_t failed = 0;
    for (size_t i = 0; i < REQS; i++) {
        const struct chaos_asker *asker = &chaos.askers[i];
        for (size_t k = 0; k < asker->failure_count; k++) {
            const struct chaos_failure *failure = &asker->failures[k];
            bool excused = !ts_ledger_well(chaos.nodes, &chaos.conns[PUBS + SUBS + i].life, failure->begin_ns,
                                           failure->end_ns);
            for (size_t r = 0; r < RESPS; r++) {
                excused = excused || !ts_ledger_well(chaos.nodes, &chaos.conns[CONNS - RESPS + r].life,
                                                     failure->begin_ns, failure->end_ns);
            }
            CHAOS_CHECK(excused, "a request failed without an excuse: %d, begun at %" PRId64, failure->status,
                        failure->begin_ns);
            failed++;
        }
    }
    return failed;
}

static void verdict(int64_t seconds)
{
    uint64_t unconfirmed = 0;
    uint64_t reconnects = 0;
    uint64_t moves = 0;
    uint64_t asked = 0;
    for (size_t i = 0; i < CONNS; i++) {
        natskit_conn_stats stats;
        CHAOS_CHECK(natskit_conn_stats_get(chaos.conns[i].conn, &stats, sizeof stats) == NATSKIT_OK, "stats");
        unconfirmed += stats.unconfirmed;
        reconnects += stats.reconnects;
        moves += atomic_load(&chaos.conns[i].moves);
    }
    for (size_t i = 0; i < REQS; i++) {
        asked += atomic_load(&chaos.askers[i].asked);
    }
    chaos_load_end();
    struct ts_ledger_verdict sum = judge_numbers();
    uint64_t failed = judge_requests();
    printf("chaos: %" PRId64 " s, seed %" PRIu64 ": %" PRIu64 " kills, %" PRIu64 " stops, %" PRIu64
           " lame ducks; %" PRIu64 " reconnects, %" PRIu64 " of them moves; %" PRIu64 " published, %" PRIu64
           " taken, %" PRIu64 " missing, %" PRIu64 " late, %" PRIu64 " twice, each with an excuse; %" PRIu64
           " unconfirmed; %" PRIu64 " requests, %" PRIu64
           " failed, each with an excuse; all alive after %" PRId64 " ms at most\n",
           seconds, chaos.seed, kills, stops, ducks, reconnects, moves, sum.published, sum.taken, sum.missing,
           sum.reordered, sum.repeated, unconfirmed, asked, failed, slowest_ms);
}

static void clean_up(void)
{
    for (size_t i = 0; i < CONNS; i++) {
        ts_ledger_spans_free(&chaos.conns[i].life.spans);
    }
    for (size_t i = 0; i < SUBS; i++) {
        for (size_t k = 0; k < PUBS; k++) {
            ts_ledger_view_free(&chaos.views[i][k]);
        }
    }
    for (size_t i = 0; i < PUBS; i++) {
        ts_ledger_stream_free(&chaos.streams[i]);
    }
    for (size_t i = 0; i < REQS; i++) {
        free(chaos.askers[i].failures);
    }
    for (size_t i = 0; i < TS_LEDGER_NODES; i++) {
        ts_ledger_spans_free(&chaos.nodes[i].faults);
    }
    ts_cluster_free(chaos.cluster);
    CHAOS_CHECK(natskit_shutdown(ALIVE_MS) == NATSKIT_OK, "shutdown");
}

int main(void)
{
    uint64_t seconds = 300;
    const char *text = getenv("NATSKIT_CHAOS_SECONDS");
    if (text != NULL && (!ts_parse_size(text, &seconds) || seconds == 0)) {
        fprintf(stderr, "NATSKIT_CHAOS_SECONDS: %s is not a number of seconds\n", text);
        return 1;
    }
    if (ts_server_program() == NULL) {
        puts("there is no nats-server: skipped");
        return 77;
    }
    chaos.seed = ts_chance_seed();
    struct ts_chance chance = {chaos.seed};
    chaos.cluster = ts_cluster_start_with(TS_LEDGER_NODES,
                                          &(struct ts_server_opts){.no_jetstream = true, .extra = config});
    CHAOS_CHECK(chaos.cluster != NULL, "no cluster");
    chaos_load_begin((int64_t)seconds);
    wait_alive();
    int64_t end_ms = ts_now_ms() + (int64_t)seconds * 1000;
    while (ts_now_ms() < end_ms) {
        do_harm(&chance);
    }
    chaos_load_stop_publishing();
    wait_for_the_rest();
    verdict((int64_t)seconds);
    clean_up();
    return 0;
}
