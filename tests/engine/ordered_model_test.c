/* Ordered consumers against a stream in memory, in virtual time, under random faults: what the taker gets is
 * compared with what the stream holds. NATSKIT_SEED=s runs one seed alone, NATSKIT_SEEDS=n that many. */
#include "peer.h"

#include "base/rfc3339.h"
#include "delivery/notice.h"
#include "jetstream/ordered.h"
#include "support/chance.h"

#include <stdio.h>

#define SUBJECTS 4
#define STORED_MAX 600
#define CONSUMERS 6
#define ANSWERS 8
#define HEARTBEAT_MS 1000

struct consumer {
    bool alive;
    bool deleted;   /* by the client, which listens to it no more */
    bool answering; /* its making is not answered yet */
    bool crossed;   /* a heartbeat was the last that it sent, though messages waited */
    char name[64];
    char deliver[320];
    uint64_t stored;          /* last of the stream when it was made */
    uint64_t begin;           /* where it begins */
    uint64_t sent;            /* its own sequence of the last one */
    uint64_t last;            /* the stream's of that */
    uint64_t next;            /* behind what it began with */
    uint64_t first[SUBJECTS]; /* last_per_subject: what it begins with */
    size_t first_at;
    size_t first_count;
};

struct answer {
    char to[320];
    char text[400]; /* empty: the present state of the consumer */
    char block[64];
    size_t consumer;
    bool creates;
};

struct model {
    struct peer *peer;
    struct ts_chance chance;
    struct nki_sub *sub;
    enum nki_deliver deliver;
    uint64_t start_seq;
    bool faults;
    uint8_t stored[STORED_MAX + 1]; /* subject of each sequence */
    uint64_t last;
    struct consumer consumers[CONSUMERS];
    size_t made;
    struct answer answers[ANSWERS];
    size_t answer_count;
    bool heard;     /* a message or an answer of a consumer has come */
    uint64_t known; /* last of the stream when the first such was made */
    uint64_t got[STORED_MAX];
    size_t got_count;
    size_t done_at; /* messages got before the mark */
    int marks;
};

static bool chance(struct model *model, uint32_t percent)
{
    return ts_chance_below(&model->chance, 100) < percent;
}

static struct consumer *consumer_at(struct model *model, size_t index)
{
    return &model->consumers[index % CONSUMERS];
}

/* -- the stream ------------------------------------------------------------------------------------------ */

static void publish(struct model *model)
{
    if (model->last < STORED_MAX) {
        model->stored[++model->last] = (uint8_t)ts_chance_below(&model->chance, SUBJECTS);
    }
}

/* When it was stored: long after the one before, for clocks of servers are not trusted much. */
static int64_t time_of(uint64_t seq)
{
    return (int64_t)(1000 + 10 * seq) * 1000 * NKI_NS_PER_MS;
}

/* The first that was stored then or later. */
static uint64_t stored_at(const struct model *model, const char *data)
{
    int64_t time_ns;
    uint64_t seq = 1;
    const char *at = strstr(data, "\"opt_start_time\":\"");
    assert_non_null(at);
    at += strlen("\"opt_start_time\":\"");
    assert_true(nki_rfc3339_read(nki_str_make(at, strcspn(at, "\"")), &time_ns));
    while (seq <= model->last && time_of(seq) < time_ns) {
        seq++;
    }
    return seq;
}

static uint64_t last_of(const struct model *model, unsigned subject)
{
    uint64_t seq = model->last;
    while (seq > 0 && model->stored[seq] != subject) {
        seq--;
    }
    return seq;
}

/* What a consumer for the last of each subject begins with, in the stream's order. */
static void begin_with_lasts(const struct model *model, struct consumer *consumer)
{
    for (uint64_t seq = 1; seq <= model->last; seq++) {
        if (last_of(model, model->stored[seq]) == seq) {
            consumer->first[consumer->first_count++] = seq;
        }
    }
    consumer->next = model->last + 1;
    consumer->begin = consumer->first_count > 0 ? consumer->first[0] : consumer->next;
}

static uint64_t pending(const struct model *model, const struct consumer *consumer)
{
    uint64_t later = consumer->next <= model->last ? model->last + 1 - consumer->next : 0;
    return consumer->first_count - consumer->first_at + later;
}

/* -- the API --------------------------------------------------------------------------------------------- */

static uint64_t number_behind(const char *text, const char *word)
{
    const char *at = strstr(text, word);
    assert_non_null(at);
    return strtoull(at + strlen(word), NULL, 10);
}

static bool says(const struct peer_pub *pub, const char *text)
{
    return strstr(pub->data, text) != NULL;
}

static void make_consumer(struct model *model, const struct peer_pub *pub)
{
    struct consumer *consumer = consumer_at(model, model->made++);
    memset(consumer, 0, sizeof *consumer);
    consumer->alive = consumer->answering = true;
    consumer->stored = model->last;
    snprintf(consumer->name, sizeof consumer->name, "%s", strrchr(pub->subject, '.') + 1);
    snprintf(consumer->deliver, sizeof consumer->deliver, "%s", pub->reply);
    assert_true(says(pub, "\"flow_control\":true") && says(pub, "\"ack_policy\":\"none\""));
    if (says(pub, "\"deliver_policy\":\"last_per_subject\"")) {
        begin_with_lasts(model, consumer);
        return;
    }
    if (says(pub, "\"deliver_policy\":\"by_start_time\"")) {
        consumer->next = stored_at(model, pub->data);
    } else if (says(pub, "\"deliver_policy\":\"by_start_sequence\"")) {
        consumer->next = number_behind(pub->data, "\"opt_start_seq\":");
    } else if (says(pub, "\"deliver_policy\":\"new\"")) {
        consumer->next = model->last + 1;
    } else if (says(pub, "\"deliver_policy\":\"last\"")) {
        consumer->next = model->last > 0 ? model->last : 1;
    } else {
        assert_true(says(pub, "\"deliver_policy\":\"all\""));
        consumer->next = 1;
    }
    consumer->begin = consumer->next; /* also where the stream has not come to yet: server 2.15 */
}

static void info_text(const struct model *model, const struct consumer *consumer, char out[400])
{
    uint64_t at = consumer->sent > 0 ? consumer->last : consumer->begin - 1;
    char created[NKI_RFC3339_CAP];
    nki_rfc3339_write(time_of(consumer->stored) + 1, created);
    snprintf(out, 400,
             "{\"stream_name\":\"S\",\"name\":\"%s\",\"created\":\"%s\",\"delivered\":{\"consumer_seq\":%llu,"
             "\"stream_seq\":%llu},"
             "\"num_pending\":%llu}",
             consumer->name, created, (unsigned long long)consumer->sent, (unsigned long long)at,
             (unsigned long long)pending(model, consumer));
}

/* The request to make a consumer: it is answered some time later. */
static void create(struct model *model, const struct peer_pub *pub)
{
    struct answer answer = {.creates = false};
    snprintf(answer.to, sizeof answer.to, "%s", pub->reply);
    if (model->faults && chance(model, 10)) {
        snprintf(answer.text, sizeof answer.text,
                 "{\"error\":{\"code\":503,\"err_code\":10008,\"description\":\"temporarily unavailable\"}}");
    } else if (model->faults && chance(model, 10)) {
        snprintf(answer.block, sizeof answer.block, "NATS/1.0 503\r\n\r\n");
    } else {
        answer.creates = true;
        answer.consumer = model->made;
        make_consumer(model, pub);
        if (chance(model, 70)) {
            info_text(model, consumer_at(model, answer.consumer), answer.text);
        }
    }
    assert_true(model->answer_count < ANSWERS);
    model->answers[model->answer_count++] = answer;
}

/* What the stream is: made before all that it holds. Answered some time later. */
static void tell_stream(struct model *model, const struct peer_pub *pub)
{
    struct answer answer = {.creates = false, .consumer = SIZE_MAX};
    snprintf(answer.to, sizeof answer.to, "%s", pub->reply);
    snprintf(answer.text, sizeof answer.text,
             "{\"created\":\"1970-01-01T00:00:00Z\",\"state\":{\"last_seq\":%llu}}",
             (unsigned long long)model->last);
    assert_true(model->answer_count < ANSWERS);
    model->answers[model->answer_count++] = answer;
}

static void delete (struct model *model, const struct peer_pub *pub)
{
    for (size_t i = 0; i < CONSUMERS; i++) {
        if (strcmp(model->consumers[i].name, strrchr(pub->subject, '.') + 1) == 0) {
            model->consumers[i].alive = false;
            model->consumers[i].deleted = true;
        }
    }
}

static void serve(struct model *model)
{
    struct peer_pub pub;
    while (peer_next(model->peer, &pub)) {
        if (strncmp(pub.subject, "$JS.API.CONSUMER.CREATE.S.", 26) == 0) {
            create(model, &pub);
        } else if (strncmp(pub.subject, "$JS.API.CONSUMER.DELETE.S.", 26) == 0) {
            delete (model, &pub);
        } else if (strcmp(pub.subject, "$JS.API.STREAM.INFO.S") == 0) {
            tell_stream(model, &pub);
        } else {
            assert_int_equal(strncmp(pub.subject, "$JS.FC.S.", 9), 0);
        }
    }
}

static void hear(struct model *model, const struct consumer *consumer)
{
    if (!model->heard && !consumer->deleted) {
        model->heard = true;
        model->known = consumer->stored;
    }
}

/* Answers the oldest request, or loses the answer. */
static void answer_one(struct model *model)
{
    if (model->answer_count == 0) {
        return;
    }
    struct answer answer = model->answers[0];
    memmove(model->answers, model->answers + 1, --model->answer_count * sizeof answer);
    bool lost = model->faults && chance(model, 15);
    struct consumer *consumer = consumer_at(model, answer.consumer);
    char text[400];
    bool kept = answer.creates && answer.consumer + CONSUMERS > model->made;
    snprintf(text, sizeof text, "%s", answer.text);
    if (answer.creates && text[0] == '\0' && kept) {
        info_text(model, consumer, text);
    }
    if (kept) {
        consumer->answering = false;
    }
    if (lost || (answer.creates && !kept) ||
        !peer_send(model->peer, answer.to, answer.to, "", answer.block, text)) {
        return;
    }
    if (kept) {
        hear(model, consumer);
    }
}

/* -- delivering ------------------------------------------------------------------------------------------ */

static bool next_of(const struct model *model, struct consumer *consumer, uint64_t *seq)
{
    if (consumer->first_at < consumer->first_count) {
        *seq = consumer->first[consumer->first_at++];
    } else if (consumer->next <= model->last) {
        *seq = consumer->next++;
    } else {
        return false;
    }
    consumer->sent++;
    consumer->crossed = false;
    consumer->last = *seq;
    return true;
}

/* The next message of a consumer that somebody listens to. */
static bool deliver(struct model *model, struct consumer *consumer, bool lost)
{
    char subject[32];
    char reply[200];
    char data[32];
    uint64_t seq;
    uint64_t sid = peer_sid(model->peer, consumer->deliver);
    if (!consumer->alive || sid == 0 || !rig_connected(model->peer->rig) || !next_of(model, consumer, &seq)) {
        return false;
    }
    snprintf(subject, sizeof subject, "a.%u", model->stored[seq]);
    snprintf(reply, sizeof reply, "$JS.ACK.S.%s.1.%llu.%llu.%lld.%llu", consumer->name,
             (unsigned long long)seq, (unsigned long long)consumer->sent, (long long)time_of(seq),
             (unsigned long long)pending(model, consumer));
    snprintf(data, sizeof data, "%llu", (unsigned long long)seq);
    if (!lost) {
        if (consumer->sent == 1) { /* later ones do not tell where it begins */
            hear(model, consumer);
        }
        peer_send_sid(model->peer, sid, subject, reply, "", data);
        serve(model);
    }
    return true;
}

static void deliver_some(struct model *model, size_t most)
{
    size_t left = 1 + ts_chance_below(&model->chance, (uint32_t)most);
    for (size_t i = 0; i < CONSUMERS; i++) {
        /* Over one connection a message is not lost alone before what is sent behind it, the answer. */
        while (left > 0 && deliver(model, &model->consumers[i],
                                   model->faults && !model->consumers[i].answering && chance(model, 5))) {
            left--;
        }
    }
}

static void heartbeat(struct model *model)
{
    for (size_t i = 0; i < CONSUMERS; i++) {
        struct consumer *consumer = &model->consumers[i];
        char block[200];
        char reply[200] = "";
        /* With something left to send it comes only from a server that waits to be told to go on. */
        snprintf(
            block, sizeof block,
            "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: %llu\r\nNats-Last-Stream: %llu\r\n%s\r\n",
            (unsigned long long)consumer->sent, (unsigned long long)consumer->last,
            pending(model, consumer) > 0 ? "Nats-Consumer-Stalled: $JS.FC.S.c.1\r\n" : "");
        if (chance(model, 30)) {
            snprintf(block, sizeof block, "NATS/1.0 100 FlowControl Request\r\n\r\n");
            snprintf(reply, sizeof reply, "$JS.FC.S.%s.1", consumer->name);
        }
        /* One may cross what waits to be sent; the server looks for that before the next one. */
        bool early = reply[0] == '\0' && pending(model, consumer) > 0;
        bool may = !early || !consumer->crossed;
        if (consumer->alive && may && peer_sid(model->peer, consumer->deliver) != 0) {
            consumer->crossed = early;
            peer_send(model->peer, consumer->deliver, consumer->deliver, reply, block, "");
            serve(model);
        }
    }
}

static void take(struct model *model)
{
    struct nki_msg *msg;
    while ((msg = steps_take(model->peer->rig, model->sub)) != NULL) {
        if (msg->kind == NKI_MSG_STATUS) {
            assert_int_equal(nki_notice_of(msg).type, NKI_NOTICE_INITIAL_DONE);
            model->marks++;
            model->done_at = model->got_count;
        } else {
            assert_true(model->got_count < STORED_MAX);
            assert_true(nki_str_u64(nki_msg_data(msg), &model->got[model->got_count]));
            model->got_count++;
        }
        nki_msg_release(msg);
        serve(model);
    }
}

/* -- faults ---------------------------------------------------------------------------------------------- */

static void kill_consumer(struct model *model, bool told)
{
    static const char *const blocks[] = {"NATS/1.0 409 Consumer Deleted\r\n\r\n",
                                         "NATS/1.0 409 Leadership Change\r\n\r\n",
                                         "NATS/1.0 409 Server Shutdown\r\n\r\n"};
    struct consumer *consumer = &model->consumers[ts_chance_below(&model->chance, CONSUMERS)];
    if (!consumer->alive) {
        return;
    }
    consumer->alive = false;
    if (told && peer_sid(model->peer, consumer->deliver) != 0) {
        peer_send(model->peer, consumer->deliver, consumer->deliver, "",
                  blocks[ts_chance_below(&model->chance, 3)], "");
    }
}

static void cut(struct model *model)
{
    model->answer_count = 0; /* on their way */
    model->peer->rig->event_count = 0;
    peer_cut(model->peer);
    for (size_t i = 0; i < CONSUMERS; i++) {
        model->consumers[i].answering = false;
    }
}

static void one_fault(struct model *model)
{
    switch (ts_chance_below(&model->chance, 5)) {
    case 0:
        cut(model);
        break;
    case 1:
        kill_consumer(model, true);
        break;
    case 2:
        kill_consumer(model, false);
        break;
    case 3:
        peer_pass(model->peer, 3000 + ts_chance_below(&model->chance, 4000));
        break;
    default:
        break;
    }
}

static void step(struct model *model)
{
    serve(model);
    switch (ts_chance_below(&model->chance, 10)) {
    case 0:
    case 1:
        publish(model);
        break;
    case 2:
    case 3:
    case 4:
        deliver_some(model, 6);
        break;
    case 5:
    case 6:
        answer_one(model);
        break;
    case 7:
        heartbeat(model);
        break;
    case 8:
        peer_pass(model->peer, ts_chance_below(&model->chance, 600));
        break;
    default:
        if (chance(model, 40)) {
            one_fault(model);
        }
        break;
    }
    serve(model);
    if (chance(model, 50)) {
        take(model);
    }
}

/* Without faults any more everything that there is comes. */
static void heal(struct model *model)
{
    model->faults = false;
    for (int i = 0; i < 200; i++) {
        serve(model);
        while (model->answer_count > 0) {
            answer_one(model);
            serve(model);
        }
        deliver_some(model, STORED_MAX);
        heartbeat(model);
        take(model);
        peer_pass(model->peer, HEARTBEAT_MS / 2);
    }
}

/* -- what has to have come ------------------------------------------------------------------------------- */

/* The first sequence that has to have come at the latest. */
static uint64_t must_begin(const struct model *model)
{
    switch (model->deliver) {
    case NKI_DELIVER_NEW:
        return model->known + 1;
    case NKI_DELIVER_LAST:
        return model->known > 0 ? model->known : 1;
    case NKI_DELIVER_FROM_SEQ:
        return model->start_seq;
    default:
        return 1;
    }
}

static void check_whole(const struct model *model, size_t from)
{
    for (size_t i = from + 1; i < model->got_count; i++) {
        if (model->got[i] != model->got[i - 1] + 1) {
            fail_msg("%llu comes behind %llu", (unsigned long long)model->got[i],
                     (unsigned long long)model->got[i - 1]);
        }
    }
}

static void check_per_subject(const struct model *model)
{
    for (size_t i = 1; i < model->got_count; i++) {
        assert_true(model->got[i] > model->got[i - 1]);
    }
    check_whole(model, model->done_at > 0 ? model->done_at - 1 : 0);
    size_t at = 0;
    for (uint64_t seq = model->known + 1; seq <= model->last; seq++) { /* all that was stored since */
        while (at < model->got_count && model->got[at] < seq) {
            at++;
        }
        if (at == model->got_count || model->got[at] != seq) {
            fail_msg("%llu is missing, behind %llu", (unsigned long long)seq,
                     (unsigned long long)model->known);
        }
    }
    for (unsigned subject = 0; subject < SUBJECTS; subject++) {
        uint64_t last = last_of(model, subject);
        bool found = last == 0;
        for (size_t i = 0; i < model->got_count; i++) {
            found = found || model->got[i] == last;
        }
        assert_true(found);
    }
}

static void check(const struct model *model)
{
    assert_true(model->heard);
    assert_int_equal(model->marks, 1);
    uint64_t end = model->got_count > 0 ? model->got[model->got_count - 1] : 0;
    uint64_t mark = model->done_at > 0 ? model->got[model->done_at - 1] : 0;
    if (model->deliver == NKI_DELIVER_LAST_PER_SUBJECT) {
        assert_true(end == model->last);
        check_per_subject(model);
        assert_true(mark >= model->known);
        return;
    }
    uint64_t begin = must_begin(model);
    if (begin <= model->last) {
        if (model->got_count == 0 || model->got[0] > begin || end != model->last) {
            fail_msg("from %llu to %llu, not from %llu to %llu",
                     (unsigned long long)(model->got_count > 0 ? model->got[0] : 0), (unsigned long long)end,
                     (unsigned long long)begin, (unsigned long long)model->last);
        }
        bool fixed = model->deliver == NKI_DELIVER_ALL || model->deliver == NKI_DELIVER_FROM_SEQ;
        assert_true(!fixed || model->got[0] == begin);
    }
    check_whole(model, 0);
    assert_true(model->deliver == NKI_DELIVER_NEW || model->known < begin || mark >= model->known);
}

static void live(uint64_t seed, enum nki_deliver deliver)
{
    struct model model = {.deliver = deliver, .faults = true};
    model.chance = ts_chance_of(seed, (uint64_t)deliver);
    model.peer = peer_new();
    for (uint32_t i = ts_chance_below(&model.chance, 20); i > 0; i--) {
        publish(&model);
    }
    model.start_seq = 1 + ts_chance_below(&model.chance, 5);
    struct nki_ordered_params params = {.stream = NKI_STR("S"),
                                        .deliver = deliver,
                                        .start_seq = model.start_seq,
                                        .start_time = NKI_STR(""),
                                        .marks_done = true,
                                        .heartbeat_ms = HEARTBEAT_MS};
    assert_int_equal(nki_ordered_open(model.peer->js, &params, &model.sub, NULL), NKI_OK);
    for (int i = 0; i < 300; i++) {
        step(&model);
    }
    while (model.last < model.start_seq) {
        publish(&model);
    }
    heal(&model);
    struct nki_ordered_info info;
    assert_int_equal(nki_ordered_info_get(model.sub, &info), NKI_OK);
    assert_true(info.live && info.initial_done && info.rewinds == 0);
    check(&model);
    nki_engine_close_sub(&model.peer->rig->engine, model.sub, model.peer->rig->now_ns);
    rig_settle(model.peer->rig);
    nki_sub_release(model.sub);
    peer_free(model.peer);
}

static uint64_t count_of(const char *name, uint64_t otherwise)
{
    uint64_t number;
    const char *text = getenv(name);
    return text != NULL && ts_parse_size(text, &number) ? number : otherwise;
}

static uint64_t running; /* seed; 0: none */

static int tell_seed(void **state)
{
    (void)state;
    if (running != 0) {
        print_error("NATSKIT_SEED=%llu\n", (unsigned long long)running);
    }
    running = 0;
    return 0;
}

static void run(enum nki_deliver deliver)
{
    bool one = getenv("NATSKIT_SEED") != NULL;
    uint64_t first = one ? count_of("NATSKIT_SEED", 0) : count_of("NATSKIT_FIRST_SEED", 1);
    uint64_t seeds = one ? 1 : count_of("NATSKIT_SEEDS", 60);
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        running = seed;
        live(seed, deliver);
    }
    running = 0;
}

static void test_all(void **state)
{
    (void)state;
    run(NKI_DELIVER_ALL);
}

static void test_new(void **state)
{
    (void)state;
    run(NKI_DELIVER_NEW);
}

static void test_last(void **state)
{
    (void)state;
    run(NKI_DELIVER_LAST);
}

static void test_last_per_subject(void **state)
{
    (void)state;
    run(NKI_DELIVER_LAST_PER_SUBJECT);
}

static void test_from_seq(void **state)
{
    (void)state;
    run(NKI_DELIVER_FROM_SEQ);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_all, tell_seed),
        cmocka_unit_test_teardown(test_new, tell_seed),
        cmocka_unit_test_teardown(test_last, tell_seed),
        cmocka_unit_test_teardown(test_last_per_subject, tell_seed),
        cmocka_unit_test_teardown(test_from_seq, tell_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
