# SPDX-License-Identifier: Apache-2.0
"""Every public name of the package says what it is: help() has a text for it, and so has the reference. And what checks the
documents finds what is wrong in one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

import docs
import header
import luacats
import natskit.sync
import pydocs
import pytest


def test_every_public_name_has_a_docstring() -> None:
    assert pydocs.undocumented() == []


def test_the_names_are_found() -> None:
    names = {f"{n.module}.{n.name}": n.kind for module in pydocs.MODULES for n in pydocs.public(module)}
    assert len(names) > 700
    assert names["natskit.Client"] == "class"
    assert names["natskit.Client.publish"] == "function"
    assert names["natskit.Client.is_connected"] == "property"
    assert names["natskit.connect"] == "function"
    assert names["natskit.js.api.StreamConfig.max_age"] == "field"


def test_every_signature_is_found() -> None:
    sources = pydocs.Sources(Path(natskit.__file__).parent)
    for module in pydocs.MODULES:
        for name in pydocs.public(module):
            if name.kind == "function":
                assert "(...)" not in "".join(pydocs.signature(name, sources)), f"{module}.{name.name}"


def test_the_blocking_face_has_the_same_names() -> None:
    ours = {name for name in natskit.__all__ if name != "micro"}
    assert ours - set(natskit.sync.__all__) == set()


# -- tools/docs.py


def findings(check: Any, *args: Any) -> list[str]:
    found: list[str] = []
    check(*args, lambda number, text: found.append(f"{number}: {text}"))
    return found


def document(folder: Path, text: str) -> Path:
    file = folder / "page.md"
    file.write_text(text, encoding="utf-8")
    return file


def test_links_lead_to_headings(tmp_path: Path) -> None:
    file = document(tmp_path, "# A page, with `code`\n\n## Twice\n\n## Twice\n\n```sh\n# no heading\n```\n")
    assert docs.anchors(file) == {"a-page-with-code", "twice", "twice-1"}
    assert docs.link(file, "", "#twice-1") is None
    assert docs.link(file, "page.md", "#twice") is None
    assert docs.link(file, "page.md", "#no-heading") == "link to page.md#no-heading, which has no such heading"
    assert docs.link(file, "other.md", "") == "link to other.md, which does not exist"
    assert docs.link(file, "https://nats.io", "#twice") is None


def test_code_that_is_wrong_is_found(tmp_path: Path) -> None:
    names = {"natskit_flush", "NATSKIT_OK"}
    file = document(
        tmp_path,
        "```c\nnatskit_flush(conn, NATSKIT_OK);\nnatskit_flosh();\n```\n```python\nawait nc.flush()\n```\n```python\nif:\n```\n"
        "```lua\nlocal x <close> = 1\n```\n```lua\nlocal local\n```\n",
    )
    assert findings(docs.code, file, names) == [
        "1: natskit.h has no natskit_flosh",
        "9: Python does not read this block: invalid syntax",
    ]
    lua: list[str] = []
    blocks = [("page", line, block) for line, block in docs.code(file, names, lambda *_: None)]
    assert len(blocks) == 2
    docs.read_lua(blocks, lambda name, line, text: lua.append(f"{name}:{line}: {text}"))
    assert [text.split(":", 2)[:2] for text in lua] == [["page", "14"]]


def test_snippets_are_those_of_the_examples(tmp_path: Path) -> None:
    begin, end = "<!-- examples/python/hello.py: hello -->\n```python\n", "```\n"
    shown = docs.region("examples/python/hello.py", "hello")
    assert shown and shown.startswith("import asyncio\n") and "[async]" not in shown
    assert findings(docs.snippets, document(tmp_path, begin + shown + end)) == []
    file = document(tmp_path, "text\n" + begin + shown.replace("hello", "bye") + end)
    assert findings(docs.snippets, file) == ["2: not as the region hello of examples/python/hello.py: tools/docs.py --write"]
    assert docs.snippets(file, lambda *_: None) == "text\n" + begin + shown + end
    gone = document(tmp_path, "<!-- examples/c/hello.c: nothing -->\n```c\n```\n")
    assert findings(docs.snippets, gone) == ["1: examples/c/hello.c has no region nothing"]


# -- what the reference reads


def test_the_header_is_read() -> None:
    sections = header.read(
        "/* Rules. */\n\n/* --------------- things\n *\n * All of them. */\n\n/* Does it.\n * Well. */\n"
        "NATSKIT_API natskit_status natskit_do(int32_t what);\n\n#define NATSKIT_ONE 1 /* the first */\n"
        "typedef struct natskit_thing {\n    int32_t a; /* not seen */\n} natskit_thing;\n"
    )
    assert [(s.name, [(i.kind, i.name, i.comment, i.remark) for i in s.items]) for s in sections] == [
        ("basics", [("prose", "", "Rules.", "")]),
        (
            "things",
            [
                ("prose", "", "All of them.", ""),
                ("function", "natskit_do", "Does it. Well.", ""),
                ("define", "NATSKIT_ONE", "", "the first"),
                ("struct", "natskit_thing", "", ""),
            ],
        ),
    ]
    assert header.undocumented(sections) == [(12, "natskit_thing")]
    with pytest.raises(ValueError, match="natskit.h:2: not understood"):
        header.read("\nint natskit_do(void);\n")


def test_annotations_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "natskit.lua").write_text(
        "---@meta natskit\n\n---@class natskit\nlocal nats = {}\n\n--- Does it.\n---@param a? fun(x: string, y: natskit.x): boolean why\n"
        "---@return string|nil text what came\nfunction nats.go(a) end\n\n---@param b integer\nfunction nats.stay(c) end\n",
        encoding="utf-8",
    )
    (tmp_path / "natskit_part.lua").write_text("---@meta natskit\n", encoding="utf-8")
    monkeypatch.setattr(luacats, "LIBRARY", tmp_path)
    classes, _, errors = luacats.read()
    go, stay = classes["natskit"].functions
    assert (go.call, go.text) == ("nats.go(a)", "Does it.")
    assert go.params == [luacats.Value("a", "fun(x: string, y: natskit.x): boolean", "why", True)]
    assert go.returns == [luacats.Value("text", "string|nil", "what came")]
    assert [error.split(": ", 1)[1] for error in errors] == [
        "stay takes c, and b is annotated",
        "has to be ---@meta _",
        "natskit.x is not declared",
    ]
    assert [text.split(": ", 1)[1] for text in luacats.undocumented(classes)] == ["nats.stay(c) has no text"]
    assert stay.text == ""
