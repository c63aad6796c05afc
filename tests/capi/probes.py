# SPDX-License-Identifier: Apache-2.0
"""probes.py LIBRARY PAGE WITH: the notes of the static probes in the library, as readelf shows them, are the probes that
the page lists, each with as many arguments; without probes (WITH is OFF) there are none. Exit code 77: no readelf."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path


def noted(library: str) -> dict[str, int]:
    """Probe: number of its arguments, which is the same at all of its places."""
    text = subprocess.run(["readelf", "-nW", library], check=True, capture_output=True, text=True).stdout
    found: dict[str, int] = {}
    for note in re.findall(r"Provider: (\S+)\s+Name: (\S+)\s+Location: .*\n\s+Arguments:(.*)", text):
        provider, name, arguments = note
        if provider != "natskit":
            continue
        count = len(re.findall(r"-?\d+@", arguments))
        if found.setdefault(name, count) != count:
            sys.exit(f"{name}: {count} arguments at one place, {found[name]} at another")
    return found


def listed(page: str) -> dict[str, int]:
    rows = re.findall(r"^\| `([a-z_]+)` \| (`conn`.*?|`operation`.*?) \| .* \|$", Path(page).read_text(), re.MULTILINE)
    return {name: len(re.findall(r"`\w+`", arguments)) for name, arguments in rows}


def main(library: str, page: str, with_probes: str) -> None:
    if shutil.which("readelf") is None:
        sys.exit(77)
    notes = noted(library)
    wanted = listed(page) if with_probes == "ON" else {}
    for name in sorted(notes.keys() | wanted.keys()):
        if notes.get(name) != wanted.get(name):
            sys.exit(f"{name}: {wanted.get(name)} arguments in {page}, {notes.get(name)} in {library}")
    if len(listed(page)) < 10:
        sys.exit(f"{page}: {len(listed(page))} probes are listed")
    print(f"{len(notes)} probes")


main(*sys.argv[1:])
