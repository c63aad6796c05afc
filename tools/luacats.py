#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads the annotations (LuaCATS) of bindings/lua/library as classes with fields and functions, for the reference
(tools/reference.py)."""
import re
from dataclasses import dataclass, field
from pathlib import Path

LIBRARY = Path(__file__).resolve().parent.parent / "bindings/lua/library"
FUNCTION = re.compile(r"^function ([\w.]+)([.:])(\w+)\(([^)]*)\) end$")
TAG = re.compile(r"^---@(\w+) ?(.*)$")
TYPE = re.compile(r"\bnatskit\.\w+")
LOCAL = re.compile(r"^local (\w+) = \{\}|^([\w.]+) = \{\}")


@dataclass
class Value:
    name: str
    type: str
    text: str
    optional: bool = False


@dataclass
class Function:
    name: str
    call: str  # "nc:publish(subject, data, options)"
    text: str
    params: list[Value]
    returns: list[Value]
    where: str


@dataclass
class Class:
    name: str
    text: str = ""
    parents: str = ""
    variable: str = ""  # by which methods are called
    fields: list[Value] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    where: str = ""


def split_type(text):
    """A type and what stands behind it; blanks within brackets and behind | , : belong to the type."""
    depth = 0
    for i, c in enumerate(text):
        depth += (c in "<({[") - (c in ">)}]")
        if c == " " and depth == 0 and text[i - 1] not in ",:|" and text[i + 1:i + 2] != "|":
            return text[:i], text[i + 1:].strip()
    return text, ""


def value(text):
    """A parameter or field: its name, its type, what it is."""
    name, rest = text.split(" ", 1)
    kind, what = split_type(rest)
    return Value(name.rstrip("?"), kind, what, name.endswith("?"))


def result(text):
    """What is returned: type and name, then what it is."""
    kind, rest = split_type(text)
    name, _, what = rest.partition(" ")
    return Value(name, kind, what)


class Reader:
    def __init__(self):
        self.classes, self.aliases, self.errors = {}, [], []
        self.variables = {}
        self.clear()

    def clear(self):
        self.text, self.tags, self.current = [], [], None

    def tag(self, word, rest, where):
        if word == "class":
            name, _, text = rest.partition(" ") if ":" not in rest else (rest, "", "")
            name, _, parents = name.partition(":")
            self.current = self.classes.setdefault(name.strip(), Class(name.strip(), where=where))
            self.current.parents = parents.strip() or self.current.parents
            self.current.text = "\n".join(self.text + [text] * bool(text)) or self.current.text
            self.text = []
        elif word == "field" and self.current:
            self.current.fields.append(value(rest))
        elif word == "alias":
            name, _, text = rest.partition(" ")
            kind, what = split_type(text)
            self.aliases.append(Value(name, kind, what))
        elif word in ("param", "return"):
            self.tags.append((word, rest))
        elif word not in ("generic", "overload", "operator", "diagnostic", "type"):
            self.errors.append(f"{where}: @{word} is not known to tools/luacats.py")

    def function(self, match, where):
        path, mark, name, arguments = match.groups()
        owner = self.variables.get(path)
        if owner is None:
            self.errors.append(f"{where}: {path} is no class")
            return
        params = [value(rest) for word, rest in self.tags if word == "param"]
        named = [p.name for p in params]
        wanted = [a.strip() for a in arguments.split(",") if a.strip()]
        if named != wanted:
            self.errors.append(f"{where}: {name} takes {', '.join(wanted)}, and {', '.join(named) or 'nothing'} is annotated")
        returns = [result(rest) for word, rest in self.tags if word == "return"]
        call = f"{path}{mark}{name}({arguments})"
        owner.functions.append(Function(name, call, "\n".join(self.text), params, returns, where))

    def types(self):
        """Every type that is written, with where."""
        for c in self.classes.values():
            yield c.where, c.parents
            yield from ((c.where, v.type) for v in c.fields)
            yield from ((f.where, v.type) for f in c.functions for v in f.params + f.returns)
        yield from (("an alias", a.type) for a in self.aliases)

    def line(self, line, where):
        tag, function, local = TAG.match(line), FUNCTION.match(line), LOCAL.match(line)
        if tag and tag[1] == "meta":
            # Of several files that are the module, checkers take one, which need not be the one that returns it.
            modules = {"natskit.lua": "natskit", "natskit_testing.lua": "natskit.testing"}
            expected = modules.get(where.rpartition("/")[2].partition(":")[0], "_")
            if tag[2] != expected:
                self.errors.append(f"{where}: has to be ---@meta {expected}")
        elif tag:
            self.tag(*tag.groups(), where)
        elif line.startswith("--- "):
            self.text.append(line[4:])
        elif line == "---":
            self.text.append("")
        elif function:
            self.function(function, where)
            self.clear()
        elif local and self.current:
            self.variables[local[1] or local[2]] = self.current
            self.current.variable = local[1] or local[2]
            self.clear()
        elif not line:
            self.clear()


def read():
    """The classes by name, the aliases, and what is wrong."""
    reader = Reader()
    for path in sorted(LIBRARY.glob("*.lua")):
        reader.variables = {}
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
            reader.line(line, f"bindings/lua/library/{path.name}:{number}")
        reader.clear()
    known = set(reader.classes) | {a.name for a in reader.aliases}
    for where, kind in reader.types():
        reader.errors += [f"{where}: {name} is not declared" for name in TYPE.findall(kind) if name not in known]
    return reader.classes, reader.aliases, reader.errors


def undocumented(classes):
    """Functions without a word on what they do, and parameters without a type are told by read(). A class without a text
    has to be one that a function gives or takes: its name and that function say what it is."""
    bad = [f"{f.where}: {f.call} has no text" for c in classes.values() for f in c.functions if not f.text]
    used = " ".join(v.type for c in classes.values() for f in c.functions for v in f.params + f.returns)
    used += " ".join(v.type for c in classes.values() for v in c.fields) + " ".join(c.parents for c in classes.values())
    for c in classes.values():
        if not c.text and not c.functions and not re.search(rf"{re.escape(c.name)}\b", used):
            bad.append(f"{c.where}: {c.name} has no text, and nothing gives or takes it")
    return bad
