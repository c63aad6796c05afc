/* SPDX-License-Identifier: Apache-2.0
 *
 * What the threads of natskit-bench do that send requests: one after the other, or many in flight. */
#include "tool.h"

#include <stdio.h>

/* One without a reply in time is counted; any other failure ends the client, and so does a lost connection.
 */
static bool unanswered(struct tool_client *client, natskit_status status, const natskit_error *err)
{
    if (tool_stopping(client->tool)) {
        return false;
    }
    if (status == NATSKIT_TIMEOUT) {
        client->failed++;
        return !tool_client_event(client); /* one that was begun while the connection was lost */
    }
    if (status == NATSKIT_NO_RESPONDERS) {
        snprintf(
            client->trouble, sizeof client->trouble,
            "request: nobody answers on this subject (natskit-bench reply SUBJECT does) [NO_RESPONDERS]");
    } else if (status != NATSKIT_DISCONNECTED || !tool_client_event(client)) {
        tool_client_fail(client, "request", status, err);
    }
    return false;
}

/* Counts a reply, unless it belongs to the warm-up, and releases it. */
static void answered(struct tool_client *client, natskit_msg *reply, uint64_t ns, bool counted)
{
    natskit_message_view view = {0};
    (void)natskit_msg_view(reply, &view, sizeof view);
    if (counted) {
        client->bytes += view.data_len;
        tool_latency_add(client->latency, ns);
        tool_count(client, 1);
    }
    natskit_msg_release(reply);
}

static bool one_request(struct tool_client *client, bool counted)
{
    const struct tool_setup *setup = &client->tool->setup;
    natskit_msg *reply;
    natskit_error err = {0};
    uint64_t begin = tool_now();
    natskit_status status = natskit_request(client->conn, setup->subject, NATSKIT_ZLEN, client->headers,
                                            client->tool->payload, setup->size, setup->wait_ms, &reply, &err);
    if (status != NATSKIT_OK) {
        return unanswered(client, status, &err);
    }
    answered(client, reply, tool_now() - begin, counted);
    return true;
}

static bool one_by_one(struct tool_client *client, uint64_t count, bool counted)
{
    for (uint64_t i = 0; i < count && !tool_stopping(client->tool); i++) {
        if (!one_request(client, counted)) {
            return false;
        }
    }
    return true;
}

/* Warm-up, then the requests that count, by either way. */
static void work(struct tool_client *client,
                 bool (*requests)(struct tool_client *client, uint64_t count, bool counted))
{
    struct tool *tool = client->tool;
    bool ok = requests(client, client->warmup, false);
    client->failed = 0;
    tool_note(tool, TOOL_NOTE_WARM);
    if (ok && tool_wait_go(tool)) {
        ok = requests(client, client->share, true);
    }
    client->end_ns = tool_now();
    if (ok) {
        tool_note(tool, TOOL_NOTE_DONE);
    }
}

void tool_request(struct tool_client *client)
{
    work(client, one_by_one);
}

static natskit_status start_one(struct tool_client *client, natskit_waitset waitset, natskit_error *err)
{
    const struct tool_setup *setup = &client->tool->setup;
    natskit_op op;
    natskit_status status =
        natskit_request_start(client->conn, setup->subject, NATSKIT_ZLEN, client->headers,
                              client->tool->payload, setup->size, setup->request, setup->wait_ms, &op, err);
    return status == NATSKIT_OK ? natskit_waitset_add(waitset, op.id, 0) : status;
}

static bool take_one(struct tool_client *client, natskit_op op, bool counted)
{
    natskit_msg *reply;
    natskit_error err = {0};
    int64_t ns = 0;
    natskit_status status = natskit_op_take_msg(op, &reply);
    if (status == NATSKIT_OK) {
        (void)natskit_op_duration(op, &ns);
        answered(client, reply, (uint64_t)ns, counted);
    } else {
        (void)natskit_op_result(op, NULL, &err);
    }
    natskit_op_close(op);
    return status == NATSKIT_OK || unanswered(client, status, &err);
}

/* Those that are left in flight are closed with the connection. */
static bool in_flight(struct tool_client *client, uint64_t count, bool counted)
{
    const unsigned width = client->tool->setup.in_flight;
    natskit_waitset waitset;
    natskit_ready ready[64];
    uint64_t asked = 0;
    uint64_t ended = 0;
    bool ok = natskit_waitset_open(&waitset) == NATSKIT_OK;
    while (ok && ended < count && !tool_stopping(client->tool)) {
        natskit_error err = {0};
        natskit_status status = NATSKIT_OK;
        while (status == NATSKIT_OK && asked < count && asked - ended < width) {
            status = start_one(client, waitset, &err);
            asked += status == NATSKIT_OK ? 1 : 0;
        }
        /* A full outbox: replies make room. */
        if (status != NATSKIT_OK && (status != NATSKIT_WOULD_BLOCK || asked == ended)) {
            ok = unanswered(client, status, &err);
            break;
        }
        size_t got = 0;
        status = natskit_waitset_wait(waitset, ready, sizeof ready[0], sizeof ready / sizeof ready[0],
                                      TOOL_SLICE_MS, &got);
        for (size_t i = 0; i < got && ok; i++) {
            ok = take_one(client, (natskit_op){ready[i].object}, counted);
        }
        ended += got;
    }
    natskit_waitset_close(waitset);
    return ok;
}

void tool_request_in_flight(struct tool_client *client)
{
    work(client, in_flight);
}
