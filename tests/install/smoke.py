# SPDX-License-Identifier: Apache-2.0
"""What a first program does with the installed package, in both faces; and that it is the installed one.

    python3 smoke.py FOLDER

FOLDER is where the package must lie. $NATS_URL names a server; $NATS_SERVER the program, for natskit.testing.
"""

import asyncio
import os
import sys
from importlib import metadata
from pathlib import Path

import natskit
import natskit.sync
from natskit.testing import Cluster, Scripted, Server, Tap, wallet


async def asynchronous(url: str) -> None:
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("greet.*")
        await nc.publish("greet.joe", b"hello")
        msg = await sub.next_msg(timeout=10)
        assert (msg.subject, bytes(msg.data)) == ("greet.joe", b"hello")


def blocking(url: str) -> None:
    with natskit.sync.connect(url) as nc:
        sub = nc.subscribe("greet.*")
        nc.publish("greet.joe", b"hello")
        assert bytes(sub.next_msg(timeout=10).data) == b"hello"


def testing() -> None:
    """As tests of a user's program would."""
    assert "NK_TAP" not in os.environ
    with Server() as server, Tap(server) as tap, natskit.sync.connect(tap.url) as nc:
        nc.jetstream().add_stream(name="S", subjects=["s"])
        server.restart()
        tap.wait_stat("connections", 2)
        assert nc.jetstream().stream_names() == ["S"]
    with Scripted("handshake\n< PUB a\n< PING\n> PONG\nwait-close\n") as fake, natskit.sync.connect(fake.url) as nc:
        nc.publish("a", b"")
    with Cluster(2, jetstream=False) as cluster:
        for node in cluster:
            with natskit.sync.connect(node.url) as nc:
                nc.flush()
    assert (wallet().dir / "ca.pem").exists()


where = Path(natskit.__file__).resolve()
assert where.is_relative_to(Path(sys.argv[1]).resolve()), f"this is {where}"
assert metadata.version("natskit") == natskit.version()
asyncio.run(asynchronous(os.environ["NATS_URL"]))
blocking(os.environ["NATS_URL"])
testing()
natskit.shutdown()
print(f"natskit {natskit.version()} from {where.parent} on Python {sys.version.split()[0]}")
