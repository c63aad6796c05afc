/* The load of the chaos of JetStream: publishers of numbers with message ids, a window each, and what takes
 * them from three durable consumers. A thread each, and a connection. */
#include "js_chaos.h"

#include "support/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The one that insists gives up early and publishes again; the other one outlasts most elections. */
enum { SHORT_ACK_WAIT_MS = 3000, LONG_ACK_WAIT_MS = 10000 };
enum { PER_SECOND = 1000, PAUSE_MS = 2, BATCH = 64, NAK_EACH = 200, DONE_MS = 30000 };

static const char *const durables[JC_DURABLES] = {"alone", "shared", "fetched"};

static size_t durable_of(size_t taker)
{
    static const size_t of[JC_TAKERS] = {0, 1, 1, 2};
    return of[taker];
}

/* -- publishing -------------------------------------------------------------------------------------------
 */

static bool publish_one(struct jc_pub *pub, size_t me, uint64_t number, natskit_headers headers)
{
    char subject[16];
    char text[40];
    uint64_t id;
    int len = snprintf(text, sizeof text, "p%zu-%" PRIu64, me, number);
    JC_CHECK(natskit_headers_clear(headers) == NATSKIT_OK &&
                 natskit_headers_add(headers, "Nats-Msg-Id", Z, text, (size_t)len, NULL) == NATSKIT_OK,
             "headers");
    snprintf(subject, sizeof subject, "o.%zu", me);
    natskit_status status = natskit_publisher_publish(pub->publisher, subject, Z, headers, &number,
                                                      sizeof number, JC_SLICE_MS, &id);
    if (status == NATSKIT_TIMEOUT) { /* the window is full while there is no leader */
        return false;
    }
    JC_CHECK(status == NATSKIT_OK, "publisher %zu: %d", me, status);
    JC_CHECK(id < 2 * pub->cap, "publisher %zu publishes for ever", me);
    pub->number_of[id] = (uint32_t)number;
    return true;
}

static void note_acked(struct jc_pub *pub, size_t me, uint64_t number, const natskit_pub_ack *ack)
{
    JC_CHECK(ack->stream_len == strlen(JC_STREAM) && memcmp(ack->stream, JC_STREAM, ack->stream_len) == 0,
             "publisher %zu: an ack of stream %.*s", me, (int)ack->stream_len, ack->stream);
    JC_CHECK((pub->state[number] & JC_ACKED) == 0 || pub->seq[number] == ack->seq,
             "publisher %zu: number %" PRIu64 " was acked as %" PRIu64 " and as %" PRIu64, me, number,
             pub->seq[number], ack->seq);
    pub->acked += (pub->state[number] & JC_ACKED) == 0;
    pub->duplicates += ack->duplicate != 0;
    pub->state[number] |= JC_ACKED;
    pub->seq[number] = ack->seq;
    jc_progress(&jc.actors[me], (int64_t)number);
}

static void note_outcome(struct jc_pub *pub, size_t me, const natskit_pub_ack *ack)
{
    uint64_t number = pub->number_of[ack->id];
    if (ack->status == NATSKIT_OK) {
        note_acked(pub, me, number, ack);
        return;
    }
    if (ack->outcome == NATSKIT_OUTCOME_UNKNOWN) {
        pub->state[number] |= JC_UNKNOWN;
        pub->unknown++;
    } else {
        pub->state[number] |= JC_REJECTED;
        pub->rejected++;
    }
    JC_CHECK(ack->status == NATSKIT_TIMEOUT, "publisher %zu: %d, %.*s", me, ack->status, (int)ack->text_len,
             ack->text);
    if (pub->insists) {
        pub->again[pub->again_count++] = number;
    }
}

static bool take_outcomes(struct jc_pub *pub, size_t me)
{
    natskit_msg *msgs[BATCH];
    size_t count = 0;
    (void)natskit_sub_next_batch(jc.actors[me].sub, msgs, BATCH, 0, &count);
    for (size_t i = 0; i < count; i++) {
        natskit_pub_ack ack;
        JC_CHECK(natskit_msg_pub_ack(msgs[i], &ack, sizeof ack) == NATSKIT_OK, "no outcome");
        note_outcome(pub, me, &ack);
        natskit_msg_release(msgs[i]);
    }
    return count == BATCH;
}

/* What is not known to be in the stream goes first. False: nothing was published. */
static bool publish_next(struct jc_pub *pub, size_t me, natskit_headers headers, bool stop)
{
    if (pub->again_count > 0) {
        bool done = publish_one(pub, me, pub->again[pub->again_count - 1], headers);
        pub->again_count -= done;
        return done;
    }
    uint64_t number = atomic_load(&pub->next);
    if (stop || number == pub->cap) {
        return false;
    }
    if (!publish_one(pub, me, number, headers)) {
        return false;
    }
    atomic_store(&pub->next, number + 1);
    return true;
}

static void publish_the_rest(struct jc_pub *pub, size_t me, natskit_headers headers)
{
    int64_t deadline_ms = ts_now_ms() + 2 * DONE_MS;
    natskit_error err = {0};
    do {
        JC_CHECK(ts_now_ms() < deadline_ms, "publisher %zu: %zu numbers do not get in", me, pub->again_count);
        while (publish_next(pub, me, headers, true)) {
        }
        JC_CHECK(natskit_publisher_done(pub->publisher, DONE_MS, &err) == NATSKIT_OK, "publisher %zu: %s", me,
                 err.text);
        while (take_outcomes(pub, me)) {
        }
    } while (pub->again_count > 0);
}

void *jc_publish(void *index)
{
    size_t me = (size_t)(uintptr_t)index;
    struct jc_pub *pub = &jc.pubs[me];
    natskit_headers headers;
    JC_CHECK(natskit_headers_open(&headers) == NATSKIT_OK, "headers");
    while (!atomic_load(&jc.stop_publishing)) {
        (void)publish_next(pub, me, headers, false);
        while (take_outcomes(pub, me)) {
        }
        ts_pause_ms(PAUSE_MS);
    }
    publish_the_rest(pub, me, headers);
    JC_CHECK(natskit_publisher_info_get(pub->publisher, &pub->info, sizeof pub->info) == NATSKIT_OK, "info");
    natskit_headers_close(headers);
    return NULL;
}

/* -- consuming --------------------------------------------------------------------------------------------
 */

static void processed(size_t taker, size_t pub, uint64_t number)
{
    _Atomic uint8_t *times = &jc.processed[durable_of(taker)][pub][number];
    if (atomic_load(times) < UINT8_MAX) {
        atomic_fetch_add(times, 1);
    }
}

/* One in some is given back when it comes for the first time; all others are acked. */
static void take_one(size_t me, natskit_msg *msg)
{
    natskit_message_view view;
    natskit_delivery_view delivery;
    uint64_t number;
    JC_CHECK(natskit_msg_view(msg, &view, sizeof view) == NATSKIT_OK, "a message");
    JC_CHECK(view.kind == NATSKIT_MSG_MESSAGE && view.subject_len == 3 && view.data_len == sizeof number,
             "a message of somebody else: kind %d, %.*s", view.kind, (int)view.subject_len, view.subject);
    JC_CHECK(natskit_msg_delivery(msg, &delivery, sizeof delivery) == NATSKIT_OK, "a message without ack");
    memcpy(&number, view.data, sizeof number);
    size_t pub = (size_t)(view.subject[2] - '0');
    JC_CHECK(pub < JC_PUBS && number <= atomic_load(&jc.pubs[pub].next) && number < jc.pubs[pub].cap,
             "number %" PRIu64 " of publisher %zu", number, pub);
    atomic_fetch_add(&jc.redelivered, delivery.redelivered != 0);
    natskit_status status;
    if (delivery.redelivered == 0 && delivery.stream_seq % NAK_EACH == 0) {
        status = natskit_msg_nak(msg, 0);
        atomic_fetch_add(&jc.naked, 1);
    } else {
        status = natskit_msg_ack(msg);
        processed(me, pub, number);
    }
    JC_CHECK(status == NATSKIT_OK, "ack: %d", status);
    jc_progress(&jc.actors[JC_FIRST_TAKER + me], pub == 0 ? (int64_t)number : -1);
}

/* NATSKIT_END, or another status when nothing came. */
static natskit_status take_some(size_t me, natskit_sub sub)
{
    natskit_msg *msgs[BATCH];
    size_t count = 0;
    natskit_status status = natskit_sub_next_batch(sub, msgs, BATCH, JC_SLICE_MS, &count);
    for (size_t i = 0; i < count; i++) {
        take_one(me, msgs[i]);
        natskit_msg_release(msgs[i]);
    }
    return status;
}

static void consume(size_t me)
{
    natskit_sub sub = jc.actors[JC_FIRST_TAKER + me].sub;
    while (!atomic_load(&jc.stop)) {
        if (take_some(me, sub) == NATSKIT_END) {
            natskit_error err = {0};
            natskit_status reason = natskit_sub_reason(sub, &err);
            jc_fail("%s has ended: %d, %s", jc.actors[JC_FIRST_TAKER + me].name, reason, err.text);
        }
    }
}

/* Why a fetch ended: no error is final, the next one has another chance. But the consumer exists. */
static void note_fetch(natskit_sub sub)
{
    natskit_error err = {0};
    natskit_status reason = natskit_sub_reason(sub, &err);
    atomic_fetch_add(&jc.fetches, 1);
    switch (reason) {
    case NATSKIT_MAX_REACHED:
    case NATSKIT_TIMEOUT:
        return;
    case NATSKIT_NO_RESPONDERS:
    case NATSKIT_DISCONNECTED:
    case NATSKIT_HEARTBEATS_MISSED:
        atomic_fetch_add(&jc.fetches_failed, 1);
        ts_pause_ms(JC_SLICE_MS);
        return;
    default:
        jc_fail("a fetch has ended: %d, %s", reason, err.text);
    }
}

static void fetch(size_t me)
{
    natskit_options options = jc_options(NATSKIT_OPTIONS_FETCH);
    jc_set_int(options, "max_msgs", 200);
    jc_set_int(options, "expires_ms", 1000);
    while (!atomic_load(&jc.stop)) {
        natskit_sub sub;
        natskit_error err = {0};
        JC_CHECK(natskit_js_fetch(jc.actors[JC_FIRST_TAKER + me].js, JC_STREAM, Z, durables[durable_of(me)],
                                  Z, options, &sub, &err) == NATSKIT_OK,
                 "fetch: %s", err.text);
        while (take_some(me, sub) != NATSKIT_END) {
        }
        note_fetch(sub);
        natskit_sub_close(sub);
    }
    natskit_options_close(options);
}

void *jc_take(void *index)
{
    size_t me = (size_t)(uintptr_t)index - JC_FIRST_TAKER;
    if (jc.actors[JC_FIRST_TAKER + me].sub.id != 0) {
        consume(me);
    } else {
        fetch(me);
    }
    return NULL;
}

/* -- begin and end ----------------------------------------------------------------------------------------
 */

static void open_publisher(size_t me, int64_t seconds)
{
    struct jc_pub *pub = &jc.pubs[me];
    natskit_error err = {0};
    natskit_options options = jc_options(NATSKIT_OPTIONS_PUBLISHER);
    pub->insists = me == 0;
    jc_set_int(options, "ack_wait_ms", pub->insists ? SHORT_ACK_WAIT_MS : LONG_ACK_WAIT_MS);
    jc_set_int(options, "retries", -1);
    JC_CHECK(natskit_publisher_open(jc.actors[me].js, options, &pub->publisher, &jc.actors[me].sub, &err) ==
                 NATSKIT_OK,
             "publisher: %s", err.text);
    natskit_options_close(options);
    pub->cap = (size_t)(seconds + 200) * PER_SECOND;
    pub->state = calloc(pub->cap, 1);
    pub->seq = calloc(pub->cap, sizeof *pub->seq);
    pub->again = calloc(pub->cap, sizeof *pub->again);
    pub->number_of = calloc(2 * pub->cap, sizeof *pub->number_of);
    JC_CHECK(pub->state != NULL && pub->seq != NULL && pub->again != NULL && pub->number_of != NULL,
             "memory");
    for (size_t i = 0; i < JC_DURABLES; i++) {
        jc.processed[i][me] = calloc(pub->cap, sizeof *jc.processed[i][me]);
        JC_CHECK(jc.processed[i][me] != NULL, "memory");
    }
}

void jc_load_open(int64_t seconds)
{
    jc_do("stream.create", "{'config':{'name':'" JC_STREAM "','subjects':['o.*'],'num_replicas':3,"
                           "'storage':'file'}}");
    for (size_t i = 0; i < JC_PUBS; i++) {
        open_publisher(i, seconds);
    }
    for (size_t i = 0; i < JC_DURABLES; i++) {
        jc_do("consumer.create",
              "{'stream':'" JC_STREAM "','config':{'durable_name':'%s','ack_policy':'explicit',"
              "'ack_wait':5000000000,'max_ack_pending':2000}}",
              durables[i]);
    }
    for (size_t i = 0; i < JC_TAKERS; i++) {
        struct jc_actor *actor = &jc.actors[JC_FIRST_TAKER + i];
        natskit_error err = {0};
        if (durable_of(i) < JC_DURABLES - 1) {
            JC_CHECK(natskit_js_consume(actor->js, JC_STREAM, Z, durables[durable_of(i)], Z, NO_OPTIONS,
                                        &actor->sub, &err) == NATSKIT_OK,
                     "consume: %s", err.text);
        }
    }
}

void jc_load_close(void)
{
    for (size_t i = 0; i < JC_PUBS; i++) {
        struct jc_pub *pub = &jc.pubs[i];
        natskit_publisher_close(pub->publisher);
        free(pub->state);
        free(pub->seq);
        free(pub->again);
        free(pub->number_of);
        for (size_t k = 0; k < JC_DURABLES; k++) {
            free((uint8_t *)(uintptr_t)jc.processed[k][i]);
        }
    }
}
