/* The verdict of the chaos of JetStream: what the stream holds, read by a consumer from its begin, against
 * what was acked; what was processed and watched against what is held. On the main thread. */
#include "js_chaos.h"

#include "support/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REST_MS = 90000 };

/* Where each number is in the stream, 0: nowhere. */
static uint64_t *places[JC_PUBS];

/* -- reading back -----------------------------------------------------------------------------------------
 */

static void place(const natskit_msg *msg, uint64_t wanted_seq)
{
    natskit_message_view view;
    natskit_delivery_view delivery;
    uint64_t number;
    const char *id;
    size_t id_len = 0;
    char text[40];
    JC_CHECK(natskit_msg_view(msg, &view, sizeof view) == NATSKIT_OK &&
                 natskit_msg_delivery(msg, &delivery, sizeof delivery) == NATSKIT_OK,
             "a stored message");
    JC_CHECK(delivery.stream_seq == wanted_seq,
             "the stream has sequence %" PRIu64 " where %" PRIu64 " should be", delivery.stream_seq,
             wanted_seq);
    JC_CHECK(view.subject_len == 3 && view.data_len == sizeof number,
             "sequence %" PRIu64 " is somebody else's", wanted_seq);
    memcpy(&number, view.data, sizeof number);
    size_t pub = (size_t)(view.subject[2] - '0');
    JC_CHECK(pub < JC_PUBS && number < jc.pubs[pub].cap, "sequence %" PRIu64 " is somebody else's",
             wanted_seq);
    snprintf(text, sizeof text, "p%zu-%" PRIu64, pub, number);
    JC_CHECK(natskit_msg_header(msg, "Nats-Msg-Id", Z, NATSKIT_MATCH_EXACT, 0, &id, &id_len) == NATSKIT_OK &&
                 id_len == strlen(text) && memcmp(id, text, id_len) == 0,
             "sequence %" PRIu64 " has another id than %s", wanted_seq, text);
    JC_CHECK(places[pub][number] == 0, "%s is twice in the stream: %" PRIu64 " and %" PRIu64, text,
             places[pub][number], wanted_seq);
    places[pub][number] = wanted_seq;
}

/* A fetch of what is there; gives how much came. */
static uint64_t read_some(natskit_options options, uint64_t first_seq)
{
    natskit_sub sub;
    natskit_msg *msg;
    natskit_error err = {0};
    uint64_t count = 0;
    natskit_status status;
    JC_CHECK(natskit_js_fetch(jc.js, JC_STREAM, Z, "reader", Z, options, &sub, &err) == NATSKIT_OK,
             "fetch: %s", err.text);
    while ((status = natskit_sub_next(sub, JC_CALL_MS, &msg)) == NATSKIT_OK) {
        place(msg, first_seq + count);
        natskit_msg_release(msg);
        count++;
    }
    JC_CHECK(status == NATSKIT_END, "reading the stream: %d", status);
    natskit_sub_close(sub);
    return count;
}

static uint64_t read_stream(void)
{
    natskit_json info = jc_call("stream.info", "{'stream':'" JC_STREAM "'}");
    uint64_t messages = jc_number(info, "/state/messages");
    uint64_t last = jc_number(info, "/state/last_seq");
    natskit_json_close(info);
    JC_CHECK(messages == last, "the stream has %" PRIu64 " messages up to sequence %" PRIu64, messages, last);
    for (size_t i = 0; i < JC_PUBS; i++) {
        places[i] = calloc(jc.pubs[i].cap, sizeof *places[i]);
        JC_CHECK(places[i] != NULL, "memory");
    }
    jc_do("consumer.create",
          "{'stream':'" JC_STREAM "','config':{'name':'reader','ack_policy':'none','num_replicas':1,"
          "'mem_storage':true,'inactive_threshold':60000000000}}");
    natskit_options options = jc_options(NATSKIT_OPTIONS_FETCH);
    jc_set_int(options, "max_msgs", 500);
    jc_set_int(options, "expires_ms", 5000);
    jc_set_int(options, "no_wait", 1);
    int64_t deadline_ms = ts_now_ms() + REST_MS;
    for (uint64_t read = 0; read < last;) {
        read += read_some(options, read + 1);
        JC_CHECK(ts_now_ms() < deadline_ms, "only %" PRIu64 " of %" PRIu64 " messages can be read", read,
                 last);
    }
    natskit_options_close(options);
    return last;
}

/* -- comparing --------------------------------------------------------------------------------------------
 */

static void judge_number(size_t pub, uint64_t number, struct jc_verdict *verdict)
{
    uint8_t state = jc.pubs[pub].state[number];
    uint64_t seq = places[pub][number];
    JC_CHECK(state != 0, "p%zu-%" PRIu64 " has no outcome", pub, number);
    if ((state & JC_ACKED) != 0) {
        JC_CHECK(seq == jc.pubs[pub].seq[number],
                 "p%zu-%" PRIu64 " was acked as sequence %" PRIu64 ", and is at %" PRIu64 " (0: nowhere)",
                 pub, number, jc.pubs[pub].seq[number], seq);
    } else if (seq != 0) {
        JC_CHECK((state & JC_UNKNOWN) != 0, "p%zu-%" PRIu64 " was rejected, and is sequence %" PRIu64, pub,
                 number, seq);
        verdict->unknown_stored++;
    }
    for (size_t i = 0; i < JC_DURABLES; i++) {
        uint8_t times = atomic_load(&jc.processed[i][pub][number]);
        JC_CHECK((times != 0) == (seq != 0),
                 "p%zu-%" PRIu64 ", sequence %" PRIu64 ", was processed %d times by %zu", pub, number, seq,
                 times, i);
        verdict->again += times > 1 ? times - 1u : 0u;
    }
}

static void judge_watches(struct jc_verdict *verdict)
{
    natskit_json info = jc_call("stream.info", "{'stream':'KV_" JC_BUCKET "'}");
    verdict->revisions = jc_number(info, "/state/last_seq");
    natskit_json_close(info);
    for (size_t i = 0; i < JC_WATCHES; i++) {
        struct jc_watch *watch = &jc.watches[i];
        const char *name = jc.actors[JC_FIRST_WATCH + i].name;
        verdict->resets += watch->resets;
        if (watch->seen == NULL) {
            continue;
        }
        JC_CHECK(watch->initials == 1, "%s: INITIAL_DONE came %" PRIu64 " times", name, watch->initials);
        for (uint64_t k = 1; k <= verdict->revisions; k++) {
            bool wanted = i != JC_ONE_WRITERS || jc_writer_of(k) == 0;
            JC_CHECK(wanted == (watch->seen[k] != 0), "%s: revision %" PRIu64 " %s", name, k,
                     wanted ? "is missing" : "is not its own");
        }
    }
}

struct jc_verdict jc_judge(void)
{
    struct jc_verdict verdict = {0};
    verdict.stored = read_stream();
    for (size_t i = 0; i < JC_PUBS; i++) {
        uint64_t count = atomic_load(&jc.pubs[i].next);
        for (uint64_t number = 0; number < count; number++) {
            judge_number(i, number, &verdict);
        }
        free(places[i]);
    }
    judge_watches(&verdict);
    jc_judge_objects(&verdict);
    return verdict;
}

/* -- waiting ----------------------------------------------------------------------------------------------
 */

/* Messages that the durable consumers have still to give or to get acks for. */
static uint64_t left_over(void)
{
    static const char *const durables[JC_DURABLES] = {"alone", "shared", "fetched"};
    uint64_t left = 0;
    for (size_t i = 0; i < JC_DURABLES; i++) {
        natskit_json info =
            jc_call("consumer.info", "{'stream':'" JC_STREAM "','consumer':'%s'}", durables[i]);
        left += jc_number(info, "/num_pending") + jc_number(info, "/num_ack_pending");
        natskit_json_close(info);
    }
    return left;
}

static bool watches_are_behind(uint64_t revision)
{
    for (size_t i = 0; i < JC_WATCHES; i++) {
        struct jc_actor *actor = &jc.actors[JC_FIRST_WATCH + i];
        if (jc.watches[i].seen != NULL && i != JC_ONE_WRITERS &&
            atomic_load(&actor->mark) < (int64_t)revision) {
            return true;
        }
    }
    /* the last one of the writer, which the watches of all keys have told by now */
    while (revision > 0 && jc_writer_of(revision) != 0) {
        revision--;
    }
    return atomic_load(&jc.actors[JC_FIRST_WATCH + JC_ONE_WRITERS].mark) < (int64_t)revision;
}

void jc_wait_for_the_rest(void)
{
    int64_t deadline_ms = ts_now_ms() + REST_MS;
    uint64_t left;
    while ((left = left_over()) > 0) {
        JC_CHECK(ts_now_ms() < deadline_ms, "%" PRIu64 " messages are not consumed after %d ms", left,
                 REST_MS);
        ts_pause_ms(JC_SLICE_MS);
    }
    natskit_json info = jc_call("stream.info", "{'stream':'KV_" JC_BUCKET "'}");
    uint64_t revision = jc_number(info, "/state/last_seq");
    natskit_json_close(info);
    while (watches_are_behind(revision)) {
        JC_CHECK(ts_now_ms() < deadline_ms, "the watches have not told of revision %" PRIu64, revision);
        ts_pause_ms(JC_SLICE_MS);
    }
}
