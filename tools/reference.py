#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The reference, made from the sources: C from natskit.h, Lua from its annotations, Python from its docstrings.

reference.py --check         every public name of C and Lua is documented (Python's: tests/python/test_docs.py)
reference.py FOLDER          writes the pages, Markdown, below FOLDER/reference; natskit has to be importable
"""
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import header  # noqa: E402
import luacats  # noqa: E402

WORD = re.compile(r"`[^`]*`|\b(natskit_\w+|NATSKIT_\w+)\b|[\\*_<>\[\]|$]")


def slug(text):
    return re.sub(r"\W+", "-", text.lower()).strip("-")


def anchor(heading):
    """What a link to a heading ends with, as forges and MyST have it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def prose(text, known):
    """Markdown of a comment: names of the library are code, and links where their place is known."""

    def mark(found):
        word, name = found.group(), found.group(1)
        if name in known:
            return f"[`{name}`]({known[name]})"
        return f"`{name}`" if name else word if word.startswith("`") else "\\" + word

    return WORD.sub(mark, text)


def cell(text):
    return text.replace("\n", " ")


# -- C


def c_places(sections):
    return {i.name: f"{slug(s.name)}.md#{anchor(i.name)}" for s in sections for i in s.items
            if i.kind in ("function", "struct", "type")}


def c_section(section, known):
    lines = [f"# {section.name[0].upper()}{section.name[1:]}", ""]
    items = section.items
    at = 0
    while at < len(items):
        item = items[at]
        at += 1
        if item.kind == "prose":
            lines += [prose(re.sub(r"^SPDX.*\n\n", "", item.comment), known), ""]
        elif item.kind == "define":
            lines += [prose(item.comment, known), ""] if item.comment else []
            lines += ["| constant | value | |", "|---|---|---|"]
            group = [item]
            while at < len(items) and items[at].kind == "define" and not items[at].own and items[at].comment == item.comment:
                group.append(items[at])
                at += 1
            for one in group:
                number = one.text.split(None, 2)[2]
                lines.append(f"| `{one.name}` | `{number}` | {cell(prose(one.remark, known))} |")
            lines.append("")
        else:
            lines += [f"## {item.name}", "", "```c", re.sub(r"^NATSKIT_API |(?<=\n) {12}(?= {8})", "", item.text), "```", ""]
            lines += [prose(item.comment, known), ""]
    return "\n".join(lines)


def c_pages(folder):
    sections = header.read()
    known = c_places(sections)
    for section in sections:
        (folder / f"{slug(section.name)}.md").write_text(c_section(section, known), encoding="utf-8")
    index = ["# C", "", "All of `natskit.h`, in its order.", "", "```{toctree}", ":maxdepth: 1", ""]
    index += [slug(s.name) for s in sections] + ["```", ""]
    (folder / "index.md").write_text("\n".join(index), encoding="utf-8")


# -- Lua


def lua_type(kind, known):
    """A type as code; names of classes are links."""
    shown, at = "", 0
    for found in luacats.TYPE.finditer(kind):
        if found.group() in known:
            shown += code(kind[at:found.start()]) + f"[`{found.group()}`]({known[found.group()]})"
            at = found.end()
    return shown + code(kind[at:])


def code(text):
    return "`" + text.replace("|", "\\|") + "`" if text else ""


def lua_class(one, known, level):
    mark = "#" * level
    lines = [f"{mark} {one.name}", ""]
    lines += [prose(one.text, {}), ""] if one.text else []
    parents = [p.strip() for p in one.parents.split(",") if p.strip()]
    lines += ["With the fields of " + ", ".join(f"[{p}]({known[p]})" for p in parents) + ".", ""] if parents else []
    if one.fields:
        lines += ["| field | type | |", "|---|---|---|"]
        lines += [f"| `{v.name}{'?' * v.optional}` | {lua_type(v.type, known)} | {cell(prose(v.text, {}))} |" for v in one.fields]
        lines.append("")
    for f in one.functions:
        lines += [f"{mark}# {f.call}", "", prose(f.text, {}), ""]
        rows = [("", v) for v in f.params] + [("returns", v) for v in f.returns]
        if rows:
            lines += ["| | name | type | |", "|---|---|---|---|"]
            lines += [f"| {what} | {f'`{v.name}' + '?' * v.optional + '`' if v.name else ''} | {lua_type(v.type, known)} "
                      f"| {cell(prose(v.text, {}))} |" for what, v in rows]
            lines.append("")
    return "\n".join(lines)


def lua_pages(folder):
    classes, aliases, _ = luacats.read()
    calls = [c for c in classes.values() if c.functions]
    tables = sorted((c for c in classes.values() if not c.functions), key=lambda c: c.name)
    known = {c.name: f"{slug(c.name)}.md" for c in calls}
    known |= {c.name: f"tables.md#{anchor(c.name)}" for c in tables}
    for one in calls:
        (folder / f"{slug(one.name)}.md").write_text(lua_class(one, known, 1), encoding="utf-8")
    page = ["# Tables", "", "What functions take and give. A `?` behind a name: it may be left out.", ""]
    page += ["| name | stands for | |", "|---|---|---|"]
    page += [f"| `{a.name}` | {lua_type(a.type, known)} | {cell(prose(a.text, {}))} |" for a in aliases]
    page += [""] + [lua_class(one, known, 2) for one in tables]
    (folder / "tables.md").write_text("\n".join(page), encoding="utf-8")
    index = ["# Lua", "", "The module `natskit`. Failures that a program has to expect are `nil, message, code`; wrong arguments raise.",
             "", "```{toctree}", ":maxdepth: 1", ""]
    index += [slug(c.name) for c in calls] + ["tables", "```", ""]
    (folder / "index.md").write_text("\n".join(index), encoding="utf-8")


# -- both


def check():
    """Everything that is wrong with the sources of C's and Lua's reference."""
    bad = [f"capi/include/natskit.h:{line}: {name} has no comment" for line, name in header.undocumented(header.read())]
    classes, _, errors = luacats.read()
    return bad + errors + luacats.undocumented(classes)


def main():
    if sys.argv[1:] == ["--check"]:
        bad = check()
        print("\n".join(bad + [f"the reference: {len(bad)} findings"]))
        return 1 if bad else 0
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        return 2
    import pydocs  # natskit has to be importable for it alone
    folder = Path(sys.argv[1]) / "reference"
    for name, pages in (("c", c_pages), ("lua", lua_pages), ("python", pydocs.pages)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        pages(folder / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
