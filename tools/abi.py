#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The interface of a build against its baseline in capi/abi, and the baseline itself.

    tools/abi.py check LIBRARY [HEADERS]      1 and what differs, if anything does
    tools/abi.py update LIBRARY [HEADERS]     writes the baseline
    tools/abi.py previous                     the last commit with another baseline than the present one

LIBRARY is libnatskit.so.0 with debug information, HEADERS the folder of natskit.h (capi/include). The baseline is two
files: natskit-0.abi, what the library exports and how its types lie in memory, compared by libabigail; and
natskit-0.declarations, what the header declares, for what leaves no trace in a library (macros, const) and because
libabigail calls a changed type no break.
"""
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAYOUT = ROOT / "capi/abi/natskit-0.abi"
DECLARATIONS = ROOT / "capi/abi/natskit-0.declarations"
GROWS = "NATSKIT_ABI_MINOR"  # counts what was added


def run(*command, **options):
    return subprocess.run([str(word) for word in command], text=True, capture_output=True, **options)


# -- declarations ---------------------------------------------------------------------------------------------


def preprocessed(headers, *options):
    """natskit.h without what it includes."""
    with tempfile.TemporaryDirectory() as empty:
        for name in ("stddef.h", "stdint.h"):
            Path(empty, name).touch()
        return run("cc", "-E", *options, "-nostdinc", "-isystem", empty, "-DNATSKIT_API=", "-x", "c", Path(headers, "natskit.h"),
                   check=True).stdout


def declared(headers):
    """Name -> the declaration, on one line with single blanks. Raises ValueError for what it cannot name."""
    found = {}
    for name, value in re.findall(r"^#define (NATSKIT_\w+) (.+)$", preprocessed(headers, "-dM"), re.M):
        if name != "NATSKIT_API":
            found[name] = f"#define {name} {value}"
    text = " ".join(preprocessed(headers, "-P").split())
    for declaration in re.findall(r"[^;{}]+(?:\{[^{}]*\}[^;{}]*)?;", text):
        name = re.search(r"(\w+) ?(?:\([^()]*\))?;$", declaration)
        if not name:
            raise ValueError(f"natskit.h: not understood: {declaration}")
        found[name.group(1)] = declaration.strip()
    return found


def listed():
    lines = DECLARATIONS.read_text(encoding="utf-8").splitlines()
    return dict(line.split(": ", 1) for line in lines if not line.startswith("//"))


def only_adds(name, old, new):
    """A structure may gain fields at its end: who fills it passes the size that he knows."""
    if name == GROWS:
        return int(old.split()[-1]) < int(new.split()[-1])
    body = old.partition("}")[0]
    return "{" in old and new.startswith(body) and new.partition("}")[2] == old.partition("}")[2]


def compare_declarations(baseline, present):
    """(what breaks programs, what only adds)"""
    broken = [f"removed: {baseline[name]}" for name in sorted(baseline.keys() - present.keys())]
    added = [f"new: {present[name]}" for name in sorted(present.keys() - baseline.keys())]
    for name in sorted(baseline.keys() & present.keys()):
        old, new = baseline[name], present[name]
        if old != new:
            (added if only_adds(name, old, new) else broken).append(f"changed: {old}\n     to: {new}")
    return broken, added


# -- what the library exports -----------------------------------------------------------------------------------


def has_debug_information(library):
    return ".debug_info" in run("readelf", "-SW", library, check=True).stdout


def compare_layout(library, headers):
    """abidiff's (bits, text). No suppression for views that grow at their end: one of libabigail 2.2 also hides a field
    whose type changed."""
    done = run("abidiff", "--headers-dir1", headers, "--headers-dir2", headers, LAYOUT, library)
    return done.returncode, done.stdout + done.stderr


# -- commands -------------------------------------------------------------------------------------------------


def check(library, headers):
    if not has_debug_information(library):  # every change of a type would pass
        print(f"{library}: no debug information")
        return 1
    for path in (LAYOUT, DECLARATIONS):
        if not path.exists():
            print(f"{path.relative_to(ROOT)} is missing: ./check abi-update")
            return 1
    bits, text = compare_layout(library, headers)
    broken, added = compare_declarations(listed(), declared(headers))
    print(text, *broken, *added, sep="\n")
    if bits & 3:
        print(f"abidiff could not compare them (code {bits})")
    elif bits & 8 or broken:
        print("INCOMPATIBLE: existing programs break. Undo it, or raise the ABI major and write a new baseline.")
    elif bits or added:
        print("The interface changed: if it was meant and only adds, ./check abi-update, in the same commit.")
    return 1 if bits or broken or added else 0


def update(library, headers):
    LAYOUT.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "abi")
        run("abidw", "--headers-dir", headers, "--drop-private-types", "--exported-interfaces-only", "--no-corpus-path",
            "--no-comp-dir-path", "--type-id-style", "hash", "--out-file", made, library, check=True)
        # Where the tree lies is nobody's business, and would differ in every clone.
        LAYOUT.write_text(made.read_text(encoding="utf-8").replace(f"='{ROOT}/", "='"), encoding="utf-8")
    lines = [f"{name}: {text}\n" for name, text in sorted(declared(headers).items())]
    DECLARATIONS.write_text("// What natskit.h declares (./check abi-update).\n" + "".join(lines), encoding="utf-8")
    print(f"{LAYOUT.relative_to(ROOT)} and {DECLARATIONS.name} written")
    return 0


def previous():
    """That commit's build is the one before this: what programs that exist were linked against. Prints nothing where the
    history has none (no clone, a shallow one)."""
    layout = LAYOUT.relative_to(ROOT)
    present = run("git", "hash-object", layout, cwd=ROOT).stdout
    for commit in run("git", "log", "--format=%H", "--", layout, cwd=ROOT).stdout.split():
        if run("git", "rev-parse", "--verify", "-q", f"{commit}:{layout}", cwd=ROOT).stdout not in ("", present):
            print(commit)
            break
    return 0


def main():
    arguments = sys.argv[1:]
    if arguments == ["previous"]:
        return previous()
    if len(arguments) not in (2, 3) or arguments[0] not in ("check", "update"):
        print(__doc__.strip())
        return 2
    headers = arguments[2] if len(arguments) == 3 else ROOT / "capi/include"
    return (check if arguments[0] == "check" else update)(arguments[1], headers)


if __name__ == "__main__":
    sys.exit(main())
