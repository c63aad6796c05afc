#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Read every #include of the project's C files against the table of layers.

A quoted include is written from the folder's name ("base/str.h") and names a folder that the including file may
use; <natskit.h> is for everybody above core/; other headers in angle brackets belong to the system, and the
hosts' and libraries' ones are kept to where they may be used.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Folder -> folders that it may include besides itself. What these may include, it may, too.
CORE = {
    "base": [],
    "json": ["base"],
    "wire": ["base"],
    "net": ["base"],
    "auth": ["base"],
    "options": ["base", "wire"],
    "delivery": ["base", "wire"],
    "client": ["base", "wire", "net", "auth", "options", "delivery"],
    "jetstream": ["client", "json"],
    "kv": ["jetstream"],
    "object": ["jetstream"],
    "service": ["client", "json"],
}

# Headers in angle brackets that only these places may include (path prefixes).
GUARDED = [
    (re.compile(r"^natskit\.h$"), ("capi/", "bindings/", "tests/", "examples/", "bench/", "tools/")),
    (re.compile(r"^(lua|lauxlib|lualib|luaconf)\.h$"), ("bindings/lua/",)),
    (re.compile(r"^(Python|structmember)\.h$"), ("bindings/python/",)),
    (re.compile(r"^openssl/"), ("core/auth/", "core/net/", "core/base/", "core/object/", "tests/")),
    (re.compile(r"^cjson/"), ()),  # docs/decisions/0010
    (re.compile(r"^cmocka\.h$"), ("tests/",)),
    (re.compile(r"^threads\.h$"), ()),  # the thread sanitizer crashes on C11 threads; pthreads instead
]

# Folders of core/ without sockets, and what they must not include.
SOCKETS = re.compile(r"^(sys/socket|netinet/.*|arpa/.*|netdb|sys/epoll|sys/un)\.h$|^(netinet|arpa)/")
NO_SOCKETS = ("core/wire/", "core/delivery/", "core/options/")
NO_THREADS = ("core/wire/",)

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


def below(folder, seen=None):
    """The folder and all that it may include."""
    seen = set() if seen is None else seen
    if folder not in seen:
        seen.add(folder)
        for other in CORE[folder]:
            below(other, seen)
    return seen


def allowed(path):
    """First parts that a quoted include in this file may have; None: only headers beside the file."""
    top, *rest = path.parts
    if top == "core":
        return below(rest[0]) if rest[0] in CORE else None
    if top == "capi":
        return set(CORE) | {"capi"}
    if top == "tests" and rest[0] in ("unit", "engine", "fuzz"):
        return set(CORE) | {"capi", "support"}
    if top == "tests" and rest[0] == "torture":
        return {"support", "integration"}
    if top in ("tests", "bench"):
        return {"support"}
    return set()


def beside(path, name):
    """Outside core/ and capi/ a header of the file's own tree (bindings/lua, tests/support) may be included; tests of the
    engine may include what those of the units share."""
    if path.parts[0] in ("core", "capi"):
        return False
    file = (ROOT / path.parent / name).resolve()
    trees = [path.parts[:2]] + ([("tests", "unit")] if path.parts[:2] == ("tests", "engine") else [])
    return file.is_file() and any(file.is_relative_to(ROOT.joinpath(*tree)) for tree in trees)


def guarded(path, name):
    """What is wrong with a header in angle brackets here, or None."""
    text = path.as_posix()
    for pattern, places in GUARDED:
        if pattern.search(name) and not text.startswith(places):
            return f"<{name}> is not for this folder"
    if text.startswith(NO_SOCKETS) and SOCKETS.search(name):
        return f"<{name}>: this folder knows no sockets"
    if text.startswith(NO_THREADS) and name in ("pthread.h", "stdatomic.h", "time.h", "unistd.h"):
        return f"<{name}>: this folder is pure"
    return None


def judge(path, bracket, name):
    if bracket == "<":
        return guarded(path, name)
    if beside(path, name):
        return None
    if ".." in name.split("/"):
        return f'"{name}" climbs out of its folder'
    first = name.split("/")[0]
    may = allowed(path)
    if may is None:
        return f"core/{path.parts[1]} has no row in the table of tools/layers.py"
    if "/" in name and first in may:
        return None
    if name == "natskit.h":
        return "natskit.h is included as <natskit.h>"
    if "/" not in name:
        return f'"{name}" is written with its folder: "folder/{name}"'
    return f'"{name}" is above or beside this folder'


def main():
    bad = files = 0
    for top in ("core", "capi", "bindings", "tests", "examples", "bench", "tools"):
        for file in sorted((ROOT / top).rglob("*.[ch]")) if (ROOT / top).is_dir() else []:
            path = file.relative_to(ROOT)
            files += 1
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
                match = INCLUDE.match(line)
                wrong = match and judge(path, *match.groups())
                if wrong:
                    print(f"{path}:{number}: {wrong}")
                    bad += 1
    print(f"{files} files, {bad} includes against the layers")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
