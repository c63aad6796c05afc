# SPDX-License-Identifier: Apache-2.0
"""Runs a command with $NATS_URL of a server of its own, and ends with its exit code; 77 where there is no server.

    python3 with_server.py COMMAND [ARGUMENT...]

$NK_TAP tells where the helper programs are.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support" / "python"))

from natskit_testing import HarnessError, Server  # noqa: E402


def main() -> int:
    try:
        server = Server(jetstream=False)
    except HarnessError as error:
        print(f"no server: {error}")
        return 77
    with server:
        return subprocess.run(sys.argv[1:], env={**os.environ, "NATS_URL": server.url}, timeout=300).returncode


if __name__ == "__main__":
    sys.exit(main())
