/* Push consumers: see push.h. Everything but the opening runs under the engine lock.
 *
 * The consumer is found or made by a chain (ensure.h), whose answers come to the inbox of requests. What it
 * delivers comes to its own subject, which the subscription has moved to before it is made: a server sends
 * before it answers. One without a durable name gets a new name and a new subject each time that it is made.
 */
#include "jetstream/push.h"

#include "base/alloc.h"
#include "base/json.h"
#include "delivery/notice.h"
#include "jetstream/ack_subject.h"
#include "jetstream/ensure.h"
#include "jetstream/flow.h"
#include "jetstream/push_answer.h"
#include "wire/header.h"
#include "wire/subject.h"

#include <inttypes.h>
#include <stdio.h>

#define ANSWER_NS (5000 * NKI_NS_PER_MS) /* time for finding or making it, once the first was made */
#define PAUSE_NS (250 * NKI_NS_PER_MS)   /* before the second try; it doubles */
#define PAUSE_MAX_NS (5000 * NKI_NS_PER_MS)
#define UNANSWERED_TRIES 3 /* then one that can be made elsewhere is */
#define NOTICES_MAX 1024u  /* messages that wait, from which on nobody is told of what happens */
#define NAME_LEN (NKI_NUID_LEN + 1 + 20)

enum state {
    DOWN,   /* no transport */
    ASKING, /* a chain is under way */
    LIVE,
    PAUSING /* the next try waits */
};

/* The lowest sequence that came in a span of time. */
struct span {
    int64_t begin_ns;
    uint64_t least; /* 0: none */
};

struct push {
    struct nki_feed feed;
    struct nki_ensure_watch watch;
    struct nki_js *js; /* a reference */
    struct nki_op *op; /* of the chain, a reference; NULL: none is under way */
    struct nki_chain *chain;
    struct nki_op *open; /* of the caller, a reference; NULL once it was finished */
    struct nki_error end_error;
    enum state state;
    enum nki_push_destroy destroy;
    bool bind;
    bool durable;
    bool own_subject; /* delivers to an inbox of ours */
    bool named;       /* by the caller */
    bool notices;
    bool there;   /* it was there once */
    bool made;    /* by us */
    bool gone;    /* it has vanished, and is to be made again */
    bool acks;    /* its messages are to be acked */
    bool grouped; /* others get messages of it, too */
    bool placed;  /* stream_seq is known */
    bool initial; /* what there was at the begin has come */
    bool per_subject;
    bool troubled;
    bool quiet;                 /* heartbeats were missed, and nothing has come since */
    struct nki_trouble trouble; /* for health */
    unsigned level;
    unsigned failures;   /* in a row */
    unsigned unanswered; /* of those: nobody has */
    int64_t deadline_ns;
    int64_t asked_ns;
    int64_t retry_ns;
    int64_t seen_ns;      /* the last sign of life */
    int64_t life_ns;      /* of what it delivers; 0: none */
    int64_t beat_ns;      /* of that, the last heartbeat; 0: none */
    int64_t heartbeat_ns; /* 0: none */
    int64_t window_ns;    /* within which what was not acked comes again */
    struct span spans[2]; /* the present one, and the one before */
    uint64_t stream_seq;  /* the highest that has come */
    uint64_t consumer_seq;
    uint64_t max_msgs;
    uint64_t serial;
    struct nki_inlet_limits limits;
    struct nki_flow flow;
    struct nki_push_info info;

    char id[NKI_NUID_LEN];
    struct nki_buf inbox;   /* with the dot behind it */
    struct nki_buf stream;  /* empty: to be found */
    struct nki_buf find;    /* by this subject */
    struct nki_buf name;    /* of the consumer; empty: not known yet */
    struct nki_buf deliver; /* what is subscribed to: subject, group */
    size_t deliver_len;     /* of the subject */
    struct nki_buf given;   /* by the caller: subject, group */
    size_t given_len;
    struct nki_buf wanted;
    struct nki_buf config;
    struct nki_buf start;
};

static struct push *of(struct nki_feed *feed)
{
    return NKI_CONTAINER_OF(feed, struct push, feed);
}

static struct nki_str str_of(const struct nki_buf *buf)
{
    return nki_str_make((const char *)buf->data, buf->len);
}

static struct nki_str subject_of(const struct nki_buf *both, size_t len)
{
    return nki_str_make((const char *)both->data, len);
}

static struct nki_str group_of(const struct nki_buf *both, size_t len)
{
    return both->len > len ? nki_str_make((const char *)both->data + len, both->len - len) : NKI_STR("");
}

static void destroy(struct push *push)
{
    struct nki_buf *const bufs[] = {&push->inbox, &push->stream, &push->find,   &push->name, &push->deliver,
                                    &push->given, &push->wanted, &push->config, &push->start};
    for (size_t i = 0; i < NKI_ARRAY_LEN(bufs); i++) {
        nki_buf_free(bufs[i]);
    }
    nki_flow_free(&push->flow);
    nki_js_release(push->js);
    nki_free(push);
}

/* -- telling --------------------------------------------------------------------------------------------- */

static void notify(struct push *push, enum nki_notice_type type, uint64_t count, int32_t code,
                   struct nki_str text)
{
    struct nki_sub *sub = push->feed.sub;
    struct nki_inlet_stats stats;
    nki_inlet_stats_get(&sub->inlet, &stats);
    if (!push->notices || !sub->live || stats.pending_msgs >= NOTICES_MAX) {
        return;
    }
    const struct nki_notice notice = {.type = (int32_t)type, .code = code, .count = count, .text = text};
    struct nki_msg *msg = nki_notice_msg(&notice);
    if (msg != NULL) {
        msg->origin = push->feed.engine->origin;
        msg->sid = sub->sid;
        nki_feed_stage(&push->feed, msg);
        nki_engine_hand_over(push->feed.engine);
    }
}

static void trouble(struct push *push, enum nki_notice_type type, uint64_t count, int32_t code,
                    struct nki_str text)
{
    push->troubled = true;
    notify(push, type, count, code, text);
}

static void heard(struct push *push, int64_t now_ns)
{
    push->seen_ns = push->life_ns = now_ns;
    if (push->troubled) {
        push->troubled = false;
        push->quiet = false;
        nki_trouble_end(&push->trouble, now_ns);
        notify(push, NKI_NOTICE_RESUMED, 1, 0, NKI_STR(""));
    }
}

/* It is over: nothing of it may be touched any more. */
static void finish(struct push *push, int32_t reason, const struct nki_error *error)
{
    if (error != NULL) {
        push->end_error = *error;
    } else {
        nki_error_set(&push->end_error, reason, NULL);
    }
    struct nki_error copy = push->end_error;
    nki_feed_finish(&push->feed, reason, error != NULL ? &copy : NULL);
}

/* -- where it delivers ----------------------------------------------------------------------------------- */

/* Subscribes to another subject and group, unless it has. */
static bool move_to(struct push *push, struct nki_str subject, struct nki_str group)
{
    if (nki_str_eq(subject, subject_of(&push->deliver, push->deliver_len)) &&
        nki_str_eq(group, group_of(&push->deliver, push->deliver_len))) {
        return true;
    }
    struct nki_buf both = {0};
    if (!nki_buf_append_str(&both, subject) || !nki_buf_append_str(&both, group) ||
        !nki_feed_move(&push->feed, subject_of(&both, subject.len), group_of(&both, subject.len))) {
        nki_buf_free(&both);
        return false;
    }
    nki_buf_free(&push->deliver);
    push->deliver = both;
    push->deliver_len = subject.len;
    return true;
}

/* The subject for a consumer that is made now. */
static bool listen_for_new(struct push *push)
{
    char subject[NKI_JS_INBOX_MAX];
    struct nki_str group = group_of(&push->given, push->given_len);
    if (!push->own_subject) {
        return move_to(push, subject_of(&push->given, push->given_len), group);
    }
    int len = snprintf(subject, sizeof subject, "%.*s%" PRIu64, (int)push->inbox.len,
                       (const char *)push->inbox.data, push->serial);
    return move_to(push, nki_str_make(subject, (size_t)len), group);
}

/* -- asking ---------------------------------------------------------------------------------------------- */

static void arm(struct push *push, int64_t at_ns)
{
    int64_t open_ns = push->there ? NKI_NEVER : push->deadline_ns;
    nki_feed_arm(&push->feed, at_ns < open_ns ? at_ns : open_ns);
}

static void pause_now(struct push *push, int64_t now_ns)
{
    int64_t pause_ns = PAUSE_NS;
    for (unsigned i = 0; i < push->failures && pause_ns < PAUSE_MAX_NS; i++) {
        pause_ns *= 2;
    }
    push->failures++;
    push->state = PAUSING;
    push->retry_ns = now_ns + (pause_ns < PAUSE_MAX_NS ? pause_ns : PAUSE_MAX_NS);
    arm(push, push->retry_ns);
}

/* Behind what has come; of what is to be acked, behind what was acked or came again before. 0: as at first.
 */
static uint64_t resume_seq(const struct push *push)
{
    if (!push->there || !push->placed || (push->per_subject && !push->initial)) {
        return 0;
    }
    uint64_t seq = push->stream_seq + 1;
    for (size_t i = 0; push->acks && i < NKI_ARRAY_LEN(push->spans); i++) {
        uint64_t least = push->spans[i].least;
        seq = least > 0 && least < seq ? least : seq;
    }
    return seq;
}

static bool append_begin(const struct push *push, struct nki_buf *out)
{
    uint64_t seq = resume_seq(push);
    if (seq > 0) {
        return nki_buf_append_str(out,
                                  NKI_STR(",\"deliver_policy\":\"by_start_sequence\",\"opt_start_seq\":")) &&
               nki_buf_append_u64(out, seq);
    }
    return push->start.len == 0 ||
           (nki_buf_append(out, ",", 1) && nki_buf_append_str(out, str_of(&push->start)));
}

/* The configuration of a consumer that is made now. */
static bool write_config(const struct push *push, struct nki_buf *out)
{
    struct nki_str config = str_of(&push->config);
    bool some = config.len > 2;
    return nki_buf_append(out, config.ptr, config.len - 1) &&
           nki_buf_append_str(out, some ? NKI_STR(",\"name\":") : NKI_STR("\"name\":")) &&
           nki_buf_append_json(out, str_of(&push->name)) &&
           nki_buf_append_str(out, NKI_STR(",\"deliver_subject\":")) &&
           nki_buf_append_json(out, subject_of(&push->deliver, push->deliver_len)) &&
           append_begin(push, out) && nki_buf_append(out, "}", 1);
}

/* A name that is ours, and a subject that nothing of the consumer before comes to. */
static bool number(struct push *push)
{
    char name[NAME_LEN + 1];
    push->serial++;
    if (push->named) {
        return true;
    }
    int len = snprintf(name, sizeof name, "%.*s_%" PRIu64, NKI_NUID_LEN, push->id, push->serial);
    push->name.len = 0;
    return nki_buf_append(&push->name, name, (size_t)len);
}

static bool make_chain(struct push *push, bool look_only, bool make_only)
{
    struct nki_buf config = {0};
    bool ok = look_only || write_config(push, &config);
    if (ok) {
        const struct nki_ensure_params params = {
            .prefix = nki_js_prefix(push->js),
            .stream = str_of(&push->stream),
            .subject = str_of(&push->find),
            .consumer = str_of(&push->name),
            .made_only = make_only,
            .bind = look_only,
            .wanted = look_only && push->there ? NKI_STR("{}") : str_of(&push->wanted),
            .config = look_only ? NKI_STR("{}") : str_of(&config),
            .level = push->level,
            .kind = NKI_ENSURE_PUSH,
            .retries = push->there ? 0 : push->js->api_retries,
        };
        push->chain = nki_ensure_new(&params);
        ok = push->chain != NULL;
    }
    nki_buf_free(&config);
    return ok;
}

/* Finds, looks after, or makes the consumer. */
static void ask(struct push *push, int64_t now_ns)
{
    bool look_only = push->there ? !push->gone : push->bind;
    bool make_only = !look_only && (push->there || !push->named);
    bool ok = look_only || (number(push) && listen_for_new(push));
    if (!ok || !make_chain(push, look_only, make_only)) {
        pause_now(push, now_ns);
        return;
    }
    nki_ensure_watch(push->chain, &push->watch);
    push->state = ASKING;
    push->asked_ns = now_ns;
    push->consumer_seq = look_only ? push->consumer_seq : 0; /* messages may come before the answer */
    struct nki_op *op = nki_engine_chain_open(push->feed.engine, push->chain, NKI_NEVER, now_ns);
    if (op == NULL || nki_op_result(op, NULL, NULL) != NKI_PENDING) {
        push->chain = NULL;
        if (op != NULL) {
            nki_op_release(op);
        }
        pause_now(push, now_ns);
        return;
    }
    push->op = op;
    arm(push, push->there ? now_ns + ANSWER_NS : NKI_NEVER);
}

/* The chain is not waited for any more. */
static void forget(struct push *push)
{
    if (push->op != NULL) {
        struct nki_op *op = push->op;
        push->op = NULL;
        nki_ensure_watch(push->chain, NULL);
        push->chain = NULL;
        nki_engine_cancel(push->feed.engine, op);
        nki_op_release(op);
    }
}

/* Best effort: a server forgets one without a durable name by itself. */
static void send_delete(struct push *push)
{
    struct nki_buf subject = {0};
    if (push->stream.len > 0 && push->name.len > 0 && nki_buf_append_str(&subject, nki_js_prefix(push->js)) &&
        nki_buf_append_str(&subject, NKI_STR(".CONSUMER.DELETE.")) &&
        nki_buf_append_str(&subject, str_of(&push->stream)) && nki_buf_append(&subject, ".", 1) &&
        nki_buf_append_str(&subject, str_of(&push->name))) {
        struct nki_outgoing_msg msg = {.subject = str_of(&subject),
                                       .reply = NKI_STR(""),
                                       .header_block = NKI_STR(""),
                                       .data = NKI_STR("")};
        (void)nki_feed_send(&push->feed, &msg);
    }
    nki_buf_free(&subject);
}

/* -- the consumer's info --------------------------------------------------------------------------------- */

/* How it is looked after. */
static void use_config(struct push *push, const struct nki_push_answer *answer)
{
    push->acks = answer->acks;
    push->per_subject = answer->per_subject;
    push->heartbeat_ns = answer->heartbeat_ns;
    push->window_ns = answer->window_ns;
    /* Flow control bounds the queue: nothing may be dropped then. */
    nki_inlet_limit(&push->feed.sub->inlet,
                    answer->flows ? (struct nki_inlet_limits){UINT32_MAX, UINT64_MAX} : push->limits);
}

/* Where it stands: of one that has delivered nothing, so that the next begins there. */
static void use_place(struct push *push, const struct nki_push_answer *answer)
{
    push->initial = push->initial || answer->pending == 0;
    if (answer->counted && answer->come == 0 && !push->placed && push->made && !push->bind) {
        push->placed = true;
        push->stream_seq = answer->before;
    }
}

/* Names and subjects as the server has them. */
static bool use_names(struct push *push, const struct nki_push_answer *answer)
{
    push->stream.len = 0;
    push->name.len = 0;
    push->grouped = answer->group[0] != '\0';
    return nki_buf_append_str(&push->stream, nki_str_z(answer->stream)) &&
           nki_buf_append_str(&push->name, nki_str_z(answer->consumer)) &&
           move_to(push, nki_str_z(answer->subject), nki_str_z(answer->group));
}

/* -- what asking came to --------------------------------------------------------------------------------- */

static void live(struct push *push, bool made, int64_t now_ns)
{
    bool again = made && push->there;
    push->made = push->made || made;
    push->there = true;
    push->gone = false;
    push->failures = 0;
    push->unanswered = 0;
    push->state = LIVE;
    push->seen_ns = now_ns;
    push->quiet = push->quiet && !made;
    if (!push->quiet) {
        nki_trouble_end(&push->trouble, now_ns);
    }
    if (again) {
        push->info.recreated++;
        notify(push, NKI_NOTICE_RECREATED, push->info.recreated, 0, str_of(&push->name));
    }
    arm(push, push->heartbeat_ns > 0 ? now_ns + 2 * push->heartbeat_ns : NKI_NEVER);
}

/* As many messages as were asked for have come. */
static bool is_full(const struct push *push)
{
    return push->max_msgs > 0 && push->info.msgs >= push->max_msgs;
}

static void is_there(struct push *push, struct nki_msg *msg, bool made, int64_t now_ns)
{
    struct nki_push_answer answer;
    struct nki_error error;
    bool first = !push->there;
    int32_t status = nki_push_answer_read(nki_msg_data(msg), &answer, &error);
    if (status == NKI_OK && !use_names(push, &answer)) {
        status = nki_error_set(&error, NKI_NO_MEMORY, NULL);
    }
    if (status == NKI_OK && first && !made && !push->grouped && answer.bound) {
        status =
            nki_error_set(&error, NKI_BUSY, "another subscription is bound to consumer %s", answer.consumer);
    }
    if (status != NKI_OK) {
        finish(push, status, &error);
        return;
    }
    use_config(push, &answer);
    live(push, made, now_ns);
    use_place(push, &answer);
    if (first && push->open != NULL) {
        nki_msg_retain(msg);
        nki_op_finish(push->open, NKI_OK, NKI_OUTCOME_DONE, msg, NULL);
        nki_op_release(push->open);
        push->open = NULL;
    }
    if (is_full(push)) {
        finish(push, NKI_MAX_REACHED, NULL); /* before the answer */
    }
}

/* It has vanished: made again, or the end. */
static void vanished(struct push *push, int32_t status, const struct nki_error *error, int64_t now_ns)
{
    if (push->bind || push->durable || status != NKI_CONSUMER_NOT_FOUND) {
        finish(push, status, error);
        return;
    }
    trouble(push, NKI_NOTICE_CONSUMER_NOT_FOUND, 1, 0, str_of(&push->name));
    nki_trouble_begin(&push->trouble, status, NKI_STR(""), now_ns);
    push->gone = true;
    ask(push, now_ns);
}

/* Nobody has answered, or said that it cannot be for now. One that may be made elsewhere is at last. */
static void no_answer(struct push *push, int64_t now_ns)
{
    push->unanswered++;
    if (push->unanswered == 1) {
        trouble(push, NKI_NOTICE_NO_RESPONDERS, 1, 0, NKI_STR(""));
    }
    if (!push->quiet && !push->gone) {
        nki_trouble_begin(&push->trouble, NKI_NO_RESPONDERS, NKI_STR(""), now_ns);
    }
    if (!push->gone && !push->bind && !push->durable && !push->named &&
        push->unanswered >= UNANSWERED_TRIES) {
        send_delete(push);
        push->gone = true;
    }
    pause_now(push, now_ns);
}

static void done(struct nki_ensure_watch *watch, const struct nki_chain_end *end, bool made, int64_t now_ns)
{
    struct push *push = NKI_CONTAINER_OF(watch, struct push, watch);
    struct nki_op *op = push->op;
    push->op = NULL;
    push->chain = NULL;
    if (end->status == NKI_OK) {
        is_there(push, end->msg, made, now_ns);
    } else if (end->status == NKI_DISCONNECTED) {
        push->state = DOWN; /* `down` follows */
    } else if (!push->there) {
        finish(push, end->status, &end->error);
    } else if (end->status == NKI_CONSUMER_NOT_FOUND || end->status == NKI_STREAM_NOT_FOUND) {
        vanished(push, end->status, &end->error, now_ns);
    } else if (end->status == NKI_ALREADY_EXISTS) {
        push->gone = false; /* somebody was faster */
        pause_now(push, now_ns);
    } else {
        no_answer(push, now_ns);
    }
    if (op != NULL) {
        nki_op_release(op);
    }
}

/* -- what comes ------------------------------------------------------------------------------------------ */

/* Within the window each message that was not acked has come again, so older ones need not. */
static void note(struct push *push, uint64_t seq, int64_t now_ns)
{
    struct span *span = push->spans;
    if (span->least == 0 || now_ns - span->begin_ns >= push->window_ns) {
        push->spans[1] = now_ns - span->begin_ns >= 2 * push->window_ns ? (struct span){0} : *span;
        *span = (struct span){.begin_ns = now_ns, .least = seq};
    } else if (seq < span->least) {
        span->least = seq;
    }
}

/* A message of the stream. May end the subscription. */
static void take(struct push *push, struct nki_msg *msg, int64_t now_ns)
{
    struct nki_ack_subject place;
    bool known = nki_ack_subject_parse(nki_msg_reply(msg), &place);
    if (!known || is_full(push)) {
        push->info.unknown += !known;
        nki_msg_release(msg);
        return;
    }
    heard(push, now_ns);
    push->consumer_seq = place.consumer_seq;
    push->stream_seq =
        place.stream_seq > push->stream_seq || !push->placed ? place.stream_seq : push->stream_seq;
    push->placed = true;
    push->initial = push->initial || place.pending == 0;
    if (push->acks) {
        note(push, place.stream_seq, now_ns);
    }
    push->info.msgs++;
    nki_feed_stage(&push->feed, msg);
    if (is_full(push) && push->there) {
        finish(push, NKI_MAX_REACHED, NULL);
    }
}

/* How many the server has sent, as it says between them. */
static void compare(struct push *push, struct nki_str block)
{
    struct nki_str value;
    uint64_t last;
    if (!push->grouped && nki_header_find(block, NKI_STR("Nats-Last-Consumer"), NKI_MATCH_EXACT, 0, &value) &&
        nki_str_u64(value, &last) && last > push->consumer_seq) {
        push->info.lost += push->consumer_seq > 0 || push->made ? last - push->consumer_seq : 0;
        push->consumer_seq = last;
    }
}

static void beat(struct push *push, const struct nki_msg *msg, struct nki_str block, int64_t now_ns)
{
    struct nki_str value;
    heard(push, now_ns);
    if (msg->reply_len > 0) {
        push->info.flows++;
        nki_flow_ask(&push->flow, &push->feed, nki_msg_reply(msg));
        return;
    }
    push->info.beats++;
    push->beat_ns = now_ns;
    compare(push, block);
    if (nki_header_find(block, NKI_STR("Nats-Consumer-Stalled"), NKI_MATCH_EXACT, 0, &value)) {
        nki_flow_ask(&push->flow, &push->feed, value);
    }
}

static bool begins(struct nki_str text, struct nki_str words)
{
    return text.len >= words.len && nki_str_eq_nocase(nki_str_make(text.ptr, words.len), words);
}

/* May end the subscription. */
static void status(struct push *push, const struct nki_msg *msg, int64_t now_ns)
{
    struct nki_str block = nki_msg_header_block(msg);
    struct nki_str text;
    struct nki_error error;
    int32_t code = nki_header_status(block, &text);
    int shown = text.len < 200 ? (int)text.len : 200;
    if (code == 100) {
        beat(push, msg, block, now_ns);
    } else if (code == 409 && begins(text, NKI_STR("consumer deleted"))) {
        nki_error_set(&error, NKI_CONSUMER_DELETED, "%.*s: the server says: %" PRId32 " %.*s",
                      (int)push->name.len, (const char *)push->name.data, code, shown, text.ptr);
        error.server_code = code;
        finish(push, NKI_CONSUMER_DELETED, &error);
    } else if (code == 409 &&
               (begins(text, NKI_STR("leadership change")) || begins(text, NKI_STR("server shutdown")))) {
        trouble(push, NKI_NOTICE_LEADERSHIP, 1, code, text);
        if (push->heartbeat_ns > 0) { /* else it may be long until something says that it is over */
            nki_trouble_begin(&push->trouble, NKI_NO_RESPONDERS, text, now_ns);
        }
    } else {
        push->info.unknown++;
        notify(push, NKI_NOTICE_UNKNOWN, push->info.unknown, code, text);
    }
}

static void message(struct nki_feed *feed, struct nki_msg *msg, int64_t now_ns)
{
    struct push *push = of(feed);
    struct nki_str text;
    bool own = nki_str_eq(nki_msg_subject(msg), subject_of(&push->deliver, push->deliver_len));
    if (own && msg->header_len > 0 && nki_header_status(nki_msg_header_block(msg), &text) != 0) {
        status(push, msg, now_ns);
        nki_msg_release(msg);
    } else {
        take(push, msg, now_ns);
    }
}

static void taken(struct nki_feed *feed, int64_t now_ns)
{
    (void)now_ns;
    nki_flow_taken(&of(feed)->flow, feed);
}

/* -- time and transports --------------------------------------------------------------------------------- */

static void silent(struct push *push, int64_t now_ns)
{
    push->info.missed++;
    trouble(push, NKI_NOTICE_HEARTBEATS_MISSED, push->info.missed, 0, NKI_STR(""));
    nki_trouble_begin(&push->trouble, NKI_HEARTBEATS_MISSED, NKI_STR(""), push->seen_ns);
    push->quiet = true;
    ask(push, now_ns); /* whether it is still there */
}

static void tick(struct nki_feed *feed, int64_t now_ns)
{
    struct push *push = of(feed);
    int64_t due_ns = push->seen_ns + 2 * push->heartbeat_ns;
    if (!push->there && now_ns >= push->deadline_ns) {
        finish(push, NKI_TIMEOUT, NULL);
        return;
    }
    switch (push->state) {
    case PAUSING:
        if (now_ns >= push->retry_ns) {
            ask(push, now_ns);
        } else {
            arm(push, push->retry_ns);
        }
        break;
    case ASKING:
        if (push->there && now_ns >= push->asked_ns + ANSWER_NS) {
            forget(push);
            no_answer(push, now_ns);
        } else {
            arm(push, push->there ? push->asked_ns + ANSWER_NS : NKI_NEVER);
        }
        break;
    case LIVE:
        if (push->heartbeat_ns > 0 && now_ns >= due_ns) {
            silent(push, now_ns);
        } else {
            arm(push, push->heartbeat_ns > 0 ? due_ns : NKI_NEVER);
        }
        break;
    case DOWN:
        arm(push, NKI_NEVER);
        break;
    }
}

static void on_begin(struct nki_feed *feed, int64_t now_ns)
{
    (void)now_ns;
    arm(of(feed), NKI_NEVER);
}

static void up(struct nki_feed *feed, int64_t now_ns)
{
    struct push *push = of(feed);
    if (push->feed.sub->drain == NKI_DRAIN_NONE) {
        push->failures = 0;
        push->unanswered = 0;
        ask(push, now_ns);
    }
}

static void down(struct nki_feed *feed, int64_t now_ns)
{
    struct push *push = of(feed);
    forget(push);
    push->state = DOWN;
    push->troubled = push->there;
    push->quiet = false;
    nki_trouble_end(&push->trouble, now_ns);
    nki_flow_forget(&push->flow);
    arm(push, NKI_NEVER);
}

/* A chain's request, or what it delivers to. */
static void denied(struct nki_feed *feed, struct nki_str subject, const struct nki_error *error)
{
    struct push *push = of(feed);
    if (push->op != NULL && push->op->asked == nki_str_hash(subject)) {
        finish(push, NKI_PERMISSION, error);
    }
}

static void health(struct nki_feed *feed, int64_t now_ns, struct nki_health *out)
{
    const struct push *push = of(feed);
    struct nki_trouble now = push->trouble;
    bool late =
        push->state == LIVE && push->heartbeat_ns > 0 && now_ns >= push->seen_ns + 2 * push->heartbeat_ns;
    if (late && !push->quiet) {
        nki_trouble_begin(&now, NKI_HEARTBEATS_MISSED, NKI_STR(""), push->seen_ns);
    }
    out->activity_ns = push->life_ns != 0 ? push->life_ns : NKI_NEVER;
    out->beat_ns = push->beat_ns != 0 ? push->beat_ns : NKI_NEVER;
    enum nki_health_state state = push->gone             ? NKI_HEALTH_DOWN
                                  : late || push->quiet  ? NKI_HEALTH_SILENT
                                  : now.reason != NKI_OK ? NKI_HEALTH_DEGRADED
                                  : push->state == LIVE  ? NKI_HEALTH_OK
                                                         : NKI_HEALTH_STARTING;
    nki_health_of_trouble(out, state, &now, str_of(&push->stream), str_of(&push->name));
}

static void end(struct nki_feed *feed, int32_t reason)
{
    struct push *push = of(feed);
    if (feed->engine != NULL && feed->up) {
        bool wanted = push->destroy == NKI_DESTROY_ALWAYS ||
                      (push->destroy == NKI_DESTROY_MADE && push->made && !push->durable && !push->bind);
        if (wanted && reason == NKI_UNSUBSCRIBED && feed->sub->drain == NKI_DRAIN_NONE) {
            send_delete(push); /* else acks are still to come */
        }
    }
    forget(push);
    if (push->open != NULL) {
        bool told = push->end_error.status == reason;
        nki_op_finish(push->open, reason, NKI_OUTCOME_UNKNOWN, NULL, told ? &push->end_error : NULL);
        nki_op_release(push->open);
    }
    destroy(push);
}

static const struct nki_feed_ops push_ops = {.up = up,
                                             .down = down,
                                             .message = message,
                                             .tick = tick,
                                             .taken = taken,
                                             .begin = on_begin,
                                             .denied = denied,
                                             .health = health,
                                             .end = end};

/* -- opening --------------------------------------------------------------------------------------------- */

static bool fill(struct push *push, const struct nki_push_params *params, struct nki_str inbox)
{
    memcpy(push->id, inbox.ptr + inbox.len - NKI_NUID_LEN, NKI_NUID_LEN); /* as unique as the inbox */
    push->given_len = params->deliver_subject.len;
    push->deliver_len = inbox.len;
    return nki_buf_append_str(&push->inbox, inbox) && nki_buf_append(&push->inbox, ".", 1) &&
           nki_buf_append_str(&push->deliver, inbox) && nki_buf_append_str(&push->stream, params->stream) &&
           nki_buf_append_str(&push->find, params->subject) &&
           nki_buf_append_str(&push->name, params->consumer) &&
           nki_buf_append_str(&push->given, params->deliver_subject) &&
           nki_buf_append_str(&push->given, params->deliver_group) &&
           nki_buf_append_str(&push->wanted, params->wanted) &&
           nki_buf_append_str(&push->config, params->config) &&
           nki_buf_append_str(&push->start, params->start);
}

static struct push *make(struct nki_js *js, const struct nki_push_params *params, struct nki_str inbox)
{
    struct push *push = nki_calloc(1, sizeof *push);
    if (push == NULL) {
        return NULL;
    }
    push->feed.ops = &push_ops;
    push->watch.done = done;
    push->js = js;
    nki_js_retain(js);
    push->destroy = params->destroy;
    push->bind = params->bind;
    push->durable = params->durable;
    push->own_subject = params->deliver_subject.len == 0;
    push->named = params->consumer.len > 0;
    push->notices = params->notices;
    push->level = params->level;
    push->deadline_ns = params->deadline_ns;
    push->max_msgs = params->max_msgs;
    push->limits = params->limits;
    if (!fill(push, params, inbox)) {
        destroy(push);
        return NULL;
    }
    return push;
}

int32_t nki_push_open(struct nki_js *js, const struct nki_push_params *params, struct nki_sub **sub,
                      struct nki_op **op, struct nki_error *err)
{
    char inbox[NKI_JS_INBOX_MAX - 24];
    size_t len = nki_conn_new_inbox(js->conn, inbox, sizeof inbox);
    assert(len <= sizeof inbox);
    struct push *push = make(js, params, nki_str_make(inbox, len));
    struct nki_op *open = push != NULL ? nki_op_new() : NULL;
    if (open == NULL) {
        if (push != NULL) {
            destroy(push);
        }
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    nki_op_retain(open);
    push->open = open;
    /* Until the consumer is there nothing comes; then the queue has its limits. */
    const struct nki_sub_params own = {
        .subject = nki_str_make(inbox, len), .queue = NKI_STR(""), .limits = params->limits};
    int32_t status = nki_conn_subscribe_feed(js->conn, &own, &push->feed, sub, err);
    if (status != NKI_OK) {
        nki_op_release(open);
        return status;
    }
    *op = open;
    return NKI_OK;
}

int32_t nki_push_info_get(struct nki_sub *sub, struct nki_push_info *out)
{
    struct nki_feed *feed = nki_sub_feed_lock(sub);
    if (feed == NULL || feed->ops != &push_ops) {
        if (feed != NULL) {
            nki_sub_feed_unlock(sub);
        }
        return NKI_CLOSED;
    }
    const struct push *push = of(feed);
    *out = push->info;
    nki_str_copy(out->stream, sizeof out->stream, str_of(&push->stream));
    nki_str_copy(out->consumer, sizeof out->consumer, str_of(&push->name));
    out->live = push->state == LIVE;
    out->made = push->made;
    nki_sub_feed_unlock(sub);
    return NKI_OK;
}
