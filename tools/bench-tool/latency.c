/* SPDX-License-Identifier: Apache-2.0
 *
 * Durations of natskit-bench: 128 classes for each power of two, so that any number of requests takes the
 * same memory and a percentile is right within 1 %. */
#include "tool.h"

#include <string.h>

/* Below 128 ns each has its own class; above it the highest eight bits decide. */
static size_t class_of(uint64_t ns)
{
    if (ns < TOOL_LATENCY_STEPS) {
        return (size_t)ns;
    }
    unsigned shift = 63U - (unsigned)__builtin_clzll(ns) - 7U;
    return (size_t)(shift + 1) * TOOL_LATENCY_STEPS + (size_t)((ns >> shift) - TOOL_LATENCY_STEPS);
}

/* The greatest duration of a class. */
static uint64_t class_end(size_t class)
{
    if (class < TOOL_LATENCY_STEPS) {
        return class;
    }
    unsigned shift = (unsigned)(class / TOOL_LATENCY_STEPS) - 1;
    return ((TOOL_LATENCY_STEPS + class % TOOL_LATENCY_STEPS + 1) << shift) - 1;
}

void tool_latency_add(struct tool_latency *latency, uint64_t ns)
{
    latency->classes[class_of(ns)]++;
    latency->count++;
    latency->max_ns = ns > latency->max_ns ? ns : latency->max_ns;
}

void tool_latency_merge(struct tool_latency *into, const struct tool_latency *from)
{
    for (size_t i = 0; i < TOOL_LATENCY_CLASSES; i++) {
        into->classes[i] += from->classes[i];
    }
    into->count += from->count;
    into->max_ns = from->max_ns > into->max_ns ? from->max_ns : into->max_ns;
}

uint64_t tool_latency_at(const struct tool_latency *latency, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)latency->count + 0.999999);
    uint64_t seen = 0;
    for (size_t i = 0; i < TOOL_LATENCY_CLASSES; i++) {
        seen += latency->classes[i];
        if (seen > 0 && seen >= wanted) {
            uint64_t end = class_end(i);
            return end < latency->max_ns ? end : latency->max_ns;
        }
    }
    return latency->max_ns;
}
