# SPDX-License-Identifier: Apache-2.0
"""The cases of tests/catalogue, read from their files; the language is described in tests/catalogue/README.md."""

from __future__ import annotations

import dataclasses
import re

from natskit_testing import ROOT

FOLDER = ROOT / "tests" / "catalogue"
FILES = ("a", "b", "c", "d", "g", "h", "auth", "options")
# The lists of catalogue_test.c and cases.lua have to be the same.
assert {path.stem for path in FOLDER.glob("*.case")} == {"defines", *FILES}, "a file of cases that nobody plays"


@dataclasses.dataclass
class Case:
    """What the server plays, and the client's settings and expectations in their order."""

    id: str
    title: str
    where: str
    script: str = ""
    config: str = ""  # of a real server, instead of a script
    other_config: str = ""
    steps: list[str] = dataclasses.field(default_factory=list)

    @property
    def has_with(self) -> bool:
        """Whether it has to fail without its lines `with`."""
        return any(step.startswith("with ") for step in self.steps)


def _take(case: Case, line: str, defines: dict[str, list[str]]) -> None:
    if line.startswith("|"):
        case.script += line[1:].removeprefix(" ") + "\n"
    elif line.startswith("%2"):
        case.other_config += line[2:].removeprefix(" ") + "\n"
    elif line.startswith("%"):
        case.config += line[1:].removeprefix(" ") + "\n"
    elif line.startswith("@"):
        for inner in defines[line[1:]]:
            _take(case, inner, defines)
    else:
        case.steps.append(line)


def read() -> list[Case]:
    """All cases."""
    found: list[Case] = []
    defines: dict[str, list[str]] = {}
    for name in ("defines", *FILES):
        block: list[str] | None = None
        text = (FOLDER / f"{name}.case").read_text(encoding="utf-8")
        for number, line in enumerate(text.split("\n"), 1):
            word, _, rest = line.partition(" ")
            if line == "" or line.startswith("#"):
                continue
            if word == "define":
                block = defines[rest] = []
            elif word == "case":
                block = None
                found.append(Case(rest.partition(" ")[0], rest, f"{name}.case:{number}"))
            elif block is not None:
                block.append(line)
            else:
                _take(found[-1], line, defines)
    return found


_ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0"}


def unescape(text: str) -> bytes:
    """Undoes the C escapes."""
    parts = re.split(r"\\(x[0-9a-fA-F]{2}|.)", text)
    plain = [part.encode() for part in parts]
    for i in range(1, len(parts), 2):
        escape = parts[i]
        plain[i] = bytes([int(escape[1:], 16)]) if len(escape) == 3 else _ESCAPES.get(escape, escape.encode())
    return b"".join(plain)
