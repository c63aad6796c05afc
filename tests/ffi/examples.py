# SPDX-License-Identifier: Apache-2.0
"""Runs a program of examples/ffi against a server and compares what it prints. Exit code 77: no server or no compiler.

    python3 examples.py LANGUAGE LIBRARY CDEF ABI INCLUDE [COMMAND]

LANGUAGE is luajit, ctypes, node, rust or go; INCLUDE the folder of natskit.h; COMMAND the host or compiler, else that of
PATH. $NK_TAP tells where the helper programs are, $NODE_PATH where Node finds koffi.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples/ffi"
sys.path.insert(0, str(ROOT / "tests/support/python"))

from natskit_testing import HarnessError, Server  # noqa: E402

WANTED = re.compile(
    r"natskit \d+\.\d+\.\d+\n"
    r"greet\.joe: hello\n"
    r"answer: 42\n"
    r"error: [^\n]*\"not valid\"[^\n]*\n"
    r"closed: true\n"
)
COMMANDS = {"luajit": "luajit", "ctypes": sys.executable, "node": "node", "rust": "rustc", "go": "go"}


def program(language: str, command: str, library: Path, abi: str, include: str, folder: Path) -> list[str]:
    """The command line; compiled ones are built in the folder."""
    if language == "luajit":
        return [command, str(EXAMPLES / "hello.lua")]
    if language == "ctypes":
        return [command, str(EXAMPLES / "hello_ctypes.py")]
    if language == "node":
        return [command, str(EXAMPLES / "hello.cjs")]
    made = folder / "hello"
    if language == "rust":
        subprocess.run([sys.executable, EXAMPLES / "rust_declarations.py", abi, folder / "natskit.rs"], check=True)
        shutil.copy(EXAMPLES / "hello.rs", folder)
        subprocess.run(
            [command, "-D", "warnings", "-L", library.parent, "-o", made, folder / "hello.rs"], check=True, cwd=folder
        )
    else:
        (folder / "natskit.pc").write_text(
            f"Name: natskit\nDescription: of this build\nVersion: 0\nCflags: -I{Path(include).resolve()}\nLibs: -L{library.parent} -lnatskit\n"
        )
        path = os.pathsep.join([str(folder), os.environ.get("PKG_CONFIG_PATH", "")])
        environment = {**os.environ, "PKG_CONFIG_PATH": path, "CGO_ENABLED": "1", "GOFLAGS": "", "GOTOOLCHAIN": "local"}
        subprocess.run([command, "build", "-o", made, EXAMPLES / "hello.go"], check=True, cwd=folder, env=environment)
    return [str(made)]


def main() -> int:
    language, library, cdef, abi, include = sys.argv[1:6]
    command = shutil.which(sys.argv[6] if len(sys.argv) > 6 else COMMANDS[language])
    if not command:
        print(f"there is no {COMMANDS[language]}")
        return 77
    try:
        server = Server(jetstream=False)
    except HarnessError as error:
        print(f"no server: {error}")
        return 77
    with server, tempfile.TemporaryDirectory() as folder:
        line = program(language, command, Path(library).resolve(), abi, include, Path(folder))
        environment = {
            **os.environ,
            "NATS_URL": server.url,
            "NATSKIT_LIBRARY": library,
            "NATSKIT_DECLARATIONS": cdef if language == "luajit" else abi,
            "LD_LIBRARY_PATH": str(Path(library).resolve().parent),
        }
        run = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=100)
    print(run.stdout, run.stderr, sep="")
    return 0 if run.returncode == 0 and WANTED.fullmatch(run.stdout) else 1


if __name__ == "__main__":
    sys.exit(main())
