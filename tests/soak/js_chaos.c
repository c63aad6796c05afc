/* SPDX-License-Identifier: Apache-2.0
 *
 * Chaos of JetStream: three servers of one cluster with a stream, a bucket and a store of three replicas
 * each, under load; every few seconds a server is killed and started again, or stopped and continued, or the
 * stream, the bucket, the store, a consumer or the whole JetStream has to elect another leader. For
 * NATSKIT_CHAOS_SECONDS (300).
 * After each fault everybody has to go on. Afterwards the stream is read back: what was acked is in it once,
 * with its id, at the sequence of its ack; each of its messages was processed by each durable consumer; each
 * revision of the bucket came to each watch once and in order, and INITIAL_DONE once; each object that was
 * read to its end was whole, and is in the end what was put last. Prints a line for each fault, with the
 * longest silence of each kind of load, and one in the end.
 *
 * Exit code 0, 1 (with the reason and the seed), or 77 without a server. NATSKIT_SEED replays the faults.
 */
#include "js_chaos.h"

#include "support/chance.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* An election takes up to 9 s, and the next one may follow; a consumer or a watch whose server says nothing
 * notices after 10 s, and then the consumer has to be made anew. The rest is for a busy machine. */
enum { ALIVE_MS = 60000, READY_MS = 90000 };

static const char config[] = "accounts {\n"
                             "  $SYS: { users: [ { user: sys, password: pw } ] }\n"
                             "  JS: { jetstream: enabled, users: [ { user: js, password: pw } ] }\n"
                             "}\n"
                             "no_auth_user: js\n";

enum { KILL, STOP, STREAM_LEADER, BUCKET_LEADER, STORE_LEADER, CONSUMER_LEADER, META_LEADER, FAULTS };
static const char *const fault_names[FAULTS] = {"kill",
                                                "stop",
                                                "leader of the stream",
                                                "leader of the bucket",
                                                "leader of the store",
                                                "leader of a consumer",
                                                "meta leader"};
/* Kinds of load, each with its actors. */
enum { KINDS = 6 };
static const char *const kind_names[KINDS] = {"publishers", "consumers", "writers",
                                              "puts",       "gets",      "watches"};
static const size_t kind_begin[KINDS + 1] = {
    0, JC_FIRST_TAKER, JC_FIRST_WRITER, JC_FIRST_PUTTER, JC_FIRST_GETTER, JC_FIRST_WATCH, JC_ACTORS};

struct jc jc;

static pthread_t threads[JC_ACTORS];
static uint64_t counts[FAULTS];
static int64_t longest_ms[FAULTS][KINDS];
static int64_t begun_ms;

void jc_fail(const char *format, ...)
{
    static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
    char text[1000];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    pthread_mutex_lock(&mu); /* the first one ends the program */
    fprintf(stderr, "js_chaos: NATSKIT_SEED=%" PRIu64 ", after %" PRId64 " ms: %s\n", jc.seed,
            ts_now_ms() - begun_ms, text);
    fflush(NULL);
    _exit(1); /* children end with this process */
}

void jc_progress(struct jc_actor *actor, int64_t mark)
{
    int64_t now_ms = ts_now_ms();
    int64_t silence_ms = now_ms - atomic_exchange(&actor->last_ms, now_ms);
    if (silence_ms > atomic_load(&actor->silence_ms)) {
        atomic_store(&actor->silence_ms, silence_ms);
    }
    if (mark > atomic_load(&actor->mark)) {
        atomic_store(&actor->mark, mark);
    }
}

/* -- calls ------------------------------------------------------------------------------------------------
 */

natskit_options jc_options(int32_t scope)
{
    natskit_options options;
    JC_CHECK(natskit_options_open(scope, &options) == NATSKIT_OK, "options");
    return options;
}

void jc_set_int(natskit_options options, const char *name, int64_t value)
{
    JC_CHECK(natskit_options_set_int(options, name, Z, value, NULL) == NATSKIT_OK, "option %s", name);
}

void jc_set(natskit_options options, const char *name, const char *value)
{
    JC_CHECK(natskit_options_set(options, name, Z, value, Z, NULL) == NATSKIT_OK, "option %s", name);
}

/* Without leaders for a while calls fail; all calls of this program may be made again. */
__attribute__((format(printf, 2, 0))) static natskit_json call(const char *name, const char *format,
                                                               va_list args)
{
    struct ts_buf text = {0};
    natskit_json wanted;
    natskit_json answer;
    natskit_error err = {0};
    int64_t deadline_ms = ts_now_ms() + JC_CALL_MS;
    ts_buf_vprintf(&text, format, args);
    for (size_t i = 0; i < text.len; i++) {
        text.at[i] = text.at[i] == '\'' ? '"' : text.at[i];
    }
    JC_CHECK(natskit_json_parse(text.at, text.len, &wanted, &err) == NATSKIT_OK, "%s: %s", name, err.text);
    while (natskit_js_call(jc.js, name, Z, wanted, JC_CALL_MS / 6, &answer, &err) != NATSKIT_OK) {
        JC_CHECK(ts_now_ms() < deadline_ms, "%s: %d, %s", name, err.err_code, err.text);
        ts_pause_ms(JC_SLICE_MS);
    }
    natskit_json_close(wanted);
    ts_buf_free(&text);
    return answer;
}

natskit_json jc_call(const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    natskit_json answer = call(name, format, args);
    va_end(args);
    return answer;
}

void jc_do(const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    natskit_json_close(call(name, format, args));
    va_end(args);
}

uint64_t jc_number(natskit_json json, const char *path)
{
    uint64_t value;
    JC_CHECK(natskit_json_get_uint(json, path, Z, &value, NULL) == NATSKIT_OK, "no %s in an answer", path);
    return value;
}

/* -- everything goes on -----------------------------------------------------------------------------------
 */

/* What an actor has to reach that goes on: something that did not exist yet. */
static int64_t target(size_t actor)
{
    if (actor < JC_FIRST_WRITER) {
        return (int64_t)atomic_load(&jc.pubs[actor < JC_PUBS ? actor : 0].next);
    }
    return (actor < JC_FIRST_WATCH ? atomic_load(&jc.actors[actor].mark)
                                   : (int64_t)atomic_load(&jc.top_revision)) +
           1;
}

/* What the library says of a silent one. */
static void describe(const struct jc_actor *actor, int64_t wanted, struct ts_buf *text)
{
    natskit_pull_info pull;
    natskit_watch_info watch;
    natskit_conn_info info = {0};
    (void)natskit_conn_info_get(actor->conn, &info, sizeof info);
    ts_buf_printf(text, " %s (%" PRId64 " of %" PRId64 ", at %s", actor->name, atomic_load(&actor->mark),
                  wanted, info.url);
    if (actor->sub.id != 0 && natskit_sub_pull_info(actor->sub, &pull, sizeof pull) == NATSKIT_OK) {
        ts_buf_printf(text,
                      ", %" PRIu64 " pulls open, %" PRIu64 " ahead, %" PRIu64 " pulls, %" PRIu64
                      " missed, %" PRIu64 " given up, missing %d, paused %d, %d %s",
                      pull.open_pulls, pull.ahead_msgs, pull.pulls, pull.missed, pull.given_up, pull.missing,
                      pull.paused, pull.last_code, pull.last_text);
    } else if (actor->sub.id != 0 && natskit_sub_watch_info(actor->sub, &watch, sizeof watch) == NATSKIT_OK) {
        ts_buf_printf(text, ", %" PRIu64 " resets, last %" PRIu64 ", live %d", watch.resets, watch.last_seq,
                      watch.live);
    }
    ts_buf_printf(text, ")");
}

static void wait_alive(void)
{
    int64_t targets[JC_ACTORS];
    int64_t deadline_ms = ts_now_ms() + ALIVE_MS;
    for (size_t i = 0; i < JC_ACTORS; i++) {
        targets[i] = target(i);
    }
    for (size_t i = 0; i < JC_ACTORS;) {
        if (atomic_load(&jc.actors[i].mark) >= targets[i]) {
            i++;
            continue;
        }
        if (ts_now_ms() > deadline_ms) {
            struct ts_buf text = {0};
            for (size_t k = 0; k < JC_ACTORS; k++) {
                if (atomic_load(&jc.actors[k].mark) < targets[k]) {
                    describe(&jc.actors[k], targets[k], &text);
                }
            }
            jc_fail("silent after %d ms:%.*s", ALIVE_MS, (int)text.len, text.at);
        }
        ts_pause_ms(5);
    }
}

/* -- faults -----------------------------------------------------------------------------------------------
 */

static int leader_of(const char *stream)
{
    char name[16] = "";
    size_t len = 0;
    natskit_json info = jc_call("stream.info", "{'stream':'%s'}", stream);
    natskit_status status =
        natskit_json_get_string(info, "/cluster/leader", Z, name, sizeof name, &len, NULL);
    natskit_json_close(info);
    JC_CHECK(status == NATSKIT_OK && len == 2 && name[1] > '0' && name[1] <= '0' + JC_NODES, "leader of %s",
             stream);
    return name[1] - '1';
}

/* Any node, or one whose loss hurts. */
static int choose_node(struct ts_chance *chance)
{
    switch (ts_chance_below(chance, 5)) {
    case 0:
        return leader_of(JC_STREAM);
    case 1:
        return leader_of("KV_" JC_BUCKET);
    case 2:
        return leader_of("OBJ_" JC_STORE);
    default:
        return (int)ts_chance_below(chance, JC_NODES);
    }
}

static void step_down(natskit_conn conn, const char *subject)
{
    int64_t deadline_ms = ts_now_ms() + JC_CALL_MS;
    for (bool done = false; !done;) {
        natskit_msg *reply;
        natskit_message_view view;
        natskit_status status =
            natskit_request(conn, subject, Z, NO_HEADERS, "", 0, JC_CALL_MS / 6, &reply, NULL);
        if (status == NATSKIT_OK) {
            JC_CHECK(natskit_msg_view(reply, &view, sizeof view) == NATSKIT_OK, "a reply");
            done = memmem(view.data, view.data_len, "\"success\":true", 14) != NULL;
            natskit_msg_release(reply);
        }
        JC_CHECK(done || ts_now_ms() < deadline_ms, "%s: %d", subject, status);
        if (!done) {
            ts_pause_ms(JC_SLICE_MS);
        }
    }
}

static void harm_node(uint32_t fault, int node, int64_t ms)
{
    struct ts_server *server = ts_cluster_node(jc.cluster, node);
    if (fault == KILL) {
        ts_server_kill(server);
        ts_pause_ms((int)ms);
        JC_CHECK(ts_server_restart(server), "node %d does not start again", node + 1);
    } else {
        JC_CHECK(ts_server_pause(server), "node %d cannot be stopped", node + 1);
        ts_pause_ms((int)ms);
        JC_CHECK(ts_server_resume(server), "node %d cannot be continued", node + 1);
    }
    JC_CHECK(ts_cluster_wait_ready(jc.cluster, READY_MS), "no cluster");
}

/* The fault, until it is over; `what` tells of it. */
static void harm(uint32_t fault, struct ts_chance *chance, char *what, size_t cap)
{
    static const char *const durables[JC_DURABLES] = {"alone", "shared", "fetched"};
    char subject[80];
    int64_t ms = 200 + ts_chance_below(chance, fault == KILL ? 3000 : 7000);
    snprintf(what, cap, "%s", fault_names[fault]);
    switch (fault) {
    case KILL:
    case STOP: {
        int node = choose_node(chance);
        snprintf(what, cap, "%s of n%d for %" PRId64 " ms", fault_names[fault], node + 1, ms);
        harm_node(fault, node, ms);
        break;
    }
    case STREAM_LEADER:
        step_down(jc.admin, "$JS.API.STREAM.LEADER.STEPDOWN." JC_STREAM);
        break;
    case BUCKET_LEADER:
        step_down(jc.admin, "$JS.API.STREAM.LEADER.STEPDOWN.KV_" JC_BUCKET);
        break;
    case STORE_LEADER:
        step_down(jc.admin, "$JS.API.STREAM.LEADER.STEPDOWN.OBJ_" JC_STORE);
        break;
    case CONSUMER_LEADER:
        snprintf(subject, sizeof subject, "$JS.API.CONSUMER.LEADER.STEPDOWN." JC_STREAM ".%s",
                 durables[ts_chance_below(chance, JC_DURABLES)]);
        step_down(jc.admin, subject);
        break;
    default:
        step_down(jc.system, "$JS.API.META.LEADER.STEPDOWN");
        break;
    }
}

static void print_silences(const int64_t silence_ms[KINDS])
{
    printf("longest silence:");
    for (size_t kind = 0; kind < KINDS; kind++) {
        printf("%s %s %" PRId64, kind > 0 ? "," : "", kind_names[kind], silence_ms[kind]);
    }
    printf(" ms\n");
    fflush(stdout);
}

static void do_harm(uint32_t fault, struct ts_chance *chance)
{
    char what[80];
    int64_t begin_ms = ts_now_ms();
    int64_t silence_ms[KINDS] = {0};
    for (size_t i = 0; i < JC_ACTORS; i++) {
        atomic_store(&jc.actors[i].silence_ms, 0);
    }
    harm(fault, chance, what, sizeof what);
    int64_t over_ms = ts_now_ms();
    wait_alive();
    for (size_t kind = 0; kind < KINDS; kind++) {
        for (size_t i = kind_begin[kind]; i < kind_begin[kind + 1]; i++) {
            int64_t one_ms = atomic_load(&jc.actors[i].silence_ms);
            silence_ms[kind] = one_ms > silence_ms[kind] ? one_ms : silence_ms[kind];
        }
        if (silence_ms[kind] > longest_ms[fault][kind]) {
            longest_ms[fault][kind] = silence_ms[kind];
        }
    }
    printf("js_chaos: %7" PRId64 " ms: %s: over after %" PRId64 " ms, all go on %" PRId64 " ms later; ",
           begin_ms - begun_ms, what, over_ms - begin_ms, ts_now_ms() - over_ms);
    print_silences(silence_ms);
    counts[fault]++;
    ts_pause_ms(300 + (int)ts_chance_below(chance, 1500));
}

/* All kinds in turn, each time in another order, so that a short run has most of them. */
static void do_all_harm(int64_t seconds)
{
    struct ts_chance chance = {jc.seed};
    uint32_t order[FAULTS] = {KILL,       STOP, STREAM_LEADER, BUCKET_LEADER, STORE_LEADER, CONSUMER_LEADER,
                              META_LEADER};
    int64_t end_ms = ts_now_ms() + seconds * 1000;
    for (uint32_t i = 0; ts_now_ms() < end_ms; i = (i + 1) % FAULTS) {
        uint32_t other = i + ts_chance_below(&chance, FAULTS - i);
        uint32_t fault = order[other];
        order[other] = order[i];
        order[i] = fault;
        do_harm(fault, &chance);
    }
}

/* -- begin and end ----------------------------------------------------------------------------------------
 */

/* What is silent is noticed within 3 s, and a server that does not answer costs 2 s more. */
static natskit_conn connect_as(const char *urls, const char *user)
{
    natskit_conn conn;
    natskit_error err = {0};
    natskit_options options = jc_options(NATSKIT_OPTIONS_CONNECT);
    jc_set_int(options, "ping_interval_ms", 1000);
    jc_set_int(options, "max_pings_out", 2);
    jc_set_int(options, "attempt_timeout_ms", 2000);
    jc_set_int(options, "reconnect_wait_ms", 50);
    jc_set_int(options, "reconnect_wait_max_ms", 1000);
    if (user != NULL) {
        jc_set(options, "user", user);
        jc_set(options, "password", "pw");
    }
    JC_CHECK(natskit_connect(urls, Z, options, JC_CALL_MS, &conn, &err) == NATSKIT_OK, "connect: %s",
             err.text);
    natskit_options_close(options);
    return conn;
}

static natskit_js context(natskit_conn conn)
{
    natskit_js js;
    JC_CHECK(natskit_js_open(conn, NO_OPTIONS, &js, NULL) == NATSKIT_OK, "context");
    return js;
}

static void prepare(int64_t seconds)
{
    static const char *const names[JC_ACTORS] = {"publisher, insisting",
                                                 "publisher",
                                                 "consume",
                                                 "consume, shared",
                                                 "consume, shared too",
                                                 "fetches",
                                                 "writer 0",
                                                 "writer 1",
                                                 "puts 0",
                                                 "puts 1",
                                                 "gets",
                                                 "watch",
                                                 "watch of writer 0",
                                                 "watch with history",
                                                 "new watches"};
    char urls[300] = "";
    for (int i = 0; i < JC_NODES; i++) {
        snprintf(urls + strlen(urls), sizeof urls - strlen(urls), "%s%s", i > 0 ? "," : "",
                 ts_server_url(ts_cluster_node(jc.cluster, i)));
    }
    jc.admin = connect_as(urls, NULL);
    jc.system = connect_as(urls, "sys");
    jc.js = context(jc.admin);
    for (size_t i = 0; i < JC_ACTORS; i++) {
        snprintf(jc.actors[i].name, sizeof jc.actors[i].name, "%s", names[i]);
        jc.actors[i].conn = connect_as(urls, NULL);
        jc.actors[i].js = context(jc.actors[i].conn);
        atomic_store(&jc.actors[i].mark, -1);
        atomic_store(&jc.actors[i].last_ms, ts_now_ms());
    }
    jc_load_open(seconds);
    jc_watch_open(seconds);
    jc_objects_open();
    for (size_t i = 0; i < JC_ACTORS; i++) {
        void *(*const work[KINDS])(void *) = {jc_publish, jc_take, jc_write, jc_put, jc_get, jc_watch};
        size_t kind = KINDS - 1;
        while (i < kind_begin[kind]) {
            kind--;
        }
        JC_CHECK(pthread_create(&threads[i], NULL, work[kind], (void *)(uintptr_t)i) == 0, "no thread");
    }
}

static void join(size_t first, size_t end)
{
    for (size_t i = first; i < end; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void print_verdict(int64_t seconds, const struct jc_verdict *verdict)
{
    struct jc_pub sum = {0};
    uint64_t published = 0;
    uint64_t reconnects = 0;
    for (size_t i = 0; i < JC_ACTORS; i++) {
        natskit_conn_stats stats;
        JC_CHECK(natskit_conn_stats_get(jc.actors[i].conn, &stats, sizeof stats) == NATSKIT_OK, "stats");
        reconnects += stats.reconnects;
    }
    for (size_t i = 0; i < JC_PUBS; i++) {
        published += atomic_load(&jc.pubs[i].next);
        sum.acked += jc.pubs[i].acked;
        sum.duplicates += jc.pubs[i].duplicates;
        sum.unknown += jc.pubs[i].unknown;
        sum.rejected += jc.pubs[i].rejected;
        sum.info.retried += jc.pubs[i].info.retried;
        sum.info.resent += jc.pubs[i].info.resent;
    }
    for (size_t i = 0; i < FAULTS; i++) {
        if (counts[i] == 0) {
            continue;
        }
        printf("js_chaos: %" PRIu64 " times %s: ", counts[i], fault_names[i]);
        print_silences(longest_ms[i]);
    }
    printf("js_chaos: %" PRId64 " s, seed %" PRIu64 ": %" PRIu64 " kills, %" PRIu64 " stops, %" PRIu64
           " step-downs; %" PRIu64 " reconnects; %" PRIu64 " published, %" PRIu64
           " acked, each once in the stream; %" PRIu64 " times unknown, %" PRIu64 " rejected, %" PRIu64
           " left unknown and stored; %" PRIu64 " sent again, %" PRIu64 " retried, %" PRIu64
           " duplicates removed; %" PRIu64 " stored, all processed by each of %d consumers, %" PRIu64
           " redelivered (%" PRIu64 " given back), %" PRIu64 " processed again; %" PRIu64 " fetches, %" PRIu64
           " failed; %" PRIu64 " revisions, %" PRIu64
           " writes failed, none lost, repeated or out of order in %d watches, %" PRIu64 " resets, %" PRIu64
           " more watches; %" PRIu64 " puts of objects, %" PRIu64 " failed, %" PRIu64 " gets whole, %" PRIu64
           " not to their ends, %" PRIu64 " chunks left over\n",
           seconds, jc.seed, counts[KILL], counts[STOP],
           counts[STREAM_LEADER] + counts[BUCKET_LEADER] + counts[STORE_LEADER] + counts[CONSUMER_LEADER] +
               counts[META_LEADER],
           reconnects, published, sum.acked, sum.unknown, sum.rejected, verdict->unknown_stored,
           sum.info.resent, sum.info.retried, sum.duplicates, verdict->stored, JC_DURABLES,
           atomic_load(&jc.redelivered), atomic_load(&jc.naked), verdict->again, atomic_load(&jc.fetches),
           atomic_load(&jc.fetches_failed), verdict->revisions, atomic_load(&jc.writes_failed),
           JC_WATCHES - 1, verdict->resets, jc.watches[JC_AGAIN].rounds, atomic_load(&jc.puts),
           atomic_load(&jc.puts_failed), atomic_load(&jc.gets), atomic_load(&jc.gets_failed),
           verdict->chunks_left);
}

static void clean_up(void)
{
    jc_load_close();
    jc_watch_close();
    for (size_t i = 0; i < JC_ACTORS; i++) {
        natskit_js_close(jc.actors[i].js);
        natskit_conn_close(jc.actors[i].conn, 1000);
    }
    natskit_js_close(jc.js);
    natskit_conn_close(jc.admin, 1000);
    natskit_conn_close(jc.system, 1000);
    ts_cluster_free(jc.cluster);
    JC_CHECK(natskit_shutdown(JC_CALL_MS) == NATSKIT_OK, "shutdown");
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
    begun_ms = ts_now_ms();
    jc.seed = ts_chance_seed();
    printf("js_chaos: NATSKIT_SEED=%" PRIu64 "\n", jc.seed);
    jc.cluster = ts_cluster_start_with(JC_NODES, &(struct ts_server_opts){.extra = config});
    JC_CHECK(jc.cluster != NULL, "no cluster");
    prepare((int64_t)seconds);
    wait_alive();
    do_all_harm((int64_t)seconds);
    atomic_store(&jc.stop_publishing, true);
    join(0, JC_PUBS);
    join(JC_FIRST_WRITER, JC_FIRST_GETTER);
    jc_wait_for_the_rest();
    atomic_store(&jc.stop, true);
    join(JC_FIRST_TAKER, JC_FIRST_WRITER);
    join(JC_FIRST_GETTER, JC_ACTORS);
    struct jc_verdict verdict = jc_judge();
    print_verdict((int64_t)seconds, &verdict);
    clean_up();
    return 0;
}
