/* Ordered consumers: see ordered.h. Everything but the opening runs under the engine lock.
 *
 * Each consumer has a serial number n and delivers to `<inbox>.<n>`, which the subscription moves to before
 * it is made; the answer to its making comes there, too. (A wildcard would not do: server 2.15 looks whether
 * somebody listens on the very subject.) Messages of the stream come with their own subjects; which consumer
 * they are of, and their place, is in their reply subject. What comes on the inbox itself are the answer and
 * statuses. */
#include "jetstream/ordered_inside.h"

#include "base/alloc.h"
#include "client/ready.h"
#include "delivery/notice.h"
#include "jetstream/ack_subject.h"
#include "jetstream/api_error.h"
#include "jetstream/ordered_text.h"
#include "wire/header.h"

#define MISSING_TRIES 4 /* so often a stream that was there has to be missing in a row */
#define UNHEARD_TRIES 5 /* so often nobody may be there to answer before the first consumer */

static void destroy(struct nki_ordered *ordered)
{
    nki_flow_free(&ordered->flow);
    nki_buf_free(&ordered->stream);
    nki_buf_free(&ordered->filters);
    nki_buf_free(&ordered->filter);
    nki_buf_free(&ordered->start_time);
    nki_msg_release(ordered->kept);
    nki_js_release(ordered->js);
    nki_free(ordered);
}

static void alive(struct nki_ordered *ordered, int64_t now_ns)
{
    ordered->seen_ns = ordered->life_ns = now_ns;
    ordered->failures = 0;
    nki_trouble_end(&ordered->trouble, now_ns);
}

/* -- what there was at the begin ------------------------------------------------------------------------- */

/* What was replaced before its turn may be on its way. May end the subscription. */
static void look_behind(struct nki_ordered *ordered, int64_t now_ns)
{
    ordered->caught = true;
    ordered->looks = true;
    nki_ordered_send_delete(ordered, ordered->serial);
    nki_ordered_create(ordered, now_ns);
}

/* May end the subscription. */
static void look_whether_done(struct nki_ordered *ordered, bool nothing_pending, int64_t now_ns)
{
    struct nki_error error;
    if (ordered->initial_done) {
        return;
    }
    switch (nki_initial_next(&ordered->initial, ordered->consumer_seq, nothing_pending)) {
    case NKI_INITIAL_WAIT:
        return;
    case NKI_INITIAL_LOOK:
        look_behind(ordered, now_ns);
        return;
    case NKI_INITIAL_CHANGED:
        nki_error_set(&error, NKI_SNAPSHOT_CHANGED, "it is written without a pause while it is read");
        nki_feed_finish(&ordered->feed, NKI_SNAPSHOT_CHANGED, &error);
        return;
    default:
        break;
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

/* Hands a message on to who reads. False: that was the end of it. */
static bool hand_on(struct nki_ordered *ordered, struct nki_msg *msg, const struct nki_ack_subject *place)
{
    ordered->stream_seq = place->stream_seq;
    ordered->stream_time_ns =
        place->time_ns > ordered->stream_time_ns ? place->time_ns : ordered->stream_time_ns;
    ordered->placed = true;
    ordered->by_time = false;
    ordered->since_came = ordered->since;
    msg = ordered->map != NULL ? ordered->map(msg, ordered->flags) : msg;
    if (msg != NULL && ordered->sink != NULL) {
        int32_t status = ordered->sink->message(ordered->sink_context, msg);
        if (status != NKI_OK) {
            nki_feed_finish(&ordered->feed, status, NULL);
            return false;
        }
    } else if (msg != NULL) {
        nki_feed_stage(&ordered->feed, msg);
        nki_ready_staged(&ordered->ready, &ordered->feed);
    }
    return true;
}

/* All before this sequence has come: so does the message that waited for it, unless it came once more. False:
 * that was the end. */
static bool hand_on_kept(struct nki_ordered *ordered, uint64_t before)
{
    struct nki_ack_subject place;
    struct nki_msg *msg = ordered->kept;
    if (msg == NULL || !nki_ack_subject_parse(nki_msg_reply(msg), &place) ||
        (place.stream_seq >= before && place.stream_seq > ordered->stream_seq)) {
        return true;
    }
    ordered->kept = NULL;
    if (place.stream_seq <= ordered->stream_seq) {
        nki_msg_release(msg);
        return true;
    }
    return hand_on(ordered, msg, &place);
}

static void count_rewind(struct nki_ordered *ordered)
{
    if (ordered->sink == NULL) {
        (void)hand_on_kept(ordered, UINT64_MAX); /* of the stream before */
    }
    ordered->rewinds++;
    if (ordered->sink != NULL && ordered->sink->rewound != NULL) {
        ordered->sink->rewound(ordered->sink_context);
    }
}

/* A sink that wants to know of it holds what has come: all of that comes anew. */
static bool begin_anew(struct nki_ordered *ordered)
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
    ordered->initial.looks = 0;
    ordered->stream_seq = 0;
    nki_msg_release(ordered->kept); /* it comes anew, too */
    ordered->kept = NULL;
    return true;
}

/* The stream is another one, or has lost its end. */
static void rewind_to(struct nki_ordered *ordered, uint64_t stream_seq)
{
    count_rewind(ordered);
    ordered->stream_seq = stream_seq;
}

/* With last_per_subject a consumer that is made before all that there was at the begin has come begins with
 * what is the last of its subject now: what was stored meanwhile is not all in that. */
static bool skips_some(const struct nki_ordered *ordered, const struct nki_ack_subject *place)
{
    return ordered->deliver == NKI_DELIVER_LAST_PER_SUBJECT && !ordered->initial_done && !ordered->caught &&
           !ordered->since && ordered->begin_ns != 0 && ordered->serial != ordered->begin_serial &&
           !ordered->by_time && place->time_ns > ordered->begin_ns - NKI_ORDERED_SKEW_NS;
}

/* A server that comes back makes the consumers that only it had anew, under their names and as they were
 * asked for: what is new or last then begins where the stream is now. Before the first message a place behind
 * the one that was told when it was made is the only sign of that. With filters it is none unless the stream
 * is known to keep what was delivered: what lies between may be of other subjects, and what is on its way
 * would be lost. With last_per_subject what was replaced since is the same to who has got nothing yet. */
static bool may_have_lost_its_begin(const struct nki_ordered *ordered, uint64_t behind)
{
    bool moves = ordered->deliver == NKI_DELIVER_NEW || ordered->deliver == NKI_DELIVER_LAST;
    return moves && (ordered->filters.len == 0 || ordered->keeps) && ordered->placed && !ordered->by_seq &&
           !ordered->by_time && ordered->consumer_seq == 0 && behind > ordered->stream_seq;
}

/* The next consumer begins at the place itself. `msg`, if there is one, waits for what that finds before it:
 * a stream may keep no message that was delivered. */
static void begin_in_place(struct nki_ordered *ordered, struct nki_msg *msg, int64_t now_ns)
{
    nki_msg_release(ordered->kept);
    ordered->kept = msg;
    ordered->looks = true;
    nki_ordered_send_delete(ordered, ordered->serial);
    nki_ordered_create(ordered, now_ns);
}

/* A message of the stream. */
static void take(struct nki_ordered *ordered, struct nki_msg *msg, int64_t now_ns)
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
        nki_ordered_reset(ordered, now_ns); /* one was lost on the way */
        return;
    }
    if (may_have_lost_its_begin(ordered, place.stream_seq - 1)) {
        begin_in_place(ordered, msg, now_ns);
        return;
    }
    ordered->consumer_seq++;
    ordered->there = true;
    ordered->idle = false;
    alive(ordered, now_ns);
    nki_initial_came(&ordered->initial, &place);
    bool later = place.time_ns > ordered->stream_time_ns;
    if (ordered->by_seq && place.stream_seq <= ordered->stream_seq && later) {
        rewind_to(ordered,
                  place.stream_seq - 1); /* it would begin behind that if there were such a message */
        if (begin_anew(ordered)) {
            nki_msg_release(msg);
            nki_ordered_reset(ordered, now_ns);
            return;
        }
    }
    if (!hand_on_kept(ordered, place.stream_seq)) {
        nki_msg_release(msg);
        return;
    }
    if (ordered->by_time ? !later : place.stream_seq <= ordered->stream_seq) {
        ordered->stale_msgs++;
        nki_msg_release(msg); /* it came by a consumer before */
    } else if (skips_some(ordered, &place)) {
        nki_msg_release(msg);
        ordered->since = true;
        nki_ordered_reset(ordered, now_ns);
        return;
    } else if (!hand_on(ordered, msg, &place)) {
        return;
    }
    (void)hand_on_kept(ordered, 0); /* only lets it go */
    look_whether_done(ordered, false, now_ns);
}

static void taken(struct nki_feed *feed, int64_t now_ns)
{
    (void)now_ns;
    nki_flow_taken(&nki_ordered_of_feed(feed)->flow, feed);
}

/* The server had nothing to send, and does not wait for us. One of these may cross our answer to a request of
 * flow control; between two in a row it has looked for a message and found none. Then what is missing of what
 * there was at the begin was purged, or has expired. */
static void idle(struct nki_ordered *ordered, int64_t now_ns)
{
    bool again = ordered->idle;
    ordered->idle = true;
    if (again && (ordered->initial.answered || ordered->consumer_seq > 0)) {
        look_whether_done(ordered, true, now_ns);
    }
}

/* A status at the subject that the present consumer delivers to. */
static void status(struct nki_ordered *ordered, const struct nki_msg *msg, int64_t now_ns)
{
    struct nki_str block = nki_msg_header_block(msg);
    struct nki_str text;
    struct nki_str value;
    uint64_t last;
    int32_t code = nki_header_status(block, &text);
    if (code != 100) {
        nki_trouble_begin(&ordered->trouble, NKI_NO_RESPONDERS, text, now_ns);
        nki_ordered_reset(ordered, now_ns); /* 409 Consumer Deleted, Leadership Change, Server Shutdown ... */
        return;
    }
    ordered->seen_ns = now_ns;
    ordered->there = true;
    if (nki_header_find(block, NKI_STR("Nats-Last-Consumer"), NKI_MATCH_EXACT, 0, &value) &&
        nki_str_u64(value, &last) && last != ordered->consumer_seq) {
        nki_ordered_reset(ordered, now_ns);
        return;
    }
    bool has_last = nki_header_find(block, NKI_STR("Nats-Last-Stream"), NKI_MATCH_EXACT, 0, &value) &&
                    nki_str_u64(value, &last);
    if (has_last && may_have_lost_its_begin(ordered, last)) {
        begin_in_place(ordered, NULL, now_ns);
        return;
    }
    if (has_last && !hand_on_kept(ordered, last + 1)) {
        return;
    }
    alive(ordered, now_ns);
    bool stalled = nki_header_find(block, NKI_STR("Nats-Consumer-Stalled"), NKI_MATCH_EXACT, 0, &value);
    ordered->beat_ns = msg->reply_len == 0 ? now_ns : ordered->beat_ns;
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
static void told(struct nki_ordered *ordered, const struct nki_json_value *answer, int64_t now_ns)
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
    nki_ordered_create_asked(ordered, now_ns);
}

/* The consumer is there. */
static void made(struct nki_ordered *ordered, const struct nki_json_value *answer, int64_t now_ns)
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
    ordered->there = true;
    ordered->missing = 0;
    nki_initial_answer(&ordered->initial, answer);
    bool fixed = ordered->deliver == NKI_DELIVER_FROM_SEQ || ordered->deliver == NKI_DELIVER_FROM_TIME;
    if (has && come == 0 &&
        ((!ordered->placed && !fixed) || (ordered->by_time && ordered->initial.expected == 0))) {
        ordered->placed = true;
        ordered->stream_seq = before; /* the next one begins there if nothing comes; else as asked for */
    } else if (has && ordered->by_seq && !ordered->whole && before < ordered->stream_seq &&
               ordered->consumer_seq == 0) {
        rewind_to(ordered, before); /* servers before 2.15 */
        if (begin_anew(ordered)) {
            ordered->state =
                NKI_ORDERED_LIVE; /* so that what it sends is looked at no more once it was reset */
            nki_ordered_reset(ordered, now_ns);
            return;
        }
    }
    if (ordered->state == NKI_ORDERED_CREATING) {
        ordered->state = NKI_ORDERED_LIVE;
        nki_feed_arm(&ordered->feed, now_ns + 2 * ordered->heartbeat_ns);
    }
    look_whether_done(ordered, false, now_ns);
}

/* There is no consumer. Before the first one that is the end, unless it is for the moment; later it is tried
 * again, but for a stream that is gone. */
static void not_made(struct nki_ordered *ordered, const struct nki_error *error, int64_t now_ns)
{
    nki_trouble_begin(&ordered->trouble, error->status, nki_str_z(error->text), now_ns);
    ordered->failures++;
    ordered->missing = error->status == NKI_STREAM_NOT_FOUND ? ordered->missing + 1 : 0;
    bool nobody = error->status == NKI_JS_NOT_ENABLED && error->err_code == 0;
    ordered->unheard = nobody ? ordered->unheard + 1 : 0;
    bool transient = nobody ? ordered->unheard < UNHEARD_TRIES : nki_js_may_pass(error);
    if ((!ordered->there && !transient) || ordered->missing >= MISSING_TRIES) {
        if (hand_on_kept(ordered, UINT64_MAX)) {
            nki_feed_finish(&ordered->feed, error->status, error);
        }
    } else {
        nki_ordered_pause(ordered, now_ns);
    }
}

static void answer(struct nki_ordered *ordered, const struct nki_msg *msg, int64_t now_ns)
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
static void control(struct nki_ordered *ordered, struct nki_msg *msg, int64_t now_ns)
{
    struct nki_str text;
    bool says = msg->header_len > 0 && nki_header_status(nki_msg_header_block(msg), &text) != 0;
    if (!ordered->initial.answered && (!says || nki_engine_says_nobody(msg))) {
        answer(ordered, msg, now_ns);
    } else if (says) {
        status(ordered, msg, now_ns);
    }
    nki_msg_release(msg);
}

static void message(struct nki_feed *feed, struct nki_msg *msg, int64_t now_ns)
{
    struct nki_ordered *ordered = nki_ordered_of_feed(feed);
    if (ordered->state != NKI_ORDERED_CREATING && ordered->state != NKI_ORDERED_LIVE) {
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
    struct nki_ordered *ordered = nki_ordered_of_feed(feed);
    int64_t silence_ns = 2 * ordered->heartbeat_ns;
    switch (ordered->state) {
    case NKI_ORDERED_PAUSING:
        nki_ordered_create(ordered, now_ns);
        break;
    case NKI_ORDERED_CREATING:
        if (ordered->asking) { /* perhaps it may not be asked */
            ordered->unasked = true;
            nki_ordered_create(ordered, now_ns); /* elsewhere, so that a late answer does not come */
        } else {
            nki_trouble_begin(&ordered->trouble, NKI_HEARTBEATS_MISSED, NKI_STR(""), ordered->seen_ns);
            nki_ordered_reset(ordered, now_ns);
        }
        break;
    case NKI_ORDERED_LIVE:
        if (now_ns - ordered->seen_ns >= silence_ns) {
            nki_trouble_begin(&ordered->trouble, NKI_HEARTBEATS_MISSED, NKI_STR(""), ordered->seen_ns);
            nki_ordered_reset(ordered, now_ns);
        } else {
            nki_feed_arm(feed, ordered->seen_ns + silence_ns);
        }
        break;
    case NKI_ORDERED_DOWN:
        break;
    }
}

static void up(struct nki_feed *feed, int64_t now_ns)
{
    struct nki_ordered *ordered = nki_ordered_of_feed(feed);
    if (ordered->created) {
        nki_ordered_send_delete(ordered, ordered->serial - 1); /* it may live on at the server */
    }
    ordered->failures = 0;
    ordered->unasked = false;
    nki_ordered_create(ordered, now_ns);
}

static void down(struct nki_feed *feed, int64_t now_ns)
{
    struct nki_ordered *ordered = nki_ordered_of_feed(feed);
    ordered->state = NKI_ORDERED_DOWN;
    nki_trouble_end(&ordered->trouble, now_ns);
    nki_flow_forget(&ordered->flow);
    if (ordered->used) {
        (void)nki_ordered_move(
            ordered); /* the consumer may live on, and deliver as soon as somebody listens */
    }
    nki_feed_arm(feed, NKI_NEVER);
}

static void end(struct nki_feed *feed, int32_t reason)
{
    struct nki_ordered *ordered = nki_ordered_of_feed(feed);
    nki_ready_tell(&ordered->ready, feed->engine);
    if (feed->up && ordered->used) {
        nki_ordered_send_delete(ordered, ordered->serial);
    }
    if (ordered->sink != NULL) {
        const struct nki_sub *sub = feed->engine != NULL ? feed->sub : NULL;
        ordered->sink->end(ordered->sink_context, feed->engine, reason, sub != NULL ? sub->end_error : NULL);
    }
    destroy(ordered);
}

static void settle(struct nki_feed *feed)
{
    nki_ready_tell(&nki_ordered_of_feed(feed)->ready, feed->engine);
}

const struct nki_feed_ops nki_ordered_ops = {.up = up,
                                             .down = down,
                                             .message = message,
                                             .tick = tick,
                                             .taken = taken,
                                             .settle = settle,
                                             .health = nki_ordered_health,
                                             .end = end};

/* -- opening --------------------------------------------------------------------------------------------- */

static struct nki_ordered *make(struct nki_js *js, const struct nki_ordered_params *params,
                                struct nki_str inbox)
{
    struct nki_ordered *ordered = nki_alloc(sizeof *ordered);
    if (ordered == NULL) {
        return NULL;
    }
    memset(ordered, 0, sizeof *ordered);
    ordered->feed.ops = &nki_ordered_ops;
    nki_ready_init(&ordered->ready);
    ordered->js = js;
    nki_js_retain(js);
    ordered->deliver = params->deliver;
    ordered->start_seq = params->start_seq;
    ordered->headers_only = params->headers_only;
    ordered->keeps = params->keeps;
    ordered->marks_done = params->marks_done;
    ordered->ends_done = params->ends_done;
    ordered->initial = (struct nki_initial){
        .need = params->need, .own_times = !params->mirror, .unsure = params->maybe_mirror};
    ordered->heartbeat_ns = params->heartbeat_ms * NKI_NS_PER_MS;
    ordered->map = params->map;
    ordered->flags = params->flags;
    ordered->sink_context = params->sink_context;
    ordered->base_len = inbox.len + 1;
    memcpy(ordered->subject, inbox.ptr, inbox.len);
    ordered->subject[inbox.len] = '.';
    memcpy(ordered->id, inbox.ptr + inbox.len - NKI_NUID_LEN, NKI_NUID_LEN); /* as unique as the inbox */
    nki_ordered_next_number(ordered);
    if (!nki_buf_append_str(&ordered->stream, params->stream) ||
        !nki_buf_append_str(&ordered->start_time, params->start_time) ||
        !nki_ordered_append_filters(params, &ordered->filters, &ordered->filter)) {
        destroy(ordered);
        return NULL;
    }
    return ordered;
}

/* What there is no memory for, the sink is told. */
static struct nki_ordered *make_told(struct nki_js *js, const struct nki_ordered_params *params,
                                     struct nki_str inbox)
{
    assert(inbox.len <= NKI_JS_INBOX_MAX - 24);
    struct nki_ordered *ordered = make(js, params, inbox);
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
    struct nki_ordered *ordered = make_told(js, params, nki_str_make(inbox, len));
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
    struct nki_ordered *ordered = make_told(js, params, nki_str_make(inbox, len));
    if (ordered == NULL) {
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    struct nki_str subject = nki_str_make(ordered->subject, ordered->subject_len);
    /* Flow control bounds the queue: nothing may be dropped. */
    struct nki_sub_params sub = {
        .subject = subject, .queue = NKI_STR(""), .limits = {.msgs = UINT32_MAX, .bytes = UINT64_MAX}};
    return nki_conn_subscribe_feed(js->conn, &sub, &ordered->feed, out, err);
}
