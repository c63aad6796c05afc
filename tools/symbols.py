#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compare the public functions in all places where they stand. Usage: tools/symbols.py [build folder]

natskit.h, capi/natskit.syms and the exports of libnatskit.so name the same functions; each has a comment in the
header; libnatskit.a defines only natskit_ and nki_ symbols; the bindings use only what the list has.
"""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = ROOT / "capi/include/natskit.h"
LIST = ROOT / "capi/natskit.syms"
STATES = ("experimental", "stable", "deprecated")

bad = []


def report(path, number, text):
    bad.append(f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}:{number}: {text}")


def header_functions():
    """Function -> line; reports those without a comment directly above."""
    lines = HEADER.read_text(encoding="utf-8").split("\n")
    found = {}
    for index, line in enumerate(lines):
        if not line.startswith("NATSKIT_API"):
            continue
        name = re.search(r"\b(natskit_\w+)\s*\(", line + " " + lines[index + 1])
        if not name:
            report(HEADER, index + 1, "declaration that this tool cannot read")
            continue
        found[name.group(1)] = index + 1
        if not re.match(r"NATSKIT_API natskit_status\b", line):
            report(HEADER, index + 1, f"{name.group(1)} does not return natskit_status")
        if not lines[index - 1].rstrip().endswith("*/"):
            report(HEADER, index + 1, f"{name.group(1)} has no comment above it")
    return found


def listed_functions():
    """Function -> line of capi/natskit.syms: `name  since  state  text`."""
    found = {}
    for number, line in enumerate(LIST.read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = line.split(None, 3)
        if len(parts) < 4 or not re.fullmatch(r"\d+\.\d+", parts[1]) or parts[2] not in STATES:
            report(LIST, number, f"a line is: name  since (0.1)  state ({', '.join(STATES)})  text")
        elif parts[0] in found:
            report(LIST, number, f"{parts[0]} stands here twice")
        if parts:
            found.setdefault(parts[0], number)
    return found


def nm(path, *options):
    """Rows of nm: (type, name with version)."""
    text = subprocess.run(["nm", *options, str(path)], capture_output=True, text=True, check=True).stdout
    rows = (line.split() for line in text.split("\n"))
    return [(row[-2], row[-1]) for row in rows if len(row) >= 2 and len(row[-2]) == 1]


def exports(library):
    """Exported functions, checked to carry a version."""
    found = set()
    for kind, name in nm(library, "-D", "--defined-only"):
        plain, _, version = name.partition("@")
        if kind == "A":  # the name of a version itself
            continue
        if not version.lstrip("@").startswith("NATSKIT_"):
            report(library, 0, f"{plain} is exported without a version")
        found.add(plain)
    return found


def same(path, what, have, wanted, numbers=None):
    for name in sorted(wanted - have):
        report(path, 0, f"{name} is missing {what}")
    for name in sorted(have - wanted):
        report(path, (numbers or {}).get(name, 0), f"{name} is not in capi/natskit.syms")


def bindings(build, listed):
    """Public symbols that the bindings' own objects use."""
    for obj in sorted((build / "bindings").rglob("*.o")):
        for kind, name in nm(obj, "-u"):
            if kind == "U" and name.startswith("nki_"):
                report(obj, 0, f"a binding uses {name}, which is not public")
            if kind == "U" and name.startswith("natskit_") and name not in listed:
                if not any(name in defined for defined in own_symbols(build)):
                    report(obj, 0, f"a binding uses {name}, which is not in capi/natskit.syms")


def own_symbols(build):
    return [{name for _, name in nm(obj, "--defined-only")} for obj in (build / "bindings").rglob("*.o")]


def main():
    build = (Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build").resolve()
    for need in (HEADER, LIST, build / "libnatskit.so", build / "libnatskit.a"):
        if not need.exists():
            print(f"{need}: missing")
            return 1
    declared, listed = header_functions(), listed_functions()
    same(HEADER, "in the header", set(declared), set(listed), declared)
    # gcc's sanitizers and coverage export nothing of their own, so any build will do.
    same(build / "libnatskit.so", "in the exports", exports(build / "libnatskit.so"), set(listed))
    for _, name in nm(build / "libnatskit.a", "-g", "--defined-only"):
        if name == "_.stapsdt.base":
            continue  # of <sys/sdt.h>: one per program, found by its name
        if not name.startswith(("natskit_", "nki_")):
            report(build / "libnatskit.a", 0, f"{name} has no prefix of ours")
        elif name.startswith("natskit_") and name not in listed:
            report(build / "libnatskit.a", 0, f"{name} is not in capi/natskit.syms: nki_ or static")
    bindings(build, listed)
    print("\n".join(bad + [f"{len(listed)} public functions, {len(bad)} findings"]))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
