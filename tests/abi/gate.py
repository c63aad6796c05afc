# SPDX-License-Identifier: Apache-2.0
"""tools/abi.py notices each kind of change of the interface.

    python3 gate.py LIBRARY

The real library would have to be built for each change. What stands for it is made of natskit.h: every function, empty,
with the same types, versions and soname; the baseline must find no difference in that. Then natskit.h is changed in one
place, and it must.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEADER = (ROOT / "capi/include/natskit.h").read_text(encoding="utf-8")
FUNCTION = re.compile(r"^NATSKIT_API (natskit_status (natskit_\w+)\([^;]*\));", re.M)
NEW_FUNCTION = "NATSKIT_API natskit_status natskit_new_one(int32_t how);\n"
BREAKS, CHANGES = "INCOMPATIBLE", "The interface changed"


def edit(pattern: str, text: str) -> str:
    """natskit.h with one place changed."""
    made, count = re.subn(pattern, text, HEADER, count=1, flags=re.M | re.S)
    if not count or made == HEADER:
        raise ValueError(f"nothing in natskit.h is like {pattern!r}")
    return made


# What is changed -> (natskit.h, what the gate says of it, what it names)
CASES = {
    "a function removed": (edit(r"^NATSKIT_API natskit_status natskit_version\([^;]*;", ""), BREAKS, "natskit_version"),
    "a function added": (edit(r"^#ifdef __cplusplus\n\}", NEW_FUNCTION + r"\g<0>"), CHANGES, "natskit_new_one"),
    "a parameter added": (edit(r"(natskit_sub_close\([^)]*)\)", r"\1, int32_t how)"), BREAKS, "natskit_sub_close"),
    "a parameter's type changed": (
        edit(r"(natskit_conn_close\([^;]*)int64_t", r"\1int32_t"), BREAKS, "natskit_conn_close"),
    "a parameter's constness changed": (
        edit(r"(natskit_publish\([^;]*?)const char \*subject", r"\1char *subject"), BREAKS, "natskit_publish"),
    "a field's type changed": (
        edit(r"(typedef struct natskit_error \{.*?)int32_t", r"\1int64_t"), BREAKS, "natskit_error"),
    "a field removed": (
        edit(r"(typedef struct natskit_message_view \{.*?)^    const char \*subject;[^\n]*\n", r"\1"), BREAKS,
        "natskit_message_view"),
    "a field put in front": (
        edit(r"typedef struct natskit_message_view \{\n", r"\g<0>    int64_t first;\n"), BREAKS, "natskit_message_view"),
    "a field added at the end": (
        edit(r"^\} natskit_message_view;", r"    int64_t last;\n\g<0>"), CHANGES, "natskit_message_view"),
    "a handle made smaller": (
        edit(r"(typedef struct natskit_conn \{\s*)uint64_t", r"\1uint32_t"), BREAKS, "natskit_conn"),
    "the type of a status changed": (
        edit(r"typedef int32_t natskit_status;", "typedef int64_t natskit_status;"), BREAKS, "natskit_status"),
    "a type added that no function uses": (
        edit(r"^NATSKIT_API ", r"typedef struct natskit_unused {\n    int32_t one;\n} natskit_unused;\n\g<0>"), CHANGES,
        "natskit_unused"),
    "a constant changed": (
        edit(r"^(#define NATSKIT_END) \(-22\)", r"\1 (-23)"), BREAKS, "to: #define NATSKIT_END (-23)"),
    "a text changed": (
        edit(r'^(#define NATSKIT_HEADER_TTL) "[^"]*"', r'\1 "Nats-Ttl"'), BREAKS, "changed: #define NATSKIT_HEADER_TTL"),
    "a constant removed": (edit(r"^#define NATSKIT_END [^\n]*", ""), BREAKS, "removed: #define NATSKIT_END (-22)"),
    "a constant added": (edit(r"^#define NATSKIT_END ", r"#define NATSKIT_NEW 7\n\g<0>"), CHANGES, "new: #define NATSKIT_NEW 7"),
}


def versions(library: str) -> dict[str, str]:
    """Function -> version of the real library's symbol."""
    told = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    return dict(re.findall(r" T (natskit_\w+)@@(NATSKIT_[\d.]+)$", told, re.M))


def stand_in(folder: Path, header: str, version_of: dict[str, str], *options: str) -> Path:
    """A library with the interface that this header declares."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "natskit.h").write_text(header, encoding="utf-8")
    functions = FUNCTION.findall(header)
    bodies = "".join(f"{declaration}\n{{\n    return 0;\n}}\n" for declaration, _ in functions)
    (folder / "all.c").write_text(f"#include <natskit.h>\n{bodies}", encoding="utf-8")
    newest = max(set(version_of.values()), key=lambda version: [int(n) for n in version.split("_")[1].split(".")])
    nodes: dict[str, str] = {version: "" for version in version_of.values()}
    for _, name in functions:
        nodes[version_of.get(name, newest)] += f" {name};"
    script = "".join(f"{version} {{ global:{names} local: *; }};\n" for version, names in nodes.items())
    (folder / "all.map").write_text(script, encoding="utf-8")
    library = folder / "libnatskit.so.0"
    subprocess.run(
        ["cc", *(options or ("-g",)), "-shared", "-fPIC", f"-I{folder}", "-w", "-Wl,-soname,libnatskit.so.0",
         f"-Wl,--version-script={folder / 'all.map'}", str(folder / "all.c"), "-o", str(library)], check=True)
    return library


def gate(library: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, ROOT / "tools/abi.py", "check", library, library.parent], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def main() -> int:
    version_of, bad = versions(sys.argv[1]), 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        code, told = gate(stand_in(folder / "same", HEADER, version_of))
        if code != 0:
            print(f"nothing was changed, and the gate says\n{told}")
            return 1
        code, told = gate(stand_in(folder / "stripped", HEADER, version_of, "-g0"))
        if code == 0 or "no debug information" not in told:
            print(f"no debug information: not noticed\n{told}")
            bad += 1
        for number, (what, (header, verdict, names)) in enumerate(CASES.items()):
            code, told = gate(stand_in(folder / str(number), header, version_of))
            if code != 1 or verdict not in told or names not in told:
                print(f"{what}: expected {verdict!r} and {names!r}, the gate ended with {code}\n{told}")
                bad += 1
    print(f"{len(CASES)} kinds of change, {bad} not noticed as they should be")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
