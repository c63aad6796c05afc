/* SPDX-License-Identifier: Apache-2.0
 *
 * Ordered consumers that lose everything but their place: NATSKIT_REPLAY_MSGS messages (a million) in a
 * stream of three replicas, read by six readers, one of each deliver policy, each on a thread and a
 * connection of its own, while their consumers are deleted, reset or moved, their stream elects another
 * leader, a server is killed, or their connections are lost. All of that comes first to a stream that is
 * empty, so that each is lost before its first message, and then in rounds: in each six more readers, the
 * guests, begin somewhere in what there is, lose their consumers before anything new is stored or while it
 * is, and are taken late. Each reader has to see exactly the sequences that there are from its begin on, none
 * twice; all of them the same messages; and the messages have to be those that were published, each once.
 * Nothing of it is a matter of time: whatever goes on at all goes on, and what stands still for minutes
 * fails. Tells on stderr of each round, and prints one line in the end, as docs/measured.md has it.
 *
 * Exit code 0, 1 (with the reason and the seed), or 77 without a server. NATSKIT_SEED replays the choices.
 */
#include <natskit.h>

#include "support/chance.h"
#include "support/nats_server.h"
#include "support/text.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define Z NATSKIT_ZLEN
#define NO_OPTIONS ((natskit_options){0})

enum { NODES = 3, SUBJECTS = 7, ROUNDS = 12, ROUND_MIN = 100, ROUND_MAX = 20000 };
enum { CALL_MS = 5000, SLICE_MS = 50, BATCH = 256, SHUTDOWN_MS = 30000 };
enum { GOES_ON_MS = 300000, GETS_IN_MS = 600000 }; /* for what may stand still on a machine under load */
/* Messages under way, and the time for the ack of each: one that comes when its message was given up is of no
 * use, so a cluster that is late with all of them would never be ahead: then fewer are sent. */
enum { WINDOW = 1024, WINDOW_MIN = 16, ACK_WAIT_MS = 10000, PAUSE_MIN_MS = 20, PAUSE_MAX_MS = 2000 };
#define DUPLICATES_NS "1800000000000" /* what is published again comes before that */
enum { BACK = 500, ALL_READ = 5000 }; /* how far before the end a guest begins; how much one reads of all */
enum { ALL, NEW, LAST, LAST_PER_SUBJECT, BY_SEQ, BY_TIME, POLICIES };
static const char *const policies[POLICIES] = {
    "all", "new", "last", "last_per_subject", "by_start_sequence", "by_start_time"};
enum { DELETE, RESET, MOVE, LEADER, KILL, RECONNECT, FAULTS };
static const char *const fault_names[FAULTS] = {"deletion",  "reset", "move",
                                                "step-down", "kill",  "lost connection"};

struct reader {
    int policy;
    natskit_conn conn;
    natskit_js js;
    natskit_sub sub;
    pthread_t thread;
    uint64_t seed;
    _Atomic uint64_t at; /* the last sequence that came */
};

static struct {
    uint64_t seed;
    int64_t begun_ms;
    struct ts_cluster *cluster;
    natskit_conn conn;
    natskit_js js;
    natskit_publisher publisher;
    natskit_sub acks;
    struct reader readers[POLICIES];
    uint64_t total;           /* messages to be published */
    uint64_t published;       /* of the writer: all of them are in the stream when it rests */
    uint64_t portion;         /* of this round */
    _Atomic uint32_t *number; /* of each sequence: the message's number + 1 as the first reader saw it */
    uint64_t *number_of;      /* of each id of the publisher, modulo its length */
    uint64_t ids;
    uint64_t *again; /* numbers of messages that may not be in the stream */
    uint64_t sent_again;
    uint64_t counts[FAULTS];
    uint64_t guests;
    uint64_t read_by_guests;
    uint64_t resets;
    atomic_bool stop;
} rp;

__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...)
{
    static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
    char text[1000];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    pthread_mutex_lock(&mu); /* the first one ends the program */
    fprintf(stderr, "js_replay: NATSKIT_SEED=%" PRIu64 ", after %" PRId64 " ms: %s\n", rp.seed,
            ts_now_ms() - rp.begun_ms, text);
    fflush(NULL);
    _exit(1); /* children end with this process */
}
#define CHECK(condition, ...)                                                                                \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fail(__VA_ARGS__);                                                                               \
        }                                                                                                    \
    } while (0)

/* A number as people read it: 1,000,000. */
struct grouped {
    char at[32];
};

static struct grouped grouped(uint64_t number)
{
    char digits[24];
    struct grouped out;
    size_t len = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, number);
    size_t used = 0;
    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            out.at[used++] = ',';
        }
        out.at[used++] = digits[i];
    }
    out.at[used] = '\0';
    return out;
}

/* -- calls ----------------------------------------------------------------------------------------------- */

/* In its arguments ' stands for ". False: the server refuses, or does not answer. */
__attribute__((format(printf, 3, 0))) static bool try_call(const char *name, natskit_json *answer,
                                                           const char *format, va_list args)
{
    char text[400];
    natskit_json wanted;
    natskit_error err = {0};
    (void)vsnprintf(text, sizeof text, format, args);
    for (char *at = text; *at != '\0'; at++) {
        *at = *at == '\'' ? '"' : *at;
    }
    CHECK(natskit_json_parse(text, Z, &wanted, &err) == NATSKIT_OK, "%s: %s", name, err.text);
    natskit_status status = natskit_js_call(rp.js, name, Z, wanted, CALL_MS, answer, &err);
    natskit_json_close(wanted);
    return status == NATSKIT_OK;
}

/* Without leaders for a while calls fail; these are made until they succeed. The answer is to be closed. */
__attribute__((format(printf, 2, 3))) static natskit_json call(const char *name, const char *format, ...)
{
    natskit_json answer;
    int64_t deadline_ms = ts_now_ms() + GOES_ON_MS;
    for (;;) {
        va_list args;
        va_start(args, format);
        bool done = try_call(name, &answer, format, args);
        va_end(args);
        if (done) {
            return answer;
        }
        CHECK(ts_now_ms() < deadline_ms, "%s is not answered", name);
        ts_pause_ms(SLICE_MS);
    }
}

/* Whether the server has done it: once. */
__attribute__((format(printf, 2, 3))) static bool ask(const char *name, const char *format, ...)
{
    natskit_json answer;
    va_list args;
    va_start(args, format);
    bool done = try_call(name, &answer, format, args);
    va_end(args);
    if (done) {
        natskit_json_close(answer);
    }
    return done;
}

/* A leader that is new may lag behind. */
static void wait_stored(uint64_t seq)
{
    uint64_t last = 0;
    int64_t deadline_ms = ts_now_ms() + GOES_ON_MS;
    while (last != seq) {
        natskit_json info = call("stream.info", "{'stream':'R'}");
        CHECK(natskit_json_get_uint(info, "/state/last_seq", Z, &last, NULL) == NATSKIT_OK, "no last_seq");
        natskit_json_close(info);
        CHECK(last <= seq && ts_now_ms() < deadline_ms, "%" PRIu64 " messages are %" PRIu64 " in the stream",
              seq, last);
        ts_pause_ms(last == seq ? 0 : SLICE_MS);
    }
}

static void text_of(natskit_json json, const char *path, char *out, size_t cap)
{
    size_t len = 0;
    CHECK(natskit_json_get_string(json, path, Z, out, cap - 1, &len, NULL) == NATSKIT_OK, "no %s", path);
    out[len] = '\0';
}

/* -- writing --------------------------------------------------------------------------------------------- */

/* Of one portion. New ones are sent while none is to be sent again, so that these are never more than a
 * window. */
struct writer {
    natskit_headers headers;
    uint64_t next; /* the first that is new, and the end */
    uint64_t end;
    uint64_t acked;
    uint64_t under_way;
    uint64_t window;
    size_t again;          /* of rp.again */
    int64_t pause_ms;      /* grows while nothing gets in */
    int64_t not_before_ms; /* any of them is sent again */
    int64_t deadline_ms;   /* for anything to get in */
};

/* False: there is no room for it. */
static bool publish(struct writer *writer, uint64_t number)
{
    char subject[16];
    char id_text[24];
    uint64_t id;
    int len = snprintf(id_text, sizeof id_text, "%" PRIu64, number);
    CHECK(natskit_headers_clear(writer->headers) == NATSKIT_OK &&
              natskit_headers_add(writer->headers, "Nats-Msg-Id", Z, id_text, (size_t)len, NULL) ==
                  NATSKIT_OK,
          "headers");
    (void)snprintf(subject, sizeof subject, "r.%" PRIu64, number % SUBJECTS);
    natskit_status status =
        natskit_publisher_publish(rp.publisher, subject, Z, writer->headers, &number, sizeof number, 0, &id);
    CHECK(status == NATSKIT_OK || status == NATSKIT_WOULD_BLOCK, "publishing: %d", status);
    if (status != NATSKIT_OK) {
        return false;
    }
    rp.number_of[id % rp.ids] = number;
    writer->under_way++;
    return true;
}

/* False: there is nothing to send now, or no room for it. */
static bool send_one(struct writer *writer)
{
    if (writer->under_way >= writer->window) {
        return false;
    }
    if (writer->again > 0) {
        if (ts_now_ms() < writer->not_before_ms || !publish(writer, rp.again[writer->again - 1])) {
            return false;
        }
        writer->again--;
        rp.sent_again++;
        return true;
    }
    if (writer->next == writer->end || !publish(writer, writer->next)) {
        return false;
    }
    writer->next++;
    return true;
}

/* Takes outcomes; what is not known to be in the stream is to be sent again. */
static void take_outcomes(struct writer *writer, int64_t wait_ms)
{
    natskit_msg *msgs[BATCH];
    uint64_t before = writer->acked;
    size_t count = 0;
    (void)natskit_sub_next_batch(rp.acks, msgs, BATCH, wait_ms, &count);
    for (size_t i = 0; i < count; i++) {
        natskit_pub_ack ack;
        CHECK(natskit_msg_pub_ack(msgs[i], &ack, sizeof ack) == NATSKIT_OK, "no outcome");
        if (ack.status == NATSKIT_OK) {
            writer->acked++;
        } else {
            CHECK(writer->again < rp.ids, "more to be sent again than a window holds");
            rp.again[writer->again++] = rp.number_of[ack.id % rp.ids];
        }
        natskit_msg_release(msgs[i]);
    }
    writer->under_way -= count;
    if (writer->acked > before) {
        uint64_t wider = writer->window + writer->acked - before;
        writer->window = wider < WINDOW ? wider : WINDOW;
        writer->pause_ms = 0;
        writer->deadline_ms = ts_now_ms() + GETS_IN_MS;
    } else if (count > 0) {
        int64_t longer_ms = writer->pause_ms == 0 ? PAUSE_MIN_MS : writer->pause_ms * 2;
        writer->pause_ms = longer_ms < PAUSE_MAX_MS ? longer_ms : PAUSE_MAX_MS;
        writer->not_before_ms = ts_now_ms() + writer->pause_ms;
        writer->window = writer->window / 2 > WINDOW_MIN ? writer->window / 2 : WINDOW_MIN;
    }
}

/* A portion of the messages, until each is in the stream. */
static void *write_portion(void *unused)
{
    (void)unused;
    struct writer writer = {.next = rp.published,
                            .end = rp.published + rp.portion,
                            .window = WINDOW,
                            .deadline_ms = ts_now_ms() + GETS_IN_MS};
    CHECK(natskit_headers_open(&writer.headers) == NATSKIT_OK, "headers");
    while (writer.acked < rp.portion) {
        bool sent = send_one(&writer);
        take_outcomes(&writer, sent ? 0 : SLICE_MS);
        CHECK(ts_now_ms() < writer.deadline_ms, "%" PRIu64 " messages do not get in",
              rp.portion - writer.acked);
    }
    rp.published = writer.end;
    natskit_headers_close(writer.headers);
    return NULL;
}

/* -- reading --------------------------------------------------------------------------------------------- */

static void set_begin(natskit_options options, int policy, uint64_t seq)
{
    CHECK(natskit_options_set(options, "deliver_policy", Z, policies[policy], Z, NULL) == NATSKIT_OK,
          "policy");
    if (policy == BY_SEQ) {
        CHECK(natskit_options_set_int(options, "opt_start_seq", Z, (int64_t)seq, NULL) == NATSKIT_OK,
              "begin");
    } else if (policy == BY_TIME) {
        char time[64] = "1970-01-01T00:00:00Z";
        if (seq > 0) {
            natskit_json stored = call("stream.message.get", "{'stream':'R','seq':%" PRIu64 "}", seq);
            text_of(stored, "/message/time", time, sizeof time);
            natskit_json_close(stored);
        }
        CHECK(natskit_options_set(options, "opt_start_time", Z, time, Z, NULL) == NATSKIT_OK, "begin");
    }
}

/* `seq`: where those begin that are told; 0: with anything. */
static natskit_sub open_reader(natskit_js js, int policy, uint64_t seq)
{
    natskit_sub sub;
    natskit_options options;
    natskit_error err = {0};
    CHECK(natskit_options_open(NATSKIT_OPTIONS_ORDERED, &options) == NATSKIT_OK &&
              natskit_options_set_int(options, "heartbeat_ms", Z, 1000, NULL) == NATSKIT_OK,
          "options");
    set_begin(options, policy, policy == BY_SEQ && seq == 0 ? 1 : seq);
    CHECK(natskit_js_ordered(js, "R", 1, options, &sub, &err) == NATSKIT_OK, "%s: %s", policies[policy],
          err.text);
    natskit_options_close(options);
    return sub;
}

static natskit_watch_info info_of(natskit_sub sub, const char *name)
{
    natskit_watch_info info;
    natskit_error err = {0};
    natskit_status status = natskit_sub_watch_info(sub, &info, sizeof info);
    if (status != NATSKIT_OK) {
        status = natskit_sub_reason(sub, &err);
        fail("%s has ended: %d, %s", name, status, err.text);
    }
    return info;
}

static void wait_live(natskit_sub sub, const char *name)
{
    int64_t deadline_ms = ts_now_ms() + GOES_ON_MS;
    while (info_of(sub, name).live == 0) {
        CHECK(ts_now_ms() < deadline_ms, "%s has no consumer", name);
        ts_pause_ms(5);
    }
}

/* The message, which comes behind sequence `before`; releases it and returns its own. */
static uint64_t look_at(natskit_msg *msg, const char *name, const char *who, uint64_t before, bool follows)
{
    natskit_message_view view;
    natskit_delivery_view place;
    uint64_t number;
    uint32_t unseen = 0;
    CHECK(natskit_msg_view(msg, &view, sizeof view) == NATSKIT_OK && view.kind == NATSKIT_MSG_MESSAGE &&
              view.data_len == sizeof number && natskit_msg_delivery(msg, &place, sizeof place) == NATSKIT_OK,
          "%s %s: no message of the stream", who, name);
    memcpy(&number, view.data, sizeof number);
    CHECK(!follows || place.stream_seq == before + 1, "%s %s: sequence %" PRIu64 " behind %" PRIu64, who,
          name, place.stream_seq, before);
    CHECK(place.stream_seq <= rp.total && number < rp.total, "%s %s: sequence %" PRIu64 ", number %" PRIu64,
          who, name, place.stream_seq, number);
    if (!atomic_compare_exchange_strong(&rp.number[place.stream_seq], &unseen, (uint32_t)number + 1)) {
        CHECK(unseen == number + 1, "%s %s: sequence %" PRIu64 " is number %" PRIu64 ", and was %" PRIu32,
              who, name, place.stream_seq, number, unseen - 1);
    }
    natskit_msg_release(msg);
    return place.stream_seq;
}

/* A reader's thread: begins late, and pauses now and then, so that the server has to wait for it. */
static void *read_all(void *arg)
{
    struct reader *reader = arg;
    struct ts_chance chance = ts_chance_of(reader->seed, (uint64_t)reader->policy);
    natskit_msg *msgs[BATCH];
    ts_pause_ms(ts_chance_below(&chance, 1000));
    while (!atomic_load(&rp.stop)) {
        size_t count = 0;
        natskit_status status = natskit_sub_next_batch(reader->sub, msgs, BATCH, SLICE_MS, &count);
        CHECK(status == NATSKIT_OK || status == NATSKIT_TIMEOUT, "reader %s has ended: %d",
              policies[reader->policy], status);
        uint64_t at = atomic_load(&reader->at);
        for (size_t i = 0; i < count; i++) {
            at = look_at(msgs[i], policies[reader->policy], "reader", at, true);
        }
        atomic_store(&reader->at, at);
        if (count > 0 && ts_chance_below(&chance, 400) == 0) {
            ts_pause_ms(ts_chance_below(&chance, 300));
        }
    }
    return NULL;
}

/* As long as each goes on. */
static void wait_for_readers(uint64_t seq)
{
    for (int i = 0; i < POLICIES; i++) {
        uint64_t was = 0;
        uint64_t at = 0;
        int64_t deadline_ms = ts_now_ms() + GOES_ON_MS;
        while ((at = atomic_load(&rp.readers[i].at)) < seq) {
            deadline_ms = at > was ? ts_now_ms() + GOES_ON_MS : deadline_ms;
            was = at;
            CHECK(ts_now_ms() < deadline_ms, "reader %s stays at %" PRIu64 " of %" PRIu64, policies[i], at,
                  seq);
            ts_pause_ms(2);
        }
    }
}

/* -- guests ---------------------------------------------------------------------------------------------- */

/* The sequences of the last message of each subject up to `last`, in their order. Returns how many. */
static size_t last_of_each(uint64_t last, uint64_t *seqs)
{
    bool seen[SUBJECTS] = {false};
    size_t count = 0;
    for (uint64_t seq = last; seq > 0 && count < SUBJECTS; seq--) {
        uint32_t subject = (atomic_load(&rp.number[seq]) - 1) % SUBJECTS;
        if (!seen[subject]) {
            seen[subject] = true;
            count++;
            seqs[SUBJECTS - count] = seq;
        }
    }
    memmove(seqs, seqs + SUBJECTS - count, count * sizeof *seqs);
    return count;
}

/* Of "last_per_subject", the messages up to `was`: the last of each subject if nothing was lost. Else some
 * that were stored just before may come, too, and others not, since they are not the last any more. Gives the
 * first behind. */
static natskit_msg *read_last_of_each(natskit_sub sub, uint64_t was)
{
    uint64_t each[SUBJECTS];
    uint64_t at = 0;
    size_t count = last_of_each(was, each);
    for (size_t i = 0;; i++) {
        natskit_msg *msg;
        natskit_delivery_view place;
        natskit_status status = natskit_sub_next(sub, GOES_ON_MS, &msg);
        CHECK(status == NATSKIT_OK && natskit_msg_delivery(msg, &place, sizeof place) == NATSKIT_OK,
              "guest last_per_subject: %d", status);
        bool exact = info_of(sub, policies[LAST_PER_SUBJECT]).resets == 0;
        CHECK(place.stream_seq > at &&
                  (!exact || (i < count ? place.stream_seq == each[i] : place.stream_seq > was)),
              "guest last_per_subject: sequence %" PRIu64 " behind %" PRIu64, place.stream_seq, at);
        at = place.stream_seq;
        if (at > was) {
            return msg;
        }
        (void)look_at(msg, policies[LAST_PER_SUBJECT], "guest", 0, false);
        rp.read_by_guests++;
    }
}

/* What a guest has to see that was opened when the stream ended with `was`, and is read when it ends with
 * `is`. */
static void read_guest(natskit_sub sub, int policy, uint64_t was, uint64_t is)
{
    uint64_t from = policy == ALL ? 1 : policy == LAST ? was : was - was % BACK;
    uint64_t to = policy == ALL && is > ALL_READ ? ALL_READ : is;
    natskit_msg *msg = policy == LAST_PER_SUBJECT ? read_last_of_each(sub, was) : NULL;
    from = policy == LAST_PER_SUBJECT || policy == NEW ? was + 1 : from > 0 ? from : 1;
    for (uint64_t seq = from; seq <= to; seq++) {
        natskit_status status = msg != NULL ? NATSKIT_OK : natskit_sub_next(sub, GOES_ON_MS, &msg);
        CHECK(status == NATSKIT_OK, "guest %s: %d in place of sequence %" PRIu64, policies[policy], status,
              seq);
        (void)look_at(msg, policies[policy], "guest", seq - 1, true);
        msg = NULL;
        rp.read_by_guests++;
    }
    rp.resets += info_of(sub, policies[policy]).resets;
    rp.guests++;
    natskit_sub_close(sub);
}

static void open_guests(natskit_sub *subs, uint64_t was)
{
    for (int i = 0; i < POLICIES; i++) {
        subs[i] = open_reader(rp.js, i, was - was % BACK);
    }
    for (int i = 0; i < POLICIES; i++) {
        wait_live(subs[i], policies[i]); /* a guest of "new" has its place only then */
    }
}

/* -- faults ---------------------------------------------------------------------------------------------- */

/* Away from the server that has it, its only one. */
static uint64_t move_consumer(const char *name)
{
    char text[160];
    char server[64];
    natskit_json wanted;
    natskit_json info;
    uint64_t done = 0;
    (void)snprintf(text, sizeof text, "{\"stream\":\"R\",\"consumer\":\"%s\"}", name);
    CHECK(natskit_json_parse(text, Z, &wanted, NULL) == NATSKIT_OK, "JSON");
    if (natskit_js_call(rp.js, "consumer.info", Z, wanted, CALL_MS, &info, NULL) == NATSKIT_OK) {
        size_t len = 0;
        bool known = natskit_json_get_string(info, "/cluster/leader", Z, server, sizeof server - 1, &len,
                                             NULL) == NATSKIT_OK;
        server[len] = '\0';
        done = known &&
               ask("consumer.peer.evacuate", "{'stream':'R','consumer':'%s','peer':'%s'}", name, server);
        natskit_json_close(info);
    }
    natskit_json_close(wanted);
    return done;
}

/* Does it to each consumer that there is; some are gone when it is their turn. Returns to how many. */
static uint64_t harm_consumers(int fault)
{
    uint64_t done = 0;
    natskit_json names = call("consumer.names", "{'stream':'R'}");
    for (uint64_t i = 0;; i++) {
        char path[32];
        char name[64];
        size_t len = 0;
        (void)snprintf(path, sizeof path, "/consumers/%" PRIu64, i);
        if (natskit_json_get_string(names, path, Z, name, sizeof name - 1, &len, NULL) != NATSKIT_OK) {
            break;
        }
        name[len] = '\0';
        if (fault == DELETE) {
            done += ask("consumer.delete", "{'stream':'R','consumer':'%s'}", name);
        } else if (fault == RESET) {
            done += ask("consumer.reset", "{'stream':'R','consumer':'%s'}", name);
        } else {
            done += move_consumer(name);
        }
    }
    natskit_json_close(names);
    return done;
}

static int leader(void)
{
    char name[64] = "";
    size_t len = 0;
    int64_t deadline_ms = ts_now_ms() + GOES_ON_MS;
    while (len == 0) { /* none is told of while it is elected */
        natskit_json info = call("stream.info", "{'stream':'R'}");
        (void)natskit_json_get_string(info, "/cluster/leader", Z, name, sizeof name - 1, &len, NULL);
        natskit_json_close(info);
        CHECK(ts_now_ms() < deadline_ms, "no leader");
    }
    CHECK(len == 2 && name[0] == 'n' && name[1] > '0' && name[1] <= '0' + NODES, "leader %s", name);
    return name[1] - '1';
}

static void harm(int fault, struct ts_chance *chance)
{
    switch (fault) {
    case DELETE:
    case RESET:
    case MOVE:
        rp.counts[fault] += harm_consumers(fault);
        return;
    case LEADER:
        natskit_json_close(call("stream.leader.stepdown", "{'stream':'R'}"));
        break;
    case KILL: {
        int node = ts_chance_below(chance, 2) == 0 ? leader() : (int)ts_chance_below(chance, NODES);
        ts_server_kill(ts_cluster_node(rp.cluster, node));
        ts_pause_ms(ts_chance_below(chance, 2000));
        CHECK(ts_server_restart(ts_cluster_node(rp.cluster, node)), "node %d does not start again", node + 1);
        CHECK(ts_cluster_wait_ready(rp.cluster, GOES_ON_MS), "no cluster");
        break;
    }
    default:
        for (int i = 0; i < POLICIES; i++) {
            (void)natskit_conn_reconnect(rp.readers[i].conn, NULL);
        }
        (void)natskit_conn_reconnect(rp.conn, NULL);
        break;
    }
    rp.counts[fault]++;
}

/* -- the rounds ------------------------------------------------------------------------------------------ */

/* Everybody has lost its consumer in each way before there is any message. */
static void lose_before_the_first(struct ts_chance *chance)
{
    for (int fault = 0; fault < FAULTS; fault++) {
        for (int i = 0; i < POLICIES; i++) {
            wait_live(rp.readers[i].sub, policies[i]);
        }
        harm(fault, chance);
    }
}

static void start_writer(pthread_t *thread)
{
    CHECK(pthread_create(thread, NULL, write_portion, NULL) == 0, "no thread");
}

/* A fault for those that read and for guests: on a stream at rest, or one that is written to. */
static void go_round(uint64_t round, struct ts_chance *chance)
{
    natskit_sub guests[POLICIES];
    pthread_t writer;
    int fault = (int)(round % FAULTS);
    bool rests = round / FAULTS % 2 == 0;
    uint64_t was = rp.published;
    open_guests(guests, was);
    if (rests) {
        harm(fault, chance);
    }
    start_writer(&writer);
    if (!rests) {
        ts_pause_ms(ts_chance_below(chance, 200));
        harm(fault, chance);
    }
    pthread_join(writer, NULL);
    wait_stored(rp.published);
    wait_for_readers(rp.published);
    for (int i = 0; i < POLICIES; i++) {
        read_guest(guests[i], i, was, rp.published);
    }
    fprintf(stderr, "js_replay: %s of %s messages read after a %s, %s; %s sent again so far; %" PRId64 " s\n",
            grouped(rp.published).at, grouped(rp.total).at, fault_names[fault],
            rests ? "at rest" : "while they came", grouped(rp.sent_again).at,
            (ts_now_ms() - rp.begun_ms) / 1000);
}

static void judge(void)
{
    uint8_t *seen = calloc(rp.total, 1);
    CHECK(seen != NULL, "no memory");
    for (uint64_t seq = 1; seq <= rp.total; seq++) {
        uint32_t number = atomic_load(&rp.number[seq]);
        CHECK(number > 0 && seen[number - 1] == 0,
              "sequence %" PRIu64 " is number %" PRId64 ", for the %s time", seq, (int64_t)number - 1,
              number > 0 ? "second" : "first");
        seen[number - 1] = 1;
    }
    free(seen);
}

static void print_figure(void)
{
    for (int i = 0; i < POLICIES; i++) {
        rp.resets += info_of(rp.readers[i].sub, policies[i]).resets;
    }
    printf("js_replay: seed %" PRIu64 ": %s messages, read by %d readers as they are, and %s of them by %s "
           "guests, none lost, repeated or out of order; %s sent again; %s consumers made anew;",
           rp.seed, grouped(rp.total).at, POLICIES, grouped(rp.read_by_guests).at, grouped(rp.guests).at,
           grouped(rp.sent_again).at, grouped(rp.resets).at);
    for (int i = 0; i < FAULTS; i++) {
        printf(" %s %ss%s", grouped(rp.counts[i]).at, fault_names[i], i + 1 < FAULTS ? "," : "");
    }
    printf("; %s s\n", grouped((uint64_t)(ts_now_ms() - rp.begun_ms) / 1000).at);
}

/* -- begin and end --------------------------------------------------------------------------------------- */

static natskit_conn connect_to(void)
{
    char urls[300] = "";
    natskit_conn conn;
    natskit_options options;
    natskit_error err = {0};
    for (int i = 0; i < NODES; i++) {
        (void)snprintf(urls + strlen(urls), sizeof urls - strlen(urls), "%s%s", i > 0 ? "," : "",
                       ts_server_url(ts_cluster_node(rp.cluster, i)));
    }
    CHECK(natskit_options_open(NATSKIT_OPTIONS_CONNECT, &options) == NATSKIT_OK &&
              natskit_options_set_int(options, "reconnect_wait_ms", Z, 50, NULL) == NATSKIT_OK &&
              natskit_options_set_int(options, "reconnect_wait_max_ms", Z, 1000, NULL) == NATSKIT_OK,
          "options");
    CHECK(natskit_connect(urls, Z, options, GOES_ON_MS, &conn, &err) == NATSKIT_OK, "connect: %s", err.text);
    natskit_options_close(options);
    return conn;
}

static void open_publisher(void)
{
    natskit_options options;
    CHECK(natskit_options_open(NATSKIT_OPTIONS_PUBLISHER, &options) == NATSKIT_OK &&
              natskit_options_set_int(options, "retries", Z, -1, NULL) == NATSKIT_OK &&
              natskit_options_set_int(options, "max_pending", Z, WINDOW, NULL) == NATSKIT_OK &&
              natskit_options_set_int(options, "ack_wait_ms", Z, ACK_WAIT_MS, NULL) == NATSKIT_OK &&
              natskit_publisher_open(rp.js, options, &rp.publisher, &rp.acks, NULL) == NATSKIT_OK,
          "publisher");
    natskit_options_close(options);
}

static void prepare(void)
{
    rp.cluster = ts_cluster_start(NODES);
    CHECK(rp.cluster != NULL, "no cluster");
    rp.ids = 1u << 16;
    rp.number = calloc(rp.total + 1, sizeof *rp.number);
    rp.number_of = calloc(rp.ids, sizeof *rp.number_of);
    rp.again = calloc(rp.ids, sizeof *rp.again);
    CHECK(rp.number != NULL && rp.number_of != NULL && rp.again != NULL, "no memory");
    rp.conn = connect_to();
    CHECK(natskit_js_open(rp.conn, NO_OPTIONS, &rp.js, NULL) == NATSKIT_OK, "context");
    natskit_json_close(call("stream.create", "{'config':{'name':'R','subjects':['r.*'],'num_replicas':3,"
                                             "'duplicate_window':" DUPLICATES_NS "}}"));
    open_publisher();
    for (int i = 0; i < POLICIES; i++) {
        struct reader *reader = &rp.readers[i];
        reader->policy = i;
        reader->seed = rp.seed;
        reader->conn = connect_to();
        CHECK(natskit_js_open(reader->conn, NO_OPTIONS, &reader->js, NULL) == NATSKIT_OK, "context");
        reader->sub = open_reader(reader->js, i, 0);
    }
}

static void clean_up(void)
{
    atomic_store(&rp.stop, true);
    for (int i = 0; i < POLICIES; i++) {
        pthread_join(rp.readers[i].thread, NULL);
        natskit_sub_close(rp.readers[i].sub);
        natskit_js_close(rp.readers[i].js);
        natskit_conn_close(rp.readers[i].conn, 1000);
    }
    natskit_publisher_close(rp.publisher);
    natskit_sub_close(rp.acks);
    natskit_js_close(rp.js);
    natskit_conn_close(rp.conn, 1000);
    ts_cluster_free(rp.cluster);
    CHECK(natskit_shutdown(SHUTDOWN_MS) == NATSKIT_OK, "shutdown");
    free(rp.number);
    free(rp.number_of);
    free(rp.again);
}

int main(void)
{
    const char *text = getenv("NATSKIT_REPLAY_MSGS");
    rp.total = 1000000;
    if (text != NULL && (!ts_parse_size(text, &rp.total) || rp.total == 0 || rp.total > UINT32_MAX / 2)) {
        fprintf(stderr, "NATSKIT_REPLAY_MSGS: %s is not a number of messages\n", text);
        return 1;
    }
    if (ts_server_program() == NULL) {
        puts("there is no nats-server: skipped");
        return 77;
    }
    rp.begun_ms = ts_now_ms();
    rp.seed = ts_chance_seed();
    struct ts_chance chance = {rp.seed};
    prepare();
    lose_before_the_first(&chance);
    for (int i = 0; i < POLICIES; i++) {
        CHECK(pthread_create(&rp.readers[i].thread, NULL, read_all, &rp.readers[i]) == 0, "no thread");
    }
    for (uint64_t round = 0; rp.published < rp.total; round++) {
        uint64_t left = rp.total - rp.published;
        rp.portion = rp.total / ROUNDS < ROUND_MIN ? ROUND_MIN : rp.total / ROUNDS;
        rp.portion = rp.portion < ROUND_MAX ? rp.portion : ROUND_MAX;
        rp.portion = rp.portion < left ? rp.portion : left;
        go_round(round, &chance);
    }
    judge();
    print_figure();
    clean_up();
    return 0;
}
