#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the documentation as a site: every document of the project, and the reference made from the sources.

tools/site.py [PYTHON]   writes build/docs/html; any warning is an error (docs/decisions/0023)

PYTHON is a folder with a built natskit, whose docstrings are read; without it those of the project's own builds are looked for.
Sphinx and MyST are needed: Debian's python3-sphinx and python3-myst-parser. The order of the pages is that of docs/README.md.
"""
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from docs import LINK  # noqa: E402
from style import ROOT, tracked  # noqa: E402

SITE = ROOT / "build/docs"
BUILDS = ("build/dev/python", "build/release/python", "build/python")
CONFIGURATION = """
project = "natskit"
copyright = "the natskit authors"
extensions = ["myst_parser"]
root_doc = "docs/README"
exclude_patterns = []
myst_heading_anchors = 4
html_theme = "alabaster"
html_theme_options = {"page_width": "72em", "sidebar_width": "16em", "fixed_sidebar": True}
html_show_sourcelink = False
html_copy_source = False
"""


def built():
    """The folder of a natskit that can be imported, or None."""
    given = sys.argv[1:]
    return next((p for p in (Path(b).resolve() for b in given or [ROOT / b for b in BUILDS]) if (p / "natskit").is_dir()), None)


def copy(source):
    """The documents where they are in the project, so that links between them lead where they lead there; with them what is
    linked and is no document, which is offered as a file."""
    documents = [f for f in tracked() if f.suffix == ".md"]
    for file in documents:
        text = link_folders(file, file.read_text(encoding="utf-8"))
        target = source / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        for name, _ in LINK.findall(text):
            linked = (file.parent / name).resolve()
            if name and "://" not in name and linked.is_file() and linked.suffix != ".md" and linked.is_relative_to(ROOT):
                copied = source / linked.relative_to(ROOT)
                copied.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(linked, copied)
    return documents


def link_folders(file, text):
    """Links to folders lead to their README, or become plain text."""

    def one(found):
        target = (file.parent / found.group(1)).resolve()
        if not found.group(1) or "://" in found.group(1) or not target.is_dir():
            return found.group()
        if (target / "README.md").exists():
            return found.group().replace(f"({found.group(1)}", f"({found.group(1).rstrip('/')}/README.md")
        return found.group().split("](")[0].lstrip("[")

    return LINK.sub(one, text)


def toctrees(documents):
    """The pages under the headings of docs/README.md, then the reference, then what it does not name."""
    page = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    trees, named = [], {ROOT / "docs/README.md"}
    for part in re.split(r"^## ", page, flags=re.M)[1:]:
        title = part.split("\n", 1)[0]
        files = [(ROOT / "docs" / name).resolve() for name, _ in LINK.findall(part) if name.endswith(".md")]
        files = [f for f in dict.fromkeys(files) if f not in named]
        named.update(files)
        trees.append((title, ["/" + str(f.relative_to(ROOT).with_suffix("")) for f in files]))
    trees.append(("Reference", ["/reference/c/index", "/reference/python/index", "/reference/lua/index"]))
    rest = sorted("/" + str(f.relative_to(ROOT).with_suffix("")) for f in documents if f not in named)
    trees.append(("Further documents", rest))
    lines = []
    for title, pages in trees:
        if pages:
            lines += ["", "```{toctree}", ":hidden:", f":caption: {title}", "", *pages, "```"]
    return "\n".join(lines) + "\n"


def main():
    module = built()
    if module is None:
        print("tools/site.py: no built natskit was found: build it, or name the folder that it is in")
        return 1
    source, html = SITE / "source", SITE / "html"
    for folder in (source, html):
        shutil.rmtree(folder, ignore_errors=True)
    documents = copy(source)
    with open(source / "docs/README.md", "a", encoding="utf-8") as root:
        root.write(toctrees(documents))
    (source / "conf.py").write_text(CONFIGURATION, encoding="utf-8")
    tools = ROOT / "tools"
    if subprocess.run([sys.executable, tools / "reference.py", source], env={**os.environ, "PYTHONPATH": str(module)}, check=False).returncode:
        return 1
    if subprocess.run([sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", source, html], check=False).returncode:
        return 1
    (html / "index.html").write_text('<!doctype html><title>natskit</title><meta http-equiv="refresh" content="0; url=docs/README.html">\n',
                                     encoding="utf-8")
    print(f"{html.relative_to(ROOT)}/docs/README.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
