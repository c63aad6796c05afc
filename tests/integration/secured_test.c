/* TLS under load and under faults, against a real server: many messages of all sizes both ways while others
 * ask, callers that block, many connections, connections cut at any byte (nothing arrives twice, what is
 * missing is told), files that change between two attempts, and what an idle connection holds in memory. */
#include "bench.h"

#include "support/chance.h"
#include "support/wallet.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { SCALE = 10, CHECK_MEMORY = 0 };
#else
enum { SCALE = 1, CHECK_MEMORY = 1 };
#endif

enum {
    MESSAGES = 100000 / SCALE, /* of each of two publishers */
    AHEAD = 2000,              /* of its subscriber, so that no queue is full */
    CUTS = 40 / (SCALE > 1 ? 4 : 1),
    CROWD = 40,
    IDLE_KIB = 160, /* of one connection that has nothing to do: OpenSSL's state, sessions, our own */
    IDLE_USED_KIB = 320
};

#define SECURED                                                                                              \
    "tls { cert_file: \"${wallet}/server.pem\", key_file: \"${wallet}/server.key\", "                        \
    "ca_file: \"${wallet}/ca.pem\", verify: true, timeout: 20 }\n"

static char tap_url[64];
static char direct_url[64];

static int begin(void **state)
{
    (void)state;
    if (ts_server_program() == NULL) {
        puts("there is no nats-server: skipped");
        exit(77);
    }
    char *config = ts_wallet() != NULL ? ts_wallet_expand(ts_wallet(), SECURED) : NULL;
    bench.server = ts_server_start(&(struct ts_server_opts){.extra = config, .no_jetstream = true});
    free(config);
    bench.tap = bench.server != NULL ? ts_tap_start(ts_server_url(bench.server)) : NULL;
    if (bench.tap == NULL) {
        return 1;
    }
    (void)snprintf(tap_url, sizeof tap_url, "tls://127.0.0.1:%u", ts_tap_port(bench.tap));
    (void)snprintf(direct_url, sizeof direct_url, "tls://127.0.0.1:%u", ts_server_port(bench.server));
    return 0;
}

static void set(natskit_options options, const char *name, const char *value)
{
    assert_ok(natskit_options_set(options, name, Z, value, Z, NULL));
}

static void set_file(natskit_options options, const char *name, const char *file)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", ts_wallet(), file);
    set(options, name, path);
}

static natskit_options secure_options(void)
{
    natskit_options options;
    assert_ok(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options));
    set_file(options, "tls_ca_file", "ca.pem");
    set_file(options, "tls_cert_file", "client.pem");
    set_file(options, "tls_key_file", "client.key");
    set(options, "reconnect_wait_ms", "1");
    set(options, "reconnect_wait_max_ms", "5");
    set(options, "reconnect_jitter_ms", "0");
    set(options, "reconnect_jitter_tls_ms", "0");
    return options;
}

/* Closes the options. */
static natskit_conn connect_to(const char *url, natskit_options options)
{
    natskit_conn conn;
    natskit_error err = {0};
    natskit_conn_info info = {0};
    if (natskit_connect(url, Z, options, WAIT_MS, &conn, &err) != NATSKIT_OK) {
        fail_msg("connect: %s", err.text);
    }
    assert_ok(natskit_options_close(options));
    assert_ok(natskit_conn_info_get(conn, &info, sizeof info));
    assert_int_equal(info.tls, 1);
    return conn;
}

static natskit_sub events_of(natskit_conn conn)
{
    natskit_sub events;
    assert_ok(natskit_conn_events(conn, NO_OPTIONS, &events, NULL));
    return events;
}

/* -- load --------------------------------------------------------------------------------------------------
 */

/* Threads only count what goes wrong: cmocka's assertions are the main thread's. */
struct flow {
    natskit_conn from;
    natskit_sub sub;
    const char *subject;
    _Atomic uint32_t taken;
    atomic_int wrong;
};

static atomic_bool flowing;

static size_t size_of(uint32_t number)
{
    return number % 20000 == 7 ? 1024 * 1024 - 1 : number % 500 == 3 ? 65536 : 8 + number % 200;
}

static uint8_t byte_of(uint32_t number, size_t at)
{
    return (uint8_t)(number + at * 13);
}

static void *publish(void *arg)
{
    struct flow *flow = arg;
    uint8_t *data = malloc(1024 * 1024);
    for (uint32_t number = 0; number < MESSAGES && data != NULL; number++) {
        size_t size = size_of(number);
        memcpy(data, &number, sizeof number);
        data[4] = byte_of(number, 4);
        data[size - 1] = byte_of(number, size - 1);
        while (number > atomic_load(&flow->taken) + AHEAD && atomic_load(&flow->wrong) == 0) {
            ts_pause_ms(1);
        }
        if (natskit_publish(flow->from, flow->subject, Z, NULL, 0, NO_HEADERS, data, size, WAIT_MS) !=
            NATSKIT_OK) {
            atomic_fetch_add(&flow->wrong, 1);
            break;
        }
    }
    free(data);
    return NULL;
}

static bool is_right(const natskit_msg *msg, uint32_t number)
{
    natskit_message_view view = {0};
    uint32_t got = UINT32_MAX;
    bool fine = natskit_msg_view(msg, &view, sizeof view) == NATSKIT_OK && view.data_len == size_of(number);
    if (fine) {
        const uint8_t *data = view.data;
        memcpy(&got, data, sizeof got);
        fine = data[4] == byte_of(number, 4) && data[view.data_len - 1] == byte_of(number, view.data_len - 1);
    }
    return fine && got == number;
}

static void *take(void *arg)
{
    struct flow *flow = arg;
    for (uint32_t number = 0; number < MESSAGES && atomic_load(&flow->wrong) == 0; number++) {
        natskit_msg *msg = NULL;
        bool fine = natskit_sub_next(flow->sub, WAIT_MS, &msg) == NATSKIT_OK && is_right(msg, number);
        (void)natskit_msg_release(msg);
        atomic_store(&flow->taken, number + 1);
        if (!fine) {
            atomic_fetch_add(&flow->wrong, 1);
        }
    }
    return NULL;
}

/* Answers with what it was asked. */
static void *answer(void *arg)
{
    struct flow *flow = arg;
    natskit_msg *msg;
    while (natskit_sub_next(flow->sub, WAIT_MS, &msg) == NATSKIT_OK) {
        natskit_message_view view = {0};
        bool fine = natskit_msg_view(msg, &view, sizeof view) == NATSKIT_OK &&
                    natskit_msg_respond(msg, NO_HEADERS, view.data, view.data_len, WAIT_MS) == NATSKIT_OK;
        (void)natskit_msg_release(msg);
        atomic_fetch_add(&flow->wrong, !fine);
    }
    return NULL;
}

/* Asks, and flushes now and then, until the others are done. */
static void *ask(void *arg)
{
    struct flow *flow = arg;
    for (uint32_t number = 0; atomic_load(&flowing) || number < 100; number++) {
        natskit_msg *msg = NULL;
        natskit_message_view view = {0};
        natskit_error err;
        bool fine = natskit_request(flow->from, flow->subject, Z, NO_HEADERS, &number, sizeof number, WAIT_MS,
                                    &msg, &err) == NATSKIT_OK &&
                    natskit_msg_view(msg, &view, sizeof view) == NATSKIT_OK &&
                    view.data_len == sizeof number && memcmp(view.data, &number, sizeof number) == 0;
        (void)natskit_msg_release(msg);
        fine = fine && (number % 10 != 0 || natskit_flush(flow->from, WAIT_MS) == NATSKIT_OK);
        atomic_fetch_add(&flow->taken, 1);
        if (!fine) {
            atomic_fetch_add(&flow->wrong, 1);
            break;
        }
    }
    return NULL;
}

static void test_many_messages(void **state)
{
    (void)state;
    natskit_conn one = connect_to(direct_url, secure_options());
    natskit_conn two = connect_to(direct_url, secure_options());
    /* Crosswise, so that each connection is written and read at once; the askers block on both. */
    struct flow flows[2] = {{.from = one, .subject = "flow.a"}, {.from = two, .subject = "flow.b"}};
    struct flow asks[2] = {{.from = one, .subject = "ask"}, {.from = two, .subject = "ask"}};
    struct flow answers = {.sub = bench_subscribe(two, "ask", NULL)};
    pthread_t threads[7];
    atomic_store(&flowing, true);
    flows[0].sub = bench_subscribe(two, "flow.a", NULL);
    flows[1].sub = bench_subscribe(one, "flow.b", NULL);
    assert_ok(natskit_flush(one, WAIT_MS));
    assert_ok(natskit_flush(two, WAIT_MS));
    assert_int_equal(pthread_create(&threads[6], NULL, answer, &answers), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, publish, &flows[i]), 0);
        assert_int_equal(pthread_create(&threads[2 + i], NULL, take, &flows[i]), 0);
        assert_int_equal(pthread_create(&threads[4 + i], NULL, ask, &asks[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    atomic_store(&flowing, false);
    pthread_join(threads[4], NULL);
    pthread_join(threads[5], NULL);
    assert_ok(natskit_conn_drain(one, WAIT_MS, NULL));
    assert_ok(natskit_conn_drain(two, WAIT_MS, NULL));
    pthread_join(threads[6], NULL);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(atomic_load(&flows[i].wrong), 0);
        assert_int_equal(atomic_load(&flows[i].taken), MESSAGES);
        assert_int_equal(atomic_load(&asks[i].wrong), 0);
        assert_true(atomic_load(&asks[i].taken) >= 100);
        assert_ok(natskit_sub_close(flows[i].sub));
    }
    assert_int_equal(atomic_load(&answers.wrong), 0);
    assert_ok(natskit_sub_close(answers.sub));
    assert_ok(natskit_conn_close(one, 0));
    assert_ok(natskit_conn_close(two, 0));
}

/* Many at once, closed in each of the ways that there are. */
static void test_crowd(void **state)
{
    (void)state;
    natskit_conn conns[CROWD];
    natskit_op ops[CROWD];
    natskit_conn hearer = connect_to(direct_url, secure_options());
    natskit_sub sub = bench_subscribe(hearer, "crowd", NULL);
    assert_ok(natskit_flush(hearer, WAIT_MS));
    natskit_options options = secure_options();
    for (int i = 0; i < CROWD; i++) {
        assert_ok(natskit_connect_start(direct_url, Z, options, WAIT_MS, &conns[i], &ops[i], NULL));
    }
    assert_ok(natskit_options_close(options));
    for (int i = 0; i < CROWD; i++) {
        assert_ok(natskit_op_wait(ops[i], WAIT_MS));
        assert_ok(natskit_op_result(ops[i], NULL, NULL));
        assert_ok(natskit_op_close(ops[i]));
        bench_publish(conns[i], "crowd", "here");
    }
    for (int i = 0; i < CROWD; i++) {
        if (i % 3 == 0) {
            assert_ok(natskit_conn_drain(conns[i], WAIT_MS, NULL));
        } else if (i % 3 == 1) {
            assert_ok(natskit_flush(conns[i], WAIT_MS));
        }
        assert_ok(natskit_conn_close(conns[i], i % 3 == 1 ? 0 : WAIT_MS));
    }
    for (int i = 0; i < CROWD; i++) {
        bench_expect(sub, "here"); /* a close that lingers, too, leaves nothing behind in TLS */
    }
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_conn_close(hearer, 0));
}

/* -- cut anywhere ------------------------------------------------------------------------------------------
 */

enum { NUMBERS = 8 * 1024 * 1024 };
static uint8_t seen[NUMBERS / 8];

/* Takes all that has come, each number once; how many. Not in order: the server reads what was sent before
 * the cut when it likes. */
static uint64_t take_once(natskit_sub sub)
{
    natskit_msg *msg;
    uint64_t count = 0;
    while (natskit_sub_next(sub, 0, &msg) == NATSKIT_OK) {
        natskit_message_view view;
        uint32_t number;
        assert_ok(natskit_msg_view(msg, &view, sizeof view));
        memcpy(&number, view.data, sizeof number);
        assert_true(number < NUMBERS);
        if ((seen[number / 8] >> number % 8 & 1) != 0) {
            fail_msg("message %u came twice", number);
        }
        seen[number / 8] |= (uint8_t)(1 << number % 8);
        count++;
        assert_ok(natskit_msg_release(msg));
    }
    return count;
}

/* Publishes until the connection was cut and is there again. */
static uint32_t publish_through(natskit_conn conn, uint32_t number, uint64_t reconnects,
                                struct ts_chance *chance)
{
    static uint8_t data[100000];
    natskit_conn_stats stats = {0};
    int64_t deadline_ms = ts_now_ms() + WAIT_MS;
    while (stats.reconnects <= reconnects) {
        size_t size = ts_chance_below(chance, 20) == 0 ? 4 + ts_chance_below(chance, sizeof data - 4)
                                                       : 4 + ts_chance_below(chance, 300);
        memcpy(data, &number, sizeof number);
        assert_ok(natskit_publish(conn, "cut", Z, NULL, 0, NO_HEADERS, data, size, WAIT_MS));
        number++;
        assert_ok(natskit_conn_stats_get(conn, &stats, sizeof stats));
        assert_true(ts_now_ms() < deadline_ms);
    }
    return number;
}

static void test_cut_anywhere(void **state)
{
    (void)state;
    uint64_t seed = ts_chance_seed();
    struct ts_chance chance = ts_chance_of(seed, 1);
    print_message("NATSKIT_SEED=%llu\n", (unsigned long long)seed);
    natskit_conn hearer = connect_to(direct_url, secure_options());
    natskit_sub sub = bench_subscribe(hearer, "cut", NULL);
    assert_ok(natskit_flush(hearer, WAIT_MS));
    natskit_conn conn = connect_to(tap_url, secure_options());
    uint32_t number = 0;
    uint64_t came = 0;
    for (uint64_t round = 0; round < CUTS; round++) {
        if (round % 3 == 2) {
            assert_true(ts_tap_command(bench.tap, "live throttle 3m"));
        }
        assert_true(
            ts_tap_command(bench.tap, "live up cut-after %u", (unsigned)ts_chance_below(&chance, 400000)));
        number = publish_through(conn, number, round, &chance);
        came += take_once(sub);
    }
    assert_ok(natskit_flush(conn, WAIT_MS));
    assert_ok(natskit_flush(hearer, WAIT_MS));
    came += take_once(sub);
    natskit_conn_stats stats = {0};
    natskit_sub_stats sub_stats = {0};
    assert_ok(natskit_conn_stats_get(conn, &stats, sizeof stats));
    assert_ok(natskit_sub_stats_get(sub, &sub_stats, sizeof sub_stats));
    assert_int_equal(sub_stats.dropped_msgs, 0);
    int64_t deadline_ms = ts_now_ms() + WAIT_MS;
    while (came + stats.unconfirmed < number && ts_now_ms() < deadline_ms) {
        ts_pause_ms(10); /* the server may still read what came before the last cut */
        came += take_once(sub);
    }
    uint64_t missing = number - came;
    print_message("%u published, %llu missing, %llu told as unconfirmed\n", number,
                  (unsigned long long)missing, (unsigned long long)stats.unconfirmed);
    assert_true(missing <= stats.unconfirmed);
    assert_true(stats.unconfirmed < number);
    assert_ok(natskit_sub_close(sub));
    assert_ok(natskit_conn_close(conn, WAIT_MS));
    assert_ok(natskit_conn_close(hearer, 0));
}

/* -- files that change -------------------------------------------------------------------------------------
 */

static void expect_refused(natskit_sub events)
{
    natskit_event_view view = {0};
    while (view.status != NATSKIT_CREDENTIALS) {
        natskit_msg *msg;
        assert_ok(natskit_sub_next(events, WAIT_MS, &msg));
        assert_ok(natskit_msg_event(msg, &view, sizeof view));
        assert_ok(natskit_msg_release(msg));
    }
}

static void copy(const char *from, const char *name)
{
    assert_true(ts_wallet_copy(ts_wallet(), from, name));
}

/* Each attempt reads what is there then: a wrong state is told and tried again, until it is right. */
static void test_files_change(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *bad; /* NULL: it is gone */
        const char *good;
    } rows[] = {{"now.key", "client-2.key", "client.key"},
                {"now.pem", "client-2.pem", "client.pem"},
                {"now-ca.pem", NULL, "ca.pem"},
                {"now-ca.pem", "empty.pem", "ca.pem"},
                {"now.pem", "broken.pem", "client.pem"},
                {"now.key", NULL, "client.key"}};
    copy("ca.pem", "now-ca.pem");
    copy("client.pem", "now.pem");
    copy("client.key", "now.key");
    natskit_options options = secure_options();
    set_file(options, "tls_ca_file", "now-ca.pem");
    set_file(options, "tls_cert_file", "now.pem");
    set_file(options, "tls_key_file", "now.key");
    natskit_conn conn = connect_to(tap_url, options);
    natskit_sub events = events_of(conn);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        copy(rows[i].bad, rows[i].name);
        assert_true(ts_tap_command(bench.tap, "live cut"));
        expect_refused(events);
        copy(rows[i].good, rows[i].name);
        bench_expect_event(events, NATSKIT_EVENT_RECONNECTED);
        assert_ok(natskit_flush(conn, WAIT_MS));
    }
    assert_ok(natskit_sub_close(events));
    assert_ok(natskit_conn_close(conn, 0));
}

/* -- memory ------------------------------------------------------------------------------------------------
 */

static long resident_kib(void)
{
    long total;
    long resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld %ld", &total, &resident), 2);
    (void)fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void test_idle_memory(void **state)
{
    (void)state;
    natskit_conn conns[CROWD];
    static uint8_t data[500000];
    natskit_conn first = connect_to(direct_url, secure_options()); /* what is there once for all */
    natskit_counters before = {0};
    natskit_counters after = {0};
    assert_ok(natskit_counters_get(&before, sizeof before));
    long at_first = resident_kib();
    for (int i = 0; i < CROWD; i++) {
        conns[i] = connect_to(direct_url, secure_options());
        assert_ok(natskit_flush(conns[i], WAIT_MS));
    }
    long idle = (resident_kib() - at_first) / CROWD;
    assert_ok(natskit_counters_get(&after, sizeof after));
    for (int i = 0; i < CROWD; i++) {
        assert_ok(natskit_publish(conns[i], "x", Z, NULL, 0, NO_HEADERS, data, sizeof data, WAIT_MS));
        assert_ok(natskit_flush(conns[i], WAIT_MS));
    }
    long used = (resident_kib() - at_first) / CROWD;
    print_message(
        "an idle connection holds %ld KiB, of which %llu are ours; one that has sent much %ld KiB\n", idle,
        (unsigned long long)(after.allocated_bytes - before.allocated_bytes) / CROWD / 1024, used);
    assert_true(!CHECK_MEMORY || (idle <= IDLE_KIB && used <= IDLE_USED_KIB));
    for (int i = 0; i < CROWD; i++) {
        assert_ok(natskit_conn_close(conns[i], 0));
    }
    assert_ok(natskit_conn_close(first, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle_memory),  cmocka_unit_test(test_many_messages),
        cmocka_unit_test(test_crowd),        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_files_change),
    };
    return cmocka_run_group_tests(tests, begin, bench_end);
}
