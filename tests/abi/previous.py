# SPDX-License-Identifier: Apache-2.0
"""Programs that were linked against the previous build run with the new library: every program of its examples/c, as its
own folder has built it.

    python3 previous.py PROGRAMS LIBRARIES

PROGRAMS is the folder of the old programs, LIBRARIES that of the new library. 77 where there is no server. $NK_TAP tells
where the helper programs are. No program here has a path of its library in it: LD_LIBRARY_PATH alone decides.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support" / "python"))

from natskit_testing import HarnessError, Server  # noqa: E402

WEBSOCKET = 'websocket { listen: "127.0.0.1:@PORT1@", no_tls: true }'


def loaded(program: Path, environment: dict[str, str]) -> str:
    """The library that the program gets."""
    told = subprocess.run(["ldd", program], env=environment, capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in told.splitlines() if line.strip().startswith("libnatskit.")]
    return rows[0][2] if rows and len(rows[0]) > 2 else "none"


def works(program: Path, environment: dict[str, str]) -> bool:
    try:
        done = subprocess.run([program], env=environment, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        print(f"{program.name}: has not ended after 120 s")
        return False
    if done.returncode == 0 and done.stdout:
        return True
    print(f"{program.name}: ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return False


def main() -> int:
    programs = sorted(path for path in Path(sys.argv[1]).iterdir() if path.is_file() and os.access(path, os.X_OK))
    library = (Path(sys.argv[2]) / "libnatskit.so.0").resolve()
    if len(programs) < 10:
        print(f"{sys.argv[1]}: only {len(programs)} programs")
        return 1
    try:
        server = Server(extra=WEBSOCKET)
    except HarnessError as error:
        print(f"no server: {error}")
        return 77
    bad = 0
    with server:
        for program in programs:
            url = f"ws://127.0.0.1:{server.extra_port(1)}" if program.name == "websocket" else server.url
            environment = {**os.environ, "LD_LIBRARY_PATH": str(library.parent), "NATS_URL": url}
            if Path(loaded(program, environment)).resolve() != library:
                print(f"{program.name}: runs with {loaded(program, environment)}")
                bad += 1
            elif not works(program, environment):
                bad += 1
    print(f"{len(programs)} programs, {bad} of them failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
