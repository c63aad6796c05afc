/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections, subscriptions and headers of natskit-bench, and their troubles in one line. Opened and closed
 * by the main thread. */
#include "tool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_MS 5000

void tool_client_fail(struct tool_client *client, const char *what, natskit_status status,
                      const natskit_error *err)
{
    natskit_status_info info = {.name = "?", .text = "?"};
    if (client->trouble[0] == '\0') {
        (void)natskit_status_describe(status, &info, sizeof info);
        bool words = err != NULL && err->text[0] != '\0';
        snprintf(client->trouble, sizeof client->trouble, "%s: %s [%s]", what, words ? err->text : info.text,
                 info.name);
    }
}

bool tool_client_event(struct tool_client *client)
{
    natskit_msg *msg;
    bool found = false;
    while (!found && natskit_sub_next(client->events, 0, &msg) == NATSKIT_OK) {
        natskit_event_view view;
        if (natskit_msg_event(msg, &view, sizeof view) == NATSKIT_OK && view.status != NATSKIT_CLOSED &&
            (view.type == NATSKIT_EVENT_ASYNC_ERROR || view.type == NATSKIT_EVENT_DISCONNECTED)) {
            natskit_error err = {0};
            snprintf(err.text, sizeof err.text, "%.*s", (int)view.text_len,
                     view.text != NULL ? view.text : "");
            tool_client_fail(client, view.type == NATSKIT_EVENT_ASYNC_ERROR ? "server" : "disconnected",
                             view.status, &err);
            found = true;
        }
        natskit_msg_release(msg);
    }
    return found;
}

static bool open_headers(struct tool_client *client, unsigned count)
{
    natskit_error err = {0};
    natskit_status status = natskit_headers_open(&client->headers);
    for (unsigned i = 1; i <= count && status == NATSKIT_OK; i++) {
        char name[32];
        char value[32];
        snprintf(name, sizeof name, "Bench-%u", i);
        snprintf(value, sizeof value, "value %u", i);
        status = natskit_headers_add(client->headers, name, NATSKIT_ZLEN, value, NATSKIT_ZLEN, &err);
    }
    if (status != NATSKIT_OK) {
        tool_client_fail(client, "headers", status, &err);
    }
    return status == NATSKIT_OK;
}

static bool open_client(struct tool_client *client, bool receives)
{
    const struct tool_setup *setup = &client->tool->setup;
    natskit_error err = {0};
    natskit_status status =
        natskit_connect(setup->url, NATSKIT_ZLEN, setup->connect, CONNECT_MS, &client->conn, &err);
    if (status != NATSKIT_OK) {
        tool_client_fail(client, "connect", status, &err);
        return false;
    }
    status = natskit_conn_events(client->conn, (natskit_options){0}, &client->events, &err);
    if (status == NATSKIT_OK && receives) {
        status = natskit_subscribe(client->conn, setup->subject, NATSKIT_ZLEN, setup->queue, NATSKIT_ZLEN,
                                   setup->subscribe, &client->sub, &err);
        status = status == NATSKIT_OK ? natskit_flush(client->conn, CONNECT_MS) : status;
    }
    if (status != NATSKIT_OK) {
        tool_client_fail(client, "subscribe", status, &err);
        return false;
    }
    return !tool_client_event(client) && (setup->headers == 0 || open_headers(client, setup->headers));
}

bool tool_open(struct tool *tool)
{
    struct tool_setup *setup = &tool->setup;
    bool sends = setup->mode == TOOL_PUB || setup->mode == TOOL_PUBSUB || setup->mode == TOOL_REQ;
    bool receives = setup->mode == TOOL_SUB || setup->mode == TOOL_PUBSUB || setup->mode == TOOL_REPLY;
    unsigned count = (sends ? setup->clients : 0) + (receives ? setup->clients : 0);
    tool->clients = aligned_alloc(_Alignof(struct tool_client), count * sizeof *tool->clients);
    tool->payload = malloc(setup->size + 1);
    if (tool->clients == NULL || tool->payload == NULL) {
        fputs("natskit-bench: no memory\n", stderr);
        return false;
    }
    memset(tool->clients, 0, count * sizeof *tool->clients);
    memset(tool->payload, 'x', setup->size + 1);
    tool->senders = sends ? setup->clients : 0;
    tool->receivers = receives ? setup->clients : 0;
    for (unsigned i = 0; i < count; i++) {
        struct tool_client *client = &tool->clients[i];
        client->tool = tool;
        if (setup->mode == TOOL_REQ) {
            client->latency = calloc(1, sizeof *client->latency);
        }
        if (!open_client(client, i >= tool->senders) ||
            (setup->mode == TOOL_REQ && client->latency == NULL)) {
            fprintf(stderr, "natskit-bench: %s\n",
                    client->trouble[0] != '\0' ? client->trouble : "no memory");
            return false;
        }
    }
    (void)natskit_conn_info_get(tool->clients[0].conn, &tool->server, sizeof tool->server);
    return true;
}

void tool_close(struct tool *tool)
{
    unsigned count = tool->clients != NULL ? tool->senders + tool->receivers : 0;
    for (unsigned i = 0; i < count; i++) {
        struct tool_client *client = &tool->clients[i];
        natskit_conn_close(client->conn, 0); /* what counts was flushed before */
        natskit_sub_close(client->sub);
        natskit_sub_close(client->events);
        natskit_headers_close(client->headers);
        free(client->latency);
    }
    free(tool->clients);
    free(tool->payload);
    natskit_options_close(tool->setup.connect);
    natskit_options_close(tool->setup.subscribe);
    natskit_options_close(tool->setup.request);
}
