# SPDX-License-Identifier: Apache-2.0
"""The public names of the Python package with signature and docstring, for the reference (tools/reference.py) and for the test
that each of them has one (tests/python/test_docs.py). Types of parameters come from the sources, docstrings from the objects."""
from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from dataclasses import dataclass
from pathlib import Path

MODULES = ("natskit", "natskit.js.api", "natskit.micro", "natskit.nkeys", "natskit.jwt", "natskit.errors", "natskit.testing")
SPECIAL = ("__aiter__", "__iter__", "__aenter__", "__enter__")


@dataclass
class Name:
    module: str
    name: str  # "Client.publish"
    kind: str  # class, function, property, field, value
    doc: str
    owner: type | None  # the class that a member is written in


def members(module, name, cls, others):
    """The public members of a class, without what Python's own classes and the other public ones give."""
    for member in dir(cls):
        if member.startswith("_"):
            continue
        owner = next((c for c in cls.__mro__ if member in vars(c)), None)
        if owner is None or not owner.__module__.startswith("natskit") or owner is not cls and owner in others:
            continue
        raw = vars(owner)[member]
        if isinstance(raw, property) or inspect.isgetsetdescriptor(raw):
            kind = "property"
        elif inspect.ismemberdescriptor(raw) or not callable(getattr(raw, "__func__", raw)):
            kind = "field"
        else:
            kind = "function"
        yield Name(module, f"{name}.{member}", kind, inspect.getdoc(getattr(raw, "__func__", raw)) or "", owner)


def public(module):
    """What a module gives to programs: its __all__, without modules."""
    loaded = importlib.import_module(module)
    classes = {c for c in vars(loaded).values() if inspect.isclass(c)}
    for name in getattr(loaded, "__all__", None) or [n for n in vars(loaded) if not n.startswith("_")]:
        value = getattr(loaded, name)
        foreign = not (getattr(value, "__module__", "") or "").startswith("natskit")
        if inspect.isclass(value) and not foreign:
            yield Name(module, name, "class", value.__doc__ or "", value)
            yield from members(module, name, value, classes)
        elif inspect.isroutine(value) and not foreign:
            yield Name(module, name, "function", inspect.getdoc(value) or "", None)


def undocumented():
    """Names without a docstring. Fields are those of classes, whose docstring says what they are."""
    return [f"{n.module}.{n.name}" for m in MODULES for n in public(m) if n.kind != "field" and not n.doc.strip()]


class Sources:
    """Signatures as they are written in the package's files, by class and name."""

    def __init__(self, package):
        self.found = {}
        for path in sorted(package.rglob("*.py*")):
            if path.suffix in (".py", ".pyi") and "compat" not in path.parts and "sync" not in path.parts:
                for node in ast.parse(path.read_text(encoding="utf-8")).body:
                    self.take(node, "")

    def take(self, node, owner):
        if isinstance(node, ast.ClassDef):
            for part in node.body:
                self.take(part, node.name)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            self.found.setdefault((owner, node.name), []).append(node)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            self.found.setdefault((owner, node.target.id), []).append(node)

    def nodes(self, owner, name):
        """Of a class's member; of the stub's class if the object's own name is another one there."""
        for prefix in ("", "Async"):
            if (prefix + owner, name) in self.found:
                return self.found[prefix + owner, name]
        return [n for (c, m), nodes in self.found.items() if m == name and c.startswith("_") and c.endswith("Facts")
                for n in nodes] if owner else []


def written(node, shown):
    """One signature: `await` is said by the word async, whether a coroutine function or what gives something to await."""
    if isinstance(node, ast.AnnAssign):
        return f"{shown}: {ast.unparse(node.annotation)}"
    result = ast.unparse(node.returns) if node.returns else ""
    waits = isinstance(node, ast.AsyncFunctionDef) and not result.startswith(("AsyncIterator", "AsyncGenerator"))
    if result.startswith("_Await["):
        waits, result = True, result[7:-1]
    arguments = ast.arguments(**{k: v for k, v in ast.iter_fields(node.args)})
    if arguments.args and arguments.args[0].arg in ("self", "cls"):
        arguments.args = arguments.args[1:]
    elif arguments.posonlyargs and arguments.posonlyargs[0].arg in ("self", "cls"):
        arguments.posonlyargs = arguments.posonlyargs[1:]
    text = f"{'async ' * waits}{shown}({ast.unparse(arguments)})"
    if len(text) > 100:
        text = f"{'async ' * waits}{shown}(\n" + "".join(f"    {a},\n" for a in pieces(arguments)) + ")"
    return text + (f" -> {result}" if result else "")


def pieces(arguments):
    """The parameters one by one."""
    text, depth, start = ast.unparse(arguments), 0, 0
    for i, c in enumerate(text):
        depth += (c in "([{") - (c in ")]}")
        if c == "," and depth == 0:
            yield text[start:i].strip()
            start = i + 1
    yield text[start:].strip()


def signature(name, sources):
    owner, _, member = name.name.rpartition(".")
    nodes = sources.nodes(name.owner.__name__ if name.owner else "", member)
    functions = [n for n in nodes if not isinstance(n, ast.AnnAssign)]
    overloads = [n for n in functions if any(ast.unparse(d).endswith("overload") for d in n.decorator_list)]
    shown = member if owner else name.name
    if name.kind == "function":
        return [written(n, shown) for n in overloads or functions[:1]] or [f"{shown}(...)"]
    if name.kind == "property":
        node = next((n for n in functions if n.returns), None)
        return [f"{shown}: {ast.unparse(node.returns)}" if node else shown]
    return [written(n, shown) for n in nodes[:1]] or [shown]


def markdown(doc):
    """A docstring as Markdown: "Args:" and its like become lists, what stands indented is code."""
    lines, inside, code = [], False, False
    for line in inspect.cleandoc(doc).split("\n"):
        deep = len(line) - len(line.lstrip())
        if line in ("Args:", "Raises:", "Returns:", "Yields:"):
            lines += ["", f"**{line[:-1]}**", ""]
            inside = True
        elif inside and deep == 4 and ":" in line:
            what, _, text = line.strip().partition(":")
            lines.append(f"- `{what}`:{plain(text)}")
        elif inside and deep > 4:
            lines.append("  " + plain(line.strip()))
        elif not inside and deep >= 4:
            lines += ([] if code else ["```python"]) + [line[4:]]
            code = True
        elif not line:
            lines.append("")
        else:
            inside = False
            lines += (["```", ""] if code else []) + [plain(line)]
            code = False
    return "\n".join(lines + ["```"] * code).strip()


def plain(text):
    """Text of a docstring: what Markdown would read as marks is written as it is."""
    parts = text.split("`")
    parts[::2] = ["".join("\\" + c if c in "\\*_<>[]|$" else c for c in part) for part in parts[::2]]
    return "`".join(parts)


def module_page(module, sources):
    loaded = importlib.import_module(module)
    lines = [f"# {module}", "", markdown((loaded.__doc__ or "").split("\n\n")[0]), ""]
    fields = []
    for name in [*public(module), None]:
        if fields and (name is None or name.kind != "field"):
            lines += ["```python", *fields, "```", ""]
            fields = []
        if name is None:
            break
        if name.kind == "field":
            fields += signature(name, sources)
        elif name.kind == "class":
            parents = [c.__name__ for c in name.owner.__bases__ if vars(loaded).get(c.__name__) is c or issubclass(c, BaseException)]
            lines += [f"## {name.name}", "", f"Is a {', '.join(parents)}.", ""] if parents else [f"## {name.name}", ""]
            lines += [markdown(name.doc), ""]
        else:
            lines += [f"{'###' if '.' in name.name else '##'} {name.name}", "", "```python", *signature(name, sources), "```", "", markdown(name.doc), ""]
    return "\n".join(lines)


def pages(folder):
    import natskit
    sources = Sources(Path(natskit.__file__).parent)
    for module in MODULES:
        (folder / f"{module}.md").write_text(module_page(module, sources), encoding="utf-8")
    text = """
    # Python

    `natskit` is for asyncio. `natskit.sync` has the same names without `await`; it is made from the same source. Methods that are
    written `async` here are awaited there. `natskit.compat.nats` has nats-py's own names: docs/migrating-from-nats-py.md.

    ```{toctree}
    :maxdepth: 1

    """
    (folder / "index.md").write_text(textwrap.dedent(text).strip() + "\n\n" + "\n".join(MODULES) + "\n```\n", encoding="utf-8")
