#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/options.md from core/options/options.def; with --check says whether it is up to date."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "core/options/options.def"
PAGE = ROOT / "docs/options.md"
ROW = re.compile(
    r'OPTION\(\s*(\w+),\s*\w+,\s*(\w+),\s*"([^"]*)",\s*"([^"]*)",\s*"([^"]*)",\s*(-?\d+),\s*(-?\d+),\s*(\d),'
    r'\s*"([^"]*)",\s*"([^"]*)"\s*\)', re.S)
SCOPES = {"CONNECT": "Connecting", "SUBSCRIBE": "Subscribing", "REQUEST": "Requests",
          "REQUEST_MANY": "Requests for many replies", "EVENTS": "Event subscriptions",
          "AUTH": "Answers to the request for credentials",
          "USER_JWT": "Issuing JWTs of users",
          "JETSTREAM": "JetStream contexts", "PUBLISHER": "Publishers", "FETCH": "Fetching", "CONSUME": "Consuming",
          "ORDERED": "Reading in order", "PUSH": "Push consumers", "BATCH": "Atomic batches", "GET_BATCH": "Reading stored messages directly",
          "GET_LAST": "Reading last messages directly", "KV": "Opening buckets",
          "KV_WATCH": "Watching keys", "KV_SWEEP": "Changing many keys",
          "KV_MANY": "Getting several keys", "INGEST": "Fast ingest",
          "SERVICE": "Services", "OBJECT_PUT": "Putting an object",
          "OBJECT_WATCH": "Watching an object store"}
WHAT = {"STRING": "bytes", "TEXT": "bytes", "LIST": "entries", "INTEGER": "", "BOOLEAN": "", "DURATION": "ms"}


def bounds(kind, unit, low, high):
    if kind == "BOOLEAN":
        return "true, false"
    if kind == "CHOICE":
        return ", ".join(unit.split("|"))
    return f"{int(low):,} to {int(high):,} {unit or WHAT[kind]}".strip()


def page():
    rows = ROW.findall(TABLE.read_text(encoding="utf-8"))
    unknown = {r[0] for r in rows} - set(SCOPES)
    if unknown:
        sys.exit(f"tools/options_page.py: no title for options of {', '.join(sorted(unknown))}")
    lines = ["# Options", "", "Made by `tools/options_page.py` from `core/options/options.def`; the names are the same in every language.", ""]
    for scope, title in SCOPES.items():
        mine = [r for r in rows if r[0] == scope]
        if not mine:
            continue
        lines += [f"## {title}", "", "| name | type | default | bounds | meaning | since |", "|---|---|---|---|---|---|"]
        for _, kind, name, default, unit, low, high, secret, since, text in mine:
            shown = f"`{default}`" if default else ""
            note = " Secret: never shown." if secret == "1" else ""
            lines.append(f"| `{name}` | {kind.lower()} | {shown} | {bounds(kind, unit, low, high)} | {text}{note} | {since} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def main():
    text = page()
    if "--check" in sys.argv[1:]:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
            print("docs/options.md: not what tools/options_page.py writes; run it")
            return 1
        return 0
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
