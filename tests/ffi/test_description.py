# SPDX-License-Identifier: Apache-2.0
"""natskit.abi.json and natskit.cdef.h say what natskit.h says: a C program that is made of them compiles only where every
constant, size, offset and signature agrees. Nothing is listed here: what the header gains is compared, too.

    python3 test_description.py COMPILER INCLUDE CDEF ABI
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

COMPILER, INCLUDE, CDEF, ABI = sys.argv[1:5]
HEADER = Path(INCLUDE, "natskit.h").read_text(encoding="utf-8")


def declared(variable: dict, name: str) -> str:
    """A declaration in C of natskit.abi.json's name and type."""
    length = f"[{variable['length']}]" if "length" in variable else ""
    return f"{variable['type']} {name}{length}"


def program(abi: dict) -> str:
    """Two headers' worth of the same: natskit.h itself, and beside it structures named own_... of the description."""
    lines = ["#include <natskit.h>", '#define SAME(a, b) _Static_assert((a) == (b), #a)']
    for name, value in abi["constants"].items():
        lines.append(f"SAME({name}, {value});")
    for name, value in abi["texts"].items():
        lines.append(f"SAME(sizeof({name}), sizeof({json.dumps(value)}));")
    for name in abi["handles"]:
        lines.append(f"SAME(sizeof({name}), sizeof({abi['handle']}));")
    for struct in abi["structs"]:
        name, own = struct["name"], "own_" + struct["name"]
        fields = "".join(f" {declared(field, field['name'])};" for field in struct["fields"])
        lines += [f"typedef struct {{{fields} }} {own};", f"SAME(sizeof({name}), sizeof({own}));"]
        for field in struct["fields"]:
            member = field["name"]
            lines.append(f"SAME(offsetof({name}, {member}), offsetof({own}, {member}));")
            lines.append(f"_Static_assert(_Generic(&(({name} *)0)->{member}, "
                         f"__typeof__((({own} *)0)->{member}) *: 1, default: 0), \"{name}.{member}\");")
    for function in abi["functions"]:
        parameters = ", ".join(declared(p, p["name"]) for p in function["parameters"]) or "void"
        lines.append(f"{abi['status']} {function['name']}({parameters});")
    return "\n".join(lines) + "\n"


def compiles(source: Path, *options: str) -> bool:
    return subprocess.run([COMPILER, "-std=gnu11", "-fsyntax-only", "-Wall", "-Werror", *options, source]).returncode == 0


def main() -> int:
    abi = json.loads(Path(ABI).read_text(encoding="utf-8"))
    good = True
    for kind, names, pattern in (
        ("functions", {f["name"] for f in abi["functions"]}, r"NATSKIT_API natskit_status (natskit_\w+)\("),
        ("structures and handles", {s["name"] for s in abi["structs"]} | set(abi["handles"]), r"^\} (natskit_\w+);"),
        ("constants", {*abi["constants"], *abi["texts"], "NATSKIT_ZLEN", "NATSKIT_H", "NATSKIT_API"}, r"#define (NATSKIT_\w+)"),
    ):
        if names != set(re.findall(pattern, HEADER, re.M)):
            print(f"{kind} that only one side has: {sorted(names ^ set(re.findall(pattern, HEADER, re.M)))}")
            good = False
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "abi.c")
        text = program(abi)
        source.write_text(text, encoding="utf-8")
        good = compiles(source, f"-I{INCLUDE}") and good
        # It would not, if anything differed.
        for old, new in (("int64_t timeout_ms", "int32_t timeout_ms"), ("uint64_t tag;", "uint32_t tag;")):
            source.write_text(text.replace(old, new), encoding="utf-8")
            if old not in text or subprocess.run(
                [COMPILER, "-std=gnu11", "-fsyntax-only", f"-I{INCLUDE}", source], capture_output=True
            ).returncode == 0:
                print(f"'{new}' instead of '{old}' is not noticed")
                good = False
        source.write_text(f"#include <stddef.h>\n#include <stdint.h>\n{Path(CDEF).read_text(encoding='utf-8')}", encoding="utf-8")
        good = compiles(source, "-Wno-unused-const-variable") and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
