#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Links and paths in the project's documents exist, and commands of ours that they show do, too."""
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from style import ROOT, tracked  # noqa: E402

LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s#]+)(#[^)\s]*)?\)")
QUOTED = re.compile(r"`([^`\n]+)`")
COMMAND = re.compile(r"(?:^|[\s`(])(\./(?:check|demo)|tools/[\w.-]+|cmake --preset)((?:[ \t]+[\w./-]+)*)")
TOPS = "core|capi|bindings|tests|examples|docs|cmake|tools|bench"
PATH = re.compile(rf"^(?:\./)?(?:{TOPS})/[\w./-]+$")
CHECK_MODES = {"quick", "long", "lane", "list", "abi-update"}


def lanes():
    text = "".join((ROOT / "tools" / name).read_text(encoding="utf-8") for name in ("lanes.sh", "lanes_install.sh"))
    return {name.replace("_", "-") for name in re.findall(r"^lane_(\w+)\(\)", text, re.M)}


def presets():
    return set(re.findall(r'"name": "(\w+)"', (ROOT / "CMakePresets.json").read_text(encoding="utf-8")))


def command(match):
    """What is wrong with a command of ours, or None."""
    program, words = match.group(1), match.group(2).split()
    if program == "cmake --preset":
        return None if not words or words[0] in presets() else f"there is no preset {words[0]}"
    if not (ROOT / program).exists():
        return f"{program} does not exist"
    if program == "./check" and words and words[0] in CHECK_MODES:
        unknown = [w for w in words[1:] if words[0] == "lane" and w not in lanes() and w.islower()]
        return f"there is no lane {unknown[0]}" if unknown else None
    return None


def check(file, report):
    fenced = False
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        for target, _ in [] if fenced else LINK.findall(line):
            if "://" not in target and not target.startswith("mailto:") and not (file.parent / target).exists():
                report(number, f"link to {target}, which does not exist")
        for quoted in [] if fenced else QUOTED.findall(line):
            if PATH.match(quoted) and not (ROOT / quoted).exists():
                report(number, f"{quoted} does not exist")
        for match in COMMAND.finditer(line):
            wrong = command(match)
            if wrong:
                report(number, wrong)


def main():
    bad = []
    documents = [f for f in tracked() if f.suffix == ".md"]
    for file in documents:
        name = file.relative_to(ROOT)
        check(file, lambda number, text, name=name: bad.append(f"{name}:{number}: {text}"))
    print("\n".join(bad + [f"{len(documents)} documents, {len(bad)} findings"]))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
