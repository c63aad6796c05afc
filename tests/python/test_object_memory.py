# SPDX-License-Identifier: Apache-2.0
"""How much a process grows that puts and gets a large object piece by piece: both faces, in processes of their own.

NATSKIT_OBJECT_MIB is the object's size.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from natskit_testing import Server

MIB = int(os.environ.get("NATSKIT_OBJECT_MIB", "64"))
MOST_MIB = 32 if MIB >= 256 else 24

# Prints by how many KiB the process has grown at most since it was idle.
PROGRAM = """
import os, re, sys
import {module} as face

def told(field):
    with open("/proc/self/status") as file:
        return int(re.search(field + r":\\s+(\\d+)", file.read())[1])

{async}def main():
    {async}with face.connect(sys.argv[1]) as nc:
        store = {await}nc.jetstream().create_object_store("M")
        piece = bytearray(os.urandom(1 << 20))
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
        idle = told("VmRSS")
        {async}with {await}store.open("large", "wb") as file:
            for _ in range(int(sys.argv[2])):
                {await}file.write(piece)
        put = told("VmHWM") - idle
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
        total = 0
        {async}with {await}store.open("large") as file:
            while got := {await}file.readinto(piece):
                total += got
        assert total == int(sys.argv[2]) << 20, total
        print(f"grown by {{put}} and {{told('VmHWM') - idle}} KiB")
        {await}nc.jetstream().delete_object_store("M")

{run}
"""

FACES = {
    "natskit": {"async": "async ", "await": "await ", "run": "import asyncio; asyncio.run(main())"},
    "natskit.sync": {"async": "", "await": "", "run": "main()"},
}


@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="a sanitizer keeps what was freed")
@pytest.mark.parametrize("module", FACES)
def test_a_large_object_takes_little_memory(shared_jetstream: Server, module: str) -> None:
    program = PROGRAM.format(module=module, **FACES[module])
    done = subprocess.run(
        [sys.executable, "-c", program, shared_jetstream.url, str(MIB)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    print(f"{MIB} MiB, {module}: {done.stdout.strip()}")
    found = re.search(r"grown by (-?\d+) and (-?\d+) KiB", done.stdout)
    assert found is not None, done.stdout
    assert max(int(found[1]), int(found[2])) < MOST_MIB * 1024, done.stdout
