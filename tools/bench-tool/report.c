/* SPDX-License-Identifier: Apache-2.0
 *
 * Clocks and the report of natskit-bench, for people or as one line of JSON. */
#include "tool.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

uint64_t tool_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

uint64_t tool_cpu(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return ((uint64_t)usage.ru_utime.tv_sec + (uint64_t)usage.ru_stime.tv_sec) * 1000000000U +
           ((uint64_t)usage.ru_utime.tv_usec + (uint64_t)usage.ru_stime.tv_usec) * 1000U;
}

static double per_second(uint64_t count, double seconds)
{
    return seconds > 0 ? (double)count / seconds : 0;
}

static double mib(uint64_t bytes, double seconds)
{
    return per_second(bytes, seconds) / (1024.0 * 1024.0);
}

static void rate(const char *name, uint64_t count, uint64_t bytes, double seconds)
{
    printf("  %-10s %" PRIu64 " messages in %.3f s: %.0f messages/s, %.1f MiB/s\n", name, count, seconds,
           per_second(count, seconds), mib(bytes, seconds));
}

static void for_people(const struct tool *tool, const struct tool_figures *figures)
{
    const struct tool_setup *setup = &tool->setup;
    static const char *const names[] = {"published", "received", "received", "replies", "answered"};
    uint64_t msgs = setup->mode == TOOL_PUB ? figures->sent : figures->received;
    printf("%s %s: %u client%s, %" PRIu64 " bytes each; server %s at %s%s\n", setup->mode_name,
           setup->subject, setup->clients, setup->clients == 1 ? "" : "s",
           msgs > 0 ? figures->bytes / msgs : 0, tool->server.version, tool->server.url,
           figures->signalled ? "; ended by a signal" : "");
    if (setup->mode == TOOL_PUBSUB) {
        rate("published", figures->sent, figures->sent * setup->size, figures->send_seconds);
    }
    rate(names[setup->mode], msgs, figures->bytes, figures->seconds);
    printf("  %-10s %.3f us for each message%s\n", "client CPU", figures->cpu_us,
           setup->mode == TOOL_PUBSUB ? " received, publishing included" : "");
    if (figures->latency != NULL && figures->latency->count > 0) {
        const struct tool_latency *l = figures->latency;
        printf("  %-10s p50 %.1f us, p90 %.1f us, p99 %.1f us, max %.1f us\n", "latency",
               (double)tool_latency_at(l, 0.5) / 1e3, (double)tool_latency_at(l, 0.9) / 1e3,
               (double)tool_latency_at(l, 0.99) / 1e3, (double)l->max_ns / 1e3);
    }
    if (setup->mode == TOOL_REQ) {
        printf("  %-10s %" PRIu64 " requests\n", "unanswered", figures->lost);
    } else if (figures->complete && (setup->mode == TOOL_SUB || setup->mode == TOOL_PUBSUB)) {
        printf("  %-10s %" PRIu64 " messages", "lost", figures->lost);
        if (figures->dropped > 0) {
            printf(" (%" PRIu64 " dropped by full queues here: option pending_msgs_limit)", figures->dropped);
        }
        printf("\n");
    }
}

/* The subject and url as JSON has them; control characters are in neither. */
static void quoted(const char *name, const char *text)
{
    printf("\"%s\":\"", name);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            putchar('\\');
        }
        putchar(*text);
    }
    printf("\",");
}

static void as_json(const struct tool *tool, const struct tool_figures *figures)
{
    const struct tool_setup *setup = &tool->setup;
    bool sent_only = setup->mode == TOOL_PUB;
    uint64_t msgs = sent_only ? figures->sent : figures->received;
    printf("{");
    quoted("mode", setup->mode_name);
    quoted("subject", setup->subject);
    quoted("server", tool->server.url);
    quoted("server_version", tool->server.version);
    printf("\"clients\":%u,\"size\":%" PRIu64 ",\"headers\":%u,\"batch\":%u,\"in_flight\":%u,",
           setup->clients, msgs > 0 ? figures->bytes / msgs : 0, setup->headers, setup->batch,
           setup->in_flight);
    printf("\"messages\":%" PRIu64 ",\"seconds\":%.6f,\"msgs_per_s\":%.1f,\"mib_per_s\":%.3f,", msgs,
           figures->seconds, per_second(msgs, figures->seconds), mib(figures->bytes, figures->seconds));
    if (setup->mode == TOOL_PUBSUB) {
        printf("\"published\":%" PRIu64 ",\"publish_seconds\":%.6f,\"published_per_s\":%.1f,", figures->sent,
               figures->send_seconds, per_second(figures->sent, figures->send_seconds));
    }
    if (figures->latency != NULL && figures->latency->count > 0) {
        const struct tool_latency *l = figures->latency;
        printf("\"latency_us\":{\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"max\":%.3f},",
               (double)tool_latency_at(l, 0.5) / 1e3, (double)tool_latency_at(l, 0.9) / 1e3,
               (double)tool_latency_at(l, 0.99) / 1e3, (double)l->max_ns / 1e3);
    }
    printf("\"cpu_us_per_msg\":%.4f,\"lost\":%" PRIu64 ",\"dropped\":%" PRIu64 ",\"signalled\":%s}\n",
           figures->cpu_us, figures->lost, figures->dropped, figures->signalled ? "true" : "false");
}

void tool_report(const struct tool *tool, const struct tool_figures *figures)
{
    if (tool->setup.json) {
        as_json(tool, figures);
    } else {
        for_people(tool, figures);
    }
    fflush(stdout);
}
