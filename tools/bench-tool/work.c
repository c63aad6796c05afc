/* SPDX-License-Identifier: Apache-2.0
 *
 * What the threads of natskit-bench do that publish and receive. */
#include "tool.h"

/* Publishes up to `count` (at most a batch) messages; `*sent` tells how many. */
static natskit_status publish_some(struct tool_client *client, const natskit_outgoing *outgoing, size_t count,
                                   size_t *sent)
{
    *sent = 0;
    if (client->tool->setup.batch > 1) {
        return natskit_publish_batch(client->conn, outgoing, sizeof *outgoing, count, TOOL_SLICE_MS, sent);
    }
    natskit_status status =
        natskit_publish(client->conn, outgoing->subject, outgoing->subject_len, NULL, 0, outgoing->headers,
                        outgoing->data, outgoing->data_len, TOOL_SLICE_MS);
    *sent = status == NATSKIT_OK ? 1 : 0;
    return status;
}

/* False if it failed or was told to stop; what was accepted is flushed in either case. */
static bool publish_all(struct tool_client *client, uint64_t count, bool counted)
{
    struct tool *tool = client->tool;
    natskit_outgoing outgoing[TOOL_BATCH_MAX];
    size_t batch = tool->setup.batch;
    for (size_t i = 0; i < batch; i++) {
        outgoing[i] = (natskit_outgoing){.subject = tool->setup.subject,
                                         .subject_len = NATSKIT_ZLEN,
                                         .headers = client->headers,
                                         .data = tool->payload,
                                         .data_len = tool->setup.size};
    }
    natskit_status status = NATSKIT_OK;
    for (uint64_t left = count; left > 0 && !tool_stopping(tool);) {
        size_t sent;
        status = publish_some(client, outgoing, left < batch ? (size_t)left : batch, &sent);
        left -= sent;
        client->bytes += sent * tool->setup.size;
        tool_count(client, counted ? sent : 0);
        if (status != NATSKIT_OK && status != NATSKIT_TIMEOUT) { /* no room yet: again */
            tool_client_fail(client, "publish", status, NULL);
            return false;
        }
    }
    status = natskit_flush(client->conn, tool->setup.wait_ms);
    if (tool_client_event(client)) {
        return false;
    }
    if (status != NATSKIT_OK && !tool_stopping(tool)) {
        tool_client_fail(client, "flush", status, NULL);
    }
    return status == NATSKIT_OK;
}

void tool_publish(struct tool_client *client)
{
    struct tool *tool = client->tool;
    bool ok = publish_all(client, client->warmup, false);
    tool_note(tool, TOOL_NOTE_WARM);
    if (ok && tool_wait_go(tool)) {
        ok = publish_all(client, client->share, true);
    }
    client->end_ns = tool_now();
    if (ok) {
        tool_note(tool, TOOL_NOTE_DONE);
    }
}

/* Counts what came; true if that was all. */
static bool arrived(struct tool_client *client, uint64_t count)
{
    struct tool *tool = client->tool;
    bool group = tool->setup.queue[0] != '\0';
    tool_count(client, count);
    uint64_t now = group ? atomic_fetch_add(&tool->received, count) + count
                         : atomic_load_explicit(&client->done, memory_order_relaxed);
    uint64_t before = now - count;
    if (before < client->warmup && now >= client->warmup) {
        tool_note(tool, TOOL_NOTE_WARM);
    }
    uint64_t all = client->warmup + client->share;
    bool done = client->share > 0 && now >= all;
    if (done && before < all) {
        tool_note(tool, TOOL_NOTE_DONE);
    }
    return done;
}

static void answer(struct tool_client *client, natskit_msg *msg, const natskit_message_view *view)
{
    struct tool *tool = client->tool;
    const void *data = tool->setup.size_given ? tool->payload : view->data;
    size_t len = tool->setup.size_given ? tool->setup.size : view->data_len;
    natskit_status status = natskit_msg_respond(msg, client->headers, data, len, tool->setup.wait_ms);
    if (status != NATSKIT_OK && status != NATSKIT_NO_REPLY) { /* a message that is no request */
        tool_client_fail(client, "respond", status, NULL);
    }
}

static natskit_status take(struct tool_client *client, natskit_msg **msgs, size_t *count)
{
    size_t batch = client->tool->setup.batch;
    if (batch > 1) {
        return natskit_sub_next_batch(client->sub, msgs, batch, TOOL_SLICE_MS, count);
    }
    *count = 1;
    return natskit_sub_next(client->sub, TOOL_SLICE_MS, msgs);
}

/* Why a subscription gives nothing more. */
static void ended(struct tool_client *client, natskit_status status)
{
    natskit_error err = {0};
    if (status == NATSKIT_END) {
        status = natskit_sub_reason(client->sub, &err);
    }
    tool_client_fail(client, "receive", status, &err);
}

static void handle(struct tool_client *client, natskit_msg **msgs, size_t count)
{
    for (size_t i = 0; i < count && client->trouble[0] == '\0'; i++) {
        natskit_message_view view = {0};
        (void)natskit_msg_view(msgs[i], &view, sizeof view);
        client->bytes += view.data_len;
        if (client->tool->setup.mode == TOOL_REPLY) {
            answer(client, msgs[i], &view);
        }
    }
}

void tool_receive(struct tool_client *client)
{
    struct tool *tool = client->tool;
    natskit_msg *msgs[TOOL_BATCH_MAX];
    uint64_t idle_since = 0; /* the time of the last message while none comes */
    bool done = false;
    while (!done && !tool_stopping(tool)) {
        size_t count;
        natskit_status status = take(client, msgs, &count);
        if (status == NATSKIT_TIMEOUT) {
            idle_since = idle_since != 0 ? idle_since : tool_now() - TOOL_SLICE_MS * UINT64_C(1000000);
            continue;
        }
        if (status != NATSKIT_OK) {
            if (!tool_stopping(tool)) {
                ended(client, status);
            }
            break;
        }
        idle_since = 0;
        if (tool->setup.mode != TOOL_PUBSUB) {
            tool_clock_start(tool);
        }
        handle(client, msgs, count);
        natskit_msg_release_batch(msgs, count);
        done = arrived(client, count) || client->trouble[0] != '\0';
    }
    client->end_ns = idle_since != 0 ? idle_since : tool_now();
    if (tool->setup.mode == TOOL_REPLY) {
        (void)natskit_flush(client->conn, 2000); /* the last replies */
    }
}
