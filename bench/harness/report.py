# SPDX-License-Identifier: Apache-2.0
"""Medians of the runs, the tables, and the targets."""

import os
import platform
import statistics
from dataclasses import replace

from .execute import DISTURBED
from .matrix import Case, cases
from .targets import every

WORDS = {
    "pub": "publish",
    "sub": "receive",
    "req": "request, one at a time",
    "req64": "requests, 64 in flight",
    "js_pub": "JetStream, publish",
    "js_consume": "JetStream, consume",
    "js_fetch": "JetStream, fetches of 1,000",
    "kv_watch": "KV, watch of a bucket that is full",
    "kv_get": "KV, get",
    "kv_get64": "KV, gets, 64 in flight",
    "kv_keys": "KV, keys of a bucket",
    "kv_cached": "KV, look-up in a cache",
    "kv_put": "KV, put",
    "obj_put": "object store, put",
    "obj_get": "object store, get",
    "idle_subs": "1,000 idle subscriptions",
    "idle_conns": "100 idle connections",
    "connect": "connect and close",
}
SUFFIXES = {"": "", "_hdr": ", 2 headers", "_read": ", 2 headers, one read", "_ack": ", explicit ack"}
UNUSABLE = 0.15
RATIO_TO = ("nats.c", "nats-py", "nats-py+uvloop", "nats.js", "lua-nats")
KEYS = ("cpu", "rate", "p50_us", "p99_us", "threads", "each_bytes", "hwm_kib", "switches", "foreign", "n")


def medians(runs):
    """{(case, peer, way): {metric: median}} of a list of (case, peer, way, result)."""
    grouped = {}
    for case, peer, way, result in runs:
        grouped.setdefault((case, peer, way), []).append(result)
    found = {}
    for key, results in grouped.items():
        # Chosen by what others did on the machine, never by what came out.
        results = [r for r in results if r["foreign"] <= UNUSABLE] or results
        one = {k: statistics.median(r[k] for r in results) for k in KEYS if all(k in r for r in results)}
        one["runs"] = len(results)
        if "each_bytes" in one:
            one["each_kib"] = one["each_bytes"] / 1024
        found[key] = one
    return found


def best(found, case, peer, ways, metric, relation="<="):
    """The best of the ways of a peer by a metric; None without one."""
    values = [
        one[metric]
        for (its_case, its_peer, way), one in found.items()
        if its_case == case and its_peer == peer and (not ways or way in ways) and metric in one
    ]
    if not values:
        return None
    return min(values) if relation == "<=" else max(values)


def time_text(seconds):
    for unit, scale in (("s", 1), ("ms", 1e3), ("µs", 1e6)):
        if seconds * scale >= (1 if unit == "s" else 1.5):
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def rate_text(rate):
    for unit, scale in ((" M", 1e6), (" k", 1e3)):
        if rate >= scale:
            return f"{rate / scale:.3g}{unit}"
    return f"{rate:.0f}"


def title(case):
    size = {0: "", 65536: ", 64 KiB", 1024: ", 1 KiB"}.get(case.size, f", {case.size} B")
    return f"{WORDS[case.name]}{size}{SUFFIXES[case.suffix]} ({case.where})"


def table(found, case, peers, shown):
    """Lines of one case's table, or none if it was not run."""
    rows = []
    for peer in peers:
        for way in peer.ways_of(case.name):
            one = found.get((case, peer.name, way))
            if one is None:
                continue
            cells = [peer.name, way, rate_text(one["rate"]), time_text(one["cpu"])]
            for other in shown:
                base = best(found, case, other, (), "cpu")
                cells.append(f"{one['cpu'] / base:.2f}" if base and other != peer.name else "")
            cells += [f"{one['hwm_kib'] / 1024:.0f}", f"{one['threads']:.0f}", f"{1e3 * one['switches'] / one['n']:.0f}"]
            more = f"p50 {one['p50_us']:.0f} µs, p99 {one['p99_us']:.0f} µs" if "p50_us" in one else ""
            if "each_kib" in one:
                more = f"{one['each_kib']:.2f} KiB each"
            rows.append([*cells, more, f"{one['runs']}", f"{100 * one['foreign']:.0f} %"])
    if not rows:
        return []
    head = ["client", "way", "per second", "CPU each", *(f"/ {o}" for o in shown)]
    head += ["peak MiB", "threads", "switches /1k", "", "runs", "foreign"]
    lines = [f"### {title(case)}", "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def as_case(target):
    name, suffix = target.case, ""
    for tail in ("_hdr", "_read", "_ack"):
        if name.endswith(tail):
            name, suffix = name.removesuffix(tail), tail
    return Case(name, suffix, target.size, target.where)


def judged(found, target):
    """(ratio or number, our value, reference, passed), or None where a run is missing."""
    case = as_case(target)
    ours = best(found, case, target.peer, target.ways, target.metric, target.relation)
    base = 1.0
    if target.against:
        # CPU of 64 in flight is compared with the peer's best way, as its rate is.
        other = replace(target, case=target.against_case or target.case)
        base = best(found, as_case(other), target.against, target.against_ways, target.metric, target.relation)
    if ours is None or not base:
        return None
    ratio = ours / base
    passed = ratio <= target.limit if target.relation == "<=" else ratio >= target.limit
    return ratio, ours, base, passed


def value_text(metric, value):
    if metric == "cpu":
        return time_text(value)
    if metric == "p50_us":
        return time_text(value / 1e6)
    return rate_text(value) if metric == "rate" else f"{value:.3g}"


def targets(found):
    """(lines of the table, passed, failed, missing)."""
    lines = ["| | client | way | measure | ours | peer | its | target | reached | |", "|" + "---|" * 10]
    passed = failed = missing = 0
    for t in every():
        verdict = judged(found, t)
        metric = {"cpu": "CPU", "rate": "rate", "p50_us": "p50", "threads": "threads", "each_kib": "KiB"}[t.metric]
        sign = "≤" if t.relation == "<=" else "≥"
        limit = f"{sign} {t.limit:g} ×" if t.against else f"{sign} {value_text(t.metric, t.limit)}"
        row = [t.title, t.peer, ", ".join(w.removeprefix("sub_") for w in t.ways), metric]
        if verdict is None:
            missing += 1
            row += ["", t.against, "", limit, "", "not run"]
        else:
            ratio, ours, base, good = verdict
            passed, failed = passed + good, failed + (not good)
            against = value_text(t.metric, base) if t.against else ""
            reached = f"{ratio:.3g} ×" if t.against else value_text(t.metric, ours)
            row += [value_text(t.metric, ours), t.against, against, limit, reached, "pass" if good else "**FAIL**"]
        lines.append("| " + " | ".join(row) + " |")
    return lines, passed, failed, missing


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return f"{os.cpu_count()} × {model}, Linux {platform.release().split('-')[0]}"


def document(runs, peers, versions, note):
    """All of it, as Markdown."""
    found = medians(runs)
    shown = [name for name in RATIO_TO if any(key[1] == name for key in found)]
    foreign = statistics.median(run[3]["foreign"] for run in runs)
    disturbed = sum(run[3]["foreign"] > DISTURBED for run in runs) / len(runs)
    quiet = f"Other processes took {100 * foreign:.0f} % of the machine in the median run, and more than "
    quiet += f"{100 * DISTURBED:.0f} % in {100 * disturbed:.0f} % of the {len(runs)} runs."
    parts = [f"{note} {machine()}.", "", quiet, "", "Versions: " + ", ".join(f"{k} {v}" for k, v in versions.items()) + ".", ""]
    rows, passed, failed, missing = targets(found)
    parts += [f"### Targets: {passed} passed, {failed} failed, {missing} not run", "", *rows, ""]
    for case in cases():
        parts += table(found, case, peers, shown)
    return "\n".join(parts)
