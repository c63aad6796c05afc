/* See runner.h. The watchdog is a thread of the harness; everything else runs on the main thread, apart from
 * tt_fail, which any thread of a scenario may call. */
#include "runner.h"

#include "registry.h"

#include "support/nats_server.h"
#include "support/tap.h"
#include "support/text.h"
#include "support/wallet.h"

#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h needs headers above it */
#include <cmocka.h>

#if defined(__SANITIZE_THREAD__)
#define STRIDE 40
#define SLOW 10
#elif defined(__SANITIZE_ADDRESS__)
#define STRIDE 4
#define SLOW 5
#else
#define STRIDE 1
#define SLOW 1
#endif
#define TLS_STRIDE 50  /* for allocations of OpenSSL: a handshake has thousands */
#define CALLS_STRIDE 3 /* for system calls, of which there are many more than allocations, on top of that */

#define HANG_MS (INT64_C(60000) * SLOW)
#define FAILURES_MAX 40 /* more need not be read */

struct tt_totals tt_totals;

static struct ts_server *server;
static struct ts_tap *tap;
static struct ts_server *secured_server;
static struct ts_tap *secured_tap;
static struct ts_server *first_server;
static struct ts_tap *first_tap;
static bool tap_touched;
static char named_url[64];
static char secured_url[64];
static char first_url[64];
static char ws_url[64];
static char wss_url[64];
static long stride = STRIDE;
static long calls_stride = STRIDE * CALLS_STRIDE;
static long tls_stride = STRIDE * TLS_STRIDE;
static const char *only;
static unsigned seed;
static bool verbose;

static const struct tt_scenario *now_running;
static struct tt_plan now_planned;
static atomic_bool failed_now;
static _Atomic int64_t hang_at_ms; /* 0: nothing runs */
static atomic_bool over;
static pthread_t watchdog;

/* -- failures ----------------------------------------------------------------------------------------------
 */

static void describe(char *out, size_t cap)
{
    const struct tt_plan *plan = &now_planned;
    if (now_running == NULL) {
        (void)snprintf(out, cap, "between runs");
    } else if (plan->nth > 0) {
        (void)snprintf(out, cap, "%s, %s %ld%s with code %d", now_running->name, tt_kind_name(plan->kind),
                       plan->nth, plan->all_after ? " and all after it" : "", plan->code);
    } else {
        (void)snprintf(out, cap, "%s, %s%snoise %llu", now_running->name,
                       plan->cut_reads ? "cut reads, " : "", plan->cut_writes ? "cut writes, " : "",
                       (unsigned long long)plan->noise);
    }
}

void tt_fail(const char *format, ...)
{
    char text[600];
    char plan[160];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    describe(plan, sizeof plan);
    (void)fprintf(stderr, "FAILED: %s: %s\n", plan, text);
    atomic_store(&failed_now, true);
}

static void *watch(void *arg)
{
    (void)arg;
    while (!atomic_load(&over)) {
        int64_t at = atomic_load(&hang_at_ms);
        if (at != 0 && ts_now_ms() > at) {
            char plan[160];
            describe(plan, sizeof plan);
            (void)fprintf(stderr, "HANGS: %s\n", plan);
            abort();
        }
        ts_pause_ms(100);
    }
    return NULL;
}

/* -- the surroundings --------------------------------------------------------------------------------------
 */

/* A server that speaks TLS, and the tap before it. */
static bool start_secured(const char *config, struct ts_server **out, struct ts_tap **out_tap, char *url)
{
    char *text = ts_wallet_expand(tt_life.wallet, config);
    *out =
        text != NULL ? ts_server_start(&(struct ts_server_opts){.extra = text, .no_jetstream = true}) : NULL;
    free(text);
    *out_tap = *out != NULL ? ts_tap_start(ts_server_url(*out)) : NULL;
    if (*out_tap == NULL || !ts_tap_command(*out_tap, "allow-partial on")) {
        return false;
    }
    (void)snprintf(url, sizeof secured_url, "tls://127.0.0.1:%u", ts_tap_port(*out_tap));
    return true;
}

#define CERTIFICATE "cert_file: \"${wallet}/server.pem\", key_file: \"${wallet}/server.key\", timeout: 20"

static bool start_all_secured(void)
{
    tt_life.wallet = ts_wallet();
    tt_life.secured = secured_url;
    tt_life.first = first_url;
    return tt_life.wallet != NULL &&
           start_secured("tls { " CERTIFICATE ", ca_file: \"${wallet}/ca.pem\", verify: true }\n"
                         "${text operator.conf}\n",
                         &secured_server, &secured_tap, secured_url) &&
           start_secured("tls { " CERTIFICATE ", handshake_first: true }\n"
                         "websocket { listen: \"127.0.0.1:@PORT1@\", tls { " CERTIFICATE " } }\n"
                         "authorization { users: [ { nkey: ${text alice.nkey} } ] }\n",
                         &first_server, &first_tap, first_url);
}

int tt_begin(void **state)
{
    (void)state;
    if (ts_server_program() == NULL) {
        puts("there is no nats-server: skipped");
        exit(77);
    }
    const char *wanted = getenv("NATSKIT_TORTURE");
    if (wanted != NULL) {
        stride = strcmp(wanted, "full") == 0 ? 1 : strtol(wanted, NULL, 10);
        stride = stride > 0 ? stride : 1;
        calls_stride = stride;
        tls_stride = stride;
    }
    only = getenv("NATSKIT_TORTURE_ONLY");
    verbose = getenv("NATSKIT_TORTURE_VERBOSE") != NULL;
    seed = (unsigned)ts_now_ms();
    server = ts_server_start(
        &(struct ts_server_opts){.extra = "websocket { listen: \"127.0.0.1:@PORT1@\", no_tls: true }\n"});
    if (server == NULL) {
        return 1;
    }
    tap = ts_tap_start(ts_server_url(server));
    if (tap == NULL || !ts_tap_command(tap, "allow-partial on")) {
        return 1;
    }
    if (!start_all_secured()) {
        return 1;
    }
    (void)snprintf(named_url, sizeof named_url, "nats://localhost:%u", ts_tap_port(tap));
    (void)snprintf(ws_url, sizeof ws_url, "ws://127.0.0.1:%u", ts_server_extra_port(server, 1));
    (void)snprintf(wss_url, sizeof wss_url, "wss://127.0.0.1:%u", ts_server_extra_port(first_server, 1));
    tt_life.ws = ws_url;
    tt_life.wss = wss_url;
    tt_life.url = ts_tap_url(tap);
    tt_life.named = named_url;
    return pthread_create(&watchdog, NULL, watch, NULL);
}

int tt_end(void **state)
{
    (void)state;
    atomic_store(&over, true);
    pthread_join(watchdog, NULL);
    int broken = ts_tap_stop(tap);
    broken = ts_tap_stop(secured_tap) || broken;
    broken = ts_tap_stop(first_tap) || broken;
    ts_server_free(secured_server);
    ts_server_free(first_server);
    ts_server_free(server);
    return broken;
}

void tt_tap(const char *command)
{
    tap_touched = true;
    if (!ts_tap_command(tap, "%s", command)) {
        tt_fail("the tap did not accept: %s", command);
    }
}

void tt_tap_secured(const char *command)
{
    if (!ts_tap_command(secured_tap, "%s", command)) {
        tt_fail("the tap did not accept: %s", command);
    }
}

void tt_tap_calm(void)
{
    if (tap_touched) {
        (void)ts_tap_command(tap, "clear");
        (void)ts_tap_command(tap, "refuse off");
        tap_touched = false;
    }
}

static int descriptors(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL) {
        return -1;
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        count += entry->d_name[0] != '.';
    }
    closedir(dir);
    return count;
}

/* -- one run -----------------------------------------------------------------------------------------------
 */

static void set_life(const struct tt_plan *plan, enum tt_effect effect)
{
    tt_life.hurt = effect != TT_NONE;
    tt_life.may_lack = (effect == TT_MEMORY || effect == TT_BOTH ? TT_MAY_LACK_MEMORY : 0) |
                       (effect == TT_SYSTEM || effect == TT_BOTH ? TT_MAY_LACK_SYSTEM : 0) |
                       (effect == TT_TLS_MEMORY ? TT_MAY_LACK_TLS : 0);
    tt_life.wait_ms = tt_life.hurt ? INT64_C(40) * SLOW : INT64_C(20000) * SLOW;
    bool cut = plan->cut_reads || plan->cut_writes;
    tt_life.large = cut ? 33 * 1024 : 40 * 1024;
    tt_life.huge = cut ? 34 * 1024 : 300 * 1024;
}

static void check_nothing_left(const natskit_counters *before, int descriptors_before)
{
    natskit_counters after = {0};
    char text[400] = "";
    (void)natskit_counters_get(&after, sizeof after);
    const struct {
        const char *what;
        uint64_t before;
        uint64_t after;
    } rows[] = {
#define COUNTER(name) {#name, before->name, after.name}
        COUNTER(options),       COUNTER(headers),        COUNTER(conns),          COUNTER(subs),
        COUNTER(ops),           COUNTER(waitsets),       COUNTER(msgs),           COUNTER(allocated_bytes),
        COUNTER(threads),       COUNTER(jsons),          COUNTER(contexts),       COUNTER(publishers),
        COUNTER(kvs),           COUNTER(batches),        COUNTER(ingests),        COUNTER(services),
        COUNTER(object_stores), COUNTER(object_writers), COUNTER(object_readers),
#undef COUNTER
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].after != rows[i].before) {
            size_t len = strlen(text);
            (void)snprintf(text + len, sizeof text - len, " %s %+lld", rows[i].what,
                           (long long)(rows[i].after - rows[i].before));
        }
    }
    if (memcmp(before, &after, sizeof after) != 0) {
        tt_fail("left:%s", text);
    }
    int open_now = descriptors();
    if (open_now != descriptors_before) {
        tt_fail("%d descriptors are open, %d were before", open_now, descriptors_before);
    }
}

/* Calls of each kind in the last run without faults: until the scenario's end, and in all. */
static long counts_at_end[TT_KINDS];
static long counts[TT_KINDS];

static void keep_counts(long *into)
{
    for (int kind = 0; kind < TT_KINDS; kind++) {
        into[kind] = tt_faults_count((enum tt_kind)kind);
    }
}

void tt_run(const struct tt_scenario *scenario, const struct tt_plan *plan, enum tt_effect effect,
            enum tt_way way)
{
    natskit_counters before = {0};
    int descriptors_before = descriptors();
    (void)natskit_counters_get(&before, sizeof before);
    now_running = scenario;
    now_planned = *plan;
    atomic_store(&failed_now, false);
    int64_t begin_ms = ts_now_ms();
    atomic_store(&hang_at_ms, begin_ms + HANG_MS);
    set_life(plan, effect);
    tt_faults_plan(plan);
    tt_faults_arm(true);
    scenario->run();
    bool counting = plan->nth == 0 && !plan->cut_reads && !plan->cut_writes && plan->noise == 0;
    bool probe = way == TT_PROBE;
    if (counting) {
        keep_counts(counts_at_end);
    }
    tt_tap_calm();
    if (probe) {
        tt_faults_arm(false);
        tt_probe();
    }
    tt_close_all((unsigned)plan->nth);
    tt_faults_arm(false);
    if (counting) {
        keep_counts(counts);
    }
    check_nothing_left(&before, descriptors_before);
    atomic_store(&hang_at_ms, 0);
    tt_totals.runs++;
    tt_totals.points += plan->nth > 0 && tt_faults_hit();
    tt_totals.failures += atomic_load(&failed_now);
    int64_t took_ms = ts_now_ms() - begin_ms;
    if (verbose && took_ms > INT64_C(300) * SLOW) {
        char text[160];
        describe(text, sizeof text);
        (void)fprintf(stderr, "%lld ms: %s\n", (long long)took_ms, text);
    }
    now_running = NULL;
    if (tt_totals.failures >= FAILURES_MAX) {
        fail_msg("%d runs have failed: no more is tried", FAILURES_MAX);
    }
}

/* -- many runs ---------------------------------------------------------------------------------------------
 */

bool tt_chosen(const struct tt_scenario *scenario)
{
    return only == NULL || strcmp(only, scenario->name) == 0;
}

void tt_count(const struct tt_scenario *scenario)
{
    const struct tt_plan none = {.nth = 0};
    tt_run(scenario, &none, TT_NONE, TT_END);
}

uint64_t tt_noise(void)
{
    return seed++ + 1;
}

void tt_sweep(const struct tt_scenario *scenario, const struct tt_plan *plan, enum tt_effect effect)
{
    static unsigned turn;
    struct tt_plan use = *plan;
    long count = counts[plan->kind];
    long step = plan->kind == TT_ALLOC ? stride : plan->kind == TT_TLS_ALLOC ? tls_stride : calls_stride;
    long first = 1 + (long)((seed + turn++) % (unsigned long)step);
    for (use.nth = first; use.nth <= count; use.nth += step) {
        if (use.nth <= counts_at_end[plan->kind]) {
            tt_run(scenario, &use, effect, TT_PROBE);
        }
        tt_run(scenario, &use, effect, TT_END);
    }
}

void tt_report(const char *title)
{
    print_message("%s: %ld points, %ld runs, %ld failed\n", title, tt_totals.points, tt_totals.runs,
                  tt_totals.failures);
    assert_int_equal(tt_totals.failures, 0);
    tt_totals = (struct tt_totals){0};
}
