#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Length of files and C functions, words that mark unfinished work, and calls that this project does not make."""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE_LINES = 900
FUNCTION_LINES = 70

# "path" or "path:function" -> lines allowed. May only shrink; empty is the aim.
RATCHET = {}

# Not debt, so no part of the ratchet: the public header is the documentation of the interface, and FFIs read it as one
# file; the stub of the extension is its counterpart for type checkers. Nothing else belongs here.
LONGER_FILES = {"capi/include/natskit.h": 3200, "bindings/python/natskit/_natskit.pyi": 2000}

CODE = {".c", ".h", ".py", ".pyi", ".lua", ".sh", ".cmake", ".cpp", ".def"}
WORDS = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")

# Calls banned in C files of these folders, with what to do instead.
SHIPPED = ("core/", "capi/", "bindings/")
BANNED = [
    (r"(strcpy|strcat|stpcpy|sprintf|vsprintf|gets)\(", "knows no bound: snprintf, memcpy, base/buf.h"),
    (r"(atoi|atol|atoll|atof)\(", "reports no error: a reader of base/"),
    (r"strtok\(", "keeps hidden state"),
    (r"(setjmp|longjmp)\(", "jumps over releases"),
    (r"(signal|sigaction|atexit|setlocale|setenv|putenv)\(", "belongs to the host"),
    (r"(usleep|sleep)\(", "cannot be woken: wait with a deadline"),
    (r"(localtime|gmtime|inet_ntoa|gethostbyname)\(", "is not safe in threads"),
    (r"(cJSON_AddNumberToObject|cJSON_CreateNumber|cJSON_SetNumberValue|cJSON_InitHooks)\(", "loses integers"),
    (r"cJSON_GetObjectItem\(", "ignores case"),
    (r"OPENSSL_cleanup\(", "belongs to the host"),
]
BANNED = [(re.compile(r"(?<![\w.>])" + call), why) for call, why in BANNED]

NOISE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def tracked():
    """Files of the project: git's list, or, outside a clone, all but build/."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
        files = [ROOT / name for name in names if name]
    except (OSError, subprocess.CalledProcessError):
        files = [f for f in ROOT.rglob("*") if not {"build", ".git"} & set(f.relative_to(ROOT).parts)]
    return sorted({f for f in files if f.is_file() and not f.is_symlink()})


def blank(match):
    """A comment or literal becomes blanks, line ends stay, so that numbers of lines hold."""
    return re.sub(r"[^\n]", " ", match.group())


def functions(code):
    """(name, first line, number of lines) of each function: its body's braces stand in column 0."""
    name, first = None, 0
    for number, line in enumerate(code.split("\n"), 1):
        if name is None or line[:1] not in ("{", "}", " ", "\t", "", "#"):
            head = re.match(r"^[A-Za-z_][^;=]*?\b(\w+)\(", line)
            if head and not line.startswith(("typedef", "#")):
                name, first = head.group(1), number
        if line.startswith("}") and name is not None:
            yield name, first, number - first + 1
            name = None
        elif line.rstrip().endswith(";") and not line[:1].isspace():
            name = None


def check_c(path, text, report):
    code = NOISE.sub(blank, text)
    if not path.startswith(SHIPPED):
        return
    for number, line in enumerate(code.split("\n"), 1):
        for call, why in BANNED:
            match = call.search(line)
            if match:
                report(path, number, f"{match.group(1)} {why}")
    for name, first, lines in functions(code):
        if lines > RATCHET.get(f"{path}:{name}", FUNCTION_LINES):
            report(path, first, f"{name} has {lines} lines, {FUNCTION_LINES} are allowed")


def main():
    bad = []

    def report(path, number, text):
        bad.append(f"{path}:{number}: {text}")

    for file in tracked():
        path = file.relative_to(ROOT).as_posix()
        shell = file.suffix == "" and file.read_bytes()[:2] == b"#!"
        if file.suffix not in CODE and file.name != "CMakeLists.txt" and not shell:
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        lines = text.count("\n")
        allowed = RATCHET.get(path, LONGER_FILES.get(path, FILE_LINES))
        if lines > allowed:
            report(path, 1, f"{lines} lines, {allowed} are allowed")
        for number, line in enumerate(text.split("\n"), 1):
            word = WORDS.search(line)
            if word:
                report(path, number, f"{word.group()}: finish it or open an issue")
        if file.suffix in (".c", ".h"):
            check_c(path, text, report)
    print("\n".join(bad + [f"{len(bad)} findings"]))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
