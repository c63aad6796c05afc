/* Snapshots: see snapshot.h. Everything but the opening runs under the engine lock.
 *
 * A server sends so much ahead and then waits for acks, each of one chunk; if none comes for a while it gives
 * up. So chunks are acked as they come as long as little waits in the queue, else as they are taken. */
#include "jetstream/snapshot.h"

#include "base/alloc.h"
#include "jetstream/call.h"
#include "wire/header.h"
#include "wire/subject.h"

#include <inttypes.h>

#define SILENCE_NS (60000 * NKI_NS_PER_MS) /* without a chunk, while none waits for its ack */
#define WAITING_MAX ((uint64_t)16 * NKI_MIB)
#define REPLY_MAX 512

struct snapshot {
    struct nki_feed feed;
    int64_t seen_ns;
    uint64_t chunks;
    struct nki_buf held; /* replies of chunks that are not acked yet, each with a NUL */
};

static struct snapshot *of(struct nki_feed *feed)
{
    return NKI_CONTAINER_OF(feed, struct snapshot, feed);
}

/* Acks what is held if there is room for more. */
static void ack(struct snapshot *snapshot)
{
    struct nki_inlet *inlet = &snapshot->feed.sub->inlet;
    struct nki_inlet_stats stats;
    nki_inlet_stats_get(inlet, &stats);
    while (snapshot->held.len > 0 && stats.pending_bytes < WAITING_MAX) {
        struct nki_str reply = nki_str_z((const char *)snapshot->held.data);
        struct nki_outgoing_msg msg = {
            .subject = reply, .reply = NKI_STR(""), .header_block = NKI_STR(""), .data = NKI_STR("")};
        if (!nki_feed_send(&snapshot->feed, &msg)) {
            break; /* it is tried again when the next chunk is taken */
        }
        nki_buf_consume(&snapshot->held, reply.len + 1);
    }
    if (snapshot->held.len > 0) {
        nki_inlet_tell_after(inlet, 1);
    }
}

/* The last token of a reply is the chunk's number, from 1 on. */
static bool in_order(const struct snapshot *snapshot, struct nki_str reply)
{
    uint64_t number;
    size_t at = reply.len;
    while (at > 0 && reply.ptr[at - 1] != '.') {
        at--;
    }
    return !nki_str_u64(nki_str_make(reply.ptr + at, reply.len - at), &number) || number == snapshot->chunks;
}

static void finish(struct snapshot *snapshot, int32_t reason, const char *text)
{
    struct nki_error error;
    nki_error_set(&error, reason, text != NULL ? "%s" : NULL, text);
    nki_feed_finish(&snapshot->feed, reason, text != NULL ? &error : NULL);
}

/* An empty message: all has come, or the server has given up. */
static void last(struct snapshot *snapshot, const struct nki_msg *msg)
{
    struct nki_error error;
    struct nki_str text = NKI_STR("");
    int32_t code = msg->header_len > 0 ? nki_header_status(nki_msg_header_block(msg), &text) : 0;
    if (code < 400) {
        finish(snapshot, NKI_SENTINEL, NULL);
        return;
    }
    int shown = text.len < 200 ? (int)text.len : 200;
    nki_error_set(&error, NKI_JS_REFUSED, "the server has given the snapshot up: %" PRId32 " %.*s", code,
                  shown, text.ptr);
    error.server_code = code;
    nki_feed_finish(&snapshot->feed, NKI_JS_REFUSED, &error);
}

static void message(struct nki_feed *feed, struct nki_msg *msg, int64_t now_ns)
{
    struct snapshot *snapshot = of(feed);
    struct nki_str reply = nki_msg_reply(msg);
    snapshot->seen_ns = now_ns;
    if (msg->data_len == 0) {
        last(snapshot, msg);
        nki_msg_release(msg);
        return;
    }
    snapshot->chunks++;
    bool good = reply.len == 0 || (reply.len <= REPLY_MAX && nki_subject_publish_fault(reply) == NULL &&
                                   in_order(snapshot, reply));
    bool kept = reply.len == 0 ||
                (nki_buf_append_str(&snapshot->held, reply) && nki_buf_append(&snapshot->held, "", 1));
    if (!good || !kept) {
        nki_msg_release(msg);
        finish(snapshot, good ? NKI_NO_MEMORY : NKI_PROTOCOL,
               good ? NULL : "a chunk of the snapshot was lost");
        return;
    }
    nki_feed_stage(feed, msg);
    ack(snapshot);
}

static void taken(struct nki_feed *feed, int64_t now_ns)
{
    of(feed)->seen_ns = now_ns;
    ack(of(feed));
}

static void tick(struct nki_feed *feed, int64_t now_ns)
{
    struct snapshot *snapshot = of(feed);
    if (snapshot->held.len == 0 && now_ns - snapshot->seen_ns >= SILENCE_NS) {
        finish(snapshot, NKI_HEARTBEATS_MISSED, NULL);
    } else {
        int64_t due_ns = snapshot->held.len == 0 ? snapshot->seen_ns + SILENCE_NS : now_ns + SILENCE_NS;
        nki_feed_arm(feed, due_ns);
    }
}

static void up(struct nki_feed *feed, int64_t now_ns)
{
    of(feed)->seen_ns = now_ns;
    nki_feed_arm(feed, now_ns + SILENCE_NS);
}

/* No other transport gets the rest. */
static void down(struct nki_feed *feed, int64_t now_ns)
{
    (void)now_ns;
    finish(of(feed), NKI_DISCONNECTED, NULL);
}

static void end(struct nki_feed *feed, int32_t reason)
{
    struct snapshot *snapshot = of(feed);
    (void)reason;
    nki_buf_free(&snapshot->held);
    nki_free(snapshot);
}

static const struct nki_feed_ops ops = {
    .up = up, .down = down, .message = message, .tick = tick, .taken = taken, .end = end};

int32_t nki_js_snapshot(struct nki_js *js, struct nki_doc *args, const struct nki_js_begin *begin,
                        struct nki_sub **sub, struct nki_op **op, struct nki_error *err)
{
    char inbox[NKI_JS_INBOX_MAX];
    size_t len = nki_conn_new_inbox(js->conn, inbox, sizeof inbox);
    assert(len <= sizeof inbox);
    struct nki_str subject = nki_str_make(inbox, len);
    struct nki_doc_item item = {.type = NKI_DOC_STRING, .text = subject};
    struct nki_chain *chain;
    int32_t status = nki_doc_set(args, NKI_STR("/deliver_subject"), &item, err);
    if (status == NKI_OK) {
        status = nki_js_call_make(js, NKI_STR("stream.snapshot"), args, &chain, err);
    }
    if (status != NKI_OK) {
        return status;
    }
    struct snapshot *snapshot = nki_calloc(1, sizeof *snapshot);
    if (snapshot == NULL) {
        chain->part.free(&chain->part);
        return nki_error_set(err, NKI_NO_MEMORY, NULL);
    }
    snapshot->feed.ops = &ops;
    /* Acks bound the queue: nothing may be dropped. */
    const struct nki_sub_params params = {
        .subject = subject, .queue = NKI_STR(""), .limits = {UINT32_MAX, UINT64_MAX}};
    status = nki_conn_subscribe_feed(js->conn, &params, &snapshot->feed, sub, err);
    if (status != NKI_OK) {
        chain->part.free(&chain->part);
        return status;
    }
    status = nki_conn_chain(js->conn, chain, begin->deadline_ns, begin->timed, begin->wait_room, op, err);
    if (status != NKI_OK) {
        nki_sub_close(*sub);
        nki_sub_release(*sub);
    }
    return status;
}
