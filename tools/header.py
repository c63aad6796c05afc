#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads natskit.h as sections of items, each with its comment, for the reference (tools/reference.py)."""
import re
from dataclasses import dataclass, field
from pathlib import Path

HEADER = Path(__file__).resolve().parent.parent / "capi/include/natskit.h"
TOKEN = re.compile(
    r"(?P<comment>/\*.*?\*/)"
    r"|(?P<function>NATSKIT_API[^;]*;)"
    r"|(?P<struct>typedef struct \w+ \{.*?\} \w+;)"
    r"|(?P<type>typedef [^{};]*;)"
    r"|(?P<define>#define (?:NATSKIT_(?!(?:H|API)\b)\w+)[^\n]*?(?=[ \t]*(?:/\*|\n)))"
    r"|(?P<other>#[^\n]*|extern \"C\" \{|\})"
    r"|(?P<blank>\n[ \t]*(?=\n))"
    r"|\s+", re.S)
RULE = re.compile(r"^/\* -{10,} ([a-z, -]+?)\s*(?:\n \*\n(?P<intro> \*.*))?\*/$", re.S)
NAME = {
    "function": re.compile(r"\b(natskit_\w+)\("),
    "struct": re.compile(r"\} (\w+);$"),
    "type": re.compile(r"(\w+);$"),
    "define": re.compile(r"#define (\w+)"),
}
FIELD = re.compile(r"^ {4}[\w ]+[ *](\w+)(?:\[\w+\])?;", re.M)


@dataclass
class Item:
    kind: str  # function, struct, type, define, or prose: a comment that stands for itself
    name: str
    text: str  # the declaration as it is written, a define's value
    comment: str = ""  # before it, of its own or of the group that it stands in
    remark: str = ""  # behind it, on its line
    line: int = 0
    own: bool = True  # False: the comment was that of the item before, without a blank line between


@dataclass
class Section:
    name: str
    items: list[Item] = field(default_factory=list)


def plain(comment):
    """The text of a comment: lines joined, paragraphs and lists kept."""
    lines = [re.sub(r"^\s*\*? *", "", line).rstrip() for line in comment[2:-2].split("\n")]
    return re.sub(r"(?<=\S)\n(?!\n|- )", " ", "\n".join(lines).strip())


def read(text=None):
    """The sections of the header, in its order. Raises ValueError for what it does not understand."""
    text = HEADER.read_text(encoding="utf-8") if text is None else text
    text = re.sub(r"[ \t]*\\\n[ \t]*", " ", text)
    sections = [Section("basics")]
    comment, last, at, line = "", None, 0, 1
    fresh = False  # whether the comment was not used yet
    while at < len(text):
        found = TOKEN.match(text, at)
        if not found:
            raise ValueError(f"natskit.h:{line}: not understood: {text[at:at + 40]!r}")
        kind, word = found.lastgroup, found.group()
        if kind == "comment":
            rule = RULE.match(word)
            trailing = text[text.rfind("\n", 0, at) + 1:at].strip() != ""
            if rule:
                sections.append(Section(rule.group(1)))
                comment, fresh = plain("/*" + rule.group("intro") + "*/") if rule.group("intro") else "", True
            elif trailing and last is not None:
                last.remark = plain(word)
            else:
                if comment and fresh:
                    sections[-1].items.append(Item("prose", "", "", comment, line=line))
                comment, fresh = plain(word), True
        elif kind == "blank":
            if comment and fresh:
                sections[-1].items.append(Item("prose", "", "", comment, line=line))
            comment, fresh = "", False
        elif kind in NAME:
            name = NAME[kind].search(word).group(1)
            last = Item(kind, name, word, comment, line=line, own=fresh)
            sections[-1].items.append(last)
            fresh = False
        line += word.count("\n")
        at = found.end()
    return sections


def undocumented(sections):
    """Public names without a word on what they are. A field needs one unless the comment of its struct or its own name in
    another row of the same struct says it; what is checked is that each name has a comment, a group's or its own."""
    missing = []
    for section in sections:
        for item in section.items:
            if item.kind != "prose" and not item.comment and not item.remark:
                missing.append((item.line, item.name))
    return missing
