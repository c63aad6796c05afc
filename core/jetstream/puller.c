/* What fetch and consume have in common: see puller.h. */
#include "jetstream/puller.h"

#include "base/alloc.h"
#include "base/json.h"
#include "base/probe.h"
#include "wire/header.h"
#include "wire/subject.h"

#include <inttypes.h>
#include <stdio.h>

#define PAUSE_NS (100 * NKI_NS_PER_MS)
#define PAUSE_DOUBLINGS 7u /* up to 12.8 s */
#define INFO_WAIT_NS (3000 * NKI_NS_PER_MS)
#define QUICK_NS (200 * NKI_NS_PER_MS)
#define QUICK_MAX 3u
#define NOTICES_MAX 1024u /* that may wait in the queue beyond the messages */
#define BODY_MAX 640

/* Errors of the API that say what is missing. */
#define ERR_NOT_ENABLED_ACCOUNT 10039
#define ERR_NOT_ENABLED 10076
#define ERR_NO_CONSUMER 10014
#define ERR_NO_STREAM 10059

static struct nki_puller *puller_of(struct nki_feed *feed)
{
    return NKI_CONTAINER_OF(feed, struct nki_puller, feed);
}

const char *nki_pull_group_fault(struct nki_str group)
{
    static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_/=";
    if (group.len > NKI_PULL_GROUP_MAX) {
        return "is longer than 16 bytes";
    }
    for (size_t i = 0; i < group.len; i++) {
        if (group.ptr[i] == '\0' || strchr(good, group.ptr[i]) == NULL) {
            return "holds something else than letters, digits and - _ / =";
        }
    }
    return NULL;
}

const char *nki_puller_pin_fault(struct nki_str pin)
{
    if (pin.len > NKI_PULL_PIN_MAX) {
        return "is too long";
    }
    for (size_t i = 0; i < pin.len; i++) {
        if (pin.ptr[i] <= ' ' || pin.ptr[i] > '~' || pin.ptr[i] == '"' || pin.ptr[i] == '\\') {
            return "holds a character that no server puts into one";
        }
    }
    return NULL;
}

/* -- telling --------------------------------------------------------------------------------------------- */

void nki_puller_notify(struct nki_puller *puller, enum nki_notice_type type, uint64_t count, int32_t code,
                       struct nki_str text)
{
    struct nki_sub *sub = puller->feed.sub;
    if (!puller->params.notices || !sub->live) {
        return;
    }
    struct nki_inlet_stats stats;
    nki_inlet_stats_get(&sub->inlet, &stats);
    uint64_t room = puller->params.max_msgs > 0 ? puller->params.max_msgs : NKI_PULL_BATCH_MAX;
    if (stats.pending_msgs >= room + NOTICES_MAX) {
        return; /* nobody takes them */
    }
    const struct nki_notice notice = {.type = (int32_t)type, .code = code, .count = count, .text = text};
    struct nki_msg *msg = nki_notice_msg(&notice);
    if (msg != NULL) {
        msg->origin = puller->feed.engine->origin;
        msg->sid = sub->sid;
        nki_feed_stage(&puller->feed, msg);
    }
}

static int32_t reason_of(enum nki_notice_type type)
{
    switch (type) {
    case NKI_NOTICE_HEARTBEATS_MISSED:
        return NKI_HEARTBEATS_MISSED;
    case NKI_NOTICE_CONSUMER_NOT_FOUND:
        return NKI_CONSUMER_NOT_FOUND;
    case NKI_NOTICE_STREAM_NOT_FOUND:
        return NKI_STREAM_NOT_FOUND;
    case NKI_NOTICE_CONSUMER_DELETED:
        return NKI_CONSUMER_DELETED;
    case NKI_NOTICE_EXCEEDED:
        return NKI_PULL_REFUSED;
    default:
        return NKI_NO_RESPONDERS;
    }
}

void nki_puller_trouble(struct nki_puller *puller, enum nki_notice_type type, uint64_t count,
                        const struct nki_pull_status *status, int64_t since_ns)
{
    puller->troubled = true;
    int32_t reason = reason_of(type);
    NKI_PROBE(consumer__trouble, puller->feed.engine->origin, puller->feed.sub->sid, reason, count);
    bool silent = puller->trouble.reason == NKI_HEARTBEATS_MISSED;
    if (reason != NKI_NO_RESPONDERS || (!silent && !puller->missing)) { /* else that is not over */
        nki_trouble_begin(&puller->trouble, reason, status != NULL ? status->text : NKI_STR(""), since_ns);
    }
    nki_puller_notify(puller, type, count, status != NULL ? status->code : 0,
                      status != NULL ? status->text : NKI_STR(""));
}

void nki_puller_end(struct nki_puller *puller, int32_t reason, const struct nki_pull_status *status)
{
    if (puller->end_reason != 0) {
        return;
    }
    puller->end_reason = reason;
    if (status != NULL) {
        int shown = status->text.len < 400 ? (int)status->text.len : 400;
        nki_error_set(&puller->end_error, reason, "%s %s: the server says: %" PRId32 " %.*s",
                      puller->params.stream.ptr, puller->params.consumer.ptr, status->code, shown,
                      status->text.ptr);
        puller->end_error.server_code = status->code;
    }
}

/* A sign of life after trouble. */
static void recovered(struct nki_puller *puller)
{
    puller->failures = 0;
    puller->missed = 0;
    puller->lost = 0;
    nki_trouble_end(&puller->trouble, puller->life_ns);
    if (puller->troubled) {
        puller->troubled = false;
        nki_puller_notify(puller, NKI_NOTICE_RESUMED, 1, 0, NKI_STR(""));
    }
}

static inline void heard(struct nki_puller *puller, int64_t now_ns)
{
    puller->heard_ns = puller->life_ns = now_ns;
    if (NKI_UNLIKELY(puller->failures > 0 || puller->missed > 0 || puller->lost > 0 || puller->troubled)) {
        recovered(puller);
    }
}

/* -- asking ---------------------------------------------------------------------------------------------- */

static size_t add(char *out, size_t len, const char *name, uint64_t value)
{
    return value == 0 ? len
                      : len + (size_t)snprintf(out + len, BODY_MAX - len, ",\"%s\":%" PRIu64, name, value);
}

/* The texts in it were checked; what has its default is left out. */
static size_t body(const struct nki_puller *puller, char out[BODY_MAX], uint64_t msgs, uint64_t max_bytes,
                   int64_t expires_ns, int64_t beat_ns)
{
    const struct nki_pull_params *params = &puller->params;
    size_t len = (size_t)snprintf(out, BODY_MAX, "{\"batch\":%" PRIu64, msgs);
    len = add(out, len, "max_bytes", max_bytes);
    len = add(out, len, "expires", (uint64_t)expires_ns);
    len = add(out, len, "idle_heartbeat", (uint64_t)beat_ns);
    if (expires_ns == 0) {
        len += (size_t)snprintf(out + len, BODY_MAX - len, ",\"no_wait\":true");
    }
    if (params->group.len > 0) {
        len += (size_t)snprintf(out + len, BODY_MAX - len, ",\"group\":\"%s\"", params->group.ptr);
        len = add(out, len, "priority", params->priority);
        len = add(out, len, "min_pending", params->min_pending);
        len = add(out, len, "min_ack_pending", params->min_ack_pending);
    }
    if (puller->pin_len > 0) {
        len += (size_t)snprintf(out + len, BODY_MAX - len, ",\"id\":\"%.*s\"", (int)puller->pin_len,
                                puller->pin);
    }
    return len + (size_t)snprintf(out + len, BODY_MAX - len, "}");
}

/* "<inbox>.<mark><serial>" */
static struct nki_str reply_subject(const struct nki_puller *puller, char *out, const char *mark,
                                    uint64_t serial)
{
    struct nki_str inbox = puller->params.inbox;
    size_t mark_len = strlen(mark);
    memcpy(out, inbox.ptr, inbox.len);
    out[inbox.len] = '.';
    memcpy(out + inbox.len + 1, mark, mark_len);
    const char *end = nki_base62_emit(out + inbox.len + 1 + mark_len, serial);
    return nki_str_make(out, (size_t)(end - out));
}

#define REPLY_MAX (320 + 1 + 1 + NKI_REPLIES_TOKEN_MAX)

void nki_puller_ask(struct nki_puller *puller, uint64_t msgs, uint64_t max_bytes, int64_t expires_ns,
                    int64_t now_ns)
{
    char reply[REPLY_MAX];
    char text[BODY_MAX];
    int64_t beat_ns = puller->params.beat_ns;
    beat_ns = expires_ns >= 2 * beat_ns ? beat_ns : 0;
    int64_t wait_ns = expires_ns > 0 ? expires_ns : puller->params.expires_ns;
    if (puller->pulls.count == 0) {
        puller->heard_ns = now_ns;
    }
    uint64_t serial =
        nki_pulls_open(&puller->pulls, msgs, max_bytes, now_ns, now_ns + wait_ns + NKI_PULL_LATE_NS);
    const struct nki_outgoing_msg msg = {
        .subject = puller->next_subject,
        .reply = reply_subject(puller, reply, "", serial),
        .data = {text, body(puller, text, msgs, max_bytes, expires_ns, beat_ns)},
    };
    puller->beat_ns = beat_ns;
    puller->retry_ns = 0;
    puller->counts.pulls++;
    NKI_PROBE(pull, puller->feed.engine->origin, puller->feed.sub->sid, msgs, max_bytes);
    if (!nki_feed_send(&puller->feed, &msg)) {
        nki_pulls_drop(&puller->pulls, serial);
        nki_puller_pause(puller, now_ns);
    }
}

void nki_puller_ask_info(struct nki_puller *puller, bool missed, int64_t now_ns)
{
    if (puller->asking || !puller->feed.up) {
        return;
    }
    char reply[REPLY_MAX];
    const struct nki_outgoing_msg msg = {
        .subject = puller->info_subject,
        .reply = reply_subject(puller, reply, "-", ++puller->info_serial),
    };
    puller->asking = true;
    puller->asking_missed = missed;
    puller->info_asked_ns = now_ns;
    puller->counts.infos++;
    bool sent = nki_feed_send(&puller->feed, &msg);
    (void)sent; /* without memory there is no answer, either */
}

void nki_puller_pause(struct nki_puller *puller, int64_t now_ns)
{
    uint32_t doublings = puller->failures < PAUSE_DOUBLINGS ? puller->failures : PAUSE_DOUBLINGS;
    puller->failures++;
    int64_t pause_ns = PAUSE_NS << doublings;
    /* A quarter more or less, so that many who lost the same server do not all ask at once. */
    uint64_t jitter = nki_rand_below(&puller->feed.engine->rand, (uint64_t)pause_ns / 2);
    puller->retry_ns = now_ns + pause_ns - pause_ns / 4 + (int64_t)jitter;
}

void nki_puller_forget(struct nki_puller *puller)
{
    nki_pulls_reset(&puller->pulls);
    puller->held = false;
}

/* -- time ------------------------------------------------------------------------------------------------ */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t beat_due_ns(const struct nki_puller *puller)
{
    bool watched = puller->pulls.count > 0 && puller->beat_ns > 0 && !puller->asking &&
                   puller->feed.sub->drain == NKI_DRAIN_NONE;
    return watched ? puller->heard_ns + 2 * puller->beat_ns : NKI_NEVER;
}

/* When a fetch is over. While a request is open a message may be on its way, until the server says that none
 * is. */
static int64_t end_ns(const struct nki_puller *puller)
{
    bool waits = puller->deadline_ns == NKI_NEVER || puller->pulls.count > 0;
    return waits ? puller->deadline_ns : puller->deadline_ns - NKI_PULL_LATE_NS;
}

static void arm(struct nki_puller *puller, int64_t now_ns)
{
    int64_t at_ns = end_ns(puller);
    if (puller->feed.up && puller->feed.sub->drain == NKI_DRAIN_NONE) {
        at_ns = earlier(at_ns, puller->asking ? puller->info_asked_ns + INFO_WAIT_NS : NKI_NEVER);
        at_ns = earlier(at_ns, puller->retry_ns > now_ns ? puller->retry_ns : NKI_NEVER);
        at_ns = earlier(at_ns, beat_due_ns(puller));
        at_ns = earlier(at_ns, nki_pulls_late_ns(&puller->pulls));
    }
    nki_feed_arm(&puller->feed, at_ns);
}

/* The end of what the engine has asked of it; nothing of it may be touched any more. */
static void leave(struct nki_puller *puller, int64_t now_ns)
{
    if (puller->end_reason == 0) {
        puller->mode->step(puller, now_ns);
    }
    if (puller->end_reason != 0) {
        struct nki_error error = puller->end_error;
        nki_feed_finish(&puller->feed, puller->end_reason, &error);
        return;
    }
    arm(puller, now_ns);
}

/* The same, when it was not for bytes that have come: then nobody hands over what is staged. */
static void leave_and_hand_over(struct nki_puller *puller, int64_t now_ns)
{
    struct nki_engine *engine = puller->feed.engine;
    bool staged = !nki_list_empty(&puller->feed.sub->dirty);
    leave(puller, now_ns);
    if (staged) {
        nki_engine_hand_over(engine);
    }
}

static void give_up_late(struct nki_puller *puller, int64_t now_ns)
{
    for (uint32_t i = 0; i < puller->pulls.count;) {
        const struct nki_pull *pull = nki_pulls_at(&puller->pulls, i);
        if (pull->late_ns <= now_ns) {
            puller->counts.given_up++;
            puller->lost++;
            nki_trouble_begin(&puller->trouble, NKI_HEARTBEATS_MISSED, NKI_STR(""), pull->sent_ns);
            nki_pulls_drop(&puller->pulls, pull->serial);
        } else {
            i++;
        }
    }
}

static void missed_beats(struct nki_puller *puller, int64_t now_ns)
{
    puller->counts.missed++;
    puller->missed++;
    nki_puller_trouble(puller, NKI_NOTICE_HEARTBEATS_MISSED, puller->missed, NULL, puller->heard_ns);
    puller->heard_ns = now_ns; /* the next ones are counted from here */
    if (puller->params.bind) {
        puller->info_asked_ns = now_ns; /* as if it had been, so that the request is made anew */
        puller->mode->info(puller, NKI_INFO_THERE, true, now_ns);
    } else {
        nki_puller_ask_info(puller, true, now_ns);
    }
}

static void on_tick(struct nki_feed *feed, int64_t now_ns)
{
    struct nki_puller *puller = puller_of(feed);
    if (now_ns >= end_ns(puller)) {
        nki_puller_end(puller, feed->up ? NKI_TIMEOUT : NKI_DISCONNECTED, NULL);
    } else if (feed->up) {
        if (puller->asking && now_ns >= puller->info_asked_ns + INFO_WAIT_NS) {
            puller->asking = false;
            puller->mode->info(puller, NKI_INFO_TROUBLE, puller->asking_missed, now_ns);
        }
        give_up_late(puller, now_ns);
        if (now_ns >= beat_due_ns(puller)) {
            missed_beats(puller, now_ns);
        }
    }
    leave_and_hand_over(puller, now_ns);
}

/* -- what comes ------------------------------------------------------------------------------------------ */

static enum nki_pull_info read_info(const struct nki_msg *msg)
{
    struct nki_json_value answer;
    struct nki_json_value error;
    struct nki_json_value number;
    int64_t code;
    if (nki_engine_says_nobody(msg)) {
        return NKI_INFO_NO_JETSTREAM;
    }
    if (!nki_json_check(nki_msg_data(msg), &answer) || answer.type != NKI_JSON_OBJECT) {
        return NKI_INFO_TROUBLE;
    }
    if (!nki_json_member(&answer, NKI_STR("error"), &error)) {
        return NKI_INFO_THERE;
    }
    if (error.type != NKI_JSON_OBJECT || !nki_json_member(&error, NKI_STR("err_code"), &number) ||
        !nki_json_i64(&number, &code)) {
        return NKI_INFO_TROUBLE;
    }
    return code == ERR_NO_CONSUMER                                      ? NKI_INFO_NO_CONSUMER
           : code == ERR_NO_STREAM                                      ? NKI_INFO_NO_STREAM
           : code == ERR_NOT_ENABLED || code == ERR_NOT_ENABLED_ACCOUNT ? NKI_INFO_NO_JETSTREAM
                                                                        : NKI_INFO_TROUBLE;
}

static void on_info(struct nki_puller *puller, uint64_t serial, const struct nki_msg *msg, int64_t now_ns)
{
    if (!puller->asking || serial != puller->info_serial) {
        return; /* too late */
    }
    puller->asking = false;
    puller->mode->info(puller, read_info(msg), puller->asking_missed, now_ns);
}

static void remember(struct nki_puller *puller, const struct nki_pull_status *status)
{
    puller->counts.statuses++;
    puller->counts.last_code = status->code;
    nki_str_copy(puller->counts.last_text, sizeof puller->counts.last_text, status->text);
    if (status->word == NKI_SAYS_UNKNOWN) {
        puller->counts.unknown++;
        nki_puller_notify(puller, NKI_NOTICE_UNKNOWN, puller->counts.unknown, status->code, status->text);
    }
}

/* Takes it off what is still to come; a server that ends whatever it is asked at once is asked ever more
 * seldom. */
static void account(struct nki_puller *puller, const struct nki_pull_status *status,
                    const struct nki_pull *pull, int64_t now_ns)
{
    if (status->counted) {
        nki_pulls_give_back(&puller->pulls, pull->serial, status->msgs, status->bytes);
    } else {
        nki_pulls_drop(&puller->pulls, pull->serial);
    }
    bool quick =
        pull->asked_msgs > 0 && pull->left_msgs == pull->asked_msgs && now_ns - pull->sent_ns < QUICK_NS;
    puller->quick = quick ? puller->quick + 1 : 0;
    if (puller->quick >= QUICK_MAX) {
        nki_puller_pause(puller, now_ns);
    }
}

static void on_status(struct nki_puller *puller, uint64_t serial, const struct nki_msg *msg, int64_t now_ns)
{
    struct nki_pull_status status;
    if (serial < puller->pulls.first || serial >= puller->pulls.next) {
        return; /* of a request that is forgotten */
    }
    if (!nki_pull_status_read(nki_msg_header_block(msg), &status)) {
        puller->counts.unknown++;
        return;
    }
    if (status.word == NKI_SAYS_BEAT) {
        heard(puller, now_ns);
        puller->last_beat_ns = now_ns;
        puller->counts.beats++;
        return;
    }
    puller->heard_ns = now_ns;
    if (status.word == NKI_SAYS_EXPIRED || status.word == NKI_SAYS_NOTHING ||
        status.word == NKI_SAYS_COMPLETE || status.word == NKI_SAYS_FULL) {
        heard(puller, now_ns);
    }
    struct nki_pull pull = {.serial = serial};
    const struct nki_pull *open = nki_pulls_find(&puller->pulls, serial);
    if (open != NULL) {
        pull = *open;
    }
    remember(puller, &status);
    if (status.ends) {
        account(puller, &status, &pull, now_ns);
    }
    puller->mode->status(puller, &status, &pull, now_ns);
}

/* Something that came to the inbox itself. */
static void on_inbox(struct nki_puller *puller, const struct nki_msg *msg, int64_t now_ns)
{
    struct nki_str token = nki_msg_subject(msg);
    token.ptr += puller->params.inbox.len + 1;
    token.len -= puller->params.inbox.len + 1;
    uint64_t serial;
    bool info = token.len > 0 && token.ptr[0] == '-';
    if (!nki_base62_read(token.ptr + info, token.len - info, &serial)) {
        puller->counts.unknown++;
    } else if (info) {
        on_info(puller, serial, msg, now_ns);
    } else {
        on_status(puller, serial, msg, now_ns);
    }
}

static inline bool for_inbox(const struct nki_puller *puller, const struct nki_msg *msg)
{
    struct nki_str inbox = puller->params.inbox;
    return msg->subject_len > inbox.len && msg->bytes[inbox.len] == '.' &&
           memcmp(msg->bytes, inbox.ptr, inbox.len) == 0;
}

/* Of a group: the id of who is pinned, to be said with each request from now on. */
static void note_pin(struct nki_puller *puller, const struct nki_msg *msg)
{
    struct nki_str pin;
    if (msg->header_len == 0 ||
        !nki_header_find(nki_msg_header_block(msg), NKI_STR("Nats-Pin-Id"), NKI_MATCH_EXACT, 0, &pin) ||
        pin.len == 0 || nki_puller_pin_fault(pin) != NULL ||
        nki_str_eq(pin, nki_str_make(puller->pin, puller->pin_len))) {
        return;
    }
    memcpy(puller->pin, pin.ptr, pin.len);
    puller->pin_len = pin.len;
    if (puller->params.pins != NULL) {
        nki_pins_keep(puller->params.pins, puller->pin_key, pin);
    }
    nki_puller_notify(puller, NKI_NOTICE_PINNED, 1, 0, pin);
}

void nki_puller_unpin(struct nki_puller *puller, const struct nki_pull_status *status)
{
    if (puller->pin_len > 0) {
        if (puller->params.pins != NULL) {
            nki_pins_forget(puller->params.pins, puller->pin_key, nki_str_make(puller->pin, puller->pin_len));
        }
        puller->pin_len = 0;
        nki_puller_notify(puller, NKI_NOTICE_UNPINNED, 1, status->code, status->text);
    }
}

static void on_message(struct nki_feed *feed, struct nki_msg *msg, int64_t now_ns)
{
    struct nki_puller *puller = puller_of(feed);
    if (NKI_UNLIKELY(for_inbox(puller, msg))) {
        on_inbox(puller, msg, now_ns);
        nki_msg_release(msg);
        leave(puller, now_ns);
        return;
    }
    uint64_t size = (uint64_t)msg->subject_len + msg->reply_len + msg->header_len + msg->data_len;
    heard(puller, now_ns);
    puller->quick = 0;
    puller->counts.msgs++;
    puller->counts.bytes += size;
    nki_pulls_got(&puller->pulls, size);
    if (NKI_UNLIKELY(puller->params.group.len > 0)) {
        note_pin(puller, msg);
    }
    nki_feed_stage(feed, msg);
    puller->mode->got(puller, size);
    if (NKI_UNLIKELY(puller->end_reason != 0 || (puller->held && !nki_pulls_full(&puller->pulls)))) {
        leave(puller, now_ns);
    }
}

/* -- its life -------------------------------------------------------------------------------------------- */

static void on_begin(struct nki_feed *feed, int64_t now_ns)
{
    struct nki_puller *puller = puller_of(feed);
    if (!puller->params.endless) {
        puller->deadline_ns = now_ns + puller->params.expires_ns + NKI_PULL_LATE_NS;
    }
    arm(puller, now_ns);
}

static void on_up(struct nki_feed *feed, int64_t now_ns)
{
    struct nki_puller *puller = puller_of(feed);
    puller->missing = false;
    puller->retry_ns = 0;
    leave_and_hand_over(puller, now_ns);
}

static void on_down(struct nki_feed *feed, int64_t now_ns)
{
    struct nki_puller *puller = puller_of(feed);
    nki_puller_forget(puller);
    puller->asking = false;
    puller->failures = 0;
    puller->missed = 0;
    puller->quick = 0;
    puller->lost = 0;
    puller->troubled = true;
    nki_trouble_end(&puller->trouble, now_ns);
    arm(puller, now_ns);
}

static void on_taken(struct nki_feed *feed, int64_t now_ns)
{
    leave_and_hand_over(puller_of(feed), now_ns);
}

/* A heartbeat is overdue, or the end of a request. */
static bool is_late(const struct nki_puller *puller, int64_t now_ns)
{
    return beat_due_ns(puller) <= now_ns || nki_pulls_late_ns(&puller->pulls) <= now_ns;
}

static void health(struct nki_feed *feed, int64_t now_ns, struct nki_health *out)
{
    const struct nki_puller *puller = puller_of(feed);
    struct nki_trouble trouble = puller->trouble;
    out->activity_ns = puller->life_ns != 0 ? puller->life_ns : NKI_NEVER;
    out->beat_ns = puller->last_beat_ns != 0 ? puller->last_beat_ns : NKI_NEVER;
    enum nki_health_state state = trouble.reason == NKI_OK ? NKI_HEALTH_OK : NKI_HEALTH_DEGRADED;
    if (puller->missing) {
        state = NKI_HEALTH_DOWN;
    } else if (trouble.reason == NKI_HEARTBEATS_MISSED) {
        state = NKI_HEALTH_SILENT;
    } else if (is_late(puller, now_ns)) {
        state = NKI_HEALTH_SILENT;
        nki_trouble_begin(&trouble, NKI_HEARTBEATS_MISSED, NKI_STR(""), puller->heard_ns);
    }
    nki_health_of_trouble(out, state, &trouble, puller->params.stream, puller->params.consumer);
}

static void on_end(struct nki_feed *feed, int32_t reason)
{
    (void)reason;
    nki_pins_release(puller_of(feed)->params.pins);
    nki_free(puller_of(feed));
}

static const struct nki_feed_ops puller_ops = {
    .up = on_up,
    .down = on_down,
    .message = on_message,
    .tick = on_tick,
    .taken = on_taken,
    .begin = on_begin,
    .health = health,
    .end = on_end,
};

struct nki_puller *nki_puller_of(struct nki_feed *feed)
{
    return feed->ops == &puller_ops ? puller_of(feed) : NULL;
}

/* Appends a text with a NUL, and points to it. */
static struct nki_str put(char **at, struct nki_str text)
{
    struct nki_str copy = nki_str_make(*at, text.len);
    if (text.len > 0) {
        memcpy(*at, text.ptr, text.len);
    }
    *at += text.len;
    *(*at)++ = '\0';
    return copy;
}

static struct nki_str put_subject(char **at, size_t cap, const struct nki_pull_params *params,
                                  const char *verb)
{
    int len = snprintf(*at, cap, "%.*s.CONSUMER.%s.%s.%s", (int)params->api_prefix.len,
                       params->api_prefix.ptr, verb, params->stream.ptr, params->consumer.ptr);
    assert(len > 0 && (size_t)len < cap);
    struct nki_str subject = nki_str_make(*at, (size_t)len);
    *at += len + 1;
    return subject;
}

/* Who is pinned of the fetches before, unless the caller says it; takes a reference of what keeps it. */
static void find_pin(struct nki_puller *puller)
{
    struct nki_pull_params *params = &puller->params;
    if (params->pins == NULL) {
        return;
    }
    nki_pins_retain(params->pins);
    puller->pin_key = nki_pins_key(params->stream, params->consumer, params->group);
    if (puller->pin_len == 0) {
        puller->pin_len = nki_pins_get(params->pins, puller->pin_key, puller->pin);
    }
}

struct nki_feed *nki_puller_new(const struct nki_pull_params *params)
{
    size_t names = params->stream.len + params->consumer.len;
    size_t subject_max = params->api_prefix.len + sizeof ".CONSUMER.MSG.NEXT.." + names;
    size_t texts = names + params->inbox.len + params->group.len + 4 + 2 * subject_max;
    struct nki_puller *puller = nki_calloc(1, sizeof *puller + texts);
    if (puller == NULL) {
        return NULL;
    }
    char *at = (char *)(puller + 1);
    puller->params = *params;
    puller->params.stream = put(&at, params->stream);
    puller->params.consumer = put(&at, params->consumer);
    puller->params.inbox = put(&at, params->inbox);
    puller->params.group = put(&at, params->group);
    puller->next_subject = put_subject(&at, subject_max, &puller->params, "MSG.NEXT");
    puller->info_subject = put_subject(&at, subject_max, &puller->params, "INFO");
    puller->params.api_prefix = NKI_STR("");
    puller->pin_len = params->pin.len <= sizeof puller->pin ? params->pin.len : 0;
    if (puller->pin_len > 0) {
        memcpy(puller->pin, params->pin.ptr, puller->pin_len);
    }
    puller->params.pin = NKI_STR("");
    find_pin(puller);
    puller->deadline_ns = NKI_NEVER;
    puller->mode = params->endless ? &nki_consume_mode : &nki_fetch_mode;
    puller->feed.ops = &puller_ops;
    puller->feed.asked = nki_str_hash(puller->next_subject);
    return &puller->feed;
}
