/* SPDX-License-Identifier: Apache-2.0
 *
 * How a run of natskit-bench goes: threads are started, their notes come through a pipe, to which the handler
 * of signals writes, too; so the main thread sleeps in one poll until something happens. */
#include "tool.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STOP_MS 2000 /* time for the threads to end by themselves */

static int signal_pipe = -1;
static volatile sig_atomic_t signal_number;

static void on_signal(int number)
{
    int saved = errno;
    signal_number = number;
    ssize_t ignored = write(signal_pipe, &(char){TOOL_NOTE_SIGNAL}, 1);
    (void)ignored;
    errno = saved;
}

void tool_note(struct tool *tool, char note)
{
    while (write(tool->pipe[1], &note, 1) < 0 && errno == EINTR) {
    }
}

void tool_clock_start(struct tool *tool)
{
    if (!atomic_load_explicit(&tool->clock_runs, memory_order_relaxed) &&
        !atomic_exchange(&tool->clock_runs, true)) {
        tool->begin_ns = tool_now();
        tool->begin_cpu_ns = tool_cpu();
    }
}

bool tool_wait_go(struct tool *tool)
{
    pthread_mutex_lock(&tool->lock);
    while (!tool->go) {
        pthread_cond_wait(&tool->wake, &tool->lock);
    }
    pthread_mutex_unlock(&tool->lock);
    return !tool_stopping(tool);
}

static void set_go(struct tool *tool)
{
    pthread_mutex_lock(&tool->lock);
    tool->go = true;
    pthread_cond_broadcast(&tool->wake);
    pthread_mutex_unlock(&tool->lock);
}

static void *thread_main(void *argument)
{
    struct tool_client *client = argument;
    client->work(client);
    if (client->trouble[0] != '\0') {
        tool_note(client->tool, TOOL_NOTE_FAILED);
    }
    tool_note(client->tool, TOOL_NOTE_ENDED);
    return NULL;
}

static uint64_t progress(const struct tool *tool)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < tool->senders + tool->receivers; i++) {
        sum += atomic_load_explicit(&tool->clients[i].done, memory_order_relaxed);
    }
    return sum;
}

enum until {
    CAME,
    IDLE,
    SIGNALLED,
    FAILED,
};

/* Reads notes until `note` has come `count` times. Without progress for `idle_ms` (-1: no limit) it is IDLE.
 */
static enum until wait_for(struct tool *tool, char note, unsigned count, int64_t idle_ms, bool alarms)
{
    uint64_t last = progress(tool);
    uint64_t since = tool_now();
    while (tool->notes[(unsigned char)note] < count) {
        struct pollfd readable = {.fd = tool->pipe[0], .events = POLLIN};
        char notes[256];
        if (alarms && tool->notes[TOOL_NOTE_FAILED] > 0) {
            return FAILED;
        }
        if (alarms && tool->notes[TOOL_NOTE_SIGNAL] > 0) {
            return SIGNALLED;
        }
        int64_t passed = (int64_t)((tool_now() - since) / 1000000);
        int64_t left = idle_ms < 0 ? -1 : idle_ms > passed ? idle_ms - passed : 0;
        int ready = poll(&readable, 1, (int)left);
        if (ready == 0) {
            uint64_t now = progress(tool);
            bool waits_for_first = now == 0 && tool->setup.mode == TOOL_SUB;
            if (now == last && !waits_for_first) {
                return IDLE;
            }
            last = now;
            since = tool_now();
            continue;
        }
        ssize_t len = ready > 0 ? read(tool->pipe[0], notes, sizeof notes) : 0;
        for (ssize_t i = 0; i < len; i++) {
            tool->notes[(unsigned char)notes[i] & 127]++;
        }
    }
    return CAME;
}

static bool start_threads(struct tool *tool)
{
    const struct tool_setup *setup = &tool->setup;
    bool group = setup->queue[0] != '\0';
    for (unsigned i = 0; i < tool->senders + tool->receivers; i++) {
        struct tool_client *client = &tool->clients[i];
        if (i < tool->senders) {
            client->share = setup->msgs / tool->senders + (i < setup->msgs % tool->senders ? 1 : 0);
            client->warmup = setup->warmup;
            client->work = setup->mode != TOOL_REQ ? tool_publish
                           : setup->in_flight > 1  ? tool_request_in_flight
                                                   : tool_request;
        } else {
            client->share = setup->msgs;
            client->warmup = setup->mode == TOOL_PUBSUB ? setup->warmup * tool->senders : 0;
            client->work = tool_receive;
        }
        int code = pthread_create(&client->thread, NULL, thread_main, client);
        if (code != 0) {
            fprintf(stderr, "natskit-bench: no thread: %s\n", strerror(code));
            return false;
        }
        client->started = true;
    }
    if (setup->mode == TOOL_SUB || setup->mode == TOOL_REPLY) {
        fprintf(stderr, "natskit-bench: subscribed to %s%s%s at %s, Ctrl-C ends\n", setup->subject,
                group ? ", queue group " : "", setup->queue, tool->server.url);
    }
    return true;
}

/* All threads end: by themselves, or because their connections are closed. */
static void stop_threads(struct tool *tool)
{
    unsigned count = tool->senders + tool->receivers;
    unsigned started = 0;
    for (unsigned i = 0; i < count; i++) {
        started += tool->clients[i].started ? 1 : 0;
    }
    atomic_store(&tool->stopping, true);
    set_go(tool);
    if (wait_for(tool, TOOL_NOTE_ENDED, started, STOP_MS, false) != CAME) {
        for (unsigned i = 0; i < count; i++) {
            natskit_conn_close(tool->clients[i].conn, 0);
        }
    }
    for (unsigned i = 0; i < count; i++) {
        if (tool->clients[i].started) {
            pthread_join(tool->clients[i].thread, NULL);
        }
    }
}

/* Through the warm-up to the end of the work. */
static enum until follow(struct tool *tool)
{
    const struct tool_setup *setup = &tool->setup;
    unsigned reports = setup->queue[0] != '\0' && tool->receivers > 0 ? 1 : tool->receivers;
    unsigned warm = tool->senders + (setup->mode == TOOL_PUBSUB && setup->warmup > 0 ? reports : 0);
    enum until until = wait_for(tool, TOOL_NOTE_WARM, warm, setup->wait_ms, true);
    if (until != CAME) {
        return until == IDLE ? FAILED : until;
    }
    if (tool->senders > 0) {
        tool_clock_start(tool);
    }
    set_go(tool);
    /* Requests and flushes have their own deadline, the same, and say more when it has passed. */
    int64_t idle_ms = setup->mode == TOOL_REPLY ? -1
                      : reports == 0            ? setup->wait_ms + STOP_MS
                                                : setup->wait_ms;
    until = wait_for(tool, TOOL_NOTE_DONE, tool->senders + reports, idle_ms, true);
    tool->end_cpu_ns = tool_cpu();
    return until;
}

static void gather(struct tool *tool, enum until until, struct tool_figures *figures)
{
    const struct tool_setup *setup = &tool->setup;
    uint64_t sent_end = tool->begin_ns;
    uint64_t end = tool->begin_ns;
    for (unsigned i = 0; i < tool->senders + tool->receivers; i++) {
        struct tool_client *client = &tool->clients[i];
        bool sends = i < tool->senders;
        natskit_sub_stats stats = {0};
        uint64_t *last = sends && tool->receivers > 0 ? &sent_end : &end;
        *last = client->end_ns > *last ? client->end_ns : *last;
        *(sends && setup->mode != TOOL_REQ ? &figures->sent : &figures->received) +=
            atomic_load(&client->done);
        figures->bytes += sends && tool->receivers > 0 ? 0 : client->bytes;
        figures->lost += client->failed;
        if (!sends && natskit_sub_stats_get(client->sub, &stats, sizeof stats) == NATSKIT_OK) {
            figures->dropped += stats.dropped_msgs;
        }
        if (client->latency != NULL && i > 0) {
            tool_latency_merge(tool->clients[0].latency, client->latency);
        }
    }
    unsigned copies = setup->queue[0] != '\0' ? 1 : tool->receivers;
    if (setup->mode == TOOL_PUBSUB) {
        uint64_t warm = setup->warmup * setup->clients * copies;
        figures->received -= warm < figures->received ? warm : figures->received;
        figures->bytes -= warm * setup->size < figures->bytes ? warm * setup->size : figures->bytes;
    }
    uint64_t wanted = (setup->mode == TOOL_PUBSUB ? figures->sent : setup->msgs) * copies;
    bool counts = setup->mode == TOOL_SUB || setup->mode == TOOL_PUBSUB;
    figures->complete = until == CAME || until == IDLE;
    figures->signalled = until == SIGNALLED;
    if (counts && figures->complete && figures->received < wanted) {
        figures->lost = wanted - figures->received;
    }
    uint64_t msgs = figures->received > 0 ? figures->received : figures->sent;
    figures->send_seconds = (double)(sent_end - tool->begin_ns) / 1e9;
    figures->seconds = (double)(end - tool->begin_ns) / 1e9;
    figures->cpu_us = msgs > 0 ? (double)(tool->end_cpu_ns - tool->begin_cpu_ns) / 1e3 / (double)msgs : 0;
    figures->latency = setup->mode == TOOL_REQ ? tool->clients[0].latency : NULL;
}

static void watch_signals(struct tool *tool)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | (int)SA_RESETHAND};
    signal_pipe = tool->pipe[1];
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* Says what went wrong, once; false if no client knows. */
static bool say_trouble(const struct tool *tool)
{
    for (unsigned i = 0; i < tool->senders + tool->receivers; i++) {
        struct tool_client *client = &tool->clients[i];
        if (client->trouble[0] != '\0' || tool_client_event(client)) {
            fprintf(stderr, "natskit-bench: %s\n", client->trouble);
            return true;
        }
    }
    return false;
}

static int failed(const struct tool *tool)
{
    if (say_trouble(tool)) {
        return TOOL_EXIT_FAILED;
    }
    fprintf(stderr, "natskit-bench: warm-up: not all messages came within %lld s\n",
            (long long)tool->setup.wait_ms / 1000);
    return TOOL_EXIT_LOST;
}

int tool_run(struct tool *tool, struct tool_figures *figures)
{
    if (pipe(tool->pipe) != 0) {
        fprintf(stderr, "natskit-bench: no pipe: %s\n", strerror(errno));
        return TOOL_EXIT_FAILED;
    }
    watch_signals(tool);
    bool started = start_threads(tool);
    enum until until = started ? follow(tool) : FAILED;
    stop_threads(tool);
    if (!started) {
        return TOOL_EXIT_FAILED;
    }
    if (until == FAILED) {
        return failed(tool);
    }
    if (!atomic_load(&tool->clock_runs)) { /* a signal before the first message */
        tool_clock_start(tool);
        tool->end_cpu_ns = tool->begin_cpu_ns;
    }
    if (until == IDLE) {
        (void)say_trouble(tool);
    }
    gather(tool, until, figures);
    tool_report(tool, figures);
    if (until == SIGNALLED) {
        return tool->setup.mode == TOOL_REPLY ? TOOL_EXIT_OK : 128 + (int)signal_number;
    }
    return figures->lost > 0 || until == IDLE ? TOOL_EXIT_LOST : TOOL_EXIT_OK;
}
