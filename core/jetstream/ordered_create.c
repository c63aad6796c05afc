/* How the consumers of an ordered consumer are made and given up: what is asked of the server, where the next
 * one begins, and when it is tried. See ordered_inside.h; under the engine lock. */
#include "jetstream/ordered_inside.h"

#include "base/rfc3339.h"
#include "jetstream/ordered_text.h"

#include <inttypes.h>
#include <stdio.h>

#define ANSWER_NS (5000 * NKI_NS_PER_MS)   /* time for the answer to the making of a consumer */
#define QUESTION_NS (2000 * NKI_NS_PER_MS) /* for the one to what the stream is */
#define PAUSE_NS (250 * NKI_NS_PER_MS)     /* before the second try; it doubles */
#define PAUSE_MAX_NS (5000 * NKI_NS_PER_MS)
#define INACTIVE_NS "300000000000"   /* the server keeps an abandoned consumer for so long */
#define ACK_WAIT_NS "79200000000000" /* 22 h: nothing is acked (ADR-17) */

static struct nki_str str_of(const struct nki_buf *buf)
{
    return nki_str_make((const char *)buf->data, buf->len);
}

static bool append_u64_member(struct nki_buf *out, struct nki_str begin, uint64_t value)
{
    return nki_buf_append_str(out, begin) && nki_buf_append_u64(out, value);
}

/* Where it begins: as asked for as long as nothing or not all that there was has come, else behind the last
 * one. With last_per_subject what comes again meanwhile is passed over: messages come in the stream's order;
 * and with the first that may have been stored since the begin, all of that is asked for (skips_some).
 */
static bool append_begin(const struct nki_ordered *ordered, struct nki_buf *out)
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
        nki_rfc3339_write(ordered->begin_ns - NKI_ORDERED_SKEW_NS, time);
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

static bool append_config(const struct nki_ordered *ordered, struct nki_buf *out)
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

static size_t write_name(const struct nki_ordered *ordered, uint64_t serial,
                         char out[NKI_ORDERED_NAME_LEN + 1])
{
    int len = snprintf(out, NKI_ORDERED_NAME_LEN + 1, "%.*s_%" PRIu64, NKI_NUID_LEN, ordered->id, serial);
    return (size_t)len;
}

/* "<prefix>.CONSUMER.<verb>.<stream>.<name>" */
static bool append_subject(const struct nki_ordered *ordered, struct nki_buf *out, struct nki_str verb,
                           uint64_t serial)
{
    char name[NKI_ORDERED_NAME_LEN + 1];
    size_t name_len = write_name(ordered, serial, name);
    return nki_buf_append_str(out, nki_js_prefix(ordered->js)) &&
           nki_buf_append_str(out, NKI_STR(".CONSUMER.")) && nki_buf_append_str(out, verb) &&
           nki_buf_append(out, ".", 1) && nki_buf_append_str(out, str_of(&ordered->stream)) &&
           nki_buf_append(out, ".", 1) && nki_buf_append(out, name, name_len);
}

/* Asks for the stream's info. */
static bool send_question(struct nki_ordered *ordered)
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

static bool send_create(struct nki_ordered *ordered)
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

void nki_ordered_send_delete(struct nki_ordered *ordered, uint64_t serial)
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

void nki_ordered_pause(struct nki_ordered *ordered, int64_t now_ns)
{
    int64_t pause_ns = PAUSE_NS;
    for (unsigned i = 1; i < ordered->failures && pause_ns < PAUSE_MAX_NS; i++) {
        pause_ns *= 2;
    }
    ordered->state = NKI_ORDERED_PAUSING;
    nki_feed_arm(&ordered->feed, now_ns + (pause_ns < PAUSE_MAX_NS ? pause_ns : PAUSE_MAX_NS));
}

void nki_ordered_next_number(struct nki_ordered *ordered)
{
    ordered->serial++;
    ordered->used = false;
    ordered->name_len = write_name(ordered, ordered->serial, ordered->name);
    int len = snprintf(ordered->subject + ordered->base_len, sizeof ordered->subject - ordered->base_len,
                       "%" PRIu64, ordered->serial);
    ordered->subject_len = ordered->base_len + (size_t)len;
}

bool nki_ordered_move(struct nki_ordered *ordered)
{
    nki_ordered_next_number(ordered);
    bool ok =
        nki_feed_move(&ordered->feed, nki_str_make(ordered->subject, ordered->subject_len), NKI_STR(""));
    ordered->used = !ok; /* then the next one is tried */
    return ok;
}

void nki_ordered_create(struct nki_ordered *ordered, int64_t now_ns)
{
    bool ok = !ordered->used || nki_ordered_move(ordered);
    ordered->used = true;
    ordered->consumer_seq = 0;
    ordered->whole = false;
    ordered->idle = false;
    nki_flow_forget(&ordered->flow);
    ordered->asking = ordered->placed && !ordered->by_time && !ordered->unasked && !ordered->looks;
    ordered->resets += ordered->created && !ordered->asking && !ordered->looks;
    ordered->looks = false;
    ordered->unasked = ordered->unasked && !ordered->tells;
    ordered->by_seq = ordered->placed && !ordered->by_time &&
                      (ordered->initial_done || ordered->since_came || ordered->caught ||
                       ordered->deliver != NKI_DELIVER_LAST_PER_SUBJECT);
    nki_initial_ask(&ordered->initial, ordered->by_seq ? ordered->stream_seq : UINT64_MAX);
    if (ordered->begin_ns == 0 && ordered->stream_time_ns > 0) {
        ordered->begin_ns =
            ordered->stream_time_ns; /* the first answer was lost, and it is no later than that */
    }
    ordered->state = NKI_ORDERED_CREATING;
    ordered->seen_ns = now_ns;
    if (ok && (ordered->asking ? send_question(ordered) : send_create(ordered))) {
        nki_feed_arm(&ordered->feed, now_ns + (ordered->asking ? QUESTION_NS : ANSWER_NS));
    } else {
        ordered->failures++;
        nki_ordered_pause(ordered, now_ns);
    }
}

void nki_ordered_reset(struct nki_ordered *ordered, int64_t now_ns)
{
    nki_ordered_send_delete(ordered, ordered->serial);
    ordered->failures++;
    if (ordered->failures > 1) {
        nki_ordered_pause(ordered, now_ns);
    } else {
        nki_ordered_create(ordered, now_ns);
    }
}

void nki_ordered_create_asked(struct nki_ordered *ordered, int64_t now_ns)
{
    ordered->asking = false;
    ordered->resets++;
    nki_initial_ask(&ordered->initial, ordered->by_seq ? ordered->stream_seq : UINT64_MAX);
    if (send_create(ordered)) {
        nki_feed_arm(&ordered->feed, now_ns + ANSWER_NS);
    } else {
        ordered->failures++;
        nki_ordered_pause(ordered, now_ns);
    }
}
