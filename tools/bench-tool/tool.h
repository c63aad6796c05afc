/* SPDX-License-Identifier: Apache-2.0
 *
 * natskit-bench: what its parts share. The main thread reads the arguments, opens the connections, starts one
 * thread for each, waits for their notes on a pipe, and reports. */
#ifndef TOOL_H
#define TOOL_H

#include <natskit.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOOL_BATCH_MAX 4096
#define TOOL_IN_FLIGHT_MAX 4096
#define TOOL_CLIENTS_MAX 1000
#define TOOL_SLICE_MS 200 /* a blocked thread looks this often whether it shall stop */

/* Exit codes. */
#define TOOL_EXIT_OK 0
#define TOOL_EXIT_FAILED 1
#define TOOL_EXIT_USAGE 2
#define TOOL_EXIT_LOST 3

enum tool_mode {
    TOOL_PUB,
    TOOL_SUB,
    TOOL_PUBSUB,
    TOOL_REQ,
    TOOL_REPLY,
};

struct tool_setup {
    enum tool_mode mode;
    const char *mode_name;
    const char *subject;
    const char *url;
    const char *queue; /* "" if none */
    uint64_t msgs;     /* reply: 0 for no end */
    uint64_t warmup;   /* of each publisher or requester */
    size_t size;
    bool size_given;
    unsigned clients;
    unsigned batch;
    unsigned headers;
    unsigned in_flight;
    int64_t wait_ms; /* without progress for that long it ends */
    bool json;
    natskit_options connect;
    natskit_options subscribe;
    natskit_options request;
};

/* Durations in classes, each less than 1 % wide. */
#define TOOL_LATENCY_STEPS 128
#define TOOL_LATENCY_CLASSES (58 * TOOL_LATENCY_STEPS)
struct tool_latency {
    uint64_t classes[TOOL_LATENCY_CLASSES];
    uint64_t count;
    uint64_t max_ns;
};
void tool_latency_add(struct tool_latency *latency, uint64_t ns);
void tool_latency_merge(struct tool_latency *into, const struct tool_latency *from);
/* The duration that `share` of them (0 to 1) did not exceed. */
uint64_t tool_latency_at(const struct tool_latency *latency, double share);

struct tool;

/* One connection and its thread. Written by that thread alone while it runs; `done` is read by others. */
struct tool_client {
    struct tool *tool;
    void (*work)(struct tool_client *client);
    natskit_conn conn;
    natskit_sub events;
    natskit_sub sub;
    natskit_headers headers;
    pthread_t thread;
    bool started;
    uint64_t share;  /* messages to send, or to receive */
    uint64_t warmup; /* the same for those before the clock starts */
    uint64_t failed; /* requests without a reply */
    uint64_t bytes;  /* of payloads, sent or received, warm-up included */
    uint64_t end_ns;
    struct tool_latency *latency; /* requests only */
    char trouble[600];            /* why it failed; "" if it did not */
    _Alignas(64) _Atomic uint64_t done;
};

/* Notes from the threads and the signal handler to the main thread, one byte each. */
#define TOOL_NOTE_WARM 'w'   /* a publisher or subscriber has done its warm-up */
#define TOOL_NOTE_DONE 'd'   /* a share is done */
#define TOOL_NOTE_ENDED 'e'  /* a thread ends */
#define TOOL_NOTE_FAILED 'f' /* `trouble` tells why */
#define TOOL_NOTE_SIGNAL 's' /* SIGINT, SIGTERM */

struct tool {
    struct tool_setup setup;
    struct tool_client *clients; /* senders first, then receivers */
    unsigned senders;
    unsigned receivers;
    char *payload;
    natskit_conn_info server;

    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool go; /* under lock: the warm-up is over */

    int pipe[2];
    unsigned notes[128]; /* main thread: how often each was read */
    _Atomic bool stopping;
    _Atomic uint64_t received; /* members of a queue group together */

    _Atomic bool clock_runs;
    uint64_t begin_ns; /* by who set clock_runs */
    uint64_t begin_cpu_ns;
    uint64_t end_cpu_ns;
};

/* What is reported. */
struct tool_figures {
    uint64_t sent; /* pub, pubsub: accepted by the library and confirmed by the server */
    uint64_t received;
    uint64_t bytes; /* of payloads: received, or, by pub, sent */
    uint64_t lost;
    uint64_t dropped; /* of those: by full queues of this program */
    double send_seconds;
    double seconds;
    double cpu_us; /* for each message */
    bool complete; /* it came to its own end, so that what is missing is lost */
    bool signalled;
    struct tool_latency *latency; /* or NULL */
};

/* options.c: reads the arguments; returns an exit code, or -1 to go on. */
int tool_setup_read(struct tool_setup *setup, int argc, char **argv);

/* clients.c: opens connections and subscriptions; on failure says why and returns false. */
bool tool_open(struct tool *tool);
void tool_close(struct tool *tool);
/* Keeps the first trouble that the events of the connection tell of, but for our own closing; false if there
 * is none. */
bool tool_client_event(struct tool_client *client);
/* Keeps "WHAT: TEXT [NAME]" of a status as the client's trouble; `err` may be NULL. */
void tool_client_fail(struct tool_client *client, const char *what, natskit_status status,
                      const natskit_error *err);

/* work.c: what the threads do. */
void tool_publish(struct tool_client *client);
void tool_receive(struct tool_client *client);

/* request.c */
void tool_request(struct tool_client *client);
void tool_request_in_flight(struct tool_client *client);

/* run.c: starts the threads, waits, and gathers the figures; returns an exit code. */
int tool_run(struct tool *tool, struct tool_figures *figures);
void tool_note(struct tool *tool, char note);
void tool_clock_start(struct tool *tool);
/* Waits until the warm-up of all is over; false if the program stops. */
bool tool_wait_go(struct tool *tool);
static inline bool tool_stopping(struct tool *tool)
{
    return atomic_load_explicit(&tool->stopping, memory_order_relaxed);
}
static inline void tool_count(struct tool_client *client, uint64_t more)
{
    uint64_t done = atomic_load_explicit(&client->done, memory_order_relaxed);
    atomic_store_explicit(&client->done, done + more, memory_order_relaxed);
}

/* report.c */
uint64_t tool_now(void);
uint64_t tool_cpu(void);
void tool_report(const struct tool *tool, const struct tool_figures *figures);

#endif
