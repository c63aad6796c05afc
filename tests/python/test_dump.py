# SPDX-License-Identifier: Apache-2.0
"""natskit.dump: the live objects of the process."""

from __future__ import annotations

import natskit
import natskit.sync


async def test_dump(url: str) -> None:
    assert natskit.sync.dump is natskit.dump
    async with natskit.connect(url) as nc:
        sub = await nc.subscribe("dump.a")
        await nc.publish("dump.a", b"x")
        await nc.flush()
        now = natskit.dump()
        assert now["version"] == natskit.__version__
        (conn,) = (o for o in now["objects"] if o["kind"] == "connection" and o["url"] == url)
        assert conn["state"] == "connected" and conn["connected_ms"] >= 0 and conn["silent_ms"] >= 0
        assert conn["servers"][0]["url"] == url
        (seen,) = (o for o in now["objects"] if o["kind"] == "subscription" and o.get("subject") == "dump.a")
        assert seen["connection"] == conn["handle"] and seen["received"] == 1 and seen["live"] is True
        await sub.unsubscribe()
    assert not any(o.get("url") == url and o.get("state") == "connected" for o in natskit.dump()["objects"])


async def test_trace(url: str) -> None:
    async with natskit.connect(url, trace_lines=100, name="traced", token="never seen") as nc:
        await nc.publish("trace.a", b"x")
        await nc.flush()
        lines = nc.trace()
        text = [(">" if line["out"] else "<") + line["line"] for line in lines]
        text = [line for line in text if line not in ("<PING", ">PONG")]  # a server may ask at any time
        assert text[0].startswith("<INFO {") and '"name":"traced"' in text[1]
        at = text.index(">PUB trace.a 1")
        assert text[at + 1 :] == [">PING", "<PONG"]
        assert all(line["time_ns"] > 0 for line in lines) and "never seen" not in str(lines)
    with natskit.sync.connect(url) as quiet:
        assert quiet.trace() == []
