#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the blocking face from the asyncio one: client, tests and examples.

    generate_sync.py          writes what is out of date
    generate_sync.py --check  tells what is out of date, and fails then

Words are replaced (`async def` by `def`, `await x` by `x`, ...). Where that is not enough, the source says so itself:
lines between `# [async]` and `# [end]` are left out, and `# [sync] text` becomes `text`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

WORDS = [
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\b__aenter__\b", "__enter__"),
    (r"\b__aexit__\b", "__exit__"),
    (r"\b__anext__\b", "__next__"),
    (r"\b__aiter__\b", "__iter__"),
    (r"\banext\(", "next("),
    (r"\bAsync(Connection|Events|Msg|Subscription)\b", r"Sync\1"),
    (r"\bStopAsyncIteration\b", "StopIteration"),
    (r"\basyncio\.run\((\w+\(.*?\))\)", r"\1"),
    (r"\bfrom \. import\b", "from .. import"),
    (r"\bfrom \._natskit import\b", "from .._natskit import"),
    (r"\bimport natskit\b", "import natskit.sync as natskit"),
    (r"\bimport face_async as face\b", "import face_sync as face"),
]


def jobs() -> list[tuple[Path, Path]]:
    """(source, what is made of it)"""
    package = ROOT / "bindings/python/natskit"
    found = [(package / "_client.py", package / "sync/_client.py")]
    tests = ROOT / "tests/python"
    for source in sorted(tests.glob("test_both_*.py")):
        found.append((source, tests / "sync" / source.name.replace("test_both_", "test_sync_")))
    examples = ROOT / "examples/python"
    for source in sorted(examples.glob("*.py")):
        if not source.stem.endswith("_sync"):
            found.append((source, source.with_name(source.stem + "_sync.py")))
    return found


def convert(text: str, name: str) -> str:
    """The blocking twin of a source."""
    lines = []
    skipping = False
    for line in text.split("\n"):
        mark = line.strip()
        if mark == "# [async]":
            skipping = True
        elif mark == "# [end]":
            skipping = False
        elif not skipping:
            found = re.match(r"^(\s*)# \[sync\] ?(.*)$", line)
            if found:
                line = (found.group(1) + found.group(2)).rstrip()
            else:
                for pattern, replacement in WORDS:
                    line = re.sub(pattern, replacement, line)
            lines.append(line)
    note = f"# Generated from {name} by bindings/python/tools/generate_sync.py: change that one.\n"
    result = "\n".join(lines)
    spdx = re.search(r"^# SPDX-License-Identifier: .*\n", result, re.M)
    assert spdx, f"{name} has no licence line"
    return result[: spdx.end()] + note + result[spdx.end() :]


def main() -> int:
    checking = sys.argv[1:] == ["--check"]
    stale = 0
    for source, target in jobs():
        text = convert(source.read_text(encoding="utf-8"), source.relative_to(ROOT).as_posix())
        if target.exists() and target.read_text(encoding="utf-8") == text:
            continue
        stale += 1
        name = target.relative_to(ROOT).as_posix()
        if checking:
            print(f"{name} is not what {source.relative_to(ROOT).as_posix()} gives")
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            target.chmod(source.stat().st_mode)
            print(f"{name} written")
    return 1 if checking and stale else 0


if __name__ == "__main__":
    sys.exit(main())
