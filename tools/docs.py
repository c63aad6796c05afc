#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The project's documents say what is so: links, their headings and paths exist, commands of ours that they show do, too,
C code names what natskit.h has, code in Python and Lua can be read by them, snippets are as in the examples, which are all
listed, code that users read is such a snippet or is marked as an outline, and docs/README.md leads to every page.

docs.py          says what is wrong
docs.py --write  takes the snippets over from the examples

A snippet is a block of code behind a line `<!-- examples/c/pubsub.c: loop -->`: the region of that file between its lines
`snippet: loop` and `snippet end`, both within comments; regions of one name are joined, and those of several names too. A block behind a line
`<!-- outline -->` shows a form and is no part of a program: names in it stand for what the reader has.
"""
import ast
import functools
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import header  # noqa: E402
from style import ROOT, tracked  # noqa: E402

LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s#]*)(#[^)\s]*)?\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
SNIPPET = re.compile(r"^<!-- (examples/[\w./-]+): ([\w -]+) -->\n```(\w+)\n(.*?)^```$", re.M | re.S)
FACES = re.compile(r"^ *# \[(?:async|end|sync\b[^\n]*)\][^\n]*\n|  # \[async\]$", re.M)  # marks for generate_sync.py
REGION = re.compile(r"^[^\n]*\bsnippet: ([\w-]+)[^\n]*\n(.*?)^[^\n]*\bsnippet end\b", re.M | re.S)
UNMARKED = re.compile(r"(?<! -->)\n```(?:c|python|lua)\n")
NAME = re.compile(r"\b(natskit_\w+|NATSKIT_\w+)\b")
QUOTED = re.compile(r"`([^`\n]+)`")
COMMAND = re.compile(r"(?:^|[\s`(])(\./(?:check|demo)|tools/[\w.-]+|cmake --preset)((?:[ \t]+[\w./-]+)*)")
TOPS = "core|capi|bindings|tests|examples|docs|cmake|tools|bench"
PATH = re.compile(rf"^(?:\./)?(?:{TOPS})/[\w./-]+$")
CHECK_MODES = {"quick", "long", "lane", "list", "abi-update"}


def lanes():
    text = "".join((ROOT / "tools" / name).read_text(encoding="utf-8") for name in ("lanes.sh", "lanes_install.sh"))
    return {name.replace("_", "-") for name in re.findall(r"^lane_(\w+)\(\)", text, re.M)}


def presets():
    return set(re.findall(r'"name": "(\w+)"', (ROOT / "CMakePresets.json").read_text(encoding="utf-8")))


def command(match):
    """What is wrong with a command of ours, or None."""
    program, words = match.group(1), match.group(2).split()
    if program == "cmake --preset":
        return None if not words or words[0] in presets() else f"there is no preset {words[0]}"
    if not (ROOT / program).exists():
        return f"{program} does not exist"
    if program == "./check" and words and words[0] in CHECK_MODES:
        unknown = [w for w in words[1:] if words[0] == "lane" and w not in lanes() and w.islower()]
        return f"there is no lane {unknown[0]}" if unknown else None
    return None


def anchors(file):
    """The headings of a document as links to them are written; a second one of the same words gets -1."""
    found, seen = set(), {}
    for heading in re.findall(r"^#{1,6} (.+?)\s*$", FENCE.sub("", file.read_text(encoding="utf-8")), re.M):
        words = re.sub(r"\]\([^)]*\)", "", heading)
        name = re.sub(r"[^\w -]", "", words.lower()).replace(" ", "-")
        found.add(f"{name}-{seen[name]}" if name in seen else name)
        seen[name] = seen.get(name, 0) + 1
    return found


def link(file, target, heading):
    """What is wrong with a link, or None."""
    if "://" in target or target.startswith("mailto:"):
        return None
    place = file.parent / target if target else file
    if not place.exists():
        return f"link to {target}, which does not exist"
    if heading and place.suffix == ".md" and heading[1:] not in anchors(place):
        return f"link to {target}{heading}, which has no such heading"
    return None


def region(path, names):
    """Regions of an example, as a snippet shows them; None if it has none of one of the names."""
    text = (ROOT / path).read_text(encoding="utf-8") if (ROOT / path).exists() else ""
    found = {}
    for name, part in REGION.findall(text):
        found[name] = found.get(name, "") + textwrap.dedent(FACES.sub("", part))
    return "".join(found[name] for name in names.split()) if found.keys() >= set(names.split()) else None


def snippets(file, report):
    """Compares the snippets of a document; returns its text with them as they should be."""
    text = file.read_text(encoding="utf-8")

    def one(match):
        path, name, language, shown = match.groups()
        meant = region(path, name)
        if meant is None:
            report(line_of(text, match.start()), f"{path} has no region {name}")
            return match.group()
        if meant != shown:
            report(line_of(text, match.start()), f"not as the region {name} of {path}: tools/docs.py --write")
        return f"<!-- {path}: {name} -->\n```{language}\n{meant}```"

    return SNIPPET.sub(one, text)


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def code(file, names, report):
    """Blocks of code: C by its names, Python by its grammar; returns those of Lua, with their lines."""
    text, lua = file.read_text(encoding="utf-8"), []
    for match in FENCE.finditer(text):
        language, block, line = match.group(1), match.group(2), line_of(text, match.start())
        if language == "c":
            for name in sorted(set(NAME.findall(block)) - names):
                report(line, f"natskit.h has no {name}")
        elif language == "python":
            try:
                compile(textwrap.dedent(block), "block", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)
            except SyntaxError as error:
                report(line + (error.lineno or 0), f"Python does not read this block: {error.msg}")
        elif language == "lua":
            lua.append((line, block))
    return lua


def origins(file, report):
    """Blocks of code for users that nothing runs, and that do not say so."""
    if file == ROOT / "README.md" or file.relative_to(ROOT).parts[0] in ("docs", "bindings"):
        text = file.read_text(encoding="utf-8")
        for match in UNMARKED.finditer(text):
            report(line_of(text, match.start()) + 1, "code that is taken from no example, and not marked: <!-- outline -->")


def inline(file, names, report):
    """Names of natskit.h within the text of the documents that are about it."""
    if file.is_relative_to(ROOT / "docs"):
        for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), 1):
            for name in re.findall(r"`(natskit_\w+)`", line):
                if name not in names:
                    report(number, f"natskit.h has no {name}")


def read_lua(blocks, report):
    """Blocks of Lua, read by Lua where there is one."""
    if not blocks or not shutil.which("lua5.4"):
        return
    program = "for i = 1, #arg do local ok, why = load(arg[i], '=block') if not ok then print(i, why) end end"
    done = subprocess.run(["lua5.4", "-e", f"{program} os.exit()", "-", *(b for _, _, b in blocks)], capture_output=True, text=True, check=False)
    for line in (done.stdout + done.stderr).splitlines():
        number, _, why = line.partition("\t")
        file, at, _ = blocks[int(number) - 1]
        report(file, at, f"Lua does not read this block: {why}")


def overview(documents):
    """Pages that docs/README.md does not lead to, and examples that docs/examples.md does not."""
    for page, wanted in (("docs/README.md", [d for d in documents if d.parent == ROOT / "docs"]),
                         ("docs/examples.md", [f for f in tracked() if f.parts[-3:-1] in [("examples", x) for x in ("c", "python", "lua")]])):
        linked = {(ROOT / "docs" / name).resolve() for name, _ in LINK.findall((ROOT / page).read_text(encoding="utf-8")) if name}
        for file in wanted:
            generated = file.suffix == ".h" or file.stem.endswith("_sync")
            if file not in linked and file != ROOT / page and not generated:
                yield f"{page}: does not lead to {file.relative_to(ROOT)}"


def unrun():
    """Examples that no test runs; those in Python are compared by tests/python/test_examples.py."""
    tests = {"c": (ROOT / "tests/integration/examples_test.c").read_text(encoding="utf-8"),
             "lua": "".join(f.read_text(encoding="utf-8") for f in (ROOT / "tests/lua").glob("*.lua"))}
    for language, text in tests.items():
        for file in sorted((ROOT / "examples" / language).glob(f"*.{language}")):
            if f'"{file.stem}"' not in text and f"/{file.stem}" not in text:
                yield f"examples/{language}/{file.name}: no test runs it"


def check(file, report):
    fenced = False
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        for target, heading in [] if fenced else LINK.findall(line):
            wrong = link(file, target, heading)
            if wrong:
                report(number, wrong)
        for quoted in [] if fenced else QUOTED.findall(line):
            if PATH.match(quoted) and not (ROOT / quoted).exists():
                report(number, f"{quoted} does not exist")
        for match in COMMAND.finditer(line):
            wrong = command(match)
            if wrong:
                report(number, wrong)


def main():
    bad, lua = [], []
    documents = [f for f in tracked() if f.suffix == ".md"]
    names = {item.name for section in header.read() for item in section.items}
    names |= {"NATSKIT_H", "NATSKIT_API"}

    def tell(name, number, text):
        bad.append(f"{name}:{number}: {text}")

    for file in documents:
        name = file.relative_to(ROOT)
        report = functools.partial(tell, name)
        if "--write" in sys.argv[1:]:
            file.write_text(snippets(file, lambda number, text: None), encoding="utf-8")
        check(file, report)
        snippets(file, report)
        origins(file, report)
        inline(file, names, report)
        lua += [(name, line, block) for line, block in code(file, names, report)]
    read_lua(lua, tell)
    bad += [*overview(documents), *unrun()]
    print("\n".join(bad + [f"{len(documents)} documents, {len(bad)} findings"]))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
