#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the tables of calls and fields into docs/jetstream.md from calls.def and fields.def; with --check says whether
they are up to date."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/jetstream.md"
CALLS = (ROOT / "core/jetstream/calls.def", ROOT / "core/kv/calls.def")
FIELDS = ROOT / "core/jetstream/fields.def"
TEXT = r'"((?:[^"\\]|\\.)*)"'
CALL = re.compile(rf'^CALL\({TEXT}, {TEXT}, (\w+), (\w+), ([01]), {TEXT}, {TEXT}, {TEXT}\)$', re.M)
FIELD = re.compile(rf'^FIELD\((\w+), (\w+), (\w+), {TEXT}, (\d+), {TEXT}\)$', re.M)
BEGIN = "<!-- {}: made by tools/calls_page.py -->\n"
END = "<!-- end -->\n"


def plain(text):
    return text.replace('\\"', '"').replace("|", "\\|")


def rows(path, pattern, word):
    source = path.read_text(encoding="utf-8")
    found = pattern.findall(source)
    if len(found) != len(re.findall(rf"^{word}\(", source, re.M)):
        sys.exit(f"{path.name}: a row of it is not as this tool reads them")
    return found


def calls_table():
    lines = ["| call | arguments | reads | since | what it does |", "|---|---|---|---|---|"]
    for name, _, _, _, reads, args, since, text in (row for path in CALLS for row in rows(path, CALL, "CALL")):
        shown = " ".join(f"**{a[:-1]}**" if a.endswith("!") else a for a in args.split())
        lines.append(f"| `{name}` | {shown} | {'yes' if reads == '1' else ''} | {since} | {plain(text)} |")
    return "\n".join(lines) + "\n"


def fields_table():
    lines = ["| of | field | type | level | meaning |", "|---|---|---|---|---|"]
    for of, name, kind, values, level, text in rows(FIELDS, FIELD, "FIELD"):
        shown = kind.lower() + (f": {', '.join(values.split('|'))}" if values else "")
        lines.append(f"| {of} | `{name}` | {shown} | {level if level != '0' else ''} | {plain(text)} |")
    return "\n".join(lines) + "\n"


def with_table(text, word, table):
    begin = BEGIN.format(word)
    before, rest = text.split(begin, 1)
    return before + begin + table + END + rest.split(END, 1)[1]


def main():
    text = PAGE.read_text(encoding="utf-8")
    made = with_table(with_table(text, "calls", calls_table()), "fields", fields_table())
    if "--check" in sys.argv[1:]:
        if made != text:
            print("docs/jetstream.md: not what tools/calls_page.py writes; run it")
            return 1
        return 0
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
