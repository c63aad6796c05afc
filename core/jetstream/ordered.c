/* Ordered consumers: see ordered.h. Everything but the opening runs under the engine lock.
 *
 * Each consumer has a serial number n and delivers to `<inbox>.<n>`, which the subscription moves to before
 * it is made; the answer to its making comes there, too. (A wildcard would not do: server 2.15 looks whether
 * somebody listens on the very subject.) Messages of the stream come with their own subjects; which consumer
 * they are of, and their place, is in their reply subject. What comes on the inbox itself are the answer and
 * statuses. */
#include "jetstream/ordered.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "delivery/notice.h"
#include "jetstream/ack_subject.h"
#include "jetstream/api_error.h"
#include "jetstream/flow.h"
#include "jetstream/ordered_text.h"
#include "wire/header.h"
#include "wire/subject.h"

#include <inttypes.h>
#include <stdio.h>

#define ANSWER_NS (5000 * NKI_NS_PER_MS)   /* time for the answer to the making of a consumer */
#define QUESTION_NS (2000 * NKI_NS_PER_MS) /* for the one to what the stream is */
#define PAUSE_NS (250 * NKI_NS_PER_MS)     /* before the second try; it doubles */
#define PAUSE_MAX_NS (5000 * NKI_NS_PER_MS)
#define INACTIVE_NS "300000000000"     /* the server keeps an abandoned consumer for so long */
#define ACK_WAIT_NS "79200000000000"   /* 22 h: nothing is acked (ADR-17) */
#define MISSING_TRIES 4                /* so often a stream that was there has to be missing in a row */
#define UNHEARD_TRIES 5                /* so often nobody may be there to answer before the first consumer */
#define SKEW_NS (2000 * NKI_NS_PER_MS) /* by which the clocks of a cluster may differ */
#define LOOKS_MAX 32 /* so often something may be written while it looks whether anything is */
#define NAME_LEN (NKI_NUID_LEN + 1 + 20)

enum state {
    DOWN,     /* no transport */
    CREATING, /* the answer is waited for */
    LIVE,
    PAUSING /* the next try waits */
};

struct ordered {
    struct nki_feed feed;
    struct nki_js *js; /* a reference */
    enum state state;
    enum nki_deliver deliver;
    uint64_t start_seq;
    bool headers_only;
    bool marks_done;
    bool ends_done;
    bool catches_up;
    bool caught; /* with that: what there was has come but for what was replaced meanwhile */
    bool looks;  /* the next consumer is made to look for that alone */
    unsigned looked;
    bool initial_done;
    bool created;    /* once in its life */
    bool placed;     /* stream_seq is known */
    bool by_seq;     /* the present consumer begins behind stream_seq */
    bool by_time;    /* it begins behind stream_time_ns: stream_seq is of another stream */
    bool since_came; /* of that something has come: it goes on behind the last message */
    bool since;      /* it begins with what was stored since begin_ns, as far as that has not come */
    bool whole;      /* the stream\'s leader has all up to stream_seq: a server that has not lags behind */
    bool asking;     /* CREATING: what the stream is, first */
    bool tells;      /* it was answered once */
    bool unasked;    /* it is not asked: nobody has answered, this time, or ever on this connection */
    bool answered;   /* the present consumer's making */
    bool idle;       /* a heartbeat was the last that came of it */
    int64_t heartbeat_ns;
    struct nki_msg *(*map)(struct nki_msg *msg, uint32_t flags);
    uint32_t flags;
    const struct nki_ordered_sink *sink; /* or NULL */
    void *sink_context;

    uint64_t serial;
    bool used;               /* a consumer of this number was asked for */
    char name[NAME_LEN + 1]; /* of the present consumer */
    size_t name_len;
    uint64_t consumer_seq;  /* of the last message */
    uint64_t stream_seq;    /* up to which all has come */
    int64_t stream_time_ns; /* when the latest of that was stored; at least the first consumer's begin */
    int64_t begin_ns;       /* when the first consumer was made; 0: not known */
    uint64_t begin_serial;  /* its number */
    uint64_t expected;      /* consumer sequence at which what there was has come; once answered */
    unsigned failures;      /* in a row */
    unsigned missing;       /* of those: there is no such stream */
    unsigned unheard;       /* of those: nobody is there who answers */
    int64_t seen_ns;        /* the last sign of life */
    struct nki_flow flow;
    uint64_t resets;
    uint64_t stale_msgs;
    uint64_t rewinds;
    struct nki_list ready_ops; /* struct nki_op.engine_node, a reference each: they wait for a message */

    char subject[NKI_JS_INBOX_MAX]; /* "<inbox>.<serial>" */
    size_t subject_len;
    size_t base_len; /* of the inbox, with the dot behind it */
    char id[NKI_NUID_LEN];
    struct nki_buf stream;
    struct nki_buf filters; /* as JSON members of a configuration; empty: none */
    struct nki_buf filter;  /* the only one, which goes into the subject; empty: none */
    struct nki_buf start_time;
};

static struct ordered *of(struct nki_feed *feed)
{
    return NKI_CONTAINER_OF(feed, struct ordered, feed);
}

/* There is something in the queue, or nothing more will be. */
static void tell_ready(struct ordered *ordered)
{
    while (!nki_list_empty(&ordered->ready_ops)) {
        struct nki_op *op = NKI_CONTAINER_OF(ordered->ready_ops.next, struct nki_op, engine_node);
        nki_list_remove(&op->engine_node);
        nki_engine_untimer(ordered->feed.engine, op);
        nki_op_finish(op, NKI_OK, NKI_OUTCOME_DONE, NULL, NULL);
        nki_op_release(op);
    }
}

static void destroy(struct ordered *ordered)
{
    nki_flow_free(&ordered->flow);
    nki_buf_free(&ordered->stream);
    nki_buf_free(&ordered->filters);
    nki_buf_free(&ordered->filter);
    nki_buf_free(&ordered->start_time);
    nki_js_release(ordered->js);
    nki_free(ordered);
}

static struct nki_str str_of(const struct nki_buf *buf)
{
    return nki_str_make((const char *)buf->data, buf->len);
}

/* -- making a consumer ----------------------------------------------------------------------------------- */

static bool append_u64_member(struct nki_buf *out, struct nki_str begin, uint64_t value)
{
    return nki_buf_append_str(out, begin) && nki_buf_append_u64(out, value);
}

/* Where it begins: as asked for as long as nothing or not all that there was has come, else behind the last
 * one. With last_per_subject what comes again meanwhile is passed over: messages come in the stream's order;
 * and with the first that may have been stored since the begin, all of that is asked for (skips_some).
 */
static bool append_begin(const struct ordered *ordered, struct nki_buf *out)
{
    if (ordered->by_seq) {
        return append_u64_member(out, NKI_STR("\"deliver_policy\":\"by_start_sequence\",\"opt_start_seq\":"),
                                 ordered->stream_seq + 1);
    }
    if (ordered->by_time) {
        char time[NKI_RFC3339_CAP];
        nki_rfc3339_write(ordered->stream_time_ns + 1, time);
        return nki_buf_append_str(out, NKI_STR("\"deliver_policy\":\"by_start_time\",\"opt_start_time\":")) &&
               nki_buf_append_json(out, nki_str_z(time));
    }
    if (ordered->since) {
        char time[NKI_RFC3339_CAP];
        nki_rfc3339_write(ordered->begin_ns - SKEW_NS, time);
        return nki_buf_append_str(out, NKI_STR("\"deliver_policy\":\"by_start_time\",\"opt_start_time\":")) &&
               nki_buf_append_json(out, nki_str_z(time));
    }
    switch (ordered->deliver) {
    case NKI_DELIVER_NEW:
        return nki_buf_append_str(out, NKI_STR("\"deliver_policy\":\"new\""));
    case NKI_DELIVER_LAST:
        return nki_buf_append_str(out, NKI_STR("\"deliver_policy\":\"last\""));
    case NKI_DELIVER_LAST_PER_SUBJECT:
        return nki_buf_append_str(out, NKI_STR("\"deliver_policy\":\"last_per_subject\""));
    case NKI_DELIVER_FROM_SEQ:
        return append_u64_member(out, NKI_STR("\"deliver_policy\":\"by_start_sequence\",\"opt_start_seq\":"),
                                 ordered->start_seq);
    case NKI_DELIVER_FROM_TIME:
        return nki_buf_append_str(out, NKI_STR("\"deliver_policy\":\"by_start_time\",\"opt_start_time\":")) &&
               nki_buf_append_json(out, str_of(&ordered->start_time));
    default:
        return nki_buf_append_str(out, NKI_STR("\"deliver_policy\":\"all\""));
    }
}

static bool append_config(const struct ordered *ordered, struct nki_buf *out)
{
    return nki_buf_append_str(out, NKI_STR("{\"stream_name\":")) &&
           nki_buf_append_json(out, str_of(&ordered->stream)) &&
           nki_buf_append_str(out, NKI_STR(",\"action\":\"create\",\"config\":{\"name\":\"")) &&
           nki_buf_append(out, ordered->name, ordered->name_len) &&
           nki_buf_append_str(out, NKI_STR("\",\"deliver_subject\":\"")) &&
           nki_buf_append(out, ordered->subject, ordered->subject_len) &&
           nki_buf_append_str(out, NKI_STR("\",")) && append_begin(ordered, out) &&
           nki_buf_append_str(out, str_of(&ordered->filters)) &&
           (!ordered->headers_only || nki_buf_append_str(out, NKI_STR(",\"headers_only\":true"))) &&
           append_u64_member(out, NKI_STR(",\"idle_heartbeat\":"), (uint64_t)ordered->heartbeat_ns) &&
           nki_buf_append_str(out, NKI_STR(",\"flow_control\":true,\"ack_policy\":\"none\",\"max_deliver\":1,"
                                           "\"ack_wait\":" ACK_WAIT_NS ",\"replay_policy\":\"instant\","
                                           "\"mem_storage\":true,\"num_replicas\":1,"
                                           "\"inactive_threshold\":" INACTIVE_NS "}}"));
}

static size_t write_name(const struct ordered *ordered, uint64_t serial, char out[NAME_LEN + 1])
{
    int len = snprintf(out, NAME_LEN + 1, "%.*s_%" PRIu64, NKI_NUID_LEN, ordered->id, serial);
    return (size_t)len;
}

/* "<prefix>.CONSUMER.<verb>.<stream>.<name>" */
static bool append_subject(const struct ordered *ordered, struct nki_buf *out, struct nki_str verb,
                           uint64_t serial)
{
    char name[NAME_LEN + 1];
    size_t name_len = write_name(ordered, serial, name);
    return nki_buf_append_str(out, nki_js_prefix(ordered->js)) &&
           nki_buf_append_str(out, NKI_STR(".CONSUMER.")) && nki_buf_append_str(out, verb) &&
           nki_buf_append(out, ".", 1) && nki_buf_append_str(out, str_of(&ordered->stream)) &&
           nki_buf_append(out, ".", 1) && nki_buf_append(out, name, name_len);
}

/* Asks for the stream's info. */
static bool send_question(struct ordered *ordered)
{
    struct nki_buf subject = {0};
    bool ok = nki_buf_append_str(&subject, nki_js_prefix(ordered->js)) &&
              nki_buf_append_str(&subject, NKI_STR(".STREAM.INFO.")) &&
              nki_buf_append_str(&subject, str_of(&ordered->stream));
    if (ok) {
        struct nki_outgoing_msg msg = {.subject = str_of(&subject),
                                       .reply = nki_str_make(ordered->subject, ordered->subject_len),
                                       .header_block = NKI_STR(""),
                                       .data = NKI_STR("")};
        ok = nki_feed_send(&ordered->feed, &msg);
    }
    nki_buf_free(&subject);
    return ok;
}

static bool send_create(struct ordered *ordered)
{
    struct nki_buf subject = {0};
    struct nki_buf body = {0};
    bool ok = append_subject(ordered, &subject, NKI_STR("CREATE"), ordered->serial) &&
              (ordered->filter.len == 0 || (nki_buf_append(&subject, ".", 1) &&
                                            nki_buf_append_str(&subject, str_of(&ordered->filter)))) &&
              append_config(ordered, &body);
    if (ok) {
        struct nki_outgoing_msg msg = {.subject = str_of(&subject),
                                       .reply = nki_str_make(ordered->subject, ordered->subject_len),
                                       .header_block = NKI_STR(""),
                                       .data = str_of(&body)};
        ordered->feed.asked = nki_str_hash(msg.subject);
        ok = nki_feed_send(&ordered->feed, &msg);
    }
    nki_buf_free(&subject);
    nki_buf_free(&body);
    return ok;
}

/* Best effort: the server forgets an abandoned consumer by itself. */
static void send_delete(struct ordered *ordered, uint64_t serial)
{
    struct nki_buf subject = {0};
    if (append_subject(ordered, &subject, NKI_STR("DELETE"), serial)) {
        struct nki_outgoing_msg msg = {.subject = str_of(&subject),
                                       .reply = NKI_STR(""),
                                       .header_block = NKI_STR(""),
                                       .data = NKI_STR("")};
        (void)nki_feed_send(&ordered->feed, &msg);
    }
    nki_buf_free(&subject);
}

static void pause_now(struct ordered *ordered, int64_t now_ns)
{
    int64_t pause_ns = PAUSE_NS;
    for (unsigned i = 1; i < ordered->failures && pause_ns < PAUSE_MAX_NS; i++) {
        pause_ns *= 2;
    }
    ordered->state = PAUSING;
    nki_feed_arm(&ordered->feed, now_ns + (pause_ns < PAUSE_MAX_NS ? pause_ns : PAUSE_MAX_NS));
}

/* The next serial number, with its names. */
static void number(struct ordered *ordered)
{
    ordered->serial++;
    ordered->used = false;
    ordered->name_len = write_name(ordered, ordered->serial, ordered->name);
    int len = snprintf(ordered->subject + ordered->base_len, sizeof ordered->subject - ordered->base_len,
                       "%" PRIu64, ordered->serial);
    ordered->subject_len = ordered->base_len + (size_t)len;
}

/* So that nothing comes any more of the consumer before. */
static bool move(struct ordered *ordered)
{
    number(ordered);
    bool ok =
        nki_feed_move(&ordered->feed, nki_str_make(ordered->subject, ordered->subject_len), NKI_STR(""));
    ordered->used = !ok; /* then the next one is tried */
    return ok;
}

static void create(struct ordered *ordered, int64_t now_ns)
{
    bool ok = !ordered->used || move(ordered);
    ordered->used = true;
    ordered->consumer_seq = 0;
    ordered->answered = false;
    ordered->whole = false;
    ordered->idle = false;
    nki_flow_forget(&ordered->flow);
    ordered->asking = ordered->placed && !ordered->by_time && !ordered->unasked && !ordered->looks;
    ordered->looks = false;
    ordered->resets += ordered->created && !ordered->asking;
    ordered->unasked = ordered->unasked && !ordered->tells;
    ordered->by_seq = ordered->placed && !ordered->by_time &&
                      (ordered->initial_done || ordered->since_came || ordered->caught ||
                       ordered->deliver != NKI_DELIVER_LAST_PER_SUBJECT);
    if (ordered->begin_ns == 0 && ordered->stream_time_ns > 0) {
        ordered->begin_ns =
            ordered->stream_time_ns; /* the first answer was lost, and it is no later than that */
    }
    ordered->state = CREATING;
    ordered->seen_ns = now_ns;
    if (ok && (ordered->asking ? send_question(ordered) : send_create(ordered))) {
        nki_feed_arm(&ordered->feed, now_ns + (ordered->asking ? QUESTION_NS : ANSWER_NS));
    } else {
        ordered->failures++;
        pause_now(ordered, now_ns);
    }
}

/* Something is amiss with the present consumer: the next one follows, at once the first time. */
static void reset(struct ordered *ordered, int64_t now_ns)
{
    send_delete(ordered, ordered->serial);
    ordered->failures++;
    if (ordered->failures > 1) {
        pause_now(ordered, now_ns);
    } else {
        create(ordered, now_ns);
    }
}

/* What the stream is, is known or cannot be: now the consumer. */
static void create_asked(struct ordered *ordered, int64_t now_ns)
{
    ordered->asking = false;
    ordered->resets++;
    if (send_create(ordered)) {
        nki_feed_arm(&ordered->feed, now_ns + ANSWER_NS);
    } else {
        ordered->failures++;
        pause_now(ordered, now_ns);
    }
}

/* -- what there was at the begin ------------------------------------------------------------------------- */

/* What was replaced before its turn has not come, and what has replaced it may be on its way: the server's
 * count of what is pending lags. How much there is for a consumer when it is made is exact: if that is
 * nothing behind the last message, nothing was replaced. May end the subscription. */
static void look_behind(struct ordered *ordered, int64_t now_ns)
{
    struct nki_error error;
    if (++ordered->looked > LOOKS_MAX) {
        nki_error_set(&error, NKI_SNAPSHOT_CHANGED, "it is written without a pause while it is read");
        nki_feed_finish(&ordered->feed, NKI_SNAPSHOT_CHANGED, &error);
        return;
    }
    ordered->caught = true;
    ordered->looks = true;
    send_delete(ordered, ordered->serial);
    create(ordered, now_ns);
}

/* May end the subscription. */
static void look_whether_done(struct ordered *ordered, bool nothing_pending, int64_t now_ns)
{
    bool all = nothing_pending || (ordered->answered && ordered->consumer_seq >= ordered->expected);
    if (ordered->initial_done || !all) {
        return;
    }
    if (ordered->catches_up && !(ordered->answered && ordered->expected == 0)) {
        look_behind(ordered, now_ns);
        return;
    }
    ordered->initial_done = true;
    int32_t status =
        ordered->sink != NULL ? ordered->sink->done(ordered->sink_context, &ordered->feed) : NKI_OK;
    if (status != NKI_OK) {
        nki_feed_finish(&ordered->feed, status, NULL);
        return;
    }
    if (ordered->marks_done) {
        const struct nki_notice notice = {.type = NKI_NOTICE_INITIAL_DONE, .text = NKI_STR("")};
        struct nki_msg *mark = nki_notice_msg(&notice);
        if (mark == NULL) {
            nki_feed_finish(&ordered->feed, NKI_NO_MEMORY, NULL); /* without it the reader waits for ever */
            return;
        }
        mark->origin = ordered->feed.engine->origin;
        nki_feed_stage(&ordered->feed, mark);
    }
    if (ordered->ends_done) {
        nki_feed_finish(&ordered->feed, NKI_MAX_REACHED, NULL);
    }
}

/* -- what comes ------------------------------------------------------------------------------------------ */

static void count_rewind(struct ordered *ordered)
{
    ordered->rewinds++;
    if (ordered->sink != NULL && ordered->sink->rewound != NULL) {
        ordered->sink->rewound(ordered->sink_context);
    }
}

/* A sink that wants to know of it holds what has come: all of that comes anew. */
static bool begin_anew(struct ordered *ordered)
{
    if (ordered->sink == NULL || ordered->sink->rewound == NULL) {
        return false;
    }
    ordered->placed = false;
    ordered->by_seq = false;
    ordered->by_time = false;
    ordered->since = false;
    ordered->since_came = false;
    ordered->begin_ns = 0;
    ordered->initial_done = false;
    ordered->caught = false;
    ordered->stream_seq = 0;
    return true;
}

/* The stream is another one, or has lost its end. */
static void rewind_to(struct ordered *ordered, uint64_t stream_seq)
{
    ordered->stream_seq = stream_seq;
    count_rewind(ordered);
}

/* With last_per_subject a consumer that is made before all that there was at the begin has come begins with
 * what is the last of its subject now: what was stored meanwhile is not all in that. */
static bool skips_some(const struct ordered *ordered, const struct nki_ack_subject *place)
{
    return ordered->deliver == NKI_DELIVER_LAST_PER_SUBJECT && !ordered->initial_done && !ordered->caught &&
           !ordered->since && ordered->begin_ns != 0 && ordered->serial != ordered->begin_serial &&
           !ordered->by_time && place->time_ns > ordered->begin_ns - SKEW_NS;
}

/* A message of the stream. */
static void take(struct ordered *ordered, struct nki_msg *msg, int64_t now_ns)
{
    struct nki_ack_subject place;
    struct nki_str name = nki_str_make(ordered->name, ordered->name_len);
    if (!nki_ack_subject_parse(nki_msg_reply(msg), &place) || !nki_str_eq(place.consumer, name)) {
        ordered->stale_msgs++;
        nki_msg_release(msg);
        return;
    }
    if (place.consumer_seq != ordered->consumer_seq + 1) {
        nki_msg_release(msg);
        reset(ordered, now_ns); /* one was lost on the way */
        return;
    }
    ordered->consumer_seq++;
    ordered->idle = false;
    ordered->seen_ns = now_ns;
    ordered->failures = 0;
    bool later = place.time_ns > ordered->stream_time_ns;
    if (ordered->by_seq && place.stream_seq <= ordered->stream_seq && later) {
        rewind_to(ordered,
                  place.stream_seq - 1); /* it would begin behind that if there were such a message */
        if (begin_anew(ordered)) {
            nki_msg_release(msg);
            reset(ordered, now_ns);
            return;
        }
    }
    if (ordered->by_time ? !later : place.stream_seq <= ordered->stream_seq) {
        ordered->stale_msgs++;
        nki_msg_release(msg); /* it came by a consumer before */
    } else if (skips_some(ordered, &place)) {
        nki_msg_release(msg);
        ordered->since = true;
        reset(ordered, now_ns);
        return;
    } else {
        ordered->stream_seq = place.stream_seq;
        ordered->stream_time_ns = later ? place.time_ns : ordered->stream_time_ns;
        ordered->placed = true;
        ordered->by_time = false;
        ordered->since_came = ordered->since;
        msg = ordered->map != NULL ? ordered->map(msg, ordered->flags) : msg;
        if (msg != NULL && ordered->sink != NULL) {
            int32_t status = ordered->sink->message(ordered->sink_context, msg);
            if (status != NKI_OK) {
                nki_feed_finish(&ordered->feed, status, NULL);
                return;
            }
        } else if (msg != NULL) {
            nki_feed_stage(&ordered->feed, msg);
            if (!nki_list_empty(&ordered->ready_ops)) {
                nki_feed_settle(&ordered->feed);
            }
        }
    }
    look_whether_done(ordered, place.pending == 0, now_ns);
}

static void taken(struct nki_feed *feed, int64_t now_ns)
{
    (void)now_ns;
    nki_flow_taken(&of(feed)->flow, feed);
}

/* The server had nothing to send, and does not wait for us. One of these may cross our answer to a request of
 * flow control; between two in a row it has looked for a message and found none. Then what is missing of what
 * there was at the begin was purged, or has expired. */
static void idle(struct ordered *ordered, int64_t now_ns)
{
    bool again = ordered->idle;
    ordered->idle = true;
    if (again && (ordered->answered || ordered->consumer_seq > 0)) {
        look_whether_done(ordered, true, now_ns);
    }
}

/* A status at the subject that the present consumer delivers to. */
static void status(struct ordered *ordered, const struct nki_msg *msg, int64_t now_ns)
{
    struct nki_str block = nki_msg_header_block(msg);
    struct nki_str text;
    struct nki_str value;
    uint64_t last;
    int32_t code = nki_header_status(block, &text);
    if (code != 100) {
        reset(ordered, now_ns); /* 409 Consumer Deleted, Leadership Change, Server Shutdown ... */
        return;
    }
    ordered->seen_ns = now_ns;
    if (nki_header_find(block, NKI_STR("Nats-Last-Consumer"), NKI_MATCH_EXACT, 0, &value) &&
        nki_str_u64(value, &last) && last != ordered->consumer_seq) {
        reset(ordered, now_ns);
        return;
    }
    ordered->failures = 0;
    bool stalled = nki_header_find(block, NKI_STR("Nats-Consumer-Stalled"), NKI_MATCH_EXACT, 0, &value);
    if (msg->reply_len == 0 && !stalled) {
        idle(ordered, now_ns);
        return;
    }
    ordered->idle = false;
    if (msg->reply_len > 0) {
        nki_flow_ask(&ordered->flow, &ordered->feed, nki_msg_reply(msg));
    } else {
        /* The request for it was lost, or the answer; or it still is not taken. */
        nki_flow_ask(&ordered->flow, &ordered->feed, value);
    }
}

/* The stream is there. Where the next consumer begins is not told by the server if that is behind the end, so
 * whether it is still the same stream has to be asked. If it is another one of the same name, or has lost its
 * end, the time tells what has come from what has not: all of that was stored later. */
static void told(struct ordered *ordered, const struct nki_json_value *answer, int64_t now_ns)
{
    struct nki_json_value state;
    bool has = nki_json_member(answer, NKI_STR("state"), &state) && state.type == NKI_JSON_OBJECT;
    bool shorter = has && nki_ordered_number(&state, NKI_STR("last_seq")) < ordered->stream_seq;
    ordered->tells = true;
    ordered->whole = has && !shorter;
    if (shorter || nki_ordered_created_ns(answer) > ordered->stream_time_ns) {
        count_rewind(ordered);
        ordered->by_seq = false;
        ordered->by_time = !begin_anew(ordered);
    }
    if (nki_ordered_created_ns(answer) > ordered->stream_time_ns && !ordered->by_time) {
        ordered->stream_time_ns =
            nki_ordered_created_ns(answer); /* so that it is not taken for another one again */
    }
    create_asked(ordered, now_ns);
}

/* The consumer is there. */
static void made(struct ordered *ordered, const struct nki_json_value *answer, int64_t now_ns)
{
    struct nki_json_value delivered;
    bool has = nki_json_member(answer, NKI_STR("delivered"), &delivered) && delivered.type == NKI_JSON_OBJECT;
    uint64_t come = has ? nki_ordered_number(&delivered, NKI_STR("consumer_seq")) : 0;
    uint64_t before = has ? nki_ordered_number(&delivered, NKI_STR("stream_seq")) : 0;
    if (!ordered->created && nki_ordered_created_ns(answer) > ordered->stream_time_ns) {
        ordered->stream_time_ns = nki_ordered_created_ns(answer);
    }
    if (ordered->begin_ns == 0) {
        ordered->begin_ns = nki_ordered_created_ns(answer);
        ordered->begin_serial = ordered->serial;
    }
    ordered->created = true;
    ordered->answered = true;
    ordered->missing = 0;
    ordered->expected = come + nki_ordered_number(answer, NKI_STR("num_pending"));
    bool fixed = ordered->deliver == NKI_DELIVER_FROM_SEQ || ordered->deliver == NKI_DELIVER_FROM_TIME;
    if (has && come == 0 && ((!ordered->placed && !fixed) || (ordered->by_time && ordered->expected == 0))) {
        ordered->placed = true;
        ordered->stream_seq = before; /* the next one begins there if nothing comes; else as asked for */
    } else if (has && ordered->by_seq && !ordered->whole && before < ordered->stream_seq &&
               ordered->consumer_seq == 0) {
        rewind_to(ordered, before); /* servers before 2.15 */
        if (begin_anew(ordered)) {
            ordered->state = LIVE; /* so that what it sends is looked at no more once it was reset */
            reset(ordered, now_ns);
            return;
        }
    }
    if (ordered->state == CREATING) {
        ordered->state = LIVE;
        nki_feed_arm(&ordered->feed, now_ns + 2 * ordered->heartbeat_ns);
    }
    look_whether_done(ordered, false, now_ns);
}

/* There is no consumer. Before the first one that is the end, unless it is for the moment; later it is tried
 * again, but for a stream that is gone. */
static void not_made(struct ordered *ordered, const struct nki_error *error, int64_t now_ns)
{
    ordered->failures++;
    ordered->missing = error->status == NKI_STREAM_NOT_FOUND ? ordered->missing + 1 : 0;
    bool nobody = error->status == NKI_JS_NOT_ENABLED && error->err_code == 0;
    ordered->unheard = nobody ? ordered->unheard + 1 : 0;
    bool transient = nobody ? ordered->unheard < UNHEARD_TRIES
                            : error->server_code == 503 && !nki_js_never_enabled(error->err_code);
    if ((!ordered->created && !transient) || ordered->missing >= MISSING_TRIES) {
        nki_feed_finish(&ordered->feed, error->status, error);
    } else {
        pause_now(ordered, now_ns);
    }
}

static void answer(struct ordered *ordered, const struct nki_msg *msg, int64_t now_ns)
{
    struct nki_json_value root;
    struct nki_json_value member;
    struct nki_error error;
    if (nki_engine_says_nobody(msg)) {
        nki_error_set(&error, NKI_JS_NOT_ENABLED, NULL);
    } else if (!nki_json_check(nki_msg_data(msg), &root) || root.type != NKI_JSON_OBJECT) {
        nki_error_set(&error, NKI_PROTOCOL, "the answer to the making of a consumer is no JSON object");
    } else if (nki_json_member(&root, NKI_STR("error"), &member)) {
        nki_js_read_error(&member, &error);
    } else if (nki_json_member(&root, NKI_STR("state"), &member)) { /* of a stream */
        if (ordered->asking) {
            told(ordered, &root, now_ns);
        } /* else it came too late */
        return;
    } else {
        made(ordered, &root, now_ns);
        return;
    }
    not_made(ordered, &error, now_ns);
}

/* What comes on the inbox itself. */
static void control(struct ordered *ordered, struct nki_msg *msg, int64_t now_ns)
{
    struct nki_str text;
    bool says = msg->header_len > 0 && nki_header_status(nki_msg_header_block(msg), &text) != 0;
    if (!ordered->answered && (!says || nki_engine_says_nobody(msg))) {
        answer(ordered, msg, now_ns);
    } else if (says) {
        status(ordered, msg, now_ns);
    }
    nki_msg_release(msg);
}

static void message(struct nki_feed *feed, struct nki_msg *msg, int64_t now_ns)
{
    struct ordered *ordered = of(feed);
    if (ordered->state != CREATING && ordered->state != LIVE) {
        nki_msg_release(msg); /* of a consumer that was given up */
    } else if (nki_str_eq(nki_msg_subject(msg), nki_str_make(ordered->subject, ordered->subject_len))) {
        control(ordered, msg, now_ns);
    } else {
        take(ordered, msg, now_ns);
    }
}

/* -- time and transports --------------------------------------------------------------------------------- */

static void tick(struct nki_feed *feed, int64_t now_ns)
{
    struct ordered *ordered = of(feed);
    int64_t silence_ns = 2 * ordered->heartbeat_ns;
    switch (ordered->state) {
    case PAUSING:
        create(ordered, now_ns);
        break;
    case CREATING:
        if (ordered->asking) { /* perhaps it may not be asked */
            ordered->unasked = true;
            create(ordered, now_ns); /* elsewhere, so that a late answer does not come */
        } else {
            reset(ordered, now_ns);
        }
        break;
    case LIVE:
        if (now_ns - ordered->seen_ns >= silence_ns) {
            reset(ordered, now_ns);
        } else {
            nki_feed_arm(feed, ordered->seen_ns + silence_ns);
        }
        break;
    case DOWN:
        break;
    }
}

static void up(struct nki_feed *feed, int64_t now_ns)
{
    struct ordered *ordered = of(feed);
    if (ordered->created) {
        send_delete(ordered, ordered->serial - 1); /* it may live on at the server */
    }
    ordered->failures = 0;
    ordered->unasked = false;
    create(ordered, now_ns);
}

static void down(struct nki_feed *feed, int64_t now_ns)
{
    struct ordered *ordered = of(feed);
    (void)now_ns;
    ordered->state = DOWN;
    nki_flow_forget(&ordered->flow);
    if (ordered->used) {
        (void)move(ordered); /* the consumer may live on, and deliver as soon as somebody listens */
    }
    nki_feed_arm(feed, NKI_NEVER);
}

static void end(struct nki_feed *feed, int32_t reason)
{
    struct ordered *ordered = of(feed);
    tell_ready(ordered);
    if (feed->up && ordered->used) {
        send_delete(ordered, ordered->serial);
    }
    if (ordered->sink != NULL) {
        const struct nki_sub *sub = feed->engine != NULL ? feed->sub : NULL;
        ordered->sink->end(ordered->sink_context, feed->engine, reason, sub != NULL ? sub->end_error : NULL);
    }
    destroy(ordered);
}

static void settle(struct nki_feed *feed)
{
    tell_ready(of(feed));
}

static const struct nki_feed_ops ops = {
    .up = up, .down = down, .message = message, .tick = tick, .taken = taken, .settle = settle, .end = end};

/* -- opening --------------------------------------------------------------------------------------------- */

static struct ordered *make(struct nki_js *js, const struct nki_ordered_params *params, struct nki_str inbox)
{
    struct ordered *ordered = nki_alloc(sizeof *ordered);
    if (ordered == NULL) {
        return NULL;
    }
    memset(ordered, 0, sizeof *ordered);
    ordered->feed.ops = &ops;
    nki_list_init(&ordered->ready_ops);
    ordered->js = js;
    nki_js_retain(js);
    ordered->deliver = params->deliver;
    ordered->start_seq = params->start_seq;
    ordered->headers_only = params->headers_only;
    ordered->marks_done = params->marks_done;
    ordered->ends_done = params->ends_done;
    ordered->catches_up = params->catches_up;
    ordered->heartbeat_ns = params->heartbeat_ms * NKI_NS_PER_MS;
    ordered->map = params->map;
    ordered->flags = params->flags;
    ordered->sink_context = params->sink_context;
    ordered->base_len = inbox.len + 1;
    memcpy(ordered->subject, inbox.ptr, inbox.len);
    ordered->subject[inbox.len] = '.';
    memcpy(ordered->id, inbox.ptr + inbox.len - NKI_NUID_LEN, NKI_NUID_LEN); /* as unique as the inbox */
    number(ordered);
    if (!nki_buf_append_str(&ordered->stream, params->stream) ||
        !nki_buf_append_str(&ordered->start_time, params->start_time) ||
        !nki_ordered_append_filters(params, &ordered->filters, &ordered->filter)) {
        destroy(ordered);
        return NULL;
    }
    return ordered;
}

/* What there is no memory for, the sink is told. */
static struct ordered *make_told(struct nki_js *js, const struct nki_ordered_params *params,
                                 struct nki_str inbox)
{
    assert(inbox.len <= NKI_JS_INBOX_MAX - 24);
    struct ordered *ordered = make(js, params, inbox);
    if (ordered != NULL) {
        ordered->sink = params->sink; /* from here on it is told the end */
    } else if (params->sink != NULL) {
        params->sink->end(params->sink_context, NULL, NKI_NO_MEMORY, NULL);
    }
    return ordered;
}

struct nki_feed *nki_ordered_make(struct nki_js *js, struct nki_engine *engine,
                                  const struct nki_ordered_params *params)
{
    char inbox[NKI_JS_INBOX_MAX];
    size_t len = nki_engine_new_inbox(engine, inbox, sizeof inbox);
    struct ordered *ordered = make_told(js, params, nki_str_make(inbox, len));
    if (ordered == NULL) {
        return NULL;
    }
    ordered->used = true; /* so that the first consumer gets a subject of ours */
    return &ordered->feed;
}

int32_t nki_ordered_open(struct nki_js *js, const struct nki_ordered_params *params, struct nki_sub **out,
                         struct nki_error *err)
{
    char inbox[NKI_JS_INBOX_MAX];
    size_t len = nki_conn_new_inbox(js->conn, inbox, sizeof inbox);
    struct ordered *ordered = make_told(js, params, nki_str_make(inbox, len));
    if (ordered == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    struct nki_str subject = nki_str_make(ordered->subject, ordered->subject_len);
    /* Flow control bounds the queue: nothing may be dropped. */
    struct nki_sub_params sub = {
        .subject = subject, .queue = NKI_STR(""), .limits = {.msgs = UINT32_MAX, .bytes = UINT64_MAX}};
    return nki_conn_subscribe_feed(js->conn, &sub, &ordered->feed, out, err);
}

int32_t nki_ordered_ready(struct nki_sub *sub, int64_t deadline_ns, struct nki_op **out,
                          struct nki_error *err)
{
    struct nki_op *op = nki_op_new();
    int32_t status = op != NULL ? NKI_OK : NKI_NO_MEMORY;
    struct nki_feed *feed = op != NULL ? nki_sub_feed_lock(sub) : NULL;
    struct nki_inlet_stats stats;
    if (feed != NULL && feed->ops != &ops) {
        status = NKI_INVALID;
    } else if (feed != NULL) {
        nki_inlet_stats_get(nki_sub_inlet(sub), &stats);
        if (stats.pending_msgs > 0) {
            nki_op_finish(op, NKI_OK, NKI_OUTCOME_DONE, NULL, NULL);
        } else if (!nki_engine_timer(feed->engine, op, deadline_ns)) {
            status = NKI_NO_MEMORY;
        } else {
            nki_op_retain(op);
            nki_list_append(&of(feed)->ready_ops, &op->engine_node);
        }
    } else if (op != NULL) {
        nki_op_finish(op, NKI_OK, NKI_OUTCOME_DONE, NULL, NULL); /* it has ended */
    }
    if (feed != NULL) {
        nki_sub_feed_unlock(sub);
    }
    if (status != NKI_OK) {
        nki_op_release(op);
        return nki_error_set(err, status, NULL);
    }
    *out = op;
    return NKI_OK;
}

int32_t nki_ordered_info_get(struct nki_sub *sub, struct nki_ordered_info *out)
{
    struct nki_feed *feed = nki_sub_feed_lock(sub);
    if (feed == NULL || feed->ops != &ops) {
        if (feed != NULL) {
            nki_sub_feed_unlock(sub);
        }
        return NKI_CLOSED;
    }
    const struct ordered *ordered = of(feed);
    *out = (struct nki_ordered_info){.resets = ordered->resets,
                                     .last_seq = ordered->stream_seq,
                                     .stale_msgs = ordered->stale_msgs,
                                     .rewinds = ordered->rewinds,
                                     .live = ordered->state == LIVE,
                                     .initial_done = ordered->initial_done};
    nki_sub_feed_unlock(sub);
    return NKI_OK;
}
