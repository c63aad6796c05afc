/* SPDX-License-Identifier: Apache-2.0
 *
 * Soak: for NATSKIT_SOAK_SECONDS (600) workers do everything that the interface offers while this thread
 * cuts, stalls and slows the network, and kills, stops and restarts the server. Every 30 seconds all is given
 * back, and the counters of objects, bytes, threads and descriptors are back at their start; resident memory
 * has a bound. Prints one line.
 *
 * Exit code 0, 1 (with the reason and the seed), or 77 without a server. NATSKIT_SEED replays the choices,
 * not the order between threads.
 */
#include "soak.h"

#include "support/nats_server.h"
#include "support/net.h"
#include "support/tap.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Growth of resident memory from the first quiet point to the end. It has a bound of its own, as far from
 * what is seen as a busy machine may want: the table of handles and the C library's heap keep what they had
 * at their peak. A sanitizer keeps what was freed. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { GROWTH_KIB = INT32_MAX };
#else
enum { GROWTH_KIB = 8192 };
#endif

enum { QUIET_MS = 30000, WAIT_MS = 30000, THREADS = WORKERS + 2 };

struct soak soak;

static struct ts_server *server;
static struct ts_tap *tap;
static uint64_t faults;
static uint64_t restarts;

void soak_fail(const char *format, ...)
{
    static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
    char text[400];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    pthread_mutex_lock(&mu); /* the first one ends the program */
    fprintf(stderr, "soak: NATSKIT_SEED=%llu: %s\n", (unsigned long long)soak.seed, text);
    fflush(NULL);
    _exit(1); /* children end with this process */
}

/* -- what has to be back at the start -------------------------------------------------------------------- */

struct resources {
    uint64_t bytes;
    int threads;
    int descriptors;
    long pages; /* resident; checked at the end, against the first quiet point */
};

static int count_entries(const char *path)
{
    int count = 0;
    DIR *dir = opendir(path);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        count += entry->d_name[0] != '.';
    }
    closedir(dir);
    return count;
}

static natskit_counters counters(void)
{
    natskit_counters now;
    SOAK_CHECK(natskit_counters_get(&now, sizeof now) == NATSKIT_OK, "counters_get");
    return now;
}

static struct resources resources(void)
{
    long total;
    long resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file != NULL) {
        if (fscanf(file, "%ld %ld", &total, &resident) != 2) {
            resident = 0;
        }
        fclose(file);
    }
    return (struct resources){counters().allocated_bytes, count_entries("/proc/self/task"),
                              count_entries("/proc/self/fd"), resident};
}

static uint64_t live_objects(void)
{
    natskit_counters now = counters();
    return now.options + now.headers + now.conns + now.subs + now.ops + now.waitsets + now.msgs;
}

/* The workers stand still and have given everything back: so has the library, by itself; and after a shutdown
 * nothing of it is left. */
static void check_quiet(const struct resources *start)
{
    int64_t deadline = ts_now_ms() + WAIT_MS;
    while (live_objects() > 0 && ts_now_ms() < deadline) {
        ts_pause_ms(2); /* the I/O thread hangs up behind us */
    }
    natskit_counters left = counters();
    SOAK_CHECK(live_objects() == 0,
               "left: %llu connections, %llu subscriptions, %llu operations, %llu waitsets, %llu messages",
               (unsigned long long)left.conns, (unsigned long long)left.subs, (unsigned long long)left.ops,
               (unsigned long long)left.waitsets, (unsigned long long)left.msgs);
    SOAK_CHECK(left.threads <= 2, "%llu threads", (unsigned long long)left.threads);
    SOAK_CHECK(natskit_shutdown(WAIT_MS) == NATSKIT_OK, "shutdown");
    struct resources now = resources();
    while ((now.threads != start->threads || now.descriptors != start->descriptors) &&
           ts_now_ms() < deadline) {
        ts_pause_ms(2); /* the kernel removes a joined thread's entry a moment later */
        now = resources();
    }
    SOAK_CHECK(now.bytes == start->bytes, "%llu bytes instead of %llu", (unsigned long long)now.bytes,
               (unsigned long long)start->bytes);
    SOAK_CHECK(now.threads == start->threads && now.descriptors == start->descriptors,
               "%d threads and %d descriptors instead of %d and %d", now.threads, now.descriptors,
               start->threads, start->descriptors);
}

/* -- faults ---------------------------------------------------------------------------------------------- */

static void command(const char *text)
{
    SOAK_CHECK(ts_tap_command(tap, "%s", text), "the tap refuses %s", text);
}

static void restart(void)
{
    ts_server_kill(server);
    ts_pause_ms(20);
    SOAK_CHECK(ts_server_restart(server), "the server does not start again");
    restarts++;
}

static void stand_still(struct ts_chance *chance)
{
    SOAK_CHECK(ts_server_pause(server), "the server cannot be stopped");
    ts_pause_ms(ts_chance_below(chance, 1500)); /* beyond two pings now and then */
    SOAK_CHECK(ts_server_resume(server), "the server cannot be resumed");
}

static void replace_shared(struct ts_chance *chance)
{
    size_t which = ts_chance_below(chance, SHARED);
    natskit_conn old = {atomic_exchange(&soak.shared[which], 0)};
    if (old.id != 0) {
        (void)natskit_conn_close(old, ts_chance_below(chance, 2) == 0 ? 0 : 50);
    }
    atomic_store(&soak.shared[which], soak_connect(soak.tap_url, 300).id);
}

static void do_harm(struct ts_chance *chance)
{
    static const char *const commands[] = {"cut",
                                           "reset",
                                           "down cut-in-msg",
                                           "up cut-in-msg",
                                           "down cut-after 2000",
                                           "up cut-after 2000",
                                           "down split 7",
                                           "up split 3",
                                           "down delay 20",
                                           "drop-pong 3",
                                           "live stall on",
                                           "refuse on",
                                           "halfclose",
                                           "live blackhole on"};
    uint32_t dice = ts_chance_below(chance, 100);
    faults++;
    if (dice < 2) {
        restart();
    } else if (dice < 5) {
        stand_still(chance);
    } else if (dice < 30) {
        replace_shared(chance);
    } else if (dice < 50) {
        command(commands[ts_chance_below(chance, sizeof commands / sizeof commands[0])]);
    } else {
        command("clear");
        command("refuse off");
    }
    ts_pause_ms(ts_chance_below(chance, 100));
}

/* -- the run --------------------------------------------------------------------------------------------- */

static void heal(void)
{
    command("clear");
    command("refuse off");
    atomic_store(&soak.quiet, true);
    pthread_barrier_wait(&soak.barrier);
    for (size_t i = 0; i < SHARED; i++) {
        natskit_conn conn = {atomic_exchange(&soak.shared[i], 0)};
        if (conn.id != 0) {
            (void)natskit_conn_close(conn, 100);
        }
    }
}

static void go_on(bool stop)
{
    atomic_store(&soak.quiet, false);
    atomic_store(&soak.stop, stop);
    pthread_barrier_wait(&soak.barrier);
}

static void begin(int *listener)
{
    uint16_t port = 0;
    soak.seed = ts_chance_seed();
    server = ts_server_start(&(struct ts_server_opts){.no_jetstream = true});
    SOAK_CHECK(server != NULL, "no server");
    tap = ts_tap_start(ts_server_url(server));
    SOAK_CHECK(tap != NULL, "no tap");
    *listener = ts_listen("127.0.0.1", &port);
    SOAK_CHECK(*listener >= 0, "no listening socket");
    (void)snprintf(soak.tap_url, sizeof soak.tap_url, "%s", ts_tap_url(tap));
    (void)snprintf(soak.rough_url, sizeof soak.rough_url, "nats://127.0.0.1:%u", port);
    (void)snprintf(soak.refused_url, sizeof soak.refused_url, "nats://127.0.0.1:%u", ts_free_port());
    pthread_barrier_init(&soak.barrier, NULL, THREADS + 1);
    SOAK_CHECK(ts_tap_command(tap, "check"), "the tap does not answer"); /* its descriptor is open now */
}

static void summary(uint64_t seconds, uint64_t quiet_points, long pages)
{
    static const char *const names[TALLIES] = {
        "connects", "failed connects", "published", "publishes refused", "taken",  "dropped",
        "requests", "replies",         "cancelled", "timeouts",          "events", "drains",
    };
    printf("soak: %llu s, seed %llu:", (unsigned long long)seconds, (unsigned long long)soak.seed);
    for (size_t i = 0; i < TALLIES; i++) {
        printf(" %llu %s,", (unsigned long long)atomic_load(&soak.tallies[i]), names[i]);
    }
    printf(
        " %llu faults, %llu restarts of the server; %llu quiet points with nothing left, %+ld KiB resident\n",
        (unsigned long long)faults, (unsigned long long)restarts, (unsigned long long)quiet_points,
        pages * (sysconf(_SC_PAGESIZE) / 1024));
    SOAK_CHECK(pages * (sysconf(_SC_PAGESIZE) / 1024) <= GROWTH_KIB,
               "resident memory grew by more than %d KiB", GROWTH_KIB);
}

static void run(int64_t seconds, const struct resources *start)
{
    struct ts_chance chance = ts_chance_of(soak.seed, 5000);
    long first_pages = 0;
    uint64_t quiet_points = 0;
    int64_t end_ms = ts_now_ms() + seconds * 1000;
    bool over = false;
    while (!over) {
        int64_t quiet_ms = ts_now_ms() + QUIET_MS;
        while (ts_now_ms() < end_ms && ts_now_ms() < quiet_ms) {
            do_harm(&chance);
        }
        over = ts_now_ms() >= end_ms;
        heal();
        check_quiet(start);
        quiet_points++;
        first_pages = quiet_points == 1 ? resources().pages : first_pages;
        go_on(over);
    }
    summary((uint64_t)seconds, quiet_points, resources().pages - first_pages);
}

int main(void)
{
    static unsigned numbers[WORKERS];
    pthread_t threads[THREADS];
    int listener;
    uint64_t seconds = 600;
    const char *text = getenv("NATSKIT_SOAK_SECONDS");
    if (text != NULL && (!ts_parse_size(text, &seconds) || seconds == 0)) {
        fprintf(stderr, "NATSKIT_SOAK_SECONDS: %s is not a number of seconds\n", text);
        return 1;
    }
    if (ts_server_program() == NULL) {
        puts("there is no nats-server: skipped");
        return 77;
    }
    begin(&listener);
    atomic_store(&soak.quiet, true);
    for (unsigned i = 0; i < WORKERS; i++) {
        numbers[i] = i;
        SOAK_CHECK(pthread_create(&threads[i], NULL, soak_worker, &numbers[i]) == 0, "no thread");
    }
    SOAK_CHECK(pthread_create(&threads[WORKERS], NULL, soak_echo, NULL) == 0, "no thread");
    SOAK_CHECK(pthread_create(&threads[WORKERS + 1], NULL, soak_rough, &listener) == 0, "no thread");
    /* Measured while the threads stand still and have not used the library yet. */
    pthread_barrier_wait(&soak.barrier);
    struct resources start = resources();
    go_on(false);
    run((int64_t)seconds, &start);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    close(listener);
    bool clean = ts_tap_stop(tap) == 0;
    ts_server_free(server);
    if (!clean) {
        fprintf(stderr, "soak: NATSKIT_SEED=%llu: the wire oracle found a violation\n",
                (unsigned long long)soak.seed);
    }
    return clean ? 0 : 1;
}
